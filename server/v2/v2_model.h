/*
 * The losses as models of the Open Inference Protocol: every tensor with one type and one rank.
 * What is shown is the commonest form (a batch of rows, F32, class indices, the arguments'
 * defaults); whatever GET /v1/losses/{loss} allows is accepted. Every dimension is free: -1.
 */
#ifndef LOSSD_V2_MODEL_H
#define LOSSD_V2_MODEL_H

#include "loss.h"

#define V2_VERSION "1" /* the only one of each model */
#define V2_PLATFORM "lossd"

struct v2_tensor {
	const char *name;
	loss_dtype dtype;
	int rank;
	bool required; /* of inputs */
};

/* i below the loss's n_tensors, and n_outputs. */
struct v2_tensor v2_input(const struct loss_info *loss, size_t i);
struct v2_tensor v2_output(const struct loss_info *loss, size_t i);

/* Bodies of replies, appended; false when there is no memory. */
bool v2_write_metadata(struct loss_buffer *out, const struct loss_info *loss);
bool v2_write_config(struct loss_buffer *out, const struct loss_info *loss);

#endif
