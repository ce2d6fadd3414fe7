#include "lines.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "codec/json/problem_json.h"
#include "codec/text/splitter.h"
#include "status/status.h"

/* What a line's arena begins in: enough for a small problem and its reply. */
#define BLOCK_BYTES ((size_t)32768)
/* Replies are passed on when there are so many bytes of them; one that is longer by itself. */
#define TEXT_BYTES ((size_t)65536)
/* Room for a document that says what is wrong: made before it is needed. */
#define DOCUMENT_BYTES ((size_t)16384)
/* A last line that is longer takes its time. */
#define SHORT_BYTES ((size_t)16384)

struct lines {
	struct lines_setup setup;
	struct splitter_owner owner;
	struct splitter splitter;
	struct inflater *inflater; /* before the splitter; NULL: the body comes as it is */
	struct loss_cancel cancel;

	/* Of the line at hand. */
	struct loss_arena *arena;      /* emptied for each */
	struct evaluation *evaluation; /* NULL: there was no memory */
	struct loss_error error;
	struct timings timings;
	size_t line_bytes;

	/* Of all. */
	struct timings sum;
	uint64_t written;                 /* bytes of replies, before they are compressed */
	bool closed;                      /* no more replies: the last one says why */
	bool passed;                      /* some have been passed on, and the coding is settled */
	struct loss_buffer *text;         /* replies that are to be passed on */
	struct reply_coding reply_coding; /* as the client takes it */
	struct deflater *deflater;        /* NULL: they go as they are */
	struct spool spool;
	struct loss_error lost; /* why not all could be kept; status LOSS_OK: all was */
};

/* ---------------------------------------------------------------- the replies so far */

static void note_lost(struct lines *lines)
{
	loss_arena_failure(lines->setup.arena, &lines->lost);
	lines->closed = true;
}

static void keep(struct lines *lines, const void *bytes, size_t n)
{
	if (n > 0 && !spool_add(&lines->spool, bytes, n))
		note_lost(lines);
}

static void keep_coded(struct lines *lines)
{
	struct loss_buffer *coded = deflater_coded(lines->deflater);
	keep(lines, coded->data, coded->size);
	coded->size = 0;
}

static void pass(struct lines *lines, const unsigned char *bytes, size_t n)
{
	const struct reply_coding *wanted = &lines->reply_coding;
	if (!lines->passed && wanted->coding != CODING_IDENTITY &&
	    (wanted->always || lines->written >= DEFLATER_MIN_BYTES))
		lines->deflater = deflater_create(wanted->coding, lines->setup.arena); /* NULL: as
											 it is */
	lines->passed = true;
	while (n > 0 && lines->lost.status == LOSS_OK) {
		size_t part = n < TEXT_BYTES ? n : TEXT_BYTES;
		if (!lines->deflater)
			keep(lines, bytes, part);
		else if (deflater_feed(lines->deflater, bytes, part))
			keep_coded(lines);
		else
			note_lost(lines);
		bytes += part;
		n -= part;
	}
}

static void pass_text(struct lines *lines)
{
	pass(lines, lines->text->data, lines->text->size);
	lines->text->size = 0;
}

/* One reply, or a part of it. What is long is not copied once more. */
static void put(struct lines *lines, const unsigned char *bytes, size_t n)
{
	lines->written += n;
	if (n > TEXT_BYTES) {
		pass_text(lines);
		pass(lines, bytes, n);
	} else if (!loss_buffer_append(lines->text, bytes, n)) {
		note_lost(lines);
	}
}

/* ---------------------------------------------------------------- what is wrong with a line */

static void point(const void *context, const struct loss_error *err, char *out, size_t size)
{
	const struct decoder *decoder = ((const struct lines *)context)->evaluation->decoder;
	decoder->pointer(decoder, err, out, size);
}

/* The document, after the replies so far; false, and nothing is there, without memory. */
static bool write_problem(struct lines *lines, const struct loss_error *err)
{
	const struct problem_origin origin = {
		.request_id = lines->setup.request_id,
		.line = lines->splitter.line,
		.point = lines->evaluation ? point : NULL,
		.context = lines,
	};
	size_t before = lines->text->size;
	bool written = problem_json_write(lines->text, err, &origin);
	if (!written) {
		lines->text->size = before;
		note_lost(lines);
	}
	lines->written += lines->text->size - before;
	return written;
}

/* The last reply, for which there is always room. */
static void close_with(struct lines *lines, const struct loss_error *err)
{
	lines->closed = true;
	lines->sum.lines_failed++;
	write_problem(lines, err);
}

#define NOT_ANSWERED ": this line and those after it are not answered; send them in another request"

static void close_full(struct lines *lines)
{
	struct loss_error err;
	loss_fail(&err, LOSS_TOO_LARGE_FOR_BUDGET, NULL,
		  "with the reply to line %zu the replies have more than %" PRIu64
		  " bytes, which is the limit of all (max_reply_bytes)" NOT_ANSWERED,
		  lines->splitter.line, lines->setup.max_reply_bytes);
	close_with(lines, &err);
}

static void close_broken(struct lines *lines)
{
	struct loss_error err;
	loss_fail(&err, LOSS_OUT_OF_MEMORY, NULL,
		  "the replies to the lines before line %zu take all the room that there is "
		  "(spool_directory: %s)" NOT_ANSWERED,
		  lines->splitter.line, strerror(lines->spool.failure));
	close_with(lines, &err);
}

/* Whether n more bytes are within the limit. */
static bool fits(const struct lines *lines, uint64_t n)
{
	uint64_t limit = lines->setup.max_reply_bytes;
	return lines->written <= limit && n <= limit - lines->written;
}

/* ---------------------------------------------------------------- a line */

static void sum_up(struct lines *lines)
{
	struct timings *sum = &lines->sum, *one = &lines->timings;
	sum->decode_ns += one->decode_ns;
	sum->compute_ns += one->compute_ns;
	sum->encode_ns += one->encode_ns;
	sum->rows += one->rows;
	if (one->threads > 0) {
		sum->threads = one->threads;
		sum->isa = one->isa;
	}
	for (enum phase phase = 0; phase < N_PHASES; phase++)
		if (one->extents[phase].first_ns != 0)
			timings_extend(sum, phase, one->extents[phase].first_ns,
				       one->extents[phase].last_ns);
}

static void begin_evaluation(struct lines *lines)
{
	const struct lines_setup *setup = &lines->setup;
	struct loss_error *err = &lines->error;
	struct evaluation_kind kind = setup->kind;
	kind.line = lines->splitter.line;
	loss_arena_reset(lines->arena);
	struct evaluation *e = evaluation_create(&kind, lines->arena, &lines->timings);
	err->status = LOSS_OK;
	if (!e)
		loss_arena_failure(lines->arena, err);
	else
		evaluation_query(e, setup->query, setup->n_query, err);
	lines->evaluation = e && e->decoder ? e : NULL;
}

/* Nothing that follows is evaluated. Once it is, it stays so. */
static bool is_over(const struct lines *lines)
{
	return lines->closed || loss_cancel_requested(&lines->cancel);
}

static void begin_line(void *context, size_t n)
{
	struct lines *lines = context;
	(void)n;
	lines->line_bytes = 0;
	if (is_over(lines))
		return;
	lines->sum.lines++;
	lines->timings = (struct timings){.start_ns = 0};
	if (lines->spool.failure != 0) {
		lines->evaluation = NULL;
		close_broken(lines);
		return;
	}
	begin_evaluation(lines);
}

static void feed_line(void *context, const unsigned char *bytes, size_t n)
{
	struct lines *lines = context;
	lines->line_bytes += n;
	if (!is_over(lines) && lines->error.status == LOSS_OK)
		evaluation_feed(lines->evaluation, bytes, n);
}

static loss_status evaluate(struct evaluation *e, struct loss_error *err)
{
	enum encoder_end end = ENCODER_MORE;
	loss_status status = evaluation_decode(e, err);
	if (status == LOSS_OK)
		status = evaluation_plan(e, err);
	if (status == LOSS_OK)
		status = evaluation_run(e, 1, UINT64_MAX, err);
	while (status == LOSS_OK && end == ENCODER_MORE) {
		if (loss_cancel_requested(e->kind.cancel))
			return loss_fail(err, LOSS_CANCELLED, NULL,
					 "nobody waits for the reply any more");
		end = evaluation_write(e, err);
	}
	return end == ENCODER_FAILED ? err->status : status;
}

static void put_reply(struct lines *lines)
{
	const struct body *body = &lines->evaluation->body;
	uint64_t size = 0;
	for (size_t i = 0; i < body->n_parts; i++)
		size += body->parts[i].size;
	if (!fits(lines, size)) {
		close_full(lines);
		return;
	}
	for (size_t i = 0; i < body->n_parts; i++)
		put(lines, body->parts[i].data, body->parts[i].size);
}

static void put_problem(struct lines *lines)
{
	size_t before = lines->text->size;
	uint64_t written = lines->written;
	if (lines->evaluation)
		evaluation_drop(lines->evaluation);
	if (!write_problem(lines, &lines->error) || fits(lines, 0)) {
		lines->sum.lines_failed++;
		return;
	}
	lines->text->size = before;
	lines->written = written;
	close_full(lines);
}

static void end_line(void *context)
{
	struct lines *lines = context;
	if (is_over(lines))
		return;
	timings_begin(&lines->timings);
	if (lines->error.status == LOSS_OK && evaluate(lines->evaluation, &lines->error) == LOSS_OK)
		put_reply(lines);
	else if (!loss_cancel_requested(&lines->cancel))
		put_problem(lines);
	if (lines->evaluation)
		evaluation_end(lines->evaluation);
	sum_up(lines);
	if (lines->text->size >= TEXT_BYTES)
		pass_text(lines);
}

/* ---------------------------------------------------------------- the body */

/* The query is the same for all lines: what is wrong with it is wrong with the request. */
static bool check_query(struct lines *lines, struct loss_error *err)
{
	begin_evaluation(lines);
	if (lines->error.status == LOSS_OK)
		return true;
	*err = lines->error;
	err->more = NULL; /* it is in an arena that ends */
	return false;
}

static bool prepare(struct lines *lines, enum content_coding coding, struct loss_error *err)
{
	const struct lines_setup *setup = &lines->setup;
	struct loss_arena *arena = setup->arena;
	void *block = loss_arena_alloc(arena, 1, BLOCK_BYTES);
	lines->text = loss_buffer_create(arena);
	bool good = block && lines->text &&
		    spool_start(&lines->spool, arena, setup->spool_directory) &&
		    loss_buffer_reserve(lines->text, TEXT_BYTES + DOCUMENT_BYTES);
	if (good && coding != CODING_IDENTITY) {
		lines->inflater = inflater_create(coding, setup->kind.max_body_bytes, arena);
		good = lines->inflater != NULL;
	}
	if (!good) {
		loss_arena_failure(arena, err);
		return false;
	}
	lines->arena = loss_arena_create_in(setup->budget, block, BLOCK_BYTES);
	if (!lines->arena)
		loss_fail(err, LOSS_TOO_MUCH_MEMORY_IN_FLIGHT, NULL,
			  "what is in flight holds the memory budget (memory_budget_bytes); try "
			  "again");
	return lines->arena;
}

struct lines *lines_create(const struct lines_setup *setup, struct loss_error *err)
{
	struct lines *lines = loss_arena_array(setup->arena, struct lines, 1);
	if (!lines) {
		loss_arena_failure(setup->arena, err);
		return NULL;
	}
	*lines = (struct lines){
		.setup = *setup,
		.owner = {begin_line, feed_line, end_line, lines},
		.reply_coding = setup->kind.reply_coding,
		.spool = {.fd = -1},
	};
	/* Codings are those of all lines together. */
	lines->setup.kind.coding = CODING_IDENTITY;
	lines->setup.kind.reply_coding = (struct reply_coding){CODING_IDENTITY, false};
	lines->setup.kind.cancel = &lines->cancel;
	splitter_start(&lines->splitter, &lines->owner);
	if (prepare(lines, setup->kind.coding, err) && check_query(lines, err))
		return lines;
	lines_end(lines);
	return NULL;
}

static void split(void *context, const unsigned char *bytes, size_t n)
{
	splitter_feed(context, bytes, n);
}

void lines_feed(struct lines *lines, const unsigned char *bytes, size_t n)
{
	if (loss_cancel_requested(&lines->cancel) || lines->lost.status != LOSS_OK)
		return;
	if (!lines->inflater)
		splitter_feed(&lines->splitter, bytes, n);
	else if (!inflater_feed(lines->inflater, bytes, n, split, &lines->splitter))
		lines_drop(lines); /* nobody needs it any more */
}

bool lines_end_is_long(const struct lines *lines)
{
	return lines->spool.fd >= 0 || (lines->splitter.begun && lines->line_bytes > SHORT_BYTES);
}

/* All replies are on their way. */
static loss_status complete(struct lines *lines, struct loss_error *err)
{
	if (lines->text->size > 0)
		pass_text(lines);
	if (lines->deflater && lines->lost.status == LOSS_OK && !deflater_finish(lines->deflater))
		note_lost(lines);
	if (lines->deflater && lines->lost.status == LOSS_OK)
		keep_coded(lines);
	spool_end(&lines->spool);
	if (lines->lost.status != LOSS_OK)
		*err = lines->lost;
	return lines->lost.status;
}

loss_status lines_finish(struct lines *lines, struct loss_error *err)
{
	loss_status status = lines->inflater ? inflater_finish(lines->inflater, err) : LOSS_OK;
	if (status != LOSS_OK)
		return status;
	splitter_finish(&lines->splitter);
	if (loss_cancel_requested(&lines->cancel))
		return loss_fail(err, LOSS_CANCELLED, NULL,
				 "the deadline passed before all lines were evaluated");
	if (lines->sum.lines == 0)
		return loss_fail(err, STATUS_EMPTY_BODY, NULL,
				 "the body has no line with a problem; send one a line");
	return complete(lines, err);
}

/* ---------------------------------------------------------------- what has come of it */

struct spool *lines_spool(struct lines *lines)
{
	return &lines->spool;
}

bool lines_are_coded(const struct lines *lines)
{
	return lines->deflater;
}

bool lines_are_compressible(const struct lines *lines)
{
	return lines->reply_coding.always || lines->written >= DEFLATER_MIN_BYTES;
}

void lines_add_timings(const struct lines *lines, struct timings *timings)
{
	const struct timings *sum = &lines->sum;
	timings->decode_ns += sum->decode_ns;
	timings->compute_ns += sum->compute_ns;
	timings->encode_ns += sum->encode_ns;
	timings->rows += sum->rows;
	timings->lines = lines->sum.lines;
	timings->lines_failed = lines->sum.lines_failed;
	timings->threads = sum->threads;
	timings->isa = sum->isa;
	for (enum phase phase = PHASE_DECODE; phase < N_PHASES; phase++)
		if (sum->extents[phase].first_ns != 0)
			timings->extents[phase] = sum->extents[phase];
}

/* ---------------------------------------------------------------- the end */

void lines_stop(struct lines *lines)
{
	loss_cancel_request(&lines->cancel);
}

void lines_drop(struct lines *lines)
{
	lines_stop(lines);
	spool_drop(&lines->spool);
	loss_arena_reset(lines->arena);
	loss_arena_release_buffers(lines->setup.arena);
}

void lines_end(struct lines *lines)
{
	spool_drop(&lines->spool);
	loss_arena_destroy(lines->arena);
	lines->arena = NULL;
}
