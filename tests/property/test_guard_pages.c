/*
 * Nothing is read outside of a tensor: inputs and targets that begin right after, or end right
 * before, memory that must not be touched give the same bits as anywhere else.
 */
#include "../support/eval.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "../support/random.h"

enum place { ANYWHERE, AT_THE_BEGINNING, AT_THE_END, N_PLACES };

/* Memory between two pages that must not be touched. */
struct guarded {
	unsigned char *map;
	size_t size;
};

static void *guard(struct guarded *guarded, size_t bytes, enum place place)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t inside = (bytes + page - 1) / page * page;
	guarded->size = inside + 2 * page;
	guarded->map = mmap(NULL, guarded->size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(guarded->map, MAP_FAILED);
	assert_int_equal(mprotect(guarded->map, page, PROT_NONE), 0);
	assert_int_equal(mprotect(guarded->map + page + inside, page, PROT_NONE), 0);
	return guarded->map + page + (place == AT_THE_END ? inside - bytes : 0);
}

static void move(struct loss_tensor *tensor, struct guarded *guarded, enum place place)
{
	size_t bytes = tensor->count * loss_dtype_info(tensor->dtype)->size;
	guarded->map = NULL;
	if (place == ANYWHERE)
		return;
	void *to = guard(guarded, bytes, place);
	memcpy(to, tensor->data, bytes);
	assert_int_equal(mprotect(guarded->map + sysconf(_SC_PAGESIZE),
				  guarded->size - 2 * (size_t)sysconf(_SC_PAGESIZE), PROT_READ),
			 0);
	tensor->data = to;
}

static void release(struct guarded *guarded)
{
	if (guarded->map)
		munmap(guarded->map, guarded->size);
}

/* One loss, its tensors' shapes, and what is asked for. */
struct guarded_case {
	const char *loss, *input;
	int rank, target_rank; /* -1: no targets */
	bool probabilities, shift;
	const char *outputs[4];
};

static const struct guarded_case cases[] = {
	{"cross_entropy", "logits", 3, 2, false, false, {"loss", "grad", "rank", NULL}},
	{"cross_entropy", "logits", 3, 2, false, false, {"loss", NULL}},
	{"cross_entropy", "logits", 3, 2, false, true, {"loss", "grad", "rank", NULL}},
	{"cross_entropy", "logits", 3, 2, false, true, {"loss", NULL}},
	{"cross_entropy", "logits", 3, 3, true, false, {"loss", "grad", NULL}},
	{"log_softmax", "logits", 3, -1, false, false, {"log_probs", "entropy", "predicted", NULL}},
	{"softmax", "logits", 3, -1, false, false, {"probs", NULL}},
	{"binary_cross_entropy_with_logits", "logits", 3, 3, true, false, {"loss", "grad", NULL}},
	{"policy_gradient", "logits", 3, 2, false, false, {"loss", "grad", "ratio", NULL}},
	{"policy_gradient", "logits", 3, 2, false, true, {"loss", "grad", "ratio", NULL}},
};

/* What rows of a policy have, near what their log-probabilities may be. */
static const char *const policy_tensors[] = {"sampling_log_probs", "advantages",
					     "reference_log_probs"};
#define N_POLICY_TENSORS (sizeof policy_tensors / sizeof policy_tensors[0])

/* (N, C, d), or with shift (N, d, C): rows beside groups of sixteen, positions that fill none, few
 * and many classes. */
static const size_t shapes[][3] = {
	{1, 3, 5},    {2, 3, 17},  {1, 21, 40}, {3, 65, 1},  {1, 64, 1},
	{17, 10, 1},  {40, 3, 1},  {5, 1, 1},   {2, 129, 1}, {7, 17, 2},
	{1, 1000, 1}, {2, 8, 512}, {1, 9, 515}, {33, 2, 1},  {1, 70001, 1},
};

static const loss_dtype dtypes[] = {LOSS_F32, LOSS_F16, LOSS_BF16, LOSS_F8_E5M2, LOSS_F64};

static void set_policy(struct eval *eval, const size_t *rows, loss_dtype dtype, enum place place,
		       struct guarded *guarded)
{
	struct random random = random_start(8);
	size_t n = rows[0] * rows[1];
	double *values = eval_array(eval, double, n);
	for (size_t i = 0; i < N_POLICY_TENSORS; i++) {
		for (size_t r = 0; r < n; r++)
			values[r] = random_uniform(&random, -6.0, 0.0);
		struct loss_tensor tensor = eval_floats(eval, dtype, 2, rows, values);
		move(&tensor, &guarded[i], place);
		eval_set(eval, policy_tensors[i], tensor);
	}
	eval_number(eval, "kl_weight", 0.25);
}

static void run(struct eval *eval, const struct guarded_case *c, const size_t *shape,
		loss_dtype dtype, enum place place)
{
	struct random random = random_start(7);
	size_t rows[2] = {shape[0], shape[2]}, last[3] = {shape[0], shape[2], shape[1]};
	size_t n = shape[0] * shape[1] * shape[2], n_rows = rows[0] * rows[1];
	struct guarded guarded[2 + N_POLICY_TENSORS] = {{0}};
	eval_start(eval, c->loss);
	double *x = eval_array(eval, double, n), *t = eval_array(eval, double, n);
	int64_t *y = eval_array(eval, int64_t, n_rows);
	for (size_t i = 0; i < n; i++) {
		x[i] = random_uniform(&random, -8.0, 8.0);
		t[i] = random_uniform(&random, 0.0, 1.0);
	}
	for (size_t i = 0; i < n_rows; i++)
		y[i] = (int64_t)random_below(&random, shape[1]);
	struct loss_tensor input = eval_floats(eval, dtype, c->rank, c->shift ? last : shape, x);
	move(&input, &guarded[0], place);
	eval_set(eval, c->input, input);
	if (c->target_rank >= 0) {
		loss_dtype index = shape[1] > 255 || shape[0] % 2 ? LOSS_I64 : LOSS_U8;
		struct loss_tensor targets = c->probabilities
						     ? eval_floats(eval, dtype, 3, shape, t)
						     : eval_integers(eval, index, 2, rows, y);
		move(&targets, &guarded[1], place);
		eval_set(eval, "targets", targets);
	}
	if (strcmp(c->loss, "policy_gradient") == 0)
		set_policy(eval, rows, dtype, place, guarded + 2);
	if (c->shift) {
		eval_integer(eval, "class_axis", -1);
		eval_boolean(eval, "shift", true);
	}
	eval_outputs(eval, c->outputs);
	eval_run(eval, 1);
	for (size_t i = 0; i < sizeof guarded / sizeof guarded[0]; i++)
		release(&guarded[i]);
}

static void compare(const struct guarded_case *c, const size_t *shape, loss_dtype dtype)
{
	struct eval evals[N_PLACES];
	for (enum place place = ANYWHERE; place < N_PLACES; place++)
		run(&evals[place], c, shape, dtype, place);
	for (size_t i = 0; c->outputs[i]; i++)
		for (enum place place = AT_THE_BEGINNING; place < N_PLACES; place++)
			assert_true(eval_same_bits(eval_output(&evals[ANYWHERE], c->outputs[i]),
						   eval_output(&evals[place], c->outputs[i])));
	for (enum place place = ANYWHERE; place < N_PLACES; place++)
		eval_end(&evals[place]);
}

static void nothing_is_read_outside(void **state)
{
	(void)state;
	for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++)
		for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
			for (size_t d = 0; d < sizeof dtypes / sizeof dtypes[0]; d++)
				compare(&cases[c], shapes[s], dtypes[d]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_is_read_outside)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
