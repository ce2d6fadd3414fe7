#include "safetensors_out.h"

#include "codec/json/json_out.h"
#include "codec/json/reply_json.h"

#define LENGTH_BYTES ((size_t)8)
#define ALIGNMENT ((size_t)8)

struct writer {
	struct encoder encoder; /* first: it is what the caller holds */
	struct encoder_input input;
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
	out.non_finite = (enum non_finite)writer->input.style.chosen[STYLE_NON_FINITE];
	put(&out, &writer->input);
	if (out.failed || !loss_buffer_append(writer->text, "", 1)) {
		writer->failed = true;
		return;
	}
	json_out_string_member(&writer->json, key, (const char *)writer->text->data);
}

static void put_metadata(struct writer *writer)
{
	const struct loss_result *result = writer->input.result;
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
	json_out_start(&writer->json, writer->header);
	json_out_open(&writer->json, '{');
	put_metadata(writer);
	for (size_t k = 0; (output = by_width(writer->input.result, k)); k++) {
		put_tensor(&writer->json, output, begin);
		begin += bytes_of(&output->tensor);
	}
	json_out_close(&writer->json, '}');
	return !writer->json.failed && !writer->failed;
}

/* ---------------------------------------------------------------- the whole */

/* The header's length and text, filled up with spaces as the format allows, so that the tensors
 * after it are aligned. */
static bool put_header(const struct writer *writer, struct loss_buffer *text)
{
	uint64_t length = (writer->header->size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	bool good = loss_buffer_append(text, &length, LENGTH_BYTES) &&
		    loss_buffer_append(text, writer->header->data, writer->header->size);
	while (good && (text->size - LENGTH_BYTES) < length)
		good = loss_buffer_append(text, " ", 1);
	return good;
}

static enum encoder_end write_all(struct encoder *encoder, struct encoded *out,
				  struct loss_error *err)
{
	struct writer *writer = (struct writer *)(void *)encoder;
	const struct loss_output *output;
	if (!write_header(writer) || !put_header(writer, out->text)) {
		loss_arena_failure(writer->input.arena, err);
		return ENCODER_FAILED;
	}
	for (size_t k = 0; (output = by_width(writer->input.result, k)); k++)
		out->tensors[out->n_tensors++] =
			(struct body_part){output->tensor.data, bytes_of(&output->tensor)};
	return ENCODER_DONE;
}

struct encoder *safetensors_out_create(const struct encoder_input *input)
{
	struct writer *writer = loss_arena_array(input->arena, struct writer, 1);
	if (!writer)
		return NULL;
	*writer = (struct writer){
		.encoder = {.write = write_all, .binary = true},
		.input = *input,
		.header = loss_buffer_create(input->arena),
		.text = loss_buffer_create(input->arena),
	};
	return writer->header && writer->text ? &writer->encoder : NULL;
}
