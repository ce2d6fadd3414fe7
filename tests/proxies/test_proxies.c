/*
 * HAProxy and nginx in front of the server, with the configurations of docker/, in plain text and
 * where they end TLS: heads and chunks of odd framing smuggle nothing past them, and what is right
 * gets through.
 */
#include "../support/framing.h"
#include "../support/proxy.h"
#include "../support/tls_stream.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_MS 90000
#define TEXT(text) text, sizeof(text) - 1
#define MARKER "lossd_http_requests_total{route=\"" HIDDEN_PATH "\",method=\"GET\",code=\"200\"}"

#define FILL_50 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define FILL_200 FILL_50 FILL_50 FILL_50 FILL_50
/* After the marker: whoever has come so far closes then. It is longer than the longest body, so
 * that nobody waits for the rest of one. */
#define LAST                                                                                       \
	"GET /v2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Fill: " FILL_200 FILL_200 FILL_200  \
		FILL_200 FILL_200 FILL_200 "\r\n\r\n"

/* ---------------------------------------------------------------- cases */

/* Chunks that end with a bare line feed somewhere, which libmicrohttpd 0.9 takes. */
static const struct framing_refused chunks[] = {
	{"a line feed after a chunk's size", TEXT(CHUNKED "3\nabc\r\n0\r\n\r\n" HIDDEN), 0, NULL},
	{"a line feed after a chunk", TEXT(CHUNKED "3\r\nabc\n0\r\n\r\n" HIDDEN), 0, NULL},
	{"a line feed after the last chunk's size", TEXT(CHUNKED "0\n\r\n" HIDDEN), 0, NULL},
	{"a line feed after the last chunk", TEXT(CHUNKED "0\r\n\n" HIDDEN), 0, NULL},
	{"a line feed everywhere", TEXT(CHUNKED "3\nabc\n0\n\n" HIDDEN), 0, NULL},
	{"a line feed in an extension", TEXT(CHUNKED "3;a\nb\r\nabc\r\n0\r\n\r\n" HIDDEN), 0, NULL},
	{"a line feed an extension of its own",
	 TEXT(CHUNKED "2;\nab\r\n5b\r\n0\r\n\r\n" HIDDEN "0\r\n\r\n"), 0, NULL},
	{"a line feed in a trailer", TEXT(CHUNKED "0\r\nX: a\nY: b\r\n\r\n" HIDDEN), 0, NULL},
	{"a bare carriage return", TEXT(CHUNKED "3\rabc\r\n0\r\n\r\n" HIDDEN), 0, NULL},
	{"two carriage returns", TEXT(CHUNKED "3\r\r\nabc\r\n0\r\n\r\n" HIDDEN), 0, NULL},
	{0},
};

/*
 * What a proxy reads as one whole request, and writes anew in a way that can not be read otherwise:
 * the marker after it is then a second request, for the proxy and for the server alike. Of nothing
 * else the marker may come through.
 */
static const char *const repaired_by_haproxy[] = {
	"two hosts",
	"a folded value",
	"a bare line feed",
	"a bare line feed after the request line",
	"a bare line feed at the end",
	"two spaces before the target",
	"two spaces before the version",
	"a tab after the method",
	NULL,
};
static const char *const repaired_by_nginx[] = {
	"a line feed after a chunk's size",
	"a line feed after a chunk",
	"a line feed after the last chunk's size",
	"a line feed after the last chunk",
	"a line feed everywhere",
	"a line feed in a trailer",
	"a space after the length",
	"a space after the coding",
	"no length",
	"a line without a colon",
	"a bare line feed",
	"a bare line feed after the request line",
	"a bare line feed at the end",
	"two spaces before the target",
	"two spaces before the version",
	"a space after the version",
	"an unknown expectation",
	"a space after the expectation",
	"a tab after the expectation",
	"two expectations in one",
	"an empty expectation",
	NULL,
};

/* What a proxy passes on as it came, so that the server refuses it: nothing that the server's HTTP
 * library could read otherwise. */
static const char *const passed_by_haproxy[] = {
	"coding on HTTP/1.0",
	"no host",
	"empty host",
	"host with a path",
	"an unknown expectation",
	"two expectations",
	"two expectations in one",
	"an empty expectation",
	NULL,
};
static const char *const passed_by_nginx[] = {NULL};

static const struct setting {
	const struct proxy_kind *kind;
	const char *const *repaired;
	const char *const *passed;
} settings[] = {
	{&proxy_haproxy, repaired_by_haproxy, passed_by_haproxy},
	{&proxy_nginx, repaired_by_nginx, passed_by_nginx},
	{&proxy_haproxy_tls, repaired_by_haproxy, passed_by_haproxy},
	{&proxy_nginx_tls, repaired_by_nginx, passed_by_nginx},
};

/* ---------------------------------------------------------------- server and proxy */

static struct server server;
static struct proxy proxy;

static int stop(void **state)
{
	(void)state;
	proxy_stop(&proxy);
	server_kill(&server);
	return 0;
}

static const struct setting *start(void **state, const char *const *flags)
{
	const struct setting *setting = *state;
	if (!proxy_is_there(setting->kind)) {
		print_message("there is no %s here\n", setting->kind->program);
		skip();
	}
	assert_int_equal(server_start(&server, flags, NULL), 0);
	proxy_start(&proxy, setting->kind, &server);
	return setting;
}

/* How often the server has been asked for the marker's path. */
static unsigned long markers(void)
{
	struct client *client = client_open(&server);
	struct reply reply;
	client_get(client, "/metrics", &reply);
	assert_int_equal(reply.status, 200);
	const char *at = strstr(reply.body, MARKER);
	unsigned long n = at ? strtoul(at + sizeof MARKER - 1, NULL, 10) : 0;
	reply_free(&reply);
	client_close(client);
	return n;
}

/* ---------------------------------------------------------------- what is odd */

/* What came back on one connection. */
struct exchange {
	char bytes[1 << 20];
	size_t n;
	bool closed;
	unsigned replies, markers;
};

/* The end of the reply at `at`, and its status. */
static const char *read_reply(const char *at, int *status, bool *marker)
{
	const char *body = strstr(at, "\r\n\r\n"), *length = strcasestr(at, "\r\nContent-Length:");
	const char *id = strcasestr(at, "\r\nX-Request-Id: smuggled\r\n");
	if (strncmp(at, "HTTP/1.1 ", 9) != 0 || !body)
		return NULL;
	*status = atoi(at + 9);
	*marker = id && id < body && *status == 200;
	size_t n = length && length < body ? strtoul(length + 17, NULL, 10) : 0;
	return strlen(body + 4) >= n ? body + 4 + n : NULL;
}

static void exchange_plain(const char *request, size_t n, struct exchange *x)
{
	int fd = raw_connect(&proxy.front);
	raw_send(fd, request, n); /* it may be closed before all is sent */
	raw_send(fd, LAST, sizeof LAST - 1);
	x->n = raw_read(fd, x->bytes, sizeof x->bytes, WAIT_MS, &x->closed);
	close(fd);
}

static void exchange_tls(const char *request, size_t n, struct exchange *x)
{
	struct tls_stream *stream =
		tls_stream_open(&proxy.front, &(struct tls_stream_setup){.priorities = NULL});
	assert_non_null(stream);
	tls_stream_send(stream, request, n);
	tls_stream_send(stream, LAST, sizeof LAST - 1);
	x->n = tls_stream_read(stream, x->bytes, sizeof x->bytes, WAIT_MS, &x->closed);
	tls_stream_close(stream);
}

static void send_all(const struct setting *setting, const char *request, size_t n,
		     struct exchange *x)
{
	*x = (struct exchange){.n = 0};
	(setting->kind->tls ? exchange_tls : exchange_plain)(request, n, x);
	int status = 0;
	bool marker = false;
	for (const char *at = x->bytes; (at = read_reply(at, &status, &marker));) {
		if (status < 200)
			continue;
		x->replies++;
		x->markers += marker;
	}
}

static bool is_among(const char *name, const char *const *names)
{
	for (; *names; names++)
		if (strcmp(*names, name) == 0)
			return true;
	return false;
}

/* Where the marker is a second request, it is answered as that: in its order, by its own reply.
 * Returns the number of things that are wrong. */
static int check(const struct framing_refused *r, const struct exchange *x, bool repaired)
{
	const char *wrong = NULL;
	if (!x->closed)
		wrong = "neither answered nor closed";
	else if (x->markers > 0 && !repaired)
		wrong = "the marker has come through";
	else if (repaired && (x->markers != 1 || x->replies != 3))
		wrong = "not three replies, the second of them the marker's";
	if (!wrong)
		return 0;
	print_error("%s: %s: %u replies, %u of them the marker's: %.300s\n", r->name, wrong,
		    x->replies, x->markers, x->bytes);
	return 1;
}

/* Once all connections of the proxy are gone, all that was asked on them is counted. */
static void expect_counted(unsigned long seen, unsigned long passed)
{
	int64_t until = now_ms() + WAIT_MS;
	proxy_stop(&proxy);
	while (server_metric(&server, "lossd_connections") > 1.0 && now_ms() < until)
		poll(NULL, 0, 10);
	assert_int_equal(markers(), seen);
	assert_int_equal(server_metric(&server, "lossd_rejected_total{reason=\"framing\"}"),
			 passed);
}

/* The server has never seen a marker whose answer was not the client's. */
static void run(const struct setting *setting, const struct framing_refused *table)
{
	static struct exchange x;
	unsigned long seen = 0, passed = 0;
	int bad = 0;
	for (const struct framing_refused *r = table; r->name; r++) {
		send_all(setting, r->request, r->n, &x);
		bad += check(r, &x, is_among(r->name, setting->repaired));
		seen += x.markers;
		passed += is_among(r->name, setting->passed);
	}
	expect_counted(seen, passed);
	if (bad > 0)
		fail_msg("%d things are wrong", bad);
}

/* In the last bytes of a head that is as long as may be, too. */
static void nul_is_found_behind_a_long_head(void **state)
{
	static const char begin[] = "GET /v1/losses HTTP/1.1\r\n" HOST "X: ",
			  end[] = "a\0b\r\n\r\n" HIDDEN;
	static char request[sizeof begin + 12000 + sizeof end];
	static struct exchange x;
	const struct setting *setting = start(state, NULL);
	memcpy(request, begin, sizeof begin - 1);
	memset(request + sizeof begin - 1, 'a', 12000);
	memcpy(request + sizeof begin - 1 + 12000, end, sizeof end - 1);
	send_all(setting, request, sizeof begin - 1 + 12000 + sizeof end - 1, &x);
	assert_true(x.closed);
	assert_int_equal(x.replies, 1);
	assert_int_equal(strncmp(x.bytes, "HTTP/1.1 400 ", 13), 0);
	expect_counted(0, 0);
}

static const char *const short_bodies[] = {"--max-body-bytes", "1000", NULL};

static void heads_smuggle_nothing(void **state)
{
	run(start(state, short_bodies), framing_refused);
}

static void chunks_smuggle_nothing(void **state)
{
	run(start(state, short_bodies), chunks);
}

/* ---------------------------------------------------------------- what is right */

static void expect_loss(struct client *client, const struct request *request, double loss)
{
	struct reply reply;
	client_send(client, request, &reply);
	if (reply.status != 200)
		fail_msg("%d: %s", reply.status, reply.body);
	cJSON *json = reply_json(&reply);
	double found = json_number(json_member(json, "loss"));
	assert_true(found > loss - 1e-5 && found < loss + 1e-5);
	cJSON_Delete(json);
	reply_free(&reply);
}

static const char *const json_headers[] = {"Content-Type: application/json", NULL};

/* On one connection of the client, and with one of the proxy's kept open to the server. */
static void evaluations_come_through_on_one_connection(void **state)
{
	static const char *const headers[] = {"Content-Type: application/json",
					      "X-Request-Id: mine", NULL};
	start(state, NULL);
	struct client *client = client_open(&proxy.front);
	for (int i = 0; i < 10; i++) {
		struct reply reply;
		char id[32];
		client_send(client,
			    &(struct request){
				    .path = CROSS_ENTROPY, .headers = headers, .body = PROBLEM},
			    &reply);
		assert_int_equal(reply.status, 200);
		assert_non_null(strstr(reply.body, SEED_LOSS));
		assert_int_equal(reply.new_connections, i == 0);
		assert_true(reply_header(&reply, "X-Request-Id", id, sizeof id));
		assert_string_equal(id, "mine");
		reply_free(&reply);
	}
	/* This question's own connection is one of them. */
	assert_true(server_metric(&server, "lossd_connections") >= 2.0);
	client_close(client);
}

struct upload {
	const char *bytes;
	size_t left;
};

static size_t upload(void *context, char *out, size_t n)
{
	struct upload *u = context;
	n = n < u->left ? n : u->left;
	memcpy(out, u->bytes, n);
	u->bytes += n;
	u->left -= n;
	return n;
}

/* 5 MB, with their length and in chunks. */
static void long_bodies_come_through(void **state)
{
	size_t size;
	start(state, NULL);
	char *body = body_of_zeros(2600, 1000, &size);
	assert_true(size >= 5000000);
	struct upload chunked = {body, size};
	struct client *client = client_open(&proxy.front);
	expect_loss(client,
		    &(struct request){.path = CROSS_ENTROPY,
				      .headers = json_headers,
				      .body = body,
				      .body_size = size},
		    6.907755);
	expect_loss(client,
		    &(struct request){.path = CROSS_ENTROPY,
				      .headers = json_headers,
				      .upload = upload,
				      .context = &chunked},
		    6.907755);
	client_close(client);
	free(body);
}

/* A Host that the server does not answer to is refused by it, through the proxy too. */
static void the_host_comes_through(void **state)
{
	static const char *const flags[] = {"--hosts", "loss.example", NULL};
	static const char *const known[] = {"Host: loss.example", NULL};
	struct reply reply;
	start(state, flags);
	struct client *client = client_open(&proxy.front);
	client_send(client, &(struct request){.path = "/v2/health/ready", .headers = known},
		    &reply);
	assert_int_equal(reply.status, 200);
	reply_free(&reply);
	client_get(client, "/v2/health/ready", &reply);
	assert_int_equal(reply.status, 403);
	reply_free(&reply);
	client_close(client);
}

int main(void)
{
	union {
		const struct setting *in;
		void *out;
	} haproxy = {&settings[0]}, nginx = {&settings[1]}, haproxy_tls = {&settings[2]},
	  nginx_tls = {&settings[3]};
#define BOTH(test)                                                                                 \
	{"haproxy: " #test, test, NULL, stop, haproxy.out},                                        \
	{                                                                                          \
		"nginx: " #test, test, NULL, stop, nginx.out                                       \
	}
#define ALL(test)                                                                                  \
	BOTH(test), {"haproxy, TLS: " #test, test, NULL, stop, haproxy_tls.out},                   \
	{                                                                                          \
		"nginx, TLS: " #test, test, NULL, stop, nginx_tls.out                              \
	}
	const struct CMUnitTest tests[] = {
		ALL(heads_smuggle_nothing),
		ALL(chunks_smuggle_nothing),
		ALL(nul_is_found_behind_a_long_head),
		BOTH(evaluations_come_through_on_one_connection),
		BOTH(long_bodies_come_through),
		BOTH(the_host_comes_through),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
