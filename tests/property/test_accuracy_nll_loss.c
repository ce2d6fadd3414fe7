/* nll_loss against the oracle: rows, reductions and gradients. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "../support/batch.h"
#include "../support/ulp.h"
#include "kernel/oracle.h"

static const loss_dtype dtypes[] = {LOSS_F32,  LOSS_F64,     LOSS_F16,
				    LOSS_BF16, LOSS_F8_E4M3, LOSS_F8_E5M2};

static void check(const struct batch *batch, const char *what, size_t row, long double error,
		  long double limit)
{
	ulp_note(what, batch->dtype, batch->distribution, error);
	require(error <= limit, "%s of row %zu (%zu classes, layout %d, %s, %s): off by %Lg ulp",
		what, row, batch->classes, (int)batch->layout, loss_dtype_info(batch->dtype)->name,
		batch->distribution, error);
}

static long double weight_of(const struct batch *batch, size_t row)
{
	if (batch_ignored(batch, row) || batch->weight == NULL)
		return 1;
	return (long double)batch->weight[batch->y[row]];
}

static long double exact_loss(const struct batch *batch, size_t row)
{
	bool ignored = batch_ignored(batch, row);
	size_t y = ignored ? 0 : (size_t)batch->y[row];
	return oracle_nll_loss((long double)batch->x[row * batch->classes + y],
			       weight_of(batch, row), ignored);
}

static struct batch_exact exact_losses(struct batch *batch)
{
	struct oracle_sum sum = {0}, denominator = {0};
	struct batch_exact exact = {.loss = batch_array(batch, long double, batch->rows)};
	for (size_t r = 0; r < batch->rows; r++) {
		exact.loss[r] = exact_loss(batch, r);
		oracle_add(&sum, exact.loss[r]);
		if (!batch_ignored(batch, r))
			oracle_add(&denominator, weight_of(batch, r));
	}
	exact.sum = oracle_total(&sum);
	exact.denominator = oracle_total(&denominator);
	return exact;
}

static void check_grad(const struct eval *eval, const struct batch *batch,
		       const struct batch_exact *exact, size_t row)
{
	const struct loss_tensor *grad = eval_output(eval, "grad");
	long double own =
		oracle_nll_grad(weight_of(batch, row), batch_exact_scale(batch, exact, row),
				batch_ignored(batch, row));
	for (size_t c = 0; c < batch->classes; c++) {
		double got = eval_value(grad, batch_place(batch, row, c));
		if ((int64_t)c == batch->y[row])
			check(batch, "nll_loss, grad", row,
			      ulp_error_floored(batch_result_dtype(batch->dtype), got, own, own),
			      4);
		else
			require(got == 0, "grad of class %zu of row %zu is %g", c, row, got);
	}
}

static void check_batch(struct batch *batch)
{
	static const char *const outputs[] = {"loss", "grad", NULL};
	struct batch_exact exact = exact_losses(batch);
	bool none = strcmp(batch->reduction, "none") == 0;
	bool mean = strcmp(batch->reduction, "mean") == 0;
	struct eval eval;
	batch_eval(&eval, batch, "nll_loss", outputs);
	const struct loss_tensor *loss = eval_output(&eval, "loss");
	for (size_t r = 0; r < batch->rows; r++) {
		if (none)
			check(batch, "nll_loss", r,
			      ulp_error(batch_result_dtype(batch->dtype), eval_value(loss, r),
					exact.loss[r]),
			      2);
		check_grad(&eval, batch, &exact, r);
	}
	long double reduced = mean ? exact.sum / exact.denominator : exact.sum;
	if (!none)
		check(batch, "nll_loss, reduced", 0,
		      ulp_error(batch_result_dtype(batch->dtype), eval_value(loss, 0), reduced),
		      3 + batch_underflow_slack(batch, &exact, reduced));
	eval_end(&eval);
}

/* Any log-probabilities, also rows that no softmax gives: nothing of a row but its target matters.
 */
static void rows_and_reductions(void **state)
{
	static const char *const reductions[] = {"none", "mean", "sum"};
	static const char *const names[] = {"normal", "offset", "subnormal", "scattered", "masked"};
	struct random random = random_start(0x211);
	(void)state;
	for (size_t i = 0; i < random_cases(400); i++) {
		enum batch_layout layout =
			(enum batch_layout)random_below(&random, BATCH_N_LAYOUTS);
		bool one = layout == BATCH_UNBATCHED;
		size_t sizes[3] = {one ? 1 : 1 + random_below(&random, 9),
				   1 + random_below(&random, 50),
				   one || layout == BATCH_ROWS ? 1 : 1 + random_below(&random, 4)};
		struct batch batch =
			batch_make(&random, dtypes[i % 6], names[i / 6 % 5], layout, sizes);
		for (size_t j = 0; j < batch.rows * batch.classes; j++)
			batch.x[j] = -fabs(batch.x[j]);
		batch.reduction = reductions[random_below(&random, 3)];
		if (random_chance(&random, 0.5))
			batch_add_weight(&batch, &random, true);
		if (random_chance(&random, 0.5))
			batch_add_grad_output(&batch, &random, batch.rows);
		batch_ignore(&batch, &random, 0.1);
		check_batch(&batch);
		batch_free(&batch);
	}
}

static int report(void **state)
{
	(void)state;
	ulp_report("nll_loss");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_and_reductions),
	};
	if (!ORACLE_IS_PRECISE)
		return skip_all("long double is no wider than double here");
	return cmocka_run_group_tests(tests, NULL, report);
}
