#include "thousandths.h"

#include <string.h>

/* Returns how many digits there are: one at least. */
static size_t write_whole(uint64_t number, char *out)
{
	char digits[THOUSANDTHS_CHARS];
	char *end = digits + sizeof digits, *p = end;
	if (number < 10) { /* as nearly all are */
		*out = (char)('0' + number);
		return 1;
	}
	for (; number > 0; number /= 10)
		*--p = (char)('0' + number % 10);
	memcpy(out, p, (size_t)(end - p));
	return (size_t)(end - p);
}

size_t thousandths_write(uint64_t thousandths, char *out)
{
	unsigned rest = (unsigned)(thousandths % 1000);
	size_t n = write_whole(thousandths / 1000, out);
	out[n] = '.';
	out[n + 1] = (char)('0' + rest / 100);
	out[n + 2] = (char)('0' + rest / 10 % 10);
	out[n + 3] = (char)('0' + rest % 10);
	return n + 4;
}
