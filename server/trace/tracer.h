/*
 * Sends spans to a collector, from a thread of its own. Who ends a request waits for nobody: spans
 * for which there is no room are dropped, and so are those that the collector does not take;
 * both are counted. They go in documents of up to 512 requests, each second or sooner.
 */
#ifndef LOSSD_TRACER_H
#define LOSSD_TRACER_H

#include "loss.h"
#include "span.h"

struct tracer;

/* In the arena; NULL when there is no memory or no thread. The endpoint is the setting's. */
struct tracer *tracer_start(struct loss_arena *arena, const char *endpoint);
/* Any thread. */
void tracer_put(struct tracer *tracer, const struct span *span);

struct tracer_counts {
	uint64_t exported, dropped; /* spans, those of phases too */
};
/* Since the start. Any thread; NULL is fine: none. */
struct tracer_counts tracer_counts(struct tracer *tracer);

/* What waits is sent, as far as that takes no more than a second, and the collector has not asked
 * to be left alone. No span comes any more. NULL is fine. */
void tracer_stop(struct tracer *tracer);

#endif
