/* Bytes as hexadecimal digits: written in lower case, read in either. */
#ifndef LOSSD_CODEC_HEX_H
#define LOSSD_CODEC_HEX_H

#include <stdbool.h>
#include <stddef.h>

/* Writes 2 * n digits and a terminator. */
void hex_write(const unsigned char *bytes, size_t n, char *out);
/* Reads n bytes of 2 * n digits; false where some are none, which a NUL is. */
bool hex_read(const char *text, size_t n, unsigned char *bytes);

/* -1: it is none. */
static inline int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

#endif
