/*
 * What a reduction has come to, so exactly that it can go on: the state of totals. States add up,
 * in any order and any tree, to the state of all their rows. As bytes they are canonical: equal
 * states are equal bytes, on every machine.
 *
 *   "LT", version 1, the type of results (0: F32, 1: F64)
 *   u64   digest of the arguments and class weights
 *   u8, n characters: the loss
 *   u64   rows, u64 counted
 *   sections, in the order below and each once: u8 tag, u32 length, so many bytes
 *   u64   checksum of all before it: against damage, not against people
 *
 * Integers are little-endian, sums as exact_sum_write has them. A version that knows more sections
 * has them after these, or has another number.
 *
 *   tag  section
 *   L    the sum of losses
 *   D    the natural denominator
 *   N    the sum of -log p_y of the counted rows, unweighted: of class indices
 *   C    u64, how many of them are correct: where the loss says so
 *   Z    the sum of that part of the losses: where z_loss > 0
 *   B    u8 norm, u32 how many bins ece has; of each with rows u32 index, u64 rows, u64 correct,
 * sum
 *   G    u64 how many groups there are, and those with rows (state_groups.h): where some output
 *        about groups was asked for
 */
#ifndef LOSS_STATE_H
#define LOSS_STATE_H

#include "calibration.h"
#include "exact_sum.h"
#include "problem.h"
#include "state_groups.h"

enum state_section {
	STATE_LOSS,
	STATE_DENOMINATOR,
	STATE_NLL,
	STATE_CORRECT,
	STATE_Z_LOSS,
	STATE_BINS,
	STATE_GROUPS,
	N_STATE_SECTIONS
};

#define STATE_VERSION 1
#define STATE_MOST_BINS 1000

/* A bin of a state. */
struct state_bin {
	uint64_t rows, correct;
	struct exact_sum confidence;
};

struct state {
	const struct loss_info *loss;
	uint64_t digest;
	bool wide; /* results are F64 */
	uint64_t rows, counted;
	unsigned has; /* bits 1 << enum state_section */

	/* What follows has a meaning where it is there. */
	struct exact_sum sums[N_STATE_SECTIONS]; /* of those sections that are a sum */
	uint64_t correct;
	enum ece_norm norm;
	size_t n_bins;
	struct state_bin *bins; /* room for STATE_MOST_BINS, where there may be bins */
	struct state_groups groups;
};

static inline bool state_has(const struct state *state, enum state_section section)
{
	return state->has >> (unsigned)section & 1;
}

/* The most bytes that a state with so many bins, and so many bytes of groups, takes. */
size_t state_room(size_t n_bins, size_t groups);
/* Writes them, and returns how many there are. */
size_t state_write(const struct state *state, unsigned char *bytes);

/* FNV-1a, in which no two texts that differ in one byte are equal. */
uint64_t state_checksum(const unsigned char *bytes, size_t n);

/* Reads a state whose bins have room; its groups stay in these bytes. On failure *why is a few
 * words about what is wrong, static, and the state has no meaning. */
bool state_read(struct state *state, const unsigned char *bytes, size_t size, const char **why);

/* Adds a state of the same loss and digest to another, whose bins have room, but for groups, which
 * need memory; no sum of counts may overflow. Of what only one of them has nothing is left, unless
 * the other is of no rows. */
void state_merge(struct state *state, const struct state *other);

/* The digest of a checked plan's arguments, but for those that may differ between states, and of
 * its class weights. Arguments that have their defaults do not count: a version that knows more of
 * them comes to the same. */
uint64_t state_digest(const struct loss_plan *plan);

/* ---------------------------------------------------------------- of a plan */

/* Whether a plan is to come to a state, as text: totals="exact". */
bool state_is_wanted(const struct loss_plan *plan);
/* Makes room for it. */
loss_status state_make(struct loss_plan *plan, struct loss_arena *arena, struct loss_error *err);
/* Of all rows; the plan's, terminated. Once. */
const char *state_of_plan(struct loss_plan *plan, struct partial *total);

#endif
