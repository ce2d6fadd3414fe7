/*
 * A small file that is replaced as a whole, by one program at a time: whoever reads it finds what
 * it was or what it is, whatever happens in between, also the end of the program.
 */
#ifndef LOSSD_REPLACE_H
#define LOSSD_REPLACE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

struct replace {
	char path[PATH_MAX]; /* of the file itself, where the path was a symbolic link */
	const char *name;    /* in its folder */
	int folder;          /* locked */
	bool exists;
	struct stat before; /* owner and mode, which are kept */
};

/* Waits until nobody else has begun, for so long at most: EWOULDBLOCK. A symbolic link is followed,
 * also to where there is nothing yet. False: errno says why; nothing is to be ended then. */
bool replace_begin(struct replace *replace, const char *path, unsigned patience_ms);
/* The file is these bytes; a new one is its owner's alone (mode 0600). False: errno says why, and
 * the file is what it was, or these bytes, which the disk may not have yet. */
bool replace_write(const struct replace *replace, const void *bytes, size_t n);
/* Others may begin. */
void replace_end(struct replace *replace);

#endif
