/* Whole requests to lossd and to bare libmicrohttpd, in turn: the cases E3, E12 and E14. */
#ifndef BENCH_TURNS_H
#define BENCH_TURNS_H

#include "body.h"
#include "measure.h"

/* The body up, a loss back. */
void turns_measure_upload(struct bench *bench, const struct body *body, struct measured *measured);
/* Of a reply with the gradient, from its first to its last byte. */
void turns_measure_reply(struct bench *bench, const struct body *body, struct measured *measured);
/* The body up, and a reply with the gradient. */
void turns_measure_both(struct bench *bench, const struct body *body, struct measured *measured);

#endif
