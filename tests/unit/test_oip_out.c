/* Open Inference Protocol replies: the document, raw outputs after it, totals and times in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <cjson/cJSON.h>
#include <math.h>

#include "../../server/codec/json/json_out.h"
#include "../../server/codec/oip/oip_in.h"
#include "../../server/codec/oip/oip_out.h"
#include "../../server/eval/stream.h"
#include "../../server/shm/shm_uses.h"

#include "../support/encoded.h"
#include "../support/object.h"
#include "budget.h"
#include "status/status.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static float loss_data[] = {1.3447266f};
static float grad_data[] = {-0.5f, 0.25f, NAN, 1e-7f, INFINITY, 0.0f};
static int64_t predicted_data[] = {2, -9223372036854775807 - 1};
static unsigned char correct_data[] = {1, 0};
static uint16_t narrow_data[] = {0x3c00, 0x7c00}; /* 1 and infinity */

/* Of (2, 3) logits. */
static const struct loss_output all_outputs[] = {
	{"loss", {LOSS_F32, 0, {0}, 1, loss_data}},
	{"grad", {LOSS_F32, 2, {2, 3}, 6, grad_data}},
	{"predicted", {LOSS_I64, 1, {2}, 2, predicted_data}},
	{"correct", {LOSS_BOOL, 1, {2}, 2, correct_data}},
	{"lse", {LOSS_F16, 1, {2}, 2, narrow_data}},
	{"entropy", {LOSS_F32, 2, {0, 3}, 0, NULL}},
};

struct reply {
	struct loss_arena *arena;
	struct encoded_reply encoded;
	struct encoded out;
	const char *text; /* the document, terminated */
	cJSON *json;
	size_t document; /* its bytes; after them is raw */
	const unsigned char *raw;
	size_t n_raw;
	struct timings timings;
};

/* What a document without tensors says of its reply: that it lacks them is not the matter here. */
static struct decoder *decode(struct loss_arena *arena, const char *document)
{
	struct loss_error err;
	struct loss_problem *problem = loss_problem_create(loss_find("cross_entropy", 13), arena);
	assert_non_null(problem);
	struct stream *stream =
		stream_create(&(struct stream_setup){.problem = problem, .arena = arena});
	assert_non_null(stream);
	struct decoder *decoder =
		oip_in_create(&(struct decoder_setup){.problem = problem,
						      .arena = arena,
						      .sink = stream_sink(stream),
						      .limits = {1000, 8, 1000, false}});
	assert_non_null(decoder);
	decoder->feed(decoder, (const unsigned char *)document, strlen(document));
	decoder->finish(decoder, &err);
	return decoder;
}

/* Decodes the document of a request, and writes the reply of the outputs that it lists. */
static struct reply reply_to(const char *request, struct loss_result result)
{
	struct reply reply = {
		.arena = loss_arena_create(NULL),
		.timings = {.start_ns = clock_ns() - 5000000,
			    .receive_ns = 1500,
			    .decode_ns = 2000000000,
			    .compute_ns = 123456789,
			    .bytes_in = 4294967296,
			    .threads = 7,
			    .isa = "avx2"},
	};
	const struct decoder *decoder = decode(reply.arena, request);
	const struct encoder_input input = {loss_find("cross_entropy", 13),
					    &result,
					    &reply.timings,
					    decoder->wish,
					    reply.arena,
					    {0},
					    NULL};
	reply.encoded = encoded_reply(oip_out_create, &input);
	reply.out = reply.encoded.out;

	size_t size = reply.encoded.size;
	reply.document = reply.out.header ? strtoul(reply.out.value, NULL, 10) : size;
	assert_int_equal(reply.document, reply.encoded.n_text);
	reply.raw = reply.encoded.bytes + reply.document;
	reply.n_raw = size - reply.document;
	assert_int_equal(reply.encoded.binary, reply.n_raw > 0);
	reply.text = loss_arena_printf(reply.arena, "%.*s", (int)reply.document,
				       (const char *)reply.encoded.bytes);
	reply.json = cJSON_ParseWithOpts(reply.text, NULL, 1);
	assert_non_null(reply.json);
	return reply;
}

static struct loss_result result_of(size_t n, const struct loss_output *outputs)
{
	struct loss_result result = {
		.n_outputs = n,
		.has_totals = true,
		.totals = {.loss_sum = 1.5,
			   .denominator = 2.0,
			   .rows = 3,
			   .counted = 2,
			   .ignored = 1},
	};
	memcpy(result.outputs, outputs, n * sizeof *outputs);
	return result;
}

static void end_reply(struct reply *reply)
{
	cJSON_Delete(reply->json);
	encoded_free(&reply->encoded);
	loss_arena_destroy(reply->arena);
}

static void assert_member(const cJSON *object, const char *name, const char *text)
{
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, name);
	char *printed = value ? cJSON_PrintUnformatted(value) : NULL;
	assert_string_equal(printed ? printed : "(absent)", text);
	cJSON_free(printed);
}

static const cJSON *output_at(const struct reply *reply, int i)
{
	return cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(reply->json, "outputs"), i);
}

/* ---------------------------------------------------------------- the document */

static void test_json(void **state)
{
	(void)state;
	struct reply reply =
		reply_to("{\"id\":\"\\\"7\\u00e9\"}", result_of(COUNT(all_outputs), all_outputs));
	assert_string_equal(reply.out.content_type, "application/json");
	assert_null(reply.out.header);
	assert_int_equal(reply.n_raw, 0);
	static const char *const members[] = {"model_name", "model_version", "id", "outputs",
					      "parameters"};
	assert_int_equal(cJSON_GetArraySize(reply.json), COUNT(members));
	for (size_t i = 0; i < COUNT(members); i++)
		assert_string_equal(cJSON_GetArrayItem(reply.json, (int)i)->string, members[i]);
	assert_member(reply.json, "model_name", "\"cross_entropy\"");
	assert_member(reply.json, "model_version", "\"1\"");
	assert_member(reply.json, "id", "\"\\\"7\303\251\"");
	static const struct {
		const char *name, *datatype, *shape, *data;
	} want[] = {
		{"\"loss\"", "\"FP32\"", "[]", "[1.3447266]"},
		{"\"grad\"", "\"FP32\"", "[2,3]", "[-0.5,0.25,\"NaN\",1e-07,\"Infinity\",0]"},
		{"\"predicted\"", "\"INT64\"", "[2]", NULL},
		{"\"correct\"", "\"BOOL\"", "[2]", "[true,false]"},
		{"\"lse\"", "\"FP16\"", "[2]", "[1,\"Infinity\"]"},
		{"\"entropy\"", "\"FP32\"", "[0,3]", "[]"},
	};
	for (size_t i = 0; i < COUNT(want); i++) {
		const cJSON *output = output_at(&reply, (int)i);
		assert_member(output, "name", want[i].name);
		assert_member(output, "datatype", want[i].datatype);
		assert_member(output, "shape", want[i].shape);
		if (want[i].data)
			assert_member(output, "data", want[i].data);
		assert_int_equal(cJSON_GetArraySize(output), 4);
	}
	/* cJSON holds no 64-bit integers */
	assert_non_null(strstr(reply.text, "[2,-9223372036854775808]"));
	end_reply(&reply);
}

static void test_parameters(void **state)
{
	(void)state;
	struct loss_result result = result_of(1, all_outputs);
	struct reply reply = reply_to("{\"id\":\"\"}", result);
	const cJSON *parameters = cJSON_GetObjectItemCaseSensitive(reply.json, "parameters");
	static const char *const names[] = {"loss_sum",   "denominator", "rows",      "counted",
					    "ignored",    "receive_ns",  "decode_ns", "queue_ns",
					    "compute_ns", "encode_ns",   "total_ns",  "bytes_in",
					    "threads",    "isa"};
	assert_null(cJSON_GetObjectItemCaseSensitive(reply.json, "id"));
	assert_int_equal(cJSON_GetArraySize(parameters), COUNT(names));
	for (size_t i = 0; i < COUNT(names); i++)
		assert_string_equal(cJSON_GetArrayItem(parameters, (int)i)->string, names[i]);
	assert_member(parameters, "loss_sum", "1.5");
	assert_member(parameters, "denominator", "2");
	assert_member(parameters, "rows", "3");
	assert_member(parameters, "receive_ns", "1500");
	assert_member(parameters, "decode_ns", "2000000000");
	assert_member(parameters, "compute_ns", "123456789");
	assert_member(parameters, "bytes_in", "4294967296");
	assert_member(parameters, "threads", "7");
	assert_member(parameters, "isa", "\"avx2\"");
	double encode = cJSON_GetObjectItemCaseSensitive(parameters, "encode_ns")->valuedouble;
	double total = cJSON_GetObjectItemCaseSensitive(parameters, "total_ns")->valuedouble;
	assert_true(encode > 0.0 && total >= 5000000.0 + encode);
	assert_true(total <= (double)(clock_ns() - reply.timings.start_ns));
	/* as plain numbers */
	assert_non_null(strstr(
		reply.text, loss_arena_printf(reply.arena, "\"encode_ns\":%.0f,\"total_ns\":%.0f,",
					      encode, total)));
	end_reply(&reply);

	result.has_totals = false;
	result.n_warnings = 2;
	result.warnings[0] = "one \"thing\"";
	result.warnings[1] = "another";
	reply = reply_to("{}", result);
	parameters = cJSON_GetObjectItemCaseSensitive(reply.json, "parameters");
	assert_null(cJSON_GetObjectItemCaseSensitive(parameters, "loss_sum"));
	assert_member(parameters, "warnings", "\"one \\\"thing\\\"\\nanother\"");
	end_reply(&reply);

	result = result_of(1, all_outputs);
	result.totals.loss_sum = (double)NAN;
	reply = reply_to("{}", result);
	parameters = cJSON_GetObjectItemCaseSensitive(reply.json, "parameters");
	assert_member(parameters, "loss_sum", "\"NaN\"");
	end_reply(&reply);
}

/* ---------------------------------------------------------------- raw outputs */

#define LIST(first, second)                                                                        \
	"\"outputs\":[{\"name\":\"loss\",\"parameters\":{" first                                   \
	"}},{\"name\":\"grad\",\"parameters\":{" second "}}]"
#define YES "\"binary_data\":true"
#define NO "\"binary_data\":false"
#define ALL "\"parameters\":{\"binary_data_output\":true}"

static void test_binary(void **state)
{
	(void)state;
	static const struct {
		const char *request;
		bool loss, grad; /* whether they are raw */
	} cases[] = {
		{"{" LIST(YES, YES) "}", true, true},
		{"{" LIST(YES, "") "}", true, false},
		{"{" LIST("", YES) "}", false, true},
		{"{" LIST(NO, NO) "}", false, false},
		{"{" ALL "," LIST("", "") "}", true, true},
		{"{" ALL "," LIST(NO, "") "}", false, true},
		{"{" ALL "," LIST(NO, NO) "}", false, false},
		{"{" ALL "}", true, true}, /* the outputs are the loss's default */
		{"{\"parameters\":{\"binary_data_output\":false}," LIST(YES, "") "}", true, false},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct reply reply = reply_to(cases[i].request, result_of(2, all_outputs));
		const bool raw[] = {cases[i].loss, cases[i].grad};
		const unsigned char *at = reply.raw;
		for (int k = 0; k < 2; k++) {
			const cJSON *output = output_at(&reply, k);
			size_t size = all_outputs[k].tensor.count * sizeof(float);
			assert_int_equal(raw[k], !cJSON_HasObjectItem(output, "data"));
			if (!raw[k])
				continue;
			assert_member(output, "parameters",
				      k == 0 ? "{\"binary_data_size\":4}"
					     : "{\"binary_data_size\":24}");
			assert_memory_equal(at, all_outputs[k].tensor.data, size);
			at += size;
		}
		assert_int_equal(at - reply.raw, reply.n_raw);
		assert_int_equal(reply.n_raw > 0, reply.out.header != NULL);
		assert_string_equal(reply.out.content_type, reply.n_raw > 0
								    ? "application/octet-stream"
								    : "application/json");
		if (reply.out.header)
			assert_string_equal(reply.out.header, "Inference-Header-Content-Length");
		end_reply(&reply);
	}
}

/* An output without elements has nothing to be raw. */
static void test_empty_output(void **state)
{
	(void)state;
	struct reply reply = reply_to("{" ALL "}", result_of(1, &all_outputs[5]));
	assert_null(reply.out.header);
	assert_string_equal(reply.out.content_type, "application/json");
	assert_member(output_at(&reply, 0), "data", "[]");
	end_reply(&reply);
	const struct loss_output mixed[] = {all_outputs[5], all_outputs[3]};
	reply = reply_to("{" ALL "}", result_of(2, mixed));
	assert_non_null(reply.out.header);
	assert_member(output_at(&reply, 0), "data", "[]");
	assert_member(output_at(&reply, 1), "parameters", "{\"binary_data_size\":2}");
	assert_int_equal(reply.n_raw, 2);
	assert_memory_equal(reply.raw, correct_data, 2);
	end_reply(&reply);
}

/* ---------------------------------------------------------------- pieces */

/* A reply of several pieces: none of them is long, and together they are what one would be. */
static void test_pieces(void **state)
{
	(void)state;
	enum { ROWS = 7, CLASSES = 10000, N = ROWS * CLASSES };
	static float data[N];
	for (size_t i = 0; i < N; i++)
		data[i] = -1.0f / (float)(i + 1);
	const struct loss_output outputs[] = {{"grad", {LOSS_F32, 2, {ROWS, CLASSES}, N, data}},
					      {"loss", {LOSS_F32, 2, {ROWS, CLASSES}, N, data}}};
	struct reply reply = reply_to("{\"outputs\":[{\"name\":\"grad\"},"
				      "{\"name\":\"loss\",\"parameters\":{" YES "}}]}",
				      result_of(2, outputs));
	assert_int_equal(reply.encoded.text_bytes, N * ENCODER_USUAL_CHARS);
	assert_true(reply.encoded.pieces > 5);
	assert_true(reply.encoded.longest <
		    ENCODER_PIECE_BYTES + ENCODER_PIECE_ELEMENTS * sizeof "-1.23456789e-12,");
	assert_int_equal(reply.n_raw, sizeof data);
	assert_memory_equal(reply.raw, data, sizeof data);
	assert_ptr_equal(reply.out.tensors[0].data, data);

	struct json_out out;
	struct loss_tensor flat = {LOSS_F32, 1, {N}, N, data};
	json_out_start(&out, loss_buffer_create(reply.arena));
	json_out_tensor(&out, &flat);
	assert_true(loss_buffer_append(out.buffer, "}", sizeof "}"));
	assert_non_null(strstr(reply.text, (const char *)out.buffer->data));
	assert_member(output_at(&reply, 0), "shape", "[7,10000]");
	end_reply(&reply);
}

/* ---------------------------------------------------------------- memory */

static void test_no_memory(void **state)
{
	(void)state;
	enum { N = 100000 };
	float *data = calloc(N, sizeof *data);
	assert_non_null(data);
	const struct loss_output output = {"grad", {LOSS_F32, 1, {N}, N, data}};
	static const struct {
		const char *request;
		loss_status status;
	} cases[] = {
		{"{}", LOSS_TOO_LARGE_FOR_BUDGET},
		{"{" ALL "}", LOSS_OK}, /* what is raw needs no memory */
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct loss_budget budget = {.limit = 200000};
		struct loss_arena *arena = loss_arena_create(&budget);
		struct timings timings = {.isa = "base"};
		const struct decoder *decoder = decode(arena, cases[i].request);
		struct loss_result result = result_of(1, &output);
		const struct encoder_input input = {loss_find("cross_entropy", 13),
						    &result,
						    &timings,
						    decoder->wish,
						    arena,
						    {0},
						    NULL};
		struct encoded_reply encoded;
		assert_int_equal(encoded_run(oip_out_create, &input, false, &encoded),
				 cases[i].status);
		encoded_free(&encoded);
		loss_arena_destroy(arena);
		assert_int_equal(loss_budget_held(&budget), 0);
		loss_budget_trim(&budget);
	}
	free(data);
}

/* ---------------------------------------------------------------- shared memory */

/* (8, 1000) logits; the loss goes to shared memory, the gradient after the document. */
static char *shared_request(void)
{
	enum { N = 8000 };
	size_t size = 2 * N + 1000;
	char *text = malloc(size);
	assert_non_null(text);
	int n = snprintf(
		text, size,
		"{\"inputs\": [{\"name\": \"targets\", \"shape\": [8], \"datatype\": \"INT64\","
		" \"data\": [0, 1, 2, 3, 4, 5, 6, 7]}, {\"name\": \"logits\", \"shape\": "
		"[8, 1000], \"datatype\": \"FP32\", \"data\": [0");
	for (size_t i = 1; i < N; i++)
		n += snprintf(text + n, size - (size_t)n, ",0");
	snprintf(text + n, size - (size_t)n,
		 "]}], \"outputs\": [{\"name\": \"loss\", \"parameters\": "
		 "{\"shared_memory_region\": \"r\", \"shared_memory_byte_size\": 4}}, "
		 "{\"name\": \"grad\", \"parameters\": {\"binary_data\": true}}]}");
	return text;
}

/* As an evaluation pins it; the first output, of one element. */
static loss_status place_loss(struct shm_uses *uses, struct output_wish *wish,
			      struct loss_error *err)
{
	assert_string_equal(wish->region, "r");
	const struct shm_use use = {.name = wish->region,
				    .offset = wish->offset,
				    .size = wish->size,
				    .for_writing = true,
				    .field = "loss"};
	return shm_uses_write(uses, &use, sizeof(float), &wish->memory, err);
}

/* Evaluates within a budget. Whether the reply was tried; what came of it is in *status. */
static bool try_shared(struct shm *shm, const char *request, size_t limit, loss_status *status)
{
	struct loss_budget budget = {.limit = limit};
	struct loss_arena *arena = loss_arena_create(&budget);
	const struct loss_info *loss = loss_find("cross_entropy", 13);
	struct loss_error err;
	struct loss_plan *plan;
	struct loss_result result;
	struct timings timings = {.isa = "base"};
	struct loss_problem *problem = loss_problem_create(loss, arena);
	struct shm_uses uses = {.shm = shm, .arena = arena};
	struct stream *stream =
		stream_create(&(struct stream_setup){.problem = problem, .arena = arena});
	struct decoder *decoder =
		oip_in_create(&(struct decoder_setup){.problem = problem,
						      .arena = arena,
						      .sink = stream_sink(stream),
						      .limits = {10000, 8, 1000, false},
						      .shared = &uses});
	decoder->feed(decoder, (const unsigned char *)request, strlen(request));
	*status = decoder->finish(decoder, &err);
	if (*status == LOSS_OK)
		*status = loss_plan_create(problem, arena, &plan, &err);
	if (*status == LOSS_OK)
		*status = place_loss(&uses, &decoder->wish->outputs[0], &err);
	bool tried = *status == LOSS_OK;
	if (tried) {
		assert_int_equal(loss_plan_run(plan, 1, NULL, &err), LOSS_OK);
		loss_plan_finish(plan, &result);
		const struct encoder_input input = {loss,  &result, &timings, decoder->wish,
						    arena, {0},     NULL};
		struct encoded_reply encoded;
		*status = encoded_run(oip_out_create, &input, false, &encoded);
		encoded_free(&encoded);
	}
	shm_uses_release(&uses);
	loss_arena_destroy(arena);
	return tried;
}

/* Whatever the memory is short for: shared memory is written when the rest of the reply is there.
 */
static void a_reply_without_room_writes_nothing(void **state)
{
	struct object object;
	struct shm_registration wanted = {"r", object.key, 0, 4096};
	struct loss_arena *arena = loss_arena_create(NULL);
	const struct shm_settings settings = {object_prefix(), "self", 1, 4096};
	struct loss_error err;
	loss_status status = STATUS_INTERNAL_ERROR;
	size_t refused = 0;
	(void)state;
	object_create(&object, "object", 4096);
	struct shm *shm = shm_create(&settings, arena);
	assert_non_null(shm);
	assert_int_equal(shm_register(shm, &wanted, &err), LOSS_OK);
	char *request = shared_request();
	for (size_t limit = 65536; status != LOSS_OK; limit += 4096) {
		assert_true(limit < ((size_t)1 << 20));
		memset(object.data, 0x55, 4);
		refused += try_shared(shm, request, limit, &status) && status != LOSS_OK;
		if (status != LOSS_OK)
			assert_memory_equal(object.data, "\x55\x55\x55\x55", 4);
	}
	assert_true(refused > 0);
	assert_memory_not_equal(object.data, "\x55\x55\x55\x55", 4);
	free(request);
	shm_destroy(shm);
	object_destroy(&object);
	loss_arena_destroy(arena);
}

/* Whether a document is written within a budget; what goes to shared memory is, only then. */
static bool write_with_id(const char *id)
{
	const float untouched = 7.0f;
	const struct timings timings = {.isa = "base"};
	const struct loss_result result = result_of(1, all_outputs);
	struct loss_budget budget = {.limit = 65536};
	struct loss_arena *arena = loss_arena_create(&budget);
	float shared = untouched;
	const struct reply_wish wish = {
		.id = id, .outputs = {{.region = "r", .size = sizeof shared, .memory = &shared}}};
	const struct encoder_input input = {
		loss_find("cross_entropy", 13), &result, &timings, &wish, arena, {0}, NULL};
	struct encoded_reply encoded;
	bool done = encoded_run(oip_out_create, &input, false, &encoded) == LOSS_OK;
	assert_true(shared == (done ? loss_data[0] : untouched));
	encoded_free(&encoded);
	loss_arena_destroy(arena);
	return done;
}

/* Documents of many lengths: of some the outputs just fit into the memory, and their end does not.
 * An id that is long is the one thing of which each byte counts. */
static void a_document_without_room_for_its_end_writes_nothing(void **state)
{
	enum { LONGEST = 60000 };
	static char id[LONGEST + 1];
	size_t good = 0, refused = 0;
	(void)state;
	for (size_t n = 0; n < LONGEST; n += 150) {
		memset(id, 'a', n);
		bool done = write_with_id(id);
		good += done;
		refused += !done;
	}
	assert_true(good > 0 && refused > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_parameters),
		cmocka_unit_test(test_binary),
		cmocka_unit_test(test_empty_output),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(a_reply_without_room_writes_nothing),
		cmocka_unit_test(a_document_without_room_for_its_end_writes_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
