#include "request.h"

#include <string.h>

#include "access.h"
#include "codec/encoder.h"
#include "codec/status.h"
#include "deadline.h"
#include "metrics/metrics.h"
#include "reply.h"
#include "request_id.h"

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_US 1000u

/* ---------------------------------------------------------------- life */

struct request *request_create(struct service *service, struct reaper_entry *entry,
			       const char *target, loss_status *why)
{
	/* Requests that need next to nothing (is it alive? what are its metrics?) are answered even
	 * when the budget is used up; evaluations are not. */
	bool over_budget = false;
	struct loss_arena *arena = loss_arena_create(service->budget);
	if (!arena) {
		over_budget = true;
		arena = loss_arena_create(service->reserve);
	}
	struct request *request = arena ? loss_arena_array(arena, struct request, 1) : NULL;
	if (request) {
		memset(request, 0, sizeof *request);
		request->service = service;
		request->arena = arena;
		request->entry = entry;
		request->over_budget = over_budget;
		request->timings.start_ns = clock_ns();
	}
	if (request && target_split(target, arena, &request->target))
		return request;
	*why = arena ? loss_arena_failure(arena, &(struct loss_error){0})
		     : LOSS_TOO_MUCH_MEMORY_IN_FLIGHT;
	loss_arena_destroy(arena);
	return NULL;
}

struct loss_arena *request_spare(struct request *request)
{
	if (!request->spare)
		request->spare = loss_arena_create(request->service->reserve);
	return request->spare;
}

void request_destroy(struct request *request)
{
	if (!request)
		return;
	deadline_unwatch(request);
	if (request->evaluation)
		evaluation_end(request->evaluation);
	loss_arena_destroy(request->spare);
	loss_arena_destroy(request->arena);
}

/* Of all that is wrong the one that takes precedence is reported: the caller's check has filled
 * request->found. */
static void keep(struct request *request, loss_status status)
{
	if (status_precedes(status, request->error.status))
		request->error = request->found;
}

/* ---------------------------------------------------------------- the head */

static loss_status check_stage(const struct request *request, struct loss_error *err)
{
	const struct service *service = request->service;
	if (service_stage(service) != SERVICE_DRAINING ||
	    (request->route && request->route->always) ||
	    reaper_is_promised(service->reaper, request->entry))
		return LOSS_OK;
	return loss_fail(
		err, STATUS_DRAINING, NULL,
		"this server is going away and takes no new requests; send it to another one");
}

static int shown(size_t n)
{
	return n < 80 ? (int)n : 80;
}

static loss_status check_path(struct request *request, struct loss_error *err)
{
	const char *path = request->target.path;
	size_t n = request->target.n_path;
	if (request->method == METHOD_OPTIONS && n == 1 && *path == '*')
		return LOSS_OK;
	if (request->target.has_nul)
		return loss_fail(
			err, STATUS_UNKNOWN_PATH, NULL,
			"the path has a percent-encoded NUL; no path of this server has one");
	request->route = route_find(path, n, request->arguments);
	if (request->route)
		return LOSS_OK;
	if (n > 1 && path[n - 1] == '/' && route_find(path, n - 1, request->arguments))
		return loss_fail(err, STATUS_UNKNOWN_PATH, NULL,
				 "there is no path %.*s; leave out the slash at its end", shown(n),
				 path);
	return loss_fail(err, STATUS_UNKNOWN_PATH, NULL,
			 "there is no path %.*s; GET / lists the paths of this server", shown(n),
			 path);
}

/* Every loss has one version, as a model of the Open Inference Protocol. */
static loss_status check_version(const struct request *request, struct loss_error *err)
{
	const struct route_argument *version = &request->arguments[1];
	if (!version->text || (version->size == 1 && *version->text == '1'))
		return LOSS_OK;
	return loss_fail(err, STATUS_UNKNOWN_LOSS, NULL,
			 "there is no version \"%.*s\" of %s; the only one is \"1\"",
			 shown(version->size), version->text, request->loss->name);
}

static loss_status check_loss(struct request *request, struct loss_error *err)
{
	const char *name = request->arguments[0].text;
	size_t n = request->arguments[0].size;
	if (!request->route || !request->route->names_loss)
		return LOSS_OK;
	request->loss = loss_find(name, n);
	if (request->loss)
		return check_version(request, err);
	return loss_fail(
		err, STATUS_UNKNOWN_LOSS, NULL,
		"there is no loss \"%.*s\"; the nearest is \"%s\", and GET /v1/losses lists "
		"them all",
		shown(n), name, loss_nearest(name, n));
}

static loss_status check_method(const struct request *request, const char *method,
				struct loss_error *err)
{
	if (!request->route || route_allows(request->route, request->method))
		return LOSS_OK;
	return loss_fail(err, STATUS_METHOD_NOT_ALLOWED, NULL, "%s takes no %.20s; it takes %s",
			 request->route->path, method, route_allow(request->route));
}

static bool evaluates(const struct request *request)
{
	return request->method == METHOD_POST && request->route && request->route->protocol &&
	       request->loss;
}

/* A POST whose body is a small document for the route's page. */
static bool reads_document(const struct request *request)
{
	return request->method == METHOD_POST && request->route &&
	       route_reads_document(request->route);
}

/* Bytes of the longest body that is taken, and what a message calls that. */
static uint64_t body_limit(const struct request *request, const char **name)
{
	uint64_t limit = request->service->config.max_body_bytes;
	bool document = reads_document(request) && limit > ROUTE_DOCUMENT_BYTES;
	*name = document ? "of this path" : "(max_body_bytes)";
	return document ? ROUTE_DOCUMENT_BYTES : limit;
}

static loss_status check_size(const struct request *request, struct loss_error *err)
{
	const struct framing *framing = &request->head.framing;
	const char *name;
	uint64_t limit = body_limit(request, &name);
	if (evaluates(request) && !framing->has_length && !framing->chunked)
		return loss_fail(err, STATUS_LENGTH_REQUIRED, NULL,
				 "an evaluation needs a body; send it with Content-Length or with "
				 "Transfer-Encoding: chunked");
	if (framing->length > limit)
		return loss_fail(err, STATUS_BODY_TOO_LARGE, NULL,
				 "Content-Length is %llu bytes, but the limit %s is %llu",
				 (unsigned long long)framing->length, name,
				 (unsigned long long)limit);
	return LOSS_OK;
}

static const struct media_type *check_body_type(struct request *request,
						enum content_coding *coding)
{
	const struct media_type *requests = request->route->protocol->requests;
	const char *names[MEDIA_TYPES_MAX];
	size_t n = 0, chosen;
	for (; requests[n].name; n++)
		names[n] = requests[n].name;
	keep(request, head_media_type(&request->head, names, n, &chosen, &request->found));
	keep(request, head_encoding(&request->head, coding, &request->found));
	return &requests[chosen];
}

static const struct reply_format *check_reply_type(struct request *request)
{
	const struct reply_format *replies = request->route->protocol->replies;
	const char *names[REPLY_FORMATS_MAX];
	size_t n = 0, chosen;
	for (; replies[n].content_type; n++)
		names[n] = replies[n].content_type;
	keep(request, head_accept(&request->head, names, n, &chosen, &request->found));
	return &replies[chosen];
}

/* Small documents come as they are, whatever their media type says: that is not told by all
 * clients, and told wrong by some. */
static loss_status check_plain(const struct request *request, struct loss_error *err)
{
	enum content_coding coding;
	loss_status status = head_encoding(&request->head, &coding, err);
	if (status != LOSS_OK || coding == CODING_IDENTITY)
		return status;
	return loss_fail(err, STATUS_UNSUPPORTED_ENCODING, NULL,
			 "Content-Encoding is \"%.80s\"; this path reads identity only: send the "
			 "body as it is",
			 request->head.content_encoding);
}

/* What the headers say about the body and the reply. */
static void check_types(struct request *request, struct evaluation_kind *kind)
{
	size_t chosen;
	*kind = (struct evaluation_kind){
		.loss = request->loss,
		.isa = request->service->isa,
		.max_body_bytes = request->service->config.max_body_bytes,
	};
	if (evaluates(request)) {
		kind->media = check_body_type(request, &kind->coding);
		kind->format = check_reply_type(request);
		return;
	}
	if (reads_document(request))
		keep(request, check_plain(request, &request->found));
	if (request->route && request->method != METHOD_OPTIONS) {
		keep(request, head_accept(&request->head, &request->route->content_type, 1, &chosen,
					  &request->found));
	}
}

static loss_status start_evaluation(struct request *request, const struct evaluation_kind *kind,
				    struct loss_error *err)
{
	const struct service *service = request->service;
	const struct config *config = &service->config;
	const struct decoder_setup setup = {
		.limits = {config->max_elements, config->max_rank, config->max_header_bytes},
		.header_length = request->head.header_length,
		.scheduler = service->scheduler,
		.shm = service->shm,
		.foreign = access_foreign_origin(&request->head, config),
	};
	if (request->over_budget)
		return loss_fail(err, LOSS_TOO_MUCH_MEMORY_IN_FLIGHT, NULL,
				 "the requests being served hold the whole memory budget "
				 "(memory_budget_bytes); send this one again later");
	struct evaluation *e = evaluation_create(kind, request->arena, &request->timings);
	if (!e)
		return loss_arena_failure(request->arena, err);
	loss_status status =
		evaluation_query(e, request->target.query, request->target.n_query, &setup, err);
	if (e->decoder)
		request->evaluation = e;
	return status;
}

static loss_status start_document(struct request *request, struct loss_error *err)
{
	request->body = loss_buffer_create(request->arena);
	return request->body ? LOSS_OK : loss_arena_failure(request->arena, err);
}

static void identify(struct request *request)
{
	request->id = request->head.request_id;
	if (!request->id) {
		request_id_make(request->made_id, sizeof request->made_id);
		request->id = request->made_id;
	}
}

enum request_stage request_begin(struct request *request, const struct raw_head *raw)
{
	const struct config *config = &request->service->config;
	uint64_t timeout_ms = 0;
	struct evaluation_kind kind;

	request->method = route_method(raw->method);
	request->interim = strcmp(raw->version, "HTTP/1.1") == 0;
	request->timings.start_ns = clock_ns();
	keep(request, head_read(&request->head, raw->headers, raw->n_headers, request->arena,
				&request->found));
	identify(request);
	keep(request, check_path(request, &request->found));
	keep(request, check_stage(request, &request->found));
	keep(request, check_loss(request, &request->found));
	keep(request, check_method(request, raw->method, &request->found));

	loss_status framed = guard_check(raw, &request->head.framing, &request->found);
	if (framed != LOSS_OK)
		metrics_reject(METRICS_REJECT_FRAMING);
	keep(request, framed);
	if (framed == LOSS_OK)
		keep(request, access_check_host(&request->head, config, &request->found));
	if (reads_document(request))
		keep(request, access_check_origin(&request->head, config, request->route->path,
						  &request->found));
	keep(request, head_timeout(&request->head, &timeout_ms, &request->found));
	loss_status sized = check_size(request, &request->found);
	keep(request, sized);
	check_types(request, &kind);
	if (request->error.status == LOSS_OK && evaluates(request))
		keep(request, start_evaluation(request, &kind, &request->found));
	if (request->error.status == LOSS_OK && reads_document(request))
		keep(request, start_document(request, &request->found));
	deadline_set(request, timeout_ms * NS_PER_MS, "X-Request-Timeout-Ms (%s)",
		     timeout_ms ? request->head.timeout : "");
	if (request->evaluation && request->timeout_ns)
		deadline_watch(request);

	request->stage = REQUEST_BODY;
	bool failed = request->error.status != LOSS_OK;
	bool waits = request->head.framing.expects_continue;
	/* Its body would hold the reserve that others are to be told from. */
	bool scarce = request->over_budget && evaluates(request) &&
		      service_reserve_is_low(request->service);
	if (framed != LOSS_OK || sized != LOSS_OK || (failed && waits) || (failed && scarce)) {
		request->reply.close = true;
		reply_error(request);
	}
	return request->stage;
}

/* ---------------------------------------------------------------- the body */

void request_drop_body(struct request *request)
{
	if (request->evaluation)
		evaluation_drop(request->evaluation);
	else
		loss_arena_release_buffers(request->arena);
}

bool request_feed(struct request *request, const void *bytes, size_t n)
{
	const char *name;
	uint64_t limit = body_limit(request, &name);
	uint64_t total = request->timings.bytes_in += n;

	reaper_received(request->service->reaper, request->entry, total,
			loss_arena_held(request->arena));
	if (total > limit) {
		/* Chunked: it could not be known before. A client that stops soon still gets the
		 * reply. */
		keep(request, loss_fail(&request->found, STATUS_BODY_TOO_LARGE, NULL,
					"the body is longer than the limit %s of %llu bytes", name,
					(unsigned long long)limit));
		request_drop_body(request); /* the rest is thrown away */
		return total - limit <= limit;
	}
	if (atomic_load_explicit(&request->expired, memory_order_relaxed))
		request_drop_body(request);
	else if (request->evaluation)
		evaluation_feed(request->evaluation, bytes, n);
	else if (request->body && !loss_buffer_append(request->body, bytes, n))
		keep(request, loss_arena_failure(request->arena, &request->found));
	return true;
}

/* The body may have asked for one. */
static void adopt_deadline(struct request *request)
{
	uint64_t ns = request->evaluation->decoder->timeout_ns;
	if (ns == 0)
		return;
	deadline_set(request, ns, "the parameter timeout (%llu microseconds)",
		     (unsigned long long)ns / NS_PER_US);
	if (deadline_passed(request))
		keep(request,
		     deadline_fail(request, "before the body was complete", &request->found));
	else
		deadline_watch(request);
}

static void decode_and_plan(struct request *request)
{
	struct evaluation *e = request->evaluation;
	/* What was not fed to its end has no syntax to be judged. */
	if (request->timings.bytes_in > request->service->config.max_body_bytes)
		return;
	if (atomic_load(&request->expired)) {
		keep(request,
		     deadline_fail(request, "before the body was complete", &request->found));
		return;
	}
	keep(request, evaluation_decode(e, &request->found));
	if (request->error.status == LOSS_OK)
		adopt_deadline(request);
	if (request->error.status == LOSS_OK)
		keep(request, evaluation_plan(e, &request->found));
}

static void note_received(struct request *request)
{
	struct timings *t = &request->timings;
	uint64_t elapsed = clock_ns() - t->start_ns;
	t->receive_ns = elapsed > t->decode_ns ? elapsed - t->decode_ns : 0;
}

static void compute(struct request *request, int threads)
{
	keep(request, evaluation_run(request->evaluation, threads, &request->found));
	/* What expired or was left behind in the last row block is not written either. */
	if (request->error.status == LOSS_OK &&
	    !loss_cancel_requested(&request->evaluation->cancel))
		reply_encode(request);
}

enum request_stage request_end(struct request *request)
{
	note_received(request);
	if (request->evaluation)
		decode_and_plan(request);
	if (request->error.status != LOSS_OK) {
		reply_error(request);
		return request->stage;
	}
	if (!request->evaluation) {
		reply_page(request);
		return request->stage;
	}
	if (evaluation_is_large(request->evaluation)) {
		request->stage = REQUEST_WAIT;
		return request->stage;
	}
	compute(request, 1);
	return request_finish(request);
}

/* ---------------------------------------------------------------- the compute thread */

static struct request *owner(struct job *job)
{
	return (struct request *)(void *)((char *)job - offsetof(struct request, job));
}

static void run(struct job *job, int threads)
{
	struct request *request = owner(job);
	request->timings.queue_ns = clock_ns() - request->submitted_ns;
	compute(request, threads);
}

static void done(struct job *job)
{
	struct request *request = owner(job);
	void (*resume)(void *) = request->resume;
	void *connection = request->connection;
	atomic_store_explicit(&request->computed, true, memory_order_release);
	resume(connection);
}

void request_submit(struct request *request, void (*resume)(void *connection), void *connection)
{
	request->resume = resume;
	request->connection = connection;
	request->job.run = run;
	request->job.done = done;
	request->job.elements = evaluation_elements(request->evaluation);
	request->submitted_ns = clock_ns();
	request->stage = REQUEST_COMPUTE;
	if (!request->watched)
		deadline_watch(request);
	scheduler_submit(request->service->scheduler, &request->job);
}

enum request_stage request_finish(struct request *request)
{
	deadline_unwatch(request);
	if (atomic_load(&request->gone))
		return REQUEST_COMPUTE;
	if (request->error.status == LOSS_OK && atomic_load(&request->expired))
		keep(request, deadline_fail(request,
					    request->timings.threads == 0
						    ? "while the request waited to be computed"
						    : "while the request was being answered",
					    &request->found));
	if (request->error.status == LOSS_OK)
		reply_evaluation(request);
	else
		reply_error(request);
	return request->stage;
}
