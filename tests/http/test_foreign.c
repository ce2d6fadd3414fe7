/* What pages of foreign origins may ask for, of which a browser sends the request and hides the
 * reply only: evaluations, but nothing that changes something or touches this machine's memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../server/route/routes.h"
#include "../support/group.h"
#include "../support/object.h"

#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MEMORY "/v2/systemsharedmemory"
#define INFER "/v2/models/cross_entropy/infer"
#define LISTED "https://listed.example"
#define SIZE ((size_t)4096)

static struct object object;
static char own[64]; /* the server's own origin */

static int start(void **state)
{
	const char *const flags[] = {"--shm-key-prefix", object_prefix(), "--cors-origins", LISTED,
				     NULL};
	(void)state;
	object_create(&object, "object", SIZE);
	int status = group_start_with(flags);
	snprintf(own, sizeof own, "%s", server.url);
	return status;
}

static int stop(void **state)
{
	object_destroy(&object);
	return group_stop(state);
}

/* As a page may without a preflight: a POST without a media type. */
static void post(const char *path, const char *origin, const char *body, struct reply *reply)
{
	char header[128];
	const char *const headers[] = {"Content-Type:", origin ? header : NULL, NULL};
	snprintf(header, sizeof header, "Origin: %s", origin ? origin : "");
	client_send(client, &(struct request){.path = path, .headers = headers, .body = body},
		    reply);
}

static int post_status(const char *path, const char *origin, const char *body, const char *words)
{
	struct reply reply;
	post(path, origin, body, &reply);
	int status = reply.status;
	if (!strstr(reply.body, words))
		fail_msg("%s from %s: %d: no \"%s\" in: %s", path, origin ? origin : "nowhere",
			 status, words, reply.body);
	reply_free(&reply);
	return status;
}

/* A path of a template's. */
static void fill(const char *template, char *out, size_t size)
{
	const char *brace = strchr(template, '{');
	const char *name = strstr(template, "{loss}") ? "cross_entropy" : "region";
	snprintf(out, size, "%.*s%s%s", (int)strcspn(template, "{"), template, brace ? name : "",
		 brace ? strchr(brace, '}') + 1 : "");
}

static const char *const foreign[] = {
	"https://evil.example", "http://127.0.0.1:1", "http://localhost", "null",
	LISTED ".evil.example", "http://127.0.0.1",
};

static void what_changes_something_is_not_for_foreign_pages(void **state)
{
	size_t n = 0;
	(void)state;
	for (const struct route *route = routes; route->path; route++) {
		char path[128];
		if (route->on[METHOD_POST].handler != &document_handler)
			continue;
		n++;
		fill(route->path, path, sizeof path);
		for (size_t i = 0; i < COUNT(foreign); i++) {
			char words[128];
			snprintf(words, sizeof words, "{\"error\":\"Origin is \\\"%s\\\"",
				 foreign[i]);
			assert_int_equal(post_status(path, foreign[i], "{}", words), 403);
		}
		int plain = post_status(path, NULL, "{}", "");
		assert_int_not_equal(plain, 403);
		assert_int_equal(post_status(path, own, "{}", ""), plain);
		assert_int_equal(post_status(path, LISTED, "{}", ""), plain);
	}
	assert_true(n >= 7);
}

static void a_foreign_page_registers_nothing(void **state)
{
	char body[128];
	(void)state;
	snprintf(body, sizeof body, "{\"key\": \"%s\", \"byte_size\": 4096}", object.key);
	assert_int_equal(post_status(MEMORY "/region/a/register", foreign[0], body, "Origin"), 403);
	struct reply reply;
	client_get(client, MEMORY "/status", &reply);
	assert_string_equal(reply.body, "[]\n");
	reply_free(&reply);
	assert_int_equal(post_status(MEMORY "/region/a/register", own, body, "{}\n"), 200);
	assert_int_equal(post_status(MEMORY "/unregister", foreign[0], "", "Origin"), 403);
	client_get(client, MEMORY "/region/a/status", &reply);
	assert_int_equal(reply.status, 200);
	reply_free(&reply);
}

#define PLACE(offset, size)                                                                        \
	"\"parameters\":{\"shared_memory_region\":\"a\",\"shared_memory_offset\":" offset          \
	",\"shared_memory_byte_size\":" size "}"
#define TARGETS "{\"name\":\"targets\",\"datatype\":\"INT64\",\"shape\":[1],\"data\":[0]}"
#define DATA "{\"name\":\"logits\",\"datatype\":\"FP32\",\"shape\":[1,2],\"data\":[1,2]}"
#define IN_MEMORY "{\"name\":\"logits\",\"datatype\":\"FP32\",\"shape\":[1,2]," PLACE("0", "8") "}"

/* After a_foreign_page_registers_nothing, which leaves a region. */
static void memory_is_not_for_foreign_pages(void **state)
{
	static const char *const bodies[] = {
		"{\"inputs\":[" IN_MEMORY "," TARGETS "]}",
		"{\"inputs\":[" DATA "," TARGETS
		"],\"outputs\":[{\"name\":\"loss\"," PLACE("64", "4") "}]}",
	};
	(void)state;
	for (size_t k = 0; k < COUNT(bodies); k++) {
		memset(object.data, 0x55, 128);
		for (size_t i = 0; i < COUNT(foreign); i++)
			assert_int_equal(post_status(INFER, foreign[i], bodies[k],
						     "shared memory region \\\"a\\\""),
					 403);
		assert_int_equal(object.data[64], 0x55);
		assert_int_equal(post_status(INFER, own, bodies[k], "\"outputs\""), 200);
		assert_int_equal(post_status(INFER, LISTED, bodies[k], "\"outputs\""), 200);
		assert_int_equal(post_status(INFER, NULL, bodies[k], "\"outputs\""), 200);
	}
	assert_int_not_equal(object.data[64], 0x55);
}

static void evaluations_are_for_all(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(foreign); i++)
		assert_int_equal(post_status(INFER, foreign[i],
					     "{\"inputs\":[" DATA "," TARGETS "]}", "\"outputs\""),
				 200);
	struct reply reply;
	const char *const headers[] = {"Content-Type: application/json",
				       "Origin: https://evil.example", NULL};
	client_send(client,
		    &(struct request){.path = CROSS_ENTROPY, .headers = headers, .body = GOOD},
		    &reply);
	assert_int_equal(reply.status, 200);
	reply_free(&reply);
}

static void preflights_are_answered(void **state)
{
	(void)state;
	const char *const headers[] = {"Origin: https://evil.example",
				       "Access-Control-Request-Method: POST", NULL};
	struct reply reply;
	char allow[64];
	client_send(client,
		    &(struct request){.method = "OPTIONS",
				      .path = MEMORY "/region/a/register",
				      .headers = headers},
		    &reply);
	assert_int_equal(reply.status, 204);
	assert_false(reply_header(&reply, "Access-Control-Allow-Origin", allow, sizeof allow));
	reply_free(&reply);
}

static void two_origins_are_none(void **state)
{
	(void)state;
	char header[128];
	const char *const headers[] = {header, "Origin: https://evil.example", NULL};
	struct reply reply;
	snprintf(header, sizeof header, "Origin: %s", own);
	client_send(client,
		    &(struct request){.path = MEMORY "/unregister", .headers = headers, .body = ""},
		    &reply);
	assert_int_equal(reply.status, 400);
	reply_free(&reply);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_changes_something_is_not_for_foreign_pages),
		cmocka_unit_test(a_foreign_page_registers_nothing),
		cmocka_unit_test(memory_is_not_for_foreign_pages),
		cmocka_unit_test(evaluations_are_for_all),
		cmocka_unit_test(preflights_are_answered),
		cmocka_unit_test(two_origins_are_none),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
