/* Open Inference Protocol bodies as a whole: the document and the bytes after it, memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../server/eval/stream.h"
#include "../support/oip.h"
#include "../support/random.h"
#include "budget.h"
#include "status/status.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct binary {
	char bytes[2048];
	size_t size;
	char header[24]; /* the length of the document */
	struct decode_options options;
};

static struct binary *binary_of(const char *document, const void *tensors, size_t n)
{
	static struct binary b;
	size_t length = strlen(document);
	memcpy(b.bytes, document, length);
	memcpy(b.bytes + length, tensors, n);
	b.bytes[length + n] = '\0';
	snprintf(b.header, sizeof b.header, "%zu", length);
	b.options = (struct decode_options){
		.create = oip_in_create, .header_length = b.header, .size = length + n};
	return &b;
}

static const float logits[] = {1, 2, 3, 4, 5, 6};
static const int64_t targets[] = {0, 2};
#define RAW_MASK RAW("mask", "BOOL", "[2]", "2")

/* Documents of eight lengths, so that the tensors after them begin at any address. */
static void test_binary(void **state)
{
	(void)state;
	char document[600], tensors[64];
	memcpy(tensors, logits, sizeof logits);
	memcpy(tensors + sizeof logits, targets, sizeof targets);
	for (int spaces = 0; spaces < 8; spaces++) {
		snprintf(document, sizeof document,
			 "{%*s\"inputs\":[" RAW_LOGITS "," RAW_TARGETS "]}", spaces, "");
		struct binary *b = binary_of(document, tensors, sizeof logits + sizeof targets);
		assert_decodes(&b->options, b->bytes, TEXT);
	}
	/* some in the document, some after it */
	struct binary *b =
		binary_of("{\"inputs\":[" LOGITS "," RAW_TARGETS "]}", targets, sizeof targets);
	assert_decodes(&b->options, b->bytes, TEXT);
	b = binary_of("{\"inputs\":[" RAW_LOGITS "," TARGETS "]}", logits, sizeof logits);
	assert_decodes(&b->options, b->bytes,
		       "logits F32 (2, 3): evaluated as it came\ntargets I64 (2): 0 2\n");
	/* no bytes need no header */
	assert_decodes(&(struct decode_options){.create = oip_in_create},
		       "{\"inputs\":[" RAW("logits", "FP32", "[0,3]",
					   "0") "," RAW("targets", "UINT8", "[0]", "0") "]}",
		       "logits F32 (0, 3):\ntargets U8 (0):\n");
	/* a document that announces nothing */
	b = binary_of("{" INPUTS "} ", "", 0);
	assert_decodes(&b->options, b->bytes, TEXT);
	static const uint8_t narrow[] = {0x00, 0x3c, 0x00, 0xc0, 0x80, 0x3f, 1};
	b = binary_of(
		"{\"inputs\":[" RAW("logits", "FP16", "[1,2]", "4") "," RAW(
			"weight", "BF16", "[1]", "2") "," RAW("targets", "UINT8", "[1]", "1") "]}",
		narrow, sizeof narrow);
	assert_decodes(&b->options, b->bytes,
		       "logits F16 (1, 2): 1 -2\ntargets U8 (1): 1\nweight BF16 (1): 1\n");
	b = binary_of("{" INPUTS_AND(RAW_MASK) "}", (uint8_t[]){0, 1}, 2);
	assert_decodes(&b->options, b->bytes, TEXT "mask BOOL (2): 0 1\n");
}

/* Whether rows are evaluated as they arrive or not: the same results. */
static void test_binary_results(void **state)
{
	(void)state;
	char logits_first[64], targets_first[64];
	memcpy(logits_first, logits, sizeof logits);
	memcpy(logits_first + sizeof logits, targets, sizeof targets);
	memcpy(targets_first, targets, sizeof targets);
	memcpy(targets_first + sizeof targets, logits, sizeof logits);
	static const char *const documents[] = {
		"{\"inputs\":[" RAW_LOGITS "," RAW_TARGETS "],\"outputs\":[{\"name\":\"loss\"}]}",
		"{\"inputs\":[" RAW_TARGETS "," RAW_LOGITS "],\"outputs\":[{\"name\":\"loss\"}]}",
	};
	struct decode_options json = {.create = oip_in_create, .run = 1};
	struct decoded want = decode(&json, OUTPUTS("{\"name\":\"loss\"}"));
	assert_int_equal(want.status, LOSS_OK);
	for (int i = 0; i < 2; i++) {
		struct binary *b = binary_of(documents[i], i == 0 ? logits_first : targets_first,
					     sizeof logits + sizeof targets);
		b->options.run = 1;
		assert_decodes(&b->options, b->bytes, want.text);
	}
	decoded_free(&want);
}

static void test_binary_faults(void **state)
{
	(void)state;
	static const struct {
		const char *document;
		size_t n; /* bytes after it */
		loss_status status;
		const char *detail;
	} cases[] = {
		{"{\"inputs\":[" RAW_LOGITS "," TARGETS "]}", 23, STATUS_TRUNCATED_BODY,
		 "the sizes of the binary inputs add up to 24 bytes, but only 23 follow the JSON "
		 "part of the body"},
		{"{\"inputs\":[" RAW_LOGITS "," TARGETS "]}", 0, STATUS_TRUNCATED_BODY,
		 "the sizes of the binary inputs add up to 24 bytes, but only 0 follow the JSON "
		 "part of the body"},
		{"{\"inputs\":[" RAW_LOGITS "," TARGETS "]}", 25, LOSS_SHAPE_MISMATCH,
		 "the sizes of the binary inputs add up to 24 bytes, but 25 follow the JSON part "
		 "of "
		 "the body"},
		{"{" INPUTS "}", 1, LOSS_SHAPE_MISMATCH,
		 "the sizes of the binary inputs add up to 0 bytes, but 1 follow the JSON part of "
		 "the body"},
		{"{\"inputs\":[" RAW("logits", "FP32", "[2,3]", "20") "," TARGETS "]}", 20,
		 LOSS_SHAPE_MISMATCH,
		 "logits.parameters.binary_data_size is 20, but FP32 of shape (2, 3) has 24 bytes"},
		{"{\"inputs\":[" RAW("logits", "FP32", "[2,3]",
				     "18446744073709551615") "," RAW_TARGETS "]}",
		 40, STATUS_TRUNCATED_BODY,
		 "the sizes of the binary inputs add up to 18446744073709551615 bytes, but only 40 "
		 "follow the JSON part of the body"},
		{"{\"inputs\":[" RAW("logits", "FP32", "[2,3]", "24.5") "," TARGETS "]}", 24,
		 LOSS_WRONG_TYPE,
		 "logits.parameters.binary_data_size is 24.5, but must be an integer, without "
		 "fraction or exponent"},
		{"{\"inputs\":[" RAW("logit", "FP32", "[2,3]", "24") "," TARGETS "]}", 24,
		 LOSS_UNKNOWN_FIELD,
		 "inputs[0].name is \"logit\", but cross_entropy has no such input; use "
		 "\"logits\": unnormalised scores"},
		{"{\"inputs\":[" RAW("logit", "FP32", "[2,3]", "24") "," TARGETS "]}", 20,
		 STATUS_TRUNCATED_BODY,
		 "the sizes of the binary inputs add up to 24 bytes, but only 20 follow the JSON "
		 "part of the body"},
		{"{\"inputs\":[" RAW_LOGITS "," TARGETS "]", 24, STATUS_TRUNCATED_BODY,
		 "line 1, column 162: the body ends here, but ',' or '}' is expected"},
		{"{\"inputs\":[" RAW_LOGITS "," TARGETS "]}}", 24, STATUS_INVALID_JSON,
		 "line 1, column 163: found '}', but nothing may follow the document; it ends "
		 "after "
		 "162 bytes, but Inference-Header-Content-Length is 163"},
	};
	char zeros[64] = {0};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct binary *b = binary_of(cases[i].document, zeros, cases[i].n);
		struct decoded decoded = decode(&b->options, b->bytes);
		assert_string_equal(decoded.detail, cases[i].detail);
		assert_int_equal(decoded.status, cases[i].status);
	}
	/* what is found where rows are evaluated as they arrive, too */
	static const char targets_first[] = "{\"inputs\":[" RAW_TARGETS "," RAW_LOGITS "]}";
	int64_t raw[5] = {0, 3};
	struct binary *b = binary_of(targets_first, raw, sizeof raw);
	b->options.plan = 1;
	assert_refused(&b->options, b->bytes, LOSS_TARGET_OUT_OF_BOUNDS, "targets",
		       "targets[1] is 3, but there are 3 classes (0..2)");
	b = binary_of("{" INPUTS_AND(RAW_MASK) "}", (uint8_t[]){0, 2}, 2);
	b->options.plan = 1;
	assert_refused(&b->options, b->bytes, LOSS_ARGUMENT_OUT_OF_RANGE, "mask",
		       "mask[1] is 2, but an element of BOOL is the byte 0 or 1");
}

#define HEADER "Inference-Header-Content-Length"

static void test_header_length(void **state)
{
	(void)state;
	static const char body[] = "{" INPUTS "}";
	static const struct {
		const char *length, *detail;
	} cases[] = {
		{"", HEADER " is \"\", but must be a number of bytes"},
		{"-1", HEADER " is \"-1\", but must be a number of bytes"},
		{"+146", HEADER " is \"+146\", but must be a number of bytes"},
		{"146.0", HEADER " is \"146.0\", but must be a number of bytes"},
		{"0x92", HEADER " is \"0x92\", but must be a number of bytes"},
		{"146, 146", HEADER " is \"146, 146\", but must be a number of bytes"},
		{"18446744073709551616",
		 HEADER " is 18446744073709551616, but the limit (max_header_bytes) is 65536"},
		{"65537", HEADER " is 65537, but the limit (max_header_bytes) is 65536"},
		{"147", HEADER " is 147, but the body has only 146 bytes"},
		{"0", HEADER " is 0, the raw form of a single tensor, which needs a model with one "
			     "input; cross_entropy has 8: send the JSON part"},
	};
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_refused(&(struct decode_options){.create = oip_in_create,
							.header_length = cases[i].length},
			       body, STATUS_INVALID_HEADER, "", cases[i].detail);
	assert_decodes(
		&(struct decode_options){.create = oip_in_create, .header_length = "0000146"}, body,
		TEXT);
	assert_decodes(&(struct decode_options){.create = oip_in_create,
						.header_length = "146",
						.max_header_bytes = 146},
		       body, TEXT);
	assert_refused(&(struct decode_options){.create = oip_in_create,
						.header_length = "146",
						.max_header_bytes = 145},
		       body, STATUS_INVALID_HEADER, "",
		       HEADER " is 146, but the limit (max_header_bytes) is 145");
}

static void damage(struct random *random, char *body, size_t size)
{
	static const char bytes[] = "[]{}:,\"\\-+.eE019ntfNI u\377\303\251\n";
	for (size_t times = 1 + random_below(random, 3); times > 0; times--) {
		size_t at = random_below(random, size), left = size - at;
		switch (random_below(random, 3)) {
		case 0:
			body[at] = bytes[random_below(random, sizeof bytes - 1)];
			break;
		case 1:
			memmove(body + at, body + at + 1, left - 1);
			break;
		default:
			memmove(body + at + 1, body + at, left - 1);
		}
	}
}

/* Whatever the damage, every way of cutting the body gives the same answer (decode sees to that).
 */
static void test_damaged_bodies(void **state)
{
	(void)state;
	static const char *const documents[] = {
		"{\"id\":\"7\",\"inputs\":[" RAW_LOGITS "," RAW_TARGETS
		"],\"parameters\":{\"reduction\":\"sum\",\"timeout\":5}}",
		"{\"inputs\":[" RAW_TARGETS "," RAW_LOGITS "],\"outputs\":[{\"name\":\"loss\"}]}",
		"{\"inputs\":[{\"data\":[[1,-2e1],[NaN,4]],\"name\":\"logits\",\"shape\":[2,2],"
		"\"datatype\":\"FP16\"}," RAW_TARGETS "]}",
	};
	static const size_t sizes[] = {40, 40, 16};
	char tensors[64] = {0};
	struct random random = random_start(11);
	size_t right = 0, wrong = 0;
	for (size_t i = 0; i < random_cases(2000); i++) {
		size_t k = i % COUNT(documents);
		struct binary *b = binary_of(documents[k], tensors, sizes[k]);
		damage(&random, b->bytes, b->options.size);
		b->options.run = 1;
		struct decoded decoded = decode(&b->options, b->bytes);
		int http = status_http(decoded.status);
		require(http == 200 || http == 400 || http == 422, "%d for %s", http, b->bytes);
		right += http == 200;
		wrong += http != 200;
		decoded_free(&decoded);
	}
	assert_true(right > 0 && wrong > 0);
}

/* Decodes into a stream, as an evaluation does. */
static loss_status decode_binary(const struct binary *b, struct loss_arena *arena,
				 struct loss_error *err)
{
	struct loss_problem *problem = loss_problem_create(loss_find("cross_entropy", 13), arena);
	struct stream *stream = NULL;
	struct decoder *decoder = NULL;
	if (problem)
		stream = stream_create(&(struct stream_setup){.problem = problem, .arena = arena});
	if (stream)
		decoder = oip_in_create(&(struct decoder_setup){.problem = problem,
								.arena = arena,
								.sink = stream_sink(stream),
								.limits = {1000, 8, 1000, false},
								.header_length = b->header});
	if (!decoder)
		return loss_arena_failure(arena, err);
	decoder->feed(decoder, (const unsigned char *)b->bytes, b->options.size);
	loss_status status = decoder->finish(decoder, err);
	return status == LOSS_OK ? stream_finish(stream, err) : status;
}

/* Every size of budget, from none to enough: an answer, and nothing is kept. */
static void test_no_memory(void **state)
{
	(void)state;
	char tensors[64] = {0};
	struct binary *b = binary_of("{\"id\":\"a\",\"inputs\":[" RAW_TARGETS "," LOGITS
				     "],\"outputs\":[{\"name\":\"loss\"},{\"name\":\"grad\"}]}",
				     tensors, sizeof targets);
	bool failed = false, worked = false;
	for (size_t limit = 16384; limit <= 262144; limit += 16384) {
		struct loss_budget budget = {.limit = limit};
		struct loss_error err = {0};
		struct loss_arena *arena = loss_arena_create(&budget);
		if (!arena)
			continue;
		loss_status status = decode_binary(b, arena, &err);
		failed |= status == LOSS_TOO_LARGE_FOR_BUDGET;
		worked |= status == LOSS_OK;
		assert_true(status == LOSS_OK || status == LOSS_TOO_LARGE_FOR_BUDGET);
		loss_arena_destroy(arena);
		assert_int_equal(loss_budget_held(&budget), 0);
		loss_budget_trim(&budget);
	}
	assert_true(failed && worked);
}

/* After a failed allocation nothing is looked at any more, not even syntax. */
static void test_no_memory_for_data(void **state)
{
	(void)state;
	static char numbers[100000];
	struct loss_budget budget = {.limit = 200000};
	struct loss_error err;
	struct loss_arena *arena = loss_arena_create(&budget);
	struct loss_problem *problem = loss_problem_create(loss_find("cross_entropy", 13), arena);
	struct decoder *decoder = oip_in_create(&(struct decoder_setup){
		.problem = problem, .arena = arena, .limits = {1 << 20, 8, 1000, false}});
	static const char start[] = "{\"inputs\":[{\"data\":[";
	for (size_t i = 0; i < sizeof numbers; i++)
		numbers[i] = i % 2 ? ',' : '1';
	decoder->feed(decoder, (const unsigned char *)start, sizeof start - 1);
	decoder->feed(decoder, (const unsigned char *)numbers, sizeof numbers);
	decoder->feed(decoder, (const unsigned char *)"this is no JSON", 15);
	assert_int_equal(decoder->finish(decoder, &err), LOSS_TOO_LARGE_FOR_BUDGET);
	loss_arena_destroy(arena);
	assert_int_equal(loss_budget_held(&budget), 0);
	loss_budget_trim(&budget);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_binary),
		cmocka_unit_test(test_binary_results),
		cmocka_unit_test(test_binary_faults),
		cmocka_unit_test(test_header_length),
		cmocka_unit_test(test_damaged_bodies),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_no_memory_for_data),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
