/*
 * Two rows of float logits side by side, read once: part of vector_template.h. vector.h says what
 * comes of it.
 *
 * The sums of either are those of sums_template.h, but for one thing: the exponential of every
 * logit is wanted, not that of the loser of a comparison. So the exponentials are compared, and
 * the smaller is added; the larger stays in its lane.
 *
 * d is the difference of two logits minus that of two log-sum-exps, which is all that is left where
 * models nearly agree: what the first rounding takes from it is put back, and what it ends with is
 * as exact as a float is. Nothing else cancels: psi is a polynomial where e^{-d} - 1 + d would.
 */

/* What terms are multiplied by, so that they stay in range where a logit is HEADROOM above its
 * reference and d is large. */
#define TWIN_UNIT 0x1p-30f

/* psi(d) / d^2, as a polynomial in -d, is within 0.3 2^-24 for |d - TWIN_MIDDLE| <= TWIN_REACH:
 * minimax. */
#define TWIN_MIDDLE (-0.6f)
#define TWIN_REACH 1.6f
static const float twin_psi[] = {0x1.000000p-1,  0x1.55555cp-3,  0x1.555554p-5,
				 0x1.110e34p-7,  0x1.6c1c12p-10, 0x1.a13f88p-13,
				 0x1.9bd7c4p-16, 0x1.51a72ep-19, 0x1.e9ab9ep-22};
#define TWIN_TERMS (sizeof twin_psi / sizeof twin_psi[0])

/* a where |x| > bound, else b; b where x is NaN. */
INLINE vf vf_where_beyond(vf x, vf bound, vf a, vf b)
{
#if defined(__AVX512F__)
	__mmask16 beyond = _mm512_cmp_ps_mask(_mm512_abs_ps((__m512)x), (__m512)bound, _CMP_GT_OQ);
	return (vf)_mm512_mask_blend_ps(beyond, (__m512)b, (__m512)a);
#else
	return vf_select((vf)((vu)x & 0x7fffffff) > bound, a, b);
#endif
}

/* One of the two on its way. */
struct twin {
	struct scale_of_floats scale;
	vf max, most; /* of the logits and of the exponentials, a lane each */
};

/* The exponential of v; and of those that are compared the smaller. */
INLINE vf twin_exp(struct twin *twin, vf v, vf *loser)
{
	vf e = vf_exp(vf_max(twin->scale.bound, v), twin->scale.magic);
	twin->max = vf_max(v, twin->max);
	*loser = vf_min(e, twin->most);
	twin->most = vf_max(e, twin->most);
	return e;
}

INLINE struct twin twin_of(const struct lane_state *state, const float *most, size_t l)
{
	return (struct twin){scale_for_of_floats(vf_set(state->reference.f[0])),
			     vf_load(state->max.f + l), vf_load(most + l)};
}

/* What is the same for all classes. */
struct twin_gap {
	vf between, between_low, ratio;
};

/* x - y - between, within 2^-23 of itself where x - y is not far larger. */
INLINE vf twin_gap(const struct twin_gap *form, vf x, vf y)
{
	vf gap = x - y, back = gap - x;
	vf lost = (x - (gap - back)) - (y + back);
	return (gap - form->between) + (lost - form->between_low);
}

/* TWIN_UNIT e psi(d); other is e exp(-d) / ratio. */
INLINE vf twin_term(const struct twin_gap *form, vf e, vf other, vf d)
{
	vf minus = -d, p = vf_set(TWIN_UNIT * twin_psi[TWIN_TERMS - 1]);
	UNROLL
	for (size_t i = TWIN_TERMS - 1; i-- > 0;)
		p = vf_fma(p, minus, vf_set(TWIN_UNIT * twin_psi[i]));
	vf less = vf_fma(d, vf_set(TWIN_UNIT), vf_set(-TWIN_UNIT));
	vf far = vf_fma(e, less, other * form->ratio);
	return vf_where_beyond(d - vf_set(TWIN_MIDDLE), vf_set(TWIN_REACH), far, e * ((d * d) * p));
}

static void twins_add(struct side_twins *twins, const float *x, const float *y, size_t n)
{
	const struct twin_gap form = {vf_set(twins->between), vf_set(twins->between_low),
				      vf_set(twins->ratio * TWIN_UNIT)};
	for (size_t l = 0; l < LANES; l += NATIVE) {
		struct twin of_x = twin_of(&twins->x, twins->x_most, l);
		struct twin of_y = twin_of(&twins->y, twins->y_most, l);
		vf_sum x_sum = vw_load(twins->x.sum + l), y_sum = vw_load(twins->y.sum + l);
		vf_sum sum = vw_load(twins->sum + l);
		vf farthest = vf_load(twins->farthest + l);
		for (size_t i = l; i < n; i += TWIN_CLASSES) {
			vf term[2], lost_x[2], lost_y[2];
			UNROLL
			for (size_t k = 0; k < 2; k++) {
				size_t at = i + k * LANES;
				__builtin_prefetch((const char *)(x + at) + FETCH_BYTES);
				__builtin_prefetch((const char *)(y + at) + FETCH_BYTES);
				vf u = vf_load(x + at), v = vf_load(y + at);
				vf d = twin_gap(&form, u, v);
				vf e = twin_exp(&of_x, u, &lost_x[k]);
				vf other = twin_exp(&of_y, v, &lost_y[k]);
				farthest = vf_max(farthest, (vf)((vu)d & 0x7fffffff));
				term[k] = twin_term(&form, e, other, d);
			}
			sum = vf_sum_add(sum, term[0] + term[1]);
			x_sum = vf_sum_add(x_sum, lost_x[0] + lost_x[1]);
			y_sum = vf_sum_add(y_sum, lost_y[0] + lost_y[1]);
		}
		vf_store(twins->x.max.f + l, of_x.max);
		vf_store(twins->y.max.f + l, of_y.max);
		vf_store(twins->x_most + l, of_x.most);
		vf_store(twins->y_most + l, of_y.most);
		vf_store(twins->farthest + l, farthest);
		vw_store(twins->x.sum + l, x_sum);
		vw_store(twins->y.sum + l, y_sum);
		vw_store(twins->sum + l, sum);
	}
}

INLINE void twins_write_as(const struct twin_shares *shares, const float *x, const float *y,
			   float *out, size_t n, bool stream)
{
	struct scale_of_floats of_x = scale_for_of_floats(vf_set(shares->x_exponent));
	struct scale_of_floats of_y = scale_for_of_floats(vf_set(shares->y_exponent));
	vf x_factor = vf_set(-shares->x_factor), y_factor = vf_set(shares->y_factor);
	for (size_t i = 0; i < n; i += NATIVE) {
		vf p = vf_exp(vf_max(of_x.bound, vf_load(x + i)), of_x.magic);
		vf q = vf_exp(vf_max(of_y.bound, vf_load(y + i)), of_y.magic);
		vf_put(out + i, vf_fma(q, y_factor, p * x_factor), stream);
	}
}

static void twins_write(const struct twin_shares *shares, const float *x, const float *y,
			float *out, size_t n, bool stream)
{
	if (stream)
		twins_write_as(shares, x, y, out, n, true);
	else
		twins_write_as(shares, x, y, out, n, false);
}
