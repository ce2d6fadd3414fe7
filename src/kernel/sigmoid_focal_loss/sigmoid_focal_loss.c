/*
 * Focal loss of logits, element by element, as torchvision.ops.sigmoid_focal_loss. With p =
 * sigmoid(x), q = 1 - p_t = t (1-p) + (1-t) p, a = alpha t + (1-alpha) (1-t), or 1 for alpha < 0:
 *
 *   loss = a q^gamma bce(x, t),   bce = (1-t) softplus(x) + t softplus(-x)
 *   grad = a [q^gamma (p - t) - gamma q^(gamma-1) (2t - 1) p (1-p) bce]
 *
 * The power multiplies the relative error of q by gamma, so everything is carried to twice the
 * precision. For t = 0 and t = 1, q is sigmoid(x) and sigmoid(-x), whose logarithm is -softplus.
 */
#include "../element.h"
#include "../elementary.h"
#include "../kernels.h"
#include "../row.h"

static const struct sum one = {1.0, 0.0};

/* 1 - value, exactly. */
static struct sum complement(double value)
{
	return plus(one, sum_from(-value));
}

struct element {
	double t;
	struct sum other_t;                  /* 1 - t */
	struct sum p, other_p;               /* sigmoid of x and -x */
	struct sum softplus, softplus_minus; /* of x and -x */
	struct sum bce;
	struct sum q, log_q; /* log |q| */
};

static void sigmoids(struct element *at, double x)
{
	struct sum e;
	e.high = exp_parts(-fabs(x), 0.0, 0, &e.low);
	struct sum below = plus(one, e);
	struct sum near = ratio(one, below);
	struct sum far = ratio(e, below);
	struct sum tail = log_parts(below);
	at->p = x < 0.0 ? far : near;
	at->other_p = x < 0.0 ? near : far;
	at->softplus = plus(sum_from(x > 0.0 ? x : 0.0), tail);
	at->softplus_minus = plus(sum_from(x < 0.0 ? -x : 0.0), tail);
}

static struct sum log_of_q(const struct element *at)
{
	if (at->t == 1.0)
		return negative(at->softplus);
	if (at->t == 0.0)
		return negative(at->softplus_minus);
	return log_parts(at->q.high < 0.0 ? negative(at->q) : at->q);
}

static struct element element_of(double x, double t)
{
	struct element at = {.t = t, .other_t = complement(t)};
	sigmoids(&at, x);
	at.bce = plus(weigh_parts(at.other_t, at.softplus),
		      weigh_parts(sum_from(t), at.softplus_minus));
	at.q = plus(product(sum_from(t), at.other_p), product(at.other_t, at.p));
	at.log_q = log_of_q(&at);
	return at;
}

/* q^gamma; of a negative q, which targets outside [0, 1] make, only integer powers exist. */
static struct sum power_of_q(const struct element *at, double gamma)
{
	if (gamma == 0.0)
		return one;
	struct sum exponent = product(sum_from(gamma), at->log_q);
	struct sum power;
	power.high = exp_parts(exponent.high, exponent.low, 0, &power.low);
	if (!(at->q.high < 0.0))
		return power;
	if (rint(gamma) != gamma)
		return sum_from((double)NAN);
	return rint(0.5 * gamma) == 0.5 * gamma ? power : negative(power);
}

/* q^(gamma-1) p (1-p), one factor of which is q itself where t is 0 or 1. */
static struct sum slope_of_power(const struct element *at, double gamma, struct sum power)
{
	if (at->t == 1.0)
		return product(power, at->p);
	if (at->t == 0.0)
		return product(power, at->other_p);
	struct sum both = product(at->p, at->other_p);
	return both.high == 0.0 ? both : product(power_of_q(at, gamma - 1.0), both);
}

/* q^gamma (p - t) - gamma q^(gamma-1) (2t - 1) p (1-p) bce; p - t = (1-t) p - t (1-p). */
static struct sum slope(const struct element *at, double gamma, struct sum power)
{
	struct sum gap =
		plus(product(at->other_t, at->p), negative(product(sum_from(at->t), at->other_p)));
	struct sum first = product(power, gap);
	if (gamma == 0.0)
		return first;
	struct sum sign = plus(sum_from(at->t), negative(at->other_t)); /* 2t - 1 */
	struct sum factor =
		product(product(sum_from(gamma), sign), slope_of_power(at, gamma, power));
	return plus(first, negative(weigh_parts(factor, at->bce)));
}

/* What multiplies bce. That it is only too small for a double does not make an infinite loss 0. */
static struct sum factor_of(const struct element *at, struct sum weight, struct sum power)
{
	struct sum factor = product(weight, power);
	bool vanished = factor.high == 0.0 && weight.high != 0.0 && at->q.high > 0.0;
	return vanished && at->bce.high == HUGE_VAL ? weight : factor;
}

static double evaluate(const struct loss_plan *plan, size_t i)
{
	double x = tensor_number(&plan->tensors[LOSS_ROLE_INPUT], i);
	double t = tensor_number(&plan->tensors[LOSS_ROLE_TARGETS], i);
	double alpha = plan->args.alpha;
	double gamma = plan->args.gamma;
	struct element at = element_of(x, t);
	struct sum weight = one;
	if (alpha >= 0.0)
		weight = plus(product(sum_from(alpha), sum_from(t)),
			      product(complement(alpha), at.other_t));
	struct sum power = power_of_q(&at, gamma);
	if (plan->wanted[OUTPUT_GRAD]) {
		struct sum g =
			product(product(weight, slope(&at, gamma, power)), plan_scale(plan, i));
		tensor_put(&plan->outputs[OUTPUT_GRAD], i, g.high + g.low);
	}
	struct sum loss = weigh_parts(factor_of(&at, weight, power), at.bce);
	return loss.high + loss.low;
}

/* Powers multiply a relative error: beyond this the vector kernel is not exact enough. */
#define LARGEST_GAMMA 64.0
/* So do products with an alpha that may leave a double's range. */
#define LARGEST_ALPHA 0x1p300
/* Up to here an integer power is a product. */
#define LARGEST_PRODUCT 8.0

void sigmoid_focal_loss_rows(const struct loss_plan *plan, size_t first, size_t n,
			     struct partial *partial)
{
	double gamma = plan->args.gamma;
	bool by_product = gamma <= LARGEST_PRODUCT && rint(gamma) == gamma;
	struct element_loss loss = {
		.kernel = by_product ? ELEMENT_FOCAL_INTEGER : ELEMENT_FOCAL,
		.one = evaluate,
	};
	if (gamma > LARGEST_GAMMA || plan->args.alpha > LARGEST_ALPHA)
		loss.kernel = N_ELEMENT_KERNELS;
	element_rows(plan, first, n, partial, &loss);
}
