/*
 * How much work code does, in numbers that are the same on every run and on every machine, for
 * tests of its growth. The code of STEPS_SRC in the Makefile is compiled once more for that, with a
 * call in every basic block, and the linker puts functions that count before those of the C library
 * and before the search for the nearest name.
 */
#ifndef TESTS_STEPS_COUNTER_H
#define TESTS_STEPS_COUNTER_H

#include <stdint.h>

struct counts {
	/* Basic blocks that were entered, and what the C library went over on their behalf, eight
	 * bytes a step. */
	uint64_t steps;
	/* Texts that were formatted and nearest names that were looked for, each of which counts as
	 * 64 steps besides. */
	uint64_t sentences;
};

/* Since the program began; of a single thread. */
struct counts counter_now(void);
/* Since then. */
struct counts counter_since(struct counts before);

#endif
