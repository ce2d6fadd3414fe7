/* Deadlines and what else ends a connection, by a clock that the tests move: to the nanosecond. */
#include "../../server/http/reaper.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <stdatomic.h>

#include "../../server/metrics/metrics.h"
#include "../../server/os/clock.h"
#include "../../server/os/socket.h"
#include "../support/tcp.h"

#define MS UINT64_C(1000000)
#define SECOND (1000 * MS)
#define HOUR_MS UINT64_C(3600000)
#define WAIT_MS 60000
#define LARGE ((uint64_t)1 << 20)

static struct config config;
static struct loss_arena *arena;
static struct reaper *reaper;
static struct loss_budget *budget; /* NULL but for who needs one */
static _Atomic uint64_t now_ns;

static uint64_t moved_clock(void)
{
	return atomic_load(&now_ns);
}

struct link {
	struct tcp_pair pair;
	struct reaper_entry *entry;
};

static int start(void **state)
{
	static const char *const labels[] = {"other"};
	(void)state;
	config = (struct config){
		.head_timeout_ms = HOUR_MS,
		.body_timeout_ms = HOUR_MS,
		.reply_timeout_ms = HOUR_MS,
		.idle_timeout_ms = HOUR_MS,
	};
	atomic_store(&now_ns, 1000 * SECOND);
	arena = loss_arena_create(NULL);
	return arena && metrics_start(labels, 1, "base") ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	if (reaper)
		reaper_destroy(reaper);
	reaper = NULL;
	loss_arena_destroy(arena);
	return 0;
}

static void begin_with(size_t connections)
{
	reaper = reaper_create(arena, &config, budget, connections, moved_clock);
	assert_non_null(reaper);
}

static void begin(void)
{
	begin_with(8);
}

/* All that is due at a moment, however many steps that takes; when the next is. */
static uint64_t step(void)
{
	uint64_t next = reaper_step(reaper);
	while (next <= atomic_load(&now_ns))
		next = reaper_step(reaper);
	return next;
}

/* Steps as the reaper's thread would: at each moment that it has asked for. */
static void move_to(uint64_t then)
{
	for (uint64_t next = step(); next <= then; next = step())
		atomic_store(&now_ns, next);
	atomic_store(&now_ns, then);
	step();
}

static void move_by(uint64_t ns)
{
	move_to(atomic_load(&now_ns) + ns);
}

static struct link open_link(void)
{
	struct link link = {.pair = tcp_pair_open()};
	link.entry = reaper_open(reaper, link.pair.server);
	assert_non_null(link.entry);
	return link;
}

static void close_link(struct link *link)
{
	if (reaper_close(reaper, link->entry))
		reaper_made_room(reaper);
	tcp_pair_close(&link->pair);
}

static bool was_cut(const struct link *link)
{
	bool cut = reaper_was_cut(reaper, link->entry);
	if (cut)
		assert_true(tcp_wait_for_end(link->pair.client));
	return cut;
}

/* It is there one nanosecond before, and gone at the deadline. */
static void expect_end_at(const struct link *link, uint64_t deadline)
{
	move_to(deadline - 1);
	assert_false(was_cut(link));
	move_to(deadline);
	assert_true(was_cut(link));
}

/* ---------------------------------------------------------------- phases */

/* Part of a reply that its client does not take: more than the kernels hold for it. */
static void stuff(const struct link *link)
{
	static const char bytes[1 << 16];
	while (send(link->pair.server, bytes, sizeof bytes, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
		continue;
	assert_true(socket_untaken(link->pair.server) > 0);
}

static void enter(const struct link *link, enum reaper_phase phase)
{
	switch (phase) {
	case REAPER_HEAD:
		reaper_head(reaper, link->entry);
		break;
	case REAPER_BODY:
		reaper_body(reaper, link->entry);
		break;
	case REAPER_COMPUTE:
		reaper_compute(reaper, link->entry);
		break;
	case REAPER_REPLY:
		stuff(link);
		reaper_reply(reaper, link->entry, 100, 100);
		break;
	case REAPER_IDLE:
		reaper_idle(reaper, link->entry, 0);
		break;
	default:
		break;
	}
}

/* Each phase has its own setting, in milliseconds, from its own beginning. */
static void each_phase_ends_at_its_deadline(void **state)
{
	static const struct {
		enum reaper_phase phase;
		size_t offset;
	} phases[] = {
		{REAPER_OPENED, offsetof(struct config, head_timeout_ms)},
		{REAPER_HEAD, offsetof(struct config, head_timeout_ms)},
		{REAPER_BODY, offsetof(struct config, body_timeout_ms)},
		{REAPER_REPLY, offsetof(struct config, reply_timeout_ms)},
		{REAPER_IDLE, offsetof(struct config, idle_timeout_ms)},
	};
	static const uint64_t timeouts_ms[] = {1, 300, 10000, 3600000};
	(void)state;
	for (size_t i = 0; i < sizeof phases / sizeof phases[0]; i++)
		for (size_t k = 0; k < sizeof timeouts_ms / sizeof timeouts_ms[0]; k++) {
			uint64_t *timeout =
				(uint64_t *)(void *)((char *)&config + phases[i].offset);
			*timeout = timeouts_ms[k];
			begin();
			struct link link = open_link();
			/* The phase counts, not the connection: time has passed before it. */
			if (phases[i].phase != REAPER_OPENED)
				atomic_fetch_add(&now_ns, 123 * MS / 1000);
			enter(&link, phases[i].phase);
			expect_end_at(&link, moved_clock() + timeouts_ms[k] * MS);
			close_link(&link);
			reaper_destroy(reaper);
			*timeout = HOUR_MS;
		}
	reaper = NULL;
}

static void computing_has_no_deadline(void **state)
{
	(void)state;
	config.head_timeout_ms = config.body_timeout_ms = config.reply_timeout_ms =
		config.idle_timeout_ms = 1000;
	begin();
	struct link link = open_link();
	enter(&link, REAPER_COMPUTE);
	move_by(100 * SECOND);
	assert_false(was_cut(&link));
	close_link(&link);
}

/* A phase that begins ends the deadline of the one before. */
static void a_new_phase_counts_anew(void **state)
{
	(void)state;
	config.head_timeout_ms = 1000;
	begin();
	struct link link = open_link();
	move_by(999 * MS);
	enter(&link, REAPER_HEAD);
	move_by(999 * MS);
	assert_false(was_cut(&link));
	move_by(MS);
	assert_true(was_cut(&link));
	close_link(&link);
}

/* One that has been cut is let alone, whatever its owner makes of it until it is closed. */
static void a_cut_connection_is_not_looked_at_again(void **state)
{
	(void)state;
	config.head_timeout_ms = 1000;
	begin();
	struct link link = open_link();
	move_by(SECOND);
	assert_true(was_cut(&link));
	enter(&link, REAPER_COMPUTE); /* asks for a look at once */
	step();
	/* Not every hundred milliseconds, as one whose request is being computed. */
	assert_true(reaper_step(reaper) >= moved_clock() + 500 * MS);
	close_link(&link);
}

/* ---------------------------------------------------------------- progress */

#define RATE UINT64_C(1000)

static void begin_transfers(void)
{
	config.body_timeout_ms = config.reply_timeout_ms = 10000;
	config.body_min_bytes_per_second = config.reply_min_bytes_per_second = RATE;
	begin();
}

static void bytes_of_a_body_earn_time(void **state)
{
	(void)state;
	begin_transfers();
	struct link link = open_link();
	uint64_t begun = moved_clock();
	enter(&link, REAPER_BODY);
	reaper_received(reaper, link.entry, 1000, LARGE);
	reaper_received(reaper, link.entry, 2500, LARGE); /* in all */
	expect_end_at(&link, begun + 10 * SECOND + 2500 * MS);
	close_link(&link);
}

/* At the least rate a body may go on for ever; a slower one may not. */
static void a_body_lives_as_long_as_it_makes_progress(void **state)
{
	(void)state;
	begin_transfers();
	struct link good = open_link(), slow = open_link();
	enter(&good, REAPER_BODY);
	enter(&slow, REAPER_BODY);
	int seconds = 0;
	for (; seconds < 200; seconds++) {
		move_by(SECOND);
		reaper_received(reaper, good.entry, RATE * (uint64_t)(seconds + 1), LARGE);
		if (!was_cut(&slow))
			reaper_received(reaper, slow.entry, RATE * (uint64_t)(seconds + 1) / 2,
					LARGE);
		else if (seconds < 20 - 2)
			fail_msg("cut after %d seconds", seconds);
	}
	assert_true(was_cut(&slow)); /* half of it: after twice the timeout */
	assert_false(was_cut(&good));
	close_link(&good);
	close_link(&slow);
}

/* What came fast is no credit for hours. */
static void a_body_that_stops_ends_soon(void **state)
{
	(void)state;
	begin_transfers();
	struct link link = open_link();
	enter(&link, REAPER_BODY);
	move_by(SECOND);
	reaper_received(reaper, link.entry, 1000 * 1000 * RATE, LARGE);
	uint64_t stopped = moved_clock();
	for (uint64_t bytes = 1; moved_clock() < stopped + 19 * SECOND; bytes++) {
		move_by(SECOND);
		assert_false(was_cut(&link));
		reaper_received(reaper, link.entry, 1000 * 1000 * RATE + bytes, LARGE);
	}
	expect_end_at(&link, stopped + 20 * SECOND + 19 * MS); /* a byte is worth 1 ms */
	close_link(&link);
}

/* Takes so many bytes of a reply that lies in the kernel, and waits until the server's side knows.
 */
static void take(const struct link *link, uint64_t bytes)
{
	static char sink[1 << 16];
	struct socket_traffic before, after;
	assert_true(socket_traffic(link->pair.server, &before));
	assert_int_equal(send(link->pair.server, sink, bytes, MSG_NOSIGNAL), bytes);
	for (uint64_t n = 0; n < bytes;) {
		ssize_t got = recv(link->pair.client, sink, sizeof sink, 0);
		assert_true(got > 0);
		n += (uint64_t)got;
	}
	for (int i = 0; i < WAIT_MS; i++) {
		assert_true(socket_traffic(link->pair.server, &after));
		if (after.taken >= before.taken + bytes)
			return;
		poll(NULL, 0, 1);
	}
	fail_msg("what was taken is not acknowledged");
}

static void a_reply_lives_as_long_as_it_is_taken(void **state)
{
	(void)state;
	tcp_needs_traffic();
	begin_transfers();
	struct link reader = open_link(), other = open_link();
	reaper_reply(reaper, reader.entry, 1 << 30, 1 << 30);
	reaper_reply(reaper, other.entry, 1 << 30, 1 << 30);
	stuff(&other);
	uint64_t begun = moved_clock();
	for (int i = 0; i < 60; i++) {
		move_by(SECOND);
		assert_false(was_cut(&reader));
		if (moved_clock() < begun + 10 * SECOND)
			assert_false(was_cut(&other));
		take(&reader, RATE);
	}
	assert_true(was_cut(&other)); /* its size gives it no time */
	uint64_t stopped = moved_clock();
	stuff(&reader);
	move_to(stopped + 9 * SECOND);
	assert_false(was_cut(&reader));
	/* What its kernel took of that has earned it time, but never more than this. */
	move_to(stopped + 20 * SECOND + 1000 * MS);
	assert_true(was_cut(&reader));
	close_link(&reader);
	close_link(&other);
}

/* What waits in the socket is not its sender's fault. */
static void unread_bytes_excuse_their_sender_for_a_while(void **state)
{
	(void)state;
	config.body_timeout_ms = 10000;
	begin();
	struct link link = open_link();
	enter(&link, REAPER_BODY);
	tcp_send_and_wait(link.pair.client, link.pair.server, "abc", 3);
	move_by(10 * SECOND);
	assert_false(was_cut(&link));
	move_by(10 * SECOND - 1);
	assert_false(was_cut(&link));
	move_by(100 * MS);
	assert_true(was_cut(&link));
	close_link(&link);
}

/* The server's own threads have no time to send it. */
static void unsent_bytes_excuse_their_reader_for_a_while(void **state)
{
	(void)state;
	config.reply_timeout_ms = 10000;
	begin();
	struct link link = open_link();
	reaper_reply(reaper, link.entry, LARGE, LARGE);
	move_by(20 * SECOND - 1);
	assert_false(was_cut(&link));
	move_by(100 * MS);
	assert_true(was_cut(&link));
	close_link(&link);
}

/* ---------------------------------------------------------------- idle */

/* Reads what has come, as libmicrohttpd does. */
static void read_all(const struct link *link)
{
	char bytes[256];
	while (recv(link->pair.server, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
		continue;
}

static void dripped_heads_get_the_time_of_heads(void **state)
{
	(void)state;
	tcp_needs_traffic();
	config.head_timeout_ms = 10000;
	config.idle_timeout_ms = 60000;
	begin();
	struct link link = open_link();
	tcp_send_and_wait(link.pair.client, link.pair.server, "0123456789", 10);
	read_all(&link);
	reaper_idle(reaper, link.entry, 10);
	move_by(30 * SECOND);
	assert_false(was_cut(&link));
	tcp_send_and_wait(link.pair.client, link.pair.server, "G", 1);
	read_all(&link);
	uint64_t dripped = moved_clock();
	move_to(dripped + 10 * SECOND - 1);
	assert_false(was_cut(&link));
	move_to(dripped + 10 * SECOND + 500 * MS);
	assert_true(was_cut(&link));
	close_link(&link);
}

/* The beginning of a next request came with the last one. */
static void what_is_left_over_is_a_head(void **state)
{
	(void)state;
	tcp_needs_traffic();
	config.head_timeout_ms = 10000;
	config.idle_timeout_ms = 60000;
	begin();
	struct link known = open_link(), unknown = open_link();
	tcp_send_and_wait(known.pair.client, known.pair.server, "0123456789G", 11);
	tcp_send_and_wait(unknown.pair.client, unknown.pair.server, "0123456789G", 11);
	read_all(&known);
	read_all(&unknown);
	uint64_t begun = moved_clock();
	reaper_idle(reaper, known.entry, 10);
	reaper_idle(reaper, unknown.entry, REAPER_UNKNOWN);
	/* It is found out at the next look, which is the first. */
	expect_end_at(&known, begun + 10 * MS + 10 * SECOND);
	expect_end_at(&unknown, begun + 60 * SECOND);
	close_link(&known);
	close_link(&unknown);
}

/* Where it is known that nothing is left over, whatever the number of bytes was. */
static void all_that_came_is_no_head(void **state)
{
	(void)state;
	tcp_needs_traffic();
	config.head_timeout_ms = 10000;
	config.idle_timeout_ms = 60000;
	begin();
	struct link link = open_link();
	for (int i = 0; i < 2; i++) {
		tcp_send_and_wait(link.pair.client, link.pair.server, "0123456789", 10);
		read_all(&link);
		assert_true(reaper_has_more(reaper, link.entry, 0));
		assert_true(reaper_has_more(reaper, link.entry, REAPER_UNKNOWN));
		assert_false(reaper_has_more(reaper, link.entry, REAPER_ALL));
		reaper_idle(reaper, link.entry, REAPER_ALL);
	}
	move_by(30 * SECOND);
	assert_false(was_cut(&link));
	/* With something left over it has begun, and then nothing is left over again. */
	tcp_send_and_wait(link.pair.client, link.pair.server, "0123456789G", 11);
	read_all(&link);
	uint64_t begun = moved_clock();
	reaper_idle(reaper, link.entry, 0);
	move_to(begun + 9 * SECOND);
	assert_false(was_cut(&link));
	begun = moved_clock();
	reaper_idle(reaper, link.entry, REAPER_ALL);
	expect_end_at(&link, begun + 60 * SECOND);
	close_link(&link);
}

static void the_longest_idle_is_evicted(void **state)
{
	(void)state;
	tcp_needs_traffic();
	begin();
	struct link opened = open_link(), first = open_link(), asking = open_link(),
		    second = open_link(), busy = open_link();
	enter(&asking, REAPER_IDLE);
	enter(&busy, REAPER_BODY);
	move_by(SECOND);
	enter(&first, REAPER_IDLE);
	move_by(SECOND);
	enter(&second, REAPER_IDLE);
	/* This one was idle for longest, but is no more. */
	tcp_send_and_wait(asking.pair.client, asking.pair.server, "G", 1);
	assert_true(reaper_evict(reaper));
	assert_true(was_cut(&first));
	move_by(20 * MS);
	assert_true(reaper_evict(reaper)); /* that one's place is to become free */
	assert_false(was_cut(&second));
	assert_true(reaper_close(reaper, first.entry));
	assert_true(reaper_evict(reaper)); /* and still is */
	assert_false(was_cut(&second));
	reaper_made_room(reaper);
	tcp_pair_close(&first.pair);
	enter(&second, REAPER_IDLE);
	assert_false(reaper_evict(reaper)); /* idle since this moment: who knows */
	move_by(20 * MS - 1);
	assert_false(reaper_evict(reaper));
	move_by(1);
	assert_true(reaper_evict(reaper));
	assert_true(was_cut(&second));
	close_link(&second);
	assert_false(reaper_evict(reaper));
	assert_false(was_cut(&opened) || was_cut(&asking) || was_cut(&busy));
	close_link(&opened);
	close_link(&asking);
	close_link(&busy);
}

/* More than are found at once, some of which are gone or busy again when it is their turn. */
static void many_are_evicted_in_order(void **state)
{
	enum { N = 100 };
	static struct link links[N];
	(void)state;
	begin_with(N);
	for (size_t i = 0; i < N; i++)
		links[i] = open_link();
	for (size_t i = 0; i < N; i++) {
		move_by(MS);
		enter(&links[i * 37 % N], REAPER_IDLE);
	}
	move_by(20 * MS);
	for (size_t i = 0; i < N; i++) {
		struct link *link = &links[i * 37 % N];
		if (i % 10 == 3) { /* the fourth of ten asks again in the meantime */
			enter(link, REAPER_HEAD);
			continue;
		}
		assert_true(reaper_evict(reaper));
		assert_true(was_cut(link));
		close_link(link);
		*link = open_link();
	}
	assert_false(reaper_evict(reaper));
	for (size_t i = 0; i < N; i++)
		close_link(&links[i]);
}

/* ---------------------------------------------------------------- pressure */

static void the_slowest_goes_first(void **state)
{
	(void)state;
	tcp_needs_traffic();
	config.body_min_bytes_per_second = config.reply_min_bytes_per_second = RATE;
	begin();
	struct link small = open_link(), slow = open_link(), slower = open_link(),
		    fast = open_link();
	reaper_reply(reaper, small.entry, 1000, 1000);
	reaper_reply(reaper, slower.entry, LARGE, LARGE);
	stuff(&slower);
	enter(&slow, REAPER_BODY);
	enter(&fast, REAPER_BODY);
	for (int i = 1; i <= 3; i++) {
		reaper_received(reaper, slow.entry, LARGE + 15 * RATE * (uint64_t)i, LARGE);
		reaper_received(reaper, fast.entry, LARGE + 17 * RATE * (uint64_t)i, LARGE);
		move_by(SECOND);
	}
	assert_false(was_cut(&slow) || was_cut(&slower));
	reaper_received(reaper, fast.entry, LARGE + 17 * RATE * 4, LARGE);
	reaper_press(reaper);
	step();
	assert_true(was_cut(&slower));
	assert_false(was_cut(&slow));
	/* One at a time: its memory comes back in a moment. */
	reaper_press(reaper);
	step();
	assert_false(was_cut(&slow));
	move_by(100 * MS);
	assert_true(was_cut(&slow));
	reaper_press(reaper);
	for (int i = 1; i <= 20; i++) {
		reaper_received(reaper, fast.entry, LARGE + (68 + 2 * (uint64_t)i) * RATE, LARGE);
		move_by(100 * MS);
	}
	assert_false(was_cut(&fast) || was_cut(&small));
	close_link(&small);
	close_link(&slow);
	close_link(&slower);
	close_link(&fast);
}

/* A transfer has a second to show how fast it is; a want of memory is forgotten after two. */
static void pressure_passes(void **state)
{
	(void)state;
	tcp_needs_traffic();
	config.reply_min_bytes_per_second = RATE;
	begin();
	struct link link = open_link();
	reaper_reply(reaper, link.entry, LARGE, LARGE);
	stuff(&link);
	reaper_press(reaper);
	step();
	assert_false(was_cut(&link));
	move_by(1600 * MS);
	assert_true(was_cut(&link));
	close_link(&link);
	reaper_press(reaper);
	struct link later = open_link();
	move_by(3 * SECOND);
	reaper_reply(reaper, later.entry, LARGE, LARGE);
	move_by(10 * SECOND);
	assert_false(was_cut(&later));
	close_link(&later);
}

/* Whose bytes wait to be read, or who has taken all that was sent, is not slow: the server is. */
static void the_servers_own_slowness_is_nobodys_fault(void **state)
{
	(void)state;
	tcp_needs_traffic();
	config.body_min_bytes_per_second = config.reply_min_bytes_per_second = RATE;
	begin();
	struct link sender = open_link(), reader = open_link();
	reaper_reply(reaper, reader.entry, LARGE, LARGE);
	enter(&sender, REAPER_BODY);
	reaper_received(reaper, sender.entry, LARGE, LARGE);
	tcp_send_and_wait(sender.pair.client, sender.pair.server, "abc", 3);
	move_by(3 * SECOND);
	reaper_press(reaper);
	move_by(SECOND);
	assert_false(was_cut(&sender) || was_cut(&reader));
	close_link(&sender);
	close_link(&reader);
}

/* ---------------------------------------------------------------- notices */

struct notes {
	atomic_int expired, gone;
};

static void note(void *context, enum reaper_event event)
{
	struct notes *notes = (struct notes *)context;
	atomic_fetch_add(event == REAPER_EXPIRED ? &notes->expired : &notes->gone, 1);
}

static void watch(const struct link *link, uint64_t expires_ns, struct notes *notes)
{
	reaper_watch(reaper, link->entry, &(struct reaper_watch){expires_ns, true, note, notes});
}

static void deadlines_of_requests_fire_once(void **state)
{
	struct notes notes = {0};
	(void)state;
	begin();
	struct link link = open_link();
	enter(&link, REAPER_BODY);
	uint64_t expires = moved_clock() + 60 * MS;
	watch(&link, expires, &notes);
	move_to(expires - 1);
	assert_int_equal(atomic_load(&notes.expired), 0);
	move_to(expires);
	assert_int_equal(atomic_load(&notes.expired), 1);
	move_by(10 * SECOND);
	assert_int_equal(atomic_load(&notes.expired), 1);
	assert_false(was_cut(&link)); /* the request is told, the connection is not cut */
	reaper_unwatch(reaper, link.entry);
	assert_int_equal(atomic_load(&notes.gone), 0);
	close_link(&link);
}

static void nobody_is_told_after_unwatch(void **state)
{
	struct notes notes = {0}, later = {0};
	(void)state;
	begin();
	struct link link = open_link();
	watch(&link, moved_clock() + 60 * MS, &notes);
	reaper_unwatch(reaper, link.entry);
	watch(&link, moved_clock() + 120 * MS, &later);
	move_by(SECOND);
	assert_int_equal(atomic_load(&notes.expired), 0);
	assert_int_equal(atomic_load(&later.expired), 1);
	reaper_unwatch(reaper, link.entry);
	close_link(&link);
}

static void reset(struct link *link)
{
	const struct linger linger = {1, 0};
	setsockopt(link->pair.client, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
	close(link->pair.client);
	link->pair.client = -1;
}

/* Looks until the kernel has told the reaper: packets take a moment. */
static void look_until(atomic_int *count)
{
	for (int i = 0; i < WAIT_MS && atomic_load(count) == 0; i++) {
		move_by(100 * MS);
		poll(NULL, 0, 1);
	}
	assert_int_equal(atomic_load(count), 1);
}

static void a_client_that_resets_is_noticed(void **state)
{
	struct notes notes = {0};
	(void)state;
	begin();
	struct link link = open_link();
	enter(&link, REAPER_COMPUTE);
	watch(&link, 0, &notes);
	reset(&link);
	look_until(&notes.gone);
	reaper_unwatch(reaper, link.entry);
	close_link(&link);
}

/* It has closed both its sides: that shows when something is sent to it. */
static void a_client_that_closes_is_noticed(void **state)
{
	struct notes notes = {0};
	(void)state;
	begin();
	struct link link = open_link();
	enter(&link, REAPER_COMPUTE);
	watch(&link, 0, &notes);
	close(link.pair.client);
	link.pair.client = -1;
	look_until(&notes.gone);
	reaper_unwatch(reaper, link.entry);
	close_link(&link);
}

static void wait_until_half_closed(const struct link *link)
{
	for (int i = 0; i < WAIT_MS && socket_peer(link->pair.server) == SOCKET_PEER_OPEN; i++)
		poll(NULL, 0, 1);
	assert_int_equal(socket_peer(link->pair.server), SOCKET_PEER_HALF_CLOSED);
}

/* It has said all that it wants to say, and waits for the reply. */
static void a_half_closed_client_is_not_gone(void **state)
{
	struct notes notes = {0};
	char bytes[256];
	(void)state;
	begin();
	struct link link = open_link();
	enter(&link, REAPER_COMPUTE);
	watch(&link, 0, &notes);
	shutdown(link.pair.client, SHUT_WR);
	wait_until_half_closed(&link);
	step();
	move_by(900 * MS);
	assert_true(tcp_is_open(link.pair.client)); /* most results are there by now */
	move_by(60 * SECOND);
	assert_int_equal(atomic_load(&notes.gone), 0);
	ssize_t n = recv(link.pair.client, bytes, sizeof bytes, 0);
	assert_true(n > 0 && n % 25 == 0 && n / 25 < 8); /* ever less often */
	assert_memory_equal(bytes, "HTTP/1.1 100 Continue\r\n\r\n", 25);
	reaper_unwatch(reaper, link.entry);
	close_link(&link);
}

static void old_clients_are_not_probed(void **state)
{
	struct notes notes = {0};
	(void)state;
	begin();
	struct link link = open_link();
	enter(&link, REAPER_COMPUTE);
	reaper_watch(reaper, link.entry, &(struct reaper_watch){0, false, note, &notes});
	shutdown(link.pair.client, SHUT_WR);
	wait_until_half_closed(&link);
	move_by(60 * SECOND);
	assert_true(tcp_is_open(link.pair.client));
	assert_int_equal(atomic_load(&notes.gone), 0);
	reaper_unwatch(reaper, link.entry);
	close_link(&link);
}

/* Nothing can be said to it in between, and by TLS who ends his side has left. */
static void an_encrypted_client_that_ends_its_side_is_gone(void **state)
{
	struct notes notes = {0};
	(void)state;
	begin();
	struct link link = open_link();
	reaper_encrypted(reaper, link.entry);
	enter(&link, REAPER_COMPUTE);
	watch(&link, 0, &notes);
	move_by(SECOND);
	assert_int_equal(atomic_load(&notes.gone), 0);
	shutdown(link.pair.client, SHUT_WR);
	look_until(&notes.gone);
	assert_true(tcp_is_open(link.pair.client));
	reaper_unwatch(reaper, link.entry);
	close_link(&link);
}

/* The phase begins before the job is handed over: the reaper may have looked at it in between. */
static void a_late_watcher_is_told_too(void **state)
{
	struct notes notes = {0};
	(void)state;
	begin();
	struct link link = open_link();
	enter(&link, REAPER_COMPUTE);
	reset(&link);
	move_by(SECOND);
	watch(&link, 0, &notes);
	look_until(&notes.gone);
	reaper_unwatch(reaper, link.entry);
	close_link(&link);
}

/* ---------------------------------------------------------------- stop */

static void a_drain_gives_a_second(void **state)
{
	(void)state;
	begin();
	struct link idle = open_link(), fresh = open_link(), busy = open_link(),
		    later = open_link();
	enter(&idle, REAPER_IDLE);
	enter(&busy, REAPER_BODY);
	enter(&later, REAPER_REPLY);
	reaper_drain(reaper, moved_clock());
	uint64_t drained = moved_clock();
	move_by(400 * MS);
	enter(&later, REAPER_IDLE);
	struct link backlog = open_link();
	move_to(drained + SECOND - 1);
	assert_false(was_cut(&idle) || was_cut(&fresh) || was_cut(&later));
	move_to(drained + SECOND);
	assert_true(was_cut(&idle) && was_cut(&fresh));
	assert_false(was_cut(&later) || was_cut(&backlog) || was_cut(&busy));
	move_to(drained + 1400 * MS);
	assert_true(was_cut(&later) && was_cut(&backlog));
	move_by(60 * SECOND);
	assert_false(was_cut(&busy));
	close_link(&idle);
	close_link(&fresh);
	close_link(&busy);
	close_link(&later);
	close_link(&backlog);
}

/* What a request is owed that a drain finds: what had come is answered, what comes later is not. */
static void what_had_come_is_promised(void **state)
{
	(void)state;
	tcp_needs_traffic();
	begin();
	struct link unread = open_link(), read = open_link(), silent = open_link();
	struct link busy = open_link(), begun = open_link();
	enter(&busy, REAPER_BODY);
	enter(&begun, REAPER_HEAD);
	enter(&unread, REAPER_IDLE);
	enter(&read, REAPER_IDLE);
	tcp_send_and_wait(unread.pair.client, unread.pair.server, "G", 1);
	tcp_send_and_wait(read.pair.client, read.pair.server, "G", 1);
	read_all(&read);
	/* The kernel's clock goes on by itself, so the drain's moment is told by it. */
	poll(NULL, 0, 50);
	atomic_store(&now_ns, clock_ns());
	reaper_drain(reaper, moved_clock());
	assert_true(reaper_is_promised(reaper, unread.entry));
	assert_true(reaper_is_promised(reaper, read.entry));
	poll(NULL, 0, 50);
	tcp_send_and_wait(silent.pair.client, silent.pair.server, "G", 1);
	tcp_send_and_wait(read.pair.client, read.pair.server, "E", 1);
	atomic_store(&now_ns, clock_ns());
	tcp_send_and_wait(busy.pair.client, busy.pair.server, "G", 1);
	tcp_send_and_wait(begun.pair.client, begun.pair.server, "G", 1);
	assert_true(reaper_is_promised(reaper, busy.entry)); /* after its body */
	assert_true(reaper_is_promised(reaper, busy.entry)); /* and after that */
	assert_false(reaper_is_promised(reaper, begun.entry));
	close_link(&busy);
	close_link(&begun);
	assert_false(reaper_is_promised(reaper, silent.entry));
	assert_false(reaper_is_promised(reaper, read.entry));
	assert_true(reaper_is_promised(reaper, unread.entry));
	/* But not for ever: what comes a second after the drain has begun is refused. */
	struct link endless = open_link();
	assert_true(reaper_is_promised(reaper, endless.entry));
	atomic_fetch_add(&now_ns, 2 * SECOND);
	assert_false(reaper_is_promised(reaper, endless.entry));
	/* Unless it has waited after the one before it. */
	tcp_send_and_wait(endless.pair.client, endless.pair.server, "aG", 2);
	reaper_idle(reaper, endless.entry, 1);
	assert_true(reaper_is_promised(reaper, endless.entry));
	reaper_idle(reaper, endless.entry, 1);
	assert_false(reaper_is_promised(reaper, endless.entry));
	/* And not for ever. */
	atomic_fetch_add(&now_ns, 8 * SECOND);
	tcp_send_and_wait(endless.pair.client, endless.pair.server, "aG", 2);
	reaper_idle(reaper, endless.entry, 1);
	assert_false(reaper_is_promised(reaper, endless.entry));
	atomic_fetch_sub(&now_ns, 8 * SECOND);
	close_link(&endless);
	atomic_fetch_sub(&now_ns, 2 * SECOND);
	struct link backlog = open_link(); /* it had connected before */
	tcp_send_and_wait(backlog.pair.client, backlog.pair.server, "G", 1);
	assert_true(reaper_is_promised(reaper, backlog.entry));
	close_link(&unread);
	close_link(&read);
	close_link(&silent);
	close_link(&backlog);
}

static void a_cut_ends_everything(void **state)
{
	struct notes notes = {0};
	(void)state;
	begin();
	struct link busy = open_link(), idle = open_link();
	enter(&busy, REAPER_COMPUTE);
	watch(&busy, 0, &notes);
	enter(&idle, REAPER_IDLE);
	reaper_drain(reaper, moved_clock());
	reaper_cut_all(reaper);
	assert_true(was_cut(&busy) && was_cut(&idle));
	assert_int_equal(atomic_load(&notes.gone), 1);
	reaper_unwatch(reaper, busy.entry);
	close_link(&busy);
	close_link(&idle);
}

/* Those that were handed over before the end, and begin after it. */
static void after_the_end_all_are_cut(void **state)
{
	struct notes notes = {0};
	(void)state;
	begin();
	reaper_cut_all(reaper);
	struct link late = open_link();
	assert_true(was_cut(&late));
	enter(&late, REAPER_COMPUTE);
	watch(&late, 0, &notes);
	assert_int_equal(atomic_load(&notes.gone), 1); /* at once: nobody looks at it any more */
	reaper_unwatch(reaper, late.entry);
	close_link(&late);
}

/* ---------------------------------------------------------------- many */

static void places_are_limited_and_used_again(void **state)
{
	struct link links[4];
	(void)state;
	begin_with(4);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 4; i++)
			links[i] = open_link();
		assert_int_equal(reaper_connections(reaper), 4);
		assert_null(reaper_open(reaper, links[0].pair.server));
		for (int i = 0; i < 4; i++)
			close_link(&links[(i + round) % 4]);
		assert_int_equal(reaper_connections(reaper), 0);
	}
}

#define MANY 200

/* Deadlines in an order other than that of opening: each fires at its own. */
static void many_deadlines_are_kept(void **state)
{
	static struct link links[MANY];
	static struct notes notes[MANY];
	(void)state;
	begin_with(MANY);
	for (size_t i = 0; i < MANY; i++)
		links[i] = open_link();
	uint64_t base = moved_clock();
	for (size_t i = 0; i < MANY; i++)
		watch(&links[i], base + (1 + i * 37 % MANY) * MS, &notes[i]);
	for (size_t t = 1; t <= MANY; t++) {
		move_to(base + t * MS);
		for (size_t i = 0; i < MANY; i++)
			assert_int_equal(atomic_load(&notes[i].expired), 1 + i * 37 % MANY <= t);
	}
	for (size_t i = 0; i < MANY; i++) {
		reaper_unwatch(reaper, links[i].entry);
		close_link(&links[i * 7 % MANY]);
	}
	assert_int_equal(reaper_connections(reaper), 0);
}

#define THREADS 4
#define ROUNDS 3000

/* Sets its argument to -1 when there was no place. */
static void *open_and_close(void *context)
{
	int *server = context, fd = *server;
	for (int i = 0; i < ROUNDS; i++) {
		struct reaper_entry *entry = reaper_open(reaper, fd);
		if (!entry) {
			*server = -1;
			return NULL;
		}
		reaper_head(reaper, entry);
		reaper_close(reaper, entry);
	}
	return NULL;
}

/* Connections come and go on all I/O threads, while the reaper's own looks at them. */
static void threads_share_the_places(void **state)
{
	struct tcp_pair pairs[THREADS];
	pthread_t threads[THREADS];
	(void)state;
	struct reaper *running = reaper_start(arena, &config, NULL, THREADS);
	assert_non_null(running);
	struct reaper *mine = reaper;
	reaper = running;
	for (int i = 0; i < THREADS; i++) {
		pairs[i] = tcp_pair_open();
		assert_int_equal(
			pthread_create(&threads[i], NULL, open_and_close, &pairs[i].server), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		assert_true(pairs[i].server >= 0);
		tcp_pair_close(&pairs[i]);
	}
	assert_int_equal(reaper_connections(running), 0);
	reaper_stop(running);
	reaper = mine;
}

/* The thread does by the real clock what the steps above do by ours. */
static void the_thread_keeps_deadlines(void **state)
{
	struct tcp_pair pair = tcp_pair_open();
	(void)state;
	config.head_timeout_ms = 60;
	struct reaper *running = reaper_start(arena, &config, NULL, 1);
	assert_non_null(running);
	uint64_t opened = clock_ns();
	struct reaper_entry *entry = reaper_open(running, pair.server);
	assert_true(tcp_wait_for_end(pair.client));
	assert_true(clock_ns() - opened >= 60 * MS);
	reaper_close(running, entry);
	reaper_stop(running);
	tcp_pair_close(&pair);
}

/* ---------------------------------------------------------------- the budget */

/* So much is kept, and was given back just now. */
static void keep_bytes(size_t n)
{
	struct loss_arena *taker = loss_arena_create(budget);
	assert_non_null(taker);
	assert_true(loss_buffer_reserve(loss_buffer_create(taker), n));
	loss_arena_destroy(taker);
	assert_int_equal(loss_budget_kept(budget), n);
}

/* It looks after what is kept while something is, and sleeps else. */
static void kept_memory_goes_after_half_a_minute(void **state)
{
	(void)state;
	const size_t n = (size_t)1 << 20;
	const uint64_t half = 15 * SECOND;
	budget = loss_budget_create(16 * n);
	assert_non_null(budget);
	begin();
	assert_true(step() == UINT64_MAX);
	uint64_t start = atomic_load(&now_ns);
	keep_bytes(n);
	assert_true(step() == start + half);
	/* woken by something else meanwhile: nothing changes */
	atomic_store(&now_ns, start + half - 1);
	assert_true(step() == start + half);
	atomic_store(&now_ns, start + half);
	assert_true(step() == start + 2 * half);
	assert_int_equal(loss_budget_kept(budget), n);
	/* wanted in time, so that it stays for longer */
	keep_bytes(n);
	atomic_store(&now_ns, start + 2 * half);
	assert_true(step() == start + 3 * half);
	assert_int_equal(loss_budget_kept(budget), n);
	atomic_store(&now_ns, start + 3 * half);
	assert_true(step() == UINT64_MAX);
	assert_int_equal(loss_budget_kept(budget), 0);
	/* and again */
	keep_bytes(n);
	assert_true(step() == start + 4 * half);
	reaper_destroy(reaper);
	reaper = NULL;
	loss_budget_destroy(budget);
	budget = NULL;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
	const struct CMUnitTest tests[] = {
		TEST(each_phase_ends_at_its_deadline),
		TEST(computing_has_no_deadline),
		TEST(a_new_phase_counts_anew),
		TEST(a_cut_connection_is_not_looked_at_again),
		TEST(bytes_of_a_body_earn_time),
		TEST(a_body_lives_as_long_as_it_makes_progress),
		TEST(a_body_that_stops_ends_soon),
		TEST(a_reply_lives_as_long_as_it_is_taken),
		TEST(unread_bytes_excuse_their_sender_for_a_while),
		TEST(unsent_bytes_excuse_their_reader_for_a_while),
		TEST(dripped_heads_get_the_time_of_heads),
		TEST(what_is_left_over_is_a_head),
		TEST(all_that_came_is_no_head),
		TEST(the_longest_idle_is_evicted),
		TEST(many_are_evicted_in_order),
		TEST(the_slowest_goes_first),
		TEST(pressure_passes),
		TEST(the_servers_own_slowness_is_nobodys_fault),
		TEST(deadlines_of_requests_fire_once),
		TEST(nobody_is_told_after_unwatch),
		TEST(a_client_that_resets_is_noticed),
		TEST(a_client_that_closes_is_noticed),
		TEST(a_half_closed_client_is_not_gone),
		TEST(old_clients_are_not_probed),
		TEST(an_encrypted_client_that_ends_its_side_is_gone),
		TEST(a_late_watcher_is_told_too),
		TEST(a_drain_gives_a_second),
		TEST(what_had_come_is_promised),
		TEST(a_cut_ends_everything),
		TEST(after_the_end_all_are_cut),
		TEST(places_are_limited_and_used_again),
		TEST(many_deadlines_are_kept),
		TEST(kept_memory_goes_after_half_a_minute),
		TEST(threads_share_the_places),
		TEST(the_thread_keeps_deadlines),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
