/* Who may connect: the limit, each listener's own places, addresses, the budget. */
#include "../../server/http/admission.h"
#include "budget.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define RESERVED 64 /* that fit the reserve */
#define BYTES (ADMISSION_FREE_BYTES / RESERVED)

static struct loss_arena *arena;
static struct loss_budget budget;
static struct admission *admission;
static atomic_int rooms; /* calls of room() */

static void room(void *context)
{
	atomic_fetch_add((atomic_int *)context, 1);
}

static int start(void **state)
{
	(void)state;
	arena = loss_arena_create(NULL);
	atomic_store(&rooms, 0);
	budget = (struct loss_budget){.limit = 1000 * BYTES};
	return arena ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	admission_destroy(admission);
	admission = NULL;
	loss_arena_destroy(arena);
	return 0;
}

static void begin(size_t connections, size_t listeners, size_t per_address)
{
	const struct admission_limits limits = {
		.connections = connections,
		.per_address = per_address,
		.listeners = listeners,
		.descriptors = 4096,
		.bytes = BYTES,
		.budget = &budget,
	};
	admission = admission_create(arena, &limits, room, &rooms);
	assert_non_null(admission);
}

static const struct sockaddr *address_of(const char *text)
{
	static _Thread_local union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} address;
	memset(&address, 0, sizeof address);
	bool v6 = strchr(text, ':') != NULL;
	address.any.sa_family = v6 ? AF_INET6 : AF_INET;
	assert_int_equal(
		inet_pton(address.any.sa_family, text,
			  v6 ? (void *)&address.v6.sin6_addr : (void *)&address.v4.sin_addr),
		1);
	return &address.any;
}

/* Accepted, and not begun to be served. */
static bool accept_as(int fd, size_t listener, const char *address)
{
	return admission_open(admission, listener) &&
	       admission_take(admission, listener, fd, address_of(address));
}

static bool connect_as(int fd, size_t listener, const char *address)
{
	bool accepted = accept_as(fd, listener, address);
	if (accepted)
		admission_started(admission, fd);
	return accepted;
}

static void fill(size_t listener, int first, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		assert_true(connect_as(first + (int)i, listener, "10.0.0.1"));
	}
}

/* One below, at, one above and far above the limit. */
static void the_limit_is_kept(void **state)
{
	static const size_t limits[] = {1, 2, 7, 8, 9, 50, 500};
	(void)state;
	for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
		begin(limits[i], 1, 0);
		fill(0, 100, limits[i]);
		assert_int_equal(admission_count(admission), limits[i]);
		assert_false(admission_is_crowded(admission));
		for (int above = 0; above < 300; above++)
			assert_false(admission_open(admission, 0));
		assert_false(admission_has_room(admission, 0));
		admission_crowd(admission, true);
		assert_true(admission_is_crowded(admission));
		assert_int_equal(atomic_load(&rooms), 0);
		admission_release(admission, 100);
		assert_int_equal(atomic_load(&rooms), 1); /* whoever waits is told */
		assert_true(admission_has_room(admission, 0));
		assert_true(admission_open(admission, 0));
		assert_false(admission_open(admission, 0));
		admission_abandon(admission, 0);
		assert_true(connect_as(100, 0, "10.0.0.1"));
		admission_crowd(admission, false);
		for (size_t k = 0; k < limits[i]; k++)
			admission_release(admission, 100 + (int)k);
		assert_int_equal(atomic_load(&rooms), 1); /* nobody waits any more */
		assert_int_equal(admission_count(admission), 0);
		assert_int_equal(loss_budget_held(&budget), 0);
		admission_destroy(admission);
		atomic_store(&rooms, 0);
	}
	admission = NULL;
}

static void each_listener_has_places_of_its_own(void **state)
{
	(void)state;
	begin(50, 3, 0);
	fill(0, 100, 50);
	assert_false(admission_open(admission, 0));
	assert_false(admission_lacks_memory(admission)); /* it is the limit */
	fill(1, 200, ADMISSION_OWN_PLACES);
	assert_false(admission_open(admission, 1));
	fill(2, 300, ADMISSION_OWN_PLACES);
	assert_false(admission_open(admission, 2));
	assert_int_equal(admission_count(admission), 50 + 2 * ADMISSION_OWN_PLACES);
	/* A place that becomes free at one listener is there for all, but for its own eight. */
	admission_release(admission, 100);
	assert_true(connect_as(400, 2, "10.0.0.1"));
	admission_release(admission, 200);
	assert_false(admission_open(admission, 0));
	assert_true(connect_as(200, 1, "10.0.0.1"));
}

/* The limit is that of one listener; those beside it have at most as many of their own. */
static void few_connections_are_few_places(void **state)
{
	(void)state;
	begin(3, 2, 0);
	fill(0, 100, 3);
	assert_false(admission_open(admission, 0));
	fill(1, 200, 3);
	assert_false(admission_open(admission, 1));
	const struct admission_limits limits = {.connections = 3, .listeners = 2, .bytes = BYTES};
	assert_int_equal(admission_most(&limits), 6);
}

/* Where a connection takes much memory, a listener has fewer places of its own: one at least. */
static void own_places_hold_little(void **state)
{
	static const struct {
		size_t bytes, listeners, own;
	} cases[] = {
		{ADMISSION_FREE_BYTES / 8, 1, 8}, {ADMISSION_FREE_BYTES / 8 + 1, 1, 7},
		{ADMISSION_FREE_BYTES / 8, 2, 4}, {ADMISSION_FREE_BYTES / 8, 8, 1},
		{ADMISSION_FREE_BYTES / 4, 8, 1}, {2 * ADMISSION_FREE_BYTES, 8, 1},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const struct admission_limits limits = {.connections = 100,
							.listeners = cases[i].listeners,
							.bytes = cases[i].bytes};
		assert_int_equal(admission_own(&limits), cases[i].own);
	}
}

static void shared_places_are_charged(void **state)
{
	(void)state;
	begin(500, 1, 0);
	fill(0, 100, 20);
	assert_int_equal(loss_budget_held(&budget), (20 - ADMISSION_OWN_PLACES) * BYTES);
	/* Requests hold all but room for two; the reserve has room for some more. */
	assert_true(
		loss_budget_take(&budget, budget.limit - loss_budget_held(&budget) - 2 * BYTES));
	fill(0, 200, 2 + RESERVED);
	assert_false(admission_lacks_memory(admission));
	assert_false(admission_open(admission, 0));
	assert_true(admission_lacks_memory(admission));
	admission_release(admission, 100);
	assert_true(connect_as(100, 0, "10.0.0.1"));
	assert_false(admission_open(admission, 0));
	assert_int_equal(loss_budget_held(&budget), budget.limit);
	loss_budget_give(&budget, BYTES);
	assert_true(connect_as(400, 0, "10.0.0.1"));
	/* What becomes free is the reserve's first: the next one gets in while the budget is full.
	 */
	for (int i = 0; i < RESERVED; i++)
		admission_release(admission, 200 + i);
	assert_int_equal(loss_budget_held(&budget), budget.limit);
	admission_release(admission, 200 + RESERVED);
	assert_int_equal(loss_budget_held(&budget), budget.limit - BYTES);
}

static void addresses_are_counted(void **state)
{
	static const size_t limits[] = {1, 2, 10};
	(void)state;
	for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
		int n = (int)limits[i];
		begin(100, 2, limits[i]);
		for (int k = 0; k < n; k++) /* over all listeners */
			assert_true(connect_as(100 + k, (size_t)k % 2, "10.0.0.1"));
		assert_false(connect_as(200, 0, "10.0.0.1"));
		assert_false(connect_as(200, 1, "10.0.0.1"));
		assert_int_equal(admission_count(admission), limits[i]);
		assert_true(connect_as(300, 0, "10.0.0.2"));
		assert_true(connect_as(301, 0, "::1"));
		/* Of version 6 a network is one client. */
		for (int k = 0; k < n; k++)
			assert_true(connect_as(400 + k, 0, "2001:db8::a00:1"));
		assert_false(connect_as(500, 0, "2001:db8::ffff:ffff:ffff:2"));
		assert_true(connect_as(500, 0, "2001:db8:0:1::1"));
		admission_release(admission, 100);
		assert_true(connect_as(100, 0, "10.0.0.1"));
		assert_false(connect_as(200, 0, "10.0.0.1"));
		admission_destroy(admission);
	}
	admission = NULL;
}

/* Over a Unix socket there is no address. */
static void users_are_not_counted(void **state)
{
	const struct sockaddr user = {.sa_family = AF_UNIX};
	(void)state;
	begin(100, 1, 1);
	for (int fd = 10; fd < 20; fd++)
		assert_true(admission_open(admission, 0) &&
			    admission_take(admission, 0, fd, &user));
	assert_true(connect_as(20, 0, "10.0.0.1"));
	assert_false(connect_as(21, 0, "10.0.0.1"));
	for (int fd = 10; fd <= 20; fd++)
		admission_release(admission, fd);
	assert_true(connect_as(20, 0, "10.0.0.1"));
}

/* Chains of many addresses, ended in another order. */
static void many_addresses_come_and_go(void **state)
{
	char text[32];
	(void)state;
	begin(600, 1, 2);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 600; i++) {
			snprintf(text, sizeof text, "10.0.%d.%d", i / 2 / 100, i / 2 % 100);
			assert_true(connect_as(100 + i, 0, text));
		}
		assert_int_equal(admission_count(admission), 600);
		for (int i = 0; i < 600; i++)
			admission_release(admission, 100 + i * 7 % 600);
		assert_int_equal(admission_count(admission), 0);
	}
}

static void descriptors_beyond_the_table_are_refused(void **state)
{
	(void)state;
	begin(50, 1, 0);
	assert_true(connect_as(4095, 0, "10.0.0.1"));
	assert_false(connect_as(4096, 0, "10.0.0.1"));
	assert_int_equal(admission_count(admission), 1);
}

/* A connection that was closed without a word, and whose descriptor is another's now, or nobody's.
 */
static void lost_connections_are_found(void **state)
{
	(void)state;
	begin(3, 1, 0);
	int pipes[2];
	assert_int_equal(pipe(pipes), 0);
	assert_true(accept_as(pipes[0], 0, "10.0.0.1"));
	assert_true(accept_as(pipes[0], 0, "10.0.0.1")); /* it was closed, and is another's now */
	assert_int_equal(admission_count(admission), 1);
	assert_true(connect_as(pipes[1], 0, "10.0.0.1"));
	close(pipes[0]);
	close(pipes[1]); /* this one will be told of */
	assert_int_equal(admission_count(admission), 1);
	admission_release(admission, pipes[0]); /* it has no place any more */
	assert_int_equal(admission_count(admission), 1);
	fill(0, 3000, 1);
	assert_int_equal(pipe(pipes), 0);
	assert_true(accept_as(pipes[0], 0, "10.0.0.1"));
	assert_false(admission_open(admission, 0));
	close(pipes[0]);
	assert_true(admission_open(admission, 0)); /* it looks for them when it is full */
	close(pipes[1]);
}

#define THREADS 4
#define EACH 2000

static void *come_and_go(void *context)
{
	int fd = *(int *)context;
	for (int i = 0; i < EACH; i++) {
		admission_started(admission, fd);
		admission_release(admission, fd);
		while (!admission_open(admission, 0))
			continue;
		admission_take(admission, 0, fd, address_of("10.0.0.1"));
	}
	admission_release(admission, fd);
	return NULL;
}

static void threads_keep_count(void **state)
{
	pthread_t threads[THREADS];
	int fds[THREADS];
	(void)state;
	begin(100, 1, 0);
	fill(0, 1000, 20);
	for (int i = 0; i < THREADS; i++) {
		fds[i] = 100 + i;
		assert_true(connect_as(fds[i], 0, "10.0.0.1"));
	}
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, &fds[i]), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(loss_budget_held(&budget), (20 - ADMISSION_OWN_PLACES) * BYTES);
	for (int i = 0; i < 20; i++)
		admission_release(admission, 1000 + i);
	assert_int_equal(loss_budget_held(&budget), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
	const struct CMUnitTest tests[] = {
		TEST(the_limit_is_kept),
		TEST(each_listener_has_places_of_its_own),
		TEST(few_connections_are_few_places),
		TEST(own_places_hold_little),
		TEST(shared_places_are_charged),
		TEST(addresses_are_counted),
		TEST(users_are_not_counted),
		TEST(many_addresses_come_and_go),
		TEST(descriptors_beyond_the_table_are_refused),
		TEST(lost_connections_are_found),
		TEST(threads_keep_count),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
