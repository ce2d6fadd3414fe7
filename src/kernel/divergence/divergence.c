/*
 * divergence: how far the student, softmax of the logits, is from a teacher: of all classes, by its
 * logits or its log-probabilities, or of some that are listed. terms.h has what each class adds.
 */
#include "../../targets.h"
#include "../kernels.h"
#include "row_terms.h"

/* ---------------------------------------------------------------- outputs */

/* The first of the teacher's most likely classes; the number of classes where there is none. */
static size_t teacher_predicted(const struct divergence *d)
{
	size_t best = d->plan->classes;
	double largest = -HUGE_VAL;
	if (!is_sparse(d))
		return d->teacher.predicted;
	for (size_t k = 0; k < d->listed.n; k++) {
		double x = listed_log_prob(&d->listed, k);
		if (best == d->plan->classes || x > largest) {
			best = listed_class(&d->listed, k);
			largest = x;
		}
	}
	return best;
}

static bool agree(const struct divergence *d)
{
	return !d->invalid && teacher_predicted(d) == d->student.predicted;
}

static double teacher_entropy(const struct divergence *d)
{
	struct sum entropy = {0};
	if (d->invalid || is_sparse(d))
		return (double)NAN;
	if (has_logits(d))
		return row_entropy(&d->teacher);
	for (size_t c = 0; row_has(&d->teacher, c); c++) {
		double x = row_given_logit(&d->teacher, c), p = exp_double(x);
		sum_add(&entropy, p == 0.0 ? 0.0 : p * -x);
	}
	return sum_value(&entropy);
}

static double teacher_prob(const struct divergence *d, size_t y)
{
	if (!is_sparse(d))
		return row_terms_teacher_prob(d, y);
	for (size_t k = 0; k < d->listed.n; k++)
		if (listed_class(&d->listed, k) == y)
			return exp_double(listed_log_prob(&d->listed, k));
	return (double)NAN;
}

static void fill_outcome(const struct divergence *d, int64_t y, struct divergence_outcome *outcome)
{
	const struct loss_plan *plan = d->plan;
	outcome->loss = row_terms_loss(d, y);
	outcome->agrees = agree(d);
	if (plan->wanted[OUTPUT_TEACHER_ENTROPY])
		outcome->teacher_entropy = teacher_entropy(d);
	if (plan->wanted[OUTPUT_DELTA_PROB] && !d->invalid)
		outcome->delta_prob = row_prob(&d->student, (size_t)y) - teacher_prob(d, (size_t)y);
}

static void fill_student(const struct divergence *d, struct divergence_outcome *outcome)
{
	const struct row *student = &d->student;
	outcome->lse = student->max + student->log1p_residual;
	outcome->predicted = student->predicted;
	if (d->plan->wanted[OUTPUT_ENTROPY])
		outcome->entropy =
			d->by_vectors ? side_entropy(&d->student_side) : row_entropy(student);
}

/* ---------------------------------------------------------------- rows */

static bool wants_student(const struct loss_plan *plan)
{
	return plan->wanted[OUTPUT_LSE] || plan->wanted[OUTPUT_ENTROPY] ||
	       plan->wanted[OUTPUT_PREDICTED];
}

/* The student, and at temperature 1. Beside a row of logits it is read as that is. */
static void read_student(struct divergence *d, bool hard)
{
	const struct loss_plan *plan = d->plan;
	const struct loss_tensor *input = &plan->tensors[LOSS_ROLE_INPUT];
	d->student_side = d->hard_side = (struct side){.plan = plan, .wide = true};
	d->by_vectors = !has_logits(d) &&
			side_read(&d->student_side, input, &plan->transform, d->r) &&
			(!hard || side_read(&d->hard_side, input, &d->common.hard, d->r));
	if (d->by_vectors) {
		side_fill(&d->student_side, &d->student);
		if (hard)
			side_fill(&d->hard_side, &d->hard);
		return;
	}
	row_read(&d->student, plan, d->r);
	if (hard)
		row_read_from(&d->hard, plan, input, d->common.hard.on ? &d->common.hard : NULL,
			      d->r);
}

static void evaluate_plainly(struct divergence *d, int64_t y, struct divergence_outcome *outcome)
{
	const struct loss_plan *plan = d->plan;
	read_student(d, plan->args.hard_weight > 0.0);
	fill_student(d, outcome);
	d->others_by_vectors = false;
	row_terms_read(d);
	fill_outcome(d, y, outcome);
	if (plan->wanted[OUTPUT_GRAD])
		row_terms_write_grad(d, y);
}

/* What is said of the student alone. */
static void look_at_student(struct divergence *d, struct divergence_outcome *outcome)
{
	if (has_logits(d) && dense_student(&d->common, d->r, outcome))
		return;
	read_student(d, false);
	fill_student(d, outcome);
}

static void put_outputs(const struct loss_plan *plan, size_t r,
			const struct divergence_outcome *outcome)
{
	const struct {
		enum output output;
		double value;
	} numbers[] = {
		{OUTPUT_LSE, outcome->lse},
		{OUTPUT_ENTROPY, outcome->entropy},
		{OUTPUT_TEACHER_ENTROPY, outcome->teacher_entropy},
		{OUTPUT_DELTA_PROB, outcome->delta_prob},
	};
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		if (plan->wanted[numbers[i].output])
			tensor_put(&plan->outputs[numbers[i].output], r, numbers[i].value);
	if (plan->wanted[OUTPUT_AGREES])
		((unsigned char *)plan->outputs[OUTPUT_AGREES].data)[r] = outcome->agrees;
	if (plan->wanted[OUTPUT_PREDICTED])
		((int64_t *)plan->outputs[OUTPUT_PREDICTED].data)[r] = (int64_t)outcome->predicted;
}

static void evaluate(struct divergence *d, int64_t y, struct partial *partial)
{
	const double nan = (double)NAN;
	struct divergence_outcome outcome = {0.0, nan, nan, nan, nan, 0, false};
	bool counts = y >= 0;
	if (!counts && d->plan->wanted[OUTPUT_GRAD])
		row_terms_clear_grad(d->plan, d->r);
	if (counts && (!has_logits(d) || !dense_evaluate(&d->common, d->r, y, &outcome)))
		evaluate_plainly(d, y, &outcome);
	if (wants_student(d->plan) && (!counts || has_logits(d)))
		look_at_student(d, &outcome);
	partial->correct += outcome.agrees;
	put_outputs(d->plan, d->r, &outcome);
	plan_keep_plain(d->plan, d->r, 1, &outcome.loss);
	double weight = counts ? plan_row_weight(d->plan, d->r) : 1.0;
	plan_put_loss(d->plan, d->r, weigh(weight, outcome.loss), partial);
}

static term_fn *const terms[] = {
	[KIND_FORWARD] = term_forward,
	[KIND_REVERSE] = term_reverse,
	[KIND_JSD] = term_jsd,
	[KIND_CROSS_ENTROPY] = term_cross_entropy,
};

static void start(struct divergence *d, const struct loss_plan *plan)
{
	const struct loss_args *args = &plan->args;
	d->plan = d->common.plan = plan;
	d->term = terms[args->kind];
	d->common.beta = d->form.beta = sum_from(args->beta);
	d->form.rest.high = two_sum(1.0, -args->beta, &d->form.rest.low);
	d->common.soft_factor = 1.0 - args->hard_weight;
	if (args->temperature_squared)
		d->common.soft_factor *= args->temperature * args->temperature;
	d->common.hard = transform_of(args->logit_scale, args->softcap, 1.0, true);
}

#define READ_TOGETHER ((size_t)64)

void divergence_rows(const struct loss_plan *plan, size_t first, size_t n, struct partial *partial)
{
	struct divergence d;
	int64_t y[READ_TOGETHER];
	start(&d, plan);
	for (size_t done = 0, some; done < n; done += some) {
		some = n - done < READ_TOGETHER ? n - done : READ_TOGETHER;
		targets_read_counted(plan, first + done, some, y);
		for (size_t i = 0; i < some; i++) {
			d.r = first + done + i;
			evaluate(&d, y[i], partial);
		}
	}
}
