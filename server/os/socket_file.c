#include "socket_file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define LOCK_TRIES 200
#define LOCK_STEP_MS 5

/*
 * Two servers that find the same dead socket must not remove each other's new one: the folder is
 * locked from the look at what is there until it has been replaced. Where it can not be locked, or
 * somebody else has locked it for something else, they have to be lucky.
 */
static int lock_folder(const char *path)
{
	char folder[SOCKET_FILE_PATH_SIZE];
	size_t n = (size_t)(strrchr(path, '/') - path);
	snprintf(folder, sizeof folder, "%.*s", n > 0 ? (int)n : 1, path);
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0 && i < LOCK_TRIES; i++)
		poll(NULL, 0, LOCK_STEP_MS);
	return fd;
}

static int make_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (fd < 0)
		return -1;
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	return fd;
}

/* What stands in the way: NULL where it is a socket that nobody listens on. */
static const char *look_at(const struct sockaddr_un *address)
{
	struct stat there;
	if (lstat(address->sun_path, &there) != 0)
		return errno == ENOENT ? NULL : strerror(errno);
	if (!S_ISSOCK(there.st_mode))
		return "there is something that is no socket";
	int fd = make_socket();
	if (fd < 0)
		return strerror(errno);
	bool refused = connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 &&
		       errno == ECONNREFUSED;
	close(fd);
	return refused ? NULL : "another server listens there";
}

static bool bind_as(int fd, const struct sockaddr_un *address, mode_t mode)
{
	mode_t before = umask(0777 & ~mode);
	bool bound = bind(fd, (const struct sockaddr *)address, sizeof *address) == 0;
	int error = errno;
	umask(before);
	errno = error;
	return bound;
}

/* NULL: it is bound; else why not. */
static const char *bind_over(int fd, const struct sockaddr_un *address, mode_t mode)
{
	if (bind_as(fd, address, mode))
		return NULL;
	if (errno != EADDRINUSE)
		return strerror(errno);
	const char *why = look_at(address);
	if (!why && unlink(address->sun_path) != 0 && errno != ENOENT)
		why = strerror(errno);
	if (!why && !bind_as(fd, address, mode))
		why = strerror(errno);
	return why;
}

static const char *listen_at(int fd, const struct sockaddr_un *address, int backlog,
			     struct socket_file *file)
{
	struct stat made;
	if (lstat(address->sun_path, &made) != 0)
		return strerror(errno);
	*file = (struct socket_file){.device = made.st_dev, .inode = made.st_ino};
	snprintf(file->path, sizeof file->path, "%s", address->sun_path);
	if (listen(fd, backlog) == 0)
		return NULL;
	const char *why = strerror(errno);
	socket_file_remove(file);
	return why;
}

int socket_file_open(const char *path, mode_t mode, int backlog, struct socket_file *file,
		     const char **why)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = make_socket();
	*why = fd < 0 ? strerror(errno) : NULL;
	if (fd < 0)
		return -1;
	snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	int lock = lock_folder(path);
	*why = bind_over(fd, &address, mode);
	if (!*why)
		*why = listen_at(fd, &address, backlog, file);
	if (lock >= 0)
		close(lock);
	if (!*why)
		return fd;
	close(fd);
	return -1;
}

void socket_file_remove(struct socket_file *file)
{
	struct stat there;
	if (file->path[0] && lstat(file->path, &there) == 0 && there.st_dev == file->device &&
	    there.st_ino == file->inode)
		unlink(file->path);
	file->path[0] = '\0';
}
