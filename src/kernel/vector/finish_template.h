/* What follows from the sums: part of vector_template.h. */

/*
 * exp(r), |r| <= ln(2)/2, to 2^-31: enough for one rounding to float. A polynomial through the
 * Chebyshev nodes, in an order that leaves little waiting for the term before.
 */
INLINE wd exp_reduced(wd r)
{
	wd r2 = r * r;
	wd low = wd_set(0x1.5555555a78bd2p-3) * r + wd_set(0x1.0000000b90bd6p-1);
	wd middle = wd_set(0x1.1110e0f364966p-7) * r + wd_set(0x1.5554e908d9c36p-5);
	wd high = wd_set(0x1.a124ee5e586d5p-13) * r + wd_set(0x1.6d4320c10cf41p-10);
	return (r + wd_set(1.0)) + r2 * (low + (middle + high * r2) * r2);
}

/*
 * log(1 + x), x >= 0, to 2^-31. 1 + x = 2^k (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)), log(1 + f)
 * = 2 atanh(s), s = f / (2 + f). For k = 0, f is x itself, with all its digits; else what rounding
 * 1 + x takes from it does not matter.
 */
INLINE wd log1p_sum(wd x)
{
	wd u = wd_set(1.0) + x;
	wu exponent = ((wu)u - 0x3fe6a09e667f3bcdu) & 0xfff0000000000000u;
	wd m = (wd)((wu)u - exponent);
	/* k as a double: its 12 bits under the exponent of 2^52 */
	wd k = (wd)((exponent >> 52) + 0x4330000000000000u) - wd_set(0x1p52);
	wd f = wd_select_below(k, wd_set(1.0), x, m - wd_set(1.0));
	wd s = f / (wd_set(2.0) + f);
	wd z = s * s;
	wd low = wd_set(0x1.5555554bb1c3ep-1) + wd_set(0x1.9999eb637b16ap-2) * z;
	wd high = wd_set(0x1.245c40ded716cp-2) + wd_set(0x1.ddcf66cb38974p-3) * z;
	wd q = z * (low + high * (z * z)) + wd_set(2.0);
	return k * wd_set(LN_2) + s * q;
}

/* max(0, x - target + margin), rounded once; of NaN 0. */
INLINE wd wd_hinge(wd x, wd target, wd margin)
{
	struct pair gap = wd_sum(x, -target), z = wd_sum(gap.high, margin);
	wd value = z.high + (gap.low + z.low);
	value = wd_select(wd_is_number(value), value, z.high); /* of infinities parts are NaN */
	return wd_select_below(wd_set(0.0), value, value, wd_set(0.0));
}

/* Bit l: whether lane l of what has been summed is one for which all of this holds. */
INLINE unsigned are_regular(wd max, wd sum)
{
	wd size = wd_abs(max);
	return wd_bits((size <= wd_set(VECTOR_LARGEST)) & (sum <= wd_set(HUGE_VAL)));
}

/* Lanes [at, at + DOUBLES) of rows whose logits are floats; which of them are regular. */
INLINE unsigned finish_floats(const struct lane_state *state, struct row_sums *sums, size_t at,
			      wd nothing)
{
	const wd magic = wd_set(0x1.8p52);
	wd max = wd_widen(state->max.f + at);
	wd sum = wd_load(state->sum + at);
	wd k = (max * wd_set(LOG2_E) + magic) - magic;
	/* k ln2 - max, the first product and the difference exact */
	wd r = (k * wd_set(LN2_HIGH) - max) + k * wd_set(LN2_LOW);
	wd inverse = exp_reduced(r);
	/* 2^(N - 60 - k): between 2^-119 and 2^-59 in a regular lane, since the maximum is not
	 * below the reference's logit, nor more than HEADROOM above. */
	wd biased = (wd_widen(state->reference.f + at) - k) + wd_set(1023.0 - 60.0 + 0x1p52);
	wd factor = (wd)((wu)biased << 52);
	wd residual = wd_select_below(sum, nothing, wd_set(0.0), sum) * (factor * inverse);
	wd_store(sums->max + at, max);
	wd_store(sums->inverse + at, inverse);
	wd_store(sums->exponent + at, k);
	wd_store(sums->residual + at, residual);
	wd_store(sums->residual_low + at, wd_set(0.0));
	wd_store(sums->log1p_residual + at, log1p_sum(residual));
	return are_regular(max, sum);
}

static void finish_of_floats(const struct lane_state *states, struct row_sums *sums,
			     size_t n_groups, size_t n)
{
	/* That many exponentials of what has been replaced: nothing else is in the sum. */
	wd nothing = wd_set((double)(n + (size_t)4 * LANES) * 0x1p-123);
	for (size_t g = 0; g < n_groups; g++) {
		sums[g].regular = 0;
		UNROLL
		for (size_t at = 0; at < LANES; at += DOUBLES)
			sums[g].regular |= finish_floats(states + g, sums + g, at, nothing) << at;
	}
}

/* The same of doubles. Where the residual is so small that its products might lose digits to the
 * end of a double's range, the row is none of these. */
INLINE unsigned finish_doubles(const struct lane_state *state, struct row_sums *sums, size_t at,
			       wd least)
{
	const wd magic = wd_set(0x1.8p52), zero = wd_set(0.0);
	wd max = wd_load(state->max.d + at), inverse_low;
	wd sum = wd_load(state->sum + at), lost = wd_load(state->lost + at);
	wd k = (max * wd_set(LOG2_E) + magic) - magic;
	wd inverse = wd_exp_parts(zero - max, magic + k, &inverse_low);
	wd biased = (wd_load(state->reference.d + at) - k) + wd_set(1023.0 - 400.0 + 0x1p52);
	wd factor = (wd)((wu)biased << 52);
	struct pair residual = wd_product(sum, inverse);
	residual.low += sum * inverse_low + lost * inverse;
	residual = wd_sum(residual.high * factor, residual.low * factor);
	wd_store(sums->max + at, max);
	wd_store(sums->inverse + at, inverse);
	wd_store(sums->inverse_low + at, inverse_low);
	wd_store(sums->exponent + at, k);
	wd_store(sums->residual + at, residual.high);
	wd_store(sums->residual_low + at, residual.low);
	wd_store(sums->log1p_residual + at, wd_log1p_parts(residual.high, residual.low));
	return are_regular(max, sum) & wd_bits(~(residual.high < least));
}

static void finish_of_doubles(const struct lane_state *states, struct row_sums *sums,
			      size_t n_groups, size_t n)
{
	/* of a single class there is no residual */
	wd least = wd_set(n > 1 ? 0x1p-900 : 0.0);
	for (size_t g = 0; g < n_groups; g++) {
		sums[g].regular = 0;
		for (size_t at = 0; at < LANES; at += DOUBLES)
			sums[g].regular |= finish_doubles(states + g, sums + g, at, least) << at;
	}
}

/* ---------------------------------------------------------------- factors of operations */

INLINE struct pair pair_load(const struct lane_sums *sums, size_t at)
{
	return (struct pair){wd_load(sums->high + at), wd_load(sums->low + at)};
}

INLINE void pair_store(struct lane_sums *sums, size_t at, struct pair value)
{
	wd_store(sums->high + at, value.high);
	wd_store(sums->low + at, value.low);
}

/* By 1 / (1 + R), which is in the units of the operations' e what makes it p_c. */
static void shares_of_floats(const struct row_sums *sums, const struct lane_sums *factors,
			     struct lanes *lanes)
{
	UNROLL
	for (size_t at = 0; at < LANES; at += DOUBLES) {
		wd share = pair_value(pair_load(factors, at)) *
			   (wd_load(sums->inverse + at) * wd_set(0x1p-60));
		share /= wd_set(1.0) + wd_load(sums->residual + at);
		wd_store(lanes->factor + at, share);
		wd_store(lanes->factor_low + at, wd_set(0.0));
	}
}

static void center_of_floats(struct lanes *lanes)
{
	UNROLL
	for (size_t at = 0; at < LANES; at += DOUBLES) {
		wd factor = wd_set(1.0) / wd_load(lanes->sum[1] + at);
		wd_store(lanes->factor + at, factor);
		wd_store(lanes->term + at, -wd_load(lanes->sum[0] + at) * factor);
	}
}

/* n / d, to twice the precision; where pair_ratio has an inverse, and its roundings, this divides.
 */
INLINE struct pair pair_quotient(struct pair n, struct pair d)
{
	wd q = n.high / d.high;
	wd rest = wd_fma(-q, d.high, n.high) - q * d.low;
	return wd_sum(q, rest / d.high + n.low / d.high);
}

static void shares_of_doubles(const struct row_sums *sums, const struct lane_sums *factors,
			      struct lanes *lanes)
{
	const wd unit = wd_set(0x1p-400);
	for (size_t at = 0; at < LANES; at += DOUBLES) {
		struct pair inverse = {wd_load(sums->inverse + at),
				       wd_load(sums->inverse_low + at)};
		struct pair total = wd_sum(wd_set(1.0), wd_load(sums->residual + at));
		total.low += wd_load(sums->residual_low + at);
		struct pair share = pair_product(pair_load(factors, at), inverse);
		share = pair_quotient(share, total);
		wd_store(lanes->factor + at, share.high * unit);
		wd_store(lanes->factor_low + at, share.low * unit);
	}
}

static void center_of_doubles(struct lanes *lanes)
{
	const struct pair one = {wd_set(1.0), wd_set(0.0)};
	for (size_t at = 0; at < LANES; at += DOUBLES) {
		struct pair sum = {wd_load(lanes->sum[0] + at), wd_load(lanes->lost[0] + at)};
		struct pair all = {wd_load(lanes->sum[1] + at), wd_load(lanes->lost[1] + at)};
		struct pair factor = pair_quotient(one, all), mean = pair_quotient(sum, all);
		wd_store(lanes->factor + at, factor.high);
		wd_store(lanes->factor_low + at, factor.low);
		wd_store(lanes->term + at, -mean.high);
		wd_store(lanes->term_low + at, -mean.low);
	}
}

static void products_of_floats(const struct lane_sums *a, const struct lane_sums *b,
			       struct lane_sums *to)
{
	for (size_t at = 0; at < LANES; at += DOUBLES) {
		wd product = pair_value(pair_load(a, at)) * pair_value(pair_load(b, at));
		pair_store(to, at, (struct pair){product, wd_set(0.0)});
	}
}

static void products_of_doubles(const struct lane_sums *a, const struct lane_sums *b,
				struct lane_sums *to)
{
	for (size_t at = 0; at < LANES; at += DOUBLES)
		pair_store(to, at, pair_product(pair_load(a, at), pair_load(b, at)));
}

/* ---------------------------------------------------------------- gradients at targets */

/* p, and 1 - p. Where p is the largest they are known from the residual: of 1 - p that is the one
 * place where the difference would cancel. */
struct prob {
	wd p, other;
};

INLINE struct prob prob_of(const struct row_sums *sums, const double *logit, const double *p,
			   size_t at)
{
	wd residual = wd_load(sums->residual + at), total = wd_set(1.0) + residual;
	wl largest = wd_load(logit + at) == wd_load(sums->max + at);
	wd own = wd_load(p + at);
	return (struct prob){wd_select(largest, wd_set(1.0) / total, own),
			     wd_select(largest, residual / total, wd_set(1.0) - own)};
}

/* p (own + rest) - own - base = -(1 - p) own + p rest - base. */
static void target_grads_of_floats(const struct row_sums *sums, const double *logit,
				   const struct target_gradients *of, double *grad)
{
	for (size_t at = 0; at < LANES; at += DOUBLES) {
		struct prob y = prob_of(sums, logit, of->p, at);
		wd value = wd_set(0.0) - y.other * wd_load(of->own.high + at);
		value += y.p * wd_load(of->rest.high + at);
		value = (value - wd_load(of->base.high + at)) * wd_load(of->scale.high + at);
		wd_store(grad + at, value * wd_load(of->slope + at));
	}
}

/* Every rounding counts: there is one. */
static void target_grads_of_doubles(const struct row_sums *sums, const double *logit,
				    const struct target_gradients *of, double *grad)
{
	for (size_t at = 0; at < LANES; at += DOUBLES) {
		struct prob y = prob_of(sums, logit, of->p, at);
		struct pair value = pair_times(wd_set(0.0) - y.other, pair_load(&of->own, at));
		value = pair_sum(value, pair_times(y.p, pair_load(&of->rest, at)));
		value = pair_sum(value, pair_minus(pair_load(&of->base, at)));
		value = pair_product(value, pair_load(&of->scale, at));
		value = pair_times(wd_load(of->slope + at), value);
		wd_store(grad + at, pair_value(value));
	}
}

/* ---------------------------------------------------------------- losses */

/* factor value, where a factor of 0 makes 0 also of an infinite value; NaN stays NaN. */
INLINE wd weighed(wd factor, wd value)
{
	wl nothing = (factor == wd_set(0.0)) & wd_is_number(value);
	return wd_select(nothing, wd_set(0.0), factor * value);
}

/* Lanes [at, at + DOUBLES); `weighted` is a constant where this is inlined. */
INLINE void lane_losses(const struct row_sums *sums, const struct row_targets *targets, size_t at,
			bool weighted, double *loss)
{
	wd gap = wd_load(sums->max + at) - wd_load(targets->logit + at);
	wd value = gap + wd_load(sums->log1p_residual + at);
	if (weighted) {
		value = weighed(wd_load(targets->weight + at), value);
		value += wd_set(0.0); /* never -0 */
	}
	/* ignored, whatever the logits hold */
	value = (wd)((wl)value & (wl_load(targets->y + at) >= 0));
	wd_store(loss + at, value);
}

static void ISA(losses)(const struct row_sums *sums, const struct row_targets *targets,
			double *loss)
{
	UNROLL
	for (size_t at = 0; at < LANES; at += DOUBLES)
		if (targets->weight)
			lane_losses(sums, targets, at, true, loss);
		else
			lane_losses(sums, targets, at, false, loss);
}

/* Once a sum is infinite its errors are NaN: then the plain sum is the value. */
INLINE wd sum_of_parts(struct pair sum)
{
	wd value = pair_value(sum);
	return wd_select(wd_is_number(value), value, sum.high);
}

/* sum_c b_c (max - x_c) + A log1p(R), A the sum of b; 0 where a row does not count. */
static void ISA(smooth_losses)(const struct row_sums *sums, const int64_t *y, const double *logit,
			       const struct smooth_sums *smooth, double *loss)
{
	for (size_t at = 0; at < LANES; at += DOUBLES) {
		struct pair own = pair_load(&smooth->own, at);
		struct pair gaps = pair_load(&smooth->gaps, at);
		wd gap = wd_load(sums->max + at) - wd_load(logit + at);
		wd own_gap = (wd)((wl)weighed(own.high, gap) & (gap != wd_set(0.0)));
		struct pair sum = wd_sum(gaps.high, own_gap);
		sum.low += gaps.low;
		struct pair all = pair_sum(pair_load(&smooth->all, at), own);
		wd tail = weighed(sum_of_parts(all), wd_load(sums->log1p_residual + at));
		wd value = wd_set(0.0) + (sum_of_parts(sum) + tail); /* never -0 */
		wl counted = wl_load(y + at) >= 0;
		wd_store(loss + at, (wd)((wl)value & counted));
	}
}
