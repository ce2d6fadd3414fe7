/*
 * Memory that others may take away. Reading a page of a mapped file after the file's end raises
 * SIGBUS; in a range that is watched here, the handler puts pages of zeros in the place of the
 * whole range and marks it, and the reader goes on. Elsewhere SIGBUS does what it did before.
 */
#ifndef LOSSD_SHM_FAULT_H
#define LOSSD_SHM_FAULT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * One range, or none. The handler reads slots while others change them: `version` is odd during a
 * change, and a slot that changes is not the one of a range that is being read.
 */
struct shm_slot {
	atomic_uint version;
	_Atomic(unsigned char *) begin;
	atomic_size_t size;
	atomic_bool writable;
	atomic_bool damaged;
};

/* Installs the handler over n slots, all of them zero, which must live until the stop. One user a
 * process at a time; false when there is one already, or no handler can be had. */
bool shm_fault_start(struct shm_slot *slots, size_t n);
void shm_fault_stop(void);

/* The slot's owner calls these, one at a time: before the range is read, after it was last read. */
void shm_slot_watch(struct shm_slot *slot, void *begin, size_t size, bool writable);
void shm_slot_forget(struct shm_slot *slot);
/* Whether pages were missing since it is watched. */
bool shm_slot_damaged(const struct shm_slot *slot);

#endif
