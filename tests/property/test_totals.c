/* Reductions: their precision, and that batches add up however a data set is split. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "../support/batch.h"
#include "../support/ulp.h"
#include "kernel/oracle.h"

static const char *const loss_only[] = {"loss", NULL};
static const loss_dtype dtypes[] = {LOSS_F32, LOSS_F64};

/* Index targets with weights, smoothing and ignored rows, or probabilities, by chance. */
static struct batch draw_batch(struct random *random, loss_dtype dtype, size_t rows)
{
	static const char *const names[] = {"normal", "wide", "offset", "confident", "scattered"};
	size_t sizes[3] = {rows, 1 + random_below(random, 20), 1};
	struct batch batch =
		batch_make(random, dtype, names[random_below(random, 5)], BATCH_ROWS, sizes);
	if (random_chance(random, 0.25))
		batch_add_probabilities(&batch, random);
	else
		batch_ignore(&batch, random, 0.2);
	if (random_chance(random, 0.5))
		batch_add_weight(&batch, random, false);
	if (random_chance(random, 0.25))
		batch.smoothing = random_uniform(random, 0, 1);
	return batch;
}

static double reduce(const struct batch *batch, const char *reduction, struct loss_totals *totals)
{
	struct batch whole = *batch;
	struct eval eval;
	whole.reduction = reduction;
	batch_eval(&eval, &whole, "cross_entropy", loss_only);
	double loss = eval_value(eval_output(&eval, "loss"), 0);
	*totals = eval.result.totals;
	eval_end(&eval);
	return loss;
}

static void require_near(const struct batch *batch, const char *what, loss_dtype dtype, double got,
			 long double exact)
{
	long double error = ulp_error(dtype, got, exact);
	ulp_note(what, batch->dtype, batch->distribution, error);
	require(error <= 1, "%s (%s, %zu rows of %s): %.17g is %Lg ulp from %.20Lg", what,
		loss_dtype_info(batch->dtype)->name, batch->rows, batch->distribution, got, error,
		exact);
}

/* What the rows add up to, by themselves. */
struct parts {
	long double sum, denominator;
	long double room; /* how far the sum may be off, for the rows' rounding */
};

/*
 * F64: a row's loss and denominator are read, unrounded, from the totals of the row alone. F32:
 * losses have the precision of float32, and which way a kernel takes depends on the shape, so they
 * are those of reduction none, each of which is half an ulp away from what is added up.
 */
static struct parts add_rows(const struct batch *batch)
{
	struct oracle_sum sum = {0}, denominator = {0};
	struct parts parts = {.room = 0};
	struct eval whole, single;
	batch_eval(&whole, batch, "cross_entropy", loss_only);
	for (size_t r = 0; r < batch->rows; r++) {
		struct batch slice = batch_slice(batch, r, 1);
		double loss = eval_value(eval_output(&whole, "loss"), r);
		batch_eval(&single, &slice, "cross_entropy", loss_only);
		oracle_add(&denominator, (long double)single.result.totals.denominator);
		if (batch->dtype == LOSS_F64)
			loss = single.result.totals.loss_sum;
		else
			parts.room += ulp_of(LOSS_F32, (long double)loss) / 2;
		oracle_add(&sum, (long double)loss);
		eval_end(&single);
	}
	eval_end(&whole);
	parts.sum = oracle_total(&sum);
	parts.denominator = oracle_total(&denominator);
	return parts;
}

/* The sum of all is the sum of the rows, and mean and sum are made of it with one rounding. */
static void reductions_are_exact(void **state)
{
	struct random random = random_start(0x70a1);
	(void)state;
	for (size_t i = 0; i < random_cases(80); i++) {
		struct batch batch =
			draw_batch(&random, dtypes[i % 2], 1 + random_below(&random, 200));
		struct parts parts = add_rows(&batch);
		struct loss_totals totals;
		double sum = reduce(&batch, "sum", &totals), mean = reduce(&batch, "mean", &totals);
		long double exact =
			batch.dtype == LOSS_F64 ? parts.sum : (long double)totals.loss_sum;
		long double divisor = parts.denominator;
		require(fabsl((long double)totals.loss_sum - parts.sum) <=
				parts.room + ulp_of(LOSS_F64, parts.sum),
			"totals, sum (%s, %zu rows of %s): %.17g is not %.20Lg",
			loss_dtype_info(batch.dtype)->name, batch.rows, batch.distribution,
			totals.loss_sum, parts.sum);
		require_near(&batch, "sum", batch.dtype, sum, exact);
		require_near(&batch, "mean", batch.dtype, mean,
			     divisor == 0 ? (long double)NAN : exact / divisor);
		require_near(&batch, "totals, denominator", LOSS_F64, totals.denominator, divisor);
		batch_free(&batch);
	}
}

/*
 * A hundred thousand equal losses: a running sum in the type itself would be far off, and one in
 * float64 would drift. The sum of 64 of them is 64 times one, exactly.
 */
static void long_sums_do_not_drift(void **state)
{
	struct random random = random_start(0x70a2);
	size_t sizes[3] = {random_cases(100000), 2, 1};
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct batch batch = batch_make(&random, dtypes[i], "normal", BATCH_ROWS, sizes);
		struct loss_totals few, totals;
		for (size_t r = 0; r < batch.rows; r++) {
			batch.x[2 * r] = batch.x[0];
			batch.x[2 * r + 1] = batch.x[1];
			batch.y[r] = 0;
		}
		struct batch start = batch_slice(&batch, 0, 64);
		reduce(&start, "sum", &few);
		long double single = (long double)few.loss_sum / 64;
		double mean = reduce(&batch, "mean", &totals);
		require(single > 0, "the rows have no loss");
		require_near(&batch, "mean of equals", batch.dtype, mean, single);
		require_near(&batch, "sum of equals", LOSS_F64, totals.loss_sum,
			     single * (long double)batch.rows);
		batch_free(&batch);
	}
}

/* Adds up the totals of the parts of a random split, as a caller does: in plain double. */
static size_t add_parts(const struct batch *batch, struct random *random, struct loss_totals *sum)
{
	size_t parts = 0;
	for (size_t first = 0, n; first < batch->rows; first += n, parts++) {
		struct loss_totals part;
		n = 1 + random_below(random, batch->rows - first);
		struct batch slice = batch_slice(batch, first, n);
		reduce(&slice, random_chance(random, 0.5) ? "mean" : "sum", &part);
		sum->loss_sum += part.loss_sum;
		sum->denominator += part.denominator;
		sum->rows += part.rows;
		sum->counted += part.counted;
		sum->ignored += part.ignored;
	}
	return parts;
}

/* The ratio of the sums is the mean of the whole: to one rounding in F32, to k + 1 in F64 over k
 * parts. */
static void splits_add_up(void **state)
{
	struct random random = random_start(0x70a3);
	(void)state;
	for (size_t i = 0; i < random_cases(300); i++) {
		struct batch batch =
			draw_batch(&random, dtypes[i % 2], 1 + random_below(&random, 300));
		struct loss_totals sum = {0}, whole;
		double mean = reduce(&batch, "mean", &whole);
		size_t parts = add_parts(&batch, &random, &sum);
		bool single = batch.dtype == LOSS_F32;
		assert_int_equal(sum.rows, whole.rows);
		assert_int_equal(sum.counted, whole.counted);
		assert_int_equal(sum.ignored, whole.ignored);
		long double error =
			ulp_error(batch.dtype, mean,
				  (long double)sum.loss_sum / (long double)sum.denominator);
		require(error <= (single ? 1 : (long double)(parts + 1)),
			"%zu parts: the mean is %Lg ulp from the parts' (%s)", parts, error,
			batch.distribution);
		batch_free(&batch);
	}
}

/* Every reduction says the same as none; the denominator argument replaces the natural one, in the
 * mean only. */
static void reductions_agree_with_none(void **state)
{
	struct random random = random_start(0x70a4);
	(void)state;
	for (size_t i = 0; i < random_cases(200); i++) {
		struct batch batch =
			draw_batch(&random, dtypes[i % 2], 1 + random_below(&random, 50));
		struct oracle_sum sum = {0};
		struct loss_totals totals;
		struct eval eval;
		batch_eval(&eval, &batch, "cross_entropy", loss_only);
		for (size_t r = 0; r < batch.rows; r++)
			oracle_add(&sum, (long double)eval_value(eval_output(&eval, "loss"), r));
		totals = eval.result.totals;
		eval_end(&eval);
		long double exact = oracle_total(&sum), natural = (long double)totals.denominator;
		batch.denominator = random_uniform(&random, 0.5, 1000);
		double mean = reduce(&batch, "mean", &totals);
		long double expected = exact / (long double)batch.denominator;
		require(ulp_error(batch.dtype, mean, expected) <= 2, "mean over a denominator: %Lg",
			ulp_error(batch.dtype, mean, expected));
		require((long double)totals.denominator == natural, "totals carry the argument");
		require(ulp_error(batch.dtype, reduce(&batch, "sum", &totals), exact) <= 2,
			"sum: %.17g is not %.17Lg", reduce(&batch, "sum", &totals), exact);
		batch_free(&batch);
	}
}

/* accuracy is the share of correct rows among the counted ones, whatever the weights. */
static void accuracy_counts_correct_rows(void **state)
{
	static const char *const outputs[] = {"accuracy", "correct", NULL};
	struct random random = random_start(0x70a5);
	(void)state;
	for (size_t i = 0; i < random_cases(100); i++) {
		size_t sizes[3] = {1 + random_below(&random, 40), 5, 2};
		struct batch batch =
			batch_make(&random, dtypes[i % 2], i % 3 == 0 ? "ties" : "poisoned",
				   BATCH_INNER, sizes);
		struct eval eval;
		size_t right = 0;
		batch_ignore(&batch, &random, i % 7 == 0 ? 1 : 0.3);
		batch_add_weight(&batch, &random, true);
		batch_eval(&eval, &batch, "cross_entropy", outputs);
		for (size_t r = 0; r < batch.rows; r++)
			right += eval_index(eval_output(&eval, "correct"), r) != 0;
		const struct loss_tensor *accuracy = eval_output(&eval, "accuracy");
		double counted = (double)eval.result.totals.counted;
		assert_int_equal(accuracy->dtype, LOSS_F64);
		assert_int_equal(accuracy->rank, 0);
		if (counted == 0)
			require(isnan(eval_value(accuracy, 0)), "accuracy of no rows");
		else
			require(eval_value(accuracy, 0) == (double)right / counted,
				"accuracy %g of %zu right of %g", eval_value(accuracy, 0), right,
				counted);
		eval_end(&eval);
		batch_free(&batch);
	}
}

static int report(void **state)
{
	(void)state;
	ulp_report("reductions");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reductions_are_exact),
		cmocka_unit_test(long_sums_do_not_drift),
		cmocka_unit_test(splits_add_up),
		cmocka_unit_test(reductions_agree_with_none),
		cmocka_unit_test(accuracy_counts_correct_rows),
	};
	return cmocka_run_group_tests(tests, NULL, report);
}
