/*
 * The push interface of every body format. A decoder is fed the body in pieces of any size and
 * fills the tensors, arguments and outputs of one problem. It lives in the request's arena.
 */
#ifndef LOSSD_CODEC_DECODER_H
#define LOSSD_CODEC_DECODER_H

#include "loss.h"

struct decoder_limits {
	uint64_t max_elements; /* of one tensor */
	uint64_t max_rank;
};

struct decoder {
	/* Takes the next n bytes; what is wrong is remembered for finish. Never blocks. */
	void (*feed)(struct decoder *decoder, const unsigned char *bytes, size_t n);
	/* The body is complete: all tensors are set on the problem, or the error that takes
	 * precedence. */
	loss_status (*finish)(struct decoder *decoder, struct loss_error *err);
	/* Renders the place of an error of this request as the format's users point at it: a JSON
	 * Pointer, or a name. Writes "" where there is no place. */
	void (*pointer)(const struct decoder *decoder, const struct loss_error *err, char *out,
			size_t size);
};

/* One row a body format. */
struct media_type {
	const char *name;   /* "application/json" */
	const char *format; /* metric label: "json" */
	/* NULL when there is no memory. Arguments of the query string are already set on problem.
	 */
	struct decoder *(*create)(struct loss_problem *problem, struct loss_arena *arena,
				  const struct decoder_limits *limits);
};

extern const struct media_type media_types[]; /* ends with a NULL name; the first is the default */
#define MEDIA_TYPES_MAX 8

#endif
