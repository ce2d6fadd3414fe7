/* safetensors over HTTP: in and out, beside JSON in and out; what is wrong with a body; memory. */
#include "../support/group.h"
#include "../support/refusal.h"
#include "../support/safetensors.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SAFETENSORS "Content-Type: application/x-safetensors"
#define ACCEPTED "Accept: application/x-safetensors"
#define QUERY "?outputs=loss,grad,predicted,correct&reduction=none"

#define HEADER                                                                                     \
	"{\"targets\":{\"dtype\":\"I64\",\"shape\":[2],\"data_offsets\":[0,16]},"                  \
	"\"logits\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[16,40]}}"
#define JSON "{\"logits\": [[0.5, -1.25, 3], [2, 0.125, -7.5]], \"targets\": [2, 1]}"

static const struct {
	int64_t targets[2];
	float logits[6];
} data = {{2, 1}, {0.5f, -1.25f, 3, 2, 0.125f, -7.5f}};

static void post(const char *path, const char *const *headers, const char *body, size_t size,
		 struct reply *reply)
{
	client_send(client,
		    &(struct request){.method = "POST",
				      .path = path,
				      .headers = headers,
				      .body = body,
				      .body_size = size},
		    reply);
}

static void post_good(const char *path, const char *const *headers, struct reply *reply)
{
	size_t size;
	char *body = safetensors_body(HEADER, &data, sizeof data, &size);
	post(path, headers, body, size, reply);
	free(body);
}

/* ---------------------------------------------------------------- all four ways */

/* The outputs as numbers, of either kind of reply: loss 2, grad 6, predicted 2, correct 2. */
#define N_NUMBERS 12
static const char *const names[] = {"loss", "grad", "predicted", "correct"};

static size_t json_numbers(const struct reply *reply, double *out)
{
	size_t n = 0;
	cJSON *json = reply_json(reply);
	for (int i = 0; i < 4; i++)
		n += json_flatten(json_member(json, names[i]), out + n, N_NUMBERS - n);
	cJSON_Delete(json);
	return n;
}

static double element(const struct loss_tensor *tensor, size_t i)
{
	if (tensor->dtype == LOSS_I64)
		return (double)((const int64_t *)tensor->data)[i];
	if (tensor->dtype == LOSS_BOOL)
		return ((const unsigned char *)tensor->data)[i];
	float value;
	memcpy(&value, (const char *)tensor->data + i * sizeof value, sizeof value);
	return (double)value;
}

static size_t tensor_numbers(const struct reply *reply, double *out)
{
	size_t n = 0;
	for (int i = 0; i < 4; i++) {
		struct loss_tensor tensor;
		/* In memory that is aligned as the reply's is not. */
		if (!safetensors_find(reply->body, reply->body_size, names[i], &tensor))
			fail_msg("no %s", names[i]);
		void *aligned = malloc(tensor.count * 8);
		assert_non_null(aligned);
		memcpy(aligned, tensor.data, tensor.count * loss_dtype_info(tensor.dtype)->size);
		tensor.data = aligned;
		for (size_t k = 0; k < tensor.count && n < N_NUMBERS; k++)
			out[n++] = element(&tensor, k);
		free(aligned);
	}
	return n;
}

static void assert_same(const double *got, const double *wanted)
{
	for (int i = 0; i < N_NUMBERS; i++)
		assert_true((float)got[i] == (float)wanted[i]);
}

static void test_all_four_ways(void **state)
{
	(void)state;
	static const char *const ways[][3] = {
		{"Content-Type: application/json", NULL},
		{"Content-Type: application/json", ACCEPTED, NULL},
		{SAFETENSORS, NULL},
		{SAFETENSORS, ACCEPTED, NULL},
	};
	double wanted[N_NUMBERS], got[N_NUMBERS];
	for (int i = 0; i < 4; i++) {
		struct reply reply;
		char type[64];
		double *numbers = i == 0 ? wanted : got;
		if (i < 2)
			post(CROSS_ENTROPY QUERY, ways[i], JSON, strlen(JSON), &reply);
		else
			post_good(CROSS_ENTROPY QUERY, ways[i], &reply);
		if (reply.status != 200)
			fail_msg("way %d: status %d: %.300s", i, reply.status, reply.body);
		assert_true(reply_header(&reply, "Content-Type", type, sizeof type));
		assert_string_equal(type, i % 2 ? "application/x-safetensors" : "application/json");
		size_t n = i % 2 ? tensor_numbers(&reply, numbers) : json_numbers(&reply, numbers);
		assert_int_equal(n, N_NUMBERS);
		assert_same(numbers, wanted);
		reply_free(&reply);
	}
}

static void test_totals_are_in_the_metadata(void **state)
{
	(void)state;
	static const char *const headers[] = {SAFETENSORS, ACCEPTED, NULL};
	struct reply reply;
	post_good(CROSS_ENTROPY "?reduce=false", headers, &reply);
	assert_int_equal(reply.status, 200);
	char *text = safetensors_metadata(reply.body, reply.body_size, "totals");
	assert_non_null(text);
	assert_non_null(strstr(text, "\"rows\":2,\"counted\":2,\"ignored\":0"));
	free(text);
	text = safetensors_metadata(reply.body, reply.body_size, "metrics");
	assert_non_null(text);
	assert_non_null(strstr(text, "\"bytes_in\":"));
	free(text);
	text = safetensors_metadata(reply.body, reply.body_size, "warnings");
	assert_non_null(text);
	assert_non_null(strstr(text, "deprecated"));
	free(text);
	reply_free(&reply);
}

/* ---------------------------------------------------------------- media types */

static void test_media_types(void **state)
{
	(void)state;
	static const char *const types[] = {
		"Content-Type: application/x-safetensors",
		"Content-Type: application/vnd.safetensors",
		"Content-Type: application/octet-stream",
		"Content-Type: APPLICATION/Octet-Stream",
	};
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		struct reply reply;
		const char *const headers[] = {types[i], NULL};
		post_good(CROSS_ENTROPY, headers, &reply);
		assert_int_equal(reply.status, 200);
		assert_true(reply.body[0] == '{');
		reply_free(&reply);
	}
}

static void test_accept(void **state)
{
	(void)state;
	static const struct {
		const char *accept;
		int status;
		bool tensors;
	} cases[] = {
		{"Accept: */*", 200, false},
		{"Accept: application/*", 200, false},
		{"Accept: application/x-safetensors, */*;q=0.1", 200, true},
		{"Accept: application/x-safetensors;q=0.5, application/json", 200, false},
		{"Accept: application/x-safetensors;q=0.5, application/json;q=0.4", 200, true},
		{"Accept: application/json;q=0, */*", 200, true},
		{"Accept: image/png", 406, false},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct reply reply;
		const char *const headers[] = {SAFETENSORS, cases[i].accept, NULL};
		post_good(CROSS_ENTROPY, headers, &reply);
		if (reply.status != cases[i].status ||
		    (reply.status == 200 && (reply.body[0] != '{') != cases[i].tensors))
			fail_msg("%s: status %d: %.20s", cases[i].accept, reply.status, reply.body);
		reply_free(&reply);
	}
}

/* An error is a problem document, whatever the reply would have been. */
static void test_errors_are_documents(void **state)
{
	(void)state;
	static const char *const headers[] = {SAFETENSORS, ACCEPTED, NULL};
	struct reply reply;
	post_good(CROSS_ENTROPY "?ignore_index=x", headers, &reply);
	assert_int_equal(
		refusal_check("query",
			      &(struct refusal){LOSS_WRONG_TYPE, "ignore_index", "ignore_index"},
			      &reply),
		0);
	post_good(CROSS_ENTROPY "?outputs=loss,nothing", headers, &reply);
	assert_int_equal(refusal_check("outputs",
				       &(struct refusal){LOSS_ARGUMENT_OUT_OF_RANGE, "outputs",
							 "outputs[1] is \"nothing\""},
				       &reply),
			 0);
}

#define TENSOR(name, dtype, shape, offsets)                                                        \
	"\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

/* All errors of a stage, whoever has found them: the query, the header, the loss. */
static void test_independent_errors(void **state)
{
	static const struct {
		const char *path, *header;
		size_t n;
		const char *errors;
	} cases[] = {
		{CROSS_ENTROPY,
		 "{" TENSOR("logits", "I64", "[1,2]", "[0,16]") "," TENSOR("targets", "BOOL", "[1]",
									   "[16,17]") "}",
		 17, "dtype_mismatch logits, dtype_mismatch targets"},
		{CROSS_ENTROPY "?temperature=-1",
		 "{" TENSOR("targets", "I64", "[3]", "[0,24]") "," TENSOR(
			 "weight", "F32", "[1]", "[24,28]") "," TENSOR("logits", "F32", "[1,2]",
								       "[28,36]") "}",
		 36, "shape_mismatch targets, shape_mismatch weight"},
		{CROSS_ENTROPY "?c=1", "{" TENSOR("a", "F32", "[1]", "[0,4]") "}", 4,
		 "unknown_field c, unknown_field a"},
		{CROSS_ENTROPY, "{}", 0, "missing_field logits, missing_field targets"},
	};
	const char *const headers[] = {"Content-Type: application/x-safetensors", NULL};
	static const char zeros[64];
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct reply reply;
		char told[512] = "";
		size_t size;
		char *body = safetensors_body(cases[i].header, zeros, cases[i].n, &size);
		post(cases[i].path, headers, body, size, &reply);
		cJSON *problem = reply_json(&reply);
		const cJSON *one;
		cJSON_ArrayForEach(one, json_member(problem, "errors"))
			snprintf(told + strlen(told), sizeof told - strlen(told), "%s%s %s",
				 *told ? ", " : "", json_string(json_member(one, "code")),
				 json_string(json_member(one, "pointer")));
		assert_string_equal(told, cases[i].errors);
		cJSON_Delete(problem);
		reply_free(&reply);
		free(body);
	}
}

static void test_bad_bodies(void **state)
{
	(void)state;
	static const char *const headers[] = {SAFETENSORS, NULL};
	int bad = 0;
	for (size_t i = 0; i < n_bad_safetensors; i++) {
		const struct bad_safetensors *row = &bad_safetensors[i];
		struct refusal wanted = {row->status, row->pointer, row->detail};
		struct reply reply;
		size_t size;
		char *body = bad_safetensors_body(row, &size);
		if (size > 0) {
			post(CROSS_ENTROPY, headers, body, size, &reply);
			bad += refusal_check(row->header ? row->header : "no header", &wanted,
					     &reply);
		}
		free(body);
	}
	assert_int_equal(bad, 0);
	refusal_assert_all_met(REFUSAL_SAFETENSORS);
}

/* ---------------------------------------------------------------- memory */

#define CLASSES 128256
#define ROWS 500 /* 257 MB */
#define GROWTH ((size_t)16 << 20)

struct stream {
	char *head;
	size_t head_size, sent, size;
};

static size_t make_body(void *context, char *out, size_t n)
{
	struct stream *stream = context;
	size_t left = stream->size - stream->sent;
	n = n < left ? n : left;
	size_t from_head = stream->sent < stream->head_size ? stream->head_size - stream->sent : 0;
	from_head = from_head < n ? from_head : n;
	memcpy(out, stream->head + stream->sent, from_head);
	memset(out + from_head, 0, n - from_head);
	stream->sent += n;
	return n;
}

static void test_rows_pass_through_memory(void **state)
{
	(void)state;
	static const char *const headers[] = {SAFETENSORS, NULL};
	static int64_t targets[ROWS];
	char header[256];
	size_t logits = (size_t)ROWS * CLASSES * sizeof(float), begin = sizeof targets;
	snprintf(header, sizeof header,
		 "{\"targets\":{\"dtype\":\"I64\",\"shape\":[%d],\"data_offsets\":[0,%zu]},"
		 "\"logits\":{\"dtype\":\"F32\",\"shape\":[%d,%d],\"data_offsets\":[%zu,%zu]}}",
		 ROWS, begin, ROWS, CLASSES, begin, begin + logits);
	struct stream stream = {0};
	stream.head = safetensors_body(header, targets, sizeof targets, &stream.head_size);
	stream.size = stream.head_size + logits;
	size_t before = server_resident_bytes(&server);
	struct reply reply;
	client_send(client,
		    &(struct request){.path = CROSS_ENTROPY,
				      .headers = headers,
				      .body_size = stream.size,
				      .upload = make_body,
				      .context = &stream},
		    &reply);
	if (reply.status != 200)
		fail_msg("status %d: %.300s", reply.status, reply.body);
	assert_non_null(strstr(reply.body, "{\"loss\":11.761784,")); /* log 128256 */
	size_t peak = server_peak_bytes(&server);
	print_message("%zu bytes before, %zu at the most\n", before, peak);
	if (peak > 0 && !built_with_sanitizer())
		assert_true(peak < before + GROWTH);
	reply_free(&reply);
	free(stream.head);
}

/* Clients that leave while their rows are evaluated, on whatever thread: nothing is left of them.
 */
static void test_uploads_that_are_cut(void **state)
{
	(void)state;
	static int64_t targets[ROWS];
	static char rows[3 << 20];
	char header[256], head[256];
	size_t size, begin = sizeof targets, logits = (size_t)ROWS * CLASSES * sizeof(float);
	snprintf(header, sizeof header,
		 "{\"targets\":{\"dtype\":\"I64\",\"shape\":[%d],\"data_offsets\":[0,%zu]},"
		 "\"logits\":{\"dtype\":\"F32\",\"shape\":[%d,%d],\"data_offsets\":[%zu,%zu]}}",
		 ROWS, begin, ROWS, CLASSES, begin, begin + logits);
	char *body = safetensors_body(header, targets, sizeof targets, &size);
	snprintf(head, sizeof head,
		 "POST " CROSS_ENTROPY " HTTP/1.1\r\nHost: x\r\n" SAFETENSORS
		 "\r\nContent-Length: %zu\r\n\r\n",
		 size + logits);
	for (int i = 0; i < 20; i++) {
		int fd = raw_connect(&server);
		assert_true(raw_send(fd, head, strlen(head)));
		assert_true(raw_send(fd, body, size));
		assert_true(raw_send(fd, rows, sizeof rows - (size_t)i * 70001));
		close(fd);
	}
	free(body);
	/* A request for metrics holds a few thousand bytes itself. */
	int64_t until = now_ms() + 30000;
	while (server_metric(&server, "lossd_inflight_bytes") > 100000 && now_ms() < until)
		usleep(10000);
	assert_true(server_metric(&server, "lossd_inflight_bytes") <= 100000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_four_ways),
		cmocka_unit_test(test_totals_are_in_the_metadata),
		cmocka_unit_test(test_media_types),
		cmocka_unit_test(test_accept),
		cmocka_unit_test(test_errors_are_documents),
		cmocka_unit_test(test_independent_errors),
		cmocka_unit_test(test_rows_pass_through_memory),
		cmocka_unit_test(test_uploads_that_are_cut),
		cmocka_unit_test(test_bad_bodies),
	};
	return cmocka_run_group_tests(tests, group_start, group_stop);
}
