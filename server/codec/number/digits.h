/*
 * Eight digits at once, in the bytes of one word: the first digit is the lowest byte.
 */
#ifndef LOSSD_CODEC_DIGITS_H
#define LOSSD_CODEC_DIGITS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
/* Sixteen bytes at once, where they cost no choice: every machine of that family has it. */
#if defined(__SSE2__) && defined(__x86_64__)
#define DIGITS_SSE2
#include <emmintrin.h>
#endif

static inline uint64_t digits_load(const char *p)
{
	uint64_t bytes;
	memcpy(&bytes, p, sizeof bytes);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	bytes = __builtin_bswap64(bytes);
#endif
	return bytes;
}

/* Digits become their values, 0 to 9; all else becomes more than 9. */
static inline uint64_t digits_unpack(uint64_t bytes)
{
	return bytes ^ UINT64_C(0x3030303030303030);
}

/* The top bit of each byte that is more than 9: adding 118 carries into it, and no further. */
static inline uint64_t digits_above_nine(uint64_t values)
{
	const uint64_t low = UINT64_C(0x7f7f7f7f7f7f7f7f);
	return (((values & low) + UINT64_C(0x7676767676767676)) | values) & ~low;
}

static inline bool digits_all(uint64_t bytes)
{
	return digits_above_nine(digits_unpack(bytes)) == 0;
}

/* The number that eight values of digits make: neighbours are added pairwise, digits to pairs,
 * pairs to fours, fours to the eight. */
static inline uint64_t digits_value(uint64_t values)
{
	values = values * 10 + (values >> 8);
	const uint64_t pair = UINT64_C(0x000000ff000000ff);
	const uint64_t first = 100 + (UINT64_C(1000000) << 32);
	const uint64_t second = 1 + (UINT64_C(10000) << 32);
	return ((values & pair) * first + (values >> 16 & pair) * second) >> 32;
}

#endif
