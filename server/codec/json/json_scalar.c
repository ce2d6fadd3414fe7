#include "json_scalar.h"

static void fill_integer(const struct number *number, struct loss_value *value)
{
	uint64_t most = (uint64_t)INT64_MAX + number->negative;
	value->type = LOSS_VALUE_INTEGER;
	value->integer_overflow = !number->fits || number->magnitude > most;
	if (!value->integer_overflow)
		value->integer =
			(int64_t)(number->negative ? -number->magnitude : number->magnitude);
}

struct loss_value json_scalar(const struct json_token *token, char text[JSON_SHOWN_SIZE])
{
	struct loss_value value = {.type = LOSS_VALUE_OTHER, .text = text};
	struct json_token shown = *token;
	if (token->event == JSON_STRING)
		shown.event = JSON_KEY; /* without quotes */
	json_fault_show(&shown, text);
	switch (token->event) {
	case JSON_NULL:
		value.type = LOSS_VALUE_NULL;
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		value.type = LOSS_VALUE_BOOLEAN;
		value.boolean = token->event == JSON_TRUE;
		break;
	case JSON_STRING:
		value.type = LOSS_VALUE_STRING;
		break;
	case JSON_NUMBER:
		value.type = LOSS_VALUE_NUMBER;
		value.number = token->number.value;
		if (token->number.is_integer)
			fill_integer(&token->number, &value);
		break;
	default:
		break;
	}
	return value;
}
