#include "../../server/http/head.h"
#include "../support/memory.h"
#include "budget.h"
#include "status/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct loss_arena *arena;

static int start(void **state)
{
	(void)state;
	arena = loss_arena_create(NULL);
	return arena ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	loss_arena_destroy(arena);
	return 0;
}

static struct head read_all(const struct header *headers, size_t n)
{
	struct head head = {0};
	struct loss_error err;
	assert_int_equal(head_read(&head, headers, n, arena, &err), LOSS_OK);
	return head;
}

static struct head read_one(const char *name, const char *value)
{
	const struct header header = {name, value};
	return read_all(&header, 1);
}

static void lists_are_joined(void **state)
{
	static const struct header headers[] = {
		{"Accept", "text/html"}, {"accept", "text/plain"}, {"ACCEPT", "*/*;q=0.1"}};
	(void)state;
	assert_string_equal(read_all(headers, 3).accept, "text/html, text/plain, */*;q=0.1");
}

/* Also empty ones, each list for itself, and what other headers stand between them. */
static void lists_keep_all_their_parts(void **state)
{
	static const struct header headers[] = {
		{"Accept", ""},          {"accept-encoding", "gzip"},  {"Accept", "a/b"},
		{"Accept-Charset", "x"}, {"Accept-Encoding", "br"},    {"Accept", ""},
		{"Accept", "c/d"},       {"Content-Encoding", "gzip"},
	};
	(void)state;
	const struct head head = read_all(headers, sizeof headers / sizeof *headers);
	assert_string_equal(head.accept, ", a/b, , c/d");
	assert_string_equal(head.accept_encoding, "gzip, br");
	assert_string_equal(head.content_encoding, "gzip");
}

/* Memory that grows with the number of bytes, not with its square. */
static void long_lists_are_held_once(void **state)
{
	enum { N = 4096 };
	static struct header headers[N];
	size_t held = loss_arena_held(arena);
	(void)state;
	for (size_t i = 0; i < N; i++)
		headers[i] = (struct header){"Accept", "text/html"};
	assert_int_equal(strlen(read_all(headers, N).accept), N * strlen("text/html, ") - 2);
	assert_true(loss_arena_held(arena) - held < 2 * N * strlen("text/html, "));
}

static void white_space_behind_values_is_left_out(void **state)
{
	static const struct header headers[] = {{"Accept", "text/html \t"}, {"Accept", "*/*  "}};
	(void)state;
	assert_string_equal(read_one("X-Request-Id", "a b \t ").request_id, "a b");
	assert_string_equal(read_one("Content-Type", "text/html").content_type, "text/html");
	assert_null(read_one("Origin", " \t").origin);
	assert_string_equal(read_all(headers, 2).accept, "text/html, */*");
}

/* A value without its white space takes memory. */
static void values_that_can_not_be_kept_are_no_values(void **state)
{
	static char value[BLOCK + 2];
	struct loss_budget budget = budget_of(BLOCK);
	struct loss_arena *small = create_arena(&budget);
	const struct header header = {"Content-Type", value};
	struct head head = {0};
	struct loss_error err;
	(void)state;
	memset(value, 'a', BLOCK);
	value[BLOCK] = ' ';
	assert_int_equal(head_read(&head, &header, 1, small, &err), LOSS_TOO_LARGE_FOR_BUDGET);
	assert_int_equal(err.status, LOSS_TOO_LARGE_FOR_BUDGET);
	assert_null(head.content_type);
	loss_arena_destroy(small);
}

static void doubled_single_values_are_refused(void **state)
{
	static const char *const names[] = {"Content-Type", "X-Request-Timeout-Ms",
					    "Inference-Header-Content-Length", "Origin"};
	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		const struct header headers[] = {{names[i], "1"}, {names[i], "1"}};
		struct head head = {0};
		struct loss_error err;
		assert_int_equal(head_read(&head, headers, 2, arena, &err), STATUS_INVALID_HEADER);
		assert_non_null(strstr(err.detail, names[i]));
	}
}

/* ---------------------------------------------------------------- ids */

static void request_ids_are_echoed_when_they_may_be(void **state)
{
	char longest[HEAD_MAX_ID + 1], too_long[HEAD_MAX_ID + 2];
	static const struct header twice[] = {{"X-Request-Id", "a"}, {"X-Request-Id", "b"}};
	(void)state;
	memset(longest, 'a', sizeof longest);
	longest[HEAD_MAX_ID] = '\0';
	memset(too_long, 'a', sizeof too_long);
	too_long[HEAD_MAX_ID + 1] = '\0';
	assert_string_equal(read_one("x-request-id", "abc 1").request_id, "abc 1");
	assert_string_equal(read_one("X-Request-Id", longest).request_id, longest);
	assert_null(read_one("X-Request-Id", too_long).request_id);
	assert_null(read_one("X-Request-Id", "").request_id);
	assert_null(read_one("X-Request-Id", "a\tb").request_id);
	assert_null(read_one("X-Request-Id", "caf\xe9").request_id);
	assert_null(read_all(twice, 2).request_id);
}

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define PARENT "b7ad6b7169203331"

static void trace_contexts_are_checked(void **state)
{
	static const struct {
		const char *text;
		bool valid;
	} cases[] = {
		{"00-" TRACE "-" PARENT "-01", true},
		{"01-" TRACE "-" PARENT "-01-more", true},
		{"00-" TRACE "-" PARENT "-01-more", false},
		{"01-" TRACE "-" PARENT "-01more", false},
		{"ff-" TRACE "-" PARENT "-01", false},
		{"00-00000000000000000000000000000000-" PARENT "-01", false},
		{"00-" TRACE "-0000000000000000-01", false},
		{"00-0AF7651916CD43DD8448EB211C80319C-" PARENT "-01", false},
		{"00-" TRACE "-" PARENT "-0", false},
		{"00-" TRACE "-" PARENT "-0g", false},
		{"00-" TRACE "_" PARENT "-01", false},
		{"00_" TRACE "-" PARENT "-01", false},
		{"00-" TRACE "-" PARENT "_01", false},
		{"0x-" TRACE "-" PARENT "-01", false},
		{"00-" TRACE "-xxxxxxxxxxxxxxxx-01", false},
		{"", false},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const struct head head = read_one("traceparent", cases[i].text);
		if ((head.traceparent != NULL) != cases[i].valid)
			fail_msg("\"%s\" is %s", cases[i].text, cases[i].valid ? "valid" : "not");
	}
}

static void trace_state_goes_with_its_parent(void **state)
{
	static const struct header headers[] = {{"traceparent", "00-" TRACE "-" PARENT "-01"},
						{"tracestate", "a=1"},
						{"tracestate", "b=2"}};
	(void)state;
	assert_string_equal(read_all(headers, 3).tracestate, "a=1, b=2");
	assert_null(read_all(headers + 1, 2).tracestate);
}

/* ---------------------------------------------------------------- Content-Type */

static void content_types_are_judged(void **state)
{
	static const char *const names[] = {"application/json", "application/x-other"};
	static const struct {
		const char *value;
		loss_status wanted;
		size_t index;
		const char *words;
	} cases[] = {
		{"application/json", LOSS_OK, 0, ""},
		{"APPLICATION/JSON", LOSS_OK, 0, ""},
		{"application/json; charset=utf-8", LOSS_OK, 0, ""},
		{"application/json ;Charset=\"UTF-8\"; x=y", LOSS_OK, 0, ""},
		{"application/json;", LOSS_OK, 0, ""},
		{"application/x-other", LOSS_OK, 1, ""},
		{"", LOSS_OK, 0, ""},
		{"application/json; charset=latin-1", STATUS_UNSUPPORTED_MEDIA_TYPE, 0, "utf-8"},
		{"application/jsonx", STATUS_UNSUPPORTED_MEDIA_TYPE, 0, "application/json"},
		{"text/json", STATUS_UNSUPPORTED_MEDIA_TYPE, 0, "text/json"},
		{";", STATUS_UNSUPPORTED_MEDIA_TYPE, 0, ""},
		{"application/x-www-form-urlencoded", STATUS_UNSUPPORTED_MEDIA_TYPE, 0,
		 "-H 'Content-Type: application/json'"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct head head = read_one("Content-Type", cases[i].value);
		struct loss_error err = {0};
		size_t index = 9;
		loss_status status = head_media_type(&head, names, 2, &index, &err);
		if (status != cases[i].wanted || (!status && index != cases[i].index) ||
		    !strstr(err.detail, cases[i].words))
			fail_msg("\"%s\": %s, row %zu, \"%s\"", cases[i].value,
				 status_words(status)->code, index, err.detail);
	}
}

static void one_coding_of_the_body_is_decoded(void **state)
{
	static const struct {
		const char *value;
		loss_status wanted;
		enum content_coding coding;
	} cases[] = {
		{"identity", LOSS_OK, CODING_IDENTITY},
		{"Identity, identity", LOSS_OK, CODING_IDENTITY},
		{"", LOSS_OK, CODING_IDENTITY},
		{"gzip", LOSS_OK, CODING_GZIP},
		{" GZip ", LOSS_OK, CODING_GZIP},
		{"x-gzip", LOSS_OK, CODING_GZIP},
		{"deflate", LOSS_OK, CODING_DEFLATE},
		{"zstd", LOSS_OK, CODING_ZSTD},
		{"identity, ZSTD", LOSS_OK, CODING_ZSTD},
		{"identity, , gzip, identity", LOSS_OK, CODING_GZIP},
		{"gzip, deflate", STATUS_UNSUPPORTED_ENCODING, 0},
		{"gzip, gzip", STATUS_UNSUPPORTED_ENCODING, 0},
		{"br", STATUS_UNSUPPORTED_ENCODING, 0},
		{"zstd, gzip", STATUS_UNSUPPORTED_ENCODING, 0},
		{"identity, br", STATUS_UNSUPPORTED_ENCODING, 0},
		{"x-zstd", STATUS_UNSUPPORTED_ENCODING, 0},
		{"*", STATUS_UNSUPPORTED_ENCODING, 0},
		{"gzipp", STATUS_UNSUPPORTED_ENCODING, 0},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct head head = read_one("Content-Encoding", cases[i].value);
		struct loss_error err = {0};
		enum content_coding coding = (enum content_coding)9;
		loss_status status = head_encoding(&head, &coding, &err);
		if (status != cases[i].wanted || (!status && coding != cases[i].coding))
			fail_msg("\"%s\": %s, coding %d", cases[i].value,
				 status_words(status)->code, (int)coding);
		assert_true(!status || strstr(err.detail, cases[i].value));
	}
	struct head absent = {0};
	enum content_coding coding = (enum content_coding)9;
	assert_int_equal(head_encoding(&absent, &coding, NULL), LOSS_OK);
	assert_int_equal(coding, CODING_IDENTITY);
}

static void replies_are_coded_for_those_who_ask(void **state)
{
	static const struct {
		const char *value;
		enum content_coding coding;
		bool always;
	} cases[] = {
		{"", CODING_IDENTITY, false},
		{"gzip", CODING_GZIP, false},
		{"GZIP", CODING_GZIP, false},
		{"x-gzip", CODING_GZIP, false},
		{"zstd", CODING_ZSTD, false},
		{"ZStd;q=0.3", CODING_ZSTD, false},
		{"x-zstd", CODING_IDENTITY, false},
		{"gzip, deflate, br, zstd", CODING_ZSTD, false},
		{"zstd, gzip", CODING_ZSTD, false},
		{"zstd;q=0.5, gzip;q=0.5", CODING_ZSTD, false},
		{"zstd;q=0.499, gzip;q=0.5", CODING_GZIP, false},
		{"zstd;q=0.5, gzip;q=0.499", CODING_ZSTD, false},
		{"zstd;q=0, gzip", CODING_GZIP, false},
		{"zstd, gzip;q=0", CODING_ZSTD, false},
		{"deflate, gzip;q=0.5", CODING_GZIP, false},
		{"deflate", CODING_IDENTITY, false},
		{"identity", CODING_IDENTITY, false},
		{"*", CODING_ZSTD, false},
		{"*;q=0", CODING_IDENTITY, false},
		{"gzip;q=0", CODING_IDENTITY, false},
		{"gzip;q=0, *", CODING_ZSTD, false},
		{"zstd;q=0, *", CODING_GZIP, false},
		{"gzip;q=0, zstd;q=0, *", CODING_IDENTITY, false},
		{"gzip;q=0.000", CODING_IDENTITY, false},
		{"gzip;q=0.001", CODING_GZIP, false},
		{"br;q=1.0, *;q=0.1", CODING_ZSTD, false},
		{"*;q=0.5, gzip;q=0.2", CODING_ZSTD, false},
		{"*;q=0.5, gzip;q=0.8", CODING_GZIP, false},
		{"identity, gzip;q=0.5", CODING_IDENTITY, false},
		{"identity;q=0.7, gzip;q=0.5, zstd;q=0.9", CODING_ZSTD, false},
		{"identity;q=0.7, gzip;q=0.5, zstd;q=0.6", CODING_IDENTITY, false},
		{"identity;q=0.5, gzip;q=0.5", CODING_GZIP, false},
		{"identity;q=0, gzip;q=0.1", CODING_GZIP, true},
		{"*;q=0, zstd", CODING_ZSTD, true},
		{"identity;q=0, *", CODING_ZSTD, true},
		{"identity;q=0", CODING_IDENTITY, false}, /* a reply is better than none */
		{"identity;q=0, br", CODING_IDENTITY, false},
		{"gzips", CODING_IDENTITY, false},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct head head = read_one("Accept-Encoding", cases[i].value);
		struct reply_coding wanted = head_reply_coding(&head);
		if (wanted.coding != cases[i].coding || wanted.always != cases[i].always)
			fail_msg("\"%s\": %s", cases[i].value, content_coding_name(wanted.coding));
	}
	struct head absent = {0};
	assert_int_equal(head_reply_coding(&absent).coding, CODING_IDENTITY);
}

/* ---------------------------------------------------------------- Accept */

static void accept_is_negotiated(void **state)
{
	static const struct {
		const char *accept, *type;
		bool wanted;
	} cases[] = {
		{"", "application/json", true},
		{"*/*", "application/json", true},
		{"*", "application/json", true},
		{"application/json", "application/json", true},
		{"APPLICATION/Json", "application/json", true},
		{"application/*", "application/json", true},
		{"text/html", "application/json", false},
		{"text/*", "application/json", false},
		{"application/jsonx", "application/json", false},
		{"text/html, application/*;q=0.5", "application/json", true},
		{"application/json;q=0", "application/json", false},
		{"application/json; q=0.000", "application/json", false},
		{"application/json; Q=0", "application/json", false},
		{"application/json;q=0.001", "application/json", true},
		{"application/json;q=0, */*", "application/json", false},
		{"*/*, application/json;q=0", "application/json", false},
		{"*/*;q=0, application/json", "application/json", true},
		{"application/*;q=0, */*", "application/json", false},
		{"application/json;q=0, application/json", "application/json", true},
		{"application/json;x=\"a,b;q=0\"", "application/json", true},
		{"application/json;x=\"a\\\"b,\";q=0", "application/json", false},
		{"application/json;q=", "application/json", true},
		{"text/plain;version=0.0.4;q=0.5", "text/plain; version=0.0.4", true},
		{"text/html", "text/html; charset=utf-8", true},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct head head = read_one("Accept", cases[i].accept);
		struct loss_error err = {0};
		size_t index;
		bool wanted = head_accept(&head, &cases[i].type, 1, &index, &err) == LOSS_OK;
		if (wanted != cases[i].wanted)
			fail_msg("\"%s\" does%s want %s", cases[i].accept, wanted ? "" : " not",
				 cases[i].type);
		if (!wanted)
			assert_int_equal(err.status, STATUS_NOT_ACCEPTABLE);
	}
}

static void accept_chooses_among_types(void **state)
{
	static const char *const types[] = {"application/json", "application/x-tensors",
					    "text/plain"};
	static const struct {
		const char *accept;
		size_t chosen; /* 3: none */
	} cases[] = {
		{"", 0},
		{"*/*", 0},
		{"application/*", 0},
		{"text/*", 2},
		{"application/x-tensors", 1},
		{"application/x-tensors, */*", 1},
		{"*/*, application/x-tensors", 1},
		{"application/x-tensors;q=0.5, */*", 0},
		{"application/x-tensors;q=0.5, */*;q=0.4", 1},
		{"application/json, application/x-tensors", 0},
		{"application/json;q=0.9, application/x-tensors", 1},
		{"application/json;q=0.25, application/x-tensors;q=0.251", 1},
		{"application/json;q=0, */*", 1},
		{"application/json;q=0, application/x-tensors;q=0.0, */*", 2},
		{"application/json;q=0.1, application/x-tensors;q=1.0", 1},
		{"application/json;q=x, application/x-tensors;q=0.999", 0},
		{"application/json;q=10, application/x-tensors;q=0.999", 0},
		{"image/png, image/*", 3},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct head head = read_one("Accept", cases[i].accept);
		struct loss_error err = {0};
		size_t index = 9;
		loss_status status = head_accept(&head, types, 3, &index, &err);
		if (status != (cases[i].chosen == 3 ? STATUS_NOT_ACCEPTABLE : LOSS_OK) ||
		    (status == LOSS_OK && index != cases[i].chosen))
			fail_msg("\"%s\" chose %zu: %s", cases[i].accept, index, err.detail);
	}
	struct head head = read_one("Accept", "image/png");
	struct loss_error err;
	size_t index;
	head_accept(&head, types, 3, &index, &err);
	assert_string_equal(err.detail, "Accept is \"image/png\", but this path replies with "
					"application/json, application/x-tensors or text/plain");
}

static void timeouts_have_a_range(void **state)
{
	static const struct {
		const char *value;
		uint64_t ms; /* 0: refused */
	} cases[] = {
		{"1", 1},   {"3600000", 3600000},
		{"0", 0},   {"3600001", 0},
		{"-1", 0},  {"1.5", 0},
		{"1 2", 0}, {"abc", 0},
		{"", 0},    {"99999999999999999999", 0},
	};
	struct head none = {0};
	struct loss_error err;
	uint64_t ms = 7;
	(void)state;
	assert_int_equal(head_timeout(&none, &ms, &err), LOSS_OK);
	assert_int_equal(ms, 0);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct head head = read_one("X-Request-Timeout-Ms", cases[i].value);
		loss_status status = head_timeout(&head, &ms, &err);
		assert_int_equal(status, cases[i].ms ? LOSS_OK : STATUS_INVALID_HEADER);
		if (cases[i].ms)
			assert_int_equal(ms, cases[i].ms);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_are_joined),
		cmocka_unit_test(lists_keep_all_their_parts),
		cmocka_unit_test(long_lists_are_held_once),
		cmocka_unit_test(white_space_behind_values_is_left_out),
		cmocka_unit_test(values_that_can_not_be_kept_are_no_values),
		cmocka_unit_test(doubled_single_values_are_refused),
		cmocka_unit_test(request_ids_are_echoed_when_they_may_be),
		cmocka_unit_test(trace_contexts_are_checked),
		cmocka_unit_test(trace_state_goes_with_its_parent),
		cmocka_unit_test(content_types_are_judged),
		cmocka_unit_test(one_coding_of_the_body_is_decoded),
		cmocka_unit_test(replies_are_coded_for_those_who_ask),
		cmocka_unit_test(accept_is_negotiated),
		cmocka_unit_test(accept_chooses_among_types),
		cmocka_unit_test(timeouts_have_a_range),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
