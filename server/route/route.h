/*
 * The table of paths. One row says what there is; requests, the Allow header, the metrics' labels
 * and the test that holds api/openapi.yaml against the server all read it.
 */
#ifndef LOSSD_ROUTE_H
#define LOSSD_ROUTE_H

#include "loss.h"

struct protocol;
struct request;

/* Bits, so that a row can have several. */
enum method {
	METHOD_GET = 1,
	METHOD_POST = 2,
	METHOD_HEAD = 4,
	METHOD_OPTIONS = 8,
	METHOD_OTHER = 16, /* none of them: never allowed */
};

/* Writes the body of a reply and may change its status; or fails. */
typedef loss_status route_page(struct request *request, struct loss_buffer *out,
			       struct loss_error *err);

struct route {
	const char *path; /* a template: segments may be {name}. Also the metrics' label */
	unsigned methods; /* of GET and POST; HEAD comes with GET, OPTIONS with every path */
	const char *content_type; /* of what GET replies, and POST */
	route_page *page;         /* what GET does, and POST where there is no protocol */
	bool names_loss;          /* the first {name} is a loss, the second a version of it */
	bool always;              /* answered even while the server drains */
	const struct protocol
		*protocol; /* POST evaluates, of and into these formats; NULL: it does not */
};

extern const struct route routes[]; /* ends with a NULL path */
#define ROUTE_MAX 39
#define ROUTE_MAX_ARGUMENTS 2
/* Bytes of a body that a page of POST reads. */
#define ROUTE_DOCUMENT_BYTES ((uint64_t)65536)
/* The label of requests that no row matches. */
#define ROUTE_OTHER "other"

/* What stands for a {name} of the template; not terminated. */
struct route_argument {
	const char *text; /* NULL: the template has no such name */
	size_t size;
};
/* The row of a path (n bytes, decoded), or NULL; fills all arguments. */
const struct route *route_find(const char *path, size_t n,
			       struct route_argument arguments[ROUTE_MAX_ARGUMENTS]);
/* Whether POST reads a small document, which the row's page gets. */
bool route_reads_document(const struct route *route);
/* False for methods that the row does not take; HEAD and OPTIONS are answered as said above. */
bool route_allows(const struct route *route, enum method method);
/* The value of Allow: "GET, HEAD, OPTIONS". */
const char *route_allow(const struct route *route);
/* METHOD_OTHER for what is not known; methods are matched with case. */
enum method route_method(const char *name);
const char *route_method_name(enum method method); /* "GET"; "other" */
/* True below /v2, where errors have the form that the Open Inference Protocol's clients read. */
bool route_is_v2(const char *path, size_t n);

#endif
