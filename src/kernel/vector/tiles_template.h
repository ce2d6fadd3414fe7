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
		ISA(store)(dtype, from, to, n);
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

/* n >= 4 classes four by four; the last four once more where n is no multiple of four. */
static void OF(to_lanes)(const void *x, size_t row, void *lanes, size_t n)
{
	const NUMBER *from = x;
	NUMBER *to = lanes;
	for (size_t k = 0; n >= 4 && k < n; k += 4) {
		size_t c = k + 4 <= n ? k : n - 4;
		UNROLL
		for (size_t l = 0; l < LANES; l += 4)
			OF(transpose)(from + l * row + c, row, to + c * LANES + l, LANES);
	}
	for (size_t k = 0; n < 4 && k < n; k++)
		for (size_t l = 0; l < LANES; l++)
			to[k * LANES + l] = from[l * row + k];
}

static void OF(from_lanes)(const void *lanes, void *x, size_t row, size_t n)
{
	const NUMBER *from = lanes;
	NUMBER *to = x;
	for (size_t k = 0; n >= 4 && k < n; k += 4) {
		size_t c = k + 4 <= n ? k : n - 4;
		UNROLL
		for (size_t l = 0; l < LANES; l += 4)
			OF(transpose)(from + c * LANES + l, LANES, to + l * row + c, row);
	}
	for (size_t k = 0; n < 4 && k < n; k++)
		for (size_t l = 0; l < LANES; l++)
			to[l * row + k] = from[k * LANES + l];
}

/* ---------------------------------------------------------------- transformed */

#if IS_WIDE
INLINE vw OF(cooled)(vw x, const struct logits_transform *transform)
{
	wd t = wd_set(transform->temperature);
	return (vw){x.low / t, x.high / t};
}

INLINE struct capped OF(cap)(wd x, const struct logits_transform *transform)
{
	return wd_softcap_wide(x, &transform->wide_cap);
}
#else
INLINE vf OF(cooled)(vf x, const struct logits_transform *transform)
{
	vf inverse = vf_set(transform->inverse);
	vf u = vf_fma(x, inverse, x * vf_set(transform->inverse_low));
	return vf_select(u == u, u, x * inverse); /* of infinities */
}

INLINE struct capped OF(cap)(wd x, const struct logits_transform *transform)
{
	return wd_softcap(x, &transform->cap);
}
#endif

INLINE void OF(cap_all)(const struct logits_transform *transform, NUMBER *x, NUMBER *slope,
			size_t n)
{
	for (size_t i = 0; i < n; i += NATIVE) {
		vw v = NV(widen)(NV(load)(x + i));
		struct capped low = OF(cap)(v.low, transform), high = OF(cap)(v.high, transform);
		NV(store)(x + i, NV(narrow)((vw){low.value, high.value}));
		if (slope)
			NV(store)(slope + i, NV(narrow)((vw){low.slope, high.slope}));
	}
}

static void OF(transform)(const struct logits_transform *transform, void *numbers, void *slope,
			  size_t n)
{
	NUMBER *x = numbers, *slopes = slope;
	if (transform->extreme)
		for (size_t i = 0; i < n; i++) {
			double value = (double)x[i];
			x[i] = (NUMBER)transform_exactly(transform, value);
			if (slopes)
				slopes[i] = (NUMBER)transform_slope(transform, value).high;
		}
	else if (transform->softcap > 0.0 && slope)
		OF(cap_all)(transform, x, slopes, n);
	else if (transform->softcap > 0.0)
		OF(cap_all)(transform, x, NULL, n);
	else
		for (size_t i = 0; i < n; i += NATIVE)
			NV(store)(x + i, OF(cooled)(NV(load)(x + i), transform));
}
