#include "key.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "key_options.h"
#include "keys/date.h"
#include "keys/key_file.h"
#include "os/replace.h"

/* Others that change the file take milliseconds. */
#define PATIENCE_MS 10000

/* The file, between its reading and its writing. */
struct store {
	const struct key_options *options;
	struct loss_arena *arena;
	struct key_list list;
	struct replace replace;
};

static bool complain_file(const struct store *store, const char *why)
{
	return key_complain("file %s: %s", store->options->file, why);
}

/* A file that is not there has no keys. */
static bool read_list(struct store *store)
{
	struct loss_error why;
	if (!store->replace.exists && store->options->action == KEY_ACTION_NEW)
		return true;
	return key_file_read(store->options->file, store->arena, &store->list, &why) ||
	       complain_file(store, why.detail);
}

static bool write_list(struct store *store)
{
	struct loss_buffer *text = loss_buffer_create(store->arena);
	if (!text || !key_file_write(&store->list, text))
		return complain_file(store, strerror(ENOMEM));
	if (text->size > KEY_FILE_BYTES)
		return complain_file(store, "would be larger than 16MiB");
	return replace_write(&store->replace, text->data, text->size) ||
	       complain_file(store, strerror(errno));
}

static struct key *find(const struct store *store, const char *name)
{
	for (size_t i = 0; i < store->list.n; i++)
		if (strcmp(store->list.keys[i].name, name) == 0)
			return &store->list.keys[i];
	return NULL;
}

/* ---------------------------------------------------------------- new */

static bool append(struct store *store, const struct key *key)
{
	size_t n = store->list.n;
	struct key *keys = loss_arena_array(store->arena, struct key, n + 1);
	if (!keys)
		return complain_file(store, strerror(ENOMEM));
	if (n > 0)
		memcpy(keys, store->list.keys, n * sizeof *keys);
	keys[n] = *key;
	store->list = (struct key_list){keys, n + 1};
	return true;
}

/* At once, so that nothing of it is kept for later. False: errno says why. */
static bool tell(const char *text)
{
	return dprintf(STDOUT_FILENO, "%s\n", text) >= 0;
}

/* Nobody has the key that was just appended. */
static bool take_back(struct store *store)
{
	const char *why = strerror(errno), *name = store->options->key.name;
	store->list.n--;
	bool gone = write_list(store);
	return key_complain(gone ? "standard output: %s; no key is made"
				 : "standard output: %s; remove the key \"%s\", which nobody has",
			    why, name);
}

static bool run_new(struct store *store)
{
	struct key key = store->options->key;
	char text[KEY_TEXT_SIZE];
	if (find(store, key.name))
		return key_complain("file %s: there is a key \"%s\" already", store->options->file,
				    key.name);
	if (!key_make(text) || !key_hash(text, strlen(text), key.hash))
		return key_complain("the system has no random numbers, or no SHA-256");
	if (!append(store, &key) || !write_list(store))
		return false;
	return tell(text) || take_back(store);
}

/* ---------------------------------------------------------------- remove */

static bool run_remove(struct store *store)
{
	const char *name = store->options->key.name;
	struct key *key = find(store, name);
	if (!key)
		return key_complain("file %s: there is no key \"%s\"", store->options->file, name);
	size_t after = store->list.n - (size_t)(key - store->list.keys) - 1;
	memmove(key, key + 1, after * sizeof *key);
	store->list.n--;
	return write_list(store);
}

/* ---------------------------------------------------------------- list */

static const char *show_scopes(unsigned scopes, char *out, size_t size)
{
	size_t used = 0;
	for (int i = 0; i < KEY_N_SCOPES; i++)
		if (scopes >> i & 1)
			used += (size_t)snprintf(out + used, size - used, "%s%s", used ? "," : "",
						 key_scopes[i]);
	return out;
}

static const char *show_date(int64_t seconds, const char *none, char out[DATE_SIZE])
{
	return seconds == KEY_NO_TIME ? none : date_write(seconds, out);
}

static const char *show_end(int64_t seconds, int64_t now, char *out, size_t size)
{
	char date[DATE_SIZE];
	snprintf(out, size, "%s%s", show_date(seconds, "never", date),
		 seconds <= now ? " (expired)" : "");
	return out;
}

static const char *show_rate(uint64_t rate, char *out, size_t size)
{
	if (rate == 0)
		return "-";
	snprintf(out, size, "%" PRIu64, rate);
	return out;
}

static int widest_name(const struct store *store)
{
	int widest = (int)strlen("NAME");
	for (size_t i = 0; i < store->list.n; i++) {
		int n = (int)strlen(store->list.keys[i].name);
		widest = n > widest ? n : widest;
	}
	return widest;
}

static bool run_list(struct store *store)
{
	static const char row[] = "%-*s  %-22s  %-20s  %-30s  %10s  %s\n";
	int width = widest_name(store);
	int64_t now = store->options->key.created;
	printf(row, width, "NAME", "SCOPES", "CREATED", "EXPIRES", "REQUESTS/S", "BYTES/S");
	for (size_t i = 0; i < store->list.n; i++) {
		const struct key *key = &store->list.keys[i];
		char scopes[64], created[DATE_SIZE], expires[DATE_SIZE + 16], requests[32],
			bytes[32];
		printf(row, width, key->name, show_scopes(key->scopes, scopes, sizeof scopes),
		       show_date(key->created, "-", created),
		       show_end(key->expires, now, expires, sizeof expires),
		       show_rate(key->requests_per_second, requests, sizeof requests),
		       show_rate(key->bytes_per_second, bytes, sizeof bytes));
	}
	return true;
}

/* ---------------------------------------------------------------- all of them */

static bool run(struct store *store)
{
	static bool (*const runs[KEY_N_ACTIONS])(struct store *) = {
		[KEY_ACTION_NEW] = run_new,
		[KEY_ACTION_LIST] = run_list,
		[KEY_ACTION_REMOVE] = run_remove,
	};
	return read_list(store) && runs[store->options->action](store);
}

/* Whoever only reads waits for nobody, and may not even be allowed to. */
static bool run_alone(struct store *store)
{
	if (store->options->action == KEY_ACTION_LIST)
		return run(store);
	if (!replace_begin(&store->replace, store->options->file, PATIENCE_MS))
		return complain_file(store,
				     errno == EWOULDBLOCK
					     ? "another program has locked its folder; try again"
					     : strerror(errno));
	bool good = run(store);
	replace_end(&store->replace);
	return good;
}

int key_main(int argc, char **argv)
{
	struct key_options options;
	if (!key_options_read(&options, argc, argv, (int64_t)time(NULL)))
		return 2;
	if (options.action == KEY_ACTION_HELP) {
		key_options_help();
		return 0;
	}
	signal(SIGPIPE, SIG_IGN); /* whoever was to read the key may have gone: it is taken back */
	struct store store = {.options = &options, .arena = loss_arena_create(NULL)};
	bool good = store.arena && run_alone(&store);
	if (!store.arena)
		key_complain("%s", strerror(ENOMEM));
	loss_arena_destroy(store.arena);
	if (fflush(stdout) != 0 || ferror(stdout))
		good = key_complain("standard output: %s", strerror(errno));
	return good ? 0 : 2;
}
