/* The edges of every loss, one by one: infinities, NaN, zero weights, ignored rows, nothing at all.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "../support/eval.h"
#include "../support/random.h"
#include "../support/ulp.h"

#define INF ((double)INFINITY)
#define NOT_A_NUMBER ((double)NAN)

static const loss_dtype dtypes[] = {LOSS_F32,  LOSS_F64,     LOSS_F16,
				    LOSS_BF16, LOSS_F8_E5M2, LOSS_F8_E4M3};
#define N_DTYPES (sizeof(dtypes) / sizeof(dtypes[0]))
static const char *const loss_and_grad[] = {"loss", "grad", NULL};
static const char *const loss_only[] = {"loss", NULL};

static bool same(double got, double expected)
{
	return isnan(expected) ? isnan(got) : got == expected;
}

static bool near(double got, double expected)
{
	return same(got, expected) || fabs(got - expected) <= 1e-6 * fabs(expected);
}

/* ---------------------------------------------------------------- rows of cross_entropy */

enum gradient { ZERO, NOT_NUMBERS, NUMBERS };

/* A row of three classes; t[0] < 0 means class index y, and y = -100 an ignored row. */
struct edge {
	const char *name;
	double x[3];
	int64_t y;
	double t[3], weight[3];
	double smoothing, loss;
	enum gradient gradient;
};

#define INDEX                                                                                      \
	{                                                                                          \
		-1, 0, 0                                                                           \
	}
#define ONES                                                                                       \
	{                                                                                          \
		1, 1, 1                                                                            \
	}
#define LOG1P_EXP_1 1.3132616875182228 /* log(1 + e), of the row {0, -inf, 1} and its class 0 */

static const struct edge edges[] = {
	{"excluded target", {0, -INF, 1}, 1, INDEX, ONES, 0, INF, NUMBERS},
	{"excluded other class", {0, -INF, 1}, 0, INDEX, ONES, 0, LOG1P_EXP_1, NUMBERS},
	{"NaN", {0, NOT_A_NUMBER, 1}, 0, INDEX, ONES, 0, NOT_A_NUMBER, NOT_NUMBERS},
	{"NaN at the target", {0, NOT_A_NUMBER, 1}, 1, INDEX, ONES, 0, NOT_A_NUMBER, NOT_NUMBERS},
	{"+inf", {0, INF, 1}, 0, INDEX, ONES, 0, NOT_A_NUMBER, NOT_NUMBERS},
	{"+inf at the target", {0, INF, 1}, 1, INDEX, ONES, 0, NOT_A_NUMBER, NOT_NUMBERS},
	{"only -inf", {-INF, -INF, -INF}, 0, INDEX, ONES, 0, NOT_A_NUMBER, NOT_NUMBERS},
	{"ignored", {0, 2, 1}, -100, INDEX, ONES, 0, 0, ZERO},
	{"ignored NaN", {0, NOT_A_NUMBER, 1}, -100, INDEX, ONES, 0, 0, ZERO},
	{"ignored +inf", {0, INF, 1}, -100, INDEX, ONES, 0, 0, ZERO},
	{"ignored -inf", {-INF, -INF, -INF}, -100, INDEX, ONES, 0, 0, ZERO},
	{"ignored and smoothed", {0, -INF, 1}, -100, INDEX, ONES, 0.1, 0, ZERO},
	{"weight 0", {0, 2, 1}, 1, INDEX, {1, 0, 1}, 0, 0, ZERO},
	{"weight 0, excluded target", {0, -INF, 1}, 1, INDEX, {1, 0, 1}, 0, 0, ZERO},
	{"weight 0, NaN", {0, NOT_A_NUMBER, 1}, 0, INDEX, {0, 1, 1}, 0, NOT_A_NUMBER, NOT_NUMBERS},
	{"weight NaN", {0, 2, 1}, 0, INDEX, {NOT_A_NUMBER, 1, 1}, 0, NOT_A_NUMBER, NOT_NUMBERS},
	{"weight NaN elsewhere",
	 {0, -INF, 1},
	 0,
	 INDEX,
	 {1, NOT_A_NUMBER, 1},
	 0,
	 LOG1P_EXP_1,
	 NUMBERS},
	{"negative weight", {0, -INF, 1}, 0, INDEX, {-2, 1, 1}, 0, -2 * LOG1P_EXP_1, NUMBERS},
	{"smoothed excluded class", {0, -INF, 1}, 0, INDEX, ONES, 0.1, INF, NUMBERS},
	{"smoothed weight 0", {0, -INF, 1}, 0, INDEX, {1, 0, 0}, 0.3, 0.8 * LOG1P_EXP_1, NUMBERS},
	{"smoothed NaN", {0, NOT_A_NUMBER, 1}, 0, INDEX, ONES, 0.1, NOT_A_NUMBER, NOT_NUMBERS},
	{"smoothed to the full", {0, 0, 0}, 1, INDEX, ONES, 1, 1.0986122886681098, NUMBERS},
	{"probability 0, excluded", {0, -INF, 1}, 0, {1, 0, 0}, ONES, 0, LOG1P_EXP_1, NUMBERS},
	{"probability, excluded", {0, -INF, 1}, 0, {0.5, 0.5, 0}, ONES, 0, INF, NUMBERS},
	{"probability, weight 0", {0, -INF, 1}, 0, {1, 0.5, 0}, {1, 0, 1}, 0, LOG1P_EXP_1, NUMBERS},
	{"probabilities all 0", {0, -INF, 1}, 0, {0, 0, 0}, ONES, 0, 0, ZERO},
	{"probabilities, NaN",
	 {0, NOT_A_NUMBER, 1},
	 0,
	 {1, 0, 0},
	 ONES,
	 0,
	 NOT_A_NUMBER,
	 NOT_NUMBERS},
	{"probabilities 0, NaN",
	 {0, NOT_A_NUMBER, 1},
	 0,
	 {0, 0, 0},
	 ONES,
	 0,
	 NOT_A_NUMBER,
	 NOT_NUMBERS},
	{"probabilities, +inf", {0, INF, 1}, 0, {0, 1, 0}, ONES, 0, NOT_A_NUMBER, NOT_NUMBERS},
	{"probabilities, only -inf",
	 {-INF, -INF, -INF},
	 0,
	 {1, 0, 0},
	 ONES,
	 0,
	 NOT_A_NUMBER,
	 NOT_NUMBERS},
	{"probability NaN", {0, 2, 1}, 0, {NOT_A_NUMBER, 0, 0}, ONES, 0, NOT_A_NUMBER, NOT_NUMBERS},
};

/* F8_E4M3 has none. */
static bool has_infinity(const struct edge *edge)
{
	return isinf(edge->x[0]) || isinf(edge->x[1]) || isinf(edge->x[2]);
}

/* The row stands between two ordinary ones, which must not notice. */
static void start_edge(struct eval *eval, const struct edge *edge, loss_dtype dtype)
{
	const double *x = edge->x, *t = edge->t;
	const double logits[9] = {1, 2, 3, x[0], x[1], x[2], 3, 2, 1};
	const double probs[9] = {0, 1, 0, t[0], t[1], t[2], 0, 0, 1};
	const int64_t targets[3] = {1, edge->y, 2};
	static const size_t shape[2] = {3, 3};
	eval_start(eval, "cross_entropy");
	eval_set(eval, "logits", eval_floats(eval, dtype, 2, shape, logits));
	if (t[0] < 0)
		eval_set(eval, "targets", eval_integers(eval, LOSS_I64, 1, shape, targets));
	else
		eval_set(eval, "targets", eval_floats(eval, dtype, 2, shape, probs));
	eval_set(eval, "weight", eval_floats(eval, dtype, 1, shape, edge->weight));
	if (edge->smoothing != 0)
		eval_number(eval, "label_smoothing", edge->smoothing);
}

static void check_edge_grad(const struct eval *eval, const struct edge *edge)
{
	const struct loss_tensor *grad = eval_output(eval, "grad");
	bool weights_are_numbers = !isnan(edge->weight[0] + edge->weight[1] + edge->weight[2]);
	for (size_t c = 0; c < 9; c++) {
		double g = eval_value(grad, c);
		bool own = c / 3 == 1;
		enum gradient expected = own ? edge->gradient : NUMBERS;
		if (!own && !weights_are_numbers)
			continue;
		require(expected == ZERO      ? g == 0
			: expected == NUMBERS ? isfinite(g)
					      : isnan(g),
			"%s: grad[%zu] is %g", edge->name, c, g);
	}
}

static void rows_at_the_edge(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); i++) {
		for (size_t d = 0; d < N_DTYPES; d++) {
			const struct edge *edge = &edges[i];
			if (dtypes[d] == LOSS_F8_E4M3 && has_infinity(edge))
				continue;
			struct eval eval;
			random_start(i);
			start_edge(&eval, edge, dtypes[d]);
			eval_string(&eval, "reduction", "none");
			eval_outputs(&eval, loss_and_grad);
			eval_run(&eval, 1);
			double loss = eval_value(eval_output(&eval, "loss"), 1);
			require(near(loss, edge->loss), "%s: loss %.9g, not %.9g", edge->name, loss,
				edge->loss);
			require(!signbit(loss) || loss != 0, "%s: loss -0", edge->name);
			check_edge_grad(&eval, edge);
			eval_end(&eval);
		}
	}
}

/* ---------------------------------------------------------------- nothing to reduce */

struct emptiness {
	const char *name, *reduction, *empty_mean;
	size_t n, inner;
	int64_t targets[2];
	double weight[2];
	double loss, grad; /* of every element */
	size_t counted;
};

static const struct emptiness nothings[] = {
	{"no rows", "mean", NULL, 0, 1, {0, 0}, {1, 1}, NOT_A_NUMBER, 0, 0},
	{"no rows", "mean", "nan", 0, 1, {0, 0}, {1, 1}, NOT_A_NUMBER, 0, 0},
	{"no rows", "mean", "zero", 0, 1, {0, 0}, {1, 1}, 0, 0, 0},
	{"no rows", "sum", NULL, 0, 1, {0, 0}, {1, 1}, 0, 0, 0},
	{"no positions", "mean", NULL, 2, 0, {0, 0}, {1, 1}, NOT_A_NUMBER, 0, 0},
	{"no positions", "sum", NULL, 2, 0, {0, 0}, {1, 1}, 0, 0, 0},
	{"all ignored", "mean", NULL, 2, 1, {-100, -100}, {1, 1}, NOT_A_NUMBER, 0, 0},
	{"all ignored", "mean", "zero", 2, 1, {-100, -100}, {1, 1}, 0, 0, 0},
	{"all ignored", "sum", NULL, 2, 1, {-100, -100}, {1, 1}, 0, 0, 0},
	{"weights 0", "mean", NULL, 2, 1, {0, 0}, {0, 1}, NOT_A_NUMBER, NOT_A_NUMBER, 2},
	{"weights 0", "mean", "zero", 2, 1, {0, 0}, {0, 1}, NOT_A_NUMBER, NOT_A_NUMBER, 2},
	{"weights 0", "sum", NULL, 2, 1, {0, 0}, {0, 1}, 0, 0, 2},
	{"weights cancel", "mean", NULL, 2, 1, {0, 1}, {1, -1}, NOT_A_NUMBER, NOT_A_NUMBER, 2},
	{"weights cancel", "mean", "zero", 2, 1, {1, 0}, {1, -1}, NOT_A_NUMBER, NOT_A_NUMBER, 2},
};

static void check_nothing(const struct emptiness *nothing, const char *loss, const char *input)
{
	static const double x[4] = {-3, -1, -2, -4};
	const size_t shape[3] = {nothing->n, 2, nothing->inner};
	const size_t rows[2] = {nothing->n, nothing->inner}, classes = 2;
	struct eval eval;
	eval_start(&eval, loss);
	eval_set(&eval, input, eval_floats(&eval, LOSS_F32, 3, shape, x));
	eval_set(&eval, "targets", eval_integers(&eval, LOSS_I64, 2, rows, nothing->targets));
	eval_set(&eval, "weight", eval_floats(&eval, LOSS_F32, 1, &classes, nothing->weight));
	eval_string(&eval, "reduction", nothing->reduction);
	if (nothing->empty_mean != NULL)
		eval_string(&eval, "empty_mean", nothing->empty_mean);
	eval_outputs(&eval, loss_and_grad);
	eval_run(&eval, 1);
	double got = eval_value(eval_output(&eval, "loss"), 0);
	require(same(got, nothing->loss), "%s, %s: loss %g", nothing->name, nothing->reduction,
		got);
	const struct loss_tensor *grad = eval_output(&eval, "grad");
	require(grad->count == nothing->n * 2 * nothing->inner, "%zu gradients", grad->count);
	for (size_t i = 0; i < grad->count; i++)
		require(isnan(nothing->grad)
				? !isfinite(eval_value(grad, i)) || eval_value(grad, i) == 0
				: eval_value(grad, i) == 0,
			"%s, %s: grad %g", nothing->name, nothing->reduction, eval_value(grad, i));
	require(eval.result.totals.counted == nothing->counted &&
			eval.result.totals.rows == nothing->n * nothing->inner,
		"%s: %zu counted of %zu", nothing->name, eval.result.totals.counted,
		eval.result.totals.rows);
	eval_end(&eval);
}

static void nothing_to_reduce(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(nothings) / sizeof(nothings[0]); i++) {
		random_start(i);
		check_nothing(&nothings[i], "cross_entropy", "logits");
		check_nothing(&nothings[i], "nll_loss", "log_probs");
	}
}

/* Where the weights of the counted rows cancel, their gradients are NaN and those of ignored rows
 * 0. */
static void cancelled_weights_spare_ignored_rows(void **state)
{
	static const double x[6] = {1, 2, 3, 4, 5, 6}, weight[2] = {1, -1};
	static const int64_t targets[3] = {0, -100, 1};
	static const size_t shape[2] = {3, 2}, classes = 2;
	struct eval eval;
	(void)state;
	random_start(0);
	eval_start(&eval, "cross_entropy");
	eval_set(&eval, "logits", eval_floats(&eval, LOSS_F32, 2, shape, x));
	eval_set(&eval, "targets", eval_integers(&eval, LOSS_I64, 1, shape, targets));
	eval_set(&eval, "weight", eval_floats(&eval, LOSS_F32, 1, &classes, weight));
	eval_outputs(&eval, loss_and_grad);
	eval_run(&eval, 1);
	assert_true(isnan(eval_value(eval_output(&eval, "loss"), 0)));
	for (size_t i = 0; i < 6; i++) {
		double g = eval_value(eval_output(&eval, "grad"), i);
		require(i / 2 == 1 ? g == 0 : isnan(g), "grad[%zu] is %g", i, g);
	}
	eval_end(&eval);
}

/* ---------------------------------------------------------------- known values */

static float single(const struct eval *eval, const char *output, size_t i)
{
	return (float)eval_value(eval_output(eval, output), i);
}

/* The same loss as cross_entropy, as nll_loss of log_softmax, and from lse: 1.344726592... */
static void known_example_three_ways(void **state)
{
	static const double x[3] = {-0.7715, -0.6205, -0.2562};
	static const size_t shape[2] = {1, 3};
	static const int64_t target = 0;
	static const char *const log_probs[] = {"log_probs", "lse", NULL};
	struct eval direct, logs, nll;
	double values[3];
	(void)state;
	random_start(0);
	eval_start(&direct, "cross_entropy");
	eval_set(&direct, "logits", eval_floats(&direct, LOSS_F32, 2, shape, x));
	eval_set(&direct, "targets", eval_integers(&direct, LOSS_I64, 1, shape, &target));
	eval_run(&direct, 1);
	eval_start(&logs, "log_softmax");
	eval_set(&logs, "logits", eval_floats(&logs, LOSS_F32, 2, shape, x));
	eval_outputs(&logs, log_probs);
	eval_run(&logs, 1);
	for (size_t c = 0; c < 3; c++)
		values[c] = eval_value(eval_output(&logs, "log_probs"), c);
	eval_start(&nll, "nll_loss");
	eval_set(&nll, "log_probs", eval_floats(&nll, LOSS_F32, 2, shape, values));
	eval_set(&nll, "targets", eval_integers(&nll, LOSS_I64, 1, shape, &target));
	eval_run(&nll, 1);
	require(single(&direct, "loss", 0) == 1.3447266f, "%.9g",
		(double)single(&direct, "loss", 0));
	require(single(&nll, "loss", 0) == 1.3447266f, "%.9g", (double)single(&nll, "loss", 0));
	double by_lse = eval_value(eval_output(&logs, "lse"), 0) - (double)(float)x[0];
	require(fabs(by_lse - 1.344726592) < 1e-7, "%.9g", by_lse);
	eval_end(&direct);
	eval_end(&logs);
	eval_end(&nll);
}

/* 20 ahead of one other class: log1p(exp(-20)), which a sum that contains the 1 rounds to 0. */
static void confident_row_has_a_loss(void **state)
{
	static const double x[2] = {20, 0};
	static const size_t shape[2] = {1, 2};
	static const int64_t target = 0;
	struct eval eval;
	(void)state;
	random_start(0);
	eval_start(&eval, "cross_entropy");
	eval_set(&eval, "logits", eval_floats(&eval, LOSS_F32, 2, shape, x));
	eval_set(&eval, "targets", eval_integers(&eval, LOSS_I64, 1, shape, &target));
	eval_outputs(&eval, loss_and_grad);
	eval_run(&eval, 1);
	require(single(&eval, "loss", 0) == 2.0611536e-09f, "%.9g",
		(double)single(&eval, "loss", 0));
	require(single(&eval, "grad", 0) == -2.0611536e-09f, "%.9g",
		(double)single(&eval, "grad", 0));
	eval_end(&eval);
}

/* ---------------------------------------------------------------- the other losses */

/* Nothing of a row of nll_loss but its target element is read. */
static void nll_loss_reads_the_target_element_only(void **state)
{
	static const double x[9] = {NOT_A_NUMBER, -0.5, INF, -INF, -INF, -INF, 1, 2, NOT_A_NUMBER};
	static const double grads[9] = {0, -1, 0, 0, -1, 0, 0, 0, 0};
	static const size_t shape[2] = {3, 3};
	static const int64_t targets[3] = {1, 1, -100};
	struct eval eval;
	(void)state;
	random_start(0);
	eval_start(&eval, "nll_loss");
	eval_set(&eval, "log_probs", eval_floats(&eval, LOSS_F64, 2, shape, x));
	eval_set(&eval, "targets", eval_integers(&eval, LOSS_I64, 1, shape, targets));
	eval_string(&eval, "reduction", "none");
	eval_outputs(&eval, loss_and_grad);
	eval_run(&eval, 1);
	const struct loss_tensor *loss = eval_output(&eval, "loss");
	assert_true(eval_value(loss, 0) == 0.5);
	assert_true(eval_value(loss, 1) == INF);
	assert_true(eval_value(loss, 2) == 0);
	for (size_t i = 0; i < 9; i++)
		require(eval_value(eval_output(&eval, "grad"), i) == grads[i], "grad[%zu]", i);
	eval_end(&eval);
}

struct binary {
	double x, t, pos_weight, loss, grad;
};

static const struct binary binaries[] = {
	{INF, 1, 1, 0, 0},
	{-INF, 0, 1, 0, 0},
	{INF, 0, 1, INF, 1},
	{-INF, 1, 1, INF, -1},
	{-INF, 1, 0, 0, 0},
	{-INF, 1, 3, INF, -3},
	{INF, 0.5, 1, INF, 0.5},
	{NOT_A_NUMBER, 0, 1, NOT_A_NUMBER, NOT_A_NUMBER},
	{NOT_A_NUMBER, 1, 0, NOT_A_NUMBER, NOT_A_NUMBER},
	{0, 0, 1, 0.69314718055994531, 0.5},
	{0, 1, 2, 1.3862943611198906, -1},
	{100, 1, 1, 3.720075976020836e-44, -3.720075976020836e-44},
	{0, 2, 1, 0.69314718055994531, -1.5},
};

static void binary_edges(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(binaries) / sizeof(binaries[0]); i++) {
		const struct binary *binary = &binaries[i];
		struct eval eval;
		random_start(i);
		eval_start(&eval, "binary_cross_entropy_with_logits");
		eval_set(&eval, "logits", eval_floats(&eval, LOSS_F64, 0, NULL, &binary->x));
		eval_set(&eval, "targets", eval_floats(&eval, LOSS_F64, 0, NULL, &binary->t));
		eval_set(&eval, "pos_weight",
			 eval_floats(&eval, LOSS_F64, 0, NULL, &binary->pos_weight));
		eval_string(&eval, "reduction", "none");
		eval_outputs(&eval, loss_and_grad);
		eval_run(&eval, 1);
		double loss = eval_value(eval_output(&eval, "loss"), 0);
		double grad = eval_value(eval_output(&eval, "grad"), 0);
		require(near(loss, binary->loss), "x %g, t %g: loss %.9g", binary->x, binary->t,
			loss);
		require(near(grad, binary->grad), "x %g, t %g: grad %.9g", binary->x, binary->t,
			grad);
		eval_end(&eval);
	}
}

/* ---------------------------------------------------------------- reductions by their old names */

struct legacy {
	int size_average, reduce; /* -1: absent */
	const char *reduction;    /* or NULL */
	const char *means;
};

static const struct legacy legacies[] = {
	{-1, -1, NULL, "mean"}, {-1, -1, "elementwise_mean", "mean"},
	{1, -1, NULL, "mean"},  {0, -1, NULL, "sum"},
	{-1, 0, NULL, "none"},  {-1, 1, NULL, "mean"},
	{0, 0, NULL, "none"},   {1, 0, NULL, "none"},
	{0, 1, NULL, "sum"},    {1, 1, "sum", "mean"},
	{0, -1, "none", "sum"}, {-1, 0, "mean", "none"},
};

static void set_boolean(struct eval *eval, const char *name, int value)
{
	struct loss_value boolean = {.type = LOSS_VALUE_BOOLEAN,
				     .boolean = value == 1,
				     .text = value == 1 ? "true" : "false"};
	int i = loss_find_argument(eval->info, name, strlen(name));
	if (value < 0)
		return;
	require(i >= 0, "no argument %s", name);
	require(loss_problem_set_argument(eval->problem, (size_t)i, &boolean, &eval->error) ==
			LOSS_OK,
		"%s", eval->error.detail);
}

static void run_legacy(struct eval *eval, const struct legacy *legacy, const char *reduction)
{
	static const double x[4] = {1, 2, 3, 5};
	static const int64_t targets[2] = {0, 1};
	static const size_t shape[2] = {2, 2};
	eval_start(eval, "cross_entropy");
	eval_set(eval, "logits", eval_floats(eval, LOSS_F32, 2, shape, x));
	eval_set(eval, "targets", eval_integers(eval, LOSS_I64, 1, shape, targets));
	if (reduction != NULL)
		eval_string(eval, "reduction", reduction);
	if (legacy != NULL) {
		set_boolean(eval, "size_average", legacy->size_average);
		set_boolean(eval, "reduce", legacy->reduce);
	}
	eval_outputs(eval, loss_only);
	eval_run(eval, 1);
}

static void legacy_arguments_decide(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(legacies) / sizeof(legacies[0]); i++) {
		const struct legacy *legacy = &legacies[i];
		bool old = i > 0;
		struct eval a, b;
		random_start(i);
		run_legacy(&a, legacy, legacy->reduction);
		run_legacy(&b, NULL, legacy->means);
		require(eval_same_bits(eval_output(&a, "loss"), eval_output(&b, "loss")),
			"case %zu is not %s", i, legacy->means);
		require((a.result.n_warnings > 0) == old, "case %zu has %zu warnings", i,
			a.result.n_warnings);
		eval_end(&a);
		eval_end(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_at_the_edge),
		cmocka_unit_test(nothing_to_reduce),
		cmocka_unit_test(cancelled_weights_spare_ignored_rows),
		cmocka_unit_test(known_example_three_ways),
		cmocka_unit_test(confident_row_has_a_loss),
		cmocka_unit_test(nll_loss_reads_the_target_element_only),
		cmocka_unit_test(binary_edges),
		cmocka_unit_test(legacy_arguments_decide),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
