/* Errors as application/problem+json (RFC 9457). */
#ifndef LOSSD_CODEC_PROBLEM_JSON_H
#define LOSSD_CODEC_PROBLEM_JSON_H

#include "loss.h"

/* What was wrong, and where in it. */
struct problem_origin {
	const char *request_id;
	uint64_t line; /* of a body of many problems, counted from 1; 0: it is one */
	/* As the decoder's: "" where there is no place. NULL: there is none for any error. */
	void (*point)(const void *context, const struct loss_error *err, char *out, size_t size);
	const void *context;
};

/*
 * Appends the document: type, title, status, detail, code, pointer (left out where there is none),
 * line (likewise), errors (of each code, detail and pointer: the first is err itself, then those
 * after it), request_id. Text that came from the caller is made valid UTF-8 (U+FFFD for what is
 * not). False when there is no memory.
 */
bool problem_json_write(struct loss_buffer *out, const struct loss_error *err,
			const struct problem_origin *origin);

#endif
