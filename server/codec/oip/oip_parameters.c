#include "oip_parameters.h"

#include <stdio.h>
#include <string.h>

#include "codec/json/json_scalar.h"

static const char *const names[OIP_N_PARAMETERS] = {
	[OIP_TIMEOUT] = "timeout",
	[OIP_PRIORITY] = "priority",
	[OIP_BINARY_DATA_OUTPUT] = "binary_data_output",
	[OIP_NON_FINITE] = "non_finite",
	[OIP_CONTENT_TYPE] = "content_type",
	[OIP_HEADERS] = "headers",
	[OIP_BINARY_DATA_SIZE] = "binary_data_size",
	[OIP_REGION] = "shared_memory_region",
	[OIP_OFFSET] = "shared_memory_offset",
	[OIP_BYTE_SIZE] = "shared_memory_byte_size",
	[OIP_BINARY_DATA] = "binary_data",
	[OIP_OUTPUT_CONTENT_TYPE] = "content_type",
	[OIP_OUTPUT_HEADERS] = "headers",
};

/* Whose are which of them. */
static const struct {
	enum oip_parameter first;
	size_t n;
} ranges[] = {
	[OIP_REQUEST] = {OIP_TIMEOUT, OIP_HEADERS - OIP_TIMEOUT + 1},
	[OIP_INPUT] = {OIP_CONTENT_TYPE, OIP_BYTE_SIZE - OIP_CONTENT_TYPE + 1},
	[OIP_OUTPUT] = {OIP_REGION, OIP_OUTPUT_HEADERS - OIP_REGION + 1},
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
	{"tensors", OIP_REQUEST, "ask for bytes by \"binary_data_output\""},
	{"classification", OIP_OUTPUT, "outputs are tensors; ask for \"predicted\" instead"},
};
enum { N_REFUSED = sizeof refused / sizeof *refused };

const struct loss_word oip_words[OIP_N_WORDS] = {
	{"inputs", "it is a member of the request"},
	{"outputs", "it is a member of the request"},
	{"compress", "it stands in the query string: ?compress=true"},
	{"timeout", "it stands in the request's parameters"},
	{"priority", "it stands in the request's parameters"},
	{"binary_data_output", "it stands in the request's parameters"},
	{"binary_data_size", "it stands in an input's parameters"},
	{"binary_data", "it stands in an output's parameters"},
	{"shared_memory_region", "it stands in the parameters of an input or output"},
	{"shared_memory_offset", "it stands in the parameters of an input or output"},
	{"shared_memory_byte_size", "it stands in the parameters of an input or output"},
};

void oip_parameters_start(struct oip_parameters *parameters, enum oip_owner owner,
			  const char *label, struct json_fault *fault)
{
	parameters->owner = owner;
	parameters->label = label;
	parameters->fault = fault;
	parameters->problem = NULL;
	parameters->style = NULL;
	parameters->set = parameters->bad = 0;
	json_members_start(&parameters->members, &names[ranges[owner].first], ranges[owner].n);
}

void oip_parameters_start_request(struct oip_parameters *parameters,
				  const struct decoder_setup *setup,
				  const char *all[JSON_MEMBERS_MAX], struct json_fault *fault)
{
	const struct loss_info *loss = loss_problem_info(setup->problem);
	size_t n = ranges[OIP_REQUEST].n;
	oip_parameters_start(parameters, OIP_REQUEST, "", fault);
	parameters->problem = setup->problem;
	parameters->style = setup->style;
	memcpy(all, parameters->members.names, n * sizeof *all);
	for (size_t i = 0; i < loss->n_arguments; i++)
		all[n++] = loss->arguments[i]->name;
	json_members_start(&parameters->members, all, n);
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

static const char *refusal(const struct oip_parameters *parameters, const char *name)
{
	if (strncmp(name, "triton_", strlen("triton_")) == 0)
		return "names with \"triton_\" are reserved";
	for (size_t i = 0; i < N_REFUSED; i++)
		if ((refused[i].owners & parameters->owner) && strcmp(refused[i].name, name) == 0)
			return refused[i].why;
	return NULL;
}

/* What is told of a name that is no parameter. */
static void hint_unknown(const struct oip_parameters *parameters, const struct json_token *token,
			 char *out, size_t size)
{
	const struct loss_info *loss =
		parameters->problem ? loss_problem_info(parameters->problem) : NULL;
	const struct loss_place place = {
		.loss = loss,
		.kinds = loss ? LOSS_NAME_ARGUMENT : 0,
		.to_tensors = "it stands in inputs",
		.to_outputs = "it stands in outputs",
		.names = &names[ranges[parameters->owner].first],
		.n_names = ranges[parameters->owner].n,
		.words = oip_words,
		.n_words = OIP_N_WORDS,
	};
	loss_hint_name(&place, token->text, token->size, out, size);
}

static void blame_unknown(struct oip_parameters *parameters, const struct json_token *token)
{
	const char *why = refusal(parameters, token->text);
	char name[64], hint[LOSS_HINT_CHARS], rest[LOSS_HINT_CHARS + 32];
	if (!refuse(parameters, LOSS_UNKNOWN_FIELD))
		return;
	json_fault_copy(name, sizeof name, token->text, token->size);
	if (!why)
		hint_unknown(parameters, token, hint, sizeof hint);
	if (why)
		snprintf(rest, sizeof rest, "is not supported: %s", why);
	else
		snprintf(rest, sizeof rest, "is unknown; %s", hint);
	blame(parameters, LOSS_UNKNOWN_FIELD, name, rest);
}

/* ---------------------------------------------------------------- values */

static void blame_value(struct oip_parameters *parameters, loss_status status,
			const struct json_token *token, const char *expected)
{
	char shown[JSON_SHOWN_SIZE], rest[JSON_SHOWN_SIZE + 160];
	if (!refuse(parameters, status))
		return;
	json_fault_show(token, shown);
	snprintf(rest, sizeof rest, "is %s, but must be %s", shown, expected);
	blame(parameters, status, parameters->members.names[parameters->members.selected], rest);
}

static bool read_boolean(struct oip_parameters *parameters, const struct json_token *token,
			 uint64_t *value)
{
	bool fits = token->event == JSON_TRUE || token->event == JSON_FALSE;
	*value = token->event == JSON_TRUE;
	if (!fits)
		blame_value(parameters, LOSS_WRONG_TYPE, token, "true or false");
	return fits;
}

static bool read_unsigned(struct oip_parameters *parameters, const struct json_token *token,
			  uint64_t *value)
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
	*value = number->magnitude;
	return integer && !negative && number->fits;
}

static bool read_region(struct oip_parameters *parameters, const struct json_token *token,
			uint64_t *value)
{
	bool fits = token->event == JSON_STRING && token->size > 0;
	(void)value;
	if (!fits)
		blame_value(parameters, LOSS_WRONG_TYPE, token, "the name of a registered region");
	else
		json_fault_copy(parameters->region, sizeof parameters->region, token->text,
				token->size);
	return fits;
}

static bool read_non_finite(struct oip_parameters *parameters, const struct json_token *token,
			    uint64_t *value)
{
	struct loss_error err;
	char text[JSON_SHOWN_SIZE];
	struct loss_value scalar = json_scalar(token, text);
	loss_status status = style_set(parameters->style, STYLE_NON_FINITE, &scalar, &err);
	(void)value;
	fault_note(&parameters->fault->kept, status, &err);
	return status == LOSS_OK;
}

static bool pass_text(struct oip_parameters *parameters, const struct json_token *token,
		      uint64_t *value)
{
	(void)value;
	if (token->event != JSON_STRING)
		blame_value(parameters, LOSS_WRONG_TYPE, token, "a string");
	return token->event == JSON_STRING;
}

static bool pass_object(struct oip_parameters *parameters, const struct json_token *token,
			uint64_t *value)
{
	(void)value;
	if (token->event != JSON_OBJECT)
		blame_value(parameters, LOSS_WRONG_TYPE, token, "an object");
	return token->event == JSON_OBJECT;
}

static void read_argument(struct oip_parameters *parameters, size_t i,
			  const struct json_token *token)
{
	struct loss_error err;
	char text[JSON_SHOWN_SIZE];
	struct loss_value value = json_scalar(token, text);
	fault_note(&parameters->fault->kept,
		   loss_problem_set_argument(parameters->problem, i, &value, &err), &err);
}

static void read_value(struct oip_parameters *parameters, const struct json_token *token)
{
	typedef bool read_parameter(struct oip_parameters *, const struct json_token *, uint64_t *);
	static read_parameter *const readers[OIP_N_PARAMETERS] = {
		[OIP_TIMEOUT] = read_unsigned,
		[OIP_PRIORITY] = read_unsigned,
		[OIP_BINARY_DATA_OUTPUT] = read_boolean,
		[OIP_NON_FINITE] = read_non_finite,
		[OIP_CONTENT_TYPE] = pass_text,
		[OIP_HEADERS] = pass_object,
		[OIP_BINARY_DATA_SIZE] = read_unsigned,
		[OIP_REGION] = read_region,
		[OIP_OFFSET] = read_unsigned,
		[OIP_BYTE_SIZE] = read_unsigned,
		[OIP_BINARY_DATA] = read_boolean,
		[OIP_OUTPUT_CONTENT_TYPE] = pass_text,
		[OIP_OUTPUT_HEADERS] = pass_object,
	};
	size_t member = parameters->members.selected, n = ranges[parameters->owner].n;
	if (parameters->members.level > 0)
		return; /* inside an array or object, which was refused or is passed over */
	if (member >= n) {
		read_argument(parameters, member - n, token);
		return;
	}
	size_t parameter = ranges[parameters->owner].first + member;
	if (readers[parameter](parameters, token, &parameters->numbers[parameter]))
		parameters->set |= 1u << parameter;
	else
		parameters->bad |= 1u << parameter;
}

bool oip_parameters_token(struct oip_parameters *parameters, const struct json_token *token)
{
	switch (json_members_take(&parameters->members, token)) {
	case JSON_MEMBERS_NO_OBJECT:
		return false;
	case JSON_MEMBERS_TWICE:
		blame(parameters, LOSS_DUPLICATE_FIELD, token->text,
		      "is given twice; give it once");
		break;
	case JSON_MEMBERS_UNKNOWN:
		blame_unknown(parameters, token);
		break;
	case JSON_MEMBERS_VALUE:
		read_value(parameters, token);
		break;
	default:
		break;
	}
	return true;
}

struct shm_use oip_parameters_use(const struct oip_parameters *parameters, const char *field)
{
	return (struct shm_use){
		.name = parameters->region,
		.offset = oip_parameters_has(parameters, OIP_OFFSET)
				  ? parameters->numbers[OIP_OFFSET]
				  : 0,
		.size = parameters->numbers[OIP_BYTE_SIZE],
		.field = field,
	};
}
