/* `lossd eval`: files of every format and standard input, exit codes, the bits that the library
 * gives. */
#include "../support/safetensors.h"
#include "../support/server.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#define JSON "{\"logits\": [[0.5, -1.25, 3], [2, 0.125, -7.5]], \"targets\": [2, 1]}"
#define BAD "{\"logits\": [[1, 2]], \"targets\": [2]}"
#define LOG_PROBS "{\"log_probs\": [[-1, -2]], \"targets\": [-5]}"
#define HEADER                                                                                     \
	"{\"targets\":{\"dtype\":\"I64\",\"shape\":[2],\"data_offsets\":[0,16]},"                  \
	"\"logits\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[16,40]}}"
#define OIP                                                                                        \
	"{\"inputs\": [{\"name\": \"logits\", \"shape\": [2, 3], \"datatype\": \"FP32\", "         \
	"\"data\": [0.5, -1.25, 3, 2, 0.125, -7.5]}, {\"name\": \"targets\", \"shape\": [2], "     \
	"\"datatype\": \"INT64\", \"data\": [2, 1]}]}"

static const struct {
	int64_t targets[2];
	float logits[6];
} data = {{2, 1}, {0.5f, -1.25f, 3, 2, 0.125f, -7.5f}};

static char folder[] = "/tmp/test_eval.XXXXXX";

/* The path of a file of the tests' own folder; valid until the next call but three. */
static const char *path_of(const char *name)
{
	static char paths[4][128];
	static unsigned next;
	char *path = paths[next++ % 4];
	snprintf(path, sizeof paths[0], "%s/%s", folder, name);
	return path;
}

static void write_file(const char *name, const void *bytes, size_t n)
{
	FILE *file = fopen(path_of(name), "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, n, file), n);
	assert_int_equal(fclose(file), 0);
}

static void write_gzip(const char *name, const void *bytes, size_t n)
{
	gzFile file = gzopen(path_of(name), "wb");
	assert_non_null(file);
	assert_int_equal(gzwrite(file, bytes, (unsigned)n), n);
	assert_int_equal(gzclose(file), Z_OK);
}

static const char *const names[] = {"a.json",   "a.safetensors",  "a.json.gz",        "plain",
				    "tensors",  "packed",         "a.safetensors.gz", "a.oip",
				    "bad.json", "cut.safetensors"};

static int set_up(void **state)
{
	size_t size;
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	char *body = safetensors_body(HEADER, &data, sizeof data, &size);
	write_file("a.json", JSON, sizeof JSON - 1);
	write_file("plain", JSON, sizeof JSON - 1);
	write_gzip("a.json.gz", JSON, sizeof JSON - 1);
	write_gzip("packed", JSON, sizeof JSON - 1);
	write_file("a.safetensors", body, size);
	write_file("tensors", body, size);
	write_gzip("a.safetensors.gz", body, size);
	write_file("a.oip", OIP, sizeof OIP - 1);
	write_file("bad.json", BAD, sizeof BAD - 1);
	write_file("cut.safetensors", body, size - 1);
	free(body);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		unlink(path_of(names[i]));
	return rmdir(folder);
}

static struct server_run eval(const char *file, const char *const *more)
{
	const char *flags[16] = {"eval", file};
	struct server_run run;
	for (size_t i = 0; more && more[i] && i < 13; i++)
		flags[i + 2] = more[i];
	assert_int_equal(server_run(&run, flags, NULL), 0);
	return run;
}

static cJSON *reply_of(const char *file, const char *const *more)
{
	struct server_run run = eval(file, more);
	if (run.code != 0)
		fail_msg("%s: exit code %d: %s", file, run.code, run.err);
	assert_string_equal(run.err, "");
	assert_int_equal(run.out[strlen(run.out) - 1], '\n');
	cJSON *json = cJSON_ParseWithOpts(run.out, NULL, 0);
	assert_non_null(json);
	server_run_free(&run);
	return json;
}

/* Everything of a reply but its times. */
static char *results_of(const char *file, const char *const *more)
{
	cJSON *json = reply_of(file, more);
	cJSON_DeleteItemFromObjectCaseSensitive(json, "metrics");
	char *text = cJSON_PrintUnformatted(json);
	cJSON_Delete(json);
	return text;
}

static void test_every_format_gives_the_same(void **state)
{
	static const char *const more[] = {"--outputs", "loss,grad,lse", "--reduction=none", NULL};
	static const char *const oip[] = {"--format",         "oip", "--outputs", "loss,grad,lse",
					  "--reduction=none", NULL};
	(void)state;
	char *wanted = results_of(path_of("a.json"), more);
	assert_non_null(strstr(wanted, "\"grad\":[["));
	for (size_t i = 1; i < 7; i++) {
		char *got = results_of(path_of(names[i]), more);
		assert_string_equal(got, wanted);
		cJSON_free(got);
	}
	char *got = results_of(path_of("a.oip"), oip);
	assert_string_equal(got, wanted);
	cJSON_free(got);
	cJSON_free(wanted);
}

static void test_metrics(void **state)
{
	(void)state;
	cJSON *json = reply_of(path_of("a.json"), (const char *const[]){"--threads", "2", NULL});
	const cJSON *metrics = cJSON_GetObjectItemCaseSensitive(json, "metrics");
	assert_int_equal(cJSON_GetObjectItemCaseSensitive(metrics, "bytes_in")->valueint,
			 sizeof JSON - 1);
	cJSON_Delete(json);
}

static void test_arguments(void **state)
{
	static const char *const more[] = {"--loss", "nll_loss",         "--ignore_index",
					   "-5",     "--reduction=none", NULL};
	(void)state;
	write_file("plain", LOG_PROBS, sizeof LOG_PROBS - 1);
	cJSON *json = reply_of(path_of("plain"), more);
	const cJSON *totals = cJSON_GetObjectItemCaseSensitive(json, "totals");
	assert_int_equal(cJSON_GetObjectItemCaseSensitive(totals, "ignored")->valueint, 1);
	cJSON_Delete(json);
	write_file("plain", JSON, sizeof JSON - 1);
}

static void test_non_finite(void **state)
{
	static const char body[] = "{\"logits\": [NaN, 1]}";
	static const char *const words[][2] = {
		{"--non_finite=string", "{\"probs\":[\"NaN\",\"NaN\"],"},
		{"--non_finite=null", "{\"probs\":[null,null],"},
		{"--non_finite=python", "{\"probs\":[NaN,NaN],"}};
	(void)state;
	write_file("plain", body, sizeof body - 1);
	for (size_t i = 0; i < 3; i++) {
		const char *const more[] = {"--loss", "softmax", words[i][0], NULL};
		struct server_run run = eval(path_of("plain"), more);
		assert_int_equal(run.code, 0);
		assert_memory_equal(run.out, words[i][1], strlen(words[i][1]));
		server_run_free(&run);
	}
	write_file("plain", JSON, sizeof JSON - 1);
}

/* Base64 in, of a file that is compressed by itself or not, and out. */
static void test_base64(void **state)
{
	static const char body[] =
		"{\"logits\": {\"dtype\": \"F32\", \"shape\": [1, 2], \"base64\": "
		"\"AAAAPwAAAL8=\"}, \"targets\": [0], \"outputs\": [\"grad\"]}";
	static const char *const words[][2] = {
		{"--tensors=numbers", "{\"grad\":[[-0.26894143,0.26894143]],"},
		{"--tensors=base64",
		 "{\"grad\":{\"dtype\":\"F32\",\"shape\":[1,2],\"base64\":\"sbKJvrGyiT4=\"},"}};
	(void)state;
	write_file("plain", body, sizeof body - 1);
	for (size_t i = 0; i < 2; i++) {
		const char *const more[] = {words[i][0], NULL};
		struct server_run run = eval(path_of("plain"), more);
		assert_int_equal(run.code, 0);
		assert_memory_equal(run.out, words[i][1], strlen(words[i][1]));
		server_run_free(&run);
	}
	write_file("plain", JSON, sizeof JSON - 1);
}

/* As a pipeline of a shell has it. */
static void test_standard_input(void **state)
{
	char command[512], reply[4096] = "";
	(void)state;
	snprintf(command, sizeof command,
		 "cat %s | \"${LOSSD:-${BUILD:-build}/lossd}\" eval - --reduction sum",
		 path_of("tensors"));
	FILE *pipe = popen(command, "r");
	assert_non_null(pipe);
	assert_non_null(fgets(reply, sizeof reply, pipe));
	assert_int_equal(pclose(pipe), 0);
	cJSON *json = cJSON_Parse(reply);
	assert_non_null(json);
	cJSON_DeleteItemFromObjectCaseSensitive(json, "metrics");
	char *got = cJSON_PrintUnformatted(json);
	char *wanted =
		results_of(path_of("a.json"), (const char *const[]){"--reduction=sum", NULL});
	assert_string_equal(got, wanted);
	cJSON_free(got);
	cJSON_free(wanted);
	cJSON_Delete(json);
}

static void test_what_is_wrong(void **state)
{
	(void)state;
	const struct {
		const char *flags[8];
		int code;
		const char *words;
	} cases[] = {
		{{"bad.json"},
		 1,
		 "lossd eval: target_out_of_bounds: targets[0] is 2, but there are 2 "
		 "classes (0..1)\n"},
		{{"cut.safetensors"}, 1, "lossd eval: truncated_body: the body ends after 39 of "},
		{{"a.safetensors", "--format", "json"}, 1, "lossd eval: invalid_json: line 1"},
		{{"a.json", "--format", "safetensors"}, 1, "lossd eval: invalid_safetensors: "},
		{{"a.json", "--outputs", "nothing"}, 1, "outputs[0] is \"nothing\""},
		{{"a.json", "--reduction", "quick"}, 1, "reduction is \"quick\""},
		{{"a.json", "--shift", "maybe"}, 1, "wrong_type: shift"},
		{{"a.json", "--shift", "1", "--shift=0"}, 1, "duplicate_field: shift"},
		{{"a.json", "--loss", "nll_loss"},
		 1,
		 "unknown_field: nll_loss has no field \"logits\""},
		{{"a.json", "--loss", "crossentropy"}, 2, "it is called \"cross_entropy\" here\n"},
		{{"a.json", "--labelsmoothing", "0"}, 2, "the nearest is --label_smoothing\n"},
		{{"a.json", "--nonfinite", "null"}, 2, "the nearest is --non_finite\n"},
		{{"a.json", "--non_finite", "none"}, 1, "out_of_range: non_finite is \"none\""},
		{{"a.json", "--logits", "0"}, 2, "there is a file, \""},
		{{"a.json", "--label-smothing", "0"}, 2, "the nearest is --label_smoothing\n"},
		{{"a.json", "--output", "loss"},
		 2,
		 "has no argument --output; the nearest is --outputs\n"},
		{{"a.json", "--inwards", "loss"},
		 2,
		 "has no argument --inwards; there are --logits, --targets, --weight, "},
		{{"a.json", "--format", "xml"}, 2, "--format: there is no format \"xml\""},
		{{"a.json", "--threads", "0"}, 2, "--threads must be a whole number from 1 to"},
		{{"a.json", "--isa", "z80"}, 2, "--isa: "},
		{{"a.json", "--reduction"}, 2, "--reduction needs a value\n"},
		{{"a.json", "-x"}, 2, "\"-x\" is no option"},
		{{"missing.json"}, 2, "missing.json: No such file or directory\n"},
		{{"."}, 2, "Is a directory\n"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct server_run run = eval(path_of(cases[i].flags[0]), cases[i].flags + 1);
		if (run.code != cases[i].code || strstr(run.err, cases[i].words) == NULL)
			fail_msg("%s %s: exit code %d: %s", cases[i].flags[0],
				 cases[i].flags[1] ? cases[i].flags[1] : "", run.code, run.err);
		assert_string_equal(run.out, "");
		/* One line, whatever it is. */
		assert_ptr_equal(strchr(run.err, '\n'), run.err + strlen(run.err) - 1);
		server_run_free(&run);
	}
}

/* A line each of all that is wrong at once. */
static void test_all_that_is_wrong(void **state)
{
	static const char body[] = "{\"logits\": \"a\", \"targets\": [\"b\"], \"shift\": 0}";
	(void)state;
	write_file("bad.json", body, sizeof body - 1);
	struct server_run run = eval(path_of("bad.json"), NULL);
	assert_int_equal(run.code, 1);
	const char *logits = strstr(run.err, "wrong_type: logits is \"a\"");
	const char *targets = strstr(run.err, "\nlossd eval: wrong_type: targets[0] is \"b\"");
	const char *shift = strstr(run.err, "\nlossd eval: wrong_type: shift is 0");
	assert_true(logits && targets > logits && shift > targets);
	server_run_free(&run);
	write_file("bad.json", BAD, sizeof BAD - 1);
}

static void test_no_file_is_a_question(void **state)
{
	(void)state;
	struct server_run run;
	assert_int_equal(server_run(&run, (const char *const[]){"eval", NULL}, NULL), 0);
	assert_int_equal(run.code, 2);
	assert_non_null(strstr(run.err, "which file?"));
	server_run_free(&run);
}

static void test_help(void **state)
{
	(void)state;
	struct server_run run = eval("--loss", (const char *const[]){"kl_div", "--help", NULL});
	assert_int_equal(run.code, 0);
	assert_string_equal(run.err, "");
	assert_non_null(strstr(run.out, "usage: lossd eval FILE... "));
	assert_non_null(strstr(run.out, "of kl_div, with - or _ in their names:\n"));
	assert_non_null(strstr(run.out, "--log_target"));
	server_run_free(&run);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_format_gives_the_same),
		cmocka_unit_test(test_metrics),
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_non_finite),
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_standard_input),
		cmocka_unit_test(test_what_is_wrong),
		cmocka_unit_test(test_all_that_is_wrong),
		cmocka_unit_test(test_no_file_is_a_question),
		cmocka_unit_test(test_help),
	};
	return cmocka_run_group_tests_name("eval", tests, set_up, tear_down);
}
