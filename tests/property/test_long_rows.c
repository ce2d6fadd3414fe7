/* Rows of several blocks of classes: what stands in which block, and who evaluates it, changes
 * nothing. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdatomic.h>

#include "../support/eval.h"
#include "../support/random.h"
#include "../support/spec.h"
#include "../support/team.h"
#include "kernel/row_parts.h"

static const char *const all_outputs[] = {"loss",    "grad",      "log_probs", "probs", "lse",
					  "entropy", "predicted", "rank",      NULL};

struct long_rows {
	loss_dtype dtype;
	size_t rows, classes;
	double *x;
	int64_t *y;
	double smoothing;
};

static void start(struct eval *eval, const struct long_rows *all)
{
	size_t shape[2] = {all->rows, all->classes};
	eval_start(eval, "cross_entropy");
	eval_set(eval, "logits", eval_floats(eval, all->dtype, 2, shape, all->x));
	eval_set(eval, "targets", eval_integers(eval, LOSS_I64, 1, shape, all->y));
	eval_string(eval, "reduction", "none");
	if (all->smoothing > 0.0)
		eval_number(eval, "label_smoothing", all->smoothing);
	eval_outputs(eval, all_outputs);
}

static void draw(struct eval *holder, struct random *random, struct long_rows *all)
{
	all->x = eval_array(holder, double, all->rows * all->classes);
	all->y = eval_array(holder, int64_t, all->rows);
	for (size_t i = 0; i < all->rows * all->classes; i++)
		all->x[i] = random_uniform(random, -4.0, 4.0);
	for (size_t r = 0; r < all->rows; r++)
		all->y[r] = (int64_t)random_below(random, all->classes);
}

static void require_same(const struct eval *one, const struct eval *other, const char *what)
{
	for (size_t i = 0; i < one->result.n_outputs; i++)
		require(eval_same_bits(&one->result.outputs[i].tensor,
				       &other->result.outputs[i].tensor),
			"%s is not the same bits with %s", one->result.outputs[i].name, what);
}

static void same_bits_from_any_team(void **state)
{
	static const size_t sizes[][2] = {
		{1, ROW_PART}, {1, ROW_PART + 1}, {3, 2 * ROW_PART}, {1, 200003}};
	static const loss_dtype dtypes[] = {LOSS_F32, LOSS_BF16, LOSS_F8_E4M3};
	struct random random = random_start(0x10e6);
	(void)state;
	for (size_t i = 0; i < 12; i++) {
		struct eval holder, one, other;
		struct long_rows all = {.dtype = dtypes[i / 4],
					.rows = sizes[i % 4][0],
					.classes = sizes[i % 4][1],
					.smoothing = i % 2 == 0 ? 0.0 : 0.1};
		eval_start(&holder, "cross_entropy");
		draw(&holder, &random, &all);
		start(&one, &all);
		eval_run(&one, 1);
		for (int threads = 2; threads <= 5; threads++) {
			start(&other, &all);
			eval_run(&other, threads);
			require_same(&one, &other, "more threads");
			eval_end(&other);
		}
		for (size_t k = 0; loss_isa_at(k) != NULL; k++) {
			if (loss_isa_find(loss_isa_at(k)) == NULL)
				continue;
			start(&other, &all);
			loss_problem_set_isa(other.problem, loss_isa_find(loss_isa_at(k)));
			eval_run(&other, 2);
			require_same(&one, &other, loss_isa_at(k));
			eval_end(&other);
		}
		eval_end(&one);
		eval_end(&holder);
	}
}

/* ---------------------------------------------------------------- who does it */

struct parts {
	atomic_size_t begun[8];
	atomic_size_t classes, misplaced;
};

static void count_part(void *context, size_t block, size_t c, size_t n)
{
	struct parts *parts = context;
	meeting_attend();
	atomic_fetch_add(&parts->begun[block], 1);
	atomic_fetch_add(&parts->classes, n);
	atomic_fetch_add(&parts->misplaced, c != block * ROW_PART);
}

/* As many threads as the plan's team has, if there are blocks for them. */
static void blocks_are_shared_by_the_team(void **state)
{
	static const size_t classes[] = {ROW_PART, 3 * ROW_PART - 1, 7 * ROW_PART + 5};
	static const size_t blocks[] = {1, 3, 8};
	(void)state;
	for (int team = 0; team <= 4; team++)
		for (size_t i = 0; i < 3; i++) {
			struct loss_plan plan = {.classes = classes[i], .team = team};
			struct parts parts = {0};
			size_t most = team > 1 ? (size_t)team : 1;
			size_t wanted = blocks[i] < most ? blocks[i] : most;
			meeting_open(wanted);
			row_parts_run(&plan, count_part, &parts);
#ifdef _OPENMP
			assert_int_equal(meeting_came(), wanted);
#endif
			assert_int_equal(atomic_load(&parts.classes), classes[i]);
			assert_int_equal(atomic_load(&parts.misplaced), 0);
			for (size_t block = 0; block < 8; block++)
				assert_int_equal(atomic_load(&parts.begun[block]),
						 block < blocks[i]);
		}
}

/* Each part asks before it begins. */
static void a_cancelled_row_has_no_more_parts(void **state)
{
	struct loss_cancel cancel = {0};
	struct loss_plan plan = {.classes = 7 * ROW_PART + 5, .team = 1, .cancel = &cancel};
	struct parts parts = {0};
	(void)state;
	meeting_open(1);
	row_parts_run(&plan, count_part, &parts);
	assert_int_equal(atomic_load(&parts.classes), plan.classes);
	assert_true(plan_has_class(&plan, CANCEL_CLASSES));
	loss_cancel_request(&cancel);
	row_parts_run(&plan, count_part, &parts);
	assert_int_equal(atomic_load(&parts.classes), plan.classes);
	assert_false(plan_has_class(&plan, CANCEL_CLASSES));
	assert_true(plan_has_class(&plan, CANCEL_CLASSES + 1));
}

/* What a cancelled run leaves of its rows is for nobody, but nothing reads what is not there: in
 * any layout, with every output, and with rows that the vector kernels leave. */
static void cancelled_rows_do_no_harm(void **state)
{
	static const char *const texts[] = {
		"cross_entropy logits:F32:2,200000=1,2 targets:I64:2=7 outputs=loss,grad,rank,ece",
		"cross_entropy logits:F32:2,200000=1,2,3 targets:I64:2=7 outputs=entropy,probs",
		"cross_entropy logits:F64:1,200000=1,+nan,3 targets:I64:1=7 outputs=loss,grad,rank",
		"cross_entropy logits:F32:1,100000,3=1,2 targets:I64:1,3=7 outputs=loss,grad,rank",
		"softmax logits:F32:1,200000=1,2 grad_output:F32:1,200000=1 outputs=grad,probs",
	};
	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct loss_cancel cancel = {0};
		struct eval eval;
		assert_int_equal(spec_plan(&eval, texts[i]), LOSS_OK);
		loss_cancel_request(&cancel);
		eval.plan->cancel = &cancel; /* as if in the middle of a block */
		loss_plan_run_blocks(eval.plan, 0, 1);
		eval_end(&eval);
	}
}

/* Rows are shared where they are too few to keep a team busy to the end, and long. */
static void few_long_rows_are_shared(void **state)
{
	static const struct {
		size_t rows, classes;
		int threads, team;
		loss_dtype dtype; /* F64 has no kernel that shares rows */
	} cases[] = {
		{1, ROW_PART + 1, 1, 1, LOSS_F32},  {1, ROW_PART + 1, 0, 1, LOSS_F32},
		{1, ROW_PART + 1, 2, 2, LOSS_F32},  {1, ROW_PART, 2, 1, LOSS_F32},
		{2, ROW_PART + 1, 2, 1, LOSS_F32},  {3, ROW_PART + 1, 2, 2, LOSS_F32},
		{4, ROW_PART + 1, 2, 1, LOSS_F32},  {5, ROW_PART + 1, 2, 1, LOSS_F32},
		{5, ROW_PART + 1, 3, 3, LOSS_F32},  {6, ROW_PART + 1, 3, 1, LOSS_F32},
		{7, ROW_PART + 1, 3, 1, LOSS_F32},  {1, ROW_PART + 1, 2, 2, LOSS_F64},
		{3, ROW_PART + 1, 2, 2, LOSS_BF16},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct random random = random_start(i);
		struct eval holder, eval;
		struct long_rows all = {.dtype = cases[i].dtype,
					.rows = cases[i].rows,
					.classes = cases[i].classes};
		eval_start(&holder, "cross_entropy");
		draw(&holder, &random, &all);
		start(&eval, &all);
		eval_plan(&eval);
		team_run(&eval, cases[i].threads);
		require(eval.plan->team == cases[i].team, "%zu rows, %d threads: a team of %d",
			cases[i].rows, cases[i].threads, eval.plan->team);
		eval_end(&eval);
		eval_end(&holder);
	}
}

/* One row of zeros but for a few logits, evaluated by a team. */
struct special {
	const char *what;
	size_t at[3];
	double value[3];
	size_t y;
	int64_t predicted, rank;
	double loss;
};

#define C (3 * ROW_PART + 17)

static void check_special(const struct special *special)
{
	struct eval eval, holder;
	int64_t y = (int64_t)special->y;
	struct long_rows all = {.dtype = LOSS_F32, .rows = 1, .classes = C, .y = &y};
	eval_start(&holder, "cross_entropy");
	all.x = eval_array(&holder, double, C);
	for (size_t i = 0; i < 3; i++)
		all.x[special->at[i]] = special->value[i];
	start(&eval, &all);
	eval_run(&eval, 3);
	double loss = eval_value(eval_output(&eval, "loss"), 0);
	require(isnan(special->loss) ? isnan(loss) != 0
				     : fabs(loss - special->loss) <= 2e-7 * special->loss,
		"%s: the loss is %.9g, not %.9g", special->what, loss, special->loss);
	require(eval_index(eval_output(&eval, "predicted"), 0) == special->predicted,
		"%s: predicted is %lld", special->what,
		(long long)eval_index(eval_output(&eval, "predicted"), 0));
	require(eval_index(eval_output(&eval, "rank"), 0) == special->rank, "%s: rank is %lld",
		special->what, (long long)eval_index(eval_output(&eval, "rank"), 0));
	eval_end(&eval);
	eval_end(&holder);
}

static void what_stands_in_which_block(void **state)
{
	const size_t last = C - 1, second = ROW_PART + 5;
	const struct special specials[] = {
		{"the maximum in the last block",
		 {last, 0, 0},
		 {100, 0, 0},
		 last,
		 (int64_t)last,
		 0,
		 (double)(C - 1) * exp(-100)},
		{"equal maxima in two blocks",
		 {second, last, 0},
		 {100, 100, 0},
		 last,
		 (int64_t)second,
		 1,
		 log(2)},
		{"a target after equals of its own block",
		 {last, 0, 0},
		 {1, 0, 0},
		 last - 1,
		 (int64_t)last,
		 C - 1,
		 log((double)(C - 1) + exp(1))},
		{"a NaN in the last block",
		 {last, 1, 0},
		 {(double)NAN, 5, 0},
		 1,
		 (int64_t)last,
		 -1,
		 (double)NAN},
		{"an infinity in the second block",
		 {second, 1, 0},
		 {HUGE_VAL, 5, 0},
		 1,
		 (int64_t)second,
		 -1,
		 (double)NAN},
		{"a maximum far above the blocks before",
		 {second, last, 0},
		 {60, 800, 0},
		 last,
		 (int64_t)last,
		 0,
		 0.0},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(specials) / sizeof(specials[0]); i++)
		check_special(&specials[i]);
}

/* Blocks in which all classes are excluded. */
static void excluded_blocks(void **state)
{
	int64_t y = C - 1;
	struct long_rows all = {.dtype = LOSS_F32, .rows = 1, .classes = C, .y = &y};
	struct eval eval, holder;
	(void)state;
	eval_start(&holder, "cross_entropy");
	all.x = eval_array(&holder, double, C);
	for (size_t c = 0; c < 3 * ROW_PART; c++)
		all.x[c] = -HUGE_VAL;
	start(&eval, &all);
	eval_run(&eval, 3);
	double loss = eval_value(eval_output(&eval, "loss"), 0);
	require(fabs(loss - log(17)) <= 3e-7, "the loss of 17 equal classes is %.9g", loss);
	require(eval_value(eval_output(&eval, "probs"), 0) == 0.0 &&
			eval_value(eval_output(&eval, "grad"), ROW_PART) == 0.0,
		"an excluded class has a probability");
	eval_end(&eval);
	eval_end(&holder);
}

struct visit {
	unsigned char *seen;
	size_t *blocks;
};

static void visit(void *context, size_t block, size_t c, size_t n)
{
	struct visit *all = context;
	for (size_t i = c; i < c + n; i++)
		all->seen[i]++;
	all->blocks[block] = n;
}

static void every_class_is_in_one_block(void **state)
{
	static const size_t classes[] = {1, ROW_PART - 1, ROW_PART, ROW_PART + 1, C};
	struct eval eval;
	(void)state;
	eval_start(&eval, "softmax");
	for (size_t i = 0; i < 10; i++) {
		size_t n = classes[i / 2];
		struct loss_plan plan = {.classes = n, .team = i % 2 == 0 ? 1 : 3};
		struct visit all = {eval_array(&eval, unsigned char, n),
				    eval_array(&eval, size_t, row_parts(n))};
		row_parts_run(&plan, visit, &all);
		for (size_t c = 0; c < n; c++)
			require(all.seen[c] == 1, "class %zu of %zu was visited %d times", c, n,
				all.seen[c]);
		for (size_t k = 0; k < row_parts(n); k++)
			require(all.blocks[k] > 0, "block %zu of %zu classes is empty", k, n);
	}
	eval_end(&eval);
}

static void there_is_an_end_to_blocks(void **state)
{
	static const size_t classes[] = {1, ROW_PART * MAX_ROW_PARTS, ROW_PART * MAX_ROW_PARTS + 1,
					 (size_t)1 << 40, SIZE_MAX / 8};
	(void)state;
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		size_t n = row_parts(classes[i]), size = row_part_size(classes[i]);
		require(n >= 1 && n <= MAX_ROW_PARTS, "%zu classes make %zu blocks", classes[i], n);
		require((n - 1) * size < classes[i] && classes[i] - (n - 1) * size <= size,
			"%zu blocks of %zu do not make %zu classes", n, size, classes[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_bits_from_any_team),
		cmocka_unit_test(blocks_are_shared_by_the_team),
		cmocka_unit_test(a_cancelled_row_has_no_more_parts),
		cmocka_unit_test(cancelled_rows_do_no_harm),
		cmocka_unit_test(few_long_rows_are_shared),
		cmocka_unit_test(what_stands_in_which_block),
		cmocka_unit_test(excluded_blocks),
		cmocka_unit_test(every_class_is_in_one_block),
		cmocka_unit_test(there_is_an_end_to_blocks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
