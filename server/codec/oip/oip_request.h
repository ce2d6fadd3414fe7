/*
 * The document of an Open Inference Protocol request: the whole body, or what stands before its
 * binary tensors. Its members come in any order at every level.
 */
#ifndef LOSSD_CODEC_OIP_REQUEST_H
#define LOSSD_CODEC_OIP_REQUEST_H

#include "oip_input.h"
#include "oip_output.h"

/* One more than can be right: then one of them is unknown or stands there twice, and is reported.
 * What is after them is checked and not kept. */
#define OIP_MAX_INPUTS ((size_t)LOSS_N_ROLES)
#define OIP_MAX_OUTPUTS ((size_t)LOSS_MAX_OUTPUTS + 1)

struct oip_request {
	struct loss_problem *problem;
	const struct loss_info *loss;
	struct loss_arena *arena;
	struct decoder_limits limits;
	struct json_fault fault;
	struct json_scan scan;
	bool deaf; /* too many tokens that fill no tensor: the rest is not looked at */
	uint64_t idle;

	struct json_members members;
	const char *parameter_names[JSON_MEMBERS_MAX];
	unsigned tensors_seen; /* bits */

	const char *id; /* "" where there is none */
	struct oip_parameters parameters;
	size_t n_inputs, n_outputs;
	struct oip_input inputs[OIP_MAX_INPUTS + 1];
	struct oip_output outputs[OIP_MAX_OUTPUTS + 1];

	/* Of all inputs, those that are not kept included: what must stand after the document. */
	uint64_t binary_bytes;
	bool binary_unknown; /* some size is not known, for it is wrong */
};

/* The struct stays where it is. */
void oip_request_start(struct oip_request *request, const struct decoder_setup *setup);
void oip_request_feed(struct oip_request *request, const unsigned char *bytes, size_t n);
/* Nothing that follows matters: there is no memory, or the text is too long. */
bool oip_request_is_dead(const struct oip_request *request);
/* The text is complete: its syntax. */
loss_status oip_request_finish(struct oip_request *request, struct loss_error *err);
/* Its syntax is right: outputs are set on the problem, what is missing is noted as a fault. */
void oip_request_settle(struct oip_request *request);
/* What is asked of output i of the result; NULL: nothing. */
const struct oip_parameters *oip_request_output(const struct oip_request *request, size_t i);

#endif
