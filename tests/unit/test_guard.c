#include "../../server/http/guard.h"
#include "status/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define MAX_HEADERS 5

struct guard_case {
	const char *name;
	const char *version, *target;
	struct header headers[MAX_HEADERS];
	loss_status wanted;
	const char *words; /* that the sentence must have */
};

#define V1 "HTTP/1.1"
#define V0 "HTTP/1.0"
#define HOST                                                                                       \
	{                                                                                          \
		"Host", "a"                                                                        \
	}
#define BAD STATUS_INVALID_HEADER

static const struct guard_case cases[] = {
	{"plain", V1, "/", {HOST}, LOSS_OK, ""},
	{"length", V1, "/", {HOST, {"content-length", "5"}}, LOSS_OK, ""},
	{"chunked", V1, "/", {HOST, {"transfer-encoding", "CHUNKED"}}, LOSS_OK, ""},
	{"continue", V1, "/", {HOST, {"Expect", "100-Continue"}}, LOSS_OK, ""},
	{"host with port", V1, "/", {{"Host", "[::1]:8080"}}, LOSS_OK, ""},
	{"white space after a host", V1, "/", {{"Host", "a:80 \t"}}, LOSS_OK, ""},
	{"1.0 without host", V0, "/", {{0}}, LOSS_OK, ""},
	{"1.0 with an expectation", V0, "/", {HOST, {"Expect", "foo"}}, LOSS_OK, ""},

	{"no host", V1, "/", {{0}}, BAD, "0 Host"},
	{"two hosts", V1, "/", {HOST, {"host", "a"}}, BAD, "2 Host"},
	{"two hosts on 1.0", V0, "/", {HOST, HOST}, BAD, "2 Host"},
	{"empty host", V1, "/", {{"Host", ""}}, BAD, "Host is \"\""},
	{"empty host on 1.0", V0, "/", {{"Host", ""}}, BAD, "Host is \"\""},
	{"host with a path", V1, "/", {{"Host", "a/b"}}, BAD, "Host is"},
	{"host with user data", V1, "/", {{"Host", "b@a"}}, BAD, "Host is"},
	{"host of white space", V1, "/", {{"Host", " "}}, BAD, "Host is"},
	{"white space in a host", V1, "/", {{"Host", "a b"}}, BAD, "Host is"},
	{"two hosts in one", V1, "/", {{"Host", "a, b"}}, BAD, "Host is"},

	{"length and coding",
	 V1,
	 "/",
	 {HOST, {"Content-Length", "5"}, {"Transfer-Encoding", "chunked"}},
	 BAD,
	 "both"},
	{"two lengths",
	 V1,
	 "/",
	 {HOST, {"Content-Length", "5"}, {"Content-Length", "5"}},
	 BAD,
	 "2 Content-Length"},
	{"signed length", V1, "/", {HOST, {"Content-Length", "+5"}}, BAD, "+5"},
	{"negative length", V1, "/", {HOST, {"Content-Length", "-1"}}, BAD, "-1"},
	{"hexadecimal length", V1, "/", {HOST, {"Content-Length", "0x5"}}, BAD, "0x5"},
	{"list of lengths", V1, "/", {HOST, {"Content-Length", "5,5"}}, BAD, "5,5"},
	{"empty length", V1, "/", {HOST, {"Content-Length", ""}}, BAD, "digits"},
	{"space after a length", V1, "/", {HOST, {"Content-Length", "5 "}}, BAD, "\"5 \""},
	{"space before colon", V1, "/", {HOST, {"Content-Length ", "5"}}, BAD, "name"},

	{"coding on 1.0", V0, "/", {HOST, {"Transfer-Encoding", "chunked"}}, BAD, "HTTP/1.0"},
	{"other coding", V1, "/", {HOST, {"Transfer-Encoding", "xchunked"}}, BAD, "xchunked"},
	{"list of codings", V1, "/", {HOST, {"Transfer-Encoding", "gzip, chunked"}}, BAD, "gzip"},
	{"empty coding", V1, "/", {HOST, {"Transfer-Encoding", ""}}, BAD, "chunked"},
	{"space after a coding",
	 V1,
	 "/",
	 {HOST, {"Transfer-Encoding", "chunked "}},
	 BAD,
	 "white space"},
	{"tab after a coding",
	 V1,
	 "/",
	 {HOST, {"Transfer-Encoding", "chunked\t"}},
	 BAD,
	 "chunked\t"},
	{"two codings",
	 V1,
	 "/",
	 {HOST, {"Transfer-Encoding", "chunked"}, {"Transfer-Encoding", "chunked"}},
	 BAD,
	 "doubled"},

	{"other expectation",
	 V1,
	 "/",
	 {HOST, {"Expect", "foo"}},
	 STATUS_EXPECTATION_FAILED,
	 "\"foo\""},
	{"space after an expectation",
	 V1,
	 "/",
	 {HOST, {"Expect", "100-continue "}},
	 STATUS_EXPECTATION_FAILED,
	 "white space"},
	{"two expectations",
	 V1,
	 "/",
	 {HOST, {"Expect", "100-continue"}, {"Expect", "100-continue"}},
	 STATUS_EXPECTATION_FAILED,
	 "once"},

	{"empty name", V1, "/", {HOST, {"", "x"}}, BAD, "name"},
	{"space in a name", V1, "/", {HOST, {"X y", "x"}}, BAD, "X y"},
	{"control character", V1, "/", {HOST, {"X", "a\rb"}}, BAD, "control"},
	{"control character in an id", V1, "/", {HOST, {"x-request-id", "a\x01b"}}, LOSS_OK, ""},
	{"control character in a trace", V1, "/", {HOST, {"Traceparent", "\x7f"}}, LOSS_OK, ""},
	{"tab in a value", V1, "/", {HOST, {"X", "a\tb"}}, LOSS_OK, ""},
	{"latin-1 in a value", V1, "/", {HOST, {"X", "caf\xe9"}}, LOSS_OK, ""},
	{"space in the target", V1, "/ x", {HOST}, BAD, "%20"},
	{"control in the target", V1, "/\x01", {HOST}, BAD, "%20"},
};

static loss_status check(const struct guard_case *c, struct framing *framing,
			 struct loss_error *err)
{
	struct raw_head head = {.method = "POST",
				.target = c->target,
				.version = c->version,
				.headers = c->headers,
				.exact = true};
	while (head.n_headers < MAX_HEADERS && c->headers[head.n_headers].name)
		head.n_headers++;
	return guard_check(&head, framing, err);
}

static void each_head_is_judged(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct framing framing;
		struct loss_error err = {0};
		loss_status status = check(&cases[i], &framing, &err);
		if (status != cases[i].wanted)
			fail_msg("%s: %s instead of %s (%s)", cases[i].name,
				 status_words(status)->code, status_words(cases[i].wanted)->code,
				 err.detail);
		if (!strstr(err.detail, cases[i].words))
			fail_msg("%s: \"%s\" does not say \"%s\"", cases[i].name, err.detail,
				 cases[i].words);
	}
}

static struct framing framing_of(const char *version, struct header header)
{
	const struct header headers[] = {HOST, header};
	const struct raw_head head = {.method = "POST",
				      .target = "/",
				      .version = version,
				      .headers = headers,
				      .n_headers = 2,
				      .exact = true};
	struct framing framing;
	struct loss_error err;
	assert_int_equal(guard_check(&head, &framing, &err), LOSS_OK);
	return framing;
}

static void framing_is_reported(void **state)
{
	(void)state;
	struct framing f = framing_of(V1, (struct header){"Content-Length", "1250"});
	assert_true(f.has_length && !f.chunked && f.length == 1250);
	f = framing_of(V1, (struct header){"Transfer-Encoding", "chunked"});
	assert_true(!f.has_length && f.chunked && f.length == 0);
	assert_true(framing_of(V1, (struct header){"Expect", "100-continue"}).expects_continue);
	assert_false(framing_of(V0, (struct header){"Expect", "100-continue"}).expects_continue);
}

static void lengths_past_64_bits_saturate(void **state)
{
	static const struct {
		const char *text;
		uint64_t length;
	} lengths[] = {
		{"18446744073709551614", UINT64_MAX - 1}, {"18446744073709551615", UINT64_MAX},
		{"18446744073709551616", UINT64_MAX},     {"18446744073709551620", UINT64_MAX},
		{"99999999999999999999999", UINT64_MAX},  {"00000000000000000000000005", 5},
	};
	(void)state;
	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
		assert_true(
			framing_of(V1, (struct header){"Content-Length", lengths[i].text}).length ==
			lengths[i].length);
}

static void a_head_that_is_not_what_it_shows_is_refused(void **state)
{
	static const struct header headers[] = {HOST};
	const struct raw_head head = {.method = "GET",
				      .target = "/",
				      .version = V1,
				      .headers = headers,
				      .n_headers = 1,
				      .exact = false};
	struct framing framing;
	struct loss_error err;
	(void)state;
	assert_int_equal(guard_check(&head, &framing, &err), STATUS_INVALID_HEADER);
	assert_non_null(strstr(err.detail, "CR LF"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_head_is_judged),
		cmocka_unit_test(framing_is_reported),
		cmocka_unit_test(lengths_past_64_bits_saturate),
		cmocka_unit_test(a_head_that_is_not_what_it_shows_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
