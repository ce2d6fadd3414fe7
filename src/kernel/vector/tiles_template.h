/*
 * Logits on their way from memory to where they are summed, and results on their way back: part of
 * vector_template.h, once for floats and once for doubles.
 */

/* ---------------------------------------------------------------- types */

#if IS_WIDE
static void OF(load)(loss_dtype dtype, const void *from, void *to, size_t n)
{
	(void)dtype;
	memcpy(to, from, n * sizeof(double));
}

static void OF(store)(loss_dtype dtype, const void *from, void *to, size_t n)
{
	const double *values = from;
	if (dtype == LOSS_F64)
		memcpy(to, from, n * sizeof *values);
	else
		for (size_t i = 0; i < n; i++)
			((float *)to)[i] = (float)values[i];
}
#else
static void OF(load)(loss_dtype dtype, const void *from, void *to, size_t n)
{
	if (dtype == LOSS_F32)
		memcpy(to, from, n * sizeof(float));
	else
		ISA(load)(dtype, from, to, n);
}

static void OF(store)(loss_dtype dtype, const void *from, void *to, size_t n)
{
	if (dtype == LOSS_F32)
		memcpy(to, from, n * sizeof(float));
	else
		narrow_floats(dtype, from, to, n);
}
#endif

INLINE void OF(load_apart_as)(loss_dtype dtype, const void *from, size_t stride, NUMBER *to,
			      size_t n)
{
	for (size_t c = 0; c < n; c++)
		UNROLL
	for (size_t l = 0; l < LANES; l += NATIVE)
		NV(store)(to + c * LANES + l, NV(load_as)(dtype, from, c * stride + l));
}

static void OF(load_apart)(loss_dtype dtype, const void *from, size_t stride, void *to, size_t n)
{
	if (dtype == LOSS_F64 || dtype == LOSS_F32)
		OF(load_apart_as)(IS_WIDE ? LOSS_F64 : LOSS_F32, from, stride, to, n);
	else if (dtype == LOSS_BF16)
		OF(load_apart_as)(LOSS_BF16, from, stride, to, n);
	else if (dtype == LOSS_F16)
		OF(load_apart_as)(LOSS_F16, from, stride, to, n);
	else
		for (size_t c = 0; c < n; c++) /* of one byte */
			OF(load)
	(dtype, (const char *)from + c * stride, (NUMBER *)to + c * LANES, LANES);
}

INLINE void OF(store_apart_as)(loss_dtype dtype, const NUMBER *from, void *to, size_t stride,
			       size_t n)
{
	for (size_t c = 0; c < n; c++)
		UNROLL
	for (size_t l = 0; l < LANES; l += NATIVE)
		NV(store_as)(dtype, to, c * stride + l, NV(load)(from + c * LANES + l));
}

static void OF(store_apart)(loss_dtype dtype, const void *from, void *to, size_t stride, size_t n)
{
	if (dtype == LOSS_F64 || dtype == LOSS_F32)
		OF(store_apart_as)
	(IS_WIDE && dtype == LOSS_F64 ? LOSS_F64 : LOSS_F32, from, to, stride, n);
	else if (dtype == LOSS_BF16) OF(store_apart_as)(LOSS_BF16, from, to, stride, n);
	else if (dtype == LOSS_F16) OF(store_apart_as)(LOSS_F16, from, to, stride, n);
	else for (size_t c = 0; c < n; c++) /* of one byte */
		OF(store)(dtype, (const NUMBER *)from + c * LANES, (char *)to + c * stride, LANES);
}

static void OF(multiply)(void *x, const void *by, size_t n)
{
	NUMBER *restrict values = x;
	const NUMBER *restrict factors = by;
	for (size_t i = 0; i < n; i++)
		values[i] *= factors[i];
}

/* ---------------------------------------------------------------- sixteen rows, side by side */

#if IS_WIDE
#define QUAD double
#else
#define QUAD float
#endif
typedef QUAD OF(quad) __attribute__((vector_size(4 * sizeof(QUAD))));
#undef QUAD

/* Four by four numbers, `from` and `to` apart. */
INLINE void OF(transpose)(const NUMBER *x, size_t from, NUMBER *out, size_t to)
{
	OF(quad) v[4];
	for (size_t k = 0; k < 4; k++)
		memcpy(&v[k], x + k * from, sizeof v[k]);
	OF(quad) ab_low = __builtin_shufflevector(v[0], v[1], 0, 4, 1, 5);
	OF(quad) ab_high = __builtin_shufflevector(v[0], v[1], 2, 6, 3, 7);
	OF(quad) cd_low = __builtin_shufflevector(v[2], v[3], 0, 4, 1, 5);
	OF(quad) cd_high = __builtin_shufflevector(v[2], v[3], 2, 6, 3, 7);
	v[0] = __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5);
	v[1] = __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7);
	v[2] = __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5);
	v[3] = __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7);
	for (size_t k = 0; k < 4; k++)
		memcpy(out + k * to, &v[k], sizeof v[k]);
}

INLINE void OF(four_to_lanes)(const NUMBER *x, size_t row, NUMBER *to)
{
	UNROLL
	for (size_t l = 0; l < LANES; l += 4)
		OF(transpose)(x + l * row, row, to + l, LANES);
}

INLINE void OF(four_from_lanes)(const NUMBER *lanes, NUMBER *to, size_t row)
{
	UNROLL
	for (size_t l = 0; l < LANES; l += 4)
		OF(transpose)(lanes + l, LANES, to + l * row, row);
}

#if NATIVE == 16 && !IS_WIDE
/* In every 128 bits four by four numbers; the other way round as well. */
INLINE void transpose_quads(__m512 *v)
{
	__m512d ab_low = _mm512_castps_pd(_mm512_unpacklo_ps(v[0], v[1]));
	__m512d ab_high = _mm512_castps_pd(_mm512_unpackhi_ps(v[0], v[1]));
	__m512d cd_low = _mm512_castps_pd(_mm512_unpacklo_ps(v[2], v[3]));
	__m512d cd_high = _mm512_castps_pd(_mm512_unpackhi_ps(v[2], v[3]));
	v[0] = _mm512_castpd_ps(_mm512_unpacklo_pd(ab_low, cd_low));
	v[1] = _mm512_castpd_ps(_mm512_unpackhi_pd(ab_low, cd_low));
	v[2] = _mm512_castpd_ps(_mm512_unpacklo_pd(ab_high, cd_high));
	v[3] = _mm512_castpd_ps(_mm512_unpackhi_pd(ab_high, cd_high));
}

/* Eight classes: rows k and 4 + k side by side, and rows 8 + k and 12 + k. After the transposition
 * every vector has two classes, four lanes apart. */
INLINE void eight_to_lanes(const float *x, size_t row, float *to)
{
	__m512 low[4], high[4];
	UNROLL
	for (size_t k = 0; k < 4; k++) {
		const float *at = x + k * row;
		low[k] = _mm512_insertf32x8(_mm512_castps256_ps512(_mm256_loadu_ps(at)),
					    _mm256_loadu_ps(at + 4 * row), 1);
		high[k] = _mm512_insertf32x8(_mm512_castps256_ps512(_mm256_loadu_ps(at + 8 * row)),
					     _mm256_loadu_ps(at + 12 * row), 1);
	}
	transpose_quads(low);
	transpose_quads(high);
	UNROLL
	for (size_t k = 0; k < 4; k++) {
		_mm512_storeu_ps(to + k * LANES, _mm512_shuffle_f32x4(low[k], high[k], 0x88));
		_mm512_storeu_ps(to + (k + 4) * LANES, _mm512_shuffle_f32x4(low[k], high[k], 0xdd));
	}
}

INLINE void eight_from_lanes(const float *lanes, float *to, size_t row)
{
	__m512 low[4], high[4];
	UNROLL
	for (size_t k = 0; k < 4; k++) {
		__m512 a = _mm512_loadu_ps(lanes + k * LANES);
		__m512 b = _mm512_loadu_ps(lanes + (k + 4) * LANES);
		__m512 ab = _mm512_shuffle_f32x4(a, b, 0x44), cd = _mm512_shuffle_f32x4(a, b, 0xee);
		low[k] = _mm512_shuffle_f32x4(ab, ab, 0xd8);
		high[k] = _mm512_shuffle_f32x4(cd, cd, 0xd8);
	}
	transpose_quads(low);
	transpose_quads(high);
	UNROLL
	for (size_t k = 0; k < 4; k++) {
		float *at = to + k * row;
		_mm256_storeu_ps(at, _mm512_castps512_ps256(low[k]));
		_mm256_storeu_ps(at + 4 * row, _mm512_extractf32x8_ps(low[k], 1));
		_mm256_storeu_ps(at + 8 * row, _mm512_castps512_ps256(high[k]));
		_mm256_storeu_ps(at + 12 * row, _mm512_extractf32x8_ps(high[k], 1));
	}
}
#else
INLINE void OF(eight_to_lanes)(const NUMBER *x, size_t row, NUMBER *to)
{
	OF(four_to_lanes)(x, row, to);
	OF(four_to_lanes)(x + 4, row, to + (size_t)4 * LANES);
}

INLINE void OF(eight_from_lanes)(const NUMBER *lanes, NUMBER *to, size_t row)
{
	OF(four_from_lanes)(lanes, to, row);
	OF(four_from_lanes)(lanes + (size_t)4 * LANES, to + 4, row);
}
#define eight_to_lanes OF(eight_to_lanes)
#define eight_from_lanes OF(eight_from_lanes)
#endif

/* Eight classes at a time, then four; the last four once more where n is no multiple of four. */
static void OF(to_lanes)(const void *x, size_t row, void *lanes, size_t n)
{
	const NUMBER *from = x;
	NUMBER *to = lanes;
	size_t k = 0;
	for (; k + 8 <= n; k += 8)
		eight_to_lanes(from + k, row, to + k * LANES);
	for (; n >= 4 && k < n; k += 4) {
		size_t c = k + 4 <= n ? k : n - 4;
		OF(four_to_lanes)(from + c, row, to + c * LANES);
	}
	for (; k < n; k++)
		UNROLL
	for (size_t l = 0; l < LANES; l++)
		to[k * LANES + l] = from[l * row + k];
}

static void OF(from_lanes)(const void *lanes, void *x, size_t row, size_t n)
{
	const NUMBER *from = lanes;
	NUMBER *to = x;
	size_t k = 0;
	for (; k + 8 <= n; k += 8)
		eight_from_lanes(from + k * LANES, to + k, row);
	for (; n >= 4 && k < n; k += 4) {
		size_t c = k + 4 <= n ? k : n - 4;
		OF(four_from_lanes)(from + c * LANES, to + c, row);
	}
	for (; k < n; k++)
		UNROLL
	for (size_t l = 0; l < LANES; l++)
		to[l * row + k] = from[k * LANES + l];
}
#undef eight_to_lanes
#undef eight_from_lanes

/* ---------------------------------------------------------------- transformed */

#if IS_WIDE
INLINE vw OF(cooled)(vw x, const struct logits_transform *transform)
{
	wd inverse = wd_set(transform->wide_inverse), low = wd_set(transform->wide_inverse_low);
	return (vw){wd_fma(x.low, inverse, x.low * low), wd_fma(x.high, inverse, x.high * low)};
}

INLINE struct capped OF(cap)(wd x, const struct logits_transform *transform)
{
	return wd_softcap_wide(x, &transform->wide_cap);
}
#else
INLINE vf OF(cooled)(vf x, const struct logits_transform *transform)
{
	return vf_fma(x, vf_set(transform->inverse), x * vf_set(transform->inverse_low));
}

INLINE struct capped OF(cap)(wd x, const struct logits_transform *transform)
{
	return wd_softcap(x, &transform->cap);
}
#endif

INLINE void OF(cap_all)(const struct logits_transform *transform, const NUMBER *x, NUMBER *u,
			NUMBER *slope, size_t n)
{
	for (size_t i = 0; i < n; i += NATIVE) {
		vw v = NV(widen)(NV(load)(x + i));
		struct capped low = OF(cap)(v.low, transform), high = OF(cap)(v.high, transform);
		NV(store)(u + i, NV(narrow)((vw){low.value, high.value}));
		if (slope)
			NV(store)(slope + i, NV(narrow)((vw){low.slope, high.slope}));
	}
}

static void OF(transform_exactly)(const struct logits_transform *transform, const NUMBER *x,
				  NUMBER *u, NUMBER *slope, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		double value = (double)x[i];
		u[i] = (NUMBER)transform_exactly(transform, value);
		if (slope) {
			struct sum exact = transform_slope(transform, value);
			slope[i] = (NUMBER)(exact.high + exact.low);
		}
	}
}

static void OF(transform)(const struct logits_transform *transform, const void *numbers, void *to,
			  void *slope, size_t n)
{
	const NUMBER *x = numbers;
	NUMBER *u = to;
	if (transform->extreme)
		OF(transform_exactly)(transform, x, u, slope, n);
	else if (transform->softcap > 0.0 && slope)
		OF(cap_all)(transform, x, u, slope, n);
	else if (transform->softcap > 0.0)
		OF(cap_all)(transform, x, u, NULL, n);
	else
		for (size_t i = 0; i < n; i += NATIVE)
			NV(store)(u + i, OF(cooled)(NV(load)(x + i), transform));
}
