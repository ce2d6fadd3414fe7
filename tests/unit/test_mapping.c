/* Large memory as pages: what is kept for the next taker, who gets it, and what goes back. */
#include "mapping.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../support/memory.h"
#include "budget.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define MIB ((size_t)1 << 20)
#define LIMIT (64 * MIB) /* of a budget, a quarter of which may be kept */

/* Whether there are pages at an address: what went back to the system has none. */
static bool is_mapped(void *pages)
{
	unsigned char resident;
	int status = mincore(pages, PAGE, &resident);
	assert_true(status == 0 || errno == ENOMEM);
	return status == 0;
}

static size_t kept(struct loss_budget *budget)
{
	return atomic_load(&budget->kept_bytes);
}

/* Pages of exactly that size, since nothing that is kept would do. */
static unsigned char *create(struct loss_budget *budget, size_t size)
{
	size_t got = size;
	unsigned char *pages = mapping_create(budget, &got);
	assert_non_null(pages);
	assert_int_equal(got, size);
	return pages;
}

/* Pages of that size that were given back. */
static unsigned char *give_back(struct loss_budget *budget, size_t size)
{
	unsigned char *pages = create(NULL, size);
	mapping_destroy(budget, pages, size);
	return pages;
}

/* ---------------------------------------------------------------- what is kept */

/* From 1 MiB on, up to a quarter of the budget. */
static void what_is_not_kept_goes_back(void **state)
{
	(void)state;
	static const struct {
		size_t size;
		bool kept;
	} cases[] = {
		{PAGE, false},
		{MIB - PAGE, false},
		{MIB, true},
		{MIB + PAGE, true},
		{LIMIT / 4 - PAGE, true},
		{LIMIT / 4, true},
		{LIMIT / 4 + PAGE, false},
		{2 * LIMIT, false},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct loss_budget budget = budget_of(LIMIT);
		unsigned char *pages = give_back(&budget, cases[i].size);
		assert_int_equal(is_mapped(pages), cases[i].kept);
		assert_int_equal(kept(&budget), cases[i].kept ? cases[i].size : 0);
		loss_budget_trim(&budget);
		assert_false(is_mapped(pages));
		assert_int_equal(kept(&budget), 0);
	}
	unsigned char *pages = give_back(NULL, 2 * MIB);
	assert_false(is_mapped(pages));
}

/* All of them together. */
static void what_is_kept_is_a_quarter_at_most(void **state)
{
	(void)state;
	struct loss_budget budget = budget_of(LIMIT);
	unsigned char *first = give_back(&budget, LIMIT / 8);
	unsigned char *second = give_back(&budget, LIMIT / 8);
	assert_true(is_mapped(first));
	assert_true(is_mapped(second));
	assert_int_equal(kept(&budget), LIMIT / 4);
	/* the longest kept one goes */
	unsigned char *third = give_back(&budget, MIB);
	assert_false(is_mapped(first));
	assert_true(is_mapped(second));
	assert_true(is_mapped(third));
	assert_int_equal(kept(&budget), LIMIT / 8 + MIB);
	/* as many as must, and no more */
	unsigned char *fourth = give_back(&budget, LIMIT / 4 - MIB);
	assert_false(is_mapped(second));
	assert_true(is_mapped(third));
	assert_int_equal(kept(&budget), LIMIT / 4);
	unsigned char *all = give_back(&budget, LIMIT / 4);
	assert_false(is_mapped(third));
	assert_false(is_mapped(fourth));
	assert_int_equal(kept(&budget), LIMIT / 4);
	/* nothing goes for what is too large in any case */
	assert_false(is_mapped(give_back(&budget, LIMIT / 4 + PAGE)));
	assert_true(is_mapped(all));
	loss_budget_trim(&budget);
	assert_false(is_mapped(all));
	assert_int_equal(kept(&budget), 0);
}

/* Sizes that nobody wants again do not keep the places from those that somebody does. */
static void what_is_wanted_again_is_there(void **state)
{
	(void)state;
	struct loss_budget budget = budget_of(64 * LIMIT);
	for (size_t i = 0; i < KEPT_MAPPINGS; i++)
		give_back(&budget, (32 + i) * MIB);
	unsigned char *pages = give_back(&budget, 2 * MIB);
	for (int i = 0; i < 3; i++) {
		assert_true(is_mapped(pages));
		assert_ptr_equal(create(&budget, 2 * MIB), pages);
		mapping_destroy(&budget, pages, 2 * MIB);
	}
	loss_budget_trim(&budget);
	assert_int_equal(kept(&budget), 0);
}

static void what_has_no_place_goes_back(void **state)
{
	(void)state;
	/* After the last place there is room that looks like one. */
	struct {
		struct loss_budget budget;
		_Atomic(void *) none;
	} with_room = {budget_of(LIMIT), NULL};
	struct loss_budget *budget = &with_room.budget;
	unsigned char *places[KEPT_MAPPINGS], *taken[KEPT_MAPPINGS];
	for (size_t i = 0; i < KEPT_MAPPINGS; i++)
		places[i] = give_back(budget, MIB);
	assert_int_equal(kept(budget), KEPT_MAPPINGS * MIB);
	unsigned char *more = give_back(budget, MIB);
	assert_true(is_mapped(more));
	assert_false(is_mapped(places[0]));
	places[0] = more;
	assert_null(atomic_load(&with_room.none));
	assert_int_equal(kept(budget), KEPT_MAPPINGS * MIB);
	/* Each of those that have one is taken once. */
	for (size_t i = 0; i < KEPT_MAPPINGS; i++) {
		size_t found = 0;
		taken[i] = create(budget, MIB);
		assert_int_equal(kept(budget), (KEPT_MAPPINGS - 1 - i) * MIB);
		for (size_t k = 0; k < KEPT_MAPPINGS; k++)
			found += taken[i] == places[k];
		for (size_t k = 0; k < i; k++)
			assert_ptr_not_equal(taken[i], taken[k]);
		assert_int_equal(found, 1);
	}
	/* There is one left to take where one is given back. */
	mapping_destroy(budget, taken[3], MIB);
	assert_int_equal(kept(budget), MIB);
	assert_ptr_equal(create(budget, MIB), taken[3]);
	for (size_t i = 0; i < KEPT_MAPPINGS; i++)
		mapping_destroy(NULL, taken[i], MIB);
}

static void what_lies_behind_the_places_is_left_alone(void **state)
{
	(void)state;
	struct {
		struct loss_budget budget;
		_Atomic(void *) other;
	} with_other = {budget_of(LIMIT), NULL};
	unsigned char *other = create(NULL, MIB);
	const size_t size = MIB;
	memcpy(other, &size, sizeof size); /* as if it were kept */
	atomic_store(&with_other.other, other);
	unsigned char *pages = create(&with_other.budget, MIB);
	assert_ptr_not_equal(pages, other);
	loss_budget_trim(&with_other.budget);
	assert_ptr_equal(atomic_load(&with_other.other), other);
	assert_true(is_mapped(other));
	assert_int_equal(kept(&with_other.budget), 0);
	mapping_destroy(NULL, pages, MIB);
	mapping_destroy(NULL, other, MIB);
}

/* ---------------------------------------------------------------- who gets it */

/* At least what is wanted, at most twice that. */
static void a_taker_gets_what_is_not_much_too_large(void **state)
{
	(void)state;
	static const struct {
		size_t kept, wanted;
		bool fits;
	} cases[] = {
		{8 * MIB, 8 * MIB, true},
		{8 * MIB, 8 * MIB + PAGE, false},
		{8 * MIB, 8 * MIB - PAGE, true},
		{8 * MIB, 4 * MIB, true},
		{8 * MIB, 4 * MIB - PAGE, false},
		{8 * MIB, 2 * MIB, false},
		{MIB, MIB, true},
		{MIB, MIB - PAGE, false},
		{MIB, 2 * MIB, false},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct loss_budget budget = budget_of(LIMIT);
		unsigned char *pages = give_back(&budget, cases[i].kept);
		size_t got = cases[i].wanted;
		unsigned char *taken = mapping_create(&budget, &got);
		assert_int_equal(taken == pages, cases[i].fits);
		assert_int_equal(got, cases[i].fits ? cases[i].kept : cases[i].wanted);
		assert_int_equal(kept(&budget), cases[i].fits ? 0 : cases[i].kept);
		/* all of it can be written */
		memset(taken, 0xa5, got);
		/* and what was not taken waits for another one */
		if (!cases[i].fits)
			assert_ptr_equal(create(&budget, cases[i].kept), pages);
		assert_int_equal(kept(&budget), 0);
		mapping_destroy(NULL, taken, got);
		if (!cases[i].fits)
			mapping_destroy(NULL, pages, cases[i].kept);
	}
}

/* Whatever stands before it, that stays where it can be taken. */
static void the_one_that_fits_is_found(void **state)
{
	(void)state;
	static const size_t sizes[] = {MIB, 8 * MIB, 3 * MIB};
	struct loss_budget budget = budget_of(LIMIT);
	unsigned char *pages[COUNT(sizes)];
	for (size_t i = 0; i < COUNT(sizes); i++)
		pages[i] = give_back(&budget, sizes[i]);
	assert_int_equal(kept(&budget), 12 * MIB);
	for (size_t i = COUNT(sizes); i-- > 0;) {
		assert_ptr_equal(create(&budget, sizes[i]), pages[i]);
		memset(pages[i], 0, sizes[i]);
	}
	assert_int_equal(kept(&budget), 0);
	for (size_t i = 0; i < COUNT(sizes); i++)
		mapping_destroy(NULL, pages[i], sizes[i]);
}

/* Nothing is taken from another budget, and without one nothing at all. */
static void budgets_keep_for_themselves(void **state)
{
	(void)state;
	struct loss_budget budget = budget_of(LIMIT), other = budget_of(LIMIT);
	unsigned char *pages = give_back(&budget, 2 * MIB);
	unsigned char *of_other = create(&other, 2 * MIB), *of_none = create(NULL, 2 * MIB);
	assert_ptr_not_equal(of_other, pages);
	assert_ptr_not_equal(of_none, pages);
	assert_int_equal(kept(&budget), 2 * MIB);
	loss_budget_trim(&other);
	assert_true(is_mapped(pages));
	mapping_destroy(NULL, of_other, 2 * MIB);
	mapping_destroy(NULL, of_none, 2 * MIB);
	loss_budget_trim(&budget);
	loss_budget_trim(&budget); /* again is fine */
	assert_int_equal(kept(&budget), 0);
}

/* ---------------------------------------------------------------- the system */

static void more_than_there_is(void **state)
{
	(void)state;
	struct loss_budget budget = budget_of(SIZE_MAX);
	size_t size = (size_t)1 << 62;
	assert_null(mapping_create(&budget, &size));
	assert_int_equal(size, (size_t)1 << 62);
	unsigned char *pages = create(NULL, PAGE);
	pages[0] = 7;
	assert_null(mapping_grow(pages, PAGE, size));
	assert_int_equal(pages[0], 7);
	mapping_destroy(NULL, pages, PAGE);
}

static void pages_grow_with_what_is_in_them(void **state)
{
	(void)state;
	unsigned char *pages = create(NULL, MIB);
	for (size_t i = 0; i < MIB; i++)
		pages[i] = (unsigned char)(i * 31 + i / 251);
	pages = mapping_grow(pages, MIB, 3 * MIB);
	assert_non_null(pages);
	for (size_t i = 0; i < MIB; i++)
		if (pages[i] != (unsigned char)(i * 31 + i / 251))
			fail_msg("byte %zu is lost", i);
	for (size_t i = MIB; i < 3 * MIB; i++)
		assert_int_equal(pages[i], 0);
	memset(pages, 1, 3 * MIB);
	mapping_destroy(NULL, pages, 3 * MIB);
	assert_false(is_mapped(pages));
}

/* Whether huge pages were asked for where these are; -1: the system does not say. */
static int asks_for_huge_pages(const void *pages)
{
	char line[512];
	unsigned long begin, end;
	bool here = false;
	int asks = -1;
	FILE *maps = fopen("/proc/self/smaps", "r");
	while (maps && fgets(line, sizeof line, maps))
		if (sscanf(line, "%lx-%lx ", &begin, &end) == 2)
			here = (uintptr_t)pages >= begin && (uintptr_t)pages < end;
		else if (here && strncmp(line, "VmFlags:", 8) == 0)
			asks = strstr(line, " hg") != NULL;
	if (maps)
		fclose(maps);
	return asks;
}

static void large_mappings_ask_for_huge_pages(void **state)
{
	(void)state;
	static const size_t sizes[] = {4 * MIB - PAGE, 4 * MIB};
	if (access("/sys/kernel/mm/transparent_hugepage/enabled", F_OK) != 0) {
		print_message("this system has no transparent huge pages\n");
		skip();
	}
	for (size_t i = 0; i < COUNT(sizes); i++) {
		unsigned char *pages = create(NULL, sizes[i]);
		int asks = asks_for_huge_pages(pages);
		mapping_destroy(NULL, pages, sizes[i]);
		if (asks < 0) {
			print_message("/proc/self/smaps does not say what was asked for\n");
			skip();
		}
		assert_int_equal(asks, i);
	}
}

/* ---------------------------------------------------------------- threads */

#define THREADS 4
#define ROUNDS 50000

struct worker {
	struct loss_budget *budget;
	pthread_barrier_t *start;
	unsigned char mark;
	size_t strange; /* bytes that somebody else wrote */
};

/* What it has taken nobody else has. */
static void *take_and_give_back(void *context)
{
	struct worker *worker = context;
	pthread_barrier_wait(worker->start);
	for (size_t i = 0; i < ROUNDS; i++) {
		size_t size = MIB;
		void *taken = mapping_create(worker->budget, &size);
		volatile unsigned char *pages = taken;
		pages[100] = pages[size - 1] = worker->mark;
		worker->strange += pages[100] != worker->mark;
		worker->strange += pages[size - 1] != worker->mark;
		mapping_destroy(worker->budget, taken, size);
	}
	return NULL;
}

static void a_mapping_is_one_threads_alone(void **state)
{
	(void)state;
	struct loss_budget budget = budget_of(LIMIT);
	struct worker workers[THREADS];
	pthread_t threads[THREADS];
	pthread_barrier_t start;
	size_t bytes = 0;
	assert_int_equal(pthread_barrier_init(&start, NULL, THREADS), 0);
	for (size_t i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){&budget, &start, (unsigned char)(1 + i), 0};
		assert_int_equal(pthread_create(&threads[i], NULL, take_and_give_back, &workers[i]),
				 0);
	}
	for (size_t i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(workers[i].strange, 0);
	}
	pthread_barrier_destroy(&start);
	/* What is said to be kept is what is there. */
	for (size_t i = 0; i < KEPT_MAPPINGS; i++)
		bytes += atomic_load(&budget.kept[i]) ? MIB : 0;
	assert_int_equal(kept(&budget), bytes);
	assert_true(bytes > 0);
	loss_budget_trim(&budget);
	assert_int_equal(kept(&budget), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_kept_goes_back),
		cmocka_unit_test(what_is_kept_is_a_quarter_at_most),
		cmocka_unit_test(what_is_wanted_again_is_there),
		cmocka_unit_test(what_has_no_place_goes_back),
		cmocka_unit_test(what_lies_behind_the_places_is_left_alone),
		cmocka_unit_test(a_taker_gets_what_is_not_much_too_large),
		cmocka_unit_test(the_one_that_fits_is_found),
		cmocka_unit_test(budgets_keep_for_themselves),
		cmocka_unit_test(more_than_there_is),
		cmocka_unit_test(pages_grow_with_what_is_in_them),
		cmocka_unit_test(large_mappings_ask_for_huge_pages),
		cmocka_unit_test(a_mapping_is_one_threads_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
