/* The end of a request: what every reply carries, and the replies that say what is wrong. */
#ifndef LOSSD_ANSWER_H
#define LOSSD_ANSWER_H

#include "request.h"

/* Status, content type, body and what is particular to it are set: adds the rest. The stage is
 * REQUEST_REPLY then. */
void answer_complete(struct request *request);
/* Fills what is particular to the reply of OPTIONS. */
void answer_options(struct request *request);
/* The whole reply of request->fault.error, whatever happens on the way; likewise complete. */
void answer_error(struct request *request);
/* Gives back the memory of what has been received: nobody needs it any more. */
void answer_drop(struct request *request);

#endif
