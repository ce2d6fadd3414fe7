/* Fields set by their names, tensors that are made, and those that are none: errors where they are
 * set. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "../support/eval.h"
#include "loss.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void expect(const struct eval *eval, loss_status got, loss_status wanted, const char *field,
		   const char *words)
{
	if (got != wanted || strcmp(eval->error.field, field) != 0 ||
	    !strstr(eval->error.detail, words))
		fail_msg("%s at %s: %s", loss_status_info(got)->code, eval->error.field,
			 eval->error.detail);
}

static loss_status run(struct eval *eval)
{
	return loss_evaluate(eval->problem, eval->arena, 1, NULL, &eval->result, &eval->error);
}

/* ---------------------------------------------------------------- names */

static void a_problem_is_set_by_names(void **state)
{
	(void)state;
	float logits[] = {20, 0};
	int64_t target = 0;
	struct loss_tensor rows = loss_tensor_make(LOSS_F32, 2, (size_t[]){1, 2}, logits);
	struct loss_tensor targets = loss_tensor_make(LOSS_I64, 1, (size_t[]){1}, &target);
	struct eval eval;
	eval_start(&eval, "cross_entropy");
	struct loss_problem *problem = eval.problem;
	struct loss_error *err = &eval.error;
	assert_int_equal(loss_problem_set(problem, "logits", &rows, err), LOSS_OK);
	assert_int_equal(loss_problem_set(problem, "targets", &targets, err), LOSS_OK);
	assert_int_equal(loss_problem_set(problem, "weight", NULL, err), LOSS_OK);
	assert_int_equal(loss_problem_set_number(problem, "label_smoothing", 0.5, err), LOSS_OK);
	assert_int_equal(loss_problem_set_integer(problem, "temperature", 20, err), LOSS_OK);
	assert_int_equal(loss_problem_set_integer(problem, "ignore_index", -1, err), LOSS_OK);
	assert_int_equal(loss_problem_set_boolean(problem, "shift", false, err), LOSS_OK);
	assert_int_equal(loss_problem_set_text(problem, "reduction", "sum", err), LOSS_OK);
	assert_int_equal(loss_problem_set_text(problem, "empty_mean", NULL, err), LOSS_OK);
	assert_int_equal(run(&eval), LOSS_OK);
	/* The logits are 1 and 0, and a quarter of the target is the other class's. */
	double expected = 0.75 * log1p(exp(-1)) + 0.25 * log1p(exp(1));
	assert_true(fabs(eval.result.totals.loss_sum - expected) < 1e-6);
	eval_end(&eval);
}

static void names_that_are_none(void **state)
{
	(void)state;
	struct eval eval;
	eval_start(&eval, "cross_entropy");
	struct loss_problem *problem = eval.problem;
	struct loss_error *err = &eval.error;
	float one = 1;
	struct loss_tensor scalar = loss_tensor_make(LOSS_F32, 0, NULL, &one);
	expect(&eval, loss_problem_set(problem, "logit", &scalar, err), LOSS_UNKNOWN_FIELD, "logit",
	       "cross_entropy has no tensor \"logit\"; use \"logits\": unnormalised scores");
	expect(&eval, loss_problem_set_number(problem, "label_smooting", 0, err),
	       LOSS_UNKNOWN_FIELD, "label_smooting", "the nearest is \"label_smoothing\"");
	expect(&eval, loss_problem_set_integer(problem, "ignore", 0, err), LOSS_UNKNOWN_FIELD,
	       "ignore", "use \"ignore_index\": rows with this target count neither");
	expect(&eval, loss_problem_set_text(problem, "", "mean", err), LOSS_UNKNOWN_FIELD, "",
	       "no argument \"\"; there are size_average, ");
	expect(&eval, loss_problem_set(problem, "shift", &scalar, err), LOSS_UNKNOWN_FIELD, "shift",
	       "cross_entropy has no tensor \"shift\"; it is an argument: set it by "
	       "loss_problem_set_number, _integer, _boolean or _text");
	expect(&eval, loss_problem_set_boolean(problem, "targets", true, err), LOSS_UNKNOWN_FIELD,
	       "targets",
	       "cross_entropy has no argument \"targets\"; it is a tensor: set it by "
	       "loss_problem_set");
	/* Nobody is told, and nothing has been set by all this. */
	assert_int_equal(loss_problem_set(problem, "nothing", &scalar, NULL), LOSS_UNKNOWN_FIELD);
	assert_int_equal(loss_problem_set_boolean(problem, "shift", true, err), LOSS_OK);
	eval_end(&eval);
}

static void values_of_another_type(void **state)
{
	(void)state;
	struct eval eval;
	eval_start(&eval, "cross_entropy");
	struct loss_problem *problem = eval.problem;
	struct loss_error *err = &eval.error;
	expect(&eval, loss_problem_set_number(problem, "ignore_index", 3.0, err), LOSS_WRONG_TYPE,
	       "ignore_index", "ignore_index is 3, but must be an integer");
	expect(&eval, loss_problem_set_number(problem, "reduction", 0.5, err), LOSS_WRONG_TYPE,
	       "reduction", "reduction is 0.5, but must be a string");
	expect(&eval, loss_problem_set_boolean(problem, "label_smoothing", true, err),
	       LOSS_WRONG_TYPE, "label_smoothing", "label_smoothing is true, but");
	expect(&eval, loss_problem_set_boolean(problem, "z_loss", false, err), LOSS_WRONG_TYPE,
	       "z_loss", "z_loss is false, but");
	expect(&eval, loss_problem_set_text(problem, "shift", "true", err), LOSS_WRONG_TYPE,
	       "shift", "shift is \"true\", but must be true or false");
	expect(&eval, loss_problem_set_integer(problem, "shift", 1, err), LOSS_DUPLICATE_FIELD,
	       "shift", "given twice");
	eval_end(&eval);
}

/* The sentence has the number as it is, to its last digit. */
static void values_out_of_their_range(void **state)
{
	static const struct {
		const char *name;
		double value;
		const char *words;
	} rows[] = {
		{"label_smoothing", 1.0000000000000002, "label_smoothing is 1.0000000000000002,"},
		{"label_smoothing", -5e-324, "label_smoothing is -4.9406564584124654e-324,"},
		{"label_smoothing", (double)NAN, "label_smoothing is nan,"},
		{"temperature", 0.0, "temperature is 0,"},
		{"softcap", (double)INFINITY, "softcap is inf,"},
	};
	(void)state;
	float logits[] = {1, 2};
	int64_t target = 0;
	struct loss_tensor row = loss_tensor_make(LOSS_F32, 1, (size_t[]){2}, logits);
	struct loss_tensor targets = loss_tensor_make(LOSS_I64, 0, NULL, &target);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct eval eval;
		eval_start(&eval, "cross_entropy");
		loss_problem_set(eval.problem, "logits", &row, NULL);
		loss_problem_set(eval.problem, "targets", &targets, NULL);
		assert_int_equal(loss_problem_set_number(eval.problem, rows[i].name, rows[i].value,
							 &eval.error),
				 LOSS_OK);
		expect(&eval, run(&eval), LOSS_ARGUMENT_OUT_OF_RANGE, rows[i].name, rows[i].words);
		eval_end(&eval);
	}
}

static void integers_to_their_ends(void **state)
{
	static const int64_t ends[] = {INT64_MIN, INT64_MAX};
	(void)state;
	float logits[] = {1, 2};
	for (size_t i = 0; i < COUNT(ends); i++) {
		int64_t target = ends[i];
		struct loss_tensor row = loss_tensor_make(LOSS_F32, 1, (size_t[]){2}, logits);
		struct loss_tensor targets = loss_tensor_make(LOSS_I64, 0, NULL, &target);
		struct eval eval;
		eval_start(&eval, "cross_entropy");
		loss_problem_set(eval.problem, "logits", &row, NULL);
		loss_problem_set(eval.problem, "targets", &targets, NULL);
		loss_problem_set_integer(eval.problem, "ignore_index", ends[i], NULL);
		assert_int_equal(run(&eval), LOSS_OK);
		assert_int_equal(eval.result.totals.ignored, 1);
		eval_end(&eval);
	}
}

/* ---------------------------------------------------------------- tensors */

static void tensors_are_made_with_their_count(void **state)
{
	(void)state;
	static const size_t ones[LOSS_MAX_RANK] = {1, 1, 1, 1, 1, 1, 1, 2};
	float data[6] = {0};
	struct loss_tensor tensor = loss_tensor_make(LOSS_BF16, 2, (size_t[]){2, 3}, data);
	assert_int_equal(tensor.dtype, LOSS_BF16);
	assert_int_equal(tensor.rank, 2);
	assert_int_equal(tensor.shape[0], 2);
	assert_int_equal(tensor.shape[1], 3);
	assert_int_equal(tensor.count, 6);
	assert_ptr_equal(tensor.data, data);
	assert_int_equal(loss_tensor_make(LOSS_F32, 0, NULL, data).count, 1);
	assert_int_equal(loss_tensor_make(LOSS_F32, 2, (size_t[]){7, 0}, NULL).count, 0);
	assert_int_equal(loss_tensor_make(LOSS_F32, LOSS_MAX_RANK, ones, data).count, 2);
}

/* No struct of nonsense is read as if it made sense. */
static void tensors_that_are_none(void **state)
{
	static float data[8];
	static const size_t shape[LOSS_MAX_RANK] = {2, 2, 2, 1, 1, 1, 1, 1};
	static const size_t huge[] = {(size_t)1 << 32, (size_t)1 << 32};
	static const size_t empty_but_huge[] = {0, SIZE_MAX, 2};
	const struct {
		struct loss_tensor tensor;
		loss_status status;
		const char *words;
	} rows[] = {
		{{.dtype = LOSS_F32, .rank = 1, .shape = {8}, .data = data},
		 LOSS_SHAPE_MISMATCH,
		 "shape (8), which is 8 elements, but its count is 0"},
		{{.dtype = LOSS_F32, .rank = 1, .shape = {8}, .count = 9, .data = data},
		 LOSS_SHAPE_MISMATCH,
		 "but its count is 9"},
		{{.dtype = LOSS_F32, .rank = 0, .count = 0, .data = data},
		 LOSS_SHAPE_MISMATCH,
		 "shape (), which is 1 elements, but its count is 0"},
		{{.dtype = LOSS_F32, .rank = -1, .count = 1, .data = data},
		 LOSS_SHAPE_MISMATCH,
		 "rank -1, but must have one of 0 to 8"},
		{{.dtype = LOSS_F32, .rank = LOSS_MAX_RANK + 1, .count = 1, .data = data},
		 LOSS_SHAPE_MISMATCH,
		 "rank 9"},
		{loss_tensor_make(LOSS_F32, LOSS_MAX_RANK + 1, shape, data), LOSS_SHAPE_MISMATCH,
		 "rank 9"},
		{loss_tensor_make(LOSS_F32, INT32_MIN, shape, data), LOSS_SHAPE_MISMATCH, "rank -"},
		{loss_tensor_make(LOSS_F32, 1, NULL, data), LOSS_SHAPE_MISMATCH, "rank -1"},
		{loss_tensor_make(LOSS_F32, 2, huge, data), LOSS_SHAPE_MISMATCH, "more elements"},
		{loss_tensor_make(LOSS_F32, 3, empty_but_huge, data), LOSS_SHAPE_MISMATCH,
		 "more elements"},
		{loss_tensor_make(LOSS_N_DTYPES, 3, shape, data), LOSS_DTYPE_MISMATCH,
		 "dtype number 15, but there are 0 to 14"},
		{loss_tensor_make((loss_dtype)-1, 3, shape, data), LOSS_DTYPE_MISMATCH,
		 "dtype number -1"},
		{loss_tensor_make(LOSS_F32, 3, shape, NULL), LOSS_MISSING_FIELD,
		 "8 elements, but its data is NULL"},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct eval eval;
		eval_start(&eval, "cross_entropy");
		expect(&eval,
		       loss_problem_set(eval.problem, "weight", &rows[i].tensor, &eval.error),
		       rows[i].status, "weight", rows[i].words);
		/* It is as good as absent, but given. */
		expect(&eval, loss_problem_set(eval.problem, "weight", NULL, &eval.error),
		       LOSS_DUPLICATE_FIELD, "weight", "given twice");
		eval_end(&eval);
	}
}

/* The input's data may come later, but somebody must give it. */
static void an_input_without_data_is_not_evaluated(void **state)
{
	static const size_t shape[] = {1, 2};
	(void)state;
	int64_t target = 0;
	struct loss_tensor logits = loss_tensor_make(LOSS_F32, 2, shape, NULL);
	struct loss_tensor targets = loss_tensor_make(LOSS_I64, 1, shape, &target);
	const char *const outputs[] = {"loss", "grad"};
	for (size_t n = 1; n <= 2; n++) { /* what can be evaluated as it arrives, and what not */
		struct eval eval;
		eval_start(&eval, "cross_entropy");
		assert_int_equal(loss_problem_set(eval.problem, "logits", &logits, &eval.error),
				 LOSS_OK);
		assert_int_equal(loss_problem_set(eval.problem, "targets", &targets, &eval.error),
				 LOSS_OK);
		loss_problem_set_outputs(eval.problem, outputs, n, NULL);
		expect(&eval, run(&eval), LOSS_MISSING_FIELD, "logits", "its data is NULL");
		eval_end(&eval);
	}
}

/* No elements need no data. */
static void tensors_without_elements(void **state)
{
	(void)state;
	struct eval eval;
	eval_start(&eval, "cross_entropy");
	struct loss_tensor logits = loss_tensor_make(LOSS_F32, 2, (size_t[]){0, 3}, NULL);
	struct loss_tensor targets = loss_tensor_make(LOSS_I64, 1, (size_t[]){0}, NULL);
	assert_int_equal(loss_problem_set(eval.problem, "logits", &logits, &eval.error), LOSS_OK);
	assert_int_equal(loss_problem_set(eval.problem, "targets", &targets, &eval.error), LOSS_OK);
	assert_int_equal(run(&eval), LOSS_OK);
	assert_int_equal(eval.result.totals.rows, 0);
	eval_end(&eval);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_problem_is_set_by_names),
		cmocka_unit_test(names_that_are_none),
		cmocka_unit_test(values_of_another_type),
		cmocka_unit_test(values_out_of_their_range),
		cmocka_unit_test(integers_to_their_ends),
		cmocka_unit_test(tensors_are_made_with_their_count),
		cmocka_unit_test(tensors_that_are_none),
		cmocka_unit_test(an_input_without_data_is_not_evaluated),
		cmocka_unit_test(tensors_without_elements),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
