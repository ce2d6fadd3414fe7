/*
 * Element-wise losses in blocks: what an element comes to does not depend on where it stands, on
 * what stands beside it, on how its factors are broadcast, or on the types that hold the same
 * values; and the sum is that of all elements, wherever groups and blocks of them end.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../support/eval.h"
#include "../support/random.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A loss, what its input is called, and how its elements are drawn. */
static const struct kind {
	const char *loss, *input;
	bool probabilities, logs, weight, pos_weight;
	double gamma; /* -1: there is none */
	bool var;
	const char *argument; /* a number, but its default; NULL: none */
	double value;
	const char *flag; /* that is turned from its default; NULL: none */
} kinds[] = {
	{.loss = "binary_cross_entropy_with_logits",
	 .input = "logits",
	 .weight = true,
	 .pos_weight = true,
	 .gamma = -1},
	{.loss = "binary_cross_entropy",
	 .input = "probs",
	 .probabilities = true,
	 .weight = true,
	 .gamma = -1},
	{.loss = "kl_div", .input = "log_probs", .gamma = -1},
	{.loss = "kl_div", .input = "log_probs", .logs = true, .gamma = -1},
	{.loss = "sigmoid_focal_loss", .input = "logits", .gamma = 2},
	{.loss = "sigmoid_focal_loss", .input = "logits", .gamma = 1.5},
	{.loss = "sigmoid_focal_loss", .input = "logits", .gamma = 100},
#define NUMBERS(loss_, ...)                                                                        \
	{                                                                                          \
		.loss = loss_, .input = "predictions", .gamma = -1, __VA_ARGS__                    \
	}
	NUMBERS("mse_loss", .weight = true),
	NUMBERS("l1_loss", .weight = true),
	NUMBERS("smooth_l1_loss", .argument = "beta", .value = 2),
	NUMBERS("smooth_l1_loss", .argument = "beta", .value = 0),
	NUMBERS("huber_loss", .weight = true, .argument = "delta", .value = 1.5),
	NUMBERS("poisson_nll_loss", .flag = "full"),
	NUMBERS("poisson_nll_loss", .flag = "log_input"),
	NUMBERS("gaussian_nll_loss", .var = true, .flag = "full"),
	NUMBERS("quantile_loss", .argument = "quantile", .value = 0.9),
};

struct problem {
	const struct kind *kind;
	size_t n;
	double *x, *t, *w, *q, *var; /* the last are NULL where the loss has none */
	loss_dtype x_dtype, t_dtype;
	const char *reduction;
	size_t shift; /* elements by which the tensors' memory begins after an aligned place */
};

/* ---------------------------------------------------------------- drawing */

static double draw_x(struct random *random, const struct kind *kind)
{
	static const double odd[] = {(double)INFINITY,
				     -(double)INFINITY,
				     (double)NAN,
				     3e38,
				     -3e38,
				     700,
				     -701,
				     1e4,
				     0,
				     -90};
	if (kind->probabilities)
		return random_chance(random, 0.1) ? (double)random_below(random, 2)
						  : random_uniform(random, 0, 1);
	if (random_chance(random, 0.02))
		return odd[random_below(random, COUNT(odd))];
	return 4 * random_normal(random);
}

static double draw_t(struct random *random, const struct kind *kind)
{
	static const double odd[] = {(double)NAN, (double)INFINITY, -0.5, 1.5, 1e-40};
	if (random_chance(random, 0.01))
		return odd[random_below(random, COUNT(odd))];
	if (random_chance(random, 0.3))
		return kind->logs ? -(double)INFINITY : (double)random_below(random, 2);
	return random_uniform(random, 0, 1) * (kind->logs ? -20 : 1);
}

static double *draw(struct eval *eval, struct random *random, const struct problem *problem,
		    double (*one)(struct random *, const struct kind *))
{
	double *values = eval_array(eval, double, problem->n);
	for (size_t i = 0; i < problem->n; i++)
		values[i] = (double)(float)one(random, problem->kind);
	return values;
}

static double draw_weight(struct random *random, const struct kind *kind)
{
	(void)kind;
	return random_chance(random, 0.1) ? 0 : random_uniform(random, 0, 2);
}

static struct problem draw_problem(struct eval *eval, struct random *random,
				   const struct kind *kind, size_t n)
{
	loss_dtype dtype = random_chance(random, 0.5) ? LOSS_F32 : LOSS_F64;
	struct problem problem = {.kind = kind, .n = n, .x_dtype = dtype, .t_dtype = dtype};
	problem.reduction = "none";
	problem.x = draw(eval, random, &problem, draw_x);
	problem.t = draw(eval, random, &problem, draw_t);
	if (kind->weight && random_chance(random, 0.5))
		problem.w = draw(eval, random, &problem, draw_weight);
	if (kind->pos_weight && random_chance(random, 0.5))
		problem.q = draw(eval, random, &problem, draw_weight);
	if (kind->var)
		problem.var = draw(eval, random, &problem, draw_weight);
	return problem;
}

/* ---------------------------------------------------------------- evaluating */

static struct loss_tensor tensor_of(struct eval *eval, const struct problem *problem,
				    loss_dtype dtype, const double *values, size_t first, size_t n)
{
	size_t count = n + problem->shift;
	double *all = eval_array(eval, double, count);
	memcpy(all + problem->shift, values + first, n * sizeof *all);
	struct loss_tensor tensor = eval_floats(eval, dtype, 1, &count, all);
	tensor.data = (unsigned char *)tensor.data + problem->shift * loss_dtype_info(dtype)->size;
	tensor.shape[0] = n;
	assert_true(loss_tensor_set_count(&tensor));
	return tensor;
}

/* A boolean that is not its default. */
static void turn(struct eval *eval, const char *name)
{
	int i = loss_find_argument(eval->info, name, strlen(name));
	assert_true(i >= 0);
	bool usual = strcmp(eval->info->arguments[i]->default_json, "true") == 0;
	struct loss_value other = {.type = LOSS_VALUE_BOOLEAN, .boolean = !usual};
	assert_int_equal(loss_problem_set_argument(eval->problem, (size_t)i, &other, &eval->error),
			 LOSS_OK);
}

static void set(struct eval *eval, const struct problem *problem)
{
	static const char *const outputs[] = {"loss", "grad", NULL};
	if (problem->kind->logs)
		turn(eval, "log_target");
	if (problem->kind->flag)
		turn(eval, problem->kind->flag);
	if (problem->kind->argument)
		eval_number(eval, problem->kind->argument, problem->kind->value);
	if (problem->kind->gamma >= 0)
		eval_number(eval, "gamma", problem->kind->gamma);
	eval_string(eval, "reduction", problem->reduction);
	eval_outputs(eval, outputs);
}

/* Elements [first, first + n) of a problem, from eval_start to eval_run. */
static void run(struct eval *eval, const struct problem *problem, size_t first, size_t n)
{
	eval_start(eval, problem->kind->loss);
	eval_set(eval, problem->kind->input,
		 tensor_of(eval, problem, problem->x_dtype, problem->x, first, n));
	eval_set(eval, "targets", tensor_of(eval, problem, problem->t_dtype, problem->t, first, n));
	if (problem->w)
		eval_set(eval, "weight", tensor_of(eval, problem, LOSS_F32, problem->w, first, n));
	if (problem->q)
		eval_set(eval, "pos_weight",
			 tensor_of(eval, problem, LOSS_F32, problem->q, first, n));
	if (problem->var)
		eval_set(eval, "var", tensor_of(eval, problem, LOSS_F32, problem->var, first, n));
	set(eval, problem);
	eval_run(eval, 1);
}

static bool same(double a, double b)
{
	return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

/* Elements [first, first + n) of `whole` are the elements of `part`. */
static void expect_part(const struct eval *whole, const struct eval *part, size_t first, size_t n,
			const char *what)
{
	static const char *const names[] = {"loss", "grad"};
	for (size_t k = 0; k < COUNT(names); k++)
		for (size_t i = 0; i < n; i++) {
			double a = eval_value(eval_output(whole, names[k]), first + i);
			double b = eval_value(eval_output(part, names[k]), i);
			require(same(a, b), "%s of %s, element %zu, %s: %a, else %a", names[k],
				whole->info->name, first + i, what, a, b);
		}
}

/* ---------------------------------------------------------------- tests */

static void check_alone(struct random *random, const struct kind *kind, size_t n, size_t step)
{
	struct eval draft, whole, part;
	eval_start(&draft, kind->loss);
	struct problem problem = draw_problem(&draft, random, kind, n);
	problem.shift = random_below(random, 4);
	run(&whole, &problem, 0, n);
	problem.shift = random_below(random, 4);
	for (size_t i = random_below(random, step); i < n; i += step) {
		run(&part, &problem, i, 1);
		expect_part(&whole, &part, i, 1, "alone");
		eval_end(&part);
	}
	eval_end(&whole);
	eval_end(&draft);
}

static void elements_do_not_depend_on_their_place(void **state)
{
	static const size_t counts[] = {511, 512, 513, 1000, 8191, 8192, 8193, 8193 + 512 + 17};
	struct random random = random_start(0xb10c);
	(void)state;
	for (size_t k = 0; k < COUNT(kinds); k++) {
		for (size_t n = 1; n <= 100; n++)
			check_alone(&random, &kinds[k], n, 1 + n / 8);
		for (size_t i = 0; i < COUNT(counts); i++)
			check_alone(&random, &kinds[k], counts[i], counts[i] / 40);
	}
}

/* The total, and the mean's gradients, of elements that are numbers. */
static void check_sum(struct random *random, const struct kind *kind, size_t n)
{
	struct eval draft, none, sum;
	eval_start(&draft, kind->loss);
	struct problem problem = draw_problem(&draft, random, kind, n);
	run(&none, &problem, 0, n);
	for (size_t i = 0; i < n; i++)
		if (!isfinite(eval_value(eval_output(&none, "loss"), i)))
			problem.x[i] = problem.t[i] = 0.5;
	eval_end(&none);
	run(&none, &problem, 0, n);
	problem.reduction = "sum";
	run(&sum, &problem, 0, n);
	long double total = 0, size = 0;
	for (size_t i = 0; i < n; i++) {
		double loss = eval_value(eval_output(&none, "loss"), i);
		total += (long double)loss;
		size += fabsl((long double)loss);
	}
	long double error = fabsl((long double)sum.result.totals.loss_sum - total);
	bool wide = problem.x_dtype == LOSS_F64;
	require(error <= size * (wide ? 0x1p-52L : 0x1p-24L),
		"%s: the sum of %zu elements is off by %Lg of %Lg", kind->loss, n, error, size);
	require(same(sum.result.totals.loss_sum, none.result.totals.loss_sum),
		"%s: the total depends on the reduction", kind->loss);
	eval_end(&sum);
	eval_end(&none);
	eval_end(&draft);
}

static void sums_hold_every_element_once(void **state)
{
	static const size_t counts[] = {255, 511, 512, 513, 8191, 8192, 8193, 20011};
	struct random random = random_start(0xb10d);
	(void)state;
	for (size_t k = 0; k < COUNT(kinds); k++) {
		for (size_t n = 1; n <= 100; n++)
			check_sum(&random, &kinds[k], n);
		for (size_t i = 0; i < COUNT(counts); i++)
			check_sum(&random, &kinds[k], counts[i]);
	}
}

/* The same values in other types. */
static void types_do_not_matter(void **state)
{
	static const loss_dtype dtypes[] = {LOSS_F16, LOSS_BF16, LOSS_F8_E4M3, LOSS_F8_E5M2,
					    LOSS_F64};
	struct random random = random_start(0xb10e);
	(void)state;
	for (size_t i = 0; i < random_cases(300); i++) {
		const struct kind *kind = &kinds[i % COUNT(kinds)];
		size_t n = 1 + random_below(&random, i % 10 == 0 ? 1200 : 70);
		struct eval draft, want, got;
		eval_start(&draft, kind->loss);
		struct problem problem = draw_problem(&draft, &random, kind, n);
		problem.x_dtype = problem.t_dtype = LOSS_F32;
		for (size_t k = 0; k < n; k++) { /* three binary digits: exact in all of them */
			problem.x[k] = 0.25 * (double)random_below(&random, 5);
			if (!kind->probabilities)
				problem.x[k] *= random_chance(&random, 0.5) ? -1 : 4;
			if (!kind->probabilities && random_chance(&random, 0.03))
				problem.x[k] = (double)NAN;
			problem.t[k] = kind->logs ? -0.5 * (double)random_below(&random, 8)
						  : 0.25 * (double)random_below(&random, 5);
		}
		run(&want, &problem, 0, n);
		problem.t_dtype = dtypes[i / COUNT(kinds) % 5];
		run(&got, &problem, 0, n);
		expect_part(&want, &got, 0, n, "targets of another type");
		require(same(want.result.totals.loss_sum, got.result.totals.loss_sum),
			"%s: the total depends on the targets' type", kind->loss);
		eval_end(&got);
		problem.x_dtype = dtypes[i / COUNT(kinds) % 4];
		run(&got, &problem, 0, n);
		for (size_t k = 0; k < n; k++)
			require(same(eval_value(eval_output(&want, "loss"), k),
				     eval_value(eval_output(&got, "loss"), k)),
				"%s, element %zu: the loss depends on the input's type", kind->loss,
				k);
		eval_end(&got);
		eval_end(&want);
		eval_end(&draft);
	}
}

/* ---------------------------------------------------------------- broadcasting */

#define MAX_RANK 4

/* Which axes a factor has, in its own shape, and its value for the element at these coordinates. */
struct factor {
	int rank;
	size_t shape[MAX_RANK];
	size_t count;
	double *values;
};

static struct factor draw_factor(struct eval *eval, struct random *random, int rank,
				 const size_t *shape)
{
	struct factor factor = {.rank = (int)random_below(random, (size_t)rank + 1), .count = 1};
	for (int k = 0; k < factor.rank; k++) {
		bool one = random_chance(random, 0.4);
		factor.shape[k] = one ? 1 : shape[rank - factor.rank + k];
		factor.count *= factor.shape[k];
	}
	factor.values = eval_array(eval, double, factor.count);
	for (size_t i = 0; i < factor.count; i++)
		factor.values[i] = (double)(float)random_uniform(random, 0, 2);
	return factor;
}

static double factor_at(const struct factor *factor, int rank, const size_t *shape, size_t i)
{
	size_t at[MAX_RANK], index = 0;
	for (int k = rank - 1; k >= 0; i /= shape[k--])
		at[k] = i % shape[k];
	for (int k = 0; k < factor->rank; k++) {
		size_t own = factor->shape[k] == 1 ? 0 : at[rank - factor->rank + k];
		index = index * factor->shape[k] + own;
	}
	return factor->values[index];
}

static double *expanded(struct eval *eval, const struct factor *factor, int rank,
			const size_t *shape, size_t n)
{
	double *values = eval_array(eval, double, n);
	for (size_t i = 0; i < n; i++)
		values[i] = factor_at(factor, rank, shape, i);
	return values;
}

/* The broadcast factors give what the same factors give in the input's own shape. */
static void check_broadcast(struct random *random, const struct kind *kind, loss_dtype dtype)
{
	struct eval want, got;
	size_t shape[MAX_RANK], n = 1;
	int rank = 1 + (int)random_below(random, MAX_RANK);
	for (int k = 0; k < rank; k++) {
		shape[k] = 1 + random_below(random, k == 1 ? 70 : 6);
		n *= shape[k];
	}
	eval_start(&got, kind->loss);
	struct problem problem = draw_problem(&got, random, kind, n);
	struct factor weight = draw_factor(&got, random, rank, shape);
	struct factor pos_weight = draw_factor(&got, random, rank, shape);
	problem.w = expanded(&got, &weight, rank, shape, n);
	problem.q = kind->pos_weight ? expanded(&got, &pos_weight, rank, shape, n) : NULL;
	run(&want, &problem, 0, n);
	eval_set(&got, kind->input, eval_floats(&got, problem.x_dtype, rank, shape, problem.x));
	eval_set(&got, "targets", eval_floats(&got, problem.t_dtype, rank, shape, problem.t));
	eval_set(&got, "weight",
		 eval_floats(&got, dtype, weight.rank, weight.shape, weight.values));
	if (kind->pos_weight)
		eval_set(&got, "pos_weight",
			 eval_floats(&got, dtype, pos_weight.rank, pos_weight.shape,
				     pos_weight.values));
	set(&got, &problem);
	eval_run(&got, 1);
	expect_part(&want, &got, 0, n, "broadcast");
	eval_end(&got);
	eval_end(&want);
}

static void factors_broadcast(void **state)
{
	struct random random = random_start(0xb10f);
	(void)state;
	for (size_t i = 0; i < random_cases(600); i++)
		check_broadcast(&random, &kinds[i % 2], i % 3 == 0 ? LOSS_F64 : LOSS_F32);
}

/* Targets, and what is expected of them, for many elements at once. */
static void check_broadcast_targets(struct random *random, const struct kind *kind,
				    loss_dtype dtype)
{
	struct eval want, got;
	size_t shape[MAX_RANK], n = 1;
	int rank = 1 + (int)random_below(random, MAX_RANK);
	for (int k = 0; k < rank; k++) {
		shape[k] = 1 + random_below(random, k == 1 ? 70 : 6);
		n *= shape[k];
	}
	eval_start(&got, kind->loss);
	struct problem problem = draw_problem(&got, random, kind, n);
	struct factor targets = draw_factor(&got, random, rank, shape);
	struct factor var = draw_factor(&got, random, rank, shape);
	if (kind->var && var.rank == rank - 1) /* that may be one for each row */
		var = (struct factor){.rank = 0, .count = 1, .values = var.values};
	problem.t = expanded(&got, &targets, rank, shape, n);
	problem.var = kind->var ? expanded(&got, &var, rank, shape, n) : NULL;
	problem.w = NULL;
	run(&want, &problem, 0, n);
	eval_set(&got, kind->input, eval_floats(&got, problem.x_dtype, rank, shape, problem.x));
	eval_set(&got, "targets",
		 eval_floats(&got, dtype, targets.rank, targets.shape, targets.values));
	if (kind->var)
		eval_set(&got, "var", eval_floats(&got, dtype, var.rank, var.shape, var.values));
	set(&got, &problem);
	eval_run(&got, 1);
	expect_part(&want, &got, 0, n, "broadcast targets");
	eval_end(&got);
	eval_end(&want);
}

static void targets_of_numbers_broadcast(void **state)
{
	struct random random = random_start(0xb110);
	(void)state;
	for (size_t i = 0; i < random_cases(600); i++) {
		const struct kind *kind = &kinds[i % COUNT(kinds)];
		if (strcmp(kind->input, "predictions") == 0)
			check_broadcast_targets(&random, kind, i % 3 == 0 ? LOSS_F64 : LOSS_F32);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(elements_do_not_depend_on_their_place),
		cmocka_unit_test(sums_hold_every_element_once),
		cmocka_unit_test(types_do_not_matter),
		cmocka_unit_test(factors_broadcast),
		cmocka_unit_test(targets_of_numbers_broadcast),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
