/*
 * One table of regions and one object for all tests of a program, made anew for each. What must be
 * and is not fails the running test.
 */
#ifndef TESTS_REGIONS_H
#define TESTS_REGIONS_H

#include "object.h"
#include "shm/shm.h"

#define PAGE ((size_t)4096)
#define MAX_REGIONS 4
#define MAX_BYTES ((uint64_t)64 * 4096)

extern struct loss_arena *arena;
extern struct shm *shm;
extern struct object object;  /* four pages */
extern struct loss_error err; /* of what was refused last */

int regions_set_up(void **state);
int regions_tear_down(void **state);
/* Makes the table, of which there is none, with the owners of shm_settings; 0, or -1. */
int regions_start(const char *owners);

loss_status regions_enter(const char *name, const char *key, uint64_t offset, uint64_t byte_size);
/* Bytes of the object. */
void regions_must_enter(const char *name, uint64_t offset, uint64_t byte_size);

/* To read, for a tensor "logits"; and to write, for "grad". */
loss_status regions_use(const char *name, uint64_t offset, uint64_t size, struct shm_pin *pin);
void regions_must_use(const char *name, uint64_t offset, uint64_t size, struct shm_pin *pin);
loss_status regions_write(const char *name, uint64_t offset, uint64_t size, struct shm_pin *pin);

/* It was refused with that status, in that field, and with these words. */
void regions_refused(loss_status got, loss_status status, const char *field, const char *words);

#endif
