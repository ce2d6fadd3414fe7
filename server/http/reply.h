/* The replies to a request: what its route's page writes, its evaluation's result, or its error. */
#ifndef LOSSD_REPLY_H
#define LOSSD_REPLY_H

#include "request.h"

/* Writes what was evaluated as the reply's body, or notes in request->error why not. It takes long
 * where there is much to write, so the compute thread does it where it has computed;
 * reply_evaluation then adds the rest. */
void reply_encode(struct request *request);

/* Each fills request->reply completely, whatever happens on the way. */
void reply_page(struct request *request); /* GET, HEAD, OPTIONS, and POST that evaluates nothing */
void reply_evaluation(struct request *request);
void reply_error(struct request *request); /* request->error */

/* Stands in every reply: bytes of the caller's choice are not to be taken for a page or a script.
 */
#define REPLY_NO_SNIFFING "X-Content-Type-Options"
#define REPLY_NO_SNIFFING_VALUE "nosniff"

/* The documents for where there is no memory to write one, static: of too_much_memory_in_flight,
 * where it is the budget that is used up, or of out_of_memory; as /v2 has errors, or as /v1. */
const char *reply_no_memory(bool v2, bool budget, size_t *size);
/* The Content-Type of errors. */
const char *reply_error_type(bool v2);

#endif
