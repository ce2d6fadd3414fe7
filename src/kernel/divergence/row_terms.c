#include "row_terms.h"

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
void row_terms_read(struct divergence *d)
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

double row_terms_loss(const struct divergence *d, int64_t y)
{
	const struct row *hard = &d->hard;
	double loss = soft_loss(d), share = d->plan->args.hard_weight;
	if (share > 0.0)
		loss += weigh(share, hard->invalid ? (double)NAN : row_nll(hard, (size_t)y));
	return loss;
}

double row_terms_teacher_prob(const struct divergence *d, size_t c)
{
	return dense_term(d, c).p;
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

static void write_every_grad(struct divergence *d, int64_t y)
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

void row_terms_clear_grad(const struct loss_plan *plan, size_t r)
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
		row_terms_clear_grad(plan, d->r);
	put_listed_grads(d, slopes, y);
}

void row_terms_write_grad(struct divergence *d, int64_t y)
{
	bool vectors = is_sparse(d) && d->by_vectors && !d->invalid &&
		       (!d->has_rest || d->others_by_vectors) &&
		       fabs(sum_value(&d->slopes)) < HUGE_VAL;
	if (vectors)
		write_sparse_grad(d, y);
	else
		write_every_grad(d, y);
}
