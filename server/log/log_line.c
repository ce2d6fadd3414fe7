#include "log_line.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "codec/text/thousandths.h"
#include "codec/text/utf8.h"

/* Kept free for what closes a line that was cut: "\",\"cut\":true}\n". */
#define TAIL_BYTES 16
#define EXACT_DOUBLE 9007199254740992.0 /* 2^53 */

static const char *const level_names[] = {"debug", "info", "warning", "error"};

/* All of it or nothing, so that no escape sequence is cut in two. */
static void put(struct log_line *line, const char *bytes, size_t n)
{
	if (line->cut || line->size + n > LOG_LINE_BYTES - TAIL_BYTES) {
		line->cut = true;
		return;
	}
	memcpy(line->bytes + line->size, bytes, n);
	line->size += n;
}

static void put_text(struct log_line *line, const char *text)
{
	put(line, text, strlen(text));
}

/* Bytes of the character at `at`, 0 when it is none. */
static size_t character_length(const char *at)
{
	bool whole;
	size_t n = utf8_measure(at, &whole);
	return whole ? n : 0;
}

static void put_escaped_byte(struct log_line *line, unsigned char byte)
{
	static const char named[] = "\"\"\\\\\nn\rr\tt"; /* pairs: the byte, its letter */
	char escape[8];
	for (size_t i = 0; named[i]; i += 2) {
		if ((unsigned char)named[i] == byte) {
			escape[0] = '\\';
			escape[1] = named[i + 1];
			put(line, escape, 2);
			return;
		}
	}
	int n = snprintf(escape, sizeof escape, "\\u%04x", byte);
	put(line, escape, (size_t)n);
}

/* As JSON has it: beyond the first 65536 in two. */
static void put_escaped_character(struct log_line *line, uint32_t character)
{
	char escape[16];
	uint32_t beyond = character - 0x10000;
	int n = character < 0x10000
			? snprintf(escape, sizeof escape, "\\u%04" PRIx32, character)
			: snprintf(escape, sizeof escape, "\\u%04" PRIx32 "\\u%04" PRIx32,
				   0xd800 + (beyond >> 10), 0xdc00 + (beyond & 0x3ff));
	put(line, escape, (size_t)n);
}

/* What is no control character as it is. */
static void put_character(struct log_line *line, const char *at, size_t n)
{
	uint32_t character = utf8_decode(at, n);
	if (utf8_is_control(character))
		put_escaped_character(line, character);
	else
		put(line, at, n);
}

/*
 * A string between quotes, as JSON has it, with control characters of all kinds escaped: terminals
 * obey them. A byte that is not UTF-8 is shown as the character of its number. False: there was no
 * room even to begin.
 */
static bool put_quoted(struct log_line *line, const char *text)
{
	put_text(line, "\"");
	if (line->cut)
		return false;
	const unsigned char *at = (const unsigned char *)text;
	while (*at && !line->cut) {
		bool plain = *at >= 0x20 && *at < 0x7f && *at != '"' && *at != '\\';
		size_t n = plain ? 1 : character_length((const char *)at);
		if (plain)
			put(line, (const char *)at, n);
		else if (n > 0)
			put_character(line, (const char *)at, n);
		else
			put_escaped_byte(line, *at);
		at += n > 0 ? n : 1;
	}
	/* Also after a text that was cut: TAIL_BYTES keeps room for it. */
	line->bytes[line->size++] = '"';
	return true;
}

/* Text lines go without quotes where a reader needs none to see where the value ends. */
static bool is_plain_word(const char *text)
{
	for (const char *at = text; *at; at++)
		if (*at <= ' ' || *at >= 0x7f || *at == '"' || *at == '\\' || *at == '=')
			return false;
	return *text != '\0';
}

/* Whole, or with up to three decimals: of times that are milliseconds nobody needs more. Returns
 * the length. */
static size_t format_number(double number, char *out)
{
	double size = fabs(number), whole = trunc(size);
	uint64_t thousandths = (uint64_t)whole * 1000 + (uint64_t)((size - whole) * 1000.0 + 0.5);
	out[0] = '-';
	size_t sign = number < 0.0 && thousandths > 0;
	size_t n = sign + thousandths_write(thousandths, out + sign);
	while (out[n - 1] == '0')
		n--;
	return out[n - 1] == '.' ? n - 1 : n;
}

static bool put_number(struct log_line *line, double number)
{
	char text[40];
	if (fabs(number) < EXACT_DOUBLE) /* and is a number */
		text[format_number(number, text)] = '\0';
	else if (isfinite(number) || line->format == LOG_TEXT)
		snprintf(text, sizeof text, "%.6g", number);
	else
		snprintf(text, sizeof text, "null"); /* JSON has no other word for it */
	put_text(line, text);
	return !line->cut;
}

/* RFC 3339, UTC, milliseconds. */
static void put_time(struct log_line *line)
{
	struct timespec now;
	struct tm parts;
	char text[40], date[24];
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &parts);
	strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &parts);
	snprintf(text, sizeof text, "%s.%03dZ", date, (int)(now.tv_nsec / 1000000));
	put_text(line, text);
}

static void put_field_text(struct log_line *line, const struct log_field *field)
{
	put_text(line, " ");
	put_text(line, field->name);
	put_text(line, "=");
	if (!field->text)
		put_number(line, field->number);
	else if (is_plain_word(field->text))
		put_text(line, field->text);
	else
		put_quoted(line, field->text);
}

static void put_field_json(struct log_line *line, const struct log_field *field)
{
	size_t before = line->size;
	put_text(line, ",\"");
	put_text(line, field->name);
	put_text(line, "\":");
	bool whole = !line->cut && (field->text ? put_quoted(line, field->text)
						: put_number(line, field->number));
	if (!whole) /* a name without its value would not be JSON */
		line->size = before;
}

static void compose_text(struct log_line *line, enum log_level level, const char *message,
			 const struct log_field *fields, size_t n)
{
	put_time(line);
	put_text(line, " ");
	put_text(line, level_names[level]);
	put_text(line, " ");
	put_text(line, message);
	for (size_t i = 0; i < n && !line->cut; i++)
		put_field_text(line, &fields[i]);
	if (line->cut) {
		memcpy(line->bytes + line->size, " ...", 4);
		line->size += 4;
	}
}

static void compose_json(struct log_line *line, enum log_level level, const char *message,
			 const struct log_field *fields, size_t n)
{
	put_text(line, "{\"time\":\"");
	put_time(line);
	put_text(line, "\",\"level\":\"");
	put_text(line, level_names[level]);
	put_text(line, "\",\"message\":");
	put_quoted(line, message);
	for (size_t i = 0; i < n && !line->cut; i++)
		put_field_json(line, &fields[i]);
	const char *end = line->cut ? ",\"cut\":true}" : "}";
	memcpy(line->bytes + line->size, end, strlen(end));
	line->size += strlen(end);
}

void log_line_compose(struct log_line *line, enum log_format format, enum log_level level,
		      const char *message, const struct log_field *fields, size_t n)
{
	line->format = format;
	line->size = 0;
	line->cut = false;
	if (format == LOG_JSON)
		compose_json(line, level, message, fields, n);
	else
		compose_text(line, level, message, fields, n);
	line->bytes[line->size++] = '\n';
}
