#include "decimal.h"

size_t decimal_read(const char *text, size_t n, uint64_t *value)
{
	uint64_t number = 0;
	size_t i = 0;
	for (; i < n && text[i] >= '0' && text[i] <= '9'; i++) {
		unsigned digit = (unsigned)(text[i] - '0');
		number = number > (UINT64_MAX - digit) / 10 ? UINT64_MAX : number * 10 + digit;
	}
	*value = number;
	return i;
}

bool decimal_parse(const char *text, size_t n, uint64_t *value)
{
	return decimal_read(text, n, value) == n && n > 0;
}
