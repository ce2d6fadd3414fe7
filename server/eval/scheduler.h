/*
 * Who computes. A small problem is evaluated where it was decoded; a large one goes through a queue
 * to the one thread that owns the OpenMP team (each thread that opened a parallel region would get
 * a team of its own). There it is computed in slices, between which another may be more urgent:
 * schedule.h says which.
 */
#ifndef LOSSD_SCHEDULER_H
#define LOSSD_SCHEDULER_H

#include "loss.h"
#include "schedule.h"

/*
 * Problems that cost less are computed inline. So long that holds the I/O thread, and with it its
 * other connections; waking a team costs some tens of microseconds.
 */
#define SCHEDULER_INLINE_NS UINT64_C(1000000)

/* How long a slice is to take. */
#define SCHEDULER_SLICE_NS UINT64_C(10000000)

/* A slice that runs longer than this hangs: a fixed time, and so many times its cost. Rows that
 * hold NaN take a hundred times what they are estimated at. */
#define SCHEDULER_PATIENCE_NS UINT64_C(30000000000)
#define SCHEDULER_SLOWER 1000

struct scheduler;

/* One piece of work, part of a request. Begins as zeros but for what is the owner's. */
struct job {
	struct schedule_item item; /* the first member; the owner sets and keeps left_ns */
	/* On the compute thread: about so much of what is left. True: there is more. */
	bool (*run)(struct job *job, int threads, uint64_t slice_ns);
	/* Afterwards, or instead when the job was withdrawn: the last touch of the job, by any
	 * thread. */
	void (*done)(struct job *job);
	/* The scheduler's. */
	uint64_t slice_ns; /* the cost of the next slice; 0: it has had none */
	bool withdrawn;
};

struct scheduler_setup {
	int threads;
	struct schedule_limits limits;
};

/* NULL when there is no memory or no thread. The team is made here, so that a machine that refuses
 * threads refuses at start. */
struct scheduler *scheduler_start(struct loss_arena *arena, const struct scheduler_setup *setup);
void scheduler_stop(struct scheduler *scheduler); /* no job is left; NULL is fine */

/* False: there is no room for it, *refusal says why, and that was the last touch of the job. One
 * that has been withdrawn already is done at once. */
bool scheduler_submit(struct scheduler *scheduler, struct job *job,
		      struct schedule_refusal *refusal);
/* A job that waits, for its first slice or for another, is taken out of the queue and done. One
 * that runs is done after its slice, which its owner is to cut short; one that is still to be
 * submitted when it is. The job must still be there, done or not. */
void scheduler_withdraw(struct scheduler *scheduler, struct job *job);

/* Jobs that have not begun to run, and their cost. */
struct scheduler_load {
	size_t jobs;
	uint64_t cost_ns;
};
struct scheduler_load scheduler_load(struct scheduler *scheduler);
/* False when a job hangs: nothing after it will be computed. `now_ns` is the clock's. */
bool scheduler_answers(struct scheduler *scheduler, uint64_t now_ns);

#endif
