/* A listening Unix socket and the file that it is found by. */
#ifndef LOSSD_SOCKET_FILE_H
#define LOSSD_SOCKET_FILE_H

#include <sys/types.h>

#define SOCKET_FILE_PATH_SIZE 108 /* what the system has room for, terminated */

struct socket_file {
	char path[SOCKET_FILE_PATH_SIZE]; /* "": there is none */
	dev_t device;                     /* what tells it from another of the same path */
	ino_t inode;
};

/*
 * Listens there, non-blocking; only whom `mode` lets may connect, from the first moment on. A
 * socket that nobody listens on any more is replaced. -1: *why says why not. Before there are
 * threads that make files, since the mode goes by the process's umask.
 */
int socket_file_open(const char *path, mode_t mode, int backlog, struct socket_file *file,
		     const char **why);
/* Removes the file, unless it is another one's by now. Once is enough: it is none afterwards. */
void socket_file_remove(struct socket_file *file);

#endif
