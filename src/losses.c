/* The table of losses. A new loss is one row here, a folder under kernel/ and its name in
 * kernel/kernels.h. */
#include <float.h>
#include <math.h>
#include <stddef.h>

#include "kernel/kernels.h"
#include "names.h"
#include "policy.h"
#include "problem.h"
#include "teachers.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---------------------------------------------------------------- arguments */

static const char *const reductions[] = {
	[REDUCTION_NONE] = "none",
	[REDUCTION_MEAN] = "mean",
	[REDUCTION_SUM] = "sum",
	[REDUCTION_ELEMENTWISE_MEAN] = "elementwise_mean",
	NULL,
};
static const char *const reductions_and_batchmean[] = {
	[REDUCTION_NONE] = "none",
	[REDUCTION_MEAN] = "mean",
	[REDUCTION_SUM] = "sum",
	[REDUCTION_ELEMENTWISE_MEAN] = "elementwise_mean",
	[REDUCTION_BATCHMEAN] = "batchmean",
	NULL,
};
static const char *const reductions_and_sequence_mean[] = {
	[REDUCTION_NONE] = "none", [REDUCTION_MEAN] = "mean",
	[REDUCTION_SUM] = "sum",   [REDUCTION_ELEMENTWISE_MEAN] = "elementwise_mean",
	"sequence_mean",           NULL,
};
static const char *const empty_means[] = {
	[EMPTY_MEAN_NAN] = "nan", [EMPTY_MEAN_ZERO] = "zero", NULL};
static const char *const grad_dtypes[] = {"F32", NULL};
static const char *const totals_kinds[] = {
	[TOTALS_PLAIN] = "plain", [TOTALS_EXACT] = "exact", NULL};
static const char *const objectives[] = {
	[OBJECTIVE_IMPORTANCE_SAMPLING] = "importance_sampling",
	[OBJECTIVE_PPO] = "ppo",
	[OBJECTIVE_CISPO] = "cispo",
	[OBJECTIVE_DRO] = "dro",
	[OBJECTIVE_REINFORCE] = "reinforce",
	[N_OBJECTIVES] = NULL,
};
static const char *const kinds[] = {
	[KIND_FORWARD] = "forward",
	[KIND_REVERSE] = "reverse",
	[KIND_JSD] = "jsd",
	[KIND_CROSS_ENTROPY] = "cross_entropy",
	NULL,
};
static const char *const tails[] = {
	[TAIL_BUCKET] = "bucket",
	[TAIL_IGNORE] = "ignore",
	[TAIL_RENORMALIZE] = "renormalize",
	[TAIL_RESTRICT] = "restrict",
	NULL,
};
static const char *const ece_norms[] = {[ECE_L1] = "l1", [ECE_L2] = "l2", [ECE_MAX] = "max", NULL};

#define FROM_0                                                                                     \
	{                                                                                          \
		.min = 0.0, .max = DBL_MAX                                                         \
	}
#define ABOVE_0                                                                                    \
	{                                                                                          \
		.min = 0.0, .max = DBL_MAX, .min_excluded = true                                   \
	}

/* A field of struct loss_args, and the argument whose name it has. */
#define FIELD(id_, field) .id = ARGUMENT_##id_, .offset = offsetof(struct loss_args, field)
/* A default as it is documented; what it is stands in `usual` and its kin. */
#define DEFAULT(value) .info.default_json = #value
#define NO_DEFAULT .info.default_json = "null"

#define BOOLEAN(name_, help_)                                                                      \
	.info.name = name_, .info.type = LOSS_ARGUMENT_BOOLEAN, .info.help = help_
#define INTEGER(name_, help_)                                                                      \
	.info.name = name_, .info.type = LOSS_ARGUMENT_INTEGER, .info.help = help_
#define NUMBER(name_, help_)                                                                       \
	.info.name = name_, .info.type = LOSS_ARGUMENT_NUMBER, .info.help = help_
#define CHOICE(name_, choices_, help_)                                                             \
	.info.name = name_, .info.type = LOSS_ARGUMENT_CHOICE, .info.choices = choices_,           \
	.info.help = help_
#define DEFAULT_CHOICE(text) .info.default_json = "\"" text "\""

#define ROW(name) static const struct argument_row name

ROW(size_average) = {FIELD(SIZE_AVERAGE, size_average), .apart = true, NO_DEFAULT,
		     BOOLEAN("size_average",
			     "Deprecated, use reduction: if this or reduce is given, false is sum "
			     "and true is mean, unless reduce is false.")};
ROW(ignore_index) = {
	FIELD(IGNORE_INDEX, ignore_index), .apart = true, DEFAULT(-100),
	.info.range = {.min = -0x1p63, .max = 0x1p63},
	INTEGER("ignore_index",
		"Rows with this target count neither in the loss nor in the denominator, and have "
		"gradient 0. Where targets may be probabilities, it must be negative beside "
		"those.")};
ROW(reduce) = {FIELD(REDUCE, reduce), .apart = true, NO_DEFAULT,
	       BOOLEAN("reduce", "Deprecated, use reduction: false is none.")};
ROW(reduction) = {FIELD(REDUCTION, reduction), .apart = true, DEFAULT_CHOICE("mean"),
		  CHOICE("reduction", reductions,
			 "What becomes of the losses. elementwise_mean is the old name of mean.")};
ROW(reduction_or_batchmean) = {
	FIELD(REDUCTION, reduction), .apart = true, DEFAULT_CHOICE("mean"),
	CHOICE("reduction", reductions_and_batchmean,
	       "What becomes of the elements' losses. batchmean is their sum over the size of the "
	       "first axis; elementwise_mean is the old name of mean.")};
ROW(reduction_from_none) = {
	FIELD(REDUCTION, reduction), .apart = true, DEFAULT_CHOICE("none"),
	CHOICE("reduction", reductions,
	       "What becomes of the elements' losses. elementwise_mean is the old name of mean.")};
ROW(label_smoothing) = {
	FIELD(LABEL_SMOOTHING, label_smoothing), DEFAULT(0.0),
	.info.range = {.min = 0.0, .max = 1.0},
	NUMBER("label_smoothing", "The share of the target that is spread over all classes.")};
ROW(denominator) = {
	FIELD(DENOMINATOR, denominator), .apart = true, NO_DEFAULT, .info.range = ABOVE_0,
	NUMBER("denominator",
	       "Replaces the denominator of the mean, for the caller's own count of tokens.")};
ROW(empty_mean) = {FIELD(EMPTY_MEAN, empty_mean), .apart = true, DEFAULT_CHOICE("nan"),
		   CHOICE("empty_mean", empty_means, "The mean of no counted rows.")};
ROW(class_axis) = {
	FIELD(CLASS_AXIS, class_axis), .apart = true, DEFAULT(1),
	.info.range = {.min = -1.0, .max = 1.0, .zero_excluded = true},
	INTEGER("class_axis", "Where the classes are: axis 1 (0 when unbatched), or the last.")};
ROW(grad_dtype) = {FIELD(GRAD_DTYPE, grad_dtype), .apart = true, NO_DEFAULT,
		   CHOICE("grad_dtype", grad_dtypes,
			  "F32 makes outputs of the input's type F32, whatever that is.")};
ROW(softcap) = {FIELD(SOFTCAP, softcap), NO_DEFAULT, .info.range = ABOVE_0,
		NUMBER("softcap", "Replaces each logit x by softcap tanh(x / softcap), after "
				  "logit_scale and before all else.")};
ROW(temperature) = {
	FIELD(TEMPERATURE, temperature), DEFAULT(1.0), .info.range = ABOVE_0,
	NUMBER("temperature",
	       "Divides each logit, after logit_scale and softcap and before all else.")};
ROW(z_loss) = {FIELD(Z_LOSS, z_loss), DEFAULT(0.0), .info.range = FROM_0,
	       NUMBER("z_loss", "Adds this times the square of log-sum-exp to each counted row's "
				"loss, whatever its weight.")};
ROW(shift) = {FIELD(SHIFT, shift), DEFAULT(false),
	      BOOLEAN("shift", "Scores row t of class-last logits (B, T, V) against target t + 1; "
			       "the last row of each sequence is ignored.")};
ROW(log_target) = {FIELD(LOG_TARGET, log_target), DEFAULT(false),
		   BOOLEAN("log_target", "Whether targets are logarithms of probabilities too.")};
ROW(alpha) = {FIELD(ALPHA, alpha), DEFAULT(0.25), .info.range = {.min = -DBL_MAX, .max = 1.0},
	      NUMBER("alpha",
		     "The weight of the positive class, 1 - alpha that of the negative one; any "
		     "number below 0 switches both off.")};
ROW(gamma_of_elements) = {
	FIELD(GAMMA, gamma), DEFAULT(2.0), .info.range = FROM_0,
	NUMBER("gamma", "How strongly elements that are predicted well are played down.")};

ROW(gamma_of_classes) = {
	FIELD(GAMMA, gamma), DEFAULT(0.0), .info.range = FROM_0,
	NUMBER("gamma", "How strongly rows that are predicted well are played down: multiplies a "
			"row's loss by (1 - p)^gamma, p the target's probability. Class indices "
			"without smoothing only.")};
ROW(logit_scale) = {FIELD(LOGIT_SCALE, logit_scale), DEFAULT(1.0), .info.range = ABOVE_0,
		    NUMBER("logit_scale", "Multiplies each logit, before softcap and all else.")};
ROW(top_k) = {FIELD(K, k),
	      .apart = true,
	      NO_DEFAULT,
	      .info.range = {.min = 1.0, .max = 0x1p63},
	      .serves = OUTPUT_TOPK_ACCURACY,
	      INTEGER("k",
		      "How many classes topk_accuracy looks at, at most all of them; 5, or all "
		      "of fewer, unless given.")};
ROW(ece_bins) = {FIELD(ECE_BINS, ece_bins), DEFAULT(15), .info.range = {.min = 1.0, .max = 1000.0},
		 .serves = OUTPUT_ECE,
		 INTEGER("ece_bins", "How many bins of equal width ece has.")};
ROW(ece_norm) = {
	FIELD(ECE_NORM, ece_norm), DEFAULT_CHOICE("l1"), .serves = OUTPUT_ECE,
	CHOICE("ece_norm", ece_norms,
	       "What ece makes of the bins' gaps between confidence and accuracy: their mean, by "
	       "what is in the bins, the root of their mean square, or the largest.")};

ROW(n_groups) = {
	FIELD(N_GROUPS, n_groups), .apart = true, NO_DEFAULT,
	.info.range = {.min = 0.0, .max = 0x1p63},
	INTEGER("n_groups",
		"How many groups there are, whether rows are of them or not; one more than the "
		"largest entry of groups that counts unless given.")};
ROW(totals) = {
	FIELD(TOTALS, totals), DEFAULT_CHOICE("plain"), .apart = true,
	CHOICE("totals", totals_kinds,
	       "With exact, totals have a state: all that the reduction has come to, without any "
	       "rounding. Merging the states of parts gives the bits of the whole.")};

ROW(reduction_or_sequence_mean) = {
	FIELD(REDUCTION, reduction), .apart = true, DEFAULT_CHOICE("mean"),
	CHOICE("reduction", reductions_and_sequence_mean,
	       "What becomes of the rows' losses. sequence_mean is the mean over the sequences, "
	       "which are the first axis, of the mean over each one's rows; elementwise_mean is "
	       "the old name of mean.")};
ROW(objective) = {
	FIELD(OBJECTIVE, objective), DEFAULT_CHOICE("importance_sampling"),
	CHOICE("objective", objectives,
	       "The loss of a row, of its target's log-probability, what that was when it was "
	       "sampled, and the advantage. All but reinforce need sampling_log_probs.")};
ROW(clip_low) = {FIELD(CLIP_LOW, clip_low), DEFAULT(0.2), .info.range = FROM_0,
		 NUMBER("clip_low", "How far below 1 the ratio counts, in ppo and cispo.")};
ROW(clip_high) = {FIELD(CLIP_HIGH, clip_high), DEFAULT(0.2), .info.range = FROM_0,
		  NUMBER("clip_high", "How far above 1 the ratio counts, in ppo and cispo.")};
ROW(beta_of_policy) = {
	FIELD(BETA, beta), DEFAULT(0.05), .info.range = FROM_0,
	NUMBER("beta", "How strongly dro holds log-probabilities to those of the sampling.")};
ROW(kl_weight) = {FIELD(KL_WEIGHT, kl_weight), DEFAULT(0.0), .info.range = FROM_0,
		  NUMBER("kl_weight",
			 "Adds this times an estimate of the divergence from the reference, "
			 "exp(d) - d - 1 with d = reference_log_probs - log_prob.")};

ROW(kind) = {
	FIELD(KIND, kind), DEFAULT_CHOICE("forward"),
	CHOICE("kind", kinds,
	       "With p the teacher and q the student: forward is KL(p, q), reverse KL(q, p), jsd "
	       "the generalized Jensen-Shannon divergence of beta, cross_entropy -sum p log q.")};
ROW(jsd_beta) = {FIELD(BETA, beta), DEFAULT(0.5),
		 .advice = "instead of 0 take kind \"forward\", instead of 1 \"reverse\"",
		 .info.range = {.min = 0.0, .max = 1.0, .min_excluded = true, .max_excluded = true},
		 NUMBER("beta",
			"Of jsd: beta KL(p, m) + (1 - beta) KL(q, m), m = beta p + (1 - beta) q. "
			"Instead of 0 there is the kind forward, instead of 1 reverse.")};
ROW(temperature_squared) = {FIELD(TEMPERATURE_SQUARED, temperature_squared), DEFAULT(false),
			    BOOLEAN("temperature_squared",
				    "Multiplies the divergence by the square of the temperature.")};
ROW(tail) = {
	FIELD(TAIL, tail), DEFAULT_CHOICE("bucket"),
	CHOICE("tail", tails,
	       "Of teachers that list some classes, what becomes of the others: bucket makes one "
	       "class of them, ignore leaves them out, renormalize makes the teacher's listed "
	       "probabilities add up to 1, restrict both sides'.")};
ROW(hard_weight) = {
	FIELD(HARD_WEIGHT, hard_weight), DEFAULT(0.0), .info.range = {.min = 0.0, .max = 1.0},
	NUMBER("hard_weight", "The share of the cross entropy with targets, at temperature 1; the "
			      "divergence has the rest.")};

/* What arguments come to that are not given; nothing changes by those that a loss does not have.
 * What losses differ in stands apart. */
#define USUAL                                                                                      \
	.ignore_index = -100, .temperature = 1.0, .logit_scale = 1.0, .alpha = 0.25,               \
	.ece_bins = 15, .ece_norm = ECE_L1, .empty_mean = EMPTY_MEAN_NAN, .n_groups = -1,          \
	.totals = TOTALS_PLAIN, .delta = 1.0, .quantile = 0.5, .log_input = true, .p = 1,          \
	.margin = 1.0
static const struct loss_args usual = {USUAL, .class_axis = 1, .reduction = REDUCTION_MEAN,
				       .eps = 1e-8, .beta = 1.0};
static const struct loss_args focal_presets = {USUAL, .class_axis = 1, .reduction = REDUCTION_NONE,
					       .gamma = 2.0};
static const struct loss_args policy_presets = {
	USUAL,           .class_axis = 1,  .reduction = REDUCTION_MEAN,
	.clip_low = 0.2, .clip_high = 0.2, .beta = 0.05};
static const struct loss_args divergence_presets = {USUAL, .class_axis = 1,
						    .reduction = REDUCTION_MEAN, .beta = 0.5};

const struct loss_args *argument_presets(const struct loss_row *loss)
{
	return loss->presets ? loss->presets : &usual;
}

/* In the order in which PyTorch's signatures have them, ours after them. */
#define OUR_REDUCTION_ARGUMENTS &denominator.info, &empty_mean.info, &totals.info

static const struct loss_argument_info *const cross_entropy_arguments[] = {
	&size_average.info,    &ignore_index.info,      &reduce.info,     &reduction.info,
	&label_smoothing.info, OUR_REDUCTION_ARGUMENTS, &class_axis.info, &grad_dtype.info,
	&softcap.info,         &temperature.info,       &z_loss.info,     &shift.info,
	&logit_scale.info,     &gamma_of_classes.info,  &top_k.info,      &ece_bins.info,
	&ece_norm.info,        &n_groups.info,
};
static const struct loss_argument_info *const nll_loss_arguments[] = {
	&size_average.info,      &ignore_index.info, &reduce.info,     &reduction.info,
	OUR_REDUCTION_ARGUMENTS, &class_axis.info,   &grad_dtype.info, &n_groups.info,
};
static const struct loss_argument_info *const softmax_arguments[] = {
	&class_axis.info,
	&grad_dtype.info,
};
static const struct loss_argument_info *const bce_arguments[] = {
	&size_average.info, &reduce.info,   &reduction.info, OUR_REDUCTION_ARGUMENTS,
	&grad_dtype.info,   &ece_bins.info, &ece_norm.info,
};

static const struct loss_argument_info *const kl_div_arguments[] = {
	&size_average.info,      &reduce.info,     &reduction_or_batchmean.info, &log_target.info,
	OUR_REDUCTION_ARGUMENTS, &grad_dtype.info,
};
static const struct loss_argument_info *const focal_arguments[] = {
	&alpha.info,
	&gamma_of_elements.info,
	&reduction_from_none.info,
	OUR_REDUCTION_ARGUMENTS,
	&grad_dtype.info,
};

static const struct loss_argument_info *const policy_arguments[] = {
	&objective.info,
	&clip_low.info,
	&clip_high.info,
	&beta_of_policy.info,
	&kl_weight.info,
	&ignore_index.info,
	&reduction_or_sequence_mean.info,
	OUR_REDUCTION_ARGUMENTS,
	&class_axis.info,
	&grad_dtype.info,
	&softcap.info,
	&temperature.info,
	&shift.info,
	&logit_scale.info,
	&n_groups.info,
};

static const struct loss_argument_info *const divergence_arguments[] = {
	&reduction.info,  &ignore_index.info, OUR_REDUCTION_ARGUMENTS, &class_axis.info,
	&grad_dtype.info, &softcap.info,      &temperature.info,       &logit_scale.info,
	&n_groups.info,   &kind.info,         &jsd_beta.info,          &temperature_squared.info,
	&tail.info,       &hard_weight.info,
};

/* ---------------------------------------------------------------- outputs */

#define OUTPUT_OF_NEEDS(id_, name_, dtype_, extent_, needs_, help_)                                \
	{                                                                                          \
		{name_, LOSS_DTYPE_##dtype_, LOSS_EXTENT_##extent_, needs_, help_}, OUTPUT_##id_   \
	}
#define OUTPUT(id_, name_, dtype_, extent_, needs_, help_)                                         \
	OUTPUT_OF_NEEDS(id_, name_, dtype_, extent_, LOSS_NEEDS_##needs_, help_)

static const struct output_row
	loss_output = OUTPUT(LOSS, "loss", OF_RESULTS, LOSS, NOTHING, "The loss."),
	grad = OUTPUT(GRAD, "grad", OF_INPUT, INPUT, NOTHING,
		      "The gradient with respect to the first tensor, times grad_output if given."),
	vector_product = OUTPUT(GRAD, "grad", OF_INPUT, INPUT, GRAD_OUTPUT,
				"The vector-Jacobian product with grad_output."),
	log_probs = OUTPUT(LOG_PROBS, "log_probs", OF_INPUT, INPUT, NOTHING,
			   "The logarithm of softmax."),
	probs = OUTPUT(PROBS, "probs", OF_INPUT, INPUT, NOTHING, "Softmax."),
	lse = OUTPUT(LSE, "lse", OF_RESULTS, ROWS, NOTHING, "Log-sum-exp of each row."),
	predicted = OUTPUT(PREDICTED, "predicted", I64, ROWS, NOTHING,
			   "The class of the largest logit, the lowest index of equal ones."),
	correct = OUTPUT(CORRECT, "correct", BOOL, ROWS, INDICES,
			 "Whether the predicted class is the target; false for ignored rows. Class "
			 "indices only."),
	accuracy = OUTPUT(ACCURACY, "accuracy", F64, SCALAR, INDICES,
			  "The share of counted rows that are correct; NaN when there are none. "
			  "Class indices only."),
	entropy = OUTPUT(ENTROPY, "entropy", OF_RESULTS, ROWS, NOTHING,
			 "The entropy of softmax in nats."),
	z_loss_output = OUTPUT(Z_LOSS, "z_loss", OF_RESULTS, LOSS, NOTHING,
			       "The part of the loss that the argument z_loss adds."),
	rank = OUTPUT(RANK, "rank", I64, ROWS, INDICES,
		      "How many classes stand before the target when logits are sorted, the lower "
		      "index of equal ones first; -1 for ignored rows and rows with NaN. Class "
		      "indices only."),
	perplexity = OUTPUT(
		PERPLEXITY, "perplexity", F64, SCALAR, INDICES,
		"The exponential of the counted rows' mean negative log-likelihood, without "
		"weights, smoothing and z_loss; NaN when there are none. Class indices only."),
	ece = OUTPUT(ECE, "ece", F64, SCALAR, INDICES,
		     "Expected calibration error of the counted rows over bins of the largest "
		     "probability; NaN when there are none. Class indices only."),
	topk_accuracy = OUTPUT(TOPK_ACCURACY, "topk_accuracy", F64, SCALAR, INDICES,
			       "The share of counted rows whose target is among the k classes of "
			       "the largest logits; NaN when there are none. Class indices only."),
	group_loss_sum = OUTPUT(GROUP_LOSS_SUM, "group_loss_sum", F64, GROUPS, GROUPS,
				"The sum of the losses of each group's counted rows."),
	group_denominator =
		OUTPUT(GROUP_DENOMINATOR, "group_denominator", F64, GROUPS, GROUPS,
		       "What the mean of each group divides by: the weights of its counted rows."),
	group_counted = OUTPUT(GROUP_COUNTED, "group_counted", I64, GROUPS, GROUPS,
			       "How many rows of each group count."),
	group_loss = OUTPUT(GROUP_LOSS, "group_loss", F64, GROUPS, GROUPS,
			    "The mean loss of each group, whatever the reduction; that of no "
			    "counted rows is empty_mean."),
	bits_per_byte = OUTPUT_OF_NEEDS(
		BITS_PER_BYTE, "bits_per_byte", F64, SCALAR, LOSS_NEEDS_INDICES | LOSS_NEEDS_BYTES,
		"The counted rows' negative log-likelihood in bits, without weights, smoothing and "
		"z_loss, over their bytes; NaN where these are 0. Class indices only."),
	loss_quantiles = OUTPUT(
		LOSS_QUANTILES, "loss_quantiles", F64, QUANTILES, NOTHING,
		"Of the counted rows' losses without row_weight: minimum, quantiles 0.001, 0.01, "
		"0.05, 0.1, 0.5, 0.9, 0.95, 0.99, 0.999, maximum; all NaN when there are none, or "
		"where one is NaN."),
	accuracy_of_elements = OUTPUT(
		ACCURACY, "accuracy", F64, SCALAR, NOTHING,
		"The share of counted elements whose more likely outcome is that of the target, "
		"positive above 0.5; NaN when there are none."),
	ece_of_elements = OUTPUT(
		ECE, "ece", F64, SCALAR, NOTHING,
		"Expected calibration error of the counted elements over bins of the positive "
		"outcome's probability; NaN when there are none."),
	log_prob = OUTPUT(LOG_PROB, "log_prob", OF_RESULTS, ROWS, NOTHING,
			  "The log-probability of each row's target; 0 for ignored rows."),
	ratio_output = OUTPUT(RATIO, "ratio", OF_RESULTS, ROWS, OWN_1,
			      "How many times as likely as in the sampling each row's target is: "
			      "exp(log_prob - sampling_log_probs); 0 for ignored rows."),
	clip_fraction = OUTPUT(CLIP_FRACTION, "clip_fraction", F64, SCALAR, OWN_1,
			       "The share of counted rows that are clipped; NaN when there are "
			       "none. Of ppo rows without a gradient, of cispo those whose ratio "
			       "is outside the clips; other objectives do not have it."),
	kl_output = OUTPUT(KL, "kl", F64, SCALAR, OWN_1,
			   "The mean of ratio - 1 - log(ratio) of the counted rows, an estimate of "
			   "the divergence of the sampling from the logits; NaN when there are "
			   "none.");

static const struct output_row
	agrees = OUTPUT(AGREES, "agrees", BOOL, ROWS, NOTHING,
			"Whether student and teacher predict the same class, of equal ones the "
			"lowest; false for rows that do not count."),
	agreement = OUTPUT(AGREEMENT, "agreement", F64, SCALAR, NOTHING,
			   "The share of counted rows that agree; NaN when there are none."),
	teacher_entropy =
		OUTPUT(TEACHER_ENTROPY, "teacher_entropy", OF_RESULTS, ROWS, NOTHING,
		       "The entropy of the teacher in nats; NaN where it lists some classes, "
		       "and for rows that do not count."),
	delta_prob =
		OUTPUT(DELTA_PROB, "delta_prob", OF_RESULTS, ROWS, TARGETS,
		       "The target's probability, the student's minus the teacher's; NaN where "
		       "the teacher does not list it, and for rows that do not count.");

#define GROUP_OUTPUTS                                                                              \
	&group_loss_sum.info, &group_denominator.info, &group_counted.info, &group_loss.info

static const struct loss_output_info *const cross_entropy_outputs[] = {
	&loss_output.info,   &grad.info,           &log_probs.info,  &probs.info,   &lse.info,
	&entropy.info,       &z_loss_output.info,  &predicted.info,  &correct.info, &rank.info,
	&accuracy.info,      &topk_accuracy.info,  &perplexity.info, &ece.info,     GROUP_OUTPUTS,
	&bits_per_byte.info, &loss_quantiles.info,
};
static const struct loss_output_info *const nll_loss_outputs[] = {
	&loss_output.info,
	&grad.info,
	GROUP_OUTPUTS,
	&bits_per_byte.info,
};
static const struct loss_output_info *const binary_outputs[] = {
	&loss_output.info, &grad.info, &accuracy_of_elements.info, &ece_of_elements.info};
static const struct loss_output_info *const loss_and_grad[] = {&loss_output.info, &grad.info};
static const struct loss_output_info *const log_softmax_outputs[] = {
	&log_probs.info, &probs.info,   &vector_product.info,
	&lse.info,       &entropy.info, &predicted.info,
};
static const struct loss_output_info *const softmax_outputs[] = {
	&probs.info, &log_probs.info, &vector_product.info,
	&lse.info,   &entropy.info,   &predicted.info,
};

static const struct loss_output_info *const policy_outputs[] = {
	&loss_output.info, &grad.info,      &log_prob.info, &ratio_output.info, &clip_fraction.info,
	&entropy.info,     &kl_output.info, &lse.info,      &predicted.info,    GROUP_OUTPUTS,
};

static const struct loss_output_info *const divergence_outputs[] = {
	&loss_output.info, &grad.info,           &lse.info,
	&entropy.info,     &predicted.info,      GROUP_OUTPUTS,
	&agrees.info,      &agreement.info,      &teacher_entropy.info,
	&delta_prob.info,  &loss_quantiles.info,
};

/* ---------------------------------------------------------------- tensors */

#define TENSOR(name_, role_, required_, dtypes_, kinds_, extent_, help_)                           \
	{                                                                                          \
		.name = name_, .role = LOSS_ROLE_##role_, .required = required_,                   \
		.dtypes = dtypes_, .kinds = kinds_, .extent = LOSS_EXTENT_##extent_, .help = help_ \
	}
#define INPUT(name_, help_)                                                                        \
	TENSOR(name_, INPUT, true, LOSS_FLOAT_DTYPES, LOSS_KIND_NUMBER, INPUT, help_)
#define FACTORS(name_, role_, extent_, help_)                                                      \
	TENSOR(name_, role_, false, LOSS_FLOAT_DTYPES, LOSS_KIND_NUMBER, extent_, help_)
#define LOGITS INPUT("logits", "Unnormalised scores.")
#define LOG_PROBS INPUT("log_probs", "Logarithms of probabilities, as log_softmax gives them.")
#define CLASS_WEIGHT FACTORS("weight", WEIGHT, CLASSES, "A factor for each class.")
#define ELEMENT_WEIGHT FACTORS("weight", WEIGHT, BROADCAST, "A factor for each element.")
#define ROW_WEIGHT                                                                                 \
	{                                                                                          \
		.name = "row_weight", .role = LOSS_ROLE_ROW_WEIGHT, .dtypes = LOSS_FLOAT_DTYPES,   \
		.kinds = LOSS_KIND_NUMBER, .extent = LOSS_EXTENT_ROWS, .range = FROM_0,            \
		.help = "A factor for each row, in its loss, its gradient and the denominator."    \
	}
#define MASK(extent_)                                                                              \
	TENSOR("mask", MASK, false, LOSS_DTYPE_BIT(LOSS_BOOL), LOSS_KIND_BOOLEAN, extent_,         \
	       "False where something is not to count: it has loss 0 and gradient 0, whatever it " \
	       "holds.")
#define GROUPS                                                                                     \
	TENSOR("groups", GROUPS, false, LOSS_INTEGER_DTYPES, LOSS_KIND_GROUP, ROWS,                \
	       "The group that each row is of, such as its document; below 0: of none.")
#define BYTES                                                                                      \
	TENSOR("bytes", BYTES, false, LOSS_INTEGER_DTYPES, LOSS_KIND_COUNT, ROWS_OR_GROUPS,        \
	       "The bytes of text that each row, or each group, stands for.")
#define GRAD_OUTPUT(extent_)                                                                       \
	FACTORS("grad_output", GRAD_OUTPUT, extent_,                                               \
		"The upstream gradient: grad becomes a vector-Jacobian product.")
#define ELEMENT_TARGETS                                                                            \
	TENSOR("targets", TARGETS, true, LOSS_FLOAT_DTYPES | LOSS_DTYPE_BIT(LOSS_BOOL),            \
	       LOSS_KIND_NUMBER, INPUT, "The probability of the positive outcome, 0 to 1.")

static const struct loss_tensor_info cross_entropy_tensors[] = {
	LOGITS,
	TENSOR("targets", TARGETS, true, LOSS_FLOAT_DTYPES | LOSS_INTEGER_DTYPES,
	       LOSS_KIND_INDEX | LOSS_KIND_PROBABILITY, TARGETS,
	       "Class indices (integers), or a probability for each class (floats)."),
	CLASS_WEIGHT,
	ROW_WEIGHT,
	MASK(ROWS),
	GROUPS,
	BYTES,
	GRAD_OUTPUT(LOSS),
};
static const struct loss_tensor_info nll_loss_tensors[] = {
	LOG_PROBS,
	TENSOR("targets", TARGETS, true, LOSS_INTEGER_DTYPES, LOSS_KIND_INDEX, ROWS,
	       "Class indices."),
	CLASS_WEIGHT,
	ROW_WEIGHT,
	MASK(ROWS),
	GROUPS,
	BYTES,
	GRAD_OUTPUT(LOSS),
};
static const struct loss_tensor_info softmax_tensors[] = {
	LOGITS,
	GRAD_OUTPUT(INPUT),
};
static const struct loss_tensor_info bce_tensors[] = {
	LOGITS,
	ELEMENT_TARGETS,
	ELEMENT_WEIGHT,
	FACTORS("pos_weight", POS_WEIGHT, BROADCAST,
		"A factor for the positive term of each element."),
	MASK(BROADCAST),
	GRAD_OUTPUT(LOSS),
};
static const struct loss_tensor_info probs_bce_tensors[] = {
	{.name = "probs",
	 .role = LOSS_ROLE_INPUT,
	 .required = true,
	 .dtypes = LOSS_FLOAT_DTYPES,
	 .kinds = LOSS_KIND_NUMBER,
	 .extent = LOSS_EXTENT_INPUT,
	 .range = {.min = 0.0, .max = 1.0},
	 .help = "Probabilities of the positive outcome; outside 0 to 1 is an error."},
	ELEMENT_TARGETS,
	ELEMENT_WEIGHT,
	MASK(BROADCAST),
	GRAD_OUTPUT(LOSS),
};
static const struct loss_tensor_info kl_div_tensors[] = {
	LOG_PROBS,
	TENSOR("targets", TARGETS, true, LOSS_FLOAT_DTYPES, LOSS_KIND_NUMBER, INPUT,
	       "Probabilities, or with log_target their logarithms."),
	MASK(BROADCAST),
	GRAD_OUTPUT(LOSS),
};
static const struct loss_tensor_info focal_tensors[] = {
	LOGITS,
	ELEMENT_TARGETS,
	MASK(BROADCAST),
	GRAD_OUTPUT(LOSS),
};

static const struct loss_tensor_info policy_tensors[] = {
	LOGITS,
	TENSOR("targets", TARGETS, true, LOSS_INTEGER_DTYPES, LOSS_KIND_INDEX, ROWS,
	       "Class indices: the tokens that were sampled."),
	TENSOR("sampling_log_probs", OWN_1, false, LOSS_FLOAT_DTYPES, LOSS_KIND_NUMBER, ROWS,
	       "The targets' log-probabilities when they were sampled; all objectives but "
	       "reinforce need them."),
	TENSOR("advantages", OWN_2, true, LOSS_FLOAT_DTYPES, LOSS_KIND_NUMBER, ROWS,
	       "How much better than expected each row's target turned out to be."),
	TENSOR("reference_log_probs", OWN_3, false, LOSS_FLOAT_DTYPES, LOSS_KIND_NUMBER, ROWS,
	       "The targets' log-probabilities in a reference model; kl_weight needs them."),
	ROW_WEIGHT,
	MASK(ROWS),
	GROUPS,
	GRAD_OUTPUT(LOSS),
};

static const struct loss_tensor_info divergence_tensors[] = {
	INPUT("logits", "Unnormalised scores of the student."),
	TENSOR("teacher_logits", OWN_1, false, LOSS_FLOAT_DTYPES, LOSS_KIND_NUMBER, INPUT,
	       "Unnormalised scores of the teacher."),
	{.name = "teacher_indices",
	 .role = LOSS_ROLE_OWN_2,
	 .dtypes = LOSS_INTEGER_DTYPES,
	 .kinds = LOSS_KIND_INDEX,
	 .extent = LOSS_EXTENT_ROWS,
	 .extra_axis = true,
	 .range = {.min = -1.0},
	 .help = "The classes that the teacher lists, in any order, none twice; -1 is an empty "
		 "place."},
	TENSOR("teacher_log_probs", OWN_3, false, LOSS_FLOAT_DTYPES, LOSS_KIND_NUMBER, LISTED,
	       "Logarithms of the teacher's probabilities, of all classes or of teacher_indices."),
	TENSOR("targets", TARGETS, false, LOSS_INTEGER_DTYPES, LOSS_KIND_INDEX, ROWS,
	       "Class indices."),
	ROW_WEIGHT,
	MASK(ROWS),
	GROUPS,
	GRAD_OUTPUT(LOSS),
};

/* ---------------------------------------------------------------- losses */

#define TABLES(tensors_, arguments_, outputs_)                                                     \
	.n_tensors = COUNT(tensors_), .tensors = tensors_, .n_arguments = COUNT(arguments_),       \
	.arguments = arguments_, .n_outputs = COUNT(outputs_), .outputs = outputs_

static const struct loss_row loss_table[] = {
	{
		.info = {.name = "cross_entropy",
			 .has_totals = true,
			 .summary = "Cross entropy of logits with class indices or class "
				    "probabilities, as torch.nn.CrossEntropyLoss.",
			 TABLES(cross_entropy_tensors, cross_entropy_arguments,
				cross_entropy_outputs)},
		.scores = true,
		.rows = cross_entropy_rows,
	},
	{
		.info = {.name = "nll_loss",
			 .has_totals = true,
			 .summary = "Negative log-likelihood of class indices under given "
				    "log-probabilities, as torch.nn.NLLLoss.",
			 TABLES(nll_loss_tensors, nll_loss_arguments, nll_loss_outputs)},
		.reads_targets_only = true,
		.scores = true,
		.rows = nll_loss_rows,
	},
	{
		.info = {.name = "log_softmax",
			 .summary =
				 "Logarithm of softmax over the classes, as torch.nn.LogSoftmax.",
			 TABLES(softmax_tensors, softmax_arguments, log_softmax_outputs)},
		.rows = log_softmax_rows,
	},
	{
		.info = {.name = "softmax",
			 .summary = "Softmax over the classes, as torch.nn.Softmax.",
			 TABLES(softmax_tensors, softmax_arguments, softmax_outputs)},
		.rows = softmax_rows,
	},
	{
		.info = {.name = "binary_cross_entropy_with_logits",
			 .element_wise = true,
			 .has_totals = true,
			 .summary = "Logistic regression's loss: binary cross entropy of logits, "
				    "element by element, as torch.nn.BCEWithLogitsLoss.",
			 TABLES(bce_tensors, bce_arguments, binary_outputs)},
		.rows = binary_cross_entropy_with_logits_rows,
	},
	{
		.info = {.name = "binary_cross_entropy",
			 .element_wise = true,
			 .has_totals = true,
			 .summary = "Binary cross entropy of probabilities, element by element, as "
				    "torch.nn.BCELoss.",
			 TABLES(probs_bce_tensors, bce_arguments, binary_outputs)},
		.rows = binary_cross_entropy_rows,
	},
	{
		.info = {.name = "kl_div",
			 .element_wise = true,
			 .has_totals = true,
			 .summary = "Kullback-Leibler divergence of targets from given "
				    "log-probabilities, element by element, as torch.nn.KLDivLoss.",
			 TABLES(kl_div_tensors, kl_div_arguments, loss_and_grad)},
		.own_reduction = REDUCTION_BATCHMEAN,
		.rows = kl_div_rows,
	},
	{
		.info = {.name = "sigmoid_focal_loss",
			 .element_wise = true,
			 .has_totals = true,
			 .summary = "Binary cross entropy of logits with well predicted elements "
				    "played down, as torchvision.ops.sigmoid_focal_loss.",
			 TABLES(focal_tensors, focal_arguments, loss_and_grad)},
		.presets = &focal_presets,
		.rows = sigmoid_focal_loss_rows,
	},
	{
		.info = {.name = "policy_gradient",
			 .has_totals = true,
			 .summary = "Losses of reinforcement learning over sampled class indices: "
				    "importance sampling, PPO, CISPO, DRO and REINFORCE.",
			 TABLES(policy_tensors, policy_arguments, policy_outputs)},
		.presets = &policy_presets,
		.own_reduction = REDUCTION_SEQUENCE_MEAN,
		.check = policy_check,
		.rows = policy_gradient_rows,
	},
	{
		.info = {.name = "divergence",
			 .has_totals = true,
			 .summary = "How far a student's logits are from a teacher's, or from the "
				    "classes that a teacher lists.",
			 TABLES(divergence_tensors, divergence_arguments, divergence_outputs)},
		.presets = &divergence_presets,
		.wide = true,
		.fields = teachers_check_fields,
		.elements = teachers_check_elements,
		.rows = divergence_rows,
	},
};

#include "losses_of_numbers.h"

static const struct {
	const struct loss_row *rows;
	size_t n;
} tables[] = {
	{loss_table, COUNT(loss_table)},
	{losses_of_numbers, COUNT(losses_of_numbers)},
};

const struct loss_info *loss_at(size_t i)
{
	for (size_t k = 0; k < COUNT(tables); k++) {
		if (i < tables[k].n)
			return &tables[k].rows[i].info;
		i -= tables[k].n;
	}
	return NULL;
}

const struct loss_info *loss_find(const char *name, size_t n)
{
	const struct loss_info *loss;
	for (size_t i = 0; (loss = loss_at(i)); i++)
		if (names_equal(loss->name, name, n))
			break;
	return loss;
}
