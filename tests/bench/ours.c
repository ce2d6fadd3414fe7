#include "ours.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "timing.h"

static void check(loss_status status, const struct loss_error *err)
{
	if (status == LOSS_OK)
		return;
	fprintf(stderr, "bench: %s\n", err->detail);
	exit(1);
}

static struct loss_plan *plan_case(struct ours_case *what, struct loss_arena *arena)
{
	static const char *const outputs[] = {"loss", "grad"};
	struct loss_error err;
	struct loss_plan *plan = NULL;
	const struct loss_info *loss = loss_find("cross_entropy", strlen("cross_entropy"));
	struct loss_problem *problem = loss_problem_create(loss, arena);
	if (!problem)
		check(loss_arena_failure(arena, &err), &err);
	what->logits.data = pool_next(what->pool);
	check(loss_problem_set_tensor(problem, 0, &what->logits, &err), &err);
	check(loss_problem_set_tensor(problem, 1, &what->targets, &err), &err);
	check(loss_problem_set_outputs(problem, outputs, what->grad ? 2 : 1, &err), &err);
	loss_problem_set_isa(problem, what->isa);
	check(loss_plan_create(problem, arena, &plan, &err), &err);
	return plan;
}

static struct loss_arena *new_arena(const struct ours_case *what)
{
	struct loss_arena *arena = loss_arena_create(what->budget);
	if (!arena) {
		fputs("bench: there is no memory for an arena\n", stderr);
		exit(1);
	}
	return arena;
}

static void whole_call(void *context)
{
	struct ours_case *what = context;
	struct loss_arena *arena = new_arena(what);
	struct loss_plan *plan = plan_case(what, arena);
	struct loss_result result;
	struct loss_error err;
	check(loss_plan_run(plan, what->threads, NULL, &err), &err);
	loss_plan_finish(plan, &result);
	loss_arena_destroy(arena);
}

struct planned {
	struct loss_plan *plan;
	int threads;
};

static void run_only(void *context)
{
	struct planned *planned = context;
	struct loss_error err;
	check(loss_plan_run(planned->plan, planned->threads, NULL, &err), &err);
}

double ours_call_seconds(struct ours_case *what)
{
	return time_call(whole_call, what);
}

double ours_run_seconds(struct ours_case *what)
{
	struct loss_arena *arena = new_arena(what);
	struct planned planned = {plan_case(what, arena), what->threads};
	double seconds = time_call(run_only, &planned);
	loss_arena_destroy(arena);
	return seconds;
}
