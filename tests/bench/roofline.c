#include "roofline.h"

#include <math.h>

#define CACHED_FLOATS ((size_t)4096)
/* Of a way in a round: there are many of them. */
#define WAY_SECONDS 0.02

/* Keeps results alive. */
static volatile float sink;

/* One way of a case, by some of the threads. */
struct pass {
	const struct roofline_case *what;
	const struct probe_way *way;
	int threads;
};

static enum probe_work exponentials_of(const struct roofline_case *what)
{
	return what->doubles ? PROBE_EXPONENTIALS_F64 : PROBE_EXPONENTIALS;
}

static size_t slice_floats(const struct roofline_case *what)
{
	return what->pool->slice_bytes / sizeof(float) / PROBE_CHUNK * PROBE_CHUNK;
}

/* The floats [*first, *first + n) of a slice that belong to one of the threads. */
static size_t part(const struct pass *pass, int thread, size_t *first)
{
	size_t chunks = slice_floats(pass->what) / PROBE_CHUNK, threads = (size_t)pass->threads;
	size_t from = chunks * (size_t)thread / threads;
	*first = from * PROBE_CHUNK;
	return (chunks * ((size_t)thread + 1) / threads - from) * PROBE_CHUNK;
}

/* Over the next slice; what is copied goes to the pool's copy. */
static void walk_slice(void *context)
{
	const struct pass *pass = context;
	const float *x = pool_next(pass->what->pool);
	float *to = pass->what->pool->copy;
#pragma omp parallel for num_threads(pass->threads) schedule(static, 1)
	for (int thread = 0; thread < pass->threads; thread++) {
		size_t first, n = part(pass, thread, &first);
		sink = pass->way->pass(x + first, to + first, n);
	}
}

/* As many numbers as a slice has elements; the copy's memory is their place. */
static void walk_cached(void *context)
{
	const struct pass *pass = context;
	float *x = pass->what->pool->copy;
	size_t floats = pass->what->elements * (pass->what->doubles ? 2 : 1);
	size_t share = floats / (size_t)pass->threads;
#pragma omp parallel for num_threads(pass->threads) schedule(static, 1)
	for (int thread = 0; thread < pass->threads; thread++) {
		float sum = 0.0f;
		size_t n = share;
		for (; n >= CACHED_FLOATS; n -= CACHED_FLOATS)
			sum += pass->way->pass(x, x, CACHED_FLOATS);
		sink = sum + pass->way->pass(x, x, n / PROBE_CHUNK * PROBE_CHUNK);
	}
}

/* One round of every way of some work. */
static void measure_ways(const struct pass *pass, enum probe_work work, void (*walk)(void *),
			 struct ways *ways, size_t round)
{
	const struct probe_way *all = pass->what->probe->ways[work];
	/* With a gradient each number is visited twice by exponentials, and once by a copy. */
	double visits = walk == walk_cached && pass->what->grad ? 2.0 : 1.0;
	for (size_t i = 0; i < PROBE_WAYS && all[i].name; i++) {
		struct pass this = {pass->what, &all[i], pass->threads};
		const struct way way = {.name = all[i].name, .threads = pass->threads};
		ways_record(ways, &way, round, visits * time_call_for(walk, &this, WAY_SECONDS));
	}
}

void roofline_sweep(const struct roofline_case *what, struct ways *swept, size_t round)
{
	const struct pass all = {.what = what, .threads = what->threads};
	measure_ways(&all, exponentials_of(what), walk_slice, swept, round);
}

void roofline_round(const struct roofline_case *what, struct roofline *roofline, size_t round)
{
	const struct pass all = {.what = what, .threads = what->threads};
	const struct pass half = {.what = what, .threads = what->threads / 2};
	enum probe_work moved = what->grad ? PROBE_COPY : PROBE_READ;
	measure_ways(&all, moved, walk_slice, &roofline->memory, round);
	if (half.threads > 0)
		measure_ways(&half, moved, walk_slice, &roofline->memory, round);
	measure_ways(&all, exponentials_of(what), walk_cached, &roofline->exponentials, round);
	roofline_sweep(what, &roofline->swept, round);
}

double roofline_limit(const struct roofline *roofline, size_t rounds)
{
	double memory, exponentials;
	ways_best(&roofline->memory, rounds, &memory);
	ways_best(&roofline->exponentials, rounds, &exponentials);
	return fmax(memory, exponentials);
}
