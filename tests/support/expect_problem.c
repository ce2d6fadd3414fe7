#include "expect_rows.h"

#include <stdlib.h>
#include <string.h>

#include "../../src/problem.h"
#include "random.h"
#include "tensor.h"
#include "ulp.h"

void *expect_alloc(struct loss_arena *arena, size_t n, size_t size)
{
	void *memory = loss_arena_alloc(arena, n, size);
	require(memory != NULL, "no memory for %zu items of %zu bytes", n, size);
	return memory == NULL ? NULL : memset(memory, 0, n * size);
}

/* ---------------------------------------------------------------- arguments */

/* NULL where the loss has none of that name. */
static const struct loss_argument_info *find(const struct loss_problem *given, const char *name)
{
	const struct loss_info *loss = loss_problem_info(given);
	int i = loss_find_argument(loss, name, strlen(name));
	return i < 0 ? NULL : loss->arguments[i];
}

/* NULL where it is absent or null. */
static const struct loss_value *value_of(const struct loss_problem *given, const char *name)
{
	const struct loss_info *loss = loss_problem_info(given);
	int i = loss_find_argument(loss, name, strlen(name));
	if (i < 0 || !(given->arguments_given >> i & 1))
		return NULL;
	const struct loss_value *value = &given->values[argument_row(loss->arguments[i])->id];
	return value->type == LOSS_VALUE_NULL ? NULL : value;
}

/* As given, else the default, else `otherwise`; booleans are 0 and 1. */
static double number(const struct loss_problem *given, const char *name, double otherwise)
{
	const struct loss_argument_info *info = find(given, name);
	const struct loss_value *value = value_of(given, name);
	if (value != NULL)
		return value->type == LOSS_VALUE_BOOLEAN ? (double)value->boolean : value->number;
	if (info == NULL || strcmp(info->default_json, "null") == 0)
		return otherwise;
	if (info->type == LOSS_ARGUMENT_BOOLEAN)
		return strcmp(info->default_json, "true") == 0;
	return strtod(info->default_json, NULL);
}

/* A choice: the list's own text. */
static const char *choice(const struct loss_problem *given, const char *name, const char *otherwise)
{
	const struct loss_argument_info *info = find(given, name);
	const struct loss_value *value = value_of(given, name);
	for (size_t i = 0; info != NULL && info->choices[i] != NULL; i++) {
		const char *text = info->choices[i];
		bool is_default = strncmp(info->default_json + 1, text, strlen(text)) == 0 &&
				  strlen(info->default_json) == strlen(text) + 2;
		if (value != NULL ? strcmp(value->text, text) == 0 : is_default)
			return text;
	}
	return otherwise;
}

static const char *settled_reduction(const struct loss_problem *given)
{
	const char *reduction = choice(given, "reduction", "mean");
	double reduce = number(given, "reduce", -1), average = number(given, "size_average", -1);
	if (reduce == 0)
		return "none";
	if (average == 0)
		return "sum";
	if (reduce > 0 || average > 0 || strcmp(reduction, "elementwise_mean") == 0)
		return "mean";
	return reduction;
}

static void read_arguments(const struct loss_problem *given, struct expect_arguments *arguments)
{
	const struct loss_value *ignored = value_of(given, "ignore_index");
	const struct loss_value *groups = value_of(given, "n_groups");
	bool last = argument_presets(given->loss)->class_axis < 0;
	*arguments = (struct expect_arguments){
		.label_smoothing = (long double)number(given, "label_smoothing", 0),
		.denominator = (long double)number(given, "denominator", 0),
		.softcap = (long double)number(given, "softcap", 0),
		.temperature = (long double)number(given, "temperature", 1),
		.logit_scale = (long double)number(given, "logit_scale", 1),
		.z_loss = (long double)number(given, "z_loss", 0),
		.alpha = (long double)number(given, "alpha", -1),
		.gamma = (long double)number(given, "gamma", 0),
		.k = (long double)number(given, "k", 0),
		.ece_bins = (long double)number(given, "ece_bins", 15),
		.clip_low = (long double)number(given, "clip_low", 0),
		.clip_high = (long double)number(given, "clip_high", 0),
		.kl_weight = (long double)number(given, "kl_weight", 0),
		.beta = (long double)number(given, "beta", 0.5),
		.hard_weight = (long double)number(given, "hard_weight", 0),
		.temperature_squared = number(given, "temperature_squared", 0) != 0,
		.kind = choice(given, "kind", "forward"),
		.tail = choice(given, "tail", "bucket"),
		.margin = (long double)number(given, "margin", 1),
		.p = (int)number(given, "p", 1),
		.delta = (long double)number(given, "delta", 1),
		.quantile = (long double)number(given, "quantile", 0.5),
		.eps = (long double)number(given, "eps", 0),
		.log_input = number(given, "log_input", 1) != 0,
		.full = number(given, "full", 0) != 0,
		.shift = number(given, "shift", 0) != 0,
		.log_target = number(given, "log_target", 0) != 0,
		.class_last = number(given, "class_axis", last ? -1 : 1) < 0,
		.zero_empty_mean = strcmp(choice(given, "empty_mean", "nan"), "zero") == 0,
		.wide = value_of(given, "grad_dtype") != NULL,
		.ignore_index = ignored != NULL ? ignored->integer : -100,
		.n_groups = groups != NULL ? groups->integer : -1,
		.reduction = settled_reduction(given),
		.ece_norm = choice(given, "ece_norm", "l1"),
		.objective = choice(given, "objective", ""),
	};
}

/* ---------------------------------------------------------------- geometry */

static void read_shape(struct expect_problem *problem)
{
	const struct loss_tensor *input = problem->tensors[LOSS_ROLE_INPUT];
	struct loss_tensor *rows = &problem->rows_shape;
	int axis = problem->arguments.class_last ? input->rank - 1 : input->rank > 1;
	if (problem->loss->element_wise)
		axis = -1;
	problem->classes = axis >= 0 ? input->shape[axis] : 1;
	problem->inner = 1;
	for (int i = 0; i < input->rank; i++) {
		if (i != axis)
			rows->shape[rows->rank++] = input->shape[i];
		if (i > axis && axis >= 0)
			problem->inner *= input->shape[i];
	}
	loss_tensor_set_count(rows);
	problem->rows = rows->count;
	problem->sequence = problem->arguments.shift ? input->shape[1] : 0;
}

size_t expect_place(const struct expect_problem *problem, size_t r, size_t c)
{
	size_t inner = problem->inner;
	return (r / inner * problem->classes + c) * inner + r % inner;
}

size_t expect_target_row(const struct expect_problem *problem, size_t r)
{
	if (problem->sequence == 0)
		return r;
	return r % problem->sequence == problem->sequence - 1 ? problem->rows : r + 1;
}

/* Where a right-aligned tensor, each dimension the input's or 1, has its element for the input's
 * i-th. */
static size_t broadcast_place(const struct loss_tensor *tensor, const struct loss_tensor *input,
			      size_t i)
{
	size_t place = 0, stride = 1;
	for (int axis = 1; axis <= tensor->rank; axis++) {
		size_t n = tensor->shape[tensor->rank - axis];
		size_t in = input->shape[input->rank - axis];
		place += n == 1 ? 0 : i % in * stride;
		stride *= n;
		i /= in;
	}
	return place;
}

bool expect_is_by_row(const struct loss_tensor *tensor, const struct loss_tensor *input)
{
	return tensor->rank + 1 == input->rank &&
	       memcmp(tensor->shape, input->shape, (size_t)tensor->rank * sizeof *input->shape) ==
		       0;
}

long double expect_factor(const struct expect_problem *problem, loss_role role, size_t i)
{
	const struct loss_tensor *input = problem->tensors[LOSS_ROLE_INPUT];
	struct loss_tensor tensor;
	if (problem->tensors[role] == NULL)
		return 1;
	tensor = *problem->tensors[role];
	if (role == LOSS_ROLE_OWN_1 && problem->loss->element_wise &&
	    expect_is_by_row(&tensor, input))
		tensor.shape[tensor.rank++] = 1;
	return (long double)tensor_number(&tensor, broadcast_place(&tensor, input, i));
}

/* ---------------------------------------------------------------- rows */

/* Whether row r's target is an index, and that one. */
static bool is_ignored(const struct expect_problem *problem, size_t r)
{
	const struct loss_tensor *targets = problem->tensors[LOSS_ROLE_TARGETS];
	if (problem->loss->element_wise || targets == NULL || problem->probabilities ||
	    loss_row_of(problem->loss)->counts_rows)
		return false;
	struct class_index y = tensor_class_index(targets, r);
	int64_t ignored = problem->arguments.ignore_index;
	return y.value == (uint64_t)ignored && y.negative == (ignored < 0);
}

bool expect_counted(const struct expect_problem *problem, size_t r)
{
	size_t target = expect_target_row(problem, r);
	const struct loss_tensor *mask = problem->tensors[LOSS_ROLE_MASK];
	if (target == problem->rows)
		return false;
	if (mask != NULL && problem->loss->element_wise)
		return expect_factor(problem, LOSS_ROLE_MASK, target) != 0;
	if (mask != NULL && tensor_number(mask, target) == 0)
		return false;
	return !is_ignored(problem, target);
}

size_t expect_class(const struct expect_problem *problem, size_t r)
{
	size_t target = expect_target_row(problem, r);
	return (size_t)tensor_class_index(problem->tensors[LOSS_ROLE_TARGETS], target).value;
}

long double expect_row_weight(const struct expect_problem *problem, size_t r)
{
	const struct loss_tensor *weight = problem->tensors[LOSS_ROLE_ROW_WEIGHT];
	return weight == NULL ? 1
			      : (long double)tensor_number(weight, expect_target_row(problem, r));
}

long double expect_share(const struct expect_problem *problem, size_t r)
{
	const struct loss_tensor *weight = problem->tensors[LOSS_ROLE_WEIGHT];
	long double share = expect_row_weight(problem, r);
	if (loss_row_of(problem->loss)->counts_rows)
		return share;
	if (weight != NULL && !problem->loss->element_wise && !problem->probabilities)
		share *= (long double)tensor_number(weight, expect_class(problem, r));
	if (weight != NULL && loss_row_of(problem->loss)->weighs_mean)
		share *= expect_factor(problem, LOSS_ROLE_WEIGHT, r);
	return share;
}

/* ---------------------------------------------------------------- reductions */

bool expect_reduces(const struct expect_problem *problem)
{
	return strcmp(problem->arguments.reduction, "none") != 0;
}

long double expect_scale(const struct expect_problem *problem, size_t r)
{
	const struct loss_tensor *g = problem->tensors[LOSS_ROLE_GRAD_OUTPUT];
	size_t i = expect_reduces(problem) ? 0 : r;
	long double divisor = problem->divisor;
	if (problem->sequence_rows > 0)
		divisor *= problem->sequence_shares[r / problem->sequence_rows];
	return (g == NULL ? 1 : (long double)tensor_number(g, i)) / divisor;
}

/* Of each sequence what its rows weigh; D is how many have any that count. */
static void settle_sequences(struct expect_problem *problem)
{
	size_t n = problem->rows_shape.shape[0];
	problem->sequence_shares = expect_array(problem, long double, n);
	problem->sequence_rows = n > 0 ? problem->rows / n : 0;
	problem->natural = 0;
	for (size_t s = 0; s < n; s++) {
		struct oracle_sum sum = {0};
		bool any = false;
		for (size_t r = s * problem->sequence_rows; r < (s + 1) * problem->sequence_rows;
		     r++)
			if (expect_counted(problem, r)) {
				oracle_add(&sum, expect_share(problem, r));
				any = true;
			}
		problem->sequence_shares[s] = oracle_total(&sum);
		problem->natural += any;
	}
}

static void settle_divisor(struct expect_problem *problem)
{
	const char *reduction = problem->arguments.reduction;
	struct oracle_sum sum = {0};
	for (size_t r = 0; problem->loss->has_totals && r < problem->rows; r++)
		if (expect_counted(problem, r))
			oracle_add(&sum, expect_share(problem, r));
	problem->natural = oracle_total(&sum);
	if (strcmp(reduction, "batchmean") == 0)
		problem->natural = (long double)problem->tensors[LOSS_ROLE_INPUT]->shape[0];
	if (strcmp(reduction, "sequence_mean") == 0)
		settle_sequences(problem);
	problem->divisor = problem->natural;
	if (strcmp(reduction, "mean") == 0 && problem->arguments.denominator > 0)
		problem->divisor = problem->arguments.denominator;
	else if (strcmp(reduction, "none") == 0 || strcmp(reduction, "sum") == 0)
		problem->divisor = 1;
	if (problem->divisor == 0)
		problem->divisor = (long double)NAN;
}

void expect_read(const struct loss_problem *given, struct loss_arena *arena,
		 struct expect_problem *problem)
{
	*problem = (struct expect_problem){.loss = loss_problem_info(given), .arena = arena};
	for (int role = 0; role < LOSS_N_ROLES; role++)
		if (given->present[role])
			problem->tensors[role] = &given->tensors[role];
	const struct loss_tensor *targets = problem->tensors[LOSS_ROLE_TARGETS];
	const struct loss_tensor *input = problem->tensors[LOSS_ROLE_INPUT];
	read_arguments(given, &problem->arguments);
	read_shape(problem);
	problem->result = input->dtype == LOSS_F64 ? LOSS_F64 : LOSS_F32;
	problem->probabilities = !problem->loss->element_wise && targets != NULL &&
				 tensor_same_shape(targets, input);
	settle_divisor(problem);
}

/* ---------------------------------------------------------------- slack */

/* Of a size too large for the type those that it would have: what cancels may be small. */
long double expect_ulps(const struct expect_problem *problem, long double ulps, long double size)
{
	bool wide = problem->result == LOSS_F64;
	long double largest = wide ? (long double)DBL_MAX : (long double)FLT_MAX;
	if (!isfinite(size))
		return 0;
	if (fabsl(size) > largest)
		return ulps * ldexpl(1, ilogbl(size) - (wide ? DBL_MANT_DIG : FLT_MANT_DIG) + 1);
	return ulps * ulp_of(problem->result, size);
}

long double expect_overflow(long double part)
{
	bool overflows = isfinite(part) && fabsl(part) > (long double)DBL_MAX;
	return overflows ? (long double)INFINITY : 0;
}

long double expect_grad_slack(const struct expect_problem *problem, long double largest,
			      long double factor)
{
	long double floor = factor > 1 ? factor : 1;
	return fabsl(largest) < 1e-30L * floor ? 1e-36L * floor : expect_ulps(problem, 4, largest);
}
