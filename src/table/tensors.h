/* The tensors of each loss: part of losses.c, whose words it uses. */
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
