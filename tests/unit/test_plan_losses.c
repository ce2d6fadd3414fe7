/*
 * What is wrong with the arguments of language models, and with problems of binary_cross_entropy,
 * kl_div and sigmoid_focal_loss; and what their plans come to.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "../support/random.h"
#include "../support/spec.h"
#include "plan.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define PLAIN_BCE "binary_cross_entropy "
#define KL "kl_div "
#define FOCAL "sigmoid_focal_loss "
#define ROWS "logits:F32:2,3 targets:I64:2 "
#define PROBABILITIES "logits:F32:2,3 targets:F32:2,3 "
#define ELEMENTS "logits:F32:3 targets:F32:3 "
#define LOGS "log_probs:F32:3 targets:F32:3 "

struct refusal {
	const char *text;
	loss_status status;
	const char *field, *detail;
};

static void expect_refusals(const struct refusal *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct eval eval;
		loss_status got = spec_plan(&eval, rows[i].text);
		require(got == rows[i].status, "%s: %s", rows[i].text, loss_status_info(got)->code);
		require(strcmp(eval.error.field, rows[i].field) == 0, "%s: field %s", rows[i].text,
			eval.error.field);
		require(strcmp(eval.error.detail, rows[i].detail) == 0, "%s:\n%s\n%s", rows[i].text,
			eval.error.detail, rows[i].detail);
		eval_end(&eval);
	}
}

static void arguments_out_of_range(void **state)
{
	(void)state;
#define POSITIVE ", but must be greater than 0, finite"
#define NOT_NEGATIVE ", but must be 0 or greater, finite"
#define BINS ", but must be 1 to 1000"
#define ARGUMENT(text, field, detail)                                                              \
	{                                                                                          \
		text, LOSS_ARGUMENT_OUT_OF_RANGE, field, detail                                    \
	}
	static const struct refusal rows[] = {
		ARGUMENT(CE ROWS "softcap=0", "softcap", "softcap is 0" POSITIVE),
		ARGUMENT(CE ROWS "softcap=-3", "softcap", "softcap is -3" POSITIVE),
		ARGUMENT(CE ROWS "softcap=+nan", "softcap", "softcap is +nan" POSITIVE),
		ARGUMENT(CE ROWS "temperature=0.0", "temperature", "temperature is 0.0" POSITIVE),
		ARGUMENT(CE ROWS "temperature=+inf", "temperature", "temperature is +inf" POSITIVE),
		ARGUMENT(CE ROWS "z_loss=-0.5", "z_loss", "z_loss is -0.5" NOT_NEGATIVE),
		ARGUMENT(CE ROWS "z_loss=+inf", "z_loss", "z_loss is +inf" NOT_NEGATIVE),
		ARGUMENT(FOCAL ELEMENTS "gamma=-1", "gamma", "gamma is -1" NOT_NEGATIVE),
		ARGUMENT(CE ROWS "gamma=-0.5", "gamma", "gamma is -0.5" NOT_NEGATIVE),
		ARGUMENT(CE ROWS "gamma=+nan", "gamma", "gamma is +nan" NOT_NEGATIVE),
		ARGUMENT(CE ROWS "gamma=2 label_smoothing=0.1", "gamma",
			 "gamma is 2, but must be 0 beside label_smoothing"),
		ARGUMENT(CE PROBABILITIES "gamma=2", "gamma",
			 "gamma is 2, but must be 0 beside probability targets"),
		ARGUMENT(CE ROWS "logit_scale=0", "logit_scale", "logit_scale is 0" POSITIVE),
		ARGUMENT(CE ROWS "logit_scale=-1", "logit_scale", "logit_scale is -1" POSITIVE),
		ARGUMENT(CE ROWS "logit_scale=+inf", "logit_scale", "logit_scale is +inf" POSITIVE),
		ARGUMENT(CE ROWS "k=0", "k", "k is 0, but must be 1 or greater"),
		ARGUMENT(CE ROWS "k=-3", "k", "k is -3, but must be 1 or greater"),
		ARGUMENT(CE ROWS "k=9", "k", "k is 9, but must be 1 to 3, the number of classes"),
		ARGUMENT(CE ROWS "k=4", "k", "k is 4, but must be 1 to 3, the number of classes"),
		ARGUMENT(CE ROWS "k=9223372036854775807", "k",
			 "k is 9223372036854775807, but must be 1 to 3, the number of classes"),
		ARGUMENT(CE ROWS "ece_bins=1000000000000", "ece_bins",
			 "ece_bins is 1000000000000" BINS),
		ARGUMENT(CE ROWS "ece_bins=0", "ece_bins", "ece_bins is 0" BINS),
		ARGUMENT(CE ROWS "ece_bins=1001", "ece_bins", "ece_bins is 1001" BINS),
		ARGUMENT(BCE ELEMENTS "ece_bins=-15", "ece_bins", "ece_bins is -15" BINS),
		ARGUMENT(PLAIN_BCE "probs:F32:3 targets:F32:3 ece_norm=l3", "ece_norm",
			 "ece_norm is \"l3\", but must be one of \"l1\", \"l2\", \"max\""),
		ARGUMENT(FOCAL ELEMENTS "alpha=1.5", "alpha",
			 "alpha is 1.5, but must be at most 1, finite"),
		ARGUMENT(FOCAL ELEMENTS "reduction=batchmean", "reduction",
			 "reduction is \"batchmean\", but must be one of \"none\", \"mean\", "
			 "\"sum\", \"elementwise_mean\""),
		ARGUMENT(KL LOGS "reduction=batch", "reduction",
			 "reduction is \"batch\", but must be one of \"none\", \"mean\", \"sum\", "
			 "\"elementwise_mean\", \"batchmean\""),
	};
	expect_refusals(rows, COUNT(rows));
}

static void shapes_that_do_not_fit(void **state)
{
	(void)state;
#define SHIFT(axis)                                                                                \
	", but must have the class-last form (B, T, V) with class_axis -1 (it is " axis            \
	") where shift is true"
#define SHAPE(text, field, detail)                                                                 \
	{                                                                                          \
		text, LOSS_SHAPE_MISMATCH, field, detail                                           \
	}
	static const struct refusal rows[] = {
		SHAPE(CE ROWS "shift=true class_axis=-1", "logits",
		      "logits has shape (2, 3)" SHIFT("-1")),
		SHAPE(CE "logits:F32:2,3,4 targets:I64:2,3 shift=true", "logits",
		      "logits has shape (2, 3, 4)" SHIFT("1")),
		SHAPE(CE "logits:F32:2,3,4,5 targets:I64:2,3,4 shift=true class_axis=-1", "logits",
		      "logits has shape (2, 3, 4, 5)" SHIFT("-1")),
		SHAPE(CE "logits:F32:2,3,4 targets:I64:2,2 shift=true class_axis=-1", "targets",
		      "targets has shape (2, 2), but must have (2, 3), that of logits without "
		      "the class axis (or all of that, for probabilities)"),
		SHAPE(PLAIN_BCE "probs:F32:3 targets:F32:2", "targets",
		      "targets has shape (2), but must have (3), that of probs"),
		SHAPE(PLAIN_BCE "probs:F32:3 targets:F32:3 weight:F32:2", "weight",
		      "weight has shape (2), but must have a shape that broadcasts to that of "
		      "probs, (3)"),
		SHAPE(CE ROWS "row_weight:F32:3", "row_weight",
		      "row_weight has shape (3), but must have (2), that of logits without the "
		      "class axis"),
		SHAPE(CE ROWS "row_weight:F32:2,1", "row_weight",
		      "row_weight has shape (2, 1), but must have (2), that of logits without the "
		      "class axis; it has as many elements: reshape it"),
		SHAPE(CE ROWS "mask:BOOL:2,3", "mask",
		      "mask has shape (2, 3), but must have (2), that of logits without the class "
		      "axis"),
		SHAPE("nll_loss log_probs:F32:2,3 targets:I64:2 mask:BOOL:1", "mask",
		      "mask has shape (1), but must have (2), that of log_probs without the class "
		      "axis"),
		SHAPE(BCE ELEMENTS "mask:BOOL:2", "mask",
		      "mask has shape (2), but must have a shape that broadcasts to that of "
		      "logits, (3)"),
		SHAPE(FOCAL ELEMENTS "mask:BOOL:2,3", "mask",
		      "mask has shape (2, 3), but must have a shape that broadcasts to that of "
		      "logits, (3)"),
		SHAPE(KL "log_probs:F32: targets:F32: reduction=batchmean", "log_probs",
		      "log_probs has shape (), but must have a first axis for reduction "
		      "\"batchmean\""),
	};
	expect_refusals(rows, COUNT(rows));
}

/* The first in row-major order, with its place. */
static void inputs_that_are_no_probabilities(void **state)
{
	(void)state;
#define NO_PROBABILITY ", but must be a probability, 0 to 1"
	static const struct refusal rows[] = {
		ARGUMENT(PLAIN_BCE "probs:F32:3=0,1,1.5 targets:F32:3", "probs",
			 "probs[2] is 1.5" NO_PROBABILITY),
		ARGUMENT(PLAIN_BCE "probs:F64:2,2=0,-0.25,7,1 targets:F32:2,2", "probs",
			 "probs[0][1] is -0.25" NO_PROBABILITY),
		ARGUMENT(PLAIN_BCE "probs:F32:=nan targets:F32:", "probs",
			 "probs is nan" NO_PROBABILITY),
	};
	expect_refusals(rows, COUNT(rows));
	struct eval eval;
	assert_int_equal(spec_plan(&eval, rows[1].text), LOSS_ARGUMENT_OUT_OF_RANGE);
	assert_true(eval.error.has_index);
	assert_int_equal(eval.error.flat_index, 1);
	assert_int_equal(eval.error.index_rank, 2);
	assert_int_equal(eval.error.index[0], 0);
	assert_int_equal(eval.error.index[1], 1);
	eval_end(&eval);
	assert_int_equal(spec_plan(&eval, PLAIN_BCE "probs:F32:3=0,1,-0.0 targets:F32:3=7,-1"),
			 LOSS_OK);
	eval_end(&eval);
}

static void factors_that_rows_can_not_have(void **state)
{
	(void)state;
	static const struct refusal rows[] = {
		ARGUMENT(CE ROWS "row_weight:F32:2=1,-1", "row_weight",
			 "row_weight[1] is -1" NOT_NEGATIVE),
		ARGUMENT(CE ROWS "row_weight:F64:2=nan,1", "row_weight",
			 "row_weight[0] is nan" NOT_NEGATIVE),
		ARGUMENT(CE ROWS "row_weight:F16:2=0,inf", "row_weight",
			 "row_weight[1] is inf" NOT_NEGATIVE),
		ARGUMENT(CE PROBABILITIES "row_weight:F32:2=1,-0.5", "row_weight",
			 "row_weight[1] is -0.5" NOT_NEGATIVE),
		ARGUMENT("nll_loss log_probs:F32:2,3,2 targets:I64:2,2 "
			 "row_weight:F32:2,2=1,2,-3,4",
			 "row_weight", "row_weight[1][0] is -3" NOT_NEGATIVE),
		/* rows that do not count are passed over, the next one is not */
		ARGUMENT(CE "logits:F32:3,2 targets:I64:3=-100,0,0 mask:BOOL:3=1,0,1 "
			    "row_weight:F32:3=-1,-2,-4",
			 "row_weight", "row_weight[2] is -4" NOT_NEGATIVE),
		ARGUMENT(CE "logits:F32:1,3,2 targets:I64:1,3 class_axis=-1 shift=true "
			    "row_weight:F32:1,3=-1,0,-2",
			 "row_weight", "row_weight[0][2] is -2" NOT_NEGATIVE),
	};
	expect_refusals(rows, COUNT(rows));
	struct eval eval;
	assert_int_equal(spec_plan(&eval, rows[4].text), LOSS_ARGUMENT_OUT_OF_RANGE);
	assert_true(eval.error.has_index);
	assert_int_equal(eval.error.flat_index, 2);
	assert_int_equal(eval.error.index_rank, 2);
	eval_end(&eval);
}

static void what_does_not_count_is_not_checked(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint64_t counted, ignored;
		double denominator;
	} rows[] = {
		{CE "logits:F32:3,2 targets:I64:3=9,0,-5 mask:BOOL:3=0,1,0 "
		    "row_weight:F32:3=-1,2,+nan",
		 1, 2, 2},
		{CE "logits:F32:2,2 targets:F32:2,2=nan,1,1,0 mask:BOOL:2=0,1", 1, 1, 1},
		{CE "logits:F32:2,2 targets:F32:2,2 row_weight:F32:2=0.25,4", 2, 0, 4.25},
		{CE ROWS "row_weight:F32:2=0,0", 2, 0, 0},
		{CE ROWS "weight:F32:3=2,2,2 row_weight:F32:2=0.5,3", 2, 0, 7},
		{CE "logits:F32:1,3,2 targets:I64:1,3=7,0,1 mask:BOOL:1,3=1,0,1 class_axis=-1 "
		    "shift=true",
		 1, 2, 1},
		{NLL "log_probs:F32:2,3 targets:I64:2=0,3 mask:BOOL:2=1,0", 1, 1, 1},
		{BCE "logits:F32:2,3 targets:F32:2,3 mask:BOOL:2,1=0,1", 3, 3, 3},
		{PLAIN_BCE "probs:F32:3=7,0.5,nan targets:F32:3 mask:BOOL:3=0,1,0", 1, 2, 1},
		{FOCAL ELEMENTS "mask:BOOL:=0 reduction=mean", 0, 3, 0},
		{KL LOGS "mask:BOOL:3=1,0,0 reduction=batchmean", 1, 2, 3},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct eval eval;
		require(spec_plan(&eval, rows[i].text) == LOSS_OK, "%s: %s", rows[i].text,
			eval.error.detail);
		require(eval.plan->counted == rows[i].counted, "%s: %zu counted", rows[i].text,
			(size_t)eval.plan->counted);
		require(eval.plan->ignored == rows[i].ignored, "%s: %zu ignored", rows[i].text,
			(size_t)eval.plan->ignored);
		require(eval.plan->denominator == rows[i].denominator, "%s: denominator %g",
			rows[i].text, eval.plan->denominator);
		eval_end(&eval);
	}
}

static void masks_are_booleans(void **state)
{
	(void)state;
#define NO_MASK(text, dtype)                                                                       \
	{                                                                                          \
		text "mask:" dtype ":2", LOSS_DTYPE_MISMATCH, "mask",                              \
			"mask is " dtype ", but must be BOOL"                                      \
	}
	static const struct refusal rows[] = {
		NO_MASK(CE ROWS, "F32"),
		NO_MASK(CE ROWS, "U8"),
		NO_MASK(NLL "log_probs:F32:2,3 targets:I64:2 ", "I64"),
		NO_MASK(BCE "logits:F32:2 targets:F32:2 ", "F64"),
		{CE ROWS "row_weight:BOOL:2", LOSS_DTYPE_MISMATCH, "row_weight",
		 "row_weight is BOOL, but must be one of F64, F32, F16, BF16, F8_E4M3, F8_E5M2"},
	};
	expect_refusals(rows, COUNT(rows));
}

/* An argument of an output that nobody asks for is warned of; its range is checked all the same. */
static void arguments_of_outputs(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		size_t warnings;
	} rows[] = {
		{CE ROWS "k=2", 1},
		{CE ROWS "k=2 outputs=topk_accuracy", 0},
		{CE ROWS "k=3 ece_bins=1000 ece_norm=max outputs=topk_accuracy", 2},
		{CE ROWS "ece_bins=1 ece_norm=l2 outputs=ece", 0},
		{CE ROWS "k=null ece_bins=null", 0},
		{BCE ELEMENTS "ece_bins=1000 outputs=accuracy", 1},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct eval eval;
		spec_run(&eval, rows[i].text);
		require(eval.result.n_warnings == rows[i].warnings, "%s: %zu warnings",
			rows[i].text, eval.result.n_warnings);
		eval_end(&eval);
	}
	struct eval eval;
	spec_run(&eval, CE ROWS "k=2");
	assert_string_equal(eval.result.warnings[0],
			    "k has no effect unless outputs has \"topk_accuracy\"");
	eval_end(&eval);
}

static void shifted_targets_are_checked_from_the_second_on(void **state)
{
	(void)state;
#define SHIFTED CE "logits:F32:2,3,4 class_axis=-1 shift=true targets:I64:2,3="
	static const struct refusal rows[] = {
		{SHIFTED "99,0,4,1,1,1", LOSS_TARGET_OUT_OF_BOUNDS, "targets",
		 "targets[0][2] is 4, but there are 4 classes (0..3)"},
		{SHIFTED "0,0,0,-7,-1,1", LOSS_TARGET_OUT_OF_BOUNDS, "targets",
		 "targets[1][1] is -1, but there are 4 classes (0..3); ignore_index=-1 leaves such "
		 "rows out"},
	};
	expect_refusals(rows, COUNT(rows));
	struct eval eval;
	assert_int_equal(spec_plan(&eval, SHIFTED "99,0,3,-7,-100,1"), LOSS_OK);
	assert_int_equal(eval.plan->counted, 3);
	assert_int_equal(eval.plan->ignored, 3);
	assert_true(eval.plan->denominator == 3.0);
	eval_end(&eval);
}

static void outputs_that_need_class_indices(void **state)
{
	(void)state;
	static const char *const names[] = {"correct",       "rank",       "accuracy",
					    "topk_accuracy", "perplexity", "ece"};
	for (size_t i = 0; i < COUNT(names); i++) {
		struct eval eval;
		char text[120];
		snprintf(text, sizeof text, CE "logits:F32:2,3 targets:F32:2,3 outputs=z_loss,%s",
			 names[i]);
		assert_int_equal(spec_plan(&eval, text), LOSS_ARGUMENT_OUT_OF_RANGE);
		assert_string_equal(eval.error.field, "outputs");
		assert_int_equal(eval.error.flat_index, 1);
		assert_non_null(strstr(eval.error.detail, "needs class indices"));
		eval_end(&eval);
	}
}

/* What a reduction comes to: the natural denominator and what is divided by. */
static void denominators(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum reduction reduction;
		double denominator, divisor;
	} rows[] = {
		{KL "log_probs:F32:4,3 targets:F32:4,3", REDUCTION_MEAN, 12, 12},
		{KL "log_probs:F32:4,3 targets:F32:4,3 reduction=batchmean", REDUCTION_BATCHMEAN, 4,
		 4},
		{KL "log_probs:F32:4,0 targets:F32:4,0 reduction=batchmean", REDUCTION_BATCHMEAN, 4,
		 4},
		{KL LOGS "reduction=batchmean reduce=false", REDUCTION_NONE, 3, 1},
		{KL LOGS "reduction=batchmean denominator=7", REDUCTION_BATCHMEAN, 3, 3},
		{FOCAL ELEMENTS, REDUCTION_NONE, 3, 1},
		{FOCAL ELEMENTS "reduction=mean", REDUCTION_MEAN, 3, 3},
		{FOCAL ELEMENTS "reduction=null", REDUCTION_NONE, 3, 1},
		{PLAIN_BCE "probs:F32:3 targets:F32:3", REDUCTION_MEAN, 3, 3},
		{CE "logits:F32:2,3,4 targets:F32:2,3,4 class_axis=-1 shift=true", REDUCTION_MEAN,
		 4, 4},
		{CE "logits:F32:2,1,4 targets:F32:2,1,4 class_axis=-1 shift=true reduction=sum",
		 REDUCTION_SUM, 0, 1},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct eval eval;
		require(spec_plan(&eval, rows[i].text) == LOSS_OK, "%s: %s", rows[i].text,
			eval.error.detail);
		require(eval.plan->reduction == rows[i].reduction, "%s: reduction %d", rows[i].text,
			(int)eval.plan->reduction);
		require(eval.plan->denominator == rows[i].denominator, "%s: denominator %g",
			rows[i].text, eval.plan->denominator);
		require(eval.plan->divisor == rows[i].divisor, "%s: divisor %g", rows[i].text,
			eval.plan->divisor);
		eval_end(&eval);
	}
}

static void a_denominator_beside_batchmean_is_warned_of(void **state)
{
	(void)state;
	struct eval eval;
	spec_run(&eval, KL LOGS "reduction=batchmean denominator=7");
	assert_int_equal(eval.result.n_warnings, 1);
	eval_end(&eval);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arguments_out_of_range),
		cmocka_unit_test(shapes_that_do_not_fit),
		cmocka_unit_test(inputs_that_are_no_probabilities),
		cmocka_unit_test(factors_that_rows_can_not_have),
		cmocka_unit_test(what_does_not_count_is_not_checked),
		cmocka_unit_test(masks_are_booleans),
		cmocka_unit_test(arguments_of_outputs),
		cmocka_unit_test(shifted_targets_are_checked_from_the_second_on),
		cmocka_unit_test(outputs_that_need_class_indices),
		cmocka_unit_test(denominators),
		cmocka_unit_test(a_denominator_beside_batchmean_is_warned_of),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
