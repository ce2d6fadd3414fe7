/*
 * The body of every vector kernel build. Parameters, from lanes.h: NATIVE, the floats of a native
 * vector; ISA(name), the name's suffix. Included once a build.
 *
 * The sum over a row but its maximum, in one pass and without knowing the maximum: in every lane
 * the larger of the maximum so far and the new logit is kept, and the exponential of the smaller
 * one, the loser of the comparison, is added. What the lanes end with are the maxima; all of them
 * but one that holds the row's maximum are added last. So the sum never holds the term 1 from which
 * a confident row's residual could not be separated again.
 *
 * Exponentials are relative to 2^N, N fixed from the first logits, so nothing is subtracted from a
 * logit. A logit more than HEADROOM above N ln2 would leave float's range: then N is moved and the
 * block is done again. One more than RANGE below is replaced by that bound, whose exponential is
 * 2^-185 of 2^N: not worth a bit, and taken out again by `finish` where nothing else is in the sum.
 *
 * Exponentials are added in pairs in float (one rounding) and then to double lanes.
 */
#include <math.h>

#include "doubles.h"
#include "exponential.h"
#include "half.h"
#include "vector.h"

#define OFFSET 60.0f
#define HEADROOM 40.0f
#define RANGE 128.0f
#define LN2 0x1.62e430p-1f
#define LOG2_E_F 0x1.715476p+0f
#define CHUNK ((size_t)8 * LANES)
#define PAIR ((size_t)2 * LANES)
#define BLOCK ((size_t)2048)

/* The bound below which logits are replaced, and the magic of exponentials, for reference N. */
struct scale {
	vf bound, magic;
};

__attribute__((always_inline)) static inline struct scale scale_for(vf reference)
{
	return (struct scale){
		.bound = reference * vf_set(LN2) - vf_set(RANGE),
		.magic = vf_set(EXPONENTIAL_MAGIC + OFFSET) - reference,
	};
}

/* The double lanes that belong to one native vector of floats. */
#if NATIVE == 16
typedef struct {
	__m512d low, high;
} dlanes;
__attribute__((always_inline)) static inline dlanes dlanes_load(const double *acc)
{
	return (dlanes){_mm512_loadu_pd(acc), _mm512_loadu_pd(acc + 8)};
}
__attribute__((always_inline)) static inline void dlanes_store(double *acc, dlanes s)
{
	_mm512_storeu_pd(acc, s.low);
	_mm512_storeu_pd(acc + 8, s.high);
}
__attribute__((always_inline)) static inline dlanes dlanes_zero(void)
{
	return (dlanes){_mm512_setzero_pd(), _mm512_setzero_pd()};
}
__attribute__((always_inline)) static inline dlanes dlanes_scaled(dlanes s, double factor)
{
	return (dlanes){s.low * factor, s.high * factor};
}
__attribute__((always_inline)) static inline dlanes dlanes_add(dlanes s, vf e)
{
	__m256 low = _mm512_castps512_ps256((__m512)e), high = _mm512_extractf32x8_ps((__m512)e, 1);
	s.low += _mm512_cvtps_pd(low);
	s.high += _mm512_cvtps_pd(high);
	return s;
}
#else
typedef struct {
	vd all;
} dlanes;
__attribute__((always_inline)) static inline dlanes dlanes_load(const double *acc)
{
	dlanes s;
	memcpy(&s, acc, sizeof s);
	return s;
}
__attribute__((always_inline)) static inline void dlanes_store(double *acc, dlanes s)
{
	memcpy(acc, &s, sizeof s);
}
__attribute__((always_inline)) static inline dlanes dlanes_zero(void)
{
	return (dlanes){(vd){0}};
}
__attribute__((always_inline)) static inline dlanes dlanes_scaled(dlanes s, double factor)
{
	s.all *= factor;
	return s;
}
__attribute__((always_inline)) static inline dlanes dlanes_add(dlanes s, vf e)
{
	s.all += __builtin_convertvector(e, vd);
	return s;
}
#endif

/* NATIVE elements from index i of an array of floats, BF16 or F16: the type is a constant where
 * this is inlined. */
__attribute__((always_inline)) static inline vf load_lanes(loss_dtype dtype, const void *x,
							   size_t i)
{
	typedef uint16_t narrow __attribute__((vector_size(NATIVE * 2)));
	typedef uint32_t wide __attribute__((vector_size(NATIVE * 4)));
	if (dtype == LOSS_F32)
		return vf_load((const float *)x + i);
	narrow codes;
	memcpy(&codes, (const uint16_t *)x + i, sizeof codes);
	if (dtype == LOSS_BF16)
		return (vf)(__builtin_convertvector(codes, wide) << 16);
	return vf_from_f16(codes);
}

/* The exponential of the smaller of v and the maximum, which becomes the larger one. */
__attribute__((always_inline)) static inline vf loser(vf v, vf *max, const struct scale *scale)
{
	vf smaller = vf_min(*max, v);
	*max = vf_max(v, *max);
	return vf_exp(vf_max(scale->bound, smaller), scale->magic);
}

/* Adds the losers' exponentials of n vectors, n even and a constant, `step` elements apart from
 * index i on, and updates the maxima. */
__attribute__((always_inline)) static inline dlanes losers_of(size_t n, dlanes acc,
							      loss_dtype dtype, const void *x,
							      size_t i, size_t step, vf *max,
							      const struct scale *scale)
{
	vf e[8];
	UNROLL
	for (size_t k = 0; k < n; k++)
		e[k] = loser(load_lanes(dtype, x, i + k * step), max, scale);
	UNROLL
	for (size_t k = 0; k < n; k += 2)
		acc = dlanes_add(acc, e[k] + e[k + 1]);
	return acc;
}

static void ISA(load)(loss_dtype dtype, const void *from, float *to, size_t n)
{
	size_t i = 0;
	for (; dtype == LOSS_BF16 && i + NATIVE <= n; i += NATIVE)
		vf_store(to + i, load_lanes(LOSS_BF16, from, i));
	for (; dtype == LOSS_F16 && i + NATIVE <= n; i += NATIVE)
		vf_store(to + i, load_lanes(LOSS_F16, from, i));
	half_to_float(dtype, (const unsigned char *)from + i * half_bytes(dtype), to + i, n - i);
}

static void load_floats(loss_dtype dtype, const void *x, size_t n, float *to)
{
	if (dtype == LOSS_F32)
		memcpy(to, x, n * sizeof *to);
	else
		ISA(load)(dtype, x, to, n);
}

/* In this order: later ones use the earlier. */
#include "targets_template.h"

#include "row_template.h"

#include "tile_template.h"

#include "finish_template.h"

#include "scale_template.h"

#include "outputs_template.h"

#include "element_template.h"

const struct vector_kernels ISA(vector_kernels) = {
	.isa = ISA_NAME,
	.load = ISA(load),
	.row_sum = ISA(row_sum),
	.targets = TARGET_READERS,
	.positions_sum = ISA(positions_sum),
	.rows_sum = ISA(rows_sum),
	.finish = ISA(finish),
	.losses = ISA(losses),
	.row_scale = ISA(row_scale),
	.tile_scale = ISA(tile_scale),
	.entropy_sum = ISA(entropy_sum),
	.gap_sums = ISA(gap_sums),
	.exp_sums = ISA(exp_sums),
	.log_probs = ISA(log_probs),
	.combine = ISA(combine),
	.scale_gap = ISA(scale_gap),
	.first_equal = ISA(first_equal),
	.count_before = ISA(count_before),
	.widen = ISA(widen),
	.affine = ISA(affine),
	.multiply = ISA(multiply),
	.elements =
		{
			[ELEMENT_BCE_WITH_LOGITS] = ISA(elements_bce_with_logits),
			[ELEMENT_BCE] = ISA(elements_bce),
			[ELEMENT_KL_DIV] = ISA(elements_kl_div),
			[ELEMENT_KL_DIV_OF_LOGS] = ISA(elements_kl_div_of_logs),
			[ELEMENT_FOCAL] = ISA(elements_focal),
			[ELEMENT_FOCAL_INTEGER] = ISA(elements_focal_integer),
		},
};
