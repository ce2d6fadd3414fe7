#include "quantiles.h"

#include <math.h>
#include <string.h>

#include "targets.h"

/* Of the minimum, the maximum, and what lies between. */
static const double fractions[LOSS_N_QUANTILES] = {0.0, 0.001, 0.01, 0.05,  0.1, 0.5,
						   0.9, 0.95,  0.99, 0.999, 1.0};

/* ---------------------------------------------------------------- keys */

/* Doubles as integers of the same order: of negative ones all bits are turned, of others the first.
 */
#define SIGN (UINT64_C(1) << 63)

static uint64_t key_of(double value)
{
	uint64_t bits;
	memcpy(&bits, &value, sizeof bits);
	return bits & SIGN ? ~bits : bits | SIGN;
}

static double value_of(uint64_t key)
{
	double value;
	key = key & SIGN ? key & ~SIGN : ~key;
	memcpy(&value, &key, sizeof value);
	return value;
}

/* The losses of counted rows become keys, and move together. */
struct gathered {
	const double *losses;
	uint64_t *keys; /* in the same place */
	size_t n;
};

/* False at a NaN. */
static bool gather(const struct loss_plan *plan, size_t r, void *context)
{
	struct gathered *all = context;
	double loss = all->losses[r] + 0.0; /* never -0 */
	(void)plan;
	all->keys[all->n++] = key_of(loss);
	return loss == loss;
}

/* ---------------------------------------------------------------- selection */

/* Those without the bit go before those with it; returns where these begin. */
static size_t part(uint64_t *keys, size_t first, size_t end, uint64_t bit)
{
	size_t middle = first;
	for (size_t i = first; i < end; i++) {
		uint64_t key = keys[i];
		keys[i] = keys[middle];
		keys[middle] = key;
		middle += !(key & bit);
	}
	return middle;
}

/* The highest bit in which some of the keys differ; 0: they are all the same. */
static uint64_t highest_difference(const uint64_t *keys, size_t first, size_t end)
{
	uint64_t differ = 0;
	for (size_t i = first; i < end; i++)
		differ |= keys[i] ^ keys[first];
	return differ ? SIGN >> __builtin_clzll(differ) : 0;
}

/* Keys [first, end) of a plan, and the places that are to have what sorting would put there: n of
 * them, in order. */
struct selection {
	const struct loss_plan *plan; /* as long as its run is not cancelled */
	uint64_t *keys;
	size_t first, end;
	const size_t *places;
	size_t n;
};

/* Keys are parted by one bit after the other, from the highest on, where a place is asked for: in
 * 64 steps at most, and so no deeper. */
static void select_places(struct selection s)
{
	while (s.n > 0 && !plan_is_cancelled(s.plan)) {
		uint64_t bit = highest_difference(s.keys, s.first, s.end);
		struct selection low = s;
		if (bit == 0)
			return;
		low.end = part(s.keys, s.first, s.end, bit);
		low.n = 0;
		while (low.n < s.n && s.places[low.n] < low.end)
			low.n++;
		select_places(low);
		s.first = low.end;
		s.places += low.n;
		s.n -= low.n;
	}
}

/* ---------------------------------------------------------------- quantiles */

/* Where a quantile of n values lies: this far from the value of a place to that of the next. */
struct position {
	size_t place;
	double rest;
};

static struct position position_of(double fraction, size_t n)
{
	double at = (double)(n - 1) * fraction, whole = floor(at);
	return (struct position){(size_t)whole, at - whole};
}

/* As numpy.quantile has it, but for infinities. */
static double between(double low, double high, double rest)
{
	double difference = high - low;
	if (isinf(high) || isinf(low))
		return isinf(high) ? high : low;
	return rest < 0.5 ? low + difference * rest : high - difference * (1.0 - rest);
}

static double quantile(const uint64_t *keys, struct position position)
{
	double low = value_of(keys[position.place]);
	if (position.rest == 0.0)
		return low;
	return between(low, value_of(keys[position.place + 1]), position.rest);
}

/* Of n > 0 losses. */
static void put_quantiles(const struct loss_plan *plan, uint64_t *keys, size_t n)
{
	struct position positions[LOSS_N_QUANTILES];
	size_t places[2 * LOSS_N_QUANTILES], n_places = 0;
	for (size_t i = 0; i < LOSS_N_QUANTILES; i++) {
		size_t place = (positions[i] = position_of(fractions[i], n)).place;
		size_t last = positions[i].rest > 0.0 ? place + 1 : place;
		for (; place <= last; place++)
			if (n_places == 0 || places[n_places - 1] < place)
				places[n_places++] = place;
	}
	select_places((struct selection){plan, keys, 0, n, places, n_places});
	for (size_t i = 0; i < LOSS_N_QUANTILES; i++)
		tensor_put(&plan->outputs[OUTPUT_LOSS_QUANTILES], i, quantile(keys, positions[i]));
}

void quantiles_finish(struct loss_plan *plan)
{
	struct gathered all = {plan->row_plain, (void *)plan->row_plain, 0};
	if (!plan->row_plain)
		return;
	bool numbers = targets_visit(plan, gather, &all) == plan->rows;
	plan->row_plain = NULL; /* this is done once */
	if (numbers && all.n > 0) {
		put_quantiles(plan, all.keys, all.n);
		return;
	}
	for (size_t i = 0; i < LOSS_N_QUANTILES; i++)
		tensor_put(&plan->outputs[OUTPUT_LOSS_QUANTILES], i, (double)NAN);
}
