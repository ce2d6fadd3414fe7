/* From states of totals to that of all their rows. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base64.h"
#include "means.h"
#include "state.h"
#include "tensor.h"

/* Of bytes that are read: more than most states have. */
#define SMALLEST_ROOM ((size_t)256)

struct loss_merger {
	struct loss_arena *arena;
	size_t n;     /* states that were given, good or not */
	size_t first; /* the first good one; SIZE_MAX: none yet */
	uint64_t max_elements;
	struct state total, next;
	unsigned char *bytes; /* room for the next one's */
	size_t room;
	double values[N_STATE_SECTIONS]; /* of outputs */
	struct loss_buffer *groups[2];   /* the total's, and those that it will have */
};

struct loss_merger *loss_merger_create(struct loss_arena *arena)
{
	struct loss_merger *merger = loss_arena_array(arena, struct loss_merger, 1);
	if (!merger)
		return NULL;
	merger->arena = arena;
	merger->n = merger->room = 0;
	merger->bytes = NULL;
	merger->first = SIZE_MAX;
	merger->max_elements = UINT64_MAX;
	merger->total.bins = loss_arena_array(arena, struct state_bin, STATE_MOST_BINS);
	merger->next.bins = loss_arena_array(arena, struct state_bin, STATE_MOST_BINS);
	merger->groups[0] = loss_buffer_create(arena);
	merger->groups[1] = loss_buffer_create(arena);
	bool made =
		merger->total.bins && merger->next.bins && merger->groups[0] && merger->groups[1];
	return made ? merger : NULL;
}

void loss_merger_set_max_elements(struct loss_merger *merger, uint64_t max_elements)
{
	merger->max_elements = max_elements;
}

/* ---------------------------------------------------------------- adding */

LOSS_PRINTF(4, 5)
static loss_status refuse(const struct loss_merger *merger, loss_status status,
			  struct loss_error *err, const char *format, ...)
{
	char sentence[400];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(sentence, sizeof sentence, format, arguments);
	va_end(arguments);
	loss_fail(err, status, "totals", "totals[%zu].state %s", merger->n, sentence);
	loss_error_set_index(err, merger->n, &(size_t){SIZE_MAX}, 1);
	return status;
}

static loss_status make_room(struct loss_merger *merger, size_t size, struct loss_error *err)
{
	if (merger->bytes && size <= merger->room)
		return LOSS_OK;
	merger->room = 2 * size + SMALLEST_ROOM;
	merger->bytes = loss_arena_array(merger->arena, unsigned char, merger->room);
	return merger->bytes ? LOSS_OK : loss_arena_failure(merger->arena, err);
}

static loss_status read_text(struct loss_merger *merger, const char *text, size_t n,
			     struct loss_error *err)
{
	const char *why;
	size_t size;
	TRY(make_room(merger, TEXT_BYTES(n), err));
	if (!base64_decode(text, n, merger->bytes, &size))
		return refuse(merger, LOSS_WRONG_TYPE, err,
			      "is not base64 (RFC 4648, with padding)");
	if (!state_read(&merger->next, merger->bytes, size, &why))
		return refuse(merger, LOSS_WRONG_TYPE, err,
			      "is not what an evaluation with totals=\"exact\" gives: %s", why);
	if (state_has(&merger->next, STATE_GROUPS) && merger->next.groups.n > merger->max_elements)
		return refuse(merger, LOSS_ARGUMENT_OUT_OF_RANGE, err,
			      "has %llu groups, but there may be %llu (max_elements)",
			      (unsigned long long)merger->next.groups.n,
			      (unsigned long long)merger->max_elements);
	return LOSS_OK;
}

/* Whether both are parts of one whole. */
static loss_status check_next(const struct loss_merger *merger, struct loss_error *err)
{
	const struct state *total = &merger->total, *next = &merger->next;
	if (next->loss != total->loss)
		return refuse(merger, LOSS_ARGUMENT_OUT_OF_RANGE, err,
			      "is of %s, but totals[%zu].state is of %s", next->loss->name,
			      merger->first, total->loss->name);
	if (next->digest != total->digest)
		return refuse(
			merger, LOSS_ARGUMENT_OUT_OF_RANGE, err,
			"is of other arguments or class weights than totals[%zu].state; of those "
			"only reduction, size_average, reduce, denominator, empty_mean, "
			"class_axis, grad_dtype, ignore_index, k, n_groups and totals may differ",
			merger->first);
	bool bins = state_has(total, STATE_BINS) && state_has(next, STATE_BINS);
	if (bins && (total->n_bins != next->n_bins || total->norm != next->norm))
		return refuse(merger, LOSS_ARGUMENT_OUT_OF_RANGE, err,
			      "has %zu bins, but totals[%zu].state has %zu, or another ece_norm",
			      next->n_bins, merger->first, total->n_bins);
	if (next->rows > INT64_MAX - total->rows)
		return refuse(merger, LOSS_ARGUMENT_OUT_OF_RANGE, err,
			      "has %llu rows, which with the %llu before are more than 2^63 - 1",
			      (unsigned long long)next->rows, (unsigned long long)total->rows);
	return LOSS_OK;
}

/* But for groups. */
static void merge(struct loss_merger *merger)
{
	if (merger->first != SIZE_MAX) {
		state_merge(&merger->total, &merger->next);
		return;
	}
	struct state first = merger->total;
	merger->total = merger->next;
	merger->next = first;
	merger->first = merger->n;
}

/* Whether the next one takes the place of what there is: state_merge does the same. */
static bool replaces(const struct loss_merger *merger)
{
	return merger->first == SIZE_MAX || (merger->total.rows == 0 && merger->next.rows > 0);
}

/* Whether it changes what the total's groups are. */
static bool brings_groups(const struct loss_merger *merger)
{
	bool neutral = merger->next.rows == 0 && merger->total.rows > 0;
	return state_has(&merger->next, STATE_GROUPS) &&
	       (replaces(merger) || (!neutral && state_has(&merger->total, STATE_GROUPS)));
}

/* The total's with the next one's, or these alone, in the other buffer: the total still has its own
 * if there is no memory. */
static loss_status merge_groups(struct loss_merger *merger, struct state_groups *merged,
				struct loss_error *err)
{
	static const struct state_groups none = {0, NULL, 0};
	const struct state_groups *from = replaces(merger) ? &none : &merger->total.groups;
	const struct state_groups *next = &merger->next.groups;
	struct loss_buffer *to = merger->groups[1];
	to->size = 0;
	if (!state_groups_merge(from, next, to))
		return loss_arena_failure(merger->arena, err);
	*merged = (struct state_groups){from->n > next->n ? from->n : next->n, to->data, to->size};
	merger->groups[1] = merger->groups[0];
	merger->groups[0] = to;
	return LOSS_OK;
}

static loss_status add(struct loss_merger *merger, const char *state, size_t n,
		       struct loss_error *err)
{
	struct state_groups groups = {0, NULL, 0};
	TRY(read_text(merger, state, n, err));
	if (merger->first != SIZE_MAX)
		TRY(check_next(merger, err));
	bool changed = brings_groups(merger);
	if (changed)
		TRY(merge_groups(merger, &groups, err));
	merge(merger);
	if (changed)
		merger->total.groups = groups;
	return LOSS_OK;
}

loss_status loss_merger_add(struct loss_merger *merger, const char *state, size_t n,
			    struct loss_error *err)
{
	loss_status status = add(merger, state, n, err);
	merger->n++;
	return status;
}

/* ---------------------------------------------------------------- what they come to */

static double mean(const struct state *state)
{
	struct sum divisor = exact_sum_parts(&state->sums[STATE_DENOMINATOR]);
	if (divisor.high == 0.0)
		divisor.high = (double)NAN;
	return mean_of(exact_sum_parts(&state->sums[STATE_LOSS]), divisor);
}

static double accuracy(const struct state *state)
{
	return (double)state->correct / (double)state->counted;
}

static double perplexity(const struct state *state)
{
	return perplexity_of(exact_sum_parts(&state->sums[STATE_NLL]), state->counted);
}

static double ece(const struct state *state)
{
	struct calibration error;
	calibration_start(&error, state->norm);
	for (size_t i = 0; i < state->n_bins; i++)
		calibration_take(&error, &state->bins[i].confidence, state->bins[i].correct,
				 state->bins[i].rows);
	return calibration_end(&error, state->counted);
}

static const struct {
	const char *name;
	enum state_section from;
	double (*value)(const struct state *state);
} outputs[] = {
	{"loss", STATE_LOSS, mean},
	{"accuracy", STATE_CORRECT, accuracy},
	{"perplexity", STATE_NLL, perplexity},
	{"ece", STATE_BINS, ece},
};

/* A scalar beside the others: of the type of results, if it is the loss. */
static void put_output(struct loss_merger *merger, size_t i, struct loss_result *result)
{
	const struct state *state = &merger->total;
	bool narrow = outputs[i].from == STATE_LOSS && !state->wide;
	double value = outputs[i].value(state);
	if (outputs[i].from != STATE_LOSS && state->counted == 0)
		value = (double)NAN;
	struct loss_tensor tensor = loss_tensor_make(narrow ? LOSS_F32 : LOSS_F64, 0, NULL,
						     &merger->values[result->n_outputs]);
	tensor_put(&tensor, 0, value);
	result->outputs[result->n_outputs++] = (struct loss_output){outputs[i].name, tensor};
}

/* ---------------------------------------------------------------- groups */

/* Outputs of groups, with what stands where a group has no rows. */
static const struct {
	const char *name;
	loss_dtype dtype;
	double nothing;
} of_groups[] = {
	{"group_loss_sum", LOSS_F64, 0.0},
	{"group_denominator", LOSS_F64, 0.0},
	{"group_counted", LOSS_I64, 0.0},
	{"group_loss", LOSS_F64, (double)NAN},
};
#define OF_GROUPS (sizeof of_groups / sizeof of_groups[0])

static void put_group(struct loss_tensor *tensors, const struct state_group *group)
{
	struct sum loss = exact_sum_parts(&group->loss);
	struct sum share = exact_sum_parts(&group->denominator);
	size_t g = (size_t)group->index;
	tensor_put(&tensors[0], g, loss.high);
	tensor_put(&tensors[1], g, share.high);
	((int64_t *)tensors[2].data)[g] = (int64_t)group->counted;
	tensor_put(&tensors[3], g, share.high == 0.0 ? (double)NAN : mean_of(loss, share));
}

static loss_status put_groups(struct loss_merger *merger, struct loss_result *result,
			      struct loss_error *err)
{
	const struct state_groups *groups = &merger->total.groups;
	size_t n = (size_t)groups->n, used;
	struct loss_tensor tensors[OF_GROUPS];
	struct state_group group;
	for (size_t i = 0; i < OF_GROUPS; i++) {
		void *data = loss_arena_array(merger->arena, double, n);
		if (!data)
			return loss_arena_failure(merger->arena, err);
		tensors[i] = loss_tensor_make(of_groups[i].dtype, 1, &n, data);
		for (size_t g = 0; g < n; g++)
			((double *)data)[g] = of_groups[i].nothing; /* all bits 0 are I64's too */
		result->outputs[result->n_outputs++] =
			(struct loss_output){of_groups[i].name, tensors[i]};
	}
	for (size_t at = 0; at < groups->size; at += used) {
		used = state_group_read(&group, groups->bytes + at, groups->size - at);
		put_group(tensors, &group);
	}
	return LOSS_OK;
}

/* ---------------------------------------------------------------- all of it */

static loss_status put_state(struct loss_merger *merger, struct loss_result *result,
			     struct loss_error *err)
{
	const struct state *state = &merger->total;
	size_t room = state_room(state_has(state, STATE_BINS) ? state->n_bins : 0,
				 state_has(state, STATE_GROUPS) ? state->groups.size : 0);
	unsigned char *bytes = loss_arena_array(merger->arena, unsigned char, room);
	char *text = loss_arena_array(merger->arena, char, TEXT_CHARS(room) + 1);
	if (!bytes || !text)
		return loss_arena_failure(merger->arena, err);
	size_t n = state_write(state, bytes);
	base64_encode(bytes, n, text);
	text[TEXT_CHARS(n)] = '\0';
	result->totals = (struct loss_totals){
		.loss_sum = exact_sum_value(&state->sums[STATE_LOSS]),
		.denominator = exact_sum_value(&state->sums[STATE_DENOMINATOR]),
		.rows = state->rows,
		.counted = state->counted,
		.ignored = state->rows - state->counted,
		.state = text,
	};
	return LOSS_OK;
}

loss_status loss_merger_finish(struct loss_merger *merger, struct loss_result *result,
			       struct loss_error *err)
{
	if (merger->first == SIZE_MAX)
		return loss_fail(err, LOSS_ARGUMENT_OUT_OF_RANGE, "totals",
				 "totals has no entries, but must have at least 1");
	result->n_outputs = result->n_warnings = 0;
	result->has_totals = true;
	for (size_t i = 0; i < sizeof outputs / sizeof outputs[0]; i++)
		if (state_has(&merger->total, outputs[i].from))
			put_output(merger, i, result);
	if (state_has(&merger->total, STATE_GROUPS))
		TRY(put_groups(merger, result, err));
	return put_state(merger, result, err);
}

loss_status loss_totals_merge(const char *const *states, size_t n, struct loss_arena *arena,
			      struct loss_result *result, struct loss_error *err)
{
	struct loss_merger *merger = loss_merger_create(arena);
	if (!merger)
		return loss_arena_failure(arena, err);
	for (size_t i = 0; i < n; i++)
		TRY(loss_merger_add(merger, states[i], strlen(states[i]), err));
	return loss_merger_finish(merger, result, err);
}
