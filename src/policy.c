#include "policy.h"

#include <stdint.h>

#include "names.h"
#include "plan.h"
#include "status.h"

/* What an objective reads. */
static const struct facts {
	bool samples, clips, pulls; /* sampling_log_probs; clip_low and clip_high; beta */
} facts[N_OBJECTIVES] = {
	[OBJECTIVE_IMPORTANCE_SAMPLING] = {.samples = true},
	[OBJECTIVE_PPO] = {.samples = true, .clips = true},
	[OBJECTIVE_CISPO] = {.samples = true, .clips = true},
	[OBJECTIVE_DRO] = {.samples = true, .pulls = true},
	[OBJECTIVE_REINFORCE] = {false, false, false},
};

static const char *objective_name(const struct loss_plan *plan)
{
	const struct loss_info *loss = &plan->loss->info;
	int i = loss_find_argument(loss, "objective", 9);
	return loss->arguments[i]->choices[plan->args.objective];
}

static loss_status check_sampling(const struct loss_plan *plan, struct loss_error *err)
{
	if (plan->present[LOSS_ROLE_OWN_1] || !facts[plan->args.objective].samples)
		return LOSS_OK;
	return loss_fail(err, LOSS_MISSING_FIELD, "sampling_log_probs",
			 "the objective \"%s\" of policy_gradient needs sampling_log_probs, a "
			 "number for each row of logits",
			 objective_name(plan));
}

static loss_status check_reference(const struct loss_plan *plan, struct loss_error *err)
{
	if (plan->present[LOSS_ROLE_OWN_3] || !(plan->args.kl_weight > 0.0))
		return LOSS_OK;
	return loss_fail(err, LOSS_MISSING_FIELD, "reference_log_probs",
			 "kl_weight is %g, for which policy_gradient needs reference_log_probs, a "
			 "number for each row of logits",
			 plan->args.kl_weight);
}

static loss_status check_clip_fraction(const struct loss_plan *plan, struct loss_error *err)
{
	size_t i = 0;
	if (!plan->wanted[OUTPUT_CLIP_FRACTION] || facts[plan->args.objective].clips)
		return LOSS_OK;
	while (plan->requested[i]->id != OUTPUT_CLIP_FRACTION)
		i++;
	loss_fail(err, LOSS_ARGUMENT_OUT_OF_RANGE, "outputs",
		  "outputs[%zu] is \"clip_fraction\", which needs the objective \"ppo\" or "
		  "\"cispo\", but it is \"%s\"",
		  i, objective_name(plan));
	loss_error_set_index(err, i, &(size_t){SIZE_MAX}, 1);
	return LOSS_ARGUMENT_OUT_OF_RANGE;
}

static void warn_of_idle_fields(struct loss_plan *plan)
{
	const struct facts *of = &facts[plan->args.objective];
	const struct {
		bool given, used;
		const char *warning;
	} fields[] = {
		{argument_given(&plan->args, ARGUMENT_CLIP_LOW), of->clips,
		 "clip_low has no effect unless objective is \"ppo\" or \"cispo\""},
		{argument_given(&plan->args, ARGUMENT_CLIP_HIGH), of->clips,
		 "clip_high has no effect unless objective is \"ppo\" or \"cispo\""},
		{argument_given(&plan->args, ARGUMENT_BETA), of->pulls,
		 "beta has no effect unless objective is \"dro\""},
		{plan->present[LOSS_ROLE_OWN_1],
		 of->samples || plan->wanted[OUTPUT_RATIO] || plan->wanted[OUTPUT_KL],
		 "sampling_log_probs has no effect with the objective \"reinforce\" unless "
		 "outputs has \"ratio\" or \"kl\""},
		{plan->present[LOSS_ROLE_OWN_3], plan->args.kl_weight > 0.0,
		 "reference_log_probs has no effect unless kl_weight is above 0"},
	};
	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
		if (fields[i].given && !fields[i].used)
			plan_warn(plan, fields[i].warning);
}

loss_status policy_check(struct loss_plan *plan, struct loss_error *err)
{
	TRY(check_sampling(plan, err));
	TRY(check_reference(plan, err));
	TRY(check_clip_fraction(plan, err));
	warn_of_idle_fields(plan);
	return LOSS_OK;
}
