/*
 * The caller's own deadline for a request, which a header or the body may set: the earlier one
 * counts. The reaper watches it, and whether the client is still there.
 */
#ifndef LOSSD_DEADLINE_H
#define LOSSD_DEADLINE_H

#include "request.h"

/* Sets a deadline, so long after the request's beginning (0: none), unless there is an earlier one.
 * The format and its arguments name who asks for it, for messages. */
__attribute__((format(printf, 3, 4))) void deadline_set(struct request *request, uint64_t ns,
							const char *format, ...);
/* True when there is one and it has passed. */
bool deadline_passed(const struct request *request);
/* Fills err: it passed `when`. */
loss_status deadline_fail(const struct request *request, const char *when, struct loss_error *err);

/* From here on the deadline stops the evaluation, and so does a client that leaves. Again after a
 * new one has been set. */
void deadline_watch(struct request *request);
void deadline_unwatch(struct request *request);

#endif
