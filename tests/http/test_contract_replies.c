/* A running server against api/openapi.yaml: pages, methods, members of replies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../support/contract.h"
#include "../support/group.h"
#include "../support/object.h"
#include "loss.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What stands for each {name} of a template. */
static const struct {
	const char *name, *value;
} names[] = {
	{"{loss}", "cross_entropy"},
	{"{version}", "1"},
	{"{code}", "shape_mismatch"},
	{"{name}", "region"},
};

static void fill_path(const char *template, char *out, size_t size)
{
	size_t used = 0;
	out[0] = '\0';
	while (*template != '\0' && used < size) {
		size_t n = strcspn(template, "{");
		used += (size_t)snprintf(out + used, size - used, "%.*s", (int)n, template);
		template += n;
		for (size_t i = 0; *template == '{' && i < sizeof names / sizeof *names; i++) {
			if (strncmp(template, names[i].name, strlen(names[i].name)) != 0)
				continue;
			used += (size_t)snprintf(out + used, size - used, "%s", names[i].value);
			template += strlen(names[i].name);
		}
		assert_int_not_equal(*template, '{');
	}
}

static void send_method(const char *path, const char *method, struct reply *reply)
{
	const struct request request = {.method = method, .path = path};
	client_send(client, &request, reply);
}

/* What is asserted of a reply before it is freed: what every one has. */
static void finish(struct reply *reply)
{
	char value[64];
	assert_true(reply_header(reply, "X-Content-Type-Options", value, sizeof value));
	assert_string_equal(value, "nosniff");
	reply_free(reply);
}

static void the_contract_served_is_the_file(void **state)
{
	(void)state;
	struct reply reply;
	client_get(client, "/openapi.yaml", &reply);
	assert_int_equal(reply.status, 200);
	FILE *file = fopen(CONTRACT_FILE, "rb");
	assert_non_null(file);
	char *bytes = malloc(reply.body_size + 1);
	assert_non_null(bytes);
	assert_int_equal(fread(bytes, 1, reply.body_size + 1, file), reply.body_size);
	assert_memory_equal(bytes, reply.body, reply.body_size);
	fclose(file);
	free(bytes);
	finish(&reply);
}

/* The one made of the other when the server was built. */
static void the_contract_as_json_is_the_file(void **state)
{
	(void)state;
	struct reply reply;
	client_get(client, "/openapi.json", &reply);
	assert_int_equal(reply.status, 200);
	cJSON *json = reply_json(&reply);
	assert_true(yaml_is_json(contract, json));
	cJSON *info = cJSON_GetObjectItemCaseSensitive(json, "info");
	assert_true(cJSON_ReplaceItemInObject(info, "title", cJSON_CreateString("another")));
	assert_false(yaml_is_json(contract, json));
	cJSON_Delete(json);
	finish(&reply);
}

/* Every documented GET answers with a documented media type, and HEAD with the same but the body.
 */
static void every_documented_page_answers(void **state)
{
	(void)state;
	const char *template;
	for (size_t i = 0; (template = yaml_key(contract, "paths", i)); i++) {
		char path[CONTRACT_NODE], type[CONTRACT_NODE], head_type[CONTRACT_NODE];
		struct reply get, head;
		if (!yaml_value(contract, node("paths>%s>get", template)))
			continue;
		fill_path(template, path, sizeof path);
		client_get(client, path, &get);
		assert_int_equal(get.status, 200);
		assert_true(get.body_size > 0);
		assert_true(reply_header(&get, "Content-Type", type, sizeof type));
		assert_key(node("paths>%s>get>responses>200>content", template),
			   node("%.*s", (int)strcspn(type, ";"), type));
		send_method(path, "HEAD", &head);
		assert_int_equal(head.status, 200);
		assert_int_equal(head.body_size, 0);
		assert_true(reply_header(&head, "Content-Type", head_type, sizeof head_type));
		assert_string_equal(head_type, type);
		finish(&get);
		finish(&head);
	}
}

/* Every documented POST that needs no body answers without one, with a documented media type. */
static void every_documented_post_without_a_body_answers(void **state)
{
	(void)state;
	const char *template;
	size_t n = 0;
	for (size_t i = 0; (template = yaml_key(contract, "paths", i)); i++) {
		char path[CONTRACT_NODE], type[CONTRACT_NODE];
		struct reply reply;
		const char *needed =
			yaml_value(contract, node("paths>%s>post>requestBody>required", template));
		if (!needed || strcmp(needed, "true") == 0)
			continue;
		fill_path(template, path, sizeof path);
		send_method(path, "POST", &reply);
		assert_int_equal(reply.status, 200);
		assert_true(reply_header(&reply, "Content-Type", type, sizeof type));
		assert_key(node("paths>%s>post>responses>200>content", template), type);
		finish(&reply);
		n++;
	}
	assert_true(n > 0);
}

static void check_allow(const char *template, const char *allow)
{
	char expected[CONTRACT_NODE] = "";
	for (size_t m = 0; m < N_CONTRACT_METHODS; m++)
		if (documents(template, m)) {
			size_t used = strlen(expected);
			snprintf(expected + used, sizeof expected - used, "%s%s", used ? ", " : "",
				 contract_methods[m].name);
		}
	assert_string_equal(allow, expected);
}

/* OPTIONS lists exactly the documented methods; any other is 405 and lists the same. */
static void allow_lists_the_documented_methods(void **state)
{
	(void)state;
	const char *template;
	for (size_t i = 0; (template = yaml_key(contract, "paths", i)); i++) {
		char path[CONTRACT_NODE], allow[CONTRACT_NODE];
		fill_path(template, path, sizeof path);
		for (size_t m = 0; m < N_CONTRACT_METHODS; m++) {
			struct reply reply;
			if (documents(template, m) && contract_methods[m].method != METHOD_OPTIONS)
				continue;
			send_method(path, contract_methods[m].name, &reply);
			assert_int_equal(reply.status, documents(template, m) ? 204 : 405);
			assert_true(reply_header(&reply, "Allow", allow, sizeof allow));
			check_allow(template, allow);
			finish(&reply);
		}
	}
}

static void undocumented_paths_are_404(void **state)
{
	(void)state;
	static const char *const paths[] = {
		"/nothing",
		"/v1",
		"/v1/",
		"/v1/losses/",
		"/openapi.yaml/",
		"/openapi.json/",
		"/openapi",
		"/metrics/",
		"/problems/",
		"/v1/losses/cross_entropy/",
		"/v2/health",
		"/v2/nothing",
		"/v2/health/live/",
		"/v2/models",
		"/v2/models/",
		"/v2/models/cross_entropy/",
		"/v2/models/cross_entropy/nothing",
		"/v2/models/cross_entropy/versions",
		"/v2/models/cross_entropy/versions/",
		"/v2/models/cross_entropy/versions/2",
		"/v2/models/cross_entropy/versions/1/ready/",
		"/v2/models/nothing/config",
		"/v2/models/stats/",
		"/v2/repository",
		"/v2/systemsharedmemory",
		"/v2/systemsharedmemory/region/nothing/status",
		"/problems/no_such_code",
		"/OPENAPI.YAML",
	};
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		struct reply reply;
		client_get(client, paths[i], &reply);
		if (reply.status != 404)
			fail_msg("GET %s is %d", paths[i], reply.status);
		finish(&reply);
	}
}

/* What an evaluation answers with has a place in the document; notes in `seen` what that is. */
static void check_members(const char *path, const char *body, cJSON *seen)
{
	struct reply reply;
	client_post(client, path, body, &reply);
	assert_int_equal(reply.status, 200);
	cJSON *json = reply_json(&reply);
	for (const cJSON *member = json->child; member; member = member->next) {
		assert_key("components>schemas>EvaluationReply>properties", member->string);
		if (!cJSON_HasObjectItem(seen, member->string))
			cJSON_AddNullToObject(seen, member->string);
		char schema[CONTRACT_NODE];
		snprintf(schema, sizeof schema, "components>schemas>%s>properties",
			 schema_name("", member->string, ""));
		for (const cJSON *child = member->child; cJSON_IsObject(member) && child;
		     child = child->next)
			assert_key(schema, child->string);
		if (cJSON_IsObject(member))
			assert_int_equal(cJSON_GetArraySize(member), count_keys(schema));
	}
	cJSON_Delete(json);
	finish(&reply);
}

/* Evaluations that ask for all that there is answer with documented members only, and with all of
 * them. */
static void an_evaluation_has_the_documented_members(void **state)
{
	(void)state;
	cJSON *seen = cJSON_CreateObject();
	check_members(
		"/v1/losses/cross_entropy",
		"{\"logits\": [[-0.7715, -0.6205, -0.2562]], \"targets\": [0], \"reduce\": true, "
		"\"groups\": [0], \"bytes\": [4], "
		"\"totals\": \"exact\", "
		"\"outputs\": [\"loss\", \"grad\", \"log_probs\", \"probs\", \"lse\", "
		"\"predicted\", \"correct\", \"accuracy\", \"entropy\", \"z_loss\", \"rank\", "
		"\"perplexity\", \"ece\", \"topk_accuracy\", \"group_loss_sum\", "
		"\"group_denominator\", \"group_counted\", \"group_loss\", \"bits_per_byte\", "
		"\"loss_quantiles\"]}",
		seen);
	check_members(
		"/v1/losses/policy_gradient",
		"{\"logits\": [[-0.7715, -0.6205, -0.2562]], \"targets\": [0], "
		"\"sampling_log_probs\": [-1.5], \"advantages\": [2], \"objective\": \"ppo\", "
		"\"totals\": \"exact\", "
		"\"outputs\": [\"log_prob\", \"ratio\", \"clip_fraction\", \"kl\"]}",
		seen);
	check_members("/v1/losses/divergence",
		      "{\"logits\": [[1, 2]], \"teacher_logits\": [[2, 1]], \"targets\": [0], "
		      "\"totals\": \"exact\", \"outputs\": [\"agrees\", \"agreement\", "
		      "\"teacher_entropy\", \"delta_prob\"]}",
		      seen);
	assert_int_equal(cJSON_GetArraySize(seen),
			 count_keys("components>schemas>EvaluationReply>properties"));
	cJSON_Delete(seen);
}

static void an_error_has_the_documented_members(void **state)
{
	(void)state;
	const char *schema = "components>schemas>Problem";
	struct reply reply;
	char type[CONTRACT_NODE];
	client_post(client, "/v1/losses/cross_entropy", "{\"logits\": [[1, 2]], \"targets\": [2]}",
		    &reply);
	assert_int_equal(reply.status, 422);
	assert_true(reply_header(&reply, "Content-Type", type, sizeof type));
	assert_string_equal(type, "application/problem+json");
	cJSON *json = reply_json(&reply);
	for (const cJSON *member = json->child; member; member = member->next)
		assert_key(node("%s>properties", schema), member->string);
	for (size_t i = 0; i < count_items(node("%s>required", schema)); i++)
		json_member(json, yaml_item(contract, node("%s>required", schema), i));
	/* All but the line, which a body of lines has. */
	assert_int_equal(cJSON_GetArraySize(json), count_keys(node("%s>properties", schema)) - 1);
	assert_null(json_find(json, "line"));
	const cJSON *first = cJSON_GetArrayItem(json_member(json, "errors"), 0);
	for (const cJSON *member = first->child; member; member = member->next) {
		assert_key("components>schemas>FieldError>properties", member->string);
		assert_string_equal(json_string(member),
				    json_string(json_member(json, member->string)));
	}
	assert_int_equal(cJSON_GetArraySize(first),
			 count_keys("components>schemas>FieldError>properties"));
	cJSON_Delete(json);
	finish(&reply);
}

/* ---------------------------------------------------------------- */

static struct object object;

/* With a region of shared memory, so that there is one to ask for. */
static int set_up(void **state)
{
	const char *const flags[] = {"--shm-key-prefix", object_prefix(), NULL};
	char body[CONTRACT_NODE];
	struct reply reply;
	(void)state;
	if (!contract_load() || group_start_with(flags) != 0)
		return -1;
	object_create(&object, "contract", 4096);
	snprintf(body, sizeof body, "{\"key\": \"%s\", \"byte_size\": 64}", object.key);
	client_post(client, "/v2/systemsharedmemory/region/region/register", body, &reply);
	int registered = reply.status;
	reply_free(&reply);
	return registered == 200 ? 0 : -1;
}

static int tear_down(void **state)
{
	object_destroy(&object);
	contract_free();
	return group_stop(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_contract_served_is_the_file),
		cmocka_unit_test(the_contract_as_json_is_the_file),
		cmocka_unit_test(every_documented_page_answers),
		cmocka_unit_test(every_documented_post_without_a_body_answers),
		cmocka_unit_test(allow_lists_the_documented_methods),
		cmocka_unit_test(undocumented_paths_are_404),
		cmocka_unit_test(an_evaluation_has_the_documented_members),
		cmocka_unit_test(an_error_has_the_documented_members),
	};
	return cmocka_run_group_tests_name("contract, replies", tests, set_up, tear_down);
}
