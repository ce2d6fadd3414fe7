/*
 * What a server of TLS shows of itself and asks of its clients: a certificate chain with its key,
 * and the authorities whose certificates clients must have, read from PEM files. Made once and
 * never changed; who uses it holds it, and the last one to let go frees it. Any thread.
 */
#ifndef LOSSD_CREDENTIALS_H
#define LOSSD_CREDENTIALS_H

#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <stdint.h>

#include "settings/config.h"

/* The most that one of the files may have. */
#define CREDENTIALS_MAX_BYTES ((size_t)1 << 20)

struct credentials;

/* Why there are none, as a sentence: the setting, its file, and what is wrong with it. */
struct credentials_fault {
	char text[2 * CONFIG_PATH_SIZE + 512];
};

/* The files of tls_certificate, tls_key and tls_client_ca, the last of which may be "none". The
 * caller holds them. NULL: *fault says why. What is odd but works is a warning in the log. */
struct credentials *credentials_load(const struct config *config, struct credentials_fault *fault);
struct credentials *credentials_hold(struct credentials *credentials);
void credentials_release(struct credentials *credentials); /* NULL is fine */

/* A new session of a server has them, for as long as the caller holds them. */
void credentials_use(struct credentials *credentials, gnutls_session_t session);

/* When the certificate ends, in seconds since 1970. */
int64_t credentials_not_after(const struct credentials *credentials);

#endif
