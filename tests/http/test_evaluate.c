/* POST /v1/losses/{loss} as api/openapi.yaml has it, where all goes well: values, members and their
 * order, headers, query. */
#include "../support/group.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SEED "[[-0.7715, -0.6205, -0.2562]]"

/* A request that must be answered with 200 and JSON. */
static cJSON *evaluate(const char *path, const char *body)
{
	struct reply reply;
	client_post(client, path, body, &reply);
	if (reply.status != 200)
		fail_msg("%s %s: status %d: %.300s", path, body, reply.status, reply.body);
	cJSON *json = reply_json(&reply);
	reply_free(&reply);
	return json;
}

static double loss_of(const char *path, const char *body)
{
	cJSON *json = evaluate(path, body);
	double loss = json_number(json_member(json, "loss"));
	cJSON_Delete(json);
	return loss;
}

static void assert_number(double got, double wanted)
{
	if (!(got == wanted || (isnan(got) && isnan(wanted))))
		fail_msg("%.17g, expected %.17g", got, wanted);
}

/* ---------------------------------------------------------------- the seed example */

static const double seed_loss = (double)1.3447266f;

static void test_seed_by_cross_entropy(void **state)
{
	(void)state;
	struct reply reply;
	client_post(client, CROSS_ENTROPY, "{\"logits\": " SEED ", \"targets\": [0]}", &reply);
	assert_int_equal(reply.status, 200);
	/* The shortest digits of the float32, as it is written. */
	assert_non_null(strstr(reply.body, "1.3447266,"));
	cJSON *json = reply_json(&reply);
	assert_number((double)(float)json_number(json_member(json, "loss")), seed_loss);
	double sum = json_number(json_member(json_member(json, "totals"), "loss_sum"));
	assert_true(fabs(sum - 1.344726592) < 2.4e-7);
	cJSON_Delete(json);
	reply_free(&reply);
}

static void test_seed_by_nll_of_log_softmax(void **state)
{
	(void)state;
	cJSON *json = evaluate("/v1/losses/log_softmax", "{\"logits\": " SEED "}");
	char *log_probs = cJSON_PrintUnformatted(json_member(json, "log_probs"));
	char *body = NULL;
	assert_true(asprintf(&body, "{\"targets\": [0], \"log_probs\": %s}", log_probs) > 0);
	assert_number((double)(float)loss_of("/v1/losses/nll_loss", body), seed_loss);
	free(body);
	cJSON_free(log_probs);
	cJSON_Delete(json);
}

static void test_seed_by_hand(void **state)
{
	(void)state;
	static const double x[] = {(double)-0.7715f, (double)-0.6205f, (double)-0.2562f};
	double loss = -x[0] + log(exp(x[0]) + exp(x[1]) + exp(x[2]));
	assert_number((double)(float)loss, seed_loss);
	assert_number(
		(double)(float)loss_of(CROSS_ENTROPY, "{\"logits\": " SEED ", \"targets\": [0]}"),
		(double)(float)loss);
}

/* ---------------------------------------------------------------- the reply */

static void assert_members(const cJSON *object, const char *const *names)
{
	const cJSON *member = object->child;
	for (size_t i = 0; names[i] != NULL; i++) {
		assert_non_null(member);
		assert_string_equal(member->string, names[i]);
		member = member->next;
	}
	if (member != NULL)
		fail_msg("there is also %s", member->string);
}

static void test_order_of_members(void **state)
{
	(void)state;
	static const char *const members[] = {"grad",      "lse",     "loss",   "accuracy",
					      "predicted", "correct", "totals", NULL};
	static const char *const tail[] = {"warnings", "metrics", NULL};
	static const char *const totals[] = {"loss_sum", "denominator", "rows",
					     "counted",  "ignored",     NULL};
	cJSON *json = evaluate(CROSS_ENTROPY, "{\"reduction\": \"elementwise_mean\", \"outputs\": "
					      "[\"grad\", \"lse\", \"loss\", \"accuracy\", "
					      "\"predicted\", \"correct\"], \"targets\": [0, -100],"
					      "\"logits\": [[0.5, 1.5], [2.5, 1.25]]}");
	const char *all[16];
	size_t n = 0;
	for (size_t i = 0; members[i] != NULL; i++)
		all[n++] = members[i];
	for (size_t i = 0; tail[i] != NULL; i++)
		all[n++] = tail[i];
	all[n] = NULL;
	assert_members(json, all);
	assert_members(json_member(json, "totals"), totals);
	assert_number(json_number(json_member(json_member(json, "totals"), "rows")), 2);
	assert_number(json_number(json_member(json_member(json, "totals"), "counted")), 1);
	assert_number(json_number(json_member(json_member(json, "totals"), "ignored")), 1);
	assert_number(json_number(json_member(json_member(json, "totals"), "denominator")), 1);
	cJSON_Delete(json);
}

static void test_metrics(void **state)
{
	(void)state;
	static const char *const members[] = {"receive_seconds",
					      "decode_seconds",
					      "queue_seconds",
					      "compute_seconds",
					      "encode_seconds",
					      "total_seconds",
					      "bytes_in",
					      "threads",
					      "isa",
					      NULL};
	static const char body[] = "{\"logits\": [[1, 2]], \"targets\": [1]}";
	cJSON *json = evaluate(CROSS_ENTROPY, body);
	const cJSON *metrics = json_member(json, "metrics");
	assert_members(metrics, members);
	double parts = 0.0;
	for (size_t i = 0; i < 5; i++) {
		double seconds = json_number(json_member(metrics, members[i]));
		assert_true(seconds >= 0.0 && seconds < 60.0);
		parts += seconds;
	}
	double total = json_number(json_member(metrics, "total_seconds"));
	assert_true(total > 0.0 && total * 1.001 + 1e-6 >= parts);
	assert_number(json_number(json_member(metrics, "bytes_in")), (double)strlen(body));
	assert_number(json_number(json_member(metrics, "threads")), 1);
	assert_true(strlen(json_string(json_member(metrics, "isa"))) > 0);
	cJSON_Delete(json);
}

static void test_no_outputs_asked_for(void **state)
{
	(void)state;
	static const char *const members[] = {"totals", "metrics", NULL};
	cJSON *json = evaluate(CROSS_ENTROPY,
			       "{\"logits\": [[1, 2]], \"targets\": [1], \"outputs\": []}");
	assert_members(json, members);
	cJSON_Delete(json);
}

static void test_no_totals_without_a_loss(void **state)
{
	(void)state;
	static const char *const members[] = {"probs", "metrics", NULL};
	cJSON *json = evaluate("/v1/losses/softmax", "{\"logits\": [[1, 1]]}");
	assert_members(json, members);
	double values[2];
	assert_int_equal(json_flatten(json_member(json, "probs"), values, 2), 2);
	assert_number(values[0], 0.5);
	cJSON_Delete(json);
}

static void test_warnings(void **state)
{
	(void)state;
	static const struct {
		const char *argument, *words;
	} table[] = {
		{"\"reduction\": \"elementwise_mean\"", "elementwise_mean"},
		{"\"size_average\": true", "size_average"},
		{"\"reduce\": true", "reduce"},
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		char body[256];
		snprintf(body, sizeof(body), "{\"logits\": [[1, 2]], \"targets\": [1], %s}",
			 table[i].argument);
		cJSON *json = evaluate(CROSS_ENTROPY, body);
		const cJSON *warnings = json_member(json, "warnings");
		assert_int_equal(cJSON_GetArraySize(warnings), 1);
		assert_non_null(strstr(json_string(warnings->child), table[i].words));
		cJSON_Delete(json);
	}
	cJSON *json = evaluate(CROSS_ENTROPY, "{\"logits\": [[1, 2]], \"targets\": [1]}");
	assert_null(json_find(json, "warnings"));
	cJSON_Delete(json);
}

static void test_non_finite_values_are_strings(void **state)
{
	(void)state;
	cJSON *json = evaluate(CROSS_ENTROPY, "{\"logits\": [[-Infinity, 2]], \"targets\": [0], "
					      "\"outputs\": [\"loss\", \"log_probs\"]}");
	assert_string_equal(json_string(json_member(json, "loss")), "Infinity");
	assert_string_equal(json_string(json_member(json, "log_probs")->child->child), "-Infinity");
	cJSON_Delete(json);
	json = evaluate(CROSS_ENTROPY, "{\"logits\": [[1, 2]], \"targets\": [-100]}");
	assert_string_equal(json_string(json_member(json, "loss")), "NaN");
	cJSON_Delete(json);
}

/* ---------------------------------------------------------------- the same request in other words
 */

/* ln(1 + e) + ln(1 + e^-1), halved: logits [[1, 2], [4, 3]], targets [0, 0]. */
static double expected_mean(void)
{
	return (double)(float)((log1p(exp(1.0)) + log1p(exp(-1.0))) / 2.0);
}

static void test_forms_of_a_request(void **state)
{
	(void)state;
	static const char *const bodies[] = {
		"{\"logits\": [[1, 2], [4, 3]], \"targets\": [0, 0]}",
		"{\"targets\": [0, 0], \"logits\": [[1, 2], [4, 3]]}",
		"\t{\r\n\"targets\":[0,0],\"logits\":[[1e0,0.2E+1],[40e-1,3.000]]}\n ",
		"{\"targets\": {\"dtype\": \"I32\", \"shape\": [2], \"data\": [0, 0]}, \"logits\": "
		"{\"dtype\": \"F32\", \"shape\": [2, 2], \"data\": [1, 2, 4, 3]}}",
		"{\"targets\": {\"data\": [0, 0], \"shape\": [2], \"dtype\": \"U8\"}, \"logits\": "
		"{\"shape\": [2, 2], \"data\": [1, 2, 4, 3], \"dtype\": \"F32\"}}",
		"{\"logits\": [[1, 2], [4, 3]], \"targets\": [0, 0], \"weight\": null, "
		"\"outputs\": "
		"[\"loss\"], \"reduction\": null, \"grad_output\": null, \"ignore_index\": null}",
		"{\"logits\": [[1, 2], [4, 3]], \"targets\": [[1, 0], [1, 0]]}",
		"{\"targets\": [[1, 0], [1, 0]], \"logits\": [[1, 2], [4, 3]]}",
		"{\"\\u006c\\u006fgits\": [[1, 2], [4, 3]], \"t\\u0061rgets\": [0, 0]}",
		"{\"logits\": [[1, 2, -Infinity], [4, 3, \"-Infinity\"]], \"targets\": [0, 0]}",
		"{\"logits\": [[[1, 2], [4, 3]]], \"targets\": [[0, 0]], \"class_axis\": -1}",
	};
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		double loss = loss_of(CROSS_ENTROPY, bodies[i]);
		if ((double)(float)loss != expected_mean())
			fail_msg("%s: %.9g, expected %.9g", bodies[i], loss, expected_mean());
	}
}

/* One byte a chunk, and the first one only when the server has asked for it. */
struct drip {
	const char *text;
};

static size_t drip_byte(void *context, char *out, size_t n)
{
	struct drip *drip = context;
	if (*drip->text == '\0' || n == 0)
		return 0;
	*out = *drip->text++;
	return 1;
}

/* The reply up to its timings. */
static void assert_same_result(const struct reply *a, const struct reply *b)
{
	const char *end = strstr(a->body, "\"metrics\"");
	assert_non_null(end);
	assert_int_equal(strncmp(a->body, b->body, (size_t)(end - a->body)), 0);
}

static void test_chunks_change_nothing(void **state)
{
	(void)state;
	static const char body[] = "{\"targets\": [1, 0], \"logits\": [[-0.7715, 1.25e1, NaN], "
				   "[0.1, \"Infinity\", 1e-3]], \"reduction\": \"none\", "
				   "\"outputs\": [\"grad\", \"lse\", \"loss\"]}";
	static const char *const expect[] = {"Content-Type: application/json",
					     "Expect: 100-continue", NULL};
	struct reply whole, pieces;
	client_post(client, CROSS_ENTROPY, body, &whole);
	assert_int_equal(whole.status, 200);
	struct drip drip = {body};
	client_send(client,
		    &(struct request){.path = CROSS_ENTROPY,
				      .headers = expect,
				      .upload = drip_byte,
				      .context = &drip},
		    &pieces);
	assert_int_equal(pieces.status, 200);
	assert_same_result(&whole, &pieces);
	reply_free(&whole);
	reply_free(&pieces);
}

static void test_one_connection_serves_many(void **state)
{
	(void)state;
	struct client *own = client_open(&server);
	for (int i = 0; i < 50; i++) {
		struct reply reply;
		client_post(own, CROSS_ENTROPY, "{\"logits\": [[1, 2]], \"targets\": [1]}", &reply);
		assert_int_equal(reply.status, 200);
		assert_int_equal(reply.new_connections, i == 0 ? 1 : 0);
		reply_free(&reply);
	}
	client_close(own);
}

/* ---------------------------------------------------------------- query strings */

static void test_arguments_in_the_query(void **state)
{
	(void)state;
	static const struct {
		const char *query, *argument;
	} table[] = {
		{"reduction=sum", "\"reduction\": \"sum\""},
		{"reduction=%73um", "\"reduction\": \"sum\""},
		{"r%65duction=none", "\"reduction\": \"none\""},
		{"ignore_index=-1", "\"ignore_index\": -1"},
		{"ignore_index=0&label_smoothing=0.25",
		 "\"ignore_index\": 0, \"label_smoothing\": 0.25"},
		{"label_smoothing=1e-1", "\"label_smoothing\": 0.1"},
		{"size_average=false", "\"size_average\": false"},
		{"size_average=False", "\"size_average\": false"},
		{"size_average=0", "\"size_average\": false"},
		{"size_average=true", "\"size_average\": true"},
		{"reduce=True", "\"reduce\": true"},
		{"reduce=1", "\"reduce\": true"},
		{"class_axis=-1", "\"class_axis\": -1"},
		{"denominator=2.5", "\"denominator\": 2.5"},
		{"empty_mean=zero", "\"empty_mean\": \"zero\""},
		{"outputs=loss,grad", "\"outputs\": [\"loss\", \"grad\"]"},
		{"outputs=grad&outputs=loss", "\"outputs\": [\"grad\", \"loss\"]"},
		{"outputs=grad%2Closs,lse", "\"outputs\": [\"grad\", \"loss\", \"lse\"]"},
		{"outputs=lse&reduction=sum&outputs=loss",
		 "\"outputs\": [\"lse\", \"loss\"], \"reduction\": \"sum\""},
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		char path[256], body[256];
		struct reply by_query, by_body;
		snprintf(path, sizeof(path), CROSS_ENTROPY "?%s", table[i].query);
		client_post(client, path, "{\"logits\": [[1, 2], [4, 3]], \"targets\": [0, 1]}",
			    &by_query);
		snprintf(body, sizeof(body),
			 "{\"logits\": [[1, 2], [4, 3]], \"targets\": [0, 1], %s}",
			 table[i].argument);
		client_post(client, CROSS_ENTROPY, body, &by_body);
		if (by_query.status != 200 || by_body.status != 200)
			fail_msg("%s: %d %.300s", table[i].query, by_query.status, by_query.body);
		assert_same_result(&by_query, &by_body);
		reply_free(&by_query);
		reply_free(&by_body);
	}
}

static void test_query_and_body_together(void **state)
{
	(void)state;
	double sum = loss_of(CROSS_ENTROPY "?reduction=sum&ignore_index=1",
			     "{\"logits\": [[1, 2], [4, 3]], \"targets\": [0, 1], "
			     "\"label_smoothing\": 0.0}");
	assert_number((double)(float)sum, (double)(float)log1p(exp(1.0)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_seed_by_cross_entropy),
		cmocka_unit_test(test_seed_by_nll_of_log_softmax),
		cmocka_unit_test(test_seed_by_hand),
		cmocka_unit_test(test_order_of_members),
		cmocka_unit_test(test_metrics),
		cmocka_unit_test(test_no_outputs_asked_for),
		cmocka_unit_test(test_no_totals_without_a_loss),
		cmocka_unit_test(test_warnings),
		cmocka_unit_test(test_non_finite_values_are_strings),
		cmocka_unit_test(test_forms_of_a_request),
		cmocka_unit_test(test_chunks_change_nothing),
		cmocka_unit_test(test_one_connection_serves_many),
		cmocka_unit_test(test_arguments_in_the_query),
		cmocka_unit_test(test_query_and_body_together),
	};
	return cmocka_run_group_tests(tests, group_start, group_stop);
}
