/*
 * Every loss as its table tells of it, over every wire: random problems come to what the oracle
 * says, and those of which one thing is wrong are refused, with the code and the place.
 */
#include "../support/case_wrong.h"
#include "../support/expect.h"
#include "../support/group.h"
#include "../support/wire.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/problem.h"
#include "status/status.h"

#define CASES_OF_A_LOSS 25
#define DRAWS_OF_A_WAY 1 /* that can be wrong so */

/* In the Open Inference Protocol no outputs are the default's. */
static bool carries(const struct wire *wire, const struct loss_problem *problem)
{
	bool nothing = problem->outputs_given && problem->n_outputs == 0;
	if (wire->point == NULL && nothing)
		return false;
	for (int role = 0; role < LOSS_N_ROLES; role++)
		if (problem->present[role] && !wire->carries(problem->tensors[role].dtype))
			return false;
	return true;
}

/* ---------------------------------------------------------------- legal problems */

/* Digits are those of the output's own type. */
static void round_values(const struct expect_output *output, const double *got, double *values)
{
	bool is_float = LOSS_DTYPE_BIT(output->shape.dtype) & LOSS_FLOAT_DTYPES;
	for (size_t i = 0; i < output->shape.count; i++) {
		double room;
		values[i] = got[i];
		if (!is_float)
			continue;
		loss_float_put(output->shape.dtype, &room, 0, got[i]);
		values[i] = loss_float_get(output->shape.dtype, &room, 0);
	}
}

static void output_agrees(const struct expect_output *output, const struct fixture_output *got,
			  const char *what)
{
	bool same = strcmp(output->name, got->name) == 0 && output->shape.rank == got->rank &&
		    output->shape.count == got->count;
	for (int i = 0; same && i < got->rank; i++)
		same = output->shape.shape[i] == got->shape[i];
	require(same, "%s: %s has another shape or place", what, output->name);
	double *values = malloc((got->count + 1) * sizeof(*values));
	assert_non_null(values);
	round_values(output, got->values, values);
	expect_output_agrees(output, values, what);
	free(values);
}

static void reply_agrees(const struct expected *expected, const struct wire_reply *reply,
			 const char *what)
{
	require(reply->status == 200, "%s: %d %s", what, reply->status, reply->error);
	require(reply->n_outputs == expected->n_outputs, "%s: %zu outputs", what, reply->n_outputs);
	for (size_t i = 0; i < expected->n_outputs; i++)
		output_agrees(&expected->outputs[i], &reply->outputs[i], what);
	require(reply->has_totals == expected->has_totals, "%s: totals", what);
	if (reply->has_totals)
		expect_totals_agree(expected,
				    &(struct loss_totals){reply->totals.loss_sum,
							  reply->totals.denominator,
							  (size_t)reply->totals.rows,
							  (size_t)reply->totals.counted,
							  (size_t)reply->totals.ignored, NULL},
				    what);
}

/* How many wires carried it. */
static size_t check_case(const struct loss_info *loss, uint64_t number)
{
	struct case_draft draft;
	struct expected expected;
	char what[160];
	size_t sent = 0;
	struct loss_arena *arena = loss_arena_create(NULL);
	assert_non_null(arena);
	const struct loss_problem *problem = case_draw(&draft, loss, number, arena);
	expect(problem, arena, &expected);
	for (const struct wire *wire = wires; wire->name; wire++) {
		struct wire_reply reply = {0};
		if (!carries(wire, problem))
			continue;
		snprintf(what, sizeof what, "%s, case %llu over %s", loss->name,
			 (unsigned long long)number, wire->name);
		wire->evaluate(client, problem, &reply);
		reply_agrees(&expected, &reply, what);
		wire_reply_free(&reply);
		sent++;
	}
	loss_arena_destroy(arena);
	return sent;
}

static void legal_problems_agree_with_the_oracle(void **state)
{
	uint64_t seed = random_start(0x7ab1e7).seed;
	(void)state;
	skip_unless_precise();
	for (size_t i = 0; loss_at(i) != NULL; i++) {
		size_t sent = 0;
		for (uint64_t n = 0; n < random_cases(CASES_OF_A_LOSS); n++)
			sent += check_case(loss_at(i), seed + n);
		require(sent > 2 * random_cases(CASES_OF_A_LOSS), "%s went only %zu times",
			loss_at(i)->name, sent);
	}
}

/* ---------------------------------------------------------------- wrong problems */

/* Where there is nothing but a sentence, under the one status that the protocol has, it has the
 * name. */
static void check_refusal(const struct wire *wire, const struct case_wrong *wrong,
			  const struct wire_reply *reply)
{
	loss_status status = wire->arguments_are_text ? wrong->status_as_text : wrong->status;
	const struct loss_status_words *info = loss_status_info(status);
	const struct wire_place place = {wrong->field, wrong->has_index, wrong->is_tensor,
					 wrong->is_scalar, wrong->index};
	char pointer[256];
	require(reply->status == (wire->point == NULL ? 400 : status_http(status)),
		"%s over %s: %d, but should be %s: %s", wrong->what, wire->name, reply->status,
		info->code, reply->error);
	if (wire->point == NULL) {
		require(strstr(reply->error, wrong->field) != NULL, "%s over %s: %s", wrong->what,
			wire->name, reply->error);
		return;
	}
	wire->point(&place, pointer, sizeof pointer);
	require(strcmp(reply->code, info->code) == 0 && strcmp(reply->pointer, pointer) == 0,
		"%s over %s: %s at %s, but should be %s at %s", wrong->what, wire->name,
		reply->code, reply->pointer, info->code, pointer);
}

/* Whether the case can be wrong in this way. */
static bool check_wrong(const struct loss_info *loss, size_t way, uint64_t number)
{
	struct case_draft draft;
	struct case_wrong wrong;
	struct loss_arena *arena = loss_arena_create(NULL);
	assert_non_null(arena);
	struct loss_problem *problem = case_draw(&draft, loss, number, arena);
	bool made = case_make_wrong(&draft, problem, way, &wrong);
	for (const struct wire *wire = wires; made && wire->name; wire++) {
		struct wire_reply reply = {0};
		if (!carries(wire, problem))
			continue;
		wire->evaluate(client, problem, &reply);
		check_refusal(wire, &wrong, &reply);
		wire_reply_free(&reply);
	}
	loss_arena_destroy(arena);
	return made;
}

static void wrong_problems_are_refused_where_they_are_wrong(void **state)
{
	uint64_t seed = random_start(0x7ab1e8).seed;
	(void)state;
	case_check_ways(seed, DRAWS_OF_A_WAY, check_wrong);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(legal_problems_agree_with_the_oracle),
		cmocka_unit_test(wrong_problems_are_refused_where_they_are_wrong),
	};
	return cmocka_run_group_tests(tests, group_start, group_stop);
}
