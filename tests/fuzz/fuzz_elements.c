/* The element-wise losses: binary cross entropy of logits and of probabilities, kl_div, focal loss,
 * and losses of numbers. */
#include "fuzz.h"

#include <string.h>

#include "../support/ulp.h"

/* What the contract measures a loss and a gradient of one element by. */
struct judged {
	long double loss, loss_scale, grad, grad_scale;
};

typedef struct judged judge_element(const struct fuzz_batch *batch,
				    const struct oracle_element *element);

struct kind {
	const char *loss, *loss_name, *grad_name, *mean_name;
	judge_element *judge;
	void (*draw)(struct fuzz_batch *batch);
	bool weights, pos_weights;
};

/* ---------------------------------------------------------------- the oracle's side */

static struct judged judge_logits(const struct fuzz_batch *batch, const struct oracle_element *e)
{
	(void)batch;
	struct judged judged = {.loss = oracle_bce_loss(e)};
	judged.loss_scale = judged.loss;
	judged.grad = oracle_bce_grad(e, &judged.grad_scale);
	return judged;
}

static struct judged judge_probs(const struct fuzz_batch *batch, const struct oracle_element *e)
{
	(void)batch;
	struct judged judged = {.loss = oracle_probs_bce_loss(e), .grad = oracle_probs_bce_grad(e)};
	long double slope = fmaxl(e->x * (1 - e->x), 1e-12L);
	judged.loss_scale = judged.loss;
	judged.grad_scale = fabsl(e->scale * e->weight) * fmaxl(e->x, e->t) / slope;
	return judged;
}

static struct judged judge_kl_div(const struct fuzz_batch *batch, const struct oracle_element *e)
{
	struct judged judged = {.grad = oracle_kl_div_grad(e, batch->log_target)};
	judged.loss = oracle_kl_div_loss(e, batch->log_target, &judged.loss_scale);
	judged.grad_scale = judged.grad;
	return judged;
}

static struct judged judge_focal(const struct fuzz_batch *batch, const struct oracle_element *e)
{
	long double alpha = (long double)batch->alpha, gamma = (long double)batch->gamma;
	struct judged judged = {.loss = oracle_focal_loss(e, alpha, gamma)};
	judged.loss_scale = judged.loss;
	judged.grad = oracle_focal_grad(e, alpha, gamma, &judged.grad_scale);
	return judged;
}

/* Losses of numbers, by their defaults. */
static struct judged judge_mse(const struct fuzz_batch *batch, const struct oracle_element *e)
{
	(void)batch;
	struct judged judged = {.loss = oracle_mse_loss(e), .grad = oracle_mse_grad(e)};
	judged.loss_scale = judged.loss;
	judged.grad_scale = judged.grad;
	return judged;
}

static struct judged judge_l1(const struct fuzz_batch *batch, const struct oracle_element *e)
{
	(void)batch;
	struct judged judged = {.loss = oracle_l1_loss(e), .grad = oracle_l1_grad(e)};
	judged.loss_scale = judged.loss;
	judged.grad_scale = judged.grad;
	return judged;
}

static struct judged judge_smooth_l1(const struct fuzz_batch *batch, const struct oracle_element *e)
{
	(void)batch;
	struct judged judged = {.grad = oracle_smooth_l1_grad(e, 1)};
	judged.loss = oracle_smooth_l1_loss(e, 1, &judged.loss_scale);
	judged.grad_scale = judged.grad;
	return judged;
}

static struct judged judge_huber(const struct fuzz_batch *batch, const struct oracle_element *e)
{
	(void)batch;
	struct judged judged = {.grad = oracle_huber_grad(e, 1)};
	judged.loss = oracle_huber_loss(e, 1, &judged.loss_scale);
	judged.grad_scale = judged.grad;
	return judged;
}

static struct judged judge_quantile(const struct fuzz_batch *batch, const struct oracle_element *e)
{
	(void)batch;
	struct judged judged = {.loss = oracle_quantile_loss(e, 0.5L),
				.grad = oracle_quantile_grad(e, 0.5L)};
	judged.loss_scale = judged.loss;
	judged.grad_scale = judged.grad;
	return judged;
}

static struct judged judge_poisson(const struct fuzz_batch *batch, const struct oracle_element *e)
{
	(void)batch;
	struct oracle_poisson poisson = {.log_input = true};
	struct judged judged;
	judged.grad = oracle_poisson_grad(e, &poisson, &judged.grad_scale);
	judged.loss = oracle_poisson_loss(e, &poisson, &judged.loss_scale);
	return judged;
}

/* ---------------------------------------------------------------- drawing */

static size_t elements(const struct fuzz_batch *batch)
{
	return batch->rows * batch->classes;
}

static void draw_binary_targets(struct fuzz_batch *batch)
{
	size_t n = elements(batch);
	batch->t = fuzz_draw_uniform(batch, n, 0, 1);
	for (size_t i = 0; i < n; i++)
		if (fuzz_chance(batch, 0.5))
			batch->t[i] = fuzz_chance(batch, 0.5) ? 1 : 0;
}

static void make_finite(struct fuzz_batch *batch, double instead)
{
	for (size_t i = 0; i < elements(batch); i++)
		if (!isfinite(batch->x[i]))
			batch->x[i] = instead;
}

/* Probabilities, many of them next to 0 and 1. */
static void draw_probs(struct fuzz_batch *batch)
{
	size_t n = elements(batch);
	batch->x = fuzz_draw_uniform(batch, n, 0, 1);
	for (size_t i = 0; i < n; i++)
		if (fuzz_chance(batch, 0.3))
			batch->x[i] = fuzz_rounded(batch->dtype, 1 - batch->x[i]);
	batch->distribution = "probabilities";
	draw_binary_targets(batch);
}

static void draw_kl_div(struct fuzz_batch *batch)
{
	make_finite(batch, -1);
	batch->log_target = fuzz_chance(batch, 0.4);
	batch->t = fuzz_draw_uniform(batch, elements(batch), 0, 1);
	for (size_t i = 0; batch->log_target && i < elements(batch); i++)
		batch->t[i] =
			fuzz_rounded(batch->dtype, fuzz_chance(batch, 0.1) ? -(double)INFINITY
									   : -100 * batch->t[i]);
}

static void draw_focal(struct fuzz_batch *batch)
{
	make_finite(batch, 0);
	draw_binary_targets(batch);
	batch->alpha = fuzz_chance(batch, 0.2) ? -1 : random_uniform(&batch->random, 0.01, 1);
	batch->gamma = fuzz_chance(batch, 0.3) ? 2 : random_uniform(&batch->random, 0.1, 5);
}

/* Next to the predictions, some of them the same. */
static void draw_numbers(struct fuzz_batch *batch)
{
	make_finite(batch, 0);
	batch->t = fuzz_draw_uniform(batch, elements(batch), -2, 2);
	for (size_t i = 0; i < elements(batch); i++)
		if (fuzz_chance(batch, 0.6))
			batch->t[i] = fuzz_rounded(batch->dtype, batch->t[i] + batch->x[i]);
		else if (fuzz_chance(batch, 0.1))
			batch->t[i] = batch->x[i];
}

/* Whose exponentials are numbers of the type. */
static void draw_counts(struct fuzz_batch *batch)
{
	for (size_t i = 0; i < elements(batch); i++)
		if (!(fabs(batch->x[i]) < 80))
			batch->x[i] = 0;
	draw_numbers(batch);
}

static const struct kind kinds[] = {
	{"binary_cross_entropy_with_logits", "bce_with_logits loss", "bce_with_logits grad",
	 "bce_with_logits loss, mean, sum", judge_logits, draw_binary_targets, true, true},
	{"binary_cross_entropy", "bce loss", "bce grad", "bce loss, mean, sum", judge_probs,
	 draw_probs, true, false},
	{"kl_div", "kl_div loss", "kl_div grad", NULL, judge_kl_div, draw_kl_div, false, false},
	{"sigmoid_focal_loss", "sigmoid_focal_loss loss", "sigmoid_focal_loss grad",
	 "sigmoid_focal_loss, mean, sum", judge_focal, draw_focal, false, false},
	{"mse_loss", "mse_loss loss", "mse_loss grad", NULL, judge_mse, draw_numbers, false, false},
	{"l1_loss", "l1_loss loss", "l1_loss grad", NULL, judge_l1, draw_numbers, false, false},
	{"smooth_l1_loss", "smooth_l1_loss loss", "smooth_l1_loss grad", NULL, judge_smooth_l1,
	 draw_numbers, false, false},
	{"huber_loss", "huber_loss loss", "huber_loss grad", NULL, judge_huber, draw_numbers, false,
	 false},
	{"quantile_loss", "quantile_loss loss", "quantile_loss grad", NULL, judge_quantile,
	 draw_numbers, false, false},
	{"poisson_nll_loss", "poisson_nll_loss loss", "poisson_nll_loss grad", NULL, judge_poisson,
	 draw_counts, false, false},
};

/* ---------------------------------------------------------------- judging */

static struct oracle_element element_of(const struct fuzz_batch *batch, size_t i)
{
	bool none = strcmp(batch->reduction, "none") == 0;
	struct oracle_element element = {.x = (long double)batch->x[i],
					 .t = (long double)batch->t[i],
					 .weight = 1,
					 .pos_weight = 1,
					 .scale = 1};
	if (batch->weight != NULL)
		element.weight = (long double)batch->weight[i];
	if (batch->pos_weight != NULL)
		element.pos_weight = (long double)batch->pos_weight[i];
	if (batch->grad_output != NULL)
		element.scale = (long double)batch->grad_output[none ? i : 0];
	if (strcmp(batch->reduction, "mean") == 0)
		element.scale /= (long double)elements(batch);
	return element;
}

static void judge(struct fuzz_batch *batch, const struct kind *kind,
		  const struct fuzz_result *result)
{
	bool none = strcmp(batch->reduction, "none") == 0;
	const struct loss_tensor *loss = fuzz_output(result, "loss"), *grad;
	struct oracle_sum sum = {0};
	grad = fuzz_output(result, "grad");
	for (size_t r = 0; r < batch->rows; r++) {
		for (size_t c = 0; c < batch->classes; c++) {
			size_t i = r * batch->classes + c, place = fuzz_place(batch, r, c);
			struct oracle_element element = element_of(batch, i);
			struct judged exact = kind->judge(batch, &element);
			oracle_add(&sum, exact.loss);
			if (none)
				fuzz_judge(batch, kind->loss_name, i,
					   ulp_error_scaled(batch->result, fuzz_value(loss, place),
							    exact.loss, exact.loss_scale),
					   4);
			fuzz_judge(batch, kind->grad_name, i,
				   fuzz_grad_error(batch->result, fuzz_value(grad, place),
						   exact.grad, exact.grad_scale,
						   fabsl(element.scale)),
				   4);
		}
	}
	long double divisor =
		strcmp(batch->reduction, "mean") == 0 ? (long double)elements(batch) : 1;
	long double total = oracle_total(&sum);
	if (!none && kind->mean_name != NULL && !isinf(ulp_of(LOSS_F64, total)))
		fuzz_judge(batch, kind->mean_name, 0,
			   ulp_error(batch->result, fuzz_value(loss, 0), total / divisor), 5);
}

static void dump(struct fuzz_batch *batch, const struct kind *kind,
		 const struct fuzz_result *result)
{
	size_t n = elements(batch);
	fuzz_dump_start(batch);
	for (size_t i = 0; i < n; i++)
		fuzz_dump(batch, batch->x[i]);
	for (size_t i = 0; i < n; i++)
		fuzz_dump(batch, batch->t[i]);
	for (size_t i = 0; i < n; i++) {
		struct oracle_element element = element_of(batch, i);
		struct judged exact = kind->judge(batch, &element);
		fuzz_dump_exact(batch, exact.loss);
		fuzz_dump(batch, fuzz_value(fuzz_output(result, "loss"), i));
		fuzz_dump_exact(batch, exact.grad);
		fuzz_dump(batch, fuzz_value(fuzz_output(result, "grad"), i));
		fuzz_dump(batch, (double)exact.grad_scale);
	}
}

void fuzz_elements(struct fuzz_batch *batch)
{
	static const char *const outputs[] = {"loss", "grad", NULL};
	static const char *const reductions[] = {"none", "none", "none", "mean", "sum"};
	size_t n = batch->dump == NULL ? sizeof(kinds) / sizeof(kinds[0]) : 1;
	const struct kind *kind = &kinds[random_below(&batch->random, n)];
	struct fuzz_result result;
	fuzz_draw_logits(batch, kind->loss);
	kind->draw(batch);
	batch->reduction = reductions[random_below(&batch->random, 5)];
	bool none = strcmp(batch->reduction, "none") == 0;
	if (kind->weights && fuzz_chance(batch, 0.4))
		batch->weight = fuzz_draw_uniform(batch, elements(batch), 0, 1);
	if (kind->pos_weights && fuzz_chance(batch, 0.4))
		batch->pos_weight = fuzz_draw_uniform(batch, elements(batch), 0, 1);
	if (fuzz_chance(batch, 0.3)) {
		batch->n_grad_output = none ? elements(batch) : 1;
		batch->grad_output = fuzz_draw_uniform(batch, batch->n_grad_output, -1, 1);
	}
	fuzz_evaluate(batch, outputs, &result);
	judge(batch, kind, &result);
	if (batch->dump != NULL && kind == &kinds[0] && none && batch->layout == FUZZ_ROWS &&
	    batch->weight == NULL && batch->pos_weight == NULL && batch->grad_output == NULL)
		dump(batch, kind, &result);
}
