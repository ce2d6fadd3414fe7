#include "otlp.h"

#include "client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_MS 60000
#define KEPT (sizeof((struct otlp *)0)->documents / sizeof(char *))

/* ---------------------------------------------------------------- the thread */

/* True when there is something to read; false when the test ends. */
static bool wait_for(const struct otlp *otlp, int fd)
{
	struct pollfd fds[2] = {{.fd = otlp->stop[0], .events = POLLIN},
				{.fd = fd, .events = POLLIN}};
	while (poll(fds, 2, -1) <= 0)
		;
	return fds[0].revents == 0;
}

/* Reads on until all n bytes are there; false when no more come. */
static bool fill(const struct otlp *otlp, int fd, char *out, size_t *have, size_t n)
{
	while (*have < n) {
		if (!wait_for(otlp, fd))
			return false;
		ssize_t got = recv(fd, out + *have, n - *have, 0);
		if (got <= 0)
			return false;
		*have += (size_t)got;
	}
	return true;
}

/* A head up to its empty line, terminated; the caller frees it. NULL: none comes any more. */
static char *read_head(const struct otlp *otlp, int fd)
{
	char *head = calloc(1, 8192);
	size_t n = 0;
	while (n < 8191 && !strstr(head, "\r\n\r\n"))
		if (!fill(otlp, fd, head, &n, n + 1)) {
			free(head);
			return NULL;
		}
	return head;
}

static char *read_body(const struct otlp *otlp, int fd, const char *head)
{
	const char *length = strcasestr(head, "\r\nContent-Length:");
	size_t n = length ? strtoul(length + 17, NULL, 10) : 0, have = 0;
	char *body = calloc(1, n + 1);
	if (fill(otlp, fd, body, &have, n))
		return body;
	free(body);
	return NULL;
}

/* Keeps them; returns the answer. */
static struct otlp_answer keep(struct otlp *otlp, char *head, char *document)
{
	pthread_mutex_lock(&otlp->mutex);
	size_t i = otlp->n_documents++;
	if (i < KEPT) {
		otlp->heads[i] = head;
		otlp->documents[i] = document;
		otlp->came_ms[i] = now_ms();
	} else {
		free(head);
		free(document);
	}
	pthread_mutex_unlock(&otlp->mutex);
	if (otlp->n_answers == 0)
		return (struct otlp_answer){.act = OTLP_ANSWERS};
	return otlp->answers[i < otlp->n_answers ? i : otlp->n_answers - 1];
}

/* False: the connection ends. */
static bool answer(const struct otlp *otlp, int fd, const struct otlp_answer *as)
{
	const char *body = as->body ? as->body : "{}";
	char text[2048], ignored;
	int n = snprintf(text, sizeof text,
			 "HTTP/1.1 %u Fine\r\nContent-Type: application/json\r\n%s"
			 "Content-Length: %zu\r\n\r\n%s",
			 as->status ? as->status : 200, as->headers ? as->headers : "",
			 strlen(body), body);
	if (as->act == OTLP_HANGS)
		while (wait_for(otlp, fd) && recv(fd, &ignored, 1, 0) > 0)
			;
	if (as->act == OTLP_CUTS)
		raw_send(fd, text, (size_t)n - 1);
	return as->act == OTLP_ANSWERS && raw_send(fd, text, (size_t)n);
}

static void serve(struct otlp *otlp, int fd)
{
	for (bool goes_on = true; goes_on;) {
		char *head = read_head(otlp, fd);
		char *document = head ? read_body(otlp, fd, head) : NULL;
		if (!document) {
			free(head);
			return;
		}
		struct otlp_answer as = keep(otlp, head, document);
		goes_on = answer(otlp, fd, &as);
	}
}

static void *run(void *argument)
{
	struct otlp *otlp = argument;
	while (wait_for(otlp, otlp->listener)) {
		int fd = accept(otlp->listener, NULL, NULL);
		if (fd < 0)
			continue;
		pthread_mutex_lock(&otlp->mutex);
		otlp->n_connections++;
		pthread_mutex_unlock(&otlp->mutex);
		serve(otlp, fd);
		close(fd);
	}
	return NULL;
}

/* ---------------------------------------------------------------- start, end */

void otlp_open(struct otlp *otlp, const struct otlp_answer *answers, size_t n)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof address;
	memset(otlp, 0, sizeof *otlp);
	otlp->answers = answers;
	otlp->n_answers = n;
	otlp->listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_true(otlp->listener >= 0);
	assert_int_equal(bind(otlp->listener, (struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(otlp->listener, 16), 0);
	assert_int_equal(getsockname(otlp->listener, (struct sockaddr *)&address, &size), 0);
	snprintf(otlp->url, sizeof otlp->url, "http://127.0.0.1:%u", ntohs(address.sin_port));
	assert_int_equal(pipe(otlp->stop), 0);
	pthread_mutex_init(&otlp->mutex, NULL);
	assert_int_equal(pthread_create(&otlp->thread, NULL, run, otlp), 0);
}

void otlp_close(struct otlp *otlp)
{
	assert_int_equal(write(otlp->stop[1], "", 1), 1);
	pthread_join(otlp->thread, NULL);
	close(otlp->listener);
	close(otlp->stop[0]);
	close(otlp->stop[1]);
	for (size_t i = 0; i < KEPT; i++) {
		free(otlp->heads[i]);
		free(otlp->documents[i]);
	}
	pthread_mutex_destroy(&otlp->mutex);
}

/* ---------------------------------------------------------------- what has come */

static size_t read_count(struct otlp *otlp, const size_t *count)
{
	pthread_mutex_lock(&otlp->mutex);
	size_t n = *count;
	pthread_mutex_unlock(&otlp->mutex);
	return n;
}

size_t otlp_documents(struct otlp *otlp)
{
	return read_count(otlp, &otlp->n_documents);
}

size_t otlp_connections(struct otlp *otlp)
{
	return read_count(otlp, &otlp->n_connections);
}

cJSON *otlp_document(struct otlp *otlp, size_t i)
{
	assert_true(i < KEPT);
	for (int64_t until = now_ms() + WAIT_MS; otlp_documents(otlp) <= i; poll(NULL, 0, 5))
		if (now_ms() > until)
			fail_msg("document %zu has not come", i);
	cJSON *document = cJSON_ParseWithOpts(otlp->documents[i], NULL, true);
	if (!document)
		fail_msg("not JSON: %s", otlp->documents[i]);
	return document;
}

static const cJSON *spans_of(const cJSON *document)
{
	const cJSON *resource = json_member(document, "resourceSpans");
	assert_int_equal(cJSON_GetArraySize(resource), 1);
	const cJSON *scope = json_member(resource->child, "scopeSpans");
	assert_int_equal(cJSON_GetArraySize(scope), 1);
	return json_member(scope->child, "spans");
}

const cJSON *otlp_span(const cJSON *document, size_t i)
{
	const cJSON *span = spans_of(document)->child;
	while (span && i-- > 0)
		span = span->next;
	return span;
}

cJSON *otlp_requests(struct otlp *otlp)
{
	cJSON *all = cJSON_CreateArray();
	for (size_t i = 0, n = otlp_documents(otlp); i < n; i++) {
		cJSON *document = otlp_document(otlp, i);
		for (size_t k = 0; otlp_span(document, k); k++)
			if (json_number(json_member(otlp_span(document, k), "kind")) == 2)
				cJSON_AddItemToArray(all,
						     cJSON_Duplicate(otlp_span(document, k), true));
		cJSON_Delete(document);
	}
	return all;
}

const char *otlp_attribute(const cJSON *span, const char *key)
{
	const cJSON *attribute = json_member(span, "attributes")->child;
	while (attribute && strcmp(json_string(json_member(attribute, "key")), key) != 0)
		attribute = attribute->next;
	if (!attribute)
		return NULL;
	const cJSON *value = json_member(attribute, "value")->child;
	assert_null(value->next);
	return json_string(value);
}

uint64_t otlp_number(const cJSON *span, const char *member)
{
	char *end;
	const char *text = json_string(json_member(span, member));
	uint64_t number = strtoull(text, &end, 10);
	assert_true(end > text && *end == '\0');
	return number;
}
