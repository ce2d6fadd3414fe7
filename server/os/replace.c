#include "replace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* Beside the file, while it is written. What a program left that was killed is in nobody's way. */
#define SUFFIX ".new"

/* The path without symbolic links, of a file that may not be there. */
static bool resolve(struct replace *replace, const char *path)
{
	if (realpath(path, replace->path))
		return true;
	size_t n = strlen(path);
	if (errno != ENOENT)
		return false;
	if (n >= sizeof replace->path) {
		errno = ENAMETOOLONG;
		return false;
	}
	memcpy(replace->path, path, n + 1);
	return true;
}

static int open_folder(struct replace *replace)
{
	char folder[PATH_MAX];
	char *slash = strrchr(replace->path, '/');
	size_t n = slash ? (size_t)(slash - replace->path) : 0;
	replace->name = slash ? slash + 1 : replace->path;
	memcpy(folder, replace->path, n);
	folder[n] = '\0';
	const char *path = n > 0 ? folder : slash ? "/" : ".";
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static bool lock(int folder)
{
	int locked;
	do
		locked = flock(folder, LOCK_EX);
	while (locked != 0 && errno == EINTR);
	return locked == 0;
}

bool replace_begin(struct replace *replace, const char *path)
{
	if (!resolve(replace, path))
		return false;
	replace->folder = open_folder(replace);
	if (replace->folder < 0)
		return false;
	bool good = lock(replace->folder);
	replace->exists = good && fstatat(replace->folder, replace->name, &replace->before, 0) == 0;
	if (good && (replace->exists || errno == ENOENT))
		return true;
	int failure = errno;
	replace_end(replace);
	errno = failure;
	return false;
}

void replace_end(struct replace *replace)
{
	close(replace->folder); /* and with it the lock */
}

/* ---------------------------------------------------------------- writing */

static bool write_all(int fd, const char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t written = write(fd, bytes, n);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return false;
		bytes += written;
		n -= (size_t)written;
	}
	return true;
}

/* Before there is anything in it. */
static bool keep_owner(const struct replace *replace, int fd)
{
	const struct stat *before = &replace->before;
	struct stat now;
	if (!replace->exists)
		return true;
	if (fstat(fd, &now) != 0)
		return false;
	bool same = now.st_uid == before->st_uid && now.st_gid == before->st_gid;
	return (same || fchown(fd, before->st_uid, before->st_gid) == 0) &&
	       fchmod(fd, before->st_mode & 07777) == 0;
}

static bool fill(const struct replace *replace, int fd, const void *bytes, size_t n)
{
	bool good = keep_owner(replace, fd) && write_all(fd, bytes, n) && fsync(fd) == 0;
	int failure = errno;
	bool closed = close(fd) == 0;
	errno = good ? errno : failure;
	return good && closed;
}

bool replace_write(const struct replace *replace, const void *bytes, size_t n)
{
	char name[NAME_MAX + 1];
	if ((size_t)snprintf(name, sizeof name, "%s" SUFFIX, replace->name) >= sizeof name) {
		errno = ENAMETOOLONG;
		return false;
	}
	unlinkat(replace->folder, name, 0);
	int fd = openat(replace->folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	if (fill(replace, fd, bytes, n) &&
	    renameat(replace->folder, name, replace->folder, replace->name) == 0)
		return fsync(replace->folder) == 0;
	int failure = errno;
	unlinkat(replace->folder, name, 0);
	errno = failure;
	return false;
}
