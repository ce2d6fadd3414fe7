/* Inside of expect.h: a problem as its oracles see it, and what one row of it comes to. */
#ifndef TESTS_SUPPORT_EXPECT_ROWS_H
#define TESTS_SUPPORT_EXPECT_ROWS_H

#include "expect.h"
#include "kernel/oracle.h"

/* Arguments, with what they are worth where the loss does not have them. */
struct expect_arguments {
	long double label_smoothing, denominator, softcap, temperature, logit_scale, z_loss;
	long double alpha, gamma, k, ece_bins;
	long double clip_low, clip_high, beta, kl_weight;
	long double hard_weight;
	bool temperature_squared;
	const char *kind, *tail;
	long double delta, quantile, eps, margin;
	int p;
	bool log_input, full, shift, log_target, class_last, zero_empty_mean, wide;
	int64_t ignore_index, n_groups;   /* n_groups: -1, not given */
	const char *reduction, *ece_norm; /* the reduction that the legacy arguments leave */
	const char *objective;
};

struct expect_problem {
	const struct loss_info *loss;
	struct loss_arena *arena;
	const struct loss_tensor *tensors[LOSS_N_ROLES]; /* NULL: absent */
	struct expect_arguments arguments;
	loss_dtype result; /* of losses */
	bool probabilities;
	size_t rows, classes, inner;
	size_t sequence; /* rows of one, with shift; else 0 */
	struct loss_tensor rows_shape;
	long double natural, divisor; /* D, and what the loss and its gradient are divided by */
	size_t sequence_rows;         /* of reduction sequence_mean; else 0 */
	long double *sequence_shares; /* what the counted rows of each sequence weigh */
};

struct expect_row {
	bool counted;
	struct expect_number plain; /* the loss without row_weight, where quantiles are offered */
	struct expect_number loss, z_loss, lse, entropy, predicted, correct, rank;
	struct expect_number agrees, teacher_entropy, delta_prob;
	struct expect_number nll, confidence, positive; /* positive: what its bin is judged by */
	struct expect_number log_prob, ratio, kl, clipped;
	struct expect_number *grad, *log_probs, *probs; /* of each class; NULL: there is none */
};

/* What row r comes to. Its numbers are zeros before. */
typedef void expect_row_fn(const struct expect_problem *problem, size_t r, struct expect_row *row);
expect_row_fn expect_cross_entropy, expect_nll_loss, expect_softmax, expect_log_softmax;
expect_row_fn expect_bce_with_logits, expect_bce, expect_kl_div, expect_focal, expect_divergence;
expect_row_fn expect_policy_gradient;
expect_row_fn expect_mse, expect_l1, expect_smooth_l1, expect_huber, expect_quantile;
expect_row_fn expect_poisson, expect_gaussian;
expect_row_fn expect_multi_margin, expect_multilabel, expect_brier;

/* ---------------------------------------------------------------- of the problem: expect_problem.c
 */

void expect_read(const struct loss_problem *given, struct loss_arena *arena,
		 struct expect_problem *problem);
/* Zeroed memory of the arena; never NULL. */
void *expect_alloc(struct loss_arena *arena, size_t n, size_t size);
#define expect_array(problem, type, n) ((type *)expect_alloc((problem)->arena, (n), sizeof(type)))

/* Where class c of row r stands in the input. */
size_t expect_place(const struct expect_problem *problem, size_t r, size_t c);
/* The row whose targets, row_weight and mask are row r's; one past the end where there is none. */
size_t expect_target_row(const struct expect_problem *problem, size_t r);
bool expect_counted(const struct expect_problem *problem, size_t r);
/* Of a counted row: its class; its row_weight, 1 without; its share of the natural D. */
size_t expect_class(const struct expect_problem *problem, size_t r);
long double expect_row_weight(const struct expect_problem *problem, size_t r);
long double expect_share(const struct expect_problem *problem, size_t r);
/* An element of a tensor that broadcasts to the input's shape; 1 where it is absent. */
long double expect_factor(const struct expect_problem *problem, loss_role role, size_t i);
/* Whether it has the shape of the input without its last axis: var is one for all of that. */
bool expect_is_by_row(const struct loss_tensor *tensor, const struct loss_tensor *input);
/* grad_output over the divisor. */
long double expect_scale(const struct expect_problem *problem, size_t r);
bool expect_reduces(const struct expect_problem *problem);

/* ---------------------------------------------------------------- slack: expect_problem.c */

/* Nothing is promised of a number some factor of which makes a part too large for a double, though
 * others make it small again: what overflows on the way is infinite. Else 0. */
long double expect_overflow(long double part);

/* So many ulps of a size, in the type of results; 0 of what is not finite. */
long double expect_ulps(const struct expect_problem *problem, long double ulps, long double size);
/* Four of a gradient's largest term, with the floor that goes with its factors (docs/numerics.md).
 */
long double expect_grad_slack(const struct expect_problem *problem, long double largest,
			      long double factor);

#endif
