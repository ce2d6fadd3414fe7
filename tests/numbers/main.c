/*
 * Reading and writing of numbers against the C library: `make check-numbers`, ten minutes on two
 * busy cores.
 *
 *   check [COUNT]     random cases of each kind (100 million); with fewer, fewer of all floats too
 */
#include <math.h>
#include <omp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "../support/bits.h"
#include "check.h"

#define ALL UINT64_C(100000000)
#define SHOWN 10
/* Random numbers are made in batches of this many, each from a seed of its own. */
#define BATCH UINT64_C(65536)

static const struct check checks[] = {
	{"files of hard cases, read", check_files},
	{"random doubles, read as strtod does", check_read_doubles},
	{"random floats, read as strtof does", check_read_floats},
	{"random doubles, written and read back, and no digit too many", check_write_doubles},
	{"all floats, written and read back", check_all_floats},
};

void tally_wrong(struct tally *tally, const char *format, ...)
{
	va_list args;
	if (tally->wrong++ >= SHOWN)
		return;
	va_start(args, format);
	fputs("      ", stdout);
	vfprintf(stdout, format, args);
	fputc('\n', stdout);
	va_end(args);
}

void tally_add(struct tally *sum, const struct tally *part)
{
#pragma omp critical
	{
		sum->checked += part->checked;
		sum->wrong += part->wrong;
	}
}

double random_double(struct random *random)
{
	uint64_t bits = random_bits(random);
	double everyday = (double)(int64_t)random_bits(random) * 0x1p-62;
	switch (bits % 3) {
	case 0:
		return isfinite(double_of(bits)) ? double_of(bits) : everyday;
	case 1:
		return (double)(float)everyday;
	default:
		return everyday * (double)(bits >> 54);
	}
}

void check_random(struct tally *tally, uint64_t count, uint64_t seed,
		  void (*check)(struct tally *tally, struct random *random))
{
#pragma omp parallel for schedule(dynamic)
	for (uint64_t batch = 0; batch <= count / BATCH; batch++) {
		struct tally part = {0};
		struct random random = {.state = (seed << 40) + (batch << 20)};
		for (uint64_t i = 0; i < BATCH && batch * BATCH + i < count; i++)
			check(&part, &random);
		tally_add(tally, &part);
	}
}

/* Prints a line about it; false when it failed. */
static bool run(const struct check *check, uint64_t count)
{
	struct tally tally = {0};
	double start = omp_get_wtime();
	check->run(&tally, count, count < ALL ? ALL / count : 1);
	double seconds = omp_get_wtime() - start;
	if (tally.skipped)
		printf("skip  %s: %s\n", check->name, tally.skipped);
	else
		printf("%-4s  %s: %llu, %llu wrong, %.0f s\n", tally.wrong ? "FAIL" : "ok",
		       check->name, (unsigned long long)tally.checked,
		       (unsigned long long)tally.wrong, seconds);
	fflush(stdout);
	return tally.skipped || (tally.wrong == 0 && tally.checked > 0);
}

int main(int argc, char **argv)
{
	uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : ALL;
	int failed = 0;
	if (count == 0) {
		fputs("usage: check [COUNT]\n", stderr);
		return 2;
	}
	for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++)
		failed += !run(&checks[i], count);
	printf("%zu passed, %d failed\n", sizeof checks / sizeof checks[0] - (size_t)failed,
	       failed);
	return failed > 0;
}
