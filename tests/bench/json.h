/* Reading a body of JSON and writing a reply of JSON, on one thread: the cases J1 to J3. */
#ifndef BENCH_JSON_H
#define BENCH_JSON_H

#include "measure.h"

/* Measures the case that *measured is of. */
void json_measure(struct bench *bench, struct measured *measured);

/* Where the body is written for others to read it. */
void json_body_path(const char *folder, char *out, size_t size);

#endif
