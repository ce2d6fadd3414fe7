/*
 * One request's life: made when its request line has been read, freed when its reply has been sent
 * or its connection has ended (request_destroy, nowhere else). Everything of it lives in its arena,
 * also the reply, which is sent from there. connection.c drives it:
 *
 *   request_create -> request_begin -> request_feed ... -> request_end [-> request_submit ...] ->
 * request_finish
 *
 * All on the connection's I/O thread but for the evaluation of a large problem, which the compute
 * thread does while the connection is suspended, and for the notices of the reaper.
 */
#ifndef LOSSD_REQUEST_H
#define LOSSD_REQUEST_H

#include <stdatomic.h>

#include "eval/evaluation.h"
#include "eval/scheduler.h"
#include "head.h"
#include "loss.h"
#include "os/clock.h"
#include "reaper.h"
#include "route/route.h"
#include "service.h"
#include "target.h"

#define REPLY_MAX_HEADERS 16

struct reply {
	unsigned status; /* 0: none yet */
	const void *body;
	size_t size;
	bool coded; /* the body is gzip */
	bool close; /* the connection ends with this reply, whatever has been sent after */
	/* Of an evaluation: what its encoder has said. */
	const char *content_type;
	struct header more;
	size_t n_headers;
	struct header headers[REPLY_MAX_HEADERS];
};

enum request_stage {
	REQUEST_HEAD,    /* headers are being read */
	REQUEST_BODY,    /* the body is, for use or to be thrown away */
	REQUEST_WAIT,    /* to be computed */
	REQUEST_COMPUTE, /* the connection is suspended */
	REQUEST_REPLY,   /* reply is complete */
};

struct request {
	struct service *service;
	struct loss_arena *arena;
	struct loss_arena *spare; /* of the reserve, for an error's document; NULL: not needed */
	struct reaper_entry *entry;
	enum request_stage stage;

	struct target target;
	bool over_budget;
	bool interim; /* the client takes interim responses */

	enum method method;
	const struct route *route; /* NULL: none */
	struct route_argument arguments[ROUTE_MAX_ARGUMENTS];
	const struct loss_info *loss;
	struct head head;
	const char *id;
	char made_id[40];

	struct evaluation *evaluation; /* NULL: nothing is evaluated */
	struct loss_buffer *body; /* of a POST that evaluates nothing; NULL: empty, thrown away */
	struct loss_error error;  /* the one that takes precedence so far */
	struct loss_error found;  /* what the check that just failed says */
	struct timings timings;
	uint64_t timeout_ns;   /* the caller's own deadline, from the beginning; 0: none */
	char timeout_name[64]; /* who asked for it */
	uint64_t submitted_ns;
	struct job job;
	void (*resume)(void *connection); /* called when the job is done */
	void *connection;
	bool watched;
	atomic_bool computed; /* the job is done: the compute thread's writes are visible */
	atomic_bool expired;  /* the caller's deadline has passed */
	atomic_bool gone;     /* the client has left: no reply */

	struct reply reply;
};

/* NULL when there is no memory at all: *why is LOSS_TOO_MUCH_MEMORY_IN_FLIGHT or
 * LOSS_OUT_OF_MEMORY. The entry outlives the request. */
struct request *request_create(struct service *service, struct reaper_entry *entry,
			       const char *target, loss_status *why);
/* Memory of the reserve, for a little that must be said; NULL where that is used up too. */
struct loss_arena *request_spare(struct request *request);
void request_destroy(struct request *request); /* NULL is fine */

/* The head is complete. REQUEST_BODY, or REQUEST_REPLY when the request must be refused without its
 * body. */
enum request_stage request_begin(struct request *request, const struct raw_head *raw);
/* Some of the body. False: it is too long to be waited for, close the connection without a word. */
bool request_feed(struct request *request, const void *bytes, size_t n);
/* Gives back the memory of what has been received. */
void request_drop_body(struct request *request);
/* The body is complete. REQUEST_REPLY, or REQUEST_WAIT: suspend the connection, then call
 * request_submit. */
enum request_stage request_end(struct request *request);
void request_submit(struct request *request, void (*resume)(void *connection), void *connection);
/* After the resumption. REQUEST_REPLY, or REQUEST_COMPUTE when the client has gone: close. */
enum request_stage request_finish(struct request *request);

#endif
