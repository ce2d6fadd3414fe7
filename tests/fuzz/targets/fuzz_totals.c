/*
 * Totals that are merged: a JSON text of replies (codec/json/totals_in.h); or, after a line
 * "state", the bytes of a state (src/state.h) without their checksum, which is made here.
 */
#include <string.h>

#include "../../../server/codec/json/totals_in.h"
#include "../../../server/codec/json/totals_out.h"
#include "base64.h"
#include "driver.h"
#include "state.h"

/* ---------------------------------------------------------------- replies */

static void feed(void *context, const unsigned char *bytes, size_t n)
{
	totals_in_feed(context, bytes, n);
}

/* What has been merged is written as JSON. */
static void write_result(struct loss_arena *arena, const struct loss_result *result,
			 struct fuzz_outcome *outcome)
{
	struct loss_buffer *text = loss_buffer_create(arena);
	struct json_out out;
	fuzz_check(text != NULL, "no memory");
	json_out_start(&out, text);
	totals_out_put(&out, result);
	fuzz_check(!out.failed, "no memory");
	fuzz_check_json(text->data, text->size);
	fuzz_hash(outcome, text->data, text->size);
}

static void merge_text(const struct fuzz_input *input, enum fuzz_cut cut,
		       struct fuzz_outcome *outcome)
{
	struct loss_arena *arena = loss_arena_create(NULL);
	struct totals_in *in = arena ? totals_in_create(arena, UINT64_MAX) : NULL;
	struct loss_result result;
	fuzz_check(in != NULL, "no memory");
	fuzz_outcome_start(outcome);
	fuzz_feed(input, cut, feed, in);
	loss_status status = totals_in_end(in, &outcome->err);
	if (status == LOSS_OK)
		status = totals_in_finish(in, &result, &outcome->err);
	if (status == LOSS_OK)
		write_result(arena, &result, outcome);
	else
		strcpy(outcome->pointer, totals_in_pointer(in));
	outcome->err.status = status;
	if (status != LOSS_OK)
		fuzz_check_error(&outcome->err, outcome->pointer);
	loss_arena_destroy(arena);
}

/* ---------------------------------------------------------------- a state */

/* Merged with itself, so that all that is in it is added and reduced. */
static void merge_twice(struct loss_arena *arena, const char *text)
{
	const char *twice[] = {text, text};
	struct fuzz_outcome outcome;
	struct loss_result result;
	struct loss_error err = {.status = LOSS_OK};
	loss_status status = loss_totals_merge(twice, 2, arena, &result, &err);
	fuzz_outcome_start(&outcome);
	if (status == LOSS_OK)
		write_result(arena, &result, &outcome);
	else
		fuzz_check(status == LOSS_ARGUMENT_OUT_OF_RANGE, "%s", err.detail);
}

/* One that is taken is written as it was. */
static void read_state(const struct fuzz_input *input)
{
	struct loss_arena *arena = loss_arena_create(NULL);
	fuzz_check(arena != NULL, "no memory");
	size_t n = input->n + 8, room = state_room(STATE_MOST_BINS, input->n);
	unsigned char *bytes = loss_arena_array(arena, unsigned char, n);
	unsigned char *again = loss_arena_array(arena, unsigned char, room);
	char *text = loss_arena_array(arena, char, TEXT_CHARS(n) + 1);
	struct state state = {.bins = loss_arena_array(arena, struct state_bin, STATE_MOST_BINS)};
	const char *why = NULL;
	fuzz_check(bytes && again && text && state.bins, "no memory");
	memcpy(bytes, input->bytes, input->n);
	uint64_t checksum = state_checksum(bytes, input->n);
	for (size_t i = 0; i < 8; i++)
		bytes[input->n + i] = (unsigned char)(checksum >> 8 * i);
	if (state_read(&state, bytes, n, &why)) {
		size_t written = state_write(&state, again);
		fuzz_check(written == n && memcmp(bytes, again, n) == 0, "it is written otherwise");
		base64_encode(bytes, n, text);
		text[TEXT_CHARS(n)] = '\0';
		merge_twice(arena, text);
	} else {
		fuzz_check(why != NULL, "refused without a word");
	}
	loss_arena_destroy(arena);
}

void fuzz_totals(const unsigned char *bytes, size_t n)
{
	static const char word[] = "state\n";
	struct fuzz_input input = {bytes, n};
	struct fuzz_outcome whole, cut;
	if (n >= sizeof word - 1 && memcmp(bytes, word, sizeof word - 1) == 0) {
		input.bytes += sizeof word - 1;
		input.n -= sizeof word - 1;
		read_state(&input);
		return;
	}
	merge_text(&input, FUZZ_WHOLE, &whole);
	merge_text(&input, FUZZ_BYTES, &cut);
	fuzz_same(&whole, &cut, "byte by byte");
	merge_text(&input, FUZZ_PIECES, &cut);
	fuzz_same(&whole, &cut, "in pieces");
}
