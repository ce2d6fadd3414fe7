#include "evaluation.h"

#include "codec/query.h"
#include "metrics/metrics.h"
#include "scheduler.h"

#define SECONDS 1e-9 /* in a nanosecond */

struct evaluation *evaluation_create(const struct evaluation_kind *kind, struct loss_arena *arena,
				     struct timings *timings)
{
	struct evaluation *e = loss_arena_array(arena, struct evaluation, 1);
	if (!e)
		return NULL;
	*e = (struct evaluation){.kind = *kind, .arena = arena, .timings = timings};
	e->problem = loss_problem_create(kind->loss, arena);
	if (!e->problem)
		return NULL;
	loss_problem_set_isa(e->problem, kind->isa);
	if (kind->coding == CODING_IDENTITY)
		return e;
	e->inflater = inflater_create(kind->coding, kind->max_body_bytes, arena);
	return e->inflater ? e : NULL;
}

loss_status evaluation_query(struct evaluation *e, const char *query, size_t n,
			     const struct decoder_setup *setup, struct loss_error *err)
{
	struct decoder_setup complete = *setup;
	loss_status status = query_apply(query, n, e->problem, e->arena, err);
	complete.problem = e->problem;
	complete.arena = e->arena;
	complete.cancel = &e->cancel;
	e->decoder = e->kind.media->create(&complete);
	return e->decoder ? status : loss_arena_failure(e->arena, err);
}

static void feed_decoded(void *context, const unsigned char *bytes, size_t n)
{
	struct decoder *decoder = context;
	decoder->feed(decoder, bytes, n);
}

void evaluation_feed(struct evaluation *e, const unsigned char *bytes, size_t n)
{
	uint64_t start = clock_ns();
	if (!e->inflater)
		e->decoder->feed(e->decoder, bytes, n);
	else if (!inflater_feed(e->inflater, bytes, n, feed_decoded, e->decoder))
		evaluation_drop(e); /* nobody needs it any more */
	e->timings->decode_ns += clock_ns() - start;
}

loss_status evaluation_decode(struct evaluation *e, struct loss_error *err)
{
	uint64_t start = clock_ns();
	loss_status status = e->inflater ? inflater_finish(e->inflater, err) : LOSS_OK;
	if (status == LOSS_OK)
		status = e->decoder->finish(e->decoder, err);
	e->timings->decode_ns += clock_ns() - start;
	e->timings->decode_ns -= e->decoder->compute_ns;
	e->timings->compute_ns += e->decoder->compute_ns + e->decoder->beside_ns;
	return status;
}

loss_status evaluation_plan(struct evaluation *e, struct loss_error *err)
{
	uint64_t start = clock_ns();
	loss_status status = LOSS_OK;
	e->plan = e->decoder->plan;
	if (!e->plan)
		status = loss_plan_create(e->problem, e->arena, &e->plan, err);
	if (status == LOSS_OK && e->decoder->planned)
		status = e->decoder->planned(e->decoder, e->plan, err);
	e->timings->compute_ns += clock_ns() - start;
	return status;
}

uint64_t evaluation_elements(const struct evaluation *e)
{
	return loss_plan_elements(e->plan);
}

bool evaluation_is_large(const struct evaluation *e)
{
	return !e->decoder->plan && loss_plan_elements(e->plan) >= SCHEDULER_INLINE_ELEMENTS;
}

loss_status evaluation_run(struct evaluation *e, int threads, struct loss_error *err)
{
	const struct decoder *decoder = e->decoder;
	uint64_t start = clock_ns();
	loss_status status = LOSS_OK;
	if (!decoder->plan)
		status = loss_plan_run(e->plan, threads, &e->cancel, err);
	if (status == LOSS_CANCELLED)
		loss_fail(err, status, NULL, "the deadline passed before all rows were evaluated");
	if (status == LOSS_OK)
		loss_plan_finish(e->plan, &e->result);
	if (status == LOSS_OK && decoder->verify)
		status = decoder->verify(decoder, err);
	e->timings->compute_ns += clock_ns() - start;
	e->timings->threads = (unsigned)threads;
	e->timings->isa = loss_plan_isa(e->plan);
	return status;
}

static void count(const struct evaluation *e)
{
	struct metrics_evaluation counted = {
		.loss = loss_problem_info(e->problem),
		.dtype = loss_plan_dtype(e->plan),
		.format = e->kind.media->format,
		.rows = e->result.totals.rows,
		.elements = loss_plan_elements(e->plan),
		.decode_seconds = (double)e->timings->decode_ns * SECONDS,
		.queue_seconds = (double)e->timings->queue_ns * SECONDS,
		.compute_seconds = (double)e->timings->compute_ns * SECONDS,
	};
	metrics_evaluation(&counted);
}

loss_status evaluation_write(struct evaluation *e, struct encoded *out, struct loss_error *err)
{
	const struct encoder_input input = {e->kind.loss, &e->result, e->timings, e->decoder};
	out->content_type = e->kind.format->content_type;
	loss_status status = e->kind.format->write(&input, out, err);
	if (status == LOSS_OK)
		count(e);
	return status;
}

void evaluation_drop(struct evaluation *e)
{
	if (e->decoder->settle)
		e->decoder->settle(e->decoder);
	loss_arena_release_buffers(e->arena);
}

void evaluation_end(struct evaluation *e)
{
	if (e->decoder && e->decoder->settle)
		e->decoder->settle(e->decoder);
	if (e->decoder && e->decoder->release)
		e->decoder->release(e->decoder);
}
