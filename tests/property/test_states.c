/*
 * States of totals: however a data set is split, in whatever order and layout its rows stand and by
 * whatever they are evaluated, merging in any tree comes to the bytes of the whole.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>

#include "../support/bits.h"
#include "../support/exact_sum.h"
#include "../support/pool.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define CROSS_ENTROPY(name_, targets_) .name = name_, .loss = "cross_entropy", .targets = targets_

static const struct pool_kind kinds[] = {
	{CROSS_ENTROPY("indices", POOL_INDICES)},
	{CROSS_ENTROPY("weight", POOL_INDICES), .weight = POOL_WEIGHT},
	{CROSS_ENTROPY("signed weight", POOL_INDICES), .weight = POOL_SIGNED_WEIGHT},
	{CROSS_ENTROPY("smoothing, z_loss", POOL_INDICES), .smoothing = 0.1, .z_loss = 1e-3},
	{CROSS_ENTROPY("probabilities", POOL_PROBABILITIES), .z_loss = 1e-3},
	{.name = "weight", .loss = "nll_loss", .targets = POOL_INDICES, .weight = POOL_WEIGHT},
	{.name = "ppo",
	 .loss = "policy_gradient",
	 .targets = POOL_INDICES,
	 .objective = "ppo",
	 .kl_weight = 0.5},
};

static const size_t class_counts[] = {1, 2, 10, 129, 1000};

static const char *const plain_outputs[] = {"loss", NULL};
static const char *const all_outputs[] = {"loss", "ece", "accuracy", "perplexity", NULL};

#define MOST_ROWS 120
#define MOST_PARTS 12

/* Texts of states, which outlive their evaluations. */
struct texts {
	char *text[MOST_PARTS];
	size_t n;
};

static void keep(struct texts *texts, const char *state)
{
	require(state != NULL && texts->n < MOST_PARTS, "no state, or no room");
	texts->text[texts->n++] = strdup(state);
}

static void free_texts(struct texts *texts)
{
	while (texts->n > 0)
		free(texts->text[--texts->n]);
}

/* Replaces some of the states, taken out in a random order, by what they come to; until one is
 * left. */
static void merge_in_a_tree(struct texts *texts, struct random *random)
{
	while (texts->n > 1) {
		const char *some[MOST_PARTS];
		struct loss_arena *arena = loss_arena_create(NULL);
		struct loss_result result;
		struct loss_error err = {.detail = ""};
		size_t n = 2 + random_below(random, texts->n - 1);
		for (size_t i = 0; i < n; i++) {
			size_t k = i + random_below(random, texts->n - i);
			char *taken = texts->text[k];
			texts->text[k] = texts->text[i];
			texts->text[i] = taken;
			some[i] = taken;
		}
		require(loss_totals_merge(some, n, arena, &result, &err) == LOSS_OK, "%s",
			err.detail);
		char *merged = strdup(result.totals.state);
		for (size_t i = 0; i < n; i++)
			free(texts->text[i]);
		memmove(texts->text, texts->text + n, (texts->n - n) * sizeof *texts->text);
		texts->n -= n;
		texts->text[texts->n++] = merged;
		loss_arena_destroy(arena);
	}
}

static bool same(double a, double b)
{
	return bits_of(a) == bits_of(b) || (isnan(a) && isnan(b));
}

/* What a state by itself comes to is what the whole has said, in every field. */
static void require_whole(const char *state, const struct eval *whole, const char *what)
{
	struct loss_arena *arena = loss_arena_create(NULL);
	struct loss_result result;
	struct loss_error err = {.detail = ""};
	const struct loss_totals *a = &result.totals, *b = &whole->result.totals;
	require(strcmp(state, b->state) == 0, "%s: the state is\n%s, not\n%s", what, state,
		b->state);
	require(loss_totals_merge(&state, 1, arena, &result, &err) == LOSS_OK, "%s", err.detail);
	require(strcmp(a->state, state) == 0, "%s: merged alone it changes", what);
	require(same(a->loss_sum, b->loss_sum) && same(a->denominator, b->denominator) &&
			a->rows == b->rows && a->counted == b->counted && a->ignored == b->ignored,
		"%s: other totals", what);
	for (size_t i = 0; i < result.n_outputs; i++) {
		const struct loss_output *output = &result.outputs[i];
		for (size_t k = 0; k < whole->result.n_outputs; k++)
			if (strcmp(whole->result.outputs[k].name, output->name) == 0)
				require(eval_same_bits(&whole->result.outputs[k].tensor,
						       &output->tensor) ||
						isnan(eval_value(&output->tensor, 0)),
					"%s: %s is %a, not %a", what, output->name,
					eval_value(&output->tensor, 0),
					eval_value(&whole->result.outputs[k].tensor, 0));
	}
	loss_arena_destroy(arena);
}

/* ---------------------------------------------------------------- losses over classes */

static const char *some_isa(struct random *random)
{
	const char *isa = loss_isa();
	for (size_t i = 0; loss_isa_at(i) != NULL; i++)
		if (loss_isa_find(loss_isa_at(i)) != NULL && random_chance(random, 0.5))
			isa = loss_isa_at(i);
	return eval_isa() != NULL ? eval_isa() : isa;
}

/* Rows of a layout without sequences. */
static const struct pool_layout *some_layout(struct random *random, size_t n)
{
	const struct pool_layout *layout;
	do
		layout = &pool_layouts[random_below(random, pool_n_layouts)];
	while (layout->unbatched || layout->shift || n % pool_layout_inner(layout) != 0);
	return layout;
}

static void add_part(const struct pool *pool, struct random *random, const size_t *order, size_t n,
		     const char *const *outputs, struct texts *texts)
{
	struct eval eval;
	const struct pool_layout *layout = some_layout(random, n);
	struct arrangement arrangement = {.layout = layout,
					  .order = order,
					  .n = n,
					  .offset = random_below(random, 4),
					  .threads = 1 + (int)random_below(random, 7),
					  .streamed = pool_streams(pool, layout) &&
						      random_chance(random, 0.5),
					  .exact = true,
					  .isa = some_isa(random),
					  .reduction = random_chance(random, 0.5) ? "mean" : "sum",
					  .outputs = outputs};
	pool_evaluate(pool, &arrangement, &eval);
	keep(texts, eval.result.totals.state);
	eval_end(&eval);
}

static void try_pool(const struct pool *pool, struct random *random)
{
	size_t order[MOST_ROWS], places[MOST_ROWS], shuffled[MOST_ROWS];
	size_t n = 1 + random_below(random, MOST_ROWS), done = 0;
	bool indices = pool->kind->targets == POOL_INDICES &&
		       strcmp(pool->kind->loss, "cross_entropy") == 0;
	const char *const *outputs = indices ? all_outputs : plain_outputs;
	struct texts texts = {.n = 0};
	struct eval whole;
	for (size_t i = 0; i < n; i++)
		order[i] = i % pool->rows;
	struct arrangement arrangement = {.layout = &pool_layouts[0],
					  .order = order,
					  .n = n,
					  .threads = 1,
					  .exact = true,
					  .isa = some_isa(random),
					  .reduction = "mean",
					  .outputs = outputs};
	pool_evaluate(pool, &arrangement, &whole);
	random_order(random, places, n);
	for (size_t i = 0; i < n; i++)
		shuffled[i] = order[places[i]];
	while (done < n) {
		size_t left = n - done, part = 1 + random_below(random, left);
		if (texts.n == MOST_PARTS - 1)
			part = left;
		add_part(pool, random, shuffled + done, part, outputs, &texts);
		done += part;
	}
	merge_in_a_tree(&texts, random);
	require_whole(texts.text[0], &whole, pool->kind->name);
	free_texts(&texts);
	eval_end(&whole);
}

static void try_kind(const struct pool_kind *kind, uint64_t seed)
{
	struct random random = random_start(seed);
	for (size_t i = 0; i < 6 * random_cases(COUNT(class_counts)); i++) {
		size_t irregular = i % 2 == 0 ? 0 : 6;
		struct pool pool =
			pool_make(&random, kind, (loss_dtype)(i % LOSS_I64),
				  (size_t[]){40, irregular, class_counts[i % COUNT(class_counts)]});
		try_pool(&pool, &random);
		pool_free(&pool);
	}
}

static void any_split_of_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(kinds); i++)
		try_kind(&kinds[i], 0x57a7e + i);
}

/* ---------------------------------------------------------------- rows on several threads */

#define THREADS 5

/* Rows that arrive on several threads at the same time, each with blocks of its own. */
struct arrivals {
	struct loss_plan *plan;
	const float *logits;
	size_t rows, classes, thread;
};

static void *run_rows(void *context)
{
	const struct arrivals *all = context;
	size_t block = loss_plan_block_rows(all->plan);
	for (size_t first = all->thread * block; first < all->rows; first += THREADS * block) {
		size_t left = all->rows - first;
		loss_plan_run_rows(all->plan, first, left < block ? left : block,
				   all->logits + first * all->classes);
	}
	return NULL;
}

static void evaluate_rows(struct eval *eval, size_t rows, size_t classes, const double *x,
			  const int64_t *y, bool arriving)
{
	struct loss_tensor logits;
	eval_start(eval, "cross_entropy");
	logits = eval_floats(eval, LOSS_F32, 2, (size_t[]){rows, classes}, x);
	const float *data = logits.data;
	logits.data = arriving ? NULL : logits.data;
	eval_set(eval, "logits", logits);
	eval_set(eval, "targets", eval_integers(eval, LOSS_I64, 1, (size_t[]){rows}, y));
	eval_string(eval, "totals", "exact");
	eval_outputs(eval, all_outputs);
	if (!arriving) {
		eval_run(eval, 1);
		return;
	}
	struct arrivals arrivals[THREADS];
	pthread_t threads[THREADS];
	eval_plan(eval);
	for (size_t i = 0; i < THREADS; i++) {
		arrivals[i] = (struct arrivals){eval->plan, data, rows, classes, i};
		assert_int_equal(pthread_create(&threads[i], NULL, run_rows, &arrivals[i]), 0);
	}
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	loss_plan_finish(eval->plan, &eval->result);
}

static void rows_on_several_threads(void **state)
{
	(void)state;
	struct random random = random_start(0x57a81);
	enum { ROWS = 20000, CLASSES = 6 };
	static double x[ROWS * CLASSES];
	static int64_t y[ROWS];
	for (size_t i = 0; i < ROWS * CLASSES; i++)
		x[i] = random_uniform(&random, -20, 20);
	for (size_t i = 0; i < ROWS; i++)
		y[i] = (int64_t)random_below(&random, CLASSES);
	struct eval whole, arrived;
	evaluate_rows(&whole, ROWS, CLASSES, x, y, false);
	evaluate_rows(&arrived, ROWS, CLASSES, x, y, true);
	require_whole(arrived.result.totals.state, &whole, "rows on threads");
	eval_end(&arrived);
	eval_end(&whole);
}

/* ---------------------------------------------------------------- losses by element */

static const struct {
	const char *loss, *input, *outputs[4];
	double low, high;
} by_element[] = {
	{"binary_cross_entropy_with_logits", "logits", {"loss", "accuracy", "ece"}, -30, 30},
	{"binary_cross_entropy_with_logits", "logits", {"loss"}, -1e-3, 1e-3},
	{"binary_cross_entropy", "probs", {"loss", "ece"}, 0, 1},
	{"kl_div", "log_probs", {"loss"}, -20, 0},
	{"sigmoid_focal_loss", "logits", {"loss"}, -60, 60},
	{"mse_loss", "predictions", {"loss"}, -10, 10},
	{"l1_loss", "predictions", {"loss"}, -1e3, 1e3},
	{"smooth_l1_loss", "predictions", {"loss"}, -2, 2},
	{"huber_loss", "predictions", {"loss"}, -2, 2},
	{"poisson_nll_loss", "predictions", {"loss"}, -20, 20},
	{"quantile_loss", "predictions", {"loss"}, -2, 2},
};

static void evaluate_elements(struct eval *eval, size_t kind, loss_dtype dtype, size_t n,
			      const double *x, const double *t, int threads)
{
	const size_t shape[] = {n};
	eval_start(eval, by_element[kind].loss);
	eval_set(eval, by_element[kind].input, eval_floats(eval, dtype, 1, shape, x));
	eval_set(eval, "targets", eval_floats(eval, LOSS_F32, 1, shape, t));
	eval_string(eval, "reduction", "mean");
	eval_string(eval, "totals", "exact");
	eval_outputs(eval, by_element[kind].outputs);
	eval_run(eval, threads);
}

static void any_split_of_elements(void **state)
{
	(void)state;
	static double x[20000], t[20000];
	struct random random = random_start(0x57a7f);
	for (size_t i = 0; i < random_cases(60); i++) {
		size_t kind = i % COUNT(by_element), done = 0;
		size_t n = 1 + random_below(&random, i % 3 ? 300 : COUNT(x));
		loss_dtype dtype = i % 2 ? LOSS_F32 : LOSS_F64;
		struct texts texts = {.n = 0};
		struct eval whole;
		for (size_t k = 0; k < n; k++) {
			x[k] = random_uniform(&random, by_element[kind].low, by_element[kind].high);
			t[k] = random_uniform(&random, 0, 1);
		}
		if (i % 7 == 0 && strcmp(by_element[kind].input, "logits") == 0)
			x[n / 2] = i % 2 ? HUGE_VAL : 1e30;
		evaluate_elements(&whole, kind, dtype, n, x, t, 3);
		while (done < n) {
			size_t part = 1 + random_below(&random, n - done);
			struct eval eval;
			if (texts.n == MOST_PARTS - 1)
				part = n - done;
			evaluate_elements(&eval, kind, dtype, part, x + done, t + done,
					  1 + (int)random_below(&random, 7));
			keep(&texts, eval.result.totals.state);
			eval_end(&eval);
			done += part;
		}
		merge_in_a_tree(&texts, &random);
		require_whole(texts.text[0], &whole, by_element[kind].loss);
		free_texts(&texts);
		eval_end(&whole);
	}
}

/* ---------------------------------------------------------------- sums */

/* loss_sum of a batch is the exact sum of those of its rows, rounded once. */
static void loss_sums_are_the_exact_sums_of_rows(void **state)
{
	(void)state;
	struct random random = random_start(0x57a80);
	for (size_t i = 0; i < 4 * random_cases(COUNT(class_counts)); i++) {
		double sums[MOST_ROWS];
		size_t order[MOST_ROWS];
		struct pool pool =
			pool_make(&random, &kinds[i % COUNT(kinds)], (loss_dtype)(i % LOSS_I64),
				  (size_t[]){MOST_ROWS, 0, class_counts[i % COUNT(class_counts)]});
		struct arrangement arrangement = {.layout = &pool_layouts[0],
						  .order = order,
						  .n = 1,
						  .threads = 1,
						  .isa = some_isa(&random),
						  .reduction = "sum",
						  .outputs = plain_outputs};
		struct eval eval;
		for (size_t r = 0; r < MOST_ROWS; r++) {
			order[0] = r;
			pool_evaluate(&pool, &arrangement, &eval);
			sums[r] = eval.result.totals.loss_sum;
			eval_end(&eval);
		}
		for (size_t r = 0; r < MOST_ROWS; r++)
			order[r] = r;
		arrangement.n = MOST_ROWS;
		pool_evaluate(&pool, &arrangement, &eval);
		double want = exact_sum(sums, MOST_ROWS);
		require(same(eval.result.totals.loss_sum, want), "%s: %a, not %a", pool.kind->name,
			eval.result.totals.loss_sum, want);
		eval_end(&eval);
		pool_free(&pool);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_split_of_rows),
		cmocka_unit_test(any_split_of_elements),
		cmocka_unit_test(rows_on_several_threads),
		cmocka_unit_test(loss_sums_are_the_exact_sums_of_rows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
