#include "v2_memory.h"

#include "codec/json/control.h"
#include "codec/json/json_out.h"
#include "http/request.h"
#include "shm/shm.h"
#include "status/status.h"

static loss_status check_on(const struct request *request, struct loss_error *err)
{
	if (request->server->shm)
		return LOSS_OK;
	return loss_fail(err, STATUS_UNKNOWN_PATH, NULL,
			 "shared memory is switched off; the server's setting shm_key_prefix "
			 "switches it on");
}

static loss_status write_done(struct loss_buffer *out, struct loss_error *err)
{
	return loss_buffer_append(out, "{}\n", 3) ? LOSS_OK : loss_arena_failure(out->arena, err);
}

/* The region's name from the path, terminated; NULL when there is no memory. */
static const char *name_of(const struct request *request)
{
	const struct route_argument *name = &request->arguments[0];
	return loss_arena_printf(request->arena, "%.*s", (int)name->size, name->text);
}

/* ---------------------------------------------------------------- status */

static void put_region(struct json_out *out, const struct shm_region_info *info)
{
	json_out_open(out, '{');
	json_out_string_member(out, "name", info->name);
	json_out_string_member(out, "key", info->key);
	json_out_size_member(out, "offset", (size_t)info->offset);
	json_out_size_member(out, "byte_size", (size_t)info->byte_size);
	json_out_close(out, '}');
}

loss_status v2_memory_page(struct request *request, struct reply *reply, struct loss_error *err)
{
	struct json_out json;
	struct shm_region_info info;
	loss_status status = check_on(request, err);
	if (status != LOSS_OK)
		return status;
	json_out_start(&json, reply->text);
	json_out_open(&json, '[');
	for (size_t i = 0; shm_at(request->server->shm, i, &info); i++)
		put_region(&json, &info);
	json_out_end(&json, ']');
	return json.failed ? loss_arena_failure(reply->text->arena, err) : LOSS_OK;
}

loss_status v2_memory_region_page(struct request *request, struct reply *reply,
				  struct loss_error *err)
{
	struct json_out json;
	struct shm_region_info info;
	loss_status status = check_on(request, err);
	const char *name = name_of(request);
	if (status != LOSS_OK)
		return status;
	if (!name)
		return loss_arena_failure(request->arena, err);
	if (!shm_find(request->server->shm, name, &info))
		return loss_fail(err, STATUS_UNKNOWN_PATH, NULL,
				 "no region named \"%.80s\" is registered", name);
	json_out_start(&json, reply->text);
	json_out_open(&json, '[');
	put_region(&json, &info);
	json_out_end(&json, ']');
	return json.failed ? loss_arena_failure(reply->text->arena, err) : LOSS_OK;
}

/* ---------------------------------------------------------------- changes */

loss_status v2_memory_register_page(struct request *request, struct reply *reply,
				    struct loss_error *err)
{
	char key[SHM_NAME_MAX + 1];
	struct shm_registration wanted = {.name = name_of(request), .key = key};
	const struct control_field fields[] = {
		{"key", CONTROL_TEXT, true, key, sizeof key},
		{"offset", CONTROL_SIZE, false, &wanted.offset, 0},
		{"byte_size", CONTROL_SIZE, true, &wanted.byte_size, 0},
	};
	loss_status status = check_on(request, err);
	if (status == LOSS_OK)
		status = control_read(request->document, fields, sizeof fields / sizeof *fields,
				      err);
	if (status == LOSS_OK && !wanted.name)
		status = loss_arena_failure(request->arena, err);
	if (status == LOSS_OK)
		status = shm_register(request->server->shm, &wanted, err);
	return status == LOSS_OK ? write_done(reply->text, err) : status;
}

/* The document may be left out, and has no members. */
static loss_status check_empty(const struct request *request, struct loss_error *err)
{
	return control_read(request->document, NULL, 0, err);
}

static loss_status check_on_and_empty(const struct request *request, struct loss_error *err)
{
	loss_status status = check_on(request, err);
	return status == LOSS_OK ? check_empty(request, err) : status;
}

loss_status v2_memory_unregister_page(struct request *request, struct reply *reply,
				      struct loss_error *err)
{
	loss_status status = check_on_and_empty(request, err);
	if (status != LOSS_OK)
		return status;
	const char *name = name_of(request);
	if (!name)
		return loss_arena_failure(request->arena, err);
	shm_unregister(request->server->shm, name);
	return write_done(reply->text, err);
}

loss_status v2_memory_unregister_all_page(struct request *request, struct reply *reply,
					  struct loss_error *err)
{
	loss_status status = check_on_and_empty(request, err);
	if (status != LOSS_OK)
		return status;
	shm_unregister_all(request->server->shm);
	return write_done(reply->text, err);
}

loss_status v2_cuda_unregister_all_page(struct request *request, struct reply *reply,
					struct loss_error *err)
{
	loss_status status = check_empty(request, err);
	return status == LOSS_OK ? write_done(reply->text, err) : status;
}
