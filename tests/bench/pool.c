#include "pool.h"

#include <stdlib.h>
#include <string.h>

/* splitmix64: the i-th of a sequence, without the ones before it. */
static uint64_t random_at(uint64_t i)
{
	uint64_t z = (i + 1) * 0x9e3779b97f4a7c15u;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static float logit_at(size_t i)
{
	return (float)(int32_t)(random_at(i) >> 32) * 0x1p-28f;
}

/* Cut off, not rounded, and 0 where it is small: it is only something to read. */
static uint16_t bf16(float x)
{
	uint32_t bits;
	memcpy(&bits, &x, sizeof bits);
	return (uint16_t)(bits >> 16);
}

static uint16_t f16(float x)
{
	uint32_t bits;
	memcpy(&bits, &x, sizeof bits);
	uint32_t magnitude = bits & 0x7fffffffu, sign = bits >> 16 & 0x8000u;
	if (magnitude < 0x38800000u)
		return (uint16_t)sign;
	return (uint16_t)(sign | (magnitude - 0x38000000u) >> 13);
}

static void fill_logits(void *data, size_t n, loss_dtype dtype)
{
	const char *name = loss_dtype_info(dtype)->name;
	if (dtype == LOSS_F32) {
#pragma omp parallel for
		for (size_t i = 0; i < n; i++)
			((float *)data)[i] = logit_at(i);
		return;
	}
	uint16_t (*half)(float) = strcmp(name, "BF16") == 0 ? bf16 : f16;
#pragma omp parallel for
	for (size_t i = 0; i < n; i++)
		((uint16_t *)data)[i] = half(logit_at(i));
}

bool pool_create(struct pool *pool, const struct loss_tensor *logits, size_t classes, bool cached)
{
	size_t bytes = logits->count * loss_dtype_info(logits->dtype)->size;
	size_t n = cached ? 1 : (POOL_BYTES + bytes - 1) / bytes, rows = logits->count / classes;
	/* Rounded up for the probes, which read whole chunks. */
	*pool = (struct pool){
		.logits = aligned_alloc(4096, (n * bytes + 4095) & ~(size_t)4095),
		.copy = aligned_alloc(4096, (bytes + 4095) & ~(size_t)4095),
		.targets = calloc(rows, sizeof *pool->targets),
		.n_slices = n,
		.slice_bytes = bytes,
	};
	if (!pool->logits || !pool->copy || !pool->targets) {
		pool_destroy(pool);
		return false;
	}
	fill_logits(pool->logits, n * logits->count, logits->dtype);
	memset(pool->copy, 0, bytes);
	for (size_t r = 0; r < rows; r++)
		pool->targets[r] = (int64_t)(random_at(~r) % classes);
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
