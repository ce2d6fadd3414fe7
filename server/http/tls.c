#include "tls.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#ifdef __linux__
#include <sys/epoll.h>
#endif

#include "credentials.h"
#include "log/log.h"
#include "os/socket.h"

/* Sessions that may end before what GnuTLS had for them is returned to the system. */
#define KEPT_SESSIONS 1024

/* One connection. */
struct peer {
	int fd;
	gnutls_session_t session;
	struct MHD_Connection *connection;
	struct credentials *credentials; /* that it was opened with */
	bool heard;                      /* something has come */
	bool established;                /* nothing more of a handshake is to be read */
	uint64_t received, accounted;    /* plain bytes: read; of requests that have ended */
};

struct tls {
	const struct config *config;
	pthread_mutex_t mutex; /* guards the next one */
	struct credentials *current;
	atomic_size_t n_open; /* sessions; and how many when memory was returned last, or more */
	atomic_size_t n_most;
	struct peer *peers; /* by descriptor */
	size_t n_peers;
};

/* Of a thread that serves connections. */
static _Thread_local struct {
	struct tls *tls; /* NULL: it has had none of TLS */
	int epoll;
} here = {NULL, -1};

/* NULL: it speaks plain text. What is pointed to is no session any more when the connection is
 * closed. */
static const union MHD_ConnectionInfo *session_of(struct MHD_Connection *connection)
{
	return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
}

static struct peer *peer_of(struct tls *tls, struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	return &tls->peers[info->connect_fd];
}

/* Whether it is one that this thread may have to do with. */
static struct peer *as_peer(void *pointer)
{
	uintptr_t at = (uintptr_t)pointer;
	bool ours = here.tls && at >= (uintptr_t)here.tls->peers &&
		    at < (uintptr_t)(here.tls->peers + here.tls->n_peers);
	return ours ? (struct peer *)pointer : NULL;
}

/* ---------------------------------------------------------------- handshakes that wait */

/*
 * libmicrohttpd forgets that there was something to be read only where reading says that there is
 * no more, which a handshake does not: it would ask again at once, as long as the client is silent.
 * So the connection is suspended, and resumed by what comes, for which this thread waits together
 * with everything else.
 */
#ifdef __linux__
static void wait_for_client(struct peer *peer)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLONESHOT,
				    .data.ptr = peer};
	if (here.epoll < 0)
		return;
	MHD_suspend_connection(peer->connection);
	/* Where it can not be waited for it is asked again and again. */
	if (epoll_ctl(here.epoll, EPOLL_CTL_ADD, peer->fd, &event) != 0)
		MHD_resume_connection(peer->connection);
}

int tls_take_events(struct epoll_event *events, int n)
{
	int kept = 0;
	for (int i = 0; i < n; i++) {
		struct peer *peer = as_peer(events[i].data.ptr);
		if (!peer) {
			events[kept++] = events[i];
			continue;
		}
		/* libmicrohttpd adds it again. */
		epoll_ctl(here.epoll, EPOLL_CTL_DEL, peer->fd, NULL);
		MHD_resume_connection(peer->connection);
	}
	return kept;
}
#else
static void wait_for_client(struct peer *peer)
{
	(void)peer;
}
#endif

void tls_waits_by(int epoll)
{
	here.epoll = epoll;
}

/* The client's Finished is the last message of a handshake that is read. */
static int on_finished(gnutls_session_t session, unsigned type, unsigned when, unsigned incoming,
		       const gnutls_datum_t *message)
{
	struct peer *peer = as_peer(gnutls_transport_get_ptr(session));
	(void)type, (void)when, (void)message;
	if (peer && incoming)
		peer->established = true;
	return 0;
}

/* What GnuTLS reads by, of the socket. */
static ssize_t pull(gnutls_transport_ptr_t pointer, void *bytes, size_t n)
{
	struct peer *peer = (struct peer *)pointer;
	ssize_t got = recv(peer->fd, bytes, n, 0);
	int error = errno;
	if (got > 0)
		peer->heard = true;
	else if (got < 0 && (error == EAGAIN || error == EWOULDBLOCK) && !peer->established)
		wait_for_client(peer);
	errno = error;
	return got;
}

/* GnuTLS asks for one beside `pull`; nobody waits here. */
static int pull_timeout(gnutls_transport_ptr_t pointer, unsigned milliseconds)
{
	const struct peer *peer = (const struct peer *)pointer;
	(void)milliseconds;
	return socket_unread(peer->fd) > 0;
}

/* ---------------------------------------------------------------- what has been read */

/* The program's own function takes the place of GnuTLS's, which does the same, so that what
 * libmicrohttpd reads is counted. */
ssize_t gnutls_record_recv(gnutls_session_t session, void *data, size_t data_size)
{
	ssize_t got = gnutls_record_recv_seq(session, data, data_size, NULL);
	struct peer *peer = as_peer(gnutls_transport_get_ptr(session));
	if (peer && got > 0)
		peer->received += (uint64_t)got;
	return got;
}

bool tls_has_more(struct tls *tls, struct MHD_Connection *connection, uint64_t bytes)
{
	const struct peer *peer = peer_of(tls, connection);
	return peer->received > peer->accounted + bytes ||
	       gnutls_record_check_pending(peer->session) > 0 || socket_unread(peer->fd) > 0;
}

void tls_account(struct tls *tls, struct MHD_Connection *connection, uint64_t bytes)
{
	peer_of(tls, connection)->accounted += bytes;
}

/* ---------------------------------------------------------------- connections */

static struct credentials *hold_current(struct tls *tls)
{
	pthread_mutex_lock(&tls->mutex);
	struct credentials *current = credentials_hold(tls->current);
	pthread_mutex_unlock(&tls->mutex);
	return current;
}

static void count_open(struct tls *tls)
{
	size_t n = atomic_fetch_add(&tls->n_open, 1) + 1, most = atomic_load(&tls->n_most);
	while (n > most && !atomic_compare_exchange_weak(&tls->n_most, &most, n))
		continue;
}

/* A session is many small pieces, which malloc would keep for ever once there were thousands. */
static void count_closed(struct tls *tls)
{
	size_t n = atomic_fetch_sub(&tls->n_open, 1) - 1, most = atomic_load(&tls->n_most);
	if (most < n + KEPT_SESSIONS || !atomic_compare_exchange_strong(&tls->n_most, &most, n))
		return;
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}

bool tls_is_spoken(struct MHD_Connection *connection)
{
	return session_of(connection) != NULL;
}

bool tls_open(struct tls *tls, struct MHD_Connection *connection)
{
	if (!tls_is_spoken(connection))
		return false;
	struct peer *peer = peer_of(tls, connection);
	gnutls_session_t session = (gnutls_session_t)session_of(connection)->tls_session;
	gnutls_transport_ptr_t reads, writes;
	here.tls = tls;
	count_open(tls);
	*peer = (struct peer){.fd = (int)(peer - tls->peers),
			      .session = session,
			      .connection = connection,
			      .credentials = hold_current(tls)};
	credentials_use(peer->credentials, session);
	gnutls_transport_get_ptr2(session, &reads, &writes);
	gnutls_transport_set_ptr2(session, peer, writes);
	gnutls_transport_set_pull_function(session, pull);
	gnutls_handshake_set_hook_function(session, GNUTLS_HANDSHAKE_FINISHED, GNUTLS_HOOK_POST,
					   on_finished);
	gnutls_transport_set_pull_timeout_function(session, pull_timeout);
	return true;
}

bool tls_close(struct tls *tls, struct MHD_Connection *connection)
{
	if (!tls_is_spoken(connection))
		return true;
	struct peer *peer = peer_of(tls, connection);
	credentials_release(peer->credentials);
	peer->credentials = NULL;
	count_closed(tls);
	return peer->established || !peer->heard;
}

/* ---------------------------------------------------------------- start, reload, stop */

struct tls *tls_start(struct loss_arena *arena, const struct config *config, size_t descriptors)
{
	struct tls *tls = loss_arena_array(arena, struct tls, 1);
	struct credentials_fault fault = {"no memory for TLS"};
	if (tls) {
		*tls = (struct tls){.config = config, .n_peers = descriptors};
		tls->peers = loss_arena_array(arena, struct peer, descriptors);
	}
	if (tls && tls->peers)
		tls->current = credentials_load(config, &fault);
	if (tls && tls->current) {
		pthread_mutex_init(&tls->mutex, NULL);
		return tls;
	}
	fprintf(stderr, "lossd: %s\n", fault.text);
	return NULL;
}

bool tls_reload(struct tls *tls)
{
	struct credentials_fault fault;
	struct credentials *loaded = credentials_load(tls->config, &fault);
	if (!loaded) {
		const struct log_field field = {"why", fault.text, 0};
		log_event(LOG_ERROR, "certificates can not be read again", &field, 1);
		return false;
	}
	pthread_mutex_lock(&tls->mutex);
	struct credentials *before = tls->current;
	tls->current = loaded;
	pthread_mutex_unlock(&tls->mutex);
	credentials_release(before);
	return true;
}

void tls_stop(struct tls *tls)
{
	if (!tls)
		return;
	credentials_release(tls->current);
	pthread_mutex_destroy(&tls->mutex);
}

int64_t tls_not_after(struct tls *tls)
{
	pthread_mutex_lock(&tls->mutex);
	int64_t not_after = credentials_not_after(tls->current);
	pthread_mutex_unlock(&tls->mutex);
	return not_after;
}
