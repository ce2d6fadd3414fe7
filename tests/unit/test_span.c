/* Ids of spans, the ring that they wait in, and their text. */
#include "trace/span_id.h"
#include "trace/span_json.h"
#include "trace/span_ring.h"

#include <cjson/cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---------------------------------------------------------------- ids */

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

static void no_id_comes_twice_and_none_is_zero(void **state)
{
	enum { N = 100000 };
	uint64_t *ids = malloc(N * sizeof *ids), ones = 0;
	(void)state;
	span_id_start();
	for (size_t i = 0; i < N; i++) {
		ids[i] = span_id_next();
		ones += (uint64_t)__builtin_popcountll(ids[i]);
	}
	qsort(ids, N, sizeof *ids, compare);
	assert_true(ids[0] > 0);
	for (size_t i = 1; i < N; i++)
		assert_true(ids[i - 1] < ids[i]);
	/* Half of the bits are set, within six standard deviations. */
	assert_in_range(ones, 32 * N - 6 * 1265, 32 * N + 6 * 1265);
	free(ids);
}

static void another_start_makes_other_ids(void **state)
{
	(void)state;
	span_id_start();
	uint64_t one = span_id_next();
	span_id_start();
	assert_true(span_id_next() != one);
}

/* ---------------------------------------------------------------- the ring */

static struct span_ring ring;

static void put(uint64_t n)
{
	struct span span = {.rows = n};
	assert_true(span_ring_put(&ring, &span));
}

static void spans_come_out_in_order_side_by_side(void **state)
{
	const struct span *first;
	uint64_t in = 0, out = 0;
	(void)state;
	memset(&ring, 0, sizeof ring);
	assert_int_equal(span_ring_front(&ring, 10, &first), 0);
	while (out < 5 * SPAN_RING_SIZE) {
		for (int i = 0; i < 700; i++)
			put(in++);
		while (ring.n > 0) {
			size_t n = span_ring_front(&ring, 512, &first);
			assert_in_range(n, 1, 512);
			for (size_t i = 0; i < n; i++)
				assert_int_equal(first[i].rows, out++);
			assert_true(first + n <= ring.spans + SPAN_RING_SIZE);
			span_ring_drop(&ring, n);
		}
		assert_int_equal(out, in);
	}
}

static void a_full_ring_takes_none(void **state)
{
	struct span span = {.rows = 7};
	const struct span *first;
	(void)state;
	memset(&ring, 0, sizeof ring);
	ring.begin = 5;
	for (uint64_t i = 0; i < SPAN_RING_SIZE; i++)
		put(i);
	assert_false(span_ring_put(&ring, &span));
	assert_int_equal(ring.n, SPAN_RING_SIZE);
	assert_int_equal(span_ring_front(&ring, 1, &first), 1);
	assert_int_equal(first->rows, 0);
	span_ring_drop(&ring, 1);
	assert_true(span_ring_put(&ring, &span));
	assert_false(span_ring_put(&ring, &span));
}

/* ---------------------------------------------------------------- the text */

static cJSON *write_spans(const struct span *spans, size_t n)
{
	struct span_resource resource;
	struct loss_arena *arena = loss_arena_create(NULL);
	struct loss_buffer *out = loss_buffer_create(arena);
	span_resource_make(&resource);
	assert_true(span_json_write(out, &resource, spans, n));
	cJSON *document = cJSON_ParseWithLength((const char *)out->data, out->size);
	assert_non_null(document);
	loss_arena_destroy(arena);
	return document;
}

static cJSON *spans_of(cJSON *document)
{
	cJSON *resource = cJSON_GetObjectItem(document, "resourceSpans")->child;
	return cJSON_GetObjectItem(cJSON_GetObjectItem(resource, "scopeSpans")->child, "spans");
}

static const char *text_of(const cJSON *span, const char *name)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(span, name));
}

static void numbers_are_exact_and_ids_lower_case(void **state)
{
	struct span span = {.trace_id = {0xAB, [15] = 0x01},
			    .id = {0x0f, [7] = 0xF0},
			    .parent_id = {[7] = 1},
			    .has_parent = true,
			    .flags = 0xff,
			    .start_ns = UINT64_C(18446744073709551614),
			    .end_ns = UINT64_MAX,
			    .rows = UINT64_MAX,
			    .computed = true};
	(void)state;
	cJSON *document = write_spans(&span, 1), *spans = spans_of(document);
	assert_int_equal(cJSON_GetArraySize(spans), 1);
	assert_int_equal(span_count(&span), 1);
	assert_string_equal(text_of(spans->child, "traceId"), "ab000000000000000000000000000001");
	assert_string_equal(text_of(spans->child, "spanId"), "0f000000000000f0");
	assert_string_equal(text_of(spans->child, "parentSpanId"), "0000000000000001");
	assert_string_equal(text_of(spans->child, "startTimeUnixNano"), "18446744073709551614");
	assert_string_equal(text_of(spans->child, "endTimeUnixNano"), "18446744073709551615");
	assert_string_equal(text_of(spans->child, "name"), "HTTP");
	assert_int_equal(cJSON_GetObjectItem(spans->child, "flags")->valueint, 0x3ff);
	char *text = cJSON_PrintUnformatted(document);
	assert_non_null(strstr(text, "{\"key\":\"lossd.rows\",\"value\":{\"intValue\":"
				     "\"18446744073709551615\"}}"));
	free(text);
	cJSON_Delete(document);
}

/* Whatever a client has put into it, it is JSON and UTF-8, and comes back as it was. */
static void hostile_texts_stay_texts(void **state)
{
	struct span spans[2] = {{.method = "GET", .route = "/v2"}, {.method = "GET"}};
	(void)state;
	for (size_t i = 0; i < 255; i++)
		spans[0].path[i] = (char)(i + 1);
	strcpy(spans[0].tracestate, "a=\"}]},\\u0000,{\"");
	memset(spans[0].request_id, '"', sizeof spans[0].request_id - 1);
	cJSON *document = write_spans(spans, 2);
	const cJSON *span = spans_of(document)->child;
	assert_string_equal(text_of(span, "traceState"), spans[0].tracestate);
	assert_string_equal(text_of(span, "name"), "GET /v2");
	const cJSON *attribute = cJSON_GetObjectItem(span, "attributes")->child;
	const char *path = NULL, *id = NULL;
	for (; attribute; attribute = attribute->next) {
		const cJSON *value = cJSON_GetObjectItem(attribute, "value")->child;
		if (strcmp(text_of(attribute, "key"), "url.path") == 0)
			path = value->valuestring;
		if (strcmp(text_of(attribute, "key"), "lossd.request_id") == 0)
			id = value->valuestring;
	}
	assert_non_null(path);
	assert_memory_equal(path, spans[0].path, 127); /* of the others none begins a character */
	assert_int_equal(strncmp(path + 127, "\xef\xbf\xbd\xef\xbf\xbd", 6), 0);
	assert_string_equal(id, spans[0].request_id);
	assert_int_equal(cJSON_GetArraySize(spans_of(document)), 2);
	cJSON_Delete(document);
}

static void phases_that_happened_are_spans(void **state)
{
	struct span span = {.method = "POST", .id = {1}, .trace_id = {2}};
	span.phases[PHASE_QUEUE] = (struct span_phase){10, 30, 20};
	span.phases[PHASE_ENCODE] = (struct span_phase){40, 50, 5};
	(void)state;
	assert_int_equal(span_count(&span), 3);
	cJSON *document = write_spans(&span, 1), *spans = spans_of(document);
	assert_int_equal(cJSON_GetArraySize(spans), 3);
	assert_string_equal(text_of(cJSON_GetArrayItem(spans, 1), "name"), "queue");
	assert_string_equal(text_of(cJSON_GetArrayItem(spans, 2), "name"), "encode");
	assert_string_equal(text_of(cJSON_GetArrayItem(spans, 2), "endTimeUnixNano"), "50");
	cJSON_Delete(document);
}

static void without_memory_it_says_so(void **state)
{
	struct loss_budget *budget = loss_budget_create(64 * 1024);
	struct loss_arena *arena = loss_arena_create(budget);
	struct loss_buffer *out = loss_buffer_create(arena);
	struct span_resource resource;
	static struct span spans[500];
	(void)state;
	span_resource_make(&resource);
	assert_true(span_json_write(out, &resource, spans, 1));
	out->size = 0;
	assert_false(span_json_write(out, &resource, spans, 500));
	loss_arena_destroy(arena);
	loss_budget_destroy(budget);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_id_comes_twice_and_none_is_zero),
		cmocka_unit_test(another_start_makes_other_ids),
		cmocka_unit_test(spans_come_out_in_order_side_by_side),
		cmocka_unit_test(a_full_ring_takes_none),
		cmocka_unit_test(numbers_are_exact_and_ids_lower_case),
		cmocka_unit_test(hostile_texts_stay_texts),
		cmocka_unit_test(phases_that_happened_are_spans),
		cmocka_unit_test(without_memory_it_says_so),
	};
	return cmocka_run_group_tests_name("span", tests, NULL, NULL);
}
