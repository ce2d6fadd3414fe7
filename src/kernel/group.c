#include "group.h"

#include <string.h>

#include "half.h"

/* Few classes are read sixteen rows at a time, and so are classes that are not contiguous. */
static bool is_tiled(const struct loss_plan *plan)
{
	return plan->inner > 1 || plan->classes <= TILE_CLASSES;
}

/* Element i of a tensor, wherever its type puts it. */
static const void *element(const struct loss_tensor *tensor, size_t i)
{
	return (const unsigned char *)tensor->data + i * loss_dtype_info(tensor->dtype)->size;
}

/* n elements of the input as floats: in place where they are, else in the buffer. */
static const float *load(const struct loss_plan *plan, size_t i, size_t n, float *buffer)
{
	const struct loss_tensor *input = &plan->tensors[LOSS_ROLE_INPUT];
	if (input->dtype == LOSS_F32)
		return (const float *)input->data + i;
	plan->kernels->load(input->dtype, element(input, i), buffer, n);
	return buffer;
}

/* Outputs of this size and more do not fit a cache beside the input: they are written past it. */
#define STREAM_BYTES ((size_t)1 << 22)
#define BUFFER_FLOATS ((size_t)2048)

typedef float quad __attribute__((vector_size(16)));

static quad quad_load(const float *p)
{
	quad v;
	memcpy(&v, p, sizeof v);
	return v;
}

/* Four classes of four rows, `row` floats apart, into four classes of a tile, `stride` floats
 * apart. */
static inline void transpose(const float *x, size_t row, float *tile, size_t stride)
{
	quad a = quad_load(x), b = quad_load(x + row);
	quad c = quad_load(x + 2 * row), d = quad_load(x + 3 * row);
	quad ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5);
	quad ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
	quad cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5);
	quad cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
	quad classes[4] = {__builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5),
			   __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7),
			   __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5),
			   __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7)};
	for (size_t k = 0; k < 4; k++)
		memcpy(tile + k * stride, &classes[k], sizeof classes[k]);
}

/*
 * n >= 4 classes of four rows, `row` floats apart, four by four; the last four classes once more
 * where n is no multiple of four.
 */
static void transpose_four(const float *x, size_t row, size_t n, float *tile, size_t stride)
{
	for (size_t k = 0; k < n; k += 4) {
		size_t c = k + 4 <= n ? k : n - 4;
		transpose(x + c, row, tile + c * stride, stride);
	}
}

/* Classes [c, c + n) of every lane into a tile of GROUP_ROWS floats a class; lanes without a row
 * get zeros. */
static void gather(const struct group *group, size_t c, size_t n, float *tile)
{
	const struct loss_plan *plan = group->plan;
	const struct loss_tensor *input = &plan->tensors[LOSS_ROLE_INPUT];
	size_t lane = 0;
	if (group->n < GROUP_ROWS)
		memset(tile, 0, n * GROUP_ROWS * sizeof *tile);
	if (plan->inner == 1 && input->dtype == LOSS_F32 && n >= 4)
		for (; lane + 4 <= group->n; lane += 4)
			transpose_four((const float *)input->data + group->base[lane] + c,
				       plan->classes, n, tile + lane, GROUP_ROWS);
	for (; lane < group->n; lane++)
		for (size_t k = 0; k < n; k++)
			tile[k * GROUP_ROWS + lane] = (float)tensor_number(
				input, group->base[lane] + (c + k) * plan->inner);
}

static size_t tile_classes(const struct loss_plan *plan, size_t c)
{
	return plan->classes - c < TILE_CLASSES ? plan->classes - c : TILE_CLASSES;
}

/* Where each lane's row begins; lanes behind the last row repeat it. */
static void place(struct group *group, const struct loss_plan *plan, size_t first, size_t n)
{
	group->plan = plan;
	group->first = first;
	group->n = n;
	size_t step = plan->inner == 1 ? plan->classes : 1;
	size_t base = plan_row_base(plan, first);
	bool together = plan->inner == 1 || first % plan->inner + n <= plan->inner;
	for (size_t lane = 0; lane < GROUP_ROWS; lane++) {
		size_t i = lane < n ? lane : n - 1;
		group->base[lane] = together ? base + i * step : plan_row_base(plan, first + i);
	}
}

bool panel_takes(const struct loss_plan *plan)
{
	bool contiguous = plan->inner == 1 && plan->classes >= 4;
	return plan->classes <= TILE_CLASSES && (contiguous || plan->inner >= GROUP_ROWS);
}

/* Rows whose classes are contiguous, in whole groups. */
static void read_contiguous(struct panel *panel, const struct loss_plan *plan, size_t rows)
{
	size_t classes = plan->classes;
	float buffer[TILE_CLASSES * GROUP_ROWS];
	for (size_t i = 0; i + GROUP_ROWS <= rows; i += GROUP_ROWS) {
		size_t base = (panel->first + i) * classes;
		const float *x = load(plan, base, classes * GROUP_ROWS, buffer);
		for (size_t lane = 0; lane < GROUP_ROWS; lane += 4)
			transpose_four(x + lane * classes, classes, classes, panel->copy + i + lane,
				       PANEL_STRIDE);
	}
	panel->n = rows / GROUP_ROWS * GROUP_ROWS;
	panel->block = classes;
}

/*
 * Rows of one outer index, whose positions are contiguous: floats in place, some classes at a time,
 * since distances between classes are often such that more of them would fall into the same few
 * places of a cache. The last group is filled up.
 */
static void read_positions(struct panel *panel, const struct loss_plan *plan, size_t rows)
{
	const struct loss_tensor *input = &plan->tensors[LOSS_ROLE_INPUT];
	size_t inner = plan->inner;
	size_t at = panel->first % inner;
	size_t base = (panel->first - at) * plan->classes + at;
	rows = rows < inner - at ? rows : inner - at;
	panel->n = rows;
	panel->block = IN_PLACE_CLASSES;
	if (input->dtype == LOSS_F32 && rows % GROUP_ROWS == 0) {
		panel->x = (const float *)input->data + base;
		panel->stride = inner;
		return;
	}
	for (size_t c = 0; c < plan->classes; c++) {
		float *to = panel->copy + c * PANEL_STRIDE;
		const float *x = load(plan, base + c * inner, rows, to);
		if (x != to)
			memcpy(to, x, rows * sizeof *x);
		for (size_t i = rows; i % GROUP_ROWS != 0; i++)
			to[i] = to[rows - 1];
	}
}

void panel_read(struct panel *panel, const struct loss_plan *plan, size_t first, size_t most)
{
	size_t rows = most < PANEL_ROWS ? most : PANEL_ROWS;
	panel->first = first;
	panel->x = panel->copy;
	panel->stride = PANEL_STRIDE;
	if (plan->inner == 1)
		read_contiguous(panel, plan, rows);
	else
		read_positions(panel, plan, rows);
}

/*
 * What to fetch while n classes from c on of the group at row i are evaluated: of rows with
 * contiguous classes the ones a panel ahead, of positions the next classes, or the first classes of
 * the next panel.
 */
static void fetch_ahead(const struct loss_plan *plan, const struct panel *panel, size_t i, size_t c,
			struct tile *tile)
{
	const struct loss_tensor *input = &plan->tensors[LOSS_ROLE_INPUT];
	size_t row = panel->first + i;
	if (input->dtype != LOSS_F32)
		return;
	if (plan->inner == 1 && row + PANEL_ROWS + GROUP_ROWS <= plan->rows) {
		tile->next = (const float *)input->data + (row + PANEL_ROWS) * plan->classes;
		tile->next_stride = GROUP_ROWS;
		tile->next_n = tile->n;
	}
	if (panel->x == panel->copy)
		return;
	size_t left = plan->classes - c - tile->n;
	tile->next_stride = plan->inner;
	if (left > 0) {
		tile->next = tile->x + tile->n * plan->inner;
		tile->next_n = left < tile->n ? left : tile->n;
	} else if (i + panel->n < plan->inner - panel->first % plan->inner) {
		tile->next = panel->x + i + panel->n;
		tile->next_n = tile->n;
	}
}

void panel_sum(const struct panel *panel, const struct loss_plan *plan, struct group *groups)
{
	for (size_t i = 0; i < panel->n; i += GROUP_ROWS) {
		size_t left = panel->n - i;
		place(&groups[i / GROUP_ROWS], plan, panel->first + i,
		      left < GROUP_ROWS ? left : GROUP_ROWS);
	}
	for (size_t c = 0; c < plan->classes; c += panel->block)
		for (size_t i = 0; i < panel->n; i += GROUP_ROWS) {
			size_t left = plan->classes - c;
			struct tile tile = {.x = panel->x + c * panel->stride + i,
					    .stride = panel->stride,
					    .n = left < panel->block ? left : panel->block};
			fetch_ahead(plan, panel, i, c, &tile);
			plan->kernels->tile_sum(&groups[i / GROUP_ROWS].sums, &tile, c == 0);
		}
}

static void read_tiles(struct group *group)
{
	const struct loss_plan *plan = group->plan;
	_Alignas(64) float tile[TILE_CLASSES * GROUP_ROWS];
	for (size_t c = 0; c < plan->classes; c += TILE_CLASSES) {
		size_t n = tile_classes(plan, c);
		gather(group, c, n, tile);
		struct tile all = {.x = tile, .stride = GROUP_ROWS, .n = n};
		plan->kernels->tile_sum(&group->sums, &all, c == 0);
	}
}

static void read_rows(struct group *group)
{
	const struct loss_plan *plan = group->plan;
	const struct loss_tensor *input = &plan->tensors[LOSS_ROLE_INPUT];
	struct row_group *sums = &group->sums;
	for (size_t lane = 0; lane < group->n; lane++)
		plan->kernels->row_sum(sums, lane, input->dtype, element(input, group->base[lane]),
				       plan->classes);
	for (size_t lane = group->n; lane < GROUP_ROWS; lane++) {
		sums->max[lane] = sums->max[0];
		sums->reference[lane] = sums->reference[0];
		sums->sum[lane] = sums->sum[0];
	}
}

void group_finish(struct group *group)
{
	group->plan->kernels->finish(&group->sums, group->plan->classes);
}

void group_read(struct group *group, const struct loss_plan *plan, size_t first, size_t n)
{
	place(group, plan, first, n);
	if (is_tiled(plan))
		read_tiles(group);
	else
		read_rows(group);
	group_finish(group);
}

void group_row(const struct group *group, size_t lane, struct row *row)
{
	const struct loss_plan *plan = group->plan;
	const struct row_group *sums = &group->sums;
	if (!row_group_regular(sums, lane)) {
		row_read(row, plan, group->first + lane);
		return;
	}
	*row = (struct row){
		.input = &plan->tensors[LOSS_ROLE_INPUT],
		.base = group->base[lane],
		.stride = plan->inner,
		.classes = plan->classes,
		.predicted = SIZE_MAX,
		.max = (double)sums->max[lane],
		.residual = {sums->residual[lane], 0.0},
		.scaled_residual = sums->residual[lane] * 0x1p256,
		.log1p_residual = sums->log1p_residual[lane],
		.total = 1.0 + sums->residual[lane],
	};
}

/* The inverse of gather, for the lanes in use. */
static void scatter(const struct group *group, size_t c, size_t n, const float *tile,
		    const struct loss_tensor *out)
{
	size_t inner = group->plan->inner;
	for (size_t lane = 0; lane < group->n; lane++)
		for (size_t k = 0; k < n; k++)
			tensor_put(out, group->base[lane] + (c + k) * inner,
				   (double)tile[k * GROUP_ROWS + lane]);
}

static void scale_tiles(const struct group *group, const double *factor,
			const struct loss_tensor *out)
{
	const struct loss_plan *plan = group->plan;
	_Alignas(64) float tile[TILE_CLASSES * GROUP_ROWS];
	for (size_t c = 0; c < plan->classes; c += TILE_CLASSES) {
		size_t n = tile_classes(plan, c);
		gather(group, c, n, tile);
		plan->kernels->tile_scale(&group->sums, factor, tile, tile, GROUP_ROWS, n);
		scatter(group, c, n, tile, out);
	}
}

/* Through a buffer where either is not of floats. */
static void scale_row(const struct group *group, size_t lane, double factor,
		      const struct loss_tensor *out)
{
	const struct loss_plan *plan = group->plan;
	const struct vector_kernels *kernels = plan->kernels;
	bool to_floats = out->dtype == LOSS_F32;
	bool in_place = to_floats && plan->tensors[LOSS_ROLE_INPUT].dtype == LOSS_F32;
	bool stream = to_floats && out->count * sizeof(float) >= STREAM_BYTES;
	size_t block = in_place ? plan->classes : BUFFER_FLOATS;
	_Alignas(64) float in[BUFFER_FLOATS], results[BUFFER_FLOATS];
	for (size_t c = 0; c < plan->classes; c += block) {
		size_t n = plan->classes - c < block ? plan->classes - c : block;
		size_t at = group->base[lane] + c;
		unsigned char *to =
			(unsigned char *)out->data + at * loss_dtype_info(out->dtype)->size;
		kernels->row_scale(&group->sums, lane, factor, load(plan, at, n, in),
				   to_floats ? (float *)(void *)to : results, n, stream);
		if (!to_floats)
			half_from_float(out->dtype, results, to, n);
	}
}

void group_scale(const struct group *group, const double *factor, const struct loss_tensor *out)
{
	const struct loss_plan *plan = group->plan;
	double safe[GROUP_ROWS];
	for (size_t lane = 0; lane < GROUP_ROWS; lane++)
		safe[lane] = group_scales(group, lane, factor[lane]) ? factor[lane] : 0.0;
	if (is_tiled(plan)) {
		scale_tiles(group, safe, out);
		return;
	}
	for (size_t lane = 0; lane < group->n; lane++)
		scale_row(group, lane, safe[lane], out);
}
