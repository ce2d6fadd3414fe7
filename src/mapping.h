/*
 * Large memory as pages of its own, with a few mappings kept for the next taker: a steady load of
 * large requests neither faults pages nor grows. What is kept counts against the budget it was
 * taken from, and gives way to what is asked for.
 */
#ifndef LOSS_MAPPING_H
#define LOSS_MAPPING_H

#include "budget.h"

/* Pages of *size bytes or up to twice that, whose size is then in *size; NULL when there are none.
 * budget may be NULL. */
void *mapping_create(struct loss_budget *budget, size_t *size);

/* Moves the pages to a larger size, without a copy where the system can; NULL leaves them as they
 * are. */
void *mapping_grow(void *pages, size_t size, size_t larger);

/* Gives pages back; they may be kept. */
void mapping_destroy(struct loss_budget *budget, void *pages, size_t size);

#endif
