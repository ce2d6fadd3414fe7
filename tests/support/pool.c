#include "pool.h"

#include <math.h>
#include <string.h>

#include "batch.h"
#include "rows.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---------------------------------------------------------------- rows */

static void fill_nan(struct random *random, double *x, size_t n)
{
	x[random_below(random, n)] = (double)NAN;
}

static void fill_infinite(struct random *random, double *x, size_t n)
{
	x[random_below(random, n)] = (double)INFINITY;
}

static void fill_excluded(struct random *random, double *x, size_t n)
{
	for (size_t c = 0; c < n; c++)
		if (random_chance(random, 0.5))
			x[c] = -(double)INFINITY;
}

/* Beyond what float arithmetic takes; sums of such rows stay finite. */
static void fill_huge(struct random *random, double *x, size_t n)
{
	int power = 20 + (int)random_below(random, 80);
	for (size_t c = 0; c < n; c++)
		x[c] = ldexp(x[c], power);
}

static void fill_huge_class(struct random *random, double *x, size_t n)
{
	double sign = random_chance(random, 0.5) ? 1 : -1;
	x[random_below(random, n)] = sign * 0x1.8p21;
}

static void fill_tiny(struct random *random, double *x, size_t n)
{
	int power = -1080 + (int)random_below(random, 1000);
	for (size_t c = 0; c < n; c++)
		x[c] = ldexp(x[c], power);
}

/* What makes trouble of a normal row, for itself and perhaps for its neighbours. */
static const struct {
	const char *name;
	void (*spoil)(struct random *random, double *x, size_t n);
} troubles[] = {
	{"NaN", fill_nan},   {"infinite", fill_infinite},   {"excluded", fill_excluded},
	{"huge", fill_huge}, {"one huge", fill_huge_class}, {"tiny", fill_tiny},
};

static const char *const regular[] = {"normal", "wide",  "confident", "peaks", "equal",
				      "ties",   "close", "steps",     "offset"};

static const struct rows_distribution *find_distribution(const char *name)
{
	for (size_t i = 0; i < rows_n_distributions; i++)
		if (strcmp(rows_distributions[i].name, name) == 0)
			return &rows_distributions[i];
	require(false, "there is no distribution %s", name);
	return rows_distributions;
}

static void draw_row(struct pool *pool, struct random *random, size_t r, double *x)
{
	bool plain = r < pool->regular;
	const struct rows_distribution *distribution =
		find_distribution(plain ? regular[random_below(random, COUNT(regular))] : "normal");
	distribution->fill(random, pool->logits.dtype, x, pool->classes);
	pool->distributions[r] = distribution->name;
	if (!plain) {
		size_t i = (r - pool->regular + pool->classes) % COUNT(troubles);
		troubles[i].spoil(random, x, pool->classes);
		pool->distributions[r] = troubles[i].name;
	}
}

/* ---------------------------------------------------------------- pools */

static void *allocate(struct pool *pool, size_t n, size_t size)
{
	void *memory = loss_arena_alloc(pool->arena, n, size);
	require(memory != NULL, "no memory for %zu items of %zu bytes", n, size);
	return memory;
}

static struct loss_tensor make_tensor(struct pool *pool, loss_dtype dtype, size_t rows,
				      size_t classes)
{
	struct loss_tensor tensor = {.dtype = dtype, .rank = rows > 0 && classes > 0 ? 2 : 1};
	tensor.shape[0] = rows > 0 ? rows : classes;
	tensor.shape[1] = classes;
	loss_tensor_set_count(&tensor);
	tensor.data = allocate(pool, tensor.count, loss_dtype_info(dtype)->size);
	return tensor;
}

static loss_dtype any_float(struct random *random, loss_dtype usual)
{
	return random_chance(random, 0.5) ? usual : (loss_dtype)random_below(random, LOSS_I64);
}

static void draw_logits(struct pool *pool, struct random *random, loss_dtype dtype)
{
	size_t n = pool->classes;
	double *x = allocate(pool, n, sizeof(*x));
	pool->logits = make_tensor(pool, dtype, pool->rows, n);
	pool->distributions = allocate(pool, pool->rows, sizeof(*pool->distributions));
	for (size_t r = 0; r < pool->rows; r++) {
		draw_row(pool, random, r, x);
		for (size_t c = 0; c < n; c++)
			loss_float_put(dtype, pool->logits.data, r * n + c,
				       batch_rounded(dtype, x[c]));
	}
}

bool pool_ignores(const struct pool *pool, size_t row)
{
	return pool->kind->targets == POOL_INDICES && row % 4 == 3;
}

/* Half of the targets are the largest logit's class: the confident rows. */
static int64_t draw_index(const struct pool *pool, struct random *random, size_t r)
{
	size_t n = pool->classes, best = 0;
	double largest = -(double)INFINITY;
	for (size_t c = 0; c < n; c++) {
		double x = loss_float_get(pool->logits.dtype, pool->logits.data, r * n + c);
		best = x > largest ? c : best;
		largest = x > largest ? x : largest;
	}
	if (pool_ignores(pool, r))
		return pool->kind->class_0_is_ignored ? 0 : -100;
	return (int64_t)(random_chance(random, 0.5) ? best : random_below(random, n));
}

static void draw_targets(struct pool *pool, struct random *random)
{
	static const loss_dtype dtypes[] = {LOSS_I64, LOSS_I32};
	size_t n = pool->classes;
	if (pool->kind->targets == POOL_INDICES) {
		loss_dtype dtype = dtypes[random_below(random, COUNT(dtypes))];
		pool->targets = make_tensor(pool, dtype, pool->rows, 0);
		for (size_t r = 0; r < pool->rows; r++) {
			int64_t y = draw_index(pool, random, r);
			if (dtype == LOSS_I64)
				((int64_t *)pool->targets.data)[r] = y;
			else
				((int32_t *)pool->targets.data)[r] = (int32_t)y;
		}
	} else if (pool->kind->targets == POOL_PROBABILITIES) {
		loss_dtype dtype = any_float(random, pool->logits.dtype);
		pool->targets = make_tensor(pool, dtype, pool->rows, n);
		for (size_t i = 0; i < pool->targets.count; i++) {
			double t = random_uniform(random, 0, 2 / (double)n);
			loss_float_put(dtype, pool->targets.data, i,
				       random_chance(random, 0.1) ? 0 : t);
		}
	}
}

static struct loss_tensor draw_factors(struct pool *pool, struct random *random, size_t rows,
				       size_t classes)
{
	struct loss_tensor tensor =
		make_tensor(pool, any_float(random, pool->logits.dtype), rows, classes);
	for (size_t i = 0; i < tensor.count; i++) {
		double value = random_uniform(random, -1, 1);
		loss_float_put(tensor.dtype, tensor.data, i,
			       random_chance(random, 0.1) ? 0 : value);
	}
	return tensor;
}

static void draw_weight(struct pool *pool, struct random *random)
{
	struct loss_tensor *weight = &pool->weight;
	*weight = draw_factors(pool, random, 0, pool->classes);
	for (size_t c = 0; pool->kind->weight == POOL_WEIGHT && c < weight->count; c++)
		loss_float_put(weight->dtype, weight->data, c,
			       fabs(loss_float_get(weight->dtype, weight->data, c)));
}

struct pool pool_make(struct random *random, const struct pool_kind *kind, loss_dtype dtype,
		      const size_t sizes[3])
{
	struct pool pool = {.arena = loss_arena_create(NULL),
			    .kind = kind,
			    .loss = loss_find(kind->loss, strlen(kind->loss)),
			    .regular = sizes[0],
			    .rows = sizes[0] + sizes[1],
			    .classes = sizes[2],
			    .wide = random_chance(random, 0.3)};
	require(pool.arena != NULL && pool.loss != NULL, "no arena, or no %s", kind->loss);
	draw_logits(&pool, random, dtype);
	draw_targets(&pool, random);
	if (kind->weight != POOL_NO_WEIGHT)
		draw_weight(&pool, random);
	if (kind->upstream)
		pool.upstream = draw_factors(&pool, random, pool.rows,
					     kind->targets == POOL_NO_TARGETS ? pool.classes : 0);
	if (kind->objective != NULL) {
		pool.sampled = draw_factors(&pool, random, pool.rows, 0);
		pool.advantages = draw_factors(&pool, random, pool.rows, 0);
		pool.reference = draw_factors(&pool, random, pool.rows, 0);
	}
	return pool;
}

void pool_free(struct pool *pool)
{
	loss_arena_destroy(pool->arena);
	pool->arena = NULL;
}
