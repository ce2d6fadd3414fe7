/*
 * A row's results are the same bits whatever else is in the batch: alone, in any part of any split,
 * in any layout, anywhere in memory, beside any neighbours, whole or streamed, by any number of
 * threads and the kernels of any instruction set, and whatever else is asked for. And loss_sum and
 * denominator are the exact sums of what the rows contribute one by one, rounded once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../support/alone.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---------------------------------------------------------------- what is evaluated */

#define CROSS_ENTROPY(name_, targets_) .name = name_, .loss = "cross_entropy", .targets = targets_
#define POLICY(objective_)                                                                         \
	.name = objective_, .loss = "policy_gradient", .targets = POOL_INDICES,                    \
	.objective = objective_
#define INDICES(name_) CROSS_ENTROPY(name_, POOL_INDICES)
#define PROBABILITIES(name_) CROSS_ENTROPY(name_, POOL_PROBABILITIES)

static const struct pool_kind kinds[] = {
	{INDICES("indices")},
	{INDICES("weight"), .weight = POOL_WEIGHT},
	{INDICES("signed weight"), .weight = POOL_SIGNED_WEIGHT},
	{INDICES("upstream"), .upstream = true},
	{INDICES("weight, upstream, class 0 ignored"), .weight = POOL_WEIGHT, .upstream = true,
	 .class_0_is_ignored = true},
	{INDICES("smoothing"), .smoothing = 0.1},
	{INDICES("smoothing, weight"), .smoothing = 0.3, .weight = POOL_WEIGHT},
	{INDICES("z_loss"), .z_loss = 1e-2},
	{INDICES("z_loss, weight, smoothing"), .z_loss = 1, .weight = POOL_WEIGHT,
	 .smoothing = 0.1},
	{INDICES("softcap"), .softcap = 5},
	{INDICES("temperature"), .temperature = 0.7},
	{INDICES("softcap, temperature, z_loss, weight, upstream"), .softcap = 30, .temperature = 3,
	 .z_loss = 1e-3, .weight = POOL_WEIGHT, .upstream = true},
	{PROBABILITIES("probabilities")},
	{PROBABILITIES("probabilities, weight, smoothing"), .weight = POOL_WEIGHT,
	 .smoothing = 0.1},
	{PROBABILITIES("probabilities, z_loss, temperature, upstream"), .z_loss = 0.1,
	 .temperature = 2, .upstream = true},
	{.name = "indices", .loss = "nll_loss", .targets = POOL_INDICES},
	{.name = "weight, upstream",
	 .loss = "nll_loss",
	 .targets = POOL_INDICES,
	 .weight = POOL_SIGNED_WEIGHT,
	 .upstream = true},
	{.name = "plain", .loss = "log_softmax"},
	{.name = "upstream", .loss = "log_softmax", .upstream = true},
	{.name = "plain", .loss = "softmax"},
	{.name = "upstream", .loss = "softmax", .upstream = true},
	{POLICY("importance_sampling")},
	{POLICY("ppo"), .upstream = true, .class_0_is_ignored = true},
	{POLICY("cispo"), .temperature = 0.7},
	{POLICY("dro"), .kl_weight = 0.5},
	{POLICY("reinforce"), .softcap = 5, .kl_weight = 0.1},
};

static const size_t splits[] = {1, 2, 3, 7, 17};

/* Beyond 1 to 70. */
static const size_t class_counts[] = {100,  127,  128,   129,   191,   255,   256,   257,  500,
				      1000, 1023, 1024,  1025,  2047,  2048,  2049,  4095, 4096,
				      4097, 9000, 32000, 50257, 65535, 65536, 65537, 70000};

static const loss_dtype dtypes[] = {LOSS_F32,  LOSS_F64,     LOSS_F16,
				    LOSS_BF16, LOSS_F8_E4M3, LOSS_F8_E5M2};

/* ---------------------------------------------------------------- instruction sets */

#define MAX_ISAS 8
static const char *isas[MAX_ISAS];
static size_t n_isas;

static int find_isas(void **state)
{
	(void)state;
	if (eval_isa() != NULL)
		isas[n_isas++] = eval_isa();
	for (size_t i = 0; eval_isa() == NULL && loss_isa_at(i) != NULL && n_isas < MAX_ISAS; i++)
		if (loss_isa_find(loss_isa_at(i)) != NULL)
			isas[n_isas++] = loss_isa_at(i);
	return 0;
}

/* ---------------------------------------------------------------- how it is evaluated */

/* What neighbours a row has. Among ignored ones, loss_sum is what one row contributes. */
enum company { REGULAR, ONE_IRREGULAR, MIXED, IGNORED, N_COMPANY };
static const char *const companies[] = {"regular", "one irregular", "mixed", "ignored"};

/* One layout of a pool's rows, cut into parts, and how these are evaluated. */
struct trial {
	struct arrangement whole; /* of all parts together */
	enum asked asked;
	enum company company;
	size_t parts;
	const char *outputs[ALONE_OUTPUTS + 1];
};

/* Elements of a batch of which one step along the first axis is large: of those that ask for
 * little, and of what is slow; and beyond which a batch is not for the slow kernels. */
#define LARGEST 1300000
#define SLOW_LARGEST 150000
#define SLOW_KERNELS 20000

/* Whether rows are evaluated one by one, or all kernels are portable ones. */
static bool is_slow(const struct pool *pool)
{
	return strcmp(isas[0], "base") == 0 || pool->logits.dtype == LOSS_F64 ||
	       pool->kind->softcap != 0 || pool->kind->temperature != 0;
}

/* A pool of rows, what they come to alone, and how large batches of them are: steps along the first
 * axis and elements, a third of these where it is slow, but one step at least. */
struct subject {
	const struct alone *alone;
	size_t steps, elements;
};

/* 0 where the layout is too large for the pool. */
static size_t draw_steps(const struct subject *subject, struct random *random,
			 const struct pool_layout *layout)
{
	const struct pool *pool = subject->alone->pool;
	size_t step = pool_layout_inner(layout) * pool->classes;
	size_t most = subject->elements / (is_slow(pool) ? 3 : 1) / step;
	most = most < subject->steps ? most : subject->steps;
	if (step > (is_slow(pool) ? SLOW_LARGEST : LARGEST))
		return 0;
	return 1 + random_below(random, most > 0 ? most : 1);
}

static size_t draw_row(const struct pool *pool, struct random *random, enum company company)
{
	size_t row = random_below(random, company == MIXED ? pool->rows : pool->regular);
	while (company == IGNORED && !pool_ignores(pool, row))
		row = random_below(random, pool->rows);
	return row;
}

static void draw_order(const struct pool *pool, struct random *random, enum company company,
		       size_t *order, size_t n)
{
	size_t one = random_below(random, n);
	for (size_t p = 0; p < n; p++)
		order[p] = draw_row(pool, random, company);
	if (company == ONE_IRREGULAR)
		order[one] = pool->regular + random_below(random, pool->rows - pool->regular);
	if (company == IGNORED)
		order[one] = random_below(random, pool->rows);
}

static const char *draw_isa(struct random *random, size_t elements)
{
	const char *isa = isas[random_chance(random, 0.5) ? 0 : random_below(random, n_isas)];
	bool slow = elements > SLOW_KERNELS && strcmp(isa, "base") == 0;
	return slow ? isas[0] : isa;
}

static void draw_trial(const struct alone *alone, struct random *random, struct trial *trial)
{
	const struct pool *pool = alone->pool;
	struct arrangement *whole = &trial->whole;
	size_t elements = whole->n * pool->classes;
	bool reducible = pool->kind->targets != POOL_NO_TARGETS && !pool->kind->upstream;
	bool may_ignore = pool->kind->targets == POOL_INDICES;
	trial->company = (enum company)random_below(random, may_ignore ? N_COMPANY : IGNORED);
	trial->asked = (enum asked)random_below(random, N_ASKED);
	if (elements > 40000 && trial->asked == ASKED_ALL)
		trial->asked = ASKED_GRAD;
	trial->parts = splits[random_below(random, COUNT(splits))];
	alone_outputs(pool, trial->asked, trial->outputs);
	whole->outputs = trial->outputs;
	whole->offset = random_below(random, 4);
	whole->threads = random_chance(random, 0.6) ? 1 : 2 + (int)random_below(random, 3);
	whole->isa = draw_isa(random, elements);
	whole->reduction = reducible && random_chance(random, 0.25) ? "sum" : "none";
	bool of_rows = trial->asked == ASKED_DEFAULT || trial->asked == ASKED_ROWS;
	whole->streamed =
		of_rows && pool_streams(pool, whole->layout) && random_chance(random, 0.4);
}

/* Part i of n steps, the first of which is `first`. */
static void run_part(const struct alone *alone, const struct trial *trial, size_t i, size_t steps)
{
	size_t inner = pool_layout_inner(trial->whole.layout);
	size_t first = steps * i / trial->parts, end = steps * (i + 1) / trial->parts;
	struct arrangement part = trial->whole;
	char how[64];
	struct eval eval;
	snprintf(how, sizeof how, "part %zu of %zu, %s company", i + 1, trial->parts,
		 companies[trial->company]);
	part.order += first * inner;
	part.n = (end - first) * inner;
	pool_evaluate(alone->pool, &part, &eval);
	alone_compare(alone, &part, &eval, how);
	eval_end(&eval);
}

/* The layout of one row has as many parts as there are rows. */
static void try_layout(const struct subject *subject, struct random *random,
		       const struct pool_layout *layout)
{
	size_t steps = draw_steps(subject, random, layout);
	size_t n = steps * pool_layout_inner(layout);
	struct trial trial = {.whole = {.layout = layout, .n = n}};
	if (steps == 0)
		return;
	struct loss_arena *arena = loss_arena_create(NULL);
	size_t *order = loss_arena_array(arena, size_t, n);
	require(order != NULL, "no memory for %zu rows", n);
	draw_trial(subject->alone, random, &trial);
	draw_order(subject->alone->pool, random, trial.company, order, n);
	trial.whole.order = order;
	if (layout->unbatched || trial.parts > steps)
		trial.parts = steps;
	for (size_t i = 0; i < trial.parts; i++)
		run_part(subject->alone, &trial, i, steps);
	loss_arena_destroy(arena);
}

/* The rows of a pool in every layout that their loss has. */
static void try_pool(struct random *random, struct pool *pool, size_t steps, size_t elements)
{
	struct alone alone = alone_evaluate(pool, isas[0]);
	const struct subject subject = {&alone, steps, elements};
	bool has_shift = loss_find_argument(pool->loss, "shift", 5) >= 0;
	for (size_t i = 0; i < pool_n_layouts; i++)
		if (has_shift || !pool_layouts[i].shift)
			try_layout(&subject, random, &pool_layouts[i]);
	pool_free(pool);
}

/* ---------------------------------------------------------------- the tests */

/* Each count of classes with each kind; dtypes take turns, so that every kind meets each often. */
static void few_classes(void **state)
{
	struct random random = random_start(0xba7c);
	(void)state;
	for (size_t classes = 1; classes <= random_cases(70); classes++)
		for (size_t k = 0; k < COUNT(kinds); k++) {
			struct pool pool =
				pool_make(&random, &kinds[k], dtypes[(classes + k) % COUNT(dtypes)],
					  (size_t[]){10, 6, classes});
			try_pool(&random, &pool, 60, 9000);
		}
	alone_report();
}

static void many_classes(void **state)
{
	struct random random = random_start(0xba7d);
	(void)state;
	for (size_t i = 0; i < random_cases(COUNT(class_counts)); i++) {
		bool very_many = class_counts[i] > 5000;
		for (size_t k = very_many ? i % 4 : 0; k < COUNT(kinds); k += very_many ? 4 : 1) {
			struct pool pool =
				pool_make(&random, &kinds[k], dtypes[(i / 4 + k) % COUNT(dtypes)],
					  (size_t[]){3, 2, class_counts[i]});
			try_pool(&random, &pool, 60, 9000);
		}
	}
	alone_report();
}

/* Of several blocks, which threads share. */
static void many_rows(void **state)
{
	static const size_t counts[] = {1, 2, 3, 10, 33, 64, 65, 129};
	struct random random = random_start(0xba7e);
	(void)state;
	for (size_t i = 0; i < random_cases(4 * COUNT(counts)); i++) {
		struct pool pool =
			pool_make(&random, &kinds[i * 5 % COUNT(kinds)], dtypes[i % COUNT(dtypes)],
				  (size_t[]){30, 6, counts[i % COUNT(counts)]});
		try_pool(&random, &pool, 20000, 60000);
	}
	alone_report();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(few_classes),
		cmocka_unit_test(many_classes),
		cmocka_unit_test(many_rows),
	};
	return cmocka_run_group_tests(tests, find_isas, NULL);
}
