/* Headers of NumPy's arrays: what is read of them, and what is said of those that are wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../server/codec/numpy/npy.h"
#include "../support/memory.h"
#include "status/status.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define DICT(descr, order, shape)                                                                  \
	"{'descr': " descr ", 'fortran_order': " order ", 'shape': " shape ", }"

static const struct decoder_limits limits = {
	.max_elements = UINT64_C(1) << 40, .max_rank = 8, .of_eval = true};

/* Out of memory that ends where the header does. */
static loss_status read_dict(const char *dict, unsigned version, struct npy *npy,
			     struct loss_error *err)
{
	size_t n = strlen(dict), size = (version == 1 ? 10u : 12u) + n;
	unsigned char *bytes = test_malloc(size);
	memcpy(bytes, "\x93NUMPY", 6);
	bytes[6] = (unsigned char)version;
	bytes[7] = 0;
	for (size_t i = 8; i < size - n; i++)
		bytes[i] = (unsigned char)(n >> 8 * (i - 8));
	memcpy(bytes + size - n, dict, n);
	loss_status status = npy_read(npy, bytes, size, "logits", "a.npy", &limits, err);
	test_free(bytes);
	return status;
}

static void test_good(void **state)
{
	(void)state;
	static const struct {
		const char *dict, *shape;
		loss_dtype dtype;
		size_t swapped;
	} cases[] = {
		{DICT("'<f4'", "False", "(2, 3)"), "(2, 3)", LOSS_F32, 1},
		{DICT("'>f8'", "False", "(2, 3)") "   \n", "(2, 3)", LOSS_F64, 8},
		{DICT("'>u1'", "False", "()"), "()", LOSS_U8, 1},
		{DICT("'=i2'", "True", "(5,)"), "(5)", LOSS_I16, 1},
		{DICT("'|b1'", "False", "(0, 4)"), "(0, 4)", LOSS_BOOL, 1},
		{DICT("\"<f2\"", "False", "(1,1,1,1,1,1,1,1)"), "(1, 1, 1, 1, 1, 1, 1, 1)",
		 LOSS_F16, 1},
		{"{'shape':(7L, 2L),'fortran_order':False,'descr':'<i8'}", "(7, 2)", LOSS_I64, 1},
		{DICT("'<f4'", "False", "(1099511627776,)"), "(1099511627776)", LOSS_F32, 1},
	};
	for (size_t i = 0; i < COUNT(cases) * 3; i++) {
		struct npy npy;
		struct loss_error err = {.detail = ""};
		char shape[64];
		if (read_dict(cases[i / 3].dict, (unsigned)(i % 3) + 1, &npy, &err) != LOSS_OK)
			fail_msg("%s: %s", cases[i / 3].dict, err.detail);
		loss_tensor_format_shape(&npy.tensor, shape, sizeof shape);
		assert_string_equal(shape, cases[i / 3].shape);
		assert_int_equal(npy.tensor.dtype, cases[i / 3].dtype);
		assert_int_equal(npy.swapped, cases[i / 3].swapped);
		assert_int_equal(npy.header_bytes,
				 strlen(cases[i / 3].dict) + (i % 3 == 0 ? 10 : 12));
		assert_int_equal(npy.bytes,
				 npy.tensor.count * loss_dtype_info(npy.tensor.dtype)->size);
	}
}

static void test_wrong(void **state)
{
	(void)state;
	static const struct {
		const char *dict;
		loss_status status;
		const char *words;
	} cases[] = {
		{"", STATUS_INVALID_ENCODING, "\"\" where { is expected"},
		{"{}", STATUS_INVALID_ENCODING, "all of 'descr', 'fortran_order' and 'shape'"},
		{"{'descr'", STATUS_INVALID_ENCODING, "with a colon is expected"},
		{"{'descr': '<f4", STATUS_INVALID_ENCODING, "a dtype such as '<f4' is expected"},
		{"{'descr': '<f4', 'descr': '<f4'}", STATUS_INVALID_ENCODING,
		 "each once, is expected"},
		{"{'order': 1}", STATUS_INVALID_ENCODING, "\"'order': 1}\" where 'descr'"},
		{DICT("'<f4'", "False", "(2, 3)") " more", STATUS_INVALID_ENCODING,
		 "\"more\" where nothing more is expected"},
		{DICT("'<f4'", "0", "(2, 3)"), STATUS_INVALID_ENCODING,
		 "True or False is expected"},
		{DICT("'<f4'", "False", "[2, 3]"), STATUS_INVALID_ENCODING,
		 "a tuple such as (2, 3)"},
		{DICT("'<f4'", "False", "(2 3)"), STATUS_INVALID_ENCODING,
		 "a comma or ) is expected"},
		{DICT("'<f4'", "False", "(-2,)"), STATUS_INVALID_ENCODING,
		 "a dimension, a whole number"},
		{DICT("'<f4'", "False", "(2.5,)"), STATUS_INVALID_ENCODING,
		 "a dimension, a whole number"},
		{"{'shape': (2", STATUS_INVALID_ENCODING, "a dimension, a whole number"},
		{DICT("'<f4'", "True", "(2, 3)"), STATUS_INVALID_ENCODING,
		 "numpy.ascontiguousarray of it"},
		{DICT("[('a', '<f4')]", "False", "(2,)"), STATUS_INVALID_ENCODING, "not of fields"},
		{DICT("'<V2'", "False", "(2,)"), LOSS_DTYPE_MISMATCH,
		 "know no bfloat16 and float8"},
		{DICT("'|O'", "False", "(2,)"), LOSS_DTYPE_MISMATCH, "Python's objects, pickled"},
		{DICT("'<f3'", "False", "(2,)"), LOSS_DTYPE_MISMATCH,
		 "is \"<f3\": its elements must"},
		{DICT("'<U12'", "False", "(2,)"), LOSS_DTYPE_MISMATCH, "is \"<U12\": its elements"},
		{DICT("'<f4'", "False", "(1099511627777,)"), STATUS_TOO_MANY_ELEMENTS,
		 "more than 1099511627776 elements (max_elements), which is lossd eval's limit"},
		{DICT("'<f4'", "False", "(4294967296, 4294967296, 4294967296)"),
		 STATUS_TOO_MANY_ELEMENTS, "elements"},
		{DICT("'<f4'", "False", "(99999999999999999999999,)"), STATUS_TOO_MANY_ELEMENTS,
		 "elements"},
		{DICT("'<f4'", "False", "(0, 1048577)"), STATUS_TOO_MANY_ELEMENTS,
		 "zero dimension"},
		{DICT("'<f4'", "False", "(1,1,1,1,1,1,1,1,1)"), STATUS_TOO_MANY_ELEMENTS,
		 "more than 8 dimensions (max_rank)"},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct npy npy;
		struct loss_error err = {.detail = ""};
		loss_status status = read_dict(cases[i].dict, 1, &npy, &err);
		if (status != cases[i].status || !strstr(err.detail, cases[i].words))
			fail_msg("%s: %s: %s", cases[i].dict, status_words(status)->code,
				 err.detail);
	}
}

/* What stands before the dict. */
static void test_wrong_beginnings(void **state)
{
	(void)state;
	static const struct {
		const char *bytes;
		size_t n;
		const char *words;
	} cases[] = {
		{"", 0, "does not begin as a NumPy array"},
		{"\x93NUMPY\1", 7, "does not begin as a NumPy array"},
		{"\x93NUMPY\1\0", 8, "ends after 8 bytes, within the header"},
		{"\x93NUMPY\1\0\5\0{}", 12, "ends after 12 bytes, within the header"},
		{"\x93NUMPY\0\0\5\0{}", 12, "is of version 0 of NumPy's format; 1, 2 and 3 are"},
		{"\x93NUMPY\4\0\5\0{}", 12, "is of version 4 of NumPy's format"},
		{"\x93NUMPY\2\0\0\0\1\0", 12, "has 65536 bytes, but at most 65535 are read"},
		{"\x93NUMPY\2\0\xff\xff\xff\xff", 12, "has 4294967295 bytes, but at most 65535"},
		{"\x93NUMPY\2\0\xff\xff\0\0", 12, "ends after 12 bytes, within the header"},
		{"{\"logits\": []}", 14, "this looks like JSON"},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct npy npy;
		struct loss_error err = {.detail = ""};
		unsigned char *bytes = test_malloc(cases[i].n + 1);
		memcpy(bytes, cases[i].bytes, cases[i].n);
		loss_status status =
			npy_read(&npy, bytes, cases[i].n, "logits", "a.npy", &limits, &err);
		test_free(bytes);
		if (status == LOSS_OK || !strstr(err.detail, cases[i].words))
			fail_msg("case %zu: %s", i, err.detail);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_wrong_beginnings),
	};
	return cmocka_run_group_tests_name("npy", tests, NULL, NULL);
}
