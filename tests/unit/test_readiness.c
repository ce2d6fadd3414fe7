/* A server whose compute thread hangs says that it is not ready, and its log says why, once. */
#include "eval/scheduler.h"
#include "http/readiness.h"
#include "http/request.h"
#include "log/log.h"
#include "v2/v2_pages.h"

#include "../support/capture.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* A slice of so much should have ended a second before it began: what it may take goes around the
 * end of 64 bits. */
#define OVERDUE_NS ((UINT64_MAX - SCHEDULER_PATIENCE_NS - UINT64_C(1000000000)) / SCHEDULER_SLOWER)

static struct server server;
static struct loss_arena *arena;
static struct capture capture;

/* The job runs while the test has the gate. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static bool wait_at_gate(struct job *job, int threads, uint64_t slice_ns)
{
	(void)job;
	(void)threads;
	(void)slice_ns;
	pthread_mutex_lock(&gate);
	pthread_mutex_unlock(&gate);
	return false;
}

static void no_matter(struct job *job)
{
	(void)job;
}

static int set_up(void **state)
{
	(void)state;
	memset(&server, 0, sizeof server);
	arena = loss_arena_create(NULL);
	const struct scheduler_setup setup = {.threads = 1, .limits = {1, UINT64_MAX}};
	server.scheduler = scheduler_start(arena, &setup);
	return server.scheduler ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	scheduler_stop(server.scheduler);
	loss_arena_destroy(arena);
	return 0;
}

/* What /v2/health/ready replies. */
static unsigned ask(char *text, size_t size)
{
	struct request request = {.server = &server};
	struct reply reply = {.status = 200, .text = loss_buffer_create(arena)};
	struct loss_error err;
	assert_int_equal(v2_ready_page(&request, &reply, &err), LOSS_OK);
	assert_true(reply.text->size < size);
	memcpy(text, reply.text->data, reply.text->size);
	text[reply.text->size] = '\0';
	return reply.status;
}

static void await(bool ready)
{
	for (int i = 0; i < 60000 && readiness_look(&server) != ready; i++)
		poll(NULL, 0, 1);
	assert_int_equal(readiness_look(&server), ready);
}

static int count(const char *text)
{
	int n = 0;
	for (const char *at = capture.text; (at = strstr(at, text)) != NULL; at++)
		n++;
	return n;
}

static void a_compute_thread_that_hangs_is_told(void **state)
{
	struct job job = {.run = wait_at_gate, .done = no_matter, .slice_ns = OVERDUE_NS};
	char text[64];
	(void)state;
	assert_int_equal(ask(text, sizeof text), 200);
	assert_string_equal(text, "{\"ready\":true}\n");
	capture_begin(&capture, STDERR_FILENO);
	pthread_mutex_lock(&gate);
	assert_true(scheduler_submit(server.scheduler, &job, &(struct schedule_refusal){0}));
	await(false);
	unsigned status = ask(text, sizeof text);
	pthread_mutex_unlock(&gate);
	bool said = strcmp(text, "{\"ready\":false}\n") == 0;
	await(true);
	capture_end(&capture);
	assert_int_equal(status, 503);
	assert_true(said);
	assert_int_equal(count(" warning not ready why=\"the compute thread does not answer\"\n"),
			 1);
	assert_int_equal(count(" info ready again\n"), 1);
	assert_int_equal(count("\n"), 2);
}

static void a_server_that_stops_is_not_ready(void **state)
{
	static const enum server_stage stages[] = {SERVER_LEAVING, SERVER_DRAINING};
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		char text[64];
		atomic_store(&server.unready, false);
		capture_begin(&capture, STDERR_FILENO);
		atomic_store(&server.stage, stages[i]);
		unsigned status = ask(text, sizeof text);
		capture_end(&capture);
		assert_int_equal(status, 503);
		assert_string_equal(text, "{\"ready\":false}\n");
		assert_int_equal(count(" info not ready why=\"it was told to stop\"\n"), 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_compute_thread_that_hangs_is_told, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_server_that_stops_is_not_ready, set_up,
						tear_down),
	};
	return cmocka_run_group_tests_name("readiness", tests, NULL, NULL);
}
