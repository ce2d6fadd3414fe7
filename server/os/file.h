/* Small text files, whole: the configuration, and what the system shows under /proc and /sys. */
#ifndef LOSSD_FILE_H
#define LOSSD_FILE_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Reads a file into `text` (of `size` bytes) and terminates it. Returns the bytes read, or -1 with
 * errno set; EFBIG when the file does not fit.
 */
ssize_t file_read(const char *path, char *text, size_t size);

/* Descriptors 0 to 2 that the caller left closed are /dev/null, so that no socket becomes one of
 * them and is written to as standard error. Writing to standard output then fails, as it does to
 * one that is closed: what was to be printed is not taken for printed. Before anything else is
 * opened.
 */
void file_reserve_standard(void);

#endif
