/*
 * Base64 as RFC 4648, section 4, has it, with padding and nothing else: no white space, and no bit
 * in the last character that is none of a byte's. Text comes and goes in pieces of any size.
 */
#ifndef LOSSD_CODEC_BASE64_H
#define LOSSD_CODEC_BASE64_H

#include "base64_kernels.h"

enum base64_fault {
	BASE64_GOOD,
	BASE64_STRANGER, /* a byte that is none of the alphabet */
	BASE64_PADDING,  /* '=' where a group has less than two characters, or is complete */
	BASE64_AFTER,    /* something other than '=' after '=' */
	BASE64_CUT,      /* the text ends within a group of four */
	BASE64_BITS, /* the last character before the padding has bits that are none of a byte's */
};

struct base64_decoder {
	const struct base64_kernels *kernels;
	uint64_t n; /* characters so far, up to one that is wrong */
	unsigned n_padding;
	enum base64_fault fault; /* the first: at character n; nothing is decoded after it */
	unsigned char byte;      /* what stands there */

	/* A group whose end has not come: the values of its characters. */
	unsigned n_group;
	uint32_t group;
};

void base64_start(struct base64_decoder *decoder, const struct base64_kernels *kernels);

/* What n characters make, at most. */
static inline size_t base64_room(size_t n)
{
	return n / BASE64_CHARS * BASE64_BYTES + 2 * BASE64_BYTES;
}

/*
 * Takes the longest beginning of n bytes that is of the alphabet, and writes what it makes to out,
 * where there is room for base64_room(n): *n_out bytes. Returns how many it took: none after
 * padding or a fault.
 */
size_t base64_run(struct base64_decoder *decoder, const unsigned char *in, size_t n,
		  unsigned char *out, size_t *n_out);
/* Takes any one byte; returns how many it wrote to out, three at most. */
size_t base64_put(struct base64_decoder *decoder, unsigned char byte, unsigned char *out);
/* The text is complete, unless there is no fault yet and this finds one. */
enum base64_fault base64_finish(struct base64_decoder *decoder);

/* What n bytes take as text. */
static inline size_t base64_length(size_t n)
{
	return (n / BASE64_BYTES + (n % BASE64_BYTES != 0)) * BASE64_CHARS;
}

/* Writes n bytes as text, with padding where they are no multiple of three; returns its end. */
char *base64_write(const struct base64_kernels *kernels, const unsigned char *in, size_t n,
		   char *out);

#endif
