#include "metrics_shard.h"

#include "os/process.h"

#include <string.h>

const char *const metrics_methods[METRICS_N_METHODS] = {"GET",    "HEAD",    "POST", "PUT",
							"DELETE", "OPTIONS", "other"};
const char *const metrics_formats[METRICS_N_FORMATS] = {"json", "jsonl", "safetensors", "oip",
							"other"};
const unsigned metrics_codes[METRICS_N_CODES] = {200, 204, 304, 400, 401, 403, 404, 405, 406,
						 408, 409, 411, 413, 414, 415, 417, 422, 429,
						 431, 500, 501, 503, 504, 505, 0};

/* clang-format off */
#define US ((uint64_t)1000)
#define MS (1000 * US)
#define S (1000 * MS)
const struct metrics_scale metrics_in_seconds = {
	.bounds = {10 * US, 25 * US, 50 * US, 100 * US, 250 * US, 500 * US,
		   1 * MS, 2500 * US, 5 * MS, 10 * MS, 25 * MS, 50 * MS, 100 * MS, 250 * MS, 500 * MS,
		   1 * S, 2500 * MS, 5 * S, 10 * S, 30 * S},
	.unit = 1e9,
};
const struct metrics_scale metrics_in_bytes = {
	.bounds = {1 << 6, 1 << 8, 1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20, 1 << 21, 1 << 22,
		   1 << 23, 1 << 24, 1 << 25, 1 << 26, 1 << 27, 1 << 28, 1 << 29, 1 << 30,
		   (uint64_t)1 << 31, (uint64_t)1 << 32},
	.unit = 1,
};
/* clang-format on */

struct metrics_state metrics_state;

bool metrics_start(const char *const *labels, size_t n, const char *isa)
{
	if (n == 0 || n > METRICS_MAX_ROUTES)
		return false;
	metrics_state.routes = labels;
	metrics_state.n_routes = n;
	metrics_state.isa = isa;
	for (metrics_state.n_losses = 0; loss_at(metrics_state.n_losses);)
		metrics_state.n_losses++;
	metrics_state.start_seconds = process_start_seconds();
	return metrics_state.n_losses <= METRICS_MAX_LOSSES;
}

/* ---------------------------------------------------------------- counting */

const struct metrics_mine *metrics_mine(void)
{
	static _Thread_local struct metrics_mine mine;
	if (!mine.shard) {
		const unsigned last = METRICS_N_SHARDS - 1;
		unsigned i = atomic_fetch_add_explicit(&metrics_state.n_threads, 1,
						       memory_order_relaxed);
		mine.shard = &metrics_state.shards[i < last ? i : last];
		mine.shared = i >= last;
	}
	return &mine;
}

static void observe(const struct metrics_mine *mine, struct metrics_histogram *histogram,
		    const struct metrics_scale *scale, uint64_t value)
{
	size_t i = 0;
	while (i < METRICS_N_BUCKETS && value > scale->bounds[i])
		i++;
	metrics_add(mine, &histogram->buckets[i], 1);
	metrics_add(mine, &histogram->sum, value);
}

/* A clock that went wrong must not take the sum with it. */
static uint64_t to_nanoseconds(double seconds)
{
	return seconds > 0 && seconds < 1e9 ? (uint64_t)(seconds * 1e9) : 0;
}

/* The index of a name in a list, or of the list's last entry. */
static size_t index_of(const char *name, const char *const *list, size_t n)
{
	for (size_t i = 0; i + 1 < n; i++)
		if (list[i] == name || strcmp(list[i], name) == 0)
			return i;
	return n - 1;
}

static size_t index_of_code(unsigned code)
{
	size_t i = 0;
	while (i < METRICS_N_CODES - 1 && metrics_codes[i] != code)
		i++;
	return i;
}

void metrics_request(const struct metrics_request *request)
{
	if (metrics_state.n_routes == 0) /* not started */
		return;
	const struct metrics_mine *mine = metrics_mine();
	struct metrics_shard *shard = mine->shard;
	size_t route = index_of(request->route, metrics_state.routes, metrics_state.n_routes);
	size_t method = index_of(request->method, metrics_methods, METRICS_N_METHODS);
	metrics_add(mine, &shard->requests[route][method][index_of_code(request->code)], 1);
	observe(mine, &shard->request_seconds[route], &metrics_in_seconds,
		to_nanoseconds(request->seconds));
	observe(mine, &shard->request_bytes, &metrics_in_bytes, request->bytes_in);
	observe(mine, &shard->reply_bytes, &metrics_in_bytes, request->bytes_out);
}

void metrics_evaluation(const struct metrics_evaluation *evaluation)
{
	const struct metrics_mine *mine = metrics_mine();
	struct metrics_shard *shard = mine->shard;
	size_t loss = 0;
	while (loss < metrics_state.n_losses && loss_at(loss) != evaluation->loss)
		loss++;
	size_t format = index_of(evaluation->format, metrics_formats, METRICS_N_FORMATS);
	observe(mine, &shard->receive_seconds, &metrics_in_seconds,
		to_nanoseconds(evaluation->receive_seconds));
	observe(mine, &shard->decode_seconds[format], &metrics_in_seconds,
		to_nanoseconds(evaluation->decode_seconds));
	size_t reply_format =
		index_of(evaluation->reply_format, metrics_formats, METRICS_N_FORMATS);
	observe(mine, &shard->encode_seconds[reply_format], &metrics_in_seconds,
		to_nanoseconds(evaluation->encode_seconds));
	observe(mine, &shard->queue_seconds, &metrics_in_seconds,
		to_nanoseconds(evaluation->queue_seconds));
	if (loss == metrics_state.n_losses || evaluation->dtype >= LOSS_N_DTYPES)
		return;
	observe(mine, &shard->compute_seconds[loss][evaluation->dtype], &metrics_in_seconds,
		to_nanoseconds(evaluation->compute_seconds));
	metrics_add(mine, &shard->elements[loss][evaluation->dtype], evaluation->elements);
	metrics_add(mine, &shard->rows[loss], evaluation->rows);
}

void metrics_reject(enum metrics_reject reason)
{
	const struct metrics_mine *mine = metrics_mine();
	metrics_add(mine, &mine->shard->rejects[reason], 1);
}

void metrics_connection(int change)
{
	atomic_fetch_add_explicit(&metrics_mine()->shard->connections, change,
				  memory_order_relaxed);
}
