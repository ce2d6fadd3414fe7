#include "group.h"

#include <string.h>

#include "../targets.h"
#include "class_blocks.h"
#include "half.h"

const float *group_load(const struct loss_plan *plan, size_t i, size_t n, float *buffer)
{
	const struct loss_tensor *input = &plan->tensors[LOSS_ROLE_INPUT];
	if (input->dtype == LOSS_F32)
		return (const float *)input->data + i;
	plan->kernels->load(input->dtype, tensor_at(input, i), buffer, n);
	return buffer;
}

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

static void gather_positions(const struct group *group, size_t c, size_t n, float *tile)
{
	const struct loss_plan *plan = group->plan;
	for (size_t k = 0; k < n; k++) {
		float *to = tile + k * GROUP_ROWS;
		size_t at = group->base[0] + (c + k) * plan->inner;
		const float *x = group_load(plan, at, GROUP_ROWS, to);
		if (x != to)
			memcpy(to, x, GROUP_ROWS * sizeof *x);
	}
}

void group_gather(const struct group *group, size_t c, size_t n, float *tile)
{
	const struct loss_plan *plan = group->plan;
	const struct loss_tensor *input = &plan->tensors[LOSS_ROLE_INPUT];
	size_t lane = 0;
	if (group_is_together(group)) {
		gather_positions(group, c, n, tile);
		return;
	}
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

static void read_tiles(struct group *group)
{
	const struct loss_plan *plan = group->plan;
	_Alignas(64) float tile[TILE_CLASSES * GROUP_ROWS];
	for (size_t c = 0; c < plan->classes; c += TILE_CLASSES) {
		size_t n = tile_classes(plan, c);
		group_gather(group, c, n, tile);
		const struct positions all = {.x = tile,
					      .dtype = LOSS_F32,
					      .stride = GROUP_ROWS,
					      .groups = 1,
					      .classes = n,
					      .first = c};
		plan->kernels->positions_sum(&group->sums, NULL, &all);
	}
}

/* A row's sums, by blocks of classes. */
struct row_parts {
	const struct loss_plan *plan;
	size_t base;
	float max[MAX_CLASS_BLOCKS], reference[MAX_CLASS_BLOCKS];
	double sum[MAX_CLASS_BLOCKS];
};

static void sum_part(void *context, size_t block, size_t c, size_t n)
{
	struct row_parts *parts = context;
	const struct loss_tensor *input = &parts->plan->tensors[LOSS_ROLE_INPUT];
	struct row_group part;
	parts->plan->kernels->row_sum(&part, 0, input->dtype, tensor_at(input, parts->base + c), n);
	parts->max[block] = part.max[0];
	parts->reference[block] = part.reference[0];
	parts->sum[block] = part.sum[0];
}

/* sum 2^(reference - to), reference <= to: what falls out of double's range is nothing. */
static double rereferenced(double sum, float reference, float to)
{
	float down = to - reference;
	return down > 1000.0f ? 0.0 * sum : sum * power_of_two(-(int64_t)down);
}

/* The blocks' maxima are a row themselves: all of them but the row's maximum are in its sum. */
static void merge_parts(const struct row_parts *parts, size_t n, struct row_group *sums,
			size_t lane)
{
	parts->plan->kernels->row_sum(sums, lane, LOSS_F32, parts->max, n);
	float reference = sums->reference[lane];
	for (size_t i = 0; i < n; i++)
		reference = parts->reference[i] > reference ? parts->reference[i] : reference;
	double sum = rereferenced(sums->sum[lane], sums->reference[lane], reference);
	for (size_t i = 0; i < n; i++)
		sum += rereferenced(parts->sum[i], parts->reference[i], reference);
	sums->reference[lane] = reference;
	sums->sum[lane] = sum;
}

__attribute__((noinline)) static void sum_parts(struct group *group, size_t lane)
{
	struct row_parts parts;
	parts.plan = group->plan;
	parts.base = group->base[lane];
	class_blocks_run(group->plan, sum_part, &parts);
	merge_parts(&parts, class_blocks(group->plan->classes), &group->sums, lane);
}

static void read_rows(struct group *group)
{
	const struct loss_plan *plan = group->plan;
	const struct loss_tensor *input = &plan->tensors[LOSS_ROLE_INPUT];
	struct row_group *sums = &group->sums;
	for (size_t lane = 0; lane < group->n; lane++)
		if (plan->classes > CLASS_BLOCK)
			sum_parts(group, lane);
		else
			plan->kernels->row_sum(sums, lane, input->dtype,
					       tensor_at(input, group->base[lane]), plan->classes);
	for (size_t lane = group->n; lane < GROUP_ROWS; lane++) {
		sums->max[lane] = sums->max[0];
		sums->reference[lane] = sums->reference[0];
		sums->sum[lane] = sums->sum[0];
	}
}

void group_read(struct group *group, const struct loss_plan *plan, size_t first, size_t n)
{
	place(group, plan, first, n);
	if (group_is_tiled(plan))
		read_tiles(group);
	else
		read_rows(group);
	plan->kernels->finish(&group->sums, 1, plan->classes);
}

void group_take(struct group *group, const struct loss_plan *plan, size_t first, size_t n,
		const struct row_group *sums)
{
	place(group, plan, first, n);
	group->sums = *sums;
}

void row_targets_set(const struct loss_plan *plan, const int64_t *y, struct row_targets *targets)
{
	for (size_t lane = 0; lane < GROUP_ROWS; lane++) {
		targets->y[lane] = y[lane];
		targets->class[lane] = (int32_t)y[lane];
	}
	targets->weighted = plan->present[LOSS_ROLE_WEIGHT];
	for (size_t lane = 0; targets->weighted && lane < GROUP_ROWS; lane++)
		targets->weight[lane] =
			y[lane] >= 0 ? plan_class_weight(plan, (size_t)y[lane]) : 0.0;
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
		.rank = SIZE_MAX,
		.max = (double)sums->max[lane],
		.residual = {sums->residual[lane], 0.0},
		.scaled_residual = sums->residual[lane] * 0x1p256,
		.log1p_residual = sums->log1p_residual[lane],
		.total = 1.0 + sums->residual[lane],
	};
}

void group_store(const struct loss_tensor *out, size_t i, const float *values, size_t n)
{
	if (out->dtype == LOSS_F32)
		memcpy((float *)out->data + i, values, n * sizeof *values);
	else
		half_from_float(out->dtype, values,
				(unsigned char *)out->data + i * loss_dtype_info(out->dtype)->size,
				n);
}

void group_scatter(const struct group *group, size_t c, size_t n, const float *tile,
		   const struct loss_tensor *out)
{
	size_t inner = group->plan->inner, classes = group->plan->classes;
	size_t lane = 0;
	if (group_is_together(group)) {
		for (size_t k = 0; k < n; k++)
			group_store(out, group->base[0] + (c + k) * inner, tile + k * GROUP_ROWS,
				    GROUP_ROWS);
		return;
	}
	if (inner == 1 && out->dtype == LOSS_F32 && n >= 4)
		for (; lane + 4 <= group->n; lane += 4)
			for (size_t k = 0; k < n; k += 4) {
				size_t from = k + 4 <= n ? k : n - 4;
				transpose(tile + from * GROUP_ROWS + lane, GROUP_ROWS,
					  (float *)out->data + group->base[lane] + c + from,
					  classes);
			}
	for (; lane < group->n; lane++)
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
		group_gather(group, c, n, tile);
		plan->kernels->tile_scale(&group->sums, factor, tile, tile, GROUP_ROWS, n);
		group_scatter(group, c, n, tile, out);
	}
}

struct scaling {
	const struct group *group;
	size_t lane;
	double factor;
	const struct loss_tensor *out;
};

/* Classes [first, first + left) of a lane, through a buffer where either is not of floats. */
static void scale_part(void *context, size_t part, size_t first, size_t left)
{
	const struct scaling *scaling = context;
	const struct group *group = scaling->group;
	const struct loss_plan *plan = group->plan;
	const struct loss_tensor *out = scaling->out;
	bool to_floats = out->dtype == LOSS_F32;
	bool in_place = to_floats && plan->tensors[LOSS_ROLE_INPUT].dtype == LOSS_F32;
	bool stream = to_floats && out->count * sizeof(float) >= STREAM_BYTES;
	size_t block = in_place ? left : BUFFER_FLOATS;
	_Alignas(64) float in[BUFFER_FLOATS], results[BUFFER_FLOATS];
	(void)part;
	for (size_t end = first + left, c = first; c < end; c += block) {
		size_t n = end - c < block ? end - c : block;
		size_t at = group->base[scaling->lane] + c;
		unsigned char *to =
			(unsigned char *)out->data + at * loss_dtype_info(out->dtype)->size;
		plan->kernels->row_scale(&group->sums, scaling->lane, scaling->factor,
					 group_load(plan, at, n, in),
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
	if (group_is_tiled(plan)) {
		scale_tiles(group, safe, out);
		return;
	}
	for (size_t lane = 0; lane < group->n; lane++) {
		struct scaling scaling = {group, lane, safe[lane], out};
		class_blocks_run(plan, scale_part, &scaling);
	}
}
