/*
 * A JSON body of 210 MB in bounded memory: no document tree, no copy of the body. The body is made
 * as it is sent and is never whole in the test's memory either; what its loss is, is worked out on
 * the way.
 */
#include "../support/client.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CLASSES 1000
#define ROWS 11000
#define ROWS_SANITIZED 300 /* a sanitizer's memory says nothing, and its speed is another */
#define WORDS 4096
#define SLACK_BYTES ((size_t)32 << 20)

/* The numbers that the body is made of: 17 digits each, so that none is short or exact. */
static struct {
	char text[24];
	size_t size;
	double value;       /* as float32 */
	double exponential; /* of it */
} words[WORDS];

enum part { PART_HEAD, PART_LOGITS, PART_MIDDLE, PART_TARGETS, PART_TAIL, PART_END };

struct stream {
	const char *head, *middle, *tail; /* around the numbers and the targets */
	bool nested;                      /* a bracket a row */
	uint64_t random;
	enum part part;
	size_t rows, row, column;
	double row_sum, row_target; /* of the row being made */
	double loss_sum;
	char pending[64]; /* made but not yet sent */
	size_t pending_size, pending_sent;
	size_t bytes;
};

static uint64_t next_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *state >> 33;
}

static int make_words(void **state)
{
	(void)state;
	uint64_t random = 1;
	for (size_t i = 0; i < WORDS; i++) {
		char *text = words[i].text;
		int n = snprintf(text, sizeof(words[i].text), "%s%u.", i % 2 == 0 ? "-" : "",
				 (unsigned)(next_random(&random) % 7));
		for (int k = 0; k < 16; k++)
			text[n++] = (char)('0' + next_random(&random) % 10);
		text[n] = '\0';
		words[i].size = (size_t)n;
		words[i].value = (double)strtof(text, NULL);
		words[i].exponential = exp(words[i].value);
	}
	return 0;
}

/* The target of a row is a column that follows from the row's number alone. */
static size_t target_of(size_t row)
{
	return row * 7919 % CLASSES;
}

static void put(struct stream *stream, const char *text, size_t n)
{
	memcpy(stream->pending + stream->pending_size, text, n);
	stream->pending_size += n;
}

static void put_text(struct stream *stream, const char *text)
{
	put(stream, text, strlen(text));
}

static void finish_row(struct stream *stream)
{
	/* The values are within 7 of 0: nothing overflows, nothing cancels. */
	stream->loss_sum += log(stream->row_sum) - stream->row_target;
	stream->row_sum = 0.0;
	stream->column = 0;
	stream->row++;
}

static void put_logit(struct stream *stream)
{
	size_t i = next_random(&stream->random) % WORDS;
	if (stream->row > 0 || stream->column > 0)
		put_text(stream, ",");
	if (stream->nested && stream->column == 0)
		put_text(stream, "[");
	put(stream, words[i].text, words[i].size);
	if (stream->nested && stream->column == CLASSES - 1)
		put_text(stream, "]");
	if (stream->column == target_of(stream->row))
		stream->row_target = words[i].value;
	stream->row_sum += words[i].exponential;
	if (++stream->column == CLASSES)
		finish_row(stream);
	if (stream->row == stream->rows)
		stream->part = PART_MIDDLE;
}

static void put_target(struct stream *stream)
{
	char text[32];
	size_t i = stream->column++;
	snprintf(text, sizeof(text), i > 0 ? ", %zu" : "%zu", target_of(i));
	put_text(stream, text);
	if (stream->column == stream->rows)
		stream->part = PART_TAIL;
}

static void put_next(struct stream *stream)
{
	stream->pending_size = stream->pending_sent = 0;
	switch (stream->part) {
	case PART_HEAD:
		put_text(stream, stream->head);
		stream->part = PART_LOGITS;
		break;
	case PART_LOGITS:
		put_logit(stream);
		break;
	case PART_MIDDLE:
		put_text(stream, stream->middle);
		stream->part = PART_TARGETS;
		break;
	case PART_TARGETS:
		put_target(stream);
		break;
	default:
		put_text(stream, stream->tail);
		stream->part = PART_END;
		break;
	}
}

static size_t make_body(void *context, char *out, size_t n)
{
	struct stream *stream = context;
	size_t filled = 0;
	while (filled < n) {
		if (stream->pending_sent == stream->pending_size) {
			if (stream->part == PART_END)
				break;
			put_next(stream);
		}
		size_t more = stream->pending_size - stream->pending_sent;
		more = more < n - filled ? more : n - filled;
		memcpy(out + filled, stream->pending + stream->pending_sent, more);
		stream->pending_sent += more;
		filled += more;
	}
	stream->bytes += filled;
	return filled;
}

static void assert_bounded(const struct server *server, size_t tensor_bytes)
{
	size_t peak = server_peak_bytes(server), bound = 2 * tensor_bytes + SLACK_BYTES;
	print_message("peak %zu bytes for %zu bytes of tensors, at most %zu are allowed\n", peak,
		      tensor_bytes, bound);
	if (built_with_sanitizer())
		print_message("built with a sanitizer: its memory is not judged\n");
	else if (peak == 0)
		print_message("this system does not tell a process's peak: not judged\n");
	else
		assert_true(peak <= bound);
}

static void send_and_check(struct stream *stream)
{
	static const char *const json[] = {"Content-Type: application/json", NULL};
	struct server server;
	assert_int_equal(server_start(&server, NULL, NULL), 0);
	struct client *client = client_open(&server);
	stream->rows = built_with_sanitizer() ? ROWS_SANITIZED : ROWS;
	stream->random = 42;
	struct reply reply;
	client_send(client,
		    &(struct request){.path = "/v1/losses/cross_entropy",
				      .headers = json,
				      .upload = make_body,
				      .context = stream},
		    &reply);
	if (reply.status != 200)
		fail_msg("status %d: %.300s", reply.status, reply.body);
	cJSON *answer = reply_json(&reply);
	double wanted = stream->loss_sum / (double)stream->rows;
	double loss = json_number(json_member(answer, "loss"));
	const cJSON *totals = json_member(answer, "totals");
	const cJSON *metrics = json_member(answer, "metrics");
	print_message("%zu bytes in %.2f s, loss %.9g\n", stream->bytes,
		      json_number(json_member(metrics, "total_seconds")), loss);
	/* One float32 rounding of the mean. */
	assert_true(fabs(loss - wanted) <= 1.2e-7 * wanted);
	assert_true(json_number(json_member(totals, "rows")) == (double)stream->rows);
	assert_true(json_number(json_member(metrics, "bytes_in")) == (double)stream->bytes);
	if (!built_with_sanitizer())
		assert_true(stream->bytes > 205000000);
	assert_bounded(&server, stream->rows * (CLASSES * sizeof(float) + sizeof(int64_t)));
	cJSON_Delete(answer);
	reply_free(&reply);
	client_close(client);
	assert_int_equal(server_stop(&server), 0);
}

static void test_nested_arrays(void **state)
{
	(void)state;
	struct stream stream = {.head = "{\"logits\": [",
				.middle = "], \"targets\": [",
				.tail = "]}",
				.nested = true};
	send_and_check(&stream);
}

/* Its dtype comes last, as a Go map writes it: until then the numbers wait as float64. */
static void test_typed_data_before_its_dtype(void **state)
{
	(void)state;
	char middle[64];
	snprintf(middle, sizeof(middle), "],\"dtype\":\"F32\",\"shape\":[%d,%d]},\"targets\":[",
		 built_with_sanitizer() ? ROWS_SANITIZED : ROWS, CLASSES);
	struct stream stream = {
		.head = "{\"logits\": {\"data\": [", .middle = middle, .tail = "]}"};
	send_and_check(&stream);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nested_arrays),
		cmocka_unit_test(test_typed_data_before_its_dtype),
	};
	return cmocka_run_group_tests(tests, make_words, NULL);
}
