/*
 * Many numbers at once: the fast way through "0.71234, -3.25, 12.0" and "3, 0, 17" of nested
 * arrays. What is not of the plainest form, digits with a point between them or none, is left to
 * number_scan.
 */
#ifndef LOSSD_CODEC_NUMBER_RUN_H
#define LOSSD_CODEC_NUMBER_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Reads up to n numbers from *p, each rounded to the nearest double and then to the nearest float,
 * and what separates them: a comma, and spaces after it. Moves *p after what it took; *comma says
 * whether that ends with a comma (and spaces), not with a number. Returns how many it took, 0
 * without a change of *comma. It stops, at the beginning of a number, before any that is not plain
 * or may go on after limit.
 */
size_t number_run_f32(const char **p, const char *limit, float *out, size_t n, bool *comma);
/* The same for integers of at most 18 digits, without a point. It leaves -0, which has a sign to
 * keep. */
size_t number_run_i64(const char **p, const char *limit, int64_t *out, size_t n, bool *comma);

#endif
