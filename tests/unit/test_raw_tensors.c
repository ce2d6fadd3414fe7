/* Rows that are evaluated as they arrive, by one thread and by two. What raw tensors are otherwise
 * is tested with the formats that have them: test_safetensors_in.c, test_oip_in.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../server/codec/safetensors/safetensors_in.h"
#include "../../server/eval/scheduler.h"
#include "../support/safetensors.h"
#include "budget.h"

#define ROWS 2000
#define CLASSES 1000

/* A body of ROWS zero rows, fed a row at a time, or `n_fed` of them only. */
static struct decoder *feed_rows(const struct decoder_setup *setup, int n_fed)
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
	struct decoder *decoder = safetensors_in_create(setup);
	assert_non_null(decoder);
	decoder->feed(decoder, (const unsigned char *)head, size);
	for (int i = 0; i < n_fed; i++)
		decoder->feed(decoder, (const unsigned char *)row, sizeof row);
	free(head);
	return decoder;
}

static struct decoder_setup setup_of(struct loss_arena *arena)
{
	struct loss_problem *problem = loss_problem_create(loss_find("cross_entropy", 13), arena);
	assert_non_null(problem);
	return (struct decoder_setup){
		.problem = problem, .arena = arena, .limits = {UINT64_C(1) << 33, 8, 65536}};
}

static struct decoder *stream_rows(struct loss_arena *arena, struct scheduler *scheduler,
				   const struct loss_cancel *cancel, int n_fed)
{
	struct decoder_setup setup = setup_of(arena);
	setup.scheduler = scheduler;
	setup.cancel = cancel;
	return feed_rows(&setup, n_fed);
}

static struct decoder *stream_output(struct loss_arena *arena, const char *output, int n_fed)
{
	struct loss_error err;
	struct decoder_setup setup = setup_of(arena);
	assert_int_equal(loss_problem_set_outputs(setup.problem, &output, 1, &err), LOSS_OK);
	return feed_rows(&setup, n_fed);
}

static double finish_rows(struct decoder *decoder)
{
	struct loss_error err = {0};
	struct loss_result result;
	if (decoder->finish(decoder, &err) != LOSS_OK)
		fail_msg("%s", err.detail);
	assert_non_null(decoder->plan);
	assert_true(decoder->compute_ns > 0);
	loss_plan_finish(decoder->plan, &result);
	assert_int_equal(result.totals.counted, ROWS);
	return result.totals.loss_sum;
}

/* A budget far below the body: nothing is taken for what is announced, and rows are let go of. */
static void test_rows_that_are_evaluated_are_not_kept(void **state)
{
	(void)state;
	struct loss_budget budget = {.limit = 400 << 10};
	struct loss_arena *arena = loss_arena_create(&budget);
	finish_rows(stream_rows(arena, NULL, NULL, ROWS));
	loss_arena_destroy(arena);
}

/* With the compute thread's help: the same bits; and what is left in the middle waits for it. */
static void test_rows_that_another_thread_evaluates(void **state)
{
	(void)state;
	struct loss_arena *own = loss_arena_create(NULL);
	struct scheduler *scheduler = scheduler_start(own, 2);
	assert_non_null(scheduler);
	struct loss_arena *arena = loss_arena_create(NULL);
	double wanted = finish_rows(stream_rows(arena, NULL, NULL, ROWS));
	loss_arena_destroy(arena);
	for (int i = 0; i < 5; i++) {
		arena = loss_arena_create(NULL);
		struct decoder *decoder = stream_rows(arena, scheduler, NULL, ROWS);
		double got = finish_rows(decoder);
		assert_memory_equal(&got, &wanted, sizeof got);
		assert_true(decoder->beside_ns > 0);
		loss_arena_destroy(arena);
	}
	for (int n = 60; n < 80; n++) {
		arena = loss_arena_create(NULL);
		struct decoder *decoder = stream_rows(arena, scheduler, NULL, n);
		decoder->settle(decoder);
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
	struct decoder *decoder = stream_rows(arena, NULL, &cancel, ROWS);
	assert_int_equal(decoder->finish(decoder, &err), LOSS_CANCELLED);
	assert_null(decoder->plan);
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
		struct decoder *decoder = stream_output(arena, output, ROWS);
		loss_status status = decoder->finish(decoder, &err);
		good += status == LOSS_OK;
		refused += status == LOSS_TOO_LARGE_FOR_BUDGET;
		/* What has failed has given back what it held. */
		if (status != LOSS_OK)
			assert_true(loss_budget_held(&budget) <= 40 << 10);
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
	no_memory("loss", 1 << 10);
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
