/* safetensors bodies: everything that is right and everything that is wrong with them, in one
 * piece, byte by byte, in random pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../server/codec/safetensors/safetensors_in.h"
#include "../../server/eval/stream.h"
#include "../../src/problem.h"
#include "../support/decoded.h"
#include "../support/safetensors.h"
#include "../support/spec.h"
#include "budget.h"
#include "status/status.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void test_bad_bodies(void **state)
{
	(void)state;
	for (size_t i = 0; i < n_bad_safetensors; i++) {
		const struct bad_safetensors *bad = &bad_safetensors[i];
		struct decode_options options = {.create = safetensors_in_create, .plan = 1};
		char *body = bad_safetensors_body(bad, &options.size);
		struct decoded decoded = decode(&options, body);
		if (decoded.status != bad->status || strcmp(decoded.detail, bad->detail) != 0 ||
		    strcmp(decoded.pointer, bad->pointer ? bad->pointer : "") != 0)
			fail_msg("%s (%zu): %s \"%s\": %s", bad->header ? bad->header : "no header",
				 bad->n, status_words(decoded.status)->code, decoded.pointer,
				 decoded.detail);
		decoded_free(&decoded);
		free(body);
	}
}

/* ---------------------------------------------------------------- what is right */

/* The text of a body's problem, or of its outputs with options.run. */
static void assert_body(struct decode_options options, const char *header, const void *data,
			size_t n, const char *text)
{
	options.create = safetensors_in_create;
	char *body = safetensors_body(header, data, n, &options.size);
	assert_decodes(&options, body, text);
	free(body);
}

static const float logits[] = {1, 2, 3, 4, 5, 6};
static const int64_t targets[] = {2, 0};
static const float weight[] = {1, 0.5f, 2};
static const float row_weight[] = {0, 5};
static const uint8_t mask[] = {1, 0};

/* Tensors one after the other in any order, and where each begins. */
struct layout {
	char header[1024];
	unsigned char data[128];
	size_t n;
};

static void add(struct layout *layout, const char *name, const char *rest, const void *data,
		size_t n)
{
	size_t used = strlen(layout->header);
	snprintf(layout->header + used, sizeof layout->header - used,
		 "%s\"%s\":{%s,\"data_offsets\":[%zu,%zu]}", used > 1 ? "," : "", name, rest,
		 layout->n, layout->n + n);
	memcpy(layout->data + layout->n, data, n);
	layout->n += n;
}

static void add_one(struct layout *layout, char which)
{
	if (which == 'l')
		add(layout, "logits", "\"dtype\":\"F32\",\"shape\":[2,3]", logits, sizeof logits);
	else if (which == 't')
		add(layout, "targets", "\"shape\":[2],\"dtype\":\"I64\"", targets, sizeof targets);
	else if (which == 'r')
		add(layout, "row_weight", "\"dtype\":\"F32\",\"shape\":[2]", row_weight,
		    sizeof row_weight);
	else if (which == 'm')
		add(layout, "mask", "\"dtype\":\"BOOL\",\"shape\":[2]", mask, sizeof mask);
	else
		add(layout, "weight", "\"dtype\":\"F32\",\"shape\":[3]", weight, sizeof weight);
}

static struct layout lay_out(const char *order)
{
	struct layout layout = {.header = "{"};
	for (; *order; order++)
		add_one(&layout, *order);
	strcat(layout.header, "}");
	return layout;
}

#define STREAMED "logits F32 (2, 3): evaluated as it came\ntargets I64 (2): 2 0\n"
#define KEPT "logits F32 (2, 3): 1 2 3 4 5 6\ntargets I64 (2): 2 0\n"

static void test_any_order(void **state)
{
	static const struct {
		const char *order, *text;
	} cases[] = {
		{"tl", STREAMED},
		{"lt", KEPT},
		{"twl", STREAMED "weight F32 (3): 1 0.5 2\n"},
		{"wtl", STREAMED "weight F32 (3): 1 0.5 2\n"},
		{"tlw", KEPT "weight F32 (3): 1 0.5 2\n"},
		{"ltw", KEPT "weight F32 (3): 1 0.5 2\n"},
		{"wlt", KEPT "weight F32 (3): 1 0.5 2\n"},
		{"rtml", STREAMED "row_weight F32 (2): 0 5\nmask BOOL (2): 1 0\n"},
		{"mtl", STREAMED "mask BOOL (2): 1 0\n"},
		{"tlm", KEPT "mask BOOL (2): 1 0\n"},
		{"tlr", KEPT "row_weight F32 (2): 0 5\n"},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct layout layout = lay_out(cases[i].order);
		assert_body((struct decode_options){0}, layout.header, layout.data, layout.n,
			    cases[i].text);
	}
}

/* A gradient needs the logits to the end; what has come before them does not. */
static void test_outputs_of_the_inputs_shape_are_not_streamed(void **state)
{
	(void)state;
	struct layout layout = lay_out("tl");
	assert_body((struct decode_options){.query = "outputs=loss,grad"}, layout.header,
		    layout.data, layout.n, KEPT "outputs loss grad\n");
}

/* Headers of eight lengths: the tensors begin at any address, in any piece. */
static void test_misaligned_tensors(void **state)
{
	(void)state;
	for (int spaces = 0; spaces < 8; spaces++)
		for (int order = 0; order < 2; order++) {
			struct layout layout = lay_out(order ? "tl" : "lt");
			for (int i = 0; i < spaces; i++)
				strcat(layout.header, " ");
			assert_body((struct decode_options){.run = 1}, layout.header, layout.data,
				    layout.n, "loss F32 (): 1.40760601\n");
		}
}

static void test_metadata_is_ignored(void **state)
{
	(void)state;
	struct layout layout = lay_out("lt");
	char header[1300];
	snprintf(header, sizeof header,
		 "{\"__metadata__\":{\"format\":\"pt\",\"logits\":\"\\u00e9\"},%s",
		 layout.header + 1);
	assert_body((struct decode_options){0}, header, layout.data, layout.n, KEPT);
	snprintf(header, sizeof header, "%.*s,\"__metadata__\":{}}  ",
		 (int)strlen(layout.header) - 1, layout.header);
	assert_body((struct decode_options){0}, header, layout.data, layout.n, KEPT);
	snprintf(header, sizeof header, "{\"__metadata__\":null,%s", layout.header + 1);
	assert_body((struct decode_options){0}, header, layout.data, layout.n, KEPT);
}

static void test_every_dtype(void **state)
{
	static const struct {
		const char *loss, *header;
		unsigned char data[32];
		size_t n;
		const char *text;
	} cases[] = {
		{"cross_entropy",
		 "{\"logits\":{\"dtype\":\"F16\",\"shape\":[1,2],\"data_offsets\":[1,5]},"
		 "\"targets\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
		 {1, 0x00, 0x3c, 0x00, 0xc0},
		 5,
		 "logits F16 (1, 2): evaluated as it came\ntargets U8 (1): 1\n"},
		{"log_softmax",
		 "{\"logits\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[0,4]}}",
		 {0x80, 0x3f, 0x00, 0xc0},
		 4,
		 "logits BF16 (2): 1 -2\n"},
		{"log_softmax",
		 "{\"logits\":{\"dtype\":\"F8_E4M3\",\"shape\":[2],\"data_offsets\":[0,2]}}",
		 {0x38, 0xc0},
		 2,
		 "logits F8_E4M3 (2): 1 -2\n"},
		{"log_softmax",
		 "{\"logits\":{\"dtype\":\"F8_E5M2\",\"shape\":[2],\"data_offsets\":[0,2]}}",
		 {0x3c, 0xc0},
		 2,
		 "logits F8_E5M2 (2): 1 -2\n"},
		{"log_softmax",
		 "{\"logits\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,8]}}",
		 {0, 0, 0, 0, 0, 0, 0xf0, 0x3f},
		 8,
		 "logits F64 (1): 1\n"},
		{"kl_div",
		 "{\"log_probs\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]},"
		 "\"targets\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[4,8]}}",
		 {0, 0, 0x80, 0xbf, 0, 0, 0x80, 0x3f},
		 8,
		 "log_probs F32 (): -1\ntargets F32 (): 1\n"},
		{"binary_cross_entropy",
		 "{\"targets\":{\"dtype\":\"BOOL\",\"shape\":[2],\"data_offsets\":[8,10]},"
		 "\"probs\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
		 {0, 0, 0x80, 0x3f, 0, 0, 0, 0x3f, 1, 0},
		 10,
		 "probs F32 (2): 1 0.5\ntargets BOOL (2): 1 0\n"},
		{"cross_entropy",
		 "{\"logits\":{\"dtype\":\"F32\",\"shape\":[0,3],\"data_offsets\":[0,0]},"
		 "\"targets\":{\"dtype\":\"U64\",\"shape\":[0],\"data_offsets\":[0,0]}}",
		 {0},
		 0,
		 "logits F32 (0, 3):\ntargets U64 (0):\n"},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_body((struct decode_options){.loss = cases[i].loss}, cases[i].header,
			    cases[i].data, cases[i].n, cases[i].text);
}

/* ---------------------------------------------------------------- values */

static void assert_refusal(struct decode_options options, const char *header, const void *data,
			   size_t n, const struct decoded *wanted)
{
	options.create = safetensors_in_create;
	char *body = safetensors_body(header, data, n, &options.size);
	assert_refused(&options, body, wanted->status, wanted->pointer, wanted->detail);
	free(body);
}

static void test_values(void **state)
{
	(void)state;
	static const int64_t far[] = {2, 3};
	static const struct decoded out_of_bounds = {
		LOSS_TARGET_OUT_OF_BOUNDS, "targets",
		"targets[1] is 3, but there are 3 classes (0..2)", NULL};
	for (int order = 0; order < 2; order++) {
		struct layout layout = lay_out(order ? "tl" : "lt");
		memcpy(layout.data + (order ? 0 : sizeof logits), far, sizeof far);
		assert_refusal((struct decode_options){.plan = 1}, layout.header, layout.data,
			       layout.n, &out_of_bounds);
	}
	static const unsigned char bytes[] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 2};
	static const struct decoded no_boolean = {
		LOSS_ARGUMENT_OUT_OF_RANGE, "targets",
		"targets[1] is 2, but an element of BOOL is the byte 0 or 1", NULL};
	assert_refusal(
		(struct decode_options){.loss = "binary_cross_entropy_with_logits", .plan = 1},
		"{\"targets\":{\"dtype\":\"BOOL\",\"shape\":[2],\"data_offsets\":[8,10]},"
		"\"logits\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
		bytes, sizeof bytes, &no_boolean);
	static const struct decoded no_mask = {
		LOSS_ARGUMENT_OUT_OF_RANGE, "mask",
		"mask[1] is 2, but an element of BOOL is the byte 0 or 1", NULL};
	for (int order = 0; order < 2; order++) {
		struct layout layout = lay_out(order ? "mtl" : "tlm");
		layout.data[order ? 1 : layout.n - 1] = 2;
		assert_refusal((struct decode_options){.plan = 1}, layout.header, layout.data,
			       layout.n, &no_mask);
	}
}

/* ---------------------------------------------------------------- many names, much memory */

static char *header_of_names(size_t n)
{
	char *header;
	size_t size;
	FILE *stream = open_memstream(&header, &size);
	assert_non_null(stream);
	for (size_t i = 0; i < n; i++)
		fprintf(stream,
			"%c\"t%zu\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}",
			i ? ',' : '{', i);
	fputc('}', stream);
	fclose(stream);
	return header;
}

/* Decodes into a stream, as an evaluation does, in pieces. */
static loss_status decode_into(struct stream *stream, const struct decoder_setup *made,
			       const char *body, size_t size, size_t piece, struct loss_error *err)
{
	struct decoder_setup setup = *made;
	setup.sink = stream_sink(stream);
	struct decoder *decoder = safetensors_in_create(&setup);
	if (!decoder)
		return loss_arena_failure(setup.arena, err);
	for (size_t at = 0; at < size; at += piece)
		decoder->feed(decoder, (const unsigned char *)body + at,
			      piece < size - at ? piece : size - at);
	loss_status status = decoder->finish(decoder, err);
	return status == LOSS_OK ? stream_finish(stream, err) : status;
}

static struct stream *start_stream(const struct decoder_setup *setup)
{
	return stream_create(
		&(struct stream_setup){.problem = setup->problem, .arena = setup->arena});
}

static loss_status decode_names(size_t n, uint64_t max_header_bytes, struct loss_error *err)
{
	size_t size;
	char *header = header_of_names(n);
	char *body = safetensors_body(header, "", 0, &size);
	struct eval eval;
	eval_start(&eval, "cross_entropy");
	struct decoder_setup setup = {
		.problem = eval.problem,
		.arena = eval.arena,
		.limits = {.max_elements = 1000,
			   .max_rank = 8,
			   .max_header_bytes = max_header_bytes},
	};
	struct stream *stream = start_stream(&setup);
	assert_non_null(stream);
	loss_status status = decode_into(stream, &setup, body, size, size, err);
	eval_end(&eval);
	free(body);
	free(header);
	return status;
}

static void test_many_tensors(void **state)
{
	struct loss_error err;
	(void)state;
	assert_int_equal(decode_names(1000, 65536, &err), LOSS_UNKNOWN_FIELD);
	assert_int_equal(decode_names(100000, 16 << 20, &err), LOSS_UNKNOWN_FIELD);
	assert_string_equal(err.field, "t0");
	assert_int_equal(decode_names(1000000, 65536, &err), STATUS_INVALID_SAFETENSORS);
	assert_int_equal(decode_names(1000000, UINT64_C(1) << 30, &err), LOSS_UNKNOWN_FIELD);
}

/* Decodes where `filler` bytes are in use already. LOSS_TOO_LARGE_FOR_BUDGET where there was no
 * memory to begin. */
static loss_status decode_beside(size_t filler, struct loss_arena *arena, const char *body,
				 size_t size)
{
	struct loss_error err = {.status = LOSS_TOO_LARGE_FOR_BUDGET};
	if (!loss_arena_alloc(arena, filler, 1))
		return err.status;
	struct loss_problem *problem = loss_problem_create(loss_find("cross_entropy", 13), arena);
	if (!problem)
		return err.status;
	struct decoder_setup setup = {
		.problem = problem, .arena = arena, .limits = {1000, 8, 65536, false}};
	struct stream *stream = start_stream(&setup);
	return stream ? decode_into(stream, &setup, body, size, size, &err) : err.status;
}

/* Less and less memory: refused for it or right, and nothing is left behind. */
static void test_no_memory(void **state)
{
	(void)state;
	static const char *const orders[] = {"lt", "tl"};
	int good = 0, refused = 0;
	for (size_t i = 0; i < 250; i++)
		for (size_t k = 0; k < 4; k++) {
			struct layout layout = lay_out(orders[k % 2]);
			struct loss_budget budget = {.limit = k < 2 ? 34 << 10 : 20 << 10};
			struct loss_arena *arena = loss_arena_create(&budget);
			size_t size;
			char *body = safetensors_body(layout.header, layout.data, layout.n, &size);
			assert_non_null(arena);
			loss_status status = decode_beside(64 * i, arena, body, size);
			good += status == LOSS_OK;
			refused += status == LOSS_TOO_LARGE_FOR_BUDGET;
			loss_arena_destroy(arena);
			assert_int_equal(loss_budget_held(&budget), 0);
			loss_budget_trim(&budget);
			free(body);
		}
	assert_true(good > 0 && refused > 0);
	assert_int_equal(good + refused, 1000);
}

static void copy_arguments(const struct loss_problem *from, struct loss_problem *to)
{
	memcpy(to->values, from->values, sizeof to->values);
	to->arguments_given = from->arguments_given;
	to->outputs_given = from->outputs_given;
	to->n_outputs = from->n_outputs;
	to->outputs = from->outputs;
}

/* plan: the one whose rows have run, or NULL. */
static void compare(struct eval *source, struct eval *eval, struct loss_plan *plan)
{
	eval_plan(source);
	assert_int_equal(loss_plan_run(source->plan, 1, NULL, NULL), LOSS_OK);
	loss_plan_finish(source->plan, &source->result);
	if (plan)
		loss_plan_finish(plan, &eval->result);
	else
		assert_int_equal(loss_evaluate(eval->problem, eval->arena, 1, NULL, &eval->result,
					       &eval->error),
				 LOSS_OK);
	assert_int_equal(eval->result.n_outputs, source->result.n_outputs);
	for (size_t i = 0; i < eval->result.n_outputs; i++)
		assert_true(eval_same_bits(&eval->result.outputs[i].tensor,
					   &source->result.outputs[i].tensor));
	assert_memory_equal(&eval->result.totals.loss_sum, &source->result.totals.loss_sum,
			    sizeof(double));
}

/* The body of those of the roles that the problem has, decoded in pieces of all sizes, against the
 * evaluation of the same tensors. */
static void check_spec(struct eval *source, const loss_role *order)
{
	loss_role roles[3];
	size_t n = 0, size;
	for (size_t i = 0; i < 3; i++)
		if (source->problem->present[order[i]])
			roles[n++] = order[i];
	char *body = safetensors_of(source->problem, roles, n, &size);
	for (size_t piece = 1; piece < 4 * size; piece = 3 * piece + 1) {
		struct eval eval;
		eval_start(&eval, source->info->name);
		copy_arguments(source->problem, eval.problem);
		struct decoder_setup setup = {.problem = eval.problem,
					      .arena = eval.arena,
					      .limits = {UINT64_C(1) << 33, 8, 65536, false}};
		struct stream *stream = start_stream(&setup);
		assert_non_null(stream);
		assert_int_equal(decode_into(stream, &setup, body, size, piece, &eval.error),
				 LOSS_OK);
		compare(source, &eval, stream_plan(stream));
		eval_end(&eval);
	}
	free(body);
}

/* Problems of all kinds: the outputs are those of the tensors themselves, to the bit. */
static void test_specs(void **state)
{
	static const char *const specs[] = {
		CE "logits:F32:300,70=1,2,-3,0.5,7 targets:I64:300=3,1,69,-100,9 outputs=loss",
		CE "logits:BF16:7,9001=1,2,-3,0.5,7 targets:U16:7=3,1,9000 weight:F32:9001=1,2",
		CE "logits:F64:3,4,5=1,2,-3,0.5,7 targets:I32:3,5=3,1,0,-100",
		CE "logits:F32:2,3=1,2,5 targets:F32:2,3=0.5,0.25,0.25",
		NLL "log_probs:F16:40,30=-1,-2,-3 targets:U8:40=3,1,29 reduction=none",
		"softmax logits:F32:3,5=1,2,3,4 outputs=probs",
	};
	static const loss_role orders[][3] = {
		{LOSS_ROLE_INPUT, LOSS_ROLE_TARGETS, LOSS_ROLE_WEIGHT},
		{LOSS_ROLE_TARGETS, LOSS_ROLE_INPUT, LOSS_ROLE_WEIGHT},
		{LOSS_ROLE_WEIGHT, LOSS_ROLE_TARGETS, LOSS_ROLE_INPUT},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(specs); i++)
		for (size_t k = 0; k < COUNT(orders); k++) {
			struct eval source;
			spec_start(&source, specs[i]);
			check_spec(&source, orders[k]);
			eval_end(&source);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_bodies),
		cmocka_unit_test(test_any_order),
		cmocka_unit_test(test_outputs_of_the_inputs_shape_are_not_streamed),
		cmocka_unit_test(test_misaligned_tensors),
		cmocka_unit_test(test_metadata_is_ignored),
		cmocka_unit_test(test_every_dtype),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_many_tensors),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_specs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
