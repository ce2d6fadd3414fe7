#include "cors.h"

#include <stddef.h>
#include <string.h>

#define NONE "none"
#define ANY "*"

/* A scheme, "://", a host and perhaps a port, in lower case and without a slash at the end: what
 * a browser sends. */
static bool is_origin(const char *text, size_t n)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	size_t scheme = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789+-.");
	if (scheme == 0 || scheme + 3 >= n || strncmp(text + scheme, "://", 3) != 0)
		return false;
	for (size_t i = scheme + 3; i < n; i++)
		if (!strchr(letters, text[i]) && !strchr("-._:[]", text[i]))
			return false;
	return true;
}

bool cors_is_list(const char *text)
{
	if (strcmp(text, NONE) == 0 || strcmp(text, ANY) == 0)
		return true;
	for (;;) {
		size_t n = strcspn(text, ",");
		if (!is_origin(text, n))
			return false;
		if (text[n] == '\0')
			return true;
		text += n + 1;
	}
}

const char *cors_allow(const char *list, const char *origin)
{
	if (strcmp(list, ANY) == 0)
		return ANY;
	if (!origin || !cors_varies(list))
		return NULL;
	size_t length = strlen(origin);
	for (;;) {
		size_t n = strcspn(list, ",");
		if (n == length && memcmp(list, origin, n) == 0)
			return origin;
		if (list[n] == '\0')
			return NULL;
		list += n + 1;
	}
}

bool cors_varies(const char *list)
{
	return strcmp(list, NONE) != 0 && strcmp(list, ANY) != 0;
}
