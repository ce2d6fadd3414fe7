/* The handler of evaluations: a body of some format becomes a reply of another. */
#ifndef LOSSD_EVALUATE_H
#define LOSSD_EVALUATE_H

#include "http/handler.h"

struct evaluation;
struct evaluation_kind;

extern const struct handler evaluate_handler;

/* What a request's head says of its evaluations, as its endpoint's protocol has it; what is wrong
 * in that is noted. The loss is known. */
void evaluate_kind(struct request *request, struct evaluation_kind *kind);

/* What a request of that handler evaluates; NULL: nothing, for it is wrong. */
const struct evaluation *evaluate_of(const struct request *request);

#endif
