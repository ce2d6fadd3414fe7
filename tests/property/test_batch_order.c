/*
 * What a batch comes to as a whole (mean, sum, perplexity, ece, accuracy, totals) is the same bits
 * in whatever order its rows stand, in whatever layout, however it is evaluated: sums over rows are
 * exact before they are rounded.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "../support/bits.h"
#include "../support/pool.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define CROSS_ENTROPY(name_, targets_) .name = name_, .loss = "cross_entropy", .targets = targets_

static const struct pool_kind kinds[] = {
	{CROSS_ENTROPY("indices", POOL_INDICES)},
	{CROSS_ENTROPY("weight", POOL_INDICES), .weight = POOL_WEIGHT},
	{CROSS_ENTROPY("signed weight", POOL_INDICES), .weight = POOL_SIGNED_WEIGHT},
	{CROSS_ENTROPY("smoothing, z_loss", POOL_INDICES), .smoothing = 0.1, .z_loss = 1e-3},
	{CROSS_ENTROPY("softcap, temperature", POOL_INDICES), .softcap = 20, .temperature = 0.7},
	{CROSS_ENTROPY("probabilities, weight", POOL_PROBABILITIES), .weight = POOL_WEIGHT},
	{.name = "signed weight",
	 .loss = "nll_loss",
	 .targets = POOL_INDICES,
	 .weight = POOL_SIGNED_WEIGHT},
};

static const size_t class_counts[] = {1, 2, 5, 10, 33, 64, 65, 129, 1000, 2049};

static const char *const of_batches[] = {"loss", "z_loss", "accuracy", "perplexity", "ece"};

/* Those that the kind has; NULL-terminated. */
static void list_outputs(const struct pool *pool, const char **names)
{
	size_t n = 0;
	bool indices = pool->kind->targets == POOL_INDICES;
	for (size_t i = 0; i < pool->loss->n_outputs; i++)
		for (size_t k = 0; k < (indices ? COUNT(of_batches) : 2); k++)
			if (strcmp(pool->loss->outputs[i]->name, of_batches[k]) == 0)
				names[n++] = of_batches[k];
	names[n] = NULL;
}

static bool same(double a, double b)
{
	return bits_of(a) == bits_of(b) || (isnan(a) && isnan(b));
}

static void require_value(const struct pool *pool, const struct arrangement *arrangement,
			  const char *name, const double values[2])
{
	require(same(values[0], values[1]),
		"%s (%s) %s, %zu classes, %s, %zu rows, offset %zu, %d threads%s, %s: %s (%s) is "
		"%a (%016llx), but in the first order %a (%016llx)",
		pool->loss->name, pool->kind->name, loss_dtype_info(pool->logits.dtype)->name,
		pool->classes, arrangement->layout->name, arrangement->n, arrangement->offset,
		arrangement->threads, arrangement->streamed ? ", streamed" : "", arrangement->isa,
		name, arrangement->reduction, values[1], (unsigned long long)bits_of(values[1]),
		values[0], (unsigned long long)bits_of(values[0]));
}

static void require_same(const struct pool *pool, const struct arrangement *arrangement,
			 const struct eval *first, const struct eval *other)
{
	const struct loss_totals *a = &first->result.totals, *b = &other->result.totals;
	for (size_t i = 0; i < first->result.n_outputs; i++) {
		const struct loss_output *output = &first->result.outputs[i];
		require_value(pool, arrangement, output->name,
			      (double[]){eval_value(&output->tensor, 0),
					 eval_value(eval_output(other, output->name), 0)});
	}
	require_value(pool, arrangement, "loss_sum", (double[]){a->loss_sum, b->loss_sum});
	require_value(pool, arrangement, "denominator", (double[]){a->denominator, b->denominator});
	require(a->counted == b->counted && a->rows == b->rows && a->ignored == b->ignored,
		"%s: other counts", arrangement->layout->name);
}

static void shuffle(struct random *random, struct arrangement *arrangement, size_t *order)
{
	random_order(random, order, arrangement->n);
	for (size_t i = 0; i < arrangement->n; i++)
		order[i] = arrangement->order[order[i]];
	arrangement->order = order;
	arrangement->offset = random_below(random, 4);
	arrangement->threads = 1 + (int)random_below(random, 4);
}

/* The rows that come first in a pool, over and over, and then in a random order. */
static void try_layout(const struct pool *pool, struct random *random,
		       const struct pool_layout *layout)
{
	size_t n = pool_layout_inner(layout) * (1 + 60 / pool_layout_inner(layout));
	size_t order[200], shuffled[200];
	const char *outputs[COUNT(of_batches) + 1], *isas[8];
	struct eval first, other;
	size_t n_isas = 0;
	require(n <= COUNT(order), "no room for %zu rows", n);
	for (size_t i = 0; loss_isa_at(i) != NULL && n_isas < COUNT(isas); i++)
		if (loss_isa_find(loss_isa_at(i)) != NULL)
			isas[n_isas++] = loss_isa_at(i);
	for (size_t i = 0; i < n; i++)
		order[i] = i % pool->rows;
	list_outputs(pool, outputs);
	struct arrangement arrangement = {.layout = &pool_layouts[0],
					  .order = order,
					  .n = n,
					  .threads = 1,
					  .isa = isas[0],
					  .reduction = random_chance(random, 0.7) ? "mean" : "sum",
					  .outputs = outputs};
	pool_evaluate(pool, &arrangement, &first);
	shuffle(random, &arrangement, shuffled);
	arrangement.layout = layout;
	arrangement.isa = eval_isa() != NULL ? eval_isa() : isas[random_below(random, n_isas)];
	arrangement.streamed = pool_streams(pool, layout) && random_chance(random, 0.5);
	pool_evaluate(pool, &arrangement, &other);
	require_same(pool, &arrangement, &first, &other);
	eval_end(&other);
	eval_end(&first);
}

static void try_kind(const struct pool_kind *kind, uint64_t seed)
{
	struct random random = random_start(seed);
	for (size_t i = 0; i < 6 * random_cases(COUNT(class_counts)); i++) {
		/* Every other pool has no row that makes NaN or infinity of all. */
		size_t irregular = i % 2 == 0 ? 0 : 6;
		struct pool pool = pool_make(&random, kind, (loss_dtype)(i % LOSS_I64),
					     (size_t[]){40, irregular, class_counts[i / 6]});
		for (size_t k = 0; k < pool_n_layouts; k++)
			if (!pool_layouts[k].unbatched && !pool_layouts[k].shift)
				try_layout(&pool, &random, &pool_layouts[k]);
		pool_free(&pool);
	}
}

static void every_kind(void **state)
{
	try_kind(*state, 0x0de);
}

int main(void)
{
	struct CMUnitTest tests[COUNT(kinds)];
	for (size_t i = 0; i < COUNT(kinds); i++) {
		union {
			const struct pool_kind *in;
			void *out;
		} kind = {.in = &kinds[i]};
		tests[i] = (struct CMUnitTest){
			.name = kinds[i].name, .test_func = every_kind, .initial_state = kind.out};
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
