#include "oip_input.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "oip_names.h"

enum member {
	MEMBER_NAME,
	MEMBER_DATATYPE,
	MEMBER_SHAPE,
	MEMBER_PARAMETERS,
	MEMBER_DATA,
	N_MEMBERS
};

static const char *const members[N_MEMBERS] = {"name", "datatype", "shape", "parameters", "data"};

void oip_input_start(struct oip_input *input, size_t i, const struct loss_info *loss,
		     struct loss_arena *arena, const struct decoder_limits *limits,
		     struct json_fault *fault)
{
	input->loss = loss;
	input->fault = fault;
	json_fault_label(input->label, "inputs", i);
	input->tensor = -1;
	input->broken = false;
	json_members_start(&input->members, members, N_MEMBERS);
	input->dtype = LOSS_N_DTYPES;
	json_shape_start(&input->shape, input->label, limits, fault);
	oip_parameters_start(&input->parameters, OIP_INPUT, input->label, fault);
	json_elements_start(&input->elements, arena, limits);
	input->elements.fault = fault;
	input->elements.field = input->label;
	input->elements.shaped = true;
}

void oip_input_discard(struct oip_input *input)
{
	input->elements.stopped = true;
}

/* ---------------------------------------------------------------- faults */

/* There will be no tensor. Where to say why; NULL where nobody would read it. */
static struct loss_error *refuse(struct oip_input *input, loss_status status)
{
	input->broken = input->elements.stopped = true;
	return fault_claim(&input->fault->kept, status);
}

/* Notes a fault; the detail begins with the label. */
__attribute__((format(printf, 3, 4))) static void blame(struct oip_input *input, loss_status status,
							const char *format, ...)
{
	struct loss_error *err = refuse(input, status);
	char rest[sizeof err->detail - sizeof input->label - 1];
	va_list args;
	if (!err)
		return;
	va_start(args, format);
	vsnprintf(rest, sizeof rest, format, args);
	va_end(args);
	loss_fail(err, status, input->label, "%s%s", input->label, rest);
}

static void blame_type(struct oip_input *input, const struct json_token *token,
		       const char *expected)
{
	char shown[JSON_SHOWN_SIZE];
	if (!refuse(input, LOSS_WRONG_TYPE))
		return;
	json_fault_show(token, shown);
	blame(input, LOSS_WRONG_TYPE, ".%s is %s, but must be %s", members[input->members.selected],
	      shown, expected);
}

/* ---------------------------------------------------------------- members */

static void blame_name(struct oip_input *input, const struct json_token *token)
{
	const struct loss_info *loss = input->loss;
	const struct loss_place place = {
		.loss = loss,
		.kinds = LOSS_NAME_TENSOR,
		.to_arguments = "it stands in the request's parameters",
		.to_outputs = "it stands in the request's outputs",
		.words = oip_words,
		.n_words = OIP_N_WORDS,
	};
	char name[64], hint[LOSS_HINT_CHARS];
	if (!refuse(input, LOSS_UNKNOWN_FIELD))
		return;
	json_fault_copy(name, sizeof name, token->text, token->size);
	loss_hint_name(&place, token->text, token->size, hint, sizeof hint);
	blame(input, LOSS_UNKNOWN_FIELD, ".name is \"%s\", but %s has no such input; %s", name,
	      loss->name, hint);
}

static void read_name(struct oip_input *input, unsigned *tensors_seen,
		      const struct json_token *token)
{
	const struct loss_info *loss = input->loss;
	if (token->event != JSON_STRING) {
		blame_type(input, token, "a string");
		return;
	}
	input->tensor = loss_find_tensor(loss, token->text, token->size);
	if (input->tensor < 0) {
		blame_name(input, token);
		return;
	}
	/* What it is called from here on; messages hold on to the place. */
	const char *label = loss->tensors[input->tensor].name;
	json_fault_copy(input->label, sizeof input->label, label, strlen(label));
	if (*tensors_seen & (1u << input->tensor))
		blame(input, LOSS_DUPLICATE_FIELD, " is given twice; give it once");
	*tensors_seen |= 1u << input->tensor;
}

#define DTYPES_SIZE 128

/* What the input may be; where its name has not come yet, what any input of the loss may be. */
static void list_dtypes(const struct oip_input *input, char out[DTYPES_SIZE])
{
	const struct loss_info *loss = input->loss;
	unsigned dtypes = 0;
	size_t used = 0;
	for (size_t i = 0; i < loss->n_tensors; i++)
		if (input->tensor < 0 || (size_t)input->tensor == i)
			dtypes |= loss->tensors[i].dtypes;
	snprintf(out, DTYPES_SIZE, "%s", dtypes & (dtypes - 1) ? "one of " : "");
	used = strlen(out);
	size_t first = used;
	for (int i = 0; i < LOSS_N_DTYPES && used < DTYPES_SIZE; i++)
		if ((dtypes & LOSS_DTYPE_BIT(i)) && oip_name((loss_dtype)i))
			used += (size_t)snprintf(out + used, DTYPES_SIZE - used, "%s%s",
						 used > first ? ", " : "", oip_name((loss_dtype)i));
}

static void read_datatype(struct oip_input *input, const struct json_token *token)
{
	char shown[JSON_SHOWN_SIZE], allowed[DTYPES_SIZE];
	if (token->event != JSON_STRING) {
		blame_type(input, token, "a string such as \"FP32\"");
		return;
	}
	input->dtype = oip_find(token->text, token->size);
	if (input->dtype != LOSS_N_DTYPES)
		return;
	if (!refuse(input, LOSS_DTYPE_MISMATCH))
		return;
	json_fault_show(token, shown);
	list_dtypes(input, allowed);
	blame(input, LOSS_DTYPE_MISMATCH, ".datatype is %s, but must be %s%s", shown, allowed,
	      strcmp(token->text, "BYTES") == 0 ? "; BYTES is text, which no loss takes" : "");
}

static void read_shape(struct oip_input *input, const struct json_token *token)
{
	unsigned level = input->members.level;
	if (level == 0 && token->event != JSON_ARRAY)
		blame_type(input, token, "an array of integers");
	else if (level == 1 && token->event == JSON_ARRAY_END)
		json_shape_end(&input->shape);
	else if (level == 1)
		json_shape_dimension(&input->shape, token);
	if (input->shape.broken)
		input->broken = input->elements.stopped = true;
}

static void read_data(struct oip_input *input, const struct json_token *token)
{
	if (input->members.level == 0 && token->event != JSON_ARRAY) {
		blame_type(input, token, "an array, flat or nested");
		json_members_pass(&input->members);
		return;
	}
	json_elements_token(&input->elements, token);
	input->broken |= input->elements.stopped;
}

static void blame_member(struct oip_input *input, const struct json_token *token)
{
	const struct loss_place place = {.names = members, .n_names = N_MEMBERS};
	char name[64], hint[LOSS_HINT_CHARS];
	if (!refuse(input, LOSS_UNKNOWN_FIELD))
		return;
	json_fault_copy(name, sizeof name, token->text, token->size);
	loss_hint_name(&place, token->text, token->size, hint, sizeof hint);
	blame(input, LOSS_UNKNOWN_FIELD, " has no member \"%s\"; %s", name, hint);
}

/* Data is read as its dtype from the beginning where that is known. */
static void expect_member(struct oip_input *input)
{
	if (input->members.selected != MEMBER_DATA || input->dtype == LOSS_N_DTYPES)
		return;
	json_values_set_dtype(&input->elements.values, input->dtype);
	input->elements.dtype_name = oip_name(input->dtype);
}

static void read_member(struct oip_input *input, unsigned *tensors_seen,
			const struct json_token *token)
{
	bool begins = input->members.level == 0;
	switch (input->members.selected) {
	case MEMBER_NAME:
		if (begins)
			read_name(input, tensors_seen, token);
		break;
	case MEMBER_DATATYPE:
		if (begins)
			read_datatype(input, token);
		break;
	case MEMBER_SHAPE:
		read_shape(input, token);
		break;
	case MEMBER_PARAMETERS:
		if (!oip_parameters_token(&input->parameters, token))
			blame_type(input, token, "an object");
		break;
	default:
		read_data(input, token);
		break;
	}
}

/* ---------------------------------------------------------------- the end of the entry */

static bool has(const struct oip_input *input, enum oip_parameter parameter)
{
	return oip_parameters_has(&input->parameters, parameter);
}

static bool check_members(struct oip_input *input)
{
	size_t missing = json_members_missing(&input->members, MEMBER_PARAMETERS);
	if (missing == MEMBER_PARAMETERS)
		return true;
	blame(input, LOSS_MISSING_FIELD,
	      ".%s is missing: an input has name, datatype, shape and data", members[missing]);
	return false;
}

static void check_source(struct oip_input *input)
{
	bool data = json_members_has(&input->members, MEMBER_DATA);
	bool binary = has(input, OIP_BINARY_DATA_SIZE), region = has(input, OIP_REGION);
	bool part = has(input, OIP_OFFSET) || has(input, OIP_BYTE_SIZE);
	if (data + binary + region > 1)
		blame(input, LOSS_DUPLICATE_FIELD,
		      " has %s: give exactly one of data, parameters.binary_data_size and "
		      "parameters.shared_memory_region",
		      !region   ? "both data and binary_data_size"
		      : !binary ? "both data and shared_memory_region"
		      : !data   ? "both binary_data_size and shared_memory_region"
				: "data, binary_data_size and shared_memory_region");
	else if (region && !has(input, OIP_BYTE_SIZE))
		blame(input, LOSS_MISSING_FIELD,
		      ".parameters.shared_memory_byte_size is missing beside "
		      "shared_memory_region");
	else if (part && !region)
		blame(input, LOSS_MISSING_FIELD,
		      ".parameters.shared_memory_region is missing: an offset and a byte size are "
		      "those of a region");
	else if (!data && !binary && !region)
		blame(input, LOSS_MISSING_FIELD,
		      " has no data: give exactly one of data, parameters.binary_data_size and "
		      "parameters.shared_memory_region");
}

void oip_input_token(struct oip_input *input, unsigned *tensors_seen,
		     const struct json_token *token)
{
	switch (json_members_take(&input->members, token)) {
	case JSON_MEMBERS_NAME:
		expect_member(input);
		break;
	case JSON_MEMBERS_TWICE:
		blame(input, LOSS_DUPLICATE_FIELD, ".%s is given twice; give it once", token->text);
		break;
	case JSON_MEMBERS_UNKNOWN:
		blame_member(input, token);
		break;
	case JSON_MEMBERS_VALUE:
		read_member(input, tensors_seen, token);
		break;
	case JSON_MEMBERS_END:
		if (!input->broken && !input->parameters.bad && check_members(input))
			check_source(input);
		break;
	default:
		break;
	}
}

bool oip_input_in_data(const struct oip_input *input)
{
	return input->members.selected == MEMBER_DATA && input->members.depth > 1;
}

bool oip_input_nonfinite(const struct oip_input *input)
{
	return input->members.named == MEMBER_DATA && input->members.objects == 0;
}

enum oip_source oip_input_source(const struct oip_input *input)
{
	if (json_members_has(&input->members, MEMBER_DATA))
		return OIP_IN_DATA;
	return has(input, OIP_REGION) ? OIP_IN_SHARED_MEMORY : OIP_IN_BINARY;
}

/* ---------------------------------------------------------------- the end of the document */

static bool check_dtype(struct oip_input *input)
{
	char allowed[DTYPES_SIZE];
	if (input->loss->tensors[input->tensor].dtypes & LOSS_DTYPE_BIT(input->dtype))
		return true;
	list_dtypes(input, allowed);
	blame(input, LOSS_DTYPE_MISMATCH, ".datatype is %s, but must be %s", oip_name(input->dtype),
	      allowed);
	return false;
}

/* Data that came before its dtype. */
static bool resolve_values(struct oip_input *input)
{
	struct json_values *values = &input->elements.values;
	struct json_mark first;
	char range[64];
	if (!values->open)
		return true;
	loss_status status = json_values_resolve(values, input->dtype, &first);
	if (status == LOSS_OK)
		return true;
	json_values_range(input->dtype, range, sizeof range);
	if (status == LOSS_WRONG_TYPE)
		blame(input, status, ".data has %s as element %zu, but must have numbers",
		      first.text, first.index);
	else
		blame(input, status,
		      ".data has %s as element %zu, but an element of %s is an integer in %s",
		      first.text, first.index, oip_name(input->dtype), range);
	return false;
}

/* Flat data has the right number of elements; nested data has the very shape. */
static bool check_data(struct oip_input *input)
{
	const struct json_elements *elements = &input->elements;
	const struct loss_tensor *shape = &input->shape.tensor;
	struct loss_tensor nested = {.rank = elements->rank};
	char own[160], wanted[160];
	bool same = elements->rank == shape->rank;
	memcpy(nested.shape, elements->shape, sizeof nested.shape);
	for (int i = 0; same && i < shape->rank; i++)
		same = nested.shape[i] == shape->shape[i];
	if (same || (elements->rank == 1 && elements->values.count == shape->count))
		return true;
	loss_tensor_format_shape(shape, wanted, sizeof wanted);
	loss_tensor_format_shape(&nested, own, sizeof own);
	if (elements->rank == 1)
		blame(input, LOSS_SHAPE_MISMATCH,
		      ".data has length %zu, but the shape %s has %zu elements",
		      elements->values.count, wanted, shape->count);
	else
		blame(input, LOSS_SHAPE_MISMATCH, ".data is nested as %s, but the shape is %s", own,
		      wanted);
	return false;
}

/* The sizes that the parameters announce. A product that fits: json_shape has seen to it. */
static bool check_size(struct oip_input *input, enum oip_parameter parameter, const char *name)
{
	const struct loss_tensor *shape = &input->shape.tensor;
	uint64_t announced = input->parameters.numbers[parameter];
	size_t size = shape->count * loss_dtype_info(input->dtype)->size;
	char text[160];
	if (announced == size)
		return true;
	loss_tensor_format_shape(shape, text, sizeof text);
	blame(input, LOSS_SHAPE_MISMATCH,
	      ".parameters.%s is %" PRIu64 ", but %s of shape %s has %zu bytes", name, announced,
	      oip_name(input->dtype), text, size);
	return false;
}

bool oip_input_resolve(struct oip_input *input, struct loss_tensor *tensor)
{
	const struct json_values *values = &input->elements.values;
	if (input->broken || input->parameters.bad || input->tensor < 0 || !check_dtype(input))
		return false;
	*tensor = input->shape.tensor;
	tensor->dtype = input->dtype;
	tensor->data = NULL;
	switch (oip_input_source(input)) {
	case OIP_IN_DATA:
		if (!resolve_values(input) || !check_data(input))
			return false;
		tensor->data = values->buffer ? values->buffer->data : NULL;
		return true;
	case OIP_IN_BINARY:
		return check_size(input, OIP_BINARY_DATA_SIZE, "binary_data_size");
	default:
		return check_size(input, OIP_BYTE_SIZE, "shared_memory_byte_size");
	}
}
