/* Bytes as hexadecimal digits, in lower case. */
#ifndef LOSSD_CODEC_HEX_H
#define LOSSD_CODEC_HEX_H

#include <stddef.h>

/* Writes 2 * n digits and a terminator. */
void hex_write(const unsigned char *bytes, size_t n, char *out);

#endif
