/* Open Inference Protocol requests and replies over HTTP: bytes in, an output's bytes out. */
#ifndef TESTS_SUPPORT_INFER_H
#define TESTS_SUPPORT_INFER_H

#include "client.h"

/* A request's body: a document, and bytes after it. */
struct infer {
	const char *path; /* NULL: that of cross_entropy */
	const char *document;
	const void *raw; /* NULL: none, and no header that gives the document's length */
	size_t n_raw;
	const char *content_type; /* the whole header; NULL: "Content-Type:", which leaves it out */
	const char *length;       /* NULL: the document's; the value of the header */
};

void infer_send(struct client *client, const struct infer *infer, struct reply *reply);

/* The parts of a reply. */
struct inferred {
	struct reply reply;
	cJSON *json;     /* the document */
	bool binary;     /* there are bytes after it: */
	const char *raw; /* in the reply */
	size_t n_raw;
};

/* Sends it and takes the reply apart, whose media type must be what it is; json is NULL unless the
 * status is 200. infer fails the test then. */
struct inferred infer_try(struct client *client, const struct infer *infer);
struct inferred infer(struct client *client, const struct infer *infer);
void inferred_free(struct inferred *inferred);
/* The output of that name, which must be there. */
const cJSON *inferred_output(const struct inferred *inferred, const char *name);
/* Its bytes after the document; fails the test when it has none, or not so many. */
const void *inferred_raw(const struct inferred *inferred, const char *name, size_t size);

#endif
