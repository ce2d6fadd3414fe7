#include "collector.h"

#include <curl/curl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "collector_reply.h"
#include "os/clock.h"

#define TRACES_PATH "/v1/traces"
#define TIMEOUT_MS 10000L
#define CONNECT_MS 5000L
#define NS_PER_MS UINT64_C(1000000)
/* Who waits for more than that is woken when there is a reason. */
#define WAIT_MS UINT64_C(1000)

struct collector {
	CURLM *multi; /* so that a transfer can be left at any time */
	CURL *easy;
	struct curl_slist *headers;
	_Atomic uint64_t end_ns;
	size_t n_text;
	char text[4096]; /* the beginning of the reply */
	char url[COLLECTOR_URL_SIZE];
};

void collector_url(const char *endpoint, char out[COLLECTOR_URL_SIZE])
{
	const char *host = strstr(endpoint, "://") + strlen("://");
	size_t n = (size_t)(host - endpoint) + strcspn(host, "/?#");
	const char *rest = endpoint + n;
	bool has_path = rest[0] == '/' && !strchr("?#", rest[1]);
	snprintf(out, COLLECTOR_URL_SIZE, "%.*s%s%s", (int)n, endpoint, has_path ? "" : TRACES_PATH,
		 has_path || *rest != '/' ? rest : rest + 1);
}

/* ---------------------------------------------------------------- start */

static size_t keep_text(char *bytes, size_t size, size_t n, void *context)
{
	struct collector *collector = (struct collector *)context;
	size_t room = sizeof collector->text - 1 - collector->n_text;
	size_t kept = size * n < room ? size * n : room;
	memcpy(collector->text + collector->n_text, bytes, kept);
	collector->n_text += kept;
	return size * n;
}

static bool set_up(struct collector *c)
{
	CURL *easy = c->easy;
	/* Without "Expect" a long document is not held back to be asked for. */
	static const char *const headers[] = {"Content-Type: application/json", "Expect:"};
	for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
		struct curl_slist *longer = curl_slist_append(c->headers, headers[i]);
		if (!longer)
			return false;
		c->headers = longer;
	}
#if LIBCURL_VERSION_NUM >= 0x075500
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
#if LIBCURL_VERSION_NUM >= 0x075700
	/* A name that is being looked up does not hold up the end. */
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, c->headers);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "lossd/" LOSS_VERSION);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, TIMEOUT_MS);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, keep_text);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, c);
	return curl_easy_setopt(easy, CURLOPT_URL, c->url) == CURLE_OK;
}

struct collector *collector_create(struct loss_arena *arena, const char *endpoint)
{
	struct collector *c = loss_arena_array(arena, struct collector, 1);
	if (!c || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return NULL;
	*c = (struct collector){.multi = curl_multi_init(), .easy = curl_easy_init()};
	atomic_store(&c->end_ns, UINT64_MAX);
	collector_url(endpoint, c->url);
	if (c->multi && c->easy && set_up(c))
		return c;
	collector_destroy(c);
	return NULL;
}

void collector_destroy(struct collector *collector)
{
	if (!collector)
		return;
	curl_easy_cleanup(collector->easy);
	curl_multi_cleanup(collector->multi);
	curl_slist_free_all(collector->headers);
	curl_global_cleanup();
}

void collector_end_at(struct collector *collector, uint64_t ns)
{
	atomic_store(&collector->end_ns, ns);
	curl_multi_wakeup(collector->multi);
}

/* ---------------------------------------------------------------- a document */

/* Milliseconds until the end, rounded up, no more than a wait is; 0: it is past. */
static int left_ms(const struct collector *c)
{
	uint64_t now = clock_ns(), end = atomic_load(&c->end_ns);
	uint64_t left = end > now ? (end - now) / NS_PER_MS + 1 : 0;
	return (int)(left < WAIT_MS ? left : WAIT_MS);
}

/* False: it was left before its end. */
static bool transfer(struct collector *c, CURLcode *result)
{
	int running = 1, left, queued;
	curl_multi_add_handle(c->multi, c->easy);
	while (running && (left = left_ms(c)) > 0) {
		if (curl_multi_perform(c->multi, &running) != CURLM_OK)
			break;
		if (running)
			curl_multi_poll(c->multi, NULL, 0, left, NULL);
	}
	const CURLMsg *message = curl_multi_info_read(c->multi, &queued);
	bool ended = message != NULL;
	*result = ended ? message->data.result : CURLE_OK;
	curl_multi_remove_handle(c->multi, c->easy);
	return ended;
}

/* What a collector that can not take spans now says so by (OTLP, "Retryable Response Codes"). */
static bool is_busy(long status)
{
	return status == 429 || status == 502 || status == 503 || status == 504;
}

static void judge(struct collector *c, struct collector_reply *reply)
{
	long status = 0;
	curl_off_t seconds = 0;
	curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(c->easy, CURLINFO_RETRY_AFTER, &seconds);
	c->text[c->n_text] = '\0';
	if (status >= 200 && status < 300) {
		reply->end = COLLECTOR_TOOK;
		collector_reply_read(c->text, reply);
		return;
	}
	reply->end = is_busy(status) ? COLLECTOR_BUSY : COLLECTOR_REFUSED;
	reply->wait_seconds = is_busy(status) && seconds > 0 ? (uint64_t)seconds : 0;
	snprintf(reply->why, sizeof reply->why, "status %ld: %.100s", status, c->text);
}

void collector_post(struct collector *c, const struct loss_buffer *document,
		    struct collector_reply *reply)
{
	CURLcode result;
	*reply = (struct collector_reply){.end = COLLECTOR_BUSY};
	c->n_text = 0;
	curl_easy_setopt(c->easy, CURLOPT_POSTFIELDS, (const char *)document->data);
	curl_easy_setopt(c->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)document->size);
	if (!transfer(c, &result))
		snprintf(reply->why, sizeof reply->why, "the server stops");
	else if (result != CURLE_OK)
		snprintf(reply->why, sizeof reply->why, "%s", curl_easy_strerror(result));
	else
		judge(c, reply);
}
