#include "number_table.h"

#include <string.h>

/*
 * Computed rather than written out: 667 rows of digits can hide a wrong one, twenty lines can not.
 *
 * 5^q for q >= 0 by repeated multiplication of an exact integer. For q < 0 by repeated division of
 * 2^959: floor(floor(a / 5) / 5) is floor(a / 25), so no error piles up, and the 164 bits or more
 * that are left of it at 5^-342 begin with the 128 bits of 5^q, whose bits are those of 2^959 *
 * 5^q.
 */
#define WORDS 30
#define TOP_BIT 959 /* the last of WORDS * 32 bits; 5^324 has 753 */

struct number_power number_powers[NUMBER_POWER_MAX - NUMBER_POWER_MIN + 1];
struct number_scale number_scales[256];

static void multiply_by_5(uint32_t *words)
{
	uint64_t carry = 0;
	for (int i = 0; i < WORDS; i++) {
		carry += (uint64_t)words[i] * 5;
		words[i] = (uint32_t)carry;
		carry >>= 32;
	}
}

static void divide_by_5(uint32_t *words)
{
	uint64_t rest = 0;
	for (int i = WORDS - 1; i >= 0; i--) {
		rest = rest << 32 | words[i];
		words[i] = (uint32_t)(rest / 5);
		rest %= 5;
	}
}

/* The 128 bits that begin with the first one; zeros follow where there are fewer. */
static struct number_power leading_bits(const uint32_t *words)
{
	int top = WORDS - 1;
	while (words[top] == 0)
		top--;
	uint64_t part[5];
	for (int i = 0; i < 5; i++)
		part[i] = top >= i ? words[top - i] : 0;
	/* A word more than fits, shifted left by up to 31. */
	int shift = __builtin_clz(words[top]);
	uint64_t next = part[4] << shift >> 32;
	return (struct number_power){
		.high = (part[0] << 32 | part[1]) << shift | part[2] << shift >> 32,
		.low = (part[2] << 32 | part[3]) << shift | next,
	};
}

/* Of floats that are 2^q apart. */
static struct number_scale scale_of(int q)
{
	int k = (q * 1262611) >> 22; /* floor(log10(2^q)): log10(2) is 1262611 / 2^22 */
	struct number_power power = number_power(-k);
	/* 2^q over 10^k is the power over 2^(63 - shift), and 1 to 10. */
	int shift = q + number_floor_log2_pow10(-k);
	return (struct number_scale){
		.scale = power.high >> (3 - shift),
		.half_gap = power.high >> (30 - shift),
		.power = k,
	};
}

static void fill_scales(void)
{
	for (int field = 1; field < 255; field++)
		number_scales[field] = scale_of(field - 150);
}

__attribute__((constructor)) static void fill(void)
{
	uint32_t words[WORDS] = {1};
	for (int q = 0; q <= NUMBER_POWER_MAX; q++) {
		number_powers[q - NUMBER_POWER_MIN] = leading_bits(words);
		multiply_by_5(words);
	}
	memset(words, 0, sizeof words);
	words[TOP_BIT / 32] = 1u << TOP_BIT % 32;
	for (int q = -1; q >= NUMBER_POWER_MIN; q--) {
		divide_by_5(words);
		number_powers[q - NUMBER_POWER_MIN] = leading_bits(words);
	}
	fill_scales();
}
