#include "tls_stream.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WAIT_MS 60000

struct tls_stream {
	int fd;
	size_t left; /* bytes that it may still send; SIZE_MAX: any number */
	gnutls_session_t session;
	gnutls_certificate_credentials_t credentials;
	char protocol[32];
};

/* Leaves in the middle of what it was about to send. */
static ssize_t push(gnutls_transport_ptr_t pointer, const void *bytes, size_t n)
{
	struct tls_stream *stream = pointer;
	size_t part = n < stream->left ? n : stream->left;
	if (part > 0 && !raw_send(stream->fd, bytes, part))
		return -1;
	stream->left -= stream->left == SIZE_MAX ? 0 : part;
	if (part == n)
		return (ssize_t)n;
	shutdown(stream->fd, SHUT_WR);
	errno = EPIPE;
	return -1;
}

static ssize_t pull(gnutls_transport_ptr_t pointer, void *bytes, size_t n)
{
	const struct tls_stream *stream = pointer;
	return recv(stream->fd, bytes, n, MSG_DONTWAIT);
}

static int pull_timeout(gnutls_transport_ptr_t pointer, unsigned milliseconds)
{
	const struct tls_stream *stream = pointer;
	struct pollfd state = {.fd = stream->fd, .events = POLLIN};
	return poll(&state, 1, (int)milliseconds);
}

/* False when nothing has come until then. */
static bool wait_for_bytes(struct tls_stream *stream, int64_t until)
{
	int64_t left = until - now_ms();
	return left > 0 && pull_timeout(stream, (unsigned)left) > 0;
}

static bool shake_hands(struct tls_stream *stream)
{
	int result = GNUTLS_E_AGAIN;
	int64_t until = now_ms() + WAIT_MS;
	while (result == GNUTLS_E_AGAIN || result == GNUTLS_E_INTERRUPTED) {
		result = gnutls_handshake(stream->session);
		if (result == GNUTLS_E_AGAIN && !wait_for_bytes(stream, until))
			return false;
	}
	return result == GNUTLS_E_SUCCESS;
}

static void prepare(struct tls_stream *stream, const struct tls_stream_setup *setup)
{
	const char *priorities = setup->priorities ? setup->priorities : "NORMAL";
	assert_int_equal(gnutls_certificate_allocate_credentials(&stream->credentials), 0);
	if (setup->client)
		assert_int_equal(gnutls_certificate_set_x509_key_file(
					 stream->credentials, setup->client->certificate,
					 setup->client->key, GNUTLS_X509_FMT_PEM),
				 0);
	assert_int_equal(gnutls_init(&stream->session, GNUTLS_CLIENT | GNUTLS_NONBLOCK), 0);
	assert_int_equal(gnutls_priority_set_direct(stream->session, priorities, NULL), 0);
	gnutls_credentials_set(stream->session, GNUTLS_CRD_CERTIFICATE, stream->credentials);
	if (setup->protocol) {
		char name[32];
		int n = snprintf(name, sizeof name, "%s", setup->protocol);
		const gnutls_datum_t protocol = {(unsigned char *)name, (unsigned)n};
		assert_int_equal(gnutls_alpn_set_protocols(stream->session, &protocol, 1, 0), 0);
	}
	gnutls_transport_set_ptr(stream->session, stream);
	gnutls_transport_set_push_function(stream->session, push);
	gnutls_transport_set_pull_function(stream->session, pull);
	gnutls_transport_set_pull_timeout_function(stream->session, pull_timeout);
}

struct tls_stream *tls_stream_open(const struct server *server,
				   const struct tls_stream_setup *setup)
{
	struct tls_stream *stream = calloc(1, sizeof *stream);
	assert_non_null(stream);
	stream->fd = raw_connect(server);
	stream->left = setup && setup->leaves_after > 0 ? setup->leaves_after : SIZE_MAX;
	prepare(stream, setup ? setup : &(struct tls_stream_setup){0});
	if (shake_hands(stream))
		return stream;
	tls_stream_close(stream);
	return NULL;
}

void tls_stream_close(struct tls_stream *stream)
{
	if (!stream)
		return;
	gnutls_deinit(stream->session);
	gnutls_certificate_free_credentials(stream->credentials);
	close(stream->fd);
	free(stream);
}

int tls_stream_fd(const struct tls_stream *stream)
{
	return stream->fd;
}

const char *tls_stream_version(const struct tls_stream *stream)
{
	return gnutls_protocol_get_name(gnutls_protocol_get_version(stream->session));
}

const char *tls_stream_protocol(struct tls_stream *stream)
{
	gnutls_datum_t chosen = {NULL, 0};
	gnutls_alpn_get_selected_protocol(stream->session, &chosen);
	snprintf(stream->protocol, sizeof stream->protocol, "%.*s", (int)chosen.size,
		 chosen.data ? (const char *)chosen.data : "");
	return stream->protocol;
}

long long tls_stream_not_after(const struct tls_stream *stream)
{
	unsigned n = 0;
	gnutls_x509_crt_t crt;
	const gnutls_datum_t *chain = gnutls_certificate_get_peers(stream->session, &n);
	assert_true(chain && n > 0);
	assert_int_equal(gnutls_x509_crt_init(&crt), 0);
	assert_int_equal(gnutls_x509_crt_import(crt, &chain[0], GNUTLS_X509_FMT_DER), 0);
	long long end = gnutls_x509_crt_get_expiration_time(crt);
	gnutls_x509_crt_deinit(crt);
	return end;
}

bool tls_stream_send(struct tls_stream *stream, const void *bytes, size_t n)
{
	const char *at = bytes;
	while (n > 0) {
		ssize_t sent = gnutls_record_send(stream->session, at, n);
		if (sent < 0)
			return false;
		at += sent;
		n -= (size_t)sent;
	}
	return true;
}

/* Some bytes; 0 at the end, however it came; -1: none until then. */
static ssize_t read_some(struct tls_stream *stream, char *out, size_t size, int64_t until)
{
	for (;;) {
		ssize_t got = gnutls_record_recv_seq(stream->session, out, size, NULL);
		if (got >= 0)
			return got;
		if (gnutls_error_is_fatal((int)got))
			return 0;
		if (got == GNUTLS_E_AGAIN && !wait_for_bytes(stream, until))
			return -1;
	}
}

size_t tls_stream_read(struct tls_stream *stream, char *out, size_t size, int timeout_ms,
		       bool *closed)
{
	int64_t until = now_ms() + timeout_ms;
	size_t total = 0;
	ssize_t n = 1;
	while (n > 0 && total + 1 < size) {
		n = read_some(stream, out + total, size - total - 1, until);
		total += n > 0 ? (size_t)n : 0;
	}
	out[total] = '\0';
	if (closed)
		*closed = n == 0;
	return total;
}

size_t tls_stream_read_until(struct tls_stream *stream, char *out, size_t size, const char *end,
			     int timeout_ms)
{
	int64_t until = now_ms() + timeout_ms;
	size_t total = 0;
	out[0] = '\0';
	while (total + 1 < size && strstr(out, end) == NULL) {
		ssize_t n = read_some(stream, out + total, size - total - 1, until);
		if (n <= 0)
			break;
		total += (size_t)n;
		out[total] = '\0';
	}
	return total;
}

/* A handshake that fails leaves blocks of GnuTLS behind. */
#ifdef __SANITIZE_ADDRESS__
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libgnutls";
}
#endif
