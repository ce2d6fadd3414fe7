/* safetensors bodies for tests: good ones, from tensors, and a table of bad ones. */
#ifndef TESTS_SUPPORT_SAFETENSORS_H
#define TESTS_SUPPORT_SAFETENSORS_H

#include "loss.h"

/* A header's length, the header, n bytes of data: *size bytes that the caller frees. */
char *safetensors_body(const char *header, const void *data, size_t n, size_t *size);

/* The body of the problem's tensors in the order of `roles` (n of them): no padding, no metadata.
 */
struct loss_problem;
char *safetensors_of(const struct loss_problem *problem, const loss_role *roles, size_t n,
		     size_t *size);

/* A tensor of a safetensors file: data points into it. False when there is none of that name, or
 * its header breaks the format. */
bool safetensors_find(const char *body, size_t size, const char *name, struct loss_tensor *tensor);
/* The text of a member of __metadata__; the caller frees it. NULL when there is none. */
char *safetensors_metadata(const char *body, size_t size, const char *key);

/* What cross_entropy has to refuse. */
struct bad_safetensors {
	const char *header; /* NULL: the body is n bytes of zeros */
	uint64_t length;    /* what the body says of the header's length; 0: the truth */
	size_t n;           /* bytes after the header, zeros */
	loss_status status;
	const char *pointer; /* NULL: none */
	const char *detail;
};
extern const struct bad_safetensors bad_safetensors[];
extern const size_t n_bad_safetensors;
/* The body of a row, which the caller frees. */
char *bad_safetensors_body(const struct bad_safetensors *bad, size_t *size);

#endif
