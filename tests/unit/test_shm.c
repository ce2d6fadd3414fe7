/* Regions of shared memory: registering them, their limits, ranges, and the ends of all of it. */
#include "shm.h"

#include "../support/object.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE ((size_t)4096)
#define MAX_REGIONS 4
#define MAX_BYTES ((uint64_t)64 * 4096)

static struct loss_arena *arena;
static struct shm *shm;
static struct object object; /* four pages */
static struct loss_error err;

static int start(const char *owners)
{
	const struct shm_settings settings = {object_prefix(), owners, MAX_REGIONS, MAX_BYTES};
	shm = shm_create(&settings, arena);
	return shm ? 0 : -1;
}

static int set_up(void **state)
{
	(void)state;
	arena = loss_arena_create(NULL);
	object_create(&object, "object", 4 * PAGE);
	memset(&err, 0, sizeof err);
	return start("self");
}

static int tear_down(void **state)
{
	(void)state;
	shm_destroy(shm);
	object_destroy(&object);
	loss_arena_destroy(arena);
	return 0;
}

static loss_status enter(const char *name, const char *key, uint64_t offset, uint64_t byte_size)
{
	const struct shm_registration wanted = {name, key, offset, byte_size};
	return shm_register(shm, &wanted, &err);
}

static void must_enter(const char *name, uint64_t offset, uint64_t byte_size)
{
	if (enter(name, object.key, offset, byte_size) != LOSS_OK)
		fail_msg("%s", err.detail);
}

/* Refused with that status, in that field, and with these words. */
static void assert_refused(loss_status got, loss_status status, const char *field,
			   const char *words)
{
	assert_int_equal(got, status);
	assert_int_equal(err.status, status);
	assert_string_equal(err.field, field);
	if (!strstr(err.detail, words))
		fail_msg("\"%s\" is not in: %s", words, err.detail);
}

static loss_status use(const char *name, uint64_t offset, uint64_t size, struct shm_pin *pin)
{
	const struct shm_use wanted = {name, offset, size, false, "logits"};
	return shm_pin(shm, &wanted, pin, &err);
}

static void must_use(const char *name, uint64_t offset, uint64_t size, struct shm_pin *pin)
{
	if (use(name, offset, size, pin) != LOSS_OK)
		fail_msg("%s", err.detail);
}

/* ---------------------------------------------------------------- reading and writing */

static void a_region_shows_the_objects_bytes(void **state)
{
	struct shm_pin pin;
	(void)state;
	for (size_t i = 0; i < object.size; i++)
		object.data[i] = (unsigned char)(i * 7 + i / 256);
	must_enter("r", 0, object.size);
	must_use("r", 0, object.size, &pin);
	assert_int_equal(pin.size, object.size);
	assert_memory_equal(pin.data, object.data, object.size);
	/* No copy: what the client writes now is seen. */
	object.data[5] ^= 0xff;
	assert_memory_equal(pin.data, object.data, object.size);
	assert_true(shm_pin_intact(&pin));
	shm_unpin(shm, &pin);
}

static void offsets_need_no_alignment(void **state)
{
	static const uint64_t offsets[] = {1, 7, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE + 13};
	struct shm_pin pin;
	(void)state;
	for (size_t i = 0; i < object.size; i++)
		object.data[i] = (unsigned char)(i * 13 + i / 200);
	for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
		uint64_t size = object.size - offsets[i];
		must_enter("r", offsets[i], size);
		must_use("r", 3, size - 3, &pin);
		assert_memory_equal(pin.data, object.data + offsets[i] + 3, size - 3);
		shm_unpin(shm, &pin);
		assert_true(shm_unregister(shm, "r"));
	}
}

static void outputs_are_written_where_that_was_asked_for(void **state)
{
	const struct shm_use wanted = {"r", 2, 3, true, "grad"};
	struct shm_pin pin;
	(void)state;
	must_enter("r", PAGE + 5, PAGE);
	assert_int_equal(shm_pin(shm, &wanted, &pin, &err), LOSS_OK);
	memcpy(pin.data, "abc", 3);
	assert_memory_equal(object.data + PAGE + 5, "\0\0abc\0", 6);
	shm_unpin(shm, &pin);
}

/* The superuser may write to anything, so it plays somebody else. */
static void an_object_that_may_only_be_read_takes_no_outputs(void **state)
{
	const struct shm_use wanted = {"r", 0, 1, true, "grad"};
	struct shm_pin pin;
	char owner[16];
	uid_t user = geteuid();
	(void)state;
	snprintf(owner, sizeof owner, "%u", (unsigned)user);
	shm_destroy(shm);
	assert_int_equal(fchmod(object.fd, 0444), 0);
	if (user == 0)
		assert_int_equal(seteuid(12345), 0);
	int made = start(owner);
	loss_status entered = made == 0 ? enter("r", object.key, 0, PAGE) : LOSS_INTERNAL_ERROR;
	assert_int_equal(seteuid(user), 0);
	assert_int_equal(entered, LOSS_OK);
	must_use("r", 0, 1, &pin);
	shm_unpin(shm, &pin);
	assert_refused(shm_pin(shm, &wanted, &pin, &err), LOSS_ARGUMENT_OUT_OF_RANGE, "grad",
		       "only read");
}

/* ---------------------------------------------------------------- what is refused */

static void only_allowed_keys_are_taken(void **state)
{
	char other[80];
	(void)state;
	assert_refused(enter("r", "/etc/passwd", 0, 1), LOSS_ARGUMENT_OUT_OF_RANGE, "key",
		       "\"/etc/passwd\"");
	assert_refused(enter("r", "/lossd_other", 0, 1), LOSS_ARGUMENT_OUT_OF_RANGE, "key",
		       "shm_key_prefix");
	assert_null(strstr(err.detail, object_prefix()));
	snprintf(other, sizeof other, "%snothing", object_prefix());
	assert_refused(enter("r", other, 0, 1), LOSS_ARGUMENT_OUT_OF_RANGE, "key", other);
	assert_refused(enter("", object.key, 0, 1), LOSS_ARGUMENT_OUT_OF_RANGE, "name", "name");
	/* With and without the slash it is the same object. */
	assert_int_equal(enter("r", object.key + 1, 0, 1), LOSS_OK);
}

/* Also: nothing waits for the other end of a pipe. */
static void only_plain_objects_are_taken(void **state)
{
	char key[80], path[128], target[128];
	(void)state;
	snprintf(key, sizeof key, "/%sother", object_prefix());
	snprintf(path, sizeof path, "/dev/shm%s", key);
	snprintf(target, sizeof target, "/dev/shm%s", object.key);
	unlink(path);
	if (mkfifo(path, 0600) != 0) {
		print_message("shared memory is in no folder here\n");
		skip();
	}
	assert_refused(enter("r", key, 0, 1), LOSS_ARGUMENT_OUT_OF_RANGE, "key", "must exist");
	char fifo[512];
	strcpy(fifo, err.detail);
	unlink(path);
	assert_int_equal(symlink(target, path), 0);
	assert_refused(enter("r", key, 0, 1), LOSS_ARGUMENT_OUT_OF_RANGE, "key", "must exist");
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_refused(enter("r", key, 0, 1), LOSS_ARGUMENT_OUT_OF_RANGE, "key", "must exist");
	rmdir(path);
	/* There is nothing at all now, and nobody can tell the difference. */
	assert_refused(enter("r", key, 0, 1), LOSS_ARGUMENT_OUT_OF_RANGE, "key", fifo);
}

static void only_allowed_owners_are_taken(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		print_message("only the superuser can give an object away\n");
		skip();
	}
	assert_int_equal(fchown(object.fd, 12345, (gid_t)-1), 0);
	assert_refused(enter("r", object.key, 0, 1), LOSS_ARGUMENT_OUT_OF_RANGE, "key",
		       "shm_owners");
	shm_destroy(shm);
	assert_int_equal(start("1,12345"), 0);
	must_enter("r", 0, 1);
}

static void ranges_must_lie_in_the_object(void **state)
{
	static const uint64_t ranges[][2] = {
		{0, 4 * PAGE + 1},
		{4 * PAGE, 1},
		{1, 4 * PAGE},
		{UINT64_MAX, 1},
		{1, UINT64_MAX},
		{UINT64_MAX, UINT64_MAX},
		{INT64_MAX, 1},
		{1, INT64_MAX},
		{(uint64_t)1 << 63, (uint64_t)1 << 63},
		{0, 0},
		{4096, 0},
		{UINT64_MAX - 4095, 4096 + PAGE},
	};
	(void)state;
	for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
		assert_refused(enter("r", object.key, ranges[i][0], ranges[i][1]),
			       LOSS_ARGUMENT_OUT_OF_RANGE, "byte_size", "byte_size");
	must_enter("r", 4 * PAGE - 1, 1);
}

static void a_name_is_taken_once(void **state)
{
	(void)state;
	must_enter("r", 0, 1);
	assert_refused(enter("r", object.key, 0, 1), LOSS_DUPLICATE_FIELD, "name", "\"r\"");
	must_enter("R", 0, 1);
	assert_true(shm_unregister(shm, "r"));
	must_enter("r", 0, 2);
}

static void the_limits_count_regions_and_bytes(void **state)
{
	struct object large;
	char name[16];
	(void)state;
	for (int i = 0; i < MAX_REGIONS; i++) {
		snprintf(name, sizeof name, "r%d", i);
		must_enter(name, 0, PAGE);
	}
	assert_refused(enter("more", object.key, 0, 1), LOSS_ARGUMENT_OUT_OF_RANGE, "name",
		       "shm_max_regions) of 4");
	shm_unregister_all(shm);

	object_create(&large, "large", MAX_BYTES + 1);
	assert_refused(enter("r", large.key, 0, MAX_BYTES + 1), LOSS_ARGUMENT_OUT_OF_RANGE,
		       "byte_size", "shm_max_bytes");
	assert_int_equal(enter("a", large.key, 0, MAX_BYTES - 10), LOSS_OK);
	assert_refused(enter("b", large.key, 0, 11), LOSS_ARGUMENT_OUT_OF_RANGE, "byte_size",
		       "shm_max_bytes");
	assert_int_equal(enter("b", large.key, 0, 10), LOSS_OK);
	assert_refused(enter("c", large.key, 0, 1), LOSS_ARGUMENT_OUT_OF_RANGE, "byte_size",
		       "shm_max_bytes");
	assert_true(shm_unregister(shm, "a"));
	assert_int_equal(enter("c", large.key, 0, MAX_BYTES - 10), LOSS_OK);
	object_destroy(&large);
}

/* A refusal leaves nothing behind. */
static void what_was_refused_holds_nothing(void **state)
{
	(void)state;
	int before = open("/dev/null", O_RDONLY);
	for (int i = 0; i < 100; i++) {
		enter("r", object.key, 1, object.size);
		enter("r", "/nothing", 0, 1);
	}
	int after = open("/dev/null", O_RDONLY);
	assert_int_equal(after, before + 1);
	close(before);
	close(after);
	must_enter("r", 0, PAGE);
	for (int i = 0; i < 100; i++)
		enter("r", object.key, 0, PAGE);
	assert_true(shm_unregister(shm, "r"));
	assert_false(shm_unregister(shm, "r"));
}

/* ---------------------------------------------------------------- what there is */

static void regions_are_listed_in_their_order(void **state)
{
	struct shm_region_info info;
	(void)state;
	assert_false(shm_at(shm, 0, &info));
	must_enter("b", 1, 10);
	must_enter("a", 2, 20);
	must_enter("c", 3, 30);
	assert_true(shm_unregister(shm, "a"));
	must_enter("a", 4, 40);
	static const struct {
		const char *name;
		uint64_t offset;
	} order[] = {{"b", 1}, {"c", 3}, {"a", 4}};
	for (size_t i = 0; i < 3; i++) {
		assert_true(shm_at(shm, i, &info));
		assert_string_equal(info.name, order[i].name);
		assert_string_equal(info.key, object.key);
		assert_int_equal(info.offset, order[i].offset);
		assert_int_equal(info.byte_size, order[i].offset * 10);
	}
	assert_false(shm_at(shm, 3, &info));
	assert_true(shm_find(shm, "c", &info));
	assert_int_equal(info.byte_size, 30);
	assert_false(shm_find(shm, "d", &info));
}

/* ---------------------------------------------------------------- pins */

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
	must_enter("r", 10, 100);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_refused(use("r", bad[i][0], bad[i][1], &pin), LOSS_ARGUMENT_OUT_OF_RANGE,
			       "logits", "100 bytes of the region \"r\"");
	assert_refused(use("s", 0, 1, &pin), LOSS_ARGUMENT_OUT_OF_RANGE, "logits",
		       "no region named \"s\"");
	must_use("r", 0, 100, &pin);
	shm_unpin(shm, &pin);
	must_use("r", 100, 0, &pin);
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
	must_enter("r", 10, 100);
	must_enter("s", 20, 100);
	assert_int_equal(enter("other", another.key, 10, 100), LOSS_OK);
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct shm_pin one, other;
		must_use(table[i].name, table[i].offset, table[i].size, &one);
		must_use(table[i].other, table[i].other_offset, table[i].other_size, &other);
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
	must_enter("old", 0, 10);
	snprintf(link_key, sizeof link_key, "/%slinked", object_prefix());
	snprintf(from, sizeof from, "/dev/shm%s", object.key);
	snprintf(to, sizeof to, "/dev/shm%s", link_key);
	if (link(from, to) != 0) {
		print_message("shared memory is in no folder here\n");
		skip();
	}
	assert_int_equal(enter("linked", link_key, 0, 10), LOSS_OK);
	unlink(to);
	object_create(&second, "object", PAGE); /* takes the key */
	assert_string_equal(second.key, object.key);
	must_enter("new", 0, 10);
	must_use("old", 0, 10, &old);
	must_use("new", 0, 10, &new);
	must_use("linked", 0, 10, &linked);
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
	must_enter("r", 0, object.size);
	must_use("r", 0, 10, &first);
	must_use("r", PAGE, 10, &second);
	assert_true(shm_unregister(shm, "r"));
	assert_false(shm_unregister(shm, "r"));
	assert_false(shm_find(shm, "r", &info));
	assert_refused(use("r", 0, 1, &second), LOSS_ARGUMENT_OUT_OF_RANGE, "logits", "no region");
	/* The name is free, and the memory still there. */
	must_enter("r", 5, 1);
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
	must_enter("r", 0, 1);
	must_use("r", 0, 1, &pin);
	shm_unregister_all(shm);
	for (int i = 1; i < MAX_REGIONS; i++) {
		snprintf(name, sizeof name, "r%d", i);
		must_enter(name, 0, 1);
	}
	assert_refused(enter("more", object.key, 0, 1), LOSS_ARGUMENT_OUT_OF_RANGE, "name",
		       "shm_max_regions");
	shm_unpin(shm, &pin);
	must_enter("more", 0, 1);
}

/* The object's key may go: what is mapped stays. */
static void a_region_outlives_its_key(void **state)
{
	struct shm_pin pin;
	(void)state;
	object.data[0] = 'k';
	must_enter("r", 0, 1);
	shm_unlink(object.key);
	must_use("r", 0, 1, &pin);
	assert_memory_equal(pin.data, "k", 1);
	shm_unpin(shm, &pin);
}

static void there_is_one_of_it_in_a_process(void **state)
{
	(void)state;
	const struct shm_settings settings = {object_prefix(), "self", 1, 1};
	assert_null(shm_create(&settings, arena));
	shm_destroy(NULL);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_region_shows_the_objects_bytes),
		TEST(offsets_need_no_alignment),
		TEST(outputs_are_written_where_that_was_asked_for),
		TEST(an_object_that_may_only_be_read_takes_no_outputs),
		TEST(only_allowed_keys_are_taken),
		TEST(only_plain_objects_are_taken),
		TEST(only_allowed_owners_are_taken),
		TEST(ranges_must_lie_in_the_object),
		TEST(a_name_is_taken_once),
		TEST(the_limits_count_regions_and_bytes),
		TEST(what_was_refused_holds_nothing),
		TEST(regions_are_listed_in_their_order),
		TEST(ranges_must_lie_in_the_region),
		TEST(ranges_overlap_in_the_object),
		TEST(objects_are_not_told_apart_by_their_keys),
		TEST(a_pinned_region_outlives_its_name),
		TEST(a_pinned_region_holds_its_place),
		TEST(a_region_outlives_its_key),
		TEST(there_is_one_of_it_in_a_process),
		TEST(threads_do_not_disturb_each_other),
	};
	return cmocka_run_group_tests_name("shm", tests, NULL, NULL);
}
