/*
 * Tensors on their way from a body into a problem: the sink that decoders fill. Those that come as
 * bytes are kept in memory that is charged as they come, never for what is only announced.
 *
 * The problem is planned as soon as everything but the input is there. Where each row can then be
 * evaluated by itself, rows are evaluated as they arrive, by the thread that feeds and while they
 * are in its cache; only the piece of the input that is not evaluated yet is held. One thread at a
 * time.
 */
#ifndef LOSSD_STREAM_H
#define LOSSD_STREAM_H

#include "codec/sink.h"
#include "loss.h"

struct stream_setup {
	struct loss_problem *problem;
	struct loss_arena *arena;
	const struct loss_cancel *cancel; /* rows that are evaluated as they arrive stop at it */
};

struct stream;

/* In the arena; NULL when there is no memory. */
struct stream *stream_create(const struct stream_setup *setup);
struct sink *stream_sink(struct stream *stream);
/* The body has been decoded without an error: what was wrong with the expected tensors, of memory,
 * plan or deadline, if anything was. */
loss_status stream_finish(struct stream *stream, struct loss_error *err);
/* After that: the plan whose rows were all evaluated while the body arrived; NULL when the problem
 * is still to be planned and run. */
struct loss_plan *stream_plan(const struct stream *stream);
/* Nanoseconds that a byte of the rows that come takes to be evaluated, more or less. */
double stream_byte_ns(const struct stream *stream);
/* Nanoseconds spent on evaluating rows. */
uint64_t stream_compute_ns(const struct stream *stream);
/* When that began; 0: it has not. */
uint64_t stream_first_ns(const struct stream *stream);

#endif
