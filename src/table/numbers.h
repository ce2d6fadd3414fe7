/*
 * The losses of numbers: part of losses.c, whose words it uses. Their arguments have PyTorch's
 * names, order and defaults.
 */
/* ---------------------------------------------------------------- arguments */

ROW(beta_of_smooth_l1) = {
	FIELD(BETA, beta), DEFAULT(1.0), .info.range = FROM_0,
	NUMBER("beta", "Below this distance the loss is a square, beyond it linear; with 0 it is "
		       "l1_loss.")};
ROW(delta) = {FIELD(DELTA, delta), DEFAULT(1.0), .info.range = ABOVE_0,
	      NUMBER("delta", "Up to this distance the loss is a square, beyond it linear, with "
			      "this slope.")};
ROW(quantile) = {
	FIELD(QUANTILE, quantile), DEFAULT(0.5), .info.range = {.min = 0.0, .max = 1.0},
	NUMBER("quantile", "Which quantile of the targets predictions are of: 0.5 is the median.")};
ROW(log_input) = {FIELD(LOG_INPUT, log_input), DEFAULT(true),
		  BOOLEAN("log_input", "Whether predictions are logarithms of rates.")};
ROW(full_of_poisson) = {
	FIELD(FULL, full), DEFAULT(false),
	BOOLEAN("full", "Adds Stirling's approximation of log(targets!) where targets are above "
			"1.")};
ROW(full_of_gaussian) = {FIELD(FULL, full), DEFAULT(false),
			 BOOLEAN("full", "Adds the constant log(2 pi) / 2.")};
ROW(eps_of_poisson) = {
	FIELD(EPS, eps), DEFAULT(1e-8), .info.range = FROM_0,
	NUMBER("eps", "Added to predictions before their logarithm, without log_input.")};
ROW(eps_of_gaussian) = {FIELD(EPS, eps), DEFAULT(1e-6), .info.range = FROM_0,
			NUMBER("eps", "What var is at the least: smaller ones are raised to it.")};

ROW(p_of_margin) = {FIELD(P, p), DEFAULT(1), .info.range = {.min = 1.0, .max = 2.0},
		    INTEGER("p", "The power of what is missing of the margin.")};
ROW(margin) = {FIELD(MARGIN, margin), DEFAULT(1.0), .info.range = {.min = -DBL_MAX, .max = DBL_MAX},
	       NUMBER("margin", "By how much the target's score is to be above the others.")};

static const struct loss_args multilabel_presets = {USUAL, .class_axis = -1,
						    .reduction = REDUCTION_MEAN};
static const struct loss_args gaussian_presets = {USUAL, .class_axis = 1,
						  .reduction = REDUCTION_MEAN, .eps = 1e-6};

#define LEGACY_REDUCTION &size_average.info, &reduce.info, &reduction.info

static const struct loss_argument_info *const mse_arguments[] = {
	LEGACY_REDUCTION,
	OUR_REDUCTION_ARGUMENTS,
	&grad_dtype.info,
};
static const struct loss_argument_info *const smooth_l1_arguments[] = {
	LEGACY_REDUCTION,
	&beta_of_smooth_l1.info,
	OUR_REDUCTION_ARGUMENTS,
	&grad_dtype.info,
};
static const struct loss_argument_info *const huber_arguments[] = {
	&reduction.info,
	&delta.info,
	OUR_REDUCTION_ARGUMENTS,
	&grad_dtype.info,
};
static const struct loss_argument_info *const poisson_nll_arguments[] = {
	&log_input.info, &full_of_poisson.info, &size_average.info,      &eps_of_poisson.info,
	&reduce.info,    &reduction.info,       OUR_REDUCTION_ARGUMENTS, &grad_dtype.info,
};
static const struct loss_argument_info *const gaussian_nll_arguments[] = {
	&full_of_gaussian.info,  &eps_of_gaussian.info, &reduction.info,
	OUR_REDUCTION_ARGUMENTS, &grad_dtype.info,
};
static const struct loss_argument_info *const quantile_arguments[] = {
	&reduction.info,
	&quantile.info,
	OUR_REDUCTION_ARGUMENTS,
	&grad_dtype.info,
};

static const struct loss_argument_info *const multi_margin_arguments[] = {
	&p_of_margin.info,       &margin.info,     LEGACY_REDUCTION,
	OUR_REDUCTION_ARGUMENTS, &grad_dtype.info, &n_groups.info,
};
static const struct loss_argument_info *const multilabel_arguments[] = {
	LEGACY_REDUCTION,
	OUR_REDUCTION_ARGUMENTS,
	&grad_dtype.info,
	&n_groups.info,
};
static const struct loss_argument_info *const brier_arguments[] = {
	&ignore_index.info, &reduction.info,  OUR_REDUCTION_ARGUMENTS,
	&class_axis.info,   &grad_dtype.info, &n_groups.info,
};

static const struct loss_output_info *const grouped_outputs[] = {
	&loss_output.info,
	&grad.info,
	GROUP_OUTPUTS,
};

/* ---------------------------------------------------------------- tensors */

#define PREDICTIONS INPUT("predictions", "What is predicted.")
#define NUMBER_TARGETS                                                                             \
	TENSOR("targets", TARGETS, true, LOSS_FLOAT_DTYPES, LOSS_KIND_NUMBER, BROADCAST,           \
	       "What is true.")
#define OWN_WEIGHT FACTORS("weight", WEIGHT, INPUT, "A factor for each element.")

static const struct loss_tensor_info weighted_number_tensors[] = {
	PREDICTIONS, NUMBER_TARGETS, OWN_WEIGHT, MASK(BROADCAST), GRAD_OUTPUT(LOSS),
};
static const struct loss_tensor_info number_tensors[] = {
	PREDICTIONS,
	NUMBER_TARGETS,
	MASK(BROADCAST),
	GRAD_OUTPUT(LOSS),
};
static const struct loss_tensor_info gaussian_tensors[] = {
	PREDICTIONS,
	NUMBER_TARGETS,
	{.name = "var",
	 .role = LOSS_ROLE_OWN_1,
	 .required = true,
	 .dtypes = LOSS_FLOAT_DTYPES,
	 .kinds = LOSS_KIND_NUMBER,
	 .extent = LOSS_EXTENT_BROADCAST_ROWS,
	 .range = {.min = 0.0, .max = HUGE_VAL, .nan_allowed = true},
	 .help = "The variance that the model expects of each element."},
	MASK(BROADCAST),
	GRAD_OUTPUT(LOSS),
};

#define INDEX_TARGETS                                                                              \
	TENSOR("targets", TARGETS, true, LOSS_INTEGER_DTYPES, LOSS_KIND_INDEX, ROWS,               \
	       "Class indices.")

static const struct loss_tensor_info multi_margin_tensors[] = {
	LOGITS, INDEX_TARGETS, CLASS_WEIGHT, MASK(ROWS), GROUPS, GRAD_OUTPUT(LOSS),
};
static const struct loss_tensor_info multilabel_tensors[] = {
	LOGITS,
	TENSOR("targets", TARGETS, true, LOSS_FLOAT_DTYPES | LOSS_DTYPE_BIT(LOSS_BOOL),
	       LOSS_KIND_NUMBER, INPUT, "Whether, or how likely, each label applies, 0 to 1."),
	ELEMENT_WEIGHT,
	MASK(ROWS),
	GROUPS,
	GRAD_OUTPUT(LOSS),
};
static const struct loss_tensor_info brier_tensors[] = {
	LOGITS, INDEX_TARGETS, MASK(ROWS), GROUPS, GRAD_OUTPUT(LOSS),
};

/* ---------------------------------------------------------------- losses */

#define OF_NUMBERS(name_, summary_, tensors_, arguments_)                                          \
	{                                                                                          \
		.name = name_, .element_wise = true, .has_totals = true, .summary = summary_,      \
		TABLES(tensors_, arguments_, loss_and_grad)                                        \
	}

static const struct loss_row losses_of_numbers[] = {
	{
		.info = OF_NUMBERS("mse_loss",
				   "The square of predictions less targets, element by element, as "
				   "torch.nn.MSELoss.",
				   weighted_number_tensors, mse_arguments),
		.weighs_mean = true,
		.rows = mse_loss_rows,
	},
	{
		.info = OF_NUMBERS("l1_loss",
				   "The distance of predictions and targets, element by element, "
				   "as torch.nn.L1Loss.",
				   weighted_number_tensors, mse_arguments),
		.weighs_mean = true,
		.rows = l1_loss_rows,
	},
	{
		.info = OF_NUMBERS("smooth_l1_loss",
				   "A square of small distances and the distance itself of large "
				   "ones, element by element, as torch.nn.SmoothL1Loss.",
				   number_tensors, smooth_l1_arguments),
		.rows = smooth_l1_loss_rows,
	},
	{
		.info = OF_NUMBERS("huber_loss",
				   "A square of small distances, linear in large ones, element by "
				   "element, as torch.nn.HuberLoss.",
				   weighted_number_tensors, huber_arguments),
		.rows = huber_loss_rows,
	},
	{
		.info = OF_NUMBERS("poisson_nll_loss",
				   "Negative log-likelihood of counts under Poisson distributions "
				   "of the predicted rates, as torch.nn.PoissonNLLLoss.",
				   number_tensors, poisson_nll_arguments),
		.rows = poisson_nll_loss_rows,
	},
	{
		.info = OF_NUMBERS("gaussian_nll_loss",
				   "Negative log-likelihood of targets under normal distributions "
				   "of the predicted means, as torch.nn.GaussianNLLLoss.",
				   gaussian_tensors, gaussian_nll_arguments),
		.presets = &gaussian_presets,
		.rows = gaussian_nll_loss_rows,
	},
	{
		.info = OF_NUMBERS("quantile_loss",
				   "The pinball loss of predicted quantiles, element by element.",
				   number_tensors, quantile_arguments),
		.rows = quantile_loss_rows,
	},
	{
		.info = {.name = "multi_margin_loss",
			 .has_totals = true,
			 .summary = "What the target's score lacks of a margin above each other "
				    "class's, as torch.nn.MultiMarginLoss.",
			 TABLES(multi_margin_tensors, multi_margin_arguments, grouped_outputs)},
		.counts_rows = true,
		.most_axes = 2,
		.sums_nothing = true,
		.rows = multi_margin_loss_rows,
	},
	{
		.info = {.name = "multilabel_soft_margin_loss",
			 .has_totals = true,
			 .summary =
				 "The mean binary cross entropy of a row's labels, the last axis, "
				 "as torch.nn.MultiLabelSoftMarginLoss.",
			 TABLES(multilabel_tensors, multilabel_arguments, grouped_outputs)},
		.presets = &multilabel_presets,
		.rows = multilabel_soft_margin_loss_rows,
	},
	{
		.info = {.name = "brier_score",
			 .has_totals = true,
			 .summary = "The squared distance of softmax from the target's one-hot "
				    "vector.",
			 TABLES(brier_tensors, brier_arguments, grouped_outputs)},
		.rows = brier_score_rows,
	},
};
