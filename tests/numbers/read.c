/* Text to number, against the C library. */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../server/codec/number/number.h"
#include "../../server/codec/number/number_run.h"
#include "../support/bits.h"
#include "check.h"

#define FOLDER "../shared/data/numbers"

static double read_double(const char *text, size_t n)
{
	struct number number;
	return number_parse(text, n, &number) == NUMBER_OK ? number.value : (double)NAN;
}

/* ---------------------------------------------------------------- files */

/*
 * JSON has no ".5", "5.", "+5" or "05": writes the same number as JSON has it. False for what is no
 * decimal, such as "nan".
 */
static bool make_json(const char *text, char *out)
{
	if (*text == '-')
		*out++ = *text++;
	else if (*text == '+')
		text++;
	bool digits = false;
	while (*text == '0' && text[1] >= '0' && text[1] <= '9')
		text++;
	if (*text == '.')
		*out++ = '0';
	for (; *text; text++) {
		digits |= *text >= '0' && *text <= '9';
		*out++ = *text;
		if (*text == '.' && (text[1] < '0' || text[1] > '9'))
			*out++ = '0';
	}
	*out = '\0';
	return digits;
}

/* "3C00 3F800000 3FF0000000000000 1": as half, float and double, and the text. */
static void check_line(struct tally *tally, char *line, char *json)
{
	char *rest = line;
	for (int i = 0; i < 2; i++)
		strtoul(rest, &rest, 16);
	uint64_t wanted = strtoull(rest, &rest, 16);
	char *text = rest + strspn(rest, " ");
	text[strcspn(text, "\r\n")] = '\0';
	if (!make_json(text, json))
		return;
	double value = read_double(json, strlen(json));
	tally->checked++;
	if (bits_of(value) != wanted)
		tally_wrong(tally, "%.60s is %a, not %016llx", text, value,
			    (unsigned long long)wanted);
}

static void check_file(struct tally *tally, const char *path)
{
	char *line = NULL;
	size_t size = 0;
	FILE *file = fopen(path, "r");
	while (file && getline(&line, &size, file) > 0) {
		char *json = malloc(strlen(line) + 3);
		if (json)
			check_line(tally, line, json);
		free(json);
	}
	free(line);
	if (file)
		fclose(file);
}

void check_files(struct tally *tally, uint64_t count, uint64_t stride)
{
	(void)count;
	(void)stride;
	DIR *folder = opendir(FOLDER);
	if (!folder) {
		tally->skipped = "there is no folder " FOLDER;
		return;
	}
	for (struct dirent *entry; (entry = readdir(folder));) {
		char path[512];
		snprintf(path, sizeof path, FOLDER "/%s", entry->d_name);
		if (strlen(path) > 4 && strcmp(path + strlen(path) - 4, ".txt") == 0)
			check_file(tally, path);
	}
	closedir(folder);
}

/* ---------------------------------------------------------------- random numbers */

/* Its shortest digits, or up to 30 of them in one of two layouts. */
static size_t write_somehow(struct random *random, double value, char *out, size_t size)
{
	uint64_t bits = random_bits(random);
	int digits = (int)(bits >> 8 & 31);
	if (bits % 4 != 0 || (fabs(value) > 1e18 && bits % 8 == 0))
		return number_format_f64(value, out);
	return (size_t)snprintf(out, size, bits % 8 == 0 ? "%.*f" : "%.*e", digits, value);
}

static void check_double(struct tally *tally, struct random *random)
{
	char text[128];
	size_t n = write_somehow(random, random_double(random), text, sizeof text);
	text[n] = '\0';
	double value = read_double(text, n);
	tally->checked++;
	if (bits_of(value) != bits_of(strtod(text, NULL)))
		tally_wrong(tally, "%s is read as %a", text, value);
}

/* As elements of arrays are read: in a run where it can be, else alone. */
static float read_float(const char *text, size_t n, const char *limit)
{
	const char *p = text;
	bool comma;
	float value;
	if (number_run_f32(&p, limit, &value, 1, &comma) == 1)
		return p == text + n + 1 ? value : (float)NAN;
	return (float)read_double(text, n);
}

/*
 * strtof rounds once and a tensor's numbers twice, which differs for one in a thousand million
 * texts; but a float's own digits come back in both ways.
 */
static void check_float(struct tally *tally, struct random *random)
{
	char text[128];
	uint64_t bits = random_bits(random);
	float value =
		(bits & 1) != 0 ? float_of((uint32_t)(bits >> 32)) : (float)random_double(random);
	if (!isfinite(value))
		value = 0.5f;
	size_t n = (bits & 2) != 0 ? number_format_f32(value, text)
				   : number_format_f64((double)value, text);
	text[n] = '\0';
	float wanted = strtof(text, NULL);
	memset(text + n, ',', sizeof text - n);
	float got = read_float(text, n, text + sizeof text);
	tally->checked++;
	if (float_bits(got) != float_bits(wanted) || float_bits(got) != float_bits(value))
		tally_wrong(tally, "%.*s is read as %a", (int)n, text, (double)got);
}

void check_read_doubles(struct tally *tally, uint64_t count, uint64_t stride)
{
	(void)stride;
	check_random(tally, count, 1, check_double);
}

void check_read_floats(struct tally *tally, uint64_t count, uint64_t stride)
{
	(void)stride;
	check_random(tally, count, 2, check_float);
}
