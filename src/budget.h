/*
 * What a budget is inside: see loss/memory.h. Two counts: all that is charged, and of that what is
 * only kept, which are the warm pages of mappings beyond what somebody uses of them (mapping.h). So
 * memory that is given back, kept and taken again stays charged all the time, and held and kept
 * together are never more than the limit.
 */
#ifndef LOSS_BUDGET_H
#define LOSS_BUDGET_H

#include <stdatomic.h>

#include "loss.h"

struct mapping;

/* The one that came last first. */
struct mapping_list {
	struct mapping *first, *last;
	size_t n;
};

struct loss_budget {
	size_t limit;
	atomic_size_t charged; /* held and kept; never more than limit */
	atomic_size_t kept;    /* written under the lock */
	/* A lock without a thread library. Guards the lists and what is in them, and is held over
	 * the system calls that give memory back, so that who needs it finds it. */
	atomic_bool locked;
	struct mapping_list free; /* that wait for a taker: all of their warm pages are kept */
	struct mapping_list lent; /* in use, and perhaps warm beyond that */
};

void budget_lock(struct loss_budget *budget);
void budget_unlock(struct loss_budget *budget);

/* Charges n bytes if that many are not charged yet; what is kept does not give way (mapping.c). */
bool budget_try(struct loss_budget *budget, size_t n);

/* With the lock: kept bytes become held, or the other way round. */
void budget_hold(struct loss_budget *budget, size_t kept);
void budget_keep(struct loss_budget *budget, size_t held);

#endif
