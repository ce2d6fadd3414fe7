/*
 * A client's key, as the server keeps it: all that is known of it but the key itself, of which
 * there is only the hash. Pure functions.
 */
#ifndef LOSSD_KEY_H
#define LOSSD_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a key may be for. */
enum key_scope {
	KEY_EVALUATE, /* whatever is not one of the others */
	KEY_METRICS,
	KEY_ADMIN, /* what changes something for others */
	KEY_N_SCOPES,
	KEY_OPEN = KEY_N_SCOPES, /* of a path: it needs no key */
};
extern const char *const key_scopes[KEY_N_SCOPES];
#define KEY_SCOPE_LIST "evaluate, metrics and admin" /* in messages */

/* "lossd_" and 32 random bytes in base64url, terminated. */
#define KEY_TEXT_SIZE (6 + 43 + 1)
#define KEY_NAME_MAX 64
#define KEY_HASH_BYTES 32
#define KEY_NO_TIME INT64_MAX
#define KEY_MAX_REQUESTS 1000000          /* a second */
#define KEY_MAX_BYTES ((uint64_t)1 << 40) /* likewise */

struct key {
	char name[KEY_NAME_MAX + 1];
	unsigned char hash[KEY_HASH_BYTES];
	unsigned scopes;                                /* bits: 1 << enum key_scope */
	int64_t created, expires;                       /* seconds since 1970; KEY_NO_TIME */
	uint64_t requests_per_second, bytes_per_second; /* 0: no limit */
};

struct key_list {
	struct key *keys;
	size_t n;
};

/* KEY_N_SCOPES where n bytes are no scope. */
enum key_scope key_scope_find(const char *text, size_t n);
/* 1 to KEY_NAME_MAX bytes of UTF-8 without control characters: utf8_is_control. */
bool key_is_name(const char *text);
/* SHA-256 of the n bytes of a key. False: it can not be had, and nobody gets in. */
bool key_hash(const char *key, size_t n, unsigned char hash[KEY_HASH_BYTES]);
/* A new one, by the system's generator. False when that fails. */
bool key_make(char text[KEY_TEXT_SIZE]);

#endif
