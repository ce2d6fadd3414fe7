/*
 * entropy, rank, perplexity, ece and accuracy against the oracle; shift against targets that are
 * shifted by hand; and that the loss's bits are the same whatever else is asked for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../support/batch.h"
#include "../support/ulp.h"
#include "kernel/oracle.h"

#define BINS 15

static const loss_dtype dtypes[] = {LOSS_F32, LOSS_F64};

/* What the rows of a batch add up to. */
struct expected {
	size_t counted, correct;
	struct oracle_sum nll;
	size_t hits[BINS];
	struct oracle_sum confidence[BINS];
	bool nan; /* a row with NaN counts */
};

/* The bin (i/15, (i+1)/15] of p, ends as doubles. */
static size_t bin_of(double p)
{
	size_t i = 0;
	while (i < BINS - 1 && p > (double)(i + 1) / BINS)
		i++;
	return i;
}

static void expect_row(struct expected *expected, const struct oracle_row *row,
		       const struct oracle_target *target)
{
	struct oracle_softmax softmax = oracle_softmax_row(row);
	if (target->ignored)
		return;
	expected->counted++;
	if (softmax.nan) {
		expected->nan = true;
		return;
	}
	bool hit = oracle_cross_entropy_correct(row, target);
	long double p = 1 / (1 + softmax.residual);
	size_t bin = bin_of((double)p);
	expected->correct += hit;
	expected->hits[bin] += hit;
	oracle_add(&expected->nll, oracle_surprise(row, &softmax, target->index));
	oracle_add(&expected->confidence[bin], p);
}

static void check_row(const struct eval *eval, const struct batch *batch,
		      const struct oracle_row *row, const struct oracle_target *target, size_t r)
{
	long double entropy = oracle_entropy(row);
	long double error =
		ulp_error(batch->dtype, eval_value(eval_output(eval, "entropy"), r), entropy);
	ulp_note("entropy", batch->dtype, batch->distribution, error);
	require(error <= (batch->dtype == LOSS_F32 ? 2 : 4),
		"entropy of row %zu (%zu classes, %s, %s): off by %Lg ulp", r, batch->classes,
		loss_dtype_info(batch->dtype)->name, batch->distribution, error);
	long long rank = eval_index(eval_output(eval, "rank"), r);
	require(rank == oracle_cross_entropy_rank(row, target), "rank of row %zu (%s) is %lld", r,
		batch->distribution, rank);
	bool correct = eval_index(eval_output(eval, "correct"), r) != 0;
	require(correct == (rank == 0), "correct of row %zu", r);
}

/* F64 scalars: of F32 logits they are as good as those are, 2^-22. */
static void check_scalar(const struct eval *eval, const struct batch *batch, const char *name,
			 long double exact, long double size)
{
	double got = eval_value(eval_output(eval, name), 0);
	long double bound = (batch->dtype == LOSS_F32 ? 0x1p-22L : 0x1p-50L) * size;
	bool same = isnan(exact)   ? isnan(got)
		    : isinf(exact) ? (long double)got == exact
				   : fabsl((long double)got - exact) <= bound;
	require(same, "%s (%zu rows of %zu classes, %s, %s) is %.17g, not %.17Lg", name,
		batch->rows, batch->classes, loss_dtype_info(batch->dtype)->name,
		batch->distribution, got, exact);
}

static void check_scalars(const struct eval *eval, const struct batch *batch,
			  const struct expected *expected)
{
	long double n = (long double)expected->counted, nan = (long double)NAN, ece = 0;
	check_scalar(eval, batch, "accuracy", n == 0 ? nan : (long double)expected->correct / n, 1);
	for (size_t i = 0; i < BINS; i++)
		ece += fabsl((long double)expected->hits[i] -
			     oracle_total(&expected->confidence[i])) /
		       n;
	check_scalar(eval, batch, "ece", n == 0 || expected->nan ? nan : ece, 1);
	long double mean = oracle_total(&expected->nll) / n, perplexity = expl(mean);
	if (n == 0 || expected->nan)
		perplexity = nan;
	if (perplexity > (long double)1.7976931348623157e308)
		perplexity = (long double)INFINITY;
	check_scalar(eval, batch, "perplexity", perplexity, perplexity * (1 + mean));
}

static void check_batch(struct batch *batch)
{
	static const char *const outputs[] = {"rank",       "correct", "entropy", "accuracy",
					      "perplexity", "ece",     NULL};
	struct expected expected = {0};
	long double *x = batch_array(batch, long double, batch->classes);
	struct eval eval;
	batch_eval(&eval, batch, "cross_entropy", outputs);
	for (size_t r = 0; r < batch->rows; r++) {
		bool ignored = batch_ignored(batch, r);
		struct oracle_row row = {batch->classes, x};
		struct oracle_target target = {.ignored = ignored,
					       .index = ignored ? 0 : (size_t)batch->y[r]};
		batch_exact_row(batch, r, x);
		check_row(&eval, batch, &row, &target, r);
		expect_row(&expected, &row, &target);
	}
	check_scalars(&eval, batch, &expected);
	eval_end(&eval);
}

static struct batch draw_batch(struct random *random, loss_dtype dtype, const char *distribution)
{
	static const size_t classes[] = {1, 2, 3, 5, 10, 15, 16, 33, 64, 65, 100, 400};
	enum batch_layout layout = (enum batch_layout)random_below(random, BATCH_UNBATCHED);
	size_t sizes[3] = {1 + random_below(random, 40),
			   classes[random_below(random, sizeof(classes) / sizeof(classes[0]))],
			   layout == BATCH_ROWS ? 1 : 1 + random_below(random, 4)};
	struct batch batch = batch_make(random, dtype, distribution, layout, sizes);
	batch_ignore(&batch, random, random_chance(random, 0.05) ? 1 : 0.1);
	return batch;
}

static void predictions_are_judged(void **state)
{
	struct random random = random_start(0x0075);
	(void)state;
	for (size_t i = 0; i < random_cases(40); i++) {
		for (size_t d = 0; batch_distribution(d) != NULL; d++) {
			struct batch batch =
				draw_batch(&random, dtypes[i % 2], batch_distribution(d));
			batch.reduction = "mean";
			if (random_chance(&random, 0.3))
				batch_add_weight(&batch, &random, true);
			if (random_chance(&random, 0.3))
				batch.smoothing = 0.2;
			check_batch(&batch);
			batch_free(&batch);
		}
	}
}

/* Probabilities of 1/C: for 3, 5 and 15 classes the end of a bin, which belongs to it. */
static void bins_hold_their_upper_ends(void **state)
{
	static const size_t classes[] = {1, 3, 5, 15};
	struct random random = random_start(0xb175);
	(void)state;
	for (size_t i = 0; i < 8; i++) {
		size_t sizes[3] = {50, classes[i / 2], 1};
		struct batch batch = batch_make(&random, dtypes[i % 2], "equal", BATCH_ROWS, sizes);
		batch.reduction = "mean";
		/* Wrong on the end, right a little above it: in one bin they would cancel. */
		for (size_t r = 0; r < batch.rows; r++) {
			batch.y[r] = r % 2 == 0 ? (int64_t)batch.classes - 1 : 0;
			if (r % 2 == 1)
				batch.x[r * batch.classes] += 0.125;
			if (r % 2 == 1 && batch.dtype == LOSS_F32)
				batch.x[r * batch.classes] =
					(double)(float)batch.x[r * batch.classes];
		}
		check_batch(&batch);
		batch_free(&batch);
	}
}

/* ---------------------------------------------------------------- what else is asked for */

static void run(struct eval *eval, const struct batch *batch, double z_loss,
		const char *const *outputs)
{
	batch_start(eval, batch, "cross_entropy");
	if (z_loss > 0)
		eval_number(eval, "z_loss", z_loss);
	eval_outputs(eval, outputs);
	eval_run(eval, 1);
}

static void the_loss_does_not_depend_on_other_outputs(void **state)
{
	static const char *const alone[] = {"loss", "grad", NULL};
	static const char *const all[] = {"ece",  "perplexity", "rank", "z_loss", "entropy",
					  "loss", "log_probs",  "grad", "lse",    NULL};
	struct random random = random_start(0xa10e);
	(void)state;
	for (size_t i = 0; i < random_cases(300); i++) {
		struct batch batch = draw_batch(&random, dtypes[i % 3 == 0], "wide");
		struct eval a, b;
		batch.reduction = i % 2 == 0 ? "none" : "mean";
		double z_loss = i % 4 < 2 ? 0 : 0.01;
		run(&a, &batch, z_loss, alone);
		run(&b, &batch, z_loss, all);
		require(eval_same_bits(eval_output(&a, "loss"), eval_output(&b, "loss")),
			"case %zu: the loss changes", i);
		require(eval_same_bits(eval_output(&a, "grad"), eval_output(&b, "grad")),
			"case %zu: the gradient changes", i);
		require(memcmp(&a.result.totals, &b.result.totals, sizeof(a.result.totals)) == 0,
			"case %zu: the totals change", i);
		eval_end(&a);
		eval_end(&b);
		batch_free(&batch);
	}
}

/* ---------------------------------------------------------------- shift */

/* The batch's targets moved to the row before, the last row of each sequence ignored. */
static struct batch shifted_by_hand(struct batch *batch)
{
	struct batch shifted = *batch;
	shifted.y = batch_array(batch, int64_t, batch->rows);
	for (size_t r = 0; r < batch->rows; r++) {
		bool last = r % batch->inner == batch->inner - 1;
		shifted.y[r] = last ? batch->ignore_index : batch->y[r + 1];
	}
	return shifted;
}

static void check_same(const struct eval *a, const struct eval *b, const char *const *outputs)
{
	for (size_t i = 0; outputs[i] != NULL; i++)
		require(eval_same_bits(eval_output(a, outputs[i]), eval_output(b, outputs[i])),
			"%s is not that of targets shifted by hand", outputs[i]);
	require(memcmp(&a->result.totals, &b->result.totals, sizeof(a->result.totals)) == 0,
		"the totals are not those of targets shifted by hand");
}

static void shift_scores_against_the_next_target(void **state)
{
	static const char *const outputs[] = {"loss",     "grad",       "z_loss", "rank", "correct",
					      "accuracy", "perplexity", "ece",    NULL};
	static const loss_dtype integers[] = {LOSS_I64, LOSS_I32, LOSS_I16};
	struct random random = random_start(0x5417);
	(void)state;
	for (size_t i = 0; i < random_cases(200); i++) {
		size_t sizes[3] = {1 + random_below(&random, 5), 1 + random_below(&random, 90),
				   1 + random_below(&random, 20)};
		struct batch batch =
			batch_make(&random, dtypes[i % 2], "normal", BATCH_LAST, sizes);
		batch_ignore(&batch, &random, 0.2);
		batch.index_dtype = integers[i % 3];
		batch.reduction = i % 3 == 0 ? "none" : i % 3 == 1 ? "mean" : "sum";
		batch.smoothing = i % 5 == 0 ? 0.1 : 0;
		for (size_t b = 0; b < batch.n; b++) /* neither used nor checked */
			batch.y[b * batch.inner] = -7;
		if (random_chance(&random, 0.5))
			batch_add_weight(&batch, &random, true);
		struct batch by_hand = shifted_by_hand(&batch);
		struct eval a, b;
		batch_start(&a, &batch, "cross_entropy");
		eval_boolean(&a, "shift", true);
		eval_outputs(&a, outputs);
		eval_run(&a, 1);
		batch_eval(&b, &by_hand, "cross_entropy", outputs);
		check_same(&a, &b, outputs);
		eval_end(&a);
		eval_end(&b);
		batch_free(&batch);
	}
}

/* Probabilities: every row but the last of a sequence against the next, D = B (T - 1). */
static void shifted_probabilities(void **state)
{
	static const char *const outputs[] = {"loss", "grad", NULL};
	struct random random = random_start(0x5418);
	(void)state;
	for (size_t i = 0; i < random_cases(60); i++) {
		size_t sizes[3] = {3, 1 + random_below(&random, 20), 1 + random_below(&random, 6)};
		struct batch batch =
			batch_make(&random, dtypes[i % 2], "normal", BATCH_LAST, sizes);
		size_t classes = batch.classes;
		batch_add_probabilities(&batch, &random);
		struct batch by_hand = batch;
		by_hand.t = batch_array(&batch, double, (batch.rows * classes));
		for (size_t r = 0; r + 1 < batch.rows; r++)
			memcpy(by_hand.t + r * classes, batch.t + (r + 1) * classes,
			       classes * sizeof(double));
		struct eval a, b;
		batch_start(&a, &batch, "cross_entropy");
		eval_boolean(&a, "shift", true);
		eval_outputs(&a, outputs);
		eval_run(&a, 1);
		batch_eval(&b, &by_hand, "cross_entropy", outputs);
		for (size_t r = 0; r < batch.rows; r++) {
			bool last = r % batch.inner == batch.inner - 1;
			double got = eval_value(eval_output(&a, "loss"), r);
			double expected = eval_value(eval_output(&b, "loss"), r);
			require(got == (last ? 0 : expected), "loss of row %zu is %g", r, got);
			for (size_t c = 0; c < classes; c++) {
				got = eval_value(eval_output(&a, "grad"), r * classes + c);
				expected = eval_value(eval_output(&b, "grad"), r * classes + c);
				require(got == (last ? 0 : expected), "grad of row %zu is %g", r,
					got);
			}
		}
		require(a.result.totals.counted == batch.n * (batch.inner - 1) &&
				a.result.totals.denominator ==
					(double)(batch.n * (batch.inner - 1)),
			"%zu rows count", a.result.totals.counted);
		eval_end(&a);
		eval_end(&b);
		batch_free(&batch);
	}
}

static int report(void **state)
{
	(void)state;
	ulp_report("outputs");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(predictions_are_judged),
		cmocka_unit_test(bins_hold_their_upper_ends),
		cmocka_unit_test(the_loss_does_not_depend_on_other_outputs),
		cmocka_unit_test(shift_scores_against_the_next_target),
		cmocka_unit_test(shifted_probabilities),
	};
	if (!ORACLE_IS_PRECISE)
		return skip_all("long double is no wider than double here");
	return cmocka_run_group_tests(tests, NULL, report);
}
