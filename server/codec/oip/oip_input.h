/* One entry of the inputs of an Open Inference Protocol request, its members in any order. */
#ifndef LOSSD_CODEC_OIP_INPUT_H
#define LOSSD_CODEC_OIP_INPUT_H

#include "codec/json/json_elements.h"
#include "codec/json/json_shape.h"
#include "oip_parameters.h"

/* Where the elements are. */
enum oip_source {
	OIP_IN_DATA,          /* in the document */
	OIP_IN_BINARY,        /* after it */
	OIP_IN_SHARED_MEMORY, /* in a region */
};

struct oip_input {
	const struct loss_info *loss;
	struct json_fault *fault;
	char label[64]; /* how messages name it: "inputs[1]", once it is known "targets" */
	int tensor;     /* index among the loss's; -1: not known, or none of them */
	bool broken;    /* a fault has been noted that leaves no tensor */
	struct json_members members;
	loss_dtype dtype; /* LOSS_N_DTYPES until it is known */
	struct json_shape shape;
	struct oip_parameters parameters;
	struct json_elements elements;
};

/* Entry i. The struct stays where it is. */
void oip_input_start(struct oip_input *input, size_t i, const struct loss_info *loss,
		     struct loss_arena *arena, const struct decoder_limits *limits,
		     struct json_fault *fault);
/* Keeps no data: the entry is one too many. */
void oip_input_discard(struct oip_input *input);
/* Any token of it; tensors_seen: bits of those that other entries
 * are, to which it adds its own. */
void oip_input_token(struct oip_input *input, unsigned *tensors_seen,
		     const struct json_token *token);
/* Whether the next token is an element's, and whether it may be a word for a non-finite number. */
bool oip_input_in_data(const struct oip_input *input);
bool oip_input_nonfinite(const struct oip_input *input);
/* The entry is complete and unbroken: where its elements are. */
enum oip_source oip_input_source(const struct oip_input *input);
/* The document is complete. Gives dtype, shape and count, and the data where it is in the document;
 * false when a fault has been noted. */
bool oip_input_resolve(struct oip_input *input, struct loss_tensor *tensor);

#endif
