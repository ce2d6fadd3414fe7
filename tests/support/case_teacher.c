/* The teachers of a draft of divergence: by logits, by log-probabilities, or with some classes
 * listed. */
#include <stdlib.h>
#include <string.h>

#include "case_draft.h"
#include "kernel/elementary.h"
#include "rows.h"
#include "tensor.h"

#define LOGITS "teacher_logits"
#define INDICES "teacher_indices"
#define LOG_PROBS "teacher_log_probs"

/* Which of the three it is: by its name the tensor that says it. */
static const char *form_of(struct case_draft *draft)
{
	static const char *const forms[] = {LOGITS, LOG_PROBS, INDICES};
	struct random random = {.state = case_hash_text(draft->seed, "teacher"),
				.seed = draft->seed};
	for (size_t i = 0; draft->family != NULL && i < 3; i++)
		if (case_has_word(draft->family->with, forms[i]) &&
		    (i != 1 || !case_has_word(draft->family->with, INDICES)))
			return forms[i];
	return forms[random_below(&random, 3)];
}

bool case_is_teacher(const struct loss_tensor_info *info)
{
	return strncmp(info->name, "teacher_", strlen("teacher_")) == 0;
}

bool case_has_teacher(struct case_draft *draft, const struct loss_tensor_info *info)
{
	const char *form = form_of(draft);
	bool listed = strcmp(form, INDICES) == 0 && strcmp(info->name, LOG_PROBS) == 0;
	return listed || strcmp(form, info->name) == 0;
}

static double *numbers_of(struct case_draft *draft, size_t n)
{
	double *numbers = loss_arena_array(draft->arena, double, n);
	if (numbers == NULL)
		abort(); /* a test without memory is no test */
	return numbers;
}

/* Near the student, far from it, or the same. */
static void fill_logits(struct case_draft *draft, const struct loss_tensor *tensor)
{
	static const double distances[] = {0.0, 1e-9, 1e-5, 0.01, 0.3, 1.0, 3.0, 20.0};
	struct random *random = &draft->random;
	double distance = distances[random_below(random, 8)];
	bool odd = case_odd_chance(draft, 0.1);
	for (size_t i = 0; i < tensor->count; i++) {
		double x = tensor_number(&draft->input, i) + distance * random_normal(random);
		if (odd && random_chance(random, 0.02))
			x = random_chance(random, 0.9) ? -HUGE_VAL : (double)NAN;
		tensor_put(tensor, i, x);
	}
}

/* Of a softmax, rounded as the tensor rounds, and now and then none. */
static void fill_log_probs(struct case_draft *draft, const struct loss_tensor *tensor)
{
	size_t n = draft->classes, rows = n > 0 ? tensor->count / n : 0;
	double *x = numbers_of(draft, n);
	for (size_t r = 0; r < rows; r++) {
		double sum = 0.0;
		for (size_t c = 0; c < n; c++) {
			x[c] = 2.0 * random_normal(&draft->random);
			sum += exp_double(x[c]);
		}
		double lse = log_double(sum, 0.0);
		for (size_t c = 0; c < n; c++) {
			bool none = case_odd_chance(draft, 0.02);
			tensor_put(tensor, case_place(draft, r, c), none ? -HUGE_VAL : x[c] - lse);
		}
	}
}

/* Distinct classes in any order; what there is no class for is empty. */
static void fill_indices(struct case_draft *draft, const struct loss_tensor *tensor)
{
	size_t n = draft->classes, k = tensor->shape[tensor->rank - 1];
	size_t *order = loss_arena_array(draft->arena, size_t, n);
	if (order == NULL)
		abort();
	for (size_t r = 0; r < tensor->count / k; r++) {
		random_order(&draft->random, order, n);
		for (size_t i = 0; i < k; i++) {
			bool empty = i >= n || case_odd_chance(draft, 0.1);
			case_store_integer(tensor, r * k + i, empty ? -1 : (int64_t)order[i]);
		}
	}
}

/* Of any part of 1; what stands at an empty place is nobody's business. */
static void fill_listed(struct case_draft *draft, const struct loss_tensor *tensor)
{
	size_t k = tensor->shape[tensor->rank - 1];
	double *x = numbers_of(draft, k);
	for (size_t r = 0; r < tensor->count / k; r++) {
		double sum = 0.0, part = random_uniform(&draft->random, 0.1, 0.95);
		for (size_t i = 0; i < k; i++)
			sum += x[i] = random_uniform(&draft->random, 0.01, 1.0);
		if (loss_dtype_info(tensor->dtype)->size == 1) /* rounds up by a quarter */
			part *= 0.7;
		else if (case_odd_chance(draft, 0.05))
			part = 1.0;
		for (size_t i = 0; i < k; i++)
			tensor_put(tensor, r * k + i, log_double(part * x[i] / sum, 0.0));
	}
}

void case_fill_teacher(struct case_draft *draft, const struct loss_tensor_info *info,
		       const struct loss_tensor *tensor)
{
	if (tensor->count == 0)
		return;
	if (strcmp(info->name, LOGITS) == 0)
		fill_logits(draft, tensor);
	else if (strcmp(info->name, INDICES) == 0)
		fill_indices(draft, tensor);
	else if (strcmp(form_of(draft), INDICES) == 0)
		fill_listed(draft, tensor);
	else
		fill_log_probs(draft, tensor);
}
