/* Other clients of a server, each a thread that asks for the same again and again. */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "upload.h"

#define MAX_CLIENTS 8

struct load {
	unsigned port;
	const char *path;
	const struct upload *upload;
	size_t clients;
	/* Its own: */
	pthread_t threads[MAX_CLIENTS];
	sem_t answered;               /* once for each client, after its first reply */
	atomic_bool over;             /* no further requests */
	atomic_bool failed;           /* a client had no reply, or another than 200 */
	_Atomic uint64_t reply_bytes; /* of the last reply */
};

/* Returns once each client has had a reply. */
void load_start(struct load *load);
/* Waits for the replies that are under way; false where a request failed. */
bool load_stop(struct load *load);

#endif
