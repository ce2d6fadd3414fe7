/* JSON bodies of /v1: "LOSS?QUERY\n", then the body. */
#include "driver.h"

void fuzz_json(const unsigned char *bytes, size_t n)
{
	char line[FUZZ_LINE_SIZE];
	struct fuzz_input input = {bytes, n};
	fuzz_line(&input, line, false);
	fuzz_evaluate_all(&(struct fuzz_evaluation){
		.protocol = &protocol_v1,
		.loss_and_query = line,
		.body = input,
	});
}
