/* Documents of any size, and what reading them takes. */
#ifndef TESTS_STEPS_DOCUMENTS_H
#define TESTS_STEPS_DOCUMENTS_H

#include <stddef.h>

#include "counter.h"

/* What reading a text of n bytes takes, which is written to by some. `piece`: bytes that come at a
 * time, where they come in pieces. */
typedef struct counts document_read(char *text, size_t n, size_t piece);

document_read read_json, read_oip, read_safetensors; /* bodies of cross_entropy */
document_read read_query, read_control;
document_read read_head; /* lines of NAME:VALUE */

struct document {
	document_read *read;
	const char *begin, *unit, *end; /* begin, unit many times, end; '#' is the unit's number */
};

/* At least n bytes of it, terminated, for free(); *size: how many. */
char *document_make(const struct document *document, size_t n, size_t *size);

#endif
