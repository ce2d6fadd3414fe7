/* Regions of shared memory: registering them, their limits, ranges, and the ends of all of it. */
#include "../support/regions.h"
#include "status/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---------------------------------------------------------------- reading and writing */

static void a_region_shows_the_objects_bytes(void **state)
{
	struct shm_pin pin;
	(void)state;
	for (size_t i = 0; i < object.size; i++)
		object.data[i] = (unsigned char)(i * 7 + i / 256);
	regions_must_enter("r", 0, object.size);
	regions_must_use("r", 0, object.size, &pin);
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
		regions_must_enter("r", offsets[i], size);
		regions_must_use("r", 3, size - 3, &pin);
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
	regions_must_enter("r", PAGE + 5, PAGE);
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
	int made = regions_start(owner);
	loss_status entered =
		made == 0 ? regions_enter("r", object.key, 0, PAGE) : STATUS_INTERNAL_ERROR;
	assert_int_equal(seteuid(user), 0);
	assert_int_equal(entered, LOSS_OK);
	regions_must_use("r", 0, 1, &pin);
	shm_unpin(shm, &pin);
	regions_refused(shm_pin(shm, &wanted, &pin, &err), LOSS_ARGUMENT_OUT_OF_RANGE, "grad",
			"only read");
}

/* ---------------------------------------------------------------- what is refused */

static void only_allowed_keys_are_taken(void **state)
{
	char other[80];
	(void)state;
	regions_refused(regions_enter("r", "/etc/passwd", 0, 1), LOSS_ARGUMENT_OUT_OF_RANGE, "key",
			"\"/etc/passwd\"");
	regions_refused(regions_enter("r", "/lossd_other", 0, 1), LOSS_ARGUMENT_OUT_OF_RANGE, "key",
			"shm_key_prefix");
	assert_null(strstr(err.detail, object_prefix()));
	snprintf(other, sizeof other, "%snothing", object_prefix());
	regions_refused(regions_enter("r", other, 0, 1), LOSS_ARGUMENT_OUT_OF_RANGE, "key", other);
	regions_refused(regions_enter("", object.key, 0, 1), LOSS_ARGUMENT_OUT_OF_RANGE, "name",
			"name");
	/* With and without the slash it is the same object. */
	assert_int_equal(regions_enter("r", object.key + 1, 0, 1), LOSS_OK);
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
	regions_refused(regions_enter("r", key, 0, 1), LOSS_ARGUMENT_OUT_OF_RANGE, "key",
			"must exist");
	char fifo[512];
	strcpy(fifo, err.detail);
	unlink(path);
	assert_int_equal(symlink(target, path), 0);
	regions_refused(regions_enter("r", key, 0, 1), LOSS_ARGUMENT_OUT_OF_RANGE, "key",
			"must exist");
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	regions_refused(regions_enter("r", key, 0, 1), LOSS_ARGUMENT_OUT_OF_RANGE, "key",
			"must exist");
	rmdir(path);
	/* There is nothing at all now, and nobody can tell the difference. */
	regions_refused(regions_enter("r", key, 0, 1), LOSS_ARGUMENT_OUT_OF_RANGE, "key", fifo);
}

static void only_allowed_owners_are_taken(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		print_message("only the superuser can give an object away\n");
		skip();
	}
	assert_int_equal(fchown(object.fd, 12345, (gid_t)-1), 0);
	regions_refused(regions_enter("r", object.key, 0, 1), LOSS_ARGUMENT_OUT_OF_RANGE, "key",
			"shm_owners");
	shm_destroy(shm);
	assert_int_equal(regions_start("1,12345"), 0);
	regions_must_enter("r", 0, 1);
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
		regions_refused(regions_enter("r", object.key, ranges[i][0], ranges[i][1]),
				LOSS_ARGUMENT_OUT_OF_RANGE, "byte_size", "byte_size");
	regions_must_enter("r", 4 * PAGE - 1, 1);
}

static void a_name_is_taken_once(void **state)
{
	(void)state;
	regions_must_enter("r", 0, 1);
	regions_refused(regions_enter("r", object.key, 0, 1), LOSS_DUPLICATE_FIELD, "name",
			"\"r\"");
	regions_must_enter("R", 0, 1);
	assert_true(shm_unregister(shm, "r"));
	regions_must_enter("r", 0, 2);
}

static void the_limits_count_regions_and_bytes(void **state)
{
	struct object large;
	char name[16];
	(void)state;
	for (int i = 0; i < MAX_REGIONS; i++) {
		snprintf(name, sizeof name, "r%d", i);
		regions_must_enter(name, 0, PAGE);
	}
	regions_refused(regions_enter("more", object.key, 0, 1), LOSS_ARGUMENT_OUT_OF_RANGE, "name",
			"shm_max_regions) of 4");
	shm_unregister_all(shm);

	object_create(&large, "large", MAX_BYTES + 1);
	regions_refused(regions_enter("r", large.key, 0, MAX_BYTES + 1), LOSS_ARGUMENT_OUT_OF_RANGE,
			"byte_size", "shm_max_bytes");
	assert_int_equal(regions_enter("a", large.key, 0, MAX_BYTES - 10), LOSS_OK);
	regions_refused(regions_enter("b", large.key, 0, 11), LOSS_ARGUMENT_OUT_OF_RANGE,
			"byte_size", "shm_max_bytes");
	assert_int_equal(regions_enter("b", large.key, 0, 10), LOSS_OK);
	regions_refused(regions_enter("c", large.key, 0, 1), LOSS_ARGUMENT_OUT_OF_RANGE,
			"byte_size", "shm_max_bytes");
	assert_true(shm_unregister(shm, "a"));
	assert_int_equal(regions_enter("c", large.key, 0, MAX_BYTES - 10), LOSS_OK);
	object_destroy(&large);
}

/* A refusal leaves nothing behind. */
static void what_was_refused_holds_nothing(void **state)
{
	(void)state;
	int before = open("/dev/null", O_RDONLY);
	for (int i = 0; i < 100; i++) {
		regions_enter("r", object.key, 1, object.size);
		regions_enter("r", "/nothing", 0, 1);
	}
	int after = open("/dev/null", O_RDONLY);
	assert_int_equal(after, before + 1);
	close(before);
	close(after);
	regions_must_enter("r", 0, PAGE);
	for (int i = 0; i < 100; i++)
		regions_enter("r", object.key, 0, PAGE);
	assert_true(shm_unregister(shm, "r"));
	assert_false(shm_unregister(shm, "r"));
}

/* ---------------------------------------------------------------- what there is */

static void regions_are_listed_in_their_order(void **state)
{
	struct shm_region_info info;
	(void)state;
	assert_false(shm_at(shm, 0, &info));
	regions_must_enter("b", 1, 10);
	regions_must_enter("a", 2, 20);
	regions_must_enter("c", 3, 30);
	assert_true(shm_unregister(shm, "a"));
	regions_must_enter("a", 4, 40);
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

/* A pipe that may only be read: opening it would wait for a writer that never comes. */
static void a_pipe_is_not_waited_for(void **state)
{
	char key[80], path[128];
	uid_t user = geteuid();
	(void)state;
	snprintf(key, sizeof key, "/%spipe", object_prefix());
	snprintf(path, sizeof path, "/dev/shm%s", key);
	unlink(path);
	if (mkfifo(path, 0444) != 0) {
		print_message("shared memory is in no folder here\n");
		skip();
	}
	if (user == 0)
		assert_int_equal(seteuid(12345), 0);
	alarm(60); /* ends a process that waits */
	loss_status status = regions_enter("r", key, 0, 1);
	alarm(0);
	assert_int_equal(seteuid(user), 0);
	unlink(path);
	regions_refused(status, LOSS_ARGUMENT_OUT_OF_RANGE, "key", "must exist");
}

static void there_is_one_of_it_in_a_process(void **state)
{
	(void)state;
	const struct shm_settings settings = {object_prefix(), "self", 1, 1};
	assert_null(shm_create(&settings, arena));
	shm_destroy(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, regions_set_up, regions_tear_down)

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
		TEST(a_pipe_is_not_waited_for),
		TEST(there_is_one_of_it_in_a_process),
	};
	return cmocka_run_group_tests_name("shm", tests, NULL, NULL);
}
