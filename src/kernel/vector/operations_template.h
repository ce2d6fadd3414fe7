/*
 * What is computed of every logit once its row's sums are known: part of vector_template.h, once
 * for floats and once for doubles. It is computed in double, and rounded once where it is written.
 */

/* exp(x) 2^(OFFSET - exponent), 0 where it is below what a sum drops. */
#if IS_WIDE
INLINE vw OF(powers)(vw x, const struct OF(scale) * scale)
{
	vw e = vw_exp(vw_max(scale->bound, x), scale->magic);
	return vw_where_not_below(x, scale->bound, e);
}
#else
/* To a quarter of a float's ulp, which is what is lost before the last step of the float
 * exponential: that one is taken in double. */
INLINE vw OF(powers)(vf x, const struct OF(scale) * scale)
{
	vf r, z;
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
INLINE struct parts OF(power_parts)(vw x, const struct OF(scale) * scale)
{
	vw bounded = vw_max(scale->bound, x), low;
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
INLINE struct parts OF(power_parts)(vf x, const struct OF(scale) * scale)
{
	return (struct parts){OF(powers)(x, scale), vw_set(0.0)};
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

/* ---------------------------------------------------------------- lanes and chunks */

/* What a native vector of lanes knows of its rows. */
struct OF(known) {
	struct OF(scale) scale;
	vw max, b;
	struct parts factor, term;
};

INLINE struct OF(known) OF(known_of)(const struct lanes *lanes, size_t l)
{
	return (struct OF(known)){
		.scale = OF(scale_for)(NV(narrow)(vw_load(lanes->exponent + l))),
		.max = vw_load(lanes->max + l),
		.b = vw_load(lanes->b + l),
		.factor = {vw_load(lanes->factor + l), vw_load(lanes->factor_low + l)},
		.term = {vw_load(lanes->term + l), vw_load(lanes->term_low + l)},
	};
}

/* Lanes from l on of vector k. The type is the same every time: the processor foresees it. */
INLINE NVEC OF(vector_at)(const struct vectors *of, size_t k, size_t l)
{
	size_t i = k * of->step + l;
	if (of->dtype == LOSS_BF16)
		return NV(load_as)(LOSS_BF16, of->at, i);
	if (of->dtype == LOSS_F16)
		return NV(load_as)(LOSS_F16, of->at, i);
	return NV(load)((const NUMBER *)of->at + i);
}

/* Of vectors apart the next sixteen lanes are wanted soon, which no processor foresees. */
INLINE void OF(fetch_next)(const void *at, loss_dtype dtype, size_t i, bool to_write)
{
	size_t size = dtype == LOSS_BF16 || dtype == LOSS_F16 ? 2 : sizeof(NUMBER);
	const char *next = (const char *)at + (i + LANES) * size;
	for (size_t k = 0; k < LANES * size; k += 64)
		if (to_write)
			__builtin_prefetch(next + k, 1);
		else
			__builtin_prefetch(next + k);
}

INLINE NVEC OF(x_at)(const struct class_chunk *chunk, size_t k, size_t l)
{
	return OF(vector_at)(&chunk->x, k, l);
}

INLINE vw OF(wide_at)(const struct class_chunk *chunk, size_t k, size_t l)
{
	return NV(widen)(OF(x_at)(chunk, k, l));
}

INLINE void OF(put_at)(const struct class_chunk *chunk, size_t k, size_t l, NVEC v, bool stream)
{
	size_t i = k * chunk->out_step + l;
	if (l == 0 && chunk->out_step != LANES)
		OF(fetch_next)(chunk->out, chunk->out_dtype, i, true);
	if (chunk->out_dtype == LOSS_BF16)
		NV(store_as)(LOSS_BF16, chunk->out, i, v);
	else if (chunk->out_dtype == LOSS_F16)
		NV(store_as)(LOSS_F16, chunk->out, i, v);
	else
		NV(put)((NUMBER *)chunk->out + i, v, stream);
}

INLINE vw OF(b_at)(const struct OF(known) * row, const struct class_chunk *chunk, size_t k,
		   size_t l)
{
	if (chunk->b)
		return vw_load(chunk->b + k * LANES + l);
	if (!chunk->t.at)
		return row->b;
	if (l == 0 && chunk->t.step != LANES)
		OF(fetch_next)(chunk->t.at, chunk->t.dtype, k * chunk->t.step, false);
	vw t = NV(widen)(OF(vector_at)(&chunk->t, k, l));
	return vw_add(vw_multiply(t, vw_set(chunk->scale)), vw_set(chunk->shift));
}

/* Whether all vectors are numbers. */
INLINE bool OF(is_plain)(const struct class_chunk *chunk)
{
	const loss_dtype number = IS_WIDE ? LOSS_F64 : LOSS_F32;
	return chunk->x.dtype == number && (!chunk->t.at || chunk->t.dtype == number) &&
	       (!chunk->out || chunk->out_dtype == number);
}

/* An operation from the body name_of: once where the compiler knows that all vectors are numbers,
 * and once where it does not. The chunk is copied, since what is written might be it. */
#define OPERATION(name)                                                                            \
	static void OF(name)(struct lanes * lanes, const struct class_chunk *chunk)                \
	{                                                                                          \
		struct class_chunk of = *chunk;                                                    \
		if (!OF(is_plain)(chunk)) {                                                        \
			OF(name##_of)(lanes, &of);                                                 \
			return;                                                                    \
		}                                                                                  \
		of.x.dtype = of.t.dtype = of.out_dtype = IS_WIDE ? LOSS_F64 : LOSS_F32;            \
		OF(name##_of)(lanes, &of);                                                         \
	}

#include "operation_sums_template.h"

/* ---------------------------------------------------------------- outputs */

/* The values of a native vector of logits, lanes from l on of vector k. */
typedef vw OF(value_fn)(const struct OF(known) * row, const struct class_chunk *chunk, size_t k,
			size_t l);

/* Inlined with `stream` a constant. */
INLINE void OF(write)(const struct lanes *lanes, const struct class_chunk *chunk,
		      OF(value_fn) * value, bool stream)
{
	struct OF(known) rows[PIECES];
	UNROLL
	for (size_t p = 0; p < PIECES; p++)
		rows[p] = OF(known_of)(lanes, p * NATIVE);
	for (size_t k = 0; k < chunk->n; k++)
		UNROLL
	for (size_t p = 0; p < PIECES; p++) {
		size_t l = p * NATIVE;
		OF(put_at)(chunk, k, l, NV(narrow)(value(&rows[p], chunk, k, l)), stream);
	}
}

#define WRITER(name)                                                                               \
	INLINE void OF(write_##name##_of)(struct lanes * lanes, const struct class_chunk *chunk)   \
	{                                                                                          \
		if (chunk->stream)                                                                 \
			OF(write)(lanes, chunk, OF(name), true);                                   \
		else                                                                               \
			OF(write)(lanes, chunk, OF(name), false);                                  \
	}                                                                                          \
	OPERATION(write_##name)

INLINE vw OF(log_probs)(const struct OF(known) * row, const struct class_chunk *chunk, size_t k,
			size_t l)
{
	return vw_subtract(vw_subtract(OF(wide_at)(chunk, k, l), row->max), row->term.high);
}
WRITER(log_probs)

INLINE vw OF(combined)(const struct OF(known) * row, const struct class_chunk *chunk, size_t k,
		       size_t l)
{
	struct parts e = OF(power_parts)(OF(x_at)(chunk, k, l), &row->scale);
	struct parts b = {OF(b_at)(row, chunk, k, l), vw_set(0.0)};
	e = OF(product)(e, row->factor.high, row->factor.low);
	b = OF(product)(b, row->term.high, row->term.low);
	return OF(rounded)(OF(plus)(e, b));
}
WRITER(combined)

INLINE vw OF(gaps)(const struct OF(known) * row, const struct class_chunk *chunk, size_t k,
		   size_t l)
{
	struct parts e = OF(power_parts)(OF(x_at)(chunk, k, l), &row->scale);
	struct parts b = {OF(b_at)(row, chunk, k, l), vw_set(0.0)};
	struct parts gap = OF(plus)(b, row->term);
	gap = OF(product)(gap, row->factor.high, row->factor.low);
	return OF(rounded)(OF(product)(e, gap.high, gap.low));
}
WRITER(gaps)

INLINE vw OF(squares)(const struct OF(known) * row, const struct class_chunk *chunk, size_t k,
		      size_t l)
{
	struct parts e = OF(power_parts)(OF(x_at)(chunk, k, l), &row->scale);
	struct parts gap = OF(plus)(e, row->term);
	gap = OF(product)(gap, e.high, e.low);
	return OF(rounded)(OF(product)(gap, row->factor.high, row->factor.low));
}
WRITER(squares)

INLINE vw OF(steps)(const struct OF(known) * row, const struct class_chunk *chunk, size_t k,
		    size_t l)
{
	return vw_where_nonzero(OF(hinge)(row, OF(x_at)(chunk, k, l)), row->factor.high);
}
WRITER(steps)

INLINE vw OF(hinges)(const struct OF(known) * row, const struct class_chunk *chunk, size_t k,
		     size_t l)
{
	struct parts z = {OF(hinge)(row, OF(x_at)(chunk, k, l)), vw_set(0.0)};
	vw value = OF(rounded)(OF(product)(z, row->factor.high, row->factor.low));
	return vw_where_nonzero(z.high, value);
}
WRITER(hinges)

#if IS_WIDE
INLINE vw OF(scaled)(const struct OF(known) * row, const struct class_chunk *chunk, size_t k,
		     size_t l)
{
	vw e = OF(powers)(OF(x_at)(chunk, k, l), &row->scale);
	return vw_multiply(e, row->factor.high);
}
WRITER(scaled)

/* That of the maximum is known better. */
INLINE vw OF(probs)(const struct OF(known) * row, const struct class_chunk *chunk, size_t k,
		    size_t l)
{
	vw x = OF(x_at)(chunk, k, l), p = OF(scaled)(row, chunk, k, l);
	return (vw){wd_select(x.low == row->max.low, row->term.high.low, p.low),
		    wd_select(x.high == row->max.high, row->term.high.high, p.high)};
}
WRITER(probs)
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

/* Inlined with `stream` a constant; and `best`, whether that of the maximum is known better. */
INLINE void rescale_all(const struct lanes *lanes, const struct class_chunk *chunk, bool best,
			bool stream)
{
	struct rescale to[PIECES];
	vf max[PIECES], largest[PIECES];
	UNROLL
	for (size_t p = 0; p < PIECES; p++) {
		to[p] = rescale_of(lanes, p * NATIVE);
		max[p] = vf_narrow(vw_load(lanes->max + p * NATIVE));
		largest[p] = vf_narrow(vw_load(lanes->term + p * NATIVE));
	}
	for (size_t k = 0; k < chunk->n; k++)
		UNROLL
	for (size_t p = 0; p < PIECES; p++) {
		vf x = OF(x_at)(chunk, k, p * NATIVE), value = rescaled(x, &to[p]);
		if (best)
			value = vf_select(x == max[p], largest[p], value);
		OF(put_at)(chunk, k, p * NATIVE, value, stream);
	}
}

/* In floats: a product that is not added to anything needs no more. */
INLINE void OF(write_scaled_of)(struct lanes *lanes, const struct class_chunk *chunk)
{
	if (chunk->stream)
		rescale_all(lanes, chunk, false, true);
	else
		rescale_all(lanes, chunk, false, false);
}
OPERATION(write_scaled)

INLINE void OF(write_probs_of)(struct lanes *lanes, const struct class_chunk *chunk)
{
	if (chunk->stream)
		rescale_all(lanes, chunk, true, true);
	else
		rescale_all(lanes, chunk, true, false);
}
OPERATION(write_probs)
#endif
#undef WRITER

/* ---------------------------------------------------------------- places */

INLINE void OF(find_first_of)(struct lanes *lanes, const struct class_chunk *chunk)
{
	for (size_t l = 0; l < LANES; l++)
		lanes->count[l] = INT64_MAX;
	for (size_t k = 0; k < chunk->n; k++)
		for (size_t l = 0; l < LANES; l += NATIVE) {
			NVEC x = OF(x_at)(chunk, k, l);
			unsigned equal = NV(equal)(x, NV(load)(lanes->value.FIELD + l));
			for (; equal != 0; equal &= equal - 1) {
				size_t at = l + (size_t)__builtin_ctz(equal);
				if (lanes->count[at] == INT64_MAX)
					lanes->count[at] = (int64_t)k;
			}
		}
}
OPERATION(find_first)

INLINE void OF(count_before_of)(struct lanes *lanes, const struct class_chunk *chunk)
{
	for (size_t l = 0; l < LANES; l += NATIVE) {
		NUMBER limits[NATIVE];
		NVEC value = NV(load)(lanes->value.FIELD + l), count = NV(set)((NUMBER)0);
		/* chunks have fewer classes than floats can count */
		for (size_t i = 0; i < NATIVE; i++)
			limits[i] = lanes->limit[l + i] < (int64_t)chunk->n
					    ? (NUMBER)lanes->limit[l + i]
					    : (NUMBER)chunk->n;
		NVEC limit = NV(load)(limits), at = NV(set)((NUMBER)0);
		for (size_t k = 0; k < chunk->n; k++) {
			NVEC x = OF(x_at)(chunk, k, l);
			count = NV(count)(count, x, value, at, limit);
			at = NV(add)(at, NV(set)((NUMBER)1));
		}
		NV(store)(limits, count);
		for (size_t i = 0; i < NATIVE; i++)
			lanes->count[l + i] += (int64_t)limits[i];
	}
}
OPERATION(count_before)
#undef OPERATION
