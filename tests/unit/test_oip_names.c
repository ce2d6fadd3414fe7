/* The protocol's names of element types, both ways. */
#include "codec/oip/oip_names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	loss_dtype dtype;
	const char *name;
} table[] = {
	{LOSS_F64, "FP64"},   {LOSS_F32, "FP32"},   {LOSS_F16, "FP16"},   {LOSS_BF16, "BF16"},
	{LOSS_I64, "INT64"},  {LOSS_I32, "INT32"},  {LOSS_I16, "INT16"},  {LOSS_I8, "INT8"},
	{LOSS_U64, "UINT64"}, {LOSS_U32, "UINT32"}, {LOSS_U16, "UINT16"}, {LOSS_U8, "UINT8"},
	{LOSS_BOOL, "BOOL"},
};
#define N_NAMES (sizeof table / sizeof *table)

static void each_type_has_its_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_NAMES; i++) {
		assert_string_equal(oip_name(table[i].dtype), table[i].name);
		assert_int_equal(oip_find(table[i].name, strlen(table[i].name)), table[i].dtype);
	}
}

static void the_small_floats_have_none(void **state)
{
	(void)state;
	size_t named = 0;
	for (int dtype = 0; dtype < LOSS_N_DTYPES; dtype++)
		named += oip_name((loss_dtype)dtype) != NULL;
	assert_int_equal(named, N_NAMES);
	assert_null(oip_name(LOSS_F8_E4M3));
	assert_null(oip_name(LOSS_F8_E5M2));
	assert_null(oip_name(LOSS_N_DTYPES));
}

static void other_names_are_none(void **state)
{
	(void)state;
	static const char *const names[] = {"",      "F32",  "fp32",    "FP3",  "FP321",
					    "BYTES", "FP8",  "FLOAT32", "INT",  "TYPE_FP32",
					    "UINT",  "bool", "FP32 ",   "INT6", "F8_E4M3"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		assert_int_equal(oip_find(names[i], strlen(names[i])), LOSS_N_DTYPES);
	/* Only n bytes count. */
	assert_int_equal(oip_find("FP32,", 4), LOSS_F32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_type_has_its_name),
		cmocka_unit_test(the_small_floats_have_none),
		cmocka_unit_test(other_names_are_none),
	};
	return cmocka_run_group_tests_name("oip names", tests, NULL, NULL);
}
