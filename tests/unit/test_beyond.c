/* Class indices that fit no integer type: which wrong target is reported, and as what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "loss.h"

#define ROWS 4

static struct loss_arena *arena;
static float logits[ROWS * 2];
static unsigned char mask[ROWS];
static int64_t targets[ROWS];

static const struct loss_beyond elements[] = {{1, "18446744073709551616"},
					      {3, "-99999999999999999999"}};

static int set_up(void **state)
{
	(void)state;
	arena = loss_arena_create(NULL);
	memset(mask, 1, sizeof mask);
	memset(targets, 0, sizeof targets);
	return arena ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	loss_arena_destroy(arena);
	return 0;
}

static size_t index_of(const struct loss_problem *problem, const char *name)
{
	int i = loss_find_tensor(loss_problem_info(problem), name, strlen(name));
	assert_true(i >= 0);
	return (size_t)i;
}

static void set(struct loss_problem *problem, const char *name, loss_dtype dtype,
		const size_t *shape, int rank, void *data)
{
	struct loss_tensor tensor = {.dtype = dtype, .rank = rank, .data = data};
	memcpy(tensor.shape, shape, (size_t)rank * sizeof *shape);
	assert_true(loss_tensor_set_count(&tensor));
	assert_int_equal(loss_problem_set(problem, name, &tensor, NULL), LOSS_OK);
}

/* Rows of two classes; of a shifted problem one sequence of ROWS, whose mask and targets are those
 * of its elements. The first n elements are beyond. */
static struct loss_problem *make(const char *loss, size_t n)
{
	struct loss_problem *problem = loss_problem_create(loss_find(loss, strlen(loss)), arena);
	const char *input = loss_problem_info(problem)->tensors[0].name;
	set(problem, input, LOSS_F32, (size_t[]){ROWS, 2}, 2, logits);
	set(problem, "targets", LOSS_I64, (size_t[]){ROWS}, 1, targets);
	loss_problem_set_beyond(problem, index_of(problem, "targets"), elements, n);
	return problem;
}

static void expect(const struct loss_problem *problem, const char *detail)
{
	struct loss_plan *plan;
	struct loss_error err = {.detail = ""};
	loss_status status = loss_plan_create(problem, arena, &plan, &err);
	assert_int_equal(status, detail ? LOSS_TARGET_OUT_OF_BOUNDS : LOSS_OK);
	assert_string_equal(err.detail, detail ? detail : "");
}

static void its_digits_are_reported_whatever_is_stored(void **state)
{
	static const int64_t stored[] = {0, 1, 2, -100, INT64_MAX, INT64_MIN};
	static const char *const losses[] = {"cross_entropy", "nll_loss"};
	(void)state;
	for (size_t i = 0; i < sizeof stored / sizeof *stored; i++)
		for (size_t k = 0; k < 2; k++) {
			targets[1] = stored[i];
			expect(make(losses[k], 2), "targets[1] is 18446744073709551616, but there "
						   "are 2 classes (0..1)");
		}
}

static void it_is_never_ignore_index(void **state)
{
	static const int64_t ignored[] = {0, -100, INT64_MAX, INT64_MIN};
	(void)state;
	for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++) {
		struct loss_problem *problem = make("cross_entropy", 1);
		targets[1] = ignored[i];
		loss_problem_set_integer(problem, "ignore_index", ignored[i], NULL);
		expect(problem,
		       "targets[1] is 18446744073709551616, but there are 2 classes (0..1)");
	}
}

static void the_first_that_is_wrong_is_reported(void **state)
{
	struct loss_error err;
	struct loss_plan *plan;
	(void)state;
	targets[0] = 7;
	expect(make("cross_entropy", 2), "targets[0] is 7, but there are 2 classes (0..1)");
	targets[0] = -100;
	targets[2] = 7;
	struct loss_problem *problem = make("cross_entropy", 2);
	expect(problem, "targets[1] is 18446744073709551616, but there are 2 classes (0..1)");
	loss_plan_create(problem, arena, &plan, &err);
	assert_true(err.has_index);
	assert_int_equal(err.flat_index, 1);
	assert_int_equal(err.index_rank, 1);
}

static void what_the_mask_leaves_out_is_not_looked_at(void **state)
{
	struct loss_problem *problem;
	(void)state;
	mask[1] = 0;
	problem = make("cross_entropy", 2);
	set(problem, "mask", LOSS_BOOL, (size_t[]){ROWS}, 1, mask);
	expect(problem, "targets[3] is -99999999999999999999, but there are 2 classes (0..1)");
	mask[3] = 0;
	problem = make("cross_entropy", 2);
	set(problem, "mask", LOSS_BOOL, (size_t[]){ROWS}, 1, mask);
	expect(problem, NULL);
}

/* Another tensor's element stands beside it, in a row that counts. */
static void its_row_counts(void **state)
{
	static float weights[ROWS] = {1.0F, -1.0F, 1.0F, 1.0F};
	struct loss_error err;
	struct loss_plan *plan;
	struct loss_problem *problem = make("cross_entropy", 1);
	(void)state;
	targets[1] = -100;
	set(problem, "row_weight", LOSS_F32, (size_t[]){ROWS}, 1, weights);
	assert_int_equal(loss_plan_create(problem, arena, &plan, &err), LOSS_ARGUMENT_OUT_OF_RANGE);
	assert_string_equal(err.field, "row_weight");
}

/* Of a sequence that is shifted the first target is nobody's. */
static void shifted_targets(void **state)
{
	static const struct loss_beyond first[] = {{0, "18446744073709551616"},
						   {2, "18446744073709551617"}};
	static float sequence[ROWS * 2];
	(void)state;
	for (size_t n = 1; n <= 2; n++) {
		const struct loss_info *loss = loss_find("cross_entropy", strlen("cross_entropy"));
		struct loss_problem *problem = loss_problem_create(loss, arena);
		set(problem, "logits", LOSS_F32, (size_t[]){1, ROWS, 2}, 3, sequence);
		set(problem, "targets", LOSS_I64, (size_t[]){1, ROWS}, 2, targets);
		loss_problem_set_boolean(problem, "shift", true, NULL);
		loss_problem_set_integer(problem, "class_axis", -1, NULL);
		loss_problem_set_beyond(problem, index_of(problem, "targets"), first, n);
		expect(problem, n == 1 ? NULL
				       : "targets[0][2] is 18446744073709551617, but there are 2 "
					 "classes (0..1)");
	}
}

/* Without shift too, where the classes come last. */
static void places_are_those_of_the_targets(void **state)
{
	static const struct loss_beyond last[] = {{3, "18446744073709551616"}};
	(void)state;
	for (int axis = -1; axis <= 1; axis += 2) {
		const struct loss_info *loss = loss_find("cross_entropy", strlen("cross_entropy"));
		struct loss_problem *problem = loss_problem_create(loss, arena);
		set(problem, "logits", LOSS_F32, (size_t[]){2, 2, 2}, 3, logits);
		set(problem, "targets", LOSS_I64, (size_t[]){2, 2}, 2, targets);
		loss_problem_set_integer(problem, "class_axis", axis, NULL);
		loss_problem_set_beyond(problem, index_of(problem, "targets"), last, 1);
		expect(problem,
		       "targets[1][1] is 18446744073709551616, but there are 2 classes (0..1)");
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(its_digits_are_reported_whatever_is_stored),
		TEST(it_is_never_ignore_index),
		TEST(the_first_that_is_wrong_is_reported),
		TEST(what_the_mask_leaves_out_is_not_looked_at),
		TEST(its_row_counts),
		TEST(shifted_targets),
		TEST(places_are_those_of_the_targets),
	};
	return cmocka_run_group_tests_name("beyond", tests, NULL, NULL);
}
