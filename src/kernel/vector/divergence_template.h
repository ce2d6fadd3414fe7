/*
 * Rows of logits held as doubles, side by side with those of another model: part of
 * vector_template.h, once with float exponentials, for results that are floats, and once with those
 * of doubles. Differences of logits are taken in double in both: where two models nearly agree they
 * are all that there is. vector.h says what each operation is.
 */

#if IS_WIDE
#define SHARE_BOUND (-700.0)
#define PSI_NEAR 0.34
#define PSI_TERMS 13
#else
#define SHARE_BOUND (-87.0)
#define PSI_NEAR 1.5
#define PSI_TERMS 14
#endif

/* exp(x - max), 0 where x is farther below than SHARE_BOUND; what rounding the difference loses is
 * made up for. */
INLINE vw OF(share)(vw x, vw max)
{
	vw bound = vw_set(SHARE_BOUND), gap = vw_subtract(x, max), bounded = vw_max(bound, gap);
#if IS_WIDE
	vw back = vw_subtract(gap, x);
	vw lost = vw_subtract(vw_subtract(x, vw_subtract(gap, back)), vw_add(max, back));
	vw e = vw_exp(bounded, vw_set(WD_EXP_MAGIC));
#else
	vf g = vf_narrow(bounded), r, z;
	vw lost = vw_subtract(bounded, vw_of(g));
	vf slope = vf_exponential_slope(g, vf_set(EXPONENTIAL_MAGIC), &r, &z);
	vw e = vw_add(vw_multiply(vw_of(slope), vw_of(r)), vw_set(1.0));
	e = vw_multiply(e, vw_of(vf_scale(vf_set(1.0f), z)));
#endif
	e = vw_add(e, vw_multiply(e, lost));
	return vw_where_not_below(gap, bound, e);
}

/* (exp(x) - 1 - x) / x^2, |x| <= PSI_NEAR: 1/2! + x/3! + x^2/4! + ... */
static const double OF(psi_terms)[] = {
	1.0 / 2.0,       1.0 / 6.0,        1.0 / 24.0,        1.0 / 120.0,        1.0 / 720.0,
	1.0 / 5040.0,    1.0 / 40320.0,    1.0 / 362880.0,    1.0 / 3628800.0,    1.0 / 39916800.0,
	1.0 / 479001600, 1.0 / 6227020800, 1.0 / 87178291200, 1.0 / 1307674368000};

#if IS_WIDE
INLINE vw OF(psi_ratio)(vw x)
{
	vw p = vw_set(OF(psi_terms)[PSI_TERMS - 1]);
	UNROLL
	for (size_t i = PSI_TERMS - 1; i-- > 0;)
		p = vw_add(vw_multiply(p, x), vw_set(OF(psi_terms)[i]));
	return p;
}
#else
INLINE vw OF(psi_ratio)(vw x)
{
	vf t = vf_narrow(x), p = vf_set((float)OF(psi_terms)[PSI_TERMS - 1]);
	UNROLL
	for (size_t i = PSI_TERMS - 1; i-- > 0;)
		p = vf_fma(p, t, vf_set((float)OF(psi_terms)[i]));
	return vw_of(p);
}
#endif

INLINE vw OF(sizes)(vw x)
{
	return (vw){wd_abs(x.low), wd_abs(x.high)};
}

/* a where x > bound, else b. */
INLINE vw OF(where_above)(vw x, vw bound, vw a, vw b)
{
	return (vw){wd_select(x.low > bound.low, a.low, b.low),
		    wd_select(x.high > bound.high, a.high, b.high)};
}

/* ---------------------------------------------------------------- sums of one row */

/* The largest of n; false where one is not within what vectors take. */
INLINE bool OF(side_largest)(const double *x, size_t n, double *largest)
{
	wl within = ~(wl){0};
	wd most = wd_set(-VECTOR_LARGEST);
	for (size_t i = 0; i < n; i += DOUBLES) {
		wd v = wd_load(x + i);
		within &= (v >= wd_set(-VECTOR_LARGEST)) & (v <= wd_set(VECTOR_LARGEST));
		most = wd_max(most, v);
	}
	double all[DOUBLES];
	wd_store(all, most);
	*largest = all[0];
	for (size_t i = 1; i < DOUBLES; i++)
		*largest = all[i] > *largest ? all[i] : *largest;
	return wd_bits(~within) == 0;
}

/* What was the maximum is one of the others now. */
static void OF(raise)(struct side_sums *sums, double max)
{
	double factor = exp_double(sums->max - max);
	for (size_t l = 0; l < LANES; l++) {
		sums->sum[l] *= factor;
		sums->lost[l] *= factor;
	}
	sums->sum[0] += sums->maxima[0] * factor;
	for (size_t l = 1; l < LANES; l++)
		sums->sum[l] += sums->maxima[l] * factor;
	memset(sums->maxima, 0, sizeof sums->maxima);
	sums->max = max;
}

static void OF(side_add)(struct side_sums *sums, const double *x, size_t n)
{
	double largest;
	if (!OF(side_largest)(x, n, &largest))
		sums->regular = false;
	if (!sums->regular)
		return;
	if (largest > sums->max)
		OF(raise)(sums, largest);
	for (size_t l = 0; l < LANES; l += NATIVE) {
		vw max = vw_set(sums->max), one = vw_set(1.0);
		NV(sum) sum = NV(sum_of)(sums->sum + l, sums->lost + l);
		vw maxima = vw_load(sums->maxima + l);
		for (size_t i = l; i < n; i += LANES) {
			vw v = vw_load(x + i), gap = vw_subtract(max, v);
			vw e = vw_where_nonzero(gap, OF(share)(v, max));
			maxima = vw_add(maxima, vw_subtract(one, vw_where_nonzero(gap, one)));
			sum = NV(sum_add_wide)(sum, e);
		}
		NV(sum_put)(sum, sums->sum + l, sums->lost + l);
		vw_store(sums->maxima + l, maxima);
	}
}

/* ---------------------------------------------------------------- two sides */

INLINE vw OF(log_ratio)(const struct side_pair *pair, vw x, vw y)
{
	return vw_subtract(vw_subtract(x, y), vw_set(pair->between));
}

/* e (exp(-d) - 1 + d), which is never negative. Far from 0 it is what q is more than p, and p d. */
static void OF(side_diverge)(struct side_pair *pair, size_t n)
{
	const vw near = vw_set(PSI_NEAR), x_max = vw_set(pair->x_max), y_max = vw_set(pair->y_max);
	const vw ratio = vw_set(pair->y_scale / pair->x_scale), zero = vw_set(0.0);
	for (size_t l = 0; l < LANES; l += NATIVE) {
		NV(sum) sum = NV(sum_of)(pair->sum[0] + l, pair->lost[0] + l);
		for (size_t i = l; i < n; i += LANES) {
			vw x = vw_load(pair->x + i), y = vw_load(pair->y + i);
			vw d = OF(log_ratio)(pair, x, y), size = OF(sizes)(d);
			vw e = OF(share)(x, x_max);
			vw term = vw_multiply(vw_multiply(e, vw_multiply(d, d)),
					      OF(psi_ratio)(vw_subtract(zero, d)));
			if (vw_above(size, near) != 0) {
				vw other = vw_multiply(OF(share)(y, y_max), ratio);
				vw far = vw_add(vw_subtract(other, e), vw_multiply(e, d));
				term = OF(where_above)(size, near, vw_max(far, zero), term);
			}
			sum = NV(sum_add_wide)(sum, term);
		}
		NV(sum_put)(sum, pair->sum[0] + l, pair->lost[0] + l);
	}
}

static void OF(side_gaps)(struct side_pair *pair, size_t n)
{
	const vw x_max = vw_set(pair->x_max), y_max = vw_set(pair->y_max);
	for (size_t l = 0; l < LANES; l += NATIVE) {
		NV(sum) sum = NV(sum_of)(pair->sum[0] + l, pair->lost[0] + l);
		for (size_t i = l; i < n; i += LANES) {
			vw e = OF(share)(vw_load(pair->x + i), x_max);
			vw gap = vw_subtract(y_max, vw_load(pair->y + i));
			sum = NV(sum_add_wide)(sum, vw_multiply(e, gap));
		}
		NV(sum_put)(sum, pair->sum[0] + l, pair->lost[0] + l);
	}
}

static void OF(side_ratios)(struct side_pair *pair, size_t n)
{
	const vw x_max = vw_set(pair->x_max);
	for (size_t l = 0; l < LANES; l += NATIVE) {
		NV(sum) sum = NV(sum_of)(pair->sum[0] + l, pair->lost[0] + l);
		NV(sum) all = NV(sum_of)(pair->sum[1] + l, pair->lost[1] + l);
		for (size_t i = l; i < n; i += LANES) {
			vw x = vw_load(pair->x + i), e = OF(share)(x, x_max);
			vw d = OF(log_ratio)(pair, x, vw_load(pair->y + i));
			sum = NV(sum_add_wide)(sum, vw_multiply(e, d));
			all = NV(sum_add_wide)(all, e);
		}
		NV(sum_put)(sum, pair->sum[0] + l, pair->lost[0] + l);
		NV(sum_put)(all, pair->sum[1] + l, pair->lost[1] + l);
	}
}

static void OF(side_write_differences)(struct side_pair *pair, size_t n)
{
	const vw x_max = vw_set(pair->x_max), y_max = vw_set(pair->y_max);
	const vw x_scale = vw_set(pair->x_scale), y_scale = vw_set(pair->y_scale);
	for (size_t i = 0; i < n; i += NATIVE) {
		vw p = vw_multiply(OF(share)(vw_load(pair->x + i), x_max), x_scale);
		vw q = vw_multiply(OF(share)(vw_load(pair->y + i), y_max), y_scale);
		vw_store(pair->out + i, vw_subtract(q, p));
	}
}

static void OF(side_write_ratios)(struct side_pair *pair, size_t n)
{
	const vw x_max = vw_set(pair->x_max), scale = vw_set(pair->x_scale);
	const vw mean = vw_set(pair->mean);
	for (size_t i = 0; i < n; i += NATIVE) {
		vw x = vw_load(pair->x + i);
		vw e = vw_multiply(OF(share)(x, x_max), scale);
		vw d = OF(log_ratio)(pair, x, vw_load(pair->y + i));
		vw_store(pair->out + i, vw_multiply(e, vw_subtract(d, mean)));
	}
}

static void OF(side_write_shares)(struct side_pair *pair, size_t n)
{
	const vw x_max = vw_set(pair->x_max), scale = vw_set(pair->x_scale);
	for (size_t i = 0; i < n; i += NATIVE) {
		vw e = OF(share)(vw_load(pair->x + i), x_max);
		vw_store(pair->out + i, vw_multiply(e, scale));
	}
}

/* ---------------------------------------------------------------- jsd */

/* Of all classes log(p / m) and log(q / m), and whether the sides are near: see
 * divergence/terms.h. Always of doubles. */
struct OF(mixed) {
	vw above_p, above_q, size;
};

INLINE wd OF(above_mixture)(wd share, wd other, wd other_low, wd size)
{
	wd e = wd_exp_at(wd_max(wd_set(-700.0), -size), wd_set(WD_EXP_MAGIC));
	wd t = wd_set(OF(psi_terms)[12]);
	UNROLL
	for (size_t i = 12; i-- > 0;)
		t = t * -size + wd_set(OF(psi_terms)[i]);
	wd missing = (size * size) * t - size; /* exp(-size) - 1 */
	wl near = size < wd_set(0.34);
	wd first = wd_select(near, wd_set(1.0), share);
	struct pair mixture = wd_sum(first, wd_select(near, other * missing, other * e));
	return -wd_log_sum(mixture.high, mixture.low + wd_select(near, wd_set(0.0), other_low));
}

INLINE void OF(mix)(const struct side_pair *pair, wd d, wd *above_p, wd *above_q)
{
	wd beta = wd_set(pair->beta), rest = wd_set(pair->rest), size = wd_abs(d);
	wl more = d >= wd_set(0.0);
	wd share = wd_select(more, beta, rest), other = wd_select(more, rest, beta);
	wd low = wd_select(more, wd_set(0.0), wd_set(pair->rest_low));
	wd larger = OF(above_mixture)(share, other, low, size);
	*above_p = wd_select(more, larger, larger + d);
	*above_q = wd_select(more, larger - d, larger);
}

INLINE struct OF(mixed) OF(mixed_at)(const struct side_pair *pair, size_t i)
{
	vw d = OF(log_ratio)(pair, vw_load(pair->x + i), vw_load(pair->y + i));
	struct OF(mixed) mixed = {.size = OF(sizes)(d)};
	OF(mix)(pair, d.low, &mixed.above_p.low, &mixed.above_q.low);
	OF(mix)(pair, d.high, &mixed.above_p.high, &mixed.above_q.high);
	return mixed;
}

INLINE vw OF(psi_of)(vw x)
{
	vw t = vw_set(OF(psi_terms)[12]), minus = vw_subtract(vw_set(0.0), x);
	UNROLL
	for (size_t i = 12; i-- > 0;)
		t = vw_add(vw_multiply(t, minus), vw_set(OF(psi_terms)[i]));
	return vw_multiply(vw_multiply(x, x), t);
}

/* p and q are what x_scale and y_scale make of them, times beta and 1 - beta. */
static void OF(side_mix)(struct side_pair *pair, size_t n)
{
	const vw near = vw_set(0.34), zero = vw_set(0.0);
	const vw beta = vw_set(pair->beta * pair->x_scale),
		 rest = vw_set(pair->rest * pair->y_scale);
	const vw x_max = vw_set(pair->x_max), y_max = vw_set(pair->y_max);
	for (size_t l = 0; l < LANES; l += NATIVE) {
		NV(sum) sum = NV(sum_of)(pair->sum[0] + l, pair->lost[0] + l);
		NV(sum) slopes = NV(sum_of)(pair->sum[1] + l, pair->lost[1] + l);
		NV(sum) all = NV(sum_of)(pair->sum[2] + l, pair->lost[2] + l);
		for (size_t i = l; i < n; i += LANES) {
			struct OF(mixed) at = OF(mixed_at)(pair, i);
			vw e = OF(share)(vw_load(pair->y + i), y_max);
			vw p = vw_multiply(OF(share)(vw_load(pair->x + i), x_max), beta);
			vw q = vw_multiply(e, rest);
			vw slope = vw_multiply(q, at.above_q);
			vw far = vw_max(vw_add(vw_multiply(p, at.above_p), slope), zero);
			vw close = vw_add(vw_multiply(p, OF(psi_of)(at.above_p)),
					  vw_multiply(q, OF(psi_of)(at.above_q)));
			sum = NV(sum_add_wide)(sum, OF(where_above)(near, at.size, close, far));
			slopes = NV(sum_add_wide)(slopes, vw_multiply(e, at.above_q));
			all = NV(sum_add_wide)(all, e);
		}
		NV(sum_put)(sum, pair->sum[0] + l, pair->lost[0] + l);
		NV(sum_put)(slopes, pair->sum[1] + l, pair->lost[1] + l);
		NV(sum_put)(all, pair->sum[2] + l, pair->lost[2] + l);
	}
}

static void OF(side_write_mixed)(struct side_pair *pair, size_t n)
{
	const vw y_max = vw_set(pair->y_max), mean = vw_set(pair->mean);
	const vw scale = vw_set(pair->rest * pair->y_scale);
	for (size_t i = 0; i < n; i += NATIVE) {
		struct OF(mixed) at = OF(mixed_at)(pair, i);
		vw q = vw_multiply(OF(share)(vw_load(pair->y + i), y_max), scale);
		vw_store(pair->out + i, vw_multiply(q, vw_subtract(at.above_q, mean)));
	}
}
#undef SHARE_BOUND
#undef PSI_NEAR
#undef PSI_TERMS
