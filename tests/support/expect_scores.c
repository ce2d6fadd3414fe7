/* Rows of the losses over classes that are sums over them. */
#include "expect_rows.h"

#include "tensor.h"

static struct oracle_row read_row(const struct expect_problem *problem, size_t r)
{
	size_t n = problem->classes;
	long double *x = expect_array(problem, long double, n);
	for (size_t c = 0; c < n; c++)
		x[c] = (long double)tensor_number(problem->tensors[LOSS_ROLE_INPUT],
						  expect_place(problem, r, c));
	return (struct oracle_row){n, x};
}

void expect_multi_margin(const struct expect_problem *problem, size_t r, struct expect_row *row)
{
	const struct loss_tensor *weight = problem->tensors[LOSS_ROLE_WEIGHT];
	size_t n = problem->classes;
	row->grad = expect_array(problem, struct expect_number, n);
	if (!expect_counted(problem, r))
		return;
	struct oracle_row x = read_row(problem, r);
	struct oracle_margin target = {.y = expect_class(problem, r),
				       .p = problem->arguments.p,
				       .margin = problem->arguments.margin,
				       .weight = 1,
				       .scale = expect_scale(problem, r)};
	struct oracle_margin plain = target;
	if (weight != NULL)
		target.weight = (long double)tensor_number(weight, target.y);
	long double *grad = expect_array(problem, long double, n);
	long double sum = (long double)n * oracle_margin_loss(&x, &plain);
	oracle_margin_grad(&x, &target, grad);
	row->loss.value = oracle_margin_loss(&x, &target);
	row->loss.slack = expect_ulps(problem, 4, row->loss.value) + expect_overflow(sum);
	plain.scale = (long double)n;
	long double *sums = expect_array(problem, long double, n);
	oracle_margin_grad(&x, &plain, sums);
	for (size_t c = 0; c < n; c++) {
		long double factor = fabsl(target.scale) * fmaxl(1, fabsl(target.weight));
		row->grad[c].value = grad[c];
		row->grad[c].slack =
			expect_grad_slack(problem, grad[c], factor) + expect_overflow(sums[c]);
	}
}

void expect_multilabel(const struct expect_problem *problem, size_t r, struct expect_row *row)
{
	size_t n = problem->classes;
	struct oracle_element *e = expect_array(problem, struct oracle_element, n);
	struct oracle_element *positive = expect_array(problem, struct oracle_element, n);
	row->grad = expect_array(problem, struct expect_number, n);
	if (!expect_counted(problem, r))
		return;
	for (size_t c = 0; c < n; c++) {
		size_t i = expect_place(problem, r, c);
		e[c] = (struct oracle_element){
			.x = (long double)tensor_number(problem->tensors[LOSS_ROLE_INPUT], i),
			.t = (long double)tensor_number(problem->tensors[LOSS_ROLE_TARGETS], i),
			.weight = expect_factor(problem, LOSS_ROLE_WEIGHT, i),
			.pos_weight = 1,
			.scale = expect_scale(problem, r) / (long double)n};
		positive[c] = e[c];
		positive[c].weight = fabsl(e[c].weight);
		long double size;
		row->grad[c].value = oracle_bce_grad(&e[c], &size);
		size = fmaxl(size, fabsl(row->grad[c].value));
		row->grad[c].slack = expect_grad_slack(
			problem, size, fabsl(e[c].scale) * fmaxl(1, fabsl(e[c].weight)));
		row->loss.slack += expect_overflow(16 * e[c].x);
	}
	row->loss.value = oracle_multilabel_loss(e, n);
	row->loss.slack += expect_ulps(problem, 4, oracle_multilabel_loss(positive, n));
	row->loss.slack += expect_overflow((long double)n * row->loss.value);
}

void expect_brier(const struct expect_problem *problem, size_t r, struct expect_row *row)
{
	size_t n = problem->classes;
	row->grad = expect_array(problem, struct expect_number, n);
	if (!expect_counted(problem, r))
		return;
	struct oracle_row x = read_row(problem, r);
	struct oracle_softmax softmax = oracle_softmax_row(&x);
	size_t y = expect_class(problem, r);
	long double scale = expect_scale(problem, r);
	long double *grad = expect_array(problem, long double, n);
	long double *largest = expect_array(problem, long double, n);
	row->loss.value = oracle_brier_loss(&x, &softmax, y);
	row->loss.slack = expect_ulps(problem, 4, row->loss.value);
	oracle_brier_grad(&x, &softmax, y, scale, grad, largest);
	for (size_t c = 0; c < n; c++)
		row->grad[c] = (struct expect_number){
			grad[c], expect_grad_slack(problem, largest[c], fabsl(scale))};
}
