#include "oip_parameters.h"

#include <stdio.h>
#include <string.h>

/* More than any loss has. */
#define MAX_ARGUMENTS 32

enum type { TYPE_BOOLEAN, TYPE_UNSIGNED, TYPE_NAME };

static const struct row {
	const char *name;
	unsigned owners;
	enum type type;
} rows[OIP_N_PARAMETERS] = {
	[OIP_TIMEOUT] = {"timeout", OIP_REQUEST, TYPE_UNSIGNED},
	[OIP_PRIORITY] = {"priority", OIP_REQUEST, TYPE_UNSIGNED},
	[OIP_BINARY_DATA_OUTPUT] = {"binary_data_output", OIP_REQUEST, TYPE_BOOLEAN},
	[OIP_BINARY_DATA_SIZE] = {"binary_data_size", OIP_INPUT, TYPE_UNSIGNED},
	[OIP_BINARY_DATA] = {"binary_data", OIP_OUTPUT, TYPE_BOOLEAN},
	[OIP_REGION] = {"shared_memory_region", OIP_INPUT | OIP_OUTPUT, TYPE_NAME},
	[OIP_OFFSET] = {"shared_memory_offset", OIP_INPUT | OIP_OUTPUT, TYPE_UNSIGNED},
	[OIP_BYTE_SIZE] = {"shared_memory_byte_size", OIP_INPUT | OIP_OUTPUT, TYPE_UNSIGNED},
};

/* What other servers of the protocol have and this one has not. */
static const struct {
	const char *name;
	unsigned owners;
	const char *why;
} refused[] = {
	{"sequence_id", OIP_REQUEST, "the losses are stateless and know no sequences"},
	{"sequence_start", OIP_REQUEST, "the losses are stateless and know no sequences"},
	{"sequence_end", OIP_REQUEST, "the losses are stateless and know no sequences"},
	{"classification", OIP_OUTPUT, "outputs are tensors; ask for \"predicted\" instead"},
};
enum { N_REFUSED = sizeof refused / sizeof *refused };

void oip_parameters_start(struct oip_parameters *parameters, enum oip_owner owner,
			  const char *label, struct json_fault *fault)
{
	parameters->owner = owner;
	parameters->label = label;
	parameters->fault = fault;
	parameters->seen = parameters->set = parameters->bad = 0;
	parameters->current = OIP_N_PARAMETERS;
}

/* ---------------------------------------------------------------- names */

/* Where a fault is written; NULL where nobody would read it. */
static struct loss_error *refuse(struct oip_parameters *parameters, loss_status status)
{
	return fault_claim(&parameters->fault->kept, status);
}

/* Notes a fault of the parameter of that name; the detail is the name and `rest`. */
static void blame(struct oip_parameters *parameters, loss_status status, const char *name,
		  const char *rest)
{
	loss_fail(refuse(parameters, status), status, name, "%s%s%s %s", parameters->label,
		  *parameters->label ? ".parameters." : "parameters.", name, rest);
}

static void blame_unsupported(struct oip_parameters *parameters, const struct json_token *token,
			      const char *why)
{
	char name[64], rest[160];
	if (!refuse(parameters, LOSS_UNKNOWN_FIELD))
		return;
	json_fault_copy(name, sizeof name, token->text, token->size);
	snprintf(rest, sizeof rest, "is not supported: %s", why);
	blame(parameters, LOSS_UNKNOWN_FIELD, name, rest);
}

static const char *refusal(const struct oip_parameters *parameters, const char *name)
{
	if (strncmp(name, "triton_", strlen("triton_")) == 0)
		return "names with \"triton_\" are reserved";
	for (size_t i = 0; i < N_REFUSED; i++)
		if ((refused[i].owners & parameters->owner) && strcmp(refused[i].name, name) == 0)
			return refused[i].why;
	return NULL;
}

bool oip_parameters_key(struct oip_parameters *parameters, const struct json_token *token)
{
	const char *why = refusal(parameters, token->text);
	int i = 0;
	parameters->current = OIP_N_PARAMETERS;
	if (why) {
		blame_unsupported(parameters, token, why);
		return true;
	}
	while (i < OIP_N_PARAMETERS &&
	       (!(rows[i].owners & parameters->owner) || strcmp(rows[i].name, token->text) != 0))
		i++;
	if (i == OIP_N_PARAMETERS)
		return false;
	if (parameters->seen & (1u << i))
		blame(parameters, LOSS_DUPLICATE_FIELD, rows[i].name,
		      "is given twice; give it once");
	else
		parameters->current = (enum oip_parameter)i;
	parameters->seen |= 1u << i;
	return true;
}

static const char *nearest(const struct oip_parameters *parameters, const struct loss_info *loss,
			   const struct json_token *token)
{
	const char *names[OIP_N_PARAMETERS + MAX_ARGUMENTS];
	size_t n = 0;
	for (int i = 0; i < OIP_N_PARAMETERS; i++)
		if (rows[i].owners & parameters->owner)
			names[n++] = rows[i].name;
	for (size_t i = 0; loss && i < loss->n_arguments && i < MAX_ARGUMENTS; i++)
		names[n++] = loss->arguments[i]->name;
	return loss_nearest_of(names, n, token->text, token->size);
}

void oip_parameters_blame_unknown(struct oip_parameters *parameters, const struct loss_info *loss,
				  const struct json_token *token)
{
	char name[64], rest[160];
	bool tensor = loss && loss_find_tensor(loss, token->text, token->size) >= 0;
	if (!refuse(parameters, LOSS_UNKNOWN_FIELD))
		return;
	json_fault_copy(name, sizeof name, token->text, token->size);
	if (tensor)
		snprintf(rest, sizeof rest, "is a tensor of %s: it stands in inputs", loss->name);
	else
		snprintf(rest, sizeof rest, "is unknown; the nearest parameter is \"%s\"",
			 nearest(parameters, loss, token));
	blame(parameters, LOSS_UNKNOWN_FIELD, name, rest);
}

/* ---------------------------------------------------------------- values */

static void blame_value(struct oip_parameters *parameters, loss_status status,
			const struct json_token *token, const char *expected)
{
	char shown[JSON_SHOWN_SIZE], rest[JSON_SHOWN_SIZE + 160];
	parameters->bad |= 1u << parameters->current;
	if (!refuse(parameters, status))
		return;
	json_fault_show(token, shown);
	snprintf(rest, sizeof rest, "is %s, but must be %s", shown, expected);
	blame(parameters, status, rows[parameters->current].name, rest);
}

static bool read_boolean(struct oip_parameters *parameters, const struct json_token *token)
{
	bool fits = token->event == JSON_TRUE || token->event == JSON_FALSE;
	parameters->numbers[parameters->current] = token->event == JSON_TRUE;
	if (!fits)
		blame_value(parameters, LOSS_WRONG_TYPE, token, "true or false");
	return fits;
}

static bool read_unsigned(struct oip_parameters *parameters, const struct json_token *token)
{
	const struct number *number = &token->number;
	bool integer = token->event == JSON_NUMBER && number->is_integer;
	bool negative = integer && number->negative && number->value < 0.0;
	if (!integer)
		blame_value(parameters, LOSS_WRONG_TYPE, token,
			    "an integer, without fraction or exponent");
	else if (negative || !number->fits)
		blame_value(parameters, LOSS_ARGUMENT_OUT_OF_RANGE, token,
			    "0 to 18446744073709551615");
	parameters->numbers[parameters->current] = number->magnitude;
	return integer && !negative && number->fits;
}

static bool read_name(struct oip_parameters *parameters, const struct json_token *token)
{
	bool fits = token->event == JSON_STRING && token->size > 0;
	if (!fits)
		blame_value(parameters, LOSS_WRONG_TYPE, token, "the name of a registered region");
	else
		json_fault_copy(parameters->region, sizeof parameters->region, token->text,
				token->size);
	return fits;
}

void oip_parameters_value(struct oip_parameters *parameters, const struct json_token *token)
{
	typedef bool read_value(struct oip_parameters *, const struct json_token *);
	static read_value *const readers[] = {
		[TYPE_BOOLEAN] = read_boolean,
		[TYPE_UNSIGNED] = read_unsigned,
		[TYPE_NAME] = read_name,
	};
	if (parameters->current == OIP_N_PARAMETERS || token->event == JSON_NULL)
		return;
	if (readers[rows[parameters->current].type](parameters, token))
		parameters->set |= 1u << parameters->current;
}
