/*
 * The bytes of a typed tensor that are written as base64: decoded as they come, whatever pieces the
 * body was cut into and wherever `dtype` and `shape` stand.
 */
#ifndef LOSSD_CODEC_JSON_BASE64_H
#define LOSSD_CODEC_JSON_BASE64_H

#include "codec/base64/base64.h"
#include "codec/decoder.h"
#include "json_fault.h"

struct json_base64 {
	const char *field; /* the tensor's name */
	struct json_fault *fault;
	struct loss_arena *arena;
	struct json_text_reader reader; /* of the text */
	bool broken;                    /* a fault has been noted */
	struct base64_decoder decoder;
	struct loss_buffer *buffer; /* NULL: nothing has been decoded */
	uint64_t most;              /* bytes that are kept: what is beyond is too much anyhow */
	uint64_t bytes;             /* that have come */
};

/* Nothing has come yet. */
void json_base64_start(struct json_base64 *base64, const char *field, struct loss_arena *arena,
		       struct json_fault *fault);
/* The text begins; `most` as above, and whether there will be as many. */
void json_base64_open(struct json_base64 *base64, const struct base64_kernels *kernels,
		      uint64_t most, bool certain);
/* The closing quote has come. */
void json_base64_close(struct json_base64 *base64);
/* Both are right, each for itself: is there a byte for each of the shape's? */
void json_base64_check(struct json_base64 *base64, loss_dtype dtype,
		       const struct loss_tensor *shape);

#endif
