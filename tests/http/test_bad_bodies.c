/*
 * Wrong bodies: each gets the status, the code and the place that api/openapi.yaml promises, and a
 * sentence with the words that help. Wrong heads are in test_bad_heads.c.
 */
#include "../support/group.h"
#include "../support/refusal.h"
#include "status/status.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bad_body {
	const char *loss, *body;
	struct refusal wanted;
};

#define CE "cross_entropy"
#define NLL "nll_loss"
#define BCE "binary_cross_entropy_with_logits"

/* Cross entropy with these further members. */
#define WITH(members) "{\"logits\": [[1, 2, 3], [4, 5, 6]], \"targets\": [0, 1], " members "}"
#define TARGETS(targets) "{\"logits\": [[1, 2, 3], [4, 5, 6]], \"targets\": " targets "}"
#define LOGITS(logits) "{\"logits\": " logits ", \"targets\": [0, 1]}"

static const struct bad_body syntax[] = {
	{CE, "", {STATUS_EMPTY_BODY, NULL, "empty"}},
	{CE, " \t\r\n ", {STATUS_EMPTY_BODY, NULL, "empty"}},
	{CE, "{", {STATUS_TRUNCATED_BODY, NULL, "line 1, column 2"}},
	{CE, "{\"logits\": [[1, 2], [3", {STATUS_TRUNCATED_BODY, NULL, "line 1"}},
	{CE, "{\"logits\":\n[[1, 2]]\n", {STATUS_TRUNCATED_BODY, NULL, "line 3, column 1"}},
	{CE, "{\"logi", {STATUS_TRUNCATED_BODY, NULL, "line 1"}},
	{CE, "{\"logits\": nul", {STATUS_TRUNCATED_BODY, NULL, "line 1"}},
	{CE, "{,}", {STATUS_INVALID_JSON, NULL, "line 1, column 2"}},
	{CE, "{\n \"logits\": [[1, 2],\n]}", {STATUS_INVALID_JSON, NULL, "line 3, column 1"}},
	{CE, "{\"logits\": [[01]]}", {STATUS_INVALID_JSON, NULL, "line 1, column 15"}},
	{CE, "{\"logits\": [[1.]]}", {STATUS_INVALID_JSON, NULL, "line 1, column 16"}},
	{CE, "{\"logits\": [[2.e3]]}", {STATUS_INVALID_JSON, NULL, "line 1, column 16"}},
	{CE, "{\"logits\": [[.5]]}", {STATUS_INVALID_JSON, NULL, "line 1, column 14"}},
	{CE, "{\"logits\": [[+1]]}", {STATUS_INVALID_JSON, NULL, "line 1, column 14"}},
	{CE, "{\"logits\": [[1 2]]}", {STATUS_INVALID_JSON, NULL, "line 1, column 16"}},
	{CE, "{\"logits\": [[nan]]}", {STATUS_INVALID_JSON, NULL, "line 1"}},
	{CE, "{'logits': [[1]]}", {STATUS_INVALID_JSON, NULL, "line 1, column 2"}},
	{CE,
	 "{\"logits\": [[1, 2]], \"targets\": [1]} x",
	 {STATUS_INVALID_JSON, NULL, "column 38"}},
	{CE, GOOD GOOD, {STATUS_INVALID_JSON, NULL, "line 1, column 37"}},
	{CE, "\xef\xbb\xbf" GOOD, {STATUS_INVALID_JSON, NULL, "line 1, column 1"}},
	{CE, "{\"logits\xff\": 1}", {STATUS_INVALID_JSON, NULL, "line 1, column 9"}},
	{CE, "{\"logits\": \"a\tb\"}", {STATUS_INVALID_JSON, NULL, "line 1"}},
	{CE, "{\"logits\": \"\\ud800\"}", {STATUS_INVALID_JSON, NULL, "line 1, column 19"}},
	{CE, "{\"logits\": \"\\ud800\\u0041\"}", {STATUS_INVALID_JSON, NULL, "line 1, column 24"}},
	{CE, "{\"\\udc00\": 1}", {STATUS_INVALID_JSON, NULL, "line 1, column 8"}},
	{CE, "{\"logits\xed\xa0\x80\": 1}", {STATUS_INVALID_JSON, NULL, "line 1, column 10"}},
	{CE, WITH("\"label_smoothing\": NaN"), {STATUS_INVALID_JSON, NULL, "line 1"}},
	{CE, WITH("\"denominator\": Infinity"), {STATUS_INVALID_JSON, NULL, "line 1"}},
	{CE,
	 "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
	 {STATUS_INVALID_JSON, NULL, "32"}},
	/* Syntax wins over whatever else was wrong before it. */
	{CE, "{\"nonsense\": 1, \"logits\": [[1, 2]", {STATUS_TRUNCATED_BODY, NULL, "line 1"}},
	{CE, "{\"reduction\": 7, \"logits\": [[1,]]}", {STATUS_INVALID_JSON, NULL, "line 1"}},
};

static const struct bad_body fields[] = {
	{CE, "{\"logitz\": [[1, 2]], \"targets\": [1]}", {LOSS_UNKNOWN_FIELD, "logitz", "logits"}},
	{CE, WITH("\"Targets\": 1"), {LOSS_UNKNOWN_FIELD, "Targets", "targets"}},
	{CE,
	 WITH("\"label_smothing\": 0.1"),
	 {LOSS_UNKNOWN_FIELD, "label_smothing", "label_smoothing"}},
	{CE, WITH("\"softcaps\": 30"), {LOSS_UNKNOWN_FIELD, "softcaps", "nearest"}},
	{CE, WITH("\"pos_weight\": [1, 2, 3]"), {LOSS_UNKNOWN_FIELD, "pos_weight", "pos_weight"}},
	{CE, WITH("\"\": 1"), {LOSS_UNKNOWN_FIELD, NULL, "\"\""}},
	{NLL,
	 "{\"logits\": [[1, 2]], \"targets\": [1]}",
	 {LOSS_UNKNOWN_FIELD, "logits", "nll_loss"}},
	{"softmax",
	 "{\"logits\": [[1, 2]], \"targets\": [1]}",
	 {LOSS_UNKNOWN_FIELD, "targets", "targets"}},
	{CE, WITH("\"targets\": [0, 1]"), {LOSS_DUPLICATE_FIELD, "targets", "twice"}},
	{CE,
	 WITH("\"weight\": null, \"weight\": [1, 1, 1]"),
	 {LOSS_DUPLICATE_FIELD, "weight", "twice"}},
	{CE,
	 WITH("\"reduction\": \"sum\", \"reduction\": \"sum\""),
	 {LOSS_DUPLICATE_FIELD, "reduction", "twice"}},
	{CE,
	 WITH("\"outputs\": [\"loss\"], \"outputs\": [\"grad\"]"),
	 {LOSS_DUPLICATE_FIELD, "outputs", "twice"}},
	{CE, WITH("\"l\\u006fgits\": [[1, 2]]"), {LOSS_DUPLICATE_FIELD, "logits", "twice"}},
	{CE, "{}", {LOSS_MISSING_FIELD, "logits", "logits"}},
	{CE, "{\"logits\": [[1, 2]]}", {LOSS_MISSING_FIELD, "targets", "targets"}},
	{CE, "{\"logits\": null, \"targets\": [1]}", {LOSS_MISSING_FIELD, "logits", "logits"}},
	{NLL, "{\"targets\": [1]}", {LOSS_MISSING_FIELD, "log_probs", "log_probs"}},
	{"softmax",
	 "{\"logits\": [[1, 2]], \"outputs\": [\"probs\", \"grad\"]}",
	 {LOSS_MISSING_FIELD, "grad_output", "grad_output"}},
};

static const struct bad_body types[] = {
	{CE, "[1, 2]", {LOSS_WRONG_TYPE, NULL, "object"}},
	{CE, "3", {LOSS_WRONG_TYPE, NULL, "object"}},
	{CE, "null", {LOSS_WRONG_TYPE, NULL, "object"}},
	{CE, LOGITS("\"abc\""), {LOSS_WRONG_TYPE, "logits", "logits"}},
	{CE, LOGITS("[[1, \"abc\"], [2, 3]]"), {LOSS_WRONG_TYPE, "/logits/0/1", "abc"}},
	{CE, LOGITS("[[1, 2], [true, 3]]"), {LOSS_WRONG_TYPE, "/logits/1/0", "true"}},
	{CE, LOGITS("[[1, null], [2, 3]]"), {LOSS_WRONG_TYPE, "/logits/0/1", "null"}},
	{CE,
	 LOGITS("{\"dtype\": \"F32\", \"shape\": [1], \"data\": [{}]}"),
	 {LOSS_WRONG_TYPE, "/logits/data/0", "logits"}},
	{CE,
	 LOGITS("{\"dtype\": 32, \"shape\": [1], \"data\": [0]}"),
	 {LOSS_WRONG_TYPE, "/logits/dtype", "dtype"}},
	{CE,
	 LOGITS("{\"dtype\": \"F32\", \"shape\": 1, \"data\": [0]}"),
	 {LOSS_WRONG_TYPE, "/logits/shape", "shape"}},
	{CE,
	 LOGITS("{\"dtype\": \"F32\", \"shape\": [1.0], \"data\": [0]}"),
	 {LOSS_WRONG_TYPE, "/logits/shape/0", "1.0"}},
	{CE, TARGETS("[true, false]"), {LOSS_WRONG_TYPE, "/targets/0", "true"}},
	{CE, TARGETS("[0, \"1\"]"), {LOSS_WRONG_TYPE, "/targets/1", "1"}},
	{CE, WITH("\"reduction\": 3"), {LOSS_WRONG_TYPE, "reduction", "string"}},
	{CE, WITH("\"ignore_index\": 1.5"), {LOSS_WRONG_TYPE, "ignore_index", "1.5"}},
	{CE, WITH("\"ignore_index\": 1e2"), {LOSS_WRONG_TYPE, "ignore_index", "1e2"}},
	{CE, WITH("\"ignore_index\": true"), {LOSS_WRONG_TYPE, "ignore_index", "integer"}},
	{CE, WITH("\"label_smoothing\": \"0.1\""), {LOSS_WRONG_TYPE, "label_smoothing", "number"}},
	{CE, WITH("\"label_smoothing\": \"NaN\""), {LOSS_WRONG_TYPE, "label_smoothing", "number"}},
	{CE, WITH("\"label_smoothing\": [0.1]"), {LOSS_WRONG_TYPE, "label_smoothing", "number"}},
	{CE, WITH("\"label_smoothing\": true"), {LOSS_WRONG_TYPE, "label_smoothing", "number"}},
	{CE, WITH("\"size_average\": 1"), {LOSS_WRONG_TYPE, "size_average", "true or false"}},
	{CE, WITH("\"outputs\": \"loss\""), {LOSS_WRONG_TYPE, "outputs", "outputs"}},
	{CE, WITH("\"outputs\": [\"loss\", 1]"), {LOSS_WRONG_TYPE, "/outputs/1", "outputs"}},
	{CE,
	 LOGITS("{\"dtype\": \"F32\", \"data\": [0]}"),
	 {LOSS_MISSING_FIELD, "/logits/shape", "shape"}},
	{CE,
	 LOGITS("{\"shape\": [1], \"data\": [0]}"),
	 {LOSS_MISSING_FIELD, "/logits/dtype", "dtype"}},
	{CE,
	 LOGITS("{\"dtype\": \"F32\", \"shape\": [1]}"),
	 {LOSS_MISSING_FIELD, "/logits/data", "data"}},
	{CE,
	 LOGITS("{\"dtype\": \"F32\", \"shape\": [1], \"data\": [0], \"x\": 1}"),
	 {LOSS_UNKNOWN_FIELD, "/logits/x", "\"x\""}},
	{CE,
	 LOGITS("{\"dtype\": \"F32\", \"shape\": [1], \"data\": [0], \"dtype\": \"F32\"}"),
	 {LOSS_DUPLICATE_FIELD, "/logits/dtype", "dtype"}},
	{CE, TARGETS("[0, 1.0]"), {LOSS_DTYPE_MISMATCH, "/targets/1", "1.0"}},
	{CE, TARGETS("[0, 1e0]"), {LOSS_DTYPE_MISMATCH, "/targets/1", "1e0"}},
	{CE,
	 TARGETS("{\"dtype\": \"U8\", \"shape\": [2], \"data\": [0, 256]}"),
	 {LOSS_DTYPE_MISMATCH, "/targets/data/1", "256"}},
	{CE,
	 TARGETS("{\"dtype\": \"U8\", \"shape\": [2], \"data\": [-1, 0]}"),
	 {LOSS_DTYPE_MISMATCH, "/targets/data/0", "-1"}},
	{CE,
	 TARGETS("{\"dtype\": \"F32\", \"shape\": [2], \"data\": [0, 1]}"),
	 {LOSS_DTYPE_MISMATCH, "targets", "F32"}},
	{CE,
	 TARGETS("{\"dtype\": \"I64\", \"shape\": [2, 3], \"data\": [0, 1, 0, 0, 0, 1]}"),
	 {LOSS_DTYPE_MISMATCH, "targets", "I64"}},
	{CE,
	 LOGITS("{\"dtype\": \"I64\", \"shape\": [2, 2], \"data\": [0, 1, 0, 0]}"),
	 {LOSS_DTYPE_MISMATCH, "logits", "F32"}},
	{CE,
	 LOGITS("{\"dtype\": \"F31\", \"shape\": [2, 2], \"data\": [0, 1, 0, 0]}"),
	 {LOSS_DTYPE_MISMATCH, "/logits/dtype", "F31"}},
	{NLL,
	 "{\"log_probs\": [[-1, -2]], \"targets\": [[0.5, 0.5]]}",
	 {LOSS_DTYPE_MISMATCH, "/targets/0/0", "0.5"}},
};

static const struct bad_body shapes[] = {
	{CE, LOGITS("[[1, 2], [3]]"), {STATUS_RAGGED_ARRAY, "/logits/1", "logits"}},
	{CE, LOGITS("[[1, 2], [3, 4, 5]]"), {STATUS_RAGGED_ARRAY, "/logits/1/2", "logits[1]"}},
	{CE, LOGITS("[[1, 2], 3]"), {STATUS_RAGGED_ARRAY, "/logits/1", "logits"}},
	{CE, LOGITS("[1, [2]]"), {STATUS_RAGGED_ARRAY, "/logits/1", "logits"}},
	{CE,
	 LOGITS("[[[1], [2]], [[1], [2, 3]]]"),
	 {STATUS_RAGGED_ARRAY, "/logits/1/1/1", "logits[1][1]"}},
	{CE, TARGETS("[[0], [1, 2]]"), {STATUS_RAGGED_ARRAY, "/targets/1/1", "targets[1]"}},
	{CE, LOGITS("[]"), {LOSS_SHAPE_MISMATCH, "logits", "dtype"}},
	{CE, LOGITS("[[], []]"), {LOSS_SHAPE_MISMATCH, "/logits/0", "dtype"}},
	{CE, LOGITS("3"), {LOSS_SHAPE_MISMATCH, "logits", "()"}},
	{CE, TARGETS("[0, 1, 2]"), {LOSS_SHAPE_MISMATCH, "targets", "(3)"}},
	{CE, TARGETS("[]"), {LOSS_SHAPE_MISMATCH, "targets", "(0)"}},
	{CE, TARGETS("0"), {LOSS_SHAPE_MISMATCH, "targets", "(2)"}},
	{CE, TARGETS("[[0, 1], [1, 0]]"), {LOSS_SHAPE_MISMATCH, "targets", "(2, 2)"}},
	{CE, WITH("\"weight\": [1, 2]"), {LOSS_SHAPE_MISMATCH, "weight", "(3)"}},
	{CE, WITH("\"weight\": 1"), {LOSS_SHAPE_MISMATCH, "weight", "(3)"}},
	{CE, WITH("\"grad_output\": [1, 2]"), {LOSS_SHAPE_MISMATCH, "grad_output", "()"}},
	{CE,
	 WITH("\"reduction\": \"none\", \"grad_output\": [1]"),
	 {LOSS_SHAPE_MISMATCH, "grad_output", "(2)"}},
	{CE,
	 LOGITS("{\"dtype\": \"F32\", \"shape\": [2, 0], \"data\": []}"),
	 {LOSS_SHAPE_MISMATCH, "logits", "class"}},
	{CE,
	 LOGITS("{\"dtype\": \"F32\", \"shape\": [2, 2], \"data\": [1, 2, 3]}"),
	 {LOSS_SHAPE_MISMATCH, "/logits/data", "length 3"}},
	{CE,
	 LOGITS("{\"dtype\": \"F32\", \"shape\": [2, 2], \"data\": [1, 2, 3, 4, 5]}"),
	 {LOSS_SHAPE_MISMATCH, "/logits/data", "length 5"}},
	{BCE,
	 "{\"logits\": [1, 2], \"targets\": [1, 0, 1]}",
	 {LOSS_SHAPE_MISMATCH, "targets", "(3)"}},
	{BCE,
	 "{\"logits\": [1, 2], \"targets\": [1, 0], \"weight\": [[1, 2], [3, 4]]}",
	 {LOSS_SHAPE_MISMATCH, "weight", "(2, 2)"}},
	{BCE,
	 "{\"logits\": [1, 2], \"targets\": [1, 0], \"pos_weight\": [1, 2, 3]}",
	 {LOSS_SHAPE_MISMATCH, "pos_weight", "(3)"}},
	{CE, LOGITS("[[[[[[[[[1]]]]]]]]]"), {STATUS_TOO_MANY_ELEMENTS, "logits", "8"}},
	{CE,
	 LOGITS("{\"dtype\": \"F32\", \"shape\": [1, 1, 1, 1, 1, 1, 1, 1, 1], \"data\": [1]}"),
	 {STATUS_TOO_MANY_ELEMENTS, "/logits/shape", "8"}},
	{CE,
	 LOGITS("{\"dtype\": \"F32\", \"shape\": [4294967296, 4294967296], \"data\": []}"),
	 {STATUS_TOO_MANY_ELEMENTS, "/logits/shape", "8589934592"}},
	{CE,
	 LOGITS("{\"dtype\": \"F32\", \"shape\": [9223372036854775808, 2, 0], \"data\": []}"),
	 {STATUS_TOO_MANY_ELEMENTS, "/logits/shape", "8589934592"}},
};

static const struct bad_body values[] = {
	{CE,
	 WITH("\"label_smoothing\": -0.1"),
	 {LOSS_ARGUMENT_OUT_OF_RANGE, "label_smoothing", "-0.1"}},
	{CE,
	 WITH("\"label_smoothing\": 1.0000001"),
	 {LOSS_ARGUMENT_OUT_OF_RANGE, "label_smoothing", "0 to 1"}},
	{CE,
	 WITH("\"label_smoothing\": 1e999"),
	 {LOSS_ARGUMENT_OUT_OF_RANGE, "label_smoothing", "1e999"}},
	{CE,
	 WITH("\"label_smoothing\": 1.1"),
	 {LOSS_ARGUMENT_OUT_OF_RANGE, "label_smoothing", "1.1"}},
	{CE, WITH("\"temperature\": 0"), {LOSS_ARGUMENT_OUT_OF_RANGE, "temperature", "greater"}},
	{CE, WITH("\"temperature\": -1"), {LOSS_ARGUMENT_OUT_OF_RANGE, "temperature", "-1"}},
	{CE, WITH("\"denominator\": 0"), {LOSS_ARGUMENT_OUT_OF_RANGE, "denominator", "greater"}},
	{CE, WITH("\"denominator\": -2"), {LOSS_ARGUMENT_OUT_OF_RANGE, "denominator", "-2"}},
	{CE, WITH("\"denominator\": 1e400"), {LOSS_ARGUMENT_OUT_OF_RANGE, "denominator", "1e400"}},
	{CE,
	 WITH("\"reduction\": \"average\""),
	 {LOSS_ARGUMENT_OUT_OF_RANGE, "reduction", "\"mean\""}},
	{CE, WITH("\"reduction\": \"Mean\""), {LOSS_ARGUMENT_OUT_OF_RANGE, "reduction", "Mean"}},
	{CE, WITH("\"empty_mean\": \"one\""), {LOSS_ARGUMENT_OUT_OF_RANGE, "empty_mean", "zero"}},
	{CE, WITH("\"class_axis\": 0"), {LOSS_ARGUMENT_OUT_OF_RANGE, "class_axis", "1 or -1"}},
	{CE, WITH("\"class_axis\": 2"), {LOSS_ARGUMENT_OUT_OF_RANGE, "class_axis", "1 or -1"}},
	{CE,
	 WITH("\"ignore_index\": 9223372036854775808"),
	 {LOSS_ARGUMENT_OUT_OF_RANGE, "ignore_index", "9223372036854775808"}},
	{CE,
	 "{\"logits\": [[1, 2]], \"targets\": [[0.5, 0.5]], \"ignore_index\": 1}",
	 {LOSS_ARGUMENT_OUT_OF_RANGE, "ignore_index", "negative"}},
	{CE,
	 WITH("\"outputs\": [\"loss\", \"gradient\"]"),
	 {LOSS_ARGUMENT_OUT_OF_RANGE, "/outputs/1", "gradient"}},
	{CE,
	 WITH("\"outputs\": [\"loss\", \"grad\", \"loss\"]"),
	 {LOSS_ARGUMENT_OUT_OF_RANGE, "/outputs/2", "twice"}},
	{NLL,
	 "{\"log_probs\": [[-1, -2]], \"targets\": [1], \"outputs\": [\"probs\"]}",
	 {LOSS_ARGUMENT_OUT_OF_RANGE, "/outputs/0", "probs"}},
	{CE,
	 "{\"logits\": [[1, 2]], \"targets\": [[0.5, 0.5]], \"outputs\": [\"correct\"]}",
	 {LOSS_ARGUMENT_OUT_OF_RANGE, "/outputs/0", "class indices"}},
	{CE,
	 TARGETS("[0, 3]"),
	 {LOSS_TARGET_OUT_OF_BOUNDS, "/targets/1",
	  "targets[1] is 3, but there are 3 classes (0..2)"}},
	{CE, TARGETS("[-1, 3]"), {LOSS_TARGET_OUT_OF_BOUNDS, "/targets/0", "targets[0] is -1"}},
	{CE,
	 TARGETS("[0, 9223372036854775807]"),
	 {LOSS_TARGET_OUT_OF_BOUNDS, "/targets/1", "9223372036854775807"}},
	{CE,
	 TARGETS("[18446744073709551615, 0]"),
	 {LOSS_TARGET_OUT_OF_BOUNDS, "/targets/0", "18446744073709551615"}},
	{CE,
	 TARGETS("[-9223372036854775808, 0]"),
	 {LOSS_TARGET_OUT_OF_BOUNDS, "/targets/0", "-9223372036854775808"}},
	{CE,
	 TARGETS("[9007199254740993, 0]"),
	 {LOSS_TARGET_OUT_OF_BOUNDS, "/targets/0", "9007199254740993"}},
	{CE,
	 TARGETS("[99999999999999999999999, 0]"),
	 {LOSS_TARGET_OUT_OF_BOUNDS, "/targets/0", "99999999999999999999999"}},
	{CE,
	 "{\"logits\": [1, 2], \"targets\": 2}",
	 {LOSS_TARGET_OUT_OF_BOUNDS, "targets", "targets is 2"}},
	{CE,
	 TARGETS("{\"dtype\": \"I8\", \"shape\": [2], \"data\": [2, -2]}"),
	 {LOSS_TARGET_OUT_OF_BOUNDS, "/targets/data/1", "targets[1] is -2"}},
	{CE,
	 "{\"logits\": [[[1, 2], [3, 4]], [[5, 6], [7, 8]]], \"targets\": [[0, 1], [1, 2]]}",
	 {LOSS_TARGET_OUT_OF_BOUNDS, "/targets/1/1", "targets[1][1] is 2"}},
	{CE,
	 "{\"logits\": [[[1, 2], [3, 4]], [[5, 6], [7, 8]]], \"targets\": {\"dtype\": \"I64\", "
	 "\"shape\": [2, 2], \"data\": [0, 1, 5, 1]}}",
	 {LOSS_TARGET_OUT_OF_BOUNDS, "/targets/data/2", "targets[1][0] is 5"}},
	/* -100 is no index of an unsigned dtype: nothing is ignored by default. */
	{CE,
	 TARGETS("{\"dtype\": \"U8\", \"shape\": [2], \"data\": [2, 156]}"),
	 {LOSS_TARGET_OUT_OF_BOUNDS, "/targets/data/1", "156"}},
	{NLL,
	 "{\"log_probs\": [[-1, -2]], \"targets\": [2]}",
	 {LOSS_TARGET_OUT_OF_BOUNDS, "/targets/0", "2 classes"}},
};

/* Wrong in two ways: the one that comes first in the contract's order is told. */
static const struct bad_body order[] = {
	{CE, WITH("\"nonsense\": 1, \"reduction\": 3"), {LOSS_UNKNOWN_FIELD, "nonsense", ""}},
	{CE, WITH("\"reduction\": 3, \"nonsense\": 1"), {LOSS_UNKNOWN_FIELD, "nonsense", ""}},
	{CE, WITH("\"reduction\": 3, \"logits\": 1"), {LOSS_DUPLICATE_FIELD, "logits", ""}},
	{CE, "{\"targets\": [0], \"reduction\": 3}", {LOSS_WRONG_TYPE, "reduction", ""}},
	{CE, "{\"targets\": [9], \"label_smoothing\": 2}", {LOSS_MISSING_FIELD, "logits", ""}},
	{CE,
	 "{\"logits\": [[1, 2]], \"targets\": [0, 0], \"label_smoothing\": 2}",
	 {LOSS_SHAPE_MISMATCH, "targets", ""}},
	{CE,
	 "{\"logits\": [[1, 2]], \"targets\": [9], \"label_smoothing\": 2}",
	 {LOSS_ARGUMENT_OUT_OF_RANGE, "label_smoothing", ""}},
	{CE,
	 "{\"logits\": [[1, 2]], \"targets\": [9], \"outputs\": [\"lost\"]}",
	 {LOSS_ARGUMENT_OUT_OF_RANGE, "/outputs/0", ""}},
};

static void run_bodies(const struct bad_body *table, size_t n)
{
	int bad = 0;
	for (size_t i = 0; i < n; i++) {
		char path[128];
		struct reply reply;
		snprintf(path, sizeof(path), "/v1/losses/%s", table[i].loss);
		client_post(client, path, table[i].body, &reply);
		bad += refusal_check(table[i].body, &table[i].wanted, &reply);
	}
	if (bad > 0)
		fail_msg("%d things are wrong with these refusals", bad);
}

#define BODY_TEST(table)                                                                           \
	static void test_##table(void **state)                                                     \
	{                                                                                          \
		(void)state;                                                                       \
		run_bodies(table, sizeof(table) / sizeof(table[0]));                               \
	}
BODY_TEST(syntax)
BODY_TEST(fields)
BODY_TEST(types)
BODY_TEST(shapes)
BODY_TEST(values)
BODY_TEST(order)

/* ---------------------------------------------------------------- bodies that are no C string */

static void expect_refusal(const char *what, const char *body, size_t n, loss_status status,
			   const char *words)
{
	static const char *const headers[] = {"Content-Type: application/json", NULL};
	struct reply reply;
	client_send(
		client,
		&(struct request){
			.path = CROSS_ENTROPY, .headers = headers, .body = body, .body_size = n},
		&reply);
	assert_int_equal(refusal_check(what, &(struct refusal){status, NULL, words}, &reply), 0);
}

static void test_nul(void **state)
{
	(void)state;
	static const char after[] = GOOD "\0", inside[] = "{\"logits\0\": 1}";
	expect_refusal("NUL after", after, sizeof after - 1, STATUS_INVALID_JSON, "column 37");
	expect_refusal("NUL inside", inside, sizeof inside - 1, STATUS_INVALID_JSON, "column 9");
}

static void test_a_million_brackets(void **state)
{
	(void)state;
	enum { N = 1000000 };
	char *body = malloc(N);
	assert_non_null(body);
	memset(body, '[', N);
	expect_refusal("a million brackets", body, N, STATUS_INVALID_JSON, "line 1, column 33");
	free(body);
}

#define MANY_BYTES ((size_t)64 << 20)
#define MANY_START "{\"logits\":[0"
/* Two bytes of text become four of a number; and buffers grow by an eighth. */
#define MANY_GROWTH (MANY_BYTES * 5 / 2)

static size_t make_zeros(void *context, char *out, size_t n)
{
	size_t *sent = context, i = 0;
	for (; i < n && *sent < MANY_BYTES; i++, (*sent)++)
		out[i] = *sent < sizeof MANY_START - 1         ? MANY_START[*sent]
			 : (*sent - sizeof MANY_START + 1) % 2 ? '0'
							       : ',';
	return i;
}

/* It is cut; its 32 million numbers cost what numbers cost, not what a tree of them would. */
static void test_64_mb_of_zeros(void **state)
{
	(void)state;
	static const char *const headers[] = {"Content-Type: application/json", NULL};
	size_t sent = 0, before = server_resident_bytes(&server);
	struct reply reply;
	client_send(client,
		    &(struct request){.path = CROSS_ENTROPY,
				      .headers = headers,
				      .upload = make_zeros,
				      .context = &sent},
		    &reply);
	assert_int_equal(sent, MANY_BYTES);
	assert_int_equal(refusal_check("64 MB of zeros",
				       &(struct refusal){STATUS_TRUNCATED_BODY, NULL, "67108865"},
				       &reply),
			 0);
	size_t peak = server_peak_bytes(&server);
	print_message("%zu bytes before, %zu at the most\n", before, peak);
	if (peak > 0 && !built_with_sanitizer())
		assert_true(peak < before + MANY_GROWTH);
}

/* The server is none the worse for all of that. */
static void test_a_good_request_afterwards(void **state)
{
	(void)state;
	struct reply reply;
	client_post(client, "/v1/losses/cross_entropy", GOOD, &reply);
	assert_int_equal(reply.status, 200);
	reply_free(&reply);
}

static void test_every_code_was_met(void **state)
{
	(void)state;
	refusal_assert_all_met(REFUSAL_BODIES);
}

/* ---------------------------------------------------------------- several at once */

/* "code pointer, ..." of the document's errors, of which the first is the document's own. */
static void list_errors(const cJSON *problem, char *out, size_t size)
{
	const cJSON *one;
	size_t used = 0;
	cJSON_ArrayForEach(one, json_member(problem, "errors"))
	{
		const cJSON *pointer = json_find(one, "pointer");
		used += (size_t)snprintf(out + used, size - used, "%s%s %s", used ? ", " : "",
					 json_string(json_member(one, "code")),
					 pointer ? json_string(pointer) : "-");
		assert_string_not_equal(json_string(json_member(one, "detail")), "");
	}
	one = json_member(problem, "errors")->child;
	assert_string_equal(json_string(json_member(one, "code")),
			    json_string(json_member(problem, "code")));
	assert_string_equal(json_string(json_member(one, "detail")),
			    json_string(json_member(problem, "detail")));
}

static void independent_errors_are_told_at_once(void **state)
{
	static const struct {
		const char *query, *body, *errors;
	} cases[] = {
		{"", "{}", "missing_field logits, missing_field targets"},
		{"", "{\"targets\": [[]]}", "missing_field logits"},
		{"", LOGITS("[[1, \"a\"], [\"b\", 2]]"), "wrong_type /logits/0/1"},
		{"", "{\"logits\": [[\"a\"]], \"targets\": [\"b\", 0.5], \"weight\": \"c\"}",
		 "wrong_type /logits/0/0, wrong_type /targets/0, wrong_type weight"},
		{"",
		 "{\"logits\": {\"dtype\": 1, \"shape\": [1], \"data\": [1]}, \"targets\": "
		 "[\"b\"], "
		 "\"weight\": {\"dtype\": \"F31\", \"shape\": [1], \"data\": [1]}}",
		 "wrong_type /logits/dtype, wrong_type /targets/0, dtype_mismatch /weight/dtype"},
		/* what the loss knows, too */
		{"", TARGETS("\"a\"") "", "wrong_type targets"},
		{"",
		 "{\"logits\": [[1, 2]], \"targets\": [\"a\"], \"weight\": {\"dtype\": \"I64\", "
		 "\"shape\": [2], \"data\": [1, 1]}}",
		 "wrong_type /targets/0, dtype_mismatch weight"},
		{"", WITH("\"weight\": [1], \"row_weight\": [1, 2, 3], \"label_smoothing\": 2"),
		 "shape_mismatch weight, shape_mismatch row_weight"},
		{"", "{\"logits\": [[1, 2], [3]], \"targets\": [[0], 1]}",
		 "ragged_array /logits/1, ragged_array /targets/1"},
		{"", WITH("\"reduction\": 1, \"label_smoothing\": \"a\", \"shift\": 0"),
		 "wrong_type reduction, wrong_type label_smoothing, wrong_type shift"},
		{"", WITH("\"temperature\": -1, \"label_smoothing\": 2"),
		 "argument_out_of_range label_smoothing, argument_out_of_range temperature"},
		{"", WITH("\"a\": 1, \"b\": 2, \"a\": 3"), "unknown_field a, unknown_field b"},
		/* names go before types, types before what is missing, that before shapes */
		{"", "{\"a\": 1, \"logits\": \"x\"}", "unknown_field a"},
		{"", "{\"logits\": \"x\"}", "wrong_type logits"},
		{"", "{\"logits\": [[1], [1, 2]]}", "missing_field targets"},
		{"", TARGETS("[7, 8]"), "target_out_of_bounds /targets/0"},
		/* and in the query */
		{"?a=1&b=2", GOOD, "unknown_field a, unknown_field b"},
		{"?label_smoothing=a&reduce=b", WITH("\"shift\": 1"),
		 "wrong_type label_smoothing, wrong_type reduce, wrong_type shift"},
		{"?a=1", "{\"b\": 2}", "unknown_field a, unknown_field b"},
		{"", "{", "truncated_body -"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char path[128], errors[2048];
		struct reply reply;
		snprintf(path, sizeof path, CROSS_ENTROPY "%s", cases[i].query);
		client_post(client, path, cases[i].body, &reply);
		cJSON *problem = reply_json(&reply);
		list_errors(problem, errors, sizeof errors);
		if (strcmp(errors, cases[i].errors) != 0)
			fail_msg("%s%s: %s, not %s", cases[i].query, cases[i].body, errors,
				 cases[i].errors);
		cJSON_Delete(problem);
		reply_free(&reply);
	}
}

static void many_errors_are_sixteen(void **state)
{
	char body[1024] = "{";
	size_t n = 1;
	struct reply reply;
	(void)state;
	for (int i = 0; i < 40; i++)
		n += (size_t)sprintf(body + n, "\"x%d\": 0, ", i);
	strcpy(body + n, "\"targets\": [0]}");
	client_post(client, CROSS_ENTROPY, body, &reply);
	cJSON *problem = reply_json(&reply);
	assert_int_equal(cJSON_GetArraySize(json_member(problem, "errors")), 16);
	cJSON_Delete(problem);
	reply_free(&reply);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_syntax),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_a_million_brackets),
		cmocka_unit_test(test_64_mb_of_zeros),
		cmocka_unit_test(test_a_good_request_afterwards),
		cmocka_unit_test(test_every_code_was_met),
		cmocka_unit_test(independent_errors_are_told_at_once),
		cmocka_unit_test(many_errors_are_sixteen),
	};
	return cmocka_run_group_tests(tests, group_start, group_stop);
}
