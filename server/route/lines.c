#include "lines.h"

#include "eval/lines.h"
#include "evaluate.h"
#include "http/request.h"
#include "status/status.h"

/* Of a request: request->state. */
struct lines_request {
	struct request *request;
	struct lines *lines;
	const char *content_type; /* of the reply */
	struct work work;         /* what is left at the end, on a worker */
};

static struct lines_request *of(const struct request *request)
{
	return (struct lines_request *)request->state;
}

/* ---------------------------------------------------------------- the head */

static loss_status open_lines(struct request *request, const struct evaluation_kind *kind,
			      struct loss_error *err)
{
	const struct config *config = &request->server->config;
	const struct lines_setup setup = {
		.kind = *kind,
		.query = request->target.query,
		.n_query = request->target.n_query,
		.request_id = request->id,
		.max_reply_bytes = config->max_reply_bytes,
		.spool_directory = config_spool_directory(config),
		.arena = request->arena,
		.budget = request->server->budget,
	};
	if (request->over_budget)
		return loss_fail(err, LOSS_TOO_MUCH_MEMORY_IN_FLIGHT, NULL,
				 "the requests being served hold the whole memory budget "
				 "(memory_budget_bytes); send this one again later");
	struct lines_request *state = loss_arena_array(request->arena, struct lines_request, 1);
	if (!state)
		return loss_arena_failure(request->arena, err);
	*state = (struct lines_request){
		.request = request,
		.lines = lines_create(&setup, err),
		.content_type = kind->format->content_type,
	};
	if (!state->lines)
		return err->status;
	request->state = state;
	return LOSS_OK;
}

static void begin(struct request *request)
{
	struct evaluation_kind kind;
	if (!request->loss)
		return;
	evaluate_kind(request, &kind);
	kind.shm = NULL;
	if (request->fault.error.status == LOSS_OK)
		request_fail(request, open_lines(request, &kind, &request->found));
}

/* ---------------------------------------------------------------- the body */

static void feed(struct request *request, const unsigned char *bytes, size_t n)
{
	lines_feed(of(request)->lines, bytes, n);
}

/* That a byte of small problems takes, until its reply is written, more or less. */
#define LINES_BYTE_NS 3.0

static double byte_ns(const struct request *request)
{
	(void)request;
	return LINES_BYTE_NS;
}

static void drop(struct request *request)
{
	lines_drop(of(request)->lines);
}

/* ---------------------------------------------------------------- the end of it */

static void fill_reply(struct request *request)
{
	struct lines *lines = of(request)->lines;
	struct spool *spool = lines_spool(lines);
	request->reply = (struct reply){
		.status = 200,
		.content_type = of(request)->content_type,
		.file = {spool->fd, spool->in_file},
		.coded = lines_are_coded(lines),
		.varies = lines_are_compressible(lines),
	};
	reply_set_body(&request->reply, spool->memory->data, spool->memory->size);
}

/* What the lines took has been counted as time of receiving, unless a worker had them. */
static void note_timings(struct request *request)
{
	struct timings *t = &request->timings;
	const struct timings before = *t;
	lines_add_timings(of(request)->lines, t);
	uint64_t busy_ns = t->decode_ns - before.decode_ns + t->compute_ns - before.compute_ns +
			   t->encode_ns - before.encode_ns;
	if (!request->intake)
		t->receive_ns -= busy_ns < t->receive_ns ? busy_ns : t->receive_ns;
}

static void finish(struct request *request)
{
	request_fail(request, lines_finish(of(request)->lines, &request->found));
	note_timings(request);
	if (request->fault.error.status == LOSS_OK)
		fill_reply(request);
}

static enum handler_end end(struct request *request)
{
	if (!request->state)
		return HANDLER_DONE;
	if (lines_end_is_long(of(request)->lines))
		return HANDLER_WAITS;
	finish(request);
	return HANDLER_DONE;
}

static struct lines_request *owner(struct work *work)
{
	return (struct lines_request *)(void *)((char *)work -
						offsetof(struct lines_request, work));
}

static bool step(struct work *work)
{
	finish(owner(work)->request);
	return false;
}

static void done(struct work *work)
{
	request_done(owner(work)->request);
}

static void start(struct request *request)
{
	struct lines_request *state = of(request);
	state->work = (struct work){.step = step, .done = done};
	workers_submit(request->server->workers, &state->work);
}

static enum handler_end proceed(struct request *request)
{
	(void)request;
	return HANDLER_DONE;
}

static void stop(struct request *request)
{
	if (request->state)
		lines_stop(of(request)->lines);
}

/* What is wrong with a line stands in its reply: here there is no place. */
static void point(const struct request *request, const struct loss_error *err, char *out,
		  size_t size)
{
	(void)request;
	(void)err;
	if (size > 0)
		*out = '\0';
}

static void release(struct request *request)
{
	if (request->state)
		lines_end(of(request)->lines);
}

const struct handler lines_handler = {
	.needs_body = "an evaluation",
	.begin = begin,
	.feed = feed,
	.byte_ns = byte_ns,
	.drop = drop,
	.end = end,
	.start = start,
	.proceed = proceed,
	.stop = stop,
	.point = point,
	.release = release,
};
