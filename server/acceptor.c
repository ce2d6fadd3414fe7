#include "acceptor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include "pipe.h"

/* How soon to look again for room, or for descriptors. */
#define RETRY_MS 20

struct acceptor {
	struct acceptor_calls calls;
	int listener; /* -1: stopped */
	int wake[2];  /* a byte, or the end, stops the thread */
	pthread_t thread;
};

/* Waits for a connection to accept, where `listens`, or for so many milliseconds; false: stop. */
static bool wait_for_connection(const struct acceptor *acceptor, bool listens, int milliseconds)
{
	struct pollfd fds[] = {{.fd = acceptor->wake[0], .events = POLLIN},
			       {.fd = acceptor->listener, .events = POLLIN}};
	poll(fds, listens ? 2 : 1, milliseconds);
	return fds[0].revents == 0;
}

static int accept_one(const struct acceptor *acceptor, struct sockaddr_storage *address,
		      socklen_t *size)
{
	*size = sizeof *address;
	int fd = accept(acceptor->listener, (struct sockaddr *)address, size);
	if (fd < 0)
		return -1;
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	return fd;
}

/* Whether the client is to blame, or nobody: then the next one may be accepted at once. */
static bool is_passing(int error)
{
	return error != EMFILE && error != ENFILE && error != ENOBUFS && error != ENOMEM;
}

static void *run(void *argument)
{
	struct acceptor *acceptor = (struct acceptor *)argument;
	const struct acceptor_calls *calls = &acceptor->calls;
	bool may_accept = true;
	while (wait_for_connection(acceptor, may_accept, may_accept ? -1 : RETRY_MS)) {
		struct sockaddr_storage address;
		socklen_t size;
		may_accept = calls->has_room(calls->context);
		int fd = may_accept ? accept_one(acceptor, &address, &size) : -1;
		if (fd >= 0)
			calls->connected(calls->context, fd, (struct sockaddr *)&address, size);
		else if (may_accept)
			may_accept = is_passing(errno);
	}
	return NULL;
}

struct acceptor *acceptor_start(struct loss_arena *arena, int listener,
				const struct acceptor_calls *calls)
{
	struct acceptor *acceptor = loss_arena_array(arena, struct acceptor, 1);
	if (!acceptor)
		return NULL;
	*acceptor = (struct acceptor){.calls = *calls, .listener = listener};
	if (!pipe_open(acceptor->wake))
		return NULL;
	if (pthread_create(&acceptor->thread, NULL, run, acceptor) == 0)
		return acceptor;
	close(acceptor->wake[0]);
	close(acceptor->wake[1]);
	return NULL;
}

void acceptor_stop(struct acceptor *acceptor)
{
	if (!acceptor || acceptor->listener < 0)
		return;
	close(acceptor->wake[1]);
	pthread_join(acceptor->thread, NULL);
	close(acceptor->wake[0]);
	close(acceptor->listener);
	acceptor->listener = -1;
}
