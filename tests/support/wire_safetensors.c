/* safetensors in and out, arguments in the query string. */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/problem.h"
#include "safetensors.h"
#include "wire.h"

bool wire_safetensors_carries(loss_dtype dtype)
{
	return dtype < LOSS_N_DTYPES;
}

void wire_safetensors_point(const struct wire_place *place, char *out, size_t size)
{
	snprintf(out, size, "%s", place->field);
}

/* ---------------------------------------------------------------- the request */

static void write_escaped(FILE *stream, const char *text)
{
	for (; *text; text++)
		fprintf(stream, isalnum((unsigned char)*text) ? "%c" : "%%%02X",
			(unsigned char)*text);
}

/* The caller frees it. */
static char *path_of(const struct loss_problem *problem)
{
	const struct loss_info *loss = loss_problem_info(problem);
	char *path;
	size_t size;
	FILE *stream = open_memstream(&path, &size);
	assert_non_null(stream);
	fprintf(stream, "/v1/losses/%s?", loss->name);
	for (size_t i = 0; i < loss->n_arguments; i++) {
		const struct loss_value *value =
			&problem->values[argument_row(loss->arguments[i])->id];
		if (!(problem->arguments_given >> i & 1) || value->type == LOSS_VALUE_NULL)
			continue;
		fprintf(stream, "%s=", loss->arguments[i]->name);
		write_escaped(stream, value->text);
		fputc('&', stream);
	}
	for (size_t i = 0; problem->outputs_given && i < problem->n_outputs; i++)
		fprintf(stream, "outputs=%s&", problem->outputs[i].name);
	if (problem->outputs_given && problem->n_outputs == 0)
		fputs("outputs=&", stream);
	fclose(stream);
	path[size - 1] = '\0'; /* the last separator */
	return path;
}

/* All else before the logits, so that rows are evaluated as they arrive where they can be. */
static char *body_of(const struct loss_problem *problem, size_t *size)
{
	loss_role roles[LOSS_N_ROLES];
	size_t n = 0;
	for (size_t i = 1; i <= LOSS_N_ROLES; i++)
		if (problem->present[i % LOSS_N_ROLES])
			roles[n++] = (loss_role)(i % LOSS_N_ROLES);
	return safetensors_of(problem, roles, n, size);
}

/* ---------------------------------------------------------------- the reply */

static void read_output(const struct reply *got, const char *name, struct wire_reply *reply)
{
	struct loss_tensor tensor;
	if (!safetensors_find(got->body, got->body_size, name, &tensor))
		fail_msg("the reply has no %s", name);
	double *values = wire_add_output(reply, name, &tensor);
	size_t size = tensor.count * loss_dtype_info(tensor.dtype)->size;
	void *aligned = malloc(size + 1);
	assert_non_null(aligned);
	memcpy(aligned, tensor.data, size);
	tensor.data = aligned;
	for (size_t i = 0; i < tensor.count; i++)
		values[i] = wire_element(&tensor, i);
	free(aligned);
}

static void read_outputs(const struct reply *got, const struct loss_problem *problem,
			 struct wire_reply *reply)
{
	if (!problem->outputs_given)
		read_output(got, loss_problem_info(problem)->outputs[0]->name, reply);
	for (size_t i = 0; problem->outputs_given && i < problem->n_outputs; i++)
		read_output(got, problem->outputs[i].name, reply);
}

static void read_metadata(const struct reply *got, struct wire_reply *reply)
{
	char *warnings = safetensors_metadata(got->body, got->body_size, "warnings");
	char *text = safetensors_metadata(got->body, got->body_size, "totals");
	reply->warns = warnings != NULL;
	cJSON *totals = text ? cJSON_Parse(text) : NULL;
	wire_read_totals(reply, totals);
	cJSON_Delete(totals);
	free(warnings);
	free(text);
}

void wire_safetensors(struct client *client, const struct loss_problem *problem,
		      struct wire_reply *reply)
{
	static const char *const headers[] = {"Content-Type: application/x-safetensors",
					      "Accept: application/x-safetensors", NULL};
	struct reply got;
	size_t size;
	char *path = path_of(problem), *body = body_of(problem, &size);
	client_send(client,
		    &(struct request){.method = "POST",
				      .path = path,
				      .headers = headers,
				      .body = body,
				      .body_size = size},
		    &got);
	reply->status = got.status;
	if (got.status == 200) {
		read_outputs(&got, problem, reply);
		read_metadata(&got, reply);
	} else {
		wire_read_refusal(reply, &got);
	}
	reply_free(&got);
	free(body);
	free(path);
}
