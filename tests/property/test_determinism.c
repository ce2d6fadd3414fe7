/* The same bits, whatever the number of threads, the order of the blocks and the run. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "../support/batch.h"
#include "../support/team.h"
#include "plan.h"

/* A problem big enough for several blocks. sizes: rows, classes, inner. */
struct shape {
	enum batch_layout layout;
	size_t sizes[3];
};

static const struct shape shapes[] = {
	{BATCH_ROWS, {1, 1, 1}},           {BATCH_ROWS, {5000, 10, 1}},
	{BATCH_ROWS, {301, 1000, 1}},      {BATCH_ROWS, {7, 40000, 1}},
	{BATCH_INNER, {9, 21, 700}},       {BATCH_LAST, {13, 31, 400}},
	{BATCH_INNER, {2, 3, 9001}},       {BATCH_UNBATCHED, {1, 70000, 1}},
	{BATCH_ROWS, {1, 200000, 1}},      {BATCH_LAST, {3, 70000, 1}},
	{BATCH_UNBATCHED, {1, 140000, 1}},
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
	if (random_chance(random, 0.3)) {
		uint64_t whole = loss_plan_cost_ns(eval->plan) + 2;
		for (size_t next = 0, before = 0; next < n; before = next) {
			uint64_t cost = (uint64_t)random_below(random, (size_t)whole);
			require(loss_plan_run_slice(eval->plan, &next, cost, 2, NULL,
						    &eval->error) == LOSS_OK,
				"a slice: %s", eval->error.detail);
			require(next > before && next <= n, "a slice of %zu blocks", next - before);
		}
	} else if (random_chance(random, 0.5)) {
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

/* How many problems were given to a team, and how many of them were truly computed by several
 * threads: a block of rows each, or a part of every row. */
static struct {
	size_t all, by_blocks, by_parts;
	bool has_parts; /* of rows: the loss knows them */
} teams;

static void run_in_parallel(struct eval *eval, int threads)
{
	eval_plan(eval);
	size_t came = team_run(eval, threads);
	teams.all += threads > 1;
	teams.by_blocks += came > 1;
	teams.by_parts += eval->plan->team > 1;
	teams.has_parts =
		!eval->plan->loss->info.element_wise && !eval->plan->loss->reads_targets_only;
}

/* What nobody shares proves nothing. */
static void expect_teams(size_t at_least)
{
#ifdef _OPENMP
	require(teams.by_blocks >= at_least, "only %zu of %zu problems were shared",
		teams.by_blocks, teams.all);
	require(!teams.has_parts || teams.by_parts > 0, "no row was shared");
#else
	(void)at_least;
	print_message("built without OpenMP: nothing is computed by several threads\n");
	skip();
#endif
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
		run_in_parallel(&again, threads[i]);
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

static const loss_dtype dtypes[] = {LOSS_F32,  LOSS_F64,     LOSS_F16,
				    LOSS_BF16, LOSS_F8_E4M3, LOSS_F8_E5M2};

static void each_shape(const char *loss, const char *const *outputs, enum flavor n_flavors,
		       bool class_grad_output)
{
	struct random random = random_start(0xde7);
	memset(&teams, 0, sizeof teams);
	for (size_t k = 0; k < 2 * sizeof(shapes) / sizeof(shapes[0]); k++) {
		size_t i = k / 2, sizes[3];
		loss_dtype dtype = k % 2 == 0 ? dtypes[i % 2] : dtypes[2 + i % 4];
		memcpy(sizes, shapes[i].sizes, sizeof(sizes));
		struct batch batch =
			batch_make(&random, dtype, batch_distribution(i), shapes[i].layout, sizes);
		batch.narrow_grad = true;
		flavor_batch(&batch, &random, (enum flavor)(i % n_flavors));
		if (class_grad_output)
			batch_add_grad_output(&batch, &random, batch.rows * batch.classes);
		else if (strcmp(batch.reduction, "none") == 0)
			batch_add_grad_output(&batch, &random, batch.rows);
		check_batch(&batch, loss, outputs, &random);
		batch_free(&batch);
	}
	/* blocks of rows of which one element is read have thousands of them */
	expect_teams(teams.has_parts ? teams.all / 2 : 1);
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
	static const char *const outputs[] = {"accuracy", "correct", "rank", "perplexity", "ece",
					      "z_loss",   "entropy", "loss", NULL};
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
	static const char *const outputs[] = {"probs", "grad", "lse", "entropy", "predicted", NULL};
	(void)state;
	each_shape("softmax", outputs, WEIGHTED, true);
}

static void log_softmax(void **state)
{
	static const char *const outputs[] = {"log_probs", "grad",      "lse",
					      "entropy",   "predicted", NULL};
	(void)state;
	each_shape("log_softmax", outputs, WEIGHTED, true);
}

struct element_loss {
	const char *name, *input;
	bool weighted;
};

/* Inputs are the batch's logits, or where the loss takes probabilities its targets once more. */
static void set_elements(struct eval *eval, const struct batch *batch,
			 const struct element_loss *loss)
{
	static const char *const outputs[] = {"loss", "grad", NULL};
	size_t shape[2] = {batch->rows, batch->classes};
	const double *x = strcmp(loss->input, "probs") == 0 ? batch->t : batch->x;
	eval_start(eval, loss->name);
	eval_set(eval, loss->input, eval_floats(eval, batch->dtype, 2, shape, x));
	eval_set(eval, "targets", eval_floats(eval, batch->dtype, 2, shape, batch->t));
	if (loss->weighted)
		eval_set(eval, "weight",
			 eval_floats(eval, batch->dtype, 1, shape + 1, batch->weight));
	eval_string(eval, "reduction", "mean");
	eval_outputs(eval, outputs);
}

static void check_elements(struct random *random, const struct batch *batch,
			   const struct element_loss *loss)
{
	struct eval first, again;
	set_elements(&first, batch, loss);
	eval_run(&first, 1);
	for (int threads = 2; threads < 8; threads += 2) {
		set_elements(&again, batch, loss);
		run_in_parallel(&again, threads);
		require_same(&first, &again, "another number of threads");
		eval_end(&again);
	}
	set_elements(&again, batch, loss);
	eval_plan(&again);
	run_shuffled(&again, random);
	require_same(&first, &again, "another order of blocks");
	eval_end(&again);
	eval_end(&first);
}

static void element_wise(void **state)
{
	static const struct element_loss losses[] = {
		{"binary_cross_entropy_with_logits", "logits", true},
		{"binary_cross_entropy", "probs", true},
		{"kl_div", "log_probs", false},
		{"sigmoid_focal_loss", "logits", false},
		{"l1_loss", "predictions", false},
		{"smooth_l1_loss", "predictions", false},
		{"huber_loss", "predictions", false},
		{"poisson_nll_loss", "predictions", false},
		{"quantile_loss", "predictions", false},
	};
	struct random random = random_start(0xde8);
	size_t sizes[3] = {700, 300, 1};
	(void)state;
	memset(&teams, 0, sizeof teams);
	for (size_t i = 0; i < sizeof(dtypes) / sizeof(dtypes[0]); i++) {
		struct batch batch = batch_make(&random, dtypes[i], "wide", BATCH_ROWS, sizes);
		batch_add_probabilities(&batch, &random);
		batch_add_weight(&batch, &random, true);
		for (size_t k = 0; k < sizeof(losses) / sizeof(losses[0]); k++)
			check_elements(&random, &batch, &losses[k]);
		batch_free(&batch);
	}
	expect_teams(teams.all);
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
		cmocka_unit_test(element_wise),
		cmocka_unit_test(blocks_depend_on_the_shape_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
