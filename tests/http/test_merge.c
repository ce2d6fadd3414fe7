/*
 * POST /v1/totals/merge and `lossd merge`: parts that were evaluated over any wire come to the
 * whole, to the last bit; what is no state, or of another whole, is refused where it stands.
 */
#include "../support/bits.h"
#include "../support/eval.h"
#include "../support/group.h"
#include "../support/random.h"
#include "../support/refusal.h"
#include "../support/wire.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base64.h"
#include "state.h"
#include "status/status.h"

#define MERGE "/v1/totals/merge"
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---------------------------------------------------------------- splits over every wire */

#define MOST_ROWS 40
#define CLASSES 7

struct rows {
	size_t n;
	double logits[MOST_ROWS * CLASSES], weight[CLASSES];
	int64_t targets[MOST_ROWS];
};

static struct rows draw_rows(struct random *random)
{
	struct rows rows = {.n = 1 + random_below(random, MOST_ROWS)};
	double spread = random_chance(random, 0.2) ? 1e4 : 5;
	for (size_t i = 0; i < rows.n * CLASSES; i++)
		rows.logits[i] = random_uniform(random, -spread, spread);
	for (size_t i = 0; i < rows.n; i++)
		rows.targets[i] =
			random_chance(random, 0.2) ? -100 : (int64_t)random_below(random, CLASSES);
	for (size_t i = 0; i < CLASSES; i++)
		rows.weight[i] = random_uniform(random, 0, 2);
	return rows;
}

/* A problem of rows [first, first + n). */
static void set_problem(struct eval *eval, const struct rows *rows, size_t first, size_t n)
{
	static const char *const outputs[] = {"loss", "accuracy", "perplexity", "ece", NULL};
	eval_start(eval, "cross_entropy");
	eval_set(eval, "logits",
		 eval_floats(eval, LOSS_F32, 2, (size_t[]){n, CLASSES},
			     rows->logits + first * CLASSES));
	eval_set(eval, "targets",
		 eval_integers(eval, LOSS_I64, 1, (size_t[]){n}, rows->targets + first));
	eval_set(eval, "weight", eval_floats(eval, LOSS_F32, 1, (size_t[]){CLASSES}, rows->weight));
	eval_string(eval, "totals", "exact");
	eval_outputs(eval, outputs);
}

static char *state_over(const struct wire *wire, const struct rows *rows, size_t first, size_t n)
{
	struct wire_reply reply = {0};
	struct eval eval;
	set_problem(&eval, rows, first, n);
	wire->evaluate(client, eval.problem, &reply);
	require(reply.status == 200 && reply.state, "over %s: %d %s", wire->name, reply.status,
		reply.error);
	char *state = strdup(reply.state);
	wire_reply_free(&reply);
	eval_end(&eval);
	return state;
}

/* The body is made of parts whose order is random, for they are taken from both ends. */
static void write_parts(FILE *stream, const struct wire *wire, const struct rows *rows,
			struct random *random)
{
	bool replies = random_chance(random, 0.5);
	const char *before = replies ? "[" : "{\"totals\":[";
	size_t first = 0, end = rows->n;
	while (first < end) {
		size_t n = 1 + random_below(random, end - first);
		bool from_end = random_chance(random, 0.5);
		char *state = state_over(wire, rows, from_end ? end - n : first, n);
		fprintf(stream,
			replies ? "%s{\"loss\":1,\"totals\":{\"rows\":3,\"state\":\"%s\"}}"
				: "%s{\"loss_sum\":\"NaN\",\"state\":\"%s\"}",
			before, state);
		free(state);
		before = ",";
		end -= from_end ? n : 0;
		first += from_end ? 0 : n;
	}
	fputs(replies ? "]" : "]}", stream);
}

/* Merged, as the server writes it, and as the library has it of the whole. */
static void require_whole(const struct rows *rows, const struct reply *reply, const char *what)
{
	struct eval eval;
	set_problem(&eval, rows, 0, rows->n);
	eval_run(&eval, 1);
	require(reply->status == 200, "%s: %d %s", what, reply->status, reply->body);
	cJSON *json = reply_json(reply);
	const cJSON *totals = json_member(json, "totals");
	const struct loss_totals *whole = &eval.result.totals;
	const struct {
		const char *name;
		double got, want;
	} members[] = {
		{"loss_sum", json_number(json_member(totals, "loss_sum")), whole->loss_sum},
		{"denominator", json_number(json_member(totals, "denominator")),
		 whole->denominator},
		{"rows", json_number(json_member(totals, "rows")), (double)whole->rows},
		{"counted", json_number(json_member(totals, "counted")), (double)whole->counted},
		{"ignored", json_number(json_member(totals, "ignored")), (double)whole->ignored},
	};
	require(strcmp(json_string(json_member(totals, "state")), whole->state) == 0,
		"%s: another state", what);
	for (size_t i = 0; i < COUNT(members); i++)
		require(bits_of(members[i].got) == bits_of(members[i].want), "%s: %s is %a, not %a",
			what, members[i].name, members[i].got, members[i].want);
	for (size_t i = 0; i < eval.result.n_outputs; i++) {
		const char *name = eval.result.outputs[i].name;
		double want = eval_value(&eval.result.outputs[i].tensor, 0);
		double got = json_number(json_member(json, name));
		bool narrow = eval.result.outputs[i].tensor.dtype == LOSS_F32;
		got = narrow ? (double)(float)got : got;
		require(bits_of(got) == bits_of(want) || (got != got && want != want),
			"%s: %s is %a, not %a", what, name, got, want);
	}
	cJSON_Delete(json);
	eval_end(&eval);
}

static void splits_over_every_wire_come_to_the_whole(void **state)
{
	struct random random = random_start(0x3e76e);
	(void)state;
	for (const struct wire *wire = wires; wire->name; wire++)
		for (size_t i = 0; i < random_cases(250); i++) {
			struct rows rows = draw_rows(&random);
			struct reply reply;
			char *body = NULL;
			size_t size;
			FILE *stream = open_memstream(&body, &size);
			assert_non_null(stream);
			write_parts(stream, wire, &rows, &random);
			fclose(stream);
			client_post(client, MERGE, body, &reply);
			require_whole(&rows, &reply, wire->name);
			reply_free(&reply);
			free(body);
		}
}

/* ---------------------------------------------------------------- what is refused */

/* States that bodies name: $a and $b are parts of one whole, the others are not. */
static const struct {
	const char *name, *path, *body;
} made[] = {
	{"$a", CROSS_ENTROPY, "{\"logits\":[[1,2,3]],\"targets\":[0],\"totals\":\"exact\"}"},
	{"$b", CROSS_ENTROPY,
	 "{\"logits\":[[3,2,1]],\"targets\":[1],\"totals\":\"exact\",\"outputs\":[\"ece\"]}"},
	{"$loss", "/v1/losses/nll_loss",
	 "{\"log_probs\":[[-1,-2]],\"targets\":[0],\"totals\":\"exact\"}"},
	{"$smoothed", CROSS_ENTROPY,
	 "{\"logits\":[[1,2,3]],\"targets\":[0],\"label_smoothing\":0.1,\"totals\":\"exact\"}"},
	{"$weighted", CROSS_ENTROPY,
	 "{\"logits\":[[1,2,3]],\"targets\":[0],\"weight\":[1,2,1],\"totals\":\"exact\"}"},
	{"$7bins", CROSS_ENTROPY,
	 "{\"logits\":[[1,2,3]],\"targets\":[0],\"ece_bins\":7,\"outputs\":[\"ece\"],"
	 "\"totals\":\"exact\"}"},
	{"$none", CROSS_ENTROPY,
	 "{\"logits\":{\"dtype\":\"F64\",\"shape\":[0,3],\"data\":[]},"
	 "\"targets\":{\"dtype\":\"I64\",\"shape\":[0],\"data\":[]},\"totals\":\"exact\"}"},
	{"$wide", CROSS_ENTROPY,
	 "{\"logits\":{\"dtype\":\"F64\",\"shape\":[1,3],\"data\":[1,2,3]},\"targets\":[0],"
	 "\"totals\":\"exact\"}"},
	{"$many", NULL, NULL}, /* $a as of 2^63 - 1 rows */
};
static char *states[COUNT(made)];

/* Where the rows of a state of cross_entropy stand: after the magic, the type, the digest, the
 * name. */
#define ROWS_AT (3 + 1 + 8 + 1 + 13)

/* $a with as many bytes at a place as there are in `with`. */
static char *changed(size_t at, const unsigned char *with, size_t n)
{
	unsigned char bytes[512];
	size_t size;
	assert_true(base64_decode(states[0], strlen(states[0]), bytes, &size));
	assert_true(at + n <= size);
	memcpy(bytes + at, with, n);
	uint64_t checksum = state_checksum(bytes, size - 8);
	for (size_t i = 0; i < 8; i++)
		bytes[size - 8 + i] = (unsigned char)(checksum >> 8 * i);
	char *text = calloc(1, TEXT_CHARS(size) + 1);
	base64_encode(bytes, size, text);
	return text;
}

static int make_states(void **state)
{
	unsigned char most[16];
	if (group_start(state) != 0)
		return -1;
	for (size_t i = 0; i < COUNT(made) && made[i].path; i++) {
		struct reply reply;
		client_post(client, made[i].path, made[i].body, &reply);
		cJSON *json = reply_json(&reply);
		states[i] = strdup(json_string(json_member(json_member(json, "totals"), "state")));
		cJSON_Delete(json);
		reply_free(&reply);
	}
	memset(most, 0xff, sizeof most);
	most[7] = most[15] = 0x7f;
	states[COUNT(made) - 1] = changed(ROWS_AT, most, sizeof most);
	return 0;
}

static int free_states(void **state)
{
	for (size_t i = 0; i < COUNT(made); i++)
		free(states[i]);
	return group_stop(state);
}

/* A text with the states that it names. */
static char *filled(const char *text)
{
	char *out = NULL;
	size_t size;
	FILE *stream = open_memstream(&out, &size);
	assert_non_null(stream);
	while (*text) {
		size_t i = 0;
		while (i < COUNT(made) && strncmp(text, made[i].name, strlen(made[i].name)) != 0)
			i++;
		if (i < COUNT(made)) {
			fputs(states[i], stream);
			text += strlen(made[i].name);
		} else {
			fputc(*text++, stream);
		}
	}
	fclose(stream);
	return out;
}

#define STATE(text) "{\"state\":\"" text "\"}"
#define TOTALS(text) "{\"totals\":[" text "]}"

static const struct {
	const char *body;
	struct refusal refusal;
} refused[] = {
	/* syntax */
	{"", {STATUS_EMPTY_BODY, NULL, "body"}},
	{"{\"totals\":[", {STATUS_TRUNCATED_BODY, NULL, "line 1"}},
	{TOTALS(STATE("$a") ",{]"), {STATUS_INVALID_JSON, NULL, "line 1"}},
	{TOTALS(STATE("AAAA") ",nonsense"), {STATUS_INVALID_JSON, NULL, "line 1"}},
	/* what must be there, and of what type */
	{"3", {LOSS_WRONG_TYPE, NULL, "an object or an array"}},
	{"{}", {LOSS_MISSING_FIELD, "/totals", "needs \"totals\""}},
	{"{\"totals\":3}", {LOSS_WRONG_TYPE, "/totals", "not 3"}},
	{TOTALS("3"), {LOSS_WRONG_TYPE, "/totals/0", "totals[0] must be an object, not 3"}},
	{TOTALS(STATE("$a") ",[]"), {LOSS_WRONG_TYPE, "/totals/1", "totals[1] must be an object"}},
	{TOTALS("{}"), {LOSS_MISSING_FIELD, "/totals/0", "totals[0] has no \"state\""}},
	{TOTALS("{\"state\":7}"),
	 {LOSS_WRONG_TYPE, "/totals/0/state", "totals[0].state must be a string, not 7"}},
	{"[{\"loss\":3}]", {LOSS_MISSING_FIELD, "/0", "totals[0] has no \"state\""}},
	{"[{\"totals\":{\"loss_sum\":3}}]",
	 {LOSS_MISSING_FIELD, "/0/totals", "totals[0] has no \"state\""}},
	{"[{\"totals\":[]}]", {LOSS_WRONG_TYPE, "/0", "must be an object"}},
	{"{\"totals\":[" STATE("$a") "],\"outputs\":[\"loss\"]}",
	 {LOSS_UNKNOWN_FIELD, "/outputs", "\"outputs\""}},
	{TOTALS("{\"state\":\"$a\",\"state\":\"$a\"}"),
	 {LOSS_DUPLICATE_FIELD, "/totals/0/state", "\"state\" stands there twice"}},
	{"{\"totals\":[" STATE("$a") "],\"totals\":[" STATE("$a") "]}",
	 {LOSS_DUPLICATE_FIELD, "/totals", "\"totals\" stands there twice"}},
	/* states that are none */
	{TOTALS(STATE("")), {LOSS_WRONG_TYPE, "/totals/0/state", "it is no state of totals"}},
	{TOTALS(STATE("$a") "," STATE("AAA")),
	 {LOSS_WRONG_TYPE, "/totals/1/state", "totals[1].state is not base64"}},
	{TOTALS(STATE("$a$a")), {LOSS_WRONG_TYPE, "/totals/0/state", "is not"}},
	{TOTALS(STATE("$a=")), {LOSS_WRONG_TYPE, "/totals/0/state", "is not base64"}},
	{TOTALS(STATE("TFQC")), {LOSS_WRONG_TYPE, "/totals/0/state", "another version"}},
	{TOTALS(STATE("TFQB")), {LOSS_WRONG_TYPE, "/totals/0/state", "damaged"}},
	{TOTALS(STATE("\\u00e9")), {LOSS_WRONG_TYPE, "/totals/0/state", "is not base64"}},
	/* none at all, and of different wholes: the first that differs */
	{TOTALS(""), {LOSS_ARGUMENT_OUT_OF_RANGE, "/totals", "at least 1"}},
	{"[]", {LOSS_ARGUMENT_OUT_OF_RANGE, "/totals", "at least 1"}},
	{TOTALS(STATE("$a") "," STATE("$b") "," STATE("$loss") "," STATE("$smoothed")),
	 {LOSS_ARGUMENT_OUT_OF_RANGE, "/totals/2/state",
	  "totals[2].state is of nll_loss, but totals[0].state is of cross_entropy"}},
	{TOTALS(STATE("$a") "," STATE("$smoothed")),
	 {LOSS_ARGUMENT_OUT_OF_RANGE, "/totals/1/state", "other arguments or class weights"}},
	{TOTALS(STATE("$weighted") "," STATE("$a")),
	 {LOSS_ARGUMENT_OUT_OF_RANGE, "/totals/1/state", "other arguments or class weights"}},
	{TOTALS(STATE("$b") "," STATE("$7bins")),
	 {LOSS_ARGUMENT_OUT_OF_RANGE, "/totals/1/state", "other arguments"}},
	{"[{\"totals\":" STATE("$a") "},{\"totals\":" STATE("$smoothed") "}]",
	 {LOSS_ARGUMENT_OUT_OF_RANGE, "/1/totals/state", "totals[1].state"}},
	/* a damaged one goes before those that differ */
	{TOTALS(STATE("$a") "," STATE("$loss") "," STATE("!")),
	 {LOSS_WRONG_TYPE, "/totals/2/state", "totals[2].state"}},
	/* more rows than can be counted */
	{TOTALS(STATE("$many") "," STATE("$a")),
	 {LOSS_ARGUMENT_OUT_OF_RANGE, "/totals/1/state", "more than 2^63 - 1"}},
};

static void what_is_no_state_is_refused(void **state)
{
	int bad = 0;
	(void)state;
	for (size_t i = 0; i < COUNT(refused); i++) {
		struct reply reply;
		char *body = filled(refused[i].body);
		client_post(client, MERGE, body, &reply);
		bad += refusal_check(refused[i].body, &refused[i].refusal, &reply);
		free(body);
	}
	assert_int_equal(bad, 0);
}

/* Cut anywhere, or with any byte changed. */
static void damaged_states_do_no_harm(void **state)
{
	unsigned char bytes[512];
	char text[700], body[800];
	size_t size;
	struct reply reply;
	(void)state;
	assert_true(base64_decode(states[1], strlen(states[1]), bytes, &size));
	for (size_t i = 0; i < 2 * size; i++) {
		size_t n = i < size ? i : size, at = i % size;
		unsigned char was = bytes[at];
		if (i >= size)
			bytes[at] ^= (unsigned char)(1 + i % 255);
		base64_encode(bytes, n, text);
		text[TEXT_CHARS(n)] = '\0';
		snprintf(body, sizeof body, TOTALS(STATE("%s")), text);
		client_post(client, MERGE, body, &reply);
		require(reply.status == 422 && strstr(reply.body, "\"wrong_type\""),
			"byte %zu, %s: %d %s", at, i < size ? "cut" : "changed", reply.status,
			reply.body);
		reply_free(&reply);
		bytes[at] = was;
	}
}

/* ---------------------------------------------------------------- what is taken */

/* What merging a body comes to, as text; the caller frees it. */
static char *merged(const char *text)
{
	struct reply reply;
	char *body = filled(text);
	client_post(client, MERGE, body, &reply);
	require(reply.status == 200, "%s: %d %s", text, reply.status, reply.body);
	char *out = strdup(reply.body);
	reply_free(&reply);
	free(body);
	return out;
}

static void require_same(const char *a, const char *b)
{
	char *x = merged(a), *y = merged(b);
	require(strcmp(x, y) == 0, "%s\n%s and %s\n%s", a, x, b, y);
	free(x);
	free(y);
}

static void forms_that_say_the_same(void **state)
{
	(void)state;
	require_same(TOTALS(STATE("$a")), STATE("$a"));
	require_same(TOTALS(STATE("$a")), "{\"loss\":3,\"totals\":" STATE("$a") ",\"metrics\":{}}");
	require_same(TOTALS(STATE("$a") "," STATE("$b")), TOTALS(STATE("$b") "," STATE("$a")));
	require_same(TOTALS(STATE("$a") "," STATE("$b")),
		     "[" STATE("$a") ",{\"totals\":" STATE("$b") "}]");
	require_same(
		TOTALS(STATE("$a") "," STATE("$b")),
		"[{\"x\":{\"state\":1,\"totals\":[{}]},\"st\\u0061te\":\"$b\"}," STATE("$a") "]");
	/* no rows change nothing, wherever they stand */
	require_same(TOTALS(STATE("$a") "," STATE("$none")), TOTALS(STATE("$a")));
	require_same(TOTALS(STATE("$none") "," STATE("$b") "," STATE("$none")),
		     TOTALS(STATE("$b")));
	require_same(TOTALS(STATE("$none") "," STATE("$none")), TOTALS(STATE("$none")));
}

/* F64 and F32 make F64; and what not all have is not there. */
static void what_differs_and_merges(void **state)
{
	(void)state;
	char *wide = merged(TOTALS(STATE("$a") "," STATE("$wide")));
	char *both = merged(TOTALS(STATE("$a") "," STATE("$b")));
	char *binned = merged(TOTALS(STATE("$b")));
	require(strstr(wide, "\"loss\":2.407605964") != NULL, "%s", wide);
	require(strstr(both, "\"accuracy\":0.0") != NULL && strstr(both, "\"ece\"") == NULL, "%s",
		both);
	require(strstr(binned, "\"ece\":") != NULL, "%s", binned);
	free(wide);
	free(both);
	free(binned);
}

/* The state that a problem comes to, on the server of the group. */
static char *state_of(const char *path, const char *problem)
{
	struct reply reply;
	client_post(client, path, problem, &reply);
	cJSON *json = reply_json(&reply);
	char *text = strdup(json_string(json_member(json_member(json, "totals"), "state")));
	cJSON_Delete(json);
	reply_free(&reply);
	return text;
}

/* What bits_per_byte needs is no reason to have what nll_loss does not tell. */
static void outputs_do_not_change_a_state(void **state)
{
	static const char problem[] =
		"{\"log_probs\":[[-5,-0.01],[-0.01,-5]],\"targets\":[1,0],\"bytes\":[3,4],"
		"\"totals\":\"exact\",\"outputs\":[\"%s\"]}";
	char with[256], without[256];
	(void)state;
	snprintf(with, sizeof with, problem, "bits_per_byte");
	snprintf(without, sizeof without, problem, "loss");
	char *a = state_of("/v1/losses/nll_loss", with);
	char *b = state_of("/v1/losses/nll_loss", without);
	assert_string_equal(a, b);
	free(a);
	free(b);
}

/* At one below, at, one above and far above max_elements. */
static void no_more_groups_than_elements(void **state)
{
	static const size_t groups[] = {7, 8, 9, 100000};
	struct server small;
	(void)state;
	assert_int_equal(
		server_start(&small, (const char *const[]){"--max-elements", "8", NULL}, NULL), 0);
	struct client *other = client_open(&small);
	for (size_t i = 0; i < COUNT(groups); i++) {
		char problem[256], *body = NULL;
		struct reply reply;
		snprintf(problem, sizeof problem,
			 "{\"logits\":[[1,2,3]],\"targets\":[0],\"groups\":[0],\"n_groups\":%zu,"
			 "\"totals\":\"exact\",\"outputs\":[\"group_loss\"]}",
			 groups[i]);
		char *text = state_of(CROSS_ENTROPY, problem);
		assert_true(asprintf(&body, TOTALS(STATE("%s")), text) > 0);
		client_post(other, MERGE, body, &reply);
		assert_int_equal(reply.status, groups[i] <= 8 ? 200 : 422);
		snprintf(problem, sizeof problem,
			 "totals[0].state has %zu groups, but there may be 8 "
			 "(max_elements)",
			 groups[i]);
		assert_int_equal(strstr(reply.body, problem) != NULL, groups[i] > 8);
		reply_free(&reply);
		free(body);
		free(text);
	}
	client_close(other);
	assert_int_equal(server_stop(&small), 0);
}

/* As gzip, which comes to the same; of another type; and what is no POST. */
static void bodies_in_other_forms(void **state)
{
	(void)state;
	static const char *const coded[] = {"Content-Type: application/json",
					    "Content-Encoding: gzip", NULL};
	unsigned char bytes[2048];
	char *body = filled(TOTALS(STATE("$a") "," STATE("$b")));
	char *plain = merged(TOTALS(STATE("$a") "," STATE("$b")));
	z_stream stream = {.next_in = (unsigned char *)body,
			   .avail_in = (unsigned)strlen(body),
			   .next_out = bytes,
			   .avail_out = sizeof bytes};
	assert_int_equal(deflateInit2(&stream, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY),
			 Z_OK);
	assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
	struct request packed = {.path = MERGE,
				 .headers = coded,
				 .body = (const char *)bytes,
				 .body_size = stream.total_out};
	deflateEnd(&stream);
	struct reply unpacked;
	client_send(client, &packed, &unpacked);
	assert_int_equal(unpacked.status, 200);
	assert_string_equal(unpacked.body, plain);
	reply_free(&unpacked);
	packed.body_size -= 9;
	client_send(client, &packed, &unpacked);
	const struct refusal cut = {STATUS_INVALID_ENCODING, NULL, "too early"};
	assert_int_equal(refusal_check("cut gzip", &cut, &unpacked), 0);
	free(plain);
	free(body);
	static const char *const types[] = {"Content-Type: text/plain", NULL};
	struct request request = {.path = MERGE, .body = "{}", .headers = types};
	struct reply reply;
	client_send(client, &request, &reply);
	const struct refusal refusal = {STATUS_UNSUPPORTED_MEDIA_TYPE, NULL, "application/json"};
	assert_int_equal(refusal_check("a type", &refusal, &reply), 0);
	client_get(client, MERGE, &reply);
	const struct refusal method = {STATUS_METHOD_NOT_ALLOWED, NULL, "POST"};
	assert_int_equal(refusal_check("GET", &method, &reply), 0);
}

/* ---------------------------------------------------------------- the command */

static char folder[] = "/tmp/test_merge.XXXXXX";

static const char *write_file(const char *name, const char *text)
{
	static char paths[4][128];
	static unsigned next;
	char *path = paths[next++ % 4], *body = filled(text);
	snprintf(path, sizeof paths[0], "%s/%s", folder, name);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(body, file);
	assert_int_equal(fclose(file), 0);
	free(body);
	return path;
}

static const struct {
	const char *text[2]; /* of files; NULL: there is none */
	int code;
	const char *words; /* of what is printed, or of the complaint */
} commands[] = {
	{{"{\"totals\":" STATE("$a") "}", "{\"totals\":" STATE("$b") "}"}, 0, "\"rows\":2"},
	{{"{\"totals\":" STATE("$a") "}\n\n {\"totals\":" STATE("$b") "}\r\n", STATE("$a")},
	 0,
	 "\"rows\":3"},
	{{"\n{\n \"totals\":\n " STATE("$a") "\n}\n"}, 0, "\"rows\":1"},
	{{TOTALS(STATE("$a") "," STATE("$b"))}, 0, "\"rows\":2"},
	{{"{\"totals\":" STATE("$a") "}\n{\"totals\":" STATE("!") "}\n"},
	 1,
	 "0:2: totals[1].state is not base64"},
	{{STATE("$a"), STATE("$loss")}, 1, "1: totals[1].state is of nll_loss"},
	{{"{\"loss\":1}"}, 1, "needs \"totals\""},
	{{""}, 1, "0: "},
	{{"{\"totals\":" STATE("$a") "}\n{\"tot"}, 1, "0:2: "},
	{{TOTALS("")}, 1, "at least 1"},
	{{NULL, NULL}, 2, "which FILE?"},
	{{TOTALS(STATE("$a")), "--fail-above=1e9"}, 0, "\"rows\":1"},
	{{TOTALS(STATE("$a")), "--fail-above=-1"}, 3, ""},
	{{TOTALS(STATE("$a")), "--fail-above=x"}, 2, "must be a number, not \"x\""},
};

static void files_of_replies(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(folder));
	for (size_t i = 0; i < COUNT(commands); i++) {
		const char *flags[4] = {"merge"};
		struct server_run run;
		for (size_t k = 0; k < 2 && commands[i].text[k]; k++)
			flags[1 + k] = strncmp(commands[i].text[k], "--", 2) == 0
					       ? commands[i].text[k]
					       : write_file(k ? "1" : "0", commands[i].text[k]);
		assert_int_equal(server_run(&run, flags, NULL), 0);
		const char *said = commands[i].code ? run.err : run.out;
		require(run.code == commands[i].code && strstr(said, commands[i].words),
			"command %zu: %d, %s%s", i, run.code, run.out, run.err);
		bool prints = commands[i].code == 0 || commands[i].code == 3;
		require(prints == (run.out[0] != '\0'), "command %zu prints", i);
		server_run_free(&run);
	}
	unlink(write_file("0", ""));
	unlink(write_file("1", ""));
	assert_int_equal(rmdir(folder), 0);
}

static void wrong_commands(void **state)
{
	static const struct {
		const char *flags[3];
		int code;
		const char *words;
	} wrong[] = {
		{{"merge", "/nonexistent"}, 2, "/nonexistent: No such file"},
		{{"merge", "--loss"}, 2, "there is no option --loss"},
		{{"merge", "--fail-above"}, 2, "must be a number, not \"\""},
		{{"merge", "--help"}, 0, "usage: lossd merge"},
		{{"merge", "/tmp"}, 2, "/tmp: "},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++) {
		struct server_run run;
		assert_int_equal(server_run(&run, wrong[i].flags, NULL), 0);
		const char *said = wrong[i].code ? run.err : run.out;
		require(run.code == wrong[i].code && strstr(said, wrong[i].words), "%s: %d, %s%s",
			wrong[i].flags[1], run.code, run.out, run.err);
		server_run_free(&run);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(splits_over_every_wire_come_to_the_whole),
		cmocka_unit_test(what_is_no_state_is_refused),
		cmocka_unit_test(damaged_states_do_no_harm),
		cmocka_unit_test(forms_that_say_the_same),
		cmocka_unit_test(what_differs_and_merges),
		cmocka_unit_test(outputs_do_not_change_a_state),
		cmocka_unit_test(no_more_groups_than_elements),
		cmocka_unit_test(bodies_in_other_forms),
		cmocka_unit_test(files_of_replies),
		cmocka_unit_test(wrong_commands),
	};
	return cmocka_run_group_tests(tests, make_states, free_states);
}
