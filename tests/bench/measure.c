#include "measure.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "ours.h"
#include "roofline.h"
#include "timing.h"
#include "wire.h"

/* What the rounds gave, in seconds. */
struct rounds {
	size_t n;
	double ours[MAX_ROUNDS], reference[MAX_ROUNDS];
	/* Beside them, for the note; what of it is measured is the reference's business. */
	double memory[MAX_ROUNDS], exponentials[MAX_ROUNDS], swept[MAX_ROUNDS], fresh[MAX_ROUNDS];
	double keeping[MAX_ROUNDS], swept_alone[MAX_ROUNDS];
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
	while (logits.count * sizeof(float) > bench->memory_bytes / 6 && logits.shape[0] > 1) {
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

/* ---------------------------------------------------------------- one round of each reference */

static struct roofline_case limits_of(struct run *run)
{
	return (struct roofline_case){
		.probe = probe_find(run->bench->isa),
		.pool = &run->pool,
		.elements = run->ours.logits.count,
		.threads = run->ours.threads,
		.grad = run->what->grad,
	};
}

static void round_roofline(struct run *run, size_t round)
{
	struct roofline_case limits = limits_of(run);
	struct roofline roofline = roofline_measure(&limits);
	run->rounds.memory[round] = roofline.memory;
	run->rounds.exponentials[round] = roofline.exponentials;
	run->rounds.swept[round] = roofline.swept;
	run->rounds.reference[round] = roofline.limit;
}

static double ask(struct run *run, struct peer *peer)
{
	const size_t *shape = run->ours.logits.shape;
	return peer_ask(peer, run->what->grad, shape[0], shape[1], run->ours.threads);
}

static void round_pytorch(struct run *run, size_t round)
{
	run->rounds.reference[round] = ask(run, &run->bench->pytorch);
	run->rounds.keeping[round] = ask(run, &run->bench->pytorch_keeping);
}

static void round_onednn(struct run *run, size_t round)
{
	run->rounds.reference[round] = ask(run, &run->bench->onednn);
}

static void round_one_thread(struct run *run, size_t round)
{
	struct ours_case alone = run->ours;
	struct roofline_case limits = limits_of(run);
	alone.threads = 1;
	run->rounds.reference[round] = ours_call_seconds(&alone);
	run->rounds.swept[round] = roofline_swept_seconds(&limits);
	limits.threads = 1;
	run->rounds.swept_alone[round] = roofline_swept_seconds(&limits);
}

/* What the system takes to hand out pages is more than the rest: it is measured apart. */
static bool writes_much(const struct bench_case *what)
{
	return what->grad && !what->cached;
}

static double round_ours(struct run *run, size_t round)
{
	if (writes_much(run->what)) {
		struct ours_case fresh = run->ours;
		fresh.budget = NULL;
		run->rounds.fresh[round] = ours_call_seconds(&fresh);
	}
	return run->what->warm ? ours_run_seconds(&run->ours) : ours_call_seconds(&run->ours);
}

/* ---------------------------------------------------------------- what is said about it */

/* Appends to the note. */
__attribute__((format(printf, 2, 3))) static void note(struct measured *measured,
						       const char *format, ...)
{
	size_t used = strlen(measured->note);
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(measured->note + used, sizeof measured->note - used, format, arguments);
	va_end(arguments);
}

static void note_roofline(const struct run *run, struct measured *measured)
{
	const struct rounds *rounds = &run->rounds;
	double gigabytes = measured->bytes * 1e-9;
	double memory = median(rounds->memory, rounds->n);
	note(measured, run->what->grad ? "copy %.3g" : "read %.3g", gigabytes / memory);
	note(measured, ", exponentials %.3g", gigabytes / median(rounds->exponentials, rounds->n));
	if (run->ours.logits.dtype == LOSS_F32 && !run->what->grad)
		note(measured, ", a bare loop of both %.3g",
		     gigabytes / median(rounds->swept, rounds->n));
	note(measured, "; %.2f of bandwidth", memory / measured->ours);
}

static void note_fresh(const struct run *run, struct measured *measured)
{
	double fresh = median(run->rounds.fresh, run->rounds.n);
	note(measured, "; into new memory %.3g GB/s", measured->bytes * 1e-9 / fresh);
	if (run->what->reference == REFERENCE_PYTORCH)
		note(measured, ", a ratio of %.1f", measured->reference / fresh);
}

static void note_pytorch(const struct run *run, struct measured *measured)
{
	double keeping = median(run->rounds.keeping, run->rounds.n);
	note(measured, "%s", run->bench->pytorch.about);
	if (!isnan(keeping))
		note(measured, "; where it keeps freed memory %.1f", keeping / measured->ours);
}

static void note_onednn(const struct run *run, struct measured *measured)
{
	note(measured, "%s", run->bench->onednn.about);
}

/* The worst round counts as well: a second thread must never make a call slower. */
static void note_one_thread(const struct run *run, struct measured *measured)
{
	double worst = (double)INFINITY;
	for (size_t i = 0; i < run->rounds.n; i++)
		worst = fmin(worst, run->rounds.reference[i] / run->rounds.ours[i]);
	measured->met = measured->met && worst >= 1.0;
	note(measured,
	     "2 threads over 1; the worst round %.2f; a bare loop gains %.2f; %.1f µs a call",
	     worst,
	     median(run->rounds.swept_alone, run->rounds.n) /
		     median(run->rounds.swept, run->rounds.n),
	     measured->ours * 1e6);
}

static const struct {
	void (*round)(struct run *run, size_t round);
	void (*note)(const struct run *run, struct measured *measured);
} references[] = {
	[REFERENCE_ROOFLINE] = {round_roofline, note_roofline},
	[REFERENCE_PYTORCH] = {round_pytorch, note_pytorch},
	[REFERENCE_ONEDNN] = {round_onednn, note_onednn},
	[REFERENCE_ONE_THREAD] = {round_one_thread, note_one_thread},
};

/* ---------------------------------------------------------------- a case */

static void name_case(const struct loss_tensor *logits, struct measured *measured)
{
	const struct bench_case *what = measured->what;
	int n = snprintf(measured->name, sizeof measured->name, "%s, %s, ",
			 what->grad ? "forward + gradient" : "forward", what->dtype);
	for (int axis = 0; axis < logits->rank && n > 0; axis++)
		n += snprintf(measured->name + n, sizeof measured->name - (size_t)n, "%s%zu",
			      axis ? "×" : "", logits->shape[axis]);
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
	measured->reference = median(rounds->reference, rounds->n);
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
	if (what->reference >= REFERENCE_DISCARD) {
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
		.pool = &run.pool,
		.budget = writes_much(what) ? &run.budget : NULL,
		.logits = logits,
		.targets = targets_of(&logits, &run.pool),
		.isa = bench->isa,
		.threads = what->reference == REFERENCE_ONE_THREAD ? 2 : bench->threads,
		.grad = what->grad,
	};
	measure_rounds(&run, measured);
	loss_budget_trim(&run.budget);
	pool_destroy(&run.pool);
}
