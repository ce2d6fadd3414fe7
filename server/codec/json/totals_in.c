#include "totals_in.h"

#include <stdio.h>
#include <string.h>

#include "json_fault.h"

/* What an object or array is to its reader. */
enum role {
	ROLE_TEXT,    /* the whole: no object */
	ROLE_TOP,     /* the object that is the whole */
	ROLE_ENTRIES, /* the list of totals or replies */
	ROLE_ENTRY,   /* an object of it */
	ROLE_TOTALS,  /* the totals of a reply */
	ROLE_OTHER,   /* is not looked at, nor what is in it */
};

/* Members that count, of an object that is open. */
enum member { MEMBER_OTHER, MEMBER_STATE, MEMBER_TOTALS };

struct level {
	enum role role;
	enum member next; /* whose value comes */
	bool state, totals;
};

struct totals_in {
	struct loss_arena *arena;
	struct loss_merger *merger;
	struct json_scan scan;
	struct level levels[JSON_MAX_DEPTH + 1];
	unsigned depth;
	size_t entry;    /* of the list, the one that is open or comes */
	bool is_list;    /* the whole is an array */
	bool found_list; /* the whole is an object with one */
	char other[60];  /* the first member of the whole that does not count */
	struct json_text_reader reader;
	struct loss_buffer *state;
	struct fault fault; /* none of syntax */
	char place[64];     /* where: a JSON Pointer */
};

/* ---------------------------------------------------------------- what is wrong */

static struct level *level_of(struct totals_in *in)
{
	return &in->levels[in->depth];
}

/* Where an error of what is open is to be written, as fault_claim. */
static struct loss_error *refuse(struct totals_in *in, loss_status status)
{
	struct loss_error *err = fault_claim(&in->fault, status);
	const struct level *level = level_of(in);
	char entry[32] = "";
	if (!err)
		return NULL;
	if (level->role == ROLE_TOP && level->next == MEMBER_TOTALS)
		snprintf(entry, sizeof entry, "/totals");
	else if (level->role != ROLE_TOP && (in->is_list || in->found_list))
		snprintf(entry, sizeof entry, "%s/%zu", in->found_list ? "/totals" : "", in->entry);
	snprintf(in->place, sizeof in->place, "%s%s%s", entry,
		 level->role == ROLE_TOTALS ? "/totals" : "",
		 level->next == MEMBER_STATE ? "/state" : "");
	return err;
}

/* What messages call what is open. */
static void name_place(const struct totals_in *in, char out[JSON_LABEL_SIZE])
{
	bool listed = in->is_list || in->found_list;
	if (listed)
		json_fault_label(out, "totals", in->entry);
	else
		snprintf(out, JSON_LABEL_SIZE, "totals");
}

static void blame_value(struct totals_in *in, const char *what, const char *must,
			const struct json_token *token)
{
	struct loss_error *err = refuse(in, LOSS_WRONG_TYPE);
	char label[JSON_LABEL_SIZE], shown[JSON_SHOWN_SIZE];
	if (!err)
		return;
	name_place(in, label);
	json_fault_show(token, shown);
	loss_fail(err, LOSS_WRONG_TYPE, "totals", "%s%s must be %s, not %s", label, what, must,
		  shown);
}

/* ---------------------------------------------------------------- a state */

/* It is kept whole: nothing of it is taken as it stands. */
static size_t take_none(void *context, const char *bytes, size_t n)
{
	(void)context;
	(void)bytes;
	(void)n;
	return 0;
}

static void keep(void *context, const char *bytes, size_t n)
{
	struct totals_in *in = context;
	if (in->state && !loss_buffer_append(in->state, bytes, n))
		fault_note_memory(&in->fault, in->arena);
}

static void add_state(struct totals_in *in)
{
	struct loss_error err;
	loss_status status =
		loss_merger_add(in->merger, (const char *)in->state->data, in->state->size, &err);
	in->state->size = 0;
	if (status != LOSS_OK && refuse(in, status))
		fault_note(&in->fault, status, &err);
}

/* ---------------------------------------------------------------- values */

/* What an object or array is that begins now. */
static enum role role_of(struct totals_in *in, const struct json_token *token)
{
	const struct level *level = level_of(in);
	bool object = token->event == JSON_OBJECT;
	switch (level->role) {
	case ROLE_TEXT:
		return object ? ROLE_TOP : ROLE_ENTRIES;
	case ROLE_ENTRIES:
		return object ? ROLE_ENTRY : ROLE_OTHER;
	case ROLE_TOP:
		if (level->next == MEMBER_TOTALS)
			return object ? ROLE_TOTALS : ROLE_ENTRIES;
		return ROLE_OTHER;
	case ROLE_ENTRY:
		return level->next == MEMBER_TOTALS && object ? ROLE_TOTALS : ROLE_OTHER;
	default:
		return ROLE_OTHER;
	}
}

static bool opens(const struct json_token *token)
{
	return token->event == JSON_OBJECT || token->event == JSON_ARRAY;
}

/* Whether a value can stand where it does. */
static void check_value(struct totals_in *in, const struct json_token *token)
{
	const struct level *level = level_of(in);
	bool object = token->event == JSON_OBJECT, array = token->event == JSON_ARRAY;
	if (level->role == ROLE_TEXT && !object && !array)
		blame_value(in, "", "in an object or an array", token);
	else if (level->role == ROLE_ENTRIES && !object)
		blame_value(in, "", "an object", token);
	else if (level->next == MEMBER_TOTALS && !object && !(array && level->role == ROLE_TOP))
		blame_value(in, level->role == ROLE_TOP ? "" : ".totals",
			    level->role == ROLE_TOP ? "an array of totals, or an object"
						    : "an object",
			    token);
	else if (level->next == MEMBER_STATE && token->event != JSON_STRING)
		blame_value(in, ".state", "a string", token);
}

static void open(struct totals_in *in, const struct json_token *token)
{
	enum role role = role_of(in, token);
	if (role == ROLE_ENTRIES) {
		in->is_list = level_of(in)->role == ROLE_TEXT;
		in->found_list = !in->is_list;
		in->entry = 0;
	}
	in->depth++;
	*level_of(in) = (struct level){.role = role};
}

/* An entry, or the whole, is to have had a state. */
static void check_state(struct totals_in *in, const struct level *level)
{
	struct loss_error *err;
	char label[JSON_LABEL_SIZE];
	bool needs = level->role == ROLE_ENTRY || level->role == ROLE_TOTALS ||
		     (level->role == ROLE_TOP && !level->totals);
	if (!needs || level->state || (level->role == ROLE_ENTRY && level->totals) ||
	    !(err = refuse(in, LOSS_MISSING_FIELD)))
		return;
	name_place(in, label);
	if (level->role == ROLE_TOP)
		snprintf(in->place, sizeof in->place, "/totals");
	if (level->role == ROLE_TOP)
		loss_fail(err, LOSS_MISSING_FIELD, "totals",
			  "merging needs \"totals\", an array of what evaluations with "
			  "totals=\"exact\" gave as totals");
	else
		loss_fail(err, LOSS_MISSING_FIELD, "totals",
			  "%s has no \"state\"; evaluations give one with totals=\"exact\"", label);
}

static void check_others(struct totals_in *in)
{
	struct loss_error *err;
	if (!in->found_list || !in->other[0] || !(err = refuse(in, LOSS_UNKNOWN_FIELD)))
		return;
	snprintf(in->place, sizeof in->place, "/%s", in->other);
	loss_fail(err, LOSS_UNKNOWN_FIELD, in->other,
		  "there is no member \"%s\" here; there may be \"totals\"", in->other);
}

static void close(struct totals_in *in)
{
	const struct level level = *level_of(in);
	check_state(in, &level);
	if (level.role == ROLE_TOP)
		check_others(in);
	in->depth--;
	in->entry += level.role == ROLE_ENTRY;
}

static void take_key(struct totals_in *in, const struct json_token *token)
{
	struct level *level = level_of(in);
	bool entry = level->role == ROLE_TOP || level->role == ROLE_ENTRY;
	bool state = (entry || level->role == ROLE_TOTALS) && !token->cut &&
		     strcmp(token->text, "state") == 0;
	bool totals = entry && !token->cut && strcmp(token->text, "totals") == 0;
	bool again = (state && level->state) || (totals && level->totals);
	struct loss_error *err;
	level->next = state ? MEMBER_STATE : totals ? MEMBER_TOTALS : MEMBER_OTHER;
	level->state |= state;
	level->totals |= totals;
	if (level->role == ROLE_TOP && !totals && !in->other[0])
		json_fault_copy(in->other, sizeof in->other, token->text, token->size);
	if (again && (err = refuse(in, LOSS_DUPLICATE_FIELD)))
		loss_fail(err, LOSS_DUPLICATE_FIELD, state ? "state" : "totals",
			  "\"%s\" stands there twice", state ? "state" : "totals");
	in->scan.reader = state && in->state ? &in->reader : NULL;
}

static void on_token(void *context, const struct json_token *token)
{
	struct totals_in *in = context;
	if (token->event == JSON_KEY) {
		take_key(in, token);
		return;
	}
	if (token->event == JSON_OBJECT_END || token->event == JSON_ARRAY_END) {
		close(in);
		return;
	}
	check_value(in, token);
	if (opens(token))
		open(in, token);
	else if (level_of(in)->next == MEMBER_STATE && token->event == JSON_STRING && in->state)
		add_state(in);
	else if (level_of(in)->role == ROLE_ENTRIES)
		in->entry++;
	in->scan.reader = NULL;
}

/* ---------------------------------------------------------------- texts */

static void begin(struct totals_in *in)
{
	const struct json_scan_owner owner = {.token = on_token, .context = in};
	json_scan_start(&in->scan, in->arena, &owner);
	in->depth = 0;
	in->levels[0] = (struct level){.role = ROLE_TEXT};
	in->entry = 0;
	in->is_list = in->found_list = false;
	in->other[0] = '\0';
	in->fault = (struct fault){.error = {.status = LOSS_OK}};
}

struct totals_in *totals_in_create(struct loss_arena *arena, uint64_t max_elements)
{
	struct totals_in *in = loss_arena_array(arena, struct totals_in, 1);
	if (!in)
		return NULL;
	in->arena = arena;
	in->merger = loss_merger_create(arena);
	in->state = loss_buffer_create(arena);
	in->reader = (struct json_text_reader){take_none, keep, in};
	in->place[0] = '\0';
	begin(in);
	if (in->merger)
		loss_merger_set_max_elements(in->merger, max_elements);
	return in->merger && in->state ? in : NULL;
}

void totals_in_feed(struct totals_in *in, const unsigned char *bytes, size_t n)
{
	json_scan_feed(&in->scan, (const char *)bytes, n);
}

loss_status totals_in_end(struct totals_in *in, struct loss_error *err)
{
	loss_status status = json_scan_finish(&in->scan, err);
	if (status != LOSS_OK)
		in->place[0] = '\0';
	else
		status = fault_report(&in->fault, err);
	begin(in);
	return status;
}

const char *totals_in_pointer(const struct totals_in *in)
{
	return in->place;
}

loss_status totals_in_finish(struct totals_in *in, struct loss_result *result,
			     struct loss_error *err)
{
	loss_status status = loss_merger_finish(in->merger, result, err);
	if (status != LOSS_OK)
		snprintf(in->place, sizeof in->place, "/totals");
	return status;
}
