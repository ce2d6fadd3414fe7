/*
 * Powers of five to 128 bits, which is all that reading and writing of decimals need to know about
 * powers of ten: 10^q = 5^q * 2^q. Filled once, before main; read-only afterwards.
 */
#ifndef LOSSD_CODEC_NUMBER_TABLE_H
#define LOSSD_CODEC_NUMBER_TABLE_H

#include <stdint.h>

/* Below 10^-342 a 64-bit integer times the power is nearer to 0 than to any double; 10^324 scales
 * the smallest double to an integer part. */
#define NUMBER_POWER_MIN (-342)
#define NUMBER_POWER_MAX 324
/* 5^q is below 2^128, and its entry exact, from 0 to this q. */
#define NUMBER_POWER_LAST_EXACT 55

/* The first 128 bits of 5^q, cut, not rounded: high has its top bit set. */
struct number_power {
	uint64_t high;
	uint64_t low;
};

extern struct number_power number_powers[NUMBER_POWER_MAX - NUMBER_POWER_MIN + 1];

static inline struct number_power number_power(int q)
{
	return number_powers[q - NUMBER_POWER_MIN];
}

/*
 * What the shortest digits of a float take from the field of its exponent alone. They are counted
 * in units of 10^power, and those in parts of 2^-NUMBER_UNIT_BITS: the float is scale * mantissa /
 * 2^26 of the parts, half the gap to the next one half_gap, each too small by less than three.
 */
#define NUMBER_UNIT_BITS 34
struct number_scale {
	uint64_t scale;
	uint64_t half_gap;
	int power; /* the gap is at least 10^power, and less than ten times that */
};

/* By the field; of numbers that are not normal, all is 0. */
extern struct number_scale number_scales[256];

/* floor(log2(10^q)): 1741647 / 2^19 is log2(10) from above, near enough for |q| <= 1233. */
static inline int number_floor_log2_pow10(int q)
{
	return (q * 1741647) >> 19;
}

#endif
