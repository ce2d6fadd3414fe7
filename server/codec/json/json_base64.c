#include "json_base64.h"

#include <inttypes.h>
#include <stdio.h>

#define MEMBER "base64"

/* ---------------------------------------------------------------- faults */

/* Where to say why; NULL where nobody would read it. */
static struct loss_error *refuse(struct json_base64 *base64, loss_status status)
{
	base64->broken = true;
	return json_fault_claim(base64->fault, status, base64->field, MEMBER);
}

/* What is meant by a byte that is none of the alphabet. */
static const char *advice(unsigned char byte)
{
	if (byte == '-' || byte == '_')
		return "; that is base64url: write + for -, and / for _";
	if (byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t')
		return "; without white space and line breaks";
	return "";
}

/* 'A', or the byte 0x0a. */
static void show_byte(unsigned char byte, char *out, size_t size)
{
	bool printable = byte > ' ' && byte < 0x7f;
	snprintf(out, size, printable ? "'%c'" : "the byte 0x%02x", byte);
}

/* What a text that is cut lacks. */
static const char *lacking(unsigned n_group)
{
	static const char *const lacks[BASE64_CHARS] = {"", "three characters are", "\"==\" is",
							"\"=\" is"};
	return lacks[n_group];
}

static void blame_text(struct json_base64 *base64)
{
	const struct base64_decoder *decoder = &base64->decoder;
	struct loss_error *err = refuse(base64, LOSS_WRONG_TYPE);
	const char *field = base64->field;
	char byte[24], place[160];
	if (!err)
		return;
	show_byte(decoder->byte, byte, sizeof byte);
	snprintf(place, sizeof place, "%s." MEMBER "[%" PRIu64 "] is %s", field, decoder->n, byte);
	switch (decoder->fault) {
	case BASE64_PADDING:
		loss_fail(err, LOSS_WRONG_TYPE, field,
			  "%s, but padding completes the last four characters and no more", place);
		break;
	case BASE64_AFTER:
		loss_fail(err, LOSS_WRONG_TYPE, field, "%s, but nothing may follow the padding",
			  place);
		break;
	case BASE64_CUT:
		loss_fail(err, LOSS_WRONG_TYPE, field,
			  "%s." MEMBER " has %" PRIu64 " characters, but must be a multiple of "
			  "four: %s missing at its end",
			  field, decoder->n, lacking(decoder->n_group));
		break;
	case BASE64_BITS:
		loss_fail(err, LOSS_WRONG_TYPE, field,
			  "%s, but before the padding its last bits must be 0", place);
		break;
	default:
		loss_fail(err, LOSS_WRONG_TYPE, field,
			  "%s, but base64 has A to Z, a to z, 0 to 9, + and /, and = at its end%s",
			  place, advice(decoder->byte));
	}
}

void json_base64_check(struct json_base64 *base64, loss_dtype dtype,
		       const struct loss_tensor *shape)
{
	const struct loss_dtype_traits *info = loss_dtype_info(dtype);
	uint64_t wanted = (uint64_t)shape->count * info->size;
	char dimensions[160] = "";
	if (base64->bytes == wanted)
		return;
	struct loss_error *err = refuse(base64, LOSS_SHAPE_MISMATCH);
	if (!err)
		return;
	loss_tensor_format_shape(shape, dimensions, sizeof dimensions);
	loss_fail(err, LOSS_SHAPE_MISMATCH, base64->field,
		  "%s." MEMBER " has %" PRIu64 " bytes, but the shape %s of %s has %" PRIu64,
		  base64->field, base64->bytes, dimensions, info->name, wanted);
}

/* ---------------------------------------------------------------- text */

/* So many bytes have been decoded into the room after the buffer's end. */
static void keep(struct json_base64 *base64, size_t n)
{
	if (n == 0)
		return;
	uint64_t left = base64->most - base64->buffer->size; /* of what is kept */
	base64->bytes += n;
	base64->buffer->size += n < left ? n : (size_t)left;
}

static unsigned char *room(struct json_base64 *base64, size_t n)
{
	struct loss_buffer *buffer = base64->buffer;
	if (buffer && loss_buffer_reserve(buffer, base64_room(n)))
		return buffer->data + buffer->size;
	base64->broken = true;
	fault_note_memory(&base64->fault->kept, base64->arena);
	return NULL;
}

/* No more at a time than there can be, and what shows that it is too much. */
static size_t run(void *context, const char *text, size_t n)
{
	struct json_base64 *base64 = context;
	uint64_t left = base64->buffer ? base64->most - base64->buffer->size : 0;
	size_t made, taken;
	if (n / BASE64_CHARS > left / BASE64_BYTES)
		n = (size_t)(left / BASE64_BYTES + 1) * BASE64_CHARS;
	unsigned char *out = base64->broken ? NULL : room(base64, n);
	if (!out)
		return 0;
	taken = base64_run(&base64->decoder, (const unsigned char *)text, n, out, &made);
	keep(base64, made);
	return taken;
}

static void put(void *context, const char *text, size_t n)
{
	struct json_base64 *base64 = context;
	for (size_t i = 0; i < n && !base64->broken; i++) {
		unsigned char *out = room(base64, 1);
		size_t made = out ? base64_put(&base64->decoder, (unsigned char)text[i], out) : 0;
		if (base64->decoder.fault != BASE64_GOOD)
			blame_text(base64);
		keep(base64, made);
	}
}

void json_base64_close(struct json_base64 *base64)
{
	if (!base64->broken && base64_finish(&base64->decoder) != BASE64_GOOD)
		blame_text(base64);
}

/* ---------------------------------------------------------------- the whole */

void json_base64_start(struct json_base64 *base64, const char *field, struct loss_arena *arena,
		       struct json_fault *fault)
{
	*base64 = (struct json_base64){
		.field = field, .fault = fault, .arena = arena, .reader = {run, put, base64}};
}

void json_base64_open(struct json_base64 *base64, const struct base64_kernels *kernels,
		      uint64_t most, bool certain)
{
	base64_start(&base64->decoder, kernels);
	base64->most = most;
	base64->buffer = loss_buffer_create(base64->arena);
	/* What shows that it is too much has room as well. */
	size_t beyond = base64_room(2 * BASE64_CHARS);
	if (base64->buffer && certain && most < SIZE_MAX - beyond)
		loss_buffer_expect(base64->buffer, (size_t)most + beyond);
}
