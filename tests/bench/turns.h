/* Whole requests to lossd and to another server, in turn: the cases E3, E4, E6, E9, E12 and E14. */
#ifndef BENCH_TURNS_H
#define BENCH_TURNS_H

#include "body.h"
#include "measure.h"

/* The body up, a loss back; against bare libmicrohttpd, as are all that do not say. */
void turns_measure_upload(struct bench *bench, const struct body *body, struct measured *measured);
/* The same by TLS. */
void turns_measure_tls(struct bench *bench, const struct body *body, struct measured *measured);
/* The same, against FastAPI with PyTorch. */
void turns_measure_fastapi(struct bench *bench, const struct body *body, struct measured *measured);
/* Of a reply with the gradient, from its first to its last byte. */
void turns_measure_reply(struct bench *bench, const struct body *body, struct measured *measured);
/* The body up, and a reply with the gradient. */
void turns_measure_both(struct bench *bench, const struct body *body, struct measured *measured);

#endif
