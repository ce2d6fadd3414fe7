/*
 * One evaluation, from the first byte of its body to the text of its reply. Knows nothing of HTTP:
 * a request drives it on an I/O thread, but for evaluation_run and evaluation_write, which the
 * compute thread does where that pays.
 */
#ifndef LOSSD_EVALUATION_H
#define LOSSD_EVALUATION_H

#include "clock.h"
#include "codec/decoder.h"
#include "loss.h"

struct evaluation {
	const struct media_type *media;
	struct loss_arena *arena;
	struct loss_problem *problem;
	struct decoder *decoder;
	struct loss_plan *plan;
	struct loss_result result;
	struct timings *timings;
	atomic_bool cancel; /* set by the reaper's thread: stop at the next row block */
};

/* In the arena; NULL when there is no memory (see loss_arena_failure). Times go to *timings. isa:
 * as loss_problem_set_isa takes it. */
struct evaluation *evaluation_create(const struct loss_info *loss, const struct media_type *media,
				     const char *isa, struct loss_arena *arena,
				     struct timings *timings);
/* First the query string, n bytes; then the decoder is made. An error does not hinder the body's
 * decoding, which may find one that takes precedence; LOSS_OK or an error with a decoder, or
 * without one when there is no memory. */
loss_status evaluation_query(struct evaluation *evaluation, const char *query, size_t n,
			     const struct decoder_limits *limits, struct loss_error *err);
void evaluation_feed(struct evaluation *evaluation, const unsigned char *bytes, size_t n);
/* The body is complete: the error in it, if any. */
loss_status evaluation_decode(struct evaluation *evaluation, struct loss_error *err);
/* Everything that is wrong with the problem is found here. */
loss_status evaluation_plan(struct evaluation *evaluation, struct loss_error *err);
/* Of the largest tensor, once it is planned. */
uint64_t evaluation_elements(const struct evaluation *evaluation);
/* True when it is worth a team of threads. */
bool evaluation_is_large(const struct evaluation *evaluation);
/* LOSS_DEADLINE_EXCEEDED when cancelled. */
loss_status evaluation_run(struct evaluation *evaluation, int threads, struct loss_error *err);
/* Appends the reply, and counts the evaluation. */
loss_status evaluation_write(struct evaluation *evaluation, struct loss_buffer *out,
			     struct loss_error *err);

#endif
