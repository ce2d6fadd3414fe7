/* Tensors in shared memory: what is read in place, what is copied, what a client may do meanwhile.
 */
#include "../../server/codec/oip/oip_regions.h"

#include "../support/object.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#define PAGE ((size_t)4096)

static struct loss_arena *arena;
static struct object object; /* four pages, all of them registered as "all" */
static struct oip_regions regions;
static struct json_fault fault;
static struct oip_parameters parameters;
static struct loss_error err;

/* cmocka puts a handler of SIGBUS of its own around each test, and around each fixture: so this is
 * called in the test. */
static void begin(void)
{
	const struct shm_settings settings = {object_prefix(), "self", 4, 1 << 20};
	arena = loss_arena_create(NULL);
	object_create(&object, "object", 4 * PAGE);
	const struct shm_registration wanted = {"all", object.key, 0, 4 * PAGE};
	regions = (struct oip_regions){.shm = shm_create(&settings, arena), .arena = arena};
	assert_non_null(regions.shm);
	assert_int_equal(shm_register(regions.shm, &wanted, &err), LOSS_OK);
}

static int tear_down(void **state)
{
	(void)state;
	oip_regions_release(&regions);
	oip_regions_release(&regions); /* again is fine */
	shm_destroy(regions.shm);
	object_destroy(&object);
	loss_arena_destroy(arena);
	return 0;
}

static const struct oip_parameters *place(uint64_t offset, uint64_t size)
{
	oip_parameters_start(&parameters, OIP_INPUT, "", &fault);
	parameters.set = 1u << OIP_REGION | 1u << OIP_OFFSET | 1u << OIP_BYTE_SIZE;
	parameters.numbers[OIP_OFFSET] = offset;
	parameters.numbers[OIP_BYTE_SIZE] = size;
	strcpy(parameters.region, "all");
	return &parameters;
}

static const struct loss_tensor_info input = {.name = "logits", .role = LOSS_ROLE_INPUT};
static const struct loss_tensor_info targets = {.name = "targets", .role = LOSS_ROLE_TARGETS};
static const struct loss_tensor_info weight = {.name = "weight", .role = LOSS_ROLE_WEIGHT};

static loss_status read_from(const struct loss_tensor_info *info, uint64_t offset,
			     struct loss_tensor *tensor)
{
	*tensor = (struct loss_tensor){.dtype = LOSS_F32, .rank = 1, .shape = {4}, .count = 4};
	return oip_regions_read(&regions, place(offset, 16), info, tensor, &err);
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
		const struct loss_tensor_info *info;
		size_t offset;
		bool in_place;
	} cases[] = {
		{&input, 0, true},     {&input, 4, true},    {&input, 2, false},
		{&input, 4095, false}, {&targets, 0, false}, {&targets, 64, false},
		{&weight, 0, false},
	};
	struct loss_tensor tensor;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(read_from(cases[i].info, cases[i].offset, &tensor), LOSS_OK);
		assert_int_equal(follows(&tensor, cases[i].offset), cases[i].in_place);
		assert_int_equal((uintptr_t)tensor.data % sizeof(float), 0);
	}
	assert_int_equal(oip_regions_verify(&regions, &err), LOSS_OK);
}

static void an_input_that_is_cut_while_it_is_read_fails(void **state)
{
	(void)state;
	begin();
	struct loss_tensor tensor;
	assert_int_equal(read_from(&input, 2 * PAGE, &tensor), LOSS_OK);
	object_resize(&object, PAGE);
	assert_true(((const float *)tensor.data)[3] == 0.0f); /* a page of zeros in its place */
	assert_int_equal(oip_regions_verify(&regions, &err), LOSS_SHAPE_MISMATCH);
	assert_string_equal(err.field, "logits");
	assert_string_equal(
		err.detail,
		"the shared memory of logits became shorter than its region while it was used");
}

static void an_output_that_is_cut_fails(void **state)
{
	(void)state;
	begin();
	const struct shm_pin *pin;
	const struct loss_output output = {"grad", {LOSS_F32, 1, {4}, 4, NULL}};
	assert_int_equal(oip_regions_write(&regions, place(3 * PAGE, 64), &output, &pin, &err),
			 LOSS_OK);
	memcpy(pin->data, "0123456789abcdef", 16);
	assert_memory_equal(object.data + 3 * PAGE, "0123456789abcdef", 16);
	assert_int_equal(oip_regions_verify(&regions, &err), LOSS_OK);
	object_resize(&object, PAGE);
	memset(pin->data, 7, 16);
	assert_int_equal(oip_regions_verify(&regions, &err), LOSS_SHAPE_MISMATCH);
	assert_string_equal(err.field, "grad");
}

static loss_status write_to(const char *name, uint64_t offset, uint64_t size)
{
	const struct shm_pin *pin;
	const struct loss_output output = {name, {LOSS_F32, 1, {4}, 4, NULL}};
	return oip_regions_write(&regions, place(offset, size), &output, &pin, &err);
}

/* Those of inputs are only read, and may lie anywhere. */
static void outputs_have_bytes_of_their_own(void **state)
{
	(void)state;
	begin();
	struct loss_tensor tensor;
	assert_int_equal(read_from(&input, 64, &tensor), LOSS_OK);
	assert_int_equal(read_from(&targets, 64, &tensor), LOSS_OK);
	assert_int_equal(write_to("loss", 64, 16), LOSS_OK);
	assert_int_equal(write_to("grad", 80, 16), LOSS_OK);
	assert_int_equal(write_to("entropy", 48, 16), LOSS_OK);
	/* with the first of them, and with one that is neither first nor last */
	assert_int_equal(write_to("rank", 0, 49), LOSS_ARGUMENT_OUT_OF_RANGE);
	assert_string_equal(err.field, "rank");
	assert_int_equal(write_to("rank", 95, 16), LOSS_ARGUMENT_OUT_OF_RANGE);
	assert_string_equal(err.detail,
			    "grad (shared_memory_region \"all\", shared_memory_offset 80, "
			    "shared_memory_byte_size 16) and rank (shared_memory_region \"all\", "
			    "shared_memory_offset 95, shared_memory_byte_size 16) have bytes in "
			    "common; give each output bytes of its own");
	/* and where there is nothing before the outputs */
	oip_regions_release(&regions);
	assert_int_equal(write_to("loss", 64, 16), LOSS_OK);
	assert_int_equal(write_to("grad", 64, 16), LOSS_ARGUMENT_OUT_OF_RANGE);
}

static void refusals(void **state)
{
	(void)state;
	begin();
	const struct shm_pin *pin;
	struct loss_tensor tensor;
	const struct loss_output output = {"grad", {LOSS_F32, 1, {4}, 4, NULL}};
	assert_int_equal(oip_regions_write(&regions, place(0, 15), &output, &pin, &err),
			 LOSS_SHAPE_MISMATCH);
	assert_string_equal(err.detail,
			    "grad needs 16 bytes, but its shared_memory_byte_size is 15");
	assert_int_not_equal(read_from(&input, 4 * PAGE, &tensor), LOSS_OK);
	assert_int_not_equal(read_from(&input, UINT64_MAX - 7, &tensor), LOSS_OK);
	struct shm *shm = regions.shm;
	regions.shm = NULL;
	assert_int_equal(read_from(&input, 0, &tensor), LOSS_ARGUMENT_OUT_OF_RANGE);
	regions.shm = shm;
	assert_int_equal(regions.n, 0);
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
