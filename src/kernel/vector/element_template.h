/*
 * Element-wise losses: part of vector_template.h.
 *
 * A loss is one small function, from a piece of its tensors to their losses and gradients, in
 * double: what float32 results need, 2^-30 of themselves, is far from a double's last digits, so
 * short polynomials do, and nothing has to be carried in two parts. Multiplications and additions
 * are not fused: with that the AVX builds take a quarter less time, but the portable one, which
 * must give the same bits, twenty-five times as long.
 *
 * Losses of doubles, which need all of a double's digits, are in element_wide_template.h.
 *
 * Nothing here looks for what is not finite. An element outside of what its formula can take tells
 * so by its `extent`, or by a loss that is no finite number; the caller, who sees both, evaluates
 * it again on its own.
 */
#include "functions.h"

/* ---------------------------------------------------------------- functions */

/*
 * c[0] + c[1] x + ... of five and of six coefficients, in pairs: less of it waits for the rest than
 * in Horner's scheme.
 */
__attribute__((always_inline)) static inline wd wd_polynomial_5(wd x, const double *c)
{
	wd x2 = x * x;
	wd low = wd_set(c[1]) * x + wd_set(c[0]);
	wd middle = wd_set(c[3]) * x + wd_set(c[2]);
	return (wd_set(c[4]) * x2 + middle) * x2 + low;
}

__attribute__((always_inline)) static inline wd wd_polynomial_6(wd x, const double *c)
{
	wd x2 = x * x;
	wd low = wd_set(c[1]) * x + wd_set(c[0]);
	wd middle = wd_set(c[3]) * x + wd_set(c[2]);
	wd high = wd_set(c[5]) * x + wd_set(c[4]);
	return (high * x2 + middle) * x2 + low;
}

/*
 * exp(x) to 2^-34 of itself, |x| <= ELEMENT_EXTENT. As in exponential.h, the integer part of x
 * log2(e) comes to lie in the last bits of z.
 */
__attribute__((always_inline)) static inline wd short_exp(wd x)
{
	static const double c[] = {0x1.00000038aecb3p-1,  0x1.5555544264c00p-3,
				   0x1.55549004cd0b6p-5,  0x1.1112739fc1c09p-7,
				   0x1.6d8b6d3540d52p-10, 0x1.9f030e395eec4p-13};
	wd magic = wd_set(0x1.8p52);
	wd z = x * wd_set(0x1.71547652b82fep+0) + magic;
	wd r = x - (z - magic) * wd_set(0x1.62e42fefa39efp-1);
	wd e = (r * r * wd_polynomial_6(r, c) + r) + wd_set(1.0);
	return (wd)((wu)e + ((wu)z << 52));
}

/* log(1 + x) to 2^-33 of itself, 0 <= x <= 1: 2 atanh(s), s = x / (2 + x). */
__attribute__((always_inline)) static inline wd short_log1p(wd x)
{
	static const double c[] = {2.0,
				   0x1.55555845d1abap-1,
				   0x1.9996b32a56e05p-2,
				   0x1.25085acad9c80p-2,
				   0x1.b6ed6e8df4ad5p-3,
				   0x1.f15c3dd874e6fp-3};
	wd s = x / (x + wd_set(2.0));
	return s * wd_polynomial_6(s * s, c);
}

/*
 * log(x + low) to 2^-37 of itself, x normal, low below an ulp of x and 0 unless sqrt(1/2) <= x <
 * sqrt(2). Of 0 it is -709; of what else is not positive and finite, some number.
 *
 * x = 2^k (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)); the bits of k become a double under the
 * exponent of 2^52. log(1 + f) = 2 atanh(s), s = f / (2 + f).
 */
__attribute__((always_inline)) static inline wd short_log(wd x, wd low)
{
	static const double c[] = {2.0, 0x1.555554ff3c77fp-1, 0x1.999a7872ac2a3p-2,
				   0x1.24393e8787a83p-2, 0x1.e2ea3da1493ecp-3};
	wu exponent = ((wu)x - wu_set(0x3fe6a09e667f3bcd)) & wu_set(0xfff0000000000000);
	wd m = (wd)((wu)x - exponent);
	wu biased = (exponent + wu_set(UINT64_C(1024) << 52)) >> 52;
	wd k = (wd)(biased + wu_set(0x4330000000000000)) - wd_set(0x1p52 + 1024.0);
	wd f = (m - wd_set(1.0)) + low;
	wd s = f / (f + wd_set(2.0));
	return k * wd_set(0x1.62e42fefa39efp-1) + s * wd_polynomial_5(s * s, c);
}

/* ---------------------------------------------------------------- pieces */

/* As many elements as a native vector has doubles. */
struct piece {
	size_t i; /* of the first */
	wd x, t;
	/* Of losses of logits: |x|, e = exp(-|x|), log(1 + e). */
	wd size, e, tail;
};

/* What they come to, but for their weights; `grad` only where it is asked for. */
struct outcome {
	wd loss, grad;
	wd extent;
};

typedef struct outcome piece_fn(const struct elements *all, const struct piece *at, bool grad);

/* Beyond every extent where x < 0. */
__attribute__((always_inline)) static inline wd forbids_negative(wd x)
{
	return (wd)((wl)(x < wd_set(0.0)) & (wl)wd_set(2.0 * ELEMENT_EXTENT));
}

/* ---------------------------------------------------------------- the losses */

/*
 * loss = (1-t) softplus(x) + q t softplus(-x), grad = (1-t) sigmoid(x) - q t sigmoid(-x), with
 * softplus(x) = max(x, 0) + log(1 + e), sigmoid(x) = (1 or e) / (1 + e). For q = 1 the logarithm
 * counts once in all.
 */
__attribute__((always_inline)) static inline struct outcome
bce_with_logits(const struct elements *all, const struct piece *at, bool grad)
{
	wd one = wd_set(1.0), t = at->t, e = at->e;
	wd zero = wd_set(0.0), below = wd_is_negative(at->x);
	struct outcome out = {.extent = at->size};
	if (!all->pos_weight) {
		out.loss = wd_select_below(at->x, zero, t, one - t) * at->size + at->tail;
		if (grad)
			out.grad = (((one - below) - t) + e * (below - t)) / (one + e);
		return out;
	}
	wd positive = wd_load(all->pos_weight + at->i) * t, negative = one - t;
	out.loss = negative * (wd_max(at->x, zero) + at->tail) +
		   positive * (wd_max(-at->x, zero) + at->tail);
	if (grad) {
		wd near = negative * (one - below) - positive * below;
		wd far = negative * below - positive * (one - below);
		out.grad = (near + e * far) / (one + e);
	}
	return out;
}

/* -log(x + low), at most 100. */
__attribute__((always_inline)) static inline wd surprise(wd x, wd low)
{
	return wd_set(0.0) - wd_max(short_log(x, low), wd_set(-100.0));
}

/* loss = -t log x - (1-t) log(1-x), grad = (x - t) / max(x (1-x), 1e-12). */
__attribute__((always_inline)) static inline struct outcome bce(const struct elements *all,
								const struct piece *at, bool grad)
{
	(void)all;
	wd one = wd_set(1.0), x = at->x, t = at->t;
	wd other = one - x;
	wd lost = (one - other) - x;
	struct outcome out = {.extent = wd_set(0.0)};
	out.loss = t * surprise(x, wd_set(0.0)) + (one - t) * surprise(other, lost);
	if (grad)
		out.grad = (x - t) / wd_max(x * other, wd_set(1e-12));
	return out;
}

/* loss = t (log t - x), grad = -t; never -0. */
__attribute__((always_inline)) static inline struct outcome
kl_div(const struct elements *all, const struct piece *at, bool grad)
{
	(void)all;
	wd zero = wd_set(0.0);
	struct outcome out = {.extent = forbids_negative(at->t)};
	out.loss = at->t * (short_log(at->t, zero) - at->x) + zero;
	if (grad)
		out.grad = zero - at->t;
	return out;
}

/* loss = e^t (t - x), grad = -e^t; never -0. */
__attribute__((always_inline)) static inline struct outcome
kl_div_of_logs(const struct elements *all, const struct piece *at, bool grad)
{
	(void)all;
	wd p = short_exp(at->t), zero = wd_set(0.0);
	struct outcome out = {.loss = p * (at->t - at->x) + zero, .extent = wd_abs(at->t)};
	if (grad)
		out.grad = zero - p;
	return out;
}

/* What focal losses differ in: q^gamma, q^(gamma-1) where there is a gradient, and how far that
 * went. */
struct powers {
	wd power, lower, extent;
};

__attribute__((always_inline)) static inline struct powers powers_of(const struct elements *all,
								     wd q, bool grad, bool integer)
{
	wd one = wd_set(1.0), gamma = wd_set(all->gamma), least = wd_set(-ELEMENT_EXTENT);
	if (integer) {
		wd lower = one;
		for (int n = (int)all->gamma; n > 1; n--)
			lower = lower * q;
		return (struct powers){all->gamma == 0.0 ? one : lower * q, lower, wd_set(0.0)};
	}
	wd log = short_log(q, wd_set(0.0));
	return (struct powers){
		.power = short_exp(wd_max(gamma * log, least)),
		.lower = grad ? short_exp(wd_max((gamma - one) * log, least)) : one,
		.extent = -gamma * log,
	};
}

/*
 * loss = a q^gamma bce(x, t), grad = a [q^gamma (p-t) - gamma q^(gamma-1) (2t-1) p (1-p) bce], with
 * 0 <= t <= 1, p = sigmoid(x), q = t (1-p) + (1-t) p, a = alpha t + (1-alpha) (1-t) or 1.
 */
__attribute__((always_inline)) static inline struct outcome
focal_of(const struct elements *all, const struct piece *at, bool grad, bool integer)
{
	wd zero = wd_set(0.0), one = wd_set(1.0);
	wd x = at->x, t = at->t, other_t = one - t, below = wd_is_negative(x);
	wd near = one / (one + at->e), far = at->e * near;
	wd p = far * below + near * (one - below), other_p = near * below + far * (one - below);
	wd loss = wd_select_below(x, zero, t, other_t) * at->size + at->tail;
	wd a = all->alpha < 0.0 ? one : wd_set(all->alpha) * t + wd_set(1.0 - all->alpha) * other_t;
	struct powers of = powers_of(all, t * other_p + other_t * p, grad, integer);
	struct outcome out = {.loss = a * of.power * loss};
	out.extent = wd_max(forbids_negative(t), wd_max(at->size, of.extent));
	out.extent = wd_max(forbids_negative(other_t), out.extent);
	if (grad)
		out.grad =
			a * (of.power * (other_t * p - t * other_p) -
			     wd_set(all->gamma) * of.lower * (t - other_t) * (p * other_p) * loss);
	return out;
}

__attribute__((always_inline)) static inline struct outcome focal(const struct elements *all,
								  const struct piece *at, bool grad)
{
	return focal_of(all, at, grad, false);
}

__attribute__((always_inline)) static inline struct outcome
focal_integer(const struct elements *all, const struct piece *at, bool grad)
{
	return focal_of(all, at, grad, true);
}

#include "element_numbers_template.h"

#include "element_wide_template.h"

/* ---------------------------------------------------------------- exponentials alone */

/* The part of x - max that rounding loses is carried into the exponential. */
static void ISA(exponentials)(double *x, double *low, size_t n, double max)
{
	wd zero = wd_set(0.0), least = wd_set(-700.0);
	for (size_t i = 0; i < n; i += DOUBLES) {
		struct pair gap = wd_sum(wd_load(x + i), wd_set(-max)), e;
		wd at = wd_max(least, gap.high);
		e.high = wd_exp_parts(at, wd_set(WD_EXP_MAGIC), &e.low);
		e.low += e.high * gap.low;
		wd_store(x + i, wd_select_below(gap.high, least, zero, e.high));
		wd_store(low + i, wd_select_below(gap.high, least, zero, e.low));
	}
}

/* ---------------------------------------------------------------- all elements */

__attribute__((always_inline)) static inline struct piece piece_at(const struct elements *all,
								   size_t i, bool logits)
{
	struct piece at = {.i = i, .x = wd_widen((const float *)all->x + i)};
	at.t = all->t ? wd_widen(all->t + i) : wd_load(all->wide_t + i);
	if (logits) {
		at.size = wd_abs(at.x);
		at.e = short_exp(-at.size);
		at.tail = short_log1p(at.e);
	}
	return at;
}

/* n results to p[i] on, of the type that elements are of. */
__attribute__((always_inline)) static inline void put_results(void *p, size_t i, wd v, bool wide)
{
	if (wide)
		wd_store((double *)p + i, v);
	else
		wd_narrow((float *)p + i, v);
}

/* Writes a piece's results where they are wanted. */
__attribute__((always_inline)) static inline void
write_outcome(const struct elements *all, size_t i, bool wide, bool grad, struct outcome *out)
{
	if (all->weight) {
		wd weight = wd_load(all->weight + i);
		out->loss = out->loss * weight + wd_set(0.0);
		if (grad)
			out->grad *= weight;
	}
	if (all->loss)
		put_results(all->loss, i, out->loss, wide);
	if (!grad)
		return;
	out->grad = wide ? wide_scaled(all, out->grad) : out->grad * wd_set(all->scale);
	if (all->upstream)
		out->grad *= wd_load(all->upstream + i);
	put_results(all->grad, i, out->grad, wide);
}

/* What follows `all` is a constant where this is inlined. */
__attribute__((always_inline)) static inline void each(struct elements *all, bool wide, bool logits,
						       bool grad, piece_fn *loss)
{
	for (size_t lane = 0; lane < LANES; lane += DOUBLES) {
		wd sum = wd_set(0.0), extent = wd_set(0.0);
		for (size_t i = lane; i < all->n; i += LANES) {
			struct piece piece =
				wide ? wide_piece_at(all, i, logits) : piece_at(all, i, logits);
			struct outcome out = loss(all, &piece, grad);
			write_outcome(all, i, wide, grad, &out);
			wd_store(all->added + i, out.loss);
			sum += out.loss;
			extent = wd_max(out.extent, extent);
		}
		wd_store(all->sum + lane, sum);
		wd_store(all->extent + lane, extent);
	}
}

/* A kernel of struct vector_kernels from a loss of floats and one of doubles; `logits` where it
 * looks at their exponentials. */
#define ELEMENT_KERNEL_OF(loss, wide_loss, logits)                                                 \
	static void ISA(elements_##loss)(struct elements * all)                                    \
	{                                                                                          \
		if (all->wide && all->grad)                                                        \
			each(all, true, logits, true, wide_loss);                                  \
		else if (all->wide)                                                                \
			each(all, true, logits, false, wide_loss);                                 \
		else if (all->grad)                                                                \
			each(all, false, logits, true, loss);                                      \
		else                                                                               \
			each(all, false, logits, false, loss);                                     \
		if (all->narrow)                                                                   \
			narrow_floats(all->narrow_dtype, all->grad, all->narrow, all->n_narrow);   \
	}
#define ELEMENT_KERNEL(loss, logits) ELEMENT_KERNEL_OF(loss, wide_##loss, logits)
ELEMENT_KERNEL(bce_with_logits, true)
ELEMENT_KERNEL(bce, false)
ELEMENT_KERNEL(kl_div, false)
ELEMENT_KERNEL(kl_div_of_logs, false)
ELEMENT_KERNEL(focal, true)
ELEMENT_KERNEL(focal_integer, true)
ELEMENT_KERNEL_OF(mse, mse, false)
ELEMENT_KERNEL_OF(l1, l1, false)
ELEMENT_KERNEL_OF(smooth_l1, smooth_l1, false)
ELEMENT_KERNEL_OF(huber, huber, false)
ELEMENT_KERNEL_OF(quantile, quantile, false)
ELEMENT_KERNEL(poisson, false)
ELEMENT_KERNEL(poisson_of_logs, false)
ELEMENT_KERNEL(gaussian, false)
#undef ELEMENT_KERNEL
#undef ELEMENT_KERNEL_OF
