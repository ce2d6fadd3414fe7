#include "evaluation.h"

#include "codec/query.h"
#include "codec/reply_json.h"
#include "metrics.h"
#include "scheduler.h"

#define SECONDS 1e-9 /* in a nanosecond */

struct evaluation *evaluation_create(const struct loss_info *loss, const struct media_type *media,
				     const char *isa, struct loss_arena *arena,
				     struct timings *timings)
{
	struct evaluation *e = loss_arena_array(arena, struct evaluation, 1);
	if (!e)
		return NULL;
	*e = (struct evaluation){.media = media, .arena = arena, .timings = timings};
	e->problem = loss_problem_create(loss, arena);
	if (!e->problem)
		return NULL;
	loss_problem_set_isa(e->problem, isa);
	return e;
}

loss_status evaluation_query(struct evaluation *e, const char *query, size_t n,
			     const struct decoder_limits *limits, struct loss_error *err)
{
	loss_status status = query_apply(query, n, e->problem, e->arena, err);
	e->decoder = e->media->create(e->problem, e->arena, limits);
	return e->decoder ? status : loss_arena_failure(e->arena, err);
}

void evaluation_feed(struct evaluation *e, const unsigned char *bytes, size_t n)
{
	uint64_t start = clock_ns();
	e->decoder->feed(e->decoder, bytes, n);
	e->timings->decode_ns += clock_ns() - start;
}

loss_status evaluation_decode(struct evaluation *e, struct loss_error *err)
{
	uint64_t start = clock_ns();
	loss_status status = e->decoder->finish(e->decoder, err);
	e->timings->decode_ns += clock_ns() - start;
	return status;
}

loss_status evaluation_plan(struct evaluation *e, struct loss_error *err)
{
	uint64_t start = clock_ns();
	loss_status status = loss_plan_create(e->problem, e->arena, &e->plan, err);
	e->timings->compute_ns += clock_ns() - start;
	return status;
}

uint64_t evaluation_elements(const struct evaluation *e)
{
	return loss_plan_elements(e->plan);
}

bool evaluation_is_large(const struct evaluation *e)
{
	return loss_plan_elements(e->plan) >= SCHEDULER_INLINE_ELEMENTS;
}

loss_status evaluation_run(struct evaluation *e, int threads, struct loss_error *err)
{
	uint64_t start = clock_ns();
	loss_status status = loss_plan_run(e->plan, threads, &e->cancel, err);
	if (status == LOSS_OK)
		loss_plan_finish(e->plan, &e->result);
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
		.format = e->media->format,
		.rows = e->result.totals.rows,
		.elements = loss_plan_elements(e->plan),
		.decode_seconds = (double)e->timings->decode_ns * SECONDS,
		.queue_seconds = (double)e->timings->queue_ns * SECONDS,
		.compute_seconds = (double)e->timings->compute_ns * SECONDS,
	};
	metrics_evaluation(&counted);
}

loss_status evaluation_write(struct evaluation *e, struct loss_buffer *out, struct loss_error *err)
{
	if (!reply_json_write(out, &e->result, e->timings))
		return loss_arena_failure(e->arena, err);
	count(e);
	return LOSS_OK;
}
