#include "evaluate.h"

#include "eval/evaluation.h"
#include "eval/scheduler.h"
#include "http/access.h"
#include "http/deadline.h"
#include "http/request.h"
#include "status/status.h"

#define NS_PER_US 1000u

/* Of a request: request->state. */
struct evaluate {
	struct request *request;
	struct evaluation *evaluation;
	uint64_t waits_ns; /* since when it does, for the compute thread */
	struct job job;    /* computes, on the compute thread */
	struct work work;  /* writes, on a worker */
};

static struct evaluate *of(const struct request *request)
{
	return (struct evaluate *)request->state;
}

/* ---------------------------------------------------------------- the body */

static void feed(struct request *request, const unsigned char *bytes, size_t n)
{
	evaluation_feed(of(request)->evaluation, bytes, n);
}

static double byte_ns(const struct request *request)
{
	return evaluation_byte_ns(of(request)->evaluation);
}

static void drop(struct request *request)
{
	evaluation_drop(of(request)->evaluation);
}

/* The body may have asked for one. */
static void adopt_deadline(struct request *request)
{
	uint64_t ns = of(request)->evaluation->decoder->timeout_ns;
	if (ns == 0)
		return;
	deadline_set(request, ns, "the parameter timeout (%llu microseconds)",
		     (unsigned long long)ns / NS_PER_US);
	if (deadline_passed(request))
		request_fail(request, deadline_fail(request, "before the body was complete",
						    &request->found));
	else
		deadline_watch(request);
}

static void decode_and_plan(struct request *request)
{
	struct evaluation *e = of(request)->evaluation;
	request_fail(request, evaluation_decode(e, &request->found));
	if (request->fault.error.status == LOSS_OK)
		adopt_deadline(request);
	if (request->fault.error.status == LOSS_OK)
		request_fail(request, evaluation_plan(e, &request->found));
}

/* ---------------------------------------------------------------- the work */

static void compute(struct evaluate *evaluate, int threads, uint64_t slice_ns)
{
	struct request *request = evaluate->request;
	request_fail(request,
		     evaluation_run(evaluate->evaluation, threads, slice_ns, &request->found));
}

static bool is_computed(const struct evaluate *evaluate)
{
	return evaluate->evaluation->result != NULL;
}

/* What expired or was left in the meantime is not written either. */
static bool is_over(const struct evaluate *evaluate)
{
	return evaluate->request->fault.error.status != LOSS_OK ||
	       loss_cancel_requested(&evaluate->evaluation->cancel);
}

static void fill_reply(struct evaluate *evaluate)
{
	const struct evaluation *e = evaluate->evaluation;
	struct reply *reply = &evaluate->request->reply;
	*reply = (struct reply){
		.status = 200,
		.content_type = e->encoded.content_type,
		.body = e->body,
		.coded = e->deflater != NULL,
		.varies = e->compressible,
	};
	if (e->encoded.header)
		reply_add_header(reply, e->encoded.header, e->encoded.value);
}

/* True when there is more to write. */
static bool write_piece(struct evaluate *evaluate)
{
	struct request *request = evaluate->request;
	if (is_over(evaluate))
		return false;
	enum encoder_end end = evaluation_write(evaluate->evaluation, &request->found);
	if (end == ENCODER_DONE)
		fill_reply(evaluate);
	else if (end == ENCODER_FAILED)
		request_fail(request, request->found.status);
	return end == ENCODER_MORE;
}

/* What has been computed: a reply that is written in one piece is written here. */
static enum handler_end begin_writing(struct evaluate *evaluate)
{
	return write_piece(evaluate) ? HANDLER_WAITS : HANDLER_DONE;
}

static enum handler_end end(struct request *request)
{
	struct evaluate *evaluate = of(request);
	if (!evaluate)
		return HANDLER_DONE;
	decode_and_plan(request);
	if (request->fault.error.status != LOSS_OK)
		return HANDLER_DONE;
	if (evaluation_is_large(evaluate->evaluation))
		return HANDLER_WAITS;
	compute(evaluate, 1, UINT64_MAX);
	return begin_writing(evaluate);
}

static enum handler_end proceed(struct request *request)
{
	struct evaluate *evaluate = of(request);
	bool written = evaluate->request->reply.status != 0;
	timings_begin(&request->timings);
	return written ? HANDLER_DONE : begin_writing(evaluate);
}

/* ---------------------------------------------------------------- elsewhere */

static struct evaluate *of_job(struct job *job)
{
	return (struct evaluate *)(void *)((char *)job - offsetof(struct evaluate, job));
}

static struct evaluate *of_work(struct work *work)
{
	return (struct evaluate *)(void *)((char *)work - offsetof(struct evaluate, work));
}

static bool run_job(struct job *job, int threads, uint64_t slice_ns)
{
	struct evaluate *evaluate = of_job(job);
	struct request *request = evaluate->request;
	struct timings *timings = &request->timings;
	timings_begin(timings);
	timings->queue_ns += timings->mark_ns - evaluate->waits_ns;
	timings_extend(timings, PHASE_QUEUE, evaluate->waits_ns, timings->mark_ns);
	compute(evaluate, threads, slice_ns);
	job->item.left_ns = evaluation_cost_ns(evaluate->evaluation);
	evaluate->waits_ns = timings->mark_ns;
	return !is_over(evaluate) && !is_computed(evaluate);
}

static void end_job(struct job *job)
{
	request_done(of_job(job)->request);
}

static bool step_work(struct work *work)
{
	struct evaluate *evaluate = of_work(work);
	timings_begin(&evaluate->request->timings);
	return write_piece(evaluate);
}

static void end_work(struct work *work)
{
	request_done(of_work(work)->request);
}

static loss_status fail_queue(struct request *request, const struct schedule_refusal *refusal,
			      const struct job *job)
{
	const struct config *config = &request->server->config;
	request->retry_s = refusal->retry_s;
	if (!refusal->by_cost)
		return loss_fail(
			&request->found, STATUS_QUEUE_FULL, NULL,
			"%zu large problems wait to be computed, and no more than %llu may "
			"(queue_length); send this one again after Retry-After",
			refusal->waiting, (unsigned long long)config->queue_length);
	return loss_fail(&request->found, STATUS_QUEUE_FULL, NULL,
			 "the problems that wait to be computed take about %.3g seconds, and with "
			 "the %.3g of this one more than %llu (queue_cost); send it again after "
			 "Retry-After",
			 (double)refusal->waiting_ns * 1e-9, (double)job->item.left_ns * 1e-9,
			 (unsigned long long)config->queue_cost);
}

static void start(struct request *request)
{
	struct evaluate *evaluate = of(request);
	struct schedule_refusal refusal;
	if (is_computed(evaluate)) {
		workers_submit(request->server->workers, &evaluate->work);
		return;
	}
	evaluate->waits_ns = request->started_ns;
	evaluate->job.item.left_ns = evaluation_cost_ns(evaluate->evaluation);
	if (scheduler_submit(request->server->scheduler, &evaluate->job, &refusal))
		return;
	request_fail(request, fail_queue(request, &refusal, &evaluate->job));
	request_done(request);
}

static void stop(struct request *request)
{
	struct evaluate *evaluate = of(request);
	if (!evaluate)
		return;
	loss_cancel_request(&evaluate->evaluation->cancel);
	scheduler_withdraw(request->server->scheduler, &evaluate->job);
}

/* ---------------------------------------------------------------- the head */

static const struct media_type *check_body_type(struct request *request,
						enum content_coding *coding)
{
	const struct media_type *requests = request->endpoint->protocol->requests;
	const char *names[MEDIA_TYPES_MAX];
	size_t n = 0, chosen;
	for (; requests[n].name; n++)
		names[n] = requests[n].name;
	request_fail(request, head_media_type(&request->head, names, n, &chosen, &request->found));
	request_fail(request, head_encoding(&request->head, coding, &request->found));
	return &requests[chosen];
}

static const struct reply_format *check_reply_type(struct request *request)
{
	const struct reply_format *replies = request->endpoint->protocol->replies;
	const char *names[REPLY_FORMATS_MAX];
	size_t n = 0, chosen;
	for (; replies[n].content_type; n++)
		names[n] = replies[n].content_type;
	request_fail(request, head_accept(&request->head, names, n, &chosen, &request->found));
	return &replies[chosen];
}

static loss_status open_evaluation(struct request *request, const struct evaluation_kind *kind,
				   struct loss_error *err)
{
	if (request->over_budget)
		return loss_fail(err, LOSS_TOO_MUCH_MEMORY_IN_FLIGHT, NULL,
				 "the requests being served hold the whole memory budget "
				 "(memory_budget_bytes); send this one again later");
	struct evaluate *evaluate = loss_arena_array(request->arena, struct evaluate, 1);
	struct evaluation *e =
		evaluate ? evaluation_create(kind, request->arena, &request->timings) : NULL;
	if (!e)
		return loss_arena_failure(request->arena, err);
	loss_status status =
		evaluation_query(e, request->target.query, request->target.n_query, err);
	if (!e->decoder)
		return status;
	*evaluate = (struct evaluate){
		.request = request,
		.evaluation = e,
		.job = {.run = run_job, .done = end_job},
		.work = {.step = step_work, .done = end_work},
	};
	request->state = evaluate;
	return status;
}

void evaluate_kind(struct request *request, struct evaluation_kind *kind)
{
	const struct server *server = request->server;
	const struct config *config = &server->config;
	*kind = (struct evaluation_kind){
		.loss = request->loss,
		.isa = server->isa,
		.max_body_bytes = config->max_body_bytes,
		.reply_coding = head_reply_coding(&request->head),
		.limits = {config->max_elements, config->max_rank, config->max_header_bytes, false},
		.header_length = request->head.header_length,
		.shm = server->shm,
		.foreign = access_foreign_origin(&request->head, config),
	};
	kind->media = check_body_type(request, &kind->coding);
	kind->format = check_reply_type(request);
}

static void begin(struct request *request)
{
	struct evaluation_kind kind;
	if (!request->loss)
		return;
	evaluate_kind(request, &kind);
	if (request->fault.error.status == LOSS_OK)
		request_fail(request, open_evaluation(request, &kind, &request->found));
}

/* ---------------------------------------------------------------- the end */

static void point(const struct request *request, const struct loss_error *err, char *out,
		  size_t size)
{
	const struct decoder *decoder = of(request)->evaluation->decoder;
	decoder->pointer(decoder, err, out, size);
}

static void release(struct request *request)
{
	if (request->state)
		evaluation_end(of(request)->evaluation);
}

const struct evaluation *evaluate_of(const struct request *request)
{
	bool evaluates = request->endpoint && request->endpoint->handler == &evaluate_handler;
	return evaluates && request->state ? of(request)->evaluation : NULL;
}

const struct handler evaluate_handler = {
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
