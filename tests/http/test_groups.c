/*
 * Groups and bytes over every wire: packed documents of a language model in one request, where a
 * reply points when something is wrong, rows that are evaluated as they arrive, and the server's
 * limit.
 */
#include "../support/decoded.h"
#include "../support/group.h"
#include "../support/safetensors.h"
#include "../support/wire.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define PATH "/v1/losses/cross_entropy"
#define ALL "\"outputs\":[\"group_loss_sum\",\"group_counted\",\"group_loss\",\"bits_per_byte\"]"

/* Two documents in two sequences of four tokens, the last of which is padding; by Python's math. */
#define DOCUMENTS                                                                                  \
	"{\"logits\":[[[2,0.5,-1],[0.1,0.2,0.3],[1,0,-2],[0,0.5,0]],"                              \
	"[[0,1,0],[1.5,-0.5,0.5],[0,0,0],[0,0,0]]],\"targets\":[[2,0,1,2],[0,1,0,-100]],"          \
	"\"class_axis\":-1,\"shift\":true,"
#define GROUPS "\"groups\":[[0,0,0,1],[1,1,1,-1]],"
#define LONG_GROUPS "\"groups\":{\"dtype\":\"I8\",\"shape\":[2,4],\"data\":[99,0,0,1,99,1,1,-1]},"

#define MOST 3
static const struct {
	const char *body;
	size_t n;
	double sums[MOST], counted[MOST], bits;
} cases[] = {
	{DOCUMENTS GROUPS "\"bytes\":[12,9]," ALL "}",
	 2,
	 {1.3432542, 4.3080629},
	 {2, 3},
	 0.38824415},
	{DOCUMENTS GROUPS "\"bytes\":[[9,5,7,2],[9,4,3,9]]," ALL "}",
	 2,
	 {1.3432542, 4.3080629},
	 {2, 3},
	 0.38824415},
	{DOCUMENTS LONG_GROUPS "\"bytes\":[12,9,77],\"n_groups\":3," ALL "}",
	 3,
	 {1.3432542, 4.3080629, 0},
	 {2, 3, 0},
	 0.38824415},
};
#define N_CASES (sizeof(cases) / sizeof(cases[0]))

static void assert_near(size_t i, double got, double wanted)
{
	if (!fixture_close(got, wanted, 1e-6, 0.0))
		fail_msg("%s: %.9g, expected %.9g", cases[i].body, got, wanted);
}

static void assert_mean(size_t i, size_t g, double got)
{
	double wanted = cases[i].sums[g] / cases[i].counted[g];
	if (cases[i].counted[g] > 0)
		assert_near(i, got, wanted);
	else
		assert_true(got != got);
}

static double number_or_nan(const cJSON *item)
{
	return cJSON_IsString(item) ? (double)__builtin_nanf("") : json_number(item);
}

static void as_json(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_CASES; i++) {
		struct reply reply;
		client_post(client, PATH, cases[i].body, &reply);
		assert_int_equal(reply.status, 200);
		cJSON *json = reply_json(&reply);
		const cJSON *sums = json_member(json, "group_loss_sum");
		const cJSON *counted = json_member(json, "group_counted");
		assert_int_equal(cJSON_GetArraySize(sums), cases[i].n);
		assert_int_equal(cJSON_GetArraySize(counted), cases[i].n);
		for (size_t g = 0; g < cases[i].n; g++) {
			int at = (int)g;
			assert_near(i, json_number(cJSON_GetArrayItem(sums, at)), cases[i].sums[g]);
			assert_near(i, json_number(cJSON_GetArrayItem(counted, at)),
				    cases[i].counted[g]);
			assert_mean(i, g,
				    number_or_nan(cJSON_GetArrayItem(
					    json_member(json, "group_loss"), at)));
		}
		assert_near(i, json_number(json_member(json, "bits_per_byte")), cases[i].bits);
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
			assert_int_equal(reply.n_outputs, 4);
			for (size_t g = 0; g < cases[i].n; g++) {
				assert_near(i, reply.outputs[0].values[g], cases[i].sums[g]);
				assert_near(i, reply.outputs[1].values[g], cases[i].counted[g]);
				assert_mean(i, g, reply.outputs[2].values[g]);
			}
			assert_near(i, reply.outputs[3].values[0], cases[i].bits);
			wire_reply_free(&reply);
			loss_arena_destroy(arena);
		}
	}
}

#define PLAIN "{\"logits\":[[0,0],[0,0]],\"targets\":[0,1],"

static void what_is_wrong_is_pointed_at(void **state)
{
	(void)state;
	static const struct {
		const char *body, *code, *pointer, *detail;
	} wrong[] = {
		{PLAIN "\"groups\":[0,3],\"n_groups\":3," ALL ",\"bytes\":[1,1]}",
		 "target_out_of_bounds", "/groups/1",
		 "groups[1] is 3, but there are 3 groups (n_groups), 0..2"},
		{PLAIN "\"groups\":{\"dtype\":\"U8\",\"shape\":[2],\"data\":[7,0]},\"n_groups\":3}",
		 "target_out_of_bounds", "/groups/data/0",
		 "groups[0] is 7, but there are 3 groups (n_groups), 0..2"},
		{PLAIN "\"groups\":[0,18446744073709551616],\"n_groups\":3}",
		 "target_out_of_bounds", "/groups/1",
		 "groups[1] is 18446744073709551616, but there are 3 groups (n_groups), 0..2"},
		{PLAIN "\"groups\":[0,1.0]}", "dtype_mismatch", "/groups/1",
		 "groups[1] is 1.0, but groups are written as integers"},
		{PLAIN "\"groups\":[0,true]}", "wrong_type", "/groups/1", NULL},
		{PLAIN "\"bytes\":[1,0.5]}", "dtype_mismatch", "/bytes/1",
		 "bytes[1] is 0.5, but bytes are written as integers"},
		{PLAIN "\"bytes\":[-1,5]}", "argument_out_of_range", "/bytes/0",
		 "bytes[0] is -1, but must be 0 or greater, and no more than its type holds"},
		{PLAIN "\"groups\":[0,1],\"n_groups\":-1}", "argument_out_of_range", "n_groups",
		 "n_groups is -1, but must be 0 or greater"},
		{PLAIN "\"groups\":[0,1],\"n_groups\":2.0}", "wrong_type", "n_groups",
		 "n_groups is 2.0, but must be an integer, without fraction or exponent"},
		{PLAIN "\"outputs\":[\"group_loss\"]}", "missing_field", "groups",
		 "the output group_loss of cross_entropy needs groups, an integer for each row of "
		 "logits"},
		{PLAIN "\"doc_ids\":[0,0]}", "unknown_field", "doc_ids",
		 "cross_entropy has no field \"doc_ids\"; use \"groups\": the group that each row "
		 "is of, such as its document"},
		/* the limit of this server */
		{PLAIN "\"groups\":[0,1],\"n_groups\":2001}", "argument_out_of_range", "n_groups",
		 "n_groups is 2001, but must be 0 to 2000 (max_elements)"},
		{PLAIN "\"groups\":[0,2000]}", "target_out_of_bounds", "/groups/1",
		 "groups[1] is 2000, but there may be at most 2000 groups (max_elements)"},
	};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct reply reply;
		client_post(client, PATH, wrong[i].body, &reply);
		if (reply.status != 422)
			fail_msg("%s: %ld", wrong[i].body, (long)reply.status);
		cJSON *json = reply_json(&reply);
		if (wrong[i].detail)
			assert_string_equal(json_string(json_member(json, "detail")),
					    wrong[i].detail);
		assert_string_equal(json_string(json_member(json, "code")), wrong[i].code);
		assert_string_equal(json_string(json_member(json, "pointer")), wrong[i].pointer);
		cJSON_Delete(json);
		reply_free(&reply);
	}
}

static void as_many_groups_as_the_limit_lets(void **state)
{
	static const char *const bodies[] = {
		PLAIN "\"groups\":[0,1999],\"outputs\":[\"group_counted\"]}",
		PLAIN "\"groups\":[0,0],\"n_groups\":2000,\"outputs\":[\"group_counted\"]}",
		PLAIN "\"groups\":[0,0],\"n_groups\":1999,\"outputs\":[\"group_counted\"]}",
	};
	static const int sizes[] = {2000, 2000, 1999};
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct reply reply;
		client_post(client, PATH, bodies[i], &reply);
		assert_int_equal(reply.status, 200);
		cJSON *json = reply_json(&reply);
		assert_int_equal(cJSON_GetArraySize(json_member(json, "group_counted")), sizes[i]);
		cJSON_Delete(json);
		reply_free(&reply);
	}
}

/* `"targets":[]` beside logits of no rows, and groups and bytes likewise. */
static void no_rows(void **state)
{
	struct reply reply;
	(void)state;
	client_post(client, PATH,
		    "{\"logits\":{\"dtype\":\"F32\",\"shape\":[0,2],\"data\":[]},\"targets\":[],"
		    "\"groups\":[],\"bytes\":[],\"n_groups\":1,\"empty_mean\":\"zero\"," ALL "}",
		    &reply);
	assert_int_equal(reply.status, 200);
	assert_non_null(strstr(reply.body,
			       "\"group_loss_sum\":[0.0],\"group_counted\":[0],\"group_loss\":[0.0]"
			       ",\"bits_per_byte\":\"NaN\""));
	reply_free(&reply);
}

/* The reply's text up to its metrics, of a problem's tensors in that order. */
static void post_in_order(const struct loss_problem *problem, const loss_role *roles, char *out,
			  size_t size)
{
	static const char *const headers[] = {"Content-Type: application/x-safetensors",
					      "Expect:", NULL};
	struct request request = {
		.path = PATH "?outputs=loss,group_loss_sum,group_counted,group_loss,bits_per_byte",
		.headers = headers};
	struct reply reply;
	char *body = safetensors_of(problem, roles, 4, &request.body_size);
	request.body = body;
	client_send(client, &request, &reply);
	free(body);
	assert_int_equal(reply.status, 200);
	assert_true(reply.body_size < size);
	memcpy(out, reply.body, reply.body_size);
	out[reply.body_size] = '\0';
	assert_non_null(strstr(out, ",\"metrics\""));
	*strstr(out, ",\"metrics\"") = '\0';
	reply_free(&reply);
}

/* Rows that are evaluated as they arrive, and those that wait for what comes after them. */
static void rows_as_they_arrive(void **state)
{
	static const loss_role orders[][4] = {
		{LOSS_ROLE_TARGETS, LOSS_ROLE_GROUPS, LOSS_ROLE_BYTES, LOSS_ROLE_INPUT},
		{LOSS_ROLE_INPUT, LOSS_ROLE_TARGETS, LOSS_ROLE_GROUPS, LOSS_ROLE_BYTES},
		{LOSS_ROLE_BYTES, LOSS_ROLE_TARGETS, LOSS_ROLE_INPUT, LOSS_ROLE_GROUPS},
	};
	static float logits[40 * 50];
	static int64_t targets[40], groups[40];
	static uint8_t bytes[40];
	const size_t shape[] = {40, 50};
	char texts[3][4000];
	struct loss_arena *arena = loss_arena_create(NULL);
	struct loss_problem *problem = loss_problem_create(loss_find("cross_entropy", 13), arena);
	(void)state;
	for (size_t i = 0; i < 2000; i++)
		logits[i] = (float)(i * i % 37) / 8;
	for (size_t r = 0; r < 40; r++) {
		targets[r] = (int64_t)(r * 7 % 50);
		groups[r] = (int64_t)(r * r % 11) - 1;
		bytes[r] = (uint8_t)r;
	}
	const struct loss_tensor tensors[] = {loss_tensor_make(LOSS_F32, 2, shape, logits),
					      loss_tensor_make(LOSS_I64, 1, shape, targets),
					      loss_tensor_make(LOSS_I64, 1, shape, groups),
					      loss_tensor_make(LOSS_U8, 1, shape, bytes)};
	static const char *const names[] = {"logits", "targets", "groups", "bytes"};
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(loss_problem_set(problem, names[i], &tensors[i], NULL), LOSS_OK);
	for (size_t i = 0; i < 3; i++)
		post_in_order(problem, orders[i], texts[i], sizeof texts[i]);
	assert_string_equal(texts[0], texts[1]);
	assert_string_equal(texts[0], texts[2]);
	loss_arena_destroy(arena);
}

#define EXACT "\"totals\":\"exact\",\"n_groups\":2,\"outputs\":[\"group_loss\"],"
#define SEQUENCE(logits, targets, groups)                                                          \
	"{\"logits\":[" logits "],\"targets\":[" targets "],\"groups\":[" groups "]," EXACT        \
	"\"class_axis\":-1,\"shift\":true}"
#define LOGITS_1 "[[2,0.5,-1],[0.1,0.2,0.3],[1,0,-2],[0,0.5,0]]"
#define LOGITS_2 "[[0,1,0],[1.5,-0.5,0.5],[0,0,0],[0,0,0]]"

static cJSON *post(const char *path, const char *body)
{
	struct reply reply;
	client_post(client, path, body, &reply);
	if (reply.status != 200)
		fail_msg("%s: %s", body, reply.body);
	cJSON *json = reply_json(&reply);
	reply_free(&reply);
	return json;
}

/* A sequence a request: a document lies in both. Their states come to that of both at once. */
static void sequences_one_by_one(void **state)
{
	cJSON *first = post(PATH, SEQUENCE(LOGITS_1, "[2,0,1,2]", "[0,0,0,1]"));
	cJSON *second = post(PATH, SEQUENCE(LOGITS_2, "[0,1,0,-100]", "[1,1,1,-1]"));
	cJSON *whole = post(PATH, SEQUENCE(LOGITS_1 "," LOGITS_2, "[2,0,1,2],[0,1,0,-100]",
					   "[0,0,0,1],[1,1,1,-1]"));
	char body[4000];
	(void)state;
	snprintf(body, sizeof body, "{\"totals\":[{\"state\":\"%s\"},{\"state\":\"%s\"}]}",
		 json_string(json_member(json_member(second, "totals"), "state")),
		 json_string(json_member(json_member(first, "totals"), "state")));
	cJSON *merged = post("/v1/totals/merge", body);
	assert_true(cJSON_Compare(json_member(merged, "totals"), json_member(whole, "totals"), 1));
	assert_true(cJSON_Compare(json_member(merged, "group_loss"),
				  json_member(whole, "group_loss"), 1));
	assert_int_equal(cJSON_GetArraySize(json_member(merged, "group_counted")), 2);
	assert_true(json_number(json_member(merged, "group_counted")->child) == 2);
	cJSON_Delete(merged);
	cJSON_Delete(whole);
	cJSON_Delete(second);
	cJSON_Delete(first);
}

static int start_limited(void **state)
{
	static const char *const flags[] = {"--max-elements", "2000", NULL};
	(void)state;
	return group_start_with(flags);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_json),
		cmocka_unit_test(as_tensors),
		cmocka_unit_test(what_is_wrong_is_pointed_at),
		cmocka_unit_test(as_many_groups_as_the_limit_lets),
		cmocka_unit_test(no_rows),
		cmocka_unit_test(rows_as_they_arrive),
		cmocka_unit_test(sequences_one_by_one),
	};
	return cmocka_run_group_tests(tests, start_limited, group_stop);
}
