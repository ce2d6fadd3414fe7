/*
 * Rows whose gradients are too large or too small for the vector kernels: their losses are the same
 * bits as where no gradient is asked for, and the same in any company.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "../support/random.h"
#include "../support/spec.h"
#include "plan.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const dtypes[] = {"F32", "F64", "BF16"};
static const char *const arguments[] = {
	"softcap=30 temperature=1e-7",
	"softcap=30 temperature=1e-7 label_smoothing=0.1",
	"softcap=30 temperature=1e-7 z_loss=0.001",
	"denominator=1e30",
	"denominator=1e30 label_smoothing=0.1",
	"denominator=1e-30 z_loss=0.001",
	"weight:F64:5=1,1e-13,1e-25,1e25,0",
	"weight:F64:5=1,1e-13,1e-25,1e25,0 label_smoothing=0.25",
	"weight:F64:5=1,1e-13,1e-25,1e25,0 z_loss=0.001",
};

static void start(struct eval *eval, const char *dtype, const char *more, const char *outputs)
{
	char text[400];
	bool weighted = strstr(more, "weight") != NULL;
	snprintf(text, sizeof(text),
		 CE "logits:%s:40,5 targets:I64:40=0,1,2,3,4,-100 %s "
		    "reduction=%s outputs=%s",
		 weighted ? "F64" : dtype, more, strstr(more, "denominator") ? "mean" : "none",
		 outputs);
	spec_start(eval, text);
	eval_plan(eval);
	struct random random = random_start(0x1ef7);
	struct loss_tensor *logits = &eval->plan->tensors[LOSS_ROLE_INPUT];
	for (size_t i = 0; i < logits->count; i++)
		tensor_put(logits, i, random_uniform(&random, -3, 3));
	loss_plan_run_blocks(eval->plan, 0, loss_plan_blocks(eval->plan));
	loss_plan_finish(eval->plan, &eval->result);
}

static void losses_do_not_know_of_gradients(void **state)
{
	(void)state;
	for (size_t d = 0; d < COUNT(dtypes); d++)
		for (size_t a = 0; a < COUNT(arguments); a++) {
			struct eval alone, beside;
			start(&alone, dtypes[d], arguments[a], "loss,z_loss");
			start(&beside, dtypes[d], arguments[a], "loss,z_loss,grad");
			require(eval_same_bits(eval_output(&alone, "loss"),
					       eval_output(&beside, "loss")) &&
					eval_same_bits(eval_output(&alone, "z_loss"),
						       eval_output(&beside, "z_loss")) &&
					alone.result.totals.loss_sum ==
						beside.result.totals.loss_sum,
				"%s, %s: loss_sum %a alone, %a beside a gradient", dtypes[d],
				arguments[a], alone.result.totals.loss_sum,
				beside.result.totals.loss_sum);
			eval_end(&alone);
			eval_end(&beside);
		}
}

/* An infinite weight of the class that holds the maximum: what it multiplies is 0 there. */
static void infinite_weights_agree(void **state)
{
	static const char *const texts[] = {
		CE "logits:F32:2,3=3,1,2 targets:F32:2,3=0.2,0.3,0.5 weight:F32:3=+inf,1,1 "
		   "reduction=none",
		CE "logits:F64:2,3=3,1,2 targets:I64:2=0,1 weight:F64:3=+inf,1,1 "
		   "label_smoothing=0.1 reduction=none",
	};
	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		char text[300];
		struct eval alone, beside;
		snprintf(text, sizeof(text), "%s outputs=loss", texts[i]);
		spec_run(&alone, text);
		snprintf(text, sizeof(text), "%s outputs=loss,grad", texts[i]);
		spec_run(&beside, text);
		assert_true(
			eval_same_bits(eval_output(&alone, "loss"), eval_output(&beside, "loss")));
		eval_end(&alone);
		eval_end(&beside);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(losses_do_not_know_of_gradients),
		cmocka_unit_test(infinite_weights_agree),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
