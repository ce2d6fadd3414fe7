/*
 * Requests whose tensors are kept, in bodies and replies of many megabytes: after the first few the
 * server finds all of its memory warm. Counted are the pages that the system has to hand out.
 */
#include "../support/group.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "../support/infer.h"
#include "../support/safetensors.h"

#define WARM_UP 2
#define REQUESTS 3
#define FAULTS 64 /* that a request may have */

#define ROWS 256
#define CLASSES 78125 /* 80 MB of F32 */
#define LOGITS_BYTES ((size_t)ROWS * CLASSES * 4)
#define TARGETS_BYTES ((size_t)ROWS * 8)
#define TEXT_ROWS 1000
#define TEXT_CLASSES 1000 /* 4 MB of text and as much of F32 */

static int start(void **state)
{
	static const char *const flags[] = {"--memory-budget-bytes", "1GiB", NULL};
	(void)state;
	return group_start_with(flags);
}

/* Pages that were given to the server's process without being read from anywhere; -1: the system
 * does not say. */
static long faults(void)
{
	char path[64], line[1024];
	long count = -1;
	snprintf(path, sizeof path, "/proc/%d/stat", (int)server.pid);
	FILE *file = fopen(path, "r");
	if (file && fgets(line, sizeof line, file)) {
		const char *field = strrchr(line, ')'); /* the end of the second */
		for (int i = 2; field && i < 10; i++)
			field = strchr(field + 1, ' ');
		count = field ? strtol(field, NULL, 10) : -1;
	}
	if (file)
		fclose(file);
	return count;
}

static void send_one(const struct request *request, size_t least)
{
	struct reply reply;
	client_send(client, request, &reply);
	assert_int_equal(reply.status, 200);
	assert_true(reply.body_size >= least);
	reply_free(&reply);
}

/* Before anything is made that a test would have to free. */
static void need_counts(void)
{
	if (built_with_sanitizer() || faults() < 0) {
		print_message("the pages of the server can not be counted here\n");
		skip();
	}
}

static void expect_warm(const struct request *request, size_t least)
{
	for (int i = 0; i < WARM_UP; i++)
		send_one(request, least);
	long before = faults();
	for (int i = 0; i < REQUESTS; i++)
		send_one(request, least);
	long each = (faults() - before) / REQUESTS;
	if (each > FAULTS)
		fail_msg("%ld pages are new to each request", each);
}

/* ---------------------------------------------------------------- bodies */

#define SAFETENSORS CROSS_ENTROPY "?outputs=loss,grad"
static const char *const safetensors[] = {"Content-Type: application/x-safetensors",
					  "Accept: application/x-safetensors", NULL};

/* The targets last, or first, so that the rows could be evaluated as they come but for the
 * gradient. */
static char *make_safetensors(bool targets_first, size_t *size)
{
	char header[512];
	size_t targets = targets_first ? 0 : LOGITS_BYTES;
	size_t logits = targets_first ? TARGETS_BYTES : 0;
	snprintf(header, sizeof header,
		 "{\"targets\":{\"dtype\":\"I64\",\"shape\":[%d],\"data_offsets\":[%zu,%zu]},"
		 "\"logits\":{\"dtype\":\"F32\",\"shape\":[%d,%d],\"data_offsets\":[%zu,%zu]}}",
		 ROWS, targets, targets + TARGETS_BYTES, ROWS, CLASSES, logits,
		 logits + LOGITS_BYTES);
	char *zeros = calloc(1, LOGITS_BYTES + TARGETS_BYTES);
	assert_non_null(zeros);
	char *body = safetensors_body(header, zeros, LOGITS_BYTES + TARGETS_BYTES, size);
	free(zeros);
	return body;
}

static void safetensors_with_a_gradient(void **state)
{
	(void)state;
	need_counts();
	for (int first = 0; first < 2; first++) {
		struct request request = {.path = SAFETENSORS, .headers = safetensors};
		char *body = make_safetensors(first, &request.body_size);
		request.body = body;
		expect_warm(&request, LOGITS_BYTES);
		free(body);
	}
}

struct upload {
	const char *body;
	size_t size, sent;
};

static size_t upload(void *context, char *out, size_t n)
{
	struct upload *upload = context;
	size_t left = upload->size - upload->sent;
	n = n < left ? n : left;
	memcpy(out, upload->body + upload->sent, n);
	upload->sent += n;
	if (n == 0)
		upload->sent = 0; /* for the next time */
	return n;
}

static void a_chunked_upload(void **state)
{
	(void)state;
	need_counts();
	struct upload chunks = {0};
	char *body = make_safetensors(false, &chunks.size);
	chunks.body = body;
	const struct request request = {
		.path = SAFETENSORS, .headers = safetensors, .upload = upload, .context = &chunks};
	expect_warm(&request, LOGITS_BYTES);
	free(body);
}

static void open_inference_with_a_gradient(void **state)
{
	(void)state;
	need_counts();
	char document[1024], length[64];
	int n = snprintf(
		document, sizeof document,
		"{\"inputs\":[{\"name\":\"logits\",\"datatype\":\"FP32\",\"shape\":[%d,%d],"
		"\"parameters\":{\"binary_data_size\":%zu}},"
		"{\"name\":\"targets\",\"datatype\":\"INT64\",\"shape\":[%d],"
		"\"parameters\":{\"binary_data_size\":%zu}}],"
		"\"outputs\":[{\"name\":\"loss\"},{\"name\":\"grad\"}],"
		"\"parameters\":{\"binary_data_output\":true}}",
		ROWS, CLASSES, LOGITS_BYTES, ROWS, TARGETS_BYTES);
	snprintf(length, sizeof length, "Inference-Header-Content-Length: %d", n);
	const char *const headers[] = {"Content-Type: application/octet-stream", length, NULL};
	size_t size = (size_t)n + LOGITS_BYTES + TARGETS_BYTES;
	char *body = calloc(1, size);
	assert_non_null(body);
	memcpy(body, document, (size_t)n);
	const struct request request = {.path = "/v2/models/cross_entropy/infer",
					.headers = headers,
					.body = body,
					.body_size = size};
	expect_warm(&request, LOGITS_BYTES);
	free(body);
}

static void json_with_a_gradient(void **state)
{
	(void)state;
	need_counts();
	static const char *const headers[] = {"Content-Type: application/json", NULL};
	char *body = malloc((size_t)TEXT_ROWS * (TEXT_CLASSES * 4 + 16)), *end = body;
	assert_non_null(body);
	end += sprintf(end, "{\"logits\":[");
	for (int row = 0; row < TEXT_ROWS; row++) {
		end += sprintf(end, row ? ",[" : "[");
		for (int i = 0; i < TEXT_CLASSES; i++)
			end += sprintf(end, i ? ",%d.%d" : "%d.%d", i % 7, row % 10);
		end += sprintf(end, "]");
	}
	end += sprintf(end, "],\"targets\":[1");
	for (int row = 1; row < TEXT_ROWS; row++)
		end += sprintf(end, ",%d", row % TEXT_CLASSES);
	end += sprintf(end, "]}");
	const struct request request = {.path = SAFETENSORS,
					.headers = headers,
					.body = body,
					.body_size = (size_t)(end - body)};
	expect_warm(&request, (size_t)TEXT_ROWS * TEXT_CLASSES);
	free(body);
}

/* Sizes in turn do not push each other out, nor do they count as held. */
static void all_of_them_in_turn(void **state)
{
	(void)state;
	need_counts();
	safetensors_with_a_gradient(state);
	json_with_a_gradient(state);
	a_chunked_upload(state);
	open_inference_with_a_gradient(state);
	assert_true(server_metric(&server, "lossd_inflight_bytes") < 1 << 20);
	size_t peak = server_peak_bytes(&server);
	if (peak > 0)
		assert_true(peak < ((size_t)1 << 30) + ((size_t)64 << 20));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(safetensors_with_a_gradient),
		cmocka_unit_test(a_chunked_upload),
		cmocka_unit_test(open_inference_with_a_gradient),
		cmocka_unit_test(json_with_a_gradient),
		cmocka_unit_test(all_of_them_in_turn),
	};
	return cmocka_run_group_tests(tests, start, group_stop);
}
