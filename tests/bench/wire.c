#include "wire.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "beside.h"
#include "body.h"
#include "crowded.h"
#include "ours.h"
#include "rates.h"
#include "server.h"
#include "timing.h"
#include "turns.h"

#define LIMIT_BYTES ((double)(64 << 20))

/* Grown by one upload, at its most. */
static void measure_growth(struct bench *bench, const struct body *body, struct measured *measured)
{
	struct server lossd = SERVER_NONE;
	measured->unit = "MiB";
	measured->factor = 1.0 / (1 << 20);
	if (!server_start(&lossd, bench, SERVER_LOSSD, NULL)) {
		note(measured, "lossd did not start");
	} else {
		double before = server_bytes(&lossd, "VmRSS:");
		double seconds = upload_seconds(&lossd.channel, SERVER_PATH, &body->upload);
		double grown = server_bytes(&lossd, "VmHWM:") - before;
		measured_sum_up(measured, isnan(seconds) ? seconds : grown, LIMIT_BYTES);
		note(measured, "of %.1f MiB before; in %.2f s", before / (1 << 20), seconds);
	}
	server_stop(&lossd);
}

/* ---------------------------------------------------------------- shared memory */

/* I64 targets, then F32 logits, as an object that other processes can map. */
struct shared {
	char key[64];
	size_t rows, classes, targets_bytes, bytes;
	unsigned char *data; /* NULL: none */
};

static bool make_shared(struct shared *shared, const struct body *body, size_t rows, size_t classes)
{
	*shared = (struct shared){.rows = rows, .classes = classes};
	shared->targets_bytes = rows * sizeof(int64_t);
	shared->bytes = shared->targets_bytes + rows * classes * sizeof(float);
	snprintf(shared->key, sizeof shared->key, "/%s%d", SERVER_KEY_PREFIX, (int)getpid());
	int fd = shm_open(shared->key, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		return false;
	void *data = MAP_FAILED;
	if (ftruncate(fd, (off_t)shared->bytes) == 0)
		data = mmap(NULL, shared->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (data == MAP_FAILED) {
		shm_unlink(shared->key);
		return false;
	}
	shared->data = data;
	memcpy(shared->data + shared->targets_bytes, body->rows, rows * classes * sizeof(float));
	return true;
}

static void drop_shared(struct shared *shared)
{
	if (!shared->data)
		return;
	munmap(shared->data, shared->bytes);
	shm_unlink(shared->key);
}

static double post(struct channel *channel, const char *path, const char *json)
{
	const struct upload upload = {.type = "application/json",
				      .head = json,
				      .head_bytes = strlen(json),
				      .bytes = strlen(json)};
	return upload_seconds(channel, path, &upload);
}

static bool register_shared(struct channel *channel, const struct shared *shared)
{
	char json[256];
	snprintf(json, sizeof json, "{\"key\":\"%s\",\"offset\":0,\"byte_size\":%zu}", shared->key,
		 shared->bytes);
	return !isnan(post(channel, "/v2/systemsharedmemory/region/bench/register", json));
}

static double infer_seconds(struct channel *channel, const struct shared *shared)
{
	char json[640];
	snprintf(json, sizeof json,
		 "{\"inputs\":[{\"name\":\"targets\",\"datatype\":\"INT64\",\"shape\":[%zu],"
		 "\"parameters\":{\"shared_memory_region\":\"bench\","
		 "\"shared_memory_byte_size\":%zu}},{\"name\":\"logits\",\"datatype\":\"FP32\","
		 "\"shape\":[%zu,%zu],\"parameters\":{\"shared_memory_region\":\"bench\","
		 "\"shared_memory_offset\":%zu,\"shared_memory_byte_size\":%zu}}]}",
		 shared->rows, shared->targets_bytes, shared->rows, shared->classes,
		 shared->targets_bytes, shared->bytes - shared->targets_bytes);
	return post(channel, "/v2/models/cross_entropy/infer", json);
}

/* The same tensors, where they lie, by this process. */
static double in_process_seconds(const struct bench *bench, const struct shared *shared)
{
	struct pool pool = {.logits = shared->data + shared->targets_bytes, .n_slices = 1};
	struct ours_case what = {
		.call = &ours_forward,
		.pool = &pool,
		.tensors =
			{
				[LOSS_ROLE_INPUT] = {.dtype = LOSS_F32,
						     .rank = 2,
						     .shape = {shared->rows, shared->classes},
						     .count = shared->rows * shared->classes},
				[LOSS_ROLE_TARGETS] = {.dtype = LOSS_I64,
						       .rank = 1,
						       .shape = {shared->rows},
						       .count = shared->rows,
						       .data = shared->data},
			},
		.isa = bench->isa,
		.threads = bench->threads,
	};
	return ours_call_seconds(&what, TIMED_SECONDS);
}

static void measure_shared(struct bench *bench, const struct body *body, struct measured *measured)
{
	struct server lossd = SERVER_NONE;
	struct shared shared;
	double times[2][MAX_ROUNDS];
	const size_t *shape = measured->what->shape;
	if (!make_shared(&shared, body, shape[0], shape[1])) {
		note(measured, "there is no shared memory");
		return;
	}
	if (!server_start(&lossd, bench, SERVER_LOSSD, NULL) ||
	    !register_shared(&lossd.channel, &shared)) {
		note(measured, "lossd did not start, or did not take the region");
	} else {
		for (size_t round = 0; round < bench->rounds; round++) {
			times[0][round] = infer_seconds(&lossd.channel, &shared);
			times[1][round] = in_process_seconds(bench, &shared);
		}
		measured_sum_up(measured, median(times[0], bench->rounds),
				median(times[1], bench->rounds));
		note(measured, "a request and its reply, against a call in this process");
	}
	server_stop(&lossd);
	drop_shared(&shared);
}

/* ---------------------------------------------------------------- base64 */

/* Of one server, the two bodies in turn. */
static void measure_base64(struct bench *bench, const struct body *body, struct measured *measured)
{
	struct server lossd = SERVER_NONE;
	struct body text = {0};
	double times[2][MAX_ROUNDS];
	const size_t *shape = measured->what->shape;
	if (!body_make_base64(&text, body, shape[0], shape[1])) {
		note(measured, "there is not enough memory");
	} else if (!server_start(&lossd, bench, SERVER_LOSSD, NULL)) {
		note(measured, "lossd did not start");
	} else {
		for (size_t round = 0; round < bench->rounds; round++) {
			times[0][round] = upload_seconds(&lossd.channel, SERVER_PATH, &text.upload);
			times[1][round] =
				upload_seconds(&lossd.channel, SERVER_PATH, &body->upload);
		}
		measured_sum_up(measured, median(times[0], bench->rounds),
				median(times[1], bench->rounds));
		note(measured, "in bytes of the logits; the reference is E3's safetensors");
	}
	server_stop(&lossd);
	body_drop(&text);
}

/* ---------------------------------------------------------------- the cases */

static const struct wire_case {
	const char *name;
	void (*measure)(struct bench *bench, const struct body *body, struct measured *measured);
} wire_cases[] = {
	[REFERENCE_BARE_RATE] = {"small ones at once", rates_measure_bare},
	[REFERENCE_FASTAPI_RATE] = {"small ones at once", rates_measure_fastapi},
	[REFERENCE_REQUEST_RATE] = {"small ones as lines", rates_measure_lines},
	[REFERENCE_DISCARD] = {"upload", turns_measure_upload},
	[REFERENCE_DISCARD_TLS] = {"upload by TLS", turns_measure_tls},
	[REFERENCE_FASTAPI] = {"upload", turns_measure_fastapi},
	[REFERENCE_64_MIB] = {"growth of memory", measure_growth},
	[REFERENCE_IN_PROCESS] = {"shared memory", measure_shared},
	[REFERENCE_REPLY] = {"gradient, its reply alone", turns_measure_reply},
	[REFERENCE_BOTH_WAYS] = {"gradient", turns_measure_both},
	[REFERENCE_SAFETENSORS] = {"upload", measure_base64},
	[REFERENCE_QUIET] = {"gradient", beside_measure_gradient},
	[REFERENCE_QUIET_P99] = {"p99 of small ones", beside_measure_p99},
	[REFERENCE_BARE_BESIDE] = {"p95 of small ones", beside_measure_p95},
	[REFERENCE_DEADLINE] = {"a deadline of 1 s", beside_measure_deadline},
	[REFERENCE_FRESH_BYTES] = {"an idle connection, new", crowded_measure_fresh},
	[REFERENCE_USED_BYTES] = {"an idle connection, used", crowded_measure_used},
	[REFERENCE_IDLE] = {"p99 of small ones beside idle ones", crowded_measure_idle},
	[REFERENCE_SLOW] = {"p99 of small ones beside slow ones", crowded_measure_slow},
	[REFERENCE_LATE] = {"the last of slow ones, late", crowded_measure_late},
};

static bool make_body(struct body *body, const struct bench_case *what)
{
	return what->json ? body_make_json(body, what->shape[0], what->shape[1])
			  : body_make(body, what->shape[0], what->shape[1]);
}

void wire_measure(struct bench *bench, struct measured *measured)
{
	const struct bench_case *what = measured->what;
	struct body body = {0};
	measured->bytes = (double)(what->shape[0] * what->shape[1] * sizeof(float));
	const struct wire_case *wire = &wire_cases[what->reference];
	snprintf(measured->name, sizeof measured->name, "%s%s%s, %s, %zu×%zu", wire->name,
		 what->load ? " beside " : "", what->load ? what->load->name : "",
		 what->reference == REFERENCE_SAFETENSORS ? "base64 in JSON"
		 : what->json                             ? "JSON"
							  : "safetensors",
		 what->shape[0], what->shape[1]);
	if (!make_body(&body, what))
		note(measured, "there is not enough memory");
	else
		wire->measure(bench, &body, measured);
	body_drop(&body);
}
