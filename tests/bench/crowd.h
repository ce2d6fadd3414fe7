/*
 * Many connections at once that ask for little or nothing: of one thread, which does for each now
 * and then what its kind says, and sees when the server closes it.
 */
#ifndef BENCH_CROWD_H
#define BENCH_CROWD_H

#include <pthread.h>
#include <stdatomic.h>

#include "channel.h"

struct crowd_kind {
	const char *opening; /* what is sent at once */
	char trickle;        /* sent once a second; 0: a byte is read instead */
	enum channel_kind channel;
};

struct member {
	const struct crowd_kind *kind;
	struct channel channel;
	double opened; /* at now_seconds() its opening was sent, and */
	double gone;   /* it was closed; infinite: it was not */
};

struct crowd {
	struct member *members; /* of the caller: as many as will be opened */
	size_t n;
	/* Its own: */
	pthread_t thread;
	int epoll;
	atomic_bool over;
	_Atomic size_t left; /* members that are not gone */
};

/* Opens one more; false where it could not be. */
bool crowd_open(struct crowd *crowd, unsigned port, const struct crowd_kind *kind);
/* From now on its thread attends to those that are open. */
bool crowd_attend(struct crowd *crowd);
/* Waits until all are gone, or for so long; then no thread attends to them any more. */
void crowd_wait(struct crowd *crowd, double seconds);
void crowd_close(struct crowd *crowd);

#endif
