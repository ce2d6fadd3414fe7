#include "roofline.h"

#include "timing.h"

#define CACHED_FLOATS ((size_t)4096)

/* Keeps results alive. */
static volatile float sink;

static size_t slice_floats(const struct roofline_case *what)
{
	return what->pool->slice_bytes / sizeof(float) / PROBE_CHUNK * PROBE_CHUNK;
}

/* The floats [*first, *first + n) of a slice that belong to one of the threads. */
static size_t part(const struct roofline_case *what, int thread, size_t *first)
{
	size_t chunks = slice_floats(what) / PROBE_CHUNK, threads = (size_t)what->threads;
	size_t from = chunks * (size_t)thread / threads;
	*first = from * PROBE_CHUNK;
	return (chunks * ((size_t)thread + 1) / threads - from) * PROBE_CHUNK;
}

static void read_slice(void *context)
{
	const struct roofline_case *what = context;
	const float *x = pool_next(what->pool);
#pragma omp parallel for num_threads(what->threads) schedule(static, 1)
	for (int thread = 0; thread < what->threads; thread++) {
		size_t first, n = part(what, thread, &first);
		sink = what->probe->read(x + first, n);
	}
}

static void copy_slice(void *context)
{
	const struct roofline_case *what = context;
	const float *x = pool_next(what->pool);
	float *to = what->pool->copy;
#pragma omp parallel for num_threads(what->threads) schedule(static, 1)
	for (int thread = 0; thread < what->threads; thread++) {
		size_t first, n = part(what, thread, &first);
		what->probe->copy(x + first, to + first, n);
	}
}

static void sweep_slice(void *context)
{
	const struct roofline_case *what = context;
	const float *x = pool_next(what->pool);
#pragma omp parallel for num_threads(what->threads) schedule(static, 1)
	for (int thread = 0; thread < what->threads; thread++) {
		size_t first, n = part(what, thread, &first);
		sink = what->probe->exponentials(x + first, n);
	}
}

/* As many exponentials as a slice has elements; the copy's memory is the numbers' place. */
static void cached_exponentials(void *context)
{
	const struct roofline_case *what = context;
	const float *x = what->pool->copy;
	size_t share = what->elements / (size_t)what->threads;
#pragma omp parallel for num_threads(what->threads) schedule(static, 1)
	for (int thread = 0; thread < what->threads; thread++) {
		float sum = 0.0f;
		size_t n = share;
		for (; n >= CACHED_FLOATS; n -= CACHED_FLOATS)
			sum += what->probe->exponentials(x, CACHED_FLOATS);
		sink = sum + what->probe->exponentials(x, n / PROBE_CHUNK * PROBE_CHUNK);
	}
}

double roofline_swept_seconds(struct roofline_case *what)
{
	return time_call(sweep_slice, what);
}

struct roofline roofline_measure(struct roofline_case *what)
{
	struct roofline roofline = {
		.memory = time_call(what->grad ? copy_slice : read_slice, what),
		.exponentials = time_call(cached_exponentials, what) * (what->grad ? 2.0 : 1.0),
		.swept = roofline_swept_seconds(what),
	};
	roofline.limit =
		roofline.memory > roofline.exponentials ? roofline.memory : roofline.exponentials;
	return roofline;
}
