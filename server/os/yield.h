/*
 * Of threads that are busy for a while beside others that mostly wait: those that wait for a core
 * go first. A thread that is never idle otherwise keeps its core for milliseconds before one that
 * has been woken gets it. Costs a third of a microsecond where nobody waits: once in some tens of
 * microseconds is often enough.
 */
#ifndef LOSSD_YIELD_H
#define LOSSD_YIELD_H

#include <sched.h>

static inline void yield_core(void)
{
	sched_yield();
}

#endif
