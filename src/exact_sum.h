/*
 * Exact sums of doubles: whatever is added, in whatever order and however it is split and merged,
 * the sum is the same, and rounded once. A sum is an integer in units of 2^-1074, the smallest
 * double, kept as limbs of 32 bits, each in a word of 64 so that carries can wait (the small
 * superaccumulator of R. M. Neal, "Fast exact summation using small and large superaccumulators",
 * 2015; the idea is U. Kulisch's).
 *
 * Infinities and NaN are remembered apart, and win as they would in a sum: an infinity beside its
 * opposite is NaN. A sum too large for a double becomes infinite only where it is rounded.
 *
 * Only limbs in use are touched: clearing one, and an array of many, writes a few bytes of each;
 * numbers of similar size use three limbs or four. Copies are plain assignments, or, of what is in
 * use, exact_sum_merge into a cleared one. No function allocates or fails. A sum is for one thread
 * at a time.
 */
#ifndef LOSS_EXACT_SUM_H
#define LOSS_EXACT_SUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "reduce.h"

/* 2^-1074 to 2^1024, 2^64 times over, and a sign. */
#define EXACT_LIMBS 68
#define EXACT_LIMB_BITS 32

/* Additions that a limb's upper half has room for, each below 2^52. */
#define EXACT_PENDING 1023

/* What is in a sum beside numbers. */
enum { EXACT_PLUS_INFINITY = 1, EXACT_MINUS_INFINITY = 2, EXACT_NAN = 4 };

struct exact_sum {
	unsigned char first, end; /* limbs in use; the others hold nothing of meaning */
	unsigned char special;    /* bits of the above */
	unsigned short pending;   /* additions since carries were taken */
	int64_t limbs[EXACT_LIMBS];
};

static inline void exact_sum_clear(struct exact_sum *sum)
{
	sum->first = sum->end = sum->special = 0;
	sum->pending = 0;
}

/* Whether nothing has been added, or only zeros. */
static inline bool exact_sum_is_empty(const struct exact_sum *sum)
{
	return sum->first == sum->end && sum->special == 0;
}

/* Puts limbs [first, end) into use; then room for as many additions is left again. */
void exact_sum_reach(struct exact_sum *sum, unsigned first, unsigned end);
void exact_sum_carry(struct exact_sum *sum);
/* Infinity or NaN. */
void exact_sum_add_special(struct exact_sum *sum, double value);

/* Adds any double. */
static inline void exact_sum_add(struct exact_sum *sum, double value)
{
	uint64_t bits, mantissa;
	memcpy(&bits, &value, sizeof bits);
	unsigned exponent = (unsigned)(bits >> 52) & 0x7ff, normal = exponent != 0;
	mantissa = (bits & 0xfffffffffffff) | (uint64_t)normal << 52;
	if (exponent == 0x7ff) {
		exact_sum_add_special(sum, value);
		return;
	}
	if (mantissa == 0)
		return;
	unsigned place = exponent - normal, shift = place % EXACT_LIMB_BITS;
	unsigned limb = place / EXACT_LIMB_BITS;
	int64_t sign = -(int64_t)(bits >> 63);
	int64_t low = (int64_t)(mantissa << shift & 0xffffffff);
	int64_t high = (int64_t)(mantissa >> (EXACT_LIMB_BITS - shift));
	if (limb < sum->first || limb + 2 > sum->end)
		exact_sum_reach(sum, limb, limb + 2);
	/* exact_sum_reach has cleared them, which clang's analyzer does not follow.
	 * NOLINTBEGIN(clang-analyzer-core.uninitialized.Assign) */
	sum->limbs[limb] += (low ^ sign) - sign;
	sum->limbs[limb + 1] += (high ^ sign) - sign;
	/* NOLINTEND(clang-analyzer-core.uninitialized.Assign) */
	if (++sum->pending == EXACT_PENDING)
		exact_sum_carry(sum);
}

/* Adds a value n times. */
void exact_sum_add_times(struct exact_sum *sum, double value, uint64_t n);
/* Adds a number of things: the same of 1. */
static inline void exact_sum_add_count(struct exact_sum *sum, uint64_t n)
{
	exact_sum_add_times(sum, 1.0, n);
}

/* Adds 128 bits, or takes them off, in units of the limb's lowest bit; four limbs are there. */
void exact_sum_add_words(struct exact_sum *sum, unsigned limb, uint64_t low, uint64_t high,
			 bool negative);

/* Adds all that is in another one, which stays as it is. */
void exact_sum_merge(struct exact_sum *sum, const struct exact_sum *other);

/* The sum, rounded once to nearest even: +0 where it is zero; and as a double with what that lacks
 * of the sum, rounded once itself, 0 beside what is infinite or NaN. */
double exact_sum_value(const struct exact_sum *sum);
struct sum exact_sum_parts(const struct exact_sum *sum);

/* How many bits the sum's size takes in units of 2^-1074: 2098 and fewer of a double, k more of 2^k
 * of them. */
unsigned exact_sum_bits(const struct exact_sum *sum);

/* ---------------------------------------------------------------- as bytes */

/*
 * A sum as bytes: equal sums are equal bytes, on every machine. A byte of one of the
 * above bits, EXACT_NEGATIVE or 0, one of how many limbs follow, and where there are any one of the
 * first one's index and the limbs of the sum's size, 4 bytes each, lowest first; the first and the
 * last are not 0. Beside an infinity and NaN there are none: numbers do not count any more.
 */
#define EXACT_NEGATIVE 8
#define EXACT_BYTES (3 + (size_t)4 * EXACT_LIMBS)

/* Writes at most EXACT_BYTES, and returns how many. */
size_t exact_sum_write(const struct exact_sum *sum, unsigned char *out);
/* Reads one of the first `size` bytes, and returns how many it has; 0, and an empty sum, where they
 * do not begin with what exact_sum_write has written. */
size_t exact_sum_read(struct exact_sum *sum, const unsigned char *bytes, size_t size);

#endif
