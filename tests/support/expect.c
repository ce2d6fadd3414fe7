#include "expect.h"

#include <string.h>

#include "../../src/problem.h"
#include "expect_groups.h"
#include "expect_quantiles.h"
#include "random.h"
#include "tensor.h"
#include "ulp.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Each loss, and what knows its rows. */
static const struct {
	const char *loss;
	expect_row_fn *row;
} oracles[] = {
	{"cross_entropy", expect_cross_entropy},
	{"nll_loss", expect_nll_loss},
	{"log_softmax", expect_log_softmax},
	{"softmax", expect_softmax},
	{"binary_cross_entropy_with_logits", expect_bce_with_logits},
	{"binary_cross_entropy", expect_bce},
	{"kl_div", expect_kl_div},
	{"sigmoid_focal_loss", expect_focal},
	{"policy_gradient", expect_policy_gradient},
	{"divergence", expect_divergence},
	{"mse_loss", expect_mse},
	{"l1_loss", expect_l1},
	{"smooth_l1_loss", expect_smooth_l1},
	{"huber_loss", expect_huber},
	{"poisson_nll_loss", expect_poisson},
	{"gaussian_nll_loss", expect_gaussian},
	{"quantile_loss", expect_quantile},
	{"multi_margin_loss", expect_multi_margin},
	{"multilabel_soft_margin_loss", expect_multilabel},
	{"brier_score", expect_brier},
};

/* Where an output of rows stands in struct expect_row: a number, or one for each class. */
static const struct row_output {
	const char *name;
	size_t offset;
	bool by_class;
} row_outputs[] = {
	{"loss", offsetof(struct expect_row, loss), false},
	{"z_loss", offsetof(struct expect_row, z_loss), false},
	{"lse", offsetof(struct expect_row, lse), false},
	{"entropy", offsetof(struct expect_row, entropy), false},
	{"predicted", offsetof(struct expect_row, predicted), false},
	{"correct", offsetof(struct expect_row, correct), false},
	{"rank", offsetof(struct expect_row, rank), false},
	{"agrees", offsetof(struct expect_row, agrees), false},
	{"teacher_entropy", offsetof(struct expect_row, teacher_entropy), false},
	{"delta_prob", offsetof(struct expect_row, delta_prob), false},
	{"grad", offsetof(struct expect_row, grad), true},
	{"log_probs", offsetof(struct expect_row, log_probs), true},
	{"probs", offsetof(struct expect_row, probs), true},
	{"log_prob", offsetof(struct expect_row, log_prob), false},
	{"ratio", offsetof(struct expect_row, ratio), false},
};

static expect_row_fn *oracle_of(const struct loss_info *loss)
{
	for (size_t i = 0; i < COUNT(oracles); i++)
		if (strcmp(oracles[i].loss, loss->name) == 0)
			return oracles[i].row;
	require(false, "add its oracle to tests/support/expect.c: %s has none", loss->name);
	return NULL;
}

/* NULL where it is one number about all rows. */
static const struct row_output *row_output(const char *name)
{
	for (size_t i = 0; i < COUNT(row_outputs); i++)
		if (strcmp(row_outputs[i].name, name) == 0)
			return &row_outputs[i];
	return NULL;
}

/* ---------------------------------------------------------------- outputs */

/* An output that was asked for, and how it is filled. */
struct slot {
	const struct loss_output_info *info;
	const struct row_output *row; /* NULL: one number about all rows */
	bool reduced;                 /* by `reduction` */
	bool grouped;                 /* a number for each group */
	bool quantiles;               /* of the losses of all rows */
	struct expect_output *output;
};

static bool is_bits_per_byte(const struct slot *slot)
{
	return strcmp(slot->info->name, "bits_per_byte") == 0;
}

static loss_dtype dtype_of(const struct expect_problem *problem, loss_dtype_rule rule)
{
	loss_dtype input = problem->tensors[LOSS_ROLE_INPUT]->dtype;
	const loss_dtype dtypes[] = {
		[LOSS_DTYPE_OF_RESULTS] = problem->result,
		[LOSS_DTYPE_OF_INPUT] = problem->arguments.wide ? LOSS_F32 : input,
		[LOSS_DTYPE_F64] = LOSS_F64,
		[LOSS_DTYPE_I64] = LOSS_I64,
		[LOSS_DTYPE_BOOL] = LOSS_BOOL,
	};
	return dtypes[rule];
}

static struct loss_tensor shape_of(const struct expect_problem *problem,
				   const struct expect_groups *groups, loss_extent extent)
{
	bool per_row = extent == LOSS_EXTENT_ROWS ||
		       (extent == LOSS_EXTENT_LOSS && !expect_reduces(problem));
	struct loss_tensor scalar = {.count = 1};
	if (extent == LOSS_EXTENT_INPUT)
		return *problem->tensors[LOSS_ROLE_INPUT];
	if (extent == LOSS_EXTENT_GROUPS)
		return (struct loss_tensor){.rank = 1, .shape = {groups->n}, .count = groups->n};
	if (extent == LOSS_EXTENT_QUANTILES)
		return (struct loss_tensor){
			.rank = 1, .shape = {LOSS_N_QUANTILES}, .count = LOSS_N_QUANTILES};
	return per_row ? problem->rows_shape : scalar;
}

static struct slot make_slot(const struct expect_problem *problem,
			     const struct expect_groups *groups,
			     const struct loss_output_info *info, struct expect_output *output)
{
	struct slot slot = {.info = info, .row = row_output(info->name), .output = output};
	slot.reduced =
		slot.row != NULL && info->extent == LOSS_EXTENT_LOSS && expect_reduces(problem);
	slot.grouped = expect_is_grouped(info->name);
	slot.quantiles = info->extent == LOSS_EXTENT_QUANTILES;
	require(slot.row != NULL || slot.grouped || slot.quantiles || is_bits_per_byte(&slot) ||
			expect_summarizes(info->name),
		"add its oracle to tests/support/expect.c: %s has none for the output %s",
		problem->loss->name, info->name);
	*output = (struct expect_output){.name = info->name,
					 .shape = shape_of(problem, groups, info->extent)};
	output->shape.dtype = dtype_of(problem, info->dtype);
	output->shape.data = NULL;
	output->numbers = expect_array(problem, struct expect_number, output->shape.count);
	return slot;
}

static const struct loss_output_info *find_output(const struct loss_info *loss, const char *name)
{
	for (size_t i = 0; i < loss->n_outputs; i++)
		if (strcmp(loss->outputs[i]->name, name) == 0)
			return loss->outputs[i];
	require(false, "%s has no output %s", loss->name, name);
	return loss->outputs[0];
}

/* In the order asked for; without any, the default. */
static size_t make_slots(const struct expect_problem *problem, const struct expect_groups *groups,
			 const struct loss_problem *given, struct expected *expected,
			 struct slot *slots)
{
	size_t n = given->outputs_given ? given->n_outputs : 1;
	for (size_t i = 0; i < n; i++) {
		const char *name = given->outputs_given ? given->outputs[i].name
							: problem->loss->outputs[0]->name;
		slots[i] = make_slot(problem, groups, find_output(problem->loss, name),
				     &expected->outputs[i]);
	}
	return n;
}

/* Results of F64 may be asked for in F32: one rounding more. */
static struct expect_number wide(const struct expect_problem *problem, const struct slot *slot,
				 struct expect_number number)
{
	bool narrowed = problem->result == LOSS_F64 && slot->output->shape.dtype == LOSS_F32;
	long double ulp = narrowed ? ulp_of(LOSS_F32, number.value) : 0;
	if (isfinite(ulp))
		number.slack += 0.500001L * ulp;
	return number;
}

static void put_row(const struct expect_problem *problem, const struct expect_row *row, size_t r,
		    const struct slot *slot)
{
	if (slot->row == NULL || slot->reduced)
		return;
	const void *field = (const char *)row + slot->row->offset;
	if (!slot->row->by_class) {
		slot->output->numbers[r] = *(const struct expect_number *)field;
		return;
	}
	const struct expect_number *all = *(struct expect_number *const *)field;
	require(all != NULL, "no oracle says what %s of %s is", slot->info->name,
		problem->loss->name);
	for (size_t c = 0; all != NULL && c < problem->classes; c++)
		slot->output->numbers[expect_place(problem, r, c)] = wide(problem, slot, all[c]);
}

/* What is about more than a row. */
static void put_sums(const struct expect_problem *problem, const struct expect_summary *summary,
		     const struct expect_groups *groups, const struct slot *slot)
{
	struct expect_number *numbers = slot->output->numbers;
	for (size_t g = 0; slot->grouped && g < groups->n; g++)
		numbers[g] = expect_grouped(problem, groups, slot->info->name, g);
	if (is_bits_per_byte(slot))
		numbers[0] = expect_bits_per_byte(problem, groups, summary);
	else if (slot->reduced)
		numbers[0] = expect_reduced(problem, summary, slot->info->name);
	else if (slot->row == NULL && !slot->grouped)
		numbers[0] = expect_summarized(problem, summary, slot->info->name);
}

/* ---------------------------------------------------------------- the whole */

static void put_totals(const struct expect_problem *problem, const struct expect_summary *summary,
		       struct expected *expected)
{
	expected->has_totals = problem->loss->has_totals;
	expected->rows = problem->rows;
	expected->counted = summary->counted;
	expected->ignored = problem->rows - summary->counted;
	expected->denominator.value = problem->natural;
	expected->denominator.slack = expect_sum_of(&summary->share).slack;
	expected->loss_sum =
		expect_sum_of(problem->sequence_rows > 0 ? &summary->means : &summary->loss);
}

void expect(const struct loss_problem *given, struct loss_arena *arena, struct expected *expected)
{
	struct expect_problem problem;
	struct expect_summary summary;
	struct expect_groups groups;
	struct expect_quantiles quantiles;
	struct slot slots[LOSS_MAX_OUTPUTS];
	*expected = (struct expected){0};
	expect_read(given, arena, &problem);
	expect_row_fn *oracle = oracle_of(problem.loss);
	expect_summary_start(&problem, &summary);
	expect_groups_start(&problem, &groups);
	expect_quantiles_start(&problem, &quantiles);
	expected->n_outputs = make_slots(&problem, &groups, given, expected, slots);
	for (size_t r = 0; r < problem.rows; r++) {
		bool counted = problem.loss->has_totals && expect_counted(&problem, r);
		struct expect_row row = {.counted = counted};
		oracle(&problem, r, &row);
		for (size_t i = 0; i < expected->n_outputs; i++)
			put_row(&problem, &row, r, &slots[i]);
		expect_summary_add(&problem, &summary, r, &row);
		expect_groups_add(&problem, &groups, r, &row);
		expect_quantiles_add(&quantiles, &row);
	}
	for (size_t i = 0; i < expected->n_outputs; i++)
		if (slots[i].quantiles)
			expect_quantiles_put(&quantiles, slots[i].output->numbers);
		else
			put_sums(&problem, &summary, &groups, &slots[i]);
	put_totals(&problem, &summary, expected);
}

/* ---------------------------------------------------------------- comparing */

static double rounded(loss_dtype dtype, double value)
{
	double room;
	loss_float_put(dtype, &room, 0, value);
	return loss_float_get(dtype, &room, 0);
}

/* In a type narrower than F32 everything between the ends may have been rounded, also to float32 on
 * the way; F8_E4M3 makes NaN of what is too large for it. */
static bool narrow_agrees(loss_dtype dtype, double got, long double low, long double high)
{
	double least = rounded(dtype, (double)nextafterf((float)low, -HUGE_VALF));
	double most = rounded(dtype, (double)nextafterf((float)high, HUGE_VALF));
	if (isnan(got))
		return isnan(least) || isnan(most);
	bool too_large = isnan(least) && isnan(most) && (low > 0) == (high > 0);
	return (isnan(least) || got >= least) && (isnan(most) || got <= most) && !too_large;
}

bool expect_agrees(const struct expect_number *number, loss_dtype dtype, double got)
{
	bool narrow = dtype != LOSS_F64 && dtype != LOSS_F32 && dtype < LOSS_I64;
	if (isinf(number->slack))
		return true;
	if (isnan(number->value))
		return isnan(got);
	bool known = isfinite(number->value) && number->slack > 0;
	long double low = number->value - (known ? number->slack : 0);
	long double high = number->value + (known ? number->slack : 0);
	if (narrow)
		return narrow_agrees(dtype, got, low, high);
	if (isfinite(got))
		return (long double)got >= low && (long double)got <= high;
	long double reach = got > 0 ? high : -low;
	double end = dtype == LOSS_F32 ? (double)(float)reach : (double)reach;
	return !isnan(got) && isinf(end) && end > 0;
}

void expect_output_agrees(const struct expect_output *output, const double *got, const char *what)
{
	for (size_t i = 0; i < output->shape.count; i++) {
		const struct expect_number *number = &output->numbers[i];
		require(expect_agrees(number, output->shape.dtype, got[i]),
			"%s: %s at %zu is %.17g, but should be %.21Lg, at most %.5Lg off", what,
			output->name, i, got[i], number->value, number->slack);
	}
}

static double element(const struct loss_tensor *tensor, size_t i)
{
	return tensor->dtype == LOSS_I64 ? (double)((const int64_t *)tensor->data)[i]
					 : tensor_number(tensor, i);
}

static void output_agrees(const struct expect_output *output, const struct loss_output *got,
			  const char *what)
{
	require(strcmp(got->name, output->name) == 0, "%s: %s stands where %s was asked for", what,
		got->name, output->name);
	require(got->tensor.dtype == output->shape.dtype &&
			tensor_same_shape(&got->tensor, &output->shape) &&
			got->tensor.count == output->shape.count,
		"%s: %s has another shape or type", what, output->name);
	struct loss_arena *arena = loss_arena_create(NULL);
	require(arena != NULL, "no memory for an arena");
	double *values = expect_alloc(arena, got->tensor.count, sizeof(*values));
	for (size_t i = 0; i < got->tensor.count; i++)
		values[i] = element(&got->tensor, i);
	expect_output_agrees(output, values, what);
	loss_arena_destroy(arena);
}

void expect_totals_agree(const struct expected *expected, const struct loss_totals *totals,
			 const char *what)
{
	require(totals->rows == expected->rows && totals->counted == expected->counted &&
			totals->ignored == expected->ignored,
		"%s: %zu rows, %zu counted, %zu ignored, but should be %zu, %zu, %zu", what,
		totals->rows, totals->counted, totals->ignored, expected->rows, expected->counted,
		expected->ignored);
	require(expect_agrees(&expected->denominator, LOSS_F64, totals->denominator),
		"%s: the denominator is %.17g, but should be %.21Lg", what, totals->denominator,
		expected->denominator.value);
	require(expect_agrees(&expected->loss_sum, LOSS_F64, totals->loss_sum),
		"%s: loss_sum is %.17g, but should be %.21Lg, at most %.5Lg off", what,
		totals->loss_sum, expected->loss_sum.value, expected->loss_sum.slack);
}

void expect_result_agrees(const struct expected *expected, const struct loss_result *result,
			  const char *what)
{
	require(result->n_outputs == expected->n_outputs &&
			result->has_totals == expected->has_totals,
		"%s: %zu outputs, but should be %zu", what, result->n_outputs, expected->n_outputs);
	for (size_t i = 0; i < result->n_outputs; i++)
		output_agrees(&expected->outputs[i], &result->outputs[i], what);
	if (result->has_totals)
		expect_totals_agree(expected, &result->totals, what);
}
