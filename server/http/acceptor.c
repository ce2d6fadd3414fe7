#include "acceptor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "admission.h"
#include "os/clock.h"
#include "os/pipe.h"
#include "os/socket.h"

/* How soon to look again for room, or for descriptors, where nobody has told of any. */
#define RETRY_MS 50
/* Connections that are accepted from one listener before the next one has its turn. */
#define TURN 16
/* What a handshake that has begun gets to arrive before the listener closes, and what has been
 * read of a request to be seen as one. */
#define LAST_CALL_MS 50
#define NS_PER_MS UINT64_C(1000000)

enum stage { ACCEPTING, DRAINING, STOPPING };

struct acceptor {
	struct acceptor_setup setup;
	struct listeners *listeners;
	bool waits[CONFIG_MAX_LISTENERS];     /* a client does, and there was no room */
	bool left[CONFIG_MAX_LISTENERS];      /* to the next server: nobody is accepted any more */
	unsigned times[CONFIG_MAX_LISTENERS]; /* it has found none in a row */
	int wake[2];                          /* a byte ends the thread's sleep */
	atomic_int stage;                     /* enum stage */
	atomic_bool closed;
	bool stopped; /* the thread has been joined */
	pthread_t thread;
};

static enum stage stage_of(const struct acceptor *acceptor)
{
	return (enum stage)atomic_load(&acceptor->stage);
}

/* ---------------------------------------------------------------- accepting */

static int accept_one(int listener, struct sockaddr_storage *address, socklen_t *size)
{
	*size = sizeof *address;
	int fd = accept(listener, (struct sockaddr *)address, size);
	if (fd < 0)
		return -1;
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	if (address->ss_family == AF_UNIX) {
		const struct socket_user user = socket_user(fd);
		memcpy(address, &user, sizeof user);
		*size = sizeof user;
	}
	return fd;
}

/* Whether the client is to blame, or nobody: then the next one may be accepted at once. */
static bool is_passing(int error)
{
	return error != EMFILE && error != ENFILE && error != ENOBUFS && error != ENOMEM;
}

static bool has_client(int listener)
{
	struct pollfd state = {.fd = listener, .events = POLLIN};
	return poll(&state, 1, 0) == 1;
}

static bool anybody_waits(const struct acceptor *a)
{
	for (size_t i = 0; i < a->listeners->n; i++)
		if (a->waits[i])
			return true;
	return false;
}

static void hand_over(const struct acceptor *a, size_t i, int fd, const struct sockaddr *address,
		      socklen_t size)
{
	/* The last of a crowd is not kept from its next request by its own coming. */
	if (admission_is_crowded(a->setup.admission) && !anybody_waits(a) &&
	    !has_client(a->listeners->fds[i]))
		admission_crowd(a->setup.admission, false);
	if (admission_take(a->setup.admission, i, fd, address))
		a->setup.connected(a->setup.context, i, fd, address, size);
	else
		close(fd);
}

/* A place for the next connection of listener i. False: there is none; whether somebody waits for
 * one stands in `waits`. */
static bool find_place(struct acceptor *a, size_t i)
{
	if (admission_open(a->setup.admission, i))
		return true;
	if (!has_client(a->listeners->fds[i]))
		return false;
	admission_crowd(a->setup.admission, true);
	if (admission_open(a->setup.admission, i))
		return true;
	a->waits[i] = true;
	return false;
}

/* One connection of listener i. False: there is none, or it has to wait. */
static bool serve_one(struct acceptor *a, size_t i)
{
	struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
	socklen_t size;
	if (!find_place(a, i))
		return false;
	int fd = accept_one(a->listeners->fds[i], &address, &size);
	int error = errno;
	if (fd >= 0) {
		hand_over(a, i, fd, (struct sockaddr *)&address, size);
		return true;
	}
	admission_abandon(a->setup.admission, i);
	a->waits[i] = !is_passing(error);
	return is_passing(error) && error != EAGAIN && error != EWOULDBLOCK;
}

/* ---------------------------------------------------------------- waiting */

static void empty_pipe(const struct acceptor *a)
{
	char bytes[64];
	while (read(a->wake[0], bytes, sizeof bytes) == (ssize_t)sizeof bytes)
		continue;
}

/* Which of the listeners have a client, after so many milliseconds at most (-1: without end); not
 * those of which one waits. */
static bool poll_listeners(struct acceptor *a, int milliseconds, bool *ready)
{
	struct pollfd fds[CONFIG_MAX_LISTENERS + 1];
	size_t n = a->listeners->n;
	bool any = false;
	fds[n] = (struct pollfd){.fd = a->wake[0], .events = POLLIN};
	for (size_t i = 0; i < n; i++)
		fds[i] =
			(struct pollfd){.fd = a->waits[i] || a->left[i] ? -1 : a->listeners->fds[i],
					.events = POLLIN};
	int found = poll(fds, (nfds_t)n + 1, milliseconds);
	for (size_t i = 0; i < n; i++) {
		ready[i] = found > 0 && fds[i].revents != 0;
		any |= ready[i];
	}
	if (found > 0 && fds[n].revents != 0)
		empty_pipe(a);
	return any;
}

static void take_turn(struct acceptor *a, size_t i)
{
	bool more = true;
	for (int n = 0; more && n < TURN; n++)
		more = serve_one(a, i);
	a->times[i] = a->waits[i] ? a->times[i] + 1 : 0;
	if (a->waits[i])
		a->setup.crowded(a->setup.context, i, a->times[i]);
}

/* A turn for each listener that has a client. False: none has. */
static bool serve_all(struct acceptor *a, int milliseconds)
{
	bool ready[CONFIG_MAX_LISTENERS] = {false};
	bool any = poll_listeners(a, milliseconds, ready);
	for (size_t i = 0; any && i < a->listeners->n; i++)
		if (ready[i])
			take_turn(a, i);
	return any;
}

/* Until there may be room; who waits is then asked again. */
static void wait_for_room(struct acceptor *a)
{
	serve_all(a, RETRY_MS);
	for (size_t i = 0; i < a->listeners->n; i++)
		a->waits[i] = false;
}

static void accept_until_told(struct acceptor *a)
{
	while (stage_of(a) == ACCEPTING) {
		if (anybody_waits(a))
			wait_for_room(a);
		else if (!serve_all(a, 0)) {
			admission_crowd(a->setup.admission, false);
			serve_all(a, -1);
		}
	}
}

/* ---------------------------------------------------------------- the end */

/* Who connects from now on is the next server's, and so is who finds no room. */
static void leave_given(struct acceptor *a)
{
	for (size_t i = 0; i < a->listeners->n; i++) {
		a->left[i] = a->listeners->given[i];
		a->waits[i] &= !a->left[i];
	}
}

/* Who has connected is accepted, before a closed listener would reset it. */
static void drain(struct acceptor *a)
{
	bool told = false;
	uint64_t begun_ns = clock_ns(), last_ns = begun_ns; /* when the last client came */
	listeners_leave(a->listeners);
	while (stage_of(a) == DRAINING) {
		if (clock_ns() - begun_ns >= LAST_CALL_MS * NS_PER_MS)
			leave_given(a);
		if (anybody_waits(a)) {
			if (!told)
				a->setup.drained(a->setup.context);
			told = true;
			wait_for_room(a);
		} else if (serve_all(a, LAST_CALL_MS)) {
			last_ns = clock_ns();
		} else if (clock_ns() - last_ns >= LAST_CALL_MS * NS_PER_MS) {
			break;
		}
	}
	if (!told)
		a->setup.drained(a->setup.context);
}

static void *run(void *argument)
{
	struct acceptor *a = (struct acceptor *)argument;
	accept_until_told(a);
	if (stage_of(a) == DRAINING)
		drain(a);
	admission_crowd(a->setup.admission, false);
	listeners_close(a->listeners);
	atomic_store(&a->closed, true);
	return NULL;
}

/* ---------------------------------------------------------------- calls */

bool acceptor_start(struct loss_arena *arena, const struct acceptor_setup *setup,
		    struct acceptor **acceptor)
{
	struct acceptor *a = loss_arena_array(arena, struct acceptor, 1);
	*acceptor = NULL;
	if (!a)
		return false;
	*a = (struct acceptor){.setup = *setup, .listeners = setup->listeners};
	if (!pipe_open(a->wake))
		return false;
	*acceptor = a;
	if (pthread_create(&a->thread, NULL, run, a) == 0)
		return true;
	*acceptor = NULL;
	close(a->wake[0]);
	close(a->wake[1]);
	return false;
}

void acceptor_look_again(struct acceptor *acceptor)
{
	/* A full pipe wakes as well as one more byte would. */
	ssize_t written = write(acceptor->wake[1], "", 1);
	(void)written;
}

static void enter(struct acceptor *acceptor, enum stage stage)
{
	atomic_store(&acceptor->stage, stage);
	acceptor_look_again(acceptor);
}

void acceptor_drain(struct acceptor *acceptor)
{
	enter(acceptor, DRAINING);
}

bool acceptor_is_closed(struct acceptor *acceptor)
{
	return atomic_load(&acceptor->closed);
}

void acceptor_stop(struct acceptor *acceptor)
{
	if (!acceptor || acceptor->stopped)
		return;
	enter(acceptor, STOPPING);
	pthread_join(acceptor->thread, NULL);
	acceptor->stopped = true;
}

void acceptor_destroy(struct acceptor *acceptor)
{
	if (!acceptor)
		return;
	acceptor_stop(acceptor);
	close(acceptor->wake[0]);
	close(acceptor->wake[1]);
}
