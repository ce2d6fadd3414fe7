/* Inference over the Open Inference Protocol, by the real server: every form in and out, and what
 * it refuses. tests/http/test_infer_memory.c has shared memory. */
#include "../support/group.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../support/infer.h"
#include "../support/oip.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const float logits[] = {1, 2, 3, 4, 5, 6};
static const int64_t targets[] = {0, 2};

#define LOSS_AND_GRAD "\"outputs\":[{\"name\":\"loss\"},{\"name\":\"grad\"}]"
#define RAW_OUT "\"parameters\":{\"binary_data_output\":true}"

/* ---------------------------------------------------------------- forms */

static void test_json(void **state)
{
	(void)state;
	static const char *const paths[] = {"/v2/models/cross_entropy/infer",
					    "/v2/models/cross_entropy/versions/1/infer"};
	for (size_t i = 0; i < COUNT(paths); i++) {
		struct inferred got = infer(
			client,
			&(struct infer){.path = paths[i],
					.document = REQUEST("\"id\":\"seven\"," LOSS_AND_GRAD)});
		assert_false(got.binary);
		assert_string_equal(json_string(json_member(got.json, "model_name")),
				    "cross_entropy");
		assert_string_equal(json_string(json_member(got.json, "model_version")), "1");
		assert_string_equal(json_string(json_member(got.json, "id")), "seven");
		const cJSON *loss = inferred_output(&got, "loss");
		assert_int_equal(cJSON_GetArraySize(json_member(loss, "shape")), 0);
		assert_int_equal(cJSON_GetArraySize(json_member(loss, "data")), 1);
		double value = json_number(cJSON_GetArrayItem(json_member(loss, "data"), 0));
		assert_true(value > 1.4076 && value < 1.4077);
		const cJSON *grad = inferred_output(&got, "grad");
		assert_int_equal(cJSON_GetArraySize(json_member(grad, "shape")), 2);
		assert_int_equal(cJSON_GetArraySize(json_member(grad, "data")), 6);
		const cJSON *parameters = json_member(got.json, "parameters");
		assert_true(json_number(json_member(parameters, "rows")) == 2.0);
		assert_true(json_number(json_member(parameters, "total_ns")) > 0.0);
		inferred_free(&got);
	}
}

/* The two outputs by whatever way, as raw bytes. */
struct result {
	char loss[4], grad[24];
};

static struct result result_of(const struct infer *request)
{
	struct result result;
	struct inferred got = infer(client, request);
	memcpy(result.loss, inferred_raw(&got, "loss", 4), 4);
	memcpy(result.grad, inferred_raw(&got, "grad", 24), 24);
	assert_int_equal(got.n_raw, 28);
	inferred_free(&got);
	return result;
}

/* JSON, raw bytes or some of both, under any media type and none: the same bits. */
static void test_same_bits(void **state)
{
	(void)state;
	char both[40], reversed[40];
	memcpy(both, logits, 24);
	memcpy(both + 24, targets, 16);
	memcpy(reversed, targets, 16);
	memcpy(reversed + 16, logits, 24);
#define ENDING "," LOSS_AND_GRAD "," RAW_OUT "}"
	const struct infer requests[] = {
		{.document = "{" INPUTS ENDING},
		{.document = "{" INPUTS ENDING, .content_type = "Content-Type: application/json"},
		{.document = "{" INPUTS ENDING,
		 .content_type = "Content-Type: application/octet-stream"},
		{.document = "{" INPUTS ENDING, .raw = "", .n_raw = 0},
		{.document = "{\"inputs\":[" RAW_LOGITS "," RAW_TARGETS "]" ENDING,
		 .raw = both,
		 .n_raw = 40},
		{.document = "{\"inputs\":[" RAW_LOGITS "," RAW_TARGETS "]" ENDING,
		 .raw = both,
		 .n_raw = 40,
		 .content_type = "Content-Type: application/octet-stream"},
		{.document = "{\"inputs\":[" RAW_LOGITS "," RAW_TARGETS "]" ENDING,
		 .raw = both,
		 .n_raw = 40,
		 .content_type = "Content-Type: application/json"},
		{.document = "{\"inputs\":[" RAW_TARGETS "," RAW_LOGITS "]" ENDING,
		 .raw = reversed,
		 .n_raw = 40},
		{.document = "{\"inputs\":[" TARGETS "," RAW_LOGITS "]" ENDING,
		 .raw = logits,
		 .n_raw = 24},
		{.document = "{\"inputs\":[" RAW_TARGETS "," LOGITS "]" ENDING,
		 .raw = targets,
		 .n_raw = 16},
	};
	struct result first = result_of(&requests[0]);
	for (size_t i = 1; i < COUNT(requests); i++) {
		struct result other = result_of(&requests[i]);
		assert_memory_equal(&other, &first, sizeof first);
	}
}

static void test_mixed_outputs(void **state)
{
	(void)state;
	struct inferred got = infer(
		client,
		&(struct infer){.document = REQUEST(
					"\"outputs\":[{\"name\":\"predicted\"},{\"name\":\"grad\","
					"\"parameters\":{\"binary_data\":true}},{\"name\":"
					"\"correct\"}]")});
	assert_true(got.binary);
	inferred_raw(&got, "grad", 24);
	assert_int_equal(got.n_raw, 24);
	const cJSON *predicted = json_member(inferred_output(&got, "predicted"), "data");
	assert_true(json_number(cJSON_GetArrayItem(predicted, 0)) == 2.0);
	const cJSON *correct = json_member(inferred_output(&got, "correct"), "data");
	assert_true(cJSON_IsFalse(cJSON_GetArrayItem(correct, 0)));
	assert_true(cJSON_IsTrue(cJSON_GetArrayItem(correct, 1)));
	inferred_free(&got);
}

/* ---------------------------------------------------------------- many rows */

enum { ROWS = 3000, CLASSES = 500 };

/* Targets first, so that rows are evaluated as they arrive, or last: the same bits. */
static void test_large(void **state)
{
	(void)state;
	size_t n_logits = (size_t)ROWS * CLASSES * 4, n_targets = ROWS * 8;
	char *raw = malloc(2 * n_targets + n_logits);
	assert_non_null(raw);
	int64_t *own = malloc(n_targets);
	float *values = malloc(n_logits);
	assert_true(own && values);
	for (int i = 0; i < ROWS; i++)
		own[i] = i * 7 % CLASSES;
	for (int i = 0; i < ROWS * CLASSES; i++)
		values[i] = (float)(i * 37 % 1009) / 64.0f;
	/* targets, logits, targets: either order lies in it */
	memcpy(raw, own, n_targets);
	memcpy(raw + n_targets, values, n_logits);
	memcpy(raw + n_targets + n_logits, own, n_targets);
#define LARGE_LOGITS RAW("logits", "FP32", "[3000,500]", "6000000")
#define LARGE_TARGETS RAW("targets", "INT64", "[3000]", "24000")
#define LARGE_END "],\"outputs\":[{\"name\":\"loss\"},{\"name\":\"lse\"}]," RAW_OUT "}"
	struct inferred first =
		infer(client, &(struct infer){.document = "{\"inputs\":[" LARGE_TARGETS
							  "," LARGE_LOGITS LARGE_END,
					      .raw = raw,
					      .n_raw = n_targets + n_logits});
	struct inferred last =
		infer(client, &(struct infer){.document = "{\"inputs\":[" LARGE_LOGITS
							  "," LARGE_TARGETS LARGE_END,
					      .raw = raw + n_targets,
					      .n_raw = n_targets + n_logits});
	assert_memory_equal(inferred_raw(&first, "loss", 4), inferred_raw(&last, "loss", 4), 4);
	assert_memory_equal(inferred_raw(&first, "lse", ROWS * 4),
			    inferred_raw(&last, "lse", ROWS * 4), ROWS * 4);
	inferred_free(&first);
	inferred_free(&last);
	free(values);
	free(own);
	free(raw);
}

/* ---------------------------------------------------------------- refusals */

static void expect_error(const struct infer *request, int status, const char *error)
{
	struct reply reply;
	char type[64];
	infer_send(client, request, &reply);
	cJSON *json = reply_json(&reply);
	const char *got = json_string(json_member(json, "error"));
	if (reply.status != status || strcmp(got, error) != 0)
		print_error("%d: %s for %.200s\n", reply.status, got, request->document);
	assert_string_equal(got, error);
	assert_int_equal(reply.status, status);
	assert_int_equal(cJSON_GetArraySize(json), 1);
	assert_true(reply_header(&reply, "Content-Type", type, sizeof type));
	assert_string_equal(type, "application/json");
	cJSON_Delete(json);
	reply_free(&reply);
}

#define LENGTH "Inference-Header-Content-Length"

static void test_refusals(void **state)
{
	(void)state;
	static const struct {
		struct infer request;
		int status;
		const char *error;
	} cases[] = {
		{{.document = "{" INPUTS "}", .length = "-1"},
		 400,
		 LENGTH " is \"-1\", but must be a number of bytes"},
		{{.document = "{" INPUTS "}", .length = "many"},
		 400,
		 LENGTH " is \"many\", but must be a number of bytes"},
		{{.document = "{" INPUTS "}", .length = "147"},
		 400,
		 LENGTH " is 147, but the body has only 146 bytes"},
		{{.document = "{" INPUTS "}", .length = "70000"},
		 400,
		 LENGTH " is 70000, but the limit (max_header_bytes) is 65536"},
		{{.document = "{" INPUTS "}", .length = "18446744073709551616"},
		 400,
		 LENGTH " is 18446744073709551616, but the limit (max_header_bytes) is 65536"},
		{{.document = "{" INPUTS "}", .length = "0"},
		 400,
		 LENGTH " is 0, the raw form of a single tensor, which needs a model with one "
			"input; cross_entropy has 8: send the JSON part"},
		{{.document = "{\"inputs\":[" RAW_LOGITS "," TARGETS "]}",
		  .raw = logits,
		  .n_raw = 23},
		 400,
		 "the sizes of the binary inputs add up to 24 bytes, but only 23 follow the JSON "
		 "part of the body"},
		{{.document = "{\"inputs\":[" RAW_LOGITS "," TARGETS "]}",
		  .raw = "012345678901234567890123456",
		  .n_raw = 27},
		 400,
		 "the sizes of the binary inputs add up to 24 bytes, but 27 follow the JSON part "
		 "of "
		 "the body"},
		{{.document = PARAMETERS_OF_INPUT("\"binary_data_size\":24.5")},
		 400,
		 "logits.parameters.binary_data_size is 24.5, but must be an integer, without "
		 "fraction or exponent"},
		{{.document = LOGITS_WITH(SHAPED
					  "\"data\":[1],\"parameters\":{\"binary_data_size\":4}")},
		 400,
		 "logits has both data and binary_data_size: give exactly one of data, "
		 "parameters.binary_data_size and parameters.shared_memory_region"},
		{{.document = OUTPUTS("{\"name\":\"loss\"},{\"name\":\"loss\"}")},
		 400,
		 "outputs[1] is \"loss\", which is asked for twice"},
		{{.document = "{\"inputs\":[" LOGITS "," LOGITS "]}"},
		 400,
		 "logits is given twice; give it once"},
		{{.document = "{" INPUTS},
		 400,
		 "line 1, column 146: the body ends here, but ',' or '}' is expected"},
		{{.document = PARAMETERS("\"sequence_end\":true")},
		 400,
		 "parameters.sequence_end is not supported: the losses are stateless and know no "
		 "sequences"},
		{{.document = PARAMETERS("\"timeout\":1,\"reduction\":\"sum\"")},
		 504,
		 "the parameter timeout (1 microseconds) passed before the body was complete"},
		{{.path = "/v2/models/cross_entropi/infer", .document = "{" INPUTS "}"},
		 404,
		 "there is no loss \"cross_entropi\"; the nearest is \"cross_entropy\", and GET "
		 "/v1/losses lists them all"},
		{{.document = "{" INPUTS "}", .content_type = "Content-Type: text/plain"},
		 415,
		 "Content-Type is \"text/plain\"; this path reads application/json, "
		 "application/octet-stream or application/x-www-form-urlencoded"},
		{{.document = PARAMETERS_OF_INPUT("\"shared_memory_region\":\"a\",\"shared_memory_"
						  "byte_size\":24")},
		 400,
		 "logits is in the shared memory region \"a\", but shared memory is switched off "
		 "on "
		 "this server"},
	};
	for (size_t i = 0; i < COUNT(cases); i++)
		expect_error(&cases[i].request, cases[i].status, cases[i].error);
}

static void test_length_twice(void **state)
{
	(void)state;
	struct reply reply;
	static const char *const headers[] = {LENGTH ": 146", LENGTH ": 146", NULL};
	const struct request request = {.path = "/v2/models/cross_entropy/infer",
					.headers = headers,
					.body = "{" INPUTS "}"};
	client_send(client, &request, &reply);
	assert_int_equal(reply.status, 400);
	assert_non_null(strstr(reply.body, LENGTH));
	reply_free(&reply);
}

/* The deadline of the body stops work that has begun; a longer one does not stop what is quick. */
static void test_timeout(void **state)
{
	(void)state;
	struct inferred got =
		infer(client, &(struct infer){.document = PARAMETERS("\"timeout\":60000000")});
	inferred_free(&got);
	/* of two, the earlier one */
	struct reply reply;
	static const char *const headers[] = {"X-Request-Timeout-Ms: 60000", NULL};
	const struct request request = {.path = "/v2/models/cross_entropy/infer",
					.headers = headers,
					.body = PARAMETERS("\"timeout\":1")};
	client_send(client, &request, &reply);
	assert_int_equal(reply.status, 504);
	assert_non_null(strstr(reply.body, "the parameter timeout"));
	reply_free(&reply);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json),          cmocka_unit_test(test_same_bits),
		cmocka_unit_test(test_mixed_outputs), cmocka_unit_test(test_large),
		cmocka_unit_test(test_refusals),      cmocka_unit_test(test_length_twice),
		cmocka_unit_test(test_timeout),
	};
	return cmocka_run_group_tests(tests, group_start, group_stop);
}
