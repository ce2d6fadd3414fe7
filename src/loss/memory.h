/* Memory: budgets, arenas and buffers. Part of loss.h. */
#ifndef LOSS_MEMORY_PUBLIC_H
#define LOSS_MEMORY_PUBLIC_H

#include <stdbool.h>
#include <stddef.h>

#include "api.h"
#include "status.h"

LOSS_API_BEGIN

/*
 * How many bytes the arenas that share it may hold together. Opaque; all that takes one may be
 * called from any thread, at any time but during its end.
 *
 * Large memory that arenas give back (from 256 KiB on) is kept for the next one that asks, who
 * finds its pages warm. What is held and what is kept are never more than the limit together: what
 * is kept gives way to what is asked for, as much of it as that takes, that which was taken longest
 * ago first. So all of the limit may be kept, and nobody is refused for it. loss_budget_age ends
 * it.
 */
struct loss_budget;

/* NULL when there is no memory. The caller's, to be destroyed after the last arena that has it. */
struct loss_budget *loss_budget_create(size_t limit_bytes);
void loss_budget_destroy(struct loss_budget *budget); /* NULL is fine */
size_t loss_budget_limit(const struct loss_budget *budget);
/* Bytes that arenas and loss_budget_take have; what is only kept is not among them. */
size_t loss_budget_held(const struct loss_budget *budget);
/* Bytes that are kept: of what waits, and of what is in use the warm pages beyond that. */
size_t loss_budget_kept(const struct loss_budget *budget);
/* Returns all that is kept to the system. */
void loss_budget_trim(struct loss_budget *budget);
/* Returns to the system what has been kept and not been taken since the last call. Called every 15
 * seconds it leaves nothing that was not wanted for 30. */
void loss_budget_age(struct loss_budget *budget);
/* Charges n bytes for memory that no arena has; false, and nothing is charged, when they are not
 * left. loss_budget_give ends it. */
bool loss_budget_take(struct loss_budget *budget, size_t n);
void loss_budget_give(struct loss_budget *budget, size_t n);

/* Memory of one evaluation: everything taken from it is freed at once by its end. Opaque; one
 * thread at a time. */
struct loss_arena;

/* NULL when the first slab, of 16 KiB, can not be had. The budget must outlive the arena; NULL
 * means no limit.
 */
struct loss_arena *loss_arena_create(struct loss_budget *budget);
/*
 * The same, begun in a block of the caller's instead of a slab: `size` bytes (at least 1024),
 * aligned to 64, that outlive the arena and are the caller's again after its end. They are charged
 * to the budget as a slab is; NULL when it has no room for them.
 */
struct loss_arena *loss_arena_create_in(struct loss_budget *budget, void *block, size_t size);
void loss_arena_destroy(struct loss_arena *arena); /* NULL is fine */
/*
 * As if it had just been made, of the memory that it began in: all that was taken from it is gone,
 * its buffers too, and what it held beyond that memory is given back. What a destroyed and a new
 * arena do, without asking the system: for one evaluation after the other.
 */
void loss_arena_reset(struct loss_arena *arena);

/*
 * n * size bytes aligned to 64, not zeroed, never NULL for n * size == 0; NULL when the product
 * overflows, the budget is used up, or the system has no memory: then loss_arena_failure tells
 * which. The arena's: there is nothing to free.
 */
void *loss_arena_alloc(struct loss_arena *arena, size_t n, size_t size);
#define loss_arena_array(arena, type, n) ((type *)loss_arena_alloc((arena), (n), sizeof(type)))

/* Formats into the arena; NULL on failure. */
LOSS_PRINTF(2, 3)
char *loss_arena_printf(struct loss_arena *arena, const char *format, ...);

/* Turns the last failed allocation into an error: LOSS_TOO_LARGE_FOR_BUDGET,
 * LOSS_TOO_MUCH_MEMORY_IN_FLIGHT or LOSS_OUT_OF_MEMORY. */
loss_status loss_arena_failure(const struct loss_arena *arena, struct loss_error *err);

/* Bytes that this arena holds of its budget. From any thread. */
size_t loss_arena_held(const struct loss_arena *arena);

/*
 * A growable array of bytes. Large ones are pages of their own, which grow without a copy and by an
 * eighth at a time, or 2 MiB, so that a buffer never costs much more than what is in it. `data`
 * moves when it grows, unless it was expected to. Only loss_buffer_create makes one. Freed with its
 * arena, or earlier by loss_buffer_release; on its arena's thread.
 */
struct loss_buffer {
	unsigned char *data;      /* NULL while capacity is 0 */
	size_t size;              /* bytes in use; whoever writes after them adds to it */
	size_t capacity;          /* bytes that fit; read only */
	struct loss_arena *arena; /* that it belongs to; read only */
};

struct loss_buffer *loss_buffer_create(struct loss_arena *arena); /* NULL on failure */
/*
 * So many bytes will be in it, which somebody has said and nobody has seen: more or fewer are fine.
 * It costs nothing. Once the buffer outgrows 256 KiB it has addresses for all of them, warm memory
 * if there is some, and `data` does not move until there are more; memory is charged as they come.
 */
void loss_buffer_expect(struct loss_buffer *buffer, size_t total);
/* Makes room for `more` bytes after size; false on failure (see loss_arena_failure). */
bool loss_buffer_reserve(struct loss_buffer *buffer, size_t more);
/* Copies n bytes after size; false on failure. */
bool loss_buffer_append(struct loss_buffer *buffer, const void *bytes, size_t n);
void loss_buffer_release(struct loss_buffer *buffer); /* gives its memory back, size becomes 0 */
/* Releases every buffer of the arena: of what has failed, before that is told. */
void loss_arena_release_buffers(struct loss_arena *arena);

LOSS_API_END

#endif
