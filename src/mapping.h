/*
 * Large memory as pages of its own. A mapping is a range of addresses, of which as much is memory
 * as was ever used of it: the system gives pages where they are touched first. Given back, its
 * pages stay warm and wait for the next taker, so that a steady load of large requests faults
 * nothing.
 *
 *     pages      used       resident            size
 *       |  held   |   kept     |   addresses only  |
 *
 * Only what is used counts as held by its taker. What is warm beyond that is kept, of a mapping
 * that waits as of one that is in use: it counts against the budget that it was taken from, and
 * gives way to what others ask for. So it does not matter to anybody if a mapping is larger than
 * was asked.
 *
 * A mapping has one owner at a time, who may use the functions below without a lock; its `resident`
 * and `aged` are the lock's of the budget.
 */
#ifndef LOSS_MAPPING_H
#define LOSS_MAPPING_H

#include "budget.h"

/* From here on pages of 2 MiB save most of the faults: mappings begin at a multiple of that, and
 * whoever can uses them by whole ones. */
#define HUGE_BYTES ((size_t)4 << 20)
#define HUGE_PAGE ((size_t)2 << 20)

struct mapping {
	unsigned char *pages;
	size_t size;
	size_t used;
	size_t resident;
	bool lent;
	bool aged; /* since the last loss_budget_age nobody has taken it or used more of it */
	struct mapping *next, *before; /* of its list */
};

/*
 * A mapping of `size` bytes or more, none of which is used yet; NULL when the system has none. It
 * is the smallest that waits with so many warm bytes, but `most` at most: else one with half of
 * them or more, which grows; else a new one. budget may be NULL: then nothing waits and nothing is
 * charged.
 */
struct mapping *mapping_take(struct loss_budget *budget, size_t size, size_t most);

/* Uses so many bytes, at most its size, and no fewer than before. False when the budget does not
 * have them: then nothing changes. */
bool mapping_use(struct loss_budget *budget, struct mapping *mapping, size_t used);

/* Makes it larger; its pages move with what is in use, without a copy where the system can. False
 * leaves them as they are. */
bool mapping_extend(struct loss_budget *budget, struct mapping *mapping, size_t size);

/* Gives it back, and with it what is charged for it. */
void mapping_give(struct loss_budget *budget, struct mapping *mapping);

/* With the lock, of any mapping: gives n warm bytes or a few more back to the system, or as many as
 * nobody uses. Then one that waits and has none left is gone. */
void mapping_strip(struct loss_budget *budget, struct mapping *mapping, size_t n);

static inline size_t mapping_surplus(const struct mapping *mapping)
{
	return mapping->resident - mapping->used;
}

#endif
