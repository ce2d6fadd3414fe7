#include "variable.h"

#include <stdlib.h>

bool variable_number(const char *name, uint64_t *number)
{
	const char *text = getenv(name);
	char *end = NULL;
	*number = text && *text >= '0' && *text <= '9' ? strtoull(text, &end, 10) : 0;
	bool whole = end && *end == '\0';
	*number = whole ? *number : 0;
	return whole;
}
