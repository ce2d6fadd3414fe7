/*
 * Where decoders put the tensors of a body. A format that holds them as text makes each in memory
 * of its own and sets it; one that holds them as bytes says which tensors come, and passes the
 * bytes on. What becomes of them, and when, is not the decoder's concern.
 */
#ifndef LOSSD_CODEC_SINK_H
#define LOSSD_CODEC_SINK_H

#include "loss.h"

/* Errors of set are the caller's to tell. What goes wrong with expected tensors is kept by whoever
 * made the sink, and told when the body has been decoded without one. */
struct sink {
	/* Tensor i of the loss, with its data, which lives as long as the arena; NULL: the body
	 * says that it is absent. As loss_problem_set_tensor. */
	loss_status (*set)(struct sink *sink, size_t i, const struct loss_tensor *tensor,
			   struct loss_error *err);
	/* Tensor i is the next of those whose bytes follow; dtype, rank, shape and count are set,
	 * data is not. Each index at most once, and not set before. */
	void (*expect)(struct sink *sink, size_t i, const struct loss_tensor *tensor);
	/* No more tensors will be expected, everything else of the problem (other tensors,
	 * arguments, outputs) is set: the bytes come. */
	void (*begin)(struct sink *sink);
	/* Takes what belongs to the expected tensors, in pieces of any size, from any address. May
	 * wait for another thread that evaluates rows: some tens of microseconds. */
	void (*feed)(struct sink *sink, const unsigned char *bytes, size_t n);
};

#endif
