#include "safetensors.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/problem.h"
#include "random.h"

#define LENGTH_BYTES 8

char *safetensors_body(const char *header, const void *data, size_t n, size_t *size)
{
	uint64_t length = strlen(header);
	char *body = malloc(LENGTH_BYTES + length + n + 1);
	require(body != NULL, "no memory for a body");
	memcpy(body, &length, LENGTH_BYTES);
	memcpy(body + LENGTH_BYTES, header, length);
	if (n > 0)
		memcpy(body + LENGTH_BYTES + length, data, n);
	*size = LENGTH_BYTES + length + n;
	return body;
}

static size_t bytes_of(const struct loss_tensor *tensor)
{
	return tensor->count * loss_dtype_info(tensor->dtype)->size;
}

static void write_tensor(FILE *header, const char *name, const struct loss_tensor *tensor,
			 size_t begin)
{
	fprintf(header, "\"%s\":{\"dtype\":\"%s\",\"shape\":[", name,
		loss_dtype_info(tensor->dtype)->name);
	for (int axis = 0; axis < tensor->rank; axis++)
		fprintf(header, "%s%zu", axis ? "," : "", tensor->shape[axis]);
	fprintf(header, "],\"data_offsets\":[%zu,%zu]}", begin, begin + bytes_of(tensor));
}

char *safetensors_of(const struct loss_problem *problem, const loss_role *roles, size_t n,
		     size_t *size)
{
	char *header_text, *data_bytes;
	size_t header_size, data_size, begin = 0;
	FILE *header = open_memstream(&header_text, &header_size);
	FILE *data = open_memstream(&data_bytes, &data_size);
	require(header != NULL && data != NULL, "no memory for a body");
	fputc('{', header);
	for (size_t i = 0; i < n; i++) {
		const struct loss_tensor *tensor = &problem->tensors[roles[i]];
		fputs(i ? "," : "", header);
		write_tensor(header, problem_tensor_name(problem, roles[i]), tensor, begin);
		if (tensor->count > 0)
			fwrite(tensor->data, bytes_of(tensor), 1, data);
		begin += bytes_of(tensor);
	}
	fputc('}', header);
	fclose(header);
	fclose(data);
	char *body = safetensors_body(header_text, data_bytes, data_size, size);
	free(header_text);
	free(data_bytes);
	return body;
}

/* ---------------------------------------------------------------- reading */

static cJSON *header_of(const char *body, size_t size, size_t *begin)
{
	uint64_t length;
	if (size < LENGTH_BYTES)
		return NULL;
	memcpy(&length, body, LENGTH_BYTES);
	if (length > size - LENGTH_BYTES)
		return NULL;
	*begin = LENGTH_BYTES + (size_t)length;
	return cJSON_ParseWithLength(body + LENGTH_BYTES, (size_t)length);
}

static bool read_tensor(const cJSON *entry, struct loss_tensor *tensor, size_t offsets[2])
{
	const cJSON *dtype = cJSON_GetObjectItemCaseSensitive(entry, "dtype"), *item;
	const cJSON *span = cJSON_GetObjectItemCaseSensitive(entry, "data_offsets");
	if (!cJSON_IsString(dtype) || cJSON_GetArraySize(span) != 2)
		return false;
	*tensor = (struct loss_tensor){
		.dtype = loss_dtype_find(dtype->valuestring, strlen(dtype->valuestring))};
	cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(entry, "shape"))
		tensor->shape[tensor->rank++] = (size_t)item->valuedouble;
	for (int i = 0; i < 2; i++)
		offsets[i] = (size_t)cJSON_GetArrayItem(span, i)->valuedouble;
	return tensor->dtype != LOSS_N_DTYPES && loss_tensor_set_count(tensor) &&
	       offsets[1] - offsets[0] == bytes_of(tensor);
}

bool safetensors_find(const char *body, size_t size, const char *name, struct loss_tensor *tensor)
{
	size_t begin = 0, offsets[2];
	cJSON *header = header_of(body, size, &begin);
	const cJSON *entry = cJSON_GetObjectItemCaseSensitive(header, name);
	bool good = entry && read_tensor(entry, tensor, offsets) && begin + offsets[1] <= size;
	if (good) {
		union {
			const char *in;
			void *out;
		} data = {.in = body + begin + offsets[0]};
		tensor->data = data.out;
	}
	cJSON_Delete(header);
	return good;
}

char *safetensors_metadata(const char *body, size_t size, const char *key)
{
	size_t begin;
	cJSON *header = header_of(body, size, &begin);
	const cJSON *metadata = cJSON_GetObjectItemCaseSensitive(header, "__metadata__");
	const cJSON *text = cJSON_GetObjectItemCaseSensitive(metadata, key);
	char *copy = cJSON_IsString(text) ? strdup(text->valuestring) : NULL;
	cJSON_Delete(header);
	return copy;
}
