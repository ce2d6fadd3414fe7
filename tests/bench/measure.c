#include "measure.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "budget.h"
#include "json.h"
#include "ours.h"
#include "roofline.h"
#include "timing.h"
#include "wire.h"

/* What the rounds gave, in seconds. */
struct rounds {
	size_t n;
	double ours[MAX_ROUNDS];
	struct ways reference;             /* but of the roofline, which is made of two */
	struct roofline roofline, teacher; /* teacher: of logits that are read alone */
	/* Beside them, for the note; what of it is measured is the reference's business. */
	double fresh[MAX_ROUNDS], as_it_is[MAX_ROUNDS];
	struct ways swept, swept_alone;
};

struct run {
	struct bench *bench;
	const struct bench_case *what;
	struct pool pool;
	struct loss_budget budget;
	struct ours_case ours;
	struct rounds rounds;
};

static struct loss_tensor logits_of(const struct bench *bench, const struct bench_case *what)
{
	struct loss_tensor logits = {
		.dtype = loss_dtype_find(what->dtype, strlen(what->dtype)),
		.rank = what->rank,
	};
	memcpy(logits.shape, what->shape, sizeof what->shape);
	loss_tensor_set_count(&logits);
	/* The pool, its copy, a gradient, and a peer with as much again. */
	const size_t size = logits.dtype == LOSS_F64 ? sizeof(double) : sizeof(float);
	while (logits.count * size > bench->memory_bytes / 6 && logits.shape[0] > 1) {
		logits.shape[0] /= 2;
		loss_tensor_set_count(&logits);
	}
	return logits;
}

static struct loss_tensor targets_of(const struct loss_tensor *logits, const struct pool *pool)
{
	struct loss_tensor targets = {
		.dtype = LOSS_I64,
		.rank = logits->rank - 1,
		.shape = {logits->shape[0]},
		.data = pool->targets,
	};
	for (int axis = 1; axis < targets.rank; axis++)
		targets.shape[axis] = logits->shape[axis + 1];
	loss_tensor_set_count(&targets);
	return targets;
}

/* What rows of a policy have beside their targets: near what the pool's logits come to. False where
 * there is no memory for it. */
static bool add_policy(struct ours_case *ours)
{
	struct loss_tensor rows = ours->tensors[LOSS_ROLE_TARGETS];
	float *values = malloc(2 * rows.count * sizeof *values);
	double classes = (double)ours->tensors[LOSS_ROLE_INPUT].shape[1];
	rows.dtype = LOSS_F32;
	ours->tensors[LOSS_ROLE_OWN_1] = ours->tensors[LOSS_ROLE_OWN_2] = rows;
	ours->tensors[LOSS_ROLE_OWN_1].data = values;
	ours->tensors[LOSS_ROLE_OWN_2].data = values ? values + rows.count : NULL;
	for (size_t r = 0; values && r < rows.count; r++) {
		values[r] = (float)-log(classes);
		values[rows.count + r] = r % 2 ? 1.0f : -0.5f;
	}
	ours->call = &ours_policy;
	return values;
}

/* The pool's first logits, a little off. False where there is no memory for them. */
static bool add_teacher(struct ours_case *ours, const struct pool *pool, bool grad)
{
	struct loss_tensor teacher = ours->tensors[LOSS_ROLE_INPUT];
	const float *logits = pool->logits;
	float *values = malloc(teacher.count * sizeof *values);
	for (size_t i = 0; values && i < teacher.count; i++)
		values[i] = logits[i] + (float)(i % 7) * 0.125f;
	teacher.data = values;
	ours->tensors[LOSS_ROLE_OWN_1] = teacher;
	ours->tensors[LOSS_ROLE_TARGETS].count = 0;
	ours->call = grad ? &ours_divergence_backward : &ours_divergence;
	return values;
}

/* ---------------------------------------------------------------- one round of each reference */

static struct roofline_case limits_of(struct run *run)
{
	const struct loss_tensor *logits = &run->ours.tensors[LOSS_ROLE_INPUT];
	return (struct roofline_case){
		.probe = probe_find(run->bench->isa),
		.pool = &run->pool,
		.elements = logits->count,
		.threads = run->ours.threads,
		.grad = run->what->grad,
		.doubles = logits->dtype == LOSS_F64,
	};
}

static void round_roofline(struct run *run, size_t round)
{
	struct roofline_case limits = limits_of(run);
	roofline_round(&limits, &run->rounds.roofline, round);
	limits.grad = false;
	if (run->what->teacher)
		roofline_round(&limits, &run->rounds.teacher, round);
}

static double ask(const struct run *run, struct peer *peer, const char *what, int threads)
{
	const size_t *shape = run->ours.tensors[LOSS_ROLE_INPUT].shape;
	return peer_ask(peer, "%s %zu %zu %d", what, shape[0], shape[1], threads);
}

static void record(struct run *run, struct way way, size_t round, double seconds)
{
	ways_record(&run->rounds.reference, &way, round, seconds);
}

static void record_pytorch(struct run *run, size_t round, const char *what, int threads)
{
	record(run, (struct way){.name = "PyTorch", .threads = threads}, round,
	       ask(run, &run->bench->pytorch, what, threads));
}

/* A small call may be better off without a team of threads. */
static void round_pytorch(struct run *run, size_t round)
{
	static const char *const words[2][2] = {{"forward", "backward"},
						{"divergence", "divergence_backward"}};
	const char *what = words[run->what->teacher][run->what->grad];
	const int threads = run->ours.threads;
	record_pytorch(run, round, what, threads);
	if (run->what->cached && threads > 1)
		record_pytorch(run, round, what, 1);
	double *as_it_is = &run->rounds.as_it_is[round];
	*as_it_is = ask(run, &run->bench->pytorch_as_it_is, what, threads);
	if (run->what->cached && threads > 1)
		*as_it_is = fmin(*as_it_is, ask(run, &run->bench->pytorch_as_it_is, what, 1));
}

/* PyTorch's own is no oneDNN, but what its users get; it has oneDNN's softmax, without logarithm.
 */
static void round_onednn(struct run *run, size_t round)
{
	struct bench *bench = run->bench;
	const int threads = run->ours.threads;
	record(run, (struct way){.name = bench->onednn.about}, round,
	       ask(run, &bench->onednn, "forward", threads));
	record(run, (struct way){.name = "the softmax of PyTorch's oneDNN"}, round,
	       ask(run, &bench->pytorch, "onednn_softmax", threads));
	record(run, (struct way){.name = "PyTorch's log_softmax"}, round,
	       ask(run, &bench->pytorch, "log_softmax", threads));
}

static void round_one_thread(struct run *run, size_t round)
{
	struct ours_case alone = run->ours;
	struct roofline_case limits = limits_of(run);
	alone.threads = 1;
	record(run, (struct way){.name = "1 thread"}, round,
	       ours_call_seconds(&alone, TIMED_SECONDS));
	roofline_sweep(&limits, &run->rounds.swept, round);
	limits.threads = 1;
	roofline_sweep(&limits, &run->rounds.swept_alone, round);
}

static void round_no_sums(struct run *run, size_t round)
{
	struct ours_case other = run->ours;
	other.without_sums = true;
	record(run, (struct way){.name = "without sums"}, round,
	       ours_call_seconds(&other, TIMED_SECONDS));
}

static void round_library(struct run *run, size_t round)
{
	record(run, (struct way){.name = "libloss"}, round,
	       ours_call_seconds(&run->ours, TIMED_SECONDS));
}

static void round_cross_entropy(struct run *run, size_t round)
{
	struct ours_case other = run->ours;
	other.call = &ours_backward;
	record(run, (struct way){.name = "cross_entropy"}, round,
	       ours_run_seconds(&other, TIMED_SECONDS));
}

/* What the system takes to hand out pages is more than the rest: it is measured apart. */
static bool writes_much(const struct bench_case *what)
{
	return what->grad && !what->cached;
}

/* As of PyTorch, a small call may be better off without a team of threads. */
static double round_package(struct run *run)
{
	struct peer *package = &run->bench->package;
	double seconds = ask(run, package, "forward", run->ours.threads);
	if (run->what->cached && run->ours.threads > 1)
		seconds = fmin(seconds, ask(run, package, "forward", 1));
	return seconds;
}

static double round_ours(struct run *run, size_t round)
{
	if (run->what->python)
		return round_package(run);
	if (writes_much(run->what)) {
		struct ours_case fresh = run->ours;
		fresh.budget = NULL;
		run->rounds.fresh[round] = ours_call_seconds(&fresh, TIMED_SECONDS);
	}
	return run->what->warm ? ours_run_seconds(&run->ours, TIMED_SECONDS)
			       : ours_call_seconds(&run->ours, TIMED_SECONDS);
}

/* ---------------------------------------------------------------- what is said about it */

void note(struct measured *measured, const char *format, ...)
{
	size_t used = strlen(measured->note);
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(measured->note + used, sizeof measured->note - used, format, arguments);
	va_end(arguments);
}

void measured_sum_up(struct measured *measured, double ours, double reference)
{
	const struct bench_case *what = measured->what;
	measured->ours = ours;
	measured->reference = reference;
	measured->ratio = what->at_most ? ours / reference : reference / ours;
	measured->met = what->at_most ? measured->ratio <= what->bar : measured->ratio >= what->bar;
	if (isnan(measured->ratio))
		note(measured, "a request failed; ");
}

/* Which way of several was the best, and its rate. */
static double note_best(struct measured *measured, const char *what, const struct ways *ways,
			size_t rounds)
{
	double seconds;
	const struct way *way = ways_best(ways, rounds, &seconds);
	note(measured, "%s %.3g (%s, %d thread%s)", what, measured->bytes * 1e-9 / seconds,
	     way->name, way->threads, way->threads == 1 ? "" : "s");
	return seconds;
}

static void note_roofline(const struct run *run, struct measured *measured)
{
	const struct roofline *roofline = &run->rounds.roofline;
	double swept, memory = note_best(measured, run->what->grad ? "copy" : "read",
					 &roofline->memory, run->rounds.n);
	note_best(measured, ", exponentials", &roofline->exponentials, run->rounds.n);
	ways_best(&roofline->swept, run->rounds.n, &swept);
	if (loss_dtype_info(run->ours.tensors[LOSS_ROLE_INPUT].dtype)->size >= sizeof(float) &&
	    !run->what->grad)
		note(measured, ", a bare loop of both %.3g", measured->bytes * 1e-9 / swept);
	note(measured, "; %.2f of bandwidth", memory / measured->ours);
}

static void note_fresh(const struct run *run, struct measured *measured)
{
	double fresh = median(run->rounds.fresh, run->rounds.n);
	note(measured, "; into new memory %.3g GB/s", measured->bytes * 1e-9 / fresh);
	if (run->what->reference == REFERENCE_PYTORCH && !isnan(measured->reference))
		note(measured, ", a ratio of %.1f", measured->reference / fresh);
}

static void note_pytorch(const struct run *run, struct measured *measured)
{
	double as_it_is = median(run->rounds.as_it_is, run->rounds.n) / measured->ours;
	double seconds;
	const struct way *way = ways_best(&run->rounds.reference, run->rounds.n, &seconds);
	note(measured, "%s", run->bench->pytorch.about);
	if (!way)
		return;
	note(measured, ", %d thread%s, whose C library keeps freed memory; as it is %.1f",
	     way->threads, way->threads == 1 ? "" : "s", as_it_is);
	if (run->what->as_it_is > 0.0) {
		note(measured, " (≥ %.3g)", run->what->as_it_is);
		measured->met = measured->met && as_it_is >= run->what->as_it_is;
	}
}

static void note_onednn(const struct run *run, struct measured *measured)
{
	const struct ways *ways = &run->rounds.reference;
	for (size_t i = 0; i < ways->n; i++) {
		double seconds = median(ways->each[i].seconds, run->rounds.n);
		note(measured, "%s%s", i ? ", " : "", ways->each[i].name);
		if (!isnan(seconds))
			note(measured, " %.3g", measured->bytes * 1e-9 / seconds);
	}
}

/* Where a second thread must pay, the worst round counts as well: it must never be slower. */
static void note_one_thread(const struct run *run, struct measured *measured)
{
	const struct rounds *rounds = &run->rounds;
	double both, alone, worst = (double)INFINITY;
	for (size_t i = 0; i < rounds->n; i++)
		worst = fmin(worst, rounds->reference.each[0].seconds[i] / rounds->ours[i]);
	if (run->what->bar > 1.0)
		measured->met = measured->met && worst >= 1.0;
	ways_best(&rounds->swept, rounds->n, &both);
	ways_best(&rounds->swept_alone, rounds->n, &alone);
	note(measured,
	     "2 threads over 1; the worst round %.2f; a bare loop gains %.2f; %.3g µs a call",
	     worst, alone / both, measured->ours * 1e6);
}

static void note_no_sums(const struct run *run, struct measured *measured)
{
	(void)run;
	note(measured, "exact sums take %.2g µs a call; beside it: the call without any",
	     (measured->ours - measured->reference) * 1e6);
}

static void note_library(const struct run *run, struct measured *measured)
{
	note(measured, "%s; the same call from C", run->bench->package.about);
}

static void note_cross_entropy(const struct run *run, struct measured *measured)
{
	(void)run;
	note(measured, "policy_gradient; beside it: cross_entropy of the same rows");
}

static const struct {
	void (*round)(struct run *run, size_t round);
	void (*note)(const struct run *run, struct measured *measured);
} references[] = {
	[REFERENCE_ROOFLINE] = {round_roofline, note_roofline},
	[REFERENCE_PYTORCH] = {round_pytorch, note_pytorch},
	[REFERENCE_ONEDNN] = {round_onednn, note_onednn},
	[REFERENCE_ONE_THREAD] = {round_one_thread, note_one_thread},
	[REFERENCE_NO_SUMS] = {round_no_sums, note_no_sums},
	[REFERENCE_LIBRARY] = {round_library, note_library},
	[REFERENCE_CROSS_ENTROPY] = {round_cross_entropy, note_cross_entropy},
};

/* ---------------------------------------------------------------- a case */

static void name_case(const struct loss_tensor *logits, struct measured *measured)
{
	const struct bench_case *what = measured->what;
	int n = snprintf(measured->name, sizeof measured->name, "%s%s, %s, ",
			 what->python ? "Python, " : "",
			 what->grad ? "forward + gradient" : "forward", what->dtype);
	if (what->teacher)
		n += snprintf(measured->name + n, sizeof measured->name - (size_t)n, "two × ");
	for (int axis = 0; axis < logits->rank && n > 0; axis++)
		n += snprintf(measured->name + n, sizeof measured->name - (size_t)n, "%s%zu",
			      axis ? "×" : "", logits->shape[axis]);
}

/* What the second tensor adds to the roofline. */
static double teacher_limit(const struct run *run)
{
	const struct rounds *rounds = &run->rounds;
	return run->what->teacher ? roofline_limit(&rounds->teacher, rounds->n) : 0.0;
}

static void measure_rounds(struct run *run, struct measured *measured)
{
	struct rounds *rounds = &run->rounds;
	enum reference reference = run->what->reference;
	for (rounds->n = 0; rounds->n < run->bench->rounds; rounds->n++) {
		rounds->ours[rounds->n] = round_ours(run, rounds->n);
		references[reference].round(run, rounds->n);
	}
	measured->ours = median(rounds->ours, rounds->n);
	if (reference == REFERENCE_ROOFLINE)
		measured->reference =
			roofline_limit(&rounds->roofline, rounds->n) + teacher_limit(run);
	else
		ways_best(&rounds->reference, rounds->n, &measured->reference);
	measured->ratio = measured->reference / measured->ours;
	measured->met = measured->ratio >= run->what->bar;
	references[reference].note(run, measured);
	if (writes_much(run->what))
		note_fresh(run, measured);
}

void measure(struct bench *bench, const struct bench_case *what, struct measured *measured)
{
	struct run run = {.bench = bench, .what = what};
	struct loss_tensor logits = logits_of(bench, what);
	const double unknown = (double)NAN;
	*measured =
		(struct measured){what, .ours = unknown, .reference = unknown, .ratio = unknown};
	if (what->reference >= REFERENCE_BARE_RATE) {
		wire_measure(bench, measured);
		return;
	}
	if (what->reference >= REFERENCE_SIMDJSON) {
		json_measure(bench, measured);
		return;
	}
	name_case(&logits, measured);
	if (logits.dtype == LOSS_N_DTYPES) {
		note(measured, "%s is not among the types here", what->dtype);
		return;
	}
	if (what->reference == REFERENCE_ONE_THREAD && bench->threads < 2) {
		note(measured, "there is only one thread");
		return;
	}
	measured->bytes = (double)(logits.count * loss_dtype_info(logits.dtype)->size);
	if (!pool_create(&run.pool, &logits, logits.shape[1], what->cached)) {
		note(measured, "there is not enough memory");
		return;
	}
	run.budget.limit = bench->memory_bytes;
	run.ours = (struct ours_case){
		.call = what->grad ? &ours_backward : &ours_forward,
		.tensors = {[LOSS_ROLE_INPUT] = logits,
			    [LOSS_ROLE_TARGETS] = targets_of(&logits, &run.pool)},
		.pool = &run.pool,
		.budget = writes_much(what) ? &run.budget : NULL,
		.isa = bench->isa,
		.threads = what->reference == REFERENCE_ONE_THREAD ? 2 : bench->threads,
	};
	bool policy = what->reference == REFERENCE_CROSS_ENTROPY;
	if ((policy && !add_policy(&run.ours)) ||
	    (what->teacher && !add_teacher(&run.ours, &run.pool, what->grad)))
		note(measured, "there is not enough memory");
	else
		measure_rounds(&run, measured);
	free(run.ours.tensors[LOSS_ROLE_OWN_1].data);
	loss_budget_trim(&run.budget);
	pool_destroy(&run.pool);
}
