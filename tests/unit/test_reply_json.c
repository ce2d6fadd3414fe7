/* The JSON reply: its members, their order, the times in it, and its pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>

#include "../../server/codec/json/reply_json.h"
#include "../support/encoded.h"
#include "budget.h"

static float loss_data[] = {1.3447266f};
static float grad_data[] = {-0.5f, 0.25f, 0.25f, 1e-7f, NAN, 0.0f};

/* A loss and a gradient of shape (2, 3), as cross_entropy would give them. */
static struct loss_result make_result(void)
{
	return (struct loss_result){
		.n_outputs = 2,
		.outputs = {{"grad", {LOSS_F32, 2, {2, 3}, 6, grad_data}},
			    {"loss", {LOSS_F32, 0, {0}, 1, loss_data}}},
		.has_totals = true,
		.totals = {.loss_sum = 1.3447265920066833,
			   .denominator = 1.0,
			   .rows = 3,
			   .counted = 2,
			   .ignored = 1},
	};
}

static struct timings make_timings(void)
{
	return (struct timings){
		.start_ns = clock_ns() - 5000000,
		.receive_ns = 1500,
		.decode_ns = 2000000000,
		.queue_ns = 0,
		.compute_ns = 123456789,
		.bytes_in = 4294967296,
		.threads = 7,
		.isa = "avx2",
	};
}

struct reply {
	struct loss_arena *arena;
	struct encoded_reply encoded;
	const char *text; /* terminated */
	cJSON *json;
};

static struct reply write_reply(const struct loss_result *result, const struct timings *timings)
{
	struct reply reply = {.arena = loss_arena_create(NULL)};
	assert_non_null(reply.arena);
	const struct encoder_input input = {
		.result = result, .timings = timings, .arena = reply.arena};
	reply.encoded = encoded_reply(reply_json_create, &input);
	assert_int_equal(reply.encoded.out.n_tensors, 0);
	reply.text = (const char *)reply.encoded.bytes;
	reply.json = cJSON_ParseWithOpts(reply.text, NULL, 1);
	assert_non_null(reply.json);
	return reply;
}

static void end_reply(struct reply *reply)
{
	cJSON_Delete(reply->json);
	encoded_free(&reply->encoded);
	loss_arena_destroy(reply->arena);
}

static void expect_members(const cJSON *object, const char *const *names, size_t n)
{
	assert_int_equal(cJSON_GetArraySize(object), n);
	for (size_t i = 0; i < n; i++)
		assert_string_equal(cJSON_GetArrayItem(object, (int)i)->string, names[i]);
}

#define EXPECT_MEMBERS(object, ...)                                                                \
	expect_members(object, (const char *const[]){__VA_ARGS__},                                 \
		       sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static double number_at(const cJSON *object, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
	assert_true(cJSON_IsNumber(item));
	return item->valuedouble;
}

static void test_outputs_and_totals(void **state)
{
	(void)state;
	struct loss_result result = make_result();
	struct timings timings = make_timings();
	struct reply reply = write_reply(&result, &timings);
	EXPECT_MEMBERS(reply.json, "grad", "loss", "totals", "metrics");
	static const char begin[] =
		"{\"grad\":[[-0.5,0.25,0.25],[1e-07,\"NaN\",0.0]],\"loss\":1.3447266,"
		"\"totals\":{\"loss_sum\":1.3447265920066833,\"denominator\":1.0,\"rows\":3,"
		"\"counted\":2,"
		"\"ignored\":1},\"metrics\":{\"receive_seconds\":1.5e-06,";
	assert_memory_equal(reply.text, begin, sizeof begin - 1);
	end_reply(&reply);
}

static void test_without_totals(void **state)
{
	(void)state;
	struct loss_result result = make_result();
	result.has_totals = false;
	struct timings timings = make_timings();
	struct reply reply = write_reply(&result, &timings);
	EXPECT_MEMBERS(reply.json, "grad", "loss", "metrics");
	end_reply(&reply);
}

static void test_no_outputs_asked_for(void **state)
{
	(void)state;
	struct loss_result result = make_result();
	result.n_outputs = 0;
	struct timings timings = make_timings();
	struct reply reply = write_reply(&result, &timings);
	EXPECT_MEMBERS(reply.json, "totals", "metrics");
	end_reply(&reply);
}

static void test_warnings(void **state)
{
	(void)state;
	struct loss_result result = make_result();
	result.n_warnings = 2;
	result.warnings[0] = "every row is \"ignored\"";
	result.warnings[1] = "second";
	struct timings timings = make_timings();
	struct reply reply = write_reply(&result, &timings);
	EXPECT_MEMBERS(reply.json, "grad", "loss", "totals", "warnings", "metrics");
	const cJSON *warnings = cJSON_GetObjectItemCaseSensitive(reply.json, "warnings");
	assert_int_equal(cJSON_GetArraySize(warnings), 2);
	assert_string_equal(cJSON_GetArrayItem(warnings, 0)->valuestring, result.warnings[0]);
	assert_string_equal(cJSON_GetArrayItem(warnings, 1)->valuestring, result.warnings[1]);
	end_reply(&reply);
}

static void test_metrics(void **state)
{
	(void)state;
	struct loss_result result = make_result();
	struct timings timings = make_timings();
	timings.encode_ns = 3000000000;
	uint64_t before = clock_ns();
	struct reply reply = write_reply(&result, &timings);
	uint64_t passed = clock_ns() - before;
	const cJSON *metrics = cJSON_GetObjectItemCaseSensitive(reply.json, "metrics");
	EXPECT_MEMBERS(metrics, "receive_seconds", "decode_seconds", "queue_seconds",
		       "compute_seconds", "encode_seconds", "total_seconds", "bytes_in", "threads",
		       "isa");
	assert_true(number_at(metrics, "receive_seconds") == 1.5e-6);
	assert_true(number_at(metrics, "decode_seconds") == 2.0);
	assert_true(number_at(metrics, "queue_seconds") == 0.0);
	assert_true(number_at(metrics, "compute_seconds") == 0.123456789);
	assert_true(number_at(metrics, "bytes_in") == 4294967296.0);
	assert_true(number_at(metrics, "threads") == 7.0);
	const cJSON *isa = cJSON_GetObjectItemCaseSensitive(metrics, "isa");
	assert_string_equal(cJSON_GetStringValue(isa), "avx2");
	/* What writing took until then: the pieces before, and this one so far. */
	double encode = number_at(metrics, "encode_seconds") - 3.0;
	double total = number_at(metrics, "total_seconds");
	assert_true(encode > 0.0 && encode <= (double)passed / 1e9);
	assert_true(total >= 5e-3 + encode);
	assert_true(total <= (double)(before - timings.start_ns + passed) / 1e9);
	end_reply(&reply);
}

static void test_no_memory(void **state)
{
	(void)state;
	struct loss_budget budget = {.limit = 32768};
	struct loss_arena *arena = loss_arena_create(&budget);
	assert_non_null(arena);
	struct loss_result result = make_result();
	static float zeros[65536];
	result.outputs[0].tensor = (struct loss_tensor){LOSS_F32, 1, {65536}, 65536, zeros};
	struct timings timings = make_timings();
	const struct encoder_input input = {.result = &result, .timings = &timings, .arena = arena};
	struct encoded_reply encoded;
	assert_int_equal(encoded_run(reply_json_create, &input, false, &encoded),
			 LOSS_TOO_LARGE_FOR_BUDGET);
	loss_arena_destroy(arena);
	/* Where the text does not stay, it may be longer than the memory. */
	budget.limit = 256 << 10;
	arena = loss_arena_create(&budget);
	const struct encoder_input other = {.result = &result, .timings = &timings, .arena = arena};
	assert_int_equal(encoded_run(reply_json_create, &other, true, &encoded), LOSS_OK);
	assert_true(encoded.n_text > budget.limit);
	encoded_free(&encoded);
	loss_arena_destroy(arena);
}

/* A reply of several pieces: none of them is long, and together they are what one would be. */
static void test_pieces(void **state)
{
	(void)state;
	enum { ROWS = 7, CLASSES = 10000, EMPTY = 3 };
	static float grad[ROWS * CLASSES];
	for (size_t i = 0; i < ROWS * CLASSES; i++)
		grad[i] = -1.0f / (float)(i + 1);
	struct loss_result result = make_result();
	result.n_outputs = 3;
	result.outputs[0].tensor =
		(struct loss_tensor){LOSS_F32, 2, {ROWS, CLASSES}, ROWS * CLASSES, grad};
	result.outputs[2] = (struct loss_output){"lse", {LOSS_F32, 1, {EMPTY}, EMPTY, grad}};
	struct timings timings = make_timings();
	struct reply reply = write_reply(&result, &timings);
	assert_false(reply.encoded.binary);
	assert_int_equal(reply.encoded.text_bytes,
			 (ROWS * CLASSES + 1 + EMPTY) * ENCODER_USUAL_CHARS);
	assert_true(reply.encoded.pieces > 5);
	assert_true(reply.encoded.longest <
		    ENCODER_PIECE_BYTES + ENCODER_PIECE_ELEMENTS * sizeof "-1.23456789e-12,");

	struct json_out out;
	json_out_start(&out, loss_buffer_create(reply.arena));
	json_out_open(&out, '{');
	for (size_t i = 0; i < result.n_outputs; i++) {
		json_out_key(&out, result.outputs[i].name);
		json_out_tensor(&out, &result.outputs[i].tensor);
	}
	json_out_key(&out, "totals");
	assert_false(out.failed);
	assert_true(reply.encoded.size > out.buffer->size);
	assert_memory_equal(reply.text, out.buffer->data, out.buffer->size);
	end_reply(&reply);
}

/* As base64, in pieces at whose ends no group of four is cut; as numbers are, scalars. */
static void test_base64(void **state)
{
	(void)state;
	enum { ROWS = 7, CLASSES = 10001 };
	static float grad[ROWS * CLASSES];
	for (size_t i = 0; i < ROWS * CLASSES; i++)
		grad[i] = -1.0f / (float)(i + 1);
	struct loss_result result = make_result();
	result.n_outputs = 3;
	result.outputs[0].tensor =
		(struct loss_tensor){LOSS_F32, 2, {ROWS, CLASSES}, ROWS * CLASSES, grad};
	result.outputs[2] = (struct loss_output){"lse", {LOSS_F32, 2, {0, 3}, 0, NULL}};
	struct timings timings = make_timings();
	struct loss_arena *arena = loss_arena_create(NULL);
	assert_non_null(arena);
	struct encoder_input input = {.result = &result, .timings = &timings, .arena = arena};
	input.style.chosen[STYLE_TENSORS] = TENSORS_BASE64;
	struct encoded_reply reply = encoded_reply(reply_json_create, &input);
	assert_true(reply.binary);
	assert_int_equal(reply.text_bytes, base64_length(sizeof grad) + ENCODER_USUAL_CHARS);
	assert_true(reply.pieces > 5);
	assert_true(reply.longest < 2 * ENCODER_PIECE_BYTES);

	char *wanted = malloc(base64_length(sizeof grad) + 256), *p = wanted;
	assert_non_null(wanted);
	p += sprintf(p, "{\"%s\":{\"dtype\":\"F32\",\"shape\":[7,10001],\"base64\":\"",
		     result.outputs[0].name);
	p = base64_write(base64_kernels(loss_isa_find("base")), (const unsigned char *)grad,
			 sizeof grad, p);
	p += sprintf(p, "\"},\"%s\":", result.outputs[1].name);
	assert_memory_equal(reply.bytes, wanted, (size_t)(p - wanted));
	static const char empty[] = ",\"lse\":{\"dtype\":\"F32\",\"shape\":[0,3],"
				    "\"base64\":\"\"},";
	assert_non_null(memmem(reply.bytes, reply.size, empty, sizeof empty - 1));
	free(wanted);
	encoded_free(&reply);
	loss_arena_destroy(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_outputs_and_totals),
		cmocka_unit_test(test_without_totals),
		cmocka_unit_test(test_no_outputs_asked_for),
		cmocka_unit_test(test_warnings),
		cmocka_unit_test(test_metrics),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
