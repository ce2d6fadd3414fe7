/* A pipe that wakes a thread: neither end blocks, no child inherits them. */
#ifndef LOSSD_PIPE_H
#define LOSSD_PIPE_H

#include <fcntl.h>
#include <stdbool.h>
#include <unistd.h>

/* ends[0] is to be read, ends[1] to be written; false when there are no descriptors. */
static inline bool pipe_open(int ends[2])
{
	if (pipe(ends) != 0)
		return false;
	for (int i = 0; i < 2; i++) {
		fcntl(ends[i], F_SETFD, FD_CLOEXEC);
		fcntl(ends[i], F_SETFL, fcntl(ends[i], F_GETFL) | O_NONBLOCK);
	}
	return true;
}

#endif
