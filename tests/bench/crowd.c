#include "crowd.h"

#include <math.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "timing.h"

#define EVENTS 256
#define TICK_MS 10
#define TICKS (1000 / TICK_MS) /* a second, in each of which a part of all members has its turn */

bool crowd_open(struct crowd *crowd, unsigned port, const struct crowd_kind *kind)
{
	struct member *member = &crowd->members[crowd->n];
	*member = (struct member){.kind = kind, .gone = (double)INFINITY};
	if (!channel_open(&member->channel, port, kind->channel) ||
	    !channel_send(&member->channel, kind->opening, strlen(kind->opening))) {
		channel_close(&member->channel);
		return false;
	}
	member->opened = now_seconds();
	crowd->n++;
	return true;
}

/* What it sends to a server that has just gone is lost, and what it reads may be nothing. */
static void attend(struct member *member)
{
	char byte = member->kind->trickle;
	if (!isinf(member->gone))
		return;
	if (byte)
		(void)!send(member->channel.socket, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	else
		(void)!recv(member->channel.socket, &byte, 1, MSG_DONTWAIT);
}

/* A socket that is closed is watched no longer. */
static void see_off(struct crowd *crowd, struct member *member)
{
	member->gone = now_seconds();
	channel_close(&member->channel);
	atomic_fetch_sub(&crowd->left, 1);
}

static void *attend_all(void *context)
{
	struct crowd *crowd = context;
	struct epoll_event events[EVENTS];
	double start = now_seconds();
	size_t turns = 0;
	while (!atomic_load(&crowd->over) && atomic_load(&crowd->left) > 0) {
		int n = epoll_wait(crowd->epoll, events, EVENTS, TICK_MS);
		for (int i = 0; i < n; i++)
			see_off(crowd, events[i].data.ptr);
		double ticks = floor((now_seconds() - start) * TICKS);
		for (; (double)turns < ticks * (double)crowd->n / TICKS; turns++)
			attend(&crowd->members[turns % crowd->n]);
	}
	return NULL;
}

bool crowd_attend(struct crowd *crowd)
{
	crowd->epoll = epoll_create1(EPOLL_CLOEXEC);
	atomic_store(&crowd->over, false);
	atomic_store(&crowd->left, crowd->n);
	for (size_t i = 0; i < crowd->n; i++) {
		struct epoll_event event = {.events = EPOLLRDHUP, .data.ptr = &crowd->members[i]};
		if (epoll_ctl(crowd->epoll, EPOLL_CTL_ADD, crowd->members[i].channel.socket,
			      &event) != 0)
			return false;
	}
	return pthread_create(&crowd->thread, NULL, attend_all, crowd) == 0;
}

void crowd_wait(struct crowd *crowd, double seconds)
{
	double end = now_seconds() + seconds;
	while (atomic_load(&crowd->left) > 0 && now_seconds() < end)
		usleep(TICK_MS * 1000);
	atomic_store(&crowd->over, true);
	pthread_join(crowd->thread, NULL);
	close(crowd->epoll);
}

void crowd_close(struct crowd *crowd)
{
	for (size_t i = 0; i < crowd->n; i++)
		channel_close(&crowd->members[i].channel);
	crowd->n = 0;
}
