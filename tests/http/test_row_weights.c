/*
 * A weighted mean and a mask, over every wire: the example of docs/numerics.md, the ways of writing
 * a mask, and where a reply points when something is wrong with them.
 */
#include "../support/decoded.h"
#include "../support/group.h"
#include "../support/wire.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <string.h>

#define PATH "/v1/losses/cross_entropy"
#define EXAMPLE "{\"logits\":[[1,2,3],[3,2,1],[0,0,5]],\"targets\":[0,0,0]"
#define WEIGHTED EXAMPLE ",\"row_weight\":[1,1,5]"

/* Row losses 2.4076060, 0.4076060, 5.0133859. */
static const struct {
	const char *body;
	double loss, denominator, counted;
} cases[] = {
	{EXAMPLE "}", 2.6095326, 3, 3},
	{WEIGHTED "}", 3.9831631, 7, 3},
	{WEIGHTED ",\"reduction\":\"sum\"}", 27.882141, 7, 3},
	{WEIGHTED ",\"denominator\":2}", 13.941071, 7, 3},
	{EXAMPLE ",\"row_weight\":[0,0,5]}", 5.0133859, 5, 3},
	{EXAMPLE ",\"row_weight\":null,\"mask\":null}", 2.6095326, 3, 3},
	{EXAMPLE ",\"mask\":[true,false,true]}", 3.7104959, 2, 2},
	{EXAMPLE ",\"mask\":[1,0,1]}", 3.7104959, 2, 2},
	{EXAMPLE ",\"mask\":{\"dtype\":\"BOOL\",\"shape\":[3],\"data\":[true,0,1]}}", 3.7104959, 2,
	 2},
	{WEIGHTED ",\"mask\":[false,true,true]}", 4.2457559, 6, 2},
	{"{\"logits\":[[1,2,3],[NaN,2,1],[0,0,5]],\"targets\":[0,77,0],\"mask\":[true,false,true],"
	 "\"row_weight\":[1,-1,5]}",
	 4.5790889, 6, 2},
};
#define N_CASES (sizeof(cases) / sizeof(cases[0]))

static void assert_near(size_t i, double got, double wanted)
{
	if (!fixture_close(got, wanted, 1e-7, 0.0))
		fail_msg("%s: %.9g, expected %.9g", cases[i].body, got, wanted);
}

static void as_json(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_CASES; i++) {
		struct reply reply;
		client_post(client, PATH, cases[i].body, &reply);
		assert_int_equal(reply.status, 200);
		cJSON *json = reply_json(&reply);
		const cJSON *totals = json_member(json, "totals");
		assert_near(i, json_number(json_member(json, "loss")), cases[i].loss);
		assert_near(i, json_number(json_member(totals, "denominator")),
			    cases[i].denominator);
		assert_near(i, json_number(json_member(totals, "counted")), cases[i].counted);
		assert_near(i, json_number(json_member(totals, "ignored")), 3 - cases[i].counted);
		cJSON_Delete(json);
		reply_free(&reply);
	}
}

/* safetensors, and the Open Inference Protocol in text and in bytes. */
static void as_tensors(void **state)
{
	(void)state;
	for (const struct wire *wire = wires; wire->name; wire++) {
		for (size_t i = 0; i < N_CASES; i++) {
			struct wire_reply reply = {0};
			struct loss_arena *arena = loss_arena_create(NULL);
			struct loss_problem *problem =
				loss_problem_create(loss_find("cross_entropy", 13), arena);
			decode_problem(cases[i].body, problem);
			wire->evaluate(client, problem, &reply);
			if (reply.status != 200)
				fail_msg("%s over %s: %s", cases[i].body, wire->name, reply.error);
			assert_int_equal(reply.n_outputs, 1);
			assert_near(i, reply.outputs[0].values[0], cases[i].loss);
			assert_near(i, reply.totals.denominator, cases[i].denominator);
			assert_near(i, reply.totals.counted, cases[i].counted);
			wire_reply_free(&reply);
			loss_arena_destroy(arena);
		}
	}
}

static void what_is_wrong_is_pointed_at(void **state)
{
	(void)state;
	static const struct {
		const char *body, *code, *pointer, *detail;
	} wrong[] = {
		{EXAMPLE ",\"mask\":[true,2,true]}", "dtype_mismatch", "/mask/1",
		 "mask[1] is 2, but must be true, false, 0 or 1"},
		{EXAMPLE ",\"mask\":[true,null,true]}", "wrong_type", "/mask/1",
		 "mask[1] is null, but must be true, false, 0 or 1"},
		{EXAMPLE ",\"mask\":[[true,true,true]]}", "shape_mismatch", "mask",
		 "mask has shape (1, 3), but must have (3), that of logits without the class axis; "
		 "it has as many elements: reshape it"},
		{EXAMPLE ",\"mask\":{\"dtype\":\"F32\",\"shape\":[3],\"data\":[1,0,1]}}",
		 "dtype_mismatch", "mask", "mask is F32, but must be BOOL"},
		{EXAMPLE ",\"row_weight\":[1,-1,1]}", "argument_out_of_range", "/row_weight/1",
		 "row_weight[1] is -1, but must be 0 or greater, finite"},
		{EXAMPLE ",\"row_weight\":{\"dtype\":\"F64\",\"shape\":[3],\"data\":[1,1,NaN]}}",
		 "argument_out_of_range", "/row_weight/data/2",
		 "row_weight[2] is nan, but must be 0 or greater, finite"},
		{EXAMPLE ",\"k\":9,\"outputs\":[\"topk_accuracy\"]}", "argument_out_of_range", "k",
		 "k is 9, but must be 1 to 3, the number of classes"},
		{EXAMPLE ",\"gamma\":2,\"label_smoothing\":0.1}", "argument_out_of_range", "gamma",
		 "gamma is 2, but must be 0 beside label_smoothing"},
	};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct reply reply;
		client_post(client, PATH, wrong[i].body, &reply);
		assert_int_equal(reply.status, 422);
		cJSON *json = reply_json(&reply);
		assert_string_equal(json_string(json_member(json, "detail")), wrong[i].detail);
		assert_string_equal(json_string(json_member(json, "code")), wrong[i].code);
		assert_string_equal(json_string(json_member(json, "pointer")), wrong[i].pointer);
		cJSON_Delete(json);
		reply_free(&reply);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_json),
		cmocka_unit_test(as_tensors),
		cmocka_unit_test(what_is_wrong_is_pointed_at),
	};
	return cmocka_run_group_tests(tests, group_start, group_stop);
}
