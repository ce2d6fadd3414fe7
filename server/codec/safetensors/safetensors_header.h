/*
 * The header of safetensors: a JSON object of tensors, {"NAME": {"dtype": "F32", "shape": [2, 3],
 * "data_offsets": [BEGIN, END]}, ...}, and "__metadata__", an object of strings. It is read as it
 * comes, and nothing but offsets and names is kept of it.
 *
 * The rules of the format (each broken one is STATUS_INVALID_SAFETENSORS): every tensor has all
 * three members, a dtype of the format, a span of as many bytes as dtype and shape take; the spans
 * cover the bytes after the header without gap or overlap; no name stands there twice.
 */
#ifndef LOSSD_CODEC_SAFETENSORS_HEADER_H
#define LOSSD_CODEC_SAFETENSORS_HEADER_H

#include "codec/decoder.h"
#include "codec/json/json_members.h"
#include "codec/json/json_shape.h"

/* A tensor of the header, whether the loss has it or not. */
struct safetensors_entry {
	uint64_t begin, end; /* of its bytes, counted from after the header */
	int i;               /* among the loss's tensors; -1: none of them */
	size_t name;         /* where its name begins in `names` */
};

struct safetensors_header {
	struct json_scan scan;
	const struct loss_info *loss;
	struct loss_arena *arena;
	struct json_fault fault; /* what is wrong, by precedence */
	uint64_t data_bytes;     /* of all tensors; known when finished without a broken rule */

	struct loss_buffer *entries; /* of struct safetensors_entry, from finish on by offset */
	struct loss_buffer *names;   /* terminated, one after the other */
	bool present[LOSS_N_ROLES];  /* by index into the loss's tensors, as the next */
	struct loss_tensor tensors[LOSS_N_ROLES]; /* without data */

	/* Of a header that is one of several: required tensors may be missing; and, unless it is
	 * NULL, what is called so is tensor alias_of of the loss. */
	bool is_part;
	const char *alias;
	int alias_of;

	/* Where the reading is. */
	const struct decoder_limits *limits;
	struct json_members by_name; /* tensors and the metadata */
	struct json_members members; /* of that one of them */
	bool in_metadata;
	bool overflows; /* the shape's elements, or their bytes */
	size_t n_offsets;
	uint64_t offsets[2];
	uint64_t elements; /* of the shape so far */
	size_t n_dimensions;
	loss_dtype dtype;
	struct json_shape shape;
	struct safetensors_entry entry;
	char name[64]; /* of the tensor, cut for messages */
};

/* False when there is no memory. */
bool safetensors_header_start(struct safetensors_header *header, const struct decoder_setup *setup,
			      const struct decoder_limits *limits);
void safetensors_header_feed(struct safetensors_header *header, const unsigned char *bytes,
			     size_t n);
/* All of its bytes have come; what is wrong with them is in header->fault. */
void safetensors_header_finish(struct safetensors_header *header);

/* How many tensors there are, and the k-th by offset. */
size_t safetensors_header_count(const struct safetensors_header *header);
const struct safetensors_entry *safetensors_header_at(const struct safetensors_header *header,
						      size_t k);
const char *safetensors_header_name(const struct safetensors_header *header, size_t k);

#endif
