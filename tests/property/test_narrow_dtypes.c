/*
 * Float types narrower than F32, where the accuracy tests do not look: outputs in the logits' own
 * type are those in F32 but for one rounding, and each tensor has its type on its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#include "../support/batch.h"

static const loss_dtype narrow[] = {LOSS_F16, LOSS_BF16, LOSS_F8_E4M3, LOSS_F8_E5M2};
#define N_NARROW (sizeof(narrow) / sizeof(narrow[0]))

/* value, rounded to the type as a tensor's elements are: past its end too. */
static double element(loss_dtype dtype, double value)
{
	double memory = 0;
	loss_float_put(dtype, &memory, 0, value);
	return loss_float_get(dtype, &memory, 0);
}

/*
 * `wide` has been rounded to F32: what it was rounded from lies between the two floats beside it,
 * and rounding is monotone.
 */
static bool is_rounding_of(loss_dtype dtype, double got, double wide)
{
	double low = element(dtype, (double)nextafterf((float)wide, -HUGE_VALF));
	double high = element(dtype, (double)nextafterf((float)wide, HUGE_VALF));
	if (isnan(got))
		return isnan(wide) || isnan(low) || isnan(high);
	return (isnan(low) || got >= low) && (isnan(high) || got <= high) && !isnan(wide) &&
	       !(isnan(low) && isnan(high));
}

static void compare(const struct batch *batch, const struct eval *own, const struct eval *wide,
		    const char *name)
{
	const struct loss_tensor *got = eval_output(own, name), *want = eval_output(wide, name);
	require(got->dtype == batch->dtype && want->dtype == LOSS_F32, "%s is %s and %s", name,
		loss_dtype_info(got->dtype)->name, loss_dtype_info(want->dtype)->name);
	for (size_t i = 0; i < got->count; i++)
		require(is_rounding_of(batch->dtype, eval_value(got, i), eval_value(want, i)),
			"%s at %zu (%s, %s) is %a, but in F32 it is %a", name, i,
			loss_dtype_info(batch->dtype)->name, batch->distribution,
			eval_value(got, i), eval_value(want, i));
}

static void check_outputs(struct batch *batch, const char *loss, const char *const *outputs)
{
	struct eval own, wide;
	batch->narrow_grad = true;
	batch_eval(&own, batch, loss, outputs);
	batch->narrow_grad = false;
	batch_eval(&wide, batch, loss, outputs);
	for (size_t i = 0; outputs[i] != NULL; i++) {
		if (strcmp(outputs[i], "loss") == 0 || strcmp(outputs[i], "lse") == 0) {
			assert_int_equal(eval_output(&own, outputs[i])->dtype, LOSS_F32);
			require(eval_same_bits(eval_output(&own, outputs[i]),
					       eval_output(&wide, outputs[i])),
				"%s depends on the gradient's dtype", outputs[i]);
		} else {
			compare(batch, &own, &wide, outputs[i]);
		}
	}
	eval_end(&own);
	eval_end(&wide);
}

static struct batch draw_batch(struct random *random, size_t i)
{
	size_t n = 0;
	while (batch_distribution(n) != NULL)
		n++;
	size_t sizes[3] = {1 + random_below(random, 6), 1 + random_below(random, 60),
			   1 + random_below(random, 4)};
	return batch_make(random, narrow[i % N_NARROW], batch_distribution(i / N_NARROW % n),
			  i % 3 == 0 ? BATCH_LAST : BATCH_INNER, sizes);
}

static void outputs_of_cross_entropy(void **state)
{
	static const char *const outputs[] = {"loss", "grad", "log_probs", "probs", "lse", NULL};
	static const char *const reductions[] = {"none", "mean", "sum"};
	struct random random = random_start(0x4a1f);
	(void)state;
	for (size_t i = 0; i < random_cases(480); i++) {
		struct batch batch = draw_batch(&random, i);
		batch.reduction = reductions[random_below(&random, 3)];
		if (i % 5 == 0)
			batch_add_probabilities(&batch, &random);
		else
			batch_ignore(&batch, &random, 0.1);
		if (i % 7 == 0)
			batch.smoothing = 0.25;
		if (random_chance(&random, 0.5))
			batch_add_weight(&batch, &random, true);
		if (random_chance(&random, 0.3)) /* past the end of every type but BF16 */
			batch.denominator = 1e-6;
		check_outputs(&batch, "cross_entropy", outputs);
		batch_free(&batch);
	}
}

static void outputs_of_softmax(void **state)
{
	static const char *const softmax[] = {"probs", "grad", "lse", NULL};
	static const char *const log_softmax[] = {"log_probs", "grad", NULL};
	struct random random = random_start(0x4a20);
	(void)state;
	for (size_t i = 0; i < random_cases(240); i++) {
		struct batch batch = draw_batch(&random, i);
		batch_add_grad_output(&batch, &random, batch.rows * batch.classes);
		check_outputs(&batch, "softmax", softmax);
		check_outputs(&batch, "log_softmax", log_softmax);
		batch_free(&batch);
	}
}

static void outputs_of_nll_loss(void **state)
{
	static const char *const outputs[] = {"loss", "grad", NULL};
	struct random random = random_start(0x4a21);
	(void)state;
	for (size_t i = 0; i < random_cases(120); i++) {
		struct batch batch = draw_batch(&random, i);
		batch.reduction = i % 2 == 0 ? "mean" : "none";
		batch_add_weight(&batch, &random, false);
		check_outputs(&batch, "nll_loss", outputs);
		batch_free(&batch);
	}
}

/* ---------------------------------------------------------------- a type for each tensor */

struct mix {
	loss_dtype targets, weight, grad_output;
};

static void evaluate_mix(struct eval *eval, const struct mix *mix, const double *values,
			 bool probabilities)
{
	static const size_t shape[2] = {4, 10};
	static const int64_t indices[4] = {3, 0, 9, 3};
	static const char *const outputs[] = {"loss", "grad", NULL};
	eval_start(eval, "cross_entropy");
	eval_set(eval, "logits", eval_floats(eval, LOSS_F32, 2, shape, values));
	eval_set(eval, "targets",
		 probabilities ? eval_floats(eval, mix->targets, 2, shape, values + 40)
			       : eval_integers(eval, LOSS_U8, 1, shape, indices));
	eval_set(eval, "weight", eval_floats(eval, mix->weight, 1, shape + 1, values + 80));
	eval_set(eval, "grad_output", eval_floats(eval, mix->grad_output, 1, shape, values + 90));
	eval_string(eval, "reduction", "none");
	eval_outputs(eval, outputs);
	eval_run(eval, 1);
}

static void evaluate_elements(struct eval *eval, const struct mix *mix, const double *values)
{
	static const size_t shape[2] = {4, 10};
	static const char *const outputs[] = {"loss", "grad", NULL};
	eval_start(eval, "binary_cross_entropy_with_logits");
	eval_set(eval, "logits", eval_floats(eval, LOSS_F32, 2, shape, values));
	eval_set(eval, "targets", eval_floats(eval, mix->targets, 2, shape, values + 40));
	eval_set(eval, "weight", eval_floats(eval, mix->weight, 1, shape + 1, values + 80));
	eval_set(eval, "pos_weight", eval_floats(eval, mix->grad_output, 1, shape + 1, values));
	eval_set(eval, "grad_output", eval_floats(eval, mix->weight, 0, NULL, values + 90));
	eval_outputs(eval, outputs);
	eval_run(eval, 1);
}

static void expect_same(const struct eval *got, const struct eval *want)
{
	static const char *const names[] = {"loss", "grad"};
	for (size_t i = 0; i < 2; i++)
		require(eval_same_bits(eval_output(got, names[i]), eval_output(want, names[i])),
			"%s of %s depends on the other tensors' dtypes", names[i], got->info->name);
}

/* The same values in other types give the same bits. */
static void every_tensor_has_a_type_of_its_own(void **state)
{
	static const struct mix plain = {LOSS_F32, LOSS_F32, LOSS_F32};
	static const loss_dtype dtypes[] = {LOSS_F64,  LOSS_F32,     LOSS_F16,
					    LOSS_BF16, LOSS_F8_E4M3, LOSS_F8_E5M2};
	struct random random = random_start(0x4a22);
	(void)state;
	for (size_t i = 0; i < 216; i++) {
		const struct mix mix = {dtypes[i % 6], dtypes[i / 6 % 6], dtypes[i / 36 % 6]};
		double values[100];
		for (size_t k = 0; k < 100; k++)
			values[k] = (double)random_below(&random, 5) / 4; /* exact in all of them */
		struct eval got, want;
		evaluate_mix(&got, &mix, values, i % 2 == 0);
		evaluate_mix(&want, &plain, values, i % 2 == 0);
		expect_same(&got, &want);
		eval_end(&got);
		eval_end(&want);
		evaluate_elements(&got, &mix, values);
		evaluate_elements(&want, &plain, values);
		expect_same(&got, &want);
		eval_end(&got);
		eval_end(&want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(outputs_of_cross_entropy),
		cmocka_unit_test(outputs_of_softmax),
		cmocka_unit_test(outputs_of_nll_loss),
		cmocka_unit_test(every_tensor_has_a_type_of_its_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
