#include "v2_model.h"

#include <stdio.h>
#include <string.h>

#include "codec/json_out.h"
#include "codec/oip_names.h"

/* ---------------------------------------------------------------- types and ranks */

/* How far a tensor reaches. */
enum extent { EXTENT_ONE, EXTENT_ROWS, EXTENT_INPUT, EXTENT_LOSS };

static const struct {
	const char *output;
	enum extent extent;
} extents[] = {
	{"loss", EXTENT_LOSS},       {"z_loss", EXTENT_LOSS},    {"grad", EXTENT_INPUT},
	{"log_probs", EXTENT_INPUT}, {"probs", EXTENT_INPUT},    {"lse", EXTENT_ROWS},
	{"entropy", EXTENT_ROWS},    {"predicted", EXTENT_ROWS}, {"correct", EXTENT_ROWS},
	{"rank", EXTENT_ROWS},       {"accuracy", EXTENT_ONE},   {"perplexity", EXTENT_ONE},
	{"ece", EXTENT_ONE},
};

static enum extent extent_of(const char *output)
{
	size_t i = 0;
	while (i + 1 < sizeof extents / sizeof *extents && strcmp(extents[i].output, output) != 0)
		i++;
	return extents[i].extent;
}

static const struct loss_argument_info *argument_of(const struct loss_info *loss, const char *name)
{
	int i = loss_find_argument(loss, name, strlen(name));
	return i < 0 ? NULL : loss->arguments[i];
}

static int rank_of(const struct loss_info *loss, enum extent extent)
{
	const struct loss_argument_info *reduction = argument_of(loss, "reduction");
	bool has_classes = argument_of(loss, "class_axis") != NULL;
	switch (extent) {
	case EXTENT_INPUT:
		return has_classes ? 2 : 1;
	case EXTENT_ROWS:
		return 1;
	case EXTENT_LOSS:
		return reduction && strcmp(reduction->default_json, "\"none\"") == 0 ? 1 : 0;
	case EXTENT_ONE:
		break;
	}
	return 0;
}

static enum extent extent_of_role(const struct loss_info *loss, const struct loss_tensor_info *info)
{
	switch (info->role) {
	case LOSS_ROLE_INPUT:
		return EXTENT_INPUT;
	case LOSS_ROLE_GRAD_OUTPUT: /* as what comes out first */
		return extent_of(loss->outputs[0]->name);
	default: /* an index for each row, a factor for each class, or one for each element */
		return EXTENT_ROWS;
	}
}

struct v2_tensor v2_input(const struct loss_info *loss, size_t i)
{
	const struct loss_tensor_info *info = &loss->tensors[i];
	bool indices = (info->dtypes & LOSS_DTYPE_BIT(LOSS_I64)) != 0;
	return (struct v2_tensor){
		.name = info->name,
		.dtype = indices ? LOSS_I64 : LOSS_F32,
		.rank = rank_of(loss, extent_of_role(loss, info)),
		.required = info->required,
	};
}

struct v2_tensor v2_output(const struct loss_info *loss, size_t i)
{
	const struct loss_output_info *info = loss->outputs[i];
	/* "I64", or a sentence that ends with F32 logits. */
	loss_dtype dtype = loss_dtype_find(info->dtype, strlen(info->dtype));
	return (struct v2_tensor){
		.name = info->name,
		.dtype = dtype == LOSS_N_DTYPES ? LOSS_F32 : dtype,
		.rank = rank_of(loss, extent_of(info->name)),
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
	json_out_close(&out, '}');
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
	json_out_close(&out, '}');
	return !out.failed;
}
