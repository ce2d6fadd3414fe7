#include "key_file.h"

#include "codec/json/json_fault.h"
#include "codec/json/json_members.h"
#include "codec/text/hex.h"
#include "date.h"
#include "os/file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define NO_DOCUMENT "the file must hold one JSON object, {\"keys\": [...]}"

struct reading {
	struct loss_buffer *keys; /* struct key */
	struct key key;           /* that is being read */
	struct json_members document, entry;
	size_t n_scopes; /* of the key, so far */
	struct loss_error *why;
	bool failed;
};

/* ---------------------------------------------------------------- what is wrong */

static size_t count(const struct reading *reading)
{
	return reading->keys->size / sizeof(struct key);
}

/* The one sentence: what comes after it is passed over. False. */
__attribute__((format(printf, 2, 3))) static bool refuse(struct reading *reading,
							 const char *format, ...)
{
	char sentence[384];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(sentence, sizeof sentence, format, arguments);
	va_end(arguments);
	for (char *at = sentence; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			*at = '?';
	loss_fail(reading->why, LOSS_WRONG_TYPE, NULL, "%s", sentence);
	reading->failed = true;
	return false;
}

static bool refuse_value(struct reading *reading, const char *member, const char *bound,
			 const struct json_token *token)
{
	char shown[JSON_SHOWN_SIZE];
	json_fault_show(token, shown);
	return refuse(reading, "keys[%zu].%s must be %s, not %s", count(reading), member, bound,
		      shown);
}

/* ---------------------------------------------------------------- members of a key */

static bool take_name(struct reading *reading, const struct json_token *token)
{
	bool good = token->event == JSON_STRING && !token->cut && key_is_name(token->text);
	if (!good)
		return refuse_value(reading, "name", "1 to 64 bytes without control characters",
				    token);
	memcpy(reading->key.name, token->text, token->size + 1);
	return true;
}

/* What is wrong may be a key, and is not shown. */
static bool take_hash(struct reading *reading, const struct json_token *token)
{
	bool good = token->event == JSON_STRING && token->size == (size_t)2 * KEY_HASH_BYTES &&
		    hex_read(token->text, KEY_HASH_BYTES, reading->key.hash);
	return good || refuse(reading,
			      "keys[%zu].hash must be the SHA-256 of the key, 64 hexadecimal "
			      "digits; what stands there is not shown",
			      count(reading));
}

static bool take_date(struct reading *reading, const struct json_token *token, const char *member,
		      int64_t *seconds)
{
	return (token->event == JSON_STRING && !token->cut && date_read(token->text, seconds)) ||
	       refuse_value(reading, member, "a time like 2027-01-31T12:00:00Z", token);
}

static bool take_created(struct reading *reading, const struct json_token *token)
{
	return take_date(reading, token, "created", &reading->key.created);
}

static bool take_expires(struct reading *reading, const struct json_token *token)
{
	return take_date(reading, token, "expires", &reading->key.expires);
}

static bool take_scope(struct reading *reading, const struct json_token *token)
{
	char member[32];
	enum key_scope scope = token->event == JSON_STRING && !token->cut
				       ? key_scope_find(token->text, token->size)
				       : KEY_N_SCOPES;
	snprintf(member, sizeof member, "scopes[%zu]", reading->n_scopes++);
	if (scope == KEY_N_SCOPES)
		return refuse_value(reading, member, "one of " KEY_SCOPE_LIST, token);
	if (reading->key.scopes >> scope & 1)
		return refuse(reading, "keys[%zu].%s is \"%s\", which stands there twice",
			      count(reading), member, key_scopes[scope]);
	reading->key.scopes |= 1u << scope;
	return true;
}

static bool take_scopes(struct reading *reading, const struct json_token *token)
{
	if (reading->entry.level == 0)
		return token->event == JSON_ARRAY ||
		       refuse_value(reading, "scopes", "a list of " KEY_SCOPE_LIST, token);
	if (token->event != JSON_ARRAY_END)
		return take_scope(reading, token);
	return reading->n_scopes > 0 ||
	       refuse(reading, "keys[%zu].scopes must be a list of " KEY_SCOPE_LIST ", not empty",
		      count(reading));
}

static bool take_rate(struct reading *reading, const struct json_token *token, const char *member,
		      uint64_t most, uint64_t *rate)
{
	const struct number *number = &token->number;
	char bound[64];
	bool good = token->event == JSON_NUMBER && number->is_integer && number->fits &&
		    !number->negative && number->magnitude >= 1 && number->magnitude <= most;
	snprintf(bound, sizeof bound, "a whole number from 1 to %" PRIu64, most);
	if (!good)
		return refuse_value(reading, member, bound, token);
	*rate = number->magnitude;
	return true;
}

static bool take_requests(struct reading *reading, const struct json_token *token)
{
	return take_rate(reading, token, "requests_per_second", KEY_MAX_REQUESTS,
			 &reading->key.requests_per_second);
}

static bool take_bytes(struct reading *reading, const struct json_token *token)
{
	return take_rate(reading, token, "bytes_per_second", KEY_MAX_BYTES,
			 &reading->key.bytes_per_second);
}

/* In the order in which they are written; those that a key must have are the first. */
static const char *const member_names[] = {
	"name", "hash", "scopes", "created", "expires", "requests_per_second", "bytes_per_second"};
static bool (*const take[])(struct reading *, const struct json_token *) = {
	take_name, take_hash, take_scopes, take_created, take_expires, take_requests, take_bytes,
};
#define N_MEMBERS (sizeof member_names / sizeof member_names[0])
#define N_REQUIRED 3
_Static_assert(sizeof take / sizeof take[0] == N_MEMBERS, "a function for each member");

/* ---------------------------------------------------------------- the list */

static bool begin_entry(struct reading *reading)
{
	reading->key = (struct key){.created = KEY_NO_TIME, .expires = KEY_NO_TIME};
	reading->n_scopes = 0;
	json_members_start(&reading->entry, member_names, N_MEMBERS);
	return true;
}

static bool end_entry(struct reading *reading)
{
	size_t missing = json_members_missing(&reading->entry, N_REQUIRED);
	if (missing < N_REQUIRED)
		return refuse(reading, "keys[%zu] has no %s", count(reading),
			      member_names[missing]);
	if (loss_buffer_append(reading->keys, &reading->key, sizeof reading->key))
		return true;
	loss_arena_failure(reading->keys->arena, reading->why);
	reading->failed = true;
	return false;
}

static bool take_entry(struct reading *reading, const struct json_token *token)
{
	char shown[JSON_SHOWN_SIZE];
	switch (json_members_take(&reading->entry, token)) {
	case JSON_MEMBERS_NO_OBJECT:
		json_fault_show(token, shown);
		return refuse(reading, "keys[%zu] must be an object, not %s", count(reading),
			      shown);
	case JSON_MEMBERS_UNKNOWN:
		return refuse(reading,
			      "keys[%zu] has a member \"%.80s\"; there may be name, hash, scopes, "
			      "created, expires, requests_per_second and bytes_per_second",
			      count(reading), token->text);
	case JSON_MEMBERS_TWICE:
		return refuse(reading, "keys[%zu].%s stands there twice", count(reading),
			      token->text);
	case JSON_MEMBERS_VALUE:
		return take[reading->entry.selected](reading, token);
	case JSON_MEMBERS_END:
		return end_entry(reading);
	default:
		return true;
	}
}

static bool take_list(struct reading *reading, const struct json_token *token)
{
	unsigned level = reading->document.level;
	if (level == 0)
		return token->event == JSON_ARRAY ||
		       refuse(reading, "\"keys\" must be a list of objects");
	if (level == 1 && token->event == JSON_ARRAY_END)
		return true;
	if (level == 1)
		begin_entry(reading);
	return take_entry(reading, token);
}

static void on_token(void *context, const struct json_token *token)
{
	struct reading *reading = context;
	/* The scanner goes on to its end: what is no JSON is told first. */
	if (reading->failed)
		return;
	switch (json_members_take(&reading->document, token)) {
	case JSON_MEMBERS_NO_OBJECT:
		refuse(reading, NO_DOCUMENT);
		break;
	case JSON_MEMBERS_UNKNOWN:
		refuse(reading, "the file has a member \"%.80s\"; there may be \"keys\" alone",
		       token->text);
		break;
	case JSON_MEMBERS_TWICE:
		refuse(reading, "\"keys\" stands there twice");
		break;
	case JSON_MEMBERS_VALUE:
		take_list(reading, token);
		break;
	case JSON_MEMBERS_END:
		if (!json_members_has(&reading->document, 0))
			refuse(reading, "\"keys\" is missing; it must be a list of objects");
		break;
	default:
		break;
	}
}

/* ---------------------------------------------------------------- what no two may share */

static int compare_names(const void *a, const void *b)
{
	const struct key *x = *(const struct key *const *)a, *y = *(const struct key *const *)b;
	int order = strcmp(x->name, y->name);
	return order != 0 ? order : (x > y) - (x < y);
}

static int compare_hashes(const void *a, const void *b)
{
	const struct key *x = *(const struct key *const *)a, *y = *(const struct key *const *)b;
	int order = memcmp(x->hash, y->hash, sizeof x->hash);
	return order != 0 ? order : (x > y) - (x < y);
}

static bool check_shared(struct reading *reading, const struct key_list *list,
			 const struct key **sorted)
{
	for (size_t i = 0; i < list->n; i++)
		sorted[i] = &list->keys[i];
	qsort(sorted, list->n, sizeof *sorted, compare_names);
	for (size_t i = 1; i < list->n; i++)
		if (strcmp(sorted[i - 1]->name, sorted[i]->name) == 0)
			return refuse(reading, "keys[%td].name is \"%s\", as that of keys[%td]",
				      sorted[i] - list->keys, sorted[i]->name,
				      sorted[i - 1] - list->keys);
	qsort(sorted, list->n, sizeof *sorted, compare_hashes);
	for (size_t i = 1; i < list->n; i++)
		if (memcmp(sorted[i - 1]->hash, sorted[i]->hash, KEY_HASH_BYTES) == 0)
			return refuse(reading, "keys[%td].hash is that of keys[%td], too",
				      sorted[i] - list->keys, sorted[i - 1] - list->keys);
	return true;
}

/* ---------------------------------------------------------------- the file */

bool key_file_parse(const void *text, size_t n, struct loss_arena *arena, struct key_list *list,
		    struct loss_error *why)
{
	static const char *const names[] = {"keys"};
	struct reading reading = {.keys = loss_buffer_create(arena), .why = why};
	const struct json_scan_owner owner = {.token = on_token, .context = &reading};
	struct loss_error found;
	struct json_scan scan;
	if (!reading.keys)
		return loss_arena_failure(arena, why) == LOSS_OK;
	json_members_start(&reading.document, names, 1);
	json_scan_start(&scan, arena, &owner);
	json_scan_feed(&scan, text, n);
	loss_status status = json_scan_finish(&scan, &found);
	if (status == STATUS_EMPTY_BODY)
		return refuse(&reading, NO_DOCUMENT);
	if (status == STATUS_TRUNCATED_BODY)
		return refuse(&reading, "the file ends before its JSON does");
	if (status != LOSS_OK)
		*why = found;
	if (status != LOSS_OK || reading.failed)
		return false;
	list->keys = (struct key *)(void *)reading.keys->data;
	list->n = count(&reading);
	const struct key **sorted = loss_arena_array(arena, const struct key *, list->n);
	if (!sorted)
		return loss_arena_failure(arena, why) == LOSS_OK;
	return check_shared(&reading, list, sorted);
}

static bool refuse_file(struct loss_error *why, const char *sentence)
{
	loss_fail(why, LOSS_WRONG_TYPE, NULL, "%s", sentence);
	return false;
}

bool key_file_read(const char *path, struct loss_arena *arena, struct key_list *list,
		   struct loss_error *why)
{
	struct stat status;
	struct loss_buffer *text = loss_buffer_create(arena);
	if (!text || !loss_buffer_reserve(text, KEY_FILE_BYTES + 1))
		return loss_arena_failure(arena, why) == LOSS_OK;
	if (stat(path, &status) != 0)
		return refuse_file(why, strerror(errno));
	/* Who opens a pipe waits for its other end. */
	if (!S_ISREG(status.st_mode))
		return refuse_file(why, "is no regular file");
	ssize_t n = file_read(path, (char *)text->data, KEY_FILE_BYTES + 1);
	if (n < 0)
		return refuse_file(why, errno == EFBIG ? "is larger than 16MiB" : strerror(errno));
	return key_file_parse(text->data, (size_t)n, arena, list, why);
}

bool key_file_is_exposed(const char *path)
{
	struct stat status;
	return stat(path, &status) == 0 && (status.st_mode & (S_IROTH | S_IWOTH));
}
