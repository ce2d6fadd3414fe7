/* Connections over Unix sockets, of which the system does not count what has moved: what the reaper
 * supposes instead. By a clock that the tests move. */
#include "../../server/http/reaper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <stdatomic.h>

#include "../../server/metrics/metrics.h"
#include "../../server/os/socket.h"

#define MS UINT64_C(1000000)
#define SECOND (1000 * MS)
#define LARGE ((uint64_t)1 << 30)
#define RATE UINT64_C(65536)

static struct config config;
static struct loss_arena *arena;
static struct reaper *reaper;
static _Atomic uint64_t now_ns;

struct link {
	int server, client;
	struct reaper_entry *entry;
};

static uint64_t moved_clock(void)
{
	return atomic_load(&now_ns);
}

static int start(void **state)
{
	static const char *const labels[] = {"other"};
	(void)state;
	config = (struct config){.head_timeout_ms = 10000,
				 .body_timeout_ms = 10000,
				 .reply_timeout_ms = 10000,
				 .reply_min_bytes_per_second = RATE,
				 .body_min_bytes_per_second = RATE,
				 .idle_timeout_ms = 60000};
	atomic_store(&now_ns, 1000 * SECOND);
	arena = loss_arena_create(NULL);
	reaper = arena ? reaper_create(arena, &config, NULL, 4, moved_clock) : NULL;
	return reaper && metrics_start(labels, 1, "base") ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	reaper_destroy(reaper);
	loss_arena_destroy(arena);
	return 0;
}

static void move_by(uint64_t ns)
{
	uint64_t then = moved_clock() + ns;
	for (uint64_t next; (next = reaper_step(reaper)) <= then;)
		if (next > moved_clock())
			atomic_store(&now_ns, next);
	atomic_store(&now_ns, then);
	while (reaper_step(reaper) <= then)
		continue;
}

static struct link open_link(void)
{
	int ends[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	struct link link = {ends[0], ends[1], reaper_open(reaper, ends[0])};
	assert_non_null(link.entry);
	return link;
}

static void close_link(const struct link *link)
{
	reaper_close(reaper, link->entry);
	close(link->server);
	close(link->client);
}

static bool was_cut(const struct link *link)
{
	return reaper_was_cut(reaper, link->entry);
}

static char bytes[1 << 16];

/* As much of a reply as the kernel takes. */
static void stuff(const struct link *link)
{
	while (send(link->server, bytes, sizeof bytes, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
		continue;
}

/* Whoever takes some of it at the least rate goes on, and who stops is gone two timeouts later. */
static void a_reply_lives_as_long_as_it_is_taken(void **state)
{
	uint64_t handed = 0;
	(void)state;
	struct link reader = open_link(), other = open_link();
	stuff(&reader);
	stuff(&other);
	reaper_reply(reaper, reader.entry, LARGE, LARGE);
	reaper_reply(reaper, other.entry, LARGE, LARGE);
	move_by(10 * SECOND - 1);
	assert_false(was_cut(&other));
	reaper_handed(reader.entry, handed += RATE * 10);
	move_by(1);
	assert_true(was_cut(&other));
	for (int i = 0; i < 100; i++) {
		assert_false(was_cut(&reader));
		move_by(SECOND);
		reaper_handed(reader.entry, handed += RATE);
	}
	uint64_t stopped = moved_clock();
	move_by(9 * SECOND);
	assert_false(was_cut(&reader));
	move_by(12 * SECOND);
	assert_true(was_cut(&reader));
	assert_true(moved_clock() - stopped < 22 * SECOND);
	close_link(&reader);
	close_link(&other);
}

/* Where others need memory it is not among the slow ones while it takes enough. */
static void who_takes_enough_is_not_slow(void **state)
{
	(void)state;
	struct link reader = open_link(), other = open_link();
	stuff(&reader);
	stuff(&other);
	reaper_reply(reaper, reader.entry, LARGE, LARGE);
	reaper_reply(reaper, other.entry, LARGE, LARGE);
	for (uint64_t i = 1; i <= 12; i++) {
		move_by(500 * MS);
		reaper_handed(reader.entry, i * 16 * RATE);
	}
	assert_false(was_cut(&other));
	reaper_press(reaper);
	move_by(100 * MS);
	assert_true(was_cut(&other));
	reaper_press(reaper);
	move_by(100 * MS);
	assert_false(was_cut(&reader));
	close_link(&reader);
	close_link(&other);
}

/* What is not known to be all may be more: no reply then ends a connection with more on it. */
static void there_may_always_be_more(void **state)
{
	(void)state;
	struct link link = open_link();
	reaper_head(reaper, link.entry);
	reaper_reply(reaper, link.entry, 100, 0);
	assert_true(reaper_has_more(reaper, link.entry, 100));
	close_link(&link);
}

/* Of a used connection it is not known when its next request was sent: within the grace it is taken
 * for one that was sent before. */
static void within_the_grace_all_is_promised(void **state)
{
	(void)state;
	struct link link = open_link(), late = open_link();
	reaper_head(reaper, link.entry);
	reaper_idle(reaper, link.entry, 100);
	reaper_head(reaper, late.entry);
	reaper_idle(reaper, late.entry, 100);
	reaper_drain(reaper, moved_clock());
	move_by(SECOND - 1);
	reaper_head(reaper, link.entry);
	assert_true(reaper_is_promised(reaper, link.entry));
	reaper_head(reaper, late.entry);
	move_by(1);
	assert_false(reaper_is_promised(reaper, late.entry));
	close_link(&link);
	close_link(&late);
}

/* What waits in the socket when one request ends is the next one's, and was sent before. */
static void what_waits_is_promised(void **state)
{
	(void)state;
	struct link link = open_link();
	reaper_head(reaper, link.entry);
	reaper_body(reaper, link.entry);
	reaper_drain(reaper, moved_clock());
	assert_true(reaper_is_promised(reaper, link.entry));
	move_by(2 * SECOND);
	assert_int_equal(send(link.client, "GET", 3, 0), 3);
	reaper_idle(reaper, link.entry, 100);
	reaper_head(reaper, link.entry);
	assert_true(reaper_is_promised(reaper, link.entry));
	assert_int_equal(recv(link.server, bytes, 3, 0), 3);
	reaper_idle(reaper, link.entry, 100);
	reaper_head(reaper, link.entry);
	assert_false(reaper_is_promised(reaper, link.entry));
	close_link(&link);
}

/* A client that has closed is noticed while its request is computed. */
static atomic_int gone;

static void note(void *context, enum reaper_event event)
{
	(void)context;
	atomic_fetch_add(&gone, event == REAPER_GONE);
}

static void a_client_that_leaves_is_noticed(void **state)
{
	(void)state;
	struct link link = open_link();
	reaper_compute(reaper, link.entry);
	reaper_watch(reaper, link.entry, &(struct reaper_watch){.notice = note});
	move_by(SECOND);
	assert_int_equal(atomic_load(&gone), 0);
	assert_int_equal(shutdown(link.client, SHUT_RDWR), 0);
	move_by(SECOND);
	assert_int_equal(atomic_load(&gone), 1);
	reaper_unwatch(reaper, link.entry);
	close_link(&link);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
	const struct CMUnitTest tests[] = {
		TEST(a_reply_lives_as_long_as_it_is_taken),
		TEST(who_takes_enough_is_not_slow),
		TEST(there_may_always_be_more),
		TEST(within_the_grace_all_is_promised),
		TEST(what_waits_is_promised),
		TEST(a_client_that_leaves_is_noticed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
