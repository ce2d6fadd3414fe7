/* lossd while many others are connected that ask for little: the cases of F6 and F7. */
#ifndef BENCH_CROWDED_H
#define BENCH_CROWDED_H

#include "body.h"
#include "measure.h"

/* What an idle connection holds of resident memory: when it is new, or has had one request. */
void crowded_measure_fresh(struct bench *bench, const struct body *small,
			   struct measured *measured);
void crowded_measure_used(struct bench *bench, const struct body *small, struct measured *measured);
/* The 99th percentile of small requests beside idle connections, or slow ones; without any. */
void crowded_measure_idle(struct bench *bench, const struct body *small, struct measured *measured);
void crowded_measure_slow(struct bench *bench, const struct body *small, struct measured *measured);
/* How long after its deadline the last of the slow ones is gone. */
void crowded_measure_late(struct bench *bench, const struct body *small, struct measured *measured);

#endif
