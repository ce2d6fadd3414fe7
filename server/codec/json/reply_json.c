#include "reply_json.h"

#include "codec/number/number.h"

static void put_seconds(struct json_out *out, const char *key, uint64_t ns)
{
	json_out_key(out, key);
	if (ns <= NUMBER_EXACT_DIGITS)
		json_out_decimal(out, ns, -9);
	else
		json_out_f64(out, (double)ns / 1e9);
}

void reply_json_put_totals(struct json_out *out, const struct encoder_input *input)
{
	const struct loss_totals *totals = &input->result->totals;
	json_out_open(out, '{');
	json_out_key(out, "loss_sum");
	json_out_f64(out, totals->loss_sum);
	json_out_key(out, "denominator");
	json_out_f64(out, totals->denominator);
	json_out_size_member(out, "rows", totals->rows);
	json_out_size_member(out, "counted", totals->counted);
	json_out_size_member(out, "ignored", totals->ignored);
	if (totals->state)
		json_out_string_member(out, "state", totals->state);
	json_out_close(out, '}');
}

void reply_json_put_warnings(struct json_out *out, const struct encoder_input *input)
{
	const struct loss_result *result = input->result;
	json_out_open(out, '[');
	for (size_t i = 0; i < result->n_warnings; i++)
		json_out_string(out, result->warnings[i]);
	json_out_close(out, ']');
}

void reply_json_put_metrics(struct json_out *out, const struct encoder_input *input)
{
	const struct timings *timings = input->timings;
	uint64_t now_ns = clock_ns();
	json_out_open(out, '{');
	put_seconds(out, "receive_seconds", timings->receive_ns);
	put_seconds(out, "decode_seconds", timings->decode_ns);
	put_seconds(out, "queue_seconds", timings->queue_ns);
	put_seconds(out, "compute_seconds", timings->compute_ns);
	put_seconds(out, "encode_seconds", timings_encode_ns(timings, now_ns));
	put_seconds(out, "total_seconds", now_ns - timings->start_ns);
	json_out_size_member(out, "bytes_in", timings->bytes_in);
	json_out_size_member(out, "threads", timings->threads);
	json_out_string_member(out, "isa", timings->isa);
	json_out_close(out, '}');
}

static void put_member(struct json_out *out, const char *key, const struct encoder_input *input,
		       void (*put)(struct json_out *out, const struct encoder_input *input))
{
	json_out_key(out, key);
	put(out, input);
}

/* ---------------------------------------------------------------- the encoder */

struct reply_json {
	struct encoder encoder; /* first: it is what the caller holds */
	struct encoder_input input;
	struct json_out out;
	size_t current; /* the output that is being written */
	bool named;     /* its name is */
	struct json_tensor_out tensor;
};

/* True when all outputs are written. */
static bool put_outputs(struct reply_json *reply, size_t n)
{
	const struct loss_result *result = reply->input.result;
	if (reply->current == result->n_outputs)
		return true;
	const struct loss_output *output = &result->outputs[reply->current];
	if (!reply->named) {
		json_out_key(&reply->out, output->name);
		json_tensor_out_start(&reply->tensor, &output->tensor);
	}
	reply->named = !json_out_tensor_piece(&reply->out, &reply->tensor, n);
	if (!reply->named)
		reply->current++;
	return false;
}

static void put_rest(struct reply_json *reply)
{
	const struct encoder_input *input = &reply->input;
	struct json_out *out = &reply->out;
	if (input->result->has_totals)
		put_member(out, "totals", input, reply_json_put_totals);
	if (input->result->n_warnings > 0)
		put_member(out, "warnings", input, reply_json_put_warnings);
	put_member(out, "metrics", input, reply_json_put_metrics);
	json_out_end(out, '}');
}

static enum encoder_end write_piece(struct encoder *encoder, struct encoded *encoded,
				    struct loss_error *err)
{
	struct reply_json *reply = (struct reply_json *)(void *)encoder;
	struct json_out *out = &reply->out;
	if (!out->buffer) {
		json_out_start(out, encoded->text);
		out->non_finite = reply->input.non_finite;
		json_out_open(out, '{');
	}
	/* Outputs without elements are a piece together with others. */
	size_t before = out->buffer->size;
	bool done = false;
	while (!done && !out->failed && out->buffer->size - before < ENCODER_PIECE_BYTES)
		done = put_outputs(reply, ENCODER_PIECE_ELEMENTS);
	if (done)
		put_rest(reply);
	if (out->failed) {
		loss_arena_failure(reply->input.arena, err);
		return ENCODER_FAILED;
	}
	return done ? ENCODER_DONE : ENCODER_MORE;
}

struct encoder *reply_json_create(const struct encoder_input *input)
{
	struct reply_json *reply = loss_arena_array(input->arena, struct reply_json, 1);
	if (!reply)
		return NULL;
	*reply = (struct reply_json){.encoder = {.write = write_piece}, .input = *input};
	for (size_t i = 0; i < input->result->n_outputs; i++)
		reply->encoder.elements += input->result->outputs[i].tensor.count;
	return &reply->encoder;
}
