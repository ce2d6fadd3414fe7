#include "rows.h"

#include <string.h>

#include "../targets.h"
#include "row.h"
#include "row_parts.h"
#include "tiles.h"

/* Rows whose sums one call makes: as many groups of sixteen as have room in tiles together. */
#define PANEL_GROUPS ((size_t)16)

/* Of its rows, and up to a whole group of those that do not count. */
struct panel_targets {
	int64_t *y;
	double *logit, *weight;
};

struct panel {
	const struct loss_plan *plan;
	size_t first, n; /* rows */
	bool neighbours;
	rows_fn *follow;
	void *context;
	struct lane_state *states; /* one a group */
	struct row_sums *sums;
	struct rows *rows;
	struct panel_targets targets;
	unsigned char *tiles, *flat;
	const struct room *room;
};

static size_t groups_of(const struct panel *panel)
{
	return (panel->n + LANES - 1) / LANES;
}

static const struct number_kernels *numbers_of(const struct loss_plan *plan)
{
	return plan->tensors[LOSS_ROLE_INPUT].dtype == LOSS_F64 ? plan->kernels->doubles
								: plan->kernels->floats;
}

static bool is_tiled(const struct loss_plan *plan)
{
	return plan->layout == LAYOUT_FEW || plan->layout == LAYOUT_FEW_APART;
}

static void *tile_of(const struct panel *panel, size_t g)
{
	size_t tile = panel->plan->classes * LANES * numbers_of(panel->plan)->size;
	return is_tiled(panel->plan) ? panel->tiles + g * tile : panel->tiles;
}

/* The rows of group g; their sums are still to be made. */
static void place(const struct panel *panel, size_t g)
{
	const struct loss_plan *plan = panel->plan;
	struct rows *rows = &panel->rows[g];
	size_t left = panel->n - g * LANES;
	rows->plan = plan;
	rows->numbers = numbers_of(plan);
	rows->first = panel->first + g * LANES;
	rows->n = left < LANES ? left : LANES;
	rows->neighbours = panel->neighbours;
	rows->tile = tile_of(panel, g);
	rows->tiled = false;
	rows->flat = panel->flat;
	rows->room = panel->room;
	rows->sums = &panel->sums[g];
	rows->base = plan_row_base(plan, rows->first);
	rows->step = plan->inner == 1 ? plan->classes : 1;
	rows->scattered = plan->inner > 1 && plan->inner < LANES;
}

/* ---------------------------------------------------------------- how many together */

/* Neighbouring positions are read sixteen at a time: what is after the last row must be there to be
 * read, whatever it is. */
static bool can_be_read(const struct loss_plan *plan, size_t first, size_t n)
{
	const struct loss_tensor *input = &plan->tensors[LOSS_ROLE_INPUT];
	size_t last = plan_row_base(plan, first) + (plan->classes - 1) * plan->inner;
	return plan->inner >= LANES && last + (n + LANES - 1) / LANES * LANES <= input->count;
}

static void take_positions(struct panel *panel, size_t most)
{
	size_t inner = panel->plan->inner, left = inner - panel->first % inner;
	panel->n = panel->n < most ? panel->n : most;
	if (inner >= LANES && panel->n > left)
		panel->n = left;
	panel->neighbours = can_be_read(panel->plan, panel->first, panel->n);
	if (panel->neighbours || panel->n <= LANES || inner < LANES)
		return;
	panel->n = (panel->n - 1) / LANES * LANES; /* the last group alone is not */
	panel->neighbours = true;
}

/* The first of the panel's rows that are read together. */
static void take(struct panel *panel)
{
	const struct loss_plan *plan = panel->plan;
	size_t most = LANES;
	if (plan->layout == LAYOUT_TARGETS)
		most *= PANEL_GROUPS;
	if (is_tiled(plan)) {
		size_t groups = TILE_NUMBERS / (plan->classes * LANES);
		most *= groups < PANEL_GROUPS ? groups : PANEL_GROUPS;
	}
	if (plan->inner > 1)
		take_positions(panel, most);
	else
		panel->n = panel->n < most ? panel->n : most;
}

/* ---------------------------------------------------------------- sums, by layout */

/* The kernels read positions where they are, if these are of a type that they take. */
static void sum_positions(const struct panel *panel)
{
	const struct loss_plan *plan = panel->plan;
	const struct loss_tensor *input = &plan->tensors[LOSS_ROLE_INPUT];
	const struct lane_classes classes = {
		.x = tensor_at(input, plan_row_base(plan, panel->first)),
		.dtype = input->dtype,
		.stride = plan->inner,
		.groups = groups_of(panel),
		.group_step = LANES,
		.classes = plan->classes,
		.fetch = true,
	};
	numbers_of(plan)->sum_lanes(panel->states, &classes);
}

static void sum_tiles(const struct panel *panel)
{
	const struct loss_plan *plan = panel->plan;
	const struct lane_classes classes = {
		.x = panel->tiles,
		.dtype = rows_dtype(&panel->rows[0]),
		.stride = LANES,
		.groups = groups_of(panel),
		.group_step = plan->classes * LANES,
		.classes = plan->classes,
	};
	for (size_t g = 0; g < groups_of(panel); g++)
		tile_load(&panel->rows[g]);
	numbers_of(plan)->sum_lanes(panel->states, &classes);
}

static void put_sum(const struct rows *rows, struct lane_state *state, size_t lane,
		    const struct class_sum *sum)
{
	if (rows_are_wide(rows)) {
		state->max.d[lane] = sum->max;
		state->reference.d[lane] = sum->reference;
	} else {
		state->max.f[lane] = (float)sum->max;
		state->reference.f[lane] = (float)sum->reference;
	}
	state->sum[lane] = sum->sum;
	state->lost[lane] = sum->lost;
}

/* A row by parts of its classes. */
struct parts_job {
	const struct rows *rows;
	size_t lane;
	struct class_sum *parts;
};

/* Classes [c, c + n) of a contiguous row. */
static void sum_part(void *context, size_t part, size_t c, size_t n)
{
	const struct parts_job *row = context;
	const struct rows *rows = row->rows;
	const struct loss_tensor *input = &rows->plan->tensors[LOSS_ROLE_INPUT];
	struct lane_state state;
	if (rows->plan->in_place) {
		const void *x = tensor_at(input, rows_base(rows, row->lane) + c);
		rows->numbers->sum_classes(&state, input->dtype, x, n, true);
	} else {
		NUMBERS_OF(buffer, ROW_CLASSES);
		for (size_t done = 0, some; done < n; done += some) {
			some = n - done < ROW_CLASSES ? n - done : ROW_CLASSES;
			struct vectors x = row_load(rows, row->lane, c + done, some, buffer, NULL);
			rows->numbers->sum_classes(&state, x.dtype, x.at, some, done == 0);
		}
	}
	rows->numbers->fold_classes(&state, &row->parts[part]);
}

__attribute__((noinline)) static void sum_long_row(const struct rows *rows, size_t lane,
						   struct class_sum *sum)
{
	struct class_sum parts[MAX_ROW_PARTS];
	struct parts_job row = {rows, lane, parts};
	memset(parts, 0, row_parts(rows->plan->classes) * sizeof *parts); /* it may be cancelled */
	row_parts_run(rows->plan, sum_part, &row);
	*sum = parts[0];
	for (size_t part = 1; part < row_parts(rows->plan->classes); part++)
		rows->numbers->add_part(sum, &parts[part]);
}

static void sum_row(const struct rows *rows, size_t lane, struct class_sum *sum)
{
	struct parts_job row = {rows, lane, sum};
	if (rows->plan->classes > ROW_PART)
		sum_long_row(rows, lane, sum);
	else
		sum_part(&row, 0, 0, rows->plan->classes);
}

static void sum_rows(const struct panel *panel)
{
	const struct rows *rows = &panel->rows[0];
	struct class_sum sum = {0};
	for (size_t lane = 0; lane < LANES; lane++) {
		if (lane < rows->n)
			sum_row(rows, lane, &sum);
		put_sum(rows, panel->states, lane, &sum);
	}
}

/* Classes [c, c + n) of sixteen positions, as if they were contiguous rows. */
static void sum_apart(const struct rows *rows, size_t c, size_t n, struct class_sum *sums)
{
	struct lane_state states[LANES];
	const size_t row_bytes = APART_CLASSES * rows->numbers->size;
	for (size_t done = 0, some; done < n; done += some) {
		some = n - done < APART_CLASSES ? n - done : APART_CLASSES;
		apart_load(rows, c + done, some, rows->flat, NULL);
		for (size_t lane = 0; lane < rows->n; lane++)
			rows->numbers->sum_classes(&states[lane], rows_dtype(rows),
						   (char *)rows->flat + lane * row_bytes, some,
						   done == 0);
	}
	for (size_t lane = 0; lane < rows->n; lane++)
		rows->numbers->fold_classes(&states[lane], &sums[lane]);
}

static void sum_rows_apart(const struct panel *panel)
{
	const struct rows *rows = &panel->rows[0];
	struct class_sum sums[LANES] = {{0}}, parts[LANES] = {{0}};
	size_t classes = panel->plan->classes, size = row_part_size(classes);
	for (size_t c = 0; c < classes && !plan_is_cancelled(panel->plan); c += size) {
		size_t n = classes - c < size ? classes - c : size;
		sum_apart(rows, c, n, c == 0 ? sums : parts);
		for (size_t lane = 0; c > 0 && lane < rows->n; lane++)
			rows->numbers->add_part(&sums[lane], &parts[lane]);
	}
	for (size_t lane = 0; lane < LANES; lane++)
		put_sum(rows, panel->states, lane, &sums[lane < rows->n ? lane : 0]);
}

/* Of a loss that needs none: no row is left by the kernels. */
static void clear_sums(const struct panel *panel)
{
	for (size_t g = 0; g < groups_of(panel); g++)
		panel->sums[g] = (struct row_sums){.regular = ALL_LANES};
}

/* The one place that looks at the layout to make sums. */
static void make_sums(const struct panel *panel)
{
	const struct loss_plan *plan = panel->plan;
	if (plan->loss->sums_nothing) {
		clear_sums(panel);
		return;
	}
	switch (plan->layout) {
	case LAYOUT_FEW:
		sum_tiles(panel);
		break;
	case LAYOUT_FEW_APART:
		if (plan->in_place && panel->neighbours)
			sum_positions(panel);
		else
			sum_tiles(panel);
		break;
	case LAYOUT_MANY:
		sum_rows(panel);
		break;
	case LAYOUT_MANY_APART:
		sum_rows_apart(panel);
		break;
	case LAYOUT_TARGETS: /* nothing is summed */
	case LAYOUT_ELEMENTS:
		return;
	}
	numbers_of(plan)->finish(panel->states, panel->sums, groups_of(panel), plan->classes);
}

/* ---------------------------------------------------------------- targets */

/* The targets of as many rows after the panel. Beyond the tensor it does nothing. */
static void fetch_next_targets(const struct panel *panel)
{
	const struct loss_tensor *targets = &panel->plan->tensors[LOSS_ROLE_TARGETS];
	const char *next = tensor_at(targets, panel->first + panel->n);
	size_t bytes = panel->n * dtype_size(targets->dtype);
	for (size_t at = 0; at < bytes; at += 64)
		__builtin_prefetch(next + at);
}

static void read_classes(const struct panel *panel, int64_t *y)
{
	targets_read(panel->plan, panel->first, panel->n, y);
	fetch_next_targets(panel);
	for (size_t i = panel->n; i < groups_of(panel) * LANES; i++)
		y[i] = TARGET_IGNORED;
}

/* n elements of the input, in flat memory, become logits, as doubles. */
static void widen_logits(const struct rows *rows, size_t n, double *logits)
{
	const void *elements = rows->flat;
	const struct loss_plan *plan = rows->plan;
	const struct number_kernels *numbers = rows->numbers;
	loss_dtype dtype = plan->tensors[LOSS_ROLE_INPUT].dtype;
	if (plan->transform.on) {
		char *transformed = (char *)rows->flat + n * sizeof(double);
		numbers->load(dtype, elements, transformed, n);
		numbers->transform(&plan->transform, transformed, transformed, NULL, n);
		elements = transformed;
		dtype = rows_dtype(rows);
	}
	plan->kernels->widen(dtype, elements, logits, n);
}

/* Rows that do not count have the logit of class 0, and a weight of 0. */
static void read_targets(const struct panel *panel)
{
	const struct loss_plan *plan = panel->plan;
	const struct panel_targets *targets = &panel->targets;
	const struct loss_tensor *input = &plan->tensors[LOSS_ROLE_INPUT];
	size_t size = dtype_size(input->dtype), n = groups_of(panel) * LANES;
	read_classes(panel, targets->y);
	for (size_t g = 0; g < groups_of(panel); g++) {
		size_t places[LANES];
		rows_places(&panel->rows[g], 0, places);
		for (size_t lane = 0; lane < LANES; lane++) {
			int64_t y = targets->y[g * LANES + lane];
			places[lane] += y < 0 ? 0 : (size_t)y * plan->inner;
		}
		elements_gather(input, places, 0, 1, panel->flat + g * LANES * size);
	}
	widen_logits(&panel->rows[0], n, targets->logit);
	for (size_t i = 0; plan->present[LOSS_ROLE_WEIGHT] && i < n; i++)
		targets->weight[i] =
			targets->y[i] < 0 ? 0.0 : plan_class_weight(plan, (size_t)targets->y[i]);
}

/* ---------------------------------------------------------------- reading */

static void read_panel(const struct panel *panel)
{
	const struct loss_plan *plan = panel->plan;
	const struct panel_targets *all = &panel->targets;
	size_t placed = 0;
	do /* there is one group at least */
		place(panel, placed++);
	while (placed < groups_of(panel));
	make_sums(panel);
	if (plan->target_kind == TARGETS_INDICES)
		read_targets(panel);
	for (size_t g = 0; g < groups_of(panel); g++) {
		bool weighted = plan->present[LOSS_ROLE_WEIGHT];
		panel->rows[g].targets = (struct row_targets){
			.y = all->y + g * LANES,
			.logit = all->logit + g * LANES,
			.weight = weighted ? all->weight + g * LANES : NULL,
		};
		panel->follow(&panel->rows[g], panel->context);
	}
}

/* Rows [first, first + n) of the plan, as panels. */
static void read_panels(struct panel *panel, size_t first, size_t n)
{
	for (size_t r = first, end = first + n; r < end; r += panel->n) {
		panel->first = r;
		panel->n = end - r;
		take(panel);
		read_panel(panel);
	}
}

/* ---------------------------------------------------------------- memory */

/* Gives a panel memory in the frame of the function where this stands: for groups, and tiles of
 * numbers. */
#define FURNISH(panel, groups, numbers)                                                            \
	struct lane_state states[groups];                                                          \
	struct row_sums sums[groups];                                                              \
	struct rows rows[groups];                                                                  \
	_Alignas(64) int64_t y[(groups)*LANES];                                                    \
	_Alignas(64) double logit[(groups)*LANES], weight[(groups)*LANES];                         \
	NUMBERS_OF(tiles, numbers);                                                                \
	NUMBERS_OF(flat, numbers);                                                                 \
	(panel).states = states;                                                                   \
	(panel).sums = sums;                                                                       \
	(panel).rows = rows;                                                                       \
	(panel).targets = (struct panel_targets){y, logit, weight};                                \
	(panel).tiles = tiles;                                                                     \
	(panel).flat = flat

__attribute__((noinline)) static void read_in_much(struct panel panel, size_t first, size_t n)
{
	FURNISH(panel, PANEL_GROUPS, TILE_NUMBERS);
	read_panels(&panel, first, n);
}

__attribute__((noinline)) static void read_in_much_and_room(struct panel panel, size_t first,
							    size_t n)
{
	NUMBERS_OF(memory, ROOM_TILES * TILE_NUMBERS);
	const struct room room = room_in(memory, TILE_NUMBERS);
	panel.room = &room;
	read_in_much(panel, first, n);
}

/*
 * A frame takes time by the page, since each is looked at as it is entered: for all that a panel
 * can have it is more than a few short rows take themselves. They have little.
 */
#define LITTLE_CLASSES ((size_t)16)
#define LITTLE_NUMBERS (LITTLE_CLASSES * LANES)

__attribute__((noinline)) static void read_in_little(struct panel panel, size_t first, size_t n)
{
	NUMBERS_OF(memory, ROOM_TILES * LITTLE_NUMBERS);
	const struct room room = room_in(memory, LITTLE_NUMBERS);
	FURNISH(panel, 1, LITTLE_NUMBERS);
	panel.room = &room;
	read_panels(&panel, first, n);
}

/* One group, of which nothing is larger than a tile of its classes. */
static bool is_little(const struct loss_plan *plan, size_t n)
{
	return n <= LANES && is_tiled(plan) && plan->classes <= LITTLE_CLASSES;
}

void rows_read(const struct loss_plan *plan, size_t first, size_t n, rows_fn *follow, void *context)
{
	struct panel panel = {.plan = plan, .follow = follow, .context = context};
	if (is_little(plan, n))
		read_in_little(panel, first, n);
	else
		read_in_much(panel, first, n);
}

void rows_read_to_operate(const struct loss_plan *plan, size_t first, size_t n, rows_fn *follow,
			  void *context)
{
	struct panel panel = {.plan = plan, .follow = follow, .context = context};
	if (is_little(plan, n))
		read_in_little(panel, first, n);
	else
		read_in_much_and_room(panel, first, n);
}

void rows_logits(const struct rows *rows, const size_t *classes, union numbers *logits,
		 union numbers *slopes)
{
	const struct loss_plan *plan = rows->plan;
	const struct loss_tensor *input = &plan->tensors[LOSS_ROLE_INPUT];
	size_t places[LANES];
	union numbers elements;
	rows_places(rows, 0, places);
	for (size_t lane = 0; lane < LANES; lane++)
		places[lane] += classes[lane] * plan->inner;
	elements_gather(input, places, 0, 1, &elements);
	rows->numbers->load(input->dtype, &elements, logits, LANES);
	if (plan->transform.on)
		rows->numbers->transform(&plan->transform, logits, logits, slopes, LANES);
}

void rows_weigh(const struct rows *rows, double *loss)
{
	const struct loss_plan *plan = rows->plan;
	for (size_t lane = 0; plan->present[LOSS_ROLE_ROW_WEIGHT] && lane < rows->n; lane++)
		if (rows->targets.y[lane] >= 0)
			loss[lane] = weigh(plan_row_weight(plan, rows->first + lane), loss[lane]);
}
