/* Tensors of JSON bodies: both forms, every dtype, every fault. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <string.h>

#include "../support/decoded.h"
#include "../support/random.h"
#include "status/status.h"

#define BCE "binary_cross_entropy_with_logits"
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void test_nested(void **state)
{
	(void)state;
	static const struct decode_accepted cases[] = {
		{NULL, "{\"logits\":[[1,2.5,-3e-1],[4,5,6]],\"targets\":[0,2]}",
		 "logits F32 (2, 3): 1 2.5 -0.300000012 4 5 6\ntargets I64 (2): 0 2\n"},
		{NULL, "{\"targets\":[0,2],\"logits\":[[1,2],[3,4]]}",
		 "logits F32 (2, 2): 1 2 3 4\ntargets I64 (2): 0 2\n"},
		{NULL, "{ \"logits\" : [ 1 , 2 ] , \"targets\" : 1 }",
		 "logits F32 (2): 1 2\ntargets I64 (): 1\n"},
		{NULL, "{\"logits\":[[[1,\n2],[3,4]],[[5,6],[7,8]],[[9,10],[11,12]]]}",
		 "logits F32 (3, 2, 2): 1 2 3 4 5 6 7 8 9 10 11 12\n"},
		{NULL, "{\"logits\":[[[[[[[[1,2]]]]]]]]}",
		 "logits F32 (1, 1, 1, 1, 1, 1, 1, 2): 1 2\n"},
		{NULL, "{\"logits\":7}", "logits F32 (): 7\n"},
		{NULL, "{\"logits\":-Infinity}", "logits F32 (): -inf\n"},
		{NULL, "{\"logits\":\"NaN\"}", "logits F32 (): nan\n"},
		{NULL, "{\"logits\":[[NaN,Infinity],[-Infinity,\"-Infinity\"],[\"Infinity\",-0]]}",
		 "logits F32 (3, 2): nan inf -inf -inf inf -0\n"},
		{NULL, "{\"logits\":[1e400,-1e39,1e-50]}", "logits F32 (3): inf -inf 0\n"},
		/* one rounding to double, one to float: the double is a tie, to even */
		{NULL, "{\"logits\":[1.00000005960464477540,16777217,9007199791611905]}",
		 "logits F32 (3): 1 16777216 9.00719925e+15\n"},
		{NULL, "{\"logits\":[1],\"targets\":[]}", "logits F32 (1): 1\ntargets I64 (0):\n"},
		{NULL, "{}", ""},
		{NULL, "{\"logits\":[1],\"weight\":null,\"targets\":null}", "logits F32 (1): 1\n"},
		{NULL, "{\"weight\":[1,2.5],\"grad_output\":3,\"logits\":[1,2]}",
		 "logits F32 (2): 1 2\nweight F32 (2): 1 2.5\ngrad_output F32 (): 3\n"},
		{NULL, "{\"\\u006cogits\":[1]}", "logits F32 (1): 1\n"},
	};
	assert_all_decode(cases, COUNT(cases));
}

static void test_targets_by_shape(void **state)
{
	(void)state;
	static const struct decode_accepted cases[] = {
		{NULL, "{\"targets\":[[0,1],[1,0]],\"logits\":[[1,2],[3,4]]}",
		 "logits F32 (2, 2): 1 2 3 4\ntargets F32 (2, 2): 0 1 1 0\n"},
		{NULL, "{\"targets\":[0.25,-0],\"logits\":[1,2]}",
		 "logits F32 (2): 1 2\ntargets F32 (2): 0.25 -0\n"},
		{NULL, "{\"targets\":[-0,1e0,16777217],\"logits\":[1,2,3]}",
		 "logits F32 (3): 1 2 3\ntargets F32 (3): -0 1 16777216\n"},
		{NULL, "{\"targets\":[18446744073709551615,0,1],\"logits\":[1,2,3]}",
		 "logits F32 (3): 1 2 3\ntargets F32 (3): 1.84467441e+19 0 1\n"},
		{NULL,
		 "{\"targets\":[-1,18446744073709551615,99999999999999999999],\"logits\":[1,2,3]}",
		 "logits F32 (3): 1 2 3\ntargets F32 (3): -1 1.84467441e+19 1.00000002e+20\n"},
		{NULL,
		 "{\"targets\":[-9223372036854775808,9223372036854775807,9007199254740993],"
		 "\"logits\":[[1],[2],[3]]}",
		 "logits F32 (3, 1): 1 2 3\ntargets I64 (3): -9223372036854775808 "
		 "9223372036854775807 9007199254740993\n"},
		{NULL,
		 "{\"targets\":[9223372036854775808,18446744073709551615],\"logits\":[[1],[2]]}",
		 "logits F32 (2, 1): 1 2\ntargets U64 (2): 9223372036854775808 "
		 "18446744073709551615\n"},
		{NULL, "{\"targets\":[5,-0,-3],\"logits\":[[1],[2],[3]]}",
		 "logits F32 (3, 1): 1 2 3\ntargets I64 (3): 5 0 -3\n"},
		/* exact after what is stored as a double, too */
		{NULL, "{\"targets\":[-0,9007199254740993,-3],\"logits\":[[1],[2],[3]]}",
		 "logits F32 (3, 1): 1 2 3\ntargets I64 (3): 0 9007199254740993 -3\n"},
		{NULL,
		 "{\"targets\":{\"data\":[-0,9007199254740993],\"dtype\":\"I64\",\"shape\":[2]},"
		 "\"logits\":[[1],[2]]}",
		 "logits F32 (2, 1): 1 2\ntargets I64 (2): 0 9007199254740993\n"},
		{NULL, "{\"targets\":[18446744073709551615,-3],\"logits\":[[1],[2]]}",
		 "logits F32 (2, 1): 1 2\ntargets I64 (2): -1 -3\n"},
		/* nll_loss knows no probabilities, binary cross entropy no class indices */
		{"nll_loss", "{\"targets\":[0,1],\"log_probs\":[1,2]}",
		 "log_probs F32 (2): 1 2\ntargets I64 (2): 0 1\n"},
		{BCE, "{\"targets\":[[0],[1]],\"logits\":[1,2],\"pos_weight\":2}",
		 "logits F32 (2): 1 2\ntargets F32 (2, 1): 0 1\npos_weight F32 (): 2\n"},
		{BCE, "{\"targets\":[],\"logits\":{\"dtype\":\"F32\",\"shape\":[0],\"data\":[]}}",
		 "logits F32 (0):\ntargets F32 (0):\n"},
	};
	assert_all_decode(cases, COUNT(cases));
}

static void test_f64_input(void **state)
{
	(void)state;
	static const char typed[] =
		"\"logits\":{\"shape\":[2],\"dtype\":\"F64\",\"data\":[0.1,0.2]}";
	char body[300];
	strcpy(body, "{\"targets\":[0.3,9007199254740993],\"weight\":[0.1,1],");
	strcat(strcat(body, typed), ",\"grad_output\":0.7}");
	assert_decodes(&(struct decode_options){0}, body,
		       "logits F64 (2): 0.10000000000000001 0.20000000000000001\n"
		       "targets F64 (2): 0.29999999999999999 9007199254740992\n"
		       "weight F64 (2): 0.10000000000000001 1\n"
		       "grad_output F64 (): 0.69999999999999996\n");
}

static void test_typed(void **state)
{
	(void)state;
	static const struct decode_accepted cases[] = {
		{NULL, "{\"logits\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data\":[0.5,\"NaN\"]}}",
		 "logits F32 (2, 1): 0.5 nan\n"},
		{NULL,
		 "{\"logits\":{\"data\":[1,0.5,NaN,-Infinity],\"shape\":[4],\"dtype\":\"F32\"}}",
		 "logits F32 (4): 1 0.5 nan -inf\n"},
		{NULL, "{\"logits\":{\"data\":[1,2],\"dtype\":\"F64\",\"shape\":[1,2]}}",
		 "logits F64 (1, 2): 1 2\n"},
		{NULL, "{\"logits\":{\"dtype\":\"F64\",\"shape\":[],\"data\":[0.1]}}",
		 "logits F64 (): 0.10000000000000001\n"},
		{NULL, "{\"logits\":{\"dtype\":\"F64\",\"shape\":[],\"data\":0.1}}",
		 "logits F64 (): 0.10000000000000001\n"},
		{NULL, "{\"logits\":{\"data\":3,\"dtype\":\"F32\",\"shape\":[]}}",
		 "logits F32 (): 3\n"},
		{NULL,
		 "{\"logits\":{\"dtype\":\"F16\",\"shape\":[6],"
		 "\"data\":[0.1,65519,65520,-1e-8,\"NaN\",-Infinity]}}",
		 "logits F16 (6): 0.0999755859 65504 inf -0 nan -inf\n"},
		{NULL, "{\"logits\":{\"data\":[0.1,-1e39,7],\"shape\":[3],\"dtype\":\"BF16\"}}",
		 "logits BF16 (3): 0.100097656 -inf 7\n"},
		{NULL,
		 "{\"logits\":{\"dtype\":\"F8_E4M3\",\"shape\":[5],"
		 "\"data\":[0.1,464,464.01,Infinity,-1e-3]}}",
		 "logits F8_E4M3 (5): 0.1015625 448 nan nan -0.001953125\n"},
		{NULL,
		 "{\"logits\":{\"data\":[0.1,61439,61440,2],\"shape\":[2,2],"
		 "\"dtype\":\"F8_E5M2\"}}",
		 "logits F8_E5M2 (2, 2): 0.09375 57344 inf 2\n"},
		{NULL,
		 "{\"logits\":{\"dtype\":\"F16\",\"shape\":[2],\"data\":[1,2]},"
		 "\"targets\":{\"dtype\":\"F8_E4M3\",\"shape\":[2],\"data\":[0.3,0.7]},"
		 "\"weight\":{\"dtype\":\"BF16\",\"shape\":[2],\"data\":[0.3,1]},"
		 "\"grad_output\":[0.1]}",
		 "logits F16 (2): 1 2\ntargets F8_E4M3 (2): 0.3125 0.6875\n"
		 "weight BF16 (2): 0.30078125 1\ngrad_output F32 (1): 0.100000001\n"},
		{NULL, "{\"logits\":{\"dtype\":\"F32\",\"shape\":[3,0,2],\"data\":[]}}",
		 "logits F32 (3, 0, 2):\n"},
		{NULL, "{\"targets\":{\"dtype\":\"U8\",\"shape\":[3],\"data\":[0,255,-0]}}",
		 "targets U8 (3): 0 255 0\n"},
		{NULL, "{\"targets\":{\"data\":[0,255,-0],\"dtype\":\"U8\",\"shape\":[3]}}",
		 "targets U8 (3): 0 255 0\n"},
		{NULL, "{\"targets\":{\"data\":[-128,127],\"dtype\":\"I8\",\"shape\":[2]}}",
		 "targets I8 (2): -128 127\n"},
		{NULL, "{\"targets\":{\"dtype\":\"I16\",\"shape\":[2],\"data\":[-32768,32767]}}",
		 "targets I16 (2): -32768 32767\n"},
		{NULL, "{\"targets\":{\"data\":[65535],\"dtype\":\"U16\",\"shape\":[1]}}",
		 "targets U16 (1): 65535\n"},
		{NULL,
		 "{\"targets\":{\"dtype\":\"I32\",\"shape\":[2],\"data\":[-2147483648,2147483647]}"
		 "}",
		 "targets I32 (2): -2147483648 2147483647\n"},
		{NULL, "{\"targets\":{\"data\":[4294967295],\"dtype\":\"U32\",\"shape\":[1]}}",
		 "targets U32 (1): 4294967295\n"},
		{NULL,
		 "{\"targets\":{\"dtype\":\"I64\",\"shape\":[2],\"data\":[-9223372036854775808,"
		 "9223372036854775807]}}",
		 "targets I64 (2): -9223372036854775808 9223372036854775807\n"},
		{NULL,
		 "{\"targets\":{\"data\":[-9223372036854775808,9007199254740993],\"dtype\":\"I64\","
		 "\"shape\":[2]}}",
		 "targets I64 (2): -9223372036854775808 9007199254740993\n"},
		{NULL,
		 "{\"targets\":{\"data\":[1,18446744073709551615],\"dtype\":\"U64\",\"shape\":[2]}"
		 "}",
		 "targets U64 (2): 1 18446744073709551615\n"},
		{NULL,
		 "{\"targets\":{\"dtype\":\"U64\",\"data\":[1,18446744073709551615],\"shape\":[2]}"
		 "}",
		 "targets U64 (2): 1 18446744073709551615\n"},
		{BCE, "{\"targets\":{\"dtype\":\"BOOL\",\"data\":[true,false,1,0],\"shape\":[4]}}",
		 "targets BOOL (4): 1 0 1 0\n"},
		{BCE, "{\"targets\":{\"data\":[1,true,false],\"shape\":[3],\"dtype\":\"BOOL\"}}",
		 "targets BOOL (3): 1 1 0\n"},
		{BCE, "{\"targets\":{\"data\":false,\"shape\":[],\"dtype\":\"BOOL\"}}",
		 "targets BOOL (): 0\n"},
	};
	assert_all_decode(cases, COUNT(cases));
}

#define EQUAL_LENGTH "nested arrays must be of equal length"
#define EQUALLY_DEEP "nested arrays must be equally deep"
#define EMPTY                                                                                      \
	"is an empty array, whose other dimensions nobody can tell: write a zero-sized tensor as " \
	"{\"dtype\": \"F32\", \"shape\": [...], \"data\": []}"

static void test_nested_faults(void **state)
{
	(void)state;
	static const struct decode_refused cases[] = {
		{NULL, "{\"logits\":[[1,2],[3]],\"targets\":[0,0]}", STATUS_RAGGED_ARRAY,
		 "/logits/1",
		 "logits[1] has length 1, but the arrays before it have length 2: " EQUAL_LENGTH},
		{NULL, "{\"logits\":[[1,2],[3,4,5]],\"targets\":[0,0]}", STATUS_RAGGED_ARRAY,
		 "/logits/1/2",
		 "logits[1][2] is one entry too many, the arrays before it have length "
		 "2: " EQUAL_LENGTH},
		{NULL, "{\"logits\":[[[1],[2]],[[3]]],\"targets\":[0,0]}", STATUS_RAGGED_ARRAY,
		 "/logits/1",
		 "logits[1] has length 1, but the arrays before it have length 2: " EQUAL_LENGTH},
		{NULL, "{\"logits\":[[1,2],3],\"targets\":[0,0]}", STATUS_RAGGED_ARRAY, "/logits/1",
		 "logits[1] is a number, but stands where arrays were before: " EQUALLY_DEEP},
		{NULL, "{\"logits\":[1,2,[3]],\"targets\":[0,0]}", STATUS_RAGGED_ARRAY, "/logits/2",
		 "logits[2] is an array, but stands where numbers were before: " EQUALLY_DEEP},
		{NULL, "{\"logits\":[[1,2],[]],\"targets\":[0,0]}", STATUS_RAGGED_ARRAY,
		 "/logits/1",
		 "logits[1] has length 0, but the arrays before it have length 2: " EQUAL_LENGTH},
		{NULL, "{\"logits\":[[1,2],[3,4],[5,6,7]],\"targets\":0.5}", STATUS_RAGGED_ARRAY,
		 "/logits/2/2",
		 "logits[2][2] is one entry too many, the arrays before it have length "
		 "2: " EQUAL_LENGTH},
		{NULL, "{\"logits\":[],\"targets\":[]}", LOSS_SHAPE_MISMATCH, "logits",
		 "logits " EMPTY},
		{NULL, "{\"targets\":[[]],\"logits\":[1]}", LOSS_SHAPE_MISMATCH, "/targets/0",
		 "targets[0] " EMPTY},
		{NULL, "{\"logits\":[[[],[]]],\"targets\":[0]}", LOSS_SHAPE_MISMATCH, "/logits/0/0",
		 "logits[0][0] " EMPTY},
		{NULL, "{\"logits\":[[1,true]]}", LOSS_WRONG_TYPE, "/logits/0/1",
		 "logits[0][1] is true, but must be a number"},
		{NULL, "{\"logits\":[[1,null]]}", LOSS_WRONG_TYPE, "/logits/0/1",
		 "logits[0][1] is null, but must be a number; what is not a number is written NaN "
		 "or \"NaN\""},
		{NULL, "{\"logits\":[[1,\"nan\"]]}", LOSS_WRONG_TYPE, "/logits/0/1",
		 "logits[0][1] is \"nan\", but must be a number; it is written NaN or \"NaN\""},
		{NULL, "{\"logits\":[[1,{\"a\":[1,{}]},3]]}", LOSS_WRONG_TYPE, "/logits/0/1",
		 "logits[0][1] is an object, but must be a number"},
		{NULL, "{\"logits\":true}", LOSS_WRONG_TYPE, "logits",
		 "logits is true, but must be a number"},
		{NULL, "{\"logits\":\"a\"}", LOSS_WRONG_TYPE, "logits",
		 "logits is \"a\", but must be a number"},
		/* types go before shapes, wherever they stand */
		{NULL, "{\"logits\":[[1,2],[3],[4,false]]}", LOSS_WRONG_TYPE, "/logits/2/1",
		 "logits[2][1] is false, but must be a number"},
		{NULL, "{\"logits\":[[],[1,[2,false]]]}", LOSS_WRONG_TYPE, "/logits/1/1/1",
		 "logits[1][1][1] is false, but must be a number"},
		/* and so do missing tensors */
		{NULL, "{\"logits\":[[1,2],[3]]}", LOSS_MISSING_FIELD, "targets",
		 "targets is missing, but cross_entropy needs it"},
		{NULL, "{\"targets\":null,\"logits\":[]}", LOSS_MISSING_FIELD, "targets",
		 "targets is null, but cross_entropy needs it"},
	};
	assert_all_refused(cases, COUNT(cases));
}

static void test_class_index_faults(void **state)
{
	(void)state;
	static const struct decode_refused cases[] = {
		{NULL, "{\"logits\":[[1,2],[3,4]],\"targets\":[0,1.0]}", LOSS_DTYPE_MISMATCH,
		 "/targets/1",
		 "targets[1] is 1.0, but class indices are written as integers; probabilities have "
		 "the shape of the first tensor, (2, 2), not (2)"},
		{NULL, "{\"targets\":[[[0,1e0]]],\"logits\":[[[[1]],[[2]]]]}", LOSS_DTYPE_MISMATCH,
		 "/targets/0/0/1",
		 "targets[0][0][1] is 1e0, but class indices are written as integers; "
		 "probabilities "
		 "have the shape of the first tensor, (1, 2, 1, 1), not (1, 1, 2)"},
		{"nll_loss", "{\"targets\":NaN,\"log_probs\":[1]}", LOSS_DTYPE_MISMATCH, "targets",
		 "targets is NaN, but class indices are written as integers"},
		{NULL, "{\"targets\":[0.5]}", LOSS_MISSING_FIELD, "logits",
		 "cross_entropy needs logits, shape (C), (N, C) or (N, C, d1..d6); with class_axis "
		 "-1, C is last"},
		{NULL, "{\"logits\":[[1,2],[3,4]],\"targets\":[1,2]}", LOSS_TARGET_OUT_OF_BOUNDS,
		 "/targets/1", "targets[1] is 2, but there are 2 classes (0..1)"},
		{NULL,
		 "{\"logits\":[[1,2],[3,4]],\"targets\":{\"dtype\":\"I8\",\"shape\":[2],\"data\":["
		 "1,"
		 "2]}}",
		 LOSS_TARGET_OUT_OF_BOUNDS, "/targets/data/1",
		 "targets[1] is 2, but there are 2 classes (0..1)"},
		/* beyond 64 bits: exact digits, in the order of the text, after everything else */
		{NULL, "{\"logits\":[[1,2],[3,4]],\"targets\":[-100,18446744073709551616]}",
		 LOSS_TARGET_OUT_OF_BOUNDS, "/targets/1",
		 "targets[1] is 18446744073709551616, but there are 2 classes (0..1)"},
		{NULL, "{\"logits\":[[1,2],[3,4]],\"targets\":[0,-99999999999999999999]}",
		 LOSS_TARGET_OUT_OF_BOUNDS, "/targets/1",
		 "targets[1] is -99999999999999999999, but there are 2 classes (0..1)"},
		{NULL, "{\"logits\":[[1,2],[3,4]],\"targets\":[-100,9223372036854775808]}",
		 LOSS_TARGET_OUT_OF_BOUNDS, "/targets/1",
		 "targets[1] is 9223372036854775808, but there are 2 classes (0..1)"},
		{NULL, "{\"logits\":[[1,2],[3,4]],\"targets\":[7,18446744073709551616]}",
		 LOSS_TARGET_OUT_OF_BOUNDS, "/targets/0",
		 "targets[0] is 7, but there are 2 classes (0..1)"},
		{NULL, "{\"logits\":[[1,2],[3,4]],\"targets\":[1,18446744073709551615]}",
		 LOSS_TARGET_OUT_OF_BOUNDS, "/targets/1",
		 "targets[1] is 18446744073709551615, but there are 2 classes (0..1)"},
		{NULL,
		 "{\"logits\":[[1,2],[3,4]],\"targets\":[0,99999999999999999999],\"ignore_index\":"
		 "9223372036854775807}",
		 LOSS_TARGET_OUT_OF_BOUNDS, "/targets/1",
		 "targets[1] is 99999999999999999999, but there are 2 classes (0..1)"},
		/* the first that the mask leaves */
		{NULL,
		 "{\"logits\":[[1,2],[3,4]],\"targets\":[18446744073709551616,"
		 "18446744073709551617],\"mask\":[false,true]}",
		 LOSS_TARGET_OUT_OF_BOUNDS, "/targets/1",
		 "targets[1] is 18446744073709551617, but there are 2 classes (0..1)"},
		/* also where others are below 0, which fit no U64 */
		{NULL,
		 "{\"logits\":[[1,2],[3,4]],\"targets\":[18446744073709551615,-3],"
		 "\"mask\":[false,true]}",
		 LOSS_TARGET_OUT_OF_BOUNDS, "/targets/1",
		 "targets[1] is -3, but there are 2 classes (0..1); ignore_index=-3 leaves such "
		 "rows out"},
		{NULL, "{\"logits\":[[1,2],[3,4]],\"targets\":[18446744073709551615,-3]}",
		 LOSS_TARGET_OUT_OF_BOUNDS, "/targets/0",
		 "targets[0] is 18446744073709551615, but there are 2 classes (0..1)"},
		{NULL,
		 "{\"logits\":[[1,2],[3,4]],\"targets\":[0,99999999999999999999],\"label_"
		 "smoothing\":"
		 "7}",
		 LOSS_ARGUMENT_OUT_OF_RANGE, "label_smoothing",
		 "label_smoothing is 7, but must be 0 to 1"},
	};
	assert_all_refused(cases, COUNT(cases));
}

#define TYPED_HAS "a typed tensor has dtype, shape and data, or base64 in place of data"
#define FLOAT_DTYPES "F64, F32, F16, BF16, F8_E4M3, F8_E5M2"
#define ALL_DTYPES FLOAT_DTYPES ", I64, I32, I16, I8, U64, U32, U16, U8"

static void test_typed_faults(void **state)
{
	(void)state;
	static const struct decode_refused cases[] = {
		{NULL, "{\"logits\":{\"dtypee\":\"F32\",\"shape\":[1],\"data\":[1]}}",
		 LOSS_UNKNOWN_FIELD, "/logits/dtypee",
		 "logits has no member \"dtypee\": " TYPED_HAS},
		{NULL, "{\"logits\":{\"a/b~c\":{\"x\":[1,[]]},\"shape\":[1],\"data\":[1]}}",
		 LOSS_UNKNOWN_FIELD, "/logits/a~1b~0c",
		 "logits has no member \"a/b~c\": " TYPED_HAS},
		{NULL,
		 "{\"logits\":{\"dtype\":\"F32\",\"shape\":[1],\"data\":[1],\"shape\":[[2]]}}",
		 LOSS_DUPLICATE_FIELD, "/logits/shape",
		 "logits.shape is given twice; give it once"},
		{NULL, "{\"logits\":{}}", LOSS_MISSING_FIELD, "/logits/dtype",
		 "logits.dtype is missing: " TYPED_HAS},
		{NULL, "{\"logits\":{\"dtype\":\"F32\",\"data\":[1]}}", LOSS_MISSING_FIELD,
		 "/logits/shape", "logits.shape is missing: " TYPED_HAS},
		{NULL, "{\"logits\":{\"dtype\":\"F32\",\"shape\":[],\"data\":null}}",
		 LOSS_MISSING_FIELD, "/logits/data", "logits.data is missing: " TYPED_HAS},
		{NULL, "{\"targets\":{\"dtype\":\"f32\",\"shape\":[1],\"data\":[1]}}",
		 LOSS_DTYPE_MISMATCH, "/targets/dtype",
		 "targets.dtype is \"f32\", but must be one of " ALL_DTYPES},
		{NULL, "{\"logits\":{\"dtype\":\"FP16\",\"shape\":[1],\"data\":[1]}}",
		 LOSS_DTYPE_MISMATCH, "/logits/dtype",
		 "logits.dtype is \"FP16\", but must be one of " FLOAT_DTYPES},
		{NULL, "{\"logits\":{\"dtype\":[\"F32\",{}],\"shape\":[1],\"data\":[1]}}",
		 LOSS_WRONG_TYPE, "/logits/dtype",
		 "logits.dtype is an array, but must be a string such as \"F32\""},
		{NULL, "{\"logits\":{\"dtype\":1,\"shape\":[1],\"data\":[1]}}", LOSS_WRONG_TYPE,
		 "/logits/dtype", "logits.dtype is 1, but must be a string such as \"F32\""},
		{NULL, "{\"logits\":{\"dtype\":\"F32\",\"shape\":1,\"data\":[1]}}", LOSS_WRONG_TYPE,
		 "/logits/shape", "logits.shape is 1, but must be an array of integers"},
		{NULL, "{\"logits\":{\"dtype\":\"F32\",\"shape\":[1,1.0],\"data\":[1]}}",
		 LOSS_WRONG_TYPE, "/logits/shape/1",
		 "logits.shape[1] is 1.0, but must be an integer"},
		{NULL, "{\"logits\":{\"dtype\":\"F32\",\"shape\":[[1]],\"data\":[1]}}",
		 LOSS_WRONG_TYPE, "/logits/shape/0",
		 "logits.shape[0] is an array, but must be an integer"},
		{NULL, "{\"logits\":{\"dtype\":\"F32\",\"shape\":[-1],\"data\":[1]},\"targets\":0}",
		 LOSS_SHAPE_MISMATCH, "/logits/shape/0",
		 "logits.shape[0] is -1, but must be at least 0"},
		{NULL,
		 "{\"logits\":{\"dtype\":\"F32\",\"shape\":[9223372036854775808,2,0],\"data\":[]},"
		 "\"targets\":0}",
		 STATUS_TOO_MANY_ELEMENTS, "/logits/shape",
		 "logits.shape has more than 8589934592 elements (max_elements), which is the "
		 "server's limit"},
		{NULL,
		 "{\"logits\":{\"dtype\":\"F32\",\"shape\":[99999999999999999999],\"data\":[]},"
		 "\"targets\":0}",
		 STATUS_TOO_MANY_ELEMENTS, "/logits/shape",
		 "logits.shape has more than 8589934592 elements (max_elements), which is the "
		 "server's limit"},
		{NULL,
		 "{\"logits\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data\":[1]},"
		 "\"targets\":0}",
		 STATUS_TOO_MANY_ELEMENTS, "/logits/shape",
		 "logits.shape has more than 8 dimensions (max_rank), which is the server's limit"},
		{NULL, "{\"logits\":{\"dtype\":\"F32\",\"shape\":[2],\"data\":[1]},\"targets\":0}",
		 LOSS_SHAPE_MISMATCH, "/logits/data",
		 "logits.data has length 1, but the shape (2) has 2 elements"},
		{NULL, "{\"logits\":{\"data\":[1,2],\"dtype\":\"F32\",\"shape\":[]},\"targets\":0}",
		 LOSS_SHAPE_MISMATCH, "/logits/data",
		 "logits.data has length 2, but the shape () has 1 elements"},
		{NULL, "{\"logits\":{\"dtype\":\"F32\",\"shape\":[1],\"data\":1}}", LOSS_WRONG_TYPE,
		 "/logits/data",
		 "logits.data is a number, but must be a flat array, in row-major order"},
		{NULL, "{\"logits\":{\"dtype\":\"F32\",\"shape\":[1],\"data\":{\"a\":[1]}}}",
		 LOSS_WRONG_TYPE, "/logits/data",
		 "logits.data is an object, but must be a flat array, in row-major order"},
		{NULL, "{\"logits\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data\":[[1,2]]}}",
		 LOSS_WRONG_TYPE, "/logits/data/0",
		 "logits.data[0] is an array, but must be a number"},
		{NULL, "{\"logits\":{\"dtype\":\"F32\",\"shape\":[2],\"data\":[1,true]}}",
		 LOSS_WRONG_TYPE, "/logits/data/1", "logits.data[1] is true, but must be a number"},
		{NULL, "{\"logits\":{\"data\":[1,true],\"dtype\":\"F32\",\"shape\":[2]}}",
		 LOSS_WRONG_TYPE, "/logits/data/1", "logits.data[1] is true, but must be a number"},
		{BCE, "{\"targets\":{\"dtype\":\"BOOL\",\"shape\":[2],\"data\":[1,\"x\"]}}",
		 LOSS_WRONG_TYPE, "/targets/data/1",
		 "targets.data[1] is \"x\", but must be true, false, 0 or 1"},
		{NULL, "{\"targets\":{\"dtype\":\"U8\",\"shape\":[2],\"data\":[255,256]}}",
		 LOSS_DTYPE_MISMATCH, "/targets/data/1",
		 "targets.data[1] is 256, but an element of U8 is an integer in 0..255"},
		{NULL, "{\"targets\":{\"shape\":[2],\"data\":[255,-1],\"dtype\":\"U8\"}}",
		 LOSS_DTYPE_MISMATCH, "/targets/data/1",
		 "targets.data[1] is -1, but an element of U8 is an integer in 0..255"},
		{NULL, "{\"targets\":{\"shape\":[2],\"data\":[0,1.0],\"dtype\":\"I64\"}}",
		 LOSS_DTYPE_MISMATCH, "/targets/data/1",
		 "targets.data[1] is 1.0, but an element of I64 is an integer in "
		 "-9223372036854775808..9223372036854775807"},
		{NULL, "{\"targets\":{\"dtype\":\"I64\",\"shape\":[2],\"data\":[0,\"NaN\"]}}",
		 LOSS_DTYPE_MISMATCH, "/targets/data/1",
		 "targets.data[1] is NaN, but an element of I64 is an integer in "
		 "-9223372036854775808..9223372036854775807"},
		{NULL,
		 "{\"targets\":{\"shape\":[1,2],\"data\":[0,9223372036854775808],\"dtype\":\"I64\"}"
		 "}",
		 LOSS_DTYPE_MISMATCH, "/targets/data/1",
		 "targets.data[1] is 9223372036854775808, but an element of I64 is an integer in "
		 "-9223372036854775808..9223372036854775807"},
		{NULL,
		 "{\"targets\":{\"shape\":[2],\"data\":[0,18446744073709551616],\"dtype\":\"U64\"}"
		 "}",
		 LOSS_DTYPE_MISMATCH, "/targets/data/1",
		 "targets.data[1] is 18446744073709551616, but an element of U64 is an integer in "
		 "0..18446744073709551615"},
		{BCE, "{\"targets\":{\"dtype\":\"BOOL\",\"shape\":[2],\"data\":[1,2]}}",
		 LOSS_DTYPE_MISMATCH, "/targets/data/1",
		 "targets.data[1] is 2, but an element of BOOL is an integer in 0..1"},
		/* the loss judges the dtype itself */
		{NULL, "{\"logits\":{\"dtype\":\"I64\",\"shape\":[1],\"data\":[1]}}",
		 LOSS_DTYPE_MISMATCH, "logits", "logits is I64, but must be one of " FLOAT_DTYPES},
	};
	assert_all_refused(cases, COUNT(cases));
}

static void test_limits(void **state)
{
	(void)state;
	struct decode_options options = {.max_elements = 3, .max_rank = 2, .plan = 1};
	static const char limit[] =
		"logits has more than 3 elements, which is the server's limit (max_elements)";
	assert_decodes(&(struct decode_options){.max_elements = 3, .max_rank = 2},
		       "{\"logits\":[[1,2,3]]}", "logits F32 (1, 3): 1 2 3\n");
	assert_refused(&options, "{\"logits\":[[1,2],[3,4]],\"targets\":0}",
		       STATUS_TOO_MANY_ELEMENTS, "logits", limit);
	assert_refused(&options,
		       "{\"logits\":{\"dtype\":\"F32\",\"data\":[1,2,3,4],\"shape\":[4]},"
		       "\"targets\":0}",
		       STATUS_TOO_MANY_ELEMENTS, "logits", limit);
	assert_refused(
		&options,
		"{\"logits\":{\"dtype\":\"F32\",\"shape\":[4],\"data\":[1,2,3,4]},"
		"\"targets\":0}",
		STATUS_TOO_MANY_ELEMENTS, "/logits/shape",
		"logits.shape has more than 3 elements (max_elements), which is the server's "
		"limit");
	/* No elements, but 2^21 empty arrays in the reply. */
	assert_refused(&(struct decode_options){.max_elements = 1u << 30, .max_rank = 8, .plan = 1},
		       "{\"logits\":{\"dtype\":\"F32\",\"shape\":[2097152,1,0],\"data\":[]},"
		       "\"targets\":0}",
		       STATUS_TOO_MANY_ELEMENTS, "/logits/shape",
		       "logits.shape has more than 1048576 places beside its zero dimension, "
		       "which is the server's limit");
	assert_refused(&options, "{\"logits\":[[[1]]],\"targets\":0}", STATUS_TOO_MANY_ELEMENTS,
		       "logits",
		       "logits has more than 2 dimensions, which is the server's limit (max_rank)");
}

/* Whichever of the ways reads the first number, there must be a comma before the second. */
static void test_numbers_need_commas(void **state)
{
	(void)state;
	static const char *const rows[] = {"1.25-2.5,3.5,4.5,5.5,6.5,7.5,8.5,9.5,1.5",
					   "0.5,1.25-2.5,3.5,4.5,5.5,6.5,7.5,8.5,9.5",
					   "0.5,1.5,2.5,1.25-2.5,3.5,4.5,5.5,6.5,7.5",
					   "1-2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17",
					   "1.25,2-2.5,3.5,4.5,5.5,6.5,7.5,8.5,9.5"};
	for (size_t i = 0; i < COUNT(rows); i++) {
		char body[200];
		snprintf(body, sizeof body, "{\"logits\":[[%s]],\"targets\":[0]}", rows[i]);
		struct decoded decoded = decode(&(struct decode_options){.plan = 1}, body);
		assert_int_equal(decoded.status, STATUS_INVALID_JSON);
		assert_non_null(strstr(decoded.detail, "found '-'"));
		decoded_free(&decoded);
	}
}

/* What may stand between two rows, and what may not: rows that are alike take a way of their own.
 */
static void test_rows_after_rows(void **state)
{
	(void)state;
	static const struct decode_accepted rows[] = {
		{NULL, "{\"logits\":[[1,2],[3,4] , [ 5.5 , 6 ],[-7, 8e0]]}",
		 "logits F32 (4, 2): 1 2 3 4 5.5 6 -7 8\n"},
		{NULL, "{\"logits\":[[1,2],\n[3,4],\t[5,6]]}", "logits F32 (3, 2): 1 2 3 4 5 6\n"},
		{NULL, "{\"logits\":[[[1,2],[3,4]],[[5,6],[7,8]]]}",
		 "logits F32 (2, 2, 2): 1 2 3 4 5 6 7 8\n"},
		{NULL, "{\"logits\":[[1],[NaN],[-Infinity],[2]]}",
		 "logits F32 (4, 1): 1 nan -inf 2\n"},
	};
	static const struct decode_refused faults[] = {
		{NULL, "{\"logits\":[[1,2],[3,4],[5]]}", LOSS_MISSING_FIELD, "targets",
		 "targets is missing, but cross_entropy needs it"},
		{NULL, "{\"logits\":[[1,2],[3,4],[5]],\"targets\":[0]}", STATUS_RAGGED_ARRAY,
		 "/logits/2",
		 "logits[2] has length 1, but the arrays before it have length 2: " EQUAL_LENGTH},
		{NULL, "{\"logits\":[[1,2],[3,4],[5,6],7],\"targets\":[0]}", STATUS_RAGGED_ARRAY,
		 "/logits/3",
		 "logits[3] is a number, but stands where arrays were before: " EQUALLY_DEEP},
		{NULL, "{\"logits\":[[1,2],[3,4],[[5,6]]],\"targets\":[0]}", STATUS_RAGGED_ARRAY,
		 "/logits/2/0",
		 "logits[2][0] is an array, but stands where numbers were before: " EQUALLY_DEEP},
		{NULL, "{\"logits\":[[[1],[2]],[[3],[4],[5]]],\"targets\":[0]}",
		 STATUS_RAGGED_ARRAY, "/logits/1/2",
		 "logits[1][2] is one entry too many, the arrays before it have length "
		 "2: " EQUAL_LENGTH},
		{NULL, "{\"logits\":[[1],[2],[3],[null]]}", LOSS_WRONG_TYPE, "/logits/3/0",
		 "logits[3][0] is null, but must be a number; what is not a number is written NaN "
		 "or \"NaN\""},
		{NULL, "{\"logits\":[[1,2],[3,4]],[5,6]]}", STATUS_INVALID_JSON, "",
		 "line 1, column 25: found '[', but a name in double quotes is expected"},
		{NULL, "{\"logits\":[[1,2],[3,4],[-]]}", STATUS_INVALID_JSON, "",
		 "line 1, column 26: found ']', but a number can not go on so"},
		{NULL, "{\"logits\":[[1,2],[3,4],,[5,6]]}", STATUS_INVALID_JSON, "",
		 "line 1, column 24: found ',', but a value is expected"},
	};
	assert_all_decode(rows, COUNT(rows));
	assert_all_refused(faults, COUNT(faults));
	/* The limit ends a row, and is passed at the beginning of the next. */
	assert_decodes(&(struct decode_options){.max_elements = 4}, "{\"logits\":[[1,2],[3,4]]}",
		       "logits F32 (2, 2): 1 2 3 4\n");
	assert_refused(
		&(struct decode_options){.max_elements = 4, .plan = 1},
		"{\"logits\":[[1,2],[3,4],[5,6]],\"targets\":0}", STATUS_TOO_MANY_ELEMENTS,
		"logits",
		"logits has more than 4 elements, which is the server's limit (max_elements)");
}

/* Any of them: whether it comes whole or in pieces, which the rows' own way can not take, decode
 * compares. */
static void test_any_rows_after_rows(void **state)
{
	(void)state;
	static const char *const pieces[] = {
		"[",  "[",   "]", "]",  ",",   ",",   ", ",   " ",   "1",   "2.5", "-3.25",
		"0,", "4e1", "-", "\n", "],[", "],[", "], [", "1,2", "1,2", "NaN", "true"};
	struct random random = random_start(21);
	for (size_t i = 0, n = random_cases(20000); i < n; i++) {
		char body[400] = "{\"targets\":[0, 1],\"logits\":[[1,2],[3,4],[";
		size_t used = strlen(body);
		for (size_t k = random_below(&random, 12); k > 0; k--) {
			const char *piece = pieces[random_below(&random, COUNT(pieces))];
			used += (size_t)snprintf(body + used, sizeof body - used, "%s", piece);
		}
		snprintf(body + used, sizeof body - used, "]]}");
		struct decoded decoded = decode(&(struct decode_options){.max_elements = 12}, body);
		decoded_free(&decoded);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nested),
		cmocka_unit_test(test_targets_by_shape),
		cmocka_unit_test(test_f64_input),
		cmocka_unit_test(test_typed),
		cmocka_unit_test(test_nested_faults),
		cmocka_unit_test(test_class_index_faults),
		cmocka_unit_test(test_typed_faults),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_numbers_need_commas),
		cmocka_unit_test(test_rows_after_rows),
		cmocka_unit_test(test_any_rows_after_rows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
