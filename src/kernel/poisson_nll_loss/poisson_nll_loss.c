/*
 * Negative log-likelihood of targets t under Poisson distributions of the rate e^x, or of the rate
 * x without log_input, element by element:
 *
 *   loss = e^x - t x + s,             grad = e^x - t
 *   loss = x - t log(x + eps) + s,    grad = 1 - t / (x + eps)
 *
 * With `full`, s = t log t - t + log(2 pi t) / 2 where t > 1; else it is 0. Infinities and NaN go
 * through these as they are: meaning and edges are torch.nn.functional.poisson_nll_loss's.
 */
#include "../element.h"
#include "../elementary.h"
#include "../kernels.h"

#define LOG_2_PI_HALF 0x1.d67f1c864beb5p-1

/* Stirling's approximation of log t!. */
static struct sum stirling(const struct loss_plan *plan, double t)
{
	if (!plan->args.full || t <= 1.0)
		return sum_from(0.0);
	double log = log_double(t, 0.0);
	struct sum s = plus(sum_from(t * log), sum_from(-t));
	return plus(s, plus(sum_from(0.5 * log), sum_from(LOG_2_PI_HALF)));
}

/* Of terms some of which are infinite the plain sum is what they come to. */
static double add(double a, struct sum b, struct sum rest)
{
	struct sum all = plus(plus(sum_from(a), b), rest);
	double value = all.high + all.low;
	return value == value ? value : a + b.high + rest.high;
}

/* e^x - t x of finite numbers one of whose terms is beyond the largest double: 2^-64 of them is
 * not, below x = 720, from where on the first is the larger. */
static double large_loss(double x, double t)
{
	if (x >= 720.0)
		return HUGE_VAL;
	double root = 0x1p-32 * exp_double(0.5 * x);
	return 0x1p64 *
	       add(root * root, product(sum_from(-0x1p-64 * t), sum_from(x)), sum_from(0.0));
}

static double evaluate_logs(const struct loss_plan *plan, size_t i)
{
	double x = tensor_number(&plan->tensors[LOSS_ROLE_INPUT], i);
	double t = element_factor(plan, LOSS_ROLE_TARGETS, i), e = exp_double(x);
	bool finite = fabs(x) < HUGE_VAL && fabs(t) < HUGE_VAL;
	element_put_grad(plan, i, e - t);
	if (finite && (e == HUGE_VAL || fabs(t * x) == HUGE_VAL))
		return large_loss(x, t) + stirling(plan, t).high;
	return add(e, negative(product(sum_from(t), sum_from(x))), stirling(plan, t));
}

static double evaluate(const struct loss_plan *plan, size_t i)
{
	double x = tensor_number(&plan->tensors[LOSS_ROLE_INPUT], i), low;
	double t = element_factor(plan, LOSS_ROLE_TARGETS, i);
	double u = two_sum(x, plan->args.eps, &low);
	if (!(fabs(u) < HUGE_VAL))
		low = 0.0;
	element_put_grad(plan, i, 1.0 - t / u);
	return add(x, sum_from(-t * log_double(u, low)), stirling(plan, t));
}

void poisson_nll_loss_rows(const struct loss_plan *plan, size_t first, size_t n,
			   struct partial *partial)
{
	static const struct element_loss of_logs = {.kernel = ELEMENT_POISSON_OF_LOGS,
						    .one = evaluate_logs};
	const struct element_loss of_rates = {
		.kernel = ELEMENT_POISSON, .one = evaluate, .parameter = plan->args.eps};
	element_rows(plan, first, n, partial, plan->args.log_input ? &of_logs : &of_rates);
}
