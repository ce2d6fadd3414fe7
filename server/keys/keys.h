/*
 * Who gets in: the keys in force, found by their hash in a table, and what each has left of its
 * rates. A request is judged once, at its head, and keeps nothing of the table: keys can be
 * replaced at any time without a request in flight that notices. Any thread; a lock guards the
 * table, for as long as one look takes, or one for each key when they are replaced.
 */
#ifndef LOSSD_KEYS_H
#define LOSSD_KEYS_H

#include "key.h"
#include "loss.h"

struct keys;

/* With none: nobody gets in. NULL: no memory. The arena outlives it. */
struct keys *keys_create(struct loss_arena *arena);
void keys_destroy(struct keys *keys); /* NULL is fine */

/* Those of a list are in force instead, each with what the one of the same hash had left. False: no
 * memory, and nothing has changed. */
bool keys_replace(struct keys *keys, const struct key_list *list);
/* The same of a file (key_file.h): the log has how many there are, and a warning where everybody
 * may read it. False: why->detail says what is wrong, and nothing has changed. */
bool keys_load(struct keys *keys, const char *path, struct loss_error *why);

enum keys_verdict {
	KEYS_ADMITTED,
	KEYS_UNKNOWN,
	KEYS_EXPIRED,
	KEYS_NO_SCOPE,
	KEYS_TOO_MANY_REQUESTS, /* for now */
	KEYS_TOO_MANY_BYTES,    /* likewise */
};

/* What a request comes with. */
struct keys_visit {
	const char *key; /* n bytes */
	size_t n;
	enum key_scope scope; /* that its path needs; not KEY_OPEN */
	bool has_body;
	uint64_t bytes;  /* of its body, as declared; 0: not known */
	uint64_t now_ns; /* clock_ns */
	int64_t now;     /* seconds since 1970 */
};

/* What is known of the key that it came with. */
struct keys_guest {
	char name[KEY_NAME_MAX + 1]; /* "": none of that hash is known */
	unsigned char hash[KEY_HASH_BYTES];
	bool metered;     /* it was admitted, and has a rate of bytes */
	int64_t expired;  /* when, of KEYS_EXPIRED */
	uint64_t rate;    /* that it is over, a second */
	uint64_t wait_ns; /* until it may come again; 0: it may */
};

/*
 * Who is admitted has taken a request from its rate, and the bytes of its body. A body is let in as
 * long as there is any byte left, however large it is: what it takes too much keeps the next one
 * waiting. Who is not admitted has taken nothing.
 */
enum keys_verdict keys_judge(struct keys *keys, const struct keys_visit *visit,
			     struct keys_guest *guest);
/* Bytes of a body whose length was not known have come. */
void keys_spend(struct keys *keys, const struct keys_guest *guest, uint64_t bytes, uint64_t now_ns);

#endif
