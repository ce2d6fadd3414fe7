#include "route.h"

#include <stdio.h>
#include <string.h>

/* ---------------------------------------------------------------- matching */

/* A {name} stands for one segment that is not empty, everything else for itself. The first *found
 * arguments are set, also where the path does not match. */
static bool match(const char *template, const char *path, size_t n,
		  struct route_argument arguments[ROUTE_MAX_ARGUMENTS], size_t *found)
{
	const char *limit = path + n;
	*found = 0;
	while (*template != '\0') {
		if (*template != '{') {
			if (path == limit || *path++ != *template ++)
				return false;
			continue;
		}
		const char *slash = memchr(path, '/', (size_t)(limit - path));
		const char *end = slash ? slash : limit;
		if (end == path)
			return false;
		arguments[(*found)++] = (struct route_argument){path, (size_t)(end - path)};
		path = end;
		template += strcspn(template, "}") + 1;
	}
	return path == limit;
}

const struct route *route_find(const struct route *routes, const char *path, size_t n,
			       struct route_argument arguments[ROUTE_MAX_ARGUMENTS])
{
	const struct route *route = routes;
	size_t found = 0;
	while (route->path && !match(route->path, path, n, arguments, &found))
		route++;
	for (size_t i = route->path ? found : 0; i < ROUTE_MAX_ARGUMENTS; i++)
		arguments[i] = (struct route_argument){NULL, 0};
	return route->path ? route : NULL;
}

/* ---------------------------------------------------------------- methods */

static const char *const names[N_METHODS] = {
	[METHOD_GET] = "GET",       [METHOD_POST] = "POST", [METHOD_PUT] = "PUT",
	[METHOD_DELETE] = "DELETE", [METHOD_HEAD] = "HEAD", [METHOD_OPTIONS] = "OPTIONS",
	[METHOD_OTHER] = "other",
};

enum method route_method(const char *name)
{
	size_t method = 0;
	while (method < METHOD_OTHER && strcmp(names[method], name) != 0)
		method++;
	return (enum method)method;
}

const char *route_method_name(enum method method)
{
	return names[method];
}

const struct endpoint *route_endpoint(const struct route *route, enum method method)
{
	if (method == METHOD_HEAD)
		method = METHOD_GET;
	bool there = method < METHOD_N_ROUTED && route->on[method].handler;
	return there ? &route->on[method] : NULL;
}

bool route_allows(const struct route *route, enum method method)
{
	return method == METHOD_OPTIONS || route_endpoint(route, method);
}

const char *route_allow(const struct route *route, char out[ROUTE_ALLOW_SIZE])
{
	/* The order that clients have always seen. */
	static const enum method order[] = {METHOD_GET, METHOD_HEAD,   METHOD_POST,
					    METHOD_PUT, METHOD_DELETE, METHOD_OPTIONS};
	size_t used = 0;
	if (!route)
		return "GET, HEAD, POST, OPTIONS";
	for (size_t i = 0; i < sizeof order / sizeof *order; i++)
		if (route_allows(route, order[i]))
			used += (size_t)snprintf(out + used, ROUTE_ALLOW_SIZE - used, "%s%s",
						 used > 0 ? ", " : "", names[order[i]]);
	return out;
}

bool route_is_v2(const char *path, size_t n)
{
	return n >= 3 && memcmp(path, "/v2", 3) == 0 && (n == 3 || path[3] == '/');
}
