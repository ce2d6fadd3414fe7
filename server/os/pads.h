/*
 * Pads: memory that a thread lends to the requests it serves, one after the other, so that a small
 * request takes none from the system and finds its bytes in the processor's caches. A thread has
 * few, and lends the one that came back last; a request that finds none makes do with other memory.
 * They are the thread's and not the connection's, so that an idle connection has none.
 */
#ifndef LOSSD_PADS_H
#define LOSSD_PADS_H

#include "loss.h"

/* Enough for a small evaluation in any format, and its reply. */
#define PAD_BYTES ((size_t)28672)
#define PADS_OF_A_THREAD 8

struct pads;

/* For so many threads, in the arena; memory that is never lent is never touched. NULL when there is
 * no memory. */
struct pads *pads_create(struct loss_arena *arena, size_t threads);
/* A pad of the calling thread, PAD_BYTES aligned to 64; NULL: all of them are lent, or too many
 * threads have asked before it, or pads is NULL. */
void *pads_take(struct pads *pads);
/* On the thread that took it, or when that has ended; NULL is fine. */
void pads_give(struct pads *pads, void *pad);

#endif
