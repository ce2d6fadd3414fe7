/* Running a plan: every row once, the same bits from any team, cancellation, errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <assert.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "../support/random.h"
#include "../support/spec.h"
#include "../support/team.h"
#include "results.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define EXAMPLE "logits:F32:1,3=-0.7715,-0.6205,-0.2562 targets:I64:1=0 "

/* ---------------------------------------------------------------- scheduling */

/* Rows of three classes, five blocks of them; the last is not full. */
#define BLOCK BLOCK_ROWS(3)
#define MANY (4 * BLOCK + BLOCK / 2)

/* What a stand-in for a kernel sees of the blocks. */
static struct {
	atomic_uchar visits[MANY];
	atomic_size_t blocks;
	size_t cancel_after;
	struct loss_cancel cancel;
} seen;

static void count_rows(const struct loss_plan *plan, size_t first, size_t n,
		       struct partial *partial)
{
	assert(plan->rows == MANY && n > 0 && n <= BLOCK && first % BLOCK == 0);
	for (size_t r = first; r < first + n; r++)
		atomic_fetch_add(&seen.visits[r], 1);
	partial->correct += n;
	exact_feed_add(&partial->loss, plan->kernels, (double)first);
	meeting_attend();
	if (atomic_fetch_add(&seen.blocks, 1) + 1 == seen.cancel_after)
		loss_cancel_request(&seen.cancel);
}

static struct loss_row counting;

/* A plan of five blocks whose kernel counts. */
static void plan_counting(struct eval *eval)
{
	memset(&seen, 0, sizeof(seen));
	meeting_open(1);
	char text[128];
	snprintf(text, sizeof text, CE "outputs=accuracy logits:F32:%zu,3 targets:U8:%zu", MANY,
		 MANY);
	spec_start(eval, text);
	eval_plan(eval);
	counting = *eval->plan->loss;
	counting.rows = count_rows;
	eval->plan->loss = &counting;
	assert_int_equal(loss_plan_blocks(eval->plan), 5);
}

static size_t rows_seen(size_t times)
{
	size_t n = 0;
	for (size_t r = 0; r < MANY; r++)
		n += atomic_load(&seen.visits[r]) == times;
	return n;
}

static void every_row_is_visited_once(void **state)
{
	(void)state;
	for (int threads = -1; threads < 8; threads++) {
		struct eval eval;
		size_t wanted = threads < 2 ? 1 : threads > 5 ? 5 : (size_t)threads;
		plan_counting(&eval);
		meeting_open(wanted);
		assert_int_equal(loss_plan_run(eval.plan, threads, NULL, &eval.error), LOSS_OK);
		assert_int_equal(rows_seen(1), MANY);
		assert_int_equal(atomic_load(&seen.blocks), 5);
		/* as many threads as were asked for, and as there are blocks */
#ifdef _OPENMP
		assert_int_equal(meeting_came(), wanted);
#endif
		loss_plan_finish(eval.plan, &eval.result);
		assert_true(eval_value(eval_output(&eval, "accuracy"), 0) == 1.0);
		assert_true(eval.result.totals.loss_sum == 10.0 * (double)BLOCK);
		eval_end(&eval);
	}
}

/* Of a plan of up to so many blocks, each visited once: also where threads take several at a time,
 * and the last ones are fewer. */
#define MANY_BLOCKS 70

static struct {
	atomic_uchar blocks[MANY_BLOCKS];
	atomic_size_t outside;
} visited;

static void visit_block(const struct loss_plan *plan, size_t first, size_t n,
			struct partial *partial)
{
	(void)partial;
	if (first % BLOCK == 0 && n == BLOCK && first / BLOCK < plan->n_blocks)
		atomic_fetch_add(&visited.blocks[first / BLOCK], 1);
	else
		atomic_fetch_add(&visited.outside, 1);
}

static void every_block_is_visited_once(void **state)
{
	struct eval eval;
	char text[128];
	(void)state;
	snprintf(text, sizeof text, CE "logits:F32:%zu,3 targets:U8:%zu", MANY_BLOCKS * BLOCK,
		 MANY_BLOCKS * BLOCK);
	spec_start(&eval, text);
	eval_plan(&eval);
	assert_int_equal(eval.plan->n_blocks, MANY_BLOCKS);
	counting = *eval.plan->loss;
	counting.rows = visit_block;
	eval.plan->loss = &counting;
	for (int threads = 1; threads <= 3; threads++)
		for (size_t n = 0; n < MANY_BLOCKS; n++) { /* one less than there is room for */
			memset(&visited, 0, sizeof visited);
			eval.plan->n_blocks = n;
			eval.plan->rows = n * BLOCK;
			assert_int_equal(loss_plan_run(eval.plan, threads, NULL, &eval.error),
					 LOSS_OK);
			assert_int_equal(atomic_load(&visited.outside), 0);
			for (size_t i = 0; i < n; i++)
				assert_int_equal(atomic_load(&visited.blocks[i]), 1);
		}
	eval_end(&eval);
}

static void blocks_run_in_any_order(void **state)
{
	(void)state;
	struct eval eval;
	plan_counting(&eval);
	loss_plan_run_blocks(eval.plan, 3, 2);
	assert_int_equal(rows_seen(1), MANY - 3 * BLOCK);
	loss_plan_run_blocks(eval.plan, 1, 0);
	loss_plan_run_blocks(eval.plan, 1, 1);
	loss_plan_run_blocks(eval.plan, 2, 1);
	loss_plan_run_blocks(eval.plan, 0, 1);
	assert_int_equal(rows_seen(1), MANY);
	loss_plan_finish(eval.plan, &eval.result);
	assert_true(eval_value(eval_output(&eval, "accuracy"), 0) == 1.0);
	assert_true(eval.result.totals.loss_sum == 10.0 * (double)BLOCK);
	eval_end(&eval);
}

static void a_team_has_nothing_to_share_in_few_blocks(void **state)
{
	(void)state;
	static const char *const texts[] = {CE EXAMPLE, CE "logits:F32:0,3 targets:I64:0"};
	static const size_t blocks[] = {1, 0};
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct eval eval, alone;
		spec_run(&alone, texts[i]);
		spec_start(&eval, texts[i]);
		eval_plan(&eval);
		assert_int_equal(loss_plan_blocks(eval.plan), blocks[i]);
		assert_int_equal(loss_plan_run(eval.plan, 4, NULL, &eval.error), LOSS_OK);
		loss_plan_finish(eval.plan, &eval.result);
		assert_true(
			eval_same_bits(eval_output(&eval, "loss"), eval_output(&alone, "loss")));
		eval_end(&eval);
		eval_end(&alone);
	}
}

/* ---------------------------------------------------------------- cancellation */

static void expect_overdue(const struct eval *eval, loss_status status)
{
	assert_int_equal(status, LOSS_CANCELLED);
	assert_int_equal(eval->error.status, LOSS_CANCELLED);
	assert_string_equal(eval->error.field, "");
	assert_non_null(strstr(eval->error.detail, "cancelled"));
}

static void a_run_that_is_cancelled_before_it_starts(void **state)
{
	(void)state;
	for (int threads = 1; threads < 5; threads++) {
		struct eval eval;
		plan_counting(&eval);
		loss_cancel_request(&seen.cancel);
		expect_overdue(&eval, loss_plan_run(eval.plan, threads, &seen.cancel, &eval.error));
		assert_int_equal(atomic_load(&seen.blocks), 0);
		assert_int_equal(loss_plan_run(eval.plan, threads, &seen.cancel, NULL),
				 LOSS_CANCELLED);
		seen.cancel = (struct loss_cancel){0};
		assert_int_equal(loss_plan_run(eval.plan, threads, &seen.cancel, &eval.error),
				 LOSS_OK);
		assert_int_equal(rows_seen(1), MANY);
		eval_end(&eval);
	}
}

static void a_run_stops_at_the_next_block(void **state)
{
	(void)state;
	struct eval eval;
	plan_counting(&eval);
	seen.cancel_after = 3;
	expect_overdue(&eval, loss_plan_run(eval.plan, 1, &seen.cancel, &eval.error));
	assert_int_equal(atomic_load(&seen.blocks), 3);
	eval_end(&eval);
	plan_counting(&eval);
	seen.cancel_after = 3;
	expect_overdue(&eval, loss_plan_run(eval.plan, 3, &seen.cancel, &eval.error));
	assert_true(atomic_load(&seen.blocks) >= 3);
	eval_end(&eval);
}

static struct loss_cancel of_signals;

static void on_signal(int number)
{
	(void)number;
	loss_cancel_request(&of_signals);
}

static void a_signal_handler_may_cancel(void **state)
{
	(void)state;
	assert_false(loss_cancel_requested(&of_signals));
	void (*before)(int) = signal(SIGUSR1, on_signal);
	raise(SIGUSR1);
	signal(SIGUSR1, before);
	assert_true(loss_cancel_requested(&of_signals));
	loss_cancel_request(&of_signals); /* again is fine */
	assert_true(loss_cancel_requested(&of_signals));
}

static void an_evaluation_is_cancelled(void **state)
{
	(void)state;
	struct loss_cancel cancel = {0};
	loss_cancel_request(&cancel);
	struct eval eval;
	spec_start(&eval, CE EXAMPLE);
	expect_overdue(&eval, loss_evaluate(eval.problem, eval.arena, 1, &cancel, &eval.result,
					    &eval.error));
	eval_end(&eval);
}

/* ---------------------------------------------------------------- the same bits */

static void set_random(struct eval *eval, struct random *random)
{
	static const size_t shape[3] = {31, 70, 113};
	struct loss_tensor x = {.dtype = LOSS_F32, .rank = 3, .shape = {31, 70, 113}};
	struct loss_tensor y = {.dtype = LOSS_I16, .rank = 2, .shape = {31, 113}};
	size_t n = shape[0] * shape[1] * shape[2];
	double *logits = eval_array(eval, double, n);
	int64_t *targets = eval_array(eval, int64_t, n);
	for (size_t i = 0; i < n; i++)
		logits[i] = 8 * random_normal(random);
	for (size_t i = 0; i < shape[0] * shape[2]; i++)
		targets[i] = random_chance(random, 0.1) ? -100 : (int64_t)random_below(random, 70);
	eval_set(eval, "logits", eval_floats(eval, x.dtype, x.rank, x.shape, logits));
	eval_set(eval, "targets", eval_integers(eval, y.dtype, y.rank, y.shape, targets));
}

static void any_team_computes_the_same_bits(void **state)
{
	(void)state;
	struct eval first, eval;
	for (int threads = 1; threads <= 7; threads++) {
		struct random random = random_start(0xb175);
		spec_start(&eval, CE "outputs=loss,grad,lse,probs,accuracy label_smoothing=0.1");
		set_random(&eval, &random);
		eval_run(&eval, threads);
		if (threads == 1) {
			first = eval;
			continue;
		}
		for (size_t i = 0; i < eval.result.n_outputs; i++)
			require(eval_same_bits(&eval.result.outputs[i].tensor,
					       &first.result.outputs[i].tensor),
				"%s: other bits with %d threads", eval.result.outputs[i].name,
				threads);
		assert_memory_equal(&eval.result.totals.loss_sum, &first.result.totals.loss_sum,
				    sizeof(double));
		eval_end(&eval);
	}
	assert_int_equal(first.result.n_outputs, 5);
	eval_end(&first);
}

static void an_evaluation_hands_on_the_error_of_its_plan(void **state)
{
	(void)state;
	struct eval eval;
	spec_start(&eval, CE "logits:F32:1,3 targets:I64:1=3");
	assert_int_equal(eval_try(&eval), LOSS_TARGET_OUT_OF_BOUNDS);
	assert_string_equal(eval.error.field, "targets");
	eval_end(&eval);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_is_visited_once),
		cmocka_unit_test(every_block_is_visited_once),
		cmocka_unit_test(blocks_run_in_any_order),
		cmocka_unit_test(a_team_has_nothing_to_share_in_few_blocks),
		cmocka_unit_test(a_run_that_is_cancelled_before_it_starts),
		cmocka_unit_test(a_run_stops_at_the_next_block),
		cmocka_unit_test(a_signal_handler_may_cancel),
		cmocka_unit_test(an_evaluation_is_cancelled),
		cmocka_unit_test(any_team_computes_the_same_bits),
		cmocka_unit_test(an_evaluation_hands_on_the_error_of_its_plan),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
