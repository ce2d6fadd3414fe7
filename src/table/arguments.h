/* Every argument of every loss, what they come to that are not given, and the lists of each loss:
 * part of losses.c, whose words it uses. */
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
