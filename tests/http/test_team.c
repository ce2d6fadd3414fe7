/* Problems that are computed by the team while their connection is suspended. */
#include "../support/group.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_MS 60000

#define ROWS 4000 /* of CLASSES: more than what is computed inline */
#define CLASSES 100
#define INFLIGHT "lossd_inflight_bytes"

/* Computed by the team; the connection is suspended meanwhile, and goes on afterwards. */
static void large_problems_are_computed_by_the_team(void **state)
{
	static const char *const headers[] = {"Content-Type: application/json", "Expect:", NULL};
	struct request request = {.path = CROSS_ENTROPY, .headers = headers};
	char *body = body_of_zeros(ROWS, CLASSES, &request.body_size);
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
	free(body);
}

/* Clients that ask for large problems and leave: their work and memory end, and the next one is
 * served. */
static void clients_that_leave_cost_nothing(void **state)
{
	size_t size;
	char *body = body_of_zeros(ROWS, CLASSES, &size), head[256];
	(void)state;
	snprintf(head, sizeof head,
		 "POST " CROSS_ENTROPY " HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n", size);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(large_problems_are_computed_by_the_team),
		cmocka_unit_test(clients_that_leave_cost_nothing),
	};
	return cmocka_run_group_tests(tests, group_start, group_stop);
}
