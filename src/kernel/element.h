/*
 * What the element-wise losses share: where an element finds its factors, and how a block of
 * elements goes through the vector kernels.
 */
#ifndef LOSS_KERNEL_ELEMENT_H
#define LOSS_KERNEL_ELEMENT_H

#include "../plan.h"

/* The loss of element i, in double or better; writes its gradient where that is wanted. */
typedef double one_element_fn(const struct loss_plan *plan, size_t i);

/* An element-wise loss. */
struct element_loss {
	enum element_kernel kernel; /* N_ELEMENT_KERNELS: none takes its arguments */
	one_element_fn *one;        /* what the kernel means */
	double parameter;           /* the kernel's: vector/elements.h */
	/* Of losses with the outputs accuracy and ece: the probability of the positive outcome,
	 * which is the more likely one where the input is above `even`. */
	double (*positive)(double x);
	double even;
	/* Of a loss over classes, which are the last axis: its rows' losses are the means of their
	 * elements'. The mask, grad_output and totals are then of rows. */
	bool by_row;
};

/*
 * Elements [first, first + n): by the vector kernel, or one by one, where the kernel does not take
 * an element or the scale of gradients. Which one it is depends on values alone. What the mask
 * leaves out has loss and gradient 0 and is not read.
 */
void element_rows(const struct loss_plan *plan, size_t first, size_t n, struct partial *partial,
		  const struct element_loss *loss);

/* Writes the gradient of element i, but for the scale that all have, where gradients are wanted. */
void element_put_grad(const struct loss_plan *plan, size_t i, double grad);

/* Where element i finds its own in a tensor that broadcasts to the input's shape. */
size_t element_place(const struct loss_plan *plan, loss_role role, size_t i);

/* Adds up the weights of the elements that count, exactly. */
void element_sum_weights(const struct loss_plan *plan, struct exact_sum *sum);

/* The factor of element i in the tensor of that role, which broadcasts to the input's shape; 1
 * where there is none. */
double element_factor(const struct loss_plan *plan, loss_role role, size_t i);

#endif
