/* What follows from the sums: part of vector_template.h. */

/*
 * exp(r), |r| <= ln(2)/2, to 2^-31: enough for one rounding to float. A polynomial through the
 * Chebyshev nodes, in an order that leaves little waiting for the term before.
 */
__attribute__((always_inline)) static inline wd exp_reduced(wd r)
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
__attribute__((always_inline)) static inline wd log1p_sum(wd x)
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
	return k * wd_set(0x1.62e42fefa39efp-1) + s * q;
}

/* Lanes [at, at + DOUBLES) of a group; whether their sums are numbers. */
__attribute__((always_inline)) static inline bool finish_lanes(struct row_group *group, size_t at,
							       wd nothing)
{
	const wd magic = wd_set(0x1.8p52);
	wd max = wd_widen(group->max + at);
	wd sum = wd_load(group->sum + at);
	wd k = (max * wd_set(0x1.71547652b82fep+0) + magic) - magic;
	/* k ln2 - max, the first product and the difference exact */
	wd r = (k * wd_set(0x1.62e42fee00000p-1) - max) + k * wd_set(0x1.a39ef35793c76p-33);
	wd inverse = exp_reduced(r);
	/* 2^(N - 60 - k): between 2^-119 and 2^-59 in a regular lane, since the maximum is not
	 * below the reference's logit, nor more than HEADROOM above. */
	wd biased = (wd_widen(group->reference + at) - k) + wd_set(1023.0 - 60.0 + 0x1p52);
	wd factor = (wd)((wu)biased << 52);
	wd residual = wd_select_below(sum, nothing, wd_set(0.0), sum) * (factor * inverse);
	wd_store(group->inverse + at, inverse);
	wd_store(group->exponent + at, k);
	wd_store(group->residual + at, residual);
	wd_store(group->log1p_residual + at, log1p_sum(residual));
	return wd_ordered(sum);
}

static void ISA(finish)(struct row_group *groups, size_t n_groups, size_t n)
{
	wd nothing = wd_set((double)(n + 2 * CHUNK) * 0x1p-123);
	for (size_t g = 0; g < n_groups; g++) {
		bool regular = true;
		UNROLL
		for (size_t at = 0; at < LANES; at += DOUBLES)
			regular &= finish_lanes(groups + g, at, nothing);
		UNROLL
		for (size_t at = 0; at < LANES; at += NATIVE) {
			vf max = vf_load(groups[g].max + at);
			vf size = (vf)((vu)max & 0x7fffffff);
			regular &= !vf_any(~(size <= vf_set(VECTOR_LARGEST))); /* NaN is above */
		}
		groups[g].regular = regular;
	}
}

/* Lanes [at, at + DOUBLES); `weighted` is a constant where this is inlined. */
__attribute__((always_inline)) static inline void lane_losses(const struct row_group *group,
							      const struct row_targets *targets,
							      size_t at, bool weighted,
							      double *loss, struct lane_sums *sums)
{
	wd gap = wd_widen(group->max + at) - wd_widen(targets->logit + at);
	wd value = gap + wd_load(group->log1p_residual + at);
	if (weighted) {
		wd weight = wd_load(targets->weight + at);
		wl nothing = (weight == wd_set(0.0)) & (value >= wd_set(0.0)); /* not NaN */
		value = wd_select(nothing, wd_set(0.0), weight * value);
	}
	/* ignored, whatever the logits hold */
	value = (wd)((wl)value & (wl_load(targets->y + at) >= 0));
	wd before = wd_load(sums->high + at);
	wd sum = before + value;
	wd added = sum - before;
	wd_store(loss + at, value);
	wd_store(sums->high + at, sum);
	wd rest = (before - (sum - added)) + (value - added);
	wd_store(sums->low + at, wd_load(sums->low + at) + rest);
}

static void ISA(losses)(const struct row_group *group, const struct row_targets *targets,
			double *loss, struct lane_sums *sums)
{
	UNROLL
	for (size_t at = 0; at < LANES; at += DOUBLES)
		if (targets->weighted)
			lane_losses(group, targets, at, true, loss, sums);
		else
			lane_losses(group, targets, at, false, loss, sums);
}
