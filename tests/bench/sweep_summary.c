/* What hundreds of ratios say together. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"
#include "sweep.h"

#define WORST 5

static const struct bench_case of_mean = {.id = "K9", .reference = REFERENCE_PYTORCH, .bar = 5.0};

/* Bars beside our own plain call, one for each case that has one, by its place in sweep_cases. */
static struct bench_case of_plain[64];

static int by_ratio(const void *a, const void *b)
{
	const struct sweep_result *const *x = a, *const *y = b;
	double p = (*x)->measured->ratio, q = (*y)->measured->ratio;
	return (p > q) - (p < q);
}

/* Those of a type, or of all where it is NULL, that have a ratio, the smallest first. */
static size_t sorted(const struct sweep_result *results, size_t n, const char *dtype,
		     const struct sweep_result **out)
{
	size_t found = 0;
	for (size_t i = 0; i < n; i++)
		if (!isnan(results[i].measured->ratio) &&
		    (!dtype || strcmp(results[i].dtype, dtype) == 0))
			out[found++] = &results[i];
	qsort(out, found, sizeof *out, by_ratio);
	return found;
}

struct summary {
	size_t n, below;
	double median, mean;
};

static struct summary summary_of(const struct sweep_result *const *sorted, size_t n)
{
	struct summary summary = {.n = n, .median = (double)NAN, .mean = (double)NAN};
	double logarithms = 0.0;
	for (size_t i = 0; i < n; i++) {
		summary.below += sorted[i]->measured->ratio < 1.0;
		logarithms += log(sorted[i]->measured->ratio);
	}
	if (n > 0) {
		summary.median = sorted[n / 2]->measured->ratio;
		summary.mean = exp(logarithms / (double)n);
	}
	return summary;
}

static struct measured mean_row(const struct summary *all)
{
	struct measured row = {
		.what = &of_mean,
		.ours = (double)NAN,
		.reference = (double)NAN,
		.unit = "ms",
		.ratio = all->mean,
		.met = all->mean >= of_mean.bar,
	};
	snprintf(row.name, sizeof row.name, "geometric mean of %zu cases", all->n);
	if (all->n > 0)
		note(&row, "%zu below 1; median %.2f", all->below, all->median);
	else
		note(&row, "there is none to compare with");
	return row;
}

/* The worst of a case beside our own plain call; false where none was measured. */
static bool plain_row(const struct sweep_result *results, size_t n, const struct sweep_case *what,
		      struct measured *row)
{
	const struct sweep_result *worst = NULL;
	double most = 0.0;
	for (size_t i = 0; i < n; i++) {
		double ratio = results[i].measured->ours / results[i].plain;
		if (results[i].what != what || isnan(ratio) || ratio <= most)
			continue;
		worst = &results[i];
		most = ratio;
	}
	if (!worst)
		return false;
	struct bench_case *bar = &of_plain[what - sweep_cases];
	*bar = (struct bench_case){.id = "K9",
				   .reference = REFERENCE_PLAIN_CALL,
				   .bar = what->bar_of_plain,
				   .at_most = true};
	*row = (struct measured){
		.what = bar,
		.ours = worst->measured->ours,
		.reference = worst->plain,
		.unit = "ms",
		.factor = 1e3,
		.ratio = most,
		.met = most <= bar->bar,
	};
	memcpy(row->name, worst->measured->name, sizeof row->name);
	note(row, "the worst of all beside our own plain call");
	return true;
}

static void print_types(const struct sweep_result *results, size_t n,
			const struct sweep_result **some)
{
	for (const char *const *dtype = sweep_dtypes; *dtype; dtype++) {
		struct summary summary = summary_of(some, sorted(results, n, *dtype, some));
		if (summary.n > 0)
			printf("%s: %zu cases, %zu below 1, median %.2f, geometric mean %.2f\n",
			       *dtype, summary.n, summary.below, summary.median, summary.mean);
	}
}

size_t sweep_summarise(const struct sweep_result *results, size_t n, struct measured *rows)
{
	static const struct sweep_result *some[SWEEP_ROWS];
	size_t found = sorted(results, n, NULL, some), made = 0;
	struct summary all = summary_of(some, found);
	puts("");
	report_head(stdout);
	rows[made++] = mean_row(&all);
	for (const struct sweep_case *what = sweep_cases; what->name; what++)
		if (what->bar_of_plain > 0.0)
			made += plain_row(results, n, what, &rows[made]);
	for (size_t i = 0; i < made; i++)
		report_row(stdout, &rows[i]);
	puts("\nThe worst:");
	for (size_t i = 0; i < found && i < WORST; i++)
		printf("%.3f  %s\n", some[i]->measured->ratio, some[i]->measured->name);
	puts("");
	print_types(results, n, some);
	return made;
}
