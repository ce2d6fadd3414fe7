/*
 * A batch of libmicrohttpd's events is never full. When epoll_wait gives it as many events as it
 * asked for, 0.9 asks again before it has done anything about them, and waits: without end, since
 * it has no timeouts of its own here. With exactly 128 events at once, or 256, nobody would be
 * served until another one comes. So it gets one less than it asks for, which it never asks twice
 * about; the others stay ready. The program's own function takes the place of the C library's.
 *
 * Handshakes of TLS wait here too (tls.h): their events are not libmicrohttpd's.
 */
#ifdef __linux__
#include <stddef.h>
#include <sys/epoll.h>

#include "tls.h"

int wait_for_events(int epoll, struct epoll_event *events, int n,
		    int milliseconds) __asm__("epoll_wait");

int wait_for_events(int epoll, struct epoll_event *events, int n, int milliseconds)
{
	tls_waits_by(epoll);
	int found = epoll_pwait(epoll, events, n > 1 ? n - 1 : n, milliseconds, NULL);
	return found > 0 ? tls_take_events(events, found) : found;
}
#else
/* A file of C has something in it. */
extern int epoll_is_not_here;
#endif
