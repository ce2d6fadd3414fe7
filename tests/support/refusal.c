#include "refusal.h"
#include "status/status.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <string.h>

static bool met[STATUS_END];

/* The bodies' group is the one of all that are not named here. */
static const struct {
	loss_status status;
	enum refusal_group group;
} groups[] = {
	{LOSS_TOO_MUCH_MEMORY_IN_FLIGHT, REFUSAL_HEADS},
	{STATUS_QUEUE_FULL, REFUSAL_QUEUE},
	{STATUS_FORBIDDEN, REFUSAL_ORIGINS},
	{STATUS_UNKNOWN_PATH, REFUSAL_HEADS},
	{STATUS_UNKNOWN_LOSS, REFUSAL_HEADS},
	{STATUS_METHOD_NOT_ALLOWED, REFUSAL_HEADS},
	{STATUS_UNAUTHORIZED, REFUSAL_KEYS},
	{STATUS_RATE_LIMITED, REFUSAL_KEYS},
	{STATUS_INVALID_HEADER, REFUSAL_HEADS},
	{STATUS_LENGTH_REQUIRED, REFUSAL_FRAMING},
	{STATUS_EXPECTATION_FAILED, REFUSAL_FRAMING},
	{STATUS_UNSUPPORTED_MEDIA_TYPE, REFUSAL_HEADS},
	{STATUS_UNSUPPORTED_ENCODING, REFUSAL_HEADS},
	{STATUS_NOT_ACCEPTABLE, REFUSAL_HEADS},
	{STATUS_BODY_TOO_LARGE, REFUSAL_HEADS},
	{LOSS_TOO_LARGE_FOR_BUDGET, REFUSAL_HEADS},
	{STATUS_INVALID_QUERY, REFUSAL_HEADS},
	{STATUS_INVALID_ENCODING, REFUSAL_CODINGS},
	{STATUS_INVALID_SAFETENSORS, REFUSAL_SAFETENSORS},
};

static int complain(const char *what, const char *problem, const struct reply *reply)
{
	print_error("%s: %s; status %d: %.500s\n", what, problem, reply->status, reply->body);
	return 1;
}

static bool has_string(const cJSON *json, const char *name, const char *wanted)
{
	const cJSON *member = json_find(json, name);
	return cJSON_IsString(member) && strcmp(member->valuestring, wanted) == 0;
}

static int check_document(const char *what, const struct refusal *wanted, const struct reply *reply,
			  const cJSON *json)
{
	const struct loss_status_words *info = status_words(wanted->status);
	const cJSON *pointer = json_find(json, "pointer");
	const cJSON *detail = json_find(json, "detail");
	char type[128], id[256] = "";
	int bad = 0;
	snprintf(type, sizeof(type), "/problems/%s", info->code);
	reply_header(reply, "X-Request-Id", id, sizeof(id));
	if (!has_string(json, "code", info->code))
		bad += complain(what, info->code, reply);
	if (!has_string(json, "type", type) || !has_string(json, "title", info->title))
		bad += complain(what, "type or title", reply);
	if (json_number(json_member(json, "status")) != status_http(wanted->status))
		bad += complain(what, "the status inside is another", reply);
	if (id[0] == '\0' || !has_string(json, "request_id", id))
		bad += complain(what, "request_id is not the header's", reply);
	if (!cJSON_IsString(detail) || strlen(detail->valuestring) < 15)
		bad += complain(what, "no sentence", reply);
	else if (strstr(detail->valuestring, wanted->words) == NULL)
		bad += complain(what, wanted->words, reply);
	if (wanted->pointer == NULL ? pointer != NULL
				    : !has_string(json, "pointer", wanted->pointer))
		bad += complain(what, wanted->pointer != NULL ? wanted->pointer : "pointer", reply);
	return bad;
}

/* Frees the reply. The number of things that were wrong with it. */
int refusal_check(const char *what, const struct refusal *wanted, struct reply *reply)
{
	char type[128] = "";
	int bad = 0;
	if (reply->status != status_http(wanted->status))
		bad += complain(what, status_words(wanted->status)->code, reply);
	reply_header(reply, "Content-Type", type, sizeof(type));
	if (strcmp(type, "application/problem+json") != 0) {
		bad += complain(what, "not a problem document", reply);
	} else {
		cJSON *json = reply_json(reply);
		bad += check_document(what, wanted, reply, json);
		cJSON_Delete(json);
	}
	met[wanted->status] = true;
	reply_free(reply);
	return bad;
}

static enum refusal_group group_of(loss_status status)
{
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (groups[i].status == status)
			return groups[i].group;
	return REFUSAL_BODIES;
}

void refusal_assert_all_met(enum refusal_group group)
{
	int missing = 0;
	for (size_t i = 0; i < STATUS_COUNT; i++) {
		loss_status status = status_at(i);
		bool refusal = status_http(status) >= 400 && status_http(status) < 500;
		if (!refusal || met[status] || group_of(status) != group)
			continue;
		print_error("no test meets %s\n", status_words(status)->code);
		missing++;
	}
	assert_int_equal(missing, 0);
}
