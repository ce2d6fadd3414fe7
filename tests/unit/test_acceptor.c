/* Accepting on a thread of its own: room, handing over, stopping. */
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "acceptor.h"
#include "listener.h"

struct taker {
	atomic_bool room;
	atomic_int asked, taken;
	atomic_int fd;
};

static bool has_room(void *context)
{
	struct taker *taker = (struct taker *)context;
	atomic_fetch_add(&taker->asked, 1);
	return atomic_load(&taker->room);
}

static void connected(void *context, int fd, const struct sockaddr *address, socklen_t size)
{
	struct taker *taker = (struct taker *)context;
	(void)size;
	atomic_store(&taker->fd, address->sa_family == AF_INET ? fd : -1);
	atomic_fetch_add(&taker->taken, 1);
}

static void wait_until(const atomic_int *counter, int least)
{
	for (int i = 0; atomic_load(counter) < least && i < 10000; i++)
		poll(NULL, 0, 1);
	assert_true(atomic_load(counter) >= least);
}

static struct sockaddr_in address_of(int listener)
{
	struct sockaddr_in address;
	socklen_t size = sizeof address;
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
	return address;
}

static int connect_to(const struct sockaddr_in *address)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0)
		return fd;
	close(fd);
	return -1;
}

struct setting {
	struct loss_arena *arena;
	struct acceptor *acceptor;
	struct sockaddr_in address;
};

static struct setting start(struct taker *taker)
{
	char url[64];
	int listener = listener_open("127.0.0.1:0", url, sizeof url);
	assert_true(listener >= 0);
	struct setting setting = {.arena = loss_arena_create(NULL),
				  .address = address_of(listener)};
	const struct acceptor_calls calls = {taker, has_room, connected};
	setting.acceptor = acceptor_start(setting.arena, listener, &calls);
	assert_non_null(setting.acceptor);
	return setting;
}

static void finish(struct setting *setting)
{
	acceptor_stop(setting->acceptor);
	acceptor_stop(setting->acceptor); /* once more changes nothing */
	assert_int_equal(connect_to(&setting->address), -1);
	loss_arena_destroy(setting->arena);
}

static void connections_are_handed_over(void **state)
{
	(void)state;
	struct taker taker = {.room = true};
	struct setting setting = start(&taker);
	char byte = 'a';
	for (int i = 1; i <= 20; i++) {
		int client = connect_to(&setting.address);
		wait_until(&taker.taken, i);
		int served = atomic_load(&taker.fd);
		assert_true(served >= 0);
		assert_int_equal(write(client, &byte, 1), 1);
		struct pollfd readable = {.fd = served, .events = POLLIN};
		assert_int_equal(poll(&readable, 1, 10000), 1);
		assert_int_equal(read(served, &byte, 1), 1);
		close(served);
		close(client);
	}
	finish(&setting);
}

static void without_room_clients_wait(void **state)
{
	(void)state;
	struct taker taker = {.room = false};
	struct setting setting = start(&taker);
	int client = connect_to(&setting.address);
	assert_true(client >= 0);
	wait_until(&taker.asked, 3); /* it looks again, without spinning */
	assert_int_equal(atomic_load(&taker.taken), 0);
	atomic_store(&taker.room, true);
	wait_until(&taker.taken, 1);
	close(atomic_load(&taker.fd));
	close(client);
	finish(&setting);
}

static void stopping_while_there_is_no_room(void **state)
{
	(void)state;
	struct taker taker = {.room = false};
	struct setting setting = start(&taker);
	int client = connect_to(&setting.address);
	wait_until(&taker.asked, 1);
	finish(&setting);
	assert_int_equal(atomic_load(&taker.taken), 0);
	close(client);
	acceptor_stop(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connections_are_handed_over),
		cmocka_unit_test(without_room_clients_wait),
		cmocka_unit_test(stopping_while_there_is_no_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
