/* A loss through loss.h, as a program calls it. Any failure ends the bench with its reason. */
#ifndef BENCH_OURS_H
#define BENCH_OURS_H

#include "pool.h"

/* What is evaluated. */
struct ours_call {
	const char *loss;
	const char *outputs[3];  /* as many as are not NULL */
	const char *argument;    /* NULL: all as they are by default */
	struct loss_value value; /* of the argument */
};

extern const struct ours_call ours_forward, ours_backward; /* of cross_entropy */
extern const struct ours_call ours_divergence, ours_divergence_backward;
extern const struct ours_call ours_policy; /* policy_gradient, with its gradient */

struct ours_case {
	const struct ours_call *call;
	struct loss_tensor tensors[LOSS_N_ROLES]; /* those whose count is 0 are absent */
	struct pool *pool;                        /* NULL, or what gives the input's data in turn */
	struct loss_budget *budget; /* keeps large memory from call to call; NULL: it is new each
				       time */
	const char *isa;            /* of loss_isa_find */
	int threads;
	bool without_sums; /* rows are evaluated, and not added up */
};

/* A whole call: arena, problem, plan, run, finish, and everything given back. Repeated for so long:
 * see time_call_for. */
double ours_call_seconds(struct ours_case *what, double timed_seconds);

/* Only the run of a plan whose results have been written before: no memory is touched for the
 * first time. */
double ours_run_seconds(struct ours_case *what, double timed_seconds);

#endif
