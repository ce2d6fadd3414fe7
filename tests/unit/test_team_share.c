/* Items that a team of threads shares, and which plans are worth one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "../support/random.h"
#include "../support/spec.h"
#include "../support/team.h"
#include "plan.h"
#include "team.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MOST 1000

struct items {
	atomic_int done[MOST + 1];
	pthread_t caller;
	atomic_size_t others; /* done by another thread than the caller */
	size_t meet;          /* threads that wait for one another */
};

static void do_item(void *context, size_t i)
{
	struct items *items = context;
	if (items->meet > 0)
		meeting_attend();
	atomic_fetch_add(&items->done[i], 1);
	if (!pthread_equal(pthread_self(), items->caller))
		atomic_fetch_add(&items->others, 1);
}

static void every_item_is_done_once(void **state)
{
	static const int threads[] = {-1, 0, 1, 2, 3, 7, 64};
	static const size_t counts[] = {0, 1, 2, 3, 63, 64, 65, MOST};
	(void)state;
	for (size_t t = 0; t < COUNT(threads); t++) {
		for (size_t c = 0; c < COUNT(counts); c++) {
			struct items items = {.caller = pthread_self()};
			team_share(threads[t], counts[c], do_item, &items);
			for (size_t i = 0; i <= MOST; i++)
				require(items.done[i] == (i < counts[c]),
					"%d threads, %zu items: item %zu is done %d times",
					threads[t], counts[c], i, items.done[i]);
			if (threads[t] <= 1 || counts[c] <= 1)
				assert_int_equal(items.others, 0);
		}
	}
}

/* ---------------------------------------------------------------- where threads run */

static cpu_set_t allowed_now(void)
{
	cpu_set_t allowed;
	assert_int_equal(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
	return allowed;
}

/* As many items as threads, which meet: so each does one. */
static void share_among(int threads, struct items *items)
{
	items->meet = (size_t)threads;
	meeting_open((size_t)threads);
	team_share(threads, (size_t)threads, do_item, items);
	assert_int_equal(meeting_came(), threads);
	assert_int_equal(items->others, threads - 1);
}

static void the_caller_may_run_where_it_might(void **state)
{
	cpu_set_t before = allowed_now();
	(void)state;
	for (int i = 0; i < 3; i++) {
		struct items items = {.caller = pthread_self()};
		share_among(3, &items);
		cpu_set_t after = allowed_now();
		assert_true(CPU_EQUAL(&before, &after));
	}
}

struct seen {
	pthread_t caller;
	cpu_set_t workers; /* where one of them may run */
};

static void see(void *context, size_t i)
{
	struct seen *seen = context;
	(void)i;
	meeting_attend();
	if (!pthread_equal(pthread_self(), seen->caller))
		seen->workers = allowed_now();
}

/* A worker has all processors of its caller but one, unless there is only one. */
static void workers_keep_off(void **state)
{
	cpu_set_t allowed = allowed_now();
	struct seen seen = {.caller = pthread_self()};
	int most = CPU_COUNT(&allowed), wanted = most > 1 ? most - 1 : 1;
	(void)state;
#ifndef __linux__
	skip();
#endif
	meeting_open(2);
	team_share(2, 2, see, &seen);
	assert_int_equal(meeting_came(), 2);
	assert_int_equal(CPU_COUNT(&seen.workers), wanted);
	for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &seen.workers))
			assert_true(CPU_ISSET(cpu, &allowed));
}

/* A caller that may run on one processor only, and so its workers: the work is done all the same.
 */
struct on_one {
	struct items items;
	bool bound;
	cpu_set_t one, after;
};

/* Nothing is asserted here: that is for the thread that runs the tests. */
static void *share_on_one(void *context)
{
	struct on_one *on = context;
	on->items.caller = pthread_self();
	on->bound = sched_setaffinity(0, sizeof(on->one), &on->one) == 0;
	team_share(2, 2, do_item, &on->items);
	sched_getaffinity(0, sizeof(on->after), &on->after);
	return NULL;
}

static void one_processor_is_enough(void **state)
{
	struct on_one on = {.items.meet = 2};
	cpu_set_t allowed = allowed_now();
	pthread_t thread;
	(void)state;
	for (size_t cpu = 0; CPU_COUNT(&on.one) == 0; cpu++)
		if (CPU_ISSET(cpu, &allowed))
			CPU_SET(cpu, &on.one);
	meeting_open(2);
	assert_int_equal(pthread_create(&thread, NULL, share_on_one, &on), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(on.bound);
	assert_int_equal(meeting_came(), 2);
	assert_int_equal(on.items.others, 1);
	assert_true(CPU_EQUAL(&on.one, &on.after));
}

/* ---------------------------------------------------------------- which plans */

static void meet(const struct loss_plan *plan, size_t first, size_t n, struct partial *partial)
{
	(void)plan;
	(void)first;
	(void)n;
	(void)partial;
	meeting_attend();
}

/* Threads that came to a plan of several blocks that takes so long. */
static size_t came_to(double nanoseconds, size_t wanted)
{
	struct eval eval;
	spec_start(&eval, "cross_entropy logits:F32:20000,4 targets:I64:20000");
	eval_plan(&eval);
	assert_true(loss_plan_blocks(eval.plan) >= 2);
	struct loss_row row = *eval.plan->loss;
	row.rows = meet;
	eval.plan->loss = &row;
	eval.plan->nanoseconds = nanoseconds;
	meeting_open(wanted);
	assert_int_equal(loss_plan_run(eval.plan, 2, NULL, &eval.error), LOSS_OK);
	eval_end(&eval);
	return meeting_came();
}

static void short_work_stays_on_one_thread(void **state)
{
	(void)state;
	assert_int_equal(came_to(0, 1), 1);
	assert_int_equal(came_to(39999.9, 1), 1);
	assert_int_equal(came_to(40000, 2), 2);
	assert_int_equal(came_to(40000.1, 2), 2);
	assert_int_equal(came_to(1e18, 2), 2);
}

/* What is estimated of some plans is on the side that it should be. */
static void estimates_tell_short_from_long(void **state)
{
	static const struct {
		const char *fields;
		bool is_long;
	} plans[] = {
		{"cross_entropy logits:F32:8,10 targets:I64:8", false},
		{"cross_entropy logits:F32:1,32000 targets:I64:1", false},
		{"cross_entropy logits:F32:64,1000 targets:I64:64", false},
		{"cross_entropy logits:F32:4096,1000 targets:I64:4096", true},
		{"cross_entropy logits:F64:64,1000 targets:I64:64", true},
		{"cross_entropy logits:F32:64,1000 targets:I64:64 softcap=30", true},
		{"nll_loss log_probs:F32:64,10000 targets:I64:64", false},
		{"nll_loss log_probs:F32:20000,4 targets:I64:20000", true},
		{"sigmoid_focal_loss logits:F32:5000 targets:F32:5000", false},
		{"sigmoid_focal_loss logits:F32:100000 targets:F32:100000", true},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(plans); i++) {
		struct eval eval;
		spec_start(&eval, plans[i].fields);
		eval_plan(&eval);
		require((eval.plan->nanoseconds >= 40e3) == plans[i].is_long, "%s: %g ns",
			plans[i].fields, eval.plan->nanoseconds);
		eval_end(&eval);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_item_is_done_once),
#ifdef _OPENMP
		cmocka_unit_test(the_caller_may_run_where_it_might),
		cmocka_unit_test(workers_keep_off),
		cmocka_unit_test(one_processor_is_enough),
		cmocka_unit_test(short_work_stays_on_one_thread),
#endif
		cmocka_unit_test(estimates_tell_short_from_long),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
