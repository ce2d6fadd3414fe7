#include "reaper.h"

#include <assert.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "metrics.h"
#include "pipe.h"

#define NEVER UINT64_MAX
#define MS UINT64_C(1000000)
#define SECOND UINT64_C(1000000000)
/* How often a client is looked at whose request is being computed: work for nobody ends after this
 * long. */
#define WATCH_NS (100 * MS)
/* The same for one whose request is being received: its memory is held for nobody this long. */
#define RECEIVE_WATCH_NS SECOND
/* What a connection without a request line gets when the server drains: a request under way arrives
 * in this. */
#define DRAIN_GRACE_NS SECOND

/* Longer ones are slept in pieces: poll takes an int. */
#define LONGEST_SLEEP_MS 1000000

#ifndef POLLRDHUP
#define POLLRDHUP POLLHUP
#endif

struct reaper_entry {
	_Atomic uint64_t start_ns;    /* of the phase */
	_Atomic uint64_t deadline_ns; /* of the phase; NEVER: none */
	atomic_int phase;

	/* Under the mutex. */
	int fd;
	bool cut;          /* shut down already */
	bool half_cut;     /* its reading side is, by us: that is no sign of the client's leaving */
	uint64_t check_ns; /* when the thread looks at this entry again: never after its deadline */
	size_t place;      /* in the heap */
	uint64_t expires_ns;   /* the request's deadline; NEVER: none, or fired */
	reaper_notice *notice; /* NULL: nobody watches */
	void *context;
	struct reaper_entry *next_free;
};

struct reaper {
	const struct config *config;
	uint64_t longest_check_ns; /* the shortest timeout of all phases: see look() */
	atomic_bool draining;
	int wake[2]; /* a pipe: a byte in it ends the thread's sleep */
	pthread_t thread;

	pthread_mutex_t mutex; /* guards all below, and the entries as said there */
	bool stopping;
	uint64_t wakes_ns; /* when the thread's sleep ends */
	size_t n_open;
	struct reaper_entry **heap; /* of open entries, the earliest check_ns first */
	struct reaper_entry *entries;
	size_t n_entries, n_used;
	struct reaper_entry *free;
};

/* ---------------------------------------------------------------- the heap */

static void put(struct reaper *r, size_t place, struct reaper_entry *entry)
{
	r->heap[place] = entry;
	entry->place = place;
}

static void sift_up(struct reaper *r, size_t place)
{
	struct reaper_entry *entry = r->heap[place];
	for (; place > 0; place = (place - 1) / 2) {
		struct reaper_entry *parent = r->heap[(place - 1) / 2];
		if (parent->check_ns <= entry->check_ns)
			break;
		put(r, place, parent);
	}
	put(r, place, entry);
}

static void sift_down(struct reaper *r, size_t place)
{
	struct reaper_entry *entry = r->heap[place];
	for (;;) {
		size_t child = 2 * place + 1;
		if (child + 1 < r->n_open &&
		    r->heap[child + 1]->check_ns < r->heap[child]->check_ns)
			child++;
		if (child >= r->n_open || r->heap[child]->check_ns >= entry->check_ns)
			break;
		put(r, place, r->heap[child]);
		place = child;
	}
	put(r, place, entry);
}

static void wake(struct reaper *r)
{
	/* A full pipe wakes as well as one more byte would. */
	ssize_t written = write(r->wake[1], "", 1);
	(void)written;
}

/* Sets when to look again; wakes the thread when that is before the end of its sleep. */
static void schedule(struct reaper *r, struct reaper_entry *entry, uint64_t check_ns)
{
	entry->check_ns = check_ns;
	sift_up(r, entry->place);
	sift_down(r, entry->place);
	if (check_ns < r->wakes_ns) {
		r->wakes_ns = check_ns;
		wake(r);
	}
}

/* ---------------------------------------------------------------- deadlines */

static uint64_t timeout_ns(const struct config *config, enum reaper_phase phase)
{
	const uint64_t ms[REAPER_N_PHASES] = {
		[REAPER_OPENED] = config->head_timeout_ms, [REAPER_HEAD] = config->head_timeout_ms,
		[REAPER_BODY] = config->body_timeout_ms,   [REAPER_COMPUTE] = 0,
		[REAPER_REPLY] = config->reply_timeout_ms, [REAPER_IDLE] = config->idle_timeout_ms,
	};
	return phase == REAPER_COMPUTE ? NEVER : ms[phase] * MS;
}

/* Time that so many bytes may take beyond the phase's timeout. */
static uint64_t allowance_ns(const struct config *config, enum reaper_phase phase, uint64_t bytes)
{
	uint64_t rate = phase == REAPER_BODY    ? config->body_min_bytes_per_second
			: phase == REAPER_REPLY ? config->reply_min_bytes_per_second
						: 0;
	return rate == 0 ? 0 : bytes / rate * SECOND + bytes % rate * SECOND / rate;
}

static const enum metrics_reject rejects[REAPER_N_PHASES] = {
	[REAPER_OPENED] = METRICS_REJECT_HEAD_TIMEOUT,
	[REAPER_HEAD] = METRICS_REJECT_HEAD_TIMEOUT,
	[REAPER_BODY] = METRICS_REJECT_BODY_TIMEOUT,
	[REAPER_COMPUTE] = METRICS_REJECT_CLIENT_GONE,
	[REAPER_REPLY] = METRICS_REJECT_REPLY_TIMEOUT,
	[REAPER_IDLE] = METRICS_REJECT_IDLE_TIMEOUT,
};

static void cut(struct reaper_entry *entry)
{
	if (!entry->cut)
		shutdown(entry->fd, SHUT_RDWR);
	entry->cut = true;
}

/* For idle connections when the server drains: a request that is in the socket's buffer already is
 * still read, and answered. */
static void cut_half(struct reaper_entry *entry)
{
	if (!entry->cut && !entry->half_cut)
		shutdown(entry->fd, SHUT_RD);
	entry->half_cut = true;
}

static void notify(struct reaper_entry *entry, enum reaper_event event)
{
	if (entry->notice)
		entry->notice(entry->context, event);
}

/* The client has closed its side, or reset the connection. What it sent before may still be unread.
 */
static bool has_left(const struct reaper_entry *entry)
{
	struct pollfd state = {.fd = entry->fd, .events = POLLRDHUP};
	return poll(&state, 1, 0) == 1;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Notices a client that has left, and returns when to look for it again. */
static uint64_t look_at_client(struct reaper_entry *entry, enum reaper_phase phase, uint64_t now)
{
	if (phase == REAPER_COMPUTE) {
		/* Whoever is to be told may come a moment after the phase has begun. */
		if (entry->notice && !entry->half_cut && has_left(entry)) {
			notify(entry, REAPER_GONE);
			entry->notice = NULL;
		}
		return now + WATCH_NS;
	}
	if (phase == REAPER_REPLY)
		return NEVER;
	/* libmicrohttpd overlooks an end that came together with the last bytes that it read. This
	 * changes nothing but wakes it; what is unread in the socket it still reads. */
	if (has_left(entry))
		shutdown(entry->fd, SHUT_RD);
	return phase == REAPER_IDLE ? NEVER : now + RECEIVE_WATCH_NS;
}

/*
 * Does what is due for an entry and returns when to look again. That is never later than the
 * shortest timeout from now: a phase that begins until then ends later than that, so its owner need
 * not tell the thread.
 */
static uint64_t look(struct reaper *r, struct reaper_entry *entry, uint64_t now)
{
	enum reaper_phase phase =
		(enum reaper_phase)atomic_load_explicit(&entry->phase, memory_order_acquire);
	uint64_t deadline = atomic_load_explicit(&entry->deadline_ns, memory_order_acquire);
	uint64_t next = now + r->longest_check_ns;

	if (entry->cut)
		return next;
	if (now >= deadline) {
		metrics_reject(rejects[phase]);
		cut(entry);
		return next;
	}
	if (now >= entry->expires_ns) {
		entry->expires_ns = NEVER;
		notify(entry, REAPER_EXPIRED);
	}
	next = earlier(next, look_at_client(entry, phase, now));
	return earlier(next, earlier(deadline, entry->expires_ns));
}

/* ---------------------------------------------------------------- the thread */

static int sleep_ms(uint64_t until, uint64_t now)
{
	if (until == NEVER)
		return -1;
	if (until <= now)
		return 0;
	uint64_t ms = (until - now + MS - 1) / MS;
	return ms > LONGEST_SLEEP_MS ? LONGEST_SLEEP_MS : (int)ms;
}

static void rest(struct reaper *r, uint64_t until)
{
	struct pollfd pipe = {.fd = r->wake[0], .events = POLLIN};
	char bytes[64];
	if (poll(&pipe, 1, sleep_ms(until, clock_ns())) == 1)
		while (read(r->wake[0], bytes, sizeof bytes) == (ssize_t)sizeof bytes)
			continue;
}

static void *run(void *context)
{
	struct reaper *r = (struct reaper *)context;
	pthread_mutex_lock(&r->mutex);
	while (!r->stopping) {
		uint64_t now = clock_ns();
		while (r->n_open > 0 && r->heap[0]->check_ns <= now) {
			r->heap[0]->check_ns = look(r, r->heap[0], now);
			sift_down(r, 0);
		}
		uint64_t until = r->n_open > 0 ? r->heap[0]->check_ns : NEVER;
		r->wakes_ns = until;
		pthread_mutex_unlock(&r->mutex);
		rest(r, until);
		pthread_mutex_lock(&r->mutex);
	}
	pthread_mutex_unlock(&r->mutex);
	return NULL;
}

static uint64_t shortest_timeout(const struct config *config)
{
	uint64_t shortest = NEVER;
	for (int phase = 0; phase < REAPER_N_PHASES; phase++)
		shortest = earlier(shortest, timeout_ns(config, (enum reaper_phase)phase));
	return shortest > MS ? shortest : MS;
}

struct reaper *reaper_start(struct loss_arena *arena, const struct config *config)
{
	struct reaper *r = loss_arena_array(arena, struct reaper, 1);
	size_t n = (size_t)config->connections;
	if (!r)
		return NULL;

	*r = (struct reaper){.config = config, .n_entries = n, .wakes_ns = NEVER};
	r->longest_check_ns = shortest_timeout(config);
	/* Touched as connections come, so that a high limit costs address space only. */
	r->entries = loss_arena_array(arena, struct reaper_entry, n);
	r->heap = loss_arena_array(arena, struct reaper_entry *, n);
	if (!r->entries || !r->heap || !pipe_open(r->wake))
		return NULL;
	pthread_mutex_init(&r->mutex, NULL);
	if (pthread_create(&r->thread, NULL, run, r) == 0)
		return r;
	close(r->wake[0]);
	close(r->wake[1]);
	return NULL;
}

void reaper_stop(struct reaper *reaper)
{
	if (!reaper)
		return;
	pthread_mutex_lock(&reaper->mutex);
	reaper->stopping = true;
	pthread_mutex_unlock(&reaper->mutex);
	wake(reaper);
	pthread_join(reaper->thread, NULL);
	pthread_mutex_destroy(&reaper->mutex);
	close(reaper->wake[0]);
	close(reaper->wake[1]);
}

/* ---------------------------------------------------------------- connections */

struct reaper_entry *reaper_open(struct reaper *reaper, int fd)
{
	pthread_mutex_lock(&reaper->mutex);
	struct reaper_entry *entry = reaper->free;
	if (entry)
		reaper->free = entry->next_free;
	else if (reaper->n_used < reaper->n_entries)
		entry = &reaper->entries[reaper->n_used++];
	if (entry) {
		uint64_t now = clock_ns();
		uint64_t deadline = now + timeout_ns(reaper->config, REAPER_OPENED);
		bool late = atomic_load(&reaper->draining);
		*entry = (struct reaper_entry){.fd = fd, .expires_ns = NEVER};
		atomic_init(&entry->start_ns, now);
		atomic_init(&entry->deadline_ns, late ? now + DRAIN_GRACE_NS : deadline);
		atomic_init(&entry->phase, REAPER_OPENED);
		put(reaper, reaper->n_open++, entry);
		uint64_t check = now + earlier(reaper->longest_check_ns, RECEIVE_WATCH_NS);
		schedule(reaper, entry,
			 late && now + DRAIN_GRACE_NS < check ? now + DRAIN_GRACE_NS : check);
	}
	pthread_mutex_unlock(&reaper->mutex);
	return entry;
}

void reaper_close(struct reaper *reaper, struct reaper_entry *entry)
{
	pthread_mutex_lock(&reaper->mutex);
	size_t place = entry->place;
	struct reaper_entry *last = reaper->heap[--reaper->n_open];
	if (last != entry) {
		put(reaper, place, last);
		sift_up(reaper, place);
		sift_down(reaper, last->place);
	}
	entry->fd = -1;
	entry->next_free = reaper->free;
	reaper->free = entry;
	pthread_mutex_unlock(&reaper->mutex);
}

size_t reaper_connections(struct reaper *reaper)
{
	pthread_mutex_lock(&reaper->mutex);
	size_t n = reaper->n_open;
	pthread_mutex_unlock(&reaper->mutex);
	return n;
}

bool reaper_was_cut(struct reaper *reaper, const struct reaper_entry *entry)
{
	pthread_mutex_lock(&reaper->mutex);
	bool was = entry->cut;
	pthread_mutex_unlock(&reaper->mutex);
	return was;
}

static void look_now(struct reaper *r, struct reaper_entry *entry)
{
	pthread_mutex_lock(&r->mutex);
	schedule(r, entry, clock_ns());
	pthread_mutex_unlock(&r->mutex);
}

void reaper_enter(struct reaper *reaper, struct reaper_entry *entry, enum reaper_phase phase)
{
	uint64_t now = clock_ns();
	uint64_t timeout = timeout_ns(reaper->config, phase);
	bool leave = phase == REAPER_IDLE && atomic_load(&reaper->draining);

	/* Later first: the thread may look between two of these stores, and must not find a
	 * deadline that has passed beside a phase that has just begun. */
	atomic_store_explicit(&entry->deadline_ns, NEVER, memory_order_release);
	atomic_store_explicit(&entry->start_ns, now, memory_order_relaxed);
	atomic_store_explicit(&entry->phase, phase, memory_order_release);
	atomic_store_explicit(&entry->deadline_ns, timeout == NEVER ? NEVER : now + timeout,
			      memory_order_release);
	if (phase == REAPER_COMPUTE)
		look_now(reaper, entry);
	if (leave) {
		pthread_mutex_lock(&reaper->mutex);
		cut_half(entry);
		pthread_mutex_unlock(&reaper->mutex);
	}
}

void reaper_bytes(struct reaper *reaper, struct reaper_entry *entry, uint64_t bytes)
{
	enum reaper_phase phase =
		(enum reaper_phase)atomic_load_explicit(&entry->phase, memory_order_relaxed);
	uint64_t start = atomic_load_explicit(&entry->start_ns, memory_order_relaxed);
	assert(phase == REAPER_BODY || phase == REAPER_REPLY);
	atomic_store_explicit(&entry->deadline_ns,
			      start + timeout_ns(reaper->config, phase) +
				      allowance_ns(reaper->config, phase, bytes),
			      memory_order_release);
}

void reaper_watch(struct reaper *reaper, struct reaper_entry *entry, uint64_t expires_ns,
		  reaper_notice *notice, void *context)
{
	pthread_mutex_lock(&reaper->mutex);
	entry->notice = notice;
	entry->context = context;
	entry->expires_ns = expires_ns ? expires_ns : NEVER;
	if (entry->expires_ns < entry->check_ns)
		schedule(reaper, entry, entry->expires_ns);
	pthread_mutex_unlock(&reaper->mutex);
}

void reaper_unwatch(struct reaper *reaper, struct reaper_entry *entry)
{
	pthread_mutex_lock(&reaper->mutex);
	entry->notice = NULL;
	entry->expires_ns = NEVER;
	pthread_mutex_unlock(&reaper->mutex);
}

/* ---------------------------------------------------------------- stop */

static void hasten(struct reaper *r, struct reaper_entry *entry, uint64_t now)
{
	enum reaper_phase phase =
		(enum reaper_phase)atomic_load_explicit(&entry->phase, memory_order_acquire);
	uint64_t deadline = atomic_load_explicit(&entry->deadline_ns, memory_order_acquire);

	if (phase == REAPER_IDLE)
		cut_half(entry);
	if (phase == REAPER_OPENED && deadline > now + DRAIN_GRACE_NS) {
		/* Its owner may enter the next phase at this moment: that one's deadline then
		 * stands. */
		atomic_compare_exchange_strong(&entry->deadline_ns, &deadline,
					       now + DRAIN_GRACE_NS);
		schedule(r, entry, now);
	}
}

void reaper_drain(struct reaper *reaper)
{
	atomic_store(&reaper->draining, true);
	pthread_mutex_lock(&reaper->mutex);
	uint64_t now = clock_ns();
	for (size_t i = 0; i < reaper->n_used; i++)
		if (reaper->entries[i].fd >= 0)
			hasten(reaper, &reaper->entries[i], now);
	pthread_mutex_unlock(&reaper->mutex);
}

void reaper_cut_all(struct reaper *reaper)
{
	pthread_mutex_lock(&reaper->mutex);
	for (size_t i = 0; i < reaper->n_used; i++) {
		struct reaper_entry *entry = &reaper->entries[i];
		if (entry->fd < 0)
			continue;
		cut(entry);
		notify(entry, REAPER_GONE);
		entry->notice = NULL;
	}
	pthread_mutex_unlock(&reaper->mutex);
}
