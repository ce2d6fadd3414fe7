#include "tracer.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "collector.h"
#include "log/log.h"
#include "span_id.h"
#include "span_json.h"
#include "span_ring.h"

#define S UINT64_C(1000000000) /* in nanoseconds */
#define BATCH 512              /* requests in a document */
#define BATCH_NS (1 * S)       /* how long the first one waits for others */
#define STOP_NS (1 * S)
/* A document is sent so many times, later and later, before it is given up. */
#define TRIES 5
#define FIRST_PAUSE_NS (1 * S)
/* Who asks for more time than that gets that. */
#define LONGEST_PAUSE_S 300

struct tracer {
	pthread_t thread;
	/* The thread's own. */
	struct collector *collector;
	struct span_resource resource;
	bool failing;      /* a line has said so */
	uint64_t leave_ns; /* until then the collector wants to be left alone */
	/* Guards the rest. Spans at the front of the ring are read by the thread without it. */
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool stops;
	struct tracer_counts counts;
	struct span_ring ring;
};

/* ---------------------------------------------------------------- waiting; with the mutex */

/* On the clock of clock_ns; false: the time has come. */
static bool wait_until(struct tracer *t, uint64_t ns)
{
	uint64_t now = clock_ns();
	if (now >= ns)
		return false;
#ifdef __APPLE__ /* whose conditions know no other clock than the wall's */
	const struct timespec left = {(time_t)((ns - now) / S), (long)((ns - now) % S)};
	pthread_cond_timedwait_relative_np(&t->changed, &t->mutex, &left);
#else
	const struct timespec end = {(time_t)(ns / S), (long)(ns % S)};
	pthread_cond_timedwait(&t->changed, &t->mutex, &end);
#endif
	return clock_ns() < ns;
}

/* As many as there are after a while; 0: it stops, and nothing is left. */
static size_t wait_for_batch(struct tracer *t, const struct span **first)
{
	pthread_mutex_lock(&t->mutex);
	while (t->ring.n == 0 && !t->stops)
		pthread_cond_wait(&t->changed, &t->mutex);
	uint64_t end = clock_ns() + BATCH_NS;
	while (t->ring.n < BATCH && !t->stops && wait_until(t, end)) {
	}
	size_t n = span_ring_front(&t->ring, BATCH, first);
	pthread_mutex_unlock(&t->mutex);
	return n;
}

/* False: it stops. */
static bool pause_until(struct tracer *t, uint64_t ns)
{
	pthread_mutex_lock(&t->mutex);
	while (!t->stops && wait_until(t, ns)) {
	}
	bool goes_on = !t->stops;
	pthread_mutex_unlock(&t->mutex);
	return goes_on;
}

/* ---------------------------------------------------------------- sending */

/* Later each time, and not all servers at once. */
static uint64_t pause_ns(unsigned tries, const struct collector_reply *reply)
{
	uint64_t most = FIRST_PAUSE_NS << tries, seconds = reply->wait_seconds;
	if (seconds > 0)
		return (seconds < LONGEST_PAUSE_S ? seconds : LONGEST_PAUSE_S) * S;
	return most / 2 + span_id_next() % (most / 2);
}

static void post(struct tracer *t, const struct loss_buffer *document,
		 struct collector_reply *reply)
{
	for (unsigned tries = 0; tries < TRIES; tries++) {
		/* Also one before may have been told to leave it alone. */
		if (t->leave_ns > clock_ns() && !pause_until(t, t->leave_ns))
			return;
		collector_post(t->collector, document, reply);
		if (reply->end != COLLECTOR_BUSY)
			return;
		t->leave_ns = clock_ns() + pause_ns(tries, reply);
	}
}

static void send_batch(struct tracer *t, const struct span *spans, size_t n,
		       struct collector_reply *reply)
{
	struct loss_arena *arena = loss_arena_create(NULL);
	struct loss_buffer *document = arena ? loss_buffer_create(arena) : NULL;
	*reply = (struct collector_reply){.end = COLLECTOR_BUSY, .why = "no time is left"};
	if (document && span_json_write(document, &t->resource, spans, n))
		post(t, document, reply);
	else
		snprintf(reply->why, sizeof reply->why, "no memory is left");
	loss_arena_destroy(arena);
}

/* ---------------------------------------------------------------- what has become of them */

/* One line when it begins, and one when it ends. */
static void tell(struct tracer *t, const struct collector_reply *reply, uint64_t dropped)
{
	bool failed = reply->end != COLLECTOR_TOOK || reply->rejected > 0;
	const struct log_field fields[] = {{"why", reply->why, 0},
					   {"spans", NULL, (double)dropped}};
	if (failed && !t->failing)
		log_event(LOG_WARNING, "the collector does not take spans", fields, 2);
	if (!failed && t->failing)
		log_event(LOG_INFO, "the collector takes spans again", NULL, 0);
	t->failing = failed;
}

static void settle(struct tracer *t, const struct span *spans, size_t n,
		   const struct collector_reply *reply)
{
	uint64_t all = 0, dropped = reply->rejected;
	for (size_t i = 0; i < n; i++)
		all += span_count(&spans[i]);
	if (reply->end != COLLECTOR_TOOK || dropped > all)
		dropped = all;
	tell(t, reply, dropped);
	pthread_mutex_lock(&t->mutex);
	t->counts.exported += all - dropped;
	t->counts.dropped += dropped;
	span_ring_drop(&t->ring, n);
	pthread_mutex_unlock(&t->mutex);
}

static void *send_them_all(void *argument)
{
	struct tracer *t = (struct tracer *)argument;
	const struct span *spans;
	struct collector_reply reply;
	for (size_t n; (n = wait_for_batch(t, &spans)) > 0;) {
		send_batch(t, spans, n, &reply);
		settle(t, spans, n, &reply);
	}
	return NULL;
}

/* ---------------------------------------------------------------- start, stop */

/* That waits by the clock of clock_ns. */
static void make_condition(pthread_cond_t *condition)
{
	pthread_condattr_t attributes;
	pthread_condattr_init(&attributes);
#ifndef __APPLE__
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
#endif
	pthread_cond_init(condition, &attributes);
	pthread_condattr_destroy(&attributes);
}

/* What there is of it but its thread. */
static void release(struct tracer *t)
{
	collector_destroy(t->collector);
	pthread_cond_destroy(&t->changed);
	pthread_mutex_destroy(&t->mutex);
}

struct tracer *tracer_start(struct loss_arena *arena, const char *endpoint)
{
	struct tracer *t = loss_arena_array(arena, struct tracer, 1);
	if (!t)
		return NULL;
	/* Of the ring no more than this is touched before there are spans. */
	memset(t, 0, offsetof(struct tracer, ring.spans));
	span_id_start();
	span_resource_make(&t->resource);
	t->collector = collector_create(arena, endpoint);
	pthread_mutex_init(&t->mutex, NULL);
	make_condition(&t->changed);
	if (t->collector && pthread_create(&t->thread, NULL, send_them_all, t) == 0)
		return t;
	release(t);
	return NULL;
}

void tracer_put(struct tracer *t, const struct span *span)
{
	pthread_mutex_lock(&t->mutex);
	if (!span_ring_put(&t->ring, span))
		t->counts.dropped += span_count(span);
	/* The thread waits for the first, and then for so many. */
	else if (t->ring.n == 1 || t->ring.n == BATCH)
		pthread_cond_signal(&t->changed);
	pthread_mutex_unlock(&t->mutex);
}

struct tracer_counts tracer_counts(struct tracer *t)
{
	struct tracer_counts counts = {0, 0};
	if (!t)
		return counts;
	pthread_mutex_lock(&t->mutex);
	counts = t->counts;
	pthread_mutex_unlock(&t->mutex);
	return counts;
}

void tracer_stop(struct tracer *t)
{
	if (!t)
		return;
	collector_end_at(t->collector, clock_ns() + STOP_NS);
	pthread_mutex_lock(&t->mutex);
	t->stops = true;
	pthread_cond_signal(&t->changed);
	pthread_mutex_unlock(&t->mutex);
	pthread_join(t->thread, NULL);
	release(t);
}
