/*
 * What all requests of the process share. Made by http_start, read by every thread; `stage` and the
 * budget are atomic, the rest does not change while requests are served.
 */
#ifndef LOSSD_SERVICE_H
#define LOSSD_SERVICE_H

#include <stdatomic.h>

#include "loss.h"
#include "settings/config.h"

struct shm;

enum service_stage {
	SERVICE_RUNNING,
	SERVICE_LEAVING,  /* told to stop: not ready any more, but still serving whoever comes */
	SERVICE_DRAINING, /* new requests are refused, those begun are answered */
};

/* Enough for a reply to some hundred clients at once. */
#define SERVICE_RESERVE_BYTES ((size_t)8 << 20)

struct service {
	struct config config;
	const char *isa; /* that kernels are to use, or NULL for the best */
	struct loss_budget *budget;
	/* Beside it, for what must be said when it is used up: pages that are always answered, and
	 * the documents of errors. */
	struct loss_budget *reserve;
	struct reaper *reaper;
	struct scheduler *scheduler;
	struct shm *shm;  /* NULL: switched off */
	atomic_int stage; /* enum service_stage */
};

static inline enum service_stage service_stage(const struct service *service)
{
	return (enum service_stage)atomic_load_explicit(&service->stage, memory_order_relaxed);
}

/* More than half of it is used. */
static inline bool service_reserve_is_low(const struct service *service)
{
	return loss_budget_held(service->reserve) > loss_budget_limit(service->reserve) / 2;
}

#endif
