#include "route.h"

#include <string.h>

#include "codec/json_out.h"
#include "metrics.h"
#include "pages.h"
#include "request.h"

/* ---------------------------------------------------------------- pages */

/* The appending functions' one failure. */
static loss_status written(bool ok, const struct loss_buffer *out, struct loss_error *err)
{
	return ok ? LOSS_OK : loss_arena_failure(out->arena, err);
}

static loss_status index_page(struct request *request, struct loss_buffer *out,
			      struct loss_error *err)
{
	(void)request;
	return written(pages_index(out), out, err);
}

static loss_status openapi_page(struct request *request, struct loss_buffer *out,
				struct loss_error *err)
{
	(void)out;
	(void)err;
	request->reply.body = pages_openapi(&request->reply.size);
	return LOSS_OK;
}

static loss_status metrics_page(struct request *request, struct loss_buffer *out,
				struct loss_error *err)
{
	const struct service *service = request->service;
	const struct metrics_now now = {
		.inflight_bytes = atomic_load_explicit(&service->budget.held, memory_order_relaxed),
		.queue_depth = scheduler_depth(service->scheduler),
	};
	return written(metrics_render(out, &now), out, err);
}

static loss_status problem_page(struct request *request, struct loss_buffer *out,
				struct loss_error *err)
{
	for (int status = LOSS_OK + 1; status < LOSS_N_STATUS; status++) {
		const char *code = loss_status_info((loss_status)status)->code;
		if (strlen(code) == request->n_argument &&
		    memcmp(code, request->argument, request->n_argument) == 0)
			return written(pages_problem(out, (loss_status)status), out, err);
	}
	return loss_fail(err, LOSS_UNKNOWN_PATH, NULL,
			 "there is no error code \"%.*s\"; GET /openapi.yaml lists them",
			 (int)(request->n_argument < 80 ? request->n_argument : 80),
			 request->argument);
}

static loss_status losses_page(struct request *request, struct loss_buffer *out,
			       struct loss_error *err)
{
	return written(pages_losses(out, &request->service->config), out, err);
}

static loss_status loss_page(struct request *request, struct loss_buffer *out,
			     struct loss_error *err)
{
	return written(pages_loss(out, request->loss, &request->service->config), out, err);
}

static loss_status v2_page(struct request *request, struct loss_buffer *out, struct loss_error *err)
{
	struct json_out json;
	(void)request;
	json_out_start(&json, out);
	json_out_open(&json, '{');
	json_out_string_member(&json, "name", "lossd");
	json_out_string_member(&json, "version", LOSS_VERSION);
	json_out_key(&json, "extensions");
	json_out_open(&json, '[');
	json_out_close(&json, ']');
	json_out_close(&json, '}');
	return written(!json.failed, out, err);
}

static loss_status write_flag(struct loss_buffer *out, const char *name, bool value,
			      struct loss_error *err)
{
	struct json_out json;
	json_out_start(&json, out);
	json_out_open(&json, '{');
	json_out_key(&json, name);
	json_out_boolean(&json, value);
	json_out_close(&json, '}');
	return written(!json.failed, out, err);
}

static loss_status live_page(struct request *request, struct loss_buffer *out,
			     struct loss_error *err)
{
	(void)request;
	return write_flag(out, "live", true, err);
}

static loss_status ready_page(struct request *request, struct loss_buffer *out,
			      struct loss_error *err)
{
	bool ready = service_stage(request->service) == SERVICE_RUNNING &&
		     scheduler_answers(request->service->scheduler, clock_ns());
	if (!ready)
		request->reply.status = 503;
	return write_flag(out, "ready", ready, err);
}

/* ---------------------------------------------------------------- the table */

#define JSON "application/json"
#define HTML "text/html; charset=utf-8"
#define TEXT "text/plain; version=0.0.4; charset=utf-8"

const struct route routes[] = {
	{"/", METHOD_GET, HTML, index_page, false, false},
	{"/openapi.yaml", METHOD_GET, "application/yaml", openapi_page, false, false},
	{"/metrics", METHOD_GET, TEXT, metrics_page, false, true},
	{"/problems/{code}", METHOD_GET, HTML, problem_page, false, false},
	{"/v1/losses", METHOD_GET, JSON, losses_page, false, false},
	{"/v1/losses/{loss}", METHOD_GET | METHOD_POST, JSON, loss_page, true, false},
	{"/v2", METHOD_GET, JSON, v2_page, false, false},
	{"/v2/", METHOD_GET, JSON, v2_page, false, false},
	{"/v2/health/live", METHOD_GET, JSON, live_page, false, true},
	{"/v2/health/ready", METHOD_GET, JSON, ready_page, false, true},
	{0},
};
_Static_assert(sizeof routes / sizeof routes[0] <= ROUTE_MAX, "raise ROUTE_MAX");

const struct route *route_find(const char *path, size_t n, const char **argument,
			       size_t *n_argument)
{
	*argument = NULL;
	*n_argument = 0;
	for (const struct route *route = routes; route->path; route++) {
		size_t fixed = strcspn(route->path, "{");
		if (route->path[fixed] == '\0') {
			if (n == fixed && memcmp(path, route->path, n) == 0)
				return route;
			continue;
		}
		if (n <= fixed || memcmp(path, route->path, fixed) != 0 ||
		    memchr(path + fixed, '/', n - fixed))
			continue;
		*argument = path + fixed;
		*n_argument = n - fixed;
		return route;
	}
	return NULL;
}

bool route_allows(const struct route *route, enum method method)
{
	if (method == METHOD_HEAD)
		method = METHOD_GET;
	return method == METHOD_OPTIONS || (route->methods & (unsigned)method) != 0;
}

const char *route_allow(const struct route *route)
{
	switch (route->methods) {
	case METHOD_GET | METHOD_POST:
		return "GET, HEAD, POST, OPTIONS";
	case METHOD_POST:
		return "POST, OPTIONS";
	default:
		return "GET, HEAD, OPTIONS";
	}
}

static const struct {
	const char *name;
	enum method method;
} methods[] = {
	{"GET", METHOD_GET},
	{"POST", METHOD_POST},
	{"HEAD", METHOD_HEAD},
	{"OPTIONS", METHOD_OPTIONS},
};
#define N_METHODS (sizeof methods / sizeof methods[0])

enum method route_method(const char *name)
{
	for (size_t i = 0; i < N_METHODS; i++)
		if (strcmp(methods[i].name, name) == 0)
			return methods[i].method;
	return METHOD_OTHER;
}

const char *route_method_name(enum method method)
{
	for (size_t i = 0; i < N_METHODS; i++)
		if (methods[i].method == method)
			return methods[i].name;
	return "other";
}

bool route_is_v2(const char *path, size_t n)
{
	return n >= 3 && memcmp(path, "/v2", 3) == 0 && (n == 3 || path[3] == '/');
}
