/*
 * Open Inference Protocol requests with bytes after the document: "LOSS?QUERY LENGTH\n", then the
 * body. LENGTH is the header that gives the document's; where there is none, the document goes up
 * to the first "\n" of the rest, that included.
 */
#include <stdio.h>
#include <string.h>

#include "driver.h"

void fuzz_oip_binary(const unsigned char *bytes, size_t n)
{
	char line[FUZZ_LINE_SIZE], *rest = line, length[32];
	struct fuzz_input input = {bytes, n};
	fuzz_line(&input, line, false);
	char *loss_and_query = fuzz_word(&rest), *given = fuzz_word(&rest);
	const unsigned char *end = input.n > 0 ? memchr(input.bytes, '\n', input.n) : NULL;
	snprintf(length, sizeof length, "%zu", end ? (size_t)(end - input.bytes) + 1 : input.n);
	fuzz_evaluate_all(&(struct fuzz_evaluation){
		.protocol = &protocol_v2,
		.media = 1,
		.loss_and_query = loss_and_query,
		.header_length = *given ? given : length,
		.body = input,
	});
}
