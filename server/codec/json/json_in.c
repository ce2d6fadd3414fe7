/* The members of the body, and the end of it. What is inside a tensor is json_tensor's. */
#include "json_in.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "codec/status.h"
#include "json_scalar.h"
#include "json_tensor.h"

/*
 * One more name than there are outputs: then some name among them is unknown or stands there twice,
 * and the loss says which. Nothing after them is kept.
 */
#define OUTPUTS_KEPT (LOSS_MAX_OUTPUTS + 1)
/* Tokens that fill no tensor. A body with more is not read to its end: it is wrong already. */
#define IDLE_TOKENS (UINT64_C(1) << 24)

/* Whose value is being read. */
enum field { FIELD_NONE, FIELD_TENSOR, FIELD_ARGUMENT, FIELD_OUTPUTS };

struct json_in {
	struct decoder decoder; /* first: it is what the caller holds */
	struct json_scan scan;
	struct loss_problem *problem;
	const struct loss_info *loss;
	struct loss_arena *arena;
	struct json_fault fault;
	bool deaf; /* too many idle tokens: the rest is not looked at */
	uint64_t idle;

	unsigned depth; /* open arrays and objects */
	enum field field;
	size_t index;                          /* of the tensor or argument */
	unsigned tensors_seen, arguments_seen; /* bits */
	bool outputs_seen;
	/* Where non-finite words may stand: */
	bool in_tensor;   /* the member's name is a tensor's */
	bool in_data;     /* of a typed one */
	unsigned objects; /* open ones inside the member */

	size_t n_outputs;
	const char *outputs[OUTPUTS_KEPT];
	struct json_tensor tensors[]; /* of the loss */
};

static bool is_dead(const struct json_in *in)
{
	return in->deaf || fault_is_fatal(&in->fault.kept);
}

/* ---------------------------------------------------------------- names */

static void note_key(struct json_in *in, loss_status status, const struct json_token *token)
{
	struct loss_error *err = fault_claim(&in->fault.kept, status);
	char name[sizeof err->field];
	in->field = FIELD_NONE;
	if (!err)
		return;
	json_fault_copy(name, sizeof name, token->text, token->size);
	if (status == LOSS_DUPLICATE_FIELD)
		loss_fail(err, status, name, "%s is given twice; give it once", name);
	else
		loss_fail(err, status, name, "%s has no field \"%s\"; the nearest is \"%s\"",
			  in->loss->name, name,
			  loss_nearest_field(in->loss, token->text, token->size));
}

/* Marks bit i; a second time is a duplicate, whose value is skipped. */
static void see(struct json_in *in, unsigned *seen, int i, const struct json_token *token)
{
	unsigned bit = 1u << (unsigned)i;
	if (*seen & bit)
		note_key(in, LOSS_DUPLICATE_FIELD, token);
	*seen |= bit;
}

static void select_field(struct json_in *in, const struct json_token *token)
{
	int tensor = loss_find_tensor(in->loss, token->text, token->size);
	int argument = loss_find_argument(in->loss, token->text, token->size);
	in->in_tensor = tensor >= 0;
	in->in_data = false;
	in->objects = 0;
	if (tensor >= 0) {
		in->field = FIELD_TENSOR;
		in->index = (size_t)tensor;
		see(in, &in->tensors_seen, tensor, token);
	} else if (argument >= 0) {
		in->field = FIELD_ARGUMENT;
		in->index = (size_t)argument;
		see(in, &in->arguments_seen, argument, token);
	} else if (strcmp(token->text, "outputs") == 0) {
		in->field = FIELD_OUTPUTS;
		if (in->outputs_seen)
			note_key(in, LOSS_DUPLICATE_FIELD, token);
		in->outputs_seen = true;
	} else {
		note_key(in, LOSS_UNKNOWN_FIELD, token);
	}
}

/* ---------------------------------------------------------------- arguments */

static void read_argument(struct json_in *in, const struct json_token *token)
{
	struct loss_error err;
	char text[JSON_SHOWN_SIZE];
	if (in->depth > 1)
		return; /* inside an array or object, which was refused */
	if (token->event == JSON_NULL)
		return; /* absent, so that the query string may have it */
	struct loss_value value = json_scalar(token, text);
	fault_note(&in->fault.kept, loss_problem_set_argument(in->problem, in->index, &value, &err),
		   &err);
}

/* ---------------------------------------------------------------- outputs */

static void note_outputs(struct json_in *in, const struct json_token *token)
{
	struct loss_error *err = fault_claim(&in->fault.kept, LOSS_WRONG_TYPE);
	char shown[JSON_SHOWN_SIZE];
	if (!err)
		return;
	json_fault_show(token, shown);
	if (in->depth == 1) {
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
	bool ends = token->event == JSON_ARRAY_END;
	if (in->depth == 1 && token->event == JSON_NULL)
		return;
	if (in->depth == 1 && token->event != JSON_ARRAY) {
		note_outputs(in, token);
		in->field = FIELD_NONE;
	} else if (in->depth == 2 && ends) {
		end_outputs(in);
	} else if (in->depth == 2) {
		if (token->event != JSON_STRING)
			note_outputs(in, token);
		add_output(in, token);
	}
}

/* ---------------------------------------------------------------- tokens */

static void read_top(struct json_in *in, const struct json_token *token)
{
	char shown[JSON_SHOWN_SIZE];
	if (token->event == JSON_OBJECT)
		return;
	json_fault_show(token, shown);
	loss_fail(fault_claim(&in->fault.kept, LOSS_WRONG_TYPE), LOSS_WRONG_TYPE, "",
		  "the body is %s, but must be an object such as {\"%s\": [[0.5, -1.0]]}", shown,
		  in->loss->tensors[0].name);
}

static void read_value(struct json_in *in, const struct json_token *token)
{
	switch (in->field) {
	case FIELD_TENSOR:
		json_tensor_token(&in->tensors[in->index], token);
		break;
	case FIELD_ARGUMENT:
		read_argument(in, token);
		break;
	case FIELD_OUTPUTS:
		read_outputs(in, token);
		break;
	default:
		break;
	}
}

/* Counts a token unless it fills a tensor; stops reading at the limit. */
static void count_idle(struct json_in *in)
{
	if (in->field == FIELD_TENSOR && !in->tensors[in->index].broken)
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

static void follow(struct json_in *in, const struct json_token *token)
{
	bool inside = in->depth > 0;
	in->objects += inside && token->event == JSON_OBJECT;
	in->objects -= in->depth > 1 && token->event == JSON_OBJECT_END && in->objects > 0;
	in->depth += token->event == JSON_OBJECT || token->event == JSON_ARRAY;
	in->depth -= token->event == JSON_OBJECT_END || token->event == JSON_ARRAY_END;
	if (token->event == JSON_KEY && in->depth == 2)
		in->in_data = strcmp(token->text, "data") == 0;
	bool plain = in->objects == 0, data = in->objects == 1 && in->in_data;
	in->scan.nonfinite = in->in_tensor && (plain || data);
	in->scan.numbers = in->field == FIELD_TENSOR;
}

static void on_token(void *context, const struct json_token *token)
{
	struct json_in *in = context;
	if (is_dead(in))
		return;
	if (in->depth == 0)
		read_top(in, token);
	else if (in->depth == 1 && token->event == JSON_KEY)
		select_field(in, token);
	else if (in->depth == 1 && token->event == JSON_OBJECT_END)
		in->field = FIELD_NONE;
	else
		read_value(in, token);
	count_idle(in);
	follow(in, token);
}

static enum json_taken on_numbers(void *context, const char **p, const char *limit)
{
	struct json_in *in = context;
	if (is_dead(in) || in->field != FIELD_TENSOR)
		return JSON_TAKEN_NOTHING;
	return json_tensor_numbers(&in->tensors[in->index], p, limit);
}

/* ---------------------------------------------------------------- the end of the body */

static void set_tensor(struct json_in *in, size_t i, const struct loss_tensor *tensor)
{
	struct loss_error err;
	fault_note(&in->fault.kept, loss_problem_set_tensor(in->problem, i, tensor, &err), &err);
}

/* The first tensor comes first: the others depend on its dtype and shape. */
static void set_tensors(struct json_in *in)
{
	struct loss_tensor input, other;
	bool has_input = json_tensor_resolve(&in->tensors[0], NULL, &input);
	for (size_t i = 0; i < in->loss->n_tensors; i++) {
		const struct loss_tensor *first = has_input ? &input : NULL;
		if (in->tensors[i].is_null)
			set_tensor(in, i, NULL);
		else if (i == 0 && has_input)
			set_tensor(in, i, &input);
		else if (i > 0 && json_tensor_resolve(&in->tensors[i], first, &other))
			set_tensor(in, i, &other);
	}
}

/* A missing tensor goes before a wrong shape, but the loss is not asked about it any more. */
static void note_missing(struct json_in *in)
{
	for (size_t i = 0; i < in->loss->n_tensors; i++) {
		const struct json_tensor *tensor = &in->tensors[i];
		if (!tensor->info->required || (tensor->started && !tensor->is_null))
			continue;
		loss_fail(fault_claim(&in->fault.kept, LOSS_MISSING_FIELD), LOSS_MISSING_FIELD,
			  tensor->info->name, "%s is %s, but %s needs it", tensor->info->name,
			  tensor->is_null ? "null" : "missing", in->loss->name);
	}
}

/* In a message about the largest value of a dtype, writes what it stands for. */
static void restore_digits(struct loss_error *err, const struct json_mark *beyond, int64_t stored)
{
	char digits[24], rest[sizeof err->detail];
	snprintf(digits, sizeof digits, "%" PRId64, stored);
	char *place = strstr(err->detail, digits);
	if (err->status != LOSS_TARGET_OUT_OF_BOUNDS || err->flat_index != beyond->index || !place)
		return;
	json_fault_copy(rest, sizeof rest, place + strlen(digits), strlen(place + strlen(digits)));
	snprintf(place, sizeof err->detail - (size_t)(place - err->detail), "%s%s", beyond->text,
		 rest);
}

/*
 * Class indices beyond every integer dtype are stored as one that is no class either. Whether that
 * is the first thing wrong, only the loss can tell; its message then shows the wrong digits.
 */
static loss_status plan_beyond(struct json_in *in, size_t i, const struct json_mark *beyond,
			       struct loss_error *err)
{
	struct json_values *values = &in->tensors[i].elements.values;
	struct loss_plan *plan;
	for (int64_t stored = INT64_MAX; stored >= INT64_MAX - 1; stored--) {
		if (loss_plan_create(in->problem, in->arena, &plan, err) != LOSS_OK) {
			restore_digits(err, beyond, stored);
			return err->status;
		}
		json_values_avoid_largest(values); /* it is ignore_index */
	}
	return loss_fail(err, LOSS_TARGET_OUT_OF_BOUNDS, in->tensors[i].info->name,
			 "%s has the class index %s", in->tensors[i].info->name, beyond->text);
}

static loss_status end_problem(struct json_in *in, struct loss_error *err)
{
	set_tensors(in);
	if (in->fault.kept.error.status != LOSS_OK &&
	    status_precedes(LOSS_MISSING_FIELD, in->fault.kept.error.status))
		note_missing(in);
	if (fault_report(&in->fault.kept, err) != LOSS_OK)
		return err->status;
	for (size_t i = 0; i < in->loss->n_tensors; i++) {
		const struct json_mark *beyond = json_tensor_beyond(&in->tensors[i]);
		if (beyond)
			return plan_beyond(in, i, beyond, err);
	}
	return LOSS_OK;
}

/* ---------------------------------------------------------------- the decoder */

static void feed(struct decoder *decoder, const unsigned char *bytes, size_t n)
{
	struct json_in *in = (struct json_in *)decoder;
	if (!is_dead(in))
		json_scan_feed(&in->scan, (const char *)bytes, n);
	/* Others may need it while the rest of this body is thrown away. */
	if (is_dead(in))
		loss_arena_release_buffers(in->arena);
}

static loss_status finish(struct decoder *decoder, struct loss_error *err)
{
	struct json_in *in = (struct json_in *)decoder;
	if (is_dead(in))
		return fault_report(&in->fault.kept, err);
	loss_status status = json_scan_finish(&in->scan, err);
	return status == LOSS_OK ? end_problem(in, err) : status;
}

static void pointer(const struct decoder *decoder, const struct loss_error *err, char *out,
		    size_t size)
{
	const struct json_in *in = (const struct json_in *)decoder;
	int tensor = loss_find_tensor(in->loss, err->field, strlen(err->field));
	bool typed = tensor >= 0 && in->tensors[tensor].form == JSON_TENSOR_TYPED;
	json_fault_pointer(&in->fault, err, typed, out, size);
}

struct decoder *json_in_create(const struct decoder_setup *setup)
{
	struct loss_arena *arena = setup->arena;
	size_t n_tensors = loss_problem_info(setup->problem)->n_tensors;
	struct json_in *in =
		loss_arena_alloc(arena, 1, sizeof *in + n_tensors * sizeof(struct json_tensor));
	if (!in)
		return NULL;
	*in = (struct json_in){
		.decoder = {.feed = feed, .finish = finish, .pointer = pointer},
		.problem = setup->problem,
		.loss = loss_problem_info(setup->problem),
		.arena = arena,
	};
	json_scan_start(&in->scan, arena, &(struct json_scan_owner){on_token, on_numbers, in});
	for (size_t i = 0; i < n_tensors; i++)
		json_tensor_start(&in->tensors[i], &in->loss->tensors[i], arena, &setup->limits,
				  &in->fault);
	return &in->decoder;
}
