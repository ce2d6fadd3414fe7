#include "reply_json.h"

static void put_seconds(struct json_out *out, const char *key, uint64_t ns)
{
	json_out_key(out, key);
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
	json_out_open(out, '{');
	put_seconds(out, "receive_seconds", timings->receive_ns);
	put_seconds(out, "decode_seconds", timings->decode_ns);
	put_seconds(out, "queue_seconds", timings->queue_ns);
	put_seconds(out, "compute_seconds", timings->compute_ns);
	put_seconds(out, "encode_seconds", timings->encode_ns);
	put_seconds(out, "total_seconds", timings->total_ns);
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

loss_status reply_json_encode(const struct encoder_input *input, struct encoded *encoded,
			      struct loss_error *err)
{
	const struct loss_result *result = input->result;
	struct timings *timings = input->timings;
	uint64_t begin_ns = clock_ns();
	struct json_out out;
	json_out_start(&out, encoded->body);
	json_out_open(&out, '{');
	for (size_t i = 0; i < result->n_outputs; i++) {
		json_out_key(&out, result->outputs[i].name);
		json_out_tensor(&out, &result->outputs[i].tensor);
	}
	if (result->has_totals)
		put_member(&out, "totals", input, reply_json_put_totals);
	if (result->n_warnings > 0)
		put_member(&out, "warnings", input, reply_json_put_warnings);
	uint64_t now_ns = clock_ns();
	timings->encode_ns = now_ns - begin_ns;
	timings->total_ns = now_ns - timings->start_ns;
	put_member(&out, "metrics", input, reply_json_put_metrics);
	json_out_close(&out, '}');
	return out.failed ? loss_arena_failure(encoded->body->arena, err) : LOSS_OK;
}
