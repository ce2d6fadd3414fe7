/*
 * One request's life: made when its request line has been read, freed when its reply has been sent
 * or its connection has ended (request_destroy, nowhere else). Everything of it lives in its arena,
 * also the reply, which is sent from there. Its steps are in exchange.h; what is done for it in
 * particular, the handler of its endpoint does (handler.h).
 */
#ifndef LOSSD_REQUEST_H
#define LOSSD_REQUEST_H

#include <stdatomic.h>

#include "codec/timings.h"
#include "head.h"
#include "keys/keys.h"
#include "loss.h"
#include "os/pads.h"
#include "os/workers.h"
#include "reaper.h"
#include "reply.h"
#include "request_id.h"
#include "route.h"
#include "server.h"
#include "status/fault.h"
#include "target.h"

enum request_stage {
	REQUEST_HEAD,  /* headers are being read */
	REQUEST_BODY,  /* the body is, for use or to be thrown away */
	REQUEST_WAIT,  /* the connection is to be suspended */
	REQUEST_START, /* it is; something goes on elsewhere */
	REQUEST_REPLY, /* reply is complete */
	REQUEST_GONE,  /* nobody is there to read one */
};

struct request {
	struct server *server;
	struct loss_arena *arena;
	void *pad;                /* that the arena begins in; NULL: none */
	struct loss_arena *spare; /* of the reserve, for an error's document; NULL: not needed */
	struct reaper_entry *entry;
	enum request_stage stage;

	struct target target;
	bool over_budget;
	bool interim;     /* the client takes interim responses */
	bool unix_socket; /* it came over one */
	bool encrypted;   /* by TLS */

	enum method method;
	const struct route *route;       /* NULL: none */
	const struct endpoint *endpoint; /* NULL: none, or OPTIONS */
	struct route_argument arguments[ROUTE_MAX_ARGUMENTS];
	const struct loss_info *loss;
	struct head head;
	struct keys_guest guest; /* whose key it came with: guest.name */
	const char *id;
	char made_id[REQUEST_ID_SIZE];

	void *state;                  /* the handler's; NULL: it has nothing to do with the body */
	struct intake *intake;        /* that workers feed to it; NULL: it is fed as it comes */
	bool fed_here;                /* there was no memory for the former */
	struct loss_buffer *document; /* that document_handler reads; NULL: empty, thrown away */
	struct work work;             /* that page_handler gives to a worker */

	struct fault fault;      /* the error that takes precedence so far */
	struct loss_error found; /* what the check that just failed says */
	struct timings timings;
	uint64_t timeout_ns;   /* the caller's own deadline, from the beginning; 0: none */
	char timeout_name[64]; /* who asked for it */
	unsigned retry_s;      /* when to come again, where it is refused; 0: soon */
	uint64_t received_ns;  /* when the last byte of the body had come */
	bool unfed;            /* since then the rest of it is being fed */
	uint64_t started_ns;
	void (*resume)(void *connection); /* called when what was started has ended */
	void *connection;
	bool watched;
	atomic_bool ended;   /* what was started has: its thread's writes are visible */
	atomic_bool expired; /* the caller's deadline has passed */
	atomic_bool gone;    /* the client has left: no reply */

	struct reply reply;
};

/* NULL when there is no memory at all: *why is LOSS_TOO_MUCH_MEMORY_IN_FLIGHT or
 * LOSS_OUT_OF_MEMORY. The entry outlives the request. */
struct request *request_create(struct server *server, struct reaper_entry *entry,
			       const char *target, loss_status *why);
/* Memory of the reserve, for a little that must be said; NULL where that is used up too. */
struct loss_arena *request_spare(struct request *request);
/* After intake_end: no worker has anything of it. NULL is fine. */
void request_destroy(struct request *request);

/* A check has failed, or not (LOSS_OK): of all that is wrong the error that takes precedence is
 * told. What it says is in request->found. */
void request_fail(struct request *request, loss_status status);
/* Of its reply's body, as sent. */
uint64_t request_bytes_out(const struct request *request);
/* What the handler began with `start` has ended; any thread, and its last touch of the request. */
void request_done(struct request *request);

#endif
