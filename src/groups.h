/*
 * Rows that are added up by themselves: the tensor groups says which group each row is of. What a
 * group comes to is an exact sum of what its rows add, rounded once: the order of rows, and what
 * else they stand among, do not show.
 */
#ifndef LOSS_GROUPS_H
#define LOSS_GROUPS_H

#include "plan.h"

/*
 * Counts the groups, and lists the rows of each, of a plan whose targets and mask are right. Fails
 * at the first entry of a counted row that is no group (LOSS_TARGET_OUT_OF_BOUNDS), or for memory.
 * Does nothing without groups.
 */
loss_status groups_list(struct loss_plan *plan, struct loss_arena *arena, struct loss_error *err);

/* Whether an output about groups is wanted. */
bool groups_are_wanted(const struct loss_plan *plan);

/* What groups add to the state of totals (state_groups.h): the most bytes that it takes, 0 unless
 * an output about groups is wanted; and those bytes, how many they are being returned. */
size_t groups_state_room(const struct loss_plan *plan);
size_t groups_write_state(const struct loss_plan *plan, unsigned char *bytes);

/* Fills the outputs about groups, with a team of up to `threads`, unless that is done. All rows
 * have been evaluated. Stops where the run is cancelled. */
void groups_finish(struct loss_plan *plan, int threads);

#endif
