/*
 * How requests are carried from their head to their reply. A handler's functions run on the thread
 * that serves the connection, which has others to serve: none of them blocks, or computes for more
 * than a millisecond or so. What takes longer begins with `start`, while the connection is
 * suspended, and goes on elsewhere until it calls request_done.
 */
#ifndef LOSSD_HANDLER_H
#define LOSSD_HANDLER_H

#include "loss.h"

struct reply;
struct request;

enum handler_end {
	/* The reply is complete, or request->fault.error says why there is none, or the deadline
	 * has passed, or nobody waits any more. */
	HANDLER_DONE,
	HANDLER_WAITS, /* suspend the connection, then call start */
};

struct handler {
	uint64_t max_body_bytes;  /* of the bodies that it reads; 0: the setting of that name */
	const char *needs_body;   /* what must have one: "an evaluation"; NULL: nothing must */
	bool ends_what_it_begins; /* a deadline that passes meanwhile changes nothing */
	/* The head is complete: keeps what in it is wrong with request_fail, and where nothing is,
	 * neither here nor before, prepares for the body: sets request->state. Without that feed,
	 * drop, stop and point have nothing to do, and the first, second and last are not called.
	 */
	void (*begin)(struct request *request);
	/* The next n bytes of the body. Of a long one that takes its time it is called by a worker,
	 * and never while another of these functions is, but for stop: see intake.h. */
	void (*feed)(struct request *request, const unsigned char *bytes, size_t n);
	/* Nanoseconds that a byte of the body takes to be fed from here on, more or less; NULL:
	 * next to nothing. */
	double (*byte_ns)(const struct request *request);
	/* What has been received is not needed any more. As feed. */
	void (*drop)(struct request *request);
	/* The body is complete. Something may be wrong with the request already; what is found here
	 * may take precedence. */
	enum handler_end (*end)(struct request *request);
	/* After HANDLER_WAITS: begins what takes its time. When it has ended any thread calls
	 * request_done, which is the last touch of the request, and `proceed` follows, unless the
	 * deadline has passed, the client has left, or something turned out wrong. */
	void (*start)(struct request *request);
	enum handler_end (*proceed)(struct request *request);
	/* Nobody waits for the reply any more, or nobody may: what start began is to end soon. On
	 * the reaper's thread, at any time. */
	void (*stop)(struct request *request);
	/* Where in the body an error of request->fault is, as struct decoder has it. */
	void (*point)(const struct request *request, const struct loss_error *err, char *out,
		      size_t size);
	/* The request ends: lets go of what does not lie in its arena. */
	void (*release)(struct request *request);
};

/* Fills a reply of status 200 (headers, another status, the text) or fails. It may be called twice,
 * the second time with other memory; once it has changed something it does not fail any more. */
typedef loss_status page(struct request *request, struct reply *reply, struct loss_error *err);

/* Answers with the endpoint's page: what GET does. */
extern const struct handler page_handler;
/* The same, after a small document has been read, which is request->document: what changes
 * something. */
extern const struct handler document_handler;

#endif
