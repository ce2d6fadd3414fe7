#include "npy.h"

#include <stdio.h>
#include <string.h>

#include "codec/json/json_shape.h"
#include "codec/signature.h"
#include "status/status.h"

static const char magic[] = "\x93NUMPY";
#define MAGIC_BYTES (sizeof magic - 1)
#define SHOWN 40 /* bytes of the header that sentences show */

/* Where the reading of the dict is. */
struct reader {
	struct npy *npy;
	const char *p, *limit;
	const char *field, *label;
	struct json_shape shape;
	struct json_fault fault;
	struct loss_error *err;
	bool swaps, is_fortran;
	unsigned seen; /* bits, by key */
};

/* ---------------------------------------------------------------- errors */

static bool refuse(struct reader *reader, const char *expected)
{
	size_t left = (size_t)(reader->limit - reader->p);
	loss_fail(reader->err, STATUS_INVALID_ENCODING, reader->field,
		  "%s: the header of the array has \"%.*s\" where %s is expected", reader->label,
		  (int)(left < SHOWN ? left : SHOWN), reader->p, expected);
	return false;
}

/* ---------------------------------------------------------------- Python */

static void skip_space(struct reader *reader)
{
	while (reader->p < reader->limit && memchr(" \t\r\n", *reader->p, 4))
		reader->p++;
}

static bool take(struct reader *reader, const char *word)
{
	size_t n = strlen(word);
	skip_space(reader);
	if ((size_t)(reader->limit - reader->p) < n || memcmp(reader->p, word, n) != 0)
		return false;
	reader->p += n;
	return true;
}

static bool take_string(struct reader *reader, const char **text, size_t *n)
{
	skip_space(reader);
	char quote = reader->p < reader->limit ? *reader->p : '\0';
	if (quote != '\'' && quote != '"')
		return false;
	const char *end = memchr(reader->p + 1, quote, (size_t)(reader->limit - reader->p - 1));
	if (!end)
		return false;
	*text = reader->p + 1;
	*n = (size_t)(end - *text);
	reader->p = end + 1;
	return true;
}

/* ---------------------------------------------------------------- its members */

static bool refuse_dtype(struct reader *reader, const char *text, size_t n)
{
	const char *why = "its elements must be f2, f4, f8, i1 to i8, u1 to u8 or b1";
	if (n > 1 && memchr(text, 'V', n))
		why = "it names no type, for NumPy's files know no bfloat16 and float8; save them "
		      "with safetensors.numpy.save_file, or as float32";
	else if (n > 1 && text[1] == 'O')
		why = "they are Python's objects, pickled; make numbers of them (astype)";
	loss_fail(reader->err, LOSS_DTYPE_MISMATCH, reader->field,
		  "%s: the dtype of the array is \"%.*s\": %s", reader->label,
		  (int)(n < SHOWN ? n : SHOWN), text, why);
	return false;
}

static bool read_dtype(struct reader *reader)
{
	static const struct {
		char name[3];
		loss_dtype dtype;
	} dtypes[] = {{"f2", LOSS_F16}, {"f4", LOSS_F32}, {"f8", LOSS_F64}, {"i1", LOSS_I8},
		      {"i2", LOSS_I16}, {"i4", LOSS_I32}, {"i8", LOSS_I64}, {"u1", LOSS_U8},
		      {"u2", LOSS_U16}, {"u4", LOSS_U32}, {"u8", LOSS_U64}, {"b1", LOSS_BOOL}};
	const char *text;
	size_t n;
	if (take(reader, "["))
		return refuse(reader, "the dtype of plain numbers, not of fields,");
	if (!take_string(reader, &text, &n))
		return refuse(reader, "a dtype such as '<f4'");
	for (size_t i = 0; n == 3 && i < sizeof dtypes / sizeof dtypes[0]; i++)
		if (memchr("<>|=", text[0], 4) && memcmp(text + 1, dtypes[i].name, 2) == 0) {
			reader->npy->tensor.dtype = dtypes[i].dtype;
			reader->swaps = text[0] == '>';
			return true;
		}
	return refuse_dtype(reader, text, n);
}

static bool read_order(struct reader *reader)
{
	if (take(reader, "False"))
		return true;
	if (!take(reader, "True"))
		return refuse(reader, "True or False");
	reader->is_fortran = true; /* the shape says whether that matters */
	return true;
}

static bool read_dimension(struct reader *reader)
{
	struct json_token token = {.event = JSON_NUMBER, .text = reader->p};
	const char *end;
	skip_space(reader);
	token.text = reader->p;
	/* Behind every number something stands, if it is right. */
	if (reader->p == reader->limit || *reader->p < '0' || *reader->p > '9' ||
	    number_scan(reader->p, reader->limit, &end, &token.number) != NUMBER_OK ||
	    !token.number.is_integer)
		return refuse(reader, "a dimension, a whole number,");
	token.size = (size_t)(end - reader->p);
	json_shape_dimension(&reader->shape, &token);
	reader->p = end;
	take(reader, "L"); /* of Python 2 */
	return true;
}

static bool read_shape(struct reader *reader)
{
	if (!take(reader, "("))
		return refuse(reader, "a tuple such as (2, 3)");
	while (!take(reader, ")")) {
		if (!read_dimension(reader))
			return false;
		if (!take(reader, ",") && !take(reader, ")"))
			return refuse(reader, "a comma or )");
		if (reader->p[-1] == ')')
			break;
	}
	return true;
}

static const struct {
	const char *name;
	bool (*read)(struct reader *reader);
} members[] = {{"descr", read_dtype}, {"fortran_order", read_order}, {"shape", read_shape}};
#define N_MEMBERS (sizeof members / sizeof members[0])

static bool read_member(struct reader *reader)
{
	const char *key, *start = reader->p;
	size_t n, i = 0;
	if (!take_string(reader, &key, &n) || !take(reader, ":"))
		return refuse(reader, "'descr', 'fortran_order' or 'shape' with a colon");
	while (i < N_MEMBERS &&
	       (strlen(members[i].name) != n || memcmp(members[i].name, key, n) != 0))
		i++;
	if (i == N_MEMBERS || (reader->seen >> i & 1)) {
		reader->p = start;
		return refuse(reader, "'descr', 'fortran_order' or 'shape', each once,");
	}
	reader->seen |= 1u << i;
	return members[i].read(reader);
}

static bool read_dict(struct reader *reader)
{
	if (!take(reader, "{"))
		return refuse(reader, "{");
	while (!take(reader, "}")) {
		if (!read_member(reader))
			return false;
		if (!take(reader, ",") && !take(reader, "}"))
			return refuse(reader, "a comma or }");
		if (reader->p[-1] == '}')
			break;
	}
	skip_space(reader);
	if (reader->p < reader->limit)
		return refuse(reader, "nothing more");
	return reader->seen == (1u << N_MEMBERS) - 1 ||
	       refuse(reader, "all of 'descr', 'fortran_order' and 'shape'");
}

/* ---------------------------------------------------------------- what they come to */

/* Of arrays of one axis, or of none, both orders are the same. */
static bool check_order(struct reader *reader)
{
	struct npy *npy = reader->npy;
	npy->swapped = reader->swaps ? loss_dtype_info(npy->tensor.dtype)->size : 1;
	if (!reader->is_fortran || npy->tensor.rank < 2)
		return true;
	loss_fail(reader->err, STATUS_INVALID_ENCODING, reader->field,
		  "%s: the array lies in Fortran's order, column by column; save "
		  "numpy.ascontiguousarray of it",
		  reader->label);
	return false;
}

static bool settle(struct reader *reader)
{
	struct npy *npy = reader->npy;
	loss_dtype dtype = npy->tensor.dtype;
	json_shape_end(&reader->shape);
	if (fault_report(&reader->fault.kept, reader->err) != LOSS_OK)
		return false;
	npy->tensor = reader->shape.tensor;
	npy->tensor.dtype = dtype;
	npy->bytes = (uint64_t)npy->tensor.count * loss_dtype_info(dtype)->size;
	return check_order(reader);
}

/* ---------------------------------------------------------------- the whole */

static size_t little_endian(const unsigned char *bytes, size_t n)
{
	size_t value = 0;
	for (size_t i = n; i > 0; i--)
		value = value << 8 | bytes[i - 1];
	return value;
}

static loss_status refuse_beginning(const unsigned char *bytes, size_t n, const char *field,
				    const char *label, struct loss_error *err)
{
	struct beginning beginning = {.n = 0};
	beginning_feed(&beginning, bytes, n);
	loss_fail(err, STATUS_INVALID_ENCODING, field,
		  "%s does not begin as a NumPy array (.npy) does", label);
	signature_tell(&beginning, "npy", true, err);
	return err->status;
}

loss_status npy_read(struct npy *npy, const unsigned char *bytes, size_t n, const char *field,
		     const char *label, const struct decoder_limits *limits, struct loss_error *err)
{
	struct reader reader = {.npy = npy, .field = field, .label = label, .err = err};
	if (n < MAGIC_BYTES + 2 || memcmp(bytes, magic, MAGIC_BYTES) != 0)
		return refuse_beginning(bytes, n, field, label, err);
	unsigned version = bytes[MAGIC_BYTES];
	if (version < 1 || version > 3)
		return loss_fail(err, STATUS_INVALID_ENCODING, field,
				 "%s is of version %u of NumPy's format; 1, 2 and 3 are read",
				 label, version);
	size_t start = MAGIC_BYTES + 2 + (version == 1 ? 2 : 4);
	size_t length =
		n < start ? 0 : little_endian(bytes + MAGIC_BYTES + 2, version == 1 ? 2 : 4);
	if (length > NPY_HEADER_MAX)
		return loss_fail(err, STATUS_INVALID_ENCODING, field,
				 "%s: the header of the array has %zu bytes, but at most %zu are "
				 "read",
				 label, length, NPY_HEADER_MAX);
	if (n < start || n - start < length)
		return loss_fail(err, STATUS_TRUNCATED_BODY, field,
				 "%s ends after %zu bytes, within the header of the array", label,
				 n);
	*npy = (struct npy){.header_bytes = start + length, .swapped = 1};
	reader.p = (const char *)bytes + start;
	reader.limit = reader.p + length;
	json_shape_start(&reader.shape, field, limits, &reader.fault);
	return read_dict(&reader) && settle(&reader) ? LOSS_OK : err->status;
}
