/* The edges of the losses of numbers, and of the losses over classes that are sums over them. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "../support/random.h"
#include "../support/spec.h"

#define INF ((double)INFINITY)
#define NOT_A_NUMBER ((double)NAN)
#define OF(loss) loss "_loss reduction=none outputs=loss,grad predictions:F64:"
#define MSE OF("mse")
#define L1 OF("l1")
#define SMOOTH OF("smooth_l1")
#define HUBER OF("huber")
#define QUANTILE OF("quantile")
#define POISSON OF("poisson_nll")
#define RATES "poisson_nll_loss log_input=false reduction=none outputs=loss,grad predictions:F64:"
#define GAUSSIAN OF("gaussian_nll")
#define MARGIN "multi_margin_loss reduction=none outputs=loss,grad logits:F64:"
#define LABELS "multilabel_soft_margin_loss reduction=none outputs=loss,grad logits:F64:"
#define BRIER "brier_score reduction=none outputs=loss,grad logits:F64:"

/* One row: its loss, and the gradient's first element. */
static const struct edge {
	const char *text;
	double loss, grad;
} edges[] = {
	{MSE "1=3 targets:F64:1=1", 4, 4},
	{MSE "1=1 targets:F64:1=1", 0, 0},
	{MSE "=3 targets:F64:=1", 4, 4},
	{MSE "1=+inf targets:F64:1=1", INF, INF},
	{MSE "1=+inf targets:F64:1=+inf", NOT_A_NUMBER, NOT_A_NUMBER},
	{MSE "1=nan targets:F64:1=1", NOT_A_NUMBER, NOT_A_NUMBER},
	{MSE "1=nan targets:F64:1=+nan mask:BOOL:1=0", 0, 0},
	{MSE "1=1e200 targets:F64:1=0", INF, 2e200},
	{MSE "1=1e200 targets:F64:1=0 weight:F64:1=1e-300", 1e100, 2e-100},
	{MSE "1=1e-200 targets:F64:1=0 weight:F64:1=1e300", 1e-100, 2e100},
	{MSE "1=+inf targets:F64:1=0 weight:F64:1=0", NOT_A_NUMBER, NOT_A_NUMBER},
	{L1 "1=1.5 targets:F64:1=2", 0.5, -1},
	{L1 "1=2 targets:F64:1=2", 0, 0},
	{L1 "1=-inf targets:F64:1=2", INF, -1},
	{L1 "1=nan targets:F64:1=2", NOT_A_NUMBER, 0},
	{L1 "1=1.7e308 targets:F64:1=-1.7e308 weight:F64:1=0.25", 8.5e307, 0.25},
	{L1 "1=1e-320 targets:F64:1=0 weight:F64:1=1e300", 9.9998886718268301e-21, 1e300},
	{SMOOTH "1=1 targets:F64:1=0", 0.5, 1},
	{SMOOTH "1=0.5 targets:F64:1=0", 0.125, 0.5},
	{SMOOTH "1=-3 targets:F64:1=0", 2.5, -1},
	{SMOOTH "1=3 targets:F64:1=0 beta=2", 2, 1},
	{SMOOTH "1=-1 targets:F64:1=0 beta=2", 0.25, -0.5},
	{SMOOTH "1=0.25 targets:F64:1=0 beta=0", 0.25, 1},
	{SMOOTH "1=0 targets:F64:1=0 beta=0", 0, 0},
	{SMOOTH "1=nan targets:F64:1=0 beta=0", NOT_A_NUMBER, 0},
	{SMOOTH "1=nan targets:F64:1=0", NOT_A_NUMBER, NOT_A_NUMBER},
	{SMOOTH "1=+inf targets:F64:1=0", INF, 1},
	{SMOOTH "1=1e300 targets:F64:1=0 beta=1e308", 5e291, 1e-8},
	{SMOOTH "1=1.7e308 targets:F64:1=-1.7e308 beta=1.7e308", INF, 1},
	{HUBER "1=1 targets:F64:1=0", 0.5, 1},
	{HUBER "1=3 targets:F64:1=0 delta=2", 4, 2},
	{HUBER "1=-3 targets:F64:1=0 delta=0.5", 1.375, -0.5},
	{HUBER "1=-3 targets:F64:1=0 weight:F64:1=-2", -5, 2},
	{HUBER "1=-inf targets:F64:1=0 delta=2", INF, -2},
	{HUBER "1=nan targets:F64:1=0", NOT_A_NUMBER, NOT_A_NUMBER},
	{HUBER "1=1e300 targets:F64:1=0 delta=1e-300", 1, 1e-300},
	{QUANTILE "1=1 targets:F64:1=3", 1, -0.5},
	{QUANTILE "1=1 targets:F64:1=3 quantile=0.75", 1.5, -0.75},
	{QUANTILE "1=3 targets:F64:1=1 quantile=0.75", 0.5, 0.25},
	{QUANTILE "1=3 targets:F64:1=3 quantile=0.75", 0, -0.25},
	{QUANTILE "1=3 targets:F64:1=3", 0, 0},
	{QUANTILE "1=-inf targets:F64:1=3 quantile=0", 0, 0},
	{QUANTILE "1=+inf targets:F64:1=3 quantile=1", 0, 0},
	{QUANTILE "1=+inf targets:F64:1=3 quantile=0", INF, 1},
	{QUANTILE "1=nan targets:F64:1=3", NOT_A_NUMBER, NOT_A_NUMBER},
	{POISSON "1=0 targets:F64:1=3", 1, -2},
	{POISSON "1=0 targets:F64:1=1 full=true", 1, 0},
	{POISSON "1=0 targets:F64:1=2 full=true", 1.6518064846045359, -1},
	{POISSON "1=-inf targets:F64:1=2", INF, -2},
	{POISSON "1=-inf targets:F64:1=0", NOT_A_NUMBER, 0},
	{POISSON "1=-800 targets:F64:1=2", 1600, -2},
	{POISSON "1=800 targets:F64:1=1e307", INF, INF},
	{POISSON "1=nan targets:F64:1=2", NOT_A_NUMBER, NOT_A_NUMBER},
	{RATES "1=1 targets:F64:1=0", 1, 1},
	{RATES "1=2 targets:F64:1=3 eps=0", -0.079441541679835928, -0.5},
	{RATES "1=0 targets:F64:1=0 eps=0", NOT_A_NUMBER, NOT_A_NUMBER},
	{RATES "1=0 targets:F64:1=1 eps=0", INF, -INF},
	{RATES "1=-1 targets:F64:1=1", NOT_A_NUMBER, 2.0000000100000001},
	{RATES "1=0.99999999 targets:F64:1=1e10", 1.0000004924759254, -9999999999.0000005},
	{GAUSSIAN "1=1 targets:F64:1=3 var:F64:1=1", 2, -2},
	{GAUSSIAN "1=1 targets:F64:1=3 var:F64:1=4", 1.1931471805599454, -0.5},
	{GAUSSIAN "1=0 targets:F64:1=0 var:F64:=1 full=true", 0.91893853320467267, 0},
	{GAUSSIAN "1=1 targets:F64:1=1 var:F64:1=0", -6.9077552789821368, 0},
	{GAUSSIAN "1=1 targets:F64:1=0 var:F64:1=0.25 eps=1", 0.5, 1},
	{GAUSSIAN "1=1 targets:F64:1=0 var:F64:1=0 eps=0", NOT_A_NUMBER, INF},
	{GAUSSIAN "1=1 targets:F64:1=1 var:F64:1=0 eps=0", NOT_A_NUMBER, NOT_A_NUMBER},
	{GAUSSIAN "1=1 targets:F64:1=1 var:F64:1=+inf", INF, 0},
	{GAUSSIAN "1=1 targets:F64:1=1 var:F64:1=+nan", NOT_A_NUMBER, NOT_A_NUMBER},
	{GAUSSIAN "1=1 targets:F64:1=1 var:F64:1=-1 mask:BOOL:1=0", 0, 0},
	{GAUSSIAN "1=1e200 targets:F64:1=0 var:F64:1=1e300", 5e99, 1e-100},
	{MARGIN "1,3=0,0,0 targets:I64:1=0", 0.66666666666666663, -0.66666666666666663},
	{MARGIN "3=2,0,0 targets:I64:=0", 0, 0},
	{MARGIN "3=2,0,0 targets:I64:=1 weight:F64:3=9,2,9", 2.6666666666666665,
	 0.66666666666666663},
	{MARGIN "3=2,0,0 targets:I64:=1 p=2", 3.3333333333333335, 2},
	{MARGIN "1=2 targets:I64:=0", 0, 0},
	{MARGIN "2=0,0 targets:I64:=0 margin=0", 0, 0},
	{MARGIN "2=nan,0 targets:I64:=0", 0, 0},
	{MARGIN "2=+inf,0 targets:I64:=1", INF, 0.5},
	{MARGIN "2=1,0 targets:I64:=1 mask:BOOL:=0", 0, 0},
	{MARGIN "2=1e16,0 targets:I64:=1 margin=1", 5000000000000000.5, 0.5},
	{LABELS "2=0,0 targets:F64:2=0,1", 0.69314718055994531, 0.25},
	{LABELS "1,1=20 targets:F64:1,1=1", 2.0611536203143807e-09, -2.0611536181902036e-09},
	{LABELS "2=+inf,0 targets:F64:2=1,1", 0.34657359027997264, 0},
	{LABELS "2=nan,0 targets:F64:2=1,1", NOT_A_NUMBER, NOT_A_NUMBER},
	{LABELS "2=nan,0 targets:F64:2=7,1 mask:BOOL:=0", 0, 0},
	{BRIER "2=0,0 targets:I64:=0", 0.5, -0.5},
	{BRIER "1,1=7 targets:I64:1=0", 0, 0},
	{BRIER "2=20,0 targets:I64:=0", 8.4967084755571350e-18, -1.6993416916088227e-17},
	{BRIER "2=0,-inf targets:I64:=0", 0, 0},
	{BRIER "2=0,-inf targets:I64:=1", 2, 0},
	{BRIER "2=nan,0 targets:I64:=1", NOT_A_NUMBER, NOT_A_NUMBER},
	{BRIER "2=+inf,0 targets:I64:=1", NOT_A_NUMBER, NOT_A_NUMBER},
	{BRIER "2=-inf,-inf targets:I64:=1", NOT_A_NUMBER, NOT_A_NUMBER},
	{BRIER "2=nan,0 targets:I64:=-100", 0, 0},
	{BRIER "2=1e6,1e6 targets:I64:=0", 0.5, -0.5},
	{BRIER "2=0,0 targets:I64:=0 grad_output:F64:=1152921504606846848", 0.5,
	 -0x1.fffffffffffffp58},
	{BRIER "2=0,0 targets:I64:=0 grad_output:F64:=1152921504606846976", 0.5, -0x1p59},
	{BRIER "2=0,0 targets:I64:=0 grad_output:F64:=1e300", 0.5, -5e299},
	{BRIER "2=0,0 targets:I64:=0 grad_output:F64:=8e-19", 0.5, -4e-19},
	{BRIER "2=0,0 targets:I64:=0 grad_output:F64:=9e-19", 0.5, -4.5e-19},
	{BRIER "2=0,0 targets:I64:=0 grad_output:F64:=1e-300", 0.5, -5e-301},
	{MARGIN "2=0,inf targets:I64:=0 mask:BOOL:=0", 0, 0},
};

static bool near(double got, double expected)
{
	if (isnan(expected))
		return isnan(got);
	return got == expected || fabs(got - expected) <= 1e-14 * fabs(expected);
}

static void numbers_at_the_edge(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); i++) {
		struct eval eval;
		spec_run(&eval, edges[i].text);
		double loss = eval_value(eval_output(&eval, "loss"), 0);
		double grad = eval_value(eval_output(&eval, "grad"), 0);
		require(near(loss, edges[i].loss), "%s: loss %.17g", edges[i].text, loss);
		require(near(grad, edges[i].grad), "%s: grad %.17g", edges[i].text, grad);
		require(!(loss == 0 && signbit(loss)), "%s: loss -0", edges[i].text);
		eval_end(&eval);
	}
}

/* What the mean divides by. */
static void means(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		double loss, denominator;
	} rows[] = {
		{"mse_loss predictions:F64:2=3,1 targets:F64:2=1 weight:F64:2=1,3", 1, 4},
		{"l1_loss predictions:F64:2=3,1 targets:F64:2=1 weight:F64:2=1,3", 0.5, 4},
		{"huber_loss predictions:F64:2=3,1 targets:F64:2=1 weight:F64:2=1,3", 0.75, 2},
		{"mse_loss predictions:F64:2=3,1 targets:F64:2=1 weight:F64:2=1,3 denominator=2", 2,
		 4},
		{"mse_loss predictions:F64:2=3,nan targets:F64:=1 weight:F64:2=2,3 "
		 "mask:BOOL:2=1,0",
		 4, 2},
		{"mse_loss predictions:F64:2=3,1 targets:F64:2=1 weight:F64:2=1,-1", NOT_A_NUMBER,
		 0},
		{"mse_loss predictions:F64:2=3,1 targets:F64:2=1 weight:F64:2=0 empty_mean=zero",
		 NOT_A_NUMBER, 0},
		{"mse_loss predictions:F64:2=3,1 targets:F64:2=1 weight:F64:2=2 mask:BOOL:=0 "
		 "empty_mean=zero",
		 0, 0},
		{"mse_loss predictions:F32:0 targets:F32:0", NOT_A_NUMBER, 0},
		{"l1_loss predictions:F32:0,3 targets:F32:3 reduction=sum", 0, 0},
		{"quantile_loss predictions:F32:0 targets:F32: empty_mean=zero", 0, 0},
		{"multi_margin_loss logits:F64:2,2=0,0,0,0 targets:I64:2=0,1 weight:F64:2=1,3", 1,
		 2},
		{"multi_margin_loss logits:F64:0,2 targets:I64:0", NOT_A_NUMBER, 0},
		{"multilabel_soft_margin_loss logits:F64:0,2 targets:F32:0,2", NOT_A_NUMBER, 0},
		{"brier_score logits:F64:2,2=0,0,0,0 targets:I64:2=0,-100", 0.5, 1},
		{"brier_score logits:F64:2,2=0,0,0,0 targets:I64:2=-100", NOT_A_NUMBER, 0},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct eval eval;
		spec_run(&eval, rows[i].text);
		double loss = eval_value(eval_output(&eval, "loss"), 0);
		require(near(loss, rows[i].loss), "%s: loss %.17g", rows[i].text, loss);
		require(eval.result.totals.denominator == rows[i].denominator,
			"%s: denominator %.17g", rows[i].text, eval.result.totals.denominator);
		eval_end(&eval);
	}
}

/* The shape of all but the last axis is one for each row, where it might be one for each column
 * too; everything else broadcasts. */
static void var_of_rows(void **state)
{
	(void)state;
	static const struct {
		const char *var;
		double grad[4];
	} rows[] = {
		{"var:F64:2=1,2", {1, 2, 1.5, 2}}, {"var:F64:2,1=1,2", {1, 2, 1.5, 2}},
		{"var:F64:1,2=1,2", {1, 1, 3, 2}}, {"var:F64:=2", {0.5, 1, 1.5, 2}},
		{"var:F64:1=2", {0.5, 1, 1.5, 2}}, {"var:F64:2,2=1,2,3,4", {1, 1, 1, 1}},
		{"var:F32:2=1,2", {1, 2, 1.5, 2}},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct eval eval;
		char text[200];
		snprintf(text, sizeof text,
			 "gaussian_nll_loss reduction=sum outputs=grad "
			 "predictions:F64:2,2=1,2,3,4 targets:F64:=0 %s",
			 rows[i].var);
		spec_run(&eval, text);
		for (size_t k = 0; k < 4; k++) {
			double grad = eval_value(eval_output(&eval, "grad"), k);
			require(near(grad, rows[i].grad[k]), "%s: grad %.17g at %zu", rows[i].var,
				grad, k);
		}
		eval_end(&eval);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_at_the_edge),
		cmocka_unit_test(means),
		cmocka_unit_test(var_of_rows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
