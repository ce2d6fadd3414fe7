/*
 * Up to PANEL_ROWS rows whose sums one call makes: rows of a few contiguous classes, and
 * neighbouring positions of classes that are not contiguous.
 */
#ifndef LOSS_KERNEL_PANEL_H
#define LOSS_KERNEL_PANEL_H

#include "group.h"

#define PANEL_GROUPS ((size_t)32)
#define PANEL_ROWS (PANEL_GROUPS * GROUP_ROWS)

struct panel {
	const struct loss_plan *plan;
	size_t first, n; /* rows */
	/* One a group, the caller's. */
	struct row_group *sums;
	struct row_targets *targets; /* NULL: none */
};

static inline size_t panel_groups(const struct panel *panel)
{
	return (panel->n + GROUP_ROWS - 1) / GROUP_ROWS;
}

/* Rows of a group: whole groups but for the last. */
static inline size_t panel_lanes(const struct panel *panel, size_t group)
{
	size_t left = panel->n - group * GROUP_ROWS;
	return left < GROUP_ROWS ? left : GROUP_ROWS;
}

/* How many of the rows [first, first + n) a panel takes; 0 when they are not for panels. */
size_t panel_takes(const struct loss_plan *plan, size_t first, size_t n);

/* Reads the panel's rows, which a panel takes: targets, finished sums, target logits. */
void panel_read(const struct panel *panel);

#endif
