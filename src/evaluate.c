/* Running a plan: row blocks in any order, from any number of threads, then one reduction. All sums
 * over rows are exact, so that neither shows. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "bytes.h"
#include "calibration.h"
#include "groups.h"
#include "means.h"
#include "plan.h"
#include "quantiles.h"
#include "sequences.h"
#include "shapes.h"
#include "state.h"
#include "team.h"

/* ---------------------------------------------------------------- partials */

static void clear(const struct loss_plan *plan, struct partial *partial)
{
	exact_feed_clear(&partial->loss);
	if (partial->z_loss)
		exact_feed_clear(partial->z_loss);
	if (partial->nll)
		exact_feed_clear(partial->nll);
	if (partial->kl)
		exact_feed_clear(partial->kl);
	partial->correct = partial->top = partial->clipped = 0;
	if (plan->wanted[OUTPUT_ECE])
		calibration_clear(plan, partial);
}

/* The bit of a partial that nobody had, which is now the caller's. Where there are more threads
 * than partials, one waits for another. */
static uint64_t take_bit(struct loss_plan *plan)
{
	uint64_t all = UINT64_MAX >> (PLAN_PARTIALS - plan->n_partials);
	for (;;) {
		uint64_t taken = __atomic_load_n(&plan->taken, __ATOMIC_RELAXED);
		uint64_t free = all & ~taken, bit = free & -free;
		if (bit && __atomic_compare_exchange_n(&plan->taken, &taken, taken | bit, false,
						       __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return bit;
	}
}

/* A partial for the calling thread alone, until it is given back. Of one block there is one caller,
 * and nothing to agree on. */
static struct partial *take(struct loss_plan *plan)
{
	bool only = plan->n_partials == 1;
	uint64_t bit = only ? 1 : take_bit(plan);
	struct partial *partial = &plan->partials[__builtin_ctzll(bit)];
	if (__atomic_load_n(&plan->used, __ATOMIC_RELAXED) & bit)
		return partial;
	if (only)
		plan->used = 1;
	else
		__atomic_fetch_or(&plan->used, bit, __ATOMIC_RELAXED);
	clear(plan, partial);
	return partial;
}

static void give_back(struct loss_plan *plan, const struct partial *partial)
{
	if (plan->n_partials > 1)
		__atomic_fetch_and(&plan->taken, ~(UINT64_C(1) << (partial - plan->partials)),
				   __ATOMIC_RELEASE);
}

static void merge_feed(const struct loss_plan *plan, struct exact_feed *total,
		       struct exact_feed *feed)
{
	if (!feed)
		return;
	exact_feed_flush(feed, plan->kernels);
	exact_sum_merge(&total->sum, &feed->sum);
}

static void merge(const struct loss_plan *plan, struct partial *total, struct partial *partial)
{
	merge_feed(plan, &total->loss, &partial->loss);
	merge_feed(plan, total->z_loss, partial->z_loss);
	merge_feed(plan, total->nll, partial->nll);
	merge_feed(plan, total->kl, partial->kl);
	total->correct += partial->correct;
	total->top += partial->top;
	total->clipped += partial->clipped;
	if (plan->wanted[OUTPUT_ECE])
		calibration_merge(plan, total, partial);
}

/* What all rows add up to: in the first partial, of which values may wait. */
static struct partial *reduce(struct loss_plan *plan)
{
	struct partial *total = plan->partials;
	if (!(plan->used & 1))
		clear(plan, total);
	for (uint64_t left = plan->used & ~UINT64_C(1); left != 0; left &= left - 1)
		merge(plan, total, &plan->partials[__builtin_ctzll(left)]);
	plan->used = 1;
	return total;
}

/* ---------------------------------------------------------------- blocks */

/* Blocks [first, end), or as many of them as there are before the run is cancelled. */
static void run_range(struct loss_plan *plan, size_t first, size_t end)
{
	struct partial *partial = take(plan);
	assert(!plan->streams);
	for (size_t block = first; block < end && !plan_is_cancelled(plan); block++) {
		size_t row = block * plan->block_rows;
		size_t rows =
			plan->rows - row < plan->block_rows ? plan->rows - row : plan->block_rows;
		plan->loss->rows(plan, row, rows, partial);
	}
	give_back(plan, partial);
}

void loss_plan_run_blocks(struct loss_plan *plan, size_t first, size_t n)
{
	run_range(plan, first, first + n);
}

/* ---------------------------------------------------------------- rows that arrive */

static void skip(struct loss_tensor *tensor, size_t n)
{
	tensor->data = (unsigned char *)tensor->data + n * dtype_size(tensor->dtype);
}

/* Whether a tensor has an entry for every row. */
static bool has_row_entries(const struct loss_plan *plan, const struct loss_tensor_info *tensor)
{
	bool loss = tensor->extent == LOSS_EXTENT_LOSS && plan->reduction == REDUCTION_NONE;
	return plan->present[tensor->role] &&
	       (loss || tensor->extent == LOSS_EXTENT_ROWS ||
		tensor->extent == LOSS_EXTENT_LISTED || /* of both, where rows stream, */
		tensor->extent == LOSS_EXTENT_TARGETS); /* only the one of indices */
}

/* Of an output that has axes. */
static bool is_of_rows(loss_extent extent)
{
	return extent == LOSS_EXTENT_ROWS || extent == LOSS_EXTENT_LOSS;
}

/*
 * The plan of rows [first, first + n) alone, their input at `rows`: what there is of every row
 * begins at the first of them. Of the rows after them it knows the next one's target, for shift.
 */
static void make_view(const struct loss_plan *plan, size_t first, size_t n, const void *rows,
		      struct loss_plan *view)
{
	union {
		const void *in;
		void *out;
	} input = {.in = rows}; /* kernels only read it */
	*view = *plan;
	view->first_row = first;
	view->rows = n + (plan->shift_rows && first + n < plan->rows);
	view->tensors[LOSS_ROLE_INPUT].data = input.out;
	for (size_t i = 1; i < plan->loss->info.n_tensors; i++) {
		const struct loss_tensor_info *info = &plan->loss->info.tensors[i];
		if (has_row_entries(plan, info))
			skip(&view->tensors[info->role],
			     shapes_have_extra(plan, info) ? first * plan->extra : first);
	}
	if (plan->listed)
		view->listed += first * plan->extra;
	for (size_t i = 0; i < plan->n_outputs; i++) {
		const struct output_row *output = plan->requested[i];
		if (plan->outputs[output->id].rank > 0 && is_of_rows(output->info.extent))
			skip(&view->outputs[output->id], first);
	}
	if (plan->row_losses)
		view->row_losses += first;
	if (plan->row_nlls)
		view->row_nlls += first;
	if (plan->row_plain)
		view->row_plain += first;
}

void loss_plan_run_rows(struct loss_plan *plan, size_t first, size_t n, const void *rows)
{
	struct loss_plan view;
	struct partial *partial = take(plan);
	assert(plan->streams && first % plan->block_rows == 0 && first + n <= plan->rows);
	make_view(plan, first, n, rows, &view);
	for (size_t row = 0; row < n; row += plan->block_rows)
		plan->loss->rows(&view, row,
				 n - row < plan->block_rows ? n - row : plan->block_rows, partial);
	give_back(plan, partial);
}

/* ---------------------------------------------------------------- runs */

/* Of an int, so that callers' compilers need no atomics: lock-free, and so a signal handler's too.
 */
void loss_cancel_request(struct loss_cancel *cancel)
{
	__atomic_store_n(&cancel->requested, 1, __ATOMIC_SEQ_CST);
}

bool loss_cancel_requested(const struct loss_cancel *cancel)
{
	return __atomic_load_n(&cancel->requested, __ATOMIC_SEQ_CST) != 0;
}

/* Blocks of a row each that threads can share, too few to keep all of them busy to the end: then
 * they share each row instead. */
static bool shares_rows(const struct loss_plan *plan, size_t n_blocks, int threads)
{
	return threads > 1 && plan->divisible && n_blocks < 2 * (size_t)threads &&
	       n_blocks % (size_t)threads != 0;
}

/* How many neighbouring blocks a thread takes at a time: memory is read faster the longer it is
 * read on, and still the threads end at about the same time. */
static size_t blocks_together(size_t n_blocks, int threads)
{
	size_t n = n_blocks / ((size_t)threads * 8);
	return n > 0 ? n : 1;
}

/* A slice of a plan's run, as a team's items: so many blocks each. */
struct run {
	struct loss_plan *plan;
	size_t first, end; /* blocks */
	size_t together;
};

static void run_some(void *context, size_t i)
{
	const struct run *run = context;
	size_t first = run->first + i * run->together;
	size_t left = run->end - first;
	run_range(run->plan, first, first + (left < run->together ? left : run->together));
}

/* Threads that a slice is worth: to wake another takes as long as this. */
#define TEAM_NANOSECONDS 40e3

/* The blocks from `first` on that a slice of that cost has. */
static size_t slice_blocks(const struct loss_plan *plan, size_t first, uint64_t cost_ns)
{
	size_t left = plan->n_blocks - first;
	double worth = (double)cost_ns / plan->nanoseconds * (double)plan->n_blocks;
	if (cost_ns == UINT64_MAX || !(worth < (double)left)) /* also where it costs nothing */
		return left;
	return worth > 1.0 ? (size_t)worth : 1;
}

static void run_slice(struct loss_plan *plan, size_t first, size_t n, int threads)
{
	if (plan->nanoseconds * (double)n < TEAM_NANOSECONDS * (double)plan->n_blocks)
		threads = 1;
	bool shared = shares_rows(plan, n, threads);
	plan->team = shared ? threads : 1;
	threads = shared ? 1 : threads;
	struct run run = {plan, first, first + n, threads > 1 ? blocks_together(n, threads) : 1};
	team_share(threads, (n + run.together - 1) / run.together, run_some, &run);
}

/* What is made of all rows, but sums. */
static void finish_rows(struct loss_plan *plan, int threads)
{
	if (plan->groups.ends)
		groups_finish(plan, threads);
	if (plan->sequences.all)
		sequences_finish(plan, threads);
	if (plan->row_plain)
		quantiles_finish(plan);
}

loss_status loss_plan_run_slice(struct loss_plan *plan, size_t *next, uint64_t cost_ns, int threads,
				const struct loss_cancel *cancel, struct loss_error *err)
{
	size_t n = slice_blocks(plan, *next, cost_ns);
	plan->cancel = cancel;
	run_slice(plan, *next, n, threads);
	if (*next + n == plan->n_blocks && !plan_is_cancelled(plan))
		finish_rows(plan, threads);
	bool cancelled = plan_is_cancelled(plan);
	plan->cancel = NULL;
	*next += n;
	if (cancelled)
		return loss_fail(err, LOSS_CANCELLED, NULL,
				 "cancelled before all rows were evaluated");
	return LOSS_OK;
}

loss_status loss_plan_run(struct loss_plan *plan, int threads, const struct loss_cancel *cancel,
			  struct loss_error *err)
{
	size_t next = 0;
	return loss_plan_run_slice(plan, &next, UINT64_MAX, threads, cancel, err);
}

/* ---------------------------------------------------------------- results */

static double reduced_loss(const struct loss_plan *plan, struct sum loss)
{
	if (plan->reduction == REDUCTION_SUM)
		return loss.high;
	if (plan->args.empty_mean == EMPTY_MEAN_ZERO && plan->counted == 0)
		return 0.0;
	return mean_of(loss, (struct sum){plan->divisor, plan->divisor_low});
}

/* Of divergence the share of rows that agree: what `correct` counts is the loss's. */
static double accuracy(const struct loss_plan *plan, struct partial *total)
{
	return (double)total->correct / (double)plan->counted;
}

static double topk_accuracy(const struct loss_plan *plan, struct partial *total)
{
	return (double)total->top / (double)plan->counted;
}

static double perplexity(const struct loss_plan *plan, struct partial *total)
{
	return perplexity_of(exact_feed_parts(total->nll, plan->kernels), plan->counted);
}

static double ece(const struct loss_plan *plan, struct partial *total)
{
	return calibration_error(plan, total);
}

static double bits_per_byte(const struct loss_plan *plan, struct partial *total)
{
	return bytes_bits_each(plan, exact_feed_parts(total->nll, plan->kernels));
}

static double clip_fraction(const struct loss_plan *plan, struct partial *total)
{
	return (double)total->clipped / (double)plan->counted;
}

static double kl(const struct loss_plan *plan, struct partial *total)
{
	struct sum counted = sum_from((double)plan->counted);
	return mean_of(exact_feed_parts(total->kl, plan->kernels), counted);
}

/* Outputs of one value about all counted rows, NaN when there are none. */
static const struct {
	enum output output;
	double (*value)(const struct loss_plan *plan, struct partial *total);
} summaries[] = {
	{OUTPUT_ACCURACY, accuracy},           {OUTPUT_TOPK_ACCURACY, topk_accuracy},
	{OUTPUT_PERPLEXITY, perplexity},       {OUTPUT_ECE, ece},
	{OUTPUT_BITS_PER_BYTE, bits_per_byte}, {OUTPUT_AGREEMENT, accuracy},
	{OUTPUT_CLIP_FRACTION, clip_fraction}, {OUTPUT_KL, kl},
};

static struct sum z_loss_of(const struct loss_plan *plan, struct partial *total)
{
	return total->z_loss ? exact_feed_parts(total->z_loss, plan->kernels) : sum_from(0.0);
}

static void put_scalars(const struct loss_plan *plan, struct partial *total, struct sum loss)
{
	bool reduced = plan->reduction != REDUCTION_NONE;
	if (plan->wanted[OUTPUT_LOSS] && reduced)
		tensor_put(&plan->outputs[OUTPUT_LOSS], 0, reduced_loss(plan, loss));
	if (plan->wanted[OUTPUT_Z_LOSS] && reduced)
		tensor_put(&plan->outputs[OUTPUT_Z_LOSS], 0,
			   reduced_loss(plan, z_loss_of(plan, total)));
	for (size_t i = 0; i < sizeof summaries / sizeof summaries[0]; i++)
		if (plan->wanted[summaries[i].output])
			tensor_put(&plan->outputs[summaries[i].output], 0,
				   plan->counted ? summaries[i].value(plan, total) : (double)NAN);
}

void loss_plan_finish(struct loss_plan *plan, struct loss_result *result)
{
	struct partial *total = reduce(plan);
	if (plan->sequences.all)
		sequences_sum(plan, &total->loss);
	struct sum loss = exact_feed_parts(&total->loss, plan->kernels);
	put_scalars(plan, total, loss);
	finish_rows(plan, 1);
	result->n_outputs = plan->n_outputs;
	result->has_totals = plan->loss->info.has_totals;
	result->totals = (struct loss_totals){
		loss.high,     plan->denominator,
		plan->rows,    plan->counted,
		plan->ignored, state_is_wanted(plan) ? state_of_plan(plan, total) : NULL};
	result->n_warnings = plan->n_warnings;
	for (size_t i = 0; i < plan->n_outputs; i++)
		loss_plan_output(plan, i, &result->outputs[i]);
	memcpy(result->warnings, plan->warnings, plan->n_warnings * sizeof *plan->warnings);
}

/* An input without its data is for callers who plan and run themselves. */
static loss_status input_missing(const struct loss_problem *problem, struct loss_error *err)
{
	const char *name = problem_tensor_name(problem, LOSS_ROLE_INPUT);
	return loss_fail(err, LOSS_MISSING_FIELD, name, "%s has elements, but its data is NULL",
			 name);
}

loss_status loss_evaluate(const struct loss_problem *problem, struct loss_arena *arena, int threads,
			  const struct loss_cancel *cancel, struct loss_result *result,
			  struct loss_error *err)
{
	struct loss_plan *plan;
	TRY(loss_plan_create(problem, arena, &plan, err));
	if (!plan || plan->streams)
		return input_missing(problem, err);
	TRY(loss_plan_run(plan, threads, cancel, err));
	loss_plan_finish(plan, result);
	return LOSS_OK;
}
