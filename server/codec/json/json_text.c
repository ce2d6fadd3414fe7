#include "json_text.h"

#include <string.h>

#include "codec/text/utf8.h"

enum step {
	STEP_PLAIN,
	STEP_SEQUENCE, /* inside a character of two to four bytes */
	STEP_ESCAPE,   /* after a backslash */
	STEP_UNICODE,  /* inside the digits of \uXXXX */
	STEP_PAIR,     /* after the first half of a surrogate pair: a backslash must come, */
	STEP_PAIR_U,   /* and then a u */
};

void json_text_start(struct json_text *text, const struct json_text_reader *reader)
{
	text->reader = reader;
	text->bytes[0] = '\0';
	text->size = 0;
	text->cut = false;
	text->step = STEP_PLAIN;
	text->high = 0;
}

/* Keeps n bytes, whole characters, or remembers that there was no room. */
static void keep(struct json_text *text, const char *bytes, size_t n)
{
	if (text->reader) {
		text->reader->put(text->reader->context, bytes, n);
		return;
	}
	size_t room = JSON_TEXT_MAX - text->size;
	text->cut |= n > room;
	if (text->cut)
		return;
	memcpy(text->bytes + text->size, bytes, n);
	text->size += n;
	text->bytes[text->size] = '\0';
}

/* Keeps as many of n bytes of ASCII as there is room for. */
static void keep_ascii(struct json_text *text, const char *bytes, size_t n)
{
	size_t room = JSON_TEXT_MAX - text->size;
	if (n > room && !text->cut && !text->reader)
		keep(text, bytes, room);
	keep(text, bytes, n);
}

static void keep_code_point(struct json_text *text, uint32_t code)
{
	char bytes[4];
	size_t n = 0;
	code = code ? code : 0xfffd;
	if (code < 0x80) {
		bytes[n++] = (char)code;
	} else if (code < 0x800) {
		bytes[n++] = (char)(0xc0 | code >> 6);
	} else if (code < 0x10000) {
		bytes[n++] = (char)(0xe0 | code >> 12);
		bytes[n++] = (char)(0x80 | (code >> 6 & 0x3f));
	} else {
		bytes[n++] = (char)(0xf0 | code >> 18);
		bytes[n++] = (char)(0x80 | (code >> 12 & 0x3f));
		bytes[n++] = (char)(0x80 | (code >> 6 & 0x3f));
	}
	if (code >= 0x80)
		bytes[n++] = (char)(0x80 | (code & 0x3f));
	keep(text, bytes, n);
}

static enum json_text_status bad(struct json_text *text, const char *expected)
{
	text->expected = expected;
	return JSON_TEXT_BAD;
}

static bool start_sequence(struct json_text *text, unsigned char byte)
{
	const struct utf8_lead *lead = utf8_lead(byte);
	if (!lead)
		return false;
	text->step = STEP_SEQUENCE;
	text->left = lead->n_more;
	text->next_min = lead->low;
	text->next_max = lead->high;
	text->sequence[0] = byte;
	text->sequence_size = 1;
	return true;
}

static bool is_plain(unsigned char byte)
{
	return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

/* A run of plain bytes and the byte that ends it. */
static enum json_text_status feed_plain(struct json_text *text, const char **p, const char *limit)
{
	const struct json_text_reader *reader = text->reader;
	if (reader)
		*p += reader->run(reader->context, *p, (size_t)(limit - *p));
	const char *first = *p;
	while (*p < limit && is_plain((unsigned char)**p))
		++*p;
	keep_ascii(text, first, (size_t)(*p - first));
	if (*p == limit)
		return JSON_TEXT_MORE;
	unsigned char byte = (unsigned char)**p;
	if (byte < 0x20)
		return bad(text, "control characters in strings must be escaped");
	if (byte >= 0x80 && !start_sequence(text, byte))
		return bad(text, "a string must be valid UTF-8");
	if (byte == '\\')
		text->step = STEP_ESCAPE;
	++*p;
	return byte == '"' ? JSON_TEXT_DONE : JSON_TEXT_MORE;
}

static enum json_text_status feed_sequence(struct json_text *text, unsigned char byte)
{
	if (byte < text->next_min || byte > text->next_max)
		return bad(text, "a string must be valid UTF-8");
	text->sequence[text->sequence_size++] = byte;
	text->next_min = 0x80;
	text->next_max = 0xbf;
	if (--text->left == 0) {
		keep(text, (const char *)text->sequence, text->sequence_size);
		text->step = STEP_PLAIN;
	}
	return JSON_TEXT_MORE;
}

static enum json_text_status feed_escape(struct json_text *text, unsigned char byte)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *place = byte ? strchr(from, byte) : NULL;
	if (byte == 'u') {
		text->step = STEP_UNICODE;
		text->left = 4;
		text->unit = 0;
		return JSON_TEXT_MORE;
	}
	if (!place)
		return bad(text, "a backslash must be followed by one of \"\\/bfnrtu");
	keep(text, to + (place - from), 1);
	text->step = STEP_PLAIN;
	return JSON_TEXT_MORE;
}

/* A whole \uXXXX has been read. */
static enum json_text_status end_unit(struct json_text *text)
{
	bool high = text->unit >= 0xd800 && text->unit < 0xdc00;
	bool low = text->unit >= 0xdc00 && text->unit < 0xe000;
	if (low != (text->high != 0))
		return bad(text, "a \\u surrogate must be one of a pair, high then low");
	if (high) {
		text->high = text->unit;
		text->step = STEP_PAIR;
		return JSON_TEXT_MORE;
	}
	keep_code_point(text, low ? 0x10000 + ((text->high - 0xd800) << 10) + (text->unit - 0xdc00)
				  : text->unit);
	text->high = 0;
	text->step = STEP_PLAIN;
	return JSON_TEXT_MORE;
}

static enum json_text_status feed_unicode(struct json_text *text, unsigned char byte)
{
	static const char digits[] = "0123456789abcdef";
	const char *place =
		byte ? strchr(digits, byte >= 'A' && byte <= 'F' ? byte + 32 : byte) : NULL;
	if (!place)
		return bad(text, "\\u must be followed by four hexadecimal digits");
	text->unit = text->unit << 4 | (uint32_t)(place - digits);
	return --text->left == 0 ? end_unit(text) : JSON_TEXT_MORE;
}

static enum json_text_status feed_pair(struct json_text *text, unsigned char byte)
{
	if (byte != (text->step == STEP_PAIR ? '\\' : 'u'))
		return bad(text, "a \\u surrogate must be one of a pair, high then low");
	text->step = text->step == STEP_PAIR ? STEP_PAIR_U : STEP_UNICODE;
	text->left = 4;
	text->unit = 0;
	return JSON_TEXT_MORE;
}

static enum json_text_status feed_byte(struct json_text *text, unsigned char byte)
{
	switch ((enum step)text->step) {
	case STEP_SEQUENCE:
		return feed_sequence(text, byte);
	case STEP_ESCAPE:
		return feed_escape(text, byte);
	case STEP_UNICODE:
		return feed_unicode(text, byte);
	default:
		return feed_pair(text, byte);
	}
}

enum json_text_status json_text_feed(struct json_text *text, const char **p, const char *limit)
{
	enum json_text_status status = JSON_TEXT_MORE;
	while (*p < limit && status == JSON_TEXT_MORE) {
		if (text->step == STEP_PLAIN) {
			status = feed_plain(text, p, limit);
			continue;
		}
		status = feed_byte(text, (unsigned char)**p);
		*p += status != JSON_TEXT_BAD;
	}
	return status;
}
