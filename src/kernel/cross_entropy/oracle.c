/* Cross entropy of index and probability targets in long double. */
#include "kernel/oracle.h"

long double oracle_transform(long double x, long double logit_scale, long double softcap,
			     long double temperature)
{
	x *= logit_scale;
	return (softcap > 0 ? softcap * tanhl(x / softcap) : x) / temperature;
}

long double oracle_transform_slope(long double x, long double logit_scale, long double softcap,
				   long double temperature)
{
	if (!(softcap > 0))
		return logit_scale * (1 / temperature);
	long double e = expl(-2 * fabsl(logit_scale * x / softcap));
	return logit_scale * (4 * e / ((1 + e) * (1 + e)) / temperature);
}

static long double weight_of(const struct oracle_target *target, size_t c)
{
	return target->weight == NULL ? 1 : target->weight[c];
}

/* w_c t'_c of probability targets, t' = (1 - eps) t + eps / C. */
static long double smoothed(const struct oracle_row *row, const struct oracle_target *target,
			    size_t c)
{
	long double share = target->smoothing / (long double)row->n;
	return weight_of(target, c) * ((1 - target->smoothing) * target->probs[c] + share);
}

static long double probability_loss(const struct oracle_row *row,
				    const struct oracle_target *target,
				    const struct oracle_softmax *softmax)
{
	struct oracle_sum loss = {0};
	for (size_t c = 0; c < row->n; c++)
		oracle_add(&loss,
			   oracle_term(smoothed(row, target, c), oracle_surprise(row, softmax, c)));
	return oracle_total(&loss);
}

/* (1 - p_y)^power. 1 - p_y is the sum of the other classes, or next to 1, where its distance from 1
 * is what counts. */
static long double missed_power(const struct oracle_row *row, const struct oracle_target *target,
				const struct oracle_softmax *softmax, long double power)
{
	long double p = oracle_prob(row, softmax, target->index);
	long double other = oracle_other_prob(row, softmax, target->index);
	if (power == 0)
		return 1;
	return expl(power * (p < 0.5L ? log1pl(-p) : logl(other)));
}

/*
 * The derivative of (1 - p)^gamma n with respect to n = -log p: (1 - p)^gamma + gamma n p
 * (1 - p)^(gamma - 1). Its limits are 1 at p = 0, and at 1 - p = 0, where it is multiplied by
 * 1 - p, whatever makes 0 of the product.
 */
static long double focus_slope(const struct oracle_row *row, const struct oracle_target *target,
			       const struct oracle_softmax *softmax)
{
	long double p = oracle_prob(row, softmax, target->index);
	long double other = oracle_other_prob(row, softmax, target->index);
	if (target->gamma == 0 || p == 0)
		return 1;
	if (other == 0)
		return 0;
	long double n = oracle_surprise(row, softmax, target->index);
	return missed_power(row, target, softmax, target->gamma) +
	       target->gamma * n * p * missed_power(row, target, softmax, target->gamma - 1);
}

static long double index_loss(const struct oracle_row *row, const struct oracle_target *target,
			      const struct oracle_softmax *softmax)
{
	size_t y = target->index;
	long double own = oracle_term((1 - target->smoothing) * weight_of(target, y) *
					      missed_power(row, target, softmax, target->gamma),
				      oracle_surprise(row, softmax, y));
	if (target->smoothing == 0)
		return own;
	struct oracle_sum loss = {0};
	long double share = target->smoothing / (long double)row->n;
	oracle_add(&loss, own);
	for (size_t c = 0; c < row->n; c++)
		oracle_add(&loss, oracle_term(share * weight_of(target, c),
					      oracle_surprise(row, softmax, c)));
	return oracle_total(&loss);
}

long double oracle_z_loss(const struct oracle_row *row, const struct oracle_target *target)
{
	if (target->ignored)
		return 0;
	long double lse = oracle_softmax_row(row).lse;
	return isnan(lse) ? lse : oracle_term(target->z_loss, lse * lse);
}

long double oracle_cross_entropy_loss(const struct oracle_row *row,
				      const struct oracle_target *target)
{
	if (target->ignored)
		return 0;
	struct oracle_softmax softmax = oracle_softmax_row(row);
	if (softmax.nan)
		return (long double)NAN;
	return oracle_z_loss(row, target) + (target->probs != NULL
						     ? probability_loss(row, target, &softmax)
						     : index_loss(row, target, &softmax));
}

static void set_all(long double *values, size_t n, long double value)
{
	for (size_t c = 0; c < n; c++)
		values[c] = value;
}

/* p S - w t', with S the sum of the w t'. */
static void probability_grad(const struct oracle_row *row, const struct oracle_target *target,
			     long double *grad, long double *largest)
{
	struct oracle_softmax softmax = oracle_softmax_row(row);
	struct oracle_sum sum = {0}, magnitude = {0};
	for (size_t c = 0; c < row->n; c++) {
		oracle_add(&sum, smoothed(row, target, c));
		oracle_add(&magnitude, fabsl(smoothed(row, target, c)));
	}
	for (size_t c = 0; c < row->n; c++) {
		long double p = oracle_prob(row, &softmax, c);
		long double own = smoothed(row, target, c);
		grad[c] = target->scale * (p * oracle_total(&sum) - own);
		largest[c] = fabsl(target->scale) * fmaxl(p * oracle_total(&magnitude), fabsl(own));
	}
}

/*
 * (1 - eps) w_y (p - e_y) + (eps / C) (p W - w), with W the sum of the weights. Of its four terms
 * the first two are one, w_y (p_y - 1), where nothing is smoothed.
 */
static void index_grad(const struct oracle_row *row, const struct oracle_target *target,
		       long double *grad, long double *largest)
{
	struct oracle_softmax softmax = oracle_softmax_row(row);
	struct oracle_sum weights = {0}, magnitude = {0};
	long double own_factor = (1 - target->smoothing) * weight_of(target, target->index) *
				 focus_slope(row, target, &softmax);
	long double share = target->smoothing / (long double)row->n;
	for (size_t c = 0; c < row->n; c++) {
		oracle_add(&weights, weight_of(target, c));
		oracle_add(&magnitude, fabsl(weight_of(target, c)));
	}
	for (size_t c = 0; c < row->n; c++) {
		bool own = c == target->index;
		long double p = oracle_prob(row, &softmax, c), weight = weight_of(target, c);
		long double direct = own_factor * (own ? -oracle_other_prob(row, &softmax, c) : p);
		long double spread = share * (p * oracle_total(&weights) - weight);
		long double term = fmaxl(p * oracle_total(&magnitude), fabsl(weight)) * share;
		grad[c] = target->scale * (target->smoothing == 0 ? direct : direct + spread);
		largest[c] = target->smoothing == 0
				     ? fabsl(grad[c])
				     : fabsl(target->scale) *
					       fmaxl(term, fabsl(own_factor) * (own ? 1 : p));
	}
}

/* 2 z lse p */
static void add_z_grad(const struct oracle_row *row, const struct oracle_target *target,
		       long double *grad, long double *largest)
{
	struct oracle_softmax softmax = oracle_softmax_row(row);
	for (size_t c = 0; c < row->n; c++) {
		long double p = oracle_prob(row, &softmax, c);
		long double term = 2 * target->z_loss * softmax.lse * p * target->scale;
		long double scale = fmaxl(fabsl(softmax.lse), fabsl(softmax.max));
		grad[c] += term;
		/* lse may cancel, and with it this term */
		largest[c] =
			fmaxl(largest[c], fabsl(2 * target->z_loss * scale * p * target->scale));
	}
}

void oracle_cross_entropy_grad(const struct oracle_row *row, const struct oracle_target *target,
			       long double *grad, long double *largest)
{
	if (target->ignored) {
		set_all(grad, row->n, 0);
		set_all(largest, row->n, 0);
	} else if (isnan(target->scale) || oracle_softmax_row(row).nan) {
		set_all(grad, row->n, (long double)NAN);
		set_all(largest, row->n, (long double)NAN);
	} else if (target->probs != NULL) {
		probability_grad(row, target, grad, largest);
	} else {
		index_grad(row, target, grad, largest);
	}
	if (target->z_loss > 0 && !target->ignored)
		add_z_grad(row, target, grad, largest);
}

long long oracle_cross_entropy_rank(const struct oracle_row *row,
				    const struct oracle_target *target)
{
	if (target->ignored || oracle_softmax_row(row).nan)
		return -1;
	long long rank = 0;
	for (size_t c = 0; c < row->n; c++) {
		long double x = row->x[c], own = row->x[target->index];
		rank += x > own || (x == own && c < target->index);
	}
	return rank;
}

bool oracle_cross_entropy_correct(const struct oracle_row *row, const struct oracle_target *target)
{
	struct oracle_softmax softmax = oracle_softmax_row(row);
	return !target->ignored && !softmax.nan && softmax.predicted == target->index;
}
