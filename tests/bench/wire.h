/* Requests to a whole server: the cases whose names begin with E or F. */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include "measure.h"

/* Measures the case that *measured is of. */
void wire_measure(struct bench *bench, struct measured *measured);

#endif
