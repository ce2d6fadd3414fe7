/*
 * Content codings: "gzip\n", "deflate\n" or "zstd\n", then a coded body; or "plain LOSS?QUERY\n",
 * then a JSON body that is coded here: what comes out must be what went in, and evaluate to the
 * same.
 */
#include <string.h>

#include "driver.h"

#define MAX_DECODED ((uint64_t)3 << 20)

struct decoding {
	struct inflater *inflater;
	struct fuzz_outcome *outcome;
	uint64_t decoded;
};

static void take_decoded(void *context, const unsigned char *bytes, size_t n)
{
	struct decoding *decoding = context;
	fuzz_hash(decoding->outcome, bytes, n);
	decoding->decoded += n;
	fuzz_check(decoding->decoded <= MAX_DECODED, "%llu bytes were decoded",
		   (unsigned long long)decoding->decoded);
}

static void feed(void *context, const unsigned char *bytes, size_t n)
{
	struct decoding *decoding = context;
	inflater_feed(decoding->inflater, bytes, n, take_decoded, decoding);
}

static void decode(const struct fuzz_input *body, enum content_coding coding, enum fuzz_cut cut,
		   struct fuzz_outcome *outcome)
{
	struct loss_arena *arena = loss_arena_create(NULL);
	fuzz_check(arena != NULL, "no memory for an arena");
	fuzz_outcome_start(outcome);
	struct decoding decoding = {inflater_create(coding, MAX_DECODED, arena), outcome, 0};
	fuzz_check(decoding.inflater != NULL, "no memory for an inflater");
	fuzz_feed(body, cut, feed, &decoding);
	if (inflater_finish(decoding.inflater, &outcome->err) != LOSS_OK) {
		fuzz_check_error(&outcome->err, "");
		/* How much came before the error was found is nobody's business. */
		outcome->hash = 0;
	}
	loss_arena_destroy(arena);
}

static void decode_all(const struct fuzz_input *body, enum content_coding coding,
		       struct fuzz_outcome *whole)
{
	struct fuzz_outcome cut;
	decode(body, coding, FUZZ_WHOLE, whole);
	decode(body, coding, FUZZ_BYTES, &cut);
	fuzz_same(whole, &cut, "whole and byte by byte");
	decode(body, coding, FUZZ_PIECES, &cut);
	fuzz_same(whole, &cut, "whole and in pieces");
}

static void code_and_back(const struct fuzz_input *plain, enum content_coding coding,
			  char *loss_and_query)
{
	struct fuzz_outcome direct, decoded, in, out;
	struct loss_arena *arena = loss_arena_create(NULL);
	struct deflater *deflater = arena ? deflater_create(coding, arena) : NULL;
	bool fed = deflater && deflater_feed(deflater, plain->bytes, plain->n);
	const struct loss_buffer *coded = fed ? deflater_finish(deflater) : NULL;
	fuzz_check(coded != NULL, "no memory for a coded body");
	const struct fuzz_input body = {coded->data, coded->size};

	fuzz_outcome_start(&in);
	fuzz_hash(&in, plain->bytes, plain->n);
	decode_all(&body, coding, &out);
	fuzz_same(&in, &out, "before and after coding");

	struct fuzz_evaluation evaluation = {
		.protocol = &protocol_v1, .loss_and_query = loss_and_query, .body = *plain};
	fuzz_evaluate(&evaluation, FUZZ_WHOLE, &direct);
	evaluation.coding = coding;
	evaluation.body = body;
	fuzz_evaluate(&evaluation, FUZZ_PIECES, &decoded);
	fuzz_same(&direct, &decoded, "plain and coded");
	loss_arena_destroy(arena);
}

static enum content_coding coding_of(const char *word)
{
	return strcmp(word, "deflate") == 0 ? CODING_DEFLATE
	       : strcmp(word, "zstd") == 0  ? CODING_ZSTD
					    : CODING_GZIP;
}

void fuzz_coding(const unsigned char *bytes, size_t n)
{
	char line[FUZZ_LINE_SIZE], *rest = line;
	struct fuzz_input input = {bytes, n};
	struct fuzz_outcome outcome;
	fuzz_line(&input, line, false);
	const char *coding = fuzz_word(&rest);
	if (strcmp(coding, "plain") == 0) {
		char loss_and_query[FUZZ_LINE_SIZE];
		char *word = fuzz_word(&rest);
		/* What evaluates it cuts it up. */
		strcpy(loss_and_query, word);
		code_and_back(&input, CODING_GZIP, word);
		code_and_back(&input, CODING_ZSTD, loss_and_query);
	} else
		decode_all(&input, coding_of(coding), &outcome);
}
