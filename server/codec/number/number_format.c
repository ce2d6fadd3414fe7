/*
 * The shortest digits of a binary number, by the Schubfach method (R. Giulietti, "The Schubfach way
 * to render doubles", 2021): no loop over digits, one power of ten, three multiplications.
 */
#include "number.h"

#include <string.h>

#include "number_table.h"

__extension__ typedef unsigned __int128 uint128;

/* c * 2^q; the gap to the next smaller number is half as wide where `lower_is_closer`. */
struct binary {
	uint64_t c;
	int q;
	bool lower_is_closer;
};

/* digits * 10^exponent */
struct decimal {
	uint64_t digits;
	int exponent;
};

/* ---------------------------------------------------------------- shortest digits */

/*
 * floor(g * x / 2^128), its last bit set too if anything but 0 was cut off: enough to compare
 * exactly with even integers. g is an upper bound of the power, by less than 1, which adds less
 * than 1 to the middle word.
 */
static uint64_t multiply_to_odd(struct number_power g, uint64_t x)
{
	uint128 low = (uint128)g.low * x;
	uint128 all = (uint128)g.high * x + (uint64_t)(low >> 64);
	return (uint64_t)(all >> 64) | ((uint64_t)all > 1);
}

/* 128 bits of 10^k, rounded up. */
static struct number_power upper_power(int k)
{
	struct number_power g = number_power(k);
	bool exact = k >= 0 && k <= NUMBER_POWER_LAST_EXACT;
	g.low += !exact;
	g.high += !exact && g.low == 0;
	return g;
}

/*
 * Of the decimals inside the number's rounding interval, one of the fewest digits, and of those the
 * one nearest to the number. The interval's width is at least 10^k and less than 10^(k+1). All
 * is counted in quarters of 10^k: the number (middle) and the two ends (lower, upper), which belong
 * to it if c is even.
 */
static struct decimal shortest(struct binary b)
{
	/* floor(log10(the width)), 2^q or 3/4 * 2^q: log10(2) and log10(4/3), times 2^22. */
	int k = (b.q * 1262611 - (b.lower_is_closer ? 524031 : 0)) >> 22;
	int shift = b.q + number_floor_log2_pow10(-k) + 1; /* 1 to 4 */
	struct number_power g = upper_power(-k);
	uint64_t odd = b.c & 1;
	uint64_t four = 4 * b.c;
	uint64_t lower = multiply_to_odd(g, (four - 2 + b.lower_is_closer) << shift) + odd;
	uint64_t middle = multiply_to_odd(g, four << shift);
	uint64_t upper = multiply_to_odd(g, (four + 2) << shift) - odd;

	uint64_t s = middle / 4;
	if (s >= 10) {
		/* At most one multiple of 10^(k+1) is inside; if one is, it has a digit less. */
		uint64_t tens = s / 10;
		bool below = lower <= 40 * tens;
		bool above = 40 * tens + 40 <= upper;
		if (below != above)
			return (struct decimal){tens + above, k + 1};
	}
	bool below = lower <= 4 * s;
	bool above = 4 * s + 4 <= upper;
	if (below != above)
		return (struct decimal){s + above, k};
	uint64_t half = 4 * s + 2;
	bool round_up = middle > half || (middle == half && (s & 1) != 0);
	return (struct decimal){s + round_up, k};
}

static struct decimal strip_zeros(struct decimal d)
{
	if (d.digits % 100000000 == 0) {
		d.digits /= 100000000;
		d.exponent += 8;
	}
	while (d.digits % 10 == 0) {
		d.digits /= 10;
		d.exponent++;
	}
	return d;
}

/* ---------------------------------------------------------------- text */

static const char digit_pairs[] = "00010203040506070809101112131415161718192021222324"
				  "25262728293031323334353637383940414243444546474849"
				  "50515253545556575859606162636465666768697071727374"
				  "75767778798081828384858687888990919293949596979899";

static int count_digits(uint64_t value)
{
	static const uint64_t powers[] = {0,
					  10,
					  100,
					  1000,
					  10000,
					  100000,
					  1000000,
					  10000000,
					  100000000,
					  1000000000,
					  10000000000,
					  100000000000,
					  1000000000000,
					  10000000000000,
					  100000000000000,
					  1000000000000000,
					  10000000000000000,
					  100000000000000000,
					  1000000000000000000,
					  UINT64_C(10000000000000000000)};
	int bits = 64 - __builtin_clzll(value | 1);
	int guess = bits * 1233 >> 12; /* floor(bits * log10(2)), the count or one less */
	return guess + (value >= powers[guess]);
}

/* Writes n digits, n that of value, before end. */
static void write_digits(char *end, uint64_t value)
{
	while (value >= 100000000) {
		uint32_t eight = (uint32_t)(value % 100000000);
		value /= 100000000;
		for (int i = 0; i < 4; i++, eight /= 100)
			memcpy(end -= 2, digit_pairs + 2 * (size_t)(eight % 100), 2);
	}
	uint32_t rest = (uint32_t)value;
	for (; rest >= 100; rest /= 100)
		memcpy(end -= 2, digit_pairs + 2 * (size_t)(rest % 100), 2);
	if (rest >= 10)
		memcpy(end - 2, digit_pairs + 2 * (size_t)rest, 2);
	else
		end[-1] = (char)('0' + rest);
}

/* d.ddde+XX, with two digits of exponent at least; `exponent` is that of the first digit. */
static size_t write_scientific(char *out, uint64_t digits, int n, int exponent)
{
	write_digits(out + 1 + n, digits);
	out[0] = out[1];
	out[1] = '.';
	char *p = out + (n > 1 ? n + 1 : 1);
	*p++ = 'e';
	*p++ = exponent < 0 ? '-' : '+';
	unsigned size = (unsigned)(exponent < 0 ? -exponent : exponent);
	if (size >= 100)
		*p++ = (char)('0' + size / 100);
	memcpy(p, digit_pairs + 2 * (size_t)(size % 100), 2);
	return (size_t)(p + 2 - out);
}

/* Python's layout: an exponent from 1e16 on and below 1e-4. */
static size_t write_decimal(char *out, struct decimal d)
{
	int n = count_digits(d.digits);
	int point = n + d.exponent; /* digits before the point */
	if (point <= -4 || point > 16)
		return write_scientific(out, d.digits, n, point - 1);
	if (point <= 0) {
		memcpy(out, "0.000", 5);
		write_digits(out + 2 - point + n, d.digits);
		return 2 + (size_t)(n - point);
	}
	if (point >= n) {
		write_digits(out + n, d.digits);
		memset(out + n, '0', (size_t)(point - n));
		memcpy(out + point, ".0", 2);
		return (size_t)point + 2;
	}
	write_digits(out + 1 + n, d.digits);
	memmove(out, out + 1, (size_t)point);
	out[point] = '.';
	return (size_t)n + 1;
}

static size_t format(struct binary b, bool negative, char *out)
{
	out[0] = '-';
	char *p = out + negative;
	if (b.c == 0) {
		memcpy(p, "0.0", 3);
		return (size_t)negative + 3;
	}
	/* An integer whose neighbours are at most 1 away is its own shortest form. */
	bool small_integer = b.q <= 0 && b.q > -64 && (b.c & ((UINT64_C(1) << -b.q) - 1)) == 0;
	struct decimal d = small_integer ? (struct decimal){b.c >> -b.q, 0} : shortest(b);
	return (size_t)negative + write_decimal(p, strip_zeros(d));
}

/* Takes apart a format of `precision` mantissa bits (the hidden one not counted) and that bias. */
static struct binary split(uint64_t bits, int precision, int exponents, int bias)
{
	uint64_t mantissa = bits & ((UINT64_C(1) << precision) - 1);
	int field = (int)(bits >> precision) & (exponents - 1);
	if (field == 0)
		return (struct binary){mantissa, 1 - bias - precision, false};
	return (struct binary){mantissa | UINT64_C(1) << precision, field - bias - precision,
			       mantissa == 0 && field > 1};
}

/*
 * Of all floats this one and its negative have shortest digits, 7.038531e-26, that most readers of
 * JSON would not bring back: the double nearest to them lies half-way between two floats. It gets a
 * digit more.
 */
static const struct decimal doubly_rounded = {70385307, -33};

size_t number_format_f32(float value, char *out)
{
	uint32_t bits;
	memcpy(&bits, &value, sizeof bits);
	if ((bits & INT32_MAX) == NUMBER_DOUBLY_ROUNDED) {
		out[0] = '-';
		size_t sign = bits >> 31;
		return sign + write_decimal(out + sign, doubly_rounded);
	}
	return format(split(bits, 23, 256, 127), bits >> 31 != 0, out);
}

/* None of these has digits that two roundings do not bring back: a test goes through all. */
size_t number_format_f16(uint16_t bits, char *out)
{
	return format(split(bits, 10, 32, 15), bits >> 15 != 0, out);
}

size_t number_format_bf16(uint16_t bits, char *out)
{
	return format(split(bits, 7, 256, 127), bits >> 15 != 0, out);
}

size_t number_format_f8_e4m3(uint8_t bits, char *out)
{
	return format(split(bits, 3, 16, 7), bits >> 7 != 0, out);
}

size_t number_format_f8_e5m2(uint8_t bits, char *out)
{
	return format(split(bits, 2, 32, 15), bits >> 7 != 0, out);
}

size_t number_format_f64(double value, char *out)
{
	uint64_t bits;
	memcpy(&bits, &value, sizeof bits);
	return format(split(bits, 52, 2048, 1023), bits >> 63 != 0, out);
}

size_t number_format_decimal(uint64_t digits, int exponent, char *out)
{
	struct decimal d = {digits, exponent};
	return digits ? write_decimal(out, strip_zeros(d)) : format((struct binary){0}, false, out);
}

size_t number_format_u64(uint64_t value, char *out)
{
	int n = count_digits(value);
	write_digits(out + n, value);
	return (size_t)n;
}

size_t number_format_i64(int64_t value, char *out)
{
	uint64_t magnitude = value < 0 ? -(uint64_t)value : (uint64_t)value;
	out[0] = '-';
	return (size_t)(value < 0) + number_format_u64(magnitude, out + (value < 0));
}
