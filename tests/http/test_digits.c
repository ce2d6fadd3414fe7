/*
 * Real input through the real path: a logistic regression's scores for the 1,797 handwritten digits
 * of scikit-learn. What the server says of them must be what scikit-learn and PyTorch say
 * (tests/fixtures/make_digits.py), as one request and as batches whose totals add up to the whole.
 */
#include "../support/fixture.h"
#include "../support/group.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FOLDER "tests/fixtures/digits/"
#define ROWS 1797
#define CLASSES 10
#define N_LOGITS ((size_t)ROWS * CLASSES)
#define BATCH 100
#define BATCHES 18

static cJSON *expected;
/* Line i of logits and of targets, terminated: numbers go from the file to the server as they are.
 */
static char *logits_text, *targets_text;
static char *logits[ROWS], *targets[ROWS];

static void split_lines(char *text, char **lines)
{
	for (size_t i = 0; i < ROWS; i++) {
		lines[i] = text;
		text += strcspn(text, "\n");
		assert_int_equal(*text, '\n');
		*text++ = '\0';
	}
	assert_int_equal(*text, '\0');
}

static int start(void **state)
{
	logits_text = fixture_read_file(FOLDER "logits.txt", NULL);
	targets_text = fixture_read_file(FOLDER "targets.txt", NULL);
	split_lines(logits_text, logits);
	split_lines(targets_text, targets);
	char *text = fixture_read_file(FOLDER "expected.json", NULL);
	expected = cJSON_Parse(text);
	free(text);
	assert_non_null(expected);
	return group_start(state);
}

static int stop(void **state)
{
	cJSON_Delete(expected);
	free(logits_text);
	free(targets_text);
	return group_stop(state);
}

static double want(const char *name)
{
	return json_number(json_member(expected, name));
}

/* Row i as numbers with commas between. */
static void write_row(FILE *out, size_t i)
{
	for (const char *c = logits[i]; *c != '\0'; c++)
		fputc(*c == ' ' ? ',' : *c, out);
}

/* {"logits": [[..], ..], "targets": [..], "outputs": [..]} of rows [first, first + n); the caller
 * frees it. */
static char *make_body(size_t first, size_t n, const char *outputs)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	assert_non_null(out);
	fputs("{\"logits\": [", out);
	for (size_t i = first; i < first + n; i++) {
		fputs(i > first ? ",\n[" : "[", out);
		write_row(out, i);
		fputc(']', out);
	}
	fputs("],\n\"targets\": [", out);
	for (size_t i = first; i < first + n; i++)
		fprintf(out, i > first ? ", %s" : "%s", targets[i]);
	fprintf(out, "], \"outputs\": %s}", outputs);
	assert_int_equal(fclose(out), 0);
	return text;
}

static cJSON *evaluate(size_t first, size_t n, const char *outputs)
{
	char *body = make_body(first, n, outputs);
	struct reply reply;
	client_post(client, "/v1/losses/cross_entropy", body, &reply);
	free(body);
	if (reply.status != 200)
		fail_msg("status %d: %.300s", reply.status, reply.body);
	cJSON *json = reply_json(&reply);
	reply_free(&reply);
	return json;
}

static double total(const cJSON *reply, const char *name)
{
	return json_number(json_member(json_member(reply, "totals"), name));
}

static void assert_near(const char *what, double got, double wanted, double rtol)
{
	if (!fixture_close(got, wanted, rtol, 0.0))
		fail_msg("%s is %.17g, expected %.17g", what, got, wanted);
}

/* A float32 result: within one unit in the last place of the exact value. */
static void assert_ulp(const char *what, double got, double wanted)
{
	float nearest = (float)wanted;
	float below = nextafterf(nearest, -FLT_MAX), above = nextafterf(nearest, FLT_MAX);
	float value = (float)got; /* what the shortest digits stand for */
	if (!(value >= below && value <= above))
		fail_msg("%s is %.9g, expected %.9g within an ulp", what, got, wanted);
}

static double norm(const cJSON *gradient)
{
	static double values[N_LOGITS];
	assert_int_equal(json_flatten(gradient, values, N_LOGITS), N_LOGITS);
	double sum = 0.0;
	for (size_t i = 0; i < N_LOGITS; i++)
		sum += values[i] * values[i];
	return sqrt(sum);
}

static void test_the_others_agree(void **state)
{
	(void)state;
	assert_int_equal((int)want("rows"), ROWS);
	assert_int_equal((int)want("classes"), CLASSES);
	assert_near("scikit-learn", want("sklearn_log_loss"), want("torch_cross_entropy"), 1e-13);
}

static void test_one_request(void **state)
{
	(void)state;
	cJSON *reply = evaluate(0, ROWS, "[\"loss\", \"accuracy\", \"grad\"]");
	double loss = json_number(json_member(reply, "loss"));
	assert_ulp("loss", loss, want("sklearn_log_loss"));
	assert_ulp("loss", loss, want("torch_cross_entropy"));
	assert_true(json_number(json_member(reply, "accuracy")) == want("accuracy"));
	assert_near("gradient norm", norm(json_member(reply, "grad")), want("grad_norm"), 1e-6);
	/* Row losses are within 2 ulp of float32, their sum likewise. */
	assert_near("loss_sum", total(reply, "loss_sum"), want("loss_sum"), 2.4e-7);
	assert_true(total(reply, "denominator") == ROWS);
	assert_true(total(reply, "rows") == ROWS);
	assert_true(total(reply, "counted") == ROWS);
	assert_true(total(reply, "ignored") == 0);
	cJSON_Delete(reply);
}

static void test_batches_add_up(void **state)
{
	(void)state;
	double loss_sum = 0.0, denominator = 0.0, rows = 0.0, correct = 0.0, mean_of_means = 0.0;
	const cJSON *sums = json_member(expected, "batch_loss_sums");
	assert_int_equal(cJSON_GetArraySize(sums), BATCHES);
	for (int i = 0; i < BATCHES; i++) {
		size_t first = (size_t)i * BATCH;
		size_t n = ROWS - first < BATCH ? ROWS - first : BATCH;
		cJSON *reply = evaluate(first, n, "[\"loss\", \"accuracy\"]");
		double sum = json_number(cJSON_GetArrayItem(sums, i));
		assert_near("a batch's loss_sum", total(reply, "loss_sum"), sum, 2.4e-7);
		assert_ulp("a batch's loss", json_number(json_member(reply, "loss")),
			   sum / (double)n);
		loss_sum += total(reply, "loss_sum");
		denominator += total(reply, "denominator");
		rows += total(reply, "rows");
		correct += json_number(json_member(reply, "accuracy")) * (double)n;
		mean_of_means += json_number(json_member(reply, "loss")) / BATCHES;
		cJSON_Delete(reply);
	}
	assert_true(rows == ROWS && denominator == ROWS);
	assert_ulp("mean by totals", loss_sum / denominator, want("torch_cross_entropy"));
	assert_near("accuracy", correct / ROWS, want("accuracy"), 1e-14);
	/* The last batch has 97 rows: a mean of means is wrong, which is what totals are for. */
	assert_false(fixture_close(mean_of_means, want("torch_cross_entropy"), 1e-5, 0.0));
	cJSON *whole = evaluate(0, ROWS, "[]");
	/* To k + 1 float64 roundings over k batches. */
	assert_near("loss_sum of the parts", loss_sum, total(whole, "loss_sum"),
		    (BATCHES + 1) * DBL_EPSILON);
	cJSON_Delete(whole);
}

/* The mean of rows read as float64, in long double: x_y is one of the row, so nothing is large. */
static double reference_mean(void)
{
	long double sum = 0.0L;
	for (size_t i = 0; i < ROWS; i++) {
		long double exponentials = 0.0L, chosen = 0.0L;
		char *end = logits[i];
		for (long c = 0; c < CLASSES; c++) {
			double x = strtod(end, &end);
			exponentials += expl((long double)x);
			if (c == strtol(targets[i], NULL, 10))
				chosen = (long double)x;
		}
		sum += logl(exponentials) - chosen;
	}
	return (double)(sum / ROWS);
}

/* The same text as one flat F64 tensor: its numbers are others, by half a float32 ulp. */
static void test_float64(void **state)
{
	(void)state;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	assert_non_null(out);
	fputs("{\"targets\": [", out);
	for (size_t i = 0; i < ROWS; i++)
		fprintf(out, i > 0 ? ",%s" : "%s", targets[i]);
	fputs("], \"logits\": {\"data\": [", out);
	for (size_t i = 0; i < ROWS; i++) {
		fputs(i > 0 ? "," : "", out);
		write_row(out, i);
	}
	fprintf(out, "], \"dtype\": \"F64\", \"shape\": [%d, %d]}}", ROWS, CLASSES);
	assert_int_equal(fclose(out), 0);
	struct reply reply;
	client_post(client, "/v1/losses/cross_entropy", text, &reply);
	free(text);
	if (reply.status != 200)
		fail_msg("status %d: %.300s", reply.status, reply.body);
	cJSON *json = reply_json(&reply);
	double loss = json_number(json_member(json, "loss"));
	assert_near("F64 loss", loss, reference_mean(), 4 * DBL_EPSILON);
	assert_near("F64 loss", loss, want("torch_cross_entropy"), 1e-7);
	cJSON_Delete(json);
	reply_free(&reply);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_others_agree),
		cmocka_unit_test(test_one_request),
		cmocka_unit_test(test_batches_add_up),
		cmocka_unit_test(test_float64),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
