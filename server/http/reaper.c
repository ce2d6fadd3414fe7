#include "reaper.h"

#include <assert.h>
#include <poll.h>
#include <unistd.h>

#include "metrics/metrics.h"
#include "os/clock.h"
#include "os/pipe.h"
#include "os/socket.h"
#include "reaper_entry.h"

/* Looks that are made before others may have the mutex. */
#define LOOKS_AT_ONCE 64
/* Between two looks at what the budget keeps: what is not wanted for twice as long goes. */
#define AGE_NS (15000 * MS)
/* Longer ones are slept in pieces: poll takes an int. */
#define LONGEST_SLEEP_MS 1000000

static void wake(struct reaper *r)
{
	/* A full pipe wakes as well as one more byte would. */
	ssize_t written = write(r->wake[1], "", 1);
	(void)written;
}

/* Sets when to look again; wakes the thread when that is before the end of its sleep. */
static void schedule(struct reaper *r, struct reaper_entry *entry, uint64_t due_ns)
{
	entry->item.due_ns = due_ns;
	heap_moved(&r->heap, &entry->item);
	if (due_ns < r->wakes_ns) {
		r->wakes_ns = due_ns;
		wake(r);
	}
}

/* ---------------------------------------------------------------- the thread */

/* Without the mutex, since giving much memory back takes a while. While nothing is kept there is no
 * need to look: what will be is a connection's, which wakes the thread. */
static uint64_t age_budget(struct reaper *r)
{
	uint64_t now = r->clock();
	if (now >= r->age_ns) {
		loss_budget_age(r->budget);
		r->age_ns = NEVER;
	}
	if (!r->budget || loss_budget_kept(r->budget) == 0)
		r->age_ns = NEVER;
	else if (r->age_ns == NEVER)
		r->age_ns = now + AGE_NS;
	return r->age_ns;
}

uint64_t reaper_step(struct reaper *r)
{
	pthread_mutex_lock(&r->mutex);
	uint64_t now = r->clock();
	struct heap *heap = &r->heap;
	for (int n = 0; n < LOOKS_AT_ONCE && heap->n > 0 && heap->items[0]->due_ns <= now; n++) {
		struct heap_item *first = heap->items[0];
		first->due_ns = reaper_look(r, entry_of(first), now);
		heap_moved(heap, first);
	}
	reaper_relieve(r, now);
	uint64_t until = heap->n > 0 ? heap->items[0]->due_ns : NEVER;
	r->wakes_ns = until;
	pthread_mutex_unlock(&r->mutex);
	return earlier(until, age_budget(r));
}

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
	if (poll(&pipe, 1, sleep_ms(until, r->clock())) == 1)
		while (read(r->wake[0], bytes, sizeof bytes) == (ssize_t)sizeof bytes)
			continue;
}

static void *run(void *context)
{
	struct reaper *r = (struct reaper *)context;
	while (!atomic_load(&r->stopping))
		rest(r, reaper_step(r));
	return NULL;
}

static uint64_t shortest_timeout(const struct reaper *r)
{
	uint64_t shortest = LOOK_NS;
	for (int phase = 0; phase < REAPER_N_PHASES; phase++)
		shortest = earlier(shortest, reaper_rule(r, (enum reaper_phase)phase).timeout_ns);
	return shortest > MS ? shortest : MS;
}

struct reaper *reaper_create(struct loss_arena *arena, const struct config *config,
			     struct loss_budget *budget, size_t connections, reaper_clock *clock)
{
	struct reaper *r = loss_arena_array(arena, struct reaper, 1);
	if (!r)
		return NULL;
	*r = (struct reaper){.config = config,
			     .budget = budget,
			     .clock = clock,
			     .glance = clock,
			     .age_ns = NEVER,
			     .n_entries = connections,
			     .wakes_ns = NEVER};
	r->look_ns = shortest_timeout(r);
	/* Touched as connections come, so that a high limit costs address space only. */
	r->entries = loss_arena_array(arena, struct reaper_entry, connections);
	r->heap.items = loss_arena_array(arena, struct heap_item *, connections);
	if (!r->entries || !r->heap.items || !pipe_open(r->wake))
		return NULL;
	pthread_mutex_init(&r->mutex, NULL);
	return r;
}

void reaper_destroy(struct reaper *reaper)
{
	pthread_mutex_destroy(&reaper->mutex);
	close(reaper->wake[0]);
	close(reaper->wake[1]);
}

struct reaper *reaper_start(struct loss_arena *arena, const struct config *config,
			    struct loss_budget *budget, size_t connections)
{
	struct reaper *r = reaper_create(arena, config, budget, connections, clock_ns);
	if (r) {
		r->glance = clock_coarse_ns;
		r->lag_ns = clock_coarse_lag_ns();
	}
	if (!r || pthread_create(&r->thread, NULL, run, r) == 0)
		return r;
	reaper_destroy(r);
	return NULL;
}

void reaper_stop(struct reaper *reaper)
{
	if (!reaper)
		return;
	atomic_store(&reaper->stopping, true);
	wake(reaper);
	pthread_join(reaper->thread, NULL);
	reaper_destroy(reaper);
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
		uint64_t now = reaper->clock();
		*entry = (struct reaper_entry){.fd = fd, .watch.expires_ns = NEVER};
		atomic_init(&entry->start_ns, now);
		atomic_init(&entry->deadline_ns, reaper_end_of(reaper, REAPER_OPENED, now));
		atomic_init(&entry->phase, REAPER_OPENED);
		/* Whoever is accepted while the server drains had connected before. */
		atomic_init(&entry->promise,
			    atomic_load(&reaper->drain_ns) != 0 ? PROMISE_NEXT : PROMISE_NOTHING);
		entry->item.due_ns = now + earlier(FIRST_LOOK_NS, reaper->look_ns);
		heap_add(&reaper->heap, &entry->item);
		schedule(reaper, entry, earlier(entry->item.due_ns, entry->deadline_ns));
		if (reaper->ended)
			reaper_cut(entry);
	}
	pthread_mutex_unlock(&reaper->mutex);
	return entry;
}

void reaper_encrypted(struct reaper *reaper, struct reaper_entry *entry)
{
	pthread_mutex_lock(&reaper->mutex);
	entry->encrypted = true;
	pthread_mutex_unlock(&reaper->mutex);
}

bool reaper_close(struct reaper *reaper, struct reaper_entry *entry)
{
	pthread_mutex_lock(&reaper->mutex);
	heap_remove(&reaper->heap, &entry->item);
	bool evicted = entry->evicted;
	entry->fd = -1;
	entry->next_free = reaper->free;
	reaper->free = entry;
	pthread_mutex_unlock(&reaper->mutex);
	return evicted;
}

void reaper_made_room(struct reaper *reaper)
{
	pthread_mutex_lock(&reaper->mutex);
	reaper->n_evicted--;
	pthread_mutex_unlock(&reaper->mutex);
}

size_t reaper_connections(struct reaper *reaper)
{
	pthread_mutex_lock(&reaper->mutex);
	size_t n = reaper->heap.n;
	pthread_mutex_unlock(&reaper->mutex);
	return n;
}

bool reaper_has_left(struct reaper *reaper, const struct reaper_entry *entry)
{
	(void)reaper;
	return socket_peer(entry->fd) != SOCKET_PEER_OPEN;
}

bool reaper_was_cut(struct reaper *reaper, const struct reaper_entry *entry)
{
	pthread_mutex_lock(&reaper->mutex);
	bool was = entry->cut;
	pthread_mutex_unlock(&reaper->mutex);
	return was;
}

static void enter(struct reaper *r, struct reaper_entry *entry, enum reaper_phase phase,
		  uint64_t bytes, uint64_t held)
{
	uint64_t now = r->glance();
	uint64_t before = atomic_load_explicit(&entry->start_ns, memory_order_relaxed);
	uint64_t start = now > before ? now : before + 1;
	/* Later first: the thread may look between two of these stores, and must not find a
	 * deadline that has passed beside a phase that has just begun. */
	atomic_store_explicit(&entry->deadline_ns, NEVER, memory_order_release);
	atomic_store_explicit(&entry->start_ns, start, memory_order_relaxed);
	atomic_store_explicit(&entry->bytes, bytes, memory_order_relaxed);
	atomic_store_explicit(&entry->held, held, memory_order_relaxed);
	atomic_store_explicit(&entry->phase, phase, memory_order_release);
	/* Never too early. */
	atomic_store_explicit(&entry->deadline_ns, reaper_end_of(r, phase, now + r->lag_ns),
			      memory_order_release);
}

void reaper_head(struct reaper *reaper, struct reaper_entry *entry)
{
	enter(reaper, entry, REAPER_HEAD, 0, 0);
}

void reaper_body(struct reaper *reaper, struct reaper_entry *entry)
{
	enter(reaper, entry, REAPER_BODY, 0, 0);
}

void reaper_whole(struct reaper *reaper, struct reaper_entry *entry)
{
	enter(reaper, entry, REAPER_COMPUTE, 0, 0);
}

void reaper_compute(struct reaper *reaper, struct reaper_entry *entry)
{
	enter(reaper, entry, REAPER_COMPUTE, 0, 0);
	pthread_mutex_lock(&reaper->mutex);
	entry->probe_ns = 0;
	schedule(reaper, entry, reaper->clock());
	pthread_mutex_unlock(&reaper->mutex);
}

void reaper_reply(struct reaper *reaper, struct reaper_entry *entry, uint64_t bytes, uint64_t held)
{
	reaper_handed(entry, 0);
	enter(reaper, entry, REAPER_REPLY, bytes, held);
}

void reaper_handed(struct reaper_entry *entry, uint64_t bytes)
{
	atomic_store_explicit(&entry->handed, bytes, memory_order_relaxed);
}

/* What the request that has ended took of what has been received. */
static void account(struct reaper_entry *entry, uint64_t consumed)
{
	struct socket_traffic traffic;
	uint64_t accounted = atomic_load_explicit(&entry->accounted, memory_order_relaxed);
	if (consumed < REAPER_ALL)
		accounted += consumed;
	else if (socket_traffic(entry->fd, &traffic))
		accounted = traffic.received;
	entry->uncertain |= consumed == REAPER_UNKNOWN;
	atomic_store_explicit(&entry->accounted, accounted, memory_order_relaxed);
}

/* Something of a next request has come. Where the system does not count what comes, or it can not
 * be told whose it was, what has not been read tells it. */
static bool has_begun(const struct reaper_entry *entry)
{
	struct socket_traffic traffic;
	bool known = socket_traffic(entry->fd, &traffic);
	if (known &&
	    traffic.received > atomic_load_explicit(&entry->accounted, memory_order_relaxed))
		return true;
	return (entry->uncertain || !known) && socket_unread(entry->fd) > 0;
}

void reaper_idle(struct reaper *reaper, struct reaper_entry *entry, uint64_t consumed)
{
	account(entry, consumed);
	/* It was there before the last one ended: it has waited for us. */
	bool patient = atomic_load(&entry->promise) != PROMISE_NOTHING &&
		       reaper->clock() - atomic_load(&reaper->drain_ns) < DRAIN_PATIENCE_NS;
	if (patient && has_begun(entry))
		atomic_store(&entry->promise, PROMISE_NEXT);
	/* Whether a next one has begun the thread finds out: to ask costs a system call. */
	enter(reaper, entry, REAPER_IDLE, 0, 0);
}

bool reaper_has_more(struct reaper *reaper, const struct reaper_entry *entry, uint64_t consumed)
{
	struct socket_traffic traffic;
	(void)reaper;
	if (consumed == REAPER_UNKNOWN || entry->uncertain)
		return true; /* perhaps */
	if (consumed == REAPER_ALL)
		return false;
	if (!socket_traffic(entry->fd, &traffic))
		return true; /* perhaps */
	return traffic.received >
	       atomic_load_explicit(&entry->accounted, memory_order_relaxed) + consumed;
}

void reaper_received(struct reaper *reaper, struct reaper_entry *entry, uint64_t bytes,
		     uint64_t held)
{
	const struct pace_rule rule = reaper_rule(reaper, REAPER_BODY);
	uint64_t before = atomic_load_explicit(&entry->bytes, memory_order_relaxed);
	uint64_t deadline = atomic_load_explicit(&entry->deadline_ns, memory_order_relaxed);
	assert(phase_of(entry) == REAPER_BODY && bytes >= before);
	atomic_store_explicit(&entry->held, held, memory_order_relaxed);
	atomic_store_explicit(&entry->bytes, bytes, memory_order_relaxed);
	atomic_store_explicit(&entry->deadline_ns,
			      pace_extend(&rule, deadline, bytes - before, reaper->glance()),
			      memory_order_release);
}

void reaper_watch(struct reaper *reaper, struct reaper_entry *entry,
		  const struct reaper_watch *watch)
{
	pthread_mutex_lock(&reaper->mutex);
	entry->watch = *watch;
	if (watch->expires_ns == 0)
		entry->watch.expires_ns = NEVER;
	if (entry->cut) /* nobody looks at it any more */
		reaper_notify(entry, REAPER_GONE);
	if (entry->watch.expires_ns < entry->item.due_ns)
		schedule(reaper, entry, entry->watch.expires_ns);
	pthread_mutex_unlock(&reaper->mutex);
}

void reaper_unwatch(struct reaper *reaper, struct reaper_entry *entry)
{
	pthread_mutex_lock(&reaper->mutex);
	entry->watch = (struct reaper_watch){.expires_ns = NEVER};
	pthread_mutex_unlock(&reaper->mutex);
}

bool reaper_is_evicting(struct reaper *reaper)
{
	pthread_mutex_lock(&reaper->mutex);
	bool is = reaper->n_evicted > 0;
	pthread_mutex_unlock(&reaper->mutex);
	return is;
}

bool reaper_evict(struct reaper *reaper)
{
	pthread_mutex_lock(&reaper->mutex);
	/* One at a time: the place of the last one is free in a moment. */
	struct reaper_entry *longest =
		reaper->n_evicted > 0 ? NULL : reaper_longest_idle(reaper, reaper->clock());
	if (longest) {
		metrics_reject(METRICS_REJECT_EVICTED);
		longest->evicted = true;
		reaper->n_evicted++;
		reaper_cut(longest);
	}
	bool room = reaper->n_evicted > 0;
	pthread_mutex_unlock(&reaper->mutex);
	return room;
}

void reaper_press(struct reaper *reaper)
{
	uint64_t none = 0;
	if (atomic_compare_exchange_strong(&reaper->pressed, &none, reaper->clock()))
		wake(reaper);
}

/* ---------------------------------------------------------------- stop */

/* What has come of a request is a promise, and so is what was sent after one that is under way: it
 * may be anywhere between here and the client. There is not much time for what has not begun. */
static void hurry(struct reaper *r, struct reaper_entry *entry, uint64_t now)
{
	uint64_t deadline = atomic_load(&entry->deadline_ns);
	enum reaper_phase phase = phase_of(entry);
	bool under_way = !waits_for_request(phase) && phase != REAPER_HEAD;
	if (under_way || socket_unread(entry->fd) > 0)
		atomic_store(&entry->promise, PROMISE_NEXT);
	if (!waits_for_request(phase))
		return;
	reaper_hasten(entry, &deadline, now + DRAIN_GRACE_NS);
	schedule(r, entry, now);
}

void reaper_drain(struct reaper *reaper, uint64_t since_ns)
{
	atomic_store(&reaper->drain_ns, since_ns);
	pthread_mutex_lock(&reaper->mutex);
	uint64_t now = reaper->clock();
	for (size_t i = 0; i < reaper->n_used; i++)
		if (reaper->entries[i].fd >= 0)
			hurry(reaper, &reaper->entries[i], now);
	pthread_mutex_unlock(&reaper->mutex);
}

bool reaper_is_promised(struct reaper *reaper, struct reaper_entry *entry)
{
	struct socket_traffic traffic;
	uint64_t until = atomic_load(&reaper->drain_ns);
	int promise = atomic_load(&entry->promise);
	if (promise == PROMISE_NEXT) {
		atomic_store(&entry->promise, PROMISE_A_WHILE);
		return true;
	}
	if (promise == PROMISE_A_WHILE)
		until += DRAIN_GRACE_NS;
	/* When it was sent is not known of a Unix socket: perhaps before. */
	if (!socket_traffic(entry->fd, &traffic))
		return reaper->clock() < until + DRAIN_GRACE_NS;
	return traffic.silent_ms * MS + until >= reaper->clock();
}

void reaper_cut_all(struct reaper *reaper)
{
	pthread_mutex_lock(&reaper->mutex);
	reaper->ended = true;
	for (size_t i = 0; i < reaper->n_used; i++) {
		struct reaper_entry *entry = &reaper->entries[i];
		if (entry->fd < 0)
			continue;
		reaper_cut(entry);
		reaper_notify(entry, REAPER_GONE);
		entry->watch.notice = NULL;
	}
	pthread_mutex_unlock(&reaper->mutex);
}
