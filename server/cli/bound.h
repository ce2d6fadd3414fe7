/* The bound of --fail-above, which a loss must not be above. */
#ifndef LOSSD_CLI_BOUND_H
#define LOSSD_CLI_BOUND_H

#include "loss.h"

struct bound {
	bool given; /* else everything is within it */
	double value;
};

/* False where the text is no number. */
bool bound_read(struct bound *bound, const char *text);
/* The output `loss` of a result where it is a scalar, else NULL: there is nothing to compare. */
const struct loss_tensor *bound_loss(const struct loss_result *result);
/* Whether a scalar is above the bound, or NaN. The bound is rounded as the loss is, so that what is
 * printed alike is not above it. */
bool bound_exceeded(const struct bound *bound, const struct loss_tensor *loss);

#endif
