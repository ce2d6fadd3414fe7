#include "../../server/route/evaluate.h"
#include "../../server/route/merge.h"
#include "../../server/route/routes.h"

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
	const struct route *route = route_find(routes, path, strlen(path), arguments);
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
		assert_ptr_equal(route_find(routes, route->path, strlen(route->path), arguments),
				 route);
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
	assert_string_equal(route_find(routes, "/v2/health/live", 3, arguments)->path, "/v2");
	assert_null(route_find(routes, "/v2\0x", 5, arguments));
	assert_string_equal(route_find(routes, "/v2/models/abc/ready", 13, arguments)->path,
			    "/v2/models/{loss}");
	assert_int_equal(arguments[0].size, 2);
	assert_null(route_find(routes, "/v2/models/abc", 11, arguments));
}

/* What evaluates has a protocol and a loss, what has a page answers with it; never both. POST
 * evaluates, or has a page that reads a document. */
static void every_method_has_somebody(void **state)
{
	(void)state;
	for (const struct route *route = routes; route->path; route++)
		for (enum method method = METHOD_GET; method < METHOD_N_ROUTED; method++) {
			const struct endpoint *endpoint = route_endpoint(route, method);
			if (!endpoint)
				continue;
			assert_ptr_equal(endpoint, &route->on[method]);
			assert_non_null(endpoint->content_type);
			assert_int_equal(endpoint->handler == &evaluate_handler,
					 endpoint->protocol != NULL);
			assert_int_equal(endpoint->page == NULL, endpoint->protocol != NULL);
			if (endpoint->protocol)
				assert_true(method == METHOD_POST && route->names_loss);
			else if (method == METHOD_GET)
				assert_ptr_equal(endpoint->handler, &page_handler);
			else
				assert_true(endpoint->handler == &document_handler ||
					    endpoint->handler == &merge_handler);
		}
}

static void methods_follow_the_row(void **state)
{
	char allow[ROUTE_ALLOW_SIZE];
	(void)state;
	for (const struct route *route = routes; route->path; route++) {
		bool get = route->on[METHOD_GET].handler != NULL;
		bool post = route->on[METHOD_POST].handler != NULL;
		assert_ptr_equal(route_allow(route, allow), allow);
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

static const struct handler handler;
#define TAKES                                                                                      \
	{                                                                                          \
		.handler = &handler                                                                \
	}

static const struct route table[] = {
	{.path = "/get", .on = {[METHOD_GET] = TAKES}},
	{.path = "/post", .on = {[METHOD_POST] = TAKES}},
	{.path = "/both", .on = {[METHOD_GET] = TAKES, [METHOD_POST] = TAKES}},
	{.path = "/files/{name}", .on = {[METHOD_PUT] = TAKES, [METHOD_DELETE] = TAKES}},
	{.path = "/all",
	 .on = {[METHOD_GET] = TAKES,
		[METHOD_POST] = TAKES,
		[METHOD_PUT] = TAKES,
		[METHOD_DELETE] = TAKES}},
	{.path = "/nothing"},
	{0},
};

/* Of any table, in the order that clients have always seen. */
static void allow_lists_what_the_row_takes(void **state)
{
	static const struct {
		const char *path, *allow;
	} cases[] = {
		{"/get", "GET, HEAD, OPTIONS"},
		{"/post", "POST, OPTIONS"},
		{"/both", "GET, HEAD, POST, OPTIONS"},
		{"/files/a", "PUT, DELETE, OPTIONS"},
		{"/all", "GET, HEAD, POST, PUT, DELETE, OPTIONS"},
		{"/nothing", "OPTIONS"},
	};
	char allow[ROUTE_ALLOW_SIZE];
	struct route_argument arguments[ROUTE_MAX_ARGUMENTS];
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *path = cases[i].path;
		const struct route *route = route_find(table, path, strlen(path), arguments);
		assert_ptr_equal(route, &table[i]);
		assert_string_equal(route_allow(route, allow), cases[i].allow);
	}
	assert_null(route_find(table, "/other", 6, arguments));
	/* of paths in general */
	assert_string_equal(route_allow(NULL, allow), "GET, HEAD, POST, OPTIONS");
}

static void methods_have_endpoints_of_their_own(void **state)
{
	const struct route *files = &table[3], *all = &table[4];
	(void)state;
	for (enum method method = METHOD_GET; method < METHOD_N_ROUTED; method++)
		assert_ptr_equal(route_endpoint(all, method), &all->on[method]);
	assert_ptr_equal(route_endpoint(all, METHOD_HEAD), &all->on[METHOD_GET]);
	assert_null(route_endpoint(all, METHOD_OPTIONS));
	assert_null(route_endpoint(all, METHOD_OTHER));
	assert_null(route_endpoint(files, METHOD_GET));
	assert_null(route_endpoint(files, METHOD_HEAD));
	assert_null(route_endpoint(files, METHOD_POST));
	assert_ptr_equal(route_endpoint(files, METHOD_PUT), &files->on[METHOD_PUT]);
	assert_ptr_equal(route_endpoint(files, METHOD_DELETE), &files->on[METHOD_DELETE]);
	assert_true(route_allows(files, METHOD_OPTIONS));
	assert_false(route_allows(files, METHOD_OTHER));
}

static void methods_are_known_by_name(void **state)
{
	static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"};
	static const char *const others[] = {"get",   "",      "Delete",  "DELETED", "DELET",
					     "PATCH", "TRACE", "CONNECT", "other",   " GET"};
	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		assert_string_equal(route_method_name(route_method(names[i])), names[i]);
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		assert_int_equal(route_method(others[i]), METHOD_OTHER);
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
		cmocka_unit_test(allow_lists_what_the_row_takes),
		cmocka_unit_test(methods_have_endpoints_of_their_own),
		cmocka_unit_test(methods_are_known_by_name),
		cmocka_unit_test(v2_is_what_lies_below_v2),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
