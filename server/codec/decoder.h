/*
 * The push interface of every body format. A decoder is fed the body in pieces of any size and
 * fills the tensors, arguments and outputs of one problem. It lives in the request's arena.
 */
#ifndef LOSSD_CODEC_DECODER_H
#define LOSSD_CODEC_DECODER_H

#include "loss.h"

struct scheduler;
struct shm;

struct decoder_limits {
	uint64_t max_elements; /* of one tensor */
	uint64_t max_rank;
	uint64_t max_header_bytes; /* of what stands before binary tensors */
};

/* What a decoder is made from; the decoder keeps what it needs of it, the pointers stay valid. */
struct decoder_setup {
	struct loss_problem *problem; /* arguments of the query string are already set */
	struct loss_arena *arena;
	struct decoder_limits limits;
	/* The value of Inference-Header-Content-Length as it came; NULL: absent. */
	const char *header_length;
	struct shm *shm;             /* regions of shared memory; NULL: switched off */
	const char *foreign;         /* the origin of a page that may not name them; NULL: none */
	struct scheduler *scheduler; /* that may evaluate rows meanwhile; NULL: nobody does */
	const struct loss_cancel *cancel; /* rows that are evaluated as they arrive stop at it */
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
	/* NULL, or: the tensors lie in memory of others. verify is called after the computation,
	 * and fails when that memory was not there all the time; release when the request ends. */
	loss_status (*verify)(const struct decoder *decoder, struct loss_error *err);
	/* NULL, or: the problem is planned, before it is computed: whether its outputs fit where
	 * they are wanted. */
	loss_status (*planned)(struct decoder *decoder, const struct loss_plan *plan,
			       struct loss_error *err);
	void (*release)(struct decoder *decoder);
	/* NULL, or: another thread may be at work on what has come. Returns when none is: before
	 * buffers of the arena, or the arena, are given back while the body is not finished. */
	void (*settle)(struct decoder *decoder);
	/* After finish: the plan whose rows were all evaluated while the body arrived; NULL when
	 * the problem is still to be planned and run. */
	struct loss_plan *plan;
	/* After finish: the caller's own deadline, from the beginning of the request; 0: none. */
	uint64_t timeout_ns;
	uint64_t compute_ns; /* of the time spent in feed and finish: on evaluating rows */
	uint64_t beside_ns;  /* spent on that meanwhile, by another thread */
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
