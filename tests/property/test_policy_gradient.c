/*
 * policy_gradient: what is special about it. Policies that are near their sampling, which is where
 * they are most of the time; edges; means over sequences; what it refuses and warns of.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../support/eval.h"
#include "../support/expect.h"
#include "../support/random.h"
#include "../support/rows.h"
#include "../support/spec.h"
#include "kernel/oracle.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define PG "policy_gradient "
#define NOT_A_NUMBER ((double)NAN)
#define INF ((double)INFINITY)

/* ---------------------------------------------------------------- near the sampling */

static const char *const objectives[] = {"importance_sampling", "ppo", "cispo", "dro", "reinforce"};

/* The target's log-probability of each row, as doubles. */
static void find_log_probs(const struct loss_tensor *logits, const int64_t *y, double *lp)
{
	size_t n = logits->shape[1];
	long double x[4200];
	for (size_t r = 0; r < logits->shape[0]; r++) {
		struct oracle_row row = {n, x};
		for (size_t c = 0; c < n; c++)
			x[c] = (long double)eval_value(logits, r * n + c);
		struct oracle_softmax softmax = oracle_softmax_row(&row);
		lp[r] = -(double)oracle_surprise(&row, &softmax, (size_t)y[r]);
	}
}

/* At and near the log-probabilities, and far from them. */
static double any_distance(struct random *random)
{
	static const double distances[] = {0,    1e-16, 1e-12, 1e-9, 1e-7, 1e-5, 1e-3,
					   0.05, 0.3,   1,     5,    40,   680,  900};
	double sign = random_chance(random, 0.5) ? 1 : -1;
	return sign * distances[random_below(random, COUNT(distances))] *
	       random_uniform(random, 0.5, 1);
}

static void set_rows(struct eval *eval, const char *name, struct random *random, size_t rows,
		     const double *lp)
{
	double *values = eval_array(eval, double, rows);
	for (size_t r = 0; r < rows; r++)
		values[r] = lp != NULL ? lp[r] + any_distance(random) : random_normal(random);
	loss_dtype dtype = random_chance(random, 0.5) ? LOSS_F64 : LOSS_F32;
	eval_set(eval, name, eval_floats(eval, dtype, 1, &rows, values));
}

static void check_near(struct random *random, const char *objective, loss_dtype dtype,
		       size_t classes)
{
	static const char *const outputs[] = {"loss", "grad", "log_prob", "ratio", "kl", NULL};
	size_t rows = 1 + random_below(random, 20), shape[2] = {rows, classes};
	size_t kind = rows_any(random);
	struct eval eval;
	struct expected expected;
	char what[80];
	eval_start(&eval, "policy_gradient");
	double *x = eval_array(&eval, double, rows *classes);
	double *lp = eval_array(&eval, double, rows);
	int64_t *y = eval_array(&eval, int64_t, rows);
	for (size_t r = 0; r < rows; r++) {
		rows_fill(kind, random, dtype, x + r * classes, classes);
		y[r] = (int64_t)random_below(random, classes);
	}
	struct loss_tensor logits = eval_floats(&eval, dtype, 2, shape, x);
	find_log_probs(&logits, y, lp);
	eval_set(&eval, "logits", logits);
	eval_set(&eval, "targets", eval_integers(&eval, LOSS_I64, 1, shape, y));
	set_rows(&eval, "sampling_log_probs", random, rows, lp);
	set_rows(&eval, "advantages", random, rows, NULL);
	set_rows(&eval, "reference_log_probs", random, rows, lp);
	eval_string(&eval, "objective", objective);
	if (random_chance(random, 0.4))
		eval_number(&eval, "kl_weight", random_uniform(random, 0, 2));
	eval_string(&eval, "reduction", random_chance(random, 0.5) ? "none" : "mean");
	eval_outputs(&eval, outputs);
	eval_run(&eval, 1);
	expect(eval.problem, eval.arena, &expected);
	snprintf(what, sizeof what, "%s, %s, %zu x %zu, %s", objective,
		 loss_dtype_info(dtype)->name, rows, classes, rows_name(kind));
	expect_result_agrees(&expected, &eval.result, what);
	double kl = eval_value(eval_output(&eval, "kl"), 0);
	require(!(kl < 0), "%s: kl is %g", what, kl);
	eval_end(&eval);
}

static void policies_near_their_sampling_are_accurate(void **state)
{
	static const size_t classes[] = {1, 2, 3, 10, 33, 256, 257, 1000, 4100};
	static const loss_dtype dtypes[] = {LOSS_F32,  LOSS_F64,     LOSS_F16,
					    LOSS_BF16, LOSS_F8_E4M3, LOSS_F8_E5M2};
	struct random random = random_start(0x9091);
	(void)state;
	skip_unless_precise();
	for (size_t i = 0; i < random_cases(800); i++)
		check_near(&random, objectives[i % COUNT(objectives)],
			   dtypes[random_chance(&random, 0.6) ? i % 2 : i % 6],
			   classes[random_below(&random, COUNT(classes))]);
}

/* ---------------------------------------------------------------- the same bits */

/* Rows that the kernels take beside others that they leave, weighted and not, in groups that are
 * not full. */
#define MIXED                                                                                      \
	"37,9=1,0.5,-2,0.25,3,1,7,-3 targets:I64:37=0,4,-100,2,8,1 "                               \
	"sampling_log_probs:F64:37=-1,-2.5,-701,-0.5,699,-3,-699,701,-1e9,-inf,-2 "                \
	"advantages:F64:37=0.1,-0.7,3,0,1e280,1e-200,-1e300 "                                      \
	"reference_log_probs:F64:37=-1,-2,-705,-3,-0.1,700 kl_weight=0.01 reduction=none "

static void run_mixed(struct eval *eval, const char *dtype, const char *objective,
		      const char *outputs, int threads)
{
	char text[900];
	snprintf(text, sizeof text, PG "objective=%s outputs=%s logits:%s:" MIXED, objective,
		 outputs, dtype);
	spec_start(eval, text);
	eval_run(eval, threads);
}

static void outputs_do_not_change_each_other(void **state)
{
	static const char *const dtypes[] = {"F64", "F32", "BF16"};
	static const char *const outputs[] = {
		"loss", "grad", "loss,grad", "log_prob", "ratio", "kl", "entropy,kl,ratio,loss"};
	(void)state;
	for (size_t i = 0; i < COUNT(dtypes) * COUNT(objectives); i++)
		for (size_t k = 0; k < COUNT(outputs); k++) {
			const char *dtype = dtypes[i % COUNT(dtypes)];
			const char *objective = objectives[i / COUNT(dtypes)];
			struct eval all, some;
			run_mixed(&all, dtype, objective, "loss,grad,log_prob,ratio,kl,entropy", 1);
			run_mixed(&some, dtype, objective, outputs[k], 1 + (int)k);
			for (size_t o = 0; o < some.result.n_outputs; o++) {
				const struct loss_output *output = &some.result.outputs[o];
				require(eval_same_bits(&output->tensor,
						       eval_output(&all, output->name)),
					"%s of %s, %s: other bits without the others", output->name,
					objective, dtype);
			}
			eval_end(&all);
			eval_end(&some);
		}
}

/* ---------------------------------------------------------------- edges */

/* Of logits 0, 0: a log-probability of -log 2. */
#define ROW "logits:F64:2=0 targets:I64:=0 "
#define LOG_2 0.6931471805599453

static bool near(double got, double expected)
{
	return isnan(expected) ? isnan(got)
			       : got == expected ||
					 fabs(got - expected) <= 1e-14 * fmax(0.01, fabs(expected));
}

/* Loss, and the factor of p - e_y: twice the gradient at the other class. */
static void edges(void **state)
{
	static const struct {
		const char *text;
		double loss, factor;
	} rows[] = {
		{"sampling_log_probs:F64:=-0.6931471805599453 advantages:F64:=3", -3, 3},
		{"sampling_log_probs:F64:=-1e300 advantages:F64:=1", -INF, INF},
		{"sampling_log_probs:F64:=-1e300 advantages:F64:=0", 0, 0},
		{"sampling_log_probs:F64:=1e300 advantages:F64:=1", 0, 0},
		{"sampling_log_probs:F64:=+inf advantages:F64:=-2", 0, 0},
		{"sampling_log_probs:F64:=+nan advantages:F64:=1", NOT_A_NUMBER, NOT_A_NUMBER},
		{"sampling_log_probs:F64:=+nan advantages:F64:=0", NOT_A_NUMBER, NOT_A_NUMBER},
		{"sampling_log_probs:F64:=-1 advantages:F64:=+nan", NOT_A_NUMBER, NOT_A_NUMBER},
		/* r = sqrt(e) / 2 = 0.8243606354, and the lower clip well above, above, below it */
		{"objective=ppo sampling_log_probs:F64:=-0.5 advantages:F64:=-1 clip_low=0.17",
		 0.83, 0},
		{"objective=ppo sampling_log_probs:F64:=-0.5 advantages:F64:=-1 "
		 "clip_low=0.1756393",
		 0.8243607, 0},
		{"objective=ppo sampling_log_probs:F64:=-0.5 advantages:F64:=-1 "
		 "clip_low=0.1756394",
		 0.5 * 1.6487212707001282, -0.5 * 1.6487212707001282},
		{"objective=ppo sampling_log_probs:F64:=-0.5 advantages:F64:=-1 clip_low=7",
		 0.5 * 1.6487212707001282, -0.5 * 1.6487212707001282},
		{"objective=ppo sampling_log_probs:F64:=-0.5 advantages:F64:=1 clip_low=0.17",
		 -0.5 * 1.6487212707001282, 0.5 * 1.6487212707001282},
		{"objective=ppo sampling_log_probs:F64:=-2 advantages:F64:=2 clip_high=0", -2, 0},
		{"objective=ppo sampling_log_probs:F64:=-2 advantages:F64:=2 clip_high=0.25", -2.5,
		 0},
		{"objective=ppo sampling_log_probs:F64:=-1e300 advantages:F64:=2 clip_high=0.25",
		 -2.5, 0},
		{"objective=ppo sampling_log_probs:F64:=-1e300 advantages:F64:=-2", INF, -INF},
		{"objective=ppo sampling_log_probs:F64:=-2 advantages:F64:=0", 0, 0},
		{"objective=cispo sampling_log_probs:F64:=-2 advantages:F64:=2 clip_high=0.25",
		 2.5 * LOG_2, 2.5},
		{"objective=cispo sampling_log_probs:F64:=9 advantages:F64:=2 clip_low=0.25",
		 1.5 * LOG_2, 1.5},
		{"objective=cispo sampling_log_probs:F64:=+inf advantages:F64:=2 clip_low=1", 0, 0},
		{"objective=dro sampling_log_probs:F64:=0 advantages:F64:=0 beta=2", LOG_2 * LOG_2,
		 2 * LOG_2},
		{"objective=dro sampling_log_probs:F64:=-9 advantages:F64:=3 beta=0", 3 * LOG_2, 3},
		{"objective=dro sampling_log_probs:F64:=+inf advantages:F64:=3 beta=0", 3 * LOG_2,
		 3},
		{"objective=reinforce advantages:F64:=-3", -3 * LOG_2, -3},
		{"objective=reinforce advantages:F64:=0", 0, 0},
		{"objective=reinforce advantages:F64:=0 kl_weight=3 "
		 "reference_log_probs:F64:=-0.6931471805599453",
		 0, 0},
		{"objective=reinforce advantages:F64:=0 kl_weight=1 reference_log_probs:F64:=+inf",
		 INF, INF},
		{"objective=reinforce advantages:F64:=0 kl_weight=2 "
		 "reference_log_probs:F64:=0.30685281944005469",
		 2 * (2.718281828459045 - 2), 2 * 1.718281828459045},
		{"objective=reinforce advantages:F64:=4 kl_weight=0 reference_log_probs:F64:=+nan",
		 4 * LOG_2, 4},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct eval eval;
		char text[400];
		snprintf(text, sizeof text, PG ROW "outputs=loss,grad %s", rows[i].text);
		spec_run(&eval, text);
		double loss = eval_value(eval_output(&eval, "loss"), 0);
		const struct loss_tensor *grad = eval_output(&eval, "grad");
		require(near(loss, rows[i].loss) && !(loss == 0 && signbit(loss)), "%s: loss %.17g",
			text, loss);
		require(near(2 * eval_value(grad, 1), rows[i].factor) &&
				near(-2 * eval_value(grad, 0), rows[i].factor),
			"%s: gradient %.17g, %.17g", text, eval_value(grad, 0),
			eval_value(grad, 1));
		eval_end(&eval);
	}
}

/* Rows of logits that are none, and classes that are excluded. */
static void rows_without_a_distribution(void **state)
{
	static const struct {
		const char *text;
		double loss, log_prob, ratio;
	} rows[] = {
		{"logits:F32:2=0,+nan", NOT_A_NUMBER, NOT_A_NUMBER, NOT_A_NUMBER},
		{"logits:F32:2=+inf,0", NOT_A_NUMBER, NOT_A_NUMBER, NOT_A_NUMBER},
		{"logits:F32:2=-inf,-inf", NOT_A_NUMBER, NOT_A_NUMBER, NOT_A_NUMBER},
		{"logits:F32:2=-inf,0", 0, -INF, 0},
		{"logits:F32:2=0,-inf", -INF, 0, 1},
		{"logits:F32:2=-inf,0 objective=reinforce", INF, -INF, 0},
		{"logits:F32:2=-inf,0 objective=ppo", 0, -INF, 0},
		{"logits:F32:2=-inf,0 objective=dro", INF, -INF, 0},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct eval eval;
		char text[300];
		bool sure = strstr(rows[i].text, "=0,-inf") != NULL; /* sampled by chance of 0 */
		snprintf(text, sizeof text,
			 PG "targets:I64:=0 advantages:F32:=1 sampling_log_probs:F32:=%s "
			    "outputs=loss,grad,log_prob,ratio %s",
			 sure ? "0" : "-1", rows[i].text);
		spec_run(&eval, text);
		double loss = eval_value(eval_output(&eval, "loss"), 0);
		require(near(loss, sure ? -1 : rows[i].loss), "%s: loss %g", text, loss);
		require(near(eval_value(eval_output(&eval, "log_prob"), 0), rows[i].log_prob),
			"%s: log_prob", text);
		require(near(eval_value(eval_output(&eval, "ratio"), 0), rows[i].ratio),
			"%s: ratio", text);
		if (isnan(rows[i].loss))
			require(isnan(eval_value(eval_output(&eval, "grad"), 0)) &&
					isnan(eval_value(eval_output(&eval, "grad"), 1)),
				"%s: the gradient is a number", text);
		eval_end(&eval);
	}
}

/* Nothing of rows that do not count is read, and they have 0 everywhere. */
static void uncounted_rows(void **state)
{
	struct eval eval;
	(void)state;
	spec_run(&eval,
		 PG "logits:F32:4,2=+nan,0,0,0,0,0,0,0 targets:I64:4=-100,0,9,1 "
		    "mask:BOOL:4=1,1,0,1 sampling_log_probs:F32:4=+nan,-1,+nan,-1 "
		    "advantages:F32:4=+nan,1,+nan,1 reference_log_probs:F32:4=+nan,-1,+nan,-1 "
		    "row_weight:F32:4=-1,1,+nan,3 kl_weight=1 objective=ppo reduction=none "
		    "outputs=loss,grad,log_prob,ratio,clip_fraction,kl");
	static const char *const names[] = {"loss", "log_prob", "ratio"};
	for (size_t i = 0; i < COUNT(names); i++) {
		assert_true(eval_value(eval_output(&eval, names[i]), 0) == 0);
		assert_true(eval_value(eval_output(&eval, names[i]), 2) == 0);
		assert_true(eval_value(eval_output(&eval, names[i]), 1) != 0);
	}
	for (size_t c = 0; c < 2; c++) {
		assert_true(eval_value(eval_output(&eval, "grad"), c) == 0);
		assert_true(eval_value(eval_output(&eval, "grad"), 4 + c) == 0);
	}
	assert_true(eval_value(eval_output(&eval, "clip_fraction"), 0) == 1);
	assert_true(eval_value(eval_output(&eval, "kl"), 0) > 0);
	assert_int_equal(eval.result.totals.counted, 2);
	assert_true(eval.result.totals.denominator == 4);
	eval_end(&eval);
	spec_run(&eval, PG "logits:F32:2,2 targets:I64:2=-100 advantages:F32:2 "
			   "sampling_log_probs:F32:2 objective=ppo outputs=loss,clip_fraction,kl");
	for (size_t i = 0; i < 3; i++)
		assert_true(isnan(eval_value(&eval.result.outputs[i].tensor, 0)));
	eval_end(&eval);
}

/* ---------------------------------------------------------------- sequences */

/* Of reinforce with logits 0, 0 a row's loss is its advantage times log 2. */
#define SEQUENCES "objective=reinforce class_axis=-1 reduction=sequence_mean outputs=loss,grad "

static void means_over_sequences(void **state)
{
	static const struct {
		const char *text;
		double sum, denominator; /* of advantages */
	} cases[] = {
		{"logits:F64:2,3,2 targets:I64:2,3 advantages:F64:2,3=1,2,3,10,20,30", 22, 2},
		{"logits:F64:2,3,2 targets:I64:2,3=0,0,-100,0,-100,-100 "
		 "advantages:F64:2,3=1,2,3,10,20,30",
		 11.5, 2},
		{"logits:F64:2,3,2 targets:I64:2,3=-100,-100,-100,0,0,0 "
		 "advantages:F64:2,3=1,2,3,10,20,30",
		 20, 1},
		{"logits:F64:2,3,2 targets:I64:2,3 advantages:F64:2,3=1,2,3,10,20,30 "
		 "row_weight:F64:2,3=1,1,2,0,3,1",
		 2.25 + 22.5, 2},
		{"logits:F64:2,3,2 targets:I64:2,3=7,0,0 advantages:F64:2,3=99,2,4,99,20,30 "
		 "shift=true",
		 3 + 25, 2},
		{"logits:F64:2,1,3,2 targets:I64:2,1,3 advantages:F64:2,1,3=1,2,3,10,20,30", 22, 2},
		{"logits:F64:2,0,2 targets:I64:2,0 advantages:F64:2,0", NOT_A_NUMBER, 0},
		{"logits:F64:0,3,2 targets:I64:0,3 advantages:F64:0,3", NOT_A_NUMBER, 0},
		{"logits:F64:2,3,2 targets:I64:2,3 advantages:F64:2,3=1 "
		 "row_weight:F64:2,3=0,0,0,1,1,1",
		 NOT_A_NUMBER, 2},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct eval eval;
		char text[400];
		snprintf(text, sizeof text, PG SEQUENCES "%s", cases[i].text);
		spec_run(&eval, text);
		const struct loss_totals *totals = &eval.result.totals;
		double mean = cases[i].sum * LOG_2 / cases[i].denominator;
		require(near(eval_value(eval_output(&eval, "loss"), 0), mean), "%s: %.17g", text,
			eval_value(eval_output(&eval, "loss"), 0));
		require(totals->denominator == cases[i].denominator, "%s: over %g", text,
			totals->denominator);
		if (totals->counted > 0)
			require(near(totals->loss_sum, cases[i].sum * LOG_2), "%s: sum %.17g", text,
				totals->loss_sum);
		eval_end(&eval);
	}
	struct eval eval;
	spec_run(&eval, PG SEQUENCES "logits:F64:2,0,2 targets:I64:2,0 advantages:F64:2,0 "
				     "empty_mean=zero");
	assert_true(eval_value(eval_output(&eval, "loss"), 0) == 0);
	eval_end(&eval);
}

/* Of a sequence without weight the gradient is NaN, of the others it is not. */
static void a_sequence_without_weight(void **state)
{
	struct eval eval;
	(void)state;
	spec_run(&eval, PG SEQUENCES "logits:F64:2,1,2 targets:I64:2,1 advantages:F64:2,1=1 "
				     "row_weight:F64:2,1=0,1");
	assert_true(isnan(eval_value(eval_output(&eval, "grad"), 0)));
	assert_true(near(eval_value(eval_output(&eval, "grad"), 3), 0.25));
	eval_end(&eval);
}

/* Three parts of a batch of sequences merge to the state of the whole, by any number of threads. */
static void parts_between_sequences_merge(void **state)
{
#define PART " objective=importance_sampling class_axis=-1 reduction=sequence_mean totals=exact "
#define SHAPED(B)                                                                                  \
	PG "logits:F32:" B ",7,5=1,0.5,-2,0.25,3,1 targets:I64:" B                                 \
	   ",7=0,4,-100,2,1 sampling_log_probs:F32:" B ",7=-1,-2.5 advantages:F64:" B              \
	   ",7=0.1,-0.7,3" PART
	static const char *const parts[] = {SHAPED("30"), SHAPED("60"), SHAPED("30")};
	const char *states[3];
	struct eval whole, part[3];
	struct loss_result merged;
	struct loss_error err;
	(void)state;
	spec_start(&whole, SHAPED("120"));
	eval_run(&whole, 4);
	for (size_t i = 0; i < 3; i++) {
		spec_run(&part[i], parts[i]);
		states[i] = part[i].result.totals.state;
	}
	/* 30 sequences are 210 rows, a multiple of all that is repeated: each part begins anew */
	assert_int_equal(loss_totals_merge(states, 3, whole.arena, &merged, &err), LOSS_OK);
	assert_string_equal(merged.totals.state, whole.result.totals.state);
	assert_true(merged.totals.loss_sum == whole.result.totals.loss_sum);
	assert_true(merged.totals.denominator == 120);
	assert_true(eval_value(&merged.outputs[0].tensor, 0) ==
		    eval_value(eval_output(&whole, "loss"), 0));
	/* rows' sums are not sequences' sums */
	struct eval rows;
	spec_run(&rows, PG "logits:F32:2,7,5 targets:I64:2,7 sampling_log_probs:F32:2,7 "
			   "advantages:F64:2,7 class_axis=-1 totals=exact");
	states[1] = rows.result.totals.state;
	assert_int_equal(loss_totals_merge(states, 2, whole.arena, &merged, &err),
			 LOSS_ARGUMENT_OUT_OF_RANGE);
	eval_end(&rows);
	for (size_t i = 0; i < 3; i++)
		eval_end(&part[i]);
	eval_end(&whole);
}

/* ---------------------------------------------------------------- refusals and warnings */

#define TWO "logits:F32:2,3 targets:I64:2 advantages:F32:2 "
#define SAMPLED "sampling_log_probs:F32:2 "

static void refusals(void **state)
{
#define FROM_0 ", but must be 0 or greater, finite"
	static const struct {
		const char *text;
		loss_status status;
		const char *field, *detail;
	} rows[] = {
		{PG TWO, LOSS_MISSING_FIELD, "sampling_log_probs",
		 "the objective \"importance_sampling\" of policy_gradient needs "
		 "sampling_log_probs, a number for each row of logits"},
		{PG TWO "objective=dro", LOSS_MISSING_FIELD, "sampling_log_probs",
		 "the objective \"dro\" of policy_gradient needs sampling_log_probs, a number for "
		 "each row of logits"},
		{PG TWO "objective=reinforce outputs=ratio", LOSS_MISSING_FIELD,
		 "sampling_log_probs",
		 "the output ratio of policy_gradient needs sampling_log_probs, a number for each "
		 "row of logits"},
		{PG TWO SAMPLED "kl_weight=0.5", LOSS_MISSING_FIELD, "reference_log_probs",
		 "kl_weight is 0.5, for which policy_gradient needs reference_log_probs, a number "
		 "for each row of logits"},
		{PG "logits:F32:2,3 targets:I64:2 " SAMPLED, LOSS_MISSING_FIELD, "advantages",
		 "policy_gradient needs advantages, shape the input's without its class axis: (), "
		 "(N) or (N, d1..d6)"},
		{PG TWO SAMPLED "outputs=loss,clip_fraction", LOSS_ARGUMENT_OUT_OF_RANGE, "outputs",
		 "outputs[1] is \"clip_fraction\", which needs the objective \"ppo\" or \"cispo\", "
		 "but it is \"importance_sampling\""},
		{PG TWO SAMPLED "objective=trpo", LOSS_ARGUMENT_OUT_OF_RANGE, "objective",
		 "objective is \"trpo\", but must be one of \"importance_sampling\", \"ppo\", "
		 "\"cispo\", \"dro\", \"reinforce\""},
		{PG TWO "objective=trpo", LOSS_ARGUMENT_OUT_OF_RANGE, "objective",
		 "objective is \"trpo\", but must be one of \"importance_sampling\", \"ppo\", "
		 "\"cispo\", \"dro\", \"reinforce\""},
		{PG TWO SAMPLED "clip_low=-0.1", LOSS_ARGUMENT_OUT_OF_RANGE, "clip_low",
		 "clip_low is -0.1" FROM_0},
		{PG TWO SAMPLED "clip_high=-1e-300", LOSS_ARGUMENT_OUT_OF_RANGE, "clip_high",
		 "clip_high is -1e-300" FROM_0},
		{PG TWO SAMPLED "clip_high=+inf", LOSS_ARGUMENT_OUT_OF_RANGE, "clip_high",
		 "clip_high is +inf" FROM_0},
		{PG TWO SAMPLED "beta=+nan", LOSS_ARGUMENT_OUT_OF_RANGE, "beta",
		 "beta is +nan" FROM_0},
		{PG TWO SAMPLED "kl_weight=-7", LOSS_ARGUMENT_OUT_OF_RANGE, "kl_weight",
		 "kl_weight is -7" FROM_0},
		{PG TWO SAMPLED "reduction=batchmean", LOSS_ARGUMENT_OUT_OF_RANGE, "reduction",
		 "reduction is \"batchmean\", but must be one of \"none\", \"mean\", \"sum\", "
		 "\"elementwise_mean\", \"sequence_mean\""},
		{PG TWO SAMPLED "reduction=sequence_mean", LOSS_SHAPE_MISMATCH, "logits",
		 "logits has shape (2, 3), but must have sequences of rows, such as (B, T, V) with "
		 "class_axis -1, for reduction \"sequence_mean\""},
		{PG "logits:F32:2,3 targets:F32:2 advantages:F32:2 " SAMPLED, LOSS_DTYPE_MISMATCH,
		 "targets",
		 "targets is F32, but must be one of I64, I32, I16, I8, U64, U32, U16, U8"},
		{PG TWO "sampling_log_probs:I64:2", LOSS_DTYPE_MISMATCH, "sampling_log_probs",
		 "sampling_log_probs is I64, but must be one of F64, F32, F16, BF16, F8_E4M3, "
		 "F8_E5M2"},
		{PG TWO "sampling_log_probs:F32:3", LOSS_SHAPE_MISMATCH, "sampling_log_probs",
		 "sampling_log_probs has shape (3), but must have (2), that of logits without the "
		 "class axis"},
		{PG "logits:F32:2,3 targets:I64:2=3 advantages:F32:2 " SAMPLED,
		 LOSS_TARGET_OUT_OF_BOUNDS, "targets",
		 "targets[0] is 3, but there are 3 classes (0..2)"},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct eval eval;
		loss_status got = spec_plan(&eval, rows[i].text);
		require(got == rows[i].status && strcmp(eval.error.field, rows[i].field) == 0 &&
				strcmp(eval.error.detail, rows[i].detail) == 0,
			"%s: %s at %s:\n%s\n%s", rows[i].text, loss_status_info(got)->code,
			eval.error.field, eval.error.detail, rows[i].detail);
		eval_end(&eval);
	}
}

static void warnings(void **state)
{
	static const struct {
		const char *text, *warning; /* NULL: none */
	} rows[] = {
		{PG TWO SAMPLED, NULL},
		{PG TWO SAMPLED "clip_low=0.1",
		 "clip_low has no effect unless objective is \"ppo\" or \"cispo\""},
		{PG TWO SAMPLED "clip_high=0.1 objective=dro",
		 "clip_high has no effect unless objective is \"ppo\" or \"cispo\""},
		{PG TWO SAMPLED "clip_high=0.1 clip_low=0.2 objective=cispo", NULL},
		{PG TWO SAMPLED "beta=0.1", "beta has no effect unless objective is \"dro\""},
		{PG TWO SAMPLED "beta=0.1 objective=dro", NULL},
		{PG TWO SAMPLED "objective=reinforce",
		 "sampling_log_probs has no effect with the objective \"reinforce\" unless outputs "
		 "has \"ratio\" or \"kl\""},
		{PG TWO SAMPLED "objective=reinforce outputs=kl", NULL},
		{PG TWO SAMPLED "reference_log_probs:F32:2",
		 "reference_log_probs has no effect unless kl_weight is above 0"},
		{PG TWO SAMPLED "reference_log_probs:F32:2 kl_weight=1e-9", NULL},
		{PG
		 "logits:F32:1,2,3 targets:I64:1,2 advantages:F32:1,2 "
		 "sampling_log_probs:F32:1,2 class_axis=-1 reduction=sequence_mean denominator=2",
		 "denominator has no effect unless reduction is \"mean\""},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct eval eval;
		spec_run(&eval, rows[i].text);
		size_t n = eval.result.n_warnings;
		require(n == (rows[i].warning != NULL), "%s: %zu warnings", rows[i].text, n);
		if (n > 0)
			assert_string_equal(eval.result.warnings[0], rows[i].warning);
		eval_end(&eval);
	}
}

/* ---------------------------------------------------------------- beside cross entropy */

/* reinforce with advantages of 1 is cross entropy: the same gradients, bit by bit. */
static void it_has_the_gradients_of_cross_entropy(void **state)
{
#define SAME(shape, rows)                                                                          \
	"logits:F32:" shape "=1,-2,0.5,3,0,0.25,-1 targets:I64:" rows "=0,2,-100,1 "               \
	"row_weight:F32:" rows "=1,0.5,3 outputs=loss,grad "
	static const char *const forms[] = {SAME("70,3", "70"), SAME("9,300", "9"),
					    SAME("2,5,33", "2,33") "softcap=3",
					    SAME("2,300,5", "2,5") "temperature=1e-30"};
	(void)state;
	for (size_t i = 0; i < COUNT(forms); i++) {
		struct eval a, b;
		char text[500];
		const char *rows = strstr(forms[i], "targets:I64:") + strlen("targets:I64:");
		snprintf(text, sizeof text, CE "%s", forms[i]);
		spec_run(&a, text);
		snprintf(text, sizeof text, PG "objective=reinforce advantages:F32:%.*s=1 %s",
			 (int)strcspn(rows, "="), rows, forms[i]);
		spec_run(&b, text);
		require(eval_same_bits(eval_output(&a, "grad"), eval_output(&b, "grad")),
			"%s: other gradients", text);
		require(fabs(a.result.totals.loss_sum - b.result.totals.loss_sum) <=
				1e-15 * fabs(a.result.totals.loss_sum),
			"%s: %.17g, not %.17g", text, b.result.totals.loss_sum,
			a.result.totals.loss_sum);
		eval_end(&b);
		eval_end(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(policies_near_their_sampling_are_accurate),
		cmocka_unit_test(outputs_do_not_change_each_other),
		cmocka_unit_test(edges),
		cmocka_unit_test(rows_without_a_distribution),
		cmocka_unit_test(uncounted_rows),
		cmocka_unit_test(means_over_sequences),
		cmocka_unit_test(a_sequence_without_weight),
		cmocka_unit_test(parts_between_sequences_merge),
		cmocka_unit_test(refusals),
		cmocka_unit_test(warnings),
		cmocka_unit_test(it_has_the_gradients_of_cross_entropy),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
