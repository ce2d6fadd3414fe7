/* Decimal digits as a number: of settings, headers, flags. Those of JSON are codec/number's. */
#ifndef LOSSD_CODEC_DECIMAL_H
#define LOSSD_CODEC_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads the digits that n bytes begin with, which a NUL ends too, and returns how many there are.
 * What is beyond 64 bits is UINT64_MAX, and so beyond any bound; without digits it is 0. */
size_t decimal_read(const char *text, size_t n, uint64_t *value);
/* The same of text that is digits and nothing else; false where it is not. */
bool decimal_parse(const char *text, size_t n, uint64_t *value);

#endif
