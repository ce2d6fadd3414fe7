/* loss_call_run: what loss_evaluate gives, again and again from one struct; errors; strangers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "loss.h"

#define ROWS 4
#define CLASSES 3
#define MAX_FIELDS 32

/* Four rows of three classes. */
struct fixture {
	float logits[ROWS * CLASSES];
	int64_t targets[ROWS];
	struct loss_tensor input, classes;
	const struct loss_tensor *tensors[MAX_FIELDS];
	struct loss_value arguments[MAX_FIELDS];
	struct loss_call call;
};

static void start(struct fixture *f, const char *loss)
{
	static const size_t shape[] = {ROWS, CLASSES};
	memset(f, 0, sizeof *f);
	for (size_t i = 0; i < ROWS * CLASSES; i++)
		f->logits[i] = (float)i * 0.25F - 1.0F;
	f->input = loss_tensor_make(LOSS_F32, 2, shape, f->logits);
	f->classes = loss_tensor_make(LOSS_I64, 1, shape, f->targets);
	f->tensors[0] = &f->input;
	f->tensors[1] = &f->classes;
	f->call.size = sizeof f->call;
	f->call.loss = loss_find(loss, strlen(loss));
	f->call.arena = loss_arena_create(NULL);
	f->call.tensors = f->tensors;
	f->call.arguments = f->arguments;
	f->call.threads = 1;
	assert_non_null(f->call.loss);
	assert_non_null(f->call.arena);
}

static void end(struct fixture *f)
{
	loss_arena_destroy(f->call.arena);
}

/* The loss that loss_evaluate gives of the same. */
static float loss_of(const struct fixture *f)
{
	struct loss_arena *arena = loss_arena_create(NULL);
	struct loss_problem *problem = loss_problem_create(f->call.loss, arena);
	struct loss_result result;
	assert_int_equal(loss_problem_set_tensor(problem, 0, &f->input, NULL), LOSS_OK);
	assert_int_equal(loss_problem_set_tensor(problem, 1, &f->classes, NULL), LOSS_OK);
	assert_int_equal(loss_evaluate(problem, arena, 1, NULL, &result, NULL), LOSS_OK);
	float loss = *(float *)result.outputs[0].tensor.data;
	loss_arena_destroy(arena);
	return loss;
}

static void it_is_what_evaluate_gives_again_and_again(void **state)
{
	(void)state;
	struct fixture f;
	start(&f, "cross_entropy");
	for (int i = 0; i < 100; i++) {
		f.logits[i % (ROWS * CLASSES)] += 0.5F;
		assert_int_equal(loss_call_run(&f.call), LOSS_OK);
		assert_true(f.call.scalar == (double)loss_of(&f));
		assert_int_equal(f.call.result.n_outputs, 1);
		assert_int_equal(f.call.result.totals.rows, ROWS);
	}
	end(&f);
}

static void outputs_and_arguments_are_those_of_the_call(void **state)
{
	(void)state;
	static const char *const outputs[] = {"grad", "loss"};
	struct fixture f;
	start(&f, "cross_entropy");
	int reduction = loss_find_argument(f.call.loss, "reduction", strlen("reduction"));
	f.call.outputs = outputs;
	f.call.n_outputs = 2;
	f.arguments[reduction] = (struct loss_value){.type = LOSS_VALUE_STRING, .text = "none"};
	assert_int_equal(loss_call_run(&f.call), LOSS_OK);
	assert_int_equal(f.call.result.n_outputs, 2);
	assert_string_equal(f.call.result.outputs[0].name, "grad");
	assert_int_equal(f.call.result.outputs[1].tensor.count, ROWS);
	assert_true(f.call.scalar == 0.0);
	end(&f);
}

static void an_error_is_told_and_the_next_call_is_none(void **state)
{
	(void)state;
	struct fixture f;
	start(&f, "cross_entropy");
	f.targets[2] = CLASSES;
	assert_int_equal(loss_call_run(&f.call), LOSS_TARGET_OUT_OF_BOUNDS);
	assert_string_equal(f.call.error.field, "targets");
	assert_int_equal(f.call.error.index[0], 2);
	f.targets[2] = 0;
	f.tensors[1] = NULL;
	assert_int_equal(loss_call_run(&f.call), LOSS_MISSING_FIELD);
	f.tensors[1] = &f.classes;
	f.arguments[0] = (struct loss_value){.type = LOSS_VALUE_STRING, .text = "x"};
	assert_int_equal(loss_call_run(&f.call), LOSS_WRONG_TYPE);
	f.arguments[0] = (struct loss_value){0};
	f.input.data = NULL;
	assert_int_equal(loss_call_run(&f.call), LOSS_MISSING_FIELD);
	f.input.data = f.logits;
	assert_int_equal(loss_call_run(&f.call), LOSS_OK);
	end(&f);
}

static void a_scalar_that_is_no_float_is_none(void **state)
{
	(void)state;
	static const char *const outputs[] = {"predicted"};
	static const size_t shape[] = {CLASSES};
	struct fixture f;
	start(&f, "cross_entropy");
	f.input = loss_tensor_make(LOSS_F32, 1, shape, f.logits);
	f.classes = loss_tensor_make(LOSS_I64, 0, NULL, f.targets);
	f.call.outputs = outputs;
	f.call.n_outputs = 1;
	f.call.scalar = 1.0;
	assert_int_equal(loss_call_run(&f.call), LOSS_OK);
	assert_int_equal(f.call.result.outputs[0].tensor.rank, 0);
	assert_true(f.call.scalar == 0.0);
	end(&f);
}

static void nothing_may_be_asked_for(void **state)
{
	(void)state;
	static const char *const outputs[] = {"loss"};
	struct fixture f;
	start(&f, "cross_entropy");
	f.call.outputs = outputs;
	assert_int_equal(loss_call_run(&f.call), LOSS_OK);
	assert_int_equal(f.call.result.n_outputs, 0);
	assert_true(f.call.scalar == 0.0);
	assert_int_equal(f.call.result.totals.counted, ROWS);
	end(&f);
}

static void a_struct_of_another_size_is_left_alone(void **state)
{
	(void)state;
	struct fixture f;
	start(&f, "cross_entropy");
	for (int more = -8; more <= 8; more += 16) {
		f.call.size = sizeof f.call + (size_t)more;
		struct loss_call before = f.call;
		assert_int_equal(loss_call_run(&f.call), LOSS_WRONG_TYPE);
		assert_memory_equal(&before, &f.call, sizeof before);
	}
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_what_evaluate_gives_again_and_again),
		cmocka_unit_test(outputs_and_arguments_are_those_of_the_call),
		cmocka_unit_test(an_error_is_told_and_the_next_call_is_none),
		cmocka_unit_test(a_scalar_that_is_no_float_is_none),
		cmocka_unit_test(nothing_may_be_asked_for),
		cmocka_unit_test(a_struct_of_another_size_is_left_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
