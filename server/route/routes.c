#include "routes.h"

#include <string.h>

#include "eval/protocols.h"
#include "eval/scheduler.h"
#include "evaluate.h"
#include "http/readiness.h"
#include "http/request.h"
#include "http/tls.h"
#include "lines.h"
#include "merge.h"
#include "metrics/metrics.h"
#include "pages.h"
#include "status/status.h"
#include "trace/tracer.h"
#include "v2/v2_memory.h"
#include "v2/v2_pages.h"

/* ---------------------------------------------------------------- pages */

/* The appending functions' one failure. */
static loss_status written(bool ok, const struct loss_buffer *out, struct loss_error *err)
{
	return ok ? LOSS_OK : loss_arena_failure(out->arena, err);
}

static loss_status index_page(struct request *request, struct reply *reply, struct loss_error *err)
{
	bool keys = request->server->keys != NULL;
	return written(pages_index(reply->text, keys), reply->text, err);
}

static loss_status yaml_page(struct request *request, struct reply *reply, struct loss_error *err)
{
	size_t size;
	const unsigned char *document = pages_openapi_yaml(&size);
	(void)request;
	(void)err;
	reply_set_body(reply, document, size);
	return LOSS_OK;
}

static loss_status json_page(struct request *request, struct reply *reply, struct loss_error *err)
{
	size_t size;
	const unsigned char *document = pages_openapi_json(&size);
	(void)request;
	(void)err;
	reply_set_body(reply, document, size);
	return LOSS_OK;
}

static loss_status metrics_page(struct request *request, struct reply *reply,
				struct loss_error *err)
{
	const struct server *server = request->server;
	const struct tracer_counts spans = tracer_counts(server->tracer);
	const struct scheduler_load load = scheduler_load(server->scheduler);
	const struct metrics_now now = {
		.inflight_bytes = loss_budget_held(server->budget),
		.budget_bytes = loss_budget_limit(server->budget),
		.queue_depth = load.jobs,
		.queue_cost_seconds = (double)load.cost_ns * 1e-9,
		.certificate_ends = server->tls ? tls_not_after(server->tls) : 0,
		.spans_exported = spans.exported,
		.spans_dropped = spans.dropped,
		.ready = readiness_look(request->server),
	};
	return written(metrics_render(reply->text, &now), reply->text, err);
}

static loss_status problem_page(struct request *request, struct reply *reply,
				struct loss_error *err)
{
	const struct route_argument *wanted = &request->arguments[0];
	for (size_t i = 1; i < STATUS_COUNT; i++) {
		const char *code = status_words(status_at(i))->code;
		if (strlen(code) == wanted->size && memcmp(code, wanted->text, wanted->size) == 0)
			return written(pages_problem(reply->text, status_at(i)), reply->text, err);
	}
	return loss_fail(err, STATUS_UNKNOWN_PATH, NULL,
			 "there is no error code \"%.*s\"; GET /openapi.yaml lists them",
			 (int)(wanted->size < 80 ? wanted->size : 80), wanted->text);
}

static loss_status losses_page(struct request *request, struct reply *reply, struct loss_error *err)
{
	return written(pages_losses(reply->text, &request->server->config), reply->text, err);
}

static loss_status loss_page(struct request *request, struct reply *reply, struct loss_error *err)
{
	return written(pages_loss(reply->text, request->loss, &request->server->config),
		       reply->text, err);
}

/* ---------------------------------------------------------------- the table */

#define JSON "application/json"
#define HTML "text/html; charset=utf-8"
#define TEXT "text/plain; version=0.0.4; charset=utf-8"

#define PAGE(type_, page_)                                                                         \
	{                                                                                          \
		.handler = &page_handler, .content_type = type_, .page = page_                     \
	}
/* What changes something, after a document that says what. */
#define DOCUMENT(page_)                                                                            \
	{                                                                                          \
		.handler = &document_handler, .content_type = JSON, .page = page_                  \
	}
/* The same, where it asks the system for something. */
#define BLOCKING_DOCUMENT(page_)                                                                   \
	{                                                                                          \
		.handler = &document_handler, .content_type = JSON, .page = page_, .blocks = true  \
	}
/* Of one problem, or of many, one a line. */
static const struct endpoint evaluation_of_lines = {
	.handler = &lines_handler,
	.content_type = "application/jsonl",
	.protocol = &protocol_lines,
};
#define EVALUATION(protocol_)                                                                      \
	{                                                                                          \
		.handler = &evaluate_handler, .content_type = JSON, .protocol = protocol_          \
	}
#define EVALUATIONS                                                                                \
	{                                                                                          \
		.handler = &evaluate_handler, .content_type = JSON, .protocol = &protocol_v1,      \
		.lines = &evaluation_of_lines                                                      \
	}
#define GET(path_, ...)                                                                            \
	{                                                                                          \
		.path = path_, .on = { [METHOD_GET] = PAGE(__VA_ARGS__) }                          \
	}
/* The same, without a key. */
#define OPEN(path_, ...)                                                                           \
	{                                                                                          \
		.path = path_, .scope = KEY_OPEN, .on = { [METHOD_GET] = PAGE(__VA_ARGS__) }       \
	}
#define POST(path_, scope_, endpoint_)                                                             \
	{                                                                                          \
		.path = path_, .scope = scope_, .on = { [METHOD_POST] = endpoint_ }                \
	}
/* Pages of a loss as a model, with and without its version; `more` is the rest of the row. */
#define MODEL(after, ...)                                                                          \
	{.path = "/v2/models/{loss}" after, .names_loss = true, __VA_ARGS__},                      \
	{                                                                                          \
		.path = "/v2/models/{loss}/versions/{version}" after, .names_loss = true,          \
		__VA_ARGS__                                                                        \
	}
#define MEMORY "/v2/systemsharedmemory"

/* clang-format off */
const struct route routes[] = {
	OPEN("/", HTML, index_page),
	OPEN("/openapi.yaml", "application/yaml", yaml_page),
	OPEN("/openapi.json", JSON, json_page),
	{.path = "/metrics", .always = true, .scope = KEY_METRICS,
	 .on = {[METHOD_GET] = PAGE(TEXT, metrics_page)}},
	OPEN("/problems/{code}", HTML, problem_page),
	GET("/v1/losses", JSON, losses_page),
	{.path = "/v1/losses/{loss}", .names_loss = true,
	 .on = {[METHOD_GET] = PAGE(JSON, loss_page), [METHOD_POST] = EVALUATIONS}},
	{.path = "/v1/totals/merge",
	 .on = {[METHOD_POST] = {&merge_handler, JSON, .page = merge_page, .blocks = true}}},

	GET("/v2", JSON, v2_server_page),
	GET("/v2/", JSON, v2_server_page),
	{.path = "/v2/health/live", .always = true, .scope = KEY_OPEN,
	 .on = {[METHOD_GET] = PAGE(JSON, v2_live_page)}},
	{.path = "/v2/health/ready", .always = true, .scope = KEY_OPEN,
	 .on = {[METHOD_GET] = PAGE(JSON, v2_ready_page)}},
	GET("/v2/models/stats", JSON, v2_all_stats_page), /* before a model of that name */
	MODEL("", .on = {[METHOD_GET] = PAGE(JSON, v2_model_page)}),
	MODEL("/ready", .always = true, .on = {[METHOD_GET] = PAGE(JSON, v2_model_ready_page)}),
	MODEL("/config", .on = {[METHOD_GET] = PAGE(JSON, v2_config_page)}),
	MODEL("/stats", .on = {[METHOD_GET] = PAGE(JSON, v2_stats_page)}),
	MODEL("/infer", .on = {[METHOD_POST] = EVALUATION(&protocol_v2)}),
	POST("/v2/repository/index", KEY_EVALUATE, DOCUMENT(v2_index_page)),
	{.path = "/v2/repository/models/{loss}/load", .names_loss = true, .scope = KEY_ADMIN,
	 .on = {[METHOD_POST] = DOCUMENT(v2_load_page)}},
	{.path = "/v2/repository/models/{loss}/unload", .names_loss = true, .scope = KEY_ADMIN,
	 .on = {[METHOD_POST] = DOCUMENT(v2_load_page)}},
	GET(MEMORY "/status", JSON, v2_memory_page),
	POST(MEMORY "/unregister", KEY_ADMIN, BLOCKING_DOCUMENT(v2_memory_unregister_all_page)),
	GET(MEMORY "/region/{name}/status", JSON, v2_memory_region_page),
	POST(MEMORY "/region/{name}/register", KEY_ADMIN,
	     BLOCKING_DOCUMENT(v2_memory_register_page)),
	POST(MEMORY "/region/{name}/unregister", KEY_ADMIN,
	     BLOCKING_DOCUMENT(v2_memory_unregister_page)),
	POST("/v2/cudasharedmemory/unregister", KEY_ADMIN, DOCUMENT(v2_cuda_unregister_all_page)),
	{0},
};
/* clang-format on */
_Static_assert(sizeof routes / sizeof routes[0] == ROUTES_N + 1, "raise ROUTES_N in routes.h");
