/*
 * Requests on bare sockets whose framing is odd, for the server itself and for proxies in front of
 * it: those that must be refused, and those that must be served.
 */
#ifndef TESTS_FRAMING_H
#define TESTS_FRAMING_H

#include "client.h"

#define HOST "Host: a\r\n"
#define POST "POST " CROSS_ENTROPY " HTTP/1.1\r\n"
#define CHUNKED POST HOST "Transfer-Encoding: chunked\r\n\r\n"
/* The path of nothing else that these tests ask for. */
#define HIDDEN_PATH "/v2/health/live"
/* Answered with its id if it is ever taken for a request. */
#define HIDDEN "GET " HIDDEN_PATH " HTTP/1.1\r\nHost: a\r\nX-Request-Id: smuggled\r\n\r\n"
#define PROBLEM "{\"logits\": [[-0.7715, -0.6205, -0.2562]], \"targets\": [0]}"
#define PROBLEM_LENGTH "57"
#define SEED_LOSS "1.3447266"

/* With HIDDEN after it, which must never be answered. */
struct framing_refused {
	const char *name; /* NULL ends the table */
	const char *request;
	size_t n;         /* it may have NULs */
	int status;       /* 0: closed without a word */
	const char *code; /* NULL: the HTTP library refuses it, without a document */
};
/* By a server whose max_body_bytes is 1000. */
extern const struct framing_refused framing_refused[];

struct framing_served {
	const char *name; /* NULL ends the table */
	const char *request;
	const char *status, *words; /* what the reply must have */
};
extern const struct framing_served framing_served[];

#endif
