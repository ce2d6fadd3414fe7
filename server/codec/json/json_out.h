/*
 * Strictly valid JSON text into a growable buffer. Numbers are the shortest digits of their type;
 * non-finite ones are the strings "NaN", "Infinity", "-Infinity". A writer that ran out of memory
 * stays failed and writes nothing more: check once, at the end.
 */
#ifndef LOSSD_CODEC_JSON_OUT_H
#define LOSSD_CODEC_JSON_OUT_H

#include "loss.h"

struct json_out {
	struct loss_buffer *buffer;
	bool failed;
	bool comma; /* a value stands before the next one */
};

void json_out_start(struct json_out *out, struct loss_buffer *buffer);
void json_out_open(struct json_out *out, char bracket);  /* '{' or '[' */
void json_out_close(struct json_out *out, char bracket); /* '}' or ']' */
void json_out_key(struct json_out *out, const char *key);
void json_out_string(struct json_out *out, const char *text);
void json_out_boolean(struct json_out *out, bool value);
void json_out_integer(struct json_out *out, int64_t value);
void json_out_size(struct json_out *out, size_t value);
void json_out_f64(struct json_out *out, double value);
void json_out_raw(struct json_out *out, const char *json); /* one value that is JSON text already */
/* Nested arrays, or a scalar. */
void json_out_tensor(struct json_out *out, const struct loss_tensor *tensor);
/* A key and its value. */
void json_out_string_member(struct json_out *out, const char *key, const char *text);
void json_out_size_member(struct json_out *out, const char *key, size_t value);

#endif
