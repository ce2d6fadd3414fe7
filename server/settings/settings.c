#include "settings.h"

#include "address.h"
#include "auth/cors.h"
#include "auth/hosts.h"
#include "codec/text/decimal.h"
#include "forms.h"
#include "log/log.h"
#include "loss.h"
#include "os/limits.h"
#include "shm/shm_rules.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define KIB ((uint64_t)1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define HOUR_MS ((uint64_t)3600 * 1000)
#define MIN_MEMORY_BUDGET (16 * MIB)

static uint64_t half_of_memory(void)
{
	uint64_t bytes = limits_memory_bytes() / 2;
	return bytes > MIN_MEMORY_BUDGET ? bytes : MIN_MEMORY_BUDGET;
}

static const char *const log_levels[] = {"debug", "info", "warning", "error", NULL};
static const char *const log_formats[] = {"text", "json", NULL};
static const char *const booleans[] = {"false", "true", NULL};
static const char *const access_logs[] = {"errors", "on", "off", NULL};
_Static_assert(LOG_DEBUG == 0 && LOG_ERROR == 3, "the order of log_levels");
_Static_assert(LOG_TEXT == 0 && LOG_JSON == 1, "the order of log_formats");
_Static_assert(LOG_ACCESS_ERRORS == 0 && LOG_ACCESS_OFF == 2, "the order of access_logs");

static bool isa_is_usable(const char *name)
{
	return strcmp(name, "auto") == 0 || loss_isa_find(name) != NULL;
}

#define FIELD(key) #key, .offset = offsetof(struct config, key)
#define INTEGER(key_, default_, min_, max_, help_)                                                 \
	{                                                                                          \
		.key = FIELD(key_), .type = SETTING_INTEGER, .fallback = default_, .min = min_,    \
		.max = max_, .help = help_                                                         \
	}
#define BYTES(key_, default_, min_, max_, help_)                                                   \
	{                                                                                          \
		.key = FIELD(key_), .type = SETTING_BYTES, .fallback = default_, .min = min_,      \
		.max = max_, .help = help_                                                         \
	}
#define CHOICE(key_, default_, choices_, help_)                                                    \
	{                                                                                          \
		.key = FIELD(key_), .type = SETTING_CHOICE, .fallback = default_,                  \
		.choices = choices_, .help = help_                                                 \
	}
#define TEXT(key_, default_, is_good_, form_, help_)                                               \
	{                                                                                          \
		.key = FIELD(key_), .type = SETTING_TEXT, .fallback = default_,                    \
		.size = sizeof((struct config *)0)->key_, .is_good = is_good_, .form = form_,      \
		.help = help_                                                                      \
	}
#define LIST(key_, default_, is_good_, empty_, form_, help_)                                       \
	{                                                                                          \
		.key = FIELD(key_), .type = SETTING_TEXT, .fallback = default_,                    \
		.size = sizeof((struct config *)0)->key_, .is_good = is_good_, .empty = empty_,    \
		.form = form_, .help = help_                                                       \
	}
#define AUTO(type_, key_, automatic_, min_, max_, help_)                                           \
	{                                                                                          \
		.key = FIELD(key_), .type = type_, .fallback = "auto", .automatic = automatic_,    \
		.min = min_, .max = max_, .help = help_                                            \
	}

/* clang-format off */
const struct setting settings[] = {
	{.key = FIELD(listen), .type = SETTING_LISTEN, .fallback = "127.0.0.1:8080", .empty = "",
	 .help = "where to listen, up to eight places, also one a flag; port 0 picks a free one"},
	TEXT(unix_socket_mode, "0660", form_is_mode,
	     "an octal number from 0 to 0777, in a file in quotes: \"0660\"",
	     "permissions of Unix sockets"),
	AUTO(SETTING_INTEGER, threads, limits_cores, 1, 1024,
	     "threads that evaluate a large problem; auto: the cores available"),
	AUTO(SETTING_INTEGER, io_threads, limits_cores, 1, 1024,
	     "threads that serve connections, and as many that write long replies; auto: the cores available"),
	INTEGER(connections, "20000", 1, 1000000,
		"connections open at once"),
	INTEGER(connections_per_address, "0", 0, 1000000,
		"connections open at once from one address, further ones are closed; 0: no limit"),
	BYTES(connection_memory_bytes, "36KiB", 4 * KIB, 16 * MIB,
	      "memory for the head of one connection's request"),
	INTEGER(head_timeout_ms, "10000", 1, HOUR_MS,
		"time that a request's head may take"),
	INTEGER(body_timeout_ms, "20000", 1, 24 * HOUR_MS,
		"time that a body may stop, besides what has come of it"),
	BYTES(body_min_bytes_per_second, "64KiB", 1, GIB,
	      "N bytes of a body are worth N / this seconds more, up to body_timeout_ms"),
	INTEGER(reply_timeout_ms, "20000", 1, 24 * HOUR_MS,
		"time that the reading of a reply may stop, besides what was taken of it"),
	BYTES(reply_min_bytes_per_second, "64KiB", 1, GIB,
	      "N bytes taken are worth N / this seconds more, up to reply_timeout_ms"),
	INTEGER(idle_timeout_ms, "60000", 1, 24 * HOUR_MS,
		"time that a connection may stay open without a request"),
	BYTES(max_body_bytes, "1280MiB", 1, 1024 * GIB,
	      "size of the largest body that is read"),
	AUTO(SETTING_BYTES, memory_budget_bytes, half_of_memory, MIN_MEMORY_BUDGET, 65536 * GIB,
	     "memory that all requests and connections may hold; auto: half of what is available"),
	INTEGER(queue_length, "64", 1, 65536,
		"large problems that may wait to be computed"),
	INTEGER(queue_cost, "10", 1, 86400,
		"seconds of work that may wait to be computed, as it is estimated"),
	INTEGER(max_elements, "8589934592", 1, (uint64_t)1 << 40,
		"elements of the largest tensor"),
	INTEGER(max_rank, "8", 1, 8,
		"dimensions of a tensor"),
	BYTES(max_header_bytes, "64KiB", KIB, 16 * MIB,
	      "the JSON in front of binary tensors: of safetensors and of the Open Inference Protocol"),
	TEXT(spool_directory, "auto", form_is_path, "auto, or a folder's path",
	     "folder of files for replies to many lines, past 4 MiB each; auto: TMPDIR, or else /tmp"),
	BYTES(max_reply_bytes, "1280MiB", 1, 1024 * GIB,
	      "size of the replies to all lines of a request"),
	INTEGER(drain_delay_ms, "0", 0, HOUR_MS,
		"time between SIGTERM, when /v2/health/ready turns 503, and the closing of the socket"),
	INTEGER(drain_timeout_ms, "30000", 0, HOUR_MS,
		"time that requests in flight get to finish after that"),
	{.key = FIELD(isa), .type = SETTING_CHOICE, .fallback = "auto", .choices = config_isas,
	 .usable = isa_is_usable,
	 .help = "instruction set that the kernels use; auto: the best that the machine has"},
	CHOICE(log_level, "info", log_levels,
	       "least important lines to log"),
	CHOICE(log_format, "text", log_formats,
	       "how lines are logged, on standard error"),
	CHOICE(access_log, "errors", access_logs,
	       "requests that get a line of level info: those with an error, all, or none"),
	TEXT(keys_file, "none", form_is_path, "none, or a file's path",
	     "keys of clients, as lossd key writes them, read again on SIGHUP; none: whoever connects is served"),
	CHOICE(metrics_open, "false", booleans,
	       "whether /metrics is served without a key"),
	TEXT(tls_certificate, "none", form_is_path, "none, or a file's path",
	     "certificate chain of listeners of TLS, in PEM, read again on SIGHUP"),
	TEXT(tls_key, "none", form_is_path, "none, or a file's path",
	     "private key of that certificate, in PEM, read again on SIGHUP"),
	TEXT(tls_client_ca, "none", form_is_path, "none, or a file's path",
	     "authorities of whose certificates clients of TLS must have one, in PEM, read again on SIGHUP"),
	TEXT(otlp_endpoint, "none", form_is_http_url,
	     "none, or a URL like http://localhost:4318, of http or https, without a user",
	     "collector of traces that takes OTLP over HTTP"),
	LIST(hosts, HOSTS_AUTO, hosts_is_list, "",
	     "auto, *, or hosts like loss.example:8080 or loopback, with commas and no spaces between them",
	     "hosts that requests may be for; auto: loopback if that is all it listens on, else *"),
	LIST(cors_origins, "none", cors_is_list, "none",
	     "none, *, or origins like https://app.example, with commas and no spaces between them",
	     "origins whose pages may read replies in a browser"),
	TEXT(shm_key_prefix, "none", shm_is_prefix,
	     "none, or 1 to 127 of the characters A-Z a-z 0-9 . _ -",
	     "how the keys of shared memory that clients may register begin; none: no shared memory"),
	TEXT(shm_owners, "self", shm_is_owners,
	     "self, or user ids like 1000,1001",
	     "users whose shared memory may be registered, beside the server's own"),
	INTEGER(shm_max_regions, "64", 1, 1024,
		"regions of shared memory that may be registered at once"),
	BYTES(shm_max_bytes, "4GiB", 1, 65536 * GIB,
	      "bytes of all registered regions together"),
};
/* clang-format on */
_Static_assert(sizeof settings / sizeof *settings <= SETTINGS_MAX, "settings.h");
const size_t n_settings = sizeof settings / sizeof *settings;

const struct setting *setting_find(const char *key)
{
	for (size_t i = 0; i < n_settings; i++)
		if (strcmp(settings[i].key, key) == 0)
			return &settings[i];
	return NULL;
}

/* What other servers call some of them. */
static const struct {
	const char *name, *key;
} others[] = {
	{"address", "listen"},      {"addr", "listen"},
	{"bind", "listen"},         {"host", "listen"},
	{"port", "listen"},         {"workers", "io_threads"},
	{"num_threads", "threads"}, {"max_body_size", "max_body_bytes"},
	{"log", "log_level"},       {"memory", "memory_budget_bytes"},
};

const struct setting *setting_nearest(const char *key)
{
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (strcmp(others[i].name, key) == 0)
			return setting_find(others[i].key);
	const char *keys[SETTINGS_MAX];
	for (size_t i = 0; i < n_settings; i++)
		keys[i] = settings[i].key;
	const char *nearest = loss_nearest(keys, n_settings, key, strlen(key));
	return nearest ? setting_find(nearest) : NULL;
}

void setting_variable(const char *key, char out[SETTING_NAME_SIZE])
{
	int n = snprintf(out, SETTING_NAME_SIZE, "LOSSD_%s", key);
	for (char *at = out; n > 0 && *at; at++)
		*at = (char)toupper((unsigned char)*at);
}

static uint64_t *number_field(const struct setting *setting, struct config *config)
{
	return (uint64_t *)(void *)((char *)config + setting->offset);
}

const char *setting_text(const struct setting *setting, const struct config *config)
{
	bool texts = setting->type == SETTING_LISTEN || setting->type == SETTING_TEXT;
	return texts ? (const char *)config + setting->offset : NULL;
}

bool setting_is_boolean(const struct setting *setting)
{
	return setting->choices == booleans;
}

uint64_t setting_number(const struct setting *setting, const struct config *config)
{
	uint64_t number;
	memcpy(&number, (const char *)config + setting->offset, sizeof number);
	return number;
}

static const struct unit {
	const char *name;
	uint64_t bytes;
} units[] = {{"GiB", GIB}, {"MiB", MIB}, {"KiB", KIB}};

static bool scale_by_unit(const char *suffix, uint64_t *value)
{
	if (*suffix == ' ')
		suffix++;
	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		if (strcmp(suffix, units[i].name) == 0) {
			if (*value > UINT64_MAX / units[i].bytes)
				return false;
			*value *= units[i].bytes;
			return true;
		}
	}
	return false;
}

static bool parse_number(const struct setting *setting, const char *text, uint64_t *value)
{
	if (setting->automatic && strcmp(text, "auto") == 0) {
		*value = 0; /* below every minimum of such a key, until settings_resolve */
		return true;
	}
	const char *rest = text + decimal_read(text, strlen(text), value);
	if (rest == text)
		return false;
	if (*rest && (setting->type != SETTING_BYTES || !scale_by_unit(rest, value)))
		return false;
	return *value >= setting->min && *value <= setting->max;
}

static bool parse_choice(const struct setting *setting, const char *text, uint64_t *value)
{
	for (uint64_t i = 0; setting->choices[i]; i++) {
		if (strcmp(text, setting->choices[i]) == 0) {
			*value = i;
			return true;
		}
	}
	return false;
}

static bool parse_listen(const char *text, struct config *config)
{
	struct address address;
	const char *why, *at = text;
	size_t n = 0;
	do {
		if (!address_next(&at, &address, &why))
			return false;
	} while (at && ++n < CONFIG_MAX_LISTENERS);
	if (at || strlen(text) >= sizeof config->listen)
		return false;
	memcpy(config->listen, text, strlen(text) + 1);
	return true;
}

static bool parse_text(const struct setting *setting, const char *text, struct config *config)
{
	size_t size = strlen(text) + 1;
	if (size > setting->size || !setting->is_good(text))
		return false;
	memcpy((char *)config + setting->offset, text, size);
	return true;
}

static bool parse(const struct setting *setting, const char *text, struct config *config)
{
	switch (setting->type) {
	case SETTING_LISTEN:
		return parse_listen(text, config);
	case SETTING_CHOICE:
		return parse_choice(setting, text, number_field(setting, config));
	case SETTING_TEXT:
		return parse_text(setting, text, config);
	default:
		return parse_number(setting, text, number_field(setting, config));
	}
}

/* A word of the list that this machine has nothing for. */
static bool refuse_unusable(const struct setting *setting, const char *text, const char *source)
{
	char usable[128];
	size_t n = 0;
	for (size_t i = 0; setting->choices[i] && n < sizeof usable; i++)
		if (setting->usable(setting->choices[i]))
			n += (size_t)snprintf(usable + n, sizeof usable - n, "%s%s", n ? ", " : "",
					      setting->choices[i]);
	config_complain(
		"%s: %s is \"%s\", which this build or this machine does not have; it has %s",
		source, setting->key, text, usable);
	return false;
}

/* Says what is wrong with one of a list of addresses, where more can be said of it than what it
 * should be. */
static bool refuse_address(const char *text, const char *source)
{
	struct address address;
	const char *why = NULL, *at = text;
	char one[256], shown[80];
	int n = 0;
	while (at && address_next(&at, &address, &why))
		n++;
	if (!at && n > CONFIG_MAX_LISTENERS) {
		config_complain("%s: listen has %d addresses, but there may be %d at most", source,
				n, CONFIG_MAX_LISTENERS);
		return true;
	}
	if (at && address.n_written == 0 && *text) {
		config_complain("%s: listen is \"%s\", where %s", source,
				config_show(text, shown, sizeof shown),
				n == 0        ? "nothing stands before the first comma"
				: *at == '\0' ? "nothing stands after the last comma"
					      : "nothing stands between two commas");
		return true;
	}
	if (!why)
		return false;
	snprintf(one, sizeof one, "%.*s", address.n_written, address.written);
	config_complain("%s: listen has \"%s\": %s", source, config_show(one, shown, sizeof shown),
			why);
	return true;
}

bool setting_set(const struct setting *setting, const char *text, const char *source,
		 struct config *config)
{
	bool good = parse(setting, text, config);
	if (good && setting->usable && !setting->usable(text))
		return refuse_unusable(setting, text, source);
	if (good || (setting->type == SETTING_LISTEN && refuse_address(text, source)))
		return good;
	char bound[256], shown[80];
	setting_describe(setting, bound, sizeof bound);
	config_complain("%s: %s must be %s, not \"%s\"", source, setting->key, bound,
			config_show(text, shown, sizeof shown));
	return false;
}

/* In the largest unit that divides it, so that it can be pasted back. */
void setting_format_bytes(uint64_t bytes, char *out, size_t size)
{
	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		if (bytes % units[i].bytes == 0) {
			snprintf(out, size, "%" PRIu64 "%s", bytes / units[i].bytes, units[i].name);
			return;
		}
	}
	snprintf(out, size, "%" PRIu64, bytes);
}

static void describe_choices(const struct setting *setting, char *out, size_t size)
{
	size_t n = 0;
	out[0] = '\0';
	for (size_t i = 0; setting->choices[i] && n < size; i++)
		n += (size_t)snprintf(out + n, size - n, "%s%s", i ? ", " : "one of ",
				      setting->choices[i]);
}

void setting_describe(const struct setting *setting, char *out, size_t size)
{
	char low[32], high[32];
	const char *or_auto = setting->automatic ? ", or auto" : "";
	switch (setting->type) {
	case SETTING_LISTEN:
		snprintf(out, size,
			 "ADDR:PORT or [IPV6]:PORT, like 127.0.0.1:8080, unix:PATH or fd:NAME, or "
			 "up to %d of them with commas and no spaces between them; tls: before "
			 "what is TLS",
			 CONFIG_MAX_LISTENERS);
		return;
	case SETTING_CHOICE:
		describe_choices(setting, out, size);
		return;
	case SETTING_TEXT:
		snprintf(out, size, "%s", setting->form);
		return;
	case SETTING_INTEGER:
		snprintf(out, size, "a whole number from %" PRIu64 " to %" PRIu64 "%s",
			 setting->min, setting->max, or_auto);
		return;
	case SETTING_BYTES:
		setting_format_bytes(setting->min, low, sizeof low);
		setting_format_bytes(setting->max, high, sizeof high);
		snprintf(out, size, "a number of bytes from %s to %s, plain or in KiB, MiB, GiB%s",
			 low, high, or_auto);
		return;
	}
}

void settings_resolve(struct config *config)
{
	for (size_t i = 0; i < n_settings; i++) {
		const struct setting *setting = &settings[i];
		if (!setting->automatic || setting_number(setting, config) != 0)
			continue;
		uint64_t value = setting->automatic();
		*number_field(setting, config) = value < setting->max ? value : setting->max;
	}
	if (strcmp(config->hosts, HOSTS_AUTO) == 0)
		snprintf(config->hosts, sizeof config->hosts, "%s",
			 hosts_auto(addresses_are_local(config->listen)));
}
