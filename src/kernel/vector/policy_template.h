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
#endif

INLINE OF(real) OF(real_difference)(OF(real) a, OF(real) b)
{
	return OF(real_sum)(a, OF(real_minus)(b));
}

INLINE wl OF(real_is_above)(OF(real) a, OF(real) b)
{
	return OF(real_value)(OF(real_difference)(a, b)) > wd_set(0.0);
}

/* ---------------------------------------------------------------- exponents */

struct OF(policy_row) {
	OF(real) gap; /* x_y - m, exactly */
	OF(real) lp;  /* of which log1p(R) is rounded to a double */
#if IS_WIDE
	wd log1p_residual;
	struct pair total; /* 1 + R */
#endif
	OF(real) d, r, advantage;
};

INLINE struct OF(policy_row)
	OF(policy_row_at)(const struct row_sums *sums, const double *logit, size_t at)
{
	OF(real) x = OF(real_of)(wd_load(logit + at)), max = OF(real_of)(wd_load(sums->max + at));
	wd log = wd_load(sums->log1p_residual + at);
	struct OF(policy_row) row = {.gap = OF(real_difference)(x, max)};
	row.lp = OF(real_difference)(row.gap, OF(real_of)(log));
#if IS_WIDE
	row.log1p_residual = log;
	row.total = wd_sum(wd_set(1.0), wd_load(sums->residual + at));
	row.total.low += wd_load(sums->residual_low + at);
#endif
	return row;
}

/* exp(x), and whether it is within what is taken; else it has no meaning. */
INLINE OF(real) OF(bounded_exp)(OF(real) x, wl *within)
{
	*within = wd_abs(OF(real_value)(x)) <= wd_set(POLICY_EXPONENT);
	return OF(real_exp)(OF(real_select)(*within, x, OF(real_of)(wd_set(0.0))));
}

/*
 * exp(lp - s), exp(s - lp), and lp where its digits after the point count. What rounding takes from
 * lp is far below a float's last digit; of doubles it is more than that of a ratio, which therefore
 * is exp(x_y - m - s) / (1 + R).
 */
#if IS_WIDE
INLINE OF(real) OF(ratio_to)(const struct OF(policy_row) * row, OF(real) s, wl *within)
{
	OF(real) e = OF(bounded_exp)(OF(real_difference)(row->gap, s), within);
	return pair_ratio(e, row->total, wd_set(1.0) / row->total.high);
}

INLINE OF(real) OF(ratio_from)(const struct OF(policy_row) * row, OF(real) s, wl *within)
{
	OF(real) e = OF(bounded_exp)(OF(real_difference)(s, row->gap), within);
	return pair_product(e, row->total);
}

INLINE OF(real) OF(sharp_lp)(const struct OF(policy_row) * row)
{
	wl large = row->total.high >= wd_set(2.0);
	struct pair log = OF(real_of)(row->log1p_residual);
	if (wd_bits(large) != 0)
		log = OF(real_select)(large, pair_log(row->total), log);
	return OF(real_difference)(row->gap, log);
}
#else
INLINE OF(real) OF(ratio_to)(const struct OF(policy_row) * row, OF(real) s, wl *within)
{
	return OF(bounded_exp)(row->lp - s, within);
}

INLINE OF(real) OF(ratio_from)(const struct OF(policy_row) * row, OF(real) s, wl *within)
{
	return OF(bounded_exp)(s - row->lp, within);
}

INLINE OF(real) OF(sharp_lp)(const struct OF(policy_row) * row)
{
	return row->lp;
}
#endif

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

/* e - 1 - x with e = exp(x), never negative: near 0 without what cancels. */
INLINE OF(real) OF(excess)(OF(real) x, OF(real) e)
{
	wd near = OF(real_value)(x), zero = wd_set(0.0);
	wl small = wd_abs(near) < wd_set(0.34);
	OF(real) tail = OF(real_of)(OF(exp_tail)(wd_select(small, near, zero)));
	OF(real) grown = OF(real_sum)(e, OF(real_of)(wd_set(-1.0)));
	return OF(real_select)(small, tail, OF(real_difference)(grown, x));
}

/* ---------------------------------------------------------------- objectives */

struct OF(policy_term) {
	OF(real) loss, factor;
	wl clipped;
};

INLINE struct OF(policy_term) OF(sampled_term)(const struct OF(policy_row) * row)
{
	OF(real) gain = OF(real_product)(row->advantage, row->r);
	return (struct OF(policy_term)){OF(real_minus)(gain), gain, (wl){0}};
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
	return (struct OF(policy_term)){OF(real_difference)(square, gain),
					OF(real_difference)(row->advantage, pull), (wl){0}};
}

INLINE struct OF(policy_term) OF(reinforce_term)(const struct OF(policy_row) * row)
{
	return (struct OF(policy_term)){OF(real_minus)(OF(real_product)(row->advantage, row->lp)),
					row->advantage, (wl){0}};
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

/* Sets d and r: 0 where there are none. Whether a row is taken must not depend on what is asked
 * for. */
INLINE wl OF(sample)(struct policy_lanes *lanes, size_t at, struct OF(policy_row) * row, wl counted)
{
	wl within;
	row->d = row->r = OF(real_of)(wd_set(0.0));
	if (!lanes->samples)
		return counted;
	OF(real) sampled = OF(real_of)(wd_load(lanes->sampled + at));
	OF(real) ratio = OF(ratio_to)(row, sampled, &within);
	row->d = OF(real_difference)(row->lp, sampled);
	if (!OF(has_ratio)(lanes))
		return counted & within;
	row->r = ratio;
	if (lanes->ratios)
		wd_store(lanes->ratio + at, (wd)((wl)OF(real_value)(ratio) & counted));
	if (lanes->kls) {
		OF(real) d = OF(real_difference)(OF(sharp_lp)(row), sampled);
		wd kl = OF(real_value)(OF(excess)(d, ratio));
		wd_store(lanes->kl + at, (wd)((wl)kl & counted));
	}
	return counted & within;
}

/* Adds what kl_weight does. */
INLINE wl OF(diverge)(const struct policy_lanes *lanes, size_t at,
		      const struct OF(policy_row) * row, struct OF(policy_term) * term)
{
	wl within;
	OF(real) weight = OF(real_of)(wd_set(lanes->kl_weight));
	OF(real) reference = OF(real_of)(wd_load(lanes->reference + at));
	OF(real) e = OF(ratio_from)(row, reference, &within);
	OF(real) excess = OF(excess)(OF(real_difference)(reference, row->lp), e);
	OF(real) grown = OF(real_sum)(e, OF(real_of)(wd_set(-1.0)));
	term->loss = OF(real_sum)(term->loss, OF(real_product)(weight, excess));
	term->factor = OF(real_sum)(term->factor, OF(real_product)(weight, grown));
	return within;
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

/* Lanes [at, at + DOUBLES). */
INLINE void OF(policy_vector)(const struct row_sums *sums, const struct row_targets *targets,
			      size_t at, struct policy_lanes *lanes)
{
	const wd zero = wd_set(0.0), largest = wd_set(POLICY_LARGEST);
	wl counted = wl_load(targets->y + at) >= 0;
	struct OF(policy_row) row = OF(policy_row_at)(sums, targets->logit, at);
	row.advantage = OF(real_of)(wd_load(lanes->advantage + at));
	wl taken = OF(sample)(lanes, at, &row, counted);
	struct OF(policy_term) term = OF(objective_term)(lanes, &row);
	if (lanes->kl_weight > 0.0)
		taken &= OF(diverge)(lanes, at, &row, &term);
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
