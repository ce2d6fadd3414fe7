/* The Open Inference Protocol, with tensors in the document and after it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../server/codec/oip/oip_names.h"
#include "../../src/problem.h"
#include "infer.h"
#include "wire.h"

bool wire_oip_carries(loss_dtype dtype)
{
	return oip_name(dtype) != NULL;
}

/* ---------------------------------------------------------------- the request */

static size_t bytes_of(const struct loss_tensor *tensor)
{
	return tensor->count * loss_dtype_info(tensor->dtype)->size;
}

static void write_input(FILE *stream, const char *name, const struct loss_tensor *tensor,
			bool binary)
{
	fprintf(stream, "{\"name\":\"%s\",\"datatype\":\"%s\",\"shape\":[", name,
		oip_name(tensor->dtype));
	for (int i = 0; i < tensor->rank; i++)
		fprintf(stream, "%s%zu", i ? "," : "", tensor->shape[i]);
	if (binary) {
		fprintf(stream, "],\"parameters\":{\"binary_data_size\":%zu}}", bytes_of(tensor));
		return;
	}
	fprintf(stream, "],\"data\":[");
	for (size_t i = 0; i < tensor->count; i++) {
		fprintf(stream, i ? "," : "");
		wire_write_element(stream, tensor, i);
	}
	fprintf(stream, "]}");
}

static void write_inputs(FILE *stream, const struct loss_problem *problem, bool binary)
{
	const struct loss_info *loss = loss_problem_info(problem);
	const char *comma = "";
	fprintf(stream, "{\"inputs\":[");
	for (size_t i = 0; i < loss->n_tensors; i++) {
		if (!problem->present[loss->tensors[i].role])
			continue;
		fputs(comma, stream);
		comma = ",";
		write_input(stream, loss->tensors[i].name, &problem->tensors[loss->tensors[i].role],
			    binary);
	}
	fprintf(stream, "]");
}

static void write_parameters(FILE *stream, const struct loss_problem *problem, bool binary)
{
	const struct loss_info *loss = loss_problem_info(problem);
	fprintf(stream, ",\"parameters\":{\"binary_data_output\":%s", binary ? "true" : "false");
	for (size_t i = 0; i < loss->n_arguments; i++) {
		const struct loss_value *value =
			&problem->values[argument_row(loss->arguments[i])->id];
		if (!(problem->arguments_given >> i & 1) || value->type == LOSS_VALUE_NULL)
			continue;
		fprintf(stream, ",\"%s\":", loss->arguments[i]->name);
		wire_write_argument(stream, value);
	}
	fprintf(stream, "}");
}

/* The caller frees it. */
static char *document_of(const struct loss_problem *problem, bool binary)
{
	char *text;
	size_t size;
	FILE *stream = open_memstream(&text, &size);
	assert_non_null(stream);
	write_inputs(stream, problem, binary);
	write_parameters(stream, problem, binary);
	for (size_t i = 0; problem->outputs_given && i < problem->n_outputs; i++)
		fprintf(stream, "%s{\"name\":\"%s\"}", i ? "," : ",\"outputs\":[",
			problem->outputs[i].name);
	fprintf(stream, problem->outputs_given && problem->n_outputs > 0 ? "]}" : "}");
	fclose(stream);
	return text;
}

/* All tensors, one behind the other. */
static char *bytes_behind(const struct loss_problem *problem, size_t *size)
{
	const struct loss_info *loss = loss_problem_info(problem);
	char *bytes;
	FILE *stream = open_memstream(&bytes, size);
	assert_non_null(stream);
	for (size_t i = 0; i < loss->n_tensors; i++) {
		const struct loss_tensor *tensor = &problem->tensors[loss->tensors[i].role];
		if (problem->present[loss->tensors[i].role] && tensor->count > 0)
			fwrite(tensor->data, 1, bytes_of(tensor), stream);
	}
	fclose(stream);
	return bytes;
}

/* ---------------------------------------------------------------- the reply */

static struct loss_tensor shape_of(const cJSON *output)
{
	const char *name = json_string(json_member(output, "datatype"));
	struct loss_tensor shape = {.dtype = oip_find(name, strlen(name))};
	const cJSON *dimension;
	assert_int_not_equal(shape.dtype, LOSS_N_DTYPES);
	cJSON_ArrayForEach(dimension, json_member(output, "shape"))
	{
		shape.shape[shape.rank++] = (size_t)json_number(dimension);
	}
	assert_true(loss_tensor_set_count(&shape));
	return shape;
}

static void read_output(const struct inferred *got, const cJSON *output, struct wire_reply *reply)
{
	struct loss_tensor tensor = shape_of(output);
	const char *name = json_string(json_member(output, "name"));
	double *values = wire_add_output(reply, name, &tensor);
	const cJSON *data = json_find(output, "data");
	if (data) {
		assert_int_equal(json_flatten(data, values, tensor.count), tensor.count);
		assert_int_equal(cJSON_GetArraySize(data), tensor.count); /* flat */
		return;
	}
	tensor.data = malloc(bytes_of(&tensor));
	assert_non_null(tensor.data);
	memcpy(tensor.data, inferred_raw(got, name, bytes_of(&tensor)), bytes_of(&tensor));
	for (size_t i = 0; i < tensor.count; i++)
		values[i] = wire_element(&tensor, i);
	free(tensor.data);
}

static void evaluate(struct client *client, const struct infer *request, struct wire_reply *reply)
{
	struct inferred got = infer_try(client, request);
	const cJSON *output;
	reply->status = got.reply.status;
	if (got.json) {
		cJSON_ArrayForEach(output, json_member(got.json, "outputs"))
		{
			read_output(&got, output, reply);
		}
		const cJSON *parameters = json_member(got.json, "parameters");
		reply->warns = json_find(parameters, "warnings") != NULL;
		wire_read_totals(reply, json_find(parameters, "loss_sum") ? parameters : NULL);
	} else {
		wire_read_refusal(reply, &got.reply);
	}
	inferred_free(&got);
}

static void send_problem(struct client *client, const struct loss_problem *problem, bool binary,
			 struct wire_reply *reply)
{
	char path[128];
	size_t n_raw = 0;
	char *document = document_of(problem, binary);
	char *raw = binary ? bytes_behind(problem, &n_raw) : NULL;
	snprintf(path, sizeof path, "/v2/models/%s/infer", loss_problem_info(problem)->name);
	evaluate(client,
		 &(struct infer){.path = path, .document = document, .raw = raw, .n_raw = n_raw},
		 reply);
	free(document);
	free(raw);
}

void wire_oip_json(struct client *client, const struct loss_problem *problem,
		   struct wire_reply *reply)
{
	send_problem(client, problem, false, reply);
}

void wire_oip_binary(struct client *client, const struct loss_problem *problem,
		     struct wire_reply *reply)
{
	send_problem(client, problem, true, reply);
}
