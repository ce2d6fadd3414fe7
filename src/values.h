/* What the elements of tensors may be: the last of the checks, which reads all of a tensor. */
#ifndef LOSS_VALUES_H
#define LOSS_VALUES_H

#include "plan.h"

/* Fails at the first class index that is none, or the first probability of the input that is none;
 * else fills counted, denominator and divisor_low. */
loss_status values_check(struct loss_plan *plan, struct loss_error *err);

#endif
