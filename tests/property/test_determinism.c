/* The same bits, whatever the number of threads, the order of the blocks and the run. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "../support/batch.h"

/* A problem big enough for several blocks. sizes: rows, classes, inner. */
struct shape {
	enum batch_layout layout;
	size_t sizes[3];
};

static const struct shape shapes[] = {
	{BATCH_ROWS, {1, 1, 1}},     {BATCH_ROWS, {5000, 10, 1}},      {BATCH_ROWS, {301, 1000, 1}},
	{BATCH_ROWS, {7, 40000, 1}}, {BATCH_INNER, {9, 21, 700}},      {BATCH_LAST, {13, 31, 400}},
	{BATCH_INNER, {2, 3, 9001}}, {BATCH_UNBATCHED, {1, 70000, 1}},
};

/* How targets and arguments vary. */
enum flavor { INDEX, WEIGHTED, SMOOTHED, PROBABILITIES, N_FLAVORS };

static void flavor_batch(struct batch *batch, struct random *random, enum flavor flavor)
{
	if (flavor == PROBABILITIES)
		batch_add_probabilities(batch, random);
	else
		batch_ignore(batch, random, 0.2);
	if (flavor != INDEX)
		batch_add_weight(batch, random, true);
	if (flavor == SMOOTHED)
		batch->smoothing = 0.1;
	batch->reduction = random_chance(random, 0.5) ? "mean" : "none";
}

static void require_same(const struct eval *a, const struct eval *b, const char *what)
{
	require(a->result.n_outputs == b->result.n_outputs, "%s: other outputs", what);
	for (size_t i = 0; i < a->result.n_outputs; i++)
		require(eval_same_bits(&a->result.outputs[i].tensor, &b->result.outputs[i].tensor),
			"%s: other bits of %s's %s", what, a->info->name,
			a->result.outputs[i].name);
	const struct loss_totals *x = &a->result.totals, *y = &b->result.totals;
	require(memcmp(&x->loss_sum, &y->loss_sum, sizeof(double)) == 0 &&
			memcmp(&x->denominator, &y->denominator, sizeof(double)) == 0 &&
			x->rows == y->rows && x->counted == y->counted && x->ignored == y->ignored,
		"%s: other totals of %s", what, a->info->name);
}

/* Runs the blocks one by one in a random order, or in random runs of neighbours from the back. */
static void run_shuffled(struct eval *eval, struct random *random)
{
	size_t n = loss_plan_blocks(eval->plan);
	if (random_chance(random, 0.5)) {
		size_t *order = eval_array(eval, size_t, n);
		random_order(random, order, n);
		for (size_t i = 0; i < n; i++)
			loss_plan_run_blocks(eval->plan, order[i], 1);
	} else {
		while (n > 0) {
			size_t run = 1 + random_below(random, n);
			loss_plan_run_blocks(eval->plan, n - run, run);
			n -= run;
		}
	}
	loss_plan_finish(eval->plan, &eval->result);
}

static void check_batch(const struct batch *batch, const char *loss, const char *const *outputs,
			struct random *random)
{
	static const int threads[] = {1, 2, 3, 7};
	struct eval first;
	batch_eval(&first, batch, loss, outputs);
	for (size_t i = 0; i < sizeof(threads) / sizeof(threads[0]); i++) {
		struct eval again;
		batch_start(&again, batch, loss);
		eval_outputs(&again, outputs);
		eval_run(&again, threads[i]);
		require_same(&first, &again, "another number of threads");
		eval_end(&again);
	}
	struct eval shuffled;
	batch_start(&shuffled, batch, loss);
	eval_outputs(&shuffled, outputs);
	eval_plan(&shuffled);
	run_shuffled(&shuffled, random);
	require_same(&first, &shuffled, "another order of blocks");
	eval_end(&shuffled);
	eval_end(&first);
}

static void each_shape(const char *loss, const char *const *outputs, enum flavor n_flavors,
		       bool class_grad_output)
{
	struct random random = random_start(0xde7);
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		size_t sizes[3];
		memcpy(sizes, shapes[i].sizes, sizeof(sizes));
		size_t *longest = sizes[0] > sizes[1] ? &sizes[0] : &sizes[1];
		*longest = random_cases(*longest);
		struct batch batch = batch_make(&random, i % 2 == 0 ? LOSS_F32 : LOSS_F64,
						batch_distribution(i), shapes[i].layout, sizes);
		flavor_batch(&batch, &random, (enum flavor)(i % n_flavors));
		if (class_grad_output)
			batch_add_grad_output(&batch, &random, batch.rows * batch.classes);
		else if (strcmp(batch.reduction, "none") == 0)
			batch_add_grad_output(&batch, &random, batch.rows);
		check_batch(&batch, loss, outputs, &random);
		batch_free(&batch);
	}
}

static void cross_entropy(void **state)
{
	static const char *const outputs[] = {"loss", "grad",      "log_probs", "probs",
					      "lse",  "predicted", NULL};
	(void)state;
	each_shape("cross_entropy", outputs, N_FLAVORS, false);
}

static void cross_entropy_accuracy(void **state)
{
	static const char *const outputs[] = {"accuracy", "correct", "loss", NULL};
	(void)state;
	each_shape("cross_entropy", outputs, SMOOTHED, false);
}

static void nll_loss(void **state)
{
	static const char *const outputs[] = {"loss", "grad", NULL};
	(void)state;
	each_shape("nll_loss", outputs, SMOOTHED, false);
}

static void softmax(void **state)
{
	static const char *const outputs[] = {"probs", "grad", "lse", "predicted", NULL};
	(void)state;
	each_shape("softmax", outputs, WEIGHTED, true);
}

static void log_softmax(void **state)
{
	static const char *const outputs[] = {"log_probs", "grad", "lse", "predicted", NULL};
	(void)state;
	each_shape("log_softmax", outputs, WEIGHTED, true);
}

static void set_bce(struct eval *eval, const struct batch *batch)
{
	static const char *const outputs[] = {"loss", "grad", NULL};
	size_t shape[2] = {batch->rows, batch->classes};
	eval_start(eval, "binary_cross_entropy_with_logits");
	eval_set(eval, "logits", eval_floats(eval, batch->dtype, 2, shape, batch->x));
	eval_set(eval, "targets", eval_floats(eval, batch->dtype, 2, shape, batch->t));
	eval_set(eval, "weight", eval_floats(eval, batch->dtype, 1, shape + 1, batch->weight));
	eval_outputs(eval, outputs);
}

static void binary_cross_entropy_with_logits(void **state)
{
	struct random random = random_start(0xde8);
	size_t sizes[3] = {random_cases(700), 300, 1};
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct batch batch = batch_make(&random, i == 0 ? LOSS_F32 : LOSS_F64, "wide",
						BATCH_ROWS, sizes);
		struct eval first, again;
		batch_add_probabilities(&batch, &random);
		batch_add_weight(&batch, &random, true);
		set_bce(&first, &batch);
		eval_run(&first, 1);
		for (int threads = 2; threads < 8; threads += 2) {
			set_bce(&again, &batch);
			eval_run(&again, threads);
			require_same(&first, &again, "another number of threads");
			eval_end(&again);
		}
		set_bce(&again, &batch);
		eval_plan(&again);
		run_shuffled(&again, &random);
		require_same(&first, &again, "another order of blocks");
		eval_end(&again);
		eval_end(&first);
		batch_free(&batch);
	}
}

/* The number of blocks is a property of the shape: neither the values nor the arguments change it.
 */
static void blocks_depend_on_the_shape_alone(void **state)
{
	struct random random = random_start(0xde9);
	size_t sizes[3] = {20000, 30, 1}, blocks[2];
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct batch batch =
			batch_make(&random, LOSS_F32, batch_distribution(i), BATCH_ROWS, sizes);
		struct eval eval;
		if (i == 1)
			batch.reduction = "sum";
		batch_start(&eval, &batch, "cross_entropy");
		eval_plan(&eval);
		blocks[i] = loss_plan_blocks(eval.plan);
		eval_end(&eval);
		batch_free(&batch);
	}
	assert_int_equal(blocks[0], blocks[1]);
	assert_true(blocks[0] > 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cross_entropy),
		cmocka_unit_test(cross_entropy_accuracy),
		cmocka_unit_test(nll_loss),
		cmocka_unit_test(softmax),
		cmocka_unit_test(log_softmax),
		cmocka_unit_test(binary_cross_entropy_with_logits),
		cmocka_unit_test(blocks_depend_on_the_shape_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
