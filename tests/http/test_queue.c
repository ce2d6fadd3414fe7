/*
 * The queue of large problems: who waits, who is refused, who goes first. What runs is a problem of
 * rows of the slow kind, which takes many seconds and is estimated at less than what waits, so that
 * it goes on; all lies in shared memory.
 */
#include "../support/group.h"
#include "../support/object.h"
#include "../support/refusal.h"

#include "../../server/status/status.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_MS 60000
#define CLASSES 10000
#define ROWS 12800
#define BYTES ((size_t)ROWS * CLASSES * 4)
#define LENGTH 3

static struct object object;

static void write_request(char *out, size_t size, const char *outputs)
{
	char body[900];
	snprintf(body, sizeof body,
		 "{\"parameters\": {\"softcap\": 30.0, \"gamma\": 20.0}, \"inputs\": [{\"name\": "
		 "\"logits\", \"shape\": [%d, %d], \"datatype\": \"FP32\", %s}, {\"name\": "
		 "\"targets\", \"shape\": [%d], \"datatype\": \"UINT8\", %s}]%s}",
		 ROWS, CLASSES, object_place("r", 0, BYTES), ROWS, object_place("r", 0, ROWS),
		 outputs);
	snprintf(out, size,
		 "POST /v2/models/cross_entropy/infer HTTP/1.1\r\nHost: a\r\nContent-Length: "
		 "%zu\r\nConnection: close\r\n\r\n%s",
		 strlen(body), body);
}

static int ask(const char *outputs)
{
	char request[2048];
	int fd = raw_connect(&server);
	write_request(request, sizeof request, outputs);
	assert_true(raw_send(fd, request, strlen(request)));
	return fd;
}

#define OUTPUT(name) "{\"name\": \"" name "\"}"

static double cpu_seconds(void)
{
	return server_metric(&server, "process_cpu_seconds_total");
}

/* Runs for long, and is estimated at less than what waits. It has begun when the server has worked
 * for it: nothing else takes so long. */
static int begin_slow_one(void)
{
	double begun = cpu_seconds();
	int64_t end = now_ms() + WAIT_MS;
	int fd = ask(", \"outputs\": [" OUTPUT("loss") ", " OUTPUT("grad") "]");
	while (cpu_seconds() < begun + 0.2) {
		assert_true(now_ms() < end);
		poll(NULL, 0, 20);
	}
	return fd;
}

/* More of the same rows, more than a second's work. */
static int ask_for_more(void)
{
	return ask(", \"outputs\": [" OUTPUT("loss") ", " OUTPUT("entropy") ", " OUTPUT(
		"rank") ", " OUTPUT("topk_accuracy") ", " OUTPUT("predicted") ", " OUTPUT("accurac"
											  "y") "]");
}

static double queue_depth(void)
{
	return server_metric(&server, "lossd_queue_depth");
}

static void await_depth(double depth)
{
	int64_t end = now_ms() + WAIT_MS;
	while (queue_depth() != depth) {
		assert_true(now_ms() < end);
		poll(NULL, 0, 5);
	}
}

/* Reads the reply to its end. */
static void expect_full(int fd, const char *words)
{
	char out[4096];
	bool closed;
	raw_read(fd, out, sizeof out, WAIT_MS, &closed);
	close(fd);
	const char *retry = strstr(out, "\r\nRetry-After: ");
	if (!closed || strncmp(out, "HTTP/1.1 429 ", 13) != 0 || !strstr(out, words) || !retry ||
	    !strstr(out, "{\"error\":"))
		fail_msg("not refused for a full queue: %s", out);
	assert_in_range(atoi(retry + strlen("\r\nRetry-After: ")), 1, 60);
}

static bool is_silent(int fd)
{
	struct pollfd state = {.fd = fd, .events = POLLIN};
	return poll(&state, 1, 0) == 0;
}

/* It leaves while its problem is computed. */
static void leave(int fd)
{
	char out[1024];
	if (!is_silent(fd)) {
		raw_read(fd, out, sizeof out, 100, NULL);
		fail_msg("it did not wait: %s", out);
	}
	close(fd);
}

static double refused(void)
{
	return server_metric(&server, "lossd_rejected_total{reason=\"queue_full\"}");
}

/* A request is counted after its reply has been sent. */
static void await_refused(double n)
{
	int64_t end = now_ms() + WAIT_MS;
	while (refused() < n) {
		assert_true(now_ms() < end);
		poll(NULL, 0, 5);
	}
	assert_true(refused() == n);
}

/* On /v1, and large enough for the queue; the reply is the caller's. */
static void send_large_one(struct reply *reply)
{
	static const char *const headers[] = {"Content-Type: application/json", "Expect:", NULL};
	struct request request = {.path = CROSS_ENTROPY "?softcap=30", .headers = headers};
	char *body = body_of_zeros(10000, 100, &request.body_size);
	request.body = body;
	client_send(client, &request, reply);
	free(body);
}

/* ---------------------------------------------------------------- */

/* One below the limit, at it, one above, far above; and whoever leaves makes room. */
static void as_many_wait_as_may(void **state)
{
	int fds[LENGTH + 1];
	double before = refused();
	struct reply reply;
	(void)state;
	fds[0] = begin_slow_one();
	for (int i = 1; i <= LENGTH; i++) {
		fds[i] = ask_for_more();
		await_depth(i);
		assert_true(is_silent(fds[i]));
	}
	assert_true(server_metric(&server, "lossd_queue_cost_seconds") > 0.0);
	for (int i = 0; i < 5; i++)
		expect_full(ask_for_more(), "(queue_length)");
	send_large_one(&reply);
	assert_int_equal(
		refusal_check("a full queue",
			      &(struct refusal){STATUS_QUEUE_FULL, NULL, "3 large problems wait"},
			      &reply),
		0);
	await_refused(before + 6);
	leave(fds[2]);
	await_depth(LENGTH - 1);
	fds[2] = ask_for_more();
	await_depth(LENGTH);
	expect_full(ask_for_more(), "(queue_length)");
	for (int i = 0; i <= LENGTH; i++)
		leave(fds[i]);
	await_depth(0);
	assert_true(server_metric(&server, "lossd_queue_cost_seconds") == 0.0);
}

/* It is computed between two slices of the large one, which goes on. */
static void a_small_problem_passes_a_large_one(void **state)
{
	struct reply reply;
	int large = begin_slow_one();
	(void)state;
	send_large_one(&reply);
	assert_int_equal(reply.status, 200);
	reply_free(&reply);
	leave(large);
}

static int start_with(const char *name, const char *value)
{
	const char *const flags[] = {"--threads", "1", "--shm-key-prefix", object_prefix(), name,
				     value,       NULL};
	if (group_start_with(flags) != 0)
		return -1;
	object_create(&object, "queue", BYTES);
	object_register(client, "r", object.key, 0, object.size);
	return 0;
}

static int start(void **state)
{
	char length[16];
	(void)state;
	snprintf(length, sizeof length, "%d", LENGTH);
	return start_with("--queue-length", length);
}

static int start_with_little_cost(void **state)
{
	(void)state;
	return start_with("--queue-cost", "1");
}

static int stop(void **state)
{
	object_destroy(&object);
	return group_stop(state);
}

/* One second may wait, or one problem alone that costs more. */
static void as_much_waits_as_may(void **state)
{
	double before = refused();
	(void)state;
	int running = begin_slow_one();
	int waiting = ask_for_more();
	await_depth(1);
	assert_true(server_metric(&server, "lossd_queue_cost_seconds") > 1.0);
	expect_full(ask_for_more(), "more than 1 (queue_cost)");
	await_refused(before + 1);
	leave(waiting);
	await_depth(0);
	waiting = ask_for_more();
	await_depth(1);
	leave(waiting);
	leave(running);
	await_depth(0);
}

int main(void)
{
	const struct CMUnitTest by_length[] = {
		cmocka_unit_test(as_many_wait_as_may),
		cmocka_unit_test(a_small_problem_passes_a_large_one),
	};
	const struct CMUnitTest by_cost[] = {
		cmocka_unit_test(as_much_waits_as_may),
	};
	int failed = cmocka_run_group_tests_name("length", by_length, start, stop);
	return failed + cmocka_run_group_tests_name("cost", by_cost, start_with_little_cost, stop);
}
