#include "v2_pages.h"

#include "codec/json/control.h"
#include "codec/json/json_out.h"
#include "http/readiness.h"
#include "http/request.h"
#include "metrics/metrics.h"
#include "v2_model.h"

/* The appending functions' one failure. */
static loss_status written(bool ok, const struct loss_buffer *out, struct loss_error *err)
{
	return ok ? LOSS_OK : loss_arena_failure(out->arena, err);
}

/* ---------------------------------------------------------------- the server */

loss_status v2_server_page(struct request *request, struct reply *reply, struct loss_error *err)
{
	struct json_out json;
	json_out_start(&json, reply->text);
	json_out_open(&json, '{');
	json_out_string_member(&json, "name", "lossd");
	json_out_string_member(&json, "version", LOSS_VERSION);
	json_out_key(&json, "extensions");
	json_out_open(&json, '[');
	json_out_string(&json, "binary_tensor_data");
	json_out_string(&json, "statistics");
	json_out_string(&json, "model_repository");
	if (request->server->shm)
		json_out_string(&json, "system_shared_memory");
	json_out_close(&json, ']');
	json_out_end(&json, '}');
	return written(!json.failed, reply->text, err);
}

static loss_status write_flag(struct loss_buffer *out, const char *name, bool value,
			      struct loss_error *err)
{
	struct json_out json;
	json_out_start(&json, out);
	json_out_open(&json, '{');
	json_out_key(&json, name);
	json_out_boolean(&json, value);
	json_out_end(&json, '}');
	return written(!json.failed, out, err);
}

loss_status v2_live_page(struct request *request, struct reply *reply, struct loss_error *err)
{
	(void)request;
	return write_flag(reply->text, "live", true, err);
}

loss_status v2_ready_page(struct request *request, struct reply *reply, struct loss_error *err)
{
	bool ready = readiness_look(request->server);
	if (!ready)
		reply->status = 503;
	return write_flag(reply->text, "ready", ready, err);
}

/* ---------------------------------------------------------------- models */

loss_status v2_model_page(struct request *request, struct reply *reply, struct loss_error *err)
{
	return written(v2_write_metadata(reply->text, request->loss), reply->text, err);
}

loss_status v2_config_page(struct request *request, struct reply *reply, struct loss_error *err)
{
	return written(v2_write_config(reply->text, request->loss), reply->text, err);
}

/* A model is ready when the server is. */
loss_status v2_model_ready_page(struct request *request, struct reply *reply,
				struct loss_error *err)
{
	struct json_out json;
	bool ready = readiness_look(request->server);
	if (!ready)
		reply->status = 503;
	json_out_start(&json, reply->text);
	json_out_open(&json, '{');
	json_out_string_member(&json, "name", request->loss->name);
	json_out_key(&json, "ready");
	json_out_boolean(&json, ready);
	json_out_end(&json, '}');
	return written(!json.failed, reply->text, err);
}

/* ---------------------------------------------------------------- statistics */

static void put_count(struct json_out *out, const char *key, uint64_t count, uint64_t ns)
{
	json_out_key(out, key);
	json_out_open(out, '{');
	json_out_size_member(out, "count", (size_t)count);
	json_out_size_member(out, "ns", (size_t)ns);
	json_out_close(out, '}');
}

static void put_list(struct json_out *out, const char *key)
{
	json_out_key(out, key);
	json_out_open(out, '[');
	json_out_close(out, ']');
}

/* Nothing is batched, and nothing cached: an execution is one inference. */
static void put_stats(struct json_out *out, const struct loss_info *loss)
{
	struct metrics_inferences sum;
	metrics_inferences(loss, &sum);
	json_out_open(out, '{');
	json_out_string_member(out, "name", loss->name);
	json_out_string_member(out, "version", V2_VERSION);
	json_out_size_member(out, "last_inference", (size_t)sum.last_ms);
	json_out_size_member(out, "inference_count", (size_t)sum.success);
	json_out_size_member(out, "execution_count", (size_t)sum.success);
	json_out_key(out, "inference_stats");
	json_out_open(out, '{');
	put_count(out, "success", sum.success, sum.success_ns);
	put_count(out, "fail", sum.fail, sum.fail_ns);
	put_count(out, "queue", sum.success, sum.queue_ns);
	put_count(out, "compute_input", sum.success, sum.input_ns);
	put_count(out, "compute_infer", sum.success, sum.infer_ns);
	put_count(out, "compute_output", sum.success, sum.output_ns);
	put_count(out, "cache_hit", 0, 0);
	put_count(out, "cache_miss", 0, 0);
	json_out_close(out, '}');
	put_list(out, "batch_stats");
	put_list(out, "memory_usage");
	json_out_close(out, '}');
}

/* Of one loss, or of all (NULL). */
static loss_status write_stats(const struct loss_info *only, struct loss_buffer *out,
			       struct loss_error *err)
{
	struct json_out json;
	const struct loss_info *loss;
	json_out_start(&json, out);
	json_out_open(&json, '{');
	json_out_key(&json, "model_stats");
	json_out_open(&json, '[');
	for (size_t i = 0; (loss = loss_at(i)); i++)
		if (!only || only == loss)
			put_stats(&json, loss);
	json_out_close(&json, ']');
	json_out_end(&json, '}');
	return written(!json.failed, out, err);
}

loss_status v2_stats_page(struct request *request, struct reply *reply, struct loss_error *err)
{
	return write_stats(request->loss, reply->text, err);
}

loss_status v2_all_stats_page(struct request *request, struct reply *reply, struct loss_error *err)
{
	(void)request;
	return write_stats(NULL, reply->text, err);
}

/* ---------------------------------------------------------------- the repository */

static void put_index_entry(struct json_out *out, const struct loss_info *loss)
{
	json_out_open(out, '{');
	json_out_string_member(out, "name", loss->name);
	json_out_string_member(out, "version", V2_VERSION);
	json_out_string_member(out, "state", "READY");
	json_out_string_member(out, "reason", "");
	json_out_close(out, '}');
}

/* {"ready": true} leaves out those that are not ready, of which there are none. */
loss_status v2_index_page(struct request *request, struct reply *reply, struct loss_error *err)
{
	bool ready;
	const struct control_field fields[] = {{"ready", CONTROL_FLAG, false, &ready, 0}};
	loss_status status = control_read(request->document, fields, 1, err);
	if (status != LOSS_OK)
		return status;
	struct json_out json;
	const struct loss_info *loss;
	json_out_start(&json, reply->text);
	json_out_open(&json, '[');
	for (size_t i = 0; (loss = loss_at(i)); i++)
		put_index_entry(&json, loss);
	json_out_end(&json, ']');
	return written(!json.failed, reply->text, err);
}

loss_status v2_load_page(struct request *request, struct reply *reply, struct loss_error *err)
{
	static const struct control_field fields[] = {
		{"parameters", CONTROL_OBJECT, false, NULL, 0}};
	loss_status status = control_read(request->document, fields, 1, err);
	if (status != LOSS_OK)
		return status;
	return written(loss_buffer_append(reply->text, "{}\n", 3), reply->text, err);
}
