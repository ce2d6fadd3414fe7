#include "capacity.h"

#include <sys/resource.h>

#include "admission.h"
#include "log/log.h"
#include "settings/address.h"
#include "shm/shm_rules.h"
#include "tls.h"

/* Descriptors that are no connections: standard streams, pipes, files that are read; and for each
 * I/O thread three of its own, one of a connection that is being closed, two of a page that looks
 * at the process. */
#define OWN_DESCRIPTORS 24
#define DESCRIPTORS_PER_THREAD 6
/* Descriptors that this process was started with may lie among the connections'. */
#define INHERITED_DESCRIPTORS 4096

#define PAGE ((size_t)4096)
/* Of libmicrohttpd's connection, its pool's header and its address; of our entries. */
#define BESIDE_POOL_BYTES ((size_t)2048)
/* Connections may hold this part of the memory budget: the rest is for what they ask. */
#define SHARE_OF_BUDGET 2

size_t capacity_threads(const struct config *config)
{
	int n;
	bool both = addresses_find(config->listen, false, &n) &&
		    addresses_find(config->listen, true, &n);
	return (size_t)config->io_threads * (both ? 2 : 1);
}

size_t capacity_connection_bytes(const struct config *config)
{
	size_t pool = (size_t)config->connection_memory_bytes;
	int n;
	/* A place may be taken by either. */
	size_t tls = addresses_find(config->listen, true, &n) ? TLS_CONNECTION_BYTES : 0;
	return (pool + PAGE - 1) / PAGE * PAGE + BESIDE_POOL_BYTES + tls;
}

static uint64_t own_descriptors(const struct config *config, size_t listeners)
{
	uint64_t own =
		OWN_DESCRIPTORS + DESCRIPTORS_PER_THREAD * capacity_threads(config) + listeners;
	return own + (shm_is_on(config->shm_key_prefix) ? config->shm_max_regions : 0);
}

size_t capacity_descriptors(const struct config *config, size_t listeners)
{
	const struct admission_limits limits = {.connections = config->connections,
						.listeners = listeners,
						.bytes = capacity_connection_bytes(config)};
	return admission_most(&limits) + (size_t)own_descriptors(config, listeners) +
	       INHERITED_DESCRIPTORS;
}

/* `level` is that of a line about a few less. */
static void lower(struct config *config, uint64_t fit, enum log_level level, const char *why)
{
	if (fit >= config->connections)
		return;
	const struct log_field fields[] = {
		{"connections", NULL, (double)fit},
		{"asked_for", NULL, (double)config->connections},
	};
	log_event(fit < config->connections / 2 ? LOG_WARNING : level, why, fields, 2);
	config->connections = fit;
}

/* The soft limit is often 1,024. Out of descriptors connections would be accepted late. */
static void fit_descriptors(struct config *config, size_t listeners)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0 && getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	uint64_t own = own_descriptors(config, listeners) + ADMISSION_OWN_PLACES * (listeners - 1);
	if (limit.rlim_cur == RLIM_INFINITY)
		return;
	/* A few less than the default, as it often comes out, is nothing to bother anybody with. */
	lower(config, limit.rlim_cur > own ? limit.rlim_cur - own : 1, LOG_DEBUG,
	      "the limit of open files (ulimit -n) allows fewer connections");
}

static void fit_budget(struct config *config)
{
	uint64_t fit =
		config->memory_budget_bytes / SHARE_OF_BUDGET / capacity_connection_bytes(config);
	lower(config, fit > 0 ? fit : 1, LOG_INFO,
	      "the memory budget (memory_budget_bytes) carries fewer connections");
}

void capacity_fit(struct config *config, size_t listeners)
{
	fit_descriptors(config, listeners);
	fit_budget(config);
}
