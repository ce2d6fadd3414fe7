#include "cors.h"

#include <stddef.h>
#include <string.h>

#include "authority.h"

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

/* The port of an origin that names none. */
static const char *port_of_scheme(const char *origin, size_t n)
{
	static const struct {
		const char *scheme, *port;
	} ports[] = {{"http", "80"}, {"https", "443"}};
	for (size_t i = 0; i < sizeof ports / sizeof ports[0]; i++)
		if (strlen(ports[i].scheme) == n && memcmp(ports[i].scheme, origin, n) == 0)
			return ports[i].port;
	return NULL;
}

static bool is_own(const char *origin, const char *host)
{
	struct authority theirs, ours;
	const char *colon = strstr(origin, "://");
	if (!colon || !host)
		return false;
	const char *port = port_of_scheme(origin, (size_t)(colon - origin));
	return authority_split(colon + 3, strlen(colon + 3), &theirs) &&
	       authority_split(host, strlen(host), &ours) && authority_same_host(&theirs, &ours) &&
	       authority_same_port(&theirs, &ours, port);
}

bool cors_is_foreign(const char *list, const char *origin, const char *host)
{
	return origin && !is_own(origin, host) && !cors_allow(list, origin);
}
