#include "http.h"

#include <stdio.h>
#include <string.h>

#include "acceptor.h"
#include "capacity.h"
#include "connection.h"
#include "eval/scheduler.h"
#include "metrics/metrics.h"
#include "os/clock.h"
#include "reaper.h"
#include "request_id.h"
#include "route/route.h"
#include "shm/shm.h"

struct http {
	struct service service;
	struct connections connections;
	struct admission *admission;
	struct acceptor *acceptor;
	uint64_t drain_ns; /* when the drain began */
};

/* Looks for memory, most of them a twentieth of a second apart, before idle connections go for it.
 */
#define PATIENCE 10

/* ---------------------------------------------------------------- the acceptor's calls */

static void on_accepted(void *context, int fd, const struct sockaddr *address, socklen_t size)
{
	struct http *http = (struct http *)context;
	connections_add(&http->connections, fd, address, size);
}

/* Idle connections make room for newcomers. Memory comes back by itself, or slow transfers make
 * room for it: idle connections go only where it does not. */
static void on_crowded(void *context, unsigned times)
{
	struct http *http = (struct http *)context;
	bool lacks_memory = admission_lacks_memory(http->admission);
	if (lacks_memory)
		reaper_press(http->service.reaper);
	if (!lacks_memory || times > PATIENCE)
		reaper_evict(http->service.reaper);
}

static void on_drained(void *context)
{
	struct http *http = (struct http *)context;
	reaper_drain(http->service.reaper, http->drain_ns);
	atomic_store(&http->service.stage, SERVICE_DRAINING);
}

static void on_room(void *context)
{
	struct http *http = (struct http *)context;
	acceptor_look_again(http->acceptor);
}

/* ---------------------------------------------------------------- start */

static bool start_metrics(struct loss_arena *arena, const char *isa)
{
	const char **labels = loss_arena_array(arena, const char *, ROUTE_MAX + 1);
	size_t n = 0;
	if (!labels)
		return false;
	for (const struct route *route = routes; route->path; route++)
		labels[n++] = route->path;
	labels[n++] = ROUTE_OTHER;
	return metrics_start(labels, n, isa ? isa : loss_isa());
}

/* False: it is switched on, and can not be had. */
static bool start_memory(struct service *service, struct loss_arena *arena)
{
	const struct config *config = &service->config;
	const struct shm_settings settings = {
		.key_prefix = config->shm_key_prefix,
		.owners = config->shm_owners,
		.max_regions = config->shm_max_regions,
		.max_bytes = config->shm_max_bytes,
	};
	if (!shm_is_on(config->shm_key_prefix))
		return true;
	service->shm = shm_create(&settings, arena);
	return service->shm != NULL;
}

static bool start_connections(struct http *http, struct loss_arena *arena,
			      const struct listeners *listeners)
{
	struct service *service = &http->service;
	const struct admission_limits limits = {
		.connections = (size_t)service->config.connections,
		.per_address = (size_t)service->config.connections_per_address,
		.listeners = listeners->n,
		.descriptors = capacity_descriptors(&service->config, listeners->n),
		.bytes = capacity_connection_bytes(&service->config),
		.budget = service->budget,
	};
	http->admission = admission_create(arena, &limits, on_room, http);
	http->connections = (struct connections){.service = service, .admission = http->admission};
	service->reaper =
		reaper_start(arena, &service->config, service->budget, admission_most(&limits));
	return http->admission && service->reaper && connections_start(&http->connections);
}

static bool start_accepting(struct http *http, struct loss_arena *arena,
			    const struct listeners *listeners)
{
	const struct acceptor_setup setup = {
		.listeners = listeners->fds,
		.n_listeners = listeners->n,
		.admission = http->admission,
		.context = http,
		.connected = on_accepted,
		.crowded = on_crowded,
		.drained = on_drained,
	};
	return acceptor_start(arena, &setup, &http->acceptor);
}

static bool prepare(struct http *http, const struct config *config)
{
	memset(http, 0, sizeof *http);
	http->service.config = *config;
	http->service.isa = config_isa(config);
	http->service.budget = loss_budget_create((size_t)config->memory_budget_bytes);
	http->service.reserve = loss_budget_create(SERVICE_RESERVE_BYTES);
	request_id_start();
	return http->service.budget && http->service.reserve;
}

struct http *http_start(struct loss_arena *arena, const struct config *config,
			struct listeners *listeners)
{
	struct http *http = loss_arena_array(arena, struct http, 1);
	const char *failed = NULL;
	if (!http || !prepare(http, config) || !start_metrics(arena, http->service.isa))
		failed = "memory";
	else if (!start_memory(&http->service, arena))
		failed = "shared memory";
	else if (!(http->service.scheduler = scheduler_start(arena, (int)config->threads)))
		failed = "the compute thread";
	else if (!start_connections(http, arena, listeners))
		failed = "the threads that serve connections";
	else if (!start_accepting(http, arena, listeners))
		failed = "the thread that accepts connections";
	if (!failed)
		return http;
	fprintf(stderr, "lossd: start: no %s\n", failed);
	http_stop(http);
	listeners_close(listeners);
	return NULL;
}

/* ---------------------------------------------------------------- stop */

void http_leave(struct http *http)
{
	atomic_store(&http->service.stage, SERVICE_LEAVING);
}

void http_drain(struct http *http)
{
	http->drain_ns = clock_ns();
	acceptor_drain(http->acceptor);
}

void http_cut(struct http *http)
{
	acceptor_stop(http->acceptor);
	reaper_cut_all(http->service.reaper);
}

size_t http_connections(struct http *http)
{
	return admission_count(http->admission);
}

bool http_is_drained(struct http *http)
{
	return acceptor_is_closed(http->acceptor) && http_connections(http) == 0;
}

void http_stop(struct http *http)
{
	if (!http)
		return;
	acceptor_stop(http->acceptor);
	connections_stop(&http->connections);
	acceptor_destroy(http->acceptor);
	scheduler_stop(http->service.scheduler);
	reaper_stop(http->service.reaper);
	admission_destroy(http->admission);
	shm_destroy(http->service.shm);
	loss_budget_destroy(http->service.reserve);
	loss_budget_destroy(http->service.budget);
}
