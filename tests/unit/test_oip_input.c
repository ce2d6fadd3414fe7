/* Inputs of Open Inference Protocol requests: data of every type, members in any order, faults. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../support/oip.h"
#include "status/status.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct decode_options plain = {.create = oip_in_create};

#define ONE(datatype, shape, data)                                                                 \
	"{\"inputs\":[{\"name\":\"targets\",\"datatype\":\"" datatype "\",\"shape\":" shape        \
	",\"data\":" data "}," LOGITS "]}"
#define ONE_BACKWARDS(datatype, shape, data)                                                       \
	"{\"inputs\":[{\"data\":" data ",\"shape\":" shape ",\"datatype\":\"" datatype             \
	"\",\"name\":\"targets\"}," LOGITS "]}"
#define BOTH_WAYS(datatype, shape, data, text)                                                     \
	{ONE(datatype, shape, data), text},                                                        \
	{                                                                                          \
		ONE_BACKWARDS(datatype, shape, data), text                                         \
	}

static void test_data(void **state)
{
	(void)state;
	static const struct {
		const char *body, *text;
	} cases[] = {
		BOTH_WAYS("INT64", "[3]", "[-9223372036854775808,9223372036854775807,-1]",
			  "I64 (3): -9223372036854775808 9223372036854775807 -1"),
		BOTH_WAYS("UINT64", "[2]", "[0,18446744073709551615]",
			  "U64 (2): 0 18446744073709551615"),
		BOTH_WAYS("INT32", "[1]", "[-2147483648]", "I32 (1): -2147483648"),
		BOTH_WAYS("INT16", "[1]", "[-32768]", "I16 (1): -32768"),
		BOTH_WAYS("INT8", "[2]", "[-128,127]", "I8 (2): -128 127"),
		BOTH_WAYS("UINT32", "[1]", "[4294967295]", "U32 (1): 4294967295"),
		BOTH_WAYS("UINT16", "[1]", "[65535]", "U16 (1): 65535"),
		BOTH_WAYS("UINT8", "[2,1]", "[[255],[0]]", "U8 (2, 1): 255 0"),
		BOTH_WAYS("FP64", "[2]", "[1e300,0.1]",
			  "F64 (2): 1.0000000000000001e+300 "
			  "0.10000000000000001"),
		BOTH_WAYS("FP32", "[2,2]", "[[1,NaN],[-Infinity,\"Infinity\"]]",
			  "F32 (2, 2): 1 nan -inf inf"),
		BOTH_WAYS("FP32", "[2,2]", "[1,2,3,4]", "F32 (2, 2): 1 2 3 4"),
		BOTH_WAYS("FP16", "[3]", "[1.0009765625,1e9,65504]",
			  "F16 (3): 1.00097656 inf 65504"),
		BOTH_WAYS("BF16", "[2]", "[1.01,-2]", "BF16 (2): 1.0078125 -2"),
		BOTH_WAYS("FP32", "[]", "[0.5]", "F32 (): 0.5"),
		BOTH_WAYS("FP32", "[0,3]", "[]", "F32 (0, 3):"),
		BOTH_WAYS("FP32", "[2,0]", "[[],[]]", "F32 (2, 0):"),
		BOTH_WAYS("FP32", "[2,0]", "[]", "F32 (2, 0):"),
	};
	char text[300];
	for (size_t i = 0; i < COUNT(cases); i++) {
		snprintf(text, sizeof text, "logits F32 (2, 3): 1 2 3 4 5 6\ntargets %s\n",
			 cases[i].text);
		assert_decodes(&plain, cases[i].body, text);
	}
	static const char bools[] =
		"{\"inputs\":[{\"name\":\"targets\",\"datatype\":\"BOOL\",\"shape\":[2,2],\"data\":"
		"[[true,false],[0,1]]}]}";
	assert_refused(
		&(struct decode_options){.create = oip_in_create, .loss = "sigmoid_focal_loss"},
		bools, LOSS_MISSING_FIELD, "logits",
		"inputs has no logits, but sigmoid_focal_loss needs it");
	assert_decodes(
		&(struct decode_options){.create = oip_in_create, .loss = "sigmoid_focal_loss"},
		"{\"inputs\":[{\"name\":\"targets\",\"data\":[[true,false]],\"datatype\":"
		"\"BOOL\",\"shape\":[1,2]},{\"name\":\"logits\",\"datatype\":\"BF16\","
		"\"shape\":[1,2],\"data\":[1,2]}]}",
		"logits BF16 (1, 2): 1 2\ntargets BOOL (1, 2): 1 0\n");
}

#define MASK(datatype, data)                                                                       \
	"{\"name\":\"mask\",\"datatype\":\"" datatype "\",\"shape\":[2],\"data\":" data "}"

static void test_masks(void **state)
{
	(void)state;
	static const struct oip_refused refused[] = {
		{"{" INPUTS_AND(MASK("BOOL", "[true,2]")) "}", LOSS_DTYPE_MISMATCH, "mask",
		 "mask[1] is 2, but an element of BOOL is an integer in 0..1"},
		{"{" INPUTS_AND(MASK("BOOL", "[true,null]")) "}", LOSS_WRONG_TYPE, "mask",
		 "mask[1] is null, but must be true, false, 0 or 1"},
		{"{" INPUTS_AND(MASK("UINT8", "[1,0]")) "}", LOSS_DTYPE_MISMATCH, "mask",
		 "mask.datatype is UINT8, but must be BOOL"},
	};
	assert_decodes(&plain, "{" INPUTS_AND(MASK("BOOL", "[true,false]")) "}",
		       TEXT "mask BOOL (2): 1 0\n");
	assert_decodes(&plain, "{" INPUTS_AND(MASK("BOOL", "[0,1]")) "}",
		       TEXT "mask BOOL (2): 0 1\n");
	oip_check_refused(refused, COUNT(refused));
}

/* A shape of (1) is that of a scalar where a scalar is needed, and nowhere else. */
static void test_scalars(void **state)
{
	(void)state;
	static const struct {
		const char *loss, *body;
		loss_status status;
	} cases[] = {
#define CLASSES(shape)                                                                             \
	"{\"name\":\"logits\",\"datatype\":\"FP32\",\"shape\":" shape ",\"data\":[1]}"
#define CLASS(shape) "{\"name\":\"targets\",\"datatype\":\"INT8\",\"shape\":" shape ",\"data\":[0]}"
#define UPSTREAM "{\"name\":\"grad_output\",\"datatype\":\"FP32\",\"shape\":[1],\"data\":[2]}"
		{"cross_entropy", "{\"inputs\":[" CLASSES("[1]") "," CLASS("[1]") "]}", LOSS_OK},
		{"cross_entropy", "{\"inputs\":[" CLASSES("[1]") "," CLASS("[]") "]}", LOSS_OK},
		{"cross_entropy", "{\"inputs\":[" CLASSES("[1,1]") "," CLASS("[1]") "]}", LOSS_OK},
		{"cross_entropy", "{\"inputs\":[" CLASSES("[1,1]") "," CLASS("[]") "]}",
		 LOSS_SHAPE_MISMATCH},
		{"cross_entropy",
		 "{\"inputs\":[" CLASSES("[1,1]") "," CLASS("[1]") "," UPSTREAM "]}", LOSS_OK},
		{"cross_entropy",
		 "{\"parameters\":{\"reduction\":\"none\"},\"inputs\":[" CLASSES("[1,1]") "," CLASS(
			 "[1]") "," UPSTREAM "]}",
		 LOSS_OK},
		{"cross_entropy",
		 "{\"parameters\":{\"reduction\":\"none\"},\"inputs\":[" CLASSES("[1]") "," CLASS(
			 "[1]") "," UPSTREAM "]}",
		 LOSS_OK},
		{"softmax", "{\"inputs\":[" CLASSES("[1]") "," UPSTREAM "]}", LOSS_OK},
		{"softmax", "{\"inputs\":[" CLASSES("[1,1]") "," UPSTREAM "]}",
		 LOSS_SHAPE_MISMATCH},
#define PROBABILITY(name, shape)                                                                   \
	"{\"name\":\"" name "\",\"datatype\":\"FP32\",\"shape\":" shape ",\"data\":[1]}"
#define ELEMENT(logits, targets, weight)                                                           \
	"{\"inputs\":[" CLASSES(logits) "," PROBABILITY("targets", targets) "," PROBABILITY(       \
		"weight", weight) "]}"
		{"binary_cross_entropy_with_logits", ELEMENT("[]", "[1]", "[1]"), LOSS_OK},
		{"binary_cross_entropy_with_logits", ELEMENT("[1]", "[1]", "[1]"), LOSS_OK},
		{"binary_cross_entropy_with_logits", ELEMENT("[1]", "[]", "[1]"),
		 LOSS_SHAPE_MISMATCH},
		/* of the logits' own shape: a probability */
		{"cross_entropy",
		 "{\"inputs\":[" CLASSES("[1]") "," PROBABILITY("targets", "[1]") "]}", LOSS_OK},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct decoded decoded = decode(&(struct decode_options){.create = oip_in_create,
									 .loss = cases[i].loss,
									 .run = 1},
						cases[i].body);
		if (decoded.status != cases[i].status)
			print_error("%s: %s\n", cases[i].body, decoded.detail);
		assert_int_equal(decoded.status, cases[i].status);
		decoded_free(&decoded);
	}
}

static void test_input_faults(void **state)
{
	(void)state;
	static const struct oip_refused cases[] = {
		{"{\"inputs\":[{\"name\":\"logit\"," SHAPED "\"data\":[1,2,3,4,5,6]}," TARGETS "]}",
		 LOSS_UNKNOWN_FIELD, "inputs[0]",
		 "inputs[0].name is \"logit\", but cross_entropy has no such input; use "
		 "\"logits\": unnormalised scores"},
		{"{\"inputs\":[" LOGITS "," TARGETS ",{\"name\":\"reduction\"}]}",
		 LOSS_UNKNOWN_FIELD, "inputs[2]",
		 "inputs[2].name is \"reduction\", but cross_entropy has no such input; it is an "
		 "argument: it stands in the request's parameters"},
		{"{\"inputs\":[" LOGITS "," LOGITS "]}", LOSS_DUPLICATE_FIELD, "logits",
		 "logits is given twice; give it once"},
		{"{\"inputs\":[" LOGITS "," TARGETS "," TARGETS "," TARGETS "," TARGETS "," TARGETS
		 "," TARGETS "," TARGETS "]}",
		 LOSS_DUPLICATE_FIELD, "targets", "targets is given twice; give it once"},
		{"{\"inputs\":[{\"name\":5}]}", LOSS_WRONG_TYPE, "inputs[0]",
		 "inputs[0].name is 5, but must be a string"},
		{"{\"inputs\":[{" SHAPED "\"data\":[1]}]}", LOSS_MISSING_FIELD, "inputs[0]",
		 "inputs[0].name is missing: an input has name, datatype, shape and data"},
		{LOGITS_WITH("\"shape\":[2,3],\"data\":[1,2,3,4,5,6]"), LOSS_MISSING_FIELD,
		 "logits",
		 "logits.datatype is missing: an input has name, datatype, shape and data"},
		{LOGITS_WITH("\"datatype\":\"FP32\",\"shape\":null,\"data\":[1,2,3,4,5,6]"),
		 LOSS_MISSING_FIELD, "logits",
		 "logits.shape is missing: an input has name, datatype, shape and data"},
		{LOGITS_WITH(SHAPED "\"data\":null"), LOSS_MISSING_FIELD, "logits",
		 "logits has no data: give exactly one of data, parameters.binary_data_size and "
		 "parameters.shared_memory_region"},
		{LOGITS_WITH(SHAPED "\"dtype\":\"FP32\""), LOSS_UNKNOWN_FIELD, "logits",
		 "logits has no member \"dtype\"; there are name, datatype, shape, parameters and "
		 "data"},
		{LOGITS_WITH(SHAPED "\"shape\":[1],\"data\":[1]"), LOSS_DUPLICATE_FIELD, "logits",
		 "logits.shape is given twice; give it once"},
		{LOGITS_WITH("\"shape\":[2,3],\"datatype\":\"F32\",\"data\":[1]"),
		 LOSS_DTYPE_MISMATCH, "logits",
		 "logits.datatype is \"F32\", but must be one of FP64, FP32, FP16, BF16"},
		{LOGITS_WITH("\"shape\":[1],\"datatype\":\"BYTES\",\"data\":[1]"),
		 LOSS_DTYPE_MISMATCH, "logits",
		 "logits.datatype is \"BYTES\", but must be one of FP64, FP32, FP16, BF16; BYTES "
		 "is text, which no loss takes"},
		{LOGITS_WITH("\"shape\":[2,3],\"datatype\":\"INT8\",\"data\":[1,2,3,4,5,6]"),
		 LOSS_DTYPE_MISMATCH, "logits",
		 "logits.datatype is INT8, but must be one of FP64, FP32, FP16, BF16"},
		{"{\"inputs\":[{\"name\":[1,{\"a\":[2]}]}]}", LOSS_WRONG_TYPE, "inputs[0]",
		 "inputs[0].name is an array, but must be a string"},
		{LOGITS_WITH("\"datatype\":{\"a\":[2]}"), LOSS_WRONG_TYPE, "logits",
		 "logits.datatype is an object, but must be a string such as \"FP32\""},
		{LOGITS_WITH("\"datatype\":32"), LOSS_WRONG_TYPE, "logits",
		 "logits.datatype is 32, but must be a string such as \"FP32\""},
		{LOGITS_WITH("\"shape\":6,\"datatype\":\"FP32\",\"data\":[1]"), LOSS_WRONG_TYPE,
		 "logits", "logits.shape is 6, but must be an array of integers"},
		{LOGITS_WITH("\"shape\":[2.0,3],\"datatype\":\"FP32\",\"data\":[1]"),
		 LOSS_WRONG_TYPE, "logits", "logits.shape[0] is 2.0, but must be an integer"},
		{LOGITS_WITH("\"shape\":[-1,3],\"datatype\":\"FP32\",\"data\":[1]"),
		 LOSS_SHAPE_MISMATCH, "logits", "logits.shape[0] is -1, but must be at least 0"},
		{LOGITS_WITH("\"shape\":[1,1,1,1,1,1,1,1,1],\"datatype\":\"FP32\",\"data\":[1]"),
		 STATUS_TOO_MANY_ELEMENTS, "logits",
		 "logits.shape has more than 8 dimensions (max_rank), which is the server's limit"},
		{LOGITS_WITH(
			 "\"shape\":[4294967296,4294967296],\"datatype\":\"FP32\",\"data\":[1]"),
		 STATUS_TOO_MANY_ELEMENTS, "logits",
		 "logits.shape has more than 8589934592 elements (max_elements), which is the "
		 "server's limit"},
		{LOGITS_WITH(SHAPED "\"data\":[1,2,3,4,5]"), LOSS_SHAPE_MISMATCH, "logits",
		 "logits.data has length 5, but the shape (2, 3) has 6 elements"},
		{LOGITS_WITH(SHAPED "\"data\":[[1,2],[3,4],[5,6]]"), LOSS_SHAPE_MISMATCH, "logits",
		 "logits.data is nested as (3, 2), but the shape is (2, 3)"},
		{LOGITS_WITH(SHAPED "\"data\":[[1,2,3],[4,5]]"), STATUS_RAGGED_ARRAY, "logits",
		 "logits[1] has length 2, but the arrays before it have length 3: nested arrays "
		 "must be of equal length"},
		{LOGITS_WITH(SHAPED "\"data\":1"), LOSS_WRONG_TYPE, "logits",
		 "logits.data is 1, but must be an array, flat or nested"},
		{LOGITS_WITH(SHAPED "\"data\":{\"a\":[1]}"), LOSS_WRONG_TYPE, "logits",
		 "logits.data is an object, but must be an array, flat or nested"},
		{LOGITS_WITH(SHAPED "\"data\":[1,2,\"3\",4,5,6]"), LOSS_WRONG_TYPE, "logits",
		 "logits[2] is \"3\", but must be a number; a number stands without quotes"},
		{LOGITS_WITH(SHAPED "\"data\":[1,2,true,4,5,6]"), LOSS_WRONG_TYPE, "logits",
		 "logits[2] is true, but must be a number"},
		{"{\"inputs\":[{\"data\":[1,2,true,4,5,6]," SHAPED "\"name\":\"logits\"}," TARGETS
		 "]}",
		 LOSS_WRONG_TYPE, "logits",
		 "logits.data has true as element 2, but must have numbers"},
		{"{\"inputs\":[" LOGITS
		 ",{\"name\":\"targets\",\"datatype\":\"INT8\",\"shape\":[2],"
		 "\"data\":[0,128]}]}",
		 LOSS_DTYPE_MISMATCH, "targets",
		 "targets[1] is 128, but an element of INT8 is an integer in -128..127"},
		{"{\"inputs\":[" LOGITS ",{\"data\":[0,1.0],\"datatype\":\"UINT8\",\"shape\":[2],"
		 "\"name\":\"targets\"}]}",
		 LOSS_DTYPE_MISMATCH, "targets",
		 "targets.data has 1.0 as element 1, but an element of UINT8 is an integer in "
		 "0..255"},
		{"{\"inputs\":[" LOGITS
		 ",{\"name\":\"targets\",\"datatype\":\"INT8\",\"shape\":[2],"
		 "\"data\":[0,3]}]}",
		 LOSS_TARGET_OUT_OF_BOUNDS, "targets",
		 "targets[1] is 3, but there are 3 classes (0..2)"},
		{LOGITS_WITH(SHAPED "\"data\":[{\"a\":NaN}]"), STATUS_INVALID_JSON, "",
		 "line 1, column 74: found 'N', but NaN may stand in tensors only, and Python's "
		 "None is null"},
		{LOGITS_WITH(SHAPED "\"data\":[1],\"data\":[NaN,[-Infinity]]"),
		 LOSS_DUPLICATE_FIELD, "logits", "logits.data is given twice; give it once"},
	};
	oip_check_refused(cases, COUNT(cases));
}

static void test_source_faults(void **state)
{
	(void)state;
	static const struct oip_refused cases[] = {
		{LOGITS_WITH(SHAPED "\"data\":[1],\"parameters\":{\"binary_data_size\":4}"),
		 LOSS_DUPLICATE_FIELD, "logits",
		 "logits has both data and binary_data_size: give exactly one of data, "
		 "parameters.binary_data_size and parameters.shared_memory_region"},
		{LOGITS_WITH(SHAPED "\"data\":[1],\"parameters\":{\"shared_memory_region\":\"a\"}"),
		 LOSS_DUPLICATE_FIELD, "logits",
		 "logits has both data and shared_memory_region: give exactly one of data, "
		 "parameters.binary_data_size and parameters.shared_memory_region"},
		{PARAMETERS_OF_INPUT("\"binary_data_size\":24,\"shared_memory_region\":\"a\""),
		 LOSS_DUPLICATE_FIELD, "logits",
		 "logits has both binary_data_size and shared_memory_region: give exactly one of "
		 "data, parameters.binary_data_size and parameters.shared_memory_region"},
		{LOGITS_WITH(SHAPED "\"data\":[1],\"parameters\":{\"binary_data_size\":4,\"shared_"
				    "memory_region\":\"a\"}"),
		 LOSS_DUPLICATE_FIELD, "logits",
		 "logits has data, binary_data_size and shared_memory_region: give exactly one of "
		 "data, parameters.binary_data_size and parameters.shared_memory_region"},
		{PARAMETERS_OF_INPUT("\"shared_memory_region\":\"a\""), LOSS_MISSING_FIELD,
		 "logits",
		 "logits.parameters.shared_memory_byte_size is missing beside "
		 "shared_memory_region"},
		{PARAMETERS_OF_INPUT("\"shared_memory_offset\":4"), LOSS_MISSING_FIELD, "logits",
		 "logits.parameters.shared_memory_region is missing: an offset and a byte size are "
		 "those of a region"},
		{PARAMETERS_OF_INPUT(
			 "\"shared_memory_region\":\"a\",\"shared_memory_byte_size\":24"),
		 LOSS_ARGUMENT_OUT_OF_RANGE, "logits",
		 "logits is in the shared memory region \"a\", but shared memory is switched off "
		 "on "
		 "this server"},
		{PARAMETERS_OF_INPUT(
			 "\"shared_memory_region\":\"a\",\"shared_memory_byte_size\":20"),
		 LOSS_SHAPE_MISMATCH, "logits",
		 "logits.parameters.shared_memory_byte_size is 20, but FP32 of shape (2, 3) has 24 "
		 "bytes"},
		{PARAMETERS_OF_INPUT("\"shared_memory_region\":7,\"shared_memory_byte_size\":24"),
		 LOSS_WRONG_TYPE, "shared_memory_region",
		 "logits.parameters.shared_memory_region is 7, but must be the name of a "
		 "registered "
		 "region"},
		{PARAMETERS_OF_INPUT("\"binary_data_size\":24"), STATUS_INVALID_HEADER, "logits",
		 "logits is binary (its binary_data_size is 24), but the request has no "
		 "Inference-Header-Content-Length header; it should be 162, the bytes of the JSON "
		 "part"},
		{PARAMETERS_OF_INPUT("\"binary_data_size\":24.0"), LOSS_WRONG_TYPE,
		 "binary_data_size",
		 "logits.parameters.binary_data_size is 24.0, but must be an integer, without "
		 "fraction or exponent"},
		{PARAMETERS_OF_INPUT("\"binary_data_size\":-24"), LOSS_ARGUMENT_OUT_OF_RANGE,
		 "binary_data_size",
		 "logits.parameters.binary_data_size is -24, but must be 0 to "
		 "18446744073709551615"},
		{PARAMETERS_OF_INPUT("\"binary_data\":true"), LOSS_UNKNOWN_FIELD, "binary_data",
		 "logits.parameters.binary_data is unknown; it stands in an output's parameters"},
		{LOGITS_WITH(SHAPED "\"parameters\":5"), LOSS_WRONG_TYPE, "logits",
		 "logits.parameters is 5, but must be an object"},
	};
	oip_check_refused(cases, COUNT(cases));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_data),          cmocka_unit_test(test_masks),
		cmocka_unit_test(test_scalars),       cmocka_unit_test(test_input_faults),
		cmocka_unit_test(test_source_faults),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
