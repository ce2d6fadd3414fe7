#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---------------------------------------------------------------- the file */

/* Where files can not be without a name from the beginning, it is taken away at once. */
static int open_named(const char *directory)
{
	char path[4096];
	int n = snprintf(path, sizeof path, "%s/lossd-XXXXXX", directory);
	if (n < 0 || (size_t)n >= sizeof path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	int fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		unlink(path);
	return fd;
}

static int open_nameless(const char *directory)
{
#ifdef O_TMPFILE
	int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	bool unknown = fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL);
	if (!unknown)
		return fd;
#endif
	return open_named(directory);
}

static bool has_file(struct spool *spool)
{
	if (spool->fd < 0)
		spool->fd = open_nameless(spool->directory);
	if (spool->fd < 0)
		spool->failure = errno;
	return spool->fd >= 0;
}

/* Moves what is in memory to the end of the file; what that does not take stays. */
static void flush(struct spool *spool)
{
	struct loss_buffer *memory = spool->memory;
	size_t done = 0;
	while (done < memory->size) {
		ssize_t n = pwrite(spool->fd, memory->data + done, memory->size - done,
				   (off_t)(spool->in_file + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			spool->failure = n < 0 ? errno : ENOSPC;
			break;
		}
		done += (size_t)n;
	}
	if (done < memory->size)
		memmove(memory->data, memory->data + done, memory->size - done);
	memory->size -= done;
	spool->in_file += done;
}

size_t spool_copy(int fd, uint64_t position, void *out, size_t n)
{
	size_t done = 0;
	while (done < n) {
		ssize_t got = pread(fd, (char *)out + done, n - done, (off_t)(position + done));
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		done += (size_t)got;
	}
	return done;
}

/* ---------------------------------------------------------------- the spool */

bool spool_start(struct spool *spool, struct loss_arena *arena, const char *directory)
{
	*spool = (struct spool){
		.directory = directory, .fd = -1, .memory = loss_buffer_create(arena)};
	return spool->memory;
}

/* Whether what is in memory is to go to the file. */
static bool is_full(const struct spool *spool)
{
	size_t most = spool->fd < 0 ? SPOOL_MEMORY_BYTES : SPOOL_PIECE_BYTES;
	return spool->failure == 0 && spool->memory->size >= most;
}

static void move_to_file(struct spool *spool)
{
	bool first = spool->fd < 0;
	if (!has_file(spool))
		return;
	flush(spool);
	/* Others may need it: from now on there is never as much. */
	if (first && spool->memory->size == 0)
		loss_buffer_release(spool->memory);
}

bool spool_add(struct spool *spool, const void *bytes, size_t n)
{
	bool added = loss_buffer_append(spool->memory, bytes, n);
	/* Where memory is scarce the file does it. */
	if (!added && spool->failure == 0 && spool->memory->size > 0) {
		move_to_file(spool);
		added = loss_buffer_append(spool->memory, bytes, n);
	}
	if (is_full(spool))
		move_to_file(spool);
	return added;
}

void spool_end(struct spool *spool)
{
	if (spool->fd >= 0 && spool->failure == 0)
		flush(spool);
}

uint64_t spool_size(const struct spool *spool)
{
	return spool->in_file + spool->memory->size;
}

void spool_drop(struct spool *spool)
{
	if (spool->fd >= 0)
		close(spool->fd);
	spool->fd = -1;
	spool->in_file = 0;
	if (spool->memory)
		loss_buffer_release(spool->memory);
}
