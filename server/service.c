#include "service.h"

#include <stdio.h>
#include <unistd.h>

#include "eval/scheduler.h"
#include "http/acceptor.h"
#include "http/capacity.h"
#include "http/connection.h"
#include "http/readiness.h"
#include "http/reaper.h"
#include "http/request_id.h"
#include "http/tls.h"
#include "keys/keys.h"
#include "log/log.h"
#include "metrics/metrics.h"
#include "os/clock.h"
#include "os/pads.h"
#include "os/workers.h"
#include "route/routes.h"
#include "settings/address.h"
#include "shm/shm.h"
#include "trace/tracer.h"

struct service {
	struct server server;
	struct loss_arena *arena;
	struct listeners listeners;
	struct admission_limits limits;
	struct admission *admission;
	struct connections connections;
	struct acceptor *acceptor;
	bool told;                        /* why a part did not start has been said */
	uint64_t drain_ns;                /* when the drain began */
	const char *labels[ROUTES_N + 1]; /* of the metrics */
};

/* Looks for memory, most of them a twentieth of a second apart, before idle connections go for it.
 */
#define PATIENCE 10
#define NS_PER_SECOND UINT64_C(1000000000)
/* Threads for what takes its time: with one, a page that blocks would hold up all the others. */
#define MIN_WORKERS 2

/* ---------------------------------------------------------------- the acceptor's calls */

static void on_accepted(void *context, size_t listener, int fd, const struct sockaddr *address,
			socklen_t size)
{
	struct service *service = (struct service *)context;
	connections_add(&service->connections, service->listeners.tls[listener], fd, address, size);
}

/* Idle connections make room for newcomers. Memory comes back by itself, or slow transfers make
 * room for it: idle connections go only where it does not. */
static void on_crowded(void *context, size_t listener, unsigned times)
{
	struct service *service = (struct service *)context;
	/* The last one that went may have gone since there was no room: another one is not to. */
	if (!reaper_is_evicting(service->server.reaper) &&
	    admission_has_room(service->admission, listener))
		return;
	bool lacks_memory = admission_lacks_memory(service->admission);
	if (lacks_memory)
		reaper_press(service->server.reaper);
	if (!lacks_memory || times > PATIENCE)
		reaper_evict(service->server.reaper);
}

static void on_drained(void *context)
{
	struct service *service = (struct service *)context;
	reaper_drain(service->server.reaper, service->drain_ns);
	atomic_store(&service->server.stage, SERVER_DRAINING);
}

static void on_room(void *context)
{
	struct service *service = (struct service *)context;
	acceptor_look_again(service->acceptor);
}

/* ---------------------------------------------------------------- the parts */

enum reload { RELOAD_NOTHING, RELOAD_DONE, RELOAD_FAILED };

static bool start_memory(struct service *service)
{
	struct server *server = &service->server;
	server->budget = loss_budget_create((size_t)server->config.memory_budget_bytes);
	server->reserve = loss_budget_create(SERVER_RESERVE_BYTES);
	server->pads = pads_create(service->arena, capacity_threads(&server->config));
	return server->budget && server->reserve && server->pads;
}

static void stop_memory(struct service *service)
{
	loss_budget_destroy(service->server.reserve);
	loss_budget_destroy(service->server.budget);
}

static const char *isa_of(const struct server *server)
{
	return server->isa ? server->isa : loss_isa();
}

static bool start_metrics(struct service *service)
{
	size_t n = 0;
	for (const struct route *route = routes; route->path; route++)
		service->labels[n++] = route->path;
	service->labels[n++] = ROUTE_OTHER;
	return metrics_start(service->labels, n, isa_of(&service->server));
}

static bool start_shm(struct service *service)
{
	struct server *server = &service->server;
	const struct config *config = &server->config;
	const struct shm_settings settings = {
		.key_prefix = config->shm_key_prefix,
		.owners = config->shm_owners,
		.max_regions = config->shm_max_regions,
		.max_bytes = config->shm_max_bytes,
	};
	if (!shm_is_on(config->shm_key_prefix))
		return true;
	server->shm = shm_create(&settings, service->arena);
	return server->shm != NULL;
}

static void stop_shm(struct service *service)
{
	shm_destroy(service->server.shm);
}

static bool start_tracer(struct service *service)
{
	struct server *server = &service->server;
	const char *endpoint = server->config.otlp_endpoint;
	if (!config_is_set(endpoint))
		return true;
	server->tracer = tracer_start(service->arena, endpoint);
	return server->tracer != NULL;
}

static void stop_tracer(struct service *service)
{
	tracer_stop(service->server.tracer);
}

static bool start_keys(struct service *service)
{
	struct server *server = &service->server;
	struct loss_error why;
	if (!config_is_set(server->config.keys_file))
		return true;
	server->keys = keys_create(service->arena);
	if (!server->keys || keys_load(server->keys, server->config.keys_file, &why))
		return server->keys != NULL;
	config_complain("keys_file %s: %s", server->config.keys_file, why.detail);
	service->told = true;
	return false;
}

static void stop_keys(struct service *service)
{
	keys_destroy(service->server.keys);
}

static enum reload reload_keys(struct service *service)
{
	const struct server *server = &service->server;
	struct loss_error why;
	if (!server->keys)
		return RELOAD_NOTHING;
	if (keys_load(server->keys, server->config.keys_file, &why))
		return RELOAD_DONE;
	const struct log_field fields[] = {{"file", server->config.keys_file, 0},
					   {"why", why.detail, 0}};
	log_event(LOG_ERROR, "the file of keys is wrong", fields, 2);
	return RELOAD_FAILED;
}

static bool start_scheduler(struct service *service)
{
	struct server *server = &service->server;
	const struct config *config = &server->config;
	const struct scheduler_setup setup = {
		.threads = (int)config->threads,
		.limits = {(size_t)config->queue_length, config->queue_cost * NS_PER_SECOND},
	};
	server->scheduler = scheduler_start(service->arena, &setup);
	return server->scheduler != NULL;
}

static void stop_scheduler(struct service *service)
{
	scheduler_stop(service->server.scheduler);
}

static bool start_workers(struct service *service)
{
	struct server *server = &service->server;
	size_t n = (size_t)server->config.io_threads;
	server->workers = workers_start(service->arena, n < MIN_WORKERS ? MIN_WORKERS : n);
	return server->workers != NULL;
}

static void stop_workers(struct service *service)
{
	workers_stop(service->server.workers);
}

static bool start_admission(struct service *service)
{
	const struct config *config = &service->server.config;
	size_t listeners = service->listeners.n;
	service->limits = (struct admission_limits){
		.connections = (size_t)config->connections,
		.per_address = (size_t)config->connections_per_address,
		.listeners = listeners,
		.descriptors = capacity_descriptors(config, listeners),
		.bytes = capacity_connection_bytes(config),
		.budget = service->server.budget,
	};
	service->admission = admission_create(service->arena, &service->limits, on_room, service);
	return service->admission != NULL;
}

static void stop_admission(struct service *service)
{
	admission_destroy(service->admission);
}

static bool start_reaper(struct service *service)
{
	struct server *server = &service->server;
	server->reaper = reaper_start(service->arena, &server->config, server->budget,
				      admission_most(&service->limits));
	return server->reaper != NULL;
}

static void stop_reaper(struct service *service)
{
	reaper_stop(service->server.reaper);
}

static bool start_tls(struct service *service)
{
	struct server *server = &service->server;
	int n;
	if (!addresses_find(server->config.listen, true, &n))
		return true;
	server->tls = tls_start(service->arena, &server->config, service->limits.descriptors);
	service->told = !server->tls;
	return server->tls != NULL;
}

static void stop_tls(struct service *service)
{
	tls_stop(service->server.tls);
}

static enum reload reload_tls(struct service *service)
{
	struct tls *tls = service->server.tls;
	return !tls ? RELOAD_NOTHING : tls_reload(tls) ? RELOAD_DONE : RELOAD_FAILED;
}

static bool start_connections(struct service *service)
{
	service->connections = (struct connections){
		.server = &service->server,
		.admission = service->admission,
	};
	return connections_start(&service->connections);
}

/* A connection's end makes room, of which the acceptor is told: it is there until then. */
static void stop_connections(struct service *service)
{
	connections_stop(&service->connections);
	acceptor_destroy(service->acceptor);
}

static bool start_acceptor(struct service *service)
{
	const struct acceptor_setup setup = {
		.listeners = &service->listeners,
		.admission = service->admission,
		.context = service,
		.connected = on_accepted,
		.crowded = on_crowded,
		.drained = on_drained,
	};
	return acceptor_start(service->arena, &setup, &service->acceptor);
}

static void stop_acceptor(struct service *service)
{
	acceptor_stop(service->acceptor);
}

/* Started in this order, stopped in reverse; stopping a part that did not start is fine. */
static const struct part {
	const char *name; /* what there is none of, where it does not start; reloads are told by it
			   */
	bool (*start)(struct service *service);
	void (*stop)(struct service *service); /* NULL: nothing is to be done */
	/* Reads its files again, if it has any. Where they are wrong it has logged that, and keeps
	 * what it had. NULL: it never has. */
	enum reload (*reload)(struct service *service);
} parts[] = {
	{"memory", start_memory, stop_memory, NULL},
	{"room for the metrics", start_metrics, NULL, NULL},
	{"shared memory", start_shm, stop_shm, NULL},
	{"keys", start_keys, stop_keys, reload_keys},
	{"thread that sends traces", start_tracer, stop_tracer, NULL},
	{"compute thread", start_scheduler, stop_scheduler, NULL},
	{"workers", start_workers, stop_workers, NULL},
	{"memory to admit connections", start_admission, stop_admission, NULL},
	{"timer thread", start_reaper, stop_reaper, NULL},
	{"certificates", start_tls, stop_tls, reload_tls},
	{"threads that serve connections", start_connections, stop_connections, NULL},
	{"thread that accepts connections", start_acceptor, stop_acceptor, NULL},
};
#define N_PARTS (sizeof parts / sizeof parts[0])

static void stop_parts(struct service *service, size_t n)
{
	while (n-- > 0)
		if (parts[n].stop)
			parts[n].stop(service);
}

struct service *service_start(struct loss_arena *arena, const struct config *config,
			      struct listeners *listeners)
{
	struct service *service = loss_arena_array(arena, struct service, 1);
	size_t n = 0;
	request_id_start();
	if (service) {
		*service = (struct service){.arena = arena, .listeners = *listeners};
		service->server.config = *config;
		service->server.isa = config_isa(config);
		service->server.routes = routes;
		while (n < N_PARTS && parts[n].start(service))
			n++;
		if (n == N_PARTS)
			return service;
		stop_parts(service, n + 1);
	}
	if (!service || !service->told)
		fprintf(stderr, "lossd: start: no %s\n", parts[n].name);
	listeners_close(listeners);
	return NULL;
}

bool service_check(struct loss_arena *arena, const struct config *config)
{
	struct service service = {.arena = arena, .server.config = *config};
	bool good = true;
	for (size_t i = 0; i < N_PARTS; i++) {
		if (!parts[i].reload)
			continue;
		good &= parts[i].start(&service);
		parts[i].stop(&service);
	}
	return good;
}

void service_reload(struct service *service)
{
	for (size_t i = 0; i < N_PARTS; i++) {
		enum reload end = parts[i].reload ? parts[i].reload(service) : RELOAD_NOTHING;
		if (end != RELOAD_NOTHING)
			service_log_reload(parts[i].name, end == RELOAD_DONE);
	}
}

void service_log_reload(const char *what, bool done)
{
	const struct log_field field = {"what", what, 0};
	if (done)
		log_notice("reloaded", &field, 1);
	else
		log_event(LOG_WARNING, "kept as it was", &field, 1);
}

void service_log_ready(struct service *service)
{
	const struct server *server = &service->server;
	const struct config *config = &server->config;
	char listeners[CONFIG_MAX_LISTENERS * LISTENER_URL_SIZE];
	size_t n = 0;
	for (size_t i = 0; i < service->listeners.n; i++)
		n += (size_t)snprintf(listeners + n, sizeof listeners - n, "%s%s", i > 0 ? "," : "",
				      service->listeners.urls[i]);
	const struct log_field fields[] = {
		{"version", LOSS_VERSION, 0},
		{"isa", isa_of(server), 0},
		{"threads", NULL, (double)config->threads},
		{"io_threads", NULL, (double)config->io_threads},
		{"memory_budget_bytes", NULL, (double)config->memory_budget_bytes},
		{"listeners", listeners, 0},
		{"pid", NULL, (double)getpid()},
	};
	log_notice("ready", fields, sizeof fields / sizeof fields[0]);
}

bool service_look(struct service *service)
{
	return readiness_look(&service->server);
}

bool service_answers(struct service *service)
{
	return scheduler_answers(service->server.scheduler, clock_ns());
}

/* ---------------------------------------------------------------- stop */

void service_leave(struct service *service)
{
	atomic_store(&service->server.stage, SERVER_LEAVING);
	readiness_look(&service->server);
}

void service_drain(struct service *service)
{
	service->drain_ns = clock_ns();
	acceptor_drain(service->acceptor);
}

void service_cut(struct service *service)
{
	acceptor_stop(service->acceptor);
	reaper_cut_all(service->server.reaper);
}

size_t service_connections(struct service *service)
{
	return admission_count(service->admission);
}

bool service_is_drained(struct service *service)
{
	return acceptor_is_closed(service->acceptor) && service_connections(service) == 0;
}

void service_stop(struct service *service)
{
	stop_parts(service, N_PARTS);
}
