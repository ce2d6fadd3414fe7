/* What a single field may be: given once, of the right type, in its range. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../support/spec.h"
#include "budget.h"
#include "problem.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void expect_error(const struct eval *eval, loss_status status, const char *field,
			 const char *detail)
{
	assert_int_equal(eval->error.status, status);
	assert_string_equal(eval->error.field, field);
	assert_string_equal(eval->error.detail, detail);
	assert_false(eval->error.has_index);
}

static loss_status set(struct eval *eval, const char *name, struct loss_value value)
{
	int i = loss_find_argument(eval->info, name, strlen(name));
	assert_true(i >= 0);
	return loss_problem_set_argument(eval->problem, (size_t)i, &value, &eval->error);
}

static void a_new_problem_knows_its_loss(void **state)
{
	(void)state;
	struct eval eval;
	eval_start(&eval, "nll_loss");
	assert_ptr_equal(loss_problem_info(eval.problem), loss_find("nll_loss", 8));
	assert_string_equal(problem_tensor_name(eval.problem, LOSS_ROLE_INPUT), "log_probs");
	assert_string_equal(problem_tensor_name(eval.problem, LOSS_ROLE_TARGETS), "targets");
	assert_string_equal(problem_tensor_name(eval.problem, LOSS_ROLE_POS_WEIGHT), "");
	eval_end(&eval);
	eval_start(&eval, "softmax");
	assert_string_equal(problem_tensor_name(eval.problem, LOSS_ROLE_INPUT), "logits");
	assert_string_equal(problem_tensor_name(eval.problem, LOSS_ROLE_GRAD_OUTPUT),
			    "grad_output");
	eval_end(&eval);
}

/* ---------------------------------------------------------------- given twice */

static void a_tensor_is_given_once(void **state)
{
	(void)state;
	struct eval eval;
	const struct loss_tensor scalar = {.dtype = LOSS_F32, .count = 1, .data = (float[]){1}};
	const struct loss_tensor *values[2] = {&scalar, NULL};
	for (size_t i = 0; i < 4; i++) { /* null counts as given */
		eval_start(&eval, "cross_entropy");
		loss_status status = loss_problem_set_tensor(eval.problem, 2, values[i / 2], NULL);
		assert_int_equal(status, LOSS_OK);
		assert_int_equal(eval.problem->present[LOSS_ROLE_WEIGHT], i / 2 == 0);
		status = loss_problem_set_tensor(eval.problem, 2, values[i % 2], &eval.error);
		assert_int_equal(status, LOSS_DUPLICATE_FIELD);
		expect_error(&eval, status, "weight", "weight is given twice; give it once");
		/* the first one stays, and other fields are not concerned */
		assert_int_equal(eval.problem->present[LOSS_ROLE_WEIGHT], i / 2 == 0);
		assert_int_equal(loss_problem_set_tensor(eval.problem, 3, &scalar, NULL), LOSS_OK);
		eval_end(&eval);
	}
}

static void an_argument_is_given_once(void **state)
{
	(void)state;
	static const char *const values[] = {"null", "3"};
	struct eval eval;
	for (size_t i = 0; i < 4; i++) {
		eval_start(&eval, "cross_entropy");
		assert_int_equal(set(&eval, "ignore_index", spec_value(values[i / 2])), LOSS_OK);
		loss_status status = set(&eval, "ignore_index", spec_value(values[i % 2]));
		assert_int_equal(status, LOSS_DUPLICATE_FIELD);
		expect_error(&eval, status, "ignore_index",
			     "ignore_index is given twice; give it once");
		assert_int_equal(set(&eval, "reduction", spec_value("sum")), LOSS_OK);
		eval_end(&eval);
	}
}

static void outputs_are_given_once(void **state)
{
	(void)state;
	struct eval eval;
	const char *const names[] = {"loss"};
	for (size_t n = 0; n < 2; n++) { /* no names count as given */
		eval_start(&eval, "nll_loss");
		assert_int_equal(loss_problem_set_outputs(eval.problem, names, n, NULL), LOSS_OK);
		loss_status status = loss_problem_set_outputs(eval.problem, names, 1, &eval.error);
		assert_int_equal(status, LOSS_DUPLICATE_FIELD);
		expect_error(&eval, status, "outputs", "outputs is given twice; give it once");
		assert_int_equal(eval.problem->n_outputs, n);
		eval_end(&eval);
	}
}

/* ---------------------------------------------------------------- types */

static void each_type_takes_its_values(void **state)
{
	(void)state;
	static const char *const names[] = {"reduce", "ignore_index", "label_smoothing",
					    "reduction"};
	static const struct {
		loss_value_type type;
		const char *text;
		bool fits[4];
	} rows[] = {
		{LOSS_VALUE_NULL, "null", {true, true, true, true}},
		{LOSS_VALUE_BOOLEAN, "true", {true, false, false, false}},
		{LOSS_VALUE_INTEGER, "1", {false, true, true, false}},
		{LOSS_VALUE_NUMBER, "1.0", {false, false, true, false}},
		{LOSS_VALUE_STRING, "mean", {false, false, false, true}},
		{LOSS_VALUE_OTHER, "[1]", {false, false, false, false}},
	};
	for (size_t i = 0; i < COUNT(rows); i++)
		for (size_t k = 0; k < COUNT(names); k++) {
			struct eval eval;
			struct loss_value value = {.type = rows[i].type, .text = rows[i].text};
			eval_start(&eval, "cross_entropy");
			assert_int_equal(set(&eval, names[k], value),
					 rows[i].fits[k] ? LOSS_OK : LOSS_WRONG_TYPE);
			eval_end(&eval);
		}
}

static void a_wrong_type_is_named(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		loss_value_type type;
		const char *text, *detail;
	} rows[] = {
		{"reduce", LOSS_VALUE_INTEGER, "1", "reduce is 1, but must be true or false"},
		{"size_average", LOSS_VALUE_STRING, "true",
		 "size_average is \"true\", but must be true or false"},
		{"ignore_index", LOSS_VALUE_NUMBER, "1.0",
		 "ignore_index is 1.0, but must be an integer, without fraction or exponent"},
		{"label_smoothing", LOSS_VALUE_STRING, "0.1",
		 "label_smoothing is \"0.1\", but must be a number"},
		{"reduction", LOSS_VALUE_BOOLEAN, "true",
		 "reduction is true, but must be a string"},
		{"reduction", LOSS_VALUE_OTHER, "{...}",
		 "reduction is {...}, but must be a string"},
		{"reduction", LOSS_VALUE_OTHER, NULL, "reduction is , but must be a string"},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct eval eval;
		eval_start(&eval, "cross_entropy");
		struct loss_value value = {.type = rows[i].type, .text = rows[i].text};
		assert_int_equal(set(&eval, rows[i].name, value), LOSS_WRONG_TYPE);
		expect_error(&eval, LOSS_WRONG_TYPE, rows[i].name, rows[i].detail);
		eval_end(&eval);
	}
}

static void long_values_are_shown_by_their_beginning(void **state)
{
	(void)state;
	char text[200], detail[200];
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	snprintf(detail, sizeof(detail), "reduce is \"%.60s\", but must be true or false", text);
	struct eval eval;
	eval_start(&eval, "cross_entropy");
	struct loss_value value = {.type = LOSS_VALUE_STRING, .text = text};
	assert_int_equal(set(&eval, "reduce", value), LOSS_WRONG_TYPE);
	expect_error(&eval, LOSS_WRONG_TYPE, "reduce", detail);
	eval_end(&eval);
}

/* ---------------------------------------------------------------- copies and memory */

static void texts_are_copied(void **state)
{
	(void)state;
	struct eval eval;
	char text[] = "avg", name[] = "grad", unknown[] = "grab";
	const char *names[] = {name, unknown};
	struct loss_args args;
	eval_start(&eval, "cross_entropy");
	struct loss_value value = {.type = LOSS_VALUE_STRING, .text = text};
	assert_int_equal(set(&eval, "reduction", value), LOSS_OK);
	assert_int_equal(loss_problem_set_outputs(eval.problem, names, 2, NULL), LOSS_OK);
	memset(text, '?', sizeof(text) - 1);
	memset(name, '?', sizeof(name) - 1);
	memset(unknown, '?', sizeof(unknown) - 1);
	names[0] = NULL;
	assert_int_equal(
		problem_arguments(eval.problem, &args, errors_into(&eval.error, eval.arena)),
		LOSS_ARGUMENT_OUT_OF_RANGE);
	assert_non_null(strstr(eval.error.detail, "\"avg\""));
	assert_string_equal(eval.problem->outputs[0].name, "grad");
	assert_string_equal(eval.problem->outputs[1].name, "grab");
	eval_end(&eval);
}

static void a_value_needs_no_text(void **state)
{
	(void)state;
	struct eval eval;
	struct loss_args args;
	eval_start(&eval, "cross_entropy");
	struct loss_value value = {.type = LOSS_VALUE_NUMBER, .number = 0.25};
	assert_int_equal(set(&eval, "label_smoothing", value), LOSS_OK);
	assert_int_equal(
		problem_arguments(eval.problem, &args, errors_into(&eval.error, eval.arena)),
		LOSS_OK);
	assert_true(args.label_smoothing == 0.25);
	assert_int_equal(set(&eval, "denominator", (struct loss_value){.type = LOSS_VALUE_NUMBER}),
			 LOSS_OK);
	assert_int_equal(
		problem_arguments(eval.problem, &args, errors_into(&eval.error, eval.arena)),
		LOSS_ARGUMENT_OUT_OF_RANGE);
	assert_string_equal(eval.error.detail,
			    "denominator is , but must be greater than 0, finite");
	eval_end(&eval);
}

/* Both name too much for a budget of one block. */
/* Its text is the caller's and soon gone, but the problem may be planned all the same: rows of it
 * that arrive are evaluated before anybody looks at the error. */
static void an_argument_of_the_wrong_type_is_not_kept(void **state)
{
	(void)state;
	struct eval eval;
	char text[] = "utputs";
	struct loss_value value = {.type = LOSS_VALUE_STRING, .text = text};
	eval_start(&eval, "cross_entropy");
	assert_int_equal(set(&eval, "temperature", value), LOSS_WRONG_TYPE);
	value.type = LOSS_VALUE_NUMBER;
	assert_int_equal(set(&eval, "reduction", value), LOSS_WRONG_TYPE);
	memset(text, '9', sizeof text); /* and no end */
	struct loss_args args;
	assert_int_equal(
		problem_arguments(eval.problem, &args, errors_into(&eval.error, eval.arena)),
		LOSS_OK);
	assert_true(args.temperature == 1.0);
	assert_int_equal(args.reduction, REDUCTION_MEAN);
	/* It was given nevertheless. */
	assert_int_equal(set(&eval, "reduction", value), LOSS_DUPLICATE_FIELD);
	eval_end(&eval);
}

static void memory_that_does_not_suffice(void **state)
{
	(void)state;
	static char text[20000];
	memset(text, 'x', sizeof(text) - 1);
	static const char *names[3000];
	for (size_t i = 0; i < COUNT(names); i++)
		names[i] = "unknown"; /* what is known is not copied */
	struct loss_budget budget = {.limit = 16384};
	struct eval eval = {.info = loss_at(0), .arena = loss_arena_create(&budget)};
	eval.problem = loss_problem_create(eval.info, eval.arena);
	assert_non_null(eval.problem);
	struct loss_value value = {.type = LOSS_VALUE_STRING, .text = text};
	assert_int_equal(set(&eval, "reduction", value), LOSS_TOO_LARGE_FOR_BUDGET);
	assert_int_equal(eval.error.status, LOSS_TOO_LARGE_FOR_BUDGET);
	struct loss_problem *other = loss_problem_create(eval.info, eval.arena);
	/* the list does not fit; then the list does, but not its names */
	loss_status status = loss_problem_set_outputs(eval.problem, names, 3000, &eval.error);
	assert_int_equal(status, LOSS_TOO_LARGE_FOR_BUDGET);
	status = loss_problem_set_outputs(other, names, 300, &eval.error);
	assert_int_equal(status, LOSS_TOO_LARGE_FOR_BUDGET);
	while (loss_arena_alloc(eval.arena, 1, 64))
		;
	assert_null(loss_problem_create(eval.info, eval.arena));
	loss_arena_destroy(eval.arena);
}

/* ---------------------------------------------------------------- ranges */

/* Reads the arguments of a problem with one argument. */
static loss_status read_one(struct eval *eval, const char *name, const char *text,
			    struct loss_args *args)
{
	eval_start(eval, "cross_entropy");
	assert_int_equal(set(eval, name, spec_value(text)), LOSS_OK);
	return problem_arguments(eval->problem, args, errors_into(&eval->error, eval->arena));
}

#define REDUCTIONS "must be one of \"none\", \"mean\", \"sum\", \"elementwise_mean\""

static void values_out_of_range(void **state)
{
	(void)state;
	static const struct {
		const char *name, *text, *detail;
	} rows[] = {
		{"label_smoothing", "-0.1", "is -0.1, but must be 0 to 1"},
		{"label_smoothing", "1.0000000000000002",
		 "is 1.0000000000000002, but must be 0 to 1"},
		{"label_smoothing", "2", "is 2, but must be 0 to 1"},
		{"label_smoothing", "+nan", "is +nan, but must be 0 to 1"},
		{"label_smoothing", "+inf", "is +inf, but must be 0 to 1"},
		{"label_smoothing", "-5e-324", "is -5e-324, but must be 0 to 1"},
		{"denominator", "0", "is 0, but must be greater than 0, finite"},
		{"denominator", "-0.0", "is -0.0, but must be greater than 0, finite"},
		{"denominator", "-1", "is -1, but must be greater than 0, finite"},
		{"denominator", "+inf", "is +inf, but must be greater than 0, finite"},
		{"denominator", "1e999", "is 1e999, but must be greater than 0, finite"},
		{"denominator", "+nan", "is +nan, but must be greater than 0, finite"},
		{"class_axis", "0", "is 0, but must be 1 or -1"},
		{"class_axis", "2", "is 2, but must be 1 or -1"},
		{"class_axis", "-2", "is -2, but must be 1 or -1"},
		{"class_axis", "99999999999999999999",
		 "is 99999999999999999999, but must be 1 or -1"},
		{"ignore_index", "9223372036854775808",
		 "is 9223372036854775808, but must be any 64-bit integer"},
		{"ignore_index", "-9223372036854775809",
		 "is -9223372036854775809, but must be any 64-bit integer"},
		{"reduction", "avg", "is \"avg\", but " REDUCTIONS},
		{"reduction", "Mean", "is \"Mean\", but " REDUCTIONS},
		{"reduction", "mean ", "is \"mean \", but " REDUCTIONS},
		{"reduction", "", "is \"\", but " REDUCTIONS},
		{"empty_mean", "one", "is \"one\", but must be one of \"nan\", \"zero\""},
		{"grad_dtype", "F64", "is \"F64\", but must be \"F32\""},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct eval eval;
		struct loss_args args;
		char detail[300];
		loss_status status = read_one(&eval, rows[i].name, rows[i].text, &args);
		snprintf(detail, sizeof(detail), "%s %s", rows[i].name, rows[i].detail);
		assert_int_equal(status, LOSS_ARGUMENT_OUT_OF_RANGE);
		expect_error(&eval, status, rows[i].name, detail);
		assert_int_equal(
			problem_arguments(eval.problem, &args, errors_into(NULL, eval.arena)),
			status);
		eval_end(&eval);
	}
}

static void values_at_the_ends_of_their_range(void **state)
{
	(void)state;
	static const struct {
		const char *name, *text;
		size_t offset;
		double value;
	} rows[] = {
		{"label_smoothing", "0", offsetof(struct loss_args, label_smoothing), 0},
		{"label_smoothing", "-0.0", offsetof(struct loss_args, label_smoothing), 0},
		{"label_smoothing", "1", offsetof(struct loss_args, label_smoothing), 1},
		{"label_smoothing", "1.0", offsetof(struct loss_args, label_smoothing), 1},
		{"denominator", "5e-324", offsetof(struct loss_args, denominator), 0x1p-1074},
		{"denominator", "1.7976931348623157e308", offsetof(struct loss_args, denominator),
		 DBL_MAX},
		{"denominator", "7", offsetof(struct loss_args, denominator), 7},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct eval eval;
		struct loss_args args;
		assert_int_equal(read_one(&eval, rows[i].name, rows[i].text, &args), LOSS_OK);
		double value;
		memcpy(&value, (const char *)&args + rows[i].offset, sizeof(value));
		assert_true(value == rows[i].value);
		eval_end(&eval);
	}
}

static void integers_keep_all_their_bits(void **state)
{
	(void)state;
	static const struct {
		const char *name, *text;
		int64_t value;
	} rows[] = {
		{"ignore_index", "9223372036854775807", INT64_MAX},
		{"ignore_index", "-9223372036854775808", INT64_MIN},
		{"ignore_index", "9007199254740993", INT64_C(9007199254740993)},
		{"ignore_index", "0", 0},
		{"class_axis", "1", 1},
		{"class_axis", "-1", -1},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct eval eval;
		struct loss_args args;
		assert_int_equal(read_one(&eval, rows[i].name, rows[i].text, &args), LOSS_OK);
		bool is_axis = strcmp(rows[i].name, "class_axis") == 0;
		assert_true((is_axis ? args.class_axis : args.ignore_index) == rows[i].value);
		eval_end(&eval);
	}
}

static void given_arguments_are_marked_and_null_is_not(void **state)
{
	(void)state;
	struct eval eval;
	struct loss_args args;
	spec_start(&eval, "cross_entropy reduction=sum empty_mean=zero grad_dtype=F32 reduce=true "
			  "size_average=false ignore_index=null label_smoothing=null");
	assert_int_equal(
		problem_arguments(eval.problem, &args, errors_into(&eval.error, eval.arena)),
		LOSS_OK);
	assert_int_equal(args.given, 1u << ARGUMENT_REDUCTION | 1u << ARGUMENT_EMPTY_MEAN |
					     1u << ARGUMENT_GRAD_DTYPE | 1u << ARGUMENT_REDUCE |
					     1u << ARGUMENT_SIZE_AVERAGE);
	assert_true(argument_given(&args, ARGUMENT_REDUCE));
	assert_false(argument_given(&args, ARGUMENT_IGNORE_INDEX));
	assert_int_equal(args.reduction, REDUCTION_SUM);
	assert_int_equal(args.empty_mean, EMPTY_MEAN_ZERO);
	assert_int_equal(args.grad_dtype, 0);
	assert_true(args.reduce);
	assert_false(args.size_average);
	assert_int_equal(args.ignore_index, -100);
	assert_true(args.label_smoothing == 0);
	eval_end(&eval);
}

/* The first in the table's order, whatever the order in which they were given. */
static void the_first_of_several_errors_is_reported(void **state)
{
	(void)state;
	struct eval eval;
	struct loss_args args;
	spec_start(&eval, "cross_entropy class_axis=0 denominator=-1 label_smoothing=3 "
			  "reduction=sum empty_mean=two ignore_index=5 reduce=false");
	loss_status status =
		problem_arguments(eval.problem, &args, errors_into(&eval.error, eval.arena));
	assert_int_equal(status, LOSS_ARGUMENT_OUT_OF_RANGE);
	expect_error(&eval, status, "label_smoothing", "label_smoothing is 3, but must be 0 to 1");
	/* the others are there, and defaults where one is out of range */
	assert_int_equal(args.reduction, REDUCTION_SUM);
	assert_int_equal(args.ignore_index, 5);
	assert_false(args.reduce);
	assert_true(args.label_smoothing == 0);
	assert_int_equal(args.empty_mean, EMPTY_MEAN_NAN);
	eval_end(&eval);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_problem_knows_its_loss),
		cmocka_unit_test(a_tensor_is_given_once),
		cmocka_unit_test(an_argument_is_given_once),
		cmocka_unit_test(outputs_are_given_once),
		cmocka_unit_test(each_type_takes_its_values),
		cmocka_unit_test(a_wrong_type_is_named),
		cmocka_unit_test(long_values_are_shown_by_their_beginning),
		cmocka_unit_test(texts_are_copied),
		cmocka_unit_test(a_value_needs_no_text),
		cmocka_unit_test(an_argument_of_the_wrong_type_is_not_kept),
		cmocka_unit_test(memory_that_does_not_suffice),
		cmocka_unit_test(values_out_of_range),
		cmocka_unit_test(values_at_the_ends_of_their_range),
		cmocka_unit_test(integers_keep_all_their_bits),
		cmocka_unit_test(given_arguments_are_marked_and_null_is_not),
		cmocka_unit_test(the_first_of_several_errors_is_reported),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
