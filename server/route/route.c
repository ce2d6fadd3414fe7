#include "route.h"

#include <string.h>

#include "codec/encoder.h"
#include "codec/status.h"
#include "http/request.h"
#include "metrics/metrics.h"
#include "pages.h"
#include "v2/v2_memory.h"
#include "v2/v2_pages.h"

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
		.inflight_bytes = loss_budget_held(service->budget),
		.queue_depth = scheduler_depth(service->scheduler),
	};
	return written(metrics_render(out, &now), out, err);
}

static loss_status problem_page(struct request *request, struct loss_buffer *out,
				struct loss_error *err)
{
	const struct route_argument *wanted = &request->arguments[0];
	for (size_t i = 1; i < STATUS_COUNT; i++) {
		const char *code = status_words(status_at(i))->code;
		if (strlen(code) == wanted->size && memcmp(code, wanted->text, wanted->size) == 0)
			return written(pages_problem(out, status_at(i)), out, err);
	}
	return loss_fail(err, STATUS_UNKNOWN_PATH, NULL,
			 "there is no error code \"%.*s\"; GET /openapi.yaml lists them",
			 (int)(wanted->size < 80 ? wanted->size : 80), wanted->text);
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

/* ---------------------------------------------------------------- the table */

#define JSON "application/json"
#define HTML "text/html; charset=utf-8"
#define TEXT "text/plain; version=0.0.4; charset=utf-8"

/* A loss as a model, with and without its version; `more` is the rest of the row. */
#define MODEL(after, ...)                                                                          \
	{.path = "/v2/models/{loss}" after,                                                        \
	 .names_loss = true,                                                                       \
	 .content_type = JSON,                                                                     \
	 __VA_ARGS__},                                                                             \
	{                                                                                          \
		.path = "/v2/models/{loss}/versions/{version}" after, .names_loss = true,          \
		.content_type = JSON, __VA_ARGS__                                                  \
	}
#define GET(path_, type_, page_)                                                                   \
	{                                                                                          \
		.path = path_, .methods = METHOD_GET, .content_type = type_, .page = page_         \
	}
#define POST(path_, page_)                                                                         \
	{                                                                                          \
		.path = path_, .methods = METHOD_POST, .content_type = JSON, .page = page_         \
	}
#define ALWAYS(path_, type_, page_)                                                                \
	{                                                                                          \
		.path = path_, .methods = METHOD_GET, .content_type = type_, .page = page_,        \
		.always = true                                                                     \
	}
#define MEMORY "/v2/systemsharedmemory"

/* clang-format off */
const struct route routes[] = {
	GET("/", HTML, index_page),
	GET("/openapi.yaml", "application/yaml", openapi_page),
	ALWAYS("/metrics", TEXT, metrics_page),
	GET("/problems/{code}", HTML, problem_page),
	GET("/v1/losses", JSON, losses_page),
	{.path = "/v1/losses/{loss}", .methods = METHOD_GET | METHOD_POST, .content_type = JSON,
	 .page = loss_page, .names_loss = true, .protocol = &protocol_v1},

	GET("/v2", JSON, v2_server_page),
	GET("/v2/", JSON, v2_server_page),
	ALWAYS("/v2/health/live", JSON, v2_live_page),
	ALWAYS("/v2/health/ready", JSON, v2_ready_page),
	GET("/v2/models/stats", JSON, v2_all_stats_page), /* before a model of that name */
	MODEL("", .methods = METHOD_GET, .page = v2_model_page),
	MODEL("/ready", .methods = METHOD_GET, .page = v2_model_ready_page, .always = true),
	MODEL("/config", .methods = METHOD_GET, .page = v2_config_page),
	MODEL("/stats", .methods = METHOD_GET, .page = v2_stats_page),
	MODEL("/infer", .methods = METHOD_POST, .protocol = &protocol_v2),
	POST("/v2/repository/index", v2_index_page),
	{.path = "/v2/repository/models/{loss}/load", .methods = METHOD_POST, .content_type = JSON,
	 .page = v2_load_page, .names_loss = true},
	{.path = "/v2/repository/models/{loss}/unload", .methods = METHOD_POST, .content_type = JSON,
	 .page = v2_load_page, .names_loss = true},
	GET(MEMORY "/status", JSON, v2_memory_page),
	POST(MEMORY "/unregister", v2_memory_unregister_all_page),
	GET(MEMORY "/region/{name}/status", JSON, v2_memory_region_page),
	POST(MEMORY "/region/{name}/register", v2_memory_register_page),
	POST(MEMORY "/region/{name}/unregister", v2_memory_unregister_page),
	POST("/v2/cudasharedmemory/unregister", v2_cuda_unregister_all_page),
	{0},
};
/* clang-format on */
_Static_assert(sizeof routes / sizeof routes[0] <= ROUTE_MAX, "raise ROUTE_MAX");

/* ---------------------------------------------------------------- matching */

/* A {name} stands for one segment that is not empty, everything else for itself. */
static bool match(const char *template, const char *path, size_t n,
		  struct route_argument *arguments)
{
	const char *limit = path + n;
	while (*template != '\0') {
		if (*template != '{') {
			if (path == limit || *path++ != *template ++)
				return false;
			continue;
		}
		const char *slash = memchr(path, '/', (size_t)(limit - path));
		const char *end = slash ? slash : limit;
		if (end == path)
			return false;
		*arguments++ = (struct route_argument){path, (size_t)(end - path)};
		path = end;
		template += strcspn(template, "}") + 1;
	}
	return path == limit;
}

const struct route *route_find(const char *path, size_t n,
			       struct route_argument arguments[ROUTE_MAX_ARGUMENTS])
{
	for (const struct route *route = routes; route->path; route++) {
		memset(arguments, 0, ROUTE_MAX_ARGUMENTS * sizeof *arguments);
		if (match(route->path, path, n, arguments))
			return route;
	}
	memset(arguments, 0, ROUTE_MAX_ARGUMENTS * sizeof *arguments);
	return NULL;
}

bool route_reads_document(const struct route *route)
{
	return (route->methods & METHOD_POST) != 0 && !route->protocol;
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
