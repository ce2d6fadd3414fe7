/*
 * What is computed of every logit once its row's sums are known: part of vector_template.h, once
 * for floats and once for doubles. It is computed in double, and rounded once where it is written.
 */

/* exp(x) 2^(OFFSET - exponent), 0 where it is below what a sum drops. */
#if IS_WIDE
INLINE vw OF(powers)(const double *at, const struct OF(scale) * scale)
{
	vw x = vw_load(at);
	vw e = vw_exp(vw_max(scale->bound, x), scale->magic);
	return vw_where_not_below(x, scale->bound, e);
}
#else
/* To a quarter of a float's ulp, which is what is lost before the last step of the float
 * exponential: that one is taken in double. */
INLINE vw OF(powers)(const float *at, const struct OF(scale) * scale)
{
	vf x = vf_load(at), r, z;
	vf slope = vf_exponential_slope(vf_max(scale->bound, x), scale->magic, &r, &z);
	vf power = (vf)((vi)vf_scale(vf_set(1.0f), z) & (x >= scale->bound));
	vw p = vw_multiply(vw_of(slope), vw_of(r));
	return vw_multiply(vw_add(p, vw_set(1.0)), vw_of(power));
}
#endif

/*
 * The same, and what it lacks, where a value is a difference: of doubles every rounding counts
 * there. What floats lack of a double is nothing beside their exponential.
 */
#if IS_WIDE
INLINE struct parts OF(power_parts)(const double *at, const struct OF(scale) * scale)
{
	vw x = vw_load(at), bounded = vw_max(scale->bound, x), low;
	vw e = {wd_exp_parts(bounded.low, scale->magic.low, &low.low),
		wd_exp_parts(bounded.high, scale->magic.high, &low.high)};
	return (struct parts){vw_where_not_below(x, scale->bound, e),
			      vw_where_not_below(x, scale->bound, low)};
}

/* a (b + b_low) */
INLINE struct parts OF(product)(struct parts a, vw b, vw b_low)
{
	struct pair low = wd_product(a.high.low, b.low), high = wd_product(a.high.high, b.high);
	vw rest = vw_add(vw_multiply(a.low, b), vw_multiply(a.high, b_low));
	return (struct parts){{low.high, high.high}, vw_add((vw){low.low, high.low}, rest)};
}

INLINE struct parts OF(plus)(struct parts a, struct parts b)
{
	struct pair low = wd_sum(a.high.low, b.high.low), high = wd_sum(a.high.high, b.high.high);
	vw rest = vw_add(a.low, b.low);
	return (struct parts){{low.high, high.high}, vw_add((vw){low.low, high.low}, rest)};
}
#else
INLINE struct parts OF(power_parts)(const float *at, const struct OF(scale) * scale)
{
	return (struct parts){OF(powers)(at, scale), vw_set(0.0)};
}

INLINE struct parts OF(product)(struct parts a, vw b, vw b_low)
{
	(void)b_low;
	return (struct parts){vw_multiply(a.high, b), vw_set(0.0)};
}

INLINE struct parts OF(plus)(struct parts a, struct parts b)
{
	return (struct parts){vw_add(a.high, b.high), vw_set(0.0)};
}
#endif

INLINE vw OF(rounded)(struct parts value)
{
	return IS_WIDE ? vw_add(value.high, value.low) : value.high;
}

INLINE struct OF(scale) OF(scale_of_lanes)(const struct lanes *lanes, size_t l)
{
	return OF(scale_for)(NV(narrow)(vw_load(lanes->exponent + l)));
}

INLINE vw OF(wide_at)(const void *x, size_t i)
{
	return NV(widen)(NV(load)((const NUMBER *)x + i));
}

/* ---------------------------------------------------------------- sums */

/* An excluded class's gap must not be infinite beside an exponential of 0. */
INLINE vw OF(finite_gap)(vw x, vw max)
{
	return vw_subtract(max, vw_max(x, vw_set(-2.0 * VECTOR_LARGEST)));
}

static void OF(sum_entropy)(struct lanes *lanes, const struct class_chunk *chunk)
{
	const NUMBER *x = chunk->x;
	for (size_t l = 0; l < LANES; l += NATIVE) {
		struct OF(scale) scale = OF(scale_of_lanes)(lanes, l);
		vw max = vw_load(lanes->max + l);
		NV(sum) sum = NV(sum_of)(lanes->sum[0] + l, lanes->lost[0] + l);
		for (size_t i = l; i < chunk->n; i += LANES) {
			vw gap = OF(finite_gap)(OF(wide_at)(x, i), max);
			sum = NV(sum_add_wide)(sum, vw_multiply(OF(powers)(x + i, &scale), gap));
		}
		NV(sum_put)(sum, lanes->sum[0] + l, lanes->lost[0] + l);
	}
}

/* Without a b, the gaps alone. A pair of them might leave a float's range. */
INLINE void OF(sum_bare_gaps)(struct lanes *lanes, const struct class_chunk *chunk)
{
	for (size_t l = 0; l < LANES; l += NATIVE) {
		const NUMBER *x = (const NUMBER *)chunk->x + l;
		NVEC max = NV(narrow)(vw_load(lanes->max + l));
		NV(sum) gaps = NV(sum_of)(lanes->sum[0] + l, lanes->lost[0] + l);
		for (size_t i = 0; i < chunk->n; i += LANES)
			gaps = NV(sum_add)(gaps, NV(subtract)(max, NV(load)(x + i)));
		NV(sum_put)(gaps, lanes->sum[0] + l, lanes->lost[0] + l);
	}
}

INLINE void OF(sum_gaps_of)(struct lanes *lanes, const struct class_chunk *chunk)
{
	for (size_t l = 0; l < LANES; l += NATIVE) {
		vw max = vw_load(lanes->max + l);
		NV(sum) gaps = NV(sum_of)(lanes->sum[0] + l, lanes->lost[0] + l);
		NV(sum) all = NV(sum_of)(lanes->sum[1] + l, lanes->lost[1] + l);
		for (size_t i = l; i < chunk->n; i += LANES) {
			vw gap = vw_subtract(max, OF(wide_at)(chunk->x, i));
			vw b = vw_load(chunk->b + i);
			gap = vw_where_nonzero(b, vw_multiply(b, gap));
			gaps = NV(sum_add_wide)(gaps, gap);
			all = NV(sum_add_wide)(all, b);
		}
		NV(sum_put)(gaps, lanes->sum[0] + l, lanes->lost[0] + l);
		NV(sum_put)(all, lanes->sum[1] + l, lanes->lost[1] + l);
	}
}

static void OF(sum_gaps)(struct lanes *lanes, const struct class_chunk *chunk)
{
	if (chunk->b)
		OF(sum_gaps_of)(lanes, chunk);
	else
		OF(sum_bare_gaps)(lanes, chunk);
}

static void OF(sum_exp)(struct lanes *lanes, const struct class_chunk *chunk)
{
	const NUMBER *x = chunk->x;
	for (size_t l = 0; l < LANES; l += NATIVE) {
		struct OF(scale) scale = OF(scale_of_lanes)(lanes, l);
		NV(sum) sum = NV(sum_of)(lanes->sum[0] + l, lanes->lost[0] + l);
		NV(sum) all = NV(sum_of)(lanes->sum[1] + l, lanes->lost[1] + l);
		for (size_t i = l; i < chunk->n; i += LANES) {
			struct parts e = OF(power_parts)(x + i, &scale);
			struct parts be = OF(product)(e, vw_load(chunk->b + i), vw_set(0.0));
			sum = NV(sum_add_parts)(sum, be);
			all = NV(sum_add_parts)(all, e);
		}
		NV(sum_put)(sum, lanes->sum[0] + l, lanes->lost[0] + l);
		NV(sum_put)(all, lanes->sum[1] + l, lanes->lost[1] + l);
	}
}

/* ---------------------------------------------------------------- outputs */

/* The value of a native vector of logits, from index i on, of the lanes from l on. */
typedef vw OF(value_fn)(const struct lanes *lanes, const struct class_chunk *chunk,
			const struct OF(scale) * scale, size_t l, size_t i);

/* Inlined with `stream` a constant. */
INLINE void OF(write)(const struct lanes *lanes, const struct class_chunk *chunk,
		      OF(value_fn) * value, bool stream)
{
	NUMBER *out = chunk->out;
	struct OF(scale) scale[PIECES];
	UNROLL
	for (size_t p = 0; p < PIECES; p++)
		scale[p] = OF(scale_of_lanes)(lanes, p * NATIVE);
	for (size_t i = 0; i < chunk->n; i += LANES)
		UNROLL
	for (size_t p = 0; p < PIECES; p++) {
		size_t l = p * NATIVE;
		vw v = value(lanes, chunk, &scale[p], l, i + l);
		NV(put)(out + i + l, NV(narrow)(v), stream);
	}
}

/* The lanes are copied: what is written might be them, as far as the compiler knows. */
#define WRITER(name)                                                                               \
	static void OF(write_##name)(struct lanes * lanes, const struct class_chunk *chunk)        \
	{                                                                                          \
		const struct lanes own = *lanes;                                                   \
		const struct class_chunk of = *chunk;                                              \
		if (of.stream)                                                                     \
			OF(write)(&own, &of, OF(name), true);                                      \
		else                                                                               \
			OF(write)(&own, &of, OF(name), false);                                     \
	}

INLINE vw OF(log_probs)(const struct lanes *lanes, const struct class_chunk *chunk,
			const struct OF(scale) * scale, size_t l, size_t i)
{
	(void)scale;
	vw gap = vw_subtract(OF(wide_at)(chunk->x, i), vw_load(lanes->max + l));
	return vw_subtract(gap, vw_load(lanes->term + l));
}
WRITER(log_probs)

INLINE vw OF(b_at)(const struct lanes *lanes, const struct class_chunk *chunk, size_t l, size_t i)
{
	return vw_load(chunk->b ? chunk->b + i : lanes->b + l);
}

INLINE vw OF(combined)(const struct lanes *lanes, const struct class_chunk *chunk,
		       const struct OF(scale) * scale, size_t l, size_t i)
{
	struct parts e = OF(power_parts)((const NUMBER *)chunk->x + i, scale);
	struct parts b = {OF(b_at)(lanes, chunk, l, i), vw_set(0.0)};
	e = OF(product)(e, vw_load(lanes->factor + l), vw_load(lanes->factor_low + l));
	b = OF(product)(b, vw_load(lanes->term + l), vw_load(lanes->term_low + l));
	return OF(rounded)(OF(plus)(e, b));
}
WRITER(combined)

INLINE vw OF(gaps)(const struct lanes *lanes, const struct class_chunk *chunk,
		   const struct OF(scale) * scale, size_t l, size_t i)
{
	struct parts e = OF(power_parts)((const NUMBER *)chunk->x + i, scale);
	struct parts b = {OF(b_at)(lanes, chunk, l, i), vw_set(0.0)};
	struct parts mean = {vw_load(lanes->term + l), vw_load(lanes->term_low + l)};
	struct parts gap = OF(plus)(b, mean);
	gap = OF(product)(gap, vw_load(lanes->factor + l), vw_load(lanes->factor_low + l));
	return OF(rounded)(OF(product)(e, gap.high, gap.low));
}
WRITER(gaps)

#if IS_WIDE
INLINE vw OF(scaled)(const struct lanes *lanes, const struct class_chunk *chunk,
		     const struct OF(scale) * scale, size_t l, size_t i)
{
	vw e = OF(powers)((const double *)chunk->x + i, scale);
	return vw_multiply(e, vw_load(lanes->factor + l));
}
WRITER(scaled)
#else
/* Results are made this much too large and then scaled in one rounding, so that they underflow
 * gradually. */
#define SUBNORMAL_SHIFT 24.0f
#define SUBNORMAL_SCALE 0x1p-24f

/* The mantissa's factor, the magic of its exponent, and the bound below which the result is 0. */
struct rescale {
	vf factor, magic, bound;
};

INLINE vf rescaled(vf x, const struct rescale *to)
{
	vf z;
	vf p = vf_exponential(vf_max(to->bound, x), to->magic, &z);
	vf scaled = vf_scale(p * to->factor, z) * vf_set(SUBNORMAL_SCALE);
	return vf_select(x >= to->bound, scaled, vf_set(0.0f));
}

/*
 * factor = f 2^k with |f| in [1, 2), f rounded to float, k an integer, whose 11 bits become a
 * double under the exponent of 2^52. f multiplies the mantissa, and k goes with exp(x). Of 0 there
 * is a bound that nothing is above, whatever the lane holds.
 */
INLINE struct rescale rescale_of(const struct lanes *lanes, size_t l)
{
	double f[NATIVE], shift[NATIVE];
	UNROLL
	for (size_t k = 0; k < NATIVE; k += DOUBLES) {
		wd factor = wd_load(lanes->factor + l + k);
		wu bits = (wu)factor;
		wd power = (wd)((bits >> 52 & wu_set(0x7ff)) + wu_set(0x4330000000000000));
		power = (power - wd_set(0x1p52 + 1023.0)) + wd_set((double)OFFSET);
		wd mantissa =
			(wd)((bits & wu_set(0x800fffffffffffff)) + wu_set(0x3ff0000000000000));
		wl zero = factor == wd_set(0.0);
		wd_store(f + k, wd_select(zero, factor, mantissa));
		wd_store(shift + k, (wd)((wl)(power - wd_load(lanes->exponent + l + k)) | zero));
	}
	vf by = vf_narrow(vw_load(shift));
	return (struct rescale){
		.factor = vf_narrow(vw_load(f)),
		.magic = vf_set(MAGIC + SUBNORMAL_SHIFT) + by,
		.bound = (vf_set(-124.0f - SUBNORMAL_SHIFT) - by) * vf_set((float)LN_2),
	};
}

INLINE void rescale_all(const struct rescale *to, const struct class_chunk *chunk, bool stream)
{
	const float *x = chunk->x;
	float *out = chunk->out;
	for (size_t i = 0; i < chunk->n; i += LANES)
		UNROLL
	for (size_t p = 0; p < PIECES; p++) {
		size_t at = i + p * NATIVE;
		vf_put(out + at, rescaled(vf_load(x + at), &to[p]), stream);
	}
}

/* In floats: a product that is not added to anything needs no more. */
static void OF(write_scaled)(struct lanes *lanes, const struct class_chunk *chunk)
{
	struct rescale to[PIECES];
	UNROLL
	for (size_t p = 0; p < PIECES; p++)
		to[p] = rescale_of(lanes, p * NATIVE);
	if (chunk->stream)
		rescale_all(to, chunk, true);
	else
		rescale_all(to, chunk, false);
}
#endif
#undef WRITER

/* ---------------------------------------------------------------- places */

static void OF(find_first)(struct lanes *lanes, const struct class_chunk *chunk)
{
	const NUMBER *x = chunk->x;
	for (size_t l = 0; l < LANES; l++)
		lanes->count[l] = INT64_MAX;
	for (size_t i = 0; i < chunk->n; i += LANES)
		for (size_t l = 0; l < LANES; l += NATIVE) {
			unsigned equal =
				NV(equal)(NV(load)(x + i + l), NV(load)(lanes->value.FIELD + l));
			for (; equal != 0; equal &= equal - 1) {
				size_t at = l + (size_t)__builtin_ctz(equal);
				if (lanes->count[at] == INT64_MAX)
					lanes->count[at] = (int64_t)(i / LANES);
			}
		}
}

static void OF(count_before)(struct lanes *lanes, const struct class_chunk *chunk)
{
	for (size_t l = 0; l < LANES; l += NATIVE) {
		const NUMBER *x = (const NUMBER *)chunk->x + l;
		NUMBER limits[NATIVE];
		NVEC value = NV(load)(lanes->value.FIELD + l), count = NV(set)((NUMBER)0);
		/* chunks have fewer classes than floats can count */
		for (size_t k = 0; k < NATIVE; k++)
			limits[k] = lanes->limit[l + k] < (int64_t)chunk->n
					    ? (NUMBER)lanes->limit[l + k]
					    : (NUMBER)chunk->n;
		NVEC limit = NV(load)(limits), at = NV(set)((NUMBER)0);
		for (size_t i = 0; i < chunk->n; i += LANES) {
			count = NV(count)(count, NV(load)(x + i), value, at, limit);
			at = NV(add)(at, NV(set)((NUMBER)1));
		}
		NV(store)(limits, count);
		for (size_t k = 0; k < NATIVE; k++)
			lanes->count[l + k] += (int64_t)limits[k];
	}
}
