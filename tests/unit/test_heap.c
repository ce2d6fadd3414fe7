/* The heap against a plain search, over many random changes. */
#include "../../server/heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

#include "../support/random.h"

#define ITEMS 40
#define STEPS 20000

static struct heap_item items[ITEMS];
static bool is_in[ITEMS];
static struct heap_item *places[ITEMS];
static struct heap heap;

static int start(void **state)
{
	(void)state;
	memset(is_in, 0, sizeof is_in);
	heap = (struct heap){places, 0};
	return 0;
}

/* Each item knows its place, none is due before the one above it, and none is lost. */
static void check(void)
{
	size_t n = 0;
	for (size_t i = 0; i < ITEMS; i++) {
		if (!is_in[i])
			continue;
		n++;
		assert_true(items[i].place < heap.n);
		assert_ptr_equal(heap.items[items[i].place], &items[i]);
		assert_true(heap.items[0]->due_ns <= items[i].due_ns);
		if (items[i].place > 0)
			assert_true(heap.items[(items[i].place - 1) / 2]->due_ns <=
				    items[i].due_ns);
	}
	assert_int_equal(heap.n, n);
}

static void the_earliest_is_first_whatever_changes(void **state)
{
	struct random random = random_start(7);
	(void)state;
	for (size_t step = 0; step < STEPS; step++) {
		size_t i = random_below(&random, ITEMS);
		/* few moments, so that many are due together */
		uint64_t due = random_below(&random, 30);
		if (!is_in[i]) {
			items[i] = (struct heap_item){due, ITEMS};
			heap_add(&heap, &items[i]);
			is_in[i] = true;
		} else if (random_below(&random, 2) == 0) {
			heap_remove(&heap, &items[i]);
			is_in[i] = false;
		} else {
			items[i].due_ns = due;
			heap_moved(&heap, &items[i]);
		}
		check();
	}
}

static void they_come_out_in_their_order(void **state)
{
	struct random random = random_start(8);
	uint64_t before = 0;
	(void)state;
	for (size_t i = 0; i < ITEMS; i++) {
		items[i].due_ns = random_below(&random, 1000);
		heap_add(&heap, &items[i]);
	}
	for (size_t n = ITEMS; n > 0; n--) {
		struct heap_item *first = heap.items[0];
		assert_int_equal(heap.n, n);
		assert_true(first->due_ns >= before);
		before = first->due_ns;
		heap_remove(&heap, first);
	}
	assert_int_equal(heap.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_earliest_is_first_whatever_changes, start),
		cmocka_unit_test_setup(they_come_out_in_their_order, start),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
