/*
 * divergence: how far the student, softmax of the logits, is from a teacher: of all classes, by its
 * logits or its log-probabilities, or of some that are listed. terms.h has what each class adds.
 */
#include "../../targets.h"
#include "../kernels.h"
#include "../row.h"
#include "dense.h"
#include "listed.h"
#include "terms.h"

/* ---------------------------------------------------------------- a row */

/* Some of a side's logarithms: with m the largest, sum of exp(x - m), and its logarithm. */
struct portion {
	double max;
	struct sum total;
	double log;
};

struct divergence {
	const struct loss_plan *plan;
	size_t r;
	struct divergence_form common;
	term_fn *term;
	struct term_form form;

	struct row student, hard, teacher; /* hard: the student at temperature 1, where it is
					      wanted; teacher: where it is of all classes */
	/* By vectors, where the student is regular and the teacher is no row of logits. */
	bool by_vectors, others_by_vectors;
	struct side student_side, hard_side, others_side;
	struct sum between; /* log-sum-exp of the teacher minus that of the student */
	struct listed listed;
	struct portion likely, kept,
		others; /* listed log-probabilities; logits; those not listed */
	bool has_rest;
	bool invalid; /* the row is NaN */
	size_t next;  /* of the listed, as classes are walked in order */

	struct sum loss, slopes; /* sums of the terms */
};

static enum tail tail_of(const struct divergence *d)
{
	return (enum tail)d->plan->args.tail;
}

static bool is_sparse(const struct divergence *d)
{
	return d->plan->present[LISTED_CLASSES];
}

static bool has_logits(const struct divergence *d)
{
	return d->plan->present[LOSS_ROLE_OWN_1];
}

/* ---------------------------------------------------------------- portions */

typedef double value_fn(struct divergence *d, size_t k);

static struct portion portion_of(struct divergence *d, size_t n, value_fn *value)
{
	struct portion portion = {.max = -HUGE_VAL, .log = -HUGE_VAL};
	for (size_t k = 0; k < n; k++) {
		double x = value(d, k);
		portion.max = x > portion.max ? x : portion.max;
	}
	for (size_t k = 0; portion.max > -HUGE_VAL && k < n; k++) {
		double low, lost, x = value(d, k);
		double gap = two_sum(x, -portion.max, &lost);
		struct sum e;
		e.high = exp_parts(gap, lost == lost ? lost : 0.0, 0, &low);
		e.low = low;
		sum_merge(&portion.total, &e);
	}
	if (portion.max > -HUGE_VAL)
		portion.log = log_double(sum_value(&portion.total), sum_rest(&portion.total));
	return portion;
}

static double listed_likelihood(struct divergence *d, size_t k)
{
	return listed_log_prob(&d->listed, k);
}

static double listed_logit(struct divergence *d, size_t k)
{
	return row_logit(&d->student, listed_class(&d->listed, k));
}

/* Whether class c is the next of the listed: classes are asked for in order. */
static bool is_listed(struct divergence *d, size_t c)
{
	if (c == 0)
		d->next = 0;
	bool listed = d->next < d->listed.n && listed_class(&d->listed, d->next) == c;
	d->next += listed;
	return listed;
}

static double other_logit(struct divergence *d, size_t c)
{
	return is_listed(d, c) ? -HUGE_VAL : row_logit(&d->student, c);
}

static double portion_log(const struct portion *portion, double x)
{
	return (x - portion->max) - portion->log;
}

static double portion_share(const struct portion *portion, double x)
{
	if (!(portion->max > -HUGE_VAL))
		return 0.0;
	return exp_double(x - portion->max) / sum_value(&portion->total);
}

/* ---------------------------------------------------------------- terms */

/* From logits, whose difference is exact where the sides nearly agree. */
static double gap_of_logits(const struct divergence *d, const struct term *term, size_t c)
{
	struct sum gap;
	gap.high = two_sum(row_logit(&d->teacher, c), -row_logit(&d->student, c), &gap.low);
	double value = difference(gap, d->between);
	return fabs(value) < HUGE_VAL ? value : term->log_p - term->log_q;
}

static struct term dense_term(const struct divergence *d, size_t c)
{
	struct term term = {.q = row_prob(&d->student, c), .log_q = 0.0 - row_nll(&d->student, c)};
	if (has_logits(d)) {
		term.p = row_prob(&d->teacher, c);
		term.log_p = 0.0 - row_nll(&d->teacher, c);
		term.gap = gap_of_logits(d, &term, c);
		return term;
	}
	term.log_p = row_given_logit(&d->teacher, c);
	term.p = exp_double(term.log_p);
	term.gap = term.log_p - term.log_q;
	return term;
}

/* The k-th listed class. */
static struct term listed_term(const struct divergence *d, size_t k)
{
	size_t c = listed_class(&d->listed, k);
	struct term term = {.log_p = listed_log_prob(&d->listed, k)};
	if (tail_of(d) == TAIL_RENORMALIZE || tail_of(d) == TAIL_RESTRICT) {
		term.p = portion_share(&d->likely, term.log_p);
		term.log_p = portion_log(&d->likely, term.log_p);
	} else {
		term.p = exp_double(term.log_p);
	}
	if (tail_of(d) == TAIL_RESTRICT) {
		term.q = portion_share(&d->kept, row_logit(&d->student, c));
		term.log_q = portion_log(&d->kept, row_logit(&d->student, c));
	} else {
		term.q = row_prob(&d->student, c);
		term.log_q = 0.0 - row_nll(&d->student, c);
	}
	term.gap = term.log_p - term.log_q;
	return term;
}

/* What is not listed, as one class. */
static struct term rest_term(const struct divergence *d)
{
	struct term term = {.p = d->listed.rest, .log_p = log_double(d->listed.rest, 0.0)};
	term.log_q = ((d->others.max - d->student.max) + d->others.log) - d->student.log1p_residual;
	term.q = exp_double(term.log_q);
	term.gap = term.log_p - term.log_q;
	return term;
}

static void add_term(struct divergence *d, struct term term)
{
	struct term_value value = d->term(&d->form, &term);
	sum_add(&d->loss, value.loss);
	sum_add(&d->slopes, value.slope);
}

/* ---------------------------------------------------------------- reading */

static void read_dense(struct divergence *d)
{
	const struct loss_plan *plan = d->plan;
	bool logits = has_logits(d);
	row_read_from(&d->teacher, plan,
		      &plan->tensors[logits ? LOSS_ROLE_OWN_1 : LISTED_LOG_PROBS],
		      logits && plan->transform.on ? &plan->transform : NULL, d->r);
	/* log-probabilities may all be -infinity */
	d->invalid |= d->teacher.invalid &&
		      (logits || d->teacher.max > -HUGE_VAL || d->teacher.max != d->teacher.max);
	struct sum of_teacher = row_lse(&d->teacher), of_student = row_lse(&d->student);
	d->between = plus(of_teacher, negative(of_student));
	for (size_t c = 0; !d->invalid && row_has(&d->student, c); c++)
		add_term(d, dense_term(d, c));
}

static void read_others(struct divergence *d)
{
	struct side *side = &d->others_side;
	*side = (struct side){.plan = d->plan, .wide = true, .without = &d->listed};
	d->others_by_vectors = d->by_vectors && side_read(side, &d->plan->tensors[LOSS_ROLE_INPUT],
							  &d->plan->transform, d->r);
	if (!d->others_by_vectors) {
		d->others = portion_of(d, d->plan->classes, other_logit);
		return;
	}
	d->others = (struct portion){.max = side->max, .log = side->log1p_residual};
	d->others.total.high = two_sum(1.0, side->residual.high, &d->others.total.low);
	d->others.total.low += side->residual.low;
}

static void read_sparse(struct divergence *d)
{
	enum tail tail = tail_of(d);
	bool normalizes = tail == TAIL_RENORMALIZE || tail == TAIL_RESTRICT;
	listed_read(&d->listed, d->plan, d->r);
	d->invalid |= d->listed.largest != d->listed.largest;
	d->invalid |= normalizes && !(d->listed.largest > -HUGE_VAL);
	if (d->invalid)
		return;
	d->has_rest = tail == TAIL_BUCKET && listed_has_rest(&d->listed, d->plan->classes);
	if (normalizes)
		d->likely = portion_of(d, d->listed.n, listed_likelihood);
	if (tail == TAIL_RESTRICT)
		d->kept = portion_of(d, d->listed.n, listed_logit);
	d->invalid |= tail == TAIL_RESTRICT && !(d->kept.max > -HUGE_VAL);
	if (d->has_rest)
		read_others(d);
	d->form.whole = tail == TAIL_RESTRICT || d->has_rest ||
			(tail == TAIL_BUCKET && d->listed.n == d->plan->classes);
	for (size_t k = 0; !d->invalid && k < d->listed.n; k++)
		add_term(d, listed_term(d, k));
	if (!d->invalid && d->has_rest)
		add_term(d, rest_term(d));
}

/* Of a row that counts. */
static void read_terms(struct divergence *d)
{
	d->loss = d->slopes = (struct sum){0};
	d->invalid = d->student.invalid;
	d->has_rest = false;
	d->form.exact = has_logits(d);
	d->form.whole = true;
	if (is_sparse(d))
		read_sparse(d);
	else
		read_dense(d);
}

/* ---------------------------------------------------------------- the loss */

static double soft_loss(const struct divergence *d)
{
	double loss = d->invalid ? (double)NAN : sum_value(&d->loss);
	return weigh(d->common.soft_factor, loss);
}

static double row_loss(const struct divergence *d, int64_t y)
{
	const struct row *hard = &d->hard;
	double loss = soft_loss(d), share = d->plan->args.hard_weight;
	if (share > 0.0)
		loss += weigh(share, hard->invalid ? (double)NAN : row_nll(hard, (size_t)y));
	return loss;
}

/* ---------------------------------------------------------------- the gradient */

/* The derivative of the divergence with respect to the student's logit of class c, c in order. */
static double soft_grad(struct divergence *d, double slopes, size_t c)
{
	double q = row_prob(&d->student, c);
	if (!is_sparse(d)) {
		struct term term = dense_term(d, c);
		return d->term(&d->form, &term).slope - q * slopes;
	}
	size_t k = d->next;
	struct term term;
	if (is_listed(d, c)) {
		k = c == 0 ? 0 : k;
		term = listed_term(d, k);
		return d->term(&d->form, &term).slope - term.q * slopes;
	}
	if (tail_of(d) == TAIL_RESTRICT)
		return 0.0;
	if (!d->has_rest)
		return 0.0 - q * slopes;
	term = rest_term(d);
	return d->term(&d->form, &term).slope *
		       portion_share(&d->others, row_logit(&d->student, c)) -
	       q * slopes;
}

/* What the gradient of a side's logit is multiplied by. */
static struct sum slope_of(const struct loss_plan *plan, const struct logits_transform *transform,
			   const struct row *row, size_t c, double factor, size_t r)
{
	struct sum scale = product(plan_scale(plan, r), sum_from(factor));
	if (!transform->on)
		return scale;
	return product(scale, transform_slope(transform, row_given_logit(row, c)));
}

static double hard_grad(const struct row *hard, size_t c, size_t y)
{
	return c == y ? 0.0 - row_other_probs(hard, c) : row_prob(hard, c);
}

/* An infinite divergence of the reverse kind has no gradient. */
static double settled_slopes(const struct divergence *d)
{
	double slopes = sum_value(&d->slopes);
	bool softmax = d->form.exact && d->plan->args.kind != KIND_REVERSE &&
		       d->plan->args.kind != KIND_JSD;
	if (d->invalid || fabs(slopes) == HUGE_VAL)
		return (double)NAN;
	return softmax ? -1.0 : slopes;
}

static void write_grad(struct divergence *d, int64_t y)
{
	const struct row *hard = &d->hard;
	const struct loss_plan *plan = d->plan;
	double share = plan->args.hard_weight, slopes = settled_slopes(d);
	for (size_t c = 0; row_has(&d->student, c); c++) {
		double grad = d->invalid ? (double)NAN : soft_grad(d, slopes, c);
		grad = times(grad, slope_of(plan, &plan->transform, &d->student, c,
					    d->common.soft_factor, d->r));
		if (share > 0.0)
			grad += times(hard->invalid ? (double)NAN : hard_grad(hard, c, (size_t)y),
				      slope_of(plan, &d->common.hard, hard, c, share, d->r));
		tensor_put(&plan->outputs[OUTPUT_GRAD], row_index(&d->student, c), grad);
	}
}

static void clear_grad(const struct loss_plan *plan, size_t r)
{
	for (size_t c = 0; plan_has_class(plan, c); c++)
		tensor_put(&plan->outputs[OUTPUT_GRAD], plan_row_base(plan, r) + c * plan->inner,
			   0.0);
}

/* A write of shares of a side, times a factor. */
static struct side_write shares_of(const struct side *side, double factor)
{
	return (struct side_write){.operation = SIDE_WRITE_SHARES,
				   .x = side,
				   .of = side,
				   .factor = factor,
				   .own = SIZE_MAX};
}

/* Of the classes that are listed, after the others. */
static void put_listed_grads(struct divergence *d, double slopes, int64_t y)
{
	const struct loss_plan *plan = d->plan;
	double share = plan->args.hard_weight;
	for (size_t k = 0; k < d->listed.n; k++) {
		size_t c = listed_class(&d->listed, k);
		struct term term = listed_term(d, k);
		double grad = d->term(&d->form, &term).slope - term.q * slopes;
		grad = times(grad, slope_of(plan, &plan->transform, &d->student, c,
					    d->common.soft_factor, d->r));
		if (share > 0.0)
			grad += times(hard_grad(&d->hard, c, (size_t)y),
				      slope_of(plan, &d->common.hard, &d->hard, c, share, d->r));
		tensor_put(&plan->outputs[OUTPUT_GRAD], row_index(&d->student, c), grad);
	}
}

/* What is not listed has a part that is the student's probability, and one that is its share of
 * the rest. */
static void write_sparse_grad(struct divergence *d, int64_t y)
{
	const struct loss_plan *plan = d->plan;
	struct sum scale = plan_scale(plan, d->r);
	double slopes = settled_slopes(d), soft = times(d->common.soft_factor, scale);
	struct side_write writes[SIDE_WRITES];
	size_t n = 0;
	if (tail_of(d) != TAIL_RESTRICT)
		writes[n++] = shares_of(&d->student_side, -slopes * soft);
	if (d->has_rest) {
		struct term term = rest_term(d);
		writes[n++] = shares_of(&d->others_side, d->term(&d->form, &term).slope * soft);
	}
	if (plan->args.hard_weight > 0.0) {
		writes[n] = shares_of(&d->hard_side, times(plan->args.hard_weight, scale));
		writes[n].own = (size_t)y;
		writes[n++].own_value = hard_grad(&d->hard, (size_t)y, (size_t)y);
	}
	if (n > 0)
		side_put(writes, n, &plan->outputs[OUTPUT_GRAD]);
	else
		clear_grad(plan, d->r);
	put_listed_grads(d, slopes, y);
}

/* ---------------------------------------------------------------- other outputs */

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
		return dense_term(d, y).p;
	for (size_t k = 0; k < d->listed.n; k++)
		if (listed_class(&d->listed, k) == y)
			return exp_double(listed_log_prob(&d->listed, k));
	return (double)NAN;
}

static void fill_outcome(const struct divergence *d, int64_t y, struct divergence_outcome *outcome)
{
	const struct loss_plan *plan = d->plan;
	outcome->loss = row_loss(d, y);
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
	read_terms(d);
	fill_outcome(d, y, outcome);
	if (!plan->wanted[OUTPUT_GRAD])
		return;
	bool vectors = is_sparse(d) && d->by_vectors && !d->invalid &&
		       (!d->has_rest || d->others_by_vectors) &&
		       fabs(sum_value(&d->slopes)) < HUGE_VAL;
	if (vectors)
		write_sparse_grad(d, y);
	else
		write_grad(d, y);
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
		clear_grad(d->plan, d->r);
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
