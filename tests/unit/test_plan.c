/* What is wrong with the fields of a problem together, and which of several errors is reported. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "../support/random.h"
#include "../support/spec.h"
#include "plan.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct refusal {
	const char *text;
	const char *field, *detail;
};

static void expect_refusals(const struct refusal *rows, size_t n, loss_status status)
{
	for (size_t i = 0; i < n; i++) {
		struct eval eval;
		loss_status got = spec_plan(&eval, rows[i].text);
		require(got == status, "%s: %s, not %s", rows[i].text, loss_status_info(got)->code,
			loss_status_info(status)->code);
		require(eval.error.status == status, "%s: another status in the error",
			rows[i].text);
		require(strcmp(eval.error.field, rows[i].field) == 0, "%s: field %s", rows[i].text,
			eval.error.field);
		require(strcmp(eval.error.detail, rows[i].detail) == 0, "%s:\n%s\n%s", rows[i].text,
			eval.error.detail, rows[i].detail);
		struct loss_plan *plan;
		require(loss_plan_create(eval.problem, eval.arena, &plan, NULL) == status,
			"%s: without an error to fill", rows[i].text);
		eval_end(&eval);
	}
}

/* ---------------------------------------------------------------- several errors */

/* The fields of all errors, in order, where they are of one stage. */
static void independent_errors_of_a_stage_are_told_at_once(void **state)
{
	(void)state;
	static const struct {
		const char *text, *fields;
		loss_status status;
	} rows[] = {
		{CE "logits:I64:2,3 targets:BOOL:2 weight:F32:7", "logits targets ",
		 LOSS_DTYPE_MISMATCH},
		{CE "weight:F32:7 label_smoothing=2", "logits targets ", LOSS_MISSING_FIELD},
		{CE "logits:F32:2,3 targets:I64:5 weight:F32:7 row_weight:F32:9 label_smoothing=2",
		 "targets weight row_weight ", LOSS_SHAPE_MISMATCH},
		{CE "logits:F32: targets:I64:5 weight:F32:7", "logits ", LOSS_SHAPE_MISMATCH},
		{CE TWO_ROWS "label_smoothing=2 temperature=0 k=9", "label_smoothing temperature ",
		 LOSS_ARGUMENT_OUT_OF_RANGE},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct eval eval;
		char fields[256] = "";
		require(spec_plan(&eval, rows[i].text) == rows[i].status, "%s", rows[i].text);
		for (const struct loss_error *err = &eval.error; err; err = err->more) {
			require(err->status == rows[i].status && err->detail[0], "%s",
				rows[i].text);
			strcat(strcat(fields, err->field), " ");
		}
		require(strcmp(fields, rows[i].fields) == 0, "%s: %s", rows[i].text, fields);
		eval_end(&eval);
	}
}

/* Without memory for the others the first is told as ever. */
static void the_first_error_needs_no_memory(void **state)
{
	struct loss_budget *budget = loss_budget_create(SIZE_MAX);
	struct loss_arena *arena = loss_arena_create(budget);
	struct loss_problem *problem = loss_problem_create(loss_find("cross_entropy", 13), arena);
	struct loss_plan *plan;
	struct loss_error err;
	(void)state;
	assert_int_equal(loss_plan_create(problem, arena, &plan, &err), LOSS_MISSING_FIELD);
	assert_non_null(err.more);
	assert_null(err.more->more);
	assert_int_equal(loss_problem_check_dtypes(problem, &err), LOSS_OK);
	loss_arena_destroy(arena);
	loss_budget_destroy(budget);
}

/* ---------------------------------------------------------------- types */

#define FLOAT_DTYPES "F64, F32, F16, BF16, F8_E4M3, F8_E5M2"
#define INDEX_DTYPES "I64, I32, I16, I8, U64, U32, U16, U8"

static void tensors_of_a_dtype_that_they_may_not_have(void **state)
{
	(void)state;
	static const struct refusal rows[] = {
		{CE "logits:I64:2,3 targets:I64:2", "logits",
		 "logits is I64, but must be one of " FLOAT_DTYPES},
		{CE "logits:F32:2,3 targets:BOOL:2", "targets",
		 "targets is BOOL, but must be one of " FLOAT_DTYPES ", " INDEX_DTYPES},
		{CE TWO_ROWS "weight:I32:3", "weight",
		 "weight is I32, but must be one of " FLOAT_DTYPES},
		{CE TWO_ROWS "grad_output:U8:", "grad_output",
		 "grad_output is U8, but must be one of " FLOAT_DTYPES},
		{NLL "log_probs:F32:2,3 targets:F64:2", "targets",
		 "targets is F64, but must be one of " INDEX_DTYPES},
		{"softmax logits:BOOL:3", "logits",
		 "logits is BOOL, but must be one of " FLOAT_DTYPES},
		{BCE "logits:F32:3 targets:I64:3", "targets",
		 "targets is I64, but must be one of " FLOAT_DTYPES ", BOOL"},
		{BCE "logits:F32:3 targets:F32:3 pos_weight:BOOL:3", "pos_weight",
		 "pos_weight is BOOL, but must be one of " FLOAT_DTYPES},
	};
	expect_refusals(rows, COUNT(rows), LOSS_DTYPE_MISMATCH);
}

static void targets_of_the_wrong_kind_for_their_shape(void **state)
{
	(void)state;
#define PROBABILITIES                                                                              \
	"targets have the shape of logits, so they are probabilities and must be one "             \
	"of " FLOAT_DTYPES ", not I64; class indices have one axis less"
#define ONE_ROW ", and what has one axis is one row"
#define INDICES                                                                                    \
	"targets have the shape of class indices, so they must be integers, not F32; "             \
	"probabilities have that of logits"
	static const struct refusal rows[] = {
		{CE "logits:F32:2,3 targets:I64:2,3", "targets", PROBABILITIES},
		{CE "logits:F32:3 targets:I64:3", "targets", PROBABILITIES ONE_ROW},
		{CE "logits:F32:1 targets:I64:1", "targets", PROBABILITIES ONE_ROW},
		{CE "logits:F32:0,3 targets:I64:0,3", "targets", PROBABILITIES},
		{CE "logits:F32:2,3 targets:F32:2", "targets", INDICES},
		{CE "logits:F32:3 targets:F32:", "targets", INDICES},
		{CE "logits:F32:2,3,4 targets:F32:2,4", "targets", INDICES},
	};
	expect_refusals(rows, COUNT(rows), LOSS_DTYPE_MISMATCH);
}

static void tensors_that_are_missing(void **state)
{
	(void)state;
#define INPUT "(C), (N, C) or (N, C, d1..d6); with class_axis -1, C is last"
#define ROWS "the input's without its class axis: (), (N) or (N, d1..d6)"
	static const struct refusal rows[] = {
		{CE, "logits", "cross_entropy needs logits, shape " INPUT},
		{CE "logits:null targets:I64:2", "logits",
		 "cross_entropy needs logits, shape " INPUT},
		{CE "logits:F32:2,3", "targets",
		 "cross_entropy needs targets, shape " ROWS
		 " for class indices, that of logits for probabilities"},
		{CE "logits:F32:2,3 targets:null", "targets",
		 "cross_entropy needs targets, shape " ROWS
		 " for class indices, that of logits for probabilities"},
		{NLL, "log_probs", "nll_loss needs log_probs, shape " INPUT},
		{NLL "log_probs:F32:2,3", "targets", "nll_loss needs targets, shape " ROWS},
		{"softmax class_axis=1", "logits", "softmax needs logits, shape " INPUT},
		{BCE "logits:F32:3", "targets",
		 "binary_cross_entropy_with_logits needs targets, shape that of logits"},
		{"softmax logits:F32:3 outputs=probs,grad", "grad_output",
		 "the output grad of softmax needs grad_output, of the shape of logits"},
		{"log_softmax logits:F32:3 grad_output:null outputs=grad", "grad_output",
		 "the output grad of log_softmax needs grad_output, of the shape of logits"},
	};
	expect_refusals(rows, COUNT(rows), LOSS_MISSING_FIELD);
}

/* ---------------------------------------------------------------- shapes */

static void shapes_of_inputs_and_targets_that_do_not_fit(void **state)
{
	(void)state;
#define WITHOUT ", that of logits without the class axis (or all of that, for probabilities)"
#define RESHAPE "; it has as many elements: reshape it"
#define CLASSES_LAST "; it fits with class_axis=-1, classes last"
#define THAT_OF ", that of log_probs without the class axis"
	static const struct refusal rows[] = {
		{CE "logits:F32: targets:I64:", "logits",
		 "logits has shape (), but must have a class axis: (C), (N, C) or (N, C, d1..dK)"},
		{CE "logits:F32:0 targets:I64:", "logits",
		 "logits has shape (0), but must have at least one class on axis 0"},
		{CE "logits:F32:2,0 targets:I64:2", "logits",
		 "logits has shape (2, 0), but must have at least one class on axis 1"},
		{CE "logits:F32:0,0,4 targets:I64:0,4", "logits",
		 "logits has shape (0, 0, 4), but must have at least one class on axis 1"},
		{CE "logits:F32:2,4,0 targets:I64:2,4 class_axis=-1", "logits",
		 "logits has shape (2, 4, 0), but must have at least one class on axis 2"},
		{NLL "log_probs:F64: targets:I64:", "log_probs",
		 "log_probs has shape (), but must have a class axis: (C), (N, C) or (N, C, "
		 "d1..dK)"},
		{"softmax logits:F32:", "logits",
		 "logits has shape (), but must have a class axis: (C), (N, C) or (N, C, d1..dK)"},
		{CE "logits:F32:2,3 targets:I64:3", "targets",
		 "targets has shape (3), but must have (2)" WITHOUT},
		{CE "logits:F32:2,3 targets:I64:", "targets",
		 "targets has shape (), but must have (2)" WITHOUT},
		{CE "logits:F32:3 targets:I64:1", "targets",
		 "targets has shape (1), but must have ()" WITHOUT RESHAPE},
		{CE "logits:F32:2,3 targets:F32:3,2", "targets",
		 "targets has shape (3, 2), but must have (2)" WITHOUT},
		{CE "logits:F32:2,3,4 targets:I64:2,3", "targets",
		 "targets has shape (2, 3), but must have (2, 4)" WITHOUT CLASSES_LAST},
		{CE "logits:F32:2,3,4 targets:I64:2,4 class_axis=-1", "targets",
		 "targets has shape (2, 4), but must have (2, 3)" WITHOUT
		 "; it fits with class_axis=1"},
		{CE "logits:F32:2,3,4,5 targets:I64:2,5,4", "targets",
		 "targets has shape (2, 5, 4), but must have (2, 4, 5)" WITHOUT},
		{CE "logits:F32:2,3,4 targets:I64:8", "targets",
		 "targets has shape (8), but must have (2, 4)" WITHOUT RESHAPE},
		{CE "logits:F32:2,3 targets:I64:2,1", "targets",
		 "targets has shape (2, 1), but must have (2)" WITHOUT RESHAPE},
		{CE "logits:F32:2,3,1,5 targets:I64:2,5", "targets",
		 "targets has shape (2, 5), but must have (2, 1, 5)" WITHOUT RESHAPE},
		{NLL "log_probs:F32:2,3,4 targets:I64:2,3", "targets",
		 "targets has shape (2, 3), but must have (2, 4)" THAT_OF CLASSES_LAST},
		{CE "logits:F32:2,3,4 targets:I64:2,4 row_weight:F32:2,3", "row_weight",
		 "row_weight has shape (2, 3), but must have (2, 4), that of logits without the "
		 "class axis"},
		/* What fits with the other axis only without the rest is not told so. */
		{CE "logits:F32:2,3,4 targets:I64:2,3 weight:F32:4 row_weight:F32:2,3", "targets",
		 "targets has shape (2, 3), but must have (2, 4)" WITHOUT CLASSES_LAST},
		{CE "logits:F32:2,3,4 targets:I64:2,3 weight:F32:3", "targets",
		 "targets has shape (2, 3), but must have (2, 4)" WITHOUT},
		{CE "logits:F32:2,3,4 targets:I64:2,3 row_weight:F32:2,4", "targets",
		 "targets has shape (2, 3), but must have (2, 4)" WITHOUT},
		{CE "logits:F32:2,3,4 targets:I64:2,4 mask:BOOL:2,3", "mask",
		 "mask has shape (2, 3), but must have (2, 4), that of logits without the class "
		 "axis"},
		{CE "logits:F32:2,3,4 targets:I64:2,4 weight:F32:4", "weight",
		 "weight has shape (4), but must have (3), one factor for each class"},
		{CE "logits:F32:2,3,4 targets:I64:2,4 grad_output:F32:2,3 reduction=none",
		 "grad_output",
		 "grad_output has shape (2, 3), but must have (2, 4), the shape of what it is the "
		 "gradient of"},
		{CE "logits:F32:2,3,4 targets:I64:2,4 grad_output:F32:2,3", "grad_output",
		 "grad_output has shape (2, 3), but must have (), the shape of what it is the "
		 "gradient of"},
		{NLL "log_probs:F32:2,3 targets:I64:2,3", "targets",
		 "targets has shape (2, 3), but must have (2)" THAT_OF},
		{BCE "logits:F32:2,3 targets:F32:3", "targets",
		 "targets has shape (3), but must have (2, 3), that of logits"},
	};
	expect_refusals(rows, COUNT(rows), LOSS_SHAPE_MISMATCH);
}

static void shapes_of_factors_that_do_not_fit(void **state)
{
	(void)state;
#define FACTORS ", but must have (3), one factor for each class"
#define BROADCASTS ", but must have a shape that broadcasts to that of logits, (2, 3)"
#define GRADIENT ", the shape of what it is the gradient of"
#define TWO_ELEMENTS "logits:F32:2,3 targets:F32:2,3 "
	static const struct refusal rows[] = {
		{CE TWO_ROWS "weight:F32:2", "weight", "weight has shape (2)" FACTORS},
		{CE TWO_ROWS "weight:F32:", "weight", "weight has shape ()" FACTORS},
		{CE TWO_ROWS "weight:F32:1,3", "weight", "weight has shape (1, 3)" FACTORS RESHAPE},
		{NLL "log_probs:F32:2,3 targets:I64:2 weight:F64:4", "weight",
		 "weight has shape (4)" FACTORS},
		{BCE TWO_ELEMENTS "weight:F32:2", "weight", "weight has shape (2)" BROADCASTS},
		{BCE TWO_ELEMENTS "weight:F32:0", "weight", "weight has shape (0)" BROADCASTS},
		{BCE TWO_ELEMENTS "weight:F32:1,2,3", "weight",
		 "weight has shape (1, 2, 3)" BROADCASTS},
		{BCE TWO_ELEMENTS "pos_weight:F32:3,3", "pos_weight",
		 "pos_weight has shape (3, 3)" BROADCASTS},
		{CE TWO_ROWS "grad_output:F32:2", "grad_output",
		 "grad_output has shape (2), but must have ()" GRADIENT},
		{CE TWO_ROWS "grad_output:F32:1 reduction=sum", "grad_output",
		 "grad_output has shape (1), but must have ()" GRADIENT RESHAPE},
		{CE TWO_ROWS "grad_output:F32: reduction=none", "grad_output",
		 "grad_output has shape (), but must have (2)" GRADIENT},
		{CE TWO_ROWS "grad_output:F32: reduce=false", "grad_output",
		 "grad_output has shape (), but must have (2)" GRADIENT},
		{CE TWO_ROWS "grad_output:F32:2,3 reduction=none", "grad_output",
		 "grad_output has shape (2, 3), but must have (2)" GRADIENT},
		{"softmax logits:F32:2,3 grad_output:F32:2", "grad_output",
		 "grad_output has shape (2), but must have (2, 3), that of logits"},
		{BCE TWO_ELEMENTS "grad_output:F32: reduction=none", "grad_output",
		 "grad_output has shape (), but must have (2, 3)" GRADIENT},
	};
	expect_refusals(rows, COUNT(rows), LOSS_SHAPE_MISMATCH);
}

/* ---------------------------------------------------------------- arguments and outputs */

static void arguments_that_are_out_of_range(void **state)
{
	(void)state;
	static const struct refusal rows[] = {
		{CE TWO_ROWS "label_smoothing=1.5", "label_smoothing",
		 "label_smoothing is 1.5, but must be 0 to 1"},
		{CE TWO_ROWS "class_axis=0", "class_axis",
		 "class_axis is 0, but must be 1 or -1; -1 is the last axis, which is 1 here"},
		{BCE TWO_PROBS "denominator=0", "denominator",
		 "denominator is 0, but must be greater than 0, finite"},
		{"softmax logits:F32:3 grad_dtype=F16", "grad_dtype",
		 "grad_dtype is \"F16\", but must be \"F32\""},
		{CE TWO_PROBS "ignore_index=0", "ignore_index",
		 "ignore_index is 0, but must be negative (or left out) beside probability "
		 "targets, to which it does not apply"},
		{CE TWO_PROBS "ignore_index=9223372036854775807", "ignore_index",
		 "ignore_index is 9223372036854775807, but must be negative (or left out) beside "
		 "probability targets, to which it does not apply"},
	};
	expect_refusals(rows, COUNT(rows), LOSS_ARGUMENT_OUT_OF_RANGE);
	static const char *const fine[] = {"ignore_index=-1", "ignore_index=-100",
					   "ignore_index=null"};
	for (size_t i = 0; i < COUNT(fine); i++) {
		struct eval eval;
		char text[100] = CE TWO_PROBS;
		assert_int_equal(spec_plan(&eval, strcat(text, fine[i])), LOSS_OK);
		eval_end(&eval);
	}
}

static void outputs_that_can_not_be_had(void **state)
{
	(void)state;
#define NO_INDICES ", which needs class indices, but the targets are probabilities"
	static const struct {
		struct refusal refusal;
		size_t index;
	} rows[] = {
		{{CE TWO_ROWS "outputs=los", "outputs",
		  "outputs[0] is \"los\", which cross_entropy does not have; the nearest is "
		  "\"loss\""},
		 0},
		{{NLL "log_probs:F32:3 targets:I64: outputs=loss,probs", "outputs",
		  "outputs[1] is \"probs\", which nll_loss does not have; there are loss, "
		  "grad, group_loss_sum, group_denominator, group_counted, group_loss and "
		  "bits_per_byte"},
		 1},
		{{"softmax logits:F32:3 outputs=probs,lse,Probs", "outputs",
		  "outputs[2] is \"Probs\", which softmax does not have; there are probs, "
		  "log_probs, grad, lse, entropy and predicted"},
		 2},
		{{CE TWO_ROWS "outputs=loss,grad,loss", "outputs",
		  "outputs[2] is \"loss\", which is asked for twice"},
		 2},
		{{CE TWO_PROBS "outputs=loss,correct", "outputs",
		  "outputs[1] is \"correct\"" NO_INDICES},
		 1},
		{{CE TWO_PROBS "outputs=accuracy", "outputs",
		  "outputs[0] is \"accuracy\"" NO_INDICES},
		 0},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct eval eval;
		expect_refusals(&rows[i].refusal, 1, LOSS_ARGUMENT_OUT_OF_RANGE);
		spec_plan(&eval, rows[i].refusal.text);
		assert_true(eval.error.has_index);
		assert_int_equal(eval.error.index_rank, 1);
		assert_int_equal(eval.error.index[0], rows[i].index);
		assert_int_equal(eval.error.flat_index, rows[i].index);
		eval_end(&eval);
	}
}

/* A name of any length fits the sentence. */
static void an_output_with_a_long_name(void **state)
{
	(void)state;
	char name[1000];
	const char *names[] = {name};
	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	struct eval eval;
	spec_start(&eval, CE TWO_ROWS);
	assert_int_equal(loss_problem_set_outputs(eval.problem, names, 1, NULL), LOSS_OK);
	assert_int_equal(eval_try(&eval), LOSS_ARGUMENT_OUT_OF_RANGE);
	assert_non_null(
		strstr(eval.error.detail, ", group_loss, bits_per_byte and loss_quantiles"));
	eval_end(&eval);
}

/* ---------------------------------------------------------------- targets */

static void targets_out_of_bounds(void **state)
{
	(void)state;
#define FIVE "logits:F32:4,5 "
	static const struct {
		struct refusal refusal;
		int rank;
		size_t flat_index, index[3];
	} rows[] = {
		{{CE FIVE "targets:I64:4=0,4,0,7", "targets",
		  "targets[3] is 7, but there are 5 classes (0..4)"},
		 1,
		 3,
		 {3}},
		{{CE FIVE "targets:I64:4=0,5,9,7", "targets",
		  "targets[1] is 5, but there are 5 classes (0..4)"},
		 1,
		 1,
		 {1}},
		{{CE FIVE "targets:I64:4=0,0,-1,0", "targets",
		  "targets[2] is -1, but there are 5 classes (0..4); ignore_index=-1 leaves such "
		  "rows out"},
		 1,
		 2,
		 {2}},
		{{CE FIVE "targets:I8:4=-128", "targets",
		  "targets[0] is -128, but there are 5 classes (0..4); ignore_index=-128 leaves "
		  "such rows out"},
		 1,
		 0,
		 {0}},
		{{CE FIVE "targets:I64:4=-9223372036854775808", "targets",
		  "targets[0] is -9223372036854775808, but there are 5 classes (0..4); "
		  "ignore_index=-9223372036854775808 leaves such rows out"},
		 1,
		 0,
		 {0}},
		{{CE FIVE "targets:U64:4=18446744073709551615", "targets",
		  "targets[0] is 18446744073709551615, but there are 5 classes (0..4)"},
		 1,
		 0,
		 {0}},
		/* -100 as bits, and -1 as bits: mathematical integers differ */
		{{CE FIVE "targets:U64:4=18446744073709551516", "targets",
		  "targets[0] is 18446744073709551516, but there are 5 classes (0..4)"},
		 1,
		 0,
		 {0}},
		{{CE FIVE "targets:U8:4=255 ignore_index=-1", "targets",
		  "targets[0] is 255, but there are 5 classes (0..4)"},
		 1,
		 0,
		 {0}},
		{{CE FIVE "targets:I64:4=-100 ignore_index=0", "targets",
		  "targets[0] is -100, but there are 5 classes (0..4); ignore_index=-100 leaves "
		  "such rows out"},
		 1,
		 0,
		 {0}},
		{{CE "logits:F32:3 targets:I64:=3", "targets",
		  "targets is 3, but there are 3 classes (0..2)"},
		 0,
		 0,
		 {0}},
		{{CE "logits:F64:1 targets:U16:=1", "targets",
		  "targets is 1, but there is 1 class (0..0); binary_cross_entropy_with_logits has "
		  "one logit for two classes"},
		 0,
		 0,
		 {0}},
		{{CE "logits:F32:2,3,2,2 targets:I32:2,2,2=0,1,2,0,1,2,3,0", "targets",
		  "targets[1][1][0] is 3, but there are 3 classes (0..2)"},
		 3,
		 6,
		 {1, 1, 0}},
		{{NLL "log_probs:F32:2,2,3 targets:I64:2,2=0,0,0,5 class_axis=-1", "targets",
		  "targets[1][1] is 5, but there are 3 classes (0..2)"},
		 2,
		 3,
		 {1, 1}},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct eval eval;
		expect_refusals(&rows[i].refusal, 1, LOSS_TARGET_OUT_OF_BOUNDS);
		spec_plan(&eval, rows[i].refusal.text);
		assert_true(eval.error.has_index);
		assert_int_equal(eval.error.index_rank, rows[i].rank);
		assert_int_equal(eval.error.flat_index, rows[i].flat_index);
		for (int axis = 0; axis < rows[i].rank; axis++)
			assert_int_equal(eval.error.index[axis], rows[i].index[axis]);
		eval_end(&eval);
	}
}

static void a_target_of_rank_7_has_a_place(void **state)
{
	(void)state;
	struct eval eval;
	loss_status status = spec_plan(&eval, CE "logits:F32:2,3,1,1,1,1,1,2 "
						 "targets:U8:2,1,1,1,1,1,2=0,0,0,200");
	assert_int_equal(status, LOSS_TARGET_OUT_OF_BOUNDS);
	assert_int_equal(eval.error.index_rank, 7);
	assert_string_equal(eval.error.detail,
			    "targets[1][0][0][0][0][0][1] is 200, but there are 3 classes (0..2)");
	eval_end(&eval);
}

/* ---------------------------------------------------------------- precedence */

/* Each row is wrong in one way less than the one above it: what remains is reported. */
static void errors_take_precedence_in_the_order_of_the_contract(void **state)
{
	(void)state;
#define BAD_TARGET "targets:I64:2=9 "
	static const struct {
		const char *text;
		loss_status status;
		const char *field;
	} rows[] = {
		/* types of every tensor before what is missing */
		{CE "logits:I8:2,3 weight:I64:4 label_smoothing=2", LOSS_DTYPE_MISMATCH, "logits"},
		{CE "logits:F32:2,3 weight:I64:4 label_smoothing=2", LOSS_DTYPE_MISMATCH, "weight"},
		/* what is missing before shapes */
		{CE "logits:F32: weight:F32:4 label_smoothing=2", LOSS_MISSING_FIELD, "targets"},
		{"softmax logits:F32: class_axis=0 outputs=x,grad", LOSS_MISSING_FIELD,
		 "grad_output"},
		/* shapes before arguments: logits, targets, weight, grad_output */
		{CE "logits:F32:2,0 targets:I64:3 weight:F32:4 label_smoothing=2",
		 LOSS_SHAPE_MISMATCH, "logits"},
		{CE "logits:F32:2,3 targets:I64:3 weight:F32:4 label_smoothing=2",
		 LOSS_SHAPE_MISMATCH, "targets"},
		{CE "logits:F32:2,3 targets:F32:2 weight:F32:4 label_smoothing=2",
		 LOSS_DTYPE_MISMATCH, "targets"},
		{CE "logits:F32:2,3 " BAD_TARGET "weight:F32:4 grad_output:F32:5 label_smoothing=2",
		 LOSS_SHAPE_MISMATCH, "weight"},
		{CE "logits:F32:2,3 " BAD_TARGET "grad_output:F32:5 label_smoothing=2 outputs=x",
		 LOSS_SHAPE_MISMATCH, "grad_output"},
		{BCE "logits:F32:2 targets:F32:2 weight:F32:3 pos_weight:F32:4 denominator=0",
		 LOSS_SHAPE_MISMATCH, "weight"},
		{BCE "logits:F32:2 targets:F32:2 pos_weight:F32:4 grad_output:F32:7 denominator=0",
		 LOSS_SHAPE_MISMATCH, "pos_weight"},
		/* arguments in the table's order, then outputs */
		{CE "logits:F32:2,3 " BAD_TARGET "label_smoothing=2 outputs=x class_axis=0 "
		    "empty_mean=x",
		 LOSS_ARGUMENT_OUT_OF_RANGE, "label_smoothing"},
		{CE "logits:F32:2,3 " BAD_TARGET "outputs=x class_axis=0 empty_mean=x",
		 LOSS_ARGUMENT_OUT_OF_RANGE, "empty_mean"},
		{CE "logits:F32:2,3 " BAD_TARGET "outputs=x class_axis=0",
		 LOSS_ARGUMENT_OUT_OF_RANGE, "class_axis"},
		{CE "logits:F32:2,3 targets:F32:2,3 outputs=x ignore_index=3 grad_dtype=x",
		 LOSS_ARGUMENT_OUT_OF_RANGE, "grad_dtype"},
		{CE "logits:F32:2,3 targets:F32:2,3 outputs=x ignore_index=3",
		 LOSS_ARGUMENT_OUT_OF_RANGE, "ignore_index"},
		{CE "logits:F32:2,3 " BAD_TARGET "outputs=x", LOSS_ARGUMENT_OUT_OF_RANGE,
		 "outputs"},
		/* the values of targets last */
		{CE "logits:F32:2,3 " BAD_TARGET, LOSS_TARGET_OUT_OF_BOUNDS, "targets"},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct eval eval;
		loss_status status = spec_plan(&eval, rows[i].text);
		require(status == rows[i].status && strcmp(eval.error.field, rows[i].field) == 0,
			"%s: %s at %s", rows[i].text, loss_status_info(status)->code,
			eval.error.field);
		eval_end(&eval);
	}
}

/* A reduction or a class axis decides about shapes also where another argument is out of range. */
static void shapes_are_judged_with_the_arguments_that_are_right(void **state)
{
	(void)state;
	static const char *const texts[] = {
		CE "logits:F32:2,3,4 targets:I64:2,3 class_axis=-1 label_smoothing=2",
		CE TWO_ROWS "grad_output:F32:2 reduction=none label_smoothing=2",
	};
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct eval eval;
		assert_int_equal(spec_plan(&eval, texts[i]), LOSS_ARGUMENT_OUT_OF_RANGE);
		assert_string_equal(eval.error.field, "label_smoothing");
		eval_end(&eval);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tensors_of_a_dtype_that_they_may_not_have),
		cmocka_unit_test(targets_of_the_wrong_kind_for_their_shape),
		cmocka_unit_test(tensors_that_are_missing),
		cmocka_unit_test(shapes_of_inputs_and_targets_that_do_not_fit),
		cmocka_unit_test(shapes_of_factors_that_do_not_fit),
		cmocka_unit_test(arguments_that_are_out_of_range),
		cmocka_unit_test(outputs_that_can_not_be_had),
		cmocka_unit_test(an_output_with_a_long_name),
		cmocka_unit_test(targets_out_of_bounds),
		cmocka_unit_test(a_target_of_rank_7_has_a_place),
		cmocka_unit_test(errors_take_precedence_in_the_order_of_the_contract),
		cmocka_unit_test(shapes_are_judged_with_the_arguments_that_are_right),
		cmocka_unit_test(independent_errors_of_a_stage_are_told_at_once),
		cmocka_unit_test(the_first_error_needs_no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
