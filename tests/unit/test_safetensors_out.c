/* The safetensors reply: a header that other readers take, tensors in place, the rest as metadata.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <cjson/cJSON.h>

#include "../../server/codec/safetensors/safetensors_out.h"
#include "../support/encoded.h"
#include "../support/safetensors.h"
#include "budget.h"

static float loss[] = {1.5f};
static float grad[] = {-0.5f, 0.25f, 0.25f};
static int64_t predicted[] = {7, -1, 1};
static unsigned char correct[] = {1, 0, 1};
static uint16_t narrow[] = {0x3f80, 0xc000};

static struct loss_result make_result(void)
{
	return (struct loss_result){
		.n_outputs = 6,
		.outputs = {{"correct", {LOSS_BOOL, 1, {3}, 3, correct}},
			    {"loss", {LOSS_F32, 0, {0}, 1, loss}},
			    {"probs", {LOSS_BF16, 2, {2, 1}, 2, narrow}},
			    {"predicted", {LOSS_I64, 1, {3}, 3, predicted}},
			    {"grad", {LOSS_F32, 2, {1, 3}, 3, grad}},
			    {"lse", {LOSS_F64, 2, {0, 3}, 0, NULL}}},
		.has_totals = true,
		.totals = {4.5, 3.0, 4, 3, 1, NULL},
		.n_warnings = 1,
		.warnings = {"a \"quoted\" word"},
	};
}

struct reply {
	struct loss_arena *arena;
	struct timings timings;
	struct encoded_reply encoded;
	const char *body;
	size_t size;
};

static struct reply encode(const struct loss_result *result)
{
	struct reply reply = {
		.arena = loss_arena_create(NULL),
		.timings = {.start_ns = clock_ns(), .threads = 3, .isa = "base", .bytes_in = 99},
	};
	assert_non_null(reply.arena);
	const struct encoder_input input = {
		.result = result, .timings = &reply.timings, .arena = reply.arena};
	reply.encoded = encoded_reply(safetensors_out_create, &input);
	reply.body = (const char *)reply.encoded.bytes;
	reply.size = reply.encoded.size;
	return reply;
}

static void end_reply(struct reply *reply)
{
	encoded_free(&reply->encoded);
	loss_arena_destroy(reply->arena);
}

static void test_tensors(void **state)
{
	(void)state;
	struct loss_result result = make_result();
	struct reply reply = encode(&result);
	for (size_t i = 0; i < result.n_outputs; i++) {
		const struct loss_tensor *wanted = &result.outputs[i].tensor;
		struct loss_tensor got;
		size_t width = loss_dtype_info(wanted->dtype)->size;
		assert_true(safetensors_find(reply.body, reply.size, result.outputs[i].name, &got));
		assert_int_equal(got.dtype, wanted->dtype);
		assert_int_equal(got.rank, wanted->rank);
		assert_memory_equal(got.shape, wanted->shape,
				    (size_t)got.rank * sizeof got.shape[0]);
		assert_int_equal((size_t)((const char *)got.data - reply.body) % width, 0);
		if (wanted->count > 0)
			assert_memory_equal(got.data, wanted->data, wanted->count * width);
	}
	end_reply(&reply);
}

/* What strict readers insist on: '{' first, offsets without a gap to the end of the file, and the
 * first tensor at a multiple of eight. */
static void test_layout(void **state)
{
	(void)state;
	struct loss_result result = make_result();
	struct reply reply = encode(&result);
	uint64_t length;
	memcpy(&length, reply.body, sizeof length);
	assert_int_equal(length % 8, 0);
	assert_int_equal(reply.body[8], '{');
	assert_int_equal(reply.size, 8 + length + 24 + 4 + 12 + 4 + 3);
	struct loss_tensor tensor;
	assert_true(safetensors_find(reply.body, reply.size, "predicted", &tensor));
	assert_ptr_equal(tensor.data, reply.body + 8 + length);
	assert_true(safetensors_find(reply.body, reply.size, "correct", &tensor));
	assert_ptr_equal((const char *)tensor.data + 3, reply.body + reply.size);
	end_reply(&reply);
}

/* The text is the header alone; the tensors are sent from where they lie, each of them. */
static void test_tensors_are_not_copied(void **state)
{
	(void)state;
	struct loss_result result = make_result();
	struct reply reply = encode(&result);
	const struct encoded_reply *encoded = &reply.encoded;
	static const struct body_part parts[] = {
		{NULL, 0},           {predicted, sizeof predicted}, {loss, sizeof loss},
		{grad, sizeof grad}, {narrow, sizeof narrow},       {correct, sizeof correct},
	};
	assert_true(encoded->binary);
	assert_int_equal(encoded->text_bytes, 0);
	assert_int_equal(encoded->n_text % 8, 0);
	assert_int_equal(encoded->out.n_tensors, result.n_outputs);
	for (size_t i = 0, seen = 0; i < result.n_outputs; i++, seen = 0) {
		for (size_t k = 0; k < result.n_outputs; k++)
			seen += encoded->out.tensors[k].data == parts[i].data &&
				encoded->out.tensors[k].size == parts[i].size;
		assert_int_equal(seen, 1);
	}
	end_reply(&reply);
}

static cJSON *metadata(const struct reply *reply, const char *key)
{
	char *text = safetensors_metadata(reply->body, reply->size, key);
	cJSON *json = text ? cJSON_ParseWithOpts(text, NULL, 1) : NULL;
	free(text);
	return json;
}

static double number(const cJSON *object, const char *name)
{
	const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, name);
	assert_true(cJSON_IsNumber(member));
	return member->valuedouble;
}

static void test_metadata(void **state)
{
	(void)state;
	struct loss_result result = make_result();
	struct reply reply = encode(&result);
	double passed = (double)(clock_ns() - reply.timings.start_ns) / 1e9;
	cJSON *totals = metadata(&reply, "totals");
	assert_true(number(totals, "loss_sum") == 4.5);
	assert_true(number(totals, "denominator") == 3.0);
	assert_true(number(totals, "rows") == 4 && number(totals, "counted") == 3);
	assert_true(number(totals, "ignored") == 1);
	cJSON *warnings = metadata(&reply, "warnings");
	assert_string_equal(cJSON_GetArrayItem(warnings, 0)->valuestring, "a \"quoted\" word");
	cJSON *metrics = metadata(&reply, "metrics");
	assert_true(number(metrics, "threads") == 3 && number(metrics, "bytes_in") == 99);
	assert_true(number(metrics, "encode_seconds") > 0.0);
	assert_true(number(metrics, "encode_seconds") <= number(metrics, "total_seconds"));
	assert_true(number(metrics, "total_seconds") <= passed);
	cJSON_Delete(metrics);
	cJSON_Delete(warnings);
	cJSON_Delete(totals);
	end_reply(&reply);
}

static void test_nothing_to_say(void **state)
{
	(void)state;
	struct loss_result result = {.n_outputs = 0};
	struct reply reply = encode(&result);
	assert_null(safetensors_metadata(reply.body, reply.size, "totals"));
	assert_null(safetensors_metadata(reply.body, reply.size, "warnings"));
	cJSON *metrics = metadata(&reply, "metrics");
	assert_non_null(metrics);
	cJSON_Delete(metrics);
	end_reply(&reply);
}

static void test_no_memory(void **state)
{
	(void)state;
	static float zeros[65536];
	struct loss_result result = make_result();
	struct timings timings = {.isa = "base"};
	int good = 0, refused = 0;
	result.outputs[4].tensor = (struct loss_tensor){LOSS_F32, 1, {65536}, 65536, zeros};
	for (size_t limit = 16 << 10; limit < 100 << 10; limit += 4 << 10) {
		struct loss_budget budget = {.limit = limit};
		struct loss_arena *arena = loss_arena_create(&budget);
		const struct encoder_input input = {
			.result = &result, .timings = &timings, .arena = arena};
		struct encoded_reply encoded;
		loss_status status = LOSS_TOO_LARGE_FOR_BUDGET;
		if (arena)
			status = encoded_run(safetensors_out_create, &input, false, &encoded);
		if (status == LOSS_OK)
			encoded_free(&encoded);
		else
			assert_int_equal(status, LOSS_TOO_LARGE_FOR_BUDGET);
		good += status == LOSS_OK;
		refused += status != LOSS_OK;
		loss_arena_destroy(arena);
		assert_int_equal(loss_budget_held(&budget), 0);
		loss_budget_trim(&budget);
	}
	assert_true(good > 0 && refused > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tensors),
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_tensors_are_not_copied),
		cmocka_unit_test(test_metadata),
		cmocka_unit_test(test_nothing_to_say),
		cmocka_unit_test(test_no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
