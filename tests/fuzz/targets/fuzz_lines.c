/* Bodies of a problem a line: "LOSS?QUERY\n", then the lines. As many replies as lines that are not
 * blank, each strict JSON in a line, the same however the body was cut. */
#include <string.h>

#include "driver.h"
#include "eval/lines.h"
#include "status/status.h"

/* Enough for what a fuzzer sends, and little enough to be reached; no file is made for less. */
#define MAX_REPLY_BYTES ((uint64_t)1 << 16)

static void feed(void *context, const unsigned char *bytes, size_t n)
{
	lines_feed(context, bytes, n);
}

static bool is_blank(const unsigned char *line, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!memchr(" \t\r", line[i], 3))
			return false;
	return true;
}

static size_t count_problems(const struct fuzz_input *body)
{
	size_t problems = 0;
	for (size_t i = 0, n; i < body->n; i += n + 1) {
		const unsigned char *end = memchr(body->bytes + i, '\n', body->n - i);
		n = end ? (size_t)(end - body->bytes) - i : body->n - i;
		problems += !is_blank(body->bytes + i, n);
	}
	return problems;
}

static void check_replies(const unsigned char *text, size_t n, size_t problems)
{
	size_t replies = 0;
	for (size_t i = 0, line; i < n; i += line + 1, replies++) {
		const unsigned char *end = memchr(text + i, '\n', n - i);
		fuzz_check(end != NULL, "a reply without an end");
		line = (size_t)(end - text) - i;
		/* Python's words are asked for, and no JSON. */
		if (!memmem(text + i, line, ":NaN", 4) && !memmem(text + i, line, "Infinity", 8) &&
		    !memmem(text + i, line, "NaN", 3))
			fuzz_check_json(text + i, line);
	}
	bool cut = memmem(text, n, "(max_reply_bytes)", 17) != NULL;
	fuzz_check(cut ? replies <= problems : replies == problems, "%zu replies to %zu problems",
		   replies, problems);
}

static struct lines_setup setup_of(char *loss_and_query, struct loss_arena *arena,
				   struct loss_budget *budget)
{
	size_t n = strcspn(loss_and_query, "?");
	const struct loss_info *loss = loss_find(loss_and_query, n);
	const char *query = loss_and_query[n] ? loss_and_query + n + 1 : "";
	return (struct lines_setup){
		.kind = {.loss = loss ? loss : loss_find("cross_entropy", 13),
			 .media = protocol_lines.requests,
			 .format = protocol_lines.replies,
			 .max_body_bytes = UINT64_MAX,
			 .limits = {UINT64_C(1) << 33, 8, 65536, false}},
		.query = query,
		.n_query = strlen(query),
		.request_id = "id",
		.max_reply_bytes = MAX_REPLY_BYTES,
		.spool_directory = "/nowhere/at/all",
		.arena = arena,
		.budget = budget,
	};
}

static void run(char *line, const struct fuzz_input *body, enum fuzz_cut cut,
		struct fuzz_outcome *outcome)
{
	struct loss_budget *budget = loss_budget_create((size_t)64 << 20);
	struct loss_arena *arena = budget ? loss_arena_create(budget) : NULL;
	fuzz_check(arena != NULL, "no memory for an arena");
	const struct lines_setup setup = setup_of(line, arena, budget);
	fuzz_outcome_start(outcome);
	struct lines *lines = lines_create(&setup, &outcome->err);
	if (lines) {
		fuzz_feed(body, cut, feed, lines);
		lines_finish(lines, &outcome->err);
	}
	if (outcome->err.status != LOSS_OK) {
		fuzz_check_error(&outcome->err, "");
	} else {
		const struct loss_buffer *text = lines_spool(lines)->memory;
		fuzz_hash(outcome, text->data, text->size);
		check_replies(text->data, text->size, count_problems(body));
	}
	if (lines)
		lines_end(lines);
	loss_arena_destroy(arena);
	fuzz_check(loss_budget_held(budget) == 0, "%zu bytes of the budget are still held",
		   loss_budget_held(budget));
	loss_budget_destroy(budget);
}

void fuzz_lines(const unsigned char *bytes, size_t n)
{
	static const char *const how[FUZZ_N_CUTS] = {"", "whole and byte by byte",
						     "whole and in pieces"};
	char line[FUZZ_LINE_SIZE];
	struct fuzz_input body = {bytes, n};
	struct fuzz_outcome whole, cut;
	fuzz_line(&body, line, false);
	run(line, &body, FUZZ_WHOLE, &whole);
	for (enum fuzz_cut k = FUZZ_BYTES; k < FUZZ_N_CUTS; k++) {
		run(line, &body, k, &cut);
		fuzz_same(&whole, &cut, how[k]);
	}
}
