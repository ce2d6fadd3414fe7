/*
 * Content codings of bodies and replies: gzip, deflate (zlib's format) and zstd in, zstd and gzip
 * out. Decoded bytes are counted as they come: against the limit on bodies, and against the coded
 * ones, so that a small body can not become a huge one.
 */
#ifndef LOSSD_CODEC_CONTENT_CODING_H
#define LOSSD_CODEC_CONTENT_CODING_H

#include "loss.h"

enum content_coding { CODING_IDENTITY, CODING_GZIP, CODING_DEFLATE, CODING_ZSTD, N_CODINGS };

/* What headers call them, without case; some have two names. Of each coding the first is how we
 * write it. */
struct content_coding_name {
	const char *name;
	enum content_coding coding;
};
#define N_CODING_NAMES 5
extern const struct content_coding_name content_coding_names[N_CODING_NAMES];
const char *content_coding_name(enum content_coding coding);
/* All of bodies but identity, "gzip, deflate, zstd", as Accept-Encoding lists them. */
#define CONTENT_CODINGS "gzip, deflate, zstd"

/* Takes decoded bytes, in order. */
typedef void inflate_sink(void *context, const unsigned char *bytes, size_t n);

struct inflater; /* in the arena; its memory is charged against the arena's budget */

/* For files of the caller's own: as many bytes as they make, of however few. */
#define INFLATER_NO_LIMIT UINT64_MAX

/* NULL when there is no memory. max_bytes: of the decoded body. */
struct inflater *inflater_create(enum content_coding coding, uint64_t max_bytes,
				 struct loss_arena *arena);
/* Decodes the next n bytes into sink. False once something is wrong, which is remembered for
 * finish: nothing more is decoded. */
bool inflater_feed(struct inflater *inflater, const unsigned char *bytes, size_t n,
		   inflate_sink *sink, void *context);
/*
 * The coded body is complete. STATUS_INVALID_ENCODING: corrupt, cut, or bytes after its end (of
 * gzip and zstd, another one of the same may stand there); STATUS_BODY_TOO_LARGE: more than
 * max_bytes, or more than 100 times the coded bytes past the first MiB; or no memory. However the
 * body was cut, the result is the same. No bytes at all are an empty body, and fine.
 */
loss_status inflater_finish(struct inflater *inflater, struct loss_error *err);

/* Replies of so many bytes, and more, are worth it. */
#define DEFLATER_MIN_BYTES ((size_t)1025)

/* Codes what it is fed, in pieces. In the arena; nothing else must be freed. */
struct deflater;

/* How a reply goes. */
struct reply_coding {
	enum content_coding coding; /* CODING_IDENTITY: as it is */
	bool always;                /* one that is not worth it, too: as it is it is refused */
};

/* Of gzip or zstd; NULL when there is no memory. */
struct deflater *deflater_create(enum content_coding coding, struct loss_arena *arena);
/* The next n < 2^32 bytes; false when there is no memory (see loss_arena_failure). */
bool deflater_feed(struct deflater *deflater, const void *bytes, size_t n);
/* The coded bytes so far, of which whoever takes them out sets size to 0. */
struct loss_buffer *deflater_coded(struct deflater *deflater);
/* All of the coded bytes that nobody has taken out; NULL when there is no memory. */
const struct loss_buffer *deflater_finish(struct deflater *deflater);

#endif
