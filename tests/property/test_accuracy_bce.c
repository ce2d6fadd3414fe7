/* binary_cross_entropy_with_logits against the oracle, with weights broadcast in every way. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "../support/batch.h"
#include "../support/ulp.h"
#include "kernel/oracle.h"

static const loss_dtype dtypes[] = {LOSS_F32,  LOSS_F64,     LOSS_F16,
				    LOSS_BF16, LOSS_F8_E4M3, LOSS_F8_E5M2};
static const char loss_name[] = "binary_cross_entropy_with_logits";

/* How a weight spreads over elements of shape (n, m): its own shape and its strides. */
struct spread {
	int rank;
	bool rows, columns; /* whether it varies along the axis */
};

static const struct spread spreads[] = {{2, true, true},  {1, false, true}, {0, false, false},
					{2, true, false}, {2, false, true}, {1, false, false}};
#define N_SPREADS (sizeof(spreads) / sizeof(spreads[0]))

struct problem {
	loss_dtype dtype;
	const char *distribution;
	size_t n, m;
	double *x, *t, *weight, *pos_weight; /* weights as spread, or NULL */
	struct spread weight_spread, pos_weight_spread;
	const char *reduction;
	double *grad_output; /* n * m, or one */
};

static double draw_logit(struct random *random, const struct problem *problem)
{
	static const double odd[] = {0, -0.0, 1e30, -1e30, 0x1p-149, -0x1p-149, 88, -88};
	bool single = problem->dtype != LOSS_F64;
	if (strcmp(problem->distribution, "wide") == 0)
		return random_uniform(random, -1, 1) * (single ? 104 : 745);
	if (strcmp(problem->distribution, "small") == 0)
		return ldexp(random_uniform(random, -1, 1), -(int)random_below(random, 120));
	if (strcmp(problem->distribution, "odd") == 0)
		return odd[random_below(random, sizeof(odd) / sizeof(odd[0]))];
	if (strcmp(problem->distribution, "infinite") == 0)
		return (double)INFINITY * (random_chance(random, 0.5) ? 1 : -1);
	return 3 * random_normal(random);
}

static double draw_target(struct random *random)
{
	static const double plain[] = {0, 1, 0.5, 1, 0};
	size_t kind = random_below(random, 8);
	if (kind < 5)
		return plain[kind];
	return kind == 5 ? 1 - ldexp(1, -24) : random_uniform(random, 0, 1);
}

static double *draw_weights(struct eval *eval, struct random *random, const struct problem *problem,
			    double most)
{
	double *weights = eval_array(eval, double, problem->n * problem->m);
	for (size_t i = 0; i < problem->n * problem->m; i++)
		weights[i] = batch_rounded(problem->dtype, random_uniform(random, 0, most));
	return weights;
}

static void fill(struct eval *eval, struct random *random, struct problem *problem)
{
	size_t count = problem->n * problem->m;
	problem->x = eval_array(eval, double, count);
	problem->t = eval_array(eval, double, count);
	for (size_t i = 0; i < count; i++) {
		problem->x[i] = batch_rounded(problem->dtype, draw_logit(random, problem));
		problem->t[i] = batch_rounded(problem->dtype, draw_target(random));
	}
	problem->weight_spread = spreads[random_below(random, N_SPREADS)];
	problem->pos_weight_spread = spreads[random_below(random, N_SPREADS)];
	if (random_chance(random, 0.6))
		problem->weight = draw_weights(eval, random, problem, 1);
	if (random_chance(random, 0.6))
		problem->pos_weight = draw_weights(eval, random, problem, 1);
	if (random_chance(random, 0.5))
		problem->grad_output = draw_weights(eval, random, problem, 1);
}

static size_t spread_at(const struct problem *problem, const struct spread *spread, size_t i)
{
	size_t row = i / problem->m, column = i % problem->m;
	size_t width = spread->columns ? problem->m : 1;
	return (spread->rows ? row * width : 0) + (spread->columns ? column : 0);
}

static void set_spread(struct eval *eval, const char *name, const struct problem *problem,
		       const struct spread *spread, const double *values)
{
	size_t shape[2] = {spread->rows ? problem->n : 1, spread->columns ? problem->m : 1};
	if (values != NULL)
		eval_set(eval, name,
			 eval_floats(eval, problem->dtype, spread->rank,
				     shape + (spread->rank == 1), values));
}

static void run(struct eval *eval, const struct problem *problem)
{
	static const char *const outputs[] = {"loss", "grad", NULL};
	size_t shape[2] = {problem->n, problem->m};
	bool none = strcmp(problem->reduction, "none") == 0;
	eval_set(eval, "logits", eval_floats(eval, problem->dtype, 2, shape, problem->x));
	eval_set(eval, "targets", eval_floats(eval, problem->dtype, 2, shape, problem->t));
	set_spread(eval, "weight", problem, &problem->weight_spread, problem->weight);
	set_spread(eval, "pos_weight", problem, &problem->pos_weight_spread, problem->pos_weight);
	if (problem->grad_output != NULL)
		eval_set(eval, "grad_output",
			 eval_floats(eval, problem->dtype, none ? 2 : 0, shape,
				     problem->grad_output));
	eval_string(eval, "reduction", problem->reduction);
	if (problem->dtype != LOSS_F64)
		eval_string(eval, "grad_dtype", "F32");
	eval_outputs(eval, outputs);
	eval_run(eval, 1);
}

static struct oracle_element element_of(const struct problem *problem, size_t i)
{
	struct oracle_element element = {.x = (long double)problem->x[i],
					 .t = (long double)problem->t[i],
					 .weight = 1,
					 .pos_weight = 1,
					 .scale = 1};
	bool none = strcmp(problem->reduction, "none") == 0;
	if (problem->weight != NULL)
		element.weight =
			(long double)
				problem->weight[spread_at(problem, &problem->weight_spread, i)];
	if (problem->pos_weight != NULL)
		element.pos_weight =
			(long double)problem
				->pos_weight[spread_at(problem, &problem->pos_weight_spread, i)];
	if (problem->grad_output != NULL)
		element.scale = (long double)problem->grad_output[none ? i : 0];
	if (strcmp(problem->reduction, "mean") == 0)
		element.scale /= (long double)(problem->n * problem->m);
	return element;
}

static void check(const struct problem *problem, const char *what, size_t i, long double error,
		  long double limit)
{
	ulp_note(what, problem->dtype, problem->distribution, error);
	require(error <= limit, "%s of element %zu (x %g, t %g, %s, %s): off by %Lg ulp", what, i,
		problem->x[i], problem->t[i], loss_dtype_info(problem->dtype)->name,
		problem->distribution, error);
}

static void check_elements(const struct eval *eval, const struct problem *problem)
{
	const struct loss_tensor *loss = eval_output(eval, "loss"),
				 *grad = eval_output(eval, "grad");
	bool none = strcmp(problem->reduction, "none") == 0;
	struct oracle_sum sum = {0};
	for (size_t i = 0; i < problem->n * problem->m; i++) {
		struct oracle_element element = element_of(problem, i);
		long double exact = oracle_bce_loss(&element), largest = 0;
		oracle_add(&sum, exact);
		if (none)
			check(problem, "bce, loss", i,
			      ulp_error(batch_result_dtype(problem->dtype), eval_value(loss, i),
					exact),
			      4);
		exact = oracle_bce_grad(&element, &largest);
		check(problem, "bce, grad", i,
		      ulp_error_floored(batch_result_dtype(problem->dtype), eval_value(grad, i),
					exact, largest),
		      4);
	}
	bool mean = strcmp(problem->reduction, "mean") == 0;
	long double total = oracle_total(&sum);
	if (!none)
		check(problem, "bce, reduced", 0,
		      ulp_error(batch_result_dtype(problem->dtype), eval_value(loss, 0),
				mean ? total / (long double)(problem->n * problem->m) : total),
		      5);
}

static void elements(void **state)
{
	static const char *const distributions[] = {"normal", "wide", "small", "odd", "infinite"};
	static const char *const reductions[] = {"none", "mean", "sum"};
	struct random random = random_start(0xbce);
	(void)state;
	for (size_t i = 0; i < random_cases(600); i++) {
		struct eval eval;
		struct problem problem = {.dtype = dtypes[i % 6],
					  .distribution = distributions[i / 6 % 5],
					  .n = 1 + random_below(&random, 9),
					  .m = 1 + random_below(&random, 40),
					  .reduction = reductions[random_below(&random, 3)]};
		eval_start(&eval, loss_name);
		fill(&eval, &random, &problem);
		run(&eval, &problem);
		check_elements(&eval, &problem);
		eval_end(&eval);
	}
}

/* One element, F64, as it is. */
static void check_element(const char *name, double x, double t, double weight, double pos_weight,
			  double grad_output)
{
	struct eval eval;
	struct problem problem = {.dtype = LOSS_F64,
				  .distribution = name,
				  .n = 1,
				  .m = 1,
				  .x = &x,
				  .t = &t,
				  .weight = &weight,
				  .pos_weight = &pos_weight,
				  .reduction = "none",
				  .grad_output = &grad_output};
	eval_start(&eval, loss_name);
	run(&eval, &problem);
	check_elements(&eval, &problem);
	eval_end(&eval);
}

/* Seven roundings in double, each harmless, once added up to more than 4 ulp of the gradient. */
static void roundings_of_factors_do_not_add_up(void **state)
{
	struct random random = random_start(0x7bce);
	(void)state;
	check_element("factors", 0.6269525937948417, 0.10582328206154779, 0.23644093108635522,
		      0.8499613254039988, 0.9030956404740043);
	for (size_t i = 0; i < random_cases(20000); i++) {
		double factors[4];
		for (size_t k = 0; k < 4; k++)
			factors[k] = random_uniform(&random, 0, 1);
		check_element("factors", random_normal(&random), factors[0], factors[1], factors[2],
			      factors[3]);
	}
}

/* exp(-|x|) is a subnormal of few bits here, or none; the loss, with the weight, is more. */
static void large_weights_of_subnormal_losses(void **state)
{
	static const double sizes[] = {601, 700.5, 710.25, 720.1, 735.3, 744.9, 760.7, 850.2};
	static const double weights[] = {1, 3.7, 1e3, 1e10, 1e40};
	(void)state;
	random_start(0);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (size_t k = 0; k < sizeof(weights) / sizeof(weights[0]); k++) {
			check_element("subnormal", sizes[i], 1, weights[k], 1.5, 1e-40);
			check_element("subnormal", -sizes[i], 0, weights[k], 7, 1e-40);
			check_element("subnormal", sizes[i], 0.5, weights[k], 1, 1e-40);
		}
	}
}

static int report(void **state)
{
	(void)state;
	ulp_report(loss_name);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(elements),
		cmocka_unit_test(roundings_of_factors_do_not_add_up),
		cmocka_unit_test(large_weights_of_subnormal_losses),
	};
	if (!ORACLE_IS_PRECISE)
		return skip_all("long double is no wider than double here");
	return cmocka_run_group_tests(tests, NULL, report);
}
