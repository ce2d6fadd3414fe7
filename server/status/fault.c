#include "fault.h"

#include <string.h>

/* One of the others. */
struct fault_entry {
	struct loss_error error;
	char member[sizeof((struct fault *)0)->member];
	struct fault_entry *next;
};

/* What is checked together, before what comes after it. */
enum stage { STAGE_ALONE, STAGE_NAMES, STAGE_TYPES, STAGE_REQUIRED, STAGE_SHAPES, STAGE_RANGES };

static enum stage stage_of(loss_status status)
{
	static const unsigned char stages[STATUS_END] = {
		[LOSS_UNKNOWN_FIELD] = STAGE_NAMES,
		[LOSS_DUPLICATE_FIELD] = STAGE_NAMES,
		[LOSS_WRONG_TYPE] = STAGE_TYPES,
		[LOSS_DTYPE_MISMATCH] = STAGE_TYPES,
		[LOSS_MISSING_FIELD] = STAGE_REQUIRED,
		[STATUS_RAGGED_ARRAY] = STAGE_SHAPES,
		[STATUS_TOO_MANY_ELEMENTS] = STAGE_SHAPES,
		[LOSS_SHAPE_MISMATCH] = STAGE_SHAPES,
		[LOSS_ARGUMENT_OUT_OF_RANGE] = STAGE_RANGES,
	};
	return (enum stage)stages[status];
}

static bool is_of_field(const struct loss_error *err, const char *field)
{
	return strncmp(err->field, field, sizeof err->field - 1) == 0;
}

static void forget_others(struct fault *fault)
{
	fault->others = NULL;
	fault->n_others = 0;
}

/* The link to the entry of that field, or the one at the end. */
static struct fault_entry **find(struct fault *fault, const char *field)
{
	struct fault_entry **at = &fault->others;
	while (*at && !is_of_field(&(*at)->error, field))
		at = &(*at)->next;
	return at;
}

/* A new entry, at a place among the others; NULL: there is no room. */
static struct fault_entry *insert(struct fault *fault, struct fault_entry **at)
{
	struct fault_entry *entry = NULL;
	if (fault->arena && fault->n_others < LOSS_MAX_ERRORS - 1)
		entry = loss_arena_array(fault->arena, struct fault_entry, 1);
	if (!entry)
		return NULL;
	*entry = (struct fault_entry){.next = *at};
	fault->n_others++;
	return *at = entry;
}

/* An entry at the end of the others, perhaps the one that was claimed before and not written to;
 * NULL: there is no room. */
static struct fault_entry *add(struct fault *fault)
{
	struct fault_entry **at = &fault->others;
	while (*at && (*at)->error.status != LOSS_OK)
		at = &(*at)->next;
	return *at ? *at : insert(fault, at);
}

/* The first error gives way to one of its own stage that goes before it. */
static struct loss_error *replace_first(struct fault *fault, const char *field)
{
	struct fault_entry **same = find(fault, field);
	if (*same) {
		*same = (*same)->next;
		fault->n_others--;
	}
	bool stays = !is_of_field(&fault->error, field) && !*find(fault, fault->error.field);
	struct fault_entry *entry = stays ? insert(fault, &fault->others) : NULL;
	if (entry) {
		entry->error = fault->error;
		memcpy(entry->member, fault->member, sizeof entry->member);
	}
	fault->member[0] = '\0';
	return &fault->error;
}

static struct loss_error *claim_other(struct fault *fault, loss_status status, const char *field)
{
	struct fault_entry *same = *find(fault, field);
	if (is_of_field(&fault->error, field) ||
	    (same && !status_precedes(status, same->error.status)))
		return NULL;
	struct fault_entry *entry = same ? same : add(fault);
	if (entry)
		entry->member[0] = '\0';
	return entry ? &entry->error : NULL;
}

struct loss_error *fault_claim_field(struct fault *fault, loss_status status, const char *field)
{
	loss_status kept = fault->error.status;
	bool precedes = status_precedes(status, kept);
	enum stage stage = stage_of(status);
	bool beside = kept != LOSS_OK && stage != STAGE_ALONE && stage == stage_of(kept);
	if (beside)
		return precedes ? replace_first(fault, field) : claim_other(fault, status, field);
	if (!precedes)
		return NULL;
	forget_others(fault);
	fault->member[0] = '\0';
	return &fault->error;
}

struct loss_error *fault_claim(struct fault *fault, loss_status status)
{
	if (!status_precedes(status, fault->error.status))
		return NULL;
	forget_others(fault);
	fault->member[0] = '\0';
	return &fault->error;
}

/* ---------------------------------------------------------------- where in a field */

static bool is_same(const struct loss_error *a, const struct loss_error *b)
{
	return a == b || (a->status == b->status && strcmp(a->field, b->field) == 0 &&
			  strcmp(a->detail, b->detail) == 0);
}

void fault_set_member(struct fault *fault, const struct loss_error *claimed, const char *member)
{
	char *at = fault->member;
	for (struct fault_entry *entry = fault->others; entry; entry = entry->next)
		if (&entry->error == claimed)
			at = entry->member;
	size_t n = strnlen(member, sizeof fault->member - 1);
	memcpy(at, member, n);
	at[n] = '\0';
}

const char *fault_member(const struct fault *fault, const struct loss_error *err)
{
	const struct fault_entry *entry = fault->others;
	if (is_same(&fault->error, err))
		return fault->member;
	while (entry && !is_same(&entry->error, err))
		entry = entry->next;
	return entry ? entry->member : "";
}

/* ---------------------------------------------------------------- what checks have found */

void fault_note(struct fault *fault, loss_status status, const struct loss_error *err)
{
	if (status == LOSS_OK)
		return;
	for (const struct loss_error *one = err; one; one = one->more) {
		struct loss_error *kept = fault_claim_field(fault, one->status, one->field);
		if (kept)
			*kept = *one;
	}
}

void fault_note_memory(struct fault *fault, const struct loss_arena *arena)
{
	struct loss_error err;
	fault_note(fault, loss_arena_failure(arena, &err), &err);
}

bool fault_is_fatal(const struct fault *fault)
{
	return status_precedes(fault->error.status, STATUS_EMPTY_BODY);
}

loss_status fault_report(const struct fault *fault, struct loss_error *err)
{
	if (!err || fault->error.status == LOSS_OK)
		return fault->error.status;
	*err = fault->error;
	const struct loss_error **more = &err->more;
	for (struct fault_entry *entry = fault->others; entry; entry = entry->next) {
		if (entry->error.status == LOSS_OK)
			continue;
		*more = &entry->error;
		more = &entry->error.more;
	}
	*more = NULL;
	return err->status;
}
