#include "v2_model.h"

#include <stdio.h>
#include <string.h>

#include "codec/json/json_out.h"
#include "codec/oip/oip_names.h"

/* ---------------------------------------------------------------- types and ranks */

/* The reduction unless one is given. */
static bool is_unreduced(const struct loss_info *loss)
{
	int i = loss_find_argument(loss, "reduction", strlen("reduction"));
	return i >= 0 && strcmp(loss->arguments[i]->default_json, "\"none\"") == 0;
}

/* The rank of a batch without further axes. */
static int rank_of(const struct loss_info *loss, loss_extent extent)
{
	switch (extent) {
	case LOSS_EXTENT_INPUT:
	case LOSS_EXTENT_LISTED:
		return loss->element_wise ? 1 : 2;
	case LOSS_EXTENT_ROWS:
	case LOSS_EXTENT_CLASSES:
	case LOSS_EXTENT_TARGETS: /* indices */
	case LOSS_EXTENT_BROADCAST:
	case LOSS_EXTENT_BROADCAST_ROWS:
	case LOSS_EXTENT_GROUPS:
	case LOSS_EXTENT_ROWS_OR_GROUPS:
	case LOSS_EXTENT_QUANTILES:
		return 1;
	case LOSS_EXTENT_LOSS:
		return is_unreduced(loss);
	case LOSS_EXTENT_SCALAR:
		break;
	}
	return 0;
}

/* Where there is a choice, class indices and F32. */
static loss_dtype dtype_of_kinds(unsigned kinds)
{
	if (kinds & LOSS_INTEGER_KINDS)
		return LOSS_I64;
	return kinds & LOSS_KIND_BOOLEAN ? LOSS_BOOL : LOSS_F32;
}

struct v2_tensor v2_input(const struct loss_info *loss, size_t i)
{
	const struct loss_tensor_info *info = &loss->tensors[i];
	return (struct v2_tensor){
		.name = info->name,
		.dtype = dtype_of_kinds(info->kinds),
		.rank = rank_of(loss, info->extent) + info->extra_axis,
		.required = info->required,
	};
}

static loss_dtype dtype_of_rule(loss_dtype_rule rule)
{
	switch (rule) {
	case LOSS_DTYPE_F64:
		return LOSS_F64;
	case LOSS_DTYPE_I64:
		return LOSS_I64;
	case LOSS_DTYPE_BOOL:
		return LOSS_BOOL;
	case LOSS_DTYPE_OF_RESULTS:
	case LOSS_DTYPE_OF_INPUT:
		break;
	}
	return LOSS_F32;
}

struct v2_tensor v2_output(const struct loss_info *loss, size_t i)
{
	const struct loss_output_info *info = loss->outputs[i];
	return (struct v2_tensor){
		.name = info->name,
		.dtype = dtype_of_rule(info->dtype),
		.rank = rank_of(loss, info->extent),
	};
}

/* ---------------------------------------------------------------- documents */

static void put_dimensions(struct json_out *out, const char *key, int rank)
{
	json_out_key(out, key);
	json_out_open(out, '[');
	for (int i = 0; i < rank; i++)
		json_out_integer(out, -1);
	json_out_close(out, ']');
}

static void put_tensor(struct json_out *out, struct v2_tensor tensor)
{
	json_out_open(out, '{');
	json_out_string_member(out, "name", tensor.name);
	json_out_string_member(out, "datatype", oip_name(tensor.dtype));
	put_dimensions(out, "shape", tensor.rank);
	json_out_close(out, '}');
}

bool v2_write_metadata(struct loss_buffer *buffer, const struct loss_info *loss)
{
	struct json_out out;
	json_out_start(&out, buffer);
	json_out_open(&out, '{');
	json_out_string_member(&out, "name", loss->name);
	json_out_key(&out, "versions");
	json_out_open(&out, '[');
	json_out_string(&out, V2_VERSION);
	json_out_close(&out, ']');
	json_out_string_member(&out, "platform", V2_PLATFORM);
	json_out_key(&out, "inputs");
	json_out_open(&out, '[');
	for (size_t i = 0; i < loss->n_tensors; i++)
		put_tensor(&out, v2_input(loss, i));
	json_out_close(&out, ']');
	json_out_key(&out, "outputs");
	json_out_open(&out, '[');
	for (size_t i = 0; i < loss->n_outputs; i++)
		put_tensor(&out, v2_output(loss, i));
	json_out_close(&out, ']');
	json_out_end(&out, '}');
	return !out.failed;
}

/* What both lists have of a tensor; the object stays open. */
static void open_config_tensor(struct json_out *out, struct v2_tensor tensor)
{
	char type[32];
	snprintf(type, sizeof type, "TYPE_%s", oip_name(tensor.dtype));
	json_out_open(out, '{');
	json_out_string_member(out, "name", tensor.name);
	json_out_string_member(out, "data_type", type);
	put_dimensions(out, "dims", tensor.rank);
}

bool v2_write_config(struct loss_buffer *buffer, const struct loss_info *loss)
{
	struct json_out out;
	json_out_start(&out, buffer);
	json_out_open(&out, '{');
	json_out_string_member(&out, "name", loss->name);
	json_out_string_member(&out, "platform", V2_PLATFORM);
	json_out_size_member(&out, "max_batch_size", 0);
	json_out_key(&out, "input");
	json_out_open(&out, '[');
	for (size_t i = 0; i < loss->n_tensors; i++) {
		struct v2_tensor tensor = v2_input(loss, i);
		open_config_tensor(&out, tensor);
		json_out_key(&out, "optional");
		json_out_boolean(&out, !tensor.required);
		json_out_close(&out, '}');
	}
	json_out_close(&out, ']');
	json_out_key(&out, "output");
	json_out_open(&out, '[');
	for (size_t i = 0; i < loss->n_outputs; i++) {
		open_config_tensor(&out, v2_output(loss, i));
		json_out_close(&out, '}');
	}
	json_out_close(&out, ']');
	json_out_end(&out, '}');
	return !out.failed;
}
