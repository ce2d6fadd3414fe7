#include "stream.h"

#include <string.h>

#include "os/clock.h"
#include "os/yield.h"
#include "scheduler.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensors travel in little-endian order");

/* One expected tensor. */
struct slot {
	size_t i; /* among the loss's tensors */
	struct loss_tensor tensor;
	uint64_t bytes;
	struct loss_buffer *buffer; /* what has come; NULL: nothing yet */
	bool set;                   /* on the problem */
};

struct stream {
	struct sink sink; /* first: it is what decoders hold */
	struct stream_setup setup;
	size_t n_slots;
	struct slot *slots; /* room for one of each role; made with the first */
	size_t current;     /* the slot that the next byte belongs to */
	uint64_t taken;     /* of its bytes */
	uint64_t missing;   /* of all */
	struct loss_error error;

	/* The input, where its rows are evaluated as they come: */
	struct loss_plan *plan;
	size_t rows, row; /* how many there are, and the next one */
	size_t row_bytes;
	size_t block_rows;            /* that are evaluated at a time */
	struct loss_buffer *gathered; /* of the next ones, what has come */
	uint64_t compute_ns, first_ns;
	uint64_t turn_ns; /* of the former, since others went first */
};

static struct stream *stream_of(struct sink *sink)
{
	return (struct stream *)(void *)sink;
}

/* ---------------------------------------------------------------- errors */

/* Others may need the memory while the rest is thrown away. */
static void give_up(struct stream *stream)
{
	for (size_t i = 0; i < stream->n_slots; i++)
		if (stream->slots[i].buffer)
			loss_buffer_release(stream->slots[i].buffer);
	if (stream->gathered)
		loss_buffer_release(stream->gathered);
	stream->plan = NULL;
}

static bool failed(const struct stream *stream)
{
	return stream->error.status != LOSS_OK;
}

static void fail_for_memory(struct stream *stream)
{
	loss_arena_failure(stream->setup.arena, &stream->error);
	give_up(stream);
}

/* ---------------------------------------------------------------- tensors that are complete */

/* Sets a tensor on the problem, without data where that is still to come. */
static void set_tensor(struct stream *stream, struct slot *slot)
{
	slot->tensor.data = slot->buffer ? slot->buffer->data : NULL;
	if (slot->set)
		loss_problem_set_data(stream->setup.problem, slot->i, slot->tensor.data);
	else if (loss_problem_set_tensor(stream->setup.problem, slot->i, &slot->tensor,
					 &stream->error) != LOSS_OK)
		give_up(stream);
	slot->set = true;
}

/* ---------------------------------------------------------------- rows as they arrive */

/* A row that takes long is none to be evaluated where bytes are received: all of them are kept, and
 * the team shares its parts. */
static bool rows_are_short(const struct stream *stream)
{
	size_t rows = loss_plan_rows(stream->plan);
	return loss_plan_cost_ns(stream->plan) / (rows > 0 ? rows : 1) < SCHEDULER_INLINE_NS;
}

static void start_stream(struct stream *stream, const struct slot *input)
{
	stream->gathered = loss_buffer_create(stream->setup.arena);
	if (!stream->gathered) {
		fail_for_memory(stream);
		return;
	}
	stream->rows = loss_plan_rows(stream->plan);
	stream->row_bytes = (size_t)input->bytes / stream->rows;
	stream->block_rows = loss_plan_block_rows(stream->plan);
}

/* All that comes from here on is the input: plans, and finds out whether rows can be evaluated. */
static void try_to_stream(struct stream *stream)
{
	uint64_t start = clock_ns();
	struct slot *input = &stream->slots[stream->current];
	for (size_t i = 0; i < stream->n_slots && !failed(stream); i++)
		set_tensor(stream, &stream->slots[i]);
	if (failed(stream))
		return;
	if (loss_plan_create(stream->setup.problem, stream->setup.arena, &stream->plan,
			     &stream->error) != LOSS_OK)
		give_up(stream);
	else if (stream->plan && rows_are_short(stream))
		start_stream(stream, input);
	else
		stream->plan = NULL;
	stream->first_ns = start;
	stream->compute_ns += clock_ns() - start;
}

static bool cancelled(const struct stream *stream)
{
	return stream->setup.cancel && loss_cancel_requested(stream->setup.cancel);
}

/* False when nobody waits for the rows any more. */
static bool go_on(struct stream *stream)
{
	if (!cancelled(stream))
		return true;
	loss_fail(&stream->error, LOSS_CANCELLED, NULL,
		  "the deadline passed before all rows were evaluated");
	give_up(stream);
	return false;
}

/* Computed between two times that others go first. */
#define TURN_NS UINT64_C(25000)

static void run_rows(struct stream *stream, size_t n, const void *rows)
{
	uint64_t start = clock_ns();
	if (!go_on(stream))
		return;
	loss_plan_run_rows(stream->plan, stream->row, n, rows);
	uint64_t ns = clock_ns() - start;
	stream->row += n;
	stream->compute_ns += ns;
	stream->turn_ns += ns;
	if (stream->turn_ns < TURN_NS)
		return;
	stream->turn_ns = 0;
	yield_core();
}

static bool is_aligned(const struct stream *stream, const unsigned char *bytes)
{
	size_t size = loss_dtype_info(loss_plan_dtype(stream->plan))->size;
	return (uintptr_t)bytes % size == 0;
}

/* Rows of the next block; the last one may have fewer. */
static size_t next_block(const struct stream *stream)
{
	size_t left = stream->rows - stream->row;
	return left < stream->block_rows ? left : stream->block_rows;
}

/* Whole blocks that lie in these n bytes are evaluated in place; returns their bytes. */
static size_t run_in_place(struct stream *stream, const unsigned char *bytes, size_t n)
{
	size_t rows = n / stream->row_bytes;
	if (rows < stream->rows - stream->row)
		rows -= rows % stream->block_rows;
	run_rows(stream, rows, bytes);
	return rows * stream->row_bytes;
}

/* Completes the block that is gathered, which is small enough to stay in a cache until it is
 * evaluated; returns how many of the n bytes that took. */
static size_t gather(struct stream *stream, const unsigned char *bytes, size_t n)
{
	size_t rows = next_block(stream);
	size_t lacking = rows * stream->row_bytes - stream->gathered->size;
	size_t part = n < lacking ? n : lacking;
	if (!loss_buffer_append(stream->gathered, bytes, part)) {
		fail_for_memory(stream);
	} else if (part == lacking) {
		run_rows(stream, rows, stream->gathered->data);
		stream->gathered->size = 0;
	}
	return part;
}

static void run_arrived(struct stream *stream, const unsigned char *bytes, size_t n)
{
	size_t used = 0;
	while (used < n && !failed(stream)) {
		bool whole = stream->gathered->size == 0 &&
			     (n - used) / stream->row_bytes >= next_block(stream);
		if (whole && is_aligned(stream, bytes + used))
			used += run_in_place(stream, bytes + used, n - used);
		else
			used += gather(stream, bytes + used, n - used);
	}
}

/* ---------------------------------------------------------------- what decoders call */

static loss_status set(struct sink *sink, size_t i, const struct loss_tensor *tensor,
		       struct loss_error *err)
{
	return loss_problem_set_tensor(stream_of(sink)->setup.problem, i, tensor, err);
}

static void expect(struct sink *sink, size_t i, const struct loss_tensor *tensor)
{
	struct stream *stream = stream_of(sink);
	uint64_t bytes = (uint64_t)tensor->count * loss_dtype_info(tensor->dtype)->size;
	if (!stream->slots)
		stream->slots = loss_arena_array(stream->setup.arena, struct slot, LOSS_N_ROLES);
	if (!stream->slots) {
		fail_for_memory(stream);
		return;
	}
	stream->slots[stream->n_slots++] = (struct slot){.i = i, .tensor = *tensor, .bytes = bytes};
	stream->missing += bytes;
}

/* Moves to the next tensor that has bytes. */
static void advance(struct stream *stream)
{
	while (stream->current < stream->n_slots && stream->slots[stream->current].bytes == 0)
		stream->current++;
	stream->taken = 0;
	bool last = stream->current < stream->n_slots &&
		    stream->missing == stream->slots[stream->current].bytes;
	if (last && stream->slots[stream->current].i == 0 && !failed(stream))
		try_to_stream(stream);
}

static void begin(struct sink *sink)
{
	advance(stream_of(sink));
}

static void keep(struct stream *stream, struct slot *slot, const unsigned char *bytes, size_t n)
{
	if (!slot->buffer && (slot->buffer = loss_buffer_create(stream->setup.arena)))
		loss_buffer_expect(slot->buffer, (size_t)slot->bytes);
	if (!slot->buffer || !loss_buffer_append(slot->buffer, bytes, n))
		fail_for_memory(stream);
}

static void feed(struct sink *sink, const unsigned char *bytes, size_t n)
{
	struct stream *stream = stream_of(sink);
	size_t used = 0;
	while (used < n && stream->current < stream->n_slots) {
		struct slot *slot = &stream->slots[stream->current];
		uint64_t left = slot->bytes - stream->taken;
		size_t part = n - used < left ? n - used : (size_t)left;
		if (!failed(stream) && stream->plan)
			run_arrived(stream, bytes + used, part);
		else if (!failed(stream))
			keep(stream, slot, bytes + used, part);
		used += part;
		stream->taken += part;
		stream->missing -= part;
		if (part == left) {
			stream->current++;
			advance(stream);
		}
	}
}

/* ---------------------------------------------------------------- the whole */

loss_status stream_finish(struct stream *stream, struct loss_error *err)
{
	for (size_t i = 0; i < stream->n_slots && !stream->plan && !failed(stream); i++)
		set_tensor(stream, &stream->slots[i]);
	if (failed(stream))
		*err = stream->error;
	return stream->error.status;
}

struct loss_plan *stream_plan(const struct stream *stream)
{
	return stream->plan;
}

double stream_byte_ns(const struct stream *stream)
{
	if (!stream->plan)
		return 0.0;
	return (double)loss_plan_cost_ns(stream->plan) /
	       ((double)stream->rows * (double)stream->row_bytes);
}

uint64_t stream_compute_ns(const struct stream *stream)
{
	return stream->compute_ns;
}

uint64_t stream_first_ns(const struct stream *stream)
{
	return stream->first_ns;
}

struct stream *stream_create(const struct stream_setup *setup)
{
	struct stream *stream = loss_arena_array(setup->arena, struct stream, 1);
	if (stream)
		*stream = (struct stream){
			.sink = {.set = set, .expect = expect, .begin = begin, .feed = feed},
			.setup = *setup,
		};
	return stream;
}

struct sink *stream_sink(struct stream *stream)
{
	return &stream->sink;
}
