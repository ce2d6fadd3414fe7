#include "config_warn.h"

#include "address.h"
#include "os/activation.h"
#include "settings.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PREFIX "LOSSD_"
/* Of a variable's name, terminated; of longer ones the beginning is looked at. */
#define NAME_SIZE 256

typedef void (*sayer)(enum log_level level, const char *sentence);

/* ---------------------------------------------------------------- Kubernetes */

/* Moves after the text where it stands at *at. */
static bool skip(const char **at, const char *text)
{
	size_t n = strlen(text);
	bool there = strncmp(*at, text, n) == 0;
	*at += there ? n : 0;
	return there;
}

static bool skip_any(const char **at, const char *const *texts)
{
	while (*texts && !skip(at, *texts))
		texts++;
	return *texts != NULL;
}

/* "8080_TCP" and "8080_TCP_ADDR". */
static bool is_port(const char *at)
{
	static const char *const protocols[] = {"_TCP", "_UDP", "_SCTP", NULL};
	static const char *const facts[] = {"_PROTO", "_PORT", "_ADDR", NULL};
	size_t digits = strspn(at, "0123456789");
	at += digits;
	if (digits == 0 || !skip_any(&at, protocols))
		return false;
	skip_any(&at, facts);
	return *at == '\0';
}

static bool is_url(const char *value)
{
	static const char *const schemes[] = {"tcp://", "udp://", "sctp://", NULL};
	return skip_any(&value, schemes);
}

/* What stands after "LOSSD" and, of a Service called lossd-a, "_A". */
static bool is_service_form(const char *at, const char *value)
{
	if (strcmp(at, "_PORT") == 0)
		return is_url(value);
	if (skip(&at, "_PORT_"))
		return is_port(at);
	if (skip(&at, "_SERVICE_PORT"))
		return *at == '\0' || (at[0] == '_' && at[1] != '\0');
	return strcmp(at, "_SERVICE_HOST") == 0;
}

/* Kubernetes gives every container such variables for each Service of its namespace, by the
 * Service's name. */
static bool is_of_a_service(const char *name, const char *value)
{
	const char *at = name + strlen(PREFIX) - 1;
	while (at && !is_service_form(at, value))
		at = strchr(at + 1, '_');
	return at != NULL;
}

/* ---------------------------------------------------------------- the environment */

static bool is_known(const char *name)
{
	/* The file of settings, and what the clients of api/examples read. */
	static const char *const others[] = {"LOSSD_CONFIG", "LOSSD_URL"};
	char variable[SETTING_NAME_SIZE];
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (strcmp(others[i], name) == 0)
			return true;
	for (size_t i = 0; i < n_settings; i++) {
		setting_variable(settings[i].key, variable);
		if (strcmp(variable, name) == 0)
			return true;
	}
	return false;
}

static void blame_variable(const char *name, sayer say)
{
	char key[NAME_SIZE], shown[80], near[SETTING_NAME_SIZE], sentence[256];
	snprintf(key, sizeof key, "%s", name + strlen(PREFIX));
	for (char *at = key; *at; at++)
		*at = (char)tolower((unsigned char)*at);
	const struct setting *nearest = setting_nearest(key);
	if (nearest)
		setting_variable(nearest->key, near);
	snprintf(sentence, sizeof sentence, "environment variable %s is no setting: %s%s",
		 config_show(name, shown, sizeof shown),
		 nearest ? "the nearest is " : "lossd --help lists them", nearest ? near : "");
	say(LOG_WARNING, sentence);
}

static void look_at_environment(sayer say)
{
	bool service = false;
	for (char **variable = environ; *variable; variable++) {
		char name[NAME_SIZE];
		size_t n = strcspn(*variable, "=");
		snprintf(name, sizeof name, "%.*s", (int)n, *variable);
		const char *value = (*variable)[n] ? *variable + n + 1 : "";
		if (strncmp(name, PREFIX, strlen(PREFIX)) != 0 || is_known(name))
			continue;
		if (is_of_a_service(name, value))
			service = true;
		else
			blame_variable(name, say);
	}
	if (service)
		say(LOG_DEBUG, "environment variables of a Kubernetes Service named lossd "
			       "(LOSSD_PORT, LOSSD_SERVICE_HOST, ...) are no settings");
}

/* ---------------------------------------------------------------- sizes */

static void look_at_sizes(const struct config *config, sayer say)
{
	char body[32], budget[32], sentence[256];
	if (config->max_body_bytes <= config->memory_budget_bytes)
		return;
	setting_format_bytes(config->max_body_bytes, body, sizeof body);
	setting_format_bytes(config->memory_budget_bytes, budget, sizeof budget);
	snprintf(sentence, sizeof sentence,
		 "max_body_bytes is %s, but memory_budget_bytes is %s: bodies that must be kept "
		 "and are beyond the budget are refused; raise memory_budget_bytes or lower "
		 "max_body_bytes",
		 body, budget);
	say(LOG_WARNING, sentence);
}

/* ---------------------------------------------------------------- files */

static void look_at_spool(const struct config *config, sayer say)
{
	const char *folder = config_spool_directory(config);
	char shown[200], sentence[400];
	if (access(folder, W_OK | X_OK) == 0)
		return;
	snprintf(sentence, sizeof sentence,
		 "spool_directory is %s, in which no file can be made (%s): of a body of lines no "
		 "more is answered than 4 MiB of replies hold",
		 config_show(folder, shown, sizeof shown), strerror(errno));
	say(LOG_WARNING, sentence);
}

/* ---------------------------------------------------------------- listeners */

/* Sockets that are to be given are not known where the settings are only checked. */
static bool is_open_to_all(const struct address *address)
{
	bool known = address->kind != ADDRESS_FD || activation_find(address->name, 0) >= 0;
	return known && !address->tls && !address_is_local(address);
}

static void look_at_listeners(const struct config *config, sayer say)
{
	struct address address;
	const char *list = config->listen, *why;
	char sentence[320];
	if (config_is_set(config->keys_file))
		return;
	while (list && address_next(&list, &address, &why)) {
		if (!is_open_to_all(&address))
			continue;
		snprintf(sentence, sizeof sentence,
			 "listen has %.*s, which other machines may reach, in plain text, and "
			 "keys_file is none: whoever reaches it is served; set keys_file and use "
			 "TLS (tls:%.*s), or listen on loopback behind a proxy",
			 address.n_written, address.written, address.n_written, address.written);
		say(LOG_WARNING, sentence);
	}
}

/* Whether `listen` has sockets of that name. */
static bool is_listened_on(const struct config *config, const char *name)
{
	struct address address;
	const char *list = config->listen, *why;
	while (list && address_next(&list, &address, &why))
		if (address.kind == ADDRESS_FD && strcmp(address.name, name) == 0)
			return true;
	return false;
}

/* Who connects to sockets that were given, and that nobody serves, waits for ever. Once a name. */
static void look_at_given_sockets(const struct config *config, sayer say)
{
	char shown[80], sentence[320];
	const char *name;
	for (size_t i = 0; (name = activation_name(i)); i++) {
		size_t before = 0;
		while (strcmp(activation_name(before), name) != 0)
			before++;
		if (before < i || is_listened_on(config, name))
			continue;
		config_show(name, shown, sizeof shown);
		snprintf(sentence, sizeof sentence,
			 "a socket was given by the name \"%s\", but listen has no fd:%s: nobody "
			 "answers who connects to it",
			 shown, shown);
		say(LOG_WARNING, sentence);
	}
}

void config_warn(const struct config *config, sayer say)
{
	look_at_listeners(config, say);
	look_at_given_sockets(config, say);
	look_at_environment(say);
	look_at_sizes(config, say);
	look_at_spool(config, say);
}
