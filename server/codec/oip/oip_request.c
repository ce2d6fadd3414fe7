#include "oip_request.h"

#include <stdio.h>
#include <string.h>

/* Tokens that fill no tensor. A document with more is not read to its end: it is wrong already. */
#define IDLE_TOKENS (UINT64_C(1) << 24)
/* Of the caller's own deadline, in microseconds: an hour, as in X-Request-Timeout-Ms. */
#define MAX_TIMEOUT UINT64_C(3600000000)

enum section {
	SECTION_ID,
	SECTION_MODEL_NAME,
	SECTION_MODEL_VERSION,
	SECTION_PARAMETERS,
	SECTION_INPUTS,
	SECTION_OUTPUTS,
	N_SECTIONS
};

static const char *const sections[N_SECTIONS] = {"id",         "model_name", "model_version",
						 "parameters", "inputs",     "outputs"};

bool oip_request_is_dead(const struct oip_request *request)
{
	return request->deaf || fault_is_fatal(&request->fault.kept);
}

/* ---------------------------------------------------------------- faults */

/* Where a fault is written; NULL where nobody would read it. */
static struct loss_error *refuse(struct oip_request *request, loss_status status)
{
	return fault_claim(&request->fault.kept, status);
}

static void blame_type(struct oip_request *request, const struct json_token *token,
		       const char *expected)
{
	struct loss_error *err = refuse(request, LOSS_WRONG_TYPE);
	char shown[JSON_SHOWN_SIZE];
	const char *section = sections[request->members.selected];
	if (!err)
		return;
	json_fault_show(token, shown);
	loss_fail(err, LOSS_WRONG_TYPE, section, "%s is %s, but must be %s", section, shown,
		  expected);
}

static void blame_entry(struct oip_request *request, size_t i, const struct json_token *token)
{
	struct loss_error *err = refuse(request, LOSS_WRONG_TYPE);
	char shown[JSON_SHOWN_SIZE];
	const char *section = sections[request->members.selected];
	if (!err)
		return;
	json_fault_show(token, shown);
	loss_fail(err, LOSS_WRONG_TYPE, section,
		  "%s[%zu] is %s, but must be an object such as {\"name\": \"%s\"}", section, i,
		  shown,
		  request->members.selected == SECTION_INPUTS ? request->loss->tensors[0].name
							      : request->loss->outputs[0]->name);
}

/* ---------------------------------------------------------------- names */

static void read_id(struct oip_request *request, const struct json_token *token)
{
	if (request->members.level > 0)
		return; /* inside an array or object, which was refused */
	if (token->event != JSON_STRING) {
		blame_type(request, token, "a string");
	} else if (token->cut) {
		loss_fail(refuse(request, LOSS_ARGUMENT_OUT_OF_RANGE), LOSS_ARGUMENT_OUT_OF_RANGE,
			  "id", "id is longer than the limit of %d bytes", JSON_TEXT_MAX);
	} else {
		request->id = loss_arena_printf(request->arena, "%s", token->text);
		if (!request->id)
			fault_note_memory(&request->fault.kept, request->arena);
	}
}

/* Not the protocol's, but some clients repeat what is in the path. */
static void read_model_name(struct oip_request *request, const struct json_token *token)
{
	const char *name = request->loss->name;
	if (request->members.level > 0)
		return; /* inside an array or object, which was refused */
	if (token->event != JSON_STRING) {
		blame_type(request, token, "a string");
	} else if (strcmp(token->text, name) != 0) {
		loss_fail(refuse(request, LOSS_ARGUMENT_OUT_OF_RANGE), LOSS_ARGUMENT_OUT_OF_RANGE,
			  "model_name",
			  "model_name is \"%.60s\", but the path has %s: leave it out, or name the "
			  "same",
			  token->text, name);
	}
}

/* Likewise; there is one version, and "" is any. */
static void read_model_version(struct oip_request *request, const struct json_token *token)
{
	if (request->members.level > 0)
		return; /* inside an array or object, which was refused */
	if (token->event != JSON_STRING) {
		blame_type(request, token, "a string");
	} else if (token->size > 0 && strcmp(token->text, "1") != 0) {
		loss_fail(refuse(request, LOSS_ARGUMENT_OUT_OF_RANGE), LOSS_ARGUMENT_OUT_OF_RANGE,
			  "model_version",
			  "model_version is \"%.60s\", but the only version is \"1\": leave it "
			  "out, or "
			  "give that",
			  token->text);
	}
}

static void read_parameters(struct oip_request *request, const struct json_token *token)
{
	if (!oip_parameters_token(&request->parameters, token))
		blame_type(request, token, "an object of scalars");
}

/* ---------------------------------------------------------------- inputs and outputs */

static struct oip_input *current_input(struct oip_request *request)
{
	size_t i = request->n_inputs - 1;
	return &request->inputs[i < OIP_MAX_INPUTS ? i : OIP_MAX_INPUTS];
}

static struct oip_output *current_output(struct oip_request *request)
{
	size_t i = request->n_outputs - 1;
	return &request->outputs[i < OIP_MAX_OUTPUTS ? i : OIP_MAX_OUTPUTS];
}

static void start_input(struct oip_request *request)
{
	size_t i = request->n_inputs++;
	oip_input_start(current_input(request), i, request->loss, request->arena, &request->limits,
			&request->fault);
	if (i >= OIP_MAX_INPUTS)
		oip_input_discard(current_input(request));
}

static void start_output(struct oip_request *request)
{
	size_t i = request->n_outputs++;
	oip_output_start(current_output(request), i, &request->fault);
}

/* Adds up what is announced, also where something else is wrong with the entry. */
static void end_input(struct oip_request *request)
{
	const struct oip_parameters *parameters = &current_input(request)->parameters;
	uint64_t *sum = &request->binary_bytes;
	bool bad = parameters->bad >> OIP_BINARY_DATA_SIZE & 1;
	request->binary_unknown |= bad;
	if (oip_parameters_has(parameters, OIP_BINARY_DATA_SIZE) &&
	    __builtin_add_overflow(*sum, parameters->numbers[OIP_BINARY_DATA_SIZE], sum))
		*sum = UINT64_MAX;
}

/* Whether the token is inside the array of a section's entries, and not its end. */
static bool is_in_entries(struct oip_request *request, const struct json_token *token)
{
	unsigned level = request->members.level;
	if (level == 0 && token->event != JSON_ARRAY) {
		blame_type(request, token, "an array of objects");
		json_members_pass(&request->members);
	}
	return level > 1 || (level == 1 && token->event != JSON_ARRAY_END);
}

static void read_inputs(struct oip_request *request, const struct json_token *token)
{
	unsigned level = request->members.level;
	if (!is_in_entries(request, token))
		return;
	if (level == 1)
		start_input(request);
	if (level == 1 && token->event != JSON_OBJECT)
		blame_entry(request, request->n_inputs - 1, token);
	oip_input_token(current_input(request), &request->tensors_seen, token);
	if (level == 2 && token->event == JSON_OBJECT_END)
		end_input(request);
}

static void read_outputs(struct oip_request *request, const struct json_token *token)
{
	unsigned level = request->members.level;
	if (!is_in_entries(request, token))
		return;
	if (level == 1)
		start_output(request);
	if (level == 1 && token->event != JSON_OBJECT)
		blame_entry(request, request->n_outputs - 1, token);
	oip_output_token(current_output(request), token);
}

/* ---------------------------------------------------------------- tokens */

static void blame_section(struct oip_request *request, const struct json_token *token)
{
	struct loss_error *err = refuse(request, LOSS_UNKNOWN_FIELD);
	const struct loss_place place = {
		.loss = request->loss,
		.to_tensors = "it stands in inputs",
		.to_arguments = "it stands in parameters",
		.to_outputs = "it stands in outputs",
		.names = sections,
		.n_names = N_SECTIONS,
		.words = oip_words,
		.n_words = OIP_N_WORDS,
	};
	char name[64], hint[LOSS_HINT_CHARS];
	if (!err)
		return;
	json_fault_copy(name, sizeof name, token->text, token->size);
	loss_hint_name(&place, token->text, token->size, hint, sizeof hint);
	loss_fail(err, LOSS_UNKNOWN_FIELD, name, "a request has no member \"%s\"; %s", name, hint);
}

static void read_value(struct oip_request *request, const struct json_token *token)
{
	typedef void read_section(struct oip_request *, const struct json_token *);
	static read_section *const readers[N_SECTIONS] = {
		[SECTION_ID] = read_id,
		[SECTION_MODEL_NAME] = read_model_name,
		[SECTION_MODEL_VERSION] = read_model_version,
		[SECTION_PARAMETERS] = read_parameters,
		[SECTION_INPUTS] = read_inputs,
		[SECTION_OUTPUTS] = read_outputs,
	};
	readers[request->members.selected](request, token);
}

static void blame_top(struct oip_request *request, const struct json_token *token)
{
	char shown[JSON_SHOWN_SIZE];
	json_fault_show(token, shown);
	loss_fail(refuse(request, LOSS_WRONG_TYPE), LOSS_WRONG_TYPE, "",
		  "the request is %s, but must be an object such as {\"inputs\": [...]}", shown);
}

/* The input whose entry is being read, or NULL. */
static struct oip_input *open_input(struct oip_request *request)
{
	const struct json_members *members = &request->members;
	bool inside = members->selected == SECTION_INPUTS && members->depth > 2;
	return inside ? current_input(request) : NULL;
}

/* Counts a token unless it fills a tensor; stops reading at the limit. */
static void count_idle(struct oip_request *request)
{
	const struct oip_input *input = open_input(request);
	if (input && !input->broken && oip_input_in_data(input))
		return;
	if (++request->idle < IDLE_TOKENS)
		return;
	request->deaf = true;
	loss_fail(refuse(request, LOSS_ARGUMENT_OUT_OF_RANGE), LOSS_ARGUMENT_OUT_OF_RANGE, "",
		  "the request has more than %llu names and values beside its tensors",
		  (unsigned long long)IDLE_TOKENS);
}

static void on_token(void *context, const struct json_token *token)
{
	struct oip_request *request = context;
	if (oip_request_is_dead(request))
		return;
	switch (json_members_take(&request->members, token)) {
	case JSON_MEMBERS_NO_OBJECT:
		blame_top(request, token);
		break;
	case JSON_MEMBERS_TWICE:
		loss_fail(refuse(request, LOSS_DUPLICATE_FIELD), LOSS_DUPLICATE_FIELD, token->text,
			  "%s is given twice; give it once", token->text);
		break;
	case JSON_MEMBERS_UNKNOWN:
		blame_section(request, token);
		break;
	case JSON_MEMBERS_VALUE:
		read_value(request, token);
		break;
	default:
		break;
	}
	count_idle(request);
	const struct oip_input *input = open_input(request);
	request->scan.nonfinite = input && oip_input_nonfinite(input);
	request->scan.numbers = input && oip_input_in_data(input);
}

static enum json_taken on_numbers(void *context, const char **p, const char *limit)
{
	struct oip_request *request = context;
	struct oip_input *input = open_input(request);
	if (oip_request_is_dead(request) || !input)
		return JSON_TAKEN_NOTHING;
	return json_elements_numbers(&input->elements, p, limit);
}

/* ---------------------------------------------------------------- the whole */

void oip_request_start(struct oip_request *request, const struct decoder_setup *setup)
{
	/* The entries are set when they begin. */
	memset(request, 0, offsetof(struct oip_request, inputs));
	request->problem = setup->problem;
	request->loss = loss_problem_info(setup->problem);
	request->arena = setup->arena;
	request->limits = setup->limits;
	request->id = "";
	request->binary_bytes = 0;
	request->binary_unknown = false;
	json_members_start(&request->members, sections, N_SECTIONS);
	oip_parameters_start_request(&request->parameters, setup, request->parameter_names,
				     &request->fault);
	json_scan_start(&request->scan, setup->arena,
			&(struct json_scan_owner){on_token, on_numbers, request});
}

void oip_request_feed(struct oip_request *request, const unsigned char *bytes, size_t n)
{
	if (!oip_request_is_dead(request))
		json_scan_feed(&request->scan, (const char *)bytes, n);
}

loss_status oip_request_finish(struct oip_request *request, struct loss_error *err)
{
	if (!oip_request_is_dead(request))
		return json_scan_finish(&request->scan, err);
	return fault_report(&request->fault.kept, err);
}

/* ---------------------------------------------------------------- what it comes to */

static void set_outputs(struct oip_request *request)
{
	const char *names[OIP_MAX_OUTPUTS];
	struct loss_error err;
	size_t n = request->n_outputs < OIP_MAX_OUTPUTS ? request->n_outputs : OIP_MAX_OUTPUTS;
	for (size_t i = 0; i < n; i++)
		names[i] = request->outputs[i].name;
	if (n > 0)
		fault_note(&request->fault.kept,
			   loss_problem_set_outputs(request->problem, names, n, &err), &err);
}

/* A missing tensor goes before a wrong shape, but the loss is not asked about it any more. */
static void note_missing(struct oip_request *request)
{
	for (size_t i = 0; i < request->loss->n_tensors; i++) {
		const struct loss_tensor_info *info = &request->loss->tensors[i];
		if (!info->required || (request->tensors_seen & (1u << i)))
			continue;
		loss_fail(refuse(request, LOSS_MISSING_FIELD), LOSS_MISSING_FIELD, info->name,
			  "inputs has no %s, but %s needs it", info->name, request->loss->name);
	}
}

static void check_timeout(struct oip_request *request)
{
	uint64_t timeout = request->parameters.numbers[OIP_TIMEOUT];
	if (!oip_parameters_has(&request->parameters, OIP_TIMEOUT) || timeout <= MAX_TIMEOUT)
		return;
	loss_fail(refuse(request, LOSS_ARGUMENT_OUT_OF_RANGE), LOSS_ARGUMENT_OUT_OF_RANGE,
		  "timeout",
		  "parameters.timeout is %llu microseconds, but must be at most %llu (an hour)",
		  (unsigned long long)timeout, (unsigned long long)MAX_TIMEOUT);
}

void oip_request_settle(struct oip_request *request)
{
	set_outputs(request);
	note_missing(request);
	check_timeout(request);
}

const struct oip_parameters *oip_request_output(const struct oip_request *request, size_t i)
{
	return i < request->n_outputs && i < OIP_MAX_OUTPUTS ? &request->outputs[i].parameters
							     : NULL;
}
