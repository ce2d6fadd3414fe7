#include "../../server/route/route.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* The path's row, whose arguments must be these (NULL: none). */
static const struct route *find(const char *path, const char *first, const char *second)
{
	const char *const wanted[ROUTE_MAX_ARGUMENTS] = {first, second};
	struct route_argument arguments[ROUTE_MAX_ARGUMENTS];
	memset(arguments, 0xa5, sizeof arguments);
	const struct route *route = route_find(path, strlen(path), arguments);
	for (size_t i = 0; i < ROUTE_MAX_ARGUMENTS; i++) {
		assert_int_equal(arguments[i].size, wanted[i] ? strlen(wanted[i]) : 0);
		if (wanted[i])
			assert_memory_equal(arguments[i].text, wanted[i], arguments[i].size);
		else
			assert_null(arguments[i].text);
	}
	return route;
}

static void every_row_is_found_by_its_path(void **state)
{
	(void)state;
	for (const struct route *route = routes; route->path; route++)
		if (!strchr(route->path, '{'))
			assert_ptr_equal(find(route->path, NULL, NULL), route);
}

/* Templates are found by themselves too, with their own names for arguments: each row is there
 * once, and none hides another. */
static void every_template_is_found_by_itself(void **state)
{
	struct route_argument arguments[ROUTE_MAX_ARGUMENTS];
	(void)state;
	for (const struct route *route = routes; route->path; route++) {
		size_t names = 0;
		for (const char *at = route->path; *at; at++)
			names += *at == '{';
		assert_in_range(names, 0, ROUTE_MAX_ARGUMENTS);
		assert_ptr_equal(route_find(route->path, strlen(route->path), arguments), route);
	}
}

static void arguments_are_segments(void **state)
{
	static const struct {
		const char *path, *template, *first, *second;
	} table[] = {
		{"/v1/losses/a", "/v1/losses/{loss}", "a", NULL},
		{"/problems/draining", "/problems/{code}", "draining", NULL},
		{"/v2/models/a", "/v2/models/{loss}", "a", NULL},
		{"/v2/models/stats", "/v2/models/stats", NULL, NULL},
		{"/v2/models/stats/stats", "/v2/models/{loss}/stats", "stats", NULL},
		{"/v2/models/statsx", "/v2/models/{loss}", "statsx", NULL},
		{"/v2/models/a/ready", "/v2/models/{loss}/ready", "a", NULL},
		{"/v2/models/a/infer", "/v2/models/{loss}/infer", "a", NULL},
		{"/v2/models/a/versions/1", "/v2/models/{loss}/versions/{version}", "a", "1"},
		{"/v2/models/ /versions/a b", "/v2/models/{loss}/versions/{version}", " ", "a b"},
		{"/v2/models/versions/versions/versions/stats",
		 "/v2/models/{loss}/versions/{version}/stats", "versions", "versions"},
		{"/v2/models/a/versions/22/infer", "/v2/models/{loss}/versions/{version}/infer",
		 "a", "22"},
		{"/v2/repository/models/a/unload", "/v2/repository/models/{loss}/unload", "a",
		 NULL},
		{"/v2/systemsharedmemory/region/status/status",
		 "/v2/systemsharedmemory/region/{name}/status", "status", NULL},
		{"/v2/systemsharedmemory/region/{}/register",
		 "/v2/systemsharedmemory/region/{name}/register", "{}", NULL},
	};
	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		const struct route *route = find(table[i].path, table[i].first, table[i].second);
		if (!route || strcmp(route->path, table[i].template) != 0)
			fail_msg("%s is %s", table[i].path, route ? route->path : "not found");
	}
}

static void other_paths_are_not_found(void **state)
{
	static const char *const paths[] = {"",
					    "*",
					    "/v1",
					    "/v1/",
					    "/v1/losses/",
					    "/v1/losses/a/b",
					    "/v1/losses//",
					    "/V1/losses",
					    "/metrics/",
					    "/v2/health",
					    "/v2/health/live/",
					    "/v2//",
					    "/problems/",
					    "//",
					    "/../",
					    "/v2/models",
					    "/v2/models/",
					    "/v2/models//ready",
					    "/v2/models//",
					    "/v2/models/a/",
					    "/v2/models/a/b/ready",
					    "/v2/models/a/readyx",
					    "/v2/models/a/read",
					    "/v2/models/a/ready/",
					    "/v2/models/a/versions",
					    "/v2/models/a/versions/",
					    "/v2/models/a/versions//ready",
					    "/v2/models/a/versions/1/",
					    "/v2/models/a/versions/1/2",
					    "/v2/repository/models/load",
					    "/v2/repository/models//load",
					    "/v2/systemsharedmemory/region/register",
					    "/v2/systemsharedmemory/region//register"};
	(void)state;
	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
		if (find(paths[i], NULL, NULL))
			fail_msg("\"%s\" is found", paths[i]);
}

/* The path is n bytes, not a terminated string: nothing behind it counts. */
static void only_n_bytes_count(void **state)
{
	struct route_argument arguments[ROUTE_MAX_ARGUMENTS];
	(void)state;
	assert_string_equal(route_find("/v2/health/live", 3, arguments)->path, "/v2");
	assert_null(route_find("/v2\0x", 5, arguments));
	assert_string_equal(route_find("/v2/models/abc/ready", 13, arguments)->path,
			    "/v2/models/{loss}");
	assert_int_equal(arguments[0].size, 2);
	assert_null(route_find("/v2/models/abc", 11, arguments));
}

/* POST evaluates, or has a page that reads a document; never both. */
static void every_method_has_somebody(void **state)
{
	(void)state;
	for (const struct route *route = routes; route->path; route++) {
		bool post = (route->methods & METHOD_POST) != 0;
		assert_int_equal(route_reads_document(route), post && !route->protocol);
		if ((route->methods & METHOD_GET) || route_reads_document(route))
			assert_non_null(route->page);
		if (route->protocol)
			assert_true(post && route->names_loss);
	}
}

static void methods_follow_the_row(void **state)
{
	(void)state;
	for (const struct route *route = routes; route->path; route++) {
		bool get = (route->methods & METHOD_GET) != 0;
		bool post = (route->methods & METHOD_POST) != 0;
		const char *allow = route_allow(route);
		assert_int_equal(route_allows(route, METHOD_GET), get);
		assert_int_equal(route_allows(route, METHOD_HEAD), get);
		assert_int_equal(route_allows(route, METHOD_POST), post);
		assert_true(route_allows(route, METHOD_OPTIONS));
		assert_false(route_allows(route, METHOD_OTHER));
		assert_int_equal(strstr(allow, "GET") != NULL, get);
		assert_int_equal(strstr(allow, "HEAD") != NULL, get);
		assert_int_equal(strstr(allow, "POST") != NULL, post);
		assert_non_null(strstr(allow, "OPTIONS"));
	}
}

static void methods_are_known_by_name(void **state)
{
	static const char *const names[] = {"GET", "HEAD", "POST", "OPTIONS"};
	(void)state;
	for (size_t i = 0; i < 4; i++)
		assert_string_equal(route_method_name(route_method(names[i])), names[i]);
	assert_int_equal(route_method("get"), METHOD_OTHER);
	assert_int_equal(route_method("DELETE"), METHOD_OTHER);
	assert_int_equal(route_method(""), METHOD_OTHER);
	assert_string_equal(route_method_name(METHOD_OTHER), "other");
}

static void v2_is_what_lies_below_v2(void **state)
{
	(void)state;
	assert_true(route_is_v2("/v2", 3));
	assert_true(route_is_v2("/v2/", 4));
	assert_true(route_is_v2("/v2/nope", 8));
	assert_false(route_is_v2("/v2x", 4));
	assert_false(route_is_v2("/v1/losses", 10));
	assert_false(route_is_v2("/v", 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_is_found_by_its_path),
		cmocka_unit_test(every_template_is_found_by_itself),
		cmocka_unit_test(arguments_are_segments),
		cmocka_unit_test(other_paths_are_not_found),
		cmocka_unit_test(only_n_bytes_count),
		cmocka_unit_test(every_method_has_somebody),
		cmocka_unit_test(methods_follow_the_row),
		cmocka_unit_test(methods_are_known_by_name),
		cmocka_unit_test(v2_is_what_lies_below_v2),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
