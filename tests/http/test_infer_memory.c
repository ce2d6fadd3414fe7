/* Inference whose tensors lie in shared memory, and clients that take it away. */
#include "../support/group.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../support/infer.h"
#include "../support/object.h"
#include "../support/oip.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define ROOM ((size_t)65536)
/* Where things are in the object; logits also lie where F32 is not aligned. */
enum { AT_LOGITS = 0, AT_CROOKED = 101, AT_TARGETS = 200, AT_LOSS = 4096, AT_GRAD = 4099 };

static const float logits[] = {1, 2, 3, 4, 5, 6};
static const int64_t targets[] = {0, 2};
static struct object object;

static void fill(void)
{
	memcpy(object.data + AT_LOGITS, logits, sizeof logits);
	memcpy(object.data + AT_CROOKED, logits, sizeof logits);
	memcpy(object.data + AT_TARGETS, targets, sizeof targets);
}

static void post(const char *path, const char *body)
{
	struct reply reply;
	client_post(client, path, body, &reply);
	if (reply.status != 200)
		fail_msg("%s: %d %s", path, reply.status, reply.body);
	reply_free(&reply);
}

static int start(void **state)
{
	(void)state;
	const char *const flags[] = {"--shm-key-prefix", object_prefix(), NULL};
	if (group_start_with(flags) != 0)
		return -1;
	return 0;
}

/* Each test has an object of its own under the name "all". */
static int set_up(void **state)
{
	char body[256];
	(void)state;
	object_create(&object, "all", ROOM);
	fill();
	snprintf(body, sizeof body, "{\"key\":\"%s\",\"offset\":0,\"byte_size\":%zu}", object.key,
		 ROOM);
	post("/v2/systemsharedmemory/region/all/register", body);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	post("/v2/systemsharedmemory/unregister", "");
	object_destroy(&object);
	return 0;
}

#define PLACE(offset, size)                                                                        \
	"\"shared_memory_region\":\"all\",\"shared_memory_offset\":" offset                        \
	",\"shared_memory_byte_size\":" size
#define SHARED(name, datatype, shape, place)                                                       \
	"{\"name\":\"" name "\",\"datatype\":\"" datatype "\",\"shape\":" shape                    \
	",\"parameters\":{" place "}}"
#define SHARED_LOGITS(offset) SHARED("logits", "FP32", "[2,3]", PLACE(offset, "24"))
#define SHARED_TARGETS SHARED("targets", "INT64", "[2]", PLACE("200", "16"))
#define SHARED_OUTPUTS                                                                             \
	"\"outputs\":[{\"name\":\"loss\",\"parameters\":{" PLACE(                                  \
		"4096", "3") "}},{\"name\":\"grad\",\"parameters\":{" PLACE("4099", "24") "}}]"

/* ---------------------------------------------------------------- what works */

static void get_reference(float *loss, float *grad)
{
	struct inferred got = infer(
		client,
		&(struct infer){.document = REQUEST(
					"\"parameters\":{\"binary_data_output\":true},\"outputs\":["
					"{\"name\":\"loss\"},{\"name\":\"grad\"}]")});
	memcpy(loss, inferred_raw(&got, "loss", 4), 4);
	memcpy(grad, inferred_raw(&got, "grad", 24), 24);
	inferred_free(&got);
}

/* Read in place, read where it is not aligned, beside tensors of other forms; written anywhere. */
static void test_same_bits(void **state)
{
	(void)state;
	static const char *const inputs[] = {
		"\"inputs\":[" SHARED_LOGITS("0") "," SHARED_TARGETS "]",
		"\"inputs\":[" SHARED_LOGITS("101") "," SHARED_TARGETS "]",
		"\"inputs\":[" SHARED_LOGITS("0") "," TARGETS "]",
		"\"inputs\":[" LOGITS "," SHARED_TARGETS "]",
	};
	float loss, grad[6];
	get_reference(&loss, grad);
	for (size_t i = 0; i < COUNT(inputs); i++) {
		char document[1200];
		memset(object.data + AT_LOSS, 0x55, 64);
		snprintf(document, sizeof document,
			 "{%s,\"outputs\":[{\"name\":\"loss\",\"parameters\":{" PLACE(
				 "4096",
				 "4") "}},{\"name\":\"grad\",\"parameters\":{" PLACE("4101",
										     "40") "}"
											   "}]}",
			 inputs[i]);
		struct inferred got = infer(client, &(struct infer){.document = document});
		assert_false(got.binary);
		const cJSON *output = inferred_output(&got, "grad");
		assert_null(json_find(output, "data"));
		const cJSON *parameters = json_member(output, "parameters");
		assert_string_equal(json_string(json_member(parameters, "shared_memory_region")),
				    "all");
		assert_true(json_number(json_member(parameters, "shared_memory_offset")) == 4101.0);
		assert_true(json_number(json_member(parameters, "shared_memory_byte_size")) ==
			    24.0);
		assert_memory_equal(object.data + 4096, &loss, 4);
		assert_memory_equal(object.data + 4101, grad, 24);
		assert_int_equal(object.data[4100], 0x55); /* and nothing beside them */
		assert_int_equal(object.data[4125], 0x55);
		inferred_free(&got);
	}
	assert_memory_equal(object.data + AT_LOGITS, logits, sizeof logits);
}

/* An output in shared memory beside one that is raw and one that is JSON; inputs likewise. */
static void test_mixed(void **state)
{
	(void)state;
	float loss, grad[6];
	get_reference(&loss, grad);
	struct inferred got = infer(
		client,
		&(struct infer){
			.document = "{\"inputs\":[" RAW_LOGITS "," SHARED_TARGETS
				    "],\"outputs\":[{\"name\":\"predicted\"},{\"name\":\"loss\","
				    "\"parameters\":{\"binary_data\":true}},{\"name\":\"grad\","
				    "\"parameters\":{" PLACE("4099", "24") "}}]}",
			.raw = logits,
			.n_raw = sizeof logits});
	assert_true(got.binary);
	assert_memory_equal(inferred_raw(&got, "loss", 4), &loss, 4);
	assert_int_equal(got.n_raw, 4);
	assert_non_null(json_find(inferred_output(&got, "predicted"), "data"));
	assert_memory_equal(object.data + AT_GRAD, grad, 24);
	inferred_free(&got);
}

/* ---------------------------------------------------------------- what does not */

static void expect_error(const char *document, const char *error)
{
	struct reply reply;
	infer_send(client, &(struct infer){.document = document}, &reply);
	if (reply.status != 400 || !strstr(reply.body, error))
		fail_msg("%d: %s for %s", reply.status, reply.body, document);
	reply_free(&reply);
}

static void test_refusals(void **state)
{
	(void)state;
	static const struct {
		const char *document, *error;
	} cases[] = {
		{"{\"inputs\":[" SHARED_LOGITS("65520") "," TARGETS "]}", "logits"},
		{"{\"inputs\":[" SHARED_LOGITS("18446744073709551600") "," TARGETS "]}", "logits"},
		{"{\"inputs\":[" SHARED("logits", "FP32", "[2,3]",
					"\"shared_memory_region\":\"none\",\"shared_memory_byte_"
					"size\":24") "," TARGETS "]}",
		 "none"},
		{"{\"inputs\":[" SHARED("logits", "FP32", "[2,3]", PLACE("0", "25")) "," TARGETS
										     "]}",
		 "logits.parameters.shared_memory_byte_size is 25, but FP32 of shape (2, 3) has 24 "
		 "bytes"},
		{"{" INPUTS "," SHARED_OUTPUTS "}",
		 "loss needs 4 bytes, but its shared_memory_byte_size is 3"},
		{"{" INPUTS
		 ",\"outputs\":[{\"name\":\"grad\",\"parameters\":{" PLACE("65530", "24") "}}]}",
		 "grad"},
		{"{" INPUTS
		 ",\"outputs\":[{\"name\":\"grad\",\"parameters\":{\"binary_data\":true," PLACE(
			 "0", "24") "}}]}",
		 "has both binary_data and shared_memory_region"},
	};
	for (size_t i = 0; i < COUNT(cases); i++)
		expect_error(cases[i].document, cases[i].error);
	/* class indices are checked where they were copied to */
	((int64_t *)(void *)(object.data + AT_TARGETS))[1] = 3;
	expect_error("{\"inputs\":[" LOGITS "," SHARED_TARGETS "]}",
		     "targets[1] is 3, but there are 3 classes (0..2)");
}

/* The object is shorter than what was registered: an error, and the server lives on. */
static void test_cut_object(void **state)
{
	(void)state;
	object_resize(&object, 0);
	expect_error("{\"inputs\":[" SHARED_LOGITS("0") "," TARGETS "]}", "logits");
	expect_error("{\"inputs\":[" LOGITS "," SHARED_TARGETS "]}", "targets");
	expect_error("{" INPUTS
		     ",\"outputs\":[{\"name\":\"grad\",\"parameters\":{" PLACE("4096", "24") "}}]}",
		     "grad");
	struct inferred got = infer(client, &(struct infer){.document = "{" INPUTS "}"});
	inferred_free(&got);
	object_resize(&object, ROOM);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_same_bits),
		TEST(test_mixed),
		TEST(test_refusals),
		TEST(test_cut_object),
	};
	return cmocka_run_group_tests(tests, start, group_stop);
}
