#include "json_elements.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "status/status.h"

/* "logits[3][1]", as long as its rank may be. */
#define PLACE_SIZE 256

void json_elements_start(struct json_elements *elements, struct loss_arena *arena,
			 const struct decoder_limits *limits)
{
	memset(elements, 0, offsetof(struct json_elements, filled));
	elements->max_elements = limits->max_elements;
	elements->limits_owner = decoder_limits_owner(limits);
	elements->max_rank =
		limits->max_rank < LOSS_MAX_RANK ? (int)limits->max_rank : LOSS_MAX_RANK;
	elements->rank = -1;
	/* As json_values_start does, which would clear them once more. */
	elements->values.arena = arena;
	elements->values.open = true;
}

/* ---------------------------------------------------------------- faults */

/* Sets the place of err: the entry that is due in the innermost of the first `levels` open arrays.
 */
static void set_place(const struct json_elements *elements, int levels, struct loss_error *err)
{
	err->has_index = true;
	err->index_rank = levels < LOSS_MAX_RANK ? levels : LOSS_MAX_RANK;
	for (int i = 0; i < err->index_rank; i++)
		err->index[i] = elements->filled[i];
	err->flat_index = levels > 0 ? elements->filled[levels - 1] : 0;
}

static void format_place(const struct json_elements *elements, int levels, char out[PLACE_SIZE])
{
	size_t used = (size_t)snprintf(out, PLACE_SIZE, "%s%s", elements->field,
				       elements->flat ? ".data" : "");
	for (int i = 0; i < levels && used < PLACE_SIZE; i++)
		used += (size_t)snprintf(out + used, PLACE_SIZE - used, "[%zu]",
					 elements->filled[i]);
}

/* Nothing more is stored. Where to say why; NULL where nobody would read it. */
static struct loss_error *refuse(struct json_elements *elements, int levels, loss_status status)
{
	elements->stopped = true;
	return json_fault_claim(elements->fault, status, elements->field,
				elements->flat && levels == 0 ? "data" : NULL);
}

/* Notes a fault at the place of `levels`; the detail begins with the place. */
__attribute__((format(printf, 4, 5))) static void blame(struct json_elements *elements, int levels,
							loss_status status, const char *format, ...)
{
	struct loss_error *err = refuse(elements, levels, status);
	char place[PLACE_SIZE], detail[sizeof err->detail - PLACE_SIZE];
	va_list args;
	if (!err)
		return;
	va_start(args, format);
	vsnprintf(detail, sizeof detail, format, args);
	va_end(args);
	format_place(elements, levels, place);
	loss_fail(err, status, elements->field, "%s %s", place, detail);
	set_place(elements, levels, err);
}

/* A fault of the tensor as a whole. */
static void blame_size(struct json_elements *elements, const char *what, uint64_t limit,
		       const char *setting)
{
	elements->stopped = true;
	loss_fail(fault_claim_field(&elements->fault->kept, STATUS_TOO_MANY_ELEMENTS,
				    elements->field),
		  STATUS_TOO_MANY_ELEMENTS, elements->field,
		  "%s has more than %llu %s, which is %s limit (%s)", elements->field,
		  (unsigned long long)limit, what, elements->limits_owner, setting);
}

static bool are_booleans(const struct json_elements *elements)
{
	return !elements->values.open && elements->values.dtype == LOSS_BOOL;
}

static void blame_type(struct json_elements *elements, const struct json_token *token)
{
	char shown[JSON_SHOWN_SIZE];
	bool flat_array = elements->flat && elements->depth == 0;
	if (!refuse(elements, elements->depth, LOSS_WRONG_TYPE))
		return;
	json_fault_show(token, shown);
	bool number = !flat_array && !are_booleans(elements);
	blame(elements, elements->depth, LOSS_WRONG_TYPE, "is %s, but must be %s%s", shown,
	      flat_array ? "a flat array, in row-major order"
	      : number   ? "a number"
			 : "true, false, 0 or 1",
	      !number ? ""
	      : token->event == JSON_NULL && elements->values.open
		      ? "; what does not count is left out by mask, or by ignore_index where a "
			"loss has it"
		      : json_fault_number(token));
}

static void blame_misfit(struct json_elements *elements, const struct json_token *token)
{
	char shown[JSON_SHOWN_SIZE], range[64];
	loss_dtype dtype = elements->values.dtype;
	if (!refuse(elements, elements->depth, LOSS_DTYPE_MISMATCH))
		return;
	json_fault_show(token, shown);
	if (are_booleans(elements) && !elements->flat && !elements->shaped) {
		blame(elements, elements->depth, LOSS_DTYPE_MISMATCH,
		      "is %s, but must be true, false, 0 or 1", shown);
		return;
	}
	json_values_range(dtype, range, sizeof range);
	blame(elements, elements->depth, LOSS_DTYPE_MISMATCH,
	      "is %s, but an element of %s is an integer in %s", shown,
	      elements->dtype_name ? elements->dtype_name : loss_dtype_info(dtype)->name, range);
}

/* ---------------------------------------------------------------- shapes */

static bool is_known(const struct json_elements *elements, int level)
{
	return level >= 0 && level < LOSS_MAX_RANK && (elements->known >> level & 1);
}

/* An entry is about to come: is there a place for it in its row? */
static void check_row(struct json_elements *elements)
{
	int level = elements->depth - 1;
	if (elements->stopped || !is_known(elements, level) ||
	    elements->filled[level] < elements->shape[level])
		return;
	blame(elements, elements->depth, STATUS_RAGGED_ARRAY,
	      "is one entry too many, the arrays before it have length %zu: nested arrays must be "
	      "of equal length",
	      elements->shape[level]);
}

static void entry_done(struct json_elements *elements)
{
	if (elements->depth > 0)
		elements->filled[elements->depth - 1]++;
}

static void check_opening(struct json_elements *elements)
{
	if (elements->stopped)
		return;
	if (elements->rank >= 0 && elements->depth >= elements->rank)
		blame(elements, elements->depth, STATUS_RAGGED_ARRAY,
		      "is an array, but stands where %s were before: nested arrays must be equally "
		      "deep",
		      are_booleans(elements) ? "booleans" : "numbers");
	else if (elements->depth >= elements->max_rank)
		blame_size(elements, "dimensions", (uint64_t)elements->max_rank, "max_rank");
}

static void open_array(struct json_elements *elements, const struct json_token *token)
{
	if (elements->flat && elements->depth > 0) {
		blame_type(elements, token);
		elements->skipped = 1;
		return;
	}
	check_row(elements);
	check_opening(elements);
	elements->filled[elements->depth++] = 0;
}

static void check_empty(struct json_elements *elements)
{
	int levels = elements->depth - 1;
	if (elements->shaped) {
		elements->rank = elements->depth;
		return;
	}
	if (elements->flat || (elements->may_be_empty && levels == 0)) {
		elements->rank = 1;
		return;
	}
	blame(elements, levels, LOSS_SHAPE_MISMATCH,
	      "is an empty array, whose other dimensions nobody can tell: write a zero-sized "
	      "tensor as {\"dtype\": \"%s\", \"shape\": [...], \"data\": []}",
	      are_booleans(elements) ? "BOOL" : "F32");
}

static void close_array(struct json_elements *elements)
{
	int level = elements->depth - 1;
	size_t n = elements->filled[level];
	if (elements->stopped) {
		/* only the place matters now */
	} else if (!is_known(elements, level)) {
		elements->known |= 1u << level;
		elements->shape[level] = n;
		if (n == 0)
			check_empty(elements);
	} else if (n != elements->shape[level]) {
		blame(elements, level, STATUS_RAGGED_ARRAY,
		      "has length %zu, but the arrays before it have length %zu: nested arrays "
		      "must be of equal length",
		      n, elements->shape[level]);
	}
	elements->depth--;
	entry_done(elements);
}

/* ---------------------------------------------------------------- elements */

static void store(struct json_elements *elements, const struct json_token *token)
{
	struct loss_error err;
	loss_status status = json_values_put(&elements->values, token, &err);
	if (status == LOSS_WRONG_TYPE)
		blame_type(elements, token);
	else if (status == LOSS_DTYPE_MISMATCH)
		blame_misfit(elements, token);
	else
		fault_note(&elements->fault->kept, status, &err);
}

static void check_element(struct json_elements *elements)
{
	if (elements->stopped)
		return;
	if (elements->rank < 0)
		elements->rank = elements->depth;
	if (elements->depth != elements->rank)
		blame(elements, elements->depth, STATUS_RAGGED_ARRAY,
		      "is a %s, but stands where arrays were before: nested arrays must be equally "
		      "deep",
		      are_booleans(elements) ? "boolean" : "number");
	else if (elements->values.count >= elements->max_elements)
		blame_size(elements, "elements", elements->max_elements, "max_elements");
}

/* Whether the token can be an element of some dtype that the tensor may still have. */
static bool may_be_element(const struct json_elements *elements, enum json_event event)
{
	if (event == JSON_TRUE || event == JSON_FALSE)
		return elements->values.open ? elements->flat || elements->shaped
					     : elements->values.dtype == LOSS_BOOL;
	return event == JSON_NUMBER || event >= JSON_NAN;
}

static void read_element(struct json_elements *elements, const struct json_token *token)
{
	check_row(elements);
	if (!may_be_element(elements, token->event))
		blame_type(elements, token);
	else
		check_element(elements);
	if (!elements->stopped)
		store(elements, token);
	entry_done(elements);
}

/* A string that stands for a non-finite number becomes that. */
static struct json_token unquote(const struct json_token *token)
{
	static const struct {
		const char *text;
		enum json_event event;
	} words[] = {
		{"NaN", JSON_NAN},
		{"Infinity", JSON_INFINITY},
		{"-Infinity", JSON_MINUS_INFINITY},
	};
	struct json_token unquoted = *token;
	for (size_t i = 0; token->event == JSON_STRING && i < sizeof words / sizeof *words; i++)
		if (strcmp(words[i].text, token->text) == 0)
			unquoted.event = words[i].event;
	return unquoted;
}

/* Inside a value that can not be an element. */
static void skip(struct json_elements *elements, enum json_event event)
{
	elements->skipped += event == JSON_ARRAY || event == JSON_OBJECT;
	elements->skipped -= event == JSON_ARRAY_END || event == JSON_OBJECT_END;
	if (elements->skipped == 0)
		entry_done(elements);
}

void json_elements_token(struct json_elements *elements, const struct json_token *token)
{
	if (elements->skipped > 0) {
		skip(elements, token->event);
	} else if (token->event == JSON_ARRAY) {
		open_array(elements, token);
	} else if (token->event == JSON_ARRAY_END) {
		close_array(elements);
	} else if (token->event == JSON_OBJECT) {
		blame_type(elements, token);
		elements->skipped = 1;
	} else {
		struct json_token element = unquote(token);
		read_element(elements, &element);
	}
}

/* Elements that the innermost array and the limit have room for. */
static size_t room_of(const struct json_elements *elements, int level)
{
	uint64_t left = elements->max_elements - elements->values.count;
	size_t room = is_known(elements, level) ? elements->shape[level] - elements->filled[level]
						: SIZE_MAX;
	return left < room ? (size_t)left : room;
}

/* "], [" as programs write it, or with other spaces; NULL where something else is there. */
static const char *skip_brackets(const char *p, const char *limit)
{
	static const char usual[] = "], [", brackets[] = "],[";
	if (limit - p > (ptrdiff_t)sizeof usual && memcmp(p, usual, sizeof usual - 1) == 0)
		return p + sizeof usual - 1;
	for (const char *bracket = brackets; *bracket; bracket++) {
		while (p < limit && *p == ' ')
			p++;
		if (p == limit || *p++ != *bracket)
			return NULL;
	}
	while (p < limit && *p == ' ')
		p++;
	return p;
}

/* Moves *p from the end of a row to the first number of the next. */
static bool skip_to_row(const char **p, const char *limit)
{
	const char *next = skip_brackets(*p, limit);
	if (!next || next == limit || (*next != '-' && (*next < '0' || *next > '9')))
		return false;
	*p = next;
	return true;
}

/* From a row that is as long as those before it to one that has a place after it. */
static bool cross(struct json_elements *elements, int level, const char **p, const char *limit)
{
	size_t *filled = elements->filled;
	if (level < 1 || !is_known(elements, level) || filled[level] != elements->shape[level])
		return false;
	if (is_known(elements, level - 1) && filled[level - 1] + 1 >= elements->shape[level - 1])
		return false;
	if (!skip_to_row(p, limit))
		return false;
	filled[level - 1]++;
	filled[level] = 0;
	return true;
}

enum json_taken json_elements_numbers(struct json_elements *elements, const char **p,
				      const char *limit)
{
	int level = elements->depth - 1;
	enum json_taken taken, last = JSON_TAKEN_NOTHING;
	if (elements->stopped || elements->skipped > 0 || level < 0 ||
	    (elements->rank >= 0 && elements->rank != elements->depth))
		return JSON_TAKEN_NOTHING;
	do {
		size_t n = json_values_run(&elements->values, p, limit, room_of(elements, level),
					   &taken);
		elements->filled[level] += n;
		if (n == 0)
			return last;
		elements->rank = elements->depth;
		last = JSON_TAKEN_COMMA; /* or brackets: a number is due */
	} while (taken == JSON_TAKEN_NUMBER && cross(elements, level, p, limit));
	return taken;
}
