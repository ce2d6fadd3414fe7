#include "json_members.h"

#include <assert.h>
#include <string.h>

void json_members_start(struct json_members *members, const char *const *names, size_t n)
{
	assert(n <= JSON_MEMBERS_MAX);
	*members = (struct json_members){.names = names, .n = n, .selected = n, .named = n};
}

static enum json_members_event read_name(struct json_members *members, const char *name)
{
	size_t i = 0;
	while (members->names && i < members->n &&
	       (members->names[i][0] != name[0] || strcmp(members->names[i], name) != 0))
		i++;
	members->named = i;
	members->selected = members->n;
	if (i == members->n)
		return JSON_MEMBERS_UNKNOWN;
	if (members->names && (members->seen >> i & 1))
		return JSON_MEMBERS_TWICE;
	members->seen |= UINT64_C(1) << i;
	members->selected = i;
	return JSON_MEMBERS_NAME;
}

static enum json_members_event read_value(struct json_members *members, enum json_event event)
{
	if (members->selected == members->n)
		return JSON_MEMBERS_NOTHING;
	if (members->depth == 1 && event == JSON_NULL)
		return JSON_MEMBERS_NULL;
	members->given |= UINT64_C(1) << members->selected;
	return JSON_MEMBERS_VALUE;
}

/* A key or a closing brace at depth 1 is the object's own; another value has neither there. */
static enum json_members_event classify(struct json_members *members,
					const struct json_token *token)
{
	if (members->depth == 0)
		return token->event == JSON_OBJECT ? JSON_MEMBERS_NOTHING : JSON_MEMBERS_NO_OBJECT;
	if (members->depth > 1)
		return read_value(members, token->event);
	if (token->event == JSON_KEY)
		return read_name(members, token->text);
	if (token->event != JSON_OBJECT_END)
		return read_value(members, token->event);
	json_members_pass(members);
	return JSON_MEMBERS_END;
}

enum json_members_event json_members_take(struct json_members *members,
					  const struct json_token *token)
{
	enum json_members_event event = classify(members, token);
	members->level = members->depth > 0 ? members->depth - 1 : 0;
	members->objects += members->depth > 0 && token->event == JSON_OBJECT;
	members->objects -= members->depth > 1 && token->event == JSON_OBJECT_END;
	members->depth += token->event == JSON_OBJECT || token->event == JSON_ARRAY;
	members->depth -= token->event == JSON_OBJECT_END || token->event == JSON_ARRAY_END;
	return event;
}

size_t json_members_missing(const struct json_members *members, size_t n)
{
	size_t i = 0;
	while (i < n && json_members_has(members, i))
		i++;
	return i;
}
