#include "priority.h"

#ifdef __linux__
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A fifth of the weight of the others. */
#define NICER 7

void priority_lower(void)
{
	/* Linux: the process of that number is a thread. It may not be raised again. */
	id_t self = (id_t)syscall(SYS_gettid);
	int now = getpriority(PRIO_PROCESS, self);
	(void)setpriority(PRIO_PROCESS, self, now + NICER);
}
#else
void priority_lower(void)
{
}
#endif
