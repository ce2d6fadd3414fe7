#include "replace.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* Beside the file, while it is written. What a program left that was killed is in nobody's way. */
#define SUFFIX ".new"
/* As the system has it. */
#define MAX_LINKS 40
/* Between two looks whether the folder is free. */
#define LOCK_STEP_MS 10

static bool fail(int error)
{
	errno = error;
	return false;
}

/* Goes on to where a symbolic link points, from its own folder. */
static bool follow(char path[PATH_MAX], const char *link, size_t n)
{
	const char *slash = strrchr(path, '/');
	size_t folder = slash && link[0] != '/' ? (size_t)(slash - path) + 1 : 0;
	if (folder + n >= PATH_MAX)
		return fail(ENAMETOOLONG);
	memcpy(path + folder, link, n);
	path[folder + n] = '\0';
	return true;
}

/* The path of a file that is not there: of links that point to nothing, where the last of them
 * does.
 */
static bool resolve_missing(struct replace *replace, const char *path)
{
	char link[PATH_MAX];
	size_t n = strlen(path);
	if (n >= sizeof replace->path)
		return fail(ENAMETOOLONG);
	memcpy(replace->path, path, n + 1);
	for (int links = 0; links < MAX_LINKS; links++) {
		ssize_t size = readlink(replace->path, link, sizeof link);
		if (size < 0)
			return errno == EINVAL || errno == ENOENT;
		if (!follow(replace->path, link, (size_t)size))
			return false;
	}
	return fail(ELOOP);
}

/* The path without symbolic links, of a file that may not be there. */
static bool resolve(struct replace *replace, const char *path)
{
	return realpath(path, replace->path) || (errno == ENOENT && resolve_missing(replace, path));
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

static bool lock(int folder, unsigned patience_ms)
{
	unsigned waited_ms = 0;
	while (flock(folder, LOCK_EX | LOCK_NB) != 0) {
		if (errno == EINTR)
			continue;
		if (errno != EWOULDBLOCK || waited_ms >= patience_ms)
			return false;
		poll(NULL, 0, LOCK_STEP_MS);
		waited_ms += LOCK_STEP_MS;
	}
	return true;
}

bool replace_begin(struct replace *replace, const char *path, unsigned patience_ms)
{
	if (!resolve(replace, path))
		return false;
	replace->folder = open_folder(replace);
	if (replace->folder < 0)
		return false;
	bool good = lock(replace->folder, patience_ms);
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
