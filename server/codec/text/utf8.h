/*
 * UTF-8 as Unicode has it (version 15, table 3-7): no overlong forms, no surrogates, nothing above
 * U+10FFFF.
 */
#ifndef LOSSD_CODEC_UTF8_H
#define LOSSD_CODEC_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* After a first byte in [first, last] come a second one in [low, high] and then others in [0x80,
 * 0xbf], n_more in all. */
struct utf8_lead {
	unsigned char first, last, n_more, low, high;
};

/* NULL where no character begins with the byte, and for ASCII, which needs no table. */
const struct utf8_lead *utf8_lead(unsigned char byte);

/*
 * Bytes of the character at the beginning of a terminated text, with *whole set; or of the longest
 * beginning of one (at least 1) that is there. ASCII is none.
 */
size_t utf8_measure(const char *text, bool *whole);

#endif
