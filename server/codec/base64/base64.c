#include "base64.h"

#include <string.h>

void base64_start(struct base64_decoder *decoder, const struct base64_kernels *kernels)
{
	*decoder = (struct base64_decoder){.kernels = kernels};
}

/* ---------------------------------------------------------------- in */

/* A group's bytes, the highest first; those that padding stands for are not written. */
static size_t write_group(struct base64_decoder *decoder, unsigned char *out)
{
	size_t n = BASE64_BYTES - decoder->n_padding;
	for (size_t i = 0; i < n; i++)
		out[i] = (unsigned char)(decoder->group >> (16 - 8 * i));
	decoder->n_group = 0;
	decoder->group = 0;
	return n;
}

static size_t add_value(struct base64_decoder *decoder, unsigned value, unsigned char *out)
{
	decoder->n++;
	decoder->group |= value << (6 * (BASE64_CHARS - 1 - decoder->n_group));
	return ++decoder->n_group == BASE64_CHARS ? write_group(decoder, out) : 0;
}

static size_t blame(struct base64_decoder *decoder, enum base64_fault fault, unsigned char byte)
{
	decoder->fault = fault;
	decoder->byte = byte;
	return 0;
}

/* The bits of the last character that belong to no byte. */
static bool has_bits_left(const struct base64_decoder *decoder)
{
	unsigned first = decoder->n_group == 2 ? 0xffff : 0xff;
	return decoder->n_padding == 0 && (decoder->group & first) != 0;
}

static size_t add_padding(struct base64_decoder *decoder, unsigned char *out)
{
	if (decoder->n_group < 2)
		return blame(decoder, BASE64_PADDING, '=');
	if (has_bits_left(decoder)) {
		decoder->n--; /* the character before this one */
		return blame(
			decoder, BASE64_BITS,
			(unsigned char)base64_alphabet
				[decoder->group >> 6 * (BASE64_CHARS - decoder->n_group) & 63]);
	}
	decoder->n_padding++;
	return add_value(decoder, 0, out);
}

size_t base64_put(struct base64_decoder *decoder, unsigned char byte, unsigned char *out)
{
	unsigned value = base64_values[byte];
	if (decoder->fault != BASE64_GOOD)
		return 0;
	if (byte == '=')
		return add_padding(decoder, out);
	if (decoder->n_padding > 0)
		return blame(decoder, BASE64_AFTER, byte);
	return value > 0 ? add_value(decoder, value - 1, out)
			 : blame(decoder, BASE64_STRANGER, byte);
}

/* Characters of the alphabet one by one, as many as `most`. */
static size_t put_some(struct base64_decoder *decoder, const unsigned char *in, size_t most,
		       unsigned char *out, size_t *n_out)
{
	size_t i = 0;
	for (; i < most && base64_values[in[i]] > 0; i++)
		*n_out += base64_put(decoder, in[i], out + *n_out);
	return i;
}

size_t base64_run(struct base64_decoder *decoder, const unsigned char *in, size_t n,
		  unsigned char *out, size_t *n_out)
{
	*n_out = 0;
	if (decoder->fault != BASE64_GOOD || decoder->n_padding > 0)
		return 0;
	size_t open = decoder->n_group ? BASE64_CHARS - decoder->n_group : 0;
	size_t taken = put_some(decoder, in, open < n ? open : n, out, n_out);
	if (decoder->n_group == 0) {
		size_t groups = decoder->kernels->decode(in + taken, n - taken, out + *n_out);
		decoder->n += groups;
		*n_out += groups / BASE64_CHARS * BASE64_BYTES;
		taken += groups;
		size_t left = n - taken < BASE64_CHARS ? n - taken : BASE64_CHARS - 1;
		taken += put_some(decoder, in + taken, left, out, n_out);
	}
	return taken;
}

enum base64_fault base64_finish(struct base64_decoder *decoder)
{
	if (decoder->fault == BASE64_GOOD && decoder->n_group > 0)
		decoder->fault = BASE64_CUT;
	return decoder->fault;
}

/* ---------------------------------------------------------------- out */

char *base64_write(const struct base64_kernels *kernels, const unsigned char *in, size_t n,
		   char *out)
{
	size_t left = n % BASE64_BYTES, whole = n - left;
	unsigned char last[BASE64_BYTES] = {0};
	kernels->encode(in, whole, out);
	out += whole / BASE64_BYTES * BASE64_CHARS;
	if (left == 0)
		return out;
	memcpy(last, in + whole, left);
	base64_encode_base(last, BASE64_BYTES, out);
	memset(out + left + 1, '=', BASE64_BYTES - left);
	return out + BASE64_CHARS;
}
