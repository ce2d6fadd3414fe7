/*
 * A few threads for what takes its time: replies that are long to write, pages that may block. Work
 * comes in steps, and all that wait take turns: a short one is not held up by long ones before it.
 */
#ifndef LOSSD_WORKERS_H
#define LOSSD_WORKERS_H

#include <stddef.h>

#include "loss.h"

/* Part of what it belongs to, which it outlives in no case. */
struct work {
	/* The next step, on any of the threads, one at a time: about a millisecond's work, unless
	 * it has to wait for something. False: it was the last one. */
	bool (*step)(struct work *work);
	/* After that, on the same thread: the last touch of the work. */
	void (*done)(struct work *work);
	struct work *next; /* the workers' */
};

struct workers;

/* In the arena; NULL when there is no memory or no thread. */
struct workers *workers_start(struct loss_arena *arena, size_t threads);
/* From any thread. */
void workers_submit(struct workers *workers, struct work *work);
/* True: it waited for a step, and is theirs no more. False: a step of it goes on, or will end. */
bool workers_withdraw(struct workers *workers, struct work *work);
/* Work that was submitted is done first; NULL is fine. */
void workers_stop(struct workers *workers);

#endif
