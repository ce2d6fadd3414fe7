/*
 * What is computed next, and what is refused: the decisions of the scheduler, without its thread
 * and its clock, so that they can be tried by themselves.
 *
 * Jobs run in slices. The next one is of the job with the least that is left of its cost; but at
 * least one slice of SCHEDULE_TURNS is of the job that came first. So a small job waits for what is
 * smaller, and for a slice now and then of what is larger; and a large one, once it is the oldest,
 * has its share of the time whatever comes: nobody waits for ever.
 *
 * Costs are estimates, in nanoseconds of one thread (loss_plan_cost_ns).
 *
 * Threads: one at a time; the scheduler's mutex sees to it.
 */
#ifndef LOSSD_SCHEDULE_H
#define LOSSD_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of what has not begun to run, beside what runs. */
struct schedule_limits {
	size_t length;    /* jobs; 1 at least */
	uint64_t cost_ns; /* all of them; one job alone may cost more */
};

/* Part of a job. */
struct schedule_item {
	uint64_t left_ns; /* the caller's: what is left of its cost. It does not grow, nor change
			     while the item is in the schedule */
	/* The schedule's. */
	uint64_t came_ns;
	bool begun;
	bool queued;
	struct schedule_item *next;
};

struct schedule {
	struct schedule_limits limits;
	struct schedule_item *first; /* by what is left, then by who came first */
	unsigned passed;             /* slices since the job that came first had one */
	size_t waiting;              /* of those, that have not begun: */
	uint64_t waiting_ns;         /* their cost */
	bool running;                /* one is taken */
	double rate;                 /* cost that is done in a nanosecond */
};

/* Why a job was refused, and what there was. */
struct schedule_refusal {
	bool by_cost; /* else by length */
	size_t waiting;
	uint64_t waiting_ns;
	unsigned retry_s; /* when to come again: when what waits now will have been done */
};

/* Of so many slices one at least is of the job that came first. */
#define SCHEDULE_TURNS 8

/* Bounds of retry_s. */
#define SCHEDULE_RETRY_MIN_S 1
#define SCHEDULE_RETRY_MAX_S 60

void schedule_start(struct schedule *schedule, const struct schedule_limits *limits);
/* False: there is no room for it, and *refusal says why. */
bool schedule_add(struct schedule *schedule, struct schedule_item *item, uint64_t now_ns,
		  struct schedule_refusal *refusal);
/* Takes out the one whose slice is to run now; NULL: there is none. */
struct schedule_item *schedule_take(struct schedule *schedule);
/* The slice of the one that was taken has run, in `ns`, and did `done_ns` of its cost. */
void schedule_ran(struct schedule *schedule, uint64_t done_ns, uint64_t ns);
/* After that, where some is left: it goes back, and keeps the time that it came. */
void schedule_put_back(struct schedule *schedule, struct schedule_item *item);
/* False, and nothing is done, where it is not in the schedule. */
bool schedule_remove(struct schedule *schedule, struct schedule_item *item);

/* The cost of the next slice of a job, after one of slice_ns took `ns` though it was to take
 * `wanted_ns`: an estimate may be wrong by any factor. It at most doubles, and is 1 at least. */
uint64_t schedule_next_slice(uint64_t slice_ns, uint64_t ns, uint64_t wanted_ns);

#endif
