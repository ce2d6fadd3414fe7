#include "number_run.h"

#include <float.h>
#include <stdint.h>
#include <string.h>

#include "digits.h"

/* A number is looked at through a window of so many bytes, and taken if it ends in there. */
#define WINDOW 32
/* Bytes that must lie before limit: a sign, and the window. */
#define REACH (1 + WINDOW)

#define INTEGER_DIGITS 3
#define LARGEST_INTEGER 921 /* times 10^16 it is below 2^63 */
#define FRACTION_DIGITS 16  /* those that count */

/* ---------------------------------------------------------------- the window */

#ifdef DIGITS_SSE2
static inline __m128i load_sixteen(const char *p)
{
	return _mm_loadu_si128((const __m128i *)(const void *)p);
}
#endif

/* Bit i is set where byte i of the window is not a digit. */
static inline uint32_t find_others(const char *p)
{
#ifdef DIGITS_SSE2
	/* Digits become the ten largest of signed bytes. */
	const __m128i up = _mm_set1_epi8(127 - '9'), below = _mm_set1_epi8(127 - 10);
	__m128i low = _mm_cmpgt_epi8(_mm_add_epi8(load_sixteen(p), up), below);
	__m128i high = _mm_cmpgt_epi8(_mm_add_epi8(load_sixteen(p + 16), up), below);
	return ~((uint32_t)_mm_movemask_epi8(low) | (uint32_t)_mm_movemask_epi8(high) << 16);
#else
	uint32_t others = 0;
	for (int i = 0; i < WINDOW; i += 8) {
		/* The product's top byte gathers the marks, that of byte 0 lowest. */
		uint64_t marks = digits_above_nine(digits_unpack(digits_load(p + i))) >> 7;
		others |= (uint32_t)(marks * UINT64_C(0x0102040810204080) >> 56) << i;
	}
	return others;
#endif
}

/* Three bytes at p, of which the first n are digits, as a number. */
static inline uint32_t read_integer(const char *p, unsigned n)
{
	uint32_t values = (uint32_t)digits_unpack(digits_load(p)) << (32 - 8 * n);
	return (values >> 8 & 0xff) * 100 + (values >> 16 & 0xff) * 10 + (values >> 24);
}

/* Sixteen bytes at p, of which the first n are digits and the rest counts as zeros. */
static inline uint64_t read_fraction(const char *p, unsigned n)
{
	static const char kept[WINDOW + FRACTION_DIGITS] = {
		-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
		-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
	};
	const char *mask = kept + WINDOW - n;
#ifdef DIGITS_SSE2
	/* Digits to pairs, pairs to fours, fours to eights, each the first times a power of ten and
	 * the second. */
	__m128i v = _mm_xor_si128(load_sixteen(p), _mm_set1_epi8('0'));
	v = _mm_and_si128(v, load_sixteen(mask));
	__m128i tens = _mm_mullo_epi16(_mm_and_si128(v, _mm_set1_epi16(0xff)), _mm_set1_epi16(10));
	v = _mm_add_epi16(tens, _mm_srli_epi16(v, 8));
	v = _mm_madd_epi16(v, _mm_set1_epi32(1 << 16 | 100));
	v = _mm_madd_epi16(_mm_packs_epi32(v, v), _mm_set1_epi32(1 << 16 | 10000));
	uint64_t eights = (uint64_t)_mm_cvtsi128_si64(v);
	return (eights & UINT32_MAX) * 100000000 + (eights >> 32);
#else
	uint64_t high = digits_unpack(digits_load(p)) & digits_load(mask);
	uint64_t low = digits_unpack(digits_load(p + 8)) & digits_load(mask + 8);
	return digits_value(high) * 100000000 + digits_value(low);
#endif
}

/* ---------------------------------------------------------------- one number */

/*
 * The digits of the integer part and the first 16 of the fraction are w, and the number is x =
 * w * 10^-16, or more by less than 10^-16 where digits are left over. w as a double times 10^-16 as
 * a double is off x by three roundings of 2^-53, and by what was left over, which is at most 2^-40
 * of it: by less than 2^14 units in its last place. So is, then, the double nearest to x, and both
 * round to the same float unless a half-way point between two floats is as near.
 */
#define SLACK (UINT32_C(1) << 14)
#define SMALLEST_CUT (UINT64_C(1) << 40)

static inline bool near_half_way(double value)
{
	uint64_t bits;
	memcpy(&bits, &value, sizeof bits);
	const uint32_t mask = (UINT32_C(1) << 29) - 1, half = UINT32_C(1) << 28;
	return ((uint32_t)bits & mask) - (half - SLACK) <= 2 * SLACK;
}

/* Three digits at most: of one, which most numbers have, there is nothing to ask. */
static inline bool read_whole(const char *p, unsigned n, uint32_t *value)
{
	if (n == 1) {
		*value = (uint32_t)(*p - '0');
		return true;
	}
	*value = read_integer(p, n);
	return *p != '0' && *value <= LARGEST_INTEGER;
}

/* What a number may end with: a comma says so by itself. */
static inline bool ends_number(char byte, unsigned end)
{
	return byte == ',' || (end < WINDOW - 1 && (byte | 0x20) != 'e');
}

/* Reads a number without its sign and moves *p after it; false when it must be read in another
 * way. unit: 10^-16 with the sign. */
static inline bool read_plain(const char **p, double unit, float *value)
{
	const char *start = *p;
	uint32_t integer, others = find_others(start) | UINT32_C(1) << (WINDOW - 1);
	unsigned point = (unsigned)__builtin_ctz(others);
	if (point - 1 >= INTEGER_DIGITS || start[point] != '.')
		return false;
	unsigned end = (unsigned)__builtin_ctz(others & (others - 1));
	unsigned n_fraction = end - point - 1;
	if (n_fraction == 0 || !ends_number(start[end], end) || !read_whole(start, point, &integer))
		return false;
	uint64_t fraction = read_fraction(start + point + 1, n_fraction);
	uint64_t w = integer * UINT64_C(10000000000000000) + fraction;
	double product = (double)(int64_t)w * unit;
	*p = start + end;
	*value = (float)product;
	return !near_half_way(product) && (n_fraction <= FRACTION_DIGITS || w >= SMALLEST_CUT);
}

/* After a number: moves *p over a comma and spaces. */
static inline bool skip_comma(const char **p, const char *limit)
{
	const char *next = *p;
	if (*next != ',')
		return false;
	for (next++; next < limit && *next == ' ';)
		next++;
	*p = next;
	return true;
}

size_t number_run_f32(const char **p, const char *limit, float *out, size_t n, bool *comma)
{
	static const double units[] = {1e-16, -1e-16};
	const char *next = *p;
	size_t taken = 0;
	if (FLT_EVAL_METHOD != 0)
		return 0;
	while (taken < n && limit - next >= REACH) {
		size_t negative = *next == '-';
		const char *end = next + negative;
		if (!read_plain(&end, units[negative], &out[taken]))
			break;
		taken++;
		next = end;
		*comma = skip_comma(&next, limit);
		if (!*comma)
			break;
	}
	*p = next;
	return taken;
}

/* ---------------------------------------------------------------- integers */

/* So many always fit. */
#define I64_DIGITS 18

/* Reads one without its sign; false when it must be read in another way. */
static inline bool read_magnitude(const char **p, const char *limit, int64_t *value)
{
	const char *start = *p, *end = start;
	int64_t digits = 0;
	for (; end < limit && (unsigned char)(*end - '0') <= 9 && end - start < I64_DIGITS; end++)
		digits = digits * 10 + (*end - '0');
	if (end == start || end == limit || (*start == '0' && end - start > 1))
		return false;
	if ((*end >= '0' && *end <= '9') || *end == '.' || (*end | 0x20) == 'e')
		return false;
	*p = end;
	*value = digits;
	return true;
}

size_t number_run_i64(const char **p, const char *limit, int64_t *out, size_t n, bool *comma)
{
	const char *next = *p;
	size_t taken = 0;
	while (taken < n && next < limit) {
		bool negative = *next == '-';
		const char *end = next + negative;
		if (!read_magnitude(&end, limit, &out[taken]) || (negative && out[taken] == 0))
			break;
		out[taken] = negative ? -out[taken] : out[taken];
		taken++;
		next = end;
		*comma = skip_comma(&next, limit);
		if (!*comma)
			break;
	}
	*p = next;
	return taken;
}
