/*
 * JSON text into a growable buffer, strictly valid unless non_finite is NON_FINITE_PYTHON. Numbers
 * are the shortest digits of their type. A writer that ran out of memory stays failed and writes
 * nothing more: check once, at the end.
 */
#ifndef LOSSD_CODEC_JSON_OUT_H
#define LOSSD_CODEC_JSON_OUT_H

#include <string.h>

#include "codec/base64/base64.h"
#include "codec/style.h"

/* Bits. */
enum json_out_pieces { JSON_OUT_FIRST = 1, JSON_OUT_LAST = 2 };

struct json_out {
	struct loss_buffer *buffer;
	enum non_finite non_finite; /* how such numbers are written: as strings from the start */
	bool failed;
	bool comma; /* a value stands before the next one */
};

void json_out_start(struct json_out *out, struct loss_buffer *buffer);
void json_out_open(struct json_out *out, char bracket);  /* '{' or '[' */
void json_out_close(struct json_out *out, char bracket); /* '}' or ']' */
/* The closing bracket of the whole, and the end of the line. */
void json_out_end(struct json_out *out, char bracket);
/* A name of ours, of n bytes, in which nothing is to be escaped. */
void json_out_name(struct json_out *out, const char *key, size_t n);
void json_out_string(struct json_out *out, const char *text);
void json_out_boolean(struct json_out *out, bool value);
void json_out_integer(struct json_out *out, int64_t value);
void json_out_size(struct json_out *out, size_t value);
void json_out_f64(struct json_out *out, double value);
/* digits * 10^exponent, as json_out_f64 writes it; of at most 15 digits. */
void json_out_decimal(struct json_out *out, uint64_t digits, int exponent);
void json_out_raw(struct json_out *out, const char *json); /* one value that is JSON text already */
/* Nested arrays, or a scalar. */
void json_out_tensor(struct json_out *out, const struct loss_tensor *tensor);
/* The same in pieces of at most n elements (n > 0), with nothing else written in between: true when
 * it is complete. */
struct json_tensor_out {
	struct loss_tensor tensor;
	int rank;         /* dimensions that are written: up to an empty one */
	size_t rows, row; /* innermost arrays, and how many of them are complete */
	size_t column;    /* elements of the next one that are written */
	size_t next;      /* flat index of the next element */
};
void json_tensor_out_start(struct json_tensor_out *walk, const struct loss_tensor *tensor);
bool json_out_tensor_piece(struct json_out *out, struct json_tensor_out *walk, size_t n);
/* n bytes of a string of base64: all but the last piece are a multiple of three. The first begins
 * the string, the last ends it. */
void json_out_base64(struct json_out *out, const struct base64_kernels *kernels, const void *bytes,
		     size_t n, enum json_out_pieces pieces);

/* The same where the compiler counts. */
static inline void json_out_key(struct json_out *out, const char *key)
{
	json_out_name(out, key, strlen(key));
}

/* A key and its value. */
static inline void json_out_string_member(struct json_out *out, const char *key, const char *text)
{
	json_out_key(out, key);
	json_out_string(out, text);
}

static inline void json_out_size_member(struct json_out *out, const char *key, size_t value)
{
	json_out_key(out, key);
	json_out_size(out, value);
}

#endif
