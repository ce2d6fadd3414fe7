/*
 * A file, or standard input, as `lossd eval` reads it: decoded, where it begins as gzip or zstd do,
 * whatever its name. In pieces, so that it may be larger than memory; or all of it at once.
 */
#ifndef LOSSD_SOURCE_H
#define LOSSD_SOURCE_H

#include "codec/signature.h"

struct source_guard;

struct source {
	const char *path; /* "-": standard input */
	struct loss_arena *arena;
	int file;
	struct beginning beginning; /* of what is decoded */
	uint64_t bytes_in;          /* of the file, so far */
	uint64_t receive_ns, decode_ns;

	/* The next piece: n bytes, none at the end. */
	const unsigned char *bytes;
	size_t n;

	unsigned char *raw;
	size_t n_raw, taken;       /* of the last that was read */
	bool ended;                /* there is no more to read */
	struct inflater *inflater; /* NULL: it comes as it is */
	struct loss_buffer *decoded;
	struct loss_error error; /* what is wrong with the coding; status LOSS_OK: nothing */
	void *mapping;
	size_t mapped;
	struct source_guard *guard; /* of the mapping */
};

enum source_status {
	SOURCE_GOOD,
	SOURCE_UNREADABLE, /* errno says why */
	SOURCE_CORRUPT,    /* source->error says why, as it does without memory */
};

/* Opens it, finds out how it is coded, and has the first piece. What it takes is the arena's, but
 * for what source_close gives back, which is to be called whatever this returns. */
enum source_status source_open(struct source *source, const char *path, struct loss_arena *arena);
/* Has the next piece. */
enum source_status source_next(struct source *source);
/* In place of pieces: all of it becomes the one piece, which lasts until source_close, and which
 * takes no memory where it can be read from where it lies. source_map only where it can: else it is
 * false, and nothing has changed. */
bool source_map(struct source *source);
enum source_status source_read_all(struct source *source);
void source_close(struct source *source);

/* Bytes that are read from where they lie, of all files that are open. */
uint64_t source_mapped(void);
/* What has been read of those need not stay in memory: it is read again where it is wanted again.
 * While nobody reads them. */
void source_release(void);

/* The path of a file that is open, and was cut while it was read from where it lies, so that zeros
 * were read in place of what is gone; NULL: there is none. */
const char *source_cut(void);

#endif
