#include "key_options.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "codec/text/decimal.h"
#include "keys/date.h"
#include "settings/config.h"

#define SHOWN 80
#define MOST_HOURS UINT64_C(8784000) /* of a thousand years, and as many of what is longer */

bool key_complain(const char *format, ...)
{
	char line[1024], shown[1024];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(line, sizeof line, format, arguments);
	va_end(arguments);
	fprintf(stderr, "lossd key: %s\n", config_show(line, shown, sizeof shown));
	return false;
}

void key_options_help(void)
{
	puts("usage: lossd key new NAME --file FILE [--scopes evaluate,metrics,admin]\n"
	     "         [--expires TIME] [--requests-per-second N] [--bytes-per-second N]\n"
	     "       lossd key list --file FILE\n"
	     "       lossd key remove NAME --file FILE\n\n"
	     "Keys of clients, in the file that the setting keys_file names. The file has a key's\n"
	     "hash alone: `new` prints the key, once. A server that runs reads the file again on\n"
	     "SIGHUP. The exit status is 0, or 2 when something is wrong.\n\n"
	     "  --file FILE               the file; `new` makes it where there is none\n"
	     "  --scopes LIST             what the key is for: evaluate (unless said), metrics\n"
	     "                            (GET /metrics), admin (what changes something for "
	     "others)\n"
	     "  --expires TIME            when it ends: 2027-01-31, 2027-01-31T12:00:00Z, or in\n"
	     "                            12h, 90d, 52w; never, unless said\n"
	     "  --requests-per-second N   1 to 1000000; no limit, unless said\n"
	     "  --bytes-per-second N      of bodies, 1 to 1099511627776; no limit, unless said");
}

/* ---------------------------------------------------------------- values */

static bool set_rate(const char *value, const char *flag, uint64_t most, uint64_t *rate)
{
	if (decimal_parse(value, strlen(value), rate) && *rate >= 1 && *rate <= most)
		return true;
	return key_complain("%s must be a whole number from 1 to %" PRIu64 ", not \"%.*s\"", flag,
			    most, SHOWN, value);
}

static bool set_requests(struct key_options *options, const char *value, int64_t now)
{
	(void)now;
	return set_rate(value, "--requests-per-second", KEY_MAX_REQUESTS,
			&options->key.requests_per_second);
}

static bool set_bytes(struct key_options *options, const char *value, int64_t now)
{
	(void)now;
	return set_rate(value, "--bytes-per-second", KEY_MAX_BYTES, &options->key.bytes_per_second);
}

static bool set_scopes(struct key_options *options, const char *value, int64_t now)
{
	(void)now;
	for (const char *at = value;; at++) {
		size_t n = strcspn(at, ",");
		enum key_scope scope = key_scope_find(at, n);
		if (scope == KEY_N_SCOPES)
			return key_complain("--scopes must be a list of " KEY_SCOPE_LIST
					    ", with commas and no spaces, not \"%.*s\"",
					    SHOWN, value);
		options->key.scopes |= 1u << scope;
		at += n;
		if (*at == '\0')
			return true;
	}
}

/* "90d": so long from now. */
static bool read_duration(const char *text, int64_t *seconds)
{
	static const struct {
		char unit;
		uint64_t seconds;
	} units[] = {{'h', 3600}, {'d', 86400}, {'w', 604800}};
	size_t n = strlen(text);
	uint64_t number;
	for (size_t i = 0; n > 1 && i < sizeof units / sizeof *units; i++) {
		if (text[n - 1] != units[i].unit)
			continue;
		if (!decimal_parse(text, n - 1, &number) || number > MOST_HOURS)
			return false;
		*seconds = (int64_t)(number * units[i].seconds);
		return true;
	}
	return false;
}

static bool read_day(const char *text, int64_t *seconds)
{
	char time[32];
	return snprintf(time, sizeof time, "%sT00:00:00Z", text) < (int)sizeof time &&
	       date_read(time, seconds);
}

static bool set_expires(struct key_options *options, const char *value, int64_t now)
{
	int64_t *expires = &options->key.expires, duration;
	char date[DATE_SIZE];
	if (read_duration(value, &duration))
		*expires = now + duration;
	else if (!date_read(value, expires) && !read_day(value, expires))
		return key_complain("--expires must be a time like 2027-01-31 or "
				    "2027-01-31T12:00:00Z, or how long from now, like 12h, 90d or "
				    "52w, not \"%.*s\"",
				    SHOWN, value);
	if (*expires > now && *expires <= DATE_LAST)
		return true;
	return key_complain("--expires is %.*s, which must be later than now (%s) and before the "
			    "year 10000",
			    SHOWN, value, date_write(now, date));
}

static bool set_file(struct key_options *options, const char *value, int64_t now)
{
	(void)now;
	options->file = value;
	return *value || key_complain("--file must be a file's path, not \"\"");
}

/* ---------------------------------------------------------------- the command line */

static const struct {
	const char *word;
	bool names;   /* a key */
	bool details; /* takes more than --file */
} actions[KEY_N_ACTIONS] = {
	[KEY_ACTION_NEW] = {"new", true, true},
	[KEY_ACTION_LIST] = {"list", false, false},
	[KEY_ACTION_REMOVE] = {"remove", true, false},
};

static const struct flag {
	const char *name;
	bool detail; /* of `new` alone */
	bool (*set)(struct key_options *options, const char *value, int64_t now);
} flags[] = {
	{"--file", false, set_file},
	{"--scopes", true, set_scopes},
	{"--expires", true, set_expires},
	{"--requests-per-second", true, set_requests},
	{"--bytes-per-second", true, set_bytes},
};
#define N_FLAGS (sizeof flags / sizeof flags[0])

static bool is_help(const char *argument)
{
	return strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0 ||
	       strcmp(argument, "help") == 0;
}

static bool read_action(struct key_options *options, const char *word)
{
	size_t i = 0;
	while (i < KEY_N_ACTIONS && strcmp(actions[i].word, word) != 0)
		i++;
	options->action = (enum key_action)i;
	return i < KEY_N_ACTIONS ||
	       key_complain("\"%.*s\" is none of new, list and remove; see lossd key --help", SHOWN,
			    word);
}

/* Of n bytes. */
static const struct flag *find_flag(const char *name, size_t n, bool details)
{
	for (size_t i = 0; i < N_FLAGS; i++)
		if (strlen(flags[i].name) == n && memcmp(flags[i].name, name, n) == 0 &&
		    (details || !flags[i].detail))
			return &flags[i];
	return NULL;
}

/* Takes the flag at argv[*i], and the argument after it if that is its value. */
static bool take_flag(struct key_options *options, unsigned *seen, int argc, char **argv, int *i,
		      int64_t now)
{
	const char *argument = argv[*i];
	size_t n = strcspn(argument, "=");
	const struct flag *flag = find_flag(argument, n, actions[options->action].details);
	if (!flag)
		return key_complain("lossd key %s has no flag \"%.*s\"; see lossd key --help",
				    actions[options->action].word, SHOWN, argument);
	if (argument[n] != '=' && *i + 1 == argc)
		return key_complain("%s needs a value", flag->name);
	if (*seen >> (flag - flags) & 1)
		return key_complain("%s is given twice; give it once", flag->name);
	*seen |= 1u << (flag - flags);
	const char *value = argument[n] == '=' ? argument + n + 1 : argv[++*i];
	return flag->set(options, value, now);
}

static bool take_name(struct key_options *options, const char *name)
{
	const char *word = actions[options->action].word;
	if (!actions[options->action].names || options->key.name[0])
		return key_complain("lossd key %s has no place for \"%.*s\"; see lossd key --help",
				    word, SHOWN, name);
	if (!key_is_name(name))
		return key_complain(
			"the name of a key must have 1 to %d bytes of UTF-8 and no control "
			"characters; \"%.*s\" has not",
			KEY_NAME_MAX, SHOWN, name);
	snprintf(options->key.name, sizeof options->key.name, "%s", name);
	return true;
}

static bool check(struct key_options *options)
{
	const char *word = actions[options->action].word;
	if (actions[options->action].names && !options->key.name[0])
		return key_complain("lossd key %s needs the name of a key", word);
	if (!options->file)
		return key_complain("lossd key %s needs --file and the path of the file of keys",
				    word);
	if (!options->key.scopes)
		options->key.scopes = 1u << KEY_EVALUATE;
	return true;
}

bool key_options_read(struct key_options *options, int argc, char **argv, int64_t now)
{
	unsigned seen = 0;
	*options = (struct key_options){.key = {.created = now, .expires = KEY_NO_TIME}};
	for (int i = 1; i < argc; i++) {
		if (is_help(argv[i])) {
			options->action = KEY_ACTION_HELP;
			return true;
		}
	}
	if (argc < 2)
		return key_complain("say new, list or remove; see lossd key --help");
	if (!read_action(options, argv[1]))
		return false;
	for (int i = 2; i < argc; i++) {
		bool good = argv[i][0] == '-' ? take_flag(options, &seen, argc, argv, &i, now)
					      : take_name(options, argv[i]);
		if (!good)
			return false;
	}
	return check(options);
}
