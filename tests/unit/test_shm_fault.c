/* Memory that is taken away while it is read: SIGBUS, truly raised. */
#include "shm/shm.h"
#include "shm/shm_fault.h"

#include "../support/object.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE ((size_t)4096)
#define PAGES ((size_t)64)

static struct loss_arena *arena;
static struct shm *shm;
static struct object object;
static struct loss_error err;

/* cmocka puts a handler of its own around each test, and around each fixture: so in the test. */
static void begin(void)
{
	const struct shm_settings settings = {object_prefix(), "self", 4, 1 << 30};
	const struct shm_registration wanted = {"r", NULL, 0, PAGES * PAGE};
	struct shm_registration named = wanted;
	arena = loss_arena_create(NULL);
	object_create(&object, "object", PAGES * PAGE);
	memset(object.data, 'x', object.size);
	shm = shm_create(&settings, arena);
	named.key = object.key;
	assert_non_null(shm);
	assert_int_equal(shm_register(shm, &named, &err), LOSS_OK);
}

static int tear_down(void **state)
{
	(void)state;
	shm_destroy(shm);
	shm = NULL;
	object_destroy(&object);
	loss_arena_destroy(arena);
	return 0;
}

static void pin_all(bool for_writing, struct shm_pin *pin)
{
	const struct shm_use use = {"r", 0, PAGES * PAGE, for_writing, "logits"};
	assert_int_equal(shm_pin(shm, &use, pin, &err), LOSS_OK);
}

/* Every byte, by loads that the compiler may not leave out. */
static uint64_t sum(const void *data, size_t size)
{
	const volatile unsigned char *bytes = data;
	uint64_t total = 0;
	for (size_t i = 0; i < size; i++)
		total += bytes[i];
	return total;
}

static void assert_refused_now(void)
{
	const struct shm_use use = {"r", 0, 1, false, "logits"};
	struct shm_pin pin;
	assert_int_equal(shm_pin(shm, &use, &pin, &err), LOSS_ARGUMENT_OUT_OF_RANGE);
	assert_non_null(strstr(err.detail, "has become shorter"));
	assert_string_equal(err.field, "logits");
}

/* ---------------------------------------------------------------- cut objects */

static void an_object_cut_before_it_is_used_is_refused(void **state)
{
	(void)state;
	begin();
	object_resize(&object, 0);
	assert_refused_now();
	/* What it still has may be used. */
	object_resize(&object, PAGE + 1);
	const struct shm_use use = {"r", 1, PAGE, false, "logits"};
	struct shm_pin pin;
	assert_int_equal(shm_pin(shm, &use, &pin, &err), LOSS_OK);
	assert_true(shm_pin_intact(&pin));
	shm_unpin(shm, &pin);
}

static void an_object_cut_while_it_is_read_reads_as_zeros(void **state)
{
	struct shm_pin pin;
	(void)state;
	begin();
	pin_all(false, &pin);
	assert_int_equal(sum(pin.data, PAGE), PAGE * 'x');
	object_resize(&object, 0);
	assert_int_equal(sum(pin.data, pin.size), 0);
	assert_false(shm_pin_intact(&pin));
	shm_unpin(shm, &pin);
}

/* From the page that was missing on there is nothing any more, whatever the client does now. */
static void damage(bool by_writing)
{
	struct shm_pin pin;
	begin();
	pin_all(by_writing, &pin);
	object_resize(&object, PAGE);
	if (by_writing)
		memset((char *)pin.data + PAGE, 'y', PAGE);
	else
		assert_int_equal(sum((char *)pin.data + PAGE, PAGE), 0);
	object_resize(&object, PAGES * PAGE);
	assert_false(shm_pin_intact(&pin));
	shm_unpin(shm, &pin);
	assert_refused_now();
	/* A new registration is a new beginning. */
	assert_true(shm_unregister(shm, "r"));
	const struct shm_registration again = {"r", object.key, 0, PAGES * PAGE};
	assert_int_equal(shm_register(shm, &again, &err), LOSS_OK);
	pin_all(false, &pin);
	assert_int_equal(sum(pin.data, pin.size), PAGE * 'x');
	assert_true(shm_pin_intact(&pin));
	shm_unpin(shm, &pin);
}

static void a_damaged_region_stays_so(void **state)
{
	(void)state;
	damage(false);
}

static void a_region_that_was_damaged_by_writing_stays_so(void **state)
{
	(void)state;
	damage(true);
}

/* After the end, in its last page, memory reads as zeros without a signal. */
static void an_object_cut_within_a_page_is_noticed(void **state)
{
	struct shm_pin pin;
	(void)state;
	begin();
	pin_all(false, &pin);
	object_resize(&object, PAGES * PAGE - 1);
	sum(pin.data, pin.size);
	assert_false(shm_pin_intact(&pin));
	shm_unpin(shm, &pin);
}

static void an_object_cut_while_it_is_written_takes_the_rest(void **state)
{
	struct shm_pin pin;
	(void)state;
	begin();
	pin_all(true, &pin);
	object_resize(&object, 0);
	memset(pin.data, 'y', pin.size);
	assert_false(shm_pin_intact(&pin));
	shm_unpin(shm, &pin);
}

static void other_regions_are_left_alone(void **state)
{
	struct object other;
	struct shm_pin pin, other_pin;
	(void)state;
	begin();
	object_create(&other, "other", PAGE);
	memset(other.data, 'o', PAGE);
	const struct shm_registration wanted = {"o", other.key, 0, PAGE};
	const struct shm_use use = {"o", 0, PAGE, false, "targets"};
	assert_int_equal(shm_register(shm, &wanted, &err), LOSS_OK);
	assert_int_equal(shm_pin(shm, &use, &other_pin, &err), LOSS_OK);
	pin_all(false, &pin);
	object_resize(&object, 0);
	assert_int_equal(sum(pin.data, pin.size), 0);
	assert_int_equal(sum(other_pin.data, PAGE), PAGE * 'o');
	assert_true(shm_pin_intact(&other_pin));
	assert_false(shm_pin_intact(&pin));
	shm_unpin(shm, &other_pin);
	shm_unpin(shm, &pin);
	object_destroy(&other);
}

/* ---------------------------------------------------------------- many threads */

static atomic_bool started;

static void *read_on(void *context)
{
	const struct shm_pin *pin = context;
	uint64_t last;
	do {
		last = sum(pin->data, pin->size);
		atomic_store(&started, true);
	} while (last != 0);
	return NULL;
}

/* All of them read while it is cut, and all of them go on, to the end. */
static void threads_that_read_at_once_all_go_on(void **state)
{
	pthread_t threads[4];
	struct shm_pin pin;
	(void)state;
	begin();
	atomic_store(&started, false);
	pin_all(false, &pin);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_on, &pin), 0);
	while (!atomic_load(&started))
		sched_yield();
	object_resize(&object, 0);
	for (size_t i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_false(shm_pin_intact(&pin));
	shm_unpin(shm, &pin);
}

/* ---------------------------------------------------------------- SIGBUS elsewhere */

/* A byte of a page that a file does not have. */
static volatile unsigned char *missing_page(void)
{
	struct object none;
	object_create(&none, "none", PAGE);
	object_resize(&none, 0);
	shm_unlink(none.key);
	return none.data;
}

static int status_of(void (*child)(void))
{
	int status = 0;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		child();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

/* What is done about SIGBUS in a process where `before` was installed before us. */
static void come_after(const struct sigaction *before)
{
	static struct shm_slot slots[1];
	shm_destroy(shm);
	sigaction(SIGBUS, before, NULL);
	if (!shm_fault_start(slots, 1))
		_exit(1);
}

static void touch_without_a_handler(void)
{
	come_after(&(struct sigaction){.sa_handler = SIG_DFL});
	(void)*missing_page();
}

static void raise_without_a_handler(void)
{
	come_after(&(struct sigaction){.sa_handler = SIG_DFL});
	raise(SIGBUS);
}

static void a_fault_elsewhere_ends_the_process(void **state)
{
	(void)state;
	begin();
	int status = status_of(touch_without_a_handler);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGBUS);
	status = status_of(raise_without_a_handler);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGBUS);
}

static void leave_with_3(int number)
{
	_exit(number == SIGBUS ? 3 : 1);
}

static void leave_with_4(int number, siginfo_t *info, void *context)
{
	(void)context;
	_exit(number == SIGBUS && info->si_addr ? 4 : 1);
}

static void touch_after_a_plain_handler(void)
{
	come_after(&(struct sigaction){.sa_handler = leave_with_3});
	(void)*missing_page();
}

static void touch_after_a_handler_with_details(void)
{
	come_after(&(struct sigaction){.sa_sigaction = leave_with_4, .sa_flags = SA_SIGINFO});
	(void)*missing_page();
}

static void the_handler_before_gets_what_is_not_ours(void **state)
{
	(void)state;
	begin();
	int status = status_of(touch_after_a_plain_handler);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 3);
	status = status_of(touch_after_a_handler_with_details);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 4);
}

/* A fault where a region was is not ours any more. */
static void touch_the_place_of_a_region(void)
{
	const struct sigaction action = {.sa_handler = leave_with_3};
	const struct shm_settings settings = {"lossd_test_", "self", 4, 1 << 30};
	const struct shm_registration wanted = {"r", object.key, 0, PAGES * PAGE};
	struct shm_pin pin;
	shm_destroy(shm);
	sigaction(SIGBUS, &action, NULL);
	shm = shm_create(&settings, arena);
	if (!shm || shm_register(shm, &wanted, &err) != LOSS_OK)
		_exit(1);
	pin_all(false, &pin);
	void *place = pin.data;
	shm_unpin(shm, &pin);
	shm_unregister(shm, "r");
	if (mmap(place, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, object.fd, 0) != place)
		_exit(1);
	object_resize(&object, 0);
	(void)*(volatile unsigned char *)place;
}

static void a_place_is_forgotten_with_its_region(void **state)
{
	(void)state;
	begin();
	int status = status_of(touch_the_place_of_a_region);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 3);
}

static void the_handler_goes_with_the_table(void **state)
{
	struct sigaction before, after;
	(void)state;
	begin();
	sigaction(SIGBUS, NULL, &before);
	assert_true(before.sa_flags & SA_SIGINFO);
	shm_destroy(shm);
	sigaction(SIGBUS, NULL, &after);
	assert_true(after.sa_sigaction != before.sa_sigaction);
	const struct shm_settings settings = {object_prefix(), "self", 1, 1};
	shm = shm_create(&settings, arena);
	assert_non_null(shm);
}

#define TEST(name) cmocka_unit_test_teardown(name, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_object_cut_before_it_is_used_is_refused),
		TEST(an_object_cut_while_it_is_read_reads_as_zeros),
		TEST(a_damaged_region_stays_so),
		TEST(a_region_that_was_damaged_by_writing_stays_so),
		TEST(an_object_cut_within_a_page_is_noticed),
		TEST(an_object_cut_while_it_is_written_takes_the_rest),
		TEST(other_regions_are_left_alone),
		TEST(threads_that_read_at_once_all_go_on),
		TEST(a_fault_elsewhere_ends_the_process),
		TEST(the_handler_before_gets_what_is_not_ours),
		TEST(a_place_is_forgotten_with_its_region),
		TEST(the_handler_goes_with_the_table),
	};
	return cmocka_run_group_tests_name("shm fault", tests, NULL, NULL);
}
