/* What a piece of code writes to a file descriptor, caught in memory. */
#ifndef TESTS_CAPTURE_H
#define TESTS_CAPTURE_H

#include <stddef.h>

struct capture {
	int fd;    /* the one that is caught */
	int saved; /* what it was */
	int file;
	char text[64 * 1024]; /* terminated, after capture_end */
	size_t size;
};

/* Both abort on a failure of the system's. stdio's buffers are flushed. */
void capture_begin(struct capture *capture, int fd);
void capture_end(struct capture *capture);

/* A new empty folder below $TMPDIR or /tmp; it is the caller's to remove. */
void make_folder(char *out, size_t size);
/* Writes a file, making the folders on the way. */
void write_file(const char *path, const char *text);
/* Removes a folder and all that is in it. */
void remove_folder(const char *path);

#endif
