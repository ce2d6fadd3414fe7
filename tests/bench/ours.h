/* cross_entropy through loss.h, as a program calls it. Any failure ends the bench with its reason.
 */
#ifndef BENCH_OURS_H
#define BENCH_OURS_H

#include "pool.h"

struct ours_case {
	struct pool *pool;
	struct loss_tensor logits; /* data is set from the pool */
	struct loss_tensor targets;
	struct loss_budget
		*budget; /* keeps large memory from call to call; NULL: it is new each time */
	const char *isa; /* of loss_isa_find */
	int threads;
	bool grad;
};

/* A whole call: arena, problem, plan, run, finish, and everything given back. */
double ours_call_seconds(struct ours_case *what);

/* Only the run of a plan whose results have been written before: no memory is touched for the
 * first time. */
double ours_run_seconds(struct ours_case *what);

#endif
