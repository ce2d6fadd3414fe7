#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static ssize_t read_all(int fd, char *text, size_t size)
{
	size_t n = 0;
	while (n < size) {
		ssize_t got = read(fd, text + n, size - n);
		if (got < 0 && errno == EINTR)
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
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ssize_t n = read_all(fd, text, size);
	int failure = errno;
	close(fd);
	errno = failure;
	return n;
}

void file_reserve_standard(void)
{
	int fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO)
		fd = open("/dev/null", O_RDWR);
	if (fd >= 0)
		close(fd);
}
