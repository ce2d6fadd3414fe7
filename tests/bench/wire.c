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
#include "ours.h"
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
	measured->reference = LIMIT_BYTES;
	if (!server_start_lossd(&lossd, bench)) {
		note(measured, "lossd did not start");
	} else {
		double before = server_bytes(&lossd, "VmRSS:");
		double seconds = upload_seconds(lossd.socket, SERVER_PATH, &body->upload);
		measured->ours = server_bytes(&lossd, "VmHWM:") - before;
		measured->ratio = isnan(seconds) ? seconds : measured->ours / measured->reference;
		measured->met = measured->ratio <= measured->what->bar;
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

static double post(int socket, const char *path, const char *json)
{
	const struct upload upload = {.type = "application/json",
				      .head = json,
				      .head_bytes = strlen(json),
				      .bytes = strlen(json)};
	return upload_seconds(socket, path, &upload);
}

static bool register_shared(int socket, const struct shared *shared)
{
	char json[256];
	snprintf(json, sizeof json, "{\"key\":\"%s\",\"offset\":0,\"byte_size\":%zu}", shared->key,
		 shared->bytes);
	return !isnan(post(socket, "/v2/systemsharedmemory/region/bench/register", json));
}

static double infer_seconds(int socket, const struct shared *shared)
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
	return post(socket, "/v2/models/cross_entropy/infer", json);
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
	if (!server_start_lossd(&lossd, bench) || !register_shared(lossd.socket, &shared)) {
		note(measured, "lossd did not start, or did not take the region");
	} else {
		for (size_t round = 0; round < bench->rounds; round++) {
			times[0][round] = infer_seconds(lossd.socket, &shared);
			times[1][round] = in_process_seconds(bench, &shared);
		}
		measured->ours = median(times[0], bench->rounds);
		measured->reference = median(times[1], bench->rounds);
		measured->ratio = measured->reference / measured->ours;
		measured->met = measured->ratio >= measured->what->bar;
		note(measured, "a request and its reply, against a call in this process");
	}
	server_stop(&lossd);
	drop_shared(&shared);
}

/* ---------------------------------------------------------------- the cases */

/* From REFERENCE_DISCARD on. */
static const struct wire_case {
	const char *name;
	void (*measure)(struct bench *bench, const struct body *body, struct measured *measured);
} wire_cases[] = {
	{"upload, safetensors", turns_measure_upload},
	{"growth of memory, safetensors", measure_growth},
	{"shared memory", measure_shared},
	{"gradient, its reply alone", turns_measure_reply},
	{"gradient, safetensors", turns_measure_both},
	{"gradient", beside_measure_gradient},
	{"p95 of small ones", beside_measure_small},
	{"a deadline of 1 s", beside_measure_deadline},
};

void wire_measure(struct bench *bench, struct measured *measured)
{
	const struct bench_case *what = measured->what;
	struct body body = {0};
	measured->bytes = (double)(what->shape[0] * what->shape[1] * sizeof(float));
	const struct wire_case *wire = &wire_cases[what->reference - REFERENCE_DISCARD];
	snprintf(measured->name, sizeof measured->name, "%s%s%s, F32, %zu×%zu", wire->name,
		 what->load ? " beside " : "", what->load ? what->load->name : "", what->shape[0],
		 what->shape[1]);
	if (!body_make(&body, what->shape[0], what->shape[1]))
		note(measured, "there is not enough memory");
	else
		wire->measure(bench, &body, measured);
	body_drop(&body);
}
