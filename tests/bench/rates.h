/* Small requests as fast as they are answered, by wrk on 16 connections: the cases E1, E2 and E11.
 */
#ifndef BENCH_RATES_H
#define BENCH_RATES_H

#include "body.h"
#include "measure.h"

/* Against bare libmicrohttpd that replies as many bytes. */
void rates_measure_bare(struct bench *bench, const struct body *small, struct measured *measured);
/* Problems a second of bodies of lines, against one a request. */
void rates_measure_lines(struct bench *bench, const struct body *small, struct measured *measured);
/* Against FastAPI with PyTorch. */
void rates_measure_fastapi(struct bench *bench, const struct body *small,
			   struct measured *measured);

#endif
