/*
 * The parameters objects of an Open Inference Protocol request: those that the protocol and its
 * extensions define, for the request, an input or an output. Their values are scalars.
 */
#ifndef LOSSD_CODEC_OIP_PARAMETERS_H
#define LOSSD_CODEC_OIP_PARAMETERS_H

#include "codec/json/json_fault.h"
#include "shm/shm.h"

/* Whose parameters; bits. */
enum oip_owner { OIP_REQUEST = 1, OIP_INPUT = 2, OIP_OUTPUT = 4 };

enum oip_parameter {
	OIP_TIMEOUT, /* microseconds; 0: none */
	OIP_PRIORITY,
	OIP_BINARY_DATA_OUTPUT,
	OIP_BINARY_DATA_SIZE,
	OIP_BINARY_DATA,
	OIP_REGION,
	OIP_OFFSET,
	OIP_BYTE_SIZE,
	OIP_N_PARAMETERS
};

struct oip_parameters {
	enum oip_owner owner;
	const char *label; /* whose they are, in messages: "logits"; "": the request's */
	struct json_fault *fault;
	unsigned seen;                      /* bits: named */
	unsigned set;                       /* bits: has a value other than null, and of its type */
	unsigned bad;                       /* bits: has one of another type */
	enum oip_parameter current;         /* whose value comes next; OIP_N_PARAMETERS: nobody's */
	uint64_t numbers[OIP_N_PARAMETERS]; /* booleans are 0 and 1 */
	char region[JSON_TEXT_MAX + 1];
};

/* label and fault stay valid; what label points to may change. */
void oip_parameters_start(struct oip_parameters *parameters, enum oip_owner owner,
			  const char *label, struct json_fault *fault);
/* A name: selects whose value comes next, or notes why nobody's does. False, and nothing noted, for
 * a name that is none of the protocol's. */
bool oip_parameters_key(struct oip_parameters *parameters, const struct json_token *token);
/* Notes that the name is nobody's; the nearest is looked for among the loss's arguments too, unless
 * it is NULL. */
void oip_parameters_blame_unknown(struct oip_parameters *parameters, const struct loss_info *loss,
				  const struct json_token *token);
/* The beginning of a value. */
void oip_parameters_value(struct oip_parameters *parameters, const struct json_token *token);

static inline bool oip_parameters_has(const struct oip_parameters *parameters,
				      enum oip_parameter parameter)
{
	return parameters->set >> parameter & 1;
}

/* OIP_REGION is set: the range of shared memory that they name, for the tensor `field`. The texts
 * are borrowed. */
struct shm_use oip_parameters_use(const struct oip_parameters *parameters, const char *field);

#endif
