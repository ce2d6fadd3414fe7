/*
 * Long rows, classes contiguous: part of vector_template.h.
 *
 * What is beyond whole vectors comes first, as the first maxima: no loser is among them. Then the
 * row is walked in blocks, after each of which the maxima are held against the reference.
 */

struct row_state {
	vf max[PIECES];
	dlanes acc[PIECES];
};

/* Fetches what comes FETCH_BYTES after n elements: the processor's own prefetching stops at pages,
 * and at the end of a row. Beyond the tensor it does nothing. */
#define FETCH_BYTES ((size_t)3072)
__attribute__((always_inline)) static inline void fetch_ahead(loss_dtype dtype, const void *x,
							      size_t i, size_t n)
{
	size_t size = dtype == LOSS_F32 ? 4 : 2;
	const char *ahead = (const char *)x + i * size + FETCH_BYTES;
	UNROLL
	for (size_t at = 0; at < n * size; at += 64)
		__builtin_prefetch(ahead + at);
}

__attribute__((always_inline)) static inline void add_block(struct row_state *state,
							    float reference, loss_dtype dtype,
							    const void *x, size_t first, size_t end)
{
	struct scale scale = scale_for(vf_set(reference));
	UNROLL
	for (size_t p = 0; p < PIECES; p++) {
		vf max = state->max[p];
		dlanes acc = state->acc[p];
		size_t i = first + p * NATIVE, last = end + p * NATIVE;
		for (; i + CHUNK <= last; i += CHUNK) {
			if (p == 0)
				fetch_ahead(dtype, x, i, CHUNK);
			acc = losers_of(8, acc, dtype, x, i, LANES, &max, &scale);
		}
		for (; i + PAIR <= last; i += PAIR) {
			if (p == 0)
				fetch_ahead(dtype, x, i, PAIR);
			acc = losers_of(2, acc, dtype, x, i, LANES, &max, &scale);
		}
		if (i < last)
			acc = dlanes_add(acc, loser(load_lanes(dtype, x, i), &max, &scale));
		state->max[p] = max;
		state->acc[p] = acc;
	}
}

static inline float reference_for(float max)
{
	float bounded = max > VECTOR_LARGEST ? VECTOR_LARGEST : max;
	bounded = bounded > -VECTOR_LARGEST ? bounded : -VECTOR_LARGEST;
	return (bounded * LOG2_E_F + EXPONENTIAL_MAGIC) - EXPONENTIAL_MAGIC;
}

/* 2^k, 0 far below. */
static double power(double k)
{
	uint64_t bits = k < -1000.0 ? 0 : (uint64_t)(int64_t)(k + 1023.0) << 52;
	double value;
	memcpy(&value, &bits, sizeof value);
	return value;
}

/* The largest of all lanes; -infinity where they are all NaN. */
__attribute__((always_inline)) static inline float largest(const struct row_state *state)
{
	vf all = vf_set(-__builtin_inff());
	UNROLL
	for (size_t p = 0; p < PIECES; p++)
		all = vf_max(state->max[p], all);
	return vf_largest(all);
}

/* The sums, relative to the reference for max. */
__attribute__((noinline)) static float rereference(struct row_state *state, float reference,
						   float max)
{
	float moved = reference_for(max);
	double factor = power((double)reference - (double)moved);
	for (size_t p = 0; p < PIECES; p++)
		state->acc[p] = dlanes_scaled(state->acc[p], factor);
	return moved;
}

/* The maxima but the first that is the row's maximum are losers as well. */
__attribute__((always_inline)) static inline void add_maxima(struct row_state *state,
							     float reference, float max)
{
	struct scale scale = scale_for(vf_set(reference));
	unsigned holds = 0;
	UNROLL
	for (size_t p = 0; p < PIECES; p++)
		holds |= vf_bits(state->max[p] == vf_set(max)) << (p * NATIVE);
	int winner = holds ? __builtin_ctz(holds) : LANES - 1;
	UNROLL
	for (size_t p = 0; p < PIECES; p++) {
		vi is_winner = vi_lanes((int)(p * NATIVE)) == vi_set(winner);
		vf rest = vf_select(is_winner, vf_set(-__builtin_inff()), state->max[p]);
		state->acc[p] =
			dlanes_add(state->acc[p], vf_exp(vf_max(scale.bound, rest), scale.magic));
	}
}

/* Lanes 0, 8, 4, 12, 2, 10, 6, 14, then the odd ones likewise, as a tree. */
__attribute__((always_inline)) static inline double sum_lanes(const struct row_state *state)
{
	double acc[LANES];
	UNROLL
	for (size_t p = 0; p < PIECES; p++)
		dlanes_store(acc + p * NATIVE, state->acc[p]);
	typedef double two __attribute__((vector_size(16)));
	two pair[LANES / 2];
	memcpy(pair, acc, sizeof acc);
	UNROLL
	for (size_t n = LANES / 4; n >= 1; n /= 2)
		for (size_t l = 0; l < n; l++)
			pair[l] += pair[l + n];
	return pair[0][0] + pair[0][1];
}

/* n elements from i on, n at most LANES, as the first maxima: -infinity in the other lanes. */
__attribute__((always_inline)) static inline void
first_maxima(struct row_state *state, loss_dtype dtype, const void *x, size_t n)
{
	UNROLL
	for (size_t p = 0; p < PIECES; p++) {
		vi inside = vi_lanes((int)(p * NATIVE)) < vi_set((int)n);
		state->max[p] = vf_select(inside, load_lanes(dtype, x, p * NATIVE),
					  vf_set(-__builtin_inff()));
		state->acc[p] = dlanes_zero();
	}
}

/* Where elements [i, i + n) are for the kernel, and from which index on: types without lanes of
 * their own are made floats in the buffer. */
__attribute__((always_inline)) static inline const void *
block_of(loss_dtype dtype, const void *x, size_t n, size_t *i, float *buffer)
{
	if (vector_has_lanes(dtype))
		return x;
	ISA(load)(dtype, (const unsigned char *)x + *i, buffer, n);
	*i = 0;
	return buffer;
}

/* n >= LANES classes. */
__attribute__((always_inline)) static inline void sum_row(struct row_group *group, size_t lane,
							  loss_dtype dtype, const void *x, size_t n)
{
	loss_dtype lanes = vector_has_lanes(dtype) ? dtype : LOSS_F32;
	_Alignas(64) float buffer[BLOCK];
	struct row_state state;
	size_t head = (n - 1) % LANES + 1, at = 0;
	const void *from = block_of(dtype, x, LANES, &at, buffer);
	first_maxima(&state, lanes, from, head);
	float max = largest(&state);
	float reference = reference_for(max);
	size_t end;
	for (size_t i = head; i < n; i = end) {
		struct row_state before = state;
		end = n - i < BLOCK ? n : i + BLOCK;
		at = i;
		from = block_of(dtype, x, end - i, &at, buffer);
		add_block(&state, reference, lanes, from, at, at + (end - i));
		max = largest(&state);
		if (max <= reference * LN2 + HEADROOM || reference >= reference_for(VECTOR_LARGEST))
			continue;
		reference = rereference(&before, reference, max);
		state = before;
		end = i; /* once more */
	}
	add_maxima(&state, reference, max);
	group->max[lane] = max;
	group->reference[lane] = reference;
	group->sum[lane] = sum_lanes(&state);
}

static void ISA(row_sum)(struct row_group *group, size_t lane, loss_dtype dtype, const void *x,
			 size_t n)
{
	_Alignas(64) float few[LANES] = {0};
	if (n < LANES) { /* all of it is the head */
		load_floats(dtype, x, n, few);
		x = few;
		dtype = LOSS_F32;
	}
	switch (dtype) {
	case LOSS_F32:
		sum_row(group, lane, LOSS_F32, x, n);
		break;
	case LOSS_BF16:
		sum_row(group, lane, LOSS_BF16, x, n);
		break;
	case LOSS_F16:
		sum_row(group, lane, LOSS_F16, x, n);
		break;
	default:
		sum_row(group, lane, dtype, x, n);
	}
}
