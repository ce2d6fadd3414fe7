/* Percent-encoding (RFC 3986, section 2.1), of paths and of query strings. */
#ifndef LOSSD_CODEC_PERCENT_H
#define LOSSD_CODEC_PERCENT_H

#include <stddef.h>

#include "hex.h"

#define PERCENT_SIZE 3 /* bytes of an escape: '%' and two digits */

/* The byte that the escape at `text` stands for, of which n bytes are left; -1 where it is none. */
static inline int percent_byte(const char *text, size_t n)
{
	if (n < PERCENT_SIZE || text[0] != '%')
		return -1;
	int high = hex_digit(text[1]), low = hex_digit(text[2]);
	return high < 0 || low < 0 ? -1 : high * 16 + low;
}

#endif
