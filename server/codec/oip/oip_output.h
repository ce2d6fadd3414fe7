/* One entry of the outputs of an Open Inference Protocol request, its members in any order. */
#ifndef LOSSD_CODEC_OIP_OUTPUT_H
#define LOSSD_CODEC_OIP_OUTPUT_H

#include "oip_parameters.h"

struct oip_output {
	struct json_fault *fault;
	char name[64];               /* "" until it is known */
	char label[JSON_LABEL_SIZE]; /* how messages name it: "outputs[1]" */
	struct json_members members;
	struct oip_parameters parameters;
};

/* Entry i. The struct stays where it is. */
void oip_output_start(struct oip_output *output, size_t i, struct json_fault *fault);
/* Any token of it. */
void oip_output_token(struct oip_output *output, const struct json_token *token);

#endif
