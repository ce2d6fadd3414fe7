/* binary_cross_entropy, kl_div, sigmoid_focal_loss and the losses of numbers against their oracles,
 * element by element. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../support/eval.h"
#include "../support/random.h"
#include "../support/ulp.h"
#include "kernel/oracle.h"

struct problem {
	const char *loss;
	loss_dtype dtype;
	const char *reduction;
	size_t n;
	double *x, *t, *weight, *grad_output; /* n each, the last two or NULL; grad_output n or 1 */
	double *var;                          /* NULL: the loss has none */
	bool log_target, full;
	double alpha, gamma;
	double parameter; /* what its name is depends on the loss */
};

typedef double draw_fn(struct random *random);
typedef void set_fn(struct eval *eval, const struct problem *problem);
/* The exact loss or gradient of an element, and the magnitude that its error is measured by. */
typedef long double exact_fn(const struct problem *problem, const struct oracle_element *element,
			     long double *scale);

/* ---------------------------------------------------------------- draws */

static double draw_tiny(struct random *random)
{
	return ldexp(random_uniform(random, 0.5, 1), -(int)random_below(random, 140));
}

static double draw_probability(struct random *random)
{
	static const double odd[] = {0, 1, 0.5, 0x1p-149, 0x1p-60, 1e-44, 1 - 0x1p-24};
	size_t kind = random_below(random, 10);
	if (kind < 2)
		return odd[random_below(random, sizeof(odd) / sizeof(odd[0]))];
	if (kind < 4)
		return draw_tiny(random);
	return kind == 4 ? 1 - draw_tiny(random) : random_uniform(random, 0, 1);
}

static double draw_log_prob(struct random *random)
{
	size_t kind = random_below(random, 8);
	if (kind == 0)
		return random_chance(random, 0.5) ? -1e5 : 0;
	return kind == 1 ? -draw_tiny(random) : -fabs(3 * random_normal(random));
}

static double draw_logit(struct random *random)
{
	static const double odd[] = {0, -0.0, 1e30, -1e30, 0x1p-149, 88, -88};
	size_t kind = random_below(random, 8);
	if (kind == 0)
		return odd[random_below(random, sizeof(odd) / sizeof(odd[0]))];
	if (kind == 1)
		return (random_chance(random, 0.5) ? 1 : -1) * (double)INFINITY;
	return (kind < 4 ? 40 : 3) * random_normal(random);
}

/* What only a double holds, on both sides of what is evaluated in vectors. */
static double draw_wide(struct random *random, const double *odd, size_t n, double otherwise)
{
	return random_chance(random, 0.2) ? odd[random_below(random, n)] : otherwise;
}

static double draw_wide_probability(struct random *random)
{
	static const double odd[] = {0x1p-1074, 0x1p-1030, 0x1.8p-1022, 0x1p-1021,   1e-300,
				     0x1p-500,  0x1p-200,  0x1p-144,    1 - 0x1p-53, 1 - 0x1p-40};
	return draw_wide(random, odd, sizeof(odd) / sizeof(odd[0]), draw_probability(random));
}

static double draw_wide_logit(struct random *random)
{
	static const double odd[] = {599,  -599.5, 601,    -601,  699.9, -700.1, 745,
				     -760, 350,    -349.9, 87.45, -88,   1e300,  1e6};
	return draw_wide(random, odd, sizeof(odd) / sizeof(odd[0]), draw_logit(random));
}

static double draw_wide_log_prob(struct random *random)
{
	static const double odd[] = {-699.9, -700.1, -745, -1e300, 0x1p-1074, -1e-300};
	return draw_wide(random, odd, sizeof(odd) / sizeof(odd[0]), draw_log_prob(random));
}

/* ---------------------------------------------------------------- losses */

static long double bce_loss(const struct problem *problem, const struct oracle_element *element,
			    long double *scale)
{
	(void)problem;
	return *scale = oracle_probs_bce_loss(element);
}

static long double bce_grad(const struct problem *problem, const struct oracle_element *element,
			    long double *scale)
{
	(void)problem;
	return *scale = oracle_probs_bce_grad(element);
}

static void set_kl_div(struct eval *eval, const struct problem *problem)
{
	int i = loss_find_argument(eval->info, "log_target", 10);
	struct loss_value value = {.type = LOSS_VALUE_BOOLEAN, .boolean = problem->log_target};
	require(i >= 0 && loss_problem_set_argument(eval->problem, (size_t)i, &value,
						    &eval->error) == LOSS_OK,
		"log_target: %s", eval->error.detail);
}

static long double kl_div_loss(const struct problem *problem, const struct oracle_element *element,
			       long double *scale)
{
	return oracle_kl_div_loss(element, problem->log_target, scale);
}

static long double kl_div_grad(const struct problem *problem, const struct oracle_element *element,
			       long double *scale)
{
	return *scale = oracle_kl_div_grad(element, problem->log_target);
}

static void set_focal(struct eval *eval, const struct problem *problem)
{
	eval_number(eval, "alpha", problem->alpha);
	eval_number(eval, "gamma", problem->gamma);
}

static long double focal_loss(const struct problem *problem, const struct oracle_element *element,
			      long double *scale)
{
	return *scale = oracle_focal_loss(element, (long double)problem->alpha,
					  (long double)problem->gamma);
}

static long double focal_grad(const struct problem *problem, const struct oracle_element *element,
			      long double *scale)
{
	return oracle_focal_grad(element, (long double)problem->alpha, (long double)problem->gamma,
				 scale);
}

/* Numbers of all sizes, and beside each other: what is small of a gap must not be lost. */
static double draw_number(struct random *random)
{
	static const double odd[] = {0, 1, 1 - 0x1p-24, 1 + 0x1p-23, 0x1p-149, -2.5, 88, -87, 3e5};
	size_t kind = random_below(random, 8);
	if (kind < 2)
		return odd[random_below(random, sizeof(odd) / sizeof(odd[0]))];
	return kind == 2 ? draw_tiny(random) : (kind < 5 ? 40 : 2) * random_normal(random);
}

static double draw_wide_number(struct random *random)
{
	static const double odd[] = {0x1p-1074, 1e-200, 0x1.8p-512, 1e150, 1e200,
				     699.9,     -700.5, 705,        1e-160};
	return draw_wide(random, odd, sizeof(odd) / sizeof(odd[0]), draw_number(random));
}

static double draw_rate(struct random *random)
{
	return fabs(draw_number(random));
}

static double draw_wide_rate(struct random *random)
{
	return fabs(draw_wide_number(random));
}

static long double mse_loss(const struct problem *problem, const struct oracle_element *element,
			    long double *scale)
{
	(void)problem;
	return *scale = oracle_mse_loss(element);
}

static long double mse_grad(const struct problem *problem, const struct oracle_element *element,
			    long double *scale)
{
	(void)problem;
	return *scale = oracle_mse_grad(element);
}

static long double l1_loss(const struct problem *problem, const struct oracle_element *element,
			   long double *scale)
{
	(void)problem;
	return *scale = oracle_l1_loss(element);
}

static long double l1_grad(const struct problem *problem, const struct oracle_element *element,
			   long double *scale)
{
	(void)problem;
	return *scale = oracle_l1_grad(element);
}

static void set_smooth_l1(struct eval *eval, const struct problem *problem)
{
	eval_number(eval, "beta", problem->parameter);
}

static long double smooth_l1_loss(const struct problem *problem,
				  const struct oracle_element *element, long double *scale)
{
	return oracle_smooth_l1_loss(element, (long double)problem->parameter, scale);
}

static long double smooth_l1_grad(const struct problem *problem,
				  const struct oracle_element *element, long double *scale)
{
	return *scale = oracle_smooth_l1_grad(element, (long double)problem->parameter);
}

static void set_huber(struct eval *eval, const struct problem *problem)
{
	eval_number(eval, "delta", problem->parameter);
}

static long double huber_loss(const struct problem *problem, const struct oracle_element *element,
			      long double *scale)
{
	return oracle_huber_loss(element, (long double)problem->parameter, scale);
}

static long double huber_grad(const struct problem *problem, const struct oracle_element *element,
			      long double *scale)
{
	return *scale = oracle_huber_grad(element, (long double)problem->parameter);
}

static void set_full(struct eval *eval, const struct problem *problem)
{
	int i = loss_find_argument(eval->info, "full", 4);
	struct loss_value value = {.type = LOSS_VALUE_BOOLEAN, .boolean = problem->full};
	require(i >= 0 && loss_problem_set_argument(eval->problem, (size_t)i, &value,
						    &eval->error) == LOSS_OK,
		"full: %s", eval->error.detail);
}

static void set_rates(struct eval *eval, const struct problem *problem)
{
	int i = loss_find_argument(eval->info, "log_input", 9);
	struct loss_value no = {.type = LOSS_VALUE_BOOLEAN};
	set_full(eval, problem);
	eval_number(eval, "eps", 1e-8);
	require(i >= 0 && loss_problem_set_argument(eval->problem, (size_t)i, &no, &eval->error) ==
				  LOSS_OK,
		"log_input: %s", eval->error.detail);
}

static struct oracle_poisson poisson_of(const struct problem *problem, bool log_input)
{
	return (struct oracle_poisson){log_input, problem->full, (long double)1e-8};
}

static long double poisson_loss(const struct problem *problem, const struct oracle_element *element,
				long double *scale)
{
	struct oracle_poisson poisson = poisson_of(problem, true);
	return oracle_poisson_loss(element, &poisson, scale);
}

static long double poisson_grad(const struct problem *problem, const struct oracle_element *element,
				long double *scale)
{
	struct oracle_poisson poisson = poisson_of(problem, true);
	return oracle_poisson_grad(element, &poisson, scale);
}

static long double rates_loss(const struct problem *problem, const struct oracle_element *element,
			      long double *scale)
{
	struct oracle_poisson poisson = poisson_of(problem, false);
	return oracle_poisson_loss(element, &poisson, scale);
}

static long double rates_grad(const struct problem *problem, const struct oracle_element *element,
			      long double *scale)
{
	struct oracle_poisson poisson = poisson_of(problem, false);
	return oracle_poisson_grad(element, &poisson, scale);
}

static void set_gaussian(struct eval *eval, const struct problem *problem)
{
	set_full(eval, problem);
	eval_set(eval, "var", eval_floats(eval, problem->dtype, 1, &problem->n, problem->var));
}

static struct oracle_gaussian gaussian_of(const struct problem *problem,
					  const struct oracle_element *element)
{
	return (struct oracle_gaussian){element->pos_weight, (long double)1e-6, problem->full};
}

static long double gaussian_loss(const struct problem *problem,
				 const struct oracle_element *element, long double *scale)
{
	struct oracle_gaussian gaussian = gaussian_of(problem, element);
	return oracle_gaussian_loss(element, &gaussian, scale);
}

static long double gaussian_grad(const struct problem *problem,
				 const struct oracle_element *element, long double *scale)
{
	struct oracle_gaussian gaussian = gaussian_of(problem, element);
	return *scale = oracle_gaussian_grad(element, &gaussian);
}

static void set_quantile(struct eval *eval, const struct problem *problem)
{
	eval_number(eval, "quantile", problem->alpha < 0 ? 1 : problem->alpha);
}

static long double quantile_loss(const struct problem *problem,
				 const struct oracle_element *element, long double *scale)
{
	double q = problem->alpha < 0 ? 1 : problem->alpha;
	return *scale = oracle_quantile_loss(element, (long double)q);
}

static long double quantile_grad(const struct problem *problem,
				 const struct oracle_element *element, long double *scale)
{
	double q = problem->alpha < 0 ? 1 : problem->alpha;
	return *scale = oracle_quantile_grad(element, (long double)q);
}

static const struct loss {
	const char *name, *input, *loss_note, *grad_note;
	bool weighted;
	draw_fn *draw, *draw_wide; /* its input; of F64 */
	set_fn *set;
	exact_fn *loss, *grad;
} losses[] = {
	{"binary_cross_entropy", "probs", "bce of probs, loss", "bce of probs, grad", true,
	 draw_probability, draw_wide_probability, NULL, bce_loss, bce_grad},
	{"kl_div", "log_probs", "kl_div, loss", "kl_div, grad", false, draw_log_prob,
	 draw_wide_log_prob, set_kl_div, kl_div_loss, kl_div_grad},
	{"sigmoid_focal_loss", "logits", "focal, loss", "focal, grad", false, draw_logit,
	 draw_wide_logit, set_focal, focal_loss, focal_grad},
#define NUMBER(loss_, note, weighted_, drawn, set_, of)                                            \
	{                                                                                          \
		loss_, "predictions", note ", loss", note ", grad", weighted_, draw_##drawn,       \
			draw_wide_##drawn, set_, of##_loss, of##_grad                              \
	}
	NUMBER("mse_loss", "mse", true, number, NULL, mse),
	NUMBER("l1_loss", "l1", true, number, NULL, l1),
	NUMBER("smooth_l1_loss", "smooth l1", false, number, set_smooth_l1, smooth_l1),
	NUMBER("huber_loss", "huber", true, number, set_huber, huber),
	NUMBER("poisson_nll_loss", "poisson", false, number, set_full, poisson),
	NUMBER("poisson_nll_loss", "poisson of rates", false, rate, set_rates, rates),
	NUMBER("gaussian_nll_loss", "gaussian", false, number, set_gaussian, gaussian),
	NUMBER("quantile_loss", "quantile", false, number, set_quantile, quantile),
};

/* ---------------------------------------------------------------- comparing */

static double *fill(struct eval *eval, const struct problem *problem, struct random *random,
		    draw_fn *draw)
{
	double *values = eval_array(eval, double, problem->n);
	for (size_t i = 0; i < problem->n; i++) {
		double value = draw(random);
		values[i] = problem->dtype == LOSS_F32 ? (double)(float)value : value;
	}
	return values;
}

static double draw_log_target(struct random *random)
{
	return random_chance(random, 0.1) ? -(double)INFINITY : draw_log_prob(random);
}

static double draw_wide_log_target(struct random *random)
{
	return random_chance(random, 0.1) ? -(double)INFINITY : draw_wide_log_prob(random);
}

static struct problem draw(struct eval *eval, struct random *random, const struct loss *loss,
			   loss_dtype dtype)
{
	static const char *const reductions[] = {"none", "mean", "sum"};
	static const double gammas[] = {2, 0, 1, 0.5, 5, 3.7, 8};
	struct problem problem = {.loss = loss->name,
				  .dtype = dtype,
				  .reduction = reductions[random_below(random, 3)],
				  .n = 1 + random_below(random, 90)};
	problem.log_target = random_chance(random, 0.5);
	problem.alpha = random_chance(random, 0.2) ? -1 : random_uniform(random, 0, 1);
	problem.gamma = gammas[random_below(random, sizeof(gammas) / sizeof(gammas[0]))];
	bool in_logs = problem.log_target && strcmp(loss->name, "kl_div") == 0;
	bool wide = dtype == LOSS_F64;
	bool numbers = strcmp(loss->input, "predictions") == 0;
	problem.full = random_chance(random, 0.5);
	problem.parameter = random_chance(random, 0.3) ? 1 : random_uniform(random, 0.01, 50);
	draw_fn *draw_t[2][2] = {{draw_probability, draw_wide_probability},
				 {draw_log_target, draw_wide_log_target}};
	problem.x = fill(eval, &problem, random, wide ? loss->draw_wide : loss->draw);
	problem.t = fill(eval, &problem, random,
			 numbers ? (wide ? draw_wide_number : draw_number) : draw_t[in_logs][wide]);
	if (numbers)
		problem.var = fill(eval, &problem, random, draw_wide_rate);
	if (loss->weighted && random_chance(random, 0.5))
		problem.weight = fill(eval, &problem, random, draw_probability);
	if (random_chance(random, 0.5))
		problem.grad_output = fill(eval, &problem, random, draw_probability);
	return problem;
}

static void run(struct eval *eval, const struct loss *loss, const struct problem *problem)
{
	static const char *const outputs[] = {"loss", "grad", NULL};
	bool none = strcmp(problem->reduction, "none") == 0;
	const size_t *shape = &problem->n;
	eval_set(eval, loss->input, eval_floats(eval, problem->dtype, 1, shape, problem->x));
	eval_set(eval, "targets", eval_floats(eval, problem->dtype, 1, shape, problem->t));
	if (problem->weight)
		eval_set(eval, "weight",
			 eval_floats(eval, problem->dtype, 1, shape, problem->weight));
	if (problem->grad_output)
		eval_set(eval, "grad_output",
			 eval_floats(eval, problem->dtype, none, shape, problem->grad_output));
	if (loss->set)
		loss->set(eval, problem);
	eval_string(eval, "reduction", problem->reduction);
	eval_outputs(eval, outputs);
	eval_run(eval, 1);
}

/* Of the mean: the elements, or their weights. */
static long double divisor_of(const struct problem *problem)
{
	struct oracle_sum sum = {0};
	bool weighs =
		strcmp(problem->loss, "mse_loss") == 0 || strcmp(problem->loss, "l1_loss") == 0;
	for (size_t i = 0; i < problem->n; i++)
		oracle_add(&sum, weighs && problem->weight ? (long double)problem->weight[i] : 1);
	return oracle_total(&sum);
}

static struct oracle_element element_of(const struct problem *problem, size_t i)
{
	bool none = strcmp(problem->reduction, "none") == 0;
	struct oracle_element element = {.x = (long double)problem->x[i],
					 .t = (long double)problem->t[i],
					 .weight = 1,
					 .pos_weight = 1,
					 .scale = 1};
	if (problem->weight)
		element.weight = (long double)problem->weight[i];
	if (problem->var)
		element.pos_weight = (long double)problem->var[i];
	if (problem->grad_output)
		element.scale = (long double)problem->grad_output[none ? i : 0];
	if (strcmp(problem->reduction, "mean") == 0)
		element.scale /= divisor_of(problem);
	return element;
}

static void check(const struct problem *problem, const char *what, size_t i, long double error)
{
	ulp_note(what, problem->dtype, "", error);
	require(error <= 4, "%s %s of element %zu (x %a, t %a, %s, gamma %g): off by %Lg ulp",
		problem->loss, what, i, problem->x[i], problem->t[i],
		loss_dtype_info(problem->dtype)->name, problem->gamma, error);
}

static void check_elements(const struct eval *eval, const struct loss *loss,
			   const struct problem *problem)
{
	bool none = strcmp(problem->reduction, "none") == 0;
	bool mean = strcmp(problem->reduction, "mean") == 0;
	struct oracle_sum sum = {0}, sizes = {0};
	for (size_t i = 0; i < problem->n; i++) {
		struct oracle_element element = element_of(problem, i);
		long double scale = 0;
		long double exact = loss->loss(problem, &element, &scale);
		oracle_add(&sum, exact);
		oracle_add(&sizes, fabsl(scale));
		if (none)
			check(problem, loss->loss_note, i,
			      ulp_error_scaled(problem->dtype,
					       eval_value(eval_output(eval, "loss"), i), exact,
					       scale));
		exact = loss->grad(problem, &element, &scale);
		check(problem, loss->grad_note, i,
		      ulp_error_floored(problem->dtype, eval_value(eval_output(eval, "grad"), i),
					exact, scale));
	}
	long double divisor = mean ? divisor_of(problem) : 1;
	if (!none)
		check(problem, "reduced", 0,
		      ulp_error_scaled(problem->dtype, eval_value(eval_output(eval, "loss"), 0),
				       oracle_total(&sum) / divisor,
				       oracle_total(&sizes) / divisor));
}

static void check_loss(const struct loss *loss)
{
	struct random random = random_start(0xe1e + (uint64_t)(loss - losses));
	for (size_t i = 0; i < random_cases(1500); i++) {
		struct eval eval;
		eval_start(&eval, loss->name);
		struct problem problem =
			draw(&eval, &random, loss, i % 2 == 0 ? LOSS_F32 : LOSS_F64);
		run(&eval, loss, &problem);
		check_elements(&eval, loss, &problem);
		eval_end(&eval);
	}
}

static void binary_cross_entropy(void **state)
{
	(void)state;
	check_loss(&losses[0]);
}

static void kl_div(void **state)
{
	(void)state;
	check_loss(&losses[1]);
}

static void sigmoid_focal_loss(void **state)
{
	(void)state;
	check_loss(&losses[2]);
}

static void losses_of_numbers(void **state)
{
	(void)state;
	for (size_t i = 3; i < sizeof(losses) / sizeof(losses[0]); i++)
		check_loss(&losses[i]);
}

static int report(void **state)
{
	(void)state;
	ulp_report("element-wise losses");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(binary_cross_entropy),
		cmocka_unit_test(kl_div),
		cmocka_unit_test(sigmoid_focal_loss),
		cmocka_unit_test(losses_of_numbers),
	};
	if (!ORACLE_IS_PRECISE)
		return skip_all("long double is no wider than double here");
	return cmocka_run_group_tests(tests, NULL, report);
}
