/*
 * The kernels against the oracle, on random rows: fuzz_kernels, with what to do in the environment.
 *
 *   CASES=1000000  rows to judge (of element-wise losses too)
 *   SEED=1         where the random numbers start; printed, with the batch, wherever something is
 *                  found
 *   BATCH=7        only this batch
 *   FAMILY=NAME    only cross_entropy, softmax, log_softmax, nll_loss or elements
 *   DUMP=FILE      batches and results as pytorch_errors.py reads them
 *
 * Ends with the table of worst errors, and with 1 where the contract was violated.
 */
#include "fuzz.h"

#include <inttypes.h>
#include <omp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../support/ulp.h"

#define MAX_PRINTED 40 /* violations; all are counted */

static const struct {
	const char *name;
	fuzz_family *run;
	unsigned share;
} families[] = {
	{"cross_entropy", fuzz_cross_entropy, 10},
	{"softmax", fuzz_softmax, 2},
	{"log_softmax", fuzz_log_softmax, 2},
	{"nll_loss", fuzz_nll_loss, 1},
	{"elements", fuzz_elements, 4},
};
#define N_FAMILIES (sizeof(families) / sizeof(families[0]))

static uint64_t seed = 1;
static size_t wanted = 1000000;
static const char *only_family;
static FILE *dump_file;

/* ---------------------------------------------------------------- judging */

static struct fuzz_note *find_note(struct fuzz_tally *tally, const char *quantity, loss_dtype dtype)
{
	for (size_t i = 0; i < tally->n_notes; i++)
		if (tally->notes[i].dtype == dtype &&
		    strcmp(tally->notes[i].quantity, quantity) == 0)
			return &tally->notes[i];
	if (tally->n_notes == FUZZ_MAX_NOTES) {
		fprintf(stderr, "more than %d quantities\n", FUZZ_MAX_NOTES);
		exit(2);
	}
	struct fuzz_note *note = &tally->notes[tally->n_notes++];
	*note = (struct fuzz_note){.quantity = quantity, .dtype = dtype, .limit = FUZZ_UNJUDGED};
	return note;
}

void fuzz_violation(struct fuzz_batch *batch, const char *format, ...)
{
	if (batch->tally->violations++ >= MAX_PRINTED)
		return;
	char what[256];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(what, sizeof(what), format, arguments);
	va_end(arguments);
	static const char *const layouts[] = {"rows", "inner", "class last", "unbatched"};
	printf("violation: SEED=%" PRIu64 " BATCH=%" PRIu64
	       ": %s %s, %zu x %zu x %zu (%s), %s%s%s: "
	       "%s\n",
	       seed, batch->number, batch->loss->name, loss_dtype_info(batch->dtype)->name,
	       batch->n, batch->classes, batch->inner, layouts[batch->layout], batch->distribution,
	       batch->reduction != NULL ? ", " : "",
	       batch->reduction != NULL ? batch->reduction : "", what);
	fflush(stdout);
}

void fuzz_detail(struct fuzz_batch *batch, const char *format, ...)
{
	if (batch->tally->violations > MAX_PRINTED)
		return;
	va_list arguments;
	va_start(arguments, format);
	fputs("    ", stdout);
	vprintf(format, arguments);
	putchar('\n');
	va_end(arguments);
}

void fuzz_judge(struct fuzz_batch *batch, const char *quantity, size_t row, long double error,
		long double limit)
{
	struct fuzz_note *note = find_note(batch->tally, quantity, batch->dtype);
	note->values++;
	if (limit < note->limit)
		note->limit = limit; /* what all of them are allowed at least */
	if (error > note->worst) {
		note->worst = error;
		note->worst_batch = batch->number;
	}
	if (!(error <= limit))
		fuzz_violation(batch, "%s of row %zu is off by %.4Lg ulp, %.4Lg allowed", quantity,
			       row, error, limit);
}

long double fuzz_grad_error(loss_dtype dtype, double got, long double exact, long double scale,
			    long double factor)
{
	long double floor = factor > 1 ? factor : 1;
	if (isfinite(got) && isfinite(exact) && fabsl(scale) < 1e-30L * floor)
		return fabsl((long double)got - exact) <= 1e-36L * floor ? 0
									 : (long double)INFINITY;
	return ulp_error_scaled(dtype, got, exact, scale);
}

/* ---------------------------------------------------------------- dumps */

void fuzz_dump_start(struct fuzz_batch *batch)
{
	fprintf(batch->dump, "%s %s %zu %zu\n", batch->loss->name,
		loss_dtype_info(batch->dtype)->name, batch->rows, batch->classes);
}

void fuzz_dump(struct fuzz_batch *batch, double value)
{
	fwrite(&value, sizeof(value), 1, batch->dump);
}

void fuzz_dump_exact(struct fuzz_batch *batch, long double value)
{
	double high = (double)value;
	fuzz_dump(batch, high);
	fuzz_dump(batch, isfinite(high) ? (double)(value - (long double)high) : 0);
}

/* ---------------------------------------------------------------- running */

static fuzz_family *any_family(struct random *random)
{
	unsigned all = 0;
	for (size_t i = 0; i < N_FAMILIES; i++)
		all += families[i].share;
	size_t left = random_below(random, all), i = 0;
	for (; left >= families[i].share; i++)
		left -= families[i].share;
	for (size_t k = 0; only_family != NULL && k < N_FAMILIES; k++)
		if (strcmp(families[k].name, only_family) == 0)
			i = k;
	return families[i].run;
}

static void run_batch(uint64_t number, struct fuzz_tally *tally)
{
	struct random mixer = {.state = seed * 0x9e3779b97f4a7c15u + number, .seed = seed};
	struct fuzz_batch batch = {.arena = loss_arena_create(NULL),
				   .random = {.state = random_bits(&mixer), .seed = seed},
				   .number = number,
				   .tally = tally,
				   .dump = dump_file};
	if (batch.arena == NULL) {
		fputs("no memory for an arena\n", stderr);
		exit(2);
	}
	any_family (&batch.random)(&batch);
	loss_arena_destroy(batch.arena);
}

static void merge(struct fuzz_tally *into, const struct fuzz_tally *from)
{
	for (size_t i = 0; i < from->n_notes; i++) {
		const struct fuzz_note *note = &from->notes[i];
		struct fuzz_note *sum = find_note(into, note->quantity, note->dtype);
		sum->values += note->values;
		sum->limit = note->limit < sum->limit ? note->limit : sum->limit;
		if (note->worst > sum->worst) {
			sum->worst = note->worst;
			sum->worst_batch = note->worst_batch;
		}
	}
	into->rows += from->rows;
	into->violations += from->violations;
}

/* Batches of this many are judged by all threads, then the numbers so far are told. */
#define ROUND 200

static void run_all(struct fuzz_tally *total)
{
	time_t start = time(NULL), told = start;
	for (uint64_t first = 0; total->rows < wanted; first += ROUND) {
#pragma omp parallel
		{
			struct fuzz_tally *own = calloc(1, sizeof(*own));
			if (own == NULL)
				exit(2);
#pragma omp for schedule(dynamic, 1)
			for (uint64_t i = first; i < first + ROUND; i++)
				run_batch(i, own);
#pragma omp critical
			merge(total, own);
			free(own);
		}
		if (time(NULL) - told >= 20) {
			told = time(NULL);
			printf("%zu of %zu rows, %zu violations, %lld seconds\n", total->rows,
			       wanted, total->violations, (long long)(told - start));
			fflush(stdout);
		}
	}
}

/* ---------------------------------------------------------------- the table */

static int by_name(const void *a, const void *b)
{
	const struct fuzz_note *x = a, *y = b;
	int order = strcmp(x->quantity, y->quantity);
	return order != 0 ? order : (x->dtype > y->dtype) - (x->dtype < y->dtype);
}

static void print_table(struct fuzz_tally *total)
{
	const char *isas[FUZZ_MAX_ISAS];
	size_t n = fuzz_isas(isas);
	qsort(total->notes, total->n_notes, sizeof(total->notes[0]), by_name);
	printf("worst error in ulp (the same bits on:");
	for (size_t i = 0; i < n; i++)
		printf(" %s", isas[i]);
	printf(")\n%-34s %-8s %9s %8s %12s %12s\n", "quantity", "dtype", "worst", "allowed",
	       "values", "batch");
	for (size_t i = 0; i < total->n_notes; i++) {
		const struct fuzz_note *note = &total->notes[i];
		char limit[32] = "-";
		if (isfinite(note->limit))
			snprintf(limit, sizeof(limit), "%.3Lg", note->limit);
		printf("%-34s %-8s %9.3Lf %8s %12zu %12" PRIu64 "\n", note->quantity,
		       loss_dtype_info(note->dtype)->name, note->worst, limit, note->values,
		       note->worst_batch);
	}
}

static uint64_t number_of(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);
	char *end;
	if (text == NULL || *text == '\0')
		return otherwise;
	uint64_t number = strtoull(text, &end, 0);
	if (*end != '\0') {
		fprintf(stderr, "%s must be a number, not %s\n", name, text);
		exit(2);
	}
	return number;
}

int main(void)
{
	const uint64_t all = UINT64_MAX;
	struct fuzz_tally *total = calloc(1, sizeof(*total));
	if (!ORACLE_IS_PRECISE || total == NULL) {
		fputs("long double is no wider than double here: there is no oracle\n", stderr);
		return 2;
	}
	seed = number_of("SEED", seed);
	wanted = (size_t)number_of("CASES", wanted);
	only_family = getenv("FAMILY");
	const char *path = getenv("DUMP");
	if (path != NULL && *path != '\0') {
		dump_file = fopen(path, "wb");
		omp_set_num_threads(1);
		if (dump_file == NULL) {
			perror(path);
			return 2;
		}
	}
	printf("SEED=%" PRIu64 ", %zu rows\n", seed, wanted);
	if (number_of("BATCH", all) != all)
		run_batch(number_of("BATCH", 0), total);
	else
		run_all(total);
	if (dump_file != NULL && fclose(dump_file) != 0)
		perror(path);
	print_table(total);
	printf("%zu rows, %zu violations\n", total->rows, total->violations);
	int code = total->violations > 0;
	free(total);
	return code;
}
