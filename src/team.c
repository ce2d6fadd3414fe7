#include "team.h"

#include <stdbool.h>

#ifdef _OPENMP
#include <omp.h>
#else
#define omp_get_thread_num() 0
#endif

/*
 * A thread that is woken may be put on the processor of the one that wakes it, and wait there for
 * milliseconds while another processor is idle: a region then takes longer than on one thread. So
 * the threads of a team keep off the processor that their caller was on when they first worked for
 * it, and the caller comes back to it.
 */
#ifdef __linux__
#include <sched.h>

static _Thread_local int home = -1;    /* a caller's processor; -1: it has had no team yet */
static _Thread_local int avoided = -1; /* what this thread of a team keeps off */

/* Moves the calling thread to its home, if it may run there, or makes it one where it is. */
static void come_home(const cpu_set_t *allowed)
{
	int here = sched_getcpu();
	cpu_set_t only;
	if (here == home)
		return;
	CPU_ZERO(&only);
	if (home >= 0 && CPU_ISSET((size_t)home, allowed)) {
		CPU_SET((size_t)home, &only);
		bool moved = sched_setaffinity(0, sizeof only, &only) == 0;
		/* where it may run is as before, whatever happens */
		if (moved && sched_setaffinity(0, sizeof *allowed, allowed) == 0)
			return;
	}
	home = here;
}

/* Some runtimes let the thread that calls them run anywhere. */
static void stay(const cpu_set_t *allowed)
{
	cpu_set_t now;
	if (sched_getaffinity(0, sizeof now, &now) == 0 && !CPU_EQUAL(&now, allowed))
		sched_setaffinity(0, sizeof *allowed, allowed);
}

/* The calling thread works for one whose home that is. */
static void keep_off(int processor, const cpu_set_t *allowed)
{
	cpu_set_t others = *allowed;
	if (processor == avoided || processor < 0)
		return;
	CPU_CLR((size_t)processor, &others);
	if (CPU_COUNT(&others) > 0 && sched_setaffinity(0, sizeof others, &others) == 0)
		avoided = processor;
}
#endif

struct region {
	team_fn *fn;
	void *context;
	size_t n;
};

static void share(int threads, const struct region *region)
{
#ifdef __linux__
	cpu_set_t allowed;
	bool known = sched_getaffinity(0, sizeof allowed, &allowed) == 0;
	if (known)
		come_home(&allowed);
	int processor = home;
#endif
#pragma omp parallel num_threads(threads)
	{
#ifdef __linux__
		if (known && omp_get_thread_num() > 0)
			keep_off(processor, &allowed);
#endif
#pragma omp for schedule(dynamic)
		for (size_t i = 0; i < region->n; i++)
			region->fn(region->context, i);
	}
#ifdef __linux__
	if (known)
		stay(&allowed);
#endif
}

void team_share(int threads, size_t n, team_fn *fn, void *context)
{
	struct region region = {fn, context, n};
	if (threads > 1 && n > 1)
		share(threads, &region);
	else
		for (size_t i = 0; i < n; i++)
			fn(context, i);
}
