#include "json_out.h"

#include <math.h>
#include <string.h>

#include "codec/number/number.h"
#include "codec/text/utf8.h"

/* ---------------------------------------------------------------- bytes */

/* Room for n bytes after what is written; NULL, and the writer failed, when there is none. */
static inline char *room(struct json_out *out, size_t n)
{
	struct loss_buffer *buffer = out->buffer;
	bool there = n <= buffer->capacity - buffer->size; /* mostly: most texts are a few bytes */
	out->failed = out->failed || (!there && !loss_buffer_reserve(buffer, n));
	return out->failed ? NULL : (char *)buffer->data + buffer->size;
}

static inline void put(struct json_out *out, const char *text, size_t n)
{
	char *p = n > 0 ? room(out, n) : NULL;
	if (!p)
		return;
	memcpy(p, text, n);
	out->buffer->size += n;
}

static void begin_value(struct json_out *out)
{
	if (out->comma)
		put(out, ",", 1);
	out->comma = true;
}

void json_out_start(struct json_out *out, struct loss_buffer *buffer)
{
	*out = (struct json_out){.buffer = buffer};
}

void json_out_open(struct json_out *out, char bracket)
{
	begin_value(out);
	put(out, &bracket, 1);
	out->comma = false;
}

void json_out_close(struct json_out *out, char bracket)
{
	put(out, &bracket, 1);
	out->comma = true;
}

void json_out_end(struct json_out *out, char bracket)
{
	json_out_close(out, bracket);
	put(out, "\n", 1);
}

void json_out_raw(struct json_out *out, const char *json)
{
	begin_value(out);
	put(out, json, strlen(json));
}

void json_out_boolean(struct json_out *out, bool value)
{
	json_out_raw(out, value ? "true" : "false");
}

/* ---------------------------------------------------------------- strings */

static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

static void put_escaped(struct json_out *out, unsigned char c)
{
	static const char named[] = "\"\\\b\f\n\r\t";
	static const char letters[] = "\"\\bfnrt";
	static const char hex[] = "0123456789abcdef";
	const char *at = memchr(named, c, sizeof named - 1);
	if (at)
		put(out, (const char[]){'\\', letters[at - named]}, 2);
	else
		put(out, (const char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6);
}

/* Copies one character that is not ASCII, or U+FFFD for the longest beginning of one; returns the
 * bytes used. */
static size_t put_multibyte(struct json_out *out, const char *text)
{
	bool whole;
	size_t n = utf8_measure(text, &whole);
	if (whole)
		put(out, text, n);
	else
		put(out, "\xef\xbf\xbd", 3);
	return n;
}

static void put_string(struct json_out *out, const char *text)
{
	put(out, "\"", 1);
	while (*text != '\0' && !out->failed) {
		size_t n = 0;
		while (is_plain((unsigned char)text[n]))
			n++;
		put(out, text, n);
		text += n;
		if ((unsigned char)*text >= 0x80)
			text += put_multibyte(out, text);
		else if (*text != '\0')
			put_escaped(out, (unsigned char)*text++);
	}
	put(out, "\"", 1);
}

void json_out_string(struct json_out *out, const char *text)
{
	begin_value(out);
	put_string(out, text);
}

void json_out_name(struct json_out *out, const char *key, size_t n)
{
	char *p = room(out, n + sizeof ",\"\":");
	bool comma = out->comma;
	out->comma = false;
	if (!p)
		return;
	*p = ',';
	p[comma] = '"';
	memcpy(p + comma + 1, key, n);
	memcpy(p + comma + 1 + n, "\":", 2);
	out->buffer->size += comma + n + 3;
}

/* ---------------------------------------------------------------- numbers */

/* Writes element i of data; returns its length, at most NUMBER_MAX_CHARS; 0 where it is not finite.
 */
typedef size_t (*format_element)(const void *data, size_t i, char *out);

static size_t format_text(const char *text, char *out)
{
	size_t n = strlen(text);
	memcpy(out, text, n);
	return n;
}

static size_t format_f64(const void *data, size_t i, char *out)
{
	double value = ((const double *)data)[i];
	return isfinite(value) ? number_format_f64(value, out) : 0;
}

static size_t format_f32(const void *data, size_t i, char *out)
{
	float value = ((const float *)data)[i];
	return isfinite(value) ? number_format_f32(value, out) : 0;
}

#define NARROW_FORMAT(name, type, dtype)                                                           \
	static size_t format_##name(const void *data, size_t i, char *out)                         \
	{                                                                                          \
		bool finite = isfinite(loss_float_get(dtype, data, i));                            \
		return finite ? number_format_##name(((const type *)data)[i], out) : 0;            \
	}
NARROW_FORMAT(f16, uint16_t, LOSS_F16)
NARROW_FORMAT(bf16, uint16_t, LOSS_BF16)
NARROW_FORMAT(f8_e4m3, uint8_t, LOSS_F8_E4M3)
NARROW_FORMAT(f8_e5m2, uint8_t, LOSS_F8_E5M2)
#undef NARROW_FORMAT

static size_t format_bool(const void *data, size_t i, char *out)
{
	return format_text(((const unsigned char *)data)[i] ? "true" : "false", out);
}

#define INTEGER_FORMAT(name, type, wide)                                                           \
	static size_t name(const void *data, size_t i, char *out)                                  \
	{                                                                                          \
		return wide(((const type *)data)[i], out);                                         \
	}
INTEGER_FORMAT(format_i64, int64_t, number_format_i64)
INTEGER_FORMAT(format_i32, int32_t, number_format_i64)
INTEGER_FORMAT(format_i16, int16_t, number_format_i64)
INTEGER_FORMAT(format_i8, int8_t, number_format_i64)
INTEGER_FORMAT(format_u64, uint64_t, number_format_u64)
INTEGER_FORMAT(format_u32, uint32_t, number_format_u64)
INTEGER_FORMAT(format_u16, uint16_t, number_format_u64)
INTEGER_FORMAT(format_u8, uint8_t, number_format_u64)
#undef INTEGER_FORMAT

static const format_element formats[LOSS_N_DTYPES] = {
	[LOSS_F64] = format_f64,   [LOSS_F32] = format_f32,         [LOSS_F16] = format_f16,
	[LOSS_BF16] = format_bf16, [LOSS_F8_E4M3] = format_f8_e4m3, [LOSS_F8_E5M2] = format_f8_e5m2,
	[LOSS_I64] = format_i64,   [LOSS_I32] = format_i32,         [LOSS_I16] = format_i16,
	[LOSS_I8] = format_i8,     [LOSS_U64] = format_u64,         [LOSS_U32] = format_u32,
	[LOSS_U16] = format_u16,   [LOSS_U8] = format_u8,           [LOSS_BOOL] = format_bool,
};

/* NaN, infinity and minus infinity. */
static const char *const words[N_NON_FINITE][3] = {
	[NON_FINITE_STRING] = {"\"NaN\"", "\"Infinity\"", "\"-Infinity\""},
	[NON_FINITE_NULL] = {"null", "null", "null"},
	[NON_FINITE_PYTHON] = {"NaN", "Infinity", "-Infinity"},
};

/* Any element; returns its length. */
static size_t format_any(const struct json_out *out, loss_dtype dtype, const void *data, size_t i,
			 char *p)
{
	size_t n = formats[dtype](data, i, p);
	if (n > 0)
		return n;
	double value = loss_float_get(dtype, data, i);
	return format_text(words[out->non_finite][isnan(value) ? 0 : value > 0 ? 1 : 2], p);
}

static void put_element(struct json_out *out, loss_dtype dtype, const void *data, size_t i)
{
	char *p = room(out, NUMBER_MAX_CHARS);
	if (p)
		out->buffer->size += format_any(out, dtype, data, i, p);
}

void json_out_integer(struct json_out *out, int64_t value)
{
	begin_value(out);
	char *p = room(out, NUMBER_MAX_CHARS);
	if (p)
		out->buffer->size += number_format_i64(value, p);
}

void json_out_size(struct json_out *out, size_t value)
{
	begin_value(out);
	char *p = room(out, NUMBER_MAX_CHARS);
	if (p)
		out->buffer->size += number_format_u64(value, p);
}

void json_out_f64(struct json_out *out, double value)
{
	begin_value(out);
	put_element(out, LOSS_F64, &value, 0);
}

void json_out_decimal(struct json_out *out, uint64_t digits, int exponent)
{
	begin_value(out);
	char *p = room(out, NUMBER_MAX_CHARS);
	if (p)
		out->buffer->size += number_format_decimal(digits, exponent, p);
}

/* ---------------------------------------------------------------- tensors */

/* Elements that room is made for at once. */
#define PIECE 256

/* Writes n elements with a comma after each; returns the end of them. */
static char *write_elements(const struct json_out *out, struct json_tensor_out *walk, size_t n,
			    char *p)
{
	const void *data = walk->tensor.data;
	size_t end = walk->next + n;
	while (walk->next < end) {
		if (walk->tensor.dtype == LOSS_F32)
			walk->next += number_format_run_f32((const float *)data + walk->next,
							    end - walk->next, &p);
		if (walk->next == end)
			break;
		p += format_any(out, walk->tensor.dtype, data, walk->next++, p);
		*p++ = ',';
	}
	return p;
}

/* Writes n elements of the innermost dimension straight into the buffer; `last`: up to its end. */
static void put_elements(struct json_out *out, struct json_tensor_out *walk, size_t n, bool last)
{
	while (n > 0) {
		size_t piece = n < PIECE ? n : PIECE;
		char *start = room(out, piece * (NUMBER_MAX_CHARS + 1));
		if (!start)
			return;
		char *end = write_elements(out, walk, piece, start);
		n -= piece;
		/* No comma after the last. */
		out->buffer->size += (size_t)(end - start) - (last && n == 0);
	}
}

static void put_brackets(struct json_out *out, char bracket, int n)
{
	for (int i = 0; i < n; i++)
		put(out, &bracket, 1);
}

/* Of how many dimensions, from the innermost outwards, an array begins with the row. */
static int opening(const struct json_tensor_out *walk)
{
	size_t rows = 1;
	int n = 1;
	while (n < walk->rank && walk->row % (rows *= walk->tensor.shape[walk->rank - 1 - n]) == 0)
		n++;
	return n;
}

void json_tensor_out_start(struct json_tensor_out *walk, const struct loss_tensor *tensor)
{
	*walk = (struct json_tensor_out){.tensor = *tensor, .rows = 1};
	/* An array of nothing ends the nesting. */
	while (walk->rank < tensor->rank && tensor->shape[walk->rank] > 0)
		walk->rank++;
	walk->rank += walk->rank < tensor->rank;
	for (int i = 0; i + 1 < walk->rank; i++)
		walk->rows *= tensor->shape[i];
}

/* The rest of the row that is being written, or the next one; at most n elements of it. */
static size_t put_row(struct json_out *out, struct json_tensor_out *walk, size_t n)
{
	size_t columns = walk->tensor.shape[walk->rank - 1];
	if (walk->column == 0) {
		if (walk->row > 0)
			put(out, ",", 1);
		put_brackets(out, '[', opening(walk));
	}
	size_t left = columns - walk->column, part = n < left ? n : left;
	put_elements(out, walk, part, part == left);
	walk->column += part;
	if (part == left) {
		walk->row++;
		walk->column = 0;
		put_brackets(out, ']', opening(walk));
	}
	return part;
}

bool json_out_tensor_piece(struct json_out *out, struct json_tensor_out *walk, size_t n)
{
	if (walk->row == 0 && walk->column == 0)
		begin_value(out);
	if (walk->rank == 0) {
		put_element(out, walk->tensor.dtype, walk->tensor.data, 0);
		return true;
	}
	/* A row without elements is a piece of work, too. */
	for (size_t done = 0; walk->row < walk->rows && done < n && !out->failed;)
		done += put_row(out, walk, n - done) + 1;
	return walk->row == walk->rows || out->failed;
}

void json_out_tensor(struct json_out *out, const struct loss_tensor *tensor)
{
	struct json_tensor_out walk;
	json_tensor_out_start(&walk, tensor);
	while (!json_out_tensor_piece(out, &walk, SIZE_MAX)) {
	}
}

void json_out_base64(struct json_out *out, const struct base64_kernels *kernels, const void *bytes,
		     size_t n, enum json_out_pieces pieces)
{
	if (pieces & JSON_OUT_FIRST) {
		begin_value(out);
		put(out, "\"", 1);
	}
	char *p = room(out, base64_length(n));
	if (p)
		out->buffer->size += (size_t)(base64_write(kernels, bytes, n, p) - p);
	if (pieces & JSON_OUT_LAST)
		put(out, "\"", 1);
}
