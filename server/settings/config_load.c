#include "config_load.h"

#include "config_check.h"
#include "config_file.h"
#include "config_warn.h"
#include "loss.h"
#include "settings.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What stood on the command line; values point into argv. */
struct flags {
	const char *values[SETTINGS_MAX];                /* by index into settings */
	char listen[sizeof((struct config *)0)->listen]; /* of the flags of that name, in a list */
	const char *config;
	bool check_config, help, version;
};

static void spell_flag(const char *key, char out[SETTING_NAME_SIZE])
{
	int n = snprintf(out, SETTING_NAME_SIZE, "--%s", key);
	for (char *at = out; n > 0 && *at; at++)
		*at = *at == '_' ? '-' : *at;
}

/* ---------------------------------------------------------------- the command line */

/* Where the value of the flag `name` (n bytes) goes, or NULL when it is no flag that takes one. */
static const char **flag_value(struct flags *flags, const char *name, size_t n)
{
	char flag[SETTING_NAME_SIZE];
	for (size_t i = 0; i < n_settings; i++) {
		spell_flag(settings[i].key, flag);
		if (strlen(flag) == n && memcmp(flag, name, n) == 0)
			return &flags->values[i];
	}
	return n == strlen("--config") && memcmp(name, "--config", n) == 0 ? &flags->config : NULL;
}

static bool *flag_switch(struct flags *flags, const char *name)
{
	const struct {
		const char *name;
		bool *flag;
	} switches[] = {
		{"--help", &flags->help},
		{"-h", &flags->help},
		{"--version", &flags->version},
		{"--check-config", &flags->check_config},
	};
	for (size_t i = 0; i < sizeof switches / sizeof *switches; i++)
		if (strcmp(switches[i].name, name) == 0)
			return switches[i].flag;
	return NULL;
}

/* Whether a flag may be given again, for one more value. */
static bool is_list(const struct flags *flags, const char **value)
{
	return value != &flags->config && settings[value - flags->values].type == SETTING_LISTEN;
}

/* Cut where it is too long, and then not of the form that it must have. */
static const char *join(struct flags *flags, const char *before, const char *given)
{
	char joined[sizeof flags->listen];
	snprintf(joined, sizeof joined, "%s,%s", before, given);
	memcpy(flags->listen, joined, sizeof joined);
	return flags->listen;
}

/* A flag that is none, of n bytes and perhaps a value; or no flag. */
static void complain_unknown(const char *argument, size_t n)
{
	char shown[80], key[SETTING_NAME_SIZE] = "", flag[SETTING_NAME_SIZE] = "";
	size_t dashes = strspn(argument, "-");
	for (size_t i = 0; dashes > 0 && i < n - dashes && i < sizeof key - 1; i++)
		key[i] = argument[dashes + i] == '-' ? '_' : argument[dashes + i];
	const struct setting *nearest = setting_nearest(key);
	if (nearest)
		spell_flag(nearest->key, flag);
	config_complain("unknown %s \"%s\"; %s%s%slossd --help lists the flags",
			dashes > 0 ? "flag" : "argument",
			config_show(argument, shown, sizeof shown),
			nearest ? "the nearest is " : "", flag, nearest ? "; " : "");
}

/* Takes the argument at argv[*i], and the one after it if that is its value. */
static bool take_flag(struct flags *flags, int argc, char **argv, int *i)
{
	const char *argument = argv[*i];
	bool *on = flag_switch(flags, argument);
	if (on) {
		*on = true;
		return true;
	}
	size_t n = strcspn(argument, "=");
	const char **value = flag_value(flags, argument, n);
	if (!value) {
		complain_unknown(argument, n);
		return false;
	}
	const char *given = argument[n] == '=' ? argument + n + 1
			    : *i + 1 < argc    ? argv[*i + 1]
					       : NULL;
	if (!given) {
		config_complain("flag %s needs a value", argument);
		return false;
	}
	*i += argument[n] != '=';
	*value = *value && is_list(flags, value) ? join(flags, *value, given) : given;
	return true;
}

static bool read_flags(struct flags *flags, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (!take_flag(flags, argc, argv, &i))
			return false;
		if (flags->help || flags->version)
			return true;
	}
	return true;
}

/* ---------------------------------------------------------------- weakest first */

static bool set_defaults(struct config *config)
{
	for (size_t i = 0; i < n_settings; i++)
		if (!setting_set(&settings[i], settings[i].fallback, "default", config))
			return false;
	return true;
}

static bool set_from_environment(struct config *config)
{
	char name[SETTING_NAME_SIZE], source[SETTING_NAME_SIZE + 32];
	for (size_t i = 0; i < n_settings; i++) {
		setting_variable(settings[i].key, name);
		const char *value = getenv(name);
		snprintf(source, sizeof source, "environment variable %s", name);
		if (value && !setting_set(&settings[i], value, source, config))
			return false;
	}
	return true;
}

static bool set_from_flags(const struct flags *flags, struct config *config)
{
	char name[SETTING_NAME_SIZE], source[SETTING_NAME_SIZE + 8];
	for (size_t i = 0; i < n_settings; i++) {
		spell_flag(settings[i].key, name);
		snprintf(source, sizeof source, "flag %s", name);
		if (flags->values[i] &&
		    !setting_set(&settings[i], flags->values[i], source, config))
			return false;
	}
	return true;
}

/* More threads than connections would have nothing to do. */
static bool fit_threads_to_connections(struct config *config)
{
	bool chosen = config->io_threads != 0;
	settings_resolve(config);
	if (config->io_threads <= config->connections)
		return true;
	if (!chosen) {
		config->io_threads = config->connections;
		return true;
	}
	config_complain("io_threads is %" PRIu64
			", but must not exceed connections, which is %" PRIu64,
			config->io_threads, config->connections);
	return false;
}

static bool load(const struct flags *flags, struct config *config)
{
	const char *path = flags->config ? flags->config : getenv("LOSSD_CONFIG");
	return set_defaults(config) && (!path || config_file_load(path, config)) &&
	       set_from_environment(config) && set_from_flags(flags, config) &&
	       fit_threads_to_connections(config) && config_check(config);
}

/* ---------------------------------------------------------------- what it prints */

static void print_help(void)
{
	char flag[SETTING_NAME_SIZE], values[256];
	printf("lossd %s: evaluates losses over HTTP\n\n"
	       "usage: lossd [FLAG VALUE | FLAG=VALUE]...\n"
	       "       lossd eval FILE ...    evaluates a file without a server; see lossd eval "
	       "--help\n"
	       "       lossd merge FILE ...   makes one of the totals of parts; see lossd merge "
	       "--help\n"
	       "       lossd health [URL]     asks a server whether it is ready; see lossd health "
	       "--help\n"
	       "       lossd key new|list|remove ...    keys of clients; see lossd key --help\n\n"
	       "  --config FILE\n        a file of settings, in JSON with comments\n"
	       "  --check-config\n        print the settings that result, and exit\n"
	       "  --help, --version\n        print this or the version, and exit\n\n"
	       "Settings. A flag wins over its environment variable (LOSSD_THREADS for --threads), "
	       "that\n"
	       "over the file (\"threads\"; LOSSD_CONFIG names a file too), that over the "
	       "default.\n\n",
	       LOSS_VERSION);
	for (size_t i = 0; i < n_settings; i++) {
		spell_flag(settings[i].key, flag);
		setting_describe(&settings[i], values, sizeof values);
		printf("  %s VALUE\n        %s\n        %s; default %s\n", flag, settings[i].help,
		       values, settings[i].fallback);
	}
}

static void print_string(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		if (strchr("\"\\", *text)) /* texts have no control characters */
			putchar('\\');
		putchar(*text);
	}
	putchar('"');
}

static void print_settings(const struct config *config)
{
	puts("{");
	for (size_t i = 0; i < n_settings; i++) {
		const struct setting *setting = &settings[i];
		const char *comma = i + 1 < n_settings ? "," : "";
		const char *text = setting_text(setting, config);
		if (setting->type == SETTING_CHOICE)
			text = setting->choices[setting_number(setting, config)];
		printf("  \"%s\": ", setting->key);
		if (!text)
			printf("%" PRIu64, setting_number(setting, config));
		else if (setting_is_boolean(setting))
			printf("%s", text);
		else
			print_string(text);
		printf("%s\n", comma);
	}
	puts("}");
}

static void print_warning(enum log_level level, const char *message)
{
	if (level >= LOG_WARNING)
		config_complain("warning: %s", message);
}

enum config_action config_load(struct config *config, int argc, char **argv)
{
	struct flags flags = {.config = NULL};
	if (!read_flags(&flags, argc, argv))
		return CONFIG_EXIT_2;
	if (flags.help) {
		print_help();
		return CONFIG_EXIT_0;
	}
	if (flags.version) {
		puts("lossd " LOSS_VERSION);
		return CONFIG_EXIT_0;
	}
	if (!load(&flags, config))
		return CONFIG_EXIT_2;
	if (flags.check_config) {
		print_settings(config);
		config_warn(config, print_warning);
		return CONFIG_CHECK;
	}
	return CONFIG_SERVE;
}

bool config_load_again(struct config *config, int argc, char **argv,
		       void (*say)(const char *sentence))
{
	struct flags flags = {.config = NULL};
	config_complain_to(say);
	bool good = read_flags(&flags, argc, argv) && load(&flags, config);
	config_complain_to(NULL);
	return good;
}
