/* What the element-wise kernels share: where an element finds its factors. */
#ifndef LOSS_KERNEL_ELEMENT_H
#define LOSS_KERNEL_ELEMENT_H

#include "../plan.h"

/* Where element i of the input finds its factor in a tensor that broadcasts to the input's shape.
 */
static inline size_t element_broadcast(const struct loss_tensor *small,
				       const struct loss_tensor *input, size_t i)
{
	if (small->count == input->count)
		return i;
	size_t index = 0;
	size_t stride = 1;
	for (int k = 1; k <= small->rank; k++) {
		size_t n = small->shape[small->rank - k];
		size_t at = i % input->shape[input->rank - k];
		i /= input->shape[input->rank - k];
		index += n == 1 ? 0 : at * stride;
		stride *= n;
	}
	return index;
}

/* The factor of element i in the tensor of that role; 1 where there is none. */
static inline double element_factor(const struct loss_plan *plan, loss_role role, size_t i)
{
	if (!plan->present[role])
		return 1.0;
	const struct loss_tensor *tensor = &plan->tensors[role];
	return tensor_number(tensor, element_broadcast(tensor, &plan->tensors[LOSS_ROLE_INPUT], i));
}

#endif
