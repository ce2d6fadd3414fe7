/* Uploads to a server on this machine, over one connection that stays open. */
#ifndef BENCH_UPLOAD_H
#define BENCH_UPLOAD_H

#include <stddef.h>
#include <stdint.h>

/* A body: `head`, then `n_pieces` times the same piece of which the last may be cut short. */
struct upload {
	const char *type; /* its media type */
	const void *head;
	size_t head_bytes;
	const void *piece;
	size_t piece_bytes;
	uint64_t bytes; /* of head and all pieces */
};

/* A connected socket, or -1. */
int upload_connect(unsigned port);
/* Posts to the path and waits for the reply: the seconds that took, NaN where it was not 200. */
double upload_seconds(int socket, const char *path, const struct upload *upload);

#endif
