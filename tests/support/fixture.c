#include "fixture.h"

#include "client.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

#define FOLDER "tests/fixtures/pytorch/"
#define MAX_REPORTS 20 /* a broken kernel fails everywhere: the first ones tell it */

char *fixture_read_file(const char *path, size_t *size)
{
	FILE *file = fopen(path, "rb");
	if (file == NULL)
		fail_msg("can not open %s (tests run in the project's root)", path);
	size_t n = 0, room = 1 << 16;
	char *text = malloc(room);
	while (text != NULL) {
		n += fread(text + n, 1, room - n - 1, file);
		if (n + 1 < room)
			break;
		char *more = realloc(text, room *= 2);
		if (more == NULL)
			free(text);
		text = more;
	}
	assert_int_equal(ferror(file), 0);
	fclose(file);
	if (text == NULL) {
		fail_msg("no memory for %s", path);
		return NULL;
	}
	text[n] = '\0';
	if (size != NULL)
		*size = n;
	return text;
}

static struct fixture read_case(const char *file, const cJSON *item)
{
	return (struct fixture){
		.file = file,
		.name = json_string(json_member(item, "name")),
		.loss = json_string(json_member(item, "loss")),
		.request = json_string(json_member(item, "request")),
		.expect = json_member(item, "expect"),
		.totals = json_find(item, "totals"),
		.warns = json_number(json_member(item, "warns")) != 0.0,
		.rtol = json_number(json_member(item, "rtol")),
		.atol = json_number(json_member(item, "atol")),
	};
}

void fixture_run(const char *file, fixture_check *check, void *context)
{
	char path[256];
	snprintf(path, sizeof(path), FOLDER "%s.json", file);
	char *text = fixture_read_file(path, NULL);
	cJSON *root = cJSON_Parse(text);
	free(text);
	if (root == NULL)
		fail_msg("%s is not JSON", path);
	int total = 0, bad = 0;
	const cJSON *item;
	cJSON_ArrayForEach(item, json_member(root, "cases"))
	{
		struct fixture fixture = read_case(file, item);
		total++;
		bad += !check(&fixture, context);
		if (bad == MAX_REPORTS)
			break;
	}
	cJSON_Delete(root);
	if (total == 0 || bad > 0)
		fail_msg("%s: %d of the first %d cases are wrong", file, bad, total);
}

bool fixture_complain(const struct fixture *fixture, const char *format, ...)
{
	char text[512];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	print_error("%s: %s: %s\n", fixture->file, fixture->name, text);
	return false;
}

bool fixture_close(double got, double want, double rtol, double atol)
{
	if (isnan(got) || isnan(want))
		return isnan(got) && isnan(want);
	if (isinf(got) || isinf(want))
		return got == want;
	return fabs(got - want) <= rtol * fabs(want) + atol;
}

const char *fixture_expected(const struct fixture *fixture, size_t i)
{
	const cJSON *item = fixture->expect->child;
	while (item != NULL && i-- > 0)
		item = item->next;
	return item != NULL ? item->string : NULL;
}

static bool shape_agrees(const struct fixture *fixture, const struct fixture_output *got,
			 const cJSON *want)
{
	int rank = cJSON_GetArraySize(want);
	if (got->rank != rank)
		return fixture_complain(fixture, "%s has rank %d, expected %d", got->name,
					got->rank, rank);
	const cJSON *dimension = want->child;
	for (int i = 0; i < rank; i++, dimension = dimension->next)
		if ((double)got->shape[i] != json_number(dimension))
			return fixture_complain(fixture, "%s: dimension %d is %zu, expected %g",
						got->name, i, got->shape[i],
						json_number(dimension));
	return true;
}

bool fixture_output_agrees(const struct fixture *fixture, const struct fixture_output *got)
{
	const cJSON *want = json_find(fixture->expect, got->name);
	if (want == NULL)
		return fixture_complain(fixture, "%s was not asked for", got->name);
	if (!shape_agrees(fixture, got, json_member(want, "shape")))
		return false;
	const cJSON *data = json_member(want, "data");
	if (got->count != (size_t)cJSON_GetArraySize(data))
		return fixture_complain(fixture, "%s has %zu values, expected %d", got->name,
					got->count, cJSON_GetArraySize(data));
	/* An output of a type narrower than the losses' brings a tolerance of its own. */
	const cJSON *rtol = json_find(want, "rtol"), *atol = json_find(want, "atol");
	double relative = rtol != NULL ? json_number(rtol) : fixture->rtol;
	double absolute = atol != NULL ? json_number(atol) : fixture->atol;
	const cJSON *item = data->child;
	for (size_t i = 0; i < got->count; i++, item = item->next) {
		double value = json_number(item);
		if (!fixture_close(got->values[i], value, relative, absolute))
			return fixture_complain(fixture, "%s at %zu is %.17g, expected %.17g",
						got->name, i, got->values[i], value);
	}
	return true;
}

bool fixture_totals_agree(const struct fixture *fixture, const struct fixture_totals *got)
{
	/* In order: the name, what came, and whether it must be exact. */
	const struct {
		const char *name;
		double got;
		bool exact;
	} parts[] = {
		{"loss_sum", got->loss_sum, false}, {"denominator", got->denominator, false},
		{"rows", got->rows, true},          {"counted", got->counted, true},
		{"ignored", got->ignored, true},
	};
	bool fine = true;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		double want = json_number(json_member(fixture->totals, parts[i].name));
		double rtol = parts[i].exact ? 0.0 : fixture->rtol;
		double atol = parts[i].exact ? 0.0 : fixture->atol;
		if (!fixture_close(parts[i].got, want, rtol, atol))
			fine = fixture_complain(fixture, "totals.%s is %.17g, expected %.17g",
						parts[i].name, parts[i].got, want);
	}
	return fine;
}
