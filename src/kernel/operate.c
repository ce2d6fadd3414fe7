#include "operate.h"

#include <math.h>
#include <string.h>

#include "row_parts.h"
#include "tiles.h"

/* An operation on its way over all classes. */
struct job {
	struct work *work;
	operation_fn *operation;
	enum operation kind;
	const struct loss_tensor *out; /* NULL: nothing is written */
	bool sloped;
};

/* ---------------------------------------------------------------- a row a lane */

static void set_tile_logits(const struct job *job, struct class_chunk *chunk)
{
	struct rows *rows = job->work->rows;
	const struct loss_tensor *input = &rows->plan->tensors[LOSS_ROLE_INPUT];
	if (job->sloped) {
		tile_load_slopes(rows, rows->room->slopes);
	} else if (!rows->tiled && rows->plan->in_place && tile_lies_in(rows, input)) {
		chunk->x = tile_in(rows, input);
		return;
	} else {
		tile_load(rows);
	}
	chunk->x = rows_numbers(rows, rows->tile);
}

static void *out_at(const struct loss_tensor *out, size_t i)
{
	return (char *)out->data + i * dtype_size(out->dtype);
}

static void set_out(struct class_chunk *chunk, void *out, loss_dtype dtype, size_t step)
{
	chunk->out = out;
	chunk->out_dtype = dtype;
	chunk->out_step = step;
}

/* Where results go: to the output itself if all sixteen lanes have a row. */
static bool aim_tile(const struct job *job, struct class_chunk *chunk)
{
	const struct rows *rows = job->work->rows;
	const struct loss_tensor *out = job->out;
	bool direct = out && !job->sloped && rows->n == LANES && tile_lies_in(rows, out);
	if (direct)
		set_out(chunk, out_at(out, rows->base), out->dtype, rows->plan->inner);
	else
		set_out(chunk, rows->room->out, rows_dtype(rows), LANES);
	return direct;
}

static void run_tile(const struct job *job)
{
	struct work *work = job->work;
	const struct rows *rows = work->rows;
	const struct room *room = rows->room;
	struct class_chunk chunk = {.n = rows->plan->classes};
	set_tile_logits(job, &chunk);
	operand_of_tile(rows, work->operand, &chunk);
	bool direct = aim_tile(job, &chunk);
	job->operation(&work->lanes, &chunk);
	if (!job->out || direct)
		return;
	if (job->sloped)
		rows->numbers->multiply(room->out, room->slopes, chunk.n * LANES);
	tile_store(rows, room->out, job->out);
}

/* ---------------------------------------------------------------- a class a lane */

static void fill(double *lanes, double value)
{
	for (size_t l = 0; l < LANES; l++)
		lanes[l] = value;
}

/* The row's numbers in all lanes: those that the operation looks at. */
static void spread(const struct job *job, size_t lane, struct lanes *to)
{
	const struct lanes *from = &job->work->lanes;
	fill(to->max, from->max[lane]);
	fill(to->exponent, from->exponent[lane]);
	fill(to->b, from->b[lane]);
	if (job->out) {
		fill(to->factor, from->factor[lane]);
		fill(to->factor_low, from->factor_low[lane]);
		fill(to->term, from->term[lane]);
		fill(to->term_low, from->term_low[lane]);
		return;
	}
	memset(to->sum, 0, sizeof to->sum);
	memset(to->lost, 0, sizeof to->lost);
	memset(to->count, 0, sizeof to->count);
	for (size_t l = 0; l < LANES; l++)
		if (rows_are_wide(job->work->rows))
			to->value.d[l] = from->value.d[lane];
		else
			to->value.f[l] = from->value.f[lane];
}

/* What an operation has found of a part of a row's classes. */
struct found {
	struct sum sums[2];
	int64_t count;
};

static struct found nothing_found(const struct job *job)
{
	return (struct found){.count = job->kind == FIND_FIRST ? INT64_MAX : 0};
}

static struct sum fold(const double *sum, const double *lost)
{
	struct lane_sums lanes;
	struct sum total = {0};
	memcpy(lanes.high, sum, sizeof lanes.high);
	memcpy(lanes.low, lost, sizeof lanes.low);
	lane_sums_merge(&lanes, LANES, &total);
	return total;
}

static bool is_sum(enum operation kind)
{
	return kind < WRITE_LOG_PROBS;
}

/* The first of the places that a chunk's lanes have found, of classes from c on. */
static int64_t first_place(const struct lanes *lanes, size_t c)
{
	int64_t first = INT64_MAX;
	for (size_t l = 0; l < LANES; l++) {
		if (lanes->count[l] == INT64_MAX)
			continue;
		int64_t place = (int64_t)(c + l) + lanes->count[l] * LANES;
		first = place < first ? place : first;
	}
	return first;
}

/* Of which of a chunk's classes, from c on, equal ones count. */
static void set_limits(struct lanes *lanes, size_t c, int64_t limit)
{
	for (size_t l = 0; l < LANES; l++) {
		int64_t left = limit - (int64_t)(c + l);
		lanes->limit[l] = left <= 0 ? 0 : (left + LANES - 1) / LANES;
	}
}

/* Whether class `limit` of a row is left out. */
static bool leaves_out(enum operation kind)
{
	return kind == SUM_SQUARES || kind == SUM_HINGES || kind == SUM_HINGES_2;
}

/* Which logit of a chunk's lanes, of classes from c on, that is: in all lanes but one none. */
static void set_left_out(struct lanes *lanes, size_t c, int64_t limit)
{
	for (size_t l = 0; l < LANES; l++) {
		int64_t left = limit - (int64_t)(c + l);
		lanes->limit[l] = left >= 0 && left % LANES == 0 ? left / LANES : -1;
	}
}

/* One chunk of a row. False: nothing after it matters. */
static bool run_chunk(const struct job *job, size_t lane, size_t c, struct lanes *lanes,
		      const struct class_chunk *chunk, struct found *found)
{
	if (job->kind == COUNT_BEFORE)
		set_limits(lanes, c, job->work->lanes.limit[lane]);
	if (leaves_out(job->kind))
		set_left_out(lanes, c, job->work->lanes.limit[lane]);
	job->operation(lanes, chunk);
	if (job->kind != FIND_FIRST)
		return true;
	found->count = first_place(lanes, c);
	return found->count == INT64_MAX;
}

static void finish_found(const struct job *job, const struct lanes *lanes, struct found *found)
{
	for (size_t i = 0; is_sum(job->kind) && i < 2; i++)
		found->sums[i] = fold(lanes->sum[i], lanes->lost[i]);
	for (size_t l = 0; job->kind == COUNT_BEFORE && l < LANES; l++)
		found->count += lanes->count[l];
}

/* In the order of the parts. */
static void add_found(const struct job *job, size_t lane, const struct found *found)
{
	struct lanes *lanes = &job->work->lanes;
	for (size_t i = 0; is_sum(job->kind) && i < 2; i++) {
		struct sum sum = {lanes->sum[i][lane], lanes->lost[i][lane]};
		sum_merge(&sum, &found->sums[i]);
		lanes->sum[i][lane] = sum.high;
		lanes->lost[i][lane] = sum.low;
	}
	if (job->kind == COUNT_BEFORE)
		lanes->count[lane] += found->count;
	if (job->kind == FIND_FIRST && lanes->count[lane] == INT64_MAX)
		lanes->count[lane] = found->count;
}

/* What is after the last of n classes, up to a whole vector, must not matter: neither a maximum nor
 * a gap, and without a coefficient. */
static void fill_rest(const struct job *job, size_t lane, size_t n, void *x, double *b)
{
	double value = job->kind == SUM_GAPS ? job->work->lanes.max[lane] : -HUGE_VAL;
	for (; n % LANES != 0; n++) {
		b[n] = 0.0;
		if (rows_are_wide(job->work->rows))
			((double *)x)[n] = value;
		else
			((float *)x)[n] = (float)value;
	}
}

/* ---------------------------------------------------------------- contiguous rows */

/* The classes up to where the output is aligned for streams; 0 where it is. */
static size_t misaligned(const void *out, size_t size)
{
	size_t over = (uintptr_t)out / size % LANES;
	return over ? LANES - over : 0;
}

/* Classes that the next chunk takes of those left, `most` at most: whole vectors, or what is left
 * of one. */
static size_t next_classes(size_t left, size_t most)
{
	size_t n = left < most ? left : most;
	return n < LANES ? n : n / LANES * LANES;
}

struct row_job {
	const struct job *job;
	size_t lane;
	struct found *found; /* of each part */
};

/* Where a chunk's results go: to the output itself where they may. */
static size_t aim(const struct row_job *row, size_t c, size_t left, struct class_chunk *chunk,
		  void *buffer)
{
	const struct job *job = row->job;
	const struct rows *rows = job->work->rows;
	const struct loss_tensor *out = job->out;
	set_out(chunk, buffer, rows_dtype(rows), LANES);
	if (!out || job->sloped || !vectors_hold(out->dtype, rows->numbers->size))
		return next_classes(left, ROW_CLASSES);
	size_t size = rows->numbers->size;
	void *to = out_at(out, rows_base(rows, row->lane) + c);
	bool large = out->dtype == rows_dtype(rows) && out->count * size >= STREAM_BYTES;
	bool buffered = job->work->operand || !rows->plan->in_place;
	size_t head = large && left > LANES ? misaligned(to, size) : 0;
	size_t n = next_classes(head && head < left ? head : left, buffered ? ROW_CLASSES : left);
	if (n % LANES == 0) {
		set_out(chunk, to, out->dtype, LANES);
		chunk->stream = large && misaligned(to, size) == 0;
	}
	return n;
}

/* What is left of a vector at a row's end is written as the last whole one: once more in part. */
static void step_back(const struct job *job, size_t first, size_t *c, size_t *left)
{
	size_t back = LANES - *left;
	if (job->out && *left < LANES && *c - first >= back) {
		*c -= back;
		*left += back;
	}
}

/* Classes [c, c + left) of a row. */
static void run_classes(const struct row_job *row, size_t c, size_t left, const struct room *room,
			struct found *found)
{
	const struct job *job = row->job;
	const struct rows *rows = job->work->rows;
	void *x = room->x, *out = room->out, *slopes = room->slopes;
	double *b = (double *)(void *)room->b;
	struct lanes lanes;
	*found = nothing_found(job);
	spread(job, row->lane, &lanes);
	for (size_t n, first = c; left > 0; left -= n, c += n) {
		struct class_chunk chunk = {.stream = false};
		step_back(job, first, &c, &left);
		n = aim(row, c, left, &chunk, out);
		chunk.x = row_load(rows, row->lane, c, n, x, job->sloped ? slopes : NULL);
		operand_of_row(rows, job->work->operand, row->lane, c, n, b, &chunk);
		if (n % LANES != 0)
			fill_rest(job, row->lane, n, x, b);
		chunk.n = (n + LANES - 1) / LANES;
		if (!run_chunk(job, row->lane, c, &lanes, &chunk, found))
			break;
		if (job->sloped)
			rows->numbers->multiply(out, slopes, chunk.n * LANES);
		if (job->out && chunk.out == out)
			rows->numbers->store(job->out->dtype, out,
					     out_at(job->out, rows_base(rows, row->lane) + c), n);
	}
	finish_found(job, &lanes, found);
}

/* Threads that share a row have room of their own. */
__attribute__((noinline)) static void run_part(void *context, size_t part, size_t c, size_t left)
{
	const struct row_job *row = context;
	NUMBERS_OF(memory, ROOM_TILES * TILE_NUMBERS);
	const struct room room = room_in(memory, TILE_NUMBERS);
	run_classes(row, c, left, &room, &row->found[part]);
}

__attribute__((noinline)) static void run_long_row(const struct job *job, size_t lane)
{
	struct found found[MAX_ROW_PARTS];
	struct row_job row = {job, lane, found};
	const struct loss_plan *plan = job->work->rows->plan;
	for (size_t part = 0; part < row_parts(plan->classes); part++)
		found[part] = nothing_found(job); /* it may be cancelled */
	row_parts_run(plan, run_part, &row);
	for (size_t part = 0; part < row_parts(plan->classes); part++)
		add_found(job, lane, &found[part]);
}

static void run_row(const struct job *job, size_t lane)
{
	struct found found;
	struct row_job row = {job, lane, &found};
	size_t classes = job->work->rows->plan->classes;
	if (classes > ROW_PART) {
		run_long_row(job, lane);
		return;
	}
	run_classes(&row, 0, classes, job->work->rows->room, &found);
	add_found(job, lane, &found);
}

/* ---------------------------------------------------------------- rows apart */

/* Classes [c, c + n) of all rows, n <= APART_CLASSES. */
static void run_apart(const struct job *job, size_t c, size_t n, struct lanes *lanes,
		      struct found *found)
{
	const struct work *work = job->work;
	struct rows *rows = work->rows;
	const struct room *room = rows->room;
	void *slopes = job->sloped ? room->slopes : NULL;
	const size_t row_bytes = APART_CLASSES * rows->numbers->size;
	apart_load(rows, c, n, room->x, slopes);
	operand_load_apart(rows, work->operand, c, n);
	for (size_t lane = 0; lane < rows->n; lane++) {
		struct class_chunk chunk = {
			.x = rows_numbers(rows, room->x + lane * row_bytes),
			.n = (n + LANES - 1) / LANES,
		};
		set_out(&chunk, room->out + lane * row_bytes, rows_dtype(rows), LANES);
		operand_apart(rows, work->operand, lane, n, &chunk);
		if (n % LANES != 0)
			fill_rest(job, lane, n, room->x + lane * row_bytes,
				  (double *)(void *)room->b + lane * APART_CLASSES);
		if (job->kind != FIND_FIRST || found[lane].count == INT64_MAX)
			run_chunk(job, lane, c, &lanes[lane], &chunk, &found[lane]);
	}
	if (job->out)
		apart_store(rows, c, n, room->out, slopes, job->out);
}

static void run_rows_apart(const struct job *job)
{
	const struct rows *rows = job->work->rows;
	const struct loss_plan *plan = rows->plan;
	size_t classes = plan->classes, size = row_part_size(classes);
	struct lanes lanes[LANES];
	struct found found[LANES] = {{{{0}}, 0}};
	for (size_t c = 0; c < classes && !plan_is_cancelled(plan); c += size) {
		size_t left = classes - c < size ? classes - c : size;
		for (size_t lane = 0; lane < rows->n; lane++) {
			spread(job, lane, &lanes[lane]);
			found[lane] = nothing_found(job);
		}
		for (size_t done = 0; done < left; done += APART_CLASSES) {
			size_t n = left - done < APART_CLASSES ? left - done : APART_CLASSES;
			run_apart(job, c + done, n, lanes, found);
		}
		for (size_t lane = 0; lane < rows->n; lane++) {
			finish_found(job, &lanes[lane], &found[lane]);
			add_found(job, lane, &found[lane]);
		}
	}
}

/* ---------------------------------------------------------------- in any layout */

/* The one place that looks at the layout to operate on rows. */
static void run(struct job *job)
{
	const struct rows *rows = job->work->rows;
	job->operation = rows->numbers->operations[job->kind];
	switch (rows->plan->layout) {
	case LAYOUT_FEW:
	case LAYOUT_FEW_APART:
		run_tile(job);
		break;
	case LAYOUT_MANY:
		for (size_t lane = 0; lane < rows->n; lane++)
			if (job->work->on >> lane & 1)
				run_row(job, lane);
		break;
	case LAYOUT_MANY_APART:
		run_rows_apart(job);
		break;
	case LAYOUT_TARGETS:
	case LAYOUT_ELEMENTS:
		break;
	}
}

void work_start(struct work *work, struct rows *rows, const struct operand *operand)
{
	work->rows = rows;
	work->operand = operand;
	work->on = rows_regular(rows);
	memset(work->lanes.factor, 0, offsetof(struct lanes, sum) - offsetof(struct lanes, factor));
	memcpy(work->lanes.max, rows->sums->max, sizeof work->lanes.max);
	memcpy(work->lanes.exponent, rows->sums->exponent, sizeof work->lanes.exponent);
}

void work_sum(struct work *work, enum operation operation)
{
	struct job job = {.work = work, .kind = operation};
	memset(work->lanes.sum, 0, sizeof work->lanes.sum);
	memset(work->lanes.lost, 0, sizeof work->lanes.lost);
	run(&job);
}

void work_leave_out(struct work *work, const int64_t *y)
{
	memcpy(work->lanes.limit, y, sizeof work->lanes.limit);
}

void work_write(struct work *work, enum operation operation, const struct loss_tensor *out,
		bool sloped)
{
	struct job job = {.work = work, .kind = operation, .out = out, .sloped = sloped};
	run(&job);
}

void work_seek(struct work *work, const double *logits)
{
	for (size_t lane = 0; lane < LANES; lane++)
		if (rows_are_wide(work->rows))
			work->lanes.value.d[lane] = logits[lane];
		else
			work->lanes.value.f[lane] = (float)logits[lane];
}

void work_find(struct work *work)
{
	struct job job = {.work = work, .kind = FIND_FIRST};
	for (size_t lane = 0; lane < LANES; lane++)
		work->lanes.count[lane] = INT64_MAX;
	run(&job);
}

void work_count(struct work *work)
{
	struct job job = {.work = work, .kind = COUNT_BEFORE};
	memset(work->lanes.count, 0, sizeof work->lanes.count);
	run(&job);
}
