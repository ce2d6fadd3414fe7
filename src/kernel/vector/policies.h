/* What the vector kernels of policy_gradient's rows take and give: policy_template.h. */
#ifndef LOSS_KERNEL_POLICIES_H
#define LOSS_KERNEL_POLICIES_H

#include <stdbool.h>

#include "lane_count.h"

enum objective {
	OBJECTIVE_IMPORTANCE_SAMPLING,
	OBJECTIVE_PPO,
	OBJECTIVE_CISPO,
	OBJECTIVE_DRO,
	OBJECTIVE_REINFORCE,
	N_OBJECTIVES
};

/* A value for each lane, to twice a double's precision. */
struct lane_sums {
	_Alignas(64) double high[LANES];
	double low[LANES];
};

/* Sixteen rows, one a lane. What is filled is 0 where a row does not count. */
struct policy_lanes {
	size_t objective;
	double clip_low, clip_high, beta;
	double kl_weight;            /* above 0: `reference` is looked at */
	bool samples;                /* there is `sampled` */
	bool log_probs, ratios, kls; /* those are asked for; the latter two beside `sampled` only */

	_Alignas(64) double sampled[LANES], advantage[LANES], reference[LANES];

	/* Filled by the kernel; log_prob, ratio and kl where they are asked for. */
	_Alignas(64) double loss[LANES]; /* without the row's weight; never -0 */
	double log_prob[LANES], ratio[LANES];
	double kl[LANES];        /* ratio - 1 - log(ratio), which is never negative */
	struct lane_sums factor; /* of p - e_y in the gradient; low parts of doubles only */
	unsigned clipped;        /* a bit for every lane that is */
	unsigned taken;          /* and for those that count and are within what the kernel takes:
				    the others hold nothing of meaning */
};

#endif
