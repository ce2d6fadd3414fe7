/* What requests use of regions: ranges, pins, what is mapped for them, and threads. */
#include "../support/regions.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void ranges_must_lie_in_the_region(void **state)
{
	static const uint64_t bad[][2] = {
		{0, 101},
		{100, 1},
		{101, 0},
		{1, 100},
		{UINT64_MAX, 1},
		{1, UINT64_MAX},
		{UINT64_MAX, UINT64_MAX},
		{50, 51},
	};
	struct shm_pin pin;
	(void)state;
	regions_must_enter("r", 10, 100);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		regions_refused(regions_use("r", bad[i][0], bad[i][1], &pin),
				LOSS_ARGUMENT_OUT_OF_RANGE, "logits",
				"100 bytes of the region \"r\"");
	regions_refused(regions_use("s", 0, 1, &pin), LOSS_ARGUMENT_OUT_OF_RANGE, "logits",
			"no region named \"s\"");
	regions_must_use("r", 0, 100, &pin);
	shm_unpin(shm, &pin);
	regions_must_use("r", 100, 0, &pin);
	shm_unpin(shm, &pin);
}

/* Ranges of "r", which begins at 10, and of "s" of the same object, which begins at 20. */
static void ranges_overlap_in_the_object(void **state)
{
	static const struct {
		const char *name;
		uint64_t offset, size;
		const char *other;
		uint64_t other_offset, other_size;
		bool overlap;
	} table[] = {
		{"r", 5, 10, "r", 5, 10, true},   {"r", 5, 10, "r", 14, 10, true},
		{"r", 5, 10, "r", 15, 10, false}, {"r", 5, 10, "r", 8, 2, true},
		{"r", 5, 10, "r", 5, 1, true},    {"r", 5, 10, "r", 14, 1, true},
		{"r", 5, 10, "r", 4, 1, false},   {"r", 5, 10, "r", 4, 2, true},
		{"r", 5, 10, "r", 8, 0, false},   {"r", 5, 0, "r", 5, 0, false},
		{"r", 5, 10, "r", 5, 0, false},   {"r", 0, 100, "r", 50, 0, false},
		{"r", 15, 5, "s", 5, 5, true},    {"r", 15, 5, "s", 10, 5, false},
		{"r", 15, 5, "s", 0, 5, false},   {"r", 15, 5, "s", 0, 6, true},
		{"r", 5, 10, "s", 5, 10, false},  {"r", 5, 10, "other", 5, 10, false},
	};
	struct object another;
	(void)state;
	object_create(&another, "another", PAGE);
	regions_must_enter("r", 10, 100);
	regions_must_enter("s", 20, 100);
	assert_int_equal(regions_enter("other", another.key, 10, 100), LOSS_OK);
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct shm_pin one, other;
		regions_must_use(table[i].name, table[i].offset, table[i].size, &one);
		regions_must_use(table[i].other, table[i].other_offset, table[i].other_size,
				 &other);
		if (shm_pins_overlap(&one, &other) != table[i].overlap ||
		    shm_pins_overlap(&other, &one) != table[i].overlap)
			fail_msg("%zu", i);
		shm_unpin(shm, &one);
		shm_unpin(shm, &other);
	}
	object_destroy(&another);
}

/* An object keeps being itself when its key goes to another one, or when it has a second key. */
static void objects_are_not_told_apart_by_their_keys(void **state)
{
	struct shm_pin old, new, linked;
	struct object second;
	char link_key[80], from[128], to[128];
	(void)state;
	regions_must_enter("old", 0, 10);
	snprintf(link_key, sizeof link_key, "/%slinked", object_prefix());
	snprintf(from, sizeof from, "/dev/shm%s", object.key);
	snprintf(to, sizeof to, "/dev/shm%s", link_key);
	if (link(from, to) != 0) {
		print_message("shared memory is in no folder here\n");
		skip();
	}
	assert_int_equal(regions_enter("linked", link_key, 0, 10), LOSS_OK);
	unlink(to);
	object_create(&second, "object", PAGE); /* takes the key */
	assert_string_equal(second.key, object.key);
	regions_must_enter("new", 0, 10);
	regions_must_use("old", 0, 10, &old);
	regions_must_use("new", 0, 10, &new);
	regions_must_use("linked", 0, 10, &linked);
	assert_false(shm_pins_overlap(&old, &new));
	assert_true(shm_pins_overlap(&old, &linked));
	shm_unpin(shm, &old);
	shm_unpin(shm, &new);
	shm_unpin(shm, &linked);
	object_destroy(&second);
}

static void a_pinned_region_outlives_its_name(void **state)
{
	struct shm_pin first, second;
	struct shm_region_info info;
	(void)state;
	memset(object.data, 'x', object.size);
	regions_must_enter("r", 0, object.size);
	regions_must_use("r", 0, 10, &first);
	regions_must_use("r", PAGE, 10, &second);
	assert_true(shm_unregister(shm, "r"));
	assert_false(shm_unregister(shm, "r"));
	assert_false(shm_find(shm, "r", &info));
	regions_refused(regions_use("r", 0, 1, &second), LOSS_ARGUMENT_OUT_OF_RANGE, "logits",
			"no region");
	/* The name is free, and the memory still there. */
	regions_must_enter("r", 5, 1);
	assert_memory_equal(first.data, "xxxxxxxxxx", 10);
	shm_unpin(shm, &first);
	assert_memory_equal(second.data, "xxxxxxxxxx", 10);
	assert_true(shm_pin_intact(&second));
	shm_unpin(shm, &second);
	assert_true(shm_find(shm, "r", &info));
}

/* Until its last pin it counts to the limits. */
static void a_pinned_region_holds_its_place(void **state)
{
	struct shm_pin pin;
	char name[16];
	(void)state;
	regions_must_enter("r", 0, 1);
	regions_must_use("r", 0, 1, &pin);
	shm_unregister_all(shm);
	for (int i = 1; i < MAX_REGIONS; i++) {
		snprintf(name, sizeof name, "r%d", i);
		regions_must_enter(name, 0, 1);
	}
	regions_refused(regions_enter("more", object.key, 0, 1), LOSS_ARGUMENT_OUT_OF_RANGE, "name",
			"shm_max_regions");
	shm_unpin(shm, &pin);
	regions_must_enter("more", 0, 1);
}

/* The object's key may go: what is mapped stays. */
static void a_region_outlives_its_key(void **state)
{
	struct shm_pin pin;
	(void)state;
	object.data[0] = 'k';
	regions_must_enter("r", 0, 1);
	shm_unlink(object.key);
	regions_must_use("r", 0, 1, &pin);
	assert_memory_equal(pin.data, "k", 1);
	shm_unpin(shm, &pin);
}

/* Two mappings at most, one of them only where something is written; none is left behind. */
static void what_is_mapped_is_unmapped(void **state)
{
	struct shm_pin reading, writing, again;
	(void)state;
	assert_int_equal(object_mappings(&object), 1); /* the client's own */
	regions_must_enter("r", 0, PAGE);
	regions_must_use("r", 0, 1, &reading);
	assert_int_equal(object_mappings(&object), 2);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(regions_write("r", 0, 1, &writing), LOSS_OK);
		assert_int_equal(regions_write("r", 1, 1, &again), LOSS_OK);
		assert_int_equal(object_mappings(&object), 3);
		shm_unpin(shm, &writing);
		shm_unpin(shm, &again);
	}
	shm_unpin(shm, &reading);
	assert_int_equal(object_mappings(&object), 3);
	assert_true(shm_unregister(shm, "r"));
	assert_int_equal(object_mappings(&object), 1);
}

/* Of a region that begins after the object's first byte. */
static void what_is_left_of_an_object_can_be_used(void **state)
{
	struct shm_pin pin;
	(void)state;
	regions_must_enter("r", PAGE + 1, PAGE);
	object_resize(&object, 2 * PAGE);
	regions_must_use("r", 0, PAGE - 1, &pin);
	assert_true(shm_pin_intact(&pin));
	regions_refused(regions_use("r", 0, PAGE, &(struct shm_pin){0}), LOSS_ARGUMENT_OUT_OF_RANGE,
			"logits", "has become shorter");
	regions_refused(regions_use("r", PAGE - 1, 1, &(struct shm_pin){0}),
			LOSS_ARGUMENT_OUT_OF_RANGE, "logits", "has become shorter");
	object_resize(&object, 2 * PAGE - 1);
	assert_false(shm_pin_intact(&pin));
	shm_unpin(shm, &pin);
}

/* ---------------------------------------------------------------- threads */

#define ROUNDS 300

/* Registers, uses and unregisters a region of its own, and takes those of others where it meets
 * them. */
static void *work(void *context)
{
	const char *name = context;
	struct loss_error error;
	const struct shm_registration wanted = {name, object.key, 1, PAGE};
	uintptr_t bad = 0;
	for (int i = 0; i < ROUNDS; i++) {
		struct shm_region_info info;
		struct shm_pin pin;
		struct shm_use use_own = {name, 1, 8, i % 2 == 0, "logits"};
		bad += shm_register(shm, &wanted, &error) != LOSS_OK;
		bad += !shm_find(shm, name, &info);
		bad += shm_pin(shm, &use_own, &pin, &error) != LOSS_OK;
		bad += !shm_unregister(shm, name);
		bad += memcmp(pin.data, "yyyyyyyy", 8) != 0 || !shm_pin_intact(&pin);
		shm_unpin(shm, &pin);
		shm_at(shm, 1, &info);
	}
	return (void *)bad;
}

static void threads_do_not_disturb_each_other(void **state)
{
	static char names[3][2] = {"a", "b", "c"};
	pthread_t threads[3];
	void *bad;
	(void)state;
	memset(object.data, 'y', object.size);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, work, names[i]), 0);
	for (size_t i = 0; i < 3; i++) {
		pthread_join(threads[i], &bad);
		assert_null(bad);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, regions_set_up, regions_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ranges_must_lie_in_the_region),
		TEST(ranges_overlap_in_the_object),
		TEST(objects_are_not_told_apart_by_their_keys),
		TEST(a_pinned_region_outlives_its_name),
		TEST(a_pinned_region_holds_its_place),
		TEST(a_region_outlives_its_key),
		TEST(what_is_mapped_is_unmapped),
		TEST(what_is_left_of_an_object_can_be_used),
		TEST(threads_do_not_disturb_each_other),
	};
	return cmocka_run_group_tests_name("shm pins", tests, NULL, NULL);
}
