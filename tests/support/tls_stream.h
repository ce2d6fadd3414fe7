/* A client of TLS on a bare socket, by GnuTLS: what it sends need not be HTTP. One thread at a
 * time.
 */
#ifndef TESTS_TLS_STREAM_H
#define TESTS_TLS_STREAM_H

#include "certificates.h"
#include "client.h"

struct tls_stream;

struct tls_stream_setup {
	const char *priorities;           /* NULL: GnuTLS's own */
	const char *protocol;             /* that it asks for by ALPN; NULL: none */
	const struct certificate *client; /* that it shows; NULL: none */
	size_t leaves_after;              /* so many bytes have been sent; 0: never */
};

/*
 * Connects to the server's port and shakes hands; whose certificate the server has is not looked
 * at. NULL: it did not come to an end, whatever the reason. With TLS 1.3 that says nothing about
 * what the server thinks of the client's certificate: reading does.
 */
struct tls_stream *tls_stream_open(const struct server *server,
				   const struct tls_stream_setup *setup);
void tls_stream_close(struct tls_stream *stream); /* NULL is fine */
int tls_stream_fd(const struct tls_stream *stream);
/* "TLS1.3"; what was agreed by ALPN, "" is nothing. */
const char *tls_stream_version(const struct tls_stream *stream);
const char *tls_stream_protocol(struct tls_stream *stream);
/* The end of the server's certificate, in seconds since 1970. */
long long tls_stream_not_after(const struct tls_stream *stream);

/* As raw_send, raw_read and raw_read_until are. */
bool tls_stream_send(struct tls_stream *stream, const void *bytes, size_t n);
size_t tls_stream_read(struct tls_stream *stream, char *out, size_t size, int timeout_ms,
		       bool *closed);
size_t tls_stream_read_until(struct tls_stream *stream, char *out, size_t size, const char *end,
			     int timeout_ms);

#endif
