/*
 * A real proxy in front of a server, as a child process on a port of its own, with the
 * configuration that docker/ has for it: only addresses and folders are others. It dies with the
 * test that started it. What fails of it fails the running test.
 */
#ifndef TESTS_PROXY_H
#define TESTS_PROXY_H

#include "client.h"

struct proxy_kind {
	const char *program;
	const char *config;       /* the file in docker/ */
	const char *const *flags; /* after which the path of the file comes */
	/* What stands in the file, and what in its place: %u is the proxy's port or the server's,
	 * %s a folder. Each must be there. NULL ends the list. */
	struct proxy_change {
		const char *text, *format;
		enum { PROXY_PORT, PROXY_SERVER, PROXY_FOLDER } value;
	} changes[8];
	bool tls; /* clients speak TLS to it: it has a certificate of that moment, front.pem */
};
extern const struct proxy_kind proxy_haproxy, proxy_nginx, proxy_haproxy_tls, proxy_nginx_tls;

struct proxy {
	struct server front; /* its address, for clients; nothing else of it */
	pid_t pid;
	FILE *log;
	char folder[256];
};

/* Whether the program is there. */
bool proxy_is_there(const struct proxy_kind *kind);
/* Returns when it takes connections. */
void proxy_start(struct proxy *proxy, const struct proxy_kind *kind, const struct server *server);
void proxy_stop(struct proxy *proxy); /* fine when it was not started */

#endif
