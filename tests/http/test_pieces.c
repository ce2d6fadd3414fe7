/*
 * However a body comes over the wire, whole, byte by byte or in pieces of any size, with a length
 * or chunked: the reply is the same, of good bodies and of bad ones, in every format. (In process,
 * all bodies of tests/fuzz/corpus are cut like that.)
 */
#include "../support/group.h"
#include "../support/oip.h"
#include "../support/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <zlib.h>
#include <zstd.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define TIMEOUT_MS 20000
#define REPLY_BYTES ((size_t)16384)
#define MAX_BODY ((size_t)1024)
#define TAIL_BYTES ((size_t)24) /* of the gradient that comes as bytes */

#define V1 "/v1/losses/cross_entropy?outputs=loss,grad,lse"
#define V2 "/v2/models/cross_entropy/infer"
#define JSON "application/json"
#define SAFETENSORS "application/x-safetensors"
#define HEADER                                                                                     \
	"{\"targets\":{\"dtype\":\"I64\",\"shape\":[2],\"data_offsets\":[0,16]},"                  \
	"\"logits\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[16,40]}}"
#define SHORT                                                                                      \
	"{\"targets\":{\"dtype\":\"I64\",\"shape\":[2],\"data_offsets\":[0,16]},"                  \
	"\"logits\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[16,36]}}"
#define DOCUMENT "{\"inputs\":[" RAW_LOGITS "," RAW_TARGETS "]}"
#define BINARY_OUT                                                                                 \
	"{\"inputs\":[" RAW_LOGITS "," RAW_TARGETS                                                 \
	"],\"outputs\":[{\"name\":\"grad\",\"parameters\":{\"binary_data\":true}}]}"

enum form { PLAIN, GZIP, CUT_GZIP, ZSTD, CUT_ZSTD, WITH_LENGTH, WITH_HEADER };

struct body {
	const char *path, *type, *text;
	size_t after; /* bytes of tensors after the text */
	enum form form;
	int status;
};

static const struct body bodies[] = {
	{V1, JSON, "{\"logits\":[[1,2.5e0,-3],[4,\"NaN\",6]],\"targets\":[0,2]}", 0, PLAIN, 200},
	{V1, JSON, "{\"logits\":[[1,2,3],[4,5,6]],\"l\\u006fgits\":1}", 0, PLAIN, 422},
	{V1, JSON, "{\"logits\":[[1,2,3],\n[4,05,6]],\"targets\":[0,2]}", 0, PLAIN, 400},
	{V1, JSON, "{\"logits\":[[1,2,3],[4,5,6]],\"targets\":[0,2", 0, PLAIN, 400},
	{V1, JSON, "{\"logits\":[[1,2],[3]],\"targets\":[0,9]}", 0, PLAIN, 422},
	{V1, JSON, "{\"logits\":[[1,2,3],[4,5,6]],\"targets\":[0,2]}", 0, GZIP, 200},
	{V1, JSON, "{\"logits\":[[1,2,3],[4,5,6]],\"targets\":[0,2]}", 0, CUT_GZIP, 400},
	{V1, JSON, "{\"logits\":[[1,2,3],[4,5,6]],\"targets\":[0,2]}", 0, ZSTD, 200},
	{V1, JSON, "{\"logits\":[[1,2,3],[4,5,6]],\"targets\":[0,2]}", 0, CUT_ZSTD, 400},
	{V1, SAFETENSORS, HEADER, 40, WITH_LENGTH, 200},
	{V1, SAFETENSORS, HEADER, 39, WITH_LENGTH, 400},
	{V1, SAFETENSORS, HEADER, 41, WITH_LENGTH, 400},
	{V1, SAFETENSORS, SHORT, 36, WITH_LENGTH, 400},
	{V2, JSON, "{" INPUTS ",\"id\":\"a\"}", 0, PLAIN, 200},
	{V2, JSON, "{" INPUTS ",\"parameters\":{\"reductoin\":\"sum\"}}", 0, PLAIN, 400},
	{V2, JSON, DOCUMENT, 40, WITH_HEADER, 200},
	{V2, JSON, BINARY_OUT, 40, WITH_HEADER, 200},
	{V2, JSON, DOCUMENT, 39, WITH_HEADER, 400},
	{V2, JSON, "{\"inputs\":[" LOGITS "," LOGITS "]}", 0, PLAIN, 400},
};

/* ---------------------------------------------------------------- what is sent */

struct bytes {
	char data[MAX_BODY];
	size_t n;
};

static bool is_gzip(const struct body *body)
{
	return body->form == GZIP || body->form == CUT_GZIP;
}

static bool is_zstd(const struct body *body)
{
	return body->form == ZSTD || body->form == CUT_ZSTD;
}

static void zstd_into(struct bytes *out, const char *text)
{
	out->n = ZSTD_compress(out->data, MAX_BODY, text, strlen(text), 3);
	assert_false(ZSTD_isError(out->n));
}

static void gzip_into(struct bytes *out, const char *text)
{
	z_stream stream = {0};
	assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, 0), Z_OK);
	stream.next_in = (Bytef *)(uintptr_t)text;
	stream.avail_in = (uInt)strlen(text);
	stream.next_out = (Bytef *)out->data;
	stream.avail_out = MAX_BODY;
	assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
	out->n = stream.total_out;
	deflateEnd(&stream);
}

static void make(const struct body *body, struct bytes *out)
{
	uint64_t length = strlen(body->text);
	*out = (struct bytes){.n = 0};
	if (is_gzip(body) || is_zstd(body)) {
		(is_gzip(body) ? gzip_into : zstd_into)(out, body->text);
		out->n -= body->form == CUT_GZIP || body->form == CUT_ZSTD;
		return;
	}
	if (body->form == WITH_LENGTH) {
		memcpy(out->data, &length, sizeof length);
		out->n = sizeof length;
	}
	memcpy(out->data + out->n, body->text, length);
	out->n += length + body->after; /* zeros */
	assert_true(out->n <= MAX_BODY);
}

enum way { WHOLE, BYTES, CHUNK_BYTES, PIECES, CHUNKS, N_WAYS };

static size_t piece_size(enum way way, size_t left, struct random *random)
{
	size_t n = way == WHOLE                         ? left
		   : way == BYTES || way == CHUNK_BYTES ? 1
							: 1 + random_below(random, 40);
	return n < left ? n : left;
}

static void send_body(int fd, const struct bytes *bytes, enum way way, struct random *random)
{
	bool chunked = way == CHUNK_BYTES || way == CHUNKS;
	for (size_t done = 0, n; done < bytes->n; done += n) {
		char head[32];
		n = piece_size(way, bytes->n - done, random);
		snprintf(head, sizeof head, "%zx\r\n", n);
		assert_true(!chunked || raw_send(fd, head, strlen(head)));
		assert_true(raw_send(fd, bytes->data + done, n));
		assert_true(!chunked || raw_send(fd, "\r\n", 2));
	}
	assert_true(!chunked || raw_send(fd, "0\r\n\r\n", 5));
}

static void send_head(int fd, const struct body *body, size_t n, enum way way)
{
	char head[512], length[64], form[64] = "";
	snprintf(length, sizeof length, "Content-Length: %zu\r\n", n);
	if (is_gzip(body) || is_zstd(body))
		snprintf(form, sizeof form, "Content-Encoding: %s\r\n",
			 is_gzip(body) ? "gzip" : "zstd");
	if (body->form == WITH_HEADER)
		snprintf(form, sizeof form, "Inference-Header-Content-Length: %zu\r\n",
			 strlen(body->text));
	int size = snprintf(head, sizeof head,
			    "POST %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: "
			    "%s\r\nX-Request-Id: same\r\n%s%s\r\n",
			    body->path, body->type, form,
			    way == CHUNK_BYTES || way == CHUNKS ? "Transfer-Encoding: chunked\r\n"
								: length);
	assert_true(raw_send(fd, head, (size_t)size));
}

/* ---------------------------------------------------------------- what comes back */

/* The reply's body up to the metrics, which are of one request alone, and its end. */
static size_t answer(const struct body *body, enum way way, struct random *random, char *out,
		     char tail[TAIL_BYTES])
{
	struct bytes bytes;
	bool closed;
	char line[32];
	make(body, &bytes);
	int fd = raw_connect(&server);
	send_head(fd, body, bytes.n, way);
	send_body(fd, &bytes, way, random);
	size_t n = raw_read(fd, out, REPLY_BYTES, TIMEOUT_MS, &closed);
	close(fd);
	assert_true(closed);
	snprintf(line, sizeof line, "HTTP/1.1 %d ", body->status);
	if (strncmp(out, line, strlen(line)) != 0)
		fail_msg("way %d of %s: %.600s", way, body->text, out);
	const char *start = strstr(out, "\r\n\r\n");
	assert_non_null(start);
	n -= (size_t)(start - out);
	memmove(out, start, n);
	out[n] = '\0';
	memcpy(tail, out + n - TAIL_BYTES, TAIL_BYTES);
	const char *metrics = strstr(out, "\"metrics\"");
	metrics = metrics ? metrics : strstr(out, "\"receive_ns\"");
	return metrics ? (size_t)(metrics - out) : n;
}

static void test_all_ways(void **state)
{
	(void)state;
	struct random random = random_start(1);
	static char whole[REPLY_BYTES], cut[REPLY_BYTES];
	char whole_tail[TAIL_BYTES], tail[TAIL_BYTES];
	for (size_t i = 0; i < COUNT(bodies); i++) {
		size_t n = answer(&bodies[i], WHOLE, &random, whole, whole_tail);
		for (enum way way = BYTES; way < N_WAYS; way++) {
			size_t n_cut = answer(&bodies[i], way, &random, cut, tail);
			if (n_cut != n || memcmp(cut, whole, n) != 0)
				fail_msg("way %d of %s: %.600s, but whole: %.600s", way,
					 bodies[i].text, cut, whole);
			if (strcmp(bodies[i].text, BINARY_OUT) == 0)
				assert_memory_equal(tail, whole_tail, TAIL_BYTES);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_ways),
	};
	return cmocka_run_group_tests(tests, group_start, group_stop);
}
