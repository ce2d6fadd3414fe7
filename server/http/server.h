/*
 * What all requests of the process share. Made by service_start, read by every thread; `stage` and
 * the budget are atomic, the rest does not change while requests are served.
 */
#ifndef LOSSD_SERVER_H
#define LOSSD_SERVER_H

#include <stdatomic.h>

#include "loss.h"
#include "settings/config.h"

struct keys;
struct pads;
struct route;
struct shm;
struct tls;
struct tracer;
struct workers;

enum server_stage {
	SERVER_RUNNING,
	SERVER_LEAVING,  /* told to stop: not ready any more, but still serving whoever comes */
	SERVER_DRAINING, /* new requests are refused, those begun are answered */
};

/* Enough for a reply to some hundred clients at once. */
#define SERVER_RESERVE_BYTES ((size_t)8 << 20)

struct server {
	struct config config;
	const char *isa; /* that kernels are to use, or NULL for the best */
	struct loss_budget *budget;
	/* Beside it, for what must be said when it is used up: pages that are always answered, and
	 * the documents of errors. Too little for what it keeps warm to be given back. */
	struct loss_budget *reserve;
	struct pads *pads; /* of the threads that serve connections; NULL: none */
	struct reaper *reaper;
	struct scheduler *scheduler;
	struct workers *workers;
	const struct route *routes; /* ends with a NULL path */
	struct keys *keys;          /* that clients need; NULL: whoever comes is served */
	struct shm *shm;            /* NULL: switched off */
	struct tls *tls;            /* NULL: no listener speaks it */
	struct tracer *tracer;      /* NULL: nobody wants traces */
	atomic_int stage;           /* enum server_stage */
	atomic_bool unready;        /* at the last look: readiness.h */
};

static inline enum server_stage server_stage(const struct server *server)
{
	return (enum server_stage)atomic_load_explicit(&server->stage, memory_order_relaxed);
}

/* More than half of it is used. */
static inline bool server_reserve_is_low(const struct server *server)
{
	return loss_budget_held(server->reserve) > loss_budget_limit(server->reserve) / 2;
}

#endif
