#include "wire.h"

#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

const struct wire wires[] = {
	{"JSON", false, wire_json_point, wire_json_carries, wire_json},
	{"safetensors", true, wire_safetensors_point, wire_safetensors_carries, wire_safetensors},
	{"Open Inference Protocol, JSON", false, NULL, wire_oip_carries, wire_oip_json},
	{"Open Inference Protocol, binary", false, NULL, wire_oip_carries, wire_oip_binary},
	{NULL, false, NULL, NULL, NULL},
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

static void write_float(FILE *stream, double value)
{
	if (isfinite(value))
		fprintf(stream, "%.17g", value);
	else
		fprintf(stream, isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity");
}

void wire_write_element(FILE *stream, const struct loss_tensor *tensor, size_t i)
{
	if (loss_dtype_info(tensor->dtype)->dtype_class == LOSS_CLASS_FLOAT)
		write_float(stream, wire_element(tensor, i));
	else if (tensor->dtype == LOSS_I64)
		fprintf(stream, "%" PRId64, ((const int64_t *)tensor->data)[i]);
	else if (tensor->dtype == LOSS_U64)
		fprintf(stream, "%" PRIu64, ((const uint64_t *)tensor->data)[i]);
	else
		fprintf(stream, "%.0f", wire_element(tensor, i));
}

void wire_write_argument(FILE *stream, const struct loss_value *value)
{
	fprintf(stream, value->type == LOSS_VALUE_STRING ? "\"%s\"" : "%s", value->text);
}

void wire_read_totals(struct wire_reply *reply, const cJSON *totals)
{
	const cJSON *state = totals ? json_find(totals, "state") : NULL;
	reply->has_totals = totals != NULL;
	reply->state = state ? strdup(json_string(state)) : NULL;
	if (totals)
		reply->totals = (struct fixture_totals){
			.loss_sum = json_number(json_member(totals, "loss_sum")),
			.denominator = json_number(json_member(totals, "denominator")),
			.rows = json_number(json_member(totals, "rows")),
			.counted = json_number(json_member(totals, "counted")),
			.ignored = json_number(json_member(totals, "ignored")),
		};
}

static void copy_member(const cJSON *document, const char *name, char *out, size_t size)
{
	const cJSON *member = cJSON_GetObjectItemCaseSensitive(document, name);
	snprintf(out, size, "%s", cJSON_IsString(member) ? member->valuestring : "");
}

void wire_read_refusal(struct wire_reply *reply, const struct reply *got)
{
	cJSON *document = cJSON_Parse(got->body);
	snprintf(reply->error, sizeof reply->error, "%s", got->body);
	copy_member(document, "code", reply->code, sizeof reply->code);
	copy_member(document, "pointer", reply->pointer, sizeof reply->pointer);
	cJSON_Delete(document);
}

void wire_reply_free(struct wire_reply *reply)
{
	free(reply->state);
	for (size_t i = 0; i < reply->n_outputs; i++)
		free((void *)(uintptr_t)reply->outputs[i].values);
	reply->n_outputs = 0;
}
