/*
 * UTF-8 as Unicode has it (version 15, table 3-7): no overlong forms, no surrogates, nothing above
 * U+10FFFF.
 */
#ifndef LOSSD_CODEC_UTF8_H
#define LOSSD_CODEC_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

/* The number of a character that is whole. */
uint32_t utf8_decode(const char *text, size_t n);
/*
 * Whether a character orders what shows text about instead of being shown: control characters,
 * those that end lines or paragraphs, and those that turn the direction of what follows or are
 * nowhere to be seen, so that a text with them looks like another.
 */
bool utf8_is_control(uint32_t character);
/* A '?' in place of each of those; a byte that is no character stays. In place. */
void utf8_tame(char *text);

#endif
