#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <unistd.h>

/* What is no file (a pipe) may have a writer that has nothing for it yet. */
#define PATIENCE_MS 1000

static bool await_more(int fd)
{
	struct pollfd state = {.fd = fd, .events = POLLIN};
	int n = poll(&state, 1, PATIENCE_MS);
	if (n == 0)
		errno = ETIMEDOUT;
	return n > 0;
}

static ssize_t read_all(int fd, char *text, size_t size)
{
	size_t n = 0;
	while (n < size) {
		ssize_t got = read(fd, text + n, size - n);
		if (got < 0 && (errno == EINTR || (errno == EAGAIN && await_more(fd))))
			continue;
		if (got < 0)
			return -1;
		if (got == 0) {
			text[n] = '\0';
			return (ssize_t)n;
		}
		n += (size_t)got;
	}
	errno = EFBIG; /* not even room for the terminator */
	return -1;
}

ssize_t file_read(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -1;
	ssize_t n = read_all(fd, text, size);
	int failure = errno;
	close(fd);
	errno = failure;
	return n;
}

/* Takes the lowest descriptor that is free, like any other that is opened. */
static int open_nothing(void)
{
	int fd = open("/dev/null", O_RDWR);
	if (fd != STDOUT_FILENO)
		return fd;
	close(fd);
	return open("/dev/null", O_RDONLY);
}

void file_reserve_standard(void)
{
	int fd = open_nothing();
	while (fd >= 0 && fd <= STDERR_FILENO)
		fd = open_nothing();
	if (fd >= 0)
		close(fd);
}
