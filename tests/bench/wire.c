#include "wire.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ours.h"
#include "timing.h"
#include "upload.h"

#define PATH "/v1/losses/cross_entropy"
#define LIMIT_BYTES ((double)(64 << 20))
#define CONNECTION_MEMORY "32768"
#define BEST_CONNECTION_MEMORY "1048576"
#define KEY_PREFIX "lossd-bench-"
#define MAX_ARGUMENTS 8

/* ---------------------------------------------------------------- servers */

struct child {
	pid_t pid; /* 0: none */
	unsigned port;
	int socket; /* a connection to it */
};

/* The port in its first line that has one. */
static unsigned read_port(int fd)
{
	char line[256];
	unsigned port = 0;
	FILE *out = fdopen(fd, "r");
	while (out && port == 0 && fgets(line, sizeof line, out)) {
		const char *colon = strrchr(line, ':');
		if (sscanf(line, "ready %u", &port) != 1 && strstr(line, "ready on") && colon)
			port = (unsigned)strtoul(colon + 1, NULL, 10);
	}
	if (out)
		fclose(out);
	return port;
}

static bool start(struct child *child, const char *const *command)
{
	int ends[2];
	char *arguments[MAX_ARGUMENTS + 1] = {0};
	*child = (struct child){.socket = -1};
	if (pipe(ends) != 0)
		return false;
	for (size_t i = 0; i < MAX_ARGUMENTS && command[i]; i++)
		arguments[i] = strdup(command[i]);
	child->pid = fork();
	if (child->pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		unsetenv("GOMP_SPINCOUNT"); /* a server is measured as it is */
		if (!freopen("/dev/null", "w", stderr))
			_exit(127);
		execv(arguments[0], arguments);
		_exit(127);
	}
	for (size_t i = 0; i < MAX_ARGUMENTS; i++)
		free(arguments[i]);
	close(ends[1]);
	child->port = read_port(ends[0]);
	if (child->port)
		child->socket = upload_connect(child->port);
	return child->socket >= 0;
}

static void stop(struct child *child)
{
	if (child->socket >= 0)
		close(child->socket);
	if (child->pid > 0) {
		kill(child->pid, SIGTERM);
		waitpid(child->pid, NULL, 0);
	}
}

static bool start_lossd(struct child *child, const struct bench *bench)
{
	char path[512];
	snprintf(path, sizeof path, "%s/lossd", bench->folder);
	return start(child,
		     (const char *[]){path, "--listen", "127.0.0.1:0", "--connection-memory-bytes",
				      CONNECTION_MEMORY, "--shm-key-prefix", KEY_PREFIX, NULL});
}

static bool start_discard(struct child *child, const struct bench *bench, const char *memory)
{
	char path[512], threads[16];
	snprintf(path, sizeof path, "%s/tests/bench/discard", bench->folder);
	snprintf(threads, sizeof threads, "%ld", sysconf(_SC_NPROCESSORS_ONLN));
	return start(child, (const char *[]){path, threads, memory, NULL});
}

/* Of /proc/PID/status, in bytes: "VmRSS:", "VmHWM:". */
static double status_bytes(const struct child *child, const char *field)
{
	char path[64], line[256];
	double kilobytes = (double)NAN;
	snprintf(path, sizeof path, "/proc/%d/status", (int)child->pid);
	FILE *status = fopen(path, "r");
	while (status && fgets(line, sizeof line, status))
		if (strncmp(line, field, strlen(field)) == 0)
			kilobytes = strtod(line + strlen(field), NULL);
	if (status)
		fclose(status);
	return kilobytes * 1024.0;
}

/* ---------------------------------------------------------------- the body */

struct body {
	char *head; /* length, header, targets */
	float *rows;
	struct upload upload;
};

#define ROWS_IN_MEMORY 256

/* I64 targets, then F32 logits between -8 and 8, of which the first rows come again and again. */
static bool make_body(struct body *body, size_t rows, size_t classes)
{
	size_t kept = rows < ROWS_IN_MEMORY ? rows : ROWS_IN_MEMORY;
	size_t targets = rows * sizeof(int64_t), row = classes * sizeof(float);
	body->head = calloc(1, 512 + targets);
	body->rows = malloc(kept * row);
	if (!body->head || !body->rows)
		return false;
	int n = snprintf(
		body->head + 8, 504,
		"{\"targets\":{\"dtype\":\"I64\",\"shape\":[%zu],\"data_offsets\":[0,%zu]},"
		"\"logits\":{\"dtype\":\"F32\",\"shape\":[%zu,%zu],\"data_offsets\":[%zu,%zu]"
		"}}",
		rows, targets, rows, classes, targets, targets + rows * row);
	uint64_t length = ((uint64_t)n + 7) / 8 * 8;
	memset(body->head + 8 + n, ' ', (size_t)length - (size_t)n);
	memcpy(body->head, &length, sizeof length);
	for (size_t i = 0; i < kept * classes; i++)
		body->rows[i] = (float)(i * 2654435761u % 1600) / 100.0f - 8.0f;
	body->upload = (struct upload){
		.type = "application/x-safetensors",
		.head = body->head,
		.head_bytes = 8 + (size_t)length + targets,
		.piece = body->rows,
		.piece_bytes = kept * row,
		.bytes = 8 + length + targets + rows * row,
	};
	return true;
}

/* ---------------------------------------------------------------- the cases */

static void say(struct measured *measured, const char *text)
{
	snprintf(measured->note, sizeof measured->note, "%s", text);
}

static void measure_rate(struct bench *bench, const struct body *body, struct measured *measured)
{
	struct child lossd = {.socket = -1}, same = lossd, best = lossd;
	double times[3][MAX_ROUNDS];
	if (!start_lossd(&lossd, bench) || !start_discard(&same, bench, CONNECTION_MEMORY) ||
	    !start_discard(&best, bench, BEST_CONNECTION_MEMORY)) {
		say(measured, "lossd or the bare libmicrohttpd did not start");
	} else {
		const int sockets[] = {lossd.socket, same.socket, best.socket};
		for (size_t round = 0; round < bench->rounds; round++)
			for (int i = 0; i < 3; i++)
				times[i][round] = upload_seconds(sockets[i], PATH, &body->upload);
		measured->ours = median(times[0], bench->rounds);
		measured->reference = median(times[1], bench->rounds);
		measured->ratio = measured->reference / measured->ours;
		measured->met = measured->ratio >= measured->what->bar;
		snprintf(measured->note, sizeof measured->note,
			 "bare libmicrohttpd that discards; with 1 MiB for a connection %.3g GB/s",
			 measured->bytes * 1e-9 / median(times[2], bench->rounds));
	}
	stop(&lossd);
	stop(&same);
	stop(&best);
}

/* Grown by one upload, at its most. */
static void measure_growth(struct bench *bench, const struct body *body, struct measured *measured)
{
	struct child lossd;
	measured->unit = "MiB";
	measured->factor = 1.0 / (1 << 20);
	measured->reference = LIMIT_BYTES;
	if (!start_lossd(&lossd, bench)) {
		say(measured, "lossd did not start");
	} else {
		double before = status_bytes(&lossd, "VmRSS:");
		double seconds = upload_seconds(lossd.socket, PATH, &body->upload);
		measured->ours = status_bytes(&lossd, "VmHWM:") - before;
		measured->ratio = isnan(seconds) ? seconds : measured->ours / measured->reference;
		measured->met = measured->ratio <= measured->what->bar;
		snprintf(measured->note, sizeof measured->note, "of %.1f MiB before; in %.2f s",
			 before / (1 << 20), seconds);
	}
	stop(&lossd);
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
	snprintf(shared->key, sizeof shared->key, "/%s%d", KEY_PREFIX, (int)getpid());
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
	struct child lossd = {.socket = -1};
	struct shared shared;
	double times[2][MAX_ROUNDS];
	const size_t *shape = measured->what->shape;
	if (!make_shared(&shared, body, shape[0], shape[1])) {
		say(measured, "there is no shared memory");
		return;
	}
	if (!start_lossd(&lossd, bench) || !register_shared(lossd.socket, &shared)) {
		say(measured, "lossd did not start, or did not take the region");
	} else {
		for (size_t round = 0; round < bench->rounds; round++) {
			times[0][round] = infer_seconds(lossd.socket, &shared);
			times[1][round] = in_process_seconds(bench, &shared);
		}
		measured->ours = median(times[0], bench->rounds);
		measured->reference = median(times[1], bench->rounds);
		measured->ratio = measured->reference / measured->ours;
		measured->met = measured->ratio >= measured->what->bar;
		say(measured, "a request and its reply, against a call in this process");
	}
	stop(&lossd);
	drop_shared(&shared);
}

/* From REFERENCE_DISCARD on. */
static const struct wire_case {
	const char *name;
	void (*measure)(struct bench *bench, const struct body *body, struct measured *measured);
} wire_cases[] = {
	{"upload, safetensors", measure_rate},
	{"growth of memory, safetensors", measure_growth},
	{"shared memory", measure_shared},
};

void wire_measure(struct bench *bench, struct measured *measured)
{
	const struct bench_case *what = measured->what;
	struct body body = {0};
	measured->bytes = (double)(what->shape[0] * what->shape[1] * sizeof(float));
	const struct wire_case *wire = &wire_cases[what->reference - REFERENCE_DISCARD];
	snprintf(measured->name, sizeof measured->name, "%s, F32, %zu×%zu", wire->name,
		 what->shape[0], what->shape[1]);
	if (!make_body(&body, what->shape[0], what->shape[1]))
		say(measured, "there is not enough memory");
	else
		wire->measure(bench, &body, measured);
	free(body.head);
	free(body.rows);
}
