/* What descriptors and memory let a server carry. Limits are lowered in a process of their own. */
#include "../../server/http/capacity.h"
#include "../../server/http/tls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../server/log/log.h"
#include "../support/capture.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define PLENTY ((uint64_t)1 << 40)
/* Descriptors that the process was started with, beside those that are counted. */
#define INHERITED 4096
#define OWN_PLACES 8 /* of each listener but one */

static struct config config_for(uint64_t connections)
{
	return (struct config){.shm_key_prefix = "none",
			       .connections = connections,
			       .io_threads = 2,
			       .connection_memory_bytes = 4096,
			       .memory_budget_bytes = PLENTY};
}

/* ---------------------------------------------------------------- what there may be */

static void connections_have_whole_pages(void **state)
{
	(void)state;
	struct config config = {.connection_memory_bytes = 4096};
	size_t page = capacity_connection_bytes(&config);
	assert_true(page > 4096 && page < 8192);
	config.connection_memory_bytes = 1;
	assert_int_equal(capacity_connection_bytes(&config), page);
	config.connection_memory_bytes = 4097;
	assert_int_equal(capacity_connection_bytes(&config), page + 4096);
	config.connection_memory_bytes = 8192;
	assert_int_equal(capacity_connection_bytes(&config), page + 4096);
}

static void connections_of_tls_have_more(void **state)
{
	(void)state;
	struct config config = {.connection_memory_bytes = 4096, .listen = "127.0.0.1:0"};
	size_t plain = capacity_connection_bytes(&config);
	snprintf(config.listen, sizeof config.listen, "127.0.0.1:0,tls:127.0.0.1:0");
	assert_int_equal(capacity_connection_bytes(&config), plain + TLS_CONNECTION_BYTES);
	snprintf(config.listen, sizeof config.listen, "unix:/tls:a");
	assert_int_equal(capacity_connection_bytes(&config), plain);
}

static void each_daemon_has_its_threads(void **state)
{
	(void)state;
	struct config config = config_for(100);
	size_t plain = capacity_descriptors(&config, 1);
	snprintf(config.listen, sizeof config.listen, "127.0.0.1:0,unix:/tls:a");
	assert_int_equal(capacity_threads(&config), 2);
	assert_int_equal(capacity_descriptors(&config, 1), plain);
	snprintf(config.listen, sizeof config.listen, "tls:127.0.0.1:0");
	assert_int_equal(capacity_threads(&config), 2);
	snprintf(config.listen, sizeof config.listen, "tls:127.0.0.1:0,127.0.0.1:0");
	assert_int_equal(capacity_threads(&config), 4);
	assert_in_range(capacity_descriptors(&config, 1), plain + 2, plain + 20);
}

static void descriptors_count_all_that_is_open(void **state)
{
	(void)state;
	struct config config = config_for(100);
	size_t one = capacity_descriptors(&config, 1);
	assert_in_range(one, 100 + 12 + INHERITED, 200 + INHERITED);
	assert_int_equal(capacity_descriptors(&config, 2), one + 1 + OWN_PLACES);
	assert_int_equal(capacity_descriptors(&config, 3), one + 2 * (1 + OWN_PLACES));
	config.connections = 101;
	assert_int_equal(capacity_descriptors(&config, 1), one + 1);
	config.connections = 100;
	config.shm_max_regions = 64; /* but shared memory is off */
	assert_int_equal(capacity_descriptors(&config, 1), one);
	strcpy(config.shm_key_prefix, "/lossd");
	assert_int_equal(capacity_descriptors(&config, 1), one + 64);
	config.shm_max_regions = 0;
	config.io_threads = 3;
	assert_in_range(capacity_descriptors(&config, 1), one + 1, one + 10);
}

/* ---------------------------------------------------------------- what fits */

struct outcome {
	uint64_t connections;
	rlim_t soft; /* the limit of open files afterwards */
	bool said;   /* something above LOG_DEBUG */
};

/* Under a limit of open files, all but one of which are in force at first; 0: as it is. */
static struct outcome fit(struct config config, size_t listeners, rlim_t files)
{
	struct outcome outcome = {0};
	int ends[2], status;
	assert_int_equal(pipe(ends), 0);
	pid_t child = fork();
	if (child == 0) {
		static struct capture said;
		struct rlimit limit = {files - 1, files};
		if (files > 0 && setrlimit(RLIMIT_NOFILE, &limit) != 0)
			_exit(1);
		log_start(LOG_INFO, LOG_TEXT);
		capture_begin(&said, STDERR_FILENO);
		capacity_fit(&config, listeners);
		capture_end(&said);
		getrlimit(RLIMIT_NOFILE, &limit);
		outcome = (struct outcome){config.connections, limit.rlim_cur, said.size > 0};
		_exit(write(ends[1], &outcome, sizeof outcome) == sizeof outcome ? 0 : 1);
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], &outcome, sizeof outcome), sizeof outcome);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close(ends[0]);
	return outcome;
}

/* All of the limit is used, and no more. */
static void connections_fit_the_limit_of_open_files(void **state)
{
	(void)state;
	for (size_t listeners = 1; listeners <= 3; listeners++) {
		struct outcome outcome = fit(config_for(1000), listeners, 400);
		assert_int_equal(outcome.soft, 400);
		assert_true(outcome.said);
		struct config config = config_for(outcome.connections);
		assert_int_equal(capacity_descriptors(&config, listeners) - INHERITED, 400);
		uint64_t fits = outcome.connections;
		/* what fits is left alone; a few less are not worth a word */
		outcome = fit(config_for(fits), listeners, 400);
		assert_int_equal(outcome.connections, fits);
		assert_false(outcome.said);
		outcome = fit(config_for(fits - 100), listeners, 400);
		assert_int_equal(outcome.connections, fits - 100);
		outcome = fit(config_for(fits + 1), listeners, 400);
		assert_int_equal(outcome.connections, fits);
		assert_false(outcome.said);
	}
}

static void there_is_always_one_connection(void **state)
{
	(void)state;
	struct config config = config_for(1000);
	size_t own = capacity_descriptors(&config, 1) - INHERITED - 1000;
	assert_int_equal(fit(config, 1, own - 10).connections, 1);
	assert_int_equal(fit(config, 1, own).connections, 1);
	assert_int_equal(fit(config, 1, own + 1).connections, 1);
	assert_int_equal(fit(config, 1, own + 2).connections, 2);
	config.memory_budget_bytes = 0;
	assert_int_equal(fit(config, 1, 0).connections, 1);
}

/* Half of it is for what they ask. */
static void connections_fit_half_the_memory_budget(void **state)
{
	(void)state;
	struct config config = config_for(100);
	size_t bytes = capacity_connection_bytes(&config);
	static const struct {
		uint64_t connections;
		int more; /* bytes of the budget than for these */
		uint64_t fit;
	} cases[] = {{10, 0, 10},   {10, -1, 9},   {10, 1, 10},
		     {100, 0, 100}, {100, -1, 99}, {200, 0, 100}};
	for (size_t i = 0; i < COUNT(cases); i++) {
		config.memory_budget_bytes =
			2 * cases[i].connections * bytes + (uint64_t)(int64_t)cases[i].more;
		struct outcome outcome = fit(config, 1, 0);
		assert_int_equal(outcome.connections, cases[i].fit);
		assert_int_equal(outcome.said, cases[i].fit < 100);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connections_have_whole_pages),
		cmocka_unit_test(connections_of_tls_have_more),
		cmocka_unit_test(each_daemon_has_its_threads),
		cmocka_unit_test(descriptors_count_all_that_is_open),
		cmocka_unit_test(connections_fit_the_limit_of_open_files),
		cmocka_unit_test(there_is_always_one_connection),
		cmocka_unit_test(connections_fit_half_the_memory_budget),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
