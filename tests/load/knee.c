#include "knee.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "report.h"

#define FIRST_PART 8    /* of what the closed model gives */
#define LEAST_PART 1024 /* a smaller one is no longer tried */
#define CLOSE_ENOUGH 1.05
#define ANSWERED 0.99 /* of the rate: what is slower falls ever further behind */

static bool holds(const struct options *options, const struct measured *measured, double rate)
{
	return measured_failed(measured) == 0 && measured->latency.n > 0 &&
	       measured_rate(measured) >= ANSWERED * rate - 1.0 &&
	       histogram_quantile(&measured->latency, 0.99) <= options->p99_ns;
}

/* Keeps what it measured in *best where the rate is held. */
static bool try_rate(const struct options *options, struct workload *workload, double rate,
		     struct measured **best, bool *held)
{
	struct measured *measured = drive(options, workload, rate);
	*held = measured && holds(options, measured, rate);
	if (measured)
		report_step(options, measured, rate, *held);
	if (*held) {
		free(*best);
		*best = measured;
	} else {
		free(measured);
	}
	return measured != NULL;
}

/* What the closed model answers a second; 0 where it could not be measured. */
static double closed_rate(const struct options *options, struct workload *workload)
{
	struct measured *measured = drive(options, workload, 0.0);
	double rate = measured ? measured_rate(measured) : 0.0;
	if (measured)
		report_step(options, measured, 0.0, rate > 0.0);
	free(measured);
	return rate;
}

int find_knee(const struct options *options, struct workload *workload)
{
	struct measured *best = NULL;
	double closed = closed_rate(options, workload), rate = closed / FIRST_PART;
	double low = 0.0, high = HUGE_VAL;
	bool held, ran = closed > 0.0;
	while (ran && high > CLOSE_ENOUGH * low && rate > closed / LEAST_PART) {
		ran = try_rate(options, workload, rate, &best, &held);
		if (held)
			low = rate;
		else
			high = rate;
		rate = low <= 0.0 ? rate / 2 : high == HUGE_VAL ? 2 * rate : (low + high) / 2;
	}
	if (best)
		report_knee(options, workload, low, best);
	else
		fputs("lossd-load: no rate was held\n", stderr);
	int status = best ? 0 : 1;
	free(best);
	return status;
}
