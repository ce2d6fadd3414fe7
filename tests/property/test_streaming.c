/* Rows that are evaluated as they arrive give the bits that the whole problem gives, however the
 * whole blocks are cut into pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/problem.h"
#include "../support/batch.h"
#include "../support/spec.h"

static void require_same(const struct eval *a, const struct eval *b)
{
	require(a->result.n_outputs == b->result.n_outputs, "other outputs");
	for (size_t i = 0; i < a->result.n_outputs; i++)
		require(eval_same_bits(&a->result.outputs[i].tensor, &b->result.outputs[i].tensor),
			"other bits of %s's %s", a->info->name, a->result.outputs[i].name);
	const struct loss_totals *x = &a->result.totals, *y = &b->result.totals;
	require(memcmp(&x->loss_sum, &y->loss_sum, sizeof(double)) == 0 &&
			memcmp(&x->denominator, &y->denominator, sizeof(double)) == 0 &&
			x->rows == y->rows && x->counted == y->counted && x->ignored == y->ignored,
		"other totals of %s", a->info->name);
}

static const struct loss_tensor *input_of(const struct eval *eval)
{
	return &eval->problem->tensors[LOSS_ROLE_INPUT];
}

/* Hands over some blocks in memory that ends where they end, so that a sanitizer sees reads beyond.
 */
static void run_piece(struct eval *eval, const unsigned char *input, size_t row_bytes,
		      const size_t rows[2])
{
	size_t size = rows[1] * row_bytes;
	unsigned char *piece = malloc(size);
	assert_non_null(piece);
	memcpy(piece, input + rows[0] * row_bytes, size);
	loss_plan_run_rows(eval->plan, rows[0], rows[1], piece);
	free(piece);
}

/* Takes the input away, plans, and runs its rows in pieces of random numbers of blocks. */
static void run_streamed(struct eval *eval, const struct loss_tensor *input, size_t n_rows,
			 struct random *random)
{
	size_t row_bytes = input->count / n_rows * loss_dtype_info(input->dtype)->size;
	loss_problem_set_data(eval->problem, 0, NULL);
	eval_plan(eval);
	assert_non_null(eval->plan);
	size_t block = loss_plan_block_rows(eval->plan);
	for (size_t row = 0; row < n_rows;) {
		size_t n = block * (1 + random_below(random, 3));
		n = n < n_rows - row ? n : n_rows - row;
		run_piece(eval, input->data, row_bytes, (size_t[]){row, n});
		row += n;
	}
	loss_plan_finish(eval->plan, &eval->result);
}

static const struct {
	enum batch_layout layout;
	size_t sizes[3]; /* rows, classes, inner */
} shapes[] = {
	{BATCH_ROWS, {1, 1, 1}},     {BATCH_ROWS, {1, 33, 1}},     {BATCH_ROWS, {5000, 10, 1}},
	{BATCH_ROWS, {3001, 3, 1}},  {BATCH_ROWS, {301, 1000, 1}}, {BATCH_ROWS, {7, 40000, 1}},
	{BATCH_ROWS, {5, 9001, 1}},  {BATCH_LAST, {13, 31, 400}},  {BATCH_UNBATCHED, {1, 70000, 1}},
	{BATCH_ROWS, {2500, 64, 1}}, {BATCH_ROWS, {700, 65, 1}},
};
#define N_SHAPES (sizeof shapes / sizeof shapes[0])

static const loss_dtype dtypes[] = {LOSS_F32,  LOSS_F64,     LOSS_F16,
				    LOSS_BF16, LOSS_F8_E4M3, LOSS_F8_E5M2};

static void check_batch(struct random *random, const struct batch *batch, const char *loss,
			const char *const *outputs)
{
	struct eval whole, streamed;
	size_t shape[2] = {batch->rows, batch->classes};
	batch_eval(&whole, batch, loss, outputs);
	batch_start(&streamed, batch, loss);
	eval_outputs(&streamed, outputs);
	struct loss_tensor input = eval_floats(&streamed, batch->dtype, 2, shape, batch->x);
	run_streamed(&streamed, &input, batch->rows, random);
	require_same(&whole, &streamed);
	eval_end(&streamed);
	eval_end(&whole);
}

static void each_shape(const char *loss, const char *const *outputs)
{
	struct random random = random_start(0x57e);
	for (size_t i = 0; i < 3 * N_SHAPES; i++) {
		struct batch batch =
			batch_make(&random, dtypes[i % 6], batch_distribution(i / 2),
				   shapes[i % N_SHAPES].layout, shapes[i % N_SHAPES].sizes);
		batch_ignore(&batch, &random, 0.2);
		if (i % 3 == 1)
			batch_add_weight(&batch, &random, true);
		if (i % 3 == 2 && strcmp(loss, "nll_loss") != 0)
			batch.smoothing = 0.1;
		batch.reduction = i % 2 ? "none" : "mean";
		check_batch(&random, &batch, loss, outputs);
		batch_free(&batch);
	}
}

static void cross_entropy(void **state)
{
	static const char *const outputs[] = {"loss", NULL};
	(void)state;
	each_shape("cross_entropy", outputs);
}

static void cross_entropy_with_all_outputs_of_rows(void **state)
{
	static const char *const outputs[] = {"accuracy", "correct",   "rank",    "perplexity",
					      "ece",      "z_loss",    "entropy", "loss",
					      "lse",      "predicted", NULL};
	(void)state;
	each_shape("cross_entropy", outputs);
}

static void nll_loss(void **state)
{
	static const char *const outputs[] = {"loss", NULL};
	(void)state;
	each_shape("nll_loss", outputs);
}

static void require_streams(const char *const *specs, size_t n, uint64_t seed)
{
	struct random random = random_start(seed);
	for (size_t i = 0; i < n; i++) {
		struct eval whole, streamed, source;
		spec_run(&whole, specs[i]);
		spec_plan(&source, specs[i]);
		spec_start(&streamed, specs[i]);
		run_streamed(&streamed, input_of(&source), whole.result.totals.rows, &random);
		require_same(&whole, &streamed);
		eval_end(&streamed);
		eval_end(&source);
		eval_end(&whole);
	}
}

/* What rows have beside their targets comes before them. */
static void policy_gradient(void **state)
{
#define PG "policy_gradient sampling_log_probs:F32:"
	static const char *const specs[] = {
		PG
		"5000=-3,-2.5,-1 advantages:F32:5000=1,-2,0.5 logits:F32:5000,10=1,2,-3,0.5,7,0,1 "
		"targets:I64:5000=3,1,9,-100 objective=ppo reduction=none "
		"outputs=loss,log_prob,ratio,kl,clip_fraction,entropy,predicted,lse",
		PG
		"3,700=-3,-2.5,-1 advantages:F64:3,700=1,-2,0.5 "
		"reference_log_probs:BF16:3,700=-3,-2,-0.5,-1 kl_weight=0.3 class_axis=-1 "
		"row_weight:F16:3,700=1,0,2,0.5,1 logits:F32:3,700,17=1,2,-3,0.5,7 "
		"targets:I64:3,700=3,1,16,-100,9 shift=true objective=cispo outputs=loss,kl,ratio",
		PG "40,33=-3,-2.5,-1,-7 advantages:F32:40,33=1,-2,0.5 class_axis=-1 objective=dro "
		   "mask:BOOL:40,33=1,0,1,1,1 logits:F64:40,33,64=1,2,-3,0.5,7,1,1 "
		   "groups:I64:40,33=0,1,2 targets:I64:40,33=3,1,63,9 reduction=sequence_mean "
		   "shift=true outputs=loss,group_loss",
		PG "2,9=-9,-12,-10 advantages:F32:2,9=1,-2,0.5 class_axis=-1 "
		   "logits:F32:2,9,9001=1,2,-3,0.5,7,1,1 targets:I32:2,9=3,1,300 softcap=3 "
		   "temperature=0.5 reduction=sequence_mean",
	};
	(void)state;
	require_streams(specs, sizeof specs / sizeof specs[0], 0x580);
}

/* A language model's layout: each row needs the target of the next. */
static void shifted_targets_and_transformed_logits(void **state)
{
	static const char *const specs[] = {
		CE "logits:F32:3,700,17=1,2,-3,0.5,7 targets:I64:3,700=3,1,16,-100,9 shift=true "
		   "class_axis=-1 reduction=none outputs=loss,rank,correct",
		CE
		"logits:BF16:2,300,301=1,2,-3,0.5,7,1,1 targets:U16:2,300=3,1,300,8,9 shift=true "
		"class_axis=-1 outputs=loss,accuracy,perplexity",
		CE "logits:F32:2,9,9001=1,2,-3,0.5,7,1,1 targets:I32:2,9=3,1,300 shift=true "
		   "class_axis=-1 softcap=3 temperature=0.5 z_loss=1e-3 outputs=loss,z_loss,ece",
		CE "logits:F32:40,1,20=1,2,-3 targets:I32:40,1=3 shift=true class_axis=-1",
	};
	(void)state;
	require_streams(specs, sizeof specs / sizeof specs[0], 0x57f);
}

static void listed_teachers(void **state)
{
	static const char *const specs[] = {
		"divergence logits:F32:3001,5=1,2,-3,0.5,7,1,3 "
		"teacher_indices:I64:3001,2=1,4,0,2,3,-1 "
		"teacher_log_probs:F32:3001,2=-1,-2,-0.75,-1.5,-3 reduction=none "
		"outputs=loss,agrees,entropy,lse,predicted",
		"divergence logits:BF16:7,9001=1,2,-3,0.5,7,1,1,2 "
		"teacher_indices:I32:7,3=8,3000,9000,2 "
		"teacher_log_probs:F16:7,3=-1,-2,-1.75,-1.5,-3 kind=reverse temperature=2 "
		"targets:I64:7=3,4,-100 hard_weight=0.5 row_weight:F32:7=1,2 "
		"outputs=loss,delta_prob",
		"divergence logits:F64:300,40=1,2,-3,0.5,7,1,1 teacher_indices:U8:300,1=1,2,3 "
		"teacher_log_probs:F64:300,1=-1,-2 tail=restrict kind=jsd mask:BOOL:300=1,1,0 "
		"outputs=loss,agreement",
	};
	struct random random = random_start(0x57e);
	(void)state;
	for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
		struct eval whole, streamed, source;
		spec_run(&whole, specs[i]);
		spec_plan(&source, specs[i]);
		spec_start(&streamed, specs[i]);
		run_streamed(&streamed, input_of(&source), whole.result.totals.rows, &random);
		require_same(&whole, &streamed);
		eval_end(&streamed);
		eval_end(&source);
		eval_end(&whole);
	}
}

/* Whose rows can not be evaluated alone: there is no plan until there is data. */
static void other_plans_wait_for_the_data(void **state)
{
	static const char *const specs[] = {
		CE TWO_ROWS "outputs=loss,grad",
		CE TWO_ROWS "outputs=log_probs",
		CE TWO_ROWS "outputs=loss,probs",
		CE TWO_PROBS,
		CE "logits:F32:2,3,2 targets:I64:2,2",
		BCE TWO_PROBS,
		"binary_cross_entropy probs:F32:2,3=0.5 targets:F32:2,3",
		"kl_div log_probs:F32:2,3 targets:F32:2,3",
		"softmax logits:F32:2,3",
		"log_softmax logits:F32:2,3 outputs=lse",
		NLL "log_probs:F32:2,3 targets:I64:2 outputs=loss,grad",
		PG "2 advantages:F32:2 logits:F32:2,3 targets:I64:2 outputs=loss,grad",
		"divergence logits:F32:2,3 teacher_logits:F32:2,3 targets:I64:2",
		"divergence logits:F32:2,3 teacher_log_probs:F32:2,3",
		"divergence logits:F32:2,3,2 teacher_indices:I64:2,2,1 "
		"teacher_log_probs:F32:2,2,1=-1",
		"divergence logits:F32:2,3 teacher_indices:I64:2,1 teacher_log_probs:F32:2,1=-1 "
		"outputs=loss,grad",
	};
	(void)state;
	for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
		struct eval eval;
		spec_start(&eval, specs[i]);
		void *data = input_of(&eval)->data;
		loss_problem_set_data(eval.problem, 0, NULL);
		eval_plan(&eval);
		assert_null(eval.plan);
		loss_problem_set_data(eval.problem, 0, data);
		eval_plan(&eval);
		assert_non_null(eval.plan);
		eval_end(&eval);
	}
}

static void what_is_wrong_is_found_before_the_rows(void **state)
{
	static const struct {
		const char *spec;
		loss_status status;
	} cases[] = {
		{CE "logits:F32:2,3 targets:I64:2=3", LOSS_TARGET_OUT_OF_BOUNDS},
		{CE "logits:F32:2,3 targets:I64:3", LOSS_SHAPE_MISMATCH},
		{CE "logits:I64:2,3 targets:I64:2", LOSS_DTYPE_MISMATCH},
		{CE TWO_ROWS "label_smoothing=2", LOSS_ARGUMENT_OUT_OF_RANGE},
		{CE TWO_ROWS "outputs=nothing", LOSS_ARGUMENT_OUT_OF_RANGE},
		{CE "logits:F32:2,3", LOSS_MISSING_FIELD},
		{"policy_gradient advantages:F32:2 " TWO_ROWS, LOSS_MISSING_FIELD},
		{PG "3 advantages:F32:2 " TWO_ROWS, LOSS_SHAPE_MISMATCH},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct eval eval;
		struct loss_plan *plan;
		spec_start(&eval, cases[i].spec);
		loss_problem_set_data(eval.problem, 0, NULL);
		assert_int_equal(loss_plan_create(eval.problem, eval.arena, &plan, &eval.error),
				 cases[i].status);
		eval_end(&eval);
	}
}

/* No rows, no data: that is all there is. */
static void no_elements_are_not_awaited(void **state)
{
	struct eval eval;
	(void)state;
	spec_start(&eval, CE "logits:F32:0,3 targets:I64:0");
	loss_problem_set_data(eval.problem, 0, NULL);
	eval_plan(&eval);
	loss_plan_run_blocks(eval.plan, 0, loss_plan_blocks(eval.plan));
	loss_plan_finish(eval.plan, &eval.result);
	assert_int_equal(eval.result.totals.rows, 0);
	eval_end(&eval);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cross_entropy),
		cmocka_unit_test(cross_entropy_with_all_outputs_of_rows),
		cmocka_unit_test(nll_loss),
		cmocka_unit_test(policy_gradient),
		cmocka_unit_test(shifted_targets_and_transformed_logits),
		cmocka_unit_test(listed_teachers),
		cmocka_unit_test(other_plans_wait_for_the_data),
		cmocka_unit_test(what_is_wrong_is_found_before_the_rows),
		cmocka_unit_test(no_elements_are_not_awaited),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
