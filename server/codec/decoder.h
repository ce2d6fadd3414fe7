/*
 * The push interface of every body format. A decoder is fed the body in pieces of any size; it sets
 * arguments and outputs of one problem, and gives the tensors to a sink. It lives in the request's
 * arena.
 */
#ifndef LOSSD_CODEC_DECODER_H
#define LOSSD_CODEC_DECODER_H

#include "sink.h"
#include "style.h"
#include "wish.h"

struct shm_uses;

struct decoder_limits {
	uint64_t max_elements; /* of one tensor */
	uint64_t max_rank;
	uint64_t max_header_bytes; /* of what stands before binary tensors */
	bool of_eval;              /* they are those of `lossd eval`, and no setting's */
};

/* Whose they are, for sentences: "... more than 3 elements, which is the server's limit". */
static inline const char *decoder_limits_owner(const struct decoder_limits *limits)
{
	return limits->of_eval ? "lossd eval's" : "the server's";
}

/* What a decoder is made from; the decoder keeps what it needs of it, the pointers stay valid. */
struct decoder_setup {
	struct loss_problem *problem; /* arguments of the query string are already set */
	struct loss_arena *arena;
	struct sink *sink; /* into the problem */
	struct decoder_limits limits;
	/* The value of Inference-Header-Content-Length as it came; NULL: absent. */
	const char *header_length;
	uint64_t line;           /* of a text of many, that the body is; 0: it is all of one */
	struct style *style;     /* as the query string has it */
	const char *isa;         /* as loss_problem_set_isa takes it; NULL: the best */
	struct shm_uses *shared; /* ranges of shared memory that the request uses */
};

struct decoder {
	/* Takes the next n bytes; what is wrong is remembered for finish. Waits for nothing
	 * but the sink. */
	void (*feed)(struct decoder *decoder, const unsigned char *bytes, size_t n);
	/* The body is complete: all tensors are with the sink, or the error that takes precedence.
	 */
	loss_status (*finish)(struct decoder *decoder, struct loss_error *err);
	/* Renders the place of an error of this request as the format's users point at it: a JSON
	 * Pointer, or a name. Writes "" where there is no place. */
	void (*pointer)(const struct decoder *decoder, const struct loss_error *err, char *out,
			size_t size);
	double byte_ns; /* that a byte takes, more or less, but for what the sink does with it */
	/* After finish: */
	uint64_t timeout_ns; /* the caller's own deadline, from the request's beginning; 0: none */
	struct reply_wish *wish; /* NULL: nothing in particular */
};

/* One row a body format. */
struct media_type {
	const char *name;   /* "application/json" */
	const char *format; /* metric label: "json" */
	/* NULL when there is no memory. */
	struct decoder *(*create)(const struct decoder_setup *setup);
};
#define MEDIA_TYPES_MAX 8

#endif
