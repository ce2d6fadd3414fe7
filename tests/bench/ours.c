#include "ours.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan.h"
#include "timing.h"

static void check(loss_status status, const struct loss_error *err)
{
	if (status == LOSS_OK)
		return;
	fprintf(stderr, "bench: %s\n", err->detail);
	exit(1);
}

const struct ours_call ours_forward = {.loss = "cross_entropy", .outputs = {"loss"}};
const struct ours_call ours_backward = {.loss = "cross_entropy", .outputs = {"loss", "grad"}};
const struct ours_call ours_divergence = {.loss = "divergence", .outputs = {"loss"}};
const struct ours_call ours_divergence_backward = {.loss = "divergence",
						   .outputs = {"loss", "grad"}};
const struct ours_call ours_policy = {.loss = "policy_gradient", .outputs = {"loss", "grad"}};

static void set_tensors(struct ours_case *what, struct loss_problem *problem)
{
	const struct loss_info *loss = loss_problem_info(problem);
	struct loss_error err;
	if (what->pool)
		what->tensors[LOSS_ROLE_INPUT].data = pool_next(what->pool);
	for (size_t i = 0; i < loss->n_tensors; i++) {
		const struct loss_tensor *tensor = &what->tensors[loss->tensors[i].role];
		if (tensor->count > 0)
			check(loss_problem_set_tensor(problem, i, tensor, &err), &err);
	}
}

static void set_argument(const struct ours_call *call, struct loss_problem *problem)
{
	struct loss_error err;
	if (!call->argument)
		return;
	int i = loss_find_argument(loss_problem_info(problem), call->argument,
				   strlen(call->argument));
	check(loss_problem_set_argument(problem, (size_t)i, &call->value, &err), &err);
}

static bool add_up_nothing(const double *values, size_t n, double parts[ADD_UP_PARTS])
{
	(void)values;
	(void)n;
	memset(parts, 0, ADD_UP_PARTS * sizeof *parts);
	return true;
}

/* Kernels that do not add up, as long as the plan is theirs. */
static void leave_out_sums(struct loss_plan *plan)
{
	static struct vector_kernels kernels;
	kernels = *plan->kernels;
	kernels.add_up = add_up_nothing;
	plan->kernels = &kernels;
}

static struct loss_plan *plan_case(struct ours_case *what, struct loss_arena *arena)
{
	const struct ours_call *call = what->call;
	struct loss_error err;
	struct loss_plan *plan = NULL;
	struct loss_problem *problem =
		loss_problem_create(loss_find(call->loss, strlen(call->loss)), arena);
	if (!problem)
		check(loss_arena_failure(arena, &err), &err);
	size_t n = 0;
	while (n < sizeof call->outputs / sizeof call->outputs[0] && call->outputs[n])
		n++;
	set_tensors(what, problem);
	set_argument(call, problem);
	check(loss_problem_set_outputs(problem, call->outputs, n, &err), &err);
	loss_problem_set_isa(problem, what->isa);
	check(loss_plan_create(problem, arena, &plan, &err), &err);
	if (what->without_sums)
		leave_out_sums(plan);
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

double ours_call_seconds(struct ours_case *what, double timed_seconds)
{
	return time_call_for(whole_call, what, timed_seconds);
}

double ours_run_seconds(struct ours_case *what, double timed_seconds)
{
	struct loss_arena *arena = new_arena(what);
	struct planned planned = {plan_case(what, arena), what->threads};
	double seconds = time_call_for(run_only, &planned, timed_seconds);
	loss_arena_destroy(arena);
	return seconds;
}
