/*
 * What the templates over logits are written in: native vectors of floats, and as many doubles. A
 * template calls NV(name) for what it does to NATIVE numbers at a time; floats.h and wides.h say
 * which of the two it is about.
 */
#ifndef LOSS_KERNEL_NUMBERS_H
#define LOSS_KERNEL_NUMBERS_H

#include "doubles.h"
#include "exponential.h"
#include "functions.h"

/* As many doubles as a native vector has floats. */
typedef struct {
	wd low, high;
} vw;

#if NATIVE == 16
#define LOW_HALF 0, 1, 2, 3, 4, 5, 6, 7
#define HIGH_HALF 8, 9, 10, 11, 12, 13, 14, 15
#elif NATIVE == 8
#define LOW_HALF 0, 1, 2, 3
#define HIGH_HALF 4, 5, 6, 7
#else
#define LOW_HALF 0, 1
#define HIGH_HALF 2, 3
#endif

#define INLINE __attribute__((always_inline)) static inline
#define LN_2 0x1.62e42fefa39efp-1

/* 2^k, 0 far below. */
static inline double power(double k)
{
	uint64_t bits = k < -1000.0 ? 0 : (uint64_t)(int64_t)(k + 1023.0) << 52;
	double value;
	memcpy(&value, &bits, sizeof value);
	return value;
}

/* ---------------------------------------------------------------- doubles */

/* Bit i: whether lane i of the mask is set. */
INLINE unsigned wd_bits(wl mask)
{
#if defined(__AVX512F__)
	return _mm512_movepi64_mask((__m512i)mask);
#elif defined(__AVX2__) && defined(__FMA__)
	return (unsigned)_mm256_movemask_pd((__m256d)mask);
#else
	return (unsigned)(mask[0] & 1) | (unsigned)(mask[1] & 2);
#endif
}

INLINE vw vw_load(const double *p)
{
	return (vw){wd_load(p), wd_load(p + DOUBLES)};
}

INLINE void vw_store(double *p, vw v)
{
	wd_store(p, v.low);
	wd_store(p + DOUBLES, v.high);
}

INLINE vw vw_set(double x)
{
	return (vw){wd_set(x), wd_set(x)};
}

INLINE vw vw_of(vf v)
{
	return (vw){wd_of(__builtin_shufflevector(v, v, LOW_HALF)),
		    wd_of(__builtin_shufflevector(v, v, HIGH_HALF))};
}

INLINE vw vw_add(vw a, vw b)
{
	return (vw){a.low + b.low, a.high + b.high};
}

INLINE vw vw_subtract(vw a, vw b)
{
	return (vw){a.low - b.low, a.high - b.high};
}

INLINE vw vw_multiply(vw a, vw b)
{
	return (vw){a.low * b.low, a.high * b.high};
}

INLINE vw vw_max(vw a, vw b)
{
	return (vw){wd_max(a.low, b.low), wd_max(a.high, b.high)};
}

INLINE vw vw_min(vw a, vw b)
{
	return (vw){wd_min(a.low, b.low), wd_min(a.high, b.high)};
}

/* 0 where x is 0, else a. */
INLINE vw vw_where_nonzero(vw x, vw a)
{
	return (vw){(wd)((wl)a.low & (x.low != wd_set(0.0))),
		    (wd)((wl)a.high & (x.high != wd_set(0.0)))};
}

/* a where x >= bound, else 0. */
INLINE vw vw_where_not_below(vw x, vw bound, vw a)
{
	return (vw){(wd)((wl)a.low & (x.low >= bound.low)),
		    (wd)((wl)a.high & (x.high >= bound.high))};
}

/* Bit i: whether lane i of a is above that of b, or equal to it. */
INLINE unsigned vw_above(vw a, vw b)
{
	return wd_bits(a.low > b.low) | wd_bits(a.high > b.high) << DOUBLES;
}

INLINE unsigned vw_equal(vw a, vw b)
{
	return wd_bits(a.low == b.low) | wd_bits(a.high == b.high) << DOUBLES;
}

/* exp(x) 2^shift, magic being 1.5 2^52 + shift: functions.h. */
INLINE vw vw_exp(vw x, vw magic)
{
	return (vw){wd_exp_at(x.low, magic.low), wd_exp_at(x.high, magic.high)};
}

/* ---------------------------------------------------------------- floats */

INLINE vf vf_add(vf a, vf b)
{
	return a + b;
}

INLINE vf vf_subtract(vf a, vf b)
{
	return a - b;
}

INLINE vf vf_multiply(vf a, vf b)
{
	return a * b;
}

INLINE unsigned vf_above(vf a, vf b)
{
#if defined(__AVX512F__)
	return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_GT_OQ);
#else
	return vf_bits(a > b);
#endif
}

INLINE unsigned vf_equal(vf a, vf b)
{
#if defined(__AVX512F__)
	return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_EQ_OQ);
#else
	return vf_bits(a == b);
#endif
}

/* ---------------------------------------------------------------- to doubles and back */

/* Rounds to floats. */
INLINE void wd_narrow(float *p, wd v)
{
	hf narrow = hf_of(v);
	memcpy(p, &narrow, sizeof narrow);
}

INLINE vw vf_widen(vf v)
{
	return vw_of(v);
}

INLINE vf vf_narrow(vw v)
{
	hf low = hf_of(v.low), high = hf_of(v.high);
#if NATIVE == 16 /* one instruction where gcc makes more of it */
	__m512d whole = _mm512_castpd256_pd512(_mm256_castps_pd((__m256)low));
	return (vf)_mm512_insertf64x4(whole, _mm256_castps_pd((__m256)high), 1);
#else
	return __builtin_shufflevector(low, high, LOW_HALF, HIGH_HALF);
#endif
}

INLINE vw vw_widen(vw v)
{
	return v;
}

INLINE vw vw_narrow(vw v)
{
	return v;
}

/* Stores, past the cache where the machine can and p is aligned. */
INLINE void vf_put(float *p, vf v, bool stream)
{
	if (stream)
		vf_stream(p, v);
	else
		vf_store(p, v);
}

INLINE void vw_put(double *p, vw v, bool stream)
{
	if (stream) {
		wd_stream(p, v.low);
		wd_stream(p + DOUBLES, v.high);
	} else {
		vw_store(p, v);
	}
}

/* ---------------------------------------------------------------- what memory holds */

/* Types that are loaded as float lanes; narrower ones go through `load`. */
INLINE size_t vf_bytes(loss_dtype dtype)
{
	return dtype == LOSS_F32 ? 4 : 2;
}

/* NATIVE elements from index i of an array of floats, BF16 or F16: the type is a constant where
 * this is inlined. */
INLINE vf vf_load_as(loss_dtype dtype, const void *x, size_t i)
{
	typedef uint32_t wide __attribute__((vector_size(NATIVE * 4)));
	if (dtype == LOSS_F32)
		return vf_load((const float *)x + i);
	vh codes;
	memcpy(&codes, (const uint16_t *)x + i, sizeof codes);
	if (dtype == LOSS_BF16)
		return (vf)(__builtin_convertvector(codes, wide) << 16);
	return vf_from_f16(codes);
}

/* Rounded to codes; the processor's own conversion gives the same bits as half.h's. */
INLINE vh vf_to_f16(vf v)
{
#if defined(__AVX512F__)
	return (vh)_mm512_cvtps_ph((__m512)v, _MM_FROUND_TO_NEAREST_INT);
#elif defined(__F16C__)
	return (vh)_mm256_cvtps_ph((__m256)v, _MM_FROUND_TO_NEAREST_INT);
#else
	vh codes;
	for (int i = 0; i < NATIVE; i++)
		codes[i] = (uint16_t)half_narrow_float(HALF_F16, v[i]);
	return codes;
#endif
}

/* To nearest even; a carry moves into the exponent as it should. */
INLINE vh vf_to_bf16(vf v)
{
	vu bits = (vu)v, half = (bits >> 16 & 1) + 0x7fff;
	vf rounded = (vf)(bits + half), quiet = (vf)(bits | 0x400000);
	return __builtin_convertvector((vu)vf_select(v <= vf_set(HUGE_VALF), rounded, quiet) >> 16,
				       vh);
}

/* NATIVE numbers to index i of an array of elements, rounded once; the types are those that are
 * loaded as lanes, and a constant where this is inlined. */
INLINE void vf_store_as(loss_dtype dtype, void *x, size_t i, vf v)
{
	if (dtype == LOSS_F32) {
		vf_store((float *)x + i, v);
		return;
	}
	vh codes = dtype == LOSS_BF16 ? vf_to_bf16(v) : vf_to_f16(v);
	memcpy((uint16_t *)x + i, &codes, sizeof codes);
}

/* Fewer than LANES of them. */
INLINE void vf_load_some(loss_dtype dtype, const void *from, float *to, size_t n)
{
	if (dtype == LOSS_F32)
		memcpy(to, from, n * sizeof *to);
	else
		half_to_float(dtype, from, to, n);
}

INLINE size_t vw_bytes(loss_dtype dtype)
{
	(void)dtype;
	return 8;
}

INLINE vw vw_load_as(loss_dtype dtype, const void *x, size_t i)
{
	(void)dtype;
	return vw_load((const double *)x + i);
}

INLINE void vw_store_as(loss_dtype dtype, void *x, size_t i, vw v)
{
	if (dtype == LOSS_F64)
		vw_store((double *)x + i, v);
	else
		vf_store((float *)x + i, vf_narrow(v));
}

INLINE void vw_load_some(loss_dtype dtype, const void *from, double *to, size_t n)
{
	(void)dtype;
	memcpy(to, from, n * sizeof *to);
}

/* ---------------------------------------------------------------- across lanes */

/* The largest lane. No lane is NaN. */
INLINE double vw_largest(vw v)
{
	wd all = wd_max(v.low, v.high);
	double lanes[DOUBLES], largest;
	wd_store(lanes, all);
	largest = lanes[0];
	UNROLL
	for (size_t l = 1; l < DOUBLES; l++)
		largest = lanes[l] > largest ? lanes[l] : largest;
	return largest;
}

/* v with -infinity in lane l, where it has one. */
INLINE vf vf_without(vf v, unsigned l)
{
	vi is = vi_lanes(0) == vi_set((int)l);
	return vf_select(is, vf_set(-HUGE_VALF), v);
}

INLINE vw vw_without(vw v, unsigned l)
{
	double lanes[NATIVE];
	vw_store(lanes, v);
	if (l < NATIVE)
		lanes[l] = -HUGE_VAL;
	return vw_load(lanes);
}

/* -infinity where left is 0, else v. */
INLINE vf vf_unless_out(vf v, vf left)
{
	return vf_select(left == vf_set(0.0f), vf_set(-HUGE_VALF), v);
}

INLINE vw vw_unless_out(vw v, vw left)
{
	const wd zero = wd_set(0.0), none = wd_set(-HUGE_VAL);
	return (vw){wd_select(left.low == zero, none, v.low),
		    wd_select(left.high == zero, none, v.high)};
}

/* count + 1 where x is above value, or equal to it and `at` is below the limit; else count. */
INLINE vf vf_count(vf count, vf x, vf value, vf at, vf limit)
{
#if defined(__AVX512F__)
	__mmask16 early = _mm512_cmp_ps_mask((__m512)at, (__m512)limit, _CMP_LT_OQ);
	__mmask16 equal = _mm512_mask_cmp_ps_mask(early, (__m512)x, (__m512)value, _CMP_EQ_OQ);
	__mmask16 before = equal | _mm512_cmp_ps_mask((__m512)x, (__m512)value, _CMP_GT_OQ);
	return (vf)_mm512_mask_add_ps((__m512)count, before, (__m512)count, _mm512_set1_ps(1.0f));
#else
	vi before = (x > value) | ((x == value) & (at < limit));
	return count + (vf)(before & (vi)vf_set(1.0f));
#endif
}

INLINE wd wd_count(wd count, wd x, wd value, wd at, wd limit)
{
	wl before = (x > value) | ((x == value) & (at < limit));
	return count + (wd)(before & (wl)wd_set(1.0));
}

INLINE vw vw_count(vw count, vw x, vw value, vw at, vw limit)
{
	return (vw){wd_count(count.low, x.low, value.low, at.low, limit.low),
		    wd_count(count.high, x.high, value.high, at.high, limit.high)};
}

/* ---------------------------------------------------------------- sums */

/* Two doubles, and what rounding took from their sum (two_sum of reduce.h). */
typedef double two __attribute__((vector_size(16)));
INLINE two two_rounding(two a, two b, two sum)
{
	two added = sum - a;
	return (a - (sum - added)) + (b - added);
}

/* A sum of floats in each lane, in doubles. */
typedef vw vf_sum;

/* A value, and what it lacks. */
struct parts {
	vw high, low;
};

INLINE vf_sum vf_sum_zero(void)
{
	return vw_set(0.0);
}

INLINE vf_sum vf_sum_of(const double *high, const double *low)
{
	(void)low;
	return vw_load(high);
}

INLINE void vf_sum_put(vf_sum sum, double *high, double *low)
{
	(void)low;
	vw_store(high, sum);
}

INLINE vf_sum vf_sum_scaled(vf_sum sum, vw factor)
{
	return vw_multiply(sum, factor);
}

INLINE vf_sum vf_sum_add(vf_sum sum, vf e)
{
	return vw_add(sum, vw_of(e));
}

INLINE vf_sum vf_sum_add_wide(vf_sum sum, vw value)
{
	return vw_add(sum, value);
}

INLINE vf_sum vf_sum_add_parts(vf_sum sum, struct parts value)
{
	return vw_add(sum, value.high);
}

/* A sum of doubles in each lane, with what rounding took from it (two_sum of reduce.h). */
typedef struct {
	vw high, low;
} vw_sum;

INLINE vw_sum vw_sum_zero(void)
{
	return (vw_sum){vw_set(0.0), vw_set(0.0)};
}

INLINE vw_sum vw_sum_of(const double *high, const double *low)
{
	return (vw_sum){vw_load(high), vw_load(low)};
}

INLINE void vw_sum_put(vw_sum sum, double *high, double *low)
{
	vw_store(high, sum.high);
	vw_store(low, sum.low);
}

INLINE vw_sum vw_sum_scaled(vw_sum sum, vw factor)
{
	return (vw_sum){vw_multiply(sum.high, factor), vw_multiply(sum.low, factor)};
}

INLINE vw_sum vw_sum_add(vw_sum sum, vw e)
{
	struct pair low = wd_sum(sum.high.low, e.low), high = wd_sum(sum.high.high, e.high);
	vw lost = vw_add(sum.low, (vw){low.low, high.low});
	return (vw_sum){{low.high, high.high}, lost};
}

INLINE vw_sum vw_sum_add_wide(vw_sum sum, vw value)
{
	return vw_sum_add(sum, value);
}

INLINE vw_sum vw_sum_add_parts(vw_sum sum, struct parts value)
{
	sum = vw_sum_add(sum, value.high);
	sum.low = vw_add(sum.low, value.low);
	return sum;
}

#endif
