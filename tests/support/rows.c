#include "rows.h"

#include <float.h>
#include <math.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/*
 * A number of -2 to 2 times a power of two, of `powers` of them from 2^lowest on. As everywhere
 * here, no expression draws two numbers: compilers differ in which one they would draw first.
 */
static double scaled(struct random *random, size_t powers, int lowest)
{
	double value = random_uniform(random, -2, 2);
	return ldexp(value, (int)random_below(random, powers) + lowest);
}

static void fill_normal(struct random *random, loss_dtype dtype, double *x, size_t n)
{
	(void)dtype;
	for (size_t i = 0; i < n; i++)
		x[i] = 3 * random_normal(random);
}

static void fill_wide(struct random *random, loss_dtype dtype, double *x, size_t n)
{
	double deviation = dtype == LOSS_F64 ? 180 : 25;
	for (size_t i = 0; i < n; i++)
		x[i] = deviation * random_normal(random);
}

static void fill_offset(struct random *random, loss_dtype dtype, double *x, size_t n)
{
	double offset = scaled(random, 27, 0);
	(void)dtype;
	if (random_chance(random, 0.5))
		offset = -offset;
	for (size_t i = 0; i < n; i++)
		x[i] = offset + 3 * random_normal(random);
}

/* One class ahead of all others by up to the gap where subnormals end. */
static void fill_confident(struct random *random, loss_dtype dtype, double *x, size_t n)
{
	double gap = random_uniform(random, 0, dtype == LOSS_F64 ? 744 : 103);
	double offset = random_chance(random, 0.3) ? 1000 * random_normal(random) : 0;
	for (size_t i = 0; i < n; i++)
		x[i] = offset + random_normal(random);
	x[random_below(random, n)] = offset + gap;
}

/* A few classes share all the probability. */
static void fill_peaks(struct random *random, loss_dtype dtype, double *x, size_t n)
{
	double gap = random_uniform(random, 0, dtype == LOSS_F64 ? 700 : 90);
	for (size_t i = 0; i < n; i++)
		x[i] = random_uniform(random, -1, 0);
	for (size_t i = 1 + random_below(random, 4); i > 0; i--) {
		size_t peak = random_below(random, n);
		x[peak] = gap + random_uniform(random, -1, 1);
	}
}

static void fill_equal(struct random *random, loss_dtype dtype, double *x, size_t n)
{
	double value = 100 * random_normal(random);
	(void)dtype;
	for (size_t i = 0; i < n; i++)
		x[i] = value;
}

static void fill_ties(struct random *random, loss_dtype dtype, double *x, size_t n)
{
	(void)dtype;
	for (size_t i = 0; i < n; i++)
		x[i] = (double)random_below(random, 4);
}

static void fill_close(struct random *random, loss_dtype dtype, double *x, size_t n)
{
	double base = random_normal(random);
	(void)dtype;
	for (size_t i = 0; i < n; i++)
		x[i] = base + 1e-5 * random_normal(random);
}

static void fill_subnormal(struct random *random, loss_dtype dtype, double *x, size_t n)
{
	double unit = dtype == LOSS_F64 ? 0x1p-1074 : 0x1p-149;
	for (size_t i = 0; i < n; i++)
		x[i] = unit * ((double)random_below(random, 1u << 22) - 0x1p21);
}

static void fill_scattered(struct random *random, loss_dtype dtype, double *x, size_t n)
{
	(void)dtype;
	for (size_t i = 0; i < n; i++)
		x[i] = scaled(random, 64, -43);
}

static void fill_extreme(struct random *random, loss_dtype dtype, double *x, size_t n)
{
	double max = dtype == LOSS_F64 ? DBL_MAX : (double)FLT_MAX;
	const double choices[] = {max, -max,  max / 2, -max / 2, max / 3, 0,
				  1,   -1e30, 1e30,    0x1p20,   -0x1p20, -0.0};
	for (size_t i = 0; i < n; i++)
		x[i] = choices[random_below(random, COUNT(choices))];
}

/* Up or down all the way, by steps from tiny to far more than an exponential's range. */
static void fill_ramp(struct random *random, loss_dtype dtype, double *x, size_t n)
{
	double step = scaled(random, 16, -10);
	double first = 100 * random_normal(random);
	(void)dtype;
	for (size_t i = 0; i < n; i++)
		x[i] = first + step * (double)i;
}

/* Flat, with rare jumps up: a reference that a kernel keeps must move, here and there in a row. */
static void fill_steps(struct random *random, loss_dtype dtype, double *x, size_t n)
{
	double level = 10 * random_normal(random);
	(void)dtype;
	for (size_t i = 0; i < n; i++) {
		if (random_below(random, n) < 4)
			level += random_uniform(random, 0, 60);
		x[i] = level + random_normal(random);
	}
}

/* Next to the multiples of ln(2) / 2, where range reductions turn over. */
static void fill_turning(struct random *random, loss_dtype dtype, double *x, size_t n)
{
	(void)dtype;
	for (size_t i = 0; i < n; i++) {
		double turn = 0x1.62e42fefa39efp-2 * ((double)random_below(random, 400) - 200);
		x[i] = turn + scaled(random, 40, -40);
	}
}

/* On both sides of the largest logits that float arithmetic takes. */
static void fill_border(struct random *random, loss_dtype dtype, double *x, size_t n)
{
	double middle = random_chance(random, 0.5) ? 0x1p20 : -0x1p20;
	(void)dtype;
	for (size_t i = 0; i < n; i++)
		x[i] = middle + 3 * random_normal(random);
}

static void fill_masked(struct random *random, loss_dtype dtype, double *x, size_t n)
{
	double part = random_uniform(random, 0, 1);
	fill_normal(random, dtype, x, n);
	for (size_t i = 0; i < n; i++)
		if (random_chance(random, part))
			x[i] = -(double)INFINITY;
	size_t kept = random_below(random, n);
	x[kept] = random_normal(random);
}

static void poison(struct random *random, double *x, size_t n)
{
	static const double poisons[] = {(double)NAN, (double)INFINITY, -(double)INFINITY};
	size_t i = random_below(random, n);
	x[i] = poisons[random_below(random, COUNT(poisons))];
}

static void fill_poisoned(struct random *random, loss_dtype dtype, double *x, size_t n)
{
	fill_normal(random, dtype, x, n);
	poison(random, x, n);
	if (random_chance(random, 0.3))
		poison(random, x, n);
	if (random_chance(random, 0.1))
		for (size_t i = 0; i < n; i++)
			x[i] = -(double)INFINITY;
}

const struct rows_distribution rows_distributions[] = {
	{"normal", fill_normal},       {"wide", fill_wide},         {"offset", fill_offset},
	{"confident", fill_confident}, {"peaks", fill_peaks},       {"equal", fill_equal},
	{"ties", fill_ties},           {"close", fill_close},       {"subnormal", fill_subnormal},
	{"scattered", fill_scattered}, {"extreme", fill_extreme},   {"ramp", fill_ramp},
	{"steps", fill_steps},         {"turning", fill_turning},   {"border", fill_border},
	{"masked", fill_masked},       {"poisoned", fill_poisoned},
};

const size_t rows_n_distributions = COUNT(rows_distributions);

/* One batch in five has a distribution for each row. */
size_t rows_any(struct random *random)
{
	return random_below(random, rows_n_distributions + rows_n_distributions / 4);
}

const char *rows_name(size_t kind)
{
	return kind < rows_n_distributions ? rows_distributions[kind].name : "mixed";
}

void rows_fill(size_t kind, struct random *random, loss_dtype dtype, double *x, size_t n)
{
	size_t own =
		kind < rows_n_distributions ? kind : random_below(random, rows_n_distributions);
	rows_distributions[own].fill(random, dtype, x, n);
}
