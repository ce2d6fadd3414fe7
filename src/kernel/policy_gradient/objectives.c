/*
 * The objectives, to twice a double's precision and rounded once. With lp the target's
 * log-probability, s that of the sampling, d = lp - s, r = exp(d), A the advantage and C = the
 * clips' [1 - clip_low, 1 + clip_high], losses and the factors of p - e_y, which are their
 * derivatives by lp, negative:
 *
 *   importance_sampling  -r A                          r A
 *   ppo                  -min(r A, clip(r, C) A)       r A, 0 where clipped
 *   cispo                -clip(r, C) A lp              clip(r, C) A
 *   dro                  -(A lp - beta/2 d^2)          A - beta d
 *   reinforce            -A lp                         A
 *
 * kl_weight adds k (exp(g) - g - 1) with g = ref - lp, whose factor is k (exp(g) - 1). Factors of 0
 * make 0 of whatever they multiply, but NaN stays.
 */
#include "objectives.h"

#include "../elementary.h"
#include "../row.h"

struct given {
	const struct loss_args *args;
	struct sum lp, d, r, advantage;
};

struct term {
	struct sum loss, factor;
	bool clipped;
};

static struct sum negated(struct sum factor, struct sum value)
{
	return negative(weigh_parts(factor, value));
}

static struct term importance_sampling(const struct given *given)
{
	struct sum gain = weigh_parts(given->advantage, given->r);
	return (struct term){.loss = negative(gain), .factor = gain};
}

/* The clips: the lower one, and the upper one. */
static struct sum lowest(const struct given *given)
{
	return plus(sum_from(1.0), sum_from(-given->args->clip_low));
}

static struct sum highest(const struct given *given)
{
	return plus(sum_from(1.0), sum_from(given->args->clip_high));
}

static bool is_above(const struct given *given)
{
	return difference(given->r, highest(given)) > 0.0;
}

static bool is_below(const struct given *given)
{
	return difference(given->r, lowest(given)) < 0.0;
}

/* Clipped is what would gain by leaving the clips. */
static struct term ppo(const struct given *given)
{
	double a = given->advantage.high;
	bool above = a > 0.0 && is_above(given), below = a < 0.0 && is_below(given);
	if (!above && !below)
		return importance_sampling(given);
	struct sum end = above ? highest(given) : lowest(given);
	return (struct term){.loss = negated(given->advantage, end), .clipped = true};
}

static struct term cispo(const struct given *given)
{
	bool above = is_above(given), below = is_below(given);
	struct sum clip = above ? highest(given) : below ? lowest(given) : given->r;
	struct sum factor = weigh_parts(given->advantage, clip);
	return (struct term){negated(factor, given->lp), factor, above || below};
}

static struct term dro(const struct given *given)
{
	struct sum beta = sum_from(given->args->beta), half = sum_from(0.5 * beta.high);
	struct sum square = weigh_parts(half, product(given->d, given->d));
	struct sum gain = weigh_parts(given->advantage, given->lp);
	return (struct term){
		.loss = plus(square, negative(gain)),
		.factor = plus(given->advantage, negated(beta, given->d)),
	};
}

static struct term reinforce(const struct given *given)
{
	return (struct term){.loss = negated(given->advantage, given->lp),
			     .factor = given->advantage};
}

static struct term (*const objectives[N_OBJECTIVES])(const struct given *given) = {
	[OBJECTIVE_IMPORTANCE_SAMPLING] = importance_sampling,
	[OBJECTIVE_PPO] = ppo,
	[OBJECTIVE_CISPO] = cispo,
	[OBJECTIVE_DRO] = dro,
	[OBJECTIVE_REINFORCE] = reinforce,
};

/* ---------------------------------------------------------------- exponentials, divergences */

/* a - b as exponentials take it: its second part below its first, however much cancels. */
static struct sum distance(struct sum a, struct sum b)
{
	struct sum d = plus(a, negative(b));
	return plus(sum_from(d.high), sum_from(d.low));
}

static struct sum exp_of(struct sum x)
{
	struct sum e;
	e.high = exp_parts(x.high, x.low, 0, &e.low);
	return e;
}

/* Where exp(x) - 1 is r + (the terms of exp from r^2 / 2 on). */
static bool is_small(struct sum x)
{
	return fabs(x.high) < 0.34;
}

/* exp(x) - 1 */
static struct sum grown(struct sum x)
{
	if (is_small(x))
		return plus(x, sum_from(exp_tail(x.high)));
	return plus(exp_of(x), sum_from(-1.0));
}

/* exp(x) - 1 - x >= 0, without what cancels; infinite at both ends. */
static double excess(struct sum x)
{
	if (is_small(x))
		return exp_tail(x.high);
	struct sum e = exp_of(x);
	return e.high < HUGE_VAL ? difference(plus(e, sum_from(-1.0)), x) : e.high;
}

static void add_divergence(const struct given *given, double reference, struct term *term)
{
	struct sum weight = sum_from(given->args->kl_weight);
	struct sum gap = distance(sum_from(reference), given->lp);
	term->loss = plus(term->loss, weigh_parts(weight, sum_from(excess(gap))));
	term->factor = plus(term->factor, weigh_parts(weight, grown(gap)));
}

/* ---------------------------------------------------------------- rows */

/* What a tensor has for row r: it shifts as targets do. */
static double entry(const struct loss_plan *plan, loss_role role, size_t r)
{
	return tensor_number(&plan->tensors[role], plan_target_row(plan, r));
}

struct policy_row policy_row_of(const struct loss_plan *plan, size_t r, struct sum log_prob)
{
	struct policy_row row = {.log_prob = 0.0 + sum_value(&log_prob)};
	struct given given = {.args = &plan->args,
			      .lp = log_prob,
			      .advantage = sum_from(entry(plan, LOSS_ROLE_OWN_2, r))};
	if (plan->present[LOSS_ROLE_OWN_1]) {
		given.d = distance(log_prob, sum_from(entry(plan, LOSS_ROLE_OWN_1, r)));
		given.r = exp_of(given.d);
		row.ratio = sum_value(&given.r);
		row.kl = plan->wanted[OUTPUT_KL] ? excess(given.d) : 0.0;
	}
	struct term term = objectives[plan->args.objective](&given);
	if (plan->args.kl_weight > 0.0)
		add_divergence(&given, entry(plan, LOSS_ROLE_OWN_3, r), &term);
	row.loss = 0.0 + sum_value(&term.loss);
	row.factor = plus(term.factor, sum_from(0.0));
	row.clipped = term.clipped;
	/* of a row that is none, whatever the factors */
	if (log_prob.high != log_prob.high)
		row.loss = row.ratio = row.kl = row.factor.high = log_prob.high;
	return row;
}
