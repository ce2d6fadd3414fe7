#include "expect_summary.h"

#include <string.h>

#include "random.h"
#include "ulp.h"

/* ---------------------------------------------------------------- sums */

static long double f64_ulp(long double size)
{
	return isfinite(size) ? ulp_of(LOSS_F64, fminl(fabsl(size), (long double)DBL_MAX)) : 0;
}

/* What a row adds is a double. */
static void add(struct expect_sum *sum, struct expect_number number)
{
	bool too_large = isfinite(number.value) && fabsl(number.value) > (long double)DBL_MAX;
	if (too_large)
		number.value = copysignl((long double)INFINITY, number.value);
	if (isfinite(number.value) && fabsl(number.value) + number.slack > (long double)DBL_MAX)
		number.slack = (long double)INFINITY;
	oracle_add(&sum->value, number.value);
	oracle_add(&sum->size, fabsl(number.value));
	if (isfinite(number.value)) {
		oracle_add(&sum->finite, fabsl(number.value));
		sum->slack += number.slack;
	}
}

/* Where magnitudes alone overflow, what the sum comes to is a matter of order. */
struct expect_number expect_total(const struct expect_sum *sum)
{
	struct expect_number number = {oracle_total(&sum->value), sum->slack};
	if (oracle_total(&sum->finite) > (long double)DBL_MAX)
		number.slack = (long double)INFINITY;
	return number;
}

/* ---------------------------------------------------------------- rows */

static size_t n_bins(const struct expect_problem *problem)
{
	return (size_t)problem->arguments.ece_bins;
}

void expect_summary_start(const struct expect_problem *problem, struct expect_summary *summary)
{
	*summary = (struct expect_summary){
		.bins = expect_array(problem, struct expect_bin, n_bins(problem))};
}

/* (i/n, (i+1)/n], the first with 0. */
static void add_to_bin(const struct expect_problem *problem, struct expect_summary *summary,
		       const struct expect_row *row)
{
	size_t n = n_bins(problem), i = 0;
	long double p = row->confidence.value;
	long double slack = fmaxl(row->confidence.slack, row->positive.slack);
	long double scaled = p * (long double)n, border = rintl(scaled);
	bool inner = border > 0 && border < (long double)n;
	while (i + 1 < n && scaled > (long double)(i + 1))
		i++;
	if (inner && fabsl(scaled - border) <= (slack + 1e-15L) * (long double)n)
		slack = (long double)INFINITY;
	summary->bins[i].n++;
	oracle_add(&summary->bins[i].confidence, p);
	oracle_add(&summary->bins[i].positive, row->positive.value);
	summary->confidence_slack = fmaxl(summary->confidence_slack, slack);
}

static struct expect_number within_k(const struct expect_problem *problem,
				     const struct expect_row *row)
{
	long double k = problem->arguments.k;
	if (k == 0)
		k = problem->classes < 5 ? (long double)problem->classes : 5;
	return (struct expect_number){row->rank.value >= 0 && row->rank.value < k, row->rank.slack};
}

/* What the row adds to the sum of the sequences' means. */
static struct expect_number in_mean(const struct expect_problem *problem, size_t r,
				    struct expect_number loss)
{
	long double share = problem->sequence_shares[r / problem->sequence_rows];
	struct expect_number part = {loss.value / share, loss.slack / share};
	part.slack += f64_ulp(part.value);
	return part;
}

void expect_summary_add(const struct expect_problem *problem, struct expect_summary *summary,
			size_t r, const struct expect_row *row)
{
	if (!row->counted)
		return;
	summary->counted++;
	add(&summary->loss, row->loss);
	add(&summary->z_loss, row->z_loss);
	add(&summary->nll, row->nll);
	add(&summary->kl, row->kl);
	add(&summary->clipped, row->clipped);
	if (problem->sequence_rows > 0)
		add(&summary->means, in_mean(problem, r, row->loss));
	add(&summary->correct, row->correct);
	add(&summary->agrees, row->agrees);
	add(&summary->within_k, within_k(problem, row));
	add(&summary->share, (struct expect_number){expect_share(problem, r), 0});
	add_to_bin(problem, summary, row);
}

/* ---------------------------------------------------------------- reductions */

struct expect_number expect_reduced(const struct expect_problem *problem,
				    const struct expect_summary *summary, const char *output)
{
	const struct expect_sum *sum =
		strcmp(output, "loss") == 0 ? &summary->loss : &summary->z_loss;
	if (problem->sequence_rows > 0)
		sum = &summary->means;
	bool is_sum = strcmp(problem->arguments.reduction, "sum") == 0;
	struct expect_number number = expect_total(sum);
	if (!is_sum && problem->arguments.zero_empty_mean && summary->counted == 0)
		return (struct expect_number){0, 0};
	number.value /= problem->divisor;
	number.slack /= fabsl(problem->divisor);
	number.slack += expect_ulps(problem, 1, oracle_total(&sum->size) / problem->divisor);
	return number;
}

struct expect_number expect_sum_of(const struct expect_sum *sum)
{
	struct expect_number number = expect_total(sum);
	number.slack += f64_ulp(oracle_total(&sum->size));
	return number;
}

/* ---------------------------------------------------------------- one number about all rows */

static struct expect_number share_of(const struct expect_sum *sum, long double n)
{
	struct expect_number number = expect_total(sum);
	return (struct expect_number){number.value / n, number.slack / n + 0x1p-53L};
}

static struct expect_number accuracy(const struct expect_problem *problem,
				     const struct expect_summary *summary, long double n)
{
	(void)problem;
	return share_of(&summary->correct, n);
}

static struct expect_number agreement(const struct expect_problem *problem,
				      const struct expect_summary *summary, long double n)
{
	(void)problem;
	return share_of(&summary->agrees, n);
}

static struct expect_number topk_accuracy(const struct expect_problem *problem,
					  const struct expect_summary *summary, long double n)
{
	(void)problem;
	return share_of(&summary->within_k, n);
}

static struct expect_number perplexity(const struct expect_problem *problem,
				       const struct expect_summary *summary, long double n)
{
	struct expect_number nll = expect_total(&summary->nll);
	long double mean = nll.value / n, value = expl(mean);
	(void)problem;
	if (!isfinite(value))
		return (struct expect_number){value, 0};
	return (struct expect_number){
		value, value * (expm1l(nll.slack / n) + (1 + fabsl(mean)) * 0x1p-50L)};
}

static struct expect_number clip_fraction(const struct expect_problem *problem,
					  const struct expect_summary *summary, long double n)
{
	(void)problem;
	return share_of(&summary->clipped, n);
}

static struct expect_number kl(const struct expect_problem *problem,
			       const struct expect_summary *summary, long double n)
{
	struct expect_number sum = expect_total(&summary->kl);
	(void)problem;
	return (struct expect_number){sum.value / n, sum.slack / n + f64_ulp(sum.value / n)};
}

/* By its norm: the mean, the root of the mean square, or the largest of the bins' gaps. */
static struct expect_number calibration(const struct expect_problem *problem,
					const struct expect_summary *summary, long double n)
{
	const char *norm = problem->arguments.ece_norm;
	struct oracle_sum mean = {0}, square = {0};
	long double largest = 0, value;
	for (size_t i = 0; i < n_bins(problem); i++) {
		const struct expect_bin *bin = &summary->bins[i];
		if (bin->n == 0)
			continue;
		long double rows = (long double)bin->n;
		long double gap =
			fabsl(oracle_total(&bin->positive) - oracle_total(&bin->confidence)) / rows;
		oracle_add(&mean, rows / n * gap);
		oracle_add(&square, rows / n * gap * gap);
		largest = isnan(gap) ? gap : fmaxl(largest, gap);
	}
	value = strcmp(norm, "l1") == 0   ? oracle_total(&mean)
		: strcmp(norm, "l2") == 0 ? sqrtl(oracle_total(&square))
					  : largest;
	if (isnan(oracle_total(&mean)))
		value = (long double)NAN;
	return (struct expect_number){value, summary->confidence_slack + 0x1p-50L};
}

static const struct {
	const char *name;
	struct expect_number (*value)(const struct expect_problem *problem,
				      const struct expect_summary *summary, long double n);
} summaries[] = {
	{"accuracy", accuracy},
	{"agreement", agreement},
	{"topk_accuracy", topk_accuracy},
	{"perplexity", perplexity},
	{"ece", calibration},
	{"clip_fraction", clip_fraction},
	{"kl", kl},
};

bool expect_summarizes(const char *output)
{
	for (size_t i = 0; i < sizeof(summaries) / sizeof(summaries[0]); i++)
		if (strcmp(summaries[i].name, output) == 0)
			return true;
	return false;
}

struct expect_number expect_summarized(const struct expect_problem *problem,
				       const struct expect_summary *summary, const char *output)
{
	for (size_t i = 0; i < sizeof(summaries) / sizeof(summaries[0]); i++)
		if (strcmp(summaries[i].name, output) == 0)
			return summary->counted == 0
				       ? (struct expect_number){(long double)NAN, 0}
				       : summaries[i].value(problem, summary,
							    (long double)summary->counted);
	require(false, "there is no oracle of the output %s", output);
	return (struct expect_number){0, 0};
}
