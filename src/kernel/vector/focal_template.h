/*
 * Focal cross entropy of rows of floats: part of vector_template.h. With p the target's
 * probability, q = 1 - p and n = -log p,
 *
 *   loss = w q^gamma n,   and the gradient has the factor q^gamma + gamma n p q^(gamma-1)
 *
 * which is q^gamma (1 + gamma p n / q). Where q is 0 both are 0, for n / q is near 1.
 */
INLINE void focal_lanes(const struct row_sums *sums, const struct row_targets *targets,
			const double *others, double gamma, size_t at, struct focal_lanes *focal)
{
	const wd zero = wd_set(0.0), one = wd_set(1.0), least = wd_set(-ELEMENT_EXTENT);
	wd residual = wd_load(others + at), total = one + residual;
	wd gap = wd_load(sums->max + at) - wd_load(targets->logit + at);
	wd e = short_exp(wd_max(least, zero - gap));
	wd near = wd_select(gap == zero, residual, total - e), q = near / total;
	wd n = gap + log1p_sum(residual);
	wd power = short_exp(wd_max(least, wd_set(gamma) * short_log(q, zero)));
	/* p n, 0 where p is, however large n */
	wd pn = wd_select(e > wd_set(0x1p-1000), (e / total) * n, zero);
	wd factor = power * (one + wd_set(gamma) * pn / q);
	wl nothing = q == zero;
	power = wd_select(nothing, zero, power);
	factor = wd_select(nothing, zero, factor);
	wd loss = weighed(power, n);
	if (targets->weight)
		loss = weighed(wd_load(targets->weight + at), loss);
	loss = (wd)((wl)(loss + zero) & (wl_load(targets->y + at) >= 0)); /* never -0 */
	wd_store(focal->loss + at, loss);
	wd_store(focal->factor.high + at, factor);
	wd_store(focal->factor.low + at, zero);
}

static void ISA(focal)(const struct row_sums *sums, const struct row_targets *targets,
		       const double *others, double gamma, struct focal_lanes *focal)
{
	for (size_t at = 0; at < LANES; at += DOUBLES)
		focal_lanes(sums, targets, others, gamma, at, focal);
}
