#include "json_scan.h"

#include <inttypes.h>
#include <stdio.h>

#include "status/status.h"

enum state {
	STATE_VALUE,       /* a value must come */
	STATE_FIRST_VALUE, /* after '[' */
	STATE_KEY,         /* after a comma in an object */
	STATE_FIRST_KEY,   /* after '{' */
	STATE_COLON,       /* after a key */
	STATE_AFTER,       /* after a value inside an array or object */
	STATE_END,         /* after the document */
	STATE_STRING,      /* inside a string */
	STATE_LITERAL,     /* inside a word */
	STATE_NUMBER,      /* inside a number that began in an earlier piece */
	N_STATES
};

static const struct literal {
	const char *word;
	enum json_event event;
} literals[] = {
	{"true", JSON_TRUE}, {"false", JSON_FALSE},       {"null", JSON_NULL},
	{"NaN", JSON_NAN},   {"Infinity", JSON_INFINITY}, {"-Infinity", JSON_MINUS_INFINITY},
};
enum { N_LITERALS = sizeof literals / sizeof *literals, LITERAL_MINUS_INFINITY = 5 };

void json_scan_start(struct json_scan *scan, struct loss_arena *arena,
		     const struct json_scan_owner *owner)
{
	scan->owner = *owner;
	scan->nonfinite = scan->numbers = false;
	scan->reader = NULL;
	scan->arena = arena;
	scan->state = STATE_VALUE;
	scan->depth = 0;
	scan->objects = 0;
	scan->offset = scan->line_start = scan->end = 0;
	scan->line = 1;
	scan->carry = NULL;
	scan->error.status = LOSS_OK;
}

/* ---------------------------------------------------------------- errors */

static uint64_t offset_of(const struct json_scan *scan, const char *p)
{
	return scan->offset + (uint64_t)(p - scan->piece);
}

static void fail_at(struct json_scan *scan, uint64_t offset, loss_status status, const char *found,
		    const char *expected)
{
	loss_fail(&scan->error, status, "", "line %" PRIu64 ", column %" PRIu64 ": %s, but %s",
		  scan->line, offset - scan->line_start + 1, found, expected);
}

/* A byte that can not stand where it does. Returns NULL: nothing more is read. */
static const char *refuse_at(struct json_scan *scan, uint64_t offset, char byte,
			     const char *expected)
{
	char found[32];
	bool printable = byte > ' ' && byte < 0x7f;
	snprintf(found, sizeof found, printable ? "found '%c'" : "found the byte 0x%02x",
		 printable ? byte : (unsigned char)byte);
	fail_at(scan, offset, STATUS_INVALID_JSON, found, expected);
	return NULL;
}

static const char *refuse(struct json_scan *scan, const char *p, const char *expected)
{
	return refuse_at(scan, offset_of(scan, p), *p, expected);
}

static const char *fail_memory(struct json_scan *scan)
{
	loss_arena_failure(scan->arena, &scan->error);
	return NULL;
}

static bool in_object(const struct json_scan *scan)
{
	return scan->depth > 0 && (scan->objects >> (scan->depth - 1) & 1);
}

/* What the present state waits for. */
static const char *expectation(const struct json_scan *scan)
{
	static const char *const expectations[N_STATES] = {
		[STATE_VALUE] = "a value is expected",
		[STATE_FIRST_VALUE] = "a value or ']' is expected",
		[STATE_KEY] = "a name in double quotes is expected",
		[STATE_FIRST_KEY] = "a name in double quotes or '}' is expected",
		[STATE_COLON] = "':' is expected",
		[STATE_END] = "nothing may follow the document",
		[STATE_STRING] = "a string is not closed",
		[STATE_LITERAL] = "a word is not complete",
		[STATE_NUMBER] = "a number is not complete",
	};
	if (scan->state == STATE_AFTER)
		return in_object(scan) ? "',' or '}' is expected" : "',' or ']' is expected";
	return expectations[scan->state];
}

/* ---------------------------------------------------------------- structure */

static void emit(struct json_scan *scan, const struct json_token *token)
{
	scan->state = scan->depth > 0 ? STATE_AFTER : STATE_END;
	scan->owner.token(scan->owner.context, token);
}

static const char *open(struct json_scan *scan, const char *p)
{
	if (scan->depth == JSON_MAX_DEPTH)
		return refuse(scan, p, "nesting deeper than 32 levels is not allowed");
	bool object = *p == '{';
	uint32_t bit = UINT32_C(1) << scan->depth;
	scan->objects = object ? scan->objects | bit : scan->objects & ~bit;
	scan->depth++;
	emit(scan, &(struct json_token){
			   .event = object ? JSON_OBJECT : JSON_ARRAY, .text = p, .size = 1});
	scan->state = object ? STATE_FIRST_KEY : STATE_FIRST_VALUE;
	return p + 1;
}

static const char *close(struct json_scan *scan, const char *p)
{
	enum json_event event = in_object(scan) ? JSON_OBJECT_END : JSON_ARRAY_END;
	if (--scan->depth == 0)
		scan->end = offset_of(scan, p) + 1;
	emit(scan, &(struct json_token){.event = event, .text = p, .size = 1});
	return p + 1;
}

static const char *start_string(struct json_scan *scan, const char *p, bool is_key)
{
	json_text_start(&scan->text, is_key ? NULL : scan->reader);
	scan->text_is_key = is_key;
	scan->state = STATE_STRING;
	return p + 1;
}

static const char *read_string(struct json_scan *scan, const char *p, const char *limit)
{
	switch (json_text_feed(&scan->text, &p, limit)) {
	case JSON_TEXT_BAD:
		return refuse(scan, p, scan->text.expected);
	case JSON_TEXT_DONE:
		emit(scan, &(struct json_token){
				   .event = scan->text_is_key ? JSON_KEY : JSON_STRING,
				   .text = scan->text.bytes,
				   .size = scan->text.size,
				   .cut = scan->text.cut,
			   });
		if (scan->text_is_key)
			scan->state = STATE_COLON;
		return p;
	default:
		return p;
	}
}

/* ---------------------------------------------------------------- words */

static const char *start_literal(struct json_scan *scan, const char *p, int literal, size_t size)
{
	scan->literal = literal;
	scan->literal_size = size;
	scan->state = STATE_LITERAL;
	return p;
}

/* What the word was meant for, where another language's begins as it does. */
static const char *confusion(const struct json_scan *scan, char found)
{
	bool second = scan->literal_size == 1;
	enum json_event event = literals[scan->literal].event;
	if (event == JSON_NULL && second && found == 'a')
		return "; what is not a number is written NaN, in tensors only";
	if (event == JSON_NAN && second && found == 'o')
		return "; Python's None is null, and NaN as an element";
	if (event == JSON_NAN && second && found == 'U')
		return "; null is written in small letters";
	return "";
}

static const char *read_literal(struct json_scan *scan, const char *p, const char *limit)
{
	const struct literal *literal = &literals[scan->literal];
	for (; p < limit; p++) {
		if (*p != literal->word[scan->literal_size]) {
			char expected[96];
			snprintf(expected, sizeof expected, "%s is expected%s", literal->word,
				 confusion(scan, *p));
			return refuse(scan, p, expected);
		}
		if (literal->word[++scan->literal_size] == '\0') {
			emit(scan, &(struct json_token){.event = literal->event,
							.text = literal->word,
							.size = scan->literal_size});
			return p + 1;
		}
	}
	return p;
}

/* ---------------------------------------------------------------- numbers */

/* A number that has been looked at: `size` bytes of it at `text`, `offset` in the whole text. */
struct piece_of_number {
	const char *text, *limit; /* limit > text + size unless status is NUMBER_MORE */
	size_t size;
	uint64_t offset;
	enum number_status status;
	struct number number;
};

static void scan_number(struct piece_of_number *piece)
{
	const char *end;
	piece->status = number_scan(piece->text, piece->limit, &end, &piece->number);
	piece->size = (size_t)(end - piece->text);
}

static bool is_digit(char byte)
{
	return byte >= '0' && byte <= '9';
}

/* What to say of a number that can not go on with the byte `next`; minus: it is no more than that
 * so far. */
static const char *number_advice(bool minus, char next)
{
	if (minus && next == 'I')
		return "Infinity may stand in tensors only";
	if (minus && next == 'i')
		return "what is infinite is written -Infinity, in tensors only";
	if (minus && next == '.')
		return "a number begins with a digit, as in -0.5";
	return is_digit(next) ? "a number does not begin with 0 before other digits"
			      : "a number can not go on so";
}

/* False when the number is refused, or turns out to be a word. */
static bool take_number(struct json_scan *scan, const struct piece_of_number *piece)
{
	if (piece->size > JSON_NUMBER_MAX) {
		refuse_at(scan, piece->offset + JSON_NUMBER_MAX, piece->text[JSON_NUMBER_MAX],
			  "a number can not have more than 65536 characters");
		return false;
	}
	if (piece->status == NUMBER_BAD) {
		char next = piece->text[piece->size];
		bool minus = piece->size == 1 && piece->text[0] == '-';
		if (minus && next == 'I' && scan->nonfinite)
			start_literal(scan, NULL, LITERAL_MINUS_INFINITY, 1);
		else
			refuse_at(scan, piece->offset + piece->size, next,
				  number_advice(minus, next));
		return false;
	}
	emit(scan, &(struct json_token){.event = JSON_NUMBER,
					.text = piece->text,
					.size = piece->size,
					.number = piece->number});
	return true;
}

/* Keeps the beginning of a number for the next piece. */
static const char *carry(struct json_scan *scan, const char *p, const char *limit)
{
	if (!scan->carry && !(scan->carry = loss_buffer_create(scan->arena)))
		return fail_memory(scan);
	scan->state = STATE_NUMBER;
	return loss_buffer_append(scan->carry, p, (size_t)(limit - p)) ? limit : fail_memory(scan);
}

static const char *read_number(struct json_scan *scan, const char *p, const char *limit)
{
	struct piece_of_number piece = {.text = p, .limit = limit, .offset = offset_of(scan, p)};
	scan_number(&piece);
	if (piece.status == NUMBER_MORE && piece.size <= JSON_NUMBER_MAX) {
		scan->carry_offset = piece.offset;
		return carry(scan, p, limit);
	}
	if (take_number(scan, &piece))
		return p + piece.size;
	return scan->error.status == LOSS_OK ? p + piece.size : NULL;
}

static bool is_number_byte(char byte)
{
	return (byte >= '0' && byte <= '9') || byte == '-' || byte == '+' || byte == '.' ||
	       byte == 'e' || byte == 'E';
}

/*
 * The carried bytes and one after them, which may be the first that is not the number's. A number
 * that ends earlier ("1-2") is followed by what can not follow a value.
 */
static void end_carried(struct json_scan *scan)
{
	const char *text = (const char *)scan->carry->data;
	struct piece_of_number piece = {
		.text = text, .limit = text + scan->carry->size, .offset = scan->carry_offset};
	scan_number(&piece);
	if (piece.status == NUMBER_MORE && piece.size <= JSON_NUMBER_MAX)
		return;
	if (take_number(scan, &piece) && piece.size + 1 < scan->carry->size)
		refuse_at(scan, piece.offset + piece.size, text[piece.size], expectation(scan));
	scan->carry->size = 0;
}

static const char *read_carried(struct json_scan *scan, const char *p, const char *limit)
{
	const char *first = p;
	size_t room = JSON_NUMBER_MAX - scan->carry->size;
	while (p < limit && is_number_byte(*p) && (size_t)(p - first) < room)
		p++;
	/* At the end of the piece the number may go on; at the end of the room it is judged. */
	if (!carry(scan, first, p < limit ? p + 1 : p))
		return NULL;
	if (p < limit)
		end_carried(scan);
	return scan->error.status == LOSS_OK ? p : NULL;
}

/* ---------------------------------------------------------------- values */

static bool starts_number(char byte)
{
	return byte == '-' || (byte >= '0' && byte <= '9');
}

/* What other languages write where a value is expected: its first byte, and what JSON has. */
static const struct {
	char byte;
	const char *expected;
} foreign[] = {
	{'\'', "a text stands in double quotes"},
	{'+', "a number has no '+' before it"},
	{'.', "a number begins with a digit, as in 0.5"},
	{'(', "an array stands in [ and ]"},
	{'T', "true is written in small letters"},
	{'F', "false is written in small letters"},
	{'N', "NaN may stand in tensors only, and Python's None is null"},
	{'I', "Infinity may stand in tensors only"},
	{'i', "what is infinite is written Infinity, in tensors only"},
	{'u', "what is undefined is written null, or left out"},
	{'#', "JSON has no comments"},
	{'/', "JSON has no comments"},
};
enum { N_FOREIGN = sizeof foreign / sizeof *foreign };

static const char *refuse_foreign(struct json_scan *scan, const char *p)
{
	/* In an array a value is waited for, and not the first one, after a comma only. */
	if (*p == ']' && scan->state == STATE_VALUE && scan->depth > 0 && !in_object(scan))
		return refuse(scan, p, "a value is expected: no comma stands before the end");
	for (int i = 0; i < N_FOREIGN; i++)
		if (foreign[i].byte == *p)
			return refuse(scan, p, foreign[i].expected);
	return refuse(scan, p, expectation(scan));
}

static const char *read_other_value(struct json_scan *scan, const char *p)
{
	for (int i = 0; i < N_LITERALS; i++)
		if (*p == literals[i].word[0] &&
		    (scan->nonfinite || literals[i].event <= JSON_NULL))
			return start_literal(scan, p, i, 0);
	if ((unsigned char)*p == 0xef && offset_of(scan, p) == 0)
		return refuse(scan, p, "a body has no byte order mark");
	return refuse_foreign(scan, p);
}

static const char *read_value(struct json_scan *scan, const char *p, const char *limit)
{
	if (starts_number(*p)) {
		if (!scan->numbers)
			return read_number(scan, p, limit);
		switch (scan->owner.numbers(scan->owner.context, &p, limit)) {
		case JSON_TAKEN_NOTHING:
			return read_number(scan, p, limit);
		case JSON_TAKEN_NUMBER:
			scan->state = STATE_AFTER;
			return p;
		default:
			scan->state = STATE_VALUE;
			return p;
		}
	}
	if (*p == '[' || *p == '{')
		return open(scan, p);
	if (*p == '"')
		return start_string(scan, p, false);
	if (*p == ']' && scan->state == STATE_FIRST_VALUE)
		return close(scan, p);
	return read_other_value(scan, p);
}

static const char *read_key(struct json_scan *scan, const char *p)
{
	if (*p == '"')
		return start_string(scan, p, true);
	if (*p == '}' && scan->state == STATE_FIRST_KEY)
		return close(scan, p);
	if (*p == '}')
		return refuse(scan, p, "a name is expected: no comma stands before the end");
	return refuse(scan, p, expectation(scan));
}

static const char *read_after(struct json_scan *scan, const char *p)
{
	bool object = in_object(scan);
	if (*p == ',') {
		scan->state = object ? STATE_KEY : STATE_VALUE;
		return p + 1;
	}
	if (*p == (object ? '}' : ']'))
		return close(scan, p);
	if (*p != 'x' && *p != 'X' && *p != '_')
		return refuse(scan, p, expectation(scan));
	/* It may follow something else than a number. */
	char expected[80];
	snprintf(expected, sizeof expected, "%s; a number has no 0x and no '_'", expectation(scan));
	return refuse(scan, p, expected);
}

static const char *read_colon(struct json_scan *scan, const char *p)
{
	if (*p != ':')
		return refuse(scan, p, expectation(scan));
	scan->state = STATE_VALUE;
	return p + 1;
}

/* Between tokens. Returns where to go on, NULL when something is wrong. */
static const char *read_token(struct json_scan *scan, const char *p, const char *limit)
{
	switch ((enum state)scan->state) {
	case STATE_VALUE:
	case STATE_FIRST_VALUE:
		return read_value(scan, p, limit);
	case STATE_KEY:
	case STATE_FIRST_KEY:
		return read_key(scan, p);
	case STATE_COLON:
		return read_colon(scan, p);
	case STATE_AFTER:
		return read_after(scan, p);
	default:
		return refuse(scan, p, expectation(scan));
	}
}

static const char *skip_white(struct json_scan *scan, const char *p, const char *limit)
{
	for (; p < limit && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'); p++) {
		if (*p == '\n') {
			scan->line++;
			scan->line_start = offset_of(scan, p) + 1;
		}
	}
	return p;
}

void json_scan_feed(struct json_scan *scan, const char *bytes, size_t n)
{
	if (n == 0)
		return; /* bytes may be NULL */
	const char *p = bytes, *limit = bytes + n;
	scan->piece = bytes;
	while (p && p < limit && scan->error.status == LOSS_OK) {
		switch ((enum state)scan->state) {
		case STATE_STRING:
			p = read_string(scan, p, limit);
			break;
		case STATE_LITERAL:
			p = read_literal(scan, p, limit);
			break;
		case STATE_NUMBER:
			p = read_carried(scan, p, limit);
			break;
		default:
			p = skip_white(scan, p, limit);
			if (p < limit)
				p = read_token(scan, p, limit);
		}
	}
	scan->offset += n;
}

/* A number at the end of the text: complete if a space after it makes it so. */
static void end_number(struct json_scan *scan)
{
	static const char space[] = " ";
	if (!carry(scan, space, space + 1))
		return;
	const char *text = (const char *)scan->carry->data, *end;
	struct number number;
	size_t size = scan->carry->size - 1;
	bool complete = number_scan(text, text + size + 1, &end, &number) != NUMBER_BAD ||
			(size_t)(end - text) < size;
	if (complete)
		end_carried(scan);
}

loss_status json_scan_finish(struct json_scan *scan, struct loss_error *err)
{
	bool untouched = scan->state == STATE_VALUE && scan->depth == 0;
	if (scan->error.status == LOSS_OK && scan->state == STATE_NUMBER)
		end_number(scan);
	if (scan->error.status == LOSS_OK && untouched)
		loss_fail(&scan->error, STATUS_EMPTY_BODY, "",
			  "the body is empty, but a JSON object is expected");
	if (scan->error.status == LOSS_OK && scan->state != STATE_END)
		fail_at(scan, scan->offset, STATUS_TRUNCATED_BODY, "the body ends here",
			expectation(scan));
	if (scan->error.status != LOSS_OK && err)
		*err = scan->error;
	return scan->error.status;
}
