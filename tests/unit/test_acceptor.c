/* Accepting on a thread of its own: room, handing over, waiting, draining, stopping. */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "../support/tcp.h"
#include "budget.h"
#include "http/acceptor.h"
#include "http/admission.h"
#include "http/listener.h"
#include "os/clock.h"

#define WAIT_MS 60000
#define MOST 16 /* connections, where a test has no other limit */

struct taker {
	atomic_int taken, crowded, drained, out_of_order;
	unsigned times; /* as told last */
	int next;       /* a listener that is connected to once more each time; 0: none */
	atomic_int fds[64];
	atomic_int families[64];
	atomic_int listeners[64];
};

static struct admission *admission;

static void come_again(int listener)
{
	struct sockaddr_storage address;
	socklen_t size = sizeof address;
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
	int fd = socket(address.ss_family, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, size), 0);
	close(fd);
}

static void connected(void *context, size_t listener, int fd, const struct sockaddr *address,
		      socklen_t size)
{
	struct taker *taker = (struct taker *)context;
	(void)size;
	if (taker->next > 0) {
		come_again(taker->next);
		admission_release(admission, fd);
		close(fd);
		return;
	}
	int i = atomic_load(&taker->taken);
	atomic_store(&taker->listeners[i], (int)listener);
	atomic_store(&taker->fds[i], fd);
	atomic_store(&taker->families[i], address->sa_family);
	atomic_fetch_add(&taker->taken, 1);
}

static void crowded(void *context, size_t listener, unsigned times)
{
	(void)listener;
	struct taker *t = (struct taker *)context;
	/* Who is served meanwhile ends the row. */
	if (times != 1 && times != t->times + 1)
		atomic_store(&t->out_of_order, 1);
	t->times = times;
	atomic_fetch_add(&((struct taker *)context)->crowded, 1);
}

static void drained(void *context)
{
	atomic_fetch_add(&((struct taker *)context)->drained, 1);
}

static void wait_until(const atomic_int *counter, int least)
{
	for (int i = 0; atomic_load(counter) < least && i < WAIT_MS; i++)
		poll(NULL, 0, 1);
	assert_true(atomic_load(counter) >= least);
}

static void wait_until_closed(struct acceptor *acceptor)
{
	for (int i = 0; !acceptor_is_closed(acceptor) && i < WAIT_MS; i++)
		poll(NULL, 0, 1);
	assert_true(acceptor_is_closed(acceptor));
}

/* ---------------------------------------------------------------- one acceptor */

static struct taker taker;
static struct loss_arena *arena;
static struct loss_budget budget;
static struct listeners listeners;
static struct acceptor *acceptor;

static void room(void *context)
{
	(void)context;
	acceptor_look_again(acceptor);
}

static void start(const char *list, size_t connections)
{
	memset(&taker, 0, sizeof taker);
	budget = (struct loss_budget){.limit = SIZE_MAX};
	arena = loss_arena_create(NULL);
	assert_true(listeners_open(list, 0600, &listeners));
	const struct admission_limits limits = {.connections = connections,
						.listeners = listeners.n,
						.descriptors = 4096,
						.bytes = 1,
						.budget = &budget};
	admission = admission_create(arena, &limits, room, NULL);
	assert_non_null(admission);
	const struct acceptor_setup setup = {.listeners = &listeners,
					     .admission = admission,
					     .context = &taker,
					     .connected = connected,
					     .crowded = crowded,
					     .drained = drained};
	assert_true(acceptor_start(arena, &setup, &acceptor));
}

static int connect_to(size_t listener)
{
	struct sockaddr_storage address;
	socklen_t size = sizeof address;
	assert_int_equal(getsockname(listeners.fds[listener], (struct sockaddr *)&address, &size),
			 0);
	int fd = socket(address.ss_family, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, size), 0);
	return fd;
}

/* As libmicrohttpd closes the i-th connection. */
static void leave(int i)
{
	int fd = atomic_load(&taker.fds[i]);
	admission_release(admission, fd);
	close(fd);
}

static void finish(void)
{
	assert_int_equal(atomic_load(&taker.out_of_order), 0);
	acceptor_stop(acceptor);
	acceptor_stop(acceptor); /* once more changes nothing */
	assert_true(acceptor_is_closed(acceptor));
	for (int i = 0; i < atomic_load(&taker.taken); i++)
		close(atomic_load(&taker.fds[i])); /* or again */
	acceptor_destroy(acceptor);
	admission_destroy(admission);
	loss_arena_destroy(arena);
}

/* ---------------------------------------------------------------- accepting */

static void connections_are_handed_over(void **state)
{
	(void)state;
	start("127.0.0.1:0", MOST);
	char byte = 'a';
	for (int i = 0; i < 20; i++) {
		int client = connect_to(0);
		wait_until(&taker.taken, i + 1);
		int served = atomic_load(&taker.fds[i]);
		assert_int_equal(atomic_load(&taker.families[i]), AF_INET);
		assert_int_equal(recv(served, &byte, 1, 0), -1); /* does not block */
		assert_true(errno == EAGAIN || errno == EWOULDBLOCK);
		tcp_send_and_wait(client, served, &byte, 1);
		leave(i);
		close(client);
	}
	finish();
}

static void without_room_clients_wait(void **state)
{
	(void)state;
	start("127.0.0.1:0", 2);
	int clients[4];
	for (int i = 0; i < 4; i++)
		clients[i] = connect_to(0);
	wait_until(&taker.taken, 2);
	wait_until(&taker.crowded, 3); /* it asks for room again and again */
	assert_int_equal(atomic_load(&taker.taken), 2);
	leave(0);
	wait_until(&taker.taken, 3);
	leave(1);
	wait_until(&taker.taken, 4);
	for (int i = 0; i < 4; i++)
		close(clients[i]);
	finish();
}

/* While nobody makes room it looks for it twenty times a second, and never more often, however slow
 * the machine. */
static void waiting_is_not_spinning(void **state)
{
	(void)state;
	start("127.0.0.1:0", 1);
	int first = connect_to(0), second = connect_to(0);
	wait_until(&taker.crowded, 1);
	int asked = atomic_load(&taker.crowded);
	uint64_t begun = clock_ns();
	wait_until(&taker.crowded, asked + 10);
	assert_true(clock_ns() - begun >= UINT64_C(50000000) * 9);
	close(first);
	close(second);
	finish();
}

/* Somebody who waited has gone: the others are not kept from their next requests any more. */
static void a_crowd_that_leaves_is_none(void **state)
{
	(void)state;
	start("127.0.0.1:0", 1);
	int first = connect_to(0);
	wait_until(&taker.taken, 1);
	int second = connect_to(0);
	wait_until(&taker.crowded, 1);
	assert_true(admission_is_crowded(admission));
	leave(0);
	wait_until(&taker.taken, 2);
	for (int i = 0; admission_is_crowded(admission) && i < WAIT_MS; i++)
		poll(NULL, 0, 1);
	assert_false(admission_is_crowded(admission));
	close(first);
	close(second);
	finish();
}

static void a_full_listener_leaves_the_other_one_alone(void **state)
{
	(void)state;
	start("127.0.0.1:0,127.0.0.1:0", MOST);
	int clients[MOST + 1 + ADMISSION_OWN_PLACES];
	for (int i = 0; i <= MOST; i++)
		clients[i] = connect_to(0);
	wait_until(&taker.crowded, 1);
	assert_int_equal(atomic_load(&taker.taken), MOST);
	for (int i = 1; i <= ADMISSION_OWN_PLACES; i++) {
		clients[MOST + i] = connect_to(1);
		wait_until(&taker.taken, MOST + i);
		assert_int_equal(atomic_load(&taker.listeners[MOST + i - 1]), 1);
	}
	assert_int_equal(atomic_load(&taker.listeners[MOST - 1]), 0);
	for (int i = 0; i <= MOST + ADMISSION_OWN_PLACES; i++)
		close(clients[i]);
	finish();
}

/* Out of descriptors it waits, without spinning, until there are some again. */
static void descriptors_run_out_and_come_back(void **state)
{
	struct rlimit limit, few;
	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	start("127.0.0.1:0", MOST);
	int waiting = socket(AF_INET, SOCK_STREAM, 0);
	few = limit;
	few.rlim_cur = (rlim_t)waiting + 1; /* all below it are in use */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	struct sockaddr_in address;
	socklen_t size = sizeof address;
	getsockname(listeners.fds[0], (struct sockaddr *)&address, &size);
	int asked = atomic_load(&taker.crowded);
	assert_int_equal(connect(waiting, (struct sockaddr *)&address, size), 0);
	wait_until(&taker.crowded, asked + 3);
	assert_int_equal(atomic_load(&taker.taken), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	wait_until(&taker.taken, 1);
	/* The acceptor has a place in hand while it looks for the next one. */
	for (int i = 0; i < WAIT_MS && admission_count(admission) != 1; i++)
		poll(NULL, 0, 1);
	assert_int_equal(admission_count(admission), 1);
	close(waiting);
	finish();
}

/* ---------------------------------------------------------------- the end */

/* Who has connected is not reset: all of the backlog is accepted before the listener closes. */
static void a_drain_accepts_the_backlog(void **state)
{
	(void)state;
	start("127.0.0.1:0", 2);
	int clients[20];
	for (int i = 0; i < 20; i++) {
		clients[i] = connect_to(0);
		assert_int_equal(send(clients[i], "x", 1, MSG_NOSIGNAL), 1);
	}
	wait_until(&taker.crowded, 1);
	acceptor_drain(acceptor);
	/* There is no room yet: whoever makes some is told all the same. */
	wait_until(&taker.drained, 1);
	for (int i = 0; i < 20; i++) {
		char byte = 0;
		wait_until(&taker.taken, i + 1);
		struct pollfd readable = {.fd = atomic_load(&taker.fds[i]), .events = POLLIN};
		assert_int_equal(poll(&readable, 1, WAIT_MS), 1);
		assert_int_equal(read(readable.fd, &byte, 1), 1);
		assert_int_equal(byte, 'x');
		leave(i);
	}
	wait_until_closed(acceptor);
	assert_int_equal(atomic_load(&taker.drained), 1);
	for (int i = 0; i < 20; i++)
		close(clients[i]);
	finish();
}

static void an_idle_drain_ends(void **state)
{
	(void)state;
	start("127.0.0.1:0,127.0.0.1:0", MOST);
	acceptor_drain(acceptor);
	wait_until_closed(acceptor);
	assert_int_equal(atomic_load(&taker.drained), 1);
	finish();
}

/* On a socket that was given somebody connects all the time: the drain ends all the same, and who
 * comes after it is left to the next server, as is who found no room. */
static void a_given_socket_is_left_to_the_next_server(void **state)
{
	(void)state;
	start("127.0.0.1:0", MOST);
	int given = dup(listeners.fds[0]);
	listeners.given[0] = true;
	taker.next = given;
	close(connect_to(0));
	acceptor_drain(acceptor);
	wait_until_closed(acceptor);
	assert_int_equal(atomic_load(&taker.drained), 1);
	struct pollfd waits = {.fd = given, .events = POLLIN};
	assert_int_equal(poll(&waits, 1, WAIT_MS), 1);
	atomic_store(&taker.taken, 0); /* they are closed */
	finish();
	close(given);
}

static void a_given_socket_without_room_is_left_too(void **state)
{
	(void)state;
	start("127.0.0.1:0", 1);
	int given = dup(listeners.fds[0]);
	listeners.given[0] = true;
	int first = connect_to(0), second = connect_to(0);
	wait_until(&taker.crowded, 1);
	acceptor_drain(acceptor);
	wait_until_closed(acceptor);
	assert_int_equal(atomic_load(&taker.taken), 1);
	int taken = accept(given, NULL, NULL);
	assert_true(taken >= 0);
	close(taken);
	finish();
	close(first);
	close(second);
	close(given);
}

static void stopping_while_there_is_no_room(void **state)
{
	(void)state;
	start("127.0.0.1:0", 1);
	int first = connect_to(0), second = connect_to(0);
	wait_until(&taker.crowded, 1);
	finish();
	assert_int_equal(atomic_load(&taker.taken), 1);
	assert_int_equal(atomic_load(&taker.drained), 0);
	assert_true(tcp_wait_for_end(second)); /* nobody listens any more */
	close(first);
	close(second);
	acceptor_stop(NULL);
	acceptor_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connections_are_handed_over),
		cmocka_unit_test(without_room_clients_wait),
		cmocka_unit_test(waiting_is_not_spinning),
		cmocka_unit_test(a_crowd_that_leaves_is_none),
		cmocka_unit_test(a_full_listener_leaves_the_other_one_alone),
		cmocka_unit_test(descriptors_run_out_and_come_back),
		cmocka_unit_test(a_drain_accepts_the_backlog),
		cmocka_unit_test(an_idle_drain_ends),
		cmocka_unit_test(a_given_socket_is_left_to_the_next_server),
		cmocka_unit_test(a_given_socket_without_room_is_left_too),
		cmocka_unit_test(stopping_while_there_is_no_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
