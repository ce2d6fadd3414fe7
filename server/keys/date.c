#include "date.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "codec/text/decimal.h"

/* The first second of the year 0000. */
#define FIRST INT64_C(-62167219200)

/* Moves *at after so many digits, which are the number. -1: they are not there. */
static int take_digits(const char **at, int n)
{
	uint64_t number;
	if (decimal_read(*at, (size_t)n, &number) != (size_t)n)
		return -1;
	*at += n;
	return (int)number;
}

/* Two digits after a separator. */
static int take_after(const char **at, const char *separators)
{
	if (**at == '\0' || !strchr(separators, **at))
		return -1;
	(*at)++;
	return take_digits(at, 2);
}

/* Z, or hours and minutes before or after UTC; what is left of the text must be that. */
static bool read_offset(const char *at, int64_t *seconds)
{
	int sign = *at == '-' ? -1 : 1;
	*seconds = 0;
	if (strcmp(at, "Z") == 0 || strcmp(at, "z") == 0)
		return true;
	int hours = take_after(&at, "+-");
	int minutes = hours < 0 ? -1 : take_after(&at, ":");
	*seconds = (int64_t)sign * 60 * (hours * INT64_C(60) + minutes);
	return hours <= 23 && minutes >= 0 && minutes <= 59 && *at == '\0';
}

/* Days of a month that has so many: the system makes of the 31st of April the first of May. */
static bool is_day(struct tm date)
{
	int day = date.tm_mday, month = date.tm_mon;
	timegm(&date);
	return date.tm_mday == day && date.tm_mon == month;
}

bool date_read(const char *text, int64_t *seconds)
{
	const char *at = text;
	int64_t offset;
	int year = take_digits(&at, 4);
	struct tm date = {.tm_year = year - 1900};
	date.tm_mon = year < 0 ? -1 : take_after(&at, "-") - 1;
	date.tm_mday = date.tm_mon < 0 ? -1 : take_after(&at, "-");
	if (date.tm_mon < 0 || date.tm_mon > 11 || !is_day(date))
		return false;
	int hour = take_after(&at, "Tt");
	int minute = hour < 0 ? -1 : take_after(&at, ":");
	int second = minute < 0 ? -1 : take_after(&at, ":");
	/* A minute may have a second more. */
	if (hour > 23 || minute > 59 || second < 0 || second > 60)
		return false;
	if (*at == '.') {
		size_t n = strspn(at + 1, "0123456789");
		if (n == 0)
			return false;
		at += n + 1;
	}
	if (!read_offset(at, &offset))
		return false;
	date.tm_hour = hour;
	date.tm_min = minute;
	date.tm_sec = second;
	*seconds = (int64_t)timegm(&date) - offset;
	return *seconds >= FIRST && *seconds <= DATE_LAST;
}

const char *date_write(int64_t seconds, char out[DATE_SIZE])
{
	time_t time = (time_t)seconds;
	struct tm date;
	gmtime_r(&time, &date);
	snprintf(out, DATE_SIZE, "%04d-%02d-%02dT%02d:%02d:%02dZ", date.tm_year + 1900,
		 date.tm_mon + 1, date.tm_mday, date.tm_hour, date.tm_min, date.tm_sec);
	return out;
}
