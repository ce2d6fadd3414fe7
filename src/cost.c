/*
 * What a plan costs: nanoseconds an element and a row on one thread, measured on a processor of 2.1
 * GHz with AVX-512 and rounded. It follows from the layout, the type and what is asked for; what
 * the numbers are is not known yet, and rows that the vector kernels leave take a hundred times as
 * long.
 */
#include "cost.h"

/* Of logits held as floats, and as doubles. */
struct each {
	double floats, doubles;
};

/* The sums that all else is made of. */
static const struct each sums[] = {
	[LAYOUT_ELEMENTS] = {0.0, 0.0}, [LAYOUT_TARGETS] = {0.0, 0.0},
	[LAYOUT_FEW] = {0.35, 1.4},     [LAYOUT_FEW_APART] = {0.3, 1.1},
	[LAYOUT_MANY] = {0.22, 0.95},   [LAYOUT_MANY_APART] = {0.75, 2.1},
};

/* What a visit of every logit after that takes more than where classes are side by side, and as
 * much again where it writes. */
static const struct each apart[] = {
	[LAYOUT_ELEMENTS] = {0.0, 0.0}, [LAYOUT_TARGETS] = {0.0, 0.0},
	[LAYOUT_FEW] = {0.3, 0.8},      [LAYOUT_FEW_APART] = {0.3, 0.4},
	[LAYOUT_MANY] = {0.0, 0.0},     [LAYOUT_MANY_APART] = {1.1, 1.8},
};

/* What a visit is for. */
static const struct visit {
	enum output output;
	bool writes;
	struct each each;
} visits[] = {
	{OUTPUT_GRAD, true, {0.4, 1.5}},        {OUTPUT_LOG_PROBS, true, {0.3, 0.6}},
	{OUTPUT_PROBS, true, {0.4, 0.9}},       {OUTPUT_ENTROPY, false, {0.6, 1.2}},
	{OUTPUT_RANK, false, {0.15, 0.3}},      {OUTPUT_TOPK_ACCURACY, false, {0.15, 0.3}},
	{OUTPUT_PREDICTED, false, {0.15, 0.3}}, {OUTPUT_CORRECT, false, {0.1, 0.1}},
	{OUTPUT_ACCURACY, false, {0.1, 0.1}},   {OUTPUT_ECE, false, {0.1, 0.2}},
};
static const struct visit smoothing = {OUTPUT_LOSS, false, {0.15, 0.5}};
static const struct visit probabilities = {OUTPUT_LOSS, false, {0.4, 0.7}};
static const struct visit focal = {OUTPUT_LOSS, false, {0.6, 1.7}};
static const struct visit product_sums = {OUTPUT_GRAD, false, {0.9, 3.0}};

/* What loading takes, at each visit. */
static const struct each softcap = {1.0, 2.6}, temperature = {0.12, 0.3}, narrowest = {0.6, 0.0};

/* Element-wise losses, with a gradient too, and what follows from the sums of a row. */
static const struct each element = {2.5, 6.0}, element_grad = {3.5, 9.0},
			 element_focal = {4.0, 10.0};
static const struct each target_grad = {0.15, 0.3};
#define ROW_NANOSECONDS 5.0

/* Rows of groups, and groups. */
#define GROUPED_ROW_NANOSECONDS 20.0
#define GROUP_NANOSECONDS 20.0

/* Rows of which quantiles are wanted. */
#define QUANTILE_NANOSECONDS 20.0

static double of(const struct loss_plan *plan, struct each each)
{
	bool wide = plan->tensors[LOSS_ROLE_INPUT].dtype == LOSS_F64;
	return wide ? each.doubles : each.floats;
}

static double load_cost(const struct loss_plan *plan)
{
	loss_dtype dtype = plan->tensors[LOSS_ROLE_INPUT].dtype;
	double each = 0.0;
	if (dtype == LOSS_F8_E4M3 || dtype == LOSS_F8_E5M2)
		each += narrowest.floats;
	if (plan->transform.on)
		each += of(plan, plan->transform.softcap > 0.0 ? softcap : temperature);
	return each;
}

static double visit_cost(const struct loss_plan *plan, const struct visit *visit)
{
	double times = visit->writes ? 2.0 : 1.0;
	return of(plan, visit->each) + times * (of(plan, apart[plan->layout]) + load_cost(plan));
}

/* Of a logit, in layouts that read all of a row. */
static double logit_cost(const struct loss_plan *plan)
{
	double each = of(plan, sums[plan->layout]) + load_cost(plan);
	if (plan->target_kind == TARGETS_PROBABILITIES)
		each += visit_cost(plan, &probabilities);
	else if (plan->args.label_smoothing > 0.0)
		each += visit_cost(plan, &smoothing);
	if (plan->args.gamma > 0.0)
		each += visit_cost(plan, &focal);
	if (plan->target_kind == TARGETS_NONE && plan->wanted[OUTPUT_GRAD])
		each += visit_cost(plan, &product_sums);
	for (size_t i = 0; i < sizeof visits / sizeof visits[0]; i++)
		if (plan->wanted[visits[i].output])
			each += visit_cost(plan, &visits[i]);
	return each;
}

/* Of an element-wise loss. */
static double element_cost(const struct loss_plan *plan)
{
	double each = of(plan, plan->wanted[OUTPUT_GRAD] ? element_grad : element);
	if (plan->args.gamma > 0.0)
		each += of(plan, element_focal);
	return each + load_cost(plan);
}

/* What there is to list and to add up apart. */
static double sums_cost(const struct loss_plan *plan)
{
	double row = plan->wanted[OUTPUT_LOSS_QUANTILES] ? QUANTILE_NANOSECONDS : 0.0;
	if (!plan_has_groups_or_bytes(plan))
		return (double)plan->rows * row;
	row += GROUPED_ROW_NANOSECONDS;
	return (double)plan->rows * row + (double)plan->groups.n * GROUP_NANOSECONDS;
}

double cost_of(const struct loss_plan *plan)
{
	double elements = (double)plan->tensors[LOSS_ROLE_INPUT].count;
	double rows = (double)plan->rows * ROW_NANOSECONDS + sums_cost(plan);
	bool grad = plan->wanted[OUTPUT_GRAD];
	if (plan->layout == LAYOUT_ELEMENTS)
		return elements * element_cost(plan);
	if (plan->layout == LAYOUT_TARGETS)
		return (grad ? elements * of(plan, target_grad) : 0.0) + rows;
	return elements * logit_cost(plan) + rows;
}
