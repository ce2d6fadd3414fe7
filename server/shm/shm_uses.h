/* The ranges of shared memory that one request reads and writes. */
#ifndef LOSSD_SHM_USES_H
#define LOSSD_SHM_USES_H

#include "shm.h"

#define SHM_MAX_USES (LOSS_N_ROLES + LOSS_MAX_OUTPUTS)

/* Starts as {0} with the first three set. */
struct shm_uses {
	struct shm *shm;     /* NULL: switched off */
	const char *foreign; /* the origin of a page that may not name regions; NULL: none */
	struct loss_arena *arena;
	size_t n;
	struct shm_used *used; /* made with the first */
};

/* One of them. */
struct shm_used {
	struct shm_pin pin;
	struct shm_use use; /* what it was pinned for */
};

/*
 * Sets tensor->data, of which everything else is set, to the range of `use` (name, offset and
 * field, and a size that is the tensor's). In place, if that is aligned for its dtype and
 * `in_place`; others are copied: their values are checked before they are used, and may not change
 * in between.
 */
loss_status shm_uses_read(struct shm_uses *uses, const struct shm_use *use, bool in_place,
			  struct loss_tensor *tensor, struct loss_error *err);
/* Where an output of n bytes is written to; the range may be larger, but has no byte in common with
 * that of another output. */
loss_status shm_uses_write(struct shm_uses *uses, const struct shm_use *use, size_t n,
			   void **memory, struct loss_error *err);
/* Whether all of the memory was there all the time. */
loss_status shm_uses_verify(const struct shm_uses *uses, struct loss_error *err);
/* The request ends. */
void shm_uses_release(struct shm_uses *uses);

#endif
