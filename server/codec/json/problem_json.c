#include "problem_json.h"

#include <stdio.h>

#include "json_out.h"
#include "status/status.h"

bool problem_json_write(struct loss_buffer *buffer, const struct loss_error *err,
			const char *pointer, const char *request_id)
{
	const struct loss_status_words *info = status_words(err->status);
	char type[96];
	snprintf(type, sizeof type, "/problems/%s", info->code);

	struct json_out out;
	json_out_start(&out, buffer);
	json_out_open(&out, '{');
	json_out_string_member(&out, "type", type);
	json_out_string_member(&out, "title", info->title);
	json_out_key(&out, "status");
	json_out_integer(&out, status_http(err->status));
	json_out_string_member(&out, "detail", err->detail);
	json_out_string_member(&out, "code", info->code);
	if (pointer[0] != '\0')
		json_out_string_member(&out, "pointer", pointer);
	json_out_string_member(&out, "request_id", request_id);
	json_out_end(&out, '}');
	return !out.failed;
}
