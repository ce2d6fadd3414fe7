/*
 * The parameters objects of an Open Inference Protocol request: those that the protocol and its
 * extensions define, for the request, an input or an output. Their values are scalars.
 */
#ifndef LOSSD_CODEC_OIP_PARAMETERS_H
#define LOSSD_CODEC_OIP_PARAMETERS_H

#include "codec/decoder.h"
#include "codec/json/json_fault.h"
#include "codec/json/json_members.h"
#include "shm/shm.h"

/* Whose parameters; bits. */
enum oip_owner { OIP_REQUEST = 1, OIP_INPUT = 2, OIP_OUTPUT = 4 };

/* Those of each owner stand side by side. What MLServer's clients say of how they made a tensor is
 * everybody's, and changes nothing. */
enum oip_parameter {
	OIP_TIMEOUT, /* the request's, with the next five: microseconds; 0: none */
	OIP_PRIORITY,
	OIP_BINARY_DATA_OUTPUT,
	OIP_NON_FINITE,
	OIP_CONTENT_TYPE, /* an input's, with the next five */
	OIP_HEADERS,
	OIP_BINARY_DATA_SIZE,
	OIP_REGION, /* an output's, with the next five */
	OIP_OFFSET,
	OIP_BYTE_SIZE,
	OIP_BINARY_DATA,
	OIP_OUTPUT_CONTENT_TYPE,
	OIP_OUTPUT_HEADERS,
	OIP_N_PARAMETERS
};

struct oip_parameters {
	struct json_members members; /* the owner's parameters, then the loss's arguments */
	enum oip_owner owner;
	const char *label; /* whose they are, in messages: "logits"; "": the request's */
	struct json_fault *fault;
	struct loss_problem *problem;       /* whose arguments may stand here too; NULL: nobody's */
	struct style *style;                /* the request's */
	unsigned set;                       /* bits: has a value other than null, and of its type */
	unsigned bad;                       /* bits: has one of another type */
	uint64_t numbers[OIP_N_PARAMETERS]; /* booleans are 0 and 1 */
	char region[JSON_TEXT_MAX + 1];
};

/* An entry's. label and fault stay valid; what label points to may change. */
void oip_parameters_start(struct oip_parameters *parameters, enum oip_owner owner,
			  const char *label, struct json_fault *fault);
/* The request's, among which are the arguments of the setup's problem; `all`: room for their
 * names. */
void oip_parameters_start_request(struct oip_parameters *parameters,
				  const struct decoder_setup *setup,
				  const char *all[JSON_MEMBERS_MAX], struct json_fault *fault);
/* Any token of the value that they must be. False, and nothing noted, at one that is no object. */
bool oip_parameters_token(struct oip_parameters *parameters, const struct json_token *token);

static inline bool oip_parameters_has(const struct oip_parameters *parameters,
				      enum oip_parameter parameter)
{
	return parameters->set >> parameter & 1;
}

/* OIP_REGION is set: the range of shared memory that they name, for the tensor `field`. The texts
 * are borrowed. */
struct shm_use oip_parameters_use(const struct oip_parameters *parameters, const char *field);

/* Names of the protocol that are none of a loss, and where they stand. */
#define OIP_N_WORDS 11
extern const struct loss_word oip_words[OIP_N_WORDS];

#endif
