/* cross_entropy against the oracle, to the last bits: every output, distribution, layout and kind
 * of target. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "../support/batch.h"
#include "../support/ulp.h"
#include "kernel/oracle.h"

static const loss_dtype dtypes[] = {LOSS_F32,  LOSS_F64,     LOSS_F16,
				    LOSS_BF16, LOSS_F8_E4M3, LOSS_F8_E5M2};

/* One kind of batch: what is in it, and what its errors are noted under. */
struct kind {
	const char *loss_name, *grad_name;
	bool probabilities, smoothed;
	size_t cases;
};

static const struct kind kinds[] = {
	{"loss, index", "grad, index", false, false, 60},
	{"loss, smoothed", "grad, smoothed", false, true, 25},
	{"loss, probabilities", "grad, probabilities", true, false, 25},
	{"loss, smoothed probabilities", "grad, smoothed probabilities", true, true, 15},
};

/* Ulps that a loss may be off: index targets 2 (F64 4), all others 4. */
static long double loss_limit(const struct kind *kind, loss_dtype dtype)
{
	return dtype != LOSS_F64 && !kind->probabilities && !kind->smoothed ? 2 : 4;
}

static void check(const struct batch *batch, const char *what, size_t row, long double error,
		  long double limit)
{
	ulp_note(what, batch->dtype, batch->distribution, error);
	require(error <= limit,
		"%s of row %zu (%zu classes, layout %d, %s, %s): off by %Lg ulp, "
		"%Lg allowed",
		what, row, batch->classes, (int)batch->layout, loss_dtype_info(batch->dtype)->name,
		batch->distribution, error, limit);
}

/* A row of the batch as the oracle takes it, with room for its gradient. */
struct exact_row {
	struct oracle_row row;
	struct oracle_target target;
	long double *x, *weight, *probs, *grad, *largest;
};

static struct exact_row make_exact_row(struct batch *batch)
{
	struct exact_row exact = {.x = batch_array(batch, long double, batch->classes),
				  .weight = batch_array(batch, long double, batch->classes),
				  .probs = batch_array(batch, long double, batch->classes),
				  .grad = batch_array(batch, long double, batch->classes),
				  .largest = batch_array(batch, long double, batch->classes)};
	exact.row = (struct oracle_row){batch->classes, exact.x};
	exact.target.smoothing = (long double)batch->smoothing;
	if (batch->weight != NULL)
		exact.target.weight = exact.weight;
	if (batch->t != NULL)
		exact.target.probs = exact.probs;
	return exact;
}

static void load_exact_row(struct exact_row *exact, const struct batch *batch, size_t row)
{
	batch_exact_row(batch, row, exact->x);
	exact->target.ignored = batch_ignored(batch, row);
	exact->target.index = exact->target.ignored ? 0 : (size_t)batch->y[row];
	for (size_t c = 0; c < batch->classes; c++) {
		if (batch->weight != NULL)
			exact->weight[c] = (long double)batch->weight[c];
		if (batch->t != NULL)
			exact->probs[c] = (long double)batch->t[row * batch->classes + c];
	}
}

static void check_grad(const struct eval *eval, const struct batch *batch, const struct kind *kind,
		       struct exact_row *exact, size_t row)
{
	const struct loss_tensor *grad = eval_output(eval, "grad");
	long double worst = 0;
	oracle_cross_entropy_grad(&exact->row, &exact->target, exact->grad, exact->largest);
	for (size_t c = 0; c < batch->classes; c++) {
		double got = eval_value(grad, batch_place(batch, row, c));
		long double error = ulp_error_floored(batch_result_dtype(batch->dtype), got,
						      exact->grad[c], exact->largest[c]);
		worst = error > worst ? error : worst;
	}
	check(batch, kind->grad_name, row, worst, 4);
}

static void check_log_probs(const struct eval *eval, const struct batch *batch,
			    const struct exact_row *exact, size_t row)
{
	const struct loss_tensor *log_probs = eval_output(eval, "log_probs");
	const struct loss_tensor *probs = eval_output(eval, "probs");
	struct oracle_softmax softmax = oracle_softmax_row(&exact->row);
	long double worst_log = 0, worst = 0;
	for (size_t c = 0; c < batch->classes; c++) {
		size_t place = batch_place(batch, row, c);
		long double log_p = -oracle_surprise(&exact->row, &softmax, c);
		long double p = oracle_prob(&exact->row, &softmax, c);
		long double log_error = ulp_error(batch_result_dtype(batch->dtype),
						  eval_value(log_probs, place), log_p);
		long double error = ulp_error_floored(batch_result_dtype(batch->dtype),
						      eval_value(probs, place), p, p);
		worst_log = log_error > worst_log ? log_error : worst_log;
		worst = error > worst ? error : worst;
	}
	check(batch, "log_probs", row, worst_log, batch->dtype == LOSS_F64 ? 4 : 2);
	check(batch, "probs", row, worst, 4);
}

static void check_row_outputs(const struct eval *eval, const struct batch *batch,
			      const struct exact_row *exact, size_t row)
{
	struct oracle_softmax softmax = oracle_softmax_row(&exact->row);
	long double scale = fmaxl(fabsl(softmax.max), softmax.tail);
	check(batch, "lse", row,
	      ulp_error_scaled(batch_result_dtype(batch->dtype),
			       eval_value(eval_output(eval, "lse"), row), softmax.lse, scale),
	      batch->dtype == LOSS_F64 ? 4 : 2);
	require(eval_index(eval_output(eval, "predicted"), row) == (int64_t)softmax.predicted,
		"predicted of row %zu (%s) is %lld, not %zu", row, batch->distribution,
		(long long)eval_index(eval_output(eval, "predicted"), row), softmax.predicted);
	if (batch->t == NULL)
		require((eval_index(eval_output(eval, "correct"), row) != 0) ==
				oracle_cross_entropy_correct(&exact->row, &exact->target),
			"correct of row %zu (%s) is wrong", row, batch->distribution);
}

/* Every output of every row, with reduction none. */
static void check_rows(struct batch *batch, const struct kind *kind)
{
	const char *outputs[] = {"loss",
				 "grad",
				 "log_probs",
				 "probs",
				 "lse",
				 "predicted",
				 batch->t == NULL ? "correct" : NULL,
				 NULL};
	struct batch_exact losses = batch_exact_losses(batch);
	struct exact_row exact = make_exact_row(batch);
	struct eval eval;
	batch_eval(&eval, batch, "cross_entropy", outputs);
	for (size_t r = 0; r < batch->rows; r++) {
		load_exact_row(&exact, batch, r);
		exact.target.scale = batch_exact_scale(batch, &losses, r);
		check(batch, kind->loss_name, r,
		      ulp_error(batch_result_dtype(batch->dtype),
				eval_value(eval_output(&eval, "loss"), r), losses.loss[r]),
		      loss_limit(kind, batch->dtype));
		check_grad(&eval, batch, kind, &exact, r);
		check_log_probs(&eval, batch, &exact, r);
		check_row_outputs(&eval, batch, &exact, r);
	}
	eval_end(&eval);
}

/* The reduced loss (its rows' error and one ulp more), its gradient, and the totals. */
static void check_reduced(struct batch *batch, const struct kind *kind, const char *reduction)
{
	static const char *const outputs[] = {"loss", "grad", NULL};
	struct batch_exact losses = batch_exact_losses(batch);
	struct exact_row exact = make_exact_row(batch);
	bool mean = strcmp(reduction, "mean") == 0;
	struct eval eval;
	batch->reduction = reduction;
	batch_eval(&eval, batch, "cross_entropy", outputs);
	long double expected = mean ? losses.sum / losses.denominator : losses.sum;
	if (ulp_of(LOSS_F64, losses.sum) == (long double)INFINITY)
		expected = losses.sum; /* a sum too large for float64 has no mean */
	if (losses.denominator == 0 && mean)
		expected = (long double)NAN;
	check(batch, mean ? "loss, mean" : "loss, sum", 0,
	      ulp_error(batch_result_dtype(batch->dtype), eval_value(eval_output(&eval, "loss"), 0),
			expected),
	      loss_limit(kind, batch->dtype) + 1 + batch_underflow_slack(batch, &losses, expected));
	for (size_t r = 0; r < batch->rows; r++) {
		load_exact_row(&exact, batch, r);
		exact.target.scale = batch_exact_scale(batch, &losses, r);
		check_grad(&eval, batch, kind, &exact, r);
	}
	require(eval.result.totals.counted == losses.counted &&
			eval.result.totals.rows == batch->rows,
		"totals count %zu of %zu rows, not %zu of %zu", eval.result.totals.counted,
		eval.result.totals.rows, losses.counted, batch->rows);
	eval_end(&eval);
}

static const size_t class_counts[] = {1,  2,  3,  4,  5,  7,  8,  9,   15,  16,  17,
				      24, 31, 32, 33, 63, 64, 65, 100, 127, 257, 1000};
#define N_CLASS_COUNTS (sizeof(class_counts) / sizeof(class_counts[0]))

static void decorate(struct batch *batch, struct random *random, const struct kind *kind)
{
	if (kind->probabilities)
		batch_add_probabilities(batch, random);
	else
		batch_ignore(batch, random, 0.1);
	if (kind->smoothed)
		batch->smoothing = random_chance(random, 0.1) ? 1 : random_uniform(random, 0, 0.5);
	if (random_chance(random, 0.5))
		batch_add_weight(batch, random, true);
}

static void check_case(struct random *random, loss_dtype dtype, const char *distribution,
		       const struct kind *kind)
{
	enum batch_layout layout = (enum batch_layout)random_below(random, BATCH_N_LAYOUTS);
	bool one = layout == BATCH_UNBATCHED;
	size_t sizes[3] = {one ? 1 : 1 + random_below(random, 6),
			   class_counts[random_below(random, N_CLASS_COUNTS)],
			   one || layout == BATCH_ROWS ? 1 : 1 + random_below(random, 5)};
	struct batch batch = batch_make(random, dtype, distribution, layout, sizes);
	decorate(&batch, random, kind);
	if (random_chance(random, 0.5))
		batch_add_grad_output(&batch, random, batch.rows);
	check_rows(&batch, kind);
	batch.grad_output = NULL;
	if (random_chance(random, 0.3))
		batch_add_grad_output(&batch, random, 1);
	check_reduced(&batch, kind, "mean");
	check_reduced(&batch, kind, "sum");
	batch_free(&batch);
}

static void check_kind(const struct kind *kind)
{
	struct random random = random_start(0x10c3a55e5u + (uint64_t)(kind - kinds));
	for (size_t i = 0; i < random_cases(kind->cases); i++)
		for (size_t d = 0; batch_distribution(d) != NULL; d++)
			for (size_t t = 0; t < 3; t++) /* the narrow ones in turn */
				check_case(&random, dtypes[t < 2 ? t : 2 + (i + d) % 4],
					   batch_distribution(d), kind);
}

static void index_targets(void **state)
{
	(void)state;
	check_kind(&kinds[0]);
}

static void smoothed_index_targets(void **state)
{
	(void)state;
	check_kind(&kinds[1]);
}

static void probability_targets(void **state)
{
	(void)state;
	check_kind(&kinds[2]);
}

static void smoothed_probability_targets(void **state)
{
	(void)state;
	check_kind(&kinds[3]);
}

/* A vocabulary's worth of classes: where sums in the type itself drift. */
static void many_classes(void **state)
{
	static const char *const names[] = {"normal", "offset", "confident", "equal", "wide"};
	static const size_t counts[] = {5000, 32000, 50257, 300000};
	struct random random = random_start(0xb16);
	(void)state;
	for (size_t i = 0; i < random_cases(4); i++) {
		for (size_t d = 0; d < sizeof(names) / sizeof(names[0]); d++) {
			size_t sizes[3] = {1, counts[i], i < 2 ? 2 : 1};
			const struct kind *kind = &kinds[(i + d) % 4];
			struct batch batch =
				batch_make(&random, dtypes[(i + d) % 6], names[d],
					   i % 2 == 0 ? BATCH_INNER : BATCH_LAST, sizes);
			decorate(&batch, &random, kind);
			check_rows(&batch, kind);
			batch_free(&batch);
		}
	}
}

/*
 * Two classes at every gap up to where the loss leaves the type's subnormals: the loss of the
 * leading class is log1p(exp(-gap)), and nothing may round it to zero before its time.
 */
static void confident_pairs(void **state)
{
	struct random random = random_start(0xc0f);
	(void)state;
	for (size_t t = 0; t < 6; t++) {
		double last = t == 1 ? 746 : 104, step = t == 1 ? 2.96 : 0.37;
		size_t n = (size_t)(last / step), sizes[3] = {n, 2, 1};
		struct batch batch = batch_make(&random, dtypes[t], "normal", BATCH_ROWS, sizes);
		batch.distribution = "pairs";
		for (size_t r = 0; r < n; r++) {
			double gap = step * (double)r;
			batch.x[2 * r] = batch_rounded(dtypes[t], gap);
			batch.x[2 * r + 1] = 0;
			batch.y[r] = r % 3 == 2;
		}
		check_rows(&batch, &kinds[0]);
		batch_free(&batch);
	}
}

/* Weights of the whole range of magnitudes scale the loss without costing it digits. */
static void tiny_weights(void **state)
{
	struct random random = random_start(0x3e1);
	(void)state;
	for (size_t i = 0; i < random_cases(40); i++) {
		size_t sizes[3] = {4, 10, 1};
		struct batch batch =
			batch_make(&random, dtypes[i % 4], "normal", BATCH_ROWS, sizes);
		batch_add_weight(&batch, &random, false);
		for (size_t c = 0; c < 10; c++)
			batch.weight[c] =
				batch_rounded(batch.dtype, ldexp(batch.weight[c],
								 -(int)random_below(&random, 60)));
		batch.distribution = "tiny weights";
		check_rows(&batch, &kinds[0]);
		check_reduced(&batch, &kinds[0], "mean");
		batch_free(&batch);
	}
}

/* log1p(exp(-gap)) is a subnormal of few bits here, or none; the loss, with the weight, is more. */
static void large_weights_of_subnormal_losses(void **state)
{
	struct random random = random_start(0x5b0);
	size_t sizes[3] = {60, 2, 1};
	(void)state;
	for (size_t probabilities = 0; probabilities < 2; probabilities++) {
		struct batch batch = batch_make(&random, LOSS_F64, "normal", BATCH_ROWS, sizes);
		batch_add_weight(&batch, &random, false);
		if (probabilities)
			batch_add_probabilities(&batch, &random);
		batch.distribution = "subnormal tails";
		batch.weight[0] = 1.7e10;
		for (size_t r = 0; r < sizes[0]; r++) {
			batch.x[2 * r] = 690 + 1.7 * (double)r;
			batch.x[2 * r + 1] = 0;
			if (!probabilities)
				batch.y[r] = 0;
			else
				memcpy(&batch.t[2 * r], (const double[]){1, 0}, 2 * sizeof(double));
		}
		check_rows(&batch, &kinds[2 * probabilities]);
		batch_free(&batch);
	}
}

static int report(void **state)
{
	(void)state;
	ulp_report("cross_entropy");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(index_targets),
		cmocka_unit_test(smoothed_index_targets),
		cmocka_unit_test(probability_targets),
		cmocka_unit_test(smoothed_probability_targets),
		cmocka_unit_test(many_classes),
		cmocka_unit_test(confident_pairs),
		cmocka_unit_test(tiny_weights),
		cmocka_unit_test(large_weights_of_subnormal_losses),
	};
	if (!ORACLE_IS_PRECISE)
		return skip_all("long double is no wider than double here");
	return cmocka_run_group_tests(tests, NULL, report);
}
