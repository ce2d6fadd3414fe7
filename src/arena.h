/* Memory of one request: see loss/memory.h. Slabs of 16 KiB and up; what is large gets a mapping of
 * its own. */
#ifndef LOSS_ARENA_H
#define LOSS_ARENA_H

#include "status.h"

/* a * b into *product; false on overflow. The only place where sizes are multiplied is here and in
 * tensor.c. */
static inline bool size_multiply(size_t a, size_t b, size_t *product)
{
	return !__builtin_mul_overflow(a, b, product);
}

/* Copies a string into the arena; NULL on failure. */
char *arena_strdup(struct loss_arena *arena, const char *text);

/* Whether its bytes are pages of its own. */
bool buffer_is_mapped(const struct loss_buffer *buffer);
/* Whether they are the arena's own, and charged with it. */
bool buffer_is_lodged(const struct loss_buffer *buffer);

#endif
