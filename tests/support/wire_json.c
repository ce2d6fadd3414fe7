/* JSON in and out: typed tensors, so that every type and shape can be said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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

/* ---------------------------------------------------------------- the request */

static void write_tensor(FILE *stream, const char *name, const struct loss_tensor *tensor)
{
	fprintf(stream, "\"%s\":{\"dtype\":\"%s\",\"shape\":[", name,
		loss_dtype_info(tensor->dtype)->name);
	for (int i = 0; i < tensor->rank; i++)
		fprintf(stream, "%s%zu", i ? "," : "", tensor->shape[i]);
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
		if (!(problem->arguments_given & (1u << i)))
			continue;
		fprintf(stream, "\"%s\":", loss->arguments[i]->name);
		wire_write_argument(stream, &problem->values[argument_row(loss->arguments[i])->id]);
		fputc(',', stream);
	}
}

/* The caller frees it. */
static char *document_of(const struct loss_problem *problem)
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
				     &problem->tensors[loss->tensors[i].role]);
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
static void read_outputs(const cJSON *json, const struct loss_problem *given,
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
		size_t n =
			json_flatten(json_member(json, output.name), values, output.tensor.count);
		assert_int_equal(n, output.tensor.count);
	}
	loss_arena_destroy(arena);
}

void wire_json(struct client *client, const struct loss_problem *problem, struct wire_reply *reply)
{
	struct reply got;
	char path[128], *document = document_of(problem);
	snprintf(path, sizeof path, "/v1/losses/%s", loss_problem_info(problem)->name);
	client_post(client, path, document, &got);
	reply->status = got.status;
	if (got.status == 200) {
		cJSON *json = reply_json(&got);
		read_outputs(json, problem, reply);
		wire_read_totals(reply, json_find(json, "totals"));
		reply->warns = json_find(json, "warnings") != NULL;
		cJSON_Delete(json);
	} else {
		wire_read_refusal(reply, &got);
	}
	reply_free(&got);
	free(document);
}
