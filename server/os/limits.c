#include "limits.h"

#include "file.h"

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_BYTES 1024

/* Reads one control group's limit from its folder; UINT64_MAX when it sets none. */
typedef uint64_t limit_reader(const char *folder);

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static bool read_from(const char *folder, const char *name, char *text, size_t size)
{
	char path[PATH_BYTES];
	int n = snprintf(path, sizeof path, "%s/%s", folder, name);
	return n > 0 && (size_t)n < sizeof path && file_read(path, text, size) > 0;
}

static uint64_t cores_of_quota(long long quota, long long period)
{
	if (quota <= 0 || period <= 0) /* version 1 says -1 for "no limit" */
		return UINT64_MAX;
	return ((uint64_t)quota + (uint64_t)period - 1) / (uint64_t)period;
}

static uint64_t read_cores(const char *folder)
{
	char text[64], period[64], *rest;
	if (read_from(folder, "cpu.max", text, sizeof text)) { /* version 2: "QUOTA PERIOD" */
		long long quota = strtoll(text, &rest, 10);    /* 0 of "max" */
		return cores_of_quota(quota, strtoll(rest, NULL, 10));
	}
	if (!read_from(folder, "cpu.cfs_quota_us", text, sizeof text) ||
	    !read_from(folder, "cpu.cfs_period_us", period, sizeof period))
		return UINT64_MAX;
	return cores_of_quota(strtoll(text, NULL, 10), strtoll(period, NULL, 10));
}

static uint64_t read_memory(const char *folder)
{
	/* memory.high does not kill, but past it the process is throttled to a crawl. */
	static const char *const names[] = {"memory.max", "memory.high", "memory.limit_in_bytes"};
	uint64_t least = UINT64_MAX;
	char text[64];
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (!read_from(folder, names[i], text, sizeof text))
			continue;
		char *end;
		uint64_t bytes = strtoull(text, &end, 10);
		if (end > text) /* "max" is no number */
			least = smaller(least, bytes);
	}
	return least;
}

/*
 * The least limit of a group and its ancestors. Inside a container the path may be the host's and
 * not exist below the mount: then what is left of it, the mount itself, is the container's own
 * group.
 */
static uint64_t least_upwards(const char *mount, const char *group, limit_reader *reader)
{
	char folder[PATH_BYTES];
	int n = snprintf(folder, sizeof folder, "%s%s", mount, group);
	if (n < 0 || (size_t)n >= sizeof folder)
		return UINT64_MAX;
	uint64_t least = UINT64_MAX;
	for (;;) {
		least = smaller(least, reader(folder));
		char *slash = strrchr(folder, '/');
		if (!slash || slash < folder + strlen(mount))
			return least;
		*slash = '\0';
	}
}

static bool lists(const char *controllers, const char *controller)
{
	size_t n = strlen(controller);
	for (const char *at = controllers; (at = strstr(at, controller)); at += n) {
		bool starts = at == controllers || at[-1] == ',';
		if (starts && (at[n] == '\0' || at[n] == ','))
			return true;
	}
	return false;
}

/* One line of /proc/self/cgroup, "ID:CONTROLLERS:GROUP"; version 2 names no controllers. */
static uint64_t limit_of_line(const char *root, char *line, const char *controller,
			      limit_reader *reader)
{
	char *controllers = strchr(line, ':');
	char *group = controllers ? strchr(controllers + 1, ':') : NULL;
	if (!group)
		return UINT64_MAX;
	*controllers++ = '\0';
	*group++ = '\0';
	bool unified = *controllers == '\0';
	if (!unified && !lists(controllers, controller))
		return UINT64_MAX;
	/* Where the hierarchy is mounted: by the systems' habit, in one of two places each. */
	const char *places[2] = {unified ? "" : controllers, unified ? "unified" : controller};
	uint64_t least = UINT64_MAX;
	for (int i = 0; i < 2; i++) {
		char mount[PATH_BYTES];
		int n = snprintf(mount, sizeof mount, "%s/sys/fs/cgroup%s%s", root,
				 *places[i] ? "/" : "", places[i]);
		if (n > 0 && (size_t)n < sizeof mount)
			least = smaller(least, least_upwards(mount, group, reader));
	}
	return least;
}

static uint64_t cgroup_limit(const char *root, const char *controller, limit_reader *reader)
{
	char path[PATH_BYTES], text[8192];
	int n = snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
	if (n < 0 || (size_t)n >= sizeof path || file_read(path, text, sizeof text) < 0)
		return UINT64_MAX;
	uint64_t least = UINT64_MAX;
	char *rest = NULL;
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		least = smaller(least, limit_of_line(root, line, controller, reader));
	return least;
}

/* What the machine can give without swapping; UINT64_MAX where it does not say. */
static uint64_t machine_memory(const char *root)
{
	char path[PATH_BYTES], text[8192];
	int n = snprintf(path, sizeof path, "%s/proc/meminfo", root);
	if (n > 0 && (size_t)n < sizeof path && file_read(path, text, sizeof text) > 0) {
		static const char label[] = "MemAvailable:";
		const char *line = strstr(text, label);
		if (line)
			return strtoull(line + strlen(label), NULL, 10) * 1024;
	}
	long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
	return pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : UINT64_MAX;
}

uint64_t limits_cores_under(const char *root, uint64_t affinity)
{
	uint64_t cores = smaller(affinity, cgroup_limit(root, "cpu", read_cores));
	return cores > 0 ? cores : 1;
}

uint64_t limits_memory_bytes_under(const char *root)
{
	return smaller(machine_memory(root), cgroup_limit(root, "memory", read_memory));
}

uint64_t limits_cores(void)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	uint64_t affinity = online > 0 ? (uint64_t)online : 1;
#ifdef __linux__
	cpu_set_t mask;
	if (sched_getaffinity(0, sizeof mask, &mask) == 0)
		affinity = (uint64_t)CPU_COUNT(&mask);
#endif
	return limits_cores_under("", affinity);
}

uint64_t limits_memory_bytes(void)
{
	return limits_memory_bytes_under("");
}
