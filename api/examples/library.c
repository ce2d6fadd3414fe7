/*
 * The cross entropy of one row without a server, in C, with libloss:
 *
 *   cc -o library library.c $(pkg-config --cflags --libs lossd) && ./library
 *
 * Behind the loss and the gradient it prints how the library tells what is wrong.
 */
#include <loss.h>
#include <stdio.h>

/* What is wrong: a code for programs, the field (and inside a tensor the index), a sentence. */
static int complain(FILE *to, const struct loss_error *err)
{
	fprintf(to, "error %s", loss_status_info(err->status)->code);
	if (err->field[0])
		fprintf(to, " at %s", err->field);
	for (int axis = 0; err->has_index && axis < err->index_rank; axis++)
		fprintf(to, "[%zu]", err->index[axis]);
	fprintf(to, ": %s\n", err->detail);
	return 1;
}

/* The results lie in the arena. */
static loss_status evaluate(struct loss_arena *arena, float logits[3], int64_t target,
			    struct loss_result *result, struct loss_error *err)
{
	static const char *const outputs[] = {"loss", "grad"};
	static const size_t shape[] = {1, 3}; /* one row of three classes */
	struct loss_tensor rows = loss_tensor_make(LOSS_F32, 2, shape, logits);
	struct loss_tensor targets = loss_tensor_make(LOSS_I64, 1, shape, &target);
	struct loss_problem *problem = loss_problem_create(loss_find("cross_entropy", 13), arena);
	loss_status status = problem ? LOSS_OK : loss_arena_failure(arena, err);

	if (status == LOSS_OK)
		status = loss_problem_set(problem, "logits", &rows, err);
	if (status == LOSS_OK)
		status = loss_problem_set(problem, "targets", &targets, err);
	if (status == LOSS_OK)
		status = loss_problem_set_number(problem, "label_smoothing", 0.0, err);
	if (status == LOSS_OK)
		status = loss_problem_set_outputs(problem, outputs, 2, err);
	if (status == LOSS_OK)
		status = loss_evaluate(problem, arena, 1, NULL, result, err);
	return status;
}

static void show(const struct loss_result *result)
{
	for (size_t i = 0; i < result->n_outputs; i++) {
		const struct loss_tensor *tensor = &result->outputs[i].tensor;
		const float *values = tensor->data; /* F32, as the logits are */

		printf("%s", result->outputs[i].name);
		for (size_t k = 0; k < tensor->count; k++)
			printf(" %.8g", (double)values[k]);
		printf("\n");
	}
}

int main(void)
{
	float logits[] = {-0.7715F, -0.6205F, -0.2562F};
	struct loss_arena *arena = loss_arena_create(NULL);
	struct loss_result result;
	struct loss_error err;
	int failed = arena == NULL;

	if (!failed && evaluate(arena, logits, 0, &result, &err) != LOSS_OK)
		failed = complain(stderr, &err);
	else if (!failed)
		show(&result);
	/* There are classes 0 to 2. */
	if (!failed && evaluate(arena, logits, 3, &result, &err) != LOSS_OK)
		complain(stdout, &err);
	loss_arena_destroy(arena);
	return failed;
}
