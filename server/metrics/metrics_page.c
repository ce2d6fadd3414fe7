/* The page of GET /metrics: sums over the shards, in Prometheus' text format. */
#include "metrics_shard.h"

#include "log/log.h"
#include "os/process.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

static const char *const reject_names[METRICS_N_REJECTS] = {
	[METRICS_REJECT_HEAD_TIMEOUT] = "head_timeout",
	[METRICS_REJECT_BODY_TIMEOUT] = "body_timeout",
	[METRICS_REJECT_REPLY_TIMEOUT] = "reply_timeout",
	[METRICS_REJECT_IDLE_TIMEOUT] = "idle_timeout",
	[METRICS_REJECT_BODY_TOO_LARGE] = "body_too_large",
	[METRICS_REJECT_FRAMING] = "framing",
	[METRICS_REJECT_MEMORY] = "memory",
	[METRICS_REJECT_DRAINING] = "draining",
	[METRICS_REJECT_QUEUE_FULL] = "queue_full",
	[METRICS_REJECT_UNAUTHORIZED] = "unauthorized",
	[METRICS_REJECT_FORBIDDEN] = "forbidden",
	[METRICS_REJECT_RATE_LIMITED] = "rate_limited",
	[METRICS_REJECT_CLIENT_GONE] = "client_gone",
	[METRICS_REJECT_ADDRESS] = "connections_per_address",
	[METRICS_REJECT_EVICTED] = "evicted",
	[METRICS_REJECT_SLOW] = "slow_transfer",
	[METRICS_REJECT_TLS] = "tls",
};

/* ---------------------------------------------------------------- summing */

static size_t shards_in_use(void)
{
	size_t n = atomic_load_explicit(&metrics_state.n_threads, memory_order_relaxed);
	return n < METRICS_N_SHARDS ? n : METRICS_N_SHARDS;
}

/* `offset` is a counter's place in a shard. */
static uint64_t sum_at(size_t offset)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < shards_in_use(); i++) {
		const char *place = (const char *)&metrics_state.shards[i] + offset;
		sum += atomic_load_explicit((const atomic_uint_least64_t *)(const void *)place,
					    memory_order_relaxed);
	}
	return sum;
}

/* The place of a counter, named by what it is in the first shard. */
static size_t offset_of(const void *in_first_shard)
{
	return (size_t)((const char *)in_first_shard - (const char *)&metrics_state.shards[0]);
}

static uint64_t sum_of(const atomic_uint_least64_t *counter)
{
	return sum_at(offset_of(counter));
}

static int64_t connections_open(void)
{
	/* A connection may close on another thread than it came on: only the sum means something.
	 */
	int64_t sum = 0;
	for (size_t i = 0; i < shards_in_use(); i++)
		sum += atomic_load_explicit(&metrics_state.shards[i].connections,
					    memory_order_relaxed);
	return sum;
}

/* ---------------------------------------------------------------- showing */

/* The page as it grows. After a failed append the rest is skipped. */
struct page {
	struct loss_buffer *out;
	bool good;
};

__attribute__((format(printf, 2, 3))) static void print(struct page *page, const char *format, ...)
{
	char text[512];
	va_list args;
	va_start(args, format);
	int n = vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof text)
		page->good = false;
	if (page->good)
		page->good = loss_buffer_append(page->out, text, (size_t)n);
}

static void print_head(struct page *page, const char *name, const char *type, const char *help)
{
	print(page, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* `labels` is what stands between the braces, or "". A series that was never counted is left out.
 */
static void print_histogram(struct page *page, const char *name, const char *labels,
			    const struct metrics_scale *scale,
			    const struct metrics_histogram *histogram)
{
	uint64_t counts[METRICS_N_BUCKETS + 1], total = 0;
	for (size_t i = 0; i <= METRICS_N_BUCKETS; i++)
		total += counts[i] = sum_of(&histogram->buckets[i]);
	if (total == 0)
		return;
	const char *comma = *labels ? "," : "", *open = *labels ? "{" : "",
		   *close = *labels ? "}" : "";
	uint64_t up_to = 0;
	for (size_t i = 0; i < METRICS_N_BUCKETS; i++) {
		up_to += counts[i];
		print(page, "%s_bucket{%s%sle=\"%.12g\"} %" PRIu64 "\n", name, labels, comma,
		      (double)scale->bounds[i] / scale->unit, up_to);
	}
	print(page, "%s_bucket{%s%sle=\"+Inf\"} %" PRIu64 "\n", name, labels, comma, total);
	print(page, "%s_sum%s%s%s %.15g\n", name, open, labels, close,
	      (double)sum_of(&histogram->sum) / scale->unit);
	/* The buckets' own total, so that page and buckets agree while others count on. */
	print(page, "%s_count%s%s%s %" PRIu64 "\n", name, open, labels, close, total);
}

static void print_requests(struct page *page)
{
	static const char *const name = "lossd_http_requests_total";
	print_head(page, name, "counter", "Requests answered.");
	for (size_t i = 0; i < metrics_state.n_routes * METRICS_N_METHODS * METRICS_N_CODES; i++) {
		size_t code = i % METRICS_N_CODES, method = i / METRICS_N_CODES % METRICS_N_METHODS;
		size_t route = i / METRICS_N_CODES / METRICS_N_METHODS;
		uint64_t n = sum_of(&metrics_state.shards[0].requests[route][method][code]);
		if (n == 0)
			continue;
		print(page, "%s{route=\"%s\",method=\"%s\",code=\"", name,
		      metrics_state.routes[route], metrics_methods[method]);
		if (metrics_codes[code])
			print(page, "%u\"} %" PRIu64 "\n", metrics_codes[code], n);
		else
			print(page, "other\"} %" PRIu64 "\n", n);
	}
}

static void print_http(struct page *page)
{
	char labels[256];
	print_requests(page);
	print_head(page, "lossd_http_request_duration_seconds", "histogram",
		   "Time from the end of a request's head to the end of its reply.");
	for (size_t i = 0; i < metrics_state.n_routes; i++) {
		snprintf(labels, sizeof labels, "route=\"%s\"", metrics_state.routes[i]);
		print_histogram(page, "lossd_http_request_duration_seconds", labels,
				&metrics_in_seconds, &metrics_state.shards[0].request_seconds[i]);
	}
	print_head(page, "lossd_http_request_size_bytes", "histogram", "Bytes of request bodies.");
	print_histogram(page, "lossd_http_request_size_bytes", "", &metrics_in_bytes,
			&metrics_state.shards[0].request_bytes);
	print_head(page, "lossd_http_response_size_bytes", "histogram", "Bytes of reply bodies.");
	print_histogram(page, "lossd_http_response_size_bytes", "", &metrics_in_bytes,
			&metrics_state.shards[0].reply_bytes);
}

static void print_compute_seconds(struct page *page)
{
	static const char *const name = "lossd_compute_duration_seconds";
	char labels[256];
	print_head(page, name, "histogram", "Time that evaluations took.");
	for (size_t i = 0; i < metrics_state.n_losses * LOSS_N_DTYPES; i++) {
		size_t loss = i / LOSS_N_DTYPES, dtype = i % LOSS_N_DTYPES;
		snprintf(labels, sizeof labels, "loss=\"%s\",dtype=\"%s\"", loss_at(loss)->name,
			 loss_dtype_info((loss_dtype)dtype)->name);
		print_histogram(page, name, labels, &metrics_in_seconds,
				&metrics_state.shards[0].compute_seconds[loss][dtype]);
	}
}

static void print_formats(struct page *page, const char *name, const char *help,
			  const struct metrics_histogram histograms[METRICS_N_FORMATS])
{
	char labels[64];
	print_head(page, name, "histogram", help);
	for (size_t i = 0; i < METRICS_N_FORMATS; i++) {
		snprintf(labels, sizeof labels, "format=\"%s\"", metrics_formats[i]);
		print_histogram(page, name, labels, &metrics_in_seconds, &histograms[i]);
	}
}

static void print_evaluations(struct page *page)
{
	print_compute_seconds(page);
	print_head(
		page, "lossd_receive_duration_seconds", "histogram",
		"Time from the head of an evaluation to the end of its body, less its decoding.");
	print_histogram(page, "lossd_receive_duration_seconds", "", &metrics_in_seconds,
			&metrics_state.shards[0].receive_seconds);
	print_formats(page, "lossd_decode_duration_seconds",
		      "Time that decoding request bodies took.",
		      metrics_state.shards[0].decode_seconds);
	print_formats(page, "lossd_encode_duration_seconds",
		      "Time that writing the replies of evaluations took.",
		      metrics_state.shards[0].encode_seconds);
	print_head(page, "lossd_queue_duration_seconds", "histogram",
		   "Time that evaluations waited for the compute thread; 0 where they need none.");
	print_histogram(page, "lossd_queue_duration_seconds", "", &metrics_in_seconds,
			&metrics_state.shards[0].queue_seconds);
	print_head(page, "lossd_rows_total", "counter", "Rows evaluated.");
	for (size_t i = 0; i < metrics_state.n_losses; i++) {
		uint64_t n = sum_of(&metrics_state.shards[0].rows[i]);
		if (n > 0)
			print(page, "lossd_rows_total{loss=\"%s\"} %" PRIu64 "\n", loss_at(i)->name,
			      n);
	}
	print_head(page, "lossd_elements_total", "counter", "Elements of the logits evaluated.");
	for (size_t i = 0; i < metrics_state.n_losses * LOSS_N_DTYPES; i++) {
		size_t loss = i / LOSS_N_DTYPES, dtype = i % LOSS_N_DTYPES;
		uint64_t n = sum_of(&metrics_state.shards[0].elements[loss][dtype]);
		if (n > 0)
			print(page, "lossd_elements_total{loss=\"%s\",dtype=\"%s\"} %" PRIu64 "\n",
			      loss_at(loss)->name, loss_dtype_info((loss_dtype)dtype)->name, n);
	}
}

static void print_gauge(struct page *page, const char *name, const char *help, double value)
{
	print_head(page, name, "gauge", help);
	print(page, "%s %.17g\n", name, value);
}

static void print_counter(struct page *page, const char *name, const char *help, uint64_t value)
{
	print_head(page, name, "counter", help);
	print(page, "%s %" PRIu64 "\n", name, value);
}

static void print_server(struct page *page, const struct metrics_now *now)
{
	print_head(page, "lossd_rejected_total", "counter",
		   "Connections and requests refused, or cut without a reply.");
	/* Zeros too: alerts need a series to watch. */
	for (size_t i = 0; i < METRICS_N_REJECTS; i++)
		print(page, "lossd_rejected_total{reason=\"%s\"} %" PRIu64 "\n", reject_names[i],
		      sum_of(&metrics_state.shards[0].rejects[i]));
	print_gauge(page, "lossd_ready", "1 while /v2/health/ready says so, else 0.", now->ready);
	print_gauge(page, "lossd_queue_depth", "Evaluations that wait for the compute thread.",
		    (double)now->queue_depth);
	print_gauge(page, "lossd_queue_cost_seconds",
		    "What they are estimated to take of one thread.", now->queue_cost_seconds);
	print_gauge(page, "lossd_inflight_bytes",
		    "Bytes that requests and connections hold of the "
		    "memory budget.",
		    (double)now->inflight_bytes);
	print_gauge(page, "lossd_memory_budget_bytes",
		    "The memory budget, which lossd_inflight_bytes stays within.",
		    (double)now->budget_bytes);
	print_counter(page, "lossd_log_lines_lost_total",
		      "Lines of the log that nobody took in time.", log_lost());
	print_counter(page, "lossd_spans_exported_total",
		      "Spans of traces that the collector has taken.", now->spans_exported);
	print_counter(page, "lossd_spans_dropped_total",
		      "Spans of traces that the collector has not taken, or not in time.",
		      now->spans_dropped);
	print_gauge(page, "lossd_connections", "Connections open.", (double)connections_open());
	if (now->certificate_ends != 0)
		print_gauge(page, "lossd_tls_certificate_not_after_seconds",
			    "End of the certificate that TLS is spoken with, since unix epoch.",
			    (double)now->certificate_ends);
	print_head(page, "lossd_build_info", "gauge", "1, with what was built and what runs.");
	print(page, "lossd_build_info{version=\"%s\",isa=\"%s\"} 1\n", LOSS_VERSION,
	      metrics_state.isa);
}

/* Named and counted as Prometheus' own client libraries do; what the system does not tell is left
 * out. */
static void print_process(struct page *page)
{
	struct process_usage usage;
	process_usage(&usage);
	if (usage.resident_bytes > 0)
		print_gauge(page, "process_resident_memory_bytes", "Resident memory size in bytes.",
			    (double)usage.resident_bytes);
	if (usage.virtual_bytes > 0)
		print_gauge(page, "process_virtual_memory_bytes", "Virtual memory size in bytes.",
			    (double)usage.virtual_bytes);
	print_gauge(page, "process_virtual_memory_max_bytes",
		    "Maximum amount of virtual memory available in bytes.",
		    (double)usage.max_virtual_bytes);
	print_head(page, "process_cpu_seconds_total", "counter",
		   "Total user and system CPU time spent in seconds.");
	print(page, "process_cpu_seconds_total %.6f\n", usage.cpu_seconds);
	if (usage.open_fds > 0)
		print_gauge(page, "process_open_fds", "Number of open file descriptors.",
			    (double)usage.open_fds);
	print_gauge(page, "process_max_fds", "Maximum number of open file descriptors.",
		    (double)usage.max_fds);
	print_gauge(page, "process_start_time_seconds",
		    "Start time of the process since unix epoch in seconds.",
		    metrics_state.start_seconds);
}

bool metrics_render(struct loss_buffer *out, const struct metrics_now *now)
{
	struct page page = {.out = out, .good = true};
	print_http(&page);
	print_evaluations(&page);
	print_server(&page, now);
	print_process(&page);
	return page.good;
}
