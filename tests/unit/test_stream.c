/* Rows that are evaluated as they arrive, by one thread and by two. What a
 * stream is otherwise is tested with the formats that fill it: test_safetensors_in.c,
 * test_oip_in.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../server/codec/safetensors/safetensors_in.h"
#include "../../server/eval/stream.h"
#include "../support/safetensors.h"
#include "budget.h"

#define ROWS 2000
#define CLASSES 1000

/* A stream, and the decoder that fills it. */
struct streamed {
	struct stream *stream;
	struct decoder *decoder;
};

/* A body of ROWS zero rows, fed a row at a time, or `n_fed` of them only. */
static struct streamed feed_rows(const struct stream_setup *setup, int n_fed)
{
	static int64_t zeros[ROWS];
	static float row[CLASSES];
	char header[256];
	size_t size;
	snprintf(header, sizeof header,
		 "{\"targets\":{\"dtype\":\"I64\",\"shape\":[%d],\"data_offsets\":[0,%d]},"
		 "\"logits\":{\"dtype\":\"F32\",\"shape\":[%d,%d],\"data_offsets\":[%d,%d]}}",
		 ROWS, 8 * ROWS, ROWS, CLASSES, 8 * ROWS, 8 * ROWS + 4 * ROWS * CLASSES);
	char *head = safetensors_body(header, zeros, sizeof zeros, &size);
	struct streamed s = {.stream = stream_create(setup)};
	assert_non_null(s.stream);
	s.decoder = safetensors_in_create(
		&(struct decoder_setup){.problem = setup->problem,
					.arena = setup->arena,
					.sink = stream_sink(s.stream),
					.limits = {UINT64_C(1) << 33, 8, 65536, false}});
	assert_non_null(s.decoder);
	s.decoder->feed(s.decoder, (const unsigned char *)head, size);
	for (int i = 0; i < n_fed; i++)
		s.decoder->feed(s.decoder, (const unsigned char *)row, sizeof row);
	free(head);
	return s;
}

static struct stream_setup setup_of(struct loss_arena *arena)
{
	struct loss_problem *problem = loss_problem_create(loss_find("cross_entropy", 13), arena);
	assert_non_null(problem);
	return (struct stream_setup){.problem = problem, .arena = arena};
}

static struct streamed stream_rows(struct loss_arena *arena, struct scheduler *scheduler,
				   const struct loss_cancel *cancel, int n_fed)
{
	struct stream_setup setup = setup_of(arena);
	setup.scheduler = scheduler;
	setup.cancel = cancel;
	return feed_rows(&setup, n_fed);
}

static struct streamed stream_output(struct loss_arena *arena, const char *output, int n_fed)
{
	struct loss_error err;
	struct stream_setup setup = setup_of(arena);
	assert_int_equal(loss_problem_set_outputs(setup.problem, &output, 1, &err), LOSS_OK);
	return feed_rows(&setup, n_fed);
}

/* As an evaluation does it. */
static loss_status finish(const struct streamed *s, struct loss_error *err)
{
	loss_status status = s->decoder->finish(s->decoder, err);
	return status == LOSS_OK ? stream_finish(s->stream, err) : status;
}

static double finish_rows(const struct streamed *s)
{
	struct loss_error err = {0};
	struct loss_result result;
	if (finish(s, &err) != LOSS_OK)
		fail_msg("%s", err.detail);
	assert_non_null(stream_plan(s->stream));
	assert_true(stream_compute_ns(s->stream) > 0);
	loss_plan_finish(stream_plan(s->stream), &result);
	assert_int_equal(result.totals.counted, ROWS);
	return result.totals.loss_sum;
}

/* A budget far below the body: nothing is taken for what is announced, and rows are let go of. */
static void test_rows_that_are_evaluated_are_not_kept(void **state)
{
	(void)state;
	struct loss_budget budget = {.limit = 400 << 10};
	struct loss_arena *arena = loss_arena_create(&budget);
	struct streamed s = stream_rows(arena, NULL, NULL, ROWS);
	finish_rows(&s);
	assert_int_equal(stream_beside_ns(s.stream), 0);
	loss_arena_destroy(arena);
}

/* With the compute thread's help: the same bits; and what is left in the middle waits for it. */
static void test_rows_that_another_thread_evaluates(void **state)
{
	(void)state;
	struct loss_arena *own = loss_arena_create(NULL);
	struct scheduler *scheduler =
		scheduler_start(own, &(struct scheduler_setup){2, {64, UINT64_MAX}});
	assert_non_null(scheduler);
	struct loss_arena *arena = loss_arena_create(NULL);
	struct streamed s = stream_rows(arena, NULL, NULL, ROWS);
	double wanted = finish_rows(&s);
	loss_arena_destroy(arena);
	for (int i = 0; i < 5; i++) {
		arena = loss_arena_create(NULL);
		s = stream_rows(arena, scheduler, NULL, ROWS);
		double got = finish_rows(&s);
		assert_memory_equal(&got, &wanted, sizeof got);
		assert_true(stream_beside_ns(s.stream) > 0);
		loss_arena_destroy(arena);
	}
	for (int n = 60; n < 80; n++) {
		arena = loss_arena_create(NULL);
		s = stream_rows(arena, scheduler, NULL, n);
		stream_settle(s.stream);
		loss_arena_destroy(arena);
	}
	scheduler_stop(scheduler);
	loss_arena_destroy(own);
}

/* The rows stop at the next chunk once nobody waits for them. */
static void test_cancelled(void **state)
{
	(void)state;
	struct loss_cancel cancel = {0};
	loss_cancel_request(&cancel);
	struct loss_error err;
	struct loss_arena *arena = loss_arena_create(NULL);
	struct streamed s = stream_rows(arena, NULL, &cancel, ROWS);
	assert_int_equal(finish(&s, &err), LOSS_CANCELLED);
	assert_null(stream_plan(s.stream));
	loss_arena_destroy(arena);
}

/* Whether the rows are kept or let go of: refused for memory or right, and nothing is left. */
static void no_memory(const char *output, size_t step)
{
	int good = 0, refused = 0;
	for (int i = 0; i < 60; i++) {
		struct loss_budget budget = {.limit = (40 << 10) + (size_t)i * step};
		struct loss_arena *arena = loss_arena_create(&budget);
		struct loss_error err;
		assert_non_null(arena);
		struct streamed s = stream_output(arena, output, ROWS);
		loss_status status = finish(&s, &err);
		good += status == LOSS_OK;
		refused += status == LOSS_TOO_LARGE_FOR_BUDGET;
		/* What has failed has given back what it held, but for a plan and its partial sums.
		 */
		if (status != LOSS_OK)
			assert_true(loss_budget_held(&budget) <= 192 << 10);
		loss_arena_destroy(arena);
		assert_int_equal(loss_budget_held(&budget), 0);
		loss_budget_trim(&budget);
	}
	assert_true(good > 0 && refused > 0);
	assert_int_equal(good + refused, 60);
}

static void test_no_memory(void **state)
{
	(void)state;
	no_memory("loss", 4 << 10);
	no_memory("grad", 300 << 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows_that_are_evaluated_are_not_kept),
		cmocka_unit_test(test_rows_that_another_thread_evaluates),
		cmocka_unit_test(test_cancelled),
		cmocka_unit_test(test_no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
