/*
 * The tensors that are measured: slices of one large pool, so that calls which follow each other
 * read different memory, and none of it is in a cache when its turn comes again.
 */
#ifndef BENCH_POOL_H
#define BENCH_POOL_H

#include "loss.h"

#define POOL_BYTES ((size_t)512 << 20) /* what calls cycle through at least */

struct pool {
	void *logits;
	void *copy; /* as large as one slice, or NULL: where a copy goes */
	int64_t *targets;
	size_t n_slices, slice_bytes;
	size_t next;
};

/*
 * Fills a pool with slices of this tensor, of a float type: logits between -8 and 8,
 * targets below `classes`. One slice where `cached`, else enough for POOL_BYTES. False when the
 * memory is not there.
 */
bool pool_create(struct pool *pool, const struct loss_tensor *logits, size_t classes, bool cached);
void pool_destroy(struct pool *pool);

/* The next slice's data, in turn. */
void *pool_next(struct pool *pool);

/* The count elements of a float tensor, between low and high: the same for a seed each time. */
void fill_uniform(const struct loss_tensor *tensor, uint64_t seed, double low, double high);
void fill_targets(int64_t *targets, size_t n, size_t classes);

#endif
