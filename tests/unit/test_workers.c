/* Threads for what takes its time: turns, ends, and works of many threads. */
#include "../../server/os/workers.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "budget.h"

/* A work of so many steps, each of which writes its letter. What goes wrong on another thread than
 * the test's is counted, and looked at by the test. */
struct chore {
	struct work work; /* first */
	char letter;
	int left;      /* steps */
	bool waits;    /* in its step until the gate opens */
	int meets;     /* in its step until so many are in theirs; 0: it does not */
	atomic_int at; /* threads in its step: one at most */
	pthread_t last;
	struct chore *then; /* submitted when this one is done */
	bool is_done;
};

static struct loss_arena *arena;
static struct workers *workers;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
/* Guarded by it. */
static char trace[64]; /* letters of the steps, in small; of works that are done, in capitals */
static size_t n_trace;
static bool gate_open;
static int n_waiting, n_met, n_done, n_wrong;

static void write_letter(char letter)
{
	if (letter != '\0' && n_trace < sizeof trace - 1)
		trace[n_trace++] = letter;
}

static bool step(struct work *work)
{
	struct chore *chore = (struct chore *)(void *)work;
	bool alone = atomic_fetch_add(&chore->at, 1) == 0;
	pthread_mutex_lock(&mutex);
	n_wrong += !alone || chore->is_done || chore->left == 0;
	write_letter(chore->letter);
	n_waiting += chore->waits;
	n_met += chore->meets > 0;
	pthread_cond_broadcast(&changed);
	while ((chore->waits && !gate_open) || n_met < chore->meets)
		pthread_cond_wait(&changed, &mutex);
	pthread_mutex_unlock(&mutex);
	chore->last = pthread_self();
	atomic_fetch_sub(&chore->at, 1);
	return --chore->left > 0;
}

static void done(struct work *work)
{
	struct chore *chore = (struct chore *)(void *)work;
	struct chore *then = chore->then;
	pthread_mutex_lock(&mutex);
	n_wrong +=
		chore->left != 0 || chore->is_done || !pthread_equal(chore->last, pthread_self());
	write_letter(chore->letter ? (char)(chore->letter - 'a' + 'A') : '\0');
	chore->is_done = true;
	n_done++;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&mutex);
	if (then)
		workers_submit(workers, &then->work);
}

static struct chore chore_of(char letter, int steps)
{
	return (struct chore){
		.work = {.step = step, .done = done}, .letter = letter, .left = steps};
}

static void submit(struct chore *chore)
{
	workers_submit(workers, &chore->work);
}

static void wait_for(const int *count, int n)
{
	pthread_mutex_lock(&mutex);
	while (*count < n)
		pthread_cond_wait(&changed, &mutex);
	pthread_mutex_unlock(&mutex);
}

/* Keeps one thread until the gate opens. */
static void occupy(struct chore *chore)
{
	*chore = chore_of('\0', 1);
	chore->waits = true;
	submit(chore);
	wait_for(&n_waiting, 1);
}

static void open_gate(void)
{
	pthread_mutex_lock(&mutex);
	gate_open = true;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&mutex);
}

static void start(size_t threads)
{
	arena = loss_arena_create(NULL);
	assert_non_null(arena);
	workers = workers_start(arena, threads);
	assert_non_null(workers);
	memset(trace, 0, sizeof trace);
	n_trace = 0;
	gate_open = false;
	n_waiting = n_met = n_done = n_wrong = 0;
}

static void stop(void)
{
	workers_stop(workers);
	loss_arena_destroy(arena);
	assert_int_equal(n_wrong, 0);
}

/* A short work is not held up by the long ones before it. */
static void works_take_turns(void **state)
{
	struct chore first, a = chore_of('a', 3), b = chore_of('b', 4), c = chore_of('c', 1);
	(void)state;
	start(1);
	occupy(&first);
	submit(&a);
	submit(&b);
	submit(&c);
	open_gate();
	wait_for(&n_done, 4);
	assert_string_equal(trace, "abcCabaAbbB");
	stop();
}

/* Who comes while others take their turns waits for one of theirs, not for all. */
static void who_comes_later_has_its_turn(void **state)
{
	struct chore first, a = chore_of('a', 3), b = chore_of('b', 3), c = chore_of('c', 1);
	struct chore d = chore_of('d', 1);
	(void)state;
	start(1);
	c.then = &d; /* submitted when the others have had one turn, or none */
	occupy(&first);
	submit(&a);
	submit(&c);
	submit(&b);
	open_gate();
	wait_for(&n_done, 5);
	assert_string_equal(trace, "acCbadDbaAbB");
	stop();
}

/* Whoever is told may do away with it: nobody looks at it after that. */
static void end_of_it(struct work *work)
{
	memset(work, 0xee, sizeof *work);
	pthread_mutex_lock(&mutex);
	n_done++;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&mutex);
}

static void done_is_the_last_touch(void **state)
{
	enum { N = 100 };
	struct chore chores[N];
	struct work gone;
	(void)state;
	start(2);
	memset(&gone, 0xee, sizeof gone);
	for (int i = 0; i < N; i++) {
		chores[i] = chore_of('\0', 1 + i % 3);
		chores[i].work.done = end_of_it;
		submit(&chores[i]);
	}
	wait_for(&n_done, N);
	stop();
	for (int i = 0; i < N; i++)
		assert_memory_equal(&chores[i].work, &gone, sizeof gone);
}

/* What waits, what has steps left, and what others submit as they end. */
static void stopping_waits_for_what_was_submitted(void **state)
{
	enum { N = 50 };
	struct chore first, chores[N], chain[N];
	(void)state;
	for (size_t threads = 1; threads <= 3; threads++) {
		start(threads);
		occupy(&first);
		for (int i = 0; i < N; i++) {
			chores[i] = chore_of('\0', 10);
			chain[i] = chore_of('\0', 2);
			chain[i].then = i + 1 < N ? &chain[i + 1] : NULL;
			submit(&chores[i]);
		}
		submit(&chain[0]);
		open_gate();
		stop();
		assert_int_equal(n_done, 2 * N + 1);
		for (int i = 0; i < N; i++)
			assert_true(chores[i].is_done && chain[i].is_done);
	}
}

/* All the threads work: each of these steps waits for the others. */
static void threads_work_at_the_same_time(void **state)
{
	enum { N = 3 };
	struct chore chores[N];
	(void)state;
	start(N);
	for (int i = 0; i < N; i++) {
		chores[i] = chore_of('\0', 1);
		chores[i].meets = N;
		submit(&chores[i]);
	}
	wait_for(&n_done, N);
	stop();
}

#define SUBMITTED 500

static void *submit_many(void *context)
{
	struct chore *chores = context;
	for (int i = 0; i < SUBMITTED; i++)
		submit(&chores[i]);
	return NULL;
}

static void works_come_from_many_threads(void **state)
{
	enum { N = 4 };
	static struct chore chores[N][SUBMITTED];
	pthread_t threads[N];
	(void)state;
	start(3);
	for (int i = 0; i < N; i++) {
		for (int k = 0; k < SUBMITTED; k++)
			chores[i][k] = chore_of('\0', 1 + (i + k) % 5);
		assert_int_equal(pthread_create(&threads[i], NULL, submit_many, chores[i]), 0);
	}
	wait_for(&n_done, N * SUBMITTED);
	for (int i = 0; i < N; i++)
		pthread_join(threads[i], NULL);
	stop();
	assert_int_equal(n_done, N * SUBMITTED);
}

/* First, in the middle or last of those that wait: the others keep their turns. What a thread has
 * is not to be had. */
static void work_that_waits_may_be_withdrawn(void **state)
{
	static const char *const traces[] = {"bBcCdD", "aAcCdD", "aAbBdD", "aAbBcCdD"};
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct chore first, chores[3], late = chore_of('d', 1);
		start(1);
		occupy(&first);
		for (size_t k = 0; k < 3; k++) {
			chores[k] = chore_of((char)('a' + k), 1);
			submit(&chores[k]);
		}
		assert_false(workers_withdraw(workers, &first.work));
		assert_false(workers_withdraw(workers, &late.work));
		if (i < 3)
			assert_true(workers_withdraw(workers, &chores[i].work));
		submit(&late);
		open_gate();
		wait_for(&n_done, i < 3 ? 4 : 5);
		assert_string_equal(trace, traces[i]);
		stop();
	}
}

static void nothing_to_do(void **state)
{
	(void)state;
	start(2);
	stop();
	workers_stop(NULL);
}

static void without_memory_there_are_none(void **state)
{
	struct loss_budget budget = {.limit = 65536};
	struct loss_arena *poor = loss_arena_create(&budget);
	(void)state;
	assert_non_null(poor);
	assert_null(workers_start(poor, 65536));
	loss_arena_destroy(poor);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(works_take_turns),
		cmocka_unit_test(who_comes_later_has_its_turn),
		cmocka_unit_test(done_is_the_last_touch),
		cmocka_unit_test(stopping_waits_for_what_was_submitted),
		cmocka_unit_test(threads_work_at_the_same_time),
		cmocka_unit_test(works_come_from_many_threads),
		cmocka_unit_test(work_that_waits_may_be_withdrawn),
		cmocka_unit_test(nothing_to_do),
		cmocka_unit_test(without_memory_there_are_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
