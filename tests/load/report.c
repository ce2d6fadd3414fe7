#include "report.h"

#include <inttypes.h>
#include <stdio.h>

static const struct {
	const char *name;
	double part;
} quantiles[] = {{"p50", 0.5},     {"p90", 0.9},       {"p99", 0.99},
		 {"p99.9", 0.999}, {"p99.99", 0.9999}, {"max", 1.0}};
#define N_QUANTILES (sizeof quantiles / sizeof quantiles[0])

/* ---------------------------------------------------------------- for people */

static void print_what(const struct options *options, const struct workload *workload, double rate)
{
	const struct body *body = &workload->bodies[0];
	if (options->n_files)
		printf("%s, %zu files", options->loss->name, options->n_files);
	else
		printf("%s ", options->loss->name);
	for (int axis = 0; !options->n_files && axis < options->rank; axis++)
		printf("%s%zu", axis ? "x" : "", options->shape[axis]);
	if (!options->n_files)
		printf(" %s as %s, %zu bodies of %zu bytes", loss_dtype_info(options->dtype)->name,
		       format_names[options->format], workload->n, body->n);
	printf("; %zu connections, %zu threads; ", options->connections, options->threads);
	if (rate > 0.0)
		printf("open model, %g a second%s\n", rate, options->poisson ? ", Poisson" : "");
	else
		printf("closed model\n");
}

static void print_times(const char *name, const struct histogram *times)
{
	printf("  %-10s", name);
	for (size_t i = 0; i < N_QUANTILES; i++)
		printf(" %11.4f", (double)histogram_quantile(times, quantiles[i].part) * 1e-6);
	printf(" %11.4f\n", histogram_mean(times) * 1e-6);
}

static void print_latency(const struct measured *measured)
{
	printf("  %-10s", "ms");
	for (size_t i = 0; i < N_QUANTILES; i++)
		printf(" %11s", quantiles[i].name);
	printf(" %11s\n", "mean");
	print_times("client", &measured->latency);
	for (size_t i = 0; i < N_PHASES; i++)
		if (measured->phases[i].n > 0)
			print_times(phase_names[i], &measured->phases[i]);
}

static void print_failed(const struct measured *measured)
{
	printf("  failed     %" PRIu64 ": %" PRIu64 " wrong losses, %" PRIu64
	       " without a reply, %" PRIu64 " never sent",
	       measured_failed(measured), measured->wrong, measured->cut, measured->unsent);
	for (size_t i = 0; i < MAX_STATUSES && measured->refused[i].n > 0; i++)
		printf(", %" PRIu64 " of status %d", measured->refused[i].n,
		       measured->refused[i].status);
	printf("\n");
	if (measured->trouble[0] != '\0')
		printf("  the first: %s\n", measured->trouble);
}

static void print_all(const struct options *options, const struct workload *workload,
		      const struct measured *measured, double rate)
{
	double seconds = (double)(measured->end - measured->begin) * 1e-9;
	print_what(options, workload, rate);
	printf("  answered   %" PRIu64 " in %.2f s: %.1f a second; %.1f MB/s sent, %.1f received\n",
	       measured->answered, seconds, measured_rate(measured),
	       (double)measured->bytes_sent * 1e-6 / seconds,
	       (double)measured->bytes_received * 1e-6 / seconds);
	print_latency(measured);
	if (measured_failed(measured) > 0)
		print_failed(measured);
}

/* ---------------------------------------------------------------- JSON */

static void json_times(const char *name, const struct histogram *times)
{
	printf("\"%s\":{\"n\":%" PRIu64 ",\"mean\":%.9g", name, times->n,
	       histogram_mean(times) * 1e-9);
	for (size_t i = 0; i < N_QUANTILES; i++)
		printf(",\"%s\":%.9g", quantiles[i].name,
		       (double)histogram_quantile(times, quantiles[i].part) * 1e-9);
	printf("}");
}

static void json_what(const struct options *options, const struct workload *workload, double rate)
{
	printf("{\"loss\":\"%s\",\"model\":\"%s\",\"rate\":%.9g,\"connections\":%zu,"
	       "\"threads\":%zu,\"bodies\":%zu,\"body_bytes\":%zu,",
	       options->loss->name, rate > 0.0 ? "open" : "closed", rate, options->connections,
	       options->threads, workload->n, workload->bodies[0].n);
	if (options->n_files)
		return;
	printf("\"format\":\"%s\",\"dtype\":\"%s\",\"shape\":[", format_names[options->format],
	       loss_dtype_info(options->dtype)->name);
	for (int axis = 0; axis < options->rank; axis++)
		printf("%s%zu", axis ? "," : "", options->shape[axis]);
	printf("],");
}

static void json_refused(const struct measured *measured)
{
	printf("\"refused\":{");
	for (size_t i = 0; i < MAX_STATUSES && measured->refused[i].n > 0; i++)
		printf("%s\"%d\":%" PRIu64, i ? "," : "", measured->refused[i].status,
		       measured->refused[i].n);
	printf("},");
}

static void json_all(const struct options *options, const struct workload *workload,
		     const struct measured *measured, double rate)
{
	json_what(options, workload, rate);
	printf("\"seconds\":%.9g,\"answered\":%" PRIu64 ",\"answered_per_second\":%.9g,"
	       "\"bytes_sent\":%" PRIu64 ",\"bytes_received\":%" PRIu64 ",\"failed\":%" PRIu64
	       ",\"wrong\":%" PRIu64 ",\"cut\":%" PRIu64 ",\"unsent\":%" PRIu64 ",",
	       (double)(measured->end - measured->begin) * 1e-9, measured->answered,
	       measured_rate(measured), measured->bytes_sent, measured->bytes_received,
	       measured_failed(measured), measured->wrong, measured->cut, measured->unsent);
	json_refused(measured);
	json_times("latency_seconds", &measured->latency);
	printf(",\"phase_seconds\":{");
	for (size_t i = 0; i < N_PHASES; i++) {
		printf("%s", i ? "," : "");
		json_times(phase_names[i], &measured->phases[i]);
	}
	printf("}}\n");
}

void report(const struct options *options, const struct workload *workload,
	    const struct measured *measured, double rate)
{
	(options->json ? json_all : print_all)(options, workload, measured, rate);
}

/* ---------------------------------------------------------------- the search */

void report_step(const struct options *options, const struct measured *measured, double rate,
		 bool held)
{
	/* Beside JSON for programs, the steps are for people who wait. */
	FILE *out = options->json ? stderr : stdout;
	if (rate > 0.0)
		fprintf(out, "%12.1f a second, %s:", rate, held ? "held" : "too much");
	else
		fprintf(out, "        closed model:");
	fprintf(out, " %12.1f answered, p99 %9.3f ms, %" PRIu64 " failed\n",
		measured_rate(measured),
		(double)histogram_quantile(&measured->latency, 0.99) * 1e-6,
		measured_failed(measured));
	fflush(out);
}

void report_knee(const struct options *options, const struct workload *workload, double rate,
		 const struct measured *measured)
{
	if (!options->json)
		printf("the largest rate at which 99 %% were answered within %g ms: %.1f a "
		       "second\n",
		       (double)options->p99_ns * 1e-6, rate);
	report(options, workload, measured, rate);
}
