/*
 * Clients that dawdle: each is gone when its phase's deadline has passed, however it trickles, and
 * nobody else notices. Deadlines that must pass here are short; a late end is one that comes
 * seconds later.
 */
#include "../support/group.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define POST "POST " CROSS_ENTROPY " HTTP/1.1\r\nHost: a\r\n"
#define LIVE "GET /v2/health/live HTTP/1.1\r\nHost: a\r\n"

#define HEAD_MS 300
#define BODY_MS 400
#define BODY_RATE 1000 /* bytes a second */
#define REPLY_MS 500
#define IDLE_MS 2000
#define LATE_MS 20000
#define WAIT_MS 60000
#define STEP_MS 15 /* between the bytes of a trickle */

static int start(void **state)
{
	static const char *const flags[] = {"--head-timeout-ms",
					    "300",
					    "--body-timeout-ms",
					    "400",
					    "--body-min-bytes-per-second",
					    "1000",
					    "--reply-timeout-ms",
					    "500",
					    "--idle-timeout-ms",
					    "2000",
					    NULL};
	(void)state;
	return group_start_with(flags);
}

/* ---------------------------------------------------------------- the clients */

struct dawdler {
	const char *name;
	const char *first;   /* sent at once */
	const char *trickle; /* sent byte by byte, over and over; NULL: silence */
	const char *rest;    /* sent when the reply to `first` has come; NULL: none, the clock runs
				from the start */
	int from_ms;         /* its end may not come before */
	const char *reason;  /* that the end is counted under */
	int fd;
	int64_t started, ended; /* ended: 0 while it lives */
};

static void begin(struct dawdler *d)
{
	char out[2048];
	d->fd = raw_connect(&server);
	d->started = now_ms();
	assert_true(raw_send(d->fd, d->first, strlen(d->first)));
	if (!d->rest)
		return;
	raw_read_until(d->fd, out, sizeof out, "}", WAIT_MS);
	d->started = now_ms();
	assert_true(raw_send(d->fd, d->rest, strlen(d->rest)));
}

static void step(struct dawdler *d)
{
	char out[4096];
	if (d->trickle)
		send(d->fd, d->trickle, 1, MSG_NOSIGNAL);
	ssize_t n = recv(d->fd, out, sizeof out, MSG_DONTWAIT);
	if (n == 0 || (n < 0 && recv(d->fd, out, 1, MSG_DONTWAIT) == 0))
		d->ended = now_ms();
	struct pollfd state = {.fd = d->fd};
	if (poll(&state, 1, 0) == 1 && (state.revents & (POLLHUP | POLLERR)))
		d->ended = now_ms();
}

static double rejected(const char *reason)
{
	char name[128];
	snprintf(name, sizeof name, "lossd_rejected_total{reason=\"%s\"}", reason);
	return server_metric(&server, name);
}

static struct dawdler dawdlers[] = {
	{"silence", "", NULL, NULL, HEAD_MS, "head_timeout", 0, 0, 0},
	{"a trickling request line", "", "G", NULL, HEAD_MS, "head_timeout", 0, 0, 0},
	{"a trickling header", "GET / HTTP/1.1\r\nX: ", "a", NULL, HEAD_MS, "head_timeout", 0, 0,
	 0},
	{"a TLS hello", "\x16\x03\x01\x02", NULL, NULL, HEAD_MS, "head_timeout", 0, 0, 0},
	{"a slow second head", LIVE "\r\n", "a", "GET / HTTP/1.1\r\nX: ", HEAD_MS, "head_timeout",
	 0, 0, 0},
	{"a body that does not come", POST "Content-Length: 1000\r\n\r\n", NULL, NULL, BODY_MS,
	 "body_timeout", 0, 0, 0},
	{"a trickling body", POST "Content-Length: 1000\r\n\r\n", " ", NULL, BODY_MS,
	 "body_timeout", 0, 0, 0},
	{"a trickling chunk", POST "Transfer-Encoding: chunked\r\n\r\nfff\r\n", " ", NULL, BODY_MS,
	 "body_timeout", 0, 0, 0},
	{"a trickling body to nowhere",
	 "POST /no HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n", " ", NULL, BODY_MS,
	 "body_timeout", 0, 0, 0},
	{"200 bytes of a body, then silence",
	 POST "Content-Length: 1000\r\n\r\n"
	      "                                                                                "
	      "                                                                                "
	      "                                        ",
	 NULL, NULL, BODY_MS + 200 * 1000 / BODY_RATE, "body_timeout", 0, 0, 0},
	{"idleness", LIVE "\r\n", NULL, "", IDLE_MS, "idle_timeout", 0, 0, 0},
	/* It is a head that trickles: it does not have the time of idleness. */
	{"a trickle after a reply", LIVE "\r\n", "G", "", HEAD_MS, "head_timeout", 0, 0, 0},
	{"a byte after a reply", LIVE "\r\n", NULL, "G", HEAD_MS, "head_timeout", 0, 0, 0},
	{"a byte after a request", LIVE "\r\nG", NULL, "", HEAD_MS, "head_timeout", 0, 0, 0},
};
#define N_DAWDLERS (sizeof dawdlers / sizeof dawdlers[0])

static void finish(struct dawdler *d, double before)
{
	int64_t ms = d->ended - d->started;
	close(d->fd);
	if (!d->ended)
		fail_msg("%s: still there", d->name);
	if (ms < d->from_ms || ms > d->from_ms + LATE_MS)
		fail_msg("%s: gone after %lld ms, not %d", d->name, (long long)ms, d->from_ms);
	/* Each is counted for its own reason, and for no other. */
	double alike = 0;
	for (size_t i = 0; i < N_DAWDLERS; i++)
		alike += strcmp(dawdlers[i].reason, d->reason) == 0;
	if (rejected(d->reason) != before + alike)
		fail_msg("%s: not all counted as %s", d->name, d->reason);
}

static bool all_ended(void)
{
	for (size_t i = 0; i < N_DAWDLERS; i++)
		if (!dawdlers[i].ended)
			return false;
	return true;
}

/* All at once, while somebody else is served. */
static void dawdlers_are_gone_at_their_deadlines(void **state)
{
	double before[N_DAWDLERS];
	(void)state;
	for (size_t i = 0; i < N_DAWDLERS; i++)
		before[i] = rejected(dawdlers[i].reason);
	for (size_t i = 0; i < N_DAWDLERS; i++)
		begin(&dawdlers[i]);
	for (int64_t end = now_ms() + WAIT_MS; !all_ended() && now_ms() < end;) {
		struct reply reply;
		client_post(client, CROSS_ENTROPY, GOOD, &reply);
		assert_int_equal(reply.status, 200);
		reply_free(&reply);
		for (size_t i = 0; i < N_DAWDLERS; i++)
			if (!dawdlers[i].ended)
				step(&dawdlers[i]);
		poll(NULL, 0, STEP_MS);
	}
	for (size_t i = 0; i < N_DAWDLERS; i++)
		finish(&dawdlers[i], before[i]);
}

/* Requests of long replies without end, none of which is read. */
static void slow_readers_are_cut(void **state)
{
	static const char request[] = "GET /openapi.yaml HTTP/1.1\r\nHost: a\r\n\r\n";
	double before = rejected("reply_timeout");
	int fd = raw_connect(&server);
	struct pollfd ready = {.fd = fd, .events = POLLOUT};
	int64_t end = now_ms() + WAIT_MS;
	(void)state;
	/* Until the server is gone: while it can still take something it is given it, so that it
	 * never lacks requests. */
	while (now_ms() < end && !(ready.revents & (POLLHUP | POLLERR))) {
		poll(&ready, 1, STEP_MS);
		if (ready.revents & POLLOUT)
			send(fd, request, sizeof request - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	assert_true(ready.revents & (POLLHUP | POLLERR));
	assert_true(rejected("reply_timeout") > before);
	close(fd);
}

/* ---------------------------------------------------------------- the caller's own deadline */

static void wait_ms(int64_t ms)
{
	for (int64_t end = now_ms() + ms; now_ms() <= end;)
		poll(NULL, 0, (int)ms);
}

/* Past it the rest of the body is read, and then answered; the connection lives on. */
static void a_deadline_passes_during_the_body(void **state)
{
	static const char head[] = POST "X-Request-Timeout-Ms: 1\r\nContent-Length: 36\r\n\r\n";
	static const char rest[] = GOOD LIVE "\r\n";
	char out[4096];
	int fd = raw_connect(&server);
	(void)state;
	_Static_assert(sizeof GOOD - 1 == 36, "the length is GOOD's");
	assert_true(raw_send(fd, head, sizeof head - 1));
	assert_true(raw_send(fd, rest, 10));
	wait_ms(20);
	assert_true(raw_send(fd, &rest[10], sizeof rest - 1 - 10));
	raw_read_until(fd, out, sizeof out, "{\"live\":true}", WAIT_MS);
	if (strncmp(out, "HTTP/1.1 504 ", 13) != 0 || !strstr(out, "deadline_exceeded") ||
	    !strstr(out, "{\"live\":true}"))
		fail_msg("not 504 and the next reply, but %s", out);
	close(fd);
}

/* The largest that may be asked for, and a middling one: both are longer than it takes. */
static void a_deadline_far_away_changes_nothing(void **state)
{
	static const char *const heads[] = {
		POST "X-Request-Timeout-Ms: 3600000\r\nContent-Length: 36\r\n\r\n",
		POST "X-Request-Timeout-Ms: 60000\r\nContent-Length: 36\r\n\r\n",
	};
	char out[4096];
	(void)state;
	for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
		int fd = raw_connect(&server);
		assert_true(raw_send(fd, heads[i], strlen(heads[i])));
		assert_true(raw_send(fd, GOOD, 10));
		wait_ms(150); /* long after one that were read in other units */
		assert_true(raw_send(fd, &GOOD[10], sizeof GOOD - 1 - 10));
		raw_read_until(fd, out, sizeof out, "\"metrics\"", WAIT_MS);
		assert_memory_equal(out, "HTTP/1.1 200 ", 13);
		close(fd);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dawdlers_are_gone_at_their_deadlines),
		cmocka_unit_test(slow_readers_are_cut),
		cmocka_unit_test(a_deadline_passes_during_the_body),
		cmocka_unit_test(a_deadline_far_away_changes_nothing),
	};
	return cmocka_run_group_tests(tests, start, group_stop);
}
