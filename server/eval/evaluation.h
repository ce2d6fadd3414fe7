/*
 * One evaluation, from the first byte of its body to the last of its reply. Knows nothing of HTTP.
 * One thread at a time: one that serves connections feeds it, the compute thread runs it where that
 * pays, and what takes long to write is written by a worker.
 */
#ifndef LOSSD_EVALUATION_H
#define LOSSD_EVALUATION_H

#include "codec/content_coding.h"
#include "codec/query.h"
#include "protocols.h"
#include "scheduler.h"
#include "shm/shm_uses.h"
#include "stream.h"

/* What is decided by a request's head. */
struct evaluation_kind {
	const struct loss_info *loss;
	const struct media_type *media;    /* of the body */
	const struct reply_format *format; /* of the reply */
	const char *isa;                   /* as loss_problem_set_isa takes it */
	enum content_coding coding;        /* of the body */
	uint64_t max_body_bytes;           /* when decoded */
	struct reply_coding reply_coding;  /* as the client takes it */

	struct decoder_limits limits;
	const char *header_length; /* Inference-Header-Content-Length; NULL: absent */
	struct shm *shm;           /* regions of shared memory; NULL: switched off */
	const char *foreign;       /* the origin of a page that may not name them; NULL: none */
	uint64_t line;             /* that the body is in a text of many; 0: it is all of one */
	/* Set by any thread: stop. NULL: the evaluation's own. */
	const struct loss_cancel *cancel;
};

struct evaluation {
	struct evaluation_kind kind;
	struct loss_arena *arena;
	struct loss_problem *problem;
	struct stream *stream;
	struct shm_uses shared;
	struct query_wish wish;
	struct decoder *decoder;
	struct inflater *inflater; /* before the decoder; NULL: the body comes as it is */
	struct loss_plan *plan;
	size_t next_block;          /* of the plan's, to be run */
	struct loss_result *result; /* NULL: not all of it has run */
	struct timings *timings;
	struct loss_cancel cancel; /* set by any thread: stop at the next row block or piece */

	/* The reply. */
	struct encoder *encoder; /* NULL: not begun */
	struct encoded encoded;
	struct deflater *deflater; /* after the encoder; NULL: the reply goes as it is */
	bool written;              /* the encoder is done: */
	size_t tensor, deflated;   /* so many bytes of this tensor are compressed as well */
	struct body body;          /* once it is complete */
	bool compressible;         /* it depends on what codings the client takes */
};

/* In the arena; NULL when there is no memory (see loss_arena_failure). Times go to *timings. */
struct evaluation *evaluation_create(const struct evaluation_kind *kind, struct loss_arena *arena,
				     struct timings *timings);
/* First of all the query string, n bytes. An error does not hinder the body's decoding, which may
 * find one that takes precedence; LOSS_OK or an error with a decoder, or without one when there is
 * no memory. */
loss_status evaluation_query(struct evaluation *evaluation, const char *query, size_t n,
			     struct loss_error *err);
void evaluation_feed(struct evaluation *evaluation, const unsigned char *bytes, size_t n);
/* Nanoseconds that a byte takes to be fed from here on, more or less. */
double evaluation_byte_ns(const struct evaluation *evaluation);
/*
 * The body is complete: the error in it, if any. This and what follows count their times from where
 * the one before them ended (timings.h): the caller, who has done something else in between, or
 * nothing yet, calls timings_begin.
 */
loss_status evaluation_decode(struct evaluation *evaluation, struct loss_error *err);
/* Everything that is wrong with the problem is found here, if its rows did not run already. */
loss_status evaluation_plan(struct evaluation *evaluation, struct loss_error *err);
/* What is left to be computed, once it is planned: loss_plan_cost_ns. */
uint64_t evaluation_cost_ns(const struct evaluation *evaluation);
/* True when there is work that is worth a team of threads. */
bool evaluation_is_large(const struct evaluation *evaluation);
/* Computes about so much of it: result is there once all has been. LOSS_CANCELLED when cancelled.
 */
loss_status evaluation_run(struct evaluation *evaluation, int threads, uint64_t slice_ns,
			   struct loss_error *err);
/* Writes the next piece of the reply, about a millisecond's work; ENCODER_DONE: body is complete,
 * in the arena, and the evaluation is counted. */
enum encoder_end evaluation_write(struct evaluation *evaluation, struct loss_error *err);
/* Gives back what has been received: the evaluation has failed. What is fed to it after that is for
 * nothing, but does no harm; again is fine. */
void evaluation_drop(struct evaluation *evaluation);
/* Lets go of what does not lie in the arena. */
void evaluation_end(struct evaluation *evaluation);

#endif
