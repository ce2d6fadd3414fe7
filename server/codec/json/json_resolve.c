/* What the tensors of a JSON body are, once all of it is known. */
#include <stdio.h>
#include <string.h>

#include "json_tensor.h"

/* The tensor is broken. Where to say why; NULL where nobody would read it. */
static struct loss_error *refuse(struct json_tensor *tensor, loss_status status)
{
	tensor->broken = true;
	return fault_claim_field(&tensor->fault->kept, status, tensor->info->name);
}

static void set_place(struct loss_error *err, const struct loss_tensor *shape, size_t flat_index)
{
	err->has_index = true;
	err->flat_index = flat_index;
	err->index_rank = shape->rank;
	for (int axis = shape->rank - 1; axis >= 0; axis--) {
		err->index[axis] = flat_index % shape->shape[axis];
		flat_index /= shape->shape[axis];
	}
}

/* A typed tensor whose data came before its dtype. */
static void resolve_typed(struct json_tensor *tensor)
{
	struct loss_error *err;
	struct json_mark first;
	char range[64];
	const char *name = tensor->info->name, *dtype = loss_dtype_info(tensor->dtype)->name;
	loss_status status = json_values_resolve(&tensor->elements.values, tensor->dtype, &first);
	err = status == LOSS_OK ? NULL : refuse(tensor, status);
	if (!err)
		return;
	json_values_range(tensor->dtype, range, sizeof range);
	if (status == LOSS_WRONG_TYPE)
		loss_fail(err, status, name, "%s.data[%zu] is %s, but must be a number", name,
			  first.index, first.text);
	else
		loss_fail(err, status, name,
			  "%s.data[%zu] is %s, but an element of %s is an integer in %s", name,
			  first.index, first.text, dtype, range);
	set_place(err, &tensor->shape.tensor, first.index);
}

static void format_place(const struct loss_error *err, char *out, size_t size)
{
	size_t used = (size_t)snprintf(out, size, "%s", err->field);
	for (int i = 0; i < err->index_rank && used < size; i++)
		used += (size_t)snprintf(out + used, size - used, "[%zu]", err->index[i]);
}

/* Targets that must be class indices hold something else. */
static void blame_fraction(struct json_tensor *tensor, const struct loss_tensor *shape,
			   const struct loss_tensor *input)
{
	const struct json_mark *fraction = &tensor->elements.values.fraction;
	struct loss_error *err = refuse(tensor, LOSS_DTYPE_MISMATCH);
	char place[200], own[160] = "", other[160] = "";
	if (!err)
		return;
	loss_fail(err, LOSS_DTYPE_MISMATCH, tensor->info->name, "%s", "");
	set_place(err, shape, fraction->index);
	format_place(err, place, sizeof place);
	int used = snprintf(err->detail, sizeof err->detail,
			    "%s is %s, but %s are written as integers", place, fraction->text,
			    tensor->info->kinds & LOSS_KIND_INDEX ? "class indices"
								  : tensor->info->name);
	if (input && (tensor->info->dtypes & LOSS_FLOAT_DTYPES)) {
		loss_tensor_format_shape(shape, own, sizeof own);
		loss_tensor_format_shape(input, other, sizeof other);
		snprintf(err->detail + used, sizeof err->detail - (size_t)used,
			 "; probabilities have the shape of the first tensor, %s, not %s", other,
			 own);
	}
}

static bool same_shape(const struct loss_tensor *a, const struct loss_tensor *b)
{
	bool same = a->rank == b->rank;
	for (int axis = 0; same && axis < a->rank; axis++)
		same = a->shape[axis] == b->shape[axis];
	return same;
}

/* Whether nested targets are class indices: always, never, or unless they have the input's shape.
 */
static bool are_indices(const struct json_tensor *tensor, const struct loss_tensor *shape,
			const struct loss_tensor *input)
{
	const struct loss_tensor_info *info = tensor->info;
	if (!(info->kinds & LOSS_KIND_PROBABILITY))
		return (info->kinds & LOSS_INTEGER_KINDS) != 0;
	/* Without an input nothing is decided, and the loss will miss it. */
	return input ? !same_shape(shape, input) : !tensor->elements.values.fraction.set;
}

static void resolve_nested(struct json_tensor *tensor, const struct loss_tensor *shape,
			   const struct loss_tensor *input)
{
	struct json_values *values = &tensor->elements.values;
	bool wide = input && input->dtype == LOSS_F64;
	struct json_mark first;
	if (!values->open)
		return; /* the input itself, or booleans */
	if (!are_indices(tensor, shape, input))
		json_values_resolve(values, wide ? LOSS_F64 : LOSS_F32, &first);
	else if (values->fraction.set)
		blame_fraction(tensor, shape, input);
	else if (!json_values_resolve_indices(values)) {
		tensor->broken = true;
		fault_note_memory(&tensor->fault->kept, values->arena);
	}
}

bool json_tensor_resolve(struct json_tensor *tensor, const struct loss_tensor *input,
			 struct loss_tensor *out)
{
	const struct json_elements *elements = &tensor->elements;
	if (tensor->form == JSON_TENSOR_ABSENT || tensor->broken)
		return false;
	if (tensor->form == JSON_TENSOR_TYPED) {
		*out = tensor->shape.tensor;
		if (json_tensor_is_base64(tensor)) {
			out->dtype = tensor->dtype;
			out->data = tensor->base64.buffer->data;
			return true;
		}
		if (elements->values.open)
			resolve_typed(tensor);
	} else {
		*out = (struct loss_tensor){.rank = elements->rank,
					    .count = elements->values.count};
		memcpy(out->shape, elements->shape, sizeof out->shape);
		resolve_nested(tensor, out, input);
	}
	out->dtype = elements->values.dtype;
	out->data = elements->values.buffer ? elements->values.buffer->data : NULL;
	return !tensor->broken;
}
