/* The ring of lines that wait to be written: whole lines, in order, and what there is no room for.
 */
#include "log/log_ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct log_ring ring;
static char line[LOG_RING_BYTES + 1], taken[LOG_RING_BYTES + 1];

static void clear(void)
{
	ring.begin = ring.size = 0;
	ring.lost = 0;
}

/* A line of n bytes. */
static const char *line_of(size_t n)
{
	memset(line, 'x', n);
	line[n - 1] = '\n';
	return line;
}

static void an_empty_ring_gives_nothing(void **state)
{
	(void)state;
	clear();
	assert_int_equal(log_ring_take(&ring, taken, sizeof taken), 0);
}

static void lines_come_out_whole_and_in_order(void **state)
{
	(void)state;
	clear();
	assert_true(log_ring_put(&ring, "one\n", 4));
	assert_true(log_ring_put(&ring, "two\n", 4));
	assert_true(log_ring_put(&ring, "three\n", 6));
	static const struct {
		size_t room;
		const char *lines;
	} takes[] = {{0, ""}, {3, ""}, {4, "one\n"}, {9, "two\n"}, {6, "three\n"}, {6, ""}};
	for (size_t i = 0; i < sizeof takes / sizeof takes[0]; i++) {
		size_t n = log_ring_take(&ring, taken, takes[i].room);
		assert_int_equal(n, strlen(takes[i].lines));
		assert_memory_equal(taken, takes[i].lines, n);
	}
}

static void what_does_not_fit_is_lost_and_counted(void **state)
{
	(void)state;
	for (size_t room = 1; room <= 3; room++) {
		clear();
		assert_true(
			log_ring_put(&ring, line_of(LOG_RING_BYTES - room), LOG_RING_BYTES - room));
		assert_int_equal(log_ring_put(&ring, "y\n", 2), room >= 2);
		assert_int_equal(ring.lost, room < 2);
	}
	clear();
	assert_true(log_ring_put(&ring, line_of(LOG_RING_BYTES), LOG_RING_BYTES));
	assert_false(log_ring_put(&ring, "\n", 1));
	assert_int_equal(log_ring_take(&ring, taken, sizeof taken), LOG_RING_BYTES);
	assert_memory_equal(taken, line, LOG_RING_BYTES);
	assert_false(log_ring_put(&ring, line_of(LOG_RING_BYTES + 1), LOG_RING_BYTES + 1));
	assert_int_equal(ring.lost, 2);
	assert_true(log_ring_put(&ring, "\n", 1));
}

/* Lines of many lengths, some of which go around the end. */
static void lines_go_around_the_end(void **state)
{
	char one[200];
	size_t put = 0, got = 0;
	(void)state;
	clear();
	while (put < 3 * LOG_RING_BYTES) {
		int n = snprintf(one, sizeof one, "%0*zu\n", (int)(10 + put % 150), put);
		assert_true(log_ring_put(&ring, one, (size_t)n));
		put += (size_t)n;
		if (ring.size < LOG_RING_BYTES / 2)
			continue;
		for (size_t m; (m = log_ring_take(&ring, taken, 4096)) > 0;) {
			taken[m] = '\0';
			for (char *at = taken; *at; at = strchr(at, '\n') + 1) {
				size_t number;
				assert_int_equal(sscanf(at, "%zu", &number), 1);
				assert_int_equal(number, got);
				got += (size_t)(strchr(at, '\n') + 1 - at);
			}
		}
	}
	assert_int_equal(ring.lost, 0);
	assert_true(got > 2 * LOG_RING_BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_ring_gives_nothing),
		cmocka_unit_test(lines_come_out_whole_and_in_order),
		cmocka_unit_test(what_does_not_fit_is_lost_and_counted),
		cmocka_unit_test(lines_go_around_the_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
