/* Bodies of a problem a line, by the real server: framing, codings, limits, refusals, clients that
 * leave. What a line may be, and every way to cut them: unit/test_lines.c. */
#include "../support/group.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include "../support/refusal.h"
#include "../support/tls_server.h"
#include "status/status.h"

#define TYPE "Content-Type: application/jsonl"
#define LINE "{\"logits\": [[1, 2]], \"targets\": [1]}\n"
#define WRONG "{\"logits\": [[1, 2]], \"targets\": [7]}\n"
#define ITS_REPLY                                                                                  \
	"{\"loss\":0.3132617,\"totals\":{\"loss_sum\":0.31326167935544874,\"denominator\":1.0,"    \
	"\"rows\":1,\"counted\":1,\"ignored\":0}}\n"

static char folder[] = "/tmp/lossd-test-lines-XXXXXX";

static int start(void **state)
{
	if (!mkdtemp(folder))
		return -1;
	const char *const flags[] = {"--spool-directory",
				     folder,
				     "--access-log",
				     "on",
				     "--max-reply-bytes",
				     "64MiB",
				     "--io-threads",
				     "1",
				     "--memory-budget-bytes",
				     "64MiB",
				     NULL};
	(void)state;
	return group_start_with(flags);
}

static int stop(void **state)
{
	int stopped = group_stop(state);
	return rmdir(folder) == 0 ? stopped : -1; /* it is empty */
}

static void post_as(const char *path, const char *const *headers, const char *body, size_t n,
		    struct reply *reply)
{
	client_send(
		client,
		&(struct request){.path = path, .headers = headers, .body = body, .body_size = n},
		reply);
}

static void post(const char *body, struct reply *reply)
{
	const char *const headers[] = {TYPE, NULL};
	post_as(CROSS_ENTROPY, headers, body, strlen(body), reply);
}

static void assert_header(const struct reply *reply, const char *name, const char *wanted)
{
	char value[256] = "";
	reply_header(reply, name, value, sizeof value);
	assert_string_equal(value, wanted);
}

/* n lines on the fly, chunked. */
struct stream {
	size_t n, sent; /* lines; bytes */
};

static size_t upload(void *context, char *out, size_t n)
{
	struct stream *stream = context;
	size_t size = sizeof LINE - 1, left = stream->n * size - stream->sent;
	n = n < left ? n : left;
	for (size_t i = 0; i < n; i++)
		out[i] = LINE[(stream->sent + i) % size];
	stream->sent += n;
	return n;
}

static void stream_lines(struct client *by, size_t n, struct reply *reply)
{
	const char *const headers[] = {TYPE, NULL};
	struct stream stream = {n, 0};
	client_send(by,
		    &(struct request){.path = CROSS_ENTROPY,
				      .headers = headers,
				      .upload = upload,
				      .context = &stream},
		    reply);
}

static void assert_replies(const struct reply *reply, size_t n)
{
	size_t size = sizeof ITS_REPLY - 1;
	assert_int_equal(reply->status, 200);
	assert_int_equal(reply->body_size, n * size);
	for (size_t i = 0; i < n; i++)
		assert_memory_equal(reply->body + i * size, ITS_REPLY, size);
}

/* ---------------------------------------------------------------- */

static void a_reply_has_a_line_for_each(void **state)
{
	struct reply reply;
	(void)state;
	post(LINE "\r\n" WRONG "\n" LINE, &reply);
	assert_int_equal(reply.status, 200);
	assert_header(&reply, "Content-Type", "application/jsonl");
	assert_memory_equal(reply.body, ITS_REPLY, sizeof ITS_REPLY - 1);
	const char *second = reply.body + sizeof ITS_REPLY - 1, *third = strchr(second, '\n') + 1;
	assert_string_equal(third, ITS_REPLY);
	cJSON *problem = cJSON_ParseWithLength(second, (size_t)(third - second));
	assert_non_null(problem);
	assert_string_equal(json_string(json_member(problem, "code")), "target_out_of_bounds");
	assert_string_equal(json_string(json_member(problem, "pointer")), "/targets/0");
	assert_int_equal(json_number(json_member(problem, "line")), 3);
	char id[64] = "";
	reply_header(&reply, "X-Request-Id", id, sizeof id);
	assert_string_equal(json_string(json_member(problem, "request_id")), id);
	cJSON_Delete(problem);
	reply_free(&reply);
}

static void all_its_names_are_taken(void **state)
{
	static const char *const types[] = {"Content-Type: application/jsonl",
					    "Content-Type: Application/X-NDJSON",
					    "Content-Type: application/jsonlines; charset=UTF-8"};
	static const char *const accepts[] = {"Accept: */*", "Accept: application/x-ndjson",
					      "Accept: application/json, application/*;q=0.5"};
	struct reply reply;
	(void)state;
	for (size_t i = 0; i < 3; i++)
		for (size_t k = 0; k < 3; k++) {
			const char *const headers[] = {types[i], accepts[k], NULL};
			post_as(CROSS_ENTROPY, headers, LINE, strlen(LINE), &reply);
			assert_string_equal(reply.body, ITS_REPLY);
			assert_header(&reply, "Content-Type",
				      k == 1 ? "application/x-ndjson" : "application/jsonl");
			reply_free(&reply);
		}
}

static void refuse(const char *what, const char *path, const char *const *headers, const char *body,
		   const struct refusal *wanted)
{
	struct reply reply;
	post_as(path, headers, body, strlen(body), &reply);
	assert_int_equal(refusal_check(what, wanted, &reply), 0);
}

/* What is wrong with all of it is no line's. */
static void what_is_wrong_with_the_request_is_told_as_ever(void **state)
{
	const char *const plain[] = {TYPE, NULL};
	(void)state;
	refuse("empty", CROSS_ENTROPY, plain, "\n \r\n",
	       &(struct refusal){STATUS_EMPTY_BODY, NULL, "no line"});
	refuse("query", CROSS_ENTROPY "?nonsense=1", plain, LINE,
	       &(struct refusal){LOSS_UNKNOWN_FIELD, NULL, "nonsense"});
	refuse("loss", "/v1/losses/cross", plain, LINE,
	       &(struct refusal){STATUS_UNKNOWN_LOSS, NULL, "cross_entropy"});
	refuse("charset", CROSS_ENTROPY, (const char *const[]){TYPE "; charset=latin1", NULL}, LINE,
	       &(struct refusal){STATUS_UNSUPPORTED_MEDIA_TYPE, NULL, "latin1"});
	refuse("accept", CROSS_ENTROPY,
	       (const char *const[]){TYPE, "Accept: application/json", NULL}, LINE,
	       &(struct refusal){STATUS_NOT_ACCEPTABLE, NULL, "application/jsonl"});
	refuse("coding", CROSS_ENTROPY, (const char *const[]){TYPE, "Content-Encoding: gzip", NULL},
	       LINE, &(struct refusal){STATUS_INVALID_ENCODING, NULL, "gzip"});
}

/* ---------------------------------------------------------------- codings */

static size_t recode(bool inflates, const void *from, size_t n, char *to, size_t room)
{
	z_stream stream = {.next_in = (Bytef *)(uintptr_t)from,
			   .avail_in = (uInt)n,
			   .next_out = (Bytef *)to,
			   .avail_out = (uInt)room};
	int done;
	if (inflates) {
		assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
		done = inflate(&stream, Z_FINISH);
		inflateEnd(&stream);
	} else {
		assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, 0), Z_OK);
		done = deflate(&stream, Z_FINISH);
		deflateEnd(&stream);
	}
	assert_int_equal(done, Z_STREAM_END);
	return stream.total_out;
}

static char *repeated(const char *text, size_t n, size_t *size)
{
	size_t one = strlen(text);
	char *all = malloc(n * one + 1);
	assert_non_null(all);
	for (size_t i = 0; i < n; i++)
		memcpy(all + i * one, text, one + 1);
	*size = n * one;
	return all;
}

static void bodies_and_replies_may_be_compressed(void **state)
{
	static const size_t counts[] = {1, 9, 10, 2000, 25000};
	const char *const headers[] = {TYPE, "Content-Encoding: gzip", "Accept-Encoding: gzip",
				       NULL};
	(void)state;
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
		size_t size, n = counts[i], room = n * sizeof ITS_REPLY + 1024;
		char *body = repeated(LINE, n, &size), *coded = malloc(room), *got = malloc(room);
		struct reply reply;
		assert_true(coded && got);
		post_as(CROSS_ENTROPY, headers, coded, recode(false, body, size, coded, room),
			&reply);
		bool small = n * (sizeof ITS_REPLY - 1) < 1025;
		assert_header(&reply, "Content-Encoding", small ? "" : "gzip");
		assert_header(&reply, "Vary", small ? "" : "Accept-Encoding");
		if (!small) {
			size_t decoded = recode(true, reply.body, reply.body_size, got, room);
			free(reply.body);
			reply.body = got;
			reply.body_size = decoded;
			got = NULL;
		}
		assert_replies(&reply, n);
		reply_free(&reply);
		free(body);
		free(coded);
		free(got);
	}
}

/* ---------------------------------------------------------------- many */

static size_t count_files(void)
{
	size_t n = 0;
	DIR *listing = opendir(folder);
	assert_non_null(listing);
	while (readdir(listing))
		n++;
	closedir(listing);
	return n - 2; /* . and .. */
}

/* More than stays in memory: the reply comes from a file, which nobody sees. */
static void many_lines_are_answered_from_a_file(void **state)
{
	struct reply reply;
	(void)state;
	for (int i = 0; i < 2; i++) {
		stream_lines(client, 100000, &reply);
		assert_replies(&reply, 100000);
		reply_free(&reply);
		assert_int_equal(count_files(), 0);
	}
	/* and the connection goes on */
	post(LINE, &reply);
	assert_int_equal(reply.new_connections, 0);
	assert_string_equal(reply.body, ITS_REPLY);
	reply_free(&reply);
}

static size_t count_descriptors(void)
{
	char path[64];
	size_t n = 0;
	snprintf(path, sizeof path, "/proc/%d/fd", (int)server.pid);
	DIR *listing = opendir(path);
	assert_non_null(listing);
	while (readdir(listing))
		n++;
	closedir(listing);
	return n;
}

static void await_descriptors(size_t n)
{
	for (int64_t end = now_ms() + 20000; count_descriptors() > n && now_ms() < end;)
		usleep(10000);
	assert_true(count_descriptors() <= n);
}

/* Sends a head and so many lines, chunked. */
static int begin_raw(size_t lines, const char *more)
{
	static const char head[] = "POST " CROSS_ENTROPY " HTTP/1.1\r\nHost: x\r\n" TYPE
				   "\r\nTransfer-Encoding: chunked\r\n\r\n";
	size_t size;
	char *body = repeated(LINE, lines, &size), chunk[32];
	int fd = raw_connect(&server);
	int n = snprintf(chunk, sizeof chunk, "%zx\r\n", size);
	assert_true(raw_send(fd, head, sizeof head - 1) && raw_send(fd, chunk, (size_t)n) &&
		    raw_send(fd, body, size) && raw_send(fd, more, strlen(more)));
	free(body);
	return fd;
}

/* In the middle of the body, and of the reply: nothing is left of either. */
static void who_leaves_leaves_nothing(void **state)
{
	struct reply reply;
	(void)state;
	post(LINE, &reply); /* the client's connection is there */
	reply_free(&reply);
	size_t before = count_descriptors();
	for (int i = 0; i < 4; i++) {
		int fd = begin_raw(100000, i % 2 ? "\r\n0\r\n\r\n" : "");
		char some[4096];
		if (i % 2)
			raw_read_until(fd, some, sizeof some, "\r\n\r\n", 10000);
		struct linger reset = {1, 0};
		if (i >= 2)
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
		close(fd);
	}
	await_descriptors(before);
	assert_int_equal(count_files(), 0);
	for (int64_t end = now_ms() + 20000;
	     server_metric(&server, "lossd_inflight_bytes") > 20e6 && now_ms() < end;)
		usleep(10000);
	assert_true(server_metric(&server, "lossd_inflight_bytes") < 20e6);
}

/* ---------------------------------------------------------------- beside others */

static void a_deadline_is_that_of_all_lines(void **state)
{
	char got[4096];
	int fd = raw_connect(&server);
	static const char head[] = "POST " CROSS_ENTROPY " HTTP/1.1\r\nHost: x\r\n" TYPE
				   "\r\nX-Request-Timeout-Ms: 1\r\nTransfer-Encoding: chunked\r\n"
				   "Connection: close\r\n\r\n1\r\n\n\r\n";
	(void)state;
	assert_true(raw_send(fd, head, sizeof head - 1));
	double before = server_metric(&server, "lossd_rows_total{loss=\"cross_entropy\"}");
	usleep(200000); /* the deadline passes, which nothing tells */
	static const char rest[] = "25\r\n" LINE "\r\n0\r\n\r\n";
	assert_true(raw_send(fd, rest, sizeof rest - 1));
	raw_read(fd, got, sizeof got, 10000, NULL);
	close(fd);
	assert_non_null(strstr(got, " 504 "));
	assert_non_null(strstr(got, "\"code\":\"deadline_exceeded\""));
	assert_true(server_metric(&server, "lossd_rows_total{loss=\"cross_entropy\"}") == before);
}

static void an_expectation_is_met(void **state)
{
	const char *const headers[] = {TYPE, "Expect: 100-continue", NULL};
	struct reply reply;
	(void)state;
	post_as(CROSS_ENTROPY, headers, LINE, strlen(LINE), &reply);
	assert_string_equal(reply.body, ITS_REPLY);
	reply_free(&reply);
}

/* Each line is an evaluation to the metrics, and the log has one line of all. */
static void lines_are_counted(void **state)
{
	static const char decoded[] = "lossd_decode_duration_seconds_count{format=\"jsonl\"}";
	static const char rows[] = "lossd_rows_total{loss=\"cross_entropy\"}";
	double had = server_metric(&server, decoded), had_rows = server_metric(&server, rows);
	struct reply reply;
	(void)state;
	post(LINE WRONG LINE LINE, &reply);
	reply_free(&reply);
	assert_true(server_metric(&server, decoded) == had + 3);
	assert_true(server_metric(&server, rows) == had_rows + 3);
	assert_int_equal(server_log_await(&server, " rows=3 lines=4 lines_failed=1 ", 1), 1);
}

/* ---------------------------------------------------------------- limits, and other ways in */

static void replies_past_the_limit_are_told_of(void **state)
{
	enum { ALL = sizeof ITS_REPLY - 1 };
	(void)state;
	for (int less = -1; less <= 1; less++) {
		char limit[32];
		struct server other;
		struct reply reply;
		snprintf(limit, sizeof limit, "%d", 100 * ALL - less);
		assert_int_equal(
			server_start(&other,
				     (const char *const[]){"--max-reply-bytes", limit, NULL}, NULL),
			0);
		struct client *by = client_open(&other);
		stream_lines(by, 100, &reply);
		assert_int_equal(reply.status, 200);
		if (less <= 0) {
			assert_replies(&reply, 100);
		} else {
			assert_non_null(strstr(reply.body + 99 * ALL, "\"status\":413,"));
			assert_non_null(strstr(reply.body + 99 * ALL, "\"line\":100,"));
			assert_ptr_equal(strchr(reply.body + 99 * ALL, '\n') + 1,
					 reply.body + reply.body_size);
		}
		reply_free(&reply);
		client_close(by);
		assert_int_equal(server_stop(&other), 0);
	}
}

static void a_body_past_its_limit_is_refused(void **state)
{
	(void)state;
	for (size_t n = 9; n <= 11; n++) {
		struct server other;
		struct reply reply;
		char limit[32];
		snprintf(limit, sizeof limit, "%zu", 10 * (sizeof LINE - 1));
		assert_int_equal(
			server_start(&other, (const char *const[]){"--max-body-bytes", limit, NULL},
				     NULL),
			0);
		struct client *by = client_open(&other);
		stream_lines(by, n, &reply);
		assert_int_equal(reply.status, n > 10 ? 413 : 200);
		if (n <= 10)
			assert_replies(&reply, n);
		reply_free(&reply);
		client_close(by);
		assert_int_equal(server_stop(&other), 0);
	}
}

static void no_room_for_a_file_is_told_in_the_last_line(void **state)
{
	struct server other;
	struct reply reply;
	(void)state;
	assert_int_equal(
		server_start(&other,
			     (const char *const[]){"--spool-directory", "/nowhere/at/all", NULL},
			     NULL),
		0);
	struct client *by = client_open(&other);
	stream_lines(by, 100000, &reply);
	assert_int_equal(reply.status, 200);
	assert_true(reply.body_size > (size_t)4 << 20 && reply.body_size < (size_t)6 << 20);
	const char *last = reply.body + reply.body_size - 1;
	while (last[-1] != '\n')
		last--;
	assert_non_null(strstr(last, "\"status\":503,"));
	assert_non_null(strstr(last, "spool_directory: No such file or directory"));
	reply_free(&reply);
	client_close(by);
	assert_int_equal(server_stop(&other), 0);
}

/* From the file as well: what goes out is read from it piece by piece. */
static void lines_are_answered_by_tls(void **state)
{
	static struct tls_server other;
	struct reply reply;
	(void)state;
	tls_server_prepare(&other);
	assert_int_equal(tls_server_start(&other, NULL), 0);
	struct client *by = tls_client_open(&other);
	static const size_t counts[] = {1, 100000, 2};
	for (size_t i = 0; i < 3; i++) {
		stream_lines(by, counts[i], &reply);
		assert_replies(&reply, counts[i]);
		reply_free(&reply);
	}
	client_close(by);
	assert_int_equal(tls_server_stop(&other), 0);
}

/* What has begun when the server is told to stop is answered, also the lines that come after that.
 */
static void a_drain_waits_for_the_last_line(void **state)
{
	struct server other;
	char got[4096], chunk[64];
	static const char head[] = "POST " CROSS_ENTROPY " HTTP/1.1\r\nHost: x\r\n" TYPE
				   "\r\nTransfer-Encoding: chunked\r\n\r\n";
	int n = snprintf(chunk, sizeof chunk, "%zx\r\n" LINE "\r\n", sizeof LINE - 1);
	(void)state;
	assert_int_equal(
		server_start(&other, (const char *const[]){"--log-level", "info", NULL}, NULL), 0);
	double before = server_metric(&other, "lossd_inflight_bytes");
	int fd = raw_connect(&other);
	assert_true(raw_send(fd, head, sizeof head - 1) && raw_send(fd, chunk, (size_t)n));
	/* It has begun: what all lines need is held. */
	for (int64_t end = now_ms() + 20000;
	     server_metric(&other, "lossd_inflight_bytes") < before + 100000 && now_ms() < end;)
		usleep(10000);
	kill(other.pid, SIGTERM);
	assert_int_equal(server_log_await(&other, "stopping", 1), 1);
	assert_true(raw_send(fd, chunk, (size_t)n) && raw_send(fd, "0\r\n\r\n", 5));
	raw_read(fd, got, sizeof got, 20000, NULL);
	close(fd);
	assert_non_null(strstr(got, ITS_REPLY ITS_REPLY));
	assert_int_equal(server_wait(&other), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reply_has_a_line_for_each),
		cmocka_unit_test(all_its_names_are_taken),
		cmocka_unit_test(what_is_wrong_with_the_request_is_told_as_ever),
		cmocka_unit_test(bodies_and_replies_may_be_compressed),
		cmocka_unit_test(many_lines_are_answered_from_a_file),
		cmocka_unit_test(who_leaves_leaves_nothing),
		cmocka_unit_test(a_deadline_is_that_of_all_lines),
		cmocka_unit_test(an_expectation_is_met),
		cmocka_unit_test(lines_are_counted),
		cmocka_unit_test(replies_past_the_limit_are_told_of),
		cmocka_unit_test(lines_are_answered_by_tls),
		cmocka_unit_test(a_drain_waits_for_the_last_line),
		cmocka_unit_test(a_body_past_its_limit_is_refused),
		cmocka_unit_test(no_room_for_a_file_is_told_in_the_last_line),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
