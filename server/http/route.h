/*
 * What there is behind a path and a method. The table itself is made elsewhere (route/routes.h) and
 * given to the server; requests, the Allow header, the metrics' labels and the test that holds
 * api/openapi.yaml against the server all read it.
 */
#ifndef LOSSD_ROUTE_H
#define LOSSD_ROUTE_H

#include "handler.h"
#include "keys/key.h"

enum method {
	METHOD_GET,
	METHOD_POST,
	METHOD_PUT,
	METHOD_DELETE,
	METHOD_N_ROUTED,               /* of these a route says what they do */
	METHOD_HEAD = METHOD_N_ROUTED, /* GET without its body */
	METHOD_OPTIONS,                /* of every path */
	METHOD_OTHER,                  /* never allowed */
	N_METHODS
};

/* What one method of a path does. */
struct endpoint {
	const struct handler *handler; /* NULL: the path does not take the method */
	const char *content_type;      /* of a reply of 200; an evaluation has its formats' */
	page *page;                    /* that page_handler and document_handler answer with */
	bool blocks; /* the page may take its time: a worker writes it, nobody waits for it but its
			own client */
	const struct protocol *protocol; /* an evaluation's */
	/* What takes bodies of the media types of its own protocol instead; NULL: nothing. */
	const struct endpoint *lines;
};

struct route {
	const char *path;     /* a template: segments may be {name}. Also the metrics' label */
	bool names_loss;      /* the first {name} is a loss, the second a version of it */
	bool always;          /* answered even while the server drains */
	enum key_scope scope; /* that a key needs for it, where keys are asked for */
	struct endpoint on[METHOD_N_ROUTED];
};

#define ROUTE_MAX_ARGUMENTS 2
/* The label of requests that no row matches. */
#define ROUTE_OTHER "other"

/* What stands for a {name} of the template; not terminated. */
struct route_argument {
	const char *text; /* NULL: the template has no such name */
	size_t size;
};

/* The first row of a table, which ends with a NULL path, that a path (n bytes, decoded) matches, or
 * NULL; fills all arguments. */
const struct route *route_find(const struct route *routes, const char *path, size_t n,
			       struct route_argument arguments[ROUTE_MAX_ARGUMENTS]);
/* What a method does there; NULL: nothing, as OPTIONS, which every path answers. */
const struct endpoint *route_endpoint(const struct route *route, enum method method);
bool route_allows(const struct route *route, enum method method);
/* The value of Allow, "GET, HEAD, OPTIONS"; NULL: of paths in general. */
#define ROUTE_ALLOW_SIZE 64
const char *route_allow(const struct route *route, char out[ROUTE_ALLOW_SIZE]);
/* METHOD_OTHER for what is not known; methods are matched with case. */
enum method route_method(const char *name);
const char *route_method_name(enum method method); /* "GET"; "other" */
/* True below /v2, where errors have the form that the Open Inference Protocol's clients read. */
bool route_is_v2(const char *path, size_t n);

#endif
