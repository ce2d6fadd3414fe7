#include <string.h>
#include <sys/socket.h>

#include "metrics/metrics.h"
#include "os/socket.h"
#include "reaper_entry.h"

/* One whose request is being computed is looked at this often: work for nobody ends after this
 * long. */
#define WATCH_NS (100 * MS)
/* A client that sends no more is asked whether it still reads, after this long and ever less often
 * then: most results are there sooner. */
#define PROBE_NS SECOND
/* A connection that is idle for less may have a request in libmicrohttpd's buffer. */
#define EVICTED_AFTER_NS (20 * MS)
/* Transfers whose requests hold less are not missed; one is ended at most so often, and the want of
 * memory is remembered so long. */
#define HELD_BYTES ((uint64_t)256 * 1024)
#define RELIEF_NS (100 * MS)
#define PRESSURE_NS (2 * SECOND)

/* ---------------------------------------------------------------- rules */

/* The settings of a phase, as places in struct config; 0: none. */
static const struct {
	size_t timeout_ms, bytes_per_second;
} rules[REAPER_N_PHASES] = {
#define PLACE(name) offsetof(struct config, name)
	[REAPER_OPENED] = {PLACE(head_timeout_ms), 0},
	[REAPER_HEAD] = {PLACE(head_timeout_ms), 0},
	[REAPER_BODY] = {PLACE(body_timeout_ms), PLACE(body_min_bytes_per_second)},
	[REAPER_COMPUTE] = {0, 0},
	[REAPER_REPLY] = {PLACE(reply_timeout_ms), PLACE(reply_min_bytes_per_second)},
	[REAPER_IDLE] = {PLACE(idle_timeout_ms), 0},
#undef PLACE
};

static uint64_t number_at(const struct config *config, size_t place)
{
	return *(const uint64_t *)(const void *)((const char *)config + place);
}

struct pace_rule reaper_rule(const struct reaper *r, enum reaper_phase phase)
{
	size_t timeout = rules[phase].timeout_ms, rate = rules[phase].bytes_per_second;
	return (struct pace_rule){timeout ? number_at(r->config, timeout) * MS : NEVER,
				  rate ? number_at(r->config, rate) : 0};
}

static const enum metrics_reject rejects[REAPER_N_PHASES] = {
	[REAPER_OPENED] = METRICS_REJECT_HEAD_TIMEOUT,
	[REAPER_HEAD] = METRICS_REJECT_HEAD_TIMEOUT,
	[REAPER_BODY] = METRICS_REJECT_BODY_TIMEOUT,
	[REAPER_COMPUTE] = METRICS_REJECT_CLIENT_GONE,
	[REAPER_REPLY] = METRICS_REJECT_REPLY_TIMEOUT,
	[REAPER_IDLE] = METRICS_REJECT_IDLE_TIMEOUT,
};

uint64_t reaper_end_of(const struct reaper *r, enum reaper_phase phase, uint64_t now)
{
	uint64_t timeout = reaper_rule(r, phase).timeout_ns;
	if (timeout == NEVER)
		return NEVER;
	if (waits_for_request(phase) && atomic_load(&r->drain_ns) != 0)
		timeout = earlier(timeout, DRAIN_GRACE_NS);
	return now + timeout;
}

void reaper_cut(struct reaper_entry *entry)
{
	/* What is under way does not end as if it were complete, nor does the kernel keep what
	 * nobody takes: it is reset when it is closed. */
	const struct linger reset = {1, 0};
	enum reaper_phase phase = phase_of(entry);
	if (!entry->cut && (phase == REAPER_BODY || phase == REAPER_REPLY))
		setsockopt(entry->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	if (!entry->cut)
		shutdown(entry->fd, SHUT_RDWR);
	entry->cut = true;
}

void reaper_hasten(struct reaper_entry *entry, uint64_t *deadline, uint64_t to)
{
	if (to < *deadline && atomic_compare_exchange_strong(&entry->deadline_ns, deadline, to))
		*deadline = to;
}

/* ---------------------------------------------------------------- looking */

void reaper_notify(struct reaper_entry *entry, enum reaper_event event)
{
	if (entry->watch.notice)
		entry->watch.notice(entry->watch.context, event);
}

/* Of one whose request is being computed. A client may close its side and still read (RFC 9112,
 * section 9.6), and most that close it do not. */
static uint64_t look_at_client(struct reaper_entry *entry, uint64_t now)
{
	/* Whoever is to be told may come a moment after the phase has begun. */
	enum socket_peer peer = entry->watch.notice ? socket_peer(entry->fd) : SOCKET_PEER_OPEN;
	if (peer == SOCKET_PEER_GONE || (peer == SOCKET_PEER_HALF_CLOSED && entry->encrypted)) {
		reaper_notify(entry, REAPER_GONE);
		entry->watch.notice = NULL;
	} else if (peer == SOCKET_PEER_HALF_CLOSED && entry->probe_ns == 0) {
		entry->probe_wait_ns = PROBE_NS;
		entry->probe_ns = now + PROBE_NS;
	} else if (peer == SOCKET_PEER_HALF_CLOSED && now >= entry->probe_ns &&
		   entry->watch.probes && socket_untaken(entry->fd) == 0) {
		socket_probe(entry->fd);
		entry->probe_wait_ns *= 2;
		entry->probe_ns = now + entry->probe_wait_ns;
	}
	return now + WATCH_NS;
}

/* libmicrohttpd overlooks an end that came together with the last bytes that it read. This changes
 * nothing but wakes it; what is unread in the socket it still reads. */
static void look_at_sender(const struct reaper_entry *entry)
{
	if (socket_peer(entry->fd) != SOCKET_PEER_OPEN)
		shutdown(entry->fd, SHUT_RD);
}

/* Bytes that have moved in the phase, counted from anywhere. */
static uint64_t count_moved(const struct reaper_entry *entry, enum reaper_phase phase)
{
	struct socket_traffic traffic;
	if (phase == REAPER_BODY)
		return atomic_load_explicit(&entry->bytes, memory_order_relaxed);
	return socket_traffic(entry->fd, &traffic) ? traffic.taken : atomic_load(&entry->handed);
}

/* A body's deadline moves as it is fed; a reply's here, as the client takes it. */
static void look_at_transfer(struct reaper *r, struct reaper_entry *entry, enum reaper_phase phase,
			     uint64_t *deadline, uint64_t now)
{
	uint64_t start = atomic_load(&entry->start_ns), moved = count_moved(entry, phase);
	if (entry->paced_ns != start) {
		entry->paced_ns = start;
		entry->pace = pace_start(moved, now);
		entry->taken = moved;
	}
	const struct pace_rule rule = reaper_rule(r, phase);
	pace_note(&entry->pace, moved, now);
	if (phase != REAPER_REPLY)
		return;
	uint64_t later = pace_extend(&rule, *deadline, moved - entry->taken, now);
	if (later > *deadline &&
	    atomic_compare_exchange_strong(&entry->deadline_ns, deadline, later))
		*deadline = later;
	entry->taken = moved;
}

/* The first bytes of a next request end the wait for one. */
static void look_for_head(struct reaper *r, struct reaper_entry *entry, uint64_t *deadline,
			  uint64_t now)
{
	struct socket_traffic traffic;
	int idle = REAPER_IDLE;
	if (!socket_traffic(entry->fd, &traffic) ||
	    traffic.received <= atomic_load(&entry->accounted) ||
	    !atomic_compare_exchange_strong(&entry->phase, &idle, REAPER_OPENED))
		return;
	reaper_hasten(entry, deadline, reaper_end_of(r, REAPER_OPENED, now));
}

static uint64_t look_by_phase(struct reaper *r, struct reaper_entry *entry, enum reaper_phase phase,
			      uint64_t *deadline, uint64_t now)
{
	switch (phase) {
	case REAPER_COMPUTE:
		return look_at_client(entry, now);
	case REAPER_IDLE:
		look_for_head(r, entry, deadline, now);
		break;
	case REAPER_BODY:
		look_at_transfer(r, entry, phase, deadline, now);
		look_at_sender(entry);
		break;
	case REAPER_REPLY:
		look_at_transfer(r, entry, phase, deadline, now);
		break;
	default:
		look_at_sender(entry);
	}
	return NEVER;
}

/* What has come and waits to be read is not the client's delay, nor what has not been sent. */
static bool is_ours(const struct reaper_entry *entry, enum reaper_phase phase)
{
	return phase == REAPER_REPLY ? socket_untaken(entry->fd) == 0
				     : socket_unread(entry->fd) > 0;
}

/* But there is an end to it. */
static bool is_excused(const struct reaper *r, const struct reaper_entry *entry,
		       enum reaper_phase phase, uint64_t deadline, uint64_t now)
{
	return now < deadline + reaper_rule(r, phase).timeout_ns && is_ours(entry, phase);
}

uint64_t reaper_look(struct reaper *r, struct reaper_entry *entry, uint64_t now)
{
	uint64_t next = now + r->look_ns;
	uint64_t deadline = atomic_load_explicit(&entry->deadline_ns, memory_order_acquire);
	enum reaper_phase phase = phase_of(entry);

	if (entry->cut)
		return next;
	if (now >= entry->watch.expires_ns) {
		entry->watch.expires_ns = NEVER;
		reaper_notify(entry, REAPER_EXPIRED);
	}
	next = earlier(next, look_by_phase(r, entry, phase, &deadline, now));
	if (now >= deadline && is_excused(r, entry, phase, deadline, now))
		return earlier(next, now + WATCH_NS);
	if (now >= deadline) {
		if (!waits_for_request(phase) || atomic_load(&r->drain_ns) == 0)
			metrics_reject(rejects[phase]);
		reaper_cut(entry);
		return next;
	}
	return earlier(next, earlier(deadline, entry->watch.expires_ns));
}

/* ---------------------------------------------------------------- relief */

/* A slow transfer that holds memory, and its pace in *per_second. */
static bool is_burden(const struct reaper *r, const struct reaper_entry *entry,
		      uint64_t *per_second)
{
	enum reaper_phase phase = phase_of(entry);
	const struct pace_rule rule = reaper_rule(r, phase);
	*per_second = entry->pace.per_second;
	return (phase == REAPER_BODY || phase == REAPER_REPLY) && !entry->cut &&
	       entry->paced_ns == atomic_load(&entry->start_ns) &&
	       atomic_load(&entry->held) >= HELD_BYTES && pace_is_slow(&entry->pace, &rule) &&
	       !is_ours(entry, phase);
}

void reaper_relieve(struct reaper *r, uint64_t now)
{
	uint64_t pressed = atomic_load(&r->pressed), pace, slowest_pace = NEVER;
	struct reaper_entry *slowest = NULL;
	if (pressed == 0 || now < r->relief_ns)
		return;
	r->relief_ns = now + RELIEF_NS;
	for (size_t i = 0; i < r->heap.n; i++) {
		struct reaper_entry *entry = entry_of(r->heap.items[i]);
		if (!is_burden(r, entry, &pace) || pace >= slowest_pace)
			continue;
		slowest = entry;
		slowest_pace = pace;
	}
	if (slowest) {
		metrics_reject(METRICS_REJECT_SLOW);
		reaper_cut(slowest);
	}
	if (slowest || now >= pressed + PRESSURE_NS)
		atomic_store(&r->pressed, 0);
}

/* Nothing of a next request has come, and it has been so for long enough to be certain. */
static bool may_be_evicted(const struct reaper_entry *entry, uint64_t now)
{
	struct socket_traffic traffic;
	uint64_t start = atomic_load(&entry->start_ns);
	return phase_of(entry) == REAPER_IDLE && !entry->cut && now >= start + EVICTED_AFTER_NS &&
	       socket_unread(entry->fd) == 0 &&
	       (!socket_traffic(entry->fd, &traffic) ||
		traffic.received <= atomic_load(&entry->accounted));
}

/* Puts a candidate among the kept ones, which are in order of their start. */
static void keep_idle(struct reaper *r, struct reaper_entry *entry, uint64_t start_ns)
{
	size_t place = r->n_idle;
	if (place == REAPER_IDLE_KEPT && r->idle[place - 1].start_ns <= start_ns)
		return;
	if (place < REAPER_IDLE_KEPT)
		r->n_idle++;
	else
		place--;
	for (; place > 0 && r->idle[place - 1].start_ns > start_ns; place--)
		r->idle[place] = r->idle[place - 1];
	r->idle[place] = (struct idle){entry, start_ns};
}

static void find_idle(struct reaper *r)
{
	r->n_idle = 0;
	for (size_t i = 0; i < r->heap.n; i++) {
		struct reaper_entry *entry = entry_of(r->heap.items[i]);
		if (phase_of(entry) == REAPER_IDLE && !entry->cut)
			keep_idle(r, entry, atomic_load(&entry->start_ns));
	}
}

/* The first of the kept ones that is still as it was. */
static struct reaper_entry *take_idle(struct reaper *r, uint64_t now)
{
	for (size_t i = 0; i < r->n_idle; i++) {
		struct reaper_entry *entry = r->idle[i].entry;
		bool same = entry->fd >= 0 && atomic_load(&entry->start_ns) == r->idle[i].start_ns;
		if (!same || !may_be_evicted(entry, now))
			continue;
		r->n_idle -= i + 1;
		memmove(r->idle, &r->idle[i + 1], r->n_idle * sizeof *r->idle);
		return entry;
	}
	r->n_idle = 0;
	return NULL;
}

struct reaper_entry *reaper_longest_idle(struct reaper *r, uint64_t now)
{
	struct reaper_entry *longest = take_idle(r, now);
	if (longest)
		return longest;
	find_idle(r);
	return take_idle(r, now);
}
