/* Every PyTorch fixture over HTTP: the real server, one keep-alive connection, JSON in and out. */
#include "../support/fixture.h"
#include "../support/group.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdlib.h>

/* Nested arrays have no room for a lie: each level must have exactly the lengths that the shape
 * says. */
static bool nesting_agrees(const cJSON *value, const struct fixture_output *got, int level)
{
	if (level == got->rank)
		return !cJSON_IsArray(value);
	if (!cJSON_IsArray(value) || (size_t)cJSON_GetArraySize(value) != got->shape[level])
		return false;
	const cJSON *item;
	cJSON_ArrayForEach(item, value)
	{
		if (!nesting_agrees(item, got, level + 1))
			return false;
	}
	return true;
}

static bool output_agrees(const struct fixture *fixture, const cJSON *reply, const char *name)
{
	const cJSON *value = json_find(reply, name);
	if (value == NULL)
		return fixture_complain(fixture, "no output %s", name);
	struct fixture_output got = {.name = name};
	const cJSON *shape = json_member(json_member(fixture->expect, name), "shape");
	const cJSON *dimension;
	cJSON_ArrayForEach(dimension, shape)
	{
		got.shape[got.rank++] = (size_t)json_number(dimension);
	}
	if (!nesting_agrees(value, &got, 0))
		return fixture_complain(fixture, "%s is not nested as its shape says", name);
	got.count = json_flatten(value, NULL, 0);
	double *values = malloc((got.count + 1) * sizeof(*values));
	assert_non_null(values);
	json_flatten(value, values, got.count);
	got.values = values;
	bool fine = fixture_output_agrees(fixture, &got);
	free(values);
	return fine;
}

static bool totals_agree(const struct fixture *fixture, const cJSON *reply)
{
	const cJSON *totals = json_find(reply, "totals");
	if ((totals != NULL) != (fixture->totals != NULL))
		return fixture_complain(fixture, "totals are %s", totals ? "there" : "missing");
	if (totals == NULL)
		return true;
	struct fixture_totals got = {.loss_sum = json_number(json_member(totals, "loss_sum")),
				     .denominator = json_number(json_member(totals, "denominator")),
				     .rows = json_number(json_member(totals, "rows")),
				     .counted = json_number(json_member(totals, "counted")),
				     .ignored = json_number(json_member(totals, "ignored"))};
	return fixture_totals_agree(fixture, &got);
}

/* The outputs, then totals, warnings, metrics: nothing more. */
static bool members_agree(const struct fixture *fixture, const cJSON *reply)
{
	bool fine = true;
	int n = 0;
	for (const char *name; (name = fixture_expected(fixture, (size_t)n)) != NULL; n++)
		fine &= output_agrees(fixture, reply, name);
	const cJSON *warnings = json_find(reply, "warnings");
	if ((warnings != NULL) != fixture->warns)
		fine = fixture_complain(fixture, "warnings are %s", warnings ? "there" : "missing");
	n += (fixture->totals != NULL) + fixture->warns + 1;
	if (json_find(reply, "metrics") == NULL || cJSON_GetArraySize(reply) != n)
		fine = fixture_complain(fixture, "%d members, expected %d",
					cJSON_GetArraySize(reply), n);
	return totals_agree(fixture, reply) && fine;
}

static bool check(const struct fixture *fixture, void *context)
{
	(void)context;
	char path[128];
	snprintf(path, sizeof(path), "/v1/losses/%s", fixture->loss);
	struct reply reply;
	client_post(client, path, fixture->request, &reply);
	bool fine = reply.status == 200;
	if (fine) {
		cJSON *json = reply_json(&reply);
		fine = members_agree(fixture, json);
		cJSON_Delete(json);
	} else {
		fixture_complain(fixture, "status %d: %.300s", reply.status, reply.body);
	}
	reply_free(&reply);
	return fine;
}

static void test_file(void **state)
{
	fixture_run(*state, check, NULL);
}

#define FILE_NAME(name) static char file_##name[] = #name;
FIXTURE_FILES(FILE_NAME)

int main(void)
{
	const struct CMUnitTest tests[] = {
#define FILE_TEST(name) {#name, test_file, NULL, NULL, file_##name},
		FIXTURE_FILES(FILE_TEST)};
	return cmocka_run_group_tests(tests, group_start, group_stop);
}
