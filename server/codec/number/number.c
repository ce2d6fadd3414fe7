#include "number.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "digits.h"
#include "number_table.h"

__extension__ typedef unsigned __int128 uint128;

/* 19 digits always fit 64 bits. */
#define FAST_DIGITS 19
/* The longest decimal that can lie half-way between two doubles has 767 significant digits. */
#define EXACT_DIGITS 800

/* A number as it stands in the text. */
struct token {
	const char *mantissa;     /* the first digit of the integer part */
	const char *mantissa_end; /* after the last digit of the integer part or the fraction */
	const char *end;          /* the cursor; after the token once it is read */
	uint64_t digits;          /* all digits of the mantissa as one integer, modulo 2^64 */
	size_t n_digits;          /* leading zeros count */
	size_t n_fraction;
	int64_t exponent; /* as written, or +-EXPONENT_LIMIT */
	bool negative;
	bool is_integer;
};

/* More than any number of digits in memory, so that no fraction, however long, makes up for it. */
#define EXPONENT_LIMIT INT64_C(1000000000000000000)

/* ---------------------------------------------------------------- the grammar */

static inline unsigned digit(char c)
{
	return (unsigned)(unsigned char)c - '0';
}

/* Moves the cursor over digits and adds them to t->digits. Returns their number. */
static size_t read_digits(struct token *t, const char *limit)
{
	const char *p = t->end;
	uint64_t digits = t->digits;
	for (; limit - p >= 8; p += 8) {
		uint64_t bytes = digits_load(p);
		if (!digits_all(bytes))
			break;
		digits = digits * 100000000 + digits_value(digits_unpack(bytes));
	}
	for (; p < limit && digit(*p) <= 9; p++)
		digits = digits * 10 + digit(*p);
	size_t n = (size_t)(p - t->end);
	t->digits = digits;
	t->end = p;
	return n;
}

static enum number_status no_digit(const struct token *t, const char *limit)
{
	return t->end == limit ? NUMBER_MORE : NUMBER_BAD;
}

static enum number_status read_integer(struct token *t, const char *limit)
{
	t->negative = t->end < limit && *t->end == '-';
	t->end += t->negative;
	t->mantissa = t->end;
	t->n_digits = read_digits(t, limit);
	t->mantissa_end = t->end;
	if (t->n_digits == 0)
		return no_digit(t, limit);
	if (*t->mantissa == '0' && t->n_digits > 1) {
		t->end = t->mantissa + 1;
		return NUMBER_BAD;
	}
	return NUMBER_OK;
}

static enum number_status read_fraction(struct token *t, const char *limit)
{
	if (t->end == limit || *t->end != '.')
		return NUMBER_OK;
	t->end++;
	t->is_integer = false;
	t->n_fraction = read_digits(t, limit);
	t->n_digits += t->n_fraction;
	t->mantissa_end = t->end;
	return t->n_fraction > 0 ? NUMBER_OK : no_digit(t, limit);
}

static enum number_status read_exponent(struct token *t, const char *limit)
{
	if (t->end == limit || (*t->end != 'e' && *t->end != 'E'))
		return NUMBER_OK;
	t->end++;
	t->is_integer = false;
	bool minus = t->end < limit && *t->end == '-';
	t->end += minus || (t->end < limit && *t->end == '+');
	const char *first = t->end;
	int64_t exponent = 0;
	for (; t->end < limit && digit(*t->end) <= 9; t->end++) {
		if (exponent < EXPONENT_LIMIT / 10)
			exponent = exponent * 10 + (int64_t)digit(*t->end);
		else
			exponent = EXPONENT_LIMIT;
	}
	t->exponent = minus ? -exponent : exponent;
	return t->end > first ? NUMBER_OK : no_digit(t, limit);
}

/* NUMBER_OK also for a token that ends at limit; NUMBER_MORE only where it is not a number yet. */
static enum number_status read_token(struct token *t, const char *limit)
{
	enum number_status status = read_integer(t, limit);
	if (status == NUMBER_OK)
		status = read_fraction(t, limit);
	if (status == NUMBER_OK)
		status = read_exponent(t, limit);
	return status;
}

/* ---------------------------------------------------------------- decimal to double */

/* A value w * 10^q, or, where cut, one between that and (w + 1) * 10^q. */
struct decimal {
	uint64_t w;
	int64_t q;
	bool cut;
};

static double double_of_bits(uint64_t bits)
{
	double value;
	memcpy(&value, &bits, sizeof value);
	return value;
}

/*
 * One division or multiplication of two numbers that are doubles without an error rounds once, as
 * it must (Clinger 1990). 10^22 is the last power of ten that is a double.
 */
static bool exact_operands(const struct decimal *d, double *value)
{
	static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
					1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
					1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
	if (FLT_EVAL_METHOD != 0 || d->cut || d->w >> 53 != 0 || d->q < -22 || d->q > 22)
		return false;
	double w = (double)d->w;
	*value = d->q < 0 ? w / powers[-d->q] : w * powers[d->q];
	return true;
}

/* What `scale` can not decide though it is no near miss: w * 10^q that is an integer times 2^q. */
static bool divide_evenly(uint64_t w, int q, uint64_t *bits)
{
	if (q < -27 || q >= 0)
		return false;
	uint64_t power = 1; /* 5^27 is below 2^63 */
	for (int i = q; i < 0; i++)
		power *= 5;
	if (w % power != 0)
		return false;
	uint64_t integer = w / power;
	double value = ldexp((double)integer, q);
	memcpy(bits, &value, sizeof *bits);
	return true;
}

/*
 * The bits of the double nearest to w * 10^q, 0 < w; false in the rare cases that 128 bits of the
 * power do not decide (Eisel and Lemire 2021, in the form that needs no second table).
 *
 * With w shifted to have its top bit set, and m the first 128 bits of 5^q, what we want is, up to a
 * power of two, some x with P <= x < P + w, where P = w * m has 191 or 192 bits; x is P itself if m
 * is exact, and more if it is not. We keep the first 127 bits of P. Since w < 2^64, x is less than
 * two of their units above them, so that x and P round alike unless all the bits after the
 * rounding bit are ones; and x is a tie only if m is exact.
 */
static bool scale(uint64_t w, int64_t q64, uint64_t *bits)
{
	/* 2^64 * 10^-343 is less than half of the smallest double, 10^309 more than the largest. */
	if (q64 < NUMBER_POWER_MIN || q64 > 308) {
		*bits = q64 < 0 ? 0 : UINT64_C(0x7ff) << 52;
		return true;
	}
	int q = (int)q64;
	int zeros = __builtin_clzll(w);
	struct number_power m = number_power(q);
	uint128 low = (uint128)(w << zeros) * m.low;
	uint128 high = (uint128)(w << zeros) * m.high + (uint64_t)(low >> 64);
	bool rest = (uint64_t)low != 0;
	/* Make bit 126 the top one; the value is high * 2^(exponent - 126), and a bit more if rest.
	 */
	int carry = (int)(high >> 127);
	rest |= carry && (high & 1) != 0;
	high >>= carry;
	int exponent = number_floor_log2_pow10(q) + 63 - zeros + carry;

	if (exponent > 1023) {
		*bits = UINT64_C(0x7ff) << 52;
		return true;
	}
	int below = exponent < -1022 ? -1022 - exponent : 0; /* bits that a subnormal lacks */
	if (below > 53) {
		*bits = 0;
		return true;
	}
	int shift = 126 - 52 + below;
	uint128 half = (uint128)1 << (shift - 1);
	uint128 after = high & (half - 1);
	bool exact = q >= 0 && q <= NUMBER_POWER_LAST_EXACT;
	if (after == half - 1 && !exact)
		return divide_evenly(w, q, bits);
	uint64_t mantissa = (uint64_t)(high >> shift);
	bool above_half = after != 0 || rest || !exact;
	mantissa += (high & half) != 0 && (above_half || (mantissa & 1) != 0);
	/* The mantissa's own bit 52, or a carry into bit 53, adds to the exponent's field. */
	uint64_t biased = below > 0 ? 0 : (uint64_t)(exponent + 1022);
	*bits = (biased << 52) + mantissa;
	return true;
}

/* The mantissa's digits from the first that is not 0. */
struct significant {
	size_t n;       /* copied */
	size_t dropped; /* after those */
	bool cut;       /* a dropped one is not 0 */
};

static struct significant copy_significant(const struct token *t, char *out, size_t max)
{
	struct significant s = {0, 0, false};
	const char *p = t->mantissa;
	while (p < t->mantissa_end && (*p == '0' || *p == '.'))
		p++;
	for (; p < t->mantissa_end && s.n < max; p++) {
		out[s.n] = *p;
		s.n += *p != '.';
	}
	for (; p < t->mantissa_end; p++) {
		s.dropped += *p != '.';
		s.cut |= *p != '.' && *p != '0';
	}
	return s;
}

static struct decimal first_digits(const struct token *t)
{
	int64_t q = t->exponent - (int64_t)t->n_fraction;
	if (t->n_digits <= FAST_DIGITS)
		return (struct decimal){t->digits, q, false};
	char text[FAST_DIGITS];
	struct significant s = copy_significant(t, text, sizeof text);
	uint64_t w = 0;
	for (size_t i = 0; i < s.n; i++)
		w = w * 10 + digit(text[i]);
	return (struct decimal){w, q + (int64_t)s.dropped, s.cut};
}

/*
 * Always right, never fast: the C library reads at most 801 digits, the last of which stands for
 * all that were dropped. Digits and an exponent, no point: nothing in it depends on a locale.
 */
static double read_exactly(const struct token *t)
{
	char text[EXACT_DIGITS + 32];
	struct significant s = copy_significant(t, text, EXACT_DIGITS);
	int64_t q = t->exponent - (int64_t)t->n_fraction + (int64_t)s.dropped;
	if (s.cut) {
		text[s.n++] = '1';
		q--;
	}
	int64_t most = 9999; /* is out of a double's range with 801 digits too */
	q = q > most ? most : q < -most ? -most : q;
	snprintf(text + s.n, sizeof text - s.n, "e%d", (int)q);
	return strtod(text, NULL);
}

static double nearest_double(const struct token *t)
{
	struct decimal d = first_digits(t);
	double value;
	if (d.w == 0)
		return 0.0;
	if (exact_operands(&d, &value))
		return value;
	uint64_t bits, next;
	if (scale(d.w, d.q, &bits) && (!d.cut || (scale(d.w + 1, d.q, &next) && next == bits)))
		return double_of_bits(bits);
	return read_exactly(t);
}

/* ---------------------------------------------------------------- the number */

/* Sets magnitude and fits of an integer token, which has no leading zeros. */
static void set_magnitude(const struct token *t, struct number *out)
{
	out->fits = t->n_digits <= FAST_DIGITS;
	if (t->n_digits == FAST_DIGITS + 1) {
		/* t->digits may have wrapped round 2^64: see whether the last digit still fits. */
		unsigned last = digit(t->mantissa[FAST_DIGITS]);
		uint64_t before = 0;
		for (int i = 0; i < FAST_DIGITS; i++)
			before = before * 10 + digit(t->mantissa[i]);
		out->fits = before <= (UINT64_MAX - last) / 10;
	}
	out->magnitude = out->fits ? t->digits : 0;
}

static void evaluate(const struct token *t, struct number *out)
{
	double value = nearest_double(t);
	*out = (struct number){
		.value = t->negative ? -value : value,
		.negative = t->negative,
		.is_integer = t->is_integer,
	};
	if (t->is_integer)
		set_magnitude(t, out);
}

enum number_status number_scan(const char *p, const char *limit, const char **end,
			       struct number *out)
{
	struct token t = {.end = p, .is_integer = true};
	enum number_status status = read_token(&t, limit);
	*end = t.end;
	if (status == NUMBER_OK && t.end == limit)
		return NUMBER_MORE;
	if (status == NUMBER_OK)
		evaluate(&t, out);
	return status;
}

enum number_status number_parse(const char *text, size_t n, struct number *out)
{
	struct token t = {.end = text, .is_integer = true};
	if (read_token(&t, text + n) != NUMBER_OK || t.end != text + n)
		return NUMBER_BAD;
	evaluate(&t, out);
	return NUMBER_OK;
}
