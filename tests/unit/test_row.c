/* One row of classes: where it is, its maximum and residual, and what follows from them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../support/random.h"
#include "../support/spec.h"
#include "../support/ulp.h"
#include "kernel/row.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ALL "outputs=log_probs,probs,lse,predicted "

/* Plans softmax with the text's fields; the outputs are filled with 7s. */
static void plan(struct eval *eval, const char *fields)
{
	char text[400];
	snprintf(text, sizeof(text), "softmax %s", fields);
	spec_start(eval, text);
	eval_plan(eval);
	for (int i = 0; i < N_OUTPUTS; i++) {
		struct loss_tensor *output = &eval->plan->outputs[i];
		for (size_t k = 0; eval->plan->wanted[i] && k < output->count; k++) {
			if (i == OUTPUT_PREDICTED)
				((int64_t *)output->data)[k] = 7;
			else
				tensor_put(output, k, 7.0);
		}
	}
}

/* Row 0 of one row of F64 logits. */
static void read_row(struct eval *eval, struct row *row, const char *dimensions_and_values)
{
	char text[300];
	snprintf(text, sizeof(text), "logits:F64:%s " ALL, dimensions_and_values);
	plan(eval, text);
	row_read(row, eval->plan, 0);
}

static double output(const struct eval *eval, enum output output, size_t i)
{
	return tensor_number(&eval->plan->outputs[output], i);
}

static int64_t predicted(const struct eval *eval, size_t i)
{
	return ((const int64_t *)eval->plan->outputs[OUTPUT_PREDICTED].data)[i];
}

/* ---------------------------------------------------------------- geometry */

static void rows_are_where_the_layout_says(void **state)
{
	(void)state;
	static const struct {
		const char *fields;
		size_t outer, classes, inner;
	} rows[] = {
		{"logits:F64:4", 1, 4, 1},
		{"logits:F64:5,4", 5, 4, 1},
		{"logits:F64:2,4,3", 2, 4, 3},
		{"logits:F32:2,4,3,2", 2, 4, 6},
		{"logits:F64:2,4,3 class_axis=-1", 8, 3, 1},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct eval eval;
		plan(&eval, rows[i].fields);
		const struct loss_tensor *input = &eval.plan->tensors[LOSS_ROLE_INPUT];
		for (size_t k = 0; k < input->count; k++)
			tensor_put(input, k, (double)k);
		size_t classes = rows[i].classes, inner = rows[i].inner;
		assert_int_equal(eval.plan->rows, rows[i].outer * inner);
		for (size_t r = 0; r < eval.plan->rows; r++) {
			struct row row;
			row_read(&row, eval.plan, r);
			assert_int_equal(row.classes, classes);
			for (size_t c = 0; c < classes; c++) {
				size_t k = (r / inner * classes + c) * inner + r % inner;
				assert_int_equal(row_index(&row, c), k);
				assert_true(row_logit(&row, c) == (double)k);
			}
			assert_int_equal(row.predicted, classes - 1);
			assert_true(row.max == row_logit(&row, classes - 1));
		}
		eval_end(&eval);
	}
}

/* ---------------------------------------------------------------- maxima */

static void the_maximum_and_its_place(void **state)
{
	(void)state;
	static const struct {
		const char *values;
		size_t predicted;
		bool invalid;
	} rows[] = {
		{"1=5", 0, false},
		{"3=1,2,3", 2, false},
		{"3=3,2,1", 0, false},
		{"4=1,7,7,7", 1, false}, /* the first of equal ones */
		{"3=-0.0,0,-0.0", 0, false},
		{"3=-inf,-5,-inf", 1, false},
		{"3=-5,-inf,-inf", 0, false},
		{"3=nan,1,2", 0, true}, /* the first NaN */
		{"4=1,nan,2,nan", 1, true},
		{"3=9,1,nan", 2, true},
		{"3=1,inf,2", 1, true},
		{"3=inf,inf,2", 0, true},
		{"3=inf,1,nan", 2, true}, /* a NaN after an infinity */
		{"3=nan,inf,1", 0, true},
		{"3=-inf,-inf,-inf", 0, true},
		{"1=-inf", 0, true},
		{"1=nan", 0, true},
		{"1=inf", 0, true},
		{"3=-inf,nan,-inf", 1, true},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct eval eval;
		struct row row;
		read_row(&eval, &row, rows[i].values);
		require(row.predicted == rows[i].predicted, "%s: %zu", rows[i].values,
			row.predicted);
		require(row.invalid == rows[i].invalid, "%s: invalid", rows[i].values);
		double x = row_logit(&row, row.predicted);
		assert_true(row.max == x || (isnan(row.max) && isnan(x)));
		row_write_outputs(&row, eval.plan, 0);
		assert_int_equal(predicted(&eval, 0), rows[i].predicted);
		eval_end(&eval);
	}
}

static void an_invalid_row_is_nan_throughout(void **state)
{
	(void)state;
	static const char *const values[] = {"3=1,nan,2", "3=1,inf,-inf", "3=-inf", "1=inf"};
	for (size_t i = 0; i < COUNT(values); i++) {
		struct eval eval;
		struct row row;
		read_row(&eval, &row, values[i]);
		assert_true(isnan(row.log1p_residual));
		row_write_outputs(&row, eval.plan, 0);
		assert_true(isnan(output(&eval, OUTPUT_LSE, 0)));
		for (size_t c = 0; c < row.classes; c++) {
			assert_true(isnan(row_nll(&row, c)));
			assert_true(isnan(row_prob(&row, c)));
			assert_true(isnan(output(&eval, OUTPUT_LOG_PROBS, c)));
			assert_true(isnan(output(&eval, OUTPUT_PROBS, c)));
		}
		eval_end(&eval);
	}
}

/* ---------------------------------------------------------------- values */

static void excluded_classes_have_no_probability(void **state)
{
	(void)state;
	struct eval eval;
	struct row row;
	read_row(&eval, &row, "4=-inf,1,-inf,1");
	assert_true(sum_value(&row.residual) == 1.0);
	assert_true(row_prob(&row, 0) == 0.0);
	assert_true(row_prob(&row, 1) == 0.5);
	assert_true(row_nll(&row, 2) == HUGE_VAL);
	assert_true(row_other_probs(&row, 0) == 1.0);
	assert_true(row_other_probs(&row, 1) == 0.5);
	assert_true(row_other_probs(&row, 3) == 0.5);
	row_write_outputs(&row, eval.plan, 0);
	assert_true(output(&eval, OUTPUT_LOG_PROBS, 0) == -HUGE_VAL);
	assert_true(output(&eval, OUTPUT_PROBS, 2) == 0.0);
	eval_end(&eval);
}

static void one_class_is_certain(void **state)
{
	(void)state;
	static const char *const values[] = {"1=-3.25", "3=-inf,-3.25,-inf"};
	for (size_t i = 0; i < COUNT(values); i++) {
		struct eval eval;
		struct row row;
		read_row(&eval, &row, values[i]);
		size_t c = row.predicted;
		row_write_outputs(&row, eval.plan, 0);
		assert_true(row_other_probs(&row, c) == 0.0);
		assert_true(row_nll(&row, c) == 0.0);
		assert_true(output(&eval, OUTPUT_PROBS, c) == 1.0);
		assert_true(output(&eval, OUTPUT_LSE, 0) == -3.25);
		assert_true(output(&eval, OUTPUT_LOG_PROBS, c) == 0.0);
		assert_false(signbit(output(&eval, OUTPUT_LOG_PROBS, c))); /* 0, not -0 */
		eval_end(&eval);
	}
}

static void the_whole_range_of_doubles_is_no_accident(void **state)
{
	(void)state;
	struct eval eval;
	struct row row;
	read_row(&eval, &row, "3=1.7976931348623157e308,-1.7976931348623157e308,0");
	assert_false(row.invalid);
	assert_true(sum_value(&row.residual) == 0.0);
	assert_true(row_prob(&row, 0) == 1.0);
	assert_true(row_prob(&row, 1) == 0.0);
	assert_true(row_nll(&row, 0) == 0.0);
	assert_true(row_nll(&row, 1) == HUGE_VAL);
	assert_true(row_nll(&row, 2) == DBL_MAX);
	assert_true(row_other_probs(&row, 2) == 1.0);
	eval_end(&eval);
}

static void only_what_is_wanted_is_written(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum output output;
	} rows[] = {{"lse", OUTPUT_LSE}, {"probs", OUTPUT_PROBS}, {"log_probs", OUTPUT_LOG_PROBS}};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct eval eval;
		struct row row;
		char fields[100];
		snprintf(fields, sizeof(fields), "logits:F64:2,2=0,0,0,0 outputs=%s", rows[i].name);
		plan(&eval, fields);
		row_read(&row, eval.plan, 1);
		row_write_outputs(&row, eval.plan, 1);
		size_t per_row = rows[i].output == OUTPUT_LSE ? 1 : 2;
		assert_true(output(&eval, rows[i].output, 0) == 7.0); /* the other row */
		assert_true(output(&eval, rows[i].output, per_row) != 7.0);
		eval_end(&eval);
	}
}

/* ---------------------------------------------------------------- accuracy */

#define CLASSES 40

static long double others_over_max(const double *x, size_t c, double max)
{
	long double sum = 0;
	for (size_t k = 0; k < CLASSES; k++)
		if (k != c)
			sum += expl((long double)x[k] - (long double)max);
	return sum;
}

static void check_accuracy(const struct eval *eval, const double *x)
{
	struct row row;
	row_read(&row, eval->plan, 0);
	row_write_outputs(&row, eval->plan, 0);
	long double residual = others_over_max(x, row.predicted, row.max);
	require(ulp_error(LOSS_F64, sum_value(&row.residual), residual) <= 1, "residual");
	require(ulp_error(LOSS_F64, row.log1p_residual, log1pl(residual)) <= 2, "log1p");
	require(ulp_error(LOSS_F64, row.total, 1 + residual) <= 1, "total");
	for (size_t c = 0; c < CLASSES; c++) {
		long double gap = (long double)row.max - (long double)x[c];
		long double p = expl(-gap) / (1 + residual);
		long double others = others_over_max(x, c, row.max) / (1 + residual);
		require(ulp_error_floored(LOSS_F64, row_prob(&row, c), p, p) <= 3, "probability");
		require(ulp_error(LOSS_F64, row_other_probs(&row, c), others) <= 3, "1 - p");
		require(ulp_error(LOSS_F64, row_nll(&row, c), gap + log1pl(residual)) <= 3,
			"-log p");
		require(output(eval, OUTPUT_PROBS, c) == row_prob(&row, c), "probs");
		require(output(eval, OUTPUT_LOG_PROBS, c) == -row_nll(&row, c), "log_probs");
	}
	require(output(eval, OUTPUT_LSE, 0) == row.max + row.log1p_residual, "lse");
}

static void values_are_good_to_a_few_ulp(void **state)
{
	(void)state;
	skip_unless_precise();
	struct random random = random_start(0x408);
	static const double spreads[] = {0.01, 1, 8, 40, 300};
	static const double offsets[] = {0, 5000, -1e6};
	for (size_t i = 0; i < random_cases(1500); i++) {
		struct eval eval;
		double x[CLASSES];
		double spread = spreads[i % COUNT(spreads)];
		double offset = offsets[random_below(&random, COUNT(offsets))];
		for (size_t c = 0; c < CLASSES; c++)
			x[c] = offset + spread * random_normal(&random);
		char fields[60];
		snprintf(fields, sizeof(fields), "logits:F64:%d " ALL, CLASSES);
		plan(&eval, fields);
		memcpy(eval.plan->tensors[LOSS_ROLE_INPUT].data, x, sizeof(x));
		check_accuracy(&eval, x);
		eval_end(&eval);
	}
}

/* The residual has twice a double's digits: it is good to a part of an ulp with its low half. */
static void a_residual_has_more_digits_than_a_double(void **state)
{
	(void)state;
	skip_unless_precise();
	struct random random = random_start(0x409);
	struct eval eval;
	plan(&eval, "logits:F64:2");
	double *x = eval.plan->tensors[LOSS_ROLE_INPUT].data;
	for (size_t i = 0; i < 20000; i++) {
		struct row row;
		x[1] = random_uniform(&random, -600, 0);
		row_read(&row, eval.plan, 0);
		long double exact = expl((long double)x[1]);
		long double residual =
			(long double)row.residual.high + (long double)row.residual.low;
		long double error = fabsl(residual - exact) / ulp_of(LOSS_F64, exact);
		require(error <= 0.27L, "R of 0 and %a is off by %Lf ulp", x[1], error);
	}
	eval_end(&eval);
}

/* A row so sure that 1 - p is far below what 1 can show. */
static void a_confident_row_keeps_all_its_digits(void **state)
{
	(void)state;
	struct eval eval;
	struct row row;
	read_row(&eval, &row, "2=600,0");
	long double e = expl(-600.0L);
	assert_true(ulp_error(LOSS_F64, row_nll(&row, 0), e) <= 1);
	assert_true(ulp_error(LOSS_F64, row_other_probs(&row, 0), e) <= 1);
	assert_true(ulp_error(LOSS_F64, row_prob(&row, 1), e) <= 1);
	assert_true(row_prob(&row, 0) == 1.0);
	assert_true(row_other_probs(&row, 1) == 1.0);
	eval_end(&eval);
}

/* ---------------------------------------------------------------- factors */

static void a_factor_of_zero_switches_off_all_but_nan(void **state)
{
	(void)state;
	assert_true(weigh(2.0, 3.0) == 6.0);
	assert_true(weigh(0.0, 3.0) == 0.0);
	assert_true(weigh(0.0, HUGE_VAL) == 0.0);
	assert_true(weigh(-0.0, HUGE_VAL) == 0.0);
	assert_true(weigh(0.0, -HUGE_VAL) == 0.0);
	assert_true(weigh(1.0, HUGE_VAL) == HUGE_VAL);
	assert_true(weigh(-1.0, HUGE_VAL) == -HUGE_VAL);
	assert_true(isnan(weigh(0.0, (double)NAN)));
	assert_true(isnan(weigh((double)NAN, 0.0)));
	assert_true(isnan(weigh((double)NAN, 1.0)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_where_the_layout_says),
		cmocka_unit_test(the_maximum_and_its_place),
		cmocka_unit_test(an_invalid_row_is_nan_throughout),
		cmocka_unit_test(excluded_classes_have_no_probability),
		cmocka_unit_test(one_class_is_certain),
		cmocka_unit_test(the_whole_range_of_doubles_is_no_accident),
		cmocka_unit_test(only_what_is_wanted_is_written),
		cmocka_unit_test(values_are_good_to_a_few_ulp),
		cmocka_unit_test(a_residual_has_more_digits_than_a_double),
		cmocka_unit_test(a_confident_row_keeps_all_its_digits),
		cmocka_unit_test(a_factor_of_zero_switches_off_all_but_nan),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
