#include "connection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *const phase_names[N_PHASES] = {"receive", "decode", "queue", "compute", "encode"};

/* ---------------------------------------------------------------- where to */

static bool add_head(struct curl_slist **heads, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*heads, line);
	if (longer)
		*heads = longer;
	return longer != NULL;
}

static bool make_heads(struct target *target, const struct options *options)
{
	char line[1024];
	bool made = true;
	for (int i = 0; i < N_FORMATS; i++) {
		snprintf(line, sizeof line, "Content-Type: %s", format_types[i]);
		/* No body waits for leave to be sent. */
		made = made && add_head(&target->heads[i], line) &&
		       add_head(&target->heads[i], "Expect:");
		snprintf(line, sizeof line, "Authorization: Bearer %s",
			 options->key ? options->key : "");
		made = made && (!options->key || add_head(&target->heads[i], line));
	}
	return made;
}

bool target_make(struct target *target, const struct options *options)
{
	int n = asprintf(&target->url, "%s/v1/losses/%s%s%s", options->url, options->loss->name,
			 options->query ? "?" : "", options->query ? options->query : "");
	if (n < 0)
		target->url = NULL;
	return target->url && make_heads(target, options);
}

void target_drop(struct target *target)
{
	for (int i = 0; i < N_FORMATS; i++)
		curl_slist_free_all(target->heads[i]);
	free(target->url);
}

/* ---------------------------------------------------------------- what comes back */

static size_t take_reply(char *bytes, size_t size, size_t n, void *context)
{
	struct connection *connection = context;
	text_put(&connection->reply, bytes, size * n);
	return connection->reply.failed ? 0 : size * n;
}

/* "decode;dur=0.123, queue;dur=…": milliseconds. */
static void take_phases(struct connection *connection, const char *line)
{
	for (size_t i = 0; i < N_PHASES; i++) {
		char name[32];
		int length = snprintf(name, sizeof name, "%s;dur=", phase_names[i]);
		const char *found = strstr(line, name);
		if (found)
			connection->phases[i] = (uint64_t)(strtod(found + length, NULL) * 1e6);
	}
}

static size_t take_head(char *bytes, size_t size, size_t n, void *context)
{
	static const char name[] = "Server-Timing:";
	char line[512];
	size_t length = size * n < sizeof line ? size * n : sizeof line - 1;
	if (length >= sizeof name && strncasecmp(bytes, name, sizeof name - 1) == 0) {
		memcpy(line, bytes, length);
		line[length] = '\0';
		take_phases(context, line);
	}
	return size * n;
}

bool connection_right(struct connection *connection, const struct options *options,
		      struct workload *workload)
{
	text_put(&connection->reply, "", 1);
	return !options->check ||
	       (!connection->reply.failed &&
		workload_check(workload, connection->body, connection->reply.bytes));
}

/* ---------------------------------------------------------------- one connection */

static void set_address(CURL *easy, const struct options *options, const struct target *target)
{
	curl_easy_setopt(easy, CURLOPT_URL, target->url);
	if (options->unix_path)
		curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, options->unix_path);
	if (options->ca)
		curl_easy_setopt(easy, CURLOPT_CAINFO, options->ca);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, options->insecure ? 0L : 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, options->insecure ? 0L : 2L);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
}

bool connection_make(struct connection *connection, const struct options *options,
		     const struct target *target, size_t largest)
{
	CURL *easy = connection->easy = curl_easy_init();
	if (!easy)
		return false;
	set_address(easy, options, target);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, connection);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_POST, 1L);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(options->timeout_ns / 1000000 + 1));
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_reply);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, connection);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_head);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, connection);
	if (largest > 65536)
		curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, 1L << 21);
	return true;
}

void connection_drop(struct connection *connection)
{
	curl_easy_cleanup(connection->easy);
	free(connection->reply.bytes);
}

static struct curl_slist *heads_of(const struct target *target, const struct body *body)
{
	for (int i = 0; i < N_FORMATS; i++)
		if (body->type == format_types[i])
			return target->heads[i];
	return NULL;
}

void connection_ask(struct connection *connection, const struct target *target, struct body *body,
		    uint64_t due)
{
	connection->body = body;
	connection->due = due;
	connection->reply.n = 0;
	for (size_t i = 0; i < N_PHASES; i++)
		connection->phases[i] = UINT64_MAX;
	curl_easy_setopt(connection->easy, CURLOPT_HTTPHEADER, heads_of(target, body));
	curl_easy_setopt(connection->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->n);
	curl_easy_setopt(connection->easy, CURLOPT_POSTFIELDS, body->bytes);
}
