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
 * Fills a pool with slices of this tensor, which is F32, BF16 or F16: logits between -8 and 8,
 * targets below `classes`. One slice where `cached`, else enough for POOL_BYTES. False when the
 * memory is not there.
 */
bool pool_create(struct pool *pool, const struct loss_tensor *logits, size_t classes, bool cached);
void pool_destroy(struct pool *pool);

/* The next slice's data, in turn. */
void *pool_next(struct pool *pool);

#endif
