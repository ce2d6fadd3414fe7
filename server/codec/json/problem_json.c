#include "problem_json.h"

#include <stdio.h>

#include "json_out.h"
#include "status/status.h"

static void put_pointer(struct json_out *out, const struct loss_error *err,
			const struct problem_origin *origin)
{
	char pointer[256] = "";
	if (origin->point && err->field[0] != '\0')
		origin->point(origin->context, err, pointer, sizeof pointer);
	if (pointer[0] != '\0')
		json_out_string_member(out, "pointer", pointer);
}

static void put_errors(struct json_out *out, const struct loss_error *err,
		       const struct problem_origin *origin)
{
	json_out_key(out, "errors");
	json_out_open(out, '[');
	for (; err; err = err->more) {
		json_out_open(out, '{');
		json_out_string_member(out, "code", status_words(err->status)->code);
		json_out_string_member(out, "detail", err->detail);
		put_pointer(out, err, origin);
		json_out_close(out, '}');
	}
	json_out_close(out, ']');
}

bool problem_json_write(struct loss_buffer *buffer, const struct loss_error *err,
			const struct problem_origin *origin)
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
	put_pointer(&out, err, origin);
	if (origin->line > 0)
		json_out_size_member(&out, "line", origin->line);
	put_errors(&out, err, origin);
	json_out_string_member(&out, "request_id", origin->request_id);
	json_out_end(&out, '}');
	return !out.failed;
}
