#include "ulp.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is peculiar to a type: digits of the significand, lowest exponent of a subnormal's last
 * digit, maximum. */
struct format {
	int digits, lowest;
	long double max;
};

static struct format format_of(loss_dtype dtype)
{
	if (dtype == LOSS_F32)
		return (struct format){24, -149, (long double)FLT_MAX};
	return (struct format){53, -1074, (long double)DBL_MAX};
}

long double ulp_of(loss_dtype dtype, long double magnitude)
{
	struct format format = format_of(dtype);
	int exponent = 0;
	if (!isfinite(magnitude) || fabsl(magnitude) > format.max)
		return (long double)INFINITY;
	frexpl(magnitude, &exponent);
	int lowest = magnitude == 0 ? format.lowest : exponent - format.digits;
	return ldexpl(1, lowest > format.lowest ? lowest : format.lowest);
}

/* Whether rounding to the type makes an infinity of a finite value. */
static bool overflows(loss_dtype dtype, long double exact)
{
	struct format format = format_of(dtype);
	return fabsl(exact) >= format.max + ulp_of(dtype, format.max) / 2;
}

long double ulp_error_scaled(loss_dtype dtype, double got, long double exact, long double scale)
{
	if (isnan(got) || isnan(exact))
		return isnan(got) && isnan(exact) ? 0 : (long double)INFINITY;
	if (isinf(got) || isinf(exact) || overflows(dtype, exact)) {
		bool both = isinf(got) && (isinf(exact) || overflows(dtype, exact));
		return both && (got > 0) == (exact > 0) ? 0 : (long double)INFINITY;
	}
	return fabsl((long double)got - exact) / ulp_of(dtype, scale);
}

long double ulp_error(loss_dtype dtype, double got, long double exact)
{
	return ulp_error_scaled(dtype, got, exact, exact);
}

long double ulp_error_floored(loss_dtype dtype, double got, long double exact, long double scale)
{
	if (isfinite(got) && isfinite(exact) && fabsl(scale) < 1e-30L)
		return fabsl((long double)got - exact) <= 1e-36L ? 0 : (long double)INFINITY;
	return ulp_error_scaled(dtype, got, exact, scale);
}

struct note {
	const char *quantity, *distribution;
	loss_dtype dtype;
	long double worst;
	size_t count;
};

static struct note notes[2048];
static size_t n_notes;

void ulp_note(const char *quantity, loss_dtype dtype, const char *distribution, long double error)
{
	size_t i = n_notes;
	while (i > 0 && !(notes[i - 1].dtype == dtype && !strcmp(notes[i - 1].quantity, quantity) &&
			  !strcmp(notes[i - 1].distribution, distribution)))
		i--;
	if (i == 0) {
		assert(n_notes < sizeof(notes) / sizeof(notes[0]));
		notes[n_notes++] = (struct note){quantity, distribution, dtype, 0, 0};
		i = n_notes;
	}
	if (error > notes[i - 1].worst)
		notes[i - 1].worst = error;
	notes[i - 1].count++;
}

void ulp_report(const char *title)
{
	const char *wanted = getenv("LOSSD_ACCURACY");
	if (wanted != NULL && strcmp(wanted, "0") != 0) {
		printf("%s: worst error in ulp\n%-28s %-7s %-14s %9s %10s\n", title, "quantity",
		       "dtype", "distribution", "worst", "values");
		for (size_t i = 0; i < n_notes; i++)
			printf("%-28s %-7s %-14s %9.3Lf %10zu\n", notes[i].quantity,
			       loss_dtype_info(notes[i].dtype)->name, notes[i].distribution,
			       notes[i].worst, notes[i].count);
	}
	n_notes = 0;
}
