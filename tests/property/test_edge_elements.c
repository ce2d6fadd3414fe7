/* The edges of binary_cross_entropy, kl_div, sigmoid_focal_loss, of the transformed logits, and of
 * rows that count more, less or not at all. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../support/random.h"
#include "../support/spec.h"

#define INF ((double)INFINITY)
#define NOT_A_NUMBER ((double)NAN)
#define ONE_BCE "binary_cross_entropy reduction=none outputs=loss,grad probs:F64:"
#define KL "kl_div reduction=none outputs=loss,grad log_probs:F64:"
#define LOGS "kl_div log_target=true reduction=none outputs=loss,grad log_probs:F64:"
#define FOCAL "sigmoid_focal_loss outputs=loss,grad logits:F64:"
#define ONE_CE "cross_entropy reduction=none outputs=loss,grad logits:F64:"
#define ONE_NLL "nll_loss reduction=none outputs=loss,grad log_probs:F64:"
#define TIED "cross_entropy logits:F64:1,4=1 "
#define BINARY "binary_cross_entropy_with_logits logits:F64:"
#define PROBS "binary_cross_entropy probs:F64:"
#define THREE "3=0.25,0.25,1 targets:F64:3=0 ece_bins=2 "

/* One row: its loss, and the gradient's first element. */
static const struct edge {
	const char *text;
	double loss, grad;
} edges[] = {
	{ONE_BCE "1=0 targets:F64:1=0", 0, 0},
	{ONE_BCE "1=0 targets:F64:1=1", 100, -1e12},
	{ONE_BCE "1=1 targets:F64:1=1", 0, 0},
	{ONE_BCE "1=1 targets:F64:1=0", 100, 1e12},
	{ONE_BCE "1=1e-50 targets:F64:1=1", 100, -1e12},
	{ONE_BCE "1=0.5 targets:BOOL:1=1", 0.69314718055994531, -2},
	{ONE_BCE "1=1e-18 targets:F64:1=0", 1e-18, 1e-6},
	{ONE_BCE "1=0 targets:F64:1=1 weight:F64:=0", 0, 0},
	{ONE_BCE "1=0.5 targets:F64:1=nan", NOT_A_NUMBER, NOT_A_NUMBER},
	{KL "1=-1 targets:F64:1=0", 0, 0},
	{KL "1=-inf targets:F64:1=0", 0, 0},
	{KL "1=nan targets:F64:1=0", 0, 0},
	{KL "1=-inf targets:F64:1=0.5", INF, -0.5},
	{KL "1=-1 targets:F64:1=1", 1, -1},
	{KL "1=-1 targets:F64:1=-0.5", NOT_A_NUMBER, 0.5},
	{KL "1=nan targets:F64:1=0.5", NOT_A_NUMBER, -0.5},
	{KL "1=-1 targets:F64:1=nan", NOT_A_NUMBER, NOT_A_NUMBER},
	{LOGS "1=-1 targets:F64:1=-inf", 0, 0},
	{LOGS "1=nan targets:F64:1=-inf", 0, 0},
	{LOGS "1=-inf targets:F64:1=-inf", 0, 0},
	{LOGS "1=-inf targets:F64:1=-800", INF, 0},
	{LOGS "1=-1 targets:F64:1=0", 1, -1},
	{LOGS "1=-1.7e308 targets:F64:1=-1.7e308", 0, 0},
	{LOGS "1=1.7e308 targets:F64:1=-1.7e308", 0, 0},
	{LOGS "1=nan targets:F64:1=0", NOT_A_NUMBER, -1},
	{FOCAL "1=+inf targets:F64:1=1", 0, 0},
	{FOCAL "1=-inf targets:F64:1=0", 0, 0},
	{FOCAL "1=-inf targets:F64:1=1", INF, -0.25},
	{FOCAL "1=+inf targets:F64:1=0", INF, 0.75},
	{FOCAL "1=+inf targets:F64:1=1e-60 gamma=9", INF, 0.75},
	{FOCAL "1=-inf targets:F64:1=1 alpha=0", 0, 0},
	{FOCAL "1=+inf targets:F64:1=1 gamma=0", 0, 0},
	{FOCAL "1=0 targets:F64:1=1 gamma=0 alpha=-1", 0.69314718055994531, -0.5},
	{FOCAL "1=nan targets:F64:1=1", NOT_A_NUMBER, NOT_A_NUMBER},
	{FOCAL "1=0 targets:F64:1=nan", NOT_A_NUMBER, NOT_A_NUMBER},
	{FOCAL "1=800 targets:F64:1=1 gamma=0.5", 0, 0},
	/* The cap makes numbers of infinities; after it they are as any other. */
	{ONE_CE "1,2=-inf,0 targets:I64:1=0 softcap=2", 2.1269280110429727, 0},
	{ONE_CE "1,2=+inf,0 targets:I64:1=0 softcap=2", 0.12692801104297250, 0},
	{ONE_CE "1,2=-inf,0 targets:I64:1=0 temperature=2", INF, -0.5},
	{ONE_CE "1,2=+inf,0 targets:I64:1=0 temperature=2", NOT_A_NUMBER, NOT_A_NUMBER},
	{ONE_CE "1,2=nan,0 targets:I64:1=1 softcap=2", NOT_A_NUMBER, NOT_A_NUMBER},
	{ONE_CE "1,2=nan,0 targets:I64:1=-100 softcap=2 z_loss=1", 0, 0},
	{ONE_CE "1,2=1e300,-1e300 targets:I64:1=0 temperature=1e-300", NOT_A_NUMBER, NOT_A_NUMBER},
	/* z lse^2 is not weighted: log(2)^2, and its gradient log(2). */
	{ONE_CE "1,2=0,0 targets:I64:1=0 weight:F64:2=0,0 z_loss=1", 0.48045301391820142,
	 0.69314718055994531},
	/* row_weight multiplies it all, z_loss too. */
	{ONE_CE "1,2=0,0 targets:I64:1=0 row_weight:F64:1=3", 2.0794415416798357, -1.5},
	{ONE_CE "1,2=0,0 targets:F64:1,2=1,0 row_weight:F64:1=3", 2.0794415416798357, -1.5},
	{ONE_CE "1,2=0,0 targets:I64:1=0 row_weight:F64:1=2 z_loss=1", 2.3472003889562934,
	 0.38629436111989062},
	{ONE_CE "1,2=-inf,0 targets:I64:1=0 row_weight:F64:1=0", 0, 0},
	{ONE_CE "1,2=-inf,0 targets:I64:1=0 row_weight:F64:1=1e-300", INF, -1e-300},
	{ONE_CE "1,2=nan,0 targets:I64:1=0 row_weight:F64:1=0", NOT_A_NUMBER, NOT_A_NUMBER},
	{ONE_NLL "1,2=-inf,0 targets:I64:1=0 row_weight:F64:1=0", 0, 0},
	{ONE_NLL "1,2=-3,nan targets:I64:1=0 row_weight:F64:1=2", 6, -2},
	{ONE_NLL "1,2=nan,0 targets:I64:1=0 row_weight:F64:1=0", NOT_A_NUMBER, 0},
	/* Under a mask nothing is read. */
	{ONE_CE "1,2=nan,+inf targets:I64:1=9 row_weight:F64:1=nan z_loss=1 mask:BOOL:1=0", 0, 0},
	{ONE_CE "1,2=nan,0 targets:F64:1,2=nan,7 mask:BOOL:1=0", 0, 0},
	{ONE_CE "1,2=nan,0 targets:I64:1=1 mask:BOOL:1=1", NOT_A_NUMBER, NOT_A_NUMBER},
	{ONE_CE "2=0,0 targets:I64:=0 mask:BOOL:=1", 0.69314718055994531, -0.5},
	{ONE_CE "2=0,0 targets:I64:=0 mask:BOOL:=0", 0, 0},
	{ONE_NLL "1,2=nan,nan targets:I64:1=-7 mask:BOOL:1=0", 0, 0},
	{ONE_BCE "1=7 targets:F64:1=nan mask:BOOL:1=0", 0, 0},
	{ONE_BCE "1=nan targets:F64:1=1 weight:F64:=nan mask:BOOL:=0", 0, 0},
	{ONE_BCE "1=0 targets:F64:1=1 mask:BOOL:1=1", 100, -1e12},
	{KL "1=nan targets:F64:1=-1 mask:BOOL:1=0", 0, 0},
	{LOGS "1=-inf targets:F64:1=nan mask:BOOL:1=0", 0, 0},
	{FOCAL "1=nan targets:F64:1=-4 gamma=0.5 mask:BOOL:1=0", 0, 0},
	/* The focal form: (1 - p)^gamma, and its limits at both ends. */
	{ONE_CE "1,2=0,0 targets:I64:1=0 gamma=2", 0.17328679513998633, -0.29828679513998633},
	{ONE_CE "1,2=0,0 targets:I64:1=0 gamma=2 weight:F64:2=3,1 row_weight:F64:1=0.5",
	 0.25993019270997947, -0.44743019270997947},
	{ONE_CE "1,2=20,0 targets:I64:1=0 gamma=1", 4.248354242156823e-18, -8.496708471178879e-18},
	{ONE_CE "1,2=0,-inf targets:I64:1=0 gamma=0.5", 0, 0},
	{ONE_CE "1,2=800,-800 targets:I64:1=0 gamma=0.5", 0, 0},
	{ONE_CE "1,1=7 targets:I64:1=0 gamma=0.25", 0, 0},
	{ONE_CE "1,2=-inf,0 targets:I64:1=0 gamma=2", INF, -1},
	{ONE_CE "1,2=-800,0 targets:I64:1=0 gamma=2", 800, -1},
	{ONE_CE "1,2=-inf,0 targets:I64:1=0 gamma=2 weight:F64:2=0,1", 0, 0},
	{ONE_CE "1,2=nan,0 targets:I64:1=0 gamma=2", NOT_A_NUMBER, NOT_A_NUMBER},
	{ONE_CE "1,2=nan,0 targets:I64:1=-100 gamma=2", 0, 0},
	{ONE_CE "1,2=0,0 targets:I64:1=0 gamma=1e300", 0, 0},
	/* The scale comes before the cap; infinities are as ever. */
	{ONE_CE "1,2=1,0 targets:I64:1=0 logit_scale=2", 0.12692801104297250, -0.23840584404423510},
	{ONE_CE "1,2=1e10,0 targets:I64:1=0 logit_scale=1e10 softcap=2", 0.12692801104297250, 0},
	{ONE_CE "1,2=4,0 targets:I64:1=0 logit_scale=0.25 temperature=0.5", 0.12692801104297250,
	 -0.059601461011058774},
	{ONE_CE "1,2=-inf,0 targets:I64:1=0 logit_scale=2", INF, -2},
	{ONE_CE "1,2=+inf,0 targets:I64:1=0 logit_scale=2", NOT_A_NUMBER, NOT_A_NUMBER},
	{ONE_CE "1,2=1e300,0 targets:I64:1=0 logit_scale=1e300", NOT_A_NUMBER, NOT_A_NUMBER},
};

/* One number of what is said of all rows together. */
static const struct {
	const char *text, *output;
	double value;
} judged[] = {
	{TIED "targets:I64:1=2 k=2 outputs=", "topk_accuracy", 0},
	{TIED "targets:I64:1=2 k=3 outputs=", "topk_accuracy", 1},
	{TIED "targets:I64:1=3 outputs=", "topk_accuracy", 1}, /* k is 4 */
	{TIED "targets:I64:1=0 mask:BOOL:1=0 outputs=", "topk_accuracy", NOT_A_NUMBER},
	{TIED "targets:I64:1=0 mask:BOOL:1=0 outputs=", "accuracy", NOT_A_NUMBER},
	{TIED "targets:I64:1=0 mask:BOOL:1=0 outputs=", "ece", NOT_A_NUMBER},
	{TIED "targets:I64:1=0 row_weight:F64:1=0 outputs=", "accuracy", 1},
	{TIED "targets:I64:1=0 row_weight:F64:1=0 outputs=", "perplexity", 4},
	{TIED "targets:I64:1=0 gamma=3 outputs=", "perplexity", 4},
	{TIED "targets:I64:1=0 ece_bins=1 outputs=", "ece", 0.75},
	{"cross_entropy logits:F64:1,2=nan,0 targets:I64:1=0 k=2 outputs=", "topk_accuracy", 0},
	{"cross_entropy logits:F64:1,6=6,5,4,3,2,1 targets:I64:1=5 outputs=", "topk_accuracy", 0},
	{"cross_entropy logits:F64:1,6=6,5,4,3,2,1 targets:I64:1=4 outputs=", "topk_accuracy", 1},
	/* Exactly in the middle is negative. */
	{BINARY "1=0 targets:F64:1=1 outputs=", "accuracy", 0},
	{BINARY "1=0 targets:F64:1=0.5 outputs=", "accuracy", 1},
	{BINARY "1=+inf targets:F64:1=1 outputs=", "accuracy", 1},
	{BINARY "1=+inf targets:F64:1=1 outputs=", "ece", 0},
	{BINARY "1=-inf targets:F64:1=0 outputs=", "ece", 0},
	{BINARY "1=-inf targets:F64:1=1 ece_bins=1000 outputs=", "ece", 1},
	{BINARY "2=nan,1 targets:F64:2=0,1 outputs=", "accuracy", 0.5},
	{BINARY "2=nan,1 targets:F64:2=0,1 outputs=", "ece", NOT_A_NUMBER},
	{BINARY "2=nan,1 targets:F64:2=0,1 mask:BOOL:2=0,1 outputs=", "accuracy", 1},
	{BINARY "2=0,0 targets:F64:2=0 mask:BOOL:=0 outputs=", "accuracy", NOT_A_NUMBER},
	{BINARY "0 targets:F64:0 outputs=", "ece", NOT_A_NUMBER},
	{PROBS "1=0.5 targets:F64:1=0 outputs=", "accuracy", 1},
	{PROBS "1=0.5 targets:BOOL:1=1 outputs=", "accuracy", 0},
	{PROBS "1=0 targets:F64:1=0 outputs=", "ece", 0},
	{PROBS "1=1 targets:F64:1=0 outputs=", "ece", 1},
	/* A border belongs to the bin below. */
	{PROBS "2=0.5,0.25 targets:F64:2=1,0 ece_bins=2 outputs=", "ece", 0.125},
	{PROBS THREE "outputs=", "ece", 0.5},
	{PROBS THREE "ece_norm=l2 outputs=", "ece", 0.61237243569579452},
	{PROBS THREE "ece_norm=max outputs=", "ece", 1},
};

static bool near(double got, double expected)
{
	if (isnan(expected))
		return isnan(got);
	return got == expected || fabs(got - expected) <= 1e-14 * fabs(expected);
}

static void elements_at_the_edge(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); i++) {
		struct eval eval;
		spec_run(&eval, edges[i].text);
		double loss = eval_value(eval_output(&eval, "loss"), 0);
		double grad = eval_value(eval_output(&eval, "grad"), 0);
		require(near(loss, edges[i].loss), "%s: loss %.17g", edges[i].text, loss);
		require(near(grad, edges[i].grad), "%s: grad %.17g", edges[i].text, grad);
		require(!(loss == 0 && signbit(loss)), "%s: loss -0", edges[i].text);
		eval_end(&eval);
	}
}

static void what_is_said_of_all(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(judged) / sizeof(judged[0]); i++) {
		struct eval eval;
		char text[160];
		snprintf(text, sizeof text, "%s%s", judged[i].text, judged[i].output);
		spec_run(&eval, text);
		double value = eval_value(eval_output(&eval, judged[i].output), 0);
		require(near(value, judged[i].value), "%s: %.17g", text, value);
		eval_end(&eval);
	}
}

/* softmax and log_softmax have the entropy too. */
static void entropies(void **state)
{
	(void)state;
	static const char *const losses[] = {"softmax", "log_softmax"};
	for (size_t i = 0; i < 2; i++) {
		struct eval eval;
		char text[120];
		snprintf(text, sizeof text, "%s logits:F64:4,2=0,0,-inf,3,nan,1,-inf,-inf %s",
			 losses[i], "outputs=entropy");
		spec_run(&eval, text);
		const struct loss_tensor *entropy = eval_output(&eval, "entropy");
		assert_int_equal(entropy->count, 4);
		assert_true(near(eval_value(entropy, 0), 0.69314718055994531));
		assert_true(eval_value(entropy, 1) == 0.0);
		assert_true(isnan(eval_value(entropy, 2)) && isnan(eval_value(entropy, 3)));
		eval_end(&eval);
	}
}

/* Nothing to reduce: NaN, or what empty_mean says. */
static void nothing_to_reduce(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		double loss;
	} rows[] = {
		{"kl_div log_probs:F32:0,3 targets:F32:0,3", NOT_A_NUMBER},
		{"kl_div log_probs:F32:0,3 targets:F32:0,3 reduction=batchmean", NOT_A_NUMBER},
		{"kl_div log_probs:F32:0,3 targets:F32:0,3 reduction=batchmean empty_mean=zero", 0},
		{"kl_div log_probs:F32:3,0 targets:F32:3,0 reduction=batchmean", 0},
		{"binary_cross_entropy probs:F32:0 targets:F32:0", NOT_A_NUMBER},
		{"binary_cross_entropy probs:F32:0 targets:F32:0 reduction=sum", 0},
		{"sigmoid_focal_loss logits:F32:0 targets:F32:0 reduction=mean", NOT_A_NUMBER},
		{"cross_entropy logits:F32:2,1,4 targets:I64:2,1 class_axis=-1 shift=true z_loss=1",
		 NOT_A_NUMBER},
		{"cross_entropy logits:F32:2,3 targets:I64:2 mask:BOOL:2=0", NOT_A_NUMBER},
		{"cross_entropy logits:F32:2,3 targets:F32:2,3 mask:BOOL:2=0", NOT_A_NUMBER},
		{"cross_entropy logits:F32:2,3 targets:I64:2 mask:BOOL:2=0 reduction=sum", 0},
		{"cross_entropy logits:F32:2,3 targets:I64:2 mask:BOOL:2=0 empty_mean=zero", 0},
		{"cross_entropy logits:F32:2,3 targets:I64:2 mask:BOOL:2=0 denominator=3", 0},
		{"nll_loss log_probs:F32:2,3 targets:I64:2 mask:BOOL:2=0", NOT_A_NUMBER},
		/* they count, with nothing */
		{"cross_entropy logits:F32:2,3 targets:I64:2 row_weight:F32:2", NOT_A_NUMBER},
		{"cross_entropy logits:F32:2,3 targets:I64:2 row_weight:F32:2 empty_mean=zero",
		 NOT_A_NUMBER},
		{"cross_entropy logits:F32:2,3 targets:I64:2 row_weight:F32:2 reduction=sum", 0},
		{"binary_cross_entropy probs:F32:2=9 targets:F32:2 mask:BOOL:=0", NOT_A_NUMBER},
		{"binary_cross_entropy probs:F32:2=9 targets:F32:2 mask:BOOL:=0 empty_mean=zero",
		 0},
		{"sigmoid_focal_loss logits:F32:2 targets:F32:2 mask:BOOL:2=0 reduction=mean",
		 NOT_A_NUMBER},
		{"kl_div log_probs:F32:2,3 targets:F32:2,3 mask:BOOL:3=0", NOT_A_NUMBER},
		{"kl_div log_probs:F32:2,3 targets:F32:2,3 mask:BOOL:3=0 reduction=batchmean", 0},
		{"cross_entropy logits:F32:2,0,4 targets:I64:2,0 class_axis=-1 shift=true",
		 NOT_A_NUMBER},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct eval eval;
		spec_run(&eval, rows[i].text);
		double loss = eval_value(eval_output(&eval, "loss"), 0);
		require(near(loss, rows[i].loss), "%s: loss %g", rows[i].text, loss);
		eval_end(&eval);
	}
}

/* 2 lse alone is beyond the largest double; lse^2 is, the gradient is not. */
static void z_loss_of_huge_logits(void **state)
{
	static const char *const texts[] = {
		"cross_entropy logits:F64:1,2=1.7976931348623157e308,-1.7976931348623157e308 "
		"targets:I64:1=0 z_loss=0.25 outputs=loss,grad",
		"cross_entropy logits:F64:1,2=1.7976931348623157e308,-1.7976931348623157e308 "
		"targets:F64:1,2=1,0 z_loss=0.25 outputs=loss,grad",
		"cross_entropy logits:F64:64,2=1.7976931348623157e308,-1.7976931348623157e308 "
		"targets:I64:64=0 z_loss=16 outputs=loss,grad",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct eval eval;
		spec_run(&eval, texts[i]);
		const struct loss_tensor *grad = eval_output(&eval, "grad");
		assert_true(eval_value(eval_output(&eval, "loss"), 0) == INF);
		assert_true(eval_value(grad, 0) == 0.5 * DBL_MAX);
		assert_true(eval_value(grad, 1) == 0);
		eval_end(&eval);
	}
	struct eval eval;
	spec_run(&eval, "cross_entropy logits:F64:1,2=1e160,0 targets:I64:1=0 z_loss=1e-20 "
			"outputs=z_loss");
	assert_true(fabs(eval_value(eval_output(&eval, "z_loss"), 0) / 1e300 - 1) < 1e-15);
	eval_end(&eval);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(elements_at_the_edge),
		cmocka_unit_test(what_is_said_of_all),
		cmocka_unit_test(entropies),
		cmocka_unit_test(nothing_to_reduce),
		cmocka_unit_test(z_loss_of_huge_logits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
