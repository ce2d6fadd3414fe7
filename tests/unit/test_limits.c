/* Cores and memory, from folders that stand for the root of a machine. */
#include "../support/capture.h"
#include "os/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>

static char root[256];

static void put(const char *path, const char *text)
{
	char whole[1024];
	snprintf(whole, sizeof whole, "%s%s", root, path);
	write_file(whole, text);
}

static int set_up(void **state)
{
	(void)state;
	make_folder(root, sizeof root);
	put("/proc/meminfo", "MemTotal:  8388608 kB\nMemFree: 1 kB\nMemAvailable:    4194304 kB\n");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	remove_folder(root);
	return 0;
}

static void without_groups_affinity_and_machine_count(void **state)
{
	(void)state;
	assert_int_equal(limits_cores_under(root, 6), 6);
	assert_int_equal(limits_memory_bytes_under(root), 4194304ull * 1024);
}

static void a_version_2_quota_rounds_up(void **state)
{
	(void)state;
	put("/proc/self/cgroup", "0::/\n");
	put("/sys/fs/cgroup/cpu.max", "250000 100000\n");
	assert_int_equal(limits_cores_under(root, 64), 3);
	put("/sys/fs/cgroup/cpu.max", "200000 100000\n");
	assert_int_equal(limits_cores_under(root, 64), 2);
	put("/sys/fs/cgroup/cpu.max", "1000 100000\n");
	assert_int_equal(limits_cores_under(root, 64), 1);
	put("/sys/fs/cgroup/cpu.max", "max 100000\n");
	assert_int_equal(limits_cores_under(root, 64), 64);
}

static void affinity_counts_when_it_is_less_than_the_quota(void **state)
{
	(void)state;
	put("/proc/self/cgroup", "0::/\n");
	put("/sys/fs/cgroup/cpu.max", "800000 100000\n");
	assert_int_equal(limits_cores_under(root, 3), 3);
}

static void the_least_of_a_group_and_its_ancestors_counts(void **state)
{
	(void)state;
	put("/proc/self/cgroup", "0::/a/b/c\n");
	put("/sys/fs/cgroup/a/cpu.max", "200000 100000\n");
	put("/sys/fs/cgroup/a/b/cpu.max", "400000 100000\n");
	put("/sys/fs/cgroup/a/b/c/cpu.max", "max 100000\n");
	put("/sys/fs/cgroup/a/memory.max", "max\n");
	put("/sys/fs/cgroup/a/b/memory.max", "1073741824\n");
	put("/sys/fs/cgroup/a/b/memory.high", "536870912\n");
	assert_int_equal(limits_cores_under(root, 64), 2);
	assert_int_equal(limits_memory_bytes_under(root), 536870912);
}

static void a_group_that_only_the_host_sees_falls_back_to_the_mount(void **state)
{
	(void)state;
	put("/proc/self/cgroup", "0::/system.slice/docker-0123.scope\n");
	put("/sys/fs/cgroup/memory.max", "268435456\n");
	assert_int_equal(limits_memory_bytes_under(root), 268435456);
}

static void version_1_quotas_and_limits_are_read(void **state)
{
	(void)state;
	put("/proc/self/cgroup", "9:memory:/box\n4:cpu,cpuacct:/box\n3:cpuset:/box\n");
	put("/sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us", "150000\n");
	put("/sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_period_us", "100000\n");
	put("/sys/fs/cgroup/memory/box/memory.limit_in_bytes", "134217728\n");
	/* Another controller's folder, whose name begins alike, must not be taken for it. */
	put("/sys/fs/cgroup/cpuset/box/cpu.cfs_quota_us", "100000\n");
	put("/sys/fs/cgroup/cpuset/box/cpu.cfs_period_us", "100000\n");
	assert_int_equal(limits_cores_under(root, 64), 2);
	assert_int_equal(limits_memory_bytes_under(root), 134217728);
}

static void version_1_without_a_limit_is_none(void **state)
{
	(void)state;
	put("/proc/self/cgroup", "9:memory:/\n4:cpu:/\n");
	put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
	put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
	put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
	assert_int_equal(limits_cores_under(root, 5), 5);
	assert_int_equal(limits_memory_bytes_under(root), 4194304ull * 1024);
}

static void nonsense_is_no_limit(void **state)
{
	(void)state;
	put("/proc/self/cgroup", "garbage\n0:\n0::/\n");
	put("/sys/fs/cgroup/cpu.max", "lots\n");
	put("/sys/fs/cgroup/memory.max", "\n");
	assert_int_equal(limits_cores_under(root, 5), 5);
	assert_int_equal(limits_cores_under(root, 0), 1);
	assert_int_equal(limits_memory_bytes_under(root), 4194304ull * 1024);
}

static void an_old_kernel_s_meminfo_leaves_the_machine_s_memory(void **state)
{
	(void)state;
	put("/proc/meminfo", "MemTotal: 1 kB\n");
	assert_true(limits_memory_bytes_under(root) > 16u << 20);
}

static void this_machine_has_some_of_both(void **state)
{
	(void)state;
	assert_true(limits_cores() >= 1);
	assert_true(limits_memory_bytes() > 1u << 20);
	assert_true(limits_memory_bytes() < UINT64_MAX);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(without_groups_affinity_and_machine_count),
		TEST(a_version_2_quota_rounds_up),
		TEST(affinity_counts_when_it_is_less_than_the_quota),
		TEST(the_least_of_a_group_and_its_ancestors_counts),
		TEST(a_group_that_only_the_host_sees_falls_back_to_the_mount),
		TEST(version_1_quotas_and_limits_are_read),
		TEST(version_1_without_a_limit_is_none),
		TEST(nonsense_is_no_limit),
		TEST(an_old_kernel_s_meminfo_leaves_the_machine_s_memory),
		TEST(this_machine_has_some_of_both),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
