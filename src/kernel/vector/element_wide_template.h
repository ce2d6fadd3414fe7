/*
 * Element-wise losses of doubles: part of element_template.h, whose formulas these are. Where
 * roundings would add up, numbers are pairs, so that results are within 4 ulp of their largest
 * term.
 */

/* Beyond every extent where |x| > 2^500: the factors of pairs, whose products must not overflow. */
__attribute__((always_inline)) static inline wd forbids_large(wd x)
{
	return wd_abs(x) * wd_set(ELEMENT_EXTENT * 0x1p-500);
}

/* Beyond every extent where x is subnormal or negative; 0 is neither. */
__attribute__((always_inline)) static inline wd forbids_subnormal(wd x)
{
	wl small = (x < wd_set(DBL_MIN)) & (x != wd_set(0.0));
	return (wd)(small & (wl)wd_set(2.0 * ELEMENT_EXTENT));
}

/* The same where exp(-size) is so small that a factor might make a subnormal of it. */
__attribute__((always_inline)) static inline wd forbids_subnormal_exp(wd size)
{
	return size + wd_set(100.0);
}

__attribute__((always_inline)) static inline struct piece wide_piece_at(const struct elements *all,
									size_t i, bool logits)
{
	struct piece at = {.i = i, .x = wd_load((const double *)all->x + i)};
	at.t = wd_load(all->wide_t + i);
	if (logits) {
		at.size = wd_abs(at.x);
		at.e = wd_exp_at(-at.size, wd_set(WD_EXP_MAGIC));
		at.tail = wd_log1p_unit(at.e).high;
	}
	return at;
}

/* grad times what multiplies all of them, rounded once; the low part makes no NaN of an infinity.
 */
__attribute__((always_inline)) static inline wd wide_scaled(const struct elements *all, wd grad)
{
	wd scale = wd_set(all->scale), product = grad * scale;
	wd exact = wd_fma(grad, scale, grad * wd_set(all->scale_low));
	return wd_select(exact <= wd_set(HUGE_VAL), exact, product);
}

/* 1 - x, exactly for |x| <= 1. */
__attribute__((always_inline)) static inline struct pair complement(wd x)
{
	return wd_sum_ordered(wd_set(1.0), -x);
}

/* Where x < 0 a, else b. */
__attribute__((always_inline)) static inline struct pair pair_select_negative(wd x, struct pair a,
									      struct pair b)
{
	wd zero = wd_set(0.0);
	return (struct pair){wd_select_below(x, zero, a.high, b.high),
			     wd_select_below(x, zero, a.low, b.low)};
}

/*
 * With `near` the factor of softplus(|x|) and `far` that of softplus(-|x|):
 *
 *     loss = near (|x| + tail) + far tail,   grad = (near - e far) / (1 + e), negated for x < 0.
 */
__attribute__((always_inline)) static inline struct outcome
wide_bce_with_logits(const struct elements *all, const struct piece *at, bool grad)
{
	wd one = wd_set(1.0), t = at->t;
	struct pair negative = complement(t), positive = {t, wd_set(0.0)};
	if (all->pos_weight)
		positive = wd_product(wd_load(all->pos_weight + at->i), t);
	struct pair near = pair_select_negative(at->x, positive, negative);
	struct outcome out = {.extent = forbids_subnormal_exp(at->size)};
	out.extent = wd_max(forbids_large(positive.high), wd_max(forbids_large(t), out.extent));
	if (!all->pos_weight) { /* the factors come to 1 */
		out.loss = near.high * at->size + at->tail;
	} else {
		wd far = wd_select_below(at->x, wd_set(0.0), negative.high, positive.high);
		struct pair softplus = wd_sum(at->size, at->tail);
		wd low = near.low * softplus.high + near.high * softplus.low;
		out.loss = (near.high * softplus.high + low) + far * at->tail;
	}
	if (!grad)
		return out;
	struct pair far = pair_select_negative(at->x, negative, positive);
	struct pair d = wd_sum_ordered(one, at->e);
	struct pair n = {wd_fma(-at->e, far.high, near.high), near.low - at->e * far.low};
	wd slope = pair_value(pair_ratio(n, d, one / d.high));
	out.grad = wd_select_below(at->x, wd_set(0.0), -slope, slope);
	return out;
}

/* -log, at most 100. */
__attribute__((always_inline)) static inline wd wide_surprise(wd log)
{
	return wd_set(0.0) - wd_max(log, wd_set(-100.0));
}

__attribute__((always_inline)) static inline struct outcome
wide_bce(const struct elements *all, const struct piece *at, bool grad)
{
	(void)all;
	wd zero = wd_set(0.0), least = wd_set(1e-12), x = at->x, t = at->t;
	wd normal = wd_set(0x1p-200); /* whose logarithm is below -100 */
	struct pair other = complement(x), other_t = complement(t);
	wd surprise = wide_surprise(wd_log_sum(wd_max(other.high, normal), other.low));
	struct outcome out = {.extent = forbids_large(t)};
	out.loss = t * wide_surprise(wd_log(wd_max(x, normal))) +
		   (other_t.high * surprise + other_t.low * surprise);
	if (!grad)
		return out;
	struct pair d = wd_product(x, other.high);
	d.low += x * other.low;
	d.low = wd_select_below(d.high, least, zero, d.low);
	d.high = wd_max(d.high, least);
	out.grad = pair_value(pair_ratio(wd_sum(x, -t), d, wd_set(1.0) / d.high));
	return out;
}

/* p (log_p - x), whose terms may add up to twice the larger; never -0. */
__attribute__((always_inline)) static inline wd wide_divergence(wd p, wd log_p, wd x)
{
	struct pair difference = wd_sum(log_p, -x);
	return wd_fma(p, difference.high, p * difference.low) + wd_set(0.0);
}

__attribute__((always_inline)) static inline struct outcome
wide_kl_div(const struct elements *all, const struct piece *at, bool grad)
{
	(void)all;
	wd t = at->t, log = wd_log(wd_max(t, wd_set(DBL_MIN)));
	struct outcome out = {.loss = wide_divergence(t, log, at->x)};
	out.extent = forbids_subnormal(t);
	if (grad)
		out.grad = wd_set(0.0) - t;
	return out;
}

__attribute__((always_inline)) static inline struct outcome
wide_kl_div_of_logs(const struct elements *all, const struct piece *at, bool grad)
{
	(void)all;
	wd p = wd_exp_at(at->t, wd_set(WD_EXP_MAGIC));
	struct outcome out = {.loss = wide_divergence(p, at->t, at->x)};
	out.extent = wd_abs(at->t);
	if (grad)
		out.grad = wd_set(0.0) - p;
	return out;
}

/* The sigmoids of x and -x, and log(1 + e). */
struct sigmoids {
	struct pair p, other, tail;
};

__attribute__((always_inline)) static inline struct sigmoids wide_sigmoids(const struct piece *at)
{
	wd one = wd_set(1.0), e_low, e = wd_exp_parts(-at->size, wd_set(WD_EXP_MAGIC), &e_low);
	struct pair d = wd_sum_ordered(one, e);
	d.low += e_low;
	wd inverse = one / d.high;
	wd lost = (wd_fma(-inverse, d.high, one) - inverse * d.low) * inverse;
	struct pair near = {inverse, lost}, far = pair_times(e, near), tail = wd_log1p_unit(e);
	far.low += e_low * near.high;
	tail.low += e_low * near.high;
	return (struct sigmoids){.p = pair_select_negative(at->x, far, near),
				 .other = pair_select_negative(at->x, near, far),
				 .tail = tail};
}

/* The same as struct powers. */
struct wide_powers {
	struct pair power, lower;
	wd extent;
};

__attribute__((always_inline)) static inline struct pair pair_exp(struct pair x)
{
	struct pair e;
	e.high = wd_exp_parts(x.high, wd_set(WD_EXP_MAGIC), &e.low);
	e.low += e.high * x.low;
	return e;
}

__attribute__((always_inline)) static inline struct wide_powers
wide_powers_of(const struct elements *all, struct pair q, bool grad, bool integer)
{
	wd zero = wd_set(0.0), least = wd_set(-ELEMENT_EXTENT);
	const struct pair one = {wd_set(1.0), zero};
	struct wide_powers of = {one, one, zero};
	if (integer && all->gamma > 0.0) {
		of.power = q;
		for (int n = (int)all->gamma; n > 1; n--) {
			of.lower = of.power;
			of.power = pair_product(of.power, q);
		}
	}
	if (integer)
		return of;
	struct pair log = pair_log(q), exponent = pair_times(wd_set(all->gamma), log);
	of.extent = -exponent.high;
	exponent.high = wd_max(exponent.high, least);
	of.power = pair_exp(exponent);
	if (!grad)
		return of;
	exponent = pair_sum(pair_times(wd_set(all->gamma), log), pair_minus(log));
	exponent.high = wd_max(exponent.high, least);
	of.lower = pair_exp(exponent);
	return of;
}

/* alpha t + (1 - alpha) (1 - t), or 1. */
__attribute__((always_inline)) static inline struct pair wide_alpha(const struct elements *all,
								    wd t, struct pair other_t)
{
	wd alpha = wd_set(all->alpha);
	if (all->alpha < 0.0)
		return (struct pair){wd_set(1.0), wd_set(0.0)};
	return pair_sum(wd_product(alpha, t), pair_product(complement(alpha), other_t));
}

__attribute__((always_inline)) static inline struct outcome
wide_focal_of(const struct elements *all, const struct piece *at, bool grad, bool integer)
{
	wd zero = wd_set(0.0), x = at->x, t = at->t;
	struct pair other_t = complement(t), a = wide_alpha(all, t, other_t);
	struct sigmoids sigmoid = wide_sigmoids(at);
	struct pair hit = pair_times(t, sigmoid.other), miss = pair_product(other_t, sigmoid.p);
	struct wide_powers of = wide_powers_of(all, pair_sum(hit, miss), grad, integer);
	struct pair bce = wd_product(wd_select_below(x, zero, t, other_t.high), at->size);
	bce.low += wd_select_below(x, zero, zero, other_t.low) * at->size;
	bce = pair_sum(bce, sigmoid.tail);
	struct outcome out = {.loss = pair_value(pair_product(pair_product(a, of.power), bce))};
	double steps = integer && all->gamma > 1.0 ? all->gamma : 1.0;
	out.extent = wd_max(of.extent, wd_set(steps) * at->size);
	out.extent = wd_max(forbids_negative(t), out.extent);
	out.extent = wd_max(forbids_negative(other_t.high), out.extent);
	if (!grad)
		return out;
	struct pair gap = pair_sum(miss, pair_minus(hit));
	struct pair sign = pair_times(wd_set(all->gamma), wd_sum_ordered(wd_set(-1.0), t + t));
	struct pair slope = pair_product(pair_product(sigmoid.p, sigmoid.other), sign);
	slope = pair_product(of.lower, pair_product(bce, slope));
	slope = pair_sum(pair_product(of.power, gap), pair_minus(slope));
	out.grad = pair_value(pair_product(a, slope));
	return out;
}

__attribute__((always_inline)) static inline struct outcome
wide_focal(const struct elements *all, const struct piece *at, bool grad)
{
	return wide_focal_of(all, at, grad, false);
}

__attribute__((always_inline)) static inline struct outcome
wide_focal_integer(const struct elements *all, const struct piece *at, bool grad)
{
	return wide_focal_of(all, at, grad, true);
}

/* ---------------------------------------------------------------- losses of numbers */

/* Two terms and Stirling's approximation, rounded about once. */
__attribute__((always_inline)) static inline wd wide_likelihood(const struct elements *all, wd t,
								struct pair terms)
{
	wd zero = wd_set(0.0), one = wd_set(1.0), half = wd_set(0.5);
	if (!all->full)
		return pair_value(terms);
	wd log = wd_log(wd_max(t, one));
	struct pair rest = wd_sum(t * log, -t);
	rest = pair_sum(rest, wd_sum(half * log, wd_set(LOG_2_PI_HALF)));
	rest.high = wd_select_below(one, t, rest.high, zero);
	rest.low = wd_select_below(one, t, rest.low, zero);
	return pair_value(pair_sum(terms, rest));
}

__attribute__((always_inline)) static inline struct outcome
wide_poisson_of_logs(const struct elements *all, const struct piece *at, bool grad)
{
	wd e = wd_exp_at(at->x, wd_set(WD_EXP_MAGIC)), zero = wd_set(0.0);
	struct pair terms = pair_sum((struct pair){e, zero}, wd_product(-at->t, at->x));
	struct outcome out = {.loss = wide_likelihood(all, at->t, terms)};
	out.extent = wd_max(wd_abs(at->x), forbids_large(at->t));
	if (grad)
		out.grad = e - at->t;
	return out;
}

__attribute__((always_inline)) static inline struct outcome
wide_poisson(const struct elements *all, const struct piece *at, bool grad)
{
	struct pair u = wd_sum(at->x, wd_set(all->parameter));
	struct pair terms = wd_sum(at->x, -at->t * wd_log_sum(u.high, u.low));
	struct outcome out = {.loss = wide_likelihood(all, at->t, terms)};
	out.extent = wd_max(forbids_abnormal(u.high),
			    wd_max(forbids_large(u.high), forbids_large(at->t)));
	if (grad)
		out.grad = wd_set(1.0) - at->t / u.high;
	return out;
}

__attribute__((always_inline)) static inline struct outcome
wide_gaussian(const struct elements *all, const struct piece *at, bool grad)
{
	wd v = wd_max(wd_set(all->parameter), wd_load(all->own + at->i)), half = wd_set(0.5);
	struct pair d = wd_sum(at->x, -at->t), square = wd_product(d.high, d.high);
	square.low += wd_set(2.0) * d.high * d.low;
	wd inverse = wd_set(1.0) / v;
	struct pair ratio = pair_ratio(square, (struct pair){v, wd_set(0.0)}, inverse);
	struct pair sum = pair_sum((struct pair){wd_log(v), wd_set(0.0)}, ratio);
	struct outcome out = {.extent = wd_max(forbids_abnormal(v), forbids_large(v))};
	if (all->full)
		sum = pair_sum(sum, (struct pair){wd_set(2.0 * LOG_2_PI_HALF), wd_set(0.0)});
	out.loss = half * pair_value(sum);
	out.extent = wd_max(out.extent, forbids_lost(square.high, d.high));
	out.extent = wd_max(out.extent, forbids_large(d.high));
	if (grad)
		out.grad = d.high / v;
	return out;
}
