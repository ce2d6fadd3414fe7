/* The table of losses. A new loss is one row here, a folder under kernel/ and its name in
 * kernel/kernels.h. */
#include <float.h>
#include <stddef.h>

#include "kernel/kernels.h"
#include "names.h"
#include "problem.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---------------------------------------------------------------- arguments */

static const char *const reductions[] = {"none", "mean", "sum", "elementwise_mean", NULL};
static const char *const reductions_and_batchmean[] = {
	"none", "mean", "sum", "elementwise_mean", "batchmean", NULL};
static const char *const empty_means[] = {"nan", "zero", NULL};
static const char *const grad_dtypes[] = {"F32", NULL};

#define FIELD(field) .name = #field, .offset = offsetof(struct loss_args, field)

static const struct loss_argument_info argument_table[N_ARGUMENTS] = {
	[ARGUMENT_SIZE_AVERAGE] =
		{FIELD(size_average), .type = LOSS_ARGUMENT_BOOLEAN, .default_json = "null",
		 .help = "Deprecated, use reduction: if this or reduce is given, false is "
			 "sum and true is mean, unless reduce is false."},
	[ARGUMENT_IGNORE_INDEX] =
		{FIELD(ignore_index), .type = LOSS_ARGUMENT_INTEGER, .default_json = "-100",
		 .range = "any 64-bit integer; negative beside probability targets", .min = -0x1p63,
		 .max = 0x1p63,
		 .help = "Rows with this target count neither in the loss nor in the "
			 "denominator, and have gradient 0."},
	[ARGUMENT_REDUCE] = {FIELD(reduce), .type = LOSS_ARGUMENT_BOOLEAN, .default_json = "null",
			     .help = "Deprecated, use reduction: false is none."},
	[ARGUMENT_REDUCTION] =
		{FIELD(reduction), .type = LOSS_ARGUMENT_CHOICE, .choices = reductions,
		 .default_json = "\"mean\"",
		 .help = "What becomes of the row losses. elementwise_mean is the old name "
			 "of mean."},
	[ARGUMENT_REDUCTION_BATCHMEAN] =
		{FIELD(reduction), .type = LOSS_ARGUMENT_CHOICE,
		 .choices = reductions_and_batchmean, .default_json = "\"mean\"",
		 .help = "What becomes of the elements' losses. batchmean is their sum over the "
			 "size of the first axis; elementwise_mean is the old name of mean."},
	[ARGUMENT_REDUCTION_FROM_NONE] =
		{FIELD(reduction), .type = LOSS_ARGUMENT_CHOICE, .choices = reductions,
		 .default_json = "\"none\"",
		 .help = "What becomes of the elements' losses. elementwise_mean is the old name "
			 "of mean."},
	[ARGUMENT_LABEL_SMOOTHING] =
		{FIELD(label_smoothing), .type = LOSS_ARGUMENT_NUMBER, .default_json = "0.0",
		 .range = "0 to 1", .min = 0.0, .max = 1.0,
		 .help = "The share of the target that is spread over all classes."},
	[ARGUMENT_DENOMINATOR] =
		{FIELD(denominator), .type = LOSS_ARGUMENT_NUMBER, .default_json = "null",
		 .range = "greater than 0, finite", .min = 0.0, .max = DBL_MAX,
		 .min_excluded = true,
		 .help = "Replaces the denominator of the mean, for the caller's own "
			 "count of tokens."},
	[ARGUMENT_EMPTY_MEAN] = {FIELD(empty_mean), .type = LOSS_ARGUMENT_CHOICE,
				 .choices = empty_means, .default_json = "\"nan\"",
				 .help = "The mean of no counted rows."},
	[ARGUMENT_CLASS_AXIS] =
		{FIELD(class_axis), .type = LOSS_ARGUMENT_INTEGER, .default_json = "1",
		 .range = "1 or -1", .min = -1.0, .max = 1.0,
		 .help = "Where the classes are: axis 1 (0 when unbatched), or the last."},
	[ARGUMENT_GRAD_DTYPE] =
		{FIELD(grad_dtype), .type = LOSS_ARGUMENT_CHOICE, .choices = grad_dtypes,
		 .default_json = "null",
		 .help = "F32 makes grad, log_probs and probs F32 whatever the logits are."},
	[ARGUMENT_SOFTCAP] =
		{FIELD(softcap), .type = LOSS_ARGUMENT_NUMBER, .default_json = "null",
		 .range = "greater than 0, finite", .min = 0.0, .max = DBL_MAX,
		 .min_excluded = true,
		 .help = "Replaces each logit x by softcap tanh(x / softcap), before all else."},
	[ARGUMENT_TEMPERATURE] = {FIELD(temperature), .type = LOSS_ARGUMENT_NUMBER,
				  .default_json = "1.0", .range = "greater than 0, finite",
				  .min = 0.0, .max = DBL_MAX, .min_excluded = true,
				  .help = "Divides each logit, after softcap and before all else."},
	[ARGUMENT_Z_LOSS] =
		{FIELD(z_loss), .type = LOSS_ARGUMENT_NUMBER, .default_json = "0.0",
		 .range = "0 or greater, finite", .min = 0.0, .max = DBL_MAX,
		 .help = "Adds this times the square of log-sum-exp to each counted row's loss, "
			 "whatever its weight."},
	[ARGUMENT_SHIFT] =
		{FIELD(shift), .type = LOSS_ARGUMENT_BOOLEAN, .default_json = "false",
		 .help = "Scores row t of class-last logits (B, T, V) against target t + 1; the "
			 "last row of each sequence is ignored."},
	[ARGUMENT_LOG_TARGET] = {FIELD(log_target), .type = LOSS_ARGUMENT_BOOLEAN,
				 .default_json = "false",
				 .help = "Whether targets are logarithms of probabilities too."},
	[ARGUMENT_ALPHA] =
		{FIELD(alpha), .type = LOSS_ARGUMENT_NUMBER, .default_json = "0.25",
		 .range = "at most 1, finite; below 0 for no weighting", .min = -DBL_MAX,
		 .max =
			 1.0,
		 .help = "The weight of the positive class, 1 - alpha that of the negative one; "
			 "any number below 0 switches both off."},
	[ARGUMENT_GAMMA] =
		{FIELD(gamma), .type = LOSS_ARGUMENT_NUMBER, .default_json = "2.0",
		 .range = "0 or greater, finite", .min = 0.0, .max = DBL_MAX,
		 .help = "How strongly elements that are predicted well are played down."},
};

enum argument argument_id(const struct loss_argument_info *argument)
{
	return (enum argument)(argument - argument_table);
}

/* In the order in which PyTorch's signatures have them, ours behind. */
#define ARGUMENT(id) &argument_table[ARGUMENT_##id]
#define OUR_REDUCTION_ARGUMENTS ARGUMENT(DENOMINATOR), ARGUMENT(EMPTY_MEAN)

static const struct loss_argument_info *const cross_entropy_arguments[] = {
	ARGUMENT(SIZE_AVERAGE), ARGUMENT(IGNORE_INDEX),    ARGUMENT(REDUCE),
	ARGUMENT(REDUCTION),    ARGUMENT(LABEL_SMOOTHING), OUR_REDUCTION_ARGUMENTS,
	ARGUMENT(CLASS_AXIS),   ARGUMENT(GRAD_DTYPE),      ARGUMENT(SOFTCAP),
	ARGUMENT(TEMPERATURE),  ARGUMENT(Z_LOSS),          ARGUMENT(SHIFT),
};
static const struct loss_argument_info *const nll_loss_arguments[] = {
	ARGUMENT(SIZE_AVERAGE),  ARGUMENT(IGNORE_INDEX), ARGUMENT(REDUCE),     ARGUMENT(REDUCTION),
	OUR_REDUCTION_ARGUMENTS, ARGUMENT(CLASS_AXIS),   ARGUMENT(GRAD_DTYPE),
};
static const struct loss_argument_info *const softmax_arguments[] = {
	ARGUMENT(CLASS_AXIS),
	ARGUMENT(GRAD_DTYPE),
};
static const struct loss_argument_info *const bce_arguments[] = {
	ARGUMENT(SIZE_AVERAGE),  ARGUMENT(REDUCE),     ARGUMENT(REDUCTION),
	OUR_REDUCTION_ARGUMENTS, ARGUMENT(GRAD_DTYPE),
};

static const struct loss_argument_info *const kl_div_arguments[] = {
	ARGUMENT(SIZE_AVERAGE), ARGUMENT(REDUCE),        ARGUMENT(REDUCTION_BATCHMEAN),
	ARGUMENT(LOG_TARGET),   OUR_REDUCTION_ARGUMENTS, ARGUMENT(GRAD_DTYPE),
};
static const struct loss_argument_info *const focal_arguments[] = {
	ARGUMENT(ALPHA),         ARGUMENT(GAMMA),      ARGUMENT(REDUCTION_FROM_NONE),
	OUR_REDUCTION_ARGUMENTS, ARGUMENT(GRAD_DTYPE),
};

/* ---------------------------------------------------------------- outputs */

static const struct loss_output_info output_table[N_OUTPUTS] = {
	[OUTPUT_LOSS] = {"loss", "F64 for F64 logits, else F32",
			 "() for mean and sum, the rows for none", "The loss."},
	[OUTPUT_GRAD] =
		{"grad", "the logits' dtype, or grad_dtype", "the logits' shape",
		 "The gradient with respect to the first tensor, times grad_output if given."},
	[OUTPUT_LOG_PROBS] = {"log_probs", "the logits' dtype, or grad_dtype", "the logits' shape",
			      "The logarithm of softmax."},
	[OUTPUT_PROBS] = {"probs", "the logits' dtype, or grad_dtype", "the logits' shape",
			  "Softmax."},
	[OUTPUT_LSE] = {"lse", "F64 for F64 logits, else F32", "the rows",
			"Log-sum-exp of each row."},
	[OUTPUT_PREDICTED] = {"predicted", "I64", "the rows",
			      "The class of the largest logit, the lowest index of equal ones."},
	[OUTPUT_CORRECT] =
		{"correct", "BOOL", "the rows",
		 "Whether the predicted class is the target; false for ignored rows. Class "
		 "indices only."},
	[OUTPUT_ACCURACY] =
		{"accuracy", "F64", "()",
		 "The share of counted rows that are correct; NaN when there are none. Class "
		 "indices only."},
	[OUTPUT_ENTROPY] = {"entropy", "F64 for F64 logits, else F32", "the rows",
			    "The entropy of softmax in nats."},
	[OUTPUT_Z_LOSS] = {"z_loss", "F64 for F64 logits, else F32", "the loss's",
			   "The part of the loss that the argument z_loss adds."},
	[OUTPUT_RANK] =
		{"rank", "I64", "the rows",
		 "How many classes stand before the target when logits are sorted, the lower "
		 "index of equal ones first; -1 for ignored rows and rows with NaN. Class indices "
		 "only."},
	[OUTPUT_PERPLEXITY] =
		{"perplexity", "F64", "()",
		 "The exponential of the counted rows' mean negative log-likelihood, without "
		 "weights, smoothing and z_loss; NaN when there are none. Class indices only."},
	[OUTPUT_ECE] =
		{"ece", "F64", "()",
		 "Expected calibration error of the counted rows over 15 bins of the largest "
		 "probability; NaN when there are none. Class indices only."},
};

enum output output_id(const struct loss_output_info *output)
{
	return (enum output)(output - output_table);
}

const char *output_name(enum output output)
{
	return output_table[output].name;
}

#define OUTPUT(id) &output_table[OUTPUT_##id]

static const struct loss_output_info *const cross_entropy_outputs[] = {
	OUTPUT(LOSS),     OUTPUT(GRAD),       OUTPUT(LOG_PROBS), OUTPUT(PROBS),   OUTPUT(LSE),
	OUTPUT(ENTROPY),  OUTPUT(Z_LOSS),     OUTPUT(PREDICTED), OUTPUT(CORRECT), OUTPUT(RANK),
	OUTPUT(ACCURACY), OUTPUT(PERPLEXITY), OUTPUT(ECE),
};
static const struct loss_output_info *const loss_and_grad[] = {OUTPUT(LOSS), OUTPUT(GRAD)};
static const struct loss_output_info *const log_softmax_outputs[] = {
	OUTPUT(LOG_PROBS), OUTPUT(PROBS),   OUTPUT(GRAD),
	OUTPUT(LSE),       OUTPUT(ENTROPY), OUTPUT(PREDICTED),
};
static const struct loss_output_info *const softmax_outputs[] = {
	OUTPUT(PROBS), OUTPUT(LOG_PROBS), OUTPUT(GRAD),
	OUTPUT(LSE),   OUTPUT(ENTROPY),   OUTPUT(PREDICTED),
};

/* ---------------------------------------------------------------- tensors */

#define INPUT_SHAPE "(C), (N, C) or (N, C, d1..d6); with class_axis -1, C is last"
#define ROWS_SHAPE "the input's without its class axis: (), (N) or (N, d1..d6)"

#define LOGITS(shape_)                                                                             \
	{                                                                                          \
		"logits", LOSS_ROLE_INPUT, true, LOSS_FLOAT_DTYPES, shape_, "Unnormalised scores." \
	}
#define WEIGHT                                                                                     \
	{                                                                                          \
		"weight", LOSS_ROLE_WEIGHT, false, LOSS_FLOAT_DTYPES, "(C)",                       \
			"A factor for each class."                                                 \
	}
#define GRAD_OUTPUT(shape_)                                                                        \
	{                                                                                          \
		"grad_output", LOSS_ROLE_GRAD_OUTPUT, false, LOSS_FLOAT_DTYPES, shape_,            \
			"The upstream gradient: grad becomes a vector-Jacobian product."           \
	}

static const struct loss_tensor_info cross_entropy_tensors[] = {
	LOGITS(INPUT_SHAPE),
	{"targets", LOSS_ROLE_TARGETS, true, LOSS_FLOAT_DTYPES | LOSS_INTEGER_DTYPES,
	 ROWS_SHAPE " for class indices, the logits' shape for probabilities",
	 "Class indices (integers), or a probability for each class (floats)."},
	WEIGHT,
	GRAD_OUTPUT("the loss's"),
};
static const struct loss_tensor_info nll_loss_tensors[] = {
	{"log_probs", LOSS_ROLE_INPUT, true, LOSS_FLOAT_DTYPES, INPUT_SHAPE,
	 "Logarithms of probabilities, as log_softmax gives them."},
	{"targets", LOSS_ROLE_TARGETS, true, LOSS_INTEGER_DTYPES, ROWS_SHAPE, "Class indices."},
	WEIGHT,
	GRAD_OUTPUT("the loss's"),
};
static const struct loss_tensor_info softmax_tensors[] = {
	LOGITS(INPUT_SHAPE),
	GRAD_OUTPUT("the logits'; required for grad"),
};
#define ELEMENT_TARGETS(shape_)                                                                    \
	{                                                                                          \
		"targets", LOSS_ROLE_TARGETS, true, LOSS_FLOAT_DTYPES | LOSS_DTYPE_BIT(LOSS_BOOL), \
			shape_, "The probability of the positive outcome, 0 to 1."                 \
	}

static const struct loss_tensor_info bce_tensors[] = {
	LOGITS("any"),
	ELEMENT_TARGETS("the logits'"),
	{"weight", LOSS_ROLE_WEIGHT, false, LOSS_FLOAT_DTYPES, "broadcast to the logits'",
	 "A factor for each element."},
	{"pos_weight", LOSS_ROLE_POS_WEIGHT, false, LOSS_FLOAT_DTYPES, "broadcast to the logits'",
	 "A factor for the positive term of each element."},
	GRAD_OUTPUT("the loss's"),
};

static const struct loss_tensor_info probs_bce_tensors[] = {
	{"probs", LOSS_ROLE_INPUT, true, LOSS_FLOAT_DTYPES, "any",
	 "Probabilities of the positive outcome; outside 0 to 1 is an error."},
	ELEMENT_TARGETS("that of probs"),
	{"weight", LOSS_ROLE_WEIGHT, false, LOSS_FLOAT_DTYPES, "broadcast to that of probs",
	 "A factor for each element."},
	GRAD_OUTPUT("the loss's"),
};
static const struct loss_tensor_info kl_div_tensors[] = {
	{"log_probs", LOSS_ROLE_INPUT, true, LOSS_FLOAT_DTYPES, "any",
	 "Logarithms of probabilities, as log_softmax gives them."},
	{"targets", LOSS_ROLE_TARGETS, true, LOSS_FLOAT_DTYPES, "that of log_probs",
	 "Probabilities, or with log_target their logarithms."},
	GRAD_OUTPUT("the loss's"),
};
static const struct loss_tensor_info focal_tensors[] = {
	LOGITS("any"),
	ELEMENT_TARGETS("the logits'"),
	GRAD_OUTPUT("the loss's"),
};

/* ---------------------------------------------------------------- losses */

#define TABLES(tensors_, arguments_, outputs_)                                                     \
	.n_tensors = COUNT(tensors_), .tensors = tensors_, .n_arguments = COUNT(arguments_),       \
	.arguments = arguments_, .n_outputs = COUNT(outputs_), .outputs = outputs_

static const struct loss_row loss_table[] = {
	{
		.info = {.name = "cross_entropy",
			 .summary = "Cross entropy of logits with class indices or class "
				    "probabilities, as torch.nn.CrossEntropyLoss.",
			 TABLES(cross_entropy_tensors, cross_entropy_arguments,
				cross_entropy_outputs)},
		.rows = cross_entropy_rows,
	},
	{
		.info = {.name = "nll_loss",
			 .summary = "Negative log-likelihood of class indices under given "
				    "log-probabilities, as torch.nn.NLLLoss.",
			 TABLES(nll_loss_tensors, nll_loss_arguments, loss_and_grad)},
		.reads_targets_only = true,
		.rows = nll_loss_rows,
	},
	{
		.info = {.name = "log_softmax",
			 .summary =
				 "Logarithm of softmax over the classes, as torch.nn.LogSoftmax.",
			 TABLES(softmax_tensors, softmax_arguments, log_softmax_outputs)},
		.output_per_class = true,
		.rows = log_softmax_rows,
	},
	{
		.info = {.name = "softmax",
			 .summary = "Softmax over the classes, as torch.nn.Softmax.",
			 TABLES(softmax_tensors, softmax_arguments, softmax_outputs)},
		.output_per_class = true,
		.rows = softmax_rows,
	},
	{
		.info = {.name = "binary_cross_entropy_with_logits",
			 .summary = "Logistic regression's loss: binary cross entropy of logits, "
				    "element by element, as torch.nn.BCEWithLogitsLoss.",
			 TABLES(bce_tensors, bce_arguments, loss_and_grad)},
		.element_wise = true,
		.rows = binary_cross_entropy_with_logits_rows,
	},
	{
		.info = {.name = "binary_cross_entropy",
			 .summary = "Binary cross entropy of probabilities, element by element, as "
				    "torch.nn.BCELoss.",
			 TABLES(probs_bce_tensors, bce_arguments, loss_and_grad)},
		.element_wise = true,
		.unit_input = true,
		.rows = binary_cross_entropy_rows,
	},
	{
		.info = {.name = "kl_div",
			 .summary = "Kullback-Leibler divergence of targets from given "
				    "log-probabilities, element by element, as torch.nn.KLDivLoss.",
			 TABLES(kl_div_tensors, kl_div_arguments, loss_and_grad)},
		.element_wise = true,
		.rows = kl_div_rows,
	},
	{
		.info = {.name = "sigmoid_focal_loss",
			 .summary = "Binary cross entropy of logits with well predicted elements "
				    "played down, as torchvision.ops.sigmoid_focal_loss.",
			 TABLES(focal_tensors, focal_arguments, loss_and_grad)},
		.element_wise = true,
		.unreduced = true,
		.rows = sigmoid_focal_loss_rows,
	},
};

const struct loss_info *loss_at(size_t i)
{
	return i < COUNT(loss_table) ? &loss_table[i].info : NULL;
}

const struct loss_info *loss_find(const char *name, size_t n)
{
	for (size_t i = 0; i < COUNT(loss_table); i++)
		if (names_equal(loss_table[i].info.name, name, n))
			return &loss_table[i].info;
	return NULL;
}
