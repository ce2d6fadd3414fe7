#include "sweep.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "budget.h"
#include "report.h"
#include "sweep_tensors.h"
#include "timing.h"

#define TRIALS 64               /* at most, of one type and shape */
#define TRIAL_SECONDS 0.005     /* of a round: there are thousands */
#define PAUSE_MICROSECONDS 3000 /* until the other's threads have stopped looking for work */
#define NEAR 1.2                /* a ratio below is measured again */

static const struct bench_case of_pytorch = {
	.id = "K9", .reference = REFERENCE_PYTORCH, .bar = 1.0};

/* One case on its tensors. */
struct trial {
	struct sweep_result *result;
	struct ours_case ours, plain;
	size_t n; /* rounds */
	double seconds[MAX_ROUNDS], pytorch[MAX_ROUNDS], of_plain[MAX_ROUNDS];
};

struct sweep {
	struct bench *bench;
	struct loss_budget budget; /* keeps large memory from call to call, as a server does */
	struct sweep_result results[SWEEP_ROWS];
	struct measured *rows;
	size_t n;
	struct trial trials[TRIALS]; /* the last ones of results */
	size_t n_trials;
};

/* ---------------------------------------------------------------- which */

static void name_case(char *name, size_t size, const struct sweep_case *what, const char *dtype,
		      const struct sweep_shape *shape)
{
	int n = snprintf(name, size, "%s, %s, ", what->name, dtype);
	for (int axis = 0; axis < shape->rank; axis++)
		n += snprintf(name + n, size - (size_t)n, "%s%zu", axis ? "×" : "",
			      shape->shape[axis]);
}

static bool is_of_word(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* Whether it stands in the name, and is no part of a longer word or number. */
static bool has_word(const char *name, const char *word)
{
	for (const char *at = name; (at = strstr(at, word)); at++)
		if ((at == name || !is_of_word(at[-1])) && !is_of_word(at[strlen(word)]))
			return true;
	return false;
}

static bool chosen(const char *name)
{
	const char *words = getenv("SWEEP");
	char copy[256], *rest = copy;
	snprintf(copy, sizeof copy, "%s", words ? words : "");
	for (const char *word; (word = strtok_r(rest, " ", &rest));)
		if (!has_word(name, word))
			return false;
	return true;
}

static bool takes(const struct sweep_case *what, const struct sweep_shape *shape)
{
	return what->most_axes == 0 || shape->rank <= what->most_axes;
}

static void add_trial(struct sweep *sweep, const struct sweep_case *what, const char *dtype,
		      const char *name)
{
	struct trial *trial = &sweep->trials[sweep->n_trials++];
	struct sweep_result *result = &sweep->results[sweep->n];
	*result = (struct sweep_result){what, dtype, (double)NAN, &sweep->rows[sweep->n]};
	*result->measured = (struct measured){.what = &of_pytorch, .unit = "ms", .factor = 1e3};
	snprintf(result->measured->name, sizeof result->measured->name, "%s", name);
	*trial = (struct trial){.result = result};
	sweep->n++;
}

static void choose(struct sweep *sweep, const char *dtype, const struct sweep_shape *shape)
{
	sweep->n_trials = 0;
	for (const struct sweep_case *what = sweep_cases; what->name; what++) {
		char name[sizeof((struct measured *)0)->name];
		name_case(name, sizeof name, what, dtype, shape);
		if (chosen(name) && takes(what, shape) && sweep->n_trials < TRIALS &&
		    sweep->n < SWEEP_ROWS)
			add_trial(sweep, what, dtype, name);
	}
}

/* ---------------------------------------------------------------- how long */

static struct ours_case call_of(struct sweep *sweep, const struct sweep_case *what,
				const struct sweep_tensors *tensors)
{
	struct ours_case ours = {
		.call = &what->call,
		.budget = &sweep->budget,
		.isa = sweep->bench->isa,
		.threads = sweep->bench->threads,
	};
	sweep_tensors_of(tensors, what, ours.tensors);
	return ours;
}

static void run_rounds(struct bench *bench, struct trial *trial)
{
	const struct sweep_case *what = trial->result->what;
	for (size_t i = 0; i < bench->sweep_rounds; i++) {
		size_t n = trial->n++;
		usleep(PAUSE_MICROSECONDS);
		trial->seconds[n] = ours_call_seconds(&trial->ours, TRIAL_SECONDS);
		trial->pytorch[n] = peer_ask(&bench->pytorch, "sweep %d %g %s", bench->threads,
					     TRIAL_SECONDS, what->name);
		trial->of_plain[n] = what->bar_of_plain > 0.0
					     ? ours_call_seconds(&trial->plain, TRIAL_SECONDS)
					     : (double)NAN;
	}
}

static void conclude(const struct bench *bench, struct trial *trial)
{
	struct sweep_result *result = trial->result;
	struct measured *measured = result->measured;
	measured->ours = median(trial->seconds, trial->n);
	measured->reference = median(trial->pytorch, trial->n);
	measured->ratio = measured->reference / measured->ours;
	measured->met = measured->ratio >= of_pytorch.bar;
	result->plain = median(trial->of_plain, trial->n);
	measured->note[0] = '\0';
	if (isnan(measured->ratio))
		note(measured, "%s", bench->pytorch.about);
	else if (!isnan(result->plain))
		note(measured, "%.2f of plain's time", measured->ours / result->plain);
}

static void measure_trials(struct sweep *sweep, const struct sweep_tensors *tensors)
{
	for (size_t i = 0; i < sweep->n_trials; i++) {
		struct trial *trial = &sweep->trials[i];
		trial->ours = call_of(sweep, trial->result->what, tensors);
		trial->plain = call_of(sweep, sweep_plain, tensors);
		run_rounds(sweep->bench, trial);
		conclude(sweep->bench, trial);
	}
	for (size_t i = 0; i < sweep->n_trials; i++) {
		struct trial *trial = &sweep->trials[i];
		if (trial->result->measured->ratio < NEAR) {
			run_rounds(sweep->bench, trial);
			conclude(sweep->bench, trial);
		}
		report_row(stdout, trial->result->measured);
	}
}

/* PyTorch reads the tensors; where it can not, it is not asked. */
static bool share(struct bench *bench, const struct sweep_tensors *tensors, const char *dtype,
		  const struct sweep_shape *shape)
{
	char path[512], dims[128] = "";
	sweep_tensors_path(bench->folder, path, sizeof path);
	for (int axis = 0, n = 0; axis < shape->rank; axis++)
		n += snprintf(dims + n, sizeof dims - (size_t)n, " %zu", shape->shape[axis]);
	bool written = sweep_tensors_write(tensors, path);
	if (written)
		peer_ask(&bench->pytorch, "tensors %s%s", dtype, dims);
	unlink(path);
	return written;
}

size_t sweep(struct bench *bench, struct measured *rows)
{
	static struct sweep sweep;
	sweep = (struct sweep){.bench = bench, .rows = rows, .budget.limit = bench->memory_bytes};
	for (const char *const *dtype = sweep_dtypes; *dtype; dtype++) {
		for (const struct sweep_shape *shape = sweep_shapes; shape->rank; shape++) {
			struct sweep_tensors tensors = {0};
			choose(&sweep, *dtype, shape);
			if (sweep.n_trials > 0 && sweep_tensors_create(&tensors, *dtype, shape) &&
			    share(bench, &tensors, *dtype, shape))
				measure_trials(&sweep, &tensors);
			sweep_tensors_destroy(&tensors);
		}
	}
	loss_budget_trim(&sweep.budget);
	return sweep.n + sweep_summarise(sweep.results, sweep.n, rows + sweep.n);
}
