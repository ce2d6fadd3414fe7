#include "health.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "codec/text/decimal.h"
#include "settings/address.h"

#define DEFAULT_URL "http://127.0.0.1:8080"
#define DEFAULT_TIMEOUT_MS "2000"
#define MAX_TIMEOUT_MS 3600000
#define READY "/v2/health/ready"
#define LIVE "/v2/health/live"
#define LOCAL "unix:"

enum exit_status { IS_READY, IS_NOT, IS_WRONG };

struct options {
	const char *url, *timeout, *ca, *certificate, *key;
	const char *live, *insecure, *help; /* NULL: not given */
	long timeout_ms;
};

static const struct option {
	const char *name;
	size_t offset;     /* of its member of struct options */
	const char *value; /* what it takes, for people; NULL: nothing */
	bool file;         /* that must be there */
	const char *help;
} table[] = {
#define OPTION(name_, member, value_, file_, help_)                                                \
	{                                                                                          \
		name_, offsetof(struct options, member), value_, file_, help_                      \
	}
	OPTION("--live", live, NULL, false, "whether it lives, though it may not be ready"),
	OPTION("--timeout-ms", timeout, "N", false,
	       "time for all of it, from 1 to 3600000; default " DEFAULT_TIMEOUT_MS),
	OPTION("--ca", ca, "FILE", true,
	       "authorities that the server's certificate must come from"),
	OPTION("--insecure", insecure, NULL, false, "any certificate will do"),
	OPTION("--certificate", certificate, "FILE", true, "the client's own certificate, in PEM"),
	OPTION("--key", key, "FILE", true, "and its private key, where that is another file"),
	OPTION("--help", help, NULL, false, "print this"),
};
#define N_OPTIONS (sizeof table / sizeof *table)

/* One line on standard error; false. */
__attribute__((format(printf, 1, 2))) static bool complain(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fprintf(stderr, "lossd health: ");
	vfprintf(stderr, format, args);
	fprintf(stderr, "; lossd health --help says how it is used\n");
	va_end(args);
	return false;
}

static void print_help(void)
{
	printf("usage: lossd health [URL] [OPTION]...\n\n"
	       "Exit status 0 when GET " READY " is answered with 200, or GET of the URL's own\n"
	       "path; 1 when it is not, or not in time; 2 when the command is wrong.\n\n"
	       "  URL\n        http://HOST:PORT, https://HOST:PORT or unix:PATH; default where\n"
	       "        LOSSD_LISTEN has the server listen, else " DEFAULT_URL "\n");
	for (size_t i = 0; i < N_OPTIONS; i++)
		printf("  %s%s%s\n        %s\n", table[i].name, table[i].value ? " " : "",
		       table[i].value ? table[i].value : "", table[i].help);
}

/* ---------------------------------------------------------------- the command line */

/* The option that an argument is, of so many characters before a "="; NULL: there is none. */
static const struct option *find(const char *argument, size_t n)
{
	for (size_t i = 0; i < N_OPTIONS; i++)
		if (strlen(table[i].name) == n && memcmp(table[i].name, argument, n) == 0)
			return &table[i];
	return NULL;
}

static const char **member(struct options *options, const struct option *option)
{
	return (const char **)(void *)((char *)options + option->offset);
}

/* Takes argv[*i], and the one after it where that is its value. */
static bool take(struct options *options, int argc, char **argv, int *i)
{
	const char *argument = argv[*i];
	size_t n = strcspn(argument, "=");
	const struct option *option = find(argument, n);
	bool joined = argument[n] == '=';
	if (argument[0] != '-' && !options->url) {
		options->url = argument;
		return true;
	}
	if (!option || (joined && !option->value))
		return complain(argument[0] == '-' ? "unknown option \"%.80s\""
						   : "\"%.80s\" is one URL too many",
				argument);
	if (option->value && !joined && *i + 1 == argc)
		return complain("%s needs a value", argument);
	*member(options, option) = !option->value ? argument
				   : joined       ? argument + n + 1
						  : argv[++*i];
	return true;
}

static bool read_timeout(struct options *options)
{
	const char *text = options->timeout ? options->timeout : DEFAULT_TIMEOUT_MS;
	uint64_t number;
	bool good = decimal_parse(text, strlen(text), &number) && number >= 1 &&
		    number <= MAX_TIMEOUT_MS;
	options->timeout_ms = good ? (long)number : 0;
	if (good)
		return true;
	return complain("--timeout-ms is \"%.40s\", but must be a whole number from 1 to %d", text,
			MAX_TIMEOUT_MS);
}

static bool check_files(struct options *options)
{
	for (size_t i = 0; i < N_OPTIONS; i++) {
		const char *path = *member(options, &table[i]);
		if (table[i].file && path && access(path, R_OK) != 0)
			return complain("%s: %.200s: %s", table[i].name, path, strerror(errno));
	}
	if (options->key && !options->certificate)
		return complain("--key is of no use without --certificate");
	return true;
}

/* ---------------------------------------------------------------- where to ask */

/* Whether somebody can be asked there: sockets that were given have no address of their own here,
 * and a port that was picked is not known. */
static bool can_be_asked(const struct address *address)
{
	return address->kind == ADDRESS_UNIX ||
	       (address->kind == ADDRESS_TCP && address->port != 0);
}

/* Of all addresses of the machine, the one that is always there. */
static const char *host_of(const struct address *address)
{
	return strcmp(address->name, "0.0.0.0") == 0 ? "127.0.0.1"
	       : strcmp(address->name, "::") == 0    ? "::1"
						     : address->name;
}

static void write_url(const struct address *address, char *out, size_t size)
{
	const char *host = host_of(address);
	bool v6 = strchr(host, ':');
	if (address->kind == ADDRESS_UNIX)
		snprintf(out, size, LOCAL "%s", address->name);
	else
		snprintf(out, size, "%s://%s%s%s:%u", address->tls ? "https" : "http",
			 v6 ? "[" : "", host, v6 ? "]" : "", (unsigned)address->port);
}

/* Where a server with this environment listens: the first place that can be asked, and in plain
 * text, which needs no authorities, rather than by TLS. NULL: a line has said why there is none. */
static const char *own_url(void)
{
	static char url[256];
	static const char variable[] = "LOSSD_LISTEN";
	const char *listen = getenv(variable), *list = listen, *why;
	struct address address;
	bool plain = false;
	url[0] = '\0';
	while (list && !plain) {
		if (!address_next(&list, &address, &why)) {
			complain("%s is \"%.200s\", which is no list of addresses", variable,
				 listen);
			return NULL;
		}
		plain = can_be_asked(&address) && !address.tls;
		if (plain || (can_be_asked(&address) && url[0] == '\0'))
			write_url(&address, url, sizeof url);
	}
	if (listen && url[0] == '\0')
		complain("%s is \"%.200s\", where nobody can be asked; give a URL", variable,
			 listen);
	return !listen ? DEFAULT_URL : url[0] ? url : NULL;
}

/* The path of a Unix socket, as `listen` has it; NULL, and a line has said so: it is none. */
static const char *local_path(const struct options *options)
{
	static struct address address;
	const char *list = options->url, *why = NULL;
	if (address_next(&list, &address, &why) && !list)
		return address.name;
	complain("\"%.200s\": %s", options->url, why ? why : "the path must have no comma");
	return NULL;
}

/* With the path to ask for, where it has none. False when a line has said that it is no URL. */
static bool set_url(CURLU *url, const struct options *options)
{
	const char *text = options->url, *path = options->live ? LIVE : READY;
	bool web = strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0;
	char *part = NULL;
	if (!web)
		return complain("\"%.200s\" does not begin with http://, https:// or unix:", text);
	CURLUcode code = curl_url_set(url, CURLUPART_URL, text, CURLU_DISALLOW_USER);
	if (code != CURLUE_OK)
		return complain("\"%.200s\" is no URL: %s", text, curl_url_strerror(code));
	bool bare =
		curl_url_get(url, CURLUPART_PATH, &part, 0) == CURLUE_OK && strcmp(part, "/") == 0;
	curl_free(part);
	return !bare || curl_url_set(url, CURLUPART_PATH, path, 0) == CURLUE_OK;
}

/* ---------------------------------------------------------------- asking */

static size_t ignore(char *bytes, size_t size, size_t n, void *context)
{
	(void)bytes;
	(void)context;
	return size * n;
}

/* A setting that has no value is as it would be without. */
static void set_text(CURL *curl, CURLoption option, const char *text)
{
	if (text)
		curl_easy_setopt(curl, option, text);
}

static void set_up(CURL *curl, const struct options *options, char error[CURL_ERROR_SIZE])
{
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, ignore);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	/* It is this server that is asked, not what the environment would send elsewhere. */
	curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, options->timeout_ms);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, options->timeout_ms);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, options->insecure ? 0L : 1L);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, options->insecure ? 0L : 2L);
	set_text(curl, CURLOPT_CAINFO, options->ca);
	set_text(curl, CURLOPT_SSLCERT, options->certificate);
	set_text(curl, CURLOPT_SSLKEY, options->key ? options->key : options->certificate);
}

static enum exit_status perform(CURL *curl, const struct options *options,
				const char error[CURL_ERROR_SIZE])
{
	long status = 0;
	CURLcode code = curl_easy_perform(curl);
	const char *why = *error ? error : curl_easy_strerror(code);
	if (code == CURLE_SSL_CACERT_BADFILE || code == CURLE_SSL_CERTPROBLEM) {
		complain("%s: %s", options->url, why);
		return IS_WRONG;
	}
	if (code != CURLE_OK) {
		fprintf(stderr, "lossd health: %s: %s\n", options->url, why);
		return IS_NOT;
	}
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	if (status == 200)
		return IS_READY;
	fprintf(stderr, "lossd health: %s: the status is %ld, not 200\n", options->url, status);
	return IS_NOT;
}

static enum exit_status ask(CURL *curl, CURLU *url, struct options *options)
{
	static char error[CURL_ERROR_SIZE];
	struct options asked = *options;
	if (strncmp(options->url, LOCAL, strlen(LOCAL)) == 0) {
		const char *path = local_path(options);
		if (!path)
			return IS_WRONG;
		curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, path);
		asked.url = "http://localhost";
	}
	if (!set_url(url, &asked))
		return IS_WRONG;
	set_up(curl, options, error);
	curl_easy_setopt(curl, CURLOPT_CURLU, url);
	return perform(curl, options, error);
}

int health_main(int argc, char **argv)
{
	struct options options = {.url = NULL};
	for (int i = 1; i < argc; i++)
		if (!take(&options, argc, argv, &i))
			return IS_WRONG;
	if (options.help) {
		print_help();
		return IS_READY;
	}
	options.url = options.url ? options.url : own_url();
	if (!options.url || !read_timeout(&options) || !check_files(&options))
		return IS_WRONG;
	CURL *curl = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? curl_easy_init() : NULL;
	CURLU *url = curl ? curl_url() : NULL;
	enum exit_status end = IS_WRONG;
	if (url)
		end = ask(curl, url, &options);
	else
		complain("there is no memory");
	curl_url_cleanup(url);
	curl_easy_cleanup(curl);
	curl_global_cleanup();
	return (int)end;
}
