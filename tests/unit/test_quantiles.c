/* loss_quantiles: what few losses, odd ones and none come to, what it holds, and how it stops. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "../support/random.h"
#include "../support/spec.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define QUANTILES " outputs=loss_quantiles"
#define LN_2 0.69314718055994531
#define INF HUGE_VAL
#define NOT_A_NUMBER ((double)NAN)

static const struct {
	const char *text;
	double least, median, most, last; /* last: 0.999 */
} rows[] = {
	{CE "logits:F64:0,2 targets:I64:0", NOT_A_NUMBER, NOT_A_NUMBER, NOT_A_NUMBER, NOT_A_NUMBER},
	{CE "logits:F64:2 targets:I64:", LN_2, LN_2, LN_2, LN_2},
	{CE "logits:F64:2,2 targets:I64:2=0,1 weight:F64:2=1,3", LN_2, 2 * LN_2, 3 * LN_2,
	 3 * LN_2 - 2 * LN_2 *(1 - 0.999)},
	{CE "logits:F64:3,2 targets:I64:3=0,1,-100 weight:F64:2=1,3", LN_2, 2 * LN_2, 3 * LN_2,
	 3 * LN_2 - 2 * LN_2 *(1 - 0.999)},
	{CE "logits:F32:3,2 targets:I64:3=0,1,0 weight:F64:2=1,3 mask:BOOL:3=1,1,0", LN_2, 2 * LN_2,
	 3 * LN_2, 3 * LN_2 - 2 * LN_2 *(1 - 0.999)},
	{CE "logits:F64:2,2 targets:I64:2=0,1 weight:F64:2=1,3 row_weight:F64:2=9,0", LN_2,
	 2 * LN_2, 3 * LN_2, 3 * LN_2 - 2 * LN_2 *(1 - 0.999)},
	{CE "logits:F64:2,2 targets:I64:2=-100", NOT_A_NUMBER, NOT_A_NUMBER, NOT_A_NUMBER,
	 NOT_A_NUMBER},
	{CE "logits:F64:2,2=-inf,0,0,0 targets:I64:2", LN_2, INF, INF, INF},
	{CE "logits:F64:3,2=-inf,0,0,0,0,0 targets:I64:3", LN_2, LN_2, INF, INF},
	{CE "logits:F64:2,2=+nan,0,0,0 targets:I64:2", NOT_A_NUMBER, NOT_A_NUMBER, NOT_A_NUMBER,
	 NOT_A_NUMBER},
	{CE "logits:F64:2,2=+nan,0,0,0 targets:I64:2=-100,0", LN_2, LN_2, LN_2, LN_2},
	{CE "logits:F64:2,2=-inf,0,0,0 targets:I64:2 weight:F64:2=-1,1", -INF, -INF, -LN_2, -INF},
	{CE "logits:F64:2,2 targets:F64:2,2=1,0,0,1 weight:F64:2=1,3", LN_2, 2 * LN_2, 3 * LN_2,
	 3 * LN_2 - 2 * LN_2 *(1 - 0.999)},
	/* a factor of 0 counts 0, and 0 has no sign */
	{CE "logits:F64:1,2=-inf,0 targets:I64:1 weight:F64:2=0,1", 0, 0, 0, 0},
};

static bool is(double got, double expected)
{
	if (isnan(expected))
		return isnan(got);
	return got == expected || fabs(got - expected) <= 1e-15 * fabs(expected);
}

static void odd_losses(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char text[300];
		struct eval eval;
		snprintf(text, sizeof text, "%s" QUANTILES, rows[i].text);
		spec_run(&eval, text);
		const struct loss_tensor *got = eval_output(&eval, "loss_quantiles");
		require(got->dtype == LOSS_F64 && got->rank == 1 && got->count == LOSS_N_QUANTILES,
			"%s: another shape or type", text);
		require(is(eval_value(got, 0), rows[i].least) &&
				is(eval_value(got, 5), rows[i].median) &&
				is(eval_value(got, 9), rows[i].last) &&
				is(eval_value(got, 10), rows[i].most),
			"%s: %.17g, %.17g, %.17g, %.17g", text, eval_value(got, 0),
			eval_value(got, 5), eval_value(got, 9), eval_value(got, 10));
		require(!signbit(eval_value(got, 0)) || rows[i].least < 0 || isnan(rows[i].least),
			"%s: a zero with a sign", text);
		eval_end(&eval);
	}
}

/* Each loss is half of the one before it: all keys differ first in a bit of their own. */
static void losses_of_all_sizes(void **state)
{
	enum { ROWS = 1001 };
	static double x[2 * ROWS];
	const size_t shape[] = {ROWS, 2};
	static const char *const outputs[] = {"loss_quantiles", NULL};
	struct eval eval;
	(void)state;
	eval_start(&eval, "cross_entropy");
	for (size_t r = 0; r < ROWS; r++)
		x[2 * r] = LN_2 * (double)r;
	eval_set(&eval, "logits", eval_floats(&eval, LOSS_F64, 2, shape, x));
	eval_set(&eval, "targets",
		 eval_integers(&eval, LOSS_I64, 1, shape, eval_array(&eval, int64_t, ROWS)));
	eval_outputs(&eval, outputs);
	eval_run(&eval, 1);
	const struct loss_tensor *got = eval_output(&eval, "loss_quantiles");
	/* Of row r it is log1p(2^-r); the quantile f is at 1000 (1 - f). */
	static const int at[] = {1000, 999, 990, 950, 900, 500, 100, 50, 10, 1, 0};
	for (size_t i = 0; i < LOSS_N_QUANTILES; i++) {
		double expected = log1p(exp(-x[2 * at[i]]));
		require(fabs(eval_value(got, i) - expected) <= 1e-12 * expected,
			"%zu: %.17g, not %.17g", i, eval_value(got, i), expected);
	}
	eval_end(&eval);
}

/* ---------------------------------------------------------------- memory, and its end */

#define MANY 100000

static size_t held_with(const char *outputs, size_t limit, loss_status *status)
{
	char text[200];
	struct eval eval;
	struct loss_budget *budget = loss_budget_create(limit);
	struct loss_arena *arena = loss_arena_create(budget);
	struct loss_plan *plan;
	assert_non_null(arena);
	snprintf(text, sizeof text, CE "logits:F32:%d,2 targets:I8:%d outputs=%s", MANY, MANY,
		 outputs);
	spec_start(&eval, text);
	*status = loss_plan_create(eval.problem, arena, &plan, &eval.error);
	size_t n = loss_arena_held(arena);
	loss_arena_destroy(arena);
	loss_budget_destroy(budget);
	eval_end(&eval);
	return n;
}

static void what_is_kept_of_rows_is_charged(void **state)
{
	loss_status status;
	(void)state;
	size_t without = held_with("loss", SIZE_MAX, &status);
	size_t with = held_with("loss,loss_quantiles", SIZE_MAX, &status);
	assert_int_equal(status, LOSS_OK);
	assert_true(with - without >= MANY * sizeof(double));
	assert_true(with - without < MANY * sizeof(double) + 65536);
	held_with("loss,loss_quantiles", with - 4096, &status);
	assert_int_equal(status, LOSS_TOO_LARGE_FOR_BUDGET);
}

static void a_cancelled_run_makes_none(void **state)
{
	struct loss_cancel cancel = {0};
	struct eval eval;
	(void)state;
	loss_cancel_request(&cancel);
	assert_int_equal(spec_plan(&eval, CE TWO_ROWS QUANTILES), LOSS_OK);
	assert_int_equal(loss_plan_run(eval.plan, 1, &cancel, &eval.error), LOSS_CANCELLED);
	eval_end(&eval);
}

/* ---------------------------------------------------------------- what else there is */

static void no_warnings_and_no_state(void **state)
{
	struct eval with, without;
	(void)state;
	spec_run(&with, CE TWO_ROWS "totals=exact outputs=loss,loss_quantiles");
	spec_run(&without, CE TWO_ROWS "totals=exact outputs=loss");
	assert_int_equal(with.result.n_warnings, 0);
	assert_string_equal(with.result.totals.state, without.result.totals.state);
	eval_end(&with);
	eval_end(&without);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(odd_losses),
		cmocka_unit_test(losses_of_all_sizes),
		cmocka_unit_test(what_is_kept_of_rows_is_charged),
		cmocka_unit_test(a_cancelled_run_makes_none),
		cmocka_unit_test(no_warnings_and_no_state),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
