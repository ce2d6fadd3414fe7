/*
 * What this process may use of the machine. A container that is given 2 of 64 cores sees 64 of
 * them; a team of 64 threads there would spend its time being throttled. So: affinity and cgroup
 * quota, of version 1 and 2.
 */
#ifndef LOSSD_LIMITS_H
#define LOSSD_LIMITS_H

#include <stdint.h>

/* The smaller of the cores in the affinity mask and the cgroups' quota, rounded up; at least 1. */
uint64_t limits_cores(void);
/* The smallest of what the machine has available and the memory limits of the cgroups. */
uint64_t limits_memory_bytes(void);

/* The same with a folder in place of "/" before every path, and the affinity as given: for tests.
 */
uint64_t limits_cores_under(const char *root, uint64_t affinity);
uint64_t limits_memory_bytes_under(const char *root);

#endif
