/*
 * Sixteen rows side by side, one a lane: part of vector_template.h. For few classes, and for
 * classes that are not contiguous.
 *
 * Classes are taken STEP at a time, after which the maxima are held against the references. Where
 * they were too low, lanes get a new one and take the step again.
 */
#define STEP ((size_t)4)

/* A native vector of rows. `logit` collects the target classes' logits, with y the target less the
 * number of classes taken. */
struct tile_state {
	vf max, reference, logit;
	vi y;
	dlanes acc;
};

/* N for the largest of the first classes: close enough to what follows, most of the time. The first
 * class is the first maximum: it beats nobody. */
__attribute__((always_inline)) static inline vf tile_reference(const vf *v, size_t n)
{
	vf max = vf_set(-VECTOR_LARGEST);
	UNROLL
	for (size_t k = 0; k < n; k++)
		max = vf_max(v[k], max);
	max = vf_min(max, vf_set(VECTOR_LARGEST));
	return (max * vf_set(LOG2_E_F) + vf_set(EXPONENTIAL_MAGIC)) - vf_set(EXPONENTIAL_MAGIC);
}

__attribute__((always_inline)) static inline struct tile_state tile_start(const vf *v, size_t n,
									  vi y)
{
	return (struct tile_state){
		.max = v[0],
		.reference = tile_reference(v, n),
		.logit = vf_select(y == vi_set(0), v[0], vf_set(0.0f)),
		.y = y - vi_set(1),
		.acc = dlanes_zero(),
	};
}

/* Takes n <= STEP classes, n a constant where this is inlined. */
__attribute__((always_inline)) static inline void tile_add(struct tile_state *s, const vf *v,
							   size_t n)
{
	struct scale scale = scale_for(s->reference);
	vf e[STEP];
	UNROLL
	for (size_t k = 0; k < n; k++) {
		s->logit = vf_select(s->y == vi_set((int)k), v[k], s->logit);
		e[k] = loser(v[k], &s->max, &scale);
	}
	UNROLL
	for (size_t k = 0; n == STEP && k < STEP; k += 2)
		s->acc = dlanes_add(s->acc, e[k] + e[k + 1]);
	/* where classes are few, no error averages out */
	UNROLL
	for (size_t k = 0; n < STEP && k < n; k++)
		s->acc = dlanes_add(s->acc, e[k]);
	s->y -= vi_set((int)n);
}

/* The same for an n that is no constant. */
__attribute__((always_inline)) static inline void tile_add_some(struct tile_state *s, const vf *v,
								size_t n)
{
	if (n == STEP)
		tile_add(s, v, STEP);
	else if (n == 3)
		tile_add(s, v, 3);
	else if (n == 2)
		tile_add(s, v, 2);
	else if (n == 1)
		tile_add(s, v, 1);
}

/* The logits up to which exponentials relative to the reference stay in float's range. */
__attribute__((always_inline)) static inline vf tile_room(const struct tile_state *s)
{
	return s->reference * vf_set(LN2) + vf_set(HEADROOM);
}

/* Gives the lanes whose maximum is going to be too large a new reference. */
__attribute__((noinline)) static void tile_move(struct tile_state *s, const vf *max)
{
	float now[NATIVE], room[NATIVE], reference[NATIVE];
	double sum[NATIVE];
	vf_store(now, *max);
	vf_store(room, tile_room(s));
	vf_store(reference, s->reference);
	dlanes_store(sum, s->acc);
	for (size_t l = 0; l < NATIVE; l++) {
		if (!(now[l] > room[l]))
			continue;
		float moved = reference_for(now[l]);
		sum[l] *= power((double)reference[l] - (double)moved);
		reference[l] = moved;
	}
	s->reference = vf_load(reference);
	s->acc = dlanes_load(sum);
}

__attribute__((noinline)) static void tile_again(struct tile_state *s, const vf *max, const vf *v,
						 size_t n)
{
	tile_move(s, max);
	tile_add_some(s, v, n);
}

/* Takes n <= STEP classes. */
__attribute__((always_inline)) static inline void tile_step(struct tile_state *s, const vf *v,
							    size_t n)
{
	struct tile_state before = *s;
	tile_add_some(s, v, n);
	if (__builtin_expect(vf_any(s->max > tile_room(s)), 0)) {
		struct tile_state again = before;
		vf max = s->max, classes[STEP] = {0};
		for (size_t k = 0; k < n; k++)
			classes[k] = v[k];
		tile_again(&again, &max, classes, n);
		*s = again;
	}
}

/* The first n <= STEP classes. */
__attribute__((always_inline)) static inline struct tile_state tile_first(const vf *v, size_t n,
									  vi y)
{
	struct tile_state s = tile_start(v, n, y);
	tile_step(&s, v + 1, n - 1);
	return s;
}

/* Piece p of a group. */
__attribute__((always_inline)) static inline void tile_store(struct row_group *group,
							     struct row_targets *targets, size_t p,
							     const struct tile_state *s)
{
	size_t at = p * NATIVE;
	vf_store(group->max + at, s->max);
	vf_store(group->reference + at, s->reference);
	dlanes_store(group->sum + at, s->acc);
	if (targets)
		vf_store(targets->logit + at, s->logit);
}

__attribute__((always_inline)) static inline vi tile_targets(const struct row_targets *targets,
							     size_t p)
{
	vi y = vi_set(-1);
	if (targets)
		memcpy(&y, targets->class + p * NATIVE, sizeof y);
	return y;
}

/* After `taken` classes. */
__attribute__((always_inline)) static inline struct tile_state
tile_load(const struct row_group *group, const struct row_targets *targets, size_t p, size_t taken)
{
	size_t at = p * NATIVE;
	return (struct tile_state){
		.max = vf_load(group->max + at),
		.reference = vf_load(group->reference + at),
		.logit = targets ? vf_load(targets->logit + at) : vf_set(0.0f),
		.y = tile_targets(targets, p) - vi_set((int)taken),
		.acc = dlanes_load(group->sum + at),
	};
}

/* ---------------------------------------------------------------- positions: as they lie */

#define VISIT (2 * STEP) /* classes that are taken of all groups before the next */

/* Classes [c, c + n) of the rows at index `at`, n <= STEP. */
__attribute__((always_inline)) static inline void
load_positions(const struct positions *all, loss_dtype dtype, size_t c, size_t at, size_t n, vf *v)
{
	UNROLL
	for (size_t k = 0; k < STEP; k++)
		v[k] = k < n ? load_lanes(dtype, all->x, (c + k) * all->stride + at) : vf_set(0.0f);
}

/* Classes [c, c + n) of piece p of a group, whose rows are at index `at`. */
__attribute__((always_inline)) static inline void
visit(struct row_group *group, struct row_targets *targets, const struct positions *all,
      loss_dtype dtype, size_t c, size_t at, size_t p, size_t n)
{
	vf v[STEP];
	struct tile_state s;
	size_t few = n < STEP ? n : STEP;
	load_positions(all, dtype, c, at, few, v);
	if (c == 0 && all->first == 0) {
		s = tile_first(v, few, tile_targets(targets, p));
	} else {
		s = tile_load(group, targets, p, all->first + c);
		tile_step(&s, v, few);
	}
	if (n > STEP) {
		load_positions(all, dtype, c + STEP, at, n - STEP, v);
		tile_step(&s, v, n - STEP);
	}
	tile_store(group, targets, p, &s);
}

/* What is visited after classes [c, c + n): the next ones, or the first ones of the next rows. */
struct visited_next {
	const char *x;
	size_t stride, n;
};

__attribute__((always_inline)) static inline struct visited_next
visited_next(const struct positions *all, loss_dtype dtype, size_t c, size_t n)
{
	size_t size = dtype == LOSS_F32 ? 4 : 2;
	size_t left = all->classes - c - n;
	size_t at = left > 0 ? (c + n) * all->stride : all->groups * LANES;
	size_t most = left > 0 ? left : all->classes;
	return (struct visited_next){.x = (const char *)all->x + at * size,
				     .stride = all->stride * size,
				     .n = !all->fetch    ? 0
					  : most < VISIT ? most
							 : VISIT};
}

/*
 * VISIT classes of all groups before the next: distances between classes are often such that more
 * of them would fall into the same few places of a cache. For that reason what is fetched ahead
 * comes after what has been used.
 */
__attribute__((always_inline)) static inline void sum_positions(struct row_group *groups,
								struct row_targets *targets,
								const struct positions *all,
								loss_dtype dtype)
{
	size_t size = dtype == LOSS_F32 ? 4 : 2;
	for (size_t c = 0; c < all->classes; c += VISIT) {
		size_t n = all->classes - c < VISIT ? all->classes - c : VISIT;
		struct visited_next next = visited_next(all, dtype, c, n);
		for (size_t g = 0; g < all->groups; g++) {
			struct row_targets *t = targets ? targets + g : NULL;
			for (size_t p = 0; p < PIECES; p++) {
				size_t at = g * LANES + p * NATIVE;
				if (n == VISIT)
					visit(groups + g, t, all, dtype, c, at, p, VISIT);
				else
					visit(groups + g, t, all, dtype, c, at, p, n);
			}
			for (size_t k = 0; k < next.n; k++)
				__builtin_prefetch(next.x + k * next.stride + g * LANES * size);
		}
	}
}

static void ISA(positions_sum)(struct row_group *groups, struct row_targets *targets,
			       const struct positions *all)
{
	if (all->dtype == LOSS_F32)
		sum_positions(groups, targets, all, LOSS_F32);
	else if (all->dtype == LOSS_BF16)
		sum_positions(groups, targets, all, LOSS_BF16);
	else
		sum_positions(groups, targets, all, LOSS_F16);
}

/* ---------------------------------------------------------------- rows of few classes */

#if NATIVE == 16
/* Eight floats from each address. */
__attribute__((always_inline)) static inline vf vf_join(const float *low, const float *high)
{
	__m512d v = _mm512_castps_pd(_mm512_castps256_ps512(_mm256_loadu_ps(low)));
	return (vf)_mm512_insertf64x4(v, _mm256_castps_pd(_mm256_loadu_ps(high)), 1);
}
#endif

/* Four floats of every fourth row, from row 0 of x on. */
__attribute__((always_inline)) static inline vf every_fourth(const float *x, size_t row)
{
#if NATIVE == 16
	__m512 v = _mm512_castps128_ps512(_mm_loadu_ps(x));
	v = _mm512_mask_broadcast_f32x4(v, 0x00f0, _mm_loadu_ps(x + 4 * row));
	v = _mm512_mask_broadcast_f32x4(v, 0x0f00, _mm_loadu_ps(x + 8 * row));
	return (vf)_mm512_mask_broadcast_f32x4(v, 0xf000, _mm_loadu_ps(x + 12 * row));
#elif NATIVE == 8
	__m256 v = _mm256_castps128_ps256(_mm_loadu_ps(x));
	return (vf)_mm256_insertf128_ps(v, _mm_loadu_ps(x + 4 * row), 1);
#else
	(void)row;
	return vf_load(x);
#endif
}

/* In every 128 bits: the lower or upper halves, by floats or by pairs of them, a's before b's. */
#if NATIVE == 16
#define LOWER(a, b) ((vf)_mm512_unpacklo_ps((__m512)(a), (__m512)(b)))
#define UPPER(a, b) ((vf)_mm512_unpackhi_ps((__m512)(a), (__m512)(b)))
#define LOWER_PAIR(a, b) ((vf)_mm512_unpacklo_pd((__m512d)(a), (__m512d)(b)))
#define UPPER_PAIR(a, b) ((vf)_mm512_unpackhi_pd((__m512d)(a), (__m512d)(b)))
#elif NATIVE == 8
#define LOWER(a, b) ((vf)_mm256_unpacklo_ps((__m256)(a), (__m256)(b)))
#define UPPER(a, b) ((vf)_mm256_unpackhi_ps((__m256)(a), (__m256)(b)))
#define LOWER_PAIR(a, b) ((vf)_mm256_unpacklo_pd((__m256d)(a), (__m256d)(b)))
#define UPPER_PAIR(a, b) ((vf)_mm256_unpackhi_pd((__m256d)(a), (__m256d)(b)))
#else
#define LOWER(a, b) __builtin_shufflevector(a, b, 0, 4, 1, 5)
#define UPPER(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#define LOWER_PAIR(a, b) __builtin_shufflevector(a, b, 0, 1, 4, 5)
#define UPPER_PAIR(a, b) __builtin_shufflevector(a, b, 2, 3, 6, 7)
#endif

/* Four vectors of quads from four rows become four classes; the other way round as well. */
__attribute__((always_inline)) static inline void transpose_quads(vf *v)
{
	vf ab_low = LOWER(v[0], v[1]), ab_high = UPPER(v[0], v[1]);
	vf cd_low = LOWER(v[2], v[3]), cd_high = UPPER(v[2], v[3]);
	v[0] = LOWER_PAIR(ab_low, cd_low);
	v[1] = UPPER_PAIR(ab_low, cd_low);
	v[2] = LOWER_PAIR(ab_high, cd_high);
	v[3] = UPPER_PAIR(ab_high, cd_high);
}

/* Four classes of NATIVE rows, `row` floats apart. */
__attribute__((always_inline)) static inline void load_classes(const float *x, size_t row, vf *v)
{
	UNROLL
	for (size_t k = 0; k < 4; k++)
		v[k] = every_fourth(x + k * row, row);
	transpose_quads(v);
}

/* NATIVE rows of fewer than four classes, contiguous. */
__attribute__((always_inline)) static inline void load_few(const float *x, size_t n, vf *v)
{
	float lanes[NATIVE];
	for (size_t k = 0; k < n; k++) {
		for (size_t l = 0; l < NATIVE; l++)
			lanes[l] = x[l * n + k];
		v[k] = vf_load(lanes);
	}
}

/* Eight classes of NATIVE rows. */
__attribute__((always_inline)) static inline void load_eight(const float *x, size_t row, vf *v)
{
#if NATIVE == 16
	/* Rows k and 4 + k side by side, and rows 8 + k and 12 + k: after the transposition every
	 * vector has two classes, four lanes apart. */
	vf low[4], high[4];
	UNROLL
	for (size_t k = 0; k < 4; k++) {
		const float *at = x + k * row;
		low[k] = vf_join(at, at + 4 * row);
		high[k] = vf_join(at + 8 * row, at + 12 * row);
	}
	transpose_quads(low);
	transpose_quads(high);
	UNROLL
	for (size_t k = 0; k < 4; k++) {
		__m512 a = (__m512)low[k], b = (__m512)high[k];
		v[k] = (vf)_mm512_shuffle_f32x4(a, b, 0x88);
		v[k + 4] = (vf)_mm512_shuffle_f32x4(a, b, 0xdd);
	}
#else
	load_classes(x, row, v);
	load_classes(x + 4, row, v + 4);
#endif
}

/* The last n < STEP of NATIVE rows of contiguous classes. */
__attribute__((always_inline)) static inline void load_last(const float *x, size_t classes,
							    size_t n, vf *v)
{
	vf last[STEP];
	load_classes(x + classes - STEP, classes, last);
	UNROLL
	for (size_t k = 0; k < STEP - 1; k++)
		v[k] = n == 3 ? last[k + 1] : n == 2 ? last[k < 1 ? 2 : 3] : last[3];
}

/* NATIVE rows of fewer than STEP classes. */
__attribute__((always_inline)) static inline struct tile_state sum_short_rows(const float *x,
									      size_t classes, vi y)
{
	vf v[STEP] = {0};
	load_few(x, classes, v);
	return tile_first(v, classes, y);
}

/* NATIVE rows of STEP contiguous classes or more. */
__attribute__((always_inline)) static inline struct tile_state sum_rows(const float *x,
									size_t classes, vi y)
{
	vf v[2 * STEP];
	struct tile_state s;
	size_t c = STEP;
	if (classes < 2 * STEP) {
		load_classes(x, classes, v);
		s = tile_first(v, STEP, y);
	} else {
		load_eight(x, classes, v);
		s = tile_first(v, STEP, y);
		tile_step(&s, v + STEP, STEP);
		c += STEP;
	}
	for (; c + 2 * STEP <= classes; c += 2 * STEP) {
		load_eight(x + c, classes, v);
		tile_step(&s, v, STEP);
		tile_step(&s, v + STEP, STEP);
	}
	if (c + STEP <= classes) {
		load_classes(x + c, classes, v);
		tile_step(&s, v, STEP);
		c += STEP;
	}
	if (c < classes) {
		load_last(x, classes, classes - c, v);
		tile_step(&s, v, classes - c);
	}
	return s;
}

#define ROWS_AHEAD ((size_t)8) /* groups whose memory is fetched meanwhile */

typedef struct tile_state sum_rows_fn(const float *x, size_t classes, vi y);

__attribute__((always_inline)) static inline void sum_groups(struct row_group *groups,
							     struct row_targets *targets,
							     size_t n_groups, const float *x,
							     size_t classes, sum_rows_fn *sum)
{
	for (size_t g = 0; g < n_groups; g++) {
		struct row_targets *t = targets ? targets + g : NULL;
		const float *ahead = x + (g + ROWS_AHEAD) * LANES * classes;
		for (size_t c = 0; c < classes; c++)
			__builtin_prefetch(ahead + c * LANES);
		for (size_t p = 0; p < PIECES; p++) {
			const float *rows = x + (g * LANES + p * NATIVE) * classes;
			struct tile_state s = sum(rows, classes, tile_targets(t, p));
			tile_store(groups + g, t, p, &s);
		}
	}
}

static void ISA(rows_sum)(struct row_group *groups, struct row_targets *targets, size_t n_groups,
			  const float *x, size_t classes)
{
	if (classes < STEP)
		sum_groups(groups, targets, n_groups, x, classes, sum_short_rows);
	else
		sum_groups(groups, targets, n_groups, x, classes, sum_rows);
}
