#include "safetensors_out.h"

#include <assert.h>
#include <string.h>

#include "codec/json/json_out.h"
#include "codec/json/reply_json.h"

#define LENGTH_BYTES ((size_t)8)
#define ALIGNMENT ((size_t)8)
/* What the metrics may grow by until they are final: two durations of at most NUMBER_MAX_CHARS. */
#define ROOM ((size_t)64)

struct writer {
	const struct encoder_input *input;
	struct loss_buffer *header; /* its text */
	struct loss_buffer *text;   /* JSON that is to become a string */
	struct json_out json;       /* into header */
	bool failed;
};

static size_t bytes_of(const struct loss_tensor *tensor)
{
	return tensor->count * loss_dtype_info(tensor->dtype)->size;
}

/* ---------------------------------------------------------------- __metadata__ */

/* A member whose value is the JSON text that `put` writes. */
static void put_text(struct writer *writer, const char *key,
		     void (*put)(struct json_out *out, const struct encoder_input *input))
{
	struct json_out out;
	writer->text->size = 0;
	json_out_start(&out, writer->text);
	put(&out, writer->input);
	if (out.failed || !loss_buffer_append(writer->text, "", 1)) {
		writer->failed = true;
		return;
	}
	json_out_string_member(&writer->json, key, (const char *)writer->text->data);
}

static void put_metadata(struct writer *writer)
{
	const struct loss_result *result = writer->input->result;
	json_out_key(&writer->json, "__metadata__");
	json_out_open(&writer->json, '{');
	if (result->has_totals)
		put_text(writer, "totals", reply_json_put_totals);
	if (result->n_warnings > 0)
		put_text(writer, "warnings", reply_json_put_warnings);
	put_text(writer, "metrics", reply_json_put_metrics);
	json_out_close(&writer->json, '}');
}

/* ---------------------------------------------------------------- the header */

static void put_tensor(struct json_out *json, const struct loss_output *output, size_t begin)
{
	const struct loss_tensor *tensor = &output->tensor;
	json_out_key(json, output->name);
	json_out_open(json, '{');
	json_out_string_member(json, "dtype", loss_dtype_info(tensor->dtype)->name);
	json_out_key(json, "shape");
	json_out_open(json, '[');
	for (int axis = 0; axis < tensor->rank; axis++)
		json_out_size(json, tensor->shape[axis]);
	json_out_close(json, ']');
	json_out_key(json, "data_offsets");
	json_out_open(json, '[');
	json_out_size(json, begin);
	json_out_size(json, begin + bytes_of(tensor));
	json_out_close(json, ']');
	json_out_close(json, '}');
}

/* The outputs with the widest elements first, so that every one is aligned: the k-th of them. */
static const struct loss_output *by_width(const struct loss_result *result, size_t k)
{
	for (size_t width = 8; width > 0; width /= 2)
		for (size_t i = 0; i < result->n_outputs; i++) {
			loss_dtype dtype = result->outputs[i].tensor.dtype;
			if (loss_dtype_info(dtype)->size == width && k-- == 0)
				return &result->outputs[i];
		}
	return NULL; /* past the last */
}

static bool write_header(struct writer *writer)
{
	const struct loss_output *output;
	size_t begin = 0;
	writer->header->size = 0;
	json_out_start(&writer->json, writer->header);
	json_out_open(&writer->json, '{');
	put_metadata(writer);
	for (size_t k = 0; (output = by_width(writer->input->result, k)); k++) {
		put_tensor(&writer->json, output, begin);
		begin += bytes_of(&output->tensor);
	}
	json_out_close(&writer->json, '}');
	return !writer->json.failed && !writer->failed;
}

/* ---------------------------------------------------------------- the whole */

/* The tensors, after room for what stands before them: a reply is one piece of memory. */
static bool write_tensors(const struct writer *writer, struct loss_buffer *body, size_t room)
{
	const struct loss_output *output;
	size_t size = room;
	for (size_t k = 0; (output = by_width(writer->input->result, k)); k++)
		size += bytes_of(&output->tensor);
	if (!loss_buffer_reserve(body, size))
		return false;
	body->size = room;
	for (size_t k = 0; (output = by_width(writer->input->result, k)); k++)
		loss_buffer_append(body, output->tensor.data, bytes_of(&output->tensor));
	return true;
}

/* The header's length and text, filled up with spaces as the format allows. */
static void put_header(const struct writer *writer, struct loss_buffer *body, size_t room)
{
	uint64_t length = room - LENGTH_BYTES;
	assert(writer->header->size <= length);
	memcpy(body->data, &length, LENGTH_BYTES);
	memset(body->data + LENGTH_BYTES, ' ', (size_t)length);
	memcpy(body->data + LENGTH_BYTES, writer->header->data, writer->header->size);
}

loss_status safetensors_encode(const struct encoder_input *input, struct encoded *out,
			       struct loss_error *err)
{
	struct loss_arena *arena = out->body->arena;
	struct timings *timings = input->timings;
	uint64_t begin_ns = clock_ns();
	struct writer writer = {.input = input,
				.header = loss_buffer_create(arena),
				.text = loss_buffer_create(arena)};
	if (!writer.header || !writer.text || !write_header(&writer))
		return loss_arena_failure(arena, err);
	size_t room = LENGTH_BYTES + writer.header->size + ROOM;
	room = (room + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	if (!write_tensors(&writer, out->body, room))
		return loss_arena_failure(arena, err);
	/* Again, with the time that the tensors have taken. */
	timings->encode_ns = clock_ns() - begin_ns;
	timings->total_ns = clock_ns() - timings->start_ns;
	if (!write_header(&writer))
		return loss_arena_failure(arena, err);
	put_header(&writer, out->body, room);
	return LOSS_OK;
}
