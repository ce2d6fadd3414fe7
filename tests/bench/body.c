#include "body.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/base64/base64.h"

#define ROWS_IN_MEMORY 256
#define NUMBER_BYTES 27 /* of JSON: a sign, a point, 17 digits, an exponent, ", " */

/* All digits in use and nothing that comes again soon: what a reply is made of does not compress.
 */
static float logit(size_t i)
{
	return (float)(uint32_t)(i * 2654435761u) * 0x1p-28f - 8.0f;
}

bool body_make(struct body *body, size_t rows, size_t classes)
{
	size_t kept = rows < ROWS_IN_MEMORY ? rows : ROWS_IN_MEMORY;
	size_t targets = rows * sizeof(int64_t), row = classes * sizeof(float);
	body->head = calloc(1, 512 + targets);
	body->rows = malloc(kept * row);
	if (!body->head || !body->rows)
		return false;
	int n = snprintf(
		body->head + 8, 504,
		"{\"targets\":{\"dtype\":\"I64\",\"shape\":[%zu],\"data_offsets\":[0,%zu]},"
		"\"logits\":{\"dtype\":\"F32\",\"shape\":[%zu,%zu],\"data_offsets\":[%zu,%zu]"
		"}}",
		rows, targets, rows, classes, targets, targets + rows * row);
	uint64_t length = ((uint64_t)n + 7) / 8 * 8;
	memset(body->head + 8 + n, ' ', (size_t)length - (size_t)n);
	memcpy(body->head, &length, sizeof length);
	for (size_t i = 0; i < kept * classes; i++)
		body->rows[i] = logit(i);
	body->upload = (struct upload){
		.type = "application/x-safetensors",
		.head = body->head,
		.head_bytes = 8 + (size_t)length + targets,
		.piece = body->rows,
		.piece_bytes = kept * row,
		.bytes = 8 + length + targets + rows * row,
	};
	return true;
}

bool body_make_json(struct body *body, size_t rows, size_t classes)
{
	char *p = malloc(rows * classes * NUMBER_BYTES + 8 * rows + 64);
	*body = (struct body){.head = p};
	if (!p)
		return false;
	p += sprintf(p, "{\"targets\": [0");
	for (size_t row = 1; row < rows; row++)
		p += sprintf(p, ", 0");
	p += sprintf(p, "], \"logits\": [");
	for (size_t i = 0; i < rows * classes; i++)
		p += sprintf(p, "%s%.17g", i % classes ? ", " : i ? "], [" : "[", (double)logit(i));
	p += sprintf(p, "]]}");
	body->upload = (struct upload){
		.type = "application/json",
		.head = body->head,
		.head_bytes = (size_t)(p - body->head),
		.bytes = (size_t)(p - body->head),
	};
	return true;
}

bool body_make_base64(struct body *body, const struct body *of, size_t rows, size_t classes)
{
	const struct base64_kernels *kernels = base64_kernels(NULL);
	size_t targets = rows * sizeof(int64_t), logits = rows * classes * sizeof(float);
	const char *bytes = of->head + of->upload.head_bytes - targets;
	char *p = malloc(base64_length(targets) + base64_length(logits) + 256);
	*body = (struct body){.head = p};
	if (!p)
		return false;
	p += sprintf(p, "{\"targets\":{\"dtype\":\"I64\",\"shape\":[%zu],\"base64\":\"", rows);
	p = base64_write(kernels, (const unsigned char *)bytes, targets, p);
	p += sprintf(p, "\"},\"logits\":{\"dtype\":\"F32\",\"shape\":[%zu,%zu],\"base64\":\"", rows,
		     classes);
	p = base64_write(kernels, (const unsigned char *)of->rows, logits, p);
	p += sprintf(p, "\"}}");
	body->upload = (struct upload){
		.type = "application/json",
		.head = body->head,
		.head_bytes = (size_t)(p - body->head),
		.bytes = (size_t)(p - body->head),
	};
	return true;
}

void body_drop(struct body *body)
{
	free(body->head);
	free(body->rows);
}
