/*
 * Work that takes long: it is done for clients that have said all that they want to say, and not
 * for those whose deadline has passed or who have left. How long a problem takes is measured first,
 * on the machine at hand; then one that is given up must take a good deal less.
 */
#include "../support/group.h"
#include "../support/object.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_MS 60000
#define TRIES 8
#define CLASSES 10000
#define FEWEST_ROWS 100
#define MOST_ROWS 3200
#define LEAST_MS 400 /* a problem that takes less is doubled */

static struct object object;
static int rows;      /* of the long problem */
static int64_t alone; /* milliseconds that it takes, with nothing beside it */

/* The problem lies in shared memory, and has rows of the slow kind, so that nearly all of its time
 * is computing. */
static void write_request(char *out, size_t size, const char *version, int64_t timeout_us)
{
	char body[640], timeout[64] = "";
	if (timeout_us > 0)
		snprintf(timeout, sizeof timeout, ", \"timeout\": %lld", (long long)timeout_us);
	snprintf(body, sizeof body,
		 "{\"parameters\": {\"softcap\": 30.0, \"gamma\": 20.0%s}, \"inputs\": [{\"name\": "
		 "\"logits\", "
		 "\"shape\": [%d, %d], \"datatype\": \"FP32\", \"parameters\": "
		 "{\"shared_memory_region\": \"r\", \"shared_memory_byte_size\": %d}}, {\"name\": "
		 "\"targets\", \"shape\": [%d], \"datatype\": \"UINT8\", \"parameters\": "
		 "{\"shared_memory_region\": \"r\", \"shared_memory_byte_size\": %d}}]}",
		 timeout, rows, CLASSES, rows * CLASSES * 4, rows, rows);
	snprintf(out, size,
		 "POST /v2/models/cross_entropy/infer HTTP/%s\r\nHost: a\r\nContent-Length: "
		 "%zu\r\nConnection: close\r\n\r\n%s",
		 version, strlen(body), body);
}

static int ask(const char *version, int64_t timeout_us)
{
	char request[2048];
	int fd = raw_connect(&server);
	write_request(request, sizeof request, version, timeout_us);
	assert_true(raw_send(fd, request, strlen(request)));
	return fd;
}

/* The final reply, after interim ones, to its end. */
static void read_reply(int fd, char *out, size_t size)
{
	static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";
	bool closed;
	raw_read(fd, out, size, WAIT_MS, &closed);
	assert_true(closed);
	while (strncmp(out, interim, sizeof interim - 1) == 0)
		memmove(out, out + sizeof interim - 1, strlen(out) - sizeof interim + 2);
	close(fd);
}

static void expect_result(const char *reply)
{
	if (strncmp(reply, "HTTP/1.1 200 ", 13) != 0 || !strstr(reply, "9.1919"))
		fail_msg("not (1 - 1e-4)^20 log 10000: %s", reply);
}

static int start(void **state)
{
	char reply[4096];
	const char *const flags[] = {"--threads", "2", "--shm-key-prefix", object_prefix(), NULL};
	(void)state;
	if (group_start_with(flags) != 0)
		return -1;
	object_create(&object, "long", (size_t)MOST_ROWS * CLASSES * 4);
	object_register(client, "r", object.key, 0, object.size);
	for (rows = FEWEST_ROWS; alone < LEAST_MS && rows < MOST_ROWS;) {
		rows *= 2;
		read_reply(ask("1.1", 0), reply, sizeof reply); /* the pages come */
		int64_t begun = now_ms();
		read_reply(ask("1.1", 0), reply, sizeof reply);
		alone = now_ms() - begun;
		expect_result(reply);
	}
	return 0;
}

static int stop(void **state)
{
	object_destroy(&object);
	return group_stop(state);
}

/* ---------------------------------------------------------------- half-closed */

/* A client may close its side once it has asked (RFC 9112, section 9.6). */
static void a_half_closed_client_gets_its_reply(void **state)
{
	static const char *const versions[] = {"1.1", "1.0"};
	char reply[4096];
	(void)state;
	for (int i = 0; i < 6; i++) {
		int fd = ask(versions[i % 2], 0);
		shutdown(fd, SHUT_WR);
		read_reply(fd, reply, sizeof reply);
		expect_result(reply);
	}
}

/* The end comes while it is computed, rather than with the last bytes. */
static void a_client_may_close_its_side_later(void **state)
{
	char reply[4096];
	(void)state;
	int fd = ask("1.1", 0);
	poll(NULL, 0, (int)(alone / 4));
	shutdown(fd, SHUT_WR);
	read_reply(fd, reply, sizeof reply);
	expect_result(reply);
}

/* ---------------------------------------------------------------- given up */

/* True when the work was stopped while it ran, and the reply came well before its end. */
static bool stops_at_its_deadline(void)
{
	char reply[4096];
	int64_t begun = now_ms();
	read_reply(ask("1.1", alone * 1000 / 4), reply, sizeof reply);
	int64_t took = now_ms() - begun;
	return strncmp(reply, "HTTP/1.1 504 ", 13) == 0 &&
	       strstr(reply, "before all rows were evaluated") && took < alone * 3 / 4;
}

static void work_stops_at_its_deadline(void **state)
{
	bool stopped = false;
	(void)state;
	for (int i = 0; i < TRIES && !stopped; i++)
		stopped = stops_at_its_deadline();
	assert_true(stopped);
}

static bool is_silent(int fd)
{
	struct pollfd state = {.fd = fd, .events = POLLIN};
	return poll(&state, 1, 0) == 0;
}

/* True when work that waited after other work was given up while that still ran. */
static bool is_withdrawn_at_its_deadline(void)
{
	char reply[4096];
	int first = ask("1.1", 0);
	poll(NULL, 0, (int)(alone / 8));
	int second = ask("1.1", alone * 1000 / 4);
	read_reply(second, reply, sizeof reply);
	bool ahead = is_silent(first);
	bool withdrawn = strncmp(reply, "HTTP/1.1 504 ", 13) == 0 &&
			 strstr(reply, "while the request waited to be computed");
	read_reply(first, reply, sizeof reply);
	expect_result(reply);
	return ahead && withdrawn;
}

static void waiting_work_is_withdrawn_at_its_deadline(void **state)
{
	bool withdrawn = false;
	(void)state;
	for (int i = 0; i < TRIES && !withdrawn; i++)
		withdrawn = is_withdrawn_at_its_deadline();
	assert_true(withdrawn);
}

static void leave(int fd)
{
	const struct linger reset = {1, 0};
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	close(fd);
}

static double cpu_seconds(void)
{
	return server_metric(&server, "process_cpu_seconds_total");
}

static double gone(void)
{
	return server_metric(&server, "lossd_rejected_total{reason=\"client_gone\"}");
}

/* They are counted when their connections have ended, which is when their work has. */
static void await_gone(double n)
{
	int64_t end = now_ms() + WAIT_MS;
	while (gone() < n) {
		assert_true(now_ms() < end);
		poll(NULL, 0, 5);
	}
}

/* What one of them takes of the processors, whoever else wants these. */
static double seconds_of_one(void)
{
	char reply[4096];
	double begun = cpu_seconds();
	read_reply(ask("1.1", 0), reply, sizeof reply);
	expect_result(reply);
	return cpu_seconds() - begun;
}

/* The same of four whose clients leave while the first is computed, and the others wait. */
static double seconds_for_nobody(void)
{
	double before = gone(), begun = cpu_seconds();
	int fds[4];
	for (int i = 0; i < 4; i++)
		fds[i] = ask("1.1", 0);
	poll(NULL, 0, (int)(alone / 8));
	for (int i = 0; i < 4; i++)
		leave(fds[i]);
	await_gone(before + 4);
	return cpu_seconds() - begun;
}

static void work_for_nobody_stops(void **state)
{
	bool stopped = false;
	(void)state;
	for (int i = 0; i < TRIES && !stopped; i++)
		stopped = seconds_for_nobody() < 2 * seconds_of_one();
	assert_true(stopped);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_half_closed_client_gets_its_reply),
		cmocka_unit_test(a_client_may_close_its_side_later),
		cmocka_unit_test(work_stops_at_its_deadline),
		cmocka_unit_test(waiting_work_is_withdrawn_at_its_deadline),
		cmocka_unit_test(work_for_nobody_stops),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
