#include "problem_json.h"

#include <stdio.h>

#include "json_out.h"

static void put_member(struct json_out *out, const char *key, const char *text)
{
	json_out_key(out, key);
	json_out_string(out, text);
}

bool problem_json_write(struct loss_buffer *buffer, const struct loss_error *err,
			const char *pointer, const char *request_id)
{
	const struct loss_status_info *info = loss_status_info(err->status);
	char type[96];
	snprintf(type, sizeof type, "/problems/%s", info->code);

	struct json_out out;
	json_out_start(&out, buffer);
	json_out_open(&out, '{');
	put_member(&out, "type", type);
	put_member(&out, "title", info->title);
	json_out_key(&out, "status");
	json_out_integer(&out, info->http);
	put_member(&out, "detail", err->detail);
	put_member(&out, "code", info->code);
	if (pointer[0] != '\0')
		put_member(&out, "pointer", pointer);
	put_member(&out, "request_id", request_id);
	json_out_close(&out, '}');
	return !out.failed;
}
