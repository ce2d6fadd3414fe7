#include "signals.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "pipe.h"

/* A handler may do next to nothing, and reaches nothing but statics: so marks, and a pipe that
 * wakes who waits for them. Signals of one kind that have not been waited for are one. */
static int ends[2] = {-1, -1};
static atomic_int n_stops;
static atomic_int stop_number; /* SIGTERM, SIGINT, or 0 */
static atomic_bool hung_up;

static void handle(int number)
{
	int saved = errno;
	if (number != SIGHUP && atomic_fetch_add(&n_stops, 1) > 0)
		_exit(1);
	if (number == SIGHUP)
		atomic_store(&hung_up, true);
	else
		atomic_store(&stop_number, number);
	ssize_t written = write(ends[1], "", 1);
	(void)written; /* full: it wakes as well */
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

static int take_mark(void)
{
	int stop = atomic_exchange(&stop_number, 0);
	if (stop != 0)
		return stop;
	return atomic_exchange(&hung_up, false) ? SIGHUP : 0;
}

int signals_wait(int timeout_ms)
{
	struct pollfd pipe_end = {.fd = ends[0], .events = POLLIN};
	char bytes[64];
	/* Of two marks the second one has no byte any more. */
	if (atomic_load(&hung_up) || atomic_load(&stop_number) != 0)
		return take_mark();
	if (poll(&pipe_end, 1, timeout_ms) == 1)
		while (read(ends[0], bytes, sizeof bytes) == (ssize_t)sizeof bytes)
			continue;
	return take_mark();
}
