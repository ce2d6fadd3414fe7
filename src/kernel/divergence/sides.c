#include "sides.h"

#include <string.h>

#include "../rows.h"

static const struct number_kernels *numbers_of(const struct side *side)
{
	const struct vector_kernels *kernels = side->plan->kernels;
	return side->wide ? kernels->doubles : kernels->floats;
}

/* Whole vectors. */
static size_t padded(size_t n)
{
	return (n + LANES - 1) / LANES * LANES;
}

static size_t next_classes(const struct loss_plan *plan, size_t c)
{
	size_t left = plan->classes - c;
	return left < SIDE_CLASSES ? left : SIDE_CLASSES;
}

/* ---------------------------------------------------------------- loading */

static void load_elements(const struct side *side, size_t c, size_t n, double *to)
{
	const struct loss_tensor *tensor = side->tensor;
	size_t inner = side->plan->inner, at = side->base + c * inner;
	if (inner == 1)
		side->plan->kernels->widen(tensor->dtype, tensor_at(tensor, at), to, n);
	else
		for (size_t k = 0; k < n; k++)
			to[k] = tensor_number(tensor, at + k * inner);
}

/* Classes [c, c + n), nothing after them up to a whole vector; and the slopes, where they differ
 * and are asked for. */
static void load(const struct side *side, size_t c, size_t n, double *to, double *slopes)
{
	size_t all = padded(n);
	load_elements(side, c, n, to);
	for (size_t k = n; k < all; k++)
		to[k] = 0.0;
	if (side->transform)
		side->plan->kernels->doubles->transform(side->transform, to, to, slopes, all);
	for (size_t k = n; k < all; k++)
		to[k] = SIDE_NOTHING;
}

/* From the k-th of the classes that are left out on. Returns the first after the chunk. */
static size_t leave_out(const struct side *side, size_t k, size_t c, size_t n, double *x)
{
	for (; side->without && k < side->without->n; k++) {
		size_t class = listed_class(side->without, k);
		if (class >= c + n)
			break;
		x[class - c] = SIDE_NOTHING;
	}
	return k;
}

/* ---------------------------------------------------------------- sums of one row */

static void start(struct side_sums *sums)
{
	memset(sums, 0, sizeof *sums);
	sums->max = -HUGE_VAL;
	sums->regular = true;
}

static size_t find(const double *x, double value)
{
	size_t k = 0;
	while (x[k] != value)
		k++;
	return k;
}

static struct sum fold(const double *sum, const double *lost)
{
	struct lane_sums lanes;
	struct sum total = {0};
	memcpy(lanes.high, sum, sizeof lanes.high);
	memcpy(lanes.low, lost, sizeof lanes.low);
	lane_sums_merge(&lanes, LANES, &total);
	return total;
}

/* Where exponentials that are dropped would show. */
static double least_residual(const struct side *side)
{
	return side->wide ? 1e-280 : 1e-30;
}

static bool finish(struct side *side, const struct side_sums *sums)
{
	struct sum residual = fold(sums->sum, sums->lost);
	double maxima = 0.0;
	for (size_t l = 0; l < LANES; l++)
		maxima += sums->maxima[l];
	sum_add(&residual, maxima - 1.0);
	side->max = sums->max;
	side->residual = (struct sum){sum_value(&residual), sum_rest(&residual)};
	side->log1p_residual = log1p_parts(side->residual.high, side->residual.low);
	side->scale = 1.0 / (1.0 + side->residual.high);
	return sums->max > SIDE_NOTHING / 2.0 && side->residual.high >= least_residual(side);
}

static bool read(struct side *side)
{
	const struct loss_plan *plan = side->plan;
	_Alignas(64) double x[SIDE_CLASSES];
	struct side_sums sums;
	size_t k = 0;
	start(&sums);
	for (size_t c = 0, n; plan_has_class(plan, c) && sums.regular; c += n) {
		double before = sums.max;
		n = next_classes(plan, c);
		load(side, c, n, x, NULL);
		k = leave_out(side, k, c, n, x);
		numbers_of(side)->side_add(&sums, x, padded(n));
		if (sums.regular && sums.max > before)
			side->predicted = c + find(x, sums.max);
	}
	return sums.regular && finish(side, &sums);
}

bool side_read(struct side *side, const struct loss_tensor *tensor,
	       const struct logits_transform *transform, size_t r)
{
	side->tensor = tensor;
	side->transform = transform->on ? transform : NULL;
	side->base = plan_row_base(side->plan, r);
	return read(side);
}

void side_fill(const struct side *side, struct row *row)
{
	*row = (struct row){.plan = side->plan,
			    .input = side->tensor,
			    .transform = side->transform,
			    .base = side->base,
			    .stride = side->plan->inner,
			    .classes = side->plan->classes,
			    .predicted = side->predicted,
			    .max = side->max,
			    .residual = side->residual,
			    .scaled_residual = side->residual.high * 0x1p256,
			    .log1p_residual = side->log1p_residual};
	row->total = two_sum(1.0, side->residual.high, &row->total_low);
	row->total_low += side->residual.low;
}

double side_logit(const struct side *side, size_t c)
{
	double x = tensor_number(side->tensor, side->base + c * side->plan->inner);
	return side->transform ? transform_logit(side->transform, x) : x;
}

double side_prob(const struct side *side, size_t c)
{
	double low, lost, gap = two_sum(side_logit(side, c), -side->max, &lost);
	struct sum e;
	e.high = exp_parts(gap, lost, 0, &low);
	e.low = low;
	return times(side->scale, e);
}

/* ---------------------------------------------------------------- two rows */

static struct side_pair pair_of(const struct side *x, const struct side *y, struct sum beta)
{
	struct sum rest;
	rest.high = two_sum(1.0, -beta.high, &rest.low);
	struct side_pair pair = {.x_max = x->max, .x_scale = x->scale};
	pair.beta = beta.high;
	pair.rest = rest.high;
	pair.rest_low = rest.low;
	if (!y)
		return pair;
	pair.y_max = y->max;
	pair.y_scale = y->scale;
	struct sum max = {0}, rests = {0};
	max.high = two_sum(x->max, -y->max, &max.low);
	rests.high = two_sum(x->log1p_residual, -y->log1p_residual, &rests.low);
	struct sum between = plus(max, rests);
	pair.between = sum_value(&between);
	return pair;
}

void side_sum(enum side_operation operation, const struct side *x, const struct side *y,
	      struct sum beta, struct sum *sums)
{
	const struct loss_plan *plan = x->plan;
	_Alignas(64) double of_x[SIDE_CLASSES], of_y[SIDE_CLASSES];
	struct side_pair pair = pair_of(x, y, beta);
	pair.x = of_x;
	pair.y = x == y ? of_x : of_y;
	for (size_t c = 0, n; plan_has_class(plan, c); c += n) {
		n = next_classes(plan, c);
		load(x, c, n, of_x, NULL);
		if (x != y)
			load(y, c, n, of_y, NULL);
		numbers_of(x)->sides[operation](&pair, padded(n));
	}
	for (size_t i = 0; i < 3; i++)
		sums[i] = fold(pair.sum[i], pair.lost[i]);
}

double side_cross_entropy(const struct side *p, const struct side *q)
{
	struct sum sums[3];
	side_sum(SIDE_GAPS, p, q, sum_from(0.0), sums);
	return sum_value(&sums[0]) * p->scale + q->log1p_residual;
}

/* ---------------------------------------------------------------- writing */

static bool is_sloped(const struct side *side)
{
	return side->transform && side->transform->softcap > 0.0;
}

/* What all values are multiplied by alike. */
static double factor_of(const struct side_write *write)
{
	const struct side *side = write->of;
	if (!side->transform || is_sloped(side))
		return write->factor;
	return times(write->factor, transform_slope(side->transform, 0.0));
}

/* Classes [c, c + n) of one of them, into `to`. */
static void make(const struct side_write *write, struct side_pair *pair, size_t c, size_t n,
		 double *to)
{
	const struct loss_plan *plan = write->x->plan;
	_Alignas(64) double of_x[SIDE_CLASSES], of_y[SIDE_CLASSES], slopes[SIDE_CLASSES];
	double *sloped = is_sloped(write->of) ? slopes : NULL;
	pair->x = of_x;
	pair->y = of_y;
	pair->out = to;
	load(write->x, c, n, of_x, write->of == write->x ? sloped : NULL);
	if (write->y)
		load(write->y, c, n, of_y, write->of == write->y ? sloped : NULL);
	numbers_of(write->x)->sides[write->operation](pair, padded(n));
	if (write->own >= c && write->own < c + n)
		to[write->own - c] = write->own_value;
	plan->kernels->scale(to, factor_of(write), 0.0, sloped, n);
}

static void store(const struct side *side, size_t c, size_t n, const double *from,
		  const struct loss_tensor *out)
{
	size_t inner = side->plan->inner, at = side->base + c * inner;
	bool narrow = out->dtype != LOSS_F64 && out->dtype != LOSS_F32;
	if (inner == 1 && !narrow)
		side->plan->kernels->doubles->store(
			out->dtype, from, (char *)out->data + at * dtype_size(out->dtype), n);
	else
		for (size_t k = 0; k < n; k++)
			tensor_put(out, at + k * inner, from[k]);
}

void side_put(const struct side_write *writes, size_t n_writes, const struct loss_tensor *out)
{
	const struct side *first = writes[0].x;
	const struct loss_plan *plan = first->plan;
	_Alignas(64) double all[SIDE_CLASSES], more[SIDE_CLASSES];
	struct side_pair pairs[SIDE_WRITES];
	for (size_t i = 0; i < n_writes; i++) {
		pairs[i] = pair_of(writes[i].x, writes[i].y, writes[i].beta);
		pairs[i].mean = writes[i].mean;
	}
	for (size_t c = 0, n; plan_has_class(plan, c); c += n) {
		n = next_classes(plan, c);
		make(&writes[0], &pairs[0], c, n, all);
		for (size_t i = 1; i < n_writes; i++) {
			make(&writes[i], &pairs[i], c, n, more);
			for (size_t k = 0; k < n; k++)
				all[k] += more[k];
		}
		store(first, c, n, all, out);
	}
}
