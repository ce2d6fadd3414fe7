/* PART: part of vector_template.h. */
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
