/* What a plan comes to: geometry, reduction, divisor, warnings, results, blocks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../support/random.h"
#include "../support/spec.h"
#include "budget.h"
#include "results.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void plan(struct eval *eval, const char *text)
{
	loss_status status = spec_plan(eval, text);
	require(status == LOSS_OK, "%s: %s", text, eval->error.detail);
}

static const char *shape_of(const struct loss_tensor *tensor)
{
	static char text[200];
	loss_tensor_format_shape(tensor, text, sizeof(text));
	return text;
}

/* ---------------------------------------------------------------- geometry */

static void every_layout_has_its_rows(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		size_t rows, classes, inner;
		const char *shape;
		enum target_kind kind;
	} rows[] = {
		{CE "logits:F32:5 targets:I64:", 1, 5, 1, "()", TARGETS_INDICES},
		{CE "logits:F32:5 targets:F32:5", 1, 5, 1, "()", TARGETS_PROBABILITIES},
		{CE "logits:F32:1 targets:I64:", 1, 1, 1, "()", TARGETS_INDICES},
		{CE "logits:F32:5 targets:I64: class_axis=-1", 1, 5, 1, "()", TARGETS_INDICES},
		{CE "logits:F32:2,5 targets:I64:2", 2, 5, 1, "(2)", TARGETS_INDICES},
		{CE "logits:F32:2,5 targets:U8:2 class_axis=-1", 2, 5, 1, "(2)", TARGETS_INDICES},
		{CE "logits:F32:1,1 targets:I64:1", 1, 1, 1, "(1)", TARGETS_INDICES},
		{CE "logits:F32:2,5 targets:F64:2,5", 2, 5, 1, "(2)", TARGETS_PROBABILITIES},
		{CE "logits:F64:2,5,3 targets:I64:2,3", 6, 5, 3, "(2, 3)", TARGETS_INDICES},
		{CE "logits:F64:2,5,3 targets:I64:2,5 class_axis=-1", 10, 3, 1, "(2, 5)",
		 TARGETS_INDICES},
		{CE "logits:F64:2,5,3 targets:F32:2,5,3 class_axis=-1", 10, 3, 1, "(2, 5)",
		 TARGETS_PROBABILITIES},
		{CE "logits:F32:2,5,3,4 targets:I16:2,3,4", 24, 5, 12, "(2, 3, 4)",
		 TARGETS_INDICES},
		{CE "logits:F32:2,2,1,2,1,2,1,2 targets:I32:2,1,2,1,2,1,2", 16, 2, 8,
		 "(2, 1, 2, 1, 2, 1, 2)", TARGETS_INDICES},
		{CE "logits:F32:2,2,1,2,1,2,1,3 targets:I32:2,2,1,2,1,2,1 class_axis=-1", 16, 3, 1,
		 "(2, 2, 1, 2, 1, 2, 1)", TARGETS_INDICES},
		{CE "logits:F32:0,5 targets:I64:0", 0, 5, 1, "(0)", TARGETS_INDICES},
		{CE "logits:F32:0,5 targets:F32:0,5", 0, 5, 1, "(0)", TARGETS_PROBABILITIES},
		{CE "logits:F32:2,5,0 targets:I64:2,0", 0, 5, 0, "(2, 0)", TARGETS_INDICES},
		{CE "logits:F32:2,0,5 targets:I64:2,0 class_axis=-1", 0, 5, 1, "(2, 0)",
		 TARGETS_INDICES},
		{NLL "log_probs:F32:2,5,3 targets:U64:2,3", 6, 5, 3, "(2, 3)", TARGETS_INDICES},
		{"softmax logits:F32:2,5,3", 6, 5, 3, "(2, 3)", TARGETS_NONE},
		{"log_softmax logits:F32:5", 1, 5, 1, "()", TARGETS_NONE},
		{BCE "logits:F32:2,5 targets:BOOL:2,5", 10, 1, 1, "(2, 5)", TARGETS_ELEMENTS},
		{BCE "logits:F32: targets:F64:", 1, 1, 1, "()", TARGETS_ELEMENTS},
		{BCE "logits:F32:2,0 targets:F64:2,0", 0, 1, 1, "(2, 0)", TARGETS_ELEMENTS},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct eval eval;
		plan(&eval, rows[i].text);
		const struct loss_plan *p = eval.plan;
		require(p->rows == rows[i].rows && p->rows_shape.count == p->rows, "%s: rows",
			rows[i].text);
		require(p->classes == rows[i].classes, "%s: classes", rows[i].text);
		require(p->inner == rows[i].inner, "%s: inner", rows[i].text);
		require(p->target_kind == rows[i].kind, "%s: targets", rows[i].text);
		require(strcmp(shape_of(&p->rows_shape), rows[i].shape) == 0, "%s: %s",
			rows[i].text, shape_of(&p->rows_shape));
		require(loss_plan_elements(p) == p->tensors[LOSS_ROLE_INPUT].count &&
				loss_plan_dtype(p) == p->tensors[LOSS_ROLE_INPUT].dtype,
			"%s: elements", rows[i].text);
		eval_end(&eval);
	}
}

static void factors_of_every_shape_that_fits(void **state)
{
	(void)state;
	static const char *const texts[] = {
		CE TWO_ROWS "weight:F64:3",
		CE TWO_ROWS "grad_output:F64:",
		CE TWO_ROWS "grad_output:F32:2 reduction=none",
		"softmax logits:F32:2,3 grad_output:F64:2,3",
		BCE TWO_PROBS "weight:F32: pos_weight:F64:1",
		BCE TWO_PROBS "weight:F32:3 pos_weight:F64:2,1",
		BCE TWO_PROBS "weight:F32:1,3 pos_weight:F64:2,3",
		BCE TWO_PROBS "weight:F32:1,1 grad_output:F32:2,3 reduction=none",
		BCE "logits:F32:0,3 targets:F32:0,3 weight:F32:3 pos_weight:F32:0,1",
		BCE "logits:F32:0,3 targets:F32:0,3 weight:F32:1,3 pos_weight:F32:0,3",
	};
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct eval eval;
		plan(&eval, texts[i]);
		eval_end(&eval);
	}
}

/* ---------------------------------------------------------------- reduction and warnings */

#define LEGACY "size_average and reduce are deprecated and override reduction; use reduction"
#define OLD_NAME "reduction \"elementwise_mean\" is deprecated; use \"mean\""
#define NO_MEAN "denominator has no effect unless reduction is \"mean\""
#define NO_GRAD "grad_output has no effect unless outputs has \"grad\""

static void reductions_and_their_warnings(void **state)
{
	(void)state;
	static const struct {
		const char *arguments;
		enum reduction reduction;
		const char *warnings[3];
	} rows[] = {
		{"", REDUCTION_MEAN, {NULL}},
		{"reduction=none", REDUCTION_NONE, {NULL}},
		{"reduction=sum", REDUCTION_SUM, {NULL}},
		{"reduction=mean", REDUCTION_MEAN, {NULL}},
		{"reduction=null", REDUCTION_MEAN, {NULL}},
		{"reduction=elementwise_mean", REDUCTION_MEAN, {OLD_NAME}},
		/* the legacy two decide if one of them is given */
		{"reduce=null size_average=null reduction=sum", REDUCTION_SUM, {NULL}},
		{"reduce=false", REDUCTION_NONE, {LEGACY}},
		{"reduce=false size_average=true reduction=sum", REDUCTION_NONE, {LEGACY}},
		{"reduce=false size_average=false", REDUCTION_NONE, {LEGACY}},
		{"reduce=true reduction=none", REDUCTION_MEAN, {LEGACY}},
		{"reduce=true size_average=true reduction=sum", REDUCTION_MEAN, {LEGACY}},
		{"reduce=true size_average=false", REDUCTION_SUM, {LEGACY}},
		{"size_average=false reduction=none", REDUCTION_SUM, {LEGACY}},
		{"size_average=true reduction=none", REDUCTION_MEAN, {LEGACY}},
		{"size_average=null reduce=true reduction=elementwise_mean",
		 REDUCTION_MEAN,
		 {LEGACY}},
		/* what has no effect */
		{"denominator=2", REDUCTION_MEAN, {NULL}},
		{"denominator=2 reduction=sum", REDUCTION_SUM, {NO_MEAN}},
		{"denominator=2 reduction=none", REDUCTION_NONE, {NO_MEAN}},
		{"denominator=null reduction=sum", REDUCTION_SUM, {NULL}},
		{"grad_output:F32:", REDUCTION_MEAN, {NO_GRAD}},
		{"grad_output:F32: outputs=loss,grad", REDUCTION_MEAN, {NULL}},
		{"grad_output:null", REDUCTION_MEAN, {NULL}},
		{"grad_output:F32: outputs= denominator=3 size_average=false",
		 REDUCTION_SUM,
		 {LEGACY, NO_MEAN, NO_GRAD}},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct eval eval;
		char text[200] = CE TWO_ROWS;
		plan(&eval, strcat(text, rows[i].arguments));
		require(eval.plan->reduction == rows[i].reduction, "%s: %d", rows[i].arguments,
			(int)eval.plan->reduction);
		size_t n = 0;
		while (n < 3 && rows[i].warnings[n])
			n++;
		require(eval.plan->n_warnings == n, "%s: %zu warnings", rows[i].arguments,
			eval.plan->n_warnings);
		for (size_t k = 0; k < n; k++)
			assert_string_equal(eval.plan->warnings[k], rows[i].warnings[k]);
		eval_end(&eval);
	}
}

/* ---------------------------------------------------------------- divisors */

static void denominators_and_divisors(void **state)
{
	(void)state;
	const double nan = (double)NAN;
#define WEIGHTS "weight:F32:3=0.5,2,-2 "
	const struct {
		const char *text;
		double denominator, divisor;
		size_t counted, ignored;
	} rows[] = {
		{CE "logits:F32:4,3 targets:I64:4=0,1,2,0", 4, 4, 4, 0},
		{CE "logits:F32:4,3 targets:I64:4=0,-100,2,-100", 2, 2, 2, 2},
		{CE "logits:F32:4,3 targets:I64:4=0,1,2,0 ignore_index=0", 2, 2, 2, 2},
		{CE "logits:F32:4,3 targets:U8:4=0,255,2,0 ignore_index=255", 3, 3, 3, 1},
		{CE "logits:F32:4,3 targets:I8:4=0,-1,2,-1 ignore_index=-1", 2, 2, 2, 2},
		{CE "logits:F32:4,3 targets:I64:4=0,1,1,-100 " WEIGHTS, 4.5, 4.5, 3, 1},
		{CE "logits:F32:4,3 targets:I64:4=0,1,1,-100 reduction=sum " WEIGHTS, 4.5, 1, 3, 1},
		{CE "logits:F32:4,3 targets:I64:4=0,1,1,-100 reduction=none " WEIGHTS, 4.5, 1, 3,
		 1},
		{CE "logits:F32:2,3 targets:I64:2=1,2 " WEIGHTS, 0, nan, 2, 0},
		{CE "logits:F32:2,3 targets:I64:2=1,2 denominator=8 " WEIGHTS, 0, 8, 2, 0},
		{CE "logits:F32:2,3 targets:I64:2=1,2 denominator=8 reduction=sum", 2, 1, 2, 0},
		{CE "logits:F32:2,3 targets:I64:2=-100", 0, nan, 0, 2},
		{CE "logits:F32:2,3 targets:I64:2=-100 reduction=none", 0, 1, 0, 2},
		{CE "logits:F32:2,3 targets:I64:2=-100 empty_mean=zero", 0, nan, 0, 2},
		{CE "logits:F32:0,3 targets:I64:0", 0, nan, 0, 0},
		/* weights never enter the denominator of probabilities */
		{CE "logits:F32:2,3,4 targets:F32:2,3,4 " WEIGHTS, 8, 8, 8, 0},
		{CE "logits:F32:0,3 targets:F32:0,3", 0, nan, 0, 0},
		{NLL "log_probs:F32:2,3 targets:I64:2=1,-100 " WEIGHTS, 2, 2, 1, 1},
		{BCE "logits:F32:2,3 targets:F32:2,3 weight:F32:3=9", 6, 6, 6, 0},
		{BCE "logits:F32:0 targets:F32:0", 0, nan, 0, 0},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct eval eval;
		plan(&eval, rows[i].text);
		const struct loss_plan *p = eval.plan;
		require(p->denominator == rows[i].denominator, "%s: denominator %g", rows[i].text,
			p->denominator);
		require(isnan(rows[i].divisor) ? isnan(p->divisor) : p->divisor == rows[i].divisor,
			"%s: divisor %g", rows[i].text, p->divisor);
		require(p->counted == rows[i].counted && p->ignored == rows[i].ignored,
			"%s: counted %zu, ignored %zu", rows[i].text, p->counted, p->ignored);
		eval_end(&eval);
	}
}

/* ---------------------------------------------------------------- results */

static void expect_output(const struct loss_plan *p, enum output output, loss_dtype dtype,
			  const char *shape)
{
	const struct loss_tensor *tensor = &p->outputs[output];
	assert_true(p->wanted[output]);
	assert_int_equal(tensor->dtype, dtype);
	assert_string_equal(shape_of(tensor), shape);
	struct loss_tensor again = *tensor;
	assert_true(loss_tensor_set_count(&again));
	assert_int_equal(tensor->count, again.count);
	assert_non_null(tensor->data);
}

static void results_have_the_dtype_of_the_logits(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		loss_dtype rows, dense;
	} rows[] = {
		{CE "logits:F32:2,3,4 targets:I64:2,4 ", LOSS_F32, LOSS_F32},
		{CE "logits:F64:2,3,4 targets:I64:2,4 ", LOSS_F64, LOSS_F64},
		{CE "logits:F64:2,3,4 targets:I64:2,4 grad_dtype=F32 ", LOSS_F64, LOSS_F32},
		{CE "logits:F64:2,3,4 targets:I64:2,4 grad_dtype=null ", LOSS_F64, LOSS_F64},
		{CE "logits:F32:2,3,4 targets:I64:2,4 grad_dtype=F32 ", LOSS_F32, LOSS_F32},
		{CE "logits:F32:2,3,4 targets:I64:2,4 weight:F64:3 ", LOSS_F32, LOSS_F32},
		{CE "logits:F16:2,3,4 targets:I64:2,4 ", LOSS_F32, LOSS_F16},
		{CE "logits:BF16:2,3,4 targets:I64:2,4 ", LOSS_F32, LOSS_BF16},
		{CE "logits:F8_E4M3:2,3,4 targets:I64:2,4 ", LOSS_F32, LOSS_F8_E4M3},
		{CE "logits:F8_E5M2:2,3,4 targets:I64:2,4 ", LOSS_F32, LOSS_F8_E5M2},
		{CE "logits:F16:2,3,4 targets:I64:2,4 grad_dtype=F32 ", LOSS_F32, LOSS_F32},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct eval eval;
		char text[200];
		strcpy(text, rows[i].text);
		plan(&eval, strcat(text, "outputs=accuracy,loss,grad,log_probs,probs,lse,predicted,"
					 "correct"));
		expect_output(eval.plan, OUTPUT_LOSS, rows[i].rows, "()");
		expect_output(eval.plan, OUTPUT_GRAD, rows[i].dense, "(2, 3, 4)");
		expect_output(eval.plan, OUTPUT_LOG_PROBS, rows[i].dense, "(2, 3, 4)");
		expect_output(eval.plan, OUTPUT_PROBS, rows[i].dense, "(2, 3, 4)");
		expect_output(eval.plan, OUTPUT_LSE, rows[i].rows, "(2, 4)");
		expect_output(eval.plan, OUTPUT_PREDICTED, LOSS_I64, "(2, 4)");
		expect_output(eval.plan, OUTPUT_CORRECT, LOSS_BOOL, "(2, 4)");
		expect_output(eval.plan, OUTPUT_ACCURACY, LOSS_F64, "()");
		assert_int_equal(eval.plan->n_outputs, 8);
		assert_int_equal(eval.plan->requested[0]->id, OUTPUT_ACCURACY);
		assert_int_equal(eval.plan->requested[7]->id, OUTPUT_CORRECT);
		eval_end(&eval);
	}
}

static void the_loss_has_the_shape_of_its_reduction(void **state)
{
	(void)state;
	static const struct {
		const char *text, *shape;
	} rows[] = {
		{CE TWO_ROWS, "()"},
		{CE TWO_ROWS "reduction=sum", "()"},
		{CE TWO_ROWS "reduction=none", "(2)"},
		{CE "logits:F32:3 targets:I64: reduction=none", "()"},
		{CE "logits:F32:2,3,0 targets:I64:2,0 reduction=none", "(2, 0)"},
		{CE "logits:F32:2,3,4,5 targets:F32:2,3,4,5 reduce=false", "(2, 4, 5)"},
		{NLL "log_probs:F32:2,4,3 targets:I8:2,4 class_axis=-1 reduction=none", "(2, 4)"},
		{BCE TWO_PROBS "reduction=none", "(2, 3)"},
		{BCE TWO_PROBS, "()"},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct eval eval;
		plan(&eval, rows[i].text);
		expect_output(eval.plan, OUTPUT_LOSS, LOSS_F32, rows[i].shape);
		assert_int_equal(eval.plan->n_outputs, 1);
		eval_end(&eval);
	}
}

static void without_outputs_the_first_one_is_made(void **state)
{
	(void)state;
	struct eval eval;
	plan(&eval, "log_softmax logits:F64:2,3");
	assert_int_equal(eval.plan->n_outputs, 1);
	expect_output(eval.plan, OUTPUT_LOG_PROBS, LOSS_F64, "(2, 3)");
	assert_false(eval.plan->wanted[OUTPUT_PROBS]);
	eval_end(&eval);
	plan(&eval, "softmax logits:F32:2,3");
	expect_output(eval.plan, OUTPUT_PROBS, LOSS_F32, "(2, 3)");
	eval_end(&eval);
	plan(&eval, CE TWO_ROWS "outputs="); /* an empty list asks for nothing */
	assert_int_equal(eval.plan->n_outputs, 0);
	assert_false(eval.plan->wanted[OUTPUT_LOSS]);
	eval_end(&eval);
}

/* ---------------------------------------------------------------- blocks */

#define THIRD BLOCK_ROWS(3)

static void blocks_cover_the_rows(void **state)
{
	(void)state;
	static const struct {
		bool element_wise;
		size_t rows, classes, block_rows, n_blocks;
	} rows[] = {
		{false, 1, 1, BLOCK_ELEMENTS, 1},
		{false, 0, 3, THIRD, 0},
		{false, THIRD, 3, THIRD, 1},
		{false, THIRD + 1, 3, THIRD, 2},
		{false, 3, BLOCK_ELEMENTS - 1, 1, 3},
		{false, 3, BLOCK_ELEMENTS, 1, 3},
		{false, 2, BLOCK_ELEMENTS + 1, 1, 2},
		{false, 3, BLOCK_ELEMENTS / 2, 2, 2},
		{true, BLOCK_ELEMENTS, 1, BLOCK_ELEMENTS, 1},
		{true, BLOCK_ELEMENTS + 1, 1, BLOCK_ELEMENTS, 2},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct eval eval;
		char text[128];
		size_t n = rows[i].rows, m = rows[i].classes;
		if (rows[i].element_wise)
			snprintf(text, sizeof text, BCE "logits:F32:%zu,%zu targets:F32:%zu,%zu", n,
				 m, n, m);
		else
			snprintf(text, sizeof text, "softmax logits:F32:%zu,%zu", n, m);
		plan(&eval, text);
		assert_int_equal(eval.plan->block_rows, rows[i].block_rows);
		assert_int_equal(loss_plan_blocks(eval.plan), rows[i].n_blocks);
		eval_end(&eval);
	}
}

/* ---------------------------------------------------------------- memory */

/* Whatever the allocation that fails, the plan says so. */
static void memory_that_does_not_suffice(void **state)
{
	(void)state;
	static const size_t shape[2] = {40000, 2};
	static float logits[80000];
	static int8_t targets[40000];
	struct loss_tensor x = {.dtype = LOSS_F32, .rank = 2, .count = 80000, .data = logits};
	struct loss_tensor y = {.dtype = LOSS_I8, .rank = 1, .count = 40000, .data = targets};
	memcpy(x.shape, shape, sizeof(shape));
	memcpy(y.shape, shape, sizeof(shape[0]));
	static const char *const outputs[] = {"grad", "probs", "lse"};
	size_t failures = 0;
	for (size_t limit = 1 << 14; limit < (size_t)2 << 20; limit += 1 << 12) {
		struct loss_budget budget = {.limit = limit};
		struct eval eval = {.info = loss_at(0), .arena = loss_arena_create(&budget)};
		eval.problem = loss_problem_create(eval.info, eval.arena);
		eval_set(&eval, "logits", x);
		eval_set(&eval, "targets", y);
		loss_problem_set_outputs(eval.problem, outputs, COUNT(outputs), NULL);
		loss_status status =
			loss_plan_create(eval.problem, eval.arena, &eval.plan, &eval.error);
		if (status != LOSS_OK) {
			assert_int_equal(status, LOSS_TOO_LARGE_FOR_BUDGET);
			assert_int_equal(eval.error.status, LOSS_TOO_LARGE_FOR_BUDGET);
			failures++;
		}
		loss_arena_destroy(eval.arena);
		assert_int_equal(loss_budget_held(&budget), 0);
		loss_budget_trim(&budget);
	}
	assert_int_equal(failures,
			 204); /* of 320,000, 320,000 and 160,000 bytes, and of partials */
}

/* The plan itself, or its list of blocks, where a block of the arena ends just before it. */
static void memory_that_ends_before_the_plan_or_its_blocks(void **state)
{
	(void)state;
	size_t failures = 0;
	for (size_t n = 0; n < 256; n++) {
		struct loss_budget budget = {.limit = 1 << 14};
		struct eval eval = {.info = loss_at(0), .arena = loss_arena_create(&budget)};
		eval.problem = loss_problem_create(eval.info, eval.arena);
		float logits[3] = {0};
		uint8_t target = 0;
		eval_set(&eval, "logits",
			 (struct loss_tensor){.rank = 1,
					      .shape = {3},
					      .count = 3,
					      .dtype = LOSS_F32,
					      .data = logits});
		eval_set(&eval, "targets",
			 (struct loss_tensor){.count = 1, .dtype = LOSS_U8, .data = &target});
		for (size_t i = 0; i < n; i++)
			loss_arena_alloc(eval.arena, 1, 64);
		loss_status status =
			loss_plan_create(eval.problem, eval.arena, &eval.plan, &eval.error);
		assert_true(status == LOSS_OK || status == LOSS_TOO_LARGE_FOR_BUDGET);
		assert_true(failures == 0 || status != LOSS_OK); /* never again once it failed */
		failures += status != LOSS_OK;
		loss_arena_destroy(eval.arena);
	}
	assert_true(failures > 3 && failures < 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_layout_has_its_rows),
		cmocka_unit_test(factors_of_every_shape_that_fits),
		cmocka_unit_test(reductions_and_their_warnings),
		cmocka_unit_test(denominators_and_divisors),
		cmocka_unit_test(results_have_the_dtype_of_the_logits),
		cmocka_unit_test(the_loss_has_the_shape_of_its_reduction),
		cmocka_unit_test(without_outputs_the_first_one_is_made),
		cmocka_unit_test(blocks_cover_the_rows),
		cmocka_unit_test(memory_that_does_not_suffice),
		cmocka_unit_test(memory_that_ends_before_the_plan_or_its_blocks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
