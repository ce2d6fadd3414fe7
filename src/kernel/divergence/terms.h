/*
 * What a class adds to a divergence, in double. With p the teacher and q the student,
 *
 *   forward        p (log p - log q)                 KL(p, q)
 *   reverse        q (log q - log p)                 KL(q, p)
 *   jsd            beta p log(p / m) + (1 - beta) q log(q / m),  m = beta p + (1 - beta) q
 *   cross_entropy  -p log q
 *
 * a term with a factor of 0 being 0. Where both sides are softmax of logits, the terms of the first
 * three have the part that adds up to nothing taken out of them, which leaves what is never
 * negative: with d = log p - log q, KL(p, q) = sum p psi(d) with psi(d) = exp(-d) - 1 + d, since
 * sum p (exp(-d) - 1) = sum (q - p) = 0. An error of d that all classes have, as that of
 * log-sum-exp is, then counts by its square alone: where the sides nearly agree nothing cancels.
 *
 * The gradient with respect to the student's logit c is h_c - q_c sum h, with h = the derivative of
 * the term with respect to log q: -p; q (log(q / p) + 1), without the 1 where the q of the terms
 * add up to 1; (1 - beta) q log(q / m); -p.
 */
#ifndef LOSS_KERNEL_DIVERGENCE_TERMS_H
#define LOSS_KERNEL_DIVERGENCE_TERMS_H

#include "../elementary.h"

/* Both sides of a class. Where p or q is 0 what is said of it below is not looked at. */
struct term {
	double p, q;
	double log_p, log_q;
	double gap; /* log p - log q */
};

/* What is the same for all terms of a plan, or of a row. */
struct term_form {
	bool exact;            /* both sides are softmax of logits */
	bool whole;            /* the q of a row's terms add up to 1 */
	struct sum beta, rest; /* beta and 1 - beta */
};

struct term_value {
	double loss, slope; /* slope: h */
};

typedef struct term_value term_fn(const struct term_form *form, const struct term *term);

/* |x| below which exp(x) - 1 - x is exp_tail(x). */
#define TERM_NEAR 0.34

/* p psi(d), with q = p exp(-d). Beyond the polynomial's reach no more than four bits cancel. */
static inline double term_excess(double p, double q, double d)
{
	if (fabs(d) < TERM_NEAR)
		return p * exp_tail(-d);
	double excess = (q - p) + p * d;
	return excess < 0.0 ? 0.0 : excess;
}

static inline struct term_value term_forward(const struct term_form *form, const struct term *term)
{
	struct term_value value = {0.0, 0.0 - term->p};
	if (term->p == 0.0)
		value.loss = form->exact ? term->q : 0.0;
	else if (form->exact)
		value.loss = term_excess(term->p, term->q, term->gap);
	else
		value.loss = term->p * term->gap;
	return value;
}

static inline struct term_value term_reverse(const struct term_form *form, const struct term *term)
{
	double ratio = 0.0 - term->gap;
	if (term->q == 0.0)
		return (struct term_value){form->exact ? term->p : 0.0, 0.0};
	return (struct term_value){form->exact ? term_excess(term->q, term->p, ratio)
					       : term->q * ratio,
				   term->q * (form->whole ? ratio : ratio + 1.0)};
}

static inline struct term_value term_cross_entropy(const struct term_form *form,
						   const struct term *term)
{
	(void)form;
	return (struct term_value){term->p == 0.0 ? 0.0 : term->p * -term->log_q, 0.0 - term->p};
}

/* -log(share + other exp(-d)) for d >= 0, where share + other = 1: -log(1 + other (exp(-d) - 1)),
 * in the form that does not cancel. */
static inline double term_above_mixture(struct sum share, struct sum other, double d)
{
	double low;
	struct sum mixture;
	if (d < TERM_NEAR) {
		double y = other.high * (exp_tail(-d) - d);
		mixture.high = two_sum(1.0, y, &low);
		mixture.low = low;
	} else {
		mixture.high = two_sum(share.high, other.high * exp_double(-d), &low);
		mixture.low = low + share.low;
	}
	return 0.0 - log_double(mixture.high, mixture.low);
}

static inline struct term_value term_jsd(const struct term_form *form, const struct term *term)
{
	const struct sum beta = form->beta, rest = form->rest;
	double p = term->p, q = term->q, d = term->gap;
	double above_p, above_q; /* log(p / m), log(q / m) */
	if (p == 0.0 && q == 0.0)
		return (struct term_value){0.0, 0.0};
	above_q = p == 0.0 ? 0.0 - log_double(rest.high, rest.low) : 0.0;
	above_p = q == 0.0 ? 0.0 - log_double(beta.high, beta.low) : 0.0;
	if (p > 0.0 && q > 0.0) {
		above_p = d >= 0.0 ? term_above_mixture(beta, rest, d) : 0.0;
		above_q = d >= 0.0 ? above_p - d : term_above_mixture(rest, beta, -d);
		above_p = d >= 0.0 ? above_p : above_q + d;
	}
	struct term_value value = {0.0, rest.high * q * above_q};
	if (form->exact && p > 0.0 && q > 0.0 && fabs(d) < TERM_NEAR)
		value.loss =
			beta.high * p * exp_tail(-above_p) + rest.high * q * exp_tail(-above_q);
	else
		value.loss = beta.high * p * above_p + value.slope;
	if (form->exact && value.loss < 0.0)
		value.loss = 0.0;
	return value;
}

#endif
