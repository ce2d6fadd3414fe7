#include "../../server/reaper.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../server/clock.h"
#include "../../server/metrics.h"

#define MS UINT64_C(1000000)
/* Deadlines that must pass in a test are this long; those that must not, an hour. */
#define SHORT_MS UINT64_C(60)
#define LONG_MS UINT64_C(3600000)
/* What a busy machine may add before a test calls it late. */
#define LATE_MS 5000

static struct config config;
static struct loss_arena *arena;
static struct reaper *reaper;

struct link {
	int server, client;
	struct reaper_entry *entry;
	uint64_t opened_ns;
};

static int start(void **state)
{
	static const char *const labels[] = {"other"};
	(void)state;
	config = (struct config){
		.connections = 4,
		.head_timeout_ms = LONG_MS,
		.body_timeout_ms = LONG_MS,
		.reply_timeout_ms = LONG_MS,
		.idle_timeout_ms = LONG_MS,
	};
	arena = loss_arena_create(NULL);
	return arena && metrics_start(labels, 1, "base") ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	reaper_stop(reaper);
	reaper = NULL;
	loss_arena_destroy(arena);
	return 0;
}

static void begin(void)
{
	reaper = reaper_start(arena, &config);
	assert_non_null(reaper);
}

static struct link open_link(void)
{
	int ends[2];
	struct link link = {.opened_ns = clock_ns()};
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	link.server = ends[0];
	link.client = ends[1];
	link.entry = reaper_open(reaper, link.server);
	assert_non_null(link.entry);
	return link;
}

static void close_link(struct link *link)
{
	reaper_close(reaper, link->entry);
	close(link->server);
	close(link->client);
}

/* Milliseconds until the client sees the end; fails the test when it does not come. */
static uint64_t wait_for_end(const struct link *link, uint64_t since_ns)
{
	char byte;
	struct pollfd end = {.fd = link->client, .events = POLLIN};
	assert_int_equal(poll(&end, 1, LATE_MS), 1);
	assert_int_equal(read(link->client, &byte, 1), 0);
	return (clock_ns() - since_ns) / MS;
}

static bool is_open(const struct link *link)
{
	struct pollfd end = {.fd = link->client, .events = POLLIN};
	return poll(&end, 1, 0) == 0;
}

static void silence_is_cut_at_the_head_deadline(void **state)
{
	(void)state;
	config.head_timeout_ms = SHORT_MS;
	begin();
	struct link link = open_link();
	uint64_t ms = wait_for_end(&link, link.opened_ns);
	assert_in_range(ms, SHORT_MS, LATE_MS);
	assert_true(reaper_was_cut(reaper, link.entry));
	close_link(&link);
	assert_int_equal(reaper_connections(reaper), 0);
}

static void each_phase_has_its_deadline(void **state)
{
	static const struct {
		enum reaper_phase phase;
		size_t offset;
	} phases[] = {
		{REAPER_HEAD, offsetof(struct config, head_timeout_ms)},
		{REAPER_BODY, offsetof(struct config, body_timeout_ms)},
		{REAPER_REPLY, offsetof(struct config, reply_timeout_ms)},
		{REAPER_IDLE, offsetof(struct config, idle_timeout_ms)},
	};
	(void)state;
	for (size_t i = 0; i < sizeof phases / sizeof phases[0]; i++) {
		uint64_t *timeout = (uint64_t *)(void *)((char *)&config + phases[i].offset);
		*timeout = SHORT_MS;
		begin();
		struct link link = open_link();
		uint64_t entered = clock_ns();
		reaper_enter(reaper, link.entry, phases[i].phase);
		assert_in_range(wait_for_end(&link, entered), SHORT_MS, LATE_MS);
		close_link(&link);
		reaper_stop(reaper);
		*timeout = LONG_MS;
	}
	reaper = NULL;
}

static void bytes_earn_time(void **state)
{
	(void)state;
	config.body_timeout_ms = 1;
	config.body_min_bytes_per_second = 1000;
	begin();
	struct link link = open_link();
	uint64_t entered = clock_ns();
	reaper_enter(reaper, link.entry, REAPER_REPLY);
	reaper_enter(reaper, link.entry, REAPER_BODY);
	reaper_bytes(reaper, link.entry, 150);
	assert_in_range(wait_for_end(&link, entered), 150, LATE_MS);
	close_link(&link);
}

/* A phase that begins ends the deadline of the one before. */
static void a_new_phase_counts_anew(void **state)
{
	(void)state;
	config.head_timeout_ms = 10 * SHORT_MS;
	begin();
	struct link computed = open_link();
	reaper_enter(reaper, computed.entry, REAPER_COMPUTE);
	struct link silent = open_link();
	/* Opened later, so when this one has been cut the other's first deadline has passed too. */
	wait_for_end(&silent, silent.opened_ns);
	assert_false(reaper_was_cut(reaper, computed.entry));
	assert_true(is_open(&computed));
	close_link(&silent);
	close_link(&computed);
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

static void wait_for(atomic_int *count)
{
	uint64_t until = clock_ns() + LATE_MS * MS;
	while (atomic_load(count) == 0 && clock_ns() < until)
		poll(NULL, 0, 1);
	assert_int_equal(atomic_load(count), 1);
}

static void deadlines_of_requests_fire_once(void **state)
{
	struct notes notes = {0};
	(void)state;
	begin();
	struct link link = open_link();
	reaper_enter(reaper, link.entry, REAPER_BODY);
	uint64_t expires = clock_ns() + SHORT_MS * MS;
	reaper_watch(reaper, link.entry, expires, note, &notes);
	wait_for(&notes.expired);
	assert_true(clock_ns() >= expires);
	assert_true(is_open(&link)); /* the request is told, the connection is not cut */
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
	reaper_watch(reaper, link.entry, clock_ns() + SHORT_MS * MS, note, &notes);
	reaper_unwatch(reaper, link.entry);
	reaper_watch(reaper, link.entry, clock_ns() + 2 * SHORT_MS * MS, note, &later);
	wait_for(&later.expired);
	assert_int_equal(atomic_load(&notes.expired), 0);
	reaper_unwatch(reaper, link.entry);
	close_link(&link);
}

static void a_client_that_leaves_during_compute_is_noticed(void **state)
{
	struct notes notes = {0};
	(void)state;
	begin();
	struct link link = open_link();
	reaper_enter(reaper, link.entry, REAPER_COMPUTE);
	reaper_watch(reaper, link.entry, 0, note, &notes);
	shutdown(link.client, SHUT_WR);
	wait_for(&notes.gone);
	reaper_unwatch(reaper, link.entry);
	close_link(&link);
}

/* The phase begins before the job is handed over: the reaper may have looked at it in between. */
static void a_late_watcher_is_told_too(void **state)
{
	struct notes notes = {0}, marker = {0};
	(void)state;
	begin();
	struct link link = open_link(), other = open_link();
	reaper_enter(reaper, link.entry, REAPER_COMPUTE);
	reaper_watch(reaper, other.entry, clock_ns(), note, &marker);
	wait_for(&marker.expired); /* by now it has */
	reaper_watch(reaper, link.entry, 0, note, &notes);
	shutdown(link.client, SHUT_WR);
	wait_for(&notes.gone);
	reaper_unwatch(reaper, link.entry);
	reaper_unwatch(reaper, other.entry);
	close_link(&link);
	close_link(&other);
}

/* ---------------------------------------------------------------- stop */

static void a_drain_closes_idle_connections(void **state)
{
	char byte;
	(void)state;
	begin();
	struct link idle = open_link(), busy = open_link(), later = open_link();
	reaper_enter(reaper, idle.entry, REAPER_IDLE);
	reaper_enter(reaper, busy.entry, REAPER_BODY);
	reaper_enter(reaper, later.entry, REAPER_REPLY);
	reaper_drain(reaper);
	/* The server's reading side has ended, so its owner closes it; what it writes still
	 * arrives. */
	assert_int_equal(read(idle.server, &byte, 1), 0);
	assert_int_equal(write(idle.server, "x", 1), 1);
	assert_int_equal(recv(busy.server, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(recv(later.server, &byte, 1, MSG_DONTWAIT), -1);
	reaper_enter(reaper, later.entry, REAPER_IDLE);
	assert_int_equal(read(later.server, &byte, 1), 0);
	close_link(&idle);
	close_link(&busy);
	close_link(&later);
}

static void a_cut_ends_everything(void **state)
{
	struct notes notes = {0};
	(void)state;
	begin();
	struct link busy = open_link(), idle = open_link();
	reaper_enter(reaper, busy.entry, REAPER_COMPUTE);
	reaper_watch(reaper, busy.entry, 0, note, &notes);
	reaper_enter(reaper, idle.entry, REAPER_IDLE);
	reaper_drain(reaper);
	reaper_cut_all(reaper);
	wait_for_end(&busy, busy.opened_ns);
	wait_for_end(&idle, idle.opened_ns);
	assert_int_equal(atomic_load(&notes.gone), 1);
	reaper_unwatch(reaper, busy.entry);
	close_link(&busy);
	close_link(&idle);
}

/* ---------------------------------------------------------------- many */

static void places_are_limited_and_used_again(void **state)
{
	struct link links[4];
	(void)state;
	begin();
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 4; i++)
			links[i] = open_link();
		assert_int_equal(reaper_connections(reaper), 4);
		assert_null(reaper_open(reaper, links[0].server));
		for (int i = 0; i < 4; i++)
			close_link(&links[(i + round) % 4]);
		assert_int_equal(reaper_connections(reaper), 0);
	}
}

#define MANY 200

/* Deadlines in an order other than that of opening: each connection ends at its own. */
static void many_deadlines_are_kept(void **state)
{
	static struct link links[MANY];
	static struct notes notes[MANY];
	uint64_t base;
	(void)state;
	config.connections = MANY;
	begin();
	for (size_t i = 0; i < MANY; i++)
		links[i] = open_link();
	base = clock_ns() + 20 * MS;
	for (size_t i = 0; i < MANY; i++)
		reaper_watch(reaper, links[i].entry, base + i * 37 % MANY * MS / 4, note,
			     &notes[i]);
	for (size_t i = 0; i < MANY; i++) {
		wait_for(&notes[i].expired);
		reaper_unwatch(reaper, links[i].entry);
	}
	for (size_t i = 0; i < MANY; i++)
		close_link(&links[i * 7 % MANY]);
	assert_int_equal(reaper_connections(reaper), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
	const struct CMUnitTest tests[] = {
		TEST(silence_is_cut_at_the_head_deadline),
		TEST(each_phase_has_its_deadline),
		TEST(bytes_earn_time),
		TEST(a_new_phase_counts_anew),
		TEST(deadlines_of_requests_fire_once),
		TEST(nobody_is_told_after_unwatch),
		TEST(a_client_that_leaves_during_compute_is_noticed),
		TEST(a_late_watcher_is_told_too),
		TEST(a_drain_closes_idle_connections),
		TEST(a_cut_ends_everything),
		TEST(places_are_limited_and_used_again),
		TEST(many_deadlines_are_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
