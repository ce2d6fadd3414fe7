/* The operations that add to the lanes' sums: part of operations_template.h. */

/* One of the lanes' two sums, and back. */
INLINE NV(sum) OF(lanes_sum)(const struct lanes *lanes, size_t i, size_t l)
{
	return NV(sum_of)(lanes->sum[i] + l, lanes->lost[i] + l);
}

INLINE void OF(lanes_put)(struct lanes *lanes, size_t i, size_t l, NV(sum) sum)
{
	NV(sum_put)(sum, lanes->sum[i] + l, lanes->lost[i] + l);
}

/* An excluded class's gap must not be infinite beside an exponential of 0. */
INLINE vw OF(finite_gap)(vw x, vw max)
{
	return vw_subtract(max, vw_max(x, vw_set(-2.0 * VECTOR_LARGEST)));
}

INLINE void OF(sum_entropy_of)(struct lanes *lanes, const struct class_chunk *chunk)
{
	for (size_t l = 0; l < LANES; l += NATIVE) {
		struct OF(known) row = OF(known_of)(lanes, l);
		NV(sum) sum = OF(lanes_sum)(lanes, 0, l);
		for (size_t k = 0; k < chunk->n; k++) {
			vw gap = OF(finite_gap)(OF(wide_at)(chunk, k, l), row.max);
			vw e = OF(powers)(OF(x_at)(chunk, k, l), &row.scale);
			sum = NV(sum_add_wide)(sum, vw_multiply(e, gap));
		}
		OF(lanes_put)(lanes, 0, l, sum);
	}
}
OPERATION(sum_entropy)

/* Without a b, the gaps alone. A pair of them might leave a float's range. */
INLINE void OF(sum_bare_gaps)(struct lanes *lanes, const struct class_chunk *chunk)
{
	for (size_t l = 0; l < LANES; l += NATIVE) {
		NVEC max = NV(narrow)(vw_load(lanes->max + l));
		NV(sum) gaps = OF(lanes_sum)(lanes, 0, l);
		for (size_t k = 0; k < chunk->n; k++) {
			NVEC x = OF(x_at)(chunk, k, l);
			gaps = NV(sum_add)(gaps, NV(subtract)(max, x));
		}
		OF(lanes_put)(lanes, 0, l, gaps);
	}
}

INLINE void OF(sum_weighted_gaps)(struct lanes *lanes, const struct class_chunk *chunk)
{
	for (size_t l = 0; l < LANES; l += NATIVE) {
		struct OF(known) row = OF(known_of)(lanes, l);
		NV(sum) gaps = OF(lanes_sum)(lanes, 0, l), all = OF(lanes_sum)(lanes, 1, l);
		for (size_t k = 0; k < chunk->n; k++) {
			vw gap = vw_subtract(row.max, OF(wide_at)(chunk, k, l));
			vw b = OF(b_at)(&row, chunk, k, l);
			gap = vw_where_nonzero(gap, vw_where_nonzero(b, vw_multiply(b, gap)));
			gaps = NV(sum_add_wide)(gaps, gap);
			all = NV(sum_add_wide)(all, b);
		}
		OF(lanes_put)(lanes, 0, l, gaps);
		OF(lanes_put)(lanes, 1, l, all);
	}
}

INLINE void OF(sum_gaps_of)(struct lanes *lanes, const struct class_chunk *chunk)
{
	if (chunk->b || chunk->t.at)
		OF(sum_weighted_gaps)(lanes, chunk);
	else
		OF(sum_bare_gaps)(lanes, chunk);
}
OPERATION(sum_gaps)

INLINE void OF(sum_b_of)(struct lanes *lanes, const struct class_chunk *chunk)
{
	for (size_t l = 0; l < LANES; l += NATIVE) {
		struct OF(known) row = OF(known_of)(lanes, l);
		NV(sum) all = OF(lanes_sum)(lanes, 0, l);
		for (size_t k = 0; k < chunk->n; k++)
			all = NV(sum_add_wide)(all, OF(b_at)(&row, chunk, k, l));
		OF(lanes_put)(lanes, 0, l, all);
	}
}
OPERATION(sum_b)

INLINE void OF(sum_exp_of)(struct lanes *lanes, const struct class_chunk *chunk)
{
	for (size_t l = 0; l < LANES; l += NATIVE) {
		struct OF(known) row = OF(known_of)(lanes, l);
		NV(sum) sum = OF(lanes_sum)(lanes, 0, l), all = OF(lanes_sum)(lanes, 1, l);
		for (size_t k = 0; k < chunk->n; k++) {
			struct parts e = OF(power_parts)(OF(x_at)(chunk, k, l), &row.scale);
			struct parts be = OF(product)(e, OF(b_at)(&row, chunk, k, l), vw_set(0.0));
			sum = NV(sum_add_parts)(sum, be);
			all = NV(sum_add_parts)(all, e);
		}
		OF(lanes_put)(lanes, 0, l, sum);
		OF(lanes_put)(lanes, 1, l, all);
	}
}
OPERATION(sum_exp)

INLINE void OF(sum_others_of)(struct lanes *lanes, const struct class_chunk *chunk)
{
	const vw one = vw_set(1.0);
	for (size_t l = 0; l < LANES; l += NATIVE) {
		struct OF(known) row = OF(known_of)(lanes, l);
		NV(sum) sum = OF(lanes_sum)(lanes, 0, l), best = OF(lanes_sum)(lanes, 1, l);
		for (size_t k = 0; k < chunk->n; k++) {
			struct parts e = OF(power_parts)(OF(x_at)(chunk, k, l), &row.scale);
			vw gap = vw_subtract(row.max, OF(wide_at)(chunk, k, l));
			e.high = vw_where_nonzero(gap, e.high);
			e.low = vw_where_nonzero(gap, e.low);
			sum = NV(sum_add_parts)(sum, e);
			best = NV(sum_add_wide)(best, vw_subtract(one, vw_where_nonzero(gap, one)));
		}
		OF(lanes_put)(lanes, 0, l, sum);
		OF(lanes_put)(lanes, 1, l, best);
	}
}
OPERATION(sum_others)

/* How many logits before the one left out lane l and the next are, at the chunk's first: chunks
 * have fewer than floats can count. */
INLINE NVEC OF(left_out)(const struct lanes *lanes, size_t l)
{
	NUMBER left[NATIVE];
	for (size_t i = 0; i < NATIVE; i++)
		left[i] = (NUMBER)lanes->limit[l + i];
	return NV(load)(left);
}

INLINE void OF(sum_squares_of)(struct lanes *lanes, const struct class_chunk *chunk)
{
	for (size_t l = 0; l < LANES; l += NATIVE) {
		struct OF(known) row = OF(known_of)(lanes, l);
		NV(sum) sum = OF(lanes_sum)(lanes, 0, l), squares = OF(lanes_sum)(lanes, 1, l);
		NVEC left = OF(left_out)(lanes, l);
		for (size_t k = 0; k < chunk->n; k++) {
			NVEC x = NV(unless_out)(OF(x_at)(chunk, k, l), left);
			struct parts e = OF(power_parts)(x, &row.scale);
			left = NV(subtract)(left, NV(set)((NUMBER)1));
			sum = NV(sum_add_parts)(sum, e);
			squares = NV(sum_add_parts)(squares, OF(product)(e, e.high, e.low));
		}
		OF(lanes_put)(lanes, 0, l, sum);
		OF(lanes_put)(lanes, 1, l, squares);
	}
}
OPERATION(sum_squares)

INLINE vw OF(hinge)(const struct OF(known) * row, NVEC v)
{
	vw x = NV(widen)(v);
	return (vw){wd_hinge(x.low, row->max.low, row->b.low),
		    wd_hinge(x.high, row->max.high, row->b.high)};
}

/* Inlined with the power a constant. */
INLINE void OF(sum_hinges_to)(struct lanes *lanes, const struct class_chunk *chunk, int power)
{
	const vw one = vw_set(1.0);
	for (size_t l = 0; l < LANES; l += NATIVE) {
		struct OF(known) row = OF(known_of)(lanes, l);
		NV(sum) sum = OF(lanes_sum)(lanes, 0, l), slopes = OF(lanes_sum)(lanes, 1, l);
		NVEC left = OF(left_out)(lanes, l);
		for (size_t k = 0; k < chunk->n; k++) {
			NVEC x = NV(unless_out)(OF(x_at)(chunk, k, l), left);
			vw z = OF(hinge)(&row, x);
			left = NV(subtract)(left, NV(set)((NUMBER)1));
			sum = NV(sum_add_wide)(sum, power == 1 ? z : vw_multiply(z, z));
			slopes =
				NV(sum_add_wide)(slopes, power == 1 ? vw_where_nonzero(z, one) : z);
		}
		OF(lanes_put)(lanes, 0, l, sum);
		OF(lanes_put)(lanes, 1, l, slopes);
	}
}

INLINE void OF(sum_hinges_of)(struct lanes *lanes, const struct class_chunk *chunk)
{
	OF(sum_hinges_to)(lanes, chunk, 1);
}
OPERATION(sum_hinges)

INLINE void OF(sum_hinges_2_of)(struct lanes *lanes, const struct class_chunk *chunk)
{
	OF(sum_hinges_to)(lanes, chunk, 2);
}
OPERATION(sum_hinges_2)
