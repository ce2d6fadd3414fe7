/* Class indices of every integer dtype: the same bits, and compared as mathematical integers. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "../support/batch.h"

static const loss_dtype integers[] = {LOSS_I64, LOSS_I32, LOSS_I16, LOSS_I8,
				      LOSS_U64, LOSS_U32, LOSS_U16, LOSS_U8};
#define N_INTEGERS (sizeof(integers) / sizeof(integers[0]))

static const char *const outputs[] = {"loss", "grad", NULL};

static void every_dtype_gives_the_same_bits(void **state)
{
	static const char *const losses[] = {"cross_entropy", "nll_loss"};
	struct random random = random_start(0x7d7);
	(void)state;
	for (size_t i = 0; i < random_cases(60); i++) {
		enum batch_layout layout = (enum batch_layout)(i % 3);
		size_t sizes[3] = {1 + random_below(&random, 30), 1 + random_below(&random, 120),
				   layout == BATCH_ROWS ? 1 : 3};
		struct batch batch = batch_make(&random, i % 2 == 0 ? LOSS_F32 : LOSS_F64, "normal",
						layout, sizes);
		struct eval first, eval;
		batch.ignore_index = 121; /* fits every dtype, and is no class */
		batch_ignore(&batch, &random, 0.2);
		batch.reduction = i % 4 == 0 ? "none" : "mean";
		batch_eval(&first, &batch, losses[i % 2], outputs);
		for (size_t d = 1; d < N_INTEGERS; d++) {
			batch.index_dtype = integers[d];
			batch_eval(&eval, &batch, losses[i % 2], outputs);
			for (size_t o = 0; outputs[o] != NULL; o++)
				require(eval_same_bits(eval_output(&first, outputs[o]),
						       eval_output(&eval, outputs[o])),
					"%s of %s targets differs from I64's", outputs[o],
					loss_dtype_info(integers[d])->name);
			require(first.result.totals.ignored == eval.result.totals.ignored,
				"another count of ignored rows");
			eval_end(&eval);
		}
		eval_end(&first);
		batch_free(&batch);
	}
}

/* One row of three classes, one target of the dtype, and an ignore_index. */
struct match {
	loss_dtype dtype;
	int64_t target; /* its bits */
	int64_t ignore_index;
	bool ignored; /* else it is out of bounds */
	const char *shown;
};

static const struct match matches[] = {
	{LOSS_I64, INT64_MIN, INT64_MIN, true, ""},
	{LOSS_I64, INT64_MAX, INT64_MAX, true, ""},
	{LOSS_I64, INT64_MIN, INT64_MAX, false, "-9223372036854775808"},
	{LOSS_I64, INT64_MAX, INT64_MIN, false, "9223372036854775807"},
	{LOSS_I8, -100, -100, true, ""},
	{LOSS_I16, -100, -100, true, ""},
	{LOSS_I32, -100, -100, true, ""},
	{LOSS_I8, -128, -100, false, "-128"},
	{LOSS_U64, -100, -100, false, "18446744073709551516"},
	{LOSS_U64, -1, -1, false, "18446744073709551615"},
	{LOSS_U64, INT64_MIN, INT64_MIN, false, "9223372036854775808"},
	{LOSS_U64, INT64_MAX, INT64_MAX, true, ""},
	{LOSS_U32, -100, -100, false, "4294967196"},
	{LOSS_U32, -1, 4294967295, true, ""},
	{LOSS_U16, -1, -1, false, "65535"},
	{LOSS_U16, -1, 65535, true, ""},
	{LOSS_U8, -100, -100, false, "156"},
	{LOSS_U8, 156, 156, true, ""},
	{LOSS_I8, -100, 156, false, "-100"},
	{LOSS_U8, 0, 0, true, ""},
	{LOSS_U16, 0, 0, true, ""},
	{LOSS_U32, 0, 0, true, ""},
	{LOSS_U64, 0, 0, true, ""},
	{LOSS_I8, 0, 0, true, ""},
	{LOSS_I64, 0, 0, true, ""},
	{LOSS_I64, 3, -100, false, "3"},
	{LOSS_I64, -1, -100, false, "-1"},
};

static void check_match(const struct match *match, const char *loss, const char *input)
{
	static const double x[] = {1, 2, 3};
	static const size_t shape[] = {1, 3};
	struct eval eval;
	eval_start(&eval, loss);
	eval_set(&eval, input, eval_floats(&eval, LOSS_F32, 2, shape, x));
	eval_set(&eval, "targets", eval_integers(&eval, match->dtype, 1, shape, &match->target));
	eval_integer(&eval, "ignore_index", match->ignore_index);
	loss_status status = eval_try(&eval);
	const char *name = loss_dtype_info(match->dtype)->name;
	if (match->ignored) {
		require(status == LOSS_OK, "%s %lld: %s", name, (long long)match->target,
			eval.error.detail);
		require(eval.result.totals.ignored == 1, "%s %lld is not ignored", name,
			(long long)match->target);
	} else {
		require(status == LOSS_TARGET_OUT_OF_BOUNDS, "%s %lld: status %s", name,
			(long long)match->target, loss_status_info(status)->code);
		require(strstr(eval.error.detail, match->shown) != NULL, "%s does not name %s",
			eval.error.detail, match->shown);
		require(eval.error.has_index && eval.error.flat_index == 0, "no place");
	}
	eval_end(&eval);
}

static void integers_compare_as_integers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(matches) / sizeof(matches[0]); i++) {
		random_start(i);
		check_match(&matches[i], "cross_entropy", "logits");
		check_match(&matches[i], "nll_loss", "log_probs");
	}
}

/* An ignore_index inside [0, C) wins over the class of that number. */
static void check_ignored_class(struct batch *batch)
{
	struct eval eval;
	size_t ignored = 0;
	batch_eval(&eval, batch, "cross_entropy", outputs);
	for (size_t r = 0; r < batch->rows; r++) {
		bool is_ignored = batch->y[r] == batch->ignore_index;
		ignored += is_ignored;
		require((eval_value(eval_output(&eval, "loss"), r) == 0) == is_ignored,
			"row %zu with target %lld", r, (long long)batch->y[r]);
	}
	assert_true(ignored > 0);
	assert_int_equal(eval.result.totals.ignored, ignored);
	assert_int_equal(eval.result.totals.counted, batch->rows - ignored);
	eval_end(&eval);
}

static void ignore_index_is_tested_first(void **state)
{
	struct random random = random_start(0x7d8);
	size_t sizes[3] = {40, 4, 1};
	(void)state;
	struct batch batch = batch_make(&random, LOSS_F32, "normal", BATCH_ROWS, sizes);
	for (size_t d = 0; d < N_INTEGERS; d++)
		for (batch.ignore_index = 0; batch.ignore_index < 4; batch.ignore_index++) {
			batch.index_dtype = integers[d];
			check_ignored_class(&batch);
		}
	batch_free(&batch);
}

/* The first target out of bounds is reported, with its multi-index, and there is no result. */
static void first_bad_target_is_named(void **state)
{
	struct random random = random_start(0x7d9);
	(void)state;
	for (size_t i = 0; i < random_cases(50); i++) {
		size_t sizes[3] = {2 + random_below(&random, 9), 5, 7};
		struct batch batch = batch_make(&random, LOSS_F32, "normal",
						i % 2 == 0 ? BATCH_INNER : BATCH_LAST, sizes);
		size_t first = random_below(&random, batch.rows);
		struct eval eval;
		for (size_t r = first; r < batch.rows; r++)
			if (r == first || random_chance(&random, 0.2))
				batch.y[r] = 5 + (int64_t)random_below(&random, 100);
		batch_start(&eval, &batch, "cross_entropy");
		loss_status status = eval_try(&eval);
		require(status == LOSS_TARGET_OUT_OF_BOUNDS, "status %s",
			loss_status_info(status)->code);
		require(strcmp(eval.error.field, "targets") == 0 && eval.error.index_rank == 2 &&
				eval.error.index[0] == first / 7 &&
				eval.error.index[1] == first % 7 && eval.error.flat_index == first,
			"the first bad target is %zu: %s", first, eval.error.detail);
		eval_end(&eval);
		batch_free(&batch);
	}
}

/* With shift, in whichever sequence it is. The first of each is the target of no row. */
static void a_bad_target_of_any_sequence_is_found(void **state)
{
	enum { SEQUENCES = 5, LENGTH = 5, ROWS = SEQUENCES * LENGTH, CLASSES = 3 };
	static const size_t shape[3] = {SEQUENCES, LENGTH, CLASSES};
	static const double x[ROWS * CLASSES];
	(void)state;
	for (size_t bad = 0; bad < ROWS; bad++) {
		int64_t y[ROWS] = {0};
		struct eval eval;
		y[bad] = CLASSES;
		eval_start(&eval, "cross_entropy");
		eval_set(&eval, "logits", eval_floats(&eval, LOSS_F32, 3, shape, x));
		eval_set(&eval, "targets", eval_integers(&eval, LOSS_I64, 2, shape, y));
		eval_integer(&eval, "class_axis", -1);
		eval_boolean(&eval, "shift", true);
		loss_status status = eval_try(&eval);
		if (bad % LENGTH == 0)
			assert_int_equal(status, LOSS_OK);
		else
			assert_int_equal(status, LOSS_TARGET_OUT_OF_BOUNDS);
		if (status != LOSS_OK)
			assert_int_equal(eval.error.flat_index, bad);
		eval_end(&eval);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_dtype_gives_the_same_bits),
		cmocka_unit_test(integers_compare_as_integers),
		cmocka_unit_test(ignore_index_is_tested_first),
		cmocka_unit_test(first_bad_target_is_named),
		cmocka_unit_test(a_bad_target_of_any_sequence_is_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
