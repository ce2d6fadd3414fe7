/* Elements of a plan's tensors as messages show them, and integers that fit no type. */
#ifndef LOSS_ENTRIES_H
#define LOSS_ENTRIES_H

#include "plan.h"

/* What element i of a tensor is where it fits no integer type; else NULL. */
const char *entry_beyond(const struct loss_plan *plan, loss_role role, size_t i);

/* Element i of an integer tensor; of one that fits no type the nearest that does. */
struct class_index entry_integer(const struct loss_plan *plan, loss_role role, size_t i);

/* Element i of an integer tensor as text. */
#define ENTRY_CHARS 80
void entry_format(const struct loss_plan *plan, loss_role role, size_t i, char *out, size_t size);

/* Fails at element i of a tensor: "NAME[1][2] is VALUE, but BUT". */
loss_status entry_fail(const struct loss_plan *plan, const struct loss_tensor_info *info, size_t i,
		       const char *value, loss_status status, const char *but,
		       struct loss_error *err);

#endif
