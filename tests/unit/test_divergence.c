/* divergence: its edges, its warnings, and what is wrong with its teachers. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "../support/random.h"
#include "../support/spec.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define INF ((double)INFINITY)
#define NOT_A_NUMBER ((double)NAN)
#define LN_2 0.69314718055994531
#define ROW "divergence reduction=none outputs=loss,grad logits:F64:1,2="
#define OF(kind) " kind=" kind
#define LOGITS " teacher_logits:F64:1,2="
#define LOG_PROBS " teacher_log_probs:F64:1,2="
#define LISTED(indices, log_probs)                                                                 \
	" teacher_indices:I64:1,2=" indices " teacher_log_probs:F64:1,2=" log_probs
#define LOG_HALF "-0.69314718055994531"

/* One row: its loss, and the gradient's first element. */
static const struct edge {
	const char *text;
	double loss, grad;
} edges[] = {
	{ROW "0,0" LOGITS "0,0", 0, 0},
	{ROW "3,3" LOGITS "-7,-7" OF("jsd"), 0, 0},
	{ROW "0,0" LOGITS "0,-inf", LN_2, -0.5},
	{ROW "0,-inf" LOGITS "0,0", INF, 0.5},
	{ROW "0,-inf" LOGITS "0,-inf", 0, 0},
	{ROW "0,0" LOGITS "0,-inf" OF("reverse"), INF, NOT_A_NUMBER},
	{ROW "0,-inf" LOGITS "0,0" OF("reverse"), LN_2, 0},
	{ROW "0,-inf" LOGITS "0,-inf" OF("jsd"), 0, 0},
	{ROW "0,-inf" LOGITS "-inf,0" OF("jsd"), LN_2, 0},
	{ROW "0,-inf" LOGITS "0,-inf" OF("cross_entropy"), 0, 0},
	{ROW "-inf,0" LOGITS "0,-inf" OF("cross_entropy"), INF, -1},
	{ROW "0,nan" LOGITS "0,0", NOT_A_NUMBER, NOT_A_NUMBER},
	{ROW "0,0" LOGITS "0,nan" OF("reverse"), NOT_A_NUMBER, NOT_A_NUMBER},
	{ROW "+inf,0" LOGITS "0,0", NOT_A_NUMBER, NOT_A_NUMBER},
	{ROW "0,0" LOGITS "+inf,0", NOT_A_NUMBER, NOT_A_NUMBER},
	{ROW "-inf,-inf" LOGITS "0,0", NOT_A_NUMBER, NOT_A_NUMBER},
	{ROW "0,0" LOGITS "-inf,-inf", NOT_A_NUMBER, NOT_A_NUMBER},
	{ROW "0,0" LOGITS "0,-2000", LN_2, -0.5},
	{ROW "0,-2000" LOGITS "0,0", 1000 - LN_2, 0.5},
	{ROW "0,0" LOG_PROBS "-inf,-inf", 0, 0},
	{ROW "0,0" LOG_PROBS "-inf,0", LN_2, 0.5},
	{ROW "0,0" LOG_PROBS "nan,0", NOT_A_NUMBER, NOT_A_NUMBER},
	{ROW "0,0" LOG_PROBS LOG_HALF "," LOG_HALF, 0, 0},
	{ROW "0,0" LISTED("-1,-1", "nan,7"), 0, 0},
	{ROW "0,0" LISTED("-1,-1", "nan,7") " tail=ignore", 0, 0},
	{ROW "0,0" LISTED("-1,-1", "nan,7") " tail=renormalize", NOT_A_NUMBER, NOT_A_NUMBER},
	{ROW "0,0" LISTED("-1,-1", "nan,7") " tail=restrict", NOT_A_NUMBER, NOT_A_NUMBER},
	{ROW "0,0" LISTED("0,-1", LOG_HALF ",7"), 0, 0},
	{ROW "0,0" LISTED("0,-1", "-inf,7"), LN_2, 0.5},
	{ROW "0,0" LISTED("0,-1", "-inf,7") " tail=renormalize", NOT_A_NUMBER, NOT_A_NUMBER},
	{ROW "0,0" LISTED("1,-1", "-0.1,0") " tail=restrict", 0, 0},
	{ROW "-inf,0" LISTED("0,-1", "-0.1,0") " tail=restrict", NOT_A_NUMBER, NOT_A_NUMBER},
	{ROW "0,0" LISTED("0,-1", "0,0"), LN_2, -0.5},
	{ROW "0,0" LISTED("0,1", "0,-inf"), LN_2, -0.5},
	{ROW "0,0" LISTED("0,-1", "nan,0"), NOT_A_NUMBER, NOT_A_NUMBER},
	{ROW "0,0" LOGITS "0,-inf targets:I64:1=0 hard_weight=1", LN_2, -0.5},
	{ROW "0,0" LOGITS "nan,nan mask:BOOL:1=0", 0, 0},
	{ROW "nan,0" LISTED("9,9", "9,9") " mask:BOOL:1=0", 0, 0},
	{ROW "nan,0" LISTED("9,9", "9,9") " targets:I64:1=-100", 0, 0},
	{ROW "0,-inf" LOGITS "0,0 row_weight:F64:1=0", 0, 0},
	{ROW "0,0" LOGITS "0,-inf temperature=2 temperature_squared=true", 4 * LN_2, -1},
};

static void check_edge(const struct edge *edge)
{
	struct eval eval;
	spec_run(&eval, edge->text);
	double loss = eval_value(eval_output(&eval, "loss"), 0);
	double grad = eval_value(eval_output(&eval, "grad"), 0);
	bool loss_right = isnan(edge->loss) ? isnan(loss)
					    : loss == edge->loss || fabs(loss - edge->loss) < 1e-12;
	bool grad_right = isnan(edge->grad) ? isnan(grad) : fabs(grad - edge->grad) < 1e-12;
	require(loss_right, "%s: loss %.17g", edge->text, loss);
	require(grad_right, "%s: grad %.17g", edge->text, grad);
	eval_end(&eval);
}

static void edges_are_as_documented(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(edges); i++)
		check_edge(&edges[i]);
}

/* Both sides by vectors and one class at a time: a class more that nobody has makes the row one
 * that vectors leave. */
static void vectors_and_plain_rows_agree(void **state)
{
	static const char *const kinds[] = {"forward", "reverse", "jsd", "cross_entropy"};
	(void)state;
	for (size_t i = 0; i < COUNT(kinds); i++) {
		char text[400];
		struct eval by_vectors, plain;
		snprintf(text, sizeof text,
			 "divergence logits:F64:1,3=0.5,-1,2 teacher_logits:F64:1,3=0.25,-1.5,2.5 "
			 "kind=%s",
			 kinds[i]);
		spec_run(&by_vectors, text);
		snprintf(text, sizeof text,
			 "divergence logits:F64:1,4=0.5,-1,2,-inf "
			 "teacher_logits:F64:1,4=0.25,-1.5,2.5,-inf kind=%s",
			 kinds[i]);
		spec_run(&plain, text);
		double a = eval_value(eval_output(&by_vectors, "loss"), 0);
		double b = eval_value(eval_output(&plain, "loss"), 0);
		require(fabs(a - b) <= 1e-15, "%s: %.17g and %.17g", kinds[i], a, b);
		eval_end(&by_vectors);
		eval_end(&plain);
	}
}

/* ---------------------------------------------------------------- what is wrong */

#define TWO "divergence logits:F32:2,3 "
#define LIST "teacher_indices:I64:2,2=0,1,2,0 teacher_log_probs:F32:2,2="

static const struct refusal {
	const char *text;
	loss_status status;
	const char *field, *detail;
} refusals[] = {
	{TWO, LOSS_MISSING_FIELD, "teacher_logits",
	 "divergence needs teacher_logits, of the shape of logits; or teacher_log_probs of that "
	 "shape, or of the shape of teacher_indices beside these"},
	{TWO "teacher_indices:I64:2,2=0,1,0,1", LOSS_MISSING_FIELD, "teacher_log_probs",
	 "teacher_indices needs teacher_log_probs, of its shape"},
	{TWO "teacher_logits:F32:2,3 teacher_log_probs:F32:2,3", LOSS_ARGUMENT_OUT_OF_RANGE,
	 "teacher_log_probs",
	 "teacher_log_probs is given, but must be left out beside teacher_logits: there is one "
	 "teacher"},
	{TWO "teacher_logits:F32:2,3 " LIST "-1", LOSS_ARGUMENT_OUT_OF_RANGE, "teacher_indices",
	 "teacher_indices is given, but must be left out beside teacher_logits: there is one "
	 "teacher"},
	{TWO "teacher_logits:F32:2,3 hard_weight=0.5", LOSS_MISSING_FIELD, "targets",
	 "hard_weight is 0.5, which needs targets: a class for each row"},
	{TWO "teacher_logits:F32:2,3 outputs=delta_prob", LOSS_MISSING_FIELD, "targets",
	 "the output delta_prob of divergence needs targets, a class for each row of logits"},
	{TWO "teacher_logits:F32:2,3 kind=jsd beta=0", LOSS_ARGUMENT_OUT_OF_RANGE, "beta",
	 "beta is 0, but must be greater than 0 and less than 1; instead of 0 take kind "
	 "\"forward\", instead of 1 \"reverse\""},
	{TWO "teacher_logits:F32:2,3 kind=jsd beta=1", LOSS_ARGUMENT_OUT_OF_RANGE, "beta",
	 "beta is 1, but must be greater than 0 and less than 1; instead of 0 take kind "
	 "\"forward\", instead of 1 \"reverse\""},
	{TWO "teacher_logits:F32:2,3 targets:I64:2 hard_weight=1.5", LOSS_ARGUMENT_OUT_OF_RANGE,
	 "hard_weight", "hard_weight is 1.5, but must be 0 to 1"},
	{TWO "teacher_logits:F32:2,3 kind=sideways", LOSS_ARGUMENT_OUT_OF_RANGE, "kind",
	 "kind is \"sideways\", but must be one of \"forward\", \"reverse\", \"jsd\", "
	 "\"cross_entropy\""},
	{TWO "teacher_logits:F32:2,4", LOSS_SHAPE_MISMATCH, "teacher_logits",
	 "teacher_logits has shape (2, 4), but must have (2, 3), that of logits"},
	{TWO "teacher_indices:I64:2,2=0,1,2,3 teacher_log_probs:F32:2,2=-1",
	 LOSS_TARGET_OUT_OF_BOUNDS, "teacher_indices",
	 "teacher_indices[1][1] is 3, but there are 3 classes (0..2)"},
	{TWO "teacher_indices:I64:2,2=0,1,2,-2 teacher_log_probs:F32:2,2=-1",
	 LOSS_TARGET_OUT_OF_BOUNDS, "teacher_indices",
	 "teacher_indices[1][1] is -2, but there are 3 classes (0..2)"},
	{TWO "teacher_indices:I64:2,2=0,1,2,2 teacher_log_probs:F32:2,2=-1",
	 LOSS_TARGET_OUT_OF_BOUNDS, "teacher_indices",
	 "teacher_indices[1][1] is 2, but each class may be listed once in a row (-1 is an empty "
	 "place)"},
	/* 2 exp(-0.685) is 1.0082, 2 exp(-0.686) 1.0072 */
	{TWO LIST "-1,-1,-0.685,-0.685", LOSS_ARGUMENT_OUT_OF_RANGE, "teacher_log_probs",
	 "teacher_log_probs of row 1 are logarithms of probabilities that add up to 1.00818046, "
	 "but must come to at most 1.0078125"},
	{"divergence logits:F32:1,9 teacher_indices:I64:1,1=4 teacher_log_probs:BF16:1,1=0.25",
	 LOSS_ARGUMENT_OUT_OF_RANGE, "teacher_log_probs",
	 "teacher_log_probs of row 0 are logarithms of probabilities that add up to 1.28402542, "
	 "but must come to at most 1.0625"},
	{TWO LIST "+inf,-1,-1,-1", LOSS_ARGUMENT_OUT_OF_RANGE, "teacher_log_probs",
	 "teacher_log_probs of row 0 are logarithms of probabilities that add up to inf, but must "
	 "come to at most 1.0078125"},
};

static void wrong_problems_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(refusals); i++) {
		struct eval eval;
		loss_status got = spec_plan(&eval, refusals[i].text);
		require(got == refusals[i].status, "%s: %s", refusals[i].text,
			got == LOSS_OK ? "ok" : eval.error.detail);
		require(strcmp(eval.error.field, refusals[i].field) == 0, "%s: field %s",
			refusals[i].text, eval.error.field);
		require(strcmp(eval.error.detail, refusals[i].detail) == 0, "%s:\n%s\n%s",
			refusals[i].text, eval.error.detail, refusals[i].detail);
		eval_end(&eval);
	}
}

/* ---------------------------------------------------------------- warnings */

static const struct {
	const char *text, *warning; /* NULL: none */
} warnings[] = {
	{TWO "teacher_logits:F32:2,3 beta=0.5", "beta has no effect unless kind is \"jsd\""},
	{TWO "teacher_logits:F32:2,3 beta=0.5 kind=jsd", NULL},
	{TWO "teacher_logits:F32:2,3 tail=ignore", "tail has no effect without teacher_indices"},
	{TWO "teacher_logits:F32:2,3 ignore_index=1", "ignore_index has no effect without targets"},
	{TWO "teacher_logits:F32:2,3 targets:I64:2=0 ignore_index=1", NULL},
	{TWO LIST "-1,-1,-0.686,-0.686", "1 row lists probabilities that come to 1 or more: the "
					 "other classes are left out there"},
	{TWO LIST "-0.686", "2 rows list probabilities that come to 1 or more: the other classes "
			    "are left out there"},
	{TWO LIST "-0.686 tail=ignore", NULL},
	{TWO "teacher_indices:I64:2,3=0,1,2,2,1,0 teacher_log_probs:F32:2,3=-1.095", NULL},
};

static void warnings_are_given(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(warnings); i++) {
		struct eval eval;
		spec_run(&eval, warnings[i].text);
		size_t n = warnings[i].warning != NULL;
		require(eval.result.n_warnings == n, "%s: %zu warnings", warnings[i].text,
			eval.result.n_warnings);
		require(n == 0 || strcmp(eval.result.warnings[0], warnings[i].warning) == 0,
			"%s: %s", warnings[i].text, n ? eval.result.warnings[0] : "");
		eval_end(&eval);
	}
}

/* ---------------------------------------------------------------- near equality */

/* Of n classes of which each has logit a, but one b: two probabilities say it all. */
static double exact_of_two(double n, double a, double b)
{
	long double d = (long double)b - (long double)a;
	long double all = (long double)n, p = 1 / all, q = expl(d) / (expl(d) + all - 1);
	long double rest = (1 - p) * (log1pl(-p) - log1pl(-q));
	return (double)(p * (logl(p) - logl(q)) + rest);
}

/* Rows of ones, and of ones but for class 3. */
static double loss_of(double other, loss_dtype dtype)
{
	enum { CLASSES = 1000 };
	const size_t shape[] = {1, CLASSES};
	double teacher[CLASSES], student[CLASSES];
	struct eval eval;
	for (size_t c = 0; c < CLASSES; c++)
		teacher[c] = student[c] = 1.0;
	student[3] = other;
	eval_start(&eval, "divergence");
	eval_set(&eval, "logits", eval_floats(&eval, dtype, 2, shape, student));
	eval_set(&eval, "teacher_logits", eval_floats(&eval, dtype, 2, shape, teacher));
	eval_run(&eval, 1);
	double loss = eval_value(eval_output(&eval, "loss"), 0);
	eval_end(&eval);
	return loss;
}

static void nothing_cancels_where_two_models_agree(void **state)
{
	static const double differences[] = {1, 0.125, 0x1p-10, 0x1p-15, 0x1p-18, -1, -0x1p-17};
	(void)state;
	skip_unless_precise();
	for (size_t i = 0; i < COUNT(differences); i++) {
		double other = 1 + differences[i], exact = exact_of_two(1000, 1, other);
		double narrow = loss_of(other, LOSS_F32), wide = loss_of(other, LOSS_F64);
		require(narrow > 0 && fabs(narrow - exact) <= 2.4e-7 * exact + 1e-18,
			"%g: %.9g, not %.9g", differences[i], narrow, exact);
		require(wide > 0 && fabs(wide - exact) <= 1e-11 * exact + 1e-18,
			"%g: %.17g, not %.17g", differences[i], wide, exact);
	}
}

/* What is said of the student alone is the same bits, whether its row counts or not. */
static void a_student_is_the_same_whether_its_row_counts(void **state)
{
	enum { CLASSES = 2, ROWS = 512 };
	static const size_t shape[] = {2 * ROWS, CLASSES}, rows[] = {2 * ROWS};
	static const char *const names[] = {"lse", "entropy", NULL};
	static double student[2 * ROWS * CLASSES], teacher[2 * ROWS * CLASSES];
	static int64_t targets[2 * ROWS];
	struct random random = random_start(5);
	(void)state;
	for (size_t i = 0; i < (size_t)ROWS * CLASSES; i++) {
		student[i] = student[i + (size_t)ROWS * CLASSES] = random_normal(&random);
		teacher[i] = teacher[i + (size_t)ROWS * CLASSES] = student[i] + 0.125;
	}
	for (size_t r = ROWS; r < (size_t)2 * ROWS; r++)
		targets[r] = -100;
	for (loss_dtype dtype = LOSS_F64; dtype <= LOSS_BF16; dtype++) {
		struct eval eval;
		eval_start(&eval, "divergence");
		eval_set(&eval, "logits", eval_floats(&eval, dtype, 2, shape, student));
		eval_set(&eval, "teacher_logits", eval_floats(&eval, dtype, 2, shape, teacher));
		eval_set(&eval, "targets", eval_integers(&eval, LOSS_I64, 1, rows, targets));
		eval_outputs(&eval, names);
		eval_run(&eval, 1);
		for (size_t k = 0; names[k]; k++)
			for (size_t r = 0; r < ROWS; r++)
				require(eval_value(eval_output(&eval, names[k]), r) ==
						eval_value(eval_output(&eval, names[k]), r + ROWS),
					"%s of row %zu", names[k], r);
		eval_end(&eval);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(edges_are_as_documented),
		cmocka_unit_test(vectors_and_plain_rows_agree),
		cmocka_unit_test(wrong_problems_are_refused),
		cmocka_unit_test(warnings_are_given),
		cmocka_unit_test(nothing_cancels_where_two_models_agree),
		cmocka_unit_test(a_student_is_the_same_whether_its_row_counts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
