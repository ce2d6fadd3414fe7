/*
 * Seeded random numbers for property tests: the same sequence on every machine. A test starts with
 * random_start and says what it found with require, which prints the seed where it fails;
 * LOSSD_SEED runs all tests again from that seed.
 */
#ifndef TESTS_SUPPORT_RANDOM_H
#define TESTS_SUPPORT_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct random {
	uint64_t state, seed;
};

/* A generator at LOSSD_SEED where the environment has one, else at `seed`; remembered for require.
 */
struct random random_start(uint64_t seed);
/* Where the last one started. */
uint64_t random_seed(void);

uint64_t random_bits(struct random *random);
size_t random_below(struct random *random, size_t n); /* 0..n-1; n > 0 */
bool random_chance(struct random *random, double probability);
double random_uniform(struct random *random, double low, double high);
double random_normal(struct random *random); /* mean 0, deviation 1 (twelve uniforms: |x| <= 6) */
/* A random order of 0..n-1. */
void random_order(struct random *random, size_t *order, size_t n);

/* How many of n cases to run: all, or an eighth (at least one) under a sanitizer. */
size_t random_cases(size_t n);

/* Skips the running test, saying why, where a long double has no more digits than a double. */
void skip_unless_precise(void);

/* What main returns where no test of the program can run: it is counted as skipped, with the
 * reason. */
int skip_all(const char *reason);

/* Fails the running test unless `holds`, printing the message and the seed. */
__attribute__((format(printf, 2, 3))) void require(bool holds, const char *format, ...);

#endif
