/* How replies look that are JSON: NaN and infinities as the argument non_finite says, and a newline
 * at the end. */
#include "../support/group.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SOFTMAX "/v1/losses/log_softmax"
#define INFER "/v2/models/cross_entropy/infer"
#define TYPE_JSON "Content-Type: application/json"

static void send_as(const char *path, const char *type, const char *body, struct reply *reply)
{
	const char *const headers[] = {type, NULL};
	const struct request request = {.path = path, .headers = headers, .body = body};
	client_send(client, &request, reply);
}

static void assert_holds(const struct reply *reply, const char *text)
{
	if (!strstr(reply->body, text))
		fail_msg("%d %s\nlacks %s", reply->status, reply->body, text);
}

/* ---------------------------------------------------------------- non_finite */

static const struct style {
	const char *name, *nan, *plus, *minus;
} styles[] = {
	{"string", "\"NaN\"", "\"Infinity\"", "\"-Infinity\""},
	{"null", "null", "null", "null"},
	{"python", "NaN", "Infinity", "-Infinity"},
};
#define N_STYLES (sizeof styles / sizeof *styles)

/* A row of NaN, and one with an excluded class, between finite numbers. */
#define ROWS "[[NaN, 0], [0, -Infinity], [0, 0]]"

/* The same in the body and in the query string, for a type of each way to write numbers. */
static void tensors_are_written_so(void **state)
{
	static const char *const dtypes[] = {"F64", "F32", "F16", "BF16", "F8_E5M2"};
	(void)state;
	for (size_t i = 0; i < N_STYLES * 5 * 2; i++) {
		const struct style *style = &styles[i / 10];
		bool in_query = i % 2;
		char body[256], path[128], want[160], member[64] = "";
		struct reply reply;
		snprintf(in_query ? path : member, in_query ? sizeof path : sizeof member,
			 in_query ? SOFTMAX "?non_finite=%s" : ", \"non_finite\": \"%s\"",
			 style->name);
		snprintf(
			body, sizeof body,
			"{\"logits\": {\"dtype\": \"%s\", \"shape\": [2, 2], \"data\": [NaN, 0, 0, "
			"-Infinity]}%s}",
			dtypes[i / 2 % 5], member);
		snprintf(want, sizeof want, "{\"log_probs\":[[%s,%s],[0.0,%s]],", style->nan,
			 style->nan, style->minus);
		client_post(client, in_query ? path : SOFTMAX, body, &reply);
		assert_int_equal(reply.status, 200);
		assert_holds(&reply, want);
		reply_free(&reply);
	}
}

/* Runs of numbers in float32 are written several at a time. */
static void among_many_numbers_they_are_written_so(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_STYLES; i++) {
		char *body = malloc(65536);
		char want[64];
		struct reply reply;
		size_t n = (size_t)snprintf(body, 65536, "{\"non_finite\": \"%s\", \"logits\": [",
					    styles[i].name);
		for (int row = 0; row < 1000; row++)
			n += (size_t)snprintf(body + n, 65536 - n, "%s[%s,1.5]", row ? "," : "",
					      row % 7 == 3 ? "-Infinity" : "0.25");
		snprintf(body + n, 65536 - n, "]}");
		client_post(client, SOFTMAX, body, &reply);
		snprintf(want, sizeof want, "[%s,0.0]", styles[i].minus);
		size_t found = 0;
		for (const char *at = reply.body; (at = strstr(at, want)); at++)
			found++;
		assert_int_equal(found, 143);
		reply_free(&reply);
		free(body);
	}
}

static void scalars_and_totals_are_written_so(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_STYLES; i++) {
		char body[256], want[128];
		struct reply reply;
		snprintf(body, sizeof body,
			 "{\"logits\": " ROWS ", \"targets\": [0, 1, 0], \"reduction\": \"sum\", "
			 "\"non_finite\": \"%s\", \"outputs\": [\"loss\", \"lse\"]}",
			 styles[i].name);
		client_post(client, CROSS_ENTROPY, body, &reply);
		assert_int_equal(reply.status, 200);
		snprintf(want, sizeof want, "{\"loss\":%s,\"lse\":[%s,0.0,0.6931472],",
			 styles[i].nan, styles[i].nan);
		assert_holds(&reply, want);
		snprintf(want, sizeof want, "\"totals\":{\"loss_sum\":%s,", styles[i].nan);
		assert_holds(&reply, want);
		reply_free(&reply);

		snprintf(body, sizeof body,
			 "{\"logits\": [[0, -Infinity]], \"targets\": [1], \"non_finite\": \"%s\"}",
			 styles[i].name);
		client_post(client, CROSS_ENTROPY, body, &reply);
		snprintf(want, sizeof want, "{\"loss\":%s,\"totals\":{\"loss_sum\":%s,",
			 styles[i].plus, styles[i].plus);
		assert_holds(&reply, want);
		reply_free(&reply);
	}
}

#define INPUTS                                                                                     \
	"\"inputs\": [{\"name\": \"logits\", \"shape\": [1, 2], \"datatype\": \"FP32\", "          \
	"\"data\": "                                                                               \
	"[0, -Infinity]}, {\"name\": \"targets\", \"shape\": [1], \"datatype\": \"INT64\", "       \
	"\"data\": "                                                                               \
	"[1]}]"

static void inferences_are_written_so(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_STYLES; i++) {
		char body[512], want[128];
		struct reply reply;
		snprintf(body, sizeof body,
			 "{\"parameters\": {\"non_finite\": \"%s\"}, " INPUTS "}", styles[i].name);
		client_post(client, INFER, body, &reply);
		assert_int_equal(reply.status, 200);
		snprintf(want, sizeof want, "\"shape\":[],\"data\":[%s]}]", styles[i].plus);
		assert_holds(&reply, want);
		snprintf(want, sizeof want, "\"loss_sum\":%s,", styles[i].plus);
		assert_holds(&reply, want);
		reply_free(&reply);
	}
}

/* The totals of a reply in safetensors are JSON in a string. */
static void metadata_is_written_so(void **state)
{
	const char *const headers[] = {TYPE_JSON, "Accept: application/x-safetensors", NULL};
	const struct request request = {
		.path = CROSS_ENTROPY "?non_finite=python",
		.headers = headers,
		.body = "{\"logits\": [[0, -Infinity]], \"targets\": [1]}",
	};
	static const char want[] = "{\\\"loss_sum\\\":Infinity,";
	struct reply reply;
	(void)state;
	client_send(client, &request, &reply);
	assert_int_equal(reply.status, 200);
	assert_non_null(memmem(reply.body, reply.body_size, want, sizeof want - 1));
	reply_free(&reply);
}

static void null_is_as_if_it_were_absent(void **state)
{
	struct reply reply;
	(void)state;
	client_post(client, SOFTMAX "?non_finite=python",
		    "{\"logits\": [NaN], \"non_finite\": null}", &reply);
	assert_holds(&reply, "{\"log_probs\":[NaN],");
	reply_free(&reply);
	client_post(client, SOFTMAX, "{\"logits\": [NaN], \"non_finite\": null}", &reply);
	assert_holds(&reply, "{\"log_probs\":[\"NaN\"],");
	reply_free(&reply);
}

#define ONE_OF ", but must be \\\"string\\\", \\\"null\\\" or \\\"python\\\"\""

static void wrong_styles_are_refused(void **state)
{
	static const struct {
		const char *path, *body;
		int status;
		const char *code, *detail;
	} cases[] = {
		{SOFTMAX "?non_finite=nan", "{\"logits\": [0]}", 422, "argument_out_of_range",
		 "\"detail\":\"non_finite is \\\"nan\\\"" ONE_OF},
		{SOFTMAX, "{\"logits\": [0], \"non_finite\": \"String\"}", 422,
		 "argument_out_of_range", "\"detail\":\"non_finite is \\\"String\\\"" ONE_OF},
		{SOFTMAX, "{\"non_finite\": 3, \"logits\": [0]}", 422, "wrong_type",
		 "\"detail\":\"non_finite is 3" ONE_OF},
		{SOFTMAX, "{\"non_finite\": [\"null\", {\"a\": 1}], \"logits\": [0]}", 422,
		 "wrong_type", "\"pointer\":\"non_finite\""},
		{SOFTMAX, "{\"non_finite\": \"null\", \"logits\": [0], \"non_finite\": \"null\"}",
		 422, "duplicate_field", "non_finite is given twice; give it once"},
		{SOFTMAX "?non_finite=null", "{\"non_finite\": \"null\", \"logits\": [0]}", 422,
		 "duplicate_field", "non_finite is given twice; give it once"},
		{SOFTMAX "?non_finite=null&non_finite=null", "{\"logits\": [0]}", 422,
		 "duplicate_field", "non_finite is given twice; give it once"},
		{SOFTMAX, "{\"non_finit\": \"null\", \"logits\": [0]}", 422, "unknown_field",
		 "\\\"non_finite\\\""},
		{SOFTMAX "?nonfinite=null", "{\"logits\": [0]}", 422, "unknown_field",
		 "\\\"non_finite\\\""},
		{INFER, "{\"parameters\": {\"non_finite\": \"x\"}, " INPUTS "}", 400, "",
		 "{\"error\":\"non_finite is \\\"x\\\"" ONE_OF},
		{INFER, "{\"parameters\": {\"non_finite\": true}, " INPUTS "}", 400, "",
		 "{\"error\":\"non_finite is true" ONE_OF},
		{INFER "?non_finite=null",
		 "{\"parameters\": {\"non_finite\": \"null\"}, " INPUTS "}", 400, "",
		 "non_finite is given twice; give it once"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct reply reply;
		client_post(client, cases[i].path, cases[i].body, &reply);
		assert_holds(&reply, cases[i].code);
		assert_holds(&reply, cases[i].detail);
		assert_int_equal(reply.status, cases[i].status);
		reply_free(&reply);
	}
}

static void discovery_has_it(void **state)
{
	struct reply reply;
	(void)state;
	client_get(client, SOFTMAX, &reply);
	assert_holds(&reply, "{\"name\":\"tensors\",\"type\":\"string\",\"choices\":[\"numbers\","
			     "\"base64\"],\"default\":\"numbers\",");
	assert_holds(&reply,
		     "\"reply_arguments\":[{\"name\":\"non_finite\",\"type\":\"string\","
		     "\"choices\":[\"string\",\"null\",\"python\"],\"default\":\"string\",");
	reply_free(&reply);
}

/* ---------------------------------------------------------------- tensors */

#define ROW "{\"logits\": [[0.5, -0.5]], \"targets\": [0]"
#define AS_BASE64                                                                                  \
	"{\"loss\":0.3132617,\"grad\":{\"dtype\":\"F32\",\"shape\":[1,2],\"base64\":"              \
	"\"sbKJvrGyiT4=\"},"

/* Scalars are numbers all the same; what is empty has a text of nothing. */
static void tensors_are_base64_on_demand(void **state)
{
	static const struct {
		const char *path, *body, *want;
	} cases[] = {
		{CROSS_ENTROPY "?tensors=base64&outputs=loss,grad", ROW "}", AS_BASE64},
		{CROSS_ENTROPY, ROW ", \"tensors\": \"base64\", \"outputs\": [\"loss\", \"grad\"]}",
		 AS_BASE64},
		{CROSS_ENTROPY "?tensors=base64",
		 ROW ", \"tensors\": null, \"outputs\": [\"loss\", \"grad\"]}", AS_BASE64},
		{CROSS_ENTROPY,
		 ROW ", \"tensors\": \"numbers\", \"outputs\": [\"correct\", \"predicted\"]}",
		 "{\"correct\":[true],\"predicted\":[0],"},
		{CROSS_ENTROPY,
		 ROW ", \"tensors\": \"base64\", \"outputs\": [\"correct\", \"predicted\"]}",
		 "{\"correct\":{\"dtype\":\"BOOL\",\"shape\":[1],\"base64\":\"AQ==\"},"
		 "\"predicted\":{\"dtype\":\"I64\",\"shape\":[1],\"base64\":\"AAAAAAAAAAA=\"},"},
		{SOFTMAX "?tensors=base64",
		 "{\"logits\": {\"dtype\": \"F16\", \"shape\": [0, 3], \"data\": []}}",
		 "{\"log_probs\":{\"dtype\":\"F16\",\"shape\":[0,3],\"base64\":\"\"},"},
		/* Bytes are bytes: of numbers that are not finite, too. */
		{SOFTMAX "?tensors=base64&non_finite=null", "{\"logits\": [NaN]}",
		 "{\"log_probs\":{\"dtype\":\"F32\",\"shape\":[1],\"base64\":\"AADAfw==\"},"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct reply reply;
		client_post(client, cases[i].path, cases[i].body, &reply);
		assert_int_equal(reply.status, 200);
		assert_holds(&reply, cases[i].want);
		reply_free(&reply);
	}
}

#define NUMBERS_OR ", but must be \\\"numbers\\\" or \\\"base64\\\"\""

static void wrong_forms_of_tensors_are_refused(void **state)
{
	static const struct {
		const char *path, *body;
		int status;
		const char *code, *detail;
	} cases[] = {
		{SOFTMAX "?tensors=base32", "{\"logits\": [0]}", 422, "argument_out_of_range",
		 "\"detail\":\"tensors is \\\"base32\\\"" NUMBERS_OR},
		{SOFTMAX, "{\"tensors\": \"Base64\", \"logits\": [0]}", 422,
		 "argument_out_of_range", "\"detail\":\"tensors is \\\"Base64\\\"" NUMBERS_OR},
		{SOFTMAX, "{\"tensors\": 64, \"logits\": [0]}", 422, "wrong_type",
		 "\"detail\":\"tensors is 64" NUMBERS_OR},
		{SOFTMAX, "{\"tensors\": [\"base64\"], \"logits\": [0]}", 422, "wrong_type",
		 "\"pointer\":\"tensors\""},
		{SOFTMAX "?tensors=base64", "{\"tensors\": \"base64\", \"logits\": [0]}", 422,
		 "duplicate_field", "tensors is given twice; give it once"},
		{SOFTMAX "?tensors=base64&tensors=base64", "{\"logits\": [0]}", 422,
		 "duplicate_field", "tensors is given twice; give it once"},
		{SOFTMAX, "{\"tensor\": \"base64\", \"logits\": [0]}", 422, "unknown_field",
		 "\\\"tensors\\\""},
		{INFER "?tensors=base64", "{" INPUTS "}", 400, "",
		 "{\"error\":\"tensors is of the JSON of /v1/losses; the Open Inference Protocol "
		 "has "
		 "tensors as bytes where binary_data_output, of the request's parameters, is "
		 "true\"}"},
		{INFER, "{\"parameters\": {\"tensors\": \"base64\"}, " INPUTS "}", 400, "",
		 "{\"error\":\"parameters.tensors is not supported: ask for bytes by "
		 "\\\"binary_data_output\\\"\"}"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct reply reply;
		client_post(client, cases[i].path, cases[i].body, &reply);
		assert_holds(&reply, cases[i].code);
		assert_holds(&reply, cases[i].detail);
		assert_int_equal(reply.status, cases[i].status);
		reply_free(&reply);
	}
}

/* As bytes, base64 is compressed only where that is asked for. */
static void base64_is_compressed_only_if_asked_for(void **state)
{
	char *body = malloc(65536), value[32];
	size_t n = (size_t)sprintf(body, "{\"tensors\": \"base64\", \"logits\": [");
	(void)state;
	assert_non_null(body);
	for (int row = 0; row < 1000; row++)
		n += (size_t)sprintf(body + n, "%s[%d,1.5]", row ? "," : "", row % 7);
	sprintf(body + n, "]}");
	for (int asked = 0; asked < 2; asked++) {
		const char *const headers[] = {TYPE_JSON, "Accept-Encoding: gzip, deflate, zstd",
					       NULL};
		const struct request request = {.path = asked ? SOFTMAX "?compress=true" : SOFTMAX,
						.headers = headers,
						.body = body};
		struct reply reply;
		client_send(client, &request, &reply);
		assert_int_equal(reply.status, 200);
		assert_int_equal(reply_header(&reply, "Content-Encoding", value, sizeof value),
				 asked);
		assert_int_equal(reply_header(&reply, "Vary", value, sizeof value), asked);
		reply_free(&reply);
	}
	free(body);
}

/* ---------------------------------------------------------------- what MLServer's clients send */

static void their_parameters_are_passed_over(void **state)
{
	static const char request[] =
		"{\"id\": null, \"model_version\": \"%s\", \"parameters\": {\"content_type\": "
		"\"np\", "
		"\"headers\": {\"a\": [1, {\"reduction\": \"x\"}]}}, \"inputs\": ["
		"{\"name\": \"logits\", \"shape\": [1, 2], \"datatype\": \"FP32\", \"parameters\": "
		"{\"content_type\": \"np\", \"headers\": null}, \"data\": [0, 0]}, {\"name\": "
		"\"targets\", \"shape\": [1], \"datatype\": \"INT64\", \"parameters\": "
		"{\"content_type\": null, \"headers\": {}}, \"data\": [1]}], \"outputs\": "
		"[{\"name\": "
		"\"loss\", \"parameters\": {\"content_type\": \"np\", \"headers\": {}}}]}";
	static const char *const good[] = {"", "1"};
	char body[1024];
	struct reply reply;
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		snprintf(body, sizeof body, request, good[i]);
		client_post(client, INFER, body, &reply);
		assert_holds(&reply, "\"data\":[0.6931472]");
		reply_free(&reply);
	}
	snprintf(body, sizeof body, request, "2");
	client_post(client, INFER, body, &reply);
	assert_int_equal(reply.status, 400);
	assert_string_equal(reply.body,
			    "{\"error\":\"model_version is \\\"2\\\", but the only version "
			    "is \\\"1\\\": leave it out, or give that\"}\n");
	reply_free(&reply);
}

static void wrong_ones_of_them_are_refused(void **state)
{
	static const struct {
		const char *member, *error;
	} cases[] = {
		{"\"parameters\": {\"content_type\": 1}",
		 "parameters.content_type is 1, but must be a string"},
		{"\"parameters\": {\"headers\": \"a\"}",
		 "parameters.headers is \\\"a\\\", but must be an object"},
		{"\"model_version\": 1", "model_version is 1, but must be a string"},
		{"\"outputs\": [{\"name\": \"loss\", \"parameters\": {\"headers\": []}}]",
		 "outputs[0].parameters.headers is an array, but must be an object"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char body[512], want[256];
		struct reply reply;
		snprintf(body, sizeof body, "{%s, " INPUTS "}", cases[i].member);
		snprintf(want, sizeof want, "{\"error\":\"%s\"}\n", cases[i].error);
		client_post(client, INFER, body, &reply);
		assert_string_equal(reply.body, want);
		assert_int_equal(reply.status, 400);
		reply_free(&reply);
	}
}

static void forms_are_json_at_v2_alone(void **state)
{
	static const char *const types[] = {"Content-Type: application/x-www-form-urlencoded",
					    "Content-Type:"};
	struct reply reply;
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		send_as(INFER, types[i], "{" INPUTS "}", &reply);
		assert_int_equal(reply.status, 200);
		reply_free(&reply);
	}
	send_as(CROSS_ENTROPY, types[0], GOOD, &reply);
	assert_int_equal(reply.status, 415);
	assert_holds(&reply, "add -H 'Content-Type: application/json'");
	reply_free(&reply);
}

/* ---------------------------------------------------------------- the end of the line */

/* One newline, after the last brace or bracket. */
static void assert_ends_in_newline(const struct reply *reply)
{
	assert_true(reply->body_size > 2);
	assert_int_equal(reply->body[reply->body_size - 1], '\n');
	assert_non_null(strchr("}]", reply->body[reply->body_size - 2]));
}

static void every_json_reply_ends_in_a_newline(void **state)
{
	static const struct {
		const char *path, *body;
		int status;
	} cases[] = {
		{"/v1/losses", NULL, 200},
		{SOFTMAX, NULL, 200},
		{"/v2", NULL, 200},
		{"/v2/health/live", NULL, 200},
		{"/v2/health/ready", NULL, 200},
		{"/v2/models/softmax", NULL, 200},
		{"/v2/models/softmax/ready", NULL, 200},
		{"/v2/models/softmax/config", NULL, 200},
		{"/v2/models/softmax/stats", NULL, 200},
		{"/v2/models/stats", NULL, 200},
		{"/v2/repository/index", "{}", 200},
		{"/v2/repository/models/softmax/load", "{}", 200},
		{CROSS_ENTROPY, GOOD, 200},
		{INFER, "{" INPUTS "}", 200},
		{CROSS_ENTROPY, "{", 400},
		{INFER, "{", 400},
		{"/nowhere", NULL, 404},
		{"/v2/nowhere", NULL, 404},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct reply reply;
		char length[32], sent[32];
		if (cases[i].body)
			client_post(client, cases[i].path, cases[i].body, &reply);
		else
			client_get(client, cases[i].path, &reply);
		assert_int_equal(reply.status, cases[i].status);
		assert_ends_in_newline(&reply);
		assert_true(reply_header(&reply, "Content-Length", length, sizeof length));
		snprintf(sent, sizeof sent, "%zu", reply.body_size);
		assert_string_equal(length, sent);
		reply_free(&reply);
	}
}

/* Clients read as much JSON as the header says, and bytes from there on. */
static void the_document_before_bytes_ends_in_its_brace(void **state)
{
	char length[32] = "";
	struct reply reply;
	(void)state;
	client_post(client, INFER, "{\"parameters\": {\"binary_data_output\": true}, " INPUTS "}",
		    &reply);
	assert_int_equal(reply.status, 200);
	assert_true(reply_header(&reply, "Inference-Header-Content-Length", length, sizeof length));
	size_t n = strtoul(length, NULL, 10);
	assert_int_equal(reply.body_size, n + 4);
	assert_int_equal(reply.body[n - 1], '}');
	reply_free(&reply);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tensors_are_written_so),
		cmocka_unit_test(among_many_numbers_they_are_written_so),
		cmocka_unit_test(scalars_and_totals_are_written_so),
		cmocka_unit_test(inferences_are_written_so),
		cmocka_unit_test(metadata_is_written_so),
		cmocka_unit_test(null_is_as_if_it_were_absent),
		cmocka_unit_test(wrong_styles_are_refused),
		cmocka_unit_test(discovery_has_it),
		cmocka_unit_test(tensors_are_base64_on_demand),
		cmocka_unit_test(wrong_forms_of_tensors_are_refused),
		cmocka_unit_test(base64_is_compressed_only_if_asked_for),
		cmocka_unit_test(their_parameters_are_passed_over),
		cmocka_unit_test(wrong_ones_of_them_are_refused),
		cmocka_unit_test(forms_are_json_at_v2_alone),
		cmocka_unit_test(every_json_reply_ends_in_a_newline),
		cmocka_unit_test(the_document_before_bytes_ends_in_its_brace),
	};
	return cmocka_run_group_tests_name("reply text", tests, group_start, group_stop);
}
