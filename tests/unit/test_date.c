/* Points in time: what is one, and what it is. */
#include "keys/date.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void times_are_seconds(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds;
		const char *written; /* NULL: the same */
	} cases[] = {
		{"1970-01-01T00:00:00Z", 0, NULL},
		{"1970-01-01T00:00:01Z", 1, NULL},
		{"1969-12-31T23:59:59Z", -1, NULL},
		{"2027-01-31T12:00:00Z", 1801396800, NULL},
		{"2027-01-31t12:00:00z", 1801396800, "2027-01-31T12:00:00Z"},
		{"2027-01-31T12:00:00.999Z", 1801396800, "2027-01-31T12:00:00Z"},
		{"2027-01-31T14:00:00+02:00", 1801396800, "2027-01-31T12:00:00Z"},
		{"2027-01-31T06:30:00-05:30", 1801396800, "2027-01-31T12:00:00Z"},
		{"2027-01-31T12:00:00-00:00", 1801396800, "2027-01-31T12:00:00Z"},
		{"2024-02-29T00:00:00Z", 1709164800, NULL},
		{"2000-02-29T00:00:00Z", 951782400, NULL},
		{"2016-12-31T23:59:60Z", 1483228800, "2017-01-01T00:00:00Z"},
		{"0000-01-01T00:00:00Z", -62167219200, NULL},
		{"0050-01-01T00:00:00Z", -60589296000, NULL},
		{"9999-12-31T23:59:59Z", DATE_LAST, NULL},
		{"2027-01-31T23:59:00+23:59", 1801353600, "2027-01-31T00:00:00Z"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		int64_t seconds = 7;
		char text[DATE_SIZE];
		if (!date_read(cases[i].text, &seconds) || seconds != cases[i].seconds)
			fail_msg("%s is %lld", cases[i].text, (long long)seconds);
		assert_string_equal(date_write(seconds, text),
				    cases[i].written ? cases[i].written : cases[i].text);
	}
}

static void what_is_no_time_is_refused(void **state)
{
	static const char *const cases[] = {
		"",
		"2027",
		"2027-01-31",
		"2027-01-31T12:00Z",
		"2027-01-31T12:00:00",
		"2027-01-31 12:00:00Z",
		"2027-01-31T12:00:00Z ",
		" 2027-01-31T12:00:00Z",
		"2027-1-31T12:00:00Z",
		"27-01-31T12:00:00Z",
		"+027-01-31T12:00:00Z",
		"2027-00-31T12:00:00Z",
		"2027-13-01T12:00:00Z",
		"2027-01-00T12:00:00Z",
		"2027-01-32T12:00:00Z",
		"2027-04-31T12:00:00Z",
		"2027-02-29T12:00:00Z",
		"1900-02-29T12:00:00Z",
		"2027-01-31T24:00:00Z",
		"2027-01-31T12:60:00Z",
		"2027-01-31T12:00:61Z",
		"2027-01-31T12:00:00.Z",
		"2027-01-31T12:00:00,5Z",
		"2027-01-31T12:00:00+2:00",
		"2027-01-31T12:00:00+0200",
		"2027-01-31T12:00:00+24:00",
		"2027-01-31T12:00:00+02:60",
		"2027-01-31T12:00:00+02:00Z",
		"2027-01-31T12:00:00UTC",
		"2027-01-31T-1:00:00Z",
		"9999-12-31T23:59:60Z",
		"9999-12-31T23:59:59-00:01",
		"0000-01-01T00:00:00+00:01",
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		int64_t seconds;
		if (date_read(cases[i], &seconds))
			fail_msg("%s is %lld", cases[i], (long long)seconds);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_are_seconds),
		cmocka_unit_test(what_is_no_time_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
