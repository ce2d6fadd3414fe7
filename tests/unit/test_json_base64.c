/* Tensors of JSON bodies whose bytes are base64: every type, every order of members, every fault,
 * whatever pieces the body comes in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <string.h>

#include "../../server/codec/base64/base64.h"
#include "../support/decoded.h"
#include "../support/random.h"
#include "status/status.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define TENSOR(name, dtype, shape, text)                                                           \
	"\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"base64\":\"" text "\"}"

static void test_accepted(void **state)
{
	(void)state;
	static const struct decode_accepted cases[] = {
		{NULL, "{" TENSOR("logits", "F64", "[3]", "AAAAAAAA8D8AAAAAAAD4v5x1AIg85Dd+") "}",
		 "logits F64 (3): 1 -1.5 1.0000000000000001e+300\n"},
		{NULL, "{" TENSOR("logits", "F32", "[2,3]", "AACAPwAAIECamZm+AACAQAAAoEAAAMBA") "}",
		 "logits F32 (2, 3): 1 2.5 -0.300000012 4 5 6\n"},
		{NULL, "{" TENSOR("logits", "F16", "[3]", "ADwAvgA0") "}",
		 "logits F16 (3): 1 -1.5 0.25\n"},
		{NULL, "{" TENSOR("logits", "BF16", "[1,1,5]", "gD/Av4A+AEFAQA==") "}",
		 "logits BF16 (1, 1, 5): 1 -1.5 0.25 8 3\n"},
		{NULL, "{" TENSOR("logits", "F8_E4M3", "[4]", "OLgwfg==") "}",
		 "logits F8_E4M3 (4): 1 -1 0.5 448\n"},
		{NULL, "{" TENSOR("logits", "F8_E5M2", "[1]", "PA==") "}",
		 "logits F8_E5M2 (1): 1\n"},
		{NULL, "{" TENSOR("logits", "F32", "[3]", "AADAfwAAgH8AAID/") "}",
		 "logits F32 (3): nan inf -inf\n"},
		{NULL, "{" TENSOR("logits", "F32", "[]", "AADgQA==") "}", "logits F32 (): 7\n"},
		{NULL, "{" TENSOR("logits", "F32", "[0,3]", "") "}", "logits F32 (0, 3):\n"},
		{NULL,
		 "{\"logits\":[[1],[2],[3]]," TENSOR("targets", "I64", "[3]",
						     "+/////////8AAAAAAAAAQAAAAAAAAAAA") "}",
		 "logits F32 (3, 1): 1 2 3\ntargets I64 (3): -5 4611686018427387904 0\n"},
		{NULL,
		 "{\"logits\":[[1],[2],[3]]," TENSOR("targets", "I32", "[3]",
						     "+////wAAAEAAAAAA") "}",
		 "logits F32 (3, 1): 1 2 3\ntargets I32 (3): -5 1073741824 0\n"},
		{NULL, "{\"logits\":[[1],[2],[3]]," TENSOR("targets", "I16", "[3]", "+/8wdQAA") "}",
		 "logits F32 (3, 1): 1 2 3\ntargets I16 (3): -5 30000 0\n"},
		{NULL, "{\"logits\":[[1],[2],[3]]," TENSOR("targets", "I8", "[3]", "+2QA") "}",
		 "logits F32 (3, 1): 1 2 3\ntargets I8 (3): -5 100 0\n"},
		{NULL,
		 "{\"logits\":[[1],[2],[3]]," TENSOR("targets", "U64", "[3]",
						     "//////////8FAAAAAAAAAAAAAAAAAAAA") "}",
		 "logits F32 (3, 1): 1 2 3\ntargets U64 (3): 18446744073709551615 5 0\n"},
		{NULL,
		 "{\"logits\":[[1],[2],[3]]," TENSOR("targets", "U32", "[3]",
						     "/////wUAAAAAAAAA") "}",
		 "logits F32 (3, 1): 1 2 3\ntargets U32 (3): 4294967295 5 0\n"},
		{NULL, "{\"logits\":[[1],[2],[3]]," TENSOR("targets", "U16", "[3]", "//8FAAAA") "}",
		 "logits F32 (3, 1): 1 2 3\ntargets U16 (3): 65535 5 0\n"},
		{NULL, "{\"logits\":[[1],[2],[3]]," TENSOR("targets", "U8", "[3]", "/wUA") "}",
		 "logits F32 (3, 1): 1 2 3\ntargets U8 (3): 255 5 0\n"},
		{NULL, "{\"logits\":[[1],[2],[3]]," TENSOR("mask", "BOOL", "[3]", "AQAB") "}",
		 "logits F32 (3, 1): 1 2 3\nmask BOOL (3): 1 0 1\n"},
		/* members in any order */
		{NULL, "{\"logits\":{\"dtype\":\"F32\",\"shape\":[2],\"base64\":\"AACAPwAAAEA=\"}}",
		 "logits F32 (2): 1 2\n"},
		{NULL, "{\"logits\":{\"dtype\":\"F32\",\"base64\":\"AACAPwAAAEA=\",\"shape\":[2]}}",
		 "logits F32 (2): 1 2\n"},
		{NULL, "{\"logits\":{\"shape\":[2],\"dtype\":\"F32\",\"base64\":\"AACAPwAAAEA=\"}}",
		 "logits F32 (2): 1 2\n"},
		{NULL, "{\"logits\":{\"shape\":[2],\"base64\":\"AACAPwAAAEA=\",\"dtype\":\"F32\"}}",
		 "logits F32 (2): 1 2\n"},
		{NULL, "{\"logits\":{\"base64\":\"AACAPwAAAEA=\",\"dtype\":\"F32\",\"shape\":[2]}}",
		 "logits F32 (2): 1 2\n"},
		{NULL, "{\"logits\":{\"base64\":\"AACAPwAAAEA=\",\"shape\":[2],\"dtype\":\"F32\"}}",
		 "logits F32 (2): 1 2\n"},
		/* escapes; a slash may have one */
		{NULL,
		 "{" TENSOR("logits", "F32", "[2]", "\\u0041\\u0041CA\\u0050wAAAEA\\u003d") "}",
		 "logits F32 (2): 1 2\n"},
		{NULL,
		 "{\"logits\":[[1],[2],[3],[4],[5],[6]]," TENSOR("targets", "U8", "[6]",
								 "\\/\\/\\/\\/++++") "}",
		 "logits F32 (6, 1): 1 2 3 4 5 6\ntargets U8 (6): 255 255 255 251 239 190\n"},
		{NULL,
		 "{\"logits\":[[1],[2],[3],[4],[5],[6]]," TENSOR(
			 "targets", "U8", "[6]", "////\\u002B\\u002B\\u002B\\u002B") "}",
		 "logits F32 (6, 1): 1 2 3 4 5 6\ntargets U8 (6): 255 255 255 251 239 190\n"},
		{NULL,
		 "{\"logits\":[[1],[2],[3],[4],[5],[6]]," TENSOR(
			 "targets", "U8", "[6]", "\\u002f\\u002f\\u002f\\u002f++++") "}",
		 "logits F32 (6, 1): 1 2 3 4 5 6\ntargets U8 (6): 255 255 255 251 239 190\n"},
		/* null is absent */
		{NULL,
		 "{\"logits\":{\"dtype\":\"F32\",\"shape\":[1],\"data\":null,\"base64\":\"AACAPw=="
		 "\"}}",
		 "logits F32 (1): 1\n"},
		{NULL,
		 "{\"logits\":{\"dtype\":\"F32\",\"shape\":[1],\"data\":[1],\"base64\":null}}",
		 "logits F32 (1): 1\n"},
	};
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_decodes(&(struct decode_options){.all_cuts = 1}, cases[i].body,
			       cases[i].text);
}

static void test_refused(void **state)
{
	(void)state;
	static const struct decode_refused cases[] = {
		{NULL, "{" TENSOR("logits", "F32", "[2]", "AACAPwAAAE-=") "}", LOSS_WRONG_TYPE,
		 "/logits/base64",
		 "logits.base64[10] is '-', but base64 has A to Z, a to z, 0 to 9, + and /, and = "
		 "at its end; that is base64url: write + for -, and / for _"},
		{NULL, "{" TENSOR("logits", "F32", "[2]", "_ACAPwAAAEA=") "}", LOSS_WRONG_TYPE,
		 "/logits/base64",
		 "logits.base64[0] is '_', but base64 has A to Z, a to z, 0 to 9, + and /, and = "
		 "at its end; that is base64url: write + for -, and / for _"},
		{NULL, "{" TENSOR("logits", "F32", "[2]", "AACAPwA AAEA=") "}", LOSS_WRONG_TYPE,
		 "/logits/base64",
		 "logits.base64[7] is the byte 0x20, but base64 has A to Z, a to z, 0 to 9, + and "
		 "/, and = at its end; without white space and line breaks"},
		{NULL, "{" TENSOR("logits", "F32", "[2]", "AACA\\nPwAAAEA=") "}", LOSS_WRONG_TYPE,
		 "/logits/base64",
		 "logits.base64[4] is the byte 0x0a, but base64 has A to Z, a to z, 0 to 9, + and "
		 "/, and = at its end; without white space and line breaks"},
		{NULL, "{" TENSOR("logits", "F32", "[2]", "AACA\\r\\nPwAAAEA=") "}",
		 LOSS_WRONG_TYPE, "/logits/base64",
		 "logits.base64[4] is the byte 0x0d, but base64 has A to Z, a to z, 0 to 9, + and "
		 "/, and = at its end; without white space and line breaks"},
		{NULL, "{" TENSOR("logits", "F32", "[2]", "AACAPwAAAEA=\\t") "}", LOSS_WRONG_TYPE,
		 "/logits/base64",
		 "logits.base64[12] is the byte 0x09, but nothing may follow the padding"},
		{NULL, "{" TENSOR("logits", "F32", "[2]", "AACA*") "}", LOSS_WRONG_TYPE,
		 "/logits/base64",
		 "logits.base64[4] is '*', but base64 has A to Z, a to z, 0 to 9, + and /, and = "
		 "at its end"},
		{NULL, "{" TENSOR("logits", "F32", "[2]", "AACA\\\"") "}", LOSS_WRONG_TYPE,
		 "/logits/base64",
		 "logits.base64[4] is '\"', but base64 has A to Z, a to z, 0 to 9, + and /, and = "
		 "at its end"},
		{NULL, "{" TENSOR("logits", "F32", "[2]", "AACA\xc3\xa9") "}", LOSS_WRONG_TYPE,
		 "/logits/base64",
		 "logits.base64[4] is the byte 0xc3, but base64 has A to Z, a to z, 0 to 9, + and "
		 "/, and = at its end"},
		{NULL, "{" TENSOR("logits", "F32", "[2]", "AACA\\u00e9") "}", LOSS_WRONG_TYPE,
		 "/logits/base64",
		 "logits.base64[4] is the byte 0xc3, but base64 has A to Z, a to z, 0 to 9, + and "
		 "/, and = at its end"},
		{NULL, "{" TENSOR("logits", "F32", "[2]", "AACA\\u0000") "}", LOSS_WRONG_TYPE,
		 "/logits/base64",
		 "logits.base64[4] is the byte 0xef, but base64 has A to Z, a to z, 0 to 9, + and "
		 "/, and = at its end"},
		{NULL, "{" TENSOR("logits", "F32", "[2]", "=AAA") "}", LOSS_WRONG_TYPE,
		 "/logits/base64",
		 "logits.base64[0] is '=', but padding completes the last four characters and no "
		 "more"},
		{NULL, "{" TENSOR("logits", "F32", "[2]", "A===") "}", LOSS_WRONG_TYPE,
		 "/logits/base64",
		 "logits.base64[1] is '=', but padding completes the last four characters and no "
		 "more"},
		{NULL, "{" TENSOR("logits", "F32", "[2]", "AACAPwAAAEA==") "}", LOSS_WRONG_TYPE,
		 "/logits/base64",
		 "logits.base64[12] is '=', but padding completes the last four characters and no "
		 "more"},
		{NULL, "{" TENSOR("logits", "F32", "[2]", "AACAPwAAAEA===") "}", LOSS_WRONG_TYPE,
		 "/logits/base64",
		 "logits.base64[12] is '=', but padding completes the last four characters and no "
		 "more"},
		{NULL, "{" TENSOR("logits", "F32", "[2]", "AACAPw==AABA") "}", LOSS_WRONG_TYPE,
		 "/logits/base64", "logits.base64[8] is 'A', but nothing may follow the padding"},
		{NULL, "{" TENSOR("logits", "F32", "[2]", "AACAPw= =") "}", LOSS_WRONG_TYPE,
		 "/logits/base64",
		 "logits.base64[7] is the byte 0x20, but nothing may follow the padding"},
		{NULL, "{" TENSOR("logits", "F32", "[2]", "AACAPwAAAEA") "}", LOSS_WRONG_TYPE,
		 "/logits/base64",
		 "logits.base64 has 11 characters, but must be a multiple of four: \"=\" is "
		 "missing at its end"},
		{NULL, "{" TENSOR("logits", "F32", "[2]", "AACAPwAAAE") "}", LOSS_WRONG_TYPE,
		 "/logits/base64",
		 "logits.base64 has 10 characters, but must be a multiple of four: \"==\" is "
		 "missing at its end"},
		{NULL, "{" TENSOR("logits", "F32", "[2]", "AACAPwAAAA=") "}", LOSS_WRONG_TYPE,
		 "/logits/base64",
		 "logits.base64 has 11 characters, but must be a multiple of four: \"=\" is "
		 "missing at its end"},
		{NULL, "{" TENSOR("logits", "F32", "[2]", "AACAPwAAA") "}", LOSS_WRONG_TYPE,
		 "/logits/base64",
		 "logits.base64 has 9 characters, but must be a multiple of four: three characters "
		 "are missing at its end"},
		{NULL, "{" TENSOR("logits", "F32", "[2]", "AACAPwAAAEB=") "}", LOSS_WRONG_TYPE,
		 "/logits/base64",
		 "logits.base64[10] is 'B', but before the padding its last bits must be 0"},
		{NULL, "{" TENSOR("logits", "F32", "[2]", "AACAPwAAAP==") "}", LOSS_WRONG_TYPE,
		 "/logits/base64",
		 "logits.base64[9] is 'P', but before the padding its last bits must be 0"},
		{NULL, "{" TENSOR("logits", "F32", "[2]", "") ",\"targets\":0}",
		 LOSS_SHAPE_MISMATCH, "/logits/base64",
		 "logits.base64 has 0 bytes, but the shape (2) of F32 has 8"},
		{NULL, "{" TENSOR("logits", "F32", "[2]", "AACAPw==") ",\"targets\":0}",
		 LOSS_SHAPE_MISMATCH, "/logits/base64",
		 "logits.base64 has 4 bytes, but the shape (2) of F32 has 8"},
		{NULL, "{" TENSOR("logits", "F32", "[2]", "AACAPwAAAA==") ",\"targets\":0}",
		 LOSS_SHAPE_MISMATCH, "/logits/base64",
		 "logits.base64 has 7 bytes, but the shape (2) of F32 has 8"},
		{NULL, "{" TENSOR("logits", "F32", "[2]", "AACAPwAAAEAA") ",\"targets\":0}",
		 LOSS_SHAPE_MISMATCH, "/logits/base64",
		 "logits.base64 has 9 bytes, but the shape (2) of F32 has 8"},
		{NULL,
		 "{" TENSOR("logits", "F32", "[2]",
			    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
			    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA") ",\"targets\":0}",
		 LOSS_SHAPE_MISMATCH, "/logits/base64",
		 "logits.base64 has 90 bytes, but the shape (2) of F32 has 8"},
		{NULL, "{" TENSOR("logits", "F32", "[0]", "AAAA") ",\"targets\":0}",
		 LOSS_SHAPE_MISMATCH, "/logits/base64",
		 "logits.base64 has 3 bytes, but the shape (0) of F32 has 0"},
		{NULL, "{" TENSOR("logits", "BF16", "[2,2]", "AACAPw==") ",\"targets\":0}",
		 LOSS_SHAPE_MISMATCH, "/logits/base64",
		 "logits.base64 has 4 bytes, but the shape (2, 2) of BF16 has 8"},
		{NULL, "{" TENSOR("logits", "F64", "[]", "AACAPw==") ",\"targets\":0}",
		 LOSS_SHAPE_MISMATCH, "/logits/base64",
		 "logits.base64 has 4 bytes, but the shape () of F64 has 8"},
		{NULL,
		 "{\"logits\":{\"base64\":\"AACA\",\"shape\":[2],\"dtype\":\"F32\"},\"targets\":0}",
		 LOSS_SHAPE_MISMATCH, "/logits/base64",
		 "logits.base64 has 3 bytes, but the shape (2) of F32 has 8"},
		{NULL, "{\"logits\":{\"dtype\":\"F32\",\"shape\":[1],\"base64\":5}}",
		 LOSS_WRONG_TYPE, "/logits/base64",
		 "logits.base64 is 5, but must be a string of base64"},
		{NULL, "{\"logits\":{\"dtype\":\"F32\",\"shape\":[1],\"base64\":true}}",
		 LOSS_WRONG_TYPE, "/logits/base64",
		 "logits.base64 is true, but must be a string of base64"},
		{NULL, "{\"logits\":{\"dtype\":\"F32\",\"shape\":[1],\"base64\":[\"AACAPw==\"]}}",
		 LOSS_WRONG_TYPE, "/logits/base64",
		 "logits.base64 is an array, but must be a string of base64"},
		{NULL,
		 "{\"logits\":{\"dtype\":\"F32\",\"shape\":[1],\"base64\":{\"base64\":\"AACAPw==\"}"
		 "}}",
		 LOSS_WRONG_TYPE, "/logits/base64",
		 "logits.base64 is an object, but must be a string of base64"},
		{NULL, "{\"logits\":{\"dtype\":\"F32\",\"shape\":[1],\"base64\":null}}",
		 LOSS_MISSING_FIELD, "/logits/data",
		 "logits.data is missing: a typed tensor has dtype, shape and data, or base64 in "
		 "place of data"},
		{NULL, "{\"logits\":{\"dtype\":\"F32\",\"base64\":\"AACAPw==\"}}",
		 LOSS_MISSING_FIELD, "/logits/shape",
		 "logits.shape is missing: a typed tensor has dtype, shape and data, or base64 in "
		 "place of data"},
		{NULL, "{\"logits\":{\"shape\":[1],\"base64\":\"AACAPw==\"}}", LOSS_MISSING_FIELD,
		 "/logits/dtype",
		 "logits.dtype is missing: a typed tensor has dtype, shape and data, or base64 in "
		 "place of data"},
		{NULL,
		 "{\"logits\":{\"dtype\":\"F32\",\"shape\":[1],\"base64\":\"AACAPw==\",\"base64\":"
		 "\"AACAPw==\"}}",
		 LOSS_DUPLICATE_FIELD, "/logits/base64",
		 "logits.base64 is given twice; give it once"},
		{NULL,
		 "{\"logits\":{\"dtype\":\"F32\",\"shape\":[1],\"base64\":\"AACAPw==\",\"data\":[1]"
		 "}}",
		 LOSS_DUPLICATE_FIELD, "/logits/base64",
		 "logits has both data and base64: give one of them"},
		{NULL,
		 "{\"logits\":{\"dtype\":\"F32\",\"shape\":[1],\"data\":[1],\"base64\":\"AACAPw=="
		 "\"}}",
		 LOSS_DUPLICATE_FIELD, "/logits/base64",
		 "logits has both data and base64: give one of them"},
		{NULL, "{\"logits\":{\"dtype\":\"F32\",\"shape\":[1],\"base_64\":\"AACAPw==\"}}",
		 LOSS_UNKNOWN_FIELD, "/logits/base_64",
		 "logits has no member \"base_64\": a typed tensor has dtype, shape and data, or "
		 "base64 in place of data"},
		{NULL, "{\"logits\":{\"dtype\":\"F99\",\"shape\":[1],\"base64\":\"AACAPw==\"}}",
		 LOSS_DTYPE_MISMATCH, "/logits/dtype",
		 "logits.dtype is \"F99\", but must be one of F64, F32, F16, BF16, F8_E4M3, "
		 "F8_E5M2"},
		{NULL,
		 "{\"logits\":{\"dtype\":\"F32\",\"shape\":[-1],\"base64\":\"AACAPw==\"},"
		 "\"targets\":0}",
		 LOSS_SHAPE_MISMATCH, "/logits/shape/0",
		 "logits.shape[0] is -1, but must be at least 0"},
		/* types go before shapes, wherever they stand */
		{NULL,
		 "{\"logits\":{\"dtype\":\"F32\",\"shape\":[-1],\"base64\":\"AACAPwAAAEA*\"}}",
		 LOSS_WRONG_TYPE, "/logits/base64",
		 "logits.base64[11] is '*', but base64 has A to Z, a to z, 0 to 9, + and /, and = "
		 "at its end"},
		{NULL,
		 "{\"logits\":{\"dtype\":\"F32\",\"base64\":\"AACAPwAAAEA*\",\"shape\":[-1]}}",
		 LOSS_WRONG_TYPE, "/logits/base64",
		 "logits.base64[11] is '*', but base64 has A to Z, a to z, 0 to 9, + and /, and = "
		 "at its end"},
		/* what the loss finds: no element has a place of its own */
		{NULL, "{\"logits\":[[1,2],[3,4]]," TENSOR("targets", "I8", "[2]", "AQI=") "}",
		 LOSS_TARGET_OUT_OF_BOUNDS, "/targets/base64",
		 "targets[1] is 2, but there are 2 classes (0..1)"},
		{NULL,
		 "{\"logits\":[[1,2],[3,4]],\"targets\":[0,1]," TENSOR("mask", "BOOL", "[2]",
								       "AQI=") "}",
		 LOSS_ARGUMENT_OUT_OF_RANGE, "/mask/base64",
		 "mask[1] is 2, but an element of BOOL is the byte 0 or 1"},
		{NULL, "{" TENSOR("logits", "I64", "[1]", "AAAAAAAAAAA=") "}", LOSS_DTYPE_MISMATCH,
		 "logits",
		 "logits is I64, but must be one of F64, F32, F16, BF16, F8_E4M3, F8_E5M2"},
		/* only there is it known */
	};
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_refused(&(struct decode_options){.plan = 1, .all_cuts = 1}, cases[i].body,
			       cases[i].status, cases[i].pointer, cases[i].detail);
}

/* Syntax goes before all else, inside the text and after it. */
static void test_syntax(void **state)
{
	(void)state;
	static const struct decode_refused cases[] = {
		{NULL, "{\"logits\":{\"base64\":\"AA\nAA\"}}", STATUS_INVALID_JSON, "",
		 "line 1, column 24: found the byte 0x0a, but control characters in strings must "
		 "be escaped"},
		{NULL, "{\"logits\":{\"base64\":\"AAAA\\x\"}}", STATUS_INVALID_JSON, "",
		 "line 1, column 27: found 'x', but a backslash must be followed by one of "
		 "\"\\/bfnrtu"},
		{NULL, "{\"logits\":{\"base64\":\"AA\xff\"}}", STATUS_INVALID_JSON, "",
		 "line 1, column 24: found the byte 0xff, but a string must be valid UTF-8"},
		{NULL, "{\"logits\":{\"base64\":\"*\"}},", STATUS_INVALID_JSON, "",
		 "line 1, column 26: found ',', but nothing may follow the document"},
		{NULL, "{\"logits\":{\"base64\":\"AAAA", STATUS_TRUNCATED_BODY, "",
		 "line 1, column 26: the body ends here, but a string is not closed"},
	};
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_refused(&(struct decode_options){.all_cuts = 1}, cases[i].body,
			       cases[i].status, cases[i].pointer, cases[i].detail);
}

/* The shape's limit holds; a text that is longer than any tensor may be is not kept. */
static void test_limits(void **state)
{
	(void)state;
	const struct decode_options options = {.max_elements = 3, .plan = 1};
	static const char limit[] =
		"logits.shape has more than 3 elements (max_elements), which is "
		"the server's limit";
	assert_decodes(&(struct decode_options){.max_elements = 3},
		       "{" TENSOR("logits", "F32", "[3]", "AACAPwAAAEAAAEBA") "}",
		       "logits F32 (3): 1 2 3\n");
	assert_refused(
		&options,
		"{" TENSOR("logits", "F32", "[4]", "AACAPwAAAEAAAEBAAACAQA==") ",\"targets\":0}",
		STATUS_TOO_MANY_ELEMENTS, "/logits/shape", limit);
	assert_refused(&options,
		       "{\"logits\":{\"base64\":\"AACAPwAAAEAAAEBAAACAQA==\",\"dtype\":\"F32\","
		       "\"shape\":[4]},\"targets\":0}",
		       STATUS_TOO_MANY_ELEMENTS, "/logits/shape", limit);
}

/* ---------------------------------------------------------------- long texts */

#define ELEMENTS ((size_t)100000)

static char *long_body(const char *before, size_t n, const char *after)
{
	unsigned char *bytes = calloc(1, n);
	char *body = malloc(strlen(before) + base64_length(n) + strlen(after) + 1);
	struct random random = random_start(n);
	assert_non_null(bytes);
	assert_non_null(body);
	for (size_t i = 0; i < n; i += 4)
		bytes[i + 2] = (unsigned char)(random_bits(&random) & 0x7f);
	char *end = stpcpy(body, before);
	end = base64_write(base64_kernels(NULL), bytes, n, end);
	strcpy(end, after);
	free(bytes);
	return body;
}

#define BEFORE "{\"targets\":0,\"logits\":{\"dtype\":\"F32\",\"shape\":[100000],\"base64\":\""

/* As much memory as the tensor, and a text of any length no more than what it may be. */
static void test_memory(void **state)
{
	(void)state;
	const size_t size = ELEMENTS * sizeof(float), budget = size + size / 2;
	char *good = long_body(BEFORE, size, "\"}}");
	struct decoded decoded =
		decode(&(struct decode_options){.budget = budget, .plan = 1}, good);
	assert_int_equal(decoded.status, LOSS_OK);
	decoded_free(&decoded);
	free(good);
	char *bad = long_body(BEFORE, 10 * size, "\"}}");
	decoded = decode(&(struct decode_options){.budget = budget, .plan = 1}, bad);
	assert_string_equal(decoded.detail,
			    "logits.base64 has 4000000 bytes, but the shape (100000) of F32 has "
			    "400000");
	decoded_free(&decoded);
	free(bad);
	bad = long_body("{\"logits\":{\"base64\":\"", 10 * size,
			"\",\"dtype\":\"F32\",\"shape\":[1000]},\"targets\":0}");
	decoded = decode(&(struct decode_options){.budget = budget, .max_elements = 1000}, bad);
	assert_string_equal(decoded.detail,
			    "logits.base64 has 4000000 bytes, but the shape (1000) of F32 has "
			    "4000");
	decoded_free(&decoded);
	free(bad);
}

/* Of a tensor that is wrong already the text is looked at, and not kept. */
static void test_memory_of_wrong_tensors(void **state)
{
	(void)state;
	const size_t size = ELEMENTS * sizeof(float);
	const struct decode_options options = {.budget = size / 4, .plan = 1};
	static const char before[] =
		"{\"targets\":0,\"logits\":{\"dtype\":7,\"shape\":[100000],\"base64\":\"";
	char *bad = long_body(before, size, "\"}}");
	assert_refused(&options, bad, LOSS_WRONG_TYPE, "/logits/dtype",
		       "logits.dtype is 7, but must be a string such as \"F32\"");
	free(bad);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepted), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_syntax),   cmocka_unit_test(test_limits),
		cmocka_unit_test(test_memory),   cmocka_unit_test(test_memory_of_wrong_tensors),
	};
	return cmocka_run_group_tests_name("json_base64", tests, NULL, NULL);
}
