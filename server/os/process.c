#include "process.h"

#include "clock.h"
#include "file.h"

#include <dirent.h>
#include <dlfcn.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define COUNT_NS UINT64_C(1000000000)
#define MANY_FDS 500

static double seconds_of(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static void read_memory(struct process_usage *usage)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	char text[128], *second;
	if (file_read("/proc/self/statm", text, sizeof text) < 0)
		return;
	/* "SIZE RESIDENT ...", in pages */
	usage->virtual_bytes = strtoull(text, &second, 10) * page;
	usage->resident_bytes = strtoull(second, NULL, 10) * page;
}

static uint64_t open_fds(void)
{
	DIR *folder = opendir("/proc/self/fd");
	if (!folder)
		return 0;
	uint64_t n = 0;
	for (const struct dirent *entry; (entry = readdir(folder));)
		n += entry->d_name[0] != '.';
	closedir(folder);
	return n > 0 ? n - 1 : 0; /* without the one that reads the folder */
}

/* Counting thousands takes milliseconds, and anybody may ask: once a second is often enough then.
 */
static uint64_t open_fds_of_late(void)
{
	static _Atomic uint64_t counted_ns, count;
	uint64_t now = clock_ns(), before = atomic_load(&counted_ns);
	if ((atomic_load(&count) < MANY_FDS || now - before >= COUNT_NS) &&
	    atomic_compare_exchange_strong(&counted_ns, &before, now))
		atomic_store(&count, open_fds());
	return atomic_load(&count);
}

static double now_seconds(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

double process_start_seconds(void)
{
	double now = now_seconds(CLOCK_REALTIME);
#ifdef CLOCK_BOOTTIME
	char text[1024];
	if (file_read("/proc/self/stat", text, sizeof text) < 0)
		return now;
	/* Field 22 counts clock ticks since the boot. The name, field 2, may hold anything. */
	const char *at = strrchr(text, ')');
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	if (at)
		return now - now_seconds(CLOCK_BOOTTIME) +
		       (double)strtoull(at, NULL, 10) / (double)sysconf(_SC_CLK_TCK);
#endif
	return now;
}

void process_usage(struct process_usage *usage)
{
	struct rusage used;
	struct rlimit files, memory;
	memset(usage, 0, sizeof *usage);
	if (getrusage(RUSAGE_SELF, &used) == 0)
		usage->cpu_seconds = seconds_of(used.ru_utime) + seconds_of(used.ru_stime);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur != RLIM_INFINITY)
		usage->max_fds = (uint64_t)files.rlim_cur;
	if (getrlimit(RLIMIT_AS, &memory) == 0)
		usage->max_virtual_bytes =
			memory.rlim_cur == RLIM_INFINITY ? UINT64_MAX : (uint64_t)memory.rlim_cur;
	read_memory(usage);
	usage->open_fds = open_fds_of_late();
}

void process_load_thread_exit(void)
{
#ifdef __GLIBC__
	/* Where it is not there nobody needs it. It is never closed. */
	(void)dlopen("libgcc_s.so.1", RTLD_NOW);
#endif
}

#define KEPT_BYTES (16 << 20) /* for each of the C library's arenas, about one a thread */
#define APART_BYTES (1 << 20) /* from here on memory is mapped apart, and goes back */

void process_keep_freed_memory(void)
{
#ifdef __GLIBC__
	mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
	mallopt(M_MMAP_THRESHOLD, APART_BYTES);
#endif
}
