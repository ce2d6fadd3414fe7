#include "raw_tensors.h"

#include "eval/scheduler.h"
#include "os/clock.h"

#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensors travel in little-endian order");

/* One expected tensor. */
struct slot {
	size_t i; /* among the loss's tensors */
	struct loss_tensor tensor;
	uint64_t bytes;
	struct loss_buffer *buffer; /* what has come; NULL: nothing yet */
	bool set;                   /* on the problem */
};

struct raw_tensors {
	struct decoder_setup setup;
	size_t n_slots;
	struct slot slots[LOSS_N_ROLES];
	size_t current;   /* the slot that the next byte belongs to */
	uint64_t taken;   /* of its bytes */
	uint64_t missing; /* of all */
	struct loss_error error;

	/* The input, where its rows are evaluated as they come: */
	struct loss_plan *plan;
	size_t rows, row; /* how many there are, and the next one */
	size_t row_bytes;
	size_t chunk_rows;             /* that are evaluated at a time: whole blocks */
	struct loss_buffer *chunks[2]; /* the next rows, and those under way */
	struct loss_buffer *gathered;  /* of these, the next rows */
	struct task task;
	const void *sent; /* the rows under way: n_sent from first_sent on */
	size_t first_sent, n_sent;
	uint64_t compute_ns, beside_ns;
};

/* The task: on the compute thread, or on its own when that has not come round to it. */
static void run_sent(void *context)
{
	struct raw_tensors *raw = context;
	uint64_t start = clock_ns();
	loss_plan_run_rows(raw->plan, raw->first_sent, raw->n_sent, raw->sent);
	raw->beside_ns += clock_ns() - start;
}

struct raw_tensors *raw_tensors_create(const struct decoder_setup *setup)
{
	struct raw_tensors *raw = loss_arena_array(setup->arena, struct raw_tensors, 1);
	if (raw)
		*raw = (struct raw_tensors){.setup = *setup, .task = {run_sent, raw, false}};
	return raw;
}

void raw_tensors_expect(struct raw_tensors *raw, size_t i, const struct loss_tensor *tensor)
{
	uint64_t bytes = (uint64_t)tensor->count * loss_dtype_info(tensor->dtype)->size;
	raw->slots[raw->n_slots++] = (struct slot){.i = i, .tensor = *tensor, .bytes = bytes};
	raw->missing += bytes;
}

/* ---------------------------------------------------------------- errors */

void raw_tensors_settle(struct raw_tensors *raw)
{
	if (raw->setup.scheduler)
		scheduler_await(raw->setup.scheduler, &raw->task);
}

/* Others may need the memory while the rest is thrown away. */
static void give_up(struct raw_tensors *raw)
{
	raw_tensors_settle(raw);
	for (size_t i = 0; i < raw->n_slots; i++)
		if (raw->slots[i].buffer)
			loss_buffer_release(raw->slots[i].buffer);
	for (size_t i = 0; i < 2 && raw->gathered; i++)
		loss_buffer_release(raw->chunks[i]);
	raw->plan = NULL;
}

static bool failed(const struct raw_tensors *raw)
{
	return raw->error.status != LOSS_OK;
}

static void fail_for_memory(struct raw_tensors *raw)
{
	loss_arena_failure(raw->setup.arena, &raw->error);
	give_up(raw);
}

/* ---------------------------------------------------------------- tensors that are complete */

/* A byte of BOOL is 0 or 1: kernels trust that. */
static void check_booleans(struct raw_tensors *raw, const struct slot *slot)
{
	const struct loss_tensor *tensor = &slot->tensor;
	const unsigned char *bytes = tensor->data;
	const char *name = loss_problem_info(raw->setup.problem)->tensors[slot->i].name;
	size_t i = 0;
	while (i < tensor->count && bytes[i] <= 1)
		i++;
	if (i == tensor->count)
		return;
	loss_fail(&raw->error, LOSS_DTYPE_MISMATCH, name,
		  "element %zu of %s is the byte %u, but an element of BOOL is 0 or 1", i, name,
		  bytes[i]);
	give_up(raw);
}

/* Sets a tensor on the problem, without data where that is still to come. */
static void set_tensor(struct raw_tensors *raw, struct slot *slot)
{
	slot->tensor.data = slot->buffer ? slot->buffer->data : NULL;
	if (slot->set)
		loss_problem_set_data(raw->setup.problem, slot->i, slot->tensor.data);
	else if (loss_problem_set_tensor(raw->setup.problem, slot->i, &slot->tensor, &raw->error) !=
		 LOSS_OK)
		give_up(raw);
	slot->set = true;
	if (!failed(raw) && slot->tensor.dtype == LOSS_BOOL && slot->tensor.data)
		check_booleans(raw, slot);
}

/* ---------------------------------------------------------------- rows as they arrive */

/*
 * Elements of a chunk: enough for waking another thread to pay, few enough that two of them stay in
 * a cache. Without another thread a block at a time is best.
 */
#define CHUNK_ELEMENTS ((size_t)64 * 1024)

static size_t chunk_rows(const struct raw_tensors *raw)
{
	size_t block = loss_plan_block_rows(raw->plan);
	size_t elements = block * (loss_plan_elements(raw->plan) / raw->rows);
	size_t blocks = raw->setup.scheduler ? CHUNK_ELEMENTS / elements : 1;
	return block * (blocks > 1 ? blocks : 1);
}

static void start_stream(struct raw_tensors *raw, const struct slot *input)
{
	for (size_t i = 0; i < 2; i++)
		raw->chunks[i] = loss_buffer_create(raw->setup.arena);
	if (!raw->chunks[0] || !raw->chunks[1]) {
		fail_for_memory(raw);
		return;
	}
	raw->gathered = raw->chunks[0];
	raw->rows = loss_plan_rows(raw->plan);
	raw->row_bytes = (size_t)input->bytes / raw->rows;
	raw->chunk_rows = chunk_rows(raw);
}

/* All that comes from here on is the input: plans, and finds out whether rows can be evaluated. */
static void try_to_stream(struct raw_tensors *raw)
{
	uint64_t start = clock_ns();
	struct slot *input = &raw->slots[raw->current];
	for (size_t i = 0; i < raw->n_slots && !failed(raw); i++)
		set_tensor(raw, &raw->slots[i]);
	if (failed(raw))
		return;
	if (loss_plan_create(raw->setup.problem, raw->setup.arena, &raw->plan, &raw->error) !=
	    LOSS_OK)
		give_up(raw);
	else if (raw->plan)
		start_stream(raw, input);
	raw->compute_ns += clock_ns() - start;
}

static bool cancelled(const struct raw_tensors *raw)
{
	return raw->setup.cancel && loss_cancel_requested(raw->setup.cancel);
}

/* False when nobody waits for the rows any more. */
static bool go_on(struct raw_tensors *raw)
{
	if (!cancelled(raw))
		return true;
	loss_fail(&raw->error, LOSS_CANCELLED, NULL,
		  "the deadline passed before all rows were evaluated");
	give_up(raw);
	return false;
}

static void run_rows(struct raw_tensors *raw, size_t n, const void *rows)
{
	uint64_t start = clock_ns();
	raw_tensors_settle(raw);
	if (!go_on(raw))
		return;
	loss_plan_run_rows(raw->plan, raw->row, n, rows);
	raw->row += n;
	raw->compute_ns += clock_ns() - start;
}

/* Leaves the gathered rows to the compute thread, if there are more to gather meanwhile. */
static bool send_rows(struct raw_tensors *raw, size_t n)
{
	struct scheduler *scheduler = raw->setup.scheduler;
	size_t elements = loss_plan_elements(raw->plan) / raw->rows * n;
	if (!scheduler || elements < CHUNK_ELEMENTS / 2 || raw->row + n == raw->rows)
		return false;
	raw_tensors_settle(raw);
	raw->sent = raw->gathered->data;
	raw->first_sent = raw->row;
	raw->n_sent = n;
	if (!go_on(raw) || !scheduler_send(scheduler, &raw->task))
		return false;
	raw->row += n;
	raw->gathered = raw->chunks[raw->gathered == raw->chunks[0]];
	return true;
}

static bool is_aligned(const struct raw_tensors *raw, const unsigned char *bytes)
{
	size_t size = loss_dtype_info(loss_plan_dtype(raw->plan))->size;
	return (uintptr_t)bytes % size == 0;
}

/* Rows of the next chunk; the last one may have fewer. */
static size_t next_chunk(const struct raw_tensors *raw)
{
	size_t left = raw->rows - raw->row;
	return left < raw->chunk_rows ? left : raw->chunk_rows;
}

/* Whole chunks that lie in these n bytes are evaluated in place; returns their bytes. */
static size_t run_in_place(struct raw_tensors *raw, const unsigned char *bytes, size_t n)
{
	size_t rows = n / raw->row_bytes;
	if (rows < raw->rows - raw->row)
		rows -= rows % raw->chunk_rows;
	run_rows(raw, rows, bytes);
	return rows * raw->row_bytes;
}

/* Completes the chunk that is gathered, which is small enough to stay in a cache until it is
 * evaluated; returns how many of the n bytes that took. */
static size_t gather(struct raw_tensors *raw, const unsigned char *bytes, size_t n)
{
	size_t rows = next_chunk(raw);
	size_t lacking = rows * raw->row_bytes - raw->gathered->size;
	size_t part = n < lacking ? n : lacking;
	if (!loss_buffer_append(raw->gathered, bytes, part)) {
		fail_for_memory(raw);
	} else if (part == lacking) {
		if (!send_rows(raw, rows) && !failed(raw))
			run_rows(raw, rows, raw->gathered->data);
		raw->gathered->size = 0;
	}
	return part;
}

static void stream(struct raw_tensors *raw, const unsigned char *bytes, size_t n)
{
	size_t used = 0;
	while (used < n && !failed(raw)) {
		bool whole =
			raw->gathered->size == 0 && (n - used) / raw->row_bytes >= next_chunk(raw);
		if (whole && is_aligned(raw, bytes + used))
			used += run_in_place(raw, bytes + used, n - used);
		else
			used += gather(raw, bytes + used, n - used);
	}
}

/* ---------------------------------------------------------------- bytes */

/* Moves to the next tensor that has bytes. */
static void advance(struct raw_tensors *raw)
{
	while (raw->current < raw->n_slots && raw->slots[raw->current].bytes == 0)
		raw->current++;
	raw->taken = 0;
	bool last = raw->current < raw->n_slots && raw->missing == raw->slots[raw->current].bytes;
	if (last && raw->slots[raw->current].i == 0 && !failed(raw))
		try_to_stream(raw);
}

void raw_tensors_begin(struct raw_tensors *raw)
{
	advance(raw);
}

static void keep(struct raw_tensors *raw, struct slot *slot, const unsigned char *bytes, size_t n)
{
	if (!slot->buffer && (slot->buffer = loss_buffer_create(raw->setup.arena)))
		loss_buffer_expect(slot->buffer, (size_t)slot->bytes);
	if (!slot->buffer || !loss_buffer_append(slot->buffer, bytes, n))
		fail_for_memory(raw);
}

size_t raw_tensors_feed(struct raw_tensors *raw, const unsigned char *bytes, size_t n)
{
	size_t used = 0;
	while (used < n && raw->current < raw->n_slots) {
		struct slot *slot = &raw->slots[raw->current];
		uint64_t left = slot->bytes - raw->taken;
		size_t part = n - used < left ? n - used : (size_t)left;
		if (!failed(raw) && raw->plan)
			stream(raw, bytes + used, part);
		else if (!failed(raw))
			keep(raw, slot, bytes + used, part);
		used += part;
		raw->taken += part;
		raw->missing -= part;
		if (part == left) {
			raw->current++;
			advance(raw);
		}
	}
	return used;
}

uint64_t raw_tensors_missing(const struct raw_tensors *raw)
{
	return raw->missing;
}

loss_status raw_tensors_finish(struct raw_tensors *raw, struct decoder *decoder,
			       struct loss_error *err)
{
	raw_tensors_settle(raw);
	for (size_t i = 0; i < raw->n_slots && !raw->plan && !failed(raw); i++)
		set_tensor(raw, &raw->slots[i]);
	decoder->plan = raw->plan;
	decoder->compute_ns = raw->compute_ns;
	decoder->beside_ns = raw->beside_ns;
	if (failed(raw))
		*err = raw->error;
	return raw->error.status;
}
