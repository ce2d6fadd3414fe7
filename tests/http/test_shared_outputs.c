/* Outputs in shared memory: where two of one request may lie, and an output and an input. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../support/group.h"
#include "../support/infer.h"
#include "../support/object.h"

#include <stdio.h>
#include <string.h>

#define INFER "/v2/models/cross_entropy/infer"
#define SIZE ((size_t)1 << 16)
/* Of two rows of three classes. */
#define TARGETS "{\"name\": \"targets\", \"shape\": [2], \"datatype\": \"INT64\", \"data\": [2, 0]}"

static struct object object;

static int set_up(void **state)
{
	const char *const flags[] = {"--shm-key-prefix", object_prefix(), NULL};
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
	client_post(client, "/v2/systemsharedmemory/unregister", "", &reply);
	int status = reply.status;
	reply_free(&reply);
	return status == 200 ? 0 : -1;
}

/* Where the outputs of one request may lie. Both regions begin at byte 0 of the same object, but
 * "late", which begins at 1000. */
struct pair {
	const char *loss_region;
	size_t loss_at, loss_size;
	const char *grad_region;
	size_t grad_at, grad_size;
};

static void infer_pair(const struct pair *pair, struct reply *reply)
{
	char body[1024];
	snprintf(body, sizeof body,
		 "{\"inputs\": [{\"name\": \"logits\", \"shape\": [2, 3], \"datatype\": \"FP32\", "
		 "\"data\": [1, 2, 3, 4, 5, 6]}, " TARGETS
		 "], \"outputs\": [{\"name\": \"loss\", %s}, "
		 "{\"name\": \"grad\", %s}]}",
		 object_place(pair->loss_region, pair->loss_at, pair->loss_size),
		 object_place(pair->grad_region, pair->grad_at, pair->grad_size));
	client_post(client, INFER, body, reply);
}

static void enter_three_names(void)
{
	object_register(client, "r", object.key, 0, SIZE);
	object_register(client, "late", object.key, 1000, 4000);
	object_register(client, "same", object.key + 1, 0, SIZE); /* without its slash */
}

/* The second would overwrite the first, and the reply say that all is well. */
static void outputs_that_overlap_are_400(void **state)
{
	static const struct pair table[] = {
		{"r", 100, 24, "r", 100, 24},  /* the same range */
		{"r", 100, 4, "r", 100, 24},   /* one begins with the other, */
		{"r", 120, 4, "r", 100, 24},   /* ends with it, */
		{"r", 110, 4, "r", 100, 24},   /* contains it, */
		{"r", 100, 100, "r", 150, 24}, /* or is contained */
		{"r", 100, 5, "r", 104, 24},   /* one byte, at the end */
		{"r", 123, 4, "r", 100, 24},   /* and before */
		{"r", 0, 4, "same", 0, 24},    /* two regions of one object */
		{"r", 1000, 4, "late", 0, 24}, /* that begin elsewhere */
		{"late", 23, 4, "same", 1000, 24},
	};
	char words[400];
	(void)state;
	enter_three_names();
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		const struct pair *pair = &table[i];
		struct reply reply;
		memset(object.data, 0x55, SIZE);
		infer_pair(pair, &reply);
		snprintf(words, sizeof words,
			 "{\"error\":\"loss (shared_memory_region \\\"%s\\\", "
			 "shared_memory_offset %zu, shared_memory_byte_size %zu) and grad "
			 "(shared_memory_region \\\"%s\\\", shared_memory_offset %zu, "
			 "shared_memory_byte_size %zu) have bytes in common",
			 pair->loss_region, pair->loss_at, pair->loss_size, pair->grad_region,
			 pair->grad_at, pair->grad_size);
		if (reply.status != 400 || strncmp(reply.body, words, strlen(words)) != 0)
			fail_msg("%zu: %d: %s instead of %s", i, reply.status, reply.body, words);
		reply_free(&reply);
		for (size_t k = 0; k < SIZE; k++)
			assert_int_equal(object.data[k], 0x55); /* nothing was written */
	}
}

static void outputs_may_touch(void **state)
{
	static const struct pair table[] = {
		{"r", 100, 4, "r", 104, 24},   {"r", 124, 4, "r", 100, 24},
		{"r", 1000, 4, "late", 4, 24}, {"late", 24, 4, "same", 1000, 24},
		{"r", 0, 4, "late", 0, 24}, /* the same numbers, other bytes */
	};
	float loss, grad[6];
	struct reply reply;
	(void)state;
	enter_three_names();
	infer_pair(&(struct pair){"r", 0, 4, "r", 4, 24}, &reply);
	assert_int_equal(reply.status, 200);
	reply_free(&reply);
	memcpy(&loss, object.data, 4);
	memcpy(grad, object.data + 4, 24);
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		const struct pair *pair = &table[i];
		size_t loss_at = pair->loss_at + (pair->loss_region[0] == 'l' ? 1000 : 0);
		size_t grad_at = pair->grad_at + (pair->grad_region[0] == 'l' ? 1000 : 0);
		memset(object.data, 0, SIZE);
		infer_pair(pair, &reply);
		if (reply.status != 200)
			fail_msg("%zu: %s", i, reply.body);
		reply_free(&reply);
		assert_memory_equal(object.data + loss_at, &loss, 4);
		assert_memory_equal(object.data + grad_at, grad, 24);
	}
}

/* No rows: what has no elements has no bytes, and a range of none lies beside all others. */
static void an_empty_output_overlaps_nothing(void **state)
{
	static const struct {
		size_t predicted_size;
		int status;
	} table[] = {{0, 200}, {1, 400}};
	(void)state;
	object_register(client, "r", object.key, 0, SIZE);
	for (size_t i = 0; i < 2; i++) {
		char body[1024];
		struct reply reply;
		snprintf(body, sizeof body,
			 "{\"inputs\": [{\"name\": \"logits\", \"shape\": [0, 3], \"datatype\": "
			 "\"FP32\", \"data\": []}, {\"name\": \"targets\", \"shape\": [0], "
			 "\"datatype\": \"INT64\", \"data\": []}], \"outputs\": [{\"name\": "
			 "\"loss\", %s}, {\"name\": \"predicted\", %s}, {\"name\": \"grad\", %s}]}",
			 object_place("r", 10, 4), object_place("r", 12, table[i].predicted_size),
			 object_place("r", 12, 0));
		client_post(client, INFER, body, &reply);
		if (reply.status != table[i].status)
			fail_msg("%d: %s", reply.status, reply.body);
		reply_free(&reply);
	}
}

/* Rows enough for the compute thread. */
#define MANY 256
#define WIDE 1000

/* The gradient takes the place of the logits: all of them are read before any of it is written. */
static void an_output_may_take_the_place_of_its_input(void **state)
{
	static float expected_grad[MANY * WIDE];
	struct object large;
	(void)state;
	size_t bytes = sizeof expected_grad;
	object_create(&large, "large", 2 * bytes + MANY);
	object_register(client, "r", large.key, 0, large.size);
	for (size_t round = 0; round < 2; round++) {
		char body[1024];
		float *at = (float *)(void *)large.data;
		for (size_t i = 0; i < (size_t)MANY * WIDE; i++)
			at[i] = (float)(i * 7919 % 1009) / 100.0f;
		snprintf(body, sizeof body,
			 "{\"inputs\": [{\"name\": \"logits\", \"shape\": [%d, %d], \"datatype\": "
			 "\"FP32\", %s}, {\"name\": \"targets\", \"shape\": [%d], \"datatype\": "
			 "\"UINT8\", %s}], \"outputs\": [{\"name\": \"grad\", %s}]}",
			 MANY, WIDE, object_place("r", 0, bytes), MANY,
			 object_place("r", 2 * bytes, MANY),
			 object_place("r", round == 0 ? bytes : 0, bytes));
		struct inferred got = infer(client, &(struct infer){.document = body});
		inferred_free(&got);
		if (round == 0)
			memcpy(expected_grad, large.data + bytes, bytes);
	}
	assert_memory_equal(large.data, expected_grad, bytes);
	assert_true(expected_grad[0] != 0.0f);
	object_destroy(&large);
}

#define TEST(name) cmocka_unit_test_setup(name, clear)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(outputs_that_overlap_are_400),
		TEST(outputs_may_touch),
		TEST(an_empty_output_overlaps_nothing),
		TEST(an_output_may_take_the_place_of_its_input),
	};
	return cmocka_run_group_tests_name("shared outputs", tests, set_up, tear_down);
}
