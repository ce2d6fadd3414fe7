/* The page of GET /metrics: its grammar, its sums over threads, and that callers can not grow it.
 */

#include "budget.h"
#include "metrics/metrics.h"
#include "metrics/metrics_shard.h"
#include "status/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const routes[] = {"/v1/losses/{loss}", "/metrics", "other"};
#define N_ROUTES (sizeof routes / sizeof *routes)

static struct loss_arena *arena;

/* All counters at zero, as at start. This thread keeps the first shard. */
static int set_up(void **state)
{
	(void)state;
	memset(metrics_state.shards, 0, sizeof metrics_state.shards);
	arena = loss_arena_create(NULL);
	assert_non_null(arena);
	assert_true(metrics_start(routes, N_ROUTES, "avx2"));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	loss_arena_destroy(arena);
	return 0;
}

static int64_t ends; /* of a certificate */

/* The page, terminated, in the arena. */
static char *page(void)
{
	struct loss_buffer *out = loss_buffer_create(arena);
	assert_non_null(out);
	assert_true(metrics_render(out, &(struct metrics_now){.inflight_bytes = 12345,
							      .budget_bytes = 67890,
							      .queue_depth = 3,
							      .queue_cost_seconds = 1.5,
							      .certificate_ends = ends,
							      .spans_exported = 4321,
							      .spans_dropped = 21,
							      .ready = true}));
	assert_true(loss_buffer_append(out, "", 1));
	return (char *)out->data;
}

/* The value of a series, named with its labels; fails when it is not there exactly once. */
static double value_of(const char *series)
{
	char needle[256];
	snprintf(needle, sizeof needle, "\n%s ", series);
	const char *text = page(), *at = strstr(text, needle);
	if (!at)
		fail_msg("%s is not in:\n%s", series, text);
	assert_null(strstr(at + 1, needle));
	return strtod(at + strlen(needle), NULL);
}

static bool has(const char *text)
{
	return strstr(page(), text) != NULL;
}

static void count_request(const char *route, const char *method, unsigned code, double seconds)
{
	metrics_request(&(struct metrics_request){.route = route,
						  .method = method,
						  .code = code,
						  .seconds = seconds,
						  .bytes_in = 100,
						  .bytes_out = 5000});
}

static void count_evaluation(const char *format, double seconds)
{
	metrics_evaluation(&(struct metrics_evaluation){.loss = loss_at(0),
							.dtype = LOSS_F32,
							.format = format,
							.reply_format = "safetensors",
							.rows = 32,
							.elements = 320,
							.receive_seconds = seconds * 5,
							.decode_seconds = seconds,
							.queue_seconds = seconds / 2,
							.compute_seconds = seconds * 2,
							.encode_seconds = seconds * 3});
}

static void requests_count_by_route_method_and_code(void **state)
{
	(void)state;
	count_request("/metrics", "GET", 200, 0.001);
	count_request("/metrics", "GET", 200, 0.001);
	count_request("/metrics", "HEAD", 200, 0.001);
	count_request("/v1/losses/{loss}", "POST", 422, 0.001);
	assert_true(value_of("lossd_http_requests_total{route=\"/"
			     "metrics\",method=\"GET\",code=\"200\"}") == 2);
	assert_true(value_of("lossd_http_requests_total{route=\"/"
			     "metrics\",method=\"HEAD\",code=\"200\"}") == 1);
	assert_true(value_of("lossd_http_requests_total{route=\"/v1/losses/"
			     "{loss}\",method=\"POST\",code=\"422\"}") == 1);
	assert_false(has("code=\"404\""));
}

/* A code has its own label or is "other", never its neighbour's; all that errors have have their
 * own. */
static void every_code_counts_as_itself(void **state)
{
	enum { FIRST = 100, LAST = 999 };
	static const unsigned labels[] = {200, 204, 304, 400, 401, 403, 404, 405,
					  406, 408, 409, 411, 413, 414, 415, 417,
					  422, 429, 431, 500, 501, 503, 504, 505};
	const size_t n_labels = sizeof labels / sizeof *labels;
	char series[128];
	(void)state;
	for (unsigned code = FIRST; code <= LAST; code++)
		count_request("/metrics", "GET", code, 0.001);
	for (size_t i = 0; i < n_labels; i++) {
		snprintf(series, sizeof series,
			 "lossd_http_requests_total{route=\"/metrics\",method=\"GET\",code=\"%u\"}",
			 labels[i]);
		assert_true(value_of(series) == 1);
	}
	assert_true(value_of("lossd_http_requests_total{route=\"/metrics\",method=\"GET\",code="
			     "\"other\"}") == (double)(LAST - FIRST + 1 - n_labels));
	for (size_t i = 1; i < STATUS_COUNT; i++) {
		snprintf(series, sizeof series, "code=\"%d\"", status_http(status_at(i)));
		assert_true(has(series));
	}
}

/* What a caller makes up lands in "other", however much of it there is. */
static void made_up_labels_are_other(void **state)
{
	char name[32];
	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(name, sizeof name, "/made-up-%u", i);
		count_request(name, name + 1, 600 + i, 0.001);
	}
	assert_true(value_of("lossd_http_requests_total{route=\"other\",method=\"other\",code="
			     "\"other\"}") == 1000);
	assert_false(has("made-up"));
	assert_true(strlen(page()) < 64 * 1024);
}

static void a_histogram_is_cumulative_and_its_bounds_include(void **state)
{
	(void)state;
	count_request("/metrics", "GET", 200, 0.0005); /* on a bound */
	count_request("/metrics", "GET", 200, 0.0007);
	count_request("/metrics", "GET", 200, 3600); /* above the last */
	count_request("/metrics", "GET", 200, -1);   /* no time */
#define SERIES(le) "lossd_http_request_duration_seconds_bucket{route=\"/metrics\",le=\"" le "\"}"
	assert_true(value_of(SERIES("1e-05")) == 1);
	assert_true(value_of(SERIES("0.00025")) == 1);
	assert_true(value_of(SERIES("0.0005")) == 2);
	assert_true(value_of(SERIES("0.001")) == 3);
	assert_true(value_of(SERIES("30")) == 3);
	assert_true(value_of(SERIES("+Inf")) == 4);
#undef SERIES
	assert_true(value_of("lossd_http_request_duration_seconds_count{route=\"/metrics\"}") == 4);
	double sum = value_of("lossd_http_request_duration_seconds_sum{route=\"/metrics\"}");
	assert_true(sum > 3600.001199 && sum < 3600.001201);
	assert_true(value_of("lossd_http_request_size_bytes_bucket{le=\"64\"}") == 0);
	assert_true(value_of("lossd_http_request_size_bytes_bucket{le=\"256\"}") == 4);
	assert_true(value_of("lossd_http_response_size_bytes_sum") == 20000);
	assert_true(value_of("lossd_http_response_size_bytes_count") == 4);
}

static void evaluations_count_by_loss_dtype_and_format(void **state)
{
	char series[256];
	const char *loss = loss_at(0)->name;
	(void)state;
	count_evaluation("json", 0.002);
	count_evaluation("json", 0.002);
	count_evaluation("made up", 0.002);
	snprintf(series, sizeof series, "lossd_rows_total{loss=\"%s\"}", loss);
	assert_true(value_of(series) == 96);
	snprintf(series, sizeof series, "lossd_elements_total{loss=\"%s\",dtype=\"F32\"}", loss);
	assert_true(value_of(series) == 960);
	snprintf(series, sizeof series,
		 "lossd_compute_duration_seconds_count{loss=\"%s\",dtype=\"F32\"}", loss);
	assert_true(value_of(series) == 3);
	assert_true(value_of("lossd_decode_duration_seconds_count{format=\"json\"}") == 2);
	assert_true(value_of("lossd_decode_duration_seconds_count{format=\"other\"}") == 1);
	assert_true(value_of("lossd_encode_duration_seconds_count{format=\"safetensors\"}") == 3);
	assert_false(has("lossd_encode_duration_seconds_count{format=\"json\"}"));
	double sum = value_of("lossd_encode_duration_seconds_sum{format=\"safetensors\"}");
	assert_true(sum > 0.017999 && sum < 0.018001);
	assert_true(value_of("lossd_queue_duration_seconds_count") == 3);
	assert_true(value_of("lossd_receive_duration_seconds_count") == 3);
	sum = value_of("lossd_receive_duration_seconds_sum");
	assert_true(sum > 0.029999 && sum < 0.030001);
	assert_false(has("F64"));
	/* A row that is not of the table must not count as any. */
	const struct loss_info stranger = {.name = "stranger"};
	metrics_evaluation(&(struct metrics_evaluation){
		.loss = &stranger, .format = "json", .reply_format = "json", .rows = 7});
	assert_false(has("stranger"));
	snprintf(series, sizeof series, "lossd_rows_total{loss=\"%s\"}", loss);
	assert_true(value_of(series) == 96);
}

static void every_reason_of_rejection_is_there_from_the_start(void **state)
{
	static const char *const names[] = {"head_timeout",
					    "body_timeout",
					    "reply_timeout",
					    "idle_timeout",
					    "body_too_large",
					    "framing",
					    "memory",
					    "draining",
					    "queue_full",
					    "unauthorized",
					    "forbidden",
					    "rate_limited",
					    "client_gone",
					    "connections_per_address",
					    "evicted",
					    "slow_transfer",
					    "tls"};
	char series[128];
	(void)state;
	assert_int_equal(sizeof names / sizeof *names, METRICS_N_REJECTS);
	for (int i = 0; i < METRICS_N_REJECTS; i++) {
		snprintf(series, sizeof series, "lossd_rejected_total{reason=\"%s\"}", names[i]);
		assert_true(value_of(series) == 0);
		for (int j = 0; j <= i; j++)
			metrics_reject((enum metrics_reject)i);
		assert_true(value_of(series) == i + 1);
	}
}

static void the_end_of_a_certificate_is_there_where_there_is_one(void **state)
{
	static const char series[] = "lossd_tls_certificate_not_after_seconds";
	(void)state;
	assert_false(has(series));
	ends = 4102444800;
	assert_true(value_of(series) == 4102444800);
	ends = 0;
}

static void *close_one(void *argument)
{
	(void)argument;
	metrics_connection(-1);
	return NULL;
}

static void connections_may_close_on_another_thread(void **state)
{
	pthread_t thread;
	(void)state;
	metrics_connection(1);
	metrics_connection(1);
	metrics_connection(1);
	assert_int_equal(pthread_create(&thread, NULL, close_one, NULL), 0);
	pthread_join(thread, NULL);
	assert_true(value_of("lossd_connections") == 2);
}

#define N_THREADS (METRICS_N_SHARDS + 6)
#define N_COUNTS 500

static void *count_many(void *argument)
{
	(void)argument;
	for (int i = 0; i < N_COUNTS; i++)
		count_request("/metrics", "GET", 200, 1e-4);
	return NULL;
}

static void no_count_is_lost_with_more_threads_than_shards(void **state)
{
	pthread_t threads[N_THREADS];
	(void)state;
	for (int i = 0; i < N_THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, count_many, NULL), 0);
	page(); /* a scrape in between disturbs nobody */
	for (int i = 0; i < N_THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_true(value_of("lossd_http_requests_total{route=\"/"
			     "metrics\",method=\"GET\",code=\"200\"}") == N_THREADS * N_COUNTS);
	assert_true(value_of("lossd_http_request_size_bytes_sum") == N_THREADS * N_COUNTS * 100.0);
}

static void the_process_is_shown(void **state)
{
	(void)state;
	assert_true(value_of("process_resident_memory_bytes") > 1 << 20);
	assert_true(value_of("process_virtual_memory_bytes") >=
		    value_of("process_resident_memory_bytes"));
	assert_true(value_of("process_virtual_memory_max_bytes") >=
		    value_of("process_virtual_memory_bytes"));
	assert_true(value_of("process_cpu_seconds_total") >= 0);
	double before = value_of("process_open_fds");
	int fd = dup(STDOUT_FILENO);
	assert_true(value_of("process_open_fds") == before + 1);
	close(fd);
	assert_true(value_of("process_max_fds") >= before);
	double age = (double)time(NULL) - value_of("process_start_time_seconds");
	assert_true(age > -2 && age < 600);
	assert_true(value_of("lossd_inflight_bytes") == 12345);
	assert_true(value_of("lossd_memory_budget_bytes") == 67890);
	assert_true(value_of("lossd_queue_depth") == 3);
	assert_true(value_of("lossd_ready") == 1);
	assert_true(value_of("lossd_spans_exported_total") == 4321);
	assert_true(value_of("lossd_spans_dropped_total") == 21);
	assert_true(value_of("lossd_queue_cost_seconds") == 1.5);
	char series[128];
	snprintf(series, sizeof series, "lossd_build_info{version=\"%s\",isa=\"avx2\"}",
		 LOSS_VERSION);
	assert_true(value_of(series) == 1);
}

/* Every line is a HELP, the TYPE that follows it, or a sample of that family. */
static void the_page_is_in_the_exposition_format(void **state)
{
	static const char sample[] = "^[a-z_]+(\\{([a-z]+=\"[^\"\\\\]*\",?)+\\})? [0-9.e+-]+$";
	char family[128] = "";
	regex_t pattern;
	(void)state;
	count_request("/v1/losses/{loss}", "POST", 200, 0.01);
	count_evaluation("json", 0.01);
	assert_int_equal(regcomp(&pattern, sample, REG_EXTENDED | REG_NOSUB), 0);
	char *text = page(), *rest = NULL;
	assert_int_equal(text[strlen(text) - 1], '\n');
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		if (sscanf(line, "# HELP %127s", family) == 1) {
			char type[160];
			snprintf(type, sizeof type, "# TYPE %s ", family);
			line = strtok_r(NULL, "\n", &rest);
			assert_memory_equal(line, type, strlen(type));
			continue;
		}
		if (regexec(&pattern, line, 0, NULL, 0) != 0 ||
		    strncmp(line, family, strlen(family)) != 0)
			fail_msg("a line of %s is wrong: %s", family, line);
	}
	regfree(&pattern);
}

static void a_page_that_finds_no_memory_says_so(void **state)
{
	struct loss_budget budget = {.limit = 256 * 1024};
	(void)state;
	struct loss_arena *small = loss_arena_create(&budget);
	assert_non_null(small);
	struct loss_buffer *out = loss_buffer_create(small);
	assert_non_null(out);
	for (int i = 0; i < METRICS_N_REJECTS; i++)
		metrics_reject((enum metrics_reject)i);
	for (size_t i = 0; i < N_ROUTES; i++)
		count_request(routes[i], "GET", 200, 0.1);
	bool good = true;
	for (int i = 0; i < 1000 && good; i++)
		good = metrics_render(out, &(struct metrics_now){0});
	assert_false(good);
	loss_arena_destroy(small);
}

static void start_refuses_more_routes_than_there_is_room_for(void **state)
{
	const char *many[METRICS_MAX_ROUTES + 1];
	(void)state;
	for (size_t i = 0; i <= METRICS_MAX_ROUTES; i++)
		many[i] = "route";
	assert_false(metrics_start(many, METRICS_MAX_ROUTES + 1, "avx2"));
	assert_false(metrics_start(many, 0, "avx2"));
	assert_true(metrics_start(many, METRICS_MAX_ROUTES, "avx2"));
	assert_true(metrics_start(routes, N_ROUTES, "avx2"));
}

static void before_the_start_nothing_counts(void **state)
{
	(void)state;
	metrics_state.n_routes = 0;
	count_request("/metrics", "GET", 200, 0.1);
	assert_true(metrics_start(routes, N_ROUTES, "avx2"));
	assert_false(has("lossd_http_requests_total{"));
}

/* ---------------------------------------------------------------- inferences */

static void count_inference(const struct loss_info *loss, bool success)
{
	metrics_inference(&(struct metrics_inference){.loss = loss,
						      .success = success,
						      .total_ns = 1000,
						      .queue_ns = 1,
						      .input_ns = 20,
						      .infer_ns = 300,
						      .output_ns = 400});
}

static void inferences_count_by_loss_and_success(void **state)
{
	struct metrics_inferences sum;
	struct timespec now;
	(void)state;
	for (int i = 0; i < 3; i++)
		count_inference(loss_at(1), true);
	count_inference(loss_at(1), false);
	count_inference(loss_at(2), false);
	metrics_inferences(loss_at(1), &sum);
	assert_int_equal(sum.success, 3);
	assert_int_equal(sum.success_ns, 3000);
	assert_int_equal(sum.queue_ns, 3);
	assert_int_equal(sum.input_ns, 60);
	assert_int_equal(sum.infer_ns, 900);
	assert_int_equal(sum.output_ns, 1200);
	assert_int_equal(sum.fail, 1);
	assert_int_equal(sum.fail_ns, 1000);
	clock_gettime(CLOCK_REALTIME, &now);
	assert_in_range(sum.last_ms, (uint64_t)now.tv_sec * 1000 - 60000,
			(uint64_t)now.tv_sec * 1000 + 1000);
	/* A failed one has no last time, and no parts. */
	metrics_inferences(loss_at(2), &sum);
	assert_int_equal(sum.last_ms + sum.success + sum.success_ns + sum.input_ns, 0);
	assert_int_equal(sum.fail, 1);
	metrics_inferences(loss_at(0), &sum);
	assert_int_equal(sum.fail + sum.success, 0);
	assert_false(has("inference"));
}

static void *infer_from_a_thread(void *context)
{
	for (int i = 0; i < 1000; i++)
		count_inference(context, i % 4 != 0);
	return NULL;
}

static void inferences_add_up_over_threads(void **state)
{
	static struct loss_info nobodys;
	pthread_t threads[4];
	struct metrics_inferences sum;
	union {
		const struct loss_info *in;
		void *out;
	} loss = {.in = loss_at(0)};
	(void)state;
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, infer_from_a_thread, loss.out),
				 0);
	for (size_t i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	metrics_inferences(loss_at(0), &sum);
	assert_int_equal(sum.success, 3000);
	assert_int_equal(sum.fail, 1000);
	count_inference(&nobodys, true);
	metrics_inferences(&nobodys, &sum);
	assert_int_equal(sum.success, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(requests_count_by_route_method_and_code),
		TEST(every_code_counts_as_itself),
		TEST(made_up_labels_are_other),
		TEST(a_histogram_is_cumulative_and_its_bounds_include),
		TEST(evaluations_count_by_loss_dtype_and_format),
		TEST(inferences_count_by_loss_and_success),
		TEST(inferences_add_up_over_threads),
		TEST(every_reason_of_rejection_is_there_from_the_start),
		TEST(the_end_of_a_certificate_is_there_where_there_is_one),
		TEST(connections_may_close_on_another_thread),
		TEST(no_count_is_lost_with_more_threads_than_shards),
		TEST(the_process_is_shown),
		TEST(the_page_is_in_the_exposition_format),
		TEST(a_page_that_finds_no_memory_says_so),
		TEST(start_refuses_more_routes_than_there_is_room_for),
		TEST(before_the_start_nothing_counts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
