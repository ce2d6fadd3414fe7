/* Tensors that are not what the table says. */
#include "case_draft.h"
#include "case_spoil.h"

#include <math.h>
#include <string.h>

#include "expect_rows.h"
#include "tensor.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

bool spoiled_blame(struct spoiled *spoiled, loss_status status, const char *field)
{
	spoiled->wrong->status = spoiled->wrong->status_as_text = status;
	spoiled->wrong->field = field;
	return true;
}

/* Of tensor i of the loss. */
static bool blame_element(struct spoiled *spoiled, loss_status status, size_t i, size_t place)
{
	loss_role role = spoiled->loss->tensors[i].role;
	spoiled->wrong->has_index = spoiled->wrong->is_tensor = true;
	spoiled->wrong->is_scalar = spoiled->problem->tensors[role].rank == 0;
	spoiled->wrong->index = place;
	return spoiled_blame(spoiled, status, spoiled->loss->tensors[i].name);
}

struct loss_tensor *spoiled_tensor(const struct spoiled *spoiled, size_t i)
{
	loss_role role = spoiled->loss->tensors[i].role;
	return spoiled->problem->present[role] ? &spoiled->problem->tensors[role] : NULL;
}

static void clear(struct spoiled *spoiled, struct loss_tensor *tensor)
{
	loss_tensor_set_count(tensor);
	tensor->data = expect_alloc(spoiled->draft->arena, tensor->count,
				    loss_dtype_info(tensor->dtype)->size);
}

/* One that every wire has a name for. */
bool spoil_another_dtype(struct spoiled *spoiled, size_t i)
{
	static const loss_dtype dtypes[] = {LOSS_BOOL, LOSS_I64, LOSS_U8, LOSS_F32, LOSS_F16};
	const struct loss_tensor_info *info = &spoiled->loss->tensors[i];
	struct loss_tensor *tensor = spoiled_tensor(spoiled, i);
	size_t any = random_below(&spoiled->draft->random, COUNT(dtypes)), n = 0;
	while (n < COUNT(dtypes) && (info->dtypes & LOSS_DTYPE_BIT(dtypes[any]))) {
		any = (any + 1) % COUNT(dtypes);
		n++;
	}
	if (tensor == NULL || n == COUNT(dtypes))
		return false;
	tensor->dtype = dtypes[any];
	clear(spoiled, tensor);
	return spoiled_blame(spoiled, LOSS_DTYPE_MISMATCH, info->name);
}

/* Class indices where there are probabilities, and floats where there are class indices. */
bool spoil_dtype_of_the_other_kind(struct spoiled *spoiled, size_t i)
{
	const struct loss_tensor_info *info = &spoiled->loss->tensors[i];
	struct loss_tensor *tensor = spoiled_tensor(spoiled, i);
	if (tensor == NULL)
		return false;
	tensor->dtype = spoiled->draft->probabilities ? LOSS_I64 : LOSS_F32;
	clear(spoiled, tensor);
	return spoiled_blame(spoiled, LOSS_DTYPE_MISMATCH, info->name);
}

static void add_axis(struct loss_tensor *tensor)
{
	memmove(tensor->shape + 1, tensor->shape, (LOSS_MAX_RANK - 1) * sizeof(*tensor->shape));
	tensor->shape[0] = 2;
	tensor->rank++;
}

/* Whether it has what may be an entry for each group, or the rows' shape again. */
static bool may_be_right(const struct spoiled *spoiled, const struct loss_tensor_info *info,
			 const struct loss_tensor *tensor)
{
	return info->extent == LOSS_EXTENT_ROWS_OR_GROUPS &&
	       (tensor->rank == 1 || tensor_same_shape(tensor, &spoiled->draft->rows));
}

/* The input may have any rank but that without a class axis; what broadcasts, up to the input's. */
bool spoil_another_rank(struct spoiled *spoiled, size_t i)
{
	const struct loss_tensor_info *info = &spoiled->loss->tensors[i];
	struct loss_tensor *tensor = spoiled_tensor(spoiled, i);
	if (tensor == NULL)
		return false;
	if (i == 0)
		tensor->rank = 0;
	else
		add_axis(tensor);
	while (case_broadcasts(info) && tensor->rank <= spoiled->draft->input.rank)
		add_axis(tensor);
	if (i > 0 && (tensor_same_shape(tensor, &spoiled->draft->input) ||
		      may_be_right(spoiled, info, tensor)))
		return false; /* probabilities, by chance */
	clear(spoiled, tensor);
	return spoiled_blame(spoiled, LOSS_SHAPE_MISMATCH, info->name);
}

/* One more on some axis; of the input, no classes. */
bool spoil_another_size(struct spoiled *spoiled, size_t i)
{
	const struct loss_tensor_info *info = &spoiled->loss->tensors[i];
	struct loss_tensor *tensor = spoiled_tensor(spoiled, i);
	if (tensor == NULL || tensor->rank == 0)
		return false;
	int last = tensor->rank - 1;
	int axes = tensor->rank - info->extra_axis; /* the others with that axis would be wrong */
	if (axes == 0)
		return false;
	if (i == 0)
		tensor->shape[spoiled->draft->class_last ? last : last > 0] = 0;
	else
		tensor->shape[random_below(&spoiled->draft->random, (size_t)axes)] +=
			info->extent == LOSS_EXTENT_ROWS_OR_GROUPS ? 100 : 1; /* more than groups */
	clear(spoiled, tensor);
	return spoiled_blame(spoiled, LOSS_SHAPE_MISMATCH, info->name);
}

/* One more than the input has, on an axis where it is more than one. */
bool spoil_broadcast_beyond(struct spoiled *spoiled, size_t i)
{
	const struct loss_tensor_info *info = &spoiled->loss->tensors[i];
	const struct loss_tensor *input = spoiled_tensor(spoiled, 0);
	struct loss_tensor *tensor = spoiled_tensor(spoiled, i);
	if (tensor == NULL || tensor->rank == 0)
		return false;
	tensor->shape[tensor->rank - 1] = input->shape[input->rank - 1] + 2;
	if (info->extent == LOSS_EXTENT_BROADCAST_ROWS && expect_is_by_row(tensor, input))
		return false; /* an entry for each row, by chance */
	clear(spoiled, tensor);
	return spoiled_blame(spoiled, LOSS_SHAPE_MISMATCH, info->name);
}

bool spoil_missing(struct spoiled *spoiled, size_t i)
{
	const struct loss_tensor_info *info = &spoiled->loss->tensors[i];
	spoiled->problem->present[info->role] = false;
	spoiled->problem->tensors_given &= ~(UINT64_C(1) << i);
	return spoiled_blame(spoiled, LOSS_MISSING_FIELD, info->name);
}

/* An element of the tensor that is read; the count where there is none. */
static size_t place_that_counts(struct spoiled *spoiled, const struct loss_tensor_info *info)
{
	struct expect_problem problem;
	const struct loss_tensor *tensor = &spoiled->problem->tensors[info->role];
	expect_read(spoiled->problem, spoiled->draft->arena, &problem);
	if (problem.rows == 0 || tensor->count % problem.rows != 0)
		return tensor->count;
	size_t extra = tensor->count / problem.rows; /* of a row: the classes, an axis more */
	for (size_t r = random_below(&spoiled->draft->random, problem.rows); r < problem.rows; r++)
		if (expect_counted(&problem, r))
			return expect_target_row(&problem, r) * extra;
	return tensor->count;
}

bool spoil_element_out_of_range(struct spoiled *spoiled, size_t i)
{
	const struct loss_tensor_info *info = &spoiled->loss->tensors[i];
	const struct loss_range *range = &info->range;
	struct loss_tensor *tensor = spoiled_tensor(spoiled, i);
	const double bad[] = {range->min - 1, (double)NAN,
			      range->max < 1e300 ? range->max + 1 : (double)INFINITY};
	size_t n_bad = range->nan_allowed ? 1 : COUNT(bad);
	size_t place = tensor != NULL ? place_that_counts(spoiled, info) : 0;
	if (tensor == NULL || place == tensor->count)
		return false;
	tensor_put(tensor, place, bad[random_below(&spoiled->draft->random, n_bad)]);
	return blame_element(spoiled, LOSS_ARGUMENT_OUT_OF_RANGE, i, place);
}

/* Whether the type has the number. */
static bool holds(loss_dtype dtype, int64_t value)
{
	const struct loss_dtype_traits *info = loss_dtype_info(dtype);
	unsigned bits = 8 * (unsigned)info->size - (info->dtype_class == LOSS_CLASS_SIGNED);
	return value < 0 ? info->dtype_class == LOSS_CLASS_SIGNED
			 : bits >= 63 || value < INT64_C(1) << bits;
}

/* Not that of ignored rows, nor, of others than targets, what may stand for none. */
static bool is_wrong(const struct spoiled *spoiled, loss_role role, int64_t value)
{
	return role == LOSS_ROLE_TARGETS ? value != spoiled->draft->ignore_index : value >= 0;
}

bool spoil_class_out_of_bounds(struct spoiled *spoiled, size_t i)
{
	const struct loss_tensor_info *info = &spoiled->loss->tensors[i];
	struct loss_tensor *tensor = spoiled_tensor(spoiled, i);
	int64_t classes = (int64_t)spoiled->draft->classes;
	const int64_t bad[] = {classes, -1, classes + 1, -2};
	bool are_targets = info->role == LOSS_ROLE_TARGETS;
	if (tensor == NULL || (are_targets && spoiled->draft->probabilities))
		return false;
	size_t place = place_that_counts(spoiled, info);
	for (size_t n = 0; n < COUNT(bad) && place < tensor->count; n++) {
		if (!holds(tensor->dtype, bad[n]) || !is_wrong(spoiled, info->role, bad[n]))
			continue;
		case_store_integer(tensor, place, bad[n]);
		return blame_element(spoiled, LOSS_TARGET_OUT_OF_BOUNDS, i, place);
	}
	return false;
}

/* Where n_groups is given: else there is no bound that a small number is beyond. */
bool spoil_group_out_of_bounds(struct spoiled *spoiled, size_t i)
{
	const struct loss_tensor_info *info = &spoiled->loss->tensors[i];
	struct loss_tensor *tensor = spoiled_tensor(spoiled, i);
	size_t place = tensor != NULL ? place_that_counts(spoiled, info) : 0;
	if (tensor == NULL || place == tensor->count || !spoiled->draft->has_n_groups)
		return false;
	size_t more = random_below(&spoiled->draft->random, 2) * 50;
	case_store_integer(tensor, place, (int64_t)(spoiled->draft->n_groups + more));
	return blame_element(spoiled, LOSS_TARGET_OUT_OF_BOUNDS, i, place);
}

bool spoil_count_below_0(struct spoiled *spoiled, size_t i)
{
	const struct loss_tensor_info *info = &spoiled->loss->tensors[i];
	struct loss_tensor *tensor = spoiled_tensor(spoiled, i);
	if (tensor == NULL || !holds(tensor->dtype, -1) ||
	    !tensor_same_shape(tensor, &spoiled->draft->rows))
		return false;
	size_t place = place_that_counts(spoiled, info);
	if (place == tensor->count)
		return false;
	case_store_integer(tensor, place, -1);
	return blame_element(spoiled, LOSS_ARGUMENT_OUT_OF_RANGE, i, place);
}
