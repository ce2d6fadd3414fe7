/*
 * What stands beside the logits of rows: target probabilities, smoothed ones, the upstream
 * gradient. Where it is numbers without weights the operations read it as they read logits; else it
 * is made before, in double.
 */
#ifndef LOSS_KERNEL_OPERANDS_H
#define LOSS_KERNEL_OPERANDS_H

#include "rows.h"

/* b_c = (t_c scale + shift) weight_c. */
struct operand {
	const struct loss_tensor *tensor; /* t, of the input's shape; NULL: it is 0 */
	size_t ahead;                     /* elements by which the tensor's rows are ahead */
	double scale, shift;
	const struct loss_tensor *weight; /* one a class, or NULL */
};

/* The b of chunks, of an operand that may be NULL: then it is the lanes'. */

/* Of all classes of few, a row a lane; in room->b where it is made. */
void operand_of_tile(const struct rows *rows, const struct operand *operand,
		     struct class_chunk *chunk);

/* Of n classes from c on of a contiguous row; in `room` where it is made, and there in any case
 * where they do not fill the last vector. */
void operand_of_row(const struct rows *rows, const struct operand *operand, size_t lane, size_t c,
		    size_t n, double *room, struct class_chunk *chunk);

/* Of n classes from c on of rows apart: of all lanes into room->b; then a lane's is set. */
void operand_load_apart(const struct rows *rows, const struct operand *operand, size_t c, size_t n);
void operand_apart(const struct rows *rows, const struct operand *operand, size_t lane, size_t n,
		   struct class_chunk *chunk);

#endif
