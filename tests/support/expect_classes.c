/* Rows of the losses over classes. */
#include "expect_rows.h"

#include "tensor.h"
#include "ulp.h"

/* A row's transformed logits, and what derives from them. */
struct logits {
	struct oracle_row row;
	struct oracle_softmax softmax;
	long double *x, *slope; /* slope: of the transform */
	bool transformed;
	long double largest;  /* magnitude of a finite one */
	long double steepest; /* of the slopes, 1 or more */
	long double slack; /* how far a transformed logit may be off where two values are right */
};

/* ---------------------------------------------------------------- logits */

static bool is_transformed(const struct expect_arguments *arguments)
{
	return arguments->softcap > 0 || arguments->temperature != 1 || arguments->logit_scale != 1;
}

/*
 * Rounded to the type of results, as the library does. Where that is so near the middle of two
 * values that nobody can tell to which side, either is right; so it always is in F64 after more
 * than one operation.
 */
static long double transform(const struct expect_problem *problem, long double x, bool *doubtful)
{
	const struct expect_arguments *arguments = &problem->arguments;
	long double u = oracle_transform(x, arguments->logit_scale, arguments->softcap,
					 arguments->temperature);
	bool narrow = problem->result == LOSS_F32;
	long double rounded = narrow ? (long double)(float)u : (long double)(double)u;
	long double off = fabsl(u - rounded) / ulp_of(problem->result, u);
	long double doubt = narrow ? 0x1p-18L : 0x1p-8L;
	int operations = 2 * (arguments->softcap > 0) + (arguments->temperature != 1) +
			 (arguments->logit_scale != 1);
	*doubtful |= (off > 0.5L - doubt && off < 0.5L + doubt) || (!narrow && operations > 1);
	return rounded;
}

static struct logits read_logits(const struct expect_problem *problem, size_t r)
{
	const struct expect_arguments *arguments = &problem->arguments;
	const struct loss_tensor *input = problem->tensors[LOSS_ROLE_INPUT];
	size_t n = problem->classes;
	struct logits logits = {.x = expect_array(problem, long double, n),
				.slope = expect_array(problem, long double, n),
				.transformed = is_transformed(arguments),
				.steepest = 1};
	bool doubtful = false;
	for (size_t c = 0; c < n; c++) {
		long double x = (long double)tensor_number(input, expect_place(problem, r, c));
		logits.x[c] = logits.transformed ? transform(problem, x, &doubtful) : x;
		logits.slope[c] =
			logits.transformed
				? oracle_transform_slope(x, arguments->logit_scale,
							 arguments->softcap, arguments->temperature)
				: 1;
		logits.steepest = fmaxl(logits.steepest, logits.slope[c]);
		if (isfinite(logits.x[c]))
			logits.largest = fmaxl(logits.largest, fabsl(logits.x[c]));
	}
	logits.row = (struct oracle_row){n, logits.x};
	logits.softmax = oracle_softmax_row(&logits.row);
	logits.slack = doubtful ? 2 * expect_ulps(problem, 1, logits.largest) : 0;
	return logits;
}

/* ---------------------------------------------------------------- softmax and its kin */

static long double limit_of(const struct expect_problem *problem)
{
	return problem->result == LOSS_F32 ? 2 : 4;
}

/* Of what is one value or another: nothing is promised where a logit is in doubt. */
static struct expect_number certain(const struct logits *logits, long double value)
{
	return (struct expect_number){value, logits->slack > 0 ? (long double)INFINITY : 0};
}

static struct expect_number log_prob(const struct expect_problem *problem,
				     const struct logits *logits, size_t c)
{
	long double surprise = oracle_surprise(&logits->row, &logits->softmax, c);
	return (struct expect_number){-surprise, expect_ulps(problem, limit_of(problem), surprise) +
							 2 * logits->slack};
}

static struct expect_number prob(const struct expect_problem *problem, const struct logits *logits,
				 size_t c)
{
	long double p = oracle_prob(&logits->row, &logits->softmax, c);
	return (struct expect_number){p, expect_grad_slack(problem, p, 1) + 2 * logits->slack * p};
}

static void put_softmax(const struct expect_problem *problem, const struct logits *logits,
			struct expect_row *row)
{
	const struct oracle_softmax *softmax = &logits->softmax;
	long double size = fmaxl(fabsl(softmax->max), softmax->tail);
	long double entropy = oracle_entropy(&logits->row);
	long double limit = limit_of(problem);
	row->log_probs = expect_array(problem, struct expect_number, problem->classes);
	row->probs = expect_array(problem, struct expect_number, problem->classes);
	for (size_t c = 0; c < problem->classes; c++) {
		row->log_probs[c] = log_prob(problem, logits, c);
		row->probs[c] = prob(problem, logits, c);
	}
	row->lse = (struct expect_number){softmax->lse,
					  expect_ulps(problem, limit, size) + logits->slack};
	row->entropy = certain(logits, entropy);
	row->entropy.slack += expect_ulps(problem, limit, entropy);
	row->predicted = certain(logits, (long double)softmax->predicted);
}

typedef void gradient_fn(const struct oracle_row *row, const long double *g, long double *grad,
			 long double *largest);

static void put_product(const struct expect_problem *problem, size_t r, struct expect_row *row,
			gradient_fn *gradient)
{
	struct logits logits = read_logits(problem, r);
	const struct loss_tensor *upstream = problem->tensors[LOSS_ROLE_GRAD_OUTPUT];
	size_t n = problem->classes;
	put_softmax(problem, &logits, row);
	if (upstream == NULL)
		return;
	long double *g = expect_array(problem, long double, n);
	long double *grad = expect_array(problem, long double, n);
	long double *largest = expect_array(problem, long double, n);
	row->grad = expect_array(problem, struct expect_number, n);
	for (size_t c = 0; c < n; c++)
		g[c] = (long double)tensor_number(upstream, expect_place(problem, r, c));
	gradient(&logits.row, g, grad, largest);
	for (size_t c = 0; c < n; c++)
		row->grad[c] =
			(struct expect_number){grad[c], expect_grad_slack(problem, largest[c], 1)};
}

void expect_softmax(const struct expect_problem *problem, size_t r, struct expect_row *row)
{
	put_product(problem, r, row, oracle_softmax_grad);
}

void expect_log_softmax(const struct expect_problem *problem, size_t r, struct expect_row *row)
{
	put_product(problem, r, row, oracle_log_softmax_grad);
}

/* ---------------------------------------------------------------- cross entropy: what enters */

static struct oracle_target read_target(const struct expect_problem *problem, size_t r)
{
	const struct expect_arguments *arguments = &problem->arguments;
	const struct loss_tensor *weight = problem->tensors[LOSS_ROLE_WEIGHT];
	const struct loss_tensor *targets = problem->tensors[LOSS_ROLE_TARGETS];
	size_t n = problem->classes;
	struct oracle_target target = {.ignored = !expect_counted(problem, r),
				       .smoothing = arguments->label_smoothing,
				       .z_loss = arguments->z_loss,
				       .gamma = arguments->gamma};
	if (target.ignored)
		return target;
	target.scale = expect_scale(problem, r) * expect_row_weight(problem, r);
	long double *weights = expect_array(problem, long double, n);
	for (size_t c = 0; weight != NULL && c < n; c++)
		weights[c] = (long double)tensor_number(weight, c);
	target.weight = weight != NULL ? weights : NULL;
	if (!problem->probabilities) {
		target.index = expect_class(problem, r);
		return target;
	}
	long double *probs = expect_array(problem, long double, n);
	size_t from = expect_target_row(problem, r);
	for (size_t c = 0; c < n; c++)
		probs[c] = (long double)tensor_number(targets, expect_place(problem, from, c));
	target.probs = probs;
	return target;
}

static const long double *magnitudes(const struct expect_problem *problem,
				     const long double *values)
{
	long double *all = expect_array(problem, long double, problem->classes);
	for (size_t c = 0; c < problem->classes; c++)
		all[c] = fabsl(values[c]);
	return all;
}

/* The same with nothing negative: its loss is what a sum of terms of both signs is judged by. */
static struct oracle_target without_signs(const struct expect_problem *problem,
					  const struct oracle_target *target)
{
	struct oracle_target positive = *target;
	if (target->weight != NULL)
		positive.weight = magnitudes(problem, target->weight);
	if (target->probs != NULL)
		positive.probs = magnitudes(problem, target->probs);
	return positive;
}

static long double largest_weight(const struct expect_problem *problem,
				  const struct oracle_target *target)
{
	long double largest = 1;
	for (size_t c = 0; target->weight != NULL && c < problem->classes; c++)
		largest = fmaxl(largest, fabsl(target->weight[c]));
	return largest;
}

/* ---------------------------------------------------------------- cross entropy: the loss */

/* Ulps that a loss may be off. That of a power is the power's, too. */
static long double loss_limit(const struct expect_problem *problem,
			      const struct oracle_target *target)
{
	bool simple = target->probs == NULL && target->smoothing == 0 && target->z_loss == 0;
	if (target->gamma > 0)
		return 4 + target->gamma;
	return simple ? limit_of(problem) : 4;
}

/* How much a loss changes with a logit, at most. */
static long double steepness(const struct expect_problem *problem, const struct logits *logits,
			     const struct oracle_target *target)
{
	long double sum = 1;
	for (size_t c = 0; target->probs != NULL && c < problem->classes; c++)
		sum += fabsl(target->probs[c]);
	return sum * largest_weight(problem, target) * (1 + target->gamma) +
	       2 * target->z_loss * fabsl(logits->softmax.lse);
}

/* The size that z lse^2 is judged by: lse may cancel. */
static long double z_size(const struct logits *logits, const struct oracle_target *target)
{
	long double size = fmaxl(fabsl(logits->softmax.lse), fabsl(logits->softmax.max));
	return target->ignored || logits->softmax.nan ? 0 : target->z_loss * size * size;
}

static void put_loss(const struct expect_problem *problem, const struct logits *logits,
		     const struct oracle_target *target, long double row_weight,
		     struct expect_row *row)
{
	struct oracle_target positive = without_signs(problem, target);
	long double size = oracle_cross_entropy_loss(&logits->row, &positive);
	long double lost = expect_ulps(problem, 4, 0); /* of lse, whose last digits are subnormal */
	long double z_slack =
		expect_ulps(problem, 4, oracle_weigh(row_weight, z_size(logits, target)));
	if (target->z_loss > 0 && !logits->softmax.nan)
		z_slack += row_weight * target->z_loss * lost *
			   (2 * fabsl(logits->softmax.lse) + lost);
	z_slack += expect_overflow(z_size(logits, target));
	long double doubt = logits->softmax.nan ? 0 : row_weight * logits->slack;
	row->loss.value = oracle_weigh(row_weight, oracle_cross_entropy_loss(&logits->row, target));
	row->loss.slack =
		expect_ulps(problem, loss_limit(problem, target), oracle_weigh(row_weight, size)) +
		z_slack + expect_overflow(4 * logits->largest);
	row->z_loss.value = oracle_weigh(row_weight, oracle_z_loss(&logits->row, target));
	row->z_loss.slack = z_slack;
	if (doubt > 0) {
		row->loss.slack += doubt * steepness(problem, logits, target);
		row->z_loss.slack += doubt * 2 * target->z_loss * fabsl(logits->softmax.lse);
	}
}

/* ---------------------------------------------------------------- cross entropy: the rest */

static void put_grad(const struct expect_problem *problem, const struct logits *logits,
		     const struct oracle_target *target, struct expect_row *row)
{
	size_t n = problem->classes;
	long double *grad = expect_array(problem, long double, n);
	long double *largest = expect_array(problem, long double, n);
	long double factor =
		fabsl(target->scale) * largest_weight(problem, target) * logits->steepest;
	if (target->z_loss > 0 && isfinite(logits->softmax.lse))
		factor *= fmaxl(1, 2 * target->z_loss * fabsl(logits->softmax.lse));
	long double powers = target->gamma > 0 ? 1 + target->gamma / 4 : 1;
	row->grad = expect_array(problem, struct expect_number, n);
	oracle_cross_entropy_grad(&logits->row, target, grad, largest);
	for (size_t c = 0; c < n && !target->ignored; c++) {
		long double size = fmaxl(largest[c], fabsl(grad[c])) * logits->slope[c];
		row->grad[c].value = grad[c] * logits->slope[c];
		row->grad[c].slack = powers * expect_grad_slack(problem, size, factor);
		if (logits->slack > 0 && isfinite(size))
			row->grad[c].slack += 4 * (1 + target->gamma) * logits->slack * size;
	}
}

/* What is about index targets that count. */
static void put_hits(const struct expect_problem *problem, const struct logits *logits,
		     const struct oracle_target *target, struct expect_row *row)
{
	row->correct = certain(logits, oracle_cross_entropy_correct(&logits->row, target));
	row->rank = certain(logits, (long double)oracle_cross_entropy_rank(&logits->row, target));
	if (target->ignored) {
		row->correct.slack = row->rank.slack = 0; /* whatever the logits are */
		return;
	}
	row->nll = log_prob(problem, logits, target->index);
	row->nll.value = -row->nll.value;
	row->confidence = prob(problem, logits, logits->softmax.predicted);
	row->positive = row->correct;
}

void expect_cross_entropy(const struct expect_problem *problem, size_t r, struct expect_row *row)
{
	struct logits logits = read_logits(problem, r);
	struct oracle_target target = read_target(problem, r);
	put_softmax(problem, &logits, row);
	put_grad(problem, &logits, &target, row);
	if (!target.ignored) {
		put_loss(problem, &logits, &target, 1, row);
		row->plain = row->loss;
		put_loss(problem, &logits, &target, expect_row_weight(problem, r), row);
	}
	if (!problem->probabilities)
		put_hits(problem, &logits, &target, row);
}

/* ---------------------------------------------------------------- nll_loss */

void expect_nll_loss(const struct expect_problem *problem, size_t r, struct expect_row *row)
{
	const struct loss_tensor *weight = problem->tensors[LOSS_ROLE_WEIGHT];
	const struct loss_tensor *input = problem->tensors[LOSS_ROLE_INPUT];
	row->grad = expect_array(problem, struct expect_number, problem->classes);
	if (!expect_counted(problem, r))
		return;
	size_t y = expect_class(problem, r);
	long double x = (long double)tensor_number(input, expect_place(problem, r, y));
	long double w = weight != NULL ? (long double)tensor_number(weight, y) : 1;
	long double row_weight = expect_row_weight(problem, r);
	long double scale = expect_scale(problem, r) * row_weight;
	row->loss.value = oracle_weigh(row_weight, oracle_nll_loss(x, w, false));
	row->loss.slack =
		expect_ulps(problem, limit_of(problem), row->loss.value) + expect_overflow(w * x);
	row->nll.value = -x;
	row->grad[y].value = oracle_nll_grad(w, scale, false);
	row->grad[y].slack =
		expect_grad_slack(problem, row->grad[y].value, fabsl(scale) * fmaxl(1, fabsl(w)));
}

/* ---------------------------------------------------------------- policy_gradient */

/* Of a row that counts; its ratio is 1 where nothing was sampled. */
static struct oracle_policy read_policy(const struct expect_problem *problem, size_t r,
					const struct logits *logits)
{
	const struct expect_arguments *arguments = &problem->arguments;
	size_t y = expect_class(problem, r), from = expect_target_row(problem, r);
	long double own[3] = {0};
	for (size_t i = 0; i < 3; i++)
		if (problem->tensors[LOSS_ROLE_OWN_1 + i] != NULL)
			own[i] = (long double)tensor_number(problem->tensors[LOSS_ROLE_OWN_1 + i],
							    from);
	return (struct oracle_policy){
		.objective = arguments->objective[0],
		.lp = -oracle_surprise(&logits->row, &logits->softmax, y),
		.sampled = own[0],
		.advantage = own[1],
		.reference = own[2],
		.clip_low = arguments->clip_low,
		.clip_high = arguments->clip_high,
		.beta = arguments->beta,
		.kl_weight = arguments->kl_weight,
	};
}

/* Whether nobody can tell if the ratio is outside of the clips. */
static bool is_at_a_clip(const struct oracle_policy *policy, long double ratio)
{
	const long double ends[] = {1 - policy->clip_low, 1 + policy->clip_high};
	for (size_t i = 0; i < 2; i++)
		if (fabsl(ratio - ends[i]) < 1e-5L)
			return policy->objective == 'p' || policy->objective == 'c';
	return false;
}

/* What a long double loses of differences of log-probabilities, and so of their exponentials. */
static long double policy_blur(const struct oracle_policy *policy)
{
	const long double all[] = {policy->lp, policy->sampled, policy->reference};
	long double size = 0;
	for (size_t i = 0; i < 3; i++)
		size = fmaxl(size, isfinite(all[i]) ? fabsl(all[i]) : 0);
	return size * 0x1p-61L;
}

static long double known(long double size)
{
	return isfinite(size) ? size : 0;
}

static void put_policy_grad(const struct expect_problem *problem, size_t r,
			    const struct logits *logits, const struct oracle_policy_result *result,
			    long double blur, long double doubt, struct expect_row *row)
{
	size_t y = expect_class(problem, r);
	long double scale = expect_scale(problem, r) * expect_row_weight(problem, r);
	long double other = oracle_other_prob(&logits->row, &logits->softmax, y);
	for (size_t c = 0; c < problem->classes; c++) {
		long double p = oracle_prob(&logits->row, &logits->softmax, c);
		long double share = (c == y ? -other : p) * logits->slope[c];
		long double size = fabsl(scale * share) * result->factor_size;
		long double blurred = known(size) * blur;
		long double steep = fabsl(scale) * result->factor_size * logits->steepest;
		row->grad[c].value = result->factor * scale * share;
		row->grad[c].slack = expect_grad_slack(problem, size, steep) + blurred + doubt +
				     expect_overflow(result->factor_size) + expect_overflow(size);
	}
}

void expect_policy_gradient(const struct expect_problem *problem, size_t r, struct expect_row *row)
{
	struct logits logits = read_logits(problem, r);
	put_softmax(problem, &logits, row);
	row->grad = expect_array(problem, struct expect_number, problem->classes);
	if (!expect_counted(problem, r))
		return;
	struct oracle_policy policy = read_policy(problem, r, &logits);
	struct oracle_policy_result result = oracle_policy_gradient(&policy);
	long double weight = expect_row_weight(problem, r), d = policy.lp - policy.sampled;
	long double ratio_size = result.ratio * (isfinite(d) ? fmaxl(1, fabsl(d)) : 1);
	bool at_a_clip = is_at_a_clip(&policy, result.ratio);
	long double doubt = logits.slack > 0 ? (long double)INFINITY : 0;
	long double blur = policy_blur(&policy);
	doubt += expect_overflow(4 * logits.largest) + (blur > 0.01L ? (long double)INFINITY : 0);
	if (logits.softmax.nan)
		result.factor = result.loss = result.ratio = result.kl = (long double)NAN;
	row->log_prob = log_prob(problem, &logits, expect_class(problem, r));
	row->ratio.value = result.ratio;
	row->ratio.slack = expect_ulps(problem, 4, ratio_size) + known(ratio_size) * blur + doubt;
	row->kl.value = result.kl;
	row->kl.slack = expect_ulps(problem, 4, fmaxl(1, fmaxl(ratio_size, fabsl(d)))) +
			known(ratio_size + fabsl(d)) * blur + doubt + expect_overflow(result.ratio);
	row->clipped = (struct expect_number){result.clipped && !logits.softmax.nan,
					      at_a_clip ? 1 : doubt};
	row->loss.value = oracle_weigh(weight, result.loss);
	row->loss.slack = expect_ulps(problem, 4, oracle_weigh(weight, result.loss_size)) +
			  known(weight * result.loss_size) * blur + doubt +
			  expect_overflow(result.loss_size);
	if (isinf(doubt))
		row->loss.value = row->kl.value = 0;
	bool odd = at_a_clip || (isinf(result.factor) && !logits.softmax.nan);
	put_policy_grad(problem, r, &logits, &result, blur, odd ? (long double)INFINITY : doubt,
			row);
}
