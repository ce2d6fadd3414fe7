/*
 * The memory budget under clients that want more of it than there is: memory is held for bytes that
 * came, not for bytes that were announced; whoever finds none is refused and gives back what it
 * holds, before its body is complete.
 */
#include "../support/group.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define GIB "1073741824"
#define HEAD "POST " CROSS_ENTROPY " HTTP/1.1\r\nHost: a\r\nContent-Length: " GIB "\r\n\r\n"
#define MIB (1024.0 * 1024.0)
#define N_ANNOUNCERS 64
#define BUDGET "16MiB"
#define ROW_ELEMENTS 100000 /* 400 KB of tensor each */
#define WAIT_MS 60000

static int start(void **state)
{
	static const char *const flags[] = {"--memory-budget-bytes", BUDGET, NULL};
	(void)state;
	return group_start_with(flags);
}

static double inflight_mib(void)
{
	return server_metric(&server, "lossd_inflight_bytes") / MIB;
}

/* Waits until there are at least `low` and less than `high`. */
static bool wait_until_within(double low, double high)
{
	int64_t end = now_ms() + WAIT_MS;
	for (double mib = inflight_mib(); mib < low || mib >= high; mib = inflight_mib())
		if (now_ms() >= end)
			return false;
		else
			poll(NULL, 0, 5);
	return true;
}

static bool wait_until_below(double mib)
{
	return wait_until_within(0.0, mib);
}

static int evaluate(void)
{
	struct reply reply;
	client_post(client, CROSS_ENTROPY, GOOD, &reply);
	int status = reply.status;
	reply_free(&reply);
	return status;
}

static void announcements_hold_nothing(void **state)
{
	int fds[N_ANNOUNCERS];
	(void)state;
	for (int i = 0; i < N_ANNOUNCERS; i++) {
		fds[i] = raw_connect(&server);
		assert_true(raw_send(fds[i], HEAD "{", sizeof HEAD));
	}
	assert_true(inflight_mib() < 4);
	assert_int_equal(evaluate(), 200);
	for (int i = 0; i < N_ANNOUNCERS; i++)
		close(fds[i]);
	assert_true(wait_until_below(1));
}

/* Rows of a body that has no end; false when the server takes no more. */
static bool send_rows(int fd, int n)
{
	static char row[2 * ROW_ELEMENTS + 3];
	row[0] = '[';
	for (size_t i = 0; i < ROW_ELEMENTS; i++)
		memcpy(&row[1 + 2 * i], "1,", 2);
	memcpy(&row[2 * ROW_ELEMENTS], "],", 2);
	for (int i = 0; i < n; i++)
		if (!raw_send(fd, row, 2 * ROW_ELEMENTS + 2))
			return false;
	return true;
}

static int begin_upload(int rows)
{
	static const char start_of_body[] = HEAD "{\"logits\":[";
	int fd = raw_connect(&server);
	assert_true(raw_send(fd, start_of_body, sizeof start_of_body - 1));
	assert_true(send_rows(fd, rows));
	return fd;
}

/* Of the first two there is room for one only. The other one loses what it holds while it goes on
 * sending, so that a third is served. */
static void who_finds_no_room_gives_back_what_it_holds(void **state)
{
	(void)state;
	int first = begin_upload(25);              /* 10 MB */
	assert_true(wait_until_within(9.0, 13.0)); /* all of them have been read */
	int second = begin_upload(40);
	assert_true(wait_until_below(13));
	assert_true(inflight_mib() > 8);
	assert_int_equal(evaluate(), 200);
	close(first);
	assert_true(wait_until_below(4));
	close(second);
	assert_true(wait_until_below(1));
	assert_int_equal(evaluate(), 200);
}

/* One that could never fit holds nothing either. */
static void what_can_never_fit_holds_nothing(void **state)
{
	(void)state;
	int fd = begin_upload(60); /* 24 MB */
	assert_true(wait_until_below(4));
	close(fd);
	assert_true(wait_until_below(1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(announcements_hold_nothing),
		cmocka_unit_test(who_finds_no_room_gives_back_what_it_holds),
		cmocka_unit_test(what_can_never_fit_holds_nothing),
	};
	return cmocka_run_group_tests(tests, start, group_stop);
}
