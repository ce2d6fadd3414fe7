#include "batch.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "kernel/oracle.h"
#include "ulp.h"

/* ---------------------------------------------------------------- types */

static const struct {
	double largest, smallest; /* numbers above 0 */
} ends[] = {
	[LOSS_F64] = {DBL_MAX, 0x1p-1074}, [LOSS_F32] = {(double)FLT_MAX, 0x1p-149},
	[LOSS_F16] = {65504, 0x1p-24},     [LOSS_BF16] = {0x1.fep127, 0x1p-133},
	[LOSS_F8_E4M3] = {448, 0x1p-9},    [LOSS_F8_E5M2] = {57344, 0x1p-16},
};

loss_dtype batch_result_dtype(loss_dtype dtype)
{
	return dtype == LOSS_F64 ? LOSS_F64 : LOSS_F32;
}

double batch_rounded(loss_dtype dtype, double value)
{
	double result = 0;
	if (isfinite(value) && fabs(value) > ends[dtype].largest)
		value = value > 0 ? ends[dtype].largest : -ends[dtype].largest;
	loss_float_put(dtype, &result, 0, value);
	return loss_float_get(dtype, &result, 0);
}

/* ---------------------------------------------------------------- logits */

/* Draws one row of n logits; they are rounded to the dtype afterwards. */
typedef void draw_row(struct random *random, loss_dtype dtype, double *x, size_t n);

static void draw_normal(struct random *random, loss_dtype dtype, double *x, size_t n)
{
	(void)dtype;
	for (size_t c = 0; c < n; c++)
		x[c] = 3 * random_normal(random);
}

static void draw_wide(struct random *random, loss_dtype dtype, double *x, size_t n)
{
	double deviation = dtype == LOSS_F64 ? 180 : 25;
	for (size_t c = 0; c < n; c++)
		x[c] = deviation * random_normal(random);
}

static void draw_offset(struct random *random, loss_dtype dtype, double *x, size_t n)
{
	double offset = pow(10, random_uniform(random, 3, 6));
	draw_normal(random, dtype, x, n);
	if (random_chance(random, 0.5))
		offset = -offset;
	for (size_t c = 0; c < n; c++)
		x[c] += offset;
}

/* One class ahead of all others by up to the gap where the float's subnormals end. */
static void draw_confident(struct random *random, loss_dtype dtype, double *x, size_t n)
{
	double gap = random_uniform(random, 0, dtype == LOSS_F64 ? 744 : 103);
	double offset = random_chance(random, 0.3) ? 1000 * random_normal(random) : 0;
	for (size_t c = 0; c < n; c++)
		x[c] = offset + random_normal(random);
	x[random_below(random, n)] = offset + gap;
}

static void draw_equal(struct random *random, loss_dtype dtype, double *x, size_t n)
{
	(void)dtype;
	double value = 100 * random_normal(random);
	for (size_t c = 0; c < n; c++)
		x[c] = value;
}

static void draw_ties(struct random *random, loss_dtype dtype, double *x, size_t n)
{
	(void)dtype;
	for (size_t c = 0; c < n; c++)
		x[c] = (double)random_below(random, 4);
}

static void draw_close(struct random *random, loss_dtype dtype, double *x, size_t n)
{
	(void)dtype;
	double base = random_normal(random);
	for (size_t c = 0; c < n; c++)
		x[c] = base + 1e-5 * random_normal(random);
}

static void draw_subnormal(struct random *random, loss_dtype dtype, double *x, size_t n)
{
	double unit = ends[dtype].smallest;
	for (size_t c = 0; c < n; c++)
		x[c] = unit * ((double)random_below(random, 1u << 22) - 0x1p21);
}

/* Every magnitude from 2^-40 to 2^9. */
static void draw_scattered(struct random *random, loss_dtype dtype, double *x, size_t n)
{
	(void)dtype;
	for (size_t c = 0; c < n; c++)
		x[c] = ldexp(random_uniform(random, -1, 1), (int)random_below(random, 50) - 40);
}

static void draw_extreme(struct random *random, loss_dtype dtype, double *x, size_t n)
{
	double max = ends[dtype].largest;
	const double choices[] = {max, -max, max / 2, -max / 2, max / 3, 0, 1, -1e30, 1e30};
	for (size_t c = 0; c < n; c++)
		x[c] = choices[random_below(random, sizeof(choices) / sizeof(choices[0]))];
}

static void draw_masked(struct random *random, loss_dtype dtype, double *x, size_t n)
{
	draw_normal(random, dtype, x, n);
	for (size_t c = 0; c < n; c++)
		if (random_chance(random, 0.3))
			x[c] = -(double)INFINITY;
	x[random_below(random, n)] = random_normal(random);
}

static void draw_poisoned(struct random *random, loss_dtype dtype, double *x, size_t n)
{
	static const double poisons[] = {(double)NAN, (double)INFINITY, -(double)INFINITY};
	draw_normal(random, dtype, x, n);
	size_t kind = random_below(random, 5);
	if (kind < 3)
		x[random_below(random, n)] = poisons[kind];
	if (kind == 1 && random_chance(random, 0.5))
		x[random_below(random, n)] = (double)NAN;
	if (kind == 3)
		for (size_t c = 0; c < n; c++)
			x[c] = -(double)INFINITY;
}

static const struct {
	const char *name;
	draw_row *draw;
} distributions[] = {
	{"normal", draw_normal},       {"wide", draw_wide},           {"offset", draw_offset},
	{"confident", draw_confident}, {"equal", draw_equal},         {"ties", draw_ties},
	{"close", draw_close},         {"subnormal", draw_subnormal}, {"scattered", draw_scattered},
	{"extreme", draw_extreme},     {"masked", draw_masked},       {"poisoned", draw_poisoned},
};

#define N_DISTRIBUTIONS (sizeof(distributions) / sizeof(distributions[0]))

const char *batch_distribution(size_t i)
{
	return i < N_DISTRIBUTIONS ? distributions[i].name : NULL;
}

static draw_row *find_draw(const char *name)
{
	for (size_t i = 0; name != NULL && i < N_DISTRIBUTIONS; i++)
		if (strcmp(distributions[i].name, name) == 0)
			return distributions[i].draw;
	return draw_normal;
}

static size_t argmax(const double *x, size_t n)
{
	size_t best = 0;
	for (size_t c = 1; c < n; c++)
		if (x[c] > x[best])
			best = c;
	return best;
}

/* ---------------------------------------------------------------- making */

void *batch_alloc(struct batch *batch, size_t n, size_t size)
{
	void *memory = loss_arena_alloc(batch->arena, n, size);
	require(memory != NULL, "no memory for %zu items of %zu bytes", n, size);
	return memset(memory, 0, n * size);
}

struct batch batch_make(struct random *random, loss_dtype dtype, const char *distribution,
			enum batch_layout layout, const size_t sizes[3])
{
	struct batch batch = {.arena = loss_arena_create(NULL),
			      .dtype = dtype,
			      .index_dtype = LOSS_I64,
			      .layout = layout,
			      .distribution = distribution != NULL ? distribution : "normal",
			      .n = sizes[0],
			      .classes = sizes[1],
			      .inner = sizes[2],
			      .rows = sizes[0] * sizes[2],
			      .reduction = "none",
			      .ignore_index = -100};
	size_t classes = batch.classes;
	require(batch.arena != NULL, "no memory for an arena");
	batch.x = batch_array(&batch, double, (batch.rows * classes));
	batch.y = batch_array(&batch, int64_t, batch.rows);
	for (size_t r = 0; r < batch.rows; r++) {
		double *x = batch.x + r * classes;
		find_draw(distribution)(random, dtype, x, classes);
		for (size_t c = 0; c < classes; c++)
			x[c] = batch_rounded(dtype, x[c]);
		/* Half of the targets are the prediction: the confident rows. */
		batch.y[r] = (int64_t)(random_chance(random, 0.5) ? argmax(x, classes)
								  : random_below(random, classes));
	}
	return batch;
}

void batch_free(struct batch *batch)
{
	loss_arena_destroy(batch->arena);
	batch->arena = NULL;
}

void batch_add_weight(struct batch *batch, struct random *random, bool zeros)
{
	batch->weight = batch_array(batch, double, batch->classes);
	for (size_t c = 0; c < batch->classes; c++)
		if (!zeros || !random_chance(random, 0.125))
			batch->weight[c] =
				batch_rounded(batch->dtype, 1 - random_uniform(random, 0, 1));
}

void batch_add_grad_output(struct batch *batch, struct random *random, size_t n)
{
	batch->grad_output = batch_array(batch, double, n);
	for (size_t i = 0; i < n; i++)
		batch->grad_output[i] = batch_rounded(batch->dtype, random_uniform(random, -1, 1));
}

void batch_ignore(struct batch *batch, struct random *random, double part)
{
	for (size_t r = 0; r < batch->rows; r++)
		if (random_chance(random, part))
			batch->y[r] = batch->ignore_index;
}

void batch_add_probabilities(struct batch *batch, struct random *random)
{
	size_t classes = batch->classes;
	batch->t = batch_array(batch, double, (batch->rows * classes));
	for (size_t r = 0; r < batch->rows; r++) {
		double *t = batch->t + r * classes, sum = 0;
		for (size_t c = 0; c < classes; c++)
			sum += t[c] = random_chance(random, 0.3) ? 0 : random_uniform(random, 0, 1);
		for (size_t c = 0; c < classes; c++)
			t[c] = batch_rounded(batch->dtype,
					     sum == 0 ? 1 / (double)classes : t[c] / sum);
	}
}

bool batch_ignored(const struct batch *batch, size_t row)
{
	return batch->t == NULL && batch->y[row] == batch->ignore_index;
}

struct batch batch_slice(const struct batch *batch, size_t first, size_t n)
{
	struct batch slice = *batch;
	bool per_row = strcmp(batch->reduction, "none") == 0;
	slice.layout = BATCH_ROWS;
	slice.n = slice.rows = n;
	slice.inner = 1;
	slice.x += first * batch->classes;
	slice.y += first;
	if (batch->t != NULL)
		slice.t += first * batch->classes;
	if (batch->grad_output != NULL && per_row)
		slice.grad_output += first;
	return slice;
}

/* ---------------------------------------------------------------- evaluating */

size_t batch_place(const struct batch *batch, size_t row, size_t c)
{
	if (batch->layout != BATCH_INNER)
		return row * batch->classes + c;
	return (row / batch->inner * batch->classes + c) * batch->inner + row % batch->inner;
}

/* Values in canonical order as a tensor of the logits' shape. */
static struct loss_tensor class_tensor(struct eval *eval, const struct batch *batch,
				       const double *values)
{
	size_t n = batch->n, classes = batch->classes, inner = batch->inner;
	const size_t shapes[BATCH_N_LAYOUTS][3] = {
		{n, classes}, {n, classes, inner}, {n, inner, classes}, {classes}};
	static const int ranks[BATCH_N_LAYOUTS] = {2, 3, 3, 1};
	double *placed = eval_array(eval, double, (batch->rows * classes));
	for (size_t r = 0; r < batch->rows; r++)
		for (size_t c = 0; c < classes; c++)
			placed[batch_place(batch, r, c)] = values[r * classes + c];
	return eval_floats(eval, batch->dtype, ranks[batch->layout], shapes[batch->layout], placed);
}

/* The rank of a tensor with one value a row, of shape (n, inner). */
static int row_rank(const struct batch *batch)
{
	static const int ranks[BATCH_N_LAYOUTS] = {1, 2, 2, 0};
	return ranks[batch->layout];
}

static void set_arguments(struct eval *eval, const struct batch *batch)
{
	eval_string(eval, "reduction", batch->reduction);
	if (batch->t == NULL)
		eval_integer(eval, "ignore_index", batch->ignore_index);
	if (batch->smoothing != 0)
		eval_number(eval, "label_smoothing", batch->smoothing);
	if (batch->denominator != 0)
		eval_number(eval, "denominator", batch->denominator);
	if (batch->zero_empty_mean)
		eval_string(eval, "empty_mean", "zero");
}

static void set_targets(struct eval *eval, const struct batch *batch)
{
	size_t shape[] = {batch->n, batch->inner};
	int rank = row_rank(batch);
	bool scalar = strcmp(batch->reduction, "none") != 0;
	if (batch->t != NULL)
		eval_set(eval, "targets", class_tensor(eval, batch, batch->t));
	else
		eval_set(eval, "targets",
			 eval_integers(eval, batch->index_dtype, rank, shape, batch->y));
	if (batch->weight != NULL)
		eval_set(eval, "weight",
			 eval_floats(eval, batch->dtype, 1, &batch->classes, batch->weight));
	if (batch->grad_output != NULL)
		eval_set(eval, "grad_output",
			 eval_floats(eval, batch->dtype, scalar ? 0 : rank, shape,
				     batch->grad_output));
}

void batch_start(struct eval *eval, const struct batch *batch, const char *loss)
{
	bool has_targets = strstr(loss, "softmax") == NULL;
	eval_start(eval, loss);
	eval_set(eval, strcmp(loss, "nll_loss") == 0 ? "log_probs" : "logits",
		 class_tensor(eval, batch, batch->x));
	if (batch->layout == BATCH_LAST)
		eval_integer(eval, "class_axis", -1);
	if (batch->dtype != batch_result_dtype(batch->dtype) && !batch->narrow_grad)
		eval_string(eval, "grad_dtype", "F32");
	if (has_targets) {
		set_targets(eval, batch);
		set_arguments(eval, batch);
	} else if (batch->grad_output != NULL) {
		eval_set(eval, "grad_output", class_tensor(eval, batch, batch->grad_output));
	}
}

void batch_eval(struct eval *eval, const struct batch *batch, const char *loss,
		const char *const *outputs)
{
	batch_start(eval, batch, loss);
	eval_outputs(eval, outputs);
	eval_run(eval, 1);
}

/* ---------------------------------------------------------------- the oracle's answer */

void batch_exact_row(const struct batch *batch, size_t row, long double *x)
{
	for (size_t c = 0; c < batch->classes; c++)
		x[c] = (long double)batch->x[row * batch->classes + c];
}

static long double *widen(struct batch *batch, const double *values, size_t n)
{
	long double *wide = batch_array(batch, long double, n);
	for (size_t i = 0; i < n; i++)
		wide[i] = (long double)values[i];
	return wide;
}

struct batch_exact batch_exact_losses(struct batch *batch)
{
	size_t classes = batch->classes;
	struct batch_exact exact = {.loss = batch_array(batch, long double, batch->rows)};
	struct oracle_sum sum = {0}, denominator = {0};
	long double *x = batch_array(batch, long double, classes);
	const long double *weight =
		batch->weight == NULL ? NULL : widen(batch, batch->weight, classes);
	for (size_t r = 0; r < batch->rows; r++) {
		bool ignored = batch_ignored(batch, r), indexed = batch->t == NULL;
		struct oracle_row row = {classes, x};
		struct oracle_target target = {.weight = weight,
					       .index = ignored || !indexed ? 0
									    : (size_t)batch->y[r],
					       .ignored = ignored,
					       .smoothing = (long double)batch->smoothing};
		if (!indexed)
			target.probs = widen(batch, batch->t + r * classes, classes);
		batch_exact_row(batch, r, x);
		exact.loss[r] = oracle_cross_entropy_loss(&row, &target);
		exact.counted += !ignored;
		oracle_add(&sum, exact.loss[r]);
		if (!ignored)
			oracle_add(&denominator,
				   weight == NULL || !indexed ? 1 : weight[target.index]);
	}
	exact.sum = oracle_total(&sum);
	exact.denominator = oracle_total(&denominator);
	return exact;
}

long double batch_exact_scale(const struct batch *batch, const struct batch_exact *exact,
			      size_t row)
{
	bool per_row = strcmp(batch->reduction, "none") == 0;
	bool mean = strcmp(batch->reduction, "mean") == 0;
	long double g = 1, divisor = 1;
	if (batch->grad_output != NULL)
		g = (long double)batch->grad_output[per_row ? row : 0];
	if (mean)
		divisor = batch->denominator != 0 ? (long double)batch->denominator
						  : exact->denominator;
	return divisor == 0 ? (long double)NAN : g / divisor;
}

long double batch_underflow_slack(const struct batch *batch, const struct batch_exact *exact,
				  long double reduced)
{
	bool mean = strcmp(batch->reduction, "mean") == 0;
	long double unit = (long double)batch->rows * ulp_of(LOSS_F64, 0) / 2;
	long double divisor = mean ? fabsl(exact->denominator) : 1;
	return divisor == 0 ? 0
			    : unit / divisor / ulp_of(batch_result_dtype(batch->dtype), reduced);
}
