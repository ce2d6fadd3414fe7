/* Part of vector_template.h: what is computed of logits in double. */

/* Rounds to floats; past the cache where the machine can and p is aligned to the floats' size. */
__attribute__((always_inline)) static inline void wd_narrow(float *p, wd v, bool stream)
{
#if defined(__AVX512F__)
	hf narrow = (hf)_mm512_cvtpd_ps((__m512d)v);
	if (stream) {
		_mm256_stream_ps(p, (__m256)narrow);
		return;
	}
#else
	hf narrow = __builtin_convertvector(v, hf);
#endif
#if !defined(__AVX512F__) && defined(__AVX2__) && defined(__FMA__)
	if (stream) {
		_mm_stream_ps(p, (__m128)narrow);
		return;
	}
#endif
	(void)stream;
	memcpy(p, &narrow, sizeof narrow);
}

/* ---------------------------------------------------------------- sums */

static void ISA(gap_sums)(struct dense_lanes *lanes, const struct dense_chunk *chunk)
{
	for (size_t l = 0; l < LANES; l += DOUBLES) {
		wd max = wd_load(lanes->max + l);
		wd gaps = wd_load(lanes->sum[0] + l), all = wd_load(lanes->sum[1] + l);
		for (size_t i = l; i < chunk->n; i += LANES) {
			wd b = wd_load(chunk->b + i);
			wd gap = b * (max - wd_widen(chunk->x + i));
			gaps += (wd)((wl)gap & (b != wd_set(0.0)));
			all += b;
		}
		wd_store(lanes->sum[0] + l, gaps);
		wd_store(lanes->sum[1] + l, all);
	}
}

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

__attribute__((always_inline)) static inline wd wd_low(vf v)
{
	return wd_of(__builtin_shufflevector(v, v, LOW_HALF));
}

__attribute__((always_inline)) static inline wd wd_high(vf v)
{
	return wd_of(__builtin_shufflevector(v, v, HIGH_HALF));
}

/* The doubles that belong to one native vector of floats. */
struct wide {
	wd low, high;
};

__attribute__((always_inline)) static inline struct wide wide_of(vf v)
{
	return (struct wide){wd_low(v), wd_high(v)};
}

/*
 * exp(x) 2^(OFFSET - exponent) to a quarter of a float's ulp, which is what is lost before the last
 * step of the float exponential: that one is taken in double. 0 where it is below what a sum drops.
 */
__attribute__((always_inline)) static inline struct wide shifted_exp(const float *at,
								     const struct scale *scale)
{
	vf x = vf_load(at), r, z;
	vf slope = vf_exponential_slope(vf_max(scale->bound, x), scale->magic, &r, &z);
	vf power = (vf)((vi)vf_scale(vf_set(1.0f), z) & (x >= scale->bound));
	struct wide p = wide_of(slope), by = wide_of(r), to = wide_of(power);
	p.low = (p.low * by.low + wd_set(1.0)) * to.low;
	p.high = (p.high * by.high + wd_set(1.0)) * to.high;
	return p;
}

/* An excluded class's gap must not be infinite beside an exponential of 0. */
__attribute__((always_inline)) static inline wd finite_gap(const float *x, wd max)
{
	return max - wd_max(wd_widen(x), wd_set(-0x1p21));
}

static void ISA(entropy_sum)(struct dense_lanes *lanes, const struct dense_chunk *chunk)
{
	for (size_t l = 0; l < LANES; l += NATIVE) {
		struct scale scale = scale_for(vf_load(lanes->exponent + l));
		wd max_low = wd_load(lanes->max + l), max_high = wd_load(lanes->max + l + DOUBLES);
		double *sum = lanes->sum[0] + l;
		wd low = wd_load(sum), high = wd_load(sum + DOUBLES);
		for (size_t i = l; i < chunk->n; i += LANES) {
			const float *x = chunk->x + i;
			struct wide e = shifted_exp(x, &scale);
			low += e.low * finite_gap(x, max_low);
			high += e.high * finite_gap(x + DOUBLES, max_high);
		}
		wd_store(sum, low);
		wd_store(sum + DOUBLES, high);
	}
}

static void ISA(exp_sums)(struct dense_lanes *lanes, const struct dense_chunk *chunk)
{
	for (size_t l = 0; l < LANES; l += NATIVE) {
		struct scale scale = scale_for(vf_load(lanes->exponent + l));
		double *sum = lanes->sum[0] + l, *all = lanes->sum[1] + l;
		wd low = wd_load(sum), high = wd_load(sum + DOUBLES);
		wd all_low = wd_load(all), all_high = wd_load(all + DOUBLES);
		for (size_t i = l; i < chunk->n; i += LANES) {
			struct wide e = shifted_exp(chunk->x + i, &scale);
			low += e.low * wd_load(chunk->b + i);
			high += e.high * wd_load(chunk->b + i + DOUBLES);
			all_low += e.low;
			all_high += e.high;
		}
		wd_store(sum, low);
		wd_store(sum + DOUBLES, high);
		wd_store(all, all_low);
		wd_store(all + DOUBLES, all_high);
	}
}

/* ---------------------------------------------------------------- outputs */

/* Inlined with `stream` a constant. The lanes are copied: what is written might be them, as far as
 * the compiler knows. */
#define WRITER(name)                                                                               \
	static void ISA(name)(struct dense_lanes * lanes, const struct dense_chunk *chunk)         \
	{                                                                                          \
		const struct dense_lanes own = *lanes;                                             \
		if (chunk->stream)                                                                 \
			write_##name(&own, chunk, true);                                           \
		else                                                                               \
			write_##name(&own, chunk, false);                                          \
	}

__attribute__((always_inline)) static inline void
write_log_probs(const struct dense_lanes *lanes, const struct dense_chunk *chunk, bool stream)
{
	for (size_t i = 0; i < chunk->n; i += LANES)
		UNROLL
	for (size_t l = 0; l < LANES; l += DOUBLES) {
		wd gap = wd_widen(chunk->x + i + l) - wd_load(lanes->max + l);
		wd_narrow(chunk->out + i + l, gap - wd_load(lanes->term + l), stream);
	}
}
WRITER(log_probs)

/* What is written for the lanes from l on, whose logits are those from i on. */
typedef wd gradient_value(wd e, const struct dense_lanes *lanes, size_t l, const double *b);

__attribute__((always_inline)) static inline void write_gradient(const struct dense_lanes *lanes,
								 const struct dense_chunk *chunk,
								 gradient_value *value, bool stream)
{
	struct scale scale[PIECES];
	UNROLL
	for (size_t p = 0; p < PIECES; p++)
		scale[p] = scale_for(vf_load(lanes->exponent + p * NATIVE));
	for (size_t i = 0; i < chunk->n; i += LANES)
		UNROLL
	for (size_t p = 0; p < PIECES; p++) {
		size_t l = p * NATIVE, at = i + l;
		struct wide e = shifted_exp(chunk->x + at, &scale[p]);
		wd_narrow(chunk->out + at, value(e.low, lanes, l, chunk->b + at), stream);
		wd_narrow(chunk->out + at + DOUBLES,
			  value(e.high, lanes, l + DOUBLES, chunk->b + at + DOUBLES), stream);
	}
}

__attribute__((always_inline)) static inline wd combined(wd e, const struct dense_lanes *lanes,
							 size_t l, const double *b)
{
	return e * wd_load(lanes->factor + l) + wd_load(b) * wd_load(lanes->term + l);
}

__attribute__((always_inline)) static inline void
write_combine(const struct dense_lanes *lanes, const struct dense_chunk *chunk, bool stream)
{
	write_gradient(lanes, chunk, combined, stream);
}
WRITER(combine)

__attribute__((always_inline)) static inline wd gap_scaled(wd e, const struct dense_lanes *lanes,
							   size_t l, const double *b)
{
	return e * wd_load(lanes->factor + l) * (wd_load(b) + wd_load(lanes->term + l));
}

__attribute__((always_inline)) static inline void
write_scale_gap(const struct dense_lanes *lanes, const struct dense_chunk *chunk, bool stream)
{
	write_gradient(lanes, chunk, gap_scaled, stream);
}
WRITER(scale_gap)
#undef WRITER

/* ---------------------------------------------------------------- places */

static void ISA(first_equal)(struct dense_lanes *lanes, const struct dense_chunk *chunk)
{
	for (size_t l = 0; l < LANES; l++)
		lanes->count[l] = INT32_MAX;
	for (size_t i = 0; i < chunk->n; i += LANES)
		for (size_t l = 0; l < LANES; l += NATIVE) {
			vi equal = vf_load(chunk->x + i + l) == vf_load(lanes->value + l);
			if (!vf_any(equal))
				continue;
			for (size_t k = 0; k < NATIVE; k++)
				if (equal[k] && lanes->count[l + k] == INT32_MAX)
					lanes->count[l + k] = (int32_t)(i / LANES);
		}
}

static void ISA(count_before)(struct dense_lanes *lanes, const struct dense_chunk *chunk)
{
	for (size_t l = 0; l < LANES; l += NATIVE) {
		vf value = vf_load(lanes->value + l);
		vi limit, count;
		memcpy(&limit, lanes->limit + l, sizeof limit);
		memcpy(&count, lanes->count + l, sizeof count);
		for (size_t i = l; i < chunk->n; i += LANES) {
			vf x = vf_load(chunk->x + i);
			vi early = vi_set((int)(i / LANES)) < limit;
			count -= (x > value) | ((x == value) & early);
		}
		memcpy(lanes->count + l, &count, sizeof count);
	}
}

/* ---------------------------------------------------------------- operands */

static void widen_floats(const float *restrict from, double *restrict to, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = (double)from[i];
}

static void ISA(widen)(loss_dtype dtype, const void *from, double *to, size_t n)
{
	_Alignas(64) float buffer[256];
	if (dtype == LOSS_F32)
		widen_floats(from, to, n);
	else if (dtype == LOSS_F64)
		memcpy(to, from, n * sizeof *to);
	else
		for (size_t i = 0; i < n; i += 256) {
			size_t part = n - i < 256 ? n - i : 256;
			ISA(load)
			(dtype, (const unsigned char *)from + i * half_bytes(dtype), buffer, part);
			widen_floats(buffer, to + i, part);
		}
}

static void ISA(affine)(double *b, double scale, double shift, size_t n)
{
	for (size_t i = 0; i < n; i++)
		b[i] = b[i] * scale + shift;
}

static void ISA(multiply)(double *b, const double *by, size_t n)
{
	for (size_t i = 0; i < n; i++)
		b[i] *= by[i];
}
