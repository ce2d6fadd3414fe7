#include "../../server/os/pads.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct loss_arena *arena;

static int set_up(void **state)
{
	(void)state;
	arena = loss_arena_create(NULL);
	return arena ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	loss_arena_destroy(arena);
	return 0;
}

/* On a thread of its own: how many pads it gets, all different, and gives them back. */
struct taker {
	struct pads *pads;
	size_t n;
	void *taken[PADS_OF_A_THREAD + 1];
};

static void take_all(struct taker *taker)
{
	void *pad;
	taker->n = 0;
	while (taker->n <= PADS_OF_A_THREAD && (pad = pads_take(taker->pads)))
		taker->taken[taker->n++] = pad;
}

static void *take_and_give(void *context)
{
	struct taker *taker = context;
	take_all(taker);
	for (size_t i = 0; i < taker->n; i++) {
		memset(taker->taken[i], (int)i, PAD_BYTES);
		pads_give(taker->pads, taker->taken[i]);
	}
	return NULL;
}

static size_t on_a_thread(struct taker *taker)
{
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, take_and_give, taker), 0);
	pthread_join(thread, NULL);
	return taker->n;
}

static void a_thread_has_as_many_as_there_are(void **state)
{
	struct taker mine = {.pads = pads_create(arena, 1)};
	(void)state;
	take_all(&mine);
	assert_int_equal(mine.n, PADS_OF_A_THREAD);
	for (size_t i = 0; i < mine.n; i++) {
		assert_int_equal((uintptr_t)mine.taken[i] % 64, 0);
		memset(mine.taken[i], (int)i, PAD_BYTES);
	}
	/* They do not overlap. */
	for (size_t i = 0; i < mine.n; i++)
		for (size_t k = 0; k < PAD_BYTES; k++)
			assert_int_equal(((unsigned char *)mine.taken[i])[k], i);
}

/* What is in the caches is lent first. */
static void the_last_one_given_is_the_next_one_taken(void **state)
{
	struct pads *pads = pads_create(arena, 1);
	(void)state;
	void *a = pads_take(pads), *b = pads_take(pads);
	pads_give(pads, b);
	pads_give(pads, a);
	assert_ptr_equal(pads_take(pads), a);
	assert_ptr_equal(pads_take(pads), b);
}

static void threads_have_their_own_and_one_too_many_has_none(void **state)
{
	struct taker first = {.pads = pads_create(arena, 2)}, second = first, third = first;
	(void)state;
	assert_int_equal(on_a_thread(&first), PADS_OF_A_THREAD);
	assert_int_equal(on_a_thread(&second), PADS_OF_A_THREAD);
	assert_int_equal(on_a_thread(&third), 0);
	for (size_t i = 0; i < first.n; i++)
		for (size_t k = 0; k < second.n; k++)
			assert_ptr_not_equal(first.taken[i], second.taken[k]);
}

/* At the end the thread that stops the server ends requests of threads that have ended. */
static void who_has_none_may_give_one(void **state)
{
	struct taker first = {.pads = pads_create(arena, 1)};
	(void)state;
	assert_int_equal(on_a_thread(&first), PADS_OF_A_THREAD);
	pads_give(first.pads, first.taken[0]);
	assert_null(pads_take(first.pads));
	pads_give(first.pads, NULL);
}

static void no_pads_lend_none(void **state)
{
	(void)state;
	assert_null(pads_take(NULL));
	pads_give(NULL, NULL);
}

static void there_may_be_no_memory_for_them(void **state)
{
	struct loss_budget *budget = loss_budget_create(PAD_BYTES * PADS_OF_A_THREAD);
	struct loss_arena *small = loss_arena_create(budget);
	(void)state;
	assert_non_null(small);
	assert_null(pads_create(small, 1));
	loss_arena_destroy(small);
	loss_budget_destroy(budget);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* More threads than there are addresses for their pads, by a little and by far: no product wraps.
 */
static void more_pads_than_addresses_are_none(void **state)
{
	static const size_t each = PADS_OF_A_THREAD * PAD_BYTES;
	const size_t threads[] = {SIZE_MAX / each + 1, SIZE_MAX / each + 2, SIZE_MAX / 72 + 2,
				  SIZE_MAX / 64 + 1,   SIZE_MAX / 8 + 1,    SIZE_MAX};
	struct loss_arena *own = loss_arena_create(NULL);
	(void)state;
	assert_non_null(own);
	for (size_t i = 0; i < sizeof threads / sizeof *threads; i++)
		assert_null(pads_create(own, threads[i]));
	loss_arena_destroy(own);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_thread_has_as_many_as_there_are),
		TEST(the_last_one_given_is_the_next_one_taken),
		TEST(threads_have_their_own_and_one_too_many_has_none),
		TEST(who_has_none_may_give_one),
		TEST(no_pads_lend_none),
		TEST(there_may_be_no_memory_for_them),
		cmocka_unit_test(more_pads_than_addresses_are_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
