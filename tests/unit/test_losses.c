/* The table of losses: every row complete, distinct, consistent, and as its contract lists it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "../support/eval.h"
#include "problem.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Names in order; a tensor in brackets is optional. */
static const struct {
	const char *loss, *tensors, *arguments, *outputs;
} contract[] = {
	{"cross_entropy",
	 "logits targets [weight] [row_weight] [mask] [groups] [bytes] [grad_output]",
	 "size_average ignore_index reduce reduction label_smoothing denominator empty_mean totals "
	 "class_axis grad_dtype softcap temperature z_loss shift logit_scale gamma k ece_bins "
	 "ece_norm n_groups",
	 "loss grad log_probs probs lse entropy z_loss predicted correct rank accuracy "
	 "topk_accuracy perplexity ece group_loss_sum group_denominator group_counted group_loss "
	 "bits_per_byte loss_quantiles"},
	{"nll_loss",
	 "log_probs targets [weight] [row_weight] [mask] [groups] [bytes] [grad_output]",
	 "size_average ignore_index reduce reduction denominator empty_mean totals class_axis "
	 "grad_dtype n_groups",
	 "loss grad group_loss_sum group_denominator group_counted group_loss bits_per_byte"},
	{"log_softmax", "logits [grad_output]", "class_axis grad_dtype",
	 "log_probs probs grad lse entropy predicted"},
	{"softmax", "logits [grad_output]", "class_axis grad_dtype",
	 "probs log_probs grad lse entropy predicted"},
	{"binary_cross_entropy_with_logits",
	 "logits targets [weight] [pos_weight] [mask] [grad_output]",
	 "size_average reduce reduction denominator empty_mean totals grad_dtype ece_bins ece_norm",
	 "loss grad accuracy ece"},
	{"binary_cross_entropy", "probs targets [weight] [mask] [grad_output]",
	 "size_average reduce reduction denominator empty_mean totals grad_dtype ece_bins ece_norm",
	 "loss grad accuracy ece"},
	{"kl_div", "log_probs targets [mask] [grad_output]",
	 "size_average reduce reduction log_target denominator empty_mean totals grad_dtype",
	 "loss grad"},
	{"sigmoid_focal_loss", "logits targets [mask] [grad_output]",
	 "alpha gamma reduction denominator empty_mean totals grad_dtype", "loss grad"},
	{"policy_gradient",
	 "logits targets [sampling_log_probs] advantages [reference_log_probs] [row_weight] [mask] "
	 "[groups] [grad_output]",
	 "objective clip_low clip_high beta kl_weight ignore_index reduction denominator "
	 "empty_mean totals class_axis grad_dtype softcap temperature shift logit_scale n_groups",
	 "loss grad log_prob ratio clip_fraction entropy kl lse predicted group_loss_sum "
	 "group_denominator group_counted group_loss"},
	{"divergence",
	 "logits [teacher_logits] [teacher_indices] [teacher_log_probs] [targets] [row_weight] "
	 "[mask] [groups] [grad_output]",
	 "reduction ignore_index denominator empty_mean totals class_axis grad_dtype softcap "
	 "temperature logit_scale n_groups kind beta temperature_squared tail hard_weight",
	 "loss grad lse entropy predicted group_loss_sum group_denominator group_counted "
	 "group_loss agrees agreement teacher_entropy delta_prob loss_quantiles"},
	{"mse_loss", "predictions targets [weight] [mask] [grad_output]",
	 "size_average reduce reduction denominator empty_mean totals grad_dtype", "loss grad"},
	{"l1_loss", "predictions targets [weight] [mask] [grad_output]",
	 "size_average reduce reduction denominator empty_mean totals grad_dtype", "loss grad"},
	{"smooth_l1_loss", "predictions targets [mask] [grad_output]",
	 "size_average reduce reduction beta denominator empty_mean totals grad_dtype",
	 "loss grad"},
	{"huber_loss", "predictions targets [weight] [mask] [grad_output]",
	 "reduction delta denominator empty_mean totals grad_dtype", "loss grad"},
	{"poisson_nll_loss", "predictions targets [mask] [grad_output]",
	 "log_input full size_average eps reduce reduction denominator empty_mean totals "
	 "grad_dtype",
	 "loss grad"},
	{"gaussian_nll_loss", "predictions targets var [mask] [grad_output]",
	 "full eps reduction denominator empty_mean totals grad_dtype", "loss grad"},
	{"quantile_loss", "predictions targets [mask] [grad_output]",
	 "reduction quantile denominator empty_mean totals grad_dtype", "loss grad"},
	{"multi_margin_loss", "logits targets [weight] [mask] [groups] [grad_output]",
	 "p margin size_average reduce reduction denominator empty_mean totals grad_dtype n_groups",
	 "loss grad group_loss_sum group_denominator group_counted group_loss"},
	{"multilabel_soft_margin_loss", "logits targets [weight] [mask] [groups] [grad_output]",
	 "size_average reduce reduction denominator empty_mean totals grad_dtype n_groups",
	 "loss grad group_loss_sum group_denominator group_counted group_loss"},
	{"brier_score", "logits targets [mask] [groups] [grad_output]",
	 "ignore_index reduction denominator empty_mean totals class_axis grad_dtype n_groups",
	 "loss grad group_loss_sum group_denominator group_counted group_loss"},
};

static void append(char *text, const char *name, bool optional)
{
	if (*text != '\0')
		strcat(text, " ");
	strcat(text, optional ? "[" : "");
	strcat(text, name);
	strcat(text, optional ? "]" : "");
}

static void the_table_is_as_its_contract_lists_it(void **state)
{
	(void)state;
	for (size_t l = 0; l < COUNT(contract); l++) {
		const struct loss_info *loss = loss_at(l);
		assert_non_null(loss);
		char text[400] = "";
		for (size_t i = 0; i < loss->n_tensors; i++)
			append(text, loss->tensors[i].name, !loss->tensors[i].required);
		assert_string_equal(loss->name, contract[l].loss);
		assert_string_equal(text, contract[l].tensors);
		*text = '\0';
		for (size_t i = 0; i < loss->n_arguments; i++)
			append(text, loss->arguments[i]->name, false);
		assert_string_equal(text, contract[l].arguments);
		*text = '\0';
		for (size_t i = 0; i < loss->n_outputs; i++)
			append(text, loss->outputs[i]->name, false);
		assert_string_equal(text, contract[l].outputs);
	}
	assert_null(loss_at(COUNT(contract)));
	assert_null(loss_at(SIZE_MAX));
}

static void losses_are_found_by_their_whole_name(void **state)
{
	(void)state;
	for (size_t l = 0; loss_at(l); l++) {
		const char *name = loss_at(l)->name;
		assert_ptr_equal(loss_find(name, strlen(name)), loss_at(l));
		assert_null(loss_find(name, strlen(name) - 1));
		assert_null(loss_find(name, strlen(name) + 1));
	}
	assert_null(loss_find("", 0));
	assert_null(loss_find("Softmax", 7));
	assert_ptr_equal(loss_find("softmax/", 7), loss_find("softmax", 7));
}

static void expect_name(const char *name)
{
	assert_true(strlen(name) > 0 && strlen(name) < sizeof((struct loss_error){0}.field));
	assert_true(islower((unsigned char)*name));
	for (; *name != '\0'; name++)
		assert_true(islower((unsigned char)*name) || isdigit((unsigned char)*name) ||
			    *name == '_');
}

static void expect_sentence(const char *text)
{
	assert_true(isupper((unsigned char)text[0]));
	assert_int_equal(text[strlen(text) - 1], '.');
	assert_null(strstr(text, "  "));
}

/* All names of fields of a loss, "outputs" included. */
static size_t field_names(const struct loss_info *loss, const char **names)
{
	size_t n = 0;
	names[n++] = "outputs";
	for (size_t i = 0; i < loss->n_tensors; i++)
		names[n++] = loss->tensors[i].name;
	for (size_t i = 0; i < loss->n_arguments; i++)
		names[n++] = loss->arguments[i]->name;
	return n;
}

static void names_are_distinct(void **state)
{
	(void)state;
	for (size_t l = 0; loss_at(l); l++) {
		const struct loss_info *loss = loss_at(l);
		const char *names[64];
		size_t n = field_names(loss, names);
		assert_true(n <= COUNT(names));
		for (size_t i = 0; i < n; i++)
			for (size_t k = 0; k < i; k++)
				assert_string_not_equal(names[i], names[k]);
		for (size_t i = 0; i < loss->n_outputs; i++)
			for (size_t k = 0; k < i; k++)
				assert_string_not_equal(loss->outputs[i]->name,
							loss->outputs[k]->name);
		for (size_t k = 0; k < l; k++)
			assert_string_not_equal(loss->name, loss_at(k)->name);
	}
}

static void losses_are_complete(void **state)
{
	(void)state;
	for (size_t l = 0; loss_at(l); l++) {
		const struct loss_info *loss = loss_at(l);
		expect_name(loss->name);
		expect_sentence(loss->summary);
		assert_non_null(loss_row_of(loss)->rows);
		assert_ptr_equal(&loss_row_of(loss)->info, loss);
		assert_true(loss->n_outputs > 0 && loss->n_outputs <= LOSS_MAX_OUTPUTS);
		assert_int_equal(loss->tensors[0].role, LOSS_ROLE_INPUT);
		assert_true(loss->tensors[0].required);
		bool is_softmax = strstr(loss->name, "softmax") != NULL;
		assert_int_equal(loss->has_totals, !is_softmax);
		if (loss_find_argument(loss, "class_axis", 10) >= 0)
			assert_false(loss->element_wise);
		assert_int_equal(loss->tensors[0].range.max == 1.0,
				 strcmp(loss->tensors[0].name, "probs") == 0);
		assert_int_equal(strcmp(loss->outputs[0]->name, "loss") == 0, !is_softmax);
	}
}

static void tensors_are_complete(void **state)
{
	(void)state;
	for (size_t l = 0; loss_at(l); l++) {
		const struct loss_info *loss = loss_at(l);
		char phrase[LOSS_PHRASE_CHARS];
		unsigned roles = 0;
		for (size_t i = 0; i < loss->n_tensors; i++) {
			const struct loss_tensor_info *tensor = &loss->tensors[i];
			expect_name(tensor->name);
			expect_sentence(tensor->help);
			loss_describe_tensor_shape(loss, i, phrase, sizeof phrase);
			assert_true(strlen(phrase) > 0 && strlen(phrase) < sizeof phrase - 1);
			assert_true(tensor->kinds != 0);
			assert_true(tensor->role < LOSS_N_ROLES);
			assert_false(roles & 1u << (unsigned)tensor->role);
			roles |= 1u << (unsigned)tensor->role;
			assert_true(tensor->dtypes != 0 && tensor->dtypes < 1u << LOSS_N_DTYPES);
			if (tensor->role == LOSS_ROLE_MASK)
				assert_int_equal(tensor->dtypes, LOSS_DTYPE_BIT(LOSS_BOOL));
			else if (!(tensor->kinds & ~(unsigned)LOSS_INTEGER_KINDS))
				assert_int_equal(tensor->dtypes, LOSS_INTEGER_DTYPES);
			else if (tensor->role != LOSS_ROLE_TARGETS)
				assert_int_equal(tensor->dtypes, LOSS_FLOAT_DTYPES);
			assert_int_equal(tensor->kinds == LOSS_KIND_BOOLEAN,
					 tensor->role == LOSS_ROLE_MASK);
		}
	}
}

static unsigned target_dtypes(const char *name)
{
	const struct loss_info *loss = loss_find(name, strlen(name));
	return loss->tensors[loss_find_tensor(loss, "targets", 7)].dtypes;
}

static void targets_have_the_dtypes_of_their_loss(void **state)
{
	(void)state;
	assert_int_equal(target_dtypes("cross_entropy"), LOSS_FLOAT_DTYPES | LOSS_INTEGER_DTYPES);
	assert_int_equal(target_dtypes("nll_loss"), LOSS_INTEGER_DTYPES);
	const unsigned binary = LOSS_FLOAT_DTYPES | LOSS_DTYPE_BIT(LOSS_BOOL);
	assert_int_equal(target_dtypes("binary_cross_entropy_with_logits"), binary);
	assert_int_equal(target_dtypes("binary_cross_entropy"), binary);
	assert_int_equal(target_dtypes("sigmoid_focal_loss"), binary);
	assert_int_equal(target_dtypes("kl_div"), LOSS_FLOAT_DTYPES);
	assert_int_equal(target_dtypes("divergence"), LOSS_INTEGER_DTYPES);
}

/* ---------------------------------------------------------------- arguments */

static size_t field_size(loss_argument_type type)
{
	static const size_t sizes[] = {
		[LOSS_ARGUMENT_BOOLEAN] = sizeof(bool),
		[LOSS_ARGUMENT_INTEGER] = sizeof(int64_t),
		[LOSS_ARGUMENT_NUMBER] = sizeof(double),
		[LOSS_ARGUMENT_CHOICE] = sizeof(size_t),
	};
	return sizes[type];
}

static void check_argument(const struct loss_info *loss, size_t i)
{
	const struct loss_argument_info *info = loss->arguments[i];
	char range[LOSS_PHRASE_CHARS];
	expect_name(info->name);
	expect_sentence(info->help);
	size_t size = field_size(info->type), offset = argument_row(info)->offset;
	assert_int_equal(offset % size, 0);
	assert_true(offset >= sizeof(uint64_t));
	assert_true(offset + size <= sizeof(struct loss_args));
	assert_int_equal(info->choices != NULL, info->type == LOSS_ARGUMENT_CHOICE);
	bool ranged = info->type == LOSS_ARGUMENT_INTEGER || info->type == LOSS_ARGUMENT_NUMBER;
	loss_describe_argument_range(loss, i, range, sizeof range);
	assert_int_equal(strlen(range) > 0, ranged);
	assert_true(strlen(range) < sizeof range - 1);
	assert_int_equal(info->range.min < info->range.max, ranged);
	if (info->choices)
		assert_non_null(info->choices[0]);
}

static void arguments_are_complete(void **state)
{
	(void)state;
	const struct loss_argument_info *seen[N_ARGUMENTS] = {NULL};
	for (size_t l = 0; loss_at(l); l++) {
		const struct loss_info *loss = loss_at(l);
		for (size_t i = 0; i < loss->n_arguments; i++) {
			const struct loss_argument_info *info = loss->arguments[i];
			check_argument(loss, i);
			enum argument id = argument_row(info)->id;
			assert_true(id < N_ARGUMENTS);
			if (seen[id]) /* rows of one argument share name and field */
				assert_string_equal(seen[id]->name, info->name);
			if (seen[id])
				assert_int_equal(argument_row(seen[id])->offset,
						 argument_row(info)->offset);
			seen[id] = info;
		}
	}
	for (size_t i = 0; i < N_ARGUMENTS; i++) {
		assert_non_null(seen[i]);
		for (size_t k = 0; k < i; k++) {
			assert_int_not_equal(argument_row(seen[i])->offset,
					     argument_row(seen[k])->offset);
			assert_string_not_equal(seen[i]->name, seen[k]->name);
		}
	}
}

/* What is documented as the default is what an absent argument comes to. */
static void expect_default(const struct loss_argument_info *info, const struct loss_args *args)
{
	const char *json = info->default_json;
	const char *field = (const char *)args + argument_row(info)->offset;
	assert_false(argument_given(args, argument_row(info)->id));
	if (strcmp(json, "null") == 0)
		return;
	char *end;
	if (info->type == LOSS_ARGUMENT_INTEGER) {
		assert_true(*(const int64_t *)(const void *)field == strtoll(json, &end, 10));
		assert_int_equal(*end, '\0');
	} else if (info->type == LOSS_ARGUMENT_NUMBER) {
		assert_true(*(const double *)(const void *)field == strtod(json, &end));
		assert_int_equal(*end, '\0');
	} else if (info->type == LOSS_ARGUMENT_BOOLEAN) {
		assert_string_equal(json, *(const bool *)(const void *)field ? "true" : "false");
	} else {
		const char *choice = info->choices[*(const size_t *)(const void *)field];
		assert_int_equal(info->type, LOSS_ARGUMENT_CHOICE);
		assert_int_equal(strlen(json), strlen(choice) + 2);
		assert_int_equal(json[0], '"');
		assert_memory_equal(json + 1, choice, strlen(choice));
	}
}

static void documented_defaults_are_the_real_ones(void **state)
{
	(void)state;
	for (size_t l = 0; loss_at(l); l++) {
		const struct loss_info *loss = loss_at(l);
		struct loss_args args;
		struct eval eval;
		eval_start(&eval, loss->name);
		assert_int_equal(problem_arguments(eval.problem, &args,
						   errors_into(&eval.error, eval.arena)),
				 LOSS_OK);
		assert_int_equal(args.given, 0);
		for (size_t i = 0; i < loss->n_arguments; i++)
			expect_default(loss->arguments[i], &args);
		eval_end(&eval);
	}
}

static void choices_are_in_the_order_of_their_enum(void **state)
{
	(void)state;
	const struct loss_info *loss = loss_at(0);
	const char *const *reductions =
		loss->arguments[loss_find_argument(loss, "reduction", 9)]->choices;
	assert_string_equal(reductions[REDUCTION_NONE], "none");
	assert_string_equal(reductions[REDUCTION_MEAN], "mean");
	assert_string_equal(reductions[REDUCTION_SUM], "sum");
	assert_string_equal(reductions[REDUCTION_ELEMENTWISE_MEAN], "elementwise_mean");
	assert_null(reductions[REDUCTION_ELEMENTWISE_MEAN + 1]);
	loss = loss_find("kl_div", 6);
	reductions = loss->arguments[loss_find_argument(loss, "reduction", 9)]->choices;
	for (size_t i = 0; i < REDUCTION_BATCHMEAN; i++)
		assert_string_equal(
			reductions[i],
			loss_at(0)
				->arguments[loss_find_argument(loss_at(0), "reduction", 9)]
				->choices[i]);
	assert_string_equal(reductions[REDUCTION_BATCHMEAN], "batchmean");
	assert_null(reductions[REDUCTION_BATCHMEAN + 1]);
	loss = loss_find("policy_gradient", 15);
	reductions = loss->arguments[loss_find_argument(loss, "reduction", 9)]->choices;
	assert_string_equal(reductions[REDUCTION_ELEMENTWISE_MEAN + 1], "sequence_mean");
	assert_null(reductions[REDUCTION_ELEMENTWISE_MEAN + 2]);
	const char *const *objectives =
		loss->arguments[loss_find_argument(loss, "objective", 9)]->choices;
	assert_string_equal(objectives[OBJECTIVE_IMPORTANCE_SAMPLING], "importance_sampling");
	assert_string_equal(objectives[OBJECTIVE_PPO], "ppo");
	assert_string_equal(objectives[OBJECTIVE_CISPO], "cispo");
	assert_string_equal(objectives[OBJECTIVE_DRO], "dro");
	assert_string_equal(objectives[OBJECTIVE_REINFORCE], "reinforce");
	assert_null(objectives[N_OBJECTIVES]);
	loss = loss_at(0);
	const char *const *means =
		loss->arguments[loss_find_argument(loss, "empty_mean", 10)]->choices;
	assert_string_equal(means[EMPTY_MEAN_NAN], "nan");
	assert_string_equal(means[EMPTY_MEAN_ZERO], "zero");
	assert_null(means[EMPTY_MEAN_ZERO + 1]);
	const char *const *norms =
		loss->arguments[loss_find_argument(loss, "ece_norm", 8)]->choices;
	assert_string_equal(norms[ECE_L1], "l1");
	assert_string_equal(norms[ECE_L2], "l2");
	assert_string_equal(norms[ECE_MAX], "max");
	assert_null(norms[ECE_MAX + 1]);
	loss = loss_find("divergence", 10);
	const char *const *kinds = loss->arguments[loss_find_argument(loss, "kind", 4)]->choices;
	assert_string_equal(kinds[KIND_FORWARD], "forward");
	assert_string_equal(kinds[KIND_REVERSE], "reverse");
	assert_string_equal(kinds[KIND_JSD], "jsd");
	assert_string_equal(kinds[KIND_CROSS_ENTROPY], "cross_entropy");
	assert_null(kinds[KIND_CROSS_ENTROPY + 1]);
	const char *const *tails = loss->arguments[loss_find_argument(loss, "tail", 4)]->choices;
	assert_string_equal(tails[TAIL_BUCKET], "bucket");
	assert_string_equal(tails[TAIL_IGNORE], "ignore");
	assert_string_equal(tails[TAIL_RENORMALIZE], "renormalize");
	assert_string_equal(tails[TAIL_RESTRICT], "restrict");
	assert_null(tails[TAIL_RESTRICT + 1]);
}

/* ---------------------------------------------------------------- outputs */

static void outputs_are_complete(void **state)
{
	(void)state;
	static const char *const names[N_OUTPUTS] = {"loss",
						     "grad",
						     "log_probs",
						     "probs",
						     "lse",
						     "predicted",
						     "correct",
						     "accuracy",
						     "entropy",
						     "z_loss",
						     "rank",
						     "perplexity",
						     "ece",
						     "topk_accuracy",
						     "group_loss_sum",
						     "group_denominator",
						     "group_counted",
						     "group_loss",
						     "bits_per_byte",
						     "loss_quantiles",
						     "log_prob",
						     "ratio",
						     "clip_fraction",
						     "kl",
						     "agrees",
						     "agreement",
						     "teacher_entropy",
						     "delta_prob"};
	unsigned seen = 0;
	for (size_t l = 0; loss_at(l); l++) {
		const struct loss_info *loss = loss_at(l);
		char phrase[LOSS_PHRASE_CHARS];
		for (size_t i = 0; i < loss->n_outputs; i++) {
			const struct loss_output_info *info = loss->outputs[i];
			enum output id = output_row(info)->id;
			assert_true(id < N_OUTPUTS);
			assert_string_equal(info->name, names[id]);
			expect_sentence(info->help);
			loss_describe_output_dtype(loss, i, phrase, sizeof phrase);
			assert_true(strlen(phrase) > 0 && strlen(phrase) < sizeof phrase - 1);
			loss_describe_output_shape(loss, i, phrase, sizeof phrase);
			assert_true(strlen(phrase) > 0 && strlen(phrase) < sizeof phrase - 1);
			seen |= 1u << (unsigned)id;
		}
	}
	assert_int_equal(seen, (1u << N_OUTPUTS) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_is_as_its_contract_lists_it),
		cmocka_unit_test(losses_are_found_by_their_whole_name),
		cmocka_unit_test(names_are_distinct),
		cmocka_unit_test(losses_are_complete),
		cmocka_unit_test(tensors_are_complete),
		cmocka_unit_test(targets_have_the_dtypes_of_their_loss),
		cmocka_unit_test(arguments_are_complete),
		cmocka_unit_test(documented_defaults_are_the_real_ones),
		cmocka_unit_test(choices_are_in_the_order_of_their_enum),
		cmocka_unit_test(outputs_are_complete),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
