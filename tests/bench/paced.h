/* One client's requests, with a pause after each, so that they meet what else the server does at
 * different points. */
#ifndef BENCH_PACED_H
#define BENCH_PACED_H

#include "server.h"
#include "upload.h"

#define PACED_MOST 500

struct paced {
	struct upload request;
	size_t repeats; /* at most PACED_MOST */
	long pause_ns;
	double part; /* which quantile counts */
};

/* Small requests whose 99th percentile counts. */
#define PACED_P99(small) ((struct paced){(small), PACED_MOST, 2000000, 0.99})

/* That quantile of the seconds of the requests to that path, over the server's channel; NaN where
 * one was not answered 200. *reply_bytes is the last reply's body, unless NULL. */
double paced_seconds(const struct paced *paced, struct server *server, const char *path,
		     uint64_t *reply_bytes);

#endif
