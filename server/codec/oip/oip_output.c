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
	json_members_start(&output->members, members, N_MEMBERS);
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
	blame(output, LOSS_WRONG_TYPE, ".%s is %s, but must be %s",
	      members[output->members.selected], shown, expected);
}

static void read_name(struct oip_output *output, const struct json_token *token)
{
	if (output->members.level > 0)
		return; /* inside an array or object, which was refused */
	if (token->event != JSON_STRING)
		blame_type(output, token, "a string such as \"loss\"");
	else
		json_fault_copy(output->name, sizeof output->name, token->text, token->size);
}

static void blame_name(struct oip_output *output, const struct json_token *token, bool known)
{
	loss_status status = known ? LOSS_DUPLICATE_FIELD : LOSS_UNKNOWN_FIELD;
	char name[64];
	json_fault_copy(name, sizeof name, token->text, token->size);
	blame(output, status,
	      known ? ".%s is given twice; give it once"
		    : " has no member \"%s\": an output has name and parameters",
	      name);
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
	enum json_members_event event = json_members_take(&output->members, token);
	switch (event) {
	case JSON_MEMBERS_TWICE:
	case JSON_MEMBERS_UNKNOWN:
		blame_name(output, token, event == JSON_MEMBERS_TWICE);
		break;
	case JSON_MEMBERS_VALUE:
		if (output->members.selected == MEMBER_NAME)
			read_name(output, token);
		else if (!oip_parameters_token(&output->parameters, token))
			blame_type(output, token, "an object");
		break;
	case JSON_MEMBERS_END:
		check(output);
		break;
	default:
		break;
	}
}
