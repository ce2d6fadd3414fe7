/* Dtypes, shapes, and reading and writing of single elements. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <string.h>

#include "tensor.h"

static void the_table_of_dtypes(void **state)
{
	(void)state;
	static const struct loss_dtype_info rows[LOSS_N_DTYPES] = {
		[LOSS_F64] = {"F64", sizeof(double), LOSS_CLASS_FLOAT},
		[LOSS_F32] = {"F32", sizeof(float), LOSS_CLASS_FLOAT},
		[LOSS_F16] = {"F16", 2, LOSS_CLASS_FLOAT},
		[LOSS_BF16] = {"BF16", 2, LOSS_CLASS_FLOAT},
		[LOSS_F8_E4M3] = {"F8_E4M3", 1, LOSS_CLASS_FLOAT},
		[LOSS_F8_E5M2] = {"F8_E5M2", 1, LOSS_CLASS_FLOAT},
		[LOSS_I64] = {"I64", 8, LOSS_CLASS_SIGNED},
		[LOSS_I32] = {"I32", 4, LOSS_CLASS_SIGNED},
		[LOSS_I16] = {"I16", 2, LOSS_CLASS_SIGNED},
		[LOSS_I8] = {"I8", 1, LOSS_CLASS_SIGNED},
		[LOSS_U64] = {"U64", 8, LOSS_CLASS_UNSIGNED},
		[LOSS_U32] = {"U32", 4, LOSS_CLASS_UNSIGNED},
		[LOSS_U16] = {"U16", 2, LOSS_CLASS_UNSIGNED},
		[LOSS_U8] = {"U8", 1, LOSS_CLASS_UNSIGNED},
		[LOSS_BOOL] = {"BOOL", 1, LOSS_CLASS_BOOL},
	};
	for (int i = 0; i < LOSS_N_DTYPES; i++) {
		const struct loss_dtype_info *info = loss_dtype_info((loss_dtype)i);
		assert_string_equal(info->name, rows[i].name);
		assert_int_equal(info->size, rows[i].size);
		assert_int_equal(info->dtype_class, rows[i].dtype_class);
		assert_int_equal(loss_dtype_find(info->name, strlen(info->name)), i);
		bool is_integer = info->dtype_class == LOSS_CLASS_SIGNED ||
				  info->dtype_class == LOSS_CLASS_UNSIGNED;
		assert_int_equal(!!(LOSS_DTYPE_BIT(i) & LOSS_INTEGER_DTYPES), is_integer);
		assert_int_equal(!!(LOSS_DTYPE_BIT(i) & LOSS_FLOAT_DTYPES),
				 info->dtype_class == LOSS_CLASS_FLOAT);
	}
}

static void dtypes_that_are_none(void **state)
{
	(void)state;
	static const char *const names[] = {"",    "f32",   "F3",  "F322", "F8",
					    "I65", "BOOLE", "int", "F64 ", "float32"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_int_equal(loss_dtype_find(names[i], strlen(names[i])), LOSS_N_DTYPES);
	assert_int_equal(loss_dtype_find("F32", 4), LOSS_N_DTYPES); /* with its NUL */
	assert_int_equal(loss_dtype_find("F32xyz", 3), LOSS_F32);
}

static void masks_of_dtypes(void **state)
{
	(void)state;
	char text[96];
	dtypes_format(0, text, sizeof(text));
	assert_string_equal(text, "");
	dtypes_format(LOSS_DTYPE_BIT(LOSS_BOOL), text, sizeof(text));
	assert_string_equal(text, "BOOL");
	dtypes_format(LOSS_FLOAT_DTYPES, text, sizeof(text));
	assert_string_equal(text, "F64, F32, F16, BF16, F8_E4M3, F8_E5M2");
	dtypes_format((1u << LOSS_N_DTYPES) - 1, text, sizeof(text));
	assert_string_equal(text,
			    "F64, F32, F16, BF16, F8_E4M3, F8_E5M2, I64, I32, I16, I8, U64, U32, "
			    "U16, U8, BOOL");
}

static void a_mask_is_cut_where_its_text_does_not_fit(void **state)
{
	(void)state;
	for (size_t size = 1; size < 9; size++) {
		char text[16];
		memset(text, '#', sizeof(text));
		dtypes_format(LOSS_FLOAT_DTYPES, text, size);
		assert_int_equal(strlen(text), size - 1);
		assert_memory_equal(text, "F64, F32, F16, BF16, F8_E4M3, F8_E5M2", size - 1);
		assert_int_equal(text[size], '#');
	}
}

static void counts(void **state)
{
	(void)state;
	const size_t big = (size_t)1 << 60;
	const struct {
		struct loss_tensor tensor;
		bool fits;
		size_t count;
	} rows[] = {
		{{.rank = 0}, true, 1},
		{{.rank = 1, .shape = {7}}, true, 7},
		{{.rank = 3, .shape = {2, 3, 4}}, true, 24},
		{{.rank = 3, .shape = {2, 0, 4}}, true, 0},
		{{.rank = 8, .shape = {1, 1, 1, 1, 1, 1, 1, 5}}, true, 5},
		{{.rank = 1, .shape = {big}}, true, big},
		{{.rank = 2, .shape = {big, 2}}, false, 0}, /* 2^64 bytes */
		{{.rank = 1, .shape = {2 * big}}, false, 0},
		{{.rank = 1, .shape = {SIZE_MAX}}, false, 0},
		{{.rank = 2, .shape = {0, big}}, true, 0},
		{{.rank = 3, .shape = {0, big, 2}}, false, 0},
		{{.rank = 3, .shape = {big, 2, 0}}, false, 0},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct loss_tensor tensor = rows[i].tensor;
		assert_int_equal(loss_tensor_set_count(&tensor), rows[i].fits);
		assert_true(tensor.count == rows[i].count);
	}
}

static void shapes_as_text(void **state)
{
	(void)state;
	char text[200];
	struct loss_tensor tensor = {.rank = 0, .shape = {2, 3}};
	loss_tensor_format_shape(&tensor, text, sizeof(text));
	assert_string_equal(text, "()");
	tensor.rank = 1;
	loss_tensor_format_shape(&tensor, text, sizeof(text));
	assert_string_equal(text, "(2)");
	tensor.rank = 2;
	loss_tensor_format_shape(&tensor, text, sizeof(text));
	assert_string_equal(text, "(2, 3)");
	tensor.rank = LOSS_MAX_RANK;
	for (int i = 0; i < LOSS_MAX_RANK; i++)
		tensor.shape[i] = SIZE_MAX;
	loss_tensor_format_shape(&tensor, text, sizeof(text));
	assert_int_equal(strlen(text), 8 * 20 + 7 * 2 + 2);
}

static void a_shape_is_cut_where_its_text_does_not_fit(void **state)
{
	(void)state;
	const struct loss_tensor tensor = {.rank = 2, .shape = {12, 345}};
	for (size_t size = 1; size < 10; size++) {
		char text[16];
		memset(text, '#', sizeof(text));
		loss_tensor_format_shape(&tensor, text, size);
		assert_int_equal(strlen(text), size - 1);
		assert_memory_equal(text, "(12, 345)", size - 1);
		assert_int_equal(text[size], '#');
	}
}

static void sameness_of_shapes(void **state)
{
	(void)state;
	const struct loss_tensor a = {.dtype = LOSS_F32, .rank = 2, .shape = {2, 3, 9}};
	const struct loss_tensor same = {.dtype = LOSS_F64, .rank = 2, .shape = {2, 3, 5}};
	const struct loss_tensor longer = {.rank = 3, .shape = {2, 3, 9}};
	const struct loss_tensor first = {.rank = 2, .shape = {1, 3}};
	const struct loss_tensor last = {.rank = 2, .shape = {2, 4}};
	const struct loss_tensor scalar = {.rank = 0, .shape = {1}}, other = {.rank = 0};
	assert_true(tensor_same_shape(&a, &same));
	assert_false(tensor_same_shape(&a, &longer));
	assert_false(tensor_same_shape(&a, &first));
	assert_false(tensor_same_shape(&a, &last));
	assert_true(tensor_same_shape(&scalar, &other));
	assert_false(tensor_same_shape(&scalar, &a));
}

/* The class index of element 1 of {0, value}. */
#define CLASS_INDEX(dtype_, type, value)                                                           \
	tensor_class_index(&(struct loss_tensor){.dtype = (dtype_),                                \
						 .rank = 1,                                        \
						 .shape = {2},                                     \
						 .count = 2,                                       \
						 .data = (type[2]){0, (value)}},                   \
			   1)

static void expect_index(struct class_index index, bool negative, uint64_t value)
{
	assert_int_equal(index.negative, negative);
	assert_true(index.value == value);
}

static void class_indices_of_every_dtype(void **state)
{
	(void)state;
	expect_index(CLASS_INDEX(LOSS_I64, int64_t, INT64_MAX), false, INT64_MAX);
	expect_index(CLASS_INDEX(LOSS_I64, int64_t, INT64_MIN), true, (uint64_t)INT64_MIN);
	expect_index(CLASS_INDEX(LOSS_I32, int32_t, INT32_MAX), false, INT32_MAX);
	expect_index(CLASS_INDEX(LOSS_I32, int32_t, INT32_MIN), true, (uint64_t)INT32_MIN);
	expect_index(CLASS_INDEX(LOSS_I16, int16_t, INT16_MAX), false, INT16_MAX);
	expect_index(CLASS_INDEX(LOSS_I16, int16_t, INT16_MIN), true, (uint64_t)INT16_MIN);
	expect_index(CLASS_INDEX(LOSS_I8, int8_t, INT8_MAX), false, INT8_MAX);
	expect_index(CLASS_INDEX(LOSS_I8, int8_t, -1), true, UINT64_MAX);
	expect_index(CLASS_INDEX(LOSS_U64, uint64_t, UINT64_MAX), false, UINT64_MAX);
	expect_index(CLASS_INDEX(LOSS_U32, uint32_t, UINT32_MAX), false, UINT32_MAX);
	expect_index(CLASS_INDEX(LOSS_U16, uint16_t, UINT16_MAX), false, UINT16_MAX);
	expect_index(CLASS_INDEX(LOSS_U8, uint8_t, UINT8_MAX), false, UINT8_MAX);
	expect_index(CLASS_INDEX(LOSS_I64, int64_t, 0), false, 0);
}

static void numbers_are_read_exactly(void **state)
{
	(void)state;
	const struct loss_tensor singles = {.dtype = LOSS_F32, .data = (float[]){0, 0.1f}};
	const struct loss_tensor doubles = {.dtype = LOSS_F64, .data = (double[]){0, 0.1}};
	const struct loss_tensor booleans = {.dtype = LOSS_BOOL, .data = (uint8_t[]){0, 1}};
	assert_true(tensor_number(&singles, 1) == (double)0.1f);
	assert_true(tensor_number(&doubles, 1) == 0.1);
	assert_true(tensor_number(&booleans, 0) == 0.0);
	assert_true(tensor_number(&booleans, 1) == 1.0);
}

/* Every code of them is in test_half.c; this is about which type is which. */
static void narrow_numbers_are_read_and_written_as_their_type(void **state)
{
	(void)state;
	static const struct {
		loss_dtype dtype;
		uint16_t tenth, infinite; /* as codes */
		double read;
	} rows[] = {
		{LOSS_F16, 0x2e66, 0x7c00, 0x1.998p-4},
		{LOSS_BF16, 0x3dcd, 0x7f80, 0x1.9ap-4},
		{LOSS_F8_E4M3, 0x1d, 0x7f, 0x1.ap-4},
		{LOSS_F8_E5M2, 0x2e, 0x7c, 0x1.8p-4},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		double codes[3] = {0}; /* room for any type */
		size_t size = loss_dtype_info(rows[i].dtype)->size;
		const struct loss_tensor tensor = {.dtype = rows[i].dtype, .data = codes};
		tensor_put(&tensor, 1, 0.1);
		assert_memory_equal((unsigned char *)codes + size, &rows[i].tenth, size);
		assert_true(tensor_number(&tensor, 1) == rows[i].read);
		assert_true(loss_float_get(rows[i].dtype, codes, 1) == rows[i].read);
		loss_float_put(rows[i].dtype, codes, 1, 0x1p200);
		assert_memory_equal((unsigned char *)codes + size, &rows[i].infinite, size);
		assert_true(tensor_number(&tensor, 0) == 0.0);
		assert_true(tensor_number(&tensor, 2) == 0.0);
	}
}

static void floats_outside_a_tensor(void **state)
{
	(void)state;
	float single[2] = {0};
	double wide[2] = {0};
	loss_float_put(LOSS_F32, single, 1, 0.1);
	loss_float_put(LOSS_F64, wide, 1, 0.1);
	assert_true(single[1] == 0.1f && wide[1] == 0.1);
	assert_true(loss_float_get(LOSS_F32, single, 1) == (double)0.1f);
	assert_true(loss_float_get(LOSS_F64, wide, 1) == 0.1);
}

static void numbers_are_rounded_once_to_nearest_even(void **state)
{
	(void)state;
	static const struct {
		double value;
		float rounded;
	} rows[] = {
		{1.0 + 0x1p-24, 1.0f},
		{1.0 + 0x1p-24 + 0x1p-52, 1.0f + 0x1p-23f},
		{1.0 + 0x3p-24, 1.0f + 0x1p-22f},
		{0x1p-150, 0.0f},
		{0x1.8p-150, 0x1p-149f},
		{-0x1p-149, -0x1p-149f},
		{0x1.fffffefp127, FLT_MAX},
		{0x1.ffffffp127, HUGE_VALF},
		{-DBL_MAX, -HUGE_VALF},
	};
	float singles[2] = {0};
	const struct loss_tensor tensor = {.dtype = LOSS_F32, .data = singles};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		tensor_put(&tensor, 1, rows[i].value);
		assert_true(singles[1] == rows[i].rounded);
		assert_true(singles[0] == 0.0f);
	}
	tensor_put(&tensor, 1, (double)NAN);
	assert_true(isnan(singles[1]));
	double doubles[2] = {0};
	const struct loss_tensor wide = {.dtype = LOSS_F64, .data = doubles};
	tensor_put(&wide, 1, 0x1.0000000000001p-1030);
	assert_true(doubles[1] == 0x1.0000000000001p-1030);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_of_dtypes),
		cmocka_unit_test(dtypes_that_are_none),
		cmocka_unit_test(masks_of_dtypes),
		cmocka_unit_test(a_mask_is_cut_where_its_text_does_not_fit),
		cmocka_unit_test(counts),
		cmocka_unit_test(shapes_as_text),
		cmocka_unit_test(a_shape_is_cut_where_its_text_does_not_fit),
		cmocka_unit_test(sameness_of_shapes),
		cmocka_unit_test(class_indices_of_every_dtype),
		cmocka_unit_test(numbers_are_read_exactly),
		cmocka_unit_test(narrow_numbers_are_read_and_written_as_their_type),
		cmocka_unit_test(floats_outside_a_tensor),
		cmocka_unit_test(numbers_are_rounded_once_to_nearest_even),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
