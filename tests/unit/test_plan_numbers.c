/* What is wrong with problems of the losses of numbers, and of those over classes beside them. */
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
#define THREE "predictions:F32:3 targets:F32:3 "
#define ROWS "logits:F32:2,3 targets:I64:2 "

static void expect_refusal(const char *text, loss_status status, const char *field,
			   const char *detail)
{
	struct eval eval;
	loss_status got = spec_plan(&eval, text);
	require(got == status, "%s: %s", text, loss_status_info(got)->code);
	require(strcmp(eval.error.field, field) == 0, "%s: field %s", text, eval.error.field);
	require(strcmp(eval.error.detail, detail) == 0, "%s:\n%s\n%s", text, eval.error.detail,
		detail);
	eval_end(&eval);
}

static void arguments_out_of_range(void **state)
{
	(void)state;
#define POSITIVE ", but must be greater than 0, finite"
#define NOT_NEGATIVE ", but must be 0 or greater, finite"
	static const struct {
		const char *text, *field, *detail;
	} rows[] = {
		{"smooth_l1_loss " THREE "beta=-1e-300", "beta", "beta is -1e-300" NOT_NEGATIVE},
		{"smooth_l1_loss " THREE "beta=+inf", "beta", "beta is +inf" NOT_NEGATIVE},
		{"smooth_l1_loss " THREE "beta=+nan", "beta", "beta is +nan" NOT_NEGATIVE},
		{"huber_loss " THREE "delta=0", "delta", "delta is 0" POSITIVE},
		{"huber_loss " THREE "delta=-7", "delta", "delta is -7" POSITIVE},
		{"huber_loss " THREE "delta=+inf", "delta", "delta is +inf" POSITIVE},
		{"quantile_loss " THREE "quantile=-0.001", "quantile",
		 "quantile is -0.001, but must be 0 to 1"},
		{"quantile_loss " THREE "quantile=1.001", "quantile",
		 "quantile is 1.001, but must be 0 to 1"},
		{"quantile_loss " THREE "quantile=99", "quantile",
		 "quantile is 99, but must be 0 to 1"},
		{"poisson_nll_loss " THREE "eps=-1", "eps", "eps is -1" NOT_NEGATIVE},
		{"gaussian_nll_loss " THREE "var:F32:3 eps=-1", "eps", "eps is -1" NOT_NEGATIVE},
		{"multi_margin_loss " ROWS "p=0", "p", "p is 0, but must be 2 or 1"},
		{"multi_margin_loss " ROWS "p=3", "p", "p is 3, but must be 2 or 1"},
		{"multi_margin_loss " ROWS "p=-9000000000", "p",
		 "p is -9000000000, but must be 2 or 1"},
		{"multi_margin_loss " ROWS "margin=+inf", "margin",
		 "margin is +inf, but must be finite"},
		{"multi_margin_loss " ROWS "margin=+nan", "margin",
		 "margin is +nan, but must be finite"},
	};
	for (size_t i = 0; i < COUNT(rows); i++)
		expect_refusal(rows[i].text, LOSS_ARGUMENT_OUT_OF_RANGE, rows[i].field,
			       rows[i].detail);
}

static void shapes_that_do_not_fit(void **state)
{
	(void)state;
#define BROADCASTS ", but must have a shape that broadcasts to that of predictions, "
	static const struct {
		const char *text, *field, *detail;
	} rows[] = {
		{"mse_loss predictions:F32:3 targets:F32:2", "targets",
		 "targets has shape (2)" BROADCASTS "(3)"},
		{"mse_loss predictions:F32:3 targets:F32:1,3", "targets",
		 "targets has shape (1, 3)" BROADCASTS "(3)"},
		{"l1_loss predictions:F32:1 targets:F32:3", "targets",
		 "targets has shape (3)" BROADCASTS "(1)"},
		{"mse_loss predictions:F32:2,3 targets:F32:2,3 weight:F32:3", "weight",
		 "weight has shape (3), but must have (2, 3), that of predictions"},
		{"huber_loss predictions:F32:2,3 targets:F32:2,3 weight:F32:2,1", "weight",
		 "weight has shape (2, 1), but must have (2, 3), that of predictions"},
		{"quantile_loss predictions:F32:2,3 targets:F32:2,3 mask:BOOL:2", "mask",
		 "mask has shape (2)" BROADCASTS "(2, 3)"},
		{"gaussian_nll_loss predictions:F32:2,3 targets:F32:2,3 var:F32:4", "var",
		 "var has shape (4)" BROADCASTS "(2, 3), or that without its last axis"},
		{"multi_margin_loss logits:F32:2,3,4 targets:I64:2,4", "logits",
		 "logits has shape (2, 3, 4), but must have the form (C) or (N, C)"},
		{"multi_margin_loss " ROWS "weight:F32:2", "weight",
		 "weight has shape (2), but must have (3), one factor for each class"},
		{"multilabel_soft_margin_loss logits:F32:2,3 targets:F32:2", "targets",
		 "targets has shape (2), but must have (2, 3), that of logits"},
		{"multilabel_soft_margin_loss logits:F32: targets:F32:", "logits",
		 "logits has shape (), but must have a class axis: (C), (N, C) or (N, C, d1..dK)"},
		{"multilabel_soft_margin_loss logits:F32:2,0 targets:F32:2,0", "logits",
		 "logits has shape (2, 0), but must have at least one class on axis 1"},
		{"brier_score logits:F32:2,3 targets:I64:3", "targets",
		 "targets has shape (3), but must have (2), that of logits without the class axis"},
	};
	for (size_t i = 0; i < COUNT(rows); i++)
		expect_refusal(rows[i].text, LOSS_SHAPE_MISMATCH, rows[i].field, rows[i].detail);
}

static void values_out_of_range(void **state)
{
	(void)state;
#define VAR "gaussian_nll_loss predictions:F32:2,2 targets:F32:2,2 "
	expect_refusal(VAR "var:F32:2,2=1,0,2,-0.5", LOSS_ARGUMENT_OUT_OF_RANGE, "var",
		       "var[1][1] is -0.5, but must be 0 or greater");
	expect_refusal(VAR "var:F64:2=1,-1e-300", LOSS_ARGUMENT_OUT_OF_RANGE, "var",
		       "var[1] is -1e-300, but must be 0 or greater");
	expect_refusal(VAR "var:F64:=-inf", LOSS_ARGUMENT_OUT_OF_RANGE, "var",
		       "var is -inf, but must be 0 or greater");
	expect_refusal(VAR "var:F64:2=1,-1 mask:BOOL:2,2=1,1,0,1", LOSS_ARGUMENT_OUT_OF_RANGE,
		       "var", "var[1] is -1, but must be 0 or greater");
	struct eval eval;
	assert_int_equal(spec_plan(&eval, VAR "var:F64:2=1,-1 mask:BOOL:2,2=1,1,0,0"), LOSS_OK);
	eval_end(&eval);
	assert_int_equal(spec_plan(&eval, VAR "var:F64:2,2=1,nan,0,+inf"), LOSS_OK);
	eval_end(&eval);
}

/* Where nothing is ignored, -100 is no class. */
static void targets_out_of_bounds(void **state)
{
	(void)state;
	expect_refusal("multi_margin_loss logits:F32:2,3 targets:I64:2=0,-100",
		       LOSS_TARGET_OUT_OF_BOUNDS, "targets",
		       "targets[1] is -100, but there are 3 classes (0..2)");
	expect_refusal("multi_margin_loss logits:F32:2,3 targets:I64:2=3,0",
		       LOSS_TARGET_OUT_OF_BOUNDS, "targets",
		       "targets[0] is 3, but there are 3 classes (0..2)");
	expect_refusal("brier_score logits:F32:2,3 targets:I64:2=0,-1", LOSS_TARGET_OUT_OF_BOUNDS,
		       "targets",
		       "targets[1] is -1, but there are 3 classes (0..2); ignore_index=-1 leaves "
		       "such rows out");
	struct eval eval;
	assert_int_equal(spec_plan(&eval, "multi_margin_loss logits:F32:2,3 targets:I64:2=0,-100 "
					  "mask:BOOL:2=1,0"),
			 LOSS_OK);
	eval_end(&eval);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arguments_out_of_range),
		cmocka_unit_test(shapes_that_do_not_fit),
		cmocka_unit_test(values_out_of_range),
		cmocka_unit_test(targets_out_of_bounds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
