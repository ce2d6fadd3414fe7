#include "query.h"

#include <math.h>
#include <string.h>

#include "codec/number/number.h"
#include "codec/text/percent.h"
#include "status/fault.h"

/* One more than there are outputs: then some name is unknown or stands there twice, and the loss
 * says which. */
#define OUTPUTS_KEPT (LOSS_MAX_OUTPUTS + 1)
/* No name and no value that is right is nearly as long; of longer ones the beginning is looked at.
 */
#define TEXT_SIZE 1024

struct text {
	char bytes[TEXT_SIZE]; /* terminated */
	size_t size;
	bool cut;
};

struct query {
	struct loss_problem *problem;
	const struct loss_info *loss;
	struct loss_arena *arena;
	struct fault fault;
	unsigned arguments_seen; /* bits */
	bool outputs_given;
	struct query_wish *wish;
	bool compress_given;
	size_t n_outputs;
	const char *outputs[OUTPUTS_KEPT];
};

/* Where a fault is written; NULL where nobody would read it. */
static struct loss_error *refuse(struct query *query, loss_status status, const char *field)
{
	return fault_claim_field(&query->fault, status, field);
}

/* ---------------------------------------------------------------- percent-encoding */

/* The byte at p, decoded; 0 for what is badly encoded. */
static char byte_at(const char *p, const char *limit)
{
	if (*p != '%')
		return *p == '+' ? ' ' : *p;
	int byte = percent_byte(p, (size_t)(limit - p));
	return byte < 0 ? '\0' : (char)byte;
}

/* Decodes [p, limit) into out; false for bad encoding, NUL included. */
static bool decode(struct query *query, const char *p, const char *limit, struct text *out)
{
	out->size = 0;
	out->cut = false;
	while (p < limit) {
		char byte = byte_at(p, limit);
		if (byte == '\0') {
			int shown = limit - p < PERCENT_SIZE ? (int)(limit - p) : PERCENT_SIZE;
			loss_fail(
				refuse(query, STATUS_INVALID_QUERY, ""), STATUS_INVALID_QUERY, "",
				"the query string has \"%.*s\", but %% must be followed by the two "
				"hexadecimal digits of a byte other than 0",
				shown, p);
			return false;
		}
		out->cut |= out->size == TEXT_SIZE - 1;
		if (!out->cut)
			out->bytes[out->size++] = byte;
		p += *p == '%' ? PERCENT_SIZE : 1;
	}
	out->bytes[out->size] = '\0';
	return true;
}

/* ---------------------------------------------------------------- arguments */

static void read_boolean(const char *text, struct loss_value *value)
{
	static const struct {
		const char *text;
		bool boolean;
	} words[] = {
		{"true", true},   {"True", true},   {"1", true},
		{"false", false}, {"False", false}, {"0", false},
	};
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if (strcmp(words[i].text, text) != 0)
			continue;
		value->type = LOSS_VALUE_BOOLEAN;
		value->boolean = words[i].boolean;
	}
}

static bool read_nonfinite(const char *text, double *number)
{
	const char *word = *text == '-' ? text + 1 : text;
	bool infinite = strcmp(word, "Infinity") == 0;
	*number = infinite ? (double)INFINITY : (double)NAN;
	*number = *text == '-' ? -*number : *number;
	return infinite || strcmp(text, "NaN") == 0;
}

static void read_number(const char *text, struct loss_value *value)
{
	struct number number;
	if (read_nonfinite(text, &value->number)) {
		value->type = LOSS_VALUE_NUMBER;
		return;
	}
	if (number_parse(text, strlen(text), &number) != NUMBER_OK)
		return;
	value->type = number.is_integer ? LOSS_VALUE_INTEGER : LOSS_VALUE_NUMBER;
	value->number = number.value;
	uint64_t most = (uint64_t)INT64_MAX + number.negative;
	value->integer_overflow = number.is_integer && (!number.fits || number.magnitude > most);
	if (number.is_integer && !value->integer_overflow)
		value->integer = (int64_t)(number.negative ? -number.magnitude : number.magnitude);
}

/* What a value's text means for the argument; a string where it does not parse, which is refused.
 */
static void set_argument(struct query *query, size_t i, const struct text *text)
{
	struct loss_value value = {.type = LOSS_VALUE_STRING, .text = text->bytes};
	struct loss_error err;
	bool again = query->arguments_seen >> i & 1;
	query->arguments_seen |= 1u << i;
	if (again && !refuse(query, LOSS_DUPLICATE_FIELD, query->loss->arguments[i]->name))
		return; /* nothing else is wrong with it then */
	switch (query->loss->arguments[i]->type) {
	case LOSS_ARGUMENT_BOOLEAN:
		read_boolean(text->bytes, &value);
		break;
	case LOSS_ARGUMENT_INTEGER:
	case LOSS_ARGUMENT_NUMBER:
		if (!text->cut)
			read_number(text->bytes, &value);
		break;
	default:
		break;
	}
	fault_note(&query->fault, loss_problem_set_argument(query->problem, i, &value, &err), &err);
}

/* ---------------------------------------------------------------- outputs */

static void add_output(struct query *query, const char *name, size_t n)
{
	if (query->n_outputs == OUTPUTS_KEPT)
		return;
	const char *kept = loss_arena_printf(query->arena, "%.*s", (int)n, name);
	if (kept)
		query->outputs[query->n_outputs++] = kept;
	else
		fault_note_memory(&query->fault, query->arena);
}

/* Names between commas, which some clients encode; no text is no name. */
static void add_outputs(struct query *query, const struct text *text)
{
	const char *name = text->size > 0 ? text->bytes : NULL;
	query->outputs_given = true;
	while (name) {
		size_t n = strcspn(name, ",");
		add_output(query, name, n);
		name = name[n] == ',' ? name + n + 1 : NULL;
	}
}

static void set_outputs(struct query *query)
{
	struct loss_error err;
	if (!query->outputs_given)
		return;
	loss_status status =
		loss_problem_set_outputs(query->problem, query->outputs, query->n_outputs, &err);
	fault_note(&query->fault, status, &err);
}

/* ---------------------------------------------------------------- how the reply is wanted */

static void set_compress(struct query *query, const struct text *text)
{
	struct loss_value value = {.type = LOSS_VALUE_STRING};
	loss_status status = query->compress_given ? LOSS_DUPLICATE_FIELD : LOSS_WRONG_TYPE;
	read_boolean(text->bytes, &value);
	bool good = !query->compress_given && value.type == LOSS_VALUE_BOOLEAN;
	struct loss_error *err = good ? NULL : refuse(query, status, "compress");
	if (good)
		query->wish->compress = value.boolean;
	else if (err && query->compress_given)
		loss_fail(err, status, "compress", "compress is given twice; give it once");
	else if (err)
		loss_fail(err, status, "compress",
			  "compress is \"%.60s\", but must be true or false", text->bytes);
	query->compress_given = true;
}

static void set_style(struct query *query, size_t argument, const struct text *text)
{
	struct loss_value value = {.type = LOSS_VALUE_STRING, .text = text->bytes};
	struct loss_error err;
	fault_note(&query->fault, style_set(&query->wish->style, argument, &value, &err), &err);
}

/* ---------------------------------------------------------------- parts */

static void blame_name(struct query *query, const struct text *name)
{
	const char *names[2 + N_STYLE_ARGUMENTS] = {"outputs", "compress"};
	for (size_t i = 0; i < N_STYLE_ARGUMENTS; i++)
		names[2 + i] = style_arguments[i].name;
	const struct loss_place place = {
		.loss = query->loss,
		.kinds = LOSS_NAME_ARGUMENT,
		.to_tensors = "give it in the body",
		.to_outputs = "name it in outputs, as in ?outputs=loss,grad",
		.names = names,
		.n_names = sizeof names / sizeof *names,
	};
	struct loss_error *err = refuse(query, LOSS_UNKNOWN_FIELD, name->bytes);
	char hint[LOSS_HINT_CHARS];
	if (!err)
		return;
	loss_hint_name(&place, name->bytes, name->size, hint, sizeof hint);
	loss_fail(err, LOSS_UNKNOWN_FIELD, name->bytes, "%s has no argument \"%.60s\"; %s",
		  query->loss->name, name->bytes, hint);
}

/* A part is name=value, or a name alone, whose value is "". */
static void read_part(struct query *query, const char *p, const char *limit)
{
	struct text name, value;
	const char *equals = memchr(p, '=', (size_t)(limit - p));
	const char *name_end = equals ? equals : limit;
	const char *value_start = equals ? equals + 1 : limit;
	if (name_end == p) {
		loss_fail(refuse(query, STATUS_INVALID_QUERY, ""), STATUS_INVALID_QUERY, "",
			  "the query string has a part without a name: write name=value, with & "
			  "between parts");
		return;
	}
	if (!decode(query, p, name_end, &name) || !decode(query, value_start, limit, &value))
		return;
	int argument = loss_find_argument(query->loss, name.bytes, name.size);
	size_t style = style_find(name.bytes, name.size);
	if (strcmp(name.bytes, "outputs") == 0)
		add_outputs(query, &value);
	else if (strcmp(name.bytes, "compress") == 0)
		set_compress(query, &value);
	else if (style < N_STYLE_ARGUMENTS)
		set_style(query, style, &value);
	else if (argument >= 0)
		set_argument(query, (size_t)argument, &value);
	else
		blame_name(query, &name);
}

loss_status query_apply(const char *text, size_t n, struct loss_problem *problem,
			struct loss_arena *arena, struct query_wish *wish, struct loss_error *err)
{
	struct query query = {.problem = problem,
			      .loss = loss_problem_info(problem),
			      .arena = arena,
			      .fault = {.arena = arena},
			      .wish = wish};
	*wish = (struct query_wish){.compress = false};
	const char *p = text, *limit = text + n;
	while (n > 0 && p) {
		const char *end = memchr(p, '&', (size_t)(limit - p));
		read_part(&query, p, end ? end : limit);
		p = end ? end + 1 : NULL;
	}
	set_outputs(&query);
	return fault_report(&query.fault, err);
}
