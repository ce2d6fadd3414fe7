#include "state.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base64.h"
#include "groups.h"
#include "names.h"
#include "plan.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---------------------------------------------------------------- bytes */

#define HASH_START UINT64_C(0xcbf29ce484222325)

/* FNV-1a. */
static uint64_t hash(uint64_t value, const void *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		value = (value ^ ((const unsigned char *)bytes)[i]) * UINT64_C(0x100000001b3);
	return value;
}

uint64_t state_checksum(const unsigned char *bytes, size_t n)
{
	return hash(HASH_START, bytes, n);
}

static unsigned char *put(unsigned char *to, uint64_t value, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		to[i] = (unsigned char)(value >> 8 * i);
	return to + bytes;
}

struct reader {
	const unsigned char *at, *end;
	bool failed;
};

static size_t left_of(const struct reader *reader)
{
	return (size_t)(reader->end - reader->at);
}

static uint64_t get(struct reader *reader, size_t bytes)
{
	uint64_t value = 0;
	if (left_of(reader) < bytes) {
		reader->failed = true;
		return 0;
	}
	for (size_t i = 0; i < bytes; i++)
		value |= (uint64_t)reader->at[i] << 8 * i;
	reader->at += bytes;
	return value;
}

/* No more than so many numbers come to. */
static void get_sum(struct reader *reader, struct exact_sum *sum, uint64_t rows)
{
	unsigned most = 2098 + (rows ? 64 - (unsigned)__builtin_clzll(rows) : 0);
	size_t n = exact_sum_read(sum, reader->at, left_of(reader));
	if (n == 0 || exact_sum_bits(sum) > most)
		reader->failed = true;
	reader->at += n;
}

/* ---------------------------------------------------------------- sections */

static unsigned char *put_sum(const struct state *state, enum state_section section,
			      unsigned char *to)
{
	return to + exact_sum_write(&state->sums[section], to);
}

static void read_sum(struct state *state, enum state_section section, struct reader *reader)
{
	get_sum(reader, &state->sums[section], state->rows);
}

static void merge_sum(struct state *state, enum state_section section, const struct state *other)
{
	exact_sum_merge(&state->sums[section], &other->sums[section]);
}

static unsigned char *put_correct(const struct state *state, enum state_section section,
				  unsigned char *to)
{
	(void)section;
	return put(to, state->correct, 8);
}

static void read_correct(struct state *state, enum state_section section, struct reader *reader)
{
	(void)section;
	state->correct = get(reader, 8);
	reader->failed |= state->correct > state->counted;
}

static void merge_correct(struct state *state, enum state_section section,
			  const struct state *other)
{
	(void)section;
	state->correct += other->correct;
}

static unsigned char *put_bins(const struct state *state, enum state_section section,
			       unsigned char *to)
{
	(void)section;
	to = put(to, state->norm, 1);
	to = put(to, state->n_bins, 4);
	for (size_t i = 0; i < state->n_bins; i++) {
		const struct state_bin *bin = &state->bins[i];
		if (bin->rows == 0)
			continue;
		to = put(to, i, 4);
		to = put(to, bin->rows, 8);
		to = put(to, bin->correct, 8);
		to += exact_sum_write(&bin->confidence, to);
	}
	return to;
}

/* One with rows, which comes after those below `next`. */
static void read_bin(struct state *state, struct reader *reader, size_t *next, uint64_t *rows)
{
	size_t i = get(reader, 4);
	if (reader->failed || i < *next || i >= state->n_bins) {
		reader->failed = true;
		return;
	}
	struct state_bin *bin = &state->bins[i];
	bin->rows = get(reader, 8);
	bin->correct = get(reader, 8);
	get_sum(reader, &bin->confidence, bin->rows);
	reader->failed |= bin->rows == 0 || bin->rows > *rows || bin->correct > bin->rows;
	*rows -= bin->rows;
	*next = i + 1;
}

/* Every row that counts is in a bin. */
static void read_bins(struct state *state, enum state_section section, struct reader *reader)
{
	(void)section;
	size_t norm = get(reader, 1), next = 0;
	uint64_t rows = state->counted;
	state->n_bins = get(reader, 4);
	reader->failed |= norm > ECE_MAX || state->n_bins < 1 || state->n_bins > STATE_MOST_BINS;
	if (reader->failed)
		return;
	state->norm = (enum ece_norm)norm;
	for (size_t i = 0; i < state->n_bins; i++) {
		state->bins[i].rows = state->bins[i].correct = 0;
		exact_sum_clear(&state->bins[i].confidence);
	}
	while (!reader->failed && left_of(reader) > 0)
		read_bin(state, reader, &next, &rows);
	reader->failed |= rows > 0;
}

static void merge_bins(struct state *state, enum state_section section, const struct state *other)
{
	(void)section;
	for (size_t i = 0; i < state->n_bins; i++) {
		state->bins[i].rows += other->bins[i].rows;
		state->bins[i].correct += other->bins[i].correct;
		exact_sum_merge(&state->bins[i].confidence, &other->bins[i].confidence);
	}
}

static unsigned char *put_groups(const struct state *state, enum state_section section,
				 unsigned char *to)
{
	(void)section;
	to = put(to, state->groups.n, 8);
	if (state->groups.size > 0)
		memcpy(to, state->groups.bytes, state->groups.size);
	return to + state->groups.size;
}

static void read_groups(struct state *state, enum state_section section, struct reader *reader)
{
	(void)section;
	uint64_t n = get(reader, 8);
	state->groups = (struct state_groups){n, reader->at, left_of(reader)};
	reader->failed |= !state_groups_are_right(&state->groups, state->counted);
	reader->at = reader->end;
}

/* It needs memory, which who merges states has: merge.c. */
static void leave_groups(struct state *state, enum state_section section, const struct state *other)
{
	(void)state;
	(void)section;
	(void)other;
}

static const struct section {
	char tag;
	bool required;
	unsigned char *(*put)(const struct state *state, enum state_section section,
			      unsigned char *to);
	/* All of a reader that has the section alone. */
	void (*read)(struct state *state, enum state_section section, struct reader *reader);
	void (*merge)(struct state *state, enum state_section section, const struct state *other);
} sections[] = {
	[STATE_LOSS] = {'L', true, put_sum, read_sum, merge_sum},
	[STATE_DENOMINATOR] = {'D', true, put_sum, read_sum, merge_sum},
	[STATE_NLL] = {'N', false, put_sum, read_sum, merge_sum},
	[STATE_CORRECT] = {'C', false, put_correct, read_correct, merge_correct},
	[STATE_Z_LOSS] = {'Z', false, put_sum, read_sum, merge_sum},
	[STATE_BINS] = {'B', false, put_bins, read_bins, merge_bins},
	[STATE_GROUPS] = {'G', false, put_groups, read_groups, leave_groups},
};
_Static_assert(COUNT(sections) == N_STATE_SECTIONS, "a row for every section");

/* ---------------------------------------------------------------- states */

static const char magic[] = {'L', 'T', STATE_VERSION};

#define HEAD_BYTES (sizeof magic + 1 + 8 + 1 + UINT8_MAX + (size_t)2 * 8)
#define SECTION_BYTES ((size_t)1 + 4)
#define SUM_BYTES 8

size_t state_room(size_t n_bins, size_t groups)
{
	size_t bin = 4 + 2 * 8 + EXACT_BYTES;
	return HEAD_BYTES + SUM_BYTES + N_STATE_SECTIONS * (SECTION_BYTES + EXACT_BYTES) +
	       n_bins * bin + groups;
}

size_t state_write(const struct state *state, unsigned char *bytes)
{
	size_t length = strlen(state->loss->name);
	unsigned char *to = bytes;
	memcpy(to, magic, sizeof magic);
	to = put(to + sizeof magic, state->wide, 1);
	to = put(to, state->digest, 8);
	to = put(to, length, 1);
	memcpy(to, state->loss->name, length);
	to = put(to + length, state->rows, 8);
	to = put(to, state->counted, 8);
	for (unsigned i = 0; i < N_STATE_SECTIONS; i++) {
		if (!state_has(state, i))
			continue;
		unsigned char *begin = put(to, (unsigned char)sections[i].tag, 1);
		to = sections[i].put(state, i, begin + 4);
		put(begin, (uint64_t)(to - begin - 4), 4);
	}
	to = put(to, state_checksum(bytes, (size_t)(to - bytes)), SUM_BYTES);
	return (size_t)(to - bytes);
}

static void read_loss(struct state *state, struct reader *reader)
{
	size_t n = get(reader, 1);
	if (left_of(reader) < n) {
		reader->failed = true;
		return;
	}
	state->loss = loss_find((const char *)reader->at, n);
	reader->at += n;
	reader->failed |= !state->loss || !state->loss->has_totals;
}

static bool read_head(struct state *state, struct reader *reader, const char **why)
{
	uint64_t wide;
	*why = "it is no state of totals";
	if (left_of(reader) < sizeof magic || memcmp(reader->at, magic, sizeof magic - 1) != 0)
		return false;
	*why = "it is of another version";
	if (reader->at[sizeof magic - 1] != STATE_VERSION)
		return false;
	*why = "it is damaged, or a part of one";
	if (left_of(reader) < sizeof magic + SUM_BYTES)
		return false;
	reader->end -= SUM_BYTES;
	struct reader sum = {reader->end, reader->end + SUM_BYTES, false};
	if (state_checksum(reader->at, left_of(reader)) != get(&sum, SUM_BYTES))
		return false;
	reader->at += sizeof magic;
	wide = get(reader, 1);
	state->wide = wide == 1;
	state->digest = get(reader, 8);
	read_loss(state, reader);
	state->rows = get(reader, 8);
	state->counted = get(reader, 8);
	state->has = 0;
	*why = "its beginning is damaged";
	return !reader->failed && wide <= 1 && state->counted <= state->rows &&
	       state->rows <= INT64_MAX;
}

/* The section that has a tag and stands after another, or none. */
static unsigned find_section(uint64_t tag, unsigned from)
{
	while (from < N_STATE_SECTIONS && (unsigned char)sections[from].tag != tag)
		from++;
	return from;
}

static bool read_section(struct state *state, struct reader *reader, unsigned *next)
{
	unsigned section = find_section(get(reader, 1), *next);
	size_t size = get(reader, 4);
	if (reader->failed || section == N_STATE_SECTIONS || size > left_of(reader))
		return false;
	struct reader own = {reader->at, reader->at + size, false};
	sections[section].read(state, section, &own);
	reader->at += size;
	state->has |= 1u << section;
	*next = section + 1;
	return !own.failed && own.at == own.end;
}

bool state_read(struct state *state, const unsigned char *bytes, size_t size, const char **why)
{
	struct reader reader = {bytes, bytes + size, false};
	unsigned next = 0, required = 0;
	if (!read_head(state, &reader, why))
		return false;
	*why = "one of its sums or counts is damaged";
	while (left_of(&reader) > 0)
		if (!read_section(state, &reader, &next))
			return false;
	for (unsigned i = 0; i < N_STATE_SECTIONS; i++)
		required |= (unsigned)sections[i].required << i;
	*why = "its end is missing";
	return (state->has & required) == required;
}

static void copy(struct state *state, const struct state *other)
{
	struct state_bin *bins = state->bins;
	*state = *other;
	state->bins = bins;
	if (state_has(state, STATE_BINS))
		memcpy(bins, other->bins, other->n_bins * sizeof *bins);
}

void state_merge(struct state *state, const struct state *other)
{
	if (other->rows == 0 && state->rows > 0)
		return;
	if (state->rows == 0 && other->rows > 0) {
		copy(state, other);
		return;
	}
	state->wide |= other->wide;
	state->rows += other->rows;
	state->counted += other->counted;
	state->has &= other->has;
	for (unsigned i = 0; i < N_STATE_SECTIONS; i++)
		if (state_has(state, i))
			sections[i].merge(state, i, other);
}

/* ---------------------------------------------------------------- the digest */

/* A number by its value: one zero, one NaN. */
static uint64_t hash_number(uint64_t value, double number)
{
	unsigned char bytes[8];
	uint64_t bits;
	number = number == 0.0 ? 0.0 : number;
	memcpy(&bits, &number, sizeof bits);
	put(bytes, number == number ? bits : UINT64_MAX, sizeof bytes);
	return hash(value, bytes, sizeof bytes);
}

/* Of an argument by name and value, 0 where it has its default. */
static uint64_t hash_argument(const struct argument_row *row, const struct loss_args *args,
			      const struct loss_args *presets)
{
	const void *field = (const char *)args + row->offset;
	const void *preset = (const char *)presets + row->offset;
	uint64_t value = hash(HASH_START, row->info.name, strlen(row->info.name) + 1);
	const char *choice;
	switch (row->info.type) {
	case LOSS_ARGUMENT_BOOLEAN:
		value = hash_number(value, *(const bool *)field);
		return *(const bool *)field == *(const bool *)preset ? 0 : value;
	case LOSS_ARGUMENT_INTEGER:
		value = hash_number(value, (double)*(const int64_t *)field);
		return *(const int64_t *)field == *(const int64_t *)preset ? 0 : value;
	case LOSS_ARGUMENT_NUMBER:
		value = hash_number(value, *(const double *)field);
		return *(const double *)field == *(const double *)preset ? 0 : value;
	case LOSS_ARGUMENT_CHOICE:
		break;
	}
	choice = row->info.choices[*(const size_t *)field];
	value = hash(value, choice, strlen(choice));
	return *(const size_t *)field == *(const size_t *)preset ? 0 : value;
}

/* Weights of 1 are none. */
static uint64_t hash_weights(const struct loss_plan *plan)
{
	uint64_t value = hash(HASH_START, "weight", sizeof "weight");
	bool some = false;
	for (size_t c = 0; c < plan->classes; c++) {
		double weight = plan_class_weight(plan, c);
		value = hash_number(value, weight);
		some = some || weight != 1.0;
	}
	return some ? value : 0;
}

uint64_t state_digest(const struct loss_plan *plan)
{
	const struct loss_info *loss = &plan->loss->info;
	const struct loss_args *presets = argument_presets(plan->loss);
	uint64_t digest = 0;
	for (size_t i = 0; i < loss->n_arguments; i++) {
		const struct argument_row *row = argument_row(loss->arguments[i]);
		if (!row->apart)
			digest += hash_argument(row, &plan->args, presets);
	}
	if (plan->sequences.all) /* what is added up is not the rows' */
		digest += hash(HASH_START, "sequence_mean", sizeof "sequence_mean");
	const struct loss_tensor_info *weight = names_tensor_of_role(loss, LOSS_ROLE_WEIGHT);
	if (weight && weight->extent == LOSS_EXTENT_CLASSES && plan->present[LOSS_ROLE_WEIGHT])
		digest += hash_weights(plan);
	return digest;
}

/* ---------------------------------------------------------------- of a plan */

bool state_is_wanted(const struct loss_plan *plan)
{
	return plan->loss->info.has_totals && plan->args.totals == TOTALS_EXACT;
}

/* Which sections it has. */
static unsigned sections_of(const struct loss_plan *plan)
{
	const bool has[] = {
		[STATE_LOSS] = true,
		[STATE_DENOMINATOR] = true,
		[STATE_NLL] = plan->scores,
		[STATE_CORRECT] = plan->wanted[OUTPUT_ACCURACY] ||
				  (plan->judges && loss_has_output(plan->loss, OUTPUT_CORRECT)),
		[STATE_Z_LOSS] = plan->args.z_loss > 0.0,
		[STATE_BINS] = plan->wanted[OUTPUT_ECE],
		[STATE_GROUPS] = groups_are_wanted(plan),
	};
	unsigned bits = 0;
	for (unsigned i = 0; i < N_STATE_SECTIONS; i++)
		bits |= (unsigned)has[i] << i;
	return bits;
}

loss_status state_make(struct loss_plan *plan, struct loss_arena *arena, struct loss_error *err)
{
	size_t n_bins = plan->wanted[OUTPUT_ECE] ? (size_t)plan->args.ece_bins : 0;
	size_t group_bytes = groups_state_room(plan), room = state_room(n_bins, group_bytes);
	struct state *state = loss_arena_array(arena, struct state, 1);
	plan->state = state;
	plan->state_bytes = loss_arena_array(arena, unsigned char, room);
	plan->state_text = loss_arena_array(arena, char, TEXT_CHARS(room) + 1);
	plan->group_bytes = loss_arena_array(arena, unsigned char, group_bytes);
	if (!state || !plan->state_bytes || !plan->state_text || !plan->group_bytes)
		return loss_arena_failure(arena, err);
	state->loss = &plan->loss->info;
	state->digest = state_digest(plan);
	state->wide = plan->tensors[LOSS_ROLE_INPUT].dtype == LOSS_F64;
	state->rows = plan->rows;
	state->counted = plan->counted;
	state->has = sections_of(plan);
	state->norm = (enum ece_norm)plan->args.ece_norm;
	state->n_bins = n_bins;
	state->bins = n_bins ? loss_arena_array(arena, struct state_bin, n_bins) : NULL;
	if (n_bins && !state->bins)
		return loss_arena_failure(arena, err);
	return LOSS_OK;
}

static void set_sum(struct state *state, enum state_section section, const struct exact_sum *sum)
{
	exact_sum_clear(&state->sums[section]);
	exact_sum_merge(&state->sums[section], sum);
}

/* Of a feed that there is. */
static void take_feed(const struct loss_plan *plan, struct exact_feed *feed,
		      enum state_section section)
{
	if (!feed)
		return;
	exact_feed_flush(feed, plan->kernels);
	set_sum(plan->state, section, &feed->sum);
}

static void set_denominator(const struct loss_plan *plan, struct state *state)
{
	struct exact_sum count;
	exact_sum_clear(&count);
	exact_sum_add(&count, plan->weighed ? 0.0 : plan->denominator);
	set_sum(state, STATE_DENOMINATOR, plan->weighed ? &plan->weights : &count);
}

const char *state_of_plan(struct loss_plan *plan, struct partial *total)
{
	struct state *state = plan->state;
	take_feed(plan, &total->loss, STATE_LOSS);
	take_feed(plan, total->nll, STATE_NLL);
	take_feed(plan, total->z_loss, STATE_Z_LOSS);
	set_denominator(plan, state);
	state->correct = total->correct;
	for (size_t i = 0; i < state->n_bins; i++) {
		state->bins[i].rows = total->bins[i].rows;
		state->bins[i].correct = total->bins[i].correct;
		calibration_confidence(total, i, &state->bins[i].confidence);
	}
	state->groups = (struct state_groups){plan->groups.n, plan->group_bytes,
					      groups_write_state(plan, plan->group_bytes)};
	size_t n = state_write(state, plan->state_bytes);
	base64_encode(plan->state_bytes, n, plan->state_text);
	plan->state_text[TEXT_CHARS(n)] = '\0';
	return plan->state_text;
}
