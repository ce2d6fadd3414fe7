/* The table for people and the same as JSON for programs. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <stdio.h>

#include "measure.h"

void report_machine(FILE *out, const struct bench *bench);
void report_head(FILE *out);
void report_row(FILE *out, const struct measured *measured);

/* An array of {"id", "case", "ours", "reference", "unit", "ratio", "bar", "met", "note"}, as
 * docs/performance.md has it; where there is no ratio, it is null and "why" stands for "note". */
void report_json(FILE *out, const struct measured *measured, size_t n);

#endif
