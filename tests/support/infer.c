#include "infer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HEADER "Inference-Header-Content-Length"

void infer_send(struct client *client, const struct infer *infer, struct reply *reply)
{
	size_t length = strlen(infer->document);
	char header[300];
	char *body = malloc(length + infer->n_raw + 1);
	assert_non_null(body);
	memcpy(body, infer->document, length + 1);
	if (infer->n_raw > 0)
		memcpy(body + length, infer->raw, infer->n_raw);
	if (infer->length)
		snprintf(header, sizeof header, HEADER ": %s", infer->length);
	else
		snprintf(header, sizeof header, HEADER ": %zu", length);
	const char *headers[3] = {infer->content_type ? infer->content_type : "Content-Type:"};
	if (infer->raw || infer->length)
		headers[1] = header;
	const struct request request = {
		.path = infer->path ? infer->path : "/v2/models/cross_entropy/infer",
		.headers = headers,
		.body = body,
		.body_size = length + infer->n_raw,
	};
	client_send(client, &request, reply);
	free(body);
}

struct inferred infer(struct client *client, const struct infer *request)
{
	struct inferred got = infer_try(client, request);
	if (got.reply.status != 200)
		fail_msg("%d: %s for %s", got.reply.status, got.reply.body, request->document);
	return got;
}

struct inferred infer_try(struct client *client, const struct infer *request)
{
	struct inferred got = {0};
	char length[32], type[64];
	infer_send(client, request, &got.reply);
	if (got.reply.status != 200)
		return got;
	got.binary = reply_header(&got.reply, HEADER, length, sizeof length);
	size_t document = got.binary ? strtoul(length, NULL, 10) : got.reply.body_size;
	assert_true(document <= got.reply.body_size);
	assert_true(reply_header(&got.reply, "Content-Type", type, sizeof type));
	assert_string_equal(type, got.binary ? "application/octet-stream" : "application/json");
	got.json = cJSON_ParseWithLength(got.reply.body, document);
	assert_non_null(got.json);
	got.raw = got.reply.body + document;
	got.n_raw = got.reply.body_size - document;
	return got;
}

void inferred_free(struct inferred *inferred)
{
	cJSON_Delete(inferred->json);
	reply_free(&inferred->reply);
}

const cJSON *inferred_output(const struct inferred *inferred, const char *name)
{
	const cJSON *output;
	cJSON_ArrayForEach(output, json_member(inferred->json, "outputs"))
	{
		if (strcmp(json_string(json_member(output, "name")), name) == 0)
			return output;
	}
	fail_msg("there is no output %s", name);
	return NULL;
}

/* Of an output; 0 where it is not raw. */
static size_t raw_size(const cJSON *output)
{
	const cJSON *parameters = json_find(output, "parameters");
	const cJSON *size = parameters ? json_find(parameters, "binary_data_size") : NULL;
	return size ? (size_t)json_number(size) : 0;
}

const void *inferred_raw(const struct inferred *inferred, const char *name, size_t size)
{
	const cJSON *wanted = inferred_output(inferred, name), *output;
	size_t at = 0;
	cJSON_ArrayForEach(output, json_member(inferred->json, "outputs"))
	{
		if (output == wanted)
			break;
		at += raw_size(output);
	}
	assert_int_equal(raw_size(wanted), size);
	assert_null(json_find(wanted, "data"));
	assert_true(at + size <= inferred->n_raw);
	return inferred->raw + at;
}
