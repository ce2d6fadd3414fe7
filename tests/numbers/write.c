/* Number to text, and back by our own reader and by the C library's. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../server/codec/number/number.h"
#include "../support/bits.h"
#include "check.h"

/* The C library is slow: it reads one in so many. */
#define SAMPLED 64

static bool read_back(const char *text, size_t n, double *value)
{
	struct number number;
	bool read = number_parse(text, n, &number) == NUMBER_OK;
	*value = number.value;
	return read;
}

/* ---------------------------------------------------------------- doubles */

/* Significant digits of "12.5", "1e-07", "100.0": 3, 1, 1. */
static int count_digits(const char *text)
{
	int n = 0, zeros = 0;
	for (; *text && *text != 'e'; text++) {
		if (*text < '0' || *text > '9')
			continue;
		zeros = *text == '0' ? zeros + (n > 0) : 0;
		n += n > 0 || *text != '0';
	}
	return n - zeros;
}

static void check_shortest(struct tally *tally, double value, const char *text)
{
	char shorter[64];
	int digits = count_digits(text);
	if (digits < 2)
		return;
	snprintf(shorter, sizeof shorter, "%.*e", digits - 2, value);
	if (bits_of(strtod(shorter, NULL)) == bits_of(value))
		tally_wrong(tally, "%a is %s, but %s would do", value, text, shorter);
}

static void check_double(struct tally *tally, struct random *random)
{
	char text[NUMBER_MAX_CHARS + 1];
	double value = random_double(random), got;
	size_t n = number_format_f64(value, text);
	text[n] = '\0';
	tally->checked++;
	if (n > NUMBER_MAX_CHARS || !read_back(text, n, &got) || bits_of(got) != bits_of(value))
		tally_wrong(tally, "%a does not come back from %s", value, text);
	if (random_bits(random) % SAMPLED != 0)
		return;
	if (bits_of(strtod(text, NULL)) != bits_of(value))
		tally_wrong(tally, "%a does not come back from %s by strtod", value, text);
	check_shortest(tally, value, text);
}

void check_write_doubles(struct tally *tally, uint64_t count, uint64_t stride)
{
	(void)stride;
	check_random(tally, count, 3, check_double);
}

/* ---------------------------------------------------------------- all floats */

#define RUN 256 /* floats that are written at once */

/* text: one of a run, n characters and a comma after them. */
static void check_float(struct tally *tally, float value, char *text, size_t n, bool sampled)
{
	double got;
	tally->checked++;
	/* As a tensor's number: a double first. */
	if (!read_back(text, n, &got) || float_bits((float)got) != float_bits(value))
		tally_wrong(tally, "%a does not come back from %.*s", (double)value, (int)n, text);
	text[n] = '\0';
	if (sampled && float_bits(strtof(text, NULL)) != float_bits(value))
		tally_wrong(tally, "%a does not come back from %s by strtof", (double)value, text);
}

static void check_run(struct tally *tally, const float *values, size_t n)
{
	char out[RUN * (NUMBER_MAX_CHARS + 1)], *end = out, *text = out;
	size_t written = number_format_run_f32(values, n, &end);
	if (written != n)
		tally_wrong(tally, "%a is not written", (double)values[written]);
	for (size_t i = 0; i < written; i++) {
		char *comma = memchr(text, ',', (size_t)(end - text));
		if (!comma) {
			tally_wrong(tally, "no comma after %a", (double)values[i]);
			return;
		}
		check_float(tally, values[i], text, (size_t)(comma - text), i % SAMPLED == 0);
		text = comma + 1;
	}
	if (text != end)
		tally_wrong(tally, "%a and others are %zu characters too long", (double)values[0],
			    (size_t)(end - text));
}

/* Every stride-th of those whose upper 16 bits are `high`, if it is finite. */
static void check_span(struct tally *tally, uint32_t high, uint64_t stride)
{
	float values[RUN];
	size_t n = 0;
	/* Of fewer than all, others in each span. */
	for (uint64_t low = high % stride; low < 65536; low += stride) {
		float value = float_of(high << 16 | (uint32_t)low);
		if (isfinite(value))
			values[n++] = value;
		if (n == RUN) {
			check_run(tally, values, n);
			n = 0;
		}
	}
	check_run(tally, values, n);
}

void check_all_floats(struct tally *tally, uint64_t count, uint64_t stride)
{
	(void)count;
#pragma omp parallel for schedule(dynamic)
	for (uint32_t high = 0; high < 65536; high++) {
		struct tally part = {0};
		check_span(&part, high, stride);
		tally_add(tally, &part);
	}
}
