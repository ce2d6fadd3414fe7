/* Elements of the element-wise losses: a row is one element. */
#include "expect_rows.h"

#include "tensor.h"

/* A loss and its gradient, each with the size that the contract measures it by. */
struct judged {
	long double loss, loss_size, grad, grad_size;
};

static struct oracle_element read_element(const struct expect_problem *problem, size_t i)
{
	return (struct oracle_element){
		.x = (long double)tensor_number(problem->tensors[LOSS_ROLE_INPUT], i),
		.t = expect_factor(problem, LOSS_ROLE_TARGETS, i),
		.weight = expect_factor(problem, LOSS_ROLE_WEIGHT, i),
		.pos_weight = expect_factor(problem, LOSS_ROLE_POS_WEIGHT, i),
		.scale = expect_scale(problem, i)};
}

static void put(const struct expect_problem *problem, const struct oracle_element *e,
		const struct judged *judged, long double limit, struct expect_row *row)
{
	long double factor =
		fabsl(e->scale) * fmaxl(1, fabsl(e->weight)) * fmaxl(1, fabsl(e->pos_weight));
	row->grad = expect_array(problem, struct expect_number, 1);
	if (!row->counted)
		return;
	row->loss = (struct expect_number){judged->loss,
					   expect_ulps(problem, limit, judged->loss_size)};
	long double size = fmaxl(judged->grad_size, fabsl(judged->grad));
	row->grad[0] = (struct expect_number){judged->grad,
					      limit / 4 * expect_grad_slack(problem, size, factor)};
}

/* Confidence p of the positive class, decided for it or not. A NaN is never right, and no number
 * of the calibration error. */
static void put_binary(const struct expect_problem *problem, const struct oracle_element *e,
		       long double p, bool decided, struct expect_row *row)
{
	bool positive = e->t > 0.5L;
	row->correct.value = !isnan(e->x) && decided == positive;
	row->positive.value = positive;
	row->confidence = (struct expect_number){p, expect_grad_slack(problem, p, 1)};
}

static long double sigmoid(long double x)
{
	return x > 0 ? 1 / (1 + expl(-x)) : expl(x) / (1 + expl(x));
}

void expect_bce_with_logits(const struct expect_problem *problem, size_t r, struct expect_row *row)
{
	struct oracle_element e = read_element(problem, r), positive = e;
	struct judged judged = {.loss = oracle_bce_loss(&e)};
	positive.weight = fabsl(e.weight);
	positive.pos_weight = fabsl(e.pos_weight);
	judged.loss_size = oracle_bce_loss(&positive);
	judged.grad = oracle_bce_grad(&e, &judged.grad_size);
	put(problem, &e, &judged, 4, row);
	row->loss.slack += expect_overflow(16 * e.x); /* a term, before the weight */
	put_binary(problem, &e, sigmoid(e.x), e.x > 0, row);
}

void expect_bce(const struct expect_problem *problem, size_t r, struct expect_row *row)
{
	struct oracle_element e = read_element(problem, r);
	long double slope = fmaxl(e.x * (1 - e.x), 1e-12L);
	struct judged judged = {.loss = oracle_probs_bce_loss(&e),
				.grad = oracle_probs_bce_grad(&e)};
	judged.loss_size = judged.loss;
	judged.grad_size = fabsl(e.scale * e.weight) * fmaxl(e.x, e.t) / slope;
	put(problem, &e, &judged, 4, row);
	put_binary(problem, &e, e.x, e.x > 0.5L, row);
}

void expect_kl_div(const struct expect_problem *problem, size_t r, struct expect_row *row)
{
	bool log_target = problem->arguments.log_target;
	struct oracle_element e = read_element(problem, r);
	struct judged judged = {.grad = oracle_kl_div_grad(&e, log_target)};
	judged.loss = oracle_kl_div_loss(&e, log_target, &judged.loss_size);
	judged.grad_size = judged.grad;
	put(problem, &e, &judged, 4, row);
}

/* The bound is that of gamma up to 8; beyond, an error is the power's, too. */
void expect_focal(const struct expect_problem *problem, size_t r, struct expect_row *row)
{
	long double alpha = problem->arguments.alpha, gamma = problem->arguments.gamma;
	struct oracle_element e = read_element(problem, r);
	struct judged judged = {.loss = oracle_focal_loss(&e, alpha, gamma)};
	judged.loss_size = judged.loss;
	judged.grad = oracle_focal_grad(&e, alpha, gamma, &judged.grad_size);
	/* Where t is drawn next to p, p - t is a difference itself: of bce's two terms. */
	struct oracle_element unweighted = e;
	unweighted.weight = unweighted.pos_weight = 1;
	long double part;
	oracle_bce_grad(&unweighted, &part);
	part *= fabsl(oracle_focal_factor(&e, alpha, gamma));
	judged.grad_size = fmaxl(judged.grad_size, part);
	put(problem, &e, &judged, 4 * fmaxl(1, gamma / 8), row);
}

/* ---------------------------------------------------------------- losses of numbers */

/* `part` is the gradient before its scale. */
static void put_number(const struct expect_problem *problem, const struct oracle_element *e,
		       struct judged *judged, long double part, struct expect_row *row)
{
	judged->loss_size = fmaxl(fabsl(judged->loss_size), fabsl(judged->loss));
	put(problem, e, judged, 4, row);
	row->grad[0].slack += expect_overflow(part);
}

void expect_mse(const struct expect_problem *problem, size_t r, struct expect_row *row)
{
	struct oracle_element e = read_element(problem, r);
	struct judged judged = {.loss = oracle_mse_loss(&e), .grad = oracle_mse_grad(&e)};
	put_number(problem, &e, &judged, e.weight * 2 * (e.x - e.t), row);
}

void expect_l1(const struct expect_problem *problem, size_t r, struct expect_row *row)
{
	struct oracle_element e = read_element(problem, r);
	struct judged judged = {.loss = oracle_l1_loss(&e), .grad = oracle_l1_grad(&e)};
	put_number(problem, &e, &judged, 0, row);
}

void expect_smooth_l1(const struct expect_problem *problem, size_t r, struct expect_row *row)
{
	long double beta = problem->arguments.beta;
	struct oracle_element e = read_element(problem, r);
	struct judged judged = {.grad = oracle_smooth_l1_grad(&e, beta)};
	judged.loss = oracle_smooth_l1_loss(&e, beta, &judged.loss_size);
	put_number(problem, &e, &judged, 0, row);
}

void expect_huber(const struct expect_problem *problem, size_t r, struct expect_row *row)
{
	long double delta = problem->arguments.delta;
	struct oracle_element e = read_element(problem, r);
	struct judged judged = {.grad = oracle_huber_grad(&e, delta)};
	judged.loss = oracle_huber_loss(&e, delta, &judged.loss_size);
	put_number(problem, &e, &judged, e.weight * fminl(fabsl(e.x - e.t), delta), row);
}

void expect_quantile(const struct expect_problem *problem, size_t r, struct expect_row *row)
{
	long double q = problem->arguments.quantile;
	struct oracle_element e = read_element(problem, r);
	struct judged judged = {.loss = oracle_quantile_loss(&e, q),
				.grad = oracle_quantile_grad(&e, q)};
	put_number(problem, &e, &judged, 0, row);
}

void expect_poisson(const struct expect_problem *problem, size_t r, struct expect_row *row)
{
	const struct expect_arguments *arguments = &problem->arguments;
	struct oracle_poisson poisson = {arguments->log_input, arguments->full, arguments->eps};
	struct oracle_element e = read_element(problem, r);
	struct judged judged;
	judged.grad = oracle_poisson_grad(&e, &poisson, &judged.grad_size);
	judged.loss = oracle_poisson_loss(&e, &poisson, &judged.loss_size);
	struct oracle_element unscaled = e;
	long double part;
	unscaled.scale = 1;
	oracle_poisson_grad(&unscaled, &poisson, &part);
	put_number(problem, &e, &judged, part, row);
	row->loss.slack += expect_overflow(judged.loss_size);
	if (!arguments->log_input)
		row->loss.slack += expect_overflow(e.x + poisson.eps);
}

void expect_gaussian(const struct expect_problem *problem, size_t r, struct expect_row *row)
{
	const struct expect_arguments *arguments = &problem->arguments;
	struct oracle_element e = read_element(problem, r);
	struct oracle_gaussian gaussian = {.var = expect_factor(problem, LOSS_ROLE_OWN_1, r),
					   .eps = arguments->eps,
					   .full = arguments->full};
	struct judged judged = {.grad = oracle_gaussian_grad(&e, &gaussian)};
	judged.loss = oracle_gaussian_loss(&e, &gaussian, &judged.loss_size);
	struct oracle_element unscaled = e;
	unscaled.scale = 1;
	put_number(problem, &e, &judged, oracle_gaussian_grad(&unscaled, &gaussian), row);
}
