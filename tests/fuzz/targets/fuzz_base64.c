/*
 * Base64: any text, on every instruction set that the machine has and however it is cut, comes to
 * the same bytes or the same fault; and what is right is written again as it was.
 */
#include <string.h>

#include "../../../server/codec/base64/base64.h"
#include "driver.h"

struct decoding {
	struct base64_decoder decoder;
	struct loss_buffer *bytes;
};

static void keep(struct decoding *decoding, size_t n)
{
	decoding->bytes->size += n;
}

/* As the text of a string comes: what run leaves is put. */
static void feed(void *context, const unsigned char *text, size_t n)
{
	struct decoding *decoding = context;
	struct loss_buffer *bytes = decoding->bytes;
	while (n > 0) {
		size_t made, taken;
		fuzz_check(loss_buffer_reserve(bytes, base64_room(n)), "no memory for bytes");
		taken = base64_run(&decoding->decoder, text, n, bytes->data + bytes->size, &made);
		keep(decoding, made);
		if (taken < n) {
			unsigned char *end = bytes->data + bytes->size;
			keep(decoding, base64_put(&decoding->decoder, text[taken++], end));
		}
		text += taken;
		n -= taken;
	}
}

static void check_back(const struct base64_kernels *kernels, const struct loss_buffer *bytes,
		       const struct fuzz_input *text)
{
	struct loss_buffer *again = loss_buffer_create(bytes->arena);
	fuzz_check(again && loss_buffer_reserve(again, base64_length(bytes->size) + 1),
		   "no memory for a text");
	char *start = (char *)again->data;
	size_t n = (size_t)(base64_write(kernels, bytes->data, bytes->size, start) - start);
	fuzz_check(n == text->n && memcmp(start, text->bytes, n) == 0, "%s writes another text",
		   kernels->isa);
}

static void decode(const struct base64_kernels *kernels, const struct fuzz_input *text,
		   enum fuzz_cut cut, struct fuzz_outcome *outcome)
{
	struct loss_arena *arena = loss_arena_create(NULL);
	struct decoding decoding = {.bytes = arena ? loss_buffer_create(arena) : NULL};
	struct base64_decoder *decoder = &decoding.decoder;
	fuzz_check(decoding.bytes && loss_buffer_reserve(decoding.bytes, 1), "no memory");
	fuzz_outcome_start(outcome);
	base64_start(decoder, kernels);
	fuzz_feed(text, cut, feed, &decoding);
	int fault = (int)base64_finish(decoder);
	fuzz_hash(outcome, &fault, sizeof fault);
	fuzz_hash(outcome, &decoder->n, sizeof decoder->n);
	fuzz_hash(outcome, &decoder->byte, sizeof decoder->byte);
	fuzz_hash(outcome, decoding.bytes->data, decoding.bytes->size);
	fuzz_check(fault || decoder->n == text->n, "%zu characters are %zu", text->n,
		   (size_t)decoder->n);
	if (!fault)
		check_back(kernels, decoding.bytes, text);
	loss_arena_destroy(arena);
}

void fuzz_base64(const unsigned char *bytes, size_t n)
{
	const struct fuzz_input text = {bytes, n};
	const struct base64_kernels *kernels;
	struct fuzz_outcome first, other;
	decode(base64_kernels_at(0), &text, FUZZ_WHOLE, &first);
	for (size_t i = 0; (kernels = base64_kernels_at(i)) != NULL; i++)
		for (int cut = FUZZ_WHOLE; cut < FUZZ_N_CUTS; cut++) {
			decode(kernels, &text, (enum fuzz_cut)cut, &other);
			fuzz_same(&first, &other, kernels->isa);
		}
}
