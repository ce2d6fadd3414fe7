#include "../../server/route.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct route *find(const char *path, const char *wanted_argument)
{
	const char *argument;
	size_t n;
	const struct route *route = route_find(path, strlen(path), &argument, &n);
	if (wanted_argument) {
		assert_int_equal(n, strlen(wanted_argument));
		assert_memory_equal(argument, wanted_argument, n);
	} else {
		assert_null(argument);
		assert_int_equal(n, 0);
	}
	return route;
}

static void every_row_is_found_by_its_path(void **state)
{
	(void)state;
	for (const struct route *route = routes; route->path; route++)
		if (!strchr(route->path, '{'))
			assert_ptr_equal(find(route->path, NULL), route);
	assert_string_equal(find("/v1/losses/cross_entropy", "cross_entropy")->path,
			    "/v1/losses/{loss}");
	assert_string_equal(find("/problems/draining", "draining")->path, "/problems/{code}");
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
					    "/../"};
	(void)state;
	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
		if (find(paths[i], NULL))
			fail_msg("\"%s\" is found", paths[i]);
}

/* The path is n bytes, not a terminated string: nothing behind it counts. */
static void only_n_bytes_count(void **state)
{
	const char *argument;
	size_t n;
	(void)state;
	assert_string_equal(route_find("/v2/health/live", 3, &argument, &n)->path, "/v2");
	assert_null(route_find("/v2\0x", 5, &argument, &n));
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
		cmocka_unit_test(other_paths_are_not_found),
		cmocka_unit_test(only_n_bytes_count),
		cmocka_unit_test(methods_follow_the_row),
		cmocka_unit_test(methods_are_known_by_name),
		cmocka_unit_test(v2_is_what_lies_below_v2),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
