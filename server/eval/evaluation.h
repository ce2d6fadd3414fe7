/*
 * One evaluation, from the first byte of its body to the text of its reply. Knows nothing of HTTP:
 * a request drives it on an I/O thread, but for evaluation_run and evaluation_write, which the
 * compute thread does where that pays.
 */
#ifndef LOSSD_EVALUATION_H
#define LOSSD_EVALUATION_H

#include "codec/content_coding.h"
#include "codec/encoder.h"
#include "loss.h"
#include "os/clock.h"

/* What is decided by a request's head. */
struct evaluation_kind {
	const struct loss_info *loss;
	const struct media_type *media;    /* of the body */
	const struct reply_format *format; /* of the reply */
	const char *isa;                   /* as loss_problem_set_isa takes it */
	enum content_coding coding;        /* of the body */
	uint64_t max_body_bytes;           /* when decoded */
};

struct evaluation {
	struct evaluation_kind kind;
	struct loss_arena *arena;
	struct loss_problem *problem;
	struct decoder *decoder;
	struct inflater *inflater; /* before the decoder; NULL: the body comes as it is */
	struct loss_plan *plan;
	struct loss_result result;
	struct timings *timings;
	struct loss_cancel cancel; /* set by the reaper's thread: stop at the next row block */
};

/* In the arena; NULL when there is no memory (see loss_arena_failure). Times go to *timings. */
struct evaluation *evaluation_create(const struct evaluation_kind *kind, struct loss_arena *arena,
				     struct timings *timings);
/* First the query string, n bytes; then the decoder is made, from *setup completed by what the
 * evaluation has itself: problem, arena, cancel. An error does not hinder the body's decoding,
 * which may find one that takes precedence; LOSS_OK or an error with a decoder, or without one when
 * there is no memory. */
loss_status evaluation_query(struct evaluation *evaluation, const char *query, size_t n,
			     const struct decoder_setup *setup, struct loss_error *err);
void evaluation_feed(struct evaluation *evaluation, const unsigned char *bytes, size_t n);
/* The body is complete: the error in it, if any. */
loss_status evaluation_decode(struct evaluation *evaluation, struct loss_error *err);
/* Everything that is wrong with the problem is found here, where the decoder has not planned it. */
loss_status evaluation_plan(struct evaluation *evaluation, struct loss_error *err);
/* Of the largest tensor, once it is planned. */
uint64_t evaluation_elements(const struct evaluation *evaluation);
/* True when there is work that is worth a team of threads. */
bool evaluation_is_large(const struct evaluation *evaluation);
/* LOSS_CANCELLED when cancelled. */
loss_status evaluation_run(struct evaluation *evaluation, int threads, struct loss_error *err);
/* Writes the reply into out->body, which is empty, and counts the evaluation. */
loss_status evaluation_write(struct evaluation *evaluation, struct encoded *out,
			     struct loss_error *err);
/* Gives back what has been received: the evaluation has failed, and nothing more is done to it but
 * evaluation_end. */
void evaluation_drop(struct evaluation *evaluation);
/* Lets go of what does not lie in the arena. */
void evaluation_end(struct evaluation *evaluation);

#endif
