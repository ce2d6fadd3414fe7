/* Memory: budgets, arenas and buffers. Part of loss.h. */
#ifndef LOSS_MEMORY_PUBLIC_H
#define LOSS_MEMORY_PUBLIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "status.h"

/* Shared by all arenas of a process. `held` counts bytes; only loss_budget_take
 * and loss_budget_give write it. */
#define LOSS_KEPT_MAPPINGS 8
struct loss_budget {
	atomic_size_t held;
	size_t limit;
	/* Large mappings that were given back and wait for the next taker: at most a quarter of
	 * limit, and beside `held`. */
	atomic_size_t kept_bytes;
	_Atomic(void *) kept[LOSS_KEPT_MAPPINGS];
};

/* Returns what is kept to the system: before a budget ends, or when memory is short. */
void loss_budget_trim(struct loss_budget *budget);
/* Charges n bytes for memory that no arena has; false, and nothing is charged, when they are not
 * left. loss_budget_give ends it. */
bool loss_budget_take(struct loss_budget *budget, size_t n);
void loss_budget_give(struct loss_budget *budget, size_t n);

/* Memory of one request: everything taken from it is freed at once by its end. Opaque. */
struct loss_arena;

/* NULL when the first block can not be had. The budget must outlive the arena; NULL means no limit.
 */
struct loss_arena *loss_arena_create(struct loss_budget *budget);
void loss_arena_destroy(struct loss_arena *arena); /* NULL is fine */

/*
 * n * size bytes aligned to 64, not zeroed, never NULL for n * size == 0; NULL when the product
 * overflows, the budget is used up, or the system has no memory: then loss_arena_failure tells
 * which.
 */
void *loss_arena_alloc(struct loss_arena *arena, size_t n, size_t size);
#define loss_arena_array(arena, type, n) ((type *)loss_arena_alloc((arena), (n), sizeof(type)))

/* Formats into the arena; NULL on failure. */
__attribute__((format(printf, 2, 3))) char *loss_arena_printf(struct loss_arena *arena,
							      const char *format, ...);

/* Turns the last failed allocation into an error: LOSS_TOO_LARGE_FOR_BUDGET,
 * LOSS_TOO_MUCH_MEMORY_IN_FLIGHT or LOSS_OUT_OF_MEMORY. */
loss_status loss_arena_failure(const struct loss_arena *arena, struct loss_error *err);

/* Bytes that this arena holds of its budget. */
size_t loss_arena_held(const struct loss_arena *arena);

/*
 * A growable array of bytes for data whose length is not known before it has arrived. Large buffers
 * grow by remapping pages, without a copy and by an eighth at a time, so that a buffer never costs
 * much more than what is in it. `data` moves when it grows. Freed with its arena, or earlier by
 * loss_buffer_release.
 */
struct loss_buffer {
	unsigned char *data;
	size_t size;     /* bytes in use */
	size_t capacity; /* bytes that fit */
	struct loss_arena *arena;
	struct loss_buffer *next; /* the arena's list */
	bool mapped;
};

struct loss_buffer *loss_buffer_create(struct loss_arena *arena); /* NULL on failure */
/* Makes room for `more` bytes behind size; false on failure (see loss_arena_failure). */
bool loss_buffer_reserve(struct loss_buffer *buffer, size_t more);
bool loss_buffer_append(struct loss_buffer *buffer, const void *bytes, size_t n);
/* Releases every buffer of the arena: what a request that has failed gives back before it is
 * answered. */
void loss_arena_release_buffers(struct loss_arena *arena);
void loss_buffer_release(struct loss_buffer *buffer); /* gives its memory back, size becomes 0 */

#endif
