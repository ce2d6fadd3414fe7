/* How far a student is from a teacher, in long double: the definitions, term by term. */
#include "kernel/oracle.h"

/* What is too small for a double is 0. */
static bool is_zero(long double p)
{
	return (double)p == 0.0;
}

static long double log_sum(long double a, long double b)
{
	long double most = fmaxl(a, b), least = fminl(a, b);
	return isinf(most) ? most : most + log1pl(expl(least - most));
}

struct term {
	long double p, q, log_p, log_q;
};

/* A term, its derivative with respect to log q, and the magnitudes of what they are made of. */
struct value {
	long double loss, size, slope, slope_size;
};

static struct value forward(const struct oracle_divergence *d, const struct term *t)
{
	bool mixed = d->kind == ORACLE_FORWARD;
	struct value value = {.slope = -t->p, .slope_size = t->p};
	if (is_zero(t->p))
		return value;
	value.loss = t->p * ((mixed ? t->log_p : 0) - t->log_q);
	value.size = t->p * ((mixed ? fabsl(t->log_p) : 0) + fabsl(t->log_q));
	return value;
}

static struct value reverse(const struct oracle_divergence *d, const struct term *t)
{
	long double ratio = t->log_q - t->log_p;
	struct value value = {0};
	if (is_zero(t->q))
		return value;
	value.loss = t->q * ratio;
	value.size = t->q * (fabsl(t->log_p) + fabsl(t->log_q));
	value.slope = t->q * (ratio + !d->whole);
	value.slope_size = t->q * (fabsl(ratio) + !d->whole);
	return value;
}

static struct value jsd(const struct oracle_divergence *d, const struct term *t)
{
	long double log_m = log_sum(logl(d->beta) + t->log_p, log1pl(-d->beta) + t->log_q);
	struct value value = {0};
	if (!is_zero(t->p)) {
		value.loss = d->beta * t->p * (t->log_p - log_m);
		value.size = d->beta * t->p * (fabsl(t->log_p) + fabsl(log_m));
	}
	if (!is_zero(t->q)) {
		value.slope = (1 - d->beta) * t->q * (t->log_q - log_m);
		value.loss += value.slope;
		value.size += (1 - d->beta) * t->q * (fabsl(t->log_q) + fabsl(log_m));
	}
	value.slope_size = fabsl(value.slope);
	return value;
}

static struct value value_of(const struct oracle_divergence *d, long double log_p,
			     long double log_q)
{
	const struct term term = {expl(log_p), expl(log_q), log_p, log_q};
	if (d->kind == ORACLE_REVERSE)
		return reverse(d, &term);
	return d->kind == ORACLE_JSD ? jsd(d, &term) : forward(d, &term);
}

struct totals {
	struct oracle_sum loss, size, slopes, slope_sizes;
};

static void add(struct totals *totals, struct value value)
{
	oracle_add(&totals->loss, value.loss);
	oracle_add(&totals->size, value.size);
	oracle_add(&totals->slopes, value.slope);
	oracle_add(&totals->slope_sizes, value.slope_size);
}

static void put_grads(const struct oracle_divergence *d, const struct totals *totals)
{
	long double slopes = oracle_total(&totals->slopes);
	long double sizes = oracle_total(&totals->slope_sizes);
	for (size_t c = 0; c < d->n; c++) {
		long double q = expl(d->log_q[c]), share = 1;
		struct value value = {0};
		if (d->listed[c]) {
			value = value_of(d, d->log_p[c], d->log_q[c]);
		} else if (d->has_rest && !isinf(d->log_q[c])) {
			value = value_of(d, d->log_p_rest, d->log_q_rest);
			share = expl(d->log_q[c] - d->log_q_rest);
		}
		d->grad[c] = value.slope * share - q * slopes;
		d->largest[c] = fmaxl(value.slope_size * share, q * sizes);
		if (isinf(slopes))
			d->grad[c] = d->largest[c] = (long double)NAN;
	}
}

void oracle_divergence(struct oracle_divergence *d)
{
	struct totals totals = {.loss = {0, 0}};
	for (size_t c = 0; c < d->n; c++)
		if (d->listed[c])
			add(&totals, value_of(d, d->log_p[c], d->log_q[c]));
	if (d->has_rest)
		add(&totals, value_of(d, d->log_p_rest, d->log_q_rest));
	d->loss = oracle_total(&totals.loss);
	d->size = oracle_total(&totals.size);
	put_grads(d, &totals);
}
