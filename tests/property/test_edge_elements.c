/* The edges of binary_cross_entropy, kl_div, sigmoid_focal_loss, and of the transformed logits. */
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
		cmocka_unit_test(entropies),
		cmocka_unit_test(nothing_to_reduce),
		cmocka_unit_test(z_loss_of_huge_logits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
