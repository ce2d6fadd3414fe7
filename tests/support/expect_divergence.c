/* Rows of divergence. */
#include <string.h>

#include "expect_rows.h"
#include "tensor.h"
#include "ulp.h"

#define TEACHER_LOGITS LOSS_ROLE_OWN_1
#define TEACHER_INDICES LOSS_ROLE_OWN_2
#define TEACHER_LOG_PROBS LOSS_ROLE_OWN_3

/* Transformed logits of a row, not rounded, and how far off a double may be. */
struct side {
	long double *u, *slope;
	long double doubt, steepest;
	struct oracle_row row;
	struct oracle_softmax softmax;
	struct expect_number predicted;
};

struct terms {
	struct oracle_divergence d;
	bool exact; /* both sides by logits */
	bool nan;   /* the row is */
	bool any;   /* the teacher predicts a class, which is this: */
	long double predicted, predicted_slack;
	long double doubt;
	long double rest_slack;
};

/* ---------------------------------------------------------------- logits */

static bool is_transformed(const struct expect_arguments *arguments, long double temperature)
{
	return arguments->softcap > 0 || temperature != 1 || arguments->logit_scale != 1;
}

/* Whether another one is as large, as far as a double can tell. */
static bool is_disputed(const struct side *side)
{
	for (size_t c = 0; c < side->row.n; c++)
		if (c != side->softmax.predicted && !side->softmax.nan &&
		    side->u[c] >= side->softmax.max - 2 * side->doubt)
			return side->doubt > 0;
	return false;
}

static struct side read_side(const struct expect_problem *problem, loss_role role, size_t r,
			     long double temperature)
{
	const struct expect_arguments *arguments = &problem->arguments;
	size_t n = problem->classes;
	struct side side = {.u = expect_array(problem, long double, n),
			    .slope = expect_array(problem, long double, n),
			    .steepest = 1};
	long double largest = 0;
	bool transformed = is_transformed(arguments, temperature);
	for (size_t c = 0; c < n; c++) {
		long double x = (long double)tensor_number(problem->tensors[role],
							   expect_place(problem, r, c));
		side.u[c] = transformed ? oracle_transform(x, arguments->logit_scale,
							   arguments->softcap, temperature)
					: x;
		side.slope[c] = transformed
					? oracle_transform_slope(x, arguments->logit_scale,
								 arguments->softcap, temperature)
					: 1;
		side.steepest = fmaxl(side.steepest, side.slope[c]);
		if (isfinite(side.u[c]))
			largest = fmaxl(largest, fabsl(side.u[c]));
	}
	side.doubt = transformed ? 4 * ulp_of(LOSS_F64, largest) : 0;
	side.doubt += expect_overflow(4 * largest); /* differences of logits are infinite */
	side.row = (struct oracle_row){n, side.u};
	side.softmax = oracle_softmax_row(&side.row);
	side.predicted.value = (long double)side.softmax.predicted;
	side.predicted.slack = is_disputed(&side) ? (long double)INFINITY : 0;
	return side;
}

/* ---------------------------------------------------------------- the teacher */

static long double log_add(long double a, long double b)
{
	long double most = fmaxl(a, b), least = fminl(a, b);
	return isinf(most) ? most : most + log1pl(expl(least - most));
}

static void read_dense(const struct expect_problem *problem, size_t r, bool *listed,
		       long double *log_p, struct terms *terms)
{
	size_t n = problem->classes;
	const struct loss_tensor *tensor = problem->tensors[TEACHER_LOG_PROBS];
	terms->exact = terms->any = terms->d.whole = true;
	if (tensor == NULL) {
		struct side teacher =
			read_side(problem, TEACHER_LOGITS, r, problem->arguments.temperature);
		terms->nan |= teacher.softmax.nan;
		terms->doubt += teacher.doubt;
		terms->predicted = teacher.predicted.value;
		terms->predicted_slack = teacher.predicted.slack;
		for (size_t c = 0; c < n; c++)
			log_p[c] = -oracle_surprise(&teacher.row, &teacher.softmax, c);
	}
	for (size_t c = 0; tensor != NULL && c < n; c++) {
		log_p[c] = (long double)tensor_number(tensor, expect_place(problem, r, c));
		terms->nan |= isnan(log_p[c]) || log_p[c] == (long double)INFINITY;
		if (log_p[c] > log_p[(size_t)terms->predicted])
			terms->predicted = (long double)c;
	}
	terms->exact = tensor == NULL;
	for (size_t c = 0; c < n; c++)
		listed[c] = true;
}

/* The class at a place of the row, or -1. */
static long long class_at(const struct expect_problem *problem, size_t i)
{
	struct class_index y = tensor_class_index(problem->tensors[TEACHER_INDICES], i);
	return y.negative ? -1 : (long long)y.value;
}

static void read_listed(const struct expect_problem *problem, size_t r, bool *listed,
			long double *log_p, struct terms *terms)
{
	const struct loss_tensor *indices = problem->tensors[TEACHER_INDICES];
	size_t k = indices->shape[indices->rank - 1];
	long double best = -(long double)INFINITY;
	for (size_t i = r * k; i < (r + 1) * k; i++) {
		long long y = class_at(problem, i);
		if (y < 0)
			continue;
		long double x = (long double)tensor_number(problem->tensors[TEACHER_LOG_PROBS], i);
		listed[y] = true;
		log_p[y] = x;
		terms->nan |= isnan(x);
		if (!terms->any || x > best || (x == best && (long double)y < terms->predicted)) {
			best = x;
			terms->predicted = (long double)y;
		}
		terms->any = true;
	}
}

/* What the tail makes of them. */
static void settle_tail(const struct expect_problem *problem, bool *listed, long double *log_p,
			long double *log_q, struct terms *terms)
{
	const char *tail = problem->arguments.tail;
	long double all_p = -(long double)INFINITY, all_q = all_p, others = all_p, largest = 0;
	struct oracle_sum rest = {0};
	size_t n = 0;
	oracle_add(&rest, 1);
	for (size_t c = 0; c < problem->classes; c++) {
		n += listed[c];
		all_p = listed[c] ? log_add(all_p, log_p[c]) : all_p;
		all_q = listed[c] ? log_add(all_q, log_q[c]) : all_q;
		others = listed[c] ? others : log_add(others, log_q[c]);
		largest = listed[c] ? fmaxl(largest, expl(log_p[c])) : largest;
		oracle_add(&rest, listed[c] ? -expl(log_p[c]) : 0);
	}
	bool normalizes = strcmp(tail, "renormalize") == 0,
	     restricts = strcmp(tail, "restrict") == 0;
	bool buckets = strcmp(tail, "bucket") == 0;
	terms->nan |= (normalizes || restricts) && isinf(all_p);
	terms->nan |= restricts && isinf(all_q);
	for (size_t c = 0; c < problem->classes; c++) {
		log_p[c] -= normalizes || restricts ? all_p : 0;
		if (restricts)
			log_q[c] = listed[c] ? log_q[c] - all_q : -(long double)INFINITY;
	}
	long double missing = oracle_total(&rest);
	terms->d.has_rest = buckets && n < problem->classes && missing > 0;
	terms->d.whole = restricts || terms->d.has_rest || (buckets && n == problem->classes);
	terms->d.log_p_rest = logl(missing);
	terms->d.log_q_rest = others;
	if (terms->d.has_rest)
		terms->rest_slack =
			0x1p-50L * (1 - largest) *
			(fabsl(terms->d.log_p_rest) + (isinf(others) ? 0 : fabsl(others)) + 2);
	/* whether there is a rest at all is a matter of the last digit */
	if (buckets && n < problem->classes && fabsl(missing) < 0x1p-51L)
		terms->rest_slack = (long double)INFINITY;
}

static enum oracle_kind kind_of(const struct expect_problem *problem)
{
	const char *kind = problem->arguments.kind;
	return strcmp(kind, "forward") == 0   ? ORACLE_FORWARD
	       : strcmp(kind, "reverse") == 0 ? ORACLE_REVERSE
	       : strcmp(kind, "jsd") == 0     ? ORACLE_JSD
					      : ORACLE_CROSS_ENTROPY;
}

static struct terms read_terms(const struct expect_problem *problem, size_t r,
			       const struct side *student)
{
	size_t n = problem->classes;
	bool *listed = expect_array(problem, bool, n);
	long double *log_p = expect_array(problem, long double, n);
	long double *log_q = expect_array(problem, long double, n);
	struct terms terms = {.nan = student->softmax.nan, .doubt = student->doubt};
	terms.d.kind = kind_of(problem);
	terms.d.beta = problem->arguments.beta;
	terms.d.n = n;
	for (size_t c = 0; c < n; c++) {
		log_p[c] = -(long double)INFINITY;
		log_q[c] = -oracle_surprise(&student->row, &student->softmax, c);
	}
	if (problem->tensors[TEACHER_INDICES] == NULL) {
		read_dense(problem, r, listed, log_p, &terms);
	} else {
		read_listed(problem, r, listed, log_p, &terms);
		if (!terms.nan)
			settle_tail(problem, listed, log_p, log_q, &terms);
	}
	terms.d.listed = listed;
	terms.d.log_p = log_p;
	terms.d.log_q = log_q;
	terms.d.grad = expect_array(problem, long double, n);
	terms.d.largest = expect_array(problem, long double, n);
	if (!terms.nan)
		oracle_divergence(&terms.d);
	return terms;
}

/* ---------------------------------------------------------------- the loss */

/* Nothing is promised where what it is made of is beyond all numbers. */
static void settle_slack(struct expect_number *number)
{
	if (isnan(number->slack))
		number->slack = (long double)INFINITY;
}

static long double soft_factor(const struct expect_arguments *arguments)
{
	long double squared = arguments->temperature * arguments->temperature;
	return (1 - arguments->hard_weight) * (arguments->temperature_squared ? squared : 1);
}

/* What differences of logits that are off may come to, at most. */
static long double doubt_of(const struct terms *terms)
{
	long double size = isfinite(terms->d.size) ? terms->d.size : 0;
	return terms->doubt > 0 ? terms->doubt * (4 + 2 * size) : 0;
}

static struct expect_number soft_loss(const struct expect_problem *problem,
				      const struct terms *terms)
{
	long double factor = soft_factor(&problem->arguments);
	bool near = terms->exact && terms->d.kind != ORACLE_CROSS_ENTROPY;
	struct expect_number loss = {oracle_weigh(factor, terms->d.loss), 0};
	long double size = near ? loss.value : factor * terms->d.size;
	if (terms->nan)
		return (struct expect_number){(long double)NAN, 0};
	if (!isfinite(loss.value))
		return loss;
	loss.slack = expect_ulps(problem, 4, size) + factor * (near ? 3e-14L : 0);
	loss.slack += factor * (terms->rest_slack > 0 ? terms->rest_slack : 0);
	loss.slack += factor * doubt_of(terms) + expect_overflow(size);
	return loss;
}

static void put_loss(const struct expect_problem *problem, size_t r, const struct terms *terms,
		     const struct side *hard, struct expect_row *row)
{
	long double share = problem->arguments.hard_weight, weight = expect_row_weight(problem, r);
	struct expect_number loss = soft_loss(problem, terms);
	if (share > 0) {
		long double nll =
			oracle_surprise(&hard->row, &hard->softmax, expect_class(problem, r));
		loss.value += oracle_weigh(share, nll);
		loss.slack += expect_ulps(problem, 4, share * nll) + share * 2 * hard->doubt;
	}
	row->plain = loss;
	settle_slack(&row->plain);
	row->loss.value = oracle_weigh(weight, loss.value);
	row->loss.slack =
		weight == 0 ? 0 : weight * loss.slack + expect_ulps(problem, 1, row->loss.value);
	settle_slack(&row->loss);
}

/* ---------------------------------------------------------------- the gradient */

/* Of the divergence alone, before it is scaled. */
static long double soft_slack(const struct expect_problem *problem, const struct terms *terms,
			      size_t c)
{
	const struct oracle_divergence *d = &terms->d;
	bool differs = d->kind == ORACLE_REVERSE || d->kind == ORACLE_JSD;
	long double q = expl(d->log_q[c]), floor = differs ? 1e-14L * q : 0;
	if (differs && !terms->exact && d->listed[c] && isfinite(d->log_p[c]) && q > 0)
		floor += 0x1p-50L * q * (fabsl(d->log_p[c]) + fabsl(d->log_q[c]));
	(void)problem;
	return floor + terms->rest_slack + 4 * terms->doubt * (d->largest[c] + q);
}

static void put_grad(const struct expect_problem *problem, size_t r, const struct terms *terms,
		     const struct side *student, const struct side *hard, struct expect_row *row)
{
	const struct expect_arguments *arguments = &problem->arguments;
	size_t n = problem->classes;
	long double scale = expect_scale(problem, r) * expect_row_weight(problem, r);
	long double soft = soft_factor(arguments) * scale, share = arguments->hard_weight * scale;
	for (size_t c = 0; c < n; c++) {
		struct expect_number *grad = &row->grad[c];
		long double factor = soft * student->slope[c];
		long double largest = fabsl(terms->d.largest[c] * factor);
		grad->value = terms->nan ? (long double)NAN : terms->d.grad[c] * factor;
		if (arguments->hard_weight > 0) {
			size_t y = expect_class(problem, r);
			long double own = c == y ? -oracle_other_prob(&hard->row, &hard->softmax, c)
						 : oracle_prob(&hard->row, &hard->softmax, c);
			grad->value += own * share * hard->slope[c];
			largest = fmaxl(largest, fabsl(own * share * hard->slope[c]));
		}
		long double floor =
			fmaxl(fabsl(soft) * student->steepest,
			      arguments->hard_weight > 0 ? fabsl(share) * hard->steepest : 0);
		if (terms->nan || !isfinite(grad->value))
			continue;
		grad->slack = expect_grad_slack(problem, largest, floor) +
			      fabsl(factor) * soft_slack(problem, terms, c);
		if (arguments->hard_weight > 0)
			grad->slack += 8 * hard->doubt * largest;
		settle_slack(grad);
	}
}

/* ---------------------------------------------------------------- the rest */

/* Of the student alone, whatever counts. */
static void put_student(const struct expect_problem *problem, const struct side *side,
			struct expect_row *row)
{
	long double limit = problem->result == LOSS_F32 ? 2 : 4;
	long double size = fmaxl(fabsl(side->softmax.max), side->softmax.tail);
	long double entropy = oracle_entropy(&side->row);
	row->lse = (struct expect_number){side->softmax.lse,
					  expect_ulps(problem, limit, size) + side->doubt};
	row->entropy = (struct expect_number){entropy, expect_ulps(problem, limit, entropy) +
							       side->doubt * (4 + 2 * entropy)};
	row->predicted = side->predicted;
}

static void put_teacher_entropy(const struct expect_problem *problem, const struct terms *terms,
				struct expect_row *row)
{
	struct oracle_sum sum = {0}, size = {0};
	row->teacher_entropy.value = (long double)NAN;
	if (terms->nan || problem->tensors[TEACHER_INDICES] != NULL)
		return;
	for (size_t c = 0; c < problem->classes; c++) {
		long double p = expl(terms->d.log_p[c]);
		oracle_add(&sum, oracle_term(p, -terms->d.log_p[c]));
		oracle_add(&size, oracle_term(p, fabsl(terms->d.log_p[c])));
	}
	long double total = oracle_total(&size);
	row->teacher_entropy =
		(struct expect_number){oracle_total(&sum), expect_ulps(problem, 4, total) +
								   terms->doubt * (4 + 2 * total)};
}

/* The teacher's probability as it is given, whatever the tail makes of it. */
static void put_delta(const struct expect_problem *problem, size_t r, const struct terms *terms,
		      const struct side *student, struct expect_row *row)
{
	row->delta_prob.value = (long double)NAN;
	if (terms->nan || problem->tensors[LOSS_ROLE_TARGETS] == NULL)
		return;
	size_t y = expect_class(problem, r);
	long double q = oracle_prob(&student->row, &student->softmax, y), p = (long double)NAN;
	const struct loss_tensor *indices = problem->tensors[TEACHER_INDICES];
	size_t k = indices != NULL ? indices->shape[indices->rank - 1] : 0;
	for (size_t i = r * k; i < (r + 1) * k; i++)
		if (class_at(problem, i) == (long long)y)
			p = expl(
				(long double)tensor_number(problem->tensors[TEACHER_LOG_PROBS], i));
	if (indices == NULL)
		p = expl(terms->d.log_p[y]);
	row->delta_prob.value = q - p;
	if (!isnan(p))
		row->delta_prob.slack =
			expect_grad_slack(problem, fmaxl(p, q), 1) + 4 * terms->doubt * fmaxl(p, q);
}

void expect_divergence(const struct expect_problem *problem, size_t r, struct expect_row *row)
{
	struct side hard,
		student = read_side(problem, LOSS_ROLE_INPUT, r, problem->arguments.temperature);
	row->grad = expect_array(problem, struct expect_number, problem->classes);
	put_student(problem, &student, row);
	row->teacher_entropy.value = row->delta_prob.value = (long double)NAN;
	if (!expect_counted(problem, r))
		return;
	hard = read_side(problem, LOSS_ROLE_INPUT, r, 1);
	struct terms terms = read_terms(problem, r, &student);
	put_loss(problem, r, &terms, &hard, row);
	put_grad(problem, r, &terms, &student, &hard, row);
	put_teacher_entropy(problem, &terms, row);
	put_delta(problem, r, &terms, &student, row);
	row->agrees.value = !terms.nan && terms.any && terms.predicted == student.predicted.value;
	row->agrees.slack = fmaxl(terms.predicted_slack, student.predicted.slack);
}
