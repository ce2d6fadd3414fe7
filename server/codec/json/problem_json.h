/* Errors as application/problem+json (RFC 9457). */
#ifndef LOSSD_CODEC_PROBLEM_JSON_H
#define LOSSD_CODEC_PROBLEM_JSON_H

#include "loss.h"

/*
 * Appends the document: type, title, status, detail, code, pointer (left out when ""), request_id.
 * Text that came from the caller is made valid UTF-8 (U+FFFD for what is not). False when there is
 * no memory.
 */
bool problem_json_write(struct loss_buffer *out, const struct loss_error *err, const char *pointer,
			const char *request_id);

#endif
