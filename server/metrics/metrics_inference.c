/* Inferences of the Open Inference Protocol, as its statistics have them. */
#include "metrics_shard.h"

#include <time.h>

static size_t index_of(const struct loss_info *loss)
{
	size_t i = 0;
	while (i < metrics_state.n_losses && loss_at(i) != loss)
		i++;
	return i;
}

static uint64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void metrics_inference(const struct metrics_inference *inference)
{
	size_t loss = index_of(inference->loss);
	if (loss == metrics_state.n_losses)
		return;
	const struct metrics_mine *mine = metrics_mine();
	struct metrics_inference_shard *shard = &mine->shard->inferences[loss];
	if (!inference->success) {
		metrics_add(mine, &shard->fail, 1);
		metrics_add(mine, &shard->fail_ns, inference->total_ns);
		return;
	}
	metrics_add(mine, &shard->success, 1);
	metrics_add(mine, &shard->success_ns, inference->total_ns);
	metrics_add(mine, &shard->queue_ns, inference->queue_ns);
	metrics_add(mine, &shard->input_ns, inference->input_ns);
	metrics_add(mine, &shard->infer_ns, inference->infer_ns);
	metrics_add(mine, &shard->output_ns, inference->output_ns);
	/* Another thread of the same shard may write a time of the same moment. */
	atomic_store_explicit(&shard->last_ms, now_ms(), memory_order_relaxed);
}

static uint64_t get(const atomic_uint_least64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

void metrics_inferences(const struct loss_info *loss, struct metrics_inferences *sum)
{
	size_t i = index_of(loss);
	*sum = (struct metrics_inferences){0};
	for (size_t k = 0; i < metrics_state.n_losses && k < METRICS_N_SHARDS; k++) {
		const struct metrics_inference_shard *shard =
			&metrics_state.shards[k].inferences[i];
		uint64_t last_ms = get(&shard->last_ms);
		sum->last_ms = last_ms > sum->last_ms ? last_ms : sum->last_ms;
		sum->success += get(&shard->success);
		sum->success_ns += get(&shard->success_ns);
		sum->fail += get(&shard->fail);
		sum->fail_ns += get(&shard->fail_ns);
		sum->queue_ns += get(&shard->queue_ns);
		sum->input_ns += get(&shard->input_ns);
		sum->infer_ns += get(&shard->infer_ns);
		sum->output_ns += get(&shard->output_ns);
	}
}
