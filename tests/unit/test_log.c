/* Log lines: their two formats, what is escaped, and that each is one write. */
#include "../support/capture.h"
#include "log/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cjson/cJSON.h>
#include <cmocka.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STAMP "2000-01-01T00:00:00.000Z"

static struct capture caught;

/* Logs one line and returns it without its newline and, in text, without its time. */
static const char *line_of(enum log_format format, const char *message,
			   const struct log_field *fields, size_t n)
{
	log_start(LOG_INFO, format);
	capture_begin(&caught, STDERR_FILENO);
	log_event(LOG_WARNING, message, fields, n);
	capture_end(&caught);
	assert_true(caught.size > 0);
	assert_ptr_equal(strchr(caught.text, '\n'), caught.text + caught.size - 1);
	caught.text[--caught.size] = '\0';
	return format == LOG_JSON ? caught.text : caught.text + strlen(STAMP);
}

static const char *text_line(const char *value)
{
	return line_of(LOG_TEXT, "m", &(struct log_field){.name = "k", .text = value}, 1);
}

/* The line as JSON, which the caller deletes. */
static cJSON *json_line(const struct log_field *fields, size_t n)
{
	const char *line = line_of(LOG_JSON, "a message", fields, n);
	cJSON *document = cJSON_ParseWithOpts(line, NULL, true);
	if (!document)
		fail_msg("not JSON: %s", line);
	return document;
}

/* Digits and signs where STAMP has them. */
static void assert_time(const char *text)
{
	for (size_t i = 0; i < strlen(STAMP); i++) {
		bool digit = STAMP[i] >= '0' && STAMP[i] <= '9';
		if (digit)
			assert_in_range(text[i], '0', '9');
		else
			assert_int_equal(text[i], STAMP[i]);
	}
	assert_true(strncmp(text, "2024", 4) > 0);
}

static void a_text_line_has_time_level_message_and_fields(void **state)
{
	(void)state;
	const struct log_field fields[] = {{.name = "path", .text = "/v1/losses"},
					   {.name = "code", .number = 404},
					   {.name = "seconds", .number = 0.25}};
	assert_string_equal(line_of(LOG_TEXT, "not found", fields, 3),
			    " warning not found path=/v1/losses code=404 seconds=0.25");
	assert_time(caught.text);
}

static void a_json_line_has_the_same_members(void **state)
{
	(void)state;
	const struct log_field fields[] = {{.name = "path", .text = "/v1"},
					   {.name = "code", .number = 404}};
	cJSON *document = json_line(fields, 2);
	assert_int_equal(cJSON_GetArraySize(document), 5);
	const char *time = cJSON_GetObjectItem(document, "time")->valuestring;
	assert_int_equal(strlen(time), strlen(STAMP));
	assert_time(time);
	assert_string_equal(cJSON_GetObjectItem(document, "level")->valuestring, "warning");
	assert_string_equal(cJSON_GetObjectItem(document, "message")->valuestring, "a message");
	assert_string_equal(cJSON_GetObjectItem(document, "path")->valuestring, "/v1");
	assert_int_equal(cJSON_GetObjectItem(document, "code")->valueint, 404);
	cJSON_Delete(document);
}

static void values_are_quoted_and_escaped_in_text(void **state)
{
	static const struct {
		const char *value, *shown;
	} cases[] = {
		{"plain", "plain"},
		{"", "\"\""},
		{"two words", "\"two words\""},
		{"a=b", "\"a=b\""},
		{"say \"hi\"", "\"say \\\"hi\\\"\""},
		{"back\\slash", "\"back\\\\slash\""},
		{"x\ny\rz\t", "\"x\\ny\\rz\\t\""},
		{"\x1b[31m\x7f\x01", "\"\\u001b[31m\\u007f\\u0001\""},
		{"Z\xc3\xbcrich \xe2\x82\xac \xf0\x9f\x98\x80",
		 "\"Z\xc3\xbcrich \xe2\x82\xac \xf0\x9f\x98\x80\""},
		{"\xc2\x9b", "\"\\u009b\""},           /* a control character of C1 */
		{"a\xe2\x80\xae b", "\"a\\u202e b\""}, /* from right to left */
		{"a\xe2\x80\xa8z", "\"a\\u2028z\""},   /* the end of a line */
		{"\xe2\x80\x8b\xef\xbb\xbf", "\"\\u200b\\ufeff\""},
		{"\xf3\xa0\x81\x81", "\"\\udb40\\udc41\""}, /* a tag */
		{"\xe2\x80\xa7\xe2\x80\xaf", "\"\xe2\x80\xa7\xe2\x80\xaf\""},
		{"\xff\xc3", "\"\\u00ff\\u00c3\""},            /* not UTF-8, cut UTF-8 */
		{"\xc0\xaf", "\"\\u00c0\\u00af\""},            /* overlong */
		{"\xed\xa0\x80", "\"\\u00ed\\u00a0\\u0080\""}, /* a surrogate */
		{"\xe2\x82", "\"\\u00e2\\u0082\""},
		{"\xe2\x28\xac", "\"\\u00e2(\\u00ac\""},
		{"\xe2\x82(", "\"\\u00e2\\u0082(\""},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *line = text_line(cases[i].value);
		assert_memory_equal(line, " warning m k=", 13);
		assert_string_equal(line + 13, cases[i].shown);
	}
}

/* One such byte is enough; any other needs no quotes. */
static void bytes_that_need_quotes_get_them(void **state)
{
	(void)state;
	for (int byte = 1; byte < 256; byte++) {
		const char value[] = {'a', (char)byte, 'b', '\0'};
		bool plain = byte > ' ' && byte < 0x7f && !strchr("\"\\=", byte);
		const char *shown = text_line(value) + 13;
		size_t n = strlen(shown);
		assert_int_equal(shown[0] == '"' && shown[n - 1] == '"', !plain);
		if (plain)
			assert_string_equal(shown, value);
	}
}

static void any_bytes_make_valid_json(void **state)
{
	(void)state;
	for (int byte = 1; byte < 256; byte++) {
		const char value[] = {'a', (char)byte, 'b', '\0'};
		cJSON *document = json_line(&(struct log_field){.name = "k", .text = value}, 1);
		for (const char *at = caught.text; *at; at++)
			assert_true((unsigned char)*at >= 0x20 && *at != 0x7f);
		const char *back = cJSON_GetObjectItem(document, "k")->valuestring;
		if (byte < 0x80)
			assert_string_equal(back, value);
		cJSON_Delete(document);
	}
}

static void numbers_are_shown_whole_or_with_three_decimals(void **state)
{
	static const struct {
		double number;
		const char *shown;
	} cases[] = {{0, "0"},
		     {-3, "-3"},
		     {4503599627370496, "4503599627370496"},
		     {9007199254740991, "9007199254740991"},
		     {9007199254740992, "9.0072e+15"},
		     {1e300, "1e+300"},
		     {1.23456789, "1.235"},
		     {-0.75, "-0.75"},
		     {0.1, "0.1"},
		     {10, "10"},
		     {100.5, "100.5"},
		     {0.0005, "0.001"},
		     {0.00049, "0"},
		     {-0.00049, "0"},
		     {-0.0, "0"},
		     {0.9996, "1"},
		     {99.9996, "100"}};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct log_field field = {.name = "k", .number = cases[i].number};
		const char *line = line_of(LOG_TEXT, "m", &field, 1);
		assert_string_equal(line + 13, cases[i].shown);
	}
	const struct log_field none = {.name = "k", .number = (double)NAN};
	assert_string_equal(line_of(LOG_TEXT, "m", &none, 1) + 13, "nan");
	cJSON *document = json_line(&none, 1);
	assert_true(cJSON_IsNull(cJSON_GetObjectItem(document, "k")));
	cJSON_Delete(document);
}

/* A value of every length around the line's, so that the cut falls into every place of what
 * follows. */
static void a_line_that_is_too_long_is_cut_and_still_well_formed(void **state)
{
	static char value[6000];
	(void)state;
	for (size_t n = 3900; n < 4200; n++) {
		memset(value, 'x', n);
		value[n] = '\0';
		value[n - 1] = '\n'; /* escaped: two bytes that must stay together */
		const struct log_field fields[] = {{.name = "first", .text = value},
						   {.name = "second", .number = 12345},
						   {.name = "third", .text = "\x01"}};
		cJSON *document = json_line(fields, 3);
		const cJSON *third = cJSON_GetObjectItem(document, "third");
		bool whole = third && strcmp(third->valuestring, "\x01") == 0;
		assert_int_equal(whole, !cJSON_HasObjectItem(document, "cut"));
		assert_true(caught.size < 4096);
		cJSON_Delete(document);

		const char *line = line_of(LOG_TEXT, "m", fields, 3);
		const char *end = line + strlen(line) - 4;
		bool cut = strcmp(end, " ...") == 0;
		assert_int_equal(cut, strstr(line, "third=\"\\u0001\"") == NULL);
	}
	assert_true(sizeof value > 5000);
	memset(value, 'y', sizeof value - 1);
	assert_true(caught.size < 4096);
	assert_non_null(strstr(text_line(value), " ..."));
	value[2] = ' ';
	assert_non_null(strstr(text_line(value), "\" ..."));
}

static void lines_below_the_level_are_not_logged(void **state)
{
	(void)state;
	log_start(LOG_WARNING, LOG_TEXT);
	assert_false(log_enabled(LOG_INFO));
	assert_true(log_enabled(LOG_WARNING));
	assert_true(log_enabled(LOG_ERROR));
	capture_begin(&caught, STDERR_FILENO);
	log_event(LOG_DEBUG, "m", NULL, 0);
	log_event(LOG_INFO, "m", NULL, 0);
	capture_end(&caught);
	assert_int_equal(caught.size, 0);
	log_start(LOG_DEBUG, LOG_TEXT);
	assert_true(log_enabled(LOG_DEBUG));
}

static void errno_survives_even_when_nobody_can_read_the_line(void **state)
{
	(void)state;
	log_start(LOG_INFO, LOG_TEXT);
	int kept = dup(STDERR_FILENO);
	close(STDERR_FILENO);
	errno = EDOM;
	log_event(LOG_ERROR, "lost", NULL, 0);
	int after = errno;
	dup2(kept, STDERR_FILENO);
	close(kept);
	assert_int_equal(after, EDOM);
}

#define N_THREADS 4
#define N_LINES 200

static void *log_many(void *argument)
{
	const struct log_field field = {.name = "who", .text = argument};
	for (int i = 0; i < N_LINES; i++)
		log_event(LOG_INFO, "again", &field, 1);
	return NULL;
}

static void lines_of_threads_do_not_mix(void **state)
{
	static char names[N_THREADS][24] = {"alpha", "beta", "gamma", "delta"};
	pthread_t threads[N_THREADS];
	(void)state;
	log_start(LOG_INFO, LOG_TEXT);
	capture_begin(&caught, STDERR_FILENO);
	for (int i = 0; i < N_THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, log_many, names[i]), 0);
	for (int i = 0; i < N_THREADS; i++)
		pthread_join(threads[i], NULL);
	capture_end(&caught);
	int counts[N_THREADS] = {0}, n = 0;
	char *rest = NULL;
	for (char *line = strtok_r(caught.text, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest)) {
		n++;
		for (int i = 0; i < N_THREADS; i++) {
			char end[160];
			snprintf(end, sizeof end, " info again who=%s", names[i]);
			counts[i] += strcmp(line + strlen(STAMP), end) == 0;
		}
	}
	assert_int_equal(n, N_THREADS * N_LINES);
	for (int i = 0; i < N_THREADS; i++)
		assert_int_equal(counts[i], N_LINES);
}

/* ---------------------------------------------------------------- the writer */

static void the_writer_has_written_all_when_it_stops(void **state)
{
	(void)state;
	log_start(LOG_INFO, LOG_TEXT);
	capture_begin(&caught, STDERR_FILENO);
	assert_true(log_start_writer());
	for (int i = 0; i < 500; i++) {
		const struct log_field field = {"i", NULL, i};
		log_event(LOG_INFO, "kept", &field, 1);
	}
	log_stop_writer();
	log_event(LOG_INFO, "at once", NULL, 0);
	capture_end(&caught);
	int n = 0;
	char *rest = NULL;
	for (char *line = strtok_r(caught.text, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest), n++) {
		char end[40];
		snprintf(end, sizeof end, n < 500 ? " info kept i=%d" : " info at once", n);
		assert_string_equal(line + strlen(STAMP), end);
	}
	assert_int_equal(n, 501);
}

#define BURST 40000

/* Reads until all lines of the burst have come, in order, or were said, in their place, to be lost;
 * what was lost, or -1. */
static double read_burst(FILE *lines)
{
	static const char lost_here[] = "lines were lost here lines=", came[] = " info burst i=";
	char line[4096];
	double lost = 0, next = 0;
	while (next < BURST && fgets(line, sizeof line, lines)) {
		const char *said = strstr(line, lost_here), *one = strstr(line, came);
		double n = said ? strtod(said + sizeof lost_here - 1, NULL) : 1;
		if (!said && (!one || strtod(one + sizeof came - 1, NULL) != next))
			return -1;
		lost += said ? n : 0;
		next += n;
	}
	return next == BURST ? lost : -1;
}

/* Nobody reads: nobody waits. Once somebody does, what was lost is said. */
static void who_logs_does_not_wait_for_who_reads(void **state)
{
	int ends[2], kept = dup(STDERR_FILENO);
	double said = -1;
	(void)state;
	assert_int_equal(pipe(ends), 0);
	FILE *lines = fdopen(ends[0], "r");
	assert_non_null(lines);
	log_start(LOG_INFO, LOG_TEXT);
	dup2(ends[1], STDERR_FILENO);
	uint64_t before = log_lost();
	bool started = log_start_writer();
	for (int i = 0; i < BURST && started; i++) {
		const struct log_field field = {"i", NULL, i};
		log_event(LOG_INFO, "burst", &field, 1);
	}
	double lost = (double)(log_lost() - before);
	if (started)
		said = read_burst(lines);
	log_stop_writer();
	dup2(kept, STDERR_FILENO);
	close(kept);
	close(ends[1]);
	fclose(lines);
	assert_true(started);
	assert_true(lost > 0 && lost < BURST);
	assert_true(said == lost);
}

/* Nobody reads, and the program ends: it does not wait for ever. */
static void a_stop_does_not_wait_for_ever(void **state)
{
	int ends[2], kept = dup(STDERR_FILENO);
	(void)state;
	assert_int_equal(pipe(ends), 0);
	dup2(ends[1], STDERR_FILENO);
	bool started = log_start_writer();
	for (int i = 0; i < BURST && started; i++)
		log_event(LOG_INFO, "burst", NULL, 0);
	log_stop_writer();
	log_event(LOG_INFO, "stopped", NULL, 0);
	dup2(kept, STDERR_FILENO);
	close(kept);
	close(ends[1]);
	close(ends[0]); /* who still writes is told that nobody reads */
	assert_true(started);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_text_line_has_time_level_message_and_fields),
		cmocka_unit_test(a_json_line_has_the_same_members),
		cmocka_unit_test(values_are_quoted_and_escaped_in_text),
		cmocka_unit_test(bytes_that_need_quotes_get_them),
		cmocka_unit_test(any_bytes_make_valid_json),
		cmocka_unit_test(numbers_are_shown_whole_or_with_three_decimals),
		cmocka_unit_test(a_line_that_is_too_long_is_cut_and_still_well_formed),
		cmocka_unit_test(lines_below_the_level_are_not_logged),
		cmocka_unit_test(errno_survives_even_when_nobody_can_read_the_line),
		cmocka_unit_test(lines_of_threads_do_not_mix),
		cmocka_unit_test(the_writer_has_written_all_when_it_stops),
		cmocka_unit_test(who_logs_does_not_wait_for_who_reads),
		cmocka_unit_test(
			a_stop_does_not_wait_for_ever), /* the last: its writer may be left */
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
