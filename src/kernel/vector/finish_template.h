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

/* Lanes [at, at + DOUBLES); `weighted` is a constant where this is inlined. */
INLINE void lane_losses(const struct row_sums *sums, const struct row_targets *targets, size_t at,
			bool weighted, double *loss, struct lane_sums *totals)
{
	wd gap = wd_load(sums->max + at) - wd_load(targets->logit + at);
	wd value = gap + wd_load(sums->log1p_residual + at);
	if (weighted) {
		wd weight = wd_load(targets->weight + at);
		wl nothing = (weight == wd_set(0.0)) & (value >= wd_set(0.0)); /* not NaN */
		value = wd_select(nothing, wd_set(0.0), weight * value);
		value += wd_set(0.0); /* never -0 */
	}
	/* ignored, whatever the logits hold */
	value = (wd)((wl)value & (wl_load(targets->y + at) >= 0));
	wd_store(loss + at, value);
	if (!totals)
		return;
	struct pair sum = wd_sum(wd_load(totals->high + at), value);
	wd_store(totals->high + at, sum.high);
	wd_store(totals->low + at, wd_load(totals->low + at) + sum.low);
}

static void ISA(losses)(const struct row_sums *sums, const struct row_targets *targets,
			double *loss, struct lane_sums *totals)
{
	UNROLL
	for (size_t at = 0; at < LANES; at += DOUBLES)
		if (targets->weighted)
			lane_losses(sums, targets, at, true, loss, totals);
		else
			lane_losses(sums, targets, at, false, loss, totals);
}
