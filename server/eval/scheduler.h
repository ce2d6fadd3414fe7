/*
 * Who computes. A small problem is evaluated where it was decoded; a large one goes through a queue
 * to the one thread that owns the OpenMP team (each thread that opened a parallel region would get
 * a team of its own).
 */
#ifndef LOSSD_SCHEDULER_H
#define LOSSD_SCHEDULER_H

#include "loss.h"

/*
 * Problems of fewer elements are computed inline. At a few nanoseconds an element that holds the
 * I/O thread, and with it its other connections, for about a millisecond; waking a team costs some
 * tens of microseconds.
 */
#define SCHEDULER_INLINE_ELEMENTS ((size_t)256 * 1024)

/*
 * A job that runs longer than this hangs: a fixed time, and so much for each element, some hundred
 * times what computing it takes.
 */
#define SCHEDULER_PATIENCE_NS UINT64_C(30000000000)
#define SCHEDULER_ELEMENT_NS UINT64_C(1000)

/*
 * Jobs run in the order in which they come, but that one goes before those that are at least so
 * many times as large, and each of these lets at most so many pass.
 */
#define SCHEDULER_OVERTAKES_FROM 4
#define SCHEDULER_OVERTAKEN_MAX 8

struct scheduler;

/* Something short that the compute thread may do meanwhile: while a body is received, say. */
struct task {
	void (*run)(void *context);
	void *context;
	/* The scheduler's. */
	bool under_way; /* sent, and not run yet */
};

/* One piece of work, part of a request. */
struct job {
	void (*run)(struct job *job, int threads); /* on the compute thread */
	/* Afterwards, or instead when the job was withdrawn: the last touch of the job, by any
	 * thread. */
	void (*done)(struct job *job);
	uint64_t elements; /* how large it is */
	/* The scheduler's. */
	struct job *next;
	unsigned overtaken; /* so many times */
	bool queued;
};

/* NULL when there is no memory or no thread. The team is made here, so that a machine that refuses
 * threads refuses at start. */
struct scheduler *scheduler_start(struct loss_arena *arena, int threads);
void scheduler_stop(struct scheduler *scheduler); /* no job is left; NULL is fine */

void scheduler_submit(struct scheduler *scheduler, struct job *job);
/* A job that still waits is taken out of the queue and done. One that does not wait yet or runs is
 * left alone: it has its own flag. The job must still be there, done or not. */
void scheduler_withdraw(struct scheduler *scheduler, struct job *job);

/* Has a task run by the compute thread; false, and nothing is done, where that has something
 * else to do. It is under way until it is awaited. */
bool scheduler_send(struct scheduler *scheduler, struct task *task);
/* Returns when a task is not under way any more; one that has not begun is run by the caller. */
void scheduler_await(struct scheduler *scheduler, struct task *task);

/* Jobs that wait. */
size_t scheduler_depth(struct scheduler *scheduler);
/* False when a job hangs: nothing after it will be computed. `now_ns` is the clock's. */
bool scheduler_answers(struct scheduler *scheduler, uint64_t now_ns);

#endif
