/* Comparison of names. */
#ifndef LOSS_NAMES_H
#define LOSS_NAMES_H

#include "loss.h"

bool names_equal(const char *terminated, const char *name, size_t n);

/* The loss's tensor of this role; NULL where it takes none. */
const struct loss_tensor_info *names_tensor_of_role(const struct loss_info *loss, loss_role role);

/* Insertions, deletions and substitutions from one to the other; only the first 40 bytes count. */
size_t names_distance(const char *a, size_t a_length, const char *b);

#endif
