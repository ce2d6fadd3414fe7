/*
 * NumPy's files: "npz LOSS?QUERY\n", then an archive; or "npy\n", then an array, of which the
 * header is read.
 */
#include <stdlib.h>
#include <string.h>

#include "driver.h"

#include "../../../server/codec/numpy/npy.h"

static void check_array(const struct npy *npy, size_t n)
{
	uint64_t count = 1;
	fuzz_check(npy->header_bytes <= n, "the header ends after %zu bytes of %zu",
		   npy->header_bytes, n);
	fuzz_check(npy->tensor.dtype < LOSS_N_DTYPES, "no dtype");
	fuzz_check(npy->tensor.rank >= 0 && npy->tensor.rank <= LOSS_MAX_RANK, "rank %d",
		   npy->tensor.rank);
	for (int i = 0; i < npy->tensor.rank; i++)
		count *= npy->tensor.shape[i];
	size_t size = loss_dtype_info(npy->tensor.dtype)->size;
	fuzz_check(count == npy->tensor.count && npy->bytes == count * size, "wrong counts");
	fuzz_check(npy->swapped == 1 || npy->swapped == size, "%zu bytes are turned round",
		   npy->swapped);
}

static void read_array(const struct fuzz_input *input)
{
	static const struct decoder_limits limits = {
		.max_elements = UINT64_C(1) << 33, .max_rank = 8, .of_eval = true};
	struct loss_error err = {.status = LOSS_OK};
	struct npy npy;
	if (npy_read(&npy, input->bytes, input->n, "logits", "a.npy", &limits, &err) == LOSS_OK)
		check_array(&npy, input->n);
	else
		fuzz_check_error(&err, err.field);
}

void fuzz_numpy(const unsigned char *bytes, size_t n)
{
	char line[FUZZ_LINE_SIZE], *rest = line;
	struct fuzz_input input = {bytes, n};
	fuzz_line(&input, line, false);
	if (strcmp(fuzz_word(&rest), "npy") == 0) {
		read_array(&input);
		return;
	}
	const struct fuzz_evaluation evaluation = {
		.protocol = &protocol_files, .loss_and_query = fuzz_word(&rest), .body = input};
	fuzz_evaluate_all(&evaluation);
}
