/* softmax and log_softmax, and their vector-Jacobian products. */
#include "fuzz.h"

#include "../support/ulp.h"

typedef void grad_of(const struct oracle_row *row, const long double *g, long double *grad,
		     long double *largest);

struct names {
	const char *loss, *output, *grad;
	grad_of *oracle;
	bool log;
};

static const struct names softmax = {"softmax", "probs", "softmax grad", oracle_softmax_grad,
				     false};
static const struct names log_softmax = {"log_softmax", "log_probs", "log_softmax grad",
					 oracle_log_softmax_grad, true};

static void judge_output(struct fuzz_batch *batch, const struct names *names,
			 const struct oracle_row *row, const struct fuzz_result *result, size_t r)
{
	const struct loss_tensor *output = fuzz_output(result, names->output);
	struct oracle_softmax exact = oracle_softmax_row(row);
	long double worst = 0;
	for (size_t c = 0; c < batch->classes; c++) {
		double got = fuzz_value(output, fuzz_place(batch, r, c));
		long double p = oracle_prob(row, &exact, c);
		long double error =
			names->log ? ulp_error(batch->result, got, -oracle_surprise(row, &exact, c))
				   : fuzz_grad_error(batch->result, got, p, p, 1);
		worst = error > worst ? error : worst;
	}
	fuzz_judge(batch, names->loss, r, worst, names->log && batch->result == LOSS_F32 ? 2 : 4);
	if (fuzz_value(fuzz_output(result, "predicted"), r) != (double)exact.predicted)
		fuzz_violation(batch, "row %zu: predicted is not %zu", r, exact.predicted);
}

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
	const char *outputs[] = {names->output, "grad", "lse", "predicted", NULL};
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
		judge_output(batch, names, &row, &result, r);
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
