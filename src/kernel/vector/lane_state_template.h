/*
 * Sums of exponentials (sums_template.h) of sixteen rows side by side, one a lane: part of
 * vector_template.h, once for floats and once for doubles. And the entries to both kinds.
 */

/*
 * Classes are taken STEP at a time, after which the maxima are held against the references. Where
 * they were too low, lanes get a new one and take the step again.
 */
#define STEP ((size_t)4)
#define VISIT (2 * STEP) /* classes that are taken of all groups before the next, from memory */

/* A native vector of rows. */
struct OF(lane) {
	NVEC max, reference;
	NV(sum) acc;
};

/* N for the largest of the first classes: close enough to what follows, most of the time. The first
 * class is the first maximum: it beats nobody. */
INLINE struct OF(lane) OF(lane_start)(const NVEC *v, size_t n)
{
	const NVEC largest = NV(set)((NUMBER)VECTOR_LARGEST), magic = NV(set)(MAGIC);
	NVEC max = NV(set)((NUMBER)-VECTOR_LARGEST);
	UNROLL
	for (size_t k = 0; k < n; k++)
		max = NV(max)(v[k], max);
	max = NV(multiply)(NV(min)(max, largest), NV(set)((NUMBER)LOG2_E));
	return (struct OF(lane)){
		.max = v[0],
		.reference = NV(subtract)(NV(add)(max, magic), magic),
		.acc = NV(sum_zero)(),
	};
}

/* Takes n <= STEP classes, n a constant where this is inlined. Where classes are few, no error
 * averages out: what is no whole step is added one by one. */
INLINE void OF(lane_add)(struct OF(lane) * s, const NVEC *v, size_t n)
{
	struct OF(scale) scale = OF(scale_for)(s->reference);
	NVEC e[STEP];
	UNROLL
	for (size_t k = 0; k < n; k++)
		e[k] = OF(loser)(v[k], &s->max, &scale);
	UNROLL
	for (size_t k = 0; n == STEP && k < STEP; k += 2)
		s->acc = NV(sum_add)(s->acc, NV(add)(e[k], e[k + 1]));
	UNROLL
	for (size_t k = 0; n < STEP && k < n; k++)
		s->acc = NV(sum_add)(s->acc, e[k]);
}

/* The same for an n that is no constant. */
INLINE void OF(lane_add_some)(struct OF(lane) * s, const NVEC *v, size_t n)
{
	if (n == STEP)
		OF(lane_add)(s, v, STEP);
	else if (n == 3)
		OF(lane_add)(s, v, 3);
	else if (n == 2)
		OF(lane_add)(s, v, 2);
	else if (n == 1)
		OF(lane_add)(s, v, 1);
}

/* Gives the lanes whose maximum is going to be too large a new reference. */
__attribute__((noinline)) static void OF(lane_move)(struct OF(lane) * s, const NVEC *max)
{
	NUMBER now[NATIVE], room[NATIVE], reference[NATIVE];
	double sum[NATIVE], lost[NATIVE] = {0};
	NV(store)(now, *max);
	NV(store)(room, OF(room)(s->reference));
	NV(store)(reference, s->reference);
	NV(sum_put)(s->acc, sum, lost);
	for (size_t l = 0; l < NATIVE; l++) {
		if (!(now[l] > room[l]))
			continue;
		NUMBER moved = OF(reference_for)(now[l]);
		double factor = power((double)reference[l] - (double)moved);
		sum[l] *= factor;
		lost[l] *= factor;
		reference[l] = moved;
	}
	s->reference = NV(load)(reference);
	s->acc = NV(sum_of)(sum, lost);
}

__attribute__((noinline)) static void OF(lane_again)(struct OF(lane) * s, const NVEC *max,
						     const NVEC *v, size_t n)
{
	OF(lane_move)(s, max);
	OF(lane_add_some)(s, v, n);
}

/* Takes n <= STEP classes. */
INLINE void OF(lane_step)(struct OF(lane) * s, const NVEC *v, size_t n)
{
	struct OF(lane) before = *s;
	OF(lane_add_some)(s, v, n);
	if (__builtin_expect(NV(above)(s->max, OF(room)(s->reference)) != 0, 0)) {
		struct OF(lane) again = before;
		NVEC max = s->max, classes[STEP];
		for (size_t k = 0; k < STEP; k++)
			classes[k] = k < n ? v[k] : NV(set)((NUMBER)0);
		OF(lane_again)(&again, &max, classes, n);
		*s = again;
	}
}

/* n <= STEP classes from class c on of the rows at index `at`; the first ones start the lanes. */
INLINE void OF(lane_take)(struct OF(lane) * s, const struct lane_classes *all, loss_dtype dtype,
			  size_t c, size_t at, size_t n)
{
	NVEC v[STEP + 1]; /* one more, which no step takes */
	UNROLL
	for (size_t k = 0; k <= STEP; k++)
		v[k] = k < n ? NV(load_as)(dtype, all->x, (c + k) * all->stride + at)
			     : NV(set)((NUMBER)0);
	if (c > 0) {
		OF(lane_step)(s, v, n);
		return;
	}
	*s = OF(lane_start)(v, n);
	OF(lane_step)(s, v + 1, n - 1);
}

INLINE void OF(lane_put)(struct lane_state *state, size_t l, const struct OF(lane) * s)
{
	NV(store)(state->max.FIELD + l, s->max);
	NV(store)(state->reference.FIELD + l, s->reference);
	NV(sum_put)(s->acc, state->sum + l, state->lost + l);
}

INLINE struct OF(lane) OF(lane_of)(const struct lane_state *state, size_t l)
{
	return (struct OF(lane)){
		.max = NV(load)(state->max.FIELD + l),
		.reference = NV(load)(state->reference.FIELD + l),
		.acc = NV(sum_of)(state->sum + l, state->lost + l),
	};
}

/* Groups whose classes are in a cache: one after the other. */
INLINE void OF(sum_groups)(struct lane_state *states, const struct lane_classes *all,
			   loss_dtype dtype)
{
	for (size_t g = 0; g < all->groups; g++)
		for (size_t l = 0; l < LANES; l += NATIVE) {
			size_t at = g * all->group_step + l, c = STEP;
			struct OF(lane) s;
			OF(lane_take)
			(&s, all, dtype, 0, at, all->classes < STEP ? all->classes : STEP);
			for (; c + STEP <= all->classes; c += STEP)
				OF(lane_take)(&s, all, dtype, c, at, STEP);
			if (c < all->classes)
				OF(lane_take)(&s, all, dtype, c, at, all->classes - c);
			OF(lane_put)(states + g, l, &s);
		}
}

/* Classes [c, c + n) of piece `l` of a group, whose rows are at index `at`. */
INLINE void OF(visit)(struct lane_state *state, const struct lane_classes *all, loss_dtype dtype,
		      size_t c, size_t at, size_t l, size_t n)
{
	struct OF(lane) s;
	size_t few = n < STEP ? n : STEP;
	if (c > 0)
		s = OF(lane_of)(state, l);
	OF(lane_take)(&s, all, dtype, c, at, few);
	if (n > STEP)
		OF(lane_take)(&s, all, dtype, c + STEP, at, n - STEP);
	OF(lane_put)(state, l, &s);
}

/*
 * VISIT classes of all groups before the next: distances between classes are often such that more
 * of them would fall into the same few places of a cache. For that reason what is fetched ahead,
 * the next classes or the first ones of the next groups, comes after what has been used.
 */
INLINE void OF(sum_from_memory)(struct lane_state *states, const struct lane_classes *all,
				loss_dtype dtype)
{
	size_t size = NV(bytes)(dtype);
	for (size_t c = 0; c < all->classes; c += VISIT) {
		size_t n = all->classes - c < VISIT ? all->classes - c : VISIT;
		size_t left = all->classes - c - n, most = left > 0 ? left : all->classes;
		size_t next = left > 0 ? (c + n) * all->stride : all->groups * all->group_step;
		const char *ahead = (const char *)all->x + next * size;
		for (size_t g = 0; g < all->groups; g++) {
			for (size_t l = 0; l < LANES; l += NATIVE) {
				size_t at = g * all->group_step + l;
				if (n == VISIT)
					OF(visit)(states + g, all, dtype, c, at, l, VISIT);
				else
					OF(visit)(states + g, all, dtype, c, at, l, n);
			}
			for (size_t k = 0; k < VISIT && k < most; k++)
				__builtin_prefetch(ahead +
						   (k * all->stride + g * all->group_step) * size);
		}
	}
}

INLINE void OF(sum_lanes_as)(struct lane_state *states, const struct lane_classes *all,
			     loss_dtype dtype)
{
	if (all->fetch)
		OF(sum_from_memory)(states, all, dtype);
	else
		OF(sum_groups)(states, all, dtype);
}

#if IS_WIDE
static void OF(sum_lanes)(struct lane_state *states, const struct lane_classes *all)
{
	OF(sum_lanes_as)(states, all, LOSS_F64);
}

static void OF(sum_classes)(struct lane_state *state, loss_dtype dtype, const void *x, size_t n,
			    bool first)
{
	(void)dtype;
	OF(sum_classes_as)(state, LOSS_F64, x, n, first);
}
#else
static void OF(sum_lanes)(struct lane_state *states, const struct lane_classes *all)
{
	if (all->dtype == LOSS_BF16)
		OF(sum_lanes_as)(states, all, LOSS_BF16);
	else if (all->dtype == LOSS_F16)
		OF(sum_lanes_as)(states, all, LOSS_F16);
	else
		OF(sum_lanes_as)(states, all, LOSS_F32);
}

static void OF(sum_classes)(struct lane_state *state, loss_dtype dtype, const void *x, size_t n,
			    bool first)
{
	if (dtype == LOSS_BF16)
		OF(sum_classes_as)(state, LOSS_BF16, x, n, first);
	else if (dtype == LOSS_F16)
		OF(sum_classes_as)(state, LOSS_F16, x, n, first);
	else
		OF(sum_classes_as)(state, LOSS_F32, x, n, first);
}
#endif
