#include "json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../server/codec/json/json_in.h"
#include "../../server/codec/json/reply_json.h"
#include "../../server/codec/number/number.h"
#include "../../server/eval/stream.h"
#include "../support/random.h"
#include "budget.h"
#include "timing.h"

/* A server is handed its bodies in pieces of about that size. */
#define PIECE_BYTES ((size_t)32768)
#define REPLY_CHARS 32 /* that snprintf makes of a number at most, with a comma */

/* Memory that is all of one case's: what it measures, and what the reference is given. */
struct json_case {
	const struct loss_tensor *logits;
	char *body;
	size_t body_size;
	struct loss_budget budget; /* keeps large memory from call to call, as a server does */
	const struct loss_result *result;
	char *text; /* for snprintf */
};

static void give_up(const char *why)
{
	fprintf(stderr, "bench: %s\n", why);
	exit(1);
}

static void *new_memory(size_t size)
{
	void *memory = malloc(size);
	if (!memory)
		give_up("there is not enough memory");
	return memory;
}

static struct loss_arena *new_arena(struct loss_budget *budget)
{
	struct loss_arena *arena = loss_arena_create(budget);
	if (!arena)
		give_up("there is not enough memory");
	return arena;
}

/* ---------------------------------------------------------------- what is measured on */

/* Numbers around 0, of a deviation of 3. */
static struct loss_tensor make_logits(const struct bench_case *what)
{
	struct loss_tensor logits = {.dtype = LOSS_F32, .rank = what->rank};
	struct random random = random_start(1);
	memcpy(logits.shape, what->shape, sizeof what->shape);
	loss_tensor_set_count(&logits);
	float *data = new_memory(logits.count * sizeof *data);
	for (size_t i = 0; i < logits.count; i++)
		data[i] = (float)(3.0 * random_normal(&random));
	logits.data = data;
	return logits;
}

/* As Python writes lists of lists of floats that were float32: ", " between, doubles' digits. */
static void make_body(struct json_case *json)
{
	const struct loss_tensor *logits = json->logits;
	const float *value = logits->data;
	size_t rows = logits->shape[0], classes = logits->shape[1];
	json->body = new_memory(logits->count * (NUMBER_MAX_CHARS + 2) + 4 * rows + 32);
	char *p = json->body;
	p += sprintf(p, "{\"logits\": [");
	for (size_t row = 0; row < rows; row++) {
		p += sprintf(p, row ? ", [" : "[");
		for (size_t i = 0; i < classes; i++, p += sprintf(p, i < classes ? ", " : "]"))
			p += number_format_f64((double)*value++, p);
	}
	p += sprintf(p, "]}");
	json->body_size = (size_t)(p - json->body);
}

static bool write_body(const struct bench *bench, const struct json_case *json)
{
	char path[512];
	json_body_path(bench->folder, path, sizeof path);
	FILE *out = fopen(path, "w");
	bool written = out && fwrite(json->body, 1, json->body_size, out) == json->body_size;
	return out && fclose(out) == 0 && written;
}

/* The gradient of a mean over the rows. */
static void make_gradient(const struct loss_tensor *logits, struct loss_arena *arena,
			  struct loss_result *result)
{
	static const char *const outputs[] = {"grad"};
	struct loss_tensor targets = {.dtype = LOSS_I64,
				      .rank = 1,
				      .shape = {logits->shape[0]},
				      .count = logits->shape[0]};
	int64_t *classes = loss_arena_array(arena, int64_t, targets.count);
	struct loss_problem *problem =
		loss_problem_create(loss_find("cross_entropy", strlen("cross_entropy")), arena);
	struct loss_error err;
	if (!classes || !problem)
		give_up("there is not enough memory");
	for (size_t i = 0; i < targets.count; i++)
		classes[i] = (int64_t)(i * 7919 % logits->shape[1]);
	targets.data = classes;
	if (loss_problem_set_tensor(problem, 0, logits, &err) != LOSS_OK ||
	    loss_problem_set_tensor(problem, 1, &targets, &err) != LOSS_OK ||
	    loss_problem_set_outputs(problem, outputs, 1, &err) != LOSS_OK ||
	    loss_evaluate(problem, arena, 1, NULL, result, &err) != LOSS_OK)
		give_up(err.detail);
}

/* ---------------------------------------------------------------- reading */

/* From the first byte of the body to the tensor, which goes with the arena. */
static void read_body(struct json_case *json, struct loss_arena *arena)
{
	struct loss_problem *problem =
		loss_problem_create(loss_find("softmax", strlen("softmax")), arena);
	struct loss_error err;
	struct stream *stream =
		stream_create(&(struct stream_setup){.problem = problem, .arena = arena});
	if (!stream)
		give_up("there is not enough memory");
	const struct decoder_setup setup = {
		.problem = problem,
		.arena = arena,
		.sink = stream_sink(stream),
		.limits = {.max_elements = SIZE_MAX, .max_rank = LOSS_MAX_RANK},
	};
	struct decoder *decoder = problem ? json_in_create(&setup) : NULL;
	if (!decoder)
		give_up("there is not enough memory");
	for (size_t at = 0; at < json->body_size; at += PIECE_BYTES) {
		size_t left = json->body_size - at;
		decoder->feed(decoder, (const unsigned char *)json->body + at,
			      left < PIECE_BYTES ? left : PIECE_BYTES);
	}
	if (decoder->finish(decoder, &err) != LOSS_OK)
		give_up(err.detail);
}

static void read_call(void *context)
{
	struct json_case *json = context;
	struct loss_arena *arena = new_arena(&json->budget);
	read_body(json, arena);
	loss_arena_destroy(arena);
}

static void measure_reading(struct bench *bench, struct json_case *json, struct measured *measured)
{
	double ours[MAX_ROUNDS], theirs[MAX_ROUNDS];
	const size_t *shape = json->logits->shape;
	snprintf(measured->name, sizeof measured->name, "JSON body, decode, F32, %zu×%zu", shape[0],
		 shape[1]);
	if (!write_body(bench, json))
		give_up("the body can not be written");
	for (size_t i = 0; i < bench->rounds; i++) {
		ours[i] = time_call(read_call, json);
		theirs[i] = peer_ask(&bench->simdjson, "parse %zu %zu 1", shape[0], shape[1]);
	}
	char path[512];
	json_body_path(bench->folder, path, sizeof path);
	unlink(path);
	measured->bytes = (double)json->body_size;
	measured->ours = median(ours, bench->rounds);
	measured->reference = median(theirs, bench->rounds);
	measured->ratio = measured->reference / measured->ours;
	snprintf(measured->note, sizeof measured->note, "%.80s; %.1f ns a number of %.1f bytes",
		 bench->simdjson.about, measured->ours / (double)json->logits->count * 1e9,
		 (double)json->body_size / (double)json->logits->count);
}

/* ---------------------------------------------------------------- memory */

/* A line of /proc/self/status in bytes, 0 when there is none. */
static double status_bytes(const char *key)
{
	char line[128];
	double bytes = 0.0;
	FILE *status = fopen("/proc/self/status", "r");
	while (status && fgets(line, sizeof line, status))
		if (strncmp(line, key, strlen(key)) == 0)
			bytes = strtod(line + strlen(key), NULL) * 1024.0;
	if (status)
		fclose(status);
	return bytes;
}

/* Makes the peak what is resident now. */
static bool forget_peak(void)
{
	FILE *clear = fopen("/proc/self/clear_refs", "w");
	bool written = clear && fputs("5", clear) >= 0;
	return clear && fclose(clear) == 0 && written;
}

static void measure_memory(struct json_case *json, struct measured *measured)
{
	const size_t *shape = json->logits->shape;
	snprintf(measured->name, sizeof measured->name, "JSON body, peak memory beside it, %zu×%zu",
		 shape[0], shape[1]);
	bool resident = forget_peak();
	double before = status_bytes("VmRSS:");
	struct loss_arena *arena = new_arena(NULL);
	read_body(json, arena);
	double held = (double)loss_arena_held(arena);
	measured->ours = resident && before > 0.0 ? status_bytes("VmHWM:") - before : held;
	loss_arena_destroy(arena);
	measured->reference = (double)json->logits->count * sizeof(float);
	measured->ratio = measured->ours / measured->reference;
	measured->unit = "MB";
	measured->factor = 1e-6;
	snprintf(measured->note, sizeof measured->note, "%s; charged %.1f MB",
		 resident ? "resident" : "charged, for the resident is not known", held * 1e-6);
}

/* ---------------------------------------------------------------- writing */

static void write_call(void *context)
{
	struct json_case *json = context;
	struct loss_arena *arena = new_arena(&json->budget);
	struct timings timings = {.isa = "none"};
	struct reply_wish wish = {0};
	struct loss_error err;
	const struct encoder_input input = {
		.loss = loss_find("cross_entropy", strlen("cross_entropy")),
		.result = json->result,
		.timings = &timings,
		.wish = &wish,
		.arena = arena,
	};
	struct encoded encoded = {.text = loss_buffer_create(arena)};
	struct encoder *encoder = reply_json_create(&input);
	enum encoder_end end = encoded.text && encoder ? ENCODER_MORE : ENCODER_FAILED;
	while (end == ENCODER_MORE)
		end = encoder->write(encoder, &encoded, &err);
	if (end == ENCODER_FAILED)
		give_up("there is not enough memory");
	loss_arena_destroy(arena);
}

static void snprintf_call(void *context)
{
	struct json_case *json = context;
	const struct loss_tensor *grad = &json->result->outputs[0].tensor;
	const float *values = grad->data;
	char *p = json->text;
	for (size_t i = 0; i < grad->count; i++) {
		p += snprintf(p, REPLY_CHARS, "%.9g", (double)values[i]);
		*p++ = ',';
	}
}

static void measure_writing(struct bench *bench, struct json_case *json, struct measured *measured)
{
	double ours[MAX_ROUNDS], theirs[MAX_ROUNDS];
	const size_t *shape = json->logits->shape;
	struct loss_arena *arena = new_arena(NULL);
	struct loss_result result;
	snprintf(measured->name, sizeof measured->name, "JSON reply, encode, grad, %zu×%zu",
		 shape[0], shape[1]);
	make_gradient(json->logits, arena, &result);
	json->result = &result;
	json->text = new_memory(json->logits->count * REPLY_CHARS);
	for (size_t i = 0; i < bench->rounds; i++) {
		ours[i] = time_call(write_call, json);
		theirs[i] = time_call(snprintf_call, json);
	}
	free(json->text);
	loss_arena_destroy(arena);
	measured->ours = median(ours, bench->rounds);
	measured->reference = median(theirs, bench->rounds);
	measured->ratio = measured->reference / measured->ours;
	measured->unit = "ns";
	measured->factor = 1e9 / (double)json->logits->count;
	snprintf(measured->note, sizeof measured->note, "a number; snprintf(\"%%.9g\")");
}

/* ---------------------------------------------------------------- the cases */

void json_body_path(const char *folder, char *out, size_t size)
{
	snprintf(out, size, "%s/bench-body.json", folder);
}

void json_measure(struct bench *bench, struct measured *measured)
{
	const struct bench_case *what = measured->what;
	struct loss_tensor logits = make_logits(what);
	struct json_case json = {.logits = &logits, .budget = {.limit = bench->memory_bytes}};
	if (what->reference == REFERENCE_SNPRINTF) {
		measure_writing(bench, &json, measured);
	} else {
		make_body(&json);
		if (what->reference == REFERENCE_SIMDJSON)
			measure_reading(bench, &json, measured);
		else
			measure_memory(&json, measured);
	}
	measured->met = what->at_most ? measured->ratio <= what->bar : measured->ratio >= what->bar;
	loss_budget_trim(&json.budget);
	free(json.body);
	free(logits.data);
}
