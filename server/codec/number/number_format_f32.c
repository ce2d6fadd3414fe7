/*
 * Many floats at once: what number_format_f32 writes, made for speed. The method is the same, in 64
 * bits, which are enough for floats (a check of all of them proves it); and all that differs from
 * one number to the next, such as how many digits it has, is calculated rather than branched on.
 */
#include <string.h>

#include "digits.h"
#include "number.h"
#include "number_table.h"

__extension__ typedef unsigned __int128 uint128;

#define FRACTION_BITS 23
#define HIDDEN_BIT (UINT32_C(1) << FRACTION_BITS)
#define INFINITE UINT32_C(0x7f800000)
#define HUNDRED_MILLION UINT32_C(0x4cbebc20)

/* A number of nine digits, some of which at the end may be zeros: d.dddddddd * 10^exponent. */
struct nine {
	uint32_t first;
	uint64_t others; /* the other eight: see unpack */
	unsigned zeros;  /* of those at the end, up to 8 */
	int exponent;
};

/* ---------------------------------------------------------------- digits */

#define ONE (UINT64_C(1) << NUMBER_UNIT_BITS)
/* Values that are less than so far apart are the same, but for what the table is off. */
#define SAME UINT64_C(16)

/*
 * Of the decimals that read back as the float, one of the fewest digits, and of those the nearest:
 * 7 to 9 digits with zeros at the end, of units of 10^power. Those that are one digit shorter are
 * ten units apart, more than a gap: at most one reads back. If none does, the nearest of the others
 * does, since they are at most a gap apart. The ends of the interval belong to it if the mantissa
 * is even.
 */
static inline uint32_t shortest(uint32_t fraction, const struct number_scale *scale)
{
	uint64_t mantissa = fraction | HIDDEN_BIT, even = ~fraction & 1;
	uint64_t value = (uint64_t)((uint128)scale->scale * (mantissa << 38) >> 64);
	uint64_t reach = scale->half_gap - SAME + 2 * SAME * even;
	uint32_t units = (uint32_t)(value >> NUMBER_UNIT_BITS), tens = units / 10;
	uint64_t above_tens = value - tens * (10 * ONE), above_units = value & (ONE - 1);
	/* Conditions as numbers, for a branch here would be guessed wrong every other time. */
	uint32_t up = 10 * ONE - above_tens <= reach, down = above_tens <= reach;
	uint32_t nearer_up = above_units + 2 * SAME * (units & 1) > ONE / 2 + SAME;
	uint32_t is_short = -(up | down);
	return (is_short & (tens + up) * 10) | (~is_short & (units + nearer_up));
}

/* The values of eight digits, one in a byte, the first in the highest. */
static inline uint64_t unpack(uint32_t eight)
{
	uint32_t first = eight / 10000, second = eight - first * 10000;
#ifdef DIGITS_SSE2
	/* Four times each four, over 1, 10, 100 and 1000: in two multiplications by parts of 2^16,
	 * the first of four times the number, to be exact. What is left of each without ten times
	 * the one over ten is a digit. */
	const short one = (short)32768;
	__m128i v = _mm_cvtsi32_si128((int)(first << 18 | second << 2));
	v = _mm_unpacklo_epi16(v, v);
	v = _mm_unpacklo_epi32(v, v);
	v = _mm_mulhi_epu16(v, _mm_set_epi16(8389, 5243, 13108, one, 8389, 5243, 13108, one));
	v = _mm_mulhi_epu16(v, _mm_set_epi16(128, 2048, 8192, one, 128, 2048, 8192, one));
	v = _mm_sub_epi16(v, _mm_mullo_epi16(_mm_srli_epi64(v, 16), _mm_set1_epi16(10)));
	return (uint64_t)_mm_cvtsi128_si64(_mm_packus_epi16(v, v));
#else
	/* Fours are parted in pairs, they in digits. */
	uint64_t fours = (uint64_t)first << 32 | second;
	uint64_t hundreds = (fours * 5243 >> 19) & UINT64_C(0x0000007f0000007f);
	uint64_t pairs = hundreds << 16 | (fours - hundreds * 100);
	uint64_t tens = (pairs * 103 >> 10) & UINT64_C(0x000f000f000f000f);
	return tens << 8 | (pairs - tens * 10);
#endif
}

static inline struct nine nine_digits(uint32_t digits, int power)
{
	static const uint32_t scales[] = {1, 10, 100};
	int missing = (digits < 100000000) + (digits < 10000000);
	digits *= scales[missing];
	uint32_t first = digits / 100000000;
	uint64_t others = unpack(digits - first * 100000000);
	return (struct nine){
		.first = first,
		.others = others,
		.zeros = others ? (unsigned)__builtin_ctzll(others) / 8 : 8,
		.exponent = power + 8 - missing,
	};
}

/* ---------------------------------------------------------------- text */

static inline void put_eight(char *p, uint64_t values)
{
	values |= UINT64_C(0x3030303030303030);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	values = __builtin_bswap64(values);
#endif
	memcpy(p, &values, sizeof values);
}

/* "1.2345678e-07" */
static inline char *write_scientific(char *p, const struct nine *d)
{
	static const char pairs[] = "0001020304050607080910111213141516171819"
				    "2021222324252627282930313233343536373839404142434445";
	unsigned size = (unsigned)(d->exponent < 0 ? -d->exponent : d->exponent);
	p[0] = (char)('0' + d->first);
	p[1] = '.';
	put_eight(p + 2, d->others);
	p += d->zeros == 8 ? 1 : 10 - d->zeros;
	p[0] = 'e';
	p[1] = d->exponent < 0 ? '-' : '+';
	memcpy(p + 2, pairs + 2 * (size_t)size, 2);
	return p + 4;
}

/* "0.00012345678": exponents from -4 to -1. */
static inline char *write_below_one(char *p, const struct nine *d)
{
	memcpy(p, "0.000000", 8);
	p += 1 - d->exponent;
	*p++ = (char)('0' + d->first);
	put_eight(p, d->others);
	return p + 8 - d->zeros;
}

/* "12345.678", "100.0": exponents from 0 to 7. */
static inline char *write_above_one(char *p, const struct nine *d)
{
	unsigned n = (unsigned)d->exponent; /* of the others, in front of the point */
	*p++ = (char)('0' + d->first);
	put_eight(p, d->others);
	p += n;
	*p++ = '.';
	put_eight(p, d->others << 8 * n);
	unsigned digits = 8 - d->zeros;
	return p + (digits > n ? digits - n : 1);
}

/* Normal numbers below 10^8 that are no powers of two, nor the one that number_format_f32 knows. */
static inline bool is_common(uint32_t magnitude)
{
	return magnitude - HIDDEN_BIT < HUNDRED_MILLION - HIDDEN_BIT &&
	       (magnitude & (HIDDEN_BIT - 1)) != 0 && magnitude != NUMBER_DOUBLY_ROUNDED;
}

static inline char *write_nine(char *p, const struct nine *d)
{
	if (d->exponent < -4)
		return write_scientific(p, d);
	if (d->exponent < 0)
		return write_below_one(p, d);
	return write_above_one(p, d);
}

/* ---------------------------------------------------------------- many of them */

/* Numbers whose digits are all found before the first is written: two short loops let the processor
 * work on more numbers at once than a long one. */
#define BLOCK 32

struct block {
	uint32_t bits[BLOCK];
	uint32_t digits[BLOCK];
	int powers[BLOCK];
};

static inline uint32_t magnitude_of(uint32_t bits)
{
	return bits & INT32_MAX;
}

static void find_digits(struct block *block, const float *values, size_t n)
{
	memcpy(block->bits, values, n * sizeof *values);
	for (size_t i = 0; i < n; i++) {
		uint32_t magnitude = magnitude_of(block->bits[i]);
		const struct number_scale *scale = &number_scales[magnitude >> FRACTION_BITS];
		block->digits[i] = shortest(magnitude & (HIDDEN_BIT - 1), scale);
		block->powers[i] = scale->power;
	}
}

/* Returns how many of n were written. */
static size_t write_block(const struct block *block, const float *values, size_t n, char **out)
{
	char *p = *out;
	size_t i = 0;
	for (; i < n; i++) {
		uint32_t magnitude = magnitude_of(block->bits[i]);
		if (is_common(magnitude)) {
			struct nine d = nine_digits(block->digits[i], block->powers[i]);
			*p = '-';
			p = write_nine(p + (block->bits[i] >> 31), &d);
		} else if (magnitude < INFINITE) {
			p += number_format_f32(values[i], p);
		} else {
			break;
		}
		*p++ = ',';
	}
	*out = p;
	return i;
}

size_t number_format_run_f32(const float *values, size_t n, char **out)
{
	struct block block;
	size_t done = 0, step, written;
	do {
		step = n - done < BLOCK ? n - done : BLOCK;
		find_digits(&block, values + done, step);
		written = write_block(&block, values + done, step, out);
		done += written;
	} while (written == step && done < n);
	return done;
}
