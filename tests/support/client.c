#include "client.h"

#include <setjmp.h>
#include <stdarg.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <curl/curl.h>
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define REQUEST_SECONDS 120L
#define SEND_MS 60000

struct client {
	CURL *curl;
	char url[64];
	struct client_files files;
};

struct text {
	char *data;
	size_t size, capacity;
};

static size_t write_zeros(char *out, size_t n)
{
	for (size_t i = 0; i < n; i++)
		memcpy(out + 2 * i, "0,", 2);
	return 2 * n - 1; /* the last comma is written over */
}

char *body_of_zeros(size_t rows, size_t classes, size_t *size)
{
	size_t n = 0, room = 2 * rows * (classes + 1) + 256;
	char *body = malloc(room);
	assert_non_null(body);
	n += (size_t)snprintf(
		body, room, "{\"logits\": {\"dtype\": \"F32\", \"shape\": [%zu, %zu], \"data\": [",
		rows, classes);
	n += write_zeros(body + n, rows * classes);
	n += (size_t)snprintf(body + n, room - n, "]}, \"targets\": [");
	n += write_zeros(body + n, rows);
	n += (size_t)snprintf(body + n, room - n, "]}");
	*size = n;
	return body;
}

/* ---------------------------------------------------------------- libcurl */

struct client *client_open(const struct server *server)
{
	struct client *client = calloc(1, sizeof(*client));
	assert_non_null(client);
	client->curl = curl_easy_init();
	assert_non_null(client->curl);
	memcpy(client->url, server->url, sizeof(client->url));
	return client;
}

void client_close(struct client *client)
{
	if (client == NULL)
		return;
	curl_easy_cleanup(client->curl);
	free(client);
}

void client_trust(struct client *client, const struct client_files *files)
{
	client->files = *files;
}

static void set_files(CURL *curl, const struct client_files *files)
{
	if (files->authority != NULL)
		curl_easy_setopt(curl, CURLOPT_CAINFO, files->authority);
	if (files->certificate != NULL)
		curl_easy_setopt(curl, CURLOPT_SSLCERT, files->certificate);
	if (files->key != NULL)
		curl_easy_setopt(curl, CURLOPT_SSLKEY, files->key);
}

/* Appends and keeps it terminated; 0 bytes taken tells libcurl to give up. */
static size_t append(struct text *text, const char *bytes, size_t n)
{
	if (text->size + n + 1 > text->capacity) {
		size_t capacity = 2 * (text->size + n) + 256;
		char *data = realloc(text->data, capacity);
		if (data == NULL)
			return 0;
		text->data = data;
		text->capacity = capacity;
	}
	if (n > 0)
		memcpy(text->data + text->size, bytes, n);
	text->size += n;
	text->data[text->size] = '\0';
	return n;
}

static size_t take_body(char *bytes, size_t size, size_t n, void *text)
{
	return append(text, bytes, size * n);
}

static size_t take_header(char *line, size_t size, size_t n, void *context)
{
	struct text *text = context;
	if (size * n >= 5 && memcmp(line, "HTTP/", 5) == 0)
		text->size = 0; /* a new block: what stood here was 100 Continue */
	return append(text, line, size * n);
}

static size_t give_body(char *out, size_t size, size_t n, void *context)
{
	const struct request *request = context;
	return request->upload(request->context, out, size * n);
}

static void set_body(CURL *curl, const struct request *request)
{
	if (request->upload != NULL) {
		curl_easy_setopt(curl, CURLOPT_POST, 1L);
		curl_easy_setopt(curl, CURLOPT_READFUNCTION, give_body);
		curl_easy_setopt(curl, CURLOPT_READDATA, request);
		curl_off_t size = request->body_size > 0 ? (curl_off_t)request->body_size : -1;
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, size);
		curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, 1L << 20);
	} else if (request->body != NULL) {
		size_t n = request->body_size > 0 ? request->body_size : strlen(request->body);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)n);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body);
	}
	if (request->method != NULL && strcmp(request->method, "HEAD") == 0)
		curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
	else if (request->method != NULL)
		curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
}

/* "Expect:" and a Content-Type of our own choosing unless the test gives them: libcurl would add
 * its own. */
static struct curl_slist *make_headers(const struct request *request)
{
	struct curl_slist *list = NULL;
	bool expect = false, type = false;
	for (size_t i = 0; request->headers != NULL && request->headers[i] != NULL; i++) {
		expect |= strncasecmp(request->headers[i], "Expect:", 7) == 0;
		type |= strncasecmp(request->headers[i], "Content-Type:", 13) == 0;
		list = curl_slist_append(list, request->headers[i]);
	}
	if (!expect)
		list = curl_slist_append(list, "Expect:");
	if (!type)
		list = curl_slist_append(list, "Content-Type:");
	if (request->upload != NULL && request->body_size == 0)
		list = curl_slist_append(list, "Transfer-Encoding: chunked");
	return list;
}

static void read_outcome(CURL *curl, struct reply *reply)
{
	long status = 0;
	curl_off_t sent = 0;
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(curl, CURLINFO_NUM_CONNECTS, &reply->new_connections);
	curl_easy_getinfo(curl, CURLINFO_SIZE_UPLOAD_T, &sent);
	reply->status = (int)status;
	reply->sent = (size_t)sent;
}

void client_send(struct client *client, const struct request *request, struct reply *reply)
{
	CURL *curl = client->curl;
	struct text headers = {0}, body = {0};
	append(&headers, "", 0);
	append(&body, "", 0);
	char *url = NULL;
	assert_true(asprintf(&url, "%s%s", client->url, request->path) > 0);
	struct curl_slist *list = make_headers(request);
	curl_easy_reset(curl); /* keeps the connection */
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, REQUEST_SECONDS);
	curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, &headers);
	set_body(curl, request);
	set_files(curl, &client->files);
	CURLcode code = curl_easy_perform(curl);
	*reply = (struct reply){.headers = headers.data, .body = body.data, .body_size = body.size};
	read_outcome(curl, reply);
	/* Half a reply is none: no test may take it for one. */
	if (code != CURLE_OK)
		reply->status = 0;
	curl_slist_free_all(list);
	free(url);
}

void client_get(struct client *client, const char *path, struct reply *reply)
{
	client_send(client, &(struct request){.path = path}, reply);
}

void client_post(struct client *client, const char *path, const char *body, struct reply *reply)
{
	static const char *const json[] = {"Content-Type: application/json", NULL};
	client_send(client, &(struct request){.path = path, .headers = json, .body = body}, reply);
}

void reply_free(struct reply *reply)
{
	free(reply->headers);
	free(reply->body);
	*reply = (struct reply){0};
}

double server_metric(const struct server *server, const char *series)
{
	char start_of[256];
	struct reply reply;
	struct client *client = client_open(server);
	client_get(client, "/metrics", &reply);
	assert_int_equal(reply.status, 200); /* also when nothing is left for others */
	snprintf(start_of, sizeof(start_of), "\n%s ", series);
	const char *line = strstr(reply.body, start_of);
	if (line == NULL)
		fail_msg("/metrics has no %s", series);
	double value = strtod(line + strlen(start_of), NULL);
	reply_free(&reply);
	client_close(client);
	return value;
}

bool reply_header(const struct reply *reply, const char *name, char *out, size_t size)
{
	size_t n = strlen(name);
	for (const char *line = reply->headers; *line != '\0';) {
		size_t length = strcspn(line, "\r\n");
		if (length > n && line[n] == ':' && strncasecmp(line, name, n) == 0) {
			const char *value = line + n + 1;
			value += strspn(value, " \t");
			snprintf(out, size, "%.*s", (int)(line + length - value), value);
			return true;
		}
		line += length;
		line += strspn(line, "\r\n");
	}
	return false;
}

/* ---------------------------------------------------------------- JSON replies */

cJSON *reply_json(const struct reply *reply)
{
	cJSON *json = cJSON_ParseWithLengthOpts(reply->body, reply->body_size + 1, NULL, true);
	if (json == NULL)
		fail_msg("status %d, and the body is not JSON: %.300s", reply->status, reply->body);
	return json;
}

const cJSON *json_find(const cJSON *object, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(object, name);
}

const cJSON *json_member(const cJSON *object, const char *name)
{
	const cJSON *member = json_find(object, name);
	if (member == NULL) {
		char *text = cJSON_PrintUnformatted(object);
		fail_msg("no member %s in %.300s", name, text != NULL ? text : "(no memory)");
	}
	return member;
}

double json_number(const cJSON *value)
{
	if (cJSON_IsNumber(value))
		return value->valuedouble;
	if (cJSON_IsBool(value))
		return cJSON_IsTrue(value) ? 1.0 : 0.0;
	const char *text = json_string(value);
	if (strcmp(text, "NaN") == 0)
		return (double)NAN;
	if (strcmp(text, "Infinity") == 0)
		return (double)INFINITY;
	if (strcmp(text, "-Infinity") != 0)
		fail_msg("\"%.100s\" stands where a number should", text);
	return -(double)INFINITY;
}

const char *json_string(const cJSON *value)
{
	if (!cJSON_IsString(value))
		fail_msg("%s stands where a string should",
			 cJSON_IsNull(value) || value == NULL ? "null" : "something else");
	return value->valuestring;
}

/* In document order without recursion: down to the first child, else to the next sibling, else up.
 */
size_t json_flatten(const cJSON *value, double *out, size_t capacity)
{
	const cJSON *stack[64];
	size_t depth = 0, n = 0;
	stack[0] = value;
	const cJSON *at = value;
	while (at != NULL) {
		if (cJSON_IsArray(at) && at->child != NULL) {
			assert_true(depth + 1 < 64);
			stack[depth++] = at;
			at = at->child;
			continue;
		}
		if (!cJSON_IsArray(at)) {
			double number = json_number(at);
			if (n < capacity)
				out[n] = number;
			n++;
		}
		/* The root may have siblings of its own: depth 0 ends the walk. */
		while (depth > 0 && at->next == NULL)
			at = stack[--depth];
		at = depth > 0 ? at->next : NULL;
	}
	return n;
}

/* ---------------------------------------------------------------- bare sockets */

int raw_connect(const struct server *server)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(server->port)};
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) != 0)
		fail_msg("connect to port %u: %s", (unsigned)server->port, strerror(errno));
	return fd;
}

bool raw_send(int fd, const void *bytes, size_t n)
{
	const char *from = bytes;
	while (n > 0) {
		struct pollfd p = {.fd = fd, .events = POLLOUT};
		if (poll(&p, 1, SEND_MS) <= 0)
			return false;
		ssize_t sent = send(fd, from, n, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent < 0 && errno != EAGAIN && errno != EINTR)
			return false;
		if (sent > 0) {
			from += sent;
			n -= (size_t)sent;
		}
	}
	return true;
}

/* Bytes that came, 0 when the peer has closed (a reset counts), -1 when the time is up. */
static ssize_t read_some(int fd, char *out, size_t size, int64_t until)
{
	for (;;) {
		int64_t left = until - now_ms();
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int ready = left > 0 ? poll(&p, 1, (int)left) : 0;
		if (ready == 0)
			return -1;
		ssize_t n = ready > 0 ? recv(fd, out, size, MSG_DONTWAIT) : -1;
		if (n >= 0)
			return n;
		if (errno != EINTR && errno != EAGAIN)
			return 0;
	}
}

size_t raw_read(int fd, char *out, size_t size, int timeout_ms, bool *closed)
{
	int64_t until = now_ms() + timeout_ms;
	size_t total = 0;
	ssize_t n = 1;
	while (n > 0 && total + 1 < size) {
		n = read_some(fd, out + total, size - total - 1, until);
		total += n > 0 ? (size_t)n : 0;
	}
	out[total] = '\0';
	if (closed != NULL)
		*closed = n == 0;
	return total;
}

size_t raw_read_until(int fd, char *out, size_t size, const char *end, int timeout_ms)
{
	int64_t until = now_ms() + timeout_ms;
	size_t total = 0;
	out[0] = '\0';
	while (total + 1 < size && strstr(out, end) == NULL) {
		ssize_t n = read_some(fd, out + total, size - total - 1, until);
		if (n <= 0)
			break;
		total += (size_t)n;
		out[total] = '\0';
	}
	return total;
}
