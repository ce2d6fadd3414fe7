/*
 * The float types narrower than F32: F16, BF16, F8_E5M2, which are as IEEE 754 would have them, and
 * F8_E4M3 (the FN variant), which has no infinity, one NaN of either sign, and 448 as its largest
 * number. Every value of theirs is a float, exactly; rounding to them is to nearest even, and what
 * is too large for them becomes infinity, or NaN in F8_E4M3.
 *
 * NaNs keep their sign and as much of their payload as there is room for, and come out quiet, which
 * is what processors make of F16.
 */
#ifndef LOSS_HALF_H
#define LOSS_HALF_H

#include <string.h>

#include "loss.h"

/* Bytes of an element of one of these types; 0 of any other. */
static inline size_t half_bytes(loss_dtype dtype)
{
	if (dtype == LOSS_F16 || dtype == LOSS_BF16)
		return 2;
	return dtype == LOSS_F8_E4M3 || dtype == LOSS_F8_E5M2;
}

/* Element i of an array of one of these types. */
float half_get(loss_dtype dtype, const void *data, size_t i);
/* value, rounded once, into element i. */
void half_put(loss_dtype dtype, void *data, size_t i, double value);

/* n elements to floats, and n floats, rounded once, to elements. */
void half_to_float(loss_dtype dtype, const void *from, float *to, size_t n);
void half_from_float(loss_dtype dtype, const float *from, void *to, size_t n);

/* ---------------------------------------------------------------- one code at a time */

/* From the top: a sign, an exponent and a mantissa. */
struct half_format {
	int bits; /* of all three */
	int mantissa_bits;
	int bias;       /* of the exponent */
	uint32_t limit; /* the first code that is no finite number: infinity, or F8_E4M3's NaN */
};

#define HALF_F16 ((struct half_format){16, 10, 15, 0x7c00})
#define HALF_BF16 ((struct half_format){16, 7, 127, 0x7f80})
#define HALF_F8_E4M3 ((struct half_format){8, 3, 7, 0x7f})
#define HALF_F8_E5M2 ((struct half_format){8, 2, 15, 0x7c})

/* Kernels include these in loops, with a format that is a constant: no branches are left then. */
#define HALF_INLINE static inline __attribute__((always_inline))

HALF_INLINE float half_float_of(uint32_t bits)
{
	float value;
	memcpy(&value, &bits, sizeof value);
	return value;
}

HALF_INLINE uint32_t half_bits_of(float value)
{
	uint32_t bits;
	memcpy(&bits, &value, sizeof bits);
	return bits;
}

/* yes or no, of which both are computed: with ?: gcc leaves a branch that keeps it from vectors. */
HALF_INLINE uint32_t half_select(bool condition, uint32_t yes, uint32_t no)
{
	uint32_t mask = 0u - (uint32_t)condition;
	return (yes & mask) | (no & ~mask);
}

/*
 * A normal number differs from the float in its bias only. A subnormal one, m units of the smallest
 * normal number's last digit, is what that number with the mantissa m exceeds it by. BF16 is a
 * float cut in two.
 */
HALF_INLINE float half_widen(struct half_format format, uint32_t code)
{
	uint32_t sign = code >> (format.bits - 1);
	uint32_t magnitude = code - (sign << (format.bits - 1));
	uint32_t aligned = magnitude << (23 - format.mantissa_bits);
	if (format.bias == 127)
		return half_float_of(aligned | sign << 31);
	uint32_t smallest = (uint32_t)(128 - format.bias) << 23;
	uint32_t rebased = aligned + smallest;
	uint32_t subnormal = half_bits_of(half_float_of(rebased) - half_float_of(smallest));
	uint32_t hidden = UINT32_C(1) << 23;
	uint32_t bits = half_select(aligned < hidden, subnormal, rebased - hidden);
	uint32_t quiet = (uint32_t)(magnitude > format.limit) << 22;
	bits = half_select(magnitude < format.limit, bits, aligned | UINT32_C(0xff) << 23 | quiet);
	return half_float_of(bits | sign << 31);
}

/* sign, and a magnitude rounded as if exponents had no end; `payload` is a NaN's mantissa, or
 * nothing. */
HALF_INLINE uint32_t half_finish(struct half_format format, uint32_t sign, uint32_t magnitude,
				 bool is_nan, uint32_t payload)
{
	uint32_t quiet = UINT32_C(1) << (format.mantissa_bits - 1);
	magnitude = half_select(magnitude < format.limit, magnitude, format.limit);
	magnitude = half_select(is_nan, format.limit | quiet | payload, magnitude);
	return magnitude | sign << (format.bits - 1);
}

/*
 * A normal number's mantissa is rounded as an integer, whose carry moves into the exponent as it
 * should. A subnormal one is added to a power of two whose last digit is worth one unit.
 */
HALF_INLINE uint32_t half_narrow_float(struct half_format format, float value)
{
	int dropped = 23 - format.mantissa_bits;
	uint32_t bits = half_bits_of(value);
	uint32_t size = bits & INT32_MAX;
	uint32_t odd = size >> dropped & 1;
	uint32_t half = UINT32_C(1) << (dropped - 1);
	uint32_t magnitude =
		(size + (half - 1 + odd) - ((uint32_t)(127 - format.bias) << 23)) >> dropped;
	if (format.bias != 127) {
		uint32_t units = (uint32_t)(127 + 1 - format.bias + dropped) << 23;
		uint32_t subnormal =
			half_bits_of(half_float_of(size) + half_float_of(units)) - units;
		bool is_normal = size >= (uint32_t)(128 - format.bias) << 23;
		magnitude = half_select(is_normal, magnitude, subnormal);
	}
	uint32_t payload = size >> dropped & ((UINT32_C(1) << format.mantissa_bits) - 1);
	return half_finish(format, bits >> 31, magnitude, size > UINT32_C(0xff) << 23, payload);
}

/* The same of a double, in integers alone. */
HALF_INLINE uint32_t half_narrow(struct half_format format, double value)
{
	uint64_t bits;
	memcpy(&bits, &value, sizeof bits);
	uint64_t mantissa = bits & ((UINT64_C(1) << 52) - 1);
	int exponent = (int)(bits >> 52 & 0x7ff) - 1023;
	int lacking = 1 - format.bias - exponent; /* digits that a subnormal lacks */
	int dropped = 52 - format.mantissa_bits + (lacking > 0 ? lacking : 0);
	uint32_t magnitude = 0;
	if (dropped <= 54) { /* else it is below half a unit, doubles' own subnormals included */
		uint64_t all = mantissa | UINT64_C(1) << 52;
		uint64_t half = UINT64_C(1) << (dropped - 1);
		uint64_t rounded = (all + (half - 1) + (all >> dropped & 1)) >> dropped;
		magnitude = (uint32_t)rounded;
		if (lacking <= 0)
			magnitude += (uint32_t)-lacking << format.mantissa_bits;
	}
	uint32_t payload = (uint32_t)(mantissa >> (52 - format.mantissa_bits));
	return half_finish(format, (uint32_t)(bits >> 63), magnitude, value != value, payload);
}

#endif
