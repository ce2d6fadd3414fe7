/* Tensors in shared memory: what is read in place, what is copied, what a client may do meanwhile.
 */
#include "../../server/shm/shm_uses.h"

#include "../support/object.h"
#include "status/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#define PAGE ((size_t)4096)

static struct loss_arena *arena;
static struct object object; /* four pages, all of them registered as "all" */
static struct shm_uses uses;
static struct loss_error err;

/* cmocka puts a handler of SIGBUS of its own around each test, and around each fixture: so this is
 * called in the test. */
static void begin(void)
{
	const struct shm_settings settings = {object_prefix(), "self", 4, 1 << 20};
	arena = loss_arena_create(NULL);
	object_create(&object, "object", 4 * PAGE);
	const struct shm_registration wanted = {"all", object.key, 0, 4 * PAGE};
	uses = (struct shm_uses){.shm = shm_create(&settings, arena), .arena = arena};
	assert_non_null(uses.shm);
	assert_int_equal(shm_register(uses.shm, &wanted, &err), LOSS_OK);
}

static int tear_down(void **state)
{
	(void)state;
	shm_uses_release(&uses);
	shm_uses_release(&uses); /* again is fine */
	shm_destroy(uses.shm);
	object_destroy(&object);
	loss_arena_destroy(arena);
	return 0;
}

/* Bytes of "all", for the tensor or output of that name. */
static struct shm_use use_of(const char *field, uint64_t offset, uint64_t size)
{
	return (struct shm_use){.name = "all", .offset = offset, .size = size, .field = field};
}

static loss_status read_as(const char *field, bool in_place, uint64_t offset,
			   struct loss_tensor *tensor)
{
	const struct shm_use use = use_of(field, offset, 16);
	*tensor = (struct loss_tensor){.dtype = LOSS_F32, .rank = 1, .shape = {4}, .count = 4};
	return shm_uses_read(&uses, &use, in_place, tensor, &err);
}

static loss_status read_input(uint64_t offset, struct loss_tensor *tensor)
{
	return read_as("logits", true, offset, tensor);
}

/* An output of 16 bytes. */
static loss_status write_to(const char *field, uint64_t offset, uint64_t size, void **memory)
{
	struct shm_use use = use_of(field, offset, size);
	use.for_writing = true;
	return shm_uses_write(&uses, &use, 16, memory, &err);
}

/* Whether what the client writes afterwards is seen. */
static bool follows(const struct loss_tensor *tensor, size_t offset)
{
	unsigned char before = *(const volatile unsigned char *)tensor->data;
	object.data[offset]++;
	return *(const volatile unsigned char *)tensor->data != before;
}

static void only_an_aligned_input_is_read_in_place(void **state)
{
	(void)state;
	begin();
	static const struct {
		const char *field;
		bool is_input;
		size_t offset;
		bool in_place;
	} cases[] = {
		{"logits", true, 0, true},    {"logits", true, 4, true},
		{"logits", true, 2, false},   {"logits", true, 4095, false},
		{"targets", false, 0, false}, {"targets", false, 64, false},
		{"weight", false, 0, false},
	};
	struct loss_tensor tensor;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(
			read_as(cases[i].field, cases[i].is_input, cases[i].offset, &tensor),
			LOSS_OK);
		assert_int_equal(follows(&tensor, cases[i].offset), cases[i].in_place);
		assert_int_equal((uintptr_t)tensor.data % sizeof(float), 0);
	}
	assert_int_equal(shm_uses_verify(&uses, &err), LOSS_OK);
}

static void an_input_that_is_cut_while_it_is_read_fails(void **state)
{
	(void)state;
	begin();
	struct loss_tensor tensor;
	assert_int_equal(read_input(2 * PAGE, &tensor), LOSS_OK);
	object_resize(&object, PAGE);
	assert_true(((const float *)tensor.data)[3] == 0.0f); /* a page of zeros in its place */
	assert_int_equal(shm_uses_verify(&uses, &err), LOSS_SHAPE_MISMATCH);
	assert_string_equal(err.field, "logits");
	assert_string_equal(
		err.detail,
		"the shared memory of logits became shorter than its region while it was used");
}

static void an_output_that_is_cut_fails(void **state)
{
	(void)state;
	begin();
	void *memory;
	assert_int_equal(write_to("grad", 3 * PAGE, 64, &memory), LOSS_OK);
	memcpy(memory, "0123456789abcdef", 16);
	assert_memory_equal(object.data + 3 * PAGE, "0123456789abcdef", 16);
	assert_int_equal(shm_uses_verify(&uses, &err), LOSS_OK);
	object_resize(&object, PAGE);
	memset(memory, 7, 16);
	assert_int_equal(shm_uses_verify(&uses, &err), LOSS_SHAPE_MISMATCH);
	assert_string_equal(err.field, "grad");
}

/* Those of inputs are only read, and may lie anywhere. */
static void outputs_have_bytes_of_their_own(void **state)
{
	(void)state;
	begin();
	void *memory;
	struct loss_tensor tensor;
	assert_int_equal(read_input(64, &tensor), LOSS_OK);
	assert_int_equal(read_as("targets", false, 64, &tensor), LOSS_OK);
	assert_int_equal(write_to("loss", 64, 16, &memory), LOSS_OK);
	assert_int_equal(write_to("grad", 80, 16, &memory), LOSS_OK);
	assert_int_equal(write_to("entropy", 48, 16, &memory), LOSS_OK);
	/* with the first of them, and with one that is neither first nor last */
	assert_int_equal(write_to("rank", 0, 49, &memory), LOSS_ARGUMENT_OUT_OF_RANGE);
	assert_string_equal(err.field, "rank");
	assert_int_equal(write_to("rank", 95, 16, &memory), LOSS_ARGUMENT_OUT_OF_RANGE);
	assert_string_equal(err.detail,
			    "grad (shared_memory_region \"all\", shared_memory_offset 80, "
			    "shared_memory_byte_size 16) and rank (shared_memory_region \"all\", "
			    "shared_memory_offset 95, shared_memory_byte_size 16) have bytes in "
			    "common; give each output bytes of its own");
	/* and where there is nothing before the outputs */
	shm_uses_release(&uses);
	assert_int_equal(write_to("loss", 64, 16, &memory), LOSS_OK);
	assert_int_equal(write_to("grad", 64, 16, &memory), LOSS_ARGUMENT_OUT_OF_RANGE);
}

static void refusals(void **state)
{
	(void)state;
	begin();
	void *memory;
	struct loss_tensor tensor;
	assert_int_equal(write_to("grad", 0, 15, &memory), LOSS_SHAPE_MISMATCH);
	assert_string_equal(err.detail,
			    "grad needs 16 bytes, but its shared_memory_byte_size is 15");
	assert_int_not_equal(read_input(4 * PAGE, &tensor), LOSS_OK);
	assert_int_not_equal(read_input(UINT64_MAX - 7, &tensor), LOSS_OK);
	uses.foreign = "http://elsewhere.example";
	assert_int_equal(read_input(0, &tensor), STATUS_FORBIDDEN);
	uses.foreign = NULL;
	struct shm *shm = uses.shm;
	uses.shm = NULL;
	assert_int_equal(read_input(0, &tensor), LOSS_ARGUMENT_OUT_OF_RANGE);
	uses.shm = shm;
	assert_int_equal(uses.n, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(only_an_aligned_input_is_read_in_place),
		TEST(an_input_that_is_cut_while_it_is_read_fails),
		TEST(an_output_that_is_cut_fails),
		TEST(outputs_have_bytes_of_their_own),
		TEST(refusals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
