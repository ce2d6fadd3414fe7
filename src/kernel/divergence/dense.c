#include "dense.h"

#include "twins.h"

/* The sides of a row; hard: the student's at temperature 1, where there is a hard part. */
struct dense {
	const struct divergence_form *form;
	struct side student, teacher, hard;
	bool twins;  /* read as such, */
	double soft; /* and this is the divergence */
	double mean; /* of the kind's slopes */
};

static enum divergence_kind kind_of(const struct dense *dense)
{
	return (enum divergence_kind)dense->form->plan->args.kind;
}

static bool read_twins(struct dense *dense, size_t r)
{
	const struct loss_plan *plan = dense->form->plan;
	const struct loss_tensor *input = &plan->tensors[LOSS_ROLE_INPUT];
	const struct loss_tensor *teacher = &plan->tensors[LOSS_ROLE_OWN_1];
	struct side *x = &dense->teacher, *y = &dense->student;
	if (!twins_suit(plan))
		return false;
	if (kind_of(dense) == KIND_REVERSE)
		return twins_read(y, input, x, teacher, r, &dense->soft);
	return twins_read(x, teacher, y, input, r, &dense->soft);
}

static bool read_sides(struct dense *dense, size_t r)
{
	const struct loss_plan *plan = dense->form->plan;
	const struct loss_tensor *input = &plan->tensors[LOSS_ROLE_INPUT];
	const struct loss_tensor *teacher = &plan->tensors[LOSS_ROLE_OWN_1];
	struct side start = {.plan = plan, .wide = input->dtype == LOSS_F64};
	dense->student = dense->teacher = dense->hard = start;
	dense->twins = read_twins(dense, r);
	return (dense->twins || (side_read(&dense->student, input, &plan->transform, r) &&
				 side_read(&dense->teacher, teacher, &plan->transform, r))) &&
	       (!(plan->args.hard_weight > 0.0) ||
		side_read(&dense->hard, input, &dense->form->hard, r));
}

/* ---------------------------------------------------------------- the loss */

static double divergence(const struct side *p, const struct side *q)
{
	struct sum sums[3];
	side_sum(SIDE_DIVERGE, p, q, sum_from(0.0), sums);
	return sum_value(&sums[0]) * p->scale;
}

static double mixed(struct dense *dense)
{
	struct sum sums[3];
	side_sum(SIDE_MIX, &dense->teacher, &dense->student, dense->form->beta, sums);
	dense->mean = sum_value(&sums[1]) / sum_value(&sums[2]);
	return sum_value(&sums[0]);
}

static double soft_loss(struct dense *dense)
{
	if (dense->twins)
		return dense->soft;
	switch (kind_of(dense)) {
	case KIND_FORWARD:
		return divergence(&dense->teacher, &dense->student);
	case KIND_REVERSE:
		return divergence(&dense->student, &dense->teacher);
	case KIND_JSD:
		return mixed(dense);
	case KIND_CROSS_ENTROPY:
		break;
	}
	return side_cross_entropy(&dense->teacher, &dense->student);
}

static double row_loss(struct dense *dense, int64_t y)
{
	double share = dense->form->plan->args.hard_weight;
	double loss = weigh(dense->form->soft_factor, soft_loss(dense));
	const struct side *hard = &dense->hard;
	if (share > 0.0)
		loss += share * ((hard->max - side_logit(hard, (size_t)y)) + hard->log1p_residual);
	return loss;
}

/* ---------------------------------------------------------------- the gradient */

/* Of reverse, the mean of log(q / p) over q: by the very q of the terms. */
static double mean_ratio(const struct dense *dense)
{
	struct sum sums[3];
	side_sum(SIDE_RATIOS, &dense->student, &dense->teacher, sum_from(0.0), sums);
	return sum_value(&sums[0]) / sum_value(&sums[1]);
}

static struct side_write soft_write(const struct dense *dense, double factor)
{
	const struct side *student = &dense->student, *teacher = &dense->teacher;
	struct side_write write = {.x = teacher,
				   .y = student,
				   .of = student,
				   .factor = factor,
				   .beta = dense->form->beta,
				   .own = SIZE_MAX};
	write.operation = SIDE_WRITE_DIFFERENCES;
	if (kind_of(dense) == KIND_JSD) {
		write.operation = SIDE_WRITE_MIXED;
		write.mean = dense->mean;
	} else if (kind_of(dense) == KIND_REVERSE) {
		write.operation = SIDE_WRITE_RATIOS;
		write.x = student;
		write.y = teacher;
		write.mean = mean_ratio(dense);
	}
	return write;
}

/* Minus what the other classes have, where the target's probability is next to 1. */
static double target_slope(const struct side *hard, size_t y)
{
	if (y == hard->predicted)
		return -(hard->residual.high * hard->scale);
	return side_prob(hard, y) - 1.0;
}

static struct side_write hard_write(const struct dense *dense, int64_t y, double factor)
{
	const struct side *hard = &dense->hard;
	return (struct side_write){.operation = SIDE_WRITE_SHARES,
				   .x = hard,
				   .of = hard,
				   .factor = factor,
				   .own = (size_t)y,
				   .own_value = target_slope(hard, (size_t)y)};
}

static void write_grad(const struct dense *dense, size_t r, int64_t y)
{
	const struct loss_plan *plan = dense->form->plan;
	struct sum scale = plan_scale(plan, r);
	double share = plan->args.hard_weight;
	struct side_write writes[2];
	size_t n = 1;
	double soft = times(dense->form->soft_factor, scale);
	if (dense->twins && kind_of(dense) == KIND_FORWARD && !(share > 0.0) &&
	    twins_put(&dense->teacher, &dense->student, soft, &plan->outputs[OUTPUT_GRAD]))
		return;
	writes[0] = soft_write(dense, soft);
	if (share > 0.0)
		writes[n++] = hard_write(dense, y, times(share, scale));
	side_put(writes, n, &plan->outputs[OUTPUT_GRAD]);
}

/* ---------------------------------------------------------------- all of it */

bool dense_student(const struct divergence_form *form, size_t r, struct divergence_outcome *outcome)
{
	const struct loss_plan *plan = form->plan;
	const struct loss_tensor *input = &plan->tensors[LOSS_ROLE_INPUT];
	struct side student = {.plan = plan, .wide = input->dtype == LOSS_F64};
	if (!side_read(&student, input, &plan->transform, r))
		return false;
	outcome->lse = student.max + student.log1p_residual;
	outcome->predicted = student.predicted;
	if (plan->wanted[OUTPUT_ENTROPY])
		outcome->entropy = side_entropy(&student);
	return true;
}

bool dense_evaluate(const struct divergence_form *form, size_t r, int64_t y,
		    struct divergence_outcome *outcome)
{
	const struct loss_plan *plan = form->plan;
	struct dense dense = {.form = form};
	const struct side *student = &dense.student, *teacher = &dense.teacher;
	if (!read_sides(&dense, r))
		return false;
	outcome->loss = row_loss(&dense, y);
	outcome->agrees = student->predicted == teacher->predicted;
	if (plan->wanted[OUTPUT_TEACHER_ENTROPY])
		outcome->teacher_entropy = side_entropy(teacher);
	if (plan->wanted[OUTPUT_DELTA_PROB])
		outcome->delta_prob = side_prob(student, (size_t)y) - side_prob(teacher, (size_t)y);
	if (plan->wanted[OUTPUT_GRAD])
		write_grad(&dense, r, y);
	return true;
}
