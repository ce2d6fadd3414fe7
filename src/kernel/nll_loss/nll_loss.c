/*
 * nll_loss: -w_y log_probs_y, gradient -w_y at the target and 0 elsewhere. Nothing of a row but its
 * target element is read.
 */
#include <string.h>

#include "../kernels.h"
#include "../row.h"
#include "../rows.h"

static void put_slopes(const struct rows *rows)
{
	const struct loss_plan *plan = rows->plan;
	struct sum scale = plan_scale(plan, rows->first);
	for (size_t lane = 0; lane < rows->n; lane++) {
		if (rows->targets.y[lane] < 0)
			continue;
		if (plan_scales_rows(plan))
			scale = plan_scale(plan, rows->first + lane);
		size_t at = rows_base(rows, lane) + (size_t)rows->targets.y[lane] * plan->inner;
		tensor_put(&plan->outputs[OUTPUT_GRAD], at,
			   0.0 - times(rows_weight(rows, lane), scale));
	}
}

static void keep_rows(const struct rows *rows, const double *loss)
{
	const struct loss_plan *plan = rows->plan;
	const struct row_targets *targets = &rows->targets;
	plan_keep_losses(plan, rows->first, rows->n, loss);
	for (size_t lane = 0; plan->row_nlls && lane < rows->n; lane++)
		plan->row_nlls[rows->first + lane] =
			targets->y[lane] < 0 ? 0.0 : 0.0 - targets->logit[lane];
}

/* The loss is what is left of cross entropy's where the log-sum-exp is 0. */
static void evaluate(struct rows *rows, void *data)
{
	static const struct row_sums normalized = {.max = {0}};
	const struct loss_plan *plan = rows->plan;
	struct partial *partial = data;
	double *loss = exact_feed_room(&partial->loss, plan->kernels);
	plan->kernels->losses(&normalized, &rows->targets, loss);
	rows_weigh(rows, loss);
	for (size_t lane = 0; plan->scores && lane < rows->n; lane++)
		if (rows->targets.y[lane] >= 0)
			exact_feed_add(partial->nll, plan->kernels, -rows->targets.logit[lane]);
	exact_feed_take(&partial->loss, rows->n);
	if (plan->keeps_rows)
		keep_rows(rows, loss);
	if (plan->wanted[OUTPUT_GRAD])
		put_slopes(rows);
}

/* All bits 0 are the number 0 in every type. */
static void clear_grad(const struct loss_plan *plan, size_t first, size_t n)
{
	const struct loss_tensor *grad = &plan->outputs[OUTPUT_GRAD];
	size_t size = dtype_size(grad->dtype), inner = plan->inner, taken;
	if (inner <= 1) {
		memset((char *)grad->data + first * plan->classes * size, 0,
		       n * plan->classes * size);
		return;
	}
	for (size_t r = first, end = first + n; r < end; r += taken) {
		size_t left = inner - r % inner;
		taken = end - r < left ? end - r : left;
		for (size_t c = 0; plan_has_class(plan, c); c++)
			memset((char *)grad->data + (plan_row_base(plan, r) + c * inner) * size, 0,
			       taken * size);
	}
}

/* Rows whose gradients are cleared before any of them is written: what a cache holds. */
#define CLEARED_BYTES ((size_t)256 << 10)

static size_t rows_together(const struct loss_plan *plan, size_t n)
{
	size_t bytes = plan->classes * loss_dtype_info(plan->outputs[OUTPUT_GRAD].dtype)->size;
	size_t some = CLEARED_BYTES / bytes / LANES * LANES;
	return plan->inner > 1 ? n : some > 0 ? some : LANES;
}

void nll_loss_rows(const struct loss_plan *plan, size_t first, size_t n, struct partial *partial)
{
	bool grad = plan->wanted[OUTPUT_GRAD];
	size_t most = grad ? rows_together(plan, n) : n;
	for (size_t r = 0, some; r < n; r += some) {
		some = n - r < most ? n - r : most;
		if (grad)
			clear_grad(plan, first + r, some);
		rows_read(plan, first + r, some, evaluate, partial);
	}
}
