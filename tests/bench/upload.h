/* Requests to a server on this machine, over connections that stay open. */
#ifndef BENCH_UPLOAD_H
#define BENCH_UPLOAD_H

#include "channel.h"

#include <stdint.h>

/* A body: `head`, then times the same piece of which the last may be cut short. */
struct upload {
	const char *type;   /* its media type */
	const char *fields; /* further lines of the request's head, each with its end; NULL: none */
	const void *head;
	size_t head_bytes;
	const void *piece;
	size_t piece_bytes;
	uint64_t bytes; /* of head and all pieces */
};

/* What came of a request; seconds are counted from its start. */
struct exchange {
	int status;
	uint64_t bytes;     /* of the reply's body, as they were sent */
	double sent;        /* the last byte of the request is on its way, */
	double first, last; /* the reply's first and last byte are here */
};

/* Posts to the path and reads the whole reply, of whatever status; false where none came. */
bool upload_exchange(struct channel *channel, const char *path, const struct upload *upload,
		     struct exchange *exchange);
/* From the first byte of the request to the last of the reply; NaN where that was not 200. */
double upload_seconds(struct channel *channel, const char *path, const struct upload *upload);

#endif
