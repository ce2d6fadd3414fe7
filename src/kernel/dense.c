#include "dense.h"

#include <string.h>

#include "class_blocks.h"

/* ---------------------------------------------------------------- operands */

/* b of n contiguous classes of a lane, from c on. */
static void fill_row(const struct group *group, const struct dense_operand *operand, size_t lane,
		     size_t c, size_t n, double *b)
{
	const struct vector_kernels *kernels = group->plan->kernels;
	const struct loss_tensor *tensor = operand->tensor;
	double weight[DENSE_CHUNK];
	if (tensor) {
		size_t at = group->base[lane] + c + operand->ahead;
		kernels->widen(tensor->dtype, tensor_at(tensor, at), b, n);
		if (operand->scale != 1.0 || operand->shift != 0.0)
			kernels->affine(b, operand->scale, operand->shift, n);
	} else {
		for (size_t k = 0; k < n; k++)
			b[k] = operand->shift;
		if (operand->y[lane] - c < n)
			b[operand->y[lane] - c] += operand->scale;
	}
	if (operand->weight) {
		kernels->widen(operand->weight->dtype, tensor_at(operand->weight, c), weight, n);
		kernels->multiply(b, weight, n);
	}
}

/* Classes [c, c + n) of the operand's tensor, as group_gather has the logits. A lane that is not on
 * may have no row there: the last logits of all have none that is ahead. */
static void gather_tensor(const struct dense_work *work, size_t c, size_t n, double *b)
{
	const struct group *group = work->group;
	const struct dense_operand *operand = work->operand;
	const struct loss_tensor *tensor = operand->tensor;
	size_t inner = group->plan->inner;
	double row[TILE_CLASSES];
	if (group_is_together(group)) {
		for (size_t k = 0; k < n; k++) {
			size_t at = group->base[0] + (c + k) * inner + operand->ahead;
			group->plan->kernels->widen(tensor->dtype, tensor_at(tensor, at),
						    b + k * GROUP_ROWS, GROUP_ROWS);
		}
		return;
	}
	memset(b, 0, n * GROUP_ROWS * sizeof *b);
	for (size_t lane = 0; lane < group->n; lane++) {
		if (!work->on[lane])
			continue;
		size_t at = group->base[lane] + c * inner + operand->ahead;
		if (inner == 1)
			group->plan->kernels->widen(tensor->dtype, tensor_at(tensor, at), row, n);
		else
			for (size_t k = 0; k < n; k++)
				row[k] = tensor_number(tensor, at + k * inner);
		for (size_t k = 0; k < n; k++)
			b[k * GROUP_ROWS + lane] = row[k];
	}
}

static void fill_tile(const struct dense_work *work, size_t c, size_t n, double *b)
{
	const struct group *group = work->group;
	const struct dense_operand *operand = work->operand;
	if (operand->tensor) {
		gather_tensor(work, c, n, b);
		if (operand->scale != 1.0 || operand->shift != 0.0)
			group->plan->kernels->affine(b, operand->scale, operand->shift,
						     n * GROUP_ROWS);
	} else {
		for (size_t i = 0; i < n * GROUP_ROWS; i++)
			b[i] = operand->shift;
		for (size_t lane = 0; lane < group->n; lane++)
			if (operand->y[lane] - c < n)
				b[(operand->y[lane] - c) * GROUP_ROWS + lane] += operand->scale;
	}
	for (size_t k = 0; operand->weight && k < n; k++) {
		double weight = tensor_number(operand->weight, c + k);
		for (size_t lane = 0; lane < GROUP_ROWS; lane++)
			b[k * GROUP_ROWS + lane] *= weight;
	}
}

/* ---------------------------------------------------------------- tiles: a row a lane */

/* Classes [c, c + n), and what stands beside them: few classes are read once for all operations. */
static struct dense_chunk read_tile(struct dense_work *work, size_t c, size_t n)
{
	struct dense_buffer *tile = &work->tile;
	if (!work->kept) {
		group_gather(work->group, c, n, tile->x);
		if (work->operand)
			fill_tile(work, c, n, tile->b);
	}
	work->kept = work->group->plan->classes <= TILE_CLASSES;
	return (struct dense_chunk){
		.x = tile->x, .b = tile->b, .out = tile->out, .n = n * GROUP_ROWS};
}

static size_t tile_classes(const struct dense_work *work, size_t c)
{
	size_t left = work->group->plan->classes - c;
	return left < TILE_CLASSES ? left : TILE_CLASSES;
}

static void sum_tiles(struct dense_work *work, dense_fn *operation)
{
	for (size_t c = 0; c < work->group->plan->classes; c += TILE_CLASSES) {
		struct dense_chunk chunk = read_tile(work, c, tile_classes(work, c));
		operation(&work->lanes, &chunk);
	}
}

static void write_tiles(struct dense_work *work, dense_fn *operation, const struct loss_tensor *out)
{
	for (size_t c = 0; c < work->group->plan->classes; c += TILE_CLASSES) {
		size_t n = tile_classes(work, c);
		struct dense_chunk chunk = read_tile(work, c, n);
		operation(&work->lanes, &chunk);
		group_scatter(work->group, c, n, work->tile.out, out);
	}
}

/* ---------------------------------------------------------------- long rows: lanes are classes */

/* What is done to one row. */
struct row_job {
	const struct dense_work *work;
	size_t lane; /* of the group */
	dense_fn *operation;
	const struct loss_tensor *out;
	double (*sums)[2]; /* of each block */
	size_t *place;     /* of each block */
	size_t y;
};

/* The row's numbers in all lanes. */
static struct dense_lanes spread(const struct dense_work *work, size_t lane)
{
	struct dense_lanes lanes;
	for (size_t l = 0; l < GROUP_ROWS; l++) {
		lanes.max[l] = work->lanes.max[lane];
		lanes.exponent[l] = work->lanes.exponent[lane];
		lanes.factor[l] = work->lanes.factor[lane];
		lanes.term[l] = work->lanes.term[lane];
		lanes.value[l] = work->lanes.value[lane];
		lanes.sum[0][l] = lanes.sum[1][l] = 0.0;
		lanes.limit[l] = lanes.count[l] = 0;
	}
	return lanes;
}

/* Classes that the next operation takes of those left: whole vectors, or what is left of one. */
static size_t next_classes(size_t left)
{
	size_t n = left < DENSE_CHUNK ? left : DENSE_CHUNK;
	return n < GROUP_ROWS ? n : n / GROUP_ROWS * GROUP_ROWS;
}

/* Classes [c, c + n), and what stands beside them; a last vector is filled up with classes that are
 * excluded. */
static struct dense_chunk read_classes(const struct row_job *job, size_t c, size_t n,
				       struct dense_buffer *buffer)
{
	const struct group *group = job->work->group;
	struct dense_chunk chunk = {.out = buffer->out, .n = n};
	chunk.x = group_load(group->plan, group->base[job->lane] + c, n, buffer->x);
	if (job->work->operand) {
		fill_row(group, job->work->operand, job->lane, c, n, buffer->b);
		chunk.b = buffer->b;
	}
	if (n % GROUP_ROWS == 0)
		return chunk;
	if (chunk.x != buffer->x)
		memcpy(buffer->x, chunk.x, n * sizeof *chunk.x);
	for (chunk.x = buffer->x; chunk.n < GROUP_ROWS; chunk.n++) {
		buffer->x[chunk.n] = -HUGE_VALF;
		buffer->b[chunk.n] = 0.0;
	}
	return chunk;
}

static double sum_lanes(const double *sum)
{
	double all[GROUP_ROWS / 2];
	for (size_t l = 0; l < 8; l++)
		all[l] = sum[l] + sum[l + 8];
	for (size_t l = 0; l < 4; l++)
		all[l] += all[l + 4];
	return (all[0] + all[2]) + (all[1] + all[3]);
}

static void sum_classes(void *context, size_t block, size_t c, size_t left)
{
	const struct row_job *job = context;
	struct dense_lanes lanes = spread(job->work, job->lane);
	struct dense_buffer buffer;
	for (size_t n; left > 0; left -= n, c += n) {
		n = next_classes(left);
		struct dense_chunk chunk = read_classes(job, c, n, &buffer);
		job->operation(&lanes, &chunk);
	}
	for (size_t i = 0; i < 2; i++)
		job->sums[block][i] = sum_lanes(lanes.sum[i]);
}

static void sum_row(struct dense_work *work, size_t lane, dense_fn *operation)
{
	const struct loss_plan *plan = work->group->plan;
	double sums[MAX_CLASS_BLOCKS][2];
	struct row_job job = {.work = work, .lane = lane, .operation = operation, .sums = sums};
	class_blocks_run(plan, sum_classes, &job);
	for (size_t block = 0; block < class_blocks(plan->classes); block++)
		for (size_t i = 0; i < 2; i++)
			work->lanes.sum[i][lane] += sums[block][i];
}

/* The classes up to where the output is aligned for streams; 0 where it is. */
static size_t misaligned(const float *out)
{
	size_t over = (uintptr_t)out / sizeof *out % GROUP_ROWS;
	return over ? GROUP_ROWS - over : 0;
}

static void write_classes(void *context, size_t block, size_t c, size_t left)
{
	const struct row_job *job = context;
	const struct loss_tensor *out = job->out;
	struct dense_lanes lanes = spread(job->work, job->lane);
	struct dense_buffer buffer;
	bool floats = out->dtype == LOSS_F32;
	(void)block;
	for (size_t n; left > 0; left -= n, c += n) {
		size_t at = job->work->group->base[job->lane] + c;
		size_t head = floats ? misaligned((float *)out->data + at) : 0;
		n = next_classes(head && head < left ? head : left);
		struct dense_chunk chunk = read_classes(job, c, n, &buffer);
		bool direct = floats && chunk.n == n;
		if (direct)
			chunk.out = (float *)out->data + at;
		chunk.stream = direct && out->count * sizeof(float) >= STREAM_BYTES;
		job->operation(&lanes, &chunk);
		if (!direct)
			group_store(out, at, buffer.out, n);
	}
}

/* ---------------------------------------------------------------- either */

void dense_start(struct dense_work *work, const struct group *group,
		 const struct dense_operand *operand)
{
	memset(work->on, 0, sizeof work->on);
	memset(&work->lanes, 0, sizeof work->lanes);
	work->kept = false;
	work->group = group;
	work->operand = operand;
	for (size_t lane = 0; lane < group->n; lane++) {
		work->on[lane] = row_group_regular(&group->sums, lane);
		work->lanes.max[lane] = (double)group->sums.max[lane];
		work->lanes.exponent[lane] = (float)group->sums.exponent[lane];
	}
}

void dense_sum(struct dense_work *work, dense_fn *operation)
{
	memset(work->lanes.sum, 0, sizeof work->lanes.sum);
	if (group_is_tiled(work->group->plan)) {
		sum_tiles(work, operation);
		return;
	}
	for (size_t lane = 0; lane < work->group->n; lane++)
		if (work->on[lane])
			sum_row(work, lane, operation);
}

void dense_write(struct dense_work *work, dense_fn *operation, const struct loss_tensor *out)
{
	const struct loss_plan *plan = work->group->plan;
	if (group_is_tiled(plan)) {
		write_tiles(work, operation, out);
		return;
	}
	for (size_t lane = 0; lane < work->group->n; lane++) {
		struct row_job job = {
			.work = work, .lane = lane, .operation = operation, .out = out};
		if (work->on[lane])
			class_blocks_run(plan, write_classes, &job);
	}
}

/* ---------------------------------------------------------------- places */

static void find_tiles(struct dense_work *work, size_t *place)
{
	dense_fn *first_equal = work->group->plan->kernels->first_equal;
	for (size_t c = 0; c < work->group->plan->classes; c += TILE_CLASSES) {
		struct dense_chunk chunk = read_tile(work, c, tile_classes(work, c));
		first_equal(&work->lanes, &chunk);
		for (size_t lane = 0; lane < GROUP_ROWS; lane++)
			if (place[lane] == SIZE_MAX && work->lanes.count[lane] != INT32_MAX)
				place[lane] = c + (size_t)work->lanes.count[lane];
	}
}

/* The first of the places that a chunk's lanes have found, of classes from c on. */
static size_t first_place(const struct dense_lanes *lanes, size_t c)
{
	size_t first = SIZE_MAX;
	for (size_t l = 0; l < GROUP_ROWS; l++) {
		size_t place = c + (size_t)lanes->count[l] * GROUP_ROWS + l;
		if (lanes->count[l] != INT32_MAX && place < first)
			first = place;
	}
	return first;
}

static void find_classes(void *context, size_t block, size_t c, size_t left)
{
	const struct row_job *job = context;
	struct dense_lanes lanes = spread(job->work, job->lane);
	struct dense_buffer buffer;
	size_t *place = &job->place[block];
	*place = SIZE_MAX;
	for (size_t n; left > 0 && *place == SIZE_MAX; left -= n, c += n) {
		n = next_classes(left);
		struct dense_chunk chunk = read_classes(job, c, n, &buffer);
		job->operation(&lanes, &chunk);
		*place = first_place(&lanes, c);
	}
}

static size_t find_row(const struct dense_work *work, size_t lane)
{
	const struct loss_plan *plan = work->group->plan;
	size_t place[MAX_CLASS_BLOCKS], first = SIZE_MAX;
	struct row_job job = {.work = work,
			      .lane = lane,
			      .operation = plan->kernels->first_equal,
			      .place = place};
	class_blocks_run(plan, find_classes, &job);
	for (size_t block = class_blocks(plan->classes); block-- > 0;)
		first = place[block] < first ? place[block] : first;
	return first;
}

void dense_predicted(const struct group *group, size_t *predicted)
{
	struct dense_work work;
	size_t place[GROUP_ROWS];
	dense_start(&work, group, NULL);
	memcpy(work.lanes.value, group->sums.max, sizeof work.lanes.value);
	memset(place, 0xff, sizeof place);
	if (group_is_tiled(group->plan))
		find_tiles(&work, place);
	for (size_t lane = 0; lane < GROUP_ROWS; lane++) {
		predicted[lane] = SIZE_MAX;
		if (work.on[lane])
			predicted[lane] =
				group_is_tiled(group->plan) ? place[lane] : find_row(&work, lane);
	}
}

static void rank_tiles(struct dense_work *work, const size_t *y, size_t *rank)
{
	dense_fn *count_before = work->group->plan->kernels->count_before;
	for (size_t c = 0; c < work->group->plan->classes; c += TILE_CLASSES) {
		size_t n = tile_classes(work, c);
		struct dense_chunk chunk = read_tile(work, c, n);
		for (size_t lane = 0; lane < GROUP_ROWS; lane++) {
			size_t before = y[lane] > c ? y[lane] - c : 0;
			work->lanes.limit[lane] = (int32_t)(before < n ? before : n);
			work->lanes.count[lane] = 0;
		}
		count_before(&work->lanes, &chunk);
		for (size_t lane = 0; lane < GROUP_ROWS; lane++)
			rank[lane] += (size_t)work->lanes.count[lane];
	}
}

static void rank_classes(void *context, size_t block, size_t c, size_t left)
{
	const struct row_job *job = context;
	struct dense_lanes lanes = spread(job->work, job->lane);
	struct dense_buffer buffer;
	size_t *rank = &job->place[block];
	*rank = 0;
	for (size_t n; left > 0; left -= n, c += n) {
		n = next_classes(left);
		struct dense_chunk chunk = read_classes(job, c, n, &buffer);
		size_t before = job->y > c ? job->y - c : 0;
		before = before < chunk.n ? before : chunk.n;
		for (size_t l = 0; l < GROUP_ROWS; l++) {
			lanes.limit[l] = (int32_t)((before + GROUP_ROWS - 1 - l) / GROUP_ROWS);
			lanes.count[l] = 0;
		}
		job->operation(&lanes, &chunk);
		for (size_t l = 0; l < GROUP_ROWS; l++)
			*rank += (size_t)lanes.count[l];
	}
}

static size_t rank_row(const struct dense_work *work, size_t lane, size_t y)
{
	const struct loss_plan *plan = work->group->plan;
	size_t counts[MAX_CLASS_BLOCKS], rank = 0;
	struct row_job job = {.work = work,
			      .lane = lane,
			      .operation = plan->kernels->count_before,
			      .place = counts,
			      .y = y};
	class_blocks_run(plan, rank_classes, &job);
	for (size_t block = 0; block < class_blocks(plan->classes); block++)
		rank += counts[block];
	return rank;
}

void dense_rank(const struct group *group, const int64_t *y, size_t *rank)
{
	struct dense_work work;
	size_t class[GROUP_ROWS] = {0}, counted[GROUP_ROWS] = {0};
	dense_start(&work, group, NULL);
	for (size_t lane = 0; lane < group->n; lane++) {
		work.on[lane] &= y[lane] >= 0;
		class[lane] = y[lane] >= 0 ? (size_t)y[lane] : 0;
		work.lanes.value[lane] = (float)group_logit(group, lane, class[lane]);
	}
	if (group_is_tiled(group->plan))
		rank_tiles(&work, class, counted);
	for (size_t lane = 0; lane < GROUP_ROWS; lane++) {
		rank[lane] = SIZE_MAX;
		if (work.on[lane])
			rank[lane] = group_is_tiled(group->plan)
					     ? counted[lane]
					     : rank_row(&work, lane, class[lane]);
	}
}
