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
	/* What has come first, and is still to be evaluated; `fed` of it has been. */
	struct loss_buffer *gathered;
	size_t fed;
	bool early; /* all that follows is evaluated as it comes */
};

/* So many bytes are gathered: then workers have them (http/intake.h), unless their number was not
 * declared. What a line takes to be evaluated is not bounded by its bytes. */
#define GATHERED_BYTES ((size_t)128 << 10)
/* Evaluated in one step. */
#define STEP_BYTES ((size_t)16 << 10)

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
		.gathered = loss_buffer_create(request->arena),
	};
	if (!state->lines)
		return err->status;
	if (!state->gathered)
		return loss_arena_failure(request->arena, err);
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

/* Evaluates some more of what was gathered. */
static void feed_gathered(struct lines_request *state, size_t most)
{
	size_t left = state->gathered->size - state->fed, n = left < most ? left : most;
	lines_feed(state->lines, (const unsigned char *)state->gathered->data + state->fed, n);
	state->fed += n;
}

static bool has_gathered(const struct lines_request *state)
{
	return state->fed < state->gathered->size;
}

static void feed(struct request *request, const unsigned char *bytes, size_t n)
{
	struct lines_request *state = of(request);
	if (!state->early && state->gathered->size + n < GATHERED_BYTES &&
	    loss_buffer_append(state->gathered, bytes, n))
		return;
	state->early = true;
	feed_gathered(state, SIZE_MAX);
	lines_feed(state->lines, bytes, n);
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

/* What lines took before the last of them came has been counted as time of receiving, unless a
 * worker had them. */
static void note_timings(struct request *request)
{
	struct timings *t = &request->timings;
	const struct timings before = *t;
	lines_add_timings(of(request)->lines, t);
	uint64_t busy_ns = t->decode_ns - before.decode_ns + t->compute_ns - before.compute_ns +
			   t->encode_ns - before.encode_ns;
	if (!request->intake && of(request)->early)
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
	if (has_gathered(of(request)) || lines_end_is_long(of(request)->lines))
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
	struct lines_request *state = owner(work);
	if (has_gathered(state))
		feed_gathered(state, STEP_BYTES);
	if (has_gathered(state))
		return true;
	finish(state->request);
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
