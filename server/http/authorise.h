/* Whether a request has the key that its path needs: Authorization: Bearer KEY (RFC 6750). */
#ifndef LOSSD_AUTHORISE_H
#define LOSSD_AUTHORISE_H

#include "request.h"

/*
 * Once its head has been read, and how its body is framed. STATUS_UNAUTHORIZED without a key in
 * force, STATUS_FORBIDDEN where that has not the path's scope, STATUS_RATE_LIMITED where it is over
 * one of its rates, which a body counts for that the server `reads`. Nothing is looked at where
 * what takes precedence is wrong already, where no keys are asked for, or for OPTIONS, which
 * browsers ask without. Nothing that is said, here or to the log, has any of the header in it.
 */
loss_status authorise(struct request *request, bool reads, struct loss_error *err);
/* Some more of a body whose length the head did not tell. */
void authorise_bytes(struct request *request, size_t n);
/* The value of WWW-Authenticate with STATUS_UNAUTHORIZED. */
const char *authorise_challenge(const struct request *request);

#endif
