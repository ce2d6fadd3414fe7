/* A host and perhaps a port: the value of Host, what stands after an origin's scheme, an address
 * to listen on. Pure functions. */
#ifndef LOSSD_AUTHORITY_H
#define LOSSD_AUTHORITY_H

#include <stdbool.h>
#include <stddef.h>

/* Both point into the text that was split. */
struct authority {
	const char *host; /* with brackets, if it is an IPv6 address; without a dot at its end */
	size_t n_host;    /* at least 1 */
	const char *port; /* digits */
	size_t n_port;    /* 0: there is none */
};

/* Splits n bytes. False where they are no host, or where what stands after it is no port. */
bool authority_split(const char *text, size_t n, struct authority *authority);
/* Whether the hosts are the same name or address as they are written, without regard to case. */
bool authority_same_host(const struct authority *a, const struct authority *b);
/* A port that is not there is the default, as digits; NULL: it is like no other. */
bool authority_same_port(const struct authority *a, const struct authority *b,
			 const char *fallback);
/* localhost, a name that ends with .localhost, 127.0.0.0/8 or [::1]. */
bool authority_is_loopback(const struct authority *authority);

#endif
