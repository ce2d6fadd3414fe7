/* Divergence of two rows of logits by vectors. */
#ifndef LOSS_KERNEL_DIVERGENCE_DENSE_H
#define LOSS_KERNEL_DIVERGENCE_DENSE_H

#include "sides.h"

/* What is the same for all rows of a plan. */
struct divergence_form {
	const struct loss_plan *plan;
	struct logits_transform hard; /* at temperature 1 */
	double soft_factor;           /* of the divergence, with the temperature's square */
	struct sum beta;
};

/* What comes of a row, but for its gradient; NaN and false where there is nothing. */
struct divergence_outcome {
	double loss; /* without the row's weight */
	double lse, entropy, teacher_entropy, delta_prob;
	size_t predicted;
	bool agrees;
};

/* lse, predicted, and entropy where that is wanted, which are the student's alone: the same bits
 * whatever the teacher, and whether the row counts. False where it is not regular. */
bool dense_student(const struct divergence_form *form, size_t r,
		   struct divergence_outcome *outcome);

/* Of a row that counts, whose target is y where there are targets: the rest of its outcome, and its
 * gradient where that is wanted. False where a side is not regular: nothing has been written then.
 */
bool dense_evaluate(const struct divergence_form *form, size_t r, int64_t y,
		    struct divergence_outcome *outcome);

#endif
