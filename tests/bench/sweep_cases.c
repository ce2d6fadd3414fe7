#include "sweep_cases.h"

/* Numbers as in pytorch_losses.py. */
/* clang-format off */
#define NUMBER(name, x) .argument = name, .value = {.type = LOSS_VALUE_NUMBER, .number = x, .text = #x}
#define CHOICE(name, x) .argument = name, .value = {.type = LOSS_VALUE_STRING, .text = x}
#define CALL(of, ...) .call = {.loss = of, .outputs = __VA_ARGS__}
#define OF_CLASSES(of, ...) CALL(of, __VA_ARGS__), .targets = CLASS_INDICES
#define OF_ELEMENTS(of, ...) CALL(of, __VA_ARGS__), .targets = PROBABILITIES
#define ENTROPY(...) OF_CLASSES("cross_entropy", __VA_ARGS__)
#define LOSS {"loss"}
#define GRAD {"loss", "grad"}

const struct sweep_case sweep_cases[] = {
	{"cross_entropy plain", ENTROPY(LOSS)},
	{"cross_entropy weight", ENTROPY(LOSS), .weight = true},
	{"cross_entropy smoothing", ENTROPY(LOSS, NUMBER("label_smoothing", 0.1)), .bar_of_plain = 1.5},
	{"cross_entropy probabilities", OF_ELEMENTS("cross_entropy", LOSS)},
	{"cross_entropy temperature", ENTROPY(LOSS, NUMBER("temperature", 0.7)), .bar_of_plain = 1.3},
	{"cross_entropy softcap", ENTROPY(LOSS, NUMBER("softcap", 30.0)), .bar_of_plain = 2.5},
	{"cross_entropy z_loss", ENTROPY(LOSS, NUMBER("z_loss", 1e-4))},
	{"cross_entropy none", ENTROPY(LOSS, CHOICE("reduction", "none"))},
	{"cross_entropy rank", ENTROPY({"rank"}), .bar_of_plain = 2.0},
	{"cross_entropy entropy", ENTROPY({"entropy"}), .bar_of_plain = 2.0},
	{"cross_entropy ece", ENTROPY({"ece"}), .bar_of_plain = 2.0},
	{"cross_entropy plain grad", ENTROPY(GRAD)},
	{"cross_entropy softcap grad", ENTROPY(GRAD, NUMBER("softcap", 30.0))},
	{"log_softmax", CALL("log_softmax", {"log_probs"})},
	{"log_softmax grad", CALL("log_softmax", {"log_probs", "grad"}), .grad_output = true},
	{"softmax", CALL("softmax", {"probs"})},
	{"softmax grad", CALL("softmax", {"probs", "grad"}), .grad_output = true},
	{"nll_loss", OF_CLASSES("nll_loss", LOSS)},
	{"nll_loss grad", OF_CLASSES("nll_loss", GRAD)},
	{"kl_div", OF_ELEMENTS("kl_div", LOSS)},
	{"kl_div grad", OF_ELEMENTS("kl_div", GRAD)},
	{"binary_cross_entropy_with_logits", OF_ELEMENTS("binary_cross_entropy_with_logits", LOSS)},
	{"binary_cross_entropy_with_logits grad", OF_ELEMENTS("binary_cross_entropy_with_logits", GRAD)},
	{"binary_cross_entropy", OF_ELEMENTS("binary_cross_entropy", LOSS), .of_probabilities = true},
	{"binary_cross_entropy grad", OF_ELEMENTS("binary_cross_entropy", GRAD), .of_probabilities = true},
	{"sigmoid_focal_loss", OF_ELEMENTS("sigmoid_focal_loss", LOSS, CHOICE("reduction", "mean"))},
	{"sigmoid_focal_loss grad", OF_ELEMENTS("sigmoid_focal_loss", GRAD, CHOICE("reduction", "mean"))},
	{"mse_loss", OF_ELEMENTS("mse_loss", LOSS)},
	{"mse_loss grad", OF_ELEMENTS("mse_loss", GRAD)},
	{"l1_loss", OF_ELEMENTS("l1_loss", LOSS)},
	{"l1_loss grad", OF_ELEMENTS("l1_loss", GRAD)},
	{"smooth_l1_loss", OF_ELEMENTS("smooth_l1_loss", LOSS)},
	{"smooth_l1_loss grad", OF_ELEMENTS("smooth_l1_loss", GRAD)},
	{"huber_loss", OF_ELEMENTS("huber_loss", LOSS)},
	{"huber_loss grad", OF_ELEMENTS("huber_loss", GRAD)},
	{"poisson_nll_loss", OF_ELEMENTS("poisson_nll_loss", LOSS)},
	{"poisson_nll_loss grad", OF_ELEMENTS("poisson_nll_loss", GRAD)},
	{"gaussian_nll_loss", OF_ELEMENTS("gaussian_nll_loss", LOSS), .var = true},
	{"gaussian_nll_loss grad", OF_ELEMENTS("gaussian_nll_loss", GRAD), .var = true},
	{"quantile_loss", OF_ELEMENTS("quantile_loss", LOSS)},
	{"quantile_loss grad", OF_ELEMENTS("quantile_loss", GRAD)},
	{"multilabel_soft_margin_loss", OF_ELEMENTS("multilabel_soft_margin_loss", LOSS)},
	{"multilabel_soft_margin_loss grad", OF_ELEMENTS("multilabel_soft_margin_loss", GRAD)},
	{"brier_score", OF_CLASSES("brier_score", LOSS)},
	{"brier_score grad", OF_CLASSES("brier_score", GRAD)},
	{"multi_margin_loss", OF_CLASSES("multi_margin_loss", LOSS), .most_axes = 2},
	{"multi_margin_loss grad", OF_CLASSES("multi_margin_loss", GRAD), .most_axes = 2},
	{0},
};
/* clang-format on */

const struct sweep_case *const sweep_plain = &sweep_cases[0];

const struct sweep_shape sweep_shapes[] = {
	{2, {1048576, 2}},      {2, {209715, 10}},
	{2, {20972, 100}},      {2, {2097, 1000}},
	{2, {66, 32000}},       {4, {8, 2, 362, 362}},
	{4, {8, 21, 112, 112}}, {4, {8, 200, 36, 36}},
	{4, {8, 230, 34, 34}},  {0},
};

const char *const sweep_dtypes[] = {"F32", "F64", "F16", "BF16", NULL};
