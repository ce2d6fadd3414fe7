/* Where spans go, and what a collector says of those it has taken. */
#include "trace/collector_reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void an_endpoint_has_a_path_or_gets_one(void **state)
{
	static const struct {
		const char *endpoint, *url;
	} cases[] = {
		{"http://a", "http://a/v1/traces"},
		{"http://a/", "http://a/v1/traces"},
		{"https://a:4318", "https://a:4318/v1/traces"},
		{"http://[::1]:4318/", "http://[::1]:4318/v1/traces"},
		{"http://a/v1/traces", "http://a/v1/traces"},
		{"http://a/x", "http://a/x"},
		{"http://a/x/", "http://a/x/"},
		{"http://a//", "http://a//"},
		{"http://a?x=/y", "http://a/v1/traces?x=/y"},
		{"http://a/?x", "http://a/v1/traces?x"},
		{"http://a/b?x", "http://a/b?x"},
		{"http://a#x", "http://a/v1/traces#x"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char url[COLLECTOR_URL_SIZE];
		collector_url(cases[i].endpoint, url);
		assert_string_equal(url, cases[i].url);
	}
}

/* The longest setting gets its path. */
static void a_long_endpoint_fits(void **state)
{
	char endpoint[1024], url[COLLECTOR_URL_SIZE];
	(void)state;
	memset(endpoint, 'a', sizeof endpoint);
	memcpy(endpoint, "http://", 7);
	endpoint[sizeof endpoint - 1] = '\0';
	collector_url(endpoint, url);
	assert_int_equal(strlen(url), 1023 + strlen("/v1/traces"));
	assert_string_equal(url + 1023, "/v1/traces");
}

static void what_was_not_taken_is_read(void **state)
{
	static const struct {
		const char *text;
		uint64_t rejected;
		const char *why;
	} cases[] = {
		{"", 0, ""},
		{"{}", 0, ""},
		{"{", 0, ""},
		{"[]", 0, ""},
		{"no JSON", 0, ""},
		{"{\"partialSuccess\": null}", 0, ""},
		{"{\"partialSuccess\": []}", 0, ""},
		{"{\"partialSuccess\": {}}", 0, ""},
		{"{\"partialSuccess\": {\"rejectedSpans\": 1}}", 1, ""},
		{"{\"partialSuccess\": {\"rejectedSpans\": \"12\", \"errorMessage\": \"old\"}}", 12,
		 "old"},
		{"{\"partialSuccess\": {\"errorMessage\": \"a\\nb\"}}", 0, "a\nb"},
		{"{\"partialSuccess\": {\"rejectedSpans\": -1}}", 0, ""},
		{"{\"partialSuccess\": {\"rejectedSpans\": \"-1\"}}", 0, ""},
		{"{\"partialSuccess\": {\"rejectedSpans\": 1e300}}", 0, ""},
		{"{\"partialSuccess\": {\"rejectedSpans\": \"x\"}}", 0, ""},
		{"{\"partialSuccess\": {\"rejectedSpans\": [], \"errorMessage\": 7}}", 0, ""},
		{"{\"PartialSuccess\": {\"rejectedSpans\": 1}}", 0, ""},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct collector_reply reply = {.end = COLLECTOR_TOOK};
		collector_reply_read(cases[i].text, &reply);
		assert_int_equal(reply.end, COLLECTOR_TOOK);
		assert_int_equal(reply.rejected, cases[i].rejected);
		assert_string_equal(reply.why, cases[i].why);
	}
}

static void a_long_reason_is_cut(void **state)
{
	char text[1024] = "{\"partialSuccess\": {\"errorMessage\": \"";
	struct collector_reply reply = {.end = COLLECTOR_TOOK};
	size_t n = strlen(text);
	(void)state;
	memset(text + n, 'x', 400);
	strcpy(text + n + 400, "\"}}");
	collector_reply_read(text, &reply);
	assert_int_equal(strlen(reply.why), sizeof reply.why - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_endpoint_has_a_path_or_gets_one),
		cmocka_unit_test(a_long_endpoint_fits),
		cmocka_unit_test(what_was_not_taken_is_read),
		cmocka_unit_test(a_long_reason_is_cut),
	};
	return cmocka_run_group_tests_name("collector", tests, NULL, NULL);
}
