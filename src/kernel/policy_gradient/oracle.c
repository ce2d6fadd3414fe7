/* policy_gradient in long double, given the target's log-probability. */
#include "kernel/oracle.h"

/* What a term adds, and what the largest of its parts is: |part| times how far what is below an
 * exponent may be off. */
static void add(struct oracle_sum *sum, long double part, long double reach, long double *largest)
{
	oracle_add(sum, part);
	if (isfinite(part))
		*largest = fmaxl(*largest, fabsl(part) * reach);
}

static long double weighed(long double factor, long double value)
{
	return isnan(value) ? value : oracle_term(factor, value);
}

static long double clip(long double r, long double low, long double high)
{
	return r < low ? low : r > high ? high : r;
}

static struct oracle_policy_result objective(const struct oracle_policy *row,
					     long double *loss_size, long double *factor_size)
{
	long double d = row->lp - row->sampled, r = expl(d), a = row->advantage;
	long double low = 1 - row->clip_low, high = 1 + row->clip_high;
	long double reach = isfinite(d) ? fmaxl(1, fabsl(d)) : 1;
	struct oracle_policy_result result = {.ratio = r, .kl = isinf(r) ? r : r - 1 - d};
	struct oracle_sum loss = {0}, factor = {0};
	bool outside = r < low || r > high;
	switch (row->objective) {
	case 'p':
		result.clipped = (a > 0 && r > high) || (a < 0 && r < low);
		add(&loss, -weighed(a, result.clipped ? clip(r, low, high) : r), reach, loss_size);
		if (!result.clipped)
			add(&factor, weighed(a, r), reach, factor_size);
		break;
	case 'c':
		result.clipped = outside;
		add(&factor, weighed(a, clip(r, low, high)), reach, factor_size);
		add(&loss, -weighed(weighed(a, clip(r, low, high)), row->lp), reach, loss_size);
		break;
	case 'd':
		add(&loss, -weighed(a, row->lp), reach, loss_size);
		add(&loss, weighed(row->beta / 2, d * d), reach, loss_size);
		*loss_size = fmaxl(*loss_size, fabsl(row->beta * row->lp * d));
		add(&factor, a, reach, factor_size);
		add(&factor, -weighed(row->beta, d), reach, factor_size);
		*factor_size =
			fmaxl(*factor_size, row->beta * fmaxl(fabsl(row->lp), fabsl(row->sampled)));
		break;
	case 'r':
		add(&loss, -weighed(a, row->lp), 1, loss_size);
		add(&factor, a, 1, factor_size);
		break;
	default:
		add(&loss, -weighed(a, r), reach, loss_size);
		add(&factor, weighed(a, r), reach, factor_size);
	}
	result.loss = oracle_total(&loss);
	result.factor = oracle_total(&factor);
	return result;
}

struct oracle_policy_result oracle_policy_gradient(const struct oracle_policy *row)
{
	long double loss_size = 0, factor_size = 0;
	struct oracle_policy_result result = objective(row, &loss_size, &factor_size);
	if (row->kl_weight > 0) {
		long double g = row->reference - row->lp, k = row->kl_weight;
		long double e = expl(g), reach = isfinite(g) ? fmaxl(1, fabsl(g)) : 1;
		long double excess = isinf(e) ? e : e - g - 1;
		result.loss += k * excess;
		result.factor += k * expm1l(g);
		loss_size =
			fmaxl(loss_size, k * fmaxl(1, fmaxl(e * reach, fmaxl(fabsl(row->reference),
									     fabsl(row->lp)))));
		factor_size = fmaxl(factor_size, k * fmaxl(1, e * reach));
	}
	result.loss_size = loss_size;
	result.factor_size = factor_size;
	return result;
}
