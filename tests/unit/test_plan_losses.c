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
#define CE "cross_entropy "
#define PLAIN_BCE "binary_cross_entropy "
#define KL "kl_div "
#define FOCAL "sigmoid_focal_loss "
#define ROWS "logits:F32:2,3 targets:I64:2 "
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

static void shifted_targets_are_checked_from_the_second_on(void **state)
{
	(void)state;
#define SHIFTED CE "logits:F32:2,3,4 class_axis=-1 shift=true targets:I64:2,3="
	static const struct refusal rows[] = {
		{SHIFTED "99,0,4,1,1,1", LOSS_TARGET_OUT_OF_BOUNDS, "targets",
		 "targets[0][2] is 4, but there are 4 classes (0..3)"},
		{SHIFTED "0,0,0,-7,-1,1", LOSS_TARGET_OUT_OF_BOUNDS, "targets",
		 "targets[1][1] is -1, but there are 4 classes (0..3)"},
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
	static const char *const names[] = {"correct", "rank", "accuracy", "perplexity", "ece"};
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
		cmocka_unit_test(shifted_targets_are_checked_from_the_second_on),
		cmocka_unit_test(outputs_that_need_class_indices),
		cmocka_unit_test(denominators),
		cmocka_unit_test(a_denominator_beside_batchmean_is_warned_of),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
