#include "../../server/eval/scheduler.h"

#include "../../server/os/clock.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>

#include <cmocka.h>

/* A job that notes when it ran, and may wait for a gate to open before a slice ends. */
struct chore {
	struct job job;
	bool waits;
	int slices; /* that it has beyond the first */
	uint64_t slice_ns;
	int ran; /* its place in the order of runs; 0: it has not */
	int threads;
	bool is_done;
};

static struct loss_arena *arena;
static struct scheduler *scheduler;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool gate_open;
static int n_ran;

static bool run(struct job *job, int threads, uint64_t slice_ns)
{
	struct chore *chore = (struct chore *)(void *)job;
	pthread_mutex_lock(&mutex);
	chore->ran = ++n_ran;
	chore->threads = threads;
	chore->slice_ns = slice_ns;
	pthread_cond_broadcast(&changed);
	while (chore->waits && !gate_open)
		pthread_cond_wait(&changed, &mutex);
	pthread_mutex_unlock(&mutex);
	return chore->slices-- > 0;
}

static void done(struct job *job)
{
	struct chore *chore = (struct chore *)(void *)job;
	pthread_mutex_lock(&mutex);
	chore->is_done = true;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&mutex);
}

static bool try_to_submit(struct chore *chore, struct schedule_refusal *refusal)
{
	chore->job.run = run;
	chore->job.done = done;
	return scheduler_submit(scheduler, &chore->job, refusal);
}

static void submit(struct chore *chore)
{
	struct schedule_refusal refusal;
	assert_true(try_to_submit(chore, &refusal));
}

static void wait_done(struct chore *chore)
{
	pthread_mutex_lock(&mutex);
	while (!chore->is_done)
		pthread_cond_wait(&changed, &mutex);
	pthread_mutex_unlock(&mutex);
}

/* Occupies the compute thread until the gate opens. */
static void occupy(struct chore *chore)
{
	chore->waits = true;
	submit(chore);
	pthread_mutex_lock(&mutex);
	while (!chore->ran)
		pthread_cond_wait(&changed, &mutex);
	pthread_mutex_unlock(&mutex);
}

static void open_gate(void)
{
	pthread_mutex_lock(&mutex);
	gate_open = true;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&mutex);
}

#define QUEUE 2000
#define COST UINT64_C(1000000000)

static int start(void **state)
{
	const struct scheduler_setup setup = {2, {QUEUE, COST}};
	(void)state;
	gate_open = false;
	n_ran = 0;
	arena = loss_arena_create(NULL);
	scheduler = arena ? scheduler_start(arena, &setup) : NULL;
	return scheduler ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	scheduler_stop(scheduler);
	loss_arena_destroy(arena);
	return 0;
}

static void jobs_run_in_order(void **state)
{
	struct chore first = {0}, chores[5] = {0};
	(void)state;
	occupy(&first);
	for (int i = 0; i < 5; i++)
		submit(&chores[i]);
	open_gate();
	for (int i = 0; i < 5; i++) {
		wait_done(&chores[i]);
		assert_int_equal(chores[i].ran, 2 + i);
		assert_int_equal(chores[i].threads, 2);
	}
}

/* What is much smaller goes first, and before the rest of what has begun. */
static void small_jobs_pass_large_ones(void **state)
{
	struct chore first = {.slices = 2, .job.item.left_ns = COST};
	struct chore large = {.job.item.left_ns = COST}, small = {0};
	(void)state;
	occupy(&first);
	submit(&large);
	submit(&small);
	open_gate();
	wait_done(&large);
	assert_int_equal(small.ran, 2);
	assert_int_equal(first.ran, 4);
	assert_int_equal(large.ran, 5);
}

/* What the first slice is to cost, and the next one after it took longer than it should. */
static void slices_are_cut_to_their_time(void **state)
{
	struct chore chore = {.slices = 1, .job.item.left_ns = COST};
	(void)state;
	occupy(&chore);
	assert_int_equal(chore.slice_ns, 2 * SCHEDULER_SLICE_NS);
	poll(NULL, 0, (int)(4 * SCHEDULER_SLICE_NS / 1000000));
	open_gate();
	wait_done(&chore);
	assert_in_range(chore.slice_ns, 1, SCHEDULER_SLICE_NS / 2);
}

/* One that runs is done after its slice, whatever is left of it. */
static void a_job_is_withdrawn_while_it_runs(void **state)
{
	struct chore chore = {.slices = 5, .job.item.left_ns = COST};
	(void)state;
	occupy(&chore);
	scheduler_withdraw(scheduler, &chore.job);
	assert_false(chore.is_done);
	open_gate();
	wait_done(&chore);
	assert_int_equal(chore.slices, 4);
}

static struct chore *between; /* its slices, while the next one runs */

static bool withdraw_between(struct job *job, int threads, uint64_t slice_ns)
{
	scheduler_withdraw(scheduler, &between->job);
	return run(job, threads, slice_ns);
}

/* One that waits for its next slice is withdrawn like one that waits for its first. */
static void a_job_is_withdrawn_between_slices(void **state)
{
	struct chore chore = {.slices = 5, .job.item.left_ns = COST};
	struct chore next = {.job = {.run = withdraw_between, .done = done}};
	struct schedule_refusal refusal;
	(void)state;
	between = &chore;
	occupy(&chore);
	assert_true(scheduler_submit(scheduler, &next.job, &refusal));
	open_gate();
	wait_done(&next);
	assert_true(chore.is_done);
	assert_int_equal(chore.slices, 4);
	assert_int_equal(next.ran, 2);
}

static void a_job_withdrawn_before_it_comes_is_done_at_once(void **state)
{
	struct chore first = {0}, chore = {0};
	(void)state;
	occupy(&first);
	scheduler_withdraw(scheduler, &chore.job);
	submit(&chore);
	assert_true(chore.is_done);
	assert_int_equal(scheduler_load(scheduler).jobs, 0);
	open_gate();
	wait_done(&first);
	assert_int_equal(chore.ran, 0);
}

/* One below, at and above each limit, and far above; what runs is not in the queue. */
static void what_waits_is_bounded(void **state)
{
	static struct chore chores[QUEUE + 2];
	struct chore first = {.job.item.left_ns = 5 * COST}, huge = {.job.item.left_ns = 5 * COST};
	struct chore half = {.job.item.left_ns = COST / 2}, more = {.job.item.left_ns = COST / 2};
	struct chore little = {.job.item.left_ns = 1};
	struct schedule_refusal refusal;
	(void)state;
	occupy(&first);
	submit(&half);
	assert_false(try_to_submit(&huge, &refusal));
	more.job.item.left_ns++;
	assert_false(try_to_submit(&more, &refusal));
	assert_true(refusal.by_cost);
	assert_int_equal(refusal.waiting, 1);
	assert_int_equal(refusal.waiting_ns, COST / 2);
	more.job.item.left_ns--;
	submit(&more);
	assert_int_equal(scheduler_load(scheduler).cost_ns, COST);
	assert_false(try_to_submit(&little, &refusal));
	for (size_t i = 2; i < QUEUE; i++)
		submit(&chores[i]);
	assert_int_equal(scheduler_load(scheduler).jobs, QUEUE);
	assert_false(try_to_submit(&chores[QUEUE], &refusal));
	assert_false(refusal.by_cost);
	assert_int_equal(refusal.waiting, QUEUE);
	open_gate();
	wait_done(&more);
	assert_int_equal(chores[QUEUE].ran + huge.ran + little.ran, 0);
}

static void withdrawn_jobs_are_done_without_a_run(void **state)
{
	(void)state;
	/* The first, one in the middle and the last of the queue: the rest keeps its order, and new
	 * ones come last. */
	for (int k = 0; k < 3; k++) {
		struct chore first = {0}, chores[3] = {0}, later = {0};
		gate_open = false;
		n_ran = 0;
		occupy(&first);
		for (int i = 0; i < 3; i++)
			submit(&chores[i]);
		scheduler_withdraw(scheduler, &chores[k].job);
		assert_true(chores[k].is_done);
		submit(&later);
		open_gate();
		wait_done(&later);
		assert_int_equal(chores[k].ran, 0);
		assert_int_equal(later.ran, 4);
		for (int i = 0; i < 3; i++)
			assert_true(chores[i].is_done);
	}
}

static void a_running_job_is_left_alone(void **state)
{
	struct chore chore = {0};
	(void)state;
	occupy(&chore);
	scheduler_withdraw(scheduler, &chore.job);
	assert_false(chore.is_done);
	open_gate();
	wait_done(&chore);
	/* Nor one that has ended, or was never there. */
	scheduler_withdraw(scheduler, &chore.job);
	assert_int_equal(chore.ran, 1);
}

static void jobs_that_wait_are_counted(void **state)
{
	struct chore first = {0}, chores[3] = {0};
	(void)state;
	assert_int_equal(scheduler_load(scheduler).jobs, 0);
	occupy(&first);
	assert_int_equal(scheduler_load(scheduler).jobs, 0); /* it runs */
	for (size_t i = 0; i < 3; i++) {
		submit(&chores[i]);
		assert_int_equal(scheduler_load(scheduler).jobs, i + 1);
	}
	scheduler_withdraw(scheduler, &chores[1].job);
	assert_int_equal(scheduler_load(scheduler).jobs, 2);
	open_gate();
	wait_done(&chores[2]);
	assert_int_equal(scheduler_load(scheduler).jobs, 0);
}

#define MANY 2000

static void *ask(void *context)
{
	atomic_bool *over = context;
	uintptr_t bad = 0;
	while (!atomic_load(over)) {
		bad += scheduler_load(scheduler).jobs > MANY;
		bad += !scheduler_answers(scheduler, clock_ns());
	}
	return (void *)bad;
}

/* As /metrics and /health do, while others submit and jobs run. An ordinary build shows nothing of
 * a lock that is not taken: `make test-tsan` does. */
static void the_queue_may_be_asked_at_any_time(void **state)
{
	static struct chore chores[MANY];
	atomic_bool over = false;
	pthread_t thread;
	void *bad;
	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, ask, &over), 0);
	for (size_t i = 0; i < MANY; i++)
		submit(&chores[i]);
	wait_done(&chores[MANY - 1]);
	atomic_store(&over, true);
	assert_int_equal(pthread_join(thread, &bad), 0);
	assert_null(bad);
	assert_int_equal(scheduler_load(scheduler).jobs, 0);
}

/* A slice may take its time, the more the larger it is, but not for ever. */
static void a_job_that_hangs_is_noticed(void **state)
{
	struct chore chore = {.job.item.left_ns = COST};
	uint64_t patience = SCHEDULER_PATIENCE_NS + 2 * SCHEDULER_SLICE_NS * SCHEDULER_SLOWER;
	(void)state;
	assert_true(scheduler_answers(scheduler, UINT64_MAX)); /* nothing runs */
	uint64_t before = clock_ns();
	occupy(&chore);
	uint64_t after = clock_ns();
	assert_true(scheduler_answers(scheduler, after));
	assert_true(scheduler_answers(scheduler, before + patience));
	assert_false(scheduler_answers(scheduler, after + patience + 1));
	open_gate();
	wait_done(&chore);
	/* It is done a moment before it has ended. */
	for (int i = 0; i < 10000 && !scheduler_answers(scheduler, UINT64_MAX); i++)
		poll(NULL, 0, 1);
	assert_true(scheduler_answers(scheduler, UINT64_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(jobs_run_in_order, start, stop),
		cmocka_unit_test_setup_teardown(small_jobs_pass_large_ones, start, stop),
		cmocka_unit_test_setup_teardown(slices_are_cut_to_their_time, start, stop),
		cmocka_unit_test_setup_teardown(a_job_is_withdrawn_while_it_runs, start, stop),
		cmocka_unit_test_setup_teardown(a_job_is_withdrawn_between_slices, start, stop),
		cmocka_unit_test_setup_teardown(a_job_withdrawn_before_it_comes_is_done_at_once,
						start, stop),
		cmocka_unit_test_setup_teardown(what_waits_is_bounded, start, stop),
		cmocka_unit_test_setup_teardown(withdrawn_jobs_are_done_without_a_run, start, stop),
		cmocka_unit_test_setup_teardown(a_running_job_is_left_alone, start, stop),
		cmocka_unit_test_setup_teardown(jobs_that_wait_are_counted, start, stop),
		cmocka_unit_test_setup_teardown(the_queue_may_be_asked_at_any_time, start, stop),
		cmocka_unit_test_setup_teardown(a_job_that_hangs_is_noticed, start, stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
