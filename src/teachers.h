/* What the table of losses does not say of a divergence's teachers: there is one, dense or with
 * some classes listed, and what its rows hold are probabilities. */
#ifndef LOSS_TEACHERS_H
#define LOSS_TEACHERS_H

#include "plan.h"

/* Which tensors and arguments go together: LOSS_MISSING_FIELD, LOSS_ARGUMENT_OUT_OF_RANGE. */
loss_fields_fn teachers_check_fields;

/* Puts the listed classes in order (plan->listed), and fails for one that is listed twice in a row
 * or for probabilities that come to more than 1. */
loss_elements_fn teachers_check_elements;

#endif
