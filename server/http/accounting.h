/* What a request leaves behind: its counts in the metrics, its line in the log. */
#ifndef LOSSD_ACCOUNTING_H
#define LOSSD_ACCOUNTING_H

#include <sys/socket.h>

#include "request.h"

/* Before its client can know of the reply, and ask how often there was one. */
void accounting_inference(const struct request *request);

enum accounting_end {
	ACCOUNTING_COMPLETE, /* its reply has been sent */
	ACCOUNTING_CUT,      /* the connection ended before that */
	ACCOUNTING_REFUSED,  /* the library did not like the request, or could not go on */
};
/* The request has ended. peer: its client's address, or NULL. */
void accounting_request(const struct request *request, enum accounting_end end,
			const struct sockaddr *peer);

#endif
