/* The sum of doubles, rounded once: what every order and grouping of them must come to. */
#ifndef TESTS_SUPPORT_EXACT_SUM_H
#define TESTS_SUPPORT_EXACT_SUM_H

#include <stddef.h>

/*
 * Shewchuk's adaptive sum (1997), as Python's math.fsum: exact, then rounded to nearest even; +0
 * where it is 0. Infinities and NaN win as they do in a sum. Partial sums of finite terms must not
 * overflow.
 */
double exact_sum(const double *terms, size_t n);

#endif
