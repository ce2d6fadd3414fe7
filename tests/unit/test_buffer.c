/* Growable arrays of bytes: how they grow, what they keep, what they cost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../support/memory.h"
#include "budget.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static unsigned char pattern(size_t i)
{
	return (unsigned char)(i * 31 + i / 251);
}

static void fill(struct loss_buffer *buffer, size_t until)
{
	unsigned char piece[777];
	while (buffer->size < until) {
		size_t n =
			until - buffer->size < sizeof(piece) ? until - buffer->size : sizeof(piece);
		for (size_t i = 0; i < n; i++)
			piece[i] = pattern(buffer->size + i);
		assert_true(loss_buffer_append(buffer, piece, n));
	}
}

static void expect_pattern(const struct loss_buffer *buffer, size_t n)
{
	assert_int_equal(buffer->size, n);
	assert_true(buffer->capacity >= n);
	for (size_t i = 0; i < n; i++)
		if (buffer->data[i] != pattern(i))
			fail_msg("byte %zu of %zu is lost", i, n);
}

/* What is charged for it, beside the arena. */
static size_t charged(const struct loss_buffer *buffer)
{
	return buffer_is_lodged(buffer) ? 0 : buffer->capacity;
}

static void contents_survive_every_growth(void **state)
{
	(void)state;
	static const size_t sizes[] = {1,          64,     65,         5000,       PAGE * 4 + 1,
				       MAPPED - 1, MAPPED, MAPPED + 1, 3 * MAPPED, (size_t)5 << 20};
	struct loss_budget budget = budget_of((size_t)64 << 20);
	struct loss_arena *arena = create_arena(&budget);
	struct loss_buffer *buffer = loss_buffer_create(arena);
	for (size_t i = 0; i < COUNT(sizes); i++) {
		fill(buffer, sizes[i]);
		expect_pattern(buffer, sizes[i]);
		assert_int_equal(buffer_is_mapped(buffer), buffer->capacity >= MAPPED);
		assert_int_equal(held(&budget), BLOCK + charged(buffer));
	}
	loss_arena_destroy(arena);
	assert_int_equal(held(&budget), 0);
	loss_budget_trim(&budget);
}

static void small_buffers_double(void **state)
{
	(void)state;
	struct loss_arena *arena = create_arena(NULL);
	struct loss_buffer *buffer = loss_buffer_create(arena);
	assert_true(loss_buffer_reserve(buffer, 1));
	assert_int_equal(buffer->capacity, 64);
	for (size_t capacity = 128; capacity <= MAPPED; capacity *= 2) {
		fill(buffer, buffer->capacity);
		assert_true(loss_buffer_reserve(buffer, 1));
		assert_int_equal(buffer->capacity, capacity);
	}
	assert_true(buffer_is_mapped(buffer));
	expect_pattern(buffer, MAPPED / 2);
	loss_arena_destroy(arena);
}

static void mapped_buffers_grow_by_an_eighth(void **state)
{
	(void)state;
	struct loss_arena *arena = create_arena(NULL);
	struct loss_buffer *buffer = loss_buffer_create(arena);
	assert_true(loss_buffer_reserve(buffer, MAPPED));
	assert_int_equal(buffer->capacity, MAPPED);
	for (int i = 0; i < 20; i++) {
		size_t before = buffer->capacity;
		fill(buffer, before);
		assert_true(loss_buffer_reserve(buffer, 1));
		size_t grown = (before + before / 8 + PAGE - 1) / PAGE * PAGE;
		assert_int_equal(buffer->capacity, grown);
		expect_pattern(buffer, before);
	}
	/* More than an eighth where more is asked for, and no more than that. */
	size_t wanted = 3 * buffer->capacity;
	assert_true(loss_buffer_reserve(buffer, wanted - buffer->size));
	assert_int_equal(buffer->capacity, wanted);
	loss_arena_destroy(arena);
}

static void room_that_is_there_costs_nothing(void **state)
{
	(void)state;
	struct loss_arena *arena = create_arena(NULL);
	struct loss_buffer *buffer = loss_buffer_create(arena);
	assert_true(loss_buffer_reserve(buffer, 0));
	assert_true(loss_buffer_append(buffer, NULL, 0));
	assert_int_equal(buffer->capacity, 0);
	assert_null(buffer->data);
	assert_true(loss_buffer_reserve(buffer, 64));
	const unsigned char *data = buffer->data;
	for (size_t n = 0; n <= 64; n++)
		assert_true(loss_buffer_reserve(buffer, n));
	fill(buffer, 64);
	assert_ptr_equal(buffer->data, data);
	assert_int_equal(buffer->capacity, 64);
	loss_arena_destroy(arena);
}

static void growth_that_overflows(void **state)
{
	(void)state;
	struct loss_arena *arena = create_arena(NULL);
	struct loss_buffer *buffer = loss_buffer_create(arena);
	assert_false(loss_buffer_reserve(buffer, SIZE_MAX));
	expect_failure(arena, LOSS_TOO_LARGE_FOR_BUDGET, "split the batch");
	fill(buffer, 10);
	assert_false(loss_buffer_reserve(buffer, SIZE_MAX - 5));
	expect_failure(arena, LOSS_TOO_LARGE_FOR_BUDGET, "split the batch");
	/* whole pages that fit a size_t, but not together with what the arena holds */
	assert_false(loss_buffer_reserve(buffer, SIZE_MAX - PAGE - 10));
	expect_failure(arena, LOSS_TOO_LARGE_FOR_BUDGET, "split the batch");
	expect_pattern(buffer, 10);
	loss_arena_destroy(arena);
}

static void growth_beyond_the_budget(void **state)
{
	(void)state;
	struct loss_budget budget = budget_of(MAPPED);
	struct loss_arena *arena = create_arena(&budget);
	struct loss_buffer *buffer = loss_buffer_create(arena);
	fill(buffer, 100000);
	size_t before = held(&budget), capacity = buffer->capacity;
	char more[1] = {0};
	assert_false(loss_buffer_reserve(buffer, 2 * MAPPED));
	expect_failure(arena, LOSS_TOO_LARGE_FOR_BUDGET, "262144 bytes");
	/* Twice the capacity does not fit the budget, but what is needed does. */
	fill(buffer, capacity);
	assert_true(loss_buffer_append(buffer, more, 1));
	assert_true(buffer->capacity > capacity && buffer->capacity < 2 * capacity);
	buffer->size = capacity;
	expect_pattern(buffer, capacity);
	/* And where another request holds the rest, nothing changes. */
	before = held(&budget);
	capacity = buffer->capacity;
	struct loss_arena *other = create_arena(&budget);
	while (loss_arena_alloc(other, 1, 64))
		;
	assert_false(loss_buffer_reserve(buffer, capacity));
	assert_int_equal(buffer->capacity, capacity);
	loss_arena_destroy(other);
	assert_int_equal(held(&budget), before);
	loss_arena_destroy(arena);
	assert_int_equal(held(&budget), 0);
	loss_budget_trim(&budget);
}

static void a_budget_too_full_for_a_buffer(void **state)
{
	(void)state;
	struct loss_budget budget = budget_of(BLOCK);
	struct loss_arena *arena = create_arena(&budget);
	while (loss_arena_alloc(arena, 1, 64))
		;
	assert_null(loss_buffer_create(arena));
	expect_failure(arena, LOSS_TOO_LARGE_FOR_BUDGET, "16384 bytes");
	loss_arena_destroy(arena);
}

static void released_memory_goes_back(void **state)
{
	(void)state;
	static const size_t sizes[] = {5000, MAPPED + 5};
	struct loss_budget budget = budget_of((size_t)1 << 24);
	struct loss_arena *arena = create_arena(&budget);
	struct loss_buffer *buffer = loss_buffer_create(arena);
	for (size_t i = 0; i < COUNT(sizes); i++) {
		fill(buffer, sizes[i]);
		assert_true(held(&budget) >= BLOCK + sizes[i]);
		loss_buffer_release(buffer);
		assert_int_equal(held(&budget), BLOCK);
		assert_int_equal(loss_arena_held(arena), BLOCK);
		assert_int_equal(buffer->size, 0);
		assert_int_equal(buffer->capacity, 0);
		assert_false(buffer_is_mapped(buffer));
		loss_buffer_release(buffer); /* once more changes nothing */
		assert_int_equal(held(&budget), BLOCK);
	}
	fill(buffer, 200);
	expect_pattern(buffer, 200);
	loss_arena_destroy(arena);
	assert_int_equal(held(&budget), 0);
	loss_budget_trim(&budget);
}

/* A first reservation of at most LODGED bytes costs nothing beside the arena, as long as half of
 * what is left of its slab has room; what moves out takes its bytes along. */
#define LODGED ((size_t)4096)

static void small_buffers_lodge_with_their_arena(void **state)
{
	(void)state;
	static const size_t sizes[] = {1, LODGED - 1, LODGED, LODGED + 1, 4 * LODGED};
	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct loss_budget budget = budget_of((size_t)1 << 20);
		struct loss_arena *arena = create_arena(&budget);
		struct loss_buffer *buffer = loss_buffer_create(arena);
		assert_true(loss_buffer_reserve(buffer, sizes[i]));
		fill(buffer, sizes[i]);
		assert_int_equal(buffer_is_lodged(buffer), sizes[i] <= LODGED);
		assert_int_equal(held(&budget), BLOCK + charged(buffer));
		fill(buffer, buffer->capacity + 1);
		assert_false(buffer_is_lodged(buffer));
		expect_pattern(buffer, buffer->size);
		assert_int_equal(held(&budget), BLOCK + buffer->capacity);
		loss_buffer_release(buffer);
		assert_int_equal(held(&budget), BLOCK);
		loss_arena_destroy(arena);
		assert_int_equal(held(&budget), 0);
	}
}

static void lodgers_leave_half_of_what_is_left(void **state)
{
	(void)state;
	struct loss_budget budget = budget_of((size_t)1 << 20);
	struct loss_arena *arena = create_arena(&budget);
	struct loss_buffer *buffer;
	size_t lodged = 0;
	do {
		buffer = loss_buffer_create(arena);
		assert_true(loss_buffer_reserve(buffer, 1024));
	} while (buffer_is_lodged(buffer) && ++lodged < 16);
	assert_true(lodged >= 4 && lodged < 16);
	assert_int_equal(held(&budget), BLOCK + 1024);
	loss_arena_release_buffers(arena);
	loss_arena_destroy(arena);
	assert_int_equal(held(&budget), 0);
}

static void buffers_end_with_their_arena(void **state)
{
	(void)state;
	struct loss_budget budget = budget_of((size_t)1 << 24);
	struct loss_arena *arena = create_arena(&budget);
	struct loss_buffer *buffers[4];
	for (size_t i = 0; i < COUNT(buffers); i++) {
		buffers[i] = loss_buffer_create(arena);
		fill(buffers[i], i * 150000);
	}
	for (size_t i = 0; i < COUNT(buffers); i++)
		expect_pattern(buffers[i], i * 150000);
	loss_arena_destroy(arena); /* the address sanitizer sees what is left */
	assert_int_equal(held(&budget), 0);
	loss_budget_trim(&budget);
}

/* ---------------------------------------------------------------- warm memory */

#define MIB ((size_t)1 << 20)

/* A buffer takes what an earlier one gave back, and pays for what it uses. */
static void kept_memory_is_taken_again(void **state)
{
	(void)state;
	struct loss_budget budget = budget_of(64 * MIB);
	struct loss_arena *arena = create_arena(&budget);
	struct loss_buffer *buffer = loss_buffer_create(arena);
	assert_true(loss_buffer_reserve(buffer, 6 * MIB));
	const unsigned char *pages = buffer->data;
	loss_buffer_release(buffer);
	assert_int_equal(loss_budget_kept(&budget), 6 * MIB);
	/* smaller, larger, and one that grows */
	assert_true(loss_buffer_reserve(buffer, 5 * MIB));
	assert_ptr_equal(buffer->data, pages);
	assert_int_equal(buffer->capacity, 5 * MIB);
	assert_int_equal(held(&budget), BLOCK + 5 * MIB);
	assert_int_equal(loss_budget_kept(&budget), MIB);
	loss_buffer_release(buffer);
	fill(buffer, 6 * MIB);
	assert_ptr_equal(buffer->data, pages);
	expect_pattern(buffer, 6 * MIB);
	assert_int_equal(held(&budget), BLOCK + charged(buffer));
	loss_buffer_release(buffer);
	assert_int_equal(budget.free.n, 1);
	assert_true(loss_buffer_reserve(buffer, 9 * MIB));
	assert_int_equal(buffer->capacity, 9 * MIB);
	assert_int_equal(budget.free.n, 0);
	assert_int_equal(loss_budget_kept(&budget), 0);
	loss_arena_destroy(arena);
	assert_int_equal(held(&budget), 0);
	assert_int_equal(loss_budget_kept(&budget), 9 * MIB);
	loss_budget_trim(&budget);
}

/* ---------------------------------------------------------------- what is expected */

static void what_is_expected_costs_nothing(void **state)
{
	(void)state;
	struct loss_budget budget = budget_of(64 * MIB);
	struct loss_arena *arena = create_arena(&budget);
	struct loss_buffer *buffer = loss_buffer_create(arena);
	loss_buffer_expect(buffer, 32 * MIB);
	assert_int_equal(held(&budget), BLOCK);
	assert_null(buffer->data);
	fill(buffer, MAPPED / 2);
	assert_false(buffer_is_mapped(buffer));
	assert_int_equal(held(&budget), BLOCK + charged(buffer));
	assert_true(buffer->capacity < 2 * MAPPED);
	loss_arena_destroy(arena);
	assert_int_equal(held(&budget) + loss_budget_kept(&budget), 0);
}

/* As many bytes as were expected, from below to above where mappings begin: all of them are in one
 * place from there on, nothing is charged for more than came, and in the end for no more at all. */
static void what_is_expected_comes(void **state)
{
	(void)state;
	static const size_t sizes[] = {1,           100,     5000,       MAPPED - PAGE,
				       MAPPED - 1,  MAPPED,  MAPPED + 1, 2 * MAPPED,
				       3 * MIB + 5, 4 * MIB, 9 * MIB + 1};
	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct loss_budget budget = budget_of(64 * MIB);
		struct loss_arena *arena = create_arena(&budget);
		struct loss_buffer *buffer = loss_buffer_create(arena);
		const unsigned char *data = NULL;
		loss_buffer_expect(buffer, sizes[i]);
		for (size_t n = 1; n < sizes[i]; n += 1 + n / 3) {
			fill(buffer, n);
			if (buffer_is_mapped(buffer) && data)
				assert_ptr_equal(buffer->data, data);
			data = buffer_is_mapped(buffer) ? buffer->data : NULL;
			assert_int_equal(held(&budget), BLOCK + charged(buffer));
			assert_true(buffer->capacity <= 2 * n + 64 ||
				    buffer->capacity <= n + n / 8 + 2 * MIB);
		}
		fill(buffer, sizes[i]);
		expect_pattern(buffer, sizes[i]);
		assert_int_equal(buffer_is_mapped(buffer), buffer->capacity >= MAPPED);
		assert_true(buffer->capacity < sizes[i] + PAGE);
		if (data)
			assert_ptr_equal(buffer->data, data);
		loss_arena_destroy(arena);
		assert_int_equal(held(&budget), 0);
		loss_budget_trim(&budget);
	}
}

static void more_or_fewer_come_than_were_expected(void **state)
{
	(void)state;
	static const size_t sizes[][2] = {
		{100, 5000},
		{100, 2 * MIB},
		{MAPPED, 3 * MAPPED},
		{5 * MIB, 7 * MIB},
		{20 * MIB, 3 * MIB},
		{20 * MIB, 100000},
		{SIZE_MAX, MIB},
		{0, MIB},
		{5 * MIB, 5 * MIB + 1},
	};
	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct loss_budget budget = budget_of(64 * MIB);
		struct loss_arena *arena = create_arena(&budget);
		struct loss_buffer *buffer = loss_buffer_create(arena);
		loss_buffer_expect(buffer, sizes[i][0]);
		fill(buffer, sizes[i][1]);
		expect_pattern(buffer, sizes[i][1]);
		assert_int_equal(held(&budget), BLOCK + charged(buffer));
		loss_arena_destroy(arena);
		assert_int_equal(held(&budget), 0);
		loss_budget_trim(&budget);
		assert_int_equal(atomic_load(&budget.charged), 0);
	}
}

/* Of a warm mapping that is much too small half would be new. */
static void what_is_expected_finds_warm_memory(void **state)
{
	(void)state;
	static const struct {
		size_t kept, expected, taken; /* `taken`: of what is kept */
	} cases[] = {
		{8 * MIB, 8 * MIB, 8 * MIB}, {8 * MIB, 5 * MIB, 8 * MIB},
		{8 * MIB, 9 * MIB, 8 * MIB}, {8 * MIB, 3 * MIB, 0},
		{8 * MIB, 16 * MIB, 0},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct loss_budget budget = budget_of(64 * MIB);
		struct loss_arena *arena = create_arena(&budget);
		struct loss_buffer *buffer = loss_buffer_create(arena);
		fill(buffer, cases[i].kept);
		size_t all = buffer->capacity;
		loss_buffer_release(buffer);
		assert_int_equal(loss_budget_kept(&budget), all);
		loss_buffer_expect(buffer, cases[i].expected);
		fill(buffer, MAPPED);
		const unsigned char *data = buffer->data;
		assert_int_equal(budget.free.n, cases[i].taken ? 0 : 1);
		assert_int_equal(held(&budget), BLOCK + charged(buffer));
		fill(buffer, cases[i].expected);
		assert_ptr_equal(buffer->data, data);
		expect_pattern(buffer, cases[i].expected);
		loss_arena_destroy(arena);
		loss_budget_trim(&budget);
		assert_int_equal(atomic_load(&budget.charged), 0);
	}
}

/* To the last byte of the budget, whatever is kept, and not one more. */
static void what_is_expected_and_does_not_fit(void **state)
{
	(void)state;
	struct loss_budget budget = budget_of(16 * MIB);
	struct loss_arena *arena = create_arena(&budget);
	struct loss_buffer *buffer = loss_buffer_create(arena);
	fill(buffer, 12 * MIB);
	loss_buffer_release(buffer);
	loss_buffer_expect(buffer, 100 * MIB);
	fill(buffer, 16 * MIB - BLOCK);
	assert_int_equal(held(&budget), 16 * MIB);
	assert_int_equal(loss_budget_kept(&budget), 0);
	assert_false(loss_buffer_append(buffer, "x", 1));
	expect_failure(arena, LOSS_TOO_LARGE_FOR_BUDGET, "16777216 bytes");
	expect_pattern(buffer, 16 * MIB - BLOCK);
	loss_buffer_release(buffer);
	/* Others hold the rest. */
	assert_true(loss_budget_take(&budget, 13 * MIB));
	fill(buffer, 3 * MIB - BLOCK);
	assert_false(loss_buffer_append(buffer, "x", 1));
	expect_failure(arena, LOSS_TOO_MUCH_MEMORY_IN_FLIGHT, "try again");
	expect_pattern(buffer, 3 * MIB - BLOCK);
	loss_budget_give(&budget, 13 * MIB);
	loss_arena_destroy(arena);
	loss_budget_trim(&budget);
	assert_int_equal(atomic_load(&budget.charged), 0);
}

/* Addresses that the system does not have are done without. */
static void more_is_expected_than_there_are_addresses(void **state)
{
	(void)state;
	struct loss_arena *arena = create_arena(NULL);
	struct loss_buffer *buffer = loss_buffer_create(arena);
	loss_buffer_expect(buffer, (size_t)1 << 62);
	fill(buffer, 3 * MIB);
	expect_pattern(buffer, 3 * MIB);
	loss_arena_destroy(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(contents_survive_every_growth),
		cmocka_unit_test(small_buffers_double),
		cmocka_unit_test(mapped_buffers_grow_by_an_eighth),
		cmocka_unit_test(room_that_is_there_costs_nothing),
		cmocka_unit_test(growth_that_overflows),
		cmocka_unit_test(growth_beyond_the_budget),
		cmocka_unit_test(a_budget_too_full_for_a_buffer),
		cmocka_unit_test(released_memory_goes_back),
		cmocka_unit_test(small_buffers_lodge_with_their_arena),
		cmocka_unit_test(lodgers_leave_half_of_what_is_left),
		cmocka_unit_test(buffers_end_with_their_arena),
		cmocka_unit_test(kept_memory_is_taken_again),
		cmocka_unit_test(what_is_expected_costs_nothing),
		cmocka_unit_test(what_is_expected_comes),
		cmocka_unit_test(more_or_fewer_come_than_were_expected),
		cmocka_unit_test(what_is_expected_finds_warm_memory),
		cmocka_unit_test(what_is_expected_and_does_not_fit),
		cmocka_unit_test(more_is_expected_than_there_are_addresses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
