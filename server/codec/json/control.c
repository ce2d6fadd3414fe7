#include "control.h"

#include <stdio.h>
#include <string.h>

#include "json_fault.h"
#include "json_members.h"

struct reading {
	const struct control_field *fields;
	struct json_members members;
	const char *names[CONTROL_MAX_FIELDS];
	struct fault fault; /* none of syntax */
};

static const char *const kinds[] = {
	[CONTROL_TEXT] = "a string",
	[CONTROL_SIZE] = "a whole number from 0 to 2^64 - 1",
	[CONTROL_FLAG] = "true or false",
	[CONTROL_OBJECT] = "an object",
};

/* Where a fault is written; NULL where nobody would read it. */
static struct loss_error *refuse(struct reading *reading, loss_status status)
{
	return fault_claim(&reading->fault, status);
}

/* ---------------------------------------------------------------- members */

/* For messages: `"key", "offset" and "byte_size"`, as many as there are. */
static void list_names(const struct reading *reading, char *out, size_t size)
{
	size_t used = 0;
	out[0] = '\0';
	for (size_t i = 0; i < reading->members.n && used + JSON_TEXT_MAX < size; i++) {
		const char *before = i == 0 ? "" : i + 1 == reading->members.n ? " and " : ", ";
		used += (size_t)snprintf(out + used, size - used, "%s\"%s\"", before,
					 reading->names[i]);
	}
}

static void blame_key(struct reading *reading, const struct json_token *token)
{
	struct loss_error *err = refuse(reading, LOSS_UNKNOWN_FIELD);
	char names[JSON_TEXT_MAX * 2];
	if (!err)
		return;
	if (reading->members.n == 0) {
		loss_fail(err, LOSS_UNKNOWN_FIELD, token->text,
			  "there is a member \"%.80s\", but this document has none: send {}, or no "
			  "body",
			  token->text);
		return;
	}
	list_names(reading, names, sizeof names);
	loss_fail(err, LOSS_UNKNOWN_FIELD, token->text,
		  "there is no member \"%.80s\" here; there may be %s", token->text, names);
}

static bool take_text(const struct control_field *field, const struct json_token *token,
		      struct reading *reading)
{
	if (token->event != JSON_STRING)
		return false;
	if (token->cut || token->size >= field->size) {
		loss_fail(refuse(reading, LOSS_ARGUMENT_OUT_OF_RANGE), LOSS_ARGUMENT_OUT_OF_RANGE,
			  field->name, "\"%s\" is longer than %zu bytes", field->name,
			  field->size - 1);
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

static bool take(struct reading *reading, const struct control_field *field,
		 const struct json_token *token)
{
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
	const struct control_field *field = &reading->fields[reading->members.selected];
	struct loss_error *err;
	char shown[JSON_SHOWN_SIZE];
	if (reading->members.level > 0 || take(reading, field, token) ||
	    !(err = refuse(reading, LOSS_WRONG_TYPE)))
		return;
	json_fault_show(token, shown);
	loss_fail(err, LOSS_WRONG_TYPE, field->name, "\"%s\" must be %s, not %s", field->name,
		  kinds[field->type], shown);
}

/* ---------------------------------------------------------------- the document */

static void on_token(void *context, const struct json_token *token)
{
	struct reading *reading = context;
	switch (json_members_take(&reading->members, token)) {
	case JSON_MEMBERS_NO_OBJECT:
		loss_fail(refuse(reading, LOSS_WRONG_TYPE), LOSS_WRONG_TYPE, NULL,
			  "the body must be a JSON object: {\"member\": value, ...}");
		break;
	case JSON_MEMBERS_UNKNOWN:
		blame_key(reading, token);
		break;
	case JSON_MEMBERS_TWICE:
		loss_fail(refuse(reading, LOSS_DUPLICATE_FIELD), LOSS_DUPLICATE_FIELD, token->text,
			  "\"%s\" stands there twice", token->text);
		break;
	case JSON_MEMBERS_VALUE:
		take_value(reading, token);
		break;
	default:
		break;
	}
}

static void check_required(struct reading *reading)
{
	for (size_t i = 0; i < reading->members.n; i++) {
		const struct control_field *field = &reading->fields[i];
		if (field->required && !json_members_has(&reading->members, i))
			loss_fail(refuse(reading, LOSS_MISSING_FIELD), LOSS_MISSING_FIELD,
				  field->name, "\"%s\" is missing; it must be %s", field->name,
				  kinds[field->type]);
	}
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
	struct reading reading = {.fields = fields};
	for (size_t i = 0; i < n; i++)
		reading.names[i] = fields[i].name;
	json_members_start(&reading.members, reading.names, n);
	loss_status status = body ? scan(body, &reading, err) : LOSS_OK;
	if (status != LOSS_OK)
		return status;
	check_required(&reading);
	return fault_report(&reading.fault, err);
}
