/*
 * safetensors bodies without the eight bytes of the header's length: "LOSS?QUERY\n", the header,
 * "\n", the tensors. Or "LOSS?QUERY LENGTH\n" and all that is after that length.
 */
#include <stdlib.h>
#include <string.h>

#include "../../../server/codec/safetensors/safetensors_in.h"
#include "driver.h"

#define LENGTH_BYTES 8

static size_t put_length(unsigned char *out, uint64_t length)
{
	for (size_t i = 0; i < LENGTH_BYTES; i++)
		out[i] = (unsigned char)(length >> 8 * i);
	return LENGTH_BYTES;
}

static size_t put_bytes(unsigned char *out, const unsigned char *bytes, size_t n)
{
	if (n > 0)
		memcpy(out, bytes, n);
	return n;
}

/* The body; its length. */
static size_t make_body(unsigned char *body, const struct fuzz_input *input, const char *length)
{
	const unsigned char *end = input->n > 0 ? memchr(input->bytes, '\n', input->n) : NULL;
	size_t header = end ? (size_t)(end - input->bytes) : input->n;
	size_t tensors = end ? input->n - header - 1 : 0, n;
	if (*length) {
		n = put_length(body, strtoull(length, NULL, 10));
		return n + put_bytes(body + n, input->bytes, input->n);
	}
	n = put_length(body, header);
	n += put_bytes(body + n, input->bytes, header);
	return n + put_bytes(body + n, input->bytes + input->n - tensors, tensors);
}

void fuzz_safetensors(const unsigned char *bytes, size_t n)
{
	char line[FUZZ_LINE_SIZE], *rest = line;
	struct fuzz_input input = {bytes, n};
	fuzz_line(&input, line, false);
	char *loss_and_query = fuzz_word(&rest);
	unsigned char *body = malloc(LENGTH_BYTES + input.n);
	fuzz_check(body != NULL, "no memory for a body");
	fuzz_evaluate_all(&(struct fuzz_evaluation){
		.protocol = &protocol_v1,
		.media = 1,
		.loss_and_query = loss_and_query,
		.set = safetensors_in_set,
		.body = {body, make_body(body, &input, fuzz_word(&rest))},
	});
	free(body);
}
