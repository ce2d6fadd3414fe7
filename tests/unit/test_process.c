/* What the system says about this process, held against what the process knows of itself. */
#include "../../server/os/process.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB ((size_t)1 << 20)

static double seconds(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static struct process_usage usage_now(void)
{
	struct process_usage usage;
	memset(&usage, 0xa5, sizeof usage);
	process_usage(&usage);
	return usage;
}

/* Of a child, which asks some time after it has begun. The system counts in hundredths. */
static void it_started_when_it_was_made(void **state)
{
	int ends[2];
	double started = 0.0, before = seconds(CLOCK_REALTIME);
	(void)state;
	if (access("/proc/self/stat", R_OK) != 0) {
		print_message("this system has no /proc/self/stat\n");
		skip();
	}
	assert_int_equal(pipe(ends), 0);
	pid_t child = fork();
	double after = seconds(CLOCK_REALTIME);
	if (child == 0) {
		nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
		started = process_start_seconds();
		_exit(write(ends[1], &started, sizeof started) == sizeof started ? 0 : 1);
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], &started, sizeof started), sizeof started);
	close(ends[0]);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_true(started > before - 0.1 && started < after + 0.1);
}

static void descriptors_are_counted(void **state)
{
	struct rlimit files;
	int fds[5];
	(void)state;
	uint64_t before = usage_now().open_fds;
	if (before == 0) {
		print_message("this system has no /proc/self/fd\n");
		skip();
	}
	for (size_t i = 0; i < 5; i++)
		fds[i] = dup(STDERR_FILENO);
	assert_int_equal(usage_now().open_fds, before + 5);
	for (size_t i = 0; i < 5; i++)
		close(fds[i]);
	assert_int_equal(usage_now().open_fds, before);
	/* All of them: there is none after the last that is counted. */
	uint64_t open = 0;
	for (int fd = 0; fd < 1024; fd++)
		open += dup2(fd, fd) == fd;
	assert_int_equal(before, open);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	assert_int_equal(usage_now().max_fds, files.rlim_cur == RLIM_INFINITY ? 0 : files.rlim_cur);
}

static void memory_is_what_is_resident(void **state)
{
	const size_t size = 64 * MIB;
	(void)state;
	uint64_t before = usage_now().resident_bytes, virtual_before = usage_now().virtual_bytes;
	if (before == 0) {
		print_message("this system has no /proc/self/statm\n");
		skip();
	}
	char *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(pages != MAP_FAILED);
	assert_true(usage_now().resident_bytes < before + size / 2);
	assert_in_range(usage_now().virtual_bytes, virtual_before + size,
			virtual_before + size + 8 * MIB);
	memset(pages, 1, size);
	assert_in_range(usage_now().resident_bytes, before + size - MIB, before + size + 8 * MIB);
	munmap(pages, size);
}

static void the_most_memory_is_the_limit(void **state)
{
	struct rlimit kept, limit;
	(void)state;
	assert_int_equal(getrlimit(RLIMIT_AS, &kept), 0);
	if (kept.rlim_cur == RLIM_INFINITY)
		assert_true(usage_now().max_virtual_bytes == UINT64_MAX);
	limit = kept;
	limit.rlim_cur = (rlim_t)1 << 46;
	assert_int_equal(setrlimit(RLIMIT_AS, &limit), 0);
	assert_int_equal(usage_now().max_virtual_bytes, UINT64_C(1) << 46);
	assert_int_equal(setrlimit(RLIMIT_AS, &kept), 0);
}

static void processor_time_is_that_of_the_clock(void **state)
{
	(void)state;
	volatile unsigned work = 0;
	double before = seconds(CLOCK_PROCESS_CPUTIME_ID);
	while (seconds(CLOCK_PROCESS_CPUTIME_ID) < before + 0.3)
		work = work + 1;
	double shown = usage_now().cpu_seconds, now = seconds(CLOCK_PROCESS_CPUTIME_ID);
	assert_true(shown > now - 0.1 && shown < now + 0.1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_started_when_it_was_made),
		cmocka_unit_test(descriptors_are_counted),
		cmocka_unit_test(memory_is_what_is_resident),
		cmocka_unit_test(the_most_memory_is_the_limit),
		cmocka_unit_test(processor_time_is_that_of_the_clock),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
