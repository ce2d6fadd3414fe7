/* cross_entropy and nll_loss: every kind of target, every argument, every output. */
#include "fuzz.h"

#include <string.h>

#include "../support/ulp.h"

/* What a batch's rows are judged by. */
struct exact {
	struct oracle_row row;
	struct oracle_target target;
	struct oracle_softmax softmax;
	long double *x, *weight, *probs, *grad, *largest, *slope;
	bool transformed;
	bool doubtful;     /* a transformed logit is so near a tie that either rounding is right */
	long double slack; /* what that is worth in F64, absolute; F32's rows are left out then */
	bool simple;       /* class indices, no smoothing, no z_loss: no difference in a gradient */
};

/* ---------------------------------------------------------------- drawing */

static size_t argmax(const double *x, size_t n)
{
	size_t best = 0;
	for (size_t c = 1; c < n; c++)
		if (x[c] > x[best])
			best = c;
	return best;
}

static void draw_indices(struct fuzz_batch *batch)
{
	size_t classes = batch->classes;
	double ignored = batch->dump == NULL && fuzz_chance(batch, 0.5) ? 0.1
			 : fuzz_chance(batch, 0.1)                      ? 1
									: 0;
	batch->reduction = "none";
	batch->y = fuzz_array(batch, int64_t, batch->rows);
	for (size_t r = 0; r < batch->rows; r++) {
		size_t own = fuzz_chance(batch, 0.5) ? argmax(batch->x + r * classes, classes)
						     : random_below(&batch->random, classes);
		batch->y[r] = fuzz_chance(batch, ignored) ? -100 : (int64_t)own;
	}
}

static void draw_probabilities(struct fuzz_batch *batch)
{
	size_t classes = batch->classes;
	batch->t = fuzz_draw_uniform(batch, batch->rows * classes, 0, 1);
	for (size_t r = 0; r < batch->rows && fuzz_chance(batch, 0.9); r++) {
		double *t = batch->t + r * classes, sum = 0;
		for (size_t c = 0; c < classes; c++)
			sum += t[c];
		for (size_t c = 0; c < classes && sum > 0; c++)
			t[c] = fuzz_rounded(batch->dtype, t[c] / sum);
	}
}

static void draw_common(struct fuzz_batch *batch)
{
	static const char *const reductions[] = {"none", "none", "mean", "sum"};
	batch->reduction = reductions[random_below(&batch->random, 4)];
	if (fuzz_chance(batch, 0.4))
		batch->weight = fuzz_draw_uniform(batch, batch->classes, 0, 1);
	if (fuzz_chance(batch, 0.4)) {
		batch->n_grad_output = strcmp(batch->reduction, "none") == 0 ? batch->rows : 1;
		batch->grad_output = fuzz_draw_uniform(batch, batch->n_grad_output, -1, 1);
	}
	if (fuzz_chance(batch, 0.2))
		batch->denominator = random_uniform(&batch->random, 1, 1000);
}

static void draw_arguments(struct fuzz_batch *batch)
{
	struct random *random = &batch->random;
	if (fuzz_chance(batch, 0.25))
		batch->smoothing = fuzz_chance(batch, 0.1) ? 1 : random_uniform(random, 0, 0.5);
	if (fuzz_chance(batch, 0.15))
		batch->temperature = random_uniform(random, 0.05, 10);
	if (fuzz_chance(batch, 0.15))
		batch->softcap = random_uniform(random, 0.5, 100);
	if (fuzz_chance(batch, 0.1))
		batch->z_loss = random_uniform(random, 0, 1);
	if (fuzz_chance(batch, 0.5))
		batch->z_loss *= 1e-4;
}

/* ---------------------------------------------------------------- the oracle's side */

static struct exact make_exact(struct fuzz_batch *batch)
{
	size_t n = batch->classes;
	long double *all = fuzz_array(batch, long double, 6 * n);
	struct exact exact = {.x = all,
			      .weight = all + n,
			      .probs = all + 2 * n,
			      .grad = all + 3 * n,
			      .largest = all + 4 * n,
			      .slope = all + 5 * n,
			      .transformed = batch->softcap != 0 || batch->temperature != 0};
	exact.row = (struct oracle_row){n, exact.x};
	exact.target.smoothing = (long double)batch->smoothing;
	exact.target.z_loss = (long double)batch->z_loss;
	exact.target.weight = batch->weight != NULL ? exact.weight : NULL;
	exact.target.probs = batch->t != NULL ? exact.probs : NULL;
	exact.simple = batch->t == NULL && batch->smoothing == 0 && batch->z_loss == 0;
	for (size_t c = 0; batch->weight != NULL && c < n; c++)
		exact.weight[c] = (long double)batch->weight[c];
	return exact;
}

/*
 * Rounded to the type that a kernel works on. Where it is so near the middle of two values that
 * nobody can tell to which side, either is right, as it always is of F64's tanh.
 */
static long double transform(const struct fuzz_batch *batch, struct exact *exact, size_t c,
			     long double x)
{
	long double cap = (long double)batch->softcap;
	long double temperature = batch->temperature != 0 ? (long double)batch->temperature : 1;
	long double u = oracle_transform(x, 1, cap, temperature);
	bool narrow = batch->result == LOSS_F32;
	long double rounded = narrow ? (long double)(float)u : (long double)(double)u;
	long double off = fabsl(u - rounded) / ulp_of(batch->result, u);
	long double doubt = narrow ? 0x1p-18L : 0x1p-8L;
	exact->slope[c] = oracle_transform_slope(x, 1, cap, temperature);
	exact->doubtful |=
		(off > 0.5L - doubt && off < 0.5L + doubt) || (!narrow && batch->softcap != 0);
	return rounded;
}

static void load_row(struct exact *exact, struct fuzz_batch *batch, size_t r)
{
	size_t n = batch->classes;
	long double largest = 0;
	exact->doubtful = false;
	for (size_t c = 0; c < n; c++) {
		long double x = (long double)batch->x[r * n + c];
		exact->x[c] = exact->transformed ? transform(batch, exact, c, x) : x;
		if (fabsl(exact->x[c]) > largest && isfinite(exact->x[c]))
			largest = fabsl(exact->x[c]);
		if (batch->t != NULL)
			exact->probs[c] = (long double)batch->t[r * n + c];
	}
	exact->target.ignored = batch->t == NULL && batch->y[r] == -100;
	exact->target.index = batch->t != NULL || exact->target.ignored ? 0 : (size_t)batch->y[r];
	exact->softmax = oracle_softmax_row(&exact->row);
	exact->slack =
		exact->doubtful && batch->result == LOSS_F64 ? 2 * ulp_of(LOSS_F64, largest) : 0;
}

/* The part of the divisor that a row brings. */
static long double weight_of_row(const struct fuzz_batch *batch, const struct exact *exact)
{
	if (batch->t != NULL)
		return 1;
	if (exact->target.ignored)
		return 0;
	return batch->weight != NULL ? exact->weight[exact->target.index] : 1;
}

/* grad_output / D */
static long double scale_of(const struct fuzz_batch *batch, long double natural, size_t r)
{
	bool per_row = strcmp(batch->reduction, "none") == 0;
	long double g = 1;
	if (batch->grad_output != NULL)
		g = (long double)batch->grad_output[per_row ? r : 0];
	if (strcmp(batch->reduction, "mean") != 0)
		return g;
	long double divisor = batch->denominator != 0 ? (long double)batch->denominator : natural;
	return natural == 0 && batch->denominator == 0 ? (long double)NAN : g / divisor;
}

/* ---------------------------------------------------------------- judging */

/* What the doubt about a row is worth counts apart. */
static const char *name_of(const struct exact *exact, const char *quantity)
{
	return exact->slack > 0 ? "transformed logits, in doubt" : quantity;
}

static const char *kind_of(const struct fuzz_batch *batch, bool grad)
{
	if (batch->z_loss != 0)
		return grad ? "cross_entropy grad, z_loss" : "cross_entropy loss, z_loss";
	if (batch->t != NULL)
		return grad ? "cross_entropy grad, probabilities"
			    : "cross_entropy loss, probabilities";
	if (batch->smoothing != 0)
		return grad ? "cross_entropy grad, smoothed" : "cross_entropy loss, smoothed";
	return grad ? "cross_entropy grad, index" : "cross_entropy loss, index";
}

static long double loss_limit(const struct fuzz_batch *batch, const struct exact *exact)
{
	return exact->simple && batch->result == LOSS_F32 ? 2 : 4;
}

/* The slack in ulps of a value. */
static long double slack_ulps(const struct fuzz_batch *batch, const struct exact *exact,
			      long double factor, long double value)
{
	long double ulp = ulp_of(batch->result, value);
	bool known = exact->slack > 0 && isfinite(ulp) && isfinite(factor);
	return known ? exact->slack * factor / ulp : 0;
}

/* The size that z lse^2 is judged by: lse may cancel. */
static long double z_size(const struct exact *exact)
{
	long double size = fmaxl(fabsl(exact->softmax.lse), fabsl(exact->softmax.max));
	return exact->target.ignored ? 0 : exact->target.z_loss * size * size;
}

/* What it may lose, in ulps of the loss. */
static long double z_slack(const struct fuzz_batch *batch, const struct exact *exact,
			   long double loss)
{
	long double part = ulp_of(batch->result, z_size(exact)), ulp = ulp_of(batch->result, loss);
	bool known = exact->target.z_loss != 0 && isfinite(part) && isfinite(ulp);
	return known ? 4 * part / ulp : 0;
}

/* How much a loss changes with a logit, at most. */
static long double steepness(const struct fuzz_batch *batch, const struct exact *exact)
{
	long double sum = 1;
	for (size_t c = 0; batch->t != NULL && c < batch->classes; c++)
		sum += exact->probs[c];
	return sum + 2 * exact->target.z_loss * fabsl(exact->softmax.lse);
}

/* As ulp_error, an infinity counting as the value beyond the largest: a loss next to that may round
 * to either. */
static long double loss_error(loss_dtype dtype, double got, long double exact)
{
	if (!isinf(got) || !isfinite(exact) || (got > 0) != (exact > 0))
		return ulp_error(dtype, got, exact);
	long double beyond = ldexpl(1, dtype == LOSS_F64 ? 1024 : 128);
	long double error = beyond - fabsl(exact),
		    ulp = ldexpl(beyond, dtype == LOSS_F64 ? -53 : -24);
	return error > 0 ? error / ulp : 0;
}

static void judge_loss(struct fuzz_batch *batch, const struct exact *exact,
		       const struct fuzz_result *result, size_t r)
{
	long double loss = oracle_cross_entropy_loss(&exact->row, &exact->target);
	double got = fuzz_value(fuzz_output(result, "loss"), r);
	fuzz_judge(batch, name_of(exact, kind_of(batch, false)), r,
		   loss_error(batch->result, got, loss),
		   loss_limit(batch, exact) +
			   slack_ulps(batch, exact, steepness(batch, exact), loss) +
			   z_slack(batch, exact, loss));
}

/* Of what has the slack as an error: how much larger the limit is, for probabilities. */
static long double relative_slack(const struct exact *exact)
{
	return exact->slack / 0x1p-53L;
}

static void judge_grad(struct fuzz_batch *batch, struct exact *exact,
		       const struct fuzz_result *result, size_t r)
{
	const struct loss_tensor *grad = fuzz_output(result, "grad");
	long double worst = 0, factor = fabsl(exact->target.scale);
	size_t at = 0;
	oracle_cross_entropy_grad(&exact->row, &exact->target, exact->grad, exact->largest);
	for (size_t c = 0; c < batch->classes; c++) {
		if (exact->transformed && !exact->target.ignored) {
			exact->grad[c] *= exact->slope[c];
			exact->largest[c] *= exact->slope[c];
		}
		long double error =
			fuzz_grad_error(batch->result, fuzz_value(grad, fuzz_place(batch, r, c)),
					exact->grad[c], exact->largest[c], factor);
		at = error > worst ? c : at;
		worst = error > worst ? error : worst;
	}
	long double limit = 4 + relative_slack(exact) * (exact->simple ? 1 : 4);
	fuzz_judge(batch, name_of(exact, kind_of(batch, true)), r, worst, limit);
	if (worst > limit)
		fuzz_detail(batch, "class %zu: %.17g, exactly %.20Lg, largest term %.5Lg", at,
			    fuzz_value(grad, fuzz_place(batch, r, at)), exact->grad[at],
			    exact->largest[at]);
}

static void judge_z_loss(struct fuzz_batch *batch, const struct exact *exact,
			 const struct fuzz_result *result, size_t r)
{
	long double z_loss = oracle_z_loss(&exact->row, &exact->target), size = z_size(exact);
	double got = fuzz_value(fuzz_output(result, "z_loss"), r);
	long double slope = 2 * exact->target.z_loss * fabsl(exact->softmax.lse);
	fuzz_judge(batch, name_of(exact, "z_loss"), r,
		   ulp_error_scaled(batch->result, got, z_loss, size),
		   4 + slack_ulps(batch, exact, slope, size));
}

static void judge_rank(struct fuzz_batch *batch, const struct exact *exact,
		       const struct fuzz_result *result, size_t r)
{
	double rank = fuzz_value(fuzz_output(result, "rank"), r);
	double correct = fuzz_value(fuzz_output(result, "correct"), r);
	if (rank != (double)oracle_cross_entropy_rank(&exact->row, &exact->target))
		fuzz_violation(batch, "row %zu: rank is %g, not %lld", r, rank,
			       oracle_cross_entropy_rank(&exact->row, &exact->target));
	if (correct != (double)oracle_cross_entropy_correct(&exact->row, &exact->target))
		fuzz_violation(batch, "row %zu: correct is %g", r, correct);
}

static void judge_outputs(struct fuzz_batch *batch, const struct exact *exact,
			  const struct fuzz_result *result, size_t r)
{
	fuzz_judge_softmax(batch, &exact->row, exact->slack, result, r);
	if (strcmp(batch->reduction, "none") == 0)
		judge_z_loss(batch, exact, result, r);
	if (batch->t == NULL && exact->slack == 0)
		judge_rank(batch, exact, result, r);
}

/* What the rows add up to, before anything is judged that depends on it. */
struct reduced {
	long double sum, denominator;
	bool doubtful;
};

static struct reduced reduce(struct fuzz_batch *batch, struct exact *exact)
{
	struct oracle_sum sum = {0}, denominator = {0};
	struct reduced reduced = {.doubtful = false};
	for (size_t r = 0; r < batch->rows; r++) {
		load_row(exact, batch, r);
		oracle_add(&sum, oracle_cross_entropy_loss(&exact->row, &exact->target));
		oracle_add(&denominator, weight_of_row(batch, exact));
		reduced.doubtful |= exact->doubtful;
	}
	reduced.sum = oracle_total(&sum);
	reduced.denominator = oracle_total(&denominator);
	return reduced;
}

/* A reduced loss has its rows' error and one ulp more. */
static void judge_reduced(struct fuzz_batch *batch, const struct exact *exact,
			  const struct reduced *reduced, const struct fuzz_result *result)
{
	bool mean = strcmp(batch->reduction, "mean") == 0;
	long double divisor = mean ? 1 / scale_of(batch, reduced->denominator, 0) : 1;
	if (mean && batch->grad_output != NULL)
		divisor *= (long double)batch->grad_output[0];
	if (mean && batch->grad_output != NULL && batch->grad_output[0] == 0)
		return; /* no divisor to be had of it */
	if (reduced->doubtful || isinf(ulp_of(LOSS_F64, reduced->sum)))
		return;
	long double expected = reduced->sum / divisor;
	long double rounding = (long double)batch->rows * ulp_of(LOSS_F64, 0) / 2 / fabsl(divisor) /
			       ulp_of(batch->result, expected);
	double got = fuzz_value(fuzz_output(result, "loss"), 0);
	fuzz_judge(batch, mean ? "cross_entropy loss, mean" : "cross_entropy loss, sum", 0,
		   ulp_error(batch->result, got, expected),
		   loss_limit(batch, exact) + 1 + (isfinite(rounding) ? rounding : 0));
}

static void dump(struct fuzz_batch *batch, struct exact *exact, const struct fuzz_result *result)
{
	size_t n = batch->rows * batch->classes;
	fuzz_dump_start(batch);
	for (size_t i = 0; i < n; i++)
		fuzz_dump(batch, batch->x[i]);
	for (size_t r = 0; r < batch->rows; r++)
		fuzz_dump(batch, (double)batch->y[r]);
	for (size_t r = 0; r < batch->rows; r++) {
		load_row(exact, batch, r);
		exact->target.scale = 1;
		fuzz_dump_exact(batch, oracle_cross_entropy_loss(&exact->row, &exact->target));
		fuzz_dump(batch, fuzz_value(fuzz_output(result, "loss"), r));
		oracle_cross_entropy_grad(&exact->row, &exact->target, exact->grad, exact->largest);
		for (size_t c = 0; c < batch->classes; c++) {
			size_t place = fuzz_place(batch, r, c);
			fuzz_dump_exact(batch, exact->grad[c]);
			fuzz_dump(batch, fuzz_value(fuzz_output(result, "grad"), place));
			fuzz_dump_exact(batch, -oracle_surprise(&exact->row, &exact->softmax, c));
			fuzz_dump(batch, fuzz_value(fuzz_output(result, "log_probs"), place));
			fuzz_dump_exact(batch, oracle_prob(&exact->row, &exact->softmax, c));
			fuzz_dump(batch, fuzz_value(fuzz_output(result, "probs"), place));
		}
	}
}

/* Batches that PyTorch can have as they are. */
static bool is_plain(const struct fuzz_batch *batch, const struct exact *exact)
{
	return exact->simple && !exact->transformed && batch->weight == NULL &&
	       batch->grad_output == NULL && strcmp(batch->reduction, "none") == 0 &&
	       batch->layout == FUZZ_ROWS;
}

void fuzz_cross_entropy(struct fuzz_batch *batch)
{
	static const char *const all[] = {"loss",   "grad",    "log_probs", "probs",
					  "lse",    "entropy", "predicted", "correct",
					  "z_loss", "rank",    NULL};
	static const char *const few[] = {"loss", "grad",    "log_probs", "probs", "z_loss",
					  "lse",  "entropy", "predicted", NULL};
	static const char *const least[] = {"loss", "grad", NULL};
	fuzz_draw_logits(batch, "cross_entropy");
	if (batch->dump == NULL && fuzz_chance(batch, 0.25))
		draw_probabilities(batch);
	else
		draw_indices(batch);
	if (batch->dump == NULL) {
		draw_common(batch);
		draw_arguments(batch);
	}
	struct exact exact = make_exact(batch);
	struct reduced reduced = reduce(batch, &exact);
	struct fuzz_result result;
	/* Kernels take other ways where only the loss and its gradient are asked for. */
	bool only = !is_plain(batch, &exact) && fuzz_chance(batch, 0.4);
	bool none = strcmp(batch->reduction, "none") == 0;
	fuzz_evaluate(batch, only ? least : batch->t != NULL ? few : all, &result);
	if (!none)
		judge_reduced(batch, &exact, &reduced, &result);
	for (size_t r = 0; r < batch->rows; r++) {
		load_row(&exact, batch, r);
		exact.target.scale = scale_of(batch, reduced.denominator, r);
		if (exact.doubtful && exact.slack == 0)
			continue;
		if (none)
			judge_loss(batch, &exact, &result, r);
		judge_grad(batch, &exact, &result, r);
		if (only)
			continue;
		judge_outputs(batch, &exact, &result, r);
	}
	if (batch->dump != NULL && is_plain(batch, &exact))
		dump(batch, &exact, &result);
}

/* ---------------------------------------------------------------- nll_loss */

static void judge_nll_row(struct fuzz_batch *batch, const struct exact *exact,
			  const struct fuzz_result *result, size_t r)
{
	const struct loss_tensor *grad = fuzz_output(result, "grad");
	bool ignored = exact->target.ignored;
	long double w = ignored ? 1 : weight_of_row(batch, exact);
	long double own = oracle_nll_grad(w, exact->target.scale, ignored);
	long double loss = oracle_nll_loss(exact->x[exact->target.index], w, ignored);
	if (strcmp(batch->reduction, "none") == 0)
		fuzz_judge(
			batch, "nll_loss loss", r,
			ulp_error(batch->result, fuzz_value(fuzz_output(result, "loss"), r), loss),
			batch->result == LOSS_F32 ? 2 : 4);
	for (size_t c = 0; c < batch->classes; c++) {
		double got = fuzz_value(grad, fuzz_place(batch, r, c));
		if (!ignored && c == exact->target.index)
			fuzz_judge(batch, "nll_loss grad", r,
				   fuzz_grad_error(batch->result, got, own, own,
						   fabsl(exact->target.scale)),
				   4);
		else if (got != 0)
			fuzz_violation(batch, "row %zu: the gradient of class %zu is %g", r, c,
				       got);
	}
}

void fuzz_nll_loss(struct fuzz_batch *batch)
{
	static const char *const outputs[] = {"loss", "grad", NULL};
	struct oracle_sum denominator = {0};
	struct fuzz_result result;
	fuzz_draw_logits(batch, "nll_loss");
	draw_indices(batch);
	draw_common(batch);
	struct exact exact = make_exact(batch);
	for (size_t r = 0; r < batch->rows; r++) {
		load_row(&exact, batch, r);
		oracle_add(&denominator, weight_of_row(batch, &exact));
	}
	fuzz_evaluate(batch, outputs, &result);
	for (size_t r = 0; r < batch->rows; r++) {
		load_row(&exact, batch, r);
		exact.target.scale = scale_of(batch, oracle_total(&denominator), r);
		judge_nll_row(batch, &exact, &result, r);
	}
}
