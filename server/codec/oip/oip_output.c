#include "oip_output.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum member { MEMBER_NAME, MEMBER_PARAMETERS, N_MEMBERS };

static const char *const members[N_MEMBERS] = {"name", "parameters"};

void oip_output_start(struct oip_output *output, size_t i, struct json_fault *fault)
{
	output->fault = fault;
	output->name[0] = '\0';
	json_fault_label(output->label, "outputs", i);
	output->level = 0;
	output->member = N_MEMBERS;
	output->seen = 0;
	oip_parameters_start(&output->parameters, OIP_OUTPUT, output->label, fault);
}

/* Where a fault is written; NULL where nobody would read it. */
static struct loss_error *refuse(struct oip_output *output, loss_status status)
{
	return fault_claim(&output->fault->kept, status);
}

/* Notes a fault; the detail begins with the label. */
__attribute__((format(printf, 3, 4))) static void blame(struct oip_output *output,
							loss_status status, const char *format, ...)
{
	struct loss_error *err = refuse(output, status);
	char rest[256];
	va_list args;
	if (!err)
		return;
	va_start(args, format);
	vsnprintf(rest, sizeof rest, format, args);
	va_end(args);
	loss_fail(err, status, "outputs", "%s%s", output->label, rest);
}

static void blame_type(struct oip_output *output, const struct json_token *token,
		       const char *expected)
{
	char shown[JSON_SHOWN_SIZE];
	if (!refuse(output, LOSS_WRONG_TYPE))
		return;
	json_fault_show(token, shown);
	blame(output, LOSS_WRONG_TYPE, ".%s is %s, but must be %s", members[output->member], shown,
	      expected);
}

static void read_name(struct oip_output *output, const struct json_token *token)
{
	if (output->level > 0)
		return; /* inside an array or object, which was refused */
	if (token->event != JSON_STRING)
		blame_type(output, token, "a string such as \"loss\"");
	else
		json_fault_copy(output->name, sizeof output->name, token->text, token->size);
}

static void read_parameters(struct oip_output *output, const struct json_token *token)
{
	if (output->level == 0 && token->event != JSON_OBJECT)
		blame_type(output, token, "an object");
	if (output->level != 1 || token->event == JSON_OBJECT_END)
		return;
	if (token->event != JSON_KEY)
		oip_parameters_value(&output->parameters, token);
	else if (!oip_parameters_key(&output->parameters, token))
		oip_parameters_blame_unknown(&output->parameters, NULL, token);
}

static void select_member(struct oip_output *output, const struct json_token *token)
{
	char name[64];
	int member = 0;
	while (member < N_MEMBERS && strcmp(members[member], token->text) != 0)
		member++;
	output->member = N_MEMBERS;
	json_fault_copy(name, sizeof name, token->text, token->size);
	if (member == N_MEMBERS)
		blame(output, LOSS_UNKNOWN_FIELD,
		      " has no member \"%s\": an output has name and parameters", name);
	else if (output->seen & (1u << member))
		blame(output, LOSS_DUPLICATE_FIELD, ".%s is given twice; give it once", name);
	else
		output->member = member;
	if (member < N_MEMBERS)
		output->seen |= 1u << member;
}

static void read_member(struct oip_output *output, const struct json_token *token)
{
	if (output->member == N_MEMBERS || (output->level == 0 && token->event == JSON_NULL))
		return;
	if (output->member == MEMBER_NAME)
		read_name(output, token);
	else
		read_parameters(output, token);
}

static bool has(const struct oip_output *output, enum oip_parameter parameter)
{
	return oip_parameters_has(&output->parameters, parameter);
}

static void check(struct oip_output *output)
{
	bool region = has(output, OIP_REGION);
	bool binary = has(output, OIP_BINARY_DATA) && output->parameters.numbers[OIP_BINARY_DATA];
	bool part = has(output, OIP_OFFSET) || has(output, OIP_BYTE_SIZE);
	if (output->name[0] == '\0')
		blame(output, LOSS_MISSING_FIELD, ".name is missing");
	else if (output->parameters.bad)
		return;
	else if (region && binary)
		blame(output, LOSS_DUPLICATE_FIELD,
		      " has both binary_data and shared_memory_region: give one of them");
	else if (region && !has(output, OIP_BYTE_SIZE))
		blame(output, LOSS_MISSING_FIELD,
		      ".parameters.shared_memory_byte_size is missing beside "
		      "shared_memory_region");
	else if (part && !region)
		blame(output, LOSS_MISSING_FIELD,
		      ".parameters.shared_memory_region is missing: an offset and a byte size are "
		      "those of a region");
}

void oip_output_token(struct oip_output *output, const struct json_token *token)
{
	bool opens = token->event == JSON_OBJECT || token->event == JSON_ARRAY;
	bool closes = token->event == JSON_OBJECT_END || token->event == JSON_ARRAY_END;
	if (output->level > 0 || (token->event != JSON_KEY && !closes)) {
		/* A closing bracket belongs to the level that it closes. */
		read_member(output, token);
		output->level += opens;
		output->level -= closes;
	} else if (!closes) {
		select_member(output, token);
	} else {
		check(output);
	}
}
