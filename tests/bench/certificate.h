/* A certificate for servers on this machine that speak TLS: signed by itself, good for a day. */
#ifndef BENCH_CERTIFICATE_H
#define BENCH_CERTIFICATE_H

#include <stdbool.h>

/* Writes FOLDER/bench-certificate.pem and FOLDER/bench-key.pem; false where that failed. */
bool certificate_make(const char *folder);

#endif
