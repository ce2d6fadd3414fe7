/* What must hold whatever the numbers: sums, permutations, and ways of saying the same thing. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "../support/batch.h"
#include "../support/ulp.h"
#include "kernel/oracle.h"

static const loss_dtype dtypes[] = {LOSS_F32, LOSS_F64};
static const char *const loss_and_grad[] = {"loss", "grad", NULL};
static const char *const tame[] = {"normal", "wide",  "offset", "confident",
				   "ties",   "close", "masked", "scattered"};

static struct batch draw_batch(struct random *random, size_t i, enum batch_layout layout)
{
	size_t sizes[3] = {1 + random_below(random, 12), 1 + random_below(random, 70),
			   layout == BATCH_ROWS ? 1 : 1 + random_below(random, 4)};
	return batch_make(random, dtypes[i % 2], tame[i / 2 % 8], layout, sizes);
}

/* The type's rounding unit times n: how far n rounded terms of sum 1 may be off. */
static double sum_slack(const struct batch *batch)
{
	double unit = batch->dtype == LOSS_F32 ? 0x1p-24 : 0x1p-53;
	return 8 * unit * (double)(batch->classes + 1);
}

static long double class_sum(const struct batch *batch, const struct loss_tensor *tensor,
			     size_t row)
{
	struct oracle_sum sum = {0};
	for (size_t c = 0; c < batch->classes; c++)
		oracle_add(&sum, (long double)eval_value(tensor, batch_place(batch, row, c)));
	return oracle_total(&sum);
}

static void probabilities_sum_to_one_and_gradients_to_zero(void **state)
{
	static const char *const outputs[] = {"probs", "grad", NULL};
	struct random random = random_start(0x1a1);
	(void)state;
	for (size_t i = 0; i < random_cases(200); i++) {
		struct batch batch = draw_batch(&random, i, (enum batch_layout)(i % 3));
		struct eval eval;
		if (i % 5 == 0)
			batch_add_probabilities(&batch, &random);
		if (i % 3 == 0)
			batch.smoothing = 0.2;
		batch_eval(&eval, &batch, "cross_entropy", outputs);
		for (size_t r = 0; r < batch.rows; r++) {
			long double p = class_sum(&batch, eval_output(&eval, "probs"), r);
			long double g = class_sum(&batch, eval_output(&eval, "grad"), r);
			require(fabsl(p - 1) <= (long double)sum_slack(&batch),
				"probs of %zu classes (%s) sum to %.12Lg", batch.classes,
				batch.distribution, p);
			require(fabsl(g) <= (long double)sum_slack(&batch),
				"grad of %zu classes (%s) sums to %.12Lg", batch.classes,
				batch.distribution, g);
		}
		eval_end(&eval);
		batch_free(&batch);
	}
}

/* Rows in another order have the same losses and gradients, to the bit. */
static void rows_are_independent(void **state)
{
	struct random random = random_start(0x1a2);
	(void)state;
	for (size_t i = 0; i < random_cases(150); i++) {
		struct batch batch = draw_batch(&random, i, BATCH_ROWS), other = batch;
		size_t n = batch.rows, classes = batch.classes, order[12];
		struct eval a, b;
		random_order(&random, order, n);
		other.x = batch_array(&batch, double, (n * classes));
		other.y = batch_array(&batch, int64_t, n);
		for (size_t r = 0; r < n; r++) {
			other.y[r] = batch.y[order[r]];
			memcpy(other.x + r * classes, batch.x + order[r] * classes,
			       classes * sizeof(double));
		}
		batch_eval(&a, &batch, "cross_entropy", loss_and_grad);
		batch_eval(&b, &other, "cross_entropy", loss_and_grad);
		for (size_t r = 0; r < n; r++) {
			require(eval_value(eval_output(&b, "loss"), r) ==
					eval_value(eval_output(&a, "loss"), order[r]),
				"a moved row has another loss (%s)", batch.distribution);
			for (size_t c = 0; c < classes; c++)
				require(eval_value(eval_output(&b, "grad"), r * classes + c) ==
						eval_value(eval_output(&a, "grad"),
							   order[r] * classes + c),
					"a moved row has another gradient (%s)",
					batch.distribution);
		}
		eval_end(&a);
		eval_end(&b);
		batch_free(&batch);
	}
}

/* Renaming the classes renames the outputs, up to the order of summation. */
static void classes_may_be_renamed(void **state)
{
	static const char *const outputs[] = {"loss", "probs", "predicted", NULL};
	struct random random = random_start(0x1a3);
	(void)state;
	for (size_t i = 0; i < random_cases(150); i++) {
		struct batch batch = draw_batch(&random, i, BATCH_ROWS), other = batch;
		size_t n = batch.rows, classes = batch.classes, order[70];
		struct eval a, b;
		random_order(&random, order, classes);
		other.x = batch_array(&batch, double, (n * classes));
		other.y = batch_array(&batch, int64_t, n);
		for (size_t j = 0; j < n * classes; j++)
			other.x[j] = batch.x[j - j % classes + order[j % classes]];
		for (size_t r = 0; r < n; r++)
			for (size_t c = 0; c < classes; c++)
				if (order[c] == (size_t)batch.y[r])
					other.y[r] = (int64_t)c;
		batch_eval(&a, &batch, "cross_entropy", outputs);
		batch_eval(&b, &other, "cross_entropy", outputs);
		for (size_t r = 0; r < n; r++) {
			double x = eval_value(eval_output(&a, "loss"), r);
			double y = eval_value(eval_output(&b, "loss"), r);
			require(ulp_error(batch.dtype, y, (long double)x) <= 8,
				"loss %.17g became %.17g (%s)", x, y, batch.distribution);
			size_t best = (size_t)eval_index(eval_output(&a, "predicted"), r);
			size_t renamed = (size_t)eval_index(eval_output(&b, "predicted"), r);
			require(batch.x[r * classes + best] == other.x[r * classes + renamed],
				"another maximum (%s)", batch.distribution);
		}
		eval_end(&a);
		eval_end(&b);
		batch_free(&batch);
	}
}

/* cross_entropy(x, y) is nll_loss(log_softmax(x), y). */
static void cross_entropy_is_nll_of_log_softmax(void **state)
{
	static const char *const log_probs_only[] = {"log_probs", NULL}, *const loss_only[] = {
										 "loss", NULL};
	struct random random = random_start(0x1a4);
	(void)state;
	for (size_t i = 0; i < random_cases(150); i++) {
		struct batch batch = draw_batch(&random, i, (enum batch_layout)(i % 3));
		struct batch logs = batch;
		struct eval direct, first, second;
		batch_ignore(&batch, &random, 0.1);
		batch_add_weight(&batch, &random, false);
		logs.weight = batch.weight;
		logs.x = batch_array(&batch, double, (batch.rows * batch.classes));
		batch_eval(&first, &batch, "log_softmax", log_probs_only);
		for (size_t j = 0; j < batch.rows * batch.classes; j++)
			logs.x[j] = eval_value(
				eval_output(&first, "log_probs"),
				batch_place(&batch, j / batch.classes, j % batch.classes));
		batch_eval(&direct, &batch, "cross_entropy", loss_only);
		batch_eval(&second, &logs, "nll_loss", loss_only);
		for (size_t r = 0; r < batch.rows; r++) {
			double x = eval_value(eval_output(&direct, "loss"), r);
			double y = eval_value(eval_output(&second, "loss"), r);
			require(ulp_error(batch.dtype, y, (long double)x) <= 7,
				"cross_entropy %.17g, nll_loss %.17g (%s)", x, y,
				batch.distribution);
		}
		require(direct.result.totals.denominator == second.result.totals.denominator,
			"other denominators");
		eval_end(&direct);
		eval_end(&first);
		eval_end(&second);
		batch_free(&batch);
	}
}

static void require_close(const struct eval *a, const struct eval *b, const char *output,
			  loss_dtype dtype, long double limit)
{
	const struct loss_tensor *x = eval_output(a, output), *y = eval_output(b, output);
	for (size_t i = 0; i < x->count; i++) {
		double u = eval_value(x, i), v = eval_value(y, i);
		long double error = ulp_error_floored(dtype, v, (long double)u, (long double)u);
		require(error <= limit, "%s: %.17g and %.17g", output, u, v);
	}
}

/* One-hot probabilities have the loss of class indices, weighted and smoothed alike. */
static void one_hot_probabilities_are_indices(void **state)
{
	struct random random = random_start(0x1a5);
	(void)state;
	for (size_t i = 0; i < random_cases(150); i++) {
		struct batch indices = draw_batch(&random, i, (enum batch_layout)(i % 3));
		struct eval a, b;
		if (i % 3 == 0)
			batch_add_weight(&indices, &random, true);
		struct batch one_hot = indices;
		one_hot.t = batch_array(&indices, double, (indices.rows * indices.classes));
		for (size_t r = 0; r < indices.rows; r++)
			one_hot.t[r * indices.classes + (size_t)indices.y[r]] = 1;
		indices.smoothing = one_hot.smoothing = i % 5 == 0 ? 0.1 : 0;
		batch_eval(&a, &indices, "cross_entropy", loss_and_grad);
		batch_eval(&b, &one_hot, "cross_entropy", loss_and_grad);
		require_close(&a, &b, "loss", indices.dtype, 8);
		eval_end(&a);
		eval_end(&b);
		batch_free(&indices);
	}
}

/* Whatever ignored rows hold, the others' losses, gradients and the mean stay the same, to the bit.
 */
static void ignored_rows_change_nothing_else(void **state)
{
	struct random random = random_start(0x1a6);
	(void)state;
	for (size_t i = 0; i < random_cases(150); i++) {
		struct batch batch = draw_batch(&random, i, (enum batch_layout)(i % 3)),
			     other = batch;
		size_t count = batch.rows * batch.classes;
		struct eval a, b;
		batch_ignore(&batch, &random, 0.5);
		batch.reduction = other.reduction = i % 2 == 0 ? "mean" : "none";
		other.x = batch_array(&batch, double, count);
		for (size_t j = 0; j < count; j++)
			other.x[j] =
				batch_ignored(&batch, j / batch.classes) ? (double)NAN : batch.x[j];
		batch_eval(&a, &batch, "cross_entropy", loss_and_grad);
		batch_eval(&b, &other, "cross_entropy", loss_and_grad);
		require(eval_same_bits(eval_output(&a, "loss"), eval_output(&b, "loss")),
			"NaN in an ignored row changes the loss");
		require(eval_same_bits(eval_output(&a, "grad"), eval_output(&b, "grad")),
			"NaN in an ignored row changes the gradient");
		for (size_t j = 0; j < count; j++)
			if (batch_ignored(&batch, j / batch.classes))
				require(eval_value(eval_output(&b, "grad"),
						   batch_place(&batch, j / batch.classes,
							       j % batch.classes)) == 0,
					"an ignored row has a gradient");
		eval_end(&a);
		eval_end(&b);
		batch_free(&batch);
	}
}

static void run_variant(struct eval *eval, const struct batch *batch, double smoothing)
{
	batch_start(eval, batch, "cross_entropy");
	if (smoothing == 0)
		eval_number(eval, "label_smoothing", 0);
	eval_outputs(eval, loss_and_grad);
	eval_run(eval, 1);
}

/* label_smoothing 0, weights of one, grad_output of one and the natural denominator are their
 * absence. */
static void defaults_may_be_spelled_out(void **state)
{
	struct random random = random_start(0x1a7);
	(void)state;
	for (size_t i = 0; i < random_cases(100); i++) {
		struct batch plain = draw_batch(&random, i, (enum batch_layout)(i % 3));
		struct eval a, b, c;
		plain.reduction = i % 2 == 0 ? "mean" : "sum";
		struct batch spelled = plain;
		spelled.weight = batch_array(&plain, double, plain.classes);
		spelled.grad_output = batch_array(&plain, double, 1);
		for (size_t k = 0; k < plain.classes; k++)
			spelled.weight[k] = 1;
		spelled.grad_output[0] = 1;
		spelled.denominator = i % 2 == 0 ? (double)plain.rows : 0;
		run_variant(&a, &plain, 1);
		run_variant(&b, &plain, 0);
		run_variant(&c, &spelled, 1);
		require(eval_same_bits(eval_output(&a, "loss"), eval_output(&b, "loss")) &&
				eval_same_bits(eval_output(&a, "grad"), eval_output(&b, "grad")),
			"label_smoothing 0 changes bits");
		require_close(&a, &c, "loss", plain.dtype, 0);
		require_close(&a, &c, "grad", plain.dtype, 1);
		require(a.result.totals.denominator == c.result.totals.denominator &&
				a.result.totals.loss_sum == c.result.totals.loss_sum,
			"weights of one change the totals");
		eval_end(&a);
		eval_end(&b);
		eval_end(&c);
		batch_free(&plain);
	}
}

/* An upstream gradient scales the gradient of its row, and nothing else. */
static void grad_output_scales_the_gradient(void **state)
{
	struct random random = random_start(0x1a8);
	(void)state;
	for (size_t i = 0; i < random_cases(100); i++) {
		struct batch plain = draw_batch(&random, i, (enum batch_layout)(i % 3)), scaled;
		struct eval a, b;
		if (i % 4 == 1)
			batch_add_probabilities(&plain, &random);
		plain.reduction = i % 3 == 0 ? "mean" : "none";
		scaled = plain;
		scaled.grad_output = batch_array(&plain, double, plain.rows);
		for (size_t r = 0; r < plain.rows; r++)
			scaled.grad_output[r] = ldexp(1, (int)random_below(&random, 9) - 4);
		batch_eval(&a, &plain, "cross_entropy", loss_and_grad);
		batch_eval(&b, &scaled, "cross_entropy", loss_and_grad);
		require(eval_same_bits(eval_output(&a, "loss"), eval_output(&b, "loss")),
			"grad_output changes the loss");
		for (size_t j = 0; j < plain.rows * plain.classes; j++) {
			size_t row = j / plain.classes;
			size_t place = batch_place(&plain, row, j % plain.classes);
			double g = scaled.grad_output[i % 3 == 0 ? 0 : row];
			double expected = g * eval_value(eval_output(&a, "grad"), place);
			double got = eval_value(eval_output(&b, "grad"), place);
			require(ulp_error_floored(plain.dtype, got, (long double)expected,
						  (long double)expected) <= 2,
				"gradient %.17g, not %.17g", got, expected);
		}
		eval_end(&a);
		eval_end(&b);
		batch_free(&plain);
	}
}

/* Which outputs are asked for changes no bit of any of them. */
static void outputs_do_not_depend_on_each_other(void **state)
{
	static const char *const all[] = {"loss",      "grad",    "log_probs", "probs", "lse",
					  "predicted", "correct", "accuracy",  NULL};
	struct random random = random_start(0x1a9);
	(void)state;
	for (size_t i = 0; i < random_cases(60); i++) {
		struct batch batch = draw_batch(&random, i, (enum batch_layout)(i % 3));
		struct eval whole;
		batch_ignore(&batch, &random, 0.2);
		batch.smoothing = i % 4 == 0 ? 0.1 : 0;
		batch.reduction = i % 3 == 0 ? "mean" : "none";
		batch_eval(&whole, &batch, "cross_entropy", all);
		for (size_t o = 0; all[o] != NULL; o++) {
			const char *alone[] = {all[o], NULL};
			struct eval eval;
			batch_eval(&eval, &batch, "cross_entropy", alone);
			require(eval_same_bits(eval_output(&eval, all[o]),
					       eval_output(&whole, all[o])),
				"%s alone has other bits (%s)", all[o], batch.distribution);
			require(eval.result.totals.loss_sum == whole.result.totals.loss_sum,
				"%s alone has another loss_sum", all[o]);
			eval_end(&eval);
		}
		eval_end(&whole);
		batch_free(&batch);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(probabilities_sum_to_one_and_gradients_to_zero),
		cmocka_unit_test(rows_are_independent),
		cmocka_unit_test(classes_may_be_renamed),
		cmocka_unit_test(cross_entropy_is_nll_of_log_softmax),
		cmocka_unit_test(one_hot_probabilities_are_indices),
		cmocka_unit_test(ignored_rows_change_nothing_else),
		cmocka_unit_test(defaults_may_be_spelled_out),
		cmocka_unit_test(grad_output_scales_the_gradient),
		cmocka_unit_test(outputs_do_not_depend_on_each_other),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
