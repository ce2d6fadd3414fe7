/*
 * A whole evaluation in one line of text, so that a table of cases can be read at a glance:
 *
 *   cross_entropy logits:F32:2,3=1,2,3 targets:I64:2=0,2 reduction=sum outputs=loss,grad
 *
 * First the loss; then, in any order, tensors as name:dtype:shape or name:dtype:shape=values (the
 * values are repeated until the tensor is full; none are zeros; a scalar has an empty shape), null
 * tensors as name:null, and arguments as name=value. A value is null, true, false, a number where
 * it starts with a digit or a sign ("+nan" and "+inf" too), and a string otherwise.
 */
#ifndef TESTS_SUPPORT_SPEC_H
#define TESTS_SUPPORT_SPEC_H

#include "eval.h"

/* Words that such texts are put together from. */
#define CE "cross_entropy "
#define NLL "nll_loss "
#define BCE "binary_cross_entropy_with_logits "
#define TWO_ROWS "logits:F32:2,3 targets:I64:2 "
#define TWO_PROBS "logits:F32:2,3 targets:F32:2,3 "

/* As eval_start, with everything set that the text names; end it with eval_end. */
void spec_start(struct eval *eval, const char *text);

/* spec_start and loss_plan_create into eval->plan, whose status it returns. */
loss_status spec_plan(struct eval *eval, const char *text);

/* spec_start and an evaluation that must succeed. */
void spec_run(struct eval *eval, const char *text);

/* The value of an argument as a decoder would make it of its text, which must outlive it. */
struct loss_value spec_value(const char *text);

#endif
