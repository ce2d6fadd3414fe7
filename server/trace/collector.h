/*
 * The other end of traces: documents go there by POST, one after the other, on a connection that is
 * kept. No proxy, no redirect, whatever the environment says. One thread, but for collector_end_at.
 */
#ifndef LOSSD_COLLECTOR_H
#define LOSSD_COLLECTOR_H

#include "loss.h"

#define COLLECTOR_URL_SIZE 1152

enum collector_end {
	COLLECTOR_TOOK,    /* all, or all but those that it says it did not */
	COLLECTOR_BUSY,    /* not now: no connection, no reply, or a status that says so */
	COLLECTOR_REFUSED, /* never */
};

struct collector_reply {
	enum collector_end end;
	uint64_t wait_seconds; /* how long it wants to be left alone; 0: it does not say */
	uint64_t rejected;     /* spans that it did not take of a document that it took */
	char why[160];         /* not all was taken: a reason, which may hold anything */
};

struct collector;

/* The URL that an endpoint (form_is_http_url) means: itself where it has a path, else with OTLP's
 * own, /v1/traces. */
void collector_url(const char *endpoint, char out[COLLECTOR_URL_SIZE]);

/* In the arena; NULL when there is no memory. Connects to nothing yet. */
struct collector *collector_create(struct loss_arena *arena, const char *endpoint);
/* Within ten seconds. */
void collector_post(struct collector *collector, const struct loss_buffer *document,
		    struct collector_reply *reply);
/* Any thread: what is under way at that moment of the clock, or begins after it, is COLLECTOR_BUSY
 * at once. */
void collector_end_at(struct collector *collector, uint64_t ns);
void collector_destroy(struct collector *collector); /* NULL is fine */

#endif
