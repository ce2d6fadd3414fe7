/*
 * What the element-wise losses share: where an element finds its factors, and how a block of
 * elements goes through the vector kernels.
 */
#ifndef LOSS_KERNEL_ELEMENT_H
#define LOSS_KERNEL_ELEMENT_H

#include "../plan.h"

/* The loss of element i, in double or better; writes its gradient where that is wanted. */
typedef double one_element_fn(const struct loss_plan *plan, size_t i);

/*
 * Elements [first, first + n): by the vector kernel, which must mean the same, or one by one, where
 * the kernel does not take an element or the scale of gradients. Which one it is depends on values
 * alone.
 */
void element_rows(const struct loss_plan *plan, size_t first, size_t n, struct partial *partial,
		  enum element_kernel kernel, one_element_fn *one);

/* All of them one by one. */
void element_rows_one_by_one(const struct loss_plan *plan, size_t first, size_t n,
			     struct partial *partial, one_element_fn *one);

/* The factor of element i in the tensor of that role, which broadcasts to the input's shape; 1
 * where there is none. */
double element_factor(const struct loss_plan *plan, loss_role role, size_t i);

#endif
