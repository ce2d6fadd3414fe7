/*
 * Kullback-Leibler divergence of targets t from given log-probabilities x, element by element:
 *
 *   loss = t (log t - x), grad = -t              with log_target: e^t (t - x), -e^t
 *
 * An element whose target probability is 0 (t = 0; with log_target t = -inf) counts 0, whatever x
 * is. Meaning: torch.nn.functional.kl_div.
 */
#include "../element.h"
#include "../elementary.h"
#include "../kernels.h"

/* e^t d, and 0, not -0, where that vanishes: by halves where e^t may leave a double's range but the
 * product does not. */
static double exp_times(double t, double d)
{
	bool in_range = fabs(t) < 700.0;
	struct sum e;
	e.high = exp_parts(in_range ? t : 0.5 * t, 0.0, 0, &e.low);
	return 0.0 + (in_range ? times(d, e) : times(times(d, e), e));
}

static double log_target_loss(double t, double x)
{
	double difference = t - x;
	bool overflows = fabs(difference) == HUGE_VAL && fabs(t) < HUGE_VAL && fabs(x) < HUGE_VAL;
	if (overflows)
		return 2.0 * exp_times(t, 0.5 * t - 0.5 * x);
	if (fabs(difference) == HUGE_VAL)
		return difference; /* e^t > 0, though it may be too small for a double */
	return exp_times(t, difference);
}

static double evaluate(const struct loss_plan *plan, size_t i)
{
	double x = tensor_number(&plan->tensors[LOSS_ROLE_INPUT], i);
	double t = tensor_number(&plan->tensors[LOSS_ROLE_TARGETS], i);
	bool in_logs = plan->args.log_target;
	if (plan->wanted[OUTPUT_GRAD]) {
		double p = in_logs ? exp_double(t) : t;
		tensor_put(&plan->outputs[OUTPUT_GRAD], i, 0.0 - times(p, plan_scale(plan, i)));
	}
	if (t == (in_logs ? -HUGE_VAL : 0.0))
		return 0.0;
	return in_logs ? log_target_loss(t, x) : t * (log_double(t, 0.0) - x);
}

void kl_div_rows(const struct loss_plan *plan, size_t first, size_t n, struct partial *partial)
{
	const struct element_loss loss = {
		.kernel = plan->args.log_target ? ELEMENT_KL_DIV_OF_LOGS : ELEMENT_KL_DIV,
		.one = evaluate,
	};
	element_rows(plan, first, n, partial, &loss);
}
