/*
 * Regions of POSIX shared memory that clients of this machine have registered, by name. The table
 * is shared by all threads; one mutex, inside, guards it. A request pins the ranges that it reads
 * or writes: a region that is unregistered meanwhile stays mapped until its last pin is gone.
 *
 * A client can cut its object short while it is read. Reading the missing pages raises SIGBUS,
 * whose handler puts pages of zeros in their place and marks the region: the request that pinned
 * it fails, nothing else does.
 */
#ifndef LOSSD_SHM_H
#define LOSSD_SHM_H

#include "loss.h"
#include "shm_rules.h"

struct shm;

struct shm_settings {
	const char *key_prefix; /* that every key begins with, after the slash; kept */
	const char *owners;     /* whose objects may be used, as shm_rules.h has it; kept */
	uint64_t max_regions;
	uint64_t max_bytes; /* of all regions together */
};

/* In the arena. Installs the SIGBUS handler of the process, of which there is one. NULL when there
 * is no memory, or no handler. */
struct shm *shm_create(const struct shm_settings *settings, struct loss_arena *arena);
void shm_destroy(struct shm *shm); /* no pin is left; NULL is fine */

/* What a client registers: bytes [offset, offset + byte_size) of the object `key`. */
struct shm_registration {
	const char *name, *key;
	uint64_t offset, byte_size;
};
/* Maps them. Errors say what the caller sent and nothing more: not what the machine holds, nor why
 * it is refused. */
loss_status shm_register(struct shm *shm, const struct shm_registration *wanted,
			 struct loss_error *err);
/* False: there is none of that name. */
bool shm_unregister(struct shm *shm, const char *name);
void shm_unregister_all(struct shm *shm);

struct shm_region_info {
	char name[SHM_NAME_MAX + 1], key[SHM_NAME_MAX + 1];
	uint64_t offset, byte_size;
};
/* Copies the i-th region, in the order of registration; false past the last. */
bool shm_at(struct shm *shm, size_t i, struct shm_region_info *info);
/* By name; false: none. */
bool shm_find(struct shm *shm, const char *name, struct shm_region_info *info);

/* What a request wants of a region: `size` bytes from `offset` on. `field` names the tensor in
 * errors. */
struct shm_use {
	const char *name; /* the region's */
	uint64_t offset, size;
	bool for_writing;
	const char *field;
};

/* A range of a region that a request uses. */
struct shm_pin {
	struct shm_region *region;
	void *data;
	size_t size;
	uint64_t reach; /* of the range's end in the region */
};

/* Checks the range against the region, and the region against the object as it is now. data has no
 * alignment but that of its offset; who reads it must bear that its client writes at the same time.
 */
loss_status shm_pin(struct shm *shm, const struct shm_use *use, struct shm_pin *pin,
		    struct loss_error *err);
/* Whether all of it was there since it was pinned, and still is. */
bool shm_pin_intact(const struct shm_pin *pin);
/* Whether they have bytes in common: of one object, by whatever regions. */
bool shm_pins_overlap(const struct shm_pin *a, const struct shm_pin *b);
void shm_unpin(struct shm *shm, struct shm_pin *pin);

#endif
