/*
 * Losses of numbers: part of element_template.h. Where nothing cancels and each operation is
 * rounded once, what is good for floats is good for doubles.
 */

/* Where x < 0 -1, where x > 0 1, else 0. */
__attribute__((always_inline)) static inline wd wd_sign(wd x)
{
	return wd_is_negative(-x) - wd_is_negative(x);
}

/* Beyond every extent where a product of the gap d has left the normal numbers: a factor may bring
 * it back. */
__attribute__((always_inline)) static inline wd forbids_lost(wd loss, wd d)
{
	wl lost = (loss < wd_set(DBL_MIN)) & (d != wd_set(0.0));
	return (wd)(lost & (wl)wd_set(2.0 * ELEMENT_EXTENT));
}

/* loss = d^2, grad = 2 d, d = x - t. Of doubles too: each operation is rounded once, and nothing
 * cancels. */
__attribute__((always_inline)) static inline struct outcome mse(const struct elements *all,
								const struct piece *at, bool grad)
{
	(void)all;
	wd d = at->x - at->t;
	struct outcome out = {.loss = d * d};
	out.extent = forbids_lost(out.loss, d);
	if (grad)
		out.grad = d + d;
	return out;
}

/* loss = |d|, grad = its sign. */
__attribute__((always_inline)) static inline struct outcome l1(const struct elements *all,
							       const struct piece *at, bool grad)
{
	(void)all;
	wd d = at->x - at->t;
	struct outcome out = {.loss = wd_abs(d), .extent = wd_set(0.0)};
	if (grad)
		out.grad = wd_sign(d);
	return out;
}

/* loss = d^2 / (2 beta), grad = d / beta where |d| < beta, else |d| - beta / 2 and its sign. */
__attribute__((always_inline)) static inline struct outcome
smooth_l1(const struct elements *all, const struct piece *at, bool grad)
{
	wd d = at->x - at->t, size = wd_abs(d), half = wd_set(0.5), beta = wd_set(all->parameter);
	wd slope = d / beta;
	struct outcome out = {.extent = wd_set(0.0)};
	out.loss = wd_select_below(size, beta, half * (d * slope), size - half * beta);
	if (grad)
		out.grad = wd_select_below(size, beta, slope, wd_sign(d));
	return out;
}

/* loss = d^2 / 2, grad = d where |d| < delta, else delta (|d| - delta / 2), delta and d's sign. */
__attribute__((always_inline)) static inline struct outcome huber(const struct elements *all,
								  const struct piece *at, bool grad)
{
	wd d = at->x - at->t, size = wd_abs(d), half = wd_set(0.5), delta = wd_set(all->parameter);
	struct outcome out;
	out.loss = wd_select_below(size, delta, half * (d * d), delta * (size - half * delta));
	out.extent = forbids_lost(out.loss, d);
	if (grad)
		out.grad = wd_select_below(size, delta, d, delta * wd_sign(d));
	return out;
}

/* loss = q (t - x) below t, (1 - q) (x - t) above it; grad = -q, 1 - q, halfway between at t. */
__attribute__((always_inline)) static inline struct outcome
quantile(const struct elements *all, const struct piece *at, bool grad)
{
	wd d = at->x - at->t, zero = wd_set(0.0);
	wd q = wd_set(all->parameter), other = wd_set(1.0 - all->parameter);
	struct outcome out = {.extent = zero};
	out.loss = wd_select_below(d, zero, q, other) * wd_abs(d);
	if (grad)
		out.grad = wd_select_below(
			d, zero, -q, wd_select_below(zero, d, other, wd_set(0.5 - all->parameter)));
	return out;
}

/* log(2 pi) / 2 */
#define LOG_2_PI_HALF 0x1.d67f1c864beb5p-1

/* t log t - t + log(2 pi t) / 2 where t > 1, else 0: Stirling's approximation of log t!. */
__attribute__((always_inline)) static inline wd stirling(wd t)
{
	wd log = short_log(t, wd_set(0.0)), half = wd_set(0.5);
	wd value = ((t + half) * log - t) + wd_set(LOG_2_PI_HALF);
	return wd_select_below(wd_set(1.0), t, value, wd_set(0.0));
}

/* loss = e^x - t x, grad = e^x - t. */
__attribute__((always_inline)) static inline struct outcome
poisson_of_logs(const struct elements *all, const struct piece *at, bool grad)
{
	wd e = short_exp(at->x);
	struct outcome out = {.loss = e - at->t * at->x, .extent = wd_abs(at->x)};
	if (all->full)
		out.loss += stirling(at->t);
	if (grad)
		out.grad = e - at->t;
	return out;
}

/* x + eps, whose low part matters where its logarithm is next to 0 and may not be anywhere else. */
__attribute__((always_inline)) static inline struct pair shifted(wd x, double eps)
{
	struct pair sum = wd_sum(x, wd_set(eps));
	wd high = sum.high;
	sum.low = wd_select((high > wd_set(0.75)) & (high < wd_set(1.375)), sum.low, wd_set(0.0));
	return sum;
}

/* Beyond every extent where x is no positive normal number, or next to infinity. */
__attribute__((always_inline)) static inline wd forbids_abnormal(wd x)
{
	return wd_select((x >= wd_set(DBL_MIN)) & (x <= wd_set(0x1p1000)), wd_set(0.0),
			 wd_set(2.0 * ELEMENT_EXTENT));
}

/* loss = x - t log(x + eps), grad = 1 - t / (x + eps). */
__attribute__((always_inline)) static inline struct outcome
poisson(const struct elements *all, const struct piece *at, bool grad)
{
	struct pair u = shifted(at->x, all->parameter);
	struct outcome out = {.loss = at->x - at->t * short_log(u.high, u.low)};
	out.extent = forbids_abnormal(u.high);
	if (all->full)
		out.loss += stirling(at->t);
	if (grad)
		out.grad = wd_set(1.0) - at->t / u.high;
	return out;
}

/* loss = (log v + d^2 / v) / 2, grad = d / v, v = max(var, eps). */
__attribute__((always_inline)) static inline struct outcome
gaussian(const struct elements *all, const struct piece *at, bool grad)
{
	wd v = wd_max(wd_set(all->parameter), wd_load(all->own + at->i)), d = at->x - at->t;
	wd half = wd_set(0.5);
	struct outcome out = {.loss = half * (short_log(v, wd_set(0.0)) + d * d / v)};
	out.extent = forbids_abnormal(v);
	if (all->full)
		out.loss += wd_set(LOG_2_PI_HALF);
	if (grad)
		out.grad = d / v;
	return out;
}
