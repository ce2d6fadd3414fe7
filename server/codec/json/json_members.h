/*
 * The members of a JSON object, whatever they mean: which of a table of names it is that a value
 * belongs to, which came before, which are missing. Takes all tokens of a value that must be an
 * object, the braces included, and says of each what it is to the owner, who has the sentences.
 */
#ifndef LOSSD_CODEC_JSON_MEMBERS_H
#define LOSSD_CODEC_JSON_MEMBERS_H

#include "json_scan.h"

/* Names in a table: bits below. */
#define JSON_MEMBERS_MAX 64

enum json_members_event {
	JSON_MEMBERS_NOTHING,   /* the opening brace, or what is passed over */
	JSON_MEMBERS_NO_OBJECT, /* the value is another: all of it is passed over after this */
	JSON_MEMBERS_NAME,      /* of the table, for the first time */
	JSON_MEMBERS_TWICE,     /* a name again, whose value is passed over */
	JSON_MEMBERS_UNKNOWN,   /* a name that is not in the table, likewise */
	JSON_MEMBERS_NULL,      /* in place of the selected member's value */
	JSON_MEMBERS_VALUE,     /* of the selected member: a token of it, at `level` */
	JSON_MEMBERS_END,       /* the closing brace */
};

struct json_members {
	const char *const *names; /* NULL: any name is member 0, as often as it comes */
	size_t n;
	size_t selected;  /* whose value comes; n: nobody's */
	size_t named;     /* the same, and also of a name that came twice */
	uint64_t seen;    /* bits: named */
	uint64_t given;   /* bits: with a value other than null */
	unsigned depth;   /* open arrays and objects, its own brace included */
	unsigned objects; /* of those, objects inside the member's value */
	/* Of the token just taken: how many arrays and objects of the member's value it stands in;
	 * a closing bracket stands in what it closes. 0: the token is the value, or opens it. */
	unsigned level;
};

/* The table stays where it is. */
void json_members_start(struct json_members *members, const char *const *names, size_t n);
enum json_members_event json_members_take(struct json_members *members,
					  const struct json_token *token);
/* The first of the first n names that was not given a value; n: all were. */
size_t json_members_missing(const struct json_members *members, size_t n);

/* Passes over the rest of the selected member's value. */
static inline void json_members_pass(struct json_members *members)
{
	members->selected = members->n;
}

static inline bool json_members_has(const struct json_members *members, size_t i)
{
	return members->given >> i & 1;
}

#endif
