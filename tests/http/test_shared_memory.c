/* Shared memory as a client sees it: regions, tensors in them, and memory that is taken away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../support/group.h"
#include "../support/object.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MEMORY "/v2/systemsharedmemory"
#define INFER "/v2/models/cross_entropy/infer"
#define SIZE ((size_t)1 << 16)

static struct object object;

static int set_up(void **state)
{
	const char *const flags[] = {"--shm-key-prefix",
				     object_prefix(),
				     "--shm-max-regions",
				     "4",
				     "--shm-max-bytes",
				     "64MiB",
				     NULL};
	(void)state;
	object_create(&object, "object", SIZE);
	return group_start_with(flags);
}

static int tear_down(void **state)
{
	object_destroy(&object);
	return group_stop(state);
}

/* Every test begins without regions. */
static int clear(void **state)
{
	struct reply reply;
	(void)state;
	client_post(client, MEMORY "/unregister", "", &reply);
	int status = reply.status;
	reply_free(&reply);
	object_resize(&object, SIZE);
	return status == 200 ? 0 : -1;
}

static void enter(const char *name, const char *key, size_t offset, size_t byte_size,
		  struct reply *reply)
{
	char path[128], body[256];
	snprintf(path, sizeof path, MEMORY "/region/%s/register", name);
	snprintf(body, sizeof body, "{\"key\": \"%s\", \"offset\": %zu, \"byte_size\": %zu}", key,
		 offset, byte_size);
	client_post(client, path, body, reply);
}

static void must_enter(const char *name, size_t offset, size_t byte_size)
{
	object_register(client, name, object.key, offset, byte_size);
}

static void assert_status(const char *path, const char *body, int status, const char *words)
{
	struct reply reply;
	if (body)
		client_post(client, path, body, &reply);
	else
		client_get(client, path, &reply);
	if (reply.status != status || !strstr(reply.body, words))
		fail_msg("%s: %d instead of %d \"%s\": %s", path, reply.status, status, words,
			 reply.body);
	reply_free(&reply);
}

/* ---------------------------------------------------------------- regions */

static void the_extension_is_named(void **state)
{
	(void)state;
	assert_status("/v2", NULL, 200, "\"system_shared_memory\"");
}

static void regions_are_registered_listed_and_unregistered(void **state)
{
	char one[256], two[256], both[768];
	(void)state;
	assert_status(MEMORY "/status", NULL, 200, "[]");
	must_enter("b", 0, SIZE);
	must_enter("a%20b", 17, 1);
	snprintf(one, sizeof one,
		 "{\"name\":\"b\",\"key\":\"%s\",\"offset\":0,\"byte_size\":65536}", object.key);
	snprintf(two, sizeof two, "{\"name\":\"a b\",\"key\":\"%s\",\"offset\":17,\"byte_size\":1}",
		 object.key);
	snprintf(both, sizeof both, "[%s,%s]", one, two);
	assert_status(MEMORY "/status", NULL, 200, both);
	/* One of them is a list too. */
	snprintf(both, sizeof both, "[%s]", two);
	assert_status(MEMORY "/region/a%20b/status", NULL, 200, both);
	assert_status(MEMORY "/region/b/unregister", "", 200, "{}");
	assert_status(MEMORY "/region/b/status", NULL, 404, "no region named \\\"b\\\"");
	assert_status(MEMORY "/status", NULL, 200, both);
	/* What is not there is unregistered. */
	assert_status(MEMORY "/region/b/unregister", "", 200, "{}");
	assert_status(MEMORY "/unregister", "{}", 200, "{}");
	assert_status(MEMORY "/status", NULL, 200, "[]");
}

static void the_offset_may_be_left_out(void **state)
{
	char body[128];
	(void)state;
	snprintf(body, sizeof body, "{\"byte_size\": 5, \"key\": \"%s\"}", object.key + 1);
	assert_status(MEMORY "/region/a/register", body, 200, "{}");
	assert_status(MEMORY "/region/a/status", NULL, 200, "\"offset\":0,\"byte_size\":5");
}

static void wrong_registrations_are_400(void **state)
{
	static const struct {
		const char *body, *words;
	} table[] = {
		{"", "\\\"key\\\" is missing"},
		{"{\"key\": \"/x\"}", "\\\"byte_size\\\" is missing"},
		{"{\"key\": \"/x\", \"byte_size\": -1}", "not -1"},
		{"{\"key\": \"/x\", \"byte_size\": 1.5}", "not 1.5"},
		{"{\"key\": \"/x\", \"byte_size\": \"1\"}", "whole number"},
		{"{\"key\": \"/x\", \"byte_size\": 18446744073709551616}", "2^64 - 1"},
		{"{\"key\": \"/x\", \"byte_size\": 1, \"size\": 1}", "\\\"size\\\""},
		{"{\"key\": 1, \"byte_size\": 1}", "must be a string"},
		{"{\"key\": \"/a/b\", \"byte_size\": 1}", "\\\"/a/b\\\""},
		{"{\"key\": \"/../../etc/passwd\", \"byte_size\": 1}", "must be 1 to 127"},
		{"{\"key\": \"\", \"byte_size\": 1}", "must be 1 to 127"},
		{"{\"key\": \"/elsewhere\", \"byte_size\": 1}", "shm_key_prefix"},
		{"{\"key\": \"/x\", \"byte_size\": 1", "ends here"},
		{"[]", "must be a JSON object"},
	};
	char body[256];
	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		assert_status(MEMORY "/region/a/register", table[i].body, 400, table[i].words);
	snprintf(body, sizeof body, "{\"key\": \"%s\", \"byte_size\": 0}", object.key);
	assert_status(MEMORY "/region/a/register", body, 400, "at least one byte");
	snprintf(body, sizeof body, "{\"key\": \"%s\", \"byte_size\": 65537}", object.key);
	assert_status(MEMORY "/region/a/register", body, 400, "beyond the end of the object");
	snprintf(body, sizeof body,
		 "{\"key\": \"%s\", \"offset\": 18446744073709551615, \"byte_size\": 2}",
		 object.key);
	assert_status(MEMORY "/region/a/register", body, 400, "beyond 2^63 - 1");
	assert_status(MEMORY "/region/%C3%A4/register", body, 400, "printable ASCII");
	must_enter("a", 0, 1);
	snprintf(body, sizeof body, "{\"key\": \"%s\", \"byte_size\": 1}", object.key);
	assert_status(MEMORY "/region/a/register", body, 400, "registered already");
}

/* Nothing of the server: not how keys begin, not whose objects may be used, not what there is. */
static void refusals_tell_what_was_sent_and_no_more(void **state)
{
	char missing[80], foreign[80];
	struct reply reply, other;
	(void)state;
	enter("a", "/elsewhere", 0, 1, &reply);
	assert_null(strstr(reply.body, object_prefix()));
	reply_free(&reply);

	snprintf(missing, sizeof missing, "/%snothing", object_prefix());
	snprintf(foreign, sizeof foreign, "/%sforeign", object_prefix());
	char path[128];
	snprintf(path, sizeof path, "/dev/shm%s", foreign);
	if (symlink("/dev/zero", path) != 0) {
		print_message("shared memory is in no folder here\n");
		skip();
	}
	enter("a", missing, 0, 1, &reply);
	enter("a", foreign, 0, 1, &other);
	unlink(path);
	assert_int_equal(reply.status, 400);
	assert_int_equal(other.status, 400);
	/* The same sentence, but for the key. */
	const char *after = strstr(reply.body, "nothing") + strlen("nothing");
	const char *after_other = strstr(other.body, "foreign") + strlen("foreign");
	assert_string_equal(after, after_other);
	reply_free(&reply);
	reply_free(&other);
}

static void the_limits_are_the_settings(void **state)
{
	struct object large;
	struct reply reply;
	char name[16];
	(void)state;
	for (int i = 0; i < 4; i++) {
		snprintf(name, sizeof name, "r%d", i);
		must_enter(name, 0, 1);
	}
	enter("more", object.key, 0, 1, &reply);
	assert_int_equal(reply.status, 400);
	assert_non_null(strstr(reply.body, "(shm_max_regions) of 4"));
	reply_free(&reply);
	assert_status(MEMORY "/unregister", "", 200, "{}");
	object_create(&large, "large", ((size_t)64 << 20) + 1);
	enter("large", large.key, 0, ((size_t)64 << 20) + 1, &reply);
	assert_int_equal(reply.status, 400);
	assert_non_null(strstr(reply.body, "(shm_max_bytes) 67108864"));
	reply_free(&reply);
	object_destroy(&large);
}

/* ---------------------------------------------------------------- tensors */

/* The loss of two rows of three classes, from JSON data. */
#define TARGETS "{\"name\": \"targets\", \"shape\": [2], \"datatype\": \"INT64\", \"data\": [2, 0]}"

static const float logits[6] = {0.5f, -1.25f, 3.0f, 2.0f, 0.0f, -4.5f};

/* Sends logits at a place, and reads the reply. */
static void infer_at(size_t offset, size_t size, const char *more, struct reply *reply)
{
	char body[1024];
	snprintf(body, sizeof body,
		 "{\"inputs\": [{\"name\": \"logits\", \"shape\": [2, 3], \"datatype\": \"FP32\", "
		 "%s}, " TARGETS "]%s}",
		 object_place("r", offset, size), more);
	client_post(client, INFER, body, reply);
}

static cJSON *must_infer(const char *body)
{
	struct reply reply;
	client_post(client, INFER, body, &reply);
	if (reply.status != 200)
		fail_msg("%s", reply.body);
	cJSON *json = reply_json(&reply);
	reply_free(&reply);
	return json;
}

#define OUTPUTS ", \"outputs\": [{\"name\": \"loss\"}, {\"name\": \"grad\"}]"

/* The outputs for the same logits in JSON. */
static cJSON *expected(void)
{
	return must_infer("{\"inputs\": [{\"name\": \"logits\", \"shape\": [2, 3], \"datatype\": "
			  "\"FP32\", \"data\": [0.5, -1.25, 3.0, 2.0, 0.0, -4.5]}, " TARGETS
			  "]" OUTPUTS "}");
}

static void inputs_are_read_from_a_region(void **state)
{
	static const size_t offsets[] = {0, 1, 2, 3, 5, 4096, SIZE - 24};
	cJSON *wanted = expected();
	(void)state;
	must_enter("r", 0, SIZE);
	for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
		struct reply reply;
		memcpy(object.data + offsets[i], logits, sizeof logits);
		infer_at(offsets[i], sizeof logits, OUTPUTS, &reply);
		assert_int_equal(reply.status, 200);
		cJSON *json = reply_json(&reply);
		assert_true(cJSON_Compare(json_member(json, "outputs"),
					  json_member(wanted, "outputs"), true));
		cJSON_Delete(json);
		reply_free(&reply);
	}
	cJSON_Delete(wanted);
}

/* Also a region that begins after the object's first byte. */
static void targets_are_read_from_a_region(void **state)
{
	static const int64_t targets[2] = {2, 0};
	cJSON *wanted = expected();
	char body[1024];
	(void)state;
	must_enter("r", 100, 200);
	memcpy(object.data + 100 + 3, logits, sizeof logits);
	memcpy(object.data + 100 + 101, targets, sizeof targets);
	snprintf(
		body, sizeof body,
		"{\"inputs\": [{\"name\": \"logits\", \"shape\": [2, 3], \"datatype\": \"FP32\", "
		"%s}, {\"name\": \"targets\", \"shape\": [2], \"datatype\": \"INT64\", %s}]" OUTPUTS
		"}",
		object_place("r", 3, sizeof logits), object_place("r", 101, sizeof targets));
	cJSON *json = must_infer(body);
	assert_true(
		cJSON_Compare(json_member(json, "outputs"), json_member(wanted, "outputs"), true));
	cJSON_Delete(json);
	cJSON_Delete(wanted);
}

static void outputs_are_written_to_a_region(void **state)
{
	double loss, grad[6];
	float written[7];
	char more[512];
	struct reply reply;
	cJSON *wanted = expected();
	const cJSON *outputs = json_member(wanted, "outputs");
	(void)state;
	assert_int_equal(json_flatten(json_member(outputs->child, "data"), &loss, 1), 1);
	assert_int_equal(json_flatten(json_member(outputs->child->next, "data"), grad, 6), 6);
	must_enter("r", 0, SIZE);
	memset(object.data, 0, SIZE);
	memcpy(object.data, logits, sizeof logits);
	snprintf(more, sizeof more,
		 ", \"outputs\": [{\"name\": \"loss\", %s}, {\"name\": \"grad\", %s}]",
		 object_place("r", 1001, 4), object_place("r", 2003, 100));
	infer_at(0, sizeof logits, more, &reply);
	if (reply.status != 200)
		fail_msg("%s", reply.body);
	assert_null(strstr(reply.body, "\"data\""));
	assert_non_null(strstr(reply.body, "\"shared_memory_region\":\"r\""));
	reply_free(&reply);
	memcpy(written, object.data + 1001, 4);
	assert_true(written[0] == (float)loss);
	memcpy(written, object.data + 2003, sizeof written);
	for (size_t i = 0; i < 6; i++)
		assert_true(written[i] == (float)grad[i]);
	/* What is after an output, and before it, is left alone. */
	assert_true(written[6] == 0.0f);
	assert_int_equal(object.data[2002], 0);
	assert_memory_equal(object.data, logits, sizeof logits);
	cJSON_Delete(wanted);
}

static void wrong_places_are_400(void **state)
{
	static const struct {
		size_t offset, size;
		const char *words;
	} table[] = {
		{SIZE - 23, 24, "beyond the 65536 bytes"},
		{SIZE, 24, "beyond the 65536 bytes"},
		{SIZE_MAX, 24, "beyond the 65536 bytes"},
		{SIZE_MAX - 23, 24, "beyond the 65536 bytes"},
		{0, 23, ""},
		{0, 25, ""},
		{0, 0, ""},
		{0, SIZE_MAX, ""},
	};
	struct reply reply;
	(void)state;
	infer_at(0, sizeof logits, "", &reply);
	assert_int_equal(reply.status, 400);
	assert_non_null(strstr(reply.body, "no region named \\\"r\\\""));
	reply_free(&reply);
	must_enter("r", 0, SIZE);
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		infer_at(table[i].offset, table[i].size, "", &reply);
		if (reply.status != 400 || !strstr(reply.body, table[i].words))
			fail_msg("%zu, %zu: %d: %s", table[i].offset, table[i].size, reply.status,
				 reply.body);
		reply_free(&reply);
	}
}

/* ---------------------------------------------------------------- memory taken away */

static void an_object_that_became_shorter_is_400(void **state)
{
	struct reply reply;
	(void)state;
	must_enter("r", 0, SIZE);
	object_resize(&object, 4096);
	infer_at(4096, sizeof logits, "", &reply);
	assert_int_equal(reply.status, 400);
	assert_non_null(strstr(reply.body, "has become shorter"));
	reply_free(&reply);
	/* What is left of it still serves. */
	memcpy(object.data, logits, sizeof logits);
	infer_at(0, sizeof logits, "", &reply);
	assert_int_equal(reply.status, 200);
	reply_free(&reply);
}

#define ROWS 512
#define CLASSES 16384
#define ROUNDS 40

static struct object batch;
static atomic_uint spins;
static atomic_bool go, done, over;

/* Cuts the object some time after it was told to: later each time. */
static void *cut(void *context)
{
	(void)context;
	while (!atomic_load(&over)) {
		if (!atomic_exchange(&go, false)) {
			sched_yield();
			continue;
		}
		for (unsigned n = atomic_load(&spins); n > 0; n--)
			atomic_signal_fence(memory_order_seq_cst);
		object_resize(&batch, 0);
		atomic_store(&done, true);
	}
	return NULL;
}

/* One request that is raced against a cut: 200 or 400, and a reply in any case. */
static int race(unsigned round)
{
	char body[512];
	struct reply reply;
	object_resize(&batch, batch.size);
	assert_status(MEMORY "/region/r/unregister", "", 200, "{}");
	enter("r", batch.key, 0, batch.size, &reply);
	assert_int_equal(reply.status, 200);
	reply_free(&reply);
	snprintf(body, sizeof body,
		 "{\"inputs\": [{\"name\": \"logits\", \"shape\": [%d, %d], \"datatype\": "
		 "\"FP32\", %s}, {\"name\": \"targets\", \"shape\": [%d], \"datatype\": \"UINT8\", "
		 "%s}]}",
		 ROWS, CLASSES, object_place("r", 0, (size_t)ROWS * CLASSES * 4), ROWS,
		 object_place("r", 0, ROWS));
	atomic_store(&spins, round * 2000000);
	atomic_store(&done, false);
	atomic_store(&go, true);
	client_post(client, INFER, body, &reply);
	while (!atomic_load(&done))
		sched_yield();
	int status = reply.status;
	if (status != 200 && (status != 400 || !strstr(reply.body, "shorter")))
		fail_msg("%d: %s", status, reply.body);
	reply_free(&reply);
	return status;
}

/* 32 MiB of logits, cut at any time of the request's life: the server goes on, and says so. */
static void an_object_cut_while_it_is_used_fails_that_request_alone(void **state)
{
	pthread_t thread;
	int failed = 0;
	(void)state;
	object_create(&batch, "batch", (size_t)ROWS * CLASSES * 4);
	atomic_store(&over, false);
	assert_int_equal(pthread_create(&thread, NULL, cut, NULL), 0);
	for (unsigned i = 0; i < ROUNDS; i++)
		failed += race(i) == 400;
	atomic_store(&over, true);
	pthread_join(thread, NULL);
	object_destroy(&batch);
	assert_true(failed > 0);
	assert_status("/v2/health/ready", NULL, 200, "true");
	assert_status(CROSS_ENTROPY, GOOD, 200, "loss");
}

#define TEST(name) cmocka_unit_test_setup(name, clear)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_extension_is_named),
		TEST(regions_are_registered_listed_and_unregistered),
		TEST(the_offset_may_be_left_out),
		TEST(wrong_registrations_are_400),
		TEST(refusals_tell_what_was_sent_and_no_more),
		TEST(the_limits_are_the_settings),
		TEST(inputs_are_read_from_a_region),
		TEST(targets_are_read_from_a_region),
		TEST(outputs_are_written_to_a_region),
		TEST(wrong_places_are_400),
		TEST(an_object_that_became_shorter_is_400),
		TEST(an_object_cut_while_it_is_used_fails_that_request_alone),
	};
	return cmocka_run_group_tests_name("shared memory", tests, set_up, tear_down);
}
