#include "json_shape.h"

#include <inttypes.h>

#include "status/status.h"

/*
 * A shape with a zero dimension has no elements, but its other dimensions make nested arrays in the
 * reply: they count as well.
 */
#define MAX_EMPTY ((size_t)1 << 20)

void json_shape_start(struct json_shape *shape, const char *field,
		      const struct decoder_limits *limits, struct json_fault *fault)
{
	*shape = (struct json_shape){
		.field = field,
		.fault = fault,
		.max_elements = limits->max_elements,
		.limits_owner = decoder_limits_owner(limits),
		.max_rank = limits->max_rank < LOSS_MAX_RANK ? limits->max_rank : LOSS_MAX_RANK,
	};
}

/* The shape is broken. Where to say why; NULL where nobody would read it. */
static struct loss_error *refuse(struct json_shape *shape, loss_status status)
{
	shape->broken = true;
	return json_fault_claim(shape->fault, status, shape->field, "shape");
}

static void blame_dimension(struct json_shape *shape, loss_status status,
			    const struct json_token *token, const char *expected)
{
	struct loss_error *err = refuse(shape, status);
	char shown[JSON_SHOWN_SIZE];
	if (!err)
		return;
	json_fault_show(token, shown);
	loss_fail(err, status, shape->field, "%s.shape[%zu] is %s, but must be %s", shape->field,
		  shape->n_dimensions, shown, expected);
	err->has_index = true;
	err->index_rank = 1;
	err->index[0] = err->flat_index = shape->n_dimensions;
}

static void blame_size(struct json_shape *shape, uint64_t limit, const char *what)
{
	loss_fail(refuse(shape, STATUS_TOO_MANY_ELEMENTS), STATUS_TOO_MANY_ELEMENTS, shape->field,
		  "%s.shape has more than %" PRIu64 " %s, which is %s limit", shape->field, limit,
		  what, shape->limits_owner);
}

void json_shape_dimension(struct json_shape *shape, const struct json_token *token)
{
	const struct number *number = &token->number;
	if (token->event != JSON_NUMBER || !number->is_integer)
		blame_dimension(shape, LOSS_WRONG_TYPE, token, "an integer");
	else if (number->negative && number->value < 0.0)
		blame_dimension(shape, LOSS_SHAPE_MISMATCH, token, "at least 0");
	else if (shape->n_dimensions == shape->max_rank)
		blame_size(shape, shape->max_rank, "dimensions (max_rank)");
	else if (!number->fits)
		blame_size(shape, shape->max_elements, "elements (max_elements)");
	else if (shape->n_dimensions < shape->max_rank)
		shape->tensor.shape[shape->n_dimensions] = (size_t)number->magnitude;
	shape->n_dimensions++;
}

static size_t empty_arrays(const struct loss_tensor *tensor)
{
	struct loss_tensor others = *tensor;
	for (int i = 0; i < tensor->rank; i++)
		others.shape[i] = tensor->shape[i] ? tensor->shape[i] : 1;
	return tensor->count == 0 && loss_tensor_set_count(&others) ? others.count : 0;
}

void json_shape_end(struct json_shape *shape)
{
	struct loss_tensor *tensor = &shape->tensor;
	if (shape->broken)
		return;
	tensor->rank = (int)shape->n_dimensions;
	if (!loss_tensor_set_count(tensor) || tensor->count > shape->max_elements)
		blame_size(shape, shape->max_elements, "elements (max_elements)");
	else if (empty_arrays(tensor) > MAX_EMPTY)
		blame_size(shape, MAX_EMPTY, "places beside its zero dimension");
	shape->ended = !shape->broken;
}
