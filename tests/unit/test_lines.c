/* Problems one a line: replies in their order however the body is cut, limits, and what is left
 * when there is no room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eval/lines.h"
#include "status/status.h"

#define GOOD "{\"logits\":[[1,2]],\"targets\":[1]}"
#define ITS_LOSS "{\"loss\":0.3132617,"
#define WRONG "{\"logits\":[[1,2]],\"targets\":[7]}"

struct run {
	const char *query;
	uint64_t max_reply_bytes; /* 0: plenty */
	const char *folder;       /* NULL: /tmp */
	size_t budget;            /* 0: no limit */

	loss_status status;
	struct loss_error err;
	struct timings timings;
	char *text; /* of the replies; the caller frees it */
	size_t size;
};

static struct lines_setup setup_of(const struct run *run, struct loss_arena *arena,
				   struct loss_budget *budget)
{
	return (struct lines_setup){
		.kind = {.loss = loss_find("cross_entropy", 13),
			 .media = protocol_lines.requests,
			 .format = protocol_lines.replies,
			 .limits = {1000000, 8, 1000, false}},
		.query = run->query ? run->query : "",
		.n_query = run->query ? strlen(run->query) : 0,
		.request_id = "id",
		.max_reply_bytes = run->max_reply_bytes ? run->max_reply_bytes : UINT64_MAX,
		.spool_directory = run->folder ? run->folder : "/tmp",
		.arena = arena,
		.budget = budget,
	};
}

static void take_replies(struct run *run, struct lines *lines)
{
	struct spool *spool = lines_spool(lines);
	run->size = (size_t)spool_size(spool);
	run->text = malloc(run->size + 1);
	assert_non_null(run->text);
	size_t there = spool->in_file ? spool_copy(spool->fd, 0, run->text, spool->in_file) : 0;
	assert_int_equal(there, spool->in_file);
	if (spool->memory->size)
		memcpy(run->text + there, spool->memory->data, spool->memory->size);
	run->text[run->size] = '\0';
}

/* Feeds the first `cut` bytes, then the rest. */
static void run_cut(struct run *run, const char *body, size_t cut)
{
	struct loss_budget *budget =
		run->budget ? loss_budget_create(run->budget) : loss_budget_create(SIZE_MAX);
	struct loss_arena *arena = loss_arena_create(budget);
	const struct lines_setup setup = setup_of(run, arena, budget);
	const unsigned char *bytes = (const unsigned char *)body;
	struct lines *lines = lines_create(&setup, &run->err);
	run->text = NULL;
	run->status = run->err.status;
	if (lines) {
		lines_feed(lines, bytes, cut);
		lines_feed(lines, bytes + cut, strlen(body) - cut);
		run->status = lines_finish(lines, &run->err);
		run->timings = (struct timings){0};
		lines_add_timings(lines, &run->timings);
		if (run->status == LOSS_OK)
			take_replies(run, lines);
		lines_end(lines);
	}
	loss_arena_destroy(arena);
	assert_int_equal(loss_budget_held(budget), 0);
	loss_budget_destroy(budget);
}

/* The n-th line of the replies, from 0 on, terminated in place; NULL past the last. */
static const char *line_of(const struct run *run, size_t n, char *out, size_t size)
{
	const char *at = run->text;
	while (n-- > 0 && (at = strchr(at, '\n')))
		at++;
	if (!at || !*at)
		return NULL;
	snprintf(out, size, "%.*s", (int)strcspn(at, "\n"), at);
	return out;
}

static void assert_line(const struct run *run, size_t n, const char *words)
{
	char line[4096];
	assert_non_null(line_of(run, n, line, sizeof line));
	if (!strstr(line, words))
		fail_msg("line %zu is %s, but must have %s", n, line, words);
}

static void assert_no_line(const struct run *run, size_t n)
{
	char line[4096];
	assert_null(line_of(run, n, line, sizeof line));
}

/* ---------------------------------------------------------------- */

static void each_line_has_its_reply_however_it_is_cut(void **state)
{
	static const char body[] = GOOD
		"\r\n\n" WRONG "\n  \n{\"logits\": [[1,2]]}\nnone\n{\"logits\":[[1,2]],\"targets\":"
		"[0],\"outputs\":[\"grad\"]}";
	char *first = NULL;
	(void)state;
	for (size_t cut = 0; cut < sizeof body; cut++) {
		struct run run = {0};
		run_cut(&run, body, cut);
		assert_int_equal(run.status, LOSS_OK);
		assert_line(&run, 0, ITS_LOSS);
		assert_null(strstr(run.text, "metrics"));
		assert_line(&run, 1,
			    "\"code\":\"target_out_of_bounds\",\"pointer\":\"/targets/0\",");
		assert_line(&run, 1, "\"line\":3,");
		assert_line(&run, 2, "\"code\":\"missing_field\"");
		assert_line(&run, 2, "\"line\":5,");
		assert_line(&run, 3, "\"detail\":\"line 6, column 2: ");
		assert_line(&run, 4, "{\"grad\":[[-0.7310586,0.7310586]],");
		assert_no_line(&run, 5);
		assert_int_equal(run.timings.lines, 5);
		assert_int_equal(run.timings.lines_failed, 3);
		assert_int_equal(run.timings.rows, 2);
		assert_int_equal(run.timings.threads, 1);
		if (!first)
			first = run.text;
		assert_string_equal(run.text, first);
		if (first != run.text)
			free(run.text);
	}
	free(first);
}

static void the_query_is_that_of_every_line(void **state)
{
	struct run run = {.query = "outputs=accuracy"};
	(void)state;
	run_cut(&run, GOOD "\n" GOOD "\n", 0);
	assert_line(&run, 0, "{\"accuracy\":1.0,");
	assert_line(&run, 1, "{\"accuracy\":1.0,");
	free(run.text);
	run = (struct run){.query = "reduction=best"};
	run_cut(&run, GOOD "\n", 0);
	assert_int_equal(run.status, LOSS_OK);
	assert_line(&run, 0, "\"code\":\"argument_out_of_range\"");
	free(run.text);
	run = (struct run){.query = "nonsense=1"};
	run_cut(&run, GOOD "\n", 0);
	assert_int_equal(run.status, LOSS_UNKNOWN_FIELD);
}

static void a_body_without_lines_is_empty(void **state)
{
	(void)state;
	static const char *const bodies[] = {"", "\n", "\r\n \n\t"};
	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
		struct run run = {0};
		run_cut(&run, bodies[i], 0);
		assert_int_equal(run.status, STATUS_EMPTY_BODY);
	}
}

/* Exactly the limit is within it; what is past it is told in the last line, also where that is
 * itself a document. */
static void replies_have_a_limit(void **state)
{
	static const char body[] = GOOD "\n" GOOD "\n" WRONG "\n" GOOD "\n";
	struct run all = {0};
	size_t ends[4], n = 0;
	(void)state;
	run_cut(&all, body, 0);
	for (const char *at = all.text; (at = strchr(at, '\n')); at++)
		ends[n++] = (size_t)(at - all.text) + 1;
	assert_int_equal(n, 4);
	for (size_t i = 0; i < n; i++) {
		for (size_t less = 0; less < 2; less++) {
			struct run run = {.max_reply_bytes = ends[i] - less};
			size_t whole = less ? i : i + 1;
			run_cut(&run, body, 0);
			assert_memory_equal(run.text, all.text, whole ? ends[whole - 1] : 0);
			if (whole < n) {
				assert_line(&run, whole, "\"status\":413,");
				assert_line(&run, whole, "(max_reply_bytes)");
			}
			assert_no_line(&run, whole < n ? whole + 1 : n);
			free(run.text);
		}
	}
	free(all.text);
}

static char *many(size_t n)
{
	char *body = malloc(n * sizeof GOOD + 1), *at = body;
	assert_non_null(body);
	for (size_t i = 0; i < n; i++)
		at = stpcpy(at, GOOD "\n");
	return body;
}

static size_t count_lines(const char *text)
{
	size_t n = 0;
	for (; (text = strchr(text, '\n')); text++)
		n++;
	return n;
}

/* Far more than memory is to hold, within a budget that has no room for half of them. */
static void many_lines_need_little_memory(void **state)
{
	enum { N = 100000 };
	struct run run = {.budget = (size_t)8 << 20};
	char *body = many(N);
	(void)state;
	run_cut(&run, body, 1);
	assert_int_equal(run.status, LOSS_OK);
	assert_true(run.size > (size_t)9 << 20);
	assert_int_equal(count_lines(run.text), N);
	assert_int_equal(run.timings.lines, N);
	assert_int_equal(run.timings.lines_failed, 0);
	free(run.text);
	free(body);
}

/* Of a full disk the last line tells; what was answered before it is there. */
static void no_room_for_replies_is_told_in_the_last_line(void **state)
{
	enum { N = 100000 };
	struct run run = {.folder = "/nowhere/at/all"};
	char *body = many(N);
	(void)state;
	run_cut(&run, body, 1);
	assert_int_equal(run.status, LOSS_OK);
	size_t n = count_lines(run.text);
	assert_true(n > 1000 && n < N);
	assert_line(&run, 0, ITS_LOSS);
	assert_line(&run, n - 2, ITS_LOSS);
	assert_line(&run, n - 1, "\"status\":503,");
	assert_line(&run, n - 1, "(spool_directory: No such file or directory)");
	free(run.text);
	free(body);
}

/* A line that does not fit the budget fails alone. */
static void a_line_too_large_for_the_budget_fails_alone(void **state)
{
	struct run run = {.budget = (size_t)2 << 20};
	size_t n = 0;
	char *body = malloc((size_t)8 << 20);
	(void)state;
	assert_non_null(body);
	n += (size_t)sprintf(body, GOOD "\n{\"logits\":[[0");
	for (int i = 0; i < 1000000 - 1; i++)
		n += (size_t)sprintf(body + n, ",1");
	sprintf(body + n, "]],\"targets\":[0]}\n" GOOD);
	run_cut(&run, body, 5);
	assert_int_equal(run.status, LOSS_OK);
	assert_line(&run, 0, ITS_LOSS);
	assert_line(&run, 1, "\"code\":\"too_much_memory_in_flight\"");
	assert_line(&run, 1, "\"line\":2,");
	assert_line(&run, 2, ITS_LOSS);
	free(run.text);
	free(body);
}

static void what_is_stopped_evaluates_nothing_more(void **state)
{
	struct loss_budget *budget = loss_budget_create(SIZE_MAX);
	struct loss_arena *arena = loss_arena_create(budget);
	struct run run = {0};
	const struct lines_setup setup = setup_of(&run, arena, budget);
	struct lines *lines = lines_create(&setup, &run.err);
	(void)state;
	assert_non_null(lines);
	lines_feed(lines, (const unsigned char *)GOOD "\n" GOOD, 2 * sizeof GOOD - 1);
	lines_stop(lines);
	lines_feed(lines, (const unsigned char *)"\n" GOOD "\n", sizeof GOOD + 1);
	assert_int_equal(lines_finish(lines, &run.err), LOSS_CANCELLED);
	lines_drop(lines);
	lines_feed(lines, (const unsigned char *)GOOD "\n", sizeof GOOD);
	lines_end(lines);
	loss_arena_destroy(arena);
	assert_int_equal(loss_budget_held(budget), 0);
	loss_budget_destroy(budget);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_line_has_its_reply_however_it_is_cut),
		cmocka_unit_test(the_query_is_that_of_every_line),
		cmocka_unit_test(a_body_without_lines_is_empty),
		cmocka_unit_test(replies_have_a_limit),
		cmocka_unit_test(many_lines_need_little_memory),
		cmocka_unit_test(no_room_for_replies_is_told_in_the_last_line),
		cmocka_unit_test(a_line_too_large_for_the_budget_fails_alone),
		cmocka_unit_test(what_is_stopped_evaluates_nothing_more),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
