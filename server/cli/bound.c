#include "bound.h"

#include <stdlib.h>
#include <string.h>

bool bound_read(struct bound *bound, const char *text)
{
	char *end;
	bound->value = strtod(text, &end);
	bound->given = true;
	return *text && !*end && bound->value == bound->value;
}

const struct loss_tensor *bound_loss(const struct loss_result *result)
{
	for (size_t i = 0; i < result->n_outputs; i++)
		if (strcmp(result->outputs[i].name, "loss") == 0)
			return result->outputs[i].tensor.rank == 0 ? &result->outputs[i].tensor
								   : NULL;
	return NULL;
}

bool bound_exceeded(const struct bound *bound, const struct loss_tensor *loss)
{
	double rounded;
	if (!bound->given)
		return false;
	loss_float_put(loss->dtype, &rounded, 0, bound->value);
	return !(loss_float_get(loss->dtype, loss->data, 0) <=
		 loss_float_get(loss->dtype, &rounded, 0));
}
