/* The log's line of a request, at level info, as far as the setting access_log asks for it. */
#ifndef LOSSD_ACCESS_LOG_H
#define LOSSD_ACCESS_LOG_H

#include <sys/socket.h>

#include "request.h"

/* It has ended, `seconds` after its head was read. peer: its client's address, of a Unix socket a
 * struct socket_user (os/socket.h), or NULL. lost: why its reply has not been sent whole, in a
 * word; NULL: it has. trace_id: of its span; empty: it has none. */
void access_log_request(const struct request *request, const struct sockaddr *peer,
			const char *lost, double seconds, const char *trace_id);
/* One that there was no memory to begin. */
void access_log_unbegun(const struct config *config, const struct sockaddr *peer,
			const char *method, const char *path, unsigned status, const char *code);
/* A connection whose handshake of TLS came to nothing. */
void access_log_handshake(const struct config *config, const struct sockaddr *peer);

#endif
