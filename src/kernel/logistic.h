/*
 * One element of binary cross entropy of logits: factors and sigmoids are held to twice a double's
 * precision, for seven roundings in a row would be too many.
 */
#ifndef LOSS_KERNEL_LOGISTIC_H
#define LOSS_KERNEL_LOGISTIC_H

#include "row.h"

/* An element and what weighs its two halves. */
struct logistic {
	double x;
	struct sum negative; /* 1 - t: the factor of softplus(x) */
	struct sum positive; /* q t: the factor of softplus(-x) */
};

static inline double logistic_loss(const struct logistic *at, double w)
{
	double distance = fabs(at->x);
	bool above = at->x > 0.0;
	struct sum large = above ? at->negative : at->positive; /* the factor of softplus(|x|) */
	struct sum small = above ? at->positive : at->negative; /* of softplus(-|x|) */
	double low;
	/* Only exp(-|x|) is left, which may be subnormal where its product with w is not. */
	if (distance > 600.0 && large.high == 0.0)
		return w * (small.high * exp_parts(-distance, 0.0, 256, &low)) * 0x1p-256;
	double e = exp_parts(-distance, 0.0, 0, &low);
	double log1p_e = log1p_parts(e, low);
	struct sum softplus;
	softplus.high = two_sum(distance, log1p_e, &softplus.low);
	struct sum loss = weigh_parts(large, softplus);
	struct sum rest = weigh_parts(small, sum_from(log1p_e));
	sum_merge(&loss, &rest);
	return weigh(w, sum_value(&loss));
}

/* The gradient but for w. */
static inline double logistic_grad(const struct logistic *at)
{
	double low;
	double e = exp_parts(-fabs(at->x), 0.0, 0, &low);
	double total_low;
	double total = two_sum(1.0, e, &total_low);
	total_low += low;
	struct sum near = quotient(1.0, total, total_low);
	struct sum far = quotient(e, total, total_low);
	far.low += low / total;
	struct sum sigmoid = at->x < 0.0 ? far : near;
	struct sum sigmoid_minus = at->x < 0.0 ? near : far;
	return difference(product(at->negative, sigmoid), product(at->positive, sigmoid_minus));
}

#endif
