/*
 * Zip archives as numpy.savez writes them: members stored or deflated, also beyond 4 GiB (zip64).
 * The central directory says what there is; what it says is held against each member's own header.
 */
#ifndef LOSSD_CODEC_NUMPY_ZIP_H
#define LOSSD_CODEC_NUMPY_ZIP_H

#include "codec/coding.h"

struct zip_member {
	const char *name; /* terminated */
	uint64_t begin;   /* of its header, in the archive */
	const unsigned char *data;
	uint64_t coded, bytes;       /* as it lies, and as it is */
	const struct coding *coding; /* NULL: stored */
	uint32_t checksum;
	bool is_checked; /* against it */
};

struct zip {
	struct zip_member *members; /* by where they lie */
	size_t n;
};

/* Of the archive's n bytes, which stay where they are. STATUS_INVALID_ENCODING,
 * STATUS_TRUNCATED_BODY, or no memory. */
loss_status zip_open(struct zip *zip, const unsigned char *bytes, size_t n,
		     struct loss_arena *arena, struct loss_error *err);

/* Takes the next bytes of a member; false: no more are wanted. */
typedef bool zip_sink(void *context, const unsigned char *bytes, size_t n);

/* All bytes of a member, in pieces. An error names it, unless the sink wants no more. */
loss_status zip_read(const struct zip_member *member, struct loss_arena *arena, zip_sink *sink,
		     void *context, struct loss_error *err);

#endif
