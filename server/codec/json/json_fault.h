/*
 * What is wrong with a JSON problem. Of several faults one is kept, as status_claim has it, and
 * only of that one sentences are made: a body of a million faults costs no more than one of none.
 */
#ifndef LOSSD_CODEC_JSON_FAULT_H
#define LOSSD_CODEC_JSON_FAULT_H

#include "json_scan.h"

struct json_fault {
	struct loss_error error; /* status LOSS_OK: nothing is wrong */
	char member[64];         /* of a typed tensor, where error is in one: "shape"; else "" */
};

/*
 * Where a fault of this status is to be written, by loss_fail; NULL where it would not be kept, and
 * then nothing is to be spent on its sentence. member: that of a typed tensor, or NULL.
 */
struct loss_error *json_fault_claim(struct json_fault *fault, loss_status status,
				    const char *member);
/* Keeps a copy of an error that others made, if it goes before what is kept. */
void json_fault_note(struct json_fault *fault, const struct loss_error *err);

/* There is no memory, or no right: nothing that follows matters. */
bool json_fault_is_fatal(const struct json_fault *fault);

/*
 * Renders where the kept error is, or any other of the same request: a JSON Pointer. `typed` tells
 * whether the tensor that it names was given in the typed form.
 */
void json_fault_pointer(const struct json_fault *fault, const struct loss_error *err, bool typed,
			char *out, size_t size);

/* How a message names a value: `12`, `"mean"`, `true`, `an array`. */
#define JSON_SHOWN_SIZE 80
void json_fault_show(const struct json_token *token, char out[JSON_SHOWN_SIZE]);

/* What messages call entry i of a list, "inputs[1]": made for every entry, wrong or not. */
#define JSON_LABEL_SIZE 32
void json_fault_label(char out[JSON_LABEL_SIZE], const char *list, size_t i);

/* Copies text of n bytes, terminated, cut between characters where it is too long. */
void json_fault_copy(char *out, size_t size, const char *text, size_t n);

#endif
