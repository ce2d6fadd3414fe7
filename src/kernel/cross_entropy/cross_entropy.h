/* The parts of cross_entropy: one row in double, and groups of rows of class indices, plain or not.
 */
#ifndef LOSS_KERNEL_CROSS_ENTROPY_H
#define LOSS_KERNEL_CROSS_ENTROPY_H

#include "../panel.h"
#include "../row.h"

/* Class indices without smoothing: loss and gradient come from the vector kernels. */
static inline bool ce_is_plain(const struct loss_plan *plan)
{
	return plan->target_kind == TARGETS_INDICES && !(plan->args.label_smoothing > 0.0);
}

static inline bool ce_has_z_loss(const struct loss_plan *plan)
{
	return plan->args.z_loss > 0.0 || plan->wanted[OUTPUT_Z_LOSS];
}

/* Whether anything is asked for beyond the loss and its gradient. */
static inline bool ce_wants_rows(const struct loss_plan *plan)
{
	return plan->n_outputs > (size_t)plan->wanted[OUTPUT_LOSS] + plan->wanted[OUTPUT_GRAD];
}

/* ---------------------------------------------------------------- one_row.c */

/* What the coefficients b_c of a row are made of. */
struct coefficients {
	const struct loss_plan *plan;
	const struct row *row;
	size_t y;             /* class indices: the target; SIZE_MAX for probabilities */
	struct sum kept;      /* 1 - e */
	struct sum per_class; /* e / C */
};

struct coefficients ce_coefficients(const struct loss_plan *plan, const struct row *row, size_t y);

/* Loss of a row that counts; writes its gradient where wanted. */
double ce_evaluate(const struct coefficients *k, size_t r);
/* Of class indices without smoothing: the loss, and the gradient at class c. */
double ce_index_loss(const struct row *row, size_t y, double weight);
double ce_index_grad(const struct coefficients *k, size_t c, struct sum scale);
/* z lse^2, NaN for an invalid row. */
double ce_z_loss(const struct loss_plan *plan, const struct row *row);
/* Row r's z_loss: added up and written. */
void ce_note_z_loss(const struct loss_plan *plan, size_t r, double z_loss, struct partial *partial);
void ce_fill_grad(const struct row *row, const struct loss_tensor *grad, double value);

/* One row, with everything that may be asked of it. */
void ce_evaluate_row(const struct loss_plan *plan, const struct row *row, size_t r,
		     struct partial *partial);

/* ---------------------------------------------------------------- plain.c */

/* The logits of the group's targets, whose classes are read. */
void ce_read_logits(const struct group *group, struct row_targets *targets);
void ce_put_losses(const struct loss_plan *plan, size_t first, size_t n, const double *loss);

/* A group of class indices without smoothing: everything that is asked for. */
void ce_evaluate_plain(const struct group *group, const struct row_targets *targets,
		       struct partial *partial, struct lane_sums *lanes);

/* What is wanted of the rows beside losses and gradients; y is negative where a row does not count.
 */
void ce_write_other_outputs(const struct group *group, const int64_t *y, struct partial *partial);

/* ---------------------------------------------------------------- smooth.c */

/* A group of smoothed class indices or of probabilities: everything that is asked for. */
void ce_evaluate_smooth(const struct group *group, struct partial *partial);

#endif
