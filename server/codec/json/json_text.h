/*
 * What stands between the quotes of a JSON string, in pieces of any size: checks UTF-8 and escapes,
 * and keeps the first bytes of the unescaped text. Longer strings are checked to their end all the
 * same.
 */
#ifndef LOSSD_CODEC_JSON_TEXT_H
#define LOSSD_CODEC_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* No name or word that a request may hold is as long. */
#define JSON_TEXT_MAX 256

enum json_text_status {
	JSON_TEXT_MORE, /* all bytes are taken, the closing quote has not come */
	JSON_TEXT_DONE, /* the closing quote is taken */
	JSON_TEXT_BAD,  /* *p is at the byte that can not stand there; `expected` says what could */
};

/* Whose a string's text is, all of it: then nothing is kept. */
struct json_text_reader {
	/*
	 * Takes the longest beginning of what comes next, as it stands there, of which it knows
	 * each byte to be plain: ASCII, neither a control character nor a quote or a backslash.
	 * Returns how many bytes.
	 */
	size_t (*run)(void *context, const char *bytes, size_t n);
	/* Takes what run has left, unescaped and whole characters. */
	void (*put)(void *context, const char *bytes, size_t n);
	void *context;
};

struct json_text {
	const struct json_text_reader *reader; /* NULL: nobody's */
	/* Unescaped and terminated, never cut inside a character. U+0000 is kept as U+FFFD: no name
	 * has either, and what is kept stays a C string. */
	char bytes[JSON_TEXT_MAX + 1];
	size_t size;
	bool cut; /* the string is longer than bytes */
	const char *expected;

	/* Where the machine is. */
	int step;
	unsigned char next_min, next_max; /* of the next byte of a UTF-8 sequence */
	unsigned left;             /* bytes of a UTF-8 sequence, or digits of \uXXXX, to come */
	uint32_t unit, high;       /* the code unit being read; the first of a pair, or 0 */
	unsigned char sequence[4]; /* the UTF-8 sequence being read */
	unsigned sequence_size;
};

/* After the opening quote; reader may be NULL, and stays where it is. */
void json_text_start(struct json_text *text, const struct json_text_reader *reader);
/* Takes bytes from *p up to limit and moves *p. */
enum json_text_status json_text_feed(struct json_text *text, const char **p, const char *limit);

#endif
