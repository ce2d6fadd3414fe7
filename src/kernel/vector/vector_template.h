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

#include "exponential.h"
#include "half.h"
#include "vector.h"

#define OFFSET 60.0f
#define HEADROOM 40.0f
#define RANGE 128.0f
#define LN2 0x1.62e430p-1f
#define LOG2_E_F 0x1.715476p+0f
#define CHUNK (8 * LANES)
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

/* ---------------------------------------------------------------- one row, classes contiguous */

struct row_state {
	float max[LANES];
	double acc[LANES];
};

__attribute__((always_inline)) static inline void
add_block_of(struct row_state *state, float reference, loss_dtype dtype, const void *x, size_t n)
{
	struct scale scale = scale_for(vf_set(reference));
	for (size_t p = 0; p < PIECES; p++) {
		vf max = vf_load(state->max + p * NATIVE);
		dlanes acc = dlanes_load(state->acc + p * NATIVE);
		size_t i = p * NATIVE;
		for (; i + CHUNK <= n + p * NATIVE; i += CHUNK)
			acc = losers_of(8, acc, dtype, x, i, LANES, &max, &scale);
		for (; i < n; i += LANES)
			acc = dlanes_add(acc, loser(load_lanes(dtype, x, i), &max, &scale));
		dlanes_store(state->acc + p * NATIVE, acc);
		vf_store(state->max + p * NATIVE, max);
	}
}

static void add_block(struct row_state *state, float reference, loss_dtype dtype, const void *x,
		      size_t n)
{
	if (dtype == LOSS_F32)
		add_block_of(state, reference, LOSS_F32, x, n);
	else if (dtype == LOSS_BF16)
		add_block_of(state, reference, LOSS_BF16, x, n);
	else
		add_block_of(state, reference, LOSS_F16, x, n);
}

typedef float quad __attribute__((vector_size(16)));
typedef int32_t quad_mask __attribute__((vector_size(16)));

/* The larger of each; the other one where one is NaN. */
static inline quad quad_max(quad a, quad b)
{
	quad_mask m = (a > b) | (b != b);
	return (quad)((m & (quad_mask)a) | (~m & (quad_mask)b));
}

/* The largest of LANES floats; NaN only where there is nothing else. */
static inline float largest(const float *x)
{
	quad q[4];
	memcpy(q, x, sizeof q);
	quad all = quad_max(quad_max(q[0], q[2]), quad_max(q[1], q[3]));
	all = quad_max(all, __builtin_shufflevector(all, all, 2, 3, 0, 1));
	return quad_max(all, __builtin_shufflevector(all, all, 1, 0, 3, 2))[0];
}

static float reference_for(float max)
{
	float bounded = max > VECTOR_LARGEST ? VECTOR_LARGEST : max;
	bounded = bounded > -VECTOR_LARGEST ? bounded : -VECTOR_LARGEST;
	return (bounded * LOG2_E_F + EXPONENTIAL_MAGIC) - EXPONENTIAL_MAGIC;
}

/* 2^k, 0 far below. */
static double power(double k)
{
	uint64_t bits = k < -1000.0 ? 0 : (uint64_t)(int64_t)(k + 1023.0) << 52;
	double value;
	memcpy(&value, &bits, sizeof value);
	return value;
}

static void rereference(struct row_state *state, float *reference, float max)
{
	float moved = reference_for(max);
	double factor = power((double)*reference - (double)moved);
	for (size_t l = 0; l < LANES; l++)
		state->acc[l] *= factor;
	*reference = moved;
}

/* Adds n logits, a multiple of LANES, moving the reference where one of them would not fit. */
static void add_logits(struct row_state *state, float *reference, loss_dtype dtype, const void *x,
		       size_t n)
{
	struct row_state before = *state;
	add_block(state, *reference, dtype, x, n);
	float max = largest(state->max);
	if (max > *reference * LN2 + HEADROOM && *reference < reference_for(VECTOR_LARGEST)) {
		*state = before;
		rereference(state, reference, max);
		add_block(state, *reference, dtype, x, n);
	}
}

/* The maxima but one that holds the row's maximum are losers as well. */
static void add_maxima(struct row_state *state, float reference, float max)
{
	int32_t holds[LANES];
	for (size_t p = 0; p < PIECES; p++) {
		vi equal = vf_load(state->max + p * NATIVE) == vf_set(max);
		memcpy(holds + p * NATIVE, &equal, sizeof equal);
	}
	size_t winner = LANES - 1;
	for (size_t l = LANES - 1; l-- > 0;)
		winner = holds[l] ? l : winner;
	state->max[winner] = -__builtin_inff();
	struct scale scale = scale_for(vf_set(reference));
	for (size_t p = 0; p < PIECES; p++) {
		vf x = vf_max(scale.bound, vf_load(state->max + p * NATIVE));
		dlanes acc = dlanes_load(state->acc + p * NATIVE);
		dlanes_store(state->acc + p * NATIVE, dlanes_add(acc, vf_exp(x, scale.magic)));
	}
}

static double sum_lanes(double *acc)
{
	for (size_t l = 0; l < 8; l++)
		acc[l] += acc[l + 8];
	for (size_t l = 0; l < 4; l++)
		acc[l] += acc[l + 4];
	return (acc[0] + acc[2]) + (acc[1] + acc[3]);
}

static void ISA(load)(loss_dtype dtype, const void *from, float *to, size_t n);

static const void *element(loss_dtype dtype, const void *x, size_t i)
{
	return (const unsigned char *)x + i * (dtype == LOSS_F32 ? 4 : half_bytes(dtype));
}

/* Elements [i, i + n) as floats. */
static void load_floats(loss_dtype dtype, const void *x, size_t i, size_t n, float *to)
{
	if (dtype == LOSS_F32)
		memcpy(to, (const float *)x + i, n * sizeof *to);
	else
		ISA(load)(dtype, element(dtype, x, i), to, n);
}

/* F8 has no lanes of its own: it goes through a buffer. */
static void add_elements(struct row_state *state, float *reference, loss_dtype dtype, const void *x,
			 size_t i, size_t n)
{
	if (half_bytes(dtype) != 1) {
		add_logits(state, reference, dtype, element(dtype, x, i), n);
		return;
	}
	_Alignas(64) float buffer[BLOCK];
	load_floats(dtype, x, i, n, buffer);
	add_logits(state, reference, LOSS_F32, buffer, n);
}

static void ISA(row_sum)(struct row_group *group, size_t lane, loss_dtype dtype, const void *x,
			 size_t n)
{
	/* What is beyond whole vectors comes first, with the first maxima: no loser is among them.
	 */
	struct row_state state = {.acc = {0}};
	for (size_t l = 0; l < LANES; l++)
		state.max[l] = -__builtin_inff();
	size_t head = (n - 1) % LANES + 1;
	load_floats(dtype, x, 0, head, state.max);
	float reference = reference_for(largest(state.max));
	for (size_t i = head; i < n; i += BLOCK)
		add_elements(&state, &reference, dtype, x, i, n - i < BLOCK ? n - i : BLOCK);
	float max = largest(state.max);
	add_maxima(&state, reference, max);
	group->max[lane] = max;
	group->reference[lane] = reference;
	group->sum[lane] = sum_lanes(state.acc);
}

/* ---------------------------------------------------------------- sixteen rows, one a lane */

/* N for the largest of a tile's first classes: close enough to what follows, most of the time. */
__attribute__((always_inline)) static inline vf tile_reference(const struct tile *tile,
							       const float *at)
{
	vf max = vf_set(-VECTOR_LARGEST);
	for (size_t c = 0; c < tile->n && c < 4; c++)
		max = vf_max(vf_load(at + c * tile->stride), max);
	max = vf_min(max, vf_set(VECTOR_LARGEST));
	return (max * vf_set(LOG2_E_F) + vf_set(EXPONENTIAL_MAGIC)) - vf_set(EXPONENTIAL_MAGIC);
}

/* Adds a piece of the tile's lanes. */
__attribute__((always_inline)) static inline dlanes
tile_losers(const struct tile *tile, const float *at, dlanes acc, vf *max, vf reference)
{
	struct scale scale = scale_for(reference);
	size_t stride = tile->stride;
	size_t c = 0;
	for (; c + 4 <= tile->n; c += 4)
		acc = losers_of(4, acc, LOSS_F32, at, c * stride, stride, max, &scale);
	for (; c < tile->n; c++)
		acc = dlanes_add(acc, loser(vf_load(at + c * stride), max, &scale));
	return acc;
}

/* The lanes of piece p whose maximum is too large for their reference get a new one; then all of
 * them take the tile again, from what is still in the group. */
__attribute__((noinline)) static dlanes tile_again(struct row_group *group, const struct tile *tile,
						   size_t p, vf *max, vf start, bool first)
{
	float now[NATIVE], reference[NATIVE];
	double sum[NATIVE];
	vf_store(now, *max);
	vf_store(reference, start);
	for (size_t l = 0; l < NATIVE; l++) {
		double before = first ? 0.0 : group->sum[p * NATIVE + l];
		bool move = now[l] > reference[l] * LN2 + HEADROOM;
		float moved = move ? reference_for(now[l]) : reference[l];
		sum[l] = before * power((double)reference[l] - (double)moved);
		group->reference[p * NATIVE + l] = moved;
	}
	*max = first ? vf_set(-__builtin_inff()) : vf_load(group->max + p * NATIVE);
	return tile_losers(tile, tile->x + p * NATIVE, dlanes_load(sum), max,
			   vf_load(group->reference + p * NATIVE));
}

static void ISA(tile_sum)(struct row_group *group, const struct tile *tile, bool first)
{
	for (size_t c = 0; c < tile->next_n; c++)
		__builtin_prefetch(tile->next + c * tile->next_stride);
	for (size_t p = 0; p < PIECES; p++) {
		const float *at = tile->x + p * NATIVE;
		double zeros[NATIVE] = {0};
		vf reference =
			first ? tile_reference(tile, at) : vf_load(group->reference + p * NATIVE);
		vf max = first ? vf_set(-__builtin_inff()) : vf_load(group->max + p * NATIVE);
		dlanes acc = dlanes_load(first ? zeros : group->sum + p * NATIVE);
		acc = tile_losers(tile, at, acc, &max, reference);
		if (first)
			vf_store(group->reference + p * NATIVE, reference);
		if (vf_any(max > reference * vf_set(LN2) + vf_set(HEADROOM)))
			acc = tile_again(group, tile, p, &max, reference, first);
		dlanes_store(group->sum + p * NATIVE, acc);
		vf_store(group->max + p * NATIVE, max);
	}
}

/* ---------------------------------------------------------------- what follows from the sums */

/*
 * exp(r), |r| <= ln(2)/2, and log(1 + x), x >= 0, to 2^-31: enough for one rounding to float, in
 * operations that vectorise. Polynomials through the Chebyshev nodes.
 */
static inline double exp_reduced(double r)
{
	double p = 0x1.a124ee5e586d5p-13;
	p = fma(p, r, 0x1.6d4320c10cf41p-10);
	p = fma(p, r, 0x1.1110e0f364966p-7);
	p = fma(p, r, 0x1.5554e908d9c36p-5);
	p = fma(p, r, 0x1.5555555a78bd2p-3);
	p = fma(p, r, 0x1.0000000b90bd6p-1);
	return 1.0 + fma(r * r, p, r);
}

/*
 * 1 + x = 2^k (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)), log(1 + f) = 2 atanh(s), s = f / (2 + f).
 * For k = 0, f is x itself, with all its digits; else what rounding 1 + x takes from it does not
 * matter.
 */
static inline double log1p_vector(double x)
{
	const uint64_t sqrt_half = 0x3fe6a09e667f3bcdu;
	double u = 1.0 + x;
	uint64_t bits;
	memcpy(&bits, &u, sizeof bits);
	uint64_t exponent = (bits - sqrt_half) & 0xfff0000000000000u;
	bits -= exponent;
	double m;
	memcpy(&m, &bits, sizeof m);
	/* k as a double: its 12 bits under the exponent of 2^52 */
	uint64_t k_bits = (exponent >> 52) + 0x4330000000000000u;
	double k;
	memcpy(&k, &k_bits, sizeof k);
	k -= 0x1p52;
	double f = k == 0.0 ? x : m - 1.0;
	double s = f / (2.0 + f);
	double z = s * s;
	double q = 0x1.ddcf66cb38974p-3;
	q = fma(q, z, 0x1.245c40ded716cp-2);
	q = fma(q, z, 0x1.9999eb637b16ap-2);
	q = fma(q, z, 0x1.5555554bb1c3ep-1);
	return fma(k, 0x1.62e42fefa39efp-1, s * fma(q, z, 2.0));
}

static void ISA(finish)(struct row_group *group, size_t n)
{
	const double log2_e = 0x1.71547652b82fep+0, ln2 = 0x1.62e42fefa39efp-1;
	const double magic = 0x1.8p52;
	double nothing = (double)(n + 2 * CHUNK) * 0x1p-123;
	int64_t irregular = 0;
	for (size_t l = 0; l < GROUP_ROWS; l++)
		irregular += !row_group_regular(group, l);
	group->regular = irregular == 0;
	for (size_t l = 0; l < GROUP_ROWS; l++) {
		double max = (double)group->max[l];
		double k = fma(max, log2_e, magic) - magic;
		double inverse = exp_reduced(fma(k, ln2, -max));
		double sum = group->sum[l] < nothing ? 0.0 : group->sum[l];
		/* 2^(N - 60 - k): between 2^-119 and 2^-59 in a regular lane, since the maximum is
		 * not below the reference's logit, nor more than HEADROOM above. */
		double biased = ((double)group->reference[l] - k) + (1023.0 - 60.0 + 0x1p52);
		uint64_t bits;
		memcpy(&bits, &biased, sizeof bits);
		bits <<= 52;
		double factor;
		memcpy(&factor, &bits, sizeof factor);
		group->inverse[l] = inverse;
		group->exponent[l] = k;
		double residual = sum * factor * inverse;
		group->residual[l] = residual;
		group->log1p_residual[l] = log1p_vector(residual);
	}
}

/* The value, or 0 for a negative y. */
static inline double counted(double value, int64_t y)
{
	uint64_t bits;
	memcpy(&bits, &value, sizeof bits);
	bits &= ((uint64_t)y >> 63) - 1;
	memcpy(&value, &bits, sizeof value);
	return value;
}

static void ISA(losses)(const struct row_group *restrict group,
			const struct row_targets *restrict targets, double *restrict loss,
			struct lane_sums *restrict sums)
{
	for (size_t l = 0; l < GROUP_ROWS; l++)
		loss[l] = ((double)group->max[l] - targets->logit[l]) + group->log1p_residual[l];
	for (size_t l = 0; targets->weighted && l < GROUP_ROWS; l++) {
		double weight = targets->weight[l];
		loss[l] = weight == 0.0 && loss[l] == loss[l] ? 0.0 : weight * loss[l];
	}
	for (size_t l = 0; l < GROUP_ROWS; l++) {
		/* ignored, whatever the logits hold */
		double value = counted(loss[l], targets->y[l]);
		double before = sums->high[l];
		double sum = before + value;
		double added = sum - before;
		loss[l] = value;
		sums->high[l] = sum;
		sums->low[l] += (before - (sum - added)) + (value - added);
	}
}

/* ---------------------------------------------------------------- gradients and probabilities */

/* Results are made this much too large and then scaled in one rounding, so that they underflow
 * gradually. */
#define SUBNORMAL_SHIFT 24.0f
#define SUBNORMAL_SCALE 0x1p-24f

/* The mantissa's factor, the magic of its exponent, and the bound below which the result is 0. */
struct rescale {
	vf factor, magic, bound;
};

__attribute__((always_inline)) static inline vf rescaled(vf x, const struct rescale *to)
{
	vf z;
	vf p = vf_exponential(vf_max(to->bound, x), to->magic, &z);
	vf scaled = vf_scale(p * to->factor, z) * vf_set(SUBNORMAL_SCALE);
	return vf_select(x >= to->bound, scaled, vf_set(0.0f));
}

/* factor = f 2^k with |f| in [1, 2), f rounded to float, k an integer. */
static float split_factor(double factor, float *k)
{
	uint64_t bits;
	memcpy(&bits, &factor, sizeof bits);
	*k = (float)((int32_t)(bits >> 52 & 0x7ff) - 1023);
	bits = (bits & 0x800fffffffffffffu) | 0x3ff0000000000000u;
	double mantissa;
	memcpy(&mantissa, &bits, sizeof mantissa);
	return (float)mantissa;
}

/* What a lane's factor becomes: the float factor, and the power of two that goes with it. */
static float rescale_for(const struct row_group *group, size_t lane, double factor, float *shift)
{
	float k;
	float f = split_factor(factor * group->inverse[lane], &k);
	*shift = k - (float)group->exponent[lane];
	if (factor == 0.0)
		*shift = __builtin_nanf(
			""); /* a bound that nothing is above, whatever the lane holds */
	return factor == 0.0 ? 0.0f : f;
}

__attribute__((always_inline)) static inline struct rescale rescale_of(vf factor, vf shift)
{
	return (struct rescale){
		.factor = factor,
		.magic = vf_set(EXPONENTIAL_MAGIC + SUBNORMAL_SHIFT) + shift,
		.bound = (vf_set(-124.0f - SUBNORMAL_SHIFT) - shift) * vf_set(LN2),
	};
}

/* Fewer than NATIVE elements, at a row's ends. */
static void rescale_few(const float *x, float *out, size_t n, const struct rescale *to)
{
	float piece[NATIVE] = {0};
	memcpy(piece, x, n * sizeof *x);
	vf_store(piece, rescaled(vf_load(piece), to));
	memcpy(out, piece, n * sizeof *out);
}

/* n is a multiple of NATIVE and out aligned to a native vector. */
static void rescale_many(const float *x, float *out, size_t n, const struct rescale *to,
			 bool stream)
{
	if (stream)
		for (size_t i = 0; i < n; i += NATIVE)
			vf_stream(out + i, rescaled(vf_load(x + i), to));
	else
		for (size_t i = 0; i < n; i += NATIVE)
			vf_store(out + i, rescaled(vf_load(x + i), to));
}

static void ISA(row_scale)(const struct row_group *group, size_t lane, double factor,
			   const float *x, float *out, size_t n, bool stream)
{
	float shift;
	float f = rescale_for(group, lane, factor, &shift);
	struct rescale to = rescale_of(vf_set(f), vf_set(shift));
	size_t misaligned = (uintptr_t)out / sizeof *out % NATIVE;
	size_t head = misaligned ? NATIVE - misaligned : 0;
	head = head < n ? head : n;
	size_t many = (n - head) / NATIVE * NATIVE;
	rescale_few(x, out, head, &to);
	rescale_many(x + head, out + head, many, &to, stream);
	rescale_few(x + head + many, out + head + many, n - head - many, &to);
}

static void ISA(tile_scale)(const struct row_group *group, const double *factor, const float *x,
			    float *out, size_t stride, size_t n)
{
	float f[LANES], shift[LANES];
	for (size_t l = 0; l < LANES; l++)
		f[l] = rescale_for(group, l, factor[l], &shift[l]);
	for (size_t p = 0; p < PIECES; p++) {
		struct rescale to =
			rescale_of(vf_load(f + p * NATIVE), vf_load(shift + p * NATIVE));
		for (size_t c = 0; c < n; c++) {
			size_t at = c * stride + p * NATIVE;
			vf_store(out + at, rescaled(vf_load(x + at), &to));
		}
	}
}

/* ---------------------------------------------------------------- narrower types */

static void ISA(load)(loss_dtype dtype, const void *from, float *to, size_t n)
{
	size_t i = 0;
	for (; dtype == LOSS_BF16 && i + NATIVE <= n; i += NATIVE)
		vf_store(to + i, load_lanes(LOSS_BF16, from, i));
	for (; dtype == LOSS_F16 && i + NATIVE <= n; i += NATIVE)
		vf_store(to + i, load_lanes(LOSS_F16, from, i));
	half_to_float(dtype, (const unsigned char *)from + i * half_bytes(dtype), to + i, n - i);
}

const struct vector_kernels ISA(vector_kernels) = {
	.isa = ISA_NAME,
	.load = ISA(load),
	.row_sum = ISA(row_sum),
	.tile_sum = ISA(tile_sum),
	.finish = ISA(finish),
	.losses = ISA(losses),
	.row_scale = ISA(row_scale),
	.tile_scale = ISA(tile_scale),
};
