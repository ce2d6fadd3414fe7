/* JSON in and out: typed tensors, so that every type and shape can be said, of numbers or of
 * base64.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../server/codec/base64/base64.h"
#include "../../src/problem.h"
#include "wire.h"

bool wire_json_carries(loss_dtype dtype)
{
	return dtype < LOSS_N_DTYPES;
}

void wire_json_point(const struct wire_place *place, char *out, size_t size)
{
	if (place->is_scalar)
		snprintf(out, size, "/%s/data", place->field);
	else if (place->has_index)
		snprintf(out, size, "/%s%s/%zu", place->field, place->is_tensor ? "/data" : "",
			 place->index);
	else
		snprintf(out, size, "%s", place->field);
}

void wire_base64_point(const struct wire_place *place, char *out, size_t size)
{
	bool inside = place->is_scalar || (place->has_index && place->is_tensor);
	if (inside)
		snprintf(out, size, "/%s/base64", place->field);
	else
		wire_json_point(place, out, size);
}

/* ---------------------------------------------------------------- the request */

static void write_base64(FILE *stream, const struct loss_tensor *tensor)
{
	size_t n = tensor->count * loss_dtype_info(tensor->dtype)->size;
	char *text = malloc(base64_length(n) + 1);
	assert_non_null(text);
	*base64_write(base64_kernels(NULL), tensor->data, n, text) = '\0';
	fprintf(stream, "],\"base64\":\"%s\"},", text);
	free(text);
}

static void write_tensor(FILE *stream, const char *name, const struct loss_tensor *tensor,
			 bool base64)
{
	fprintf(stream, "\"%s\":{\"dtype\":\"%s\",\"shape\":[", name,
		loss_dtype_info(tensor->dtype)->name);
	for (int i = 0; i < tensor->rank; i++)
		fprintf(stream, "%s%zu", i ? "," : "", tensor->shape[i]);
	if (base64) {
		write_base64(stream, tensor);
		return;
	}
	fprintf(stream, "],\"data\":%s", tensor->rank == 0 ? "" : "[");
	for (size_t i = 0; i < tensor->count; i++) {
		fputs(i ? "," : "", stream);
		wire_write_element(stream, tensor, i);
	}
	fprintf(stream, "%s},", tensor->rank == 0 ? "" : "]");
}

static void write_arguments(FILE *stream, const struct loss_problem *problem)
{
	const struct loss_info *loss = loss_problem_info(problem);
	for (size_t i = 0; i < loss->n_arguments; i++) {
		if (!(problem->arguments_given >> i & 1))
			continue;
		fprintf(stream, "\"%s\":", loss->arguments[i]->name);
		wire_write_argument(stream, &problem->values[argument_row(loss->arguments[i])->id]);
		fputc(',', stream);
	}
}

/* The caller frees it. */
static char *document_of(const struct loss_problem *problem, bool base64)
{
	const struct loss_info *loss = loss_problem_info(problem);
	char *text;
	size_t size;
	FILE *stream = open_memstream(&text, &size);
	assert_non_null(stream);
	fputc('{', stream);
	for (size_t i = 0; i < loss->n_tensors; i++)
		if (problem->present[loss->tensors[i].role])
			write_tensor(stream, loss->tensors[i].name,
				     &problem->tensors[loss->tensors[i].role], base64);
	if (base64)
		fputs("\"tensors\":\"base64\",", stream);
	write_arguments(stream, problem);
	if (problem->outputs_given)
		fputs("\"outputs\":[", stream);
	for (size_t i = 0; problem->outputs_given && i < problem->n_outputs; i++)
		fprintf(stream, "%s\"%s\"", i ? "," : "", problem->outputs[i].name);
	fputs(problem->outputs_given ? "]" : "\"outputs\":null", stream);
	fputc('}', stream);
	fclose(stream);
	return text;
}

/* ---------------------------------------------------------------- the reply */

/* Nested arrays do not say what lies behind a dimension of 0: the plan does. */
static void read_numbers(const cJSON *json, double *values, const struct loss_output *output)
{
	size_t n = json_flatten(json_member(json, output->name), values, output->tensor.count);
	assert_int_equal(n, output->tensor.count);
}

/* Its type, shape and bytes; a scalar is a number all the same. */
static void read_base64(const cJSON *json, double *values, const struct loss_output *output)
{
	const cJSON *member = json_member(json, output->name);
	struct loss_tensor tensor = output->tensor;
	struct base64_decoder decoder;
	if (tensor.rank == 0) {
		read_numbers(json, values, output);
		return;
	}
	const char *text = json_member(member, "base64")->valuestring;
	const cJSON *shape = json_member(member, "shape");
	size_t n = strlen(text), made, size = tensor.count * loss_dtype_info(tensor.dtype)->size;
	unsigned char *bytes = malloc(base64_room(n) + 8);
	assert_non_null(bytes);
	base64_start(&decoder, base64_kernels(NULL));
	for (size_t taken = base64_run(&decoder, (const void *)text, n, bytes, &made); taken < n;)
		made += base64_put(&decoder, (unsigned char)text[taken++], bytes + made);
	assert_int_equal(base64_finish(&decoder), BASE64_GOOD);
	assert_int_equal(made, size);
	assert_string_equal(json_member(member, "dtype")->valuestring,
			    loss_dtype_info(tensor.dtype)->name);
	assert_int_equal(cJSON_GetArraySize(shape), tensor.rank);
	for (int i = 0; i < tensor.rank; i++)
		assert_true((double)tensor.shape[i] == json_number(cJSON_GetArrayItem(shape, i)));
	tensor.data = bytes;
	for (size_t i = 0; i < tensor.count; i++)
		values[i] = wire_element(&tensor, i);
	free(bytes);
}

static void read_outputs(const cJSON *json, const struct loss_problem *given, bool base64,
			 struct wire_reply *reply)
{
	struct loss_problem problem = *given;
	struct loss_arena *arena = loss_arena_create(NULL);
	struct loss_plan *plan;
	struct loss_output output;
	assert_non_null(arena);
	assert_int_equal(loss_plan_create(&problem, arena, &plan, NULL), LOSS_OK);
	for (size_t i = 0; loss_plan_output(plan, i, &output); i++) {
		double *values = wire_add_output(reply, output.name, &output.tensor);
		(base64 ? read_base64 : read_numbers)(json, values, &output);
	}
	loss_arena_destroy(arena);
}

static void evaluate(struct client *client, const struct loss_problem *problem, bool base64,
		     struct wire_reply *reply)
{
	struct reply got;
	char path[128], *document = document_of(problem, base64);
	snprintf(path, sizeof path, "/v1/losses/%s", loss_problem_info(problem)->name);
	client_post(client, path, document, &got);
	reply->status = got.status;
	if (got.status == 200) {
		cJSON *json = reply_json(&got);
		read_outputs(json, problem, base64, reply);
		wire_read_totals(reply, json_find(json, "totals"));
		reply->warns = json_find(json, "warnings") != NULL;
		cJSON_Delete(json);
	} else {
		wire_read_refusal(reply, &got);
	}
	reply_free(&got);
	free(document);
}

void wire_json(struct client *client, const struct loss_problem *problem, struct wire_reply *reply)
{
	evaluate(client, problem, false, reply);
}

void wire_base64(struct client *client, const struct loss_problem *problem,
		 struct wire_reply *reply)
{
	evaluate(client, problem, true, reply);
}
