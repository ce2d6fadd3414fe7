/*
 * Rows of a policy: part of vector_template.h, once in doubles, for results that are floats, and
 * once in pairs of them. The objectives are those of policy_gradient/objectives.c, which has the
 * formulas, and evaluates what is beyond the bounds here: exponents of more than 700, and losses
 * and factors of 2^900 and above, none of which can be told by what is infinite.
 */
#define POLICY_EXPONENT 700.0
#define POLICY_LARGEST 0x1p900

/* A number as objectives have it. */
#if IS_WIDE
typedef struct pair OF(real);

INLINE OF(real) OF(real_of)(wd x)
{
	return (struct pair){x, wd_set(0.0)};
}

INLINE OF(real) OF(real_sum)(OF(real) a, OF(real) b)
{
	return pair_sum(a, b);
}

/* Its second part below its first, however much cancels. */
INLINE OF(real) OF(real_distance)(OF(real) a, OF(real) b)
{
	struct pair d = pair_sum(a, pair_minus(b));
	return wd_sum(d.high, d.low);
}

INLINE OF(real) OF(real_product)(OF(real) a, OF(real) b)
{
	return pair_product(a, b);
}

INLINE OF(real) OF(real_minus)(OF(real) a)
{
	return pair_minus(a);
}

INLINE OF(real) OF(real_select)(wl mask, OF(real) a, OF(real) b)
{
	return (struct pair){wd_select(mask, a.high, b.high), wd_select(mask, a.low, b.low)};
}

INLINE wd OF(real_value)(OF(real) a)
{
	return pair_value(a);
}

INLINE OF(real) OF(real_one_and)(double x)
{
	return wd_sum(wd_set(1.0), wd_set(x));
}

/* |x| <= POLICY_EXPONENT */
INLINE OF(real) OF(real_exp)(OF(real) x)
{
	struct pair e;
	e.high = wd_exp_parts(x.high, wd_set(WD_EXP_MAGIC), &e.low);
	e.low += e.high * x.low;
	return e;
}

/* log1p(R). From 1 on a double of it is too coarse beside what it may cancel with. */
INLINE OF(real) OF(log1p_residual)(const struct row_sums *sums, size_t at)
{
	wd residual = wd_load(sums->residual + at);
	wl large = residual >= wd_set(1.0);
	struct pair log = OF(real_of)(wd_load(sums->log1p_residual + at));
	if (wd_bits(large) == 0)
		return log;
	struct pair total = wd_sum(wd_set(1.0), residual);
	total.low += wd_load(sums->residual_low + at);
	return OF(real_select)(large, pair_log(total), log);
}
#else
typedef wd OF(real);

INLINE OF(real) OF(real_of)(wd x)
{
	return x;
}

INLINE OF(real) OF(real_sum)(OF(real) a, OF(real) b)
{
	return a + b;
}

INLINE OF(real) OF(real_distance)(OF(real) a, OF(real) b)
{
	return a - b;
}

INLINE OF(real) OF(real_product)(OF(real) a, OF(real) b)
{
	return a * b;
}

INLINE OF(real) OF(real_minus)(OF(real) a)
{
	return -a;
}

INLINE OF(real) OF(real_select)(wl mask, OF(real) a, OF(real) b)
{
	return wd_select(mask, a, b);
}

INLINE wd OF(real_value)(OF(real) a)
{
	return a;
}

INLINE OF(real) OF(real_one_and)(double x)
{
	return wd_set(1.0 + x);
}

/* The same bound; to 2^-31 of itself, and 1 of 0. */
INLINE OF(real) OF(real_exp)(OF(real) x)
{
	wd magic = wd_set(WD_EXP_MAGIC), z = x * wd_set(LOG2_E) + magic;
	return wd_scale(exp_reduced(x - (z - magic) * wd_set(LN_2)), z);
}

INLINE OF(real) OF(log1p_residual)(const struct row_sums *sums, size_t at)
{
	return wd_load(sums->log1p_residual + at);
}
#endif

INLINE wl OF(real_is_above)(OF(real) a, OF(real) b)
{
	return OF(real_value)(OF(real_distance)(a, b)) > wd_set(0.0);
}

/* ---------------------------------------------------------------- exponents */

/* A difference of log-probabilities, held within what exponentials take, and its exponential. */
struct OF(exponent) {
	OF(real) x, e;
};

INLINE struct OF(exponent) OF(raised)(OF(real) x)
{
	wl within = wd_abs(OF(real_value)(x)) <= wd_set(POLICY_EXPONENT);
	struct OF(exponent) of = {.x = OF(real_select)(within, x, OF(real_of)(wd_set(0.0)))};
	of.e = OF(real_exp)(of.x);
	return of;
}

/* exp(x) - 1 - x, |x| < 0.34: elementary.h's exp_tail. */
INLINE wd OF(exp_tail)(wd x)
{
	static const double c[] = {
		1.0 / 6227020800.0, 1.0 / 479001600.0, 1.0 / 39916800.0, 1.0 / 3628800.0,
		1.0 / 362880.0,     1.0 / 40320.0,     1.0 / 5040.0,     1.0 / 720.0,
		1.0 / 120.0,        1.0 / 24.0,        1.0 / 6.0,
	};
	wd p = wd_set(c[0]), x2 = x * x;
	UNROLL
	for (size_t i = 1; i < 11; i++)
		p = p * x + wd_set(c[i]);
	return wd_set(0.5) * x2 + x2 * x * p;
}

/* exp(x) - 1, and that less x, which is never negative. */
struct OF(growth) {
	OF(real) grown, excess;
};

INLINE struct OF(growth) OF(growth_of)(const struct OF(exponent) * of)
{
	wd x = OF(real_value)(of->x);
	wl small = wd_abs(x) < wd_set(0.34);
	OF(real) tail = OF(real_of)(OF(exp_tail)(wd_select(small, x, wd_set(0.0))));
	OF(real) grown = OF(real_sum)(of->e, OF(real_of)(wd_set(-1.0)));
	return (struct OF(growth)){
		.grown = OF(real_select)(small, OF(real_sum)(of->x, tail), grown),
		.excess = OF(real_select)(small, tail, OF(real_distance)(grown, of->x)),
	};
}

/* ---------------------------------------------------------------- objectives */

struct OF(policy_row) {
	OF(real) lp, d, r, advantage;
};

struct OF(policy_term) {
	OF(real) loss, factor;
	wl clipped;
};

INLINE struct OF(policy_term) OF(sampled_term)(const struct OF(policy_row) * row)
{
	OF(real) gain = OF(real_product)(row->advantage, row->r);
	return (struct OF(policy_term)){OF(real_minus)(gain), gain, wd_set(0.0) < wd_set(0.0)};
}

/* Clipped is what would gain by leaving the clips. */
INLINE struct OF(policy_term)
	OF(ppo_term)(const struct OF(policy_row) * row, OF(real) lowest, OF(real) highest)
{
	wd a = OF(real_value)(row->advantage), zero = wd_set(0.0);
	wl above = (a > zero) & OF(real_is_above)(row->r, highest);
	wl clipped = above | ((a < zero) & OF(real_is_above)(lowest, row->r));
	OF(real) end = OF(real_select)(above, highest, lowest);
	OF(real) gain = OF(real_product)(row->advantage, OF(real_select)(clipped, end, row->r));
	OF(real) factor = OF(real_select)(clipped, OF(real_of)(zero), gain);
	return (struct OF(policy_term)){OF(real_minus)(gain), factor, clipped};
}

INLINE struct OF(policy_term)
	OF(cispo_term)(const struct OF(policy_row) * row, OF(real) lowest, OF(real) highest)
{
	wl above = OF(real_is_above)(row->r, highest), below = OF(real_is_above)(lowest, row->r);
	OF(real) clip = OF(real_select)(above, highest, OF(real_select)(below, lowest, row->r));
	OF(real) factor = OF(real_product)(row->advantage, clip);
	return (struct OF(policy_term)){OF(real_minus)(OF(real_product)(factor, row->lp)), factor,
					above | below};
}

INLINE struct OF(policy_term) OF(dro_term)(const struct OF(policy_row) * row, double beta)
{
	OF(real)
	square =
		OF(real_product)(OF(real_of)(wd_set(0.5 * beta)), OF(real_product)(row->d, row->d));
	OF(real) pull = OF(real_product)(OF(real_of)(wd_set(beta)), row->d);
	OF(real) gain = OF(real_product)(row->advantage, row->lp);
	return (struct OF(policy_term)){OF(real_distance)(square, gain),
					OF(real_distance)(row->advantage, pull),
					wd_set(0.0) < wd_set(0.0)};
}

INLINE struct OF(policy_term) OF(reinforce_term)(const struct OF(policy_row) * row)
{
	return (struct OF(policy_term)){OF(real_minus)(OF(real_product)(row->advantage, row->lp)),
					row->advantage, wd_set(0.0) < wd_set(0.0)};
}

INLINE struct OF(policy_term)
	OF(objective_term)(const struct policy_lanes *lanes, const struct OF(policy_row) * row)
{
	OF(real)
	lowest = OF(real_one_and)(-lanes->clip_low), highest = OF(real_one_and)(lanes->clip_high);
	switch (lanes->objective) {
	case OBJECTIVE_PPO:
		return OF(ppo_term)(row, lowest, highest);
	case OBJECTIVE_CISPO:
		return OF(cispo_term)(row, lowest, highest);
	case OBJECTIVE_DRO:
		return OF(dro_term)(row, lanes->beta);
	case OBJECTIVE_REINFORCE:
		return OF(reinforce_term)(row);
	default:
		return OF(sampled_term)(row);
	}
}

/* ---------------------------------------------------------------- rows */

/* Whether anything is made of the ratio. */
INLINE bool OF(has_ratio)(const struct policy_lanes *lanes)
{
	return lanes->objective < OBJECTIVE_DRO || lanes->ratios || lanes->kls;
}

/* What of d and r the lanes need: 0 where it is nothing. Whether a row is taken must not depend on
 * what is asked for. */
INLINE wl OF(sample)(struct policy_lanes *lanes, size_t at, struct OF(policy_row) * row, wl counted)
{
	row->d = row->r = OF(real_of)(wd_set(0.0));
	if (!lanes->samples)
		return counted;
	row->d = OF(real_distance)(row->lp, OF(real_of)(wd_load(lanes->sampled + at)));
	wl within = wd_abs(OF(real_value)(row->d)) <= wd_set(POLICY_EXPONENT);
	if (!OF(has_ratio)(lanes))
		return counted & within;
	struct OF(exponent) of = OF(raised)(row->d);
	row->r = of.e;
	if (lanes->ratios)
		wd_store(lanes->ratio + at, (wd)((wl)OF(real_value)(of.e) & counted));
	if (lanes->kls) {
		struct OF(growth) growth = OF(growth_of)(&of);
		wd_store(lanes->kl + at, (wd)((wl)OF(real_value)(growth.excess) & counted));
	}
	return counted & within;
}

INLINE wl OF(diverge)(const struct policy_lanes *lanes, size_t at, OF(real) lp,
		      struct OF(policy_term) * term)
{
	OF(real) weight = OF(real_of)(wd_set(lanes->kl_weight));
	OF(real) gap = OF(real_distance)(OF(real_of)(wd_load(lanes->reference + at)), lp);
	struct OF(exponent) of = OF(raised)(gap);
	struct OF(growth) growth = OF(growth_of)(&of);
	term->loss = OF(real_sum)(term->loss, OF(real_product)(weight, growth.excess));
	term->factor = OF(real_sum)(term->factor, OF(real_product)(weight, growth.grown));
	return wd_abs(OF(real_value)(gap)) <= wd_set(POLICY_EXPONENT);
}

INLINE void OF(put_factor)(struct lane_sums *factor, size_t at, OF(real) value, wl counted)
{
	wd zero = wd_set(0.0);
#if IS_WIDE
	wd_store(factor->low + at, (wd)((wl)value.low & counted));
	value.high += zero;
	wd_store(factor->high + at, (wd)((wl)value.high & counted));
#else
	wd_store(factor->low + at, zero);
	wd_store(factor->high + at, (wd)((wl)(value + zero) & counted));
#endif
}

/* x_y - m, exactly, less log1p(R): never positive. */
INLINE OF(real) OF(log_prob)(const struct row_sums *sums, const double *logit, size_t at)
{
	OF(real) x = OF(real_of)(wd_load(logit + at)), max = OF(real_of)(wd_load(sums->max + at));
	return OF(real_sum)(OF(real_sum)(x, OF(real_minus)(max)),
			    OF(real_minus)(OF(log1p_residual)(sums, at)));
}

/* Lanes [at, at + DOUBLES). */
INLINE void OF(policy_vector)(const struct row_sums *sums, const struct row_targets *targets,
			      size_t at, struct policy_lanes *lanes)
{
	const wd zero = wd_set(0.0), largest = wd_set(POLICY_LARGEST);
	wl counted = wl_load(targets->y + at) >= 0;
	struct OF(policy_row) row = {.lp = OF(log_prob)(sums, targets->logit, at),
				     .advantage = OF(real_of)(wd_load(lanes->advantage + at))};
	wl taken = OF(sample)(lanes, at, &row, counted);
	struct OF(policy_term) term = OF(objective_term)(lanes, &row);
	if (lanes->kl_weight > 0.0)
		taken &= OF(diverge)(lanes, at, row.lp, &term);
	wd loss = OF(real_value)(term.loss) + zero;
	taken &= (wd_abs(loss) < largest) & (wd_abs(OF(real_value)(term.factor)) < largest);
	wd_store(lanes->loss + at, (wd)((wl)loss & counted));
	if (lanes->log_probs)
		wd_store(lanes->log_prob + at, (wd)((wl)(OF(real_value)(row.lp) + zero) & counted));
	OF(put_factor)(&lanes->factor, at, term.factor, counted);
	lanes->clipped |= wd_bits(term.clipped & counted) << at;
	lanes->taken |= wd_bits(taken) << at;
}

static void OF(policy)(const struct row_sums *sums, const struct row_targets *targets,
		       struct policy_lanes *lanes)
{
	lanes->clipped = lanes->taken = 0;
	UNROLL
	for (size_t at = 0; at < LANES; at += DOUBLES)
		OF(policy_vector)(sums, targets, at, lanes);
}
#undef POLICY_EXPONENT
#undef POLICY_LARGEST
