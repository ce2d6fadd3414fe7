/*
 * What is wrong with a JSON problem. Of several faults the one with the lowest status is kept, of
 * equal ones the first.
 */
#ifndef LOSSD_CODEC_JSON_FAULT_H
#define LOSSD_CODEC_JSON_FAULT_H

#include "json_scan.h"

struct json_fault {
	struct loss_error error; /* status LOSS_OK: nothing is wrong */
	char member[64];         /* of a typed tensor, where error is in one: "shape"; else "" */
};

/* Keeps a copy of err, and of the member's name (may be NULL), if it goes before what is kept. */
void json_fault_note(struct json_fault *fault, const struct loss_error *err, const char *member);

/* There is no memory: nothing that follows matters. */
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

/* Copies text of n bytes, terminated, cut between characters where it is too long. */
void json_fault_copy(char *out, size_t size, const char *text, size_t n);

#endif
