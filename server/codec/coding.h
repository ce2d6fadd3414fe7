/*
 * What decodes one content coding, and what codes replies so: a row each. Whoever drives it counts
 * what goes in and comes out (content_coding.c).
 */
#ifndef LOSSD_CODEC_CODING_H
#define LOSSD_CODEC_CODING_H

#include "loss.h"

enum coding_end {
	CODING_GOES_ON, /* where no room is left there may be more to be had */
	CODING_ENDS,    /* a coded body is complete; what is left of the input is after it */
	CODING_CORRUPT, /* `why` says how */
	CODING_NO_MEMORY,
};

/* Moves on by what is taken and written. */
struct coding_io {
	const unsigned char *in;
	size_t n_in;
	unsigned char *out;
	size_t n_out; /* room */
	const char *why;
};

struct coding {
	const char *name;
	/* After every so many coded bytes what came of them can be judged: few enough that they
	 * make some MiB at most. Whatever pieces they came in, as much has then been decoded. */
	uint64_t check_bytes;
	bool may_repeat; /* one coded body may follow another */
	/* In the arena, as all that it takes later; NULL when there is no memory. */
	void *(*create)(struct loss_arena *arena);
	/* After an end: another coded body begins. */
	void (*restart)(void *state);
	/* Takes all of the input, unless there is no room or an end, or nothing of it any more. */
	enum coding_end (*decode)(void *state, struct coding_io *io);

	/* Of replies; NULL: none are coded so. In the arena, with all that it takes; NULL when
	 * there is no memory. */
	void *(*create_out)(struct loss_arena *arena);
	/* Appends to coded what becomes of the next n < 2^32 bytes; `end`: and all that is held.
	 * False when there is no memory. */
	bool (*encode)(void *state, const void *bytes, size_t n, bool end,
		       struct loss_buffer *coded);
};
/* Room for coded bytes that is made at a time. */
#define CODING_PIECE_BYTES ((size_t)32768)

extern const struct coding coding_gzip, coding_deflate, coding_zstd;
/* Deflate without a header, as archives have it: no content coding. */
extern const struct coding coding_raw_deflate;

#endif
