/* The tokenizer: what it accepts, what it refuses and where, and that pieces do not matter. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../server/codec/json/json_scan.h"
#include "../support/random.h"
#include "budget.h"
#include "status/status.h"

#define SUITE "../shared/data/JSONTestSuite"

/* ---------------------------------------------------------------- a transcript of a scan */

struct transcript {
	FILE *stream;
	char *text;
	size_t size;
	loss_status status;
	char detail[512];
};

static void write_token(void *context, const struct json_token *token)
{
	struct transcript *transcript = context;
	const char *const marks = "{}[]:snTFN?!-";
	bool shown = token->event == JSON_KEY || token->event == JSON_STRING ||
		     token->event == JSON_NUMBER;
	fputc(marks[token->event], transcript->stream);
	if (shown)
		fprintf(transcript->stream, "%.*s%s", (int)token->size, token->text,
			token->cut ? "~" : "");
	if (token->event == JSON_NUMBER)
		fprintf(transcript->stream, "=%a", token->number.value);
	fputc(' ', transcript->stream);
}

/* How a text is cut: in one piece, byte by byte, or at random. */
enum cut { CUT_NOT, CUT_BYTES, CUT_RANDOM };

static struct random pieces;

static size_t piece_size(enum cut cut, size_t left)
{
	size_t n = cut == CUT_NOT ? left : cut == CUT_BYTES ? 1 : 1 + random_below(&pieces, 9);
	return n < left ? n : left;
}

static struct transcript scan(const char *text, size_t n, enum cut cut, bool nonfinite)
{
	struct transcript transcript = {0};
	struct loss_error err = {0};
	struct loss_arena *arena = loss_arena_create(NULL);
	struct json_scan scan;
	transcript.stream = open_memstream(&transcript.text, &transcript.size);
	json_scan_start(&scan, arena, &(struct json_scan_owner){write_token, NULL, &transcript});
	scan.nonfinite = nonfinite;
	for (size_t done = 0; done < n;) {
		size_t size = piece_size(cut, n - done);
		char *piece = malloc(size); /* of its own, so that a sanitizer sees its end */
		assert_non_null(piece);
		memcpy(piece, text + done, size);
		json_scan_feed(&scan, piece, size);
		free(piece);
		done += size;
	}
	transcript.status = json_scan_finish(&scan, &err);
	snprintf(transcript.detail, sizeof transcript.detail, "%s",
		 transcript.status == LOSS_OK ? "" : err.detail);
	fclose(transcript.stream);
	loss_arena_destroy(arena);
	return transcript;
}

static void assert_same(const struct transcript *a, const struct transcript *b)
{
	assert_int_equal(a->status, b->status);
	assert_string_equal(a->detail, b->detail);
	assert_string_equal(a->text, b->text);
}

/* Scans in one piece, and checks that other pieces give the same. The caller frees text. */
static struct transcript scan_all_ways(const char *text, size_t n, bool nonfinite)
{
	struct transcript whole = scan(text, n, CUT_NOT, nonfinite);
	for (int i = 0; i < 8; i++) {
		struct transcript cut = scan(text, n, i == 0 ? CUT_BYTES : CUT_RANDOM, nonfinite);
		assert_same(&whole, &cut);
		free(cut.text);
	}
	return whole;
}

/* ---------------------------------------------------------------- tables */

static void test_accepted(void **state)
{
	(void)state;
	static const struct {
		const char *text, *tokens;
	} cases[] = {
		{"{}", "{ } "},
		{" [ ] \n", "[ ] "},
		{"null", "N "},
		{"12", "n12=0x1.8p+3 "},
		{"-0", "n-0=-0x0p+0 "},
		{"[1,-2.5e1 , 1E+2]", "[ n1=0x1p+0 n-2.5e1=-0x1.9p+4 n1E+2=0x1.9p+6 ] "},
		{"{\"a\":[true,false,null],\"b\":{\"c\":\"d\"}}", "{ :a [ T F N ] :b { :c sd } } "},
		{"\"\"", "s "},
		{"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "s\"\\/\b\f\n\r\t "},
		{"\"\\u0041\\u00e9\\u20aC\\uD83D\\uDE00\"",
		 "sA\303\251\342\202\254\360\237\230\200 "},
		{"\"\303\251\342\202\254\360\237\230\200\355\237\277\"",
		 "s\303\251\342\202\254\360\237\230\200\355\237\277 "},
		{"\"a\\u0000b\"", "sa\357\277\275b "},
		{"\"\177\"", "s\177 "},
		{"[1e400,-1e400,1e-400]", "[ n1e400=inf n-1e400=-inf n1e-400=0x0p+0 ] "},
		{"{\"a\":1,\"a\":2}", "{ :a n1=0x1p+0 :a n2=0x1p+1 } "},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct transcript t = scan_all_ways(cases[i].text, strlen(cases[i].text), false);
		assert_string_equal(t.detail, "");
		assert_int_equal(t.status, LOSS_OK);
		assert_string_equal(t.text, cases[i].tokens);
		free(t.text);
	}
}

static void test_refused(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		loss_status status;
		const char *detail;
	} cases[] = {
		{"", STATUS_EMPTY_BODY, "the body is empty, but a JSON object is expected"},
		{" \r\n\t", STATUS_EMPTY_BODY, "the body is empty, but a JSON object is expected"},
		{"[1,]", STATUS_INVALID_JSON,
		 "line 1, column 4: found ']', but a value is expected: no comma stands before the "
		 "end"},
		{"[,1]", STATUS_INVALID_JSON,
		 "line 1, column 2: found ',', but a value or ']' is expected"},
		{"[1\n 2]", STATUS_INVALID_JSON,
		 "line 2, column 2: found '2', but ',' or ']' is expected"},
		{"[1}", STATUS_INVALID_JSON,
		 "line 1, column 3: found '}', but ',' or ']' is expected"},
		{"{\"a\":1]", STATUS_INVALID_JSON,
		 "line 1, column 7: found ']', but ',' or '}' is expected"},
		{"{\"a\" 1}", STATUS_INVALID_JSON,
		 "line 1, column 6: found '1', but ':' is expected"},
		{"{1:2}", STATUS_INVALID_JSON,
		 "line 1, column 2: found '1', but a name in double quotes or '}' is expected"},
		{"{\"a\":1,}", STATUS_INVALID_JSON,
		 "line 1, column 8: found '}', but a name is expected: no comma stands before the "
		 "end"},
		{"{} {}", STATUS_INVALID_JSON,
		 "line 1, column 4: found '{', but nothing may follow the document"},
		{"1 2", STATUS_INVALID_JSON,
		 "line 1, column 3: found '2', but nothing may follow the document"},
		{"'a'", STATUS_INVALID_JSON,
		 "line 1, column 1: found ''', but a text stands in double quotes"},
		{"\357\273\277{}", STATUS_INVALID_JSON,
		 "line 1, column 1: found the byte 0xef, but a body has no byte order mark"},
		{"[\357]", STATUS_INVALID_JSON,
		 "line 1, column 2: found the byte 0xef, but a value or ']' is expected"},
		{"[01]", STATUS_INVALID_JSON,
		 "line 1, column 3: found '1', but a number does not begin with 0 before other "
		 "digits"},
		{"[1.]", STATUS_INVALID_JSON,
		 "line 1, column 4: found ']', but a number can not go on so"},
		{"[2.e3]", STATUS_INVALID_JSON,
		 "line 1, column 4: found 'e', but a number can not go on so"},
		{"[1e+ ]", STATUS_INVALID_JSON,
		 "line 1, column 5: found the byte 0x20, but a number can not go on so"},
		{"[-]", STATUS_INVALID_JSON,
		 "line 1, column 3: found ']', but a number can not go on so"},
		{"[+1]", STATUS_INVALID_JSON,
		 "line 1, column 2: found '+', but a number has no '+' before it"},
		{"[.5]", STATUS_INVALID_JSON,
		 "line 1, column 2: found '.', but a number begins with a digit, as in 0.5"},
		{"[1-2]", STATUS_INVALID_JSON,
		 "line 1, column 3: found '-', but ',' or ']' is expected"},
		{"1-2", STATUS_INVALID_JSON,
		 "line 1, column 2: found '-', but nothing may follow the document"},
		{"[0x1]", STATUS_INVALID_JSON,
		 "line 1, column 3: found 'x', but ',' or ']' is expected; a number has no 0x and "
		 "no '_'"},
		{"[tru]", STATUS_INVALID_JSON, "line 1, column 5: found ']', but true is expected"},
		{"[True]", STATUS_INVALID_JSON,
		 "line 1, column 2: found 'T', but true is written in small letters"},
		{"[1,NaN]", STATUS_INVALID_JSON,
		 "line 1, column 4: found 'N', but NaN may stand in tensors only, and Python's "
		 "None is null"},
		{"[-Infinity]", STATUS_INVALID_JSON,
		 "line 1, column 3: found 'I', but Infinity may stand in tensors only"},
		{"[\"\t\"]", STATUS_INVALID_JSON,
		 "line 1, column 3: found the byte 0x09, but control characters in strings must be "
		 "escaped"},
		{"[\"\\x\"]", STATUS_INVALID_JSON,
		 "line 1, column 4: found 'x', but a backslash must be followed by one of "
		 "\"\\/bfnrtu"},
		{"[\"\\u00G0\"]", STATUS_INVALID_JSON,
		 "line 1, column 7: found 'G', but \\u must be followed by four hexadecimal "
		 "digits"},
		{"[\"\\uD800\"]", STATUS_INVALID_JSON,
		 "line 1, column 9: found '\"', but a \\u surrogate must be one of a pair, high "
		 "then "
		 "low"},
		{"[\"\\uDC00\"]", STATUS_INVALID_JSON,
		 "line 1, column 8: found '0', but a \\u surrogate must be one of a pair, high "
		 "then "
		 "low"},
		{"[\"\\uD800\\uD800\"]", STATUS_INVALID_JSON,
		 "line 1, column 14: found '0', but a \\u surrogate must be one of a pair, high "
		 "then "
		 "low"},
		{"[\"\\uD800\\n\"]", STATUS_INVALID_JSON,
		 "line 1, column 10: found 'n', but a \\u surrogate must be one of a pair, high "
		 "then "
		 "low"},
		{"[\"\200\"]", STATUS_INVALID_JSON,
		 "line 1, column 3: found the byte 0x80, but a string must be valid UTF-8"},
		{"[\"\300\200\"]", STATUS_INVALID_JSON,
		 "line 1, column 3: found the byte 0xc0, but a string must be valid UTF-8"},
		{"[\"\340\200\200\"]", STATUS_INVALID_JSON,
		 "line 1, column 4: found the byte 0x80, but a string must be valid UTF-8"},
		{"[\"\355\240\200\"]", STATUS_INVALID_JSON,
		 "line 1, column 4: found the byte 0xa0, but a string must be valid UTF-8"},
		{"[\"\364\220\200\200\"]", STATUS_INVALID_JSON,
		 "line 1, column 4: found the byte 0x90, but a string must be valid UTF-8"},
		{"[\"\365\"]", STATUS_INVALID_JSON,
		 "line 1, column 3: found the byte 0xf5, but a string must be valid UTF-8"},
		{"[\"\342\202\"]", STATUS_INVALID_JSON,
		 "line 1, column 5: found '\"', but a string must be valid UTF-8"},
		{"[1,", STATUS_TRUNCATED_BODY,
		 "line 1, column 4: the body ends here, but a value is expected"},
		{"[1,\n[2", STATUS_TRUNCATED_BODY,
		 "line 2, column 3: the body ends here, but ',' or ']' is expected"},
		{"{\"a\"", STATUS_TRUNCATED_BODY,
		 "line 1, column 5: the body ends here, but ':' is expected"},
		{"[\"ab", STATUS_TRUNCATED_BODY,
		 "line 1, column 5: the body ends here, but a string is not closed"},
		{"[nul", STATUS_TRUNCATED_BODY,
		 "line 1, column 5: the body ends here, but a word is not complete"},
		{"[1e", STATUS_TRUNCATED_BODY,
		 "line 1, column 4: the body ends here, but a number is not complete"},
		{"-", STATUS_TRUNCATED_BODY,
		 "line 1, column 2: the body ends here, but a number is not complete"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct transcript t = scan_all_ways(cases[i].text, strlen(cases[i].text), false);
		assert_string_equal(t.detail, cases[i].detail);
		assert_int_equal(t.status, cases[i].status);
		free(t.text);
	}
}

static void test_nul_bytes(void **state)
{
	(void)state;
	static const char *const texts[] = {"[\0]", "[1\0]", "[\"\0\"]", "[\"\\\0\"]", "[t\0]"};
	static const size_t sizes[] = {3, 4, 5, 6, 4};
	for (size_t i = 0; i < 5; i++) {
		struct transcript t = scan_all_ways(texts[i], sizes[i], true);
		assert_int_equal(t.status, STATUS_INVALID_JSON);
		assert_non_null(strstr(t.detail, "found the byte 0x00"));
		free(t.text);
	}
}

static void test_nonfinite_words(void **state)
{
	(void)state;
	static const struct {
		const char *text, *tokens;
		loss_status status;
	} cases[] = {
		{"[NaN,Infinity, -Infinity]", "[ ? ! - ] ", LOSS_OK},
		{"-Infinity", "- ", LOSS_OK},
		{"[-NaN]", "[ ", STATUS_INVALID_JSON},
		{"[-Infinitx]", "[ ", STATUS_INVALID_JSON},
		{"[Inf]", "[ ", STATUS_INVALID_JSON},
		{"[nan]", "[ ", STATUS_INVALID_JSON},
		{"[1-Infinity]", "[ n1=0x1p+0 ", STATUS_INVALID_JSON},
		{"[-Inf", "[ ", STATUS_TRUNCATED_BODY},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct transcript t = scan_all_ways(cases[i].text, strlen(cases[i].text), true);
		assert_int_equal(t.status, cases[i].status);
		assert_string_equal(t.text, cases[i].tokens);
		free(t.text);
	}
}

/* ---------------------------------------------------------------- limits */

static char *repeat(const char *unit, size_t times)
{
	size_t n = strlen(unit);
	char *text = malloc(n * times + 1);
	assert_non_null(text);
	for (size_t i = 0; i < times; i++)
		memcpy(text + i * n, unit, n);
	text[n * times] = '\0';
	return text;
}

static void test_depth(void **state)
{
	(void)state;
	char text[80];
	for (int depth = JSON_MAX_DEPTH; depth <= JSON_MAX_DEPTH + 1; depth++) {
		memset(text, '[', (size_t)depth);
		memset(text + depth, ']', (size_t)depth);
		struct transcript t = scan_all_ways(text, (size_t)depth * 2, false);
		assert_int_equal(t.status, depth > JSON_MAX_DEPTH ? STATUS_INVALID_JSON : LOSS_OK);
		if (depth > JSON_MAX_DEPTH)
			assert_string_equal(t.detail, "line 1, column 33: found '[', but nesting "
						      "deeper than 32 levels is not allowed");
		free(t.text);
	}
	char *million = repeat("[", 1000000);
	struct transcript t = scan(million, 1000000, CUT_NOT, false);
	assert_int_equal(t.status, STATUS_INVALID_JSON);
	free(t.text);
	free(million);
}

static void ignore(void *context, const struct json_token *token)
{
	(void)context;
	(void)token;
}

/* An empty body lies nowhere; adding to its address is undefined, which sanitizers report. */
static void test_no_bytes_at_no_address(void **state)
{
	(void)state;
	struct json_scan scan_of;
	struct loss_error err;
	struct loss_arena *arena = loss_arena_create(NULL);
	memset(&scan_of, 0, sizeof scan_of);
	json_scan_start(&scan_of, arena, &(struct json_scan_owner){.token = ignore});
	json_scan_feed(&scan_of, NULL, 0);
	assert_int_equal(json_scan_finish(&scan_of, &err), STATUS_EMPTY_BODY);
	json_scan_start(&scan_of, arena, &(struct json_scan_owner){.token = ignore});
	json_scan_feed(&scan_of, "[1", 2);
	json_scan_feed(&scan_of, NULL, 0);
	json_scan_feed(&scan_of, "2]", 2);
	assert_int_equal(json_scan_finish(&scan_of, &err), LOSS_OK);
	loss_arena_destroy(arena);
}

/* After `prefix`, n digits and a bracket. */
static struct transcript scan_long_number(const char *prefix, size_t n)
{
	char *digits = repeat("7", n), *text = malloc(n + 16);
	assert_non_null(text);
	int size = snprintf(text, n + 16, "[%s%s]", prefix, digits);
	struct transcript whole = scan(text, (size_t)size, CUT_NOT, false);
	struct transcript bytes = scan(text, (size_t)size, CUT_BYTES, false);
	struct transcript random = scan(text, (size_t)size, CUT_RANDOM, false);
	assert_same(&whole, &bytes);
	assert_same(&whole, &random);
	free(bytes.text);
	free(random.text);
	free(text);
	free(digits);
	return whole;
}

static void test_long_numbers(void **state)
{
	(void)state;
	static const struct {
		const char *prefix;
		size_t n;
		const char *detail; /* "" where it is read */
	} cases[] = {
		{"0.", JSON_NUMBER_MAX - 2, ""},
		{"0.", JSON_NUMBER_MAX - 1,
		 "line 1, column 65538: found '7', but a number can not have more than 65536 "
		 "characters"},
		{"", JSON_NUMBER_MAX, ""},
		{"", 200000,
		 "line 1, column 65538: found '7', but a number can not have more than 65536 "
		 "characters"},
		{"0", 200000,
		 "line 1, column 3: found '7', but a number does not begin with 0 before other "
		 "digits"},
		{"1-", 200000, "line 1, column 3: found '-', but ',' or ']' is expected"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct transcript t = scan_long_number(cases[i].prefix, cases[i].n);
		assert_string_equal(t.detail, cases[i].detail);
		free(t.text);
	}
}

/* Long strings are checked to the end, kept to a bound, and never cut inside a character. */
static void test_long_strings(void **state)
{
	(void)state;
	char text[1100];
	for (size_t before = 250; before < 260; before++) {
		char *letters = repeat("a", before);
		int size = snprintf(text, sizeof text, "\"%s\342\202\254\\u20acb\"", letters);
		struct transcript t = scan_all_ways(text, (size_t)size, false);
		assert_int_equal(t.status, LOSS_OK);
		size_t kept = before;
		for (int i = 0; i < 2 && kept + 3 <= JSON_TEXT_MAX; i++)
			kept += 3;
		kept += kept == before + 6 && kept < JSON_TEXT_MAX;
		kept = kept < JSON_TEXT_MAX ? kept : JSON_TEXT_MAX;
		bool cut = kept < before + 7;
		assert_int_equal(strlen(t.text), 1 + kept + cut + 1);
		assert_int_equal(t.text[1 + kept] == '~', cut);
		free(t.text);
		free(letters);
	}
	char *letters = repeat("b", 1000);
	int size = snprintf(text, sizeof text, "\"%s\200\"", letters);
	struct transcript t = scan_all_ways(text, (size_t)size, false);
	assert_int_equal(t.status, STATUS_INVALID_JSON);
	free(t.text);
	free(letters);
}

static void test_no_memory_for_a_cut_number(void **state)
{
	(void)state;
	struct transcript transcript = {0};
	struct loss_error err = {0};
	struct loss_budget budget = {.limit = 32768};
	struct loss_arena *arena = loss_arena_create(&budget);
	struct json_scan scan;
	char *digits = repeat("1", 60000);
	transcript.stream = open_memstream(&transcript.text, &transcript.size);
	json_scan_start(&scan, arena, &(struct json_scan_owner){write_token, NULL, &transcript});
	json_scan_feed(&scan, digits, 60000);
	json_scan_feed(&scan, "]", 1);
	assert_int_equal(json_scan_finish(&scan, &err), LOSS_TOO_LARGE_FOR_BUDGET);
	fclose(transcript.stream);
	assert_string_equal(transcript.text, "");
	free(transcript.text);
	free(digits);
	loss_arena_destroy(arena);
	assert_int_equal(loss_budget_held(&budget), 0);
	loss_budget_trim(&budget);
}

/* ---------------------------------------------------------------- JSONTestSuite */

static char *read_file(const char *name, size_t *size)
{
	char path[512];
	snprintf(path, sizeof path, SUITE "/%s", name);
	FILE *file = fopen(path, "rb");
	assert_non_null(file);
	char *bytes = malloc(1 << 20);
	assert_non_null(bytes);
	*size = fread(bytes, 1, 1 << 20, file);
	fclose(file);
	return bytes;
}

static void test_suite(void **state)
{
	(void)state;
	DIR *folder = opendir(SUITE);
	if (!folder) {
		print_message("skipped: no folder " SUITE "\n");
		skip();
	}
	size_t accepted = 0, refused = 0, either = 0;
	for (struct dirent *entry; (entry = readdir(folder));) {
		const char *name = entry->d_name;
		size_t size;
		if (!strstr(name, ".json"))
			continue;
		char *bytes = read_file(name, &size);
		struct transcript t = scan_all_ways(bytes, size, false);
		int http = status_http(t.status);
		if (name[0] == 'y' && t.status != LOSS_OK)
			fail_msg("%s is refused: %s", name, t.detail);
		if (name[0] == 'n' && http != 400)
			fail_msg("%s is accepted", name);
		if (name[0] == 'i' && http != 400 && t.status != LOSS_OK)
			fail_msg("%s gives %d", name, http);
		accepted += name[0] == 'y';
		refused += name[0] == 'n';
		either += name[0] == 'i';
		free(t.text);
		free(bytes);
	}
	closedir(folder);
	assert_int_equal(accepted, 95);
	assert_int_equal(refused, 188);
	assert_int_equal(either, 35);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepted),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_nul_bytes),
		cmocka_unit_test(test_nonfinite_words),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_no_bytes_at_no_address),
		cmocka_unit_test(test_long_numbers),
		cmocka_unit_test(test_long_strings),
		cmocka_unit_test(test_no_memory_for_a_cut_number),
		cmocka_unit_test(test_suite),
	};
	pieces = random_start(20250601);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
