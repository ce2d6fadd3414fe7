/* A shape that is written out beside a tensor's data: an array of integers. */
#ifndef LOSSD_CODEC_JSON_SHAPE_H
#define LOSSD_CODEC_JSON_SHAPE_H

#include "codec/decoder.h"
#include "json_fault.h"

struct json_shape {
	const char *field; /* the tensor's name; the owner may change what it points to */
	struct json_fault *fault;
	uint64_t max_elements;
	const char *limits_owner; /* for sentences: "the server's" */
	size_t max_rank;
	bool broken;               /* a fault has been noted */
	bool ended;                /* and this is the whole of it */
	size_t n_dimensions;       /* so far, those too many included */
	struct loss_tensor tensor; /* rank, shape and count, from json_shape_end on */
};

void json_shape_start(struct json_shape *shape, const char *field,
		      const struct decoder_limits *limits, struct json_fault *fault);
/* The beginning of an entry. */
void json_shape_dimension(struct json_shape *shape, const struct json_token *token);
void json_shape_end(struct json_shape *shape);

#endif
