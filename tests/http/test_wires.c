/*
 * Every PyTorch fixture over every wire: its request is decoded here, and its tensors are sent by
 * each way that has names for their types. tests/http/test_fixtures.c sends it as it stands.
 */
#include "../support/decoded.h"
#include "../support/group.h"
#include "../support/wire.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <string.h>

#include "../../src/problem.h"

struct sent {
	const struct wire *wire;
	size_t cases;
};

/* The fixture's problem, in the arena. */
static struct loss_problem *problem_of(const struct fixture *fixture, struct loss_arena *arena)
{
	const struct loss_info *loss = loss_find(fixture->loss, strlen(fixture->loss));
	struct loss_problem *problem = loss_problem_create(loss, arena);
	assert_non_null(problem);
	decode_problem(fixture->request, problem);
	return problem;
}

static bool carries(const struct wire *wire, const struct loss_problem *problem)
{
	for (int role = 0; role < LOSS_N_ROLES; role++)
		if (problem->present[role] && !wire->carries(problem->tensors[role].dtype))
			return false;
	return true;
}

static bool reply_agrees(const struct fixture *fixture, const struct wire_reply *reply)
{
	bool fine = true;
	size_t n = 0;
	if (reply->status != 200)
		return fixture_complain(fixture, "%d: %.300s", reply->status, reply->error);
	for (; n < reply->n_outputs; n++)
		fine &= fixture_output_agrees(fixture, &reply->outputs[n]);
	if (fixture_expected(fixture, n) != NULL || n == 0)
		fine = fixture_complain(fixture, "only %zu outputs", n);
	if (reply->warns != fixture->warns)
		fine = fixture_complain(fixture, "warnings are %s",
					reply->warns ? "there" : "missing");
	if (reply->has_totals != (fixture->totals != NULL))
		return fixture_complain(fixture, "totals are %s",
					reply->has_totals ? "there" : "missing");
	return (!reply->has_totals || fixture_totals_agree(fixture, &reply->totals)) && fine;
}

static bool check(const struct fixture *fixture, void *context)
{
	struct sent *sent = context;
	struct wire_reply reply = {0};
	struct loss_arena *arena = loss_arena_create(NULL);
	assert_non_null(arena);
	const struct loss_problem *problem = problem_of(fixture, arena);
	bool fine = true;
	if (carries(sent->wire, problem)) {
		sent->cases++;
		sent->wire->evaluate(client, problem, &reply);
		fine = reply_agrees(fixture, &reply);
	}
	wire_reply_free(&reply);
	loss_arena_destroy(arena);
	return fine || fixture_complain(fixture, "over %s", sent->wire->name);
}

static void test_file(void **state)
{
	for (const struct wire *wire = wires; wire->name; wire++) {
		struct sent sent = {wire, 0};
		fixture_run(*state, check, &sent);
		assert_true(sent.cases > 0);
	}
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
