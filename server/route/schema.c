#include "schema.h"

#include <stdio.h>
#include <string.h>

#define DIALECT "https://json-schema.org/draft/2020-12/schema"

/* ---------------------------------------------------------------- words of JSON Schema */

static void open_object(struct json_out *out, const char *key)
{
	json_out_key(out, key);
	json_out_open(out, '{');
}

static void open_list(struct json_out *out, const char *key)
{
	json_out_key(out, key);
	json_out_open(out, '[');
}

static void put_number(struct json_out *out, const char *key, double value)
{
	json_out_key(out, key);
	json_out_f64(out, value);
}

static void put_raw(struct json_out *out, const char *key, const char *json)
{
	json_out_key(out, key);
	json_out_raw(out, json);
}

static void put_reference(struct json_out *out, const char *name)
{
	char text[64];
	snprintf(text, sizeof text, "#/$defs/%s", name);
	json_out_open(out, '{');
	json_out_string_member(out, "$ref", text);
	json_out_close(out, '}');
}

/* Definitions whose text is always the same; JSON. */
struct definition {
	const char *name, *json;
};

#define WORDS "\"NaN\",\"Infinity\",\"-Infinity\""
#define ARRAYS_OF(what, name)                                                                      \
	"{\"type\":\"array\",\"items\":{\"anyOf\":[{\"$ref\":\"#/$defs/" what                      \
	"\"},{\"$ref\":\"#/$defs/" name "\"}]}}"

#define SHAPE "{\"type\":\"array\",\"maxItems\":8,\"items\":{\"type\":\"integer\",\"minimum\":0}}"
#define BASE64 "{\"type\":\"string\",\"contentEncoding\":\"base64\"}"

static const struct definition request_definitions[] = {
	{"number", "{\"anyOf\":[{\"type\":\"number\"},{\"enum\":[" WORDS "]}]}"},
	{"boolean", "{\"enum\":[true,false,0,1]}"},
	{"numbers", ARRAYS_OF("number", "numbers")},
	{"booleans", ARRAYS_OF("boolean", "booleans")},
	{"shape", SHAPE},
	{NULL, NULL},
};

static const struct definition reply_definitions[] = {
	{"number", "{\"anyOf\":[{\"type\":[\"number\",\"null\"]},{\"enum\":[" WORDS "]}]}"},
	{"integer", "{\"type\":\"integer\"}"},
	{"boolean", "{\"type\":\"boolean\"}"},
	{"count", "{\"type\":\"integer\",\"minimum\":0}"},
	{"seconds", "{\"type\":\"number\",\"minimum\":0}"},
	{"string", "{\"type\":\"string\"}"},
	{"numbers", ARRAYS_OF("number", "numbers")},
	{"integers", ARRAYS_OF("integer", "integers")},
	{"booleans", ARRAYS_OF("boolean", "booleans")},
	{"shape", SHAPE},
	{"bytes",
	 "{\"type\":\"object\",\"properties\":{\"dtype\":{\"type\":\"string\"},\"shape\":{\"$ref\":"
	 "\"#/$defs/shape\"},\"base64\":" BASE64 "},\"required\":[\"dtype\",\"shape\",\"base64\"],"
	 "\"additionalProperties\":false}"},
	{NULL, NULL},
};

static void put_definitions(struct json_out *out, const struct definition *definition)
{
	open_object(out, "$defs");
	for (; definition->name; definition++) {
		json_out_key(out, definition->name);
		json_out_raw(out, definition->json);
	}
	json_out_close(out, '}');
}

static void open_schema(struct json_out *out, const struct loss_info *loss, const char *of)
{
	char title[128];
	snprintf(title, sizeof title, "%s: %s", loss->name, of);
	json_out_open(out, '{');
	json_out_string_member(out, "$schema", DIALECT);
	json_out_string_member(out, "title", title);
	json_out_string_member(out, "type", "object");
	open_object(out, "properties");
}

/* After the properties and what is required of them. */
static void close_schema(struct json_out *out, const struct definition *definitions)
{
	json_out_key(out, "additionalProperties");
	json_out_boolean(out, false);
	put_definitions(out, definitions);
	json_out_close(out, '}');
}

/* ---------------------------------------------------------------- the request */

/* Of a typed tensor, whatever its dtype. */
static const char *elements_of(const struct loss_tensor_info *tensor)
{
	if (tensor->kinds == LOSS_KIND_BOOLEAN)
		return "{\"$ref\":\"#/$defs/boolean\"}";
	if (tensor->dtypes & LOSS_DTYPE_BIT(LOSS_BOOL))
		return "{\"anyOf\":[{\"$ref\":\"#/$defs/number\"},{\"type\":\"boolean\"}]}";
	return "{\"$ref\":\"#/$defs/number\"}";
}

static void put_typed(struct json_out *out, const struct loss_tensor_info *tensor)
{
	json_out_open(out, '{');
	json_out_string_member(out, "type", "object");
	open_object(out, "properties");
	open_object(out, "dtype");
	open_list(out, "enum");
	for (int dtype = 0; dtype < LOSS_N_DTYPES; dtype++)
		if (tensor->dtypes & LOSS_DTYPE_BIT(dtype))
			json_out_string(out, loss_dtype_info((loss_dtype)dtype)->name);
	json_out_close(out, ']');
	json_out_close(out, '}');
	json_out_key(out, "shape");
	put_reference(out, "shape");
	open_object(out, "data");
	json_out_string_member(out, "type", "array");
	put_raw(out, "items", elements_of(tensor));
	json_out_close(out, '}');
	put_raw(out, "base64", BASE64);
	json_out_close(out, '}');
	put_raw(out, "required", "[\"dtype\",\"shape\"]");
	put_raw(out, "oneOf", "[{\"required\":[\"data\"]},{\"required\":[\"base64\"]}]");
	json_out_key(out, "additionalProperties");
	json_out_boolean(out, false);
	json_out_close(out, '}');
}

static void put_tensor(struct json_out *out, const struct loss_info *loss, size_t i)
{
	const struct loss_tensor_info *tensor = &loss->tensors[i];
	bool booleans = tensor->kinds == LOSS_KIND_BOOLEAN;
	char shape[LOSS_PHRASE_CHARS], text[LOSS_PHRASE_CHARS + 256];
	loss_describe_tensor_shape(loss, i, shape, sizeof shape);
	snprintf(text, sizeof text, "%.240s Shape: %s.", tensor->help, shape);
	open_object(out, tensor->name);
	json_out_string_member(out, "description", text);
	open_list(out, "anyOf");
	put_reference(out, booleans ? "boolean" : "number");
	put_reference(out, booleans ? "booleans" : "numbers");
	put_typed(out, tensor);
	if (!tensor->required)
		json_out_raw(out, "{\"type\":\"null\"}");
	json_out_close(out, ']');
	json_out_close(out, '}');
}

/* Those of int64 are no doubles. */
static void put_range(struct json_out *out, const struct loss_range *range)
{
	if (range->min == 0.0 && range->max == 0.0)
		return;
	if (range->min == -0x1p63)
		put_raw(out, "minimum", "-9223372036854775808");
	else
		put_number(out, range->min_excluded ? "exclusiveMinimum" : "minimum", range->min);
	if (range->max == 0x1p63)
		put_raw(out, "maximum", "9223372036854775807");
	else
		put_number(out, range->max_excluded ? "exclusiveMaximum" : "maximum", range->max);
	if (!range->zero_excluded)
		return;
	put_raw(out, "not", "{\"const\":0}");
}

static void put_argument(struct json_out *out, const struct loss_argument_info *argument)
{
	static const char *const types[] = {
		[LOSS_ARGUMENT_BOOLEAN] = "[\"boolean\",\"null\"]",
		[LOSS_ARGUMENT_INTEGER] = "[\"integer\",\"null\"]",
		[LOSS_ARGUMENT_NUMBER] = "[\"number\",\"null\"]",
		[LOSS_ARGUMENT_CHOICE] = "[\"string\",\"null\"]",
	};
	open_object(out, argument->name);
	json_out_string_member(out, "description", argument->help);
	put_raw(out, "type", types[argument->type]);
	if (argument->type == LOSS_ARGUMENT_CHOICE) {
		open_list(out, "enum");
		for (const char *const *choice = argument->choices; *choice; choice++)
			json_out_string(out, *choice);
		json_out_raw(out, "null");
		json_out_close(out, ']');
	}
	put_range(out, &argument->range);
	put_raw(out, "default", argument->default_json);
	json_out_close(out, '}');
}

static void put_outputs(struct json_out *out, const struct loss_info *loss)
{
	open_object(out, "outputs");
	json_out_string_member(out, "description",
			       "what the reply is to have, in this order; the first of them "
			       "without it");
	put_raw(out, "type", "[\"array\",\"null\"]");
	open_object(out, "items");
	open_list(out, "enum");
	for (size_t i = 0; i < loss->n_outputs; i++)
		json_out_string(out, loss->outputs[i]->name);
	json_out_close(out, ']');
	json_out_close(out, '}');
	json_out_key(out, "uniqueItems");
	json_out_boolean(out, true);
	json_out_close(out, '}');
}

static void put_style(struct json_out *out, const struct style_info *style)
{
	open_object(out, style->name);
	json_out_string_member(out, "description", style->help);
	open_list(out, "enum");
	for (const char *const *word = style->words; *word; word++)
		json_out_string(out, *word);
	json_out_raw(out, "null");
	json_out_close(out, ']');
	json_out_string_member(out, "default", style->words[0]);
	json_out_close(out, '}');
}

void schema_put_request(struct json_out *out, const struct loss_info *loss)
{
	open_schema(out, loss, "a problem");
	for (size_t i = 0; i < loss->n_tensors; i++)
		put_tensor(out, loss, i);
	for (size_t i = 0; i < loss->n_arguments; i++)
		put_argument(out, loss->arguments[i]);
	put_outputs(out, loss);
	for (size_t i = 0; i < N_STYLE_ARGUMENTS; i++)
		put_style(out, &style_arguments[i]);
	json_out_close(out, '}');
	open_list(out, "required");
	for (size_t i = 0; i < loss->n_tensors; i++)
		if (loss->tensors[i].required)
			json_out_string(out, loss->tensors[i].name);
	json_out_close(out, ']');
	close_schema(out, request_definitions);
}

/* ---------------------------------------------------------------- the reply */

/* A member, and the definition that it is of. */
struct member {
	const char *name, *is;
};

/* With state where it was asked for. */
#define N_TOTALS 5
static const struct member totals[] = {
	{"loss_sum", "number"}, {"denominator", "number"}, {"rows", "count"}, {"counted", "count"},
	{"ignored", "count"},   {"state", "string"},       {NULL, NULL},
};

static const struct member metrics[] = {
	{"receive_seconds", "seconds"},
	{"decode_seconds", "seconds"},
	{"queue_seconds", "seconds"},
	{"compute_seconds", "seconds"},
	{"encode_seconds", "seconds"},
	{"total_seconds", "seconds"},
	{"bytes_in", "count"},
	{"threads", "count"},
	{"isa", "string"},
	{NULL, NULL},
};

/* The first n of them are there, others may be, and no more. */
static void put_members(struct json_out *out, const char *name, const struct member *members,
			size_t n)
{
	open_object(out, name);
	json_out_string_member(out, "type", "object");
	open_object(out, "properties");
	for (const struct member *member = members; member->name; member++) {
		json_out_key(out, member->name);
		put_reference(out, member->is);
	}
	json_out_close(out, '}');
	open_list(out, "required");
	for (size_t i = 0; i < n; i++)
		json_out_string(out, members[i].name);
	json_out_close(out, ']');
	json_out_key(out, "additionalProperties");
	json_out_boolean(out, false);
	json_out_close(out, '}');
}

/* A scalar, or nested arrays: which of the two follows from the request. */
static void put_output(struct json_out *out, const struct loss_output_info *output)
{
	static const struct member forms[] = {
		[LOSS_DTYPE_OF_RESULTS] = {"number", "numbers"},
		[LOSS_DTYPE_OF_INPUT] = {"number", "numbers"},
		[LOSS_DTYPE_F64] = {"number", "numbers"},
		[LOSS_DTYPE_I64] = {"integer", "integers"},
		[LOSS_DTYPE_BOOL] = {"boolean", "booleans"},
	};
	open_object(out, output->name);
	json_out_string_member(out, "description", output->help);
	open_list(out, "anyOf");
	put_reference(out, forms[output->dtype].name);
	if (output->extent != LOSS_EXTENT_SCALAR) {
		put_reference(out, forms[output->dtype].is);
		put_reference(out, "bytes");
	}
	json_out_close(out, ']');
	json_out_close(out, '}');
}

void schema_put_reply(struct json_out *out, const struct loss_info *loss)
{
	open_schema(out, loss, "its reply");
	for (size_t i = 0; i < loss->n_outputs; i++)
		put_output(out, loss->outputs[i]);
	if (loss->has_totals)
		put_members(out, "totals", totals, N_TOTALS);
	put_raw(out, "warnings", "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}");
	put_members(out, "metrics", metrics, sizeof metrics / sizeof *metrics - 1);
	json_out_close(out, '}');
	open_list(out, "required");
	if (loss->has_totals)
		json_out_string(out, "totals");
	json_out_close(out, ']');
	close_schema(out, reply_definitions);
}
