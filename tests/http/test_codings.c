/* Content-Encoding and Accept-Encoding: the same evaluation, coded on the way in, out, or both. */
#include "../support/group.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "../support/refusal.h"
#include "status/status.h"

#define GZIP (15 + 16) /* zlib's window bits */
#define ZLIB 15

struct coded {
	char *data;
	size_t size;
};

static struct coded code(int window_bits, const char *text, size_t n)
{
	z_stream stream = {0};
	assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, window_bits, 8, 0), Z_OK);
	size_t bound = deflateBound(&stream, n);
	struct coded coded = {malloc(bound), 0};
	assert_non_null(coded.data);
	stream.next_in = (Bytef *)(uintptr_t)text;
	stream.avail_in = (uInt)n;
	stream.next_out = (Bytef *)coded.data;
	stream.avail_out = (uInt)bound;
	assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
	coded.size = stream.total_out;
	deflateEnd(&stream);
	return coded;
}

static bool has(const struct reply *reply, const char *name, const char *value)
{
	char got[256];
	return reply_header(reply, name, got, sizeof got) && strcmp(got, value) == 0;
}

static size_t inflate_gzip(const struct reply *reply, char *text, size_t most)
{
	z_stream stream = {0};
	assert_int_equal(inflateInit2(&stream, GZIP), Z_OK);
	stream.next_in = (Bytef *)reply->body;
	stream.avail_in = (uInt)reply->body_size;
	stream.next_out = (Bytef *)text;
	stream.avail_out = (uInt)most;
	assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
	inflateEnd(&stream);
	return stream.total_out;
}

static size_t inflate_zstd(const struct reply *reply, char *text, size_t most)
{
	size_t n = ZSTD_decompress(text, most, reply->body, reply->body_size);
	assert_false(ZSTD_isError(n));
	return n;
}

/* The reply's body decoded by zlib or libzstd, terminated. */
static char *decode(const struct reply *reply, size_t *size)
{
	size_t most = (size_t)4 << 20;
	char *text = calloc(1, most + 1);
	assert_non_null(text);
	bool zstd = has(reply, "Content-Encoding", "zstd");
	*size = (zstd ? inflate_zstd : inflate_gzip)(reply, text, most);
	return text;
}

static void post(const char *path, const char *header, const char *body, size_t size,
		 struct reply *reply)
{
	const char *const headers[] = {"Content-Type: application/json", header, NULL};
	client_send(client,
		    &(struct request){
			    .path = path, .headers = headers, .body = body, .body_size = size},
		    reply);
}

/* From the first output up to the metrics, which differ from one request to the next. */
static void assert_same_results(const char *got, const char *wanted)
{
	const char *end = strstr(wanted, "\"metrics\"");
	assert_non_null(end);
	assert_memory_equal(got, wanted, (size_t)(end - wanted));
}

/* ---------------------------------------------------------------- bodies */

static void test_coded_bodies_evaluate_alike(void **state)
{
	(void)state;
	static const struct {
		const char *header;
		int window_bits;
	} codings[] = {
		{"Content-Encoding: gzip", GZIP},
		{"Content-Encoding: x-gzip", GZIP},
		{"Content-Encoding: Deflate", ZLIB},
	};
	static const char *const paths[] = {CROSS_ENTROPY, CROSS_ENTROPY "?outputs=loss,grad"};
	const char *body = "{\"logits\": [[-0.7715, -0.6205, -0.2562]], \"targets\": [0]}";
	for (size_t i = 0; i < 6; i++) {
		struct reply plain, reply;
		struct coded coded = code(codings[i / 2].window_bits, body, strlen(body));
		client_post(client, paths[i % 2], body, &plain);
		post(paths[i % 2], codings[i / 2].header, coded.data, coded.size, &reply);
		assert_int_equal(plain.status, 200);
		if (reply.status != 200)
			fail_msg("%s: %s", codings[i / 2].header, reply.body);
		assert_same_results(reply.body, plain.body);
		reply_free(&plain);
		reply_free(&reply);
		free(coded.data);
	}
}

/* The other protocol too: the length of its JSON header is that in the decoded body. */
static void test_coded_bodies_of_the_other_protocol(void **state)
{
	(void)state;
	static const char json[] =
		"{\"inputs\": [{\"name\": \"logits\", \"shape\": [1, 2], \"datatype\": \"FP32\", "
		"\"parameters\": {\"binary_data_size\": 8}}, {\"name\": \"targets\", \"shape\": "
		"[1], "
		"\"datatype\": \"INT64\", \"data\": [1]}], \"outputs\": [{\"name\": \"loss\", "
		"\"parameters\": {\"binary_data\": false}}]}";
	const float logits[] = {0.5f, -1.5f};
	char body[sizeof json - 1 + sizeof logits], length[64];
	memcpy(body, json, sizeof json - 1);
	memcpy(body + sizeof json - 1, logits, sizeof logits);
	struct coded coded = code(GZIP, body, sizeof body);
	snprintf(length, sizeof length, "Inference-Header-Content-Length: %zu", sizeof json - 1);
	double losses[2];
	for (size_t i = 0; i < 2; i++) {
		const char *const headers[] = {length, i ? "Content-Encoding: gzip" : NULL, NULL};
		struct reply reply;
		client_send(client,
			    &(struct request){.path = "/v2/models/cross_entropy/infer",
					      .headers = headers,
					      .body = i ? coded.data : body,
					      .body_size = i ? coded.size : sizeof body},
			    &reply);
		if (reply.status != 200)
			fail_msg("%s", reply.body);
		cJSON *read = reply_json(&reply);
		const cJSON *outputs = json_member(read, "outputs");
		losses[i] = json_number(
			cJSON_GetArrayItem(json_member(cJSON_GetArrayItem(outputs, 0), "data"), 0));
		cJSON_Delete(read);
		reply_free(&reply);
	}
	assert_true(losses[0] > 2.0 && losses[0] < 2.2 && losses[0] == losses[1]);
	free(coded.data);
}

/* Through more than one piece of everything. */
static void test_large_coded_body(void **state)
{
	(void)state;
	size_t size;
	char *body = body_of_zeros(500, 1000, &size);
	/* Zeros alone would be taken for a bomb. */
	for (size_t i = 0, n = 0; i + 4 < size; i++)
		if (memcmp(body + i, "0.0,", 4) == 0 || memcmp(body + i, "0,", 2) == 0)
			body[i] = (char)('0' + n++ * 7919 % 10);
	struct coded coded = code(GZIP, body, size);
	struct reply plain, reply;
	client_post(client, CROSS_ENTROPY, body, &plain);
	assert_int_equal(plain.status, 200);
	post(CROSS_ENTROPY, "Content-Encoding: gzip", coded.data, coded.size, &reply);
	if (reply.status != 200)
		fail_msg("%s", reply.body);
	assert_same_results(reply.body, plain.body);
	reply_free(&plain);
	reply_free(&reply);
	free(coded.data);
	free(body);
}

static void test_wrong_codings(void **state)
{
	(void)state;
	struct coded coded = code(GZIP, GOOD, strlen(GOOD));
	struct coded text = code(GZIP, "{", 1);
	struct reply reply;
	post(CROSS_ENTROPY, "Content-Encoding: br", GOOD, 0, &reply);
	assert_true(has(&reply, "Accept-Encoding", "gzip, deflate, zstd"));
	assert_int_equal(refusal_check("br",
				       &(struct refusal){STATUS_UNSUPPORTED_ENCODING, NULL, "br"},
				       &reply),
			 0);
	post(CROSS_ENTROPY, "Content-Encoding: deflate", coded.data, coded.size, &reply);
	assert_int_equal(refusal_check("gzip as deflate",
				       &(struct refusal){STATUS_INVALID_ENCODING, NULL, "corrupt"},
				       &reply),
			 0);
	post(CROSS_ENTROPY, "Content-Encoding: gzip", coded.data, coded.size - 1, &reply);
	assert_int_equal(
		refusal_check("cut", &(struct refusal){STATUS_INVALID_ENCODING, NULL, "too early"},
			      &reply),
		0);
	/* What is wrong with the text itself is found as ever. */
	post(CROSS_ENTROPY, "Content-Encoding: gzip", text.data, text.size, &reply);
	assert_int_equal(refusal_check("half a document",
				       &(struct refusal){STATUS_TRUNCATED_BODY, NULL, "line 1"},
				       &reply),
			 0);
	/* The connection is as good as new. */
	post(CROSS_ENTROPY, "Content-Encoding: gzip", coded.data, coded.size, &reply);
	assert_int_equal(reply.status, 200);
	assert_int_equal(reply.new_connections, 0);
	reply_free(&reply);
	free(coded.data);
	free(text.data);
}

static void test_bomb(void **state)
{
	(void)state;
	size_t size = (size_t)20 << 20;
	char *zeros = malloc(size);
	assert_non_null(zeros);
	memset(zeros, ' ', size);
	struct coded coded = code(GZIP, zeros, size);
	struct reply reply;
	post(CROSS_ENTROPY, "Content-Encoding: gzip", coded.data, coded.size, &reply);
	assert_int_equal(refusal_check("a bomb",
				       &(struct refusal){STATUS_BODY_TOO_LARGE, NULL, "100"},
				       &reply),
			 0);
	free(coded.data);
	free(zeros);
}

/* ---------------------------------------------------------------- zstd */

#define ZSTD "Content-Encoding: zstd"

/* A file of tests/fixtures/zstd, which the program zstd has written. */
static struct coded fixture(const char *name)
{
	char path[128];
	struct coded coded = {malloc(4096), 0};
	assert_non_null(coded.data);
	snprintf(path, sizeof path, "tests/fixtures/zstd/%s", name);
	FILE *file = fopen(path, "rb");
	assert_non_null(file);
	coded.size = fread(coded.data, 1, 4096, file);
	fclose(file);
	assert_true(coded.size > 0 && coded.size < 4096);
	return coded;
}

static void test_what_zstd_writes(void **state)
{
	(void)state;
	static const char *const names[] = {"fast.zst", "checked.zst", "window_8m.zst",
					    "two_frames.zst", "several_blocks.zst"};
	struct coded body = fixture("body.json");
	struct reply plain, reply;
	post(CROSS_ENTROPY, NULL, body.data, body.size, &plain);
	assert_int_equal(plain.status, 200);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		struct coded coded = fixture(names[i]);
		post(CROSS_ENTROPY, ZSTD, coded.data, coded.size, &reply);
		if (reply.status != 200)
			fail_msg("%s: %s", names[i], reply.body);
		assert_same_results(reply.body, plain.body);
		reply_free(&reply);
		free(coded.data);
	}
	reply_free(&plain);
	free(body.data);
}

static void test_wrong_zstd(void **state)
{
	(void)state;
	struct coded good = fixture("checked.zst"), wide = fixture("window_16m.zst");
	struct coded gzip = code(GZIP, GOOD, strlen(GOOD)), bad = fixture("checked.zst");
	bad.data[bad.size - 6] ^= 1;
	const struct {
		const char *about;
		struct coded coded;
		size_t less;
		const char *words;
	} cases[] = {
		{"cut", good, 1, "the zstd body ends too early"},
		{"corrupt", bad, 0, "the zstd body is corrupt after"},
		{"wide", wide, 0, "needs a window of more than 8 MiB, which is the most; compress"},
		{"gzip", gzip, 0, "does not begin as zstd does"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const struct refusal refusal = {STATUS_INVALID_ENCODING, NULL, cases[i].words};
		struct reply reply;
		post(CROSS_ENTROPY, ZSTD, cases[i].coded.data, cases[i].coded.size - cases[i].less,
		     &reply);
		assert_int_equal(reply.status, 400);
		assert_int_equal(refusal_check(cases[i].about, &refusal, &reply), 0);
	}
	free(good.data);
	free(wide.data);
	free(gzip.data);
	free(bad.data);
}

static void test_zstd_bomb(void **state)
{
	(void)state;
	struct reply reply;
	char bomb[6 + 4000 * 4] = "\x28\xb5\x2f\xfd\0\x68";
	for (size_t i = 6; i < sizeof bomb; i += 4)
		memcpy(bomb + i, "\x02\0\x10 ", 4); /* 128 KiB of spaces */
	post(CROSS_ENTROPY, ZSTD, bomb, sizeof bomb, &reply);
	assert_int_equal(reply.status, 413);
	assert_int_equal(refusal_check("a bomb",
				       &(struct refusal){STATUS_BODY_TOO_LARGE, NULL, "100"},
				       &reply),
			 0);
}

/* ---------------------------------------------------------------- limits */

static void test_limit_holds_for_decoded_bytes(void **state)
{
	(void)state;
	struct server limited;
	static const char *const environment[] = {"LOSSD_MAX_BODY_BYTES=1000", NULL};
	assert_int_equal(server_start(&limited, NULL, environment), 0);
	struct client *to = client_open(&limited);
	size_t size;
	char *body = body_of_zeros(1, 600, &size);
	struct coded coded = code(GZIP, body, size);
	assert_true(coded.size < 1000 && size > 1000);
	static const char *const headers[] = {"Content-Type: application/json",
					      "Content-Encoding: gzip", NULL};
	struct reply reply;
	client_send(to,
		    &(struct request){.path = CROSS_ENTROPY,
				      .headers = headers,
				      .body = coded.data,
				      .body_size = coded.size},
		    &reply);
	assert_int_equal(
		refusal_check("too large when decoded",
			      &(struct refusal){STATUS_BODY_TOO_LARGE, NULL, "max_body_bytes"},
			      &reply),
		0);
	client_close(to);
	assert_int_equal(server_stop(&limited), 0);
	free(coded.data);
	free(body);
}

static void test_every_refusal_is_met(void **state)
{
	(void)state;
	refusal_assert_all_met(REFUSAL_CODINGS);
}

/* ---------------------------------------------------------------- replies */

static const struct {
	const char *header, *coding;
} wishes[] = {
	{"Accept-Encoding: br, gzip;q=0.8", "gzip"},
	{"Accept-Encoding: zstd", "zstd"},
	{"Accept-Encoding: gzip, deflate, br, zstd", "zstd"},
	{"Accept-Encoding: gzip, zstd;q=0.9", "gzip"},
	{"Accept-Encoding: *", "zstd"},
};
#define N_WISHES (sizeof wishes / sizeof wishes[0])

static void test_replies_are_compressed_on_demand(void **state)
{
	(void)state;
	static const char path[] = CROSS_ENTROPY "?outputs=loss,grad";
	size_t size, decoded;
	char *body = body_of_zeros(20, 100, &size);
	struct reply plain, coded;
	client_post(client, path, body, &plain);
	assert_int_equal(plain.status, 200);
	assert_true(has(&plain, "Vary", "Accept-Encoding"));
	assert_false(has(&plain, "Content-Encoding", "gzip"));
	for (size_t i = 0; i < N_WISHES; i++) {
		post(path, wishes[i].header, body, size, &coded);
		assert_int_equal(coded.status, 200);
		assert_true(has(&coded, "Content-Encoding", wishes[i].coding));
		assert_true(has(&coded, "Content-Type", "application/json"));
		assert_true(has(&coded, "Vary", "Accept-Encoding"));
		assert_true(coded.body_size < plain.body_size);
		char *text = decode(&coded, &decoded);
		assert_same_results(text, plain.body);
		free(text);
		reply_free(&coded);
	}
	reply_free(&plain);
	post(path, "Accept-Encoding: gzip;q=0", body, size, &plain);
	assert_false(has(&plain, "Content-Encoding", "gzip"));
	reply_free(&plain);
	free(body);
}

static void test_small_replies_are_not(void **state)
{
	(void)state;
	struct reply reply;
	char value[64];
	post(CROSS_ENTROPY, "Accept-Encoding: gzip", GOOD, 0, &reply);
	assert_int_equal(reply.status, 200);
	assert_true(reply.body_size <= 1024);
	assert_false(reply_header(&reply, "Content-Encoding", value, sizeof value));
	assert_false(reply_header(&reply, "Vary", value, sizeof value));
	reply_free(&reply);
}

/* Unless it is refused as it is, whatever its size and what is in it. */
static void test_replies_that_may_not_go_as_they_are(void **state)
{
	(void)state;
	static const struct {
		const char *accept, *coding;
	} cases[] = {{"gzip, identity;q=0", "gzip"},
		     {"*;q=0, zstd;q=0.1", "zstd"},
		     {"identity;q=0", NULL},
		     {"br, *;q=0", NULL}};
	for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
		char accept[64];
		size_t size;
		struct reply plain, reply;
		snprintf(accept, sizeof accept, "Accept-Encoding: %s", cases[i / 2].accept);
		const char *const headers[] = {"Content-Type: application/json", accept,
					       i % 2 ? "Accept: application/x-safetensors" : NULL,
					       NULL};
		client_send(client,
			    &(struct request){.path = CROSS_ENTROPY,
					      .headers = headers,
					      .body = GOOD,
					      .body_size = strlen(GOOD)},
			    &reply);
		client_post(client, CROSS_ENTROPY, GOOD, &plain);
		assert_int_equal(reply.status, 200);
		bool coded = cases[i / 2].coding != NULL;
		assert_int_equal(has(&reply, "Vary", "Accept-Encoding"), coded);
		if (coded)
			assert_true(has(&reply, "Content-Encoding", cases[i / 2].coding));
		char *text = coded ? decode(&reply, &size) : reply.body;
		if (i % 2 == 0)
			assert_same_results(text, plain.body);
		else
			assert_memory_equal(text + 8, "{\"__metadata__\"", 15);
		if (coded)
			free(text);
		reply_free(&plain);
		reply_free(&reply);
	}
}

/* A reply that is written in many pieces, with and without a compressor between them. */
static void test_long_replies(void **state)
{
	(void)state;
	static const char path[] = CROSS_ENTROPY "?outputs=grad,loss";
	size_t size, decoded;
	char *body = body_of_zeros(100, 1000, &size);
	struct reply plain, coded;
	client_post(client, path, body, &plain);
	assert_int_equal(plain.status, 200);
	assert_true(plain.body_size > 500000);
	cJSON *json = reply_json(&plain);
	double *grad = malloc(100000 * sizeof *grad);
	assert_non_null(grad);
	assert_int_equal(json_flatten(json_member(json, "grad"), grad, 100000), 100000);
	size_t targets = 0;
	for (size_t i = 0; i < 100000; i++) {
		bool target = grad[i] < 0;
		targets += target;
		assert_true(fabs(grad[i] - (target ? -0.00999 : 0.00001)) < 1e-8);
	}
	assert_int_equal(targets, 100);
	for (size_t i = 0; i < N_WISHES; i++) {
		post(path, wishes[i].header, body, size, &coded);
		assert_true(has(&coded, "Content-Encoding", wishes[i].coding));
		char *text = decode(&coded, &decoded);
		assert_same_results(text, plain.body);
		free(text);
		reply_free(&coded);
	}
	free(grad);
	cJSON_Delete(json);
	reply_free(&plain);
	free(body);
}

static char *zeros_v1, *zeros_v2; /* bodies that ask for a gradient */
/* Zeros of (200, 100): their gradient is sent from where it lies. */
#define GRADIENT_BYTES ((size_t)80000)

/* Posts a JSON body and wants tensors in binary, by either protocol. */
static void post_for_tensors(bool v2, const char *query, const char *header, struct reply *reply)
{
	char path[128];
	const char *body = zeros_v1;
	size_t size = strlen(zeros_v1);
	snprintf(path, sizeof path, "%s?%s", v2 ? "/v2/models/cross_entropy/infer" : CROSS_ENTROPY,
		 query);
	const char *const headers[] = {"Content-Type: application/json",
				       v2 ? "Accept: */*" : "Accept: application/x-safetensors",
				       header, NULL};
	if (v2) {
		body = zeros_v2;
		size = strlen(zeros_v2);
	}
	client_send(client,
		    &(struct request){
			    .path = path, .headers = headers, .body = body, .body_size = size},
		    reply);
	if (reply->status != 200)
		fail_msg("%d: %s", reply->status, reply->body);
}

/* Whatever a client takes: binary tensors hardly get smaller. */
static void test_tensors_are_compressed_only_if_asked_for(void **state)
{
	(void)state;
	static const char *const queries[] = {"", "compress=false", "compress=true"};
	static const char *const accepts[] = {"Accept-Encoding: gzip, deflate",
					      "Accept-Encoding: gzip, deflate, zstd"};
	for (size_t i = 0; i < 12; i++) {
		struct reply plain, reply;
		bool v2 = i % 2, asked = i / 2 % 3 == 2;
		post_for_tensors(v2, queries[i / 2 % 3], NULL, &plain);
		post_for_tensors(v2, queries[i / 2 % 3], accepts[i / 6], &reply);
		assert_false(has(&plain, "Content-Encoding", "gzip"));
		assert_int_equal(has(&plain, "Vary", "Accept-Encoding"), asked);
		assert_int_equal(has(&reply, "Content-Encoding", i / 6 ? "zstd" : "gzip"), asked);
		assert_int_equal(has(&reply, "Vary", "Accept-Encoding"), asked);
		size_t decoded = reply.body_size;
		char *tensors = asked ? decode(&reply, &decoded) : reply.body;
		/* The gradient stands at the end of both; what is before it tells times. */
		assert_true(decoded > GRADIENT_BYTES && plain.body_size > GRADIENT_BYTES);
		assert_memory_equal(tensors + decoded - GRADIENT_BYTES,
				    plain.body + plain.body_size - GRADIENT_BYTES, GRADIENT_BYTES);
		if (asked)
			free(tensors);
		reply_free(&plain);
		reply_free(&reply);
	}
}

/* Pages too, the static ones as well; and HEAD says of each what GET does. */
static void test_pages(void **state)
{
	(void)state;
	static const char *const paths[] = {"/openapi.yaml", "/openapi.json", "/v1/losses",
					    "/metrics"};
	const size_t n_paths = sizeof paths / sizeof *paths;
	for (size_t i = 0; i < n_paths * N_WISHES; i++) {
		const char *path = paths[i % n_paths], *coding = wishes[i / n_paths].coding;
		const char *const headers[] = {wishes[i / n_paths].header, NULL};
		struct reply plain, coded, head;
		client_get(client, path, &plain);
		client_send(client, &(struct request){.path = path, .headers = headers}, &coded);
		client_send(client,
			    &(struct request){.method = "HEAD", .path = path, .headers = headers},
			    &head);
		assert_true(plain.body_size > 1024);
		assert_true(has(&coded, "Content-Encoding", coding));
		assert_true(has(&coded, "Vary", "Accept-Encoding"));
		assert_true(has(&plain, "Vary", "Accept-Encoding"));
		size_t size;
		char *text = decode(&coded, &size);
		/* What is measured differs from one time to the next. */
		bool measured = strcmp(path, "/metrics") == 0;
		size_t same = measured ? strcspn(plain.body, "{") : plain.body_size;
		assert_true(measured || size == plain.body_size);
		assert_memory_equal(text, plain.body, same);
		char length[32], of_head[32] = "";
		assert_true(reply_header(&coded, "Content-Length", length, sizeof length));
		assert_true(reply_header(&head, "Content-Length", of_head, sizeof of_head));
		assert_true(measured || strcmp(of_head, length) == 0);
		assert_true(has(&head, "Content-Encoding", coding));
		assert_int_equal(head.body_size, 0);
		free(text);
		reply_free(&plain);
		reply_free(&coded);
		reply_free(&head);
	}
}

static void make_zeros(void)
{
	size_t size, n = 0;
	char *body = body_of_zeros(200, 100, &size);
	zeros_v1 = malloc(size + 64);
	zeros_v2 = malloc(2 * size + 512);
	assert_non_null(zeros_v1);
	assert_non_null(zeros_v2);
	/* The object's members, and outputs as one more. */
	sprintf(zeros_v1, "{\"outputs\": [\"grad\"], %s", body + 1);
	n += (size_t)sprintf(
		zeros_v2,
		"{\"parameters\": {\"binary_data_output\": true}, \"outputs\": [{\"name\": "
		"\"grad\"}], \"inputs\": [{\"name\": \"logits\", \"datatype\": \"FP32\", "
		"\"shape\": [200, 100], \"data\": [0");
	for (size_t i = 1; i < 20000; i++)
		n += (size_t)sprintf(zeros_v2 + n, ",0");
	n += (size_t)sprintf(zeros_v2 + n, "]}, {\"name\": \"targets\", \"datatype\": \"INT64\", "
					   "\"shape\": [200], \"data\": [0");
	for (size_t i = 1; i < 200; i++)
		n += (size_t)sprintf(zeros_v2 + n, ",0");
	sprintf(zeros_v2 + n, "]}]}");
	free(body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_coded_bodies_evaluate_alike),
		cmocka_unit_test(test_coded_bodies_of_the_other_protocol),
		cmocka_unit_test(test_large_coded_body),
		cmocka_unit_test(test_wrong_codings),
		cmocka_unit_test(test_bomb),
		cmocka_unit_test(test_what_zstd_writes),
		cmocka_unit_test(test_wrong_zstd),
		cmocka_unit_test(test_zstd_bomb),
		cmocka_unit_test(test_limit_holds_for_decoded_bytes),
		cmocka_unit_test(test_every_refusal_is_met),
		cmocka_unit_test(test_replies_are_compressed_on_demand),
		cmocka_unit_test(test_small_replies_are_not),
		cmocka_unit_test(test_replies_that_may_not_go_as_they_are),
		cmocka_unit_test(test_long_replies),
		cmocka_unit_test(test_tensors_are_compressed_only_if_asked_for),
		cmocka_unit_test(test_pages),
	};
	make_zeros();
	int failed = cmocka_run_group_tests_name("codings", tests, group_start, group_stop);
	free(zeros_v1);
	free(zeros_v2);
	return failed;
}
