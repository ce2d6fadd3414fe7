/*
 * divergence: how far the student, softmax of the logits, is from a teacher: of all classes, by its
 * logits or its log-probabilities, or of some that are listed. terms.h has what each class adds.
 */
#include "../../targets.h"
#include "../kernels.h"
#include "../row.h"
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
	term_fn *term;
	struct term_form form;
	struct logits_transform hard; /* at temperature 1 */
	double soft_factor;           /* of the divergence, with the temperature's square */

	struct row student, teacher; /* teacher: where it is of all classes */
	struct sum between;          /* log-sum-exp of the teacher minus that of the student */
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
		      logits ? &plan->transform : NULL, d->r);
	/* log-probabilities may all be -infinity */
	d->invalid |= d->teacher.invalid &&
		      (logits || d->teacher.max > -HUGE_VAL || d->teacher.max != d->teacher.max);
	struct sum of_teacher = row_lse(&d->teacher), of_student = row_lse(&d->student);
	d->between = plus(of_teacher, negative(of_student));
	d->form.exact = logits;
	d->form.whole = true;
	for (size_t c = 0; !d->invalid && row_has(&d->student, c); c++)
		add_term(d, dense_term(d, c));
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
		d->others = portion_of(d, d->plan->classes, other_logit);
	d->form.exact = false;
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
	if (is_sparse(d))
		read_sparse(d);
	else
		read_dense(d);
}

/* ---------------------------------------------------------------- the loss */

static double soft_loss(const struct divergence *d)
{
	double loss = d->invalid ? (double)NAN : sum_value(&d->loss);
	return weigh(d->soft_factor, loss);
}

static double row_loss(const struct divergence *d, const struct row *hard, int64_t y)
{
	double loss = soft_loss(d), share = d->plan->args.hard_weight;
	if (share > 0.0)
		loss += weigh(share, hard->invalid ? (double)NAN : row_nll(hard, (size_t)y));
	return weigh(plan_row_weight(d->plan, d->r), loss);
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

static void write_grad(struct divergence *d, const struct row *hard, int64_t y)
{
	const struct loss_plan *plan = d->plan;
	double share = plan->args.hard_weight, slopes = settled_slopes(d);
	for (size_t c = 0; row_has(&d->student, c); c++) {
		double grad = d->invalid ? (double)NAN : soft_grad(d, slopes, c);
		grad = times(grad, slope_of(plan, &plan->transform, &d->student, c, d->soft_factor,
					    d->r));
		if (share > 0.0)
			grad += times(hard->invalid ? (double)NAN : hard_grad(hard, c, (size_t)y),
				      slope_of(plan, &d->hard, hard, c, share, d->r));
		tensor_put(&plan->outputs[OUTPUT_GRAD], row_index(&d->student, c), grad);
	}
}

static void clear_grad(const struct loss_plan *plan, size_t r)
{
	for (size_t c = 0; plan_has_class(plan, c); c++)
		tensor_put(&plan->outputs[OUTPUT_GRAD], plan_row_base(plan, r) + c * plan->inner,
			   0.0);
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

static void write_outputs(const struct divergence *d, bool counts, int64_t y,
			  struct partial *partial)
{
	const struct loss_plan *plan = d->plan;
	bool agrees = counts && agree(d);
	partial->correct += agrees;
	if (plan->wanted[OUTPUT_AGREES])
		((unsigned char *)plan->outputs[OUTPUT_AGREES].data)[d->r] = agrees;
	if (plan->wanted[OUTPUT_TEACHER_ENTROPY])
		tensor_put(&plan->outputs[OUTPUT_TEACHER_ENTROPY], d->r,
			   counts ? teacher_entropy(d) : (double)NAN);
	if (plan->wanted[OUTPUT_DELTA_PROB])
		tensor_put(&plan->outputs[OUTPUT_DELTA_PROB], d->r,
			   counts && !d->invalid
				   ? row_prob(&d->student, (size_t)y) - teacher_prob(d, (size_t)y)
				   : (double)NAN);
	row_write_outputs(&d->student, plan, d->r);
}

/* ---------------------------------------------------------------- rows */

static void evaluate(struct divergence *d, size_t r, int64_t y, struct partial *partial)
{
	const struct loss_plan *plan = d->plan;
	bool counts = y >= 0, grad = plan->wanted[OUTPUT_GRAD];
	struct row hard;
	d->r = r;
	row_read(&d->student, plan, r);
	if (counts)
		read_terms(d);
	if (counts && plan->args.hard_weight > 0.0)
		row_read_from(&hard, plan, &plan->tensors[LOSS_ROLE_INPUT], &d->hard, r);
	if (grad && counts)
		write_grad(d, &hard, y);
	else if (grad)
		clear_grad(plan, r);
	write_outputs(d, counts, y, partial);
	plan_put_loss(plan, r, counts ? row_loss(d, &hard, y) : 0.0, partial);
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
	d->plan = plan;
	d->term = terms[args->kind];
	d->form.beta = sum_from(args->beta);
	d->form.rest.high = two_sum(1.0, -args->beta, &d->form.rest.low);
	d->soft_factor = 1.0 - args->hard_weight;
	if (args->temperature_squared)
		d->soft_factor *= args->temperature * args->temperature;
	d->hard = transform_of(args->logit_scale, args->softcap, 1.0, true);
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
		for (size_t i = 0; i < some; i++)
			evaluate(&d, first + done + i, y[i], partial);
	}
}
