/* softmax and log_softmax against the oracle: outputs and vector-Jacobian products. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "../support/batch.h"
#include "../support/ulp.h"
#include "kernel/oracle.h"

static const loss_dtype dtypes[] = {LOSS_F32, LOSS_F64,  LOSS_F16,     LOSS_F32,
				    LOSS_F64, LOSS_BF16, LOSS_F8_E4M3, LOSS_F8_E5M2};

typedef void grad_of(const struct oracle_row *row, const long double *g, long double *grad,
		     long double *largest);

struct family {
	const char *name, *output, *grad_name;
	grad_of *grad;
};

static const struct family softmax = {"softmax", "probs", "softmax, grad", oracle_softmax_grad};
static const struct family log_softmax = {"log_softmax", "log_probs", "log_softmax, grad",
					  oracle_log_softmax_grad};

static void check(const struct batch *batch, const char *what, size_t row, long double error,
		  long double limit)
{
	ulp_note(what, batch->dtype, batch->distribution, error);
	require(error <= limit, "%s of row %zu (%zu classes, layout %d, %s, %s): off by %Lg ulp",
		what, row, batch->classes, (int)batch->layout, loss_dtype_info(batch->dtype)->name,
		batch->distribution, error);
}

static void check_output(const struct eval *eval, const struct batch *batch,
			 const struct family *family, const struct oracle_row *row, size_t r)
{
	const struct loss_tensor *output = eval_output(eval, family->output);
	struct oracle_softmax exact = oracle_softmax_row(row);
	bool log = family == &log_softmax;
	long double worst = 0;
	for (size_t c = 0; c < batch->classes; c++) {
		double got = eval_value(output, batch_place(batch, r, c));
		long double p = oracle_prob(row, &exact, c);
		long double error =
			log ? ulp_error(batch_result_dtype(batch->dtype), got,
					-oracle_surprise(row, &exact, c))
			    : ulp_error_floored(batch_result_dtype(batch->dtype), got, p, p);
		worst = error > worst ? error : worst;
	}
	check(batch, family->name, r, worst, log && batch->dtype != LOSS_F64 ? 2 : 4);
	double lse = eval_value(eval_output(eval, "lse"), r);
	long double scale = fmaxl(fabsl(exact.max), exact.tail);
	check(batch, "lse", r,
	      ulp_error_scaled(batch_result_dtype(batch->dtype), lse, exact.lse, scale),
	      batch->dtype == LOSS_F64 ? 4 : 2);
	require(eval_index(eval_output(eval, "predicted"), r) == (int64_t)exact.predicted,
		"predicted of row %zu (%s) is not %zu", r, batch->distribution, exact.predicted);
}

static void check_grad(const struct eval *eval, struct batch *batch, const struct family *family,
		       const struct oracle_row *row, size_t r)
{
	const struct loss_tensor *output = eval_output(eval, "grad");
	size_t n = batch->classes;
	long double *arrays = batch_array(batch, long double, 3 * n);
	long double *g = arrays, *grad = arrays + n, *largest = arrays + 2 * n, worst = 0;
	for (size_t c = 0; c < n; c++)
		g[c] = (long double)batch->grad_output[r * n + c];
	family->grad(row, g, grad, largest);
	for (size_t c = 0; c < n; c++) {
		double got = eval_value(output, batch_place(batch, r, c));
		long double error = ulp_error_floored(batch_result_dtype(batch->dtype), got,
						      grad[c], largest[c]);
		worst = error > worst ? error : worst;
	}
	check(batch, family->grad_name, r, worst, 4);
}

static void check_batch(struct batch *batch, const struct family *family)
{
	const char *outputs[] = {family->output, "grad", "lse", "predicted", NULL};
	long double *x = batch_array(batch, long double, batch->classes);
	const struct oracle_row row = {batch->classes, x};
	struct eval eval;
	batch_eval(&eval, batch, family->name, outputs);
	require(!eval.result.has_totals, "%s has totals", family->name);
	for (size_t r = 0; r < batch->rows; r++) {
		batch_exact_row(batch, r, x);
		check_output(&eval, batch, family, &row, r);
		check_grad(&eval, batch, family, &row, r);
	}
	eval_end(&eval);
}

static void check_family(const struct family *family, size_t cases)
{
	static const size_t counts[] = {1, 2, 3, 5, 8, 15, 16, 17, 33, 64, 100, 257, 1000};
	struct random random = random_start(0x50f7);
	for (size_t i = 0; i < random_cases(cases); i++) {
		for (size_t d = 0; batch_distribution(d) != NULL; d++) {
			enum batch_layout layout =
				(enum batch_layout)random_below(&random, BATCH_N_LAYOUTS);
			bool one = layout == BATCH_UNBATCHED;
			size_t sizes[3] = {
				one ? 1 : 1 + random_below(&random, 5),
				counts[random_below(&random, 13)],
				one || layout == BATCH_ROWS ? 1 : 1 + random_below(&random, 4)};
			struct batch batch = batch_make(&random, dtypes[i % 8],
							batch_distribution(d), layout, sizes);
			batch_add_grad_output(&batch, &random, batch.rows * batch.classes);
			check_batch(&batch, family);
			batch_free(&batch);
		}
	}
}

static void softmax_outputs(void **state)
{
	(void)state;
	check_family(&softmax, 60);
}

static void log_softmax_outputs(void **state)
{
	(void)state;
	check_family(&log_softmax, 60);
}

static void many_classes(void **state)
{
	struct random random = random_start(0x50f8);
	size_t sizes[3] = {1, random_cases(300000), 1};
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct batch batch =
			batch_make(&random, dtypes[i % 2], "offset", BATCH_ROWS, sizes);
		batch_add_grad_output(&batch, &random, batch.classes);
		check_batch(&batch, i < 2 ? &softmax : &log_softmax);
		batch_free(&batch);
	}
}

static int report(void **state)
{
	(void)state;
	ulp_report("softmax, log_softmax");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(softmax_outputs),
		cmocka_unit_test(log_softmax_outputs),
		cmocka_unit_test(many_classes),
	};
	if (!ORACLE_IS_PRECISE)
		return skip_all("long double is no wider than double here");
	return cmocka_run_group_tests(tests, NULL, report);
}
