/* Tensors that broadcast to the input's shape: right-aligned, each axis the input's or of length 1.
 */
#ifndef LOSS_KERNEL_BROADCAST_H
#define LOSS_KERNEL_BROADCAST_H

#include "../tensor.h"

/* Where element i of the input finds its factor in a tensor that broadcasts to the input's shape.
 */
static inline size_t broadcast_place(const struct loss_tensor *small,
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

/*
 * Elements of the input, from any multiple of it on, that find their factors side by side, or all
 * in one place: the product of the last axes that the tensor shares, or of those that it lacks.
 */
static inline size_t broadcast_run(const struct loss_tensor *small, const struct loss_tensor *input,
				   bool *in_one_place)
{
	size_t same = 1, one = 1;
	bool all_same = true, all_one = true;
	for (int k = 1; k <= input->rank; k++) {
		size_t n = input->shape[input->rank - k];
		size_t m = k <= small->rank ? small->shape[small->rank - k] : 1;
		all_same = all_same && m == n;
		all_one = all_one && m == 1;
		same *= all_same ? n : 1;
		one *= all_one ? n : 1;
	}
	*in_one_place = one > same;
	return one > same ? one : same;
}

#endif
