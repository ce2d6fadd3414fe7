/*
 * Tensors as the bytes that they are, one after the other: what stands after the header of
 * safetensors and of a binary Open Inference Protocol request. The header's decoder says which
 * tensors come, in the order of their bytes; then the bytes are fed in pieces of any size, from any
 * address. Memory is taken as they come, never for what is only announced.
 *
 * Where the loss's input comes last and everything else that a row needs was there before it, rows
 * are evaluated as they arrive and only the piece of the input that is not evaluated yet is held.
 */
#ifndef LOSSD_CODEC_RAW_TENSORS_H
#define LOSSD_CODEC_RAW_TENSORS_H

#include "decoder.h"

struct raw_tensors;

/* In the arena; NULL when there is no memory. */
struct raw_tensors *raw_tensors_create(const struct decoder_setup *setup);
/* The next tensor: index `i` of the loss's tensors; dtype, rank, shape and count are set, data is
 * not. Each index at most once. */
void raw_tensors_expect(struct raw_tensors *raw, size_t i, const struct loss_tensor *tensor);
/* No more tensors will be expected: the bytes may come. Everything else of the problem (other
 * tensors, arguments, outputs) is set on it by now, so that rows may be evaluated as they arrive.
 */
void raw_tensors_begin(struct raw_tensors *raw);
/* Takes what belongs to the expected tensors; returns how many of the n bytes that was. */
size_t raw_tensors_feed(struct raw_tensors *raw, const unsigned char *bytes, size_t n);
/* Bytes that are still missing. */
uint64_t raw_tensors_missing(const struct raw_tensors *raw);
/* All bytes are here: sets the tensors on the problem, unless rows were evaluated: then
 * decoder->plan is the plan that has run. decoder->compute_ns and beside_ns are what plan and
 * rows took. The first error of memory, plan or deadline otherwise. */
loss_status raw_tensors_finish(struct raw_tensors *raw, struct decoder *decoder,
			       struct loss_error *err);

/* For decoder->settle: returns when no other thread evaluates rows. */
void raw_tensors_settle(struct raw_tensors *raw);

#endif
