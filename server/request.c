#include "request.h"

#include <string.h>
#include <strings.h>

#include "codec/percent.h"
#include "metrics.h"
#include "reply.h"
#include "request_id.h"

/* ---------------------------------------------------------------- the target */

/* Bad percent-encoding stays as it is: no path has a '%', so nothing is found there. */
static size_t decode(const char *raw, size_t n, char *out, bool *has_nul)
{
	size_t size = 0;
	for (size_t i = 0; i < n; i++) {
		int byte = percent_byte(raw + i, n - i);
		out[size++] = byte < 0 ? raw[i] : (char)byte;
		if (byte >= 0)
			i += PERCENT_SIZE - 1;
		*has_nul = *has_nul || byte == 0;
	}
	return size;
}

/* Origin form, or absolute form, which every server must take (RFC 9112, section 3.2.2). */
static const char *skip_authority(const char *target)
{
	size_t scheme = strncasecmp(target, "http://", 7) == 0    ? 7
			: strncasecmp(target, "https://", 8) == 0 ? 8
								  : 0;
	return scheme == 0 ? target : target + scheme + strcspn(target + scheme, "/?");
}

static bool split_target(struct request *request, const char *target)
{
	request->target = loss_arena_printf(request->arena, "%s", target);
	if (!request->target)
		return false;
	const char *path = skip_authority(request->target);
	size_t n = strcspn(path, "?");
	char *decoded = loss_arena_array(request->arena, char, n + 1);
	if (!decoded)
		return false;
	request->path = decoded;
	request->n_path = decode(path, n, decoded, &request->has_nul);
	if (request->n_path == 0 && path != request->target)
		decoded[request->n_path++] = '/';
	if (path[n] == '?') {
		request->query = path + n + 1;
		request->n_query = strlen(request->query);
	} else {
		request->query = "";
	}
	return true;
}

/* ---------------------------------------------------------------- life */

struct request *request_create(struct service *service, struct reaper_entry *entry,
			       const char *target)
{
	/* Requests that need next to nothing (is it alive? what are its metrics?) are answered even
	 * when the budget is used up; evaluations are not. */
	bool over_budget = false;
	struct loss_arena *arena = loss_arena_create(&service->budget);
	if (!arena) {
		over_budget = true;
		arena = loss_arena_create(NULL);
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
	if (!request || !split_target(request, target)) {
		loss_arena_destroy(arena);
		return NULL;
	}
	return request;
}

static void unwatch(struct request *request)
{
	if (request->watched)
		reaper_unwatch(request->service->reaper, request->entry);
	request->watched = false;
}

void request_destroy(struct request *request)
{
	if (!request)
		return;
	unwatch(request);
	loss_arena_destroy(request->arena);
}

/* Of all that is wrong the one that takes precedence is reported: the caller's check has filled
 * request->found. */
static void keep(struct request *request, loss_status status)
{
	if (status != LOSS_OK &&
	    (request->error.status == LOSS_OK || status < request->error.status))
		request->error = request->found;
}

/* ---------------------------------------------------------------- the head */

static bool is_health(const struct request *request)
{
	return request->route && request->route->always;
}

static loss_status check_stage(const struct request *request, struct loss_error *err)
{
	if (service_stage(request->service) != SERVICE_DRAINING || is_health(request))
		return LOSS_OK;
	return loss_fail(
		err, LOSS_DRAINING, NULL,
		"this server is going away and takes no new requests; send it to another one");
}

static int shown(size_t n)
{
	return n < 80 ? (int)n : 80;
}

static loss_status check_path(struct request *request, struct loss_error *err)
{
	const char *path = request->path;
	size_t n = request->n_path;
	if (request->method == METHOD_OPTIONS && n == 1 && *path == '*')
		return LOSS_OK;
	if (request->has_nul)
		return loss_fail(
			err, LOSS_UNKNOWN_PATH, NULL,
			"the path has a percent-encoded NUL; no path of this server has one");
	request->route = route_find(path, n, &request->argument, &request->n_argument);
	if (request->route)
		return LOSS_OK;
	if (n > 1 && path[n - 1] == '/' &&
	    route_find(path, n - 1, &request->argument, &request->n_argument))
		return loss_fail(err, LOSS_UNKNOWN_PATH, NULL,
				 "there is no path %.*s; leave out the slash at its end", shown(n),
				 path);
	return loss_fail(err, LOSS_UNKNOWN_PATH, NULL,
			 "there is no path %.*s; GET / lists the paths of this server", shown(n),
			 path);
}

static loss_status check_loss(struct request *request, struct loss_error *err)
{
	const char *name = request->argument;
	size_t n = request->n_argument;
	if (!request->route || !request->route->names_loss)
		return LOSS_OK;
	request->loss = loss_find(name, n);
	if (request->loss)
		return LOSS_OK;
	return loss_fail(
		err, LOSS_UNKNOWN_LOSS, NULL,
		"there is no loss \"%.*s\"; the nearest is \"%s\", and GET /v1/losses lists "
		"them all",
		shown(n), name, loss_nearest(name, n));
}

static loss_status check_method(const struct request *request, const char *method,
				struct loss_error *err)
{
	if (!request->route || route_allows(request->route, request->method))
		return LOSS_OK;
	return loss_fail(err, LOSS_METHOD_NOT_ALLOWED, NULL, "%s takes no %.20s; it takes %s",
			 request->route->path, method, route_allow(request->route));
}

static bool evaluates(const struct request *request)
{
	return request->method == METHOD_POST && request->route && request->loss;
}

static loss_status check_size(const struct request *request, struct loss_error *err)
{
	const struct framing *framing = &request->head.framing;
	uint64_t limit = request->service->config.max_body_bytes;
	if (evaluates(request) && !framing->has_length && !framing->chunked)
		return loss_fail(err, LOSS_LENGTH_REQUIRED, NULL,
				 "an evaluation needs a body; send it with Content-Length or with "
				 "Transfer-Encoding: chunked");
	if (framing->length > limit)
		return loss_fail(
			err, LOSS_BODY_TOO_LARGE, NULL,
			"Content-Length is %llu bytes, but the limit (max_body_bytes) is %llu",
			(unsigned long long)framing->length, (unsigned long long)limit);
	return LOSS_OK;
}

/* What the headers say about the body and the reply. */
static const struct media_type *check_types(struct request *request)
{
	const char *names[MEDIA_TYPES_MAX];
	size_t n = 0, chosen = 0;
	while (media_types[n].name) {
		names[n] = media_types[n].name;
		n++;
	}
	if (evaluates(request)) {
		keep(request, head_media_type(&request->head, names, n, &chosen, &request->found));
		keep(request, head_encoding(&request->head, &request->found));
	}
	if (request->route && request->method != METHOD_OPTIONS)
		keep(request,
		     head_accept(&request->head, request->route->content_type, &request->found));
	return &media_types[chosen];
}

static void notice(void *context, enum reaper_event event)
{
	struct request *request = (struct request *)context;
	atomic_store(event == REAPER_GONE ? &request->gone : &request->expired, true);
	if (request->evaluation) {
		atomic_store(&request->evaluation->cancel, true);
		scheduler_withdraw(request->service->scheduler, &request->job);
	}
}

static void watch(struct request *request, uint64_t timeout_ms)
{
	uint64_t expires = timeout_ms ? request->timings.start_ns + timeout_ms * 1000000 : 0;
	request->watched = true;
	reaper_watch(request->service->reaper, request->entry, expires, notice, request);
}

static loss_status start_evaluation(struct request *request, const struct media_type *media,
				    struct loss_error *err)
{
	const struct config *config = &request->service->config;
	const struct decoder_limits limits = {config->max_elements, config->max_rank};
	if (request->over_budget)
		return loss_fail(err, LOSS_TOO_MUCH_MEMORY_IN_FLIGHT, NULL,
				 "the requests being served hold the whole memory budget "
				 "(memory_budget_bytes); send this one again later");
	struct evaluation *e = evaluation_create(request->loss, media, request->service->isa,
						 request->arena, &request->timings);
	if (!e)
		return loss_arena_failure(request->arena, err);
	loss_status status = evaluation_query(e, request->query, request->n_query, &limits, err);
	if (e->decoder)
		request->evaluation = e;
	return status;
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
	uint64_t timeout_ms = 0;

	request->method = route_method(raw->method);
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
	keep(request, head_timeout(&request->head, &timeout_ms, &request->found));
	loss_status sized = check_size(request, &request->found);
	keep(request, sized);
	const struct media_type *media = check_types(request);
	if (request->error.status == LOSS_OK && evaluates(request))
		keep(request, start_evaluation(request, media, &request->found));
	if (request->evaluation && timeout_ms)
		watch(request, timeout_ms);

	request->stage = REQUEST_BODY;
	bool failed = request->error.status != LOSS_OK;
	bool waits = request->head.framing.expects_continue;
	if (framed != LOSS_OK || sized != LOSS_OK || (failed && waits)) {
		request->reply.close = true;
		reply_error(request);
	}
	return request->stage;
}

/* ---------------------------------------------------------------- the body */

bool request_feed(struct request *request, const void *bytes, size_t n)
{
	uint64_t limit = request->service->config.max_body_bytes;
	uint64_t total = request->timings.bytes_in += n;

	reaper_bytes(request->service->reaper, request->entry, total);
	if (total > limit) {
		/* Chunked: it could not be known before. A client that stops soon still gets the
		 * reply. */
		keep(request,
		     loss_fail(&request->found, LOSS_BODY_TOO_LARGE, NULL,
			       "the body is longer than the limit (max_body_bytes) of %llu "
			       "bytes",
			       (unsigned long long)limit));
		loss_arena_release_buffers(request->arena); /* the rest is thrown away */
		return total - limit <= limit;
	}
	if (atomic_load_explicit(&request->expired, memory_order_relaxed))
		loss_arena_release_buffers(request->arena);
	else if (request->evaluation)
		evaluation_feed(request->evaluation, bytes, n);
	return true;
}

static void decode_and_plan(struct request *request)
{
	struct evaluation *e = request->evaluation;
	/* What was not fed to its end has no syntax to be judged. */
	if (request->timings.bytes_in > request->service->config.max_body_bytes)
		return;
	if (atomic_load(&request->expired)) {
		keep(request,
		     loss_fail(&request->found, LOSS_DEADLINE_EXCEEDED, NULL,
			       "X-Request-Timeout-Ms (%s) passed before the body was complete",
			       request->head.timeout));
		return;
	}
	keep(request, evaluation_decode(e, &request->found));
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
	if (request->error.status == LOSS_OK && !atomic_load(&request->evaluation->cancel))
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
		request->stage = REQUEST_COMPUTE;
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
	if (!request->watched)
		watch(request, 0);
	scheduler_submit(request->service->scheduler, &request->job);
}

enum request_stage request_finish(struct request *request)
{
	unwatch(request);
	if (atomic_load(&request->gone))
		return REQUEST_COMPUTE;
	if (request->error.status == LOSS_OK && atomic_load(&request->expired))
		keep(request, loss_fail(&request->found, LOSS_DEADLINE_EXCEEDED, NULL,
					"X-Request-Timeout-Ms (%s) passed while the request %s",
					request->head.timeout,
					request->timings.threads == 0 ? "waited to be computed"
								      : "was being answered"));
	if (request->error.status == LOSS_OK)
		reply_evaluation(request);
	else
		reply_error(request);
	return request->stage;
}
