/*
 * safetensors bodies: "LOSS?QUERY\n", then the body without the eight bytes of the header's length:
 * "LOSS?QUERY LENGTH\n" gives them, where they are not the length up to the first "\n" of the rest,
 * which is then no part of it.
 */
#include <stdlib.h>
#include <string.h>

#include "driver.h"

#define LENGTH_BYTES 8

/* Up to the line feed: the header; behind it: the tensors. */
static uint64_t header_length(const struct fuzz_input *input)
{
	const unsigned char *end = input->n > 0 ? memchr(input->bytes, '\n', input->n) : NULL;
	return end ? (uint64_t)(end - input->bytes) : input->n;
}

static void put_length(unsigned char *out, uint64_t length)
{
	for (size_t i = 0; i < LENGTH_BYTES; i++)
		out[i] = (unsigned char)(length >> 8 * i);
}

void fuzz_safetensors(const unsigned char *bytes, size_t n)
{
	char line[FUZZ_LINE_SIZE], *rest = line;
	struct fuzz_input input = {bytes, n};
	fuzz_line(&input, line, false);
	char *loss_and_query = fuzz_word(&rest), *given = fuzz_word(&rest);
	uint64_t length = *given ? strtoull(given, NULL, 10) : header_length(&input);
	size_t left_out = !*given && length < input.n; /* the line feed */
	size_t head = *given ? input.n : (size_t)length;
	unsigned char *body = malloc(LENGTH_BYTES + input.n);
	fuzz_check(body != NULL, "no memory for a body");
	put_length(body, length);
	if (input.n > 0)
		memcpy(body + LENGTH_BYTES, input.bytes, head);
	if (left_out)
		memcpy(body + LENGTH_BYTES + head, input.bytes + head + 1, input.n - head - 1);
	fuzz_evaluate_all(&(struct fuzz_evaluation){
		.door = &door_v1,
		.media = 1,
		.loss_and_query = loss_and_query,
		.body = {body, LENGTH_BYTES + input.n - left_out},
	});
	free(body);
}
