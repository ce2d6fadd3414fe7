/* What the fields of policy_gradient mean together. */
#ifndef LOSS_POLICY_H
#define LOSS_POLICY_H

#include "problem.h"

/*
 * Fails where the objective, or a kl_weight above 0, needs a tensor that is not there
 * (LOSS_MISSING_FIELD), and where clip_fraction is asked of an objective that does not clip
 * (LOSS_ARGUMENT_OUT_OF_RANGE, at its place in outputs). Warns of what is given and has no effect.
 */
loss_check_fn policy_check;

#endif
