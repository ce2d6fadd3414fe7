/* The file of a Unix socket, where several want it at once. tests/http/test_unix_sockets.c has the
 * rest. */
#include "../support/capture.h"
#include "../support/local.h"
#include "os/socket_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define STARTERS 8
#define ROUNDS 20

static char folder[256], path[300];

static int set_up(void **state)
{
	(void)state;
	make_folder(folder, sizeof folder);
	snprintf(path, sizeof path, "%s/l.sock", folder);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	remove_folder(folder);
	return 0;
}

/* Waits for the start, then listens, says whether it does, and goes on until it is told to end. */
static void try_to_listen(const int start[2], const int result[2], const int end[2])
{
	struct socket_file file;
	const char *why;
	char byte;
	close(start[1]);
	close(end[1]);
	ssize_t n = read(start[0], &byte, 1);
	bool listens = socket_file_open(path, 0600, 8, &file, &why) >= 0;
	byte = listens ? 'y' : strcmp(why, "another server listens there") == 0 ? 'n' : '?';
	n += write(result[1], &byte, 1);
	n += read(end[0], &byte, 1);
	_exit(n < 0);
}

/* Of many that find a dead one at the same moment one replaces it, and that one can be reached. */
static void of_many_one_listens(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		int start[2], result[2], end[2], listen = 0, refused = 0;
		char byte;
		assert_true(pipe(start) == 0 && pipe(result) == 0 && pipe(end) == 0);
		close(local_bind(path));
		for (int i = 0; i < STARTERS; i++)
			if (fork() == 0)
				try_to_listen(start, result, end);
		close(start[1]);
		for (int i = 0; i < STARTERS; i++) {
			assert_int_equal(read(result[0], &byte, 1), 1);
			listen += byte == 'y';
			refused += byte == 'n';
		}
		assert_int_equal(listen, 1);
		assert_int_equal(refused, STARTERS - 1);
		int client = local_connect(path);
		assert_true(client >= 0);
		close(client);
		close(end[1]);
		for (int i = 0; i < STARTERS; i++)
			wait(NULL);
		const int left[] = {start[0], result[0], result[1], end[0]};
		for (size_t i = 0; i < sizeof left / sizeof *left; i++)
			close(left[i]);
		assert_int_equal(unlink(path), 0);
	}
}

static void only_ones_own_is_removed(void **state)
{
	struct socket_file first, second;
	const char *why;
	(void)state;
	int fd = socket_file_open(path, 0600, 8, &first, &why);
	assert_true(fd >= 0);
	struct socket_file copy = first;
	assert_int_equal(unlink(path), 0);
	int other = socket_file_open(path, 0600, 8, &second, &why);
	assert_true(other >= 0);
	socket_file_remove(&copy);
	assert_int_equal(access(path, F_OK), 0);
	assert_string_equal(copy.path, "");
	socket_file_remove(&second);
	assert_int_equal(access(path, F_OK), -1);
	socket_file_remove(&second); /* once is enough */
	close(fd);
	close(other);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(of_many_one_listens),
		TEST(only_ones_own_is_removed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
