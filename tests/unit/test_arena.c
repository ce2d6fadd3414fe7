/* Memory of a request: where it is, what it is charged, how it fails. Buffers: test_buffer.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "../support/memory.h"
#include "budget.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---------------------------------------------------------------- allocation */

static void allocations_are_aligned_and_apart(void **state)
{
	(void)state;
	static const size_t sizes[] = {1, 0,      63, 64,    65, 4000, 16000,
				       1, 300000, 7,  12000, 0,  40000};
	struct loss_arena *arena = create_arena(NULL);
	unsigned char *memory[COUNT(sizes)];
	for (size_t i = 0; i < COUNT(sizes); i++) {
		memory[i] = loss_arena_alloc(arena, sizes[i], 1);
		assert_non_null(memory[i]);
		assert_int_equal((uintptr_t)memory[i] % 64, 0);
		memset(memory[i], (int)i, sizes[i]);
	}
	for (size_t i = 0; i < COUNT(sizes); i++)
		for (size_t k = 0; k < sizes[i]; k++)
			assert_int_equal(memory[i][k], i);
	loss_arena_destroy(arena);
}

static void no_bytes_are_not_null(void **state)
{
	(void)state;
	struct loss_arena *arena = create_arena(NULL);
	assert_non_null(loss_arena_alloc(arena, 0, 8));
	assert_non_null(loss_arena_alloc(arena, SIZE_MAX, 0));
	assert_non_null(loss_arena_array(arena, double, 0));
	/* nor are they in a block that is full to the last byte */
	while (loss_arena_alloc(arena, 1, 64) && loss_arena_held(arena) == BLOCK)
		;
	assert_non_null(loss_arena_alloc(arena, 0, 8));
	loss_arena_destroy(arena);
}

static void small_allocations_share_a_block(void **state)
{
	(void)state;
	struct loss_arena *arena = create_arena(NULL);
	unsigned char *first = loss_arena_alloc(arena, 1, 1);
	assert_int_equal(loss_arena_held(arena), BLOCK);
	/* A block that one allocation fills does not end the filling of the one before it. */
	assert_non_null(loss_arena_alloc(arena, 100000, 1));
	assert_ptr_equal(loss_arena_alloc(arena, 1, 1), first + 64);
	size_t with_big = loss_arena_held(arena);
	assert_true(with_big >= BLOCK + 100000 && with_big < BLOCK + 100000 + 2 * PAGE);
	/* One with room left does. */
	assert_non_null(loss_arena_alloc(arena, 12000, 1));
	unsigned char *second = loss_arena_alloc(arena, 5000, 1);
	assert_int_equal(loss_arena_held(arena), with_big + BLOCK);
	assert_ptr_equal(loss_arena_alloc(arena, 1, 1), second + 5056);
	loss_arena_destroy(arena);
}

/* The block is filled like a slab of the arena's own, charged while the arena lives, and as it was
 * to its owner afterwards. */
static void an_arena_may_begin_in_a_block(void **state)
{
	(void)state;
	static _Alignas(64) unsigned char block[4096 + 64];
	struct loss_budget budget = budget_of((size_t)64 << 10);
	for (int round = 0; round < 2; round++) {
		memset(block, 0xa5, sizeof block);
		struct loss_arena *arena = loss_arena_create_in(&budget, block, 4096);
		assert_non_null(arena);
		assert_int_equal(loss_arena_held(arena), 4096);
		assert_int_equal(held(&budget), 4096);
		unsigned char *first = loss_arena_alloc(arena, 64, 1);
		assert_true(first > block && first < block + 1024);
		while (loss_arena_held(arena) == 4096)
			memset(loss_arena_alloc(arena, 64, 1), 0, 64);
		assert_int_equal(held(&budget), 4096 + BLOCK);
		loss_arena_destroy(arena);
		assert_int_equal(held(&budget), 0);
		for (size_t i = 4096; i < sizeof block; i++)
			assert_int_equal(block[i], 0xa5);
	}
}

static void a_block_is_paid_for(void **state)
{
	(void)state;
	static _Alignas(64) unsigned char block[1024];
	struct loss_budget budget = budget_of(sizeof block - 1);
	assert_null(loss_arena_create_in(&budget, block, sizeof block));
	assert_int_equal(held(&budget), 0);
	budget.limit++;
	struct loss_arena *arena = loss_arena_create_in(&budget, block, sizeof block);
	assert_non_null(arena);
	assert_non_null(loss_arena_alloc(arena, 512, 1));
	assert_null(loss_arena_alloc(arena, 512, 1));
	loss_arena_destroy(arena);
	assert_int_equal(held(&budget), 0);
}

static void all_is_given_back_at_the_end(void **state)
{
	(void)state;
	struct loss_budget budget = budget_of((size_t)64 << 20);
	struct loss_arena *a = create_arena(&budget), *b = create_arena(&budget);
	assert_int_equal(held(&budget), 2 * BLOCK);
	assert_non_null(loss_arena_alloc(a, (size_t)1 << 20, 1));
	assert_non_null(loss_arena_alloc(b, 50000, 1));
	assert_int_equal(held(&budget), loss_arena_held(a) + loss_arena_held(b));
	loss_arena_destroy(a);
	assert_int_equal(held(&budget), loss_arena_held(b));
	loss_arena_destroy(b);
	assert_int_equal(held(&budget), 0);
	loss_budget_trim(&budget);
	loss_arena_destroy(NULL);
}

static void a_large_allocation_can_be_written(void **state)
{
	(void)state;
	struct loss_arena *arena = create_arena(NULL);
	size_t n = (size_t)3 << 20;
	unsigned char *memory = loss_arena_alloc(arena, n, 1);
	memset(memory, 0xa5, n);
	assert_int_equal(memory[0], 0xa5);
	assert_int_equal(memory[n - 1], 0xa5);
	loss_arena_destroy(arena);
}

/* ---------------------------------------------------------------- failures */

static void sizes_that_overflow(void **state)
{
	(void)state;
	struct loss_arena *arena = create_arena(NULL);
	static const size_t sizes[][2] = {
		{SIZE_MAX, 2},         {2, SIZE_MAX},        {SIZE_MAX / 2 + 1, 2},
		{SIZE_MAX, 1},         {SIZE_MAX - 62, 1},   {SIZE_MAX - 63, 1},
		{SIZE_MAX - 127, 1},   {SIZE_MAX - 4000, 1}, {SIZE_MAX - 8191, 1},
		{SIZE_MAX / 8 + 1, 8},
	};
	for (size_t i = 0; i < COUNT(sizes); i++) {
		assert_null(loss_arena_alloc(arena, sizes[i][0], sizes[i][1]));
		expect_failure(arena, LOSS_TOO_LARGE_FOR_BUDGET, "split the batch");
	}
	assert_int_equal(loss_arena_held(arena), BLOCK);
	assert_non_null(loss_arena_alloc(arena, 1, 1));
	loss_arena_destroy(arena);
}

static void more_than_the_whole_budget(void **state)
{
	(void)state;
	struct loss_budget budget = budget_of(100000);
	struct loss_arena *arena = create_arena(&budget);
	assert_null(loss_arena_alloc(arena, 100001, 1));
	expect_failure(arena, LOSS_TOO_LARGE_FOR_BUDGET, "100000 bytes");
	/* what the arena holds already counts */
	assert_null(loss_arena_alloc(arena, 90000, 1));
	expect_failure(arena, LOSS_TOO_LARGE_FOR_BUDGET, "100000 bytes");
	assert_int_equal(held(&budget), BLOCK);
	assert_non_null(loss_arena_alloc(arena, 60000, 1));
	loss_arena_destroy(arena);
	assert_int_equal(held(&budget), 0);
	loss_budget_trim(&budget);
}

static void a_budget_that_others_hold(void **state)
{
	(void)state;
	struct loss_budget budget = budget_of(200000);
	struct loss_arena *a = create_arena(&budget), *b = create_arena(&budget);
	assert_non_null(loss_arena_alloc(a, 120000, 1));
	size_t before = held(&budget);
	assert_null(loss_arena_alloc(b, 120000, 1));
	expect_failure(b, LOSS_TOO_MUCH_MEMORY_IN_FLIGHT, "200000 bytes; try again");
	assert_int_equal(held(&budget), before);
	assert_int_equal(loss_arena_held(b), BLOCK);
	loss_arena_destroy(a);
	assert_non_null(loss_arena_alloc(b, 120000, 1));
	loss_arena_destroy(b);
	assert_int_equal(held(&budget), 0);
	loss_budget_trim(&budget);
}

static void a_budget_can_be_used_to_the_last_byte(void **state)
{
	(void)state;
	struct loss_budget budget = budget_of(3 * BLOCK);
	struct loss_arena *arena = create_arena(&budget);
	assert_non_null(loss_arena_alloc(arena, 2 * BLOCK - 64, 1));
	assert_int_equal(held(&budget), budget.limit);
	assert_null(loss_arena_create(&budget));
	assert_int_equal(held(&budget), budget.limit);
	loss_arena_destroy(arena);
	budget.limit = BLOCK - 1;
	assert_null(loss_arena_create(&budget));
	assert_int_equal(held(&budget), 0);
	loss_budget_trim(&budget);
}

/* More than any machine has, and no budget to say so. */
static void a_system_without_memory(void **state)
{
	(void)state;
	struct loss_arena *arena = create_arena(NULL);
	size_t n = (size_t)1 << 62;
	assert_null(loss_arena_alloc(arena, n, 1));
	expect_failure(arena, LOSS_OUT_OF_MEMORY, "4611686018427387904 more bytes");
	assert_int_equal(loss_arena_held(arena), BLOCK);
	struct loss_buffer *buffer = loss_buffer_create(arena);
	assert_true(loss_buffer_append(buffer, "abc", 3));
	assert_false(loss_buffer_reserve(buffer, n)); /* a first mapping fails */
	expect_failure(arena, LOSS_OUT_OF_MEMORY, "the system has no memory");
	assert_memory_equal(buffer->data, "abc", 3);
	assert_true(loss_buffer_reserve(buffer, MAPPED));
	size_t before = loss_arena_held(arena);
	assert_false(loss_buffer_reserve(buffer, n)); /* a larger mapping fails */
	expect_failure(arena, LOSS_OUT_OF_MEMORY, "the system has no memory");
	assert_memory_equal(buffer->data, "abc", 3);
	assert_int_equal(loss_arena_held(arena), before);
	loss_arena_destroy(arena);
}

/* ---------------------------------------------------------------- what is kept gives way */

#define KEPT ((size_t)4 << 20)
#define ROOMY (4 * KEPT)

/* A budget with KEPT bytes kept. */
static void keep(struct loss_budget *budget)
{
	*budget = budget_of(ROOMY);
	struct loss_arena *arena = create_arena(budget);
	assert_true(loss_buffer_reserve(loss_buffer_create(arena), KEPT));
	loss_arena_destroy(arena);
	assert_int_equal(held(budget), 0);
	assert_int_equal(loss_budget_kept(budget), KEPT);
}

/* Beside what is kept there is room for the rest of the budget. One byte more, and as much of it
 * goes as one huge page has. */
static void what_is_kept_gives_way(void **state)
{
	(void)state;
	for (size_t pages = 0; pages < 2; pages++) {
		struct loss_budget budget;
		keep(&budget);
		struct loss_arena *arena = create_arena(&budget);
		size_t beside = ROOMY - KEPT - held(&budget);
		assert_non_null(loss_arena_alloc(arena, beside - 64 + pages * PAGE, 1));
		assert_int_equal(held(&budget), ROOMY - KEPT + pages * PAGE);
		assert_int_equal(loss_budget_kept(&budget), pages ? KEPT / 2 : KEPT);
		/* Small ones count like that, too. */
		assert_non_null(loss_arena_alloc(arena, BLOCK, 1));
		assert_int_equal(loss_budget_kept(&budget), KEPT / 2);
		loss_arena_destroy(arena);
		assert_int_equal(held(&budget), 0);
		loss_budget_trim(&budget);
		assert_int_equal(atomic_load(&budget.charged), 0);
	}
}

/* The whole budget is there for one request, whatever was kept of the one before. */
static void what_is_kept_takes_nothing_from_the_budget(void **state)
{
	(void)state;
	struct loss_budget budget;
	keep(&budget);
	struct loss_arena *arena = create_arena(&budget);
	assert_non_null(loss_arena_alloc(arena, ROOMY - BLOCK - 64, 1));
	assert_int_equal(held(&budget), ROOMY);
	assert_int_equal(loss_budget_kept(&budget), 0);
	assert_null(loss_arena_create(&budget));
	loss_arena_destroy(arena);
	loss_budget_trim(&budget);
}

/* One that gets more than it asked for pays for what it asked for: the rest stays kept, and gives
 * way. */
static void what_is_kept_is_paid_for_as_it_is_used(void **state)
{
	(void)state;
	struct loss_budget budget;
	keep(&budget);
	struct loss_arena *arena = create_arena(&budget);
	assert_non_null(loss_arena_alloc(arena, KEPT - 3 * PAGE - 64, 1));
	assert_int_equal(loss_budget_kept(&budget), 3 * PAGE);
	assert_int_equal(held(&budget), BLOCK + KEPT - 3 * PAGE);
	assert_int_equal(loss_arena_held(arena), BLOCK + KEPT - 3 * PAGE);
	assert_non_null(loss_arena_alloc(arena, ROOMY - held(&budget) - 64, 1));
	assert_int_equal(loss_budget_kept(&budget), 0);
	assert_int_equal(held(&budget), ROOMY);
	loss_arena_destroy(arena);
	assert_int_equal(held(&budget), 0);
	assert_int_equal(loss_budget_kept(&budget), ROOMY - BLOCK);
	loss_budget_trim(&budget);
}

/* Small and large memory of the same arena each goes its way. */
static void an_arena_gives_back_both_kinds(void **state)
{
	(void)state;
	struct loss_budget budget = budget_of(ROOMY);
	struct loss_arena *arena = create_arena(&budget);
	assert_non_null(loss_arena_alloc(arena, MAPPED - PAGE - 64, 1));
	assert_non_null(loss_arena_alloc(arena, MAPPED - 64, 1));
	assert_int_equal(held(&budget), BLOCK + 2 * MAPPED - PAGE);
	assert_int_equal(budget.lent.n, 1);
	loss_arena_destroy(arena);
	assert_int_equal(held(&budget), 0);
	assert_int_equal(loss_budget_kept(&budget), MAPPED);
	loss_budget_trim(&budget);
	assert_int_equal(atomic_load(&budget.charged), 0);
}

/* ---------------------------------------------------------------- text */

static void text_is_formatted(void **state)
{
	(void)state;
	struct loss_budget budget = budget_of(BLOCK);
	struct loss_arena *arena = create_arena(&budget);
	char *text = loss_arena_printf(arena, "%s is %d", "rank", 3);
	assert_string_equal(text, "rank is 3");
	assert_string_equal(loss_arena_printf(arena, "%s", ""), "");
	assert_null(loss_arena_printf(arena, "%20000d", 1));
	expect_failure(arena, LOSS_TOO_LARGE_FOR_BUDGET, "16384 bytes");
	assert_string_equal(text, "rank is 3");
	loss_arena_destroy(arena);
}

/* All is as at the beginning, and the budget has back what was taken beyond that. */
static void a_reset_arena_is_as_new(void **state)
{
	(void)state;
	static _Alignas(64) unsigned char block[4096];
	struct loss_budget budget = budget_of((size_t)4 << 20);
	for (int in_block = 0; in_block < 2; in_block++) {
		struct loss_arena *arena =
			in_block ? loss_arena_create_in(&budget, block, sizeof block)
				 : create_arena(&budget);
		size_t begun = loss_arena_held(arena), before = held(&budget);
		unsigned char *first = loss_arena_alloc(arena, 1, 1);
		for (int round = 0; round < 3; round++) {
			static const size_t sizes[] = {64, 12000, 100000, 12000, MAPPED};
			for (size_t i = 0; i < COUNT(sizes); i++)
				assert_non_null(loss_arena_alloc(arena, sizes[i], 1));
			for (size_t n = 100; n <= MAPPED; n += MAPPED - 100) {
				struct loss_buffer *buffer = loss_buffer_create(arena);
				assert_true(buffer && loss_buffer_reserve(buffer, n));
			}
			assert_null(loss_arena_alloc(arena, (size_t)8 << 20, 1));
			loss_arena_reset(arena);
			assert_int_equal(loss_arena_held(arena), begun);
			assert_int_equal(held(&budget), before);
			assert_ptr_equal(loss_arena_alloc(arena, 1, 1), first);
			loss_arena_reset(arena);
		}
		loss_arena_destroy(arena);
		assert_int_equal(held(&budget), 0);
	}
	loss_budget_trim(&budget);
}

static void text_is_copied(void **state)
{
	(void)state;
	struct loss_budget budget = budget_of(BLOCK);
	struct loss_arena *arena = create_arena(&budget);
	char source[20001] = "targets";
	char *copy = arena_strdup(arena, source);
	assert_ptr_not_equal(copy, source);
	source[0] = 'T';
	assert_string_equal(copy, "targets");
	memset(source, 'x', sizeof(source) - 1);
	assert_null(arena_strdup(arena, source));
	loss_arena_destroy(arena);
	arena = create_arena(NULL);
	assert_string_equal(arena_strdup(arena, source), source);
	assert_int_equal(strlen(loss_arena_printf(arena, "%s!", source)), 20001);
	loss_arena_destroy(arena);
}

/* ---------------------------------------------------------------- threads */

#define LIMIT ((size_t)100000)
#define TRIES 5000000

struct shared {
	struct loss_budget budget;
	atomic_size_t in_use; /* bytes of arenas that got what they wanted */
	atomic_bool exceeded, starved;
};

static bool use_budget_once(struct shared *shared, size_t n)
{
	struct loss_arena *arena = loss_arena_create(&shared->budget);
	bool fits = arena != NULL && loss_arena_alloc(arena, n, 1) != NULL;
	if (fits) {
		size_t bytes = loss_arena_held(arena);
		if (atomic_fetch_add(&shared->in_use, bytes) + bytes > LIMIT)
			atomic_store(&shared->exceeded, true);
		atomic_fetch_sub(&shared->in_use, bytes);
	}
	loss_arena_destroy(arena);
	return fits;
}

/* Until it was served as often as it wants, for the others give back what they hold: or until it
 * has asked so often that they do not. */
static void *use_budget(void *context)
{
	struct shared *shared = context;
	for (size_t served = 0, tries = 0; served < 500; tries++) {
		if (tries == TRIES || atomic_load(&shared->starved)) {
			atomic_store(&shared->starved, true);
			break;
		}
		if (use_budget_once(shared, 20000 + served))
			served++;
		else
			sched_yield();
	}
	return NULL;
}

static void a_budget_is_shared_between_threads(void **state)
{
	(void)state;
	struct shared shared = {.budget = {.limit = LIMIT}};
	pthread_t threads[4];
	for (size_t i = 0; i < COUNT(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, use_budget, &shared), 0);
	for (size_t i = 0; i < COUNT(threads); i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_false(atomic_load(&shared.starved));
	assert_false(atomic_load(&shared.exceeded));
	assert_int_equal(held(&shared.budget), 0);
}

#define HOLDERS 4
#define ENOUGH 5000       /* times that one came right after another */
#define PATIENCE 50000000 /* rounds, where there is only one processor to be had */

struct crowd {
	struct loss_budget budget;
	pthread_barrier_t start;
	atomic_size_t last, met, refused;
};

struct holder {
	struct crowd *crowd;
	size_t number;
};

/* Charges and gives back, until the holders have truly been at it at the same time. */
static void *hold_and_give_back(void *context)
{
	struct holder *holder = context;
	struct crowd *crowd = holder->crowd;
	struct loss_arena *arena = loss_arena_create(&crowd->budget);
	struct loss_buffer *buffer = loss_buffer_create(arena);
	pthread_barrier_wait(&crowd->start);
	for (size_t i = 0; i < PATIENCE && atomic_load(&crowd->met) < ENOUGH; i++) {
		if (!loss_buffer_reserve(buffer, 1))
			atomic_fetch_add(&crowd->refused, 1);
		loss_buffer_release(buffer);
		if (i % 16 == 0 && atomic_exchange(&crowd->last, holder->number) != holder->number)
			atomic_fetch_add(&crowd->met, 1);
	}
	loss_arena_destroy(arena);
	return NULL;
}

/* What is charged and given back at the same time is counted to the byte. There is room for all of
 * them. */
static void nothing_is_lost_between_threads(void **state)
{
	(void)state;
	static struct crowd crowd;
	crowd.budget = budget_of(HOLDERS * (BLOCK + 64));
	struct holder holders[HOLDERS];
	pthread_t threads[HOLDERS];
	assert_int_equal(pthread_barrier_init(&crowd.start, NULL, HOLDERS), 0);
	for (size_t i = 0; i < HOLDERS; i++) {
		holders[i] = (struct holder){&crowd, i};
		assert_int_equal(pthread_create(&threads[i], NULL, hold_and_give_back, &holders[i]),
				 0);
	}
	for (size_t i = 0; i < HOLDERS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	pthread_barrier_destroy(&crowd.start);
	assert_int_equal(atomic_load(&crowd.refused), 0);
	assert_int_equal(held(&crowd.budget), 0);
	if (atomic_load(&crowd.met) < ENOUGH) {
		print_message("no two threads ran at the same time: nothing is proved\n");
		skip();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(allocations_are_aligned_and_apart),
		cmocka_unit_test(no_bytes_are_not_null),
		cmocka_unit_test(small_allocations_share_a_block),
		cmocka_unit_test(an_arena_may_begin_in_a_block),
		cmocka_unit_test(a_block_is_paid_for),
		cmocka_unit_test(all_is_given_back_at_the_end),
		cmocka_unit_test(a_large_allocation_can_be_written),
		cmocka_unit_test(sizes_that_overflow),
		cmocka_unit_test(more_than_the_whole_budget),
		cmocka_unit_test(a_budget_that_others_hold),
		cmocka_unit_test(a_budget_can_be_used_to_the_last_byte),
		cmocka_unit_test(a_system_without_memory),
		cmocka_unit_test(what_is_kept_gives_way),
		cmocka_unit_test(what_is_kept_takes_nothing_from_the_budget),
		cmocka_unit_test(what_is_kept_is_paid_for_as_it_is_used),
		cmocka_unit_test(an_arena_gives_back_both_kinds),
		cmocka_unit_test(text_is_formatted),
		cmocka_unit_test(a_reset_arena_is_as_new),
		cmocka_unit_test(text_is_copied),
		cmocka_unit_test(a_budget_is_shared_between_threads),
		cmocka_unit_test(nothing_is_lost_between_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
