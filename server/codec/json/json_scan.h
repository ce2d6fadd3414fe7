/*
 * A strict JSON tokenizer that is fed in pieces. It checks everything that makes a text JSON (RFC
 * 8259) by itself: the grammar, UTF-8, escapes, a nesting of at most JSON_MAX_DEPTH, nothing after
 * the document. What its owner makes of the tokens never changes what is valid, but for the three
 * words that `nonfinite` admits. However the text is cut into pieces, the tokens and the errors are
 * the same.
 */
#ifndef LOSSD_CODEC_JSON_SCAN_H
#define LOSSD_CODEC_JSON_SCAN_H

#include "codec/number/number.h"
#include "json_text.h"
#include "loss.h"

#define JSON_MAX_DEPTH 32
/* Nanoseconds that a byte of numbers takes to be decoded, and one of a text that has a reader, more
 * or less. */
#define JSON_BYTE_NS 1.4
#define JSON_TEXT_BYTE_NS 0.1
/* Bytes of a number. The longest decimals that anyone writes on purpose have some thousand. */
#define JSON_NUMBER_MAX ((size_t)65536)

enum json_event {
	JSON_OBJECT, /* '{' */
	JSON_OBJECT_END,
	JSON_ARRAY,
	JSON_ARRAY_END,
	JSON_KEY,
	JSON_STRING,
	JSON_NUMBER,
	JSON_TRUE,
	JSON_FALSE,
	JSON_NULL,
	JSON_NAN,
	JSON_INFINITY,
	JSON_MINUS_INFINITY,
};

/* Valid until the call that hands it over returns. */
struct json_token {
	enum json_event event;
	/* A key or string without its quotes, unescaped and terminated; else as it is written, not
	 * terminated. */
	const char *text;
	size_t size;
	bool cut;             /* the string goes on: text has its first JSON_TEXT_MAX bytes */
	struct number number; /* of JSON_NUMBER */
};

/* What `numbers` took: nothing, numbers up to the end of one, or up to a comma, or to where the
 * first number of the next array begins. */
enum json_taken { JSON_TAKEN_NOTHING, JSON_TAKEN_NUMBER, JSON_TAKEN_COMMA };

struct json_scan_owner {
	void (*token)(void *context, const struct json_token *token);
	/*
	 * The fast way through arrays of numbers, asked only while `numbers` of the scan is set:
	 * **p is a digit or a minus sign at the start of an element. Takes whole numbers of at most
	 * JSON_NUMBER_MAX bytes, commas and spaces, and the end of an array with the beginning of
	 * the next where a number follows; moves *p. What it does not take comes as tokens.
	 */
	enum json_taken (*numbers)(void *context, const char **p, const char *limit);
	void *context;
};

struct json_scan {
	struct json_scan_owner owner;
	bool nonfinite; /* set by the owner where NaN, Infinity and -Infinity may stand */
	bool numbers;   /* set by the owner where owner.numbers may be asked */
	/* Set by the owner: whose the text of a string is, but a key's, that begins now; its token
	 * has none then. NULL: nobody's. */
	const struct json_text_reader *reader;

	/* The rest belongs to the scanner. */
	struct loss_arena *arena;
	int state;
	unsigned depth;
	uint32_t objects;  /* bit i: level i is an object */
	uint64_t offset;   /* of the piece in the text */
	const char *piece; /* the piece being read */
	uint64_t end;      /* where the document ended; 0: it has not */
	/* Counted from 1, or from what the owner sets at the start; the offset of its first byte.
	 */
	uint64_t line, line_start;
	struct json_text text;
	bool text_is_key;
	struct loss_buffer *carry; /* a number that the end of a piece has cut */
	uint64_t carry_offset;
	int literal; /* the word being read, and how much of it is */
	size_t literal_size;
	struct loss_error error; /* status LOSS_OK until something is wrong */
};

void json_scan_start(struct json_scan *scan, struct loss_arena *arena,
		     const struct json_scan_owner *owner);
/* Calls the owner for every token that is complete. Does nothing once something was wrong. */
void json_scan_feed(struct json_scan *scan, const char *bytes, size_t n);
/*
 * The text is complete. STATUS_EMPTY_BODY: nothing but white space; STATUS_INVALID_JSON,
 * STATUS_TRUNCATED_BODY: with line and column; or what an allocation failed with.
 */
loss_status json_scan_finish(struct json_scan *scan, struct loss_error *err);

#endif
