/* Numbers with three decimals, without printf: times in milliseconds, mostly. */
#ifndef LOSSD_CODEC_THOUSANDTHS_H
#define LOSSD_CODEC_THOUSANDTHS_H

#include <stddef.h>
#include <stdint.h>

/* Bytes that one takes at most: the 20 digits of the largest, and the point. */
#define THOUSANDTHS_CHARS 21

/* So many thousandths, not terminated: 12345 is "12.345", 7 is "0.007". Returns the length. */
size_t thousandths_write(uint64_t thousandths, char *out);

/* Microseconds, which are thousandths of a millisecond; half of one counts as one. */
static inline uint64_t thousandths_of_ms(uint64_t ns)
{
	return ns / 1000 + (ns % 1000 >= 500);
}

#endif
