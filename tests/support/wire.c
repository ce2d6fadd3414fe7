#include "wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

const struct wire wires[] = {
	{"safetensors", wire_safetensors_carries, wire_safetensors},
	{"Open Inference Protocol, JSON", wire_oip_carries, wire_oip_json},
	{"Open Inference Protocol, binary", wire_oip_carries, wire_oip_binary},
	{NULL, NULL, NULL},
};

double *wire_add_output(struct wire_reply *reply, const char *name, const struct loss_tensor *shape)
{
	assert_true(reply->n_outputs < LOSS_MAX_OUTPUTS);
	struct fixture_output *output = &reply->outputs[reply->n_outputs];
	char *own = reply->names[reply->n_outputs++];
	double *values = malloc((shape->count + 1) * sizeof *values);
	assert_non_null(values);
	snprintf(own, sizeof reply->names[0], "%s", name);
	*output = (struct fixture_output){
		.name = own, .rank = shape->rank, .count = shape->count, .values = values};
	memcpy(output->shape, shape->shape, sizeof output->shape);
	return values;
}

double wire_element(const struct loss_tensor *tensor, size_t i)
{
	const struct loss_dtype_traits *info = loss_dtype_info(tensor->dtype);
	uint64_t bits = 0;
	if (info->dtype_class == LOSS_CLASS_FLOAT)
		return loss_float_get(tensor->dtype, tensor->data, i);
	memcpy(&bits, (const char *)tensor->data + i * info->size, info->size);
	unsigned unused = 64 - 8 * (unsigned)info->size;
	return info->dtype_class == LOSS_CLASS_SIGNED
		       ? (double)((int64_t)(bits << unused) >> unused)
		       : (double)bits;
}

void wire_write_argument(FILE *stream, const struct loss_value *value)
{
	fprintf(stream, value->type == LOSS_VALUE_STRING ? "\"%s\"" : "%s", value->text);
}

void wire_reply_free(struct wire_reply *reply)
{
	for (size_t i = 0; i < reply->n_outputs; i++)
		free((void *)(uintptr_t)reply->outputs[i].values);
	reply->n_outputs = 0;
}
