/* The counters behind metrics.h, for its files: metrics.c counts, metrics_page.c shows,
 * metrics_inference.c does both for the Open Inference Protocol. */
#ifndef LOSSD_METRICS_SHARD_H
#define LOSSD_METRICS_SHARD_H

#include <stdatomic.h>

#include "metrics.h"

/*
 * A thread has a shard of its own, and nobody else adds to it: what it adds is a load and a store,
 * which cost a twentieth of an atomic addition. Threads beyond so many share the last shard, which
 * costs them that and no count. A shard is a good 100 KB of zero pages, of which a process touches
 * only what it uses.
 */
#define METRICS_N_SHARDS 64
#define METRICS_MAX_ROUTES 40
#define METRICS_MAX_LOSSES 32
#define METRICS_N_METHODS 7
#define METRICS_N_FORMATS 5
#define METRICS_N_CODES 25
#define METRICS_N_BUCKETS 20 /* and one more for what is above the last bound */

/* What a label may say. The last entry of each list stands for everything else. */
extern const char *const metrics_methods[METRICS_N_METHODS];
extern const char *const metrics_formats[METRICS_N_FORMATS];
extern const unsigned metrics_codes[METRICS_N_CODES]; /* 0 is the last one */

/* How a histogram counts, and how its numbers are shown. */
struct metrics_scale {
	uint64_t bounds[METRICS_N_BUCKETS]; /* upper ones, included, in nanoseconds or bytes */
	double unit;                        /* so many of them make one of what is shown */
};
extern const struct metrics_scale metrics_in_seconds, metrics_in_bytes;

struct metrics_histogram {
	atomic_uint_least64_t buckets[METRICS_N_BUCKETS + 1];
	atomic_uint_least64_t sum;
};

struct metrics_inference_shard {
	atomic_uint_least64_t last_ms, success, success_ns, fail, fail_ns;
	atomic_uint_least64_t queue_ns, input_ns, infer_ns, output_ns;
};

struct metrics_shard {
	_Alignas(64) atomic_int_least64_t connections;
	atomic_uint_least64_t rejects[METRICS_N_REJECTS];
	atomic_uint_least64_t requests[METRICS_MAX_ROUTES][METRICS_N_METHODS][METRICS_N_CODES];
	struct metrics_histogram request_seconds[METRICS_MAX_ROUTES];
	struct metrics_histogram request_bytes, reply_bytes;
	struct metrics_histogram receive_seconds;
	struct metrics_histogram decode_seconds[METRICS_N_FORMATS];
	struct metrics_histogram encode_seconds[METRICS_N_FORMATS];
	struct metrics_histogram queue_seconds;
	struct metrics_histogram compute_seconds[METRICS_MAX_LOSSES][LOSS_N_DTYPES];
	atomic_uint_least64_t elements[METRICS_MAX_LOSSES][LOSS_N_DTYPES];
	atomic_uint_least64_t rows[METRICS_MAX_LOSSES];
	struct metrics_inference_shard inferences[METRICS_MAX_LOSSES];
};

/* All that metrics_start was told, and every thread's counters. */
struct metrics_state {
	const char *const *routes;
	size_t n_routes;
	const char *isa;
	size_t n_losses;
	double start_seconds;
	atomic_uint n_threads;
	struct metrics_shard shards[METRICS_N_SHARDS];
};
extern struct metrics_state metrics_state;

/* The one that this thread counts in, and whether others do. */
struct metrics_mine {
	struct metrics_shard *shard;
	bool shared;
};
const struct metrics_mine *metrics_mine(void);

/* To a counter of that shard. */
static inline void metrics_add(const struct metrics_mine *mine, atomic_uint_least64_t *counter,
			       uint64_t n)
{
	if (mine->shared)
		atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
	else
		atomic_store_explicit(counter,
				      atomic_load_explicit(counter, memory_order_relaxed) + n,
				      memory_order_relaxed);
}

#endif
