/* Large memory as pages: what is held and what is kept of it, who gets it, and what goes back. */
#include "mapping.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../support/memory.h"
#include "budget.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define MIB ((size_t)1 << 20)
#define LIMIT (64 * MIB) /* of a budget */

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
	return loss_budget_kept(budget);
}

/* How many pages of a range are memory. */
static size_t n_resident(const unsigned char *pages, size_t n)
{
	static unsigned char resident[64 * MIB / PAGE];
	size_t count = 0;
	assert_true(n / PAGE <= sizeof resident);
	assert_int_equal(mincore((void *)(uintptr_t)pages, n, resident), 0);
	for (size_t i = 0; i < n / PAGE; i++)
		count += resident[i] & 1;
	return count;
}

/* One that is used as far as that, every page of it. */
static struct mapping *create(struct loss_budget *budget, size_t used, size_t size)
{
	struct mapping *mapping = mapping_take(budget, size, size);
	assert_non_null(mapping);
	assert_true(mapping->size >= size);
	assert_int_equal(mapping->used, 0);
	assert_true(mapping_use(budget, mapping, used));
	memset(mapping->pages, 0xa5, used);
	return mapping;
}

/* Which are new, whatever waits: then they wait, in this order. */
static void give_back(struct loss_budget *budget, const size_t *sizes, size_t n,
		      struct mapping **mappings)
{
	for (size_t i = 0; i < n; i++) {
		mappings[i] = mapping_take(budget, sizes[i], 0);
		assert_non_null(mappings[i]);
		assert_true(mapping_use(budget, mappings[i], sizes[i]));
		memset(mappings[i]->pages, 0xa5, sizes[i]);
	}
	for (size_t i = 0; i < n; i++)
		mapping_give(budget, mappings[i]);
}

static struct mapping *give_one_back(struct loss_budget *budget, size_t size)
{
	struct mapping *mapping;
	give_back(budget, &size, 1, &mapping);
	return mapping;
}

static void expect_counts(struct loss_budget *budget, size_t now_held, size_t now_kept)
{
	assert_int_equal(held(budget), now_held);
	assert_int_equal(kept(budget), now_kept);
	assert_int_equal(atomic_load(&budget->charged), now_held + now_kept);
}

static void end(struct loss_budget *budget)
{
	loss_budget_trim(budget);
	expect_counts(budget, 0, 0);
	assert_null(budget->free.first);
	assert_null(budget->free.last);
	assert_null(budget->lent.first);
	assert_null(budget->lent.last);
	assert_int_equal(budget->free.n + budget->lent.n, 0);
}

/* ---------------------------------------------------------------- what is used, what is kept */

static void addresses_cost_nothing(void **state)
{
	(void)state;
	struct loss_budget budget = budget_of(LIMIT);
	struct mapping *mapping = mapping_take(&budget, 40 * MIB, 40 * MIB);
	assert_non_null(mapping);
	assert_int_equal(mapping->size, 40 * MIB);
	expect_counts(&budget, 0, 0);
	assert_int_equal(n_resident(mapping->pages, 40 * MIB), 0);
	assert_true(mapping_use(&budget, mapping, 3 * MIB));
	expect_counts(&budget, 3 * MIB, 0);
	assert_true(mapping_use(&budget, mapping, 3 * MIB + 5));
	expect_counts(&budget, 3 * MIB + 5, 0);
	mapping_give(&budget, mapping);
	expect_counts(&budget, 0, 3 * MIB + 5);
	end(&budget);
	/* What nobody has used does not wait. */
	mapping = mapping_take(&budget, 40 * MIB, 40 * MIB);
	unsigned char *pages = mapping->pages;
	mapping_give(&budget, mapping);
	assert_false(is_mapped(pages));
	end(&budget);
}

static void bytes_go_from_held_to_kept_and_back(void **state)
{
	(void)state;
	struct loss_budget budget = budget_of(LIMIT);
	struct mapping *mapping = give_one_back(&budget, 10 * MIB);
	expect_counts(&budget, 0, 10 * MIB);
	assert_ptr_equal(mapping_take(&budget, 6 * MIB, 10 * MIB), mapping);
	expect_counts(&budget, 0, 10 * MIB);
	assert_true(mapping_use(&budget, mapping, 6 * MIB));
	expect_counts(&budget, 6 * MIB, 4 * MIB);
	assert_int_equal(mapping_surplus(mapping), 4 * MIB);
	/* it is as warm as it was given back */
	assert_int_equal(n_resident(mapping->pages, 10 * MIB), 10 * MIB / PAGE);
	assert_int_equal(mapping->pages[10 * MIB - 1], 0xa5);
	assert_true(mapping_use(&budget, mapping, 10 * MIB));
	expect_counts(&budget, 10 * MIB, 0);
	assert_true(mapping_extend(&budget, mapping, 12 * MIB));
	expect_counts(&budget, 10 * MIB, 0);
	assert_true(mapping_use(&budget, mapping, 11 * MIB));
	expect_counts(&budget, 11 * MIB, 0);
	mapping_give(&budget, mapping);
	expect_counts(&budget, 0, 11 * MIB);
	end(&budget);
}

static void more_than_the_budget_is_not_used(void **state)
{
	(void)state;
	struct loss_budget budget = budget_of(LIMIT);
	struct mapping *mapping = give_one_back(&budget, 10 * MIB);
	assert_ptr_equal(mapping_take(&budget, 10 * MIB, 10 * MIB), mapping);
	assert_true(mapping_use(&budget, mapping, 2 * MIB));
	assert_true(mapping_extend(&budget, mapping, 2 * LIMIT));
	assert_false(mapping_use(&budget, mapping, LIMIT + 1));
	expect_counts(&budget, 2 * MIB, 8 * MIB);
	assert_int_equal(mapping->used, 2 * MIB);
	assert_true(mapping_use(&budget, mapping, LIMIT));
	expect_counts(&budget, LIMIT, 0);
	mapping_give(&budget, mapping);
	/* all of the budget may be kept */
	expect_counts(&budget, 0, LIMIT);
	end(&budget);
}

static void without_a_budget_nothing_waits(void **state)
{
	(void)state;
	struct mapping *mapping = create(NULL, 2 * MIB, 3 * MIB);
	unsigned char *pages = mapping->pages;
	assert_int_equal(mapping->used, 2 * MIB);
	assert_true(is_mapped(pages));
	mapping_give(NULL, mapping);
	assert_false(is_mapped(pages));
}

/* ---------------------------------------------------------------- who gets what */

static void the_best_one_is_taken(void **state)
{
	(void)state;
	static const size_t sizes[] = {8 * MIB, 2 * MIB, 5 * MIB, MIB, 2 * MIB};
	enum { NONE = -1 };
	static const struct {
		size_t size, most;
		int taken;
	} cases[] = {
		{8 * MIB, 16 * MIB, 0},      {8 * MIB, 8 * MIB, 0},
		{8 * MIB + 1, 16 * MIB, 0},  /* which grows */
		{16 * MIB - 1, 32 * MIB, 0}, /* more than half of it is there */
		{16 * MIB, 32 * MIB, NONE},  {7 * MIB, 14 * MIB, 0},
		{5 * MIB + 1, 6 * MIB, 2},                          /* a larger one is too large */
		{5 * MIB, SIZE_MAX, 2},      {3 * MIB, 6 * MIB, 2}, /* the smallest that will do */
		{2 * MIB, 4 * MIB, 4},                              /* the one that came last */
		{MIB + 1, 2 * MIB + 2, 4},   {MIB, 2 * MIB, 3},
		{MIB / 4, MIB / 2, NONE},    {MIB / 4, SIZE_MAX, 3},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct loss_budget budget = budget_of(LIMIT);
		struct mapping *mappings[COUNT(sizes)];
		give_back(&budget, sizes, COUNT(sizes), mappings);
		struct mapping *taken = mapping_take(&budget, cases[i].size, cases[i].most);
		assert_non_null(taken);
		for (int k = 0; k < (int)COUNT(sizes); k++)
			if ((taken == mappings[k]) != (k == cases[i].taken))
				fail_msg("case %zu: it is %s", i,
					 k == cases[i].taken ? "another" : "not new");
		assert_true(taken->size >= cases[i].size);
		expect_counts(&budget, 0, 18 * MIB);
		mapping_give(&budget, taken);
		end(&budget);
	}
}

/* Sizes that are wanted at the same time each find their own again, in whatever order. */
static void a_steady_load_takes_the_same_again(void **state)
{
	(void)state;
	static const size_t sizes[] = {5 * MIB, 5 * MIB + PAGE, 5 * MIB + 2 * PAGE,
				       MIB / 4, 3 * MIB,        3 * MIB + PAGE};
	struct loss_budget budget = budget_of(LIMIT);
	struct mapping *first[COUNT(sizes)], *again[COUNT(sizes)];
	give_back(&budget, sizes, COUNT(sizes), first);
	size_t all = kept(&budget);
	for (size_t round = 0; round < COUNT(sizes); round++) {
		for (size_t k = 0; k < COUNT(sizes); k++) {
			size_t i = (k + round) % COUNT(sizes);
			again[i] = mapping_take(&budget, sizes[i], 2 * sizes[i]);
			assert_ptr_equal(again[i], first[i]);
			assert_true(mapping_use(&budget, again[i], sizes[i]));
		}
		expect_counts(&budget, all, 0);
		for (size_t k = 0; k < COUNT(sizes); k++)
			mapping_give(&budget, again[k]);
	}
	end(&budget);
}

static void there_is_an_end_to_what_waits(void **state)
{
	(void)state;
	enum { MOST = 64, MORE = 3 };
	const size_t size = MIB / 4;
	struct loss_budget budget = budget_of(LIMIT);
	struct mapping *mappings[MOST + MORE];
	unsigned char *pages[MOST + MORE];
	for (size_t i = 0; i < COUNT(pages); i++) {
		mappings[i] = create(&budget, size, size);
		pages[i] = mappings[i]->pages;
	}
	for (size_t i = 0; i < COUNT(pages); i++)
		mapping_give(&budget, mappings[i]);
	expect_counts(&budget, 0, MOST * size);
	assert_int_equal(budget.free.n, MOST);
	for (size_t i = 0; i < COUNT(pages); i++)
		assert_int_equal(is_mapped(pages[i]), i >= MORE);
	end(&budget);
}

static void budgets_keep_for_themselves(void **state)
{
	(void)state;
	struct loss_budget budget = budget_of(LIMIT), other = budget_of(LIMIT);
	struct mapping *mapping = give_one_back(&budget, 2 * MIB);
	struct mapping *of_other = create(&other, 2 * MIB, 2 * MIB);
	struct mapping *of_none = create(NULL, 2 * MIB, 2 * MIB);
	assert_ptr_not_equal(of_other, mapping);
	assert_ptr_not_equal(of_none, mapping);
	loss_budget_trim(&other);
	assert_true(is_mapped(mapping->pages));
	expect_counts(&budget, 0, 2 * MIB);
	mapping_give(&other, of_other);
	mapping_give(NULL, of_none);
	end(&other);
	end(&budget);
}

/* ---------------------------------------------------------------- what is kept gives way */

/* The longest kept first, and no more than it takes. */
static void what_is_kept_gives_way(void **state)
{
	(void)state;
	static const size_t sizes[] = {20 * MIB, 20 * MIB, 20 * MIB};
	struct loss_budget budget = budget_of(LIMIT);
	struct mapping *mappings[3];
	give_back(&budget, sizes, 3, mappings);
	assert_true(loss_budget_take(&budget, 4 * MIB));
	expect_counts(&budget, 4 * MIB, 60 * MIB); /* to the last byte */
	assert_true(loss_budget_take(&budget, 1));
	expect_counts(&budget, 4 * MIB + 1, 58 * MIB); /* by huge pages */
	assert_int_equal(mappings[0]->resident, 18 * MIB);
	assert_int_equal(n_resident(mappings[0]->pages, 20 * MIB), 18 * MIB / PAGE);
	unsigned char *pages = mappings[0]->pages;
	assert_true(loss_budget_take(&budget, 25 * MIB));
	assert_false(is_mapped(pages));
	assert_int_equal(mappings[1]->resident, 14 * MIB);
	expect_counts(&budget, 29 * MIB + 1, 34 * MIB);
	/* What would not do does not give way. */
	assert_false(loss_budget_take(&budget, 35 * MIB));
	expect_counts(&budget, 29 * MIB + 1, 34 * MIB);
	assert_true(loss_budget_take(&budget, 35 * MIB - 1));
	expect_counts(&budget, LIMIT, 0);
	assert_false(loss_budget_take(&budget, 1));
	loss_budget_give(&budget, LIMIT);
	end(&budget);
}

/* Also of what is in use, after what waits; what is used of it stays as it is. */
static void what_is_in_use_gives_way_beyond_that(void **state)
{
	(void)state;
	struct loss_budget budget = budget_of(LIMIT);
	struct mapping *lent = give_one_back(&budget, 40 * MIB);
	assert_ptr_equal(mapping_take(&budget, 20 * MIB, SIZE_MAX), lent);
	assert_true(mapping_use(&budget, lent, 3 * MIB + 100));
	struct mapping *free = mapping_take(&budget, 10 * MIB, 0);
	assert_true(mapping_use(&budget, free, 10 * MIB));
	mapping_give(&budget, free);
	unsigned char *of_free = free->pages, *of_lent = lent->pages;
	expect_counts(&budget, 3 * MIB + 100, 47 * MIB - 100);
	assert_true(loss_budget_take(&budget, 24 * MIB));
	assert_false(is_mapped(of_free));
	expect_counts(&budget, 27 * MIB + 100, 37 * MIB - 100);
	assert_true(loss_budget_take(&budget, LIMIT - 27 * MIB - 100));
	expect_counts(&budget, LIMIT, 0);
	assert_ptr_equal(lent->pages, of_lent);
	assert_int_equal(lent->resident, lent->used);
	for (size_t i = 0; i < lent->used; i++)
		if (lent->pages[i] != 0xa5)
			fail_msg("byte %zu is lost", i);
	assert_true(n_resident(lent->pages, 40 * MIB) <= 4 * MIB / PAGE);
	/* It has to be paid for again. */
	assert_false(mapping_use(&budget, lent, 3 * MIB + 101));
	loss_budget_give(&budget, MIB);
	assert_true(mapping_use(&budget, lent, 4 * MIB + 100));
	assert_false(mapping_use(&budget, lent, 4 * MIB + 101));
	loss_budget_give(&budget, LIMIT - 3 * MIB - 100 - MIB);
	mapping_give(&budget, lent);
	expect_counts(&budget, 0, 4 * MIB + 100);
	end(&budget);
}

static void what_is_not_wanted_ages(void **state)
{
	(void)state;
	static const size_t sizes[] = {2 * MIB, 6 * MIB};
	struct loss_budget budget = budget_of(LIMIT);
	struct mapping *mappings[2];
	loss_budget_age(&budget);
	give_back(&budget, sizes, 2, mappings);
	loss_budget_age(&budget);
	expect_counts(&budget, 0, 8 * MIB);
	/* one of them is taken in time, though it is given back at once */
	assert_ptr_equal(mapping_take(&budget, 2 * MIB, 2 * MIB), mappings[0]);
	mapping_give(&budget, mappings[0]);
	loss_budget_age(&budget);
	expect_counts(&budget, 0, 2 * MIB);
	loss_budget_age(&budget);
	end(&budget);
	/* Of what is in use that ages which nobody uses. */
	mappings[0] = give_one_back(&budget, 6 * MIB);
	assert_ptr_equal(mapping_take(&budget, 6 * MIB, 6 * MIB), mappings[0]);
	assert_true(mapping_use(&budget, mappings[0], MIB));
	loss_budget_age(&budget);
	assert_true(mapping_use(&budget, mappings[0], 2 * MIB));
	loss_budget_age(&budget);
	expect_counts(&budget, 2 * MIB, 4 * MIB);
	loss_budget_age(&budget);
	expect_counts(&budget, 2 * MIB, 0);
	mapping_give(&budget, mappings[0]);
	end(&budget);
}

/* ---------------------------------------------------------------- the system */

static void more_than_there_is(void **state)
{
	(void)state;
	struct loss_budget budget = budget_of(SIZE_MAX);
	static const size_t sizes[] = {(size_t)1 << 62, SIZE_MAX - PAGE, SIZE_MAX};
	struct mapping *mapping = create(NULL, PAGE, PAGE), *kept_one;
	mapping->pages[0] = 7;
	for (size_t i = 0; i < COUNT(sizes); i++) {
		assert_null(mapping_take(&budget, sizes[i], sizes[i]));
		assert_false(mapping_extend(NULL, mapping, sizes[i]));
		assert_int_equal(mapping->pages[0], 7);
	}
	mapping_give(NULL, mapping);
	/* One that waits, and can not grow, waits on. */
	kept_one = give_one_back(&budget, 2 * MIB);
	kept_one->resident = (size_t)1 << 61;
	assert_null(mapping_take(&budget, ((size_t)1 << 62) - 1, SIZE_MAX));
	assert_ptr_equal(budget.free.first, kept_one);
	kept_one->resident = 2 * MIB;
	end(&budget);
}

static void pages_grow_with_what_is_in_them(void **state)
{
	(void)state;
	static const size_t sizes[][2] = {{MIB, 3 * MIB}, {MIB, 9 * MIB}, {5 * MIB, 33 * MIB}};
	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct mapping *mapping = create(NULL, sizes[i][0], sizes[i][0]);
		/* Nothing can grow where it is. */
		struct mapping *others[8];
		for (size_t k = 0; k < COUNT(others); k++)
			others[k] = create(NULL, PAGE, sizes[i][0]);
		for (size_t k = 0; k < sizes[i][0]; k++)
			mapping->pages[k] = (unsigned char)(k * 31 + k / 251);
		assert_true(mapping_extend(NULL, mapping, sizes[i][1]));
		assert_true(mapping->size >= sizes[i][1]);
		for (size_t k = 0; k < sizes[i][0]; k++)
			if (mapping->pages[k] != (unsigned char)(k * 31 + k / 251))
				fail_msg("byte %zu is lost", k);
		for (size_t k = sizes[i][0]; k < sizes[i][1]; k++)
			if (mapping->pages[k] != 0)
				fail_msg("byte %zu is not new", k);
		memset(mapping->pages, 1, mapping->size);
		unsigned char *pages = mapping->pages;
		mapping_give(NULL, mapping);
		assert_false(is_mapped(pages));
		for (size_t k = 0; k < COUNT(others); k++)
			mapping_give(NULL, others[k]);
	}
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

/* From 4 MiB on, new or grown to that, and from a multiple of 2 MiB on. */
static void large_mappings_ask_for_huge_pages(void **state)
{
	(void)state;
	static const struct {
		size_t size, grown;
		bool large;
	} cases[] = {{4 * MIB - 16 * PAGE, 0, false}, {4 * MIB, 0, true}, {MIB, 5 * MIB, true}};
	if (access("/sys/kernel/mm/transparent_hugepage/enabled", F_OK) != 0) {
		print_message("this system has no transparent huge pages\n");
		skip();
	}
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct mapping *mapping = create(NULL, PAGE, cases[i].size);
		if (cases[i].grown)
			assert_true(mapping_extend(NULL, mapping, cases[i].grown));
		else if (cases[i].large)
			assert_int_equal((uintptr_t)mapping->pages % HUGE_PAGE, 0);
		int asks = asks_for_huge_pages(mapping->pages);
		mapping_give(NULL, mapping);
		if (asks < 0) {
			print_message("/proc/self/smaps does not say what was asked for\n");
			skip();
		}
		assert_int_equal(asks, cases[i].large);
	}
}

/* Used as far as that, no more of it is memory: the rest of a huge page is not paid for. It stays
 * one range, which can be moved. */
static void the_rest_of_a_huge_page_is_no_memory(void **state)
{
	(void)state;
	static const size_t used[] = {
		PAGE,         HUGE_PAGE - PAGE, HUGE_PAGE, HUGE_PAGE + PAGE, 3 * HUGE_PAGE - PAGE,
		8 * HUGE_PAGE};
	struct loss_budget budget = {.limit = LIMIT};
	for (size_t i = 0; i < COUNT(used); i++) {
		struct mapping *mapping = create(&budget, used[i], 8 * HUGE_PAGE);
		assert_int_equal(n_resident(mapping->pages, mapping->size), used[i] / PAGE);
		assert_true(mapping_extend(&budget, mapping, 16 * HUGE_PAGE));
		assert_int_equal(n_resident(mapping->pages, mapping->size), used[i] / PAGE);
		mapping_give(&budget, mapping);
		loss_budget_trim(&budget);
	}
}

/* ---------------------------------------------------------------- threads */

#define THREADS 4
#define ROUNDS 5000

struct worker {
	struct loss_budget *budget;
	pthread_barrier_t *start;
	unsigned char mark;
	size_t strange; /* bytes that somebody else wrote */
	size_t refused;
};

static void use_once(struct worker *worker, size_t size)
{
	struct mapping *mapping = mapping_take(worker->budget, size, SIZE_MAX);
	if (!mapping_use(worker->budget, mapping, size / 2) ||
	    !mapping_use(worker->budget, mapping, size)) {
		worker->refused++;
	} else {
		volatile unsigned char *pages = mapping->pages;
		pages[100] = pages[size - 1] = worker->mark;
		sched_yield();
		worker->strange += pages[100] != worker->mark;
		worker->strange += pages[size - 1] != worker->mark;
	}
	mapping_give(worker->budget, mapping);
}

/* What it has taken nobody else has, though all of them want more than there is, so that much is
 * stripped of what others use. */
static void *take_and_give_back(void *context)
{
	struct worker *worker = context;
	pthread_barrier_wait(worker->start);
	for (size_t i = 0; i < ROUNDS; i++)
		use_once(worker, (1 + (i + worker->mark) % 7) * MIB);
	return NULL;
}

static void a_mapping_is_one_threads_alone(void **state)
{
	(void)state;
	struct loss_budget budget = budget_of(12 * MIB);
	struct worker workers[THREADS];
	pthread_t threads[THREADS];
	pthread_barrier_t start;
	assert_int_equal(pthread_barrier_init(&start, NULL, THREADS), 0);
	for (size_t i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){&budget, &start, (unsigned char)(1 + i), 0, 0};
		assert_int_equal(pthread_create(&threads[i], NULL, take_and_give_back, &workers[i]),
				 0);
	}
	for (size_t i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(workers[i].strange, 0);
		assert_true(workers[i].refused < ROUNDS);
	}
	pthread_barrier_destroy(&start);
	/* What is said to be kept is what is there. */
	size_t bytes = 0;
	for (struct mapping *mapping = budget.free.first; mapping; mapping = mapping->next)
		bytes += mapping->resident;
	expect_counts(&budget, 0, bytes);
	assert_true(bytes > 0);
	end(&budget);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_cost_nothing),
		cmocka_unit_test(bytes_go_from_held_to_kept_and_back),
		cmocka_unit_test(more_than_the_budget_is_not_used),
		cmocka_unit_test(without_a_budget_nothing_waits),
		cmocka_unit_test(the_best_one_is_taken),
		cmocka_unit_test(a_steady_load_takes_the_same_again),
		cmocka_unit_test(there_is_an_end_to_what_waits),
		cmocka_unit_test(budgets_keep_for_themselves),
		cmocka_unit_test(what_is_kept_gives_way),
		cmocka_unit_test(what_is_in_use_gives_way_beyond_that),
		cmocka_unit_test(what_is_not_wanted_ages),
		cmocka_unit_test(more_than_there_is),
		cmocka_unit_test(pages_grow_with_what_is_in_them),
		cmocka_unit_test(large_mappings_ask_for_huge_pages),
		cmocka_unit_test(the_rest_of_a_huge_page_is_no_memory),
		cmocka_unit_test(a_mapping_is_one_threads_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
