#include "cases.h"

#define CROSS_ENTROPY_OF_PROBABILITIES "loss grad log_probs probs lse entropy z_loss predicted"
#define CROSS_ENTROPY CROSS_ENTROPY_OF_PROBABILITIES " correct rank accuracy perplexity ece"
#define GROUPS "group_loss_sum group_denominator group_counted group_loss"
#define POLICY "loss grad log_prob ratio clip_fraction entropy kl lse predicted"
#define DIVERGENCE "loss grad lse entropy predicted agrees agreement teacher_entropy"
#define SOFTMAX "log_probs probs lse entropy predicted"

/* Rows of several blocks of classes. */
#define LONG_DTYPES                                                                                \
	(LOSS_DTYPE_BIT(LOSS_F32) | LOSS_DTYPE_BIT(LOSS_BF16) | LOSS_DTYPE_BIT(LOSS_F64))

#define FAMILY(name, loss, with, outputs)                                                          \
	{                                                                                          \
		name, loss, with, outputs, 0, 0, CASE_GOLDEN                                       \
	}
#define LONG(name, loss, with, outputs)                                                            \
	{                                                                                          \
		name, loss, with, outputs, 70001, LONG_DTYPES, 2                                   \
	}

const struct case_family case_families[] = {
	FAMILY("plain", "cross_entropy", "", CROSS_ENTROPY),
	FAMILY("loss", "cross_entropy", "", "loss"),
	FAMILY("gradient", "cross_entropy", "", "loss grad"),
	FAMILY("weight", "cross_entropy", "weight", CROSS_ENTROPY),
	FAMILY("ignored", "cross_entropy", "weight ignore_index grad_output", CROSS_ENTROPY),
	FAMILY("smoothing", "cross_entropy", "label_smoothing", CROSS_ENTROPY),
	FAMILY("smoothing_weight", "cross_entropy", "label_smoothing weight grad_dtype",
	       CROSS_ENTROPY),
	FAMILY("z_loss", "cross_entropy", "z_loss", CROSS_ENTROPY),
	FAMILY("softcap", "cross_entropy", "softcap", CROSS_ENTROPY),
	FAMILY("temperature", "cross_entropy", "temperature", CROSS_ENTROPY),
	FAMILY("model", "cross_entropy", "shift softcap temperature z_loss label_smoothing",
	       CROSS_ENTROPY),
	FAMILY("mean", "cross_entropy", "denominator empty_mean weight",
	       "loss grad accuracy perplexity"),
	FAMILY("probabilities", "cross_entropy", "probabilities", CROSS_ENTROPY_OF_PROBABILITIES),
	FAMILY("probabilities_weight", "cross_entropy", "probabilities weight label_smoothing",
	       CROSS_ENTROPY_OF_PROBABILITIES),
	FAMILY("probabilities_z_loss", "cross_entropy",
	       "probabilities z_loss temperature grad_output", CROSS_ENTROPY_OF_PROBABILITIES),
	FAMILY("rows", "cross_entropy", "row_weight mask weight z_loss", CROSS_ENTROPY),
	FAMILY("focal", "cross_entropy", "gamma weight z_loss", CROSS_ENTROPY),
	FAMILY("scaled", "cross_entropy", "logit_scale softcap row_weight", CROSS_ENTROPY),
	FAMILY("top", "cross_entropy", "k ece_bins ece_norm mask shift",
	       "loss topk_accuracy ece accuracy"),
	FAMILY("exact", "cross_entropy", "totals z_loss row_weight ignore_index",
	       "loss ece perplexity"),
	FAMILY("exact_probabilities", "cross_entropy", "totals probabilities weight", "loss"),
	FAMILY("probabilities_rows", "cross_entropy", "probabilities row_weight mask",
	       CROSS_ENTROPY_OF_PROBABILITIES),
	FAMILY("groups", "cross_entropy", "groups bytes n_groups weight row_weight mask",
	       "loss " GROUPS " bits_per_byte"),
	FAMILY("documents", "cross_entropy", "groups bytes shift empty_mean z_loss",
	       "loss grad " GROUPS " bits_per_byte"),
	FAMILY("probabilities_groups", "cross_entropy", "probabilities groups n_groups row_weight",
	       "loss " GROUPS),
	FAMILY("exact_groups", "cross_entropy", "totals groups n_groups weight row_weight",
	       "loss " GROUPS),
	FAMILY("quantiles", "cross_entropy", "row_weight mask ignore_index z_loss",
	       "loss loss_quantiles"),
	FAMILY("probabilities_quantiles", "cross_entropy", "probabilities weight mask",
	       "loss_quantiles"),
	LONG("long", "cross_entropy", "label_smoothing", CROSS_ENTROPY),
	LONG("long_loss", "cross_entropy", "", "loss lse"),

	FAMILY("plain", "nll_loss", "", "loss grad"),
	FAMILY("loss", "nll_loss", "", "loss"),
	FAMILY("weight", "nll_loss", "weight ignore_index grad_output grad_dtype", "loss grad"),
	FAMILY("mean", "nll_loss", "weight denominator empty_mean", "loss grad"),
	FAMILY("rows", "nll_loss", "row_weight mask", "loss grad"),
	FAMILY("groups", "nll_loss", "groups bytes n_groups weight row_weight mask",
	       "loss " GROUPS " bits_per_byte"),
	FAMILY("exact", "nll_loss", "totals weight ignore_index", "loss"),

	FAMILY("plain", "log_softmax", "", SOFTMAX),
	FAMILY("gradient", "log_softmax", "grad_output", "grad"),
	FAMILY("wide", "log_softmax", "grad_output grad_dtype", SOFTMAX " grad"),
	LONG("long", "log_softmax", "grad_output", SOFTMAX " grad"),

	FAMILY("plain", "softmax", "", SOFTMAX),
	FAMILY("gradient", "softmax", "grad_output", "grad"),
	FAMILY("wide", "softmax", "grad_output grad_dtype", SOFTMAX " grad"),

	FAMILY("exact", "binary_cross_entropy_with_logits", "totals mask", "loss accuracy ece"),
	FAMILY("plain", "binary_cross_entropy_with_logits", "", "loss grad"),
	FAMILY("weight", "binary_cross_entropy_with_logits", "weight pos_weight grad_output",
	       "loss grad"),
	FAMILY("mean", "binary_cross_entropy_with_logits",
	       "weight denominator empty_mean grad_dtype", "loss grad"),

	FAMILY("mask", "binary_cross_entropy_with_logits", "mask pos_weight ece_bins ece_norm",
	       "loss grad accuracy ece"),

	FAMILY("exact", "binary_cross_entropy", "totals mask", "loss ece"),
	FAMILY("plain", "binary_cross_entropy", "", "loss grad"),
	FAMILY("mask", "binary_cross_entropy", "mask ece_bins ece_norm", "loss grad accuracy ece"),
	FAMILY("weight", "binary_cross_entropy", "weight grad_output", "loss grad"),
	FAMILY("mean", "binary_cross_entropy", "weight denominator empty_mean grad_dtype",
	       "loss grad"),

	FAMILY("exact", "kl_div", "totals mask", "loss"),
	FAMILY("plain", "kl_div", "batchmean", "loss grad"),
	FAMILY("mask", "kl_div", "mask batchmean", "loss grad"),
	FAMILY("log_target", "kl_div", "log_target grad_output", "loss grad"),
	FAMILY("mean", "kl_div", "denominator empty_mean grad_dtype", "loss grad"),

	FAMILY("exact", "sigmoid_focal_loss", "totals mask", "loss"),
	FAMILY("plain", "sigmoid_focal_loss", "", "loss grad"),
	FAMILY("mask", "sigmoid_focal_loss", "mask gamma", "loss grad"),
	FAMILY("alpha_gamma", "sigmoid_focal_loss", "alpha gamma grad_output", "loss grad"),
	FAMILY("mean", "sigmoid_focal_loss", "denominator empty_mean grad_dtype", "loss grad"),

	FAMILY("plain", "policy_gradient", "sampling_log_probs", POLICY),
	FAMILY("loss", "policy_gradient", "sampling_log_probs", "loss"),
	FAMILY("objectives", "policy_gradient",
	       "sampling_log_probs objective clip_low clip_high beta grad_output", POLICY),
	FAMILY("reinforce", "policy_gradient", "objective ignore_index grad_dtype", POLICY),
	FAMILY("reference", "policy_gradient",
	       "sampling_log_probs objective reference_log_probs kl_weight row_weight mask",
	       POLICY),
	FAMILY("sequences", "policy_gradient",
	       "sampling_log_probs objective sequence_mean shift row_weight mask empty_mean",
	       POLICY),
	FAMILY("exact_sequences", "policy_gradient",
	       "sampling_log_probs sequence_mean totals mask groups n_groups", "loss " GROUPS),
	FAMILY("model", "policy_gradient",
	       "sampling_log_probs objective shift logit_scale softcap temperature denominator",
	       POLICY),
	LONG("long", "policy_gradient", "sampling_log_probs objective", POLICY),

	FAMILY("plain", "divergence", "teacher_logits", "loss grad"),
	FAMILY("kinds", "divergence", "teacher_logits kind", DIVERGENCE),
	FAMILY("jsd", "divergence", "teacher_logits kind beta grad_dtype", "loss grad"),
	FAMILY("transformed", "divergence",
	       "teacher_logits kind softcap temperature temperature_squared logit_scale",
	       DIVERGENCE),
	FAMILY("hard", "divergence",
	       "teacher_logits targets ignore_index hard_weight temperature grad_output",
	       DIVERGENCE " delta_prob"),
	FAMILY("log_probs", "divergence", "teacher_log_probs kind beta", DIVERGENCE),
	FAMILY("listed", "divergence", "teacher_indices teacher_log_probs kind tail", DIVERGENCE),
	FAMILY("listed_rows", "divergence",
	       "teacher_indices teacher_log_probs kind tail row_weight mask targets hard_weight",
	       DIVERGENCE " delta_prob"),
	FAMILY("groups", "divergence", "teacher_logits groups n_groups row_weight mask",
	       "loss " GROUPS),
	FAMILY("exact", "divergence", "totals teacher_logits kind denominator empty_mean",
	       "loss agreement"),
	LONG("long", "divergence", "teacher_logits kind", "loss grad agrees"),
};
const size_t case_n_families = sizeof(case_families) / sizeof(case_families[0]);
