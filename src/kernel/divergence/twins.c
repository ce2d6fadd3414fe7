#include "twins.h"

#include <string.h>

#include "../tiles.h"

/* Classes that are taken at a time, and that a guess is made of. */
#define CHUNK ((size_t)2048)
/* Up to so many classes rows are read as sides are. */
#define FEW ((size_t)64)
/* How often a row is begun anew as its logits go up. */
#define STARTS 4

/* Logits of a chunk: those of the tensor, or in a buffer. */
struct twin_buffers {
	_Alignas(64) float x[CHUNK], y[CHUNK];
};

struct twins {
	const struct loss_plan *plan;
	struct side *x, *y;
	struct side_twins sums;
	struct row_sums ends;        /* x in lane 0, y in lane 1 */
	size_t highest_x, highest_y; /* where the chunk begins that holds the maximum */
	double between;
	struct twin_buffers *buffers;
};

static const struct number_kernels *floats_of(const struct side *side)
{
	return side->plan->kernels->floats;
}

bool twins_suit(const struct loss_plan *plan)
{
	enum divergence_kind kind = (enum divergence_kind)plan->args.kind;
	return (kind == KIND_FORWARD || kind == KIND_REVERSE) && !plan->transform.on &&
	       plan->tensors[LOSS_ROLE_INPUT].dtype != LOSS_F64 &&
	       plan->tensors[LOSS_ROLE_OWN_1].dtype != LOSS_F64 && plan->classes > FEW;
}

/* ---------------------------------------------------------------- loading */

static size_t next_classes(const struct loss_plan *plan, size_t c)
{
	size_t left = plan->classes - c;
	return left < CHUNK ? left : CHUNK;
}

/* Of n classes what is added: nothing comes after them. */
static size_t padded(size_t n)
{
	return (n + TWIN_CLASSES - 1) / TWIN_CLASSES * TWIN_CLASSES;
}

/* Classes [c, c + n), where they lie or in the buffer. */
static const float *load(const struct side *side, size_t c, size_t n, float *buffer)
{
	const struct loss_tensor *tensor = side->tensor;
	size_t inner = side->plan->inner, at = side->base + c * inner;
	if (inner == 1 && tensor->dtype == LOSS_F32 && padded(n) == n)
		return tensor_at(tensor, at);
	if (inner == 1)
		floats_of(side)->load(tensor->dtype, tensor_at(tensor, at), buffer, n);
	else
		for (size_t k = 0; k < n; k++)
			buffer[k] = (float)tensor_number(tensor, at + k * inner);
	for (size_t k = n; k < padded(n); k++)
		buffer[k] = (float)SIDE_NOTHING;
	return buffer;
}

/* ---------------------------------------------------------------- sums */

/* What two sums come to, in lanes 0 and 1. */
static void finish(const struct twins *twins, const struct class_sum *of_x,
		   const struct class_sum *of_y, struct row_sums *sums)
{
	struct lane_state state;
	for (size_t lane = 0; lane < LANES; lane++) {
		const struct class_sum *sum = lane == 1 ? of_y : of_x;
		state.max.f[lane] = (float)sum->max;
		state.reference.f[lane] = (float)sum->reference;
		state.sum[lane] = sum->sum;
	}
	floats_of(twins->x)->finish(&state, sums, 1, twins->plan->classes);
}

/* And above what comes after the last class. */
static bool both_regular(const struct row_sums *sums)
{
	const double least = SIDE_NOTHING / 2.0;
	return (sums->regular & 3) == 3 && sums->max[0] > least && sums->max[1] > least;
}

/* log-sum-exp of x minus that of y. */
static double between_of(const struct row_sums *sums)
{
	return (sums->max[0] - sums->max[1]) + (sums->log1p_residual[0] - sums->log1p_residual[1]);
}

static struct class_sum sum_chunk(const struct side *side, const float *x, size_t n)
{
	struct lane_state state;
	struct class_sum sum;
	floats_of(side)->sum_classes(&state, LOSS_F32, x, n, true);
	floats_of(side)->fold_classes(&state, &sum);
	return sum;
}

/* A whole number near max / ln2. */
static double reference_of(double max)
{
	return (max * LOG2_E + 0x1.8p52) - 0x1.8p52;
}

static void start_state(struct lane_state *state, float *most, double reference)
{
	for (size_t lane = 0; lane < LANES; lane++) {
		state->max.f[lane] = -HUGE_VALF;
		state->reference.f[lane] = (float)reference;
		state->sum[lane] = state->lost[lane] = 0.0;
		most[lane] = 0.0F;
	}
}

/* Begins a row whose log-sum-exps may be so far apart, the maxima about those. False where they are
 * too far. */
static bool start(struct twins *twins, double between, double x_max, double y_max)
{
	struct side_twins *sums = &twins->sums;
	double x = reference_of(x_max), y = reference_of(y_max);
	if (!(fabs(between) <= 256.0))
		return false;
	start_state(&sums->x, sums->x_most, x);
	start_state(&sums->y, sums->y_most, y);
	memset(sums->farthest, 0, sizeof sums->farthest);
	memset(sums->sum, 0, sizeof sums->sum);
	sums->between = (float)between;
	sums->between_low = (float)(between - (double)sums->between);
	twins->between = (double)sums->between + (double)sums->between_low;
	double power = twins->between + (y - x) * 0x1.62e42fefa39efp-1;
	sums->ratio = (float)exp_double(power);
	return fabs(power) < 60.0;
}

/* By the classes of the chunk that begins with c. */
static bool guess(struct twins *twins, size_t c)
{
	size_t n = next_classes(twins->plan, c);
	const float *x = load(twins->x, c, n, twins->buffers->x);
	const float *y = load(twins->y, c, n, twins->buffers->y);
	struct class_sum of_x = sum_chunk(twins->x, x, padded(n));
	struct class_sum of_y = sum_chunk(twins->y, y, padded(n));
	struct row_sums sums;
	finish(twins, &of_x, &of_y, &sums);
	return both_regular(&sums) && start(twins, between_of(&sums), sums.max[0], sums.max[1]);
}

static float largest(const float *lanes)
{
	float most = lanes[0];
	for (size_t lane = 1; lane < LANES; lane++)
		most = lanes[lane] > most ? lanes[lane] : most;
	return most;
}

/* Whether exponentials are in range; and where the maximum is. */
static bool look(const struct lane_state *state, size_t c, float *before, size_t *highest)
{
	float most = largest(state->max.f);
	if (most > *before)
		*highest = c;
	*before = most;
	return (double)most <= (double)state->reference.f[0] * 0x1.62e42fefa39efp-1 + 40.0;
}

/* Adds all classes. Returns where it went wrong, or how many there are. */
static size_t add(struct twins *twins)
{
	const struct loss_plan *plan = twins->plan;
	float x_most = -HUGE_VALF, y_most = -HUGE_VALF;
	for (size_t c = 0, n; plan_has_class(plan, c); c += n) {
		n = next_classes(plan, c);
		const float *x = load(twins->x, c, n, twins->buffers->x);
		const float *y = load(twins->y, c, n, twins->buffers->y);
		plan->kernels->twins_add(&twins->sums, x, y, padded(n));
		bool x_fits = look(&twins->sums.x, c, &x_most, &twins->highest_x);
		bool y_fits = look(&twins->sums.y, c, &y_most, &twins->highest_y);
		if (!x_fits || !y_fits)
			return c;
	}
	return plan->classes;
}

/* A row from a guess on, until one fits. */
static bool read_from_guess(struct twins *twins)
{
	size_t c = 0;
	for (int i = 0; i < STARTS; i++) {
		if (!guess(twins, c))
			return false;
		c = add(twins);
		if (!plan_has_class(twins->plan, c))
			return true;
	}
	return false;
}

/* What the sums come to: the divergence with the guess, or -1 where there is none. */
static double conclude(struct twins *twins)
{
	const struct number_kernels *floats = floats_of(twins->x);
	struct class_sum of_x, of_y;
	struct lane_sums lanes = {.low = {0}};
	struct sum total = {0};
	floats->fold_classes(&twins->sums.x, &of_x);
	floats->fold_classes(&twins->sums.y, &of_y);
	finish(twins, &of_x, &of_y, &twins->ends);
	memcpy(lanes.high, twins->sums.sum, sizeof lanes.high);
	lane_sums_merge(&lanes, LANES, &total);
	const struct row_sums *ends = &twins->ends;
	double unit = ldexp(ends->inverse[0], (int)(of_x.reference - ends->exponent[0]) - 30);
	double value = sum_value(&total) * unit / (1.0 + ends->residual[0]);
	bool fits = both_regular(ends) && largest(twins->sums.farthest) <= 0x1p20F &&
		    ends->residual[0] >= 1e-30 && ends->residual[1] >= 1e-30;
	return fits && value >= 0.0 ? value : -1.0;
}

static double psi(double d)
{
	return fabs(d) < 0.34 ? exp_tail(-d) : (exp_double(-d) - 1.0) + d;
}

/* Where the guess was off by this, whether the sum with it will do: what it is too large by is
 * small, and so is what the error of a log-sum-exp makes of that. */
static bool will_do(double off, double sum)
{
	return fabs(off) <= 0.25 * sum && psi(off) <= 0.125 * sum;
}

static bool sum_twins(struct twins *twins, double *divergence)
{
	const struct row_sums *ends = &twins->ends;
	if (!read_from_guess(twins))
		return false;
	double sum = conclude(twins), off = between_of(ends) - twins->between;
	if (sum >= 0.0 && !will_do(off, sum)) {
		if (!start(twins, between_of(ends), ends->max[0], ends->max[1]))
			return false;
		add(twins);
		sum = conclude(twins);
		off = 0.0;
	}
	*divergence = sum - psi(off);
	return sum >= 0.0;
}

/* ---------------------------------------------------------------- reading */

static size_t find(const struct side *side, size_t c, float *buffer)
{
	const float *x = load(side, c, next_classes(side->plan, c), buffer);
	size_t k = 0;
	while ((double)x[k] != side->max)
		k++;
	return c + k;
}

static void fill(struct side *side, const struct row_sums *ends, size_t lane, size_t highest,
		 float *buffer)
{
	side->max = ends->max[lane];
	side->residual = sum_from(ends->residual[lane]);
	side->log1p_residual = ends->log1p_residual[lane];
	side->scale = 1.0 / (1.0 + ends->residual[lane]);
	side->predicted = find(side, highest, buffer);
}

static void place(struct side *side, const struct loss_tensor *tensor, size_t r)
{
	side->tensor = tensor;
	side->transform = NULL;
	side->base = plan_row_base(side->plan, r);
}

bool twins_read(struct side *x, const struct loss_tensor *of_x, struct side *y,
		const struct loss_tensor *of_y, size_t r, double *divergence)
{
	struct twin_buffers buffers;
	struct twins twins;
	twins.plan = x->plan;
	twins.x = x;
	twins.y = y;
	twins.buffers = &buffers;
	place(x, of_x, r);
	place(y, of_y, r);
	if (!sum_twins(&twins, divergence))
		return false;
	fill(x, &twins.ends, 0, twins.highest_x, buffers.x);
	fill(y, &twins.ends, 1, twins.highest_y, buffers.y);
	return true;
}

/* ---------------------------------------------------------------- writing */

/* Of p factor in units of the kernel's exponentials: exp(max) is 2^exponent / inverse. */
static void share_of(const struct side *side, double factor, float *exponent, float *of_unit)
{
	double k = reference_of(side->max);
	double inverse = exp_double((k * LN2_HIGH - side->max) + k * LN2_LOW);
	*exponent = (float)k;
	*of_unit = (float)(factor * side->scale * inverse * 0x1p-60);
}

/* Of the output's place the next that streams can begin at. */
static size_t misaligned(const void *out)
{
	size_t over = (uintptr_t)out / sizeof(float) % LANES;
	return over ? LANES - over : 0;
}

static void store(const struct side *side, size_t c, size_t n, const float *from,
		  const struct loss_tensor *out)
{
	size_t inner = side->plan->inner, at = side->base + c * inner;
	if (inner == 1)
		floats_of(side)->store(out->dtype, from,
				       (char *)out->data + at * dtype_size(out->dtype), n);
	else
		for (size_t k = 0; k < n; k++)
			tensor_put(out, at + k * inner, (double)from[k]);
}

bool twins_put(const struct side *x, const struct side *y, double factor,
	       const struct loss_tensor *out)
{
	const struct loss_plan *plan = x->plan;
	struct twin_buffers buffers;
	_Alignas(64) float made[CHUNK];
	struct twin_shares shares;
	if (!(fabs(factor) > 0x1p-30 && fabs(factor) < 0x1p30))
		return false;
	share_of(x, factor, &shares.x_exponent, &shares.x_factor);
	share_of(y, factor, &shares.y_exponent, &shares.y_factor);
	bool direct = plan->inner == 1 && out->dtype == LOSS_F32;
	bool large = direct && out->count * sizeof(float) >= STREAM_BYTES;
	for (size_t c = 0, n; plan_has_class(plan, c); c += n) {
		float *to = direct ? (float *)out->data + x->base + c : NULL;
		size_t head = large ? misaligned(to) : 0;
		n = next_classes(plan, c);
		n = head > 0 && head < n ? head : n;
		const float *of_x = load(x, c, n, buffers.x), *of_y = load(y, c, n, buffers.y);
		if (direct && padded(n) == n) {
			plan->kernels->twins_write(&shares, of_x, of_y, to, n, large && head == 0);
			continue;
		}
		plan->kernels->twins_write(&shares, of_x, of_y, made, padded(n), false);
		store(x, c, n, made, out);
	}
	return true;
}
