/*
 * Holds the base64 of each instruction set that the machine has against the portable one: needs no
 * library, so that it can be cross-compiled. Prints their names; the exit status is 1 when they
 * differ.
 */
#include <stdio.h>
#include <string.h>

#include "../../server/codec/base64/base64_kernels.h"
#include "../support/random.h"

#define MOST ((size_t)390) /* bytes, a multiple of three */
#define CHARS (MOST / BASE64_BYTES * BASE64_CHARS)

static bool decode_alike(const struct base64_kernels *kernels, const unsigned char *text, size_t n)
{
	unsigned char wanted[MOST], got[MOST];
	size_t good = base64_decode_base(text, n, wanted);
	return kernels->decode(text, n, got) == good &&
	       memcmp(got, wanted, good / BASE64_CHARS * BASE64_BYTES) == 0;
}

static bool encode_alike(const struct base64_kernels *kernels, const unsigned char *bytes, size_t n)
{
	char wanted[CHARS], got[CHARS];
	base64_encode_base(bytes, n, wanted);
	kernels->encode(bytes, n, got);
	return memcmp(got, wanted, n / BASE64_BYTES * BASE64_CHARS) == 0;
}

/* Of any length; and with any byte at any place. */
static bool check(const struct base64_kernels *kernels)
{
	unsigned char bytes[MOST];
	char text[CHARS];
	struct random random = random_start(1);
	bool alike = true;
	for (size_t i = 0; i < MOST; i++)
		bytes[i] = (unsigned char)random_bits(&random);
	base64_encode_base(bytes, MOST, text);
	for (size_t n = 0; n <= MOST; n += BASE64_BYTES)
		alike = alike && encode_alike(kernels, bytes, n);
	for (size_t n = 0; n <= CHARS; n++)
		alike = alike && decode_alike(kernels, (const unsigned char *)text, n);
	for (size_t at = 0; at < 160; at++)
		for (int byte = 0; byte < 256; byte++) {
			char kept = text[at];
			text[at] = (char)byte;
			alike = alike && decode_alike(kernels, (const unsigned char *)text, 200);
			text[at] = kept;
		}
	return alike;
}

int main(void)
{
	const struct base64_kernels *kernels;
	bool alike = true;
	for (size_t i = 0; (kernels = base64_kernels_at(i)) != NULL; i++) {
		bool good = check(kernels);
		printf("%s%s\n", kernels->isa, good ? "" : " differs");
		alike = alike && good;
	}
	return alike ? 0 : 1;
}
