/* Every output, and the lists of each loss: part of losses.c, whose words it uses. */
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
