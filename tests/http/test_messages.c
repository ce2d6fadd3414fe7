/*
 * What the server says of wrong names, shapes and numbers: whole sentences, over JSON, the query
 * string, safetensors and the Open Inference Protocol.
 */
#include "../support/group.h"
#include "../support/safetensors.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The sentence is `detail`, or on /v2 `error`. Frees the reply. */
static int check(const char *what, const char *member, struct reply *reply, const char *wanted)
{
	cJSON *json = reply_json(reply);
	const char *got = json_string(json_member(json, member));
	int bad = strcmp(got, wanted) != 0;
	if (bad)
		print_error("%s:\n%s\nnot\n%s\n", what, got, wanted);
	cJSON_Delete(json);
	reply_free(reply);
	return bad;
}

struct said {
	const char *loss, *body, *sentence;
};

static void check_bodies(const struct said *rows, size_t n)
{
	int bad = 0;
	for (size_t i = 0; i < n; i++) {
		char path[128];
		struct reply reply;
		snprintf(path, sizeof(path), "/v1/losses/%s", rows[i].loss);
		client_post(client, path, rows[i].body, &reply);
		bad += check(rows[i].body, "detail", &reply, rows[i].sentence);
	}
	assert_int_equal(bad, 0);
}

static const struct said names[] = {
	{"cross_entropy",
	 "{\"logits\": [[1, 2, 3], [4, 5, 6]], \"targets\": [0, 1], \"labels\": 1}",
	 "cross_entropy has no field \"labels\"; use \"targets\": class indices (integers), or a "
	 "probability for each class (floats)"},
	{"cross_entropy",
	 "{\"logits\": [[1, 2, 3], [4, 5, 6]], \"targets\": [0, 1], \"y_pred\": 1}",
	 "cross_entropy has no field \"y_pred\"; use \"logits\": unnormalised scores"},
	{"cross_entropy",
	 "{\"logits\": [[1, 2, 3], [4, 5, 6]], \"targets\": [0, 1], \"sample_weight\": 1}",
	 "cross_entropy has no field \"sample_weight\"; use \"row_weight\": a factor for each row, "
	 "in its loss, its gradient and the denominator"},
	{"cross_entropy",
	 "{\"logits\": [[1, 2, 3], [4, 5, 6]], \"targets\": [0, 1], \"class_weights\": 1}",
	 "cross_entropy has no field \"class_weights\"; use \"weight\": a factor for each class"},
	{"cross_entropy",
	 "{\"logits\": [[1, 2, 3], [4, 5, 6]], \"targets\": [0, 1], \"pos_weight\": 1}",
	 "cross_entropy has no field \"pos_weight\"; there are logits, targets, weight, "
	 "row_weight, mask, groups, bytes, grad_output, size_average, ignore_index, reduce, "
	 "reduction, "
	 "label_smoothing, denominator, empty_mean, totals, class_axis, grad_dtype, softcap, "
	 "temperature, "
	 "z_loss, shift, logit_scale, gamma, k, ece_bins, ece_norm, n_groups, outputs, non_finite "
	 "and "
	 "tensors"},
	{"cross_entropy",
	 "{\"logits\": [[1, 2, 3], [4, 5, 6]], \"targets\": [0, 1], \"smoothing\": 1}",
	 "cross_entropy has no field \"smoothing\"; use \"label_smoothing\": the share of the "
	 "target that is spread over all classes"},
	{"cross_entropy",
	 "{\"logits\": [[1, 2, 3], [4, 5, 6]], \"targets\": [0, 1], \"padding_idx\": 1}",
	 "cross_entropy has no field \"padding_idx\"; use \"ignore_index\": rows with this target "
	 "count neither in the loss nor in the denominator, and have gradient 0"},
	{"cross_entropy", "{\"logits\": [[1, 2, 3], [4, 5, 6]], \"targets\": [0, 1], \"tau\": 1}",
	 "cross_entropy has no field \"tau\"; use \"temperature\": divides each logit, after "
	 "logit_scale and softcap and before all else"},
	{"cross_entropy",
	 "{\"logits\": [[1, 2, 3], [4, 5, 6]], \"targets\": [0, 1], \"n_bins\": 1}",
	 "cross_entropy has no field \"n_bins\"; use \"ece_bins\": how many bins of equal width "
	 "ece has"},
	{"cross_entropy", "{\"logits\": [[1, 2, 3], [4, 5, 6]], \"targets\": [0, 1], \"top_k\": 1}",
	 "cross_entropy has no field \"top_k\"; use \"k\": how many classes topk_accuracy looks "
	 "at, at most all of them"},
	{"cross_entropy",
	 "{\"logits\": [[1, 2, 3], [4, 5, 6]], \"targets\": [0, 1], \"return\": 1}",
	 "cross_entropy has no field \"return\"; use \"outputs\""},
	{"cross_entropy",
	 "{\"logits\": [[1, 2, 3], [4, 5, 6]], \"targets\": [0, 1], \"output\": 1}",
	 "cross_entropy has no field \"output\"; the nearest is \"outputs\""},
	{"cross_entropy",
	 "{\"logits\": [[1, 2, 3], [4, 5, 6]], \"targets\": [0, 1], \"gradient\": 1}",
	 "cross_entropy has no field \"gradient\"; it is called \"grad\", an output: name it in "
	 "\"outputs\""},
	{"cross_entropy", "{\"logits\": [[1, 2, 3], [4, 5, 6]], \"targets\": [0, 1], \"loss\": 1}",
	 "cross_entropy has no field \"loss\"; the path names the loss (--loss that of lossd "
	 "eval); as an output it stands in \"outputs\""},
	{"cross_entropy",
	 "{\"logits\": [[1, 2, 3], [4, 5, 6]], \"targets\": [0, 1], \"compress\": 1}",
	 "cross_entropy has no field \"compress\"; it is a parameter of the query string: "
	 "?compress=true"},
	{"cross_entropy",
	 "{\"logits\": [[1, 2, 3], [4, 5, 6]], \"targets\": [0, 1], \"timeout\": 1}",
	 "cross_entropy has no field \"timeout\"; a time limit is the header X-Request-Timeout-Ms"},
	{"cross_entropy",
	 "{\"logits\": [[1, 2, 3], [4, 5, 6]], \"targets\": [0, 1], \"from_logits\": 1}",
	 "cross_entropy has no field \"from_logits\"; leave it out: the name of a "
	 "loss's first tensor says what it takes; of two classes binary_cross_entropy_with_logits "
	 "logits, binary_cross_entropy probabilities"},
	{"softmax", "{\"device\": \"cuda\"}",
	 "softmax has no field \"device\"; losses are computed on processors alone: leave it out"},
	{"softmax", "{\"name\": \"a\"}",
	 "softmax has no field \"name\"; the loss has been named already: leave it out"},
	{"cross_entropy",
	 "{\"logits\": [[1, 2, 3], [4, 5, 6]], \"targets\": [0, 1], \"num_classes\": 1}",
	 "cross_entropy has no field \"num_classes\"; the shapes of the tensors tell it: leave it "
	 "out"},
	{"cross_entropy",
	 "{\"logits\": [[1, 2, 3], [4, 5, 6]], \"targets\": [0, 1], \"reducton\": 1}",
	 "cross_entropy has no field \"reducton\"; the nearest is \"reduction\""},
	{"cross_entropy",
	 "{\"logits\": [[1, 2, 3], [4, 5, 6]], \"targets\": [0, 1], \"labelSmoothing\": 1}",
	 "cross_entropy has no field \"labelSmoothing\"; the nearest is \"label_smoothing\""},
	{"cross_entropy", "{\"logits\": [[1, 2, 3], [4, 5, 6]], \"targets\": [0, 1], \"zzzz\": 1}",
	 "cross_entropy has no field \"zzzz\"; there are logits, targets, weight, row_weight, "
	 "mask, groups, bytes, grad_output, size_average, ignore_index, reduce, reduction, "
	 "label_smoothing, "
	 "denominator, empty_mean, totals, class_axis, grad_dtype, softcap, temperature, z_loss, "
	 "shift, "
	 "logit_scale, gamma, k, ece_bins, ece_norm, n_groups, outputs, non_finite and tensors"},
	{"nll_loss", "{\"logits\": 1}",
	 "nll_loss has no field \"logits\"; use \"log_probs\": logarithms of probabilities, as "
	 "log_softmax gives them"},
	{"softmax", "{\"labels\": 1}",
	 "softmax has no field \"labels\"; there are logits, grad_output, class_axis, grad_dtype, "
	 "outputs, non_finite and tensors"},
	{"kl_div", "{\"eps\": 1}",
	 "kl_div has no field \"eps\"; there are log_probs, targets, mask, grad_output, "
	 "size_average, reduce, reduction, log_target, denominator, empty_mean, totals, "
	 "grad_dtype, "
	 "outputs, non_finite and tensors"},
	{"binary_cross_entropy_with_logits", "{\"sample_weight\": 1}",
	 "binary_cross_entropy_with_logits has no field \"sample_weight\"; there are logits, "
	 "targets, weight, pos_weight, mask, grad_output, size_average, reduce, reduction, "
	 "denominator, empty_mean, totals, grad_dtype, ece_bins, ece_norm, outputs, non_finite and "
	 "tensors"},
	{"cross_entropy",
	 "{\"logits\": [[1, 2, 3], [4, 5, 6]], \"targets\": [0, 1], \"outputs\": [\"gradient\"]}",
	 "outputs[0] is \"gradient\", which cross_entropy does not have; use \"grad\": the "
	 "gradient with respect to the first tensor, times grad_output if given"},
	{"cross_entropy",
	 "{\"logits\": [[1, 2, 3], [4, 5, 6]], \"targets\": [0, 1], \"outputs\": [\"logits\"]}",
	 "outputs[0] is \"logits\", which cross_entropy does not have; it is a tensor: give it "
	 "with the others, and leave it out here"},
	{"cross_entropy",
	 "{\"logits\": [[1, 2, 3], [4, 5, 6]], \"targets\": [0, 1], \"outputs\": [\"zz\"]}",
	 "outputs[0] is \"zz\", which cross_entropy does not have; there are loss, grad, "
	 "log_probs, probs, lse, entropy, z_loss, predicted, correct, rank, accuracy, "
	 "topk_accuracy, perplexity, ece, group_loss_sum, group_denominator, group_counted, "
	 "group_loss, bits_per_byte and loss_quantiles"},
	{"cross_entropy",
	 "{\"logits\": [[1, 2, 3], [4, 5, 6]], \"targets\": [0, 1], \"outputs\": [\"top_k\"]}",
	 "outputs[0] is \"top_k\", which cross_entropy does not have; use \"topk_accuracy\": the "
	 "share of counted rows whose target is among the k classes of the largest logits"},
};

static void names_in_json(void **state)
{
	(void)state;
	check_bodies(names, COUNT(names));
}

static const struct said shapes[] = {
	{"cross_entropy",
	 "{\"logits\": {\"dtype\": \"F32\", \"shape\": [2, 3, 4], \"data\": [0, 0, 0, 0, 0, 0, 0, "
	 "0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]}, \"targets\": {\"dtype\": \"I64\", "
	 "\"shape\": [2, 3], \"data\": [0, 0, 0, 0, 0, 0]}}",
	 "targets has shape (2, 3), but must have (2, 4), that of logits without the class axis "
	 "(or all of that, for probabilities); it fits with class_axis=-1, classes last"},
	{"cross_entropy",
	 "{\"logits\": {\"dtype\": \"F32\", \"shape\": [2, 3, 4], \"data\": [0, 0, 0, 0, 0, 0, 0, "
	 "0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]}, \"targets\": {\"dtype\": \"I64\", "
	 "\"shape\": [2, 4], \"data\": [0, 0, 0, 0, 0, 0, 0, 0]}, \"class_axis\": -1}",
	 "targets has shape (2, 4), but must have (2, 3), that of logits without the class axis "
	 "(or all of that, for probabilities); it fits with class_axis=1"},
	{"cross_entropy",
	 "{\"logits\": {\"dtype\": \"F32\", \"shape\": [2, 3, 4], \"data\": [0, 0, 0, 0, 0, 0, 0, "
	 "0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]}, \"targets\": {\"dtype\": \"I64\", "
	 "\"shape\": [2, 4], \"data\": [0, 0, 0, 0, 0, 0, 0, 0]}, \"class_axis\": 2}",
	 "class_axis is 2, but must be 1 or -1; -1 is the last axis, which is 2 here"},
	{"cross_entropy",
	 "{\"logits\": {\"dtype\": \"F32\", \"shape\": [2, 3], \"data\": [0, 0, 0, 0, 0, 0]}, "
	 "\"targets\": {\"dtype\": \"I64\", \"shape\": [2], \"data\": [0, 0]}, \"class_axis\": 0}",
	 "class_axis is 0, but must be 1 or -1; -1 is the last axis, which is 1 here"},
	{"cross_entropy",
	 "{\"logits\": {\"dtype\": \"F32\", \"shape\": [2, 3, 4], \"data\": [0, 0, 0, 0, 0, 0, 0, "
	 "0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]}, \"targets\": {\"dtype\": \"I64\", "
	 "\"shape\": [2, 4], \"data\": [0, 0, 0, 0, 0, 0, 0, 0]}, \"weight\": {\"dtype\": \"F32\", "
	 "\"shape\": [4], \"data\": [0, 0, 0, 0]}}",
	 "weight has shape (4), but must have (3), one factor for each class"},
	{"cross_entropy",
	 "{\"logits\": {\"dtype\": \"F32\", \"shape\": [2, 3, 4], \"data\": [0, 0, 0, 0, 0, 0, 0, "
	 "0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]}, \"targets\": {\"dtype\": \"I64\", "
	 "\"shape\": [2, 4], \"data\": [0, 0, 0, 0, 0, 0, 0, 0]}, \"row_weight\": {\"dtype\": "
	 "\"F32\", \"shape\": [2, 3], \"data\": [0, 0, 0, 0, 0, 0]}}",
	 "row_weight has shape (2, 3), but must have (2, 4), that of logits without the class "
	 "axis"},
	{"cross_entropy",
	 "{\"logits\": {\"dtype\": \"F32\", \"shape\": [2, 3, 4], \"data\": [0, 0, 0, 0, 0, 0, 0, "
	 "0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]}, \"targets\": {\"dtype\": \"I64\", "
	 "\"shape\": [2, 4], \"data\": [0, 0, 0, 0, 0, 0, 0, 0]}, \"mask\": {\"dtype\": \"BOOL\", "
	 "\"shape\": [2, 3], \"data\": [0, 0, 0, 0, 0, 0]}}",
	 "mask has shape (2, 3), but must have (2, 4), that of logits without the class axis"},
	{"cross_entropy",
	 "{\"logits\": {\"dtype\": \"F32\", \"shape\": [2, 3], \"data\": [0, 0, 0, 0, 0, 0]}, "
	 "\"targets\": {\"dtype\": \"I64\", \"shape\": [2, 1], \"data\": [0, 0]}}",
	 "targets has shape (2, 1), but must have (2), that of logits without the class axis (or "
	 "all of that, for probabilities); it has as many elements: reshape it"},
	{"cross_entropy",
	 "{\"logits\": {\"dtype\": \"F32\", \"shape\": [2, 2], \"data\": [0, 0, 0, 0]}, "
	 "\"targets\": {\"dtype\": \"I64\", \"shape\": [2, 2], \"data\": [0, 0, 0, 0]}}",
	 "targets have the shape of logits, so they are probabilities and must be one of F64, F32, "
	 "F16, BF16, F8_E4M3, F8_E5M2, not I64; class indices have one axis less"},
	{"cross_entropy",
	 "{\"logits\": {\"dtype\": \"F32\", \"shape\": [3], \"data\": [0, 0, 0]}, \"targets\": "
	 "{\"dtype\": \"I64\", \"shape\": [3], \"data\": [0, 0, 0]}}",
	 "targets have the shape of logits, so they are probabilities and must be one of F64, F32, "
	 "F16, BF16, F8_E4M3, F8_E5M2, not I64; class indices have one axis less, and what has one "
	 "axis is one row"},
	{"cross_entropy",
	 "{\"logits\": {\"dtype\": \"F32\", \"shape\": [2, 3], \"data\": [0, 0, 0, 0, 0, 0]}, "
	 "\"targets\": {\"dtype\": \"F32\", \"shape\": [2], \"data\": [0, 0]}}",
	 "targets have the shape of class indices, so they must be integers, not F32; "
	 "probabilities have that of logits"},
	{"cross_entropy", "{\"logits\": [[1], [2]], \"targets\": [0, 1]}",
	 "targets[1] is 1, but there is 1 class (0..0); binary_cross_entropy_with_logits has one "
	 "logit for two classes"},
	{"cross_entropy", "{\"logits\": [[1, 2]], \"targets\": [-1]}",
	 "targets[0] is -1, but there are 2 classes (0..1); ignore_index=-1 leaves such rows out"},
	{"binary_cross_entropy_with_logits", "{\"logits\": [[1], [2]], \"targets\": [0, 1]}",
	 "targets has shape (2), but must have (2, 1), that of logits; it has as many elements: "
	 "reshape it"},
};

static void shapes_in_json(void **state)
{
	(void)state;
	check_bodies(shapes, COUNT(shapes));
}

static const struct said numbers[] = {
	{"cross_entropy", "{\"logits\": [[1, null]], \"targets\": [1]}",
	 "logits[0][1] is null, but must be a number; what is not a number is written NaN or "
	 "\"NaN\""},
	{"cross_entropy", "{\"logits\": [[1, nan]], \"targets\": [1]}",
	 "line 1, column 18: found 'a', but null is expected; what is not a number is written NaN, "
	 "in tensors only"},
	{"cross_entropy", "{\"logits\": [[1, inf]], \"targets\": [1]}",
	 "line 1, column 17: found 'i', but what is infinite is written Infinity, in tensors only"},
	{"cross_entropy", "{\"logits\": [[1, -inf]], \"targets\": [1]}",
	 "line 1, column 18: found 'i', but what is infinite is written -Infinity, in tensors "
	 "only"},
	{"cross_entropy", "{\"logits\": [[1, None]], \"targets\": [1]}",
	 "line 1, column 18: found 'o', but NaN is expected; Python's None is null, and NaN as an "
	 "element"},
	{"cross_entropy", "{\"logits\": [[1, true]], \"targets\": [1]}",
	 "logits[0][1] is true, but must be a number"},
	{"cross_entropy", "{\"logits\": [[1, \"nan\"]], \"targets\": [1]}",
	 "logits[0][1] is \"nan\", but must be a number; it is written NaN or \"NaN\""},
	{"cross_entropy", "{\"logits\": [[1, \"-inf\"]], \"targets\": [1]}",
	 "logits[0][1] is \"-inf\", but must be a number; it is written -Infinity"},
	{"cross_entropy", "{\"logits\": [[1, \"abc\"]], \"targets\": [1]}",
	 "logits[0][1] is \"abc\", but must be a number"},
	{"cross_entropy", "{\"logits\": [[1, \"1.5\"]], \"targets\": [1]}",
	 "logits[0][1] is \"1.5\", but must be a number; a number stands without quotes"},
	{"cross_entropy", "{\"logits\": [[1, undefined]], \"targets\": [1]}",
	 "line 1, column 17: found 'u', but what is undefined is written null, or left out"},
	{"cross_entropy", "{\"logits\": [[1, 0x10]], \"targets\": [1]}",
	 "line 1, column 18: found 'x', but ',' or ']' is expected; a number has no 0x and no '_'"},
	{"cross_entropy", "{\"logits\": [[1, +1]], \"targets\": [1]}",
	 "line 1, column 17: found '+', but a number has no '+' before it"},
	{"cross_entropy", "{\"logits\": [[1, .5]], \"targets\": [1]}",
	 "line 1, column 17: found '.', but a number begins with a digit, as in 0.5"},
	{"cross_entropy", "{\"logits\": [[1, -.5]], \"targets\": [1]}",
	 "line 1, column 18: found '.', but a number begins with a digit, as in -0.5"},
	{"cross_entropy", "{\"logits\": [[1, 2,]], \"targets\": [1]}",
	 "line 1, column 19: found ']', but a value is expected: no comma stands before the end"},
	{"cross_entropy", "{\"logits\": [[1, 1_000]], \"targets\": [1]}",
	 "line 1, column 18: found '_', but ',' or ']' is expected; a number has no 0x and no '_'"},
	{"cross_entropy", "{\"logits\": [[1, 2]], \"reduction\": \"sum\"x}",
	 "line 1, column 40: found 'x', but ',' or '}' is expected; a number has no 0x and no '_'"},
	{"cross_entropy", "{\"logits\": [[1, 1..5]], \"targets\": [1]}",
	 "line 1, column 19: found '.', but a number can not go on so"},
	{"cross_entropy", "{\"logits\": [[1, 1ei]], \"targets\": [1]}",
	 "line 1, column 19: found 'i', but a number can not go on so"},
	{"cross_entropy", "{\"logits\": [[1, 'a']], \"targets\": [1]}",
	 "line 1, column 17: found ''', but a text stands in double quotes"},
	{"cross_entropy", "{\"logits\": [[1, (1, 2)]], \"targets\": [1]}",
	 "line 1, column 17: found '(', but an array stands in [ and ]"},
	{"cross_entropy", "{\"logits\": [[1, True]], \"targets\": [1]}",
	 "line 1, column 17: found 'T', but true is written in small letters"},
	{"cross_entropy", "{\"logits\": [[1, 01]], \"targets\": [1]}",
	 "line 1, column 18: found '1', but a number does not begin with 0 before other digits"},
	{"cross_entropy", "{\"logits\": [[1, NULL]], \"targets\": [1]}",
	 "line 1, column 18: found 'U', but NaN is expected; null is written in small letters"},
	{"cross_entropy", "{\"logits\": [[1, //]], \"targets\": [1]}",
	 "line 1, column 17: found '/', but JSON has no comments"},
	{"cross_entropy", "{'logits': 1}",
	 "line 1, column 2: found ''', but a name in double quotes or '}' is expected"},
	{"cross_entropy", "{\"logits\": [[1, 2]], \"targets\": [0],}",
	 "line 1, column 37: found '}', but a name is expected: no comma stands before the end"},
	{"cross_entropy", "{\"weight\": None}",
	 "line 1, column 13: found 'o', but NaN is expected; Python's None is null, and NaN as an "
	 "element"},
	{"cross_entropy", "{\"label_smoothing\": nan}",
	 "line 1, column 22: found 'a', but null is expected; what is not a number is written NaN, "
	 "in tensors only"},
	{"cross_entropy", "{\"label_smoothing\": inf}",
	 "line 1, column 21: found 'i', but what is infinite is written Infinity, in tensors only"},
	{"cross_entropy", "{\"label_smoothing\": .5}",
	 "line 1, column 21: found '.', but a number begins with a digit, as in 0.5"},
	{"cross_entropy", "{\"reduction\": 'sum'}",
	 "line 1, column 15: found ''', but a text stands in double quotes"},
	{"cross_entropy", "{\"shift\": True}",
	 "line 1, column 11: found 'T', but true is written in small letters"},
	{"cross_entropy", "{\"logits\": [[1, 2]], \"targets\": [null]}",
	 "targets[0] is null, but must be a number; what does not count is left out by mask, or by "
	 "ignore_index where a loss has it"},
	{"cross_entropy", "{\"logits\": [[1, 2]],\n \"targets\": [NaN,]}",
	 "line 2, column 18: found ']', but a value is expected: no comma stands before the end"},
};

static void numbers_in_json(void **state)
{
	(void)state;
	check_bodies(numbers, COUNT(numbers));
}

struct named {
	const char *name, *sentence;
};

static const struct named queries[] = {
	{"labels", "cross_entropy has no argument \"labels\"; it is called \"targets\", a tensor: "
		   "give it in the body"},
	{"logits", "cross_entropy has no argument \"logits\"; it is a tensor: give it in the body"},
	{"grad", "cross_entropy has no argument \"grad\"; it is an output: name it in outputs, as "
		 "in ?outputs=loss,grad"},
	{"smoothing", "cross_entropy has no argument \"smoothing\"; use \"label_smoothing\": the "
		      "share of the target that is spread over all classes"},
	{"compres", "cross_entropy has no argument \"compres\"; the nearest is \"compress\""},
	{"output", "cross_entropy has no argument \"output\"; the nearest is \"outputs\""},
	{"Outputs", "cross_entropy has no argument \"Outputs\"; the nearest is \"outputs\""},
	{"nope", "cross_entropy has no argument \"nope\"; there are size_average, ignore_index, "
		 "reduce, reduction, label_smoothing, denominator, empty_mean, totals, class_axis, "
		 "grad_dtype, softcap, temperature, z_loss, shift, logit_scale, gamma, k, "
		 "ece_bins, ece_norm, n_groups, outputs, compress, non_finite and tensors"},
};

static void names_in_the_query(void **state)
{
	(void)state;
	int bad = 0;
	for (size_t i = 0; i < COUNT(queries); i++) {
		char path[128];
		struct reply reply;
		snprintf(path, sizeof(path), CROSS_ENTROPY "?%s=1", queries[i].name);
		client_post(client, path, GOOD, &reply);
		bad += check(queries[i].name, "detail", &reply, queries[i].sentence);
	}
	assert_int_equal(bad, 0);
}

static const struct named tensors[] = {
	{"labels", "cross_entropy has no tensor \"labels\"; use \"targets\": class indices "
		   "(integers), or a probability for each class (floats)"},
	{"sample_weight", "cross_entropy has no tensor \"sample_weight\"; use \"row_weight\": a "
			  "factor for each row, in its loss, its gradient and the denominator"},
	{"reduction", "cross_entropy has no tensor \"reduction\"; it is an argument: give it in "
		      "the query string"},
	{"grad", "cross_entropy has no tensor \"grad\"; it is an output: name it in the query "
		 "string, as in ?outputs=loss,grad"},
	{"outputs", "cross_entropy has no tensor \"outputs\"; it stands in the query string: "
		    "?outputs=loss,grad"},
	{"compress",
	 "cross_entropy has no tensor \"compress\"; it stands in the query string: ?compress=true"},
	{"logitz", "cross_entropy has no tensor \"logitz\"; the nearest is \"logits\""},
	{"zz", "cross_entropy has no tensor \"zz\"; there are logits, targets, weight, row_weight, "
	       "mask, groups, bytes and grad_output"},
};

static void names_in_safetensors(void **state)
{
	(void)state;
	static const char *const headers[] = {"Content-Type: application/x-safetensors", NULL};
	static const float zero = 0;
	int bad = 0;
	for (size_t i = 0; i < COUNT(tensors); i++) {
		char header[160];
		struct request request = {.path = CROSS_ENTROPY, .headers = headers};
		struct reply reply;
		snprintf(header, sizeof(header),
			 "{\"%s\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
			 tensors[i].name);
		char *body = safetensors_body(header, &zero, sizeof(zero), &request.body_size);
		request.body = body;
		client_send(client, &request, &reply);
		free(body);
		bad += check(tensors[i].name, "detail", &reply, tensors[i].sentence);
	}
	assert_int_equal(bad, 0);
}

static const struct named inferences[] = {
	{"{\"inputs\":[{\"name\":\"labels\",\"shape\":[1,2],\"datatype\":\"FP32\",\"data\":[1,2]}]"
	 "}",
	 "inputs[0].name is \"labels\", but cross_entropy has no such input; use \"targets\": "
	 "class indices (integers), or a probability for each class (floats)"},
	{"{\"inputs\":[{\"name\":\"reduction\",\"shape\":[1,2],\"datatype\":\"FP32\",\"data\":[1,2]"
	 "}]}",
	 "inputs[0].name is \"reduction\", but cross_entropy has no such input; it is an argument: "
	 "it stands in the request's parameters"},
	{"{\"inputs\":[{\"name\":\"grad\",\"shape\":[1,2],\"datatype\":\"FP32\",\"data\":[1,2]}]}",
	 "inputs[0].name is \"grad\", but cross_entropy has no such input; it is an output: it "
	 "stands in the request's outputs"},
	{"{\"inputs\":[{\"name\":\"timeout\",\"shape\":[1,2],\"datatype\":\"FP32\",\"data\":[1,2]}]"
	 "}",
	 "inputs[0].name is \"timeout\", but cross_entropy has no such input; it stands in the "
	 "request's parameters"},
	{"{\"inputs\":[{\"name\":\"zz\",\"shape\":[1,2],\"datatype\":\"FP32\",\"data\":[1,2]}]}",
	 "inputs[0].name is \"zz\", but cross_entropy has no such input; there are logits, "
	 "targets, weight, row_weight, mask, groups, bytes and grad_output"},
	{"{\"parameters\":{\"labels\":1},\"inputs\":[{\"name\":\"logits\",\"shape\":[1,2],"
	 "\"datatype\":\"FP32\",\"data\":[1,2]}]}",
	 "parameters.labels is unknown; it is called \"targets\", a tensor: it stands in inputs"},
	{"{\"parameters\":{\"logits\":1},\"inputs\":[{\"name\":\"logits\",\"shape\":[1,2],"
	 "\"datatype\":\"FP32\",\"data\":[1,2]}]}",
	 "parameters.logits is unknown; it is a tensor: it stands in inputs"},
	{"{\"parameters\":{\"grad\":1},\"inputs\":[{\"name\":\"logits\",\"shape\":[1,2],"
	 "\"datatype\":\"FP32\",\"data\":[1,2]}]}",
	 "parameters.grad is unknown; it is an output: it stands in outputs"},
	{"{\"parameters\":{\"compress\":1},\"inputs\":[{\"name\":\"logits\",\"shape\":[1,2],"
	 "\"datatype\":\"FP32\",\"data\":[1,2]}]}",
	 "parameters.compress is unknown; it stands in the query string: ?compress=true"},
	{"{\"parameters\":{\"outputs\":1},\"inputs\":[{\"name\":\"logits\",\"shape\":[1,2],"
	 "\"datatype\":\"FP32\",\"data\":[1,2]}]}",
	 "parameters.outputs is unknown; it is a member of the request"},
	{"{\"parameters\":{\"smoothing\":1},\"inputs\":[{\"name\":\"logits\",\"shape\":[1,2],"
	 "\"datatype\":\"FP32\",\"data\":[1,2]}]}",
	 "parameters.smoothing is unknown; use \"label_smoothing\": the share of the target that "
	 "is spread over all classes"},
	{"{\"parameters\":{\"binary_data\":1},\"inputs\":[{\"name\":\"logits\",\"shape\":[1,2],"
	 "\"datatype\":\"FP32\",\"data\":[1,2]}]}",
	 "parameters.binary_data is unknown; it stands in an output's parameters"},
	{"{\"parameters\":{\"reductoin\":1},\"inputs\":[{\"name\":\"logits\",\"shape\":[1,2],"
	 "\"datatype\":\"FP32\",\"data\":[1,2]}]}",
	 "parameters.reductoin is unknown; the nearest is \"reduction\""},
	{"{\"reduction\":1,\"inputs\":[{\"name\":\"logits\",\"shape\":[1,2],\"datatype\":\"FP32\","
	 "\"data\":[1,2]}]}",
	 "a request has no member \"reduction\"; it is an argument: it stands in parameters"},
	{"{\"input\":1,\"inputs\":[{\"name\":\"logits\",\"shape\":[1,2],\"datatype\":\"FP32\","
	 "\"data\":[1,2]}]}",
	 "a request has no member \"input\"; the nearest is \"inputs\""},
	{"{\"timeout\":1,\"inputs\":[{\"name\":\"logits\",\"shape\":[1,2],\"datatype\":\"FP32\","
	 "\"data\":[1,2]}]}",
	 "a request has no member \"timeout\"; it stands in the request's parameters"},
	{"{\"zz\":1,\"inputs\":[{\"name\":\"logits\",\"shape\":[1,2],\"datatype\":\"FP32\","
	 "\"data\":[1,2]}]}",
	 "a request has no member \"zz\"; there are id, model_name, model_version, parameters, "
	 "inputs and "
	 "outputs"},
	{"{\"inputs\":[{\"name\":\"logits\",\"shape\":[1,2],\"datatype\":\"FP8\",\"data\":[1,2]}]}",
	 "logits.datatype is \"FP8\", but must be one of FP64, FP32, FP16, BF16"},
	{"{\"inputs\":[{\"name\":\"mask\",\"shape\":[1,2],\"datatype\":\"FP32\",\"data\":[1,2]}]}",
	 "mask.datatype is FP32, but must be BOOL"},
	{"{\"inputs\":[{\"name\":\"targets\",\"shape\":[1,2],\"datatype\":\"BYTES\",\"data\":[1,2]}"
	 "]}",
	 "targets.datatype is \"BYTES\", but must be one of FP64, FP32, FP16, BF16, INT64, INT32, "
	 "INT16, INT8, UINT64, UINT32, UINT16, UINT8; BYTES is text, which no loss takes"},
	{"{\"inputs\":[{\"name\":\"logits\",\"shape\":[1,2],\"datatype\":\"FP32\",\"parameters\":{"
	 "\"binary_data_size\":8}},{\"name\":\"targets\",\"shape\":[1],\"datatype\":\"INT64\","
	 "\"data\":[1]}]}",
	 "logits is binary (its binary_data_size is 8), but the request has no "
	 "Inference-Header-Content-Length header; it should be 159, the bytes of the JSON part"},
	{"{\"inputs\":[{\"name\":\"logits\",\"shape\":[1,2],\"datatype\":\"FP32\",\"parameters\":{"
	 "\"binary_data_size\":8}},{\"name\":\"targets\",\"shape\":[1],\"datatype\":\"INT64\","
	 "\"data\":[1]}]}01234567",
	 "bytes follow the JSON part, as the inputs' binary_data_size announces, but the request "
	 "has no Inference-Header-Content-Length header; it should be 159, the bytes of the JSON "
	 "part"},
	{"{\"inputs\":[{\"name\":\"logits\",\"shape\":[1,2],\"datatype\":\"FP32\",\"parameters\":{"
	 "\"binary_data_size\":8}},{\"name\":\"targets\",\"shape\":[1],\"datatype\":\"INT64\","
	 "\"data\":[1]}]}        ",
	 "logits is binary (its binary_data_size is 8), but the request has no "
	 "Inference-Header-Content-Length header; it should be 159, the bytes of the JSON part"},
	{"{\"inputs\":[{\"name\":\"logits\",\"shape\":[1,2],\"datatype\":\"FP32\",\"data\":[1,2]}]}"
	 "x",
	 "line 1, column 76: found 'x', but nothing may follow the document"},
};

static void inferences_without_length(void **state)
{
	(void)state;
	int bad = 0;
	for (size_t i = 0; i < COUNT(inferences); i++) {
		struct reply reply;
		client_post(client, "/v2/models/cross_entropy/infer", inferences[i].name, &reply);
		bad += check(inferences[i].name, "error", &reply, inferences[i].sentence);
	}
	assert_int_equal(bad, 0);
}

/* Lengths before what they are the lengths of. */
static void lengths_that_are_wrong(void **state)
{
#define SOFTMAX "/v1/losses/softmax"
#define INFER "/v2/models/softmax/infer"
#define TENSOR                                                                                     \
	"{\"inputs\":[{\"name\":\"logits\",\"shape\":[1,2],\"datatype\":\"FP32\",\"parameters\":"  \
	"{\"binary_data_size\":8}}]}"
	static const struct {
		const char *path, *length, *body;
		size_t size;
		const char *sentence;
	} cases[] = {
		{SOFTMAX, NULL, "\0\0\0\0\0\0\0\173{}", 10,
		 "the header's length, the first 8 bytes of the body, is 8863084066665136128 as it "
		 "must be read, little-endian, and 123 the other way round: write it, and the "
		 "tensors, little-endian"},
		{SOFTMAX, NULL, "\4\0\0\0\0\0\0\0{}xyz", 13,
		 "the header is not valid JSON: line 1, column 3: found 'x', but nothing may "
		 "follow "
		 "the document; it ends after 2 bytes, and the body's first 8 must say so"},
		{INFER, "Inference-Header-Content-Length: 100", TENSOR "12345678",
		 sizeof TENSOR - 1 + 8,
		 "line 1, column 99: found '1', but nothing may follow the document; it ends after "
		 "98 bytes, but Inference-Header-Content-Length is 100"},
	};
	(void)state;
	int bad = 0;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *const headers[] = {"Content-Type: application/octet-stream",
					       cases[i].length, NULL};
		struct reply reply;
		client_send(client,
			    &(struct request){.path = cases[i].path,
					      .headers = headers,
					      .body = cases[i].body,
					      .body_size = cases[i].size},
			    &reply);
		bad += check(cases[i].path, cases[i].length ? "error" : "detail", &reply,
			     cases[i].sentence);
	}
	assert_int_equal(bad, 0);
}

static const struct named losses[] = {
	{"CrossEntropyLoss", "there is no loss \"CrossEntropyLoss\"; it is called "
			     "\"cross_entropy\" here, and GET /v1/losses lists them all"},
	{"ce", "there is no loss \"ce\"; it is called \"cross_entropy\" here, and GET /v1/losses "
	       "lists them all"},
	{"F.cross_entropy", "there is no loss \"F.cross_entropy\"; it is called \"cross_entropy\" "
			    "here, and GET /v1/losses lists them all"},
	{"kldiv", "there is no loss \"kldiv\"; it is called \"kl_div\" here, and GET /v1/losses "
		  "lists them all"},
	{"focal_loss", "there is no loss \"focal_loss\"; it is called \"sigmoid_focal_loss\" here, "
		       "and GET /v1/losses lists them all"},
	{"BCEWithLogitsLoss",
	 "there is no loss \"BCEWithLogitsLoss\"; it is called "
	 "\"binary_cross_entropy_with_logits\" here, and GET /v1/losses lists them all"},
	{"log_loss", "there is no loss \"log_loss\"; it is called \"cross_entropy\" here, and GET "
		     "/v1/losses lists them all"},
	{"mse",
	 "there is no loss \"mse\"; it is called \"mse_loss\" here, and GET /v1/losses lists "
	 "them all"},
	{"nope", NULL}, /* all of them */
	{"cross_entropi", "there is no loss \"cross_entropi\"; the nearest is \"cross_entropy\", "
			  "and GET /v1/losses lists them all"},
};

static const char *list_losses(void)
{
	static char text[600];
	size_t used = (size_t)snprintf(text, sizeof(text), "there is no loss \"nope\"; there are ");
	for (size_t i = 0; loss_at(i) != NULL; i++) {
		const char *between = i == 0 ? "" : loss_at(i + 1) != NULL ? ", " : " and ";
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", between,
					 loss_at(i)->name);
	}
	snprintf(text + used, sizeof(text) - used, ", and GET /v1/losses lists them all");
	return text;
}

static void names_of_losses(void **state)
{
	(void)state;
	int bad = 0;
	for (size_t i = 0; i < COUNT(losses); i++) {
		char path[128];
		struct reply reply;
		snprintf(path, sizeof(path), "/v1/losses/%s", losses[i].name);
		client_post(client, path, GOOD, &reply);
		bad += check(losses[i].name, "detail", &reply,
			     losses[i].sentence != NULL ? losses[i].sentence : list_losses());
	}
	assert_int_equal(bad, 0);
}

/* A type that a request may have may be asked for, under the name that was asked for. */
static void a_reply_in_vnd_safetensors(void **state)
{
	(void)state;
	static const char *const headers[] = {"Content-Type: application/json",
					      "Accept: application/vnd.safetensors", NULL};
	char type[64] = "";
	struct loss_tensor loss;
	struct reply reply;
	client_send(client,
		    &(struct request){.path = CROSS_ENTROPY, .headers = headers, .body = GOOD},
		    &reply);
	assert_int_equal(reply.status, 200);
	reply_header(&reply, "Content-Type", type, sizeof(type));
	assert_string_equal(type, "application/vnd.safetensors");
	assert_true(safetensors_find(reply.body, reply.body_size, "loss", &loss));
	reply_free(&reply);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_in_json),
		cmocka_unit_test(shapes_in_json),
		cmocka_unit_test(numbers_in_json),
		cmocka_unit_test(names_in_the_query),
		cmocka_unit_test(names_in_safetensors),
		cmocka_unit_test(inferences_without_length),
		cmocka_unit_test(lengths_that_are_wrong),
		cmocka_unit_test(names_of_losses),
		cmocka_unit_test(a_reply_in_vnd_safetensors),
	};
	return cmocka_run_group_tests(tests, group_start, group_stop);
}
