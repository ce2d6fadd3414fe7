/*
 * The groups of a state: those that have rows, in their order, as bytes, for there may be any
 * number of them. Each is u64 index, u64 counted rows, the sum of losses, the denominator.
 */
#ifndef LOSS_STATE_GROUPS_H
#define LOSS_STATE_GROUPS_H

#include "arena.h"
#include "exact_sum.h"

struct state_groups {
	uint64_t n; /* groups, those without rows included */
	const unsigned char *bytes;
	size_t size;
};

/* One of them. */
struct state_group {
	uint64_t index, counted;
	struct exact_sum loss, denominator;
};

/* The most groups that a state may have: numbers of them fit a size. */
#define STATE_MOST_GROUPS ((uint64_t)SIZE_MAX / 64)

/* The most bytes that one takes. */
#define STATE_GROUP_BYTES (2 * sizeof(uint64_t) + 2 * EXACT_BYTES)

/* Writes one, and returns how many bytes that took. */
size_t state_group_write(const struct state_group *group, unsigned char *to);
/* Reads the first of them, and returns how many bytes it has; 0 where there is none. */
size_t state_group_read(struct state_group *group, const unsigned char *bytes, size_t size);

/* Whether the bytes are such groups, of no more counted rows than that. */
bool state_groups_are_right(const struct state_groups *groups, uint64_t counted);

/* Appends the groups of both, those of one index added up, to `to`. False when there is no memory.
 */
bool state_groups_merge(const struct state_groups *a, const struct state_groups *b,
			struct loss_buffer *to);

#endif
