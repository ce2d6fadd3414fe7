#include "panel.h"

#include <string.h>

#include "../targets.h"

/* Positions are read a whole group at a time: what is behind the last row must be there to be read,
 * whatever it is. */
static size_t positions_taken(const struct loss_plan *plan, size_t first, size_t n)
{
	const struct loss_tensor *input = &plan->tensors[LOSS_ROLE_INPUT];
	size_t left = plan->inner - first % plan->inner;
	n = n < left ? n : left;
	size_t last = plan_row_base(plan, first) + (plan->classes - 1) * plan->inner;
	size_t whole = (n + GROUP_ROWS - 1) / GROUP_ROWS * GROUP_ROWS;
	return last + whole <= input->count ? n : n / GROUP_ROWS * GROUP_ROWS;
}

size_t panel_takes(const struct loss_plan *plan, size_t first, size_t n)
{
	const struct loss_tensor *input = &plan->tensors[LOSS_ROLE_INPUT];
	n = n < PANEL_ROWS ? n : PANEL_ROWS;
	if (plan->inner == 1)
		return plan->classes <= TILE_CLASSES ? n : 0;
	if (!vector_has_lanes(input->dtype) || plan->classes > INT32_MAX)
		return 0;
	return positions_taken(plan, first, n);
}

/* The targets of as many rows behind the panel. Beyond the tensor it does nothing. */
static void fetch_next_targets(const struct panel *panel)
{
	const struct loss_tensor *targets = &panel->plan->tensors[LOSS_ROLE_TARGETS];
	const char *next = tensor_at(targets, panel->first + panel->n);
	size_t bytes = panel->n * loss_dtype_info(targets->dtype)->size;
	for (size_t at = 0; at < bytes; at += 64)
		__builtin_prefetch(next + at);
}

static void read_targets(const struct panel *panel)
{
	const struct loss_plan *plan = panel->plan;
	int64_t y[PANEL_ROWS];
	targets_read(plan, panel->first, panel->n, y);
	fetch_next_targets(panel);
	for (size_t i = panel->n; i < panel_groups(panel) * GROUP_ROWS; i++)
		y[i] = TARGET_IGNORED;
	for (size_t g = 0; g < panel_groups(panel); g++)
		row_targets_set(plan, y + g * GROUP_ROWS, &panel->targets[g]);
}

/* One group of n rows: as floats, and zeros behind them. */
static void sum_few_rows(const struct panel *panel, size_t g, size_t n)
{
	const struct loss_plan *plan = panel->plan;
	size_t first = plan_row_base(plan, panel->first + g * GROUP_ROWS);
	_Alignas(64) float buffer[TILE_CLASSES * GROUP_ROWS];
	const float *x = group_load(plan, first, n * plan->classes, buffer);
	if (n < GROUP_ROWS) {
		if (x != buffer)
			memcpy(buffer, x, n * plan->classes * sizeof *x);
		memset(buffer + n * plan->classes, 0, (GROUP_ROWS - n) * plan->classes * sizeof *x);
		x = buffer;
	}
	plan->kernels->rows_sum(&panel->sums[g], panel->targets ? &panel->targets[g] : NULL, 1, x,
				plan->classes);
}

static void sum_rows(const struct panel *panel)
{
	const struct loss_plan *plan = panel->plan;
	const struct loss_tensor *input = &plan->tensors[LOSS_ROLE_INPUT];
	size_t whole = input->dtype == LOSS_F32 ? panel->n / GROUP_ROWS : 0;
	const float *x = (const float *)input->data + plan_row_base(plan, panel->first);
	plan->kernels->rows_sum(panel->sums, panel->targets, whole, x, plan->classes);
	for (size_t g = whole; g < panel_groups(panel); g++)
		sum_few_rows(panel, g, panel_lanes(panel, g));
}

/* Lanes behind the last row have read something else. */
static void clear_rest(const struct panel *panel)
{
	struct row_group *last = &panel->sums[panel_groups(panel) - 1];
	for (size_t lane = panel_lanes(panel, panel_groups(panel) - 1); lane < GROUP_ROWS; lane++) {
		last->max[lane] = 0.0f;
		last->reference[lane] = 0.0f;
		last->sum[lane] = 0.0;
	}
}

static void sum_positions(const struct panel *panel)
{
	const struct loss_plan *plan = panel->plan;
	const struct loss_tensor *input = &plan->tensors[LOSS_ROLE_INPUT];
	const struct positions positions = {
		.x = tensor_at(input, plan_row_base(plan, panel->first)),
		.dtype = input->dtype,
		.stride = plan->inner,
		.groups = panel_groups(panel),
		.classes = plan->classes,
		.fetch = true,
	};
	plan->kernels->positions_sum(panel->sums, panel->targets, &positions);
	clear_rest(panel);
}

void panel_read(const struct panel *panel)
{
	const struct loss_plan *plan = panel->plan;
	if (panel->targets)
		read_targets(panel);
	if (plan->inner == 1)
		sum_rows(panel);
	else
		sum_positions(panel);
	plan->kernels->finish(panel->sums, panel_groups(panel), plan->classes);
}
