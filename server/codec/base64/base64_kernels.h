/*
 * The table of instruction sets for base64 (RFC 4648, section 4), best first; the last entry runs
 * everywhere. All of them give the same bytes.
 */
#ifndef LOSSD_CODEC_BASE64_KERNELS_H
#define LOSSD_CODEC_BASE64_KERNELS_H

#include "loss.h"

/* Characters of a group, and the bytes that it makes. */
#define BASE64_CHARS ((size_t)4)
#define BASE64_BYTES ((size_t)3)

struct base64_kernels {
	const char *isa; /* as loss_isa_find takes it */
	/* What of the machine it needs beyond that; NULL: nothing. */
	bool (*supported)(void);
	/*
	 * Decodes groups of four characters of the alphabet, up to the first that has another one
	 * in it, or is not whole. Returns how many characters that was. out has room for three
	 * bytes of each of the n / 4 groups; what of it is not decoded may be written to.
	 */
	size_t (*decode)(const unsigned char *in, size_t n, unsigned char *out);
	/* Encodes n bytes, a multiple of three: four characters of each three. */
	void (*encode)(const unsigned char *in, size_t n, char *out);
};

/* Of an instruction set as loss_isa_find gives it, or NULL for the best that the machine has. */
const struct base64_kernels *base64_kernels(const char *isa);
/* Row i of the table, best first, that this machine has; NULL after the last one. */
const struct base64_kernels *base64_kernels_at(size_t i);

/* For the kernels: what each character stands for plus 1, 0 where it is none of the alphabet, which
 * is the first half alone; the alphabet; and the portable ones, for what is left of a run. */
extern const unsigned char base64_values[256];
extern const char base64_alphabet[64];
size_t base64_decode_base(const unsigned char *in, size_t n, unsigned char *out);
void base64_encode_base(const unsigned char *in, size_t n, char *out);

#if defined(__x86_64__)
extern const struct base64_kernels base64_vbmi, base64_avx512, base64_avx2;
#elif defined(__aarch64__)
extern const struct base64_kernels base64_neon;
#endif

#endif
