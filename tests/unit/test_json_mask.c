/* Masks in JSON bodies: booleans in nested arrays, alone and in the typed form. Every body is read
 * whole, byte by byte and in random pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "../support/decoded.h"
#include "status/status.h"

#define BCE "binary_cross_entropy_with_logits"
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void test_accepted(void **state)
{
	(void)state;
	static const struct {
		const char *loss, *body, *text;
	} cases[] = {
		{NULL, "{\"mask\":[true,false,true]}", "mask BOOL (3): 1 0 1\n"},
		{NULL, "{\"mask\":[ true , 0,1 ,-0, false\n]}", "mask BOOL (5): 1 0 1 0 0\n"},
		{NULL, "{\"mask\":[[true,false],[1,0],[false,1]]}",
		 "mask BOOL (3, 2): 1 0 1 0 0 1\n"},
		{BCE, "{\"mask\":[[[[[[[[true]]]]]]]]}", "mask BOOL (1, 1, 1, 1, 1, 1, 1, 1): 1\n"},
		{BCE, "{\"mask\":true}", "mask BOOL (): 1\n"},
		{BCE, "{\"mask\":false}", "mask BOOL (): 0\n"},
		{BCE, "{\"mask\":1}", "mask BOOL (): 1\n"},
		{NULL, "{\"mask\":null,\"logits\":[1,2],\"targets\":0}",
		 "logits F32 (2): 1 2\ntargets I64 (): 0\n"},
		/* before the logits, after them, beside wide ones */
		{NULL, "{\"mask\":[false],\"targets\":[0],\"logits\":[[1,2]]}",
		 "logits F32 (1, 2): 1 2\ntargets I64 (1): 0\nmask BOOL (1): 0\n"},
		{"nll_loss",
		 "{\"log_probs\":{\"dtype\":\"F64\",\"shape\":[1,2],\"data\":[-1,-2]},"
		 "\"mask\":[true]}",
		 "log_probs F64 (1, 2): -1 -2\nmask BOOL (1): 1\n"},
		/* no rows */
		{NULL,
		 "{\"logits\":{\"dtype\":\"F32\",\"shape\":[0,2],\"data\":[]},\"targets\":[],"
		 "\"mask\":[],\"row_weight\":[]}",
		 "logits F32 (0, 2):\ntargets I64 (0):\nrow_weight F32 (0):\nmask BOOL (0):\n"},
		{"kl_div", "{\"mask\":[]}", "mask BOOL (0):\n"},
		/* the typed form, its members in any order */
		{NULL, "{\"mask\":{\"dtype\":\"BOOL\",\"shape\":[2,2],\"data\":[true,0,1,false]}}",
		 "mask BOOL (2, 2): 1 0 1 0\n"},
		{NULL, "{\"mask\":{\"data\":[true,0],\"shape\":[2],\"dtype\":\"BOOL\"}}",
		 "mask BOOL (2): 1 0\n"},
		{NULL, "{\"mask\":{\"dtype\":\"BOOL\",\"shape\":[],\"data\":true}}",
		 "mask BOOL (): 1\n"},
		{NULL, "{\"mask\":{\"dtype\":\"BOOL\",\"shape\":[0,3],\"data\":[]}}",
		 "mask BOOL (0, 3):\n"},
	};
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_decodes(&(struct decode_options){.loss = cases[i].loss}, cases[i].body,
			       cases[i].text);
}

static void test_elements_that_are_none(void **state)
{
	(void)state;
	static const struct decode_refused cases[] = {
		{NULL, "{\"mask\":[true,\"yes\"]}", LOSS_WRONG_TYPE, "/mask/1",
		 "mask[1] is \"yes\", but must be true, false, 0 or 1"},
		{NULL, "{\"mask\":[[true],[null]]}", LOSS_WRONG_TYPE, "/mask/1/0",
		 "mask[1][0] is null, but must be true, false, 0 or 1"},
		{NULL, "{\"mask\":[true,{\"a\":[]}]}", LOSS_WRONG_TYPE, "/mask/1",
		 "mask[1] is an object, but must be true, false, 0 or 1"},
		{NULL, "{\"mask\":\"true\"}", LOSS_WRONG_TYPE, "mask",
		 "mask is \"true\", but must be true, false, 0 or 1"},
		{NULL, "{\"mask\":[0,1,2,3]}", LOSS_DTYPE_MISMATCH, "/mask/2",
		 "mask[2] is 2, but must be true, false, 0 or 1"},
		{NULL, "{\"mask\":[[true,-1]]}", LOSS_DTYPE_MISMATCH, "/mask/0/1",
		 "mask[0][1] is -1, but must be true, false, 0 or 1"},
		{NULL, "{\"mask\":[1.0]}", LOSS_DTYPE_MISMATCH, "/mask/0",
		 "mask[0] is 1.0, but must be true, false, 0 or 1"},
		{NULL, "{\"mask\":[18446744073709551617]}", LOSS_DTYPE_MISMATCH, "/mask/0",
		 "mask[0] is 18446744073709551617, but must be true, false, 0 or 1"},
		{NULL, "{\"mask\":[true,NaN]}", LOSS_DTYPE_MISMATCH, "/mask/1",
		 "mask[1] is NaN, but must be true, false, 0 or 1"},
		{NULL, "{\"mask\":2}", LOSS_DTYPE_MISMATCH, "mask",
		 "mask is 2, but must be true, false, 0 or 1"},
		{NULL, "{\"mask\":{\"dtype\":\"BOOL\",\"shape\":[2],\"data\":[true,2]}}",
		 LOSS_DTYPE_MISMATCH, "/mask/data/1",
		 "mask.data[1] is 2, but an element of BOOL is an integer in 0..1"},
		{NULL, "{\"mask\":{\"data\":[true,2],\"dtype\":\"BOOL\",\"shape\":[2]}}",
		 LOSS_DTYPE_MISMATCH, "/mask/data/1",
		 "mask.data[1] is 2, but an element of BOOL is an integer in 0..1"},
		{NULL, "{\"mask\":{\"dtype\":\"F32\",\"shape\":[1],\"data\":[1]}}",
		 LOSS_DTYPE_MISMATCH, "mask", "mask is F32, but must be BOOL"},
		{NULL, "{\"mask\":{\"dtype\":\"U8\",\"shape\":[1],\"data\":[1]}}",
		 LOSS_DTYPE_MISMATCH, "mask", "mask is U8, but must be BOOL"},
		/* elsewhere booleans still never stand for numbers */
		{NULL, "{\"row_weight\":[1,true]}", LOSS_WRONG_TYPE, "/row_weight/1",
		 "row_weight[1] is true, but must be a number"},
		{BCE, "{\"targets\":[true,false]}", LOSS_WRONG_TYPE, "/targets/0",
		 "targets[0] is true, but must be a number"},
	};
	assert_all_refused(cases, COUNT(cases));
}

static void test_nesting(void **state)
{
	(void)state;
#define GIVEN "{\"logits\":[[1,2],[3,4]],\"targets\":[0,1],"
	static const struct decode_refused cases[] = {
		{NULL, GIVEN "\"mask\":[[true,false],[true]]}", STATUS_RAGGED_ARRAY, "/mask/1",
		 "mask[1] has length 1, but the arrays before it have length 2: nested arrays must "
		 "be of equal length"},
		{NULL, GIVEN "\"mask\":[[1,0],[1,0,1]]}", STATUS_RAGGED_ARRAY, "/mask/1/2",
		 "mask[1][2] is one entry too many, the arrays before it have length 2: nested "
		 "arrays must be of equal length"},
		{NULL, GIVEN "\"mask\":[[true],false]}", STATUS_RAGGED_ARRAY, "/mask/1",
		 "mask[1] is a boolean, but stands where arrays were before: nested arrays must be "
		 "equally deep"},
		{NULL, GIVEN "\"mask\":[true,[true]]}", STATUS_RAGGED_ARRAY, "/mask/1",
		 "mask[1] is an array, but stands where booleans were before: nested arrays must "
		 "be equally deep"},
		{NULL, GIVEN "\"mask\":[[]]}", LOSS_SHAPE_MISMATCH, "/mask/0",
		 "mask[0] is an empty array, whose other dimensions nobody can tell: write a "
		 "zero-sized tensor as {\"dtype\": \"BOOL\", \"shape\": [...], \"data\": []}"},
	};
	assert_all_refused(cases, COUNT(cases));
}

static void test_syntax(void **state)
{
	(void)state;
	static const struct decode_refused cases[] = {
		{NULL, "{\"mask\":[true,fals]}", STATUS_INVALID_JSON, "",
		 "line 1, column 19: found ']', but false is expected"},
		{NULL, "{\"mask\":[true", STATUS_TRUNCATED_BODY, "",
		 "line 1, column 14: the body ends here, but ',' or ']' is expected"},
		{NULL, "{\"mask\":[True]}", STATUS_INVALID_JSON, "",
		 "line 1, column 10: found 'T', but true is written in small letters"},
		{NULL, "{\"mask\":[true],\"mask\":null}", LOSS_DUPLICATE_FIELD, "mask",
		 "mask is given twice; give it once"},
	};
	assert_all_refused(cases, COUNT(cases));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepted),
		cmocka_unit_test(test_elements_that_are_none),
		cmocka_unit_test(test_nesting),
		cmocka_unit_test(test_syntax),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
