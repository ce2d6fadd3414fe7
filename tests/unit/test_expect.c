/*
 * The oracle of whole problems against numbers made by hand (or by Python's decimal), for what the
 * property tests can not tell: that both sides do not have the same meaning wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#include "../../src/problem.h"
#include "../support/expect_summary.h"
#include "../support/random.h"
#include "../support/spec.h"

#define ROWS "logits:F64:3,3=1,2,3,3,2,1,0,0,5 targets:I64:3=0 "
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* -log p of the three rows' targets. */
#define ROW_0 2.4076059644443803L
#define ROW_1 0.40760596444438030L
#define ROW_2 5.0133859017214489L

static void assert_near(long double got, long double want)
{
	bool same = isnan(want) ? isnan(got) : got == want || fabsl(got - want) < 1e-14L;
	require(same, "%.18Lg, but should be %.18Lg", got, want);
}

/* A tensor of a role, whether the loss has one of it or not. */
static void give(struct eval *eval, loss_role role, loss_dtype dtype, void *data, size_t n)
{
	eval->problem->present[role] = true;
	eval->problem->tensors[role] = (struct loss_tensor){
		.dtype = dtype, .rank = 1, .shape = {n}, .count = n, .data = data};
}

static long double number(const struct expected *expected, const char *name, size_t i)
{
	for (size_t n = 0; n < expected->n_outputs; n++)
		if (strcmp(expected->outputs[n].name, name) == 0)
			return expected->outputs[n].numbers[i].value;
	require(false, "there is no output %s", name);
	return 0;
}

static void row_weights_make_a_weighted_mean(void **state)
{
	double weights[] = {1, 1, 5};
	struct eval eval;
	struct expected expected;
	(void)state;
	spec_start(&eval, CE ROWS "outputs=loss,grad,accuracy,perplexity");
	give(&eval, LOSS_ROLE_ROW_WEIGHT, LOSS_F64, weights, 3);
	expect(eval.problem, eval.arena, &expected);
	assert_near(number(&expected, "loss", 0), (ROW_0 + ROW_1 + 5 * ROW_2) / 7);
	assert_true(fabsl(number(&expected, "loss", 0) - 3.98316L) < 5e-6L);
	assert_near(number(&expected, "grad", 0), (expl(-ROW_0) - 1) / 7);
	assert_near(number(&expected, "grad", 6), 5 * (expl(-ROW_2) - 1) / 7);
	assert_near(expected.denominator.value, 7);
	assert_near(expected.loss_sum.value, ROW_0 + ROW_1 + 5 * ROW_2);
	assert_int_equal(expected.counted, 3);
	/* what weights no row */
	assert_near(number(&expected, "accuracy", 0), 1 / 3.0L);
	assert_near(number(&expected, "perplexity", 0), expl((ROW_0 + ROW_1 + ROW_2) / 3));
	eval_end(&eval);
}

static void row_weights_multiply_class_weights(void **state)
{
	double weights[] = {1, 2, 0};
	struct eval eval;
	struct expected expected;
	(void)state;
	spec_start(&eval, CE "logits:F64:3,3=1,2,3,3,2,1,0,0,5 targets:I64:3=0,2,1 "
			     "weight:F64:3=0.5,1,2 outputs=loss");
	give(&eval, LOSS_ROLE_ROW_WEIGHT, LOSS_F64, weights, 3);
	expect(eval.problem, eval.arena, &expected);
	assert_near(expected.denominator.value, 0.5L + 2 * 2);
	assert_near(number(&expected, "loss", 0), (0.5L * ROW_0 + 4 * (ROW_1 + 2)) / 4.5L);
	eval_end(&eval);
}

/* 0 times infinity is 0; NaN stays. */
static void a_row_weight_of_0(void **state)
{
	double weights[] = {0, 0};
	struct eval eval;
	struct expected expected;
	(void)state;
	spec_start(&eval, CE "logits:F64:2,2=-inf,1,nan,1 targets:I64:2=0,1 reduction=none "
			     "z_loss=0.5 outputs=loss,z_loss,grad");
	give(&eval, LOSS_ROLE_ROW_WEIGHT, LOSS_F64, weights, 2);
	expect(eval.problem, eval.arena, &expected);
	assert_near(number(&expected, "loss", 0), 0);
	assert_near(number(&expected, "z_loss", 0), 0);
	assert_near(number(&expected, "grad", 1), 0);
	assert_near(number(&expected, "loss", 1), (long double)NAN);
	assert_near(number(&expected, "grad", 2), (long double)NAN);
	eval_end(&eval);
}

static void a_mask_is_as_ignored(void **state)
{
	unsigned char mask[] = {1, 0, 1};
	struct eval eval;
	struct expected expected;
	(void)state;
	spec_start(&eval, CE "logits:F64:3,3=1,2,3,nan,2,1,0,0,5 targets:I64:3=0,77,0 "
			     "outputs=loss,grad,correct,rank,accuracy");
	give(&eval, LOSS_ROLE_MASK, LOSS_BOOL, mask, 3);
	expect(eval.problem, eval.arena, &expected);
	assert_near(number(&expected, "loss", 0), (ROW_0 + ROW_2) / 2);
	assert_near(number(&expected, "grad", 3), 0);
	assert_near(number(&expected, "rank", 0), 2);
	assert_near(number(&expected, "rank", 1), -1);
	assert_near(number(&expected, "correct", 1), 0);
	assert_near(number(&expected, "accuracy", 0), 0);
	assert_int_equal(expected.counted, 2);
	assert_int_equal(expected.ignored, 1);
	eval_end(&eval);
}

/* Row t has target, row_weight and mask of t + 1. */
static void a_shift_moves_them_all(void **state)
{
	double weights[] = {7, 2, 3};
	unsigned char mask[] = {0, 1, 0};
	struct eval eval;
	struct expected expected;
	(void)state;
	spec_start(&eval, CE "logits:F64:1,3,3=1,2,3,3,2,1,0,0,5 targets:I64:1,3=9,0,9 "
			     "class_axis=-1 shift=true reduction=none outputs=loss");
	give(&eval, LOSS_ROLE_ROW_WEIGHT, LOSS_F64, weights, 3);
	give(&eval, LOSS_ROLE_MASK, LOSS_BOOL, mask, 3);
	expect(eval.problem, eval.arena, &expected);
	assert_near(number(&expected, "loss", 0), 2 * ROW_0);
	assert_near(number(&expected, "loss", 1), 0);
	assert_near(number(&expected, "loss", 2), 0);
	assert_near(expected.denominator.value, 2);
	eval_end(&eval);
}

/* Of elements, a mask that broadcasts; batchmean keeps the size of the first axis. */
static void masked_elements(void **state)
{
	unsigned char mask[] = {1, 0};
	struct eval eval;
	struct expected expected;
	(void)state;
	spec_start(&eval, "kl_div log_probs:F64:2,2=-1,nan,-2,nan targets:F64:2,2=1 "
			  "reduction=batchmean outputs=loss,grad");
	give(&eval, LOSS_ROLE_MASK, LOSS_BOOL, mask, 2);
	expect(eval.problem, eval.arena, &expected);
	assert_near(number(&expected, "loss", 0), 1.5L);
	assert_near(number(&expected, "grad", 0), -0.5L);
	assert_near(number(&expected, "grad", 1), 0);
	assert_int_equal(expected.counted, 2);
	eval_end(&eval);
}

/* ---------------------------------------------------------------- arguments */

/* All rows of a problem, with arguments that the loss need not have. */
static void sum_up(struct expect_problem *problem, struct expect_summary *summary,
		   struct expect_row *rows, expect_row_fn *oracle)
{
	expect_summary_start(problem, summary);
	for (size_t r = 0; r < problem->rows; r++) {
		rows[r] = (struct expect_row){.counted = expect_counted(problem, r)};
		oracle(problem, r, &rows[r]);
		expect_summary_add(problem, summary, r, &rows[r]);
	}
}

/* p = 0.75: 0.25^2 (-log 0.75), and the gradient by a finite difference in 50 digits. */
static void gamma_plays_down_what_is_sure(void **state)
{
	struct eval eval;
	struct expect_problem problem;
	struct expect_summary summary;
	struct expect_row rows[3];
	(void)state;
	spec_start(&eval, CE "logits:F64:3,2=1.0986122886681098,0,-inf,0,800,0 targets:I64:3=0 "
			     "reduction=none");
	expect_read(eval.problem, eval.arena, &problem);
	problem.arguments.gamma = 2;
	sum_up(&problem, &summary, rows, expect_cross_entropy);
	assert_near(rows[0].loss.value, 0.0625L * 0.28768207245178092L);
	assert_near(rows[0].grad[0].value, -0.042595194292354462L);
	assert_near(rows[0].grad[1].value, 0.042595194292354462L);
	assert_near(rows[1].loss.value, (long double)INFINITY);
	assert_near(rows[1].grad[0].value, -1);
	assert_near(rows[2].loss.value, 0);
	assert_near(rows[2].grad[1].value, 0);
	eval_end(&eval);
}

static void logit_scale_comes_first(void **state)
{
	assert_near(oracle_transform(2, 3, 4, 0.5L), 8 * tanhl(1.5L));
	assert_near(oracle_transform_slope(0, 3, 4, 0.5L), 6);
	(void)state;
}

static void ranks_within_k(void **state)
{
	struct eval eval;
	struct expect_problem problem;
	struct expect_summary summary;
	struct expect_row rows[3];
	static const long double shares[] = {1, 1 / 3.0L, 2 / 3.0L, 1}; /* of ranks 2, 0, 1 */
	(void)state;
	spec_start(&eval, CE ROWS);
	expect_read(eval.problem, eval.arena, &problem);
	for (size_t k = 0; k < COUNT(shares); k++) {
		problem.arguments.k = (long double)k; /* 0: the default */
		sum_up(&problem, &summary, rows, expect_cross_entropy);
		assert_near(expect_summarized(&problem, &summary, "topk_accuracy").value,
			    shares[k]);
	}
	eval_end(&eval);
}

/* Two bins: 0.25 and 0.5 in (0, 1/2], 0.75 and 1 in (1/2, 1]; of them 1 of 2 and 2 of 2 are
 * positive. 0.5 is next to an end, so nothing is promised. */
static void calibration_of_probabilities(void **state)
{
	static const struct {
		const char *norm;
		long double value;
	} cases[] = {{"l1", 0.125L}, {"l2", 0.125L}, {"max", 0.125L}};
	struct eval eval;
	struct expect_problem problem;
	struct expect_summary summary;
	struct expect_row rows[4];
	(void)state;
	spec_start(&eval, "binary_cross_entropy probs:F64:4=0.25,0.5,0.75,1 targets:F64:4=0,1,1,1");
	expect_read(eval.problem, eval.arena, &problem);
	problem.arguments.ece_bins = 2;
	for (size_t i = 0; i < COUNT(cases); i++) {
		problem.arguments.ece_norm = cases[i].norm;
		sum_up(&problem, &summary, rows, expect_bce);
		struct expect_number ece = expect_summarized(&problem, &summary, "ece");
		assert_near(ece.value, cases[i].value);
		assert_true(isinf(ece.slack));
	}
	assert_near(expect_summarized(&problem, &summary, "accuracy").value, 0.75L);
	eval_end(&eval);
}

/* Bins of 1 and 3 rows with gaps 0.125 and 0.25. */
static void norms_of_calibration(void **state)
{
	static const struct {
		const char *norm;
		long double value;
	} cases[] = {{"l1", 0.25L * 0.125L + 0.75L * 0.25L},
		     {"l2", 0.22534695471649932L},
		     {"max", 0.25L}};
	struct eval eval;
	struct expect_problem problem;
	struct expect_summary summary;
	struct expect_row rows[4];
	(void)state;
	spec_start(&eval,
		   "binary_cross_entropy probs:F64:4=0.125,0.625,0.75,0.875 targets:F64:4=0,1,1,1");
	expect_read(eval.problem, eval.arena, &problem);
	problem.arguments.ece_bins = 2;
	for (size_t i = 0; i < COUNT(cases); i++) {
		problem.arguments.ece_norm = cases[i].norm;
		sum_up(&problem, &summary, rows, expect_bce);
		assert_near(expect_summarized(&problem, &summary, "ece").value, cases[i].value);
	}
	eval_end(&eval);
}

/* Without a slack nothing but the number agrees; with an infinite one, everything. */
static void numbers_agree_within_their_slack(void **state)
{
	static const struct {
		struct expect_number number;
		loss_dtype dtype;
		double got;
		bool agrees;
	} cases[] = {
		{{1, 0}, LOSS_F64, 1, true},
		{{1, 0}, LOSS_F64, 0x1.0000000000001p0, false},
		{{1, 0x1p-52L}, LOSS_F64, 0x1.0000000000001p0, true},
		{{1, 0x1p-52L}, LOSS_F64, 0x1.0000000000002p0, false},
		{{1, 0}, LOSS_F64, (double)NAN, false},
		{{(long double)NAN, 0}, LOSS_F64, (double)NAN, true},
		{{(long double)NAN, 0}, LOSS_F64, 0, false},
		{{(long double)INFINITY, 1}, LOSS_F64, (double)INFINITY, true},
		{{(long double)INFINITY, 1}, LOSS_F64, -(double)INFINITY, false},
		{{1e39L, 1}, LOSS_F32, (double)INFINITY, true},
		{{1e39L, 1}, LOSS_F64, (double)INFINITY, false},
		{{1000, 1}, LOSS_F8_E4M3, (double)NAN, true},
		{{1000, 1}, LOSS_F8_E4M3, 448, false},
		{{1.0625L, 1e-3L}, LOSS_F8_E4M3, 1, true},
		{{1.0625L, 1e-3L}, LOSS_F8_E4M3, 1.125, true},
		{{1.0625L, 1e-3L}, LOSS_F8_E4M3, 1.25, false},
		{{7, (long double)INFINITY}, LOSS_F64, 8, true},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		require(expect_agrees(&cases[i].number, cases[i].dtype, cases[i].got) ==
				cases[i].agrees,
			"case %zu", i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(row_weights_make_a_weighted_mean),
		cmocka_unit_test(row_weights_multiply_class_weights),
		cmocka_unit_test(a_row_weight_of_0),
		cmocka_unit_test(a_mask_is_as_ignored),
		cmocka_unit_test(a_shift_moves_them_all),
		cmocka_unit_test(masked_elements),
		cmocka_unit_test(gamma_plays_down_what_is_sure),
		cmocka_unit_test(logit_scale_comes_first),
		cmocka_unit_test(ranks_within_k),
		cmocka_unit_test(calibration_of_probabilities),
		cmocka_unit_test(norms_of_calibration),
		cmocka_unit_test(numbers_agree_within_their_slack),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
