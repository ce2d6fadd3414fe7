#include "json_fault.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "status/status.h"

void json_fault_copy(char *out, size_t size, const char *text, size_t n)
{
	bool cut = n >= size;
	n = cut ? size - 1 : n;
	while (cut && n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	memcpy(out, text, n);
	out[n] = '\0';
}

struct loss_error *json_fault_claim(struct json_fault *fault, loss_status status, const char *field,
				    const char *member)
{
	struct loss_error *kept = fault_claim_field(&fault->kept, status, field);
	if (kept && member)
		fault_set_member(&fault->kept, kept, member);
	return kept;
}

void json_fault_label(char out[JSON_LABEL_SIZE], const char *list, size_t i)
{
	char *end = stpcpy(out, list);
	*end++ = '[';
	end += number_format_u64(i, end);
	memcpy(end, "]", sizeof "]");
}

/* ---------------------------------------------------------------- pointers */

struct writer {
	char *out;
	size_t size, used;
};

/* Writes all of text or none of it. */
static void write_text(struct writer *w, const char *text)
{
	size_t n = strlen(text);
	if (n >= w->size - w->used)
		return;
	memcpy(w->out + w->used, text, n + 1);
	w->used += n;
}

/* A reference token (RFC 6901, section 3). */
static void write_name(struct writer *w, const char *name)
{
	write_text(w, "/");
	for (; *name; name++) {
		const char plain[] = {*name, '\0'};
		write_text(w, *name == '~' ? "~0" : *name == '/' ? "~1" : plain);
	}
}

static void write_index(struct writer *w, size_t index)
{
	char text[24];
	snprintf(text, sizeof text, "/%zu", index);
	write_text(w, text);
}

void json_fault_pointer(const struct json_fault *fault, const struct loss_error *err,
			enum json_form form, char *out, size_t size)
{
	bool typed = form != JSON_NESTED;
	struct writer w = {out, size, 0};
	out[0] = '\0';
	if (err->field[0] == '\0')
		return;
	const char *member = fault_member(&fault->kept, err);
	bool in_member = *member != '\0';
	if (!in_member && (!err->has_index || (err->index_rank == 0 && !typed))) {
		write_text(&w,
			   err->field); /* the whole of a tensor or an argument goes by its name */
		return;
	}
	write_name(&w, err->field);
	if (in_member)
		write_name(&w, member);
	else if (typed && err->has_index)
		write_text(&w, form == JSON_BASE64 ? "/base64" : "/data");
	if (!err->has_index || (form == JSON_BASE64 && !in_member))
		return;
	if (typed && !in_member && err->index_rank > 0)
		write_index(&w, err->flat_index);
	for (int i = 0; (!typed || in_member) && i < err->index_rank; i++)
		write_index(&w, err->index[i]);
}

/* ---------------------------------------------------------------- values in messages */

#define NOT_A_NUMBER "; what is not a number is written NaN or \"NaN\""

/* As other languages write what is not finite; without case. */
static const struct {
	const char *text, *advice;
} numbers[] = {
	{"nan", "; it is written NaN or \"NaN\""},
	{"+nan", "; it is written NaN"},
	{"-nan", "; it is written NaN"},
	{"inf", "; it is written Infinity"},
	{"+inf", "; it is written Infinity"},
	{"infinity", "; it is written Infinity"},
	{"+infinity", "; it is written Infinity"},
	{"-inf", "; it is written -Infinity"},
	{"-infinity", "; it is written -Infinity"},
	{"none", NOT_A_NUMBER},
	{"null", NOT_A_NUMBER},
};

const char *json_fault_number(const struct json_token *token)
{
	if (token->event == JSON_NULL)
		return NOT_A_NUMBER;
	if (token->event != JSON_STRING)
		return "";
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		if (strcasecmp(numbers[i].text, token->text) == 0)
			return numbers[i].advice;
	bool digits = token->size > 0 && strspn(token->text, "+-.0123456789eE") == token->size;
	return digits ? "; a number stands without quotes" : "";
}

void json_fault_show(const struct json_token *token, char out[JSON_SHOWN_SIZE])
{
	char text[64];
	switch (token->event) {
	case JSON_OBJECT:
		snprintf(out, JSON_SHOWN_SIZE, "an object");
		return;
	case JSON_ARRAY:
		snprintf(out, JSON_SHOWN_SIZE, "an array");
		return;
	default:
		break;
	}
	bool quoted = token->event == JSON_STRING;
	bool cut = token->cut || token->size >= sizeof text;
	json_fault_copy(text, sizeof text, token->text, token->size);
	snprintf(out, JSON_SHOWN_SIZE, "%s%s%s%s", quoted ? "\"" : "", text, cut ? "..." : "",
		 quoted ? "\"" : "");
}
