/* Groups of rows, and bytes: what is wrong with them, their limits, and what odd ones come to. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "../support/random.h"
#include "../support/spec.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define GROUPED "outputs=group_loss "
#define BITS "outputs=bits_per_byte "
#define SHAPE_OF_ROWS "(2), that of logits without the class axis"
#define BYTES_MUST "but must be 0 or greater, and no more than its type holds"

/* Two rows of two classes whose losses are log 2. */
#define TWO "logits:F64:2,2 targets:I64:2 "
#define LN_2 0.69314718055994531

/* ---------------------------------------------------------------- what is wrong */

static const struct {
	const char *text;
	loss_status status;
	const char *field, *detail;
} wrong[] = {
	{CE TWO "groups:I64:2=0,3 n_groups=3 " GROUPED, LOSS_TARGET_OUT_OF_BOUNDS, "groups",
	 "groups[1] is 3, but there are 3 groups (n_groups), 0..2"},
	{CE TWO "groups:I64:2=0,4 n_groups=3 " GROUPED, LOSS_TARGET_OUT_OF_BOUNDS, "groups",
	 "groups[1] is 4, but there are 3 groups (n_groups), 0..2"},
	{CE TWO "groups:I64:2=0,9223372036854775807 n_groups=3 " GROUPED, LOSS_TARGET_OUT_OF_BOUNDS,
	 "groups", "groups[1] is 9223372036854775807, but there are 3 groups (n_groups), 0..2"},
	{CE TWO "groups:U64:2=0,18446744073709551615 n_groups=3", LOSS_TARGET_OUT_OF_BOUNDS,
	 "groups", "groups[1] is 18446744073709551615, but there are 3 groups (n_groups), 0..2"},
	{CE TWO "groups:I64:2=0,1 n_groups=1 " GROUPED, LOSS_TARGET_OUT_OF_BOUNDS, "groups",
	 "groups[1] is 1, but there is 1 group (n_groups), 0..0"},
	{CE TWO "groups:I64:2=-1,0 n_groups=0 " GROUPED, LOSS_TARGET_OUT_OF_BOUNDS, "groups",
	 "groups[1] is 0, but there are no groups, for n_groups is 0"},
	{CE TWO "groups:I64:2=0,1 n_groups=-1 " GROUPED, LOSS_ARGUMENT_OUT_OF_RANGE, "n_groups",
	 "n_groups is -1, but must be 0 or greater"},
	{CE TWO "groups:I64:2=0,1 n_groups=9223372036854775808 " GROUPED,
	 LOSS_ARGUMENT_OUT_OF_RANGE, "n_groups",
	 "n_groups is 9223372036854775808, but must be 0 or greater"},
	{CE TWO "groups:F32:2 " GROUPED, LOSS_DTYPE_MISMATCH, "groups",
	 "groups is F32, but must be one of I64, I32, I16, I8, U64, U32, U16, U8"},
	{CE TWO "groups:BOOL:2 " GROUPED, LOSS_DTYPE_MISMATCH, "groups",
	 "groups is BOOL, but must be one of I64, I32, I16, I8, U64, U32, U16, U8"},
	{CE TWO "groups:I64:3 " GROUPED, LOSS_SHAPE_MISMATCH, "groups",
	 "groups has shape (3), but must have " SHAPE_OF_ROWS},
	{CE TWO "groups:I64:2,1 " GROUPED, LOSS_SHAPE_MISMATCH, "groups",
	 "groups has shape (2, 1), but must have " SHAPE_OF_ROWS
	 "; it has as many elements: reshape it"},
	{CE TWO GROUPED, LOSS_MISSING_FIELD, "groups",
	 "the output group_loss of cross_entropy needs groups, an integer for each row of logits"},
	{NLL "log_probs:F64:2,2 targets:I64:2 outputs=loss,group_counted", LOSS_MISSING_FIELD,
	 "groups",
	 "the output group_counted of nll_loss needs groups, an integer for each row of log_probs"},
	{CE TWO BITS, LOSS_MISSING_FIELD, "bytes",
	 "the output bits_per_byte of cross_entropy needs bytes, an integer for each row of "
	 "logits, or for each group"},
	{CE "logits:F64:2,2 targets:F64:2,2 bytes:I64:2 " BITS, LOSS_ARGUMENT_OUT_OF_RANGE,
	 "outputs",
	 "outputs[0] is \"bits_per_byte\", which needs class indices, but the targets are "
	 "probabilities"},
	{CE TWO "bytes:F32:2 " BITS, LOSS_DTYPE_MISMATCH, "bytes",
	 "bytes is F32, but must be one of I64, I32, I16, I8, U64, U32, U16, U8"},
	{CE TWO "bytes:I64:2=0,-1 " BITS, LOSS_ARGUMENT_OUT_OF_RANGE, "bytes",
	 "bytes[1] is -1, " BYTES_MUST},
	{CE TWO "bytes:I8:2=-128,0", LOSS_ARGUMENT_OUT_OF_RANGE, "bytes",
	 "bytes[0] is -128, " BYTES_MUST},
	{CE TWO "groups:I64:2=0,2 bytes:I64:3=1,-1,-5 " BITS, LOSS_ARGUMENT_OUT_OF_RANGE, "bytes",
	 "bytes[2] is -5, " BYTES_MUST},
	{CE TWO "bytes:I64:3 " BITS, LOSS_SHAPE_MISMATCH, "bytes",
	 "bytes has shape (3), but must have " SHAPE_OF_ROWS
	 ", or beside groups one axis, an entry for each group"},
	{CE TWO "groups:I64:2=0,4 bytes:I64:4 " BITS, LOSS_SHAPE_MISMATCH, "bytes",
	 "bytes has shape (4), but must have (5), an entry for each group, or " SHAPE_OF_ROWS
	 "; n_groups says how many groups there are, also without counted rows"},
	{CE TWO "groups:I64:2=0,4 bytes:I64:6 n_groups=5 " BITS, LOSS_SHAPE_MISMATCH, "bytes",
	 "bytes has shape (6), but must have (5), an entry for each group, or " SHAPE_OF_ROWS},
	{CE TWO "groups:I64:2=0,4 bytes:I64:5,1 n_groups=5 " BITS, LOSS_SHAPE_MISMATCH, "bytes",
	 "bytes has shape (5, 1), but must have " SHAPE_OF_ROWS
	 ", or beside groups one axis, an entry for each group"},
	/* the first of several things */
	{CE "logits:F64:2,2 targets:I64:2=0,2 groups:I64:2=9 n_groups=3 " GROUPED,
	 LOSS_TARGET_OUT_OF_BOUNDS, "targets", "targets[1] is 2, but there are 2 classes (0..1)"},
	{CE TWO "groups:I64:2=9 n_groups=3 bytes:I64:2=-1 " GROUPED, LOSS_TARGET_OUT_OF_BOUNDS,
	 "groups", "groups[0] is 9, but there are 3 groups (n_groups), 0..2"},
	{CE TWO "groups:I64:2=9 n_groups=3 k=9 " GROUPED, LOSS_ARGUMENT_OUT_OF_RANGE, "k",
	 "k is 9, but must be 1 to 2, the number of classes"},
	{CE TWO "groups:I64:2=0,1 bytes:I64:7 n_groups=-3", LOSS_ARGUMENT_OUT_OF_RANGE, "n_groups",
	 "n_groups is -3, but must be 0 or greater"},
};

static void what_is_wrong_is_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++) {
		struct eval eval;
		loss_status got = spec_plan(&eval, wrong[i].text);
		require(got == wrong[i].status, "%s: %s", wrong[i].text,
			loss_status_info(got)->code);
		require(strcmp(eval.error.field, wrong[i].field) == 0, "%s: field %s",
			wrong[i].text, eval.error.field);
		require(strcmp(eval.error.detail, wrong[i].detail) == 0, "%s:\n%s\n%s",
			wrong[i].text, eval.error.detail, wrong[i].detail);
		eval_end(&eval);
	}
}

static void a_place_has_all_its_axes(void **state)
{
	struct eval eval;
	(void)state;
	loss_status got = spec_plan(&eval, CE "logits:F32:2,3,2 targets:I64:2,3 class_axis=-1 "
					      "groups:I64:2,3=0,0,0,0,7,0 n_groups=7 " GROUPED);
	assert_int_equal(got, LOSS_TARGET_OUT_OF_BOUNDS);
	assert_string_equal(eval.error.detail,
			    "groups[1][1] is 7, but there are 7 groups (n_groups), 0..6");
	assert_true(eval.error.has_index);
	assert_int_equal(eval.error.flat_index, 4);
	assert_int_equal(eval.error.index[0], 1);
	assert_int_equal(eval.error.index[1], 1);
	eval_end(&eval);
}

/* ---------------------------------------------------------------- how many there may be */

static void the_most_groups_are_what_a_tensor_may_have(void **state)
{
	static const struct {
		const char *text;
		loss_status status;
		const char *detail;
	} rows[] = {
		{CE TWO "groups:I64:2=0,2 n_groups=4 " GROUPED, LOSS_OK, ""},
		{CE TWO "groups:I64:2=0,2 n_groups=3 " GROUPED, LOSS_OK, ""},
		{CE TWO "groups:I64:2=0,2 n_groups=5 " GROUPED, LOSS_ARGUMENT_OUT_OF_RANGE,
		 "n_groups is 5, but must be 0 to 4 (max_elements)"},
		{CE TWO "groups:I64:2=0,2 n_groups=9223372036854775807 " GROUPED,
		 LOSS_ARGUMENT_OUT_OF_RANGE,
		 "n_groups is 9223372036854775807, but must be 0 to 4 (max_elements)"},
		{CE TWO "groups:I64:2=0,3 " GROUPED, LOSS_OK, ""},
		{CE TWO "groups:I64:2=0,4 " GROUPED, LOSS_TARGET_OUT_OF_BOUNDS,
		 "groups[1] is 4, but there may be at most 4 groups (max_elements)"},
		{CE TWO "groups:U64:2=0,18446744073709551615 " GROUPED, LOSS_TARGET_OUT_OF_BOUNDS,
		 "groups[1] is 18446744073709551615, but there may be at most 4 groups "
		 "(max_elements)"},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct eval eval;
		struct loss_plan *plan;
		spec_start(&eval, rows[i].text);
		loss_problem_set_max_elements(eval.problem, 4);
		eval.error.detail[0] = '\0';
		loss_status got = loss_plan_create(eval.problem, eval.arena, &plan, &eval.error);
		require(got == rows[i].status, "%s: %s", rows[i].text, eval.error.detail);
		assert_string_equal(eval.error.detail, rows[i].detail);
		eval_end(&eval);
	}
}

/* Without a limit of the caller's, memory is one; nothing overflows on the way. */
static void more_groups_than_memory_has_room_for(void **state)
{
	static const char *const texts[] = {
		CE TWO "groups:I64:2=0,1 n_groups=9223372036854775807 " GROUPED,
		CE TWO "groups:U64:2=0,18446744073709551615 " GROUPED,
		CE TWO "groups:I64:2=0,200000000000000000 " GROUPED,
		CE TWO "groups:I64:2=0,1 n_groups=200000000000000000 " GROUPED,
		CE TWO "groups:I64:2=0,1000000 " GROUPED,
	};
	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct eval eval;
		struct loss_result result;
		struct loss_budget *budget = loss_budget_create(UINT64_C(4) << 20);
		assert_non_null(budget);
		struct loss_arena *arena = loss_arena_create(budget);
		spec_start(&eval, texts[i]);
		assert_int_not_equal(
			loss_evaluate(eval.problem, arena, 1, NULL, &result, &eval.error), LOSS_OK);
		loss_arena_destroy(arena);
		loss_budget_destroy(budget);
		eval_end(&eval);
	}
}

/* What nothing asks for takes no memory, however large its numbers are. */
static void groups_that_nothing_asks_for(void **state)
{
	static const char *const texts[] = {
		CE TWO "groups:I64:2=0,200000000000000000",
		CE TWO "groups:I64:2=0,1 n_groups=200000000000000000",
		"brier_score " TWO "groups:I64:2=0,300000000",
	};
	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct eval eval;
		struct loss_result result;
		struct loss_budget *budget = loss_budget_create(UINT64_C(1) << 20);
		assert_non_null(budget);
		struct loss_arena *arena = loss_arena_create(budget);
		spec_start(&eval, texts[i]);
		require(loss_evaluate(eval.problem, arena, 1, NULL, &result, &eval.error) ==
				LOSS_OK,
			"%s: %s", texts[i], eval.error.detail);
		assert_int_equal(result.n_warnings, 1);
		loss_arena_destroy(arena);
		loss_budget_destroy(budget);
		eval_end(&eval);
	}
}

/* ---------------------------------------------------------------- integers that fit no type */

static size_t tensor_index(const struct eval *eval, const char *name)
{
	return (size_t)loss_find_tensor(eval->info, name, strlen(name));
}

static void integers_that_fit_no_type(void **state)
{
	static const struct {
		const char *text, *tensor, *beyond;
		loss_status status;
		const char *detail;
	} rows[] = {
		{CE TWO "groups:I64:2=0,1 n_groups=3 " GROUPED, "groups", "18446744073709551616",
		 LOSS_TARGET_OUT_OF_BOUNDS,
		 "groups[1] is 18446744073709551616, but there are 3 groups (n_groups), 0..2"},
		{CE TWO "groups:I64:2=0,1 n_groups=3 " GROUPED, "groups", "-18446744073709551616",
		 LOSS_OK, ""},
		{CE TWO "groups:I64:2=0,1 n_groups=3 mask:BOOL:2=1,0 " GROUPED, "groups",
		 "18446744073709551616", LOSS_OK, ""},
		{CE TWO "bytes:I64:2=0,1 " BITS, "bytes", "18446744073709551616",
		 LOSS_ARGUMENT_OUT_OF_RANGE, "bytes[1] is 18446744073709551616, " BYTES_MUST},
		{CE TWO "bytes:I64:2=0,1 " BITS, "bytes", "-18446744073709551616",
		 LOSS_ARGUMENT_OUT_OF_RANGE, "bytes[1] is -18446744073709551616, " BYTES_MUST},
		{CE TWO "bytes:I64:2=0,1 mask:BOOL:2=1,0 " BITS, "bytes", "18446744073709551616",
		 LOSS_OK, ""},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct eval eval;
		const struct loss_beyond beyond = {1, rows[i].beyond};
		spec_start(&eval, rows[i].text);
		loss_problem_set_beyond(eval.problem, tensor_index(&eval, rows[i].tensor), &beyond,
					1);
		eval.error.detail[0] = '\0';
		require(eval_try(&eval) == rows[i].status, "%s: %s", rows[i].text,
			eval.error.detail);
		assert_string_equal(eval.error.detail, rows[i].detail);
		eval_end(&eval);
	}
}

/* ---------------------------------------------------------------- what they come to */

#define ALL "outputs=group_loss_sum,group_denominator,group_counted,group_loss "
#define NOT_A_NUMBER ((double)NAN)
#define MOST 4

/* Of each group: the sum in units of log 2, the denominator, the counted rows, the mean. */
static const struct {
	const char *text;
	size_t n;
	double sum[MOST], denominator[MOST], counted[MOST], mean[MOST];
} odd[] = {
	{CE TWO "groups:I64:2=0,0 " ALL, 1, {2}, {2}, {2}, {1}},
	{CE TWO "groups:I64:2=1,0 " ALL, 2, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
	{CE TWO "groups:I64:2=2,0 " ALL, 3, {1, 0, 1}, {1, 0, 1}, {1, 0, 1}, {1, NOT_A_NUMBER, 1}},
	{CE TWO "groups:I64:2=2,0 empty_mean=zero " ALL,
	 3,
	 {1, 0, 1},
	 {1, 0, 1},
	 {1, 0, 1},
	 {1, 0, 1}},
	{CE TWO "groups:I64:2=0,0 n_groups=2 " ALL, 2, {2, 0}, {2, 0}, {2, 0}, {1, NOT_A_NUMBER}},
	{CE TWO "groups:I64:2=-1,-9223372036854775808 " ALL, 0, {0}, {0}, {0}, {0}},
	{CE TWO "groups:I64:2=-1 n_groups=0 " ALL, 0, {0}, {0}, {0}, {0}},
	{CE TWO "groups:I64:2=-1,0 " ALL, 1, {1}, {1}, {1}, {1}},
	/* neither the reduction nor the caller's denominator is about groups */
	{CE TWO "groups:I64:2=0,0 reduction=sum " ALL, 1, {2}, {2}, {2}, {1}},
	{CE TWO "groups:I64:2=0,0 reduction=none " ALL, 1, {2}, {2}, {2}, {1}},
	{CE TWO "groups:I64:2=0,0 denominator=7 " ALL, 1, {2}, {2}, {2}, {1}},
	/* weights */
	{CE TWO "groups:I64:2=0,0 weight:F64:2=3,5 " ALL, 1, {6}, {6}, {2}, {1}},
	{CE TWO "groups:I64:2=0,0 row_weight:F64:2=3,5 " ALL, 1, {8}, {8}, {2}, {1}},
	{CE TWO "groups:I64:2=0,0 row_weight:F64:2=3,5 weight:F64:2=2,1 " ALL,
	 1,
	 {16},
	 {16},
	 {2},
	 {1}},
	{CE TWO "groups:I64:2=0,1 row_weight:F64:2=0,5 " ALL,
	 2,
	 {0, 5},
	 {0, 5},
	 {1, 1},
	 {NOT_A_NUMBER, 1}},
	{CE "logits:F64:2,2 targets:F64:2,2=0.5 groups:I64:2=0,1 weight:F64:2=3,3 " ALL,
	 2,
	 {3, 3},
	 {1, 1},
	 {1, 1},
	 {3, 3}},
	/* what does not count is not read */
	{CE "logits:F64:2,2 targets:I64:2=0,-100 groups:I64:2=0,99 n_groups=1 " ALL,
	 1,
	 {1},
	 {1},
	 {1},
	 {1}},
	{CE "logits:F64:2,2 targets:I64:2=0,-100 groups:I64:2=0,99 " ALL, 1, {1}, {1}, {1}, {1}},
	{CE TWO "mask:BOOL:2=0,1 groups:I64:2=99,0 n_groups=1 " ALL, 1, {1}, {1}, {1}, {1}},
	{CE TWO "mask:BOOL:2=0 groups:I64:2=99,0 " ALL, 0, {0}, {0}, {0}, {0}},
	{CE "logits:F64:2,2 targets:F64:2,2=0.5 mask:BOOL:2=0,1 groups:I64:2=99,0 " ALL,
	 1,
	 {1},
	 {1},
	 {1},
	 {1}},
	/* a row that is infinite or NaN is its group's alone */
	{CE "logits:F64:2,2=+inf,0,0,0 targets:I64:2 groups:I64:2=0,1 " ALL,
	 2,
	 {NOT_A_NUMBER, 1},
	 {1, 1},
	 {1, 1},
	 {NOT_A_NUMBER, 1}},
	{CE "logits:F64:2,2=-inf,0,0,0 targets:I64:2 groups:I64:2=0,1 " ALL,
	 2,
	 {(double)INFINITY, 1},
	 {1, 1},
	 {1, 1},
	 {(double)INFINITY, 1}},
	/* shift: row t has the entry t + 1, and the first entry of a sequence is not read */
	{CE "logits:F64:1,3,2 targets:I64:1,3=9,0,0 class_axis=-1 shift=true "
	    "groups:I64:1,3=77,0,1 n_groups=2 " ALL,
	 2,
	 {1, 1},
	 {1, 1},
	 {1, 1},
	 {1, 1}},
	{CE "logits:F64:2,2,2 targets:I64:2,2 class_axis=-1 shift=true "
	    "groups:I64:2,2=77,0,77,1 " ALL,
	 2,
	 {1, 1},
	 {1, 1},
	 {1, 1},
	 {1, 1}},
	{CE "logits:F64:2,1,2 targets:I64:2,1 class_axis=-1 shift=true groups:I64:2,1=5 " ALL,
	 0,
	 {0},
	 {0},
	 {0},
	 {0}},
	/* other shapes */
	{CE "logits:F64:2 targets:I64: groups:I64:=0 " ALL, 1, {1}, {1}, {1}, {1}},
	{CE "logits:F64:0,2 targets:I64:0 groups:I64:0 n_groups=2 " ALL,
	 2,
	 {0, 0},
	 {0, 0},
	 {0, 0},
	 {NOT_A_NUMBER, NOT_A_NUMBER}},
	{CE "logits:F64:1,2,2 targets:I64:1,2 groups:U8:1,2=1,0 " ALL,
	 2,
	 {1, 1},
	 {1, 1},
	 {1, 1},
	 {1, 1}},
	{NLL "log_probs:F64:2,2=-0.69314718055994531 targets:I64:2 groups:I64:2=0,1 " ALL,
	 2,
	 {1, 1},
	 {1, 1},
	 {1, 1},
	 {1, 1}},
};

static bool is(double got, double wanted)
{
	return isnan(wanted) ? isnan(got) : got == wanted;
}

static void odd_groups(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(odd); i++) {
		struct eval eval;
		spec_run(&eval, odd[i].text);
		const struct loss_tensor *sum = eval_output(&eval, "group_loss_sum");
		const struct loss_tensor *counted = eval_output(&eval, "group_counted");
		require(sum->rank == 1 && sum->shape[0] == odd[i].n && counted->count == odd[i].n,
			"%s: %zu groups", odd[i].text, sum->count);
		for (size_t g = 0; g < odd[i].n; g++)
			require(is(eval_value(sum, g), odd[i].sum[g] * LN_2) &&
					is(eval_value(eval_output(&eval, "group_denominator"), g),
					   odd[i].denominator[g]) &&
					is((double)eval_index(counted, g), odd[i].counted[g]) &&
					is(eval_value(eval_output(&eval, "group_loss"), g),
					   odd[i].mean[g] * LN_2),
				"%s: group %zu", odd[i].text, g);
		eval_end(&eval);
	}
}

/* ---------------------------------------------------------------- bits per byte */

static const struct {
	const char *text;
	double bits;
} bits[] = {
	{CE TWO "bytes:I64:2=1 " BITS, 1},
	{CE TWO "bytes:I64:2=1,3 " BITS, 0.5},
	{CE TWO "bytes:I64:2=0,1 " BITS, 2},
	{CE TWO "bytes:I64:2=0 " BITS, NOT_A_NUMBER},
	{CE TWO "bytes:U64:2=18446744073709551615 " BITS, 0x1p-64},
	{CE TWO "bytes:U64:2=9223372036854775808 " BITS, 0x1p-63},
	/* without weights, smoothing and z_loss */
	{CE TWO "bytes:I64:2=1 weight:F64:2=5,7 row_weight:F64:2=3,0 " BITS, 1},
	{CE TWO "bytes:I64:2=1 label_smoothing=0.5 z_loss=1 " BITS, 1},
	{CE TWO "bytes:I64:2=1 gamma=2 " BITS, 1},
	{CE TWO "bytes:I64:2=1 reduction=none denominator=9 " BITS, 1},
	{NLL "log_probs:F64:2,2=-0.69314718055994531 targets:I64:2 weight:F64:2=3,3 "
	     "row_weight:F64:2=0,9 bytes:I64:2=1,3 " BITS,
	 0.5},
	/* what does not count is not read */
	{CE TWO "mask:BOOL:2=1,0 bytes:I64:2=1,-5 " BITS, 1},
	{CE "logits:F64:2,2 targets:I64:2=0,-100 bytes:I64:2=1,-5 " BITS, 1},
	{CE "logits:F64:2,2=0,0,+nan,0 targets:I64:2=0,-100 bytes:I64:2=1,9 " BITS, 1},
	{CE TWO "mask:BOOL:2=0 bytes:I64:2=-5 " BITS, NOT_A_NUMBER},
	{CE "logits:F64:0,2 targets:I64:0 bytes:I64:0 " BITS, NOT_A_NUMBER},
	{CE "logits:F64:1,3,2 targets:I64:1,3 class_axis=-1 shift=true bytes:I64:1,3=-9,1,3 " BITS,
	 0.5},
	/* of groups: those with a counted row, and the rows of groups */
	{CE TWO "groups:I64:2=0,2 bytes:I64:3=1,-7,3 " BITS, 0.5},
	{CE TWO "groups:I64:2=-1,0 bytes:I64:1=2 " BITS, 0.5},
	{CE TWO "groups:I64:2=0,0 bytes:I64:3=4,-1,-1 n_groups=3 " BITS, 0.5},
	{CE TWO "groups:I64:2=-1 bytes:I64:0 " BITS, NOT_A_NUMBER},
	{CE TWO "groups:I64:2=-1 bytes:I64:3=-1 n_groups=3 " BITS, NOT_A_NUMBER},
	{CE "logits:F64:1,3,2 targets:I64:1,3 class_axis=-1 shift=true groups:I64:1,3=9,1,1 "
	    "bytes:U8:2=200,8 " BITS,
	 0.25},
	/* of the rows' shape they are of rows, though there are as many groups */
	{CE TWO "groups:I64:2=1,-1 bytes:I64:2=1,3 " BITS, 0.5},
	/* one row */
	{CE "logits:F64:2 targets:I64: bytes:I64:=4 " BITS, 0.25},
	{CE "logits:F64:2 targets:I64: groups:I64:=0 bytes:I64:1=4 " BITS, 0.25},
	/* infinities and NaN */
	{CE "logits:F64:2,2=-inf,0,0,0 targets:I64:2 bytes:I64:2=1 " BITS, (double)INFINITY},
	{CE "logits:F64:2,2=+nan,0,0,0 targets:I64:2 bytes:I64:2=1 " BITS, NOT_A_NUMBER},
	{CE "logits:F64:2,2=+nan,0,0,0 targets:I64:2 groups:I64:2=-1,0 bytes:I64:1=1 " BITS, 1},
};

static void bits_per_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bits); i++) {
		struct eval eval;
		spec_run(&eval, bits[i].text);
		const struct loss_tensor *output = eval_output(&eval, "bits_per_byte");
		require(output->rank == 0 && output->dtype == LOSS_F64 &&
				is(eval_value(output, 0), bits[i].bits),
			"%s: %.17g, not %.17g", bits[i].text, eval_value(output, 0), bits[i].bits);
		eval_end(&eval);
	}
}

/* Formats without scalars of their own. */
static void ones_stand_for_scalars(void **state)
{
	struct eval eval;
	(void)state;
	spec_start(&eval, CE "logits:F64:2 targets:I64:1 groups:I64:1=1 bytes:I64:1=4 "
			     "outputs=group_counted,bits_per_byte");
	loss_problem_set_ones_are_scalars(eval.problem);
	eval_run(&eval, 1);
	assert_int_equal(eval_output(&eval, "group_counted")->count, 2);
	assert_true(eval_value(eval_output(&eval, "bits_per_byte"), 0) == 0.25);
	eval_end(&eval);
}

/* ---------------------------------------------------------------- what is of no use */

#define NO_GROUPS                                                                                  \
	"groups has no effect unless outputs has \"group_loss_sum\", \"group_denominator\", "      \
	"\"group_counted\" or \"group_loss\""
#define NO_BYTES "bytes has no effect unless outputs has \"bits_per_byte\""

static void what_has_no_effect_is_warned_of(void **state)
{
	static const struct {
		const char *text;
		size_t n;
		const char *warnings[2];
	} rows[] = {
		{CE TWO "groups:I64:2=0,1", 1, {NO_GROUPS}},
		{CE TWO "groups:I64:2=0,1 n_groups=2 " GROUPED, 0, {NULL}},
		{CE TWO "groups:I64:2=0,1 outputs=group_counted", 0, {NULL}},
		{CE TWO "groups:I64:2=0,1 outputs=group_denominator", 0, {NULL}},
		{CE TWO "groups:I64:2=0,1 outputs=group_loss_sum", 0, {NULL}},
		{CE TWO "bytes:I64:2=0,1", 1, {NO_BYTES}},
		{CE TWO "bytes:I64:2=0,1 " BITS, 0, {NULL}},
		{CE TWO "groups:I64:2=0,1 bytes:I64:2=0,1", 2, {NO_GROUPS, NO_BYTES}},
		{CE TWO "groups:I64:2=0,1 bytes:I64:2=0,1 " BITS, 1, {NO_GROUPS}},
		{CE TWO "groups:I64:2=0,0 bytes:I64:1=1 " BITS, 0, {NULL}},
		{CE TWO "groups:I64:2=0,0 bytes:I64:1=1 " GROUPED, 1, {NO_BYTES}},
		{CE TWO "n_groups=4", 1, {"n_groups has no effect without groups"}},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct eval eval;
		spec_run(&eval, rows[i].text);
		require(eval.result.n_warnings == rows[i].n, "%s: %zu warnings", rows[i].text,
			eval.result.n_warnings);
		for (size_t k = 0; k < rows[i].n; k++)
			assert_string_equal(eval.result.warnings[k], rows[i].warnings[k]);
		eval_end(&eval);
	}
}

static void no_other_loss_has_them(void **state)
{
	(void)state;
	for (size_t i = 0; loss_at(i) != NULL; i++) {
		const struct loss_info *loss = loss_at(i);
		bool classes = !loss->element_wise && loss->has_totals;
		assert_int_equal(loss_find_tensor(loss, "groups", 6) >= 0, classes);
		assert_int_equal(loss_find_argument(loss, "n_groups", 8) >= 0, classes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_wrong_is_named),
		cmocka_unit_test(a_place_has_all_its_axes),
		cmocka_unit_test(the_most_groups_are_what_a_tensor_may_have),
		cmocka_unit_test(more_groups_than_memory_has_room_for),
		cmocka_unit_test(groups_that_nothing_asks_for),
		cmocka_unit_test(integers_that_fit_no_type),
		cmocka_unit_test(odd_groups),
		cmocka_unit_test(bits_per_byte),
		cmocka_unit_test(ones_stand_for_scalars),
		cmocka_unit_test(what_has_no_effect_is_warned_of),
		cmocka_unit_test(no_other_loss_has_them),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
