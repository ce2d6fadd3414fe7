#include "oip_out.h"

#include <stdio.h>
#include <string.h>

#include "codec/json/json_out.h"
#include "oip_names.h"

/* Bytes that are copied to shared memory in one piece. */
#define COPIED_BYTES ((size_t)1 << 20)

/* Of the document after its outputs; warnings have at most some KiB. */
#define PARAMETERS_BYTES ((size_t)16384)

/* Of the number of its bytes, terminated. */
#define LENGTH_CHARS 24

enum stage { STAGE_BEGIN, STAGE_OUTPUTS, STAGE_SHARED };

struct writer {
	struct encoder encoder; /* first: it is what the caller holds */
	struct encoder_input input;
	struct json_out json;
	enum stage stage;
	size_t current; /* the output that is being written */
	bool begun;     /* it is, up to its data */
	struct json_tensor_out tensor;
	size_t copied;         /* of its bytes, to shared memory */
	char *length;          /* of the document, as a header says it */
	size_t document_bytes; /* so far, those that have been taken out included */
};

static size_t bytes_of(const struct loss_tensor *tensor)
{
	return tensor->count * loss_dtype_info(tensor->dtype)->size;
}

/* An output without elements has no bytes: it is written as an array like others. */
static bool is_raw(const struct writer *w, size_t i)
{
	const struct output_wish *wish = &w->input.wish->outputs[i];
	return wish->binary && !wish->region && w->input.result->outputs[i].tensor.count > 0;
}

/* ---------------------------------------------------------------- outputs */

static void put_shape(struct json_out *json, const struct loss_tensor *tensor)
{
	json_out_key(json, "shape");
	json_out_open(json, '[');
	for (int i = 0; i < tensor->rank; i++)
		json_out_size(json, tensor->shape[i]);
	json_out_close(json, ']');
}

static void put_shared(struct json_out *json, const struct output_wish *wish, size_t size)
{
	json_out_key(json, "parameters");
	json_out_open(json, '{');
	json_out_string_member(json, "shared_memory_region", wish->region);
	json_out_size_member(json, "shared_memory_offset", (size_t)wish->offset);
	json_out_size_member(json, "shared_memory_byte_size", size);
	json_out_close(json, '}');
}

static void put_raw(struct json_out *json, size_t size)
{
	json_out_key(json, "parameters");
	json_out_open(json, '{');
	json_out_size_member(json, "binary_data_size", size);
	json_out_close(json, '}');
}

/* Flat, whatever the rank. */
static void begin_data(struct writer *w, const struct loss_tensor *tensor)
{
	struct loss_tensor flat = *tensor;
	flat.rank = 1;
	flat.shape[0] = tensor->count;
	json_out_key(&w->json, "data");
	json_tensor_out_start(&w->tensor, &flat);
}

static void begin_output(struct writer *w)
{
	const struct loss_output *output = &w->input.result->outputs[w->current];
	const struct output_wish *wish = &w->input.wish->outputs[w->current];
	struct json_out *json = &w->json;
	json_out_open(json, '{');
	json_out_string_member(json, "name", output->name);
	json_out_string_member(json, "datatype", oip_name(output->tensor.dtype));
	put_shape(json, &output->tensor);
	if (wish->region)
		put_shared(json, wish, bytes_of(&output->tensor));
	else if (is_raw(w, w->current))
		put_raw(json, bytes_of(&output->tensor));
	else
		begin_data(w, &output->tensor);
}

/* True when it is complete. */
static bool put_data(struct writer *w)
{
	if (w->input.wish->outputs[w->current].region || is_raw(w, w->current))
		return true;
	return json_out_tensor_piece(&w->json, &w->tensor, ENCODER_PIECE_ELEMENTS);
}

static void put_output(struct writer *w)
{
	if (!w->begun)
		begin_output(w);
	w->begun = !put_data(w);
	if (w->begun)
		return;
	json_out_close(&w->json, '}');
	w->current++;
}

/* The next piece of what goes to shared memory, where another process may write at the same time,
 * or take the memory away; true when all of it is there. */
static bool copy_some(struct writer *w)
{
	const struct loss_result *result = w->input.result;
	while (w->current < result->n_outputs) {
		const struct loss_tensor *tensor = &result->outputs[w->current].tensor;
		const struct output_wish *wish = &w->input.wish->outputs[w->current];
		size_t left = wish->region ? bytes_of(tensor) - w->copied : 0;
		size_t part = left < COPIED_BYTES ? left : COPIED_BYTES;
		if (part > 0)
			memcpy((char *)wish->memory + w->copied,
			       (const char *)tensor->data + w->copied, part);
		w->copied += part;
		if (part < left)
			return false;
		w->current++;
		w->copied = 0;
	}
	return true;
}

/* ---------------------------------------------------------------- totals and timings */

static void put_totals(struct json_out *json, const struct loss_totals *totals)
{
	json_out_key(json, "loss_sum");
	json_out_f64(json, totals->loss_sum);
	json_out_key(json, "denominator");
	json_out_f64(json, totals->denominator);
	json_out_size_member(json, "rows", totals->rows);
	json_out_size_member(json, "counted", totals->counted);
	json_out_size_member(json, "ignored", totals->ignored);
	if (totals->state)
		json_out_string_member(json, "state", totals->state);
}

/* The protocol allows scalars only. */
static void put_warnings(struct json_out *json, const struct loss_result *result)
{
	char all[1024] = "";
	size_t used = 0;
	for (size_t i = 0; i < result->n_warnings; i++) {
		size_t n = strlen(result->warnings[i]);
		if (used + n + sizeof "\n" > sizeof all)
			break;
		if (i > 0)
			all[used++] = '\n';
		memcpy(all + used, result->warnings[i], n + 1);
		used += n;
	}
	json_out_string_member(json, "warnings", all);
}

static void put_parameters(struct writer *w)
{
	const struct loss_result *result = w->input.result;
	const struct timings *timings = w->input.timings;
	struct json_out *json = &w->json;
	uint64_t now_ns = clock_ns();
	json_out_key(json, "parameters");
	json_out_open(json, '{');
	if (result->has_totals)
		put_totals(json, &result->totals);
	if (result->n_warnings > 0)
		put_warnings(json, result);
	json_out_size_member(json, "receive_ns", timings->receive_ns);
	json_out_size_member(json, "decode_ns", timings->decode_ns);
	json_out_size_member(json, "queue_ns", timings->queue_ns);
	json_out_size_member(json, "compute_ns", timings->compute_ns);
	json_out_size_member(json, "encode_ns", timings_encode_ns(timings, now_ns));
	json_out_size_member(json, "total_ns", now_ns - timings->start_ns);
	json_out_size_member(json, "bytes_in", timings->bytes_in);
	json_out_size_member(json, "threads", timings->threads);
	json_out_string_member(json, "isa", timings->isa);
	json_out_close(json, '}');
}

/* ---------------------------------------------------------------- the document and the bytes */

static void begin_document(struct writer *w, struct loss_buffer *text)
{
	struct json_out *json = &w->json;
	json_out_start(json, text);
	json->non_finite = w->input.non_finite;
	json_out_open(json, '{');
	json_out_string_member(json, "model_name", w->input.loss->name);
	json_out_string_member(json, "model_version", "1");
	if (w->input.wish->id)
		json_out_string_member(json, "id", w->input.wish->id);
	json_out_key(json, "outputs");
	json_out_open(json, '[');
}

/* True when all of them are written. */
static bool put_outputs(struct writer *w)
{
	struct json_out *json = &w->json;
	size_t before = json->buffer->size;
	while (w->current < w->input.result->n_outputs) {
		if (json->failed || json->buffer->size - before >= ENCODER_PIECE_BYTES)
			return false;
		put_output(w);
	}
	json_out_close(json, ']');
	/* What is refused leaves the memory of others as it was: room for all that follows. */
	w->length = loss_arena_array(w->input.arena, char, LENGTH_CHARS);
	json->failed =
		json->failed || !w->length || !loss_buffer_reserve(json->buffer, PARAMETERS_BYTES);
	w->current = 0;
	return !json->failed;
}

/* The end of the document, and the tensors after it. */
static bool end(struct writer *w, struct encoded *out)
{
	put_parameters(w);
	/* A document with bytes after it ends with its brace: its length is in a header. */
	if (w->encoder.binary)
		json_out_close(&w->json, '}');
	else
		json_out_end(&w->json, '}');
	out->content_type = "application/json";
	for (size_t i = 0; i < w->input.result->n_outputs; i++) {
		const struct loss_tensor *tensor = &w->input.result->outputs[i].tensor;
		if (is_raw(w, i))
			out->tensors[out->n_tensors++] =
				(struct body_part){tensor->data, bytes_of(tensor)};
	}
	return !w->json.failed;
}

static void name_length(const struct writer *w, struct encoded *out)
{
	if (out->n_tensors == 0)
		return;
	snprintf(w->length, LENGTH_CHARS, "%zu", w->document_bytes);
	out->content_type = "application/octet-stream";
	out->header = "Inference-Header-Content-Length";
	out->value = w->length;
}

static enum encoder_end write_piece(struct encoder *encoder, struct encoded *out,
				    struct loss_error *err)
{
	struct writer *w = (struct writer *)(void *)encoder;
	size_t before = out->text->size;
	bool done = false;
	if (w->stage == STAGE_BEGIN) {
		begin_document(w, out->text);
		w->stage = STAGE_OUTPUTS;
	}
	if (w->stage == STAGE_OUTPUTS && put_outputs(w))
		w->stage = STAGE_SHARED;
	if (w->stage == STAGE_SHARED)
		done = copy_some(w) && end(w, out);
	w->document_bytes += out->text->size - before;
	if (w->json.failed) {
		loss_arena_failure(w->input.arena, err);
		return ENCODER_FAILED;
	}
	if (!done)
		return ENCODER_MORE;
	name_length(w, out);
	return ENCODER_DONE;
}

struct encoder *oip_out_create(const struct encoder_input *input)
{
	struct writer *w = loss_arena_array(input->arena, struct writer, 1);
	if (!w)
		return NULL;
	*w = (struct writer){.encoder = {.write = write_piece}, .input = *input};
	for (size_t i = 0; i < input->result->n_outputs; i++) {
		w->encoder.binary |= is_raw(w, i);
		if (!is_raw(w, i) && !input->wish->outputs[i].region)
			w->encoder.elements += input->result->outputs[i].tensor.count;
	}
	return &w->encoder;
}
