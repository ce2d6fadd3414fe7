/* One connection of a loader: a request under way, or none. */
#ifndef LOAD_CONNECTION_H
#define LOAD_CONNECTION_H

#include <curl/curl.h>

#include "driver.h"

struct connection {
	CURL *easy;
	struct body *body;
	uint64_t due; /* 0: none is under way */
	struct text reply;
	uint64_t phases[N_PHASES]; /* nanoseconds; UINT64_MAX: not said */
};

/* What is the same for all connections. */
struct target {
	char *url;
	struct curl_slist *heads[N_FORMATS]; /* by media type */
};

bool target_make(struct target *target, const struct options *options);
void target_drop(struct target *target);

bool connection_make(struct connection *connection, const struct options *options,
		     const struct target *target, size_t largest);
void connection_drop(struct connection *connection);
/* Sets what its next request sends. */
void connection_ask(struct connection *connection, const struct target *target, struct body *body,
		    uint64_t due);
/* Whether a reply of status 200 is what it must be; says why not. */
bool connection_right(struct connection *connection, const struct options *options,
		      struct workload *workload);

#endif
