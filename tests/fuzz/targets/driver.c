#include "driver.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../server/codec/json/json_scan.h"
#include "../../../server/codec/json/problem_json.h"
#include "status/status.h"

#define FNV_START UINT64_C(14695981039346656037)
#define FNV_PRIME UINT64_C(1099511628211)
#define MAX_PIECE 24 /* bytes of a piece */
#define MAX_SHIFT 8  /* addresses that it may begin at */

static const char *input_name;

void fuzz_name_input(const char *name)
{
	input_name = name;
}

void fuzz_fail(const char *format, ...)
{
	va_list args;
	fprintf(stderr, "%s%s", input_name ? input_name : "", input_name ? ": " : "");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	abort();
}

/* ---------------------------------------------------------------- inputs */

bool fuzz_line(struct fuzz_input *input, char line[FUZZ_LINE_SIZE], bool strip)
{
	const unsigned char *end = input->n > 0 ? memchr(input->bytes, '\n', input->n) : NULL;
	size_t size = end ? (size_t)(end - input->bytes) : input->n;
	size_t kept = size < FUZZ_LINE_SIZE ? size : FUZZ_LINE_SIZE - 1;
	line[0] = '\0';
	if (input->n == 0)
		return false;
	memcpy(line, input->bytes, kept);
	line[kept] = '\0';
	kept = strlen(line);
	if (strip && kept > 0 && line[kept - 1] == '\r')
		line[kept - 1] = '\0';
	input->bytes += end ? size + 1 : size;
	input->n -= end ? size + 1 : size;
	return true;
}

char *fuzz_word(char **line)
{
	char *word = *line;
	size_t n = strcspn(word, " ");
	*line = word + n + (word[n] == ' ');
	word[n] = '\0';
	return word;
}

/* xorshift: a fixed sequence for each input, so that a finding comes again. */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void feed_copy(const unsigned char *bytes, size_t n, size_t shift, inflate_sink *sink,
		      void *context)
{
	unsigned char *copy = malloc(shift + n);
	fuzz_check(copy != NULL, "no memory for a piece");
	memcpy(copy + shift, bytes, n);
	sink(context, copy + shift, n);
	/* Who has kept the address finds something else there. */
	memset(copy, 0xa5, shift + n);
	free(copy);
}

static void feed_bytes(const struct fuzz_input *input, inflate_sink *sink, void *context)
{
	unsigned char *byte = malloc(1);
	fuzz_check(byte != NULL, "no memory for a byte");
	for (size_t i = 0; i < input->n; i++) {
		*byte = input->bytes[i];
		sink(context, byte, 1);
	}
	free(byte);
}

static void feed_pieces(const struct fuzz_input *input, inflate_sink *sink, void *context)
{
	struct fuzz_outcome seed;
	fuzz_outcome_start(&seed);
	fuzz_hash(&seed, input->bytes, input->n);
	uint64_t random = seed.hash ? seed.hash : 1;
	for (size_t done = 0, size; done < input->n; done += size) {
		size_t left = input->n - done;
		size = 1 + next_random(&random) % MAX_PIECE;
		size = size < left ? size : left;
		feed_copy(input->bytes + done, size, next_random(&random) % MAX_SHIFT, sink,
			  context);
	}
}

void fuzz_feed(const struct fuzz_input *input, enum fuzz_cut cut, inflate_sink *sink, void *context)
{
	if (cut == FUZZ_BYTES)
		feed_bytes(input, sink, context);
	else if (cut == FUZZ_PIECES)
		feed_pieces(input, sink, context);
	else if (input->n > 0)
		feed_copy(input->bytes, input->n, 0, sink, context);
}

/* ---------------------------------------------------------------- outcomes */

void fuzz_outcome_start(struct fuzz_outcome *outcome)
{
	memset(outcome, 0, sizeof *outcome);
	outcome->hash = FNV_START;
}

void fuzz_hash(struct fuzz_outcome *outcome, const void *bytes, size_t n)
{
	const unsigned char *byte = bytes;
	for (size_t i = 0; i < n; i++)
		outcome->hash = (outcome->hash ^ byte[i]) * FNV_PRIME;
}

void fuzz_same(const struct fuzz_outcome *one, const struct fuzz_outcome *other, const char *how)
{
	bool same = one->err.status == other->err.status &&
		    strcmp(one->err.detail, other->err.detail) == 0 &&
		    strcmp(one->pointer, other->pointer) == 0;
	fuzz_check(same, "%s: %s at \"%s\": %s\nbut: %s at \"%s\": %s", how,
		   status_words(one->err.status)->code, one->pointer, one->err.detail,
		   status_words(other->err.status)->code, other->pointer, other->err.detail);
	fuzz_check(one->hash == other->hash,
		   "%s: the results have the hashes %016" PRIx64 " and %016" PRIx64, how, one->hash,
		   other->hash);
}

static void put_pointer(const void *context, const struct loss_error *err, char *out, size_t size)
{
	(void)err;
	snprintf(out, size, "%s", (const char *)context);
}

void fuzz_check_error(const struct loss_error *err, const char *pointer)
{
	const struct problem_origin origin = {"id", 0, put_pointer, pointer};
	struct loss_arena *arena = loss_arena_create(NULL);
	struct loss_buffer *document = arena ? loss_buffer_create(arena) : NULL;
	fuzz_check(err->status > LOSS_OK && err->status < STATUS_END && err->status != STATUS_START,
		   "status %d", err->status);
	fuzz_check(err->status != STATUS_INTERNAL_ERROR, "internal error: %s", err->detail);
	fuzz_check(err->detail[0] != '\0', "an error without a sentence");
	fuzz_check(document && problem_json_write(document, err, &origin),
		   "no memory for a problem document");
	fuzz_check_json(document->data, document->size);
	loss_arena_destroy(arena);
}

static void ignore(void *context, const struct json_token *token)
{
	(void)context;
	(void)token;
}

void fuzz_check_json(const void *text, size_t n)
{
	struct loss_error err = {.status = LOSS_OK};
	struct json_scan scan;
	const struct json_scan_owner owner = {.token = ignore};
	struct loss_arena *arena = loss_arena_create(NULL);
	fuzz_check(arena != NULL, "no memory for a scan");
	memset(&scan, 0, sizeof scan);
	json_scan_start(&scan, arena, &owner);
	json_scan_feed(&scan, text, n);
	json_scan_finish(&scan, &err);
	fuzz_check(err.status == LOSS_OK, "what was written is no JSON: %s\n%.*s", err.detail,
		   n < 400 ? (int)n : 400, (const char *)text);
	loss_arena_destroy(arena);
}
