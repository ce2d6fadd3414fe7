#include "priority.h"

#include <stdint.h>

#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>

#define PROMPT_NS 100000

/* As the kernel has it, which no header of the C library does. */
struct attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

/* How long it may keep a core while others want it; 0: the system's choice. Its nice value stays.
 */
static void set_runtime(uint64_t ns)
{
	struct attributes now = {.size = 0};
	if (syscall(SYS_sched_getattr, 0, &now, sizeof now, 0) != 0)
		return;
	now.size = sizeof now;
	now.runtime = ns;
	(void)syscall(SYS_sched_setattr, 0, &now, 0);
}
#else
static void set_runtime(uint64_t ns)
{
	(void)ns;
}
#endif

void priority_prompt(void)
{
	set_runtime(PROMPT_NS);
}

void priority_usual(void)
{
	set_runtime(0);
}
