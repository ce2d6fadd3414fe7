/*
 * Sums of exponentials: part of vector_template.h, once for floats and once for doubles.
 *
 * The sum over a row but its maximum, in one pass and without knowing the maximum: in every lane
 * the larger of the maximum so far and the new logit is kept, and the exponential of the smaller
 * one, the loser of the comparison, is added. What the lanes end with are the maxima; all of them
 * but one that holds the row's maximum are added last. So the sum never holds the term 1 from which
 * a confident row's residual could not be separated again.
 *
 * Exponentials are relative to 2^N, N fixed from the first logits, so nothing is subtracted from a
 * logit. A logit more than HEADROOM above N ln2 would leave the number's range: then N is moved and
 * the last classes are done again. One more than RANGE below is replaced by that bound, whose
 * exponential is not worth a bit, and taken out again by `finish` where nothing else is in the sum.
 *
 * Exponentials are added in pairs (one rounding) and then to sums in double: what is added to what
 * depends on the number of classes alone, for whatever lies beside them.
 */

/* The bound below which logits are replaced, and the magic of exponentials, for reference N. */
struct OF(scale) {
	NVEC bound, magic;
};

INLINE struct OF(scale) OF(scale_for)(NVEC reference)
{
	return (struct OF(scale)){
		.bound = NV(subtract)(NV(multiply)(reference, NV(set)((NUMBER)LN_2)),
				      NV(set)(RANGE)),
		.magic = NV(subtract)(NV(set)(MAGIC + OFFSET), reference),
	};
}

/* N for a maximum. */
INLINE NUMBER OF(reference_for)(NUMBER max)
{
	const NUMBER largest = (NUMBER)VECTOR_LARGEST;
	NUMBER bounded = max > largest ? largest : max;
	bounded = bounded > -largest ? bounded : -largest;
	return (bounded * (NUMBER)LOG2_E + MAGIC) - MAGIC;
}

/* The logits up to which exponentials relative to the reference stay in range. */
INLINE NVEC OF(room)(NVEC reference)
{
	return NV(add)(NV(multiply)(reference, NV(set)((NUMBER)LN_2)), NV(set)(HEADROOM));
}

/* The exponential of the smaller of v and the maximum, which becomes the larger one. */
INLINE NVEC OF(loser)(NVEC v, NVEC *max, const struct OF(scale) * scale)
{
	NVEC smaller = NV(min)(*max, v);
	*max = NV(max)(v, *max);
	return NV(exp)(NV(max)(scale->bound, smaller), scale->magic);
}

/* sum 2^k: what falls out of a double's range is nothing, but for NaN. */
static double OF(rescaled_sum)(double sum, double k)
{
	return k < -1000.0 ? 0.0 * sum : sum * power(k);
}

/* ---------------------------------------------------------------- a class a lane */

struct OF(classes) {
	NVEC max[PIECES];
	NV(sum) acc[PIECES];
};

/* Fetches what comes FETCH_BYTES after n elements: the processor's own prefetching stops at pages,
 * and at the end of a row. Beyond the tensor it does nothing. */
#define FETCH_BYTES ((size_t)3072)
INLINE void OF(fetch_ahead)(loss_dtype dtype, const void *x, size_t i, size_t n)
{
	size_t size = NV(bytes)(dtype);
	const char *ahead = (const char *)x + i * size + FETCH_BYTES;
	UNROLL
	for (size_t at = 0; at < n * size; at += 64)
		__builtin_prefetch(ahead + at);
}

/* Adds the losers' exponentials of n vectors, n even and a constant, from index i on. */
INLINE void OF(add_losers)(struct OF(classes) * to, size_t p, const struct OF(scale) * scale,
			   loss_dtype dtype, const void *x, size_t i, size_t n)
{
	NVEC e[8];
	UNROLL
	for (size_t k = 0; k < n; k++)
		e[k] = OF(loser)(NV(load_as)(dtype, x, i + k * LANES), &to->max[p], scale);
	UNROLL
	for (size_t k = 0; k < n; k += 2)
		to->acc[p] = NV(sum_add)(to->acc[p], NV(add)(e[k], e[k + 1]));
}

/* n classes, whole vectors but for the last n % LANES, which are in `rest`. */
INLINE void OF(add_classes)(struct OF(classes) * to, NUMBER reference, loss_dtype dtype,
			    const void *x, size_t n, const NUMBER *rest)
{
	const size_t many = (size_t)8 * LANES, pair = (size_t)2 * LANES;
	struct OF(scale) scale = OF(scale_for)(NV(set)(reference));
	UNROLL
	for (size_t p = 0; p < PIECES; p++) {
		struct OF(classes) own = *to;
		size_t i = p * NATIVE, last = n / LANES * LANES + p * NATIVE;
		for (; i + many <= last; i += many) {
			if (p == 0)
				OF(fetch_ahead)(dtype, x, i, many);
			OF(add_losers)(&own, p, &scale, dtype, x, i, 8);
		}
		for (; i + pair <= last; i += pair) {
			if (p == 0)
				OF(fetch_ahead)(dtype, x, i, pair);
			OF(add_losers)(&own, p, &scale, dtype, x, i, 2);
		}
		if (i < last)
			own.acc[p] = NV(sum_add)(own.acc[p], OF(loser)(NV(load_as)(dtype, x, i),
								       &own.max[p], &scale));
		if (n % LANES != 0)
			own.acc[p] = NV(sum_add)(own.acc[p], OF(loser)(NV(load)(rest + p * NATIVE),
								       &own.max[p], &scale));
		to->max[p] = own.max[p];
		to->acc[p] = own.acc[p];
	}
}

INLINE NUMBER OF(largest)(const struct OF(classes) * state)
{
	NVEC all = NV(set)((NUMBER)-HUGE_VAL);
	UNROLL
	for (size_t p = 0; p < PIECES; p++)
		all = NV(max)(state->max[p], all);
	return NV(largest)(all);
}

INLINE bool OF(fits)(const struct OF(classes) * state, NUMBER reference)
{
	NVEC room = OF(room)(NV(set)(reference));
	unsigned above = 0;
	UNROLL
	for (size_t p = 0; p < PIECES; p++)
		above |= NV(above)(state->max[p], room);
	return __builtin_expect(above == 0, 1);
}

/* The sums, relative to the reference for what `after` has as its maximum; false where there is
 * none higher. */
__attribute__((noinline)) static bool
OF(move_classes)(struct OF(classes) * state, NUMBER *reference, const struct OF(classes) * after)
{
	NUMBER moved = OF(reference_for)(OF(largest)(after));
	if (moved <= *reference)
		return false;
	double factor = power((double)*reference - (double)moved);
	for (size_t p = 0; p < PIECES; p++)
		state->acc[p] = NV(sum_scaled)(state->acc[p], vw_set(factor));
	*reference = moved;
	return true;
}

/* The last n % LANES of n elements, and what is excluded after them. */
INLINE void OF(fill_rest)(loss_dtype dtype, const void *x, size_t n, NUMBER *rest)
{
	size_t whole = n / LANES * LANES;
	NV(load_some)(dtype, (const char *)x + whole * NV(bytes)(dtype), rest, n - whole);
	for (size_t k = n - whole; k < LANES; k++)
		rest[k] = (NUMBER)-HUGE_VAL;
}

/* N for the largest of the first vectors. */
INLINE NUMBER OF(first_reference)(loss_dtype dtype, const void *x, size_t n, const NUMBER *rest)
{
	NVEC all = NV(set)((NUMBER)-HUGE_VAL);
	UNROLL
	for (size_t p = 0; p < PIECES; p++) {
		NVEC v =
			n < LANES ? NV(load)(rest + p * NATIVE) : NV(load_as)(dtype, x, p * NATIVE);
		all = NV(max)(v, all);
	}
	return OF(reference_for)(NV(largest)(all));
}

INLINE void OF(sum_classes_as)(struct lane_state *state, loss_dtype dtype, const void *x, size_t n,
			       bool first)
{
	struct OF(classes) now;
	_Alignas(64) NUMBER rest[LANES];
	NUMBER reference;
	if (n % LANES != 0)
		OF(fill_rest)(dtype, x, n, rest);
	if (first)
		reference = OF(first_reference)(dtype, x, n, rest);
	else
		reference = state->reference.FIELD[0];
	UNROLL
	for (size_t p = 0; p < PIECES; p++) {
		size_t l = p * NATIVE;
		now.max[p] = first ? NV(set)((NUMBER)-HUGE_VAL) : NV(load)(state->max.FIELD + l);
		now.acc[p] = first ? NV(sum_zero)() : NV(sum_of)(state->sum + l, state->lost + l);
	}
	for (size_t i = 0; i < n;) {
		struct OF(classes) before = now;
		size_t left = n - i;
		const void *from = (const char *)x + i * NV(bytes)(dtype);
		if (left >= CLASSES_TOGETHER)
			OF(add_classes)(&now, reference, dtype, from, CLASSES_TOGETHER, rest);
		else
			OF(add_classes)(&now, reference, dtype, from, left, rest);
		if (!OF(fits)(&now, reference) && OF(move_classes)(&before, &reference, &now))
			now = before; /* once more */
		else
			i += left < CLASSES_TOGETHER ? left : CLASSES_TOGETHER;
	}
	UNROLL
	for (size_t p = 0; p < PIECES; p++) {
		NV(store)(state->max.FIELD + p * NATIVE, now.max[p]);
		NV(sum_put)(now.acc[p], state->sum + p * NATIVE, state->lost + p * NATIVE);
	}
	state->reference.FIELD[0] = reference;
}

/* The lanes' sums by halves, the same order everywhere, two lanes at a time. */
INLINE void OF(fold)(double *sum, double *lost)
{
	two s[LANES / 2], l[LANES / 2];
	memcpy(s, sum, sizeof s);
	memcpy(l, lost, IS_WIDE ? sizeof l : 0);
	UNROLL
	for (size_t n = LANES / 4; n >= 1; n /= 2)
		UNROLL
	for (size_t k = 0; k < n; k++) {
		two all = s[k] + s[k + n];
		if (IS_WIDE)
			l[k] += l[k + n] + two_rounding(s[k], s[k + n], all);
		s[k] = all;
	}
	two first = {s[0][0], 0.0}, second = {s[0][1], 0.0}, all = first + second;
	sum[0] = all[0];
	if (IS_WIDE)
		lost[0] = l[0][0] + l[0][1] + two_rounding(first, second, all)[0];
}

/* The maxima but the first that is the row's maximum are losers as well. */
static void OF(fold_classes)(const struct lane_state *state, struct class_sum *row)
{
	NUMBER reference = state->reference.FIELD[0];
	struct OF(scale) scale = OF(scale_for)(NV(set)(reference));
	struct OF(classes) all;
	_Alignas(64) double sum[LANES], lost[LANES];
	unsigned holds = 0;
	UNROLL
	for (size_t p = 0; p < PIECES; p++)
		all.max[p] = NV(load)(state->max.FIELD + p * NATIVE);
	NUMBER max = OF(largest)(&all);
	UNROLL
	for (size_t p = 0; p < PIECES; p++)
		holds |= NV(equal)(all.max[p], NV(set)(max)) << (p * NATIVE);
	unsigned winner = holds ? (unsigned)__builtin_ctz(holds) : LANES - 1;
	UNROLL
	for (size_t p = 0; p < PIECES; p++) {
		size_t l = p * NATIVE;
		NVEC rest = NV(without)(all.max[p], winner - (unsigned)l);
		NVEC e = NV(exp)(NV(max)(scale.bound, rest), scale.magic);
		NV(sum_put)
		(NV(sum_add)(NV(sum_of)(state->sum + l, state->lost + l), e), sum + l, lost + l);
	}
	OF(fold)(sum, lost);
	*row = (struct class_sum){(double)max, (double)reference, sum[0], IS_WIDE ? lost[0] : 0.0};
}

/* Of two parts of a row the smaller maximum is a loser. */
static void OF(add_part)(struct class_sum *row, const struct class_sum *part)
{
	double reference = part->reference > row->reference ? part->reference : row->reference;
	double loser = part->max < row->max ? part->max : row->max;
	struct OF(scale) scale = OF(scale_for)(NV(set)((NUMBER)reference));
	_Alignas(64) NUMBER e[NATIVE];
	NV(store)(e, NV(exp)(NV(max)(scale.bound, NV(set)((NUMBER)loser)), scale.magic));
	double down = row->reference - reference, down_part = part->reference - reference;
	double terms[2] = {OF(rescaled_sum)(part->sum, down_part), (double)e[0]};
	row->sum = OF(rescaled_sum)(row->sum, down);
	row->lost = OF(rescaled_sum)(row->lost, down) + OF(rescaled_sum)(part->lost, down_part);
	for (size_t k = 0; k < 2; k++) {
		two before = {row->sum, 0.0}, term = {terms[k], 0.0}, all = before + term;
		row->lost += IS_WIDE ? two_rounding(before, term, all)[0] : 0.0;
		row->sum = all[0];
	}
	row->max = part->max > row->max ? part->max : row->max;
	row->reference = reference;
}
