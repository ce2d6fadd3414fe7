/* The members of the body, and the end of it. What is inside a tensor is json_tensor's. */
#include "json_in.h"

#include <stdio.h>
#include <string.h>

#include "codec/signature.h"
#include "json_members.h"
#include "json_scalar.h"
#include "json_tensor.h"
#include "status/status.h"

/*
 * One more name than there are outputs: then some name among them is unknown or stands there twice,
 * and the loss says which. Nothing after them is kept.
 */
#define OUTPUTS_KEPT (LOSS_MAX_OUTPUTS + 1)
/* Tokens that fill no tensor. A body with more is not read to its end: it is wrong already. */
#define IDLE_TOKENS (UINT64_C(1) << 24)

struct json_in {
	struct decoder decoder; /* first: it is what the caller holds */
	struct json_scan scan;
	struct loss_problem *problem;
	struct sink *sink;
	const struct loss_info *loss;
	struct loss_arena *arena;
	struct style *style;
	const char *isa;
	struct json_fault fault;
	bool deaf; /* too many idle tokens: the rest is not looked at */
	uint64_t idle;
	struct beginning beginning;

	/* The loss's tensors, then its arguments, then what it has not alone. */
	struct json_members members;
	const char *names[JSON_MEMBERS_MAX];
	bool in_data; /* of a typed tensor, also of one that is passed over */

	size_t n_outputs;
	const char *outputs[OUTPUTS_KEPT];
	struct decoder_limits limits;
	/* Of the loss; NULL until a value comes, for most losses know more tensors than come. */
	struct json_tensor *tensors[LOSS_N_ROLES];
};

static bool is_dead(const struct json_in *in)
{
	bool wrong = in->fault.kept.error.status != LOSS_OK; /* mostly not: asked for every token */
	return in->deaf || (wrong && fault_is_fatal(&in->fault.kept));
}

/* ---------------------------------------------------------------- names */

static bool is_tensor(const struct json_in *in, size_t member)
{
	return member < in->loss->n_tensors;
}

static void list_names(struct json_in *in)
{
	size_t n = 0;
	for (size_t i = 0; i < in->loss->n_tensors; i++)
		in->names[n++] = in->loss->tensors[i].name;
	for (size_t i = 0; i < in->loss->n_arguments; i++)
		in->names[n++] = in->loss->arguments[i]->name;
	in->names[n++] = "outputs";
	for (size_t i = 0; i < N_STYLE_ARGUMENTS; i++)
		in->names[n++] = style_arguments[i].name;
	json_members_start(&in->members, in->names, n);
}

/* What is told of names that are none. */
static void hint_key(const struct json_in *in, const struct json_token *token, char *out,
		     size_t size)
{
	const char *names[1 + N_STYLE_ARGUMENTS] = {"outputs"};
	for (size_t i = 0; i < N_STYLE_ARGUMENTS; i++)
		names[1 + i] = style_arguments[i].name;
	static const struct loss_word words[] = {
		{"loss", "the path names the loss (--loss that of lossd eval); as an output it "
			 "stands in \"outputs\""},
		{"inputs", "requests of the Open Inference Protocol go to "
			   "/v2/models/{loss}/infer"},
		{"compress", "it is a parameter of the query string: ?compress=true"},
		{"timeout", "a time limit is the header X-Request-Timeout-Ms"},
	};
	const struct loss_place place = {
		.loss = in->loss,
		.kinds = LOSS_NAME_TENSOR | LOSS_NAME_ARGUMENT,
		.to_outputs = "name it in \"outputs\"",
		.names = names,
		.n_names = sizeof names / sizeof *names,
		.words = words,
		.n_words = sizeof words / sizeof *words,
	};
	loss_hint_name(&place, token->text, token->size, out, size);
}

static void note_key(struct json_in *in, loss_status status, const struct json_token *token)
{
	struct loss_error *err = fault_claim_field(&in->fault.kept, status, token->text);
	char name[sizeof err->field], hint[LOSS_HINT_CHARS];
	if (!err)
		return;
	json_fault_copy(name, sizeof name, token->text, token->size);
	if (status == LOSS_DUPLICATE_FIELD) {
		loss_fail(err, status, name, "%s is given twice; give it once", name);
		return;
	}
	hint_key(in, token, hint, sizeof hint);
	loss_fail(err, status, name, "%s has no field \"%s\"; %s", in->loss->name, name, hint);
}

/* ---------------------------------------------------------------- arguments */

static void read_argument(struct json_in *in, size_t i, const struct json_token *token)
{
	struct loss_error err;
	char text[JSON_SHOWN_SIZE];
	if (in->members.level > 0)
		return; /* inside an array or object, which was refused */
	struct loss_value value = json_scalar(token, text);
	fault_note(&in->fault.kept, loss_problem_set_argument(in->problem, i, &value, &err), &err);
}

static void read_style(struct json_in *in, size_t argument, const struct json_token *token)
{
	struct loss_error err;
	char text[JSON_SHOWN_SIZE];
	if (in->members.level > 0)
		return; /* inside an array or object, which was refused */
	struct loss_value value = json_scalar(token, text);
	fault_note(&in->fault.kept, style_set(in->style, argument, &value, &err), &err);
}

/* ---------------------------------------------------------------- outputs */

static void note_outputs(struct json_in *in, const struct json_token *token)
{
	struct loss_error *err = fault_claim_field(&in->fault.kept, LOSS_WRONG_TYPE, "outputs");
	char shown[JSON_SHOWN_SIZE];
	if (!err)
		return;
	json_fault_show(token, shown);
	if (in->members.level == 0) {
		loss_fail(err, LOSS_WRONG_TYPE, "outputs",
			  "outputs is %s, but must be an array of strings such as [\"%s\"]", shown,
			  in->loss->outputs[0]->name);
	} else {
		loss_fail(err, LOSS_WRONG_TYPE, "outputs",
			  "outputs[%zu] is %s, but must be a string such as \"%s\"", in->n_outputs,
			  shown, in->loss->outputs[0]->name);
		err->has_index = true;
		err->index_rank = 1;
		err->index[0] = err->flat_index = in->n_outputs;
	}
}

static void add_output(struct json_in *in, const struct json_token *token)
{
	char text[JSON_SHOWN_SIZE];
	struct json_token name = *token;
	size_t i = in->n_outputs++;
	if (i >= OUTPUTS_KEPT)
		return;
	if (name.event == JSON_STRING)
		name.event = JSON_KEY; /* without quotes */
	json_fault_show(&name, text);
	in->outputs[i] = loss_arena_printf(in->arena, "%s", text);
	if (!in->outputs[i])
		fault_note_memory(&in->fault.kept, in->arena);
}

static void end_outputs(struct json_in *in)
{
	struct loss_error err;
	size_t n = in->n_outputs < OUTPUTS_KEPT ? in->n_outputs : OUTPUTS_KEPT;
	fault_note(&in->fault.kept, loss_problem_set_outputs(in->problem, in->outputs, n, &err),
		   &err);
}

static void read_outputs(struct json_in *in, const struct json_token *token)
{
	unsigned level = in->members.level;
	if (level == 0 && token->event != JSON_ARRAY) {
		note_outputs(in, token);
		json_members_pass(&in->members);
	} else if (level == 1 && token->event == JSON_ARRAY_END) {
		end_outputs(in);
	} else if (level == 1) {
		if (token->event != JSON_STRING)
			note_outputs(in, token);
		add_output(in, token);
	}
}

/* ---------------------------------------------------------------- tokens */

static void note_top(struct json_in *in, const struct json_token *token)
{
	char shown[JSON_SHOWN_SIZE];
	json_fault_show(token, shown);
	loss_fail(fault_claim(&in->fault.kept, LOSS_WRONG_TYPE), LOSS_WRONG_TYPE, "",
		  "the body is %s, but must be an object such as {\"%s\": [[0.5, -1.0]]}", shown,
		  in->loss->tensors[0].name);
}

static void read_tensor(struct json_in *in, size_t i, const struct json_token *token)
{
	struct json_tensor *tensor = in->tensors[i];
	if (!tensor) {
		tensor = in->tensors[i] = loss_arena_array(in->arena, struct json_tensor, 1);
		if (!tensor) {
			fault_note_memory(&in->fault.kept, in->arena);
			return;
		}
		json_tensor_start(tensor, &in->loss->tensors[i], in->arena, &in->limits,
				  &in->fault);
		tensor->isa = in->isa;
	}
	json_tensor_token(tensor, token);
}

static void read_value(struct json_in *in, const struct json_token *token)
{
	size_t member = in->members.selected, n_tensors = in->loss->n_tensors;
	size_t outputs = n_tensors + in->loss->n_arguments;
	if (is_tensor(in, member))
		read_tensor(in, member, token);
	else if (member < outputs)
		read_argument(in, member - n_tensors, token);
	else if (member > outputs)
		read_style(in, member - outputs - 1, token);
	else
		read_outputs(in, token);
}

/* Counts a token unless it fills a tensor; stops reading at the limit. */
static void count_idle(struct json_in *in)
{
	size_t member = in->members.selected;
	if (is_tensor(in, member) && !(in->tensors[member] && in->tensors[member]->broken))
		return;
	if (++in->idle < IDLE_TOKENS)
		return;
	in->deaf = true;
	/* Only a list of outputs can be as long and have no fault. */
	loss_fail(fault_claim(&in->fault.kept, LOSS_ARGUMENT_OUT_OF_RANGE),
		  LOSS_ARGUMENT_OUT_OF_RANGE, "outputs",
		  "outputs has %zu names, but %s has only %zu", in->n_outputs, in->loss->name,
		  in->loss->n_outputs);
}

/* Words for non-finite numbers may stand in tensors, also in those that are passed over. */
static void follow(struct json_in *in, const struct json_token *token)
{
	const struct json_members *members = &in->members;
	if (token->event == JSON_KEY && members->level <= 1)
		in->in_data = members->level == 1 && strcmp(token->text, "data") == 0;
	bool plain = members->objects == 0, data = members->objects == 1 && in->in_data;
	in->scan.nonfinite = is_tensor(in, members->named) && (plain || data);
	in->scan.numbers = is_tensor(in, members->selected);
	in->scan.reader = NULL;
	if (token->event == JSON_KEY && in->scan.numbers && in->tensors[members->selected])
		in->scan.reader = json_tensor_reader(in->tensors[members->selected]);
}

static void on_token(void *context, const struct json_token *token)
{
	struct json_in *in = context;
	if (is_dead(in))
		return;
	switch (json_members_take(&in->members, token)) {
	case JSON_MEMBERS_NO_OBJECT:
		note_top(in, token);
		break;
	case JSON_MEMBERS_TWICE:
		note_key(in, LOSS_DUPLICATE_FIELD, token);
		break;
	case JSON_MEMBERS_UNKNOWN:
		note_key(in, LOSS_UNKNOWN_FIELD, token);
		break;
	case JSON_MEMBERS_VALUE:
		read_value(in, token);
		break;
	default: /* null: absent, so that the query string may have it */
		break;
	}
	count_idle(in);
	follow(in, token);
}

static enum json_taken on_numbers(void *context, const char **p, const char *limit)
{
	struct json_in *in = context;
	size_t member = in->members.selected;
	if (is_dead(in) || !is_tensor(in, member) || !in->tensors[member])
		return JSON_TAKEN_NOTHING;
	return json_tensor_numbers(in->tensors[member], p, limit);
}

/* ---------------------------------------------------------------- the end of the body */

static void set_tensor(struct json_in *in, size_t i, const struct loss_tensor *tensor)
{
	const struct json_tensor *from = in->tensors[i];
	const struct loss_buffer *beyond = from ? from->elements.values.beyond : NULL;
	struct loss_error err;
	fault_note(&in->fault.kept, in->sink->set(in->sink, i, tensor, &err), &err);
	if (beyond)
		loss_problem_set_beyond(in->problem, i, (const void *)beyond->data,
					beyond->size / sizeof(struct loss_beyond));
}

static bool is_null(const struct json_in *in, size_t member)
{
	return (in->members.seen & ~in->members.given) >> member & 1;
}

static bool resolve(struct json_in *in, size_t i, const struct loss_tensor *input,
		    struct loss_tensor *out)
{
	return in->tensors[i] && json_tensor_resolve(in->tensors[i], input, out);
}

/* The first tensor comes first: the others depend on its dtype and shape. */
static void set_tensors(struct json_in *in)
{
	struct loss_tensor input, other;
	bool has_input = resolve(in, 0, NULL, &input);
	for (size_t i = 0; i < in->loss->n_tensors; i++) {
		const struct loss_tensor *first = has_input ? &input : NULL;
		if (is_null(in, i))
			set_tensor(in, i, NULL);
		else if (i == 0 && has_input)
			set_tensor(in, i, &input);
		else if (i > 0 && resolve(in, i, first, &other))
			set_tensor(in, i, &other);
	}
}

/* A missing tensor goes before a wrong shape, but the loss is not asked about it any more. */
static void note_missing(struct json_in *in)
{
	for (size_t i = 0; i < in->loss->n_tensors; i++) {
		const struct loss_tensor_info *info = &in->loss->tensors[i];
		if (!info->required || json_members_has(&in->members, i))
			continue;
		loss_fail(fault_claim_field(&in->fault.kept, LOSS_MISSING_FIELD, info->name),
			  LOSS_MISSING_FIELD, info->name, "%s is %s, but %s needs it", info->name,
			  is_null(in, i) ? "null" : "missing", in->loss->name);
	}
}

/* What else the loss would say, were it asked: types, and then what is missing, go before shapes.
 */
static void note_others(struct json_in *in)
{
	struct fault *fault = &in->fault.kept;
	struct loss_error found;
	fault_note(fault, loss_problem_check_dtypes(in->problem, &found), &found);
	if (status_precedes(LOSS_MISSING_FIELD, fault->error.status) ||
	    fault->error.status == LOSS_MISSING_FIELD)
		note_missing(in);
}

static loss_status end_problem(struct json_in *in, struct loss_error *err)
{
	set_tensors(in);
	if (in->fault.kept.error.status != LOSS_OK)
		note_others(in);
	return fault_report(&in->fault.kept, err);
}

/* ---------------------------------------------------------------- the decoder */

static void feed(struct decoder *decoder, const unsigned char *bytes, size_t n)
{
	struct json_in *in = (struct json_in *)decoder;
	beginning_feed(&in->beginning, bytes, n);
	if (!is_dead(in))
		json_scan_feed(&in->scan, (const char *)bytes, n);
	in->decoder.byte_ns = in->scan.text.reader ? JSON_TEXT_BYTE_NS : JSON_BYTE_NS;
	/* Others may need it while the rest of this body is thrown away. */
	if (is_dead(in))
		loss_arena_release_buffers(in->arena);
}

/* A second document follows: the file is likely one of lines. */
static void tell_lines(struct loss_error *err)
{
	size_t n = strlen(err->detail);
	snprintf(err->detail + n, sizeof err->detail - n,
		 "; JSON lines, one problem each, are --format jsonl");
}

static loss_status finish(struct decoder *decoder, struct loss_error *err)
{
	struct json_in *in = (struct json_in *)decoder;
	if (is_dead(in))
		return fault_report(&in->fault.kept, err);
	loss_status status = json_scan_finish(&in->scan, err);
	if (status == STATUS_INVALID_JSON && err)
		signature_tell(&in->beginning, "json", in->limits.of_eval, err);
	if (status == STATUS_INVALID_JSON && err && in->limits.of_eval && in->scan.end > 0)
		tell_lines(err);
	return status == LOSS_OK ? end_problem(in, err) : status;
}

static void pointer(const struct decoder *decoder, const struct loss_error *err, char *out,
		    size_t size)
{
	const struct json_in *in = (const struct json_in *)decoder;
	int tensor = loss_find_tensor(in->loss, err->field, strlen(err->field));
	enum json_form form = JSON_NESTED;
	if (tensor >= 0 && in->tensors[tensor] && in->tensors[tensor]->form == JSON_TENSOR_TYPED)
		form = json_tensor_is_base64(in->tensors[tensor]) ? JSON_BASE64 : JSON_TYPED;
	json_fault_pointer(&in->fault, err, form, out, size);
}

struct decoder *json_in_create(const struct decoder_setup *setup)
{
	struct loss_arena *arena = setup->arena;
	struct json_in *in = loss_arena_array(arena, struct json_in, 1);
	if (!in)
		return NULL;
	*in = (struct json_in){
		.decoder = {.feed = feed,
			    .finish = finish,
			    .pointer = pointer,
			    .byte_ns = JSON_BYTE_NS},
		.problem = setup->problem,
		.sink = setup->sink,
		.loss = loss_problem_info(setup->problem),
		.arena = arena,
		.style = setup->style,
		.isa = setup->isa,
		.limits = setup->limits,
		.fault = {.kept = {.arena = arena}},
	};
	list_names(in);
	json_scan_start(&in->scan, arena, &(struct json_scan_owner){on_token, on_numbers, in});
	if (setup->line > 0)
		in->scan.line = setup->line;
	return &in->decoder;
}
