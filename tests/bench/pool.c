#include "pool.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)

/* splitmix64: the i-th of a sequence, without the ones before it. */
static uint64_t random_at(uint64_t i)
{
	uint64_t z = (i + 1) * 0x9e3779b97f4a7c15u;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

void fill_uniform(const struct loss_tensor *tensor, uint64_t seed, double low, double high)
{
	const double step = (high - low) * 0x1p-32;
#pragma omp parallel for
	for (size_t i = 0; i < tensor->count; i++)
		loss_float_put(tensor->dtype, tensor->data, i,
			       low + step * (double)(random_at(i + (seed << 48)) >> 32));
}

void fill_targets(int64_t *targets, size_t n, size_t classes)
{
	for (size_t i = 0; i < n; i++)
		targets[i] = (int64_t)(random_at(~i) % classes);
}

/* Advised as libloss advises its results, or a copy would pay for smaller pages. */
static void *new_copy(size_t bytes)
{
	size_t rounded = (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
	void *copy = aligned_alloc(HUGE_PAGE, rounded);
#ifdef MADV_HUGEPAGE
	if (copy)
		madvise(copy, rounded, MADV_HUGEPAGE);
#endif
	return copy;
}

bool pool_create(struct pool *pool, const struct loss_tensor *logits, size_t classes, bool cached)
{
	size_t bytes = logits->count * loss_dtype_info(logits->dtype)->size;
	size_t n = cached ? 1 : (POOL_BYTES + bytes - 1) / bytes, rows = logits->count / classes;
	/* Rounded up for the probes, which read whole chunks. */
	*pool = (struct pool){
		.logits = aligned_alloc(4096, (n * bytes + 4095) & ~(size_t)4095),
		.copy = new_copy(bytes),
		.targets = calloc(rows, sizeof *pool->targets),
		.n_slices = n,
		.slice_bytes = bytes,
	};
	if (!pool->logits || !pool->copy || !pool->targets) {
		pool_destroy(pool);
		return false;
	}
	const struct loss_tensor all = {
		.dtype = logits->dtype, .count = n * logits->count, .data = pool->logits};
	fill_uniform(&all, 0, -8.0, 8.0);
	memset(pool->copy, 0, bytes);
	fill_targets(pool->targets, rows, classes);
	return true;
}

void pool_destroy(struct pool *pool)
{
	free(pool->logits);
	free(pool->copy);
	free(pool->targets);
	*pool = (struct pool){0};
}

void *pool_next(struct pool *pool)
{
	void *slice = (char *)pool->logits + pool->next * pool->slice_bytes;
	pool->next = (pool->next + 1) % pool->n_slices;
	return slice;
}
