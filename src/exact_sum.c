#include "exact_sum.h"

#include <math.h>

__extension__ typedef unsigned __int128 uint128;
__extension__ typedef __int128 int128;

#define LIMB_MASK ((int64_t)0xffffffff)

/* ---------------------------------------------------------------- adding */

void exact_sum_reach(struct exact_sum *sum, unsigned first, unsigned end)
{
	if (sum->first == sum->end)
		sum->first = sum->end = (unsigned char)first;
	while (sum->first > first)
		sum->limbs[--sum->first] = 0;
	while (sum->end < end)
		sum->limbs[sum->end++] = 0;
}

/* All limbs but the highest come to lie in [0, 2^32); that one holds the sign, and stays below 2^31
 * in size. */
void exact_sum_carry(struct exact_sum *sum)
{
	sum->pending = 0;
	for (unsigned i = sum->first; i + 1u < sum->end; i++) {
		sum->limbs[i + 1] += sum->limbs[i] >> EXACT_LIMB_BITS;
		sum->limbs[i] &= LIMB_MASK;
	}
	while (sum->first < sum->end && sum->end < EXACT_LIMBS) {
		int64_t *top = &sum->limbs[sum->end - 1];
		if (*top == (int32_t)*top)
			break;
		top[1] = *top >> EXACT_LIMB_BITS;
		*top &= LIMB_MASK;
		sum->end++;
	}
}

void exact_sum_add_special(struct exact_sum *sum, double value)
{
	sum->special |= value > 0.0   ? EXACT_PLUS_INFINITY
			: value < 0.0 ? EXACT_MINUS_INFINITY
				      : EXACT_NAN;
}

void exact_sum_add_words(struct exact_sum *sum, unsigned limb, uint64_t low, uint64_t high,
			 bool negative)
{
	uint128 words = (uint128)high << 64 | low;
	exact_sum_reach(sum, limb, limb + 4);
	for (unsigned i = 0; i < 4; i++, words >>= EXACT_LIMB_BITS) {
		int64_t word = (int64_t)(words & (uint64_t)LIMB_MASK);
		sum->limbs[limb + i] += negative ? -word : word;
	}
	if (++sum->pending == EXACT_PENDING)
		exact_sum_carry(sum);
}

void exact_sum_add_times(struct exact_sum *sum, double value, uint64_t n)
{
	int exponent;
	if (n == 0 || value == 0.0)
		return;
	if (!(fabs(value) < HUGE_VAL)) {
		exact_sum_add_special(sum, value);
		return;
	}
	/* value = mantissa 2^(place - 1074), the mantissa an integer below 2^53 */
	double fraction = frexp(fabs(value), &exponent);
	int place = exponent - 53 + 1074;
	uint64_t mantissa = (uint64_t)ldexp(fraction, place < 0 ? 53 + place : 53);
	unsigned limb = place < 0 ? 0 : (unsigned)place / EXACT_LIMB_BITS;
	unsigned shift = place < 0 ? 0 : (unsigned)place % EXACT_LIMB_BITS;
	for (; n > 0; n >>= EXACT_LIMB_BITS, limb++) {
		/* below 2^(53 + 32 + 31) */
		uint128 words = ((uint128)mantissa * (n & (uint64_t)LIMB_MASK)) << shift;
		exact_sum_add_words(sum, limb, (uint64_t)words, (uint64_t)(words >> 64),
				    value < 0.0);
	}
}

/* A limb of the other is added as its halves, which are as small as those of a double. */
void exact_sum_merge(struct exact_sum *sum, const struct exact_sum *other)
{
	sum->special |= other->special;
	if (other->first == other->end)
		return;
	unsigned end = other->end < EXACT_LIMBS ? other->end + 1u : EXACT_LIMBS;
	exact_sum_reach(sum, other->first, end);
	for (unsigned i = other->first; i < other->end; i++) {
		int64_t limb = other->limbs[i];
		if (i + 1 == EXACT_LIMBS) {
			sum->limbs[i] += limb;
			break;
		}
		sum->limbs[i] += limb & LIMB_MASK;
		sum->limbs[i + 1] += limb >> EXACT_LIMB_BITS;
	}
	if (++sum->pending == EXACT_PENDING)
		exact_sum_carry(sum);
}

/* ---------------------------------------------------------------- reading */

/* A sum by sign and size: digits [first, end) of 32 bits, the first and the last not 0; those up to
 * two after them are 0. */
struct size {
	bool negative;
	unsigned first, end;
	uint32_t digits[EXACT_LIMBS + 4];
};

/* Takes zeros off both ends. */
static void trim(struct size *size)
{
	while (size->first < size->end && size->digits[size->first] == 0)
		size->first++;
	while (size->first < size->end && size->digits[size->end - 1] == 0)
		size->end--;
}

/* The digits are two's complement: of a negative number they become its size. */
static void negate(struct size *size)
{
	uint64_t carry = 1;
	for (unsigned i = size->first; i < size->end; i++) {
		carry += (uint32_t)~size->digits[i];
		size->digits[i] = (uint32_t)carry;
		carry >>= EXACT_LIMB_BITS;
	}
}

static void measure(const struct exact_sum *sum, struct size *size)
{
	int64_t carry = 0;
	size->first = size->end = sum->first;
	for (unsigned i = sum->first; i < sum->end; i++) {
		carry += sum->limbs[i];
		size->digits[size->end++] = (uint32_t)carry;
		carry >>= EXACT_LIMB_BITS;
	}
	/* what is carried out of the highest limb, with its sign */
	if (sum->first < sum->end) {
		size->digits[size->end++] = (uint32_t)carry;
		size->digits[size->end++] = (uint32_t)(carry >> EXACT_LIMB_BITS);
	}
	size->negative = carry < 0;
	if (size->negative)
		negate(size);
	trim(size);
}

static unsigned digit_at(const struct size *size, unsigned i)
{
	return i >= size->first && i < size->end ? size->digits[i] : 0;
}

/* 64 bits from a place on. */
static uint64_t bits_at(const struct size *size, unsigned place)
{
	unsigned i = place / EXACT_LIMB_BITS, shift = place % EXACT_LIMB_BITS;
	uint64_t bits = digit_at(size, i) | (uint64_t)digit_at(size, i + 1) << EXACT_LIMB_BITS;
	uint64_t above = digit_at(size, i + 2);
	return shift == 0 ? bits : bits >> shift | above << (2 * EXACT_LIMB_BITS - shift);
}

/* Whether a bit below the place is set. */
static bool has_bits_below(const struct size *size, unsigned place)
{
	unsigned i = place / EXACT_LIMB_BITS;
	uint32_t mask = ((uint32_t)1 << place % EXACT_LIMB_BITS) - 1;
	return size->first < i ? size->first < size->end : (digit_at(size, i) & mask) != 0;
}

/* Bits in use, from place 0 on. */
static unsigned length_of(const struct size *size)
{
	if (size->first == size->end)
		return 0;
	return size->end * EXACT_LIMB_BITS - (unsigned)__builtin_clz(size->digits[size->end - 1]);
}

/*
 * The 53 highest bits, rounded to nearest even, as the double mantissa 2^(place - 1074). A double's
 * bits are its exponent's above those of its mantissa, of which the highest is left out: so place
 * and mantissa are added, also where the rounding carries into the next binade, and where a number
 * is subnormal.
 */
static double rounded(const struct size *size, unsigned *place, uint64_t *mantissa)
{
	unsigned length = length_of(size);
	*place = length > 53 ? length - 53 : 0;
	*mantissa = bits_at(size, *place) & (((uint64_t)1 << 53) - 1);
	if (*place > 0 && (bits_at(size, *place - 1) & 1) &&
	    ((*mantissa & 1) || has_bits_below(size, *place - 1)))
		(*mantissa)++;
	uint64_t bits = ((uint64_t)*place << 52) + *mantissa;
	double value;
	memcpy(&value, &bits, sizeof value);
	if (*place >= 2046 || bits >= (uint64_t)0x7ff << 52)
		value = HUGE_VAL;
	return size->negative ? -value : value;
}

/* Takes mantissa 2^place off. */
static void subtract(struct size *size, unsigned place, uint64_t mantissa)
{
	unsigned i = place / EXACT_LIMB_BITS;
	uint128 left = (uint128)mantissa << place % EXACT_LIMB_BITS;
	int64_t borrow = 0;
	while (size->first > i)
		size->digits[--size->first] = 0;
	/* one digit more, for the sign of what is left */
	for (size->digits[size->end++] = 0; i < size->end; i++, left >>= EXACT_LIMB_BITS) {
		borrow += (int64_t)size->digits[i] - (int64_t)(uint32_t)left;
		size->digits[i] = (uint32_t)borrow;
		borrow >>= EXACT_LIMB_BITS;
	}
	if (borrow < 0) {
		negate(size);
		size->negative = !size->negative;
	}
	trim(size);
}

/* What infinities and NaN come to together. */
static unsigned special_of(const struct exact_sum *sum)
{
	bool alone = (sum->special & (unsigned)(sum->special - 1)) == 0;
	return alone ? sum->special : EXACT_NAN;
}

static double special_value(const struct exact_sum *sum)
{
	switch (special_of(sum)) {
	case EXACT_PLUS_INFINITY:
		return HUGE_VAL;
	case EXACT_MINUS_INFINITY:
		return -HUGE_VAL;
	default:
		return (double)NAN;
	}
}

/* Whether 127 bits hold the limbs in use, and doubles what they come to. Below 2^62, as a limb is
 * whose carries still wait, the third of them is below 2^126 of the first one's units; so a fourth
 * must stay below 2^125, since it stands beside that. */
static bool is_short(const struct exact_sum *sum)
{
	unsigned n = (unsigned)(sum->end - sum->first);
	if (n == 4) {
		int64_t top = sum->limbs[sum->end - 1], most = (int64_t)1 << 29;
		n -= top >= -most && top < most;
	}
	return n < 4 && sum->first >= 4 && sum->end <= 60;
}

/* Conversions of integers round to nearest even too. */
static struct sum short_parts(const struct exact_sum *sum)
{
	uint64_t bits = ((uint64_t)(sum->first * EXACT_LIMB_BITS - 1074 + 1023)) << 52;
	int128 value = 0;
	double unit;
	for (unsigned i = sum->end; i > sum->first; i--)
		value = value * ((int128)1 << EXACT_LIMB_BITS) + sum->limbs[i - 1];
	memcpy(&unit, &bits, sizeof unit);
	double high = (double)value;
	return (struct sum){high * unit, (double)(value - (int128)high) * unit};
}

struct sum exact_sum_parts(const struct exact_sum *sum)
{
	struct size size;
	struct sum parts = {0};
	unsigned place;
	uint64_t mantissa;
	if (sum->special)
		return sum_from(special_value(sum));
	if (sum->first == sum->end)
		return parts;
	if (is_short(sum))
		return short_parts(sum);
	measure(sum, &size);
	if (size.first == size.end)
		return parts;
	parts.high = rounded(&size, &place, &mantissa);
	if (place == 0 || fabs(parts.high) == HUGE_VAL)
		return parts;
	subtract(&size, place, mantissa);
	if (size.first < size.end)
		parts.low = rounded(&size, &place, &mantissa);
	return parts;
}

double exact_sum_value(const struct exact_sum *sum)
{
	return exact_sum_parts(sum).high;
}

unsigned exact_sum_bits(const struct exact_sum *sum)
{
	struct size size;
	measure(sum, &size);
	return length_of(&size);
}

/* ---------------------------------------------------------------- as bytes */

size_t exact_sum_write(const struct exact_sum *sum, unsigned char *out)
{
	struct size size = {.negative = false};
	if (!sum->special)
		measure(sum, &size);
	unsigned n = size.end - size.first;
	out[0] = (unsigned char)(special_of(sum) | (n > 0 && size.negative ? EXACT_NEGATIVE : 0));
	out[1] = (unsigned char)n;
	if (n == 0)
		return 2;
	out[2] = (unsigned char)size.first;
	for (unsigned i = 0; i < 4 * n; i++)
		out[3 + i] = (unsigned char)(size.digits[size.first + i / 4] >> 8 * (i % 4));
	return 3 + (size_t)4 * n;
}

static uint32_t read_digit(const unsigned char *bytes)
{
	return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
	       (uint32_t)bytes[3] << 24;
}

/* The first byte: at most one bit, which limbs stand beside or do not. */
static bool is_flags(unsigned flags, unsigned n)
{
	return flags == 0 || (flags == EXACT_NEGATIVE && n > 0) ||
	       (n == 0 && (flags == EXACT_PLUS_INFINITY || flags == EXACT_MINUS_INFINITY ||
			   flags == EXACT_NAN));
}

size_t exact_sum_read(struct exact_sum *sum, const unsigned char *bytes, size_t size)
{
	exact_sum_clear(sum);
	if (size < 2 || !is_flags(bytes[0], bytes[1]))
		return 0;
	unsigned n = bytes[1];
	sum->special = bytes[0] & (EXACT_NEGATIVE - 1);
	if (n == 0)
		return 2;
	if (size < 3 + (size_t)4 * n || n + bytes[2] > EXACT_LIMBS)
		return 0;
	if (read_digit(bytes + 3) == 0 || read_digit(bytes + 3 + (size_t)4 * (n - 1)) == 0)
		return 0;
	sum->first = bytes[2];
	sum->end = (unsigned char)(bytes[2] + n);
	for (unsigned i = 0; i < n; i++) {
		int64_t limb = read_digit(bytes + 3 + (size_t)4 * i);
		sum->limbs[sum->first + i] = bytes[0] & EXACT_NEGATIVE ? -limb : limb;
	}
	exact_sum_carry(sum);
	return 3 + (size_t)4 * n;
}
