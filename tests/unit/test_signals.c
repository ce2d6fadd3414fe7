/* Signals that come faster than they are waited for, and files that are none. */
#include "os/file.h"
#include "os/signals.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* More than a pipe holds. */
#define MANY 100000

static void a_stop_goes_before_and_many_of_a_kind_are_one(void **state)
{
	(void)state;
	assert_true(signals_start());
	signals_take();
	for (int i = 0; i < MANY; i++)
		raise(SIGHUP);
	raise(SIGTERM);
	assert_int_equal(signals_wait(0), SIGTERM);
	assert_int_equal(signals_wait(0), SIGHUP);
	assert_int_equal(signals_wait(0), 0);
	raise(SIGHUP);
	assert_int_equal(signals_wait(-1), SIGHUP);
	assert_int_equal(signals_wait(0), 0);
}

/* Nobody waits for who might write into it. */
static void a_pipe_without_a_writer_is_empty(void **state)
{
	char folder[] = "/tmp/lossd-test-XXXXXX", path[64], text[16];
	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/pipe", folder);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(file_read(path, text, sizeof text), 0);
	assert_string_equal(text, "");
	unlink(path);
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stop_goes_before_and_many_of_a_kind_are_one),
		cmocka_unit_test(a_pipe_without_a_writer_is_empty),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
