#include "thousandths.h"

#include <string.h>

#define DECIMALS 3

size_t thousandths_write(uint64_t thousandths, char *out)
{
	char digits[THOUSANDTHS_CHARS];
	char *end = digits + sizeof digits, *p = end;
	/* A digit before the point at least. */
	while (thousandths > 0 || end - p < DECIMALS + 2) {
		if (end - p == DECIMALS) {
			*--p = '.';
			continue;
		}
		*--p = (char)('0' + thousandths % 10);
		thousandths /= 10;
	}
	size_t n = (size_t)(end - p);
	memcpy(out, p, n);
	return n;
}
