/* What an evaluation comes to: losses, totals, gradients, empty means, the order of outputs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "../support/random.h"
#include "../support/spec.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define EXAMPLE "logits:F32:1,3=-0.7715,-0.6205,-0.2562 targets:I64:1=0 "

static double value(const struct eval *eval, const char *name, size_t i)
{
	return eval_value(eval_output(eval, name), i);
}

/* The exact value is 1.344726592...; in float32 it is 1.3447266. */
static void the_first_example(void **state)
{
	(void)state;
	static const char *const texts[] = {
		CE EXAMPLE,
		CE EXAMPLE "reduction=sum",
		CE EXAMPLE "reduction=none",
		CE "logits:F32:3=-0.7715,-0.6205,-0.2562 targets:I64:=0",
		CE "logits:F32:1,3=-0.7715,-0.6205,-0.2562 targets:F32:1,3=1,0,0",
	};
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct eval eval;
		spec_run(&eval, texts[i]);
		assert_true(value(&eval, "loss", 0) == (double)1.3447266f);
		/* exponentials of floats are good for a float */
		assert_true(fabs(eval.result.totals.loss_sum - 1.344726592) < 0x1p-24);
		eval_end(&eval);
	}
}

static void nll_loss_of_log_softmax_is_cross_entropy(void **state)
{
	(void)state;
	struct eval eval, again;
	spec_run(&eval, "log_softmax logits:F32:1,3=-0.7715,-0.6205,-0.2562");
	eval_start(&again, "nll_loss");
	eval_set(&again, "log_probs", *eval_output(&eval, "log_probs"));
	eval_set(&again, "targets",
		 eval_integers(&again, LOSS_I64, 1, (size_t[]){1}, (int64_t[]){0}));
	eval_run(&again, 1);
	assert_true(value(&again, "loss", 0) == (double)1.3447266f);
	eval_end(&again);
	eval_end(&eval);
}

static void confident_rows_keep_their_digits(void **state)
{
	(void)state;
	struct eval eval;
	spec_run(&eval, CE "logits:F32:1,2=20,0 targets:I64:1=0");
	assert_true(value(&eval, "loss", 0) == (double)2.0611536e-09f);
	eval_end(&eval);
}

/* Row losses of three log-probabilities: weights 2, 3, 5 times 1, 2, 4 and one row ignored. */
#define WEIGHTED                                                                                   \
	"nll_loss log_probs:F64:4,3=-1,-9,-9,-9,-2,-9,-9,-9,-4,-9,-9,-9 "                          \
	"targets:I64:4=0,1,2,-100 weight:F64:3=2,3,5 "

static void losses_and_totals(void **state)
{
	(void)state;
	static const struct {
		const char *arguments;
		double loss;
	} rows[] = {
		{"", 28.0 / 10.0},
		{"reduction=sum", 28.0},
		{"denominator=7", 4.0},
		{"denominator=7 reduction=sum", 28.0},
		{"empty_mean=zero", 28.0 / 10.0},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct eval eval;
		char text[300] = WEIGHTED;
		spec_run(&eval, strcat(text, rows[i].arguments));
		assert_true(value(&eval, "loss", 0) == rows[i].loss);
		assert_true(eval.result.has_totals);
		assert_true(eval.result.totals.loss_sum == 28.0);
		assert_true(eval.result.totals.denominator == 10.0);
		assert_int_equal(eval.result.totals.rows, 4);
		assert_int_equal(eval.result.totals.counted, 3);
		assert_int_equal(eval.result.totals.ignored, 1);
		eval_end(&eval);
	}
}

static void row_losses_are_kept_without_reduction(void **state)
{
	(void)state;
	static const double losses[] = {2, 6, 20, 0};
	struct eval eval;
	spec_run(&eval, WEIGHTED "reduction=none");
	assert_int_equal(eval_output(&eval, "loss")->count, 4);
	for (size_t i = 0; i < 4; i++)
		assert_true(value(&eval, "loss", i) == losses[i]);
	assert_true(eval.result.totals.loss_sum == 28.0);
	assert_true(eval.result.totals.denominator == 10.0);
	eval_end(&eval);
}

/* Within the 4 ulp that a gradient may be off. */
static void expect_near(double got, double exact)
{
	require(fabs(got - exact) <= 0x1p-51 * fabs(exact), "%a, not %a", got, exact);
}

static void gradients_are_scaled_by_upstream_and_divisor(void **state)
{
	(void)state;
	static const struct {
		const char *arguments;
		double grad, second; /* of the first two rows' targets: -2, -3 times the scale */
	} rows[] = {
		{"reduction=sum outputs=grad", -2, -3},
		{"outputs=grad", -0.2, -0.3},
		{"denominator=4 outputs=grad", -0.5, -0.75},
		{"grad_output:F64:=8 outputs=grad denominator=4", -4, -6},
		{"grad_output:F64:4=3,5,7,9 outputs=grad reduction=none", -6, -15},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct eval eval;
		char text[300] = WEIGHTED;
		spec_run(&eval, strcat(text, rows[i].arguments));
		expect_near(value(&eval, "grad", 0), rows[i].grad);
		assert_true(value(&eval, "grad", 1) == 0);
		expect_near(value(&eval, "grad", 4), rows[i].second);
		for (size_t k = 9; k < 12; k++) /* the ignored row */
			assert_true(value(&eval, "grad", k) == 0);
		assert_int_equal(eval.result.n_warnings, 0);
		eval_end(&eval);
	}
}

/* ---------------------------------------------------------------- empty means */

static void means_of_nothing(void **state)
{
	(void)state;
	const double nan = (double)NAN;
	const struct {
		const char *text;
		double loss;
	} rows[] = {
		{CE "logits:F32:2,3=+nan targets:I64:2=-100", nan},
		{CE "logits:F32:2,3 targets:I64:2=-100 empty_mean=zero", 0},
		{CE "logits:F32:2,3 targets:I64:2=-100 reduction=sum", 0},
		{CE "logits:F32:2,3 targets:I64:2=-100 denominator=3", 0},
		{CE "logits:F32:2,3=nan targets:I64:2=-100 label_smoothing=0.5 empty_mean=zero", 0},
		{CE "logits:F32:0,3 targets:I64:0", nan},
		{CE "logits:F32:0,3 targets:I64:0 empty_mean=zero", 0},
		{CE "logits:F32:0,3 targets:I64:0 reduction=sum", 0},
		{CE "logits:F32:0,3 targets:F32:0,3", nan},
		{CE "logits:F32:0,3 targets:F32:0,3 empty_mean=zero", 0},
		{CE "logits:F32:2,3,0 targets:I64:2,0", nan},
		{"nll_loss log_probs:F32:2,3=nan targets:I64:2=-100 empty_mean=zero", 0},
		{"binary_cross_entropy_with_logits logits:F32:0 targets:F32:0", nan},
		{"binary_cross_entropy_with_logits logits:F32:0 targets:F32:0 empty_mean=zero", 0},
		/* rows that count, whose weights cancel: empty_mean does not apply */
		{CE "logits:F32:2,3 targets:I64:2=0,1 weight:F32:3=1,-1,0 empty_mean=zero", nan},
		{CE "logits:F32:2,3 targets:I64:2=2 weight:F32:3=1,-1,0 empty_mean=zero", nan},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct eval eval;
		spec_run(&eval, rows[i].text);
		double loss = value(&eval, "loss", 0);
		require(isnan(rows[i].loss) ? isnan(loss) : loss == rows[i].loss, "%s: %g",
			rows[i].text, loss);
		assert_true(eval.result.totals.loss_sum == 0 || isnan(loss));
		eval_end(&eval);
	}
}

static void gradients_of_nothing(void **state)
{
	(void)state;
	struct eval eval;
	spec_run(&eval, CE "logits:F32:2,3=+nan targets:I64:2=-100 outputs=grad,accuracy,correct");
	for (size_t i = 0; i < 6; i++)
		assert_true(value(&eval, "grad", i) == 0);
	assert_true(isnan(value(&eval, "accuracy", 0)));
	assert_int_equal(eval_index(eval_output(&eval, "correct"), 0), 0);
	eval_end(&eval);
	spec_run(&eval, CE "logits:F32:2,3 targets:I64:2=0,1 weight:F32:3=1,-1,0 outputs=grad");
	for (size_t i = 0; i < 6; i++)
		assert_true(isnan(value(&eval, "grad", i)));
	eval_end(&eval);
}

/* ---------------------------------------------------------------- results */

static void accuracy_is_of_counted_rows(void **state)
{
	(void)state;
	struct eval eval;
	spec_run(&eval, CE "logits:F32:4,2=0,1,0,1,1,0,1,0 targets:I64:4=1,0,0,-100 "
			   "weight:F32:2=0.25,9 outputs=correct,predicted,accuracy");
	static const int64_t predicted[] = {1, 1, 0, 0}, correct[] = {1, 0, 1, 0};
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(eval_index(eval_output(&eval, "predicted"), i), predicted[i]);
		assert_int_equal(eval_index(eval_output(&eval, "correct"), i), correct[i]);
	}
	assert_true(value(&eval, "accuracy", 0) == 2.0 / 3.0);
	eval_end(&eval);
}

static void outputs_come_in_the_order_asked_for(void **state)
{
	(void)state;
	static const char *const names[] = {"accuracy", "probs", "loss", "lse"};
	struct eval eval;
	spec_run(&eval, CE EXAMPLE "outputs=accuracy,probs,loss,lse");
	assert_int_equal(eval.result.n_outputs, COUNT(names));
	for (size_t i = 0; i < COUNT(names); i++)
		assert_string_equal(eval.result.outputs[i].name, names[i]);
	eval_end(&eval);
	spec_run(&eval, CE EXAMPLE "outputs=");
	assert_int_equal(eval.result.n_outputs, 0);
	assert_true(eval.result.totals.loss_sum > 1.3); /* there all the same */
	eval_end(&eval);
}

static void totals_are_of_losses_only(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool has_totals;
	} rows[] = {
		{CE EXAMPLE, true},
		{"nll_loss log_probs:F32:3 targets:I64:", true},
		{"binary_cross_entropy_with_logits logits:F32:3 targets:F32:3", true},
		{"softmax logits:F32:3", false},
		{"log_softmax logits:F32:3", false},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct eval eval;
		spec_run(&eval, rows[i].text);
		assert_int_equal(eval.result.has_totals, rows[i].has_totals);
		eval_end(&eval);
	}
}

static void warnings_reach_the_result(void **state)
{
	(void)state;
	struct eval eval;
	spec_run(&eval, CE EXAMPLE "reduce=true denominator=1 grad_output:F32:=1");
	assert_int_equal(eval.result.n_warnings, 2);
	assert_non_null(strstr(eval.result.warnings[0], "deprecated"));
	assert_non_null(strstr(eval.result.warnings[1], "grad_output has no effect"));
	eval_end(&eval);
	spec_run(&eval, CE EXAMPLE);
	assert_int_equal(eval.result.n_warnings, 0);
	eval_end(&eval);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_example),
		cmocka_unit_test(nll_loss_of_log_softmax_is_cross_entropy),
		cmocka_unit_test(confident_rows_keep_their_digits),
		cmocka_unit_test(losses_and_totals),
		cmocka_unit_test(row_losses_are_kept_without_reduction),
		cmocka_unit_test(gradients_are_scaled_by_upstream_and_divisor),
		cmocka_unit_test(means_of_nothing),
		cmocka_unit_test(gradients_of_nothing),
		cmocka_unit_test(accuracy_is_of_counted_rows),
		cmocka_unit_test(outputs_come_in_the_order_asked_for),
		cmocka_unit_test(totals_are_of_losses_only),
		cmocka_unit_test(warnings_reach_the_result),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
