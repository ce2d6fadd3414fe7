/* The handler of evaluations: a body of some format becomes a reply of another. */
#ifndef LOSSD_EVALUATE_H
#define LOSSD_EVALUATE_H

#include "http/handler.h"

struct evaluation;

extern const struct handler evaluate_handler;

/* What a request of that handler evaluates; NULL: nothing, for it is wrong. */
const struct evaluation *evaluate_of(const struct request *request);

#endif
