/* The real server with a listener of TLS beside one in plain text, and certificates made for it in
 * a folder of its own. */
#ifndef TESTS_TLS_SERVER_H
#define TESTS_TLS_SERVER_H

#include "certificates.h"
#include "client.h"

struct tls_server {
	struct server plain;          /* the process, and its listener in plain text */
	struct server tls;            /* the other listener's address; nothing else of it */
	char folder[256];             /* removed when it is stopped */
	struct certificate authority; /* that has signed the next one; clients trust it */
	struct certificate shown;     /* the files that the server was started with */
};

/* Its folder and certificates; then the process, with the flags for them and those that are given
 * (a list that ends with NULL, or NULL). 0, or -1 as server_start has it. */
void tls_server_prepare(struct tls_server *server);
int tls_server_start(struct tls_server *server, const char *const *flags);
int tls_server_stop(struct tls_server *server); /* its exit code */
void tls_server_kill(struct tls_server *server);

/* One of libcurl's that trusts its authority. */
struct client *tls_client_open(const struct tls_server *server);

/* A certificate of that name in its folder; issuer NULL: its authority. */
void tls_server_certificate(const struct tls_server *server, const char *name,
			    enum certificate_use use, const struct certificate *issuer,
			    struct certificate *certificate);

/* How often its log has these words; SIGHUP, and waits until it has them once more. */
int tls_server_said(const struct tls_server *server, const char *words);
void tls_server_hang_up(const struct tls_server *server, const char *words);

#endif
