/*
 * The oracle: what every loss is, in long double, one row (or element) at a time. Tests hold the
 * kernels against it; it is not part of libloss.a.
 *
 * It takes the exact values of the inputs and returns values that are good to a few units of the
 * long double's last place (2^-64 on x86), some 2^11 times finer than float64's. It is written to
 * be obviously right, not fast: plain formulas over whole arrays, one exponential a class, sums
 * with carried errors, and nothing shared with the kernels, neither code nor order of evaluation.
 * Its meaning is that of docs/numerics.md, edge cases included. Nothing here fails or allocates.
 */
#ifndef KERNEL_ORACLE_H
#define KERNEL_ORACLE_H

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>

/* False where long double is no wider than double: then the oracle proves nothing. */
#define ORACLE_IS_PRECISE (LDBL_MANT_DIG >= 64)

/* A sum that carries its rounding errors (Neumaier). Zero-initialize; infinities pass through. */
struct oracle_sum {
	long double high, low;
};

static inline void oracle_add(struct oracle_sum *sum, long double term)
{
	long double total = sum->high + term;
	if (isfinite(total)) {
		bool larger = fabsl(sum->high) >= fabsl(term);
		sum->low += larger ? (sum->high - total) + term : (term - total) + sum->high;
	}
	sum->high = total;
}

static inline long double oracle_total(const struct oracle_sum *sum)
{
	return isfinite(sum->high) ? sum->high + sum->low : sum->high;
}

/* factor * value, where a factor of 0 switches the term off, whatever the value. */
static inline long double oracle_term(long double factor, long double value)
{
	return factor == 0 ? 0 : factor * value;
}

/* A row's loss times its weight: 0 makes 0 of an infinity, but NaN stays. The gradient has the
 * weight as a factor of its scale. */
static inline long double oracle_weigh(long double row_weight, long double loss)
{
	return isnan(loss) ? loss : oracle_term(row_weight, loss);
}

/* A row of logits: at least one class. */
struct oracle_row {
	size_t n;
	const long double *x;
};

/* What every output of a row derives from. */
struct oracle_softmax {
	bool nan;         /* a NaN or +inf in the row, or only -inf: every derived value is NaN */
	size_t predicted; /* lowest index of the maximum; of the first NaN where there is one */
	long double max;  /* m */
	long double residual; /* R = sum of exp(x_c - m) over every class but the predicted one */
	long double tail;     /* log1p R */
	long double lse;      /* m + log1p R */
};

struct oracle_softmax oracle_softmax_row(const struct oracle_row *row);
/* -log p_c, the sum of two non-negative parts; +inf where x_c is -inf. */
long double oracle_surprise(const struct oracle_row *row, const struct oracle_softmax *softmax,
			    size_t c);
/* p_c */
long double oracle_prob(const struct oracle_row *row, const struct oracle_softmax *softmax,
			size_t c);
/* 1 - p_c, to full relative precision: the sum of the other classes over the sum of all. */
long double oracle_other_prob(const struct oracle_row *row, const struct oracle_softmax *softmax,
			      size_t c);

/*
 * Gradients of log_softmax, g - p sum(g), and of softmax, p (g - sum(g p)), for the upstream
 * gradient g. `largest`[c] is the magnitude of the largest term: |g_c| or p_c sum|g|, p_c |g_c| or
 * p_c sum|g p|.
 */
void oracle_log_softmax_grad(const struct oracle_row *row, const long double *g, long double *grad,
			     long double *largest);
void oracle_softmax_grad(const struct oracle_row *row, const long double *g, long double *grad,
			 long double *largest);

/* -sum p_c log p_c */
long double oracle_entropy(const struct oracle_row *row);

/* The transformed logit, s tanh(k x / s) / T, s = 0 for no cap; and its derivative. k =
 * logit_scale. */
long double oracle_transform(long double x, long double logit_scale, long double softcap,
			     long double temperature);
long double oracle_transform_slope(long double x, long double logit_scale, long double softcap,
				   long double temperature);

/* Everything else that enters a row of cross_entropy. */
struct oracle_target {
	const long double *weight; /* n of them, or NULL: all 1 */
	const long double *probs;  /* n target probabilities, or NULL: class `index` */
	size_t index;
	bool ignored; /* by its index, or by a mask */
	long double smoothing;
	long double scale; /* of the gradient: grad_output / D, NaN where D is 0 */
	long double z_loss;
	long double gamma; /* of index targets without smoothing; 0: none */
};

/* z lse^2, 0 for an ignored row. */
long double oracle_z_loss(const struct oracle_row *row, const struct oracle_target *target);

/* The row's loss, never scaled. */
long double oracle_cross_entropy_loss(const struct oracle_row *row,
				      const struct oracle_target *target);
/*
 * grad and largest, n each. Gradients of smoothed and of probability targets are differences, whose
 * errors are judged against their largest term, scaled, and so are those with z_loss; without them
 * largest is |grad| itself.
 */
void oracle_cross_entropy_grad(const struct oracle_row *row, const struct oracle_target *target,
			       long double *grad, long double *largest);
/* Whether a top-1 prediction is right: false for ignored rows and for rows that hold a NaN. */
bool oracle_cross_entropy_correct(const struct oracle_row *row, const struct oracle_target *target);

/* The number of classes before the target; -1 for ignored rows and for rows that hold a NaN. */
long long oracle_cross_entropy_rank(const struct oracle_row *row,
				    const struct oracle_target *target);

/* -w_y x_y and its gradient with respect to x_y (every other element's is 0); 0 when ignored. */
long double oracle_nll_loss(long double x_y, long double w_y, bool ignored);
long double oracle_nll_grad(long double w_y, long double scale, bool ignored);

/* What enters a row of policy_gradient. */
struct oracle_policy {
	char objective; /* its first letter */
	long double lp, sampled, advantage, reference;
	long double clip_low, clip_high, beta, kl_weight;
};

/* Loss, the factor of p - e_y in its gradient, and the sizes that errors of both are judged by; the
 * rest is about the sampling. */
struct oracle_policy_result {
	long double loss, factor, loss_size, factor_size, ratio, kl;
	bool clipped;
};
struct oracle_policy_result oracle_policy_gradient(const struct oracle_policy *row);

/* An element of binary_cross_entropy_with_logits: logit, target, weight, pos_weight. */
struct oracle_element {
	long double x, t, weight, pos_weight;
	long double scale; /* of the gradient */
};

long double oracle_bce_loss(const struct oracle_element *element);
long double oracle_bce_grad(const struct oracle_element *element, long double *largest);

/* binary_cross_entropy, x a probability; pos_weight is not read. */
long double oracle_probs_bce_loss(const struct oracle_element *element);
long double oracle_probs_bce_grad(const struct oracle_element *element);

/* kl_div, x a log-probability; weights are not read. `largest` is the larger of its two terms. */
long double oracle_kl_div_loss(const struct oracle_element *element, bool log_target,
			       long double *largest);
long double oracle_kl_div_grad(const struct oracle_element *element, bool log_target);

/* sigmoid_focal_loss; weights are not read. a q^gamma, by which it plays bce down; and itself. */
long double oracle_focal_factor(const struct oracle_element *element, long double alpha,
				long double gamma);
long double oracle_focal_loss(const struct oracle_element *element, long double alpha,
			      long double gamma);
long double oracle_focal_grad(const struct oracle_element *element, long double alpha,
			      long double gamma, long double *largest);

/*
 * A row of divergence: what p and q are of each class, of those that are listed, and of all others
 * together where they are a class of their own. Of classes that are not listed q counts in the
 * gradient alone.
 */
enum oracle_kind { ORACLE_FORWARD, ORACLE_REVERSE, ORACLE_JSD, ORACLE_CROSS_ENTROPY };
struct oracle_divergence {
	enum oracle_kind kind;
	long double beta;
	size_t n;
	const bool *listed;
	const long double *log_p, *log_q;
	bool has_rest;
	long double log_p_rest, log_q_rest;
	bool whole; /* the q of the terms add up to 1 */
	/* Results: the loss and the sum of its terms' magnitudes; gradients, and the largest term
	 * of each. */
	long double loss, size;
	long double *grad, *largest;
};
void oracle_divergence(struct oracle_divergence *divergence);
/* multilabel_soft_margin_loss of a row of n elements; its gradients are oracle_bce_grad's, over n.
 */
long double oracle_multilabel_loss(const struct oracle_element *elements, size_t n);

/* multi_margin_loss of a row, y its class; and the gradient, n of them. */
struct oracle_margin {
	size_t y;
	int p; /* 1 or 2 */
	long double margin, weight, scale;
};
long double oracle_margin_loss(const struct oracle_row *row, const struct oracle_margin *target);
void oracle_margin_grad(const struct oracle_row *row, const struct oracle_margin *target,
			long double *grad);

/* brier_score of a row; and the gradient, n of them, with the magnitudes of their largest terms. */
long double oracle_brier_loss(const struct oracle_row *row, const struct oracle_softmax *softmax,
			      size_t y);
void oracle_brier_grad(const struct oracle_row *row, const struct oracle_softmax *softmax, size_t y,
		       long double scale, long double *grad, long double *largest);

/* Losses of numbers, x a prediction; pos_weight is never read, and weight only where the loss has
 * one. Where a loss or gradient is a sum, `largest` is the magnitude of its largest term. */
long double oracle_mse_loss(const struct oracle_element *element);
long double oracle_mse_grad(const struct oracle_element *element);
long double oracle_l1_loss(const struct oracle_element *element);
long double oracle_l1_grad(const struct oracle_element *element);
long double oracle_smooth_l1_loss(const struct oracle_element *element, long double beta,
				  long double *largest);
long double oracle_smooth_l1_grad(const struct oracle_element *element, long double beta);
long double oracle_huber_loss(const struct oracle_element *element, long double delta,
			      long double *largest);
long double oracle_huber_grad(const struct oracle_element *element, long double delta);
long double oracle_quantile_loss(const struct oracle_element *element, long double q);
long double oracle_quantile_grad(const struct oracle_element *element, long double q);

/* Arguments of poisson_nll_loss. */
struct oracle_poisson {
	bool log_input, full;
	long double eps;
};
long double oracle_poisson_loss(const struct oracle_element *element,
				const struct oracle_poisson *poisson, long double *largest);
long double oracle_poisson_grad(const struct oracle_element *element,
				const struct oracle_poisson *poisson, long double *largest);

/* What gaussian_nll_loss has beside an element. */
struct oracle_gaussian {
	long double var, eps;
	bool full;
};
long double oracle_gaussian_loss(const struct oracle_element *element,
				 const struct oracle_gaussian *gaussian, long double *largest);
long double oracle_gaussian_grad(const struct oracle_element *element,
				 const struct oracle_gaussian *gaussian);

#endif
