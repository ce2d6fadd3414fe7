/* Problems that are computed by the team while their connection is suspended. */
#include "../support/client.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define PATH "/v1/losses/cross_entropy"
#define WAIT_MS 60000

static struct server server;

static int start(void **state)
{
	static const char *const flags[] = {NULL};
	(void)state;
	return server_start(&server, flags, NULL);
}

static int stop(void **state)
{
	(void)state;
	return server_stop(&server);
}

static double metric(const char *name)
{
	struct reply reply;
	struct client *client = client_open(&server);
	client_get(client, "/metrics", &reply);
	const char *line = strstr(reply.body, name);
	double value = line ? strtod(line + strlen(name), NULL) : -1;
	reply_free(&reply);
	client_close(client);
	return value;
}

#define ELEMENTS 400000 /* more than what is computed inline */
#define ROWS 4000

/* A body of ROWS rows of zeros; *size gets its length. The caller frees it. */
static char *large_body(size_t *size)
{
	size_t room = 2 * (ELEMENTS + ROWS) + 256;
	char *body = malloc(room);
	assert_non_null(body);
	size_t n = (size_t)snprintf(
		body, room, "{\"logits\": {\"dtype\": \"F32\", \"shape\": [%d, %d], \"data\": [",
		ROWS, ELEMENTS / ROWS);
	for (int i = 0; i < ELEMENTS; i++)
		n += (size_t)snprintf(body + n, room - n, i ? ",0" : "0");
	n += (size_t)snprintf(body + n, room - n, "]}, \"targets\": [");
	for (int i = 0; i < ROWS; i++)
		n += (size_t)snprintf(body + n, room - n, i ? ",0" : "0");
	n += (size_t)snprintf(body + n, room - n, "]}");
	*size = n;
	return body;
}

/* Computed by the team; the connection is suspended meanwhile, and goes on afterwards. */
static void large_problems_are_computed_by_the_team(void **state)
{
	static const char *const headers[] = {"Content-Type: application/json", "Expect:", NULL};
	struct request request = {.path = PATH, .headers = headers};
	char *body = large_body(&request.body_size);
	struct client *client = client_open(&server);
	struct reply reply;
	(void)state;
	request.body = body;
	for (int i = 0; i < 3; i++) {
		client_send(client, &request, &reply);
		assert_int_equal(reply.status, 200);
		cJSON *json = reply_json(&reply);
		/* log 100, of each row alike */
		assert_float_equal(json_number(json_member(json, "loss")), 4.6051702, 1e-6);
		cJSON_Delete(json);
		assert_int_equal(reply.new_connections, i == 0);
		reply_free(&reply);
	}
	client_close(client);
	free(body);
}

/* Clients that ask for large problems and leave: their work and memory end, and the next one is
 * served. */
static void clients_that_leave_cost_nothing(void **state)
{
	size_t size;
	char *body = large_body(&size), head[256];
	(void)state;
	snprintf(head, sizeof head,
		 "POST " PATH " HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n", size);
	for (int i = 0; i < 8; i++) {
		int fd = raw_connect(&server);
		assert_true(raw_send(fd, head, strlen(head)));
		assert_true(raw_send(fd, body, size));
		close(fd);
	}
	free(body);
	/* What is left is the page's own request. */
	for (int i = 0; i < WAIT_MS / 10 && metric("\nlossd_inflight_bytes ") > 100000; i++)
		poll(NULL, 0, 10);
	assert_true(metric("\nlossd_inflight_bytes ") <= 100000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(large_problems_are_computed_by_the_team),
		cmocka_unit_test(clients_that_leave_cost_nothing),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
