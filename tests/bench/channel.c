#include "channel.h"

#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct tls {
	gnutls_session_t session;
	gnutls_certificate_credentials_t credentials;
};

/* ---------------------------------------------------------------- TLS */

static void drop_tls(struct tls *tls)
{
	if (!tls)
		return;
	if (tls->session)
		gnutls_deinit(tls->session);
	if (tls->credentials)
		gnutls_certificate_free_credentials(tls->credentials);
	free(tls);
}

static bool shake_hands(struct tls *tls, int socket)
{
	int result;
	if (gnutls_certificate_allocate_credentials(&tls->credentials) < 0 ||
	    gnutls_init(&tls->session, GNUTLS_CLIENT | GNUTLS_NO_SIGNAL) < 0 ||
	    gnutls_set_default_priority(tls->session) < 0 ||
	    gnutls_credentials_set(tls->session, GNUTLS_CRD_CERTIFICATE, tls->credentials) < 0)
		return false;
	gnutls_transport_set_int(tls->session, socket);
	do
		result = gnutls_handshake(tls->session);
	while (result < 0 && !gnutls_error_is_fatal(result));
	return result >= 0;
}

static struct tls *make_tls(int socket)
{
	struct tls *tls = calloc(1, sizeof *tls);
	if (!tls || shake_hands(tls, socket))
		return tls;
	drop_tls(tls);
	return NULL;
}

/* ---------------------------------------------------------------- either */

/* Small segments as well: by them the other side measures how much it may have on its way. */
static void set_options(int socket, enum channel_kind kind)
{
	int on = 1, bytes = 2048, segment = 536;
	setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (kind != CHANNEL_NARROW)
		return;
	setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
	setsockopt(socket, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment);
}

bool channel_open(struct channel *channel, unsigned port, enum channel_kind kind)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)port),
				 .sin_addr = {htonl(INADDR_LOOPBACK)}};
	*channel = (struct channel){.socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	set_options(channel->socket, kind);
	if (connect(channel->socket, (const struct sockaddr *)&to, sizeof to) == 0) {
		channel->tls = kind == CHANNEL_TLS ? make_tls(channel->socket) : NULL;
		if (channel->tls || kind != CHANNEL_TLS)
			return true;
	}
	channel_close(channel);
	return false;
}

void channel_close(struct channel *channel)
{
	drop_tls(channel->tls);
	if (channel->socket >= 0)
		close(channel->socket);
	*channel = CHANNEL_NONE;
}

static ssize_t send_some(struct channel *channel, const void *bytes, size_t n)
{
	ssize_t sent;
	if (!channel->tls)
		return send(channel->socket, bytes, n, MSG_NOSIGNAL);
	do
		sent = gnutls_record_send(channel->tls->session, bytes, n);
	while (sent < 0 && !gnutls_error_is_fatal((int)sent));
	return sent;
}

bool channel_send(struct channel *channel, const void *bytes, size_t n)
{
	const char *at = bytes;
	while (n > 0) {
		ssize_t sent = send_some(channel, at, n);
		if (sent <= 0)
			return false;
		at += sent;
		n -= (size_t)sent;
	}
	return true;
}

ssize_t channel_receive(struct channel *channel, void *bytes, size_t n)
{
	ssize_t got;
	if (!channel->tls)
		return recv(channel->socket, bytes, n, 0);
	do
		got = gnutls_record_recv(channel->tls->session, bytes, n);
	while (got < 0 && !gnutls_error_is_fatal((int)got));
	return got;
}
