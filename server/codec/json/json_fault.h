/* What is wrong with a JSON text: how messages show its values, and where in it a fault is. */
#ifndef LOSSD_CODEC_JSON_FAULT_H
#define LOSSD_CODEC_JSON_FAULT_H

#include "json_scan.h"
#include "status/fault.h"

struct json_fault {
	struct fault kept; /* members are those of typed tensors: "shape" */
};

/* fault_claim_field for an error in that member of a typed tensor; NULL: in none. */
struct loss_error *json_fault_claim(struct json_fault *fault, loss_status status, const char *field,
				    const char *member);

/* How a tensor was given. */
enum json_form {
	JSON_NESTED,
	JSON_TYPED,  /* with data, flat */
	JSON_BASE64, /* typed, too: in its text no element has a place of its own */
};

/* Renders where the kept error is, or any other of the same request: a JSON Pointer. `form` is that
 * of the tensor that it names. */
void json_fault_pointer(const struct json_fault *fault, const struct loss_error *err,
			enum json_form form, char *out, size_t size);

/* What a message says after "must be a number" of a token that is none: how what was meant is
 * written, "; it is written NaN", or "". */
const char *json_fault_number(const struct json_token *token);

/* How a message names a value: `12`, `"mean"`, `true`, `an array`. */
#define JSON_SHOWN_SIZE 80
void json_fault_show(const struct json_token *token, char out[JSON_SHOWN_SIZE]);

/* What messages call entry i of a list, "inputs[1]": made for every entry, wrong or not. */
#define JSON_LABEL_SIZE 32
void json_fault_label(char out[JSON_LABEL_SIZE], const char *list, size_t i);

/* Copies text of n bytes, terminated, cut between characters where it is too long. */
void json_fault_copy(char *out, size_t size, const char *text, size_t n);

#endif
