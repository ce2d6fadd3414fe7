/*
 * Checks of reading and writing numbers that are too long for `make test`: each goes through very
 * many of them, on all processors.
 */
#ifndef NUMBERS_CHECK_H
#define NUMBERS_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "../support/random.h"

/* What a check found. */
struct tally {
	uint64_t checked, wrong;
	const char *skipped; /* why nothing was checked; NULL: it was */
};

/* Prints the first few that are wrong, and counts them all. */
__attribute__((format(printf, 2, 3))) void tally_wrong(struct tally *tally, const char *format,
						       ...);
/* Adds what one thread has found. */
void tally_add(struct tally *sum, const struct tally *part);

/* A finite double: of any bits, of everyday size, or one that was a float. */
double random_double(struct random *random);
/* Runs a check of one random number `count` times. The same ones for any number of threads. */
void check_random(struct tally *tally, uint64_t count, uint64_t seed,
		  void (*check)(struct tally *tally, struct random *random));

/* count: of random cases; those that go through all numbers take every stride-th. */
struct check {
	const char *name;
	void (*run)(struct tally *tally, uint64_t count, uint64_t stride);
};

void check_files(struct tally *tally, uint64_t count, uint64_t stride);
void check_read_doubles(struct tally *tally, uint64_t count, uint64_t stride);
void check_read_floats(struct tally *tally, uint64_t count, uint64_t stride);
void check_write_doubles(struct tally *tally, uint64_t count, uint64_t stride);
void check_all_floats(struct tally *tally, uint64_t count, uint64_t stride);

#endif
