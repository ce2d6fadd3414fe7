/* JSON bodies as a whole: members, arguments, outputs, which error goes first, memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../server/codec/json/json_in.h"
#include "../../server/eval/stream.h"
#include "../support/decoded.h"
#include "../support/random.h"
#include "budget.h"
#include "status/status.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct decode_options plain = {0};

struct refused {
	const char *query, *body;
	loss_status status;
	const char *pointer, *detail;
};

static void check_refused(const struct refused *cases, size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_refused(&(struct decode_options){.query = cases[i].query, .plan = 1},
			       cases[i].body, cases[i].status, cases[i].pointer, cases[i].detail);
}

/* ---------------------------------------------------------------- members */

static void test_members(void **state)
{
	(void)state;
	static const struct {
		const char *query, *body, *text;
	} cases[] = {
		{NULL, "{\"reduction\":\"sum\",\"ignore_index\":-7,\"label_smoothing\":1e-1}",
		 "ignore_index -7\nreduction \"sum\"\nlabel_smoothing 1e-1\n"},
		{NULL, "{\"ignore_index\":9223372036854775807,\"reduce\":true,\"denominator\":4}",
		 "ignore_index 9223372036854775807\nreduce true\ndenominator 4\n"},
		{NULL, "{\"size_average\":null,\"outputs\":null}", ""},
		/* absent there, so the query string may have it */
		{"reduction=sum&outputs=loss", "{\"reduction\":null,\"outputs\":null}",
		 "reduction \"sum\"\noutputs loss\n"},
		{NULL, "{\"outputs\":[\"loss\",\"grad\"]}", "outputs loss grad\n"},
		{NULL, "{\"outputs\":[]}", "outputs\n"},
		{NULL, "{\"outputs\":[\"a\\u0000\"]}", "outputs a\357\277\275\n"},
		{"reduction=sum", "{\"outputs\":[\"grad\"]}", "reduction \"sum\"\noutputs grad\n"},
		{"outputs=loss", "{\"reduction\":\"none\"}", "reduction \"none\"\noutputs loss\n"},
		{NULL, "{\"r\\u0065duction\":\"s\\u0075m\"}", "reduction \"sum\"\n"},
	};
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_decodes(&(struct decode_options){.query = cases[i].query}, cases[i].body,
			       cases[i].text);
}

static void test_member_faults(void **state)
{
	(void)state;
	static const struct refused cases[] = {
		{NULL, "{\"logit\":[1]}", LOSS_UNKNOWN_FIELD, "logit",
		 "cross_entropy has no field \"logit\"; use \"logits\": unnormalised scores"},
		{NULL, "{\"output\":[\"loss\"]}", LOSS_UNKNOWN_FIELD, "output",
		 "cross_entropy has no field \"output\"; the nearest is \"outputs\""},
		{NULL, "{\"Reduction\":{\"a\":[{},[1,\"x\"]]},\"outputs\":[]}", LOSS_UNKNOWN_FIELD,
		 "Reduction",
		 "cross_entropy has no field \"Reduction\"; the nearest is \"reduction\""},
		{NULL, "{\"a~/b\":1}", LOSS_UNKNOWN_FIELD, "a~/b",
		 "cross_entropy has no field \"a~/b\"; there are logits, targets, weight, "
		 "row_weight, mask, groups, bytes, grad_output, size_average, ignore_index, "
		 "reduce, reduction, "
		 "label_smoothing, denominator, empty_mean, totals, class_axis, grad_dtype, "
		 "softcap, "
		 "temperature, z_loss, shift, logit_scale, gamma, k, ece_bins, ece_norm, n_groups, "
		 "outputs, "
		 "non_finite and tensors"},
		{NULL, "{\"logits\":[1],\"targets\":0,\"logits\":[NaN]}", LOSS_DUPLICATE_FIELD,
		 "logits", "logits is given twice; give it once"},
		{NULL, "{\"logits\":null,\"logits\":[1]}", LOSS_DUPLICATE_FIELD, "logits",
		 "logits is given twice; give it once"},
		{NULL, "{\"reduction\":\"sum\",\"r\\u0065duction\":\"sum\"}", LOSS_DUPLICATE_FIELD,
		 "reduction", "reduction is given twice; give it once"},
		{NULL, "{\"reduction\":null,\"reduction\":\"sum\"}", LOSS_DUPLICATE_FIELD,
		 "reduction", "reduction is given twice; give it once"},
		{NULL, "{\"reduction\":\"sum\",\"reduction\":null}", LOSS_DUPLICATE_FIELD,
		 "reduction", "reduction is given twice; give it once"},
		{NULL, "{\"outputs\":null,\"outputs\":[]}", LOSS_DUPLICATE_FIELD, "outputs",
		 "outputs is given twice; give it once"},
		{NULL, "{\"outputs\":[],\"outputs\":[]}", LOSS_DUPLICATE_FIELD, "outputs",
		 "outputs is given twice; give it once"},
		{"reduction=sum", "{\"reduction\":\"sum\"}", LOSS_DUPLICATE_FIELD, "reduction",
		 "reduction is given twice; give it once"},
		{"outputs=loss", "{\"outputs\":[\"loss\"]}", LOSS_DUPLICATE_FIELD, "outputs",
		 "outputs is given twice; give it once"},
		{NULL, "[{\"logits\":[1]}]", LOSS_WRONG_TYPE, "",
		 "the body is an array, but must be an object such as {\"logits\": [[0.5, -1.0]]}"},
		{NULL, "\"logits\"", LOSS_WRONG_TYPE, "",
		 "the body is \"logits\", but must be an object such as {\"logits\": [[0.5, "
		 "-1.0]]}"},
		{NULL, "12", LOSS_WRONG_TYPE, "",
		 "the body is 12, but must be an object such as {\"logits\": [[0.5, -1.0]]}"},
		{NULL, "{}", LOSS_MISSING_FIELD, "logits",
		 "cross_entropy needs logits, shape (C), (N, C) or (N, C, d1..d6); with class_axis "
		 "-1, C is last"},
	};
	check_refused(cases, COUNT(cases));
}

/* A name that is too long to be any is unknown, and is shown up to a bound, in whole characters. */
static void test_long_name(void **state)
{
	(void)state;
	char body[1200] = "{\"", pointer[64] = "", detail[200];
	for (int i = 0; i < 300; i++)
		strcat(body, "\303\251");
	strcat(body, "\":1}");
	for (int i = 0; i < 31; i++)
		strcat(pointer, "\303\251");
	snprintf(detail, sizeof detail,
		 "cross_entropy has no field \"%s\"; the nearest is \"reduce\"", pointer);
	struct decoded decoded = decode(&plain, body);
	assert_int_equal(decoded.status, LOSS_UNKNOWN_FIELD);
	assert_string_equal(decoded.pointer, pointer);
	assert_memory_equal(decoded.detail, detail, strlen("cross_entropy has no field \"") + 62);
	decoded_free(&decoded);
}

static void test_argument_faults(void **state)
{
	(void)state;
	static const struct refused cases[] = {
		{NULL, "{\"ignore_index\":1.0}", LOSS_WRONG_TYPE, "ignore_index",
		 "ignore_index is 1.0, but must be an integer, without fraction or exponent"},
		{NULL, "{\"ignore_index\":true}", LOSS_WRONG_TYPE, "ignore_index",
		 "ignore_index is true, but must be an integer, without fraction or exponent"},
		{NULL, "{\"label_smoothing\":\"0.1\"}", LOSS_WRONG_TYPE, "label_smoothing",
		 "label_smoothing is \"0.1\", but must be a number"},
		{NULL, "{\"label_smoothing\":false}", LOSS_WRONG_TYPE, "label_smoothing",
		 "label_smoothing is false, but must be a number"},
		{NULL, "{\"label_smoothing\":[0.1,[NaNa]]}", STATUS_INVALID_JSON, "",
		 "line 1, column 26: found 'N', but NaN may stand in tensors only, and Python's "
		 "None is null"},
		{NULL, "{\"label_smoothing\":[0.1,[2]]}", LOSS_WRONG_TYPE, "label_smoothing",
		 "label_smoothing is an array, but must be a number"},
		{NULL, "{\"reduction\":{\"a\":1}}", LOSS_WRONG_TYPE, "reduction",
		 "reduction is an object, but must be a string"},
		{NULL, "{\"reduce\":1}", LOSS_WRONG_TYPE, "reduce",
		 "reduce is 1, but must be true or false"},
		{NULL, "{\"label_smoothing\":1e999,\"logits\":[1],\"targets\":0}",
		 LOSS_ARGUMENT_OUT_OF_RANGE, "label_smoothing",
		 "label_smoothing is 1e999, but must be 0 to 1"},
		{NULL, "{\"ignore_index\":9223372036854775808,\"logits\":[1],\"targets\":0}",
		 LOSS_ARGUMENT_OUT_OF_RANGE, "ignore_index",
		 "ignore_index is 9223372036854775808, but must be any 64-bit integer"},
		{NULL, "{\"reduction\":\"mean\\u0000\",\"logits\":[1],\"targets\":0}",
		 LOSS_ARGUMENT_OUT_OF_RANGE, "reduction",
		 "reduction is \"mean\357\277\275\", but must be one of \"none\", \"mean\", "
		 "\"sum\", "
		 "\"elementwise_mean\""},
		{"label_smoothing=7", "{\"logits\":[1],\"targets\":0}", LOSS_ARGUMENT_OUT_OF_RANGE,
		 "label_smoothing", "label_smoothing is 7, but must be 0 to 1"},
	};
	check_refused(cases, COUNT(cases));
}

static void test_output_faults(void **state)
{
	(void)state;
	static const struct refused cases[] = {
		{NULL, "{\"outputs\":\"loss\"}", LOSS_WRONG_TYPE, "outputs",
		 "outputs is \"loss\", but must be an array of strings such as [\"loss\"]"},
		{NULL, "{\"outputs\":{\"a\":[1]}}", LOSS_WRONG_TYPE, "outputs",
		 "outputs is an object, but must be an array of strings such as [\"loss\"]"},
		{NULL, "{\"outputs\":[\"loss\",null,3]}", LOSS_WRONG_TYPE, "/outputs/1",
		 "outputs[1] is null, but must be a string such as \"loss\""},
		{NULL, "{\"outputs\":[[\"loss\"],\"grad\"]}", LOSS_WRONG_TYPE, "/outputs/0",
		 "outputs[0] is an array, but must be a string such as \"loss\""},
		{NULL, "{\"logits\":[1],\"targets\":0,\"outputs\":[\"loss\",\"grads\"]}",
		 LOSS_ARGUMENT_OUT_OF_RANGE, "/outputs/1",
		 "outputs[1] is \"grads\", which cross_entropy does not have; use \"grad\": the "
		 "gradient with respect to the first tensor, times grad_output if given"},
		{NULL, "{\"logits\":[1],\"targets\":0,\"outputs\":[\"loss\",\"loss\"]}",
		 LOSS_ARGUMENT_OUT_OF_RANGE, "/outputs/1",
		 "outputs[1] is \"loss\", which is asked for twice"},
		{NULL,
		 "{\"logits\":[1],\"targets\":0,\"outputs\":[\"a\",2,3,4,5,6,7,8,9,10,11,12,13,14,"
		 "15,16,17,18,19]}",
		 LOSS_WRONG_TYPE, "/outputs/1",
		 "outputs[1] is 2, but must be a string such as \"loss\""},
	};
	check_refused(cases, COUNT(cases));
}

/* ---------------------------------------------------------------- precedence */

static void test_syntax_wins(void **state)
{
	(void)state;
	static const struct refused cases[] = {
		{NULL, "{\"nope\":1,\"logits\":[[1],[1,2]],\"a\":tru}", STATUS_INVALID_JSON, "",
		 "line 1, column 39: found '}', but true is expected"},
		{NULL, "{\"logits\":[[1],true,{\"a\":1}],", STATUS_TRUNCATED_BODY, "",
		 "line 1, column 30: the body ends here, but a name in double quotes is expected"},
		{NULL, "[1,2", STATUS_TRUNCATED_BODY, "",
		 "line 1, column 5: the body ends here, but ',' or ']' is expected"},
		{NULL, "{\"logits\":[1],\"logits\":[2]} x", STATUS_INVALID_JSON, "",
		 "line 1, column 29: found 'x', but nothing may follow the document"},
		{NULL, "", STATUS_EMPTY_BODY, "",
		 "the body is empty, but a JSON object is expected"},
		{NULL, "\n", STATUS_EMPTY_BODY, "",
		 "the body is empty, but a JSON object is expected"},
		/* words for non-finite numbers stand in tensors and nowhere else */
		{NULL, "{\"label_smoothing\":NaN}", STATUS_INVALID_JSON, "",
		 "line 1, column 20: found 'N', but NaN may stand in tensors only, and Python's "
		 "None is null"},
		{NULL, "{\"label_smoothing\":-Infinity}", STATUS_INVALID_JSON, "",
		 "line 1, column 21: found 'I', but Infinity may stand in tensors only"},
		{NULL, "{\"logits\":{\"shape\":[NaN]}}", STATUS_INVALID_JSON, "",
		 "line 1, column 21: found 'N', but NaN may stand in tensors only, and Python's "
		 "None is null"},
		{NULL, "{\"logits\":{\"data\":[1],\"x\":Infinity}}", STATUS_INVALID_JSON, "",
		 "line 1, column 27: found 'I', but Infinity may stand in tensors only"},
		{NULL, "{\"logits\":[{\"data\":NaN}]}", STATUS_INVALID_JSON, "",
		 "line 1, column 20: found 'N', but NaN may stand in tensors only, and Python's "
		 "None is null"},
		{NULL, "{\"logits\":{\"data\":{\"a\":NaN}}}", STATUS_INVALID_JSON, "",
		 "line 1, column 24: found 'N', but NaN may stand in tensors only, and Python's "
		 "None is null"},
		{NULL, "{\"logits\":[NaN],\"nope\":NaN}", STATUS_INVALID_JSON, "",
		 "line 1, column 24: found 'N', but NaN may stand in tensors only, and Python's "
		 "None is null"},
		{NULL, "[NaN]", STATUS_INVALID_JSON, "",
		 "line 1, column 2: found 'N', but NaN may stand in tensors only, and Python's "
		 "None is null"},
	};
	check_refused(cases, COUNT(cases));
}

static void test_lowest_status_wins(void **state)
{
	(void)state;
	static const struct refused cases[] = {
		{NULL, "{\"logits\":[[1],[1,2],[true]],\"reduce\":1,\"a\":1,\"b\":2}",
		 LOSS_UNKNOWN_FIELD, "a",
		 "cross_entropy has no field \"a\"; there are logits, targets, weight, row_weight, "
		 "mask, groups, bytes, grad_output, size_average, ignore_index, reduce, reduction, "
		 "label_smoothing, denominator, empty_mean, totals, class_axis, grad_dtype, "
		 "softcap, "
		 "temperature, z_loss, shift, logit_scale, gamma, k, ece_bins, ece_norm, n_groups, "
		 "outputs, "
		 "non_finite and tensors"},
		{NULL, "{\"logits\":[[1],[1,2]],\"reduce\":1,\"reduce\":2}", LOSS_DUPLICATE_FIELD,
		 "reduce", "reduce is given twice; give it once"},
		{NULL, "{\"logits\":[[1],[1,2]],\"reduce\":1,\"ignore_index\":[]}", LOSS_WRONG_TYPE,
		 "reduce", "reduce is 1, but must be true or false"},
		{NULL, "{\"logits\":{\"dtype\":5,\"shape\":[1],\"data\":[1],\"x\":1}}",
		 LOSS_UNKNOWN_FIELD, "/logits/x",
		 "logits has no member \"x\": a typed tensor has dtype, shape and data, or base64 "
		 "in "
		 "place of data"},
		{NULL, "{\"logits\":[[1,2]],\"targets\":[0.5],\"weight\":[[1],[2,3]]}",
		 LOSS_DTYPE_MISMATCH, "/targets/0",
		 "targets[0] is 0.5, but class indices are written as integers; probabilities have "
		 "the shape of the first tensor, (1, 2), not (1)"},
		{NULL, "{\"weight\":[],\"logits\":[[1],[2,3]],\"targets\":[0]}",
		 STATUS_RAGGED_ARRAY, "/logits/1/1",
		 "logits[1][1] is one entry too many, the arrays before it have length 1: nested "
		 "arrays must be of equal length"},
	};
	check_refused(cases, COUNT(cases));
}

/* ---------------------------------------------------------------- damaged bodies */

/* Replaces, drops or doubles a few bytes. */
static void damage(struct random *random, char *body, size_t room)
{
	static const char bytes[] = "[]{}:,\"\\-+.eE019ntfNI u\377\303\251\n";
	for (size_t times = 1 + random_below(random, 3); times > 0; times--) {
		size_t n = strlen(body), at = random_below(random, n);
		switch (random_below(random, 3)) {
		case 0:
			body[at] = bytes[random_below(random, sizeof bytes - 1)];
			break;
		case 1:
			memmove(body + at, body + at + 1, n - at);
			break;
		default:
			if (n + 1 < room)
				memmove(body + at + 1, body + at, n - at + 1);
		}
	}
}

/* Whatever the damage, every way of cutting the body gives the same answer (decode sees to that),
 * and it is an answer to a wrong request or a right one. */
static void test_damaged_bodies(void **state)
{
	(void)state;
	static const char *const bodies[] = {
		"{\"logits\":[[1.5,-2e1],[NaN,4]],\"targets\":[0,1],\"outputs\":[\"loss\"]}",
		"{\"targets\":[[0.5,-0],[1,18446744073709551616]],\"logits\":[[1,2],[3,4]]}",
		"{\"targets\":{\"data\":[1,true,\"NaN\"],\"dtype\":\"U8\",\"shape\":[3]}}",
		"{\"reduction\":\"s\\u0075m\",\"weight\":[1,2],\"outputs\":[],\"targets\":[1]}",
		"{\"logits\":{\"dtype\":\"F64\",\"shape\":[2],\"data\":[1,-Infinity]}}",
	};
	struct random random = random_start(7);
	size_t right = 0, wrong = 0;
	for (size_t i = 0; i < 4000; i++) {
		char body[300];
		snprintf(body, sizeof body, "%s", bodies[i % COUNT(bodies)]);
		damage(&random, body, sizeof body);
		struct decoded decoded = decode(&(struct decode_options){.plan = 1}, body);
		int http = status_http(decoded.status);
		require(http == 200 || http == 400 || http == 422, "%d for %s", http, body);
		right += http == 200;
		wrong += http != 200;
		decoded_free(&decoded);
	}
	assert_true(right > 0 && wrong > 1000);
}

/* ---------------------------------------------------------------- memory */

struct run {
	struct loss_budget budget;
	struct loss_arena *arena;
	struct decoder *decoder;
};

static struct run start(size_t limit)
{
	struct run run = {.budget = {.limit = limit}};
	run.arena = NULL;
	return run;
}

static void create(struct run *run)
{
	static const struct decoder_limits limits = {UINT64_C(1) << 33, 8, 1 << 16, false};
	run->arena = loss_arena_create(&run->budget);
	assert_non_null(run->arena);
	struct loss_problem *problem =
		loss_problem_create(loss_find("cross_entropy", 13), run->arena);
	assert_non_null(problem);
	struct stream *stream =
		stream_create(&(struct stream_setup){.problem = problem, .arena = run->arena});
	assert_non_null(stream);
	run->decoder = json_in_create(&(struct decoder_setup){.problem = problem,
							      .arena = run->arena,
							      .sink = stream_sink(stream),
							      .limits = limits});
	assert_non_null(run->decoder);
}

static void feed(struct run *run, const char *text)
{
	run->decoder->feed(run->decoder, (const unsigned char *)text, strlen(text));
}

static void feed_times(struct run *run, const char *text, size_t times)
{
	char chunk[65536];
	size_t n = strlen(text), fits = sizeof chunk / n;
	for (size_t i = 0; i < fits; i++)
		memcpy(chunk + i * n, text, n);
	for (; times > 0; times -= fits) {
		fits = times < fits ? times : fits;
		run->decoder->feed(run->decoder, (const unsigned char *)chunk, fits * n);
	}
}

static void test_no_copy_of_the_body(void **state)
{
	(void)state;
	struct run run = start((size_t)1 << 40);
	struct loss_error err;
	enum { ROWS = 100000, CLASSES = 10 };
	create(&run);
	feed(&run, "{\"logits\":[");
	feed_times(&run, "[-0.12345678901234567, 1.5, 2, 3, 4, 5, 6, 7, 8, 9],", ROWS - 1);
	feed(&run, "[1,2,3,4,5,6,7,8,9,10]],\"targets\":[");
	feed_times(&run, "7, ", ROWS - 1);
	feed(&run, "7]}");
	size_t tensors = (size_t)ROWS * CLASSES * 4 + (size_t)ROWS * 8;
	assert_true(loss_budget_held(&run.budget) > tensors);
	assert_true(loss_budget_held(&run.budget) < tensors + tensors / 4 + 65536);
	assert_int_equal(run.decoder->finish(run.decoder, &err), LOSS_OK);
	loss_arena_destroy(run.arena);
	assert_int_equal(loss_budget_held(&run.budget), 0);
	loss_budget_trim(&run.budget);
}

/* After a failed allocation nothing is looked at any more, not even syntax. */
static void test_no_memory(void **state)
{
	(void)state;
	struct run run = start(200000);
	struct loss_error err;
	char pointer[16];
	create(&run);
	feed(&run, "{\"reduction\":7,\"logits\":[");
	feed_times(&run, "1,", 100000);
	feed(&run, "1] this is no JSON");
	assert_int_equal(run.decoder->finish(run.decoder, &err), LOSS_TOO_LARGE_FOR_BUDGET);
	run.decoder->pointer(run.decoder, &err, pointer, sizeof pointer);
	assert_string_equal(pointer, "");
	loss_arena_destroy(run.arena);

	run.budget.limit = 1 << 20;
	create(&run);
	assert_true(loss_budget_take(&run.budget, run.budget.limit - loss_budget_held(&run.budget) -
							  200000)); /* others hold the rest */
	feed(&run, "{\"targets\":[");
	feed_times(&run, "1,", 100000);
	assert_int_equal(run.decoder->finish(run.decoder, &err), LOSS_TOO_MUCH_MEMORY_IN_FLIGHT);
	loss_arena_destroy(run.arena);
}

static void test_no_memory_for_the_decoder(void **state)
{
	(void)state;
	static const struct decoder_limits limits = {100, 8, 1 << 16, false};
	struct loss_budget budget = {.limit = 1 << 15};
	struct loss_arena *arena = loss_arena_create(&budget);
	struct loss_problem *problem = loss_problem_create(loss_find("softmax", 7), arena);
	while (loss_arena_alloc(arena, 1, 1024))
		;
	assert_null(json_in_create(
		&(struct decoder_setup){.problem = problem, .arena = arena, .limits = limits}));
	loss_arena_destroy(arena);
}

/* What fills no tensor costs no memory, and is not read for ever. */
static void test_idle_tokens(void **state)
{
	(void)state;
	static const struct {
		const char *before, *unit;
		loss_status status;
		const char *pointer;
	} cases[] = {
		{"{\"outputs\":[", "\"\",", LOSS_ARGUMENT_OUT_OF_RANGE, "outputs"},
		{"{\"logits\":[", "[],", LOSS_SHAPE_MISMATCH, "/logits/0"},
		{"{\"a\":[", "0,", LOSS_UNKNOWN_FIELD, "a"},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct run run = start((size_t)1 << 30);
		struct loss_error err;
		char pointer[32];
		create(&run);
		size_t held = loss_budget_held(&run.budget);
		feed(&run, cases[i].before);
		feed_times(&run, cases[i].unit, ((size_t)1 << 24) + 10);
		assert_true(loss_budget_held(&run.budget) <= held + 16384);
		feed(&run, "}}");
		assert_int_equal(run.decoder->finish(run.decoder, &err), cases[i].status);
		run.decoder->pointer(run.decoder, &err, pointer, sizeof pointer);
		assert_string_equal(pointer, cases[i].pointer);
		loss_arena_destroy(run.arena);
	}
}

/* A pointer that does not fit is cut between its parts. */
static void test_pointer_room(void **state)
{
	(void)state;
	struct run run = start((size_t)1 << 30);
	struct loss_error err = {
		.field = "targets", .has_index = true, .index_rank = 2, .index = {11, 22}};
	char pointer[32];
	create(&run);
	run.decoder->pointer(run.decoder, &err, pointer, sizeof pointer);
	assert_string_equal(pointer, "/targets/11/22");
	run.decoder->pointer(run.decoder, &err, pointer, sizeof "/targets/11/2");
	assert_string_equal(pointer, "/targets/11");
	run.decoder->pointer(run.decoder, &err, pointer, 1);
	assert_string_equal(pointer, "");
	loss_arena_destroy(run.arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_member_faults),
		cmocka_unit_test(test_long_name),
		cmocka_unit_test(test_argument_faults),
		cmocka_unit_test(test_output_faults),
		cmocka_unit_test(test_syntax_wins),
		cmocka_unit_test(test_lowest_status_wins),
		cmocka_unit_test(test_damaged_bodies),
		cmocka_unit_test(test_no_copy_of_the_body),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_no_memory_for_the_decoder),
		cmocka_unit_test(test_idle_tokens),
		cmocka_unit_test(test_pointer_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
