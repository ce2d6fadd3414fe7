#include "keys.h"

#include "key_file.h"
#include "log/log.h"
#include "rate.h"

#include <gnutls/gnutls.h>
#include <pthread.h>
#include <string.h>

/* A key and its buckets: rate.h. */
struct entry {
	struct key key;
	uint64_t requests_full_ns, bytes_full_ns;
};

struct table {
	struct loss_arena *arena; /* that it lies in itself */
	struct entry *entries;
	size_t n;
	/* Where they are: an entry's index and 1, or 0, at its hash's first bytes or, where that is
	 * taken, next to it. A power of 2, twice as many as entries at least. */
	uint32_t *slots;
	size_t n_slots;
};

struct keys {
	pthread_mutex_t lock; /* guards the table and what is in it */
	struct table *table;
};

/* ---------------------------------------------------------------- the table */

static size_t slot_of(const struct table *table, const unsigned char *hash)
{
	uint64_t first;
	memcpy(&first, hash, sizeof first);
	return (size_t)first & (table->n_slots - 1);
}

/* NULL: none has it. Who wants in does not learn from the time how much of a hash was right. */
static struct entry *find(const struct table *table, const unsigned char *hash)
{
	size_t at = slot_of(table, hash);
	for (; table->slots[at]; at = (at + 1) & (table->n_slots - 1)) {
		struct entry *entry = &table->entries[table->slots[at] - 1];
		if (gnutls_memcmp(entry->key.hash, hash, KEY_HASH_BYTES) == 0)
			return entry;
	}
	return NULL;
}

static void place(struct table *table, size_t i)
{
	size_t at = slot_of(table, table->entries[i].key.hash);
	while (table->slots[at])
		at = (at + 1) & (table->n_slots - 1);
	table->slots[at] = (uint32_t)i + 1;
}

static bool fill(struct table *table, const struct key_list *list)
{
	table->n = list->n;
	for (table->n_slots = 2; table->n_slots < 2 * list->n;)
		table->n_slots *= 2;
	table->entries = loss_arena_array(table->arena, struct entry, table->n);
	table->slots = loss_arena_array(table->arena, uint32_t, table->n_slots);
	if (!table->entries || !table->slots)
		return false;
	memset(table->slots, 0, table->n_slots * sizeof *table->slots);
	for (size_t i = 0; i < table->n; i++) {
		table->entries[i] = (struct entry){.key = list->keys[i]};
		place(table, i);
	}
	return true;
}

static void free_table(struct table *table)
{
	if (table)
		loss_arena_destroy(table->arena);
}

static struct table *make_table(const struct key_list *list)
{
	struct loss_arena *arena = loss_arena_create(NULL);
	struct table *table = arena ? loss_arena_array(arena, struct table, 1) : NULL;
	if (table) {
		*table = (struct table){.arena = arena};
		if (fill(table, list))
			return table;
	}
	loss_arena_destroy(arena);
	return NULL;
}

/* ---------------------------------------------------------------- its life */

struct keys *keys_create(struct loss_arena *arena)
{
	struct keys *keys = loss_arena_array(arena, struct keys, 1);
	struct table *table = keys ? make_table(&(struct key_list){NULL, 0}) : NULL;
	if (!table)
		return NULL;
	keys->table = table;
	if (pthread_mutex_init(&keys->lock, NULL) == 0)
		return keys;
	free_table(table);
	return NULL;
}

void keys_destroy(struct keys *keys)
{
	if (!keys)
		return;
	free_table(keys->table);
	pthread_mutex_destroy(&keys->lock);
}

/* What the keys that stay have taken stays taken. */
static void carry_over(struct table *to, const struct table *from)
{
	for (size_t i = 0; i < to->n; i++) {
		struct entry *entry = &to->entries[i];
		const struct entry *before = find(from, entry->key.hash);
		if (!before)
			continue;
		entry->requests_full_ns = before->requests_full_ns;
		entry->bytes_full_ns = before->bytes_full_ns;
	}
}

bool keys_replace(struct keys *keys, const struct key_list *list)
{
	struct table *table = make_table(list);
	if (!table)
		return false;
	pthread_mutex_lock(&keys->lock);
	struct table *before = keys->table;
	carry_over(table, before);
	keys->table = table;
	pthread_mutex_unlock(&keys->lock);
	free_table(before);
	return true;
}

static void note_loaded(const char *path, size_t n)
{
	const struct log_field fields[] = {{"file", path, 0}, {"keys", NULL, (double)n}};
	log_event(LOG_INFO, "keys", fields, 2);
	if (key_file_is_exposed(path))
		log_event(LOG_WARNING, "others may read the file of keys, or write it (chmod 640)",
			  fields, 1);
}

bool keys_load(struct keys *keys, const char *path, struct loss_error *why)
{
	struct loss_arena *arena = loss_arena_create(NULL);
	struct key_list list;
	bool good = arena && key_file_read(path, arena, &list, why);
	if (!arena)
		loss_fail(why, LOSS_OUT_OF_MEMORY, NULL, "there is no memory to read it");
	if (good && !keys_replace(keys, &list)) {
		loss_fail(why, LOSS_OUT_OF_MEMORY, NULL, "there is no memory for its keys");
		good = false;
	}
	if (good)
		note_loaded(path, list.n);
	loss_arena_destroy(arena);
	return good;
}

/* ---------------------------------------------------------------- a visit */

static void note(const struct entry *entry, struct keys_guest *guest)
{
	memcpy(guest->name, entry->key.name, sizeof guest->name);
	guest->expired = entry->key.expires;
}

/* Whether it must wait until there is one more of what a rate gives. */
static bool waits(struct keys_guest *guest, uint64_t rate, uint64_t full_ns, uint64_t now_ns)
{
	guest->rate = rate;
	guest->wait_ns = rate ? rate_wait(full_ns, rate_cost(1, rate), now_ns) : 0;
	return guest->wait_ns > 0;
}

static void take(struct entry *entry, const struct keys_visit *visit, struct keys_guest *guest)
{
	const struct key *key = &entry->key;
	guest->metered = key->bytes_per_second > 0;
	if (key->requests_per_second)
		rate_take(&entry->requests_full_ns, rate_cost(1, key->requests_per_second),
			  visit->now_ns);
	if (key->bytes_per_second)
		rate_take(&entry->bytes_full_ns, rate_cost(visit->bytes, key->bytes_per_second),
			  visit->now_ns);
}

static enum keys_verdict judge(struct entry *entry, const struct keys_visit *visit,
			       struct keys_guest *guest)
{
	const struct key *key = &entry->key;
	if (visit->now >= key->expires)
		return KEYS_EXPIRED;
	if (!(key->scopes >> visit->scope & 1))
		return KEYS_NO_SCOPE;
	if (waits(guest, key->requests_per_second, entry->requests_full_ns, visit->now_ns))
		return KEYS_TOO_MANY_REQUESTS;
	if (visit->has_body &&
	    waits(guest, key->bytes_per_second, entry->bytes_full_ns, visit->now_ns))
		return KEYS_TOO_MANY_BYTES;
	take(entry, visit, guest);
	return KEYS_ADMITTED;
}

enum keys_verdict keys_judge(struct keys *keys, const struct keys_visit *visit,
			     struct keys_guest *guest)
{
	enum keys_verdict verdict = KEYS_UNKNOWN;
	*guest = (struct keys_guest){.wait_ns = 0};
	if (!key_hash(visit->key, visit->n, guest->hash))
		return KEYS_UNKNOWN;
	pthread_mutex_lock(&keys->lock);
	struct entry *entry = find(keys->table, guest->hash);
	if (entry) {
		note(entry, guest);
		verdict = judge(entry, visit, guest);
	}
	pthread_mutex_unlock(&keys->lock);
	return verdict;
}

void keys_spend(struct keys *keys, const struct keys_guest *guest, uint64_t bytes, uint64_t now_ns)
{
	if (!guest->metered)
		return;
	pthread_mutex_lock(&keys->lock);
	struct entry *entry = find(keys->table, guest->hash);
	if (entry && entry->key.bytes_per_second)
		rate_take(&entry->bytes_full_ns, rate_cost(bytes, entry->key.bytes_per_second),
			  now_ns);
	pthread_mutex_unlock(&keys->lock);
}
