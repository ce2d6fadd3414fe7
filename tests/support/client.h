/*
 * HTTP as a client sees it: libcurl for well-formed requests, a bare socket for the others, cJSON
 * for the replies. Everything fails the running test (cmocka) when the machine does not play along;
 * what the server says is the test's to judge.
 */
#ifndef TESTS_CLIENT_H
#define TESTS_CLIENT_H

#include "server.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* The path and a body of 36 bytes for tests that are about something else. */
#define CROSS_ENTROPY "/v1/losses/cross_entropy"
#define GOOD "{\"logits\": [[1, 2]], \"targets\": [1]}"

/* A body of cross_entropy whose loss is log(classes): F32 zeros. *size gets its length; the caller
 * frees it. */
char *body_of_zeros(size_t rows, size_t classes, size_t *size);

/* ---------------------------------------------------------------- libcurl */

struct client; /* one keep-alive connection, one thread at a time */

struct client *client_open(const struct server *server);
void client_close(struct client *client); /* NULL is fine */

/* For a server whose URL begins with https: whose certificates it takes, and which one it shows.
 * Paths of PEM files, kept, not copied; NULL: none. */
struct client_files {
	const char *authority, *certificate, *key;
};
void client_trust(struct client *client, const struct client_files *files);

struct reply {
	int status;    /* 0: the connection ended without a reply */
	char *headers; /* the last header block, terminated */
	char *body;    /* terminated */
	size_t body_size;
	size_t sent; /* body bytes that went out */
	long new_connections;
};

struct request {
	const char *method; /* NULL: POST when there is a body or an upload, else GET */
	const char *path;   /* with the query string, sent as it is */
	const char *const
		*headers; /* "Name: value", ends with NULL; "Name:" leaves one of libcurl's out */
	const char *body; /* NULL: none */
	size_t body_size; /* 0: strlen(body) */
	/* A body made on the fly: fills out with up to n bytes, 0 at its end. Sent chunked when
	 * body_size is 0. */
	size_t (*upload)(void *context, char *out, size_t n);
	void *context;
};

/* Sends it and reads the whole reply, which reply_free frees. */
void client_send(struct client *client, const struct request *request, struct reply *reply);
void client_get(struct client *client, const char *path, struct reply *reply);
/* A POST of JSON text under application/json. */
void client_post(struct client *client, const char *path, const char *body, struct reply *reply);
void reply_free(struct reply *reply);

/* The value of a series of /metrics ("name" or "name{label=...}"), which must be there, by a
 * connection of its own. */
double server_metric(const struct server *server, const char *series);

/* Copies the value of a header (name without case); false when it is not there. */
bool reply_header(const struct reply *reply, const char *name, char *out, size_t size);

/* ---------------------------------------------------------------- JSON replies */

/* The body as JSON, the caller's to cJSON_Delete; fails the test when it is none. */
cJSON *reply_json(const struct reply *reply);
/* A member, with case; fails the test when there is none. json_find gives NULL instead. */
const cJSON *json_member(const cJSON *object, const char *name);
const cJSON *json_find(const cJSON *object, const char *name);
/* A number, or one of the strings NaN, Infinity, -Infinity; a boolean is 0 or 1. Fails the test on
 * anything else. */
double json_number(const cJSON *value);
const char *json_string(const cJSON *value);
/* All numbers of nested arrays in order: their count; stores as many as fit. A bare number is one.
 */
size_t json_flatten(const cJSON *value, double *out, size_t capacity);

/* ---------------------------------------------------------------- bare sockets */

int raw_connect(const struct server *server); /* a TCP socket; close() it */
/* False when the peer has closed or takes nothing for ten seconds. Never raises SIGPIPE. */
bool raw_send(int fd, const void *bytes, size_t n);
/*
 * Reads until the peer closes, out is full (size - 1 bytes) or timeout_ms have passed; terminates
 * out. The number of bytes; *closed (may be NULL) tells whether the peer closed.
 */
size_t raw_read(int fd, char *out, size_t size, int timeout_ms, bool *closed);
/* The same, but also stops where `end` has been read (for one reply of a connection that stays
 * open). */
size_t raw_read_until(int fd, char *out, size_t size, const char *end, int timeout_ms);

#endif
