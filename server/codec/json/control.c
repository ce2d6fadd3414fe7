#include "control.h"

#include <stdio.h>
#include <string.h>

#include "json_fault.h"
#include "json_scan.h"
#include "status/status.h"

struct reading {
	const struct control_field *fields;
	size_t n;
	const struct control_field *field; /* whose value comes next */
	bool seen[CONTROL_MAX_FIELDS];     /* by a member, whatever its value */
	bool given[CONTROL_MAX_FIELDS];
	unsigned depth;
	struct loss_error error; /* the first that is not one of syntax */
};

static const char *const kinds[] = {
	[CONTROL_TEXT] = "a string",
	[CONTROL_SIZE] = "a whole number from 0 to 2^64 - 1",
	[CONTROL_FLAG] = "true or false",
	[CONTROL_OBJECT] = "an object",
};

/* Where an error is written; NULL once there is one. */
static struct loss_error *refuse(struct reading *reading)
{
	return reading->error.status == LOSS_OK ? &reading->error : NULL;
}

/* ---------------------------------------------------------------- members */

/* For messages: `"key", "offset" and "byte_size"`, as many as there are. */
static void list_names(const struct reading *reading, char *out, size_t size)
{
	size_t used = 0;
	out[0] = '\0';
	for (size_t i = 0; i < reading->n && used + JSON_TEXT_MAX < size; i++) {
		const char *before = i == 0 ? "" : i + 1 == reading->n ? " and " : ", ";
		used += (size_t)snprintf(out + used, size - used, "%s\"%s\"", before,
					 reading->fields[i].name);
	}
}

static void blame_key(struct reading *reading, const struct json_token *token)
{
	struct loss_error *err = refuse(reading);
	char names[JSON_TEXT_MAX * 2];
	if (!err)
		return;
	list_names(reading, names, sizeof names);
	loss_fail(err, LOSS_UNKNOWN_FIELD, token->text,
		  "there is no member \"%.80s\" here; there may be %s", token->text, names);
}

static void take_key(struct reading *reading, const struct json_token *token)
{
	reading->field = NULL;
	for (size_t i = 0; i < reading->n; i++)
		if (strcmp(reading->fields[i].name, token->text) == 0)
			reading->field = &reading->fields[i];
	if (!reading->field) {
		blame_key(reading, token);
		return;
	}
	bool *seen = &reading->seen[reading->field - reading->fields];
	if (*seen)
		loss_fail(refuse(reading), LOSS_DUPLICATE_FIELD, token->text,
			  "\"%s\" stands there twice", token->text);
	*seen = true;
}

static bool take_text(const struct control_field *field, const struct json_token *token,
		      struct reading *reading)
{
	if (token->event != JSON_STRING)
		return false;
	if (token->cut || token->size >= field->size) {
		loss_fail(refuse(reading), LOSS_ARGUMENT_OUT_OF_RANGE, field->name,
			  "\"%s\" is longer than %zu bytes", field->name, field->size - 1);
		return true;
	}
	memcpy(field->value, token->text, token->size + 1);
	return true;
}

static bool take_size(const struct control_field *field, const struct json_token *token)
{
	const struct number *number = &token->number;
	bool good = token->event == JSON_NUMBER && number->is_integer && number->fits &&
		    (!number->negative || number->magnitude == 0);
	if (good)
		*(uint64_t *)field->value = number->magnitude;
	return good;
}

static bool take_flag(const struct control_field *field, const struct json_token *token)
{
	if (token->event != JSON_TRUE && token->event != JSON_FALSE)
		return false;
	*(bool *)field->value = token->event == JSON_TRUE;
	return true;
}

static bool take(struct reading *reading, const struct json_token *token)
{
	const struct control_field *field = reading->field;
	switch (field->type) {
	case CONTROL_TEXT:
		return take_text(field, token, reading);
	case CONTROL_SIZE:
		return take_size(field, token);
	case CONTROL_FLAG:
		return take_flag(field, token);
	case CONTROL_OBJECT:
		return token->event == JSON_OBJECT;
	}
	return false;
}

static void take_value(struct reading *reading, const struct json_token *token)
{
	struct loss_error *err;
	char shown[JSON_SHOWN_SIZE];
	if (!reading->field || token->event == JSON_NULL)
		return;
	reading->given[reading->field - reading->fields] = true;
	if (take(reading, token) || !(err = refuse(reading)))
		return;
	json_fault_show(token, shown);
	loss_fail(err, LOSS_WRONG_TYPE, reading->field->name, "\"%s\" must be %s, not %s",
		  reading->field->name, kinds[reading->field->type], shown);
}

/* ---------------------------------------------------------------- the document */

static bool opens(enum json_event event)
{
	return event == JSON_OBJECT || event == JSON_ARRAY;
}

static void on_token(void *context, const struct json_token *token)
{
	struct reading *reading = (struct reading *)context;
	if (token->event == JSON_OBJECT_END || token->event == JSON_ARRAY_END) {
		reading->depth--;
		return;
	}
	if (reading->depth == 0 && token->event != JSON_OBJECT)
		loss_fail(refuse(reading), LOSS_WRONG_TYPE, NULL,
			  "the body must be a JSON object: {\"member\": value, ...}");
	else if (reading->depth == 1 && token->event == JSON_KEY)
		take_key(reading, token);
	else if (reading->depth == 1)
		take_value(reading, token);
	reading->depth += opens(token->event);
}

static loss_status check_required(struct reading *reading)
{
	for (size_t i = 0; i < reading->n; i++)
		if (reading->fields[i].required && !reading->given[i])
			loss_fail(refuse(reading), LOSS_MISSING_FIELD, reading->fields[i].name,
				  "\"%s\" is missing; it must be %s", reading->fields[i].name,
				  kinds[reading->fields[i].type]);
	return reading->error.status;
}

static loss_status scan(const struct loss_buffer *body, struct reading *reading,
			struct loss_error *err)
{
	const struct json_scan_owner owner = {.token = on_token, .context = reading};
	struct json_scan scan;
	json_scan_start(&scan, body->arena, &owner);
	json_scan_feed(&scan, (const char *)body->data, body->size);
	loss_status status = json_scan_finish(&scan, err);
	return status == STATUS_EMPTY_BODY ? LOSS_OK : status;
}

loss_status control_read(const struct loss_buffer *body, const struct control_field *fields,
			 size_t n, struct loss_error *err)
{
	struct reading reading = {.fields = fields, .n = n};
	loss_status status = body ? scan(body, &reading, err) : LOSS_OK;
	if (status != LOSS_OK)
		return status;
	status = check_required(&reading);
	if (err && status != LOSS_OK)
		*err = reading.error;
	return status;
}
