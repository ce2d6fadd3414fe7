#include "signals.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "pipe.h"

/* A handler may do next to nothing, and reaches nothing but statics: so a pipe. */
static int ends[2] = {-1, -1};
static atomic_int n_stops;

static void handle(int number)
{
	int saved = errno;
	unsigned char byte = (unsigned char)number;
	if (number != SIGHUP && atomic_fetch_add(&n_stops, 1) > 0)
		_exit(1);
	ssize_t written = write(ends[1], &byte, 1);
	(void)written; /* full: hundreds of signals wait already */
	errno = saved;
}

static sigset_t stops(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	return set;
}

bool signals_start(void)
{
	sigset_t blocked = stops();
	if (!pipe_open(ends) || pthread_sigmask(SIG_BLOCK, &blocked, NULL) != 0)
		return false;
	struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigemptyset(&action.sa_mask);
	sigemptyset(&ignore.sa_mask);
	return sigaction(SIGTERM, &action, NULL) == 0 && sigaction(SIGINT, &action, NULL) == 0 &&
	       sigaction(SIGHUP, &action, NULL) == 0 && sigaction(SIGPIPE, &ignore, NULL) == 0 &&
	       sigaction(SIGXFSZ, &ignore, NULL) == 0;
}

void signals_take(void)
{
	sigset_t taken = stops();
	pthread_sigmask(SIG_UNBLOCK, &taken, NULL);
}

int signals_wait(int timeout_ms)
{
	struct pollfd pipe_end = {.fd = ends[0], .events = POLLIN};
	unsigned char number = 0;
	if (poll(&pipe_end, 1, timeout_ms) == 1 && read(ends[0], &number, 1) == 1)
		return number;
	return 0;
}
