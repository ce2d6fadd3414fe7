/* A request while other clients keep the server busy: the cases of F15, and E8. */
#ifndef BENCH_BESIDE_H
#define BENCH_BESIDE_H

#include "body.h"
#include "measure.h"

/* The body up and its gradient back, beside others, against the same while there are none. */
void beside_measure_gradient(struct bench *bench, const struct body *body,
			     struct measured *measured);
/* The 95th percentile of small requests, against bare libmicrohttpd beside the same. */
void beside_measure_p95(struct bench *bench, const struct body *body, struct measured *measured);
/* Their 99th, against the same without others. */
void beside_measure_p99(struct bench *bench, const struct body *body, struct measured *measured);
/* From the end of the body to that of the reply where the work takes longer than the deadline, of
 * a second; the slowest of all rounds. */
void beside_measure_deadline(struct bench *bench, const struct body *body,
			     struct measured *measured);

#endif
