/* The end of a request: what every reply carries, and the replies that say what is wrong. Each
 * completes request->reply, whatever happens on the way; the stage is REQUEST_REPLY then. */
#ifndef LOSSD_ANSWER_H
#define LOSSD_ANSWER_H

#include "request.h"

/* Status, content type, body and what is particular to it are set. */
void answer_complete(struct request *request);
void answer_options(struct request *request);
void answer_error(struct request *request); /* request->fault.error */
/* Gives back the memory of what has been received: nobody needs it any more. */
void answer_drop(struct request *request);

#endif
