#include "oip_out.h"

#include <string.h>

#include "codec/json/json_out.h"
#include "codec/number/number.h"
#include "oip_in.h"
#include "oip_names.h"
#include "shm/shm.h"

/* Room for a number that is known only when all is written; JSON allows spaces before it. */
#define BLANK "                    "
#define BLANK_SIZE (sizeof BLANK - 1)

struct writer {
	const struct encoder_input *input;
	struct json_out json;
	size_t encode_at, total_at; /* where those times go in the buffer */
};

static size_t bytes_of(const struct loss_tensor *tensor)
{
	return tensor->count * loss_dtype_info(tensor->dtype)->size;
}

/* An output without elements has no bytes: it is written as an array like others. */
static bool is_raw(const struct writer *w, size_t i)
{
	struct oip_wish wish = oip_in_wish(w->input->decoder, i);
	return wish.binary && !wish.pin && w->input->result->outputs[i].tensor.count > 0;
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

static void put_shared(struct json_out *json, const struct oip_wish *wish, size_t size)
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
static void put_data(struct json_out *json, const struct loss_tensor *tensor)
{
	struct loss_tensor flat = *tensor;
	flat.rank = 1;
	flat.shape[0] = tensor->count;
	json_out_key(json, "data");
	json_out_tensor(json, &flat);
}

static void put_output(struct writer *w, size_t i)
{
	const struct loss_output *output = &w->input->result->outputs[i];
	struct oip_wish wish = oip_in_wish(w->input->decoder, i);
	struct json_out *json = &w->json;
	json_out_open(json, '{');
	json_out_string_member(json, "name", output->name);
	json_out_string_member(json, "datatype", oip_name(output->tensor.dtype));
	put_shape(json, &output->tensor);
	if (wish.pin)
		put_shared(json, &wish, bytes_of(&output->tensor));
	else if (is_raw(w, i))
		put_raw(json, bytes_of(&output->tensor));
	else
		put_data(json, &output->tensor);
	json_out_close(json, '}');
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

/* Returns where the number goes. */
static size_t put_blank(struct json_out *json, const char *key)
{
	json_out_key(json, key);
	json_out_raw(json, BLANK);
	return json->buffer->size;
}

static void put_parameters(struct writer *w)
{
	const struct loss_result *result = w->input->result;
	const struct timings *timings = w->input->timings;
	struct json_out *json = &w->json;
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
	w->encode_at = put_blank(json, "encode_ns");
	w->total_at = put_blank(json, "total_ns");
	json_out_size_member(json, "bytes_in", timings->bytes_in);
	json_out_size_member(json, "threads", timings->threads);
	json_out_string_member(json, "isa", timings->isa);
	json_out_close(json, '}');
}

/* ---------------------------------------------------------------- the document and the bytes */

static void put_document(struct writer *w)
{
	const char *id = oip_in_id(w->input->decoder);
	struct json_out *json = &w->json;
	json_out_open(json, '{');
	json_out_string_member(json, "model_name", w->input->loss->name);
	json_out_string_member(json, "model_version", "1");
	if (id[0] != '\0')
		json_out_string_member(json, "id", id);
	json_out_key(json, "outputs");
	json_out_open(json, '[');
	for (size_t i = 0; i < w->input->result->n_outputs; i++)
		put_output(w, i);
	json_out_close(json, ']');
	put_parameters(w);
	json_out_close(json, '}');
}

static loss_status put_bytes(struct writer *w, struct encoded *out, struct loss_error *err)
{
	size_t document = out->body->size;
	out->content_type = "application/json";
	for (size_t i = 0; i < w->input->result->n_outputs; i++) {
		const struct loss_tensor *tensor = &w->input->result->outputs[i].tensor;
		if (is_raw(w, i) && !loss_buffer_append(out->body, tensor->data, bytes_of(tensor)))
			return loss_arena_failure(out->body->arena, err);
	}
	if (out->body->size == document)
		return LOSS_OK;
	out->content_type = "application/octet-stream";
	out->header = "Inference-Header-Content-Length";
	out->value = loss_arena_printf(out->body->arena, "%zu", document);
	return out->value ? LOSS_OK : loss_arena_failure(out->body->arena, err);
}

/* Another process may write there at the same time, or take the memory away. */
static loss_status put_shared_bytes(const struct writer *w, struct loss_error *err)
{
	for (size_t i = 0; i < w->input->result->n_outputs; i++) {
		const struct loss_tensor *tensor = &w->input->result->outputs[i].tensor;
		struct oip_wish wish = oip_in_wish(w->input->decoder, i);
		if (wish.pin && tensor->count > 0)
			memcpy(wish.pin->data, tensor->data, bytes_of(tensor));
	}
	return oip_in_written(w->input->decoder, err);
}

/* Right-aligned in the blanks before `at`. */
static void fill_blank(struct loss_buffer *body, size_t at, uint64_t value)
{
	char digits[NUMBER_MAX_CHARS];
	size_t n = number_format_u64(value, digits);
	memcpy(body->data + at - n, digits, n);
}

loss_status oip_out_write(const struct encoder_input *input, struct encoded *out,
			  struct loss_error *err)
{
	uint64_t begin_ns = clock_ns();
	struct timings *timings = input->timings;
	struct writer w = {.input = input};
	loss_status status;
	json_out_start(&w.json, out->body);
	put_document(&w);
	if (w.json.failed)
		return loss_arena_failure(out->body->arena, err);
	if ((status = put_bytes(&w, out, err)) != LOSS_OK)
		return status;
	/* Last: what is refused leaves the memory as it was. */
	if ((status = put_shared_bytes(&w, err)) != LOSS_OK)
		return status;
	uint64_t now_ns = clock_ns();
	timings->encode_ns = now_ns - begin_ns;
	timings->total_ns = now_ns - timings->start_ns;
	fill_blank(out->body, w.encode_at, timings->encode_ns);
	fill_blank(out->body, w.total_at, timings->total_ns);
	return LOSS_OK;
}
