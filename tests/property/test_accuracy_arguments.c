/*
 * cross_entropy with softcap, temperature and z_loss against the oracle: the transformed logits to
 * an ulp, everything after to the bounds that plain logits have.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../support/batch.h"
#include "../support/ulp.h"
#include "kernel/oracle.h"
#include "kernel/transform.h"

struct arguments {
	double softcap, temperature, z_loss; /* 0, 1 and 0: absent */
	double unit;                         /* logits are multiplied by it; 0: they are not */
};

static const struct arguments table[] = {
	{30, 1, 0, 0},   {0, 0.7, 0, 0},      {0, 1, 1e-4, 0}, {50, 2, 1e-3, 0}, {1, 1, 0, 0},
	{1e-3, 1, 0, 0}, {3, 0.01, 0.125, 0}, {1e4, 3, 0, 0},  {0, 1, 1, 0},     {15, 1, 2, 0},
};
#define N_ARGUMENTS_TESTED (sizeof(table) / sizeof(table[0]))

/* Where arguments become extreme (transform.h): temperatures beyond 2^60 either way, softcaps and
 * temperatures beyond 2^500, with a softcap a temperature below 2^-20. Below a bound, at it, above
 * it, far above it; with logits that become moderate ones, and with logits as they are. */
static const struct arguments bounds[] = {
	{0, 0x1.fffffffffffffp59, 0, 0x1p60},
	{0, 0x1p60, 0, 0x1p60},
	{0, 0x1.0000000000001p60, 0, 0x1p60},
	{0, 0x1p100, 0, 0x1p100},
	{0, 0x1p60, 0, 0},
	{0, 0x1.0000000000001p60, 1e-4, 0},
	{0, 0x1.0000000000001p-60, 0, 0x1p-60},
	{0, 0x1p-60, 0, 0x1p-60},
	{0, 0x1.fffffffffffffp-61, 0, 0x1p-60},
	{0, 0x1p-100, 0, 0x1p-100},
	{0, 0x1p-60, 0, 0},
	{0, 0x1.fffffffffffffp-61, 0, 0},
	{0x1.fffffffffffffp499, 1, 0, 0},
	{0x1p500, 1, 0, 0},
	{0x1.0000000000001p500, 1, 0, 0},
	{0x1p1000, 1, 0, 0},
	{0x1.0000000000001p-500, 1, 0, 0},
	{0x1p-500, 1, 0, 0},
	{0x1.fffffffffffffp-501, 1, 0, 0},
	{0x1p-1000, 1, 0, 0},
	{30, 0x1p60, 0, 0},
	{30, 0x1.0000000000001p60, 0, 0},
	{30, 0x1.0000000000001p-20, 0, 0x1p-15},
	{30, 0x1p-20, 0, 0x1p-15},
	{30, 0x1.fffffffffffffp-21, 0, 0x1p-15},
	{30, 0x1p-60, 0, 0x1p-55},
};
#define N_BOUNDS (sizeof(bounds) / sizeof(bounds[0]))

struct exact_row {
	struct oracle_row row;
	struct oracle_target target;
	long double *u, *slope, *weight, *probs, *grad, *largest;
};

static void check(const struct batch *batch, const char *what, size_t row, long double error,
		  long double limit)
{
	ulp_note(what, batch->dtype, batch->distribution, error);
	require(error <= limit, "%s of row %zu (%zu classes, %s, %s): off by %Lg ulp, %Lg allowed",
		what, row, batch->classes, loss_dtype_info(batch->dtype)->name, batch->distribution,
		error, limit);
}

static struct exact_row make_exact_row(struct batch *batch, const struct arguments *arguments)
{
	size_t n = batch->classes;
	struct exact_row exact = {.u = batch_array(batch, long double, n),
				  .slope = batch_array(batch, long double, n),
				  .weight = batch_array(batch, long double, n),
				  .probs = batch_array(batch, long double, n),
				  .grad = batch_array(batch, long double, n),
				  .largest = batch_array(batch, long double, n)};
	exact.row = (struct oracle_row){n, exact.u};
	exact.target = (struct oracle_target){.smoothing = (long double)batch->smoothing,
					      .z_loss = (long double)arguments->z_loss,
					      .weight = batch->weight ? exact.weight : NULL,
					      .probs = batch->t ? exact.probs : NULL};
	return exact;
}

/* The library's own transformed logits, each held against the oracle's, are what the rest is exact
 * about. */
static void load_row(struct exact_row *exact, const struct batch *batch,
		     const struct arguments *arguments, size_t row)
{
	struct logits_transform transform = transform_of(
		1.0, arguments->softcap, arguments->temperature, batch->dtype == LOSS_F64);
	long double softcap = (long double)arguments->softcap;
	long double temperature = (long double)arguments->temperature;
	exact->target.ignored = batch_ignored(batch, row);
	exact->target.index = exact->target.ignored ? 0 : (size_t)batch->y[row];
	for (size_t c = 0; c < batch->classes; c++) {
		size_t i = row * batch->classes + c;
		double u = batch->x[i];
		if (transform.on)
			u = transform_logit(&transform, u);
		long double x = (long double)batch->x[i];
		check(batch, "transformed logits", row,
		      ulp_error(batch->dtype, u, oracle_transform(x, 1, softcap, temperature)), 1);
		exact->u[c] = (long double)u;
		exact->slope[c] = oracle_transform_slope(x, 1, softcap, temperature);
		if (batch->weight)
			exact->weight[c] = (long double)batch->weight[c];
		if (batch->t)
			exact->probs[c] = (long double)batch->t[i];
	}
}

static void check_grad(const struct eval *eval, const struct batch *batch, struct exact_row *exact,
		       size_t row)
{
	const struct loss_tensor *grad = eval_output(eval, "grad");
	oracle_cross_entropy_grad(&exact->row, &exact->target, exact->grad, exact->largest);
	long double worst = 0;
	for (size_t c = 0; c < batch->classes; c++) {
		/* A NaN makes all of its row NaN, or nothing where the row is ignored. */
		bool sloped = !isnan(exact->grad[c]) && !exact->target.ignored;
		long double slope = sloped ? exact->slope[c] : 1;
		long double error = ulp_error_floored(
			batch->dtype, eval_value(grad, batch_place(batch, row, c)),
			exact->grad[c] * slope, exact->largest[c] * slope);
		worst = error > worst ? error : worst;
	}
	check(batch, "grad", row, worst, 4);
}

/* How large the parts of a z_loss are that may cancel in it. */
static long double z_loss_scale(const struct exact_row *exact)
{
	struct oracle_softmax softmax = oracle_softmax_row(&exact->row);
	long double scale = fmaxl(fabsl(softmax.lse), fabsl(softmax.max));
	return exact->target.z_loss * scale * scale;
}

static void check_z_loss(const struct eval *eval, const struct batch *batch,
			 const struct exact_row *exact, size_t row)
{
	check(batch, "z_loss", row,
	      ulp_error_scaled(batch->dtype, eval_value(eval_output(eval, "z_loss"), row),
			       oracle_z_loss(&exact->row, &exact->target), z_loss_scale(exact)),
	      4);
}

static void check_loss(const struct eval *eval, const struct batch *batch,
		       const struct exact_row *exact, size_t row)
{
	bool plain = batch->t == NULL && batch->smoothing == 0;
	double got = eval_value(eval_output(eval, "loss"), row);
	long double loss = oracle_cross_entropy_loss(&exact->row, &exact->target);
	long double error = ulp_error(batch->dtype, got, loss);
	/* of a class of weight 0 it may be all there is */
	if (exact->target.z_loss > 0 && isfinite(loss))
		error = ulp_error_scaled(batch->dtype, got, loss,
					 fmaxl(fabsl(loss), z_loss_scale(exact)));
	check(batch, "loss", row, error, batch->dtype == LOSS_F32 && plain ? 2 : 4);
}

static void check_batch(struct batch *batch, const struct arguments *arguments)
{
	static const char *const outputs[] = {"loss", "grad", "z_loss", "lse", NULL};
	struct exact_row exact = make_exact_row(batch, arguments);
	struct eval eval;
	batch_start(&eval, batch, "cross_entropy");
	if (arguments->softcap != 0)
		eval_number(&eval, "softcap", arguments->softcap);
	if (arguments->temperature != 1)
		eval_number(&eval, "temperature", arguments->temperature);
	if (arguments->z_loss != 0)
		eval_number(&eval, "z_loss", arguments->z_loss);
	eval_outputs(&eval, outputs);
	eval_run(&eval, 1);
	for (size_t r = 0; r < batch->rows; r++) {
		load_row(&exact, batch, arguments, r);
		exact.target.scale =
			batch->grad_output == NULL ? 1 : (long double)batch->grad_output[r];
		check_loss(&eval, batch, &exact, r);
		/* A z_loss too large for a double has no gradient. */
		if (ulp_of(LOSS_F64, oracle_z_loss(&exact.row, &exact.target)) < HUGE_VALL)
			check_grad(&eval, batch, &exact, r);
		check_z_loss(&eval, batch, &exact, r);
	}
	eval_end(&eval);
}

static const size_t class_counts[] = {1, 2, 3, 7, 10, 16, 33, 65, 100, 300};
#define N_CLASS_COUNTS (sizeof(class_counts) / sizeof(class_counts[0]))

static void decorate(struct batch *batch, struct random *random, size_t kind)
{
	if (kind == 2)
		batch_add_probabilities(batch, random);
	else
		batch_ignore(batch, random, 0.1);
	if (kind == 1)
		batch->smoothing = random_uniform(random, 0, 0.5);
	if (random_chance(random, 0.5))
		batch_add_weight(batch, random, true);
	if (random_chance(random, 0.5))
		batch_add_grad_output(batch, random, batch->rows);
}

static void check_random_batch(struct random *random, const struct arguments *arguments,
			       loss_dtype dtype, const char *distribution)
{
	size_t sizes[3] = {1 + random_below(random, 20),
			   class_counts[random_below(random, N_CLASS_COUNTS)],
			   1 + random_below(random, 3)};
	struct batch batch = batch_make(random, dtype, distribution, BATCH_INNER, sizes);
	for (size_t i = 0; arguments->unit != 0 && i < batch.rows * batch.classes; i++)
		batch.x[i] *= arguments->unit;
	decorate(&batch, random, random_below(random, 3));
	check_batch(&batch, arguments);
	batch_free(&batch);
}

static const loss_dtype dtypes[] = {LOSS_F32, LOSS_F64};

static void logits_are_transformed(void **state)
{
	struct random random = random_start(0x50f7);
	(void)state;
	for (size_t i = 0; i < random_cases(6 * N_ARGUMENTS_TESTED); i++)
		for (size_t d = 0; batch_distribution(d) != NULL; d++)
			check_random_batch(&random, &table[i % N_ARGUMENTS_TESTED],
					   dtypes[random_below(&random, 2)], batch_distribution(d));
}

static void arguments_have_bounds(void **state)
{
	struct random random = random_start(0xb095);
	(void)state;
	for (size_t i = 0; i < random_cases(3 * N_BOUNDS); i++)
		for (size_t d = 0; d < 2; d++)
			check_random_batch(&random, &bounds[i % N_BOUNDS], dtypes[d], "normal");
}

static int report(void **state)
{
	(void)state;
	ulp_report("cross_entropy with softcap, temperature, z_loss");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(logits_are_transformed),
		cmocka_unit_test(arguments_have_bounds),
	};
	if (!ORACLE_IS_PRECISE)
		return skip_all("long double is no wider than double here");
	return cmocka_run_group_tests(tests, NULL, report);
}
