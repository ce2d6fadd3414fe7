/* Problems that are computed by the team while their connection is suspended. */
#include "../support/group.h"
#include "../support/object.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_MS 60000

#define THREADS 2

#define ROWS 10000 /* of CLASSES: with a softcap more than what is computed inline */
#define CLASSES 100
#define INFLIGHT "lossd_inflight_bytes"

/* Computed by the team; the connection is suspended meanwhile, and goes on afterwards. */
static void large_problems_are_computed_by_the_team(void **state)
{
	static const char *const headers[] = {"Content-Type: application/json", "Expect:", NULL};
	struct request request = {.path = CROSS_ENTROPY "?softcap=30", .headers = headers};
	char *body = body_of_zeros(ROWS, CLASSES, &request.body_size);
	struct reply reply;
	(void)state;
	request.body = body;
	for (int i = 0; i < 3; i++) {
		client_send(client, &request, &reply);
		assert_int_equal(reply.status, 200);
		cJSON *json = reply_json(&reply);
		const cJSON *metrics = json_member(json, "metrics");
		assert_true(json_number(json_member(metrics, "threads")) == (double)THREADS);
		assert_true(json_number(json_member(metrics, "queue_seconds")) > 0.0);
		/* log 100, of each row alike */
		assert_float_equal(json_number(json_member(json, "loss")), 4.6051702, 1e-6);
		cJSON_Delete(json);
		assert_int_equal(reply.new_connections, i == 0);
		reply_free(&reply);
	}
	free(body);
}

static void small_problems_are_computed_by_one_thread(void **state)
{
	struct reply reply;
	(void)state;
	client_post(client, CROSS_ENTROPY, GOOD, &reply);
	assert_int_equal(reply.status, 200);
	cJSON *json = reply_json(&reply);
	const cJSON *metrics = json_member(json, "metrics");
	assert_true(json_number(json_member(metrics, "threads")) == 1.0);
	assert_true(json_number(json_member(metrics, "queue_seconds")) == 0.0);
	cJSON_Delete(json);
	reply_free(&reply);
}

/* ---------------------------------------------------------------- waiting for the team */

/* In shared memory, so that nearly all of a request's time is its computing. */
#define LONG_ROWS 800
#define LONG_CLASSES 10000
#define PAIRS 50

static struct object object;

/* One of two clients that send a long problem at the same time, and what came back. */
struct rival {
	pthread_barrier_t *start;
	struct client *client;
	struct reply reply;
	double queue_ns, compute_ns, total_ns;
};

static void *send_long_problem(void *context)
{
	struct rival *rival = context;
	char body[512];
	snprintf(
		body, sizeof body,
		"{\"inputs\": [{\"name\": \"logits\", \"shape\": [%d, %d], \"datatype\": \"FP32\", "
		"\"parameters\": {\"shared_memory_region\": \"r\", \"shared_memory_byte_size\": "
		"%zu}},"
		" {\"name\": \"targets\", \"shape\": [%d], \"datatype\": \"UINT8\", "
		"\"parameters\": "
		"{\"shared_memory_region\": \"r\", \"shared_memory_byte_size\": %d}}]}",
		LONG_ROWS, LONG_CLASSES, object.size, LONG_ROWS, LONG_ROWS);
	pthread_barrier_wait(rival->start);
	client_post(rival->client, "/v2/models/cross_entropy/infer", body, &rival->reply);
	return NULL;
}

static void read_times(struct rival *rival)
{
	if (rival->reply.status != 200)
		fail_msg("%s", rival->reply.body);
	cJSON *json = reply_json(&rival->reply);
	const cJSON *parameters = json_member(json, "parameters");
	rival->queue_ns = json_number(json_member(parameters, "queue_ns"));
	rival->compute_ns = json_number(json_member(parameters, "compute_ns"));
	rival->total_ns = json_number(json_member(parameters, "total_ns"));
	assert_true(json_number(json_member(parameters, "threads")) == (double)THREADS);
	cJSON_Delete(json);
	reply_free(&rival->reply);
	/* All of it is part of the whole, and even an idle team takes a moment. */
	assert_true(rival->queue_ns > 0.0);
	assert_true(rival->queue_ns + rival->compute_ns <= rival->total_ns);
}

/* Whether the second of a pair waited for a good part of the first: both can not be computed at
 * once. */
static bool one_waited(struct rival rivals[2])
{
	pthread_barrier_t start;
	pthread_t threads[2];
	assert_int_equal(pthread_barrier_init(&start, NULL, 2), 0);
	for (size_t i = 0; i < 2; i++) {
		rivals[i].start = &start;
		assert_int_equal(pthread_create(&threads[i], NULL, send_long_problem, &rivals[i]),
				 0);
	}
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	pthread_barrier_destroy(&start);
	read_times(&rivals[0]);
	read_times(&rivals[1]);
	bool second = rivals[1].queue_ns > rivals[0].queue_ns;
	return rivals[second].queue_ns > rivals[!second].compute_ns / 2;
}

static void waiting_for_the_team_is_told(void **state)
{
	struct rival rivals[2];
	bool waited = false;
	(void)state;
	object_create(&object, "long", (size_t)LONG_ROWS * LONG_CLASSES * 4);
	object_register(client, "r", object.key, 0, object.size);
	for (size_t i = 0; i < 2; i++)
		rivals[i].client = client_open(&server);
	for (int i = 0; i < PAIRS && !waited; i++)
		waited = one_waited(rivals);
	assert_true(waited);
	for (size_t i = 0; i < 2; i++)
		client_close(rivals[i].client);
	object_destroy(&object);
}

/* ---------------------------------------------------------------- leaving */

/* Clients that ask for large problems and leave: their work and memory end, and the next one is
 * served. */
static void clients_that_leave_cost_nothing(void **state)
{
	size_t size;
	char *body = body_of_zeros(ROWS, CLASSES, &size), head[256];
	(void)state;
	snprintf(head, sizeof head,
		 "POST " CROSS_ENTROPY
		 "?softcap=30 HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n",
		 size);
	for (int i = 0; i < 8; i++) {
		int fd = raw_connect(&server);
		assert_true(raw_send(fd, head, strlen(head)));
		assert_true(raw_send(fd, body, size));
		close(fd);
	}
	free(body);
	/* What is left is the page's own request. */
	for (int i = 0; i < WAIT_MS / 10 && server_metric(&server, INFLIGHT) > 100000; i++)
		poll(NULL, 0, 10);
	assert_true(server_metric(&server, INFLIGHT) <= 100000);
}

static int start(void **state)
{
	char threads[16];
	const char *const flags[] = {"--threads", threads, "--shm-key-prefix", object_prefix(),
				     NULL};
	(void)state;
	snprintf(threads, sizeof threads, "%d", THREADS);
	return group_start_with(flags);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(large_problems_are_computed_by_the_team),
		cmocka_unit_test(small_problems_are_computed_by_one_thread),
		cmocka_unit_test(waiting_for_the_team_is_told),
		cmocka_unit_test(clients_that_leave_cost_nothing),
	};
	return cmocka_run_group_tests(tests, start, group_stop);
}
