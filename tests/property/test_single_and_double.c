/*
 * F32 rows go through the vector kernels, the same rows as F64 through the evaluation in double:
 * they agree about everything that is no number or no ordinary one, and to float32 about the rest.
 */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "../support/eval.h"
#include "../support/random.h"

/* Rows of a shape (n, classes) or (n, classes, inner), and everything that may stand beside them.
 */
struct rows {
	size_t n, classes, inner;
	double *x, *t, *weight, *grad_output;
	int64_t *y;
};

static const double odd_numbers[] = {(double)NAN, HUGE_VAL, -HUGE_VAL, 0.0,  -0.0, -1.5,
				     1e30,        -1e30,    1e-30,     3e38, 1e-45};

/* About one in `rare` is odd. */
static double draw(struct random *random, double low, double high, size_t rare)
{
	size_t n = sizeof(odd_numbers) / sizeof(odd_numbers[0]);
	if (random_below(random, rare) == 0)
		return (double)(float)odd_numbers[random_below(random, n)];
	return (double)(float)random_uniform(random, low, high);
}

static double *draw_all(struct eval *holder, struct random *random, size_t n, double low,
			size_t rare)
{
	double *values = eval_array(holder, double, n);
	for (size_t i = 0; i < n; i++)
		values[i] = draw(random, low, low < 0.0 ? -low : 1.0, rare);
	return values;
}

static struct rows draw_rows(struct eval *holder, struct random *random)
{
	static const size_t classes[] = {2, 3, 10, 64, 65, 100, 259};
	struct rows rows = {.n = 1 + random_below(random, 12),
			    .classes = classes[random_below(random, 7)],
			    .inner = random_chance(random, 0.3) ? 1 + random_below(random, 24) : 1};
	size_t count = rows.n * rows.inner, rare = random_chance(random, 0.5) ? 40 : 1u << 30;
	rows.x = draw_all(holder, random, count * rows.classes, -9.0,
			  random_chance(random, 0.5) ? 300 : 1u << 30);
	rows.t = draw_all(holder, random, count * rows.classes, 0.0, rare * 10);
	rows.weight = draw_all(holder, random, rows.classes, 0.1, rare);
	rows.grad_output = draw_all(holder, random, count * rows.classes, -1.0, rare * 10);
	rows.y = eval_array(holder, int64_t, count);
	for (size_t i = 0; i < count; i++)
		rows.y[i] = random_chance(random, 0.1)
				    ? -100
				    : (int64_t)random_below(random, rows.classes);
	return rows;
}

static struct loss_tensor floats(struct eval *eval, const struct rows *rows, loss_dtype dtype,
				 const double *values)
{
	size_t shape[3] = {rows->n, rows->classes, rows->inner};
	return eval_floats(eval, dtype, rows->inner > 1 ? 3 : 2, shape, values);
}

enum { PROBABILITIES = 1, SMOOTHED = 2, WEIGHTED = 4, UPSTREAM = 8, Z_LOSS = 16, MEAN = 32 };

static void cross_entropy(struct eval *eval, const struct rows *rows, loss_dtype dtype,
			  unsigned how)
{
	static const char *const outputs[] = {"loss", "grad",    "log_probs", "probs",
					      "lse",  "entropy", "predicted", NULL};
	size_t shape[2] = {rows->n, rows->inner};
	int rank = rows->inner > 1 ? 2 : 1;
	eval_start(eval, "cross_entropy");
	eval_set(eval, "logits", floats(eval, rows, dtype, rows->x));
	if (how & PROBABILITIES)
		eval_set(eval, "targets", floats(eval, rows, LOSS_F32, rows->t));
	else
		eval_set(eval, "targets", eval_integers(eval, LOSS_I64, rank, shape, rows->y));
	if (how & SMOOTHED)
		eval_number(eval, "label_smoothing", 0.25);
	if (how & WEIGHTED)
		eval_set(eval, "weight",
			 eval_floats(eval, LOSS_F64, 1, &rows->classes, rows->weight));
	if (how & Z_LOSS)
		eval_number(eval, "z_loss", 0.5);
	eval_string(eval, "reduction", how & MEAN ? "mean" : "none");
	if (how & UPSTREAM && !(how & MEAN))
		eval_set(eval, "grad_output",
			 eval_floats(eval, LOSS_F32, rank, shape, rows->grad_output));
	eval_outputs(eval, outputs);
	eval_run(eval, 1);
}

static void softmax(struct eval *eval, const struct rows *rows, loss_dtype dtype, unsigned how)
{
	static const char *const outputs[] = {"grad", "lse", "entropy", "predicted", NULL};
	eval_start(eval, how % 2 ? "softmax" : "log_softmax");
	eval_set(eval, "logits", floats(eval, rows, dtype, rows->x));
	eval_set(eval, "grad_output", floats(eval, rows, LOSS_F32, rows->grad_output));
	eval_outputs(eval, outputs);
	eval_run(eval, 1);
}

/* Whether one stands for the other: the same kind of number, and close to it beside the largest of
 * the output. */
static bool stands_for(double single, double twice, double largest)
{
	if (isnan(single) || isnan(twice))
		return isnan(single) && isnan(twice);
	if (fabs(twice) > (double)FLT_MAX || isinf(single))
		return single == (double)(float)twice || fabs(twice) > 0.999 * (double)FLT_MAX;
	return fabs(single - twice) <= 1e-5 * fabs(twice) + 1e-5 * largest + 1e-6;
}

/* Of one row, NaN and infinities aside. */
static double largest_of(const struct rows *rows, const struct loss_tensor *tensor, size_t i)
{
	size_t per_row = tensor->count == rows->n * rows->classes * rows->inner ? rows->classes : 1;
	size_t outer = i / (per_row * rows->inner), position = i % rows->inner;
	double largest = per_row > 1 ? 0.0 : 9.0; /* lse may be a difference of logits */
	for (size_t c = 0; per_row > 1 && c < per_row; c++) {
		double value =
			fabs(eval_value(tensor, (outer * per_row + c) * rows->inner + position));
		if (value > largest && value < HUGE_VAL)
			largest = value;
	}
	return largest;
}

static void compare(const struct rows *rows, const struct eval *single, const struct eval *twice,
		    unsigned how)
{
	for (size_t k = 0; k < single->result.n_outputs; k++) {
		const char *name = single->result.outputs[k].name;
		const struct loss_tensor *a = &single->result.outputs[k].tensor;
		const struct loss_tensor *b = &twice->result.outputs[k].tensor;
		for (size_t i = 0; i < a->count; i++) {
			if (strcmp(name, "predicted") == 0) {
				require(eval_index(a, i) == eval_index(b, i),
					"predicted of row %zu differs", i);
				continue;
			}
			double x = eval_value(a, i), y = eval_value(b, i);
			require(stands_for(x, y, largest_of(rows, b, i)),
				"%s[%zu] of %s (%zu x %zu x %zu, %u) is %g, in double %g", name, i,
				single->info->name, rows->n, rows->classes, rows->inner, how, x, y);
		}
	}
}

typedef void evaluate(struct eval *eval, const struct rows *rows, loss_dtype dtype, unsigned how);

static void check(evaluate *loss, uint64_t seed, unsigned ways)
{
	struct random random = random_start(seed);
	for (size_t i = 0; i < random_cases(300); i++) {
		struct eval holder, single, twice;
		eval_start(&holder, "softmax");
		struct rows rows = draw_rows(&holder, &random);
		unsigned how = (unsigned)random_below(&random, ways);
		loss(&single, &rows, LOSS_F32, how);
		loss(&twice, &rows, LOSS_F64, how);
		compare(&rows, &single, &twice, how);
		eval_end(&twice);
		eval_end(&single);
		eval_end(&holder);
	}
}

static void cross_entropies(void **state)
{
	(void)state;
	check(cross_entropy, 0x51d, 64);
}

static void softmaxes(void **state)
{
	(void)state;
	check(softmax, 0x51e, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cross_entropies),
		cmocka_unit_test(softmaxes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
