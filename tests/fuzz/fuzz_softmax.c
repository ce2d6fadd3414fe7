/* softmax and log_softmax, and their vector-Jacobian products. */
#include "fuzz.h"

#include "../support/ulp.h"

typedef void grad_of(const struct oracle_row *row, const long double *g, long double *grad,
		     long double *largest);

struct names {
	const char *loss, *grad;
	grad_of *oracle;
};

static const struct names softmax = {"softmax", "softmax grad", oracle_softmax_grad};
static const struct names log_softmax = {"log_softmax", "log_softmax grad",
					 oracle_log_softmax_grad};

/* ---------------------------------------------------------------- what three losses have */

/* A row, and what it is judged by. */
struct judged_row {
	const struct oracle_row *row;
	struct oracle_softmax exact;
	long double slack;
	const struct fuzz_result *result;
	size_t r;
};

static const char *name_of(const struct judged_row *judged, const char *quantity)
{
	return judged->slack > 0 ? "transformed logits, in doubt" : quantity;
}

static long double limit_of(const struct fuzz_batch *batch)
{
	return batch->result == LOSS_F32 ? 2 : 4;
}

static long double slack_ulps(const struct fuzz_batch *batch, const struct judged_row *judged,
			      long double value)
{
	long double ulp = ulp_of(batch->result, value);
	return judged->slack > 0 && isfinite(ulp) ? judged->slack / ulp : 0;
}

static void judge_log_probs(struct fuzz_batch *batch, const struct judged_row *judged)
{
	const struct loss_tensor *log_probs = fuzz_output(judged->result, "log_probs");
	long double worst = 0;
	for (size_t c = 0; c < batch->classes; c++) {
		double got = fuzz_value(log_probs, fuzz_place(batch, judged->r, c));
		long double exact = -oracle_surprise(judged->row, &judged->exact, c);
		long double error =
			ulp_error(batch->result, got, exact) - slack_ulps(batch, judged, exact);
		worst = error > worst ? error : worst;
	}
	fuzz_judge(batch, name_of(judged, "log_probs"), judged->r, worst, limit_of(batch));
}

static void judge_probs(struct fuzz_batch *batch, const struct judged_row *judged)
{
	const struct loss_tensor *probs = fuzz_output(judged->result, "probs");
	long double worst = 0;
	for (size_t c = 0; c < batch->classes; c++) {
		double got = fuzz_value(probs, fuzz_place(batch, judged->r, c));
		long double exact = oracle_prob(judged->row, &judged->exact, c);
		long double error = fuzz_grad_error(batch->result, got, exact, exact, 1);
		worst = error > worst ? error : worst;
	}
	fuzz_judge(batch, name_of(judged, "probs"), judged->r, worst, 4 + judged->slack / 0x1p-53L);
}

static void judge_row(struct fuzz_batch *batch, const struct judged_row *judged)
{
	const struct oracle_softmax *exact = &judged->exact;
	long double scale = fmaxl(fabsl(exact->max), exact->tail);
	double lse = fuzz_value(fuzz_output(judged->result, "lse"), judged->r);
	double entropy = fuzz_value(fuzz_output(judged->result, "entropy"), judged->r);
	double predicted = fuzz_value(fuzz_output(judged->result, "predicted"), judged->r);
	fuzz_judge(batch, name_of(judged, "lse"), judged->r,
		   ulp_error_scaled(batch->result, lse, exact->lse, scale),
		   limit_of(batch) + slack_ulps(batch, judged, scale));
	if (judged->slack > 0)
		return;
	fuzz_judge(batch, "entropy", judged->r,
		   ulp_error(batch->result, entropy, oracle_entropy(judged->row)), limit_of(batch));
	if (predicted != (double)exact->predicted)
		fuzz_violation(batch, "row %zu: predicted is %g, not %zu", judged->r, predicted,
			       exact->predicted);
}

void fuzz_judge_softmax(struct fuzz_batch *batch, const struct oracle_row *row, long double slack,
			const struct fuzz_result *result, size_t r)
{
	const struct judged_row judged = {row, oracle_softmax_row(row), slack, result, r};
	if (fuzz_has_output(result, "log_probs"))
		judge_log_probs(batch, &judged);
	if (fuzz_has_output(result, "probs"))
		judge_probs(batch, &judged);
	if (fuzz_has_output(result, "lse"))
		judge_row(batch, &judged);
}

/* ---------------------------------------------------------------- the two losses */

static void judge_grad(struct fuzz_batch *batch, const struct names *names,
		       const struct oracle_row *row, const struct fuzz_result *result, size_t r,
		       long double *room)
{
	const struct loss_tensor *output = fuzz_output(result, "grad");
	size_t n = batch->classes;
	long double *g = room, *grad = room + n, *largest = room + 2 * n, worst = 0;
	for (size_t c = 0; c < n; c++)
		g[c] = (long double)batch->grad_output[r * n + c];
	names->oracle(row, g, grad, largest);
	for (size_t c = 0; c < n; c++) {
		double got = fuzz_value(output, fuzz_place(batch, r, c));
		long double error = fuzz_grad_error(batch->result, got, grad[c], largest[c], 1);
		worst = error > worst ? error : worst;
	}
	fuzz_judge(batch, names->grad, r, worst, 4);
}

static void fuzz(struct fuzz_batch *batch, const struct names *names)
{
	/* Kernels take other ways where only some are asked for. */
	static const char *const asked[][7] = {
		{"log_probs", "probs", "grad", "lse", "entropy", "predicted", NULL},
		{"log_probs", "grad", NULL},
		{"probs", NULL},
		{"grad", NULL},
		{"lse", "entropy", "predicted", NULL},
	};
	const char *const *outputs =
		asked[random_below(&batch->random, sizeof(asked) / sizeof(asked[0]))];
	struct fuzz_result result;
	fuzz_draw_logits(batch, names->loss);
	size_t n = batch->classes;
	batch->n_grad_output = batch->rows * n;
	batch->grad_output = fuzz_draw_uniform(batch, batch->n_grad_output, -1, 1);
	long double *room = fuzz_array(batch, long double, 4 * n);
	const struct oracle_row row = {n, room + 3 * n};
	fuzz_evaluate(batch, outputs, &result);
	for (size_t r = 0; r < batch->rows; r++) {
		for (size_t c = 0; c < n; c++)
			room[3 * n + c] = (long double)batch->x[r * n + c];
		fuzz_judge_softmax(batch, &row, 0, &result, r);
		if (fuzz_has_output(&result, "grad"))
			judge_grad(batch, names, &row, &result, r, room);
	}
}

void fuzz_softmax(struct fuzz_batch *batch)
{
	fuzz(batch, &softmax);
}

void fuzz_log_softmax(struct fuzz_batch *batch)
{
	fuzz(batch, &log_softmax);
}
