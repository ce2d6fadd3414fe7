/*
 * A tensor of a JSON body: nested arrays, a number, or the typed form {"dtype", "shape", "data"}
 * with its members in any order, of which `base64` may stand in place of `data`.
 */
#ifndef LOSSD_CODEC_JSON_TENSOR_H
#define LOSSD_CODEC_JSON_TENSOR_H

#include "json_base64.h"
#include "json_elements.h"
#include "json_members.h"
#include "json_shape.h"

enum json_tensor_form {
	JSON_TENSOR_ABSENT, /* no token has come */
	JSON_TENSOR_NESTED,
	JSON_TENSOR_TYPED,
};

struct json_tensor {
	const struct loss_tensor_info *info;
	struct json_fault *fault;
	struct json_elements elements;
	enum json_tensor_form form;
	bool broken; /* a fault has been noted that leaves no tensor */

	/* Of the typed form. */
	struct json_members members;
	loss_dtype dtype; /* LOSS_N_DTYPES until it is known */
	struct json_shape shape;
	const char *isa; /* as struct decoder_setup has it; set by the owner after the start */
	struct json_base64 base64; /* once that member has come */
};

void json_tensor_start(struct json_tensor *tensor, const struct loss_tensor_info *info,
		       struct loss_arena *arena, const struct decoder_limits *limits,
		       struct json_fault *fault);
/* Any token of a value other than null. */
void json_tensor_token(struct json_tensor *tensor, const struct json_token *token);
/* As owner.numbers of a scan. */
enum json_taken json_tensor_numbers(struct json_tensor *tensor, const char **p, const char *limit);
/* As reader of a scan, after a name. */
const struct json_text_reader *json_tensor_reader(const struct json_tensor *tensor);
/* Whether the data are given as base64. */
bool json_tensor_is_base64(const struct json_tensor *tensor);

/*
 * The body is complete: gives *out the dtype, shape and data of a tensor that is in it. `input` is
 * the loss's first tensor, resolved, or NULL where there is none. False when it is absent, or a
 * fault has been noted.
 */
bool json_tensor_resolve(struct json_tensor *tensor, const struct loss_tensor *input,
			 struct loss_tensor *out);

#endif
