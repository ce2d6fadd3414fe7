/*
 * loss_quantiles: the order statistics of what the rows come to alone, bit for bit, in any layout
 * and type, by any number of threads, whole or as the rows arrive. The oracle sorts the losses of
 * rows that are evaluated one by one.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../support/eval.h"
#include "../support/random.h"

#define MOST_CLASSES 40

static const loss_dtype floats[] = {LOSS_F32,  LOSS_F64,     LOSS_F16,
				    LOSS_BF16, LOSS_F8_E4M3, LOSS_F8_E5M2};
static const double fractions[LOSS_N_QUANTILES] = {0,   0.001, 0.01, 0.05,  0.1, 0.5,
						   0.9, 0.95,  0.99, 0.999, 1};

struct rows {
	loss_dtype dtype;
	bool weighted, masked, smooth, zs; /* zs: z_loss */
	size_t n, classes;
	double *x, *row_weight, weight[MOST_CLASSES];
	int64_t *y, *mask;
};

static void *alloc(size_t n)
{
	void *memory = calloc(n + 1, 8);
	assert_non_null(memory);
	return memory;
}

static void free_rows(struct rows *rows)
{
	free(rows->x);
	free(rows->row_weight);
	free(rows->y);
	free(rows->mask);
}

/* Of all kinds: many losses that are the same, few classes, infinite ones, and sometimes a NaN. */
static struct rows draw(struct random *random, size_t n)
{
	double steps = random_chance(random, 0.3) ? 1 : 1000;
	bool excludes = random_chance(random, 0.3), nan = random_chance(random, 0.1);
	struct rows rows = {
		.dtype = floats[random_below(random, 6)],
		.weighted = random_chance(random, 0.3),
		.masked = random_chance(random, 0.3),
		.smooth = random_chance(random, 0.2),
		.zs = random_chance(random, 0.2),
		.n = n,
		.classes = 1 + random_below(random, MOST_CLASSES),
		.x = alloc(n * MOST_CLASSES),
		.row_weight = alloc(n),
		.y = alloc(n),
		.mask = alloc(n),
	};
	for (size_t i = 0; i < n * rows.classes; i++)
		rows.x[i] = rint(random_uniform(random, -8, 8) * steps) / steps;
	for (size_t c = 0; c < rows.classes; c++)
		rows.weight[c] = random_uniform(random, -1, 3);
	for (size_t r = 0; r < n; r++) {
		rows.row_weight[r] = random_uniform(random, 0, 2);
		rows.y[r] = (int64_t)random_below(random, rows.classes);
		rows.mask[r] = random_chance(random, 0.9);
		if (excludes && random_chance(random, 0.05) && rows.classes > 1)
			rows.x[r * rows.classes + (size_t)rows.y[r]] = -HUGE_VAL;
		if (nan && random_chance(random, 0.01))
			rows.x[r * rows.classes] = (double)NAN;
		if (random_chance(random, 0.1))
			rows.y[r] = -100;
	}
	return rows;
}

static bool counts(const struct rows *rows, size_t r)
{
	return rows->y[r] >= 0 && !(rows->masked && rows->mask[r] == 0);
}

/* ---------------------------------------------------------------- the oracle */

static void set_arguments(struct eval *eval, const struct rows *rows)
{
	const size_t classes[] = {rows->classes};
	if (rows->weighted)
		eval_set(eval, "weight", eval_floats(eval, LOSS_F64, 1, classes, rows->weight));
	if (rows->smooth)
		eval_number(eval, "label_smoothing", 0.25);
	if (rows->zs)
		eval_number(eval, "z_loss", 0.5);
}

static double loss_alone(const struct rows *rows, size_t r)
{
	const size_t shape[] = {1, rows->classes};
	struct eval eval;
	eval_start(&eval, "cross_entropy");
	eval_set(&eval, "logits",
		 eval_floats(&eval, rows->dtype, 2, shape, rows->x + r * rows->classes));
	eval_set(&eval, "targets", eval_integers(&eval, LOSS_I64, 1, shape, &rows->y[r]));
	set_arguments(&eval, rows);
	eval_run(&eval, 1);
	double loss = eval.result.totals.loss_sum;
	eval_end(&eval);
	return loss;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double quantile(const double *ordered, size_t n, double fraction)
{
	double at = (double)(n - 1) * fraction;
	size_t i = (size_t)at;
	double t = at - (double)i, a = ordered[i], b = t > 0 ? ordered[i + 1] : a;
	if (t == 0)
		return a;
	if (isinf(a) || isinf(b))
		return isinf(b) ? b : a;
	return t < 0.5 ? a + (b - a) * t : b - (b - a) * (1 - t);
}

static void make_quantiles(const struct rows *rows, double *quantiles)
{
	double *losses = alloc(rows->n);
	size_t n = 0;
	bool nan = false;
	for (size_t r = 0; r < rows->n; r++) {
		if (!counts(rows, r))
			continue;
		losses[n] = loss_alone(rows, r);
		nan |= isnan(losses[n++]);
	}
	if (!nan)
		qsort(losses, n, sizeof *losses, compare);
	for (size_t i = 0; i < LOSS_N_QUANTILES; i++)
		quantiles[i] =
			n == 0 || nan ? (double)NAN : quantile(losses, n, fractions[i]) + 0.0;
	free(losses);
}

/* ---------------------------------------------------------------- evaluations */

/* Classes last where inner is 0, else so many neighbours each. */
static void start(struct eval *eval, const struct rows *rows, size_t inner, bool weigh)
{
	static const char *const some[] = {"loss_quantiles", NULL};
	static const char *const more[] = {"loss", "rank", "loss_quantiles", NULL};
	size_t batches = inner > 0 ? rows->n / inner : rows->n;
	size_t shape[] = {batches, rows->classes, inner}, places[] = {batches, inner};
	int rank = inner > 0 ? 3 : 2;
	eval_start(eval, "cross_entropy");
	double *x = eval_array(eval, double, rows->n * rows->classes);
	for (size_t r = 0; r < rows->n; r++)
		for (size_t c = 0; c < rows->classes; c++) {
			size_t at = inner > 0 ? (r / inner * rows->classes + c) * inner + r % inner
					      : r * rows->classes + c;
			x[at] = rows->x[r * rows->classes + c];
		}
	eval_set(eval, "logits", eval_floats(eval, rows->dtype, rank, shape, x));
	eval_set(eval, "targets", eval_integers(eval, LOSS_I64, rank - 1, places, rows->y));
	set_arguments(eval, rows);
	if (weigh)
		eval_set(eval, "row_weight",
			 eval_floats(eval, LOSS_F64, rank - 1, places, rows->row_weight));
	if (rows->masked) {
		struct loss_tensor mask =
			eval_integers(eval, LOSS_U8, rank - 1, places, rows->mask);
		mask.dtype = LOSS_BOOL;
		eval_set(eval, "mask", mask);
	}
	eval_outputs(eval, inner == 1 ? more : some);
}

static void require_bits(const struct eval *eval, const double *expected, const char *what)
{
	const struct loss_tensor *got = eval_output(eval, "loss_quantiles");
	assert_int_equal(got->dtype, LOSS_F64);
	assert_int_equal(got->rank, 1);
	assert_int_equal(got->shape[0], LOSS_N_QUANTILES);
	for (size_t i = 0; i < LOSS_N_QUANTILES; i++) {
		double value = eval_value(got, i);
		require(isnan(expected[i]) ? isnan(value)
					   : memcmp(&value, &expected[i], sizeof value) == 0,
			"%s: quantile %g is %.17g, not %.17g", what, fractions[i], value,
			expected[i]);
	}
}

static void run_streamed(struct eval *eval, struct random *random, const struct rows *rows)
{
	size_t size = loss_dtype_info(rows->dtype)->size, row_bytes = rows->classes * size;
	unsigned char *data = alloc(rows->n * rows->classes);
	for (size_t i = 0; i < rows->n * rows->classes; i++)
		loss_float_put(rows->dtype, data, i, rows->x[i]);
	loss_problem_set_data(eval->problem, 0, NULL);
	eval_plan(eval);
	assert_non_null(eval->plan);
	size_t block = loss_plan_block_rows(eval->plan);
	for (size_t row = 0, some; row < rows->n; row += some) {
		some = block * (1 + random_below(random, 3));
		some = some < rows->n - row ? some : rows->n - row;
		loss_plan_run_rows(eval->plan, row, some, data + row * row_bytes);
	}
	loss_plan_finish(eval->plan, &eval->result);
	free(data);
}

static void run_blocks(struct eval *eval)
{
	eval_plan(eval);
	for (size_t i = loss_plan_blocks(eval->plan); i > 0; i--)
		loss_plan_run_blocks(eval->plan, i - 1, 1);
	loss_plan_finish(eval->plan, &eval->result);
}

static void check(struct random *random, size_t n)
{
	static const size_t inners[] = {0, 1, 4, 20};
	double expected[LOSS_N_QUANTILES];
	struct rows rows = draw(random, n);
	struct eval eval;
	make_quantiles(&rows, expected);
	for (size_t i = 0; i < 4; i++) {
		if (inners[i] > 0 && n % inners[i] != 0)
			continue;
		start(&eval, &rows, inners[i], i % 2 == 1);
		eval_run(&eval, 1 + (int)random_below(random, 7));
		require_bits(&eval, expected, "whole");
		eval_end(&eval);
	}
	start(&eval, &rows, 0, true);
	run_blocks(&eval);
	require_bits(&eval, expected, "block by block");
	eval_end(&eval);
	if (n > 0) {
		start(&eval, &rows, 0, true);
		run_streamed(&eval, random, &rows);
		require_bits(&eval, expected, "as they arrive");
		eval_end(&eval);
	}
	free_rows(&rows);
}

static void quantiles_are_those_of_rows_alone(void **state)
{
	static const size_t sizes[] = {0, 1, 2, 3, 10, 11, 12, 20, 1000, 1001, 2000};
	struct random random = random_start(0x9a271);
	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		for (size_t k = 0; k < random_cases(6); k++)
			check(&random, sizes[i]);
	for (size_t i = 0; i < random_cases(20); i++)
		check(&random, random_below(&random, 300));
}

/* ---------------------------------------------------------------- shift */

/* Of sequences of three, the last row is not scored; the losses are those of the others. */
static void shifted_rows_are_left_out(void **state)
{
	const size_t shape[] = {2, 3, 2}, places[] = {2, 3};
	const double x[] = {0, 1, 0, 2, 9, 9, 0, 3, 0, 4, 9, 9};
	const int64_t y[] = {99, 0, 0, 99, 0, 0};
	const double weights[] = {-1, 5, 6, -1, 7, 8};
	static const char *const outputs[] = {"loss_quantiles", NULL};
	struct eval eval;
	(void)state;
	eval_start(&eval, "cross_entropy");
	eval_set(&eval, "logits", eval_floats(&eval, LOSS_F64, 3, shape, x));
	eval_set(&eval, "targets", eval_integers(&eval, LOSS_I64, 2, places, y));
	eval_set(&eval, "row_weight", eval_floats(&eval, LOSS_F64, 2, places, weights));
	eval_integer(&eval, "class_axis", -1);
	eval_boolean(&eval, "shift", true);
	eval_outputs(&eval, outputs);
	eval_run(&eval, 1);
	const struct loss_tensor *got = eval_output(&eval, "loss_quantiles");
	assert_true(fabs(eval_value(got, 0) - log1p(exp(1))) < 1e-15);
	assert_true(fabs(eval_value(got, 10) - log1p(exp(4))) < 1e-15);
	double middle = (log1p(exp(2)) + log1p(exp(3))) / 2;
	assert_true(fabs(eval_value(got, 5) - middle) < 1e-15);
	eval_end(&eval);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quantiles_are_those_of_rows_alone),
		cmocka_unit_test(shifted_rows_are_left_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
