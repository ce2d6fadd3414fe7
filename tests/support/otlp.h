/*
 * A collector of traces, as a thread of the test's process, on a port of its own: what OTLP over
 * HTTP sends is kept, and answered as the test says. Everything fails the running test when the
 * machine does not play along, and so does a document that is no JSON.
 */
#ifndef TESTS_OTLP_H
#define TESTS_OTLP_H

#include <cjson/cJSON.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum otlp_act {
	OTLP_ANSWERS,
	OTLP_CUTS,   /* closes in the middle of its reply */
	OTLP_LEAVES, /* closes without one */
	OTLP_HANGS,  /* never answers; the connection stays open until the end, or the other side's
		      */
};

/* What becomes of a document. */
struct otlp_answer {
	enum otlp_act act;
	unsigned status;     /* 0: 200 */
	const char *headers; /* lines that end with CR LF; NULL: none */
	const char *body;    /* NULL: "{}" */
};

struct otlp {
	char url[64]; /* "http://127.0.0.1:PORT" */
	/* Of documents 0, 1, ...; the last one is that of all others, and has act OTLP_ANSWERS
	 * where there are none. Set before the first comes. */
	const struct otlp_answer *answers;
	size_t n_answers;

	/* The thread's. */
	pthread_t thread;
	int listener, stop[2];
	pthread_mutex_t mutex; /* guards the rest */
	size_t n_connections, n_documents;
	char *heads[64], *documents[64]; /* of the first ones */
	int64_t came_ms[64];             /* by now_ms */
};

void otlp_open(struct otlp *otlp, const struct otlp_answer *answers, size_t n);
void otlp_close(struct otlp *otlp);

/* Waits for document i, which is the caller's to cJSON_Delete. */
cJSON *otlp_document(struct otlp *otlp, size_t i);
size_t otlp_documents(struct otlp *otlp);   /* so far */
size_t otlp_connections(struct otlp *otlp); /* likewise */

/* The spans of requests, without those of phases, of all documents that have come, in order: an
 * array, the caller's to cJSON_Delete. */
cJSON *otlp_requests(struct otlp *otlp);
/* Spans of a document in order; NULL: there is no such one. */
const cJSON *otlp_span(const cJSON *document, size_t i);
/* The value of an attribute of a span or resource, as text; NULL: it has none. */
const char *otlp_attribute(const cJSON *span, const char *key);
/* A time of a span, or any other number that is a string. */
uint64_t otlp_number(const cJSON *span, const char *member);

#endif
