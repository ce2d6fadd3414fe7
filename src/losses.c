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

#include "table/arguments.h"
#include "table/outputs.h"
#include "table/tensors.h"

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

#include "table/numbers.h"

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

const struct loss_args *argument_presets(const struct loss_row *loss)
{
	return loss->presets ? loss->presets : &usual;
}
