#include "evaluation.h"

#include "metrics/metrics.h"

#define SECONDS 1e-9 /* in a nanosecond */
/* Tensors of a reply up to here are copied after its text, to be sent in one piece with it. */
#define COPIED_BYTES ((size_t)65536)
/* Bytes of tensors that are compressed at a time. */
#define DEFLATED_BYTES ((size_t)65536)
/* That a byte of a compressed body takes, and what comes out of it, more or less. */
#define INFLATED_BYTE_NS 4.0
/* Of the text of a small reply: so that it does not grow in steps. */
#define USUAL_BYTES ((size_t)512)
/* Of text from which on room is made at once. */
#define MANY_BYTES ((size_t)1 << 20)

/* ---------------------------------------------------------------- the body */

struct evaluation *evaluation_create(const struct evaluation_kind *kind, struct loss_arena *arena,
				     struct timings *timings)
{
	struct evaluation *e = loss_arena_array(arena, struct evaluation, 1);
	if (!e)
		return NULL;
	*e = (struct evaluation){
		.kind = *kind,
		.arena = arena,
		.timings = timings,
		.shared = {.shm = kind->shm, .foreign = kind->foreign, .arena = arena},
	};
	e->problem = loss_problem_create(kind->loss, arena);
	if (!e->problem)
		return NULL;
	loss_problem_set_isa(e->problem, kind->isa);
	loss_problem_set_max_elements(e->problem, kind->limits.max_elements);
	if (!e->kind.cancel)
		e->kind.cancel = &e->cancel;
	const struct stream_setup setup = {e->problem, arena, e->kind.cancel};
	e->stream = stream_create(&setup);
	if (!e->stream)
		return NULL;
	if (kind->coding == CODING_IDENTITY)
		return e;
	e->inflater = inflater_create(kind->coding, kind->max_body_bytes, arena);
	return e->inflater ? e : NULL;
}

/* Whether the query string asks for what the reply's format can not do. */
static loss_status check_style(const struct evaluation *e, struct loss_error *err)
{
	if (!e->kind.format->settled || !(e->wish.style.given >> STYLE_TENSORS & 1))
		return LOSS_OK;
	return loss_fail(err, LOSS_UNKNOWN_FIELD, style_arguments[STYLE_TENSORS].name,
			 "%s is of the JSON of /v1/losses; the Open Inference Protocol has "
			 "tensors as bytes where binary_data_output, of the request's parameters, "
			 "is true",
			 style_arguments[STYLE_TENSORS].name);
}

loss_status evaluation_query(struct evaluation *e, const char *query, size_t n,
			     struct loss_error *err)
{
	const struct decoder_setup setup = {
		.problem = e->problem,
		.arena = e->arena,
		.sink = stream_sink(e->stream),
		.limits = e->kind.limits,
		.header_length = e->kind.header_length,
		.line = e->kind.line,
		.style = &e->wish.style,
		.isa = e->kind.isa,
		.shared = &e->shared,
	};
	loss_status status = query_apply(query, n, e->problem, e->arena, &e->wish, err);
	if (status == LOSS_OK)
		status = check_style(e, err);
	e->decoder = e->kind.media->create(&setup);
	return e->decoder ? status : loss_arena_failure(e->arena, err);
}

static void feed_decoded(void *context, const unsigned char *bytes, size_t n)
{
	struct decoder *decoder = context;
	decoder->feed(decoder, bytes, n);
}

void evaluation_feed(struct evaluation *e, const unsigned char *bytes, size_t n)
{
	timings_begin(e->timings);
	if (!e->inflater)
		e->decoder->feed(e->decoder, bytes, n);
	else if (!inflater_feed(e->inflater, bytes, n, feed_decoded, e->decoder))
		evaluation_drop(e); /* nobody needs it any more */
	timings_end(e->timings, PHASE_DECODE, &e->timings->decode_ns);
}

double evaluation_byte_ns(const struct evaluation *e)
{
	double inflating = e->inflater ? INFLATED_BYTE_NS : 0.0;
	return inflating + e->decoder->byte_ns + stream_byte_ns(e->stream);
}

loss_status evaluation_decode(struct evaluation *e, struct loss_error *err)
{
	loss_status status = e->inflater ? inflater_finish(e->inflater, err) : LOSS_OK;
	if (status == LOSS_OK)
		status = e->decoder->finish(e->decoder, err);
	if (status == LOSS_OK)
		status = stream_finish(e->stream, err);
	uint64_t compute_ns = stream_compute_ns(e->stream);
	timings_end(e->timings, PHASE_DECODE, &e->timings->decode_ns);
	e->timings->decode_ns -= compute_ns;
	e->timings->compute_ns += compute_ns;
	if (stream_first_ns(e->stream) != 0)
		timings_extend(e->timings, PHASE_COMPUTE, stream_first_ns(e->stream),
			       e->timings->mark_ns);
	return status;
}

/* ---------------------------------------------------------------- the work */

/* Whether outputs fit where they are wanted. */
static loss_status place_outputs(struct evaluation *e, struct loss_error *err)
{
	struct loss_output output;
	struct reply_wish *all = e->decoder->wish;
	loss_status status = LOSS_OK;
	for (size_t i = 0; all && status == LOSS_OK && loss_plan_output(e->plan, i, &output); i++) {
		struct output_wish *wish = &all->outputs[i];
		const struct shm_use use = {.name = wish->region,
					    .offset = wish->offset,
					    .size = wish->size,
					    .for_writing = true,
					    .field = output.name};
		size_t size = output.tensor.count * loss_dtype_info(output.tensor.dtype)->size;
		if (wish->region)
			status = shm_uses_write(&e->shared, &use, size, &wish->memory, err);
	}
	return status;
}

loss_status evaluation_plan(struct evaluation *e, struct loss_error *err)
{
	loss_status status = LOSS_OK;
	e->plan = stream_plan(e->stream);
	if (!e->plan)
		status = loss_plan_create(e->problem, e->arena, &e->plan, err);
	if (status == LOSS_OK)
		status = place_outputs(e, err);
	timings_end(e->timings, PHASE_COMPUTE, &e->timings->compute_ns);
	return status;
}

uint64_t evaluation_cost_ns(const struct evaluation *e)
{
	size_t blocks = loss_plan_blocks(e->plan);
	double left = stream_plan(e->stream) || blocks == 0
			      ? 0.0
			      : (double)(blocks - e->next_block) / (double)blocks;
	return (uint64_t)((double)loss_plan_cost_ns(e->plan) * left);
}

bool evaluation_is_large(const struct evaluation *e)
{
	return evaluation_cost_ns(e) >= SCHEDULER_INLINE_NS;
}

/* All rows have been evaluated. */
static loss_status finish(struct evaluation *e, int threads, struct loss_error *err)
{
	e->result = loss_arena_array(e->arena, struct loss_result, 1);
	if (!e->result)
		return loss_arena_failure(e->arena, err);
	loss_plan_finish(e->plan, e->result);
	e->timings->rows = e->result->totals.rows;
	e->timings->threads = (unsigned)threads;
	e->timings->isa = loss_plan_isa(e->plan);
	return shm_uses_verify(&e->shared, err);
}

loss_status evaluation_run(struct evaluation *e, int threads, uint64_t slice_ns,
			   struct loss_error *err)
{
	loss_status status = LOSS_OK;
	bool streamed = stream_plan(e->stream) != NULL;
	if (!streamed)
		status = loss_plan_run_slice(e->plan, &e->next_block, slice_ns, threads,
					     e->kind.cancel, err);
	if (status == LOSS_CANCELLED)
		loss_fail(err, status, NULL, "the deadline passed before all rows were evaluated");
	if (status == LOSS_OK && (streamed || e->next_block == loss_plan_blocks(e->plan)))
		status = finish(e, threads, err);
	timings_end(e->timings, PHASE_COMPUTE, &e->timings->compute_ns);
	return status;
}

/* ---------------------------------------------------------------- the reply */

static void count(const struct evaluation *e)
{
	const struct metrics_evaluation counted = {
		.loss = loss_problem_info(e->problem),
		.dtype = loss_plan_dtype(e->plan),
		.format = e->kind.media->format,
		.reply_format = e->kind.format->format,
		.rows = e->result->totals.rows,
		.elements = loss_plan_elements(e->plan),
		.receive_seconds = (double)e->timings->receive_ns * SECONDS,
		.decode_seconds = (double)e->timings->decode_ns * SECONDS,
		.queue_seconds = (double)e->timings->queue_ns * SECONDS,
		.compute_seconds = (double)e->timings->compute_ns * SECONDS,
		.encode_seconds = (double)e->timings->encode_ns * SECONDS,
	};
	metrics_evaluation(&counted);
}

static bool begin_reply(struct evaluation *e)
{
	static const struct reply_wish nothing;
	const struct reply_wish *wish = e->decoder->wish ? e->decoder->wish : &nothing;
	const struct encoder_input input = {
		.loss = e->kind.loss,
		.result = e->result,
		.timings = e->timings,
		.wish = wish,
		.arena = e->arena,
		.style = e->wish.style,
		.isa = e->kind.isa,
	};
	e->encoded = (struct encoded){
		.text = loss_buffer_create(e->arena),
		.content_type = e->kind.format->content_type,
	};
	/* Without room yet the encoder finds out how much it can have. */
	if (e->encoded.text)
		(void)loss_buffer_reserve(e->encoded.text, USUAL_BYTES);
	e->encoder = e->encoded.text ? e->kind.format->create(&input) : NULL;
	return e->encoder != NULL;
}

static size_t size_of_tensors(const struct encoded *encoded)
{
	size_t size = 0;
	for (size_t i = 0; i < encoded->n_tensors; i++)
		size += encoded->tensors[i].size;
	return size;
}

/* Whether some output goes to shared memory. Its client is on this machine, where compression gains
 * nothing; and when the memory has been written to, nothing may fail any more. */
static bool shares_memory(const struct evaluation *e)
{
	bool shares = false;
	const struct reply_wish *wish = e->decoder->wish;
	for (size_t i = 0; wish && i < e->result->n_outputs; i++)
		shares |= wish->outputs[i].region != NULL;
	return shares;
}

/* After the first piece: how the others will be kept. */
static void choose_coding(struct evaluation *e, bool more)
{
	struct loss_buffer *text = e->encoded.text;
	bool large = more || text->size + size_of_tensors(&e->encoded) >= DEFLATER_MIN_BYTES;
	bool worthwhile = large && (!e->encoder->binary || e->wish.compress);
	e->compressible = (worthwhile || e->kind.reply_coding.always) && !shares_memory(e);
	if (e->compressible && e->kind.reply_coding.coding != CODING_IDENTITY)
		/* Without memory it goes as it is. */
		e->deflater = deflater_create(e->kind.reply_coding.coding, e->arena);
	if (!e->deflater && more && e->encoder->text_bytes >= MANY_BYTES)
		(void)loss_buffer_reserve(text, e->encoder->text_bytes);
}

/* Text that has been written becomes coded; false when there is no memory. */
static bool deflate_text(struct evaluation *e)
{
	struct loss_buffer *text = e->encoded.text;
	size_t n = text->size;
	text->size = 0;
	return deflater_feed(e->deflater, text->data, n);
}

/* Some more of the tensors after the text. */
static enum encoder_end deflate_tensors(struct evaluation *e)
{
	if (e->tensor == e->encoded.n_tensors) {
		const struct loss_buffer *coded = deflater_finish(e->deflater);
		if (!coded)
			return ENCODER_FAILED;
		e->body = (struct body){1, {{coded->data, coded->size}}};
		return ENCODER_DONE;
	}
	const struct body_part *tensor = &e->encoded.tensors[e->tensor];
	size_t left = tensor->size - e->deflated, n = left < DEFLATED_BYTES ? left : DEFLATED_BYTES;
	if (!deflater_feed(e->deflater, (const char *)tensor->data + e->deflated, n))
		return ENCODER_FAILED;
	e->deflated += n;
	if (n == left) {
		e->tensor++;
		e->deflated = 0;
	}
	return ENCODER_MORE;
}

/* Tensors after the text; without memory they stay where they lie. */
static bool append_tensors(struct evaluation *e)
{
	struct encoded *encoded = &e->encoded;
	size_t size = size_of_tensors(encoded);
	if (size > COPIED_BYTES || !loss_buffer_reserve(encoded->text, size))
		return false;
	for (size_t i = 0; i < encoded->n_tensors; i++)
		loss_buffer_append(encoded->text, encoded->tensors[i].data,
				   encoded->tensors[i].size);
	return true;
}

static void join(struct evaluation *e)
{
	struct encoded *encoded = &e->encoded;
	bool appended = append_tensors(e);
	e->body = (struct body){1, {{encoded->text->data, encoded->text->size}}};
	for (size_t i = 0; !appended && i < encoded->n_tensors; i++)
		e->body.parts[e->body.n_parts++] = encoded->tensors[i];
}

static enum encoder_end write_text(struct evaluation *e, struct loss_error *err)
{
	bool first = !e->encoder;
	if (first && !begin_reply(e)) {
		loss_arena_failure(e->arena, err);
		return ENCODER_FAILED;
	}
	enum encoder_end end = e->encoder->write(e->encoder, &e->encoded, err);
	if (end == ENCODER_FAILED)
		return end;
	e->written = end == ENCODER_DONE;
	/* Other processes may have cut their memory short while it was written to. */
	if (e->written && shm_uses_verify(&e->shared, err) != LOSS_OK)
		return ENCODER_FAILED;
	if (first)
		choose_coding(e, !e->written);
	if (!e->deflater && e->written)
		join(e);
	if (!e->deflater)
		return end;
	if (deflate_text(e))
		return ENCODER_MORE;
	loss_arena_failure(e->arena, err);
	return ENCODER_FAILED;
}

enum encoder_end evaluation_write(struct evaluation *e, struct loss_error *err)
{
	enum encoder_end end;
	if (!e->written) {
		end = write_text(e, err);
	} else {
		end = deflate_tensors(e);
		if (end == ENCODER_FAILED)
			loss_arena_failure(e->arena, err);
	}
	timings_end(e->timings, PHASE_ENCODE, &e->timings->encode_ns);
	if (end == ENCODER_DONE)
		count(e);
	return end;
}

/* ---------------------------------------------------------------- the end */

void evaluation_drop(struct evaluation *e)
{
	loss_arena_release_buffers(e->arena);
}

void evaluation_end(struct evaluation *e)
{
	shm_uses_release(&e->shared);
}
