/*
 * Squared distances of softmax from one-hot vectors: part of vector_template.h. With e_y, U and Q
 * the target's exponential and the others' sums of e and e^2, T = U + e_y, u = U / T, q = Q / T:
 *
 *   loss = q / T + u^2,   term = e_y u - q,   own_grad = -e_y / T loss
 *
 * 1 - p_y is u: nothing cancels but what the term is the difference of.
 */
static void brier_of_floats(const int64_t *y, struct brier_lanes *brier)
{
	const struct lane_sums none = {{0}, {0}};
	brier->inverse_square = brier->term = brier->own_grad = none;
	UNROLL
	for (size_t at = 0; at < LANES; at += DOUBLES) {
		wd own = wd_load(brier->own.high + at), others = wd_load(brier->others.high + at);
		wd inverse = wd_set(1.0) / (own + others), u = others * inverse;
		wd q = wd_load(brier->squares.high + at) * inverse;
		wd loss = q * inverse + u * u;
		wd_store(brier->inverse_square.high + at, inverse * inverse);
		wd_store(brier->term.high + at, own * u - q);
		wd_store(brier->own_grad.high + at, own * inverse * -loss);
		wd_store(brier->loss + at, (wd)((wl)loss & (wl_load(y + at) >= 0)));
	}
}

static void brier_of_doubles(const int64_t *y, struct brier_lanes *brier)
{
	const struct pair one = {wd_set(1.0), wd_set(0.0)};
	for (size_t at = 0; at < LANES; at += DOUBLES) {
		struct pair own = pair_load(&brier->own, at);
		struct pair others = pair_load(&brier->others, at);
		struct pair inverse = pair_quotient(one, pair_sum(own, others));
		struct pair u = pair_product(others, inverse);
		struct pair q = pair_product(pair_load(&brier->squares, at), inverse);
		struct pair loss = pair_sum(pair_product(q, inverse), pair_product(u, u));
		struct pair p = pair_product(own, inverse);
		pair_store(&brier->inverse_square, at, pair_product(inverse, inverse));
		pair_store(&brier->term, at, pair_sum(pair_product(own, u), pair_minus(q)));
		pair_store(&brier->own_grad, at, pair_product(p, pair_minus(loss)));
		wd_store(brier->loss + at, (wd)((wl)pair_value(loss) & (wl_load(y + at) >= 0)));
	}
}
